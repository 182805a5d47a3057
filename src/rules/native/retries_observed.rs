//! `retries-observed`: calls that were repeated, without a judgement whether that is too much. A link between a cause and
//! what repeating does.
//!
//! From spans: chains of attempts between two services. Of services that have no such spans: their log records of retries.
//!
//! What this file does not do: raise an alarm; a storm is `retry-storm`, a duplicated effect has rules of its own.

use crate::correlate::Case;
use crate::correlate::calls::Party;
use crate::correlate::chain::Retried;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::tables::Signal;
use crate::model::time::Window;
use crate::rules::native::retry_storm::{look_alikes, round};
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector { id: "retries-observed", thresholds: &["extra_attempts", "gave_up_percent", "log_records"], detect };

/// How many traces the finding names.
const TRACES: usize = 8;

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let pairs = case.context.chains.pairs();
    let seen: BTreeSet<Sym> = pairs.keys().map(|(from, _)| *from).collect();
    for ((from, to), retried) in pairs {
        if retried.attempts.total().extra() as f64 >= rule.limit("extra_attempts") {
            out.push(from_spans(case, rule, from, to, &retried));
        }
    }
    let wanted: Vec<Sym> = ["retry.attempt", "retry.exhausted", "retry.recovered"].iter().filter_map(|name| case.tables.names.find(name)).collect();
    let mut told: BTreeMap<Sym, Vec<&Signal>> = BTreeMap::new();
    for row in case.tables.signals.iter().filter(|row| wanted.contains(&row.signal) && !seen.contains(&row.service)) {
        told.entry(row.service).or_default().push(row);
    }
    for (service, rows) in told {
        if rows.len() as f64 >= rule.limit("log_records") {
            out.push(from_logs(case, rule, service, &rows));
        }
    }
}

fn from_spans(case: &Case, rule: &Rule, from: Sym, to: Party, retried: &Retried) -> Finding {
    let names = &case.tables.names;
    let attempts = &retried.attempts;
    let total = attempts.total();
    let operation = match retried.operations.as_slice() {
        [only] => names.get(*only).to_owned(),
        _ => String::new(),
    };
    let subject = Subject { service: names.get(from).to_owned(), peer: to.text(names), operation, ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, attempts.window);
    finding.services = vec![to.text(names)];
    let gave_up = 100.0 * (total.chains - attempts.recovered.min(total.chains)) as f64 / total.chains.max(1) as f64;
    finding.severity = if gave_up >= rule.limit("gave_up_percent") || attempts.ambiguous > 0 { Severity::Low } else { Severity::Info };
    finding.score = score(total.extra() as f64, rule.limit("extra_attempts"), rule.upper("extra_attempts"));
    finding.confidence = Belief::new()
        .with_if(attempts.strong > 0, "repeated calls of one request", Input::Spans, 0.85)
        .with_if(attempts.strong < total.chains, "repeated calls of one operation", Input::Spans, 0.5)
        .with_if(attempts.numbered > 0, "calls that count their attempts", Input::Spans, 0.9)
        .value();
    finding
        .measure("retried_calls", total.chains as f64, "requests")
        .measure_against("extra_attempts", total.extra() as f64, "attempts", rule.limit("extra_attempts"))
        .measure("requests", total.requests as f64, "requests")
        .measure("attempts", total.attempts as f64, "attempts")
        .measure("amplification", round(total.mean()), "attempts per request")
        .measure("max_attempts", f64::from(attempts.longest), "attempts")
        .measure_against("gave_up_percent", round(gave_up), "percent of retried requests", rule.limit("gave_up_percent"))
        .measure("unknown_outcomes_retried", attempts.ambiguous as f64, "requests")
        .measure("wasted", round(attempts.wasted as f64 / 1e9), "s");
    if attempts.layered_inside > 0 {
        finding.measure("layered_inside", attempts.layered_inside as f64, "requests");
    }
    if let Some((nanos, _)) = attempts.timeout() {
        finding.measure("timeout", round(nanos as f64 / 1e6), "ms");
    }
    look_alikes(case, &mut finding);
    finding.traces = attempts.examples.iter().map(|chain| chain.trace).take(TRACES).collect();
    finding.cite(attempts.examples.iter().flat_map(|chain| chain.evidence.iter().copied()));
    finding.evidence_total = total.extra() + total.chains;
    finding
}

fn from_logs(case: &Case, rule: &Rule, service: Sym, rows: &[&Signal]) -> Finding {
    let names = &case.tables.names;
    let mut window = Window::default();
    rows.iter().for_each(|row| window.add(row.time));
    let subject = Subject { service: names.get(service).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    "logs".clone_into(&mut finding.kind);
    let of = |name: &str| rows.iter().filter(|row| names.get(row.signal) == name).count() as f64;
    let numbered = rows.iter().filter(|row| row.value.is_finite()).count();
    finding.severity = if of("retry.exhausted") > 0.0 { Severity::Low } else { Severity::Info };
    finding.score = score(rows.len() as f64, rule.limit("log_records"), rule.upper("log_records"));
    finding.confidence = Belief::new()
        .with("log records of retries", Input::Logs, 0.5)
        .with_if(numbered > 0, "log records that count their attempts", Input::Logs, 0.7)
        .value();
    finding
        .measure_against("log_records", rows.len() as f64, "records", rule.limit("log_records"))
        .measure("log_attempts", of("retry.attempt"), "records")
        .measure("log_exhausted", of("retry.exhausted"), "records")
        .measure("log_recovered", of("retry.recovered"), "records")
        .look_alike("Words about attempts that are no calls", "not excluded: only the wording tells; client spans would show the calls");
    finding.missing.push("client spans of the service: they show which calls were repeated, and how they ended".to_owned());
    let mut traces: Vec<_> = rows.iter().map(|row| row.trace).filter(|trace| !trace.is_none()).collect();
    traces.dedup();
    traces.truncate(TRACES);
    finding.traces = traces;
    finding.cite(rows.iter().map(|row| row.evidence));
    finding
}
