//! Where a thing was said: files, byte ranges, and what a path tells about its content.

use crate::model::time::Time;

/// How rotated logs are packed.
const PACKED: &[&str] = &[".gz", ".zst", ".bz2", ".xz", ".lz4"];

/// A file of the bundle. Local to a segment, renamed when segments merge.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct FileId(pub u32);

/// A range of bytes of one file (after decompression): the ground every claim stands on. 16 bytes, ordered as a reader meets
/// them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Evidence {
    /// The file.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: u64,
    /// How many bytes.
    pub len: u32,
}

impl Evidence {
    /// A range of `file`; a length that does not fit is cut to what a `u32` holds.
    #[must_use]
    pub fn new(file: FileId, start: u64, len: usize) -> Self {
        Self { file, len: u32::try_from(len).unwrap_or(u32::MAX), start }
    }
}

/// The log that a file is a part of, by path: `gc.log.1` and `app.log.2.gz` are parts of `gc.log` and `app.log`.
#[must_use]
pub fn unrotated(path: &str) -> &str {
    let unpacked = PACKED.iter().find_map(|ending| path.strip_suffix(ending)).unwrap_or(path);
    let numbered = unpacked.trim_end_matches(|c: char| c.is_ascii_digit());
    numbered.strip_suffix('.').filter(|_| numbered.len() < unpacked.len()).unwrap_or(path)
}

/// What the path (and an optional `bundle.yaml`) says about a file's records, used where the records are silent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hints {
    /// Service, or empty.
    pub service: String,
    /// Instance (pod, host), or empty.
    pub instance: String,
    /// Offset from UTC in seconds of times written without a zone.
    pub zone: i32,
    /// A day to complete times of day with, or none.
    pub day: Time,
    /// Environment that a configuration is for, or empty.
    pub profile: String,
}

impl Hints {
    /// A path that says nothing, for statics.
    pub const NONE: Self = Self { service: String::new(), instance: String::new(), zone: 0, day: Time::NONE, profile: String::new() };
}

/// The beginning of a file, for sniffing.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Path inside the bundle.
    pub path: &'a str,
    /// The first bytes, at most 64 KiB.
    pub bytes: &'a [u8],
    /// Whether `bytes` is the whole file.
    pub whole: bool,
}

/// Some bytes of one file that begin at a record's start and end at a record's end.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// The file.
    pub file: FileId,
    /// Offset of `bytes[0]` in the file.
    pub base: u64,
    /// The bytes.
    pub bytes: &'a [u8],
    /// What the path says.
    pub hints: &'a Hints,
}

impl Chunk<'_> {
    /// Evidence for `len` bytes at `at` of this chunk.
    #[must_use]
    pub fn evidence(&self, at: usize, len: usize) -> Evidence {
        Evidence::new(self.file, self.base + at as u64, len)
    }
}

/// Where a file may be cut so that its parts can be read apart.
#[derive(Clone, Copy)]
pub enum Framing<'a> {
    /// Before a line that begins a record.
    Lines(&'a dyn Starts),
    /// Between frames: the function gives the length of the first frame of some bytes, prefix included.
    Frames(fn(&[u8]) -> Option<usize>),
    /// Nowhere.
    Whole,
}

/// Knows where records begin.
pub trait Starts {
    /// Whether a record begins with `line` (without its end). `previous` is the line before.
    fn starts(&self, line: &[u8], previous: &[u8]) -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_files_are_one_log() {
        for (path, log) in [
            ("a/gc.log.0", "a/gc.log"),
            ("a/gc.log", "a/gc.log"),
            ("a/app.log.12.gz", "a/app.log"),
            ("a/app.log.gz", "a/app.log.gz"),
            ("logs/orders-1", "logs/orders-1"),
            ("logs/1", "logs/1"),
        ] {
            assert_eq!(unrotated(path), log);
        }
    }
}
