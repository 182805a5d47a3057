//! Keys of caches: when two records speak of one entry, and what a report calls the entries of one kind.
//!
//! What this file does not do: connect an entry with the thing it is a copy of.

use crate::model::names::{Interner, Sym};
use crate::model::tables::Effect;

/// A key of a cache: tenant, cache (only if the key does not say it), key.
pub(crate) type Place = (Sym, Sym, Sym);

/// What stands between the parts of a key.
pub(crate) const SEPARATORS: [char; 4] = [':', '/', '#', '|'];

/// The entry that an effect speaks of.
pub(crate) fn place(effect: &Effect, names: &Interner) -> Place {
    let says_all = names.get(effect.key).contains(SEPARATORS);
    (effect.party, if says_all { Sym::NONE } else { effect.space }, effect.key)
}

/// What a report calls the entries of one kind: a name, or the beginning of keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Label<'a> {
    text: &'a str,
    is_beginning: bool,
}

impl<'a> Label<'a> {
    /// A name.
    pub(crate) fn of(name: &'a str) -> Self {
        // Labels that read the same are the same.
        let beginning = name.strip_suffix('*');
        Self { text: beginning.unwrap_or(name), is_beginning: beginning.is_some() }
    }
}

impl std::fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text)?;
        f.write_str(if self.is_beginning { "*" } else { "" })
    }
}

/// `product:*`, or the cache's name.
pub(crate) fn label(place: Place, names: &Interner) -> Label<'_> {
    let key = names.get(place.2);
    match key.find(SEPARATORS) {
        Some(at) if at > 0 => Label { text: key.get(..=at).unwrap_or(key), is_beginning: true },
        _ if place.1.is_none() => Label::of("cache"),
        _ => Label::of(names.get(place.1)),
    }
}
