//! `--since` and `--until`: a point in time as a person gives it.

use crate::formats::timestamp;
use crate::model::time::{MINUTE, SECOND, Time};
use crate::pipeline::zone::Zone;
use anyhow::{Result, bail};

const DAY: i64 = 24 * 60 * MINUTE;

/// A point in time as a person gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// A time.
    At(Time),
    /// Nanoseconds of a day of the bundle, by the clocks of the zone.
    OfDay(i64),
    /// Nanoseconds before the bundle's end.
    BeforeEnd(i64),
}

impl Moment {
    /// Reads `2026-11-22T10:00:00Z`, `2026-11-22`, `10:05`, `10:05:30`, `-15m`, `-2h`. A time that names no zone is of `zone`.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn parse(text: &str, zone: &Zone) -> Result<Self> {
        if let Some(back) = text.strip_prefix('-') {
            let unit = back.find(|c: char| !c.is_ascii_digit()).unwrap_or(back.len());
            let scale = match &back[unit..] {
                "s" => SECOND,
                "m" => MINUTE,
                "h" => 60 * MINUTE,
                "d" => DAY,
                _ => bail!("{text:?} is no time span: write -30s, -15m, -2h or -1d"),
            };
            if let Ok(count) = back[..unit].parse::<i64>() {
                return Ok(Self::BeforeEnd(count.saturating_mul(scale)));
            }
        }
        let whole = |stamp: &str, offset| timestamp::iso(stamp.as_bytes(), offset).filter(|(_, used)| *used == stamp.len()).map(|(time, _)| time);
        for stamp in [text.to_owned(), format!("{text}T00:00:00"), format!("{text}:00")] {
            // The offset depends on the day, which the first reading tells.
            if let Some(time) = whole(&stamp, 0).and_then(|day| whole(&stamp, zone.offset_at(day))) {
                return Ok(Self::At(time));
            }
        }
        let clock = if text.len() == 5 { format!("{text}:00") } else { text.to_owned() };
        if let Some((seconds, nanos, used)) = timestamp::clock(clock.as_bytes())
            && used == clock.len()
        {
            return Ok(Self::OfDay(seconds * SECOND + nanos));
        }
        bail!("{text:?} is no time: write 2026-11-22T10:00:00Z, 2026-11-22, 10:05, or -15m for fifteen minutes before the bundle's end")
    }

    /// The time meant in a bundle that ends at `end`; a time of day is that of the day in `zone` on which the bundle ends.
    #[must_use]
    pub fn resolve(self, end: Time, zone: &Zone) -> Time {
        match self {
            Self::At(time) => time,
            Self::OfDay(nanos) => {
                let offset = i64::from(zone.offset_at(end)) * SECOND;
                Time(end.0.saturating_add(offset).div_euclid(DAY) * DAY + nanos - offset)
            }
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
        let zone = Zone::default();
        for (text, want) in [
            ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
            ("2026-11-22 10:00", "2026-11-22T10:00:00Z"),
            ("2026-11-21", "2026-11-21T00:00:00Z"),
            ("10:05", "2026-11-22T10:05:00Z"),
            ("10:05:30", "2026-11-22T10:05:30Z"),
            ("-15m", "2026-11-22T19:21:07Z"),
        ] {
            assert_eq!(Moment::parse(text, &zone)?.resolve(end, &zone).rfc3339(), want, "{text}");
        }
        for text in ["yesterday", "-5x", "25:00", ""] {
            assert!(Moment::parse(text, &zone).is_err(), "{text}");
        }
        Ok(())
    }

    #[test]
    fn clocks_of_the_zone_on_the_day_itself() -> Result<()> {
        let zone = Zone::parse("Europe/Berlin")?;
        let summer = Time(1_789_428_600_000_000_000); // 2026-09-14T23:30:00Z, which is the 15th in Berlin
        for (text, want) in [
            ("12:10", "2026-09-15T10:10:00Z"),
            ("2026-09-14", "2026-09-13T22:00:00Z"),
            ("2026-01-14 12:00", "2026-01-14T11:00:00Z"),
            ("2026-09-14T10:00:00Z", "2026-09-14T10:00:00Z"),
        ] {
            assert_eq!(Moment::parse(text, &zone)?.resolve(summer, &zone).rfc3339(), want, "{text}");
        }
        Ok(())
    }
}
