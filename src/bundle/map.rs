//! Memory maps: the only `unsafe` of the package.
//!
//! What this file does not do: protect against a file that is cut short while it is mapped. A bundle is what is left
//! after an incident and does not change; a file that does would end the process, as with every mapping tool.

use anyhow::{Context, Result};
use memmap2::Mmap;
#[cfg(unix)]
use memmap2::UncheckedAdvice;
use std::fs::File;
use std::ops::{Deref, Range};
use std::path::Path;

/// The bytes of a regular file.
pub struct Mapped(Option<Mmap>);

impl Mapped {
    /// Maps a regular file; an empty one has no map.
    ///
    /// # Errors
    /// If it cannot be opened or is no regular file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let meta = file.metadata().with_context(|| format!("cannot examine {}", path.display()))?;
        anyhow::ensure!(meta.is_file(), "{} is no regular file", path.display());
        if meta.len() == 0 {
            return Ok(Self(None));
        }
        #[expect(unsafe_code, reason = "mapping is what makes a large bundle cheap to read; see the head of this file")]
        // SAFETY: the map is read only and private to us. That nobody truncates the file is stated above as a condition.
        let map = unsafe { Mmap::map(&file) }.with_context(|| format!("cannot map {}", path.display()))?;
        Ok(Self(Some(map)))
    }
}

impl Mapped {
    /// Lets go of the pages that hold a range which nobody will look at for a while: the system reads them again from the
    /// file if somebody does. Keeps what is resident small, however large the file.
    pub fn release(&self, range: Range<usize>) {
        #[cfg(unix)]
        if let Some(map) = self.0.as_ref().filter(|map| range.start < range.end && range.end <= map.len()) {
            #[expect(unsafe_code, reason = "the safe wrapper of memmap2 does not offer this advice")]
            // SAFETY: the map is a read-only view of a file, never written to, so that a dropped page comes back with the
            // same bytes; nothing else can observe the difference.
            let _ = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) };
        }
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or(&[])
    }
}
