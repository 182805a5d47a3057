//! The calls that a breaker is there for, and the time in which they went badly.
//!
//! What this file does not do: say whether the breaker did its part.

use crate::correlate::Case;
use crate::correlate::breaker::{Breaker, breakers};
use crate::correlate::calls::Party;
use crate::correlate::configured::{plain, same_party, setting};
use crate::correlate::failure::Failure;
use crate::correlate::load::has_failed;
use crate::correlate::meter::Series;
use crate::correlate::series::heaviest_run;
use crate::correlate::trace::Trace;
use crate::model::finding::Input;
use crate::model::ids::TraceId;
use crate::model::rule::Rule;
use crate::model::sketch::Sketch;
use crate::model::source::Evidence;
use crate::model::time::{Time, Window};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Labels in which clients name the side they call.
const CLIENTS: &[&str] = &["client_name", "client.name", "server.address", "server_address", "host", "target"];

/// A call of the protected side, or several that a counter tells together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Made {
    pub(super) start: Time,
    pub(super) nanos: Option<u64>,
    pub(super) failed: bool,
    pub(super) count: u64,
    pub(super) trace: TraceId,
    pub(super) evidence: Evidence,
}

/// A breaker and the calls it watches.
pub(super) struct Edge {
    pub(super) breaker: Breaker,
    /// Who is called; empty if nothing says it.
    pub(super) peer: String,
    /// Whether breaker and calls were brought together by their names.
    pub(super) named: bool,
    pub(super) calls: Vec<Made>,
    pub(super) input: Input,
    /// Whether the calls are told by the breaker itself: then they are failed only where it says so.
    pub(super) by_itself: bool,
}

/// The time in which the calls went badly.
pub(super) struct Trouble {
    pub(super) window: Window,
    pub(super) calls: u64,
    pub(super) failed: u64,
    pub(super) slow: u64,
    pub(super) nanos: Sketch,
    /// Median of good calls at other times, or of the fastest quarter.
    pub(super) usual: u64,
}

impl Trouble {
    pub(super) fn failed_percent(&self) -> f64 {
        100.0 * self.failed as f64 / self.calls.max(1) as f64
    }

    pub(super) fn slow_percent(&self) -> f64 {
        100.0 * self.slow as f64 / self.calls.max(1) as f64
    }
}

/// Every breaker of the bundle with the calls it is there for.
pub(super) fn edges(case: &Case) -> Vec<Edge> {
    let names = &case.tables.names;
    let mut edges: Vec<Edge> = Vec::new();
    let mut wanted: BTreeMap<(crate::model::names::Sym, Party), usize> = BTreeMap::new();
    for breaker in breakers(case) {
        let callees = case.context.graph.callees(Party::service(breaker.service));
        let callees: Vec<Party> = callees.into_iter().filter(|party| party.system.is_none()).collect();
        let named = callees.iter().find(|party| same_party(names.get(party.name), &breaker.name)).copied();
        let only = <[Party; 1]>::try_from(callees).ok().map(|[only]| only);
        let party = named.or(only);
        if let Some(party) = party {
            wanted.insert((breaker.service, party), edges.len());
        }
        let peer = party.map_or_else(|| breaker.name.clone(), |party| party.text(names));
        let known = party.is_none() || named.is_some();
        edges.push(Edge { breaker, peer, named: known, calls: Vec::new(), input: Input::Spans, by_itself: false });
    }
    if edges.is_empty() {
        return edges;
    }
    for (at, call) in traced(case, &wanted) {
        if let Some(edge) = edges.get_mut(at) {
            edge.calls.push(call);
        }
    }
    for edge in edges.iter_mut().filter(|edge| edge.calls.is_empty()) {
        (edge.calls, edge.input, edge.by_itself) = told(case, edge);
    }
    edges.iter_mut().for_each(|edge| edge.calls.sort_unstable());
    edges
}

fn traced(case: &Case, wanted: &BTreeMap<(crate::model::names::Sym, Party), usize>) -> Vec<(usize, Made)> {
    let peers = &case.context.peers;
    let add = |mut found: Vec<(usize, Made)>, trace: Trace<'_>| {
        for call in peers.calls(&trace).iter().filter(|call| !call.is_async) {
            let (Some(&at), Some(span)) = (wanted.get(&(call.from, call.to)), trace.spans.get(call.span)) else { continue };
            let failed = call.failure != Failure::None;
            found.push((at, Made { start: span.start, nanos: Some(span.nanos), failed, count: 1, trace: span.trace, evidence: span.evidence }));
        }
        found
    };
    let mut found = case.traces().fold(Vec::new, add).reduce(Vec::new, |mut mine, mut theirs| {
        mine.append(&mut theirs);
        mine
    });
    found.sort_unstable();
    found
}

/// The calls without spans: as the caller logs them, as the breaker's events tell them, as the client counts them, or as the
/// breaker does; and whether it is the breaker who tells.
fn told(case: &Case, edge: &Edge) -> (Vec<Made>, Input, bool) {
    let names = &case.tables.names;
    let breaker = &edge.breaker;
    let rows =
        case.tables.requests.iter().filter(|row| row.is_call && row.service == breaker.service && same_party(names.get(row.peer), &breaker.name));
    let logged: Vec<Made> = rows
        .map(|row| Made {
            start: row.start(),
            nanos: row.nanos,
            failed: row.failed() || row.status == 0,
            count: 1,
            trace: row.trace,
            evidence: row.evidence,
        })
        .collect();
    if !logged.is_empty() {
        return (logged, Input::Requests, false);
    }
    if !breaker.watched.is_empty() {
        let calls = breaker.watched.iter().map(|call| Made {
            start: call.time.plus(-i64::try_from(call.nanos.unwrap_or(0)).unwrap_or(0)),
            nanos: call.nanos,
            failed: call.failed,
            count: 1,
            trace: TraceId::NONE,
            evidence: call.evidence,
        });
        return (calls.collect(), Input::Logs, true);
    }
    let by_client = by_client(case, breaker);
    if !by_client.is_empty() {
        return (by_client, Input::Metrics, false);
    }
    (by_itself(case, breaker), Input::Metrics, true)
}

/// What the breaker counts of its calls.
fn by_itself(case: &Case, breaker: &Breaker) -> Vec<Made> {
    let mut calls = Vec::new();
    let sums: Vec<_> = case.series("resilience4j.circuitbreaker.calls.sum").filter(|series| series.service == breaker.service).collect();
    for series in case.series("resilience4j.circuitbreaker.calls.count").filter(|series| series.service == breaker.service) {
        if series.label("name").is_some_and(|name| plain(name) == plain(&breaker.name)) {
            counted(&series, &sums, series.label("kind") == Some("failed"), &mut calls);
        }
    }
    calls
}

/// What an HTTP client counts of its calls to the side that the breaker is named after. It knows the status of an answer, which
/// a breaker need not look at.
fn by_client(case: &Case, breaker: &Breaker) -> Vec<Made> {
    let mut calls = Vec::new();
    for (count, sum) in
        [("http.client.requests.count", "http.client.requests.sum"), ("http.client.request.duration.count", "http.client.request.duration.sum")]
    {
        let sums: Vec<_> = case.series(sum).filter(|series| series.service == breaker.service).collect();
        for series in case.series(count).filter(|series| series.service == breaker.service) {
            let told = |key: &&str| series.label(key).is_some_and(|peer| same_party(peer, &breaker.name));
            if CLIENTS.iter().any(told) {
                let thrown = ["exception", "error", "error.type"]
                    .iter()
                    .any(|key| series.label(key).is_some_and(|thrown| !matches!(thrown, "" | "none" | "None")));
                counted(&series, &sums, thrown && series.label("outcome") != Some("CLIENT_ERROR") || has_failed(&series), &mut calls);
            }
        }
    }
    calls
}

/// The steps of a counter of calls, with their mean lengths from the counter of time beside it.
fn counted(series: &Series<'_>, sums: &[Series<'_>], failed: bool, calls: &mut Vec<Made>) {
    let sum = sums.iter().find(|sum| (sum.instance, sum.labels) == (series.instance, series.labels));
    let begin = sums.iter().filter(|sum| sum.instance == series.instance).filter_map(|sum| sum.points.first()).map(|point| point.time).min();
    let begin = begin.unwrap_or(Time::NONE);
    let lengths: BTreeMap<Time, f64> = sum.map(|sum| sum.steps_since(begin).map(|(point, gain)| (point.time, gain)).collect()).unwrap_or_default();
    for (point, gain) in series.steps_since(begin).filter(|(_, gain)| *gain >= 1.0) {
        let nanos = lengths.get(&point.time).map(|seconds| (seconds.max(0.0) / gain * 1e9) as u64);
        calls.push(Made { start: point.time, nanos, failed, count: gain as u64, trace: TraceId::NONE, evidence: point.evidence });
    }
}

/// The stretch of time in which failing, slow and rejected calls crowd; none if the calls went well.
pub(super) fn trouble(case: &Case, rule: &Rule, edge: &Edge) -> Option<Trouble> {
    let width = case.context.bucket.max(1);
    let mut good = Sketch::default();
    edge.calls.iter().filter(|call| !call.failed).filter_map(|call| call.nanos).for_each(|nanos| good.add(nanos));
    let usual = good.quantile(250);
    let longer = |times: f64, ms: f64| (usual as f64 * times).max(usual as f64 + ms * 1e6);
    let limit =
        if good.count() == 0 { f64::INFINITY } else { longer(rule.limit("slow_times"), rule.limit("slow_ms")).min(rule.limit("slow_s") * 1e9) };
    let is_slow = |call: &Made| call.nanos.is_some_and(|nanos| nanos as f64 >= limit);
    let mut buckets: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
    for call in &edge.calls {
        let bucket = buckets.entry(call.start.0.div_euclid(width)).or_default();
        bucket.0 += call.count;
        bucket.1 += if call.failed || is_slow(call) { call.count } else { 0 };
    }
    for one in &edge.breaker.rejections {
        let bucket = buckets.entry(one.time.0.div_euclid(width)).or_default();
        (bucket.0, bucket.1) = (bucket.0 + 1, bucket.1 + 1);
    }
    let (first, last) = heaviest_run(buckets.values().map(|&(calls, bad)| bad as f64 - rule.limit("trouble_percent") / 100.0 * calls as f64))?;
    let (first, last) = (*buckets.keys().nth(first)?, *buckets.keys().nth(last)?);
    let inside = |time: Time| (first..=last).contains(&time.0.div_euclid(width));
    let mut trouble = Trouble { window: Window::default(), calls: 0, failed: 0, slow: 0, nanos: Sketch::default(), usual };
    for call in edge.calls.iter().filter(|call| inside(call.start)) {
        trouble.calls += call.count;
        trouble.failed += if call.failed { call.count } else { 0 };
        trouble.slow += if is_slow(call) { call.count } else { 0 };
        call.nanos.iter().for_each(|&nanos| trouble.nanos.add(nanos));
        if call.failed || is_slow(call) {
            trouble.window.add(call.start);
        }
    }
    edge.breaker.rejections.iter().filter(|one| inside(one.time)).for_each(|one| trouble.window.add(one.time));
    trouble.window.start.is_some().then_some(trouble)
}

/// A setting of the breaker, or of the configuration it is based on.
pub(super) fn configured<'a>(case: &'a Case, breaker: &Breaker, family: &str, key: &str) -> Option<(&'a str, Evidence)> {
    let name = breaker.name.to_ascii_lowercase().replace(['-', '_'], "");
    let found = setting(case, breaker.service, |segments| {
        let at = segments.iter().position(|segment| *segment == family)?;
        match (segments.get(at + 1..)?, segments.last()) {
            (["instances" | "backends", of, ..], Some(last)) if *last == key && *of == name => Some(0),
            (["configs", "default", ..], Some(last)) if *last == key => Some(1),
            _ => None,
        }
    });
    found.map(|(row, value)| (value, row.evidence))
}
