//! `--tz`: the zone of times that name none.
//!
//! A named zone has different offsets in summer and winter; the offset that held when a file was written is taken, which
//! the first time in the file tells. What this file does not do: follow a change of the clock inside a file.

use crate::formats::timestamp;
use crate::model::time::SECOND;
use anyhow::{Result, anyhow};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The zone of times without one.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Zone {
    /// Reads `UTC`, `+02:00`, `-0530`, `Europe/Berlin`.
    ///
    /// # Errors
    /// If there is no such zone.
    pub fn parse(text: &str) -> Result<Self> {
        if matches!(text, "UTC" | "utc" | "Z" | "GMT") {
            return Ok(Self::default());
        }
        // A fixed offset is read off a time that carries it.
        if let Some((time, _)) = timestamp::iso(format!("2000-01-01T00:00:00{text}").as_bytes(), 0).filter(|(_, used)| *used == 19 + text.len()) {
            let midnight = 946_684_800;
            let seconds = i32::try_from(midnight - time.0 / SECOND)?;
            return Ok(Self(TimeZone::fixed(jiff::tz::Offset::from_seconds(seconds)?)));
        }
        let zone = TimeZone::get(text)
            .map_err(|_| anyhow!("there is no time zone {text:?}: give an offset such as +02:00, UTC, or a name such as Europe/Berlin"))?;
        Ok(Self(zone))
    }

    /// The offset in seconds that held at the first time in a file's head.
    #[must_use]
    pub fn offset_for(&self, head: &[u8]) -> i32 {
        let stamps = head.split(|&b| b == b'\n').take(50).filter_map(|line| {
            let digit = line.iter().take(40).position(u8::is_ascii_digit)?;
            timestamp::iso(line.get(digit..)?, 0)
        });
        let at = stamps.map(|(time, _)| time.0 / SECOND).next().unwrap_or(0);
        Timestamp::from_second(at).map_or(0, |at| self.0.to_offset(at).seconds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_and_names() -> Result<()> {
        assert_eq!(Zone::parse("+02:00")?.offset_for(b""), 7200);
        assert_eq!(Zone::parse("-0530")?.offset_for(b""), -19_800);
        let berlin = Zone::parse("Europe/Berlin")?;
        assert_eq!((berlin.offset_for(b"2026-07-01 10:00:00 x"), berlin.offset_for(b"[2026-01-01 10:00:00]")), (7200, 3600));
        assert!(Zone::parse("Middle/Earth").is_err());
        Ok(())
    }
}
