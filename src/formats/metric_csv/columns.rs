//! What each column of a table is, learnt from its head.
//!
//! ```text
//! Time,{__name__="up", job="orders"},jvm_threads{state="runnable"},p95 latency
//! time,name,labels,value
//! ```
//!
//! What this file does not do: read a table without a header; nothing would name its series.

use super::cells::{Cells, is_absent, number, time};
use crate::formats::arena::Arena;
use crate::formats::prometheus::sample;

/// So many rows of the head are looked at.
const ROWS: usize = 50;
/// Tables with more columns of words than this are no series.
const MOST_LABELS: usize = 8;

/// How the column with the times is called.
const TIMES: [&str; 9] = ["time", "timestamp", "date", "datetime", "ts", "@timestamp", "_time", "time_iso", "epoch"];
/// How a column with names of series is called.
const NAMES: [&str; 6] = ["metric", "metric_name", "name", "series", "__name__", "_field"];
/// How the column with the values of a long table is called.
const VALUES: [&str; 4] = ["value", "val", "_value", "measurement_value"];
/// Columns that only tables of requests, messages or spans have.
const FOREIGN: [&str; 24] = [
    "message",
    "msg",
    "level",
    "severity",
    "log",
    "logger",
    "status",
    "status_code",
    "path",
    "url",
    "uri",
    "method",
    "request",
    "query",
    "trace_id",
    "traceid",
    "span_id",
    "responsecode",
    "responsemessage",
    "threadname",
    "user",
    "client",
    "reason",
    "event",
];

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    Time,
    /// The name of the row's series.
    Name,
    /// A label of the row.
    Label,
    /// Values.
    Value,
}

/// A column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Column {
    pub(super) role: Role,
    /// Name of the series or of the label.
    pub(super) name: String,
    /// Labels that the header of a series holds.
    pub(super) labels: Vec<(String, String)>,
}

/// The columns of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Columns {
    pub(super) separator: char,
    pub(super) header: String,
    /// Which column holds the time.
    pub(super) time: usize,
    pub(super) columns: Vec<Column>,
}

impl Columns {
    pub(super) fn is_long(&self) -> bool {
        self.columns.iter().any(|column| column.role == Role::Name)
    }

    /// Learns the columns; none if this is no table of series.
    pub(super) fn learn(text: &str) -> Option<Self> {
        let mut lines = text.trim_start_matches('\u{feff}').lines().filter(|line| !line.trim_ascii().is_empty());
        let mut header = lines.next()?;
        let mut told = None;
        if let Some(separator) = header.strip_prefix("sep=") {
            told = separator.chars().next();
            header = lines.next()?;
        }
        let separator = told.or_else(|| [',', ';', '\t'].into_iter().max_by_key(|separator| header.matches(*separator).count()))?;
        let names: Vec<&str> = Cells::of(header, separator).collect();
        let is = |name: &str, words: &[&str]| words.iter().any(|word| name.eq_ignore_ascii_case(word));
        let at = names.iter().position(|name| is(name, &TIMES))?;
        if names.len() < 2 || names.iter().any(|name| is(name, &FOREIGN)) {
            return None;
        }
        let rows: Vec<Vec<&str>> = lines.take(ROWS).map(|line| Cells::of(line, separator).collect()).collect();
        let good = rows.iter().filter(|row| row.len() == names.len() && row.get(at).is_some_and(|cell| time(cell, 0).is_some()));
        if rows.is_empty() || good.clone().count() * 10 < rows.len() * 9 {
            return None;
        }
        let is_number = |column: usize| {
            let cells = || good.clone().filter_map(|row| row.get(column)).filter(|cell| !is_absent(cell));
            cells().all(|cell| number(cell).is_some())
        };
        let name_at = names.iter().position(|name| is(name, &NAMES)).filter(|column| !is_number(*column));
        let is_long = name_at.is_some() && names.iter().any(|name| is(name, &VALUES));
        let role = |column: usize, name: &str| match column {
            _ if column == at => Role::Time,
            _ if is_long && Some(column) == name_at => Role::Name,
            _ if is_long && is(name, &VALUES) && is_number(column) => Role::Value,
            _ if !is_long && is_number(column) => Role::Value,
            _ => Role::Label,
        };
        let columns: Vec<Column> = names.iter().enumerate().map(|(number, name)| Column::of(role(number, name), name)).collect();
        let count = |role: Role| columns.iter().filter(|column| column.role == role).count();
        (count(Role::Value) > 0 && count(Role::Label) <= MOST_LABELS).then(|| Self { separator, header: header.to_owned(), time: at, columns })
    }
}

impl Column {
    /// A series may be headed by its labels, as Grafana does it.
    fn of(role: Role, name: &str) -> Self {
        let arena = Arena::default();
        let mut labels = Vec::new();
        let unquoted = name.replace("\"\"", "\"");
        let as_sample = if unquoted.contains('{') { format!("{} 1", unquoted.trim_ascii()) } else { String::new() };
        let nameless = as_sample.starts_with('{');
        let as_sample = if nameless { format!("value{as_sample}") } else { as_sample };
        match sample::read(&as_sample, &arena, &mut labels).filter(|_| role == Role::Value) {
            Some(sample) => {
                let mut own: Vec<(String, String)> =
                    labels.iter().map(|label| (label.key.to_owned(), label.value.text().unwrap_or_default().to_owned())).collect();
                let inner = own.iter().position(|(key, _)| key == "__name__").map(|at| own.remove(at).1);
                Self { role, name: inner.unwrap_or_else(|| sample.name.to_owned()), labels: own }
            }
            None => Self { role, name: name.to_owned(), labels: Vec::new() },
        }
    }
}
