//! `native-memory-growth`: a process that takes more and more memory while its heap does not.
//!
//! What this file does not do: find leaks inside of a heap, or say which library holds the memory.

use crate::correlate::Case;
use crate::correlate::life;
use crate::correlate::meter::Series;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rise::{self, Rise};
use crate::model::rule::Rule;
use crate::model::tables::Metric;
use crate::model::time::{Time, Window};
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector {
    id: "native-memory-growth",
    thresholds: &["growth", "growth_share", "heap_share", "trend_z", "trend_tau", "plateau_slope", "exhaustion_high", "exhaustion_medium"],
    detect,
};

/// Memory of a process or its container, the most telling first.
const RESIDENT: &[&str] = &[
    "process.resident.memory",
    "process.memory.rss",
    "process.memory.usage",
    "container.memory.rss",
    "container.memory.working.set",
    "container.memory.usage",
];
const LIMITS: &[&str] = &["container.spec.memory.limit", "container.memory.limit", "kube.pod.container.resource.limits"];
/// Parts of a virtual machine outside of the heap, with the label that must hold the word.
const PARTS: &[(&str, &str, &str)] = &[
    ("jvm.buffer.memory.used", "", "direct buffers"),
    ("jvm.memory.used", "Metaspace", "classes"),
    ("jvm.threads.live", "", "threads"),
    ("jvm.thread.count", "", "threads"),
];

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let mut seen: BTreeSet<(Sym, Sym)> = BTreeSet::new();
    for series in RESIDENT.iter().flat_map(|metric| case.series(metric)) {
        if seen.contains(&(series.service, series.instance)) {
            continue;
        }
        let Some((life, rise)) = rising(case, rule, &series) else { continue };
        let heap = heap(case, &series, life);
        let explained = heap.as_ref().is_some_and(|heap| grown(heap) >= rule.limit("heap_share") * rise.growth);
        seen.insert((series.service, series.instance));
        if !explained {
            out.push(finding(case, rule, &series, life, &rise, heap.as_deref()));
        }
    }
}

fn rising<'a>(case: &Case, rule: &Rule, series: &Series<'a>) -> Option<(&'a [Metric], Rise)> {
    let limits = rise::Limits::of(rule, rule.limit("growth"));
    life::lives(case, series).into_iter().rev().find_map(|life| Some((life, rise::steady(&life::points(life), &limits)?)))
}

/// What the heap used by time during a life; none if no metric tells.
fn heap(case: &Case, of: &Series<'_>, life: &[Metric]) -> Option<Vec<(f64, f64)>> {
    let (start, end) = (life.first()?.time, life.last()?.time);
    let mut sum: BTreeMap<Time, f64> = BTreeMap::new();
    let is_heap = |series: &Series<'_>| {
        series.label("area").or_else(|| series.label("jvm.memory.type")).or_else(|| series.label("jvm_memory_type")) == Some("heap")
    };
    for series in case.series("jvm.memory.used").filter(|series| series.service == of.service && series.instance == of.instance && is_heap(series)) {
        for (time, value) in series.values().filter(|(time, _)| (start..=end).contains(time)) {
            *sum.entry(time).or_default() += value;
        }
    }
    let points: Vec<(f64, f64)> = sum.into_iter().map(|(time, value)| (time.since(start) as f64 / 1e9, value)).collect();
    (points.len() >= 6).then_some(points)
}

/// By how much the lowest points rose.
fn grown(points: &[(f64, f64)]) -> f64 {
    let floor = crate::model::trend::lower_envelope(points);
    let half = floor.len() / 2;
    let lowest = |part: &[(f64, f64)]| part.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    if half == 0 { 0.0 } else { (2.0 * (lowest(&floor[half..]) - lowest(&floor[..half]))).max(0.0) }
}

/// The part outside of the heap that rises too.
fn suspect(case: &Case, rule: &Rule, of: &Series<'_>) -> Option<&'static str> {
    let found = PARTS.iter().find(|(metric, word, _)| {
        let own = case.series(metric).filter(|series| (series.service, series.instance) == (of.service, of.instance) && series.labels.contains(word));
        own.flat_map(|series| life::lives(case, &series)).any(|life| rise::steady(&life::points(life), &rise::Limits::of(rule, 1.0)).is_some())
    });
    found.map(|(_, _, name)| *name)
}

fn finding(case: &Case, rule: &Rule, series: &Series<'_>, life: &[Metric], rise: &Rise, heap: Option<&[(f64, f64)]>) -> Finding {
    const MIB: f64 = 1_048_576.0;
    let names = &case.tables.names;
    let mut window = Window::default();
    life.iter().for_each(|point| window.add(point.time));
    let subject = Subject {
        service: names.get(series.service).to_owned(),
        operation: series.name.to_owned(),
        key: names.get(series.instance).to_owned(),
        ..Subject::default()
    };
    let mut finding = Finding::new(&rule.id, subject, window);
    if heap.is_none() {
        "process".clone_into(&mut finding.kind);
    }
    let own = |other: &Series<'_>| (other.service, other.instance) == (series.service, series.instance) && !other.labels.contains("resource=cpu");
    let limit = LIMITS
        .iter()
        .flat_map(|metric| case.series(metric))
        .filter(own)
        .filter_map(|series| series.highest())
        .map(|point| point.value)
        .find(|value| *value > 0.0);
    let left = limit.map(|limit| (limit - rise.last).max(0.0) / rise.slope / 3600.0);
    let suspect = suspect(case, rule, series);
    finding.severity = match left {
        Some(hours) if hours <= rule.limit("exhaustion_high") => Severity::High,
        Some(hours) if hours <= rule.limit("exhaustion_medium") => Severity::Medium,
        Some(_) => Severity::Low,
        None if rise.growth >= 0.5 * rise.first => Severity::Medium,
        None => Severity::Low,
    };
    finding.score = score(rise.growth / rise.first.max(1.0), rule.limit("growth_share"), 1.0);
    finding.confidence = Belief::new()
        .with("memory that only rises", Input::Metrics, 0.55)
        .with_if(heap.is_some(), "a heap that does not", Input::Metrics, 0.3)
        .with_if(suspect.is_some(), "a part that rises too", Input::Metrics, 0.3)
        .value();
    let mib = |bytes: f64| (bytes / MIB * 10.0).round() / 10.0;
    finding
        .measure("first_mib", mib(rise.first), "MiB")
        .measure("last_mib", mib(rise.last), "MiB")
        .measure("growth", rise.growth.round(), "bytes")
        .measure("mib_per_hour", mib(rise.slope * 3600.0), "MiB/h")
        .measure("hours", (window.nanos() as f64 / 3.6e10).round() / 100.0, "h")
        .measure_against("trend_tau", rise.tau, "tau", rule.limit("trend_tau"));
    if let Some(limit) = limit {
        finding.measure("limit_mib", mib(limit), "MiB").measure("hours_left", (left.unwrap_or(0.0) * 10.0).round() / 10.0, "h");
    }
    let heap_growth = heap.map(grown);
    if let Some(growth) = heap_growth {
        finding.measure("heap_growth", growth.round(), "bytes");
    }
    finding
        .word("limit_text", limit.map_or_else(String::new, |limit| format!(", of at most {:.0} MiB", limit / MIB)))
        .word("heap_text", heap_growth.map_or_else(String::new, |growth| format!("The heap explains {:.0} MiB of it.", growth / MIB)))
        .word("suspect", suspect.map_or_else(String::new, |part| format!("Of these, {part} rise too.")))
        .word("time_left", left.map_or_else(String::new, |hours| format!("At this rate the limit is reached in {hours:.1} h.")))
        .look_alike("A heap that is touched for the first time", "excluded: the second half rises as the whole does")
        .look_alike(
            "A leak inside of the heap",
            if heap.is_some() { "excluded: the heap's lowest points explain less than the growth" } else { "not excluded: no metric of the heap" },
        )
        .cite(life.last().into_iter().chain(life.first()).map(|point| point.evidence));
    finding
}

#[cfg(test)]
mod tests {
    use crate::model::finding::{Finding, Severity};
    use crate::rules::fixture::{bundle, check, rule};

    fn found(resident: impl Fn(i64) -> i64, heap: impl Fn(i64) -> i64, limit: Option<i64>) -> Vec<Finding> {
        let mut text = String::from(
            "# TYPE process_resident_memory_bytes gauge\n# TYPE jvm_memory_used_bytes gauge\n# TYPE container_spec_memory_limit_bytes gauge\n",
        );
        for n in 0..60 {
            let at = 1_767_261_600_000 + 60_000 * n;
            text.push_str(&format!(
                "process_resident_memory_bytes {} {at}\njvm_memory_used_bytes{{area=\"heap\",id=\"G1 Old Gen\"}} {} {at}\n",
                resident(n) * 1_000_000,
                heap(n) * 1_000_000
            ));
            if let Some(limit) = limit {
                text.push_str(&format!("container_spec_memory_limit_bytes {} {at}\n", limit * 1_000_000));
            }
        }
        check(&rule("native-memory-growth"), &bundle(&[("orders/metrics.prom", &text)]), None)
    }

    #[test]
    fn heaps_that_grow_or_warm_up_are_other_rules() {
        assert!(found(|n| 300 + n * 5, |n| 100 + n * 5, None).is_empty(), "the heap grows");
        assert!(found(|n| 300 + (n * 20).min(400), |n| 100 + n % 9 * 30, None).is_empty(), "the heap is touched");
        assert!(found(|n| 300 + n % 11 * 20, |_| 100, None).is_empty(), "it comes back");
    }

    #[test]
    fn memory_outside_of_the_heap() {
        let found = found(|n| 300 + n * 8, |n| 100 + n % 9 * 10, Some(1000));
        assert_eq!((found.len(), found[0].severity, found[0].kind.as_str()), (1, Severity::High, ""));
        assert!(found[0].confidence >= 0.6);
    }
}
