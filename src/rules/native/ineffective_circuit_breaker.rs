//! `ineffective-circuit-breaker`: a breaker that stands before a failing or slow side, and users suffer all the same.
//!
//! An open breaker answers at once; so wherever its callers fail or wait although there is one, something is wrong with how
//! it is set, where it stands, or what is done instead. A breaker that opens and whose callers go on well is what it is for,
//! and gives no finding.
//!
//! What this file does not do: say what is wrong with the called side; that is the root, and other rules find it.

mod edge;
mod reasons;
mod state;
#[cfg(test)]
mod tests;
mod users;

use crate::correlate::Case;
use crate::correlate::breaker::State;
use crate::correlate::configured::nanos;
use crate::model::amount::{count, millis};
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::ids::TraceId;
use crate::model::rule::Rule;
use crate::model::time::{SECOND, Window};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use edge::{Edge, Trouble, configured, edges, trouble};
use reasons::{Look, Reason, reasons, retried, threshold};
use users::{Fallback, Users, fallback, users};

pub(crate) const DETECTOR: Detector = Detector {
    id: "ineffective-circuit-breaker",
    thresholds: &[
        "calls",
        "trouble_percent",
        "slow_times",
        "slow_ms",
        "slow_s",
        "users_failed_percent",
        "retried",
        "retried_percent",
        "fallbacks",
        "fallback_ms",
        "fallback_times",
        "fallback_failed_percent",
        "failure_percent",
        "never_for",
        "opens_within",
        "slow_percent",
        "slow_for",
        "uncovered",
        "uncovered_percent",
        "open_for",
        "late_after",
        "instance_calls",
        "stuck_for",
        "stuck_waits",
        "well_percent",
        "masked_percent",
        "masked_for",
    ],
    detect,
};

/// Settings of a breaker that the report quotes, as `resilience4j` spells them.
const QUOTED: &[(&str, &str, &str)] = &[
    ("failureratethreshold", "failure_rate_threshold", "percent"),
    ("minimumnumberofcalls", "minimum_number_of_calls", "calls"),
    ("slidingwindowsize", "sliding_window_size", "calls or seconds"),
    ("slowcalldurationthreshold", "slow_call_duration_threshold", "s"),
    ("slowcallratethreshold", "slow_call_rate_threshold", "percent"),
    ("waitdurationinopenstate", "wait_duration_in_open_state", "s"),
];

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    for edge in edges(case) {
        let Some(trouble) = trouble(case, rule, &edge) else { continue };
        if (trouble.calls + edge.breaker.rejected) as f64 >= rule.limit("calls") {
            out.extend(judged(case, rule, &edge, &trouble));
        }
    }
}

fn judged(case: &Case, rule: &Rule, edge: &Edge, trouble: &Trouble) -> Option<Finding> {
    let rejected: Vec<TraceId> = edge.breaker.rejections.iter().map(|one| one.trace).collect();
    let mut touched = rejected.clone();
    touched.extend(edge.calls.iter().filter(|call| trouble.window.holds(call.start)).map(|call| call.trace));
    // A user's request begins before the call that it makes.
    let around = Window::of(trouble.window.start.plus(-SECOND), trouble.window.end);
    let users = users(case, edge.breaker.service, around, &touched, &rejected);
    let fallback = fallback(case, edge.breaker.service, around);
    let waits = users.during.p50() as f64
        >= (rule.limit("slow_times") * users.usual.p50() as f64).max(users.usual.p50() as f64 + rule.limit("slow_ms") * 1e6);
    let harm = users.requests > 0 && (users.failed_percent() >= rule.limit("users_failed_percent") || waits && users.usual.count() > 0);
    let found = reasons(&Look { case, rule, edge, trouble, users: &users, fallback: &fallback, harm });
    if found.is_empty() {
        return None;
    }
    Some(finding(case, rule, (edge, trouble), (&users, &fallback), harm, &found))
}

fn finding(
    case: &Case,
    rule: &Rule,
    (edge, trouble): (&Edge, &Trouble),
    (users, fallback): (&Users, &Fallback),
    harm: bool,
    found: &[Reason],
) -> Finding {
    let names = &case.tables.names;
    let breaker = &edge.breaker;
    let subject =
        Subject { service: names.get(breaker.service).to_owned(), peer: edge.peer.clone(), operation: breaker.name.clone(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, trouble.window);
    found.first().map_or("", |reason| reason.id).clone_into(&mut finding.kind);
    finding.services =
        users.services.iter().map(|service| names.get(*service).to_owned()).chain([edge.peer.clone()]).filter(|name| !name.is_empty()).collect();
    finding.services.sort();
    finding.services.dedup();
    let failed = users.failed_percent();
    finding.severity = match harm {
        true if failed >= rule.upper("users_failed_percent") => Severity::Critical,
        true if failed >= rule.limit("users_failed_percent") => Severity::High,
        true => Severity::Medium,
        false if users.requests == 0 && finding.kind == "never-opened" => Severity::Medium,
        false => Severity::Low,
    };
    let suffering = if harm { failed.max(rule.limit("users_failed_percent")) } else { failed.max(1.0) };
    finding.score = score(suffering, rule.limit("users_failed_percent"), rule.upper("users_failed_percent"));
    let belief = found.iter().fold(Belief::new(), |belief, reason| belief.with(reason.kind, reason.input, reason.weight));
    finding.confidence = belief
        .with_if(harm, "users who fail or wait meanwhile", if users.services.is_empty() { Input::Requests } else { edge.input }, 0.3)
        .with_if(breaker.gauged, "the breaker's own metrics", Input::Metrics, 0.2)
        .with_if(breaker.turns_logged, "the breaker's own records", Input::Logs, 0.2)
        .doubted(if edge.named { 1.0 } else { 0.6 })
        .value();
    measure(case, rule, (edge, trouble), (users, fallback), &mut finding);
    let words: Vec<&str> = found.iter().map(|reason| reason.text.as_str()).collect();
    finding.word("breaker", if breaker.name.is_empty() { "circuit breaker".to_owned() } else { format!("circuit breaker '{}'", breaker.name) });
    finding.word("side", if edge.peer.is_empty() { "the called side".to_owned() } else { edge.peer.clone() });
    finding.word("reasons", words.join(" "));
    finding.word(
        "outcome",
        match users.requests {
            0 => format!("{} of {} calls failed", count(trouble.failed), count(trouble.calls)),
            requests => format!("{} of {} requests failed meanwhile", count(users.failed), count(requests)),
        },
    );
    finding.word(
        "meanwhile",
        match harm {
            true => format!(
                "Meanwhile {} of {} requests of its users failed and half of them took at least {} (usually {}).",
                users.failed,
                users.requests,
                millis(users.during.p50() as f64 / 1e6),
                millis(users.usual.p50() as f64 / 1e6)
            ),
            false if users.requests == 0 => "Nothing in the bundle tells how its users fared.".to_owned(),
            false => "Users were hardly touched so far.".to_owned(),
        },
    );
    looks(edge, users, harm, &mut finding);
    finding.traces = users.worst.iter().map(|worst| worst.1).take(8).collect();
    finding.cite(found.iter().flat_map(|reason| reason.evidence.iter().copied()));
    finding.cite(users.worst.iter().take(2).map(|worst| worst.2));
    finding.evidence_total = finding.evidence_total.max(breaker.rejected + trouble.failed);
    finding
}

fn measure(case: &Case, rule: &Rule, (edge, trouble): (&Edge, &Trouble), (users, fallback): (&Users, &Fallback), finding: &mut Finding) {
    let breaker = &edge.breaker;
    let ms = |nanos: u64| round(nanos as f64 / 1e6);
    let open: i64 = breaker.stretches(State::Open, trouble.window.end).iter().map(|(_, window)| window.nanos()).sum();
    let retried = retried(edge);
    finding
        .measure("transitions", breaker.turns.len() as f64, "changes of state")
        .measure("to_open", breaker.turned(State::Open) as f64, "times")
        .measure("to_half_open", breaker.turned(State::HalfOpen) as f64, "times")
        .measure("to_closed", breaker.turned(State::Closed) as f64, "times")
        .measure("open", round(open as f64 / SECOND as f64), "s")
        .measure("not_permitted", breaker.rejected as f64, "calls")
        .measure("calls", trouble.calls as f64, "calls")
        .measure("failed_calls", trouble.failed as f64, "calls")
        .measure("failed_percent", round(trouble.failed_percent()), "percent of calls")
        .measure("slow_calls", trouble.slow as f64, "calls")
        .measure("call_p50", ms(trouble.nanos.p50()), "ms")
        .measure("call_usual_p50", ms(trouble.usual), "ms")
        .measure("requests", users.requests as f64, "requests of users")
        .measure("failed_requests", users.failed as f64, "requests of users")
        .measure_against("failed_requests_percent", round(users.failed_percent()), "percent of requests", rule.limit("users_failed_percent"))
        .measure("request_p50", ms(users.during.p50()), "ms")
        .measure("request_p95", ms(users.during.p95()), "ms")
        .measure("request_usual_p50", ms(users.usual.p50()), "ms")
        .measure("duration", round(trouble.window.nanos() as f64 / SECOND as f64), "s");
    if let Some(turn) = breaker.turns.iter().filter(|turn| turn.to == State::Open && turn.time >= trouble.window.start).min_by_key(|turn| turn.time) {
        finding.measure("opened_after", round(turn.time.since(trouble.window.start) as f64 / SECOND as f64), "s");
    }
    if users.rejected.count() > 0 {
        finding.measure("rejected_requests", users.rejected.count() as f64, "requests").measure(
            "rejected_request_p50",
            ms(users.rejected.p50()),
            "ms",
        );
    }
    if retried.traces > 0 {
        finding.measure("retried_while_open", retried.repeated as f64, "requests").measure(
            "rejections_per_request",
            retried.most as f64,
            "rejections at most",
        );
    }
    if fallback.calls > 0 {
        let percent = 100.0 * fallback.failed as f64 / fallback.calls as f64;
        finding.measure("fallbacks", fallback.calls as f64, "fallbacks").measure("fallback_p50", ms(fallback.nanos.p50()), "ms");
        if fallback.from_spans {
            finding.measure("fallback_failed_percent", round(percent), "percent of fallbacks");
        }
    }
    let names = &case.tables.names;
    if let Some(retry) = configured(case, breaker, "retry", "maxattempts").and_then(|(value, _)| value.trim().parse::<f64>().ok()) {
        finding.measure("attempts_configured", retry, "attempts");
    } else if let Some(attempts) = case.context.chains.pairs().iter().find(|((from, to), _)| *from == breaker.service && to.text(names) == edge.peer)
    {
        finding.measure("attempts_seen", f64::from(attempts.1.attempts.longest), "attempts");
    }
    for (key, name, unit) in QUOTED {
        let Some((value, _)) = configured(case, breaker, "circuitbreaker", key) else { continue };
        let number = if *unit == "s" { nanos(value).map(|nanos| nanos as f64 / 1e9) } else { value.trim().parse().ok() };
        number.into_iter().for_each(|number: f64| _ = finding.measure(name, round(number), unit));
    }
    let look = Look { case, rule, edge, trouble, users, fallback, harm: false };
    finding.measure("opens_at", threshold(&look), "percent of calls");
}

fn looks(edge: &Edge, users: &Users, harm: bool, finding: &mut Finding) {
    let breaker = &edge.breaker;
    let refused_only = breaker.rejected > 0 && users.rejected.count() > 0;
    finding
        .look_alike(
            "A breaker that opened and did its part",
            match (harm, refused_only) {
                (true, true) => format!("excluded: requests that it turned away still took {} ms", round(users.rejected.p50() as f64 / 1e6)),
                (true, false) => "excluded: its users fail or wait".to_owned(),
                (false, _) => "not excluded: users were hardly touched".to_owned(),
            },
        )
        .look_alike("Errors that are the callers' own fault", "excluded: answers of 4xx other than 429 are not counted as failed")
        .look_alike(
            "The breaker of another side with a similar name",
            if edge.named {
                format!("excluded: its name fits {}", edge.peer)
            } else {
                "not excluded: its name fits no called side, the only one was taken".to_owned()
            },
        )
        .look_alike(
            "Too few calls to decide",
            format!("excluded: {} calls", edge.calls.iter().map(|call| call.count).sum::<u64>() + breaker.rejected),
        );
    if !breaker.turns_logged {
        finding.missing.push("the breaker's events in the log: every change of state and every rejection".to_owned());
    }
    if !breaker.gauged {
        finding.missing.push("the breaker's metrics: state, failure rate, calls not permitted".to_owned());
    }
    if edge.input != Input::Spans {
        finding.missing.push("client spans of the calls it protects".to_owned());
    }
}
