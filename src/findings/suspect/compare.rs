//! Two profiles held against each other: what got slower, what no longer follows, what fails.
//!
//! Medians move little when one call in five is slow, and means move with a single outlier. Hence the measure: how many
//! calls are beyond what nearly all calls of the calm time stayed below, by a test of two proportions, and how much time
//! lies beyond.

use super::spelled::{Spelled, Step, Way, Work};
use crate::model::amount::millis;
use crate::model::sketch::Sketch;
use crate::model::source::Evidence;
use std::collections::{BTreeMap, BTreeSet};

/// Calls that a comparison needs, in the calm time and now.
const LEAST_CALM: u64 = 10;
const LEAST_NOW: u64 = 5;

/// Standard deviations that a difference of two proportions needs: among hundreds of comparisons one may reach three by chance.
const Z: f64 = 4.0;

/// Least share of the calls that must be beyond, or miss a step, or fail, more than before.
const LEAST_SHARE: f64 = 0.05;

/// A value is beyond from this multiple of the 95 % quantile of the calm time, and by at least this many nanoseconds.
const BEYOND: f64 = 1.25;
const LEAST_NANOS: u64 = 1_000_000;

/// Something that takes longer.
pub struct Slower {
    /// Nanoseconds beyond what was usual, of all calls together.
    pub added: f64,
    /// The slowest.
    pub evidence: Option<Evidence>,
    what: String,
    before: u64,
    after: u64,
}

impl Slower {
    /// `own time of GET /a: p95 from 3 ms to 480 ms, 92 % of all time added`.
    pub fn because(&self, share: f64) -> String {
        let ms = |nanos: u64| millis(nanos as f64 / 1e6);
        format!("{}: p95 from {} to {}, {:.0} % of all time added", self.what, ms(self.before), ms(self.after), share * 100.0)
    }
}

/// Nanoseconds that calls are beyond what the calm time's calls stayed below; none if that may be chance.
fn beyond(calm: &Sketch, now: &Sketch) -> Option<f64> {
    if calm.count() < LEAST_CALM || now.count() < LEAST_NOW {
        return None;
    }
    // Of few calls the highest quantile is the slowest one, which says nothing about the others.
    let high = if calm.count() < 60 { calm.quantile(900) } else { calm.p95() };
    let limit = ((high as f64 * BEYOND) as u64).max(calm.p50() + LEAST_NANOS);
    let share = |sketch: &Sketch| (sketch.above(limit) as f64, sketch.count() as f64);
    let over = |sketch: &Sketch| -> f64 {
        let beyond = sketch.bins().filter(|(value, _)| *value > limit).map(|(value, count)| (value - limit) as f64 * count as f64);
        beyond.sum()
    };
    if !rises(share(calm), share(now)) {
        return None;
    }
    let scale = now.count() as f64 / calm.count() as f64;
    Some(over(now) - over(calm) * scale).filter(|added| *added > 0.0)
}

/// Whether the share (so many of so many) is higher on the second side than chance explains.
fn rises((few, calm): (f64, f64), (many, now): (f64, f64)) -> bool {
    let (before, after) = (few / calm.max(1.0), many / now.max(1.0));
    // Nothing seen in few calls does not mean never: half a call more on either side.
    let pooled = (few + many + 0.5) / (calm + now + 1.0);
    let spread = (pooled * (1.0 - pooled) * (1.0 / calm.max(1.0) + 1.0 / now.max(1.0))).sqrt();
    after - before >= LEAST_SHARE && (after - before) / spread.max(f64::MIN_POSITIVE) >= Z
}

/// Everything that got slower, with the service to blame for it.
pub fn slower(calm: &Spelled, now: &Spelled) -> Vec<(String, Slower)> {
    let mut found = Vec::new();
    for (step, work) in &now.work {
        let Some(before) = calm.work.get(step) else { continue };
        if let Some(added) = beyond(&before.own, &work.own) {
            let what = format!("own time of {}", step.1);
            let slower = Slower { added, evidence: work.slowest, what, before: before.own.p95(), after: work.own.p95() };
            found.push((step.0.clone(), slower));
        }
    }
    let rising: BTreeMap<&(String, String), f64> =
        now.ways.iter().filter_map(|(ends, way)| Some((ends, beyond(&calm.ways.get(ends)?.lost, &way.lost)?))).collect();
    for (&ends, &added) in &rising {
        let (Some(before), Some(way)) = (calm.ways.get(ends), now.ways.get(ends)) else { continue };
        let share = callers_share(ends, &rising, now);
        let mut blame = |service: &str, share: f64| {
            if share > 0.0 {
                found.push((service.to_owned(), on_the_way(ends, added * share, before, way)));
            }
        };
        blame(&ends.0, share);
        blame(&ends.1, 1.0 - share);
    }
    found
}

fn on_the_way((from, to): &(String, String), added: f64, before: &Way, way: &Way) -> Slower {
    let what = format!("time between {from} and {to} outside of {to}'s own work");
    Slower { added, evidence: way.slowest, what, before: before.lost.p95(), after: way.lost.p95() }
}

/// How much of the time lost between two is the caller's: all if it loses time towards every callee while the callee's other
/// callers lose none; nothing if its other callees answer as before.
fn callers_share(ends: &(String, String), rising: &BTreeMap<&(String, String), f64>, now: &Spelled) -> f64 {
    let (caller, callee) = ends;
    let enough = |way: &Way| way.lost.count() >= LEAST_NOW;
    let others = |side: &dyn Fn(&(String, String)) -> bool| -> (usize, usize) {
        let known: Vec<_> = now.ways.iter().filter(|(other, way)| *other != ends && side(other) && enough(way)).map(|(other, _)| other).collect();
        (known.iter().filter(|other| rising.contains_key(*other)).count(), known.len())
    };
    let (calls_rise, calls) = others(&|other| other.0 == *caller);
    let (callers_rise, callers) = others(&|other| other.1 == *callee);
    let part = |rise: usize, all: usize| if all == 0 { 0.5 } else { rise as f64 / all as f64 };
    // What speaks for the caller: its other calls suffer too. What speaks for the callee: its other callers do.
    let (for_caller, for_callee) = (part(calls_rise, calls), part(callers_rise, callers));
    match (calls, callers) {
        (0, 0) => 0.4,
        (0, _) => 1.0 - for_callee,
        (_, 0) => {
            if for_caller > 0.6 {
                for_caller
            } else {
                0.0
            }
        }
        _ if for_caller == for_callee => 0.4,
        _ => {
            if for_caller > for_callee {
                1.0
            } else {
                0.0
            }
        }
    }
}

/// A step that no longer follows.
pub struct Lost {
    /// In how many calls it is missed.
    pub affected: f64,
    /// The service that was called last where the step is missed, if that is always the same.
    pub after_calling: Option<String>,
    /// A call without it, or the slowest there is.
    pub evidence: Option<Evidence>,
    step: String,
    next: Step,
    before: f64,
    after: f64,
}

impl Lost {
    /// `PlaceOrder was followed by ShipOrder in 100 % of its calls, now in 12 %; it ends after calling stock`.
    pub fn because(&self, suspect: &str) -> String {
        let end = match self.after_calling.as_deref() {
            Some(callee) if callee == suspect => format!("; it ends after calling {callee}"),
            _ => String::new(),
        };
        // Statements have blanks, names of spans hardly ever.
        let next = if self.next.1.contains(' ') { format!("\"{}\"", self.next.1) } else { self.next.1.clone() };
        format!("{} was followed by {next} in {:.0} % of its calls, now in {:.0} %{end}", self.step, self.before * 100.0, self.after * 100.0)
    }
}

/// Of every service the step that is missed most.
pub fn lost(calm: &Spelled, now: &Spelled) -> BTreeMap<String, Lost> {
    let mut worst: BTreeMap<String, Lost> = BTreeMap::new();
    for (step, before) in calm.work.iter().filter(|(_, work)| work.calls >= LEAST_CALM) {
        let Some(work) = now.work.get(step).filter(|work| work.calls >= LEAST_NOW) else { continue };
        for (next, count) in &before.followed {
            let share = |work: &Work, count: u64| (work.calls.saturating_sub(count) as f64, work.calls as f64);
            let after = work.followed.get(next).copied().unwrap_or_else(|| reworded(next, before, work));
            if !rises(share(before, *count), share(work, after)) {
                continue;
            }
            let (was, is) = (*count as f64 / before.calls as f64, after as f64 / work.calls as f64);
            let affected = (was - is) * work.calls as f64;
            if worst.get(&step.0).is_none_or(|known| affected > known.affected) {
                let evidence = work.slowest.or(work.first_failure);
                let after_calling = ended_with(before, work, affected);
                worst.insert(
                    step.0.clone(),
                    Lost { affected, after_calling, evidence, step: step.1.clone(), next: next.clone(), before: was, after: is },
                );
            }
        }
    }
    worst
}

/// How often a statement follows whose template has other words masked than in the calm time: which words vary is known only
/// as far as they did vary in a bundle.
fn reworded(statement: &Step, calm: &Work, now: &Work) -> u64 {
    let is_other = |next: &Step| next.0 == statement.0 && !calm.followed.contains_key(next) && is_same_statement(&next.1, &statement.1);
    now.followed.iter().filter(|(next, _)| is_other(next)).map(|(_, count)| *count).max().unwrap_or(0)
}

/// Whether two masked texts are of one statement: as long, alike wherever neither varies, and alike in at least half of their words.
fn is_same_statement(a: &str, b: &str) -> bool {
    let (mut words, mut alike) = (0, 0);
    let (mut a, mut b) = (a.split_ascii_whitespace(), b.split_ascii_whitespace());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return words > 1 && alike * 2 >= words,
            (Some(one), Some(other)) if one == other => alike += usize::from(one != MASK),
            (Some(one), Some(other)) if one.contains(MASK) || other.contains(MASK) => {}
            _ => return false,
        }
        words += 1;
    }
}

/// What stands for a value in a masked text.
const MASK: &str = "<*>";

/// The service after whose call a step now ends, in at least half of the calls that miss something.
fn ended_with(calm: &Work, now: &Work, affected: f64) -> Option<String> {
    let share = |work: &Work, to: &str| work.ended_with.get(to).copied().unwrap_or(0) as f64 / work.calls.max(1) as f64;
    let more = |to: &String| (share(now, to) - share(calm, to)) * now.calls as f64;
    let most = now.ended_with.keys().max_by(|a, b| more(a).total_cmp(&more(b)).then_with(|| b.cmp(a)))?;
    (more(most) >= affected / 2.0).then(|| most.clone())
}

/// Failures that begin in a service.
pub struct Failing {
    /// How many more than the calm time's rate explains.
    pub more: f64,
    /// The first.
    pub evidence: Option<Evidence>,
    step: String,
    before: f64,
    after: f64,
}

impl Failing {
    /// `Charge fails by itself in 34 % of its calls, before in 0 %`.
    pub fn because(&self) -> String {
        format!("{} fails by itself in {:.1} % of its calls, before in {:.1} %", self.step, self.after * 100.0, self.before * 100.0)
    }
}

/// Of every service the step that fails most. A service that only reports what its callee failed at does not fail by itself.
pub fn failing(calm: &Spelled, now: &Spelled) -> BTreeMap<String, Failing> {
    let mut worst: BTreeMap<String, Failing> = BTreeMap::new();
    let outgoing: BTreeSet<&Step> = now.work.iter().filter(|(_, work)| work.own.count() == 0).map(|(step, _)| step).collect();
    for (step, work) in now.work.iter().filter(|(step, work)| work.calls >= LEAST_NOW && !outgoing.contains(step)) {
        let before = calm.work.get(step).map_or((0.0, LEAST_CALM as f64), |work| (work.failed as f64, work.calls as f64));
        let after = (work.failed as f64, work.calls as f64);
        if !rises(before, after) {
            continue;
        }
        let (was, is) = (before.0 / before.1.max(1.0), after.0 / after.1.max(1.0));
        let more = (is - was) * work.calls as f64;
        if worst.get(&step.0).is_none_or(|known| more > known.more) {
            worst.insert(step.0.clone(), Failing { more, evidence: work.first_failure, step: step.1.clone(), before: was, after: is });
        }
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_known_whatever_of_it_varies() {
        assert!(is_same_statement("order <*> placed by alice", "order <*> placed by <*>"));
        assert!(!is_same_statement("order <*> placed by alice", "order <*> placed by bob"), "neither is known to vary");
        assert!(!is_same_statement("order <*> placed", "order <*> placed twice"));
        assert!(!is_same_statement("<*> <*> done", "read <*> done"), "too little is alike");
        assert!(!is_same_statement("GET", "GET"), "the name of a span");
    }
}
