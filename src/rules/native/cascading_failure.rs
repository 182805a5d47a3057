//! `cascading-failure`: one failing or slow side takes down services that are well themselves.
//!
//! The culprit is the deepest side that suffers; those that call it, directly or not, and began to suffer with it or after
//! it are what it takes down. The surest sign is an operation that never reaches the culprit and suffers all the same: its
//! service has run out of threads or connections, all of which wait elsewhere.
//!
//! What this file does not do: say what is wrong with the culprit, or find fewer than two that suffer from it: that is
//! `slow-downstream`.

mod suffering;

use crate::correlate::calls::Party;
use crate::correlate::{Case, Context};
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::time::{SECOND, Window};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};
use suffering::{Operation, Suffering, Touched, all, entries, suffering, touched};

pub(crate) const DETECTOR: Detector = Detector {
    id: "cascading-failure",
    thresholds: &[
        "p95_ratio",
        "p95_delta",
        "change_score",
        "errors_points",
        "requests",
        "callers",
        "through_percent",
        "innocent_bad",
        "failing_percent",
        "much_slower",
    ],
    detect,
};

/// A side and those it takes down.
struct Cascade {
    culprit: Party,
    own: Suffering,
    /// Callers in the order in which they began to suffer.
    victims: Vec<(Party, Suffering)>,
    /// Operations of victims that never reach the culprit and suffer all the same.
    innocent: BTreeMap<Operation, Suffering>,
    touched: BTreeMap<Operation, Touched>,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let context = &scope.case.context;
    let suffering = all(scope.case, rule);
    for (&culprit, own) in &suffering {
        let deeper = suffering.keys().any(|other| *other != culprit && context.graph.path(culprit, *other).is_some());
        if !deeper {
            out.extend(cascade(scope.case, rule, culprit, own, &suffering).map(|cascade| finding(scope.case, rule, &cascade)));
        }
    }
}

fn cascade(case: &Case, rule: &Rule, culprit: Party, own: &Suffering, all: &BTreeMap<Party, Suffering>) -> Option<Cascade> {
    let context = &case.context;
    let slack = (2 * context.bucket).max(SECOND);
    let above = all.iter().filter(|(party, _)| **party != culprit && context.graph.path(**party, culprit).is_some());
    let mut victims: Vec<(Party, Suffering)> = above.map(|(party, suffering)| (*party, suffering.clone())).collect();
    // Whoever began well before the culprit has trouble of its own, or brings the load.
    if victims.iter().any(|(_, victim)| victim.window.start.plus(4 * slack) < own.window.start && victim.window.end >= own.window.start) {
        return None;
    }
    victims.retain(|(_, victim)| victim.window.touches(own.window, slack));
    // Only those that somebody waits for are worth another look at every trace.
    if victims.is_empty() {
        return None;
    }
    let mut window = own.window;
    victims.iter().for_each(|(_, victim)| window.join(victim.window));
    let limits = limits(context, window, victims.iter().map(|(party, _)| party.name));
    let touched = touched(case, culprit, window, &limits);
    let of = |party: Party| touched.iter().filter(move |((service, _), _)| *service == party.name).map(|(_, touched)| touched);
    let innocent = innocent(context, rule, &victims, &touched);
    victims.retain(|(party, _)| {
        let (bad, through) = of(*party).fold((0, 0), |(bad, through), touched| (bad + touched.bad, through + touched.bad_touching));
        let waits = bad > 0 && 100.0 * through as f64 >= rule.limit("through_percent") * bad as f64;
        waits || innocent.keys().any(|(service, _)| *service == party.name)
    });
    victims.sort_by_key(|(party, victim)| (victim.window.start, *party));
    let many = victims.len() as f64 >= rule.limit("callers");
    (many || !innocent.is_empty() && !victims.is_empty()).then(|| Cascade { culprit, own: own.clone(), victims, innocent, touched })
}

/// Above what length a request of an operation is slow: twice what all but one in twenty take at other times.
fn limits(context: &Context, window: Window, services: impl Iterator<Item = Sym>) -> BTreeMap<Operation, u64> {
    let inside = |bucket: i64| window.holds(crate::model::time::Time(bucket.saturating_mul(context.bucket)));
    let mut limits = BTreeMap::new();
    for service in services {
        let Some(node) = context.graph.node(Party::service(service)) else { continue };
        for (&operation, line) in &node.served {
            let usual = line.sum(|bucket| !inside(bucket));
            limits.insert((service, operation), if usual.calls == 0 { u64::MAX } else { 2 * usual.nanos.p95() });
        }
    }
    limits
}

fn innocent(
    context: &Context,
    rule: &Rule,
    victims: &[(Party, Suffering)],
    touched: &BTreeMap<Operation, Touched>,
) -> BTreeMap<Operation, Suffering> {
    let mut found = BTreeMap::new();
    for (&(service, operation), counts) in touched {
        if counts.touching > 0 || (counts.bad as f64) < rule.limit("innocent_bad") || !victims.iter().any(|(party, _)| party.name == service) {
            continue;
        }
        let line = context.graph.node(Party::service(service)).and_then(|node| node.served.get(&operation));
        // It suffers from its service, not from another side that it calls: its own time grew, or that before it.
        let Some(suffering) = line.and_then(|line| suffering(context, rule, line)) else { continue };
        found.insert((service, operation), suffering);
    }
    found
}

fn finding(case: &Case, rule: &Rule, cascade: &Cascade) -> Finding {
    let names = &case.tables.names;
    let mut window = cascade.own.window;
    cascade.victims.iter().for_each(|(_, victim)| window.join(victim.window));
    window.start = window.start.max(case.context.window.start);
    window.end = window.end.min(case.context.window.end).max(window.start);
    let subject = Subject { service: cascade.culprit.text(names), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    finding.services = cascade.victims.iter().map(|(party, _)| party.text(names)).collect();
    let (requests, failing) = entries(&case.context, window);
    let worst = cascade.victims.iter().map(|(_, victim)| victim.slower()).fold(0.0, f64::max);
    let isolation = !cascade.innocent.is_empty();
    finding.severity = match failing {
        _ if failing >= rule.upper("failing_percent") || isolation && failing >= rule.limit("failing_percent") => Severity::Critical,
        _ if failing >= rule.limit("failing_percent") => Severity::High,
        _ if isolation && worst >= rule.limit("much_slower") => Severity::Medium,
        _ => Severity::Low,
    };
    let least = if finding.severity >= Severity::Medium { rule.limit("failing_percent") } else { 1.0 };
    finding.score = score(failing.max(least), rule.limit("failing_percent"), rule.upper("failing_percent"));
    let ordered = cascade.victims.iter().all(|(_, victim)| victim.window.start >= cascade.own.window.start);
    finding.confidence = Belief::new()
        .with("callers that suffer with the side they wait for", Input::Spans, 0.6)
        .with_if(isolation, "operations that never reach it suffer too", Input::Spans, 0.85)
        .with_if(ordered, "trouble that climbs in the order of calls", Input::Spans, 0.4)
        .with_if(cascade.victims.len() > 1, "several services at once", Input::Spans, 0.3)
        .value();
    if !isolation {
        "callers".clone_into(&mut finding.kind);
    }
    measure(rule, cascade, window, (requests, failing), &mut finding);
    words(case, cascade, &mut finding);
    finding
        .look_alike("More load at the entry", "excluded: nobody above the culprit suffered before it")
        .look_alike("Something that all services share", "excluded: those that do not call the culprit are well, or were not looked at")
        .look_alike("Callers with trouble of their own", "excluded: most of their slow or failed requests reach the culprit");
    let mut worst: Vec<_> =
        cascade.touched.iter().filter(|(key, _)| cascade.innocent.contains_key(key)).flat_map(|(_, touched)| &touched.worst).collect();
    worst.extend(cascade.touched.values().filter(|touched| touched.bad_touching > 0).flat_map(|touched| &touched.worst));
    finding.traces = worst.iter().map(|worst| worst.1).take(8).collect();
    finding.traces.dedup();
    finding.cite(worst.iter().map(|worst| worst.2));
    finding
}

fn measure(rule: &Rule, cascade: &Cascade, window: Window, (requests, failing): (u64, f64), finding: &mut Finding) {
    let ms = |nanos: u64| round(nanos as f64 / 1e6);
    let bad: u64 = cascade.touched.values().map(|touched| touched.bad).sum();
    finding
        .measure_against("callers", cascade.victims.len() as f64, "services", rule.limit("callers"))
        .measure("innocent_operations", cascade.innocent.len() as f64, "operations")
        .measure("requests", requests as f64, "requests of users")
        .measure_against("failing_percent", round(failing), "percent of requests", rule.limit("failing_percent"))
        .measure("bad_requests", bad as f64, "requests of the callers")
        .measure("culprit_p95", ms(cascade.own.during.nanos.p95()), "ms")
        .measure("culprit_usual_p95", ms(cascade.own.usual.nanos.p95()), "ms")
        .measure("culprit_errors_percent", round(100.0 * cascade.own.during.error_ratio()), "percent of calls")
        .measure("duration", round(window.nanos() as f64 / SECOND as f64), "s");
    if let Some((_, victim)) = cascade.victims.iter().max_by(|a, b| a.1.slower().total_cmp(&b.1.slower())) {
        // Little: so many are in the house at a time.
        let busy = victim.during.nanos.sum() as f64 / victim.window.nanos().max(1) as f64;
        finding
            .measure("caller_p50", ms(victim.during.nanos.p50()), "ms")
            .measure("caller_p95", ms(victim.during.nanos.p95()), "ms")
            .measure("caller_usual_p50", ms(victim.usual.nanos.p50()), "ms")
            .measure("caller_usual_p95", ms(victim.usual.nanos.p95()), "ms")
            .measure("caller_failing_points", round(victim.failing()), "percentage points")
            .measure("caller_in_flight", round(busy), "requests at a time");
    }
    if let Some(innocent) = cascade.innocent.values().max_by(|a, b| a.during.calls.cmp(&b.during.calls)) {
        finding
            .measure("innocent_p50", ms(innocent.during.nanos.p50()), "ms")
            .measure("innocent_p95", ms(innocent.during.nanos.p95()), "ms")
            .measure("innocent_usual_p50", ms(innocent.usual.nanos.p50()), "ms")
            .measure("innocent_usual_p95", ms(innocent.usual.nanos.p95()), "ms");
    }
}

fn words(case: &Case, cascade: &Cascade, finding: &mut Finding) {
    let names = &case.tables.names;
    let order: Vec<String> = cascade
        .victims
        .iter()
        .map(|(party, victim)| {
            let after = victim.window.start.since(cascade.own.window.start).max(0) / SECOND;
            if after == 0 { format!("{} at once", party.text(names)) } else { format!("{} after {after} s", party.text(names)) }
        })
        .collect();
    let innocent: BTreeSet<String> =
        cascade.innocent.keys().map(|(service, operation)| format!("{} of {}", names.get(*operation), names.get(*service))).collect();
    finding.word("taken_down", finding.services.join(", ")).word("order", order.join(", "));
    finding.word("innocent", innocent.into_iter().take(5).collect::<Vec<_>>().join(", "));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::{case, many};
    use crate::rules::fixture::{check, measured, rule};

    /// A checkout through three services, of which the last needs so many milliseconds, and a page beside it that the
    /// first one serves alone in so many.
    fn shop(n: u32, work: u32, page: u32, status: &str) -> String {
        let (a, b, c) = (work + 20, work + 30, work + 40);
        format!(
            "  web POST /checkout 0-{c} {status}\n    > orders POST /orders 5-{b} {status}\n      orders POST /orders 8-{a} {status}\n        > stock GET /stock 10-{} {status}\n          stock GET /stock 12-{} {status}\nu{n} +{}\n  web GET /about 0-{page} 200\n",
            work + 16,
            work + 14,
            n * 500 + 100,
        )
    }

    fn found(text: &str) -> Vec<Finding> {
        check(&rule("cascading-failure"), &case(text), None)
    }

    #[test]
    fn a_calm_shop_and_a_slow_leaf_of_one_caller_are_silent() {
        assert!(found(&many(0..200, 500, |n| shop(n, 30 + n % 9, 4, "200"))).is_empty());
        let one = many(0..200, 500, |n| {
            let end = if n >= 100 { 2000 } else { 40 };
            format!("  web GET / 0-{}\n    > stock GET /s 1-{end}\n      stock GET /s 2-{end}\n", end + 5)
        });
        assert!(found(&one).is_empty(), "one caller that waits is no cascade: {:?}", found(&one));
    }

    #[test]
    fn a_slow_consumer_holds_up_nobody() {
        let posted = many(0..200, 500, |n| {
            let end = if n >= 100 { 5_000 } else { 60 };
            format!(
                "  web POST /orders 0-20\n    >> kafka orders 3-6 system=kafka\n      << mailer orders 30-{} system=kafka\n        > smtp POST /send 35-{} !503\n",
                30 + end,
                25 + end
            )
        });
        assert!(found(&posted).is_empty(), "{:?}", found(&posted));
    }

    #[test]
    fn slowness_that_users_hardly_feel_stays_low() {
        let findings = found(&many(0..200, 500, |n| shop(n, if n >= 100 { 1500 } else { 30 + n % 9 }, 4, "200")));
        assert!(findings.iter().all(|finding| finding.severity <= Severity::Low), "{findings:?}");
    }

    #[test]
    fn callers_fail_with_the_side_they_wait_for() {
        let findings = found(&many(0..200, 500, |n| if n >= 100 { shop(n, 2500, 4, "!503") } else { shop(n, 30 + n % 9, 4, "200") }));
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.subject.service.as_str(), finding.kind.as_str()), ("stock", "callers"));
        assert_eq!(finding.services.iter().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(["orders", "web"]));
        assert!(finding.severity >= Severity::High && measured(finding, "failing_percent") > 40.0, "{finding:?}");
    }

    #[test]
    fn operations_that_never_reach_the_culprit_prove_it() {
        let findings = found(&many(0..200, 500, |n| if n >= 100 { shop(n, 2500, 2400, "!503") } else { shop(n, 30 + n % 9, 4 + n % 3, "200") }));
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.subject.service.as_str(), finding.kind.as_str(), finding.severity), ("stock", "", Severity::Critical));
        assert_eq!((finding.words["innocent"].as_str(), measured(finding, "innocent_operations")), ("GET /about of web", 1.0));
        assert!((measured(finding, "innocent_p95") - 2400.0).abs() < 50.0 && finding.confidence >= 0.85);
    }
}
