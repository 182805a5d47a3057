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
use crate::correlate::effect::CACHE;
use crate::model::ids::{SpanId, TraceId};
use crate::model::names::{Interner, Sym};
use crate::model::source::Evidence;
use crate::model::tables::{Effect, Phase, Span};
use crate::model::time::{SECOND, Time, Window};
use crate::rules::native::cached::{Place, place};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Misses without any sign of their ends that are closer than this are taken for misses at the same time.
const TOGETHER: i64 = SECOND;
/// How many callers up the request is looked for that a masked key stands for.
const DEPTH: usize = 16;
/// How many calls after a miss are looked at; one that makes more is a batch.
const MOST_CALLS: usize = 256;

/// What was loaded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Entry {
    /// A key that a record spells.
    Key(Place),
    /// The request, by its operation and identity, whose cached value has a masked key.
    Request(Sym, u64),
}

/// One load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
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

/// Everything about one entry as one service used it, in order of time.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Service.
    pub service: Sym,
    /// Entry.
    pub entry: Entry,
    /// Loads, by start.
    pub loads: Vec<Load>,
    /// Whether nothing says the ends of the loads, so that they are misses that came together.
    pub guessed: bool,
    /// When which instance found the value, or had just filled it.
    pub found: Vec<(Time, Sym)>,
    /// How many of these were hits.
    pub hits: u64,
    /// Misses that waited for the load of another.
    pub waits: u64,
    /// Times of fills.
    pub fills: Vec<Time>,
    /// How many seconds an entry may live, if a fill says so.
    pub lifetime: Option<f64>,
    misses: Vec<Load>,
}

/// The names of operations and sources that this file asks for.
struct Words {
    cache: Sym,
    read: Sym,
    put: Sym,
    origin: Option<Sym>,
    shared: Option<Sym>,
}

impl Words {
    fn of(names: &Interner) -> Option<Self> {
        let or_none = |word| names.find(word).unwrap_or(Sym::NONE);
        Some(Self {
            cache: names.find(CACHE)?,
            read: or_none("read"),
            put: or_none("put"),
            origin: names.find("origin"),
            shared: names.find("shared"),
        })
    }

    fn is_miss(&self, effect: &Effect) -> bool {
        effect.op == self.read && Some(effect.source) == self.origin
    }

    fn is_shared(&self, effect: &Effect) -> bool {
        effect.op == self.read && Some(effect.source) == self.shared
    }

    fn is_unclear(&self, effect: &Effect) -> bool {
        effect.op == self.read && effect.source.is_none()
    }
}

/// The lines of all entries that were used, in the order of service and entry.
pub(super) fn lines(case: &Case) -> Vec<Line> {
    let names = &case.tables.names;
    let Some(words) = Words::of(names) else { return Vec::new() };
    let is_use = |e: &&Effect| e.kind == words.cache && (e.op == words.read || e.op == words.put) && e.phase == Phase::Success && e.time.is_some();
    let mut effects: Vec<&Effect> = case.tables.effects.iter().filter(is_use).collect();
    effects.sort_by_key(|e| (e.trace, e.time, e.evidence));
    let mut lines: BTreeMap<(Sym, Entry), Line> = BTreeMap::new();
    let untraced = effects.partition_point(|e| e.trace.is_none());
    let (alone, traced) = effects.split_at(untraced);
    let groups: Vec<Group<'_>> = traced.chunk_by(|a, b| a.trace == b.trace).flat_map(|effects| groups_of(case, &words, effects)).collect();
    let usual = usual_calls(&words, &groups);
    for group in &groups {
        add_group(&words, &usual, group, names, &mut lines);
    }
    add_untraced(&words, alone, names, &mut lines);
    let mut lines: Vec<Line> = lines.into_values().collect();
    for line in &mut lines {
        line.found.sort_unstable();
        line.fills.sort_unstable();
    }
    settle_misses(&mut lines);
    lines.iter_mut().for_each(|line| line.loads.sort_by_key(|l| (l.start, l.end, l.evidence)));
    lines
}

fn line_of(lines: &mut BTreeMap<(Sym, Entry), Line>, service: Sym, entry: Entry) -> &mut Line {
    lines.entry((service, entry)).or_insert_with(|| Line {
        service,
        entry,
        loads: Vec::new(),
        guessed: false,
        found: Vec::new(),
        hits: 0,
        waits: 0,
        fills: Vec::new(),
        lifetime: None,
        misses: Vec::new(),
    })
}

/// What one trace says about one entry of one service, in order of time.
struct Group<'a> {
    trace: TraceId,
    service: Sym,
    entry: Entry,
    effects: Vec<&'a Effect>,
    spans: &'a [Span],
    /// The span in which a record tells of the miss.
    home: Option<Window>,
}

fn groups_of<'a>(case: &'a Case, words: &Words, effects: &[&'a Effect]) -> Vec<Group<'a>> {
    let names = &case.tables.names;
    let trace = effects.first().map_or(TraceId::NONE, |e| e.trace);
    let spans = case.spans_of(trace);
    let by_id: BTreeMap<SpanId, &Span> = spans.iter().map(|span| (span.id, span)).collect();
    let mut by_entry: BTreeMap<(Sym, Entry), Vec<&Effect>> = BTreeMap::new();
    let (masked, spelled): (Vec<&Effect>, Vec<&Effect>) = effects.iter().copied().partition(|e| e.key.is_none());
    for effect in spelled {
        by_entry.entry((effect.service, Entry::Key(place(effect, names)))).or_default().push(effect);
    }
    if !masked.is_empty() {
        let named: BTreeSet<Sym> = by_entry.keys().map(|(service, _)| *service).collect();
        for effect in masked {
            if !named.contains(&effect.service) {
                if let Some(entry) = request_of(effect, &by_id) {
                    by_entry.entry((effect.service, entry)).or_default().push(effect);
                }
                continue;
            }
            // A fill whose key is masked is that of the only key its service spells in this trace.
            let mut own = by_entry.range_mut((effect.service, FIRST)..).take_while(|((service, _), _)| *service == effect.service);
            if let (Some((_, only)), None) = (own.next(), own.next())
                && effect.op == words.put
            {
                only.push(effect);
            }
        }
    }
    by_entry
        .into_iter()
        .map(|((service, entry), mut effects)| {
            effects.sort_by_key(|e| (e.start, e.time, e.evidence));
            let miss = effects.iter().find(|e| words.is_miss(e) && !e.span.is_none());
            let home = miss.and_then(|e| by_id.get(&e.span)).map(|span| span.window());
            Group { trace, service, entry, effects, spans, home }
        })
        .collect()
}

const FIRST: Entry = Entry::Key((Sym::NONE, Sym::NONE, Sym::NONE));

/// The request in which a command with a masked key was sent, if its raw path tells it from others.
fn request_of(effect: &Effect, by_id: &BTreeMap<SpanId, &Span>) -> Option<Entry> {
    let mut span = by_id.get(&effect.span)?;
    for _ in 0..DEPTH {
        span = by_id.get(&span.parent).filter(|parent| parent.service == effect.service)?;
        if span.is_incoming() {
            return (span.strong && span.fingerprint != 0).then_some(Entry::Request(span.operation, span.fingerprint));
        }
    }
    None
}

/// What calls services make although they found the value: these are no loads.
type Usual = BTreeSet<(Sym, Sym, Sym)>;

fn usual_calls(words: &Words, groups: &[Group<'_>]) -> Usual {
    let loads = |group: &Group<'_>| group.effects.iter().any(|e| words.is_miss(e) || e.op == words.put);
    let loading: BTreeSet<(TraceId, Sym)> = groups.iter().filter(|group| loads(group)).map(|group| (group.trace, group.service)).collect();
    let mut seen = loading;
    let calm = groups.iter().filter(|group| seen.insert((group.trace, group.service)));
    calm.flat_map(|group| group.spans.iter().filter(|span| span.is_outgoing() && span.service == group.service))
        .map(|span| (span.service, span.peer, span.operation))
        .collect()
}

/// Adds what one trace says of one entry: a load, a wait, a hit or a fill.
fn add_group(words: &Words, usual: &Usual, group: &Group<'_>, names: &Interner, lines: &mut BTreeMap<(Sym, Entry), Line>) {
    let line = line_of(lines, group.service, group.entry);
    let effects = &group.effects;
    line.lifetime = line.lifetime.or_else(|| effects.iter().find_map(|e| lifetime(e, names)));
    let put = |from: Time| effects.iter().find(|e| e.op == words.put && e.time >= from);
    line.fills.extend(effects.iter().filter(|e| e.op == words.put).map(|e| e.time));
    let missed = effects.iter().find(|e| words.is_miss(e));
    let unclear = effects.iter().find(|e| words.is_unclear(e));
    let first = missed.or_else(|| unclear.filter(|read| put(read.start).is_some()));
    match first {
        _ if effects.iter().any(|e| words.is_shared(e)) => line.waits += 1,
        Some(first) => match load_of(words, usual, group, first, put(first.start).copied()) {
            Some(load) => line.loads.push(load),
            None => line.misses.push(load(first, first.time, first.time)),
        },
        None => {
            let reads = effects.iter().filter(|e| e.op == words.read);
            line.hits += u64::from(reads.clone().next().is_some());
            line.found.extend(reads.map(|e| (e.time, e.instance)));
        }
    }
    if let Some(load) = line.loads.last().filter(|load| load.trace == group.trace) {
        line.fills.push(load.end);
        line.found.push((load.end, load.instance));
    }
}

fn load(effect: &Effect, start: Time, end: Time) -> Load {
    Load { start, end, trace: effect.trace, instance: effect.instance, from_span: effect.from_span, evidence: effect.evidence }
}

/// The load that a miss led to: as a record says, else the calls to the origin, else from the miss to the fill.
fn load_of(words: &Words, usual: &Usual, group: &Group<'_>, first: &Effect, put: Option<&Effect>) -> Option<Load> {
    let told = group.effects.iter().filter(|e| words.is_miss(e) && !e.from_span && e.start < e.time).max_by_key(|e| e.time.since(e.start));
    if let Some(told) = told {
        return Some(load(told, told.start, told.time));
    }
    let within = window_of(words, group, first, put);
    let own: BTreeSet<SpanId> = group.effects.iter().map(|e| e.span).collect();
    let from = group.spans.partition_point(|span| span.start < within.start);
    let mut calls = Window::default();
    for span in group.spans.iter().skip(from).take(MOST_CALLS).take_while(|span| span.start <= within.end) {
        let asked = span.is_outgoing() && span.service == group.service && span.end() <= within.end;
        if asked && !own.contains(&span.id) && !usual.contains(&(span.service, span.peer, span.operation)) {
            calls.join(span.window());
        }
    }
    if calls.nanos() > 0 {
        return Some(load(first, calls.start, calls.end));
    }
    if let Some(put) = put.filter(|put| put.start > first.time || !first.from_span) {
        return Some(load(first, first.time.min(put.start), put.start));
    }
    let last = group.effects.iter().filter(|e| words.is_miss(e) && !e.from_span && e.origin != first.origin).map(|e| e.time).max();
    last.filter(|last| !first.from_span && *last > first.time).map(|last| load(first, first.time, last))
}

/// Where calls to the origin are looked for: between a command that missed and the fill, else in the span that says it.
fn window_of(words: &Words, group: &Group<'_>, first: &Effect, put: Option<&Effect>) -> Window {
    match (words.is_unclear(first), put) {
        (true, Some(put)) => Window::of(first.time, put.start),
        _ if first.from_span => Window::of(first.start, first.time),
        _ => group.home.unwrap_or(Window::of(first.time, first.time)),
    }
}

/// Records of no trace: misses and fills of one entry by one instance are paired in their order.
fn add_untraced(words: &Words, effects: &[&Effect], names: &Interner, lines: &mut BTreeMap<(Sym, Entry), Line>) {
    let mut by_entry: BTreeMap<(Sym, Entry, Sym), Vec<&Effect>> = BTreeMap::new();
    for effect in effects.iter().copied().filter(|e| !e.key.is_none()) {
        by_entry.entry((effect.service, Entry::Key(place(effect, names)), effect.instance)).or_default().push(effect);
    }
    for ((service, entry, instance), effects) in by_entry {
        let line = line_of(lines, service, entry);
        line.lifetime = line.lifetime.or_else(|| effects.iter().find_map(|e| lifetime(e, names)));
        let mut open: VecDeque<&Effect> = VecDeque::new();
        // "cache miss" and "loaded from database" are both about an absent value; the wording that came first opens.
        let opening = effects.iter().find(|e| words.is_miss(e)).map(|e| e.origin);
        for effect in effects {
            let miss = words.is_miss(effect);
            let ended = effect.op == words.put || miss && Some(effect.origin) != opening;
            let ended = match (ended, miss && effect.start < effect.time) {
                (_, true) => Some(load(effect, effect.start, effect.time)),
                (true, false) => open.pop_front().map(|first| load(first, first.time, effect.time)),
                (false, false) => None,
            };
            match ended {
                Some(load) => {
                    line.loads.push(load);
                    line.fills.push(load.end);
                    line.found.push((load.end, instance));
                }
                None if words.is_shared(effect) => line.waits += 1,
                None if miss => open.push_back(effect),
                None if effect.op == words.put => line.fills.push(effect.time),
                None => {
                    line.hits += 1;
                    line.found.push((effect.time, instance));
                }
            }
        }
        line.misses.extend(open.into_iter().map(|miss| load(miss, miss.time, miss.time)));
    }
}

/// Misses that nothing says the end of. Where others say it, these have waited for one of them; where none does, misses of
/// one entry within a short time count as loads at the same time.
fn settle_misses(lines: &mut [Line]) {
    let telling: BTreeSet<Sym> = lines.iter().filter(|line| !line.loads.is_empty()).map(|line| line.service).collect();
    for line in lines {
        let misses = std::mem::take(&mut line.misses);
        if telling.contains(&line.service) {
            line.waits += misses.len() as u64;
            continue;
        }
        line.guessed = !misses.is_empty();
        line.loads.extend(misses.into_iter().map(|miss| Load { end: miss.start.plus(TOGETHER), ..miss }));
    }
}

fn lifetime(effect: &Effect, names: &Interner) -> Option<f64> {
    names.get(effect.amount).parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0)
}
