//! The tables as CSV, for questions of the reader's own: findings with their measures, and every row that was kept.
//!
//! ```text
//! findings.csv   id,rule,severity,score,...      one row a finding
//! measures.csv   finding,name,value,unit,limit   one row a number of a finding
//! spans.csv      trace,id,parent,start,...,file,offset,length
//! ```
//!
//! Times are RFC 3339 in UTC, lengths nanoseconds, ids hex; every row says where it stands. What this file does not do:
//! log messages that no rule could use; they are in the files, and rows hold no text.

use crate::correlate::Case;
use crate::model::names::{Interner, Sym};
use crate::model::table::{Cell, Kind, Row};
use crate::report::redact::Redactor;
use crate::report::text::{self, Lines};
use crate::report::{Finding, Report};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::io::Write;

/// Names of all files that [`write()`] can give.
pub const NAMES: &[&str] = &[
    "findings",
    "measures",
    "spans",
    "logs",
    "signals",
    "effects",
    "requests",
    "metrics",
    "events",
    "settings",
    "dumps",
    "threads",
    "gc",
    "histograms",
    "classes",
    "jobs",
];

/// Writes one of [`NAMES`]. `show_secrets` leaves names as they were read; the report has its own mind about that already.
///
/// # Errors
/// If it cannot be written, or there is no such table.
pub fn write(name: &str, report: &Report, case: &Case, show_secrets: bool, out: impl Write) -> Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    let tables = &case.tables;
    let mut rows = Rows { out: &mut writer, case, said: BTreeMap::new(), redactor: (!show_secrets).then(Redactor::default) };
    match name {
        "findings" => findings(&report.findings, rows.out)?,
        "measures" => measures(&report.findings, rows.out)?,
        "spans" => rows.all(&tables.spans)?,
        "logs" => rows.all(&tables.logs)?,
        "signals" => rows.all(&tables.signals)?,
        "effects" => rows.all(&tables.effects)?,
        "requests" => rows.all(&tables.requests)?,
        "metrics" => rows.all(&tables.metrics)?,
        "events" => rows.all(&tables.events)?,
        "settings" => rows.all(&tables.settings)?,
        "dumps" => rows.all(&tables.dumps)?,
        "threads" => rows.all(&tables.threads)?,
        "gc" => rows.all(&tables.gc)?,
        "histograms" => rows.all(&tables.histograms)?,
        "classes" => rows.all(&tables.classes)?,
        "jobs" => rows.all(&tables.jobs)?,
        _ => anyhow::bail!("there is no table {name}"),
    }
    writer.flush().with_context(|| format!("cannot write {name}.csv"))
}

fn findings<W: Write>(findings: &[Finding], out: &mut csv::Writer<W>) -> Result<()> {
    out.write_record([
        "id",
        "rule",
        "scenario",
        "severity",
        "score",
        "confidence",
        "role",
        "service",
        "peer",
        "operation",
        "key",
        "start",
        "end",
        "summary",
        "evidence",
        "file",
        "line",
    ])?;
    for finding in findings {
        let subject = &finding.subject;
        let optional = |text: &Option<String>| harmless(text.as_deref().unwrap_or_default());
        let (start, end) = finding.window.as_ref().map_or((String::new(), String::new()), |window| (window.start.clone(), window.end.clone()));
        let first = finding.evidence.first();
        out.write_record([
            finding.id.clone(),
            finding.rule.clone(),
            finding.scenario.map_or_else(String::new, |number| number.to_string()),
            finding.severity.clone(),
            finding.score.to_string(),
            finding.confidence.to_string(),
            finding.role.clone(),
            optional(&subject.service),
            optional(&subject.peer),
            optional(&subject.operation),
            optional(&subject.key),
            start,
            end,
            harmless(&finding.summary),
            finding.evidence_total.to_string(),
            first.map_or_else(String::new, |quote| harmless(&quote.file)),
            first.map_or_else(String::new, |quote| quote.line.to_string()),
        ])?;
    }
    Ok(())
}

fn measures<W: Write>(findings: &[Finding], out: &mut csv::Writer<W>) -> Result<()> {
    out.write_record(["finding", "name", "value", "unit", "limit"])?;
    for finding in findings {
        for measure in &finding.measures {
            let limit = measure.limit.map_or_else(String::new, |limit| limit.to_string());
            out.write_record([&finding.id, &harmless(&measure.name), &measure.value.to_string(), &harmless(&measure.unit), &limit])?;
        }
    }
    Ok(())
}

struct Rows<'a, W: Write> {
    out: &'a mut csv::Writer<W>,
    case: &'a Case,
    /// Names as they are written, each cleaned and redacted once.
    said: BTreeMap<Sym, String>,
    redactor: Option<Redactor>,
}

impl<W: Write> Rows<'_, W> {
    fn all<R: Row>(&mut self, rows: &[R]) -> Result<()> {
        for (name, kind) in R::COLUMNS {
            match kind {
                Kind::Evidence if *name == "evidence" => ["file", "offset", "length"].iter().try_for_each(|part| self.out.write_field(part))?,
                Kind::Evidence => ["file", "offset", "length"].iter().try_for_each(|part| self.out.write_field(format!("{name}_{part}")))?,
                _ => self.out.write_field(name)?,
            }
        }
        self.out.write_record(None::<&[u8]>)?;
        for row in rows {
            let mut result = Ok(());
            row.cells(&mut |_, cell| {
                if result.is_ok() {
                    result = self.cell(cell);
                }
            });
            result?;
            self.out.write_record(None::<&[u8]>)?;
        }
        Ok(())
    }

    fn cell(&mut self, cell: Cell) -> Result<()> {
        match cell {
            Cell::Name(sym) => {
                let names: &Interner = &self.case.tables.names;
                let redactor = &mut self.redactor;
                let said = self.said.entry(sym).or_insert_with(|| {
                    let clean = text::clean(names.get(sym), Lines::Keep);
                    match redactor {
                        Some(redactor) => harmless(&redactor.text(&clean)),
                        None => harmless(&clean),
                    }
                });
                self.out.write_field(said.as_bytes())?;
            }
            Cell::Word(word) => self.out.write_field(word)?,
            Cell::Time(time) => self.out.write_field(if time.is_some() { time.rfc3339() } else { String::new() })?,
            Cell::Int(value) => self.out.write_field(value.map_or_else(String::new, |n| n.to_string()))?,
            Cell::Float(value) => self.out.write_field(if value.is_finite() { value.to_string() } else { String::new() })?,
            Cell::Bool(value) => self.out.write_field(if value { "true" } else { "false" })?,
            Cell::Trace(id) => self.out.write_field(if id.is_none() { String::new() } else { id.to_string() })?,
            Cell::Span(id) => self.out.write_field(if id.is_none() { String::new() } else { id.to_string() })?,
            Cell::Evidence(evidence) => {
                let path = self.case.tables.files.get(evidence.file.0 as usize).map_or("", |file| file.path.as_str());
                self.out.write_field(harmless(&text::clean(path, Lines::Join)))?;
                self.out.write_field(evidence.start.to_string())?;
                self.out.write_field(evidence.len.to_string())?;
            }
        }
        Ok(())
    }
}

/// A text that no spreadsheet takes for a formula: an apostrophe in front says that it is text.
fn harmless(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '@', '\t', '\r']) || (text.starts_with('-') && text.len() > 1);
    if is_formula { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::case;
    use crate::report::example;

    fn written(name: &str, report: &Report, case: &Case) -> String {
        let mut out = Vec::new();
        write(name, report, case, false, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_table_has_a_head_and_its_rows() {
        let case = case("t1\n  gw GET /a 0-100\n    > stock GET /s 10-60\n      stock GET /s 20-50 !500\n");
        let report = example::rich();
        for name in NAMES {
            let text = written(name, &report, &case);
            let mut lines = csv::Reader::from_reader(text.as_bytes());
            let width = lines.headers().unwrap().len();
            assert!(width > 3, "{name}: {text}");
            assert!(lines.records().all(|record| record.is_ok_and(|record| record.len() == width)), "{name}");
        }
        let spans = written("spans", &report, &case);
        assert_eq!(spans.lines().count(), 1 + case.tables.spans.len(), "{spans}");
        assert!(spans.lines().next().unwrap().ends_with("file,offset,length"), "{spans}");
        assert_eq!(written("findings", &report, &case).lines().count(), 1 + report.findings.len());
        assert!(write("wishes", &report, &case, false, Vec::new()).is_err());
    }

    #[test]
    fn formulas_and_secrets_stay_out() {
        assert_eq!(["=1+1", "-2+3", "-", "@x", "plain", "a=b"].map(harmless), ["'=1+1", "'-2+3", "-", "'@x", "plain", "a=b"]);
        let case = case("t1\n  gw GET /mail/jane.doe@example.org 0-100\n");
        let text = written("spans", &example::rich(), &case);
        assert!(!text.contains("jane.doe@example.org"), "{text}");
    }
}
