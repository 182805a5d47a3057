//! `cpu-throttling`: containers that the kernel stops because they have used up their share of the processor.
//!
//! What this file does not do: say what the processor was used for.

use crate::correlate::Case;
use crate::correlate::load::Load;
use crate::correlate::replicas::Homes;
use crate::correlate::throttle::{Periods, Throttled, throttled};
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::rule::Rule;
use crate::model::time::{SECOND, Window};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::BTreeMap;

pub(crate) const DETECTOR: Detector = Detector { id: "cpu-throttling", thresholds: &["percent", "lasting_s", "slower", "requests"], detect };

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let loads = scope.case.loads();
    let homes = Homes::of(scope.case, loads);
    let mut worst: BTreeMap<String, (f64, Throttled, Window)> = BTreeMap::new();
    for container in throttled(scope.case, &homes) {
        let Some(window) = longest(rule, &container.periods) else { continue };
        let (all, stopped) = sums(&container.periods, window);
        let percent = 100.0 * stopped / all.max(1.0);
        if worst.get(&container.service).is_none_or(|(most, ..)| percent > *most) {
            worst.insert(container.service.clone(), (percent, container, window));
        }
    }
    for (service, (percent, container, window)) in worst {
        let load = scope.case.tables.names.find(&service).and_then(|service| loads.get(&service));
        out.push(finding(scope.case, rule, &service, percent, &container, window, load));
    }
}

/// The longest time in which each point says that the container was stopped too often.
fn longest(rule: &Rule, periods: &[Periods]) -> Option<Window> {
    let bad = |one: &Periods| 100.0 * one.throttled >= rule.limit("percent") * one.all;
    let mut best: Option<Window> = None;
    let mut at = 0_usize;
    for run in periods.chunk_by(|a, b| bad(a) == bad(b)) {
        // The first gain of a run began at the point before it.
        let before = at.checked_sub(1).and_then(|before| periods.get(before)).map(|one| one.time);
        at += run.len();
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let window = Window::of(before.unwrap_or(first.time), last.time);
        if bad(first) && window.nanos() as f64 >= rule.limit("lasting_s") * SECOND as f64 && best.is_none_or(|best| window.nanos() > best.nanos()) {
            best = Some(window);
        }
    }
    best
}

fn sums(periods: &[Periods], window: Window) -> (f64, f64) {
    // What a point counts lies before it.
    periods
        .iter()
        .filter(|one| window.holds(one.time) && one.time > window.start)
        .fold((0.0, 0.0), |(all, stopped), one| (all + one.all, stopped + one.throttled))
}

fn finding(case: &Case, rule: &Rule, service: &str, percent: f64, container: &Throttled, window: Window, load: Option<&Load>) -> Finding {
    let subject = Subject { service: service.to_owned(), key: container.instance.clone(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    let (all, stopped) = sums(&container.periods, window);
    let compared = load.and_then(|load| {
        let (inside, before) = (load.stretch(window), load.stretch(Window::of(load.window().start, window.start.plus(-1))));
        (inside.requests.min(before.requests) >= rule.limit("requests")).then_some((before, inside))
    });
    let slower = compared.is_some_and(|(before, inside)| inside.p95_ms >= rule.limit("slower") * before.p95_ms);
    finding.severity = match (percent >= rule.upper("percent"), slower) {
        (true, true) => Severity::High,
        (true, false) | (false, true) => Severity::Medium,
        (false, false) => Severity::Low,
    };
    finding.score = score(percent, rule.limit("percent"), rule.upper("percent"));
    finding.confidence = Belief::new()
        .with("the kernel's counters", Input::Metrics, 0.75)
        .with_if(slower, "requests that are slower meanwhile", load.map_or(Input::Metrics, |load| load.input), 0.4)
        .value();
    let limit = case
        .tables
        .settings
        .iter()
        .find(|row| case.tables.names.get(row.service) == service && case.tables.names.get(row.key).ends_with("limits.cpu"));
    finding
        .measure_against("percent", round(percent), "percent", rule.limit("percent"))
        .measure("throttled", stopped, "periods")
        .measure("periods", all, "periods")
        .measure("lasting_s", round(window.nanos() as f64 / SECOND as f64), "s");
    if let Some((before, inside)) = compared {
        finding.measure("p95_before_ms", round(before.p95_ms), "ms").measure("p95_ms", round(inside.p95_ms), "ms");
    }
    let told =
        compared.filter(|_| slower).map(|(before, inside)| format!("Its p95 went from {} to {} ms.", round(before.p95_ms), round(inside.p95_ms)));
    finding
        .word("slower", told.unwrap_or_default())
        .word("limit", limit.map_or(String::new(), |row| format!("Its limit is {}.", case.tables.names.get(row.value))))
        .look_alike("A start", "excluded: it lasted longer than a start")
        .look_alike("Throttling that nobody feels", if slower { "excluded: requests were slower meanwhile" } else { "not excluded" });
    finding.cite(container.periods.iter().filter(|one| window.holds(one.time)).map(|one| one.evidence));
    finding
}

#[cfg(test)]
mod tests {
    use crate::rules::fixture::{bundle, check, measured, rule};

    fn found(stopped: impl Fn(i64) -> i64) -> Vec<crate::model::finding::Finding> {
        let mut sum = 0;
        let text: String = (0..40_i64)
            .map(|n| {
                sum += stopped(n);
                let at = 1_795_428_000_000 + n * 15_000;
                let labels = "pod=\"orders-7d9f8b6c5d-aaa01\",container=\"orders\"";
                format!(
                    "container_cpu_cfs_periods_total{{{labels}}} {} {at}\ncontainer_cpu_cfs_throttled_periods_total{{{labels}}} {} {at}\n",
                    1000 + n * 150,
                    50 + sum
                )
            })
            .collect();
        check(&rule("cpu-throttling"), &bundle(&[("cadvisor/metrics.prom", &text)]), None)
    }

    #[test]
    fn a_start_and_a_little_are_healthy() {
        assert!(found(|n| if n < 3 { 90 } else { 2 }).is_empty());
        assert!(found(|_| 10).is_empty());
        assert!(found(|_| 0).is_empty());
    }

    #[test]
    fn stopped_in_every_third_period() {
        let found = found(|n| if n >= 20 { 50 } else { 1 });
        assert_eq!((found.len(), found[0].subject.service.as_str()), (1, "orders"));
        assert!((measured(&found[0], "percent") - 33.3).abs() < 0.2, "{found:?}");
        assert_eq!(measured(&found[0], "lasting_s"), 300.0);
    }
}
