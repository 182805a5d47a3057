//! Calls that leave no span at all: a client without instrumentation neither records the call nor passes the trace on.
//!
//! Then nothing says who asked. But each trace that the called side begins lies inside one request of the caller, and not by
//! chance if the caller is idle for much of the time. Requests that clients send to both at once look alike; so something else
//! must tie the two together: the caller's log names the other side, or both fail together.
//! What this file does not do: calls that do have a span.

use crate::correlate::Case;
use crate::model::finding::{Belief, Finding, Input, Severity, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::tables::Span;
use crate::model::time::Window;
use crate::rules::native::broken_trace_context::{NEAR, broken};
use crate::rules::native::retry_storm::round;
use std::collections::{BTreeMap, BTreeSet};

/// A name as short as this stands in too many texts.
const SHORT: usize = 4;

/// A service whose requests hold the traces that another begins.
struct Caller<'a> {
    service: Sym,
    pairs: Vec<(&'a Span, &'a Span)>,
    busy_percent: f64,
    named: bool,
    together: usize,
}

/// What a service was asked.
struct Served<'a> {
    /// The requests, by start.
    requests: Vec<&'a Span>,
    /// When at least one of them was open: stretches that do not touch, by time.
    open: Vec<Window>,
}

impl<'a> Served<'a> {
    fn of(mut requests: Vec<&'a Span>) -> Self {
        requests.sort_by_key(|span| (span.start, span.evidence));
        let mut open: Vec<Window> = Vec::new();
        for span in requests.iter().filter(|span| span.start.is_some()) {
            match open.last_mut().filter(|last| span.start <= last.end) {
                Some(last) => last.end = last.end.max(span.end()),
                None => open.push(span.window()),
            }
        }
        Self { requests, open }
    }
}

/// Looks at every service that begins traces although nobody is seen to call it.
pub(super) fn untraced(case: &Case, rule: &Rule, roots: &BTreeMap<Sym, Vec<&Span>>, known: &BTreeSet<(Sym, Sym)>, out: &mut Vec<Finding>) {
    let mut counts: BTreeMap<Sym, usize> = BTreeMap::new();
    case.tables.spans.iter().filter(|span| span.is_incoming()).for_each(|span| *counts.entry(span.service).or_default() += 1);
    let begins = |to: Sym, roots: &[&Span]| {
        let all = counts.get(&to).copied().unwrap_or(0);
        let mostly = 100.0 * roots.len() as f64 >= rule.limit("inside_percent") * all as f64;
        (roots.len() as f64) >= rule.limit("calls") && mostly && !known.iter().any(|(_, called)| *called == to)
    };
    let wanted: Vec<(Sym, &[&Span])> = roots.iter().map(|(&to, roots)| (to, roots.as_slice())).filter(|(to, roots)| begins(*to, roots)).collect();
    // Of nearly all bundles every service is called by another, and nothing need be sorted.
    let asked: BTreeSet<Sym> =
        counts.keys().copied().filter(|from| wanted.iter().any(|(to, _)| to != from && !known.contains(&(*to, *from)))).collect();
    if asked.is_empty() {
        return;
    }
    let mut requests: BTreeMap<Sym, Vec<&Span>> = BTreeMap::new();
    for span in case.tables.spans.iter().filter(|span| span.is_incoming() && asked.contains(&span.service)) {
        requests.entry(span.service).or_default().push(span);
    }
    let served: BTreeMap<Sym, Served<'_>> = requests.into_iter().map(|(service, requests)| (service, Served::of(requests))).collect();
    for (to, roots) in wanted {
        let callers = served.iter().filter(|(from, _)| **from != to && !known.contains(&(to, **from)));
        let callers = callers.filter_map(|(from, served)| caller(case, rule, (*from, to), served, roots));
        // Whoever calls the caller holds the traces too, for longer.
        let length =
            |caller: &Caller<'_>| caller.pairs.iter().map(|(request, _)| u128::from(request.nanos)).sum::<u128>() / caller.pairs.len().max(1) as u128;
        if let Some(caller) = callers.min_by_key(|caller| (length(caller), caller.service)) {
            out.push(finding(case, rule, to, roots.len(), &caller));
        }
    }
}

fn caller<'a>(case: &Case, rule: &Rule, (from, to): (Sym, Sym), served: &Served<'a>, roots: &[&'a Span]) -> Option<Caller<'a>> {
    let span = Window::of(roots.first()?.start, roots.last()?.end());
    let spans = served.requests.as_slice();
    let busy_percent = 100.0 * open(&served.open, span) as f64 / span.nanos().max(1) as f64;
    if busy_percent > rule.limit("busy_percent") {
        return None;
    }
    let mut free = vec![true; spans.len()];
    let mut pairs = Vec::new();
    for root in roots {
        let until = spans.partition_point(|span| span.start <= root.start);
        let holder = (until.saturating_sub(NEAR)..until).rev().find(|&at| free[at] && spans[at].end() >= root.end());
        if let Some(at) = holder {
            free[at] = false;
            pairs.push((spans[at], *root));
        }
    }
    if 100.0 * (pairs.len() as f64) < rule.limit("inside_percent") * roots.len() as f64 {
        return None;
    }
    let failed = roots.iter().filter(|root| root.failed()).count();
    let together = pairs.iter().filter(|(request, root)| request.failed() && root.failed()).count();
    let failed_there = pairs.iter().filter(|(request, _)| request.failed()).count();
    // Where most requests fail, a failed trace lies inside one by chance.
    let most = rule.limit("together_percent") / 100.0 * failed.max(failed_there) as f64;
    let as_one = together as f64 >= rule.limit("together").max(most) && 2 * failed_there < pairs.len();
    let named = names(case, from, to);
    (named || as_one).then_some(Caller { service: from, pairs, busy_percent, named, together: if as_one { together } else { 0 } })
}

/// For how long at least one of the requests was open.
fn open(stretches: &[Window], within: Window) -> i64 {
    stretches.iter().map(|open| open.end.min(within.end).since(open.start.max(within.start)).max(0)).sum()
}

/// Whether what a service logs names another one, as a word.
fn names(case: &Case, from: Sym, to: Sym) -> bool {
    let names = &case.tables.names;
    let name = names.get(to).to_ascii_lowercase();
    let is_word = |text: &str| {
        let text = text.to_ascii_lowercase();
        let edge = |byte: Option<u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric() && byte != b'_');
        text.match_indices(name.as_str()).any(|(at, _)| {
            edge(at.checked_sub(1).and_then(|before| text.as_bytes().get(before).copied())) && edge(text.as_bytes().get(at + name.len()).copied())
        })
    };
    let said = case.tables.templates.iter().filter(|((_, service), _)| *service == from);
    name.len() > SHORT && said.into_iter().any(|(_, stats)| is_word(names.get(stats.text)))
}

fn finding(case: &Case, rule: &Rule, to: Sym, roots: usize, caller: &Caller<'_>) -> Finding {
    let mut window = Window::default();
    caller.pairs.iter().for_each(|(_, root)| window.join(root.window()));
    let mut finding = broken(case, rule, (caller.service, to), (caller.pairs.len(), roots), window);
    "untraced-calls".clone_into(&mut finding.kind);
    let failing = caller.pairs.iter().any(|(_, root)| root.failed());
    finding.severity = if failing { Severity::High } else { Severity::Medium };
    finding.score = score(roots as f64, rule.limit("calls"), rule.upper("calls"));
    finding.confidence = Belief::new()
        .with("new traces inside requests of one service", Input::Spans, 0.5)
        .with_if(caller.together > 0, "requests that fail together", Input::Spans, 0.4)
        .with_if(caller.named, "records that name the called side", Input::Logs, 0.4)
        .value();
    finding
        .measure("new_traces", roots as f64, "traces")
        .measure_against("busy_percent", round(caller.busy_percent), "percent of the time", rule.limit("busy_percent"))
        .measure("failed_together", caller.together as f64, "requests")
        .word(
            "tie",
            match (caller.named, caller.together) {
                (true, 0) => "Its log names the other side.".to_owned(),
                (true, count) => format!("Its log names the other side, and {count} requests fail on both sides together."),
                (false, count) => format!("{count} requests fail on both sides together, and hardly any on one alone."),
            },
        )
        .look_alike("Chance", "excluded: for much of the time no request of the calling side is open")
        .look_alike("Clients that ask both at once", "excluded: something else ties the two together")
        .look_alike("The edge of the system", "excluded: every trace begins while the calling side has a request open");
    finding.traces = caller.pairs.iter().take(4).flat_map(|(request, root)| [request.trace, root.trace]).collect();
    let mut cited: Vec<&(&Span, &Span)> = caller.pairs.iter().collect();
    cited.sort_by_key(|(_, root)| (!root.failed(), root.start));
    finding.cite(cited.iter().flat_map(|(request, root)| [request.evidence, root.evidence]));
    finding
}

#[cfg(test)]
mod tests {
    use super::{Served, open};
    use crate::correlate::fixture::{case, many};
    use crate::model::finding::{Finding, Severity};
    use crate::model::time::Window;
    use crate::rules::fixture::{check, measured, rule};

    /// One request a second of `booking`, and half of the time one of `hotels` inside it, in a trace of its own.
    fn found(booking: impl Fn(u32) -> &'static str, hotels: impl Fn(u32) -> &'static str) -> Vec<Finding> {
        let callers = many(0..60, 1000, |n| format!("  booking POST /b {}\n", booking(n)));
        let called: String = (0..60).map(|n| format!("u{n} +{}\n  hotels POST /h {}\n", n * 1000, hotels(n))).collect();
        check(&rule("broken-trace-context"), &case(&(callers + &called)), None)
    }

    #[test]
    fn a_client_without_instrumentation() {
        let found = found(|n| if n % 6 == 0 { "0-120 !502" } else { "0-100 200" }, |n| if n % 6 == 0 { "20-90 !500" } else { "15-80 200" });
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((one.kind.as_str(), one.subject.service.as_str(), one.subject.peer.as_str()), ("untraced-calls", "booking", "hotels"));
        assert_eq!((measured(one, "broken"), measured(one, "failed_together"), one.severity), (60.0, 10.0, Severity::High));
    }

    #[test]
    fn requests_that_overlap_are_open_once() {
        let case = case("t1\n  a GET / 0-30\nt2\n  a GET / 10-20\nt3\n  a GET / 30-50\nt4\n  a GET / 70-90\n");
        let served = Served::of(case.tables.spans.iter().collect());
        let start = case.tables.spans.iter().map(|span| span.start).min().unwrap();
        let within = |from: i64, to: i64| open(&served.open, Window::of(start.plus(from * 1_000_000), start.plus(to * 1_000_000))) / 1_000_000;
        assert_eq!((served.open.len(), within(0, 100), within(40, 80), within(50, 70)), (2, 70, 20, 0));
    }

    #[test]
    fn requests_of_one_page_are_no_call() {
        let found = found(|_| "0-100 200", |_| "5-80 200");
        assert!(found.is_empty(), "nothing ties them together: {found:?}");
    }

    #[test]
    fn a_caller_that_is_always_busy_tells_nothing() {
        let found = found(|n| if n % 6 == 0 { "0-900 !502" } else { "0-900 200" }, |n| if n % 6 == 0 { "20-90 !500" } else { "15-80 200" });
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn services_that_fail_apart_are_strangers() {
        let found = found(|n| if n % 7 == 3 { "0-120 !502" } else { "0-100 200" }, |n| if n % 6 == 0 { "20-90 !500" } else { "15-80 200" });
        assert!(found.is_empty(), "{found:?}");
    }
}
