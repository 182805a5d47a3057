//! How far the clocks of two instances are apart, from calls whose server span does not fit into its client span.
//!
//! If both sides of a call that went well disagree, the middle of the server span minus the middle of the client span is
//! the offset; of many calls the median. Calls that the client gave up do not count: their server rightly ends later.
//!
//! What this file does not do: alter a time. Offsets serve to order spans of different instances and to compare them;
//! rows keep what the clocks said.

use crate::correlate::trace::Trace;
use crate::model::names::Sym;
use crate::model::sketch::Sketch;
use crate::model::tables::Span;
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// Offsets below this are the network's, not the clocks': nanoseconds.
const LEAST: u64 = 50_000_000;

/// A service and its instance.
type Place = (Sym, Sym);

/// Offsets between instances that call each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    offsets: BTreeMap<(Place, Place), i64>,
}

impl Clocks {
    /// Whether no two clocks differ.
    #[must_use]
    pub fn agree(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Nanoseconds by which the callee's clock is ahead of the caller's; zero unless they clearly differ.
    #[must_use]
    pub fn offset(&self, caller: &Span, callee: &Span) -> i64 {
        if self.offsets.is_empty() { 0 } else { self.offsets.get(&(place(caller), place(callee))).copied().unwrap_or(0) }
    }

    /// Every pair of (service, instance) whose clocks differ by more than 50 ms: caller, callee, nanoseconds that the
    /// callee's clock is ahead.
    pub fn offsets(&self) -> impl Iterator<Item = ((Sym, Sym), (Sym, Sym), i64)> + '_ {
        self.offsets.iter().map(|(&(caller, callee), &nanos)| (caller, callee, nanos))
    }
}

/// What the calls between two instances say; merges.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disagreement {
    calls: u64,
    ahead: Sketch,
    behind: Sketch,
}

/// What traces say about clocks; merges.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClockPart(HashMap<(Place, Place), Disagreement>);

impl ClockPart {
    /// Takes in a trace whose clocks are not yet corrected.
    pub(crate) fn add(&mut self, trace: &Trace<'_>) {
        for (at, callee) in trace.spans.iter().enumerate() {
            let Some(caller) = trace.parent(at).and_then(|parent| trace.spans.get(parent)) else { continue };
            let usable = caller.is_outgoing() && callee.is_incoming() && !caller.failed() && callee.nanos <= caller.nanos;
            if !usable || place(caller) == place(callee) || caller.kind == crate::model::record::SpanKind::Producer {
                continue;
            }
            let pair = self.0.entry((place(caller), place(callee))).or_default();
            pair.calls += 1;
            let (early, late) = (callee.start.since(caller.start), callee.end().since(caller.end()));
            if early >= 0 && late <= 0 {
                continue;
            }
            let offset = early / 2 + late / 2;
            if offset >= 0 { &mut pair.ahead } else { &mut pair.behind }.add(offset.unsigned_abs());
        }
    }

    /// Takes in another part.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        if self.0.len() < other.0.len() {
            return other.merge(self);
        }
        for (pair, theirs) in other.0 {
            let mine = self.0.entry(pair).or_default();
            mine.calls += theirs.calls;
            mine.ahead.merge(&theirs.ahead);
            mine.behind.merge(&theirs.behind);
        }
        self
    }

    /// The offsets of those pairs of which most calls disagree by more than the network explains.
    pub(crate) fn finish(self) -> Clocks {
        let offsets = self.0.into_iter().filter_map(|(pair, said)| said.median().map(|nanos| (pair, nanos)));
        Clocks { offsets: offsets.collect() }
    }
}

impl Disagreement {
    fn median(&self) -> Option<i64> {
        let (ahead, behind) = (self.ahead.count(), self.behind.count());
        let rank = (ahead + behind).div_ceil(2);
        let size = if rank > behind { self.ahead.at_rank(rank - behind) } else { self.behind.at_rank(behind - rank + 1) };
        let nanos = i64::try_from(size).ok()?;
        (2 * (ahead + behind) > self.calls && size > LEAST).then_some(if rank > behind { nanos } else { -nanos })
    }
}

fn place(span: &Span) -> Place {
    (span.service, span.instance)
}
