//! `connection-pool-exhaustion`: requests that wait for a database connection while all of them are in use.
//!
//! The pool's own exceptions and statistics, its metrics, spans that take a connection and threads that wait for one each say
//! so. What this file does not do: say who holds the connections.

use crate::correlate::Case;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::tables::Signal;
use crate::model::time::{SECOND, Time, Window};
use crate::rules::native::database_pools::{self as seen, Meter, Waiters};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector {
    id: "connection-pool-exhaustion",
    thresholds: &["timeouts", "points", "full_for", "waiting_percent", "waiting_threads", "slow_acquire", "acquires"],
    detect,
};

/// Everything that speaks of one pool.
#[derive(Default)]
struct Pool<'a> {
    timeouts: Vec<&'a Signal>,
    waiting: Vec<&'a Signal>,
    meters: Vec<Meter<'a>>,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let names = &case.tables.names;
    let mut pools: BTreeMap<(Sym, String), Pool<'_>> = BTreeMap::new();
    for (service, rows) in seen::signals(case, "pool.timeout") {
        for row in rows {
            pools.entry((service, names.get(row.name).to_owned())).or_default().timeouts.push(row);
        }
    }
    for (service, rows) in seen::signals(case, "pool.waiting") {
        for row in rows {
            pools.entry((service, names.get(row.name).to_owned())).or_default().waiting.push(row);
        }
    }
    for meter in seen::meters(case) {
        pools.entry((meter.service, meter.pool.clone())).or_default().meters.push(meter);
    }
    // An exception that does not name its pool is that of the only pool of the service.
    let nameless: Vec<(Sym, String)> = pools.keys().filter(|(_, pool)| pool.is_empty()).cloned().collect();
    for key in nameless {
        let named: Vec<(Sym, String)> = pools.keys().filter(|(service, pool)| *service == key.0 && !pool.is_empty()).cloned().collect();
        if let [only] = named.as_slice()
            && let Some(mine) = pools.remove(&key)
            && let Some(pool) = pools.get_mut(only)
        {
            pool.timeouts.extend(mine.timeouts);
            pool.waiting.extend(mine.waiting);
        }
    }
    let mut waiters = seen::waiters(case);
    let acquires = seen::acquires(case);
    for ((service, name), pool) in &pools {
        let alone = pools.keys().filter(|(other, _)| other == service).count() == 1;
        let waiting = if alone { waiters.remove(service) } else { None };
        out.extend(judge(case, rule, (*service, name), pool, waiting.as_ref()));
    }
    let told: BTreeSet<String> = out.iter().map(|finding| finding.subject.service.clone()).collect();
    for (service, waiting) in waiters.iter().filter(|(service, _)| !told.contains(names.get(**service))) {
        out.extend(judge(case, rule, (*service, ""), &Pool::default(), Some(waiting)));
    }
    for (service, (sketch, window, evidence)) in acquires.iter().filter(|(service, _)| !told.contains(names.get(**service))) {
        let slow = sketch.count() as f64 >= rule.limit("acquires") && sketch.p95() as f64 >= rule.limit("slow_acquire") * 1e6;
        if slow {
            let mut finding = begun(case, rule, (*service, ""), *window);
            finding.severity = Severity::Medium;
            finding.confidence = Belief::new().with("connections that take long to get", Input::Spans, 0.65).value();
            finding.measure("acquire_p95_ms", round(sketch.p95() as f64 / 1e6), "ms");
            figures(&mut finding, rule, 0.0, 0.0, 0.0, 0.0, &Window::default());
            finding.cite(evidence.iter().copied());
            out.push(finding);
        }
    }
}

fn begun(case: &Case, rule: &Rule, (service, name): (Sym, &str), window: Window) -> Finding {
    let subject = Subject { service: case.tables.names.get(service).to_owned(), operation: name.to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    finding.word("pool", if name.is_empty() { "of the database" } else { name });
    finding
}

fn judge(case: &Case, rule: &Rule, key: (Sym, &str), pool: &Pool<'_>, waiting: Option<&Waiters>) -> Option<Finding> {
    let names = &case.tables.names;
    let full: Vec<_> = pool.meters.iter().flat_map(Meter::full).collect();
    let stretch = seen::busiest(full.iter().map(|point| point.time));
    let metric = full.len() as f64 >= rule.limit("points") && stretch.nanos() as f64 >= rule.limit("full_for") * SECOND as f64;
    let (counted, grown) = if pool.meters.is_empty() { (0.0, Vec::new()) } else { seen::counted_timeouts(case, key.0, key.1) };
    let threads = waiting.filter(|waiting| waiting.percent >= rule.limit("waiting_percent") && waiting.most as f64 >= rule.limit("waiting_threads"));
    let timeouts = (pool.timeouts.len() as f64).max(counted);
    let logged = pool.timeouts.len() as f64 >= rule.limit("timeouts") || pool.timeouts.iter().any(|row| is_full(names.get(row.key)));
    if !(logged || metric || counted >= rule.limit("timeouts") || threads.is_some() || !pool.waiting.is_empty()) {
        return None;
    }
    let times = (pool.timeouts.iter().chain(&pool.waiting).map(|row| row.time))
        .chain(full.iter().map(|point| point.time))
        .chain(grown.iter().map(|point| point.time));
    let mut window = seen::busiest(times);
    if window.start.is_none() {
        window = threads.map_or(window, |threads| threads.window);
    }
    let mut finding = begun(case, rule, key, window);
    let most_waiting = (pool.waiting.iter().map(|row| row.value))
        .chain(pool.meters.iter().filter(|meter| !meter.is_counted).flat_map(Meter::full).map(|point| point.value))
        .chain(threads.map(|threads| threads.most as f64))
        .fold(0.0, f64::max);
    let said = pool.timeouts.iter().chain(&pool.waiting).filter_map(|row| names.get(row.key).parse::<f64>().ok()).fold(0.0, f64::max);
    let size = pool.meters.iter().map(Meter::size).fold(said, f64::max);
    let patience = pool.timeouts.iter().map(|row| row.value).filter(|value| value.is_finite()).fold(f64::INFINITY, f64::min);
    let long = stretch.nanos() >= 30 * SECOND;
    let waits: f64 = pool.meters.iter().filter(|meter| meter.is_counted).filter_map(|meter| Some(meter.pending?.gained())).sum();
    finding.severity = match timeouts {
        n if n >= rule.upper("timeouts") => Severity::Critical,
        n if n >= rule.limit("timeouts") || (metric && long && most_waiting.max(waits) >= size) => Severity::High,
        _ => Severity::Medium,
    };
    finding.score = score(timeouts.max(rule.limit("timeouts")), rule.limit("timeouts"), rule.upper("timeouts"));
    finding.confidence = Belief::new()
        .with_if(!pool.timeouts.is_empty(), "the pool's own exceptions", Input::Logs, if logged { 0.85 } else { 0.7 })
        .with_if(!pool.waiting.is_empty(), "the pool's own statistics", Input::Logs, 0.7)
        .with_if(metric, "all connections in use and requests waiting", Input::Metrics, 0.75)
        .with_if(counted > 0.0, "the pool's counter of timeouts", Input::Metrics, 0.7)
        .with_if(threads.is_some(), "threads that wait for a connection", Input::ThreadDumps, 0.7)
        .value();
    figures(&mut finding, rule, timeouts, most_waiting, size, if patience.is_finite() { patience } else { 0.0 }, &stretch);
    if waits > 0.0 {
        finding.measure("waits", waits, "requests").word("waited", format!(", {waits:.0} had to wait for one"));
    }
    finding.cite(pool.timeouts.iter().take(4).map(|row| row.evidence));
    finding.cite(pool.waiting.iter().take(2).map(|row| row.evidence));
    finding.cite(full.iter().take(2).map(|point| point.evidence));
    finding.cite(threads.iter().flat_map(|threads| threads.evidence.iter().copied()));
    finding.cite(grown.iter().take(1).map(|point| point.evidence));
    finding.evidence_total = (pool.timeouts.len() + pool.waiting.len() + full.len()) as u64;
    Some(finding)
}

/// The exception that says how many connections there are was thrown while all of them were in use.
fn is_full(total: &str) -> bool {
    total.parse::<u64>().is_ok_and(|total| total > 0)
}

fn figures(finding: &mut Finding, rule: &Rule, timeouts: f64, waiting: f64, size: f64, patience: f64, stretch: &Window) {
    finding.measure_against("timeouts", timeouts, "requests", rule.limit("timeouts")).measure("waiting", waiting, "requests").measure(
        "timeout_ms",
        patience,
        "ms",
    );
    if size > 0.0 {
        finding.measure("max", size, "connections");
    }
    finding.word("waited", if waiting > 0.0 { format!(", up to {waiting:.0} waited at once") } else { String::new() });
    let seconds = stretch.nanos() as f64 / SECOND as f64;
    if stretch.start != Time::NONE && seconds > 0.0 {
        finding.measure("full_s", round(seconds), "s");
    }
    finding
        .word("limit", if size > 0.0 { format!("It holds at most {size:.0} connections.") } else { String::new() })
        .word("full", if seconds > 0.0 { format!("For {seconds:.0} s requests waited while every one was in use.") } else { String::new() })
        .word("holders", "Which work holds them is said by what is found beside this.")
        .look_alike("A pool fully used while nobody waits", "excluded: requests waited or gave up")
        .look_alike("A database that cannot be reached", "excluded: exceptions of an empty pool do not count")
        .look_alike(
            "A failover",
            if timeouts >= rule.limit("timeouts") { "excluded: too many, for too long" } else { "not excluded: there are few exceptions" },
        );
}

#[cfg(test)]
mod tests;
