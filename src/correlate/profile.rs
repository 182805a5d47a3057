//! How a system works: own time per operation, time lost between caller and callee, and what follows what: spans and the
//! statements that are logged in them.
//!
//! Two profiles, of a calm time and of an incident, are held against each other to see who changed. A profile is made of
//! traces, each taken in by itself, and merges in any order.
//!
//! What this file does not do: judge. That is `findings/suspect`.

use crate::correlate::Case;
use crate::correlate::trace::Trace;
use crate::correlate::traced_logs::{Bookmark, Said, TracedLogs};
use crate::model::names::Sym;
use crate::model::sketch::Sketch;
use crate::model::source::Evidence;
use crate::model::tables::Span;
use crate::model::time::Time;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// A service and one of its operations, by the name of its spans; or a statement that it logs.
pub type Step = (Sym, Sym);

/// What a step does.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// How often.
    pub calls: u64,
    /// Nanoseconds in which none of its children was at work. Empty for outgoing calls: their own time lies between two services.
    pub own: Sketch,
    /// In how many of the calls each step followed as a child.
    pub followed: BTreeMap<Step, u64>,
    /// In how many of the calls the last thing done was to call this service.
    pub ended_with: BTreeMap<Sym, u64>,
    /// Failures that no failed child explains: failed spans, and those in which an error was logged.
    pub failed: u64,
    /// The one with most own time; of outgoing calls the longest.
    pub slowest: Slowest,
    /// The first one that failed by itself.
    pub first_failure: Option<(Time, Evidence)>,
}

/// What lies between a caller and whom it calls.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// Nanoseconds of the call in which the callee was not at work; the whole call where the callee has no spans.
    pub lost: Sketch,
    /// The call that lost most.
    pub slowest: Slowest,
}

/// The span that took longest, and its nanoseconds; of equals the first.
pub type Slowest = Option<(u64, Reverse<Evidence>)>;

/// How a system works.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// What each step does.
    pub work: BTreeMap<Step, Work>,
    /// What lies between caller and callee.
    pub ways: BTreeMap<(Sym, Sym), Way>,
    /// Who calls whom, directly.
    pub callees: BTreeMap<Sym, BTreeSet<Sym>>,
    /// How many pieces of work entered the system.
    pub entries: u64,
    /// How long they took together, in nanoseconds.
    pub nanos: u64,
}

impl Profile {
    /// The profile of the traces that begin when `wanted` says, with what was logged in them if that is given.
    #[must_use]
    pub fn of(case: &Case, logs: Option<&TracedLogs<'_>>, wanted: impl Fn(Time) -> bool + Sync) -> Self {
        let add = |mut walk: Walk, trace: Trace<'_>| {
            if let Some(logs) = logs {
                logs.of_trace(&trace, &mut walk.bookmark, &mut walk.said);
            }
            walk.add(&trace);
            walk
        };
        case.traces()
            .filter(|trace| trace.spans.first().is_some_and(|first| wanted(first.start)))
            .fold(Walk::default, add)
            .map(Walk::finish)
            .reduce(Self::default, Self::merge)
    }

    fn merge(mut self, other: Self) -> Self {
        for (step, theirs) in other.work {
            let mine = self.work.entry(step).or_default();
            mine.calls += theirs.calls;
            mine.own.merge(&theirs.own);
            mine.failed += theirs.failed;
            mine.slowest = mine.slowest.max(theirs.slowest);
            mine.first_failure = mine.first_failure.into_iter().chain(theirs.first_failure).min();
            for (to, count) in theirs.ended_with {
                *mine.ended_with.entry(to).or_default() += count;
            }
            for (next, count) in theirs.followed {
                *mine.followed.entry(next).or_default() += count;
            }
        }
        for (ends, theirs) in other.ways {
            let mine = self.ways.entry(ends).or_default();
            mine.lost.merge(&theirs.lost);
            mine.slowest = mine.slowest.max(theirs.slowest);
        }
        for (caller, theirs) in other.callees {
            self.callees.entry(caller).or_default().extend(theirs);
        }
        self.entries += other.entries;
        self.nanos += other.nanos;
        self
    }

    /// Whom a service reaches, directly or through others; itself only in a circle.
    #[must_use]
    pub fn reached(&self, from: Sym) -> BTreeSet<Sym> {
        let mut reached = BTreeSet::new();
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            for &next in self.callees.get(&at).into_iter().flatten() {
                if reached.insert(next) {
                    open.push(next);
                }
            }
        }
        reached
    }
}

/// What a worker has seen so far, and memory that it uses for one trace after another.
#[derive(Default)]
struct Walk {
    profile: Profile,
    work: HashMap<Step, Work, FixedState>,
    ways: HashMap<(Sym, Sym), Way, FixedState>,
    bookmark: Bookmark,
    said: Vec<Said>,
    /// Whether each span of the trace failed, or said so.
    failed: Vec<bool>,
    steps: Vec<Step>,
}

impl Walk {
    fn add(&mut self, trace: &Trace<'_>) {
        for entry in trace.entries() {
            self.profile.entries += 1;
            self.profile.nanos += trace.spans.get(entry).map_or(0, |span| span.nanos);
        }
        self.failed.clear();
        self.failed.extend(trace.spans.iter().map(Span::failed));
        for said in self.said.iter().filter(|said| said.is_error) {
            if let Some(failed) = self.failed.get_mut(said.at) {
                *failed = true;
            }
        }
        let failed = |at: usize| self.failed.get(at).copied().unwrap_or(false);
        let mut rest = self.said.as_slice();
        for (at, span) in trace.spans.iter().enumerate() {
            // What was said is in the order of the spans.
            let (said, others) = rest.split_at(rest.iter().take_while(|said| said.at == at).count());
            rest = others;
            let children = || trace.children(at).filter_map(|child| Some((child, trace.spans.get(child)?)));
            self.steps.clear();
            self.steps.extend(children().filter(|(child, _)| !trace.is_handed_over(at, *child)).map(|(_, child)| (child.service, child.name)));
            self.steps.extend(said.iter().map(|said| (said.service, said.statement)));
            self.steps.sort_unstable();
            self.steps.dedup();
            let work = self.work.entry((span.service, span.name)).or_default();
            work.calls += 1;
            for step in &self.steps {
                *work.followed.entry(*step).or_default() += 1;
            }
            if let Some((child, last)) = children().rfind(|(child, _)| !trace.is_handed_over(at, *child))
                && last.is_outgoing()
                && let Some(to) = called(trace, child)
            {
                *work.ended_with.entry(to).or_default() += 1;
            }
            if failed(at) && !children().any(|(child, _)| failed(child)) {
                work.failed += 1;
                let here = (span.start, span.evidence);
                work.first_failure = Some(work.first_failure.map_or(here, |known| known.min(here)));
            }
            if !span.is_outgoing() {
                let own = trace.self_nanos(at);
                work.own.add(own);
                work.slowest = work.slowest.max(Some((own, Reverse(span.evidence))));
                continue;
            }
            work.slowest = work.slowest.max(Some((span.nanos, Reverse(span.evidence))));
            let Some(to) = called(trace, at) else { continue };
            let inside = children().find(|(_, child)| child.service == to).map_or(0, |(_, callee)| callee.nanos);
            let lost = span.nanos.saturating_sub(inside);
            let way = self.ways.entry((span.service, to)).or_default();
            way.lost.add(lost);
            way.slowest = way.slowest.max(Some((lost, Reverse(span.evidence))));
        }
    }

    fn finish(self) -> Profile {
        let mut profile = self.profile;
        for &(from, to) in self.ways.keys() {
            profile.callees.entry(from).or_default().insert(to);
        }
        profile.work = self.work.into_iter().collect();
        profile.ways = self.ways.into_iter().collect();
        profile
    }
}

/// Whom an outgoing call reaches and waits for: the service of its child, else the peer it names.
fn called(trace: &Trace<'_>, at: usize) -> Option<Sym> {
    let span = trace.spans.get(at)?;
    let callee = trace.children(at).find(|&child| trace.spans.get(child).is_some_and(|child| child.is_incoming() || child.service != span.service));
    let to = match callee {
        Some(child) if trace.is_handed_over(at, child) => return None,
        Some(child) => trace.spans.get(child)?.service,
        None => span.peer,
    };
    (!to.is_none() && to != span.service).then_some(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::case;

    #[test]
    fn own_time_ways_and_successors() {
        let case = case(
            "t1\n  gw GET /a 0-100\n    > stock GET /s 10-60\n      stock GET /s 20-50 !500\n    . render 70-90\nt2 +1000\n  gw GET /a 0-30\n    > stock GET /s 5-25\n",
        );
        let names = &case.tables.names;
        let sym = |text: &str| names.find(text).unwrap();
        let profile = Profile::of(&case, None, |_| true);
        let home = &profile.work[&(sym("gw"), sym("GET /a"))];
        assert_eq!((home.calls, home.own.sum() / 1_000_000), (2, 30 + 10));
        assert_eq!(home.followed[&(sym("gw"), sym("render"))], 1);
        assert_eq!(profile.work[&(sym("stock"), sym("GET /s"))].failed, 1);
        let way = &profile.ways[&(sym("gw"), sym("stock"))];
        assert_eq!((way.lost.count(), way.lost.sum() / 1_000_000, way.slowest.map(|(nanos, _)| nanos / 1_000_000)), (2, 20 + 20, Some(20)));
        assert_eq!((profile.entries, profile.nanos / 1_000_000), (2, 130));
        assert_eq!(profile.reached(sym("gw")).into_iter().collect::<Vec<_>>(), [sym("stock")]);
    }
}
