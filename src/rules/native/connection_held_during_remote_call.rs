//! `connection-held-during-remote-call`: a transaction stays open while its service waits for another service.
//!
//! Spans show calls between the first and the last statement of one transaction, thread dumps a thread that waits for the
//! network inside of one. What this file does not do: long transactions for other reasons; see `long_transaction`.

use crate::correlate::Case;
use crate::correlate::calls::Call;
use crate::correlate::pools::{Doing, pools};
use crate::correlate::trace::Trace;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::record::SpanKind;
use crate::model::rule::Rule;
use crate::model::sketch::Sketch;
use crate::model::source::Evidence;
use crate::model::time::Window;
use crate::rules::native::database_pools::{signals, takes_connection};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use rayon::prelude::*;
use std::collections::BTreeMap;

pub(crate) const DETECTOR: Detector =
    Detector { id: "connection-held-during-remote-call", thresholds: &["share", "remote", "traces", "held", "threads"], detect };

/// Stores whose clients keep a connection for the time of a transaction.
const RELATIONAL: &[&str] = &[
    "postgresql",
    "mysql",
    "mariadb",
    "oracle",
    "oracle.db",
    "mssql",
    "microsoft.sql_server",
    "db2",
    "ibm.db2",
    "h2",
    "hsqldb",
    "cockroachdb",
    "other_sql",
    "sqlite",
    "jdbc",
];
/// Frames that run what they call inside a transaction.
const TRANSACTION: &[&str] =
    &["TransactionAspectSupport.invokeWithinTransaction", "TransactionTemplate.execute", "TransactionInterceptor.invoke", "JtaTransactionManager"];

/// Calls inside of transactions of one service to one other side.
#[derive(Default)]
struct Held {
    traces: u64,
    hold: Sketch,
    remote: Sketch,
    /// Sums, for the share.
    held_nanos: u64,
    remote_nanos: u64,
    window: Window,
    examples: Vec<(u64, TraceId, Evidence, Evidence)>,
}

impl Held {
    fn merge(&mut self, other: Self) {
        self.traces += other.traces;
        self.hold.merge(&other.hold);
        self.remote.merge(&other.remote);
        self.held_nanos = self.held_nanos.saturating_add(other.held_nanos);
        self.remote_nanos = self.remote_nanos.saturating_add(other.remote_nanos);
        self.window.join(other.window);
        self.examples.extend(other.examples);
        // The longest first; ties go by trace, so that the order of parts does not matter.
        self.examples.sort_unstable_by(|a, b| b.0.cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        self.examples.truncate(4);
    }
}

type ByEdge = BTreeMap<(Sym, Sym), Held>;

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let relational: Vec<Sym> = RELATIONAL.iter().filter_map(|name| case.tables.names.find(name)).collect();
    let held = case
        .traces()
        .fold(ByEdge::new, |mut all, trace| {
            add(case, rule, &relational, &trace, &mut all);
            all
        })
        .reduce(ByEdge::new, |mut a, b| {
            b.into_iter().for_each(|(key, held)| a.entry(key).or_default().merge(held));
            a
        });
    let mut threads = threads(case);
    for ((service, peer), held) in &held {
        if held.traces as f64 >= rule.limit("traces") {
            out.push(by_spans(case, rule, (*service, *peer), held, threads.remove(service)));
        }
    }
    let told: Vec<String> = out.iter().map(|finding| finding.subject.service.clone()).collect();
    for (service, (window, evidence)) in threads {
        let name = case.tables.names.get(service);
        if evidence.len() as f64 >= rule.limit("threads") && !told.iter().any(|known| known == name) {
            out.push(by_threads(case, rule, service, window, &evidence));
        }
    }
}

/// Adds the transactions of a trace.
fn add(case: &Case, rule: &Rule, relational: &[Sym], trace: &Trace<'_>, all: &mut ByEdge) {
    if !trace.spans.iter().any(|span| relational.contains(&span.system)) {
        return;
    }
    let mut work: Vec<(usize, usize)> = trace.local_roots().into_iter().zip(0..).collect();
    work.sort_unstable();
    let mut calls: Option<Vec<Call>> = None;
    for own in work.chunk_by(|a, b| a.0 == b.0) {
        let Some(root) = own.first().map(|(root, _)| *root) else { continue };
        let own: Vec<usize> = own.iter().map(|(_, at)| *at).collect();
        let Some((start, end)) = hold(case, relational, trace, &own) else { continue };
        // Hardly any work holds a connection for long: its calls are looked for when one does.
        let calls = calls.get_or_insert_with(|| case.context.peers.calls(trace));
        let inside: Vec<&Call> = calls.iter().filter(|call| call.root == root && !call.is_async && call.to.system.is_none()).collect();
        let clipped = |call: &Call| (trace.start(call.span).max(start), trace.end(call.span).min(end));
        let mut spans: Vec<(i64, i64)> = inside.iter().map(|call| clipped(call)).filter(|(from, to)| from < to).collect();
        spans.sort_unstable();
        let remote = union(&spans);
        let enough = remote as f64 >= rule.limit("remote") * 1e6 && remote as f64 * 100.0 >= (end - start) as f64 * rule.limit("share");
        let longest = inside.iter().max_by_key(|call| (clipped(call).1 - clipped(call).0, std::cmp::Reverse(call.span)));
        let (Some(call), Some(span)) = (longest.filter(|_| enough), trace.spans.get(root)) else { continue };
        let Some(caller) = trace.spans.get(call.span) else { continue };
        let nanos = (end - start).unsigned_abs();
        let mut one = Held { traces: 1, held_nanos: nanos, remote_nanos: remote.unsigned_abs(), window: span.window(), ..Held::default() };
        one.hold.add(nanos);
        one.remote.add(remote.unsigned_abs());
        one.examples.push((nanos, span.trace, caller.evidence, span.evidence));
        all.entry((call.from, call.to.name)).or_default().merge(one);
    }
}

/// From when to when a piece of work holds a connection, if it is evident that it holds one all the time: it takes one only
/// once, or its spans name a transaction around its statements.
fn hold(case: &Case, relational: &[Sym], trace: &Trace<'_>, own: &[usize]) -> Option<(i64, i64)> {
    let names = &case.tables.names;
    let name = |at: usize| trace.spans.get(at).map_or("", |span| names.get(span.name));
    let is_statement = |at: usize| {
        trace.spans.get(at).is_some_and(|span| span.kind == SpanKind::Client && relational.contains(&span.system)) && !takes_connection(name(at))
    };
    let statements: Vec<usize> = own.iter().copied().filter(|at| is_statement(*at)).collect();
    let (first, last) = (statements.iter().map(|at| trace.start(*at)).min()?, statements.iter().map(|at| trace.end(*at)).max()?);
    let taken: Vec<usize> = own.iter().copied().filter(|at| takes_connection(name(*at))).collect();
    let starts_with = |name: &str, word: &str| name.as_bytes().get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
    let begins = |at: usize| ["BEGIN", "START TRANSACTION", "COMMIT", "ROLLBACK"].iter().any(|word| starts_with(name(at), word));
    let around = own.iter().copied().any(|at| {
        let holds_all = trace.start(at) <= first && trace.end(at) >= last && !is_statement(at);
        holds_all && name(at).to_ascii_lowercase().contains("transaction")
    });
    match taken.as_slice() {
        [only] if statements.len() > 1 => Some((trace.end(*only).min(first), last)),
        [] if around || statements.iter().any(|at| begins(*at)) => Some((first, last)),
        _ => None,
    }
}

/// Nanoseconds that spans, in order of start, cover together.
fn union(spans: &[(i64, i64)]) -> i64 {
    let (mut sum, mut cursor) = (0, i64::MIN);
    for &(from, to) in spans {
        sum += (to - from.max(cursor)).max(0);
        cursor = cursor.max(to);
    }
    sum
}

/// Threads that wait for the network inside of a transaction, by service.
fn threads(case: &Case) -> BTreeMap<Sym, (Window, Vec<Evidence>)> {
    let mut found: BTreeMap<Sym, (Window, Vec<Evidence>)> = BTreeMap::new();
    for pool in pools(case) {
        for (thread, _) in pool.threads.iter().filter(|(_, doing)| matches!(doing, Doing::Network | Doing::Connect)) {
            let stack = case.tables.names.get(thread.stack);
            if TRANSACTION.iter().any(|frame| stack.contains(frame)) {
                let (window, evidence) = found.entry(pool.dump.service).or_default();
                window.add(pool.dump.time);
                evidence.push(thread.evidence);
            }
        }
    }
    found
}

fn by_spans(case: &Case, rule: &Rule, (service, peer): (Sym, Sym), held: &Held, threads: Option<(Window, Vec<Evidence>)>) -> Finding {
    let names = &case.tables.names;
    let peer = if peer.is_none() { "another service" } else { names.get(peer) };
    let subject = Subject { service: names.get(service).to_owned(), peer: peer.to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, held.window);
    let p95 = held.hold.p95() as f64 / 1e6;
    let share = 100.0 * held.remote_nanos as f64 / held.held_nanos.max(1) as f64;
    let starved = signals(case, "pool.timeout").contains_key(&service);
    finding.severity = match (starved, p95 >= rule.limit("held")) {
        (true, _) => Severity::High,
        (_, true) => Severity::Medium,
        _ => Severity::Low,
    };
    finding.score = score(p95, rule.limit("held"), rule.upper("held"));
    finding.confidence = Belief::new()
        .with("calls between the statements of one transaction", Input::Spans, 0.85)
        .with_if(threads.is_some(), "threads that wait for the network inside of a transaction", Input::ThreadDumps, 0.6)
        .with_if(starved, "requests that got no connection meanwhile", Input::Logs, 0.4)
        .value();
    finding
        .measure_against("traces", held.traces as f64, "traces", rule.limit("traces"))
        .measure("held_p50_ms", round(held.hold.p50() as f64 / 1e6), "ms")
        .measure("held_p95_ms", round(p95), "ms")
        .measure("remote_p50_ms", round(held.remote.p50() as f64 / 1e6), "ms")
        .measure_against("share", round(share), "percent of the time a connection is held", rule.limit("share"));
    judged(&mut finding, starved);
    finding.traces = held.examples.iter().map(|(_, trace, ..)| *trace).collect();
    finding.cite(held.examples.iter().flat_map(|(.., caller, root)| [*caller, *root]).collect::<Vec<_>>());
    finding.cite(threads.into_iter().flat_map(|(_, evidence)| evidence).take(2).collect::<Vec<_>>());
    finding.evidence_total = finding.evidence_total.max(held.traces);
    finding
}

fn by_threads(case: &Case, rule: &Rule, service: Sym, window: Window, evidence: &[Evidence]) -> Finding {
    let subject = Subject { service: case.tables.names.get(service).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    "threads".clone_into(&mut finding.kind);
    let starved = signals(case, "pool.timeout").contains_key(&service);
    finding.severity = if starved { Severity::High } else { Severity::Low };
    finding.score = score(evidence.len() as f64, rule.limit("threads"), rule.upper("threads"));
    finding.confidence = Belief::new()
        .with("threads that wait for the network inside of a transaction", Input::ThreadDumps, 0.6)
        .with_if(starved, "requests that got no connection meanwhile", Input::Logs, 0.4)
        .value();
    finding.measure_against("threads", evidence.len() as f64, "threads", rule.limit("threads"));
    judged(&mut finding, starved);
    finding.cite(evidence.iter().copied());
    finding
}

fn judged(finding: &mut Finding, starved: bool) {
    finding
        .word("pressure", if starved { "Requests got no connection meanwhile." } else { "Nobody is seen to wait for a connection yet." })
        .look_alike("Statements with a connection each", "excluded: a connection is taken once, or a transaction is named")
        .look_alike("Calls after the last statement", "excluded: only the time between statements counts");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::{case, many};
    use crate::rules::fixture::{check, measured, rule, rule_with};

    fn request(acquires: &str, call: &str) -> String {
        format!(
            "  orders POST /orders 0-2025\n{acquires}    > db SELECT a 3-8 system=postgresql\n{call}    > db UPDATE a 2012-2018 system=postgresql\n"
        )
    }

    const ONCE: &str = "    . HikariDataSource.getConnection 0-2\n";
    const CALL: &str = "    > pricing POST /quote 10-2010 200\n      pricing POST /quote 15-2000 200\n";

    #[test]
    fn a_call_between_two_statements() {
        let one = format!("\nt1\n{}", request(ONCE, CALL));
        let found = check(&rule_with("connection-held-during-remote-call", &[("traces", 1.0)]), &case(&one), None);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].subject.service.as_str(), found[0].subject.peer.as_str()), ("orders", "pricing"));
        assert!((measured(&found[0], "held_p95_ms") - 2016.0).abs() < 25.0 && (measured(&found[0], "share") - 99.2).abs() < 0.1, "{found:?}");
        let found = check(&rule("connection-held-during-remote-call"), &case(&many(0..6, 3000, |_| request(ONCE, CALL))), None);
        assert_eq!(found.iter().map(|finding| finding.severity).collect::<Vec<_>>(), [Severity::Medium]);
    }

    #[test]
    fn a_transaction_that_is_named() {
        let begun = "    > db BEGIN 1-2 system=postgresql\n";
        assert_eq!(check(&rule("connection-held-during-remote-call"), &case(&many(0..6, 3000, |_| request(begun, CALL))), None).len(), 1);
    }

    #[test]
    fn look_alikes() {
        let quiet = |acquires: &str, call: &str| {
            check(&rule("connection-held-during-remote-call"), &case(&many(0..6, 3000, |_| request(acquires, call))), None).is_empty()
        };
        assert!(quiet("", CALL), "nothing says that one connection is kept");
        assert!(quiet("    . HikariDataSource.getConnection 0-2\n    . HikariDataSource.getConnection 2010-2011\n", CALL), "taken anew");
        assert!(quiet(ONCE, "    > pricing POST /quote 10-60 200\n"), "a short call");
        assert!(quiet(ONCE, ""), "no call");
        let after = many(0..6, 3000, |_| {
            "  orders POST /orders 0-2025\n    . HikariDataSource.getConnection 0-2\n    > db SELECT a 3-8 system=postgresql\n    > db UPDATE a 9-12 system=postgresql\n    > pricing POST /quote 13-2010 200\n".to_owned()
        });
        assert!(check(&rule("connection-held-during-remote-call"), &case(&after), None).is_empty(), "the call comes after the last statement");
    }

    #[test]
    fn overlapping_calls_count_once() {
        assert_eq!((union(&[(0, 10), (5, 8), (20, 25)]), union(&[])), (15, 0));
    }
}
