//! Marks of scheduled jobs put together to runs, job by job and instance by instance.
//!
//! A run begins with a mark that says so; where a job never says it, with the first thing it does after a pause. What this
//! file does not do: judge whether a run should have been.

use crate::correlate::Case;
use crate::model::job::{JobMark, Mark};
use crate::model::names::Sym;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Time};
use std::collections::{BTreeMap, BTreeSet};

/// Signals of schedulers and lock libraries that are marks too.
const SIGNALS: &[(&str, Mark)] = &[
    ("job.locked", Mark::Began),
    ("job.unlocked", Mark::Ended),
    ("job.lock-skipped", Mark::Skipped),
    ("job.fired", Mark::Began),
    ("job.executed", Mark::Ended),
];

/// Two marks of one beginning are closer than this: "starting", "loading", "running step 1".
const ONE_BEGINNING: i64 = SECOND;
/// A pause of this length separates two runs of a job that never says that it begins.
const PAUSE: i64 = 5 * SECOND;

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Who ran it.
    pub instance: Sym,
    /// When it began.
    pub start: Time,
    /// When it ended, if a record says so.
    pub end: Option<Time>,
    /// When it was heard of last.
    pub last: Time,
    /// What it began with: `shard=0`; or none.
    pub parameter: Sym,
    /// What it touched.
    pub keys: BTreeSet<Sym>,
    /// Whether a record says that it began.
    pub told: bool,
    /// The record it begins with.
    pub evidence: Evidence,
}

/// A job with all its runs.
#[derive(Clone, Debug)]
pub struct Job {
    /// Service.
    pub service: Sym,
    /// Name: as its records say, else the class.
    pub name: Sym,
    /// Runs by start.
    pub runs: Vec<Run>,
    /// Who left it to another, and when.
    pub skips: Vec<(Time, Sym, Evidence)>,
}

impl Job {
    /// The usual time in nanoseconds from one start to the next on one instance; none if no instance has three.
    #[must_use]
    pub fn period(&self) -> Option<i64> {
        self.series().values().filter_map(|starts| regular(starts).map(|(period, _)| period)).min()
    }

    /// Starts by instance.
    #[must_use]
    pub fn series(&self) -> BTreeMap<Sym, Vec<Time>> {
        let mut series: BTreeMap<Sym, Vec<Time>> = BTreeMap::new();
        self.runs.iter().for_each(|run| series.entry(run.instance).or_default().push(run.start));
        series
    }
}

/// Median of the gaps between starts, and how much they vary: standard deviation over mean. None below three starts.
#[must_use]
pub fn regular(starts: &[Time]) -> Option<(i64, f64)> {
    let mut gaps: Vec<i64> = starts.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    if gaps.len() < 2 {
        return None;
    }
    gaps.sort_unstable();
    let median = *gaps.get(gaps.len() / 2)?;
    let mean = gaps.iter().sum::<i64>() as f64 / gaps.len() as f64;
    let variance = gaps.iter().map(|gap| (*gap as f64 - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
    (median > 0).then(|| (median, variance.sqrt() / mean.max(1.0)))
}

/// Every job of a case, by service and name.
#[must_use]
pub fn jobs(case: &Case) -> Vec<Job> {
    let mut marks: Vec<JobMark> = case.tables.jobs.clone();
    marks.extend(locks(case));
    // What one class says on one instance is one story; what a lock says is another.
    marks.sort_by_key(|mark| (mark.service, mark.source, mark.instance, mark.time, mark.evidence));
    let mut jobs: BTreeMap<(Sym, Sym), Job> = BTreeMap::new();
    for story in marks.chunk_by(|a, b| (a.service, a.source) == (b.service, b.source)) {
        let named: BTreeSet<Sym> = story.iter().filter(|mark| mark.mark == Mark::Began && !mark.job.is_none()).map(|mark| mark.job).collect();
        let only = if named.len() == 1 { named.first().copied() } else { None };
        for told in story.chunk_by(|a, b| a.instance == b.instance) {
            read(told, only, &mut jobs);
        }
    }
    let mut jobs = united(case, jobs.into_values());
    for job in &mut jobs {
        job.runs.sort_by_key(|run| (run.start, run.instance, run.evidence));
        job.skips.sort_unstable();
    }
    jobs
}

fn locks(case: &Case) -> impl Iterator<Item = JobMark> + '_ {
    let names = &case.tables.names;
    let wanted: Vec<(Sym, Mark)> = SIGNALS.iter().filter_map(|(name, mark)| Some((names.find(name)?, *mark))).collect();
    case.tables.signals.iter().filter_map(move |row| {
        let mark = wanted.iter().find(|(signal, _)| *signal == row.signal)?.1;
        Some(JobMark {
            time: row.time,
            trace: row.trace,
            service: row.service,
            instance: row.instance,
            job: row.name,
            mark,
            key: Sym::NONE,
            source: row.name,
            evidence: row.evidence,
        })
    })
}

/// The runs of one class on one instance, in the order of time.
fn read(marks: &[JobMark], only: Option<Sym>, jobs: &mut BTreeMap<(Sym, Sym), Job>) {
    let mut open: BTreeMap<Sym, Run> = BTreeMap::new();
    let mut current = Sym::NONE;
    let mut close = |name: Sym, service: Sym, run: Run| job_of(jobs, service, name).runs.push(run);
    let mut skipped = Vec::new();
    for mark in marks {
        let named = only.unwrap_or(if mark.job.is_none() { mark.source } else { mark.job });
        match mark.mark {
            Mark::Skipped => skipped.push((named, mark)),
            Mark::Began => {
                current = named;
                if let Some(run) = open.get_mut(&named)
                    && mark.time.since(run.last) < ONE_BEGINNING
                {
                    run.last = mark.time;
                    continue;
                }
                if let Some(before) = open.insert(named, begun(mark, true)) {
                    close(named, mark.service, before);
                }
            }
            Mark::Ended => {
                let name = if open.contains_key(&named) { named } else { current };
                if let Some(mut run) = open.remove(&name) {
                    (run.end, run.last) = (Some(mark.time), mark.time);
                    close(name, mark.service, run);
                }
            }
            Mark::Touched => {
                let name = if open.contains_key(&current) { current } else { named };
                let stale = open.get(&name).is_some_and(|run| !run.told && mark.time.since(run.last) > PAUSE);
                if stale && let Some(before) = open.remove(&name) {
                    close(name, mark.service, before);
                }
                let run = open.entry(name).or_insert_with(|| begun(mark, false));
                run.last = mark.time;
                run.keys.insert(mark.key);
            }
        }
    }
    let service = marks.first().map_or(Sym::NONE, |mark| mark.service);
    for (name, run) in open {
        close(name, service, run);
    }
    for (name, mark) in skipped {
        job_of(jobs, service, name).skips.push((mark.time, mark.instance, mark.evidence));
    }
}

/// One job for what a scheduler and the job's class each tell of the same runs: `billing.statementMailer` of a plugin's records
/// and `StatementMailer`, the logger's.
fn united(case: &Case, jobs: impl Iterator<Item = Job>) -> Vec<Job> {
    let mut alike: BTreeMap<(Sym, String), Vec<Job>> = BTreeMap::new();
    for job in jobs {
        alike.entry((job.service, plain(case.tables.names.get(job.name)))).or_default().push(job);
    }
    let mut all = Vec::new();
    for mut group in alike.into_values() {
        group.sort_by_key(|job| std::cmp::Reverse(job.runs.iter().filter(|run| run.told).count()));
        let mut group = group.into_iter();
        let Some(mut host) = group.next() else { continue };
        host.runs.sort_by_key(|run| (run.instance, run.start, run.evidence));
        for other in group {
            if host.holds(&other) { host.absorb(other) } else { all.push(other) }
        }
        all.push(host);
    }
    all.sort_by_key(|job| (job.service, job.name));
    all
}

/// `billing.statement-mailer`, `StatementMailerJob` and `statementMailer` name one job.
fn plain(name: &str) -> String {
    let last = name.rsplit(['.', ':', '/']).next().unwrap_or(name);
    let mut plain: String = last.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    for end in ["job", "task"] {
        if plain.len() > end.len() && plain.ends_with(end) {
            plain.truncate(plain.len() - end.len());
        }
    }
    plain
}

impl Job {
    /// Whether every run of another job lies within a run of this one on the same instance.
    fn holds(&self, other: &Self) -> bool {
        !other.runs.is_empty() && other.runs.iter().all(|run| self.around(run).is_some())
    }

    /// The run that was going on when another began, of runs in the order of instances and starts. One that never ended went on
    /// until the next.
    fn around(&self, run: &Run) -> Option<usize> {
        let at = self.runs.partition_point(|host| (host.instance, host.start) <= (run.instance, run.start)).checked_sub(1)?;
        let host = self.runs.get(at)?;
        let goes_on = host.end.is_none_or(|end| run.start <= end.plus(ONE_BEGINNING));
        (host.instance == run.instance && goes_on).then_some(at)
    }

    fn absorb(&mut self, other: Self) {
        for run in other.runs {
            let Some(host) = self.around(&run).and_then(|at| self.runs.get_mut(at)) else { continue };
            host.last = host.last.max(run.last);
            host.parameter = host.parameter.or(run.parameter);
            host.keys.extend(run.keys);
        }
        self.skips.extend(other.skips);
    }
}

fn job_of(jobs: &mut BTreeMap<(Sym, Sym), Job>, service: Sym, name: Sym) -> &mut Job {
    jobs.entry((service, name)).or_insert_with(|| Job { service, name, runs: Vec::new(), skips: Vec::new() })
}

fn begun(mark: &JobMark, told: bool) -> Run {
    let parameter = if told { mark.key } else { Sym::NONE };
    Run { instance: mark.instance, start: mark.time, end: None, last: mark.time, parameter, keys: BTreeSet::new(), told, evidence: mark.evidence }
}
