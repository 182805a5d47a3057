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

/// `product:*`, or the cache's name.
pub(crate) fn label(place: Place, names: &Interner) -> String {
    let key = names.get(place.2);
    match key.find(SEPARATORS) {
        Some(at) if at > 0 => format!("{}*", key.get(..=at).unwrap_or(key)),
        _ if place.1.is_none() => "cache".to_owned(),
        _ => names.get(place.1).to_owned(),
    }
}
