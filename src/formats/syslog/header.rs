//! What syslog puts before a line.
//!
//! ```text
//! <134>Nov 22 19:33:34 haproxy[14486]: 127.0.0.1:53622 …
//! Nov 22 19:33:34 lb1 haproxy[14486]: 127.0.0.1:53622 …
//! <134>1 2026-11-22T19:37:03.181Z vm order-service 21224 Audit [mdc@18060 orderId="ord-0"] accepted
//! ```
//!
//! The host may be missing where a program writes to the daemon's socket itself, and so may priority and version in files
//! of RFC 5424. What this file does not do: read the structured data, or what follows the header.

use crate::formats::access_log::clock;
use crate::formats::text_log::level::of_word;
use crate::formats::timestamp;
use crate::model::record::Level;
use crate::model::time::Time;

/// A line without its syslog header.
#[derive(Clone, Copy, Debug)]
pub struct Peeled<'a> {
    /// Header with the time, or empty.
    header: &'a str,
    /// How urgent the header says it is.
    pub level: Level,
    /// Host, or empty.
    pub host: &'a str,
    /// Program, or empty.
    pub tag: &'a str,
    /// Process, or empty.
    pub process: &'a str,
    /// Structured data with its brackets, or empty.
    pub data: &'a str,
    /// The line itself.
    pub rest: &'a str,
    /// Whether nothing but syslog begins like this.
    pub certain: bool,
}

impl<'a> Peeled<'a> {
    /// A line without header.
    #[must_use]
    pub const fn plain(line: &'a str) -> Self {
        Self { header: "", level: Level::None, host: "", tag: "", process: "", data: "", rest: line, certain: false }
    }

    /// The header's time, with the year that brings it nearest to `near` if it has none.
    #[must_use]
    pub fn time(&self, near: Time, zone: i32) -> Time {
        let text = self.header.as_bytes();
        timestamp::iso(text, zone).or_else(|| clock::bsd(text, near, zone)).map_or(Time::NONE, |(time, _)| time)
    }
}

/// Takes the header off; none if there is none.
#[must_use]
pub fn peel(line: &str) -> Option<Peeled<'_>> {
    let (level, header) = match line.strip_prefix('<') {
        Some(rest) => {
            let (priority, rest) = rest.split_once('>').filter(|(priority, _)| (1..=3).contains(&priority.len()))?;
            (severity(priority.parse().ok()?), rest)
        }
        None => (Level::None, line),
    };
    let header = header.strip_prefix("1 ").unwrap_or(header);
    let bytes = header.as_bytes();
    let (used, yearless) = match bytes.first()? {
        b'0'..=b'9' => (timestamp::iso(bytes, 0)?.1, false),
        b'A'..=b'Z' => (clock::bsd(bytes, Time::NONE, 0)?.1, true),
        _ => return None,
    };
    let rest = header.get(used..)?.strip_prefix(' ')?;
    let line = Peeled { header, level, ..Peeled::plain(rest) };
    let prioritised = level != Level::None;
    if !yearless && let Some(found) = modern(line) {
        return Some(Peeled { certain: true, ..found });
    }
    // The tag ends at a colon; the host before it may be missing.
    let (word, after) = rest.split_once(' ')?;
    if let Some((tag, process)) = tagged(word) {
        return Some(Peeled { tag, process, rest: after, certain: prioritised, ..line });
    }
    if !is_name(word) {
        return None;
    }
    let line = Peeled { host: word, rest: after, ..line };
    let Some((tag, process, after)) = after.split_once(' ').and_then(|(word, rest)| tagged(word).map(|(tag, process)| (tag, process, rest))) else {
        return (yearless || prioritised).then(|| untagged(line));
    };
    let certain = prioritised || yearless || bytes[10] == b'T' && of_word(word.as_bytes()).is_none() && (!process.is_empty() || tag == "kernel");
    Some(Peeled { tag, process, rest: after, certain, ..line })
}

/// `app 21224 Audit [mdc@18060 …] message`: what follows the time of RFC 5424.
fn modern(line: Peeled<'_>) -> Option<Peeled<'_>> {
    let mut words = line.rest.splitn(5, ' ');
    let (host, tag, process, id, rest) = (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let numbered = process == "-" || process.bytes().all(|b| b.is_ascii_digit()) && !process.is_empty();
    if !(is_name(host) && is_name(tag) && (numbered || line.level != Level::None && is_name(process)) && is_name(id)) {
        return None;
    }
    let (data, rest) = match rest.as_bytes().first()? {
        b'-' => ("", rest.get(1..)?),
        b'[' => rest.split_at(data_len(rest)?),
        _ => return None,
    };
    if !(rest.is_empty() || rest.starts_with(' ')) {
        return None;
    }
    let rest = rest.trim_start_matches(' ').trim_start_matches('\u{feff}');
    let said = |word: &'static str, text| if text == word { "" } else { text };
    Some(Peeled { host: said("-", host), tag: said("-", tag), process: said("-", process), data, rest, ..line })
}

/// The length of all elements of structured data: quotes hide brackets, backslashes hide quotes.
fn data_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut quoted) = (0, false);
    loop {
        match bytes.get(at)? {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b']' if !quoted && bytes.get(at + 1) != Some(&b'[') => return Some(at + 1),
            _ => {}
        }
        at += 1;
    }
}

/// `haproxy[14486]:` or `kernel:`.
fn tagged(word: &str) -> Option<(&str, &str)> {
    let word = word.strip_suffix(':')?;
    let (tag, process) = word.strip_suffix(']').and_then(|word| word.rsplit_once('[')).unwrap_or((word, ""));
    (is_name(tag) && process.len() <= 64).then_some((tag, process))
}

/// A message without a tag as kernels and the daemon itself write it, or one whose tag has a blank in it.
fn untagged(line: Peeled<'_>) -> Peeled<'_> {
    let tag = line.rest.split_once(": ").filter(|(tag, _)| tag.len() <= 80 && tag.split_whitespace().count() <= 3);
    match tag {
        Some((words, rest)) => {
            let word = words.split([' ', '[']).next().unwrap_or_default();
            if is_name(word) { Peeled { tag: word, rest, ..line } } else { line }
        }
        None => Peeled { certain: true, ..line },
    }
}

fn is_name(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= 255
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/' | b':' | b'(' | b')' | b'@'))
}

/// The lower three bits of a priority are the severity.
const fn severity(priority: u16) -> Level {
    match priority & 7 {
        0..=2 => Level::Fatal,
        3 => Level::Error,
        4 => Level::Warn,
        5 | 6 => Level::Info,
        _ => Level::Debug,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header() {
        let near = clock::clf(b"22/Nov/2026:19:33:33 +0000", 0).map_or(Time::NONE, |(time, _)| time);
        for (line, want) in [
            ("<129>Nov 22 19:33:33 haproxy[14486]: a b", "2026-11-22T19:33:33Z FATAL  haproxy a b"),
            ("<134>Nov  2 19:33:33 lb1 haproxy[14486]: a", "2026-11-02T19:33:33Z INFO lb1 haproxy a"),
            ("Nov 22 19:33:34 lb1 nginx: a", "2026-11-22T19:33:34Z  lb1 nginx a"),
            ("2026-11-22T19:33:34.5+01:00 lb1 haproxy[1]: a", "2026-11-22T18:33:34.500Z  lb1 haproxy a"),
            ("<134>1 2026-11-22T19:33:34Z lb1 haproxy 14486 - - a b", "2026-11-22T19:33:34Z INFO lb1 haproxy a b"),
            ("<134>1 2026-11-22T19:33:34Z - orders 7 Audit [a@1 b=\"]\\\"\"][c d=\"e\"] \u{feff}up", "2026-11-22T19:33:34Z INFO  orders up"),
            ("2026-11-22T19:33:34Z lb1 NSX 3106 - [a level=\"INFO\"] up", "2026-11-22T19:33:34Z  lb1 NSX up"),
            ("Nov 22 19:33:34 combo syslogd 1.4.1: restart.", "2026-11-22T19:33:34Z  combo syslogd restart."),
            ("Nov 22 19:33:34 combo sshd(pam_unix)[19939]: failed", "2026-11-22T19:33:34Z  combo sshd(pam_unix) failed"),
            ("Nov 22 19:33:34 mac --- last message repeated 1 time ---", "2026-11-22T19:33:34Z  mac  --- last message repeated 1 time ---"),
            ("<134>", "none"),
            ("<1345>Nov 22 19:33:33 a: b", "none"),
            ("Nov 22 19:33:33", "none"),
            ("Nov 22 19:33:33 a", "none"),
            ("2026-11-22T19:33:34Z INFO starting up now", "none"),
            ("<134>1 2026-11-22T19:33:34Z lb1 haproxy 14486 - [open up", "2026-11-22T19:33:34Z INFO lb1  haproxy 14486 - [open up"),
            ("hello", "none"),
            ("", "none"),
        ] {
            let got =
                peel(line).map_or_else(|| "none".to_owned(), |p| format!("{} {} {} {} {}", p.time(near, 0), p.level.name(), p.host, p.tag, p.rest));
            assert_eq!(got, want, "{line}");
        }
    }
}
