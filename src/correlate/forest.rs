//! The trees of all traces of a bundle, found once and kept side by side: every detector walks them.
//!
//! Real traces lack parents, repeat ids (a server span of Zipkin shares its client's), hold cycles in broken exports and
//! thousands of children under one parent. Trees are built without recursion; whatever has no parent in its trace is a root
//! of it. A tree takes sixteen bytes a span.
//!
//! What this file does not do: walk a tree; that is `trace.rs`.

use crate::correlate::clock::Clocks;
use crate::correlate::trace::Trace;
use crate::model::ids::SpanId;
use crate::model::tables::Span;
use rayon::prelude::*;
use std::ops::Range;

/// In place of a span's index: none.
pub(super) const NOBODY: u32 = u32::MAX;

/// Spans that one worker takes at once: many small traces, or one large one.
const GRAIN: usize = 2048;

/// The trees over spans that are ordered by trace and start. Spans are named by their index in their trace; the columns are
/// as long as the table of spans.
#[derive(Clone, Debug, Default)]
pub struct Forest {
    /// How many spans name a parent that is not there.
    pub orphans: u64,
    parents: Vec<u32>,
    children: Vec<u32>,
    first_child: Vec<u32>,
    order: Vec<u32>,
    shifts: Vec<i64>,
}

/// Memory that the trees of a worker are built in, one after another.
#[derive(Default)]
struct Scratch {
    by_id: Vec<(SpanId, u32)>,
    next: Vec<u32>,
}

impl Forest {
    /// Builds all trees.
    #[must_use]
    pub fn of(spans: &[Span]) -> Self {
        let grow = |range: Range<usize>| {
            let (mut part, mut scratch) = (Self::default(), Scratch::default());
            for trace in spans.get(range).unwrap_or_default().chunk_by(|a, b| a.trace == b.trace) {
                part.grow(trace, &mut scratch);
            }
            part
        };
        let parts: Vec<Self> = lots(spans).map(grow).collect();
        let mut all = Self::default();
        for column in [&mut all.parents, &mut all.children, &mut all.first_child, &mut all.order] {
            column.reserve_exact(spans.len());
        }
        for part in parts {
            all.orphans += part.orphans;
            all.parents.extend(part.parents);
            all.children.extend(part.children);
            all.first_child.extend(part.first_child);
            all.order.extend(part.order);
        }
        all
    }

    /// Notes by how much the times of each span are to be moved, so that those of one trace are by one clock.
    pub(super) fn set_clocks(&mut self, spans: &[Span], clocks: &Clocks) {
        if clocks.agree() {
            return;
        }
        let shifts: Vec<Vec<i64>> =
            lots(spans).map(|lot| traces_of(spans, lot).flat_map(|range| shifts(&self.trace(spans, range), clocks)).collect()).collect();
        self.shifts = shifts.concat();
    }

    /// The tree of the trace whose spans stand in this range.
    #[must_use]
    pub fn trace<'a>(&'a self, spans: &'a [Span], range: Range<usize>) -> Trace<'a> {
        Trace {
            spans: spans.get(range.clone()).unwrap_or_default(),
            parents: self.parents.get(range.clone()).unwrap_or_default(),
            children: self.children.get(range.clone()).unwrap_or_default(),
            first_child: self.first_child.get(range.clone()).unwrap_or_default(),
            order: self.order.get(range.clone()).unwrap_or_default(),
            shifts: self.shifts.get(range).unwrap_or_default(),
        }
    }

    /// Every trace as a tree, in parallel; spans of no trace are left out.
    pub(super) fn traces<'a>(&'a self, spans: &'a [Span]) -> impl ParallelIterator<Item = Trace<'a>> {
        let is_known = |range: &Range<usize>| spans.get(range.start).is_some_and(|span| !span.trace.is_none());
        lots(spans).flat_map_iter(move |lot| traces_of(spans, lot).filter(is_known).map(|range| self.trace(spans, range)))
    }

    /// Adds the tree of one trace.
    fn grow(&mut self, spans: &[Span], scratch: &mut Scratch) {
        let from = self.parents.len();
        let orphans = find_parents(spans, &mut scratch.by_id, &mut self.parents);
        // Spans without a trace stand together but are none: their parents were never to be found there.
        if spans.first().is_some_and(|span| !span.trace.is_none()) {
            self.orphans += orphans;
        }
        let parents = self.parents.get_mut(from..).unwrap_or_default();
        cut_cycles(parents);
        list_children(parents, &mut scratch.next, &mut self.first_child, &mut self.children);
        let end = from + spans.len();
        let roots = Trace { spans, parents, children: &self.children[from..], first_child: &self.first_child[from..], order: &[], shifts: &[] };
        downwards(&roots, &mut scratch.next, &mut self.order);
        debug_assert_eq!((self.children.len(), self.first_child.len(), self.order.len()), (end, end, end));
    }
}

/// Ranges of spans that a worker takes at once: whole traces.
fn lots(spans: &[Span]) -> impl IndexedParallelIterator<Item = Range<usize>> {
    // The border is the end of the trace that the cut falls into. Found by halves: a trace may be larger than many lots.
    let border = |cut: usize| match spans.get(cut.wrapping_sub(1)) {
        Some(last) => cut + spans.get(cut..).map_or(0, |rest| rest.partition_point(|span| span.trace <= last.trace)),
        None => cut.min(spans.len()),
    };
    (0..spans.len().div_ceil(GRAIN)).into_par_iter().map(move |lot| border(lot * GRAIN)..border((lot + 1) * GRAIN))
}

/// The ranges of the traces within a range.
fn traces_of(spans: &[Span], range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut from = range.start;
    spans.get(range).unwrap_or_default().chunk_by(|a, b| a.trace == b.trace).map(move |trace| {
        let start = from;
        from += trace.len();
        start..from
    })
}

/// Appends the parent of every span; says how many name one that is not there.
fn find_parents(spans: &[Span], by_id: &mut Vec<(SpanId, u32)>, parents: &mut Vec<u32>) -> u64 {
    by_id.clear();
    by_id.extend(spans.iter().zip(0_u32..).map(|(span, at)| (span.id, at)));
    by_id.sort_unstable();
    let with_id = |id: SpanId| {
        let from = by_id.partition_point(|&(other, _)| other < id);
        by_id.get(from..).unwrap_or_default().iter().take_while(move |&&(other, _)| other == id).map(|&(_, at)| at)
    };
    let mut orphans = 0;
    for (span, at) in spans.iter().zip(0_u32..) {
        let other = |candidate: &u32| *candidate != at;
        let kept = |candidate: u32| spans.get(candidate as usize);
        // A span that shares its caller's id is its caller's child, whatever parent it names.
        let shared = if span.is_incoming() && !span.id.is_none() {
            with_id(span.id).filter(other).find(|&candidate| kept(candidate).is_some_and(Span::is_outgoing))
        } else {
            None
        };
        let named = if span.parent.is_none() || shared.is_some() {
            None
        } else {
            // Of two spans with the parent's id a call arrives from the outgoing one, inner work belongs to its own service.
            with_id(span.parent).filter(other).min_by_key(|&candidate| {
                kept(candidate).map(|parent| (parent.service != span.service, parent.is_outgoing() != span.is_incoming(), candidate))
            })
        };
        let found = shared.or(named);
        if found.is_none() && !span.parent.is_none() {
            orphans += 1;
        }
        parents.push(found.unwrap_or(NOBODY));
    }
    orphans
}

/// Makes one span of every cycle a root: the one that started first.
fn cut_cycles(parents: &mut [u32]) {
    // Where every parent stands before its child, as it does if clocks agree, there is no cycle.
    if parents.iter().zip(0_u32..).all(|(&parent, at)| parent < at || parent == NOBODY) {
        return;
    }
    const FRESH: u32 = 0;
    let mut walked = vec![FRESH; parents.len()];
    for start in 0..parents.len() as u32 {
        let walk = start + 1;
        let mut at = start;
        while let Some(mark) = walked.get_mut(at as usize).filter(|mark| **mark == FRESH) {
            *mark = walk;
            at = parents.get(at as usize).copied().unwrap_or(NOBODY);
        }
        if walked.get(at as usize) != Some(&walk) {
            continue;
        }
        let (mut least, mut next) = (at, parents.get(at as usize).copied().unwrap_or(NOBODY));
        while next != at && next != NOBODY {
            least = least.min(next);
            next = parents.get(next as usize).copied().unwrap_or(NOBODY);
        }
        if let Some(slot) = parents.get_mut(least as usize) {
            *slot = NOBODY;
        }
    }
}

/// Appends for every span where its children begin in the list, and the list, filled up to the number of spans.
fn list_children(parents: &[u32], next: &mut Vec<u32>, first_child: &mut Vec<u32>, children: &mut Vec<u32>) {
    next.clear();
    next.resize(parents.len(), 0);
    for &parent in parents.iter().filter(|&&parent| parent != NOBODY) {
        if let Some(count) = next.get_mut(parent as usize) {
            *count += 1;
        }
    }
    let mut sum = 0;
    for slot in next.iter_mut() {
        let count = *slot;
        *slot = sum;
        sum += count;
    }
    first_child.extend_from_slice(next);
    let from = children.len();
    children.resize(from + parents.len(), NOBODY);
    let list = children.get_mut(from..).unwrap_or_default();
    for (&parent, at) in parents.iter().zip(0_u32..) {
        let Some(slot) = next.get_mut(parent as usize).filter(|_| parent != NOBODY) else { continue };
        if let Some(child) = list.get_mut(*slot as usize) {
            *child = at;
        }
        *slot += 1;
    }
}

/// Appends every span, parents before their children.
fn downwards(trace: &Trace<'_>, open: &mut Vec<u32>, order: &mut Vec<u32>) {
    open.clear();
    open.extend((0..trace.parents.len() as u32).rev().filter(|&at| trace.parent(at as usize).is_none()));
    while let Some(at) = open.pop() {
        order.push(at);
        open.extend(trace.children(at as usize).rev().map(|child| child as u32));
    }
}

fn shifts(trace: &Trace<'_>, clocks: &Clocks) -> Vec<i64> {
    let mut shifts = vec![0_i64; trace.spans.len()];
    for at in trace.order() {
        let Some(parent) = trace.parent(at) else { continue };
        if let (Some(caller), Some(callee)) = (trace.spans.get(parent), trace.spans.get(at)) {
            let above = shifts.get(parent).copied().unwrap_or(0);
            if let Some(slot) = shifts.get_mut(at) {
                *slot = above.saturating_sub(clocks.offset(caller, callee));
            }
        }
    }
    shifts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::{given, many};
    use crate::model::ids::TraceId;

    #[test]
    fn every_trace_is_visited_once_and_whole() {
        let mut tables = given(&many(0..900, 10, |n| {
            let inner = "      . work 2-3\n".repeat(n as usize % 7);
            format!("  web GET / 0-100\n    > api GET /x 1-90\n{inner}")
        }));
        tables.spans.sort_by_key(|span| (span.trace, span.start));
        for (nameless, large) in [(0, 0), (3, 0), (2500, 0), (0, 5000)] {
            let mut spans = tables.spans.clone();
            spans.iter_mut().take(nameless).for_each(|span| (span.trace, span.parent) = (TraceId::NONE, SpanId(77)));
            if let Some(last) = spans.last().copied() {
                spans.extend(std::iter::repeat_n(last, large));
            }
            let forest = Forest::of(&spans);
            let mut seen: Vec<(TraceId, usize, usize)> =
                forest.traces(&spans).map(|trace| (trace.spans[0].trace, trace.spans.len(), trace.order().count())).collect();
            seen.sort_unstable();
            let first = spans.partition_point(|span| span.trace.is_none());
            assert_eq!(forest.orphans, Forest::of(&spans[first..]).orphans, "parents of spans without a trace are not looked for");
            let want: Vec<(TraceId, usize, usize)> =
                spans[first..].chunk_by(|a, b| a.trace == b.trace).map(|trace| (trace[0].trace, trace.len(), trace.len())).collect();
            assert_eq!(seen, want);
        }
    }
}
