//! `probe-flapping`: readiness that comes and goes.
//!
//! What this file does not do: one outage, however long; it goes once and comes once.

use crate::correlate::Case;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{MINUTE, SECOND, Time, Window};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::BTreeMap;

pub(crate) const DETECTOR: Detector = Detector { id: "probe-flapping", thresholds: &["transitions", "within_s"], detect };

/// An answer about readiness.
struct Answer {
    time: Time,
    ready: bool,
    evidence: Evidence,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    for ((service, instance), (input, answers)) in answers(scope.case) {
        out.extend(finding(scope.case, rule, service, &instance, input, &answers));
    }
}

/// What is known of the readiness of every instance, by time: answers of checks, else the platform's or its own account.
fn answers(case: &Case) -> BTreeMap<(Sym, String), (Input, Vec<Answer>)> {
    let names = &case.tables.names;
    let mut all: BTreeMap<(Sym, String), (Input, Vec<Answer>)> = BTreeMap::new();
    for series in ["kube.pod.status.ready", "k8s.container.ready", "kube.pod.container.status.ready"].iter().flat_map(|metric| case.series(metric)) {
        if matches!(series.label("condition"), Some("false" | "unknown")) {
            continue;
        }
        let pod = series.label("pod").or_else(|| series.label("k8s.pod.name")).unwrap_or_else(|| names.get(series.instance)).to_owned();
        let points = series.points.iter().filter(|point| point.time.is_some());
        let answers = points.map(|point| Answer { time: point.time, ready: point.value > 0.0, evidence: point.evidence }).collect();
        all.entry((series.service, pod)).or_insert((Input::Metrics, answers));
    }
    if let Some(signal) = names.find("health.readiness") {
        let mut own: BTreeMap<(Sym, String), Vec<Answer>> = BTreeMap::new();
        for row in case.tables.signals.iter().filter(|row| row.signal == signal) {
            let answer = Answer { time: row.time, ready: names.get(row.key) == "ACCEPTING_TRAFFIC", evidence: row.evidence };
            own.entry((row.service, names.get(row.instance).to_owned())).or_default().push(answer);
        }
        all.extend(own.into_iter().map(|(key, answers)| (key, (Input::Logs, answers))));
    }
    // Several things may be asked of one instance; a liveness check says nothing of readiness.
    let mut asked: BTreeMap<(Sym, String, Sym), Vec<Answer>> = BTreeMap::new();
    for row in case.served().iter().filter(|row| row.probe && is_readiness(names.get(row.operation))) {
        let answer = Answer { time: row.time, ready: row.well, evidence: row.evidence };
        asked.entry((row.service, names.get(row.instance).to_owned(), row.operation)).or_default().push(answer);
    }
    for ((service, instance, _), answers) in asked {
        all.insert((service, instance), (Input::Requests, answers));
    }
    all
}

fn is_readiness(operation: &str) -> bool {
    let lower = operation.to_ascii_lowercase();
    !["live", "metrics", "prometheus", "actuator/info", "startup"].iter().any(|word| lower.contains(word))
}

fn finding(case: &Case, rule: &Rule, service: Sym, instance: &str, input: Input, answers: &[Answer]) -> Option<Finding> {
    // Until the first good answer an instance is starting.
    let started = answers.iter().position(|answer| answer.ready)?;
    let lived = answers.get(started..)?;
    let turns: Vec<&Answer> = lived.windows(2).filter(|pair| pair[0].ready != pair[1].ready).map(|pair| &pair[1]).collect();
    let within = (rule.limit("within_s") * SECOND as f64) as i64;
    let mut best: &[&Answer] = &[];
    let mut from = 0;
    for to in 0..turns.len() {
        while turns[to].time.since(turns[from].time) > within {
            from += 1;
        }
        if to + 1 - from > best.len() {
            best = turns.get(from..=to)?;
        }
    }
    let (first, last) = (best.first()?, best.last()?);
    if (best.len() as f64) < rule.limit("transitions") {
        return None;
    }
    let window = Window::of(first.time, last.time);
    let inside: Vec<&Answer> = lived.iter().filter(|answer| window.holds(answer.time)).collect();
    let failed = inside.iter().filter(|answer| !answer.ready).count();
    let subject = Subject { service: case.tables.names.get(service).to_owned(), key: instance.to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    finding.severity = Severity::Medium;
    finding.score = score(best.len() as f64, rule.limit("transitions"), rule.upper("transitions"));
    finding.confidence = Belief::new().with("answers about readiness", input, 0.75).value();
    finding
        .measure_against("transitions", best.len() as f64, "changes", rule.limit("transitions"))
        .measure("failed", failed as f64, "checks")
        .measure("probes", inside.len() as f64, "checks")
        .measure("minutes", round(window.nanos() as f64 / MINUTE as f64), "minutes")
        .look_alike("A start", "excluded: what comes before the first good answer does not count")
        .look_alike("One outage", "excluded: it goes once and comes once");
    finding.cite(best.iter().map(|answer| answer.evidence));
    Some(finding)
}

#[cfg(test)]
mod tests {
    use crate::rules::fixture::{bundle, check, measured, rule};

    fn found(path: &str, ready: impl Fn(u32) -> bool) -> Vec<crate::model::finding::Finding> {
        let log: String = (0..120_u32)
            .map(|n| {
                let (second, status) = (n * 5, if ready(n) { 200 } else { 503 });
                format!(
                    "10.0.0.9 - - [01/Jan/2026:10:{:02}:{:02} +0000] \"GET {path} HTTP/1.1\" {status} 16 \"-\" \"kube-probe/1.29\"\n",
                    second / 60,
                    second % 60
                )
            })
            .collect();
        check(&rule("probe-flapping"), &bundle(&[("orders-7d9f8b6c5d-aaaaa/access.log", &log)]), None)
    }

    #[test]
    fn a_start_and_one_outage_are_healthy() {
        assert!(found("/actuator/health/readiness", |n| n > 12 && n % 40 != 100).is_empty());
        assert!(found("/actuator/health/readiness", |n| !(40..60).contains(&n)).is_empty());
        assert!(found("/actuator/health/liveness", |n| n % 6 > 1).is_empty(), "liveness");
    }

    #[test]
    fn in_and_out_again_and_again() {
        let found = found("/actuator/health/readiness", |n| n % 20 > 5);
        assert_eq!((found.len(), found[0].subject.service.as_str()), (1, "orders"), "{found:?}");
        assert!(measured(&found[0], "transitions") >= 8.0);
    }
}
