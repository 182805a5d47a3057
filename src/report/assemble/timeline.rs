//! Series on one time axis: latency and failures (`latency.rs`), log errors, what metrics tell (`gauges.rs`), pauses and heap.

use super::{gauges, latency, marks};
use crate::correlate::Case;
use crate::correlate::heap;
use crate::findings::Diagnosis;
use crate::model::jvm::GcKind;
use crate::model::tables::LogCount;
use crate::model::time::{MINUTE, Time};
use crate::report::picture::{Series, Timeline};
use std::collections::BTreeMap;

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

    pub(super) fn step_ms(&self) -> i64 {
        self.step / 1_000_000
    }

    pub(super) fn place(&self, bucket: i64) -> Option<usize> {
        usize::try_from(bucket - self.first).ok().filter(|&at| at < self.buckets)
    }

    pub(super) fn place_of(&self, time: Time) -> Option<usize> {
        self.place(time.0.div_euclid(self.step)).filter(|_| time.is_some())
    }
}

/// The time line of a case.
pub(super) fn timeline(case: &Case, diagnosis: &Diagnosis) -> Timeline {
    let Some(axis) = Axis::of(case) else { return Timeline::default() };
    let mut series = latency::lanes(case, diagnosis, &axis);
    log_errors(case, &axis, &mut series);
    series.extend(gauges::gauges(case, diagnosis, &axis, case.tables.gc.is_empty()));
    heaps(case, &axis, &mut series);
    if series.is_empty() {
        log_records(case, &axis, &mut series);
    }
    Timeline { start_ms: axis.first * axis.step / 1_000_000, step_ms: axis.step_ms(), series, marks: marks::marks(case) }
}

/// Where nothing else was measured: how much was logged at all.
fn log_records(case: &Case, axis: &Axis, series: &mut Vec<Series>) {
    let values = per_minute(case, axis, |count| count.records);
    if values.iter().any(Option::is_some) {
        series.push(Series::new("log records per minute", "records", values));
    }
}

fn log_errors(case: &Case, axis: &Axis, series: &mut Vec<Series>) {
    let values = per_minute(case, axis, |count| count.errors);
    if values.iter().flatten().any(|&n| n > 0.0) {
        series.push(Series::new("error records per minute", "records", values));
    }
}

fn per_minute(case: &Case, axis: &Axis, of: impl Fn(&LogCount) -> u64) -> Values {
    let mut values = axis.empty();
    for ((_, minute), count) in &case.tables.log_counts {
        // Records are counted by the minute: where buckets are narrower, each of them shows the count of its minute.
        let start = Time(minute.saturating_mul(MINUTE));
        for part in 0..(MINUTE / axis.step).max(1) {
            if let Some(at) = axis.place_of(start.plus(part * axis.step)) {
                *values[at].get_or_insert(0.0) += of(count) as f64;
            }
        }
    }
    values
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
            series.push(Series::new(format!("{who} heap after collection"), "MiB", floor));
        }
        if pauses.iter().any(Option::is_some) {
            series.push(Series::new(format!("{who} longest pause"), "ms", pauses));
        }
    }
}
