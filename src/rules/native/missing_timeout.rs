//! `missing-timeout`: calls that wait far longer than anybody would, because no timer ends them.
//!
//! From spans: calls of half a minute and more where the others of their kind take moments. From dumps: threads of a pool that
//! stand in the same read of a socket from dump to dump.
//!
//! What this file does not do: calls that a timer ended, however long it ran; and kinds of calls that are long by nature, such
//! as long polls.

use crate::correlate::Case;
use crate::correlate::calls::Party;
use crate::correlate::pools::{Doing, application_frame, pools};
use crate::correlate::trace::Trace;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Time, Window};
use crate::rules::native::retry_storm::round;
use crate::rules::native::timeouts::patience;
use crate::rules::{Detector, Scope};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::BTreeMap;

pub(crate) const DETECTOR: Detector =
    Detector { id: "missing-timeout", thresholds: &["long", "calls", "usual_s", "threads", "pool_percent", "same_time_percent"], detect };

/// Long calls of one service to one side.
#[derive(Default)]
struct Long {
    calls: Vec<(Reverse<u64>, TraceId, Evidence)>,
    window: Window,
    all: u64,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    from_spans(scope.case, rule, out);
    from_dumps(scope.case, rule, out);
}

fn from_spans(case: &Case, rule: &Rule, out: &mut Vec<Finding>) {
    let known = patience(case);
    let long = (rule.limit("long") * SECOND as f64) as u64;
    let usual = (rule.limit("usual_s") * SECOND as f64) as u64;
    // A kind of call that is mostly long is meant to be.
    let brief = |from: Sym, to: Party, operation: Sym| {
        let line = case.context.graph.edge(Party::service(from), to).filter(|edge| !edge.is_async).and_then(|edge| edge.operations.get(&operation));
        line.is_some_and(|line| line.total().nanos.p50() <= usual)
    };
    let add = |mut found: BTreeMap<(Sym, Party), Long>, trace: Trace<'_>| {
        if trace.spans.iter().all(|span| span.nanos < long) {
            return found;
        }
        for call in case.context.peers.calls(&trace) {
            let Some(span) = trace.spans.get(call.span).filter(|span| span.nanos >= long && span.is_outgoing()) else { continue };
            if brief(call.from, call.to, call.operation) {
                let entry = found.entry((call.from, call.to)).or_default();
                entry.calls.push((Reverse(span.nanos), span.trace, span.evidence));
                entry.window.join(span.window());
            }
        }
        found
    };
    let merged = case.traces().fold(BTreeMap::new, add).reduce(BTreeMap::new, |mut mine: BTreeMap<(Sym, Party), Long>, theirs| {
        for (key, long) in theirs {
            let entry = mine.entry(key).or_default();
            entry.calls.extend(long.calls);
            entry.window.join(long.window);
        }
        mine
    });
    for ((from, to), mut long) in merged {
        long.calls.sort_unstable();
        long.all = case.context.graph.edge(Party::service(from), to).map_or(0, |edge| edge.timeline().total().calls);
        let timer = known.get(&(from, to)).is_some_and(|patience| patience.timeout.is_some());
        if long.calls.len() as f64 >= rule.limit("calls") && !timer && !agree(rule, &long) {
            out.push(seen_in_spans(case, rule, (from, to), &long));
        }
    }
}

/// Whether the long calls end after the same time: then a timer did end them.
fn agree(rule: &Rule, long: &Long) -> bool {
    let middle = long.calls.get(long.calls.len() / 2).map_or(0, |call| call.0.0);
    let near = long.calls.iter().filter(|call| call.0.0.abs_diff(middle) <= middle / 50).count();
    100.0 * near as f64 >= rule.limit("same_time_percent") * long.calls.len() as f64
}

fn seen_in_spans(case: &Case, rule: &Rule, (from, to): (Sym, Party), long: &Long) -> Finding {
    let names = &case.tables.names;
    let subject = Subject { service: names.get(from).to_owned(), peer: to.text(names), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, long.window);
    let count = long.calls.len() as f64;
    finding.severity = if count >= rule.upper("calls") { Severity::Medium } else { Severity::Low };
    finding.score = score(count, rule.limit("calls"), rule.upper("calls"));
    finding.confidence = Belief::new().with("calls that nothing ends", Input::Spans, 0.65).value();
    let longest = long.calls.first().map_or(0, |call| call.0.0);
    let held: u64 = long.calls.iter().map(|call| call.0.0).fold(0, u64::saturating_add);
    finding
        .measure_against("long_calls", count, "calls", rule.limit("calls"))
        .measure("calls", long.all as f64, "calls")
        .measure("longest_s", round(longest as f64 / 1e9), "s")
        .measure_against("limit_s", rule.limit("long"), "s", rule.limit("long"))
        .measure("held_s", round(held as f64 / 1e9), "s of waiting in all")
        .look_alike("Long polls and streams", "excluded: other calls of the same kind take moments")
        .look_alike("A timeout that is only long", "excluded: the calls end after different times");
    finding.missing.push("the settings of the client: connect, read and response timeouts".to_owned());
    finding.traces = long.calls.iter().map(|call| call.1).take(8).collect();
    finding.cite(long.calls.iter().map(|call| call.2));
    finding
}

/// Threads that stand where they stood in an earlier dump, by pool and where in the application.
#[derive(Default)]
struct Stuck {
    threads: BTreeMap<u64, (Time, Evidence)>,
    window: Window,
    size: usize,
    frame: String,
}

fn from_dumps(case: &Case, rule: &Rule, out: &mut Vec<Finding>) {
    let names = &case.tables.names;
    let mut pools = pools(case);
    pools.sort_by_key(|pool| (pool.dump.time, pool.dump.evidence));
    // When a thread was first seen in the stack that it still has.
    let mut since: BTreeMap<(Sym, Sym, &str, u64), (Sym, Time)> = BTreeMap::new();
    let mut found: BTreeMap<(Sym, Sym, &str), Stuck> = BTreeMap::new();
    for pool in pools.iter().filter(|pool| pool.is_executor && pool.dump.time.is_some()) {
        let key = (pool.dump.service, pool.dump.instance, pool.name);
        for (thread, doing) in &pool.threads {
            let place = since.entry((key.0, key.1, key.2, thread.id)).or_insert((thread.stack, pool.dump.time));
            if place.0 != thread.stack || thread.id == 0 || !matches!(doing, Doing::Network) {
                *place = (thread.stack, pool.dump.time);
                continue;
            }
            if pool.dump.time.since(place.1) as f64 >= rule.limit("long") * SECOND as f64 {
                let stuck = found.entry(key).or_default();
                stuck.window.join(Window::of(place.1, pool.dump.time));
                stuck.threads.insert(thread.id, (place.1, thread.evidence));
                stuck.size = stuck.size.max(pool.threads.len());
                application_frame(names.get(thread.stack)).clone_into(&mut stuck.frame);
            }
        }
    }
    for ((service, instance, pool), stuck) in found {
        if stuck.threads.len() as f64 >= rule.limit("threads") {
            let subject = Subject {
                service: names.get(service).to_owned(),
                operation: pool.to_owned(),
                key: names.get(instance).to_owned(),
                ..Subject::default()
            };
            out.push(seen_in_dumps(rule, subject, &stuck));
        }
    }
}

fn seen_in_dumps(rule: &Rule, subject: Subject, stuck: &Stuck) -> Finding {
    let mut finding = Finding::new(&rule.id, subject, stuck.window);
    "dumps".clone_into(&mut finding.kind);
    let count = stuck.threads.len() as f64;
    let share = 100.0 * count / stuck.size.max(1) as f64;
    let pool = finding.subject.operation.clone();
    finding.severity = if share >= rule.limit("pool_percent") { Severity::Medium } else { Severity::Low };
    finding.score = score(count, rule.limit("threads"), rule.upper("threads"));
    finding.confidence = Belief::new().with("threads that stand in the same read from dump to dump", Input::ThreadDumps, 0.6).value();
    finding
        .measure_against("threads", count, "threads", rule.limit("threads"))
        .measure("size", stuck.size as f64, "threads")
        .measure("pool_percent", round(share), "percent of the pool")
        .measure("longest_s", round(stuck.window.nanos() as f64 / 1e9), "s")
        .word("pool", pool)
        .word("where", if stuck.frame.is_empty() { "a library".to_owned() } else { stuck.frame.clone() })
        .look_alike("Listeners that wait for work", "excluded: only pools whose threads run tasks were looked at, and idle threads left out")
        .look_alike("A new call of the same kind in each dump", "not excluded: the stacks are the same, the calls may not be");
    finding.missing.push("client spans of the calls, and the client's timeouts".to_owned());
    finding.cite(stuck.threads.values().map(|(_, evidence)| *evidence));
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::{case, many};
    use crate::rules::fixture::{bundle, check, measured, rule};

    fn found(text: &str) -> Vec<Finding> {
        check(&rule("missing-timeout"), &case(text), None)
    }

    fn call(ms: u32, end: &str) -> String {
        format!("  a GET / 0-{0} {end}\n    > b GET /x 1-{0} {end}\n", ms)
    }

    #[test]
    fn polls_timers_and_single_hangs_are_silent() {
        let polls = many(0..60, 1000, |n| call(30_000 + n * 37, "200"));
        let timer = many(0..60, 1000, |n| if n % 6 == 0 { call(60_000 + n, "!timeout") } else { call(40, "200") });
        let single = many(0..60, 1000, |n| if n == 7 { call(45_000, "200") } else { call(40, "200") });
        for text in [&polls, &timer, &single] {
            assert!(found(text).is_empty(), "{:?}", found(text));
        }
    }

    #[test]
    fn calls_that_nothing_ends() {
        let findings = found(&many(0..100, 1000, |n| if n % 8 == 0 { call(31_000 + n * 700, "200") } else { call(40, "200") }));
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.subject.service.as_str(), finding.subject.peer.as_str()), ("a", "b"));
        assert_eq!((measured(finding, "long_calls"), finding.severity), (13.0, Severity::Medium));
    }

    /// A dump with so many request threads in a read of a socket, the others idle.
    fn dump(minute: u32, reading: u32, port: u32) -> String {
        let mut text = format!("2026-01-01 10:{minute:02}:00\nFull thread dump OpenJDK 64-Bit Server VM (17.0.15+6 mixed mode, sharing):\n\n");
        for n in 1..=10 {
            let head = format!(
                "\"http-nio-8080-exec-{n}\" #{} daemon prio=5 os_prio=0 cpu=12.50ms elapsed=900.00s tid=0x00007f{:010x} nid=0x{n:x} ",
                30 + n,
                4096 * n
            );
            text += &head;
            text += &if n <= reading {
                format!(
                    "runnable  [0x00007f1]\n   java.lang.Thread.State: RUNNABLE\n\tat sun.nio.ch.Net.poll(java.base@17/Native Method)\n\tat sun.nio.ch.NioSocketImpl.park(java.base@17/NioSocketImpl.java:186)\n\tat java.net.Socket$SocketInputStream.read(java.base@17/Socket.java:966)\n\tat com.acme.LegacyClient.read{port}(LegacyClient.java:44)\n\tat org.apache.tomcat.util.threads.ThreadPoolExecutor.runWorker(ThreadPoolExecutor.java:1191)\n\n"
                )
            } else {
                "waiting on condition  [0x00007f1]\n   java.lang.Thread.State: WAITING (parking)\n\tat jdk.internal.misc.Unsafe.park(java.base@17/Native Method)\n\tat java.util.concurrent.LinkedBlockingQueue.take(java.base@17/LinkedBlockingQueue.java:435)\n\tat org.apache.tomcat.util.threads.ThreadPoolExecutor.getTask(ThreadPoolExecutor.java:1114)\n\n".to_owned()
            };
        }
        text
    }

    #[test]
    fn threads_that_stand_in_one_read() {
        let of = |dumps: &[String]| bundle(&[("orders/threads.txt", &dumps.join(""))]);
        let rule = rule("missing-timeout");
        assert!(check(&rule, &of(&[dump(0, 6, 1), dump(1, 6, 2)]), None).is_empty(), "they moved on");
        let findings = check(&rule, &of(&[dump(0, 6, 1), dump(1, 6, 1), dump(2, 6, 1)]), None);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((measured(finding, "threads"), measured(finding, "size"), measured(finding, "longest_s")), (6.0, 10.0, 120.0));
        assert_eq!((finding.words["where"].as_str(), finding.severity), ("com.acme.LegacyClient.read1", Severity::Medium));
    }
}
