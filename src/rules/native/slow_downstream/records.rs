//! Slow called sides where nobody traces: as callers log their calls, as gateways log their upstreams, as HTTP clients count
//! theirs, and as timeouts name the host.
//!
//! Without spans the length of a call is all there is: whether the called side works or waits is told only by its own calls,
//! if it records them too. So nothing here is as sure as a critical path.
//!
//! What this file does not do: callers that have spans.

use crate::correlate::Case;
use crate::correlate::calls::Party;
use crate::correlate::configured::same_party;
use crate::correlate::graph::{EdgeKey, Timeline};
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Time, Window};
use crate::rules::native::retry_storm::round;
use crate::rules::native::slow_downstream::suspects::{Against, MS, Suspect, than_other_times, unanswered};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// A mean of a scrape stands for so many calls at most: more would not make it truer.
const PER_SCRAPE: u64 = 200;

/// The calls of one caller to one side.
#[derive(Default)]
struct Calls {
    line: Timeline,
    worst: Vec<(Reverse<u64>, Evidence)>,
    input: Option<Input>,
    /// Whether a gateway tells them: what it gives up has a rule of its own.
    is_upstream: bool,
}

impl Calls {
    fn add(&mut self, bucket: i64, nanos: u64, timed_out: bool, evidence: Evidence) {
        let stats = self.line.0.entry(bucket).or_default();
        stats.calls += 1;
        stats.errors += u64::from(timed_out);
        stats.timeouts += u64::from(timed_out);
        stats.nanos.add(nanos);
        self.worst.push((Reverse(nanos), evidence));
        if self.worst.len() > 64 {
            self.worst.sort_unstable();
            self.worst.truncate(8);
        }
    }
}

/// Sides that are slow to callers without spans.
pub(super) fn find(case: &Case, rule: &Rule, out: &mut Vec<Finding>) {
    let traced: BTreeSet<Sym> = case.tables.spans.iter().map(|span| span.service).collect();
    let mut all: BTreeMap<(Sym, String), Calls> = BTreeMap::new();
    logged(case, &traced, &mut all);
    counted(case, &traced, &mut all);
    let suspects: Vec<((Sym, String), Suspect, &Calls)> = all
        .iter()
        .filter_map(|(key, calls)| {
            let edge = EdgeKey { from: key.0, to: Party::default(), operation: Sym::NONE };
            let found = than_other_times(&case.context, rule, edge, &calls.line);
            let found = found.or_else(|| unanswered(&case.context, rule, edge, &calls.line).filter(|_| !calls.is_upstream))?;
            Some((key.clone(), found, calls))
        })
        .collect();
    let names = &case.tables.names;
    let mut told: BTreeSet<String> = BTreeSet::new();
    for ((caller, peer), suspect, calls) in &suspects {
        // A side whose own calls are slow in the same time only waits for another one.
        let waits = suspects.iter().any(|(other, theirs, _)| same_party(names.get(other.0), peer) && theirs.window.touches(suspect.window, 0));
        if !waits && told.insert(format!("{} {peer}", names.get(*caller))) {
            out.push(finding(case, rule, (*caller, peer), suspect, calls));
        }
    }
    timeouts(case, rule, &traced, &told, out);
}

/// Calls and upstreams that records of requests tell.
fn logged(case: &Case, traced: &BTreeSet<Sym>, all: &mut BTreeMap<(Sym, String), Calls>) {
    let names = &case.tables.names;
    let width = case.context.bucket.max(1);
    for row in case.tables.requests.iter().filter(|row| !row.peer.is_none() && !traced.contains(&row.service)) {
        let nanos = if row.is_call { row.nanos } else { row.upstream_nanos };
        let Some(nanos) = nanos else { continue };
        let calls = all.entry((row.service, host(names.get(row.peer)).to_owned())).or_default();
        calls.input = Some(Input::Requests);
        calls.is_upstream |= !row.is_call;
        calls.add(row.start().0.div_euclid(width), nanos, row.status == 504, row.evidence);
    }
}

/// What HTTP clients count: a mean of every scrape.
fn counted(case: &Case, traced: &BTreeSet<Sym>, all: &mut BTreeMap<(Sym, String), Calls>) {
    let width = case.context.bucket.max(1);
    let sums: Vec<_> = case.series("http.client.requests.sum").chain(case.series("http.client.request.duration.sum")).collect();
    for series in case.series("http.client.requests.count").chain(case.series("http.client.request.duration.count")) {
        let peer = ["client_name", "client.name", "server.address", "server_address", "host", "target"].iter().find_map(|key| series.label(key));
        let sum = sums.iter().find(|sum| (sum.service, sum.instance, sum.labels) == (series.service, series.instance, series.labels));
        let (Some(peer), Some(sum)) = (peer.filter(|_| !traced.contains(&series.service)), sum) else { continue };
        let calls = all.entry((series.service, host(peer).to_owned())).or_default();
        if calls.input.is_some_and(|input| input == Input::Requests) {
            continue;
        }
        calls.input = Some(Input::Metrics);
        let lengths: BTreeMap<Time, f64> = sum.gains().collect();
        // The unit stands in the name; without one it is seconds, as the conventions have it.
        let scale = if series.name.contains("milli") || sum.name.contains("milli") { 1e6 } else { 1e9 };
        for ((time, gain), point) in series.gains().zip(series.points.iter().skip(1)) {
            let Some(length) = lengths.get(&time).filter(|_| gain >= 1.0 && time.is_some()) else { continue };
            let nanos = (length.max(0.0) / gain * scale) as u64;
            (0..(gain as u64).min(PER_SCRAPE)).for_each(|_| calls.add(time.0.div_euclid(width), nanos, false, point.evidence));
        }
    }
}

/// The host of an address, without scheme, port and path.
fn host(peer: &str) -> &str {
    let rest = peer.split_once("://").map_or(peer, |(_, rest)| rest);
    let host = rest.split(['/', '?']).next().unwrap_or(rest);
    match host.rsplit_once(':') {
        // The port of an address of numbers tells sides apart.
        Some((name, _)) if !name.bytes().all(|b| b.is_ascii_digit() || b == b'.') => name,
        _ => host,
    }
}

/// Records of calls that timed out and name the host, where nothing else tells of it.
fn timeouts(case: &Case, rule: &Rule, traced: &BTreeSet<Sym>, told: &BTreeSet<String>, out: &mut Vec<Finding>) {
    let names = &case.tables.names;
    let Some(io) = names.find("http.io-error") else { return };
    let kinds: Vec<Sym> = ["timeout.read", "timeout.deadline"].iter().filter_map(|name| names.find(name)).collect();
    let waited: BTreeSet<Evidence> = case.tables.signals.iter().filter(|row| kinds.contains(&row.signal)).map(|row| row.evidence).collect();
    let mut by_host: BTreeMap<(Sym, &str), Vec<(Time, Evidence)>> = BTreeMap::new();
    for row in case.tables.signals.iter().filter(|row| row.signal == io && waited.contains(&row.evidence) && !traced.contains(&row.service)) {
        by_host.entry((row.service, host(names.get(row.name)))).or_default().push((row.time, row.evidence));
    }
    for ((service, host), rows) in by_host {
        if (rows.len() as f64) < rule.limit("logged_timeouts") || told.contains(&format!("{} {host}", names.get(service))) {
            continue;
        }
        let mut window = Window::default();
        rows.iter().for_each(|(time, _)| window.add(*time));
        let mut finding = base(case, rule, (service, host), window, "logged");
        let failing = failing(case, service, window);
        finding.severity = severity(rule, failing);
        finding.score = score(rows.len() as f64, rule.limit("logged_timeouts"), 4.0 * rule.limit("logged_timeouts"));
        finding.confidence = Belief::new().with("timeouts that name one host", Input::Logs, 0.6).value();
        finding.measure("timeouts", rows.len() as f64, "records").measure("failing_requests_percent", round(failing), "percent of requests");
        looks(&mut finding);
        finding.cite(rows.iter().map(|row| row.1));
        out.push(finding);
    }
}

fn base(case: &Case, rule: &Rule, (caller, peer): (Sym, &str), window: Window, kind: &str) -> Finding {
    let names = &case.tables.names;
    // A host is the service that it belongs to, if one of the bundle has its name.
    let known = case.tables.log_counts.keys().map(|(service, _)| names.get(*service)).find(|service| same_party(service, peer));
    let known = known.or_else(|| met(case, caller, peer).map(|service| names.get(service)));
    let subject = Subject { service: known.unwrap_or(peer).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    kind.clone_into(&mut finding.kind);
    finding.services = vec![names.get(caller).to_owned()];
    finding.word("callers", names.get(caller).to_owned());
    finding
}

/// The service whose records share the traces of the calls to an address; none if several do.
fn met(case: &Case, caller: Sym, peer: &str) -> Option<Sym> {
    let names = &case.tables.names;
    let calls = case.tables.requests.iter().filter(|row| row.service == caller && !row.trace.is_none() && host(names.get(row.peer)) == peer);
    let traces: BTreeSet<TraceId> = calls.map(|row| row.trace).take(1000).collect();
    let served = case.tables.requests.iter().filter(|row| row.service != caller && !row.is_call && traces.contains(&row.trace));
    let services: BTreeSet<Sym> = served.map(|row| row.service).collect();
    services.first().copied().filter(|_| services.len() == 1)
}

/// How many per cent of the requests that the caller served during the window failed.
fn failing(case: &Case, caller: Sym, window: Window) -> f64 {
    let (all, failed) = case
        .served()
        .iter()
        .filter(|row| row.service == caller && !row.probe && window.holds(row.time))
        .fold((0_u64, 0_u64), |(all, failed), row| (all + 1, failed + u64::from(row.failed)));
    100.0 * failed as f64 / all.max(1) as f64
}

fn severity(rule: &Rule, failing: f64) -> Severity {
    match failing {
        _ if failing > rule.upper("failing_percent") => Severity::Critical,
        _ if failing > rule.limit("failing_percent") => Severity::High,
        _ => Severity::Medium,
    }
}

fn finding(case: &Case, rule: &Rule, key: (Sym, &str), suspect: &Suspect, calls: &Calls) -> Finding {
    let mut finding = base(case, rule, key, suspect.window, "records");
    let (during, usual) = (&suspect.during, &suspect.usual);
    let ratio = during.nanos.p95() as f64 / usual.nanos.p95().max(1) as f64;
    let percent = 100.0 * during.timeouts as f64 / during.calls.max(1) as f64;
    let failing = failing(case, key.0, suspect.window);
    let changed = suspect.against == Against::OtherTimes;
    // A pause of seconds on a busy machine moves a percentile too.
    let lasts = suspect.window.nanos() as f64 >= rule.limit("lasts") * SECOND as f64;
    finding.severity = match severity(rule, failing) {
        Severity::Medium if changed && (ratio < rule.upper("p95_ratio") || !lasts) => Severity::Low,
        other => other,
    };
    finding.score = if changed {
        score(ratio, rule.limit("p95_ratio"), rule.upper("p95_ratio"))
    } else {
        score(percent, rule.limit("timeout_percent"), rule.upper("timeout_percent"))
    };
    let input = calls.input.unwrap_or(Input::Requests);
    let cap = if changed { 0.80 } else { 0.70 };
    finding.confidence = Belief::new().with("calls as the caller records them", input, 0.65).value().min(cap);
    let ms = |nanos: u64| round(nanos as f64 / MS);
    finding
        .measure("p50", ms(during.nanos.p50()), "ms")
        .measure("p95", ms(during.nanos.p95()), "ms")
        .measure("usual_p50", ms(usual.nanos.p50()), "ms")
        .measure("usual_p95", ms(usual.nanos.p95()), "ms")
        .measure_against("p95_ratio", round(ratio), "times", rule.limit("p95_ratio"))
        .measure("calls", during.calls as f64, "calls")
        .measure("timeouts", during.timeouts as f64, "calls")
        .measure("timeout_percent", round(percent), "percent of calls")
        .measure("failing_requests_percent", round(failing), "percent of requests");
    looks(&mut finding);
    let mut worst = calls.worst.clone();
    worst.sort_unstable();
    finding.cite(worst.iter().map(|worst| worst.1));
    finding.evidence_total = during.calls;
    finding
}

fn looks(finding: &mut Finding) {
    finding
        .look_alike("A side that itself only waits for another", "excluded as far as its own calls are recorded: none of them is slow")
        .look_alike("A network or a pool between the two", "not excluded: without spans of both sides the way cannot be told from the work");
    finding.missing.push("client and server spans of both sides".to_owned());
}
