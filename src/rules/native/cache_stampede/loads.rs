//! Loads of cached values: from a miss until the value was there, entry by entry.
//!
//! ```text
//! "cache miss, value loaded from database load_ms=898 key=page:1"      the record tells how long it took
//! GET /products [ GET page:1 | SELECT ... | SETEX page:1 ]              the call to the origin between miss and fill
//! "No cache entry for key '7'" ... "Creating cache entry for key '7'"   from the miss to the fill
//! ```
//!
//! Who missed and then waited for somebody else's load has loaded nothing. What this file does not do: say which loads
//! came together.

use crate::correlate::Case;
use crate::model::ids::TraceId;
use crate::model::names::{Interner, Sym};
use crate::model::source::Evidence;
use crate::model::tables::Effect;
use crate::model::time::{Time, Window};
use crate::rules::native::cache_stampede::lines::{Ledger, Slot};
use crate::rules::native::cache_stampede::uses::{Entry, Group, Spans, Use, Uses, Words, by_service, groups};
use crate::rules::native::cached::place;
use hashbrown::HashSet;
use std::collections::VecDeque;

/// How many calls after a miss are looked at; one that makes more is a batch.
const MOST_CALLS: usize = 256;

/// One load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// The number of the entry in the ledger.
    pub(super) entry: u32,
    /// When it began.
    pub start: Time,
    /// When the value was there.
    pub end: Time,
    /// Trace.
    pub trace: TraceId,
    /// Who loaded.
    pub instance: Sym,
    /// Whether a span tells of it.
    pub from_span: bool,
    /// Where.
    pub evidence: Evidence,
}

impl Load {
    /// How long it took.
    pub(super) const fn nanos(&self) -> i64 {
        self.end.since(self.start)
    }
}

/// Notes everything that is said of the entries of a case.
pub(super) fn note<'a>(case: &'a Case, uses: &Uses<'a>, ledger: &mut Ledger<'a>) {
    let names = &case.tables.names;
    let mut usual = Usual::new();
    uses.each_trace(|trace, spans| note_usual(&uses.words, trace, spans, &mut usual));
    uses.each_trace(|trace, spans| {
        for group in groups(trace, spans) {
            let slot = ledger.slot(uses, names, group.service, group.entry);
            note_group(&uses.words, &usual, &group, slot, names, ledger);
        }
    });
    note_untraced(uses, names, ledger);
}

/// What calls services make although they found the value: these are no loads.
type Usual = HashSet<(Sym, Sym, Sym)>;

fn note_usual(words: &Words, trace: &[Use<'_>], spans: &Spans<'_>, usual: &mut Usual) {
    let loads = |one: &Use<'_>| words.is_miss(one.effect) || words.is_put(one.effect);
    for (service, _) in by_service(trace).filter(|(_, uses)| !uses.iter().any(loads)) {
        usual.extend(
            spans.all.iter().filter(|span| span.is_outgoing() && span.service == service).map(|span| (span.service, span.peer, span.operation)),
        );
    }
}

/// Notes what one trace says of one entry: a load, a wait, a hit or a fill.
fn note_group<'a>(words: &Words, usual: &Usual, group: &Group<'_, 'a>, slot: Slot, names: &Interner, ledger: &mut Ledger<'a>) {
    if slot.is_kept() {
        ledger.lifetime(slot, || group.effects().find_map(|e| lifetime(e, names)));
        group.effects().filter(|e| words.is_put(e)).for_each(|e| ledger.fill(slot, e.time));
    }
    let put = |from: Time| group.effects().find(|e| words.is_put(e) && e.time >= from);
    let missed = group.effects().find(|e| words.is_miss(e));
    let first = missed.or_else(|| group.effects().find(|e| words.is_unclear(e)).filter(|read| put(read.start).is_some()));
    match first {
        _ if group.effects().any(|e| words.is_shared(e)) => ledger.wait(slot),
        Some(first) => match load_of(words, usual, group, first, put(first.start)) {
            Some(load) => ledger.load(slot, load),
            None => ledger.miss(slot, load(first, first.time, first.time)),
        },
        None => {
            let mut is_hit = false;
            for read in group.effects().filter(|e| words.is_read(e)) {
                is_hit = true;
                ledger.found(slot, read.time, read.instance);
            }
            if is_hit {
                ledger.hit(slot);
            }
        }
    }
}

fn load(effect: &Effect, start: Time, end: Time) -> Load {
    Load { entry: 0, start, end, trace: effect.trace, instance: effect.instance, from_span: effect.from_span, evidence: effect.evidence }
}

/// The load that a miss led to: as a record says, else the calls to the origin, else from the miss to the fill.
fn load_of(words: &Words, usual: &Usual, group: &Group<'_, '_>, first: &Effect, put: Option<&Effect>) -> Option<Load> {
    let told = group.effects().filter(|e| words.is_miss(e) && !e.from_span && e.start < e.time).max_by_key(|e| e.time.since(e.start));
    if let Some(told) = told {
        return Some(load(told, told.start, told.time));
    }
    let within = window_of(words, group, first, put);
    let spans = group.tree.all;
    let from = spans.partition_point(|span| span.start < within.start);
    let mut calls = Window::default();
    for span in spans.iter().skip(from).take(MOST_CALLS).take_while(|span| span.start <= within.end) {
        let asked = span.is_outgoing() && span.service == group.service && span.end() <= within.end;
        let is_own = || group.effects().any(|e| e.span == span.id);
        if asked && !usual.contains(&(span.service, span.peer, span.operation)) && !is_own() {
            calls.join(span.window());
        }
    }
    if calls.nanos() > 0 {
        return Some(load(first, calls.start, calls.end));
    }
    if let Some(put) = put.filter(|put| put.start > first.time || !first.from_span) {
        return Some(load(first, first.time.min(put.start), put.start));
    }
    let last = group.effects().filter(|e| words.is_miss(e) && !e.from_span && e.origin != first.origin).map(|e| e.time).max();
    last.filter(|last| !first.from_span && *last > first.time).map(|last| load(first, first.time, last))
}

/// Where calls to the origin are looked for: between a command that missed and the fill, else in the span that says it.
fn window_of(words: &Words, group: &Group<'_, '_>, first: &Effect, put: Option<&Effect>) -> Window {
    match (words.is_unclear(first), put) {
        (true, Some(put)) => Window::of(first.time, put.start),
        _ if first.from_span => Window::of(first.start, first.time),
        _ => {
            let miss = group.effects().find(|e| words.is_miss(e) && !e.span.is_none());
            miss.and_then(|e| group.tree.with_id(e.span)).map_or(Window::of(first.time, first.time), |span| span.window())
        }
    }
}

/// Records of no trace. Those of entries of which nothing is kept are no part of any pair.
fn note_untraced<'a>(uses: &Uses<'a>, names: &'a Interner, ledger: &mut Ledger<'a>) {
    let mut kept: Vec<(Slot, Sym, &Effect)> = Vec::new();
    for effect in uses.alone().filter(|e| !e.key.is_none()) {
        let slot = ledger.slot(uses, names, effect.service, Entry::Key(place(effect, names)));
        if slot.is_kept() {
            kept.push((slot, effect.instance, effect));
        } else {
            pair(&uses.words, slot, [effect].into_iter(), ledger);
        }
    }
    // Sorting is stable: what an instance says of an entry stays in the order of time.
    kept.sort_by_key(|(slot, instance, _)| (*slot, *instance));
    for rows in kept.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let effects = rows.iter().map(|(_, _, effect)| *effect);
        if let Some((slot, ..)) = rows.first() {
            ledger.lifetime(*slot, || effects.clone().find_map(|e| lifetime(e, names)));
            pair(&uses.words, *slot, effects, ledger);
        }
    }
}

/// Misses and fills of one entry by one instance are paired in their order.
fn pair<'a>(words: &Words, slot: Slot, effects: impl Iterator<Item = &'a Effect> + Clone, ledger: &mut Ledger<'_>) {
    let mut open: VecDeque<&Effect> = VecDeque::new();
    // "cache miss" and "loaded from database" are both about an absent value; the wording that came first opens.
    let opening = effects.clone().find(|e| words.is_miss(e)).map(|e| e.origin);
    for effect in effects {
        let miss = words.is_miss(effect);
        let ended = words.is_put(effect) || miss && Some(effect.origin) != opening;
        let ended = match (ended, miss && effect.start < effect.time) {
            (_, true) => Some(load(effect, effect.start, effect.time)),
            (true, false) => open.pop_front().map(|first| load(first, first.time, effect.time)),
            (false, false) => None,
        };
        match ended {
            Some(load) => ledger.load(slot, load),
            None if words.is_shared(effect) => ledger.wait(slot),
            None if miss => open.push_back(effect),
            None if words.is_put(effect) => ledger.fill(slot, effect.time),
            None => {
                ledger.hit(slot);
                ledger.found(slot, effect.time, effect.instance);
            }
        }
    }
    open.into_iter().for_each(|miss| ledger.miss(slot, load(miss, miss.time, miss.time)));
}

fn lifetime(effect: &Effect, names: &Interner) -> Option<f64> {
    names.get(effect.amount).parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0)
}
