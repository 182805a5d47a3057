//! Brings the tables of a bundle into one canonical order and derives the context from them.
//!
//! Segments arrive in any order, with names and files numbered as they came. Afterwards names are numbered by text and
//! files by path, rows stand in an order that only their content decides, and what was said twice is said once:
//! a span exported again, a log line in the pod's own file and in an export of the log store, a metric point scraped twice.
//!
//! What this file does not do: drop identical lines of one file; a service that says a thing twice has said it twice.

use crate::correlate::ages;
use crate::correlate::calls::{PeerPart, Peers};
use crate::correlate::chain::ChainPart;
use crate::correlate::clock::ClockPart;
use crate::correlate::cluster;
use crate::correlate::forest::Forest;
use crate::correlate::graph::GraphPart;
use crate::correlate::meter::Meters;
use crate::correlate::nameless;
use crate::correlate::series::{bucket_width, plausible_window};
use crate::correlate::short_ids;
use crate::correlate::trace::Trace;
use crate::correlate::views::Views;
use crate::correlate::{Case, Context, TraceTotals};
use crate::model::finding::Input;
use crate::model::ids::{SpanId, TraceId};
use crate::model::merge;
use crate::model::names::Sym;
use crate::model::record::Level;
use crate::model::rows::Rows;
use crate::model::source::{Evidence, FileId, unrotated};
use crate::model::table::Row;
use crate::model::tables::{Log, Span, Tables};
use crate::model::time::Time;
use hashbrown::HashSet;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

/// Rows that a worker takes at once, so that small tables are not cut up.
const GRAIN: usize = 4096;

/// A canonical case out of merged tables. Deterministic for any order and partition of the rows, and of any number of threads.
#[must_use]
pub fn gather(mut tables: Tables) -> Case {
    nameless::adopt(&mut tables);
    ages::place(&mut tables);
    cluster::join(&mut tables);
    number(&mut tables);
    short_ids::lengthen(&mut tables);
    order_small(&mut tables);
    let mut totals = TraceTotals::default();
    let mut copies = Copies::default();
    totals.span_copies = order_spans(&mut tables, &mut copies);
    totals.log_copies = order_logs(&mut tables, &mut copies);
    order_facts(&mut tables, &copies);
    let context = derive(&tables, totals);
    Case { tables, context, views: Views::default() }
}

/// Numbers names in the order of their texts and files in the order of their paths, unless they are.
fn number(tables: &mut Tables) {
    if !merge::is_numbered(tables) {
        *tables = merge::merge(vec![vec![std::mem::take(tables)]]);
    }
}

/// Tables without time or copies stay in the order of files. Sorting is stable: what one record gave keeps its order.
fn order_small(tables: &mut Tables) {
    tables.dumps.par_sort_by_key(|row| row.evidence);
    tables.threads.par_sort_by_key(|row| (row.dump, row.evidence));
    tables.locks.par_sort_by_key(|row| (row.dump, row.thread));
    tables.deadlocks.par_sort_by_key(|row| (row.dump, row.evidence));
    // Collections are told apart by what stands before and after them.
    tables.gc.par_sort_by_key(|row| row.evidence);
    tables.histograms.par_sort_by_key(|row| row.evidence);
    tables.classes.par_sort_by_key(|row| (row.histogram, row.evidence));
    tables.quarantine.par_sort_by_key(|row| row.evidence);
    tables.settings.par_sort_by_key(|row| row.evidence);
    // The same event arrives again with a higher count, or in a second listing: the latest account of it stays.
    tables.events.par_sort_by_key(|row| (row.kind, row.namespace, row.object, row.reason, row.message, row.first, Reverse(row.time), row.evidence));
    tables
        .events
        .dedup_by_key(|row| (row.kind, row.namespace, row.object, row.reason, row.message, if row.first.is_some() { row.first } else { row.time }));
    tables.events.par_sort_by_key(|row| (row.time, row.evidence));
    in_order(&mut tables.metrics, |row| (row.service, row.instance, row.name, row.labels, row.time, row.evidence));
    tables
        .metrics
        .dedup_by(|b, a| b.time.is_some() && (a.service, a.instance, a.name, a.labels, a.time) == (b.service, b.instance, b.name, b.labels, b.time));
}

/// Records that were dropped because another one says the same.
#[derive(Default)]
struct Copies {
    records: HashSet<(TraceId, SpanId, Evidence)>,
}

/// Orders spans by trace and start, keeps of copies the first; says how many were dropped.
fn order_spans(tables: &mut Tables, copies: &mut Copies) -> u64 {
    in_order(&mut tables.spans, |span| halves(span.trace));
    let spans = &mut tables.spans;
    let before = spans.len();
    // The longer first: a parent begins no later than its child and ends no earlier.
    let by_start = |trace: &mut [Span]| trace.sort_by_key(|span| (span.start, Reverse(span.nanos), span.id, span.kind));
    let repeats = AtomicBool::new(false);
    spans.par_chunk_by_mut(|a, b| a.trace == b.trace).for_each_init(Vec::new, |ids, trace| {
        ids.clear();
        ids.extend(trace.iter().map(|span| span.id));
        ids.sort_unstable();
        if ids.is_sorted_by(|a, b| a < b) {
            by_start(trace);
        } else {
            trace.sort_by_key(|span| (span.id, span.kind, span.evidence));
            repeats.store(true, Ordering::Relaxed);
        }
    });
    if repeats.into_inner() {
        spans.dedup_by(|b, a| {
            let same = (a.trace, a.id, a.kind) == (b.trace, b.id, b.kind) && !a.trace.is_none() && !a.id.is_none();
            if same {
                copies.records.insert((b.trace, b.id, b.evidence));
            }
            same
        });
        spans.par_chunk_by_mut(|a, b| a.trace == b.trace).for_each(by_start);
    }
    (before - spans.len()) as u64
}

/// A trace id as two numbers: beside the number of a row it takes three quarters of the room of one.
const fn halves(trace: TraceId) -> (u64, u64) {
    ((trace.0 >> 64) as u64, trace.0 as u64)
}

/// Puts rows into the order of their keys, equal ones as they stand. Keys are sorted, not rows, which are several times
/// as wide.
fn in_order<R: Row + Send + Sync, K: Ord + Copy + Send + Sync>(rows: &mut Rows<R>, key: impl Fn(&R) -> K + Sync) {
    if rows.is_sorted_by(|a, b| key(a) <= key(b)) {
        return;
    }
    let mut order: Vec<(K, u32)> = rows.par_iter().with_min_len(GRAIN).enumerate().map(|(at, row)| (key(row), at as u32)).collect();
    order.par_sort_unstable();
    permute(rows, order.into_par_iter().map(|(_, row)| row));
}

/// Puts rows into an order. Rows that are kept elsewhere are written anew beside where they stand.
fn permute<R: Row + Send + Sync>(rows: &mut Rows<R>, order: impl IndexedParallelIterator<Item = u32>) {
    let order = order.with_min_len(GRAIN);
    if !rows.is_kept() {
        *rows = Rows::from(order.map(|row| rows[row as usize]).collect::<Vec<R>>());
        return;
    }
    let mut sorted = rows.beside(rows.len());
    let order: Vec<u32> = order.collect();
    sorted.extend(order.into_iter().map(|row| rows[row as usize]));
    *rows = sorted;
}

/// Orders log records by time, keeps of copies in several files those of one; says how many were dropped.
fn order_logs(tables: &mut Tables, copies: &mut Copies) -> u64 {
    if !tables.logs.is_sorted_by_key(|log| (log.time, log.evidence)) {
        // Places are looked up where times are equal only: in the keys they would take more room than all else.
        let mut order: Vec<(Time, u32)> = tables.logs.iter().zip(0..).map(|(log, row)| (log.time, row)).collect();
        let place = |row: u32| tables.logs.get(row as usize).map(|log| log.evidence);
        order.par_sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| place(a.1).cmp(&place(b.1))).then(a.1.cmp(&b.1)));
        permute(&mut tables.logs, order.into_par_iter().map(|(_, row)| row));
    }
    let whole = whole_logs(tables);
    let mut digests = repeated_digests(&tables.logs);
    digests.par_sort_unstable();
    let mut dropped: Vec<u32> = Vec::new();
    for group in digests.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1 && group.first().is_some_and(|first| first.0 != 0)) {
        let rows = group.iter().filter_map(|&(_, row)| Some((row, tables.logs.get(row as usize)?)));
        drop_copies(
            rows.map(|(row, log)| (log.instance, whole.get(log.evidence.file.0 as usize).copied().unwrap_or(log.evidence.file), row)),
            &mut dropped,
        );
    }
    dropped.sort_unstable();
    for &row in &dropped {
        let Some(log) = tables.logs.get(row as usize).copied() else { continue };
        copies.records.insert((log.trace, log.span, log.evidence));
        uncount(tables, &log);
    }
    let mut next = dropped.iter().copied().peekable();
    let mut row = 0_u32;
    tables.logs.retain(|_| {
        row += 1;
        next.next_if_eq(&(row - 1)).is_none()
    });
    dropped.len() as u64
}

/// Digests, with their rows, that may be those of several records: those whose bit in a table is set twice. Nearly all
/// records are alone with theirs, and are spared the sorting.
fn repeated_digests(logs: &[Log]) -> Vec<(u64, u32)> {
    let words = (logs.len() / 4).next_power_of_two();
    let (mut once, mut twice) = (vec![0_u64; words], vec![0_u64; words]);
    let place = |digest: u64| ((digest >> 6) as usize & (words - 1), 1_u64 << (digest & 63));
    for log in logs {
        let (word, bit) = place(log.digest);
        twice[word] |= once[word] & bit;
        once[word] |= bit;
    }
    let alone = |digest: u64| {
        let (word, bit) = place(digest);
        twice[word] & bit == 0
    };
    logs.iter().zip(0..).filter(|(log, _)| !alone(log.digest)).map(|(log, row)| (log.digest, row)).collect()
}

/// For every file the first one of the same log: where a log was rotated says nothing of what it repeats.
fn whole_logs(tables: &Tables) -> Vec<FileId> {
    let mut first: BTreeMap<&str, FileId> = BTreeMap::new();
    tables.files.iter().zip(0..).map(|(file, number)| *first.entry(unrotated(&file.path)).or_insert(FileId(number))).collect()
}

/// Of records with one digest those of the file that has most of them stay, and those of other instances.
fn drop_copies(group: impl Iterator<Item = (Sym, FileId, u32)>, dropped: &mut Vec<u32>) {
    let mut rows: Vec<(Sym, FileId, u32)> = group.collect();
    rows.sort_unstable();
    // A record of no instance is a copy of any other; what several instances say at once is no copy.
    let named = rows.iter().position(|(instance, _, _)| !instance.is_none()).unwrap_or(rows.len());
    let (nameless, named) = rows.split_at(named);
    for instance in named.chunk_by(|a, b| a.0 == b.0) {
        keep_one_file(instance, dropped);
    }
    if named.is_empty() {
        keep_one_file(nameless, dropped);
    } else {
        let files = || named.iter().map(|(_, file, _)| *file);
        let (least, most) = (files().min(), files().max());
        dropped.extend(nameless.iter().filter(|(_, file, _)| least != Some(*file) || most != Some(*file)).map(|(_, _, row)| *row));
    }
}

fn keep_one_file(rows: &[(Sym, FileId, u32)], dropped: &mut Vec<u32>) {
    let files = rows.chunk_by(|a, b| a.1 == b.1);
    let kept = files
        .max_by_key(|file| (file.len(), file.first().map(|(_, file, _)| Reverse(*file))))
        .and_then(|file| file.first())
        .map(|(_, file, _)| *file);
    dropped.extend(rows.iter().filter(|(_, file, _)| Some(*file) != kept).map(|(_, _, row)| *row));
}

/// Takes a copy out of the counts.
fn uncount(tables: &mut Tables, log: &Log) {
    if let Some(stats) = tables.templates.get_mut(&(log.template, log.service)) {
        stats.count = stats.count.saturating_sub(1).max(1);
    }
    if let Some(count) = tables.log_counts.get_mut(&(log.service, log.time.minute())) {
        count.records = count.records.saturating_sub(1);
        count.traced = count.traced.saturating_sub(u64::from(!log.trace.is_none()));
        count.warnings = count.warnings.saturating_sub(u64::from(log.level == Level::Warn));
        count.errors = count.errors.saturating_sub(u64::from(log.level >= Level::Error));
    }
}

/// Orders signals and effects by time and drops those of records that were copies.
fn order_facts(tables: &mut Tables, copies: &Copies) {
    in_order(&mut tables.signals, |row| (row.time, row.evidence));
    in_order(&mut tables.effects, |row| (row.time, row.evidence));
    in_order(&mut tables.requests, |row| (row.time, row.evidence));
    tables.jobs.par_sort_by_key(|row| (row.time, row.evidence));
    if copies.records.is_empty() {
        return;
    }
    let records: HashSet<(TraceId, Evidence)> = copies.records.iter().map(|&(trace, _, evidence)| (trace, evidence)).collect();
    tables.jobs.retain(|row| !records.contains(&(row.trace, row.evidence)));
    tables.requests.retain(|row| !records.contains(&(row.trace, row.evidence)));
    tables.signals.retain(|row| !records.contains(&(row.trace, row.evidence)));
    tables.effects.retain(|row| !copies.records.contains(&(row.trace, row.span, row.evidence)));
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
    use crate::model::ids::TemplateId;
    use crate::model::table::{Cell, Remap, Row};
    use crate::model::tables::{LogCount, Signal, SourceFile};
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
        assert_eq!(kept, ["edge/error.log", "edge/error.log.1"]);
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
