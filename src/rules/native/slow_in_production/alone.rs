//! Without anything to compare with: requests of users that take long, and the one side on which nearly all of their time goes.
//!
//! Whether it was ever faster is not known, so this is a remark on where to look and no more.

use super::sides::is_stream;
use crate::correlate::anatomy::{Anatomy, Part, anatomies};
use crate::correlate::{Case, graph::CallStats};
use crate::model::amount::millis;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::rules::native::retry_storm::round;
use std::collections::{BTreeMap, BTreeSet};

const MS: f64 = 1e6;

/// The operations at which requests come in and wait long for one side, one finding a service.
pub(super) fn find(case: &Case, rule: &Rule, out: &mut Vec<Finding>) {
    // What is slow for a while only is held against its other times by rules of their own.
    let long = |CallStats { nanos, .. }: &CallStats| {
        nanos.count() as f64 >= rule.limit("alone_requests")
            && nanos.p95() as f64 >= rule.limit("alone_p95") * MS
            && nanos.p50() as f64 >= rule.limit("alone_p50") * MS
    };
    let names = &case.tables.names;
    let slow: BTreeSet<(Sym, Sym)> = case
        .context
        .entries
        .iter()
        .filter(|((_, operation), line)| !is_stream(names.get(*operation)) && long(&line.total()))
        .map(|(key, _)| *key)
        .collect();
    if slow.is_empty() {
        return;
    }
    let all = anatomies(case, |span| slow.contains(&(span.service, span.operation.or(span.name))));
    let mut by_service: BTreeMap<Sym, Vec<(Sym, &Anatomy, Part, f64)>> = BTreeMap::new();
    for ((service, operation), anatomy) in all.iter().filter(|(key, _)| slow.contains(key)) {
        let whole = anatomy.lengths.mean() as f64 * anatomy.lengths.count() as f64;
        let worst = anatomy.parts.iter().filter(|(part, _)| **part != Part::OWN).max_by_key(|(part, spent)| (spent.nanos, **part));
        let Some((part, spent)) = worst else { continue };
        let percent = 100.0 * spent.nanos as f64 / whole.max(1.0);
        if percent >= rule.limit("alone_percent") {
            by_service.entry(*service).or_default().push((*operation, anatomy, *part, percent.min(100.0)));
        }
    }
    for (service, mut operations) in by_service {
        operations.sort_by(|a, b| b.1.lengths.p95().cmp(&a.1.lengths.p95()).then(names.get(a.0).cmp(names.get(b.0))));
        out.extend(finding(case, rule, service, &operations));
    }
}

fn finding(case: &Case, rule: &Rule, service: Sym, operations: &[(Sym, &Anatomy, Part, f64)]) -> Option<Finding> {
    let names = &case.tables.names;
    let (operation, anatomy, part, percent) = operations.first()?;
    let subject = Subject { service: names.get(service).to_owned(), operation: names.get(*operation).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, anatomy.window);
    "alone".clone_into(&mut finding.kind);
    finding.severity = Severity::Low;
    let p95 = anatomy.lengths.p95() as f64 / MS;
    finding.score = score(p95, rule.limit("alone_p95"), rule.upper("alone_p95"));
    finding.confidence = Belief::new().with("one side that holds most of the time", Input::Spans, 0.6).value().min(0.6);
    let (nanos, calls) = anatomy.mean(*part);
    let side = match part.operation.is_none() {
        true => names.get(part.peer).to_owned(),
        false => format!("{} ({})", names.get(part.peer), names.get(part.operation)),
    };
    finding
        .measure_against("p95_ms", round(p95), "ms", rule.limit("alone_p95"))
        .measure("p50_ms", round(anatomy.lengths.p50() as f64 / MS), "ms")
        .measure("requests", anatomy.lengths.count() as f64, "requests")
        .measure_against("share_percent", round(*percent), "percent of the time", rule.limit("alone_percent"))
        .measure("calls_per_request", round(calls), "calls")
        .measure("slow_operations", operations.len() as f64, "operations")
        .word("side", if side.is_empty() { "a side without a name".to_owned() } else { side })
        .word("per_call", millis(nanos / calls.max(1.0) / MS))
        .look_alike("A report or an export that is meant to take long", "not excluded: nothing tells how long it may take")
        .look_alike("It was always like this", "not excluded: there is neither another environment nor a calm time to compare with");
    finding.missing.push("the same traces of another environment or of a calm time (--baseline)".to_owned());
    finding.cite(anatomy.slowest.iter().map(|(_, evidence)| *evidence));
    Some(finding)
}
