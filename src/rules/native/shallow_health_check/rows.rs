//! What instances answered to probes and to users, by whoever tells: spans and log records of requests, counters of metrics,
//! the readiness that the platform reports, and gateways where the instance itself saw nothing.
//!
//! What this file does not do: judge.

use crate::correlate::Case;
use crate::correlate::load::{COUNTERS, asks_health, has_failed, operation_of};
use crate::correlate::probe::{is_probe, is_scrape};
use crate::model::finding::Input;
use crate::model::names::Sym;
use crate::model::source::Evidence;
use crate::model::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// Some requests that ended alike and together.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub time: Time,
    pub operation: Sym,
    pub probe: bool,
    pub failed: bool,
    pub inherited: bool,
    pub well: bool,
    pub count: u64,
    pub nanos: Option<u64>,
    pub input: Input,
    /// Whether a gateway says so.
    pub edge: bool,
    pub evidence: Evidence,
}

/// Rows by service and instance, in the order of time.
pub type Rows = BTreeMap<(Sym, Sym), Vec<Row>>;

/// Failures that a gateway must tell of before its account is preferred to the instance's own.
const TOLD: usize = 5;

/// All rows.
pub fn rows(case: &Case) -> Rows {
    let input = if case.tables.requests.is_empty() { Input::Spans } else { Input::Requests };
    let mut all = Rows::new();
    let mut scrapes: BTreeMap<Sym, bool> = BTreeMap::new();
    let mut is_scrape_of = |operation: Sym| *scrapes.entry(operation).or_insert_with(|| is_scrape(case.tables.names.get(operation)));
    for row in case.served() {
        if row.probe && is_scrape_of(row.operation) {
            continue;
        }
        let (operation, evidence) = (row.operation, row.evidence);
        all.entry((row.service, row.instance)).or_default().push(Row {
            time: row.time,
            operation,
            probe: row.probe,
            failed: row.failed,
            inherited: row.inherited,
            well: row.well,
            count: 1,
            nanos: row.nanos,
            input,
            edge: false,
            evidence,
        });
    }
    counted(case, &mut all);
    ready(case, &mut all);
    at_the_edge(case, &mut all);
    all.values_mut().for_each(|rows| rows.sort_by_key(|row| (row.time, row.evidence)));
    all
}

/// Adds what counters tell of services that say nothing else of their probes, or of their users.
fn counted(case: &Case, all: &mut Rows) {
    let has = |probe: bool| {
        all.iter().filter(|(_, rows)| rows.iter().any(|row| row.probe == probe)).map(|((service, _), _)| *service).collect::<BTreeSet<Sym>>()
    };
    let (probed, used) = (has(true), has(false));
    let all_counters = || COUNTERS.iter().flat_map(|(count, ..)| case.series(count)).filter(|series| !is_scrape(&operation_of(series)));
    let mut begins: BTreeMap<(Sym, Sym), Time> = BTreeMap::new();
    for series in all_counters() {
        let first = series.points.first().map(|point| point.time).filter(|time| time.is_some());
        let begin = begins.entry((series.service, series.instance)).or_insert(Time::NONE);
        *begin = first.filter(|first| begin.is_none() || first < begin).unwrap_or(*begin);
    }
    for series in all_counters() {
        let begin = begins.get(&(series.service, series.instance)).copied().unwrap_or(Time::NONE);
        let probe = asks_health(&series);
        let told = if probe { &probed } else { &used };
        if told.contains(&series.service) {
            continue;
        }
        let failed = has_failed(&series);
        let rows = all.entry((series.service, series.instance)).or_default();
        for (point, gain) in series.steps_since(begin).filter(|(point, gain)| point.time.is_some() && *gain >= 1.0) {
            rows.push(Row {
                time: point.time,
                operation: point.labels,
                probe,
                failed,
                inherited: false,
                well: !failed,
                count: gain as u64,
                nanos: None,
                input: Input::Metrics,
                edge: false,
                evidence: point.evidence,
            });
        }
    }
}

/// Adds the readiness that the platform reports of instances whose probes nobody records: it is what the probes said.
fn ready(case: &Case, all: &mut Rows) {
    let names = &case.tables.names;
    let mut states: BTreeMap<Sym, Vec<Row>> = BTreeMap::new();
    for series in case.series("kube.pod.status.ready").filter(|series| !matches!(series.label("condition"), Some("false" | "unknown"))) {
        let Some(pod) = series.label("pod").and_then(|pod| names.find(pod)) else { continue };
        states.entry(pod).or_default().extend(series.points.iter().filter(|point| point.time.is_some()).map(|point| Row {
            time: point.time,
            operation: point.name,
            probe: true,
            failed: point.value <= 0.0,
            inherited: false,
            well: point.value > 0.0,
            count: 1,
            nanos: None,
            input: Input::Metrics,
            edge: false,
            evidence: point.evidence,
        }));
    }
    for ((_, instance), rows) in all.iter_mut().filter(|(_, rows)| rows.iter().all(|row| !row.probe)) {
        rows.extend(states.remove(instance).unwrap_or_default());
    }
}

/// Replaces the account of instances that answer probes and know of no failure by that of the gateways whose requests to
/// them failed: a full accept queue leaves no trace behind it.
fn at_the_edge(case: &Case, all: &mut Rows) {
    let names = &case.tables.names;
    let mut known: BTreeMap<&str, (Sym, Sym)> = BTreeMap::new();
    for &(service, instance) in all.keys() {
        known.entry(names.get(service)).or_insert((service, instance));
        known.insert(names.get(instance), (service, instance));
    }
    known.remove("");
    let target = |peer: Sym| {
        let text = names.get(peer);
        let host = text.split_once("://").map_or(text, |(_, rest)| rest).split([':', '/', ',']).next().unwrap_or("");
        known.get(host).or_else(|| known.get(host.split('.').next().unwrap_or(host))).copied()
    };
    let mut told: Rows = Rows::new();
    for row in case.tables.requests.iter().filter(|row| !row.peer.is_none() && row.status > 0) {
        let Some(place) = target(row.peer).filter(|(service, _)| *service != row.service) else { continue };
        // What the gateway refused by itself never reached the instance.
        let failed = matches!(row.status, 502..=504) || row.upstream_status >= 500;
        told.entry(place).or_default().push(Row {
            time: row.time,
            operation: row.operation,
            probe: is_probe(names.get(row.operation)),
            failed,
            inherited: false,
            well: row.status < 400,
            count: 1,
            nanos: row.nanos,
            input: Input::Requests,
            edge: true,
            evidence: row.evidence,
        });
    }
    // Who waits for a service behind it is not ill himself, and his check need not see it.
    let waiting: BTreeSet<Sym> =
        case.tables.spans.iter().filter(|span| span.is_outgoing() && span.system.is_none() && span.failed()).map(|span| span.service).collect();
    told.retain(|(service, _), _| !waiting.contains(service));
    for (place, edge) in told {
        let Some(own) = all.get_mut(&place) else { continue };
        let probed = own.iter().any(|row| row.probe);
        let failing = own.iter().any(|row| !row.probe && row.failed);
        if probed && !failing && edge.iter().filter(|row| !row.probe && row.failed).count() >= TOLD {
            own.retain(|row| row.probe);
            own.extend(edge.into_iter().filter(|row| !row.probe));
        }
    }
}
