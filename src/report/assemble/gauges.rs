//! What metrics, events and breakers tell beside latency and errors: pools, lag, replicas, open breakers, CPU, heap, threads.
//!
//! Of each kind one lane a service (or pool, or group and topic), instances joined; those that findings name first, then
//! those that move most. What this file does not do: judge a value; a lane is there to be compared with the others.

use super::timeline::{Axis, Values};
use crate::correlate::meter::{POOL_NAMES, Series as Meter};
use crate::correlate::{Case, breaker, lag, replicas};
use crate::findings::Diagnosis;
use crate::model::names::Sym;
use crate::model::record::MetricKind;
use crate::model::time::Time;
use crate::report::picture::{Series, usual_gap};
use std::collections::BTreeMap;

/// At most this many lanes, and of one kind.
const MOST: usize = 10;
const OF_A_KIND: usize = 3;

/// How the instances of a service become one value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Join {
    /// They add up.
    Sum,
    /// The worst one counts.
    Most,
}

/// A kind of metric.
struct Kind {
    /// Its names, of one exporter or another.
    names: &'static [&'static str],
    /// Labels that tell several of a service apart.
    parts: &'static [&'static str],
    /// A label that must have one of these values, if it is there.
    only: (&'static str, &'static [&'static str]),
    join: Join,
    /// What a lane is called, after the service and its part.
    what: &'static str,
    unit: &'static str,
    /// What the written value is multiplied with.
    scale: f64,
}

const ANY: (&str, &[&str]) = ("", &[]);

const KINDS: &[Kind] = &[
    Kind {
        names: &[
            "hikaricp.connections.pending",
            "hikaricp.pending.threads",
            "jdbc.connections.pending",
            "r2dbc.pool.pending",
            "db.client.connections.pending.requests",
            "db.client.connection.pending.requests",
        ],
        parts: POOL_NAMES,
        only: ANY,
        join: Join::Sum,
        what: "waiting for a connection",
        unit: "threads",
        scale: 1.0,
    },
    Kind {
        names: &[
            "hikaricp.connections.active",
            "hikaricp.active.connections",
            "jdbc.connections.active",
            "tomcat.jdbc.active",
            "r2dbc.pool.acquired",
            "db.client.connections.usage",
            "db.client.connection.count",
        ],
        parts: POOL_NAMES,
        only: ("state", &["used", "active"]),
        join: Join::Sum,
        what: "connections in use",
        unit: "connections",
        scale: 1.0,
    },
    Kind {
        names: &["tomcat.threads.busy", "jetty.threads.busy", "executor.active", "undertow.worker.threads.busy"],
        parts: &["name"],
        only: ANY,
        join: Join::Sum,
        what: "busy threads",
        unit: "threads",
        scale: 1.0,
    },
    Kind {
        names: &["process.cpu.usage", "process.cpu.utilization", "jvm.cpu.recent.utilization"],
        parts: &[],
        only: ANY,
        join: Join::Most,
        what: "CPU, busiest instance",
        unit: "%",
        scale: 100.0,
    },
    Kind {
        names: &["jvm.memory.used"],
        parts: &[],
        only: ("area", &["heap"]),
        join: Join::Most,
        what: "heap in use, fullest instance",
        unit: "MiB",
        scale: 1.0 / 1_048_576.0,
    },
    Kind {
        names: &["jvm.threads.live", "jvm.thread.count"],
        parts: &[],
        only: ANY,
        join: Join::Most,
        what: "live threads, most of an instance",
        unit: "threads",
        scale: 1.0,
    },
];

/// A lane before the choice.
struct Lane {
    kind: usize,
    service: String,
    series: Series,
}

/// The lanes that are worth the room.
pub(super) fn gauges(case: &Case, diagnosis: &Diagnosis, axis: &Axis, with_heap: bool) -> Vec<Series> {
    let mut lanes = Vec::new();
    for (number, kind) in KINDS.iter().enumerate().filter(|(_, kind)| with_heap || kind.unit != "MiB") {
        metered(case, number, kind, axis, &mut lanes);
    }
    backlogs(case, axis, &mut lanes);
    open_breakers(case, axis, &mut lanes);
    sizes(case, axis, &mut lanes);
    chosen(lanes, diagnosis)
}

/// Those that findings name first, then those that move most; in the end by kind and name.
fn chosen(mut lanes: Vec<Lane>, diagnosis: &Diagnosis) -> Vec<Series> {
    let mentioned = |service: &str| {
        diagnosis.findings.iter().position(|j| j.finding.subject.service == service || j.finding.services.iter().any(|s| s == service))
    };
    let key =
        |lane: &Lane| (mentioned(&lane.service).unwrap_or(usize::MAX), std::cmp::Reverse(restless(&lane.series.values)), lane.series.name.clone());
    lanes.retain(|lane| restless(&lane.series.values) > 0);
    lanes.sort_by_cached_key(key);
    let mut of_a_kind: BTreeMap<usize, usize> = BTreeMap::new();
    lanes.retain(|lane| {
        let known = of_a_kind.entry(lane.kind).or_default();
        *known += 1;
        *known <= OF_A_KIND
    });
    lanes.truncate(MOST);
    lanes.sort_by(|a, b| (a.kind, &a.series.name).cmp(&(b.kind, &b.series.name)));
    lanes.into_iter().map(|lane| lane.series).collect()
}

/// Percent of its greatest value by which a lane moves; nothing for one that stands still.
fn restless(values: &Values) -> u32 {
    let known = || values.iter().flatten().copied().filter(|value| value.is_finite());
    let (least, most) = (known().fold(f64::MAX, f64::min), known().fold(0.0, f64::max));
    if most <= 0.0 || least >= most { 0 } else { (100.0 * (most - least) / most).ceil() as u32 }
}

fn metered(case: &Case, number: usize, kind: &Kind, axis: &Axis, lanes: &mut Vec<Lane>) {
    let names = &case.tables.names;
    // By service and part; within it by instance, since instances may be asked at different times.
    let mut joined: BTreeMap<(Sym, &str), BTreeMap<Sym, Values>> = BTreeMap::new();
    for series in kind.names.iter().flat_map(|name| case.series(name)) {
        let fits = series.label(kind.only.0).is_none_or(|value| kind.only.1.is_empty() || kind.only.1.contains(&value));
        if !fits || series.kind() != MetricKind::Gauge {
            continue;
        }
        let part = kind.parts.iter().find_map(|key| series.label(key)).unwrap_or("");
        let values = joined.entry((series.service, part)).or_default().entry(series.instance).or_insert_with(|| axis.empty());
        add(&series, kind.scale, axis, values);
    }
    for ((service, part), instances) in joined {
        let service = names.get(service).to_owned();
        let values = together(instances.into_values(), kind.join, axis);
        let name = [service.as_str(), part, kind.what].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        lanes.push(Lane { kind: number, service, series: Series::new(name, kind.unit, values) });
    }
}

/// Adds a series to the values of its instance: the greatest of each bucket, areas and spaces of one instance summed.
fn add(series: &Meter<'_>, scale: f64, axis: &Axis, sum: &mut Values) {
    let mut own = axis.empty();
    for (time, value) in series.values().filter(|(_, value)| value.is_finite()) {
        if let Some(at) = axis.place_of(time) {
            let known = own[at].get_or_insert(f64::MIN);
            *known = known.max(value * scale);
        }
    }
    for (sum, own) in sum.iter_mut().zip(own) {
        if let Some(own) = own {
            *sum.get_or_insert(0.0) += own;
        }
    }
}

/// Instances as one lane. An instance that was not asked in a bucket keeps its last value for as long as the others have gaps.
fn together(instances: impl Iterator<Item = Values>, join: Join, axis: &Axis) -> Values {
    let mut all = axis.empty();
    let mut asked = vec![false; all.len()];
    for values in instances {
        let mut last: Option<(usize, f64)> = None;
        let gap = usual_gap(&values);
        for (at, value) in values.iter().enumerate() {
            if let Some(value) = value {
                last = Some((at, *value));
                asked[at] = true;
            }
            let Some((_, value)) = last.filter(|(since, _)| at - since <= gap) else { continue };
            let known = all[at].get_or_insert(0.0);
            *known = if join == Join::Sum { *known + value } else { known.max(value) };
        }
    }
    // Between two scrapes nothing was measured.
    all.iter_mut().zip(asked).filter(|(_, asked)| !asked).for_each(|(value, _)| *value = None);
    all
}

fn backlogs(case: &Case, axis: &Axis, lanes: &mut Vec<Lane>) {
    for backlog in lag::backlogs(case) {
        let mut values = axis.empty();
        for look in backlog.snapshots() {
            if let Some(at) = axis.place_of(look.time) {
                let known = values[at].get_or_insert(0.0);
                *known = known.max(look.lag);
            }
        }
        let service = case.tables.names.get(backlog.service).to_owned();
        let who = if backlog.group.is_empty() { service.as_str() } else { backlog.group };
        let name = [who, backlog.topic, "unread records"].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        lanes.push(Lane { kind: KINDS.len(), service, series: Series::new(name, "records", values) });
    }
}

/// How many instances of a breaker are open.
fn open_breakers(case: &Case, axis: &Axis, lanes: &mut Vec<Lane>) {
    let names = &case.tables.names;
    for breaker in breaker::breakers(case) {
        let mut values: Values = vec![Some(0.0); axis.len()];
        for (_, window) in breaker.stretches(breaker::State::Open, case.context.window.end) {
            let (Some(from), Some(to)) = (axis.place_of(window.start), axis.place_of(window.end)) else { continue };
            values[from..=to].iter_mut().flatten().for_each(|value| *value += 1.0);
        }
        let service = names.get(breaker.service).to_owned();
        let name = format!("{service} breaker {} open", breaker.name).replace("  ", " ");
        lanes.push(Lane { kind: KINDS.len() + 1, service, series: Series::new(name, "instances", values) });
    }
}

/// Replicas, where the platform or a log tells of them.
fn sizes(case: &Case, axis: &Axis, lanes: &mut Vec<Lane>) {
    if case.tables.events.is_empty() && case.tables.metrics.is_empty() {
        return;
    }
    for (service, size) in replicas::replicas(case, case.loads()).into_iter().filter(|(_, size)| size.told) {
        let mut counts: Vec<(Time, f64)> = size.counts.iter().map(|count| (count.time, count.replicas)).collect();
        if let (Some(before), Some(_)) = (size.before, counts.first()) {
            counts.insert(0, (case.context.window.start, before));
        }
        let mut values = axis.empty();
        for (number, &(from, replicas)) in counts.iter().enumerate() {
            let until = counts.get(number + 1).map_or(case.context.window.end, |next| next.0);
            let (Some(from), Some(to)) = (axis.place_of(from), axis.place_of(until)) else { continue };
            values[from..=to.max(from)].iter_mut().for_each(|value| *value = Some(replicas));
        }
        let name = format!("{service} replicas");
        lanes.push(Lane { kind: KINDS.len() + 2, service, series: Series::new(name, "replicas", values) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::fixture::bundle;

    fn lanes(files: &[(&str, &str)]) -> Vec<(String, Vec<Option<f64>>)> {
        let case = bundle(files);
        let axis = Axis::of(&case).expect("there is a time");
        let lanes = gauges(&case, &Diagnosis::default(), &axis, true);
        lanes.into_iter().map(|series| (series.name, series.values)).collect()
    }

    #[test]
    fn instances_are_joined_and_what_stands_still_is_left_out() {
        let mut text = String::new();
        for (second, pending) in [(0, 0), (10, 3), (20, 7)] {
            let ms = 1_767_261_600_000_i64 + second * 1000;
            text += &format!("hikaricp_connections_pending{{pool=\"p\",instance=\"a\"}} {pending} {ms}\n");
            text += &format!("hikaricp_connections_pending{{pool=\"p\",instance=\"b\"}} 1 {ms}\n");
            text += &format!("jvm_threads_live_threads{{instance=\"a\"}} 40 {ms}\n");
        }
        let found = lanes(&[("orders/metrics.prom", &format!("# TYPE hikaricp_connections_pending gauge\n{text}"))]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0.ends_with("p waiting for a connection"), "{found:?}");
        let told: Vec<f64> = found[0].1.iter().flatten().copied().collect();
        assert_eq!(told, [1.0, 4.0, 8.0], "{found:?}");
    }

    #[test]
    fn a_lane_that_moves_counts_by_how_much() {
        assert_eq!(restless(&vec![Some(2.0), None, Some(2.0)]), 0);
        assert_eq!(restless(&vec![Some(1.0), Some(4.0)]), 75);
        assert_eq!(restless(&vec![None]), 0);
    }

    #[test]
    fn the_choice_is_bounded() {
        let lane = |n: usize| Lane {
            kind: n % 9,
            service: format!("s{n}"),
            series: Series::new(format!("s{n:03}"), String::new(), vec![Some(0.0), Some(n as f64 + 1.0)]),
        };
        let chosen = chosen((0..100).map(lane).collect(), &Diagnosis::default());
        assert_eq!(chosen.len(), MOST);
    }
}
