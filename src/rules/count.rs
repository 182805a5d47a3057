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

/// What the texts of a counting rule may put in braces.
pub(crate) const GAPS: &[&str] = &["service", "operation", "key", "subject", "count", "total", "names", "instances"];

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
    for (word, all) in [("names", distinct(|row| row.name)), ("instances", instances)] {
        if !all.is_empty() {
            finding.word(word, all.join(", "));
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::Case;
    use crate::model::finding::Outcome;
    use crate::model::time::MINUTE;
    use crate::rules::{load, run, say};

    /// Signals of one name: service, instance, what it names, and the minute it was said in.
    fn case(signal: &str, said: &[(&str, &str, &str, i64)]) -> Case {
        let mut case = Case::default();
        case.context.inputs.insert(Input::Logs);
        let tables = &mut case.tables;
        for (number, (service, instance, name, minute)) in said.iter().enumerate() {
            let row = Signal {
                signal: tables.names.intern(signal),
                time: if *minute < 0 { Time::NONE } else { Time(minute * MINUTE) },
                trace: TraceId(number as u128),
                service: tables.names.intern(service),
                instance: tables.names.intern(instance),
                name: tables.names.intern(name),
                key: Sym::NONE,
                value: f64::NAN,
                level: Level::Error,
                evidence: Evidence::new(FileId(0), number as u64 * 100, 80),
            };
            tables.signals.push(row);
        }
        case
    }

    fn found(rules: &RuleSet, id: &str, case: &Case) -> Vec<Finding> {
        match run(rules, &Scope { case, baseline: None }).remove(id).unwrap() {
            Outcome::Found(found) => found,
            Outcome::Clear => Vec::new(),
            other => panic!("{other:?}"),
        }
    }

    fn counting(per: &str, window: &str, info: u32) -> RuleSet {
        load::with_rule(&format!(
            "id: x\ntitle: T\nstatus: stable\nscenarios: []\nseverity: high\nneeds: [logs]\ncollect: C\n\
             thresholds: {{count: {{unit: n, info: {info}, warn: 10, why: W}}}}\n\
             detect: {{signal: {{signal: redis.timeout, per: {per}{window}}}}}\n\
             text: {{what: '{{subject}} {{count}} of {{total}}', why: W, fix: F}}\n"
        ))
        .unwrap()
    }

    #[test]
    fn a_window_slides() {
        let rules = counting("service", ", window: 10m", 3);
        let said = [0, 8, 16, 24, 30, 31, 33, 60].map(|minute| ("orders", "a", "", minute));
        let finding = found(&rules, "x", &case("redis.timeout", &said)).remove(0);
        assert_eq!(say::spoken(&rules.rules["x"], &finding).what, "orders 4 of 4");
        assert_eq!(finding.window, Window::of(Time(24 * MINUTE), Time(33 * MINUTE)));
        assert_eq!((finding.severity, finding.evidence_total, finding.traces.len()), (Severity::Medium, 4, 4));
        assert!(found(&rules, "x", &case("redis.timeout", &said[..4])).is_empty(), "never three within ten minutes");
    }

    #[test]
    fn without_a_window_the_whole_bundle_counts_even_without_times() {
        let rules = counting("service", "", 3);
        assert_eq!(found(&rules, "x", &case("redis.timeout", &[("orders", "", "", -1); 3])).len(), 1);
        assert!(found(&counting("service", ", window: 10m", 3), "x", &case("redis.timeout", &[("orders", "", "", -1); 3])).is_empty());
    }

    #[test]
    fn subjects_are_apart() {
        let said = [("orders", "a", "r1", 0), ("orders", "b", "r1", 0), ("stock", "c", "r1", 0), ("orders", "a", "r2", 0)];
        let subjects =
            |per| found(&counting(per, "", 1), "x", &case("redis.timeout", &said)).iter().map(|f| f.subject.to_string()).collect::<Vec<_>>();
        assert_eq!(subjects("service"), ["orders", "stock"]);
        assert_eq!(subjects("instance"), ["orders / a", "orders / b", "stock / c"]);
        assert_eq!(subjects("name"), ["orders / r1", "orders / r2", "stock / r1"]);
        assert_eq!(subjects("bundle"), ["all services"]);
    }

    #[test]
    fn built_in_texts_are_complete() {
        let rules = load::built_in().unwrap();
        for rule in rules.rules.values() {
            let Detect::Signal(count) = &rule.detect else { continue };
            let case = case(&count.signal, &[("orders", "a", "thing", 0); 30]);
            for finding in found(&rules, &rule.id, &case) {
                assert_eq!(say::unfilled(rule, &finding), Vec::<String>::new(), "{}", rule.id);
                assert_eq!(finding.severity.name(), rule.severity);
            }
        }
    }
}
