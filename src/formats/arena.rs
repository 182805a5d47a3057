//! A place for texts that do not stand in the input as such: unescaped strings, joined keys, rendered lists.
//!
//! Records borrow from the bytes they were read from. The few texts that have to be made are kept here until the chunk
//! is done, so that a record may borrow them just the same. A text that is borrowed from the input costs nothing here.
//! What this file does not do: give memory back before the end.

use std::cell::{Cell, OnceCell};

/// Texts on the first shelf; every further shelf holds twice as many.
const FIRST: usize = 16;

type Shelf = Box<[OnceCell<Box<str>>]>;

/// Keeps texts for as long as it lives.
#[derive(Default)]
pub struct Arena {
    used: Cell<usize>,
    shelves: [OnceCell<Shelf>; 32],
}

impl Arena {
    /// Keeps a text. After 2^36 texts, which no memory holds, further ones are empty.
    pub fn keep(&self, text: impl Into<Box<str>>) -> &str {
        let at = self.used.get() + FIRST;
        let number = (at / FIRST).ilog2() as usize;
        let Some(shelf) = self.shelves.get(number) else { return "" };
        let slots = shelf.get_or_init(|| (0..FIRST << number).map(|_| OnceCell::new()).collect());
        self.used.set(self.used.get() + 1);
        slots.get(at - (FIRST << number)).map_or("", |slot| slot.get_or_init(|| text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_stays_what_it_was() {
        let arena = Arena::default();
        let kept: Vec<&str> = (0..1000).map(|n| arena.keep(n.to_string())).collect();
        assert!(kept.iter().enumerate().all(|(n, text)| *text == n.to_string()));
    }
}
