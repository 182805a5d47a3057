//! What the requests and calls of a time show about a culprit: how many it touched, how many slow ones it explains, and
//! the longest calls.
//!
//! What this file does not do: find the culprit.

use crate::correlate::blame::path_of;
use crate::correlate::calls::Party;
use crate::correlate::graph::{CallStats, EdgeKey};
use crate::correlate::trace::Trace;
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::record::SpanKind;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{Time, Window};
use crate::rules::Scope;
use crate::rules::native::slow_downstream::suspects::{Against, translated};
use crate::rules::native::slow_downstream::verdict::Verdict;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// How many calls are cited, and how many traces named.
pub(super) const CITED: usize = 8;

/// A long call; the longest comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Worst {
    nanos: Reverse<u64>,
    pub(super) trace: TraceId,
    pub(super) evidence: Evidence,
}

/// What requests and calls of the time show about a culprit.
#[derive(Clone, Default)]
pub(super) struct Seen {
    /// Calls of the suspected kinds.
    pub(super) calls: u64,
    /// Requests.
    pub(super) roots: u64,
    /// Requests that have the culprit on their critical path.
    pub(super) touched: u64,
    /// Requests that are slow for their kind.
    pub(super) slow: u64,
    /// Slow requests of which the culprit holds most of the critical path.
    pub(super) explained: u64,
    /// Kinds of requests that are touched.
    pub(super) operations: BTreeSet<(Sym, Sym)>,
    /// The longest calls.
    pub(super) worst: Vec<Worst>,
}

impl Seen {
    fn merge(mut self, other: Self) -> Self {
        self.calls += other.calls;
        self.roots += other.roots;
        self.touched += other.touched;
        self.slow += other.slow;
        self.explained += other.explained;
        self.operations.extend(other.operations);
        if !other.worst.is_empty() {
            self.worst.extend(other.worst);
            self.worst.sort_unstable();
            self.worst.truncate(CITED);
        }
        self
    }
}

/// Looks at every trace of the window.
pub(super) fn look(scope: &Scope<'_>, rule: &Rule, verdict: &Verdict, window: Window) -> Seen {
    let context = &scope.case.context;
    let limits = limits(scope, rule, verdict, window);
    let keys: BTreeSet<EdgeKey> = verdict.suspects.iter().map(|suspect| suspect.key).collect();
    let direct: BTreeSet<EdgeKey> = verdict.direct().map(|suspect| suspect.key).collect();
    let keys = if direct.is_empty() { keys } else { direct };
    let blamed: BTreeSet<Party> = if verdict.is_caller() { keys.iter().map(|key| key.to).collect() } else { BTreeSet::from([verdict.culprit]) };
    let callers: BTreeSet<Sym> = keys.iter().map(|key| key.from).collect();
    let add = |seen: Seen, trace: Trace<'_>| {
        let mut more = Seen::default();
        // A caller has a span in every trace in which it calls.
        let may_call =
            (0..trace.spans.len()).any(|at| window.holds(trace.began(at))) && trace.spans.iter().any(|span| callers.contains(&span.service));
        let calls = if may_call { context.peers.calls(&trace) } else { Vec::new() };
        for call in &calls {
            let wanted = keys.contains(&EdgeKey::of(call));
            let Some(span) = trace.spans.get(call.span).filter(|_| wanted && window.holds(trace.began(call.span))) else { continue };
            more.calls += 1;
            more.worst.push(Worst { nanos: Reverse(span.nanos), trace: span.trace, evidence: span.evidence });
        }
        for root in trace.entries() {
            let Some(span) = trace.spans.get(root).filter(|span| span.kind != SpanKind::Consumer && window.holds(trace.began(root))) else {
                continue;
            };
            more.roots += 1;
            let key = (span.service, span.operation.or(span.name));
            let path = if more.calls == 0 { BTreeMap::new() } else { path_of(&trace, &context.peers, &calls, root) };
            let held: u64 = path.iter().filter(|(party, _)| blamed.contains(party)).map(|(_, nanos)| nanos).sum();
            if held > 0 {
                more.touched += 1;
                more.operations.insert(key);
            }
            if limits.get(&key).is_some_and(|&limit| span.nanos > limit) {
                more.slow += 1;
                more.explained += u64::from(held as f64 * 100.0 >= rule.limit("path_percent") * span.nanos as f64);
            }
        }
        seen.merge(more)
    };
    scope.case.traces().fold(Seen::default, add).reduce(Seen::default, Seen::merge)
}

/// Above what length a request is slow for its kind: nine of ten were faster, and most took at most half as long, in the
/// baseline, else at other times, else among all.
fn limits(scope: &Scope<'_>, rule: &Rule, verdict: &Verdict, window: Window) -> BTreeMap<(Sym, Sym), u64> {
    let context = &scope.case.context;
    let inside = |bucket: i64| window.holds(Time(bucket.saturating_mul(context.bucket)));
    let enough = |calls: &CallStats| calls.calls as f64 >= rule.limit("calls");
    let usual = |(service, operation): (Sym, Sym)| -> Option<CallStats> {
        let baseline = scope.baseline.filter(|_| verdict.against() == Against::Baseline)?;
        let sym = |sym| translated(scope.case, baseline, sym);
        Some(baseline.context.entries.get(&(sym(service)?, sym(operation)?))?.total()).filter(enough)
    };
    let entries = context.entries.iter().map(|(&key, line)| {
        let calm = || Some(line.sum(|bucket| !inside(bucket))).filter(enough);
        (key, usual(key).or_else(calm).unwrap_or_else(|| line.total()))
    });
    entries.map(|(key, calls)| (key, calls.nanos.quantile(900).max(2 * calls.nanos.p50()))).collect()
}
