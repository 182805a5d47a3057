//! A map whose keys come in long runs or small circles: minutes, services, templates.
//!
//! Beside the hash table stands a handful of places, each with the number of the row that was asked for there last; the caller
//! names the place by any number that tells its keys apart well enough. What is found there is compared, so that the answer is
//! the table's. What this file does not do: forget, unless it is told to.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::hash::Hash;

/// How many places there are.
const PLACES: usize = 64;
/// Look-ups only: no output depends on the hash.
const HASHER: FixedState = FixedState::with_seed(0x6e65_6172);

/// Values by key, in the order in which the keys came.
#[derive(Debug)]
pub struct Near<K, V> {
    rows: Vec<(K, V)>,
    numbers: HashMap<K, u32, FixedState>,
    places: Box<[u32; PLACES]>,
}

impl<K, V> Default for Near<K, V> {
    fn default() -> Self {
        Self { rows: Vec::new(), numbers: HashMap::with_hasher(HASHER), places: Box::new([u32::MAX; PLACES]) }
    }
}

impl<K: Copy + Eq + Hash, V> Near<K, V> {
    /// The value of a key, which `new` makes if there is none.
    #[inline]
    pub fn of(&mut self, key: K, place: u64, new: impl FnOnce() -> V) -> &mut V {
        let place = place as usize % PLACES;
        let near = self.places[place] as usize;
        let is_near = self.rows.get(near).is_some_and(|(known, _)| *known == key);
        let number = if is_near { near } else { self.far(key, place, new) };
        &mut self.rows[number].1
    }

    fn far(&mut self, key: K, place: usize, new: impl FnOnce() -> V) -> usize {
        let number = *self.numbers.entry(key).or_insert_with(|| {
            self.rows.push((key, new()));
            (self.rows.len() - 1) as u32
        });
        self.places[place] = number;
        number as usize
    }

    /// Forgets everything once more than `most` keys are known.
    pub fn bound(&mut self, most: usize) {
        if self.rows.len() > most {
            self.rows.clear();
            self.numbers.clear();
        }
    }

    /// All keys with their values.
    pub fn into_rows(self) -> impl Iterator<Item = (K, V)> {
        self.rows.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_shared_and_values_are_not() {
        let mut near = Near::default();
        for round in 0..3_u64 {
            for key in 0..200_u64 {
                let value = near.of(key, key / 2, || 0_u64);
                assert_eq!(*value, round * key);
                *value += key;
            }
        }
        assert_eq!(near.into_rows().collect::<Vec<_>>().len(), 200);
    }

    #[test]
    fn what_is_forgotten_is_made_anew() {
        let mut near = Near::default();
        for key in 0..100_u32 {
            near.of(key, key.into(), || key);
            near.bound(10);
        }
        assert!(near.rows.len() <= 11);
        assert_eq!((*near.of(99, 99, || 0), *near.of(3, 3, || 7)), (99, 7));
    }
}
