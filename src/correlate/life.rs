//! The lives of a process as its metrics show them: a series is cut where the process was started anew.
//!
//! What this file does not do: find starts in logs; a metric without a metric of the start is one life.

use crate::correlate::Case;
use crate::correlate::meter::Series;
use crate::model::tables::Metric;
use crate::model::time::Time;

/// Metrics that are equal during a life, and metrics that only rise during one.
const STARTS: &[&str] = &["process.start.time"];
const RISING: &[&str] =
    &["process.uptime", "jvm.gc.pause.count", "jvm.gc.duration.count", "jvm.gc.memory.allocated", "process.cpu.time", "process.cpu"];
/// Seconds by which a start may be told differently without being another.
const SAME_START: f64 = 5.0;

/// When the process behind a series was started anew.
#[must_use]
pub fn restarts(case: &Case, of: &Series<'_>) -> Vec<Time> {
    let own = |series: &Series<'_>| (series.service, series.instance) == (of.service, of.instance);
    let mut out: Vec<Time> = Vec::new();
    for series in STARTS.iter().flat_map(|metric| case.series(metric)).filter(own) {
        out.extend(series.points.windows(2).filter(|pair| (pair[1].value - pair[0].value).abs() > SAME_START).map(|pair| pair[1].time));
    }
    for series in RISING.iter().flat_map(|metric| case.series(metric)).filter(own) {
        out.extend(series.points.windows(2).filter(|pair| pair[1].value < pair[0].value).map(|pair| pair[1].time));
    }
    out.sort_unstable();
    out.dedup();
    out
}

/// The points of a series, life by life.
#[must_use]
pub fn lives<'a>(case: &Case, series: &Series<'a>) -> Vec<&'a [Metric]> {
    let mut rest = series.points;
    let mut out = Vec::new();
    for restart in restarts(case, series) {
        let (before, after) = rest.split_at(rest.partition_point(|point| point.time < restart));
        if !before.is_empty() {
            out.push(before);
        }
        rest = after;
    }
    if !rest.is_empty() {
        out.push(rest);
    }
    out
}

/// Points as seconds since the first and value.
#[must_use]
pub fn points(life: &[Metric]) -> Vec<(f64, f64)> {
    let Some(first) = life.first() else { return Vec::new() };
    life.iter()
        .filter(|point| point.value.is_finite() && point.time.is_some())
        .map(|point| (point.time.since(first.time) as f64 / 1e9, point.value))
        .collect()
}
