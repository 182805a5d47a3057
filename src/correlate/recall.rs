//! Remembers what was found out about texts that come again and again: names of threads and spans, statements.
//!
//! What this file does not do: keep everything. A memory that is full is emptied, so that a bundle in which every text is
//! new takes no more room than one in which few are.

use crate::model::names::Interner;

/// Texts remembered at once.
const MOST: usize = 4096;
/// Longer texts are looked at anew each time.
const LONGEST: usize = 1024;

/// What is known of texts.
#[derive(Debug)]
pub struct Recall<T> {
    texts: Interner,
    /// By the number of the text.
    known: Vec<Option<T>>,
}

impl<T> Default for Recall<T> {
    fn default() -> Self {
        Self { texts: Interner::default(), known: Vec::new() }
    }
}

impl<T: Copy> Recall<T> {
    /// What `find` says of the text, now or when it was asked before.
    pub fn of(&mut self, text: &str, find: impl FnOnce(&str) -> T) -> T {
        if text.len() > LONGEST {
            return find(text);
        }
        if self.texts.len() > MOST {
            *self = Self::default();
        }
        let number = self.texts.intern(text).0 as usize;
        if number >= self.known.len() {
            self.known.resize(number + 1, None);
        }
        *self.known[number].get_or_insert_with(|| find(text))
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
        assert!(recall.texts.len() <= MOST + 1 && recall.known.len() <= MOST + 1);
    }
}
