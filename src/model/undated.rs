//! Times that lack their year or their whole date, until the rest of the bundle tells it.
//!
//! ```text
//! Nov 22 19:33:34 lb1 haproxy[14486]: …     1972-11-22T19:33:34     2026-11-22T19:33:34
//! 19:37:03.181 [main] INFO  c.a.X - up      1971-06-01T19:37:03     2026-11-22T19:37:03
//! ```
//!
//! A parser sees one piece of one file and cannot know the date; it writes such a time into a year in which nobody has
//! logged, and [`settled`] brings it to the bundle's own once all is read. What this file does not do: find out what the
//! bundle's own date is.

use crate::model::time::{SECOND, Time, days_from_civil};

/// The year of times that name month and day only. It has a 29 February.
pub const YEARLESS: i64 = 1972;
/// The day of times of day, in days since 1970: 1971-06-01.
const CLOCK_DAY: i64 = 516;
/// Without any date in the bundle, times are shown in this year, which is seen to be made up.
const NO_YEAR: i64 = 2000;

const DAY: i64 = 86_400 * SECOND;
const YEAR_START: i64 = 730 * DAY;
const YEAR_END: i64 = 1096 * DAY;

/// The place of a time of day: nanoseconds since midnight in UTC, perhaps of the day before or after.
#[must_use]
pub const fn clock(nanos: i64) -> Time {
    Time(CLOCK_DAY * DAY + nanos)
}

/// Whether a time still lacks its date. A zone may have moved it by some hours.
#[must_use]
pub const fn is_undated(time: Time) -> bool {
    is_clock(time) || is_yearless(time)
}

const fn is_clock(time: Time) -> bool {
    time.0 >= (CLOCK_DAY - 1) * DAY && time.0 < (CLOCK_DAY + 2) * DAY
}

const fn is_yearless(time: Time) -> bool {
    time.0 >= YEAR_START - DAY && time.0 < YEAR_END + DAY
}

/// The time with the date that brings it nearest to `near`, a time of the same bundle; any other time as it is.
#[must_use]
pub fn settled(time: Time, near: Time) -> Time {
    if is_clock(time) {
        let of_day = time.0 - CLOCK_DAY * DAY;
        if near.is_none() {
            return Time(days_from_civil(NO_YEAR, 1, 1).unwrap_or(0) * DAY + of_day);
        }
        let days = near.0.saturating_sub(of_day).saturating_add(DAY / 2).div_euclid(DAY);
        return Time(days.saturating_mul(DAY).saturating_add(of_day));
    }
    if !is_yearless(time) {
        return time;
    }
    let since = time.0 - YEAR_START;
    let (day, of_day) = (since.div_euclid(DAY), since.rem_euclid(DAY));
    let at = |year: i64| {
        let start = days_from_civil(year, 1, 1)?;
        let leap = days_from_civil(year, 2, 29).is_some();
        // Behind 28 February the days of a shorter year come a day earlier.
        let day = if leap || day < 59 { day } else { day - 1 };
        Some(Time((start + day).checked_mul(DAY)?.checked_add(of_day)?))
    };
    if near.is_none() {
        return at(NO_YEAR).unwrap_or(time);
    }
    let year = 1970 + near.0.div_euclid(DAY) * 400 / 146_097;
    (year - 1..=year + 1).filter_map(at).min_by_key(|time| time.0.abs_diff(near.0)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(year: i64, month: i64, day: i64, second: i64) -> Time {
        Time((days_from_civil(year, month, day).unwrap_or(0) * 86_400 + second) * SECOND)
    }

    #[test]
    fn the_nearest_date_is_taken() {
        for (time, near, want) in [
            (at(YEARLESS, 11, 22, 5), at(2026, 11, 23, 0), "2026-11-22T00:00:05Z"),
            (at(YEARLESS, 12, 31, 86_399), at(2026, 1, 1, 9), "2025-12-31T23:59:59Z"),
            (at(YEARLESS, 1, 1, 0), at(2025, 12, 31, 9), "2026-01-01T00:00:00Z"),
            (at(YEARLESS, 2, 29, 0), at(2024, 3, 1, 9), "2024-02-29T00:00:00Z"),
            (at(YEARLESS, 3, 1, 0), at(2026, 3, 1, 9), "2026-03-01T00:00:00Z"),
            (at(YEARLESS, 11, 22, 0), Time::NONE, "2000-11-22T00:00:00Z"),
            (clock(10 * SECOND), at(2026, 11, 22, 3_600), "2026-11-22T00:00:10Z"),
            (clock(86_390 * SECOND), at(2026, 11, 22, 3_600), "2026-11-21T23:59:50Z"),
            (clock(-SECOND), at(2026, 11, 22, 3_600), "2026-11-21T23:59:59Z"),
            (clock(SECOND), Time::NONE, "2000-01-01T00:00:01Z"),
            (at(2026, 11, 22, 7), at(2020, 1, 1, 0), "2026-11-22T00:00:07Z"),
        ] {
            assert_eq!(settled(time, near).rfc3339(), want);
        }
        assert_eq!(settled(Time::NONE, at(2026, 1, 1, 0)), Time::NONE);
        assert!(is_undated(clock(0)) && is_undated(at(YEARLESS, 1, 1, 0)) && !is_undated(at(2026, 1, 1, 0)) && !is_undated(Time(0)));
    }
}
