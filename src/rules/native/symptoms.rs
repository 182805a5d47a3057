//! What in the evidence a setting would explain: waits for a pool, timeouts, rejections, slowness.
//!
//! What this file does not do: look at settings; see `drift`.

use crate::correlate::Case;
use crate::formats::config::meaning::Topic;
use crate::model::finding::Input;
use crate::model::names::Sym;
use crate::model::sketch::Sketch;
use crate::model::source::Evidence;
use crate::model::time::Window;
use crate::rules::Scope;
use crate::rules::native::database_pools;
use std::collections::{BTreeMap, BTreeSet};

/// Signals that a topic explains, and how they read.
const SIGNALS: &[(Topic, &[&str], &str)] = &[
    (Topic::Pool, &["pool.timeout", "pool.empty", "pool.waiting"], "requests waited for a connection"),
    (Topic::Timeout, &["timeout.read", "timeout.connect", "timeout.deadline", "timeout.time-limiter"], "calls ended by a timeout"),
    (Topic::Threads, &["executor.rejected", "executor.full", "bulkhead.rejected"], "work was turned away"),
    (Topic::Retry, &["retry.attempt", "retry.exhausted"], "calls were repeated"),
    (Topic::Breaker, &["circuit-breaker.opened", "circuit-breaker.rejected"], "a breaker opened"),
    (Topic::Memory, &["jvm.out-of-memory"], "memory ran out"),
    (Topic::GatewayTimeout, &["gateway.upstream-timeout"], "the gateway gave requests up"),
    (Topic::BodyLimit, &["gateway.body-too-large"], "bodies were too large"),
    (Topic::HeaderLimit, &["gateway.header-too-large"], "headers were too large"),
    (Topic::Headers, &["gateway.header-dropped", "http.header-missing"], "headers were lost"),
    (Topic::RateLimit, &["gateway.rate-limited"], "a rate limit was exceeded"),
    (Topic::Auth, &["auth.token-expired", "auth.token-not-yet-valid", "auth.token-untrusted"], "tokens were refused"),
];

/// Statuses that a topic explains.
const STATUSES: &[(Topic, &[u16], &str)] = &[
    (Topic::GatewayTimeout, &[504], "requests ended with 504"),
    (Topic::BodyLimit, &[413], "requests ended with 413"),
    (Topic::HeaderLimit, &[431, 494], "requests ended with 431"),
    (Topic::RateLimit, &[429], "requests ended with 429"),
];

/// What is seen.
#[derive(Clone, Debug)]
pub struct Symptom {
    /// From the first to the last.
    pub window: Window,
    /// How many.
    pub count: u64,
    /// Some of them.
    pub evidence: Vec<Evidence>,
    /// In words.
    pub what: &'static str,
    /// What kind of input shows it.
    pub input: Input,
}

impl Symptom {
    fn new(what: &'static str, input: Input) -> Self {
        Self { window: Window::default(), count: 0, evidence: Vec::new(), what, input }
    }

    fn add(&mut self, window: Window, evidence: Evidence) {
        self.window.join(window);
        self.count += 1;
        if self.evidence.len() < 4 {
            self.evidence.push(evidence);
        }
    }
}

/// How much must be seen before it counts.
#[derive(Clone, Copy, Debug)]
pub struct Least {
    /// Records.
    pub count: f64,
    /// Times the p95 of the baseline.
    pub ratio: f64,
    /// Milliseconds over the p95 of the baseline.
    pub delta: f64,
}

/// What a case shows; looked at once for all settings.
pub struct Symptoms<'a> {
    case: &'a Case,
    least: Least,
    slower: BTreeMap<Sym, Symptom>,
}

impl<'a> Symptoms<'a> {
    /// Of the case, against its baseline if there is one.
    pub fn of(scope: &Scope<'a>, least: Least) -> Self {
        let slower = scope.baseline.map_or_else(BTreeMap::new, |baseline| slower(scope.case, baseline, least));
        Self { case: scope.case, least, slower }
    }

    /// What settings of a topic would explain at a service; an empty name stands for any.
    pub fn explained(&self, service: &str, topic: Topic) -> Option<Symptom> {
        let of = if service.is_empty() { Some(Sym::NONE) } else { self.case.tables.names.find(service) }?;
        let is_its = |row: Sym| of.is_none() || row == of;
        let found = [self.signalled(&is_its, topic), self.answered(&is_its, topic), self.waited(&is_its, topic), self.slowed(of, topic)];
        found.into_iter().flatten().find(|symptom| symptom.count as f64 >= self.least.count)
    }

    fn signalled(&self, is_its: &impl Fn(Sym) -> bool, topic: Topic) -> Option<Symptom> {
        let (_, signals, what) = SIGNALS.iter().find(|(of, ..)| *of == topic)?;
        let wanted: BTreeSet<Sym> = signals.iter().filter_map(|name| self.case.tables.names.find(name)).collect();
        let mut symptom = Symptom::new(what, Input::Logs);
        for row in self.case.tables.signals.iter().filter(|row| wanted.contains(&row.signal) && is_its(row.service)) {
            symptom.add(Window::of(row.time, row.time), row.evidence);
        }
        (symptom.count as f64 >= self.least.count).then_some(symptom)
    }

    fn answered(&self, is_its: &impl Fn(Sym) -> bool, topic: Topic) -> Option<Symptom> {
        let (_, statuses, what) = STATUSES.iter().find(|(of, ..)| *of == topic)?;
        let mut symptom = Symptom::new(what, Input::Requests);
        for row in self.case.tables.requests.iter().filter(|row| statuses.contains(&row.status) && is_its(row.service)) {
            symptom.add(Window::of(row.time, row.time), row.evidence);
        }
        (symptom.count as f64 >= self.least.count).then_some(symptom)
    }

    /// Requests that wait for a connection, by the pool's own metric.
    fn waited(&self, is_its: &impl Fn(Sym) -> bool, topic: Topic) -> Option<Symptom> {
        if topic != Topic::Pool {
            return None;
        }
        let mut symptom = Symptom::new("requests waited for a connection", Input::Metrics);
        for meter in database_pools::meters(self.case).iter().filter(|meter| is_its(meter.service)) {
            for point in meter.pending.iter().flat_map(|series| series.points.iter()).filter(|point| point.value >= 1.0) {
                symptom.add(Window::of(point.time, point.time), point.evidence);
                symptom.count += point.value as u64 - 1;
            }
        }
        (symptom.count as f64 >= self.least.count).then_some(symptom)
    }

    /// Slowness is explained by how rows are read and kept; a pool or a timeout has signs of its own.
    fn slowed(&self, service: Sym, topic: Topic) -> Option<Symptom> {
        matches!(topic, Topic::Fetch | Topic::Cache).then(|| self.slower.get(&service).cloned()).flatten()
    }
}

/// Services with an operation that takes longer than in the baseline.
fn slower(case: &Case, baseline: &Case, least: Least) -> BTreeMap<Sym, Symptom> {
    type Lengths<'a> = BTreeMap<(&'a str, &'a str), Sketch>;
    fn lengths<'a>(case: &'a Case) -> Lengths<'a> {
        let names = &case.tables.names;
        let mut all = Lengths::new();
        for row in case.served().iter().filter(|row| !row.probe) {
            if let Some(nanos) = row.nanos {
                all.entry((names.get(row.service), names.get(row.operation))).or_default().add(nanos);
            }
        }
        all
    }
    let (here, there) = (lengths(case), lengths(baseline));
    let mut limits: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (key, lengths) in &here {
        let Some(calm) = there.get(key).filter(|calm| calm.count().min(lengths.count()) >= 20) else { continue };
        let (p95, usual) = (lengths.p95() as f64, calm.p95() as f64);
        if p95 >= least.ratio * usual && p95 - usual >= least.delta * 1e6 {
            limits.insert(*key, (least.ratio * usual) as u64);
        }
    }
    let names = &case.tables.names;
    let mut found: BTreeMap<Sym, Symptom> = BTreeMap::new();
    for row in case.served().iter().filter(|row| !row.probe) {
        let limit = limits.get(&(names.get(row.service), names.get(row.operation)));
        if limit.is_some_and(|limit| row.nanos.is_some_and(|nanos| nanos >= *limit)) {
            let input = Input::Baseline;
            found
                .entry(row.service)
                .or_insert_with(|| Symptom::new("requests took longer than in the baseline", input))
                .add(Window::of(row.time, row.time), row.evidence);
        }
    }
    found
}
