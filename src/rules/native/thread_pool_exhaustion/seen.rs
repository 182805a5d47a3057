//! What metrics and log records say of pools: at the limit, queueing, turning work away.

use crate::correlate::Case;
use crate::correlate::meter::Series;
use crate::correlate::pools::pool_of;
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Window};
use std::collections::{BTreeMap, BTreeSet};

/// Metrics of threads in use, of the most there may be, and of work that waits.
const POOLS: &[(&str, &str, &str)] = &[
    ("tomcat.threads.busy", "tomcat.threads.config.max", ""),
    ("jetty.threads.busy", "jetty.threads.config.max", "jetty.threads.jobs"),
    ("executor.active", "executor.pool.max", "executor.queued"),
    ("http.server.tomcat.threads", "http.server.tomcat.threads.limit", ""),
    ("undertow.worker.busy.thread.count", "undertow.worker.thread.count", "undertow.worker.task.queue"),
];

/// Share of the limit from which a pool is at it.
const AT_LIMIT: f64 = 0.95;

/// A pool that stood at its limit.
pub struct Full {
    pub service: Sym,
    pub instance: Sym,
    pub pool: String,
    pub size: f64,
    pub points: usize,
    pub queued: f64,
    pub window: Window,
    pub evidence: Vec<Evidence>,
}

/// Pools whose metric stood at the limit for long enough.
pub fn full(case: &Case, rule: &Rule) -> Vec<Full> {
    let mut found = Vec::new();
    for (busy, most, queued) in POOLS {
        let limits: Vec<Series<'_>> = case.series(most).collect();
        let waiting: Vec<Series<'_>> = if queued.is_empty() { Vec::new() } else { case.series(queued).collect() };
        for series in case.series(busy) {
            let Some(limit) = partner(&series, &limits) else { continue };
            found.extend(longest(rule, &series, limit, partner(&series, &waiting)));
        }
    }
    found
}

fn partner<'s, 'a>(series: &Series<'a>, others: &'s [Series<'a>]) -> Option<&'s Series<'a>> {
    others.iter().find(|other| same(series, other))
}

fn same(a: &Series<'_>, b: &Series<'_>) -> bool {
    (a.service, a.instance) == (b.service, b.instance) && name_of(a) == name_of(b)
}

fn name_of<'a>(series: &Series<'a>) -> &'a str {
    ["name", "pool", "executor"].iter().find_map(|key| series.label(key)).unwrap_or("")
}

/// The longest time a pool stood at its limit, if that is long enough.
fn longest(rule: &Rule, busy: &Series<'_>, limit: &Series<'_>, waiting: Option<&Series<'_>>) -> Option<Full> {
    let at_limit = |point: &crate::model::tables::Metric| {
        let most = limit.at(point.time).unwrap_or_else(|| limit.points.first().map_or(0.0, |first| first.value));
        // An unbounded pool has no limit to stand at.
        most >= rule.limit("size") && most < 1e6 && point.value >= AT_LIMIT * most
    };
    let runs = busy.points.chunk_by(|a, b| at_limit(a) == at_limit(b));
    let run = runs.filter(|run| run.first().is_some_and(at_limit)).max_by_key(|run| run.len())?;
    let (first, last) = (run.first()?, run.last()?);
    let window = Window::of(first.time, last.time);
    let long = run.len() as f64 >= rule.limit("points") && window.nanos() as f64 >= rule.limit("full_for") * SECOND as f64;
    long.then(|| Full {
        service: busy.service,
        instance: busy.instance,
        pool: name_of(busy).to_owned(),
        size: limit.at(last.time).unwrap_or(last.value),
        points: run.len(),
        queued: waiting.map_or(0.0, |series| run.iter().filter_map(|point| series.at(point.time)).fold(0.0, f64::max)),
        window,
        evidence: [first, &run[run.len() / 2], last].iter().map(|point| point.evidence).collect(),
    })
}

/// Tasks that a full executor turned away.
pub struct Rejected {
    pub service: Sym,
    pub size: f64,
    pub queued: f64,
    pub count: u64,
    pub window: Window,
    pub evidence: Vec<Evidence>,
}

/// By service and size of the pool.
pub fn rejected(case: &Case) -> Vec<Rejected> {
    let names = &case.tables.names;
    let Some(signal) = names.find("executor.full") else { return Vec::new() };
    let mut by: BTreeMap<(Sym, u64), Rejected> = BTreeMap::new();
    for row in case.tables.signals.iter().filter(|row| row.signal == signal) {
        // `name` is the number of active threads; an idle or a closing pool turns away for other reasons.
        let active: f64 = names.get(row.name).parse().unwrap_or(f64::NAN);
        if !row.value.is_finite() || active < row.value || row.value < 1.0 {
            continue;
        }
        let rejected = by.entry((row.service, row.value as u64)).or_insert_with(|| Rejected {
            service: row.service,
            size: row.value,
            queued: 0.0,
            count: 0,
            window: Window::default(),
            evidence: Vec::new(),
        });
        rejected.count += 1;
        rejected.queued = rejected.queued.max(names.get(row.key).parse().unwrap_or(0.0));
        rejected.window.add(row.time);
        if rejected.evidence.len() < 4 {
            rejected.evidence.push(row.evidence);
        }
    }
    by.into_values().collect()
}

/// Threads of one pool that their server reports for serving one request for too long.
#[derive(Default)]
pub struct Stuck {
    pub threads: BTreeSet<Sym>,
    pub window: Window,
    pub evidence: Vec<Evidence>,
}

/// By service and pool.
pub fn stuck(case: &Case) -> BTreeMap<(Sym, &str), Stuck> {
    let names = &case.tables.names;
    let mut by: BTreeMap<(Sym, &str), Stuck> = BTreeMap::new();
    let Some(signal) = names.find("thread.stuck") else { return by };
    for row in case.tables.signals.iter().filter(|row| row.signal == signal) {
        let Some(pool) = pool_of(names.get(row.name)) else { continue };
        let stuck = by.entry((row.service, pool)).or_default();
        stuck.threads.insert(row.name);
        stuck.window.add(row.time);
        stuck.evidence.push(row.evidence);
    }
    by
}

/// Percent of the processors that the process used in a window, at the median.
pub fn processor(case: &Case, service: Sym, window: Window) -> Option<f64> {
    let wanted = ["process.cpu.usage", "jvm.cpu.recent.utilization", "process.cpu.utilization"];
    let series = wanted.iter().flat_map(|name| case.series(name)).filter(|series| series.service == service);
    let mut values: Vec<f64> =
        series.flat_map(|series| series.values().filter(|(time, _)| window.holds(*time)).map(|(_, value)| value).collect::<Vec<_>>()).collect();
    crate::model::trend::median(&mut values).map(|share| share * 100.0)
}
