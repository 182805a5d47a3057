//! Values that have no order: entity tags, hashes, prices. Only a value that comes back tells that it is an old one.
//!
//! What this file does not do: compare values of different names, or call a value old that was never seen before.

use crate::model::finding::Belief;
use crate::model::names::{Interner, Sym};
use crate::model::time::Time;
use crate::rules::native::stale_cache_read::timeline::{Fact, Timeline, Version};
use crate::rules::native::stale_cache_read::{Limits, Stale, input, same_clock};
use std::collections::BTreeMap;

/// What a fact shows of the value: its tag, else a value like a price.
fn shown(fact: &Fact<'_>) -> Sym {
    match fact.version {
        Some(Version::Tag(tag)) => tag,
        Some(_) => Sym::NONE,
        None => fact.effect.outcome,
    }
}

/// The name of a value `price=1990`; tags have none.
fn name_of(value: Sym, names: &Interner) -> &str {
    names.get(value).split_once('=').filter(|(name, _)| !name.starts_with(['"', 'W'])).map_or("", |(name, _)| name)
}

/// What is known of the unordered values of one key.
pub(super) struct Values<'l, 'a> {
    line: &'l Timeline<'a>,
    /// Facts of changes that say what they wrote.
    changes: Vec<&'l Fact<'a>>,
    /// When each value was seen first, and when last.
    seen: BTreeMap<Sym, (Time, Time)>,
}

impl<'l, 'a> Values<'l, 'a> {
    pub(super) fn of(line: &'l Timeline<'a>) -> Option<Self> {
        let mut seen: BTreeMap<Sym, (Time, Time)> = BTreeMap::new();
        for fact in line.reads.iter().chain(&line.changes).filter(|fact| !shown(fact).is_none()) {
            let known = seen.entry(shown(fact)).or_insert((fact.end, fact.end));
            *known = (known.0.min(fact.end), known.1.max(fact.end));
        }
        let changes = line.changes.iter().filter(|change| !shown(change).is_none()).collect();
        (seen.len() > 1).then_some(Self { line, changes, seen })
    }

    /// Whether a read showed a value that a committed change had replaced, or one that others had stopped to see and go on
    /// not to see.
    pub(super) fn stale(&self, read: &Fact<'a>, source: &str, limits: &Limits<'_>, names: &Interner) -> Option<Stale<'a>> {
        let value = shown(read);
        if value.is_none() {
            return None;
        }
        let done = |change: &&Fact<'a>| limits.before(change, read);
        let Some(change) = self.line.changes.iter().rev().find(done) else { return self.flipped(read, value, limits) };
        let wrote = shown(change);
        let known_before = self.seen.get(&value).is_some_and(|(first, _)| *first < change.effect.start.min(change.end));
        let later = self.changes.iter().any(|other| shown(other) == value && other.end >= change.end);
        let comparable = !wrote.is_none() && wrote != value && name_of(wrote, names) == name_of(value, names);
        if !comparable || !known_before || later || source != "cache" && !matches!(read.version, Some(Version::Tag(_))) {
            return None;
        }
        let belief = Belief::new()
            .with("value-came-back", input(read.effect), 0.65)
            .with_if(source == "cache", "served-from-cache", input(read.effect), 0.30)
            .with_if(same_clock(read.effect, change.effect), "one-clock", input(change.effect), 0.30);
        let age = read.start.since(change.effect.time);
        Some(Stale { read: *read, missed: Some(*change), cause: None, kind: "missed-invalidation", age, belief, within_contract: false })
    }

    /// Tags only: A, then B, then A again although B is still seen afterwards by another instance.
    fn flipped(&self, read: &Fact<'a>, value: Sym, limits: &Limits<'_>) -> Option<Stale<'a>> {
        if !matches!(read.version, Some(Version::Tag(_))) || !self.line.changes.is_empty() {
            return None;
        }
        let other = |fact: &&Fact<'a>| {
            let seen = shown(fact);
            let newer = self.seen.get(&seen).zip(self.seen.get(&value)).is_some_and(|(theirs, mine)| mine.0 < theirs.0);
            !seen.is_none() && seen != value && newer && fact.effect.instance != read.effect.instance && limits.before(fact, read)
        };
        let at = self.line.reads.partition_point(|fact| fact.start < read.start);
        let newer = self.line.reads.get(..at)?.iter().rev().take(MOST_BACK).find(other)?;
        let goes_on = self.seen.get(&shown(newer)).is_some_and(|(_, last)| *last > read.end);
        let belief = Belief::new().with("instances-differ", input(read.effect), 0.50).with("values alternate", input(read.effect), 0.20);
        let age = read.start.since(newer.end);
        goes_on.then_some(Stale {
            read: *read,
            missed: Some(*newer),
            cause: None,
            kind: "local-cache-divergence",
            age,
            belief,
            within_contract: false,
        })
    }
}

/// How many reads back another value is looked for.
const MOST_BACK: usize = 64;
