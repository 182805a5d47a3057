//! `circuit-breaker-flapping`: a breaker that opens again as soon as it lets calls through.
//!
//! Half open it tries a few calls. If they fail, the called side has not recovered, and opening again is right. If they go
//! well, it closes, and the full load knocks the called side over: then the recovery itself is the trouble, the more so if
//! all instances let their load go at the same moment.
//!
//! What this file does not do: ask whether the breaker protects anybody; that is `ineffective-circuit-breaker`.

use crate::correlate::breaker::{Breaker, State, Turn, breakers};
use crate::correlate::series::median;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::rule::Rule;
use crate::model::time::{SECOND, Window};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};

pub(crate) const DETECTOR: Detector = Detector {
    id: "circuit-breaker-flapping",
    thresholds: &["rounds", "within", "relapses", "closed_for", "together", "instances", "together_percent"],
    detect,
};

/// What the turns of one instance come to.
#[derive(Default)]
struct Rounds<'a> {
    /// Turns from half open to open: the try failed.
    failed: Vec<&'a Turn>,
    /// Turns to open after a short time closed: the try went well, the load did not.
    relapsed: Vec<&'a Turn>,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    for breaker in breakers(scope.case) {
        let by_instance: Vec<Rounds<'_>> = breaker.turns.chunk_by(|a, b| a.instance == b.instance).map(|turns| rounds(rule, turns)).collect();
        let again: Vec<&Turn> = by_instance.iter().flat_map(|rounds| rounds.failed.iter().chain(&rounds.relapsed).copied()).collect();
        let most = by_instance.iter().map(|rounds| crowded(rule, rounds)).max().unwrap_or(0);
        if most as f64 >= rule.limit("rounds") {
            out.push(finding(scope, rule, &breaker, &by_instance, most, again));
        }
    }
}

fn rounds<'a>(rule: &Rule, turns: &'a [Turn]) -> Rounds<'a> {
    let mut rounds = Rounds::default();
    for (at, turn) in turns.iter().enumerate().filter(|(at, turn)| *at > 0 && turn.to == State::Open) {
        let Some(before) = turns.get(at - 1) else { continue };
        let stood = turn.time.since(before.time);
        match before.to {
            State::HalfOpen => rounds.failed.push(turn),
            State::Closed if at > 1 && stood as f64 <= rule.limit("closed_for") * SECOND as f64 => rounds.relapsed.push(turn),
            _ => {}
        }
    }
    rounds
}

/// The most openings anew within the time that the rule looks at.
fn crowded(rule: &Rule, rounds: &Rounds<'_>) -> usize {
    let mut times: Vec<i64> = rounds.failed.iter().chain(&rounds.relapsed).map(|turn| turn.time.0).collect();
    times.sort_unstable();
    let width = (rule.limit("within") * SECOND as f64) as i64;
    times.iter().enumerate().map(|(at, time)| times.partition_point(|other| *other <= time.saturating_add(width)) - at).max().unwrap_or(0)
}

/// How many per cent of the openings anew were shared by half of the instances.
fn together(rule: &Rule, by_instance: &[Rounds<'_>]) -> f64 {
    let width = (rule.limit("together") * SECOND as f64) as i64;
    let mut all: Vec<(i64, usize)> = by_instance
        .iter()
        .enumerate()
        .flat_map(|(n, rounds)| rounds.failed.iter().chain(&rounds.relapsed).map(move |turn| (turn.time.0, n)))
        .collect();
    all.sort_unstable();
    let shared = all.iter().filter(|(time, _)| {
        let from = all.partition_point(|(other, _)| *other < time.saturating_sub(width));
        let until = all.partition_point(|(other, _)| *other <= time.saturating_add(width));
        let mut others: Vec<usize> = all.get(from..until).unwrap_or_default().iter().map(|(_, n)| *n).collect();
        others.sort_unstable();
        others.dedup();
        2 * others.len() >= by_instance.len()
    });
    100.0 * shared.count() as f64 / all.len().max(1) as f64
}

fn finding(scope: &Scope<'_>, rule: &Rule, breaker: &Breaker, by_instance: &[Rounds<'_>], most: usize, mut again: Vec<&Turn>) -> Finding {
    let names = &scope.case.tables.names;
    again.sort_by_key(|turn| (turn.time, turn.evidence));
    let mut window = Window::default();
    breaker.turns.iter().filter(|turn| turn.time.is_some()).for_each(|turn| window.add(turn.time));
    let subject = Subject { service: names.get(breaker.service).to_owned(), operation: breaker.name.clone(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    let relapses: usize = by_instance.iter().map(|rounds| rounds.relapsed.len()).sum();
    let failed: usize = by_instance.iter().map(|rounds| rounds.failed.len()).sum();
    let shared = together(rule, by_instance);
    let in_step = by_instance.len() as f64 >= rule.limit("instances") && shared >= rule.limit("together_percent");
    let overrun = relapses as f64 >= rule.limit("relapses");
    if in_step || overrun {
        "thundering-recovery".clone_into(&mut finding.kind);
    }
    finding.severity = if in_step || overrun { Severity::Medium } else { Severity::Low };
    finding.score = score(most as f64, rule.limit("rounds"), rule.upper("rounds"));
    let input = if breaker.turns_logged { Input::Logs } else { Input::Metrics };
    finding.confidence = Belief::new()
        .with("changes of state", input, if breaker.turns_logged { 0.85 } else { 0.6 })
        .with_if(in_step, "instances that turn at the same moment", input, 0.4)
        .with_if(overrun, "closed and knocked over again", input, 0.4)
        .value();
    let pauses = again
        .windows(2)
        .filter_map(|pair| Some(pair.get(1)?.time.since(pair.first()?.time) as f64 / 1e9))
        .filter(|seconds| *seconds > rule.limit("together"));
    finding
        .measure_against("rounds", most as f64, "openings anew of one instance", rule.limit("rounds"))
        .measure("failed_tries", failed as f64, "turns from half open to open")
        .measure("relapses", relapses as f64, "openings soon after closing")
        .measure("transitions", breaker.turns.len() as f64, "changes of state")
        .measure("to_open", breaker.turned(State::Open) as f64, "times")
        .measure("not_permitted", breaker.rejected as f64, "calls")
        .measure("instances", by_instance.len() as f64, "instances")
        .measure("together_percent", round(shared), "percent of openings anew");
    if let Some(pause) = median(pauses) {
        finding.measure("every", round(pause), "s");
    }
    finding
        .word("breaker", if breaker.name.is_empty() { "circuit breaker".to_owned() } else { format!("circuit breaker '{}'", breaker.name) })
        .look_alike(
            "A called side that has not recovered yet",
            if overrun {
                "excluded: calls went well while it was half open"
            } else {
                "not excluded: every try failed, so that opening again is right"
            },
        )
        .look_alike(
            "Instances that fail together because the called side fails for all",
            if in_step {
                "not excluded: they do turn at the same moment; what matters is that they let their load go together"
            } else {
                "excluded: they do not turn together"
            },
        );
    if !breaker.turns_logged {
        finding.missing.push("the breaker's events in the log: a gauge shows only every scrape".to_owned());
    }
    finding.cite(again.iter().map(|turn| turn.evidence));
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::Case;
    use crate::rules::fixture::{bundle, check, measured, rule};

    /// The log of an instance: seconds, from, to.
    fn log(turns: &[(u32, &str, &str)]) -> String {
        let line = |(at, from, to): &(u32, &str, &str)| {
            format!(
                "2026-01-01 10:{:02}:{:02}.100  WARN 1 --- [nio-8080-exec-1] c.a.Events : CircuitBreaker 'stock' changed state from {from} to {to}\n",
                at / 60,
                at % 60
            )
        };
        turns.iter().map(line).collect()
    }

    fn cycle(rounds: u32, every: u32) -> Vec<(u32, &'static str, &'static str)> {
        let mut turns = vec![(0, "CLOSED", "OPEN")];
        for n in 1..=rounds {
            turns.extend([(n * every, "OPEN", "HALF_OPEN"), (n * every + 2, "HALF_OPEN", "OPEN")]);
        }
        turns
    }

    fn found(case: &Case) -> Vec<Finding> {
        check(&rule("circuit-breaker-flapping"), case, None)
    }

    #[test]
    fn one_opening_and_a_recovery_are_silent() {
        let calm =
            [(0, "CLOSED", "OPEN"), (30, "OPEN", "HALF_OPEN"), (31, "HALF_OPEN", "CLOSED"), (400, "CLOSED", "OPEN"), (430, "OPEN", "HALF_OPEN")];
        assert!(found(&bundle(&[("orders/app.log", &log(&calm))])).is_empty());
        assert!(found(&bundle(&[("orders/app.log", &log(&cycle(2, 60)))])).is_empty());
    }

    #[test]
    fn a_side_that_stays_broken_is_only_noted() {
        let findings = found(&bundle(&[("orders/app.log", &log(&cycle(6, 10)))]));
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.severity, finding.kind.as_str()), (Severity::Low, ""));
        assert_eq!((measured(finding, "failed_tries"), measured(finding, "every"), measured(finding, "transitions")), (6.0, 10.0, 13.0));
    }

    #[test]
    fn a_recovery_that_knocks_it_over_again() {
        let mut turns = vec![(0, "CLOSED", "OPEN")];
        for n in 1..=5 {
            turns.extend([(n * 40, "OPEN", "HALF_OPEN"), (n * 40 + 1, "HALF_OPEN", "CLOSED"), (n * 40 + 9, "CLOSED", "OPEN")]);
        }
        let findings = found(&bundle(&[("orders/app.log", &log(&turns))]));
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.severity, finding.kind.as_str(), measured(finding, "relapses")), (Severity::Medium, "thundering-recovery", 5.0));
    }

    #[test]
    fn instances_in_step() {
        let text = log(&cycle(5, 60));
        let paths: Vec<String> = (0..8).map(|n| format!("orders-{n}/app.log")).collect();
        let files: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), text.as_str())).collect();
        let findings = found(&bundle(&files));
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!(
            (finding.kind.as_str(), measured(finding, "instances"), measured(finding, "together_percent")),
            ("thundering-recovery", 8.0, 100.0)
        );
    }
}
