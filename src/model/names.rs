//! Names kept once: an interner local to a segment.
//!
//! Interners of two segments are merged by [`Interner::absorb`], which says what each name is called afterwards.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// A name of one interner. Zero is the empty name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Sym(pub u32);

impl Sym {
    /// The empty name: "not said".
    pub const NONE: Self = Self(0);

    /// Whether nothing was said.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// This name, or the other if this one is empty.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        if self.is_none() { other } else { self }
    }
}

/// Strings by number. All text lies in one buffer, so that a million names cost no million allocations.
#[derive(Clone)]
pub struct Interner {
    text: String,
    ends: Vec<u32>,
    table: HashTable<u32>,
    /// The name that was asked for last at each [`spot`]: nine of ten are asked for again before another takes its place.
    near: Box<[u32; SPOTS]>,
}

/// How many different [`spot`]s there are.
const SPOTS: usize = 256;

/// Where to look for a text first: a number below [`SPOTS`] that a few instructions make of its length and both its ends.
/// Different texts may share one, so whoever finds something there compares.
#[inline]
fn spot(text: &str) -> usize {
    let bytes = text.as_bytes();
    let ends = |head: u64, tail: u64| head ^ tail.rotate_left(29) ^ bytes.len() as u64;
    let mixed = if let (Some(head), Some(tail)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        ends(u64::from_le_bytes(*head), u64::from_le_bytes(*tail))
    } else if let (Some(head), Some(tail)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        ends(u32::from_le_bytes(*head).into(), u32::from_le_bytes(*tail).into())
    } else {
        bytes.iter().fold(bytes.len() as u64, |mixed, &byte| mixed << 8 | u64::from(byte))
    };
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
}

impl std::fmt::Debug for Interner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Interner({} names)", self.len())
    }
}

/// The hash only speeds up look-ups: no output depends on it.
const HASHER: FixedState = FixedState::with_seed(0x616e_616c_797a_6521);

impl Default for Interner {
    fn default() -> Self {
        Self::with_room(0, 0)
    }
}

impl Interner {
    /// The number of a name, new or known. Past 4 GiB of text every new name is the empty one.
    pub fn intern(&mut self, name: &str) -> Sym {
        if name.is_empty() && !self.ends.is_empty() {
            return Sym::NONE;
        }
        let spot = spot(name);
        let near = self.near[spot];
        if slice(&self.text, &self.ends, near) == name && !name.is_empty() {
            return Sym(near);
        }
        let sym = self.intern_far(name);
        self.near[spot] = sym.0;
        sym
    }

    fn intern_far(&mut self, name: &str) -> Sym {
        let hash = HASHER.hash_one(name);
        if let Some(known) = self.find_hashed(hash, name) {
            return known;
        }
        let (Ok(number), Ok(end)) = (u32::try_from(self.ends.len()), u32::try_from(self.text.len() + name.len())) else { return Sym::NONE };
        self.text.push_str(name);
        self.ends.push(end);
        let (text, ends) = (&self.text, &self.ends);
        self.table.insert_unique(hash, number, |&n| HASHER.hash_one(slice(text, ends, n)));
        Sym(number)
    }

    /// The number of a known name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Sym> {
        self.find_hashed(HASHER.hash_one(name), name)
    }

    fn find_hashed(&self, hash: u64, name: &str) -> Option<Sym> {
        if name.is_empty() && !self.ends.is_empty() {
            return Some(Sym::NONE);
        }
        self.table.find(hash, |&n| slice(&self.text, &self.ends, n) == name).map(|&n| Sym(n))
    }

    /// Room for so many names and bytes of text; only the empty name is known.
    #[must_use]
    pub fn with_room(names: usize, bytes: usize) -> Self {
        let mut new = Self {
            text: String::with_capacity(bytes),
            ends: Vec::with_capacity(names),
            table: HashTable::with_capacity(names),
            near: Box::new([0; SPOTS]),
        };
        new.intern("");
        new
    }

    /// Every name, in the order of their numbers.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len() as u32).map(|number| self.get(Sym(number)))
    }

    /// The text of a name; a number of another interner gives the empty name.
    #[must_use]
    pub fn get(&self, sym: Sym) -> &str {
        slice(&self.text, &self.ends, sym.0)
    }

    /// How many names there are, the empty one included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether only the empty name is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.len() <= 1
    }

    /// Takes over every name of `other`; the answer maps its numbers to ours.
    pub fn absorb(&mut self, other: &Self) -> Renames {
        Renames((0..other.ends.len() as u32).map(|n| self.intern(other.get(Sym(n)))).collect())
    }
}

fn slice<'a>(text: &'a str, ends: &[u32], number: u32) -> &'a str {
    let at = number as usize;
    let start = if at == 0 { 0 } else { ends.get(at - 1).copied().unwrap_or(0) };
    let end = ends.get(at).copied().unwrap_or(start);
    text.get(start as usize..end as usize).unwrap_or("")
}

/// What the names of a merged interner are called now.
#[derive(Debug)]
pub struct Renames(Vec<Sym>);

impl FromIterator<Sym> for Renames {
    fn from_iter<I: IntoIterator<Item = Sym>>(syms: I) -> Self {
        Self(syms.into_iter().collect())
    }
}

impl Renames {
    /// The new number of an old one.
    #[must_use]
    pub fn of(&self, sym: Sym) -> Sym {
        self.0.get(sym.0 as usize).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once() {
        let mut names = Interner::default();
        let a = names.intern("orders");
        assert_eq!(names.intern("orders"), a);
        assert_eq!((names.get(a), names.get(Sym::NONE), names.len()), ("orders", "", 2));
    }

    #[test]
    fn names_that_share_a_spot_stay_apart() {
        let mut names = Interner::default();
        let all: Vec<String> = (0..4 * SPOTS).map(|n| format!("http-nio-8080-exec-{n}")).collect();
        let syms: Vec<Sym> = all.iter().map(|name| names.intern(name)).collect();
        for (name, sym) in all.iter().zip(&syms).rev() {
            assert_eq!((names.intern(name), names.get(*sym)), (*sym, name.as_str()));
        }
        for text in ["", "a", "ab", "abcd", "abcdefg", "abcdefgh", "\u{1f600}"] {
            assert!(spot(text) < SPOTS);
        }
    }

    #[test]
    fn merging_renames() {
        let (mut a, mut b) = (Interner::default(), Interner::default());
        a.intern("x");
        let (y, x) = (b.intern("y"), b.intern("x"));
        let renames = a.absorb(&b);
        assert_eq!((a.get(renames.of(y)), a.get(renames.of(x)), a.len()), ("y", "x", 3));
    }
}
