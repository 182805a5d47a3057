//! What the requests behind a breaker went through: its service's own, and those of the users above it.
//!
//! What this file does not do: look at the calls of the protected side.

use crate::correlate::Case;
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::sketch::Sketch;
use crate::model::source::Evidence;
use crate::model::time::{Time, Window};
use foldhash::fast::FixedState;
use hashbrown::HashSet;
use std::collections::{BTreeMap, BTreeSet};

/// So many lengths stand for those of a step of a counter, which tells but one.
const PER_STEP: u64 = 200;

/// Requests during the trouble and at other times.
#[derive(Default)]
pub(super) struct Users {
    pub(super) requests: u64,
    pub(super) failed: u64,
    pub(super) during: Sketch,
    pub(super) usual: Sketch,
    /// Who serves them to the users.
    pub(super) services: BTreeSet<Sym>,
    /// Own requests of the breaker's service in traces with a rejection.
    pub(super) rejected: Sketch,
    /// Some of the longest of those.
    pub(super) worst: Vec<(std::cmp::Reverse<u64>, TraceId, Evidence)>,
}

impl Users {
    pub(super) fn failed_percent(&self) -> f64 {
        100.0 * self.failed as f64 / self.requests.max(1) as f64
    }

    fn count(&mut self, inside: bool, failed: bool, nanos: Option<u64>) {
        if inside {
            self.requests += 1;
            self.failed += u64::from(failed);
        }
        if let Some(nanos) = nanos {
            if inside { &mut self.during } else { &mut self.usual }.add(nanos);
        }
    }
}

/// The requests of the kinds that run into the breaker: by their traces, else all that its service serves.
pub(super) fn users(case: &Case, service: Sym, window: Window, touched: &[TraceId], rejected: &[TraceId]) -> Users {
    let set = |traces: &[TraceId]| -> HashSet<TraceId, FixedState> { traces.iter().copied().filter(|trace| !trace.is_none()).collect() };
    let (touched, rejected) = (set(touched), set(rejected));
    let mut users = Users::default();
    own(case, service, &rejected, &mut users);
    // A request stands for its trace: the root's span, else the longest that a record tells.
    let mut entries: BTreeSet<(Sym, Sym)> = BTreeSet::new();
    let roots = || case.tables.spans.iter().filter(|span| span.parent.is_none() && span.is_incoming());
    roots().filter(|span| touched.contains(&span.trace)).for_each(|span| _ = entries.insert((span.service, span.operation.or(span.name))));
    if !entries.is_empty() {
        for span in roots().filter(|span| entries.contains(&(span.service, span.operation.or(span.name)))) {
            users.count(window.holds(span.start), span.failed(), Some(span.nanos));
        }
        users.services = entries.iter().map(|(service, _)| *service).collect();
        return users;
    }
    let mut longest: BTreeMap<TraceId, (u64, (Sym, Sym))> = BTreeMap::new();
    for row in case.tables.requests.iter().filter(|row| !row.is_call && touched.contains(&row.trace)) {
        let known = longest.entry(row.trace).or_insert((0, (row.service, row.operation)));
        if row.nanos.unwrap_or(0) > known.0 {
            *known = (row.nanos.unwrap_or(0), (row.service, row.operation));
        }
    }
    let entries: BTreeSet<(Sym, Sym)> = longest.values().map(|(_, key)| *key).collect();
    let begun = |time: Time, nanos: Option<u64>| time.plus(-i64::try_from(nanos.unwrap_or(0)).unwrap_or(0));
    if !entries.is_empty() {
        for row in case.tables.requests.iter().filter(|row| !row.is_call && entries.contains(&(row.service, row.operation))) {
            users.count(window.holds(row.start()), row.failed(), row.nanos);
        }
        users.services = entries.iter().map(|(service, _)| *service).collect();
        return users;
    }
    for row in case.served().iter().filter(|row| row.service == service && !row.probe) {
        users.count(window.holds(begun(row.time, row.nanos)), row.failed, row.nanos);
    }
    users.services.insert(service);
    if users.requests == 0 && users.usual.count() == 0 {
        counted(case, service, window, &mut users);
    }
    users
}

/// What counters of a service tell of its requests, each step with its mean.
fn counted(case: &Case, service: Sym, window: Window, users: &mut Users) {
    let Some(load) = case.loads().get(&service) else { return };
    for piece in &load.pieces {
        let nanos = piece.nanos.map(|nanos| nanos.max(0.0) as u64);
        let (inside, count) = (window.holds(piece.time), piece.count as u64);
        (0..count.min(PER_STEP)).for_each(|_| users.count(inside, piece.failed, nanos));
        if inside {
            let more = count.saturating_sub(PER_STEP);
            users.requests += more;
            users.failed += if piece.failed { more } else { 0 };
        }
    }
}

/// How long the service itself took for requests in which the breaker turned a call away.
fn own(case: &Case, service: Sym, rejected: &HashSet<TraceId, FixedState>, users: &mut Users) {
    let mut lengths: BTreeMap<TraceId, (u64, Evidence)> = BTreeMap::new();
    let mut note = |trace: TraceId, nanos: u64, evidence: Evidence| {
        let known = lengths.entry(trace).or_insert((nanos, evidence));
        *known = (*known).max((nanos, evidence));
    };
    let spans = case.tables.spans.iter().filter(|span| span.is_incoming() && span.service == service && rejected.contains(&span.trace));
    spans.for_each(|span| note(span.trace, span.nanos, span.evidence));
    let rows = case.tables.requests.iter().filter(|row| !row.is_call && row.service == service && rejected.contains(&row.trace));
    rows.for_each(|row| note(row.trace, row.nanos.unwrap_or(0), row.evidence));
    for (trace, (nanos, evidence)) in lengths {
        users.rejected.add(nanos);
        users.worst.push((std::cmp::Reverse(nanos), trace, evidence));
    }
    users.worst.sort_unstable();
    users.worst.truncate(8);
}

/// What was done instead of the call.
#[derive(Default)]
pub(super) struct Fallback {
    pub(super) calls: u64,
    pub(super) failed: u64,
    pub(super) nanos: Sketch,
    pub(super) from_spans: bool,
    /// From the first to the last.
    pub(super) window: Window,
    pub(super) evidence: Vec<Evidence>,
}

/// Fallbacks of a service in a window: spans that are named so, else the time from a record of one to the next record of
/// its trace.
pub(super) fn fallback(case: &Case, service: Sym, window: Window) -> Fallback {
    let names = &case.tables.names;
    let mut found = Fallback::default();
    let mut named: BTreeMap<Sym, bool> = BTreeMap::new();
    for span in case.tables.spans.iter().filter(|span| span.service == service && !span.is_incoming() && window.holds(span.start)) {
        if *named.entry(span.name).or_insert_with(|| names.get(span.name).to_ascii_lowercase().contains("fallback")) {
            found.calls += 1;
            found.failed += u64::from(span.failed());
            found.nanos.add(span.nanos);
            found.window.add(span.start);
            found.evidence.push(span.evidence);
        }
    }
    found.from_spans = found.calls > 0;
    if let (false, Some(signal)) = (found.from_spans, names.find("fallback.used")) {
        let rows = case.tables.signals.iter().filter(|row| row.signal == signal && row.service == service && window.holds(row.time));
        let begun: Vec<(TraceId, Time, Evidence)> = rows.map(|row| (row.trace, row.time, row.evidence)).collect();
        found.calls = begun.len() as u64;
        let traces: HashSet<TraceId, FixedState> = begun.iter().map(|one| one.0).filter(|trace| !trace.is_none()).collect();
        let mut next: BTreeMap<TraceId, BTreeSet<Time>> = BTreeMap::new();
        for log in case.tables.logs.iter().filter(|log| log.service == service && traces.contains(&log.trace)) {
            next.entry(log.trace).or_default().insert(log.time);
        }
        for (trace, time, evidence) in begun {
            found.window.add(time);
            let after = next.get(&trace).and_then(|times| times.range(time.plus(1)..).next());
            after.into_iter().for_each(|after| found.nanos.add(after.since(time).max(0).unsigned_abs()));
            found.evidence.push(evidence);
        }
    }
    found
}
