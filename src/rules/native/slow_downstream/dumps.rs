//! Slow called sides as thread dumps alone show them: whenever somebody looks, most threads that serve requests stand in the same
//! client of the application and read from a socket.
//!
//! Threads that serve requests and read what a user sends, or what a connection that is kept open may bring, have no frame of the
//! application below the read. A dump names the client's class and not the host: the side is called by what the class is
//! called, unless the bundle has a service of that name.
//!
//! What this file does not do: pools that do other work than requests, which may be meant to wait; databases, which have rules of
//! their own.

use crate::correlate::Case;
use crate::correlate::configured::same_party;
use crate::correlate::pools::{Doing, application_frame, pools};
use crate::correlate::thread::{Scope as Purpose, scope as purpose};
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::Window;
use crate::rules::native::retry_storm::round;
use std::collections::{BTreeMap, BTreeSet};

/// Where the threads of a pool stand, dump by dump.
#[derive(Default)]
struct Held<'a> {
    /// Dumps in which the pool has a thread.
    dumps: BTreeSet<Evidence>,
    /// By class of the application: dumps in which it holds most of the pool.
    by_client: BTreeMap<&'a str, Client<'a>>,
}

/// A class in which threads wait.
#[derive(Default)]
struct Client<'a> {
    frame: &'a str,
    dumps: BTreeSet<Evidence>,
    most: usize,
    size: usize,
    window: Window,
    evidence: Vec<Evidence>,
}

/// Sides that threads wait for; what other evidence has told of a caller is not told again.
pub(super) fn find(case: &Case, rule: &Rule, out: &mut Vec<Finding>) {
    let names = &case.tables.names;
    let mut all: BTreeMap<(Sym, Sym, &str), Held<'_>> = BTreeMap::new();
    for pool in pools(case).iter().filter(|pool| pool.is_executor) {
        let serving = purpose(&format!("{}-1", pool.name)) == Purpose::Request || pool.serves;
        if !serving || (pool.threads.len() as f64) < rule.limit("pool_threads") {
            continue;
        }
        let held = all.entry((pool.dump.service, pool.dump.instance, pool.name)).or_default();
        held.dumps.insert(pool.dump.evidence);
        let mut clients: BTreeMap<&str, (&str, Vec<Evidence>)> = BTreeMap::new();
        for (thread, _) in pool.threads.iter().filter(|(_, doing)| *doing == Doing::Network) {
            let frame = application_frame(names.get(thread.stack));
            if let Some((class, _)) = frame.rsplit_once('.') {
                let client = clients.entry(class).or_insert((frame, Vec::new()));
                client.1.push(thread.evidence);
            }
        }
        let Some((class, (frame, threads))) = clients.into_iter().max_by(|a, b| a.1.1.len().cmp(&b.1.1.len()).then(b.0.cmp(a.0))) else { continue };
        if 100.0 * threads.len() as f64 >= rule.limit("held_percent") * pool.threads.len() as f64 {
            let client = held.by_client.entry(class).or_default();
            client.dumps.insert(pool.dump.evidence);
            client.window.add(pool.dump.time);
            if threads.len() > client.most {
                (client.most, client.size, client.frame) = (threads.len(), pool.threads.len(), frame);
            }
            client.evidence.extend(threads.into_iter().take(2));
        }
    }
    for ((service, instance, pool), held) in &all {
        let caller = names.get(*service);
        // Every look, or nearly: a side that is slow now and then is found in some dumps of any service.
        let lasting = |client: &&Client<'_>| {
            let dumps = client.dumps.len() as f64;
            dumps >= rule.limit("dumps") && 100.0 * dumps >= rule.limit("dumps_percent") * held.dumps.len() as f64
        };
        let known = out.iter().any(|finding| !caller.is_empty() && finding.services.iter().any(|service| service == caller));
        if let Some((class, client)) = held.by_client.iter().find(|(_, client)| lasting(client)).filter(|_| !known) {
            out.push(finding(case, rule, (caller, names.get(*instance), pool), class, client));
        }
    }
}

/// `com.acme.traffic.TrafficClient` is the client of `Traffic`.
fn side(class: &str) -> &str {
    let simple = class.rsplit('.').next().unwrap_or(class);
    let simple = simple.split('$').next().unwrap_or(simple);
    ["Client", "Gateway", "Api", "Proxy", "Adapter", "Connector"]
        .iter()
        .find_map(|ending| simple.strip_suffix(ending))
        .filter(|name| !name.is_empty())
        .unwrap_or(simple)
}

fn finding(case: &Case, rule: &Rule, (caller, instance, pool): (&str, &str, &str), class: &str, client: &Client<'_>) -> Finding {
    let names = &case.tables.names;
    let side = side(class);
    let known = case.tables.log_counts.keys().map(|(service, _)| names.get(*service)).filter(|service| *service != caller);
    let known = known.filter(|service| same_party(service, side)).min();
    let subject = Subject { service: known.unwrap_or(side).to_owned(), operation: client.frame.to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, client.window);
    "dumps".clone_into(&mut finding.kind);
    finding.services = if caller.is_empty() { Vec::new() } else { vec![caller.to_owned()] };
    let dumps = client.dumps.len() as f64;
    // Two looks may meet one hiccup.
    finding.severity = if dumps >= rule.upper("dumps") { Severity::Medium } else { Severity::Low };
    let percent = 100.0 * client.most as f64 / client.size.max(1) as f64;
    finding.score = score(percent, rule.limit("held_percent"), 100.0);
    finding.confidence = Belief::new().with("threads that wait in one client whenever somebody looks", Input::ThreadDumps, 0.6).value();
    finding
        .measure_against("held", client.most as f64, "threads", rule.limit("held_percent") / 100.0 * client.size as f64)
        .measure("size", client.size as f64, "threads")
        .measure("held_percent", round(percent), "percent of the pool")
        .measure_against("dumps", dumps, "dumps", rule.limit("dumps"))
        .word("callers", if caller.is_empty() { "the process".to_owned() } else { caller.to_owned() })
        .word("pool", if instance.is_empty() { pool.to_owned() } else { format!("{pool} of {instance}") })
        .word("where", client.frame)
        .look_alike("Connections that are kept open and idle", "excluded: those threads have no frame of the application below their read")
        .look_alike("Threads that do other work than requests", "excluded: only pools that serve requests were looked at")
        .look_alike("A call that always takes long", "not excluded: without a calm dump nothing tells how it was before");
    finding.missing.push("client spans or a log of the calls, and the client's timeouts".to_owned());
    finding.cite(client.evidence.iter().copied());
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::fixture::{bundle, check, measured, rule};

    const RUNNER: &str = "\tat org.apache.tomcat.util.threads.ThreadPoolExecutor.runWorker(ThreadPoolExecutor.java:1191)\n\n";
    const READ: &str = "\tat sun.nio.ch.Net.poll(java.base@17/Native Method)\n\tat sun.nio.ch.NioSocketImpl.park(java.base@17/NioSocketImpl.java:186)\n\tat java.net.Socket$SocketInputStream.read(java.base@17/Socket.java:966)\n";
    const IDLE: &str = "\tat jdk.internal.misc.Unsafe.park(java.base@17/Native Method)\n\tat java.util.concurrent.LinkedBlockingQueue.take(java.base@17/LinkedBlockingQueue.java:435)\n\tat org.apache.tomcat.util.threads.ThreadPoolExecutor.getTask(ThreadPoolExecutor.java:1114)\n";
    /// A connector with a thread for each connection waits for the next request of a user.
    const KEPT_OPEN: &str = "\tat org.apache.coyote.http11.InternalInputBuffer.fill(InternalInputBuffer.java:532)\n\tat org.apache.coyote.http11.Http11Processor.process(Http11Processor.java:965)\n";

    fn dump(minute: u32, pool: &str, threads: usize, stack: impl Fn(usize) -> String) -> String {
        let mut text = format!("2026-01-01 10:{minute:02}:00\nFull thread dump OpenJDK 64-Bit Server VM (17.0.15+6 mixed mode, sharing):\n\n");
        for n in 1..=threads {
            text += &format!(
                "\"{pool}-{n}\" #{} daemon prio=5 os_prio=0 cpu={}.50ms elapsed=900.00s tid=0x00007f{:010x} nid=0x{n:x} runnable  [0x00007f1]\n   java.lang.Thread.State: RUNNABLE\n{}{RUNNER}",
                30 + n,
                minute * 7 + 3,
                4096 * n,
                stack(n)
            );
        }
        text
    }

    fn call(class: &str, line: usize) -> String {
        format!("{READ}\tat com.acme.fares.{class}.ask({class}.java:{line})\n\tat com.acme.fares.FareController.fare(FareController.java:31)\n")
    }

    fn found(dumps: &[String]) -> Vec<Finding> {
        check(&rule("slow-downstream"), &bundle(&[("fares/threads.txt", &dumps.join(""))]), None)
    }

    #[test]
    fn healthy_twins_are_quiet() {
        let requests = "http-nio-8080-exec";
        let kept_open: Vec<_> = (0..3).map(|n| dump(n, "http-bio-8080-exec", 20, |_| format!("{READ}{KEPT_OPEN}"))).collect();
        let few: Vec<_> = (0..3).map(|n| dump(n, requests, 20, |t| if t < 6 { call("RailClient", t) } else { IDLE.to_owned() })).collect();
        let several: Vec<_> = (0..3).map(|n| dump(n, requests, 20, |t| call(["RailClient", "BusClient", "FerryClient"][t % 3], t))).collect();
        let once: Vec<_> = (0..4).map(|n| dump(n, requests, 20, |t| if n == 1 { call("RailClient", t) } else { IDLE.to_owned() })).collect();
        let batch: Vec<_> = (0..3)
            .map(|n| {
                dump(n, "import-worker", 20, |_| {
                    format!("{READ}\tat com.acme.fares.RailClient.pull(RailClient.java:9)\n\tat com.acme.fares.Import.run(Import.java:4)\n")
                })
            })
            .collect();
        for (name, dumps) in [("kept open", kept_open), ("few", few), ("several", several), ("once", once), ("batch", batch)] {
            assert!(found(&dumps).is_empty(), "{name}: {:?}", found(&dumps));
        }
    }

    #[test]
    fn most_threads_wait_in_one_client() {
        let dumps: Vec<_> =
            (0..3).map(|n| dump(n, "http-nio-8080-exec", 20, |t| if t < 18 { call("RailClient", t) } else { IDLE.to_owned() })).collect();
        let findings = found(&dumps);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.subject.service.as_str(), finding.kind.as_str(), finding.severity), ("Rail", "dumps", Severity::Medium));
        assert_eq!((measured(finding, "held"), measured(finding, "size"), measured(finding, "dumps")), (17.0, 20.0, 3.0));
        assert_eq!(
            (finding.services.as_slice(), finding.words["where"].as_str()),
            (["fares".to_owned()].as_slice(), "com.acme.fares.RailClient.ask")
        );
        // Of two dumps nobody knows whether it was one hiccup.
        assert_eq!(found(&dumps[..2])[0].severity, Severity::Low);
        assert!(found(&dumps[..1]).is_empty());
    }
}
