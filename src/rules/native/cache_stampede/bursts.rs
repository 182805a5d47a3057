//! Loads of one entry that ran at the same time, and what had been before them.
//!
//! What this file does not do: judge them.

use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::time::{Time, Window};
use crate::rules::native::cache_stampede::loads::{Line, Load};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Loads of one entry, each of which began before the ones before it had ended.
#[derive(Clone, Debug)]
pub(super) struct Burst {
    /// Which of the line's loads.
    pub loads: Range<usize>,
    /// How many ran at once.
    pub peak: usize,
    /// How many traces they belong to; a load of no trace counts as one.
    pub traces: usize,
    /// From the first beginning to the last end.
    pub window: Window,
    /// Nanoseconds since the entry was filled before, if it was.
    pub since_fill: Option<i64>,
    /// Whether those who loaded had found the entry before, since they were started.
    pub is_primed: bool,
}

impl Burst {
    /// Loads that one load would have made needless.
    pub(super) fn redundant(&self) -> usize {
        self.loads.len().saturating_sub(1)
    }
}

/// The bursts of a line in order of time, single loads too. `starts` are the times at which instances were started.
pub(super) fn bursts(line: &Line, starts: &BTreeMap<Sym, Vec<Time>>) -> Vec<Burst> {
    let mut out = Vec::new();
    let mut found: BTreeMap<Sym, Vec<Time>> = BTreeMap::new();
    for (time, instance) in &line.found {
        found.entry(*instance).or_default().push(*time);
    }
    let mut from = 0;
    while from < line.loads.len() {
        let mut end = line.loads[from].end;
        let mut next = from + 1;
        while let Some(load) = line.loads.get(next).filter(|load| load.start < end) {
            end = end.max(load.end);
            next += 1;
        }
        out.push(burst(line, from..next, end, &found, starts));
        from = next;
    }
    out
}

fn burst(line: &Line, range: Range<usize>, end: Time, found: &BTreeMap<Sym, Vec<Time>>, starts: &BTreeMap<Sym, Vec<Time>>) -> Burst {
    let loads = &line.loads[range.clone()];
    let start = loads.first().map_or(end, |load| load.start);
    let known: BTreeSet<TraceId> = loads.iter().map(|load| load.trace).filter(|trace| !trace.is_none()).collect();
    let before = line.fills.partition_point(|fill| *fill <= start);
    let last_start = |instance: Sym| {
        let times = starts.get(&instance).or_else(|| starts.get(&Sym::NONE))?;
        times.get(times.partition_point(|time| *time <= start).checked_sub(1)?).copied()
    };
    let primed = |load: &&Load| {
        let since = last_start(load.instance).unwrap_or(Time::NONE);
        let times = found.get(&load.instance).or_else(|| found.get(&Sym::NONE)).map_or(&[][..], Vec::as_slice);
        let next = times.partition_point(|time| *time < since);
        times.get(next).is_some_and(|time| *time <= start)
    };
    Burst {
        peak: peak(loads),
        traces: known.len() + loads.iter().filter(|load| load.trace.is_none()).count(),
        window: Window::of(start, end),
        since_fill: before.checked_sub(1).and_then(|n| line.fills.get(n)).map(|fill| start.since(*fill)),
        is_primed: 2 * loads.iter().filter(primed).count() >= loads.len(),
        loads: range,
    }
}

/// How many of some loads ran at once.
pub(super) fn peak(loads: &[Load]) -> usize {
    let mut ends: Vec<Time> = loads.iter().map(|load| load.end).collect();
    let mut begins: Vec<Time> = loads.iter().map(|load| load.start).collect();
    ends.sort_unstable();
    begins.sort_unstable();
    let (mut over, mut most) = (0, 0);
    for (n, begin) in begins.iter().enumerate() {
        while ends.get(over).is_some_and(|end| end <= begin) {
            over += 1;
        }
        most = most.max(n + 1 - over.min(n));
    }
    most
}
