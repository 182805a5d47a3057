//! Slow for minutes and the autoscaler does nothing: it is at its bound, or it looks at a number that does not tell.
//!
//! What this file does not do: rises that did not help; that is the rule's main file.

use super::STRETCHES;
use crate::correlate::load::Load;
use crate::correlate::meter::Series;
use crate::correlate::replicas::{Homes, Replicas};
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::time::{SECOND, Window};
use crate::rules::Scope;
use crate::rules::native::retry_storm::round;
use std::collections::{BTreeMap, BTreeSet};

const HPA: &str = "kube.horizontalpodautoscaler";

/// Adds what was not scaled, of services about which nothing was found yet.
pub fn detect(scope: &Scope<'_>, rule: &Rule, loads: &BTreeMap<Sym, Load>, all: &BTreeMap<String, Replicas>, out: &mut Vec<Finding>) {
    let told: BTreeSet<String> = out.iter().map(|finding| finding.subject.service.clone()).collect();
    let homes = Homes::of(scope.case, loads);
    let names = &scope.case.tables.names;
    let mut seen = BTreeSet::new();
    for series in scope.case.series(&format!("{HPA}.spec.max.replicas")) {
        let workload = series.label("target").or_else(|| series.label("horizontalpodautoscaler")).or_else(|| series.label("hpa")).unwrap_or("");
        let service = names.find(workload).map_or(series.service, |workload| homes.of_workload(workload));
        let load = loads.get(&service).or_else(|| homes.front().and_then(|front| loads.get(&front)));
        let Some(load) = load.filter(|_| !told.contains(names.get(service)) && seen.insert(service)) else { continue };
        let Some((slow, calm)) = slow_stretch(rule, load) else { continue };
        let rescaled = all
            .get(names.get(service))
            .is_some_and(|replicas| replicas.counts.iter().skip(usize::from(replicas.before.is_none())).any(|count| slow.holds(count.time)));
        let most = series.highest().map_or(0.0, |point| point.value);
        if let Some(held) = at_bound(scope, &series, most) {
            out.push(finding(scope, rule, service, load, slow, calm, "capped", &held, most, ("", 0.0, 0.0)));
        } else if !rescaled && let Some((metric, current, target, held)) = below_target(scope, &series) {
            out.push(finding(scope, rule, service, load, slow, calm, "not-scaled", &held, most, (&metric, current, target)));
        }
    }
}

/// The longest stretch in which requests were slow, and the calm level.
fn slow_stretch(rule: &Rule, load: &Load) -> Option<(Window, f64)> {
    let calm = load.calm_p95_ms(STRETCHES, rule.limit("requests") / 3.0).filter(|calm| *calm > 0.0)?;
    let all = load.window();
    let width = (all.nanos() / STRETCHES).max(SECOND);
    let windows: Vec<(Window, bool)> = (0..STRETCHES)
        .map(|n| Window::of(all.start.plus(n * width), all.start.plus((n + 1) * width - 1)))
        .map(|window| {
            let level = load.stretch(window);
            let is_slow = level.requests > 0.0 && level.p95_ms >= rule.limit("ratio") * calm && level.p95_ms - calm >= rule.limit("delta_ms");
            (window, is_slow)
        })
        .collect();
    let run = windows.chunk_by(|a, b| a.1 == b.1).filter(|run| run.first().is_some_and(|(_, slow)| *slow)).max_by_key(|run| run.len())?;
    let slow = Window::of(run.first()?.0.start, run.last()?.0.end);
    (slow.nanos() as f64 >= rule.limit("lasting_s") * SECOND as f64).then_some((slow, calm))
}

fn of_same<'a>(scope: &'a Scope<'_>, one: &Series<'a>, metric: &str) -> Vec<Series<'a>> {
    let key = |series: &Series<'a>| series.label("horizontalpodautoscaler").or_else(|| series.label("hpa")).map(str::to_owned);
    scope.case.series(&format!("{HPA}.{metric}")).filter(|series| key(series) == key(one)).collect()
}

/// Where it is seen that the autoscaler is at its greatest size.
fn at_bound<'a>(scope: &'a Scope<'_>, one: &Series<'a>, most: f64) -> Option<Series<'a>> {
    let limited = of_same(scope, one, "status.condition").into_iter().find(|series| {
        series.label("reason") == Some("TooManyReplicas")
            && series.label("status") == Some("true")
            && series.highest().is_some_and(|point| point.value > 0.0)
    });
    limited.or_else(|| {
        let mut current = of_same(scope, one, "status.current.replicas");
        current.extend(of_same(scope, one, "status.desired.replicas"));
        current.into_iter().find(|series| most > 0.0 && series.points.iter().filter(|point| point.value >= most).count() * 2 > series.points.len())
    })
}

/// A metric of the autoscaler that stays below its target: name, value, target, where.
fn below_target<'a>(scope: &'a Scope<'_>, one: &Series<'a>) -> Option<(String, f64, f64, Series<'a>)> {
    let targets = of_same(scope, one, "spec.target.metric");
    of_same(scope, one, "status.target.metric").into_iter().find_map(|series| {
        let same = |other: &&Series<'_>| ["metric_name", "metric_target_type"].iter().all(|key| series.label(key) == other.label(key));
        let target = targets.iter().find(same)?.highest()?.value;
        let current = series.highest()?.value;
        (current < target).then(|| (series.label("metric_name").unwrap_or("its metric").to_owned(), current, target, series))
    })
}

#[allow(clippy::too_many_arguments)]
fn finding(
    scope: &Scope<'_>,
    rule: &Rule,
    service: Sym,
    load: &Load,
    slow: Window,
    calm: f64,
    kind: &str,
    held: &Series<'_>,
    most: f64,
    (metric, current, target): (&str, f64, f64),
) -> Finding {
    let names = &scope.case.tables.names;
    let level = load.stretch(slow);
    let mut finding = Finding::new(&rule.id, Subject { service: names.get(service).to_owned(), ..Subject::default() }, slow);
    kind.clone_into(&mut finding.kind);
    let ratio = level.p95_ms / calm;
    finding.severity = if level.failed_percent() >= rule.limit("failed_percent") { Severity::High } else { Severity::Medium };
    finding.score = score(ratio, rule.limit("vs_baseline"), rule.upper("vs_baseline"));
    finding.confidence =
        Belief::new().with("an autoscaler that does not act", Input::Metrics, 0.5).with("latency far above the calm one", load.input, 0.5).value();
    let seconds = round(slow.nanos() as f64 / SECOND as f64);
    finding
        .measure("replicas_after", most, "replicas")
        .measure("max_replicas", most, "replicas")
        .measure_against("slow_s", seconds, "s", rule.limit("lasting_s"))
        .measure("at_max_s", seconds, "s")
        .measure("p95_after_ms", round(level.p95_ms), "ms")
        .measure("p95_calm_ms", round(calm), "ms")
        .measure_against("times_calm", round(ratio), "times", rule.limit("ratio"))
        .measure("requests_after", level.requests, "requests")
        .measure("throughput_after", round(level.per_second), "requests per second")
        .measure("failed_after_percent", round(level.failed_percent()), "percent")
        .measure("metric_current", current, "")
        .measure("metric_target", target, "")
        .word("metric", metric)
        .word("limiter", "")
        .word("limiter_fix", "find in traces or thread dumps what requests wait for")
        .look_alike("A short peak", format!("excluded: it was slow for {seconds} s"))
        .look_alike("An autoscaler that is about to act", "excluded: it did not act within several of its rounds");
    finding.cite(held.points.first().map(|point| point.evidence));
    let mut slowest: Vec<_> = load.within(slow).iter().filter_map(|piece| Some((piece.nanos?, piece.evidence))).collect();
    slowest.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    finding.cite(slowest.into_iter().take(4).map(|(_, evidence)| evidence));
    finding.evidence_total = level.requests as u64 + 1;
    finding
}
