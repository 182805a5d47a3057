//! The time at the start of a line, in every dress that logging patterns give it.
//!
//! ```text
//! 2026-11-22T19:37:48.008Z  INFO ...     [2025-04-09 10:00:00,405] INFO ...     19:37:03.181 [main] INFO ...
//! 22-Nov-2026 19:37:12.123 INFO ...      [Sun Nov 22 19:35:53.184741 2026] ...  1795376223181 INFO ...
//! ```
//!
//! What this file does not do: complete a missing year (`Nov 22 19:33:34`), or notice that a file of times of day runs
//! past midnight.

use crate::formats::timestamp::{clock, days_from_civil, epoch_text, iso};
use crate::model::source::Hints;
use crate::model::time::{SECOND, Time};

/// How a time is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Date and time.
    Full,
    /// Only the time of day.
    Clock,
    /// A number since 1970.
    Epoch,
}

/// A time at the start of some text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// The time; none for a time of day without a day to complete it.
    pub time: Time,
    /// How it is written.
    pub kind: Kind,
    /// Whether a bracket stands before it.
    pub bracketed: bool,
    /// Bytes taken: the opening bracket, the time, and the closing bracket if it follows at once.
    pub len: usize,
}

/// The time that `text` begins with. Whatever may not follow a time (a digit, a letter, a comma) makes it none.
#[must_use]
pub fn read(text: &[u8], hints: &Hints) -> Option<Stamp> {
    let (bracketed, at) = match text.first()? {
        b'[' => (true, 1),
        b'0'..=b'9' => (false, 0),
        b'F' | b'M' | b'S' | b'T' | b'W' => (false, 0),
        _ => return None,
    };
    let rest = text.get(at..)?;
    let (time, kind, used) = bare(rest, hints)?;
    let len = at + used;
    match (bracketed, text.get(len)) {
        (true, Some(b']')) => Some(Stamp { time, kind, bracketed, len: len + 1 }),
        (_, None | Some(b' ' | b'\t' | b':' | b'|' | b'[' | b']' | 0x1b)) => Some(Stamp { time, kind, bracketed, len }),
        _ => None,
    }
}

fn bare(text: &[u8], hints: &Hints) -> Option<(Time, Kind, usize)> {
    match text {
        [b'0'..=b'9', _, b':', ..] => {
            let (seconds, nanos, used) = clock(text)?;
            let time = if hints.day.is_none() { Time::NONE } else { hints.day.plus((seconds - i64::from(hints.zone)) * SECOND + nanos) };
            Some((time, Kind::Clock, used))
        }
        [b'0'..=b'9', _, _, _, b'-' | b'/', ..] => iso(text, hints.zone).map(|(time, used)| (time, Kind::Full, used + zone_name(&text[used..]))),
        [b'0'..=b'9', _, b'-' | b' ', letter, ..] if letter.is_ascii_alphabetic() => day_first(text, hints.zone),
        [b'0'..=b'9', ..] => basic(text, hints.zone).or_else(|| epoch(text)),
        _ => ctime(text, hints.zone),
    }
}

/// A zone's name that `iso` leaves: ` CEST`. Its offset is not known, so that the hinted zone stands; UTC is read by `iso`.
fn zone_name(text: &[u8]) -> usize {
    let name = text.get(1..).unwrap_or_default().iter().take_while(|b| b.is_ascii_uppercase()).count();
    let known = text
        .get(1..=name)
        .is_some_and(|name| matches!(name, b"CET" | b"CEST" | b"EST" | b"EDT" | b"PST" | b"PDT" | b"BST" | b"IST" | b"JST" | b"MSK"));
    if known && text.first() == Some(&b' ') { name + 1 } else { 0 }
}

/// `22-Nov-2026 19:37:12.123`, `22 Nov 2026 19:37:12,123`.
fn day_first(text: &[u8], zone: i32) -> Option<(Time, Kind, usize)> {
    let date = text.first_chunk::<12>()?;
    if date[2] != date[6] || date[11] != b' ' {
        return None;
    }
    let time = at(number(&date[7..11])?, month(&date[3..6])?, number(&date[..2])?, text.get(12..)?, zone)?;
    Some((time.0, Kind::Full, 12 + time.1))
}

/// `Sun Nov 22 19:35:53.184741 2026`.
fn ctime(text: &[u8], zone: i32) -> Option<(Time, Kind, usize)> {
    let head = text.first_chunk::<11>()?;
    if !matches!(&head[..3], b"Mon" | b"Tue" | b"Wed" | b"Thu" | b"Fri" | b"Sat" | b"Sun") || head[3] != b' ' || head[7] != b' ' || head[10] != b' ' {
        return None;
    }
    let day = if head[8] == b' ' { number(&head[9..10])? } else { number(&head[8..10])? };
    let (_, _, used) = clock(text.get(11..)?)?;
    let year = text.get(11 + used..)?.first_chunk::<5>()?;
    let (time, _) = at(number(&year[1..])?, month(&head[4..7])?, day, text.get(11..)?, zone)?;
    Some((time, Kind::Full, 11 + used + 5))
}

/// `20261122T193703,181` and `20261122 19:37:03,181`: the date without dashes.
fn basic(text: &[u8], zone: i32) -> Option<(Time, Kind, usize)> {
    let date = text.first_chunk::<9>()?;
    if !matches!(date[8], b'T' | b' ' | b'-') {
        return None;
    }
    let (year, month, day) = (number(&date[..4])?, number(&date[4..6])?, number(&date[6..8])?);
    let rest = text.get(9..)?;
    if let Some((time, used)) = at(year, month, day, rest, zone) {
        return Some((time, Kind::Full, 9 + used));
    }
    // The clock without colons is read as one with them.
    let digits = rest.first_chunk::<6>()?;
    let colons = [digits[0], digits[1], b':', digits[2], digits[3], b':', digits[4], digits[5]];
    let (time, _) = at(year, month, day, &colons, zone)?;
    let fraction = match rest.get(6) {
        Some(b',' | b'.') => rest[7..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .take(9)
            .fold((0_i64, SECOND, 0_usize), |(nanos, scale, n), b| (nanos + i64::from(b - b'0') * (scale / 10), scale / 10, n + 1)),
        _ => (0, SECOND, 0),
    };
    Some((time.plus(fraction.0), Kind::Full, 15 + if fraction.2 > 0 { fraction.2 + 1 } else { 0 }))
}

/// Seconds or more since 1970. Only numbers of this century count: a line may begin with any other number.
fn epoch(text: &[u8]) -> Option<(Time, Kind, usize)> {
    let used = text.iter().take(32).take_while(|b| b.is_ascii_digit() || **b == b'.').count();
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if !matches!(digits, 10 | 13 | 16 | 19) {
        return None;
    }
    let time = epoch_text(&text[..used]).filter(|time| (MILLENNIUM..CENTURY_MIDDLE).contains(&time.0))?;
    Some((time, Kind::Epoch, used))
}

/// 2000-01-01.
pub const MILLENNIUM: i64 = 946_684_800 * SECOND;
const CENTURY_MIDDLE: i64 = 2_524_608_000 * SECOND;

/// A time from a date and the clock that `text` begins with.
fn at(year: i64, month: i64, day: i64, text: &[u8], zone: i32) -> Option<(Time, usize)> {
    let (seconds, nanos, used) = clock(text)?;
    let seconds = days_from_civil(year, month, day)? * 86_400 + seconds - i64::from(zone);
    Some((Time(seconds.checked_mul(SECOND)?.checked_add(nanos)?), used))
}

fn month(name: &[u8]) -> Option<i64> {
    const NAMES: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    NAMES.chunks_exact(3).position(|n| n == name).and_then(|n| i64::try_from(n + 1).ok())
}

fn number(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |value, b| b.is_ascii_digit().then(|| value * 10 + i64::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        read(text.as_bytes(), &Hints { day: Time(1_795_305_600 * SECOND), ..Hints::default() })
            .map_or_else(|| "none".to_owned(), |s| format!("{} {}", s.time, s.len))
    }

    #[test]
    fn every_dress() {
        for (text, want) in [
            ("2026-11-22T19:37:48.008Z  INFO", "2026-11-22T19:37:48.008Z 24"),
            ("[2026-11-22 19:37:48,008] INFO", "2026-11-22T19:37:48.008Z 25"),
            ("2012-07-02 10:22:40,672:DEBUG:foo", "2012-07-02T10:22:40.672Z 23"),
            ("19:37:03.181 [main]", "2026-11-22T19:37:03.181Z 12"),
            ("[19:37:03 INF] up", "2026-11-22T19:37:03Z 9"),
            ("22-Nov-2026 19:37:12.123 INFO", "2026-11-22T19:37:12.123Z 24"),
            ("22 Nov 2026 19:37:12,123 INFO", "2026-11-22T19:37:12.123Z 24"),
            ("[Sun Nov 22 19:35:53.184741 2026] [core:info]", "2026-11-22T19:35:53.184741Z 33"),
            ("20261122T193703,181 x", "2026-11-22T19:37:03.181Z 19"),
            ("20261122 19:37:03 x", "2026-11-22T19:37:03Z 17"),
            ("1795376223181 INFO", "2026-11-22T19:37:03.181Z 13"),
            ("1795376223.181 INFO", "2026-11-22T19:37:03.181Z 14"),
            ("2026-11-22 19:37:03.181 CEST x", "2026-11-22T19:37:03.181Z 28"),
        ] {
            assert_eq!(show(text), want, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_time() {
        for text in [
            "",
            "[",
            "2026",
            "2026-11-22",
            "2026-11-22T19:37:48Z,1,2",
            "[22/Nov/2026:19:33:33 +0000] \"GET",
            "1795376223 x"[..4].as_ref(),
            "12345678901 x",
            "12:3",
            "Sunday",
            "[0.293s][info][gc]",
            "127.0.0.1 - -",
        ] {
            assert_eq!(show(text), "none", "{text}");
        }
        assert_eq!(read(b"19:37:03.181 x", &Hints::default()).map(|s| s.time), Some(Time::NONE));
    }
}
