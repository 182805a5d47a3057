//! Brings the rows of a bundle into an order that only their content decides, and drops what was said twice: a span exported
//! again, a log line in the pod's own file and in an export of the log store, a metric point scraped twice.
//!
//! What this file does not do: drop identical lines of one file; a service that says a thing twice has said it twice.

use crate::model::ids::{SpanId, TraceId};
use crate::model::names::Sym;
use crate::model::record::Level;
use crate::model::rows::{Rows, Table};
use crate::model::source::{Evidence, FileId, unrotated};
use crate::model::table::Row;
use crate::model::tables::{Log, Span, Tables};
use crate::model::time::Time;
use hashbrown::HashSet;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Rows that a worker takes at once, so that small tables are not cut up.
pub(super) const GRAIN: usize = 4096;

/// Orders all tables; says how many copies of spans and of log records were dropped.
pub(super) fn bring_in_order(tables: &mut Tables) -> (u64, u64) {
    order_small(tables);
    let mut copies = Copies::default();
    let dropped = (order_spans(tables, &mut copies), order_logs(tables, &mut copies));
    order_facts(tables, &copies);
    dropped
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
