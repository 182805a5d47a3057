//! The time at the start of a line, in every dress that logging patterns give it.
//!
//! ```text
//! 2026-11-22T19:37:48.008Z  INFO ...     [2025-04-09 10:00:00,405] INFO ...     19:37:03.181 [main] INFO ...
//! 22-Nov-2026 19:37:12.123 INFO ...      [Sun Nov 22 19:35:53.184741 2026] ...  1795376223181 INFO ...
//! Nov 22 19:33:34 host ...               03-17 16:13:38.811 1702 2395 D ...     @4000000043322583 3b6e1a8c ...
//! 17/06/09 20:10:40 INFO ...             081109 203615 148 INFO ...             Nov 22, 2026 7:37:06 PM ...
//! ```
//!
//! What this file does not do: complete a missing year or date; such a time is undated (`model/undated.rs`).

use crate::formats::timestamp::{clock, days_from_civil, epoch_text, iso};
use crate::model::source::Hints;
use crate::model::time::{SECOND, Time};
use crate::model::undated;

/// How a time is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Date and time.
    Full,
    /// Only the time of day.
    Clock,
    /// Month, day and time.
    Yearless,
    /// A number since 1970.
    Epoch,
}

/// A time at the start of some text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// The time, undated if a part of the date is not written.
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
        b'0'..=b'9' | b'@' => (false, 0),
        b'A' | b'D' | b'F' | b'J' | b'M' | b'N' | b'O' | b'S' | b'T' | b'W' => (false, 0),
        _ => return None,
    };
    let rest = text.get(at..)?;
    let (time, kind, used) = bare(rest, hints)?;
    let len = at + used;
    match (bracketed, text.get(len)) {
        (true, Some(b']')) => Some(Stamp { time, kind, bracketed, len: len + 1 }),
        // Windows puts a comma behind, which elsewhere separates columns.
        (_, Some(b',')) if text.get(len + 1) == Some(&b' ') => Some(Stamp { time, kind, bracketed, len: len + 1 }),
        (_, None | Some(b' ' | b'\t' | b':' | b'|' | b'[' | b']' | 0x1b)) => Some(Stamp { time, kind, bracketed, len }),
        _ => None,
    }
}

fn bare(text: &[u8], hints: &Hints) -> Option<(Time, Kind, usize)> {
    match text {
        [b'0'..=b'9', _, b':', ..] => {
            let (seconds, nanos, used) = clock(text)?;
            let of_day = (seconds - i64::from(hints.zone)) * SECOND + nanos;
            let time = if hints.day.is_none() { undated::clock(of_day) } else { hints.day.plus(of_day) };
            Some((time, Kind::Clock, used))
        }
        [b'0'..=b'9', _, _, _, b'-' | b'/', ..] => iso(text, hints.zone).map(|(time, used)| (time, Kind::Full, used + zone_name(&text[used..]))),
        [b'0'..=b'9', _, b'-' | b' ', letter, ..] if letter.is_ascii_alphabetic() => day_first(text, hints.zone),
        [b'0'..=b'9', b'0'..=b'9', b'-' | b'.', b'0'..=b'9', b'0'..=b'9', b' ', rest @ ..] => {
            let (time, used) = at(undated::YEARLESS, number(&text[..2])?, number(&text[3..5])?, rest, hints.zone)?;
            Some((time, Kind::Yearless, 6 + used))
        }
        [b'0'..=b'9', _, b'/', _, _, b'/', _, _, b' ', rest @ ..] => {
            let (time, used) = at(2000 + number(&text[..2])?, number(&text[3..5])?, number(&text[6..8])?, rest, hints.zone)?;
            Some((time, Kind::Full, 9 + used))
        }
        [b'0'..=b'9', ..] => {
            basic(text, hints.zone).or_else(|| short(text, hints.zone)).or_else(|| year_last(text, hints.zone)).or_else(|| epoch(text))
        }
        [b'@', label @ ..] => tai64n(label),
        _ => ctime(text, hints.zone).or_else(|| month_first(text, hints.zone)),
    }
}

/// `22.11.2026 19:37:03`, `22-11-2026 19:37:03`, and with slashes the month first unless it can be none: `11/22/2026 7:37:03 PM`.
fn year_last(text: &[u8], zone: i32) -> Option<(Time, Kind, usize)> {
    let date = text.first_chunk::<11>()?;
    let mark = date[2];
    if !matches!(mark, b'.' | b'-' | b'/') || date[5] != mark || date[10] != b' ' {
        return None;
    }
    let (first, second, year) = (number(&date[..2])?, number(&date[3..5])?, number(&date[6..10])?);
    let (day, month) = if mark == b'/' && first <= 12 { (second, first) } else { (first, second) };
    let rest = text.get(11..)?;
    let (time, used) = twelve_hours(year, month, day, rest, zone).or_else(|| at(year, month, day, rest, zone))?;
    Some((time, Kind::Full, 11 + used))
}

/// `@` and the 24 hex digits of a TAI64N label. Its writers count from ten seconds after 1970, without leap seconds.
fn tai64n(label: &[u8]) -> Option<(Time, Kind, usize)> {
    let digits = std::str::from_utf8(label.get(..24)?).ok()?;
    let seconds = u64::from_str_radix(digits.get(..16)?, 16).ok()?.checked_sub((1 << 62) + 10)?;
    let nanos = i64::from_str_radix(digits.get(16..)?, 16).ok().filter(|nanos| *nanos < SECOND)?;
    Some((Time(i64::try_from(seconds).ok()?.checked_mul(SECOND)?.checked_add(nanos)?), Kind::Full, 25))
}

/// `Nov 22 19:33:34`, `Nov  2 19:33:34`, and with a year `Nov 22 2026 19:33:34`, `Nov 22, 2026 7:37:06 PM`.
fn month_first(text: &[u8], zone: i32) -> Option<(Time, Kind, usize)> {
    let month = month(text.get(..3)?)?;
    let rest = text.get(3..)?.strip_prefix(b" ")?;
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let digits = rest.iter().take(2).take_while(|b| b.is_ascii_digit()).count();
    let day = number(rest.get(..digits).filter(|digits| !digits.is_empty())?)?;
    let rest = &rest[digits..];
    let (comma, rest) = rest.strip_prefix(b",").map_or((false, rest), |rest| (true, rest));
    let rest = rest.strip_prefix(b" ")?;
    let year = rest.first_chunk::<5>().filter(|year| year[4] == b' ').and_then(|year| number(&year[..4]));
    let Some(year) = year else {
        let (time, used) = at(undated::YEARLESS, month, day, rest, zone).filter(|_| !comma)?;
        return Some((time, Kind::Yearless, text.len() - rest.len() + used));
    };
    let (time, used) = twelve_hours(year, month, day, &rest[5..], zone).or_else(|| at(year, month, day, &rest[5..], zone))?;
    Some((time, Kind::Full, text.len() - rest.len() + 5 + used))
}

/// `7:37:06 PM`; newer JDKs put a narrow space before the half of the day.
fn twelve_hours(year: i64, month: i64, day: i64, text: &[u8], zone: i32) -> Option<(Time, usize)> {
    let digits = text.iter().take(2).take_while(|b| b.is_ascii_digit()).count();
    let hour = number(text.get(..digits).filter(|digits| !digits.is_empty())?)?;
    let [b':', m1, m2, b':', s1, s2] = *text.get(digits..)?.first_chunk::<6>()? else { return None };
    let rest = &text[digits + 6..];
    let space = [&b"\xe2\x80\xaf"[..], b"\xc2\xa0", b" "].into_iter().find(|space| rest.starts_with(space))?.len();
    let afternoon = match rest.get(space..)?.first_chunk::<2>()? {
        b"AM" => 0,
        b"PM" => 12,
        _ => return None,
    };
    let hour = u8::try_from(hour % 12 + afternoon).ok().filter(|_| (1..=12).contains(&hour))?;
    let full = [b'0' + hour / 10, b'0' + hour % 10, b':', m1, m2, b':', s1, s2];
    Some((at(year, month, day, &full, zone)?.0, digits + 6 + space + 2))
}

/// `081109 203615` and MySQL's `201126  9:07:03`: a date of six digits.
fn short(text: &[u8], zone: i32) -> Option<(Time, Kind, usize)> {
    let date = text.first_chunk::<8>()?;
    let (year, month, day) = (2000 + number(&date[..2])?, number(&date[2..4])?, number(&date[4..6])?);
    let rest = text.get(6..)?.strip_prefix(b" ")?;
    if let Some((time, used)) = at(year, month, day, rest, zone) {
        return Some((time, Kind::Full, 7 + used));
    }
    if let [b' ', hour, b':', m1, m2, b':', s1, s2, ..] = *rest {
        let (time, _) = at(year, month, day, &[b'0', hour, b':', m1, m2, b':', s1, s2], zone)?;
        return Some((time, Kind::Full, 15));
    }
    let clock = rest.first_chunk::<6>()?;
    let colons = [clock[0], clock[1], b':', clock[2], clock[3], b':', clock[4], clock[5]];
    let (time, _) = at(year, month, day, &colons, zone)?;
    Some((time, Kind::Full, 13))
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

/// The number of a month by its first three letters.
pub(in crate::formats) fn month(name: &[u8]) -> Option<i64> {
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
            ("Nov 22 19:33:34 lb1 x", "1972-11-22T19:33:34Z 15"),
            ("Nov  2 19:33:34 lb1 x", "1972-11-02T19:33:34Z 15"),
            ("Nov 22 2026 19:33:34 x", "2026-11-22T19:33:34Z 20"),
            ("Nov 22, 2026 7:37:06 PM x", "2026-11-22T19:37:06Z 23"),
            ("Nov 2, 2026 12:07:06\u{202f}AM x", "2026-11-02T00:07:06Z 25"),
            ("22.11.2026 19:37:03,181 INFO", "2026-11-22T19:37:03.181Z 23"),
            ("22-11-2026 19:37:03 x", "2026-11-22T19:37:03Z 19"),
            ("11/22/2026 7:37:03 PM x", "2026-11-22T19:37:03Z 21"),
            ("22/11/2026 19:37:03 x", "2026-11-22T19:37:03Z 19"),
            ("03-17 16:13:38.811  1702 D x", "1972-03-17T16:13:38.811Z 18"),
            ("[10.30 16:49:06] x", "1972-10-30T16:49:06Z 16"),
            ("17/06/09 20:10:40 INFO x", "2017-06-09T20:10:40Z 17"),
            ("081109 203615 148 INFO x", "2008-11-09T20:36:15Z 13"),
            ("201126  9:07:03 [Note] x", "2020-11-26T09:07:03Z 15"),
            ("2016-09-28 04:30:30, Info", "2016-09-28T04:30:30Z 20"),
            ("@40000000433225833b6e1a8c x", "2005-09-22T03:31:05.997071500Z 25"),
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
            "Nov 22",
            "@4000000043322583",
            "@zzzz0000433225833b6e1a8c x",
            "081399 203615 x",
        ] {
            assert_eq!(show(text), "none", "{text}");
        }
        assert!(read(b"19:37:03.181 x", &Hints::default()).is_some_and(|stamp| undated::is_undated(stamp.time)));
    }
}
