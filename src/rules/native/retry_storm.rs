//! `retry-storm`: repeated attempts that multiply the load on a side which already fails or is slow.
//!
//! For every caller and callee: the stretch of time in which extra attempts crowd, how many attempts one request took in
//! it, and how the callee did meanwhile. Where one service's attempts hold another's chains the layers multiply, and the
//! finding is told at the innermost call.
//!
//! Services without client spans are judged by their logs, metrics and access logs; see `retry_storm/unseen.rs`. What this file
//! does not do: find attempts; that is `correlate/chain.rs`.

use crate::correlate::attempts::{Load, Pauses};
use crate::correlate::calls::Party;
use crate::correlate::chain::Retried;
use crate::correlate::graph::{CallStats, EdgeKey, Timeline, bucket_window};
use crate::correlate::series::heaviest_run;
use crate::correlate::trace::Trace;
use crate::correlate::{Case, Context};
use crate::model::amount::counted;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::time::Window;
use crate::rules::{Detector, Scope};
use rayon::prelude::*;

mod unseen;

pub(crate) const DETECTOR: Detector = Detector {
    id: "retry-storm",
    thresholds: &[
        "amplification",
        "extra_percent",
        "extra_attempts",
        "long_chains",
        "many_extra_attempts",
        "traces",
        "callee_error_percent",
        "callee_slow",
        "layers_product",
        "feedback",
        "feedback_error_percent",
        "roots_change_percent",
        "exhausted",
        "operations",
        "repeat_gap",
        "repeat_percent",
        "repeat_lift",
    ],
    detect,
};

/// How many traces the finding names.
const TRACES: usize = 8;

/// Buckets on either side that a comparison of rates needs.
const BUCKETS: usize = 3;

/// Calls on either side that a comparison of percentiles needs.
const CALLS: u64 = 20;

struct Storm {
    from: Sym,
    to: Party,
    retried: Retried,
    window: Window,
    load: Load,
    during: CallStats,
    slower: Option<f64>,
    feedback: Option<f64>,
    layers: Vec<(EdgeKey, f64)>,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let context = &scope.case.context;
    let pairs = context.chains.pairs().into_iter();
    let storms: Vec<Storm> = pairs.filter_map(|((from, to), retried)| storm(context, rule, from, to, retried)).collect();
    for storm in &storms {
        let is_inner = |other: &&Storm| other.layers.iter().rev().skip(1).any(|(key, _)| (key.from, key.to) == (storm.from, storm.to));
        if !storms.iter().any(|other| is_inner(&other)) {
            out.push(finding(scope.case, rule, storm));
        }
    }
    unseen::detect(scope.case, rule, out);
}

fn storm(context: &Context, rule: &Rule, from: Sym, to: Party, retried: Retried) -> Option<Storm> {
    let least_ratio = rule.limit("extra_percent") / 100.0;
    let load = &retried.attempts.load;
    // Half the least ratio, so that the stretch holds its own edges; whether it is a storm is asked of the whole of it.
    let weights = load.values().map(|load| load.extra() as f64 - least_ratio / 2.0 * load.attempts as f64);
    let (first, last) = heaviest_run(weights)?;
    let (first, last) = (*load.keys().nth(first)?, *load.keys().nth(last)?);
    let inside = |bucket: i64| (first..=last).contains(&bucket);
    let load = retried.attempts.sum(inside);
    let is_many = load.extra() as f64 >= rule.limit("extra_attempts") || load.long as f64 >= rule.limit("long_chains");
    if !is_many || load.mean() < rule.limit("amplification") && load.extra_ratio() < least_ratio {
        return None;
    }
    let mut calls = Timeline::default();
    let edge = context.graph.edge(Party::service(from), to)?;
    retried.operations.iter().filter_map(|operation| edge.operations.get(operation)).for_each(|line| calls.merge(line));
    let during = calls.sum(inside);
    let slower = slower(context, to, &calls, inside);
    let suffers =
        during.error_ratio() * 100.0 >= rule.limit("callee_error_percent") || slower.is_some_and(|times| times >= rule.limit("callee_slow"));
    if !suffers {
        return None;
    }
    let keys = retried.operations.iter().map(|&operation| EdgeKey { from, to, operation });
    let layers = keys.map(|key| context.chains.layers(key, rule.limit("traces") as u64)).max_by(|a, b| product(a).total_cmp(&product(b)))?;
    let mut window = bucket_window(first, last, context.bucket);
    window.end = window.end.min(retried.attempts.window.end).max(window.start);
    window.start = window.start.max(retried.attempts.window.start).min(window.end);
    let feedback = feedback(context, rule, to, inside);
    Some(Storm { from, to, retried, window, load, during, slower, feedback, layers })
}

/// How many times slower the callee was than outside the storm, by its own spans or else as its callers saw it.
fn slower(context: &Context, to: Party, calls: &Timeline, inside: impl Fn(i64) -> bool) -> Option<f64> {
    let mut served = Timeline::default();
    context.graph.node(to)?.served.values().for_each(|line| served.merge(line));
    let line = if served.0.is_empty() { calls } else { &served };
    let (during, outside) = (line.sum(&inside), line.sum(|bucket| !inside(bucket)));
    (during.calls.min(outside.calls) >= CALLS).then(|| during.nanos.p95() as f64 / outside.nanos.p95().max(1) as f64)
}

/// How many times as many calls the callee got per bucket, if as much work entered the system as before.
fn feedback(context: &Context, rule: &Rule, to: Party, inside: impl Fn(i64) -> bool) -> Option<f64> {
    let mut arrivals = Timeline::default();
    context.graph.edges().filter(|(_, callee, _)| *callee == to).for_each(|(.., edge)| arrivals.merge(&edge.timeline()));
    let mut entries = Timeline::default();
    context.entries.values().for_each(|line| entries.merge(line));
    let rate = |line: &Timeline, during: bool| {
        let side = || line.0.iter().filter(|(bucket, _)| inside(**bucket) == during);
        (side().count() >= BUCKETS).then(|| side().map(|(_, calls)| calls.calls as f64).sum::<f64>() / side().count() as f64)
    };
    let change = |line: &Timeline| Some(rate(line, true)? / rate(line, false)?);
    let (calls, roots) = (change(&arrivals)?, change(&entries)?);
    ((roots - 1.0).abs() * 100.0 <= rule.limit("roots_change_percent")).then_some(calls)
}

fn product(layers: &[(EdgeKey, f64)]) -> f64 {
    layers.iter().map(|(_, mean)| mean).product()
}

fn finding(case: &Case, rule: &Rule, storm: &Storm) -> Finding {
    let names = &case.tables.names;
    let attempts = &storm.retried.attempts;
    let operation = match storm.retried.operations.as_slice() {
        [only] => names.get(*only).to_owned(),
        _ => String::new(),
    };
    let subject = Subject { service: names.get(storm.from).to_owned(), peer: storm.to.text(names), operation, ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, storm.window);
    finding.services = services(case, storm);
    finding.severity = severity(rule, storm);
    let (mean, ratio) = (storm.load.mean(), storm.load.extra_ratio() * 100.0);
    let least = rule.limit("extra_percent");
    finding.score = score(mean, rule.limit("amplification"), rule.upper("amplification")).max(score(ratio, least, 2.0 * least));
    finding.confidence = belief(case, storm).value();
    finding
        .measure_against("amplification", round(mean), "attempts per request", rule.limit("amplification"))
        .measure("requests", storm.load.requests as f64, "requests")
        .measure("attempts", storm.load.attempts as f64, "attempts")
        .measure_against("extra_attempts", storm.load.extra() as f64, "attempts", rule.limit("extra_attempts"))
        .measure_against("extra_percent", round(ratio), "percent of attempts", least)
        .measure("retried_calls", storm.load.chains as f64, "requests")
        .measure("max_attempts", f64::from(attempts.longest), "attempts")
        .measure_against(
            "callee_error_percent",
            round(storm.during.error_ratio() * 100.0),
            "percent of attempts",
            rule.limit("callee_error_percent"),
        );
    measure_whole(case, &mut finding, storm);
    if storm.layers.len() > 1 {
        "layered".clone_into(&mut finding.kind);
        let layer = |(key, mean): &(EdgeKey, f64)| format!("{} x{}", names.get(key.from), round(*mean));
        finding.word("layers", storm.layers.iter().map(layer).collect::<Vec<_>>().join(", "));
        finding.measure_against("layers_product", round(product(&storm.layers)), "calls per request", rule.limit("layers_product"));
        let outer = storm.layers.first().and_then(|(key, _)| case.context.chains.edges.get(key)).map(|attempts| attempts.total().requests);
        finding.measure("outer_requests_in_bundle", outer.unwrap_or(0) as f64, "requests");
    }
    finding.word("pauses", pauses(attempts.pattern(), attempts.pauses.p50()));
    look_alikes(case, &mut finding);
    let inside = |time| storm.window.holds(time);
    let (in_window, others): (Vec<_>, Vec<_>) = attempts.examples.iter().partition(|chain| inside(chain.first));
    finding.traces = in_window.iter().chain(&others).map(|chain| chain.trace).take(TRACES).collect();
    finding.traces.dedup();
    finding.cite(in_window.iter().chain(&others).flat_map(|chain| chain.evidence.iter().copied()));
    finding.evidence_total = attempts.total().extra() + attempts.total().chains;
    finding
}

/// Traces that call a side more often than the longest chain of attempts explains: retries of another layer multiplied them.
fn traces_beyond(case: &Case, to: Party, longest: u32) -> u64 {
    let peers = &case.context.peers;
    let is_beyond = |trace: &Trace<'_>| peers.calls(trace).iter().filter(|call| call.to == to).count() > longest as usize;
    case.traces().filter(is_beyond).count() as u64
}

/// Figures over the whole bundle, and what the storm cost.
fn measure_whole(case: &Case, finding: &mut Finding, storm: &Storm) {
    let attempts = &storm.retried.attempts;
    let total = attempts.total();
    finding
        .measure("retried_calls_in_bundle", total.chains as f64, "requests")
        .measure("extra_attempts_in_bundle", total.extra() as f64, "attempts")
        .measure("calls_in_bundle", total.attempts as f64, "attempts")
        .measure("requests_in_bundle", total.requests as f64, "requests")
        .measure("recovered_percent", round(100.0 * attempts.recovered as f64 / total.chains.max(1) as f64), "percent of retried requests")
        .measure("wasted", round((attempts.wasted + attempts.orphaned_nanos) as f64 / 1e9), "s")
        .measure("unknown_outcomes_retried", attempts.ambiguous as f64, "requests");
    if let Some(node) = case.context.graph.node(storm.to) {
        finding.measure("calls_per_retried_trace", round(node.retried.mean()), "calls").measure(
            "max_calls_per_trace",
            node.retried.most.max(node.calm.most) as f64,
            "calls",
        );
        if node.calm.traces > 0 {
            finding.measure("calls_per_calm_trace", round(node.calm.mean()), "calls");
        }
        if node.retried.most > u64::from(attempts.longest) {
            finding.measure("traces_beyond_one_layer", traces_beyond(case, storm.to, attempts.longest) as f64, "traces");
        }
    }
    if let Some((nanos, calls)) = attempts.timeout() {
        finding.measure("timeout", round(nanos as f64 / 1e6), "ms").measure("timed_out_calls", calls as f64, "calls");
    }
    if attempts.orphaned > 0 {
        finding.measure("orphaned_calls", attempts.orphaned as f64, "calls");
    }
    if let Some(times) = storm.slower {
        finding.measure("callee_p95_ratio", round(times), "times");
    }
    if let Some(times) = storm.feedback {
        finding.measure("callee_arrivals_ratio", round(times), "times");
    }
}

fn severity(rule: &Rule, storm: &Storm) -> Severity {
    let extra = storm.load.extra() as f64;
    let layered = storm.layers.len() > 1;
    let feeds_back = storm.feedback.is_some_and(|times| times >= rule.limit("feedback"));
    let fails = storm.during.error_ratio() * 100.0 >= rule.limit("feedback_error_percent");
    let severity = if layered && product(&storm.layers) >= rule.limit("layers_product") || feeds_back && fails {
        Severity::Critical
    } else if storm.load.mean() >= rule.upper("amplification") || layered || extra >= rule.limit("many_extra_attempts") {
        Severity::High
    } else {
        Severity::Medium
    };
    let few = if extra < rule.limit("extra_attempts") { Severity::High } else { Severity::Critical };
    let single = if (storm.load.chains as f64) < rule.limit("traces") { Severity::Medium } else { Severity::Critical };
    severity.min(few).min(single)
}

fn belief(case: &Case, storm: &Storm) -> Belief {
    let attempts = &storm.retried.attempts;
    let chains = attempts.total().chains;
    Belief::new()
        .with_if(attempts.strong > 0, "repeated calls of one request", Input::Spans, 0.85)
        .with_if(attempts.strong < chains, "repeated calls of one operation", Input::Spans, 0.5)
        .with_if(attempts.numbered > 0, "calls that count their attempts", Input::Spans, 0.9)
        .with_if(storm.feedback.is_some_and(|times| times >= 1.5), "more calls of as much work", Input::Spans, 0.5)
        .with_if(logs_retries(case, storm), "log records of retries", Input::Logs, 0.7)
}

/// Whether the caller's own log speaks of retries in the same time.
fn logs_retries(case: &Case, storm: &Storm) -> bool {
    let tables = &case.tables;
    let wanted: Vec<Sym> = ["retry.attempt", "retry.exhausted"].iter().filter_map(|name| tables.names.find(name)).collect();
    tables.signals.iter().any(|row| row.service == storm.from && wanted.contains(&row.signal) && storm.window.holds(row.time))
}

fn services(case: &Case, storm: &Storm) -> Vec<String> {
    let names = &case.tables.names;
    let mut all: Vec<String> = storm.layers.iter().flat_map(|(key, _)| [names.get(key.from).to_owned(), key.to.text(names)]).collect();
    all.push(storm.to.text(names));
    all.retain(|service| service != names.get(storm.from));
    all.sort();
    all.dedup();
    all
}

fn pauses(pattern: Option<Pauses>, middle: u64) -> String {
    let middle = crate::rules::say::quantity(middle as f64, "ns");
    match pattern {
        None | Some(Pauses::Immediate) => "without any pause".to_owned(),
        Some(Pauses::Fixed) => format!("after a fixed pause of {middle}"),
        Some(Pauses::Exponential) => format!("after pauses that double (median {middle})"),
        Some(Pauses::Jittered) => format!("after irregular pauses (median {middle})"),
    }
}

/// What was told apart by the way; shared with `retries-observed`.
pub(crate) fn look_alikes(case: &Case, finding: &mut Finding) {
    let seen = case.context.chains.look_alikes;
    let told = |count: u64| if count == 0 { "excluded".to_owned() } else { format!("told apart {count} times") };
    finding
        .look_alike("Parallel or hedged calls", format!("{}: they overlap, attempts do not", told(seen.parallel + seen.hedged)))
        .look_alike("Polling and repeated reads", format!("{}: the call before went well", told(seen.polls)))
        .look_alike("Redirects and logins", format!("{}: the call before was answered with 3xx, 401 or 407", told(seen.redirects + seen.logins)))
        .look_alike("A loop over items of one path", format!("{}: it goes on after successes too", told(seen.loops)))
        .look_alike(
            "Spans exported twice",
            format!("excluded: {} before counting", counted(case.context.totals.span_copies, "copy was dropped", "copies were dropped")),
        );
}

/// Two digits are enough for people.
pub(crate) fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::LAYERED;
    use crate::correlate::fixture::{case, many};
    use crate::rules::fixture::{check, measured, rule, rule_with};

    /// One request of orders to payments; so many attempts, of which all but the last fail.
    fn request(attempts: u32) -> String {
        let one = |n: u32| {
            let (start, end) = (10 + n * 300, 210 + n * 300);
            let outcome = if n + 1 < attempts { "!504" } else { "200" };
            let resend = if n > 0 { format!(" resend={n}") } else { String::new() };
            format!("    > payments POST /charges {start}-{end} {outcome}{resend}\n      payments POST /charges {}-{} 200\n", start + 1, end - 1)
        };
        format!("  orders POST /orders 0-{}\n{}", 220 + attempts * 300, (0..attempts).map(one).collect::<String>())
    }

    #[test]
    fn healthy_twins_are_quiet() {
        let calm = many(0..300, 300, |_| request(1));
        let budget = many(0..600, 300, |n| request(if n % 20 == 3 { 2 } else { 1 }));
        let few = many(0..8, 300, |_| request(2));
        let parallel =
            many(0..200, 300, |_| "  a GET / 0-99\n    > b GET /q 1-60 !500\n    > b GET /q 2-60 200\n    > b GET /q 3-60 200\n".to_owned());
        for text in [&calm, &budget, &few, &parallel] {
            assert!(check(&rule("retry-storm"), &case(text), None).is_empty());
        }
        let observed = check(&rule("retries-observed"), &case(&budget), None);
        assert_eq!(observed.len(), 1);
        assert!(observed[0].severity <= Severity::Low);
        assert_eq!((measured(&observed[0], "retried_calls"), measured(&observed[0], "extra_attempts")), (30.0, 30.0));
        assert!(check(&rule("retries-observed"), &case(&calm), None).is_empty());
    }

    #[test]
    fn layers_multiply() {
        let few = [("extra_attempts", 1.0), ("traces", 1.0)];
        let findings = check(&rule_with("retry-storm", &few), &case(LAYERED), None);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.subject.service.as_str(), finding.subject.peer.as_str(), finding.kind.as_str()), ("payment", "bank", "layered"));
        assert_eq!((finding.severity, measured(finding, "layers_product"), measured(finding, "amplification")), (Severity::Critical, 9.0, 3.0));
        assert_eq!((measured(finding, "extra_attempts"), measured(finding, "calls_per_retried_trace")), (6.0, 9.0));
        assert_eq!((finding.words["layers"].as_str(), finding.words["pauses"].as_str()), ("gw x3, payment x3", "after a fixed pause of 100 ms"));
        assert_eq!(finding.services, ["bank", "gw"]);
        let single = check(&rule("retry-storm"), &case(LAYERED), None);
        assert!(single.iter().all(|finding| finding.severity <= Severity::High), "few attempts are no catastrophe");
    }

    #[test]
    fn a_storm_has_a_window_and_figures() {
        let text = many(0..400, 300, |n| request(if (150..250).contains(&n) { 3 } else { 1 }));
        let case = case(&text);
        let findings = check(&rule("retry-storm"), &case, None);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.subject.service.as_str(), finding.subject.peer.as_str()), ("orders", "payments"));
        assert_eq!((measured(finding, "retried_calls_in_bundle"), measured(finding, "extra_attempts_in_bundle")), (100.0, 200.0));
        assert!(
            measured(finding, "amplification") > 2.5 && finding.severity == Severity::Critical,
            "three times the calls of as much work, two thirds fail"
        );
        assert!(finding.confidence >= 0.85 && finding.words["pauses"].contains("100 ms"));
        let seconds = |time: crate::model::time::Time| time.since(crate::model::time::Time(crate::correlate::fixture::BASE)) / 1_000_000_000;
        assert!((44..=46).contains(&seconds(finding.window.start)) && (74..=77).contains(&seconds(finding.window.end)), "{:?}", finding.window);
    }
}
