//! Templates that differ only in values are one: the step after masking, over all templates of the bundle at once.
//!
//! ```text
//! Failed password for root from <*> port <*> ssh<*>         Failed password for <*> from <*> port <*> ssh<*>
//! Failed password for invalid user oracle from <*> …        Failed password for invalid user <*> from <*> …
//! Removed broadcast_<*> on node-a:<*> in memory             Removed broadcast_<*> on <*> in memory
//! ```
//!
//! Masking sees one message and can only go by what a word looks like. Here words are compared: templates that are equal
//! but for one place are one if what stands there varies as values do, which is more often than words of a sentence do,
//! or looks like a name. Places are settled in rounds, so that several may vary. All comparisons of a round are made
//! before any of them takes effect: the outcome depends on the set of templates only, not on their order. The work grows
//! with the number of words of all templates. What this file does not do: compare templates of different lengths.

use crate::correlate::template;
use crate::model::clusters::Clusters;
use crate::model::ids::TemplateId;
use crate::model::tables::Tables;
use foldhash::fast::FixedState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

/// What stands for a value.
const VALUE: &str = "<*>";
/// Longer templates are left as they are.
const MOST_WORDS: usize = 80;
/// So many places of a template may be found to vary.
const ROUNDS: usize = 4;
/// So many different words in one place of a sentence are values; sentences rarely have more variants.
const VARIANTS: usize = 5;
/// In a sentence of two or three words, and at its beginning, it takes more.
const MORE_VARIANTS: usize = 9;

const HASHER: FixedState = FixedState::with_seed(0x636c_7573);

/// Gives every row and count of a template those of its cluster.
pub fn join(tables: &mut Tables) {
    let texts: BTreeMap<TemplateId, &str> = tables.templates.iter().map(|((id, _), stats)| (*id, tables.names.get(stats.text))).collect();
    let clusters = clusters(&texts);
    for log in &mut tables.logs {
        log.template = clusters.of(log.template);
    }
    for ((id, service), mut stats) in std::mem::take(&mut tables.templates) {
        let cluster = clusters.of(id);
        if let Some(text) = clusters.text(cluster) {
            stats.text = tables.names.intern(text);
        }
        tables.templates.entry((cluster, service)).and_modify(|known| known.join(&stats)).or_insert(stats);
    }
    tables.clusters.absorb(clusters);
}

/// The clusters of templates.
#[must_use]
pub fn clusters(texts: &BTreeMap<TemplateId, &str>) -> Clusters {
    let mut groups: BTreeMap<Vec<&str>, Vec<TemplateId>> = BTreeMap::new();
    for (id, text) in texts {
        groups.entry(words(text)).or_default().push(*id);
    }
    for _ in 0..ROUNDS {
        let joined = round(groups);
        groups = joined.0;
        if !joined.1 {
            break;
        }
    }
    let mut clusters = Clusters::default();
    for (words, members) in groups {
        let text = joined(&words);
        let cluster = template::of_masked(&text);
        for member in members.into_iter().filter(|member| *member != cluster) {
            clusters.join(member, cluster, &text);
        }
    }
    clusters
}

/// The words as one text; what follows a key is a value.
fn joined(words: &[&str]) -> String {
    let mut text = String::new();
    for word in words {
        text.push_str(if text.is_empty() { "" } else { " " });
        text.push_str(word);
        if word.len() > 1 && word.ends_with('=') {
            text.push_str(VALUE);
        }
    }
    text
}

type Groups<'t> = BTreeMap<Vec<&'t str>, Vec<TemplateId>>;

/// Joins what differs in one place; whether anything was joined.
fn round(groups: Groups<'_>) -> (Groups<'_>, bool) {
    let entries: Vec<(Vec<&str>, Vec<TemplateId>)> = groups.into_iter().collect();
    // Every template once for each of its places, under the hash of all but that place.
    let mut places: Vec<(u64, u16, u32)> = Vec::new();
    for (number, (words, _)) in entries.iter().enumerate().filter(|(_, (words, _))| (2..=MOST_WORDS).contains(&words.len())) {
        let hash = |place: usize, word: &str| HASHER.hash_one((place, word));
        let whole = words.iter().enumerate().fold(HASHER.hash_one(words.len()), |sum, (place, word)| sum.wrapping_add(hash(place, word)));
        for (place, word) in words.iter().enumerate() {
            places.push((whole.wrapping_sub(hash(place, word)), place as u16, number as u32));
        }
    }
    places.sort_unstable();
    let mut sets = Sets::new(entries.len());
    let mut any = false;
    for alike in places.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).filter(|alike| alike.len() > 1) {
        let place = usize::from(alike[0].1);
        let variants = || alike.iter().filter_map(|(_, _, number)| Some((*number, *entries.get(*number as usize)?.0.get(place)?)));
        let Some((words, _)) = alike.first().and_then(|(_, _, number)| entries.get(*number as usize)) else { continue };
        for set in varying(words, place, variants()) {
            for pair in set.windows(2) {
                any |= sets.join(pair[0], pair[1]);
            }
        }
    }
    let mut joined: BTreeMap<u32, (Vec<&str>, Vec<TemplateId>)> = BTreeMap::new();
    for (number, (words, members)) in entries.into_iter().enumerate() {
        match joined.entry(sets.root(number as u32)) {
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert((words, members));
            }
            std::collections::btree_map::Entry::Occupied(mut slot) => {
                let (common, all) = slot.get_mut();
                all.extend(members);
                common.iter_mut().zip(words).filter(|(mine, theirs)| **mine != *theirs).for_each(|(mine, _)| *mine = VALUE);
            }
        }
    }
    let mut out = Groups::new();
    for (mut words, members) in joined.into_values() {
        // Two values in a row are one list, as in `words`.
        words.dedup_by(|next, word| *next == VALUE && *word == VALUE);
        out.entry(words).or_default().extend(members);
    }
    (out, any)
}

/// The sets of templates that are one, of those that differ only at a place.
fn varying<'t>(words: &[&str], place: usize, variants: impl Iterator<Item = (u32, &'t str)>) -> Vec<Vec<u32>> {
    // Something has to be left that the message says.
    let rest = words.iter().enumerate().filter(|(n, word)| *n != place && says_something(word)).count();
    if rest == 0 {
        return Vec::new();
    }
    let variants: Vec<(u32, &str)> = variants.collect();
    let masked = variants.iter().any(|(_, word)| *word == VALUE);
    let distinct: BTreeSet<&str> = variants.iter().map(|(_, word)| *word).collect();
    let at_edge = place == 0 || words.len() <= 3;
    let enough = if at_edge { MORE_VARIANTS } else { VARIANTS };
    let all = |set: &[(u32, &str)]| set.iter().map(|(number, _)| *number).collect::<Vec<u32>>();
    if distinct.len() >= enough || masked && place > 0 && rest > 1 {
        return vec![all(&variants)];
    }
    // What looks like a name is one, and names vary.
    let names: Vec<(u32, &str)> = variants.into_iter().filter(|(_, word)| looks_like_a_name(word)).collect();
    if names.len() > 1 && (place > 0 || rest > 1) { vec![all(&names)] } else { Vec::new() }
}

/// Whether a word is more than a value with punctuation.
fn says_something(word: &str) -> bool {
    word.replace(VALUE, "").bytes().any(|b| b.is_ascii_alphabetic() || b >= 128)
}

/// Host names, classes, identifiers, values in brackets or partly masked: what no sentence is made of.
fn looks_like_a_name(word: &str) -> bool {
    let word = word.trim_matches(|c: char| matches!(c, ',' | ';' | ':' | '.' | '(' | ')' | '[' | ']' | '!' | '?'));
    if word.contains(VALUE) {
        return true;
    }
    let bytes = word.as_bytes();
    let inner_capital = bytes.windows(2).any(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    bytes.len() > 2
        && (inner_capital
            || word.contains(['.', '_', '/', '\\', '@', '$', '#', ':', '{', '['])
            || word.contains('-') && word.matches('-').count() > 1)
}

/// The words of a masked text, with what masking could not see of single messages.
fn words(text: &str) -> Vec<&str> {
    let mut words: Vec<&str> = Vec::new();
    let mut method = false;
    for word in text.split_ascii_whitespace() {
        let kept = if method { word } else { masked(word) };
        method = matches!(word.trim_start_matches('"'), "GET" | "POST" | "PUT" | "DELETE" | "PATCH" | "HEAD" | "OPTIONS");
        // A unit belongs to its number, and several values in a row are one list.
        let after_value = words.last() == Some(&VALUE);
        if after_value && (is_unit(kept) || kept == VALUE) {
            continue;
        }
        words.push(kept);
    }
    words
}

fn is_unit(word: &str) -> bool {
    let word = word.trim_end_matches([',', '.', ';', ')']);
    matches!(word, "B" | "KB" | "MB" | "GB" | "TB" | "kB" | "KiB" | "MiB" | "GiB" | "ms" | "us" | "ns" | "s" | "sec" | "secs" | "min" | "%")
}

/// A word that is a value by its form: an address, a path, a mail address, a list, the value of a key.
fn masked(word: &str) -> &str {
    let core = word.trim_matches(|c: char| matches!(c, ',' | ';' | '.' | '(' | ')' | '[' | ']' | '"' | '\'' | '<' | '>'));
    let is_path = |text: &str| text.starts_with('/') && text.len() > 1 && text[1..].contains('/') || text.get(1..3) == Some(":\\");
    let mail = core.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.') && !host.contains('@'));
    let hex = core.len() >= 8 && core.bytes().all(|b| b.is_ascii_hexdigit());
    if core.contains("://") || is_path(core) || mail || hex || only_values(word) {
        return VALUE;
    }
    match word.split_once('=') {
        // The key stays, and says by its sign that something follows it.
        Some((key, value))
            if !key.is_empty()
                && !value.is_empty()
                && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'(' | b'[' | b'{')) =>
        {
            word.get(..=key.len()).unwrap_or(word)
        }
        _ => word,
    }
}

/// `<*>,<*>`, `(<*>/<*>)`: values and punctuation, at least one value.
fn only_values(word: &str) -> bool {
    word.contains(VALUE) && !says_something(word)
}

/// Disjoint sets of numbers.
struct Sets(Vec<u32>);

impl Sets {
    fn new(len: usize) -> Self {
        Self((0..len as u32).collect())
    }

    fn root(&mut self, mut at: u32) -> u32 {
        while let Some(&up) = self.0.get(at as usize).filter(|up| **up != at) {
            let above = self.0.get(up as usize).copied().unwrap_or(up);
            if let Some(slot) = self.0.get_mut(at as usize) {
                *slot = above;
            }
            at = above;
        }
        at
    }

    /// The lower number becomes the root, so that the outcome does not depend on the order of joining.
    fn join(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.root(a), self.root(b));
        if let Some(slot) = self.0.get_mut(a.max(b) as usize) {
            *slot = a.min(b);
        }
        a != b
    }
}

#[cfg(test)]
mod tests;
