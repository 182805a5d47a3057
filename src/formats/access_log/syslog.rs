//! What syslog puts before a line of a proxy.
//!
//! ```text
//! <134>Nov 22 19:33:34 haproxy[14486]: 127.0.0.1:53622 …
//! Nov 22 19:33:34 lb1 haproxy[14486]: 127.0.0.1:53622 …
//! <134>1 2026-11-22T19:33:34.904Z lb1 haproxy 14486 - - 127.0.0.1:53622 …
//! ```
//!
//! What this file does not do: read syslog files of other programs.

use super::clock;
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
    /// The line itself.
    pub rest: &'a str,
}

impl<'a> Peeled<'a> {
    /// A line without header.
    #[must_use]
    pub const fn plain(line: &'a str) -> Self {
        Self { header: "", level: Level::None, host: "", tag: "", rest: line }
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
    let modern = header.strip_prefix("1 ");
    let header = modern.unwrap_or(header);
    let bytes = header.as_bytes();
    let used = match bytes.first()? {
        b'0'..=b'9' => timestamp::iso(bytes, 0)?.1,
        b'A'..=b'Z' => clock::bsd(bytes, Time::NONE, 0)?.1,
        _ => return None,
    };
    let mut rest = header.get(used..)?.strip_prefix(' ')?;
    let mut host = "";
    // The tag ends at a colon; the host before it may be missing. RFC 5424 has no colon and always a host.
    for _ in 0..2 {
        let (word, after) = rest.split_once(' ')?;
        if let Some(tag) = word.strip_suffix(':') {
            let tag = tag.split('[').next().unwrap_or(tag);
            return (modern.is_none() && is_name(tag)).then_some(Peeled { header, level, host, tag, rest: after });
        }
        if !host.is_empty() || !is_name(word) {
            break;
        }
        host = word;
        rest = after;
    }
    let (tag, after) = rest.split_once(' ').filter(|_| modern.is_some())?;
    let after = after.split_once(" - ").filter(|(process, _)| process.len() <= 64 && !process.contains(['"', '[']))?.1;
    let after = after.strip_prefix("- ").unwrap_or(after);
    (is_name(tag) && !host.is_empty()).then_some(Peeled { header, level, host, tag, rest: after.trim_start_matches('\u{feff}') })
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && word.len() <= 255 && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/' | b':'))
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
            ("<134>", "none"),
            ("<1345>Nov 22 19:33:33 a: b", "none"),
            ("Nov 22 19:33:33", "none"),
            ("Nov 22 19:33:33 a", "none"),
            ("2026-11-22T19:33:34Z INFO starting up now", "none"),
            ("hello", "none"),
            ("", "none"),
        ] {
            let got =
                peel(line).map_or_else(|| "none".to_owned(), |p| format!("{} {} {} {} {}", p.time(near, 0), p.level.name(), p.host, p.tag, p.rest));
            assert_eq!(got, want, "{line}");
        }
    }
}
