//! The grammars of what container runtimes and their tools put around a line.
//!
//! ```text
//! 2026-11-22T19:37:48.015123456Z stdout F text                                        CRI: containerd, CRI-O
//! {"log":"text\n","stream":"stdout","time":"2026-11-22T19:37:48.015123456Z"}          Docker json-file
//! [pod/orders-7d9f/app] 2026-11-22T19:37:48.008123456Z text                           kubectl logs --prefix --timestamps
//! web-1  | 2024-04-25T05:32:35.584725130Z text                                        docker compose logs [-t]
//! ```
//!
//! What this file does not do: join the pieces of a line (`inner.rs`).

use crate::formats::json_log::bump::unescape;
use crate::formats::json_log::scan::{Cursor, Item};

/// Which wrapper.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// The files of a Kubernetes node.
    Cri,
    /// The files of Docker's default log driver.
    Docker,
    /// `kubectl logs --prefix`, with or without `--timestamps`.
    Kubectl,
    /// A time alone: `kubectl logs --timestamps`, `docker logs -t`.
    Timestamps,
    /// `docker compose logs`, with or without `-t`.
    Compose,
}

/// All wrappers, the most distinctive first.
pub const SHAPES: [Shape; 5] = [Shape::Cri, Shape::Docker, Shape::Kubectl, Shape::Compose, Shape::Timestamps];

/// A wrapper line taken apart.
#[derive(Clone, Copy, Debug)]
pub struct Peeled<'a> {
    /// Whose line it is: stream, pod and container, or compose service.
    pub source: &'a [u8],
    /// The wrapper's time, or empty.
    pub time: &'a [u8],
    /// What the application wrote.
    pub text: Payload<'a>,
    /// Whether the application's line ends here.
    pub whole: bool,
}

/// What the application wrote.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// As it stands, without the line end.
    Plain(&'a [u8]),
    /// The inside of a JSON string, line end included if it has one.
    Quoted(&'a [u8]),
}

impl Payload<'_> {
    /// Appends the text to `out`.
    pub fn append(self, out: &mut Vec<u8>) {
        match self {
            Self::Plain(text) => out.extend_from_slice(text),
            Self::Quoted(raw) => {
                let start = out.len();
                out.resize(start + raw.len(), 0);
                // Unescaped text is never longer than the literal, so there is room.
                let len = unescape(raw, &mut out[start..]).unwrap_or(0);
                out.truncate(start + len);
            }
        }
    }
}

impl Shape {
    /// Its name in labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cri => "cri",
            Self::Docker => "docker",
            Self::Kubectl => "kubectl",
            Self::Timestamps => "timestamps",
            Self::Compose => "compose",
        }
    }

    /// Takes a line (without its end) apart; none if it does not follow the grammar.
    #[must_use]
    pub fn peel(self, line: &[u8]) -> Option<Peeled<'_>> {
        match self {
            Self::Cri => cri(line),
            Self::Docker => docker(line),
            Self::Kubectl => {
                let rest = line.strip_prefix(b"[pod/")?;
                let end = memchr::memchr(b']', rest.get(..512).unwrap_or(rest))?;
                memchr::memchr(b'/', &rest[..end])?;
                let (time, text) = stamped(rest[end + 1..].strip_prefix(b" ").unwrap_or_default());
                Some(Peeled { source: &rest[..end], time, text: Payload::Plain(text), whole: true })
            }
            Self::Timestamps => {
                let (time, text) = stamped(line);
                (!time.is_empty()).then_some(Peeled { source: b"", time, text: Payload::Plain(text), whole: true })
            }
            Self::Compose => compose(line),
        }
    }
}

fn cri(line: &[u8]) -> Option<Peeled<'_>> {
    let space = memchr::memchr(b' ', line.get(..40).unwrap_or(line))?;
    let (time, rest) = (&line[..space], &line[space + 1..]);
    if time.len() < 20 || time[4] != b'-' || time[10] != b'T' {
        return None;
    }
    let source = rest.first_chunk::<6>().filter(|name| *name == b"stdout" || *name == b"stderr")?;
    let rest = rest[6..].strip_prefix(b" ")?;
    let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
    // Tags are joined by colons; the first says whether the line is whole.
    let whole = match rest.get(..end)? {
        [b'F'] | [b'F', b':', ..] => true,
        [b'P'] | [b'P', b':', ..] => false,
        _ => return None,
    };
    Some(Peeled { source, time, text: Payload::Plain(rest.get(end + 1..).unwrap_or_default()), whole })
}

/// The lines that Docker itself writes have one order of keys; whatever else has the same keys is taken apart with care.
fn docker(line: &[u8]) -> Option<Peeled<'_>> {
    docker_as_written(line).or_else(|| docker_in_any_order(line))
}

/// `{"log":"…","stream":"…","time":"…"}`. The text is the only long part, and no quote in it stands without a backslash:
/// so its end is found from the end of the line.
fn docker_as_written(line: &[u8]) -> Option<Peeled<'_>> {
    const STREAM: &[u8] = b"\",\"stream\":\"";
    const TIME: &[u8] = b"\",\"time\":\"";
    let rest = line.strip_prefix(b"{\"log\":\"")?.strip_suffix(b"\"}")?;
    let all = rest.len();
    let (rest, time) = rest.split_at(memchr::memrchr(b'"', rest)? + 1);
    let rest = rest.strip_suffix(TIME)?;
    let (rest, source) = rest.split_at(memchr::memrchr(b'"', rest)? + 1);
    let log = rest.strip_suffix(STREAM)?;
    let plain = all - log.len() <= 128 && !time.iter().chain(source).any(|&b| b == b'\\');
    (plain && !odd_backslashes(log)).then_some(Peeled { source, time, text: Payload::Quoted(log), whole: ends_line(log) })
}

/// Only Docker's own keys: with others among them a shipper has been at work, and what it adds is worth reading.
fn docker_in_any_order(line: &[u8]) -> Option<Peeled<'_>> {
    let mut cursor = Cursor::new(std::str::from_utf8(line).ok()?);
    if !matches!(cursor.item(), Ok(Item::Object)) {
        return None;
    }
    let (mut log, mut time, mut source) = (None, None, &b""[..]);
    let mut first = true;
    while let Some(key) = cursor.member(first).ok()? {
        first = false;
        match (key.text, cursor.item().ok()?) {
            ("log", Item::Text(raw)) => log = Some(raw.text.as_bytes()),
            ("time", Item::Text(raw)) => time = Some(raw.text.as_bytes()),
            ("stream", Item::Text(raw)) => source = raw.text.as_bytes(),
            ("attrs", Item::Object) => {
                cursor.rest().ok()?;
            }
            _ => return None,
        }
    }
    let (log, time) = (log?, time?);
    (cursor.peek().is_none()).then_some(Peeled { source, time, text: Payload::Quoted(log), whole: ends_line(log) })
}

/// Whether the literal's last character is a line end: an `n` after an odd number of backslashes.
fn ends_line(raw: &[u8]) -> bool {
    raw.strip_suffix(b"n").is_some_and(odd_backslashes)
}

fn odd_backslashes(text: &[u8]) -> bool {
    text.iter().rev().take_while(|&&b| b == b'\\').count() % 2 == 1
}

fn compose(line: &[u8]) -> Option<Peeled<'_>> {
    let line = uncoloured(line);
    let name = line.iter().take(128).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')).count();
    if name == 0 || !line[0].is_ascii_alphanumeric() {
        return None;
    }
    let rest = uncoloured(&line[name..]);
    let spaces = rest.iter().take(128).take_while(|&&b| b == b' ').count();
    let rest = uncoloured(rest.get(spaces..).filter(|_| spaces > 0)?).strip_prefix(b"|")?;
    let rest = match rest.first() {
        None => rest,
        Some(b' ') => &rest[1..],
        Some(0x1b) => uncoloured(rest).strip_prefix(b" ").unwrap_or_else(|| uncoloured(rest)),
        Some(_) => return None,
    };
    let (time, text) = stamped(uncoloured(rest));
    Some(Peeled { source: &line[..name], time, text: Payload::Plain(text), whole: true })
}

/// Splits off a time with exactly nine digits after the dot and a zone, as the runtimes write it and applications do not.
fn stamped(text: &[u8]) -> (&[u8], &[u8]) {
    let split = || {
        let space = memchr::memchr(b' ', text.get(..40).unwrap_or(text)).unwrap_or(text.len().min(40));
        let time = &text[..space];
        let digits = time.get(20..29)?.iter().all(u8::is_ascii_digit);
        let zone = matches!(time.get(29..)?, [b'Z'] | [b'+' | b'-', ..]);
        (time[4] == b'-' && time[10] == b'T' && time[19] == b'.' && digits && zone).then(|| (time, text.get(space + 1..).unwrap_or_default()))
    };
    split().unwrap_or((&[], text))
}

/// Without the terminal's control sequences at its start.
fn uncoloured(mut text: &[u8]) -> &[u8] {
    while let Some(len) = control_len(text) {
        text = &text[len..];
    }
    text
}

/// Length of the terminal's control sequence (`ESC[2K`, `ESC[31m`) at the start of a text.
#[must_use]
pub fn control_len(text: &[u8]) -> Option<usize> {
    let rest = text.strip_prefix(b"\x1b[")?;
    let parameters = rest.iter().take(32).take_while(|b| (0x20..0x40).contains(*b)).count();
    rest.get(parameters).filter(|b| (0x40..0x7f).contains(*b)).map(|_| parameters + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(shape: Shape, line: &str) -> String {
        let Some(peeled) = shape.peel(line.as_bytes()) else { return "none".to_owned() };
        let mut text = Vec::new();
        peeled.text.append(&mut text);
        format!("{}|{}|{}|{}", peeled.source.escape_ascii(), peeled.time.escape_ascii(), text.escape_ascii(), peeled.whole)
    }

    #[test]
    fn every_wrapper() {
        for (shape, line, want) in [
            (Shape::Cri, "2026-11-22T19:37:48.015123456Z stdout F a b", "stdout|2026-11-22T19:37:48.015123456Z|a b|true"),
            (Shape::Cri, "2026-11-22T19:37:48.015123456+01:00 stderr P:x a", "stderr|2026-11-22T19:37:48.015123456+01:00|a|false"),
            (Shape::Cri, "2026-11-22T19:37:48.015123456Z stdout F", "stdout|2026-11-22T19:37:48.015123456Z||true"),
            (Shape::Cri, "2026-11-22T19:37:48.015123456Z stdout X a", "none"),
            (Shape::Docker, r#"{"log":"a\"b\\n\n","stream":"stderr","time":"T"}"#, r#"stderr|T|a\"b\\n\n|true"#),
            (Shape::Docker, r#"{"log":"a\\n","stream":"stdout","time":"T"}"#, r"stdout|T|a\\n|false"),
            (Shape::Docker, r#"{"time":"T","attrs":{"k":"v"},"stream":"stdout","log":"a\n"}"#, r"stdout|T|a\n|true"),
            (Shape::Docker, r#"{"log":"a\n","stream":"stdout","time":"T","kubernetes":{}}"#, "none"),
            (Shape::Docker, r#"{"log":"a\n","stream":"stdout","ti"#, "none"),
            (Shape::Kubectl, "[pod/p/c] 2026-11-22T19:37:48.015123456Z a", "p/c|2026-11-22T19:37:48.015123456Z|a|true"),
            (Shape::Kubectl, "[pod/p/c] a", "p/c||a|true"),
            (Shape::Kubectl, "[pod] a", "none"),
            (Shape::Timestamps, "2026-11-22T19:37:48.015123456Z  INFO a", "|2026-11-22T19:37:48.015123456Z| INFO a|true"),
            (Shape::Timestamps, "2026-11-22T19:37:48.015Z INFO a", "none"),
            (Shape::Compose, "web-1  | 2026-11-22T19:37:48.015Z a", "web-1||2026-11-22T19:37:48.015Z a|true"),
            (Shape::Compose, "\u{1b}[2Kweb-1  | 2026-11-22T19:37:48.015123456Z a", "web-1|2026-11-22T19:37:48.015123456Z|a|true"),
            (Shape::Compose, "\u{1b}[36mdb_1 |\u{1b}[0m a", "db_1||a|true"),
            (Shape::Compose, "web-1  |", "web-1|||true"),
            (Shape::Compose, " id | name", "none"),
            (Shape::Compose, "a||b", "none"),
        ] {
            assert_eq!(show(shape, line), want, "{line}");
        }
    }
}
