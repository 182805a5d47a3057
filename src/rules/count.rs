//! Rules that count a signal: so many of one wording per subject within a sliding window.
//!
//! The threshold `count` holds the limits, the measure `count` the greatest number that any window holds. The finding
//! reaches from the first to the last sign of all windows that reach the lower limit.
//!
//! What this file does not do: search text. The rows of `tables.signals` have been found before.

use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::record::Level;
use crate::model::rule::{Detect, Per, Rule, RuleSet, Sample, SignalCount};
use crate::model::source::{Evidence, FileId};
use crate::model::tables::{Signal, Tables};
use crate::model::time::{Time, Window};
use crate::rules::Scope;
use std::collections::{BTreeMap, BTreeSet};

/// How sure a wording makes us: it was written on purpose by the component that failed.
const WEIGHT: f64 = 0.85;

/// How many traces a finding names.
const TRACES: usize = 5;

/// Adds a finding for every subject whose count reaches the lower limit.
pub(crate) fn detect(scope: &Scope<'_>, rule: &Rule, count: &SignalCount, out: &mut Vec<Finding>) {
    let tables = &scope.case.tables;
    let Some(signal) = tables.names.find(&count.signal) else { return };
    let mut subjects: BTreeMap<(&str, &str), Vec<&Signal>> = BTreeMap::new();
    for row in tables.signals.iter().filter(|row| row.signal == signal) {
        let part = |sym: Sym| tables.names.get(sym);
        let subject = match count.per {
            Per::Service => (part(row.service), ""),
            Per::Instance => (part(row.service), part(row.instance)),
            Per::Name => (part(row.service), part(row.name)),
            Per::Bundle => ("", ""),
        };
        subjects.entry(subject).or_default().push(row);
    }
    for ((service, part), mut rows) in subjects {
        rows.sort_by_key(|row| (row.time, row.evidence));
        let (most, from, to) = densest(&rows, count.window, rule.limit("count"));
        if (most as f64) < rule.limit("count") {
            continue;
        }
        let subject = Subject { service: service.to_owned(), operation: part.to_owned(), ..Subject::default() };
        out.push(finding(rule, tables, count.per, subject, &rows[from..to], most));
    }
}

/// The greatest number of rows that any window holds, and the range from the first to the last row of all windows that
/// hold at least `limit`. Rows without a time come first and count only where there is no window.
fn densest(rows: &[&Signal], window: Option<i64>, limit: f64) -> (usize, usize, usize) {
    let Some(window) = window else { return (rows.len(), 0, rows.len()) };
    let (mut most, mut range) = (0, None);
    let mut start = rows.iter().take_while(|row| row.time.is_none()).count();
    for (end, row) in rows.iter().enumerate().skip(start) {
        while rows[start].time.plus(window) < row.time {
            start += 1;
        }
        let held = end + 1 - start;
        most = most.max(held);
        if held as f64 >= limit {
            range = Some((range.map_or(start, |(first, _)| first), end + 1));
        }
    }
    let (from, to) = range.unwrap_or((0, 0));
    (most, from, to)
}

fn finding(rule: &Rule, tables: &Tables, per: Per, subject: Subject, rows: &[&Signal], most: usize) -> Finding {
    let (limit, upper, value) = (rule.limit("count"), rule.upper("count"), most as f64);
    let mut window = Window::default();
    for row in rows {
        window.add(row.time);
    }
    let mut finding = Finding::new(&rule.id, subject, window);
    let worst = Severity::ALL.into_iter().find(|severity| severity.name() == rule.severity).unwrap_or(Severity::Medium);
    finding.severity = if value >= upper { worst } else { worst.milder() };
    finding.score = score(value, limit, upper);
    finding.confidence = Belief::new().with("wording", Input::Logs, WEIGHT).value();
    finding.measure_against("count", value, "records", limit).measure("total", rows.len() as f64, "records");
    let distinct = |of: fn(&Signal) -> Sym| -> Vec<String> {
        let all: BTreeSet<&str> = rows.iter().map(|row| tables.names.get(of(row))).filter(|name| !name.is_empty()).collect();
        all.into_iter().map(str::to_owned).collect()
    };
    let instances = distinct(|row| row.instance);
    finding.measure("instances", instances.len().max(1) as f64, "instances");
    finding.word("names", distinct(|row| row.name).join(", ")).word("instance", instances.join(", "));
    if per == Per::Bundle {
        finding.services = distinct(|row| row.service);
        finding.subject.operation = "all services".to_owned();
    }
    finding.cite(rows.iter().map(|row| row.evidence));
    let traces: Vec<TraceId> = rows.iter().map(|row| row.trace).filter(|trace| !trace.is_none()).collect();
    for trace in traces {
        if finding.traces.len() < TRACES && !finding.traces.contains(&trace) {
            finding.traces.push(trace);
        }
    }
    finding
}

/// The samples whose rule does not do what they expect, each with a sentence.
pub(crate) fn failing_samples(rules: &RuleSet) -> Vec<String> {
    rules.samples.iter().filter_map(|sample| failing(rules, sample)).collect()
}

fn failing(rules: &RuleSet, sample: &Sample) -> Option<String> {
    let rule = rules.rules.get(&sample.rule)?;
    let Detect::Signal(count) = &rule.detect else { return None };
    let mut case = crate::correlate::Case::default();
    let tables = &mut case.tables;
    let (name, service) = (tables.names.intern(&count.signal), tables.names.intern("sample"));
    for (number, line) in sample.given.iter().enumerate() {
        let Some(said) = rules.signals.iter().filter(|spec| spec.signal == count.signal).find_map(|spec| spec.find(line)) else { continue };
        let row = Signal {
            signal: name,
            time: Time(0),
            trace: TraceId::NONE,
            service,
            instance: Sym::NONE,
            name: tables.names.intern(said.name),
            key: tables.names.intern(said.key),
            value: said.value,
            level: Level::None,
            evidence: Evidence::new(FileId(0), number as u64, line.len()),
        };
        tables.signals.push(row);
    }
    let mut found = Vec::new();
    detect(&Scope { case: &case, baseline: None }, rule, count, &mut found);
    if found.is_empty() != sample.found {
        return None;
    }
    let did = if sample.found { "finds nothing in" } else { "fires on" };
    Some(format!(
        "{}: the rule `{}` {did} its test \"{}\" ({} of {} lines carry the signal)",
        sample.origin,
        rule.id,
        sample.name,
        case.tables.signals.len(),
        sample.given.len()
    ))
}
