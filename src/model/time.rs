//! Points in time as nanoseconds since 1970 in UTC, and windows between two of them.
//!
//! What this file does not do: read the many spellings of a time; that is `formats/timestamp.rs`.

use std::fmt;

/// Nanoseconds since 1970-01-01T00:00:00Z. [`Time::NONE`] stands for "the record names no time".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;
/// Nanoseconds in a minute.
pub const MINUTE: i64 = 60 * SECOND;

impl Time {
    /// No time is known.
    pub const NONE: Self = Self(i64::MIN);

    /// Whether no time is known.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == i64::MIN
    }

    /// Whether a time is known.
    #[must_use]
    pub const fn is_some(self) -> bool {
        !self.is_none()
    }

    /// So long before its file was written, where the file does not say when that was. `gather` puts such times, which lie
    /// before 1970, on the clock of the bundle.
    #[must_use]
    pub const fn before_capture(nanos: i64) -> Self {
        Self(if nanos > 0 { -nanos } else { -1 })
    }

    /// Whether it counts back from the capture.
    #[must_use]
    pub const fn is_before_capture(self) -> bool {
        self.is_some() && self.0 < 0
    }

    /// From whole milliseconds since 1970; none if they do not fit.
    #[must_use]
    pub fn from_millis(ms: i64) -> Self {
        ms.checked_mul(1_000_000).map_or(Self::NONE, Self)
    }

    /// This time moved by some nanoseconds; none stays none.
    #[must_use]
    pub const fn plus(self, nanos: i64) -> Self {
        if self.is_none() { self } else { Self(self.0.saturating_add(nanos)) }
    }

    /// Nanoseconds from `earlier` to this time; zero if either is unknown.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        if self.is_none() || earlier.is_none() { 0 } else { self.0.saturating_sub(earlier.0) }
    }

    /// The number of the minute that holds this time.
    #[must_use]
    pub const fn minute(self) -> i64 {
        self.0.div_euclid(MINUTE)
    }

    /// RFC 3339 in UTC with as many digits as the value has: none, three, six or nine.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let Ok(stamp) = jiff::Timestamp::from_nanosecond(self.0.into()) else { return String::new() };
        let digits = match self.0.rem_euclid(SECOND) {
            0 => 0,
            n if n % 1_000_000 == 0 => 3,
            n if n % 1_000 == 0 => 6,
            _ => 9,
        };
        format!("{stamp:.digits$}")
    }
}

impl Default for Time {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_none() { "-".to_owned() } else { self.rfc3339() }.as_str())
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Days since 1970-01-01 of a date in the Gregorian calendar; none if there is no such date.
#[must_use]
pub fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) {
        return None;
    }
    // Years begin in March here, so that the leap day is the last of its year.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

/// From the first to the last time seen; empty until something is added.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Window {
    /// The earliest time, or none.
    pub start: Time,
    /// The latest time, or none.
    pub end: Time,
}

impl Window {
    /// From `start` to `end`.
    #[must_use]
    pub const fn of(start: Time, end: Time) -> Self {
        Self { start, end }
    }

    /// Widens the window so that it holds `time`; an unknown time changes nothing.
    pub fn add(&mut self, time: Time) {
        if time.is_none() {
            return;
        }
        if self.start.is_none() || time < self.start {
            self.start = time;
        }
        if self.end.is_none() || time > self.end {
            self.end = time;
        }
    }

    /// Widens the window so that it holds the other.
    pub fn join(&mut self, other: Self) {
        self.add(other.start);
        self.add(other.end);
    }

    /// Nanoseconds from start to end.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.end.since(self.start)
    }

    /// Whether the time lies inside, borders included.
    #[must_use]
    pub fn holds(self, time: Time) -> bool {
        time.is_some() && self.start.is_some() && self.start <= time && time <= self.end
    }

    /// Whether the two windows touch when each may be off by `slack` nanoseconds.
    #[must_use]
    pub fn touches(self, other: Self, slack: i64) -> bool {
        self.start.is_some() && other.start.is_some() && self.start <= other.end.plus(slack) && other.start <= self.end.plus(slack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_the_precision_known() {
        assert_eq!(Time(0).rfc3339(), "1970-01-01T00:00:00Z");
        assert_eq!(Time(1_789_000_000_123_000_000).rfc3339(), "2026-09-10T00:26:40.123Z");
        assert_eq!(Time(1).rfc3339(), "1970-01-01T00:00:00.000000001Z");
    }

    #[test]
    fn windows_grow_and_touch() {
        let mut window = Window::default();
        window.add(Time::NONE);
        assert!(window.start.is_none());
        window.add(Time(5));
        window.add(Time(2));
        assert_eq!(window, Window::of(Time(2), Time(5)));
        assert!(window.touches(Window::of(Time(7), Time(9)), 2) && !window.touches(Window::of(Time(8), Time(9)), 2));
    }
}
