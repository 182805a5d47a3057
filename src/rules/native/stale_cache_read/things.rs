//! Which thing a cache key is a copy of: `product:42`, `shop:product:42`, `products::42` and `product-42` are product 42.
//!
//! How other keys are made of ids is learned: from traces that change a thing and fill or drop a key with its id in it, and
//! from times of change that a write and a later read have in common. What this file does not do: trust a single example.

use crate::model::ids::TraceId;
use crate::model::names::{Interner, Sym};
use crate::model::tables::Effect;
use crate::rules::native::cached::{Place, SEPARATORS};
use crate::rules::native::stale_cache_read::timeline::Version;
use std::collections::{BTreeMap, BTreeSet};

/// A thing that can be cached: tenant, kind in singular, id.
pub(super) type Thing = (Sym, String, String);

/// So many different examples teach how a key is made.
const EXAMPLES: usize = 3;
/// A trace with more changes than this is a batch, which fills and drops much at once.
const MOST_CHANGES: usize = 8;
/// Keys looked at in one trace.
const MOST_KEYS: usize = 16;

/// The things an effect is about: the one it names, and the one its key spells.
pub(super) fn of_effect(effect: &Effect, names: &Interner) -> Vec<Thing> {
    let (key, token, space) = (names.get(effect.key), names.get(effect.token), names.get(effect.space));
    let mut out = Vec::new();
    if !token.is_empty() && !space.is_empty() && names.get(effect.op) != "write" {
        out.push((effect.party, singular(space), token.to_owned()));
    }
    match spelled(key) {
        Some((kind, id)) => {
            // A change that names the whole key is one of that key: `south:menu:5` is not the menu 5 of another tenant.
            let start = key.find(kind).unwrap_or(0);
            let before = key.get(..start).unwrap_or_default();
            if !before.is_empty() {
                out.push((effect.party, format!("{before}{}", singular(kind)), id.to_owned()));
            }
            if before.is_empty() || names.get(effect.op) != "write" {
                out.push((effect.party, singular(kind), id.to_owned()));
            }
        }
        None if !space.is_empty() => out.push((effect.party, singular(space), key.to_owned())),
        None => out.push((effect.party, String::new(), key.to_owned())),
    }
    out
}

/// Kind and id at the end of a key.
fn spelled(key: &str) -> Option<(&str, &str)> {
    if let Some((prefix, id)) = key.rsplit_once(SEPARATORS) {
        let kind = prefix.trim_end_matches(SEPARATORS).rsplit(SEPARATORS).next().unwrap_or("");
        let deep = prefix.trim_end_matches(SEPARATORS).contains(SEPARATORS);
        // Of a longer key only a word before a number is surely a kind before its id.
        let is_kind = kind.len() > 1 && kind.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_'));
        let is_id = id.bytes().any(|b| b.is_ascii_digit());
        return (!deep && !kind.is_empty() || deep && is_kind && is_id).then_some((kind, id));
    }
    let (kind, id) = key.rsplit_once(['-', '_', '.'])?;
    let is_kind = kind.len() > 2 && kind.bytes().all(|b| b.is_ascii_alphabetic());
    (is_kind && !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())).then_some((kind, id))
}

/// How keys are made of ids, by examples: the key with a hole for the id, and the kinds it was seen with.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    examples: BTreeMap<(String, String), BTreeSet<(Sym, u128)>>,
}

impl Shapes {
    /// Learns from changes and from what else was done to keys. All are in order of trace.
    pub(super) fn learn(changes: &[&Effect], uses: &[&Effect], names: &Interner) -> Self {
        let mut shapes = Self::default();
        let mut by_trace: BTreeMap<TraceId, Vec<&Effect>> = BTreeMap::new();
        let mut by_time: BTreeMap<(&str, Sym), &Effect> = BTreeMap::new();
        for change in changes {
            if !change.trace.is_none() {
                by_trace.entry(change.trace).or_default().push(change);
            }
            if matches!(Version::parse(names.get(change.version), change.version), Some(Version::Time(_) | Version::Tag(_))) {
                by_time.entry((names.get(change.key), change.version)).or_insert(change);
            }
        }
        let mut looked: BTreeMap<TraceId, usize> = BTreeMap::new();
        for used in uses.iter().filter(|used| !used.key.is_none()) {
            let same_time = segments(names.get(used.key)).find_map(|id| by_time.get(&(id, used.version)).filter(|c| c.time <= used.time));
            if let Some(change) = same_time {
                shapes.add(change, used, names, change.time.0.unsigned_abs().into());
            }
            let Some(changes) = by_trace.get(&used.trace).filter(|changes| changes.len() <= MOST_CHANGES) else { continue };
            let count = looked.entry(used.trace).or_default();
            *count += 1;
            if *count <= MOST_KEYS {
                changes.iter().for_each(|change| shapes.add(change, used, names, used.trace.0));
            }
        }
        shapes.examples.retain(|_, examples| examples.len() >= EXAMPLES);
        shapes
    }

    fn add(&mut self, change: &Effect, used: &Effect, names: &Interner, example: u128) {
        let (id, kind) = (names.get(change.key), singular(names.get(change.space)));
        if let Some(shape) = shape(names.get(used.key), id).filter(|_| change.party == used.party) {
            self.examples.entry((shape, kind)).or_default().insert((used.key, example));
        }
    }

    /// The things that a key is a copy of, as far as that was learned.
    pub(super) fn things(&self, place: Place, names: &Interner) -> Vec<Thing> {
        let key = names.get(place.2);
        let mut out = Vec::new();
        if self.examples.is_empty() {
            return out;
        }
        for id in segments(key) {
            let Some(shape) = shape(key, id) else { continue };
            let kinds = self.examples.range((shape.clone(), String::new())..).take_while(|((known, _), _)| *known == shape);
            out.extend(kinds.map(|((_, kind), _)| (place.0, kind.clone(), id.to_owned())));
        }
        out
    }
}

fn segments(key: &str) -> impl Iterator<Item = &str> {
    key.split(|c: char| SEPARATORS.contains(&c) || c == '_').filter(|part| part.bytes().any(|b| b.is_ascii_digit()))
}

/// The key with a hole where the id stands, if it is one of its parts.
fn shape(key: &str, id: &str) -> Option<String> {
    if id.is_empty() || !segments(key).any(|part| part == id) {
        return None;
    }
    Some(key.split_inclusive(|c: char| SEPARATORS.contains(&c) || c == '_').map(|part| part_or_hole(part, id)).collect())
}

fn part_or_hole(part: &str, id: &str) -> String {
    let bare = part.trim_end_matches(|c: char| SEPARATORS.contains(&c) || c == '_');
    if bare == id { format!("{{}}{}", part.get(bare.len()..).unwrap_or("")) } else { part.to_owned() }
}

/// A kind without its plural.
pub(super) fn singular(word: &str) -> String {
    let word = word.to_ascii_lowercase();
    let plural = word.len() > 3 && !word.ends_with("ss") && !word.ends_with("us");
    match word.strip_suffix("ies").map(|stem| format!("{stem}y")).or_else(|| word.strip_suffix('s').map(str::to_owned)) {
        Some(one) if plural => one,
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_spell_things() {
        for (key, want) in [
            ("product:42", Some(("product", "42"))),
            ("products::42", Some(("products", "42"))),
            ("shop:product:42", Some(("product", "42"))),
            ("product-42", Some(("product", "42"))),
            ("user:4:v2", None),
            ("user:4:cart", None),
            ("home", None),
            ("2026-01-01", None),
        ] {
            assert_eq!(spelled(key), want, "{key}");
        }
        assert_eq!(
            (shape("user:4:cart", "4"), shape("user:4:cart", "cart"), shape("p_42", "42")),
            (Some("user:{}:cart".to_owned()), None, Some("p_{}".to_owned()))
        );
    }
}
