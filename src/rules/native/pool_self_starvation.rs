//! `pool-self-starvation`: tasks that wait for tasks behind them in the queue of their own pool.
//!
//! A dump does not say which pool a future belongs to. But if every thread of a pool waits for one and no other executor has
//! anything to do, nobody is left to complete it. What this file does not do: pools whose threads wait for a network or a lock.

use crate::correlate::Case;
use crate::correlate::pools::{Doing, Pool, application_frame, pools};
use crate::correlate::thread;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::Window;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector { id: "pool-self-starvation", thresholds: &["size", "waiting_percent", "same_percent"], detect };

/// Futures of executors. Latches and reactive subscribers are completed by event loops, which always look idle.
const FUTURES: &[&str] =
    &["CompletableFuture.waitingGet", "CompletableFuture.timedGet", "CompletableFuture.join", "FutureTask.awaitDone", "ForkJoinTask.awaitDone"];
/// Clients that complete futures from their own event loops.
const CLIENTS: &[&str] =
    &["HttpClient", "awssdk", "io.netty", "io.grpc", "lettuce", "reactor.", "kafka", "okhttp", "vertx", "elasticsearch", "cassandra", "mongodb"];

/// A pool that starves, in all dumps that show it.
#[derive(Default)]
struct Starved<'a> {
    size: usize,
    place: &'a str,
    dumps: BTreeSet<Evidence>,
    window: Window,
    threads: Vec<Evidence>,
    /// Threads by identity with their stacks in the dump before.
    before: BTreeMap<u64, Sym>,
    still: usize,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let names = &case.tables.names;
    let mut all = pools(case);
    all.sort_by_key(|pool| (pool.dump.time, pool.dump.evidence));
    let mut busy: BTreeMap<Evidence, usize> = BTreeMap::new();
    for pool in all.iter().filter(|pool| is_working(pool)) {
        *busy.entry(pool.dump.evidence).or_default() += 1;
    }
    let mut found: BTreeMap<(Sym, Sym, &str), Starved<'_>> = BTreeMap::new();
    for pool in &all {
        let Some(place) = place(case, rule, pool).filter(|_| !busy.contains_key(&pool.dump.evidence)) else { continue };
        let starved = found.entry((pool.dump.service, pool.dump.instance, pool.name)).or_default();
        let now: BTreeMap<u64, Sym> = pool.threads.iter().map(|(thread, _)| (thread.id, thread.stack)).collect();
        starved.still = starved.still.max(now.iter().filter(|(id, stack)| starved.before.get(*id) == Some(*stack)).count());
        starved.before = now;
        starved.size = starved.size.max(pool.threads.len());
        starved.place = place;
        starved.dumps.insert(pool.dump.evidence);
        starved.window.add(pool.dump.time);
        starved.threads.extend(pool.threads.iter().take(4).map(|(thread, _)| thread.evidence));
    }
    for ((service, instance, pool), starved) in found {
        out.push(finding(rule, (names.get(service), names.get(instance), pool), &starved, case));
    }
}

/// Whether a pool may complete what others wait for: one whose threads do something, unless they serve requests.
fn is_working(pool: &Pool<'_>) -> bool {
    let works = |doing: &Doing| !matches!(doing, Doing::Idle | Doing::Future | Doing::Monitor | Doing::Lock);
    pool.is_executor && thread::scope(&format!("{}-1", pool.name)) != thread::Scope::Request && pool.threads.iter().any(|(_, doing)| works(doing))
}

/// Where the threads of a pool wait, if all of them wait for a future, most of them in one place.
fn place<'a>(case: &'a Case, rule: &Rule, pool: &Pool<'a>) -> Option<&'a str> {
    let names = &case.tables.names;
    let size = pool.threads.len();
    if (size as f64) < rule.limit("size") || !pool.is_executor {
        return None;
    }
    let stack = |thread: &crate::model::jvm::Thread| names.get(thread.stack);
    let waits = |text: &str| {
        text.lines().take(12).any(|frame| FUTURES.iter().any(|future| frame.contains(future))) && !CLIENTS.iter().any(|client| text.contains(client))
    };
    let waiting: Vec<&str> =
        pool.threads.iter().filter(|(_, doing)| *doing == Doing::Future).map(|(thread, _)| stack(thread)).filter(|text| waits(text)).collect();
    if 100.0 * waiting.len() as f64 <= rule.limit("waiting_percent") * size as f64 - 1.0 || waiting.len() < size {
        return None;
    }
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    waiting.iter().for_each(|text| *places.entry(application_frame(text)).or_default() += 1);
    let (place, count) = places.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(a.0)))?;
    (!place.is_empty() && 100.0 * count as f64 >= rule.limit("same_percent") * size as f64).then_some(place)
}

fn finding(rule: &Rule, (service, instance, pool): (&str, &str, &str), starved: &Starved<'_>, case: &Case) -> Finding {
    let subject = Subject { service: service.to_owned(), operation: pool.to_owned(), key: instance.to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, starved.window);
    let lasts = starved.dumps.len() > 1 && starved.still >= starved.size;
    let queued = ["executor.queued", "executor.queue.size"]
        .iter()
        .flat_map(|metric| case.series(metric))
        .filter(|series| case.tables.names.get(series.service) == service);
    let queued =
        queued.filter(|series| series.labels.contains(pool)).filter_map(|series| series.highest()).map(|point| point.value).fold(0.0, f64::max);
    finding.severity = if lasts { Severity::Critical } else { Severity::High };
    finding.confidence = Belief::new()
        .with("every thread of the pool waits for other work", Input::ThreadDumps, 0.6)
        .with_if(lasts, "the same threads in several dumps", Input::ThreadDumps, 0.4)
        .with_if(queued > 0.0, "work in the pool's queue", Input::Metrics, 0.4)
        .value();
    finding.score = score(100.0, 90.0, rule.limit("waiting_percent"));
    finding
        .measure_against("size", starved.size as f64, "threads", rule.limit("size"))
        .measure("waiting", starved.size as f64, "threads")
        .measure("stuck", starved.still as f64, "threads")
        .measure("dumps", starved.dumps.len() as f64, "dumps")
        .word("pool", pool)
        .word("where", starved.place)
        .word("persistence", if lasts { format!("All of them stand there in {} dumps.", starved.dumps.len()) } else { String::new() })
        .look_alike("Waiting for an asynchronous client", "excluded as far as the frames tell: no client stands in them")
        .look_alike("Waiting for another pool", "excluded: no other executor has anything to do")
        .look_alike("A single moment", if lasts { "excluded: nothing moved between the dumps" } else { "not excluded: a single dump" });
    if queued > 0.0 {
        finding.measure("queued", queued, "tasks");
    }
    if starved.dumps.len() < 2 {
        finding.missing.push("a second dump of the same process some seconds later".to_owned());
    }
    finding.cite(starved.threads.iter().copied());
    finding
}

#[cfg(test)]
mod tests {
    use crate::model::finding::Finding;
    use crate::rules::fixture::{bundle, check, measured, rule};

    const JOIN: &str = "\tat jdk.internal.misc.Unsafe.park(java.base@17/Native Method)\n\t- parking to wait for  <0x00000000fc2b0d28> (a java.util.concurrent.CompletableFuture$Signaller)\n\tat java.util.concurrent.locks.LockSupport.park(java.base@17/LockSupport.java:211)\n\tat java.util.concurrent.CompletableFuture$Signaller.block(java.base@17/CompletableFuture.java:1864)\n\tat java.util.concurrent.CompletableFuture.waitingGet(java.base@17/CompletableFuture.java:1898)\n\tat java.util.concurrent.CompletableFuture.join(java.base@17/CompletableFuture.java:2117)\n\tat com.acme.Orders.lambda$price$9(Orders.java:50)\n\tat java.util.concurrent.FutureTask.run(java.base@17/FutureTask.java:264)\n\tat java.util.concurrent.ThreadPoolExecutor.runWorker(java.base@17/ThreadPoolExecutor.java:1136)\n";
    const IDLE: &str = "\tat jdk.internal.misc.Unsafe.park(java.base@17/Native Method)\n\tat java.util.concurrent.LinkedBlockingQueue.take(java.base@17/LinkedBlockingQueue.java:435)\n\tat java.util.concurrent.ThreadPoolExecutor.getTask(java.base@17/ThreadPoolExecutor.java:1062)\n";
    const READ: &str = "\tat sun.nio.ch.SocketDispatcher.read0(java.base@17/Native Method)\n\tat com.acme.Prices.get(Prices.java:9)\n\tat java.util.concurrent.ThreadPoolExecutor.runWorker(java.base@17/ThreadPoolExecutor.java:1136)\n";

    fn dump(second: u32, threads: &[(&str, &str)]) -> String {
        let mut text = format!("2026-11-22 19:10:{second:02}\nFull thread dump OpenJDK 64-Bit Server VM (17.0.15+6 mixed mode):\n\n");
        for (n, (name, stack)) in threads.iter().enumerate() {
            let state = if stack.contains("read0") { "RUNNABLE" } else { "WAITING (parking)" };
            text.push_str(&format!("\"{name}\" #{n} prio=5 os_prio=0 cpu=1.00ms elapsed=60.00s tid=0x00007f5618{n:06x} nid=0x{n:x} waiting on condition  [0x00007f561c760000]\n   java.lang.Thread.State: {state}\n{stack}\n"));
        }
        text
    }

    fn found(dumps: &[String]) -> Vec<Finding> {
        let paths: Vec<String> = (0..dumps.len()).map(|n| format!("orders/dump-{n}.txt")).collect();
        let files: Vec<(&str, &str)> = paths.iter().zip(dumps).map(|(path, text)| (path.as_str(), text.as_str())).collect();
        check(&rule("pool-self-starvation"), &bundle(&files), None)
    }

    #[test]
    fn somebody_else_works_or_a_thread_is_free() {
        assert!(found(&[dump(1, &[("order-pool-1", JOIN), ("order-pool-2", IDLE)])]).is_empty(), "one is free");
        assert!(found(&[dump(1, &[("order-pool-1", JOIN), ("order-pool-2", JOIN), ("price-pool-1", READ)])]).is_empty(), "another pool works");
        let client = JOIN
            .replace("\tat com.acme", "\tat jdk.internal.net.http.HttpClientFacade.send(java.net.http@17/HttpClientFacade.java:119)\n\tat com.acme");
        assert!(found(&[dump(1, &[("order-pool-1", &client), ("order-pool-2", &client)])]).is_empty(), "an asynchronous client");
        assert!(found(&[dump(1, &[("order-pool-1", IDLE), ("order-pool-2", IDLE)])]).is_empty(), "an idle pool");
    }

    #[test]
    fn every_thread_waits_for_its_own_pool() {
        let threads = [("order-pool-1", JOIN), ("order-pool-2", JOIN), ("http-nio-8080-exec-1", IDLE)];
        let one = found(&[dump(1, &threads)]);
        assert_eq!((one.len(), one[0].subject.operation.as_str(), measured(&one[0], "size")), (1, "order-pool", 2.0));
        let two = found(&[dump(1, &threads), dump(11, &threads)]);
        assert!(two.len() == 1 && two[0].confidence > one[0].confidence && two[0].confidence >= 0.75);
    }
}
