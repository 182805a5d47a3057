//! The tree of one trace, as far as its spans allow.
//!
//! Real traces lack parents, repeat ids (a server span of Zipkin shares its client's), hold cycles in broken exports and
//! thousands of children under one parent. The tree is built and walked without recursion; whatever has no parent in the
//! trace is a root of it.
//!
//! What this file does not do: say who calls whom; that is `calls.rs`.

use crate::correlate::clock::Clocks;
use crate::model::ids::SpanId;
use crate::model::record::SpanKind;
use crate::model::tables::Span;
use std::cmp::Reverse;

const NOBODY: u32 = u32::MAX;

/// The spans of one trace as a tree. Spans are named by their index, in order of start.
#[derive(Clone, Debug)]
pub struct Trace<'a> {
    /// The spans, ordered by start.
    pub spans: &'a [Span],
    /// How many spans name a parent that is not there.
    pub orphans: u64,
    parents: Vec<u32>,
    children: Vec<u32>,
    first_child: Vec<u32>,
    order: Vec<u32>,
    shifts: Vec<i64>,
}

impl<'a> Trace<'a> {
    /// Builds the tree over spans of one trace that are ordered by start.
    #[must_use]
    pub fn of(spans: &'a [Span], clocks: &Clocks) -> Self {
        let (mut parents, orphans) = find_parents(spans);
        cut_cycles(&mut parents);
        let (first_child, children) = list_children(&parents);
        let mut trace = Self { spans, orphans, parents, children, first_child, order: Vec::new(), shifts: Vec::new() };
        trace.order = trace.downwards();
        trace.shifts = trace.find_shifts(clocks);
        trace
    }

    /// The parent of a span, if it is in the trace.
    #[must_use]
    pub fn parent(&self, at: usize) -> Option<usize> {
        self.parents.get(at).filter(|&&parent| parent != NOBODY).map(|&parent| parent as usize)
    }

    /// The children of a span, in order of start.
    pub fn children(&self, at: usize) -> impl DoubleEndedIterator<Item = usize> + '_ {
        let range = match (self.first_child.get(at), self.first_child.get(at + 1)) {
            (Some(&from), Some(&to)) => from as usize..to as usize,
            _ => 0..0,
        };
        self.children.get(range).unwrap_or_default().iter().map(|&child| child as usize)
    }

    /// Every span, parents before their children.
    pub fn order(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        self.order.iter().map(|&at| at as usize)
    }

    /// Spans where work enters the system: those without a parent, and consumers, which their producer does not wait for.
    pub fn entries(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.spans.len()).filter(|&at| self.parent(at).is_none_or(|parent| self.is_handed_over(parent, at)))
    }

    /// Start in nanoseconds by the clock of the trace's root.
    #[must_use]
    pub fn start(&self, at: usize) -> i64 {
        let shift = self.shifts.get(at).copied().unwrap_or(0);
        self.spans.get(at).map_or(0, |span| span.start.plus(shift).0)
    }

    /// End in nanoseconds by the clock of the trace's root.
    #[must_use]
    pub fn end(&self, at: usize) -> i64 {
        let nanos = self.spans.get(at).map_or(0, |span| i64::try_from(span.nanos).unwrap_or(i64::MAX));
        self.start(at).saturating_add(nanos)
    }

    /// Whether the child handles a message the parent sent: nobody waits for it.
    #[must_use]
    pub fn is_handed_over(&self, parent: usize, child: usize) -> bool {
        let kind = |at: usize| self.spans.get(at).map_or(SpanKind::Unspecified, |span| span.kind);
        kind(parent) == SpanKind::Producer && kind(child) == SpanKind::Consumer
    }

    /// Nanoseconds in which none of the span's children was at work.
    #[must_use]
    pub fn self_nanos(&self, at: usize) -> u64 {
        let (mut cursor, end) = (self.start(at), self.end(at));
        let mut own = 0_u64;
        for child in self.children(at) {
            let from = self.start(child).clamp(cursor, end.max(cursor));
            own += from.saturating_sub(cursor).unsigned_abs();
            cursor = self.end(child).clamp(from, end.max(from));
        }
        own + end.saturating_sub(cursor).max(0).unsigned_abs()
    }

    /// Nanoseconds each span under `root` itself holds on the critical path: the chain of work that ended last, walked
    /// backwards from the root's end. The parts sum to the root's length. Spans off the path are not named.
    #[must_use]
    pub fn critical_path(&self, root: usize) -> Vec<(usize, u64)> {
        let mut parts = Vec::new();
        let mut open = vec![(root, self.start(root), self.end(root))];
        let mut latest: Vec<usize> = Vec::new();
        while let Some((at, start, end)) = open.pop() {
            let (mut cursor, mut own) = (end, 0_u64);
            latest.clear();
            latest.extend(self.children(at).filter(|&child| !self.is_handed_over(at, child)));
            latest.sort_unstable_by_key(|&child| (Reverse(self.end(child)), self.start(child), child));
            for &child in &latest {
                let (from, to) = (self.start(child).max(start), self.end(child).min(cursor));
                if from >= to {
                    continue;
                }
                own += (cursor - to).unsigned_abs();
                open.push((child, from, to));
                cursor = from;
            }
            own += (cursor - start).max(0).unsigned_abs();
            if own > 0 {
                parts.push((at, own));
            }
        }
        parts
    }

    /// The span at which each span's service took the work over: itself, if it was called or its parent belongs to
    /// another service; else its parent's.
    #[must_use]
    pub fn local_roots(&self) -> Vec<usize> {
        let mut roots: Vec<usize> = (0..self.spans.len()).collect();
        for at in self.order() {
            let (Some(span), Some(parent)) = (self.spans.get(at), self.parent(at)) else { continue };
            let same = self.spans.get(parent).is_some_and(|parent| parent.service == span.service);
            if same && !span.is_incoming() {
                let root = roots.get(parent).copied().unwrap_or(at);
                if let Some(slot) = roots.get_mut(at) {
                    *slot = root;
                }
            }
        }
        roots
    }

    fn downwards(&self) -> Vec<u32> {
        let mut order = Vec::with_capacity(self.spans.len());
        let mut open: Vec<u32> = (0..self.parents.len() as u32).rev().filter(|&at| self.parent(at as usize).is_none()).collect();
        while let Some(at) = open.pop() {
            order.push(at);
            open.extend(self.children(at as usize).rev().map(|child| child as u32));
        }
        order
    }

    fn find_shifts(&self, clocks: &Clocks) -> Vec<i64> {
        let mut shifts = vec![0_i64; self.spans.len()];
        if *clocks == Clocks::default() {
            return shifts;
        }
        for at in self.order() {
            let Some(parent) = self.parent(at) else { continue };
            if let (Some(caller), Some(callee)) = (self.spans.get(parent), self.spans.get(at)) {
                let above = shifts.get(parent).copied().unwrap_or(0);
                if let Some(slot) = shifts.get_mut(at) {
                    *slot = above.saturating_sub(clocks.offset(caller, callee));
                }
            }
        }
        shifts
    }
}

fn find_parents(spans: &[Span]) -> (Vec<u32>, u64) {
    let mut by_id: Vec<(SpanId, u32)> = spans.iter().zip(0_u32..).map(|(span, at)| (span.id, at)).collect();
    by_id.sort_unstable();
    let with_id = |id: SpanId| {
        let from = by_id.partition_point(|&(other, _)| other < id);
        by_id.get(from..).unwrap_or_default().iter().take_while(move |&&(other, _)| other == id).map(|&(_, at)| at)
    };
    let mut orphans = 0;
    let mut parents = Vec::with_capacity(spans.len());
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
    (parents, orphans)
}

/// Makes one span of every cycle a root: the one that started first.
fn cut_cycles(parents: &mut [u32]) {
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

/// For every span where its children begin in the list, and the list.
fn list_children(parents: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let mut first = vec![0_u32; parents.len() + 1];
    for &parent in parents.iter().filter(|&&parent| parent != NOBODY) {
        if let Some(count) = first.get_mut(parent as usize + 1) {
            *count += 1;
        }
    }
    let mut sum = 0;
    for slot in &mut first {
        sum += *slot;
        *slot = sum;
    }
    let mut next = first.clone();
    let mut children = vec![0_u32; sum as usize];
    for (&parent, at) in parents.iter().zip(0_u32..) {
        let Some(slot) = next.get_mut(parent as usize).filter(|_| parent != NOBODY) else { continue };
        if let Some(child) = children.get_mut(*slot as usize) {
            *child = at;
        }
        *slot += 1;
    }
    (first, children)
}
