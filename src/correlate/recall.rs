//! Remembers what was found out about texts that come again and again: names of threads and spans, statements.
//!
//! What this file does not do: keep everything. A memory that is full is emptied, so that a bundle in which every text is
//! new takes no more room than one in which few are.

use crate::model::names::{SPOTS, spot};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// Texts remembered at once.
const MOST: usize = 4096;
/// Longer texts are looked at anew each time.
const LONGEST: usize = 1024;
/// Look-ups only: no output depends on the hash.
const HASHER: FixedState = FixedState::with_seed(0x7265_6361_6c6c);

/// What is known of texts.
#[derive(Debug)]
pub struct Recall<T> {
    known: Vec<(Box<str>, T)>,
    by_text: HashTable<u32>,
    /// What was asked for last at each spot.
    near: Box<[u32; SPOTS]>,
}

impl<T> Default for Recall<T> {
    fn default() -> Self {
        Self { known: Vec::new(), by_text: HashTable::new(), near: Box::new([u32::MAX; SPOTS]) }
    }
}

impl<T: Copy> Recall<T> {
    /// What `find` says of the text, now or when it was asked before.
    pub fn of(&mut self, text: &str, find: impl FnOnce(&str) -> T) -> T {
        let spot = spot(text) % SPOTS;
        if let Some((known, found)) = self.known.get(self.near[spot] as usize)
            && **known == *text
        {
            return *found;
        }
        let hash = HASHER.hash_one(text);
        let known = &self.known;
        if let Some(&number) = self.by_text.find(hash, |&n| known.get(n as usize).is_some_and(|(known, _)| **known == *text)) {
            self.near[spot] = number;
            return self.known[number as usize].1;
        }
        let found = find(text);
        if text.len() <= LONGEST {
            if self.known.len() >= MOST {
                self.known.clear();
                self.by_text.clear();
            }
            let number = self.known.len() as u32;
            self.known.push((text.into(), found));
            let known = &self.known;
            self.by_text.insert_unique(hash, number, |&n| known.get(n as usize).map_or(0, |(known, _)| HASHER.hash_one(&**known)));
            self.near[spot] = number;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_looked_at_once_and_the_memory_is_bounded() {
        let (mut recall, mut looks) = (Recall::default(), 0);
        for text in ["a", "b", "a", "b", "a"] {
            let len = recall.of(text, |text| {
                looks += 1;
                text.len()
            });
            assert_eq!(len, 1);
        }
        assert_eq!(looks, 2);
        for n in 0..3 * MOST {
            assert_eq!(recall.of(&n.to_string(), str::len), n.to_string().len());
        }
        assert!(recall.known.len() <= MOST);
    }
}
