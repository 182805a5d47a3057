//! Kinds of calls that are slower than they were, or go unanswered.
//!
//! What this file does not do: say who makes them slow.

use crate::correlate::calls::Party;
use crate::correlate::graph::{CallStats, EdgeKey, Timeline, bucket_window};
use crate::correlate::series::{Change, Limits, Point, change_point, heaviest_run, widening};
use crate::correlate::{Case, Context};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::time::{SECOND, Time, Window};
use crate::rules::Scope;
use std::collections::BTreeMap;

/// Nanoseconds in a millisecond.
pub(super) const MS: f64 = 1e6;

/// How many calls a bucket should hold for its percentile to mean something.
const PER_BUCKET: u64 = 20;

/// What a kind of call is compared with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Against {
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
pub(super) struct Suspect {
    pub(super) key: EdgeKey,
    pub(super) against: Against,
    pub(super) window: Window,
    pub(super) during: CallStats,
    pub(super) usual: CallStats,
}

/// Every kind of call that somebody waits for and that is slow.
pub(super) fn suspects(scope: &Scope<'_>, rule: &Rule) -> Vec<Suspect> {
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

/// When instances of each service are known to have started.
pub(super) fn starts(case: &Case) -> BTreeMap<Sym, Vec<Time>> {
    let mut starts: BTreeMap<Sym, Vec<Time>> = BTreeMap::new();
    if let Some(started) = case.tables.names.find("app.started") {
        let rows = case.tables.signals.iter().filter(|row| row.signal == started);
        rows.for_each(|row| starts.entry(row.service).or_default().push(row.time));
    }
    starts
}

/// Whether the slow time is no more than the first minute of one of its sides: code is cold, and pools are empty.
pub(super) fn warms_up(rule: &Rule, starts: &BTreeMap<Sym, Vec<Time>>, suspect: &Suspect, culprit: Party) -> bool {
    let warm = (rule.limit("warm_up") * SECOND as f64) as i64;
    let sides = [suspect.key.from, suspect.key.to.name, culprit.name];
    let mut known = sides.iter().filter_map(|side| starts.get(side)).flatten();
    suspect.against == Against::OtherTimes
        && known.any(|start| suspect.window.start >= start.plus(-5 * SECOND) && suspect.window.end <= start.plus(warm))
}

/// The same kind of call in the baseline.
fn usual_of(case: &Case, baseline: &Case, key: EdgeKey) -> Option<CallStats> {
    let sym = |sym: Sym| translated(case, baseline, sym);
    let to = Party { name: sym(key.to.name)?, system: sym(key.to.system)? };
    let edge = baseline.context.graph.edge(Party::service(sym(key.from)?), to)?;
    Some(edge.operations.get(&sym(key.operation)?)?.total())
}

/// The number of a name in another case.
pub(super) fn translated(from: &Case, to: &Case, sym: Sym) -> Option<Sym> {
    to.tables.names.find(from.tables.names.get(sym))
}

fn than_baseline(context: &Context, rule: &Rule, key: EdgeKey, line: &Timeline, usual: CallStats) -> Option<Suspect> {
    let during = line.total();
    let window = change(context, rule, line).map(|(window, _)| window).or_else(|| whole(context, line))?;
    is_slower(rule, &during, &usual).then_some(Suspect { key, against: Against::Baseline, window, during, usual })
}

/// From the first to the last bucket with calls.
fn whole(context: &Context, line: &Timeline) -> Option<Window> {
    let mut buckets = line.0.keys().filter(|bucket| in_window(context, **bucket));
    let first = buckets.next()?;
    Some(bucket_window(*first, *buckets.next_back().unwrap_or(first), context.bucket))
}

pub(super) fn than_other_times(context: &Context, rule: &Rule, key: EdgeKey, line: &Timeline) -> Option<Suspect> {
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
pub(crate) fn change(context: &Context, rule: &Rule, line: &Timeline) -> Option<(Window, std::ops::RangeInclusive<i64>)> {
    let limits = Limits { ratio: rule.limit("p95_ratio"), delta: rule.limit("p95_delta") * MS, score: rule.limit("change_score") };
    change_of(context, line, limits, |calls| calls.nanos.p95() as f64)
}

/// The same of any number of the calls of a bucket.
pub(crate) fn change_of(
    context: &Context,
    line: &Timeline,
    limits: Limits,
    value: impl Fn(&CallStats) -> f64,
) -> Option<(Window, std::ops::RangeInclusive<i64>)> {
    let buckets = line.0.iter().filter(|(bucket, _)| in_window(context, **bucket));
    let factor = widening(buckets.map(|(bucket, calls)| (*bucket, calls.calls)), PER_BUCKET);
    let wide = line.widened(factor);
    let points: Vec<Point> = wide
        .0
        .iter()
        .filter(|(bucket, _)| in_window(context, bucket.saturating_mul(factor)))
        .map(|(&bucket, calls)| Point { bucket, samples: calls.calls, value: value(calls) })
        .collect();
    let Change { first, last, .. } = change_point(&points, limits)?;
    let window = bucket_window(first, last, context.bucket.saturating_mul(factor));
    Some((window, first.saturating_mul(factor)..=last.saturating_mul(factor).saturating_add(factor - 1)))
}

fn in_window(context: &Context, bucket: i64) -> bool {
    context.window.touches(bucket_window(bucket, bucket, context.bucket), context.bucket)
}

/// Calls of which many got no answer in time.
pub(super) fn unanswered(context: &Context, rule: &Rule, key: EdgeKey, line: &Timeline) -> Option<Suspect> {
    let least = rule.limit("timeout_percent") / 100.0;
    let weights = line.0.values().map(|calls| calls.timeouts as f64 - least / 2.0 * calls.calls as f64);
    let (first, last) = heaviest_run(weights)?;
    let (first, last) = (*line.0.keys().nth(first)?, *line.0.keys().nth(last)?);
    let during = line.sum(|bucket| (first..=last).contains(&bucket));
    let enough = during.timeouts as f64 >= rule.limit("timeouts") && during.timeouts as f64 >= least * during.calls as f64;
    let window = bucket_window(first, last, context.bucket);
    enough.then(|| Suspect { key, against: Against::Answered, window, usual: during.clone(), during })
}
