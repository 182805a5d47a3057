//! The live set as metrics show it: after old collections where an exporter tells that, else the lowest points of what is used.
//!
//! What lies between collections proves little, as in a log of young collections. Growth is also held against the requests
//! of the same time: what each request leaves behind. What this file does not do: services whose GC log is in the bundle.

use crate::correlate::Case;
use crate::correlate::heap::Strength;
use crate::correlate::life;
use crate::correlate::meter::Series;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rise::{self, Rise};
use crate::model::rule::Rule;
use crate::model::tables::Metric;
use crate::model::time::{Time, Window};
use crate::rules::native::memory_leak_trend::{rate, span};
use std::collections::{BTreeMap, BTreeSet};

/// What is left after collections, the most telling first: metric, source in words, strength.
const FLOORS: &[(&str, &str, Strength)] = &[
    ("jvm.gc.live.data.size", "live data after major collections", Strength::Strong),
    ("jvm.memory.used.after.last.gc", "what collections leave", Strength::Medium),
    ("jvm.memory.used", "the lowest points of the used heap", Strength::Weak),
];
/// Pools that hold what is old.
const OLD: &[&str] = &["Old Gen", "Tenured", "ZHeap", "ZGC Old", "Shenandoah", "tenured"];
const REQUESTS: &[&str] = &["http.server.requests.count", "http.server.request.duration.count"];

/// The floor of one life of one process.
struct Floor<'a> {
    series: Series<'a>,
    life: &'a [Metric],
    source: &'static str,
    strength: Strength,
    rise: Rise,
    capacity: Option<f64>,
}

/// Findings of services and instances that no GC log tells of.
pub(super) fn find(case: &Case, rule: &Rule, told: &BTreeSet<(Sym, Sym)>) -> Vec<Finding> {
    let mut decided: BTreeSet<(Sym, Sym)> = told.clone();
    let mut floors: Vec<Floor<'_>> = Vec::new();
    for &(metric, source, strength) in FLOORS {
        let mut now: BTreeSet<(Sym, Sym)> = BTreeSet::new();
        for series in case.series(metric).filter(|series| is_old(series, metric)) {
            let process = (series.service, series.instance);
            // Live data that never changes is no data: there was no major collection.
            let says = series.points.windows(2).any(|pair| (pair[0].value - pair[1].value).abs() > 0.0);
            if decided.contains(&process) || !says {
                continue;
            }
            now.insert(process);
            floors.extend(rising(case, rule, &series, source, strength));
        }
        decided.extend(now);
    }
    floors.iter().map(|floor| finding(case, rule, floor, &floors)).collect()
}

fn is_old(series: &Series<'_>, metric: &str) -> bool {
    metric == "jvm.gc.live.data.size" || OLD.iter().any(|pool| series.labels.contains(pool))
}

fn rising<'a>(case: &Case, rule: &Rule, series: &Series<'a>, source: &'static str, strength: Strength) -> Option<Floor<'a>> {
    let capacity = capacity(case, series);
    let limits = rise::Limits {
        growth: capacity.map_or(0.0, |capacity| rule.limit("growth_of_capacity") * capacity).max(rule.limit("class_bytes")),
        share: rule.limit("growth_of_floor"),
        z: rule.limit("trend_z"),
        tau: rule.limit("trend_tau"),
        plateau: rule.limit("plateau_slope"),
    };
    let lives = life::lives(case, series);
    let (life, rise) = lives.into_iter().rev().find_map(|life| Some((life, rise::steady(&life::points(life), &limits)?)))?;
    Some(Floor { series: *series, life, source, strength, rise, capacity })
}

fn capacity(case: &Case, series: &Series<'_>) -> Option<f64> {
    let own = |other: &Series<'_>| (other.service, other.instance) == (series.service, series.instance);
    let largest = |metric: &str, same_pool: bool| {
        let fitting = case.series(metric).filter(own).filter(|other| !same_pool || other.labels == series.labels);
        fitting
            .filter_map(|other| other.highest())
            .map(|point| point.value)
            .filter(|value| *value > 0.0)
            .fold(None, |most: Option<f64>, value| Some(most.map_or(value, |m| m.max(value))))
    };
    largest("jvm.memory.max", true).or_else(|| largest("jvm.memory.limit", true)).or_else(|| largest("jvm.gc.max.data.size", false))
}

/// Requests that the process served during a life, and the share of the growth that they explain: none without a metric.
fn requests(case: &Case, floor: &Floor<'_>) -> Option<(f64, f64)> {
    let (start, end) = (floor.life.first()?.time, floor.life.last()?.time);
    let mut gains: BTreeMap<Time, f64> = BTreeMap::new();
    let own = |series: &Series<'_>| (series.service, series.instance) == (floor.series.service, floor.series.instance);
    for series in REQUESTS.iter().flat_map(|metric| case.series(metric)).filter(own) {
        series.gains().filter(|(time, _)| (start..=end).contains(time)).for_each(|(time, gain)| *gains.entry(time).or_default() += gain);
    }
    let total: f64 = gains.values().sum();
    let middle = Time(i64::midpoint(start.0, end.0));
    let early: f64 = gains.range(..middle).map(|(_, gain)| gain).sum();
    // How the traffic of the second half relates to that of the first.
    (total > 0.0).then(|| (total, (total - early) / early.max(1.0)))
}

fn finding(case: &Case, rule: &Rule, floor: &Floor<'_>, all: &[Floor<'_>]) -> Finding {
    let names = &case.tables.names;
    let (series, rise) = (&floor.series, &floor.rise);
    let mut window = Window::default();
    floor.life.iter().for_each(|point| window.add(point.time));
    let subject = Subject { service: names.get(series.service).to_owned(), key: names.get(series.instance).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    "metrics".clone_into(&mut finding.kind);
    let weak = floor.strength == Strength::Weak;
    let siblings =
        all.iter().filter(|other| other.series.service == series.service).map(|other| other.series.instance).collect::<BTreeSet<_>>().len();
    let traffic = requests(case, floor);
    // A heap that grows as the traffic does may only hold what is in flight.
    let with_traffic = traffic.is_some_and(|(_, ratio)| ratio > 1.0 && (ratio - rise.last / rise.first.max(1.0)).abs() < 0.2 * ratio);
    let weight = match floor.strength {
        Strength::Strong => 0.60,
        Strength::Medium => 0.50,
        Strength::Weak => 0.35,
    };
    let mut belief = Belief::new().with("floor of the heap", Input::Metrics, weight).with_if(siblings > 1, "several instances", Input::Metrics, 0.30);
    if !weak {
        belief = belief.with_if(rise.z >= 3.3, "long steady trend", Input::Metrics, 0.40);
    }
    if with_traffic {
        belief = belief.doubted(0.7);
    }
    finding.confidence = belief.value();
    let left = floor.capacity.map(|capacity| ((0.95 * capacity - rise.last) / rise.slope).max(0.0));
    finding.severity = match left.map(|seconds| seconds / 3600.0) {
        _ if weak || with_traffic => Severity::Low,
        Some(hours) if hours <= rule.limit("exhaustion_high") => Severity::High,
        Some(hours) if hours > rule.limit("exhaustion_medium") => Severity::Low,
        _ => Severity::Medium,
    };
    let share = rise.growth / floor.capacity.unwrap_or(rise.last).max(1.0);
    finding.score = score(share, rule.limit("growth_of_capacity"), rule.upper("growth_of_capacity"));
    finding
        .measure_against("growth_of_capacity", share, "share", rule.limit("growth_of_capacity"))
        .measure("growth", rise.growth.round(), "bytes")
        .measure("slope", rise.slope.round(), "bytes/s")
        .measure("first_floor", rise.first, "bytes")
        .measure("last_floor", rise.last, "bytes")
        .measure_against("trend_z", rise.z, "sd", rule.limit("trend_z"))
        .measure_against("trend_tau", rise.tau, "tau", rule.limit("trend_tau"))
        .measure("points", floor.life.len() as f64, "points");
    if let (Some(capacity), Some(left)) = (floor.capacity, left) {
        finding.measure("capacity", capacity, "bytes").measure("time_to_exhaustion", left.round(), "s");
    }
    if let Some((total, _)) = traffic {
        finding.measure("requests", total, "requests").measure("bytes_per_request", (rise.growth / total).round(), "bytes");
    }
    finding
        .word("growth_rate", rate(rise.slope))
        .word("time_left", left.map_or_else(|| "an unknown time".to_owned(), span))
        .word("source", floor.source)
        .word(
            "work",
            traffic.map_or_else(String::new, |(total, _)| format!("Each of {total:.0} requests left {:.0} bytes behind.", rise.growth / total)),
        )
        .look_alike("Saw-tooth that returns to its floor", "excluded: the lowest points rise, up to the end")
        .look_alike("Cache that warms up", "excluded: the second half rises as the whole does")
        .look_alike(
            "More traffic",
            if with_traffic { "not excluded: requests grew by the same factor" } else { "excluded, as far as requests are told" },
        );
    if weak {
        finding.look_alike("Promotion while no old collection runs", "not excluded: the metric does not tell what collections leave");
        finding.missing.push("a GC log, or two live class histograms half an hour apart".to_owned());
    }
    finding.cite(floor.life.last().into_iter().chain(floor.life.first()).map(|point| point.evidence));
    finding
}

#[cfg(test)]
mod tests {
    use crate::model::finding::{Finding, Severity};
    use crate::rules::fixture::{bundle, check, measured, rule};

    const MB: i64 = 1_000_000;

    fn found(metric: &str, labels: &str, used: impl Fn(i64) -> i64, requests: impl Fn(i64) -> i64) -> Vec<Finding> {
        let mut text = format!("# TYPE {metric} gauge\n# TYPE jvm_memory_max_bytes gauge\n# TYPE http_server_requests_seconds_count counter\n");
        let mut served = 0;
        for n in 0..60 {
            let at = 1_767_261_600_000 + 60_000 * n;
            served += requests(n);
            text.push_str(&format!(
                "{metric}{labels} {} {at}\njvm_memory_max_bytes{labels} {} {at}\nhttp_server_requests_seconds_count {served} {at}\n",
                used(n) * MB,
                1000 * MB
            ));
        }
        check(&rule("memory-leak-trend"), &bundle(&[("orders/metrics.prom", &text)]), None)
    }

    const OLD: &str = "{area=\"heap\",id=\"G1 Old Gen\"}";

    #[test]
    fn floors_that_breathe_level_off_or_follow_the_traffic_are_no_leak() {
        let steady = |_| 100;
        assert!(found("jvm_memory_used_after_last_gc_bytes", OLD, |n| 200 + n % 9 * 20, steady).is_empty());
        assert!(found("jvm_memory_used_after_last_gc_bytes", OLD, |n| 200 + (n * 20).min(200), steady).is_empty());
        assert!(found("jvm_gc_live_data_size_bytes", "", |_| 300, steady).is_empty(), "flat is no data");
        let follows = found("jvm_memory_used_after_last_gc_bytes", OLD, |n| 200 + n * 8, |n| 20 + n * 6);
        assert!(follows.iter().all(|f| f.severity < Severity::Medium || f.confidence < 0.6), "{follows:#?}");
    }

    #[test]
    fn what_collections_leave_grows() {
        let found = found("jvm_memory_used_after_last_gc_bytes", OLD, |n| 200 + n * 8, |_| 100);
        assert_eq!((found.len(), found[0].severity, found[0].kind.as_str()), (1, Severity::High, "metrics"));
        assert!(found[0].confidence >= 0.6 && measured(&found[0], "bytes_per_request") > 50_000.0);
    }

    #[test]
    fn used_between_collections_proves_little() {
        let found = found("jvm_memory_used_bytes", OLD, |n| 200 + n * 8, |_| 100);
        assert!(found.iter().all(|f| f.severity == Severity::Low && f.confidence <= 0.45));
    }
}
