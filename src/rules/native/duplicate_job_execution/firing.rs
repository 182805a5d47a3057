//! Runs that belong to one firing of a schedule.

use super::SHARDS;
use crate::correlate::Case;
use crate::correlate::runs::{Job, Run};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Window};
use std::collections::{BTreeMap, BTreeSet};

/// The firings of a job, and those that several instances ran.
#[derive(Default)]
pub struct Firings {
    /// Firings since several instances were there to run them, and before.
    pub all: usize,
    /// Numbers of the duplicated ones.
    pub duplicated: Vec<usize>,
    /// Who took part in duplicated firings.
    pub instances: BTreeSet<Sym>,
    /// How many instances ran it before the first duplicated firing.
    pub before: usize,
    /// Runs beyond the first of each firing.
    pub extra: u64,
    /// Runs of the duplicated firings.
    pub runs: u64,
    /// Pairs of runs on two instances that both went on at the same time, by their records.
    pub overlaps: usize,
    /// Whether such runs held a lock.
    pub overlapping_locks: bool,
    /// Runs that were repeated because the first runner died.
    pub restarts: usize,
    /// Whether parameters divide the work.
    pub divided: bool,
    /// Share of the smaller run's keys that another instance touched in the same firing.
    pub shared_percent: Option<f64>,
    /// Whether shared keys are keys of payments.
    pub touches_money: bool,
    /// From the first to the last duplicated firing.
    pub window: Window,
    /// Where the runs begin.
    pub evidence: Vec<Evidence>,
}

impl Firings {
    /// Puts runs together. `alive` says whether the first run's instance still lived when the second run began.
    pub fn of(case: &Case, rule: &Rule, job: &Job, period: Option<i64>, alive: impl Fn(&Run, &Run) -> bool) -> Self {
        let seconds = |name: &str| (rule.limit(name) * SECOND as f64) as i64;
        let part = period.map_or(5 * SECOND, |period| (period as f64 * rule.limit("tolerance_percent") / 100.0) as i64);
        let near = part.clamp(seconds("tolerance_least"), seconds("tolerance_most"));
        let mut firings = Self::default();
        let locked = case
            .tables
            .names
            .find("job.locked")
            .is_some_and(|signal| case.tables.signals.iter().any(|row| row.signal == signal && row.name == job.name));
        let mut before = BTreeSet::new();
        let mut shared: Vec<f64> = Vec::new();
        for runs in job.runs.chunk_by(|a, b| b.start.since(a.start) <= near) {
            firings.all += 1;
            let mut lived: Vec<&Run> = Vec::new();
            for run in runs {
                // The runner before died: this one makes up for it.
                firings.restarts += lived.iter().filter(|first| first.instance != run.instance && !alive(first, run)).count();
                lived.retain(|first| alive(first, run));
                lived.push(run);
            }
            let instances: BTreeSet<Sym> = lived.iter().map(|run| run.instance).collect();
            if instances.len() < 2 {
                if firings.duplicated.is_empty() {
                    before.extend(instances);
                }
                continue;
            }
            firings.divided |= divided(case, &lived);
            firings.duplicated.push(firings.all - 1);
            firings.extra += instances.len() as u64 - 1;
            firings.runs += lived.len() as u64;
            firings.instances.extend(instances);
            shared.extend(self::shared(case, &lived));
            firings.touches_money |= touches_money(case, &lived);
            for run in &lived {
                firings.window.add(run.start);
                firings.window.add(run.last);
                firings.evidence.push(run.evidence);
            }
        }
        firings.before = before.len();
        if !shared.is_empty() {
            firings.shared_percent = Some(shared.iter().sum::<f64>() / shared.len() as f64);
        }
        firings.side_by_side(job, seconds("overlap"), locked);
        firings
    }

    /// Runs on two instances at the same time, whatever the firings say.
    fn side_by_side(&mut self, job: &Job, least: i64, locked: bool) {
        let mut ended: Vec<(&Run, crate::model::time::Time)> = job.runs.iter().filter_map(|run| Some((run, run.end?))).collect();
        ended.sort_by_key(|(run, _)| (run.start, run.instance));
        // The one that ends last of those begun before is enough to see an overlap.
        let mut open: Option<(&Run, crate::model::time::Time)> = None;
        for (run, end) in ended {
            if let Some((other, until)) = open
                && other.instance != run.instance
                && until.min(end).since(run.start) >= least
            {
                self.overlaps += 1;
                self.overlapping_locks |= locked;
                if self.duplicated.is_empty() || locked {
                    self.instances.extend([run.instance, other.instance]);
                    [run.start, until.min(end)].into_iter().for_each(|time| self.window.add(time));
                    self.evidence.extend([other.evidence, run.evidence]);
                }
            }
            if open.is_none_or(|(_, until)| end > until) {
                open = Some((run, end));
            }
        }
        if self.duplicated.is_empty() && self.overlapping_locks {
            self.duplicated.push(0);
            self.extra = self.overlaps as u64;
            self.runs = 2 * self.overlaps as u64;
        }
    }
}

/// The share of the smaller instance's keys that another instance touched too; none if fewer than two touched any.
pub fn shared(case: &Case, runs: &[&Run]) -> Option<f64> {
    let mut keys: BTreeMap<Sym, BTreeSet<Sym>> = BTreeMap::new();
    for run in runs.iter().filter(|run| !run.keys.is_empty()) {
        keys.entry(run.instance).or_default().extend(run.keys.iter().filter(|key| !is_shard(case, **key)));
    }
    keys.retain(|_, keys| !keys.is_empty());
    let sets: Vec<&BTreeSet<Sym>> = keys.values().collect();
    let mut most: Option<f64> = None;
    for (at, a) in sets.iter().enumerate() {
        for b in sets.iter().skip(at + 1) {
            let percent = 100.0 * a.intersection(b).count() as f64 / a.len().min(b.len()).max(1) as f64;
            most = Some(most.map_or(percent, |most| most.max(percent)));
        }
    }
    most
}

fn is_shard(case: &Case, key: Sym) -> bool {
    let text = case.tables.names.get(key).to_ascii_lowercase();
    text.split_once('=').is_some_and(|(key, _)| SHARDS.iter().any(|word| key.contains(word)))
}

/// Whether every instance began with a parameter of its own.
fn divided(case: &Case, runs: &[&Run]) -> bool {
    let parameters = |of: fn(&Run) -> Vec<Sym>| -> BTreeMap<Sym, BTreeSet<Sym>> {
        let mut by: BTreeMap<Sym, BTreeSet<Sym>> = BTreeMap::new();
        for run in runs {
            by.entry(run.instance).or_default().extend(of(run));
        }
        by
    };
    let distinct = |by: BTreeMap<Sym, BTreeSet<Sym>>| {
        let all: usize = by.values().map(BTreeSet::len).sum();
        let union: BTreeSet<Sym> = by.values().flatten().copied().collect();
        by.values().all(|set| !set.is_empty()) && union.len() == all
    };
    let began = parameters(|run| if run.parameter.is_none() { Vec::new() } else { vec![run.parameter] });
    let shards: BTreeMap<Sym, BTreeSet<Sym>> = parameters(|run| run.keys.iter().copied().collect())
        .into_iter()
        .map(|(instance, keys)| (instance, keys.into_iter().filter(|key| is_shard(case, *key)).collect()))
        .collect();
    distinct(began) || distinct(shards)
}

/// Whether the keys that runs share are those of payments.
fn touches_money(case: &Case, runs: &[&Run]) -> bool {
    let Some(payment) = case.tables.names.find("payment") else { return false };
    let paid: BTreeSet<&str> =
        case.tables.effects.iter().filter(|effect| effect.kind == payment).map(|effect| case.tables.names.get(effect.key)).collect();
    let values = runs.iter().flat_map(|run| &run.keys).filter_map(|key| case.tables.names.get(*key).split_once('=').map(|(_, value)| value));
    values.into_iter().any(|value| paid.contains(value))
}
