//! A profile with its names spelled out, so that those of two bundles can be compared.

use crate::correlate::profile::{Profile, Slowest};
use crate::model::names::{Interner, Sym};
use crate::model::sketch::Sketch;
use crate::model::source::Evidence;
use std::collections::{BTreeMap, BTreeSet};

/// Beyond so many ways each is one among many: all of them are its peers.
const MANY: usize = 100;

/// A service and one of its operations.
pub type Step = (String, String);

/// What a step does.
#[derive(Default)]
pub struct Work {
    /// How often.
    pub calls: u64,
    /// Own nanoseconds.
    pub own: Sketch,
    /// Calls in which each step followed.
    pub followed: BTreeMap<Step, u64>,
    /// Calls whose last act was to call a service.
    pub ended_with: BTreeMap<String, u64>,
    /// Failures that no child explains.
    pub failed: u64,
    /// The slowest.
    pub slowest: Option<Evidence>,
    /// The first failure.
    pub first_failure: Option<Evidence>,
}

/// What lies between two services.
#[derive(Default)]
pub struct Way {
    /// Lost nanoseconds.
    pub lost: Sketch,
    /// The call that lost most.
    pub slowest: Option<Evidence>,
}

/// A profile by texts.
#[derive(Default)]
pub struct Spelled {
    /// Steps.
    pub work: BTreeMap<Step, Work>,
    /// Between caller and callee.
    pub ways: BTreeMap<(String, String), Way>,
    /// Pieces of work that entered.
    pub entries: u64,
    /// Their nanoseconds.
    pub nanos: u64,
    callees: BTreeMap<String, BTreeSet<String>>,
}

impl Spelled {
    /// Spells out the names of a profile.
    #[must_use]
    pub fn of(profile: &Profile, names: &Interner) -> Self {
        let text = |sym: Sym| names.get(sym).to_owned();
        let step = |(service, name): (Sym, Sym)| (text(service), text(name));
        let place = |slowest: Slowest| slowest.map(|(_, evidence)| evidence.0);
        let work = |(at, work): (&(Sym, Sym), &crate::correlate::profile::Work)| {
            let spelled = Work {
                calls: work.calls,
                own: work.own.clone(),
                followed: work.followed.iter().map(|(next, count)| (step(*next), *count)).collect(),
                ended_with: work.ended_with.iter().map(|(to, count)| (text(*to), *count)).collect(),
                failed: work.failed,
                slowest: place(work.slowest),
                first_failure: work.first_failure.map(|(_, evidence)| evidence),
            };
            (step(*at), spelled)
        };
        Self {
            work: profile.work.iter().map(work).collect(),
            ways: profile.ways.iter().map(|(ends, way)| (step(*ends), Way { lost: way.lost.clone(), slowest: place(way.slowest) })).collect(),
            entries: profile.entries,
            nanos: profile.nanos,
            callees: profile.callees.keys().map(|&from| (text(from), profile.reached(from).into_iter().map(text).collect())).collect(),
        }
    }

    /// What is usual among peers, where there is no calm time: for every way and every step what the others need. Ways that
    /// share an end with the one in question are left out: a slow callee is slow for each of its callers.
    #[must_use]
    pub fn among_peers(&self) -> Self {
        let pooled = |others: &mut dyn Iterator<Item = &Sketch>| {
            let mut pool = Sketch::default();
            others.for_each(|other| pool.merge(other));
            pool
        };
        let ways = self.ways.keys().map(|ends| {
            let others = self.ways.iter().filter(|(other, _)| other.0 != ends.0 && other.1 != ends.1 || self.ways.len() > MANY);
            (ends.clone(), Way { lost: pooled(&mut others.map(|(_, way)| &way.lost)), slowest: None })
        });
        let own: BTreeMap<&str, Sketch> = self
            .work
            .keys()
            .map(|(service, _)| service.as_str())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(|service| (service, pooled(&mut self.work.iter().filter(|((other, _), _)| other != service).map(|(_, work)| &work.own))))
            .collect();
        let work =
            self.work.keys().map(|step| (step.clone(), Work { own: own.get(step.0.as_str()).cloned().unwrap_or_default(), ..Work::default() }));
        Self { ways: ways.collect(), work: work.collect(), entries: self.entries, nanos: self.nanos, callees: self.callees.clone() }
    }

    /// Whom a service reaches, directly or through others.
    #[must_use]
    pub fn reached(&self, from: &str) -> &BTreeSet<String> {
        static NOBODY: BTreeSet<String> = BTreeSet::new();
        self.callees.get(from).unwrap_or(&NOBODY)
    }
}
