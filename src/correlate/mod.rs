//! Meaning: rows joined into what a rule may know beyond a single row.
//!
//! [`Context`] is derived from the merged tables trace by trace; what the traces give merges in any order.

pub mod ages;
pub mod anatomy;
pub mod attempts;
pub mod attributes;
pub mod blame;
pub mod breaker;
pub mod calls;
pub mod chain;
pub mod class_name;
pub mod clock;
pub mod cluster;
mod collections;
pub mod configured;
pub mod effect;
pub mod ending;
pub mod failure;
#[cfg(test)]
pub(crate) mod fixture;
pub mod forest;
pub mod gallop;
pub mod gather;
pub mod graph;
pub mod heap;
pub mod intake;
pub mod job;
pub mod lag;
pub mod life;
pub mod load;
pub mod loops;
pub mod message_place;
pub mod meter;
pub mod nameless;
pub mod near;
pub mod operation;
mod order;
pub mod pools;
pub mod probe;
pub mod profile;
pub mod recall;
pub mod replicas;
pub mod request;
pub mod runs;
pub mod scale;
pub mod series;
mod short_ids;
pub mod signal;
pub mod statement;
pub mod template;
pub mod thread;
pub mod throttle;
pub mod trace;
pub mod traced_logs;
pub mod traits;
pub mod undated;
pub mod views;
pub mod waits;
pub mod what_if;

use crate::correlate::calls::Peers;
use crate::correlate::chain::Chains;
use crate::correlate::clock::Clocks;
use crate::correlate::forest::Forest;
use crate::correlate::graph::{ServiceGraph, Timeline};
use crate::correlate::meter::Meters;
use crate::correlate::trace::Trace;
use crate::correlate::views::Views;
use crate::model::finding::Input;
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::tables::{Span, Tables};
use crate::model::time::Window;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Everything derived that a rule may look at.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// From the first to the last plausible time.
    pub window: Window,
    /// Width in nanoseconds of the buckets of every series: at most 240 of them fill the window.
    pub bucket: i64,
    /// Kinds of input the bundle has.
    pub inputs: BTreeSet<Input>,
    /// How much there is of traces.
    pub totals: TraceTotals,
    /// Who calls whom.
    pub graph: ServiceGraph,
    /// Work that enters the system, by service and operation: spans without a parent, and consumers.
    pub entries: BTreeMap<(Sym, Sym), Timeline>,
    /// Calls that repeat a request.
    pub chains: Chains,
    /// How far clocks are apart.
    pub clocks: Clocks,
    /// The trees of the traces.
    pub forest: Forest,
    /// What names mean.
    pub peers: Peers,
    /// Where the series of each metric stand.
    pub meters: Meters,
}

/// How much there is of traces, and how whole they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceTotals {
    /// Traces.
    pub traces: u64,
    /// Spans, copies dropped.
    pub spans: u64,
    /// Copies of spans that were dropped.
    pub span_copies: u64,
    /// Spans that name a parent which is not in the bundle.
    pub orphans: u64,
    /// Log records that are kept, copies dropped.
    pub logs: u64,
    /// Copies of log records that were dropped.
    pub log_copies: u64,
    /// Log records that belong to a trace the bundle has spans of.
    pub logs_joined: u64,
}

/// A bundle with what was derived from it.
///
/// Names are numbered in the order of their texts and files in the order of their paths, hence comparing two `Sym` or
/// two `FileId` compares texts and paths.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// What was said: rows sorted, copies dropped. Spans are ordered by trace and start.
    pub tables: Tables,
    /// What follows.
    pub context: Context,
    /// What else follows, for those who ask.
    pub views: Views,
}

impl Case {
    /// The spans of a trace, ordered by start.
    #[must_use]
    pub fn spans_of(&self, trace: TraceId) -> &[Span] {
        self.tables.spans.get(self.range_of(trace)).unwrap_or_default()
    }

    /// A trace as a tree.
    #[must_use]
    pub fn trace(&self, trace: TraceId) -> Trace<'_> {
        self.context.forest.trace(&self.tables.spans, self.range_of(trace))
    }

    /// Every trace as a tree, in parallel. What comes of it must be merged in a way that does not depend on the order.
    pub fn traces(&self) -> impl ParallelIterator<Item = Trace<'_>> {
        self.context.forest.traces(&self.tables.spans)
    }

    fn range_of(&self, trace: TraceId) -> Range<usize> {
        let spans = &self.tables.spans;
        let from = spans.partition_point(|span| span.trace < trace);
        let len = spans.get(from..).map_or(0, |rest| rest.partition_point(|span| span.trace == trace));
        from..from + len
    }
}
