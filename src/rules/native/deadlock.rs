//! `deadlock`: threads that wait for each other, as the JVM prints it or as the locks of a dump show it.
//!
//! The own graph finds what the JVM does not print: dumps without a deadlock section, and dumps cut off before it. A cycle
//! in one dump is certain, since text dumps are taken while all threads stand still. What this file does not do:
//! deadlocks of databases, which end by themselves.

use crate::correlate::Case;
use crate::correlate::waits::{self, Waits};
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::jvm::Deadlock;
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::tables::Tables;
use crate::model::time::Window;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

/// The detector.
pub const DETECTOR: Detector = Detector { id: "deadlock", thresholds: &["stuck_threads"], detect };

/// Everything known about one cycle: the same threads in one or several dumps of one instance.
#[derive(Default)]
struct Cycle {
    declared: bool,
    dumps: BTreeSet<Evidence>,
    window: Window,
    behind: usize,
    steps: Vec<String>,
    sections: Vec<Evidence>,
    threads: Vec<Evidence>,
}

/// Service, instance, and the names of the threads in order.
type Key<'a> = (&'a str, &'a str, BTreeSet<&'a str>);

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let tables = &scope.case.tables;
    let graphs = waits::of_dumps(tables);
    let mut cycles: BTreeMap<Key<'_>, Cycle> = BTreeMap::new();
    for graph in &graphs {
        from_graph(graph, tables, &mut cycles);
        from_jvm(graph, tables, &mut cycles);
    }
    out.extend(cycles.into_iter().map(|(key, cycle)| finding(rule, &key, cycle)));
    let told: BTreeSet<String> = out.iter().map(|finding| finding.subject.service.clone()).collect();
    out.extend(counted(scope.case, rule).into_iter().filter(|finding| !told.contains(&finding.subject.service)));
}

/// What the JVM counts itself and a metric shows, where no dump was taken.
fn counted(case: &Case, rule: &Rule) -> Vec<Finding> {
    let mut out: BTreeMap<(&str, &str), Finding> = BTreeMap::new();
    for series in ["jvm.threads.deadlocked", "jvm.threads.deadlocked.monitor"].iter().flat_map(|metric| case.series(metric)) {
        let stuck: Vec<_> = series.points.iter().filter(|point| point.value >= rule.upper("stuck_threads")).collect();
        let (Some(first), Some(last)) = (stuck.first(), stuck.last()) else { continue };
        let (service, instance) = (case.tables.names.get(series.service), case.tables.names.get(series.instance));
        let subject = Subject { service: service.to_owned(), key: instance.to_owned(), ..Subject::default() };
        let mut finding = Finding::new(&rule.id, subject, Window::of(first.time, last.time));
        "counted".clone_into(&mut finding.kind);
        finding.severity = Severity::Critical;
        finding.score = score(last.value, rule.limit("stuck_threads"), rule.upper("stuck_threads"));
        finding.confidence = Belief::new().with("counted by the JVM", Input::Metrics, 0.95).proven().value();
        finding
            .measure_against("threads", last.value, "threads", rule.upper("stuck_threads"))
            .measure("points", stuck.len() as f64, "points")
            .look_alike("Contention for a lock whose owner works", "excluded: the JVM counts only threads that wait for each other");
        finding.missing.push("a thread dump (jcmd PID Thread.print -l), which names the locks".to_owned());
        finding.cite([first.evidence, last.evidence]);
        out.entry((service, instance)).or_insert(finding);
    }
    out.into_values().collect()
}

fn from_graph<'a>(graph: &Waits<'a>, tables: &'a Tables, cycles: &mut BTreeMap<Key<'a>, Cycle>) {
    for members in &graph.cycles {
        let name = |thread: usize| graph.threads.get(thread).map_or("", |t| tables.names.get(t.name));
        let cycle = cycles.entry(key(graph, tables, members.iter().map(|&thread| name(thread)))).or_default();
        cycle.dumps.insert(graph.dump.evidence);
        cycle.window.add(graph.dump.time);
        cycle.behind = cycle.behind.max(graph.behind(members).len());
        cycle.threads.extend(members.iter().filter_map(|&thread| graph.threads.get(thread)).map(|t| t.evidence));
        if cycle.steps.is_empty() {
            let step =
                |wait: &waits::Wait| format!("{} waits for a {} that {} holds", name(wait.waiter), tables.names.get(wait.class), name(wait.owner));
            cycle.steps = members.iter().filter_map(|thread| graph.waits.get(thread)).map(step).collect();
        }
    }
}

fn from_jvm<'a>(graph: &Waits<'a>, tables: &'a Tables, cycles: &mut BTreeMap<Key<'a>, Cycle>) {
    let mut sections: BTreeMap<Evidence, Vec<_>> = BTreeMap::new();
    for member in tables.deadlocks.iter().filter(|member| member.dump == graph.dump.evidence) {
        sections.entry(member.evidence).or_default().push(member);
    }
    for (section, members) in sections {
        let names = |sym| tables.names.get(sym);
        // HotSpot begins with the thread that it came from, which may only wait for the cycle.
        let members = on_the_cycle(&members);
        let cycle = cycles.entry(key(graph, tables, members.iter().map(|member| names(member.thread)))).or_default();
        cycle.declared = true;
        cycle.dumps.insert(graph.dump.evidence);
        cycle.window.add(graph.dump.time);
        cycle.sections.push(section);
        if cycle.steps.is_empty() {
            let step = |m: &&Deadlock| format!("{} waits for a {} that {} holds", names(m.thread), names(m.wants), names(m.holder));
            cycle.steps = members.iter().map(step).collect();
        }
    }
}

/// The members that wait for themselves in the end; all of them if the account is cut. Whoever nobody waits for is on no cycle.
fn on_the_cycle<'a>(members: &[&'a Deadlock]) -> Vec<&'a Deadlock> {
    let holders: BTreeMap<Sym, Sym> = members.iter().map(|member| (member.thread, member.holder)).collect();
    let mut waited: BTreeMap<Sym, usize> = holders.keys().map(|thread| (*thread, 0)).collect();
    holders.values().for_each(|holder| *waited.entry(*holder).or_default() += 1);
    let mut outside: Vec<Sym> = waited.iter().filter(|(_, count)| **count == 0).map(|(thread, _)| *thread).collect();
    while let Some(holder) = outside.pop().and_then(|thread| holders.get(&thread)) {
        if let Some(count) = waited.get_mut(holder) {
            *count = count.saturating_sub(1);
            outside.extend((*count == 0).then_some(*holder));
        }
    }
    let found: Vec<&Deadlock> = members.iter().copied().filter(|member| waited.get(&member.thread).is_some_and(|count| *count > 0)).collect();
    if found.is_empty() { members.to_vec() } else { found }
}

fn key<'a>(graph: &Waits<'a>, tables: &'a Tables, threads: impl Iterator<Item = &'a str>) -> Key<'a> {
    (tables.names.get(graph.dump.service), tables.names.get(graph.dump.instance), threads.collect())
}

fn finding(rule: &Rule, (service, instance, threads): &Key<'_>, cycle: Cycle) -> Finding {
    let names: Vec<&str> = threads.iter().copied().collect();
    let subject = Subject { service: (*service).to_owned(), operation: names.join(", "), key: (*instance).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, cycle.window);
    let stuck = threads.len() + cycle.behind;
    finding.severity = Severity::Critical;
    finding.score = score(stuck as f64, rule.limit("stuck_threads"), rule.upper("stuck_threads"));
    let graph_weight = if cycle.dumps.len() > 1 { 0.95 } else { 0.9 };
    let belief = Belief::new().with("cycle in the wait-for graph", Input::ThreadDumps, graph_weight);
    finding.confidence = belief.with_if(cycle.declared, "printed by the JVM", Input::ThreadDumps, 0.99).proven().value();
    finding
        .measure("threads", threads.len() as f64, "threads")
        .measure("blocked_threads", cycle.behind as f64, "threads")
        .measure_against("stuck_threads", stuck as f64, "threads", rule.upper("stuck_threads"))
        .measure("dumps", cycle.dumps.len() as f64, "dumps")
        .word("cycle", cycle.steps.join("; "))
        .look_alike("Contention for a lock whose owner works", "excluded: no thread of the cycle can go on, each waits for another of it")
        .look_alike(
            "A single moment",
            if cycle.dumps.len() > 1 {
                format!("excluded: the same threads in {} dumps", cycle.dumps.len())
            } else {
                "excluded: all threads stand still while a text dump is taken".to_owned()
            },
        )
        .cite(cycle.sections)
        .cite(cycle.threads);
    if cycle.dumps.len() < 2 {
        finding.missing.push("a second dump of the same process some seconds later".to_owned());
    }
    finding
}

#[cfg(test)]
mod tests {
    use crate::model::finding::Severity;
    use crate::rules::fixture::{bundle, check, measured, rule};

    /// As HotSpot prints it to the output of a process: no list of synchronizers, and the account begins with a thread outside.
    #[test]
    fn who_waits_behind_locks_that_are_not_listed() {
        let thread = |n: u32, lock: &str| {
            format!(
                "\"posting-{n}\" #{n} prio=5 os_prio=0 cpu=1.00ms elapsed=9.00s tid=0x00007fa4600bc40{n} nid=0x3{n} waiting on condition  [0x00007fa3fb1fd000]\n   java.lang.Thread.State: WAITING (parking)\n\tat jdk.internal.misc.Unsafe.park(java.base@17.0.15/Native Method)\n\t- parking to wait for  <{lock}> (a java.util.concurrent.locks.ReentrantLock$NonfairSync)\n\tat java.util.concurrent.locks.LockSupport.park(java.base@17.0.15/LockSupport.java:211)\n\tat bank.Posting.post(Posting.java:12)\n\n"
            )
        };
        let (ledger, audit) = ("0x00000000ffd1aed0", "0x00000000ffd1afa0");
        let mut text = "2026-11-26 20:18:43\nFull thread dump OpenJDK 64-Bit Server VM (17.0.15+6 mixed mode, sharing):\n\n".to_owned();
        for (n, lock) in [(1, audit), (2, audit), (3, ledger), (4, ledger), (5, audit)] {
            text += &thread(n, lock);
        }
        text += "\"VM Thread\" os_prio=0 cpu=1.47ms elapsed=9.26s tid=0x00007fa46004d380 nid=0x354b runnable\n\n\nFound one Java-level deadlock:\n=============================\n";
        for (n, lock, holder) in [(1, audit, 4), (4, ledger, 2), (2, audit, 4)] {
            text += &format!(
                "\"posting-{n}\":\n  waiting for ownable synchronizer {lock}, (a java.util.concurrent.locks.ReentrantLock$NonfairSync),\n  which is held by \"posting-{holder}\"\n\n"
            );
        }
        text += "Java stack information for the threads listed above:\n===================================================\n\nFound 1 deadlock.\n\n";
        let found = check(&rule("deadlock"), &bundle(&[("bank/stdout.log", &text)]), None);
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(one.subject.operation, "posting-2, posting-4");
        assert_eq!((measured(one, "threads"), measured(one, "blocked_threads")), (2.0, 3.0));
    }

    #[test]
    fn the_metric_alone() {
        let metric = |value: &dyn Fn(i64) -> i64| -> String {
            let points = (0..20).map(|n| format!("jvm_threads_deadlocked_threads {} {}\n", value(n), 1_795_428_000_000 + n * 15_000));
            "# TYPE jvm_threads_deadlocked_threads gauge\n".to_owned() + &points.collect::<String>()
        };
        let found = |text: &str| check(&rule("deadlock"), &bundle(&[("orders/metrics.prom", text)]), None);
        assert!(found(&metric(&|_| 0)).is_empty());
        let stuck = found(&metric(&|n| if n > 9 { 2 } else { 0 }));
        assert_eq!(
            (stuck.len(), stuck[0].severity, measured(&stuck[0], "threads"), measured(&stuck[0], "points")),
            (1, Severity::Critical, 2.0, 10.0)
        );
    }
}
