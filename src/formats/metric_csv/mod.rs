//! Series in tables: a column with times, and the others either one series each (wide) or name, labels and value (long).
//!
//! ```text
//! "Time","orders-1","orders-2"                            time,metric,pod,value
//! 2026-11-22 19:30:00,12,                                 1795376013,jvm_memory_used_bytes,orders-0,16850024
//! timestamp;cpu;{__name__="up", job="orders"}             sep=,
//! ```
//!
//! The head decides what each column is: what holds numbers is a series, what holds words is a label. Tables that speak of
//! requests or messages are somebody else's. What this file does not do: cells over several lines, decimal commas.

mod cells;
mod columns;

use super::lines::{Block, LineFormat};
use super::metric_name::{kind_by_name, owner};
use super::{Format, Match};
use crate::model::record::{Field, MetricRecord, Reason, Sink, Value};
use crate::model::source::Head;
use cells::{Cells, number, time};
use columns::{Column, Columns, Role};

/// Tables of series.
pub const FORMAT: Format = Format { name: "metric-csv", sniff };

impl LineFormat for Columns {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        !line.is_empty()
    }

    fn continues(&self) -> bool {
        false
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        if block.text.trim_start_matches('\u{feff}') == self.header || block.text.trim_start_matches('\u{feff}').starts_with("sep=") {
            return;
        }
        let cells: Vec<&str> = Cells::of(block.text, self.separator).collect();
        let stamp = cells.get(self.time).and_then(|cell| time(cell, block.hints.zone));
        let (Some(stamp), true) = (stamp, cells.len() == self.columns.len()) else {
            let reason = if cells.len() < self.columns.len() { Reason::Truncated } else { Reason::Malformed };
            sink.quarantine(block.evidence, reason);
            return;
        };
        let rows = || self.columns.iter().zip(&cells);
        let shared: Vec<Field<'_>> =
            rows().filter(|(column, cell)| column.role == Role::Label && !cell.is_empty()).map(|(column, cell)| field(&column.name, cell)).collect();
        let named = rows().find(|(column, _)| column.role == Role::Name).map(|(_, cell)| *cell);
        let mut labels = shared;
        let known = labels.len();
        for (column, cell) in rows().filter(|(column, _)| column.role == Role::Value) {
            let Some(value) = number(cell) else { continue };
            labels.truncate(known);
            let name = match (named, column) {
                (Some(name), _) => name,
                (None, Column { name, labels: own, .. }) => {
                    labels.extend(own.iter().map(|(key, value)| field(key, value)));
                    name
                }
            };
            let (service, instance) = owner(&labels, block.hints);
            sink.metric(&MetricRecord {
                time: stamp,
                service,
                instance,
                name,
                unit: "",
                kind: kind_by_name(name),
                labels: &labels,
                value,
                evidence: block.evidence,
            });
        }
    }
}

const fn field<'a>(key: &'a str, value: &'a str) -> Field<'a> {
    Field { key, value: Value::Text(value) }
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let whole = if head.whole { head.bytes.len() } else { memchr::memrchr(b'\n', head.bytes)? + 1 };
    let text = std::str::from_utf8(head.bytes.get(..whole)?).ok()?;
    let columns = Columns::learn(text)?;
    let label = if columns.is_long() { "metrics/csv-long" } else { "metrics/csv-wide" };
    Some(Match::lines(82, label, Box::new(columns)))
}

#[cfg(test)]
mod tests;
