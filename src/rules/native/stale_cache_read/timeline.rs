//! What happened to one cache key: reads, fills, invalidations, and the changes of the thing it is a copy of.
//!
//! A key and a thing are connected if a read names both, or if the key's text is the thing: `account:42` and account 42.
//! What this file does not do: say which reads are stale.

use crate::correlate::Case;
use crate::correlate::effect::CACHE;
use crate::formats::timestamp;
use crate::model::ids::{SpanId, TraceId};
use crate::model::names::{Interner, Sym};
use crate::model::tables::{Effect, Phase, Span};
use crate::model::time::{SECOND, Time};
use crate::rules::native::cached::{Place, place};
use crate::rules::native::stale_cache_read::things::{self, Shapes, Thing};
use foldhash::fast::FixedState;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A version, as far as versions can be ordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// A counter.
    Number(u64),
    /// A time of change.
    Time(Time),
    /// Anything else: an entity tag, a hash. It has no order.
    Tag(Sym),
}

impl Version {
    /// Reads a version as a record spells it: `17`, `v17`, a time, or anything else.
    #[must_use]
    pub fn parse(text: &str, name: Sym) -> Option<Self> {
        if let Ok(number) = text.strip_prefix(['v', 'V']).unwrap_or(text).parse() {
            return Some(Self::Number(number));
        }
        let time = timestamp::iso(text.as_bytes(), 0).map(|(time, _)| Self::Time(time));
        time.or_else(|| (!text.is_empty() && !text.chars().any(char::is_whitespace)).then_some(Self::Tag(name)))
    }

    /// Which one is newer; nothing is said between a counter and a time, and of tags.
    #[must_use]
    pub fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => Some(a.cmp(&b)),
            (Self::Time(a), Self::Time(b)) => Some(a.cmp(&b)),
            _ => None,
        }
    }
}

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub struct Fact<'a> {
    /// What says so.
    pub effect: &'a Effect,
    /// When it surely had begun: of a read without a span, some allowance before its log line.
    pub start: Time,
    /// When it was done; of a change, when its invalidation had had its chance, too.
    pub end: Time,
    /// The version read or written.
    pub version: Option<Version>,
    /// Where a read got its value: `cache`, `origin`, `replica`, or empty.
    pub source: &'a str,
}

/// Everything about one key, each list in order of time.
#[derive(Clone, Debug, Default)]
pub struct Timeline<'a> {
    /// Tenant, cache, key.
    pub place: Place,
    /// Reads, whatever their source.
    pub reads: Vec<Fact<'a>>,
    /// Fills: puts, and loads after a miss.
    pub fills: Vec<Fact<'a>>,
    /// Successful invalidations of this key.
    pub dropped: Vec<Fact<'a>>,
    /// Failed invalidations, of this key or in the trace of a change.
    pub failed: Vec<Fact<'a>>,
    /// Committed changes of the thing.
    pub changes: Vec<Fact<'a>>,
    /// Successful invalidations of other keys in the trace of a change.
    pub strayed: Vec<Fact<'a>>,
}

/// How long after a change its invalidation is waited for.
pub const INVALIDATION: i64 = 5 * SECOND;

/// The timelines of all keys that were read or filled, in the order of the keys' text.
#[must_use]
pub fn timelines(case: &Case, log_allowance: i64) -> Vec<Timeline<'_>> {
    let names = &case.tables.names;
    let Some(kind) = names.find(CACHE) else { return Vec::new() };
    let mut effects: Vec<&Effect> = case.tables.effects.iter().filter(|e| e.kind == kind && e.time.is_some()).collect();
    drop_lonely(&mut effects, names);
    effects.sort_by_key(|e| (e.time, e.evidence));
    let starts = starts(case, &effects);
    let fact = |effect: &'_ Effect| (effect.start, effect.time, Version::parse(names.get(effect.version), effect.version));
    let told = Told::of(&effects, names);

    let mut lines: HashMap<Place, Timeline<'_>, FixedState> = HashMap::default();
    let mut things: HashMap<Place, BTreeSet<Thing>, FixedState> = HashMap::default();
    // Where nothing is ever changed, it does not matter what a key is a copy of.
    let is_changed = effects.iter().any(|e| e.phase == Phase::Success && names.get(e.op) == "write");
    let mut changes: BTreeMap<Thing, Vec<Fact<'_>>> = BTreeMap::new();
    let mut by_trace: BTreeMap<TraceId, Vec<Fact<'_>>> = BTreeMap::new();
    let mut merged: HashMap<(TraceId, SpanId, Place), usize, FixedState> = HashMap::default();
    for &effect in &effects {
        let (mut start, end, version) = fact(effect);
        match (names.get(effect.op), effect.phase) {
            ("read", Phase::Success) if !effect.key.is_none() => {
                let exact = starts.get(&(effect.trace, effect.span)).copied().filter(|&s| s <= end);
                if !effect.from_span {
                    start = exact.unwrap_or_else(|| end.plus(-log_allowance)).min(start);
                }
                let at = place(effect, names);
                if is_changed {
                    things.entry(at).or_default().extend(things::of_effect(effect, names));
                }
                let line = lines.entry(at).or_default();
                line.place = at;
                let source = told.source(effect, at, names);
                let read = Fact { effect, start, end, version, source };
                // The span and the log line of one read are one read; the one with the version tells more.
                let known = (!effect.span.is_none()).then(|| *merged.entry((effect.trace, effect.span, at)).or_insert(line.reads.len()));
                match known.and_then(|i| line.reads.get_mut(i)) {
                    Some(same) if same.version.is_none() || version.is_none() || same.version == version => {
                        let tells_more = same.version.is_none() && version.is_some() || same.effect.source.is_none();
                        let effect = if tells_more { effect } else { same.effect };
                        let source = if same.source.is_empty() { source } else { same.source };
                        *same = Fact { effect, start: same.start.min(start), end: same.end.min(end), version: same.version.or(version), source };
                    }
                    _ => line.reads.push(read),
                }
                if source == "origin" && !effect.from_span {
                    line.fills.push(Fact { start: effect.start, ..read });
                }
            }
            ("put", Phase::Success) if !effect.key.is_none() => {
                let at = place(effect, names);
                if is_changed {
                    things.entry(at).or_default().extend(things::of_effect(effect, names));
                }
                let line = lines.entry(at).or_default();
                line.place = at;
                line.fills.push(Fact { effect, start, end, version, source: "" });
            }
            ("write", Phase::Success) => {
                for thing in things::of_effect(effect, names) {
                    changes.entry(thing).or_default().push(Fact { effect, start, end, version, source: "" });
                }
            }
            ("invalidate", _) => {
                let dropped = Fact { effect, start, end, version, source: "" };
                if !effect.key.is_none() {
                    let at = place(effect, names);
                    let line = lines.entry(at).or_default();
                    line.place = at;
                    if effect.phase == Phase::Success { line.dropped.push(dropped) } else { line.failed.push(dropped) }
                }
                if !effect.trace.is_none() {
                    by_trace.entry(effect.trace).or_default().push(dropped);
                }
            }
            _ => {}
        }
    }
    let mut out: Vec<Timeline<'_>> = lines.into_values().filter(|line| !line.reads.is_empty() || !line.fills.is_empty()).collect();
    let shapes = if is_changed {
        let (writes, uses): (Vec<&Effect>, Vec<&Effect>) = effects.iter().copied().partition(|e| names.get(e.op) == "write");
        Shapes::learn(&writes, &uses, names)
    } else {
        Shapes::default()
    };
    for line in &mut out {
        if is_changed {
            let mut of_place = things.remove(&line.place).unwrap_or_default();
            of_place.extend(shapes.things(line.place, names));
            line.changes = of_place.iter().filter_map(|thing| changes.get(thing)).flatten().copied().collect();
            line.changes.sort_by_key(|c| (c.end, c.effect.evidence));
        }
        line.reads.sort_by_key(|r| (r.start, r.effect.evidence));
        line.fills.sort_by_key(|f| (f.end, f.effect.evidence));
        give_loads_their_start(line);
        settle(line, &by_trace);
    }
    out.sort_unstable_by_key(|line| (names.get(line.place.0), names.get(line.place.1), names.get(line.place.2)));
    out
}

/// Where nothing is ever changed or invalidated, a read can only be held against others of its key: one that is alone
/// says nothing, and most keys of a large bundle are read once.
fn drop_lonely(effects: &mut Vec<&Effect>, names: &Interner) {
    if effects.iter().any(|e| matches!(names.get(e.op), "write" | "invalidate")) {
        return;
    }
    let mut seen = vec![0_u8; names.len()];
    for effect in effects.iter() {
        if let Some(count) = seen.get_mut(effect.key.0 as usize) {
            *count = count.saturating_add(1);
        }
    }
    effects.retain(|effect| seen.get(effect.key.0 as usize).is_some_and(|&count| count > 1));
}

/// A put that follows a load of the same key in the same trace began when the load began.
fn give_loads_their_start(line: &mut Timeline<'_>) {
    let mut loads: BTreeMap<TraceId, Time> = BTreeMap::new();
    for fill in &mut line.fills {
        if fill.effect.trace.is_none() {
            continue;
        }
        let begun = loads.entry(fill.effect.trace).or_insert(fill.start);
        *begun = fill.start.min(*begun);
        fill.start = *begun;
    }
}

/// Joins what happened in the traces of the changes: an invalidation that failed, one of another key, or one that took a
/// while, until which a read may well see the old value.
fn settle<'a>(line: &mut Timeline<'a>, by_trace: &BTreeMap<TraceId, Vec<Fact<'a>>>) {
    let key = line.place.2;
    for change in &mut line.changes {
        let committed = change.end;
        let nearby = |f: &Fact<'_>| f.end.since(committed).abs() <= INVALIDATION;
        for tried in by_trace.get(&change.effect.trace).into_iter().flatten().filter(|f| nearby(f)) {
            let own = tried.effect.key.is_none() || tried.effect.key == key;
            match (tried.effect.phase == Phase::Success, own) {
                (true, true) => change.end = change.end.max(tried.end),
                (true, false) => line.strayed.push(*tried),
                (false, _) if tried.effect.key.is_none() => line.failed.push(*tried),
                (false, _) => {}
            }
        }
        let next = line.dropped.partition_point(|d| d.end < committed);
        if let Some(dropped) = line.dropped.get(next).filter(|d| nearby(d)) {
            change.end = change.end.max(dropped.end);
        }
    }
    line.failed.sort_by_key(|f| (f.end, f.effect.evidence));
    line.changes.sort_by_key(|c| (c.end, c.effect.evidence));
}

/// Starts of the spans in which log records were written.
fn starts(case: &Case, effects: &[&Effect]) -> HashMap<(TraceId, SpanId), Time, FixedState> {
    let mut starts: HashMap<_, _, FixedState> =
        effects.iter().filter(|e| !e.from_span && !e.span.is_none()).map(|e| ((e.trace, e.span), Time::NONE)).collect();
    if !starts.is_empty() {
        let traces: HashSet<TraceId, FixedState> = starts.keys().map(|(trace, _)| *trace).collect();
        // Most traces have read nothing: they are told by a look at one span each.
        let read = |trace: &&[Span]| trace.first().is_some_and(|span| traces.contains(&span.trace));
        for span in case.tables.spans.chunk_by(|a, b| a.trace == b.trace).filter(read).flatten() {
            if let Some(start) = starts.get_mut(&(span.trace, span.id)) {
                *start = span.start;
            }
        }
    }
    starts.retain(|_, start| start.is_some());
    starts
}

/// What is needed to tell a hit from a miss where a command of a cache server says neither.
struct Told {
    /// Traces and keys that were filled.
    filled: BTreeSet<(TraceId, Place)>,
    /// Services whose fills are told by spans.
    fillers: BTreeSet<Sym>,
}

impl Told {
    fn of(effects: &[&Effect], names: &Interner) -> Self {
        let puts = || effects.iter().filter(|e| names.get(e.op) == "put" && e.from_span && e.source.is_none());
        let filled = puts().filter(|e| !e.trace.is_none() && !e.key.is_none()).map(|e| (e.trace, place(e, names)));
        Self { filled: filled.collect(), fillers: puts().map(|e| e.service).collect() }
    }

    /// What the record says; else a command that found nothing is followed by a fill, and one that is not has found something.
    fn source<'a>(&self, read: &Effect, at: Place, names: &'a Interner) -> &'a str {
        let said = names.get(read.source);
        let is_command = said.is_empty() && read.from_span && read.version.is_none() && !read.trace.is_none();
        match (is_command && self.fillers.contains(&read.service), self.filled.contains(&(read.trace, at))) {
            (true, true) => "origin",
            (true, false) => "cache",
            (false, _) => said,
        }
    }
}
