//! `slow-downstream`: a called side that is slow and makes its callers wait.
//!
//! A kind of call is suspected if it is much slower than in the baseline or than at other times of the bundle, or if many
//! of its calls time out. Under the suspected calls the critical path tells who was at work: the culprit is the side whose
//! own time grew most, the services between it and the user are its victims. Without any of that, requests that are slow
//! among their kind may still have one side in common.
//!
//! What this file does not do: look at sides that nobody waits for (messages), or at what makes the culprit slow.

mod dumps;
mod records;
mod seen;
pub(crate) mod suspects;
mod verdict;

use crate::correlate::Case;
use crate::correlate::calls::{Party, Place};
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::time::{MINUTE, SECOND, Window};
use crate::rules::native::retry_storm::round;
use crate::rules::native::slow_downstream::seen::{Seen, look};
use crate::rules::native::slow_downstream::suspects::{Against, MS, Suspect, starts, suspects, warms_up};
use crate::rules::native::slow_downstream::verdict::{Verdict, arrivals, is_overload, slow_requests, verdicts};
use crate::rules::{Detector, Scope};
use std::collections::BTreeSet;

pub(crate) const DETECTOR: Detector = Detector {
    id: "slow-downstream",
    thresholds: &[
        "p95_ratio",
        "p95_delta",
        "calls",
        "z",
        "change_score",
        "timeout_percent",
        "timeouts",
        "path_percent",
        "slow_roots",
        "slow_roots_percent",
        "mean_call",
        "surge",
        "failing_percent",
        "crowd",
        "callees",
        "warm_up",
        "logged_timeouts",
        "lasts",
        "dumps",
        "dumps_percent",
        "held_percent",
        "pool_threads",
    ],
    detect,
};

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let context = &scope.case.context;
    let mut verdicts = verdicts(scope, rule, suspects(scope, rule));
    verdicts.retain(|verdict| !is_overload(context, rule, verdict));
    let starts = starts(scope.case);
    verdicts.retain(|verdict| !verdict.suspects.iter().all(|suspect| warms_up(rule, &starts, suspect, verdict.culprit)));
    // With a baseline, what is slow there too is how it always was.
    if verdicts.is_empty() && scope.baseline.is_none() {
        verdicts = slow_requests(scope.case, rule);
    }
    let crowd = verdicts.len() as f64 >= rule.limit("crowd");
    out.extend(verdicts.iter().map(|verdict| finding(scope, rule, verdict, crowd)));
    records::find(scope.case, rule, out);
    dumps::find(scope.case, rule, out);
}

fn finding(scope: &Scope<'_>, rule: &Rule, verdict: &Verdict, crowd: bool) -> Finding {
    let case = scope.case;
    let names = &case.tables.names;
    let mut window = Window::default();
    verdict.suspects.iter().for_each(|suspect| window.join(suspect.window));
    window.start = window.start.max(case.context.window.start);
    window.end = window.end.min(case.context.window.end).max(window.start);
    let operations: BTreeSet<Sym> = verdict.direct().map(|suspect| suspect.key.operation).collect();
    let operation = if operations.len() == 1 { operations.first().map_or("", |operation| names.get(*operation)) } else { "" };
    let subject = Subject { service: verdict.culprit.text(names), operation: operation.to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    let kind = match verdict.against() {
        _ if verdict.is_caller() => "caller",
        Against::Baseline => "",
        Against::OtherTimes => "change",
        Against::Answered => "timeouts",
        Against::OtherRequests => "requests",
    };
    kind.clone_into(&mut finding.kind);
    let (seen, victims) = (look(scope, rule, verdict, window), verdict.victims(&case.context));
    finding.services = victims.iter().map(|party| party.text(names)).collect();
    let failing = arrivals(&case.context, window).map_or(0.0, |(_, failing)| failing);
    let severity = severity(rule, verdict, failing, victims.len());
    // Sides that all slow down together have a cause in common that is none of them.
    finding.severity = if crowd || seen.touched == 0 { severity.milder() } else { severity };
    measure(case, rule, verdict, &seen, &mut finding);
    finding.measure("failing_requests_percent", round(failing), "percent of requests");
    let belief = belief(case, verdict, window, &victims).doubted(if crowd { 0.6 } else { 1.0 });
    // Without a calm time to compare with nobody knows whether it was ever faster.
    let cap = if matches!(verdict.against(), Against::Baseline | Against::OtherTimes) { 0.99 } else { 0.70 };
    finding.confidence = belief.value().min(cap);
    finding.word("callers", if victims.is_empty() { "its users".to_owned() } else { finding.services.join(", ") });
    let called: BTreeSet<String> = verdict.suspects.iter().map(|suspect| suspect.key.to.text(names)).collect();
    finding.word("called", called.into_iter().collect::<Vec<_>>().join(", ")).word("place", place(case, verdict));
    look_alikes(case, rule, verdict, crowd, &mut finding);
    finding.traces = seen.worst.iter().map(|worst| worst.trace).collect();
    finding.traces.dedup();
    finding.cite(seen.worst.iter().map(|worst| worst.evidence));
    finding.evidence_total = seen.calls;
    finding
}

fn severity(rule: &Rule, verdict: &Verdict, failing: f64, victims: usize) -> Severity {
    match verdict.against() {
        _ if failing > rule.upper("failing_percent") => Severity::Critical,
        _ if failing > rule.limit("failing_percent") => Severity::High,
        Against::Baseline | Against::OtherTimes if verdict.suspects.first().map_or(1.0, ratio) >= rule.upper("p95_ratio") && victims > 1 => {
            Severity::High
        }
        Against::Baseline | Against::OtherTimes | Against::Answered => Severity::Medium,
        Against::OtherRequests => Severity::Low,
    }
}

/// How many times as long as usual the calls are.
fn ratio(suspect: &Suspect) -> f64 {
    suspect.during.nanos.p95() as f64 / suspect.usual.nanos.p95().max(1) as f64
}

fn measure(case: &Case, rule: &Rule, verdict: &Verdict, seen: &Seen, finding: &mut Finding) {
    let Some(first) = verdict.suspects.first() else { return };
    let ms = |nanos: u64| round(nanos as f64 / MS);
    let ratio = ratio(first);
    let calls: u64 = verdict.direct().map(|suspect| suspect.during.calls).sum();
    let timeouts: u64 = verdict.direct().map(|suspect| suspect.during.timeouts).sum();
    let percent = |part: u64, whole: u64| round(100.0 * part as f64 / whole.max(1) as f64);
    let grown = verdict.slow.mean(verdict.shown) - verdict.calm.mean(verdict.shown);
    let longer = verdict.slow.mean_length() - verdict.calm.mean_length();
    finding.score = match first.against {
        Against::Baseline | Against::OtherTimes => score(ratio, rule.limit("p95_ratio"), rule.upper("p95_ratio")),
        Against::Answered => score(percent(timeouts, calls), rule.limit("timeout_percent"), rule.upper("timeout_percent")),
        Against::OtherRequests => score(verdict.slow.mean(verdict.shown) / MS, rule.limit("mean_call"), rule.upper("mean_call")),
    };
    finding
        .measure("p50", ms(first.during.nanos.p50()), "ms")
        .measure("p95", ms(first.during.nanos.p95()), "ms")
        .measure("usual_p50", ms(first.usual.nanos.p50()), "ms")
        .measure("usual_p95", ms(first.usual.nanos.p95()), "ms")
        .measure_against("p95_ratio", round(ratio), "times", rule.limit("p95_ratio"))
        .measure("calls", calls as f64, "calls")
        .measure("extra", round(grown / 1e9), "s")
        .measure("extra_share_percent", round((100.0 * grown / longer.max(1.0)).clamp(0.0, 100.0)), "percent of the added time")
        .measure("slow_requests", seen.slow as f64, "requests")
        .measure_against("explained_percent", percent(seen.explained, seen.slow), "percent of slow requests", rule.limit("slow_roots_percent"))
        .measure("affected_requests", seen.touched as f64, "requests")
        .measure("affected_requests_percent", percent(seen.touched, seen.roots), "percent of requests")
        .measure("affected_operations", seen.operations.len() as f64, "operations")
        .measure("timeouts", timeouts as f64, "calls")
        .measure_against("timeout_percent", percent(timeouts, calls), "percent of calls", rule.limit("timeout_percent"))
        .measure("held_per_request", round(verdict.slow.mean(verdict.shown) / MS), "ms");
    let attempts = verdict.suspects.iter().filter_map(|suspect| case.context.chains.edges.get(&suspect.key)?.timeout());
    if let Some((nanos, _)) = attempts.max_by_key(|(_, calls)| *calls) {
        finding.measure("timeout", ms(nanos), "ms");
    }
}

/// Where inside the call the time went.
fn place(case: &Case, verdict: &Verdict) -> String {
    let name = verdict.culprit.text(&case.tables.names);
    match verdict.place() {
        _ if verdict.is_caller() => format!("in {name} around its calls, not in the sides it calls"),
        Place::Between => format!("between its callers and its own spans: connecting, the network, a proxy, or the queue in front of {name}"),
        Place::Remote => format!("at {name}, which has no spans of its own"),
        Place::Pool => format!("in {name} while it waited for a connection of its pool"),
        Place::Work => format!("in {name} itself, not in what it calls"),
    }
}

fn belief(case: &Case, verdict: &Verdict, window: Window, victims: &BTreeSet<Party>) -> Belief {
    let tables = &case.tables;
    let wanted: Vec<Sym> =
        ["timeout.read", "timeout.deadline", "gateway.upstream-timeout"].iter().filter_map(|name| tables.names.find(name)).collect();
    let waits = |service: Sym| victims.contains(&Party::service(service));
    let told = tables.signals.iter().filter(|row| wanted.contains(&row.signal) && waits(row.service) && window.holds(row.time)).take(10).count();
    let seen = case.context.peers.has_spans(verdict.culprit);
    Belief::new()
        .with("critical path of slow calls", Input::Spans, if seen { 0.85 } else { 0.7 })
        .with_if(verdict.suspects.len() > 1, "several kinds of calls slow at once", Input::Spans, 0.4)
        .with_if(told >= 10, "timeouts in the callers' logs", Input::Logs, 0.6)
}

fn look_alikes(case: &Case, rule: &Rule, verdict: &Verdict, crowd: bool, finding: &mut Finding) {
    let against = verdict.against();
    let name = verdict.culprit.text(&case.tables.names);
    let surge = verdict.suspects.first().and_then(|suspect| arrivals(&case.context, suspect.window)).map_or(1.0, |(surge, _)| surge);
    finding.look_alike(
        "More load at the entry",
        if against != Against::OtherTimes {
            "not compared: there is no calm time in the bundle".to_owned()
        } else if surge < rule.limit("surge") {
            format!("excluded: {} times the usual arrivals", round(surge))
        } else {
            format!("may contribute: {} times the usual arrivals, but nobody above {name} was slow before it", round(surge))
        },
    );
    finding.look_alike("A caller that waits for its own connection pool", "excluded: the time lies inside the calls, not before them");
    finding.look_alike("Messages that are handled later", "excluded: only calls that somebody waits for were compared");
    finding.look_alike(
        "Something that all services share",
        if crowd { "not excluded: many sides are slow at once" } else { "excluded: few sides are slow" },
    );
    if !case.context.peers.has_spans(verdict.culprit) {
        finding.missing.push(format!("spans, logs or metrics of {name} itself"));
    }
    if matches!(against, Against::Answered | Against::OtherRequests) {
        finding.missing.push("a baseline bundle of a calm time (--baseline)".to_owned());
    }
    if finding.window.nanos() < MINUTE.min(5 * SECOND) {
        finding.missing.push("a longer time of observation".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::{case, many};
    use crate::model::time::Time;
    use crate::rules::fixture::{check, measured, rule};

    /// A request through three services; inventory is at work for so many milliseconds.
    fn request(work: u32) -> String {
        let end = 35 + work;
        format!(
            "  gw GET /checkout 0-{}\n    > orders GET /orders 10-{}\n      orders GET /orders 15-{}\n        > inventory GET /stock 30-{}\n          inventory GET /stock 35-{end}\n            > inventory-db SELECT stock 40-{} system=postgresql\n",
            end + 35,
            end + 25,
            end + 20,
            end + 5,
            (40 + work / 3).min(140)
        )
    }

    fn found(text: &str) -> Vec<Finding> {
        check(&rule("slow-downstream"), &case(text), None)
    }

    fn loud(text: &str) -> Vec<Finding> {
        found(text).into_iter().filter(|finding| finding.severity >= Severity::Medium).collect()
    }

    #[test]
    fn healthy_twins_are_quiet() {
        let calm = many(0..120, 1000, |n| request(55 + n % 17));
        let uniform = many(0..120, 1000, |n| request(2500 + n % 300));
        let tail = many(0..200, 1000, |n| request(if n % 20 == 7 { 900 } else { 60 }));
        let short = many(0..12, 1000, |n| request(if n > 6 { 2900 } else { 60 }));
        let poll = many(0..120, 1000, |n| format!("  web GET /events 0-{}\n    > feed GET /poll 1-{} 200\n", 30_002 + n, 30_001 + n));
        let consumer = many(0..120, 1000, |n| {
            format!(
                "  web POST /orders 0-20 200\n    >> kafka orders 5-8 system=kafka\n      << mailer orders 9-{}\n",
                if n > 60 { 5009 } else { 29 }
            )
        });
        for text in [&calm, &uniform, &tail, &short, &poll, &consumer] {
            assert!(loud(text).is_empty(), "{:?}", loud(text));
        }
        let baseline = case(&calm);
        assert!(check(&rule("slow-downstream"), &case(&calm.replace("t1", "u1")), Some(&baseline)).is_empty());
    }

    #[test]
    fn a_culprit_is_told_from_its_victims_by_the_baseline() {
        let slow = case(&many(0..20, 1000, |_| request(2980)));
        let calm = case(&many(0..20, 1000, |n| request(60 + n % 2)));
        let findings = check(&rule("slow-downstream"), &slow, Some(&calm));
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.subject.service.as_str(), finding.subject.operation.as_str()), ("inventory", "GET /stock"));
        assert_eq!(finding.services, ["gw", "orders"]);
        assert!(finding.severity >= Severity::High && finding.confidence >= 0.85, "{finding:?}");
        assert!((measured(finding, "p95") - 2990.0).abs() < 50.0 && measured(finding, "usual_p95") < 80.0);
        assert!((2.7..=2.95).contains(&measured(finding, "extra")), "{finding:?}");
        assert!(finding.words["place"].contains("inventory itself"));
        assert_eq!(finding.traces.len(), seen::CITED);
    }

    #[test]
    fn an_episode_is_found_without_a_baseline() {
        let text = many(0..200, 500, |n| request(if (80..130).contains(&n) { 2980 } else { 60 + n % 9 }));
        let findings = found(&text);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.subject.service.as_str(), finding.kind.as_str()), ("inventory", "change"));
        let seconds = |time: Time| time.since(Time(crate::correlate::fixture::BASE)) / SECOND;
        assert!((36..=42).contains(&seconds(finding.window.start)), "{:?}", finding.window);
        assert!((62..=70).contains(&seconds(finding.window.end)), "{:?}", finding.window);
        assert!(measured(finding, "explained_percent") >= 90.0, "{finding:?}");
    }

    #[test]
    fn a_side_without_spans_is_named_by_its_callers() {
        let text =
            many(0..200, 500, |n| format!("  shop POST /pay 0-{0}\n    > psp POST /charge 5-{0} 200\n", if n > 120 { 3000 } else { 90 + n % 7 }));
        let findings = found(&text);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!(finding.subject.service, "psp");
        assert!(finding.words["place"].contains("no spans of its own") && finding.missing.len() == 1);
    }

    #[test]
    fn time_between_the_spans_is_told_from_work() {
        let text = many(0..200, 500, |n| {
            let wait = if n > 120 { 2000 } else { 1 };
            format!("  a GET / 0-{0}\n    > b GET /x 5-{0} 200\n      b GET /x {1}-{2} 200\n", 60 + wait, 10 + wait, 50 + wait)
        });
        let findings = found(&text);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].subject.service == "b" && findings[0].words["place"].contains("the queue in front of b"), "{findings:?}");
    }

    #[test]
    fn a_caller_that_is_slow_towards_everybody_is_the_culprit() {
        let text = many(0..200, 500, |n| {
            let wait = if n > 120 { 400 } else { 1 };
            let call = |to: &str, at: u32| {
                format!("    > {to} GET /{to} {at}-{} 200\n      {to} GET /{to} {}-{} 200\n", at + 20 + wait, at + wait, at + 15 + wait)
            };
            format!("  a GET / 0-2000\n{}{}{}", call("b", 5), call("c", 500), call("d", 1000))
        });
        let findings = found(&text);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.subject.service.as_str(), finding.kind.as_str(), finding.words["called"].as_str()), ("a", "caller", "b, c, d"));
    }

    #[test]
    fn calls_without_an_answer_name_the_side() {
        let text = many(0..100, 500, |n| {
            format!(
                "  shop POST /pay 0-810\n    > psp POST /charge 5-{} {}\n",
                if n % 4 == 0 { 805 } else { 40 },
                if n % 4 == 0 { "!ReadTimeout" } else { "200" }
            )
        });
        let findings = found(&text);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.subject.service.as_str(), finding.kind.as_str(), finding.severity), ("psp", "timeouts", Severity::Medium));
        assert_eq!((measured(finding, "timeouts"), measured(finding, "timeout")), (25.0, 800.0));
        assert!(finding.confidence <= 0.70);
    }

    #[test]
    fn a_callers_pool_is_not_the_callee() {
        let text = many(0..200, 500, |n| {
            let wait = if n > 100 { 1400 } else { 3 };
            format!("  shop GET / 0-{}\n    > stock GET /s {}-{}\n      stock GET /s {}-{}\n", 100 + wait, wait, 90 + wait, 5 + wait, 85 + wait)
        });
        assert!(found(&text).is_empty(), "{:?}", found(&text));
    }

    /// Ten minutes of what orders logs of its calls, and of what payments logs of its own.
    fn logged(inner: u32, outer: u32) -> String {
        let line = |service: &str, peer: &str, n: u32, ms: u32| {
            format!(
                "{{\"timestamp\":\"2026-01-01T10:{:02}:{:02}Z\",\"service\":\"{service}\",\"level\":\"INFO\",\"message\":\"call\",\"method\":\"POST\",\"url\":\"http://{peer}/charge\",\"status\":200,\"duration_ms\":{ms}}}\n",
                n * 2 / 60,
                n * 2 % 60
            )
        };
        (0..240)
            .map(|n| {
                let slow = (120..200).contains(&n);
                let (a, b) = if slow { (outer, inner) } else { (40 + n % 9, 20 + n % 7) };
                line("orders", "payments:8080", n, a) + &line("payments", "psp.example", n, b)
            })
            .collect()
    }

    #[test]
    fn calls_that_only_a_log_tells() {
        let of = |text: &str| check(&rule("slow-downstream"), &crate::rules::fixture::bundle(&[("calls.log", text)]), None);
        assert!(of(&logged(24, 45)).is_empty());
        let findings = of(&logged(24, 2900));
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.subject.service.as_str(), finding.services.as_slice()), ("payments", ["orders".to_owned()].as_slice()));
        assert!(finding.confidence <= 0.80 && (measured(finding, "p95") - 2900.0).abs() < 60.0);
        let deeper = of(&logged(2850, 2900));
        assert_eq!(deeper.iter().map(|finding| finding.subject.service.as_str()).collect::<Vec<_>>(), ["psp.example"], "payments only waits");
    }

    #[test]
    fn timeouts_that_name_a_host() {
        let line = |n: u32| {
            format!(
                "2026-01-01T10:00:{n:02}.000Z ERROR 1 --- [orders] [nio-8080-exec-1] c.a.Orders : I/O error on POST request for \"http://payments:8080/charge\": Read timed out\n"
            )
        };
        let of = |count: u32| {
            check(&rule("slow-downstream"), &crate::rules::fixture::bundle(&[("orders/app.log", &(0..count).map(line).collect::<String>())]), None)
        };
        assert!(of(4).is_empty());
        let findings = of(30);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.subject.service.as_str(), finding.kind.as_str(), measured(finding, "timeouts")), ("payments", "logged", 30.0));
    }

    #[test]
    fn the_first_minute_of_a_process_is_no_episode() {
        let text = many(0..400, 500, |n| request(if n < 80 { 900 } else { 60 + n % 9 }));
        assert!(!found(&text).is_empty());
        let mut tables = crate::correlate::fixture::given(&text);
        let (signal, service) = (tables.names.intern("app.started"), tables.names.intern("inventory"));
        let none = Sym::NONE;
        tables.signals.push(crate::model::tables::Signal {
            signal,
            time: Time(crate::correlate::fixture::BASE),
            trace: crate::model::ids::TraceId::NONE,
            service,
            instance: none,
            name: none,
            key: none,
            value: f64::NAN,
            level: crate::model::record::Level::Info,
            evidence: tables.spans[0].evidence,
        });
        let cold = check(&rule("slow-downstream"), &crate::correlate::gather::gather(tables), None);
        assert!(cold.iter().all(|finding| finding.kind == "requests"), "{cold:?}");
    }

    #[test]
    fn load_that_climbs_from_the_entry_is_not_the_callees_fault() {
        // Arrivals triple; the gateway itself slows down at once, orders later, inventory last.
        let mut text = String::new();
        for (n, at) in (0..240_u32).map(|n| if n < 60 { n * 1000 } else { 60_000 + (n - 60) * 333 }).enumerate() {
            let own = |after: u32, slow: u32| if at >= after { slow } else { 5 };
            let (inventory, orders, gw) = (own(84_000, 2500), own(72_000, 900), own(60_000, 1500));
            let stock = 20 + inventory;
            let end = stock + orders;
            text += &format!(
                "t{n} +{at}\n  gw GET / 0-{}\n    > orders GET /o 10-{}\n      orders GET /o 11-{}\n        > inventory GET /s 15-{stock}\n          inventory GET /s 16-{}\n",
                end + gw + 20,
                end + 10,
                end + 5,
                stock - 1
            );
        }
        assert!(!found(&text).iter().any(|finding| finding.subject.service == "inventory"), "{:?}", found(&text));
    }
}
