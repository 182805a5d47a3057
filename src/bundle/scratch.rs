//! Scratch files: room for rows that are too many for the memory.
//!
//! ```text
//! rows --> [ block of 64 MiB | block | one block of its own for a large table ]     files without a name, mapped
//! ```
//!
//! What is written there is the system's to write out and read back; [`Scratch::release`] tells it that nothing has to stay in
//! memory now. The room is taken from the disk before it is used, since a map over a full disk ends the process. The files
//! vanish with the program, however it ends.
//!
//! What this file does not do: decide which rows go there, or when; `pipeline/memory.rs` does.

use crate::bundle::map::{Block, Paged};
use crate::model::rows::{Keeper, Rows, Table};
use crate::model::table::Row;
use anyhow::{Context, Result};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// How large a file is at least.
const BLOCK: usize = 64 << 20;

/// Where rows are kept.
#[derive(Debug)]
pub struct Scratch {
    dir: PathBuf,
    /// Every file that is in use, the one that is being filled last.
    blocks: Mutex<Vec<Weak<Block>>>,
    trouble: Mutex<Option<String>>,
}

impl Scratch {
    /// Room in a directory. Nothing is made before it is needed.
    #[must_use]
    pub fn new(dir: &Path) -> Arc<Self> {
        Arc::new(Self { dir: dir.to_owned(), blocks: Mutex::default(), trouble: Mutex::default() })
    }

    /// Moves rows that are held in memory. If there is no room they stay where they are, and [`Self::trouble`] says why.
    pub fn keep<R: Row + Send + Sync + 'static>(self: &Arc<Self>, rows: &mut Rows<R>) {
        if rows.is_empty() || rows.is_kept() {
            return;
        }
        if let Some(keeper) = self.room(rows.len()) {
            let mut kept = Rows::kept(keeper);
            kept.append(std::mem::take(rows));
            *rows = kept;
        }
    }

    /// Lets the system take back all memory behind the files.
    pub fn release(&self) {
        for block in self.blocks().iter().filter_map(Weak::upgrade) {
            block.release();
        }
    }

    /// Whether rows are kept.
    #[must_use]
    pub fn is_used(&self) -> bool {
        !self.blocks().is_empty()
    }

    /// Why rows could not be kept, if so.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn blocks(&self) -> MutexGuard<'_, Vec<Weak<Block>>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room<R: Row + Send + Sync + 'static>(self: &Arc<Self>, room: usize) -> Option<Box<dyn Keeper<R>>> {
        let rows = self.lend(room).map_err(|error| {
            self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| format!("{error:#}"));
        });
        rows.ok().map(|rows| Box::new(Kept { rows, scratch: Arc::clone(self) }) as Box<dyn Keeper<R>>)
    }

    fn lend<R: Row>(&self, room: usize) -> Result<Paged<R>> {
        let mut blocks = self.blocks();
        if let Some(rows) = blocks.last().and_then(Weak::upgrade).and_then(|block| block.lend(room)) {
            return Ok(rows);
        }
        // One more row than asked for: the first may have to be moved to where it is aligned.
        let size = room.checked_add(1).and_then(|rows| rows.checked_mul(size_of::<R>())).context("too many rows for one file")?;
        let file = tempfile::tempfile_in(&self.dir).with_context(|| format!("cannot make a file in {}", self.dir.display()))?;
        reserve(&file, size.max(BLOCK) as u64).with_context(|| format!("no room in {}", self.dir.display()))?;
        let block = Arc::new(Block::new(&file)?);
        let rows = block.lend(room).context("a file is too small")?;
        blocks.retain(|block| block.strong_count() > 0);
        blocks.push(Arc::downgrade(&block));
        Ok(rows)
    }
}

/// Takes room on the disk.
fn reserve(mut file: &File, size: u64) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, size) {
        Err(rustix::io::Errno::OPNOTSUPP) => {}
        done => return Ok(done?),
    }
    std::io::copy(&mut std::io::Read::take(std::io::repeat(0), size), &mut file).map(|_| ())
}

/// Rows of one table in a scratch file.
struct Kept<R> {
    rows: Paged<R>,
    scratch: Arc<Scratch>,
}

impl<R: Row + Send + Sync + 'static> Keeper<R> for Kept<R> {
    fn rows(&self) -> &[R] {
        self.rows.rows()
    }

    fn rows_mut(&mut self) -> &mut [R] {
        self.rows.rows_mut()
    }

    fn push(&mut self, row: R) -> bool {
        self.rows.push(row)
    }

    fn truncate(&mut self, len: usize) {
        self.rows.truncate(len);
    }

    fn another(&self, room: usize) -> Option<Box<dyn Keeper<R>>> {
        self.scratch.room(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::Reason;
    use crate::model::source::{Evidence, FileId};
    use crate::model::tables::Quarantine;

    fn rows(count: u64) -> Rows<Quarantine> {
        (0..count).map(|at| Quarantine { reason: Reason::Malformed, evidence: Evidence::new(FileId(1), at, 7) }).collect()
    }

    fn kept(scratch: &Arc<Scratch>, count: u64) -> Rows<Quarantine> {
        let mut rows = rows(count);
        scratch.keep(&mut rows);
        rows
    }

    #[test]
    fn kept_rows_are_the_rows_that_were_held() {
        let scratch = Scratch::new(&std::env::temp_dir());
        assert!(!kept(&scratch, 0).is_kept() && !scratch.is_used(), "no row, no file");
        let (mut first, second) = (kept(&scratch, 1000), kept(&scratch, 500));
        assert!(first.is_kept() && second.is_kept() && scratch.is_used());
        assert_eq!((&first, &second), (&rows(1000), &rows(500)));
        first.iter_mut().for_each(|row| row.evidence.len = 8);
        scratch.release();
        assert!(first.iter().zip(0..).all(|(row, at)| (row.evidence.start, row.evidence.len) == (at, 8)), "what was written comes back");
        assert_eq!(second, rows(500), "neighbours do not touch");
    }

    #[test]
    fn kept_rows_can_be_dropped_added_to_and_merged() {
        let scratch = Scratch::new(&std::env::temp_dir());
        let mut some = kept(&scratch, 10);
        some.retain(|row| row.evidence.start % 3 == 0);
        assert_eq!(some.iter().map(|row| row.evidence.start).collect::<Vec<_>>(), [0, 3, 6, 9]);
        some.dedup_by(|b, a| b.evidence.start / 5 == a.evidence.start / 5);
        assert_eq!(some.iter().map(|row| row.evidence.start).collect::<Vec<_>>(), [0, 6]);
        let mut all = some.beside(12);
        all.append(some);
        all.append(rows(10));
        assert!(all.is_kept() && all.len() == 12);
        all.push(rows(1)[0]);
        assert!(!all.is_kept() && all.len() == 13, "rows beyond the room are taken into memory");
    }

    #[test]
    fn a_table_larger_than_a_block_has_a_file_of_its_own() {
        let scratch = Scratch::new(&std::env::temp_dir());
        let count = (BLOCK / size_of::<Quarantine>()) as u64 + 10;
        assert_eq!(kept(&scratch, count), rows(count));
    }

    #[test]
    fn without_room_rows_stay_in_memory() {
        let scratch = Scratch::new(Path::new("/there/is/no/such/place"));
        let stays = kept(&scratch, 10);
        assert!(!stays.is_kept() && stays == rows(10));
        assert!(scratch.trouble().is_some_and(|why| why.contains("/there/is/no/such/place")));
    }
}
