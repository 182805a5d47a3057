//! How far two clocks may be apart before an order of events is believed.
//!
//! Clocks of services whose calls to each other fit are close, or known to be off by so much; of others nothing is known.
//! What this file does not do: measure clocks; the calls of all traces have done that.

use crate::correlate::Case;
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::tables::Effect;
use crate::model::time::{SECOND, Time};
use crate::rules::native::stale_cache_read::timeline::Fact;
use std::collections::{BTreeMap, BTreeSet};

/// Whose clock: service and instance.
pub(super) type Clock = (Sym, Sym);

/// The clock that stamped an effect.
pub(super) fn clock(effect: &Effect) -> Clock {
    (effect.service, effect.instance)
}

/// Tolerances in nanoseconds, and what is known of clocks.
pub(super) struct Tolerance {
    same: i64,
    measured: i64,
    other: i64,
    /// By how much the second clock is ahead of the first.
    offsets: BTreeMap<(Clock, Clock), i64>,
    /// Services that call each other, the lesser name first.
    related: BTreeSet<(Sym, Sym)>,
}

impl Tolerance {
    pub(super) fn of(case: &Case, rule: &Rule) -> Self {
        let millis = |name: &str| (rule.limit(name) * 1e6) as i64;
        let offsets = case.context.clocks.offsets().flat_map(|(a, b, nanos)| [((a, b), nanos), ((b, a), -nanos)]).collect();
        let both = case.context.graph.edges().map(|(a, b, _)| (a.name, b.name));
        Self {
            same: millis("same_clock_tolerance_ms"),
            measured: millis("measured_clock_tolerance_ms"),
            other: (rule.limit("clock_tolerance_s") * SECOND as f64) as i64,
            offsets,
            related: both.map(|(a, b)| (a.min(b), a.max(b))).collect(),
        }
    }

    /// When something that one clock stamped was surely over by another clock.
    pub(super) fn surely(&self, end: Time, from: Clock, to: Clock) -> Time {
        if from == to {
            return end.plus(self.same);
        }
        if let Some(ahead) = self.offsets.get(&(from, to)) {
            return end.plus(*ahead).plus(self.measured);
        }
        let related = from.0 != to.0 && self.related.contains(&(from.0.min(to.0), from.0.max(to.0)));
        end.plus(if related { self.measured } else { self.other })
    }

    /// Whether one fact was surely over before another began.
    pub(super) fn before(&self, fact: &Fact<'_>, then: &Fact<'_>) -> bool {
        self.surely(fact.end, clock(fact.effect), clock(then.effect)) < then.start
    }
}
