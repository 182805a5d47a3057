//! `virtual-thread-pinning`: virtual threads that wait in a way that keeps their carriers from all others.
//!
//! Dumps with virtual threads show it by their frames, and by virtual threads that never began; the JVM's own reports and its
//! metric count it. What this file does not do: blame waiting virtual threads that have given their carrier back.

use crate::correlate::Case;
use crate::correlate::pools::application_frame;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::jvm::Thread;
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{Time, Window};
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector { id: "virtual-thread-pinning", thresholds: &["pinned_percent", "reports_per_minute"], detect };

/// The frame of a virtual thread that waits on its carrier, and the carriers' own name.
const PINNED: &str = "VirtualThread.parkOnCarrierThread";
const CARRIER: &str = "ForkJoinPool-1-worker-";
/// The metric of the JVM.
const METRICS: &[&str] = &["jvm.threads.virtual.pinned.count", "jvm.threads.virtual.pinned"];

#[derive(Default)]
struct Seen<'a> {
    dumps: BTreeSet<Evidence>,
    window: Window,
    pinned: usize,
    carriers: usize,
    unstarted: usize,
    place: &'a str,
    threads: Vec<Evidence>,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    for ((service, instance), seen) in dumped(case, rule) {
        // One dump is a moment, unless threads that never began show that nothing moves.
        if seen.dumps.len() > 1 || seen.unstarted > 0 {
            out.push(from_dumps(case, rule, (service, instance), &seen));
        }
    }
    let told: BTreeSet<String> = out.iter().map(|finding| finding.subject.service.clone()).collect();
    out.extend(reported(case, rule).into_iter().filter(|finding| !told.contains(&finding.subject.service)));
}

fn dumped<'a>(case: &'a Case, rule: &Rule) -> BTreeMap<(Sym, Sym), Seen<'a>> {
    let names = &case.tables.names;
    let mut by_dump: BTreeMap<Evidence, Vec<&Thread>> = BTreeMap::new();
    case.tables.threads.iter().for_each(|thread| by_dump.entry(thread.dump).or_default().push(thread));
    let mut all: BTreeMap<(Sym, Sym), Seen<'_>> = BTreeMap::new();
    for dump in &case.tables.dumps {
        let threads = by_dump.get(&dump.evidence).map_or(&[][..], Vec::as_slice);
        let stack = |thread: &Thread| names.get(thread.stack);
        let pinned: Vec<&&Thread> = threads.iter().filter(|thread| thread.is_virtual && stack(thread).contains(PINNED)).collect();
        let carriers = threads.iter().filter(|thread| !thread.is_virtual && names.get(thread.name).starts_with(CARRIER)).count().max(pinned.len());
        if pinned.is_empty() || 100.0 * (pinned.len() as f64) < rule.limit("pinned_percent") * carriers as f64 {
            continue;
        }
        let seen = all.entry((dump.service, dump.instance)).or_default();
        seen.dumps.insert(dump.evidence);
        seen.window.add(dump.time);
        seen.pinned = seen.pinned.max(pinned.len());
        seen.carriers = seen.carriers.max(carriers);
        seen.unstarted = seen.unstarted.max(threads.iter().filter(|thread| thread.is_virtual && stack(thread).is_empty()).count());
        seen.place = pinned.first().map_or("", |thread| application_frame(stack(thread)));
        seen.threads.extend(pinned.iter().take(4).map(|thread| thread.evidence));
    }
    all
}

fn from_dumps(case: &Case, rule: &Rule, (service, instance): (Sym, Sym), seen: &Seen<'_>) -> Finding {
    let names = &case.tables.names;
    let subject = Subject {
        service: names.get(service).to_owned(),
        operation: "virtual threads".to_owned(),
        key: names.get(instance).to_owned(),
        ..Subject::default()
    };
    let mut finding = Finding::new(&rule.id, subject, seen.window);
    let percent = 100.0 * seen.pinned as f64 / seen.carriers.max(1) as f64;
    let starving = seen.unstarted > 0;
    finding.severity = match (starving, seen.dumps.len() > 1) {
        (true, true) => Severity::Critical,
        (true, false) => Severity::High,
        _ => Severity::Medium,
    };
    finding.score = score(percent, rule.limit("pinned_percent"), rule.upper("pinned_percent"));
    finding.confidence = Belief::new()
        .with("virtual threads that wait on their carriers", Input::ThreadDumps, 0.7)
        .with_if(starving, "virtual threads that never began", Input::ThreadDumps, 0.5)
        .with_if(seen.dumps.len() > 1, "the same in several dumps", Input::ThreadDumps, 0.4)
        .value();
    finding
        .measure_against("pinned", seen.pinned as f64, "threads", rule.limit("pinned_percent") / 100.0 * seen.carriers as f64)
        .measure("carriers", seen.carriers as f64, "carriers")
        .measure("unstarted", seen.unstarted as f64, "threads")
        .measure("dumps", seen.dumps.len() as f64, "dumps")
        .word("where", if seen.place.is_empty() { "an unnamed frame" } else { seen.place })
        .look_alike("Virtual threads that wait without a monitor", "excluded: only those that wait on their carriers are counted")
        .look_alike(
            "A single moment",
            if starving || seen.dumps.len() > 1 { "excluded: others could not begin, or it lasted" } else { "not excluded" },
        )
        .cite(seen.threads.iter().copied());
    finding
}

/// Reports of one service.
struct Reports {
    minutes: BTreeMap<i64, f64>,
    window: Window,
    evidence: Vec<Evidence>,
    input: Input,
}

/// What the JVM reports while it runs, in its output or as a counter.
fn reported(case: &Case, rule: &Rule) -> Vec<Finding> {
    let names = &case.tables.names;
    let mut by: BTreeMap<Sym, Reports> = BTreeMap::new();
    let mut add = |service: Sym, time: Time, count: f64, evidence: Evidence, input: Input| {
        let new = || Reports { minutes: BTreeMap::new(), window: Window::default(), evidence: Vec::new(), input };
        let reports = by.entry(service).or_insert_with(new);
        reports.window.add(time);
        // Output without times is taken as one stretch: it is enough if there is much of it.
        *reports.minutes.entry(if time.is_none() { i64::MIN } else { time.minute() }).or_default() += count;
        if reports.evidence.len() < Finding::QUOTES {
            reports.evidence.push(evidence);
        }
    };
    if let Some(signal) = names.find("thread.pinned") {
        case.tables.signals.iter().filter(|row| row.signal == signal).for_each(|row| add(row.service, row.time, 1.0, row.evidence, Input::Logs));
    }
    for series in METRICS.iter().flat_map(|metric| case.series(metric)) {
        for pair in series.points.windows(2).filter(|pair| pair[1].value > pair[0].value) {
            add(series.service, pair[1].time, pair[1].value - pair[0].value, pair[1].evidence, Input::Metrics);
        }
    }
    let busy = by.into_iter().filter_map(|(service, reports)| {
        let (most, total) = (reports.minutes.values().copied().fold(0.0, f64::max), reports.minutes.values().sum());
        if most < rule.limit("reports_per_minute") {
            return None;
        }
        let subject = Subject { service: names.get(service).to_owned(), operation: "virtual threads".to_owned(), ..Subject::default() };
        let mut finding = Finding::new(&rule.id, subject, reports.window);
        "reports".clone_into(&mut finding.kind);
        finding.severity = Severity::Medium;
        finding.confidence = Belief::new().with("the JVM reports it", reports.input, 0.7).value();
        finding.score = score(most, rule.limit("reports_per_minute"), 10.0 * rule.limit("reports_per_minute"));
        finding
            .measure("reports", total, "reports")
            .measure_against("per_minute", most, "reports", rule.limit("reports_per_minute"))
            .word("where", "in synchronized or native code")
            .look_alike("A few pinned moments", "excluded: there are many in a minute")
            .cite(reports.evidence);
        Some(finding)
    });
    busy.collect()
}

#[cfg(test)]
mod tests {
    use crate::correlate::Case;
    use crate::correlate::gather::gather;
    use crate::model::finding::{Finding, Severity};
    use crate::model::jvm::{Dump, Thread, ThreadState};
    use crate::model::names::Sym;
    use crate::model::source::{Evidence, FileId};
    use crate::model::tables::{SourceFile, Tables};
    use crate::model::time::Time;
    use crate::rules::fixture::{bundle, check, measured, rule};

    /// A dump with that many carriers that are held, carriers that are free, and virtual threads that never began.
    fn dump(pinned: usize, free: usize, unstarted: usize) -> Case {
        let mut tables = Tables { files: vec![SourceFile { path: "threads.json".to_owned(), ..SourceFile::default() }], ..Tables::default() };
        let (service, none) = (tables.names.intern("orders"), Sym::NONE);
        let evidence = |n: usize| Evidence::new(FileId(0), n as u64, 1);
        let dump = evidence(0);
        tables.dumps.push(Dump { time: Time(1), service, instance: none, runtime: none, lists_synchronizers: false, evidence: dump });
        let mut add = |name: &str, stack: &str, is_virtual: bool| {
            let (name, stack) = (tables.names.intern(name), tables.names.intern(stack));
            let at = tables.threads.len() + 1;
            let row = Thread {
                dump,
                name,
                id: at as u64,
                state: ThreadState::Waiting,
                cpu_nanos: None,
                elapsed_nanos: None,
                is_virtual,
                stack,
                evidence: evidence(at),
            };
            tables.threads.push(row);
        };
        (0..pinned + free).for_each(|n| add(&format!("ForkJoinPool-1-worker-{n}"), "java.util.concurrent.ForkJoinPool.runWorker", false));
        (0..pinned)
            .for_each(|_| add("", "java.lang.VirtualThread.parkOnCarrierThread\njava.lang.Thread.sleep\ncom.acme.Orders.price(Orders.java:9)", true));
        (0..8).for_each(|_| add("", "java.lang.VirtualThread.park\ncom.acme.Orders.wait(Orders.java:9)", true));
        (0..unstarted).for_each(|_| add("", "", true));
        gather(tables)
    }

    fn found(case: &Case) -> Vec<Finding> {
        check(&rule("virtual-thread-pinning"), case, None)
    }

    #[test]
    fn waiting_without_a_carrier_and_a_few_pinned_are_fine() {
        assert!(found(&dump(0, 4, 8)).is_empty());
        assert!(found(&dump(1, 3, 8)).is_empty());
        assert!(found(&dump(4, 0, 0)).is_empty(), "a single moment");
    }

    #[test]
    fn all_carriers_held_and_others_never_begin() {
        let found = found(&dump(4, 0, 8));
        assert_eq!((found.len(), found[0].severity, measured(&found[0], "pinned"), measured(&found[0], "unstarted")), (1, Severity::High, 4.0, 8.0));
    }

    #[test]
    fn reports_of_the_virtual_machine() {
        let lines = |count: usize| -> String {
            (0..count).map(|n| format!("2026-01-01T10:00:{:02}.000Z  INFO 1 --- [orders] [main] stdout : VirtualThread[#{n}]/runnable@ForkJoinPool-1-worker-1 reason:MONITOR\n", n % 60)).collect()
        };
        let found = |count| check(&rule("virtual-thread-pinning"), &bundle(&[("orders/app.log", &lines(count))]), None);
        assert!(found(5).is_empty());
        let many = found(30);
        assert_eq!((many.len(), measured(&many[0], "reports")), (1, 30.0));
    }
}
