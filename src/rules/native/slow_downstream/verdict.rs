//! Who makes the suspected calls slow: the side whose own time on their critical path grew most.
//!
//! What this file does not do: weigh how bad it is.

use crate::correlate::blame::{Share, culprit, path_of, shares};
use crate::correlate::calls::{Holder, Party, Place};
use crate::correlate::failure::Failure;
use crate::correlate::graph::{CallStats, EdgeKey, Timeline};
use crate::correlate::trace::Trace;
use crate::correlate::{Case, Context};
use crate::model::names::Sym;
use crate::model::record::SpanKind;
use crate::model::rule::Rule;
use crate::model::time::{MINUTE, Time, Window};
use crate::rules::Scope;
use crate::rules::native::slow_downstream::suspects::{Against, MS, Suspect, change, translated};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A side that makes others slow, and the calls that show it.
pub(super) struct Verdict {
    /// Who is slow.
    pub(super) culprit: Party,
    /// Whose time grew on the critical path: the culprit's, or of a caller that is slow towards everybody one of those it calls.
    pub(super) shown: Party,
    /// The kinds of calls, the one that shows it best first.
    pub(super) suspects: Vec<Suspect>,
    /// The time of the slow calls of the first kind.
    pub(super) slow: Share,
    /// The time of those they are compared with.
    pub(super) calm: Share,
}

impl Verdict {
    /// The kinds of calls that go to the culprit itself.
    pub(super) fn direct(&self) -> impl Iterator<Item = &Suspect> {
        self.suspects.iter().filter(|suspect| self.is_caller() || suspect.key.to == self.culprit)
    }

    /// Whether the culprit is not called, but calls: it is slow towards everybody.
    pub(super) fn is_caller(&self) -> bool {
        self.culprit != self.shown
    }

    /// What the slow calls are compared with.
    pub(super) fn against(&self) -> Against {
        self.suspects.first().map_or(Against::OtherTimes, |suspect| suspect.against)
    }

    /// Where the time of the slow calls grew most.
    pub(super) fn place(&self) -> Place {
        let grown = |place: Place| self.slow.mean_at(self.shown, place) - self.calm.mean_at(self.shown, place);
        let places = [Place::Work, Place::Between, Place::Remote, Place::Pool];
        places.into_iter().max_by(|a, b| grown(*a).total_cmp(&grown(*b))).unwrap_or(Place::Work)
    }

    /// Who waits: callers, and called sides on the way to the culprit.
    pub(super) fn victims(&self, context: &Context) -> BTreeSet<Party> {
        if self.is_caller() {
            return context.graph.callers(self.culprit).into_iter().collect();
        }
        let ends = self.suspects.iter().flat_map(|suspect| [Party::service(suspect.key.from), suspect.key.to]);
        ends.filter(|party| *party != self.culprit).collect()
    }
}

/// Who holds the time of the suspected calls; suspects with one culprit make one verdict.
pub(super) fn verdicts(scope: &Scope<'_>, rule: &Rule, suspects: Vec<Suspect>) -> Vec<Verdict> {
    if suspects.is_empty() {
        return Vec::new();
    }
    let numbers: BTreeMap<EdgeKey, usize> = suspects.iter().enumerate().map(|(number, suspect)| (suspect.key, number)).collect();
    // Two classes for each suspect: its slow calls, and those they are compared with.
    let here = shares(scope.case, |call, began| {
        let number = *numbers.get(&EdgeKey::of(call))?;
        let suspect = suspects.get(number)?;
        let is_slow = match suspect.against {
            Against::Answered => suspect.window.holds(began) && call.failure == Failure::TimedOut,
            Against::Baseline => true,
            Against::OtherTimes | Against::OtherRequests => suspect.window.holds(began),
        };
        Some(2 * number + usize::from(!is_slow))
    });
    let there = scope.baseline.map(|baseline| baseline_shares(scope.case, baseline, &numbers)).unwrap_or_default();
    let mut verdicts: BTreeMap<Party, Verdict> = BTreeMap::new();
    for (number, suspect) in suspects.into_iter().enumerate() {
        let slow = here.get(&(2 * number)).cloned().unwrap_or_default();
        let calm = if suspect.against == Against::Baseline { there.get(&number) } else { here.get(&(2 * number + 1)) };
        let calm = calm.cloned().unwrap_or_default();
        let Some((culprit, _)) = culprit(&slow, &calm) else { continue };
        let verdict = verdicts.entry(culprit).or_insert_with(|| Verdict {
            culprit,
            shown: culprit,
            suspects: Vec::new(),
            slow: Share::default(),
            calm: Share::default(),
        });
        // The calls that reach the culprit directly show best what it does; of several kinds the most frequent.
        let direct = |key: EdgeKey| key.to == culprit;
        if verdict.suspects.first().is_none_or(|best| (direct(suspect.key), slow.calls) > (direct(best.key), verdict.slow.calls)) {
            (verdict.slow, verdict.calm) = (slow, calm);
            verdict.suspects.insert(0, suspect);
        } else {
            verdict.suspects.push(suspect);
        }
    }
    blame_callers(rule, verdicts)
}

/// Time that is lost between the spans of a caller and many sides is lost at the caller: it is short of processor time,
/// or its network is slow. If it is a culprit already, that explains them; else it becomes one.
fn blame_callers(rule: &Rule, mut verdicts: BTreeMap<Party, Verdict>) -> Vec<Verdict> {
    let mut lost: BTreeMap<Sym, Vec<Party>> = BTreeMap::new();
    for verdict in verdicts.values().filter(|verdict| verdict.place() == Place::Between) {
        let callers: BTreeSet<Sym> = verdict.direct().map(|suspect| suspect.key.from).collect();
        if let (1, Some(&caller)) = (callers.len(), callers.first()) {
            lost.entry(caller).or_default().push(verdict.culprit);
        }
    }
    for (caller, parties) in lost {
        let party = Party::service(caller);
        let is_many = parties.len() as f64 >= rule.limit("callees");
        if !is_many && !verdicts.contains_key(&party) {
            continue;
        }
        let mut taken: Vec<Verdict> = parties.iter().filter_map(|party| verdicts.remove(party)).collect();
        taken.sort_by_key(|verdict| (std::cmp::Reverse(verdict.slow.calls), verdict.culprit));
        let mut taken = taken.into_iter();
        if let (false, Some(first)) = (verdicts.contains_key(&party), taken.next()) {
            let suspects = first.suspects.into_iter().chain(taken.flat_map(|verdict| verdict.suspects)).collect();
            verdicts.insert(party, Verdict { culprit: party, suspects, ..first });
        }
    }
    verdicts.into_values().collect()
}

/// The same kinds of calls in the baseline, in the names of the case.
fn baseline_shares(case: &Case, baseline: &Case, numbers: &BTreeMap<EdgeKey, usize>) -> BTreeMap<usize, Share> {
    let sym = |sym: Sym| translated(baseline, case, sym);
    let party = |party: Party| Some(Party { name: sym(party.name)?, system: sym(party.system)? });
    let key = |key: EdgeKey| Some(EdgeKey { from: sym(key.from)?, to: party(key.to)?, operation: sym(key.operation)? });
    let mut shares = shares(baseline, |call, _| numbers.get(&key(EdgeKey::of(call))?).copied());
    for share in shares.values_mut() {
        let held = std::mem::take(&mut share.held);
        share.held = held.into_iter().filter_map(|(holder, nanos)| Some((Holder { party: party(holder.party)?, ..holder }, nanos))).collect();
    }
    shares
}

/// More work entered the system and a service above the culprit was slow before it: the load came first.
pub(super) fn is_overload(context: &Context, rule: &Rule, verdict: &Verdict) -> bool {
    let Some(first) = verdict.suspects.first().filter(|suspect| suspect.against == Against::OtherTimes) else { return false };
    let onset = verdict
        .suspects
        .iter()
        .filter(|suspect| suspect.key.to == verdict.culprit)
        .map(|suspect| suspect.window.start)
        .min()
        .unwrap_or(first.window.start);
    let Some((surge, _)) = arrivals(context, first.window) else { return false };
    let callers = context.graph.nodes().filter(|node| node.party != verdict.culprit && context.graph.path(node.party, verdict.culprit).is_some());
    let earlier = callers.flat_map(|node| node.served.values()).filter_map(|line| change(context, rule, line)).map(|(window, _)| window.start).min();
    surge >= rule.limit("surge") && earlier.is_some_and(|earlier| earlier.plus(context.bucket) <= onset)
}

/// How many times as much work entered per bucket during the window as outside, and how much of it failed in per cent.
pub(super) fn arrivals(context: &Context, window: Window) -> Option<(f64, f64)> {
    let mut entries = Timeline::default();
    context.entries.values().for_each(|line| entries.merge(line));
    let inside = |bucket: i64| window.holds(Time(bucket.saturating_mul(context.bucket)));
    let buckets = |during: bool| entries.0.keys().filter(|bucket| inside(**bucket) == during).count();
    let (during, outside) = (entries.sum(inside), entries.sum(|bucket| !inside(bucket)));
    let rate = |calls: &CallStats, buckets: usize| calls.calls as f64 / buckets.max(1) as f64;
    (during.calls > 0).then(|| {
        let surge = if outside.calls == 0 { 1.0 } else { rate(&during, buckets(true)) / rate(&outside, buckets(false)) };
        (surge, during.error_ratio() * 100.0)
    })
}

/// Requests that are slow among their kind, if one called side holds most of the path of most of them.
pub(super) fn slow_requests(case: &Case, rule: &Rule) -> Vec<Verdict> {
    let context = &case.context;
    let limits: BTreeMap<(Sym, Sym), u64> = context
        .entries
        .iter()
        .map(|(key, line)| (*key, line.total()))
        .filter(|(_, calls)| calls.calls as f64 >= rule.limit("calls"))
        .map(|(key, calls)| (key, calls.nanos.quantile(900).max(2 * calls.nanos.p50())))
        .collect();
    // A cold start is slow by nature, as long as there is something after it.
    let warm = if context.window.nanos() > 3 * MINUTE { context.window.start.plus(MINUTE) } else { context.window.start };
    type Held = BTreeMap<Party, (u64, u64, Window)>;
    let add = |(mut all, mut held): (u64, Held), trace: Trace<'_>| {
        for root in trace.entries() {
            let Some(span) = trace.spans.get(root).filter(|span| span.kind != SpanKind::Consumer && trace.began(root) >= warm) else { continue };
            let is_slow = limits.get(&(span.service, span.operation.or(span.name))).is_some_and(|&limit| span.nanos > limit && span.nanos > 0);
            if !is_slow {
                continue;
            }
            all += 1;
            for (party, nanos) in path_of(&trace, &context.peers, &context.peers.calls(&trace), root) {
                if party != Party::service(span.service) && nanos as f64 * 100.0 >= rule.limit("path_percent") * span.nanos as f64 {
                    let entry = held.entry(party).or_default();
                    entry.0 += 1;
                    entry.1 += nanos;
                    entry.2.join(Window::of(trace.began(root), Time(trace.end(root))));
                }
            }
        }
        (all, held)
    };
    let merge = |(all, mut held): (u64, Held), (more, theirs): (u64, Held)| {
        for (party, (count, nanos, window)) in theirs {
            let entry = held.entry(party).or_default();
            entry.0 += count;
            entry.1 += nanos;
            entry.2.join(window);
        }
        (all + more, held)
    };
    let (all, held) = case.traces().fold(Default::default, add).reduce(Default::default, merge);
    let mut verdicts = Vec::new();
    for (culprit, (count, nanos, window)) in held {
        let common = count as f64 >= rule.limit("slow_roots") && count as f64 * 100.0 >= rule.limit("slow_roots_percent") * all as f64;
        let mean = nanos as f64 / count.max(1) as f64;
        if !common || mean < rule.limit("mean_call") * MS {
            continue;
        }
        let edges = context.graph.edges().filter(|(_, to, edge)| *to == culprit && !edge.is_async);
        let suspects: Vec<Suspect> = edges
            .flat_map(|(from, to, edge)| {
                edge.operations.iter().map(move |(&operation, line)| (EdgeKey { from: from.name, to, operation }, line.total()))
            })
            .map(|(key, calls)| Suspect { key, against: Against::OtherRequests, window, usual: calls.clone(), during: calls })
            .collect();
        let slow = Share { calls: count, nanos, held: BTreeMap::from([(Holder { party: culprit, place: Place::Work }, nanos)]) };
        if !suspects.is_empty() {
            verdicts.push(Verdict { culprit, shown: culprit, suspects, slow, calm: Share::default() });
        }
    }
    verdicts
}
