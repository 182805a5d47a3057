//! The time of a scrape: of the line that somebody's script printed above it, or in the name of its file.
//!
//! ```text
//! Sun Nov 22 19:44:42 UTC 2026        # scraped at 2026-11-22T19:44:42Z        === 1795376423 ===
//! catalog-1795377638.txt              scrape-20261122T194442Z.prom             metrics_2026-11-22_19-44-42.txt
//! ```
//!
//! What this file does not do: take a time of day without a date, or a date without a time of day; neither says when.

use crate::formats::prometheus::sample;
use crate::formats::text_log::stamp::{self, Kind, MILLENNIUM};
use crate::formats::timestamp::{clock, days_from_civil, epoch_int};
use crate::model::source::Hints;
use crate::model::time::{SECOND, Time};

/// So much of a line is looked at.
const LONGEST: usize = 200;
const CENTURY_MIDDLE: i64 = 2_524_608_000 * SECOND;

static NO_HINTS: Hints = Hints::NONE;

/// Whether a line that is no part of a scrape tells a time.
#[must_use]
pub fn is_dated(line: &[u8]) -> bool {
    time_in(line, &NO_HINTS).is_some()
}

/// The time that a line tells which is no part of a scrape.
#[must_use]
pub fn time_in(line: &[u8], hints: &Hints) -> Option<Time> {
    if sample::looks_like_one(line) || sample::meta(line).is_some() {
        return None;
    }
    let line = line.get(..LONGEST).unwrap_or(line);
    let mut before = b' ';
    for (at, &byte) in line.iter().enumerate() {
        let begins = !before.is_ascii_alphanumeric() && !matches!(before, b'.' | b'-' | b'_' | b'/');
        before = byte;
        if !begins || !byte.is_ascii_alphanumeric() {
            continue;
        }
        let rest = &line[at..];
        let known = stamp::read(rest, hints).filter(|stamp| stamp.kind != Kind::Clock && stamp.time.0 >= MILLENNIUM).map(|stamp| stamp.time);
        if let Some(time) = known.or_else(|| of_date_command(rest, hints.zone)) {
            return Some(time);
        }
    }
    None
}

/// What `date` prints, in any of its orders: `Sun Nov 22 19:44:42 UTC 2026`, `Sun 22 Nov 2026 07:44:42 PM CET`.
fn of_date_command(text: &[u8], zone: i32) -> Option<Time> {
    let (mut month, mut day, mut year, mut time, mut afternoon, mut offset) = (None, None, None, None, None, zone);
    for (number, word) in text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).take(7).enumerate() {
        let word = word.strip_suffix(b",").unwrap_or(word);
        match word {
            b"Mon" | b"Tue" | b"Wed" | b"Thu" | b"Fri" | b"Sat" | b"Sun" if number == 0 => {}
            _ if number == 0 => return None,
            b"AM" | b"PM" => afternoon = Some(word == b"PM"),
            b"UTC" | b"GMT" => offset = 0,
            [b'0'..=b'9', _, b':', ..] if time.is_none() => time = clock(word),
            [_, _, _, _] if year.is_none() && decimal(word).is_some() => year = decimal(word),
            [_] | [_, _] if day.is_none() => day = decimal(word),
            [_, _, _] if month.is_none() => month = stamp::month(word),
            _ => {}
        }
    }
    let (seconds, nanos, _) = time?;
    let seconds = match afternoon {
        Some(afternoon) => seconds % 43_200 + i64::from(afternoon) * 43_200,
        None => seconds,
    };
    let days = days_from_civil(year?, month?, day?)?;
    Some(Time((days * 86_400 + seconds - i64::from(offset)).checked_mul(SECOND)?.checked_add(nanos)?))
}

/// A time in a file's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Named {
    /// The time, read as UTC.
    time: Time,
    /// Whether the name says that it is UTC.
    utc: bool,
}

impl Named {
    /// The time if the name's clock went by this zone.
    #[must_use]
    pub const fn in_zone(self, zone: i32) -> Time {
        if self.utc { self.time } else { self.time.plus(-(zone as i64) * SECOND) }
    }
}

/// The first time in the last part of a path.
#[must_use]
pub fn in_name(path: &str) -> Option<Named> {
    let name = path.rsplit(['/', '!', '\\']).next()?.as_bytes();
    let mut before = b'-';
    for (at, &byte) in name.iter().enumerate() {
        let begins = byte.is_ascii_digit() && !before.is_ascii_digit();
        before = byte;
        if begins && let Some(named) = epoch(&name[at..]).or_else(|| date(&name[at..])) {
            return Some(named);
        }
    }
    None
}

/// Ten digits are seconds since 1970, thirteen milliseconds, if that is in the first half of this century.
fn epoch(text: &[u8]) -> Option<Named> {
    let len = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let time = epoch_int(decimal(text.get(..len).filter(|_| matches!(len, 10 | 13))?)?)?;
    (MILLENNIUM..CENTURY_MIDDLE).contains(&time.0).then_some(Named { time, utc: true })
}

/// `20261122T194442Z`, `20261122_195904`, `2026-11-22T19-44-42`, `20261122195904`.
fn date(text: &[u8]) -> Option<Named> {
    let mut at = 0;
    let mut part = |len: usize, between: &[u8]| {
        if at > 0 && text.get(at).is_some_and(|b| between.contains(b)) {
            at += 1;
        }
        let value = decimal(text.get(at..at + len)?)?;
        at += len;
        Some(value)
    };
    let (year, month, day) = (part(4, b"")?, part(2, b"-_.")?, part(2, b"-_.")?);
    let (hour, minute, second) = (part(2, b"T_-. ")?, part(2, b"-_.:h")?, part(2, b"-_.:m")?);
    let next = text.get(at);
    if !(2000..2050).contains(&year) || hour > 23 || minute > 59 || second > 60 || next.is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let seconds = days_from_civil(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second;
    Some(Named { time: Time(seconds.checked_mul(SECOND)?), utc: next == Some(&b'Z') })
}

fn decimal(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0_i64, |value, b| value.checked_mul(10)?.checked_add(i64::from(b.is_ascii_digit().then(|| b - b'0')?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_above_a_scrape() {
        for (line, want) in [
            ("Sun Nov 22 19:44:42 UTC 2026", "2026-11-22T19:44:42Z"),
            ("Sun Nov 22 07:44:42 PM UTC 2026", "2026-11-22T19:44:42Z"),
            ("Sun 22 Nov 2026 12:04:42 AM CET", "2026-11-21T23:04:42Z"),
            ("Sun Nov  2 19:44:42 CET 2026", "2026-11-02T18:44:42Z"),
            ("# scraped at 2026-11-22T19:44:42.5Z", "2026-11-22T19:44:42.500Z"),
            ("--- 2026-11-22 20:44:42 ---", "2026-11-22T19:44:42Z"),
            ("=== 1795376423 ===", "2026-11-22T19:40:23Z"),
            ("# time=1795376423774", "2026-11-22T19:40:23.774Z"),
            ("Captured: 2026-11-22T19:44:42Z", "2026-11-22T19:44:42Z"),
            ("$ date; curl -s localhost:8080/metrics", "-"),
            ("# HELP a since 2026-11-22T19:44:42Z", "-"),
            ("process_cpu_usage 0.0 1795376423774", "-"),
            ("a{b=\"2026-11-22T19:44:42Z\"} 1", "-"),
            ("Sun Nov", "-"),
            ("Sun Nov 22 19:44:42", "-"),
            ("build v2.1795376423", "-"),
            ("", "-"),
        ] {
            let hints = Hints { zone: 3600, ..Hints::default() };
            let got = time_in(line.as_bytes(), &hints).unwrap_or(Time::NONE);
            assert_eq!(got.to_string(), want, "{line}");
        }
    }

    #[test]
    fn names_of_files() {
        for (path, want) in [
            ("prometheus/catalog-1795377638.txt", "2026-11-22T20:00:38Z"),
            ("m/scrape-20261122T194442Z.prom.gz", "2026-11-22T19:44:42Z"),
            ("threaddump_20261122_205904.tdump", "2026-11-22T19:59:04Z"),
            ("a.tar!/metrics_2026-11-22_20-44-42.txt", "2026-11-22T19:44:42Z"),
            ("m-1795377638123", "2026-11-22T20:00:38.123Z"),
            ("20261122205904.prom", "2026-11-22T19:59:04Z"),
            ("1795377638/metrics.prom", "-"),
            ("orders-2026-11-22.prom", "-"),
            ("orders-7d9f8b6c5d-0.prom", "-"),
            ("id-9999999999.prom", "-"),
            ("x-20261322T194442Z.prom", "-"),
            ("", "-"),
        ] {
            let got = in_name(path).map_or(Time::NONE, |named| named.in_zone(3600));
            assert_eq!(got.to_string(), want, "{path}");
        }
    }
}
