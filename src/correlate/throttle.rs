//! How often containers were stopped by their processor limit, from the kernel's counters.
//!
//! ```text
//! container_cpu_cfs_throttled_periods_total{pod="orders-7d9f5b6c8d-k2xwz",container="orders"} 812
//! container_cpu_cfs_periods_total{...} 2400
//! ```
//!
//! What this file does not do: judge how much is too much.

use crate::bundle::hints::workload;
use crate::correlate::Case;
use crate::correlate::meter::Series;
use crate::correlate::replicas::Homes;
use crate::model::names::Sym;
use crate::model::source::Evidence;
use crate::model::time::Time;
use std::collections::BTreeMap;

/// Counters of periods in which a container was stopped, and of all periods.
const COUNTERS: [(&str, &str); 3] = [
    ("container.cpu.cfs.throttled.periods", "container.cpu.cfs.periods"),
    ("container.cpu.throttling.data.throttled.periods", "container.cpu.throttling.data.periods"),
    ("cgroup.cpu.throttled.periods", "cgroup.cpu.periods"),
];

/// The periods of a container between two points.
#[derive(Clone, Copy, Debug)]
pub struct Periods {
    /// When they had passed.
    pub time: Time,
    /// All of them.
    pub all: f64,
    /// Those in which it was stopped.
    pub throttled: f64,
    /// Where.
    pub evidence: Evidence,
}

/// A container and its periods.
#[derive(Clone, Debug)]
pub struct Throttled {
    /// Service.
    pub service: String,
    /// The pod or container.
    pub instance: String,
    /// Its periods by time.
    pub periods: Vec<Periods>,
}

/// Every container with both counters.
#[must_use]
pub fn throttled(case: &Case, homes: &Homes<'_>) -> Vec<Throttled> {
    let mut found = Vec::new();
    for (stopped, all) in COUNTERS {
        let totals: BTreeMap<(Sym, Sym, &str), Series<'_>> =
            case.series(all).map(|series| ((series.service, series.instance, series.labels), series)).collect();
        for series in case.series(stopped) {
            // The pod's own pause container, and the sum over a pod, count what its containers have counted.
            if matches!(series.label("container"), Some("POD" | "")) {
                continue;
            }
            let Some(total) = totals.get(&(series.service, series.instance, series.labels)) else { continue };
            let gains: BTreeMap<Time, f64> = total.gains().collect();
            let periods: Vec<Periods> = series
                .steps()
                .filter_map(|(point, throttled)| {
                    Some(Periods { time: point.time, all: *gains.get(&point.time)?, throttled, evidence: point.evidence })
                })
                .filter(|periods| periods.all > 0.0 && periods.time.is_some())
                .collect();
            let names = &case.tables.names;
            let pod = ["pod", "k8s.pod.name", "pod_name", "name", "container"].iter().find_map(|key| series.label(key));
            let instance = pod.unwrap_or_else(|| names.get(series.instance)).to_owned();
            let run_by = workload(&instance).unwrap_or(&instance);
            // Who scrapes the kernel's counters is not the one they are about.
            let about = if pod.is_some() { run_by } else { names.get(series.service) };
            let service = homes.of_text(run_by).map_or(about, |service| names.get(service)).to_owned();
            if !periods.is_empty() {
                found.push(Throttled { service, instance, periods });
            }
        }
    }
    found
}
