//! What records, metrics, spans and thread dumps say of pools of database connections: the material of several rules.
//!
//! What this file does not do: judge.

use crate::correlate::Case;
use crate::correlate::meter::{POOL_NAMES, Series};
use crate::correlate::pools::{Doing, pools};
use crate::model::names::Sym;
use crate::model::sketch::Sketch;
use crate::model::source::Evidence;
use crate::model::tables::{Metric, Signal};
use crate::model::time::{Time, Window};
use std::collections::{BTreeMap, BTreeSet};

/// Metrics of connections in use, of the most there may be, and of those who wait.
const METRICS: &[(&str, &str, &str)] = &[
    ("hikaricp.connections.active", "hikaricp.connections.max", "hikaricp.connections.pending"),
    ("hikaricp.active.connections", "hikaricp.max.connections", "hikaricp.pending.threads"),
    ("jdbc.connections.active", "jdbc.connections.max", "jdbc.connections.pending"),
    ("tomcat.jdbc.active", "tomcat.jdbc.max.active", "tomcat.jdbc.wait.count"),
    ("r2dbc.pool.acquired", "r2dbc.pool.max.allocated", "r2dbc.pool.pending"),
    ("db.client.connections.usage", "db.client.connections.max", "db.client.connections.pending.requests"),
    ("db.client.connection.count", "db.client.connection.max", "db.client.connection.pending.requests"),
];
/// The same where those who had to wait are counted, as Go's database/sql does.
const COUNTED: &[(&str, &str, &str)] = &[
    ("go.sql.in_use_connections", "go.sql.max_open_connections", "go.sql.wait_count_total"),
    ("go.sql.stats_connections_in_use", "go.sql.stats_connections_max_open", "go.sql.stats_connections_waited_for_total"),
];
const TIMEOUTS: &[&str] =
    &["hikaricp.connections.timeout", "hikaricp.connection.timeout", "db.client.connections.timeouts", "db.client.connection.timeouts"];

/// The series of one pool.
pub struct Meter<'a> {
    pub service: Sym,
    pub pool: String,
    pub active: Series<'a>,
    pub most: Series<'a>,
    pub pending: Option<Series<'a>>,
    /// Whether that counts all who ever waited.
    pub is_counted: bool,
}

/// Every pool that metrics tell of.
pub fn meters(case: &Case) -> Vec<Meter<'_>> {
    let mut found = Vec::new();
    for (active, most, pending) in METRICS.iter().chain(COUNTED) {
        let limits: Vec<Series<'_>> = case.series(most).collect();
        let queues: Vec<Series<'_>> = case.series(pending).collect();
        for series in case.series(active).filter(|series| !matches!(series.label("state"), Some("idle"))) {
            let Some(most) = limits.iter().find(|other| same(&series, other)) else { continue };
            let waiting = queues.iter().find(|other| same(&series, other)).copied();
            let is_counted = COUNTED.iter().any(|(_, _, counter)| counter == pending);
            found.push(Meter {
                service: series.service,
                pool: pool_of(&series).to_owned(),
                active: series,
                most: *most,
                pending: waiting,
                is_counted,
            });
        }
    }
    found
}

fn same(a: &Series<'_>, b: &Series<'_>) -> bool {
    (a.service, a.instance) == (b.service, b.instance) && pool_of(a) == pool_of(b)
}

fn pool_of<'a>(series: &Series<'a>) -> &'a str {
    POOL_NAMES.iter().find_map(|key| series.label(key)).unwrap_or("")
}

impl Meter<'_> {
    /// The most connections there may be.
    pub fn size(&self) -> f64 {
        self.most.highest().map_or(0.0, |point| point.value)
    }

    /// Points at which somebody waits while every connection is in use.
    pub fn full(&self) -> Vec<&Metric> {
        let Some(pending) = self.pending else { return Vec::new() };
        let size = self.size();
        let is_full = |point: &&Metric| self.active.at(point.time).is_some_and(|active| active >= size && size > 0.0);
        if self.is_counted {
            return pending.points.windows(2).filter(|pair| pair[1].value > pair[0].value).map(|pair| &pair[1]).filter(is_full).collect();
        }
        pending.points.iter().filter(|point| point.value > 0.0).filter(is_full).collect()
    }
}

/// How many requests timed out by the pool's own counter, with the points at which it grew.
pub fn counted_timeouts<'a>(case: &'a Case, service: Sym, pool: &str) -> (f64, Vec<&'a Metric>) {
    let series =
        TIMEOUTS.iter().flat_map(|name| case.series(name)).filter(|series| series.service == service && (pool.is_empty() || pool_of(series) == pool));
    let (mut sum, mut points) = (0.0, Vec::new());
    for series in series {
        sum += series.gained();
        points.extend(series.points.windows(2).filter(|pair| pair[1].value > pair[0].value).map(|pair| &pair[1]));
    }
    (sum, points)
}

/// Signals of a name, by service; of one record and of one trace within a second only the first, since wrappers repeat what
/// the pool has said.
pub fn signals<'a>(case: &'a Case, name: &str) -> BTreeMap<Sym, Vec<&'a Signal>> {
    let mut by_service: BTreeMap<Sym, Vec<&Signal>> = BTreeMap::new();
    let Some(wanted) = case.tables.names.find(name) else { return by_service };
    let mut seen: BTreeSet<(Sym, u128, i64)> = BTreeSet::new();
    let mut records: BTreeSet<Evidence> = BTreeSet::new();
    for row in case.tables.signals.iter().filter(|row| row.signal == wanted) {
        let again = !row.trace.is_none() && !seen.insert((row.service, row.trace.0, row.time.0.div_euclid(1_000_000_000)));
        if records.insert(row.evidence) && !again {
            by_service.entry(row.service).or_default().push(row);
        }
    }
    by_service
}

/// Threads that wait for a connection in dumps.
#[derive(Default)]
pub struct Waiters {
    pub most: usize,
    pub percent: f64,
    pub window: Window,
    pub dumps: usize,
    pub evidence: Vec<Evidence>,
}

/// By service.
pub fn waiters(case: &Case) -> BTreeMap<Sym, Waiters> {
    let mut by_service: BTreeMap<Sym, Waiters> = BTreeMap::new();
    for pool in pools(case) {
        let waiting: Vec<Evidence> =
            pool.threads.iter().filter(|(_, doing)| *doing == Doing::Connection).map(|(thread, _)| thread.evidence).collect();
        if waiting.is_empty() {
            continue;
        }
        let waiters = by_service.entry(pool.dump.service).or_default();
        waiters.most = waiters.most.max(waiting.len());
        waiters.percent = waiters.percent.max(100.0 * waiting.len() as f64 / pool.threads.len().max(1) as f64);
        waiters.window.add(pool.dump.time);
        waiters.dumps += 1;
        waiters.evidence.extend(waiting.into_iter().take(3));
    }
    by_service
}

/// Whether a span of that name takes a connection from a pool.
pub fn takes_connection(name: &str) -> bool {
    name.ends_with(".getConnection") || name.eq_ignore_ascii_case("connection.acquire") || name == "acquire connection"
}

/// Spans that take a connection from a pool: how long, by service.
pub fn acquires(case: &Case) -> BTreeMap<Sym, (Sketch, Window, Vec<Evidence>)> {
    let mut by_service: BTreeMap<Sym, (Sketch, Window, Vec<Evidence>)> = BTreeMap::new();
    let names = &case.tables.names;
    let mut known: BTreeMap<Sym, bool> = BTreeMap::new();
    for span in &case.tables.spans {
        let takes = *known.entry(span.name).or_insert_with(|| takes_connection(names.get(span.name)));
        if takes {
            let (sketch, window, evidence) = by_service.entry(span.service).or_default();
            sketch.add(span.nanos);
            if span.nanos > 500_000_000 {
                window.join(span.window());
                if evidence.len() < 4 {
                    evidence.push(span.evidence);
                }
            }
        }
    }
    by_service
}

/// From the first to the last of the records, of which those more than two minutes apart begin anew; the stretch with most.
pub fn busiest(times: impl Iterator<Item = Time>) -> Window {
    let mut times: Vec<Time> = times.filter(|time| time.is_some()).collect();
    times.sort_unstable();
    let run = times.chunk_by(|a, b| b.since(*a) <= 120_000_000_000).max_by_key(|run| run.len()).unwrap_or_default();
    match (run.first(), run.last()) {
        (Some(first), Some(last)) => Window::of(*first, *last),
        _ => Window::default(),
    }
}
