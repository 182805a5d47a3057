//! `lock-contention`: many threads that wait for one lock, and the thread that holds it.
//!
//! What this file does not do: cycles; a queue behind a deadlock is part of the deadlock.

use crate::correlate::Case;
use crate::correlate::pools::{Doing, application_frame, awaits_work, doing, pool_of};
use crate::correlate::waits::{self, Waits};
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::Window;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector { id: "lock-contention", thresholds: &["waiters", "pool_percent", "pool_size", "dumps"], detect };

/// Threads that wait for one lock in one dump.
struct Queue {
    dump: Evidence,
    time: crate::model::time::Time,
    waiters: Vec<Evidence>,
    pool_percent: f64,
    holder: Evidence,
    holder_name: Sym,
    holding: Doing,
    holder_frame: String,
}

/// Service, instance, class of the lock, frame in which it is waited for.
type Key = (Sym, Sym, Sym, String);

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let mut queues: BTreeMap<Key, Vec<Queue>> = BTreeMap::new();
    for graph in waits::of_dumps(&case.tables) {
        collect(case, rule, &graph, &mut queues);
    }
    for (key, queues) in queues {
        let long = queues.iter().any(|queue| queue.waiters.len() as f64 >= rule.upper("waiters") || queue.pool_percent >= rule.upper("pool_percent"));
        if queues.len() as f64 >= rule.limit("dumps") || long {
            out.push(finding(case, rule, &key, &queues));
        }
    }
}

fn collect(case: &Case, rule: &Rule, graph: &Waits<'_>, queues: &mut BTreeMap<Key, Vec<Queue>>) {
    let names = &case.tables.names;
    let mut stuck: BTreeSet<usize> = graph.cycles.iter().flatten().copied().collect();
    stuck.extend(graph.cycles.iter().flat_map(|cycle| graph.behind(cycle)));
    let mut pools: BTreeMap<&str, usize> = BTreeMap::new();
    graph.threads.iter().filter_map(|thread| pool_of(names.get(thread.name))).for_each(|pool| *pools.entry(pool).or_default() += 1);
    let mut by_lock: BTreeMap<(usize, u64, Sym), Vec<usize>> = BTreeMap::new();
    // Consumers take turns at the lock of a queue or a listening socket; what they wait for is work.
    let takes_turns = |waiter: usize| graph.threads.get(waiter).is_some_and(|thread| awaits_work(names.get(thread.stack)));
    for wait in graph.waits.values().filter(|wait| !stuck.contains(&wait.waiter) && !takes_turns(wait.waiter)) {
        by_lock.entry((wait.owner, wait.address, wait.class)).or_default().push(wait.waiter);
    }
    for ((owner, _, class), waiters) in by_lock {
        let Some(holder) = graph.threads.get(owner) else { continue };
        let mut of_pool: BTreeMap<&str, usize> = BTreeMap::new();
        let mut frames: BTreeMap<&str, usize> = BTreeMap::new();
        for thread in waiters.iter().filter_map(|&waiter| graph.threads.get(waiter)) {
            pool_of(names.get(thread.name)).into_iter().for_each(|pool| *of_pool.entry(pool).or_default() += 1);
            *frames.entry(application_frame(names.get(thread.stack))).or_default() += 1;
        }
        let percent = of_pool
            .iter()
            .filter_map(|(pool, count)| Some((count, *pools.get(pool)?)))
            .filter(|(_, size)| *size as f64 >= rule.limit("pool_size"))
            .map(|(count, size)| 100.0 * *count as f64 / size as f64)
            .fold(0.0, f64::max);
        if (waiters.len() as f64) < rule.limit("waiters") && percent < rule.limit("pool_percent") || waiters.len() < 2 {
            continue;
        }
        let frame = frames.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(a.0))).map_or("", |(frame, _)| frame);
        let stack = names.get(holder.stack);
        queues.entry((graph.dump.service, graph.dump.instance, class, frame.to_owned())).or_default().push(Queue {
            dump: graph.dump.evidence,
            time: graph.dump.time,
            waiters: waiters.iter().filter_map(|&waiter| graph.threads.get(waiter)).map(|thread| thread.evidence).collect(),
            pool_percent: percent,
            holder: holder.evidence,
            holder_name: holder.name,
            holding: holding(stack, doing(stack, holder.state), holder.state),
            holder_frame: application_frame(stack).to_owned(),
        });
    }
}

/// What the holder does: a thread with a loop of its own that sleeps or waits under a lock is not idle.
fn holding(stack: &str, doing: Doing, state: crate::model::jvm::ThreadState) -> Doing {
    use crate::model::jvm::ThreadState;
    match (doing, state) {
        (Doing::Idle, ThreadState::TimedWaiting) if stack.contains("Thread.sleep") => Doing::Sleep,
        (Doing::Idle, ThreadState::Waiting | ThreadState::TimedWaiting) => Doing::Lock,
        (doing, _) => doing,
    }
}

fn finding(case: &Case, rule: &Rule, (service, instance, class, method): &Key, queues: &[Queue]) -> Finding {
    let names = &case.tables.names;
    let mut window = Window::default();
    queues.iter().for_each(|queue| window.add(queue.time));
    let subject =
        Subject { service: names.get(*service).to_owned(), operation: method.clone(), key: names.get(*instance).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    let most = queues.iter().map(|queue| queue.waiters.len()).max().unwrap_or(0);
    let percent = queues.iter().map(|queue| queue.pool_percent).fold(0.0, f64::max);
    let dumps: BTreeSet<Evidence> = queues.iter().map(|queue| queue.dump).collect();
    let holders: BTreeSet<Sym> = queues.iter().map(|queue| queue.holder_name).collect();
    let Some(longest) = queues.iter().max_by_key(|queue| (queue.waiters.len(), std::cmp::Reverse(queue.dump))) else { return finding };
    let serious = most as f64 >= rule.upper("waiters") || percent >= rule.upper("pool_percent");
    finding.severity = if serious { Severity::High } else { Severity::Medium };
    finding.score = score(most as f64, rule.limit("waiters"), rule.upper("waiters"));
    let slow = longest.holding.is_stuck();
    finding.confidence = Belief::new()
        .with("threads that wait for the lock of another", Input::ThreadDumps, if slow { 0.7 } else { 0.55 })
        .with_if(dumps.len() > 1, "the same queue in several dumps", Input::ThreadDumps, 0.5)
        .with_if(serious, "most of a pool", Input::ThreadDumps, 0.4)
        .value();
    let holder = names.get(longest.holder_name);
    finding
        .measure_against("waiters", most as f64, "threads", rule.limit("waiters"))
        .measure("pool_percent", percent.round(), "percent of the pool")
        .measure("dumps", dumps.len() as f64, "dumps")
        .measure("holders", holders.len() as f64, "threads")
        .word("lock", if class.is_none() { "lock" } else { names.get(*class) })
        .word("method", if method.is_empty() { "the same place".to_owned() } else { method.clone() })
        .word("holder", holder)
        .word(
            "holding",
            if longest.holder_frame.is_empty() {
                format!("holds it: it is seen to {}", longest.holding.words())
            } else {
                format!("holds it in {}, where it is seen to {}", longest.holder_frame, longest.holding.words())
            },
        )
        .word(
            "persistence",
            match (dumps.len(), holders.len()) {
                (1, _) => "One dump shows it.".to_owned(),
                (dumps, 1) => format!("{dumps} dumps show the same queue behind the same thread."),
                (dumps, holders) => {
                    format!("{dumps} dumps show it, each time behind another of {holders} threads: the lock is handed on without a pause.")
                }
            },
        )
        .look_alike("A deadlock", "excluded: the holder waits for none of the threads behind it")
        .look_alike("Threads waiting for work", "excluded: they wait for a lock that another thread owns, not in a queue")
        .look_alike("A single moment", if dumps.len() > 1 { "excluded: several dumps show it" } else { "not excluded: there is one dump" });
    finding.cite(queues.iter().map(|queue| queue.holder));
    finding.cite(queues.iter().flat_map(|queue| queue.waiters.iter().take(3).copied()));
    finding.evidence_total = queues.iter().map(|queue| queue.waiters.len() as u64 + 1).sum();
    finding
}

#[cfg(test)]
mod tests {
    use crate::model::finding::{Finding, Severity};
    use crate::rules::fixture::{bundle, check, measured, rule};

    const HEAD: &str = "2026-11-22 19:30:34\nFull thread dump OpenJDK 64-Bit Server VM (17.0.15+6 mixed mode):\n\n";

    fn thread(name: &str, number: u32, state: &str, frames: &[&str]) -> String {
        let mut text = format!(
            "\"{name}\" #{number} daemon prio=5 os_prio=0 cpu=1.00ms elapsed=60.00s tid=0x00007f56186a{number:04x} nid=0x{number:x} waiting  [0x00007f561c760000]\n   java.lang.Thread.State: {state}\n"
        );
        for frame in frames {
            text.push_str(&format!("\t{frame}\n"));
        }
        text + "\n"
    }

    /// A pool of `all` threads of which `waiting` wait for what `refresher` holds.
    fn dump(all: u32, waiting: u32) -> String {
        let refresher = thread(
            "refresher",
            90,
            "TIMED_WAITING (sleeping)",
            &[
                "at java.lang.Thread.sleep(java.base@17/Native Method)",
                "at com.acme.PriceCache.refresh(PriceCache.java:9)",
                "- locked <0x00000000f68441e0> (a java.lang.Object)",
                "at java.lang.Thread.run(java.base@17/Thread.java:840)",
            ],
        );
        let blocked = [
            "at com.acme.PriceCache.lookup(PriceCache.java:7)",
            "- waiting to lock <0x00000000f68441e0> (a java.lang.Object)",
            "at java.util.concurrent.ThreadPoolExecutor.runWorker(java.base@17/ThreadPoolExecutor.java:1136)",
        ];
        let idle = [
            "at jdk.internal.misc.Unsafe.park(java.base@17/Native Method)",
            "- parking to wait for  <0x00000000fa000000> (a java.util.concurrent.locks.AbstractQueuedSynchronizer$ConditionObject)",
            "at java.util.concurrent.ThreadPoolExecutor.getTask(java.base@17/ThreadPoolExecutor.java:1062)",
            "at java.util.concurrent.ThreadPoolExecutor.runWorker(java.base@17/ThreadPoolExecutor.java:1122)",
        ];
        let workers: String = (0..all)
            .map(|n| {
                thread(
                    &format!("http-nio-8080-exec-{n}"),
                    n + 1,
                    if n < waiting { "BLOCKED (on object monitor)" } else { "WAITING (parking)" },
                    if n < waiting { &blocked } else { &idle },
                )
            })
            .collect();
        format!("{HEAD}{refresher}{workers}")
    }

    fn found(id: &str, dumps: &[String]) -> Vec<Finding> {
        let paths: Vec<String> = (0..dumps.len()).map(|n| format!("orders/dump-{n}.txt")).collect();
        let files: Vec<(&str, &str)> = paths.iter().zip(dumps).map(|(path, text)| (path.as_str(), text.as_str())).collect();
        check(&rule(id), &bundle(&files), None)
    }

    #[test]
    fn a_queue_behind_slow_work_under_a_lock() {
        let found = found("lock-contention", &[dump(25, 22), dump(25, 22).replace("19:30:34", "19:30:44")]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].severity, found[0].subject.operation.as_str()), (Severity::High, "com.acme.PriceCache.lookup"));
        assert_eq!((measured(&found[0], "waiters"), measured(&found[0], "dumps")), (22.0, 2.0));
        assert_eq!(found[0].words["holder"], "refresher");
    }

    #[test]
    fn two_waiters_in_one_dump_are_chance() {
        assert!(found("lock-contention", &[dump(25, 2)]).is_empty());
        assert!(found("lock-contention", &[dump(25, 0)]).is_empty());
    }

    /// As a JVM prints it: a reader is parked on a lock of which only a writer that sleeps is an owner.
    #[test]
    fn a_reader_behind_a_writer_is_no_deadlock() {
        let lock = "<0x00000000f6844300> (a java.util.concurrent.locks.ReentrantReadWriteLock$NonfairSync)";
        let reader = |n: u32| {
            let frames = [
                "at jdk.internal.misc.Unsafe.park(java.base@17/Native Method)",
                &format!("- parking to wait for  {lock}"),
                "at java.util.concurrent.locks.AbstractQueuedSynchronizer.acquireShared(java.base@17/AbstractQueuedSynchronizer.java:1079)",
                "at java.util.concurrent.locks.ReentrantReadWriteLock$ReadLock.lock(java.base@17/ReentrantReadWriteLock.java:738)",
                "at com.acme.Rates.read(Rates.java:20)",
            ];
            thread(&format!("rw-reader-{n}"), n, "WAITING (parking)", &frames)
        };
        let writer = thread(
            "rw-writer",
            90,
            "TIMED_WAITING (sleeping)",
            &["at java.lang.Thread.sleep(java.base@17/Native Method)", "at com.acme.Rates.write(Rates.java:31)"],
        ) + &format!("   Locked ownable synchronizers:\n\t- {lock}\n\n");
        let text = |readers: u32| format!("{HEAD}{}{writer}", (1..=readers).map(reader).collect::<String>());
        for readers in [1, 8] {
            let dumps = [text(readers), text(readers).replace("19:30:34", "19:30:44")];
            assert!(found("deadlock", &dumps).is_empty());
            let contended = found("lock-contention", &dumps);
            assert_eq!(contended.first().map(|finding| finding.words["holder"].as_str()), (readers > 5).then_some("rw-writer"), "{contended:?}");
        }
    }

    #[test]
    fn the_pool_behind_the_lock_is_exhausted() {
        let found = found("thread-pool-exhaustion", &[dump(25, 25), dump(25, 25).replace("19:30:34", "19:30:44")]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].subject.operation.as_str(), measured(&found[0], "size")), ("http-nio-8080-exec", 25.0));
        assert_eq!(found[0].words["doing"], "wait to enter a monitor");
    }

    #[test]
    fn idle_pools_are_not_exhausted() {
        assert!(found("thread-pool-exhaustion", &[dump(25, 0), dump(25, 3)]).is_empty());
    }
}
