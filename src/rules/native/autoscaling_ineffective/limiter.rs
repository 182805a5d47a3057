//! What holds a service back while replicas are added: the tests for each known limiter, the most telling first.
//!
//! What this file does not do: decide whether it is held back.

use super::{Ground, Seen};
use crate::correlate::Case;
use crate::correlate::load::Load;
use crate::correlate::replicas::{Homes, Replicas};
use crate::model::finding::Input;
use crate::model::jvm::{LockRole, ThreadState};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{MINUTE, SECOND, Window};
use crate::rules::native::database_pools::{Meter, meters};
use crate::rules::native::retry_storm::round;
use std::collections::BTreeMap;

/// Something that more replicas do not widen.
pub struct Limiter {
    /// A sentence for the report.
    pub text: String,
    /// What to do about it; reads after a colon.
    pub fix: &'static str,
    /// The other side, if it is one.
    pub party: Option<String>,
    /// What says so.
    pub input: Input,
    /// Its numbers.
    pub measures: Vec<(String, f64, &'static str)>,
    /// Where.
    pub evidence: Vec<Evidence>,
}

const POOL: &str = "the connections of the database and of its pools, and how long each is held";
const CALLED: &str = "the service or database that is called, or how often it is called";
const LOCK: &str = "the lock that all requests pass, or the row that all of them change";
const START: &str = "nodes, images and readiness, so that the replicas that were ordered can serve";
const SPREAD: &str = "how requests are spread: balance per request instead of per connection, limit the age of connections";

/// Every limiter that holds.
pub fn all(ground: &Ground<'_>, service: Sym, load: &Load, replicas: &Replicas, seen: &Seen<'_>) -> Vec<Limiter> {
    let (case, rule) = (ground.scope.case, ground.rule);
    let found = [
        not_ready(case, rule, &ground.homes, service, seen),
        connections(case, rule, &ground.homes, service, seen),
        called(case, rule, service, seen),
        locks(case, rule, service, seen),
        uneven(case, rule, load, replicas, seen),
        late(rule, seen),
    ];
    found.into_iter().flatten().collect()
}

/// Replicas that were ordered and cannot run, or are not ready.
fn not_ready(case: &Case, rule: &Rule, homes: &Homes<'_>, service: Sym, seen: &Seen<'_>) -> Option<Limiter> {
    let names = &case.tables.names;
    let reasons = ["FailedScheduling", "BackOff", "Failed", "NotTriggerScaleUp", "FailedCreate", "FailedMount", "Unhealthy"];
    let window = Window::of(seen.rise.from, seen.later.end);
    let told: Vec<_> = case
        .tables
        .events
        .iter()
        .filter(|event| event.warning && reasons.contains(&names.get(event.reason)) && window.holds(event.time))
        .filter(|event| homes.of_workload(event.service) == service)
        .collect();
    let pods = told.iter().map(|event| event.object).collect::<std::collections::BTreeSet<_>>().len() as f64;
    let added = seen.rise.after - seen.rise.before.unwrap_or(0.0);
    // Single replicas fail their first probes while they start.
    if told.is_empty() || 2.0 * pods < added.min(rule.limit("step_pods") * 2.0) {
        return None;
    }
    let first = told.first()?;
    Some(Limiter {
        text: format!("{pods} of its pods were not ready meanwhile ({}: {}).", names.get(first.reason), names.get(first.message)),
        fix: START,
        party: None,
        input: Input::Events,
        measures: vec![("pods_not_ready".to_owned(), pods, "pods")],
        evidence: told.iter().map(|event| event.evidence).collect(),
    })
}

/// Connections of a database that ran out: refused by it, or waited for in pools.
fn connections(case: &Case, rule: &Rule, homes: &Homes<'_>, service: Sym, seen: &Seen<'_>) -> Option<Limiter> {
    let names = &case.tables.names;
    let count = |signal: &str, window: Window, own: bool| -> Vec<Evidence> {
        let Some(signal) = names.find(signal) else { return Vec::new() };
        let rows = case.tables.signals.iter().filter(|row| row.signal == signal && window.holds(row.time) && (!own || row.service == service));
        rows.map(|row| row.evidence).collect()
    };
    let window = Window::of(seen.rise.from, seen.later.end);
    let refused = count("db.connections-refused", window, false);
    let timeouts: Vec<Evidence> = ["pool.timeout", "pool.empty", "pool.waiting"].iter().flat_map(|signal| count(signal, window, true)).collect();
    let earlier = ["pool.timeout", "pool.empty", "pool.waiting"].iter().map(|signal| count(signal, seen.during, true).len()).sum::<usize>();
    let per = |count: usize, window: Window| count as f64 / (window.nanos() as f64 / MINUTE as f64).max(1.0 / 60.0);
    let grew = per(timeouts.len(), window) >= 0.9 * per(earlier, seen.during);
    let full: Vec<Evidence> = meters(case)
        .iter()
        .filter(|meter| meter.service == service)
        .flat_map(|meter| meter.full().into_iter().filter(|point| seen.later.holds(point.time)).map(|point| point.evidence).collect::<Vec<_>>())
        .collect();
    let least = rule.limit("refused");
    let mut text = String::new();
    if refused.len() as f64 >= least {
        text = format!("The database refused {} connections from then on.", refused.len());
    } else if timeouts.len() as f64 >= least && grew {
        text = format!("Requests waited for connections of the pool {} times, {earlier} before.", timeouts.len());
    } else if full.len() as f64 >= least {
        text = "Every connection of the pools was in use while requests waited for one.".to_owned();
    }
    if text.is_empty() {
        return None;
    }
    let mut measures =
        vec![("connections_refused".to_owned(), refused.len() as f64, "records"), ("pool_timeouts".to_owned(), timeouts.len() as f64, "records")];
    let pool = setting(case, homes, Some(service), &["maximumpoolsize", "maxpoolsize", "poolsize", "maxactive"])
        .or_else(|| meters(case).iter().filter(|meter| meter.service == service).map(Meter::size).reduce(f64::max));
    if let Some(pool) = pool {
        let demanded = pool * seen.rise.after;
        measures.extend([("pool_size".to_owned(), pool, "connections"), ("connections_demanded".to_owned(), demanded, "connections")]);
        text.push_str(&format!(" {} replicas with {pool} connections each demand {demanded}.", seen.rise.after));
    }
    if let Some(most) = setting(case, homes, None, &["maxconnections"]) {
        measures.push(("max_connections".to_owned(), most, "connections"));
        text.push_str(&format!(" The database allows {most}."));
    }
    let evidence = refused.into_iter().chain(timeouts).chain(full).collect();
    let input = Input::Logs;
    Some(Limiter { text, fix: POOL, party: None, input, measures, evidence })
}

/// The number that a setting has whose key ends like this.
fn setting(case: &Case, homes: &Homes<'_>, service: Option<Sym>, endings: &[&str]) -> Option<f64> {
    let names = &case.tables.names;
    let rows = case.tables.settings.iter().filter(|row| service.is_none_or(|service| homes.of_workload(row.service) == service));
    rows.filter(|row| {
        let key: String = names.get(row.key).chars().filter(char::is_ascii_alphanumeric).collect();
        endings.iter().any(|ending| key.ends_with(ending))
    })
    .find_map(|row| names.get(row.value).parse().ok())
}

/// A database or service that answers slower the more replicas ask it, or takes most of the time.
fn called(case: &Case, rule: &Rule, service: Sym, seen: &Seen<'_>) -> Option<Limiter> {
    #[derive(Default)]
    struct Calls {
        count: f64,
        nanos: f64,
        slowest: Vec<(u64, Evidence)>,
    }
    let mut before: BTreeMap<(Sym, Sym), Calls> = BTreeMap::new();
    let mut after: BTreeMap<(Sym, Sym), Calls> = BTreeMap::new();
    let mut served = 0.0;
    for span in case.tables.spans.iter().filter(|span| span.service == service) {
        let later = seen.later.holds(span.start);
        if span.is_incoming() && later {
            served += span.nanos as f64;
        }
        if !span.is_outgoing() || !later && !seen.during.holds(span.start) {
            continue;
        }
        let calls = if later { &mut after } else { &mut before }.entry((span.peer.or(span.operation), span.system)).or_default();
        calls.count += 1.0;
        calls.nanos += span.nanos as f64;
        calls.slowest.push((span.nanos, span.evidence));
        if calls.slowest.len() > 64 {
            calls.slowest.sort_by(|a, b| b.cmp(a));
            calls.slowest.truncate(4);
        }
    }
    let (&(peer, system), calls) = after.iter().max_by(|a, b| a.1.nanos.total_cmp(&b.1.nanos).then(b.0.cmp(a.0)))?;
    let mean = |calls: &Calls| calls.nanos / calls.count.max(1.0) / 1e6;
    let earlier = before.get(&(peer, system)).map_or(0.0, mean);
    let now = mean(calls);
    let share = 100.0 * calls.nanos / served.max(1.0);
    let grew = earlier > 0.0 && now >= rule.limit("growth") * earlier;
    if share < rule.limit("share_percent") || !grew && share < 2.0 * rule.limit("share_percent") {
        return None;
    }
    let names = &case.tables.names;
    let party = crate::correlate::calls::Party { name: peer, system }.text(names);
    let mut slowest = calls.slowest.clone();
    slowest.sort_by(|a, b| b.cmp(a));
    let text = if grew {
        format!(
            "Calls of {party} take {share:.0} % of the time of requests and went from {} to {} ms while replicas were added.",
            round(earlier),
            round(now)
        )
    } else {
        format!("Calls of {party} take {share:.0} % of the time of requests ({} ms each), and {party} was not widened.", round(now))
    };
    Some(Limiter {
        text,
        fix: CALLED,
        party: Some(party),
        input: Input::Spans,
        measures: vec![
            ("limiter_before_ms".to_owned(), earlier, "ms"),
            ("limiter_after_ms".to_owned(), now, "ms"),
            ("limiter_percent".to_owned(), share.min(100.0), "percent"),
        ],
        evidence: slowest.into_iter().take(3).map(|(_, evidence)| evidence).collect(),
    })
}

/// Threads that queue for one lock, or statements that wait for a row.
fn locks(case: &Case, rule: &Rule, service: Sym, seen: &Seen<'_>) -> Option<Limiter> {
    let names = &case.tables.names;
    let window = Window::of(seen.rise.from, seen.later.end);
    let waits: Vec<Evidence> = names
        .find("db.lock-wait")
        .map(|signal| case.tables.signals.iter().filter(|row| row.signal == signal && window.holds(row.time)).map(|row| row.evidence).collect())
        .unwrap_or_default();
    if waits.len() as f64 >= rule.limit("refused") {
        return Some(Limiter {
            text: format!("{} times statements waited for locks of the database.", waits.len()),
            fix: LOCK,
            party: None,
            input: Input::Logs,
            measures: vec![("lock_waits".to_owned(), waits.len() as f64, "records")],
            evidence: waits,
        });
    }
    let dumps: std::collections::BTreeSet<Evidence> = case
        .tables
        .dumps
        .iter()
        .filter(|dump| dump.service == service && (dump.time.is_none() || window.holds(dump.time)))
        .map(|dump| dump.evidence)
        .collect();
    let blocked = case.tables.threads.iter().filter(|thread| thread.state == ThreadState::Blocked && dumps.contains(&thread.dump)).count() as f64;
    let mut wanted: BTreeMap<Sym, (f64, Vec<Evidence>)> = BTreeMap::new();
    for lock in case.tables.locks.iter().filter(|lock| lock.role == LockRole::WaitingToLock && dumps.contains(&lock.dump)) {
        let (count, places) = wanted.entry(lock.class).or_default();
        *count += 1.0;
        places.push(lock.thread);
    }
    let (class, (count, places)) = wanted.into_iter().max_by(|a, b| a.1.0.total_cmp(&b.1.0).then(b.0.cmp(&a.0)))?;
    (count >= rule.limit("blocked")).then(|| Limiter {
        text: format!("{count} threads stand at a lock of {} in its thread dumps.", names.get(class)),
        fix: LOCK,
        party: None,
        input: Input::ThreadDumps,
        measures: vec![("blocked_threads".to_owned(), blocked, "threads"), ("waiting_for_lock".to_owned(), count, "threads")],
        evidence: places,
    })
}

/// New replicas that get next to nothing of the requests.
fn uneven(case: &Case, rule: &Rule, load: &Load, replicas: &Replicas, seen: &Seen<'_>) -> Option<Limiter> {
    let mut counts: BTreeMap<Sym, (f64, Evidence)> = BTreeMap::new();
    for piece in load.within(seen.later).iter().filter(|piece| !piece.instance.is_none()) {
        counts.entry(piece.instance).or_insert((0.0, piece.evidence)).0 += piece.count;
    }
    let served = counts.len() as f64;
    let wanted = if replicas.told { seen.rise.after.max(served) } else { served };
    let all: f64 = counts.values().map(|(count, _)| count).sum();
    // Where all requests are logged under one name, names do not tell replicas apart.
    if served < 2.0 || all / wanted < rule.limit("requests") / 3.0 {
        return None;
    }
    let mean = all / wanted;
    let lean = counts.values().filter(|(count, _)| *count < rule.limit("lean_percent") / 100.0 * mean).count() as f64 + (wanted - served);
    // Half of those that were added carry nothing.
    if 2.0 * lean < (seen.rise.after - seen.rise.before.unwrap_or(0.0)).max(1.0) {
        return None;
    }
    let (busiest, (most, place)) = counts.iter().max_by(|a, b| a.1.0.total_cmp(&b.1.0).then(b.0.cmp(a.0)))?;
    Some(Limiter {
        text: format!(
            "{lean} of {wanted} replicas got less than a quarter of their share of the requests; {} got {:.0} %.",
            case.tables.names.get(*busiest),
            100.0 * most / all
        ),
        fix: SPREAD,
        party: None,
        input: load.input,
        measures: vec![
            ("replicas_serving".to_owned(), served, "replicas"),
            ("lean_replicas".to_owned(), lean, "replicas"),
            ("busiest_percent".to_owned(), 100.0 * most / all, "percent"),
        ],
        evidence: vec![*place],
    })
}

/// Replicas that take long to start.
fn late(rule: &Rule, seen: &Seen<'_>) -> Option<Limiter> {
    let seconds = seen.served?.since(seen.rise.from) as f64 / SECOND as f64;
    (seconds >= rule.limit("startup_s")).then(|| Limiter {
        text: format!("The last of the new replicas served only {seconds:.0} s after the first step."),
        fix: START,
        party: None,
        input: Input::Requests,
        measures: vec![("startup_lag_s".to_owned(), seconds, "s")],
        evidence: Vec::new(),
    })
}
