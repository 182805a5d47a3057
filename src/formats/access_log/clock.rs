//! The times of access and error logs.
//!
//! ```text
//! 22/Nov/2026:19:33:33 +0000      22/Nov/2026:19:33:34.953      22/Nov/2026 19:33:33      Nov 22 19:33:33
//! ```
//!
//! What this file does not do: ISO times, which are read as everywhere.

use crate::formats::text_log::stamp::month;
use crate::formats::timestamp::{clock, days_from_civil};
use crate::model::time::{SECOND, Time};
use crate::model::undated;

/// Reads the Common Log Format's time at the start of `text`: the time, and how many bytes it took.
///
/// `zone` is the offset from UTC in seconds to assume if none is written.
#[must_use]
pub fn clf(text: &[u8], zone: i32) -> Option<(Time, usize)> {
    let date = text.first_chunk::<12>()?;
    if date[2] != b'/' || date[6] != b'/' || !matches!(date[11], b':' | b' ') {
        return None;
    }
    let days = days_from_civil(number(&date[7..11])?, month(&date[3..6])?, number(&date[..2])?)?;
    let (seconds, nanos, used) = clock(text.get(12..)?)?;
    let mut at = 12 + used;
    let mut offset = i64::from(zone);
    if let Some([b' ', sign @ (b'+' | b'-'), digits @ ..]) = text.get(at..at + 6) {
        let hours_minutes = number(digits)?;
        offset = (hours_minutes / 100 * 60 + hours_minutes % 100) * 60 * if *sign == b'-' { -1 } else { 1 };
        at += 6;
    }
    let seconds = days * 86_400 + seconds - offset;
    Some((Time(seconds.checked_mul(SECOND)?.checked_add(nanos)?), at))
}

/// Reads syslog's time, which has no year: the one is taken that brings it nearest to `near`. Without such a time it stays
/// undated.
#[must_use]
pub fn bsd(text: &[u8], near: Time, zone: i32) -> Option<(Time, usize)> {
    let head = text.first_chunk::<7>()?;
    if head[3] != b' ' || head[6] != b' ' {
        return None;
    }
    let (month, day) = (month(&head[..3])?, number(head[4..6].trim_ascii_start())?);
    let (seconds, nanos, used) = clock(text.get(7..)?)?;
    let days = days_from_civil(undated::YEARLESS, month, day)?;
    let time = Time((days * 86_400 + seconds - i64::from(zone)).checked_mul(SECOND)?.checked_add(nanos)?);
    Some((if near.is_none() { time } else { undated::settled(time, near) }, 7 + used))
}

fn number(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |value, b| b.is_ascii_digit().then(|| value * 10 + i64::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling() {
        for (text, want) in [
            ("22/Nov/2026:19:33:33 +0000] x", "2026-11-22T19:33:33Z 26"),
            ("22/Nov/2026:19:33:33.953 -0130]", "2026-11-22T21:03:33.953Z 30"),
            ("22/Nov/2026:19:33:34.953]", "2026-11-22T18:33:34.953Z 24"),
            ("22/Nov/2026 19:33:33]", "2026-11-22T18:33:33Z 20"),
            ("22/Nov/2026:19:33:33 +00", "2026-11-22T18:33:33Z 20"),
            ("31/Nov/2026:19:33:33", "none"),
            ("22/Nov/2026", "none"),
            ("22-Nov-2026 19:33:33", "none"),
            ("", "none"),
        ] {
            let got = clf(text.as_bytes(), 3600).map_or_else(|| "none".to_owned(), |(time, used)| format!("{time} {used}"));
            assert_eq!(got, want, "{text}");
        }
    }

    #[test]
    fn a_year_that_was_left_out() {
        let near = clf(b"01/Jan/2026:00:00:10 +0000", 0).map_or(Time::NONE, |(time, _)| time);
        for (text, near, want) in [
            ("Dec 31 23:59:59 lb1", near, "2025-12-31T23:59:59Z 15"),
            ("Jan  1 00:00:09 lb1", near, "2026-01-01T00:00:09Z 15"),
            ("Jan  1 00:00:09 lb1", Time::NONE, "1972-01-01T00:00:09Z 15"),
            ("Jan 32 00:00:09 lb1", near, "none"),
            ("Jan", near, "none"),
        ] {
            let got = bsd(text.as_bytes(), near, 0).map_or_else(|| "none".to_owned(), |(time, used)| format!("{time} {used}"));
            assert_eq!(got, want, "{text}");
        }
    }
}
