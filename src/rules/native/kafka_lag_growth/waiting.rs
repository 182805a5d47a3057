//! How long messages wait before they are handled, and how long that takes, by spans of producers and consumers.
//!
//! What this file does not do: count messages; spans are often sampled.

use crate::correlate::Case;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::record::SpanKind;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Time, Window};
use crate::model::trend::{mann_kendall, median};
use crate::rules::native::retry_storm::round;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Into so many stretches the messages are divided.
const STRETCHES: usize = 8;

/// A message: when its handler began, nanoseconds it had waited, its handler's span.
type Waited = (Time, i64, Evidence);

/// Growth of the waiting time, for those readers whose backlog no metric tells.
pub(super) fn detect(case: &Case, rule: &Rule, told: &BTreeSet<(String, String)>, out: &mut Vec<Finding>) {
    let names = &case.tables.names;
    for ((service, topic), mut waits) in waits(case) {
        let known = told.contains(&(names.get(service).to_owned(), names.get(topic).to_owned()));
        waits.sort_unstable();
        if !known && (waits.len() as f64) >= rule.limit("messages") {
            out.extend(judge(case, rule, (service, topic), &waits));
        }
    }
}

/// Waiting times by reader and topic: from the end of the span that sent a message to the start of the one that handles it.
fn waits(case: &Case) -> BTreeMap<(Sym, Sym), Vec<Waited>> {
    let names = &case.tables.names;
    let kafka = names.find("kafka");
    case.traces()
        .fold(BTreeMap::<(Sym, Sym), Vec<Waited>>::new, |mut found, trace| {
            for (at, span) in trace.spans.iter().enumerate().filter(|(_, span)| span.kind == SpanKind::Consumer && Some(span.system) == kafka) {
                let sent = trace.parent(at).and_then(|parent| Some((trace.spans.get(parent)?, trace.end(parent))));
                if let Some((_, end)) = sent.filter(|(parent, _)| parent.kind == SpanKind::Producer) {
                    let waited = (trace.start(at) - end).max(0);
                    found.entry((span.service, span.peer)).or_default().push((span.start, waited, span.evidence));
                }
            }
            found
        })
        .reduce(BTreeMap::new, |mut a, b| {
            b.into_iter().for_each(|(key, waits)| a.entry(key).or_default().extend(waits));
            a
        })
}

fn judge(case: &Case, rule: &Rule, (service, topic): (Sym, Sym), waits: &[Waited]) -> Option<Finding> {
    let size = waits.len().div_ceil(STRETCHES);
    let middles: Vec<f64> = waits
        .chunks(size)
        .filter_map(|part| median(&mut part.iter().map(|(_, waited, _)| *waited as f64 / SECOND as f64).collect::<Vec<_>>()))
        .collect();
    let (first, last) = (*middles.first()?, *middles.last()?);
    let grows = mann_kendall(&middles).tau >= rule.limit("tau") && last >= rule.limit("factor") * first && last >= rule.limit("age");
    if !grows {
        return None;
    }
    let names = &case.tables.names;
    let start = waits.get(middles.iter().rposition(|wait| *wait <= 1.5 * first)? * size)?.0;
    let window = Window::of(start, waits.last()?.0);
    let subject = Subject { service: names.get(service).to_owned(), operation: names.get(topic).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    "waiting".clone_into(&mut finding.kind);
    finding.severity = if last >= rule.upper("age") { Severity::High } else { Severity::Medium };
    finding.score = score(last, rule.limit("age"), rule.upper("age"));
    finding.confidence = Belief::new().with("messages that wait longer and longer", Input::Spans, 0.7).value();
    finding
        .measure_against("wait_end_s", round(last), "s", rule.limit("age"))
        .measure("wait_start_s", round(first), "s")
        .measure("messages", waits.len() as f64, "messages")
        .word("topic", names.get(topic))
        .look_alike("Messages that were delayed on purpose", "not excluded: the time they wait grows, which a fixed delay does not")
        .look_alike("Clocks that differ", "excluded: a difference does not grow within minutes");
    let worst = waits.iter().rev().take(4).map(|(.., evidence)| *evidence);
    finding.cite(worst.chain(waits.first().map(|(.., evidence)| *evidence)).collect::<Vec<_>>());
    finding.evidence_total = waits.len() as u64;
    Some(finding)
}

/// Median nanoseconds that a service's handlers take before and during a window, if both are known well enough.
pub(super) fn handling(case: &Case, service: &str, window: Window) -> Option<(f64, f64)> {
    let service = case.tables.names.find(service)?;
    let handled = case.tables.spans.iter().filter(|span| span.kind == SpanKind::Consumer && span.service == service);
    let (during, before): (Vec<_>, Vec<_>) = handled.partition(|span| span.start >= window.start);
    if during.len().min(before.len()) < 20 {
        return None;
    }
    let middle = |spans: Vec<&crate::model::tables::Span>| median(&mut spans.iter().map(|span| span.nanos as f64).collect::<Vec<_>>());
    Some((middle(before)?, middle(during)?))
}
