//! `unlogged-5xx`: failed requests beside which no record of an error stands.
//!
//! What this file does not do: say why they failed; nobody wrote it down.

use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::ids::TraceId;
use crate::model::request::Request;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::Window;
use crate::rules::native::failures::{Errors, services};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};

pub(crate) const DETECTOR: Detector = Detector { id: "unlogged-5xx", thresholds: &["errors", "unlogged_percent", "near_ms"], detect };

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let errors = Errors::of(case);
    let near = (rule.limit("near_ms") * 1e6) as i64;
    for service in services(case).iter().filter(|service| errors.logs(service.service)) {
        let failed: Vec<_> = service.failed().collect();
        let trace = |evidence: Evidence| service.traces.get(&evidence).copied().unwrap_or(TraceId::NONE);
        let unlogged: Vec<_> = failed.iter().filter(|row| errors.explain(row, trace(row.evidence), near).is_none()).collect();
        let percent = 100.0 * unlogged.len() as f64 / failed.len().max(1) as f64;
        // A gateway or access log alone has no records of exceptions to begin with.
        let of_application = |row: &Request| row.service == service.service && !row.is_access;
        let speaks = case.tables.logs.iter().any(|log| log.service == service.service && !log.logger.is_none())
            || case.tables.requests.iter().any(of_application);
        if (unlogged.len() as f64) < rule.limit("errors") || percent < rule.limit("unlogged_percent") || !speaks {
            continue;
        }
        let mut window = Window::default();
        unlogged.iter().for_each(|row| window.add(row.time));
        let subject = Subject { service: case.tables.names.get(service.service).to_owned(), ..Subject::default() };
        let mut finding = Finding::new(&rule.id, subject, window);
        finding.severity = Severity::Low;
        finding.score = score(unlogged.len() as f64, rule.limit("errors"), rule.upper("errors"));
        finding.confidence = Belief::new().with("failures without a record beside them", Input::Requests, 0.65).value();
        finding
            .measure_against("unlogged", unlogged.len() as f64, "requests", rule.limit("errors"))
            .measure("failed", failed.len() as f64, "requests")
            .measure_against("unlogged_percent", round(percent), "percent", rule.limit("unlogged_percent"))
            .look_alike("Logs that are not in the bundle", "not excluded: the service has records here, but perhaps not all")
            .cite(unlogged.iter().take(6).map(|row| row.evidence));
        finding.evidence_total = unlogged.len() as u64;
        out.push(finding);
    }
}
