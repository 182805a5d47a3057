//! How far the clocks of two instances are apart, from calls whose server span does not fit into its client span.
//!
//! If both sides of a call that went well disagree, the middle of the server span minus the middle of the client span is
//! the offset; of many calls the median. Calls that the client gave up do not count: their server rightly ends later.
//!
//! Which clock is wrong is told by most of those that are known to agree or to differ: the median of them is right.
//!
//! What this file does not do: alter a time. Offsets serve to order spans of different instances and to compare them;
//! rows keep what the clocks said.

use crate::correlate::trace::Trace;
use crate::model::names::Sym;
use crate::model::sketch::Sketch;
use crate::model::tables::Span;
use crate::model::time::Time;
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};

/// Offsets below this are the network's, not the clocks': nanoseconds.
const LEAST: u64 = 50_000_000;

/// A service and its instance.
type Place = (Sym, Sym);

/// Offsets between instances that call each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    offsets: BTreeMap<(Place, Place), i64>,
    /// Who is how far ahead of most; an instance that is not named stands for all of its service.
    ahead: BTreeMap<Place, i64>,
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

    /// When something was told, by the clock of most: what this service and instance stamped, less what it is ahead.
    #[must_use]
    pub fn settled(&self, service: Sym, instance: Sym, time: Time) -> Time {
        let ahead = self.ahead.get(&(service, instance)).or_else(|| self.ahead.get(&(service, Sym::NONE)));
        ahead.map_or(time, |ahead| time.plus(-ahead))
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
        let known: BTreeMap<(Place, Place), i64> = self.0.into_iter().map(|(pair, said)| (pair, said.median().unwrap_or(0))).collect();
        let ahead = if known.values().all(|&nanos| nanos == 0) { BTreeMap::new() } else { ahead(&known) };
        Clocks { offsets: known.into_iter().filter(|(_, nanos)| *nanos != 0).collect(), ahead }
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

/// How far each clock is ahead of the median of those that it can be compared with, directly or by way of others.
fn ahead(known: &BTreeMap<(Place, Place), i64>) -> BTreeMap<Place, i64> {
    let mut links: BTreeMap<Place, Vec<(Place, i64)>> = BTreeMap::new();
    for (&(caller, callee), &nanos) in known {
        links.entry(caller).or_default().push((callee, nanos));
        links.entry(callee).or_default().push((caller, -nanos));
    }
    let mut seen: BTreeMap<Place, i64> = BTreeMap::new();
    for &first in links.keys() {
        if seen.contains_key(&first) {
            continue;
        }
        let mut open = vec![(first, 0_i64)];
        let mut compared: Vec<(i64, Place)> = Vec::new();
        while let Some((at, nanos)) = open.pop() {
            if seen.insert(at, nanos).is_some() {
                continue;
            }
            compared.push((nanos, at));
            let next = links.get(&at).into_iter().flatten().filter(|(other, _)| !seen.contains_key(other));
            open.extend(next.map(|&(other, more)| (other, nanos.saturating_add(more))));
        }
        compared.sort_unstable();
        let Some(&(median, _)) = compared.get((compared.len() - 1) / 2) else { continue };
        seen.extend(compared.iter().map(|&(nanos, at)| (at, nanos.saturating_sub(median))));
    }
    let mut of_service: BTreeMap<Sym, BTreeSet<i64>> = BTreeMap::new();
    for (&(service, _), &nanos) in &seen {
        of_service.entry(service).or_default().insert(nanos);
    }
    // A record that names no instance is of any: only what all of them are ahead is known of it.
    let whole = of_service.into_iter().filter(|(_, all)| all.len() == 1).filter_map(|(service, all)| Some(((service, Sym::NONE), *all.first()?)));
    let mut ahead: BTreeMap<Place, i64> = whole.collect();
    ahead.extend(seen);
    ahead.retain(|_, nanos| nanos.unsigned_abs() > LEAST);
    ahead
}

fn place(span: &Span) -> Place {
    (span.service, span.instance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::names::Interner;

    const AHEAD: i64 = 90_000_000_000;

    #[test]
    fn the_one_that_differs_from_most_is_wrong() {
        let mut names = Interner::default();
        let [gateway, shop, orders, payments, first, second, third] =
            ["gateway", "shop", "orders", "payments", "first", "second", "third"].map(|name| names.intern(name));
        let known = BTreeMap::from([
            (((gateway, first), (shop, first)), 0),
            (((shop, first), (orders, first)), AHEAD),
            (((orders, first), (payments, first)), -AHEAD),
            (((orders, first), (payments, second)), -AHEAD - 7),
        ]);
        let ahead = ahead(&known);
        assert_eq!(ahead, BTreeMap::from([((orders, first), AHEAD), ((orders, Sym::NONE), AHEAD)]));
        let clocks = Clocks { offsets: BTreeMap::new(), ahead };
        let time = Time(2 * AHEAD);
        assert_eq!(clocks.settled(orders, first, time), Time(AHEAD));
        assert_eq!(clocks.settled(orders, third, time), Time(AHEAD), "an instance of which no call is known");
        assert_eq!(clocks.settled(payments, second, time), time);
    }

    #[test]
    fn instances_that_differ_say_nothing_of_their_service() {
        let mut names = Interner::default();
        let [a, b, c, first, second] = ["a", "b", "c", "first", "second"].map(|name| names.intern(name));
        let known = BTreeMap::from([(((a, first), (b, first)), 0), (((a, first), (b, second)), -AHEAD), (((a, first), (c, first)), 0)]);
        assert_eq!(ahead(&known), BTreeMap::from([((b, second), -AHEAD)]));
    }
}
