//! Tables as data frames, for rules written in SQL: built on demand, one table and the columns a query names at a time.
//!
//! Columns are named as the fields of the rows. Names and fixed words are text (empty if not said), times are nanoseconds
//! since 1970 (null if unknown), ids are lower-case hex (null if absent), and a byte range `evidence` is the three columns
//! `evidence_file`, `evidence_start` and `evidence_len`.
//!
//! What this file does not do: run queries; that is `rules/sql.rs`. Nothing but these two sees the library.

use crate::model::job::JobMark;
use crate::model::jvm::{Class, Deadlock, Dump, Gc, Histogram, Lock, Thread};
use crate::model::names::Interner;
use crate::model::platform::{Event, Setting};
use crate::model::record::{Reason, SpanKind};
use crate::model::request::Request;
use crate::model::table::{Cell, Kind, Row};
use crate::model::tables::{Effect, Log, Metric, Signal, SourceFile, Span, Tables};
use polars::prelude::{Column, DataFrame, PolarsResult};

/// Names of all tables.
pub const NAMES: [&str; 20] = [
    "spans",
    "db_calls",
    "logs",
    "signals",
    "effects",
    "metrics",
    "dumps",
    "threads",
    "locks",
    "deadlocks",
    "gc",
    "histograms",
    "classes",
    "requests",
    "jobs",
    "events",
    "settings",
    "files",
    "quarantine",
    "templates",
];

/// The table of a name, with the columns that are `wanted`; `None` if there is no such table.
///
/// # Errors
/// The library refuses the columns, which would be a mistake of ours.
pub fn frame(tables: &Tables, name: &str, wanted: &dyn Fn(&str) -> bool) -> Option<PolarsResult<DataFrame>> {
    let names = &tables.names;
    Some(match name {
        "spans" => rows::<Span>(&tables.spans, names, wanted),
        // Of all spans a few are calls of databases: a frame of them alone is what most queries want, and small.
        "db_calls" => rows::<Span>(tables.spans.iter().filter(|span| span.kind == SpanKind::Client && !span.system.is_none()), names, wanted),
        "logs" => rows::<Log>(&tables.logs, names, wanted),
        "signals" => rows::<Signal>(&tables.signals, names, wanted),
        "effects" => rows::<Effect>(&tables.effects, names, wanted),
        "metrics" => rows::<Metric>(&tables.metrics, names, wanted),
        "dumps" => rows::<Dump>(&tables.dumps, names, wanted),
        "threads" => rows::<Thread>(&tables.threads, names, wanted),
        "locks" => rows::<Lock>(&tables.locks, names, wanted),
        "deadlocks" => rows::<Deadlock>(&tables.deadlocks, names, wanted),
        "gc" => rows::<Gc>(&tables.gc, names, wanted),
        "histograms" => rows::<Histogram>(&tables.histograms, names, wanted),
        "classes" => rows::<Class>(&tables.classes, names, wanted),
        "requests" => rows::<Request>(&tables.requests, names, wanted),
        "jobs" => rows::<JobMark>(&tables.jobs, names, wanted),
        "events" => rows::<Event>(&tables.events, names, wanted),
        "settings" => rows::<Setting>(&tables.settings, names, wanted),
        "files" => files(tables, wanted),
        "quarantine" => quarantine(tables, wanted),
        "templates" => templates(tables, wanted),
        _ => return None,
    })
}

/// A column while it grows.
enum Grown<'a> {
    Text(Vec<&'a str>),
    Id(Vec<Option<String>>),
    Int(Vec<Option<i64>>),
    Float(Vec<f64>),
    Bool(Vec<bool>),
    /// File, start, length.
    Range([Vec<i64>; 3]),
    Unwanted,
}

fn rows<'a, 'r, R: Row + 'r>(rows: impl IntoIterator<Item = &'r R>, names: &'a Interner, wanted: &dyn Fn(&str) -> bool) -> PolarsResult<DataFrame> {
    let rows = rows.into_iter();
    let likely = rows.size_hint().0;
    let mut height = 0;
    let parts = |name: &str| ["file", "start", "len"].map(|part| format!("{name}_{part}"));
    let mut grown: Vec<Grown<'a>> = Vec::with_capacity(R::COLUMNS.len());
    for (name, kind) in R::COLUMNS {
        let is_wanted = if *kind == Kind::Evidence { parts(name).iter().any(|part| wanted(part)) } else { wanted(name) };
        grown.push(match kind {
            _ if !is_wanted => Grown::Unwanted,
            Kind::Text => Grown::Text(Vec::with_capacity(likely)),
            Kind::Id => Grown::Id(Vec::with_capacity(likely)),
            Kind::Time | Kind::Int => Grown::Int(Vec::with_capacity(likely)),
            Kind::Float => Grown::Float(Vec::with_capacity(likely)),
            Kind::Bool => Grown::Bool(Vec::with_capacity(likely)),
            Kind::Evidence => Grown::Range(Default::default()),
        });
    }
    for row in rows {
        height += 1;
        let mut columns = grown.iter_mut();
        row.cells(&mut |_, cell| {
            if let Some(column) = columns.next() {
                push(column, cell, names);
            }
        });
    }
    let mut columns = Vec::with_capacity(grown.len() + 2);
    for ((name, _), grown) in R::COLUMNS.iter().zip(grown) {
        match grown {
            Grown::Text(values) => columns.push(Column::new((*name).into(), values)),
            Grown::Id(values) => columns.push(Column::new((*name).into(), values)),
            Grown::Int(values) => columns.push(Column::new((*name).into(), values)),
            Grown::Float(values) => columns.push(Column::new((*name).into(), values)),
            Grown::Bool(values) => columns.push(Column::new((*name).into(), values)),
            Grown::Range(values) => columns.extend(parts(name).into_iter().zip(values).map(|(name, values)| Column::new(name.into(), values))),
            Grown::Unwanted => {}
        }
    }
    whole(height, columns)
}

/// `COUNT(*)` names no column; a frame without columns would have no rows to count.
fn whole(height: usize, mut columns: Vec<Column>) -> PolarsResult<DataFrame> {
    if columns.is_empty() {
        columns.push(Column::new("row".into(), (0..height as i64).collect::<Vec<_>>()));
    }
    DataFrame::new(height, columns)
}

/// The two are of one kind: both come from the same declaration of the row.
fn push<'a>(column: &mut Grown<'a>, cell: Cell, names: &'a Interner) {
    match (column, cell) {
        (Grown::Text(values), Cell::Name(name)) => values.push(names.get(name)),
        (Grown::Text(values), Cell::Word(word)) => values.push(word),
        (Grown::Id(values), Cell::Trace(id)) => values.push((!id.is_none()).then(|| id.to_string())),
        (Grown::Id(values), Cell::Span(id)) => values.push((!id.is_none()).then(|| id.to_string())),
        (Grown::Int(values), Cell::Time(time)) => values.push(time.is_some().then_some(time.0)),
        (Grown::Int(values), Cell::Int(number)) => values.push(number),
        (Grown::Float(values), Cell::Float(number)) => values.push(number),
        (Grown::Bool(values), Cell::Bool(flag)) => values.push(flag),
        (Grown::Range([file, start, len]), Cell::Evidence(evidence)) => {
            file.push(evidence.file.0.into());
            start.push(i64::try_from(evidence.start).unwrap_or(i64::MAX));
            len.push(evidence.len.into());
        }
        _ => {}
    }
}

fn chosen(height: usize, columns: Vec<(&str, Column)>, wanted: &dyn Fn(&str) -> bool) -> PolarsResult<DataFrame> {
    whole(height, columns.into_iter().filter(|(name, _)| wanted(name)).map(|(_, column)| column).collect())
}

fn text<'c>(name: &'c str, values: Vec<&str>) -> (&'c str, Column) {
    (name, Column::new(name.into(), values))
}

fn whole_numbers(name: &str, values: impl Iterator<Item = u64>) -> (&str, Column) {
    (name, Column::new(name.into(), values.map(|n| i64::try_from(n).unwrap_or(i64::MAX)).collect::<Vec<_>>()))
}

/// `files(file, path, format, bytes, records, quarantined_bytes, trouble)`; `file` is what `evidence_file` refers to.
fn files(tables: &Tables, wanted: &dyn Fn(&str) -> bool) -> PolarsResult<DataFrame> {
    let files: &[SourceFile] = &tables.files;
    let mut quarantined = vec![0_u64; files.len()];
    for row in &tables.quarantine {
        if let Some(bytes) = quarantined.get_mut(row.evidence.file.0 as usize) {
            *bytes += u64::from(row.evidence.len);
        }
    }
    let columns = vec![
        whole_numbers("file", 0..files.len() as u64),
        text("path", files.iter().map(|file| file.path.as_str()).collect()),
        text("format", files.iter().map(|file| file.format.as_str()).collect()),
        whole_numbers("bytes", files.iter().map(|file| file.bytes)),
        whole_numbers("records", files.iter().map(|file| file.records)),
        whole_numbers("quarantined_bytes", quarantined.into_iter()),
        text("trouble", files.iter().map(|file| file.trouble.map_or("", Reason::name)).collect()),
    ];
    chosen(files.len(), columns, wanted)
}

/// `quarantine(reason, path, evidence_file, evidence_start, evidence_len)`.
fn quarantine(tables: &Tables, wanted: &dyn Fn(&str) -> bool) -> PolarsResult<DataFrame> {
    let rows = &tables.quarantine;
    let path = |file: u32| tables.files.get(file as usize).map_or("", |file| file.path.as_str());
    let columns = vec![
        text("reason", rows.iter().map(|row| row.reason.name()).collect()),
        text("path", rows.iter().map(|row| path(row.evidence.file.0)).collect()),
        whole_numbers("evidence_file", rows.iter().map(|row| row.evidence.file.0.into())),
        whole_numbers("evidence_start", rows.iter().map(|row| row.evidence.start)),
        whole_numbers("evidence_len", rows.iter().map(|row| row.evidence.len.into())),
    ];
    chosen(rows.len(), columns, wanted)
}

/// `templates(service, template, level, count, since, until, evidence_file, evidence_start, evidence_len)`: what every log
/// record says, counted, whether its row was kept or not.
fn templates(tables: &Tables, wanted: &dyn Fn(&str) -> bool) -> PolarsResult<DataFrame> {
    let rows = &tables.templates;
    let time = |name: &'static str, of: fn(&crate::model::tables::TemplateStats) -> crate::model::time::Time| {
        let values: Vec<Option<i64>> = rows.values().map(of).map(|time| time.is_some().then_some(time.0)).collect();
        (name, Column::new(name.into(), values))
    };
    let columns = vec![
        text("service", rows.keys().map(|(_, service)| tables.names.get(*service)).collect()),
        text("template", rows.values().map(|stats| tables.names.get(stats.text)).collect()),
        text("level", rows.values().map(|stats| stats.level.name()).collect()),
        whole_numbers("count", rows.values().map(|stats| stats.count)),
        time("since", |stats| stats.window.start),
        time("until", |stats| stats.window.end),
        whole_numbers("evidence_file", rows.values().map(|stats| stats.first.file.0.into())),
        whole_numbers("evidence_start", rows.values().map(|stats| stats.first.start)),
        whole_numbers("evidence_len", rows.values().map(|stats| stats.first.len.into())),
    ];
    chosen(rows.len(), columns, wanted)
}
