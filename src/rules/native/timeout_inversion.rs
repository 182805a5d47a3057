//! `timeout-inversion`: a caller that gives up before the side it asked can be done, so that work goes on for nobody.
//!
//! Seen directly, the called side's span outlives the call that asked for it. Whether that is an inversion or only a slow day
//! tells the ladder: what the called side may need for its own calls, with all attempts and pauses, against what its
//! caller waits.
//!
//! What this file does not do: gateways, which have `gateway-timeout-inversion`; and messages, for which nobody waits.

use crate::correlate::Case;
use crate::correlate::attempts::Attempts;
use crate::correlate::calls::Party;
use crate::correlate::graph::Timeline;
use crate::model::amount::millis;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::time::Window;
use crate::rules::native::retry_storm::round;
use crate::rules::native::timeouts::{Patience, patience};
use crate::rules::{Detector, Scope};
use std::collections::BTreeMap;

pub(crate) const DETECTOR: Detector =
    Detector { id: "timeout-inversion", thresholds: &["orphans", "orphans_percent", "busy_percent", "margin_percent", "failing_percent"], detect };

/// The next step down: whom the called side asks, and how long it may wait for it in all.
struct Below {
    to: Party,
    budget: u64,
    patience: Patience,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let all = patience(case);
    let mut pairs: BTreeMap<(Sym, Party), Attempts> = BTreeMap::new();
    for (key, attempts) in &case.context.chains.edges {
        pairs.entry((key.from, key.to)).or_default().merge(attempts.clone());
    }
    for (&(from, to), above) in &all {
        let attempts = pairs.remove(&(from, to)).unwrap_or_default();
        let below = below(&all, to);
        let timeouts = attempts.timed_out.count();
        let orphaned =
            attempts.orphaned as f64 >= rule.limit("orphans") && 100.0 * attempts.orphaned as f64 >= rule.limit("orphans_percent") * timeouts as f64;
        let inverted = below.as_ref().filter(|below| {
            let margin = 1.0 + rule.limit("margin_percent") / 100.0;
            above.timeout.is_some_and(|timeout| below.budget as f64 >= timeout as f64 * margin)
        });
        // What only the configuration tells on both sides has not hurt anybody yet.
        let counts = orphaned || inverted.is_some_and(|below| above.seen > 0 || below.patience.seen > 0 || !above.settings.is_empty());
        if counts && above.timeout.is_some() {
            out.extend(finding(case, rule, (from, to), (above, &attempts), inverted, orphaned));
        }
    }
}

/// Of all sides that a service calls and waits for, the one it may wait for longest.
fn below(all: &BTreeMap<(Sym, Party), Patience>, service: Party) -> Option<Below> {
    let own = all.range((service.name, Party::default())..).take_while(|((from, _), _)| *from == service.name);
    let budgets = own
        .filter(|((_, to), _)| *to != service)
        .filter_map(|((_, to), patience)| Some(Below { to: *to, budget: patience.budget()?, patience: patience.clone() }));
    budgets.max_by_key(|below| (below.budget, std::cmp::Reverse(below.to))).filter(|_| service.system.is_none())
}

fn finding(
    case: &Case,
    rule: &Rule,
    (from, to): (Sym, Party),
    (above, attempts): (&Patience, &Attempts),
    inverted: Option<&Below>,
    orphaned: bool,
) -> Option<Finding> {
    let names = &case.tables.names;
    let timeout = above.timeout?;
    let subject = Subject { service: names.get(from).to_owned(), peer: to.text(names), ..Subject::default() };
    let mut window = Window::default();
    attempts.orphans.iter().for_each(|(time, ..)| window.add(*time));
    window.join(attempts.window);
    let window = if window.start.is_none() { case.context.window } else { window };
    let mut finding = Finding::new(&rule.id, subject, window);
    let mut served = Timeline::default();
    case.context.graph.node(to)?.served.values().for_each(|line| served.merge(line));
    let (calls, busy) = {
        let total = served.total();
        (total.calls, total.nanos.sum())
    };
    let wasted = 100.0 * attempts.orphaned_nanos as f64 / busy.max(1) as f64;
    let edge = case.context.graph.edge(Party::service(from), to)?.timeline().total();
    let failing = edge.error_ratio() * 100.0;
    let costly = wasted >= rule.limit("busy_percent");
    finding.severity = match (orphaned, inverted.is_some()) {
        (true, true) if costly || failing >= rule.limit("failing_percent") => Severity::High,
        (true, true) => Severity::Medium,
        (true, false) if costly => Severity::Medium,
        _ => Severity::Low,
    };
    finding.kind = if inverted.is_some() { "ladder".to_owned() } else { String::new() };
    finding.score = score((attempts.orphaned as f64).max(1.0), rule.limit("orphans"), rule.upper("orphans"));
    finding.confidence = Belief::new()
        .with_if(orphaned, "work that outlives the call that asked for it", Input::Spans, 0.6)
        .with_if(above.seen > 0, "calls that all end after the same time", Input::Spans, 0.3)
        .with_if(inverted.is_some(), "a caller that waits less than its callee may need", Input::Spans, 0.4)
        .with_if(
            inverted.is_some_and(|below| !below.patience.settings.is_empty()) || !above.settings.is_empty(),
            "timeouts in the configuration",
            Input::Configs,
            0.4,
        )
        .value();
    let seconds = |nanos: u64| round(nanos as f64 / 1e9);
    finding
        .measure("timeout_s", seconds(timeout), "s")
        .measure("timeouts", attempts.timed_out.count() as f64, "calls")
        .measure_against("orphaned", attempts.orphaned as f64, "requests", rule.limit("orphans"))
        .measure("orphaned_work_s", seconds(attempts.orphaned_nanos), "s")
        .measure("orphaned_work_percent", round(wasted), "percent of the callee's time")
        .measure("callee_p50", round(served.total().nanos.p50() as f64 / 1e6), "ms")
        .measure("callee_p99", round(served.total().nanos.p99() as f64 / 1e6), "ms")
        .measure("callee_requests", calls as f64, "requests")
        .measure("calls", edge.calls as f64, "calls")
        .measure("failing_percent", round(failing), "percent of calls");
    if let Some(below) = inverted {
        finding.services.push(below.to.text(names));
        finding
            .measure("callee_budget_s", seconds(below.budget), "s")
            .measure("callee_timeout_s", seconds(below.patience.timeout.unwrap_or(0)), "s")
            .measure("callee_attempts", f64::from(below.patience.attempts), "attempts")
            .word("below", below.to.text(names));
    }
    let told = attempts.orphaned > 0;
    finding.word(
        "proof",
        if told {
            format!(
                "{} requests were worked on after their caller had left, for {} in all.",
                attempts.orphaned,
                millis(attempts.orphaned_nanos as f64 / 1e6)
            )
        } else {
            "So far nobody was seen to work on after the caller had left.".to_owned()
        },
    );
    finding
        .look_alike("Work that goes on by design", "excluded: only calls that their caller waited for and gave up")
        .look_alike("Clocks that differ", "excluded: times of the two sides are compared after the shift between them is taken out")
        .look_alike(
            "A callee that is only slow today",
            if inverted.is_some() {
                "excluded: its own calls may take longer than its caller waits"
            } else {
                "not excluded: nothing tells how long it may take"
            },
        );
    finding.traces = attempts.orphans.iter().map(|(_, trace, _)| *trace).take(8).collect();
    finding.cite(attempts.orphans.iter().map(|(.., evidence)| *evidence));
    finding.cite(inverted.iter().flat_map(|below| below.patience.settings.iter().copied()).chain(above.settings.iter().copied()));
    finding.cite(attempts.examples.iter().flat_map(|chain| chain.evidence.iter().copied()));
    finding.evidence_total = finding.evidence_total.max(attempts.orphaned);
    (!finding.evidence.is_empty()).then_some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::{case, given, many};
    use crate::correlate::gather::gather;
    use crate::model::platform::Setting;
    use crate::rules::fixture::{check, measured, rule};

    fn found(text: &str) -> Vec<Finding> {
        check(&rule("timeout-inversion"), &case(text), None)
    }

    #[test]
    fn calls_that_are_answered_or_handed_over_are_silent() {
        let calm = many(0..100, 500, |n| format!("  a GET / 0-90\n    > b GET /x 1-{0} 200\n      b GET /x 2-{0} 200\n", 60 + n % 9));
        let message = many(0..100, 500, |_| "  a POST /o 0-20 202\n    >> kafka orders 5-8 system=kafka\n      << b orders 9-5009\n".to_owned());
        let dead = many(0..100, 500, |_| "  a GET / 0-2010 !504\n    > b GET /x 1-2001 !timeout\n      b GET /x 2-1900 !500\n".to_owned());
        for text in [&calm, &message, &dead] {
            assert!(found(text).is_empty(), "{:?}", found(text));
        }
    }

    #[test]
    fn work_that_outlives_its_caller() {
        let text = many(0..40, 4000, |n| {
            if n % 5 == 0 {
                format!("  a GET / 0-2010 !504\n    > b GET /x 1-{} !timeout\n      b GET /x 3-{} 200\n", 2001 + n % 3, 2600 + n * 10)
            } else {
                "  a GET / 0-2010 200\n    > b GET /x 1-60 200\n      b GET /x 3-59 200\n".to_owned()
            }
        });
        let findings = found(&text);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.subject.service.as_str(), finding.subject.peer.as_str(), finding.severity), ("a", "b", Severity::Medium));
        assert_eq!((measured(finding, "orphaned"), measured(finding, "timeout_s")), (8.0, 2.0));
        assert!(measured(finding, "orphaned_work_s") >= 4.8, "{finding:?}");
    }

    /// The callee tries three times a second and a half, its caller waits two seconds.
    fn ladder(n: u32) -> String {
        format!(
            "  a GET / 0-2010 !504\n    > b GET /x 1-{} !timeout\n      b GET /x 3-5505 !502\n        > c GET /y 5-1505 !timeout\n        > c GET /y 2005-3505 !timeout\n        > c GET /y 4005-5505 !timeout\n",
            2001 + n % 3
        )
    }

    #[test]
    fn a_ladder_upside_down() {
        let findings = found(&many(0..40, 6000, ladder));
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.kind.as_str(), finding.severity, finding.services.as_slice()), ("ladder", Severity::High, ["c".to_owned()].as_slice()));
        assert_eq!((measured(finding, "callee_attempts"), measured(finding, "orphaned")), (3.0, 40.0));
        assert!(
            (measured(finding, "callee_budget_s") - 5.5).abs() < 0.1 && (measured(finding, "orphaned_work_s") - 140.0).abs() < 3.0,
            "{finding:?}"
        );
    }

    #[test]
    fn a_ladder_of_settings_is_a_risk() {
        let mut tables = given(&many(0..40, 500, |_| {
            "  a GET / 0-90\n    > b GET /x 1-60 200\n      b GET /x 2-59 200\n        > c GET /y 3-50 200\n".to_owned()
        }));
        for (service, key, value) in [
            ("a", "http.clients.b.readtimeout", "2s"),
            ("b", "http.clients.c.readtimeout", "1500ms"),
            ("b", "resilience4j.retry.instances.c.maxattempts", "3"),
        ] {
            let evidence = tables.spans[0].evidence;
            let row = Setting {
                service: tables.names.intern(service),
                profile: Sym::NONE,
                key: tables.names.intern(key),
                value: tables.names.intern(value),
                evidence,
            };
            tables.settings.push(row);
        }
        let findings = check(&rule("timeout-inversion"), &gather(tables), None);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.severity, measured(finding, "callee_budget_s"), measured(finding, "timeout_s")), (Severity::Low, 4.5, 2.0));
    }
}
