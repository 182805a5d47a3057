//! What users would have waited had one edge of the call graph taken no time.
//!
//! ```text
//! POST /checkout   p99 4.1 s    orders -> inventory holds 3.5 s of the critical path    without it p99 0.6 s
//! ```
//!
//! What an edge holds is what its calls hold of the critical path with all that happens below them: the callee's own work is
//! part of the wait. Calls that nobody waits for hold nothing. What this file does not do: say that the edge is to blame; the
//! longest wait may lie below it.

use crate::correlate::Case;
use crate::correlate::calls::Party;
use crate::correlate::trace::Trace;
use crate::model::names::Sym;
use crate::model::sketch::Sketch;
use crate::model::source::Evidence;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Room for so many edges of a trace is kept for the next; emptying more would take longer than making it anew.
const ROOM: usize = 512;

/// Requests of one operation that a comparison of their slowest needs.
const LEAST_REQUESTS: u64 = 20;

/// An edge of the call graph: who calls whom.
pub type Edge = (Sym, Party);

/// What an edge means to one operation that users call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhatIf {
    /// The service that users call, and the operation.
    pub entry: (Sym, Sym),
    /// The edge.
    pub edge: Edge,
    /// Requests of the operation.
    pub requests: u64,
    /// Those of them whose critical path ran over the edge.
    pub waited: u64,
    /// 99th percentile of the requests' length in nanoseconds.
    pub p99: u64,
    /// What it would be.
    pub p99_without: u64,
    /// The call that held most of a request.
    pub longest: Evidence,
}

impl WhatIf {
    /// Nanoseconds that the 99th percentile would fall by.
    #[must_use]
    pub const fn gain(&self) -> u64 {
        self.p99.saturating_sub(self.p99_without)
    }
}

/// The call that held most, and how much; of equals the first.
type Longest = Option<(u64, Reverse<Evidence>)>;

/// The requests of one operation that waited for an edge.
#[derive(Clone, Debug, Default)]
struct Waited {
    whole: Sketch,
    rest: Sketch,
    longest: Longest,
}

#[derive(Clone, Debug, Default)]
struct Part {
    requests: HashMap<(Sym, Sym), Sketch, FixedState>,
    waited: HashMap<((Sym, Sym), Edge), Waited, FixedState>,
}

/// Memory that a worker uses for one trace after another.
#[derive(Default)]
struct Scratch {
    /// What each edge holds of each entry, and its longest call.
    found: HashMap<(usize, Edge), (u64, Longest), FixedState>,
    /// How many calls of the way to the span that is looked at go over each edge.
    open: HashMap<(usize, Edge), u32, FixedState>,
    /// The way from the root to the span that is looked at.
    way: Vec<usize>,
    /// Which edge each span is a call over, and for which entry.
    edges: Vec<Option<(usize, Edge)>>,
}

/// What every edge means to every operation that users call often enough. Ordered by operation and edge.
#[must_use]
pub fn what_if(case: &Case) -> Vec<WhatIf> {
    let add = |(mut part, mut scratch): (Part, Scratch), trace: Trace<'_>| {
        part.add(case, &trace, &mut scratch);
        (part, scratch)
    };
    let all = case.traces().fold(Default::default, add).map(|(part, _)| part).reduce(Part::default, Part::merge);
    let mut found = Vec::new();
    let in_order: BTreeMap<((Sym, Sym), Edge), Waited> = all.waited.into_iter().collect();
    for ((entry, edge), waited) in in_order {
        let Some(requests) = all.requests.get(&entry).filter(|requests| requests.count() >= LEAST_REQUESTS) else { continue };
        let Some((_, Reverse(longest))) = waited.longest else { continue };
        let mut without = requests.clone();
        without.take_out(&waited.whole);
        without.merge(&waited.rest);
        found.push(WhatIf {
            entry,
            edge,
            requests: requests.count(),
            waited: waited.whole.count(),
            p99: requests.p99(),
            p99_without: without.p99(),
            longest,
        });
    }
    found
}

impl Part {
    fn add(&mut self, case: &Case, trace: &Trace<'_>, scratch: &mut Scratch) {
        let (entries, held) = held(trace);
        let entry_of = |entry: usize| trace.spans.get(entry).map(|span| (span.service, span.operation.or(span.name)));
        for entry in trace.entries() {
            let (Some(key), Some(&whole)) = (entry_of(entry), held.get(entry)) else { continue };
            self.requests.entry(key).or_default().add(whole);
        }
        scratch.by_edge(case, trace, &entries, &held);
        for (&(entry, edge), &(nanos, longest)) in &scratch.found {
            let (Some(key), Some(&whole)) = (entry_of(entry), held.get(entry)) else { continue };
            let waited = self.waited.entry((key, edge)).or_default();
            waited.whole.add(whole);
            waited.rest.add(whole.saturating_sub(nanos));
            waited.longest = waited.longest.max(longest);
        }
    }

    fn merge(mut self, other: Self) -> Self {
        other.requests.into_iter().for_each(|(key, sketch)| self.requests.entry(key).or_default().merge(&sketch));
        for (key, theirs) in other.waited {
            let mine = self.waited.entry(key).or_default();
            mine.whole.merge(&theirs.whole);
            mine.rest.merge(&theirs.rest);
            mine.longest = mine.longest.max(theirs.longest);
        }
        self
    }
}

/// For every span the entry it was at work for, and the nanoseconds of that entry's critical path that it holds together
/// with everything below it. The critical paths of a trace share no span: a consumer is an entry, and nobody waits for it.
fn held(trace: &Trace<'_>) -> (Vec<usize>, Vec<u64>) {
    let mut held = vec![0_u64; trace.spans.len()];
    let mut entries: Vec<usize> = (0..trace.spans.len()).collect();
    let above = |at: usize| trace.parent(at).filter(|&parent| !trace.is_handed_over(parent, at));
    for at in trace.order() {
        match above(at).and_then(|parent| entries.get(parent).copied()) {
            Some(entry) => entries[at] = entry,
            None => trace.critical_path(at).into_iter().for_each(|(at, nanos)| held[at] = nanos),
        }
    }
    for at in trace.order().rev() {
        if let Some(parent) = above(at) {
            held[parent] = held[parent].saturating_add(held[at]);
        }
    }
    (entries, held)
}

impl Scratch {
    /// Finds what each edge holds of each entry, and its longest call. Of calls over one edge within each other the outermost
    /// counts: whoever waits for it waits for the others.
    fn by_edge(&mut self, case: &Case, trace: &Trace<'_>, entries: &[usize], held: &[u64]) {
        if self.found.capacity().max(self.open.capacity()) > ROOM {
            *self = Self::default();
        }
        let Self { found, open, way, edges } = self;
        found.clear();
        open.clear();
        way.clear();
        edges.clear();
        edges.resize(trace.spans.len(), None);
        for call in case.context.peers.calls(trace).iter().filter(|call| !call.is_async) {
            if let (Some(slot), Some(&entry)) = (edges.get_mut(call.span), entries.get(call.span)) {
                *slot = Some((entry, (call.from, call.to)));
            }
        }
        for at in trace.order() {
            while let Some(left) = way.pop_if(|last| trace.parent(at) != Some(*last)) {
                if let Some(count) = edges[left].and_then(|edge| open.get_mut(&edge)) {
                    *count -= 1;
                }
            }
            way.push(at);
            let Some(edge) = edges[at] else { continue };
            let count = open.entry(edge).or_default();
            *count += 1;
            if *count == 1 && held[at] > 0 {
                let (nanos, longest) = found.entry(edge).or_default();
                *nanos = nanos.saturating_add(held[at]);
                *longest = (*longest).max(Some((held[at], Reverse(trace.spans[at].evidence))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::{case, many};

    /// Operation, edge, requests that waited, p99 and p99 without it in milliseconds.
    fn told(text: &str) -> Vec<(String, String, u64, u64, u64)> {
        let case = case(text);
        let names = &case.tables.names;
        let ms = |nanos: u64| nanos / 1_000_000;
        let row = |w: WhatIf| {
            let edge = format!("{} -> {}", names.get(w.edge.0), w.edge.1.text(names));
            (format!("{} {}", names.get(w.entry.0), names.get(w.entry.1)), edge, w.waited, ms(w.p99), ms(w.p99_without))
        };
        what_if(&case).into_iter().map(row).collect()
    }

    #[test]
    fn the_slow_edge_is_worth_most_and_parallel_ones_nothing() {
        let text = many(0..40, 10_000, |n| {
            let slow = if n % 4 == 0 { 3000 } else { 40 };
            let end = slow + 20;
            format!(
                "  gw GET /a 0-{}\n    > orders GET /o 10-{}\n      orders GET /o 10-{}\n        > stock GET /s 20-{end}\n        > price GET /p 20-55\n",
                end + 20,
                end + 10,
                end + 10
            )
        });
        let told = told(&text);
        let of = |edge: &str| told.iter().find(|row| row.1 == edge).map(|row| (row.2, row.3, row.4));
        assert_eq!(of("gw -> orders"), Some((40, 3040, 20)));
        assert_eq!(of("orders -> stock"), Some((40, 3040, 40)));
        assert_eq!(of("orders -> price"), None, "nobody waits for it: {told:?}");
    }

    #[test]
    fn a_service_that_calls_itself_again_is_waited_for_once() {
        let shape = "  gw GET /a 0-100\n    > orders GET /o 10-90\n      orders GET /o 10-90\n        > orders GET /o 20-60\n          orders GET /o 20-60\n            > orders GET /o 30-50\n              orders GET /o 30-50\n        > orders GET /o 60-85\n          orders GET /o 60-85\n";
        let told = told(&many(0..40, 10_000, |_| shape.to_owned()));
        let of = |edge: &str| told.iter().find(|row| row.1 == edge).map(|row| (row.3, row.4));
        assert_eq!(of("gw -> orders"), Some((100, 20)));
        assert_eq!(of("orders -> orders"), Some((100, 35)), "40 ms and 25 ms, and not those within them again");
    }

    #[test]
    fn few_requests_say_nothing_and_messages_are_not_waited_for() {
        let text = |count: u32| {
            many(0..count, 10_000, |_| "  web POST /o 0-20\n    >> kafka orders 10-13 system=kafka\n      << mailer orders 12-5000\n".to_owned())
        };
        assert_eq!(told(&text(19)), []);
        let messages = told(&text(30));
        assert!(messages.iter().all(|row| !row.1.contains("mailer")), "{messages:?}");
    }
}
