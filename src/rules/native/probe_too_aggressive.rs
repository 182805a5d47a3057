//! `probe-too-aggressive`: liveness checks that kill instances which only wait: for a collection, for the processor, for others.
//!
//! What this file does not do: restarts for other reasons, or checks that fail without a restart.

use crate::correlate::Case;
use crate::correlate::replicas::Homes;
use crate::correlate::throttle::throttled;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::platform::Event;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Time, Window};
use crate::rules::{Detector, Scope};
use std::collections::BTreeMap;

pub(crate) const DETECTOR: Detector =
    Detector { id: "probe-too-aggressive", thresholds: &["restarts", "near_s", "pause_s", "throttled_percent", "signs"], detect };

/// Signals that a dependency did not answer.
const DEPENDENCIES: [&str; 7] =
    ["db.unreachable", "db.connections-refused", "pool.timeout", "redis.timeout", "timeout.read", "timeout.connect", "timeout.deadline"];

/// What an instance waited for when it was killed.
struct Cause {
    text: String,
    kind: &'static str,
    input: Input,
    measure: (&'static str, f64, &'static str),
    evidence: Vec<Evidence>,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let loads = case.loads();
    let homes = Homes::of(case, loads);
    let names = &case.tables.names;
    let mut kills: BTreeMap<Sym, Vec<&Event>> = BTreeMap::new();
    for event in case.tables.events.iter().filter(|event| names.get(event.reason) == "Killing" && event.time.is_some()) {
        let told = names.get(event.message).contains("liveness probe");
        let failed = || {
            case.tables
                .events
                .iter()
                .any(|other| is_liveness(case, other) && other.object == event.object && event.time.since(other.time).abs() <= near(rule))
        };
        if told || failed() {
            kills.entry(event.service).or_default().push(event);
        }
    }
    for (workload, kills) in kills {
        let service = homes.of_workload(workload);
        // A process in a deadlock is beyond help; restarting it is right.
        let hangs = case.tables.deadlocks.iter().any(|row| case.tables.dumps.iter().any(|dump| dump.evidence == row.dump && dump.service == service));
        if !hangs && let Some(cause) = cause(case, rule, service, &homes, &kills) {
            out.push(finding(case, rule, service, &kills, &cause));
        }
    }
}

fn is_liveness(case: &Case, event: &Event) -> bool {
    case.tables.names.get(event.reason) == "Unhealthy" && case.tables.names.get(event.message).starts_with("Liveness")
}

fn near(rule: &Rule) -> i64 {
    (rule.limit("near_s") * SECOND as f64) as i64
}

/// What happened shortly before most of the restarts.
fn cause(case: &Case, rule: &Rule, service: Sym, homes: &Homes<'_>, kills: &[&Event]) -> Option<Cause> {
    let before: Vec<Window> = kills.iter().map(|kill| Window::of(kill.time.plus(-near(rule)), kill.time)).collect();
    let meets = |time: Time| before.iter().any(|window| window.holds(time));
    let pauses: Vec<_> = case
        .tables
        .gc
        .iter()
        .filter(|row| row.service == service && meets(row.time) && row.nanos as f64 >= rule.limit("pause_s") * SECOND as f64)
        .collect();
    if let Some(longest) = pauses.iter().map(|row| row.nanos).max() {
        return Some(Cause {
            text: format!("collections stopped it for up to {:.1} s", longest as f64 / SECOND as f64),
            kind: "gc",
            input: Input::GcLogs,
            measure: ("longest_pause_s", (longest as f64 / SECOND as f64 * 10.0).round() / 10.0, "s"),
            evidence: pauses.iter().map(|row| row.evidence).collect(),
        });
    }
    let stopped: Vec<_> = throttled(case, homes)
        .into_iter()
        .filter(|container| container.service == case.tables.names.get(service))
        .flat_map(|container| container.periods)
        .filter(|one| meets(one.time) && 100.0 * one.throttled >= rule.limit("throttled_percent") * one.all)
        .collect();
    if let Some(worst) = stopped.iter().map(|one| 100.0 * one.throttled / one.all).reduce(f64::max) {
        return Some(Cause {
            text: format!("its processor limit stopped it in {worst:.0} % of the periods"),
            kind: "throttling",
            input: Input::Metrics,
            measure: ("throttled_percent", worst.round(), "percent"),
            evidence: stopped.iter().map(|one| one.evidence).collect(),
        });
    }
    let names = &case.tables.names;
    let mut signs: BTreeMap<&str, Vec<Evidence>> = BTreeMap::new();
    for row in case.tables.signals.iter().filter(|row| row.service == service && meets(row.time) && DEPENDENCIES.contains(&names.get(row.signal))) {
        signs.entry(names.get(row.signal)).or_default().push(row.evidence);
    }
    let (signal, evidence) = signs.into_iter().max_by(|a, b| a.1.len().cmp(&b.1.len()).then(b.0.cmp(a.0)))?;
    (evidence.len() as f64 >= rule.limit("signs")).then(|| Cause {
        text: format!("something that it depends on did not answer ({signal}, {} records)", evidence.len()),
        kind: "dependency",
        input: Input::Logs,
        measure: ("dependency_errors", evidence.len() as f64, "records"),
        evidence,
    })
}

fn finding(case: &Case, rule: &Rule, service: Sym, kills: &[&Event], cause: &Cause) -> Finding {
    let mut window = Window::default();
    for kill in kills {
        window.add(if kill.first.is_some() { kill.first } else { kill.time });
        window.add(kill.time);
    }
    let failures: Vec<&Event> =
        case.tables.events.iter().filter(|event| is_liveness(case, event) && kills.iter().any(|kill| kill.object == event.object)).collect();
    let restarts: f64 = kills.iter().map(|kill| f64::from(kill.count)).sum();
    let pods: std::collections::BTreeSet<Sym> = kills.iter().map(|kill| kill.object).collect();
    let mut finding = Finding::new(&rule.id, Subject { service: case.tables.names.get(service).to_owned(), ..Subject::default() }, window);
    finding.severity = if restarts >= rule.upper("restarts") || pods.len() > 2 { Severity::High } else { Severity::Medium };
    finding.score = score(restarts, rule.limit("restarts"), rule.upper("restarts"));
    finding.confidence = Belief::new()
        .with("restarts after failed liveness checks", Input::Events, 0.5)
        .with("what it waited for shortly before", cause.input, 0.5)
        .with_if(restarts > 1.0, "several restarts", Input::Events, 0.2)
        .value();
    let (name, value, unit) = cause.measure;
    finding
        .measure_against("restarts", restarts, "restarts", rule.limit("restarts"))
        .measure("pods", pods.len() as f64, "pods")
        .measure("failed_checks", failures.iter().map(|event| f64::from(event.count)).sum(), "checks")
        .measure(name, value, unit)
        .word("cause", cause.text.clone())
        .look_alike("A process that really hangs", "excluded as far as thread dumps tell: none shows a deadlock")
        .look_alike("A start that takes too long", format!("excluded: {} was seen within {} s before", cause.kind, rule.limit("near_s")));
    finding.cite(kills.iter().take(3).map(|kill| kill.evidence));
    finding.cite(failures.iter().take(2).map(|event| event.evidence));
    finding.cite(cause.evidence.iter().take(3).copied());
    finding
}

#[cfg(test)]
mod tests {
    use crate::rules::fixture::{bundle, check, measured, rule};

    fn event(reason: &str, message: &str, time: &str) -> String {
        format!(
            "{{\"kind\":\"Event\",\"apiVersion\":\"v1\",\"involvedObject\":{{\"kind\":\"Pod\",\"name\":\"orders-7d9f8b6c5d-aaa01\"}},\"reason\":\"{reason}\",\"message\":\"{message}\",\"type\":\"Warning\",\"lastTimestamp\":\"2026-01-01T10:{time}Z\"}}\n"
        )
    }

    const PAUSE: &str = "[2026-01-01T10:05:20.000+0000][gc] GC(41) Pause Full (G1 Compaction Pause) 980M->970M(1024M) 6210.000ms\n";

    #[test]
    fn a_rollout_and_a_real_hang_are_healthy() {
        let rollout = event("Killing", "Stopping container orders", "05:30");
        assert!(check(&rule("probe-too-aggressive"), &bundle(&[("events.json", &rollout), ("orders/gc.log", PAUSE)]), None).is_empty());
        let killed = event("Killing", "Container orders failed liveness probe, will be restarted", "05:30");
        assert!(check(&rule("probe-too-aggressive"), &bundle(&[("events.json", &killed)]), None).is_empty(), "nothing else is known");
    }

    #[test]
    fn killed_in_the_middle_of_a_collection() {
        let events = event("Unhealthy", "Liveness probe failed: context deadline exceeded", "05:29")
            + &event("Killing", "Container orders failed liveness probe, will be restarted", "05:30");
        let found = check(&rule("probe-too-aggressive"), &bundle(&[("events.json", &events), ("orders/gc.log", PAUSE)]), None);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].subject.service.as_str(), measured(&found[0], "longest_pause_s")), ("orders", 6.2));
    }
}
