//! `thread-pool-exhaustion`: pools in which every thread waits for the same kind of thing.
//!
//! Dumps say what the threads wait for, metrics how long the pool stood at its limit, rejections that its queue was full too;
//! each of them is enough for a finding. What this file does not do: pools whose threads use the processor.

mod convoy;
mod flight;
mod seen;

use crate::correlate::Case;
use crate::correlate::pools::{Doing, application_frame, pools};
use crate::correlate::thread::{Scope as Purpose, scope as purpose};
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Window};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use convoy::Convoys;
use seen::{Full, Rejected, Stuck};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector {
    id: "thread-pool-exhaustion",
    thresholds: &[
        "busy_percent",
        "size",
        "same_percent",
        "stuck_percent",
        "points",
        "full_for",
        "rejected",
        "processor_percent",
        "all_held",
        "awake",
    ],
    detect,
};

/// A pool as dumps show it exhausted.
#[derive(Default)]
struct Dumped {
    window: Window,
    dumps: BTreeSet<Evidence>,
    size: usize,
    busy: usize,
    held: usize,
    doing: Option<Doing>,
    frame: String,
    stuck: usize,
    /// Whether a dump shows all of them behind one of their own.
    convoy: bool,
    /// Whether its threads serve requests: what holds them up, users wait for.
    serving: bool,
    /// Threads of the dump before: where they stood, and the processor time they had used.
    before: BTreeMap<u64, (Sym, Option<u64>)>,
    evidence: Vec<Evidence>,
    calm_dumps: usize,
}

/// Service, instance, pool.
type Key = (Sym, Sym, String);

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let mut full = seen::full(case, rule);
    let mut rejected = seen::rejected(case);
    for (key, dumped) in dumped(case, rule) {
        let metric = full.iter().position(|full| full.service == key.0 && same_pool(&full.pool, &key.2)).map(|at| full.remove(at));
        let turned_away = rejected.iter().position(|other| other.service == key.0 && dumped.size as f64 == other.size).map(|at| rejected.remove(at));
        out.push(from_dumps(case, rule, &key, &dumped, metric.as_ref(), turned_away.as_ref()));
    }
    let told: BTreeSet<String> = out.iter().map(|finding| finding.subject.service.clone()).collect();
    for full in full.iter().filter(|full| !told.contains(case.tables.names.get(full.service))) {
        let turned_away = rejected.iter().position(|other| other.service == full.service).map(|at| rejected.remove(at));
        out.push(from_metrics(case, rule, full, turned_away.as_ref()));
    }
    for turned_away in rejected.iter().filter(|other| !told.contains(case.tables.names.get(other.service))) {
        out.push(from_rejections(case, rule, turned_away));
    }
    let told: BTreeSet<String> = out.iter().map(|finding| finding.subject.service.clone()).collect();
    for ((service, pool), stuck) in seen::stuck(case) {
        let name = case.tables.names.get(service);
        if stuck.threads.len() as f64 >= rule.limit("size") && !told.contains(name) {
            out.push(from_reports(rule, (name, pool), &stuck));
        }
    }
}

/// Whether a metric's name and that of threads mean one pool: `http-nio-8080` and `http-nio-8080-exec`.
fn same_pool(metric: &str, threads: &str) -> bool {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['"', '\'', ' '], "");
    let (metric, threads) = (plain(metric), plain(threads));
    metric.is_empty() || threads.contains(&metric) || metric.contains(&threads)
}

fn dumped(case: &Case, rule: &Rule) -> BTreeMap<Key, Dumped> {
    let names = &case.tables.names;
    let mut all: BTreeMap<Key, Dumped> = BTreeMap::new();
    let convoys = Convoys::of(case);
    let mut pools = pools(case);
    pools.sort_by_key(|pool| (pool.dump.time, pool.dump.evidence));
    for pool in pools.iter().filter(|pool| pool.is_executor && pool.threads.len() as f64 >= rule.limit("size")) {
        let (size, busy) = (pool.threads.len(), pool.busy());
        let key = (pool.dump.service, pool.dump.instance, pool.name.to_owned());
        let mostly = pool.mostly().filter(|(_, held)| 100.0 * *held as f64 >= rule.limit("same_percent") * busy as f64);
        let exhausted = 100.0 * busy as f64 >= rule.limit("busy_percent") * size as f64;
        let (Some((doing, held)), true) = (mostly, exhausted) else {
            all.entry(key).or_default().calm_dumps += 1;
            continue;
        };
        let dumped = all.entry(key).or_default();
        let held_up = pool.threads.iter().filter(|(_, what)| what.is_stuck());
        let now: BTreeMap<u64, (Sym, Option<u64>)> = held_up.map(|(thread, _)| (thread.id, (thread.stack, thread.cpu_nanos))).collect();
        let awake = rule.limit("awake");
        dumped.stuck =
            dumped.stuck.max(now.iter().filter(|(id, now)| dumped.before.get(*id).is_some_and(|before| has_stood(*before, **now, awake))).count());
        dumped.before = now;
        dumped.serving |= purpose(&format!("{}-1", pool.name)) == Purpose::Request || pool.serves;
        dumped.convoy |= convoys.is_one(pool, rule);
        dumped.window.add(pool.dump.time);
        dumped.dumps.insert(pool.dump.evidence);
        if (held, size) > (dumped.held, dumped.size) {
            (dumped.size, dumped.busy, dumped.held, dumped.doing) = (size, busy, held, Some(doing));
            let mut frames: BTreeMap<&str, usize> = BTreeMap::new();
            pool.threads
                .iter()
                .filter(|(_, what)| *what == doing)
                .for_each(|(thread, _)| *frames.entry(application_frame(names.get(thread.stack))).or_default() += 1);
            dumped.frame = frames.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(a.0))).map_or_else(String::new, |(frame, _)| frame.to_owned());
        }
        dumped.evidence.extend(pool.threads.iter().filter(|(_, what)| *what == doing).take(3).map(|(thread, _)| thread.evidence));
    }
    all.retain(|_, dumped| !dumped.dumps.is_empty());
    all
}

/// Whether a thread did nothing between two dumps: it stands where it stood, and has used no processor time where that is told.
/// One that asks again and again stands in the same frames, and works.
fn has_stood(before: (Sym, Option<u64>), now: (Sym, Option<u64>), awake: f64) -> bool {
    before.0 == now.0 && before.1.zip(now.1).is_none_or(|(before, now)| (now.saturating_sub(before) as f64) < 1e3 * awake)
}

fn from_dumps(case: &Case, rule: &Rule, key: &Key, dumped: &Dumped, metric: Option<&Full>, turned_away: Option<&Rejected>) -> Finding {
    let names = &case.tables.names;
    let mut window = dumped.window;
    metric.into_iter().for_each(|full| window.join(full.window));
    turned_away.into_iter().for_each(|rejected| window.join(rejected.window));
    let subject = Subject { service: names.get(key.0).to_owned(), operation: key.2.clone(), key: names.get(key.1).to_owned(), ..Subject::default() };
    let flight = flight::in_flight(case, (key.0, key.1), rule.limit("busy_percent") / 100.0 * dumped.size as f64, dumped.window);
    flight.iter().for_each(|flight| window.join(flight.window));
    let mut finding = Finding::new(&rule.id, subject, window);
    let persistent = dumped.dumps.len() > 1;
    let stuck = 100.0 * dumped.stuck as f64 >= rule.limit("stuck_percent") * dumped.size as f64;
    let doing = dumped.doing.unwrap_or(Doing::Lock);
    // Who serves requests, turns work away or stood at its limit harms somebody. Of other pools a dump does not tell whether
    // their tasks are meant to wait, unless all of them stand before something that others have.
    let harms = dumped.serving || turned_away.is_some() || metric.is_some() || flight.is_some();
    let all_of_many = dumped.held as f64 >= rule.limit("all_held") && dumped.held == dumped.size || dumped.convoy;
    finding.severity = match (persistent, harms) {
        (true, true) if stuck || turned_away.is_some() || metric.is_some() || flight.is_some() => Severity::High,
        (true, false) if stuck && !doing.is_maybe_meant() => Severity::High,
        (true, true) => Severity::Medium,
        (false, true) if turned_away.is_some() || metric.is_some() || flight.is_some() || all_of_many => Severity::Medium,
        _ => Severity::Low,
    };
    if stuck && turned_away.is_some_and(|rejected| rejected.count as f64 >= rule.upper("rejected")) {
        finding.severity = Severity::Critical;
    }
    finding.score = score(100.0 * dumped.busy as f64 / dumped.size.max(1) as f64, rule.limit("busy_percent"), rule.upper("busy_percent"));
    let processor = seen::processor(case, key.0, window);
    let cool = processor.is_some_and(|percent| percent < rule.limit("processor_percent"));
    finding.confidence = Belief::new()
        .with("threads of a pool that wait for the same", Input::ThreadDumps, 0.55)
        .with_if(persistent, "the same in several dumps", Input::ThreadDumps, 0.4)
        .with_if(metric.is_some(), "a pool at its limit", Input::Metrics, 0.45)
        .with_if(turned_away.is_some(), "tasks turned away by a full pool", Input::Logs, 0.5)
        .with_if(flight.is_some(), "requests in flight that fill it", flight.as_ref().map_or(Input::Requests, |flight| flight.input), 0.3)
        .with_if(cool, "processors that have time", Input::Metrics, 0.15)
        .value();
    finding
        .measure("size", dumped.size as f64, "threads")
        .measure_against("busy", dumped.busy as f64, "threads", rule.limit("busy_percent") / 100.0 * dumped.size as f64)
        .measure("held", dumped.held as f64, "threads")
        .measure("stuck", dumped.stuck as f64, "threads")
        .measure("dumps", dumped.dumps.len() as f64, "dumps")
        .word("pool", key.2.clone())
        .word("doing", doing.words())
        .word("where", if dumped.frame.is_empty() { String::new() } else { format!("Most of them stand in {}.", dumped.frame) });
    let persistence = match (persistent, stuck) {
        (false, _) => "One dump shows it; a second one would tell whether anything moves.".to_owned(),
        (true, true) => format!("{} dumps show it, and {} threads stand where they stood before.", dumped.dumps.len(), dumped.stuck),
        (true, false) => format!("{} dumps show it; the threads move on, slowly.", dumped.dumps.len()),
    };
    finding.word("persistence", persistence);
    more(&mut finding, metric, turned_away, processor);
    flight::tell(case, &mut finding, flight.as_ref());
    looks(&mut finding, persistent, processor, rule);
    finding.cite(dumped.evidence.iter().copied().take(6));
    finding.cite(flight.iter().flat_map(|flight| flight.evidence.iter().copied()));
    finding.cite(metric.iter().flat_map(|full| full.evidence.iter().copied()));
    finding.cite(turned_away.iter().flat_map(|rejected| rejected.evidence.iter().copied()));
    finding
}

fn from_metrics(case: &Case, rule: &Rule, full: &Full, turned_away: Option<&Rejected>) -> Finding {
    let names = &case.tables.names;
    let subject = Subject {
        service: names.get(full.service).to_owned(),
        operation: full.pool.clone(),
        key: names.get(full.instance).to_owned(),
        ..Subject::default()
    };
    let mut finding = Finding::new(&rule.id, subject, full.window);
    "metrics".clone_into(&mut finding.kind);
    let processor = seen::processor(case, full.service, full.window);
    let cool = processor.is_some_and(|percent| percent < rule.limit("processor_percent"));
    let queueing = full.queued > 0.0 || turned_away.is_some();
    finding.severity = match (queueing, processor.is_none() || cool) {
        (true, true) => Severity::High,
        (_, true) => Severity::Medium,
        _ => Severity::Low,
    };
    finding.score = score(100.0, rule.limit("busy_percent"), rule.upper("busy_percent"));
    finding.confidence = Belief::new()
        .with("a pool at its limit", Input::Metrics, 0.6)
        .with_if(queueing, "work that waits for it", Input::Metrics, 0.4)
        .with_if(cool, "processors that have time", Input::Metrics, 0.15)
        .value();
    finding
        .measure("size", full.size, "threads")
        .measure_against("full_s", round(full.window.nanos() as f64 / SECOND as f64), "s", rule.limit("full_for"))
        .measure("points", full.points as f64, "points")
        .measure("queued", full.queued, "tasks")
        .word("pool", full.pool.clone());
    more(&mut finding, None, turned_away, processor);
    looks(&mut finding, true, processor, rule);
    finding.cite(full.evidence.iter().copied());
    finding
}

fn from_rejections(case: &Case, rule: &Rule, rejected: &Rejected) -> Finding {
    let names = &case.tables.names;
    let subject = Subject { service: names.get(rejected.service).to_owned(), operation: "executor".to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, rejected.window);
    "rejections".clone_into(&mut finding.kind);
    finding.severity = if rejected.count as f64 >= rule.upper("rejected") { Severity::High } else { Severity::Medium };
    finding.score = score(rejected.count as f64, rule.limit("rejected"), rule.upper("rejected"));
    finding.confidence = Belief::new().with("tasks turned away by a full pool", Input::Logs, 0.85).value();
    let processor = seen::processor(case, rejected.service, rejected.window);
    finding.measure("size", rejected.size, "threads").measure("queued", rejected.queued, "tasks").word("pool", "an executor");
    more(&mut finding, None, Some(rejected), processor);
    looks(&mut finding, true, processor, rule);
    finding.cite(rejected.evidence.iter().copied());
    finding.evidence_total = rejected.count;
    finding
}

/// A server that watches its own threads says that several serve one request for too long; how many there are it does not say.
fn from_reports(rule: &Rule, (service, pool): (&str, &str), stuck: &Stuck) -> Finding {
    let subject = Subject { service: service.to_owned(), operation: pool.to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, stuck.window);
    "reports".clone_into(&mut finding.kind);
    finding.severity = Severity::Medium;
    let count = stuck.threads.len() as f64;
    finding.score = score(count, rule.limit("size"), 4.0 * rule.limit("size"));
    finding.confidence = Belief::new().with("threads that their server reports", Input::Logs, 0.6).value();
    finding
        .measure_against("stuck", count, "threads", rule.limit("size"))
        .measure("reports", stuck.evidence.len() as f64, "records")
        .word("pool", pool);
    more(&mut finding, None, None, None);
    looks(&mut finding, true, None, rule);
    finding.missing.push("three thread dumps ten seconds apart (jcmd PID Thread.print -l)".to_owned());
    finding.cite(stuck.evidence.iter().copied());
    finding
}

fn more(finding: &mut Finding, metric: Option<&Full>, turned_away: Option<&Rejected>, processor: Option<f64>) {
    if let Some(rejected) = turned_away {
        finding.measure("rejected", rejected.count as f64, "tasks");
    }
    if let Some(full) = metric {
        finding.measure("full_s", round(full.window.nanos() as f64 / SECOND as f64), "s");
    }
    if let Some(percent) = processor {
        finding.measure("processor_percent", round(percent), "percent");
    }
    finding
        .word(
            "rejections",
            turned_away.map_or_else(String::new, |rejected| format!("{} tasks were turned away since its queue was full too.", rejected.count)),
        )
        .word("processor", processor.map_or_else(String::new, |percent| format!("The process used {percent:.0} % of the processors meanwhile.")));
}

fn looks(finding: &mut Finding, persistent: bool, processor: Option<f64>, rule: &Rule) {
    finding
        .look_alike("A pool whose threads are parked in a queue", "excluded: such threads count as free")
        .look_alike(
            "Work for the processor",
            match processor {
                Some(percent) if percent < rule.limit("processor_percent") => format!("excluded: the process used {percent:.0} % of the processors"),
                Some(percent) => format!("not excluded: the process used {percent:.0} % of the processors"),
                None => "excluded: threads that run are not counted as held up (the processor itself was not measured)".to_owned(),
            },
        )
        .look_alike("A burst", if persistent { "excluded: it lasted" } else { "not excluded: a single dump" });
}
