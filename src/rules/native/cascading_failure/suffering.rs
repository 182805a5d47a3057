//! Who suffers, since when, and whether what they serve reaches the culprit at all.
//!
//! What this file does not do: decide whether that is a cascade.

use crate::correlate::calls::Party;
use crate::correlate::graph::{CallStats, Timeline};
use crate::correlate::series::Limits;
use crate::correlate::trace::Trace;
use crate::correlate::{Case, Context};
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{Time, Window};
use crate::rules::native::slow_downstream::suspects::{change, change_of};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// A side that was worse for a while than at other times.
#[derive(Clone, Debug)]
pub(super) struct Suffering {
    pub(super) window: Window,
    pub(super) during: CallStats,
    pub(super) usual: CallStats,
}

impl Suffering {
    /// How many times as long its requests took.
    pub(super) fn slower(&self) -> f64 {
        self.during.nanos.p95() as f64 / self.usual.nanos.p95().max(1) as f64
    }

    /// By how many percentage points more of them failed.
    pub(super) fn failing(&self) -> f64 {
        100.0 * (self.during.error_ratio() - self.usual.error_ratio())
    }
}

/// Whether a line of requests or calls was worse for a while: slower, or failing.
pub(super) fn suffering(context: &Context, rule: &Rule, line: &Timeline) -> Option<Suffering> {
    let limits = Limits { ratio: 0.0, delta: rule.limit("errors_points") / 100.0, score: rule.limit("change_score") };
    let episodes = [change(context, rule, line), change_of(context, line, limits, CallStats::error_ratio)];
    let (window, inside) = episodes.into_iter().flatten().min_by_key(|(window, _)| window.start)?;
    let (during, usual) = (line.sum(|bucket| inside.contains(&bucket)), line.sum(|bucket| !inside.contains(&bucket)));
    let enough = during.calls.min(usual.calls) as f64 >= rule.limit("requests");
    enough.then_some(Suffering { window, during, usual })
}

/// Every side that suffers: services as they serve, sides without spans as their callers see them.
pub(super) fn all(case: &Case, rule: &Rule) -> BTreeMap<Party, Suffering> {
    let context = &case.context;
    let mut found = BTreeMap::new();
    for node in context.graph.nodes() {
        let mut line = Timeline::default();
        if node.served.is_empty() {
            context.graph.edges().filter(|(_, to, edge)| *to == node.party && !edge.is_async).for_each(|(.., edge)| line.merge(&edge.timeline()));
        }
        node.served.values().for_each(|served| line.merge(served));
        found.extend(suffering(context, rule, &line).map(|suffering| (node.party, suffering)));
    }
    found
}

/// How the requests of one operation of a service go together with the culprit.
#[derive(Clone, Debug, Default)]
pub(super) struct Touched {
    /// All of them, and those that reach the culprit.
    pub(super) all: u64,
    pub(super) touching: u64,
    /// Failed or slow ones during the trouble, and those of them that reach the culprit.
    pub(super) bad: u64,
    pub(super) bad_touching: u64,
    /// The longest bad ones.
    pub(super) worst: Vec<(Reverse<u64>, TraceId, Evidence)>,
}

impl Touched {
    fn merge(&mut self, other: Self) {
        self.all += other.all;
        self.touching += other.touching;
        self.bad += other.bad;
        self.bad_touching += other.bad_touching;
        self.worst.extend(other.worst);
        self.worst.sort_unstable();
        self.worst.truncate(4);
    }
}

/// Service and operation.
pub(super) type Operation = (Sym, Sym);

/// Which requests reach the culprit. `slow` says above what length a request of an operation is slow.
pub(super) fn touched(case: &Case, culprit: Party, window: Window, slow: &BTreeMap<Operation, u64>) -> BTreeMap<Operation, Touched> {
    let peers = &case.context.peers;
    let add = |mut found: BTreeMap<Operation, Touched>, trace: Trace<'_>| {
        let mut reaches = vec![false; trace.spans.len()];
        for call in peers.calls(&trace).iter().filter(|call| call.to == culprit) {
            let mut at = Some(call.span);
            while let Some(span) = at.filter(|at| reaches.get(*at) == Some(&false)) {
                reaches[span] = true;
                at = trace.parent(span);
            }
        }
        for (at, span) in trace.spans.iter().enumerate().filter(|(_, span)| span.is_incoming()) {
            let key = (span.service, span.operation.or(span.name));
            let Some(&limit) = slow.get(&key) else { continue };
            let reach = reaches[at];
            let is_bad = window.holds(span.start) && (span.failed() || span.nanos > limit);
            let worst = if is_bad { vec![(Reverse(span.nanos), span.trace, span.evidence)] } else { Vec::new() };
            let one = Touched { all: 1, touching: u64::from(reach), bad: u64::from(is_bad), bad_touching: u64::from(is_bad && reach), worst };
            found.entry(key).or_default().merge(one);
        }
        found
    };
    case.traces().fold(BTreeMap::new, add).reduce(BTreeMap::new, |mut mine, theirs| {
        theirs.into_iter().for_each(|(key, touched)| mine.entry(key).or_default().merge(touched));
        mine
    })
}

/// Requests of users during a window: how many, and how many of them failed in per cent.
pub(super) fn entries(context: &Context, window: Window) -> (u64, f64) {
    let mut line = Timeline::default();
    context.entries.values().for_each(|entry| line.merge(entry));
    let during = line.sum(|bucket| window.holds(Time(bucket.saturating_mul(context.bucket))));
    (during.calls, during.error_ratio() * 100.0)
}
