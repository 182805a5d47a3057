//! The tree of one trace: its shape, its critical path, and who took work over where. Walked without recursion.
//!
//! What this file does not do: find the parents, which is `forest.rs`, or say who calls whom, which is `calls.rs`.

use crate::correlate::forest::NOBODY;
use crate::model::record::SpanKind;
use crate::model::tables::Span;
use crate::model::time::Time;
use std::cmp::Reverse;

/// The spans of one trace as a tree. Spans are named by their index, in order of start.
#[derive(Clone, Copy, Debug)]
pub struct Trace<'a> {
    /// The spans, ordered by start.
    pub spans: &'a [Span],
    /// Who each one's parent is.
    pub(super) parents: &'a [u32],
    /// The children of the first span, then those of the second; `NOBODY` to the end, since roots are nobody's.
    pub(super) children: &'a [u32],
    /// Where each one's children begin.
    pub(super) first_child: &'a [u32],
    /// Parents before their children.
    pub(super) order: &'a [u32],
    /// Nanoseconds to add to the times of each; empty if clocks agree.
    pub(super) shifts: &'a [i64],
}

impl<'a> Trace<'a> {
    /// The parent of a span, if it is in the trace.
    #[must_use]
    pub fn parent(&self, at: usize) -> Option<usize> {
        self.parents.get(at).filter(|&&parent| parent != NOBODY).map(|&parent| parent as usize)
    }

    /// The children of a span, in order of start.
    pub fn children(&self, at: usize) -> impl DoubleEndedIterator<Item = usize> + 'a {
        let listed = match (self.first_child.get(at), self.first_child.get(at + 1)) {
            (Some(&from), Some(&to)) => self.children.get(from as usize..to as usize),
            (Some(&from), None) => self.children.get(from as usize..).map(|rest| &rest[..rest.partition_point(|&child| child != NOBODY)]),
            _ => None,
        };
        listed.unwrap_or_default().iter().map(|&child| child as usize)
    }

    /// Every span, parents before their children.
    pub fn order(&self) -> impl DoubleEndedIterator<Item = usize> + 'a {
        self.order.iter().map(|&at| at as usize)
    }

    /// Spans where work enters the system: those without a parent, and consumers, which their producer does not wait for.
    pub fn entries(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.spans.len()).filter(|&at| self.parent(at).is_none_or(|parent| self.is_handed_over(parent, at)))
    }

    /// When a span began by the clock of the trace's root: hosts whose clocks differ are compared by this.
    #[must_use]
    pub fn began(&self, at: usize) -> Time {
        let shift = self.shifts.get(at).copied().unwrap_or(0);
        self.spans.get(at).map_or(Time::NONE, |span| if span.start.is_none() { Time::NONE } else { span.start.plus(shift) })
    }

    /// Start in nanoseconds by the clock of the trace's root.
    #[must_use]
    pub fn start(&self, at: usize) -> i64 {
        self.began(at).0
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::calls::Place;
    use crate::correlate::fixture::{case, given};
    use crate::correlate::forest::Forest;
    use crate::model::ids::SpanId;
    use std::collections::BTreeMap;

    const SLOW: &str = "
t1
  gw GET /checkout 0-3050
    > orders GET /orders 10-3040
      orders GET /orders 15-3035
        > inventory GET /stock 30-3020
          inventory GET /stock 35-3015
            > inventory-db SELECT stock 40-140 system=postgresql
";

    /// Milliseconds on the critical path by who holds them and where.
    fn held(text: &str) -> BTreeMap<(String, Place), u64> {
        let case = case(text);
        let trace = case.trace(case.tables.spans.first().unwrap().trace);
        let holders = case.context.peers.holders(&trace, &case.context.peers.calls(&trace));
        let mut held = BTreeMap::new();
        for root in trace.entries().filter(|&at| trace.parent(at).is_none()) {
            for (at, nanos) in trace.critical_path(root) {
                *held.entry((holders[at].party.text(&case.tables.names), holders[at].place)).or_default() += nanos / 1_000_000;
            }
        }
        held
    }

    fn of(parts: &[(&str, Place, u64)]) -> BTreeMap<(String, Place), u64> {
        parts.iter().map(|(name, place, ms)| (((*name).to_owned(), *place), *ms)).collect()
    }

    #[test]
    fn self_times_name_who_was_at_work() {
        let want = [
            ("inventory", Place::Work, 2880),
            ("inventory", Place::Between, 10),
            ("inventory-db (postgresql)", Place::Remote, 100),
            ("orders", Place::Work, 30),
            ("orders", Place::Between, 10),
            ("gw", Place::Work, 20),
        ];
        assert_eq!(held(SLOW), of(&want));
    }

    #[test]
    fn parallel_children_count_once() {
        let text = "
t1
  gw GET / 0-100
    > a GET /a 10-90
    > b GET /b 10-50
    > c GET /c 5-12
";
        assert_eq!(held(text), of(&[("a", Place::Remote, 80), ("c", Place::Remote, 5), ("gw", Place::Work, 15)]));
    }

    #[test]
    fn a_caller_does_not_wait_for_consumers() {
        let text = "
t1
  web POST /orders 0-20
    >> kafka orders 10-13 system=kafka
      << mailer orders 12-5000
";
        let held = held(text);
        assert_eq!(held.values().sum::<u64>(), 20);
        assert!(!held.keys().any(|(name, place)| name == "mailer" && *place == Place::Work));
    }

    #[test]
    fn a_pool_is_waited_for() {
        let text = "
t1
  orders GET /x 0-1500
    . HikariDataSource.getConnection 0-1400
    > db SELECT x 1400-1490 system=postgresql
";
        assert_eq!(held(text), of(&[("orders", Place::Pool, 1400), ("db (postgresql)", Place::Remote, 90), ("orders", Place::Work, 10)]));
    }

    #[test]
    fn shared_ids_are_client_and_server() {
        let mut tables = given("\nt1\n  web GET / 0-100 id=1\n    > api GET /x 10-90 id=7\n    api GET /x 12-88 id=7\n      . work 20-80\n");
        let inner = *tables.spans.last().unwrap();
        tables.spans.retain(|span| span.id != inner.id);
        tables.spans.push(Span { parent: SpanId(7), ..inner });
        let case = crate::correlate::gather::gather(tables);
        let trace = case.trace(case.tables.spans[0].trace);
        let kinds: Vec<_> = (0..4).map(|at| trace.parent(at).map(|parent| trace.spans[parent].kind)).collect();
        assert_eq!(kinds, [None, Some(SpanKind::Server), Some(SpanKind::Client), Some(SpanKind::Server)]);
        assert_eq!(case.context.forest.orphans, 0);
    }

    #[test]
    fn missing_parents_cycles_and_crowds_end() {
        let mut tables = given("\nt1\n  ? a GET / 0-9\n  b GET / 0-9 id=5\n    . x 1-2 id=6\n  c GET / 3-4 id=9\n");
        tables.spans[1].parent = SpanId(6);
        tables.spans[3].parent = SpanId(9);
        for n in 0..20_000 {
            tables.spans.push(Span { id: SpanId(1000 + n), parent: SpanId(6), ..tables.spans[2] });
        }
        for n in 0..20_000 {
            tables.spans.push(Span { id: SpanId(100_000 + n), parent: SpanId(100_000 + n - 1), ..tables.spans[2] });
        }
        tables.spans.sort_by_key(|span| span.start);
        let forest = Forest::of(&tables.spans);
        let trace = forest.trace(&tables.spans, 0..tables.spans.len());
        assert_eq!(trace.order().count(), tables.spans.len());
        assert_eq!(forest.orphans, 3, "one names a lost parent, one itself, one the span before the first");
        let total: u64 = trace.entries().flat_map(|root| trace.critical_path(root)).map(|(_, nanos)| nanos).sum();
        assert!(total > 0);
    }

    #[test]
    fn clocks_that_disagree_are_shifted() {
        let shape =
            |n: u32| format!("  web GET / 0-100\n    > api GET /x 10-90\n      api GET /x {}-{}\n        . work 5020-5080", 5012 + n % 2, 5088);
        let case = case(&crate::correlate::fixture::many(0..10, 1000, shape));
        let offsets: Vec<i64> = case.context.clocks.offsets().map(|(_, _, nanos)| nanos / 1_000_000).collect();
        assert_eq!(offsets, [5000]);
        let trace = case.trace(case.tables.spans[0].trace);
        let inside = (0..4).filter(|&at| trace.start(at) >= trace.start(0) && trace.end(at) <= trace.end(0)).count();
        assert_eq!((trace.spans.len(), inside), (4, 4));
    }
}
