//! `n-plus-one-queries` where only a log of statements tells of them.
//!
//! A loop belongs to the request of its trace, else to the shortest one of its instance during which it ran. What this file
//! does not do: know how long each statement took; the loop's length is from its first statement to its last.

use super::CITED;
use crate::correlate::Case;
use crate::correlate::loops::LOOP;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::request::Request;
use crate::model::rule::Rule;
use crate::model::tables::Signal;
use crate::model::time::{MINUTE, SECOND, Time, Window};
use crate::rules::native::retry_storm::round;
use std::collections::{BTreeMap, BTreeSet};

/// The record of a request is written this long after its last statement at most, in nanoseconds.
const WRITTEN: i64 = SECOND / 10;

/// Two records of one piece of work disagree by less than this about when it was.
const CLOCKS: i64 = SECOND / 200;

/// One loop and the request it ran for.
struct Loop<'a> {
    row: &'a Signal,
    seconds: f64,
    request: Option<&'a Request>,
}

impl Loop<'_> {
    fn end(&self) -> Time {
        self.row.time.plus((self.seconds * SECOND as f64) as i64)
    }
}

pub fn detect(case: &Case, rule: &Rule, out: &mut Vec<Finding>) {
    let told: BTreeSet<String> = out.iter().map(|finding| finding.subject.service.clone()).collect();
    let requests = Requests::of(case);
    let mut loops: BTreeMap<(Sym, Sym, Sym), Vec<Loop<'_>>> = BTreeMap::new();
    for row in case.signals(LOOP) {
        let statement = case.tables.names.get(row.name).to_ascii_lowercase();
        let pages = super::PAGES.iter().any(|word| statement.contains(word));
        if pages || row.value < rule.limit("queries") || told.contains(case.tables.names.get(row.service)) {
            continue;
        }
        let seconds = case.tables.names.get(row.key).parse().unwrap_or(0.0);
        let mut found = Loop { row, seconds, request: None };
        found.request = requests.around(&found);
        // Where requests are recorded a loop outside of all of them is other work.
        if found.request.is_none() && requests.knows(row.service) {
            continue;
        }
        let operation = found.request.map_or(Sym::NONE, |request| request.operation);
        loops.entry((row.service, operation, row.name)).or_default().push(found);
    }
    for ((service, operation, statement), loops) in loops {
        let requests = requests.count(service, operation).max(loops.len());
        let often = 100.0 * loops.len() as f64 >= rule.limit("traces_percent") * requests as f64;
        if often && loops.len() as f64 >= rule.limit("traces") {
            out.push(finding(case, rule, (service, operation, statement), loops, requests));
        }
    }
}

fn finding(case: &Case, rule: &Rule, (service, operation, statement): (Sym, Sym, Sym), mut loops: Vec<Loop<'_>>, requests: usize) -> Finding {
    let names = &case.tables.names;
    loops.sort_by(|a, b| b.row.value.total_cmp(&a.row.value).then(a.row.evidence.cmp(&b.row.evidence)));
    let mut window = Window::default();
    for found in &loops {
        let (start, end) = found.request.map_or((found.row.time, found.end()), |request| (request.start(), request.time));
        window.join(Window::of(start, end));
    }
    let subject = Subject { service: names.get(service).to_owned(), operation: names.get(operation).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    let value = |rank: usize| loops.get(rank.min(loops.len() - 1)).map_or(0.0, |found| found.row.value);
    let (most, median, least) = (value(0), value(loops.len() / 2), value(loops.len()));
    let seconds: f64 = loops.iter().map(|found| found.seconds).sum();
    let lengths: f64 = loops.iter().filter_map(|found| found.request?.nanos).map(|nanos| nanos as f64 / SECOND as f64).sum();
    let share = (lengths > 0.0).then(|| (100.0 * seconds / lengths).min(100.0));
    let mean = seconds / loops.len() as f64;
    let grows = most >= rule.limit("varies") * least.max(1.0);
    let heavy = share.is_some_and(|share| share >= rule.limit("share_percent")) && 1000.0 * mean >= rule.limit("felt");
    finding.severity = match (heavy, most >= rule.upper("queries")) {
        (true, true) => Severity::High,
        (true, false) => Severity::Medium,
        _ => Severity::Low,
    };
    finding.score = score(median, rule.limit("queries"), rule.upper("queries"));
    finding.confidence = Belief::new()
        .with("one statement again and again in the log", Input::Logs, 0.6)
        .with_if(share.is_some(), "requests during which it ran", Input::Requests, 0.4)
        .with_if(grows, "a number that follows the data", Input::Logs, 0.4)
        .value();
    finding
        .measure_against("queries_p50", median, "calls", rule.limit("queries"))
        .measure("queries_max", most, "calls")
        .measure("traces", loops.len() as f64, "requests")
        .measure("requests", requests as f64, "requests")
        .measure("seconds_per_request", round(mean), "s")
        .measure_against("share_percent", round(share.unwrap_or(0.0)), "percent", rule.limit("share_percent"))
        .word("statement", names.get(statement))
        .word("before", "Another query ran before the loop, whose rows it goes through.")
        .word("grows", if grows { format!("Between {least} and {most} turns: the number follows the data.") } else { String::new() })
        .look_alike("Requests of one thread that ask the same", "excluded: the loops end with their request, and one query went before them")
        .look_alike("Pages read one after the other", "excluded: the statement names no limit or cursor")
        .look_alike(
            "Work that nobody waits for",
            if lengths > 0.0 { "excluded: requests waited for it" } else { "not excluded: no request is recorded" },
        );
    finding.cite(loops.iter().take(CITED).map(|found| found.row.evidence));
    finding.cite(loops.iter().take(CITED).filter_map(|found| Some(found.request?.evidence)));
    finding.evidence_total = loops.len() as u64;
    finding
}

/// Requests with a length, to be found by trace or by place and time.
struct Requests<'a> {
    by_trace: BTreeMap<TraceId, &'a Request>,
    /// By instance, in the order of time, with the longest of them.
    by_place: BTreeMap<(Sym, Sym), (Vec<&'a Request>, i64)>,
    counts: BTreeMap<(Sym, Sym), usize>,
}

impl<'a> Requests<'a> {
    fn of(case: &'a Case) -> Self {
        let mut all = Self { by_trace: BTreeMap::new(), by_place: BTreeMap::new(), counts: BTreeMap::new() };
        for row in case.tables.requests.iter().filter(|row| !row.is_call && row.nanos.is_some()) {
            if !row.trace.is_none() {
                all.by_trace.insert(row.trace, row);
            }
            let place = all.by_place.entry((row.service, row.instance)).or_default();
            place.0.push(row);
            place.1 = place.1.max(row.time.since(row.start())).min(MINUTE);
            *all.counts.entry((row.service, row.operation)).or_default() += 1;
        }
        all
    }

    fn knows(&self, service: Sym) -> bool {
        self.by_place.keys().any(|(known, _)| *known == service)
    }

    fn count(&self, service: Sym, operation: Sym) -> usize {
        self.counts.get(&(service, operation)).copied().unwrap_or(0)
    }

    fn around(&self, found: &Loop<'_>) -> Option<&'a Request> {
        if let Some(row) = self.by_trace.get(&found.row.trace).filter(|row| row.service == found.row.service) {
            return Some(row);
        }
        let (rows, longest) = self.by_place.get(&(found.row.service, found.row.instance))?;
        let end = found.end();
        let from = rows.partition_point(|row| row.time.plus(WRITTEN) < end);
        rows.get(from..)?
            .iter()
            .take_while(|row| row.time <= end.plus(*longest))
            .filter(|row| row.start() <= found.row.time.plus(WRITTEN))
            .min_by_key(|row| {
                let outside = row.start().since(found.row.time).max(0) + end.since(row.time).max(0);
                (outside / CLOCKS, row.nanos, row.evidence)
            })
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use crate::model::finding::{Finding, Severity};
    use crate::rules::fixture::{bundle, check, measured, rule};

    /// Requests of one second, each listing orders; `turns` gives the number of further statements of the n-th.
    fn log(requests: u32, turns: impl Fn(u32) -> u32) -> String {
        let line = |n: u32, ms: u32, level: &str, logger: &str, text: &str| {
            format!("2026-01-01T10:{:02}:{:02}.{ms:03}Z {level:>5} 1 --- [shop] [nio-8080-exec-{}] {logger} : {text}\n", n / 60, n % 60, n % 4)
        };
        (0..requests)
            .map(|n| {
                let many: String = (0..turns(n))
                    .map(|turn| line(n, 20 + 9 * turn, "DEBUG", "org.hibernate.SQL", "select i1_0.id from order_item i1_0 where i1_0.order_id=?"))
                    .collect();
                let took = 30 + 9 * turns(n);
                line(n, 10, "DEBUG", "org.hibernate.SQL", "select o1_0.id from orders o1_0 where o1_0.customer_id=?")
                    + &many
                    + &line(n, 10 + took, "INFO", "c.a.RequestLog", &format!("GET /orders status=200 duration_ms={took}"))
            })
            .collect()
    }

    fn found(text: &str) -> Vec<Finding> {
        check(&rule("n-plus-one-queries"), &bundle(&[("shop/app.log", text)]), None)
    }

    #[test]
    fn statements_in_the_log() {
        let found = found(&log(12, |n| 20 + n));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].severity, found[0].subject.operation.as_str()), (Severity::High, "GET /orders"));
        assert_eq!((measured(&found[0], "queries_max"), measured(&found[0], "traces")), (31.0, 12.0));
    }

    #[test]
    fn few_statements_and_few_requests_are_silent() {
        assert!(found(&log(30, |_| 2)).is_empty());
        assert!(found(&log(40, |n| if n < 2 { 25 } else { 1 })).is_empty(), "two odd requests");
    }
}
