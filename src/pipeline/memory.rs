//! How much memory an analysis may take.
//!
//! ```text
//! ingest   rows of a piece  -- held, up to a quarter of the limit; all further ones in scratch files
//! gather   all rows         -- beside the first of them that is kept
//! detect   ...              -- one rule after the other
//! ```
//!
//! All phases see slices, wherever rows are, so that the answer is the same. Meanwhile a thread looks at how much is in
//! memory, and has the system take back what lies in files when it nears the limit. What this file does not do: bound what
//! is derived of rows; that is a fraction of them.

use crate::bundle::machine;
use crate::bundle::scratch::Scratch;
use crate::model::tables::Tables;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// Rows may be held in this share of the limit: as much again is used while they are merged and put in order, and what is
/// derived of them takes about as much.
const HELD: u64 = 4;
/// How often is looked.
const PERIOD: Duration = Duration::from_millis(10);

/// How much may be used, and what is held of it.
#[derive(Debug)]
pub struct Memory {
    limit: Option<u64>,
    held: AtomicU64,
    scratch: Arc<Scratch>,
}

impl Memory {
    /// As many bytes, if there is a limit; rows beyond are kept in files of `dir`.
    #[must_use]
    pub fn new(limit: Option<u64>, dir: &Path) -> Self {
        Self { limit, held: AtomicU64::new(0), scratch: Scratch::new(dir) }
    }

    /// Takes in a new part: its rows stay in memory, or go to where there is room.
    pub fn admit(&self, part: &mut Tables) {
        let Some(limit) = self.limit else { return };
        let bytes = part.bytes();
        if self.held.fetch_add(bytes, Ordering::Relaxed) + bytes <= limit / HELD {
            return;
        }
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        self.scratch.keep(&mut part.spans);
        self.scratch.keep(&mut part.logs);
        self.scratch.keep(&mut part.signals);
        self.scratch.keep(&mut part.effects);
        self.scratch.keep(&mut part.metrics);
        self.scratch.keep(&mut part.requests);
    }

    /// Looks after the limit until what is returned is dropped.
    #[must_use]
    pub fn watch(&self) -> Watch {
        let (stop, stopped) = mpsc::channel::<()>();
        let Some(limit) = self.limit else { return Watch { stop: None, thread: None } };
        let scratch = Arc::clone(&self.scratch);
        let look = move || {
            while stopped.recv_timeout(PERIOD) == Err(mpsc::RecvTimeoutError::Timeout) {
                if scratch.is_used() && machine::resident().is_some_and(|bytes| bytes > limit / 8 * 7) {
                    scratch.release();
                }
            }
        };
        Watch { stop: Some(stop), thread: Some(std::thread::spawn(look)) }
    }

    /// Why less could be kept in files than would have been needed, if so.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.scratch.trouble()
    }
}

/// Ends the looking when it is dropped.
pub struct Watch {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads a size: `1500M`, `2G`, `800000k`, `1073741824`; units are powers of 1024.
///
/// # Errors
/// If it is none, or nothing would fit into it.
pub fn parse_size(text: &str) -> Result<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text.get(digits.len()..).unwrap_or_default().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        unit => anyhow::bail!("{unit:?} is no unit of memory: give a number with K, M, G or T, such as 1500M"),
    };
    let number: u64 = digits.parse().ok().with_context(|| format!("{text:?} is no size: give a number with K, M, G or T, such as 1500M"))?;
    let bytes = number.checked_mul(1 << shift).with_context(|| format!("{text:?} is more memory than any machine has"))?;
    ensure!(bytes >= 64 << 20, "{text:?} is too little memory: give at least 64M");
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::{given, many};

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [("1500M", 1500 << 20), ("2g", 2 << 30), ("65536KiB", 64 << 20), ("1073741824", 1 << 30), ("1T", 1 << 40)] {
            assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "M", "-5M", "1.5G", "12X", "1M", "99999999999T"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rows_beyond_a_quarter_of_the_limit_go_to_files() {
        let part = || given(&many(0..50, 10, |_| "  web GET / 0-100\n    > api GET /x 1-90\n".to_owned()));
        let size = part().bytes();
        assert!(size > 0);
        let same = part().spans;
        let memory = Memory::new(Some(2 * size * HELD), &std::env::temp_dir());
        let parts: Vec<Tables> = std::iter::repeat_with(part).take(3).collect();
        let kept: Vec<bool> = parts
            .into_iter()
            .map(|mut part| {
                memory.admit(&mut part);
                assert_eq!(part.spans, same);
                part.is_kept()
            })
            .collect();
        assert_eq!(kept, [false, false, true]);
        let mut free = part();
        Memory::new(None, &std::env::temp_dir()).admit(&mut free);
        assert!(!free.is_kept());
    }

    /// Without the end of the thread this test would not end.
    #[test]
    fn looking_ends() {
        drop(Memory::new(Some(1 << 30), &std::env::temp_dir()).watch());
    }
}
