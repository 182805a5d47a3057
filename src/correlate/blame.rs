//! Who holds the time of slow calls: the critical path under each call of a class, by who was at work and where.
//!
//! Length alone blames everybody between the user and the fault; a service that only waits holds none of the path.
//!
//! What this file does not do: decide which calls are slow, or whether a difference matters.

use crate::correlate::Case;
use crate::correlate::calls::{Call, Holder, Party, Peers, Place};
use crate::correlate::trace::Trace;
use crate::model::time::Time;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The time of a class of calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// How many calls.
    pub calls: u64,
    /// Their length in nanoseconds.
    pub nanos: u64,
    /// Nanoseconds of their critical path, by who holds them and where. They sum to the length.
    pub held: BTreeMap<Holder, u64>,
}

impl Share {
    /// Mean nanoseconds per call that a party holds, wherever.
    #[must_use]
    pub fn mean(&self, party: Party) -> f64 {
        self.sum(|holder| holder.party == party) / self.calls.max(1) as f64
    }

    /// Mean nanoseconds per call that a party holds in one place.
    #[must_use]
    pub fn mean_at(&self, party: Party, place: Place) -> f64 {
        self.sum(|holder| *holder == Holder { party, place }) / self.calls.max(1) as f64
    }

    /// Mean length of a call in nanoseconds.
    #[must_use]
    pub fn mean_length(&self) -> f64 {
        self.nanos as f64 / self.calls.max(1) as f64
    }

    fn sum(&self, wanted: impl Fn(&Holder) -> bool) -> f64 {
        self.held.iter().filter(|(holder, _)| wanted(holder)).map(|(_, nanos)| *nanos as f64).sum()
    }

    fn merge(&mut self, other: Self) {
        self.calls += other.calls;
        self.nanos = self.nanos.saturating_add(other.nanos);
        other.held.into_iter().for_each(|(holder, nanos)| *self.held.entry(holder).or_default() += nanos);
    }
}

/// The party whose time grew most from the calm to the slow calls, and by how many nanoseconds per call.
#[must_use]
pub fn culprit(slow: &Share, calm: &Share) -> Option<(Party, f64)> {
    let mut growth: BTreeMap<Party, f64> = BTreeMap::new();
    for holder in slow.held.keys() {
        growth.entry(holder.party).or_insert_with(|| slow.mean(holder.party) - calm.mean(holder.party));
    }
    // Of equal growth the first by name.
    growth.into_iter().filter(|(_, nanos)| *nanos > 0.0).max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
}

/// The time of every class of calls; `class` says of a call, and when it began, which it is in, if any.
pub fn shares(case: &Case, class: impl Fn(&Call, Time) -> Option<usize> + Sync) -> BTreeMap<usize, Share> {
    let add = |mut shares: BTreeMap<usize, Share>, trace: Trace<'_>| {
        let peers = &case.context.peers;
        let calls = peers.calls(&trace);
        let classes: Vec<(usize, &Call)> = calls.iter().filter_map(|call| Some((class(call, trace.began(call.span))?, call))).collect();
        if classes.is_empty() {
            return shares;
        }
        let holders = peers.holders(&trace, &calls);
        for (class, call) in classes {
            let share = shares.entry(class).or_default();
            share.calls += 1;
            for (at, nanos) in trace.critical_path(call.span) {
                share.nanos = share.nanos.saturating_add(nanos);
                if let Some(holder) = holders.get(at) {
                    *share.held.entry(*holder).or_default() += nanos;
                }
            }
        }
        shares
    };
    case.traces().fold(BTreeMap::new, add).reduce(BTreeMap::new, |mut mine, theirs| {
        theirs.into_iter().for_each(|(class, share)| mine.entry(class).or_default().merge(share));
        mine
    })
}

/// Nanoseconds each party holds of the critical path under a span, given all calls of the trace.
#[must_use]
pub fn path_of(trace: &Trace<'_>, peers: &Peers, calls: &[Call], root: usize) -> BTreeMap<Party, u64> {
    let holders = peers.holders(trace, calls);
    let mut held = BTreeMap::new();
    for (at, nanos) in trace.critical_path(root) {
        if let Some(holder) = holders.get(at) {
            *held.entry(holder.party).or_default() += nanos;
        }
    }
    held
}
