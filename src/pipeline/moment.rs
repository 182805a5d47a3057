//! `--since` and `--until`: a point in time as a person gives it.

use crate::formats::timestamp;
use crate::model::time::{MINUTE, SECOND, Time};
use anyhow::{Result, bail};

/// A point in time as a person gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// A time.
    At(Time),
    /// Nanoseconds of a day of the bundle.
    OfDay(i64),
    /// Nanoseconds before the bundle's end.
    BeforeEnd(i64),
}

impl Moment {
    /// Reads `2026-11-22T10:00:00Z`, `2026-11-22`, `10:05`, `10:05:30`, `-15m`, `-2h`.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn parse(text: &str, zone: i32) -> Result<Self> {
        let whole = |stamp: String| timestamp::iso(stamp.as_bytes(), zone).filter(|(_, used)| *used == stamp.len()).map(|(time, _)| time);
        if let Some(back) = text.strip_prefix('-') {
            let unit = back.find(|c: char| !c.is_ascii_digit()).unwrap_or(back.len());
            let scale = match &back[unit..] {
                "s" => SECOND,
                "m" => MINUTE,
                "h" => 60 * MINUTE,
                "d" => 24 * 60 * MINUTE,
                _ => bail!("{text:?} is no time span: write -30s, -15m, -2h or -1d"),
            };
            if let Ok(count) = back[..unit].parse::<i64>() {
                return Ok(Self::BeforeEnd(count.saturating_mul(scale)));
            }
        }
        if let Some(time) = whole(text.to_owned()).or_else(|| whole(format!("{text}T00:00:00"))).or_else(|| whole(format!("{text}:00"))) {
            return Ok(Self::At(time));
        }
        let clock = if text.len() == 5 { format!("{text}:00") } else { text.to_owned() };
        if let Some((seconds, nanos, used)) = timestamp::clock(clock.as_bytes())
            && used == clock.len()
        {
            return Ok(Self::OfDay((seconds - i64::from(zone)) * SECOND + nanos));
        }
        bail!("{text:?} is no time: write 2026-11-22T10:00:00Z, 2026-11-22, 10:05, or -15m for fifteen minutes before the bundle's end")
    }

    /// The time meant in a bundle that ends at `end`; a time of day is the last such time before the end's day is over.
    #[must_use]
    pub const fn resolve(self, end: Time) -> Time {
        const DAY: i64 = 24 * 60 * MINUTE;
        match self {
            Self::At(time) => time,
            Self::OfDay(nanos) => Time(end.0.div_euclid(DAY) * DAY + nanos),
            Self::BeforeEnd(nanos) => end.plus(-nanos),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_as_people_write_them() -> Result<()> {
        let end = Time(1_795_376_167_000_000_000); // 2026-11-22T19:36:07Z
        for (text, want) in [
            ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
            ("2026-11-22 10:00", "2026-11-22T10:00:00Z"),
            ("2026-11-21", "2026-11-21T00:00:00Z"),
            ("10:05", "2026-11-22T10:05:00Z"),
            ("10:05:30", "2026-11-22T10:05:30Z"),
            ("-15m", "2026-11-22T19:21:07Z"),
        ] {
            assert_eq!(Moment::parse(text, 0)?.resolve(end).rfc3339(), want, "{text}");
        }
        for text in ["yesterday", "-5x", "25:00", ""] {
            assert!(Moment::parse(text, 0).is_err(), "{text}");
        }
        Ok(())
    }
}
