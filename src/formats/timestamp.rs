//! The many spellings of a point in time.
//!
//! ```text
//! 2026-11-22T19:36:07.043Z     2026-11-22 19:36:07,043      2026-11-22T20:36:07.043123456+01:00
//! 2026/11/22 19:33:33          2026-11-22 19:34:39.283 UTC  1795376223.181  1795376223181
//! ```
//!
//! A time without a zone is taken to be in the zone that the file's hints name. What this file does not do: guess a
//! zone, complete a missing year, or decide which part of a line is a time; the format knows.

use crate::model::digits;
use crate::model::record::Value;
pub use crate::model::time::days_from_civil;
use crate::model::time::{SECOND, Time};

/// Reads a date and time at the start of `text`: the time, and how many bytes it took (the zone included).
///
/// `zone` is the offset from UTC in seconds to assume if none is written.
#[must_use]
pub fn iso(text: &[u8], zone: i32) -> Option<(Time, usize)> {
    let date = text.first_chunk::<10>()?;
    if date[4] != date[7] || !matches!(date[4], b'-' | b'/') {
        return None;
    }
    let (year, month, day) = (100 * two(date[0], date[1])? + two(date[2], date[3])?, two(date[5], date[6])?, two(date[8], date[9])?);
    if !matches!(text.get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let (seconds_of_day, nanos, used) = clock(text.get(11..)?)?;
    let mut at = 11 + used;
    let (offset, zone_len) = zone_of(&text[at..]).unwrap_or((zone, 0));
    at += zone_len;
    let days = days_from_civil(year, month, day)?;
    let seconds = days * 86_400 + seconds_of_day - i64::from(offset);
    Some((Time(seconds.checked_mul(SECOND)?.checked_add(nanos)?), at))
}

/// Reads `HH:MM:SS` with an optional fraction after a dot or comma: seconds of the day, nanoseconds, bytes taken.
#[must_use]
pub fn clock(text: &[u8]) -> Option<(i64, i64, usize)> {
    let t = text.first_chunk::<8>()?;
    if t[2] != b':' || t[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (two(t[0], t[1])?, two(t[3], t[4])?, two(t[6], t[7])?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut at = 8;
    let mut nanos = 0;
    if matches!(text.get(8), Some(b'.' | b',')) && text.get(9).is_some_and(u8::is_ascii_digit) {
        at = 9;
        let mut scale = SECOND;
        while let Some(digit) = text.get(at).filter(|b| b.is_ascii_digit()) {
            scale /= 10;
            nanos += i64::from(digit - b'0') * scale;
            at += 1;
        }
    }
    Some((hour * 3600 + minute * 60 + second, nanos, at))
}

/// An epoch number of any unit, told by its magnitude: seconds below 1e11, then milli-, micro- and nanoseconds.
#[must_use]
pub fn epoch_int(value: i64) -> Option<Time> {
    let scale = match value {
        ..=0 => return None,
        1..100_000_000_000 => SECOND,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000,
        _ => 1,
    };
    value.checked_mul(scale).map(Time)
}

/// Seconds since 1970 with a fraction, as text, without passing through a float: `1795376223.181`.
/// A number without a dot is read by its magnitude.
#[must_use]
pub fn epoch_text(text: &[u8]) -> Option<Time> {
    let (whole, fraction) = match memchr::memchr(b'.', text) {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &b""[..]),
    };
    if whole.is_empty() || whole.len() > 19 || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let base = epoch_int(digits::whole(whole)?)?;
    let mut scale = SECOND;
    let mut nanos = 0;
    for digit in fraction.iter().take(9) {
        scale /= 10;
        nanos += i64::from(digit - b'0') * scale;
    }
    Some(Time(base.0.checked_add(nanos)?))
}

/// A time in whatever form a field holds it.
#[must_use]
pub fn of_value(value: Value<'_>, zone: i32) -> Option<Time> {
    match value {
        Value::Int(n) => epoch_int(n),
        Value::Float(n) if n > 0.0 && n < 1e11 => Some(Time((n * 1e9) as i64)),
        Value::Float(n) if n < 9e18 => epoch_int(n as i64),
        Value::Text(text) => iso(text.trim().as_bytes(), zone).map(|(time, _)| time).or_else(|| epoch_text(text.trim().as_bytes())),
        Value::Float(_) | Value::Bool(_) => None,
    }
}

/// The offset written after a time, and its length: `Z`, `+01:00`, `+0100`, `+01`, ` UTC`, ` GMT`, ` +0000`.
fn zone_of(text: &[u8]) -> Option<(i32, usize)> {
    match text {
        [b'Z' | b'z', ..] => Some((0, 1)),
        [b' ', b'U', b'T', b'C', ..] | [b' ', b'G', b'M', b'T', ..] => Some((0, 4)),
        [b' ', sign @ (b'+' | b'-'), rest @ ..] => offset(*sign, rest).map(|(zone, len)| (zone, len + 2)),
        [sign @ (b'+' | b'-'), rest @ ..] => offset(*sign, rest).map(|(zone, len)| (zone, len + 1)),
        _ => None,
    }
}

fn offset(sign: u8, text: &[u8]) -> Option<(i32, usize)> {
    let [a, b] = *text.first_chunk::<2>()?;
    let hours = two(a, b)?;
    let (minutes, len) = match text.get(2..) {
        Some([b':', a, b, ..]) if a.is_ascii_digit() && b.is_ascii_digit() => (two(*a, *b)?, 5),
        Some([a, b, ..]) if a.is_ascii_digit() && b.is_ascii_digit() => (two(*a, *b)?, 4),
        _ => (0, 2),
    };
    if hours > 18 || minutes > 59 {
        return None;
    }
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    Some((if sign == b'-' { -seconds } else { seconds }, len))
}

/// The number of two digits.
#[inline]
fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens * 10 + ones))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(input: &str) -> String {
        iso(input.as_bytes(), 0).map_or_else(|| "none".to_owned(), |(time, used)| format!("{time} {used}"))
    }

    #[test]
    fn every_iso_spelling() {
        for (input, want) in [
            ("2026-11-22T19:36:07.043Z", "2026-11-22T19:36:07.043Z 24"),
            ("2026-11-22 19:36:07,043 [main]", "2026-11-22T19:36:07.043Z 23"),
            ("2026-11-22T20:36:07.043123456+01:00 x", "2026-11-22T19:36:07.043123456Z 35"),
            ("2026-11-22T19:36:07+0000: 3.1", "2026-11-22T19:36:07Z 24"),
            ("2026-11-22 19:34:39.283 UTC [16406]", "2026-11-22T19:34:39.283Z 27"),
            ("2026/11/22 19:33:33 [error]", "2026-11-22T19:33:33Z 19"),
            ("2026-02-29 00:00:00", "none"),
            ("2026-11-22T19:36", "none"),
            ("2026-11-22T24:00:00", "none"),
        ] {
            assert_eq!(text(input), want, "{input}");
        }
    }

    #[test]
    fn a_missing_zone_is_the_hinted_one() {
        assert_eq!(iso(b"2026-11-22 19:00:00", 3600).map(|t| t.0.rfc3339()), Some("2026-11-22T18:00:00Z".to_owned()));
    }

    #[test]
    fn epochs_by_magnitude() {
        let want = Time(1_795_376_223_181_000_000);
        assert_eq!(epoch_text(b"1795376223.181"), Some(want));
        assert_eq!(epoch_int(1_795_376_223_181), Some(want));
        assert_eq!(epoch_text(b"1795376223181000000"), Some(want));
        assert_eq!(epoch_text(b"12a"), None);
    }

    #[test]
    fn days_agree_with_the_calendar() {
        assert_eq!(days_from_civil(1970, 1, 1), Some(0));
        assert_eq!(days_from_civil(2000, 2, 29), Some(11_016));
        assert_eq!(days_from_civil(2026, 11, 22), Some(20_779));
    }
}
