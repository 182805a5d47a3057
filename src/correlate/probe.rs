//! Requests that ask whether a service is well, told from those that want something of it.
//!
//! ```text
//! GET /actuator/health/readiness   GET /healthz   HEAD /ping   grpc.health.v1.Health/Check      a probe
//! GET /api/status/orders           POST /health-records                                         business
//! ```
//!
//! What this file does not do: read the answers' bodies.

use crate::correlate::Case;
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::source::Evidence;
use crate::model::time::Time;
use hashbrown::HashSet;
use std::collections::{BTreeMap, BTreeSet};

/// Paths that only monitors ask for, whole or with something below them.
const TREES: &[&str] = &[
    "/actuator",
    "/q/health",
    "/_health",
    "/__health",
    "/healthz",
    "/livez",
    "/readyz",
    "/-/healthy",
    "/-/ready",
    "/manage/health",
    "/management/health",
];
/// Paths that only monitors ask for if nothing follows.
const LEAVES: &[&str] = &[
    "/health",
    "/healthcheck",
    "/health-check",
    "/health/live",
    "/health/ready",
    "/health/liveness",
    "/health/readiness",
    "/ping",
    "/status",
    "/ready",
    "/live",
    "/alive",
    "/up",
    "/metrics",
    "/nginx_status",
    "/stub_status",
    "/heartbeat",
    "/liveness",
    "/readiness",
];

/// Paths under which monitors read figures.
const SCRAPES: &[&str] = &["/metrics", "/q/metrics", "/nginx_status", "/stub_status"];

/// Last parts of paths that only monitors ask for, wherever the service puts its paths.
const ENDINGS: &[&str] = &["health", "healthz", "healthcheck", "health-check", "livez", "readyz", "liveness", "readiness"];

/// Whether an operation (`GET /healthz`) asks only whether the service is well.
#[must_use]
pub fn is_probe(operation: &str) -> bool {
    let lower = operation.to_ascii_lowercase();
    if lower.contains("grpc.health") || lower.contains("health/check") {
        return true;
    }
    let (method, path) = lower.split_once(' ').unwrap_or(("get", &lower));
    let path = path.trim_end_matches('/');
    matches!(method, "get" | "head" | "options")
        && (LEAVES.contains(&path)
            || TREES.iter().any(|tree| path == *tree || path.strip_prefix(tree).is_some_and(|rest| rest.starts_with('/')))
            // The health of something that has an id is business.
            || !path.contains('{') && path.rsplit('/').next().is_some_and(|last| ENDINGS.contains(&last)))
}

/// Whether an operation reads metrics and the like: a monitor's, but no question after the service's health.
#[must_use]
pub fn is_scrape(operation: &str) -> bool {
    let lower = operation.to_ascii_lowercase();
    let path = lower.split_once(' ').map_or(lower.as_str(), |(_, path)| path).trim_end_matches('/');
    let below = |tree: &str| path.strip_prefix(tree).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    SCRAPES.iter().any(|tree| below(tree)) || below("/actuator") && !path.split('/').any(|part| ENDINGS.contains(&part))
}

/// A request as the one who was asked tells it.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// When it ended.
    pub time: Time,
    /// Who served it.
    pub service: Sym,
    /// Instance.
    pub instance: Sym,
    /// What was asked for.
    pub operation: Sym,
    /// Whether it only asked for health.
    pub probe: bool,
    /// Whether it failed: 5xx, or a failed server span.
    pub failed: bool,
    /// Whether it failed because a service that it called failed.
    pub inherited: bool,
    /// Whether it went well: below 400.
    pub well: bool,
    /// How long it took, if that is known.
    pub nanos: Option<u64>,
    /// Where.
    pub evidence: Evidence,
}

/// Everything that was served, by time. Business is taken from the one source of a service that tells more of it, so that a
/// request is not counted by its span and its log record; probes from every source, since tracers often leave them out.
#[must_use]
pub(super) fn served(case: &Case) -> Vec<Served> {
    let mut probes: BTreeMap<Sym, bool> = BTreeMap::new();
    let mut is_probe_of = |operation: Sym| *probes.entry(operation).or_insert_with(|| is_probe(case.tables.names.get(operation)));
    let inherited = inherited(case);
    let mut by_spans: Vec<Served> = Vec::new();
    for span in case.tables.spans.iter().filter(|span| span.is_incoming()) {
        let operation = span.operation.or(span.name);
        by_spans.push(Served {
            time: span.end(),
            service: span.service,
            instance: span.instance,
            operation,
            probe: is_probe_of(operation),
            failed: span.failed(),
            inherited: inherited.contains(&(span.trace, span.service)),
            well: !span.failed() && span.http_status < 400,
            nanos: Some(span.nanos),
            evidence: span.evidence,
        });
    }
    let by_records: Vec<Served> = case
        .tables
        .requests
        .iter()
        .filter(|row| !row.is_call && row.status > 0)
        .map(|row| Served {
            time: row.time,
            service: row.service,
            instance: row.instance,
            operation: row.operation,
            probe: is_probe_of(row.operation),
            failed: row.failed(),
            inherited: inherited.contains(&(row.trace, row.service)),
            well: row.status < 400,
            nanos: row.nanos,
            evidence: row.evidence,
        })
        .collect();
    let count = |rows: &[Served]| {
        let mut counts: BTreeMap<Sym, u64> = BTreeMap::new();
        rows.iter().filter(|row| !row.probe).for_each(|row| *counts.entry(row.service).or_default() += 1);
        counts
    };
    let (spans, records) = (count(&by_spans), count(&by_records));
    let services: BTreeSet<Sym> = spans.keys().chain(records.keys()).copied().collect();
    let told_by_spans: BTreeSet<Sym> = services.into_iter().filter(|service| spans.get(service) >= records.get(service)).collect();
    let mut all: Vec<Served> = Vec::with_capacity(by_spans.len() + by_records.len());
    all.extend(by_spans.into_iter().filter(|row| row.probe || told_by_spans.contains(&row.service)));
    all.extend(by_records.into_iter().filter(|row| row.probe || !told_by_spans.contains(&row.service)));
    all.sort_by_key(|row| (row.time, row.evidence));
    all
}

/// Where a call to another service failed: trace and calling service. What a database or a cache does not answer is the
/// caller's own trouble, since nobody else answers for it.
fn inherited(case: &Case) -> HashSet<(TraceId, Sym)> {
    let calls = case.tables.spans.iter().filter(|span| span.is_outgoing() && span.system.is_none() && span.failed() && !span.trace.is_none());
    calls.map(|span| (span.trace, span.service)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_by_their_path() {
        for operation in [
            "GET /actuator/health/readiness",
            "GET /healthz",
            "HEAD /ping",
            "grpc.health.v1.Health/Check",
            "GET /health/",
            "GET /actuator/prometheus",
            "GET /api/v1/health",
        ] {
            assert!(is_probe(operation), "{operation}");
        }
        for operation in
            ["GET /api/status/orders", "POST /health-records", "POST /ping", "GET /healthy-recipes", "GET /patients/{id}/health", "GET /orders/{id}"]
        {
            assert!(!is_probe(operation), "{operation}");
        }
        for operation in ["GET /metrics", "GET /actuator/prometheus", "GET /actuator/metrics/jvm.memory.used"] {
            assert!(is_scrape(operation), "{operation}");
        }
        for operation in ["GET /actuator/health", "GET /actuator/health/readiness", "GET /healthz", "GET /metrics-catalogue"] {
            assert!(!is_scrape(operation), "{operation}");
        }
    }
}
