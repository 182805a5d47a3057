//! `broken-trace-context`: a hop on which the called side starts traces of its own.
//!
//! Calls without an answer in the trace are held against traces without a parent on the called side: if one lies inside each
//! of the calls, in order and as many, the context was lost between the two. What this file does not do: log records without
//! ids; see `uncorrelated_logs`.

mod dropped;
mod untraced;

use crate::correlate::Case;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::record::SpanKind;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::tables::Span;
use crate::model::time::{SECOND, Time, Window};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector {
    id: "broken-trace-context",
    thresholds: &[
        "calls",
        "broken_percent",
        "matched_percent",
        "slack",
        "clock",
        "edge",
        "inside_percent",
        "busy_percent",
        "together",
        "together_percent",
    ],
    detect,
};

/// Requests that are open at once, of which a trace may be part.
const NEAR: usize = 64;

/// Calls from one service to another.
#[derive(Default)]
struct Hop<'a> {
    answered: u64,
    unanswered: Vec<&'a Span>,
}

/// A call and the trace that began inside it.
struct Pair<'a> {
    call: &'a Span,
    root: &'a Span,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let (hops, roots) = hops(case, rule);
    for ((from, to), hop) in &hops {
        let all = hop.answered + hop.unanswered.len() as u64;
        let Some(roots) = roots.get(to) else { continue };
        if (hop.unanswered.len() as f64) < rule.limit("calls") {
            continue;
        }
        let pairs = pairs(rule, &hop.unanswered, roots);
        let broken = 100.0 * pairs.len() as f64 / all.max(1) as f64;
        let inside = roots.iter().filter(|root| within(&hop.unanswered, root)).count();
        let matched = 100.0 * pairs.len() as f64 / inside.max(1) as f64;
        let explained = 100.0 * pairs.len() as f64 / hop.unanswered.len() as f64;
        let enough = pairs.len() as f64 >= rule.limit("calls") && broken >= rule.limit("broken_percent");
        if enough && matched >= rule.limit("matched_percent") && explained >= rule.limit("matched_percent") {
            out.push(finding(case, rule, (*from, *to), all as usize, broken, &pairs));
        }
    }
    let known: BTreeSet<(Sym, Sym)> = hops.keys().copied().collect();
    untraced::untraced(case, rule, &roots, &known, out);
    dropped::dropped(case, rule, &roots, out);
}

/// Calls by caller and called service, and traces without a parent by service.
#[allow(clippy::type_complexity, reason = "two indexes that are made in one pass")]
fn hops<'a>(case: &'a Case, rule: &Rule) -> (BTreeMap<(Sym, Sym), Hop<'a>>, BTreeMap<Sym, Vec<&'a Span>>) {
    let edge = (rule.limit("edge") * SECOND as f64) as i64;
    let window = case.context.window;
    // A short recording has no middle: then the whole of it counts.
    let edge = if window.nanos() > 4 * edge { edge } else { 0 };
    let counts = |time: Time| time.since(window.start) >= edge && window.end.since(time) >= edge;
    let mut hops: BTreeMap<(Sym, Sym), Hop<'_>> = BTreeMap::new();
    let mut roots: BTreeMap<Sym, Vec<&Span>> = BTreeMap::new();
    let names = &case.tables.names;
    for spans in case.tables.spans.chunk_by(|a, b| a.trace == b.trace).filter(|spans| spans.first().is_some_and(|span| span.trace != TraceId::NONE)) {
        for span in spans.iter().filter(|span| counts(span.start)) {
            if span.is_incoming() && span.parent.is_none() {
                roots.entry(span.service).or_default().push(span);
            }
            if span.kind != SpanKind::Client || !case.context.peers.asks_service(span) || span.failed() {
                continue;
            }
            let answer = spans.iter().find(|other| other.parent == span.id && other.is_incoming());
            let to = match answer {
                Some(answer) => Some(answer.service),
                None => called(case, names.get(span.peer)),
            };
            let Some(to) = to.filter(|to| *to != span.service) else { continue };
            let hop = hops.entry((span.service, to)).or_default();
            match answer {
                Some(_) => hop.answered += 1,
                None => hop.unanswered.push(span),
            }
        }
    }
    for hop in hops.values_mut() {
        hop.unanswered.sort_by_key(|span| (span.start, span.evidence));
    }
    for roots in roots.values_mut() {
        roots.sort_by_key(|span| (span.start, span.evidence));
    }
    (hops, roots)
}

/// The service that answers under a host name.
fn called(case: &Case, host: &str) -> Option<Sym> {
    let name = host.split([':', '.']).next().unwrap_or(host);
    let service = case.tables.names.find(name).filter(|sym| !sym.is_none())?;
    case.context.peers.has_spans(crate::correlate::calls::Party::service(service)).then_some(service)
}

/// Calls and traces put together in the order of time, each at most once: same operation, inside the call.
fn pairs<'a>(rule: &Rule, calls: &[&'a Span], roots: &[&'a Span]) -> Vec<Pair<'a>> {
    let slack = (rule.limit("slack") * 1e6) as i64;
    let mut free = vec![true; roots.len()];
    let mut pairs = Vec::new();
    let mut first = 0;
    for call in calls {
        while roots.get(first).is_some_and(|root| root.start.plus(slack) < call.start) {
            first += 1;
        }
        let candidates = roots.iter().enumerate().skip(first).take_while(|(_, root)| root.start <= call.end());
        let found = candidates.take(NEAR).find(|(at, root)| {
            free.get(*at).copied().unwrap_or(false) && root.end() <= call.end().plus(slack) && status(root) == status(call) && agrees(root, call)
        });
        if let Some((at, root)) = found {
            free[at] = false;
            pairs.push(Pair { call, root });
        }
    }
    pairs
}

/// Whether both sides name the same operation, where both name one.
fn agrees(root: &Span, call: &Span) -> bool {
    root.operation.is_none() || call.operation.is_none() || root.operation == call.operation || root.fingerprint == call.fingerprint || !call.strong
}

const fn status(span: &Span) -> u16 {
    // The status is the only thing that both sides of one call must agree on.
    span.http_status
}

/// Whether a trace begins while any of the calls is under way.
fn within(calls: &[&Span], root: &Span) -> bool {
    let until = calls.partition_point(|call| call.start <= root.start);
    calls.get(until.saturating_sub(NEAR)..until).unwrap_or_default().iter().any(|call| call.end() >= root.end())
}

/// A finding about a hop on which so many of all calls are broken.
fn broken(case: &Case, rule: &Rule, (from, to): (Sym, Sym), (count, all): (usize, usize), window: Window) -> Finding {
    let names = &case.tables.names;
    let subject = Subject { service: names.get(from).to_owned(), peer: names.get(to).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    finding.services = vec![names.get(to).to_owned()];
    finding.score = score(count as f64, rule.limit("calls"), rule.upper("calls"));
    finding.measure_against("broken", count as f64, "calls", rule.limit("calls")).measure("calls", all as f64, "calls").measure_against(
        "broken_percent",
        round(100.0 * count as f64 / all.max(1) as f64),
        "percent",
        rule.limit("broken_percent"),
    );
    finding
}

fn finding(case: &Case, rule: &Rule, hop: (Sym, Sym), all: usize, percent: f64, pairs: &[Pair<'_>]) -> Finding {
    let mut window = Window::default();
    pairs.iter().for_each(|pair| window.join(pair.call.window()));
    let mut finding = broken(case, rule, hop, (pairs.len(), all), window);
    let failing = pairs.iter().any(|pair| pair.root.failed());
    finding.severity = if failing && percent >= rule.upper("broken_percent") { Severity::High } else { Severity::Medium };
    finding.confidence = Belief::new()
        .with("new traces inside calls without an answer", Input::Spans, 0.6)
        .with_if(percent >= rule.upper("broken_percent"), "nearly every call of the hop", Input::Spans, 0.45)
        .value();
    finding
        .look_alike("Spans that were not exported or sampled", "excluded: the other side's spans are there, in traces of their own")
        .look_alike("Requests from elsewhere at the same time", "excluded: each lies inside one call, in order, and as many as there are calls")
        .look_alike("The edge of the system", "excluded: the caller has spans in this bundle");
    finding.traces = pairs.iter().take(4).flat_map(|pair| [pair.call.trace, pair.root.trace]).collect();
    let cited: Vec<Evidence> = pairs.iter().flat_map(|pair| [pair.call.evidence, pair.root.evidence]).collect();
    finding.cite(cited);
    finding
}

#[cfg(test)]
mod tests {
    use crate::correlate::fixture::{case, many};
    use crate::model::finding::{Finding, Severity};
    use crate::rules::fixture::{check, measured, rule};

    fn found(text: &str) -> Vec<Finding> {
        check(&rule("broken-trace-context"), &case(text), None)
    }

    #[test]
    fn the_called_side_starts_traces_of_its_own() {
        let callers = many(0..40, 700, |_| "  orders GET /o 0-300 200\n    > stock GET /s 10-210 200\n".to_owned());
        let called: String = (0..40).map(|n| format!("u{n} +{}\n  stock GET /s 30-190 200\n", n * 700)).collect();
        let found = found(&(callers + &called));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].subject.service.as_str(), found[0].subject.peer.as_str(), found[0].severity), ("orders", "stock", Severity::Medium));
        assert_eq!((measured(&found[0], "broken"), measured(&found[0], "calls")), (40.0, 40.0));
    }

    #[test]
    fn whole_traces_are_silent() {
        assert!(
            found(&many(0..40, 700, |_| "  orders GET /o 0-300 200\n    > stock GET /s 10-210 200\n      stock GET /s 30-190 200\n".to_owned()))
                .is_empty()
        );
    }

    #[test]
    fn spans_that_were_not_exported_are_no_break() {
        let callers = many(0..40, 700, |n| {
            let answer = if n % 3 == 0 { "      stock GET /s 30-190 200\n" } else { "" };
            format!("  orders GET /o 0-300 200\n    > stock GET /s 10-210 200\n{answer}")
        });
        assert!(found(&callers).is_empty());
    }

    #[test]
    fn requests_of_others_beside_it_are_no_break() {
        let callers = many(0..40, 700, |_| "  orders GET /o 0-300 200\n    > stock GET /s 10-60 200\n".to_owned());
        let others: String = (0..200).map(|n| format!("u{n} +{}\n  stock GET /other 30-190 200\n", n * 140)).collect();
        assert!(found(&(callers + &others)).is_empty());
    }
}
