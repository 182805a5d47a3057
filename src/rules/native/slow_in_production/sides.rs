//! The same operation on two sides: here and in the baseline.

use crate::correlate::Case;
use crate::correlate::anatomy::{Anatomies, Anatomy, Part, anatomies};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::sketch::Sketch;
use crate::model::source::Evidence;
use crate::model::time::{MINUTE, Time, Window};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Words of routes whose requests last as long as somebody listens.
const STREAMS: &[&str] = &["stream", "events", "subscribe", "poll", "/ws", "websocket", "sse", "watch"];

/// Nanoseconds that one piece of work takes more than in the baseline for one part of it, and why.
#[derive(Clone, Copy, Debug, Default)]
pub struct Added {
    /// Nanoseconds.
    pub nanos: f64,
    /// Of these, because there are more calls.
    more_calls: f64,
    calls: (f64, f64),
    per_call: (f64, f64),
}

impl Added {
    fn of(there: (f64, f64), here: (f64, f64)) -> Self {
        let per = |(nanos, calls): (f64, f64)| if calls > 0.0 { nanos / calls } else { nanos };
        let (before, after) = (per(there), per(here));
        Self { nanos: here.0 - there.0, more_calls: (here.1 - there.1) * before, calls: (there.1, here.1), per_call: (before, after) }
    }

    /// Adds what is known of another operation, for `count` pieces of work.
    pub fn add(&mut self, other: &Self, count: f64) {
        if other.nanos * count > self.nanos {
            (self.calls, self.per_call) = (other.calls, other.per_call);
        }
        self.nanos += other.nanos * count;
        self.more_calls += other.more_calls * count;
    }

    /// `each call takes 71 ms instead of 0.5 ms`, or `42 more calls per request`.
    pub fn how(&self) -> String {
        let ms = |nanos: f64| {
            let ms = nanos / 1e6;
            if ms < 10.0 { format!("{ms:.1}") } else { format!("{ms:.0}") }
        };
        if self.calls.1 == 0.0 && self.calls.0 == 0.0 {
            return format!("{} ms instead of {} ms a request", ms(self.per_call.1), ms(self.per_call.0));
        }
        if self.more_calls > self.nanos / 2.0 {
            return format!("{:.1} calls a request instead of {:.1}", self.calls.1, self.calls.0);
        }
        format!("each call takes {} ms instead of {} ms", ms(self.per_call.1), ms(self.per_call.0))
    }
}

/// An operation that is slower.
pub struct Slow {
    /// Service.
    pub service: Sym,
    /// Operation.
    pub operation: Sym,
    /// Lengths in nanoseconds here.
    pub here: Sketch,
    /// Lengths in the baseline.
    pub there: Sketch,
    /// From the first to the last.
    pub window: Window,
    /// What was added to one piece of work, by part; empty without spans.
    pub parts: BTreeMap<Part, Added>,
    /// The slowest.
    pub evidence: Vec<Evidence>,
    /// Whether spans say so, not log records of requests.
    pub from_spans: bool,
    /// Whether the first minute of instances was left out.
    pub warmed: bool,
    /// All pieces of work of the service.
    pub of_service: u64,
}

impl Slow {
    /// Nanoseconds added to all pieces of work together.
    pub fn added_in_all(&self) -> f64 {
        (self.here.mean() as f64 - self.there.mean() as f64) * self.here.count() as f64
    }
}

/// Every operation that is slower here than in the baseline.
pub fn slow(case: &Case, baseline: &Case, rule: &Rule) -> Vec<Slow> {
    let starts = starts(case);
    let calm_starts = starts_of(baseline);
    let here = anatomies(case, |span| !is_warming(&starts, (span.service, span.instance), span.start));
    let there = anatomies(baseline, |span| !is_warming(&calm_starts, (span.service, span.instance), span.start));
    let mut found = compare(case, baseline, rule, &here, &there, !starts.is_empty(), true);
    if here.is_empty() || there.is_empty() {
        found = compare(case, baseline, rule, &of_requests(case, &starts), &of_requests(baseline, &calm_starts), !starts.is_empty(), false);
    }
    found
}

/// When instances say that they have started, or services whose instances have no name.
type Starts = BTreeMap<Sym, Vec<Time>>;

fn starts(case: &Case) -> Starts {
    starts_of(case)
}

fn starts_of(case: &Case) -> Starts {
    let mut starts = Starts::new();
    let Some(started) = case.tables.names.find("app.started") else { return starts };
    for row in case.tables.signals.iter().filter(|row| row.signal == started) {
        starts.entry(row.instance.or(row.service)).or_default().push(row.time);
    }
    starts
}

fn is_warming(starts: &Starts, (service, instance): (Sym, Sym), time: Time) -> bool {
    let begun = [instance, service].into_iter().filter_map(|who| starts.get(&who)).flatten();
    begun.into_iter().any(|start| (0..MINUTE).contains(&time.since(*start)))
}

/// The anatomy as far as log records of requests tell it.
fn of_requests(case: &Case, starts: &Starts) -> Anatomies {
    let mut all = Anatomies::new();
    for row in case.tables.requests.iter().filter(|row| !row.is_call && !is_warming(starts, (row.service, row.instance), row.start())) {
        let Some(nanos) = row.nanos else { continue };
        let anatomy = all.entry((row.service, row.operation)).or_default();
        anatomy.lengths.add(nanos);
        anatomy.window.join(Window::of(row.start(), row.time));
        anatomy.slowest.insert((Reverse(nanos), row.evidence));
        while anatomy.slowest.len() > 4 {
            anatomy.slowest.pop_last();
        }
    }
    all
}

fn compare(case: &Case, baseline: &Case, rule: &Rule, here: &Anatomies, there: &Anatomies, warmed: bool, from_spans: bool) -> Vec<Slow> {
    let mut of_service: BTreeMap<Sym, u64> = BTreeMap::new();
    here.iter().for_each(|((service, _), anatomy)| *of_service.entry(*service).or_default() += anatomy.lengths.count());
    let to_baseline = |sym: Sym| baseline.tables.names.find(case.tables.names.get(sym));
    let mut found = Vec::new();
    for (&(service, operation), now) in here {
        if is_stream(case.tables.names.get(operation)) {
            continue;
        }
        let Some(before) = to_baseline(service).zip(to_baseline(operation)).and_then(|key| there.get(&key)) else { continue };
        if !is_slower(rule, now, before) {
            continue;
        }
        let parts = if from_spans { added(case, baseline, now, before) } else { BTreeMap::new() };
        found.push(Slow {
            service,
            operation,
            here: now.lengths.clone(),
            there: before.lengths.clone(),
            window: now.window,
            parts,
            evidence: now.slowest.iter().map(|(_, evidence)| *evidence).collect(),
            from_spans,
            warmed,
            of_service: of_service.get(&service).copied().unwrap_or(0),
        });
    }
    found
}

/// Whether an operation lasts as long as somebody listens.
pub(super) fn is_stream(operation: &str) -> bool {
    let name = operation.to_ascii_lowercase();
    STREAMS.iter().any(|word| name.contains(word))
}

fn is_slower(rule: &Rule, now: &Anatomy, before: &Anatomy) -> bool {
    let (here, there) = (&now.lengths, &before.lengths);
    let far = |here: u64, there: u64, part: &str| {
        let (here, there) = (here as f64, there as f64);
        here >= rule.limit(&format!("{part}_ratio")) * there && here - there >= rule.limit(&format!("{part}_delta")) * 1e6
    };
    here.count().min(there.count()) as f64 >= rule.limit("requests")
        && (far(here.p95(), there.p95(), "p95") || far(here.p50(), there.p50(), "p50"))
        && here.excess_over(there) >= rule.limit("z")
}

/// What was added, by part. Parts of one peer that exist on one side only, because a host has another name there, are
/// compared as a whole.
fn added(case: &Case, baseline: &Case, now: &Anatomy, before: &Anatomy) -> BTreeMap<Part, Added> {
    let there = |sym: Sym| baseline.tables.names.find(case.tables.names.get(sym)).unwrap_or(Sym(u32::MAX));
    let same = |part: &Part| before.parts.keys().find(|other| other.operation == there(part.operation) && other.system == there(part.system));
    now.parts
        .keys()
        .map(|part| {
            let exact = Part { peer: there(part.peer), system: there(part.system), operation: there(part.operation) };
            let known = if before.parts.contains_key(&exact) { Some(exact) } else { same(part).copied() };
            (*part, Added::of(known.map_or((0.0, 0.0), |known| before.mean(known)), now.mean(*part)))
        })
        .collect()
}
