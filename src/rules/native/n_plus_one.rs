//! `n-plus-one-queries` and `n-plus-one-calls`: a loop that asks for each item what one question could answer.
//!
//! Under each piece of work the calls of one kind are put in order. Many, one after the other, with next to no pause, that
//! all went well and make up a good part of the time are a loop. What this file does not do: count retries, which repeat a
//! call that failed, or fan-outs, which wait once. Where no spans tell of a database its statements in logs may; see `logged`.

mod logged;

use crate::correlate::Case;
use crate::correlate::calls::{Call, Party};
use crate::correlate::failure::Failure;
use crate::correlate::trace::Trace;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::tables::Span;
use crate::model::time::Window;
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use rayon::prelude::*;
use std::collections::BTreeMap;

const THRESHOLDS: &[&str] = &["queries", "sequential_percent", "gap", "share_percent", "least_time", "felt", "traces", "traces_percent", "varies"];

pub(crate) const QUERIES: Detector = Detector { id: "n-plus-one-queries", thresholds: THRESHOLDS, detect: of_queries };
pub(crate) const CALLS: Detector = Detector { id: "n-plus-one-calls", thresholds: THRESHOLDS, detect: of_calls };

/// Words of operations that read page by page.
const PAGES: &[&str] = &["limit ?", "offset ?", "fetch next", "page", "cursor", "scroll"];
/// How many loops are cited.
const CITED: usize = 4;

fn of_queries(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    detect(scope, rule, |to| !to.system.is_none(), out);
    logged::detect(scope.case, rule, out);
}

fn of_calls(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    detect(scope, rule, |to| to.system.is_none(), out);
    if scope.baseline.is_none() {
        // Services that ask each other item by item work like that on every day; it is news only beside a calm time without.
        out.iter_mut().for_each(|finding| finding.severity = finding.severity.min(Severity::Low));
    }
}

/// A kind of loop: service, its operation, whom it asks, for what.
type Key = (Sym, Sym, Party, Sym);

/// One loop under one piece of work.
#[derive(Clone, Copy)]
struct Turns {
    count: u64,
    nanos: u64,
    length: u64,
    distinct: bool,
    told_apart: bool,
    before: bool,
    trace: TraceId,
    window: Window,
    evidence: [Evidence; 2],
}

/// What traces give; merges.
#[derive(Default)]
struct Part {
    loops: BTreeMap<Key, Vec<Turns>>,
    requests: HashMap<(Sym, Sym), u64, FixedState>,
}

impl Part {
    fn merge(mut self, other: Self) -> Self {
        other.loops.into_iter().for_each(|(key, turns)| self.loops.entry(key).or_default().extend(turns));
        other.requests.into_iter().for_each(|(key, count)| *self.requests.entry(key).or_default() += count);
        self
    }
}

fn detect(scope: &Scope<'_>, rule: &Rule, wanted: impl Fn(Party) -> bool + Sync, out: &mut Vec<Finding>) {
    let case = scope.case;
    let add = |mut part: Part, trace: Trace<'_>| {
        take(case, rule, &trace, &wanted, &mut part);
        part
    };
    let part = case.traces().fold(Part::default, add).reduce(Part::default, Part::merge);
    for (key, mut loops) in part.loops {
        let requests = part.requests.get(&(key.0, key.1)).copied().unwrap_or(0);
        loops.sort_by_key(|turns| (std::cmp::Reverse(turns.count), turns.trace, turns.evidence[0]));
        let longest = loops.first().map_or(0, |turns| turns.count) as f64;
        let often = loops.len() as f64 >= rule.limit("traces") && 100.0 * loops.len() as f64 >= rule.limit("traces_percent") * requests as f64;
        if often || longest >= rule.upper("queries") && 100.0 * loops.len() as f64 >= rule.limit("traces_percent") * requests as f64 {
            out.push(finding(case, rule, key, &loops, requests));
        }
    }
}

fn take(case: &Case, rule: &Rule, trace: &Trace<'_>, wanted: &impl Fn(Party) -> bool, part: &mut Part) {
    for span in trace.spans.iter().filter(|span| span.is_incoming()) {
        *part.requests.entry((span.service, span.operation.or(span.name))).or_default() += 1;
    }
    // Each call has a span of its own: where too few could be calls there is no loop.
    let crosses = |at: usize| {
        trace
            .parent(at)
            .and_then(|parent| trace.spans.get(parent))
            .zip(trace.spans.get(at))
            .is_some_and(|(a, b)| a.service != b.service || b.is_incoming())
    };
    let most = trace.spans.iter().enumerate().filter(|(at, span)| span.is_outgoing() || crosses(*at)).count();
    if (most as f64) < rule.limit("queries") {
        return;
    }
    let calls = case.context.peers.calls(trace);
    let mut groups: BTreeMap<(usize, Party, Sym), Vec<&Call>> = BTreeMap::new();
    for call in calls.iter().filter(|call| !call.is_async && wanted(call.to)) {
        groups.entry((call.root, call.to, call.operation)).or_default().push(call);
    }
    for ((root, to, operation), group) in groups {
        let Some(span) = trace.spans.get(root).filter(|span| span.is_incoming()) else { continue };
        let first = calls.iter().find(|call| call.root == root && call.to == to && call.operation != operation);
        if let Some(turns) = turns(case, rule, trace, span, &group, first) {
            part.loops.entry((span.service, span.operation.or(span.name), to, operation)).or_default().push(turns);
        }
    }
}

/// The loop that calls of one kind are, if they are one.
fn turns(case: &Case, rule: &Rule, trace: &Trace<'_>, root: &Span, group: &[&Call], other: Option<&Call>) -> Option<Turns> {
    if (group.len() as f64) < rule.limit("queries") || group.iter().any(|call| call.failure != Failure::None) {
        return None;
    }
    let name = case.tables.names.get(group.first()?.operation).to_ascii_lowercase();
    if PAGES.iter().any(|word| name.contains(word)) {
        return None;
    }
    let spans: Vec<&Span> = group.iter().filter_map(|call| trace.spans.get(call.span)).collect();
    let gap = (rule.limit("gap") * 1e6) as i64;
    let pairs = spans.len().saturating_sub(1) as f64;
    let after = spans.windows(2).filter(|pair| pair[1].start >= pair[0].end()).count() as f64;
    let mut gaps: Vec<i64> = spans.windows(2).map(|pair| pair[1].start.since(pair[0].end())).collect();
    gaps.sort_unstable();
    let pause = gaps.get(gaps.len() / 2).copied().unwrap_or(0);
    let nanos: u64 = spans.iter().map(|span| span.nanos).sum();
    let heavy = 100.0 * nanos as f64 >= rule.limit("share_percent") * root.nanos as f64 || nanos as f64 >= rule.limit("least_time") * 1e6;
    if 100.0 * after < rule.limit("sequential_percent") * pairs || pause > gap || !heavy {
        return None;
    }
    let mut prints: Vec<u64> = spans.iter().map(|span| span.fingerprint).collect();
    prints.sort_unstable();
    prints.dedup();
    let (first, last) = (spans.first()?, spans.last()?);
    // A statement whose values were taken out says nothing about whether the values differ.
    let told_apart = spans.iter().all(|span| span.strong) && !name.contains('?') && !name.contains("{id}") || prints.len() > 1;
    Some(Turns {
        count: spans.len() as u64,
        nanos,
        length: root.nanos,
        distinct: prints.len() > 1,
        told_apart,
        before: other.and_then(|call| trace.spans.get(call.span)).is_some_and(|other| other.end() <= first.start),
        trace: root.trace,
        window: root.window(),
        evidence: [first.evidence, last.evidence],
    })
}

fn finding(case: &Case, rule: &Rule, (service, operation, to, statement): Key, loops: &[Turns], requests: u64) -> Finding {
    let names = &case.tables.names;
    let mut window = Window::default();
    loops.iter().for_each(|turns| window.join(turns.window));
    let subject =
        Subject { service: names.get(service).to_owned(), operation: names.get(operation).to_owned(), peer: to.text(names), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    let repeated = loops.iter().all(|turns| turns.told_apart && !turns.distinct);
    if repeated && rule.kinds.contains_key("repeated") {
        "repeated".clone_into(&mut finding.kind);
    }
    let count = |rank: usize| loops.get(rank.min(loops.len().saturating_sub(1))).map_or(0, |turns| turns.count);
    let (most, median, least) = (count(0), count(loops.len() / 2), count(loops.len()));
    let nanos: u64 = loops.iter().map(|turns| turns.nanos).sum();
    let length: u64 = loops.iter().map(|turns| turns.length).sum();
    let share = 100.0 * nanos as f64 / length.max(1) as f64;
    let grows = most as f64 >= rule.limit("varies") * least.max(1) as f64;
    let heavy = share >= rule.limit("share_percent");
    // A loop over something quick is how much code is written; it is a fault where somebody waits for it.
    let felt = nanos as f64 / loops.len().max(1) as f64 >= rule.limit("felt") * 1e6;
    finding.severity = match (heavy && felt, most as f64 >= rule.upper("queries")) {
        (true, true) => Severity::High,
        (true, false) => Severity::Medium,
        (false, _) => Severity::Low,
    };
    finding.score = score(median as f64, rule.limit("queries"), rule.upper("queries"));
    finding.confidence = Belief::new()
        .with("calls of one kind, one after the other", Input::Spans, 0.65)
        .with_if(loops.iter().all(|turns| turns.before), "another query before the loop", Input::Spans, 0.2)
        .with_if(grows, "a number that follows the data", Input::Spans, 0.4)
        .with_if(loops.len() as f64 >= rule.upper("traces"), "many requests", Input::Spans, 0.3)
        .value();
    finding
        .measure_against("queries_p50", median as f64, "calls", rule.limit("queries"))
        .measure("queries_max", most as f64, "calls")
        .measure("traces", loops.len() as f64, "requests")
        .measure("requests", requests as f64, "requests")
        .measure("seconds_per_request", round(nanos as f64 / 1e9 / loops.len().max(1) as f64), "s")
        .measure_against("share_percent", round(share), "percent", rule.limit("share_percent"))
        .word("statement", names.get(statement))
        .word("before", if loops.iter().all(|turns| turns.before) { "Another query ran before the loop, whose rows it goes through." } else { "" })
        .word("grows", if grows { format!("Between {least} and {most} turns: the number follows the data.") } else { String::new() })
        .look_alike("Calls sent side by side", "excluded: each begins after the one before has ended")
        .look_alike("Pages read one after the other", "excluded: the operation names no page, limit or cursor")
        .look_alike("Attempts to repeat a failed call", "excluded: all of them went well");
    finding.traces = loops.iter().take(CITED).map(|turns| turns.trace).collect();
    finding.cite(loops.iter().take(CITED).flat_map(|turns| turns.evidence));
    finding.evidence_total = loops.iter().map(|turns| turns.count).sum();
    finding
}

#[cfg(test)]
mod tests {
    use crate::correlate::Case;
    use crate::correlate::fixture::{case, many};
    use crate::model::finding::{Finding, Severity};
    use crate::rules::fixture::{check, measured, rule};

    fn found(id: &str, text: &str) -> Vec<Finding> {
        check(&rule(id), &case(text), None)
    }

    /// A listing: one query for the orders, then one for the items of each.
    fn listing(items: u32) -> String {
        let loops: String = (0..items).map(|n| format!("    > db select?items {}-{} system=postgresql\n", 10 + 5 * n, 14 + 5 * n)).collect();
        format!("  shop GET /orders 0-{}\n    > db select?orders 2-8 system=postgresql\n{loops}", 20 + 5 * items)
    }

    #[test]
    fn a_query_for_each_row() {
        let found = found("n-plus-one-queries", &many(0..12, 500, |n| listing(6 + 2 * n)));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].subject.service.as_str(), found[0].severity), ("shop", Severity::High));
        assert_eq!((measured(&found[0], "queries_max"), measured(&found[0], "traces")), (28.0, 12.0));
        assert!(found[0].confidence > 0.75);
    }

    #[test]
    fn one_request_with_six_queries() {
        let items = [(10, 24), (25, 40), (41, 55), (56, 71), (72, 86), (87, 99)];
        let loops: String = items.iter().map(|(from, to)| format!("    > db select?items {from}-{to} system=postgresql\n")).collect();
        let text = format!("t1\n  shop GET /orders 0-100 200\n    > db select?orders 2-8 system=postgresql\n{loops}");
        assert!(found("n-plus-one-queries", &text).is_empty(), "one request may be odd");
        let rule = crate::rules::fixture::rule_with("n-plus-one-queries", &[("traces", 1.0)]);
        let found = check(&rule, &case(&text), None);
        assert_eq!(found.iter().map(|f| (measured(f, "queries_max"), measured(f, "share_percent"))).collect::<Vec<_>>(), [(6.0, 84.0)]);
    }

    #[test]
    fn the_same_question_again_is_no_loop_over_rows() {
        let same: String = (0..6).map(|n| format!("    > db select_settings {}-{} system=postgresql raw=1\n", n * 10, n * 10 + 9)).collect();
        let found = found("n-plus-one-queries", &many(0..12, 500, |_| format!("  shop GET /orders 0-80\n{same}")));
        assert_eq!(found.iter().map(|finding| finding.kind.as_str()).collect::<Vec<_>>(), ["repeated"]);
    }

    #[test]
    fn a_call_for_each_item() {
        let calls = |count: u32| -> String {
            (0..count).map(|n| format!("    > price GET /price/{{id}} {}-{} 200 raw=/price/{n}\n", 10 * n, 10 * n + 9)).collect()
        };
        let found = found("n-plus-one-calls", &many(0..5, 900, |_| format!("  shop GET /cart 0-300\n{}", calls(25))));
        assert_eq!(found.iter().map(|finding| finding.subject.peer.as_str()).collect::<Vec<_>>(), ["price"]);
    }

    #[test]
    fn a_loop_that_nobody_waits_for_is_a_remark() {
        let quick = |count: u32| -> String {
            (0..count).map(|n| format!("    > price GET /price/{{id}} {}-{} 200 raw=/price/{n}\n", 3 * n, 3 * n + 2)).collect()
        };
        let quick = case(&many(0..40, 900, |_| format!("  shop GET /cart 0-40\n{}", quick(12))));
        let slow: String = (0..12).map(|n| format!("    > price GET /price/{{id}} {}-{} 200 raw=/price/{n}\n", 40 * n, 40 * n + 39)).collect();
        let slow = case(&many(0..40, 900, |_| format!("  shop GET /cart 0-500\n{slow}")));
        let calm = case("t1\n  shop GET /cart 0-40\n");
        let severity = |now: &Case, calm: Option<&Case>| -> Vec<Severity> {
            check(&rule("n-plus-one-calls"), now, calm).iter().map(|finding| finding.severity).collect()
        };
        assert_eq!(severity(&quick, Some(&calm)), [Severity::Low]);
        assert_eq!(severity(&slow, Some(&calm)), [Severity::Medium]);
        assert_eq!(severity(&slow, None), [Severity::Low], "nothing to compare with");
    }

    #[test]
    fn side_by_side_is_no_loop() {
        let calls: String = (0..20).map(|n| format!("    > db select?items 10-{} system=postgresql\n", 24 + n % 6)).collect();
        assert!(found("n-plus-one-queries", &many(0..12, 500, |_| format!("  shop GET /orders 0-40\n{calls}"))).is_empty());
    }

    #[test]
    fn pages_and_failures_are_no_loop() {
        let pages: String = (0..20).map(|n| format!("    > db select?limit?? {}-{} system=postgresql\n", n * 10, n * 10 + 9)).collect();
        let pages = pages.replace("limit??", "items limit ?");
        assert!(found("n-plus-one-queries", &many(0..12, 500, |_| format!("  shop GET /orders 0-300\n{pages}"))).is_empty());
        let attempts: String = (0..8).map(|n| format!("    > bank POST /charge {}-{} !503\n", n * 20, n * 20 + 15)).collect();
        assert!(found("n-plus-one-calls", &many(0..12, 500, |_| format!("  shop POST /pay 0-300\n{attempts}"))).is_empty());
    }

    #[test]
    fn two_queries_are_how_it_should_be() {
        assert!(found("n-plus-one-queries", &many(0..40, 500, |_| listing(1))).is_empty());
    }
}
