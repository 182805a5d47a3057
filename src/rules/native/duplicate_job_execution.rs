//! `duplicate-job-execution`: one firing of a schedule that several instances run.
//!
//! Starts that lie together are one firing, of which one run is expected. Instances whose schedules began at different times
//! (a fixed rate since their own start) never fire together: there each instance's own regular series is one too many. What
//! both touched decides how bad it is. What this file does not do: runs that overlap on one instance; see `job_overlap`.

mod firing;

use crate::correlate::Case;
use crate::correlate::runs::{self, Job, Run};
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Time, Window};
use crate::rules::{Detector, Scope};
use firing::Firings;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector {
    id: "duplicate-job-execution",
    thresholds: &[
        "extra_runs",
        "duplicated_ticks",
        "duplicated_percent",
        "tolerance_percent",
        "tolerance_least",
        "tolerance_most",
        "shared_percent",
        "irregular",
        "regular_runs",
        "rare_period",
        "overlap",
    ],
    detect,
};

/// What every instance does for itself.
const OF_EACH_INSTANCE: &[&str] = &[
    "cache",
    "refresh",
    "evict",
    "metric",
    "heartbeat",
    "health",
    "token",
    "reload",
    "discover",
    "poll",
    "cleanup",
    "clean",
    "outbox",
    "lease",
    "flush",
    "monitor",
    "stats",
    "keepalive",
    "housekeep",
    "watchdog",
    "warm",
    "gauge",
    "probe",
    "expire",
];

/// Parts of parameters that divide work.
const SHARDS: &[&str] = &["shard", "partition", "tenant", "bucket", "slice", "region", "worker", "segment"];

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let seen = Seen::of(scope.case);
    for job in runs::jobs(scope.case) {
        let instances: BTreeSet<Sym> = job.runs.iter().map(|run| run.instance).filter(|instance| !instance.is_none()).collect();
        if instances.len() < 2 {
            continue;
        }
        out.extend(judge(scope.case, rule, &job, &seen));
    }
}

/// When each instance was heard of last: what it did not live to see it did not run beside another.
struct Seen(BTreeMap<Sym, Time>);

impl Seen {
    fn of(case: &Case) -> Self {
        let mut last: BTreeMap<Sym, Time> = BTreeMap::new();
        let tables = &case.tables;
        let heard = (tables.logs.iter().map(|row| (row.instance, row.time)))
            .chain(tables.requests.iter().map(|row| (row.instance, row.time)))
            .chain(tables.jobs.iter().map(|row| (row.instance, row.time)))
            .chain(tables.spans.iter().map(|row| (row.instance, row.end())));
        for (instance, time) in heard {
            let known = last.entry(instance).or_insert(time);
            *known = (*known).max(time);
        }
        Self(last)
    }

    /// Whether the instance still lived at a time: nobody is replaced within a second of the last word.
    fn lives(&self, instance: Sym, time: Time) -> bool {
        self.0.get(&instance).is_some_and(|last| last.plus(SECOND) >= time)
    }
}

fn judge(case: &Case, rule: &Rule, job: &Job, seen: &Seen) -> Option<Finding> {
    let period = job.period();
    let firings = Firings::of(case, rule, job, period, |run: &Run, other: &Run| seen.lives(run.instance, other.start));
    let together = firings.duplicated.len() as f64 >= rule.limit("duplicated_ticks")
        && 100.0 * firings.duplicated.len() as f64 >= rule.limit("duplicated_percent") * firings.all as f64;
    let shared = firings.shared_percent;
    let harmful = shared.is_some_and(|percent| percent >= rule.limit("shared_percent"));
    let disjoint = shared.is_some_and(|percent| percent == 0.0) && !firings.overlapping_locks;
    let once = !firings.duplicated.is_empty() && (harmful || firings.overlaps > 0);
    let free = if together || once { None } else { free_running(case, rule, job) };
    if firings.divided || disjoint && free.is_none() || !(together || once || free.is_some()) {
        return None;
    }
    if free.as_ref().is_some_and(|free| free.shared_percent.is_some_and(|percent| percent == 0.0)) {
        return None;
    }
    Some(finding(case, rule, job, period, &firings, free.as_ref()))
}

/// Instances that each keep a schedule of their own.
struct Free {
    instances: BTreeSet<Sym>,
    window: Window,
    extra: u64,
    runs: u64,
    before: usize,
    shared_percent: Option<f64>,
    evidence: Vec<Evidence>,
}

fn free_running(case: &Case, rule: &Rule, job: &Job) -> Option<Free> {
    let least = rule.limit("regular_runs") as usize;
    let series: BTreeMap<Sym, Vec<Time>> = job
        .series()
        .into_iter()
        .filter(|(_, starts)| starts.len() >= least && runs::regular(starts).is_some_and(|(_, varies)| varies <= rule.limit("irregular")))
        .collect();
    let period = series.values().filter_map(|starts| runs::regular(starts)).map(|(period, _)| period).min()?;
    // Several at once: from the second's first start to the last but one's last.
    let mut firsts: Vec<Time> = series.values().filter_map(|starts| starts.first().copied()).collect();
    let mut lasts: Vec<Time> = series.values().filter_map(|starts| starts.last().copied()).collect();
    firsts.sort_unstable();
    lasts.sort_unstable();
    let (from, to) = (*firsts.get(1)?, *lasts.get(lasts.len().checked_sub(2)?)?);
    if to.since(from) < 2 * period {
        return None;
    }
    let window = Window::of(from, to);
    let during: Vec<&Run> = job.runs.iter().filter(|run| series.contains_key(&run.instance) && window.holds(run.start)).collect();
    let expected = (to.since(from) / period + 1).unsigned_abs();
    let before: BTreeSet<Sym> = job.runs.iter().filter(|run| run.start < from).map(|run| run.instance).collect();
    Some(Free {
        instances: series.keys().copied().collect(),
        window,
        extra: (during.len() as u64).saturating_sub(expected),
        runs: during.len() as u64,
        before: before.len(),
        shared_percent: firing::shared(case, &during),
        evidence: during.iter().map(|run| run.evidence).collect(),
    })
}

fn finding(case: &Case, rule: &Rule, job: &Job, period: Option<i64>, firings: &Firings, free: Option<&Free>) -> Finding {
    let names = &case.tables.names;
    let name = names.get(job.name);
    let window = free.map_or(firings.window, |free| free.window);
    let subject = Subject { service: names.get(job.service).to_owned(), operation: name.to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    if free.is_some() {
        "free-running".clone_into(&mut finding.kind);
    }
    let instances = free.map_or(firings.instances.len(), |free| free.instances.len());
    let before = free.map_or(firings.before, |free| free.before);
    let extra = free.map_or(firings.extra, |free| free.extra);
    let shared = free.map_or(firings.shared_percent, |free| free.shared_percent);
    let harmful = shared.is_some_and(|percent| percent >= rule.limit("shared_percent"));
    let money = harmful && firings.touches_money;
    let own = OF_EACH_INSTANCE.iter().any(|word| name.to_ascii_lowercase().contains(word));
    let rare = period.is_some_and(|period| period as f64 / SECOND as f64 >= rule.limit("rare_period"));
    finding.severity = match (money, harmful, own) {
        (true, ..) => Severity::Critical,
        (_, true, _) => Severity::High,
        (_, _, true) => Severity::Info,
        _ if firings.overlapping_locks || (rare && free.is_none()) => Severity::Medium,
        _ => Severity::Low,
    };
    finding.score = score(extra as f64, rule.limit("extra_runs"), rule.upper("extra_runs"));
    let input = if case.tables.jobs.iter().any(|mark| mark.trace.is_none()) { Input::Logs } else { Input::Spans };
    let unclustered = signal_count(case, "job.store-unclustered") >= 2;
    finding.confidence = Belief::new()
        .with_if(free.is_none(), "runs of one firing on several instances", input, if input == Input::Spans { 0.85 } else { 0.8 })
        .with_if(free.is_some(), "a regular series on each of several instances", input, 0.65)
        .with_if(harmful, "the same keys in the runs of several instances", input, 0.6)
        .with_if(firings.overlapping_locks, "two holders of one lock at once", Input::Logs, 0.9)
        .with_if(unclustered, "schedulers that know nothing of each other", Input::Logs, 0.5)
        .with_if(before == 1, "one instance ran it alone before", input, 0.2)
        .doubted(if own && !harmful { 0.6 } else { 1.0 })
        .value();
    finding
        .measure("instances", instances as f64, "instances")
        .measure_against("extra_runs", extra as f64, "runs", rule.limit("extra_runs"))
        .measure("runs", free.map_or(firings.runs, |free| free.runs) as f64, "runs")
        .measure("ticks", firings.all as f64, "firings")
        .measure("duplicated_ticks", firings.duplicated.len() as f64, "firings");
    if before > 0 {
        finding.measure("instances_before", before as f64, "instances");
    }
    if let Some(period) = period {
        finding.measure("period_s", (period as f64 / 1e8).round() / 10.0, "s");
    }
    if let Some(percent) = shared {
        finding.measure_against("shared_keys_percent", (percent * 10.0).round() / 10.0, "percent", rule.limit("shared_percent"));
    }
    words(&mut finding, case, name, firings, shared, before);
    look_alikes(&mut finding, job, firings, shared, own);
    finding.cite(free.map_or_else(|| firings.evidence.clone(), |free| free.evidence.clone()));
    finding
}

fn signal_count(case: &Case, name: &str) -> usize {
    let wanted = case.tables.names.find(name);
    let instances: BTreeSet<Sym> = case.tables.signals.iter().filter(|row| Some(row.signal) == wanted).map(|row| row.instance).collect();
    instances.len()
}

fn words(finding: &mut Finding, case: &Case, name: &str, firings: &Firings, shared: Option<f64>, before: usize) {
    let effects = match shared {
        Some(percent) if percent > 0.0 => format!("{percent:.0} % of what the smaller run touched was touched by another instance too."),
        _ => "Which keys they worked on is not recorded.".to_owned(),
    };
    let before = if before > 0 { format!("Before, {before} instance{} ran it.", if before == 1 { "" } else { "s" }) } else { String::new() };
    let locks = match (firings.overlapping_locks, signal_count(case, "job.store-unclustered"), case.tables.names.find("job.locked")) {
        (true, ..) => "Two instances held the job's lock at the same time, so the lock ended before the run did, or they do not share it.",
        (_, 2.., _) => "The schedulers use a store that is not clustered.",
        (_, _, None) => "No record speaks of a lock.",
        _ => "There are locks, but they did not keep the runs apart.",
    };
    finding.word("job", name).word("effects", effects).word("before", before).word("locks", locks);
}

fn look_alikes(finding: &mut Finding, job: &Job, firings: &Firings, shared: Option<f64>, own: bool) {
    finding
        .look_alike(
            "Work that each instance does for itself",
            match (own, shared) {
                (_, Some(percent)) if percent > 0.0 => format!("excluded: {percent:.0} % of the keys are the same"),
                (true, _) => "not excluded: its name says so".to_owned(),
                _ => "not excluded: no keys are recorded; its name does not say so".to_owned(),
            },
        )
        .look_alike(
            "Work divided among the instances",
            if shared.is_some() { "excluded: their keys are not disjoint" } else { "no parameter or key divides it" },
        )
        .look_alike(
            "A run made up for after a restart",
            if firings.restarts > 0 {
                format!("{} such runs are not counted", firings.restarts)
            } else {
                "excluded: the instances lived side by side".to_owned()
            },
        )
        .look_alike(
            "A lock that works",
            if job.skips.is_empty() { "excluded: no instance left the job to another" } else { "runs that were left to another are not counted" },
        );
}

#[cfg(test)]
mod tests;
