//! Failed requests of each service, with what was logged beside them: the material of several rules.
//!
//! What this file does not do: judge.

use crate::correlate::Case;
use crate::correlate::probe::Served;
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::record::Level;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Time};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};

/// What a service served, probes left out.
pub struct Service {
    pub service: Sym,
    pub rows: Vec<Served>,
    /// Traces of the failed requests that have one, by evidence.
    pub traces: BTreeMap<Evidence, TraceId>,
}

impl Service {
    /// Requests that failed in this service itself.
    pub fn failed(&self) -> impl Iterator<Item = &Served> {
        self.rows.iter().filter(|row| row.failed && !row.inherited)
    }
}

/// Every service with requests. A gateway's account of a failure that its upstream answered is the upstream's.
pub fn services(case: &Case) -> Vec<Service> {
    let passed_on: BTreeSet<Evidence> =
        case.tables.requests.iter().filter(|row| row.status >= 500 && row.upstream_status == row.status).map(|row| row.evidence).collect();
    let failing_elsewhere: BTreeSet<Sym> =
        case.tables.requests.iter().filter(|row| row.failed() && !passed_on.contains(&row.evidence)).map(|row| row.service).collect();
    let spans_fail = case.tables.spans.iter().any(|span| span.is_incoming() && span.failed());
    let mut by_service: BTreeMap<Sym, Vec<Served>> = BTreeMap::new();
    for mut row in case.served().iter().copied().filter(|row| !row.probe) {
        let others = spans_fail || failing_elsewhere.iter().any(|service| *service != row.service);
        row.inherited |= others && passed_on.contains(&row.evidence);
        by_service.entry(row.service).or_default().push(row);
    }
    let failed: BTreeSet<Evidence> = by_service.values().flatten().filter(|row| row.failed).map(|row| row.evidence).collect();
    let mut traces: BTreeMap<Evidence, TraceId> = BTreeMap::new();
    traces.extend(case.tables.requests.iter().filter(|row| failed.contains(&row.evidence)).map(|row| (row.evidence, row.trace)));
    traces.extend(case.tables.spans.iter().filter(|span| failed.contains(&span.evidence)).map(|span| (span.evidence, span.trace)));
    traces.retain(|_, trace| !trace.is_none());
    by_service.into_iter().map(|(service, rows)| Service { service, rows, traces: traces.clone() }).collect()
}

/// Errors and exceptions by trace and by place, to be joined with failed requests.
pub struct Errors<'a> {
    by_trace: HashMap<TraceId, Vec<&'a crate::model::tables::Log>, FixedState>,
    by_place: BTreeMap<(Sym, Sym), Vec<&'a crate::model::tables::Log>>,
    spans: HashMap<TraceId, Sym, FixedState>,
    logging: BTreeSet<Sym>,
}

impl<'a> Errors<'a> {
    /// Those of a case.
    pub fn of(case: &'a Case) -> Self {
        let mut errors = Self { by_trace: HashMap::default(), by_place: BTreeMap::new(), spans: HashMap::default(), logging: BTreeSet::new() };
        let own: BTreeSet<Evidence> = case.tables.requests.iter().filter(|row| row.failed()).map(|row| row.evidence).collect();
        for log in &case.tables.logs {
            errors.logging.insert(log.service);
            // The record of the request itself, loud as it may be, does not explain it.
            let speaks = log.level >= Level::Error || log.level == Level::Warn && !log.exception.is_none();
            if speaks && (!own.contains(&log.evidence) || !log.exception.is_none()) {
                errors.by_trace.entry(log.trace).or_default().push(log);
                errors.by_place.entry((log.service, log.instance)).or_default().push(log);
            }
        }
        errors.logging.extend(case.tables.log_counts.keys().map(|(service, _)| *service));
        for span in case.tables.spans.iter().filter(|span| !span.error.is_none() && !span.is_outgoing()) {
            errors.spans.entry(span.trace).or_insert(span.error);
        }
        errors
    }

    /// Whether the service writes records at all.
    pub fn logs(&self, service: Sym) -> bool {
        self.logging.contains(&service)
    }

    /// The record that explains a failed request: of its trace, else of its instance within `near` nanoseconds.
    pub fn explain(&self, row: &Served, trace: TraceId, near: i64) -> Option<&'a crate::model::tables::Log> {
        self.explain_without(row, trace, near, &BTreeSet::new())
    }

    /// The same, but rather a record that does not explain another request already.
    pub fn explain_without(&self, row: &Served, trace: TraceId, near: i64, taken: &BTreeSet<Evidence>) -> Option<&'a crate::model::tables::Log> {
        if !trace.is_none()
            && let Some(log) = self.by_trace.get(&trace).and_then(|logs| logs.iter().find(|log| log.service == row.service).or(logs.first()))
        {
            return Some(log);
        }
        let logs = self.by_place.get(&(row.service, row.instance))?;
        let from = logs.partition_point(|log| log.time < row.time.plus(-near));
        // An access log that knows whole seconds only tells when the second began.
        let coarse = row.time.0.rem_euclid(SECOND) == 0;
        let until = row.time.plus(if coarse { near + SECOND } else { near });
        logs.get(from..)?
            .iter()
            .take_while(|log| log.time <= until)
            .min_by_key(|log| (taken.contains(&log.evidence), log.exception.is_none(), log.time.since(row.time).abs()))
            .copied()
    }

    /// The type of the exception behind a failed request, or none. The record that tells it is taken.
    pub fn exception(&self, row: &Served, trace: TraceId, near: i64, taken: &mut BTreeSet<Evidence>) -> Sym {
        let log = self.explain_without(row, trace, near, taken);
        taken.extend(log.map(|log| log.evidence));
        log.map_or(Sym::NONE, |log| log.exception).or(if trace.is_none() { Sym::NONE } else { self.spans.get(&trace).copied().unwrap_or(Sym::NONE) })
    }
}

/// When instances are known to have started or to have been stopped.
pub fn restarts(case: &Case) -> Vec<Time> {
    let started = case.tables.names.find("app.started");
    let mut times: Vec<Time> = case.tables.signals.iter().filter(|row| Some(row.signal) == started).map(|row| row.time).collect();
    let stops = ["Killing", "Started", "Scheduled", "Unhealthy", "BackOff"];
    times.extend(case.tables.events.iter().filter(|event| stops.contains(&case.tables.names.get(event.reason))).map(|event| event.time));
    times.sort_unstable();
    times
}
