//! The rows of one of the large tables: held in memory, or kept where there is more room.
//!
//! ```text
//! piece 1   held   [rows]                     a bundle that fits: every part is held, and so is the whole
//! piece 2   kept   -> elsewhere               one that does not: what is merged with kept rows is kept beside them
//! ```
//!
//! Readers see a slice either way. What this file does not do: say where rows are kept; `bundle/scratch.rs` does.

use crate::model::table::Row;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// Keeps rows outside the memory of the program. Its room is fixed when it is made.
pub trait Keeper<R>: Send + Sync {
    /// The rows.
    fn rows(&self) -> &[R];
    /// The rows, to be changed where they stand.
    fn rows_mut(&mut self) -> &mut [R];
    /// Adds a row, if there is room.
    fn push(&mut self, row: R) -> bool;
    /// Drops all but the first.
    fn truncate(&mut self, len: usize);
    /// Room for as many rows beside these; none if it cannot be had.
    fn another(&self, room: usize) -> Option<Box<dyn Keeper<R>>>;
}

/// Rows of whatever kind.
pub trait Table {
    /// How much room the rows take.
    fn bytes(&self) -> usize;
    /// Whether somebody keeps them outside the memory of the program.
    fn is_kept(&self) -> bool;
    /// Gives back room that was never filled.
    fn shrink(&mut self);
}

/// Rows of one kind.
pub struct Rows<R>(Store<R>);

enum Store<R> {
    Held(Vec<R>),
    Kept(Box<dyn Keeper<R>>),
}

impl<R: Row> Rows<R> {
    /// Rows that somebody keeps.
    #[must_use]
    pub fn kept(keeper: Box<dyn Keeper<R>>) -> Self {
        Self(Store::Kept(keeper))
    }

    /// No rows, with room for as many, where these are.
    #[must_use]
    pub fn beside(&self, room: usize) -> Self {
        let kept = match &self.0 {
            Store::Held(_) => None,
            Store::Kept(keeper) => keeper.another(room),
        };
        kept.map_or_else(|| Self::from(Vec::with_capacity(room)), Self::kept)
    }

    /// Adds a row.
    pub fn push(&mut self, row: R) {
        match &mut self.0 {
            Store::Held(rows) => rows.push(row),
            Store::Kept(keeper) => {
                if !keeper.push(row) {
                    let mut rows = keeper.rows().to_vec();
                    rows.push(row);
                    self.0 = Store::Held(rows);
                }
            }
        }
    }

    /// Takes over the rows of another, after these.
    pub fn append(&mut self, other: Self) {
        match (&mut self.0, other.0) {
            (Store::Held(mine), Store::Held(theirs)) if mine.capacity() == 0 => *mine = theirs,
            (Store::Held(mine), Store::Held(theirs)) => mine.extend(theirs),
            (_, other) => self.extend(Self(other).iter().copied()),
        }
    }

    /// Keeps only rows that are wanted, in their order.
    pub fn retain(&mut self, mut wanted: impl FnMut(&R) -> bool) {
        match &mut self.0 {
            Store::Held(rows) => rows.retain(wanted),
            Store::Kept(keeper) => {
                let (rows, mut left) = (keeper.rows_mut(), 0);
                for at in 0..rows.len() {
                    let row = rows[at];
                    if wanted(&row) {
                        rows[left] = row;
                        left += 1;
                    }
                }
                keeper.truncate(left);
            }
        }
    }

    /// Drops a row that is the same as the one left before it, which `same` is given second.
    pub fn dedup_by(&mut self, mut same: impl FnMut(&R, &R) -> bool) {
        let mut last: Option<R> = None;
        self.retain(|row| {
            let fresh = last.is_none_or(|last| !same(row, &last));
            if fresh {
                last = Some(*row);
            }
            fresh
        });
    }
}

impl<R> Table for Rows<R> {
    fn bytes(&self) -> usize {
        size_of_val(&**self)
    }

    fn is_kept(&self) -> bool {
        matches!(self.0, Store::Kept(_))
    }

    fn shrink(&mut self) {
        if let Store::Held(rows) = &mut self.0 {
            rows.shrink_to_fit();
        }
    }
}

impl<R> Deref for Rows<R> {
    type Target = [R];

    fn deref(&self) -> &[R] {
        match &self.0 {
            Store::Held(rows) => rows,
            Store::Kept(keeper) => keeper.rows(),
        }
    }
}

impl<R> DerefMut for Rows<R> {
    fn deref_mut(&mut self) -> &mut [R] {
        match &mut self.0 {
            Store::Held(rows) => rows,
            Store::Kept(keeper) => keeper.rows_mut(),
        }
    }
}

impl<R> Default for Rows<R> {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl<R> From<Vec<R>> for Rows<R> {
    fn from(rows: Vec<R>) -> Self {
        Self(Store::Held(rows))
    }
}

impl<R> FromIterator<R> for Rows<R> {
    fn from_iter<I: IntoIterator<Item = R>>(rows: I) -> Self {
        Self::from(Vec::from_iter(rows))
    }
}

impl<R: Row> Extend<R> for Rows<R> {
    fn extend<I: IntoIterator<Item = R>>(&mut self, rows: I) {
        match &mut self.0 {
            Store::Held(held) => held.extend(rows),
            Store::Kept(_) => rows.into_iter().for_each(|row| self.push(row)),
        }
    }
}

impl<'a, R> IntoIterator for &'a Rows<R> {
    type Item = &'a R;
    type IntoIter = std::slice::Iter<'a, R>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, R> IntoIterator for &'a mut Rows<R> {
    type Item = &'a mut R;
    type IntoIter = std::slice::IterMut<'a, R>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<R: Clone> Clone for Rows<R> {
    /// A copy in memory.
    fn clone(&self) -> Self {
        Self::from(self.to_vec())
    }
}

impl<R: fmt::Debug> fmt::Debug for Rows<R> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.iter()).finish()
    }
}

impl<R: PartialEq> PartialEq for Rows<R> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}
