//! Remembers what was found out about texts that come again and again: names of threads and spans, statements.
//!
//! What this file does not do: keep everything. A memory that is full is emptied, so that a bundle in which every text is
//! new takes no more room than one in which few are.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Texts remembered at once.
const MOST: usize = 4096;
/// Longer texts are looked at anew each time.
const LONGEST: usize = 1024;
/// Look-ups only: no output depends on the hash.
const HASHER: FixedState = FixedState::with_seed(0x7265_6361_6c6c);

/// What is known of texts.
#[derive(Debug)]
pub struct Recall<T> {
    known: HashMap<Box<str>, T, FixedState>,
}

impl<T> Default for Recall<T> {
    fn default() -> Self {
        Self { known: HashMap::with_hasher(HASHER) }
    }
}

impl<T: Copy> Recall<T> {
    /// What `find` says of the text, now or when it was asked before.
    pub fn of(&mut self, text: &str, find: impl FnOnce(&str) -> T) -> T {
        if let Some(found) = self.known.get(text) {
            return *found;
        }
        let found = find(text);
        if text.len() <= LONGEST {
            if self.known.len() >= MOST {
                self.known.clear();
            }
            self.known.insert(text.into(), found);
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
            recall.of(&n.to_string(), str::len);
        }
        assert!(recall.known.len() <= MOST);
    }
}
