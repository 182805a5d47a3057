//! Why a breaker does not protect those who stand before it.
//!
//! ```text
//! retried-open           it opens, and the caller tries what it turned away again and again
//! slow-fallback          it opens, and what is done instead takes long or fails
//! never-opened           calls fail, and it stays closed
//! slow-not-counted       calls hang, and it takes them for good ones
//! not-covering           it is open, and calls go on past it
//! opened-late            it opens when the damage is done
//! closed-elsewhere       it opens on a few of the instances that suffer
//! stuck-open             it stays open when the other side is well
//! waits-anyway           it opens, and requests take long all the same
//! fallback-masks-failure it opens, and for long users get a default instead without anything failing
//! ```
//!
//! What this file does not do: weigh the damage.

use crate::correlate::Case;
use crate::correlate::breaker::State;
use crate::correlate::configured::{nanos, same_party};
use crate::model::amount::millis;
use crate::model::finding::Input;
use crate::model::ids::TraceId;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Time};
use crate::rules::native::ineffective_circuit_breaker::edge::{Edge, Trouble, configured};
use crate::rules::native::ineffective_circuit_breaker::state;
use crate::rules::native::ineffective_circuit_breaker::users::{Fallback, Users};
use crate::rules::native::retry_storm::round;
use std::collections::BTreeMap;

/// One reason.
pub(super) struct Reason {
    pub(super) id: &'static str,
    pub(super) text: String,
    /// What it is seen in, and how far that carries.
    pub(super) kind: &'static str,
    pub(super) input: Input,
    pub(super) weight: f64,
    pub(super) evidence: Vec<Evidence>,
}

/// What all reasons look at.
pub(super) struct Look<'a> {
    pub(super) case: &'a Case,
    pub(super) rule: &'a Rule,
    pub(super) edge: &'a Edge,
    pub(super) trouble: &'a Trouble,
    pub(super) users: &'a Users,
    pub(super) fallback: &'a Fallback,
    /// Whether users fail or wait meanwhile.
    pub(super) harm: bool,
}

/// How often calls that were turned away were tried again.
#[derive(Clone, Copy, Default)]
pub(super) struct Retried {
    pub(super) traces: u64,
    pub(super) repeated: u64,
    pub(super) most: u64,
}

/// Rejections by trace.
pub(super) fn retried(edge: &Edge) -> Retried {
    let mut by_trace: BTreeMap<TraceId, u64> = BTreeMap::new();
    edge.breaker.rejections.iter().filter(|one| !one.trace.is_none()).for_each(|one| *by_trace.entry(one.trace).or_default() += 1);
    Retried {
        traces: by_trace.len() as u64,
        repeated: by_trace.values().filter(|count| **count > 1).count() as u64,
        most: by_trace.values().copied().max().unwrap_or(0),
    }
}

/// Every reason that holds, the most telling first.
pub(super) fn reasons(look: &Look<'_>) -> Vec<Reason> {
    let all = [
        retried_open(look),
        slow_fallback(look),
        never_opened(look),
        slow_not_counted(look),
        not_covering(look),
        opened_late(look),
        state::closed_elsewhere(look),
        state::stuck_open(look),
    ];
    let mut found: Vec<Reason> = all.into_iter().flatten().collect();
    if found.is_empty() {
        found.extend(waits_anyway(look));
    }
    if found.is_empty() {
        found.extend(masks_failure(look));
    }
    found
}

/// The breaker does its part so well that nobody is told: what a good share of the users gets is a default, and it goes on.
fn masks_failure(look: &Look<'_>) -> Option<Reason> {
    let (rule, users, fallback) = (look.rule, look.users, look.fallback);
    let percent = 100.0 * fallback.calls as f64 / users.requests.max(1) as f64;
    let seconds = fallback.window.nanos() as f64 / SECOND as f64;
    let quiet = !look.harm && (fallback.failed as f64) < rule.limit("fallback_failed_percent") / 100.0 * fallback.calls as f64;
    let lasting = seconds >= rule.limit("masked_for") && fallback.calls as f64 >= rule.limit("fallbacks");
    (quiet && lasting && percent >= rule.limit("masked_percent")).then(|| Reason {
        id: "fallback-masks-failure",
        text: format!(
            "For {} a default was given {} times, in {} % of the requests.",
            millis(seconds * 1e3),
            fallback.calls,
            round(percent.min(100.0))
        ),
        kind: "defaults instead of answers",
        input: if fallback.from_spans { Input::Spans } else { Input::Logs },
        weight: 0.6,
        evidence: fallback.evidence.iter().take(3).chain(fallback.evidence.last()).copied().collect(),
    })
}

/// Requests take long although the breaker turned their call away; nothing tells what they wait for.
fn waits_anyway(look: &Look<'_>) -> Option<Reason> {
    let (rule, users) = (look.rule, look.users);
    let p50 = users.rejected.p50() as f64;
    let slow = p50 >= rule.limit("fallback_ms") * 1e6 && p50 >= rule.limit("slow_times") * look.trouble.usual as f64;
    (slow && look.harm && users.rejected.count() as f64 >= rule.limit("fallbacks")).then(|| Reason {
        id: "waits-anyway",
        text: format!(
            "{} requests in which it turned a call away still took {} (median): something around it waits.",
            users.rejected.count(),
            millis(p50 / 1e6)
        ),
        kind: "requests that wait although their call was turned away",
        input: look.edge.input,
        weight: 0.55,
        evidence: users.worst.iter().take(4).map(|worst| worst.2).collect(),
    })
}

fn retried_open(look: &Look<'_>) -> Option<Reason> {
    let (rule, edge) = (look.rule, look.edge);
    let retried = retried(edge);
    if retried.repeated as f64 >= rule.limit("retried").max(rule.limit("retried_percent") / 100.0 * retried.traces as f64) {
        let text = format!(
            "{} of {} requests that it turned away were tried again while it was open, up to {} times: the retry stands outside the breaker and repeats what it refuses.",
            retried.repeated, retried.traces, retried.most
        );
        let evidence = edge.breaker.rejections.iter().take(4).map(|one| one.evidence).collect();
        return Some(Reason {
            id: "retried-open",
            text,
            kind: "rejections of one request that follow each other",
            input: Input::Logs,
            weight: 0.7,
            evidence,
        });
    }
    if retried.traces > 0 {
        return None;
    }
    // Without traces the records of retries stand in for them: most rejections are followed by another attempt.
    let names = &look.case.tables.names;
    let signal = names.find("retry.attempt")?;
    let about = |name: &str| name.is_empty() || same_party(name, &edge.breaker.name);
    let open = edge.breaker.stretches(State::Open, look.trouble.window.end);
    let attempts: Vec<Evidence> = look
        .case
        .tables
        .signals
        .iter()
        .filter(|row| row.signal == signal && row.service == edge.breaker.service && about(names.get(row.name)))
        .filter(|row| open.iter().any(|(_, window)| window.holds(row.time)))
        .map(|row| row.evidence)
        .collect();
    let least = rule.limit("retried").max(rule.limit("retried_percent") / 100.0 * edge.breaker.rejected as f64);
    (edge.breaker.rejected > 0 && attempts.len() as f64 >= least).then(|| Reason {
        id: "retried-open",
        text: format!(
            "While it was open the caller logged {} further attempts: the retry stands outside the breaker and repeats what it refuses.",
            attempts.len()
        ),
        kind: "retries while the breaker was open",
        input: Input::Logs,
        weight: 0.5,
        evidence: attempts.into_iter().take(4).collect(),
    })
}

fn slow_fallback(look: &Look<'_>) -> Option<Reason> {
    let (rule, fallback) = (look.rule, look.fallback);
    if (fallback.calls as f64) < rule.limit("fallbacks") {
        return None;
    }
    let p50 = fallback.nanos.p50() as f64;
    let slow = fallback.nanos.count() as f64 >= rule.limit("fallbacks")
        && p50 >= rule.limit("fallback_ms") * 1e6
        && p50 >= rule.limit("fallback_times") * look.trouble.usual as f64;
    let percent = 100.0 * fallback.failed as f64 / fallback.calls as f64;
    let failing = percent >= rule.limit("fallback_failed_percent");
    let text = match (slow, failing) {
        (true, true) => {
            format!("Its fallback takes {} (median of {}) and fails in {} % of the cases.", millis(p50 / 1e6), fallback.calls, round(percent))
        }
        (true, false) => format!("Its fallback takes {} (median of {}).", millis(p50 / 1e6), fallback.calls),
        (false, true) => format!("Its fallback fails in {} % of {} cases.", round(percent), fallback.calls),
        (false, false) => return None,
    };
    let (input, weight) = if fallback.from_spans { (Input::Spans, 0.7) } else { (Input::Logs, 0.5) };
    let evidence = fallback.evidence.iter().take(3).copied().collect();
    Some(Reason { id: "slow-fallback", text, kind: "what is done instead of the call", input, weight, evidence })
}

/// Whether the breaker opened between the beginning of the trouble and a moment after it.
fn opened(look: &Look<'_>) -> bool {
    let (from, until) = (look.trouble.window.start, look.trouble.window.end.plus(look.rule.limit("opens_within") as i64 * SECOND));
    let turned = look.edge.breaker.turns.iter().any(|turn| turn.to == State::Open && (from..=until).contains(&turn.time));
    let was_open = look.edge.breaker.stretches(State::Open, until).iter().any(|(_, window)| window.holds(from));
    turned || was_open || look.edge.breaker.rejected > 0
}

/// The failure rate from which it ought to open, in per cent.
pub(super) fn threshold(look: &Look<'_>) -> f64 {
    let told = configured(look.case, &look.edge.breaker, "circuitbreaker", "failureratethreshold").and_then(|(value, _)| value.trim().parse().ok());
    told.unwrap_or_else(|| look.rule.limit("failure_percent"))
}

fn never_opened(look: &Look<'_>) -> Option<Reason> {
    let (rule, edge, trouble) = (look.rule, look.edge, look.trouble);
    let long = trouble.window.nanos() as f64 >= rule.limit("never_for") * SECOND as f64;
    let percent = trouble.failed_percent();
    let threshold = threshold(look);
    let low = threshold / 2.0;
    let breaker = &edge.breaker;
    // Where nothing tells how users fare, the breaker's own figures do: it is closed beyond its own threshold.
    let suffers = look.harm || look.users.requests == 0 && breaker.gauged && percent >= threshold;
    if !long || (trouble.calls as f64) < rule.limit("calls") || percent < low || opened(look) || !suffers {
        return None;
    }
    let minimum = configured(look.case, breaker, "circuitbreaker", "minimumnumberofcalls").and_then(|(value, _)| value.trim().parse::<f64>().ok());
    let why = if breaker.turned(State::Off) > 0 {
        "It is disabled or only counts."
    } else if percent < threshold {
        "Its failure rate threshold lies above what users already suffer from."
    } else if !breaker.blind.1.is_empty() && breaker.blind.0 == breaker.blind.1 {
        "Its failure rate is not even computed (-1): no instance sees its minimum number of calls in a window."
    } else if breaker.counted.2 >= 0.5 * trouble.failed as f64 && breaker.counted.2 > breaker.counted.1 {
        "It ignores the errors that occur."
    } else if breaker.counted.0 > 0.0 && breaker.counted.1 < 0.5 * trouble.failed as f64 && !edge.by_itself {
        "It counts the failed answers as successful ones."
    } else if minimum.is_some_and(|minimum| minimum > trouble.calls as f64) {
        "Its minimum number of calls is more than all instances make."
    } else {
        "Either it does not record these failures, or its window never fills."
    };
    let text = format!(
        "{} of {} calls failed ({} %) for {} s, and it never opened. {why}",
        trouble.failed,
        trouble.calls,
        round(percent),
        trouble.window.nanos() / SECOND
    );
    let known = breaker.gauged || !breaker.turns.is_empty() || !breaker.watched.is_empty();
    let id = if percent < threshold { "threshold-too-high" } else { "never-opened" };
    let bad = edge.calls.iter().filter(|call| call.failed && trouble.window.holds(call.start));
    let evidence = bad.take(3).map(|call| call.evidence).chain(breaker.signs.iter().take(2).copied()).collect();
    Some(Reason { id, text, kind: "a closed breaker while calls fail", input: edge.input, weight: if known { 0.6 } else { 0.45 }, evidence })
}

fn slow_not_counted(look: &Look<'_>) -> Option<Reason> {
    let (rule, edge, trouble) = (look.rule, look.edge, look.trouble);
    let long = trouble.window.nanos() as f64 >= rule.limit("slow_for") * SECOND as f64;
    let slow = trouble.slow_percent() >= rule.limit("slow_percent") && trouble.failed_percent() < threshold(look) / 2.0;
    if !long || !slow || (trouble.calls as f64) < rule.limit("calls") || opened(look) || !look.harm {
        return None;
    }
    let configured = configured(look.case, &edge.breaker, "circuitbreaker", "slowcalldurationthreshold").and_then(|(value, _)| nanos(value));
    let p50 = trouble.nanos.p50();
    let why = match configured {
        Some(limit) if p50 < limit => format!("They stay below its slow call duration threshold of {} s.", round(limit as f64 / 1e9)),
        Some(_) => "Its slow call rate threshold is not reached, or its window does not fill.".to_owned(),
        None => "By default a call counts as slow only after 60 s, and only if all are.".to_owned(),
    };
    let text = format!(
        "{} of {} calls took {} (median; usually {}) and it stayed closed. {why}",
        trouble.slow,
        trouble.calls,
        millis(p50 as f64 / 1e6),
        millis(trouble.usual as f64 / 1e6)
    );
    let bad = edge.calls.iter().filter(|call| trouble.window.holds(call.start)).take(3).map(|call| call.evidence);
    let evidence = bad.chain(edge.breaker.signs.iter().take(2).copied()).collect();
    let weight = if edge.breaker.gauged || edge.breaker.slow_counted.is_some() { 0.6 } else { 0.45 };
    Some(Reason { id: "slow-not-counted", text, kind: "a closed breaker while calls hang", input: edge.input, weight, evidence })
}

fn not_covering(look: &Look<'_>) -> Option<Reason> {
    let (rule, edge) = (look.rule, look.edge);
    // A gauge knows the turns only to the scrape, and which instance made a call is not known.
    if !edge.breaker.turns_logged || edge.breaker.instances().len() > 1 {
        return None;
    }
    let inner: Vec<(Time, Time)> = edge
        .breaker
        .stretches(State::Open, look.trouble.window.end)
        .into_iter()
        .map(|(_, window)| (window.start.plus(SECOND), window.end.plus(-SECOND / 10)))
        .filter(|(from, until)| from < until)
        .collect();
    let open: i64 = inner.iter().map(|(from, until)| until.since(*from)).sum();
    let within = |time: Time| inner.iter().any(|(from, until)| (*from..=*until).contains(&time));
    let passed: Vec<Evidence> = edge.calls.iter().filter(|call| within(call.start)).map(|call| call.evidence).collect();
    let refused = edge.breaker.rejections.iter().filter(|one| within(one.time)).count();
    let percent = 100.0 * passed.len() as f64 / (passed.len() + refused).max(1) as f64;
    let enough = passed.len() as f64 >= rule.limit("uncovered") && percent >= rule.limit("uncovered_percent");
    (enough && open as f64 >= rule.limit("open_for") * SECOND as f64).then(|| Reason {
        id: "not-covering",
        text: format!(
            "{} calls ({} %) went to {} while it was open: another client or path has no breaker.",
            passed.len(),
            round(percent),
            edge.peer
        ),
        kind: "calls while the breaker was open",
        input: edge.input,
        weight: 0.65,
        evidence: passed.into_iter().take(4).collect(),
    })
}

fn opened_late(look: &Look<'_>) -> Option<Reason> {
    let (rule, edge, trouble) = (look.rule, look.edge, look.trouble);
    let first = edge.breaker.turns.iter().filter(|turn| turn.to == State::Open && turn.time >= trouble.window.start).min_by_key(|turn| turn.time)?;
    let late = first.time.since(trouble.window.start);
    let before = edge.calls.iter().filter(|call| (trouble.window.start..first.time).contains(&call.start));
    let (calls, failed) = before.fold((0, 0), |(calls, failed), call| (calls + call.count, failed + if call.failed { call.count } else { 0 }));
    let failing = 100.0 * failed as f64 >= threshold(look) * calls as f64 && calls as f64 >= rule.limit("calls");
    (late as f64 >= rule.limit("late_after") * SECOND as f64 && failing && look.harm && edge.breaker.turns_logged).then(|| Reason {
        id: "opened-late",
        text: format!("It opened only {} s after the first failure; {failed} of {calls} calls had failed by then.", late / SECOND),
        kind: "a breaker that opens late",
        input: Input::Logs,
        weight: 0.55,
        evidence: vec![first.evidence],
    })
}
