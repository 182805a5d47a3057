//! `stale-connection-reset`: the first call after a pause fails at once, because the other side has closed the connection.
//!
//! Kept connections outlive the idle timeout of a peer, a load balancer or a firewall. Spans and logs of calls show that
//! failures follow pauses; drivers say it themselves. What this file does not do: resets in the middle of the work.

use crate::correlate::Case;
use crate::correlate::failure::Failure;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::request::Request;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::tables::Signal;
use crate::model::time::{SECOND, Time, Window};
use crate::model::trend::median;
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector =
    Detector { id: "stale-connection-reset", thresholds: &["idle", "fast", "failures", "after_percent", "otherwise_percent", "many"], detect };

/// A call of one instance to one other side.
#[derive(Clone, Copy)]
struct Called {
    start: Time,
    end: Time,
    /// Whether it was cut off without an answer.
    cut: bool,
    nanos: u64,
    evidence: Evidence,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let mut found: BTreeMap<(Sym, Sym), Stale> = BTreeMap::new();
    for ((service, _, peer), mut calls) in calls(case) {
        calls.sort_by_key(|call| (call.start, call.evidence));
        if let Some(stale) = stale(rule, &calls) {
            found.entry((service, peer)).or_default().join(stale);
        }
    }
    out.extend(found.into_iter().filter_map(|((service, peer), stale)| by_calls(case, rule, service, peer, &stale)));
    for (service, said) in said(case) {
        let told = out.iter().any(|finding| finding.subject.service == case.tables.names.get(service));
        if !told && said.len() as f64 >= rule.limit("failures") {
            out.push(by_drivers(case, rule, service, &said));
        }
    }
}

/// Calls by service, instance and other side.
fn calls(case: &Case) -> BTreeMap<(Sym, Sym, Sym), Vec<Called>> {
    let mut calls: BTreeMap<(Sym, Sym, Sym), Vec<Called>> = BTreeMap::new();
    for span in case.tables.spans.iter().filter(|span| span.is_outgoing() && !span.peer.is_none()) {
        let cut = case.context.peers.failure(span) == Failure::Cut;
        let call = Called { start: span.start, end: span.end(), cut, nanos: span.nanos, evidence: span.evidence };
        calls.entry((span.service, span.instance, span.peer)).or_default().push(call);
    }
    // A gateway answers 502 where its upstream closed the connection. What spans tell is not told again.
    let traced: BTreeSet<Sym> = calls.keys().map(|(service, ..)| *service).collect();
    let told = |row: &&Request| !row.peer.is_none() && row.nanos.is_some() && row.time.is_some() && !traced.contains(&row.service);
    for row in case.tables.requests.iter().filter(told) {
        let call = Called { start: row.start(), end: row.time, cut: row.status == 502, nanos: row.nanos.unwrap_or(0), evidence: row.evidence };
        calls.entry((row.service, row.instance, row.peer)).or_default().push(call);
    }
    calls
}

/// Failures after a pause, and what else was seen between the same two.
#[derive(Default)]
struct Stale {
    failures: Vec<(Called, i64)>,
    /// Calls after a pause as long as the shortest before a failure.
    paused: usize,
    calls: usize,
    other_failures: usize,
}

impl Stale {
    fn join(&mut self, other: Self) {
        self.failures.extend(other.failures);
        self.paused += other.paused;
        self.calls += other.calls;
        self.other_failures += other.other_failures;
    }
}

/// Calls of one instance in order of start. None if no failure follows a pause.
fn stale(rule: &Rule, calls: &[Called]) -> Option<Stale> {
    let usual = median(&mut calls.iter().filter(|call| !call.cut).map(|call| call.nanos as f64).collect::<Vec<_>>()).unwrap_or(0.0);
    let fast = (rule.limit("fast") * 1e6).max(0.1 * usual);
    let least = (rule.limit("idle") * SECOND as f64) as i64;
    let (mut last, mut gaps) = (calls.first()?.end, Vec::with_capacity(calls.len()));
    for call in calls.iter().skip(1) {
        gaps.push((*call, call.start.since(last).max(0)));
        last = last.max(call.end);
    }
    let is_stale = |(call, gap): &(Called, i64)| call.cut && call.nanos as f64 <= fast && *gap >= least;
    let failures: Vec<(Called, i64)> = gaps.iter().copied().filter(is_stale).collect();
    let shortest = failures.iter().map(|(_, gap)| *gap).min()?;
    let paused = gaps.iter().filter(|(_, gap)| *gap >= shortest).count();
    let other_failures = gaps.iter().filter(|(call, gap)| call.cut && *gap < shortest).count();
    Some(Stale { failures, paused, calls: gaps.len(), other_failures })
}

fn by_calls(case: &Case, rule: &Rule, service: Sym, peer: Sym, stale: &Stale) -> Option<Finding> {
    let count = stale.failures.len();
    let after = 100.0 * count as f64 / stale.paused.max(1) as f64;
    let otherwise = 100.0 * stale.other_failures as f64 / (stale.calls - stale.paused.min(stale.calls)).max(1) as f64;
    if (count as f64) < rule.limit("failures") || after < rule.limit("after_percent") || otherwise > rule.limit("otherwise_percent") {
        return None;
    }
    let names = &case.tables.names;
    let mut window = Window::default();
    stale.failures.iter().for_each(|(call, _)| window.add(call.start));
    let subject = Subject { service: names.get(service).to_owned(), peer: names.get(peer).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    let mut gaps: Vec<f64> = stale.failures.iter().map(|(_, gap)| *gap as f64 / SECOND as f64).collect();
    gaps.sort_by(f64::total_cmp);
    let (shortest, longest) = (gaps.first().copied().unwrap_or(0.0), gaps.last().copied().unwrap_or(0.0));
    finding.severity = if count as f64 >= rule.limit("many") { Severity::Medium } else { Severity::Low };
    finding.score = score(count as f64, rule.limit("failures"), rule.upper("failures"));
    finding.confidence = Belief::new()
        .with("calls that fail at once after a pause", Input::Spans, 0.75)
        .with_if(
            case.signals("connection.reset").iter().any(|row| row.service == service),
            "records of connections that were reset",
            Input::Logs,
            0.4,
        )
        .value();
    let slowest = stale.failures.iter().map(|(call, _)| call.nanos).max().unwrap_or(0) as f64 / 1e6;
    finding
        .measure_against("failures", count as f64, "calls", rule.limit("failures"))
        .measure("shortest_pause_s", round(shortest), "s")
        .measure("longest_pause_s", round(longest), "s")
        .measure("slowest_failure_ms", round(slowest), "ms")
        .measure_against("after_percent", round(after), "percent of the calls after such a pause", rule.limit("after_percent"))
        .measure("otherwise_percent", round(otherwise), "percent of the other calls")
        .measure("calls", stale.calls as f64, "calls");
    finding
        .look_alike("A peer that fails or restarts", "excluded: calls that follow each other closely go well")
        .look_alike("Few calls, all of them after pauses", format!("{} of {} calls follow a pause that long", stale.paused, stale.calls));
    finding.cite(stale.failures.iter().map(|(call, _)| call.evidence).collect::<Vec<_>>());
    Some(finding)
}

/// What drivers and pools say of connections that had been closed while nobody used them, by service.
fn said(case: &Case) -> BTreeMap<Sym, Vec<&Signal>> {
    let mut said: BTreeMap<Sym, Vec<&Signal>> = BTreeMap::new();
    for row in case.signals("connection.stale") {
        // A driver that names how long the connection had been quiet; a short time is a connection lost at work.
        let idle: String = case.tables.names.get(row.key).chars().filter(char::is_ascii_digit).collect();
        if idle.is_empty() || idle.parse::<f64>().is_ok_and(|ms| ms >= 30_000.0) {
            said.entry(row.service).or_default().push(row);
        }
    }
    said
}

fn by_drivers(case: &Case, rule: &Rule, service: Sym, said: &[&Signal]) -> Finding {
    let names = &case.tables.names;
    let mut window = Window::default();
    said.iter().for_each(|row| window.add(row.time));
    let subject = Subject { service: names.get(service).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    "pool".clone_into(&mut finding.kind);
    // A pool that finds a closed connection when it hands it out takes another: requests do not fail by it.
    finding.severity = Severity::Low;
    finding.score = score(said.len() as f64, rule.limit("failures"), rule.upper("failures"));
    finding.confidence = Belief::new().with("a driver that says how long a connection was idle", Input::Logs, 0.7).value();
    finding
        .measure_against("failures", said.len() as f64, "connections", rule.limit("failures"))
        .look_alike("A server that restarts", "not excluded: all connections break then, too");
    finding.cite(said.iter().map(|row| row.evidence).collect::<Vec<_>>());
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::{case, many};
    use crate::rules::fixture::{bundle, check, measured, rule};

    /// Calls at the given seconds; those that `fails` says are cut off within two milliseconds.
    fn calls(seconds: &[u32], fails: impl Fn(usize) -> bool) -> Vec<Finding> {
        let one = |(n, second): (usize, &u32)| {
            let outcome = if fails(n) { "10-12 !reset" } else { "10-40 200" };
            format!("t{n} +{}\n  web GET /a 0-60\n    > stock GET /s {outcome}\n", second * 1000)
        };
        check(&rule("stale-connection-reset"), &case(&seconds.iter().enumerate().map(one).collect::<String>()), None)
    }

    /// Five calls a second apart, then a pause of so many seconds, over and over.
    fn bursts(pauses: &[u32]) -> Vec<u32> {
        let mut seconds = Vec::new();
        let mut now = 0;
        for pause in pauses {
            seconds.extend((0..5).map(|n| now + n));
            now += 4 + pause;
        }
        seconds
    }

    #[test]
    fn the_first_call_after_a_pause_fails() {
        let seconds = bursts(&[61, 75, 64, 20, 66, 70, 62]);
        let found = calls(&seconds, |n| n > 0 && n % 5 == 0 && n != 20);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].subject.service.as_str(), found[0].subject.peer.as_str()), ("web", "stock"));
        assert_eq!((measured(&found[0], "failures"), measured(&found[0], "otherwise_percent")), (5.0, 0.0));
        assert!(measured(&found[0], "shortest_pause_s") > 60.0 && found[0].severity == Severity::Medium, "{found:?}");
    }

    #[test]
    fn look_alikes() {
        let seconds = bursts(&[61, 75, 64, 20, 66, 70, 62]);
        assert!(calls(&seconds, |_| false).is_empty());
        assert!(calls(&seconds, |n| n % 3 == 0).is_empty(), "fails whether there was a pause or not");
        assert!(calls(&seconds, |n| n == 10).is_empty(), "once");
        assert!(calls(&(0..40).collect::<Vec<_>>(), |n| n % 5 == 0).is_empty(), "no pause");
        let slow = many(0..6, 70_000, |_| "  web GET /a 0-9000\n    > stock GET /s 10-8000 !reset\n".to_owned());
        assert!(check(&rule("stale-connection-reset"), &case(&slow), None).is_empty(), "cut off at work");
    }

    #[test]
    fn drivers_say_it() {
        let line = |idle: &str| {
            format!(
                "2026-01-01T10:00:00.000Z  WARN 1 --- [shop] [main] o.h.e : Communications link failure. The last packet successfully received from the server was {idle} milliseconds ago.\n"
            )
        };
        let found = |text: &str| check(&rule("stale-connection-reset"), &bundle(&[("shop/app.log", text)]), None);
        assert_eq!(found(&line("600,012").repeat(4)).iter().map(|finding| finding.severity).collect::<Vec<_>>(), [Severity::Low]);
        assert!(found(&line("12").repeat(4)).is_empty(), "lost at work");
    }
}
