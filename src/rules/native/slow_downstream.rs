//! `slow-downstream`: a called side that is slow and makes its callers wait.
//!
//! A kind of call is suspected if it is much slower than in the baseline or than at other times of the bundle, or if many
//! of its calls time out. Under the suspected calls the critical path tells who was at work: the culprit is the side whose
//! own time grew most, the services between it and the user are its victims. Without any of that, requests that are slow
//! among their kind may still have one side in common.
//!
//! What this file does not do: look at sides that nobody waits for (messages), or at what makes the culprit slow.

use crate::correlate::blame::{Share, culprit, path_of, shares};
use crate::correlate::calls::{Party, Place};
use crate::correlate::graph::{CallStats, EdgeKey, Timeline, bucket_window};
use crate::correlate::series::{Change, Limits, Point, change_point, heaviest_run, widening};
use crate::correlate::{Case, Context};
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::record::SpanKind;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{MINUTE, SECOND, Time, Window};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector {
    id: "slow-downstream",
    thresholds: &[
        "p95_ratio",
        "p95_delta",
        "calls",
        "z",
        "change_score",
        "timeout_percent",
        "timeouts",
        "path_percent",
        "slow_roots",
        "slow_roots_percent",
        "mean_call",
        "surge",
        "failing_percent",
        "crowd",
    ],
    detect,
};

const MS: f64 = 1e6;
/// How many calls a bucket should hold for its percentile to mean something.
const PER_BUCKET: u64 = 20;
/// How many calls are cited, and how many traces named.
const CITED: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Against {
    /// The baseline bundle.
    Baseline,
    /// Other times of the same bundle.
    OtherTimes,
    /// Calls that were answered in time.
    Answered,
    /// Other requests of the same kind.
    OtherRequests,
}

/// A kind of call that is slow.
struct Suspect {
    key: EdgeKey,
    against: Against,
    window: Window,
    during: CallStats,
    usual: CallStats,
}

/// A side that makes others slow, and the calls that show it.
struct Verdict {
    culprit: Party,
    suspects: Vec<Suspect>,
    slow: Share,
    calm: Share,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let suspects = suspects(scope, rule);
    let mut verdicts = verdicts(scope, suspects);
    verdicts.retain(|verdict| !is_overload(&scope.case.context, rule, verdict));
    if verdicts.is_empty() {
        verdicts = slow_requests(scope.case, rule);
    }
    let crowd = verdicts.len();
    out.extend(verdicts.iter().map(|verdict| finding(scope.case, rule, verdict, crowd)));
}

fn suspects(scope: &Scope<'_>, rule: &Rule) -> Vec<Suspect> {
    let context = &scope.case.context;
    let mut suspects = Vec::new();
    for (from, to, edge) in context.graph.edges().filter(|(.., edge)| !edge.is_async) {
        for (&operation, line) in &edge.operations {
            let key = EdgeKey { from: from.name, to, operation };
            let usual = scope.baseline.and_then(|baseline| usual_of(scope.case, baseline, key));
            let found = match usual {
                Some(usual) if usual.calls as f64 >= rule.limit("calls") => than_baseline(context, rule, key, line, usual),
                _ => than_other_times(context, rule, key, line),
            };
            suspects.extend(found.or_else(|| unanswered(context, rule, key, line)));
        }
    }
    suspects
}

/// The same kind of call in the baseline.
fn usual_of(case: &Case, baseline: &Case, key: EdgeKey) -> Option<CallStats> {
    let sym = |sym: Sym| translated(case, baseline, sym);
    let to = Party { name: sym(key.to.name)?, system: sym(key.to.system)? };
    let edge = baseline.context.graph.edge(Party::service(sym(key.from)?), to)?;
    Some(edge.operations.get(&sym(key.operation)?)?.total())
}

fn translated(from: &Case, to: &Case, sym: Sym) -> Option<Sym> {
    to.tables.names.find(from.tables.names.get(sym))
}

fn than_baseline(context: &Context, rule: &Rule, key: EdgeKey, line: &Timeline, usual: CallStats) -> Option<Suspect> {
    let window = change(context, rule, line).map_or(context.window, |(window, _)| window);
    let during = line.total();
    is_slower(rule, &during, &usual).then_some(Suspect { key, against: Against::Baseline, window, during, usual })
}

fn than_other_times(context: &Context, rule: &Rule, key: EdgeKey, line: &Timeline) -> Option<Suspect> {
    let (window, inside) = change(context, rule, line)?;
    let (during, usual) = (line.sum(|bucket| inside.contains(&bucket)), line.sum(|bucket| !inside.contains(&bucket)));
    is_slower(rule, &during, &usual).then_some(Suspect { key, against: Against::OtherTimes, window, during, usual })
}

fn is_slower(rule: &Rule, during: &CallStats, usual: &CallStats) -> bool {
    let (slow, calm) = (during.nanos.p95() as f64, usual.nanos.p95() as f64);
    during.calls.min(usual.calls) as f64 >= rule.limit("calls")
        && slow >= rule.limit("p95_ratio") * calm
        && slow - calm >= rule.limit("p95_delta") * MS
        && during.nanos.excess_over(&usual.nanos) >= rule.limit("z")
}

/// The episode in which the calls' 95th percentile stood above its usual level: its window and its buckets.
fn change(context: &Context, rule: &Rule, line: &Timeline) -> Option<(Window, std::ops::RangeInclusive<i64>)> {
    let buckets = line.0.iter().filter(|(bucket, _)| in_window(context, **bucket));
    let factor = widening(buckets.map(|(bucket, calls)| (*bucket, calls.calls)), PER_BUCKET);
    let wide = line.widened(factor);
    let points: Vec<Point> = wide
        .0
        .iter()
        .filter(|(bucket, _)| in_window(context, bucket.saturating_mul(factor)))
        .map(|(&bucket, calls)| Point { bucket, samples: calls.calls, value: calls.nanos.p95() as f64 })
        .collect();
    let limits = Limits { ratio: rule.limit("p95_ratio"), delta: rule.limit("p95_delta") * MS, score: rule.limit("change_score") };
    let Change { first, last, .. } = change_point(&points, limits)?;
    let window = bucket_window(first, last, context.bucket.saturating_mul(factor));
    Some((window, first.saturating_mul(factor)..=last.saturating_mul(factor).saturating_add(factor - 1)))
}

fn in_window(context: &Context, bucket: i64) -> bool {
    context.window.touches(bucket_window(bucket, bucket, context.bucket), context.bucket)
}

/// Calls of which many got no answer in time.
fn unanswered(context: &Context, rule: &Rule, key: EdgeKey, line: &Timeline) -> Option<Suspect> {
    let least = rule.limit("timeout_percent") / 100.0;
    let weights = line.0.values().map(|calls| calls.timeouts as f64 - least / 2.0 * calls.calls as f64);
    let (first, last) = heaviest_run(weights)?;
    let (first, last) = (*line.0.keys().nth(first)?, *line.0.keys().nth(last)?);
    let during = line.sum(|bucket| (first..=last).contains(&bucket));
    let enough = during.timeouts as f64 >= rule.limit("timeouts") && during.timeouts as f64 >= least * during.calls as f64;
    let window = bucket_window(first, last, context.bucket);
    enough.then(|| Suspect { key, against: Against::Answered, window, usual: during.clone(), during })
}

/// Who holds the time of the suspected calls; suspects with one culprit make one verdict.
fn verdicts(scope: &Scope<'_>, suspects: Vec<Suspect>) -> Vec<Verdict> {
    if suspects.is_empty() {
        return Vec::new();
    }
    let numbers: BTreeMap<EdgeKey, usize> = suspects.iter().enumerate().map(|(number, suspect)| (suspect.key, number)).collect();
    // Two classes for each suspect: its slow calls, and those they are compared with.
    let here = shares(scope.case, |call, span| {
        let number = *numbers.get(&EdgeKey::of(call))?;
        let suspect = suspects.get(number)?;
        let is_slow = match suspect.against {
            Against::Answered => suspect.window.holds(span.start) && call.failure == crate::correlate::failure::Failure::TimedOut,
            Against::Baseline => true,
            Against::OtherTimes | Against::OtherRequests => suspect.window.holds(span.start),
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
        let verdict = verdicts.entry(culprit).or_insert_with(|| Verdict { culprit, suspects: Vec::new(), slow: Share::default(), calm: Share::default() });
        // The calls that reach the culprit directly show best what it does; of several kinds the most frequent.
        let direct = |key: EdgeKey| key.to == culprit;
        if verdict.suspects.first().is_none_or(|best| (direct(suspect.key), slow.calls) > (direct(best.key), verdict.slow.calls)) {
            (verdict.slow, verdict.calm) = (slow, calm);
            verdict.suspects.insert(0, suspect);
        } else {
            verdict.suspects.push(suspect);
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
        share.held = held.into_iter().filter_map(|(holder, nanos)| Some((crate::correlate::calls::Holder { party: party(holder.party)?, ..holder }, nanos))).collect();
    }
    shares
}

/// More work entered the system and a service above the culprit was slow before it: the load came first.
fn is_overload(context: &Context, rule: &Rule, verdict: &Verdict) -> bool {
    let Some(first) = verdict.suspects.first().filter(|suspect| suspect.against == Against::OtherTimes) else { return false };
    let onset = verdict.suspects.iter().filter(|suspect| suspect.key.to == verdict.culprit).map(|suspect| suspect.window.start).min().unwrap_or(first.window.start);
    let Some((surge, _)) = arrivals(context, first.window) else { return false };
    let callers = context.graph.nodes().filter(|node| node.party != verdict.culprit && context.graph.path(node.party, verdict.culprit).is_some());
    let earlier = callers.flat_map(|node| node.served.values()).filter_map(|line| change(context, rule, line)).map(|(window, _)| window.start).min();
    surge >= rule.limit("surge") && earlier.is_some_and(|earlier| earlier.plus(context.bucket) <= onset)
}

/// How many times as much work entered per bucket during the window as outside, and how much of it failed in per cent.
fn arrivals(context: &Context, window: Window) -> Option<(f64, f64)> {
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
fn slow_requests(case: &Case, rule: &Rule) -> Vec<Verdict> {
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
    let add = |(mut all, mut held): (u64, Held), trace: crate::correlate::trace::Trace<'_>| {
        for root in trace.entries() {
            let Some(span) = trace.spans.get(root).filter(|span| span.kind != SpanKind::Consumer && span.start >= warm) else { continue };
            let is_slow = limits.get(&(span.service, span.operation.or(span.name))).is_some_and(|&limit| span.nanos > limit && span.nanos > 0);
            if !is_slow {
                continue;
            }
            all += 1;
            for (party, nanos) in path_of(&trace, &context.peers, root) {
                if party != Party::service(span.service) && nanos as f64 * 100.0 >= rule.limit("path_percent") * span.nanos as f64 {
                    let entry = held.entry(party).or_default();
                    entry.0 += 1;
                    entry.1 += nanos;
                    entry.2.join(span.window());
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
            .flat_map(|(from, to, edge)| edge.operations.iter().map(move |(&operation, line)| (EdgeKey { from: from.name, to, operation }, line.total())))
            .map(|(key, calls)| Suspect { key, against: Against::OtherRequests, window, usual: calls.clone(), during: calls })
            .collect();
        let slow = Share { calls: count, nanos, held: BTreeMap::from([(crate::correlate::calls::Holder { party: culprit, place: Place::Work }, nanos)]) };
        if !suspects.is_empty() {
            verdicts.push(Verdict { culprit, suspects, slow, calm: Share::default() });
        }
    }
    verdicts
}

fn finding(case: &Case, rule: &Rule, verdict: &Verdict, crowd: usize) -> Finding {
    let names = &case.tables.names;
    let mut window = Window::default();
    verdict.suspects.iter().for_each(|suspect| window.join(suspect.window));
    window.start = window.start.max(case.context.window.start);
    window.end = window.end.min(case.context.window.end).max(window.start);
    let direct: Vec<&Suspect> = verdict.suspects.iter().filter(|suspect| suspect.key.to == verdict.culprit).collect();
    let operations: BTreeSet<Sym> = direct.iter().map(|suspect| suspect.key.operation).collect();
    let operation = if operations.len() == 1 { operations.first().map_or("", |operation| names.get(*operation)) } else { "" };
    let subject = Subject { service: verdict.culprit.text(names), operation: operation.to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    let against = verdict.suspects.first().map_or(Against::OtherTimes, |suspect| suspect.against);
    let kind = match against {
        Against::Baseline => "",
        Against::OtherTimes => "change",
        Against::Answered => "timeouts",
        Against::OtherRequests => "requests",
    };
    kind.clone_into(&mut finding.kind);
    let (seen, victims) = (look(case, rule, verdict, window), victims(verdict));
    finding.services = victims.iter().map(|party| party.text(names)).collect();
    let failing = arrivals(&case.context, window).map_or(0.0, |(_, failing)| failing);
    finding.severity = severity(rule, verdict, against, &seen, failing, victims.len(), crowd);
    measure(case, rule, verdict, &seen, &mut finding);
    finding.measure("failing_requests_percent", round(failing), "percent of requests");
    let belief = belief(case, verdict, window, &victims).doubted(if (crowd as f64) < rule.limit("crowd") { 1.0 } else { 0.6 });
    // Without a calm time to compare with nobody knows whether it was ever faster.
    let cap = if matches!(against, Against::Baseline | Against::OtherTimes) { 0.99 } else { 0.70 };
    finding.confidence = belief.value().min(cap);
    let victims: Vec<String> = victims.iter().map(|party| party.text(names)).collect();
    finding.word("callers", victims.join(", ")).word("place", place(case, verdict));
    look_alikes(case, rule, verdict, against, crowd, &mut finding);
    finding.traces = seen.worst.iter().map(|worst| worst.trace).collect();
    finding.traces.dedup();
    finding.cite(seen.worst.iter().map(|worst| worst.evidence));
    finding.evidence_total = seen.calls;
    finding
}

/// Who waits for the culprit: callers, and called sides between them whose own time did not grow.
fn victims(verdict: &Verdict) -> Vec<Party> {
    let ends = verdict.suspects.iter().flat_map(|suspect| [Party::service(suspect.key.from), suspect.key.to]);
    let all: BTreeSet<Party> = ends.filter(|party| *party != verdict.culprit).collect();
    all.into_iter().collect()
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Worst {
    nanos: Reverse<u64>,
    trace: TraceId,
    evidence: Evidence,
}

/// What requests and calls of the time show about a culprit.
#[derive(Clone, Default)]
struct Seen {
    calls: u64,
    roots: u64,
    touched: u64,
    slow: u64,
    explained: u64,
    operations: BTreeSet<(Sym, Sym)>,
    worst: Vec<Worst>,
}

impl Seen {
    fn merge(mut self, other: Self) -> Self {
        self.calls += other.calls;
        self.roots += other.roots;
        self.touched += other.touched;
        self.slow += other.slow;
        self.explained += other.explained;
        self.operations.extend(other.operations);
        self.worst.extend(other.worst);
        self.worst.sort_unstable();
        self.worst.truncate(CITED);
        self
    }
}

fn look(case: &Case, rule: &Rule, verdict: &Verdict, window: Window) -> Seen {
    let context = &case.context;
    let inside = |bucket: i64| window.holds(Time(bucket.saturating_mul(context.bucket)));
    // Slow is what few requests of the kind were at other times; without other times, among all.
    let limits: BTreeMap<(Sym, Sym), u64> = context
        .entries
        .iter()
        .map(|(key, line)| (*key, line.sum(|bucket| !inside(bucket)), line))
        .map(|(key, calm, line)| (key, if calm.calls as f64 >= rule.limit("calls") { calm } else { line.total() }))
        .map(|(key, calls)| (key, calls.nanos.quantile(900).max(2 * calls.nanos.p50())))
        .collect();
    let keys: BTreeSet<EdgeKey> = verdict.suspects.iter().map(|suspect| suspect.key).collect();
    let direct = keys.iter().any(|key| key.to == verdict.culprit);
    let add = |seen: Seen, trace: crate::correlate::trace::Trace<'_>| {
        let mut more = Seen::default();
        for call in context.peers.calls(&trace) {
            let wanted = keys.contains(&EdgeKey::of(&call)) && (!direct || call.to == verdict.culprit);
            let Some(span) = trace.spans.get(call.span).filter(|span| wanted && window.holds(span.start)) else { continue };
            more.calls += 1;
            more.worst.push(Worst { nanos: Reverse(span.nanos), trace: span.trace, evidence: span.evidence });
        }
        for root in trace.entries() {
            let Some(span) = trace.spans.get(root).filter(|span| span.kind != SpanKind::Consumer && window.holds(span.start)) else { continue };
            more.roots += 1;
            let key = (span.service, span.operation.or(span.name));
            let held = if more.calls == 0 { 0 } else { path_of(&trace, &context.peers, root).get(&verdict.culprit).copied().unwrap_or(0) };
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
    case.traces().fold(Seen::default, add).reduce(Seen::default, Seen::merge)
}

fn severity(rule: &Rule, verdict: &Verdict, against: Against, seen: &Seen, failing: f64, victims: usize, crowd: usize) -> Severity {
    let first = verdict.suspects.first();
    let times = first.map_or(1.0, |suspect| suspect.during.nanos.p95() as f64 / suspect.usual.nanos.p95().max(1) as f64);
    let severity = match against {
        _ if failing > rule.upper("failing_percent") => Severity::Critical,
        _ if failing > rule.limit("failing_percent") => Severity::High,
        Against::Baseline | Against::OtherTimes if times >= rule.upper("p95_ratio") && victims > 1 => Severity::High,
        Against::Baseline | Against::OtherTimes | Against::Answered => Severity::Medium,
        Against::OtherRequests => Severity::Low,
    };
    // Sides that all slow down together have a cause in common that is none of them.
    if (crowd as f64) >= rule.limit("crowd") || seen.touched == 0 { severity.milder() } else { severity }
}

fn measure(case: &Case, rule: &Rule, verdict: &Verdict, seen: &Seen, finding: &mut Finding) {
    let Some(first) = verdict.suspects.first() else { return };
    let ms = |nanos: u64| round(nanos as f64 / MS);
    let ratio = first.during.nanos.p95() as f64 / first.usual.nanos.p95().max(1) as f64;
    let calls: u64 = verdict.suspects.iter().filter(|suspect| suspect.key.to == verdict.culprit).map(|suspect| suspect.during.calls).sum();
    let timeouts: u64 = verdict.suspects.iter().filter(|suspect| suspect.key.to == verdict.culprit).map(|suspect| suspect.during.timeouts).sum();
    let percent = |part: u64, whole: u64| round(100.0 * part as f64 / whole.max(1) as f64);
    let grown = verdict.slow.mean(verdict.culprit) - verdict.calm.mean(verdict.culprit);
    let longer = verdict.slow.mean_length() - verdict.calm.mean_length();
    finding.score = match first.against {
        Against::Baseline | Against::OtherTimes => score(ratio, rule.limit("p95_ratio"), rule.upper("p95_ratio")),
        Against::Answered => score(percent(timeouts, calls), rule.limit("timeout_percent"), rule.upper("timeout_percent")),
        Against::OtherRequests => score(verdict.slow.mean(verdict.culprit) / MS, rule.limit("mean_call"), rule.upper("mean_call")),
    };
    finding
        .measure("p50", ms(first.during.nanos.p50()), "ms")
        .measure("p95", ms(first.during.nanos.p95()), "ms")
        .measure("usual_p50", ms(first.usual.nanos.p50()), "ms")
        .measure("usual_p95", ms(first.usual.nanos.p95()), "ms")
        .measure_against("p95_ratio", round(ratio), "times", rule.limit("p95_ratio"))
        .measure("calls", calls as f64, "calls")
        .measure("extra", round(grown / 1e9), "s")
        .measure("extra_share_percent", round((100.0 * grown / longer.max(1.0)).clamp(0.0, 100.0)), "percent of the added time")
        .measure("slow_requests", seen.slow as f64, "requests")
        .measure_against("explained_percent", percent(seen.explained, seen.slow), "percent of slow requests", rule.limit("slow_roots_percent"))
        .measure("affected_requests", seen.touched as f64, "requests")
        .measure("affected_requests_percent", percent(seen.touched, seen.roots), "percent of requests")
        .measure("affected_operations", seen.operations.len() as f64, "operations")
        .measure("timeouts", timeouts as f64, "calls")
        .measure_against("timeout_percent", percent(timeouts, calls), "percent of calls", rule.limit("timeout_percent"))
        .measure("held_per_request", round(verdict.slow.mean(verdict.culprit) / MS), "ms");
    let attempts = verdict.suspects.iter().filter_map(|suspect| case.context.chains.edges.get(&suspect.key)?.timeout());
    if let Some((nanos, _)) = attempts.max_by_key(|(_, calls)| *calls) {
        finding.measure("timeout", ms(nanos), "ms");
    }
}

/// Where inside the call the time went.
fn place(case: &Case, verdict: &Verdict) -> String {
    let party = verdict.culprit;
    let name = party.text(&case.tables.names);
    let grown = |place: Place| verdict.slow.mean_at(party, place) - verdict.calm.mean_at(party, place);
    let places = [Place::Work, Place::Between, Place::Remote, Place::Pool];
    let worst = places.into_iter().max_by(|a, b| grown(*a).total_cmp(&grown(*b)));
    match worst {
        Some(Place::Between) => format!("on the way to {name}: connecting, the network, a proxy, or its queue; its own spans are short"),
        Some(Place::Remote) => format!("at {name}, which has no spans of its own"),
        Some(Place::Pool) => format!("in {name} while it waited for a connection of its pool"),
        _ => format!("in {name} itself, not in what it calls"),
    }
}

fn belief(case: &Case, verdict: &Verdict, window: Window, victims: &[Party]) -> Belief {
    let tables = &case.tables;
    let wanted: Vec<Sym> = ["timeout.read", "timeout.deadline", "gateway.upstream-timeout"].iter().filter_map(|name| tables.names.find(name)).collect();
    let waits = |service: Sym| victims.contains(&Party::service(service));
    let told = tables.signals.iter().filter(|row| wanted.contains(&row.signal) && waits(row.service) && window.holds(row.time)).take(10).count();
    let seen = case.context.peers.has_spans(verdict.culprit);
    Belief::new()
        .with("critical path of slow calls", Input::Spans, if seen { 0.85 } else { 0.7 })
        .with_if(verdict.suspects.len() > 1, "several kinds of calls slow at once", Input::Spans, 0.4)
        .with_if(told >= 10, "timeouts in the callers' logs", Input::Logs, 0.6)
}

fn look_alikes(case: &Case, rule: &Rule, verdict: &Verdict, against: Against, crowd: usize, finding: &mut Finding) {
    let name = verdict.culprit.text(&case.tables.names);
    let surge = verdict.suspects.first().and_then(|suspect| arrivals(&case.context, suspect.window)).map_or(1.0, |(surge, _)| surge);
    finding.look_alike(
        "More load at the entry",
        if against != Against::OtherTimes {
            "not compared: there is no calm time in the bundle".to_owned()
        } else if surge < rule.limit("surge") {
            format!("excluded: {} times the usual arrivals", round(surge))
        } else {
            format!("may contribute: {} times the usual arrivals, but nobody above {name} was slow before it", round(surge))
        },
    );
    finding.look_alike("A caller that waits for its own connection pool", "excluded: the time lies inside the calls, not before them");
    finding.look_alike("Messages that are handled later", "excluded: only calls that somebody waits for were compared");
    finding.look_alike(
        "Something that all services share",
        if (crowd as f64) < rule.limit("crowd") { "excluded: few sides are slow".to_owned() } else { format!("not excluded: {crowd} sides are slow at once") },
    );
    if !case.context.peers.has_spans(verdict.culprit) {
        finding.missing.push(format!("spans, logs or metrics of {name} itself"));
    }
    if matches!(against, Against::Answered | Against::OtherRequests) {
        finding.missing.push("a baseline bundle of a calm time (--baseline)".to_owned());
    }
    if finding.window.nanos() < MINUTE.min(5 * SECOND) {
        finding.missing.push("a longer time of observation".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::{case, many};
    use crate::rules::fixture::{check, measured, rule};

    /// A request through three services; inventory is at work for so many milliseconds.
    fn request(work: u32) -> String {
        let end = 35 + work;
        format!(
            "  gw GET /checkout 0-{}\n    > orders GET /orders 10-{}\n      orders GET /orders 15-{}\n        > inventory GET /stock 30-{}\n          inventory GET /stock 35-{end}\n            > inventory-db SELECT stock 40-{} system=postgresql\n",
            end + 35,
            end + 25,
            end + 20,
            end + 5,
            (40 + work / 3).min(140)
        )
    }

    fn found(text: &str) -> Vec<Finding> {
        check(&rule("slow-downstream"), &case(text), None)
    }

    fn loud(text: &str) -> Vec<Finding> {
        found(text).into_iter().filter(|finding| finding.severity >= Severity::Medium).collect()
    }

    #[test]
    fn healthy_twins_are_quiet() {
        let calm = many(0..120, 1000, |n| request(55 + n % 17));
        let uniform = many(0..120, 1000, |n| request(2500 + n % 300));
        let tail = many(0..200, 1000, |n| request(if n % 20 == 7 { 900 } else { 60 }));
        let short = many(0..12, 1000, |n| request(if n > 6 { 2900 } else { 60 }));
        let poll = many(0..120, 1000, |n| format!("  web GET /events 0-{}\n    > feed GET /poll 1-{} 200\n", 30_002 + n, 30_001 + n));
        let consumer =
            many(0..120, 1000, |n| format!("  web POST /orders 0-20 200\n    >> kafka orders 5-8 system=kafka\n      << mailer orders 9-{}\n", if n > 60 { 5009 } else { 29 }));
        for text in [&calm, &uniform, &tail, &short, &poll, &consumer] {
            assert!(loud(text).is_empty(), "{:?}", loud(text));
        }
        let baseline = case(&calm);
        assert!(check(&rule("slow-downstream"), &case(&calm.replace("t1", "u1")), Some(&baseline)).is_empty());
    }

    #[test]
    fn a_culprit_is_told_from_its_victims_by_the_baseline() {
        let slow = case(&many(0..20, 1000, |_| request(2980)));
        let calm = case(&many(0..20, 1000, |n| request(60 + n % 2)));
        let findings = check(&rule("slow-downstream"), &slow, Some(&calm));
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.subject.service.as_str(), finding.subject.operation.as_str()), ("inventory", "GET /stock"));
        assert_eq!(finding.services, ["gw", "orders"]);
        assert!(finding.severity >= Severity::High && finding.confidence >= 0.85, "{finding:?}");
        assert!((measured(finding, "p95") - 2990.0).abs() < 50.0 && measured(finding, "usual_p95") < 80.0);
        assert!((2.7..=2.95).contains(&measured(finding, "extra")), "{finding:?}");
        assert!(finding.words["place"].contains("inventory itself"));
        assert_eq!(finding.traces.len(), CITED);
    }

    #[test]
    fn an_episode_is_found_without_a_baseline() {
        let text = many(0..200, 500, |n| request(if (80..130).contains(&n) { 2980 } else { 60 + n % 9 }));
        let findings = found(&text);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.subject.service.as_str(), finding.kind.as_str()), ("inventory", "change"));
        let seconds = |time: Time| time.since(Time(crate::correlate::fixture::BASE)) / SECOND;
        assert!((36..=42).contains(&seconds(finding.window.start)), "{:?}", finding.window);
        assert!((62..=70).contains(&seconds(finding.window.end)), "{:?}", finding.window);
        assert!(measured(finding, "explained_percent") >= 90.0, "{finding:?}");
    }

    #[test]
    fn a_side_without_spans_is_named_by_its_callers() {
        let text = many(0..200, 500, |n| format!("  shop POST /pay 0-{0}\n    > psp POST /charge 5-{0} 200\n", if n > 120 { 3000 } else { 90 + n % 7 }));
        let findings = found(&text);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!(finding.subject.service, "psp");
        assert!(finding.words["place"].contains("no spans of its own") && finding.missing.len() == 1);
    }

    #[test]
    fn time_between_the_spans_is_told_from_work() {
        let text = many(0..200, 500, |n| {
            let wait = if n > 120 { 2000 } else { 1 };
            format!("  a GET / 0-{0}\n    > b GET /x 5-{0} 200\n      b GET /x {1}-{2} 200\n", 60 + wait, 10 + wait, 50 + wait)
        });
        let findings = found(&text);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].subject.service == "b" && findings[0].words["place"].contains("on the way to b"), "{findings:?}");
    }

    #[test]
    fn calls_without_an_answer_name_the_side() {
        let text = many(0..100, 500, |n| {
            format!("  shop POST /pay 0-810\n    > psp POST /charge 5-{} {}\n", if n % 4 == 0 { 805 } else { 40 }, if n % 4 == 0 { "!ReadTimeout" } else { "200" })
        });
        let findings = found(&text);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.subject.service.as_str(), finding.kind.as_str(), finding.severity), ("psp", "timeouts", Severity::Medium));
        assert_eq!((measured(finding, "timeouts"), measured(finding, "timeout")), (25.0, 800.0));
        assert!(finding.confidence <= 0.70);
    }

    #[test]
    fn a_callers_pool_is_not_the_callee() {
        let text = many(0..200, 500, |n| {
            let wait = if n > 100 { 1400 } else { 3 };
            format!("  shop GET / 0-{}\n    > stock GET /s {}-{}\n      stock GET /s {}-{}\n", 100 + wait, wait, 90 + wait, 5 + wait, 85 + wait)
        });
        assert!(found(&text).is_empty(), "{:?}", found(&text));
    }

    #[test]
    fn load_that_climbs_from_the_entry_is_not_the_callees_fault() {
        // Arrivals triple; the gateway itself slows down at once, orders later, inventory last.
        let mut text = String::new();
        for (n, at) in (0..240_u32).map(|n| if n < 60 { n * 1000 } else { 60_000 + (n - 60) * 333 }).enumerate() {
            let own = |after: u32, slow: u32| if at >= after { slow } else { 5 };
            let (inventory, orders, gw) = (own(84_000, 2500), own(72_000, 900), own(60_000, 1500));
            let stock = 20 + inventory;
            let end = stock + orders;
            text += &format!(
                "t{n} +{at}\n  gw GET / 0-{}\n    > orders GET /o 10-{}\n      orders GET /o 11-{}\n        > inventory GET /s 15-{stock}\n          inventory GET /s 16-{}\n",
                end + gw + 20,
                end + 10,
                end + 5,
                stock - 1
            );
        }
        assert!(!found(&text).iter().any(|finding| finding.subject.service == "inventory"), "{:?}", found(&text));
    }
}
