//! Brings the tables of a bundle into one canonical order and derives the context from them.
//!
//! Segments arrive in any order, with names and files numbered as they came. Afterwards names are numbered by text and
//! files by path, and what was said twice is said once. What this file does not do: order the rows; `order.rs` does.

use crate::correlate::ages;
use crate::correlate::calls::{PeerPart, Peers};
use crate::correlate::chain::ChainPart;
use crate::correlate::clock::ClockPart;
use crate::correlate::cluster;
use crate::correlate::forest::Forest;
use crate::correlate::graph::GraphPart;
use crate::correlate::meter::Meters;
use crate::correlate::nameless;
use crate::correlate::order::{self, GRAIN};
use crate::correlate::series::{bucket_width, plausible_window};
use crate::correlate::short_ids;
use crate::correlate::trace::Trace;
use crate::correlate::views::Views;
use crate::correlate::{Case, Context, TraceTotals};
use crate::model::finding::Input;
use crate::model::ids::TraceId;
use crate::model::merge;
use crate::model::tables::Tables;
use hashbrown::HashSet;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// A canonical case out of merged tables. Deterministic for any order and partition of the rows, and of any number of threads.
#[must_use]
pub fn gather(mut tables: Tables) -> Case {
    nameless::adopt(&mut tables);
    ages::place(&mut tables);
    cluster::join(&mut tables);
    number(&mut tables);
    short_ids::lengthen(&mut tables);
    let (span_copies, log_copies) = order::bring_in_order(&mut tables);
    let context = derive(&tables, TraceTotals { span_copies, log_copies, ..TraceTotals::default() });
    Case { tables, context, views: Views::default() }
}

/// Numbers names in the order of their texts and files in the order of their paths, unless they are.
fn number(tables: &mut Tables) {
    if !merge::is_numbered(tables) {
        *tables = merge::merge(vec![vec![std::mem::take(tables)]]);
    }
}

/// Two passes over all traces: first what names and clocks mean, then who called whom.
fn derive(tables: &Tables, mut totals: TraceTotals) -> Context {
    let window = plausible_window(tables);
    let bucket = bucket_width(window);
    let mut forest = Forest::of(&tables.spans);
    let (clocks, peers) = forest
        .traces(&tables.spans)
        .fold(<(ClockPart, PeerPart)>::default, |(mut clocks, mut peers), trace| {
            clocks.add(&trace);
            peers.add(&trace);
            (clocks, peers)
        })
        .reduce(Default::default, |a, b| (a.0.merge(b.0), a.1.merge(b.1)));
    let (clocks, peers) = (clocks.finish(), peers.finish(&tables.names));
    forest.set_clocks(&tables.spans, &clocks);
    let part = forest.traces(&tables.spans).fold(Part::default, |part, trace| part.with(&trace, &peers, bucket)).reduce(Part::default, Part::merge);
    totals.traces = part.traces;
    totals.orphans = forest.orphans;
    totals.spans = tables.spans.len() as u64;
    totals.logs = tables.logs.len() as u64;
    totals.logs_joined = joined(tables);
    let (graph, entries) = part.graph.finish(&peers);
    let chains = part.chains.finish(&tables.names, bucket);
    let meters = Meters::new(&tables.metrics, &tables.names);
    Context { window, bucket, inputs: inputs(tables), totals, graph, entries, chains, clocks, forest, peers, meters }
}

/// What traces give; merges.
#[derive(Default)]
struct Part {
    traces: u64,
    graph: GraphPart,
    chains: ChainPart,
}

impl Part {
    fn with(mut self, trace: &Trace<'_>, peers: &Peers, bucket: i64) -> Self {
        let calls = peers.calls(trace);
        let retries = self.chains.add(trace, peers, &calls, bucket);
        self.graph.add(trace, peers, &calls, &retries, bucket);
        self.traces += 1;
        self
    }

    fn merge(self, other: Self) -> Self {
        Self { traces: self.traces + other.traces, graph: self.graph.merge(other.graph), chains: self.chains.merge(other.chains) }
    }
}

/// How many log records belong to a trace that has spans.
fn joined(tables: &Tables) -> u64 {
    let known: HashSet<TraceId> = tables
        .spans
        .chunk_by(|a, b| a.trace == b.trace)
        .filter_map(|trace| trace.first())
        .map(|span| span.trace)
        .filter(|trace| !trace.is_none())
        .collect();
    tables.logs.par_iter().with_min_len(GRAIN).filter(|log| known.contains(&log.trace)).count() as u64
}

fn inputs(tables: &Tables) -> BTreeSet<Input> {
    let kinds = [
        (Input::Files, !tables.files.is_empty()),
        (Input::Spans, !tables.spans.is_empty()),
        (Input::Logs, !tables.logs.is_empty() || !tables.log_counts.is_empty()),
        (Input::Metrics, !tables.metrics.is_empty()),
        (Input::ThreadDumps, !tables.dumps.is_empty()),
        (Input::GcLogs, !tables.gc.is_empty()),
        (Input::ClassHistograms, !tables.histograms.is_empty()),
        (Input::Requests, !tables.requests.is_empty()),
        (Input::Events, !tables.events.is_empty()),
        (Input::Configs, !tables.settings.is_empty()),
    ];
    kinds.into_iter().filter(|(_, present)| *present).map(|(input, _)| input).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::{BASE, given, many};
    use crate::model::ids::{SpanId, TemplateId};
    use crate::model::names::Sym;
    use crate::model::record::Level;
    use crate::model::source::{Evidence, FileId};
    use crate::model::table::{Cell, Remap, Row};
    use crate::model::tables::{Log, LogCount, Signal, SourceFile};
    use crate::model::time::Time;
    use proptest::prelude::*;

    fn sample() -> Tables {
        given(&many(0..40, 700, |n| {
            let failed = if n % 3 == 0 { "!503" } else { "200" };
            format!(
                "  gw GET /a{} 0-{}\n    > orders POST /o 1-80 {failed}\n      orders POST /o 2-70 {failed} at=orders-{}\n        > db SELECT x 3-9 system=postgresql\n    > orders POST /o 90-190 200\n",
                n % 4,
                200 + n,
                n % 3
            )
        }))
    }

    fn log(tables: &mut Tables, file: u32, at: u64, instance: &str, digest: u64) {
        let (service, instance) = (tables.names.intern("orders"), tables.names.intern(instance));
        let evidence = Evidence::new(FileId(file), at, 10);
        let time = Time(BASE);
        let none = Sym::NONE;
        tables.logs.push(Log {
            time,
            trace: TraceId::NONE,
            span: SpanId::NONE,
            template: TemplateId(1),
            digest,
            service,
            instance,
            logger: none,
            exception: none,
            level: Level::Error,
            evidence,
        });
        let signal = tables.names.intern("pool.timeout");
        tables.signals.push(Signal {
            signal,
            time,
            trace: TraceId::NONE,
            service,
            instance,
            name: none,
            key: none,
            value: 1.0,
            level: Level::Error,
            evidence,
        });
        let count = tables.log_counts.entry((service, time.minute())).or_default();
        count.add(LogCount { records: 1, traced: 0, warnings: 0, errors: 1 });
    }

    fn files(paths: &[&str]) -> Tables {
        let files = paths.iter().map(|path| SourceFile { path: (*path).to_owned(), ..SourceFile::default() }).collect();
        Tables { files, ..Tables::default() }
    }

    /// Everything of a case in words, so that no number of a name or file matters.
    fn told(case: &Case) -> String {
        let names = &case.tables.names;
        let mut text = String::new();
        let mut cell = |_: &'static str, cell: Cell| match cell {
            Cell::Name(sym) => text.push_str(names.get(sym)),
            Cell::Evidence(evidence) => text.push_str(&format!("{}:{}", case.tables.files[evidence.file.0 as usize].path, evidence.start)),
            other => text.push_str(&format!("{other:?} ")),
        };
        case.tables.spans.iter().for_each(|row| row.cells(&mut cell));
        case.tables.logs.iter().for_each(|row| row.cells(&mut cell));
        case.tables.signals.iter().for_each(|row| row.cells(&mut cell));
        let context = &case.context;
        text + &format!("{:?} {:?} {:?} {:?} {:?}", context.totals, context.graph, context.entries, context.chains, context.clocks)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_order_and_partition_gives_the_same_case(order in Just((0..sample().spans.len()).collect::<Vec<_>>()).prop_shuffle(), cuts in prop::collection::vec(0_usize..220, 0..4)) {
            let whole = sample();
            let want = told(&gather(whole.clone()));
            let mut parts: Vec<Tables> = Vec::new();
            let mut cuts = cuts.clone();
            cuts.sort_unstable();
            cuts.push(order.len());
            let mut from = 0;
            for cut in cuts {
                let mut part = Tables { files: whole.files.clone(), window: whole.window, ..Tables::default() };
                for &at in order.get(from..cut.min(order.len())).unwrap_or_default() {
                    // Names are met in another order, so they have other numbers.
                    let renames = part.names.absorb(&whole.names);
                    let mut span = whole.spans[at];
                    span.rename(&Remap { names: &renames, files: &[FileId(0)] });
                    part.spans.push(span);
                }
                from = cut.min(order.len());
                parts.push(part);
            }
            let mut merged = Tables::default();
            merged.names.intern("zebra");
            parts.into_iter().for_each(|part| merged.absorb(part));
            let got = gather(merged);
            // One name more than the whole has, at the end of the order: numbers are the same.
            prop_assert_eq!(told(&got), want);
        }
    }

    #[test]
    fn a_span_exported_twice_is_one_span() {
        let mut tables = sample();
        let before = tables.spans.len();
        let again = tables.spans.clone();
        tables.files.push(SourceFile { path: "again.txt".to_owned(), ..SourceFile::default() });
        tables.spans.extend(again.iter().map(|&span| {
            let mut span = span;
            span.evidence.file = FileId(1);
            span
        }));
        let case = gather(tables);
        assert_eq!((case.context.totals.spans, case.context.totals.span_copies), (before as u64, before as u64));
        assert!(case.tables.spans.iter().all(|span| case.tables.files[span.evidence.file.0 as usize].path == "again.txt"), "the first by path stays");
    }

    #[test]
    fn copies_of_log_lines_go_and_repetitions_stay() {
        let mut tables = files(&["store/export.json", "pods/orders-1.log", "pods/orders-2.log"]);
        log(&mut tables, 1, 0, "orders-1", 7);
        log(&mut tables, 1, 10, "orders-1", 7);
        log(&mut tables, 0, 0, "", 7);
        log(&mut tables, 0, 50, "orders-1", 7);
        log(&mut tables, 2, 0, "orders-2", 7);
        let case = gather(tables);
        let kept: Vec<(&str, u64)> =
            case.tables.logs.iter().map(|log| (case.tables.files[log.evidence.file.0 as usize].path.as_str(), log.evidence.start)).collect();
        assert_eq!(kept, [("pods/orders-1.log", 0), ("pods/orders-1.log", 10), ("pods/orders-2.log", 0)]);
        assert_eq!((case.tables.signals.len(), case.context.totals.log_copies), (3, 2));
        assert_eq!(case.tables.log_counts.values().next().map(|count| (count.records, count.errors)), Some((3, 3)));
    }

    #[test]
    fn a_rotated_log_may_repeat_itself() {
        let mut tables = files(&["edge/error.log", "edge/error.log.1", "edge/other.log"]);
        for file in 0..3 {
            log(&mut tables, file, 0, "", 7);
        }
        let case = gather(tables);
        let kept: Vec<&str> = case.tables.logs.iter().map(|log| case.tables.files[log.evidence.file.0 as usize].path.as_str()).collect();
        assert_eq!(kept, ["edge/error.log.1", "edge/error.log"]);
    }

    #[test]
    fn names_are_numbered_by_text_and_files_by_path() {
        let mut tables = files(&["z.log", "a.log", "z.log"]);
        tables.names.intern("zeta");
        tables.names.intern("alpha");
        log(&mut tables, 0, 0, "", 1);
        let case = gather(tables);
        let texts: Vec<&str> = (0..case.tables.names.len() as u32).map(|n| case.tables.names.get(Sym(n))).collect();
        assert!(texts.is_sorted());
        assert_eq!(case.tables.files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["a.log", "z.log"]);
        assert_eq!(case.tables.logs[0].evidence.file, FileId(1));
    }
}
