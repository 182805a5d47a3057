//! Loads of one entry that ran at the same time, and what had been before them.
//!
//! What this file does not do: judge them.

use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::time::{Time, Window};
use crate::rules::native::cache_stampede::lines::Line;
use crate::rules::native::cache_stampede::loads::Load;
use std::collections::BTreeMap;
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

/// The bursts of a line that are `wanted`, in order of time; single loads are bursts too. `starts` are the times at which
/// instances were started.
pub(super) fn bursts(line: &Line<'_>, starts: Option<&BTreeMap<Sym, Vec<Time>>>, wanted: impl Fn(&Burst) -> bool) -> Vec<Burst> {
    let mut out = Vec::new();
    let mut from = 0;
    while let Some(first) = line.loads.get(from) {
        let mut end = first.end;
        let mut next = from + 1;
        while let Some(load) = line.loads.get(next).filter(|load| load.start < end) {
            end = end.max(load.end);
            next += 1;
        }
        out.extend(Some(burst(line, from..next, end, starts)).filter(&wanted));
        from = next;
    }
    out
}

fn burst(line: &Line<'_>, range: Range<usize>, end: Time, starts: Option<&BTreeMap<Sym, Vec<Time>>>) -> Burst {
    let loads = line.loads.get(range.clone()).unwrap_or_default();
    let start = loads.first().map_or(end, |load| load.start);
    let before = line.fills.partition_point(|fill| fill.time <= start);
    let last_start = |instance: Sym| {
        let times = starts.and_then(|starts| starts.get(&instance).or_else(|| starts.get(&Sym::NONE)))?;
        times.get(times.partition_point(|time| *time <= start).checked_sub(1)?).copied()
    };
    let found_by = |instance: Sym| {
        let from = line.found.partition_point(|found| found.instance < instance);
        let rest = line.found.get(from..).unwrap_or_default();
        rest.get(..rest.partition_point(|found| found.instance == instance)).filter(|found| !found.is_empty())
    };
    let primed = |load: &&Load| {
        let since = last_start(load.instance).unwrap_or(Time::NONE);
        let found = found_by(load.instance).or_else(|| found_by(Sym::NONE)).unwrap_or_default();
        let next = found.partition_point(|found| found.time < since);
        found.get(next).is_some_and(|found| found.time <= start)
    };
    Burst {
        peak: peak(loads),
        traces: traces(loads),
        window: Window::of(start, end),
        since_fill: before.checked_sub(1).and_then(|n| line.fills.get(n)).map(|fill| start.since(fill.time)),
        is_primed: 2 * loads.iter().filter(primed).count() >= loads.len(),
        loads: range,
    }
}

/// How many traces some loads belong to; a load of no trace counts as one.
fn traces(loads: &[Load]) -> usize {
    if loads.len() == 1 {
        return 1;
    }
    let mut known: Vec<TraceId> = loads.iter().map(|load| load.trace).filter(|trace| !trace.is_none()).collect();
    let unknown = loads.len() - known.len();
    known.sort_unstable();
    known.dedup();
    known.len() + unknown
}

/// How many of some loads ran at once.
pub(super) fn peak(loads: &[Load]) -> usize {
    if loads.len() == 1 {
        return 1;
    }
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
