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
            let unit = name.rsplit_once('_').map(|(_, last)| last).filter(|last| ["ms", "s", "bytes", "percent"].contains(last));
            finding.measure(name, value, unit.unwrap_or_default());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::Case;
    use crate::model::finding::Outcome;
    use crate::model::ids::{SpanId, TraceId};
    use crate::model::names::Sym;
    use crate::model::record::{Reason, SpanKind, SpanStatus};
    use crate::model::rule::Detect;
    use crate::model::tables::{Quarantine, SourceFile, Span};
    use crate::model::time::SECOND;
    use crate::rules::{load, run, say};

    fn query(operation: &str, start: i64, millis: u64) -> (String, i64, u64) {
        (operation.to_owned(), start, millis)
    }

    fn case(queries: &[(String, i64, u64)]) -> Case {
        let mut case = Case::default();
        case.context.inputs.insert(Input::Spans);
        let tables = &mut case.tables;
        for (number, (operation, start, millis)) in queries.iter().enumerate() {
            let row = Span {
                trace: TraceId(1),
                id: SpanId(number as u64 + 1),
                parent: SpanId::NONE,
                start: Time(start * SECOND),
                nanos: millis * 1_000_000,
                fingerprint: 0,
                service: tables.names.intern("orders"),
                instance: Sym::NONE,
                name: Sym::NONE,
                peer: tables.names.intern("orders-db"),
                operation: tables.names.intern(operation),
                system: tables.names.intern(if operation == "POST /pay" { "" } else { "postgresql" }),
                error: Sym::NONE,
                attributes: Sym::NONE,
                http_status: 0,
                rpc_status: 0,
                resend: 0,
                kind: SpanKind::Client,
                status: SpanStatus::Unset,
                strong: false,
                evidence: Evidence::new(FileId(0), number as u64 * 100, 90),
            };
            tables.spans.push(row);
        }
        case
    }

    fn slow(case: &Case) -> Vec<(Finding, String)> {
        let rules = load::built_in().unwrap();
        match run(&rules, &Scope { case, baseline: None }).remove("slow-query").unwrap() {
            Outcome::Clear => Vec::new(),
            Outcome::Found(found) => found
                .into_iter()
                .map(|finding| {
                    let rule = &rules.rules["slow-query"];
                    assert_eq!(say::unfilled(rule, &finding), Vec::<String>::new());
                    let what = say::spoken(rule, &finding).what;
                    (finding, what)
                })
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_slow_query_is_found_with_its_slowest_call_first() {
        let mut queries: Vec<_> = (0..20).map(|n| query("SELECT stock", n, 600 + n.cast_unsigned() * 10)).collect();
        queries.extend((0..20).map(|n| query("SELECT users", n, 20)));
        queries.extend((0..20).map(|n| query("POST /pay", n, 9_000)));
        queries.push(query("DELETE carts", 50, 8_000));
        queries.push(query("DELETE users", 50, 3_000));
        let found = slow(&case(&queries));
        let whats: Vec<&str> = found.iter().map(|(_, what)| what.as_str()).collect();
        assert_eq!(
            whats,
            [
                "DELETE carts at orders-db took orders 8 s once (1 calls in all)",
                "SELECT stock at orders-db takes orders 780 ms at the 95th percentile over 20 calls, 13.9 s in all",
            ]
        );
        let (finding, _) = &found[1];
        assert_eq!((finding.severity, finding.confidence, finding.evidence_total), (Severity::Low, 0.80, 20));
        assert_eq!(finding.evidence, [Evidence::new(FileId(0), 1_900, 90)], "the slowest call is quoted");
        assert_eq!(finding.window, Window::of(Time(0), Time(19 * SECOND)));
    }

    #[test]
    fn quick_queries_are_clear() {
        assert!(slow(&case(&(0..100).map(|n| query("SELECT users", n, 30)).collect::<Vec<_>>())).is_empty());
    }

    #[test]
    fn every_table_has_columns_even_if_it_is_empty() {
        for table in frame::NAMES {
            assert_eq!(check(&format!("SELECT 'a' AS key, COUNT(*) AS value FROM {table}")), Ok(()), "{table}");
            assert!(execute(&format!("SELECT * FROM {table}"), &Tables::default()).unwrap().width() > 2, "{table}");
        }
    }

    #[test]
    fn files_and_quarantine_are_tables() {
        let mut tables = Tables::default();
        tables.files.push(SourceFile { path: "a.log".to_owned(), format: "spring-log".to_owned(), bytes: 100, records: 3, ..SourceFile::default() });
        tables.files.push(SourceFile { path: "b.bin".to_owned(), bytes: 50, trouble: Some(Reason::Unrecognised), ..SourceFile::default() });
        tables.quarantine.push(Quarantine { reason: Reason::Malformed, evidence: Evidence::new(FileId(0), 7, 30) });
        let sum = "SELECT path AS operation, 100.0 * quarantined_bytes / bytes AS value, trouble FROM files ORDER BY path";
        let result = execute(sum, &tables).unwrap();
        assert_eq!((number(&result, "value", 0), text(&result, "trouble", 1).as_deref()), (Some(30.0), Some("unrecognised")));
        let result = execute("SELECT path AS key, reason, evidence_start, 1 AS value FROM quarantine", &tables).unwrap();
        assert_eq!((text(&result, "key", 0).as_deref(), whole(&result, "evidence_start", 0)), (Some("a.log"), Some(7)));
        assert_eq!(number(&execute("SELECT COUNT(*) AS value FROM files", &tables).unwrap(), "value", 0), Some(2.0));
    }

    #[test]
    fn mistakes_in_a_query_are_told() {
        let why = |query| check(query).unwrap_err();
        assert!(why("SELEC 1").contains("SELEC"), "{}", why("SELEC 1"));
        assert!(why("SELECT servce AS service, 1 AS value FROM spans").contains("servce"));
        assert!(why("SELECT service, 1 AS value FROM span").contains("tables are spans, db_calls"));
        assert_eq!(why("SELECT service FROM spans"), "the result has no column `value`");
        assert_eq!(why("SELECT 1 AS value FROM spans"), "the result has none of the columns service, peer, operation, key");
        let rule = "id: x\ntitle: T\nstatus: stable\nscenarios: []\nseverity: low\nneeds: [spans]\ncollect: C\nthresholds: {value: {unit: n, value: 1, why: W}}\n\
                    detect:\n  sql: |\n    SELECT service, COUNT(*) AS value FROM spans WHERE nanos > {limit} GROUP BY service\ntext: {what: a, why: b, fix: c}\n";
        let error = load::with_rule(rule).unwrap_err().to_string();
        assert!(error.contains("x.yaml:11:") && error.contains("unknown threshold in the SQL: `limit`; known are value"), "{error}");
        let error = load::with_rule(&rule.replace("{limit}", "{value} + nano")).unwrap_err().to_string();
        assert!(error.contains("the SQL does not parse: ") && error.contains("nano"), "{error}");
        let set = load::with_rule(&rule.replace("{limit}", "{value}")).unwrap();
        assert!(matches!(&set.rules["x"].detect, Detect::Sql(query) if query.contains("nanos > 1.0")));
    }

    #[test]
    fn limits_may_fall() {
        let threshold = |info, warn| Threshold { unit: String::new(), info, warn, why: String::new() };
        assert_eq!(graded(40.0, &threshold(50.0, 10.0)).map(f64::round), Some(38.0));
        assert_eq!((graded(10.0, &threshold(50.0, 10.0)), graded(60.0, &threshold(50.0, 10.0))), (Some(75.0), None));
        assert_eq!((graded(5.0, &threshold(5.0, 10.0)), graded(4.9, &threshold(5.0, 10.0))), (Some(25.0), None));
    }

    #[test]
    fn only_named_columns_are_built() {
        assert!(
            names_all_columns("SELECT * FROM spans")
                && names_all_columns("SELECT a, s.* FROM spans s")
                && !names_all_columns("SELECT COUNT(*), 2 * nanos FROM spans")
        );
        assert!(holds_word("MIN(start) AS since", "start") && !holds_word("MIN(evidence_start)", "start"));
    }
}
