//! What stands before a message: date, uptime and number of the collection, each if it was asked for.
//!
//! ```text
//! 2022-07-26T21:00:40.750+0800: 3.117: #0: [GC (Allocation Failure) …
//! ```
//!
//! What this file does not do: read dates in any other form; the JVM writes this one in every locale.

use crate::formats::quantity::{decimal, digits};
use crate::formats::timestamp::iso;
use crate::model::time::Time;

/// Length of a date with its zone.
const DATE: usize = 28;
/// No uptime and no number is longer.
const LONGEST: usize = 20;

/// What a line begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Prefix {
    /// Whether a date stands there, at the very beginning.
    pub(super) dated: bool,
    /// Nanoseconds since the JVM started.
    pub(super) uptime: Option<i64>,
    /// Number of the collection.
    pub(super) id: Option<u32>,
    /// Where the message begins.
    pub(super) len: usize,
}

impl Prefix {
    /// Reads as much as there is; none if the line begins with a number or a date of another kind.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let mut found = Self::default();
        if line.get(4) == Some(&b'-') && line.get(10) == Some(&b'T') {
            if line.get(DATE..DATE + 2)? != b": " {
                return None;
            }
            found.dated = true;
            found.len = DATE + 2;
        }
        let rest = line.get(found.len..)?;
        if rest.first().is_some_and(u8::is_ascii_digit) {
            let (text, len) = word(rest)?;
            if !text.contains(['.', ',']) {
                return None;
            }
            found.uptime = Some(i64::try_from(decimal(text, 1_000_000_000)?).ok()?);
            found.len += len;
        }
        let rest = line.get(found.len..)?;
        if rest.first() == Some(&b'#') {
            let (text, len) = word(rest.get(1..)?)?;
            found.id = Some(u32::try_from(digits(text)?).ok()?);
            found.len += len + 1;
        }
        Some(found)
    }

    /// The date.
    pub(super) fn time(&self, line: &[u8]) -> Time {
        let stamp = if self.dated { line.get(..DATE).and_then(|date| iso(date, 0)) } else { None };
        stamp.map_or(Time::NONE, |(time, _)| time)
    }
}

/// What stands before `: `, and how long both are.
fn word(text: &[u8]) -> Option<(&str, usize)> {
    let window = text.get(..LONGEST).unwrap_or(text);
    let len = memchr::memmem::find(window, b": ")?;
    Some((std::str::from_utf8(window.get(..len)?).ok()?, len + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_subset() {
        let read = |text: &str| {
            Prefix::read(text.as_bytes())
                .map(|p| (p.time(text.as_bytes()).0 / 1_000_000, p.uptime, p.id, text.get(p.len..).unwrap_or_default().to_owned()))
        };
        let none = Time::NONE.0 / 1_000_000;
        let message = "[GC x".to_owned();
        assert_eq!(read("2022-07-26T21:00:40.750+0800: 3.117: #0: [GC x"), Some((1_658_840_440_750, Some(3_117_000_000), Some(0), message.clone())));
        assert_eq!(read("2022-07-26T21:00:40.750+0800: [GC x"), Some((1_658_840_440_750, None, None, message.clone())));
        assert_eq!(read("3,117: [GC x"), Some((none, Some(3_117_000_000), None, message.clone())));
        assert_eq!(read("#12: [GC x"), Some((none, None, Some(12), message.clone())));
        assert_eq!(read("[GC x"), Some((none, None, None, message)));
        for text in ["2022-07-26T21:00:40.750Z INFO x", "2022-07-26 21:00:40.750 up", "12: x", "12 x", "3.117 [GC", "#x: [GC", ""] {
            assert!(read(text).is_none_or(|(.., rest)| rest == text), "{text}: {:?}", read(text));
        }
    }
}
