//! Rules written in SQL: one row of the result is one suspicion.
//!
//! ```sql
//! SELECT service, name AS operation, COUNT(*) AS value, MIN(time) AS since, MAX(time) AS until,
//!        FIRST(evidence_file) AS evidence_file, FIRST(evidence_start) AS evidence_start, FIRST(evidence_len) AS evidence_len
//! FROM signals WHERE signal = 'bulkhead.rejected' GROUP BY service, name
//! ```
//!
//! `value` is compared with the threshold `value`: rows that do not reach its lower limit are dropped. `service` (or
//! `subject`, its other name), `peer`, `operation` and `key` say what the finding is about; `kind`, `severity` and
//! `confidence` may be given; `since` and `until` are nanoseconds as in the tables; `seen` is how many records there are.
//! Any further number becomes a measure (its unit is the last word of its name if that is one: `_ms`, `_s`, `_bytes`,
//! `_percent`), any further text a word. The tables are those of `model/frame.rs`; only what a query names is built.
//!
//! What this file does not do: offer all of SQL. Range frames, recursion and sliding windows are for native detectors.

use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::frame;
use crate::model::rule::{Rule, Threshold};
use crate::model::source::{Evidence, FileId};
use crate::model::tables::Tables;
use crate::model::time::{Time, Window};
use crate::rules::Scope;
use polars::prelude::{AnyValue, DataFrame, IntoLazy};
use polars::sql::{SQLContext, extract_table_identifiers};

/// Whether this build can run SQL.
pub const AVAILABLE: bool = true;

/// How sure a query makes us if it does not say so itself: a measured value over a limit, nothing ruled out.
const WEIGHT: f64 = 0.80;

/// Runs the query over empty tables: finds syntax, tables, columns and functions that do not exist, and result columns
/// that are missing.
///
/// # Errors
/// One line that says what is wrong.
pub fn check(query: &str) -> Result<(), String> {
    let result = execute(query, &Tables::default())?;
    let has = |name: &str| result.get_column_names().iter().any(|column| column.as_str() == name);
    if !has("value") {
        return Err("the result has no column `value`".to_owned());
    }
    if !["service", "subject", "peer", "operation", "key"].into_iter().any(has) {
        return Err("the result has none of the columns service, peer, operation, key".to_owned());
    }
    Ok(())
}

/// One finding for every row whose value reaches the lower limit.
///
/// # Errors
/// The query does not run; one line says why.
pub fn detect(scope: &Scope<'_>, rule: &Rule, query: &str) -> Result<Vec<Finding>, String> {
    let result = execute(query, &scope.case.tables)?;
    let threshold = rule.thresholds.get("value").ok_or("the rule has no threshold `value`")?;
    Ok((0..result.height()).filter_map(|row| finding(scope, rule, threshold, &result, row)).collect())
}

fn execute(query: &str, tables: &Tables) -> Result<DataFrame, String> {
    let mut context = SQLContext::new();
    let star = names_all_columns(query);
    let wanted = |column: &str| star || holds_word(query, column);
    for name in extract_table_identifiers(query, false, true).map_err(|error| one_line(&error))? {
        // A name that is none of ours may be a WITH clause of the query; if not, the engine says that it is unknown.
        if let Some(frame) = frame::frame(tables, &name, &wanted) {
            context.register(&name, frame.map_err(|error| one_line(&error))?.lazy());
        }
    }
    context.execute(query).and_then(|lazy| lazy.collect()).map_err(|error| format!("{}; tables are {}", one_line(&error), frame::NAMES.join(", ")))
}

fn one_line(error: &dyn std::fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

/// Whether a star stands for columns: one that is neither `COUNT(*)` nor a product.
fn names_all_columns(query: &str) -> bool {
    query.match_indices('*').any(|(at, _)| {
        let before = query[..at].trim_end();
        let word = before.rsplit(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        before.ends_with([',', '.']) || word.eq_ignore_ascii_case("select") || word.eq_ignore_ascii_case("distinct")
    })
}

fn holds_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part))
}

fn finding(scope: &Scope<'_>, rule: &Rule, threshold: &Threshold, result: &DataFrame, row: usize) -> Option<Finding> {
    let value = number(result, "value", row)?;
    let score = graded(value, threshold)?;
    let part = |name| text(result, name, row).unwrap_or_default();
    let service = text(result, "service", row).or_else(|| text(result, "subject", row)).unwrap_or_default();
    let subject = Subject { service, peer: part("peer"), operation: part("operation"), key: part("key") };
    let time = |name| whole(result, name, row).map_or(Time::NONE, Time);
    let (since, until) = (time("since"), time("until"));
    let window = match (since.is_some(), until.is_some()) {
        (true, true) => Window::of(since, until),
        (true, false) => Window::of(since, since),
        (false, true) => Window::of(until, until),
        (false, false) => scope.case.context.window,
    };
    let mut finding = Finding::new(&rule.id, subject, window);
    finding.kind = part("kind");
    finding.score = score;
    let named = |name: &str| Severity::ALL.into_iter().find(|severity| severity.name() == name);
    let worst = named(&rule.severity).unwrap_or(Severity::Medium);
    let serious = if threshold.warn < threshold.info { value <= threshold.warn } else { value >= threshold.warn };
    finding.severity = named(&part("severity")).unwrap_or(if serious { worst } else { worst.milder() });
    let weight = number(result, "confidence", row).unwrap_or(WEIGHT);
    let input = rule.needs.iter().flatten().next().copied().unwrap_or(Input::Files);
    finding.confidence = Belief::new().with("query", input, weight).value();
    finding.measure_against("value", value, &threshold.unit, threshold.info);
    further(&mut finding, result, row);
    cite(&mut finding, result, row);
    Some(finding)
}

/// The score; `None` if the value does not reach the lower limit. Limits may also fall: then small values are bad.
fn graded(value: f64, threshold: &Threshold) -> Option<f64> {
    let Threshold { info, warn, .. } = *threshold;
    if warn >= info {
        return (value >= info).then(|| score(value, info, warn));
    }
    // Mirrored at the lower limit, so that a value as far below it as `warn` scores what `warn` would above it.
    (value <= info).then(|| score(2.0 * info - value, info, 2.0 * info - warn))
}

const KNOWN: &[&str] = &[
    "subject",
    "service",
    "peer",
    "operation",
    "key",
    "value",
    "kind",
    "severity",
    "confidence",
    "since",
    "until",
    "seen",
    "evidence_file",
    "evidence_start",
    "evidence_len",
];

fn further(finding: &mut Finding, result: &DataFrame, row: usize) {
    for name in result.get_column_names().into_iter().filter(|name| !KNOWN.contains(&name.as_str())) {
        if let Some(value) = number(result, name, row) {
            let unit = match name.rsplit_once('_').map(|(_, last)| last) {
                Some(unit @ ("ms" | "s" | "bytes" | "percent")) => unit,
                _ => "",
            };
            finding.measure(name, value, unit);
        } else if let Some(word) = text(result, name, row) {
            finding.word(name, word);
        }
    }
}

fn cite(finding: &mut Finding, result: &DataFrame, row: usize) {
    let range = |name| whole(result, name, row);
    let (file, start, len) = (range("evidence_file"), range("evidence_start"), range("evidence_len"));
    if let (Some(Ok(file)), Some(Ok(start)), Some(Ok(len))) = (file.map(u32::try_from), start.map(u64::try_from), len.map(usize::try_from)) {
        finding.cite([Evidence::new(FileId(file), start, len)]);
    }
    if let Some(Ok(seen)) = range("seen").map(u64::try_from) {
        finding.evidence_total = finding.evidence_total.max(seen);
    }
}

fn cell<'a>(result: &'a DataFrame, name: &str, row: usize) -> Option<AnyValue<'a>> {
    result.column(name).ok()?.get(row).ok()
}

fn number(result: &DataFrame, name: &str, row: usize) -> Option<f64> {
    let value = cell(result, name, row)?;
    if value.is_primitive_numeric() { value.extract::<f64>().filter(|number| number.is_finite()) } else { None }
}

fn whole(result: &DataFrame, name: &str, row: usize) -> Option<i64> {
    let value = cell(result, name, row)?;
    if value.is_primitive_numeric() { value.extract::<i64>() } else { None }
}

fn text(result: &DataFrame, name: &str, row: usize) -> Option<String> {
    match cell(result, name, row)? {
        AnyValue::String(text) => Some(text.to_owned()),
        AnyValue::StringOwned(text) => Some(text.to_string()),
        _ => None,
    }
}
