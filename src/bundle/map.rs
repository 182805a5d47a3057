//! Memory maps: the only `unsafe` of the package. [`Mapped`] shows the bytes of an input, [`Block`] lends room in a scratch
//! file, where [`Paged`] rows stand.
//!
//! What this file does not do: protect against a file that is cut short while it is mapped. A bundle is what is left
//! after an incident and does not change; a file that does would end the process, as with every mapping tool. Nobody else
//! can open a scratch file: it has no name.

use anyhow::{Context, Result};
#[cfg(unix)]
use memmap2::UncheckedAdvice;
use memmap2::{Mmap, MmapRaw};
use std::fs::File;
use std::marker::PhantomData;
use std::ops::{Deref, Range};
use std::path::Path;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// A mapped scratch file, lent out in ranges, each of them once.
pub struct Block {
    map: MmapRaw,
    used: AtomicUsize,
}

impl Block {
    /// Maps a file that nobody else has, whole.
    ///
    /// # Errors
    /// If it cannot be mapped.
    pub fn new(file: &File) -> Result<Self> {
        Ok(Self { map: MmapRaw::map_raw(file).context("cannot map the scratch file")?, used: AtomicUsize::new(0) })
    }

    /// Lets the system take back the memory behind the block. What was written stays, and comes back when it is looked at.
    pub fn release(&self) {
        #[cfg(unix)]
        {
            #[expect(unsafe_code, reason = "the safe wrapper of memmap2 does not offer this advice")]
            // SAFETY: the map is a shared view of a file: dropped pages are kept by the file, written ones too, so that every
            // later look at them, by whichever thread, finds the same bytes.
            let _ = unsafe { self.map.unchecked_advise(UncheckedAdvice::DontNeed) };
        }
    }

    /// Room for as many rows, which is nobody else's; none if there is not as much left.
    #[must_use]
    pub fn lend<R: Copy>(self: &Arc<Self>, room: usize) -> Option<Paged<R>> {
        let (size, align) = (size_of::<R>().checked_mul(room)?, align_of::<R>());
        let from = |used: usize| used.checked_next_multiple_of(align);
        let fits = |used: usize| from(used)?.checked_add(size).filter(|&end| end <= self.map.len());
        let used = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        #[expect(unsafe_code, reason = "rows stand in the map")]
        // SAFETY: `fits` says that the range from here to `end` lies in the map, which begins at a border of pages, so that
        // what is a multiple of the alignment in it is aligned.
        let first = NonNull::new(unsafe { self.map.as_mut_ptr().add(from(used)?) })?.cast();
        Some(Paged { _block: Arc::clone(self), first, len: 0, room, rows: PhantomData })
    }
}

/// Rows in a range of a scratch file that is theirs alone.
pub struct Paged<R> {
    /// Keeps the map as long as somebody looks into it.
    _block: Arc<Block>,
    first: NonNull<R>,
    len: usize,
    room: usize,
    rows: PhantomData<R>,
}

#[expect(unsafe_code, reason = "a pointer is neither by itself")]
// SAFETY: the rows are reached through this value only, as those of a vector are through it.
unsafe impl<R: Send> Send for Paged<R> {}
#[expect(unsafe_code, reason = "a pointer is neither by itself")]
// SAFETY: as above.
unsafe impl<R: Sync> Sync for Paged<R> {}

impl<R: Copy> Paged<R> {
    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[R] {
        #[expect(unsafe_code, reason = "see below")]
        // SAFETY: the first `len` rows were written by `push`; the range is ours alone and lives as long as we do.
        unsafe {
            slice::from_raw_parts(self.first.as_ptr(), self.len)
        }
    }

    /// The rows, to be changed.
    pub fn rows_mut(&mut self) -> &mut [R] {
        #[expect(unsafe_code, reason = "see below")]
        // SAFETY: as above, and nobody else looks at them meanwhile.
        unsafe {
            slice::from_raw_parts_mut(self.first.as_ptr(), self.len)
        }
    }

    /// Adds a row, if there is room.
    pub fn push(&mut self, row: R) -> bool {
        if self.len == self.room {
            return false;
        }
        #[expect(unsafe_code, reason = "see below")]
        // SAFETY: the place is within the range, behind the rows that are there.
        unsafe {
            self.first.as_ptr().add(self.len).write(row);
        }
        self.len += 1;
        true
    }

    /// Drops all but the first rows.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}
