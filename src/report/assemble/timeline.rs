//! Series on one time axis: latency and errors of the services that matter, log errors, what metrics tell, pauses and heap.

use super::{gauges, marks};
use crate::correlate::Case;
use crate::correlate::graph::{Node, Timeline as Calls};
use crate::correlate::heap;
use crate::findings::Diagnosis;
use crate::model::record::GcKind;
use crate::model::time::{MINUTE, Time};
use crate::report::picture::{Series, Timeline};
use std::collections::BTreeMap;

/// At most this many services are drawn.
const SERVICES: usize = 6;
/// One value per bucket.
pub(super) type Values = Vec<Option<f64>>;

/// At most this many JVMs are drawn.
const MACHINES: usize = 3;

/// The buckets of the time line.
pub(super) struct Axis {
    first: i64,
    step: i64,
    buckets: usize,
}

impl Axis {
    /// The buckets that a case covers, if its time is known.
    pub(super) fn of(case: &Case) -> Option<Self> {
        let (window, step) = (case.context.window, case.context.bucket);
        if window.start.is_none() || step <= 0 {
            return None;
        }
        let first = window.start.0.div_euclid(step);
        Some(Self { first, step, buckets: usize::try_from(window.end.0.div_euclid(step) - first + 1).unwrap_or(0).min(1000) })
    }

    pub(super) fn len(&self) -> usize {
        self.buckets
    }

    pub(super) fn empty(&self) -> Vec<Option<f64>> {
        vec![None; self.buckets]
    }

    fn place(&self, bucket: i64) -> Option<usize> {
        usize::try_from(bucket - self.first).ok().filter(|&at| at < self.buckets)
    }

    pub(super) fn place_of(&self, time: Time) -> Option<usize> {
        self.place(time.0.div_euclid(self.step)).filter(|_| time.is_some())
    }
}

/// The time line of a case.
pub(super) fn timeline(case: &Case, diagnosis: &Diagnosis) -> Timeline {
    let Some(axis) = Axis::of(case) else { return Timeline::default() };
    let mut series = Vec::new();
    for node in chosen(case, diagnosis) {
        calls(case, node, &axis, &mut series);
    }
    log_errors(case, &axis, &mut series);
    series.extend(gauges::gauges(case, diagnosis, &axis, case.tables.gc.is_empty()));
    heaps(case, &axis, &mut series);
    Timeline { start_ms: axis.first * axis.step / 1_000_000, step_ms: axis.step / 1_000_000, series, marks: marks::marks(case) }
}

/// Services that findings are about first, then those with the most calls.
fn chosen<'c>(case: &'c Case, diagnosis: &Diagnosis) -> Vec<&'c Node> {
    let names = &case.tables.names;
    let mentioned = |node: &Node| {
        let name = names.get(node.party.name);
        diagnosis
            .findings
            .iter()
            .position(|j| j.finding.subject.service == name || j.finding.subject.peer == name || j.finding.services.iter().any(|s| s == name))
    };
    let mut nodes: Vec<_> = case.context.graph.nodes().filter(|node| !node.served.is_empty()).collect();
    nodes.sort_by_cached_key(|node| {
        let calls: u64 = node.served.values().flat_map(|timeline| timeline.0.values()).map(|stats| stats.calls).sum();
        (mentioned(node).unwrap_or(usize::MAX), std::cmp::Reverse(calls), names.get(node.party.name).to_owned())
    });
    nodes.truncate(SERVICES);
    nodes
}

fn calls(case: &Case, node: &Node, axis: &Axis, series: &mut Vec<Series>) {
    let mut all = Calls::default();
    node.served.values().for_each(|timeline| all.merge(timeline));
    let (mut slow, mut failed) = (axis.empty(), axis.empty());
    for (&bucket, stats) in &all.0 {
        if let Some(at) = axis.place(bucket) {
            slow[at] = Some(stats.nanos.p99() as f64 / 1e6);
            failed[at] = Some(stats.errors as f64);
        }
    }
    let name = node.party.text(&case.tables.names);
    let any_failed = failed.iter().flatten().any(|&n| n > 0.0);
    series.push(Series { name: format!("{name} p99"), unit: "ms".to_owned(), values: slow });
    if any_failed {
        series.push(Series { name: format!("{name} errors"), unit: "calls".to_owned(), values: failed });
    }
}

fn log_errors(case: &Case, axis: &Axis, series: &mut Vec<Series>) {
    let mut values = axis.empty();
    for ((_, minute), count) in &case.tables.log_counts {
        // Records are counted by the minute: where buckets are narrower, each of them shows the count of its minute.
        let start = Time(minute.saturating_mul(MINUTE));
        for part in 0..(MINUTE / axis.step).max(1) {
            if let Some(at) = axis.place_of(start.plus(part * axis.step)) {
                *values[at].get_or_insert(0.0) += count.errors as f64;
            }
        }
    }
    if values.iter().flatten().any(|&n| n > 0.0) {
        series.push(Series { name: "error records per minute".to_owned(), unit: "records".to_owned(), values });
    }
}

fn heaps(case: &Case, axis: &Axis, series: &mut Vec<Series>) {
    let names = &case.tables.names;
    let mut machines: BTreeMap<String, (Values, Values)> = BTreeMap::new();
    for life in heap::lives(&case.tables) {
        let who = if life.instance.is_none() { names.get(life.service) } else { names.get(life.instance) };
        let (pauses, floor) = machines.entry(who.to_owned()).or_insert_with(|| (axis.empty(), axis.empty()));
        for record in &life.records {
            let Some(at) = axis.place_of(record.time) else { continue };
            if matches!(record.kind, GcKind::Young | GcKind::Mixed | GcKind::Full | GcKind::Phase | GcKind::Degenerated | GcKind::Stall) {
                let longest = pauses[at].get_or_insert(0.0);
                *longest = longest.max(record.nanos as f64 / 1e6);
            }
            let after =
                record.after.filter(|_| matches!(record.kind, GcKind::Young | GcKind::Mixed | GcKind::Full | GcKind::Concurrent | GcKind::Minor));
            if let Some(after) = after {
                let lowest = floor[at].get_or_insert(f64::MAX);
                *lowest = lowest.min(after as f64 / 1_048_576.0);
            }
        }
    }
    for (who, (pauses, floor)) in machines.into_iter().take(MACHINES) {
        if floor.iter().any(Option::is_some) {
            series.push(Series { name: format!("{who} heap after collection"), unit: "MiB".to_owned(), values: floor });
        }
        if pauses.iter().any(Option::is_some) {
            series.push(Series { name: format!("{who} longest pause"), unit: "ms".to_owned(), values: pauses });
        }
    }
}
