//! Times of the generated day, in nanoseconds since its first midnight, and how logs write them.

/// A millisecond.
pub const MILLI: u64 = 1_000_000;
/// A second.
pub const SECOND: u64 = 1_000_000_000;
/// The day's first midnight: 2026-09-14T00:00:00Z in nanoseconds since 1970.
pub const MIDNIGHT: u64 = 1_789_344_000 * SECOND;

/// `2026-09-14T10:00:03.412`, without a zone.
pub fn iso(at: u64) -> String {
    let (day, seconds, millis) = (14 + at / (86_400 * SECOND), at / SECOND % 86_400, at / MILLI % 1000);
    format!("2026-09-{day:02}T{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Milliseconds since 1970.
pub fn epoch_millis(at: u64) -> u64 {
    (MIDNIGHT + at) / MILLI
}
