//! Charges that scheduled jobs made: one job that runs on several instances charges each order once for each of them.
//!
//! What this file does not do: find jobs that run several times without a payment; that is `duplicate-job-execution`.

use super::cluster::Payment;
use crate::model::job::{JobMark, Mark};
use crate::model::names::Sym;
use crate::model::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// When each instance began which job, in order of time.
#[derive(Debug, Default)]
pub struct Runs(BTreeMap<(Sym, Sym), Vec<(Time, Sym)>>);

impl Runs {
    /// The runs that records tell the beginning of.
    pub fn of(jobs: &[JobMark]) -> Self {
        let mut runs: BTreeMap<(Sym, Sym), Vec<(Time, Sym)>> = BTreeMap::new();
        for mark in jobs.iter().filter(|mark| mark.mark == Mark::Began && !mark.job.is_none()) {
            runs.entry((mark.service, mark.instance)).or_default().push((mark.time, mark.job));
        }
        runs.values_mut().for_each(|begun| begun.sort_unstable());
        Self(runs)
    }

    /// The job that made every charge of a payment on an instance of its own: what each of them had begun last, at most
    /// `within` nanoseconds before.
    pub fn behind(&self, payment: &Payment<'_>, within: i64) -> Option<Sym> {
        let instances: BTreeSet<Sym> = payment.charges.iter().map(|charge| charge.effect.instance).collect();
        if instances.len() < 2 {
            return None;
        }
        let mut jobs = payment.charges.iter().map(|charge| {
            let begun = self.0.get(&(charge.effect.service, charge.effect.instance))?;
            let before = begun.partition_point(|(time, _)| *time <= charge.time);
            let (time, job) = begun.get(before.checked_sub(1)?)?;
            (charge.time.since(*time) <= within).then_some(*job)
        });
        let first = jobs.next()??;
        jobs.all(|job| job == Some(first)).then_some(first)
    }
}
