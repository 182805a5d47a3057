//! What the work of a service consists of: for each operation it serves, how long it takes and on what it waits.
//!
//! Time is counted along the critical path of each piece of work and given to the call that the service itself made: what a
//! callee does inside is the caller's wait. What remains is the service's own work. What this file does not do: follow the
//! wait into the callee; its anatomy is its own.

use crate::correlate::Case;
use crate::correlate::trace::Trace;
use crate::model::names::Sym;
use crate::model::record::SpanKind;
use crate::model::sketch::Sketch;
use crate::model::source::Evidence;
use crate::model::time::Window;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What a service's work waits on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Part {
    /// Whom it waits for: a service, a database; none for the service's own work.
    pub peer: Sym,
    /// Database or messaging system; none for services and own work.
    pub system: Sym,
    /// What it asks for; none for own work.
    pub operation: Sym,
}

impl Part {
    /// The service's own work.
    pub const OWN: Self = Self { peer: Sym::NONE, system: Sym::NONE, operation: Sym::NONE };
}

/// A part, over many pieces of work.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Calls.
    pub calls: u64,
    /// Nanoseconds on the critical path.
    pub nanos: u64,
}

/// One operation of a service.
#[derive(Clone, Debug, Default)]
pub struct Anatomy {
    /// How long it took, in nanoseconds.
    pub lengths: Sketch,
    /// From the first start to the last end.
    pub window: Window,
    /// What the time went to.
    pub parts: BTreeMap<Part, Spent>,
    /// The slowest ones, the slowest first.
    pub slowest: BTreeSet<(Reverse<u64>, Evidence)>,
}

/// How many of the slowest are kept.
const KEPT: usize = 4;

impl Anatomy {
    /// Mean nanoseconds of a part for one piece of work, and mean calls.
    #[must_use]
    pub fn mean(&self, part: Part) -> (f64, f64) {
        let count = self.lengths.count().max(1) as f64;
        self.parts.get(&part).map_or((0.0, 0.0), |spent| (spent.nanos as f64 / count, spent.calls as f64 / count))
    }

    fn merge(&mut self, other: Self) {
        self.lengths.merge(&other.lengths);
        self.window.join(other.window);
        for (part, spent) in other.parts {
            let mine = self.parts.entry(part).or_default();
            mine.calls += spent.calls;
            mine.nanos = mine.nanos.saturating_add(spent.nanos);
        }
        self.slowest.extend(other.slowest);
        self.trim();
    }

    fn trim(&mut self) {
        while self.slowest.len() > KEPT {
            self.slowest.pop_last();
        }
    }
}

/// By service and operation.
pub type Anatomies = BTreeMap<(Sym, Sym), Anatomy>;

/// The anatomy of everything that services serve, of the pieces of work that `wanted` says.
#[must_use]
pub fn anatomies(case: &Case, wanted: impl Fn(&crate::model::tables::Span) -> bool + Sync) -> Anatomies {
    case.traces()
        .fold(Anatomies::new, |mut all, trace| {
            add(case, &trace, &wanted, &mut all);
            all
        })
        .reduce(Anatomies::new, |mut mine, theirs| {
            theirs.into_iter().for_each(|(key, anatomy)| mine.entry(key).or_default().merge(anatomy));
            mine
        })
}

fn add(case: &Case, trace: &Trace<'_>, wanted: &impl Fn(&crate::model::tables::Span) -> bool, all: &mut Anatomies) {
    let calls = case.context.peers.calls(trace);
    let mut call_of: Vec<Option<usize>> = vec![None; trace.spans.len()];
    calls.iter().enumerate().for_each(|(number, call)| {
        if let Some(slot) = call_of.get_mut(call.span) {
            *slot = Some(number);
        }
    });
    let roots = trace.local_roots();
    let is_root = |at: usize| trace.spans.get(at).is_some_and(|span| matches!(span.kind, SpanKind::Server | SpanKind::Consumer));
    for (at, span) in trace.spans.iter().enumerate().filter(|(at, span)| is_root(*at) && wanted(span)) {
        let anatomy = all.entry((span.service, span.operation.or(span.name))).or_default();
        anatomy.lengths.add(span.nanos);
        anatomy.window.join(span.window());
        anatomy.slowest.insert((Reverse(span.nanos), span.evidence));
        anatomy.trim();
        for (under, nanos) in trace.critical_path(at) {
            let part = waits_on(trace, &roots, &call_of, at, under).and_then(|number| calls.get(number)).map_or(Part::OWN, |call| Part {
                peer: call.to.name,
                system: call.to.system,
                operation: call.operation,
            });
            let spent = anatomy.parts.entry(part).or_default();
            spent.nanos = spent.nanos.saturating_add(nanos);
        }
        for call in calls.iter().filter(|call| call.root == at && !call.is_async) {
            let part = Part { peer: call.to.name, system: call.to.system, operation: call.operation };
            anatomy.parts.entry(part).or_default().calls += 1;
        }
    }
}

/// The call of the root's own service under which a span lies, if any.
fn waits_on(trace: &Trace<'_>, roots: &[usize], call_of: &[Option<usize>], root: usize, under: usize) -> Option<usize> {
    let mut found = None;
    let mut at = under;
    // No deeper than the trace is large: parents have no circles.
    for _ in 0..trace.spans.len() {
        if at == root {
            break;
        }
        if roots.get(at) == Some(&root)
            && let Some(number) = call_of.get(at).copied().flatten()
        {
            found = Some(number);
        }
        at = trace.parent(at)?;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::case;

    #[test]
    fn waits_belong_to_the_call_that_the_service_made() {
        let case = case(
            "t1\n  gw GET /a 0-100\n    > stock GET /s 10-60\n      stock GET /s 20-50\n        > db SELECT 25-45 system=postgresql\n    . render 70-90\n",
        );
        let names = &case.tables.names;
        let sym = |text: &str| names.find(text).unwrap();
        let all = anatomies(&case, |_| true);
        let home = &all[&(sym("gw"), sym("GET /a"))];
        let part =
            |peer: &str| home.parts.iter().find(|(part, _)| names.get(part.peer) == peer).map(|(_, spent)| (spent.calls, spent.nanos / 1_000_000));
        assert_eq!((part("stock"), part("")), (Some((1, 50)), Some((0, 50))));
        let stock = &all[&(sym("stock"), sym("GET /s"))];
        let held: Vec<u64> = stock.parts.values().map(|spent| spent.nanos / 1_000_000).collect();
        assert_eq!(held.iter().sum::<u64>(), 30);
        assert!(stock.parts.keys().any(|part| names.get(part.peer) == "db" && !part.system.is_none()));
    }
}
