//! Faults: rules over a case.
//!
//! [`run`] asks every rule and answers for every rule: found, clear, not applicable, or failed. What this file does not
//! do: know any fault, or rank causes.

pub mod count;
pub mod explain;
#[cfg(test)]
pub(crate) mod fixture;
pub mod load;
pub mod native;
mod rule_file;
pub mod say;
mod signal_file;
#[cfg(test)]
mod signal_samples;
#[cfg(feature = "tables")]
pub mod sql;
#[cfg(not(feature = "tables"))]
#[path = "sql_absent.rs"]
pub mod sql;
pub mod usual;
mod yaml;

use crate::correlate::Case;
use crate::model::finding::{Finding, Input, Outcome};
use crate::model::rule::{Detect, Rule, RuleSet};
use crate::model::time::SECOND;
use rayon::prelude::*;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// What a detector looks at.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The incident.
    pub case: &'a Case,
    /// A calm time, or another environment, if one was given.
    pub baseline: Option<&'a Case>,
}

/// A detector written in Rust. Its numbers and words live in its rule file, which has the same id.
#[derive(Clone, Copy, Debug)]
pub struct Detector {
    /// Id of the rule.
    pub id: &'static str,
    /// Names of the thresholds it asks for; the loader checks that the rule file has them.
    pub thresholds: &'static [&'static str],
    /// Looks, and adds what it finds. Findings below a confidence of 0.30 are dropped by the engine.
    pub detect: fn(&Scope<'_>, &Rule, &mut Vec<Finding>),
}

/// Below this confidence nothing is said.
const SAYABLE: f64 = 0.30;

/// Windows of one subject that lie this close are one incident.
const SLACK: i64 = SECOND;

/// Asks every rule, in parallel; a rule that breaks does not stop the others.
#[must_use]
pub fn run(rules: &RuleSet, scope: &Scope<'_>) -> BTreeMap<String, Outcome> {
    // Queries hold copies of whole columns while they run, and use all threads themselves: they go after the others, so
    // that the two are not in memory together.
    let (queries, others): (Vec<_>, Vec<_>) = rules.rules.iter().partition(|(_, rule)| matches!(rule.detect, Detect::Sql(_)));
    let answer = |(id, rule): &(&String, &Rule)| ((*id).clone(), ask(rule, scope));
    // What a rule holds while it looks grows with the rows: where these do not fit into memory, that of one is enough.
    let mut outcomes: BTreeMap<String, Outcome> =
        if scope.case.tables.is_kept() { others.iter().map(answer).collect() } else { others.par_iter().map(answer).collect() };
    outcomes.extend(queries.iter().map(|(id, rule)| ((*id).clone(), ask(rule, scope))));
    outcomes
}

/// Inputs of which the case has none of the alternatives, which are joined by `or`.
fn lacking(needs: &[Vec<Input>], scope: &Scope<'_>) -> Vec<String> {
    let has = |input: &Input| match input {
        Input::Baseline => scope.baseline.is_some(),
        Input::Files => !scope.case.tables.files.is_empty() || scope.case.context.inputs.contains(input),
        _ => scope.case.context.inputs.contains(input),
    };
    let lacking = needs.iter().filter(|alternatives| !alternatives.iter().any(has));
    lacking.map(|alternatives| alternatives.iter().map(|input| input.name()).collect::<Vec<_>>().join(" or ")).collect()
}

/// Inputs without which silence of the rule does not mean that all is well.
#[must_use]
pub fn blind_to(rule: &Rule, scope: &Scope<'_>) -> Vec<String> {
    lacking(&rule.needs_to_clear, scope)
}

fn ask(rule: &Rule, scope: &Scope<'_>) -> Outcome {
    let missing = lacking(&rule.needs, scope);
    if !missing.is_empty() {
        return Outcome::NotApplicable { missing };
    }
    if matches!(rule.detect, Detect::Sql(_)) && !sql::AVAILABLE {
        return Outcome::NotApplicable { missing: vec!["built without SQL".to_owned()] };
    }
    match caught(|| look(rule, scope)) {
        Ok(Ok(found)) => match settle(rule, found) {
            Outcome::Clear if !blind_to(rule, scope).is_empty() => Outcome::NotApplicable { missing: blind_to(rule, scope) },
            outcome => outcome,
        },
        Ok(Err(why)) | Err(why) => Outcome::Failed { why },
    }
}

fn look(rule: &Rule, scope: &Scope<'_>) -> Result<Vec<Finding>, String> {
    let mut found = Vec::new();
    match &rule.detect {
        Detect::Native(id) => {
            let detector = native::DETECTORS.iter().find(|detector| detector.id == id);
            let detector = detector.ok_or_else(|| format!("there is no native detector {id}"))?;
            (detector.detect)(scope, rule, &mut found);
        }
        Detect::Signal(count) => count::detect(scope, rule, count, &mut found),
        Detect::Sql(query) => found = sql::detect(scope, rule, query)?,
    }
    Ok(found)
}

/// Drops what is too unsure to say, orders, and folds what is one incident.
fn settle(rule: &Rule, mut found: Vec<Finding>) -> Outcome {
    found.retain(|finding| finding.confidence >= SAYABLE);
    for finding in &mut found {
        // A user's rule may borrow a built-in detector under an id of its own.
        finding.rule.clone_from(&rule.id);
    }
    found.sort_by(|a, b| (&a.subject, &a.kind, a.window.start).cmp(&(&b.subject, &b.kind, b.window.start)));
    let mut folded: Vec<Finding> = Vec::with_capacity(found.len());
    for finding in found {
        match folded.last_mut().filter(|last| is_same(last, &finding)) {
            Some(last) => fold(last, finding),
            None => folded.push(finding),
        }
    }
    folded.sort_by(|a, b| {
        b.score.total_cmp(&a.score).then_with(|| a.subject.to_string().cmp(&b.subject.to_string())).then(a.window.start.cmp(&b.window.start))
    });
    if folded.is_empty() { Outcome::Clear } else { Outcome::Found(folded) }
}

fn is_same(a: &Finding, b: &Finding) -> bool {
    let untimed = a.window.start.is_none() && b.window.start.is_none();
    a.subject == b.subject && a.kind == b.kind && (untimed || a.window.touches(b.window, SLACK))
}

/// Adds a finding to an earlier one about the same thing. The measures and words are those of the one with the higher score.
fn fold(into: &mut Finding, mut other: Finding) {
    if other.score > into.score {
        std::mem::swap(into, &mut other);
    }
    into.window.join(other.window);
    into.severity = into.severity.max(other.severity);
    into.confidence = into.confidence.max(other.confidence);
    into.services.extend(other.services);
    into.services.sort();
    into.services.dedup();
    let total = into.evidence_total + other.evidence_total;
    into.cite(other.evidence);
    into.evidence_total = total;
    for trace in other.traces {
        if !into.traces.contains(&trace) {
            into.traces.push(trace);
        }
    }
    for text in other.missing {
        if !into.missing.contains(&text) {
            into.missing.push(text);
        }
    }
    for look_alike in other.look_alikes {
        if !into.look_alikes.contains(&look_alike) {
            into.look_alikes.push(look_alike);
        }
    }
}

thread_local! {
    /// Whether a panic on this thread is caught and told in the report, so that nothing need be printed.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic becomes a sentence and prints nothing.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !CAUGHT.get() {
                print(panic);
            }
        }));
    });
    let before = CAUGHT.replace(true);
    // The closure only reads the case and owns what it writes: nothing half-written outlives a panic.
    let result = catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(before);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        format!("the detector broke: {}", text.unwrap_or("without a message"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::{Severity, Subject};
    use crate::model::source::{Evidence, FileId};
    use crate::model::tables::SourceFile;
    use crate::model::time::{Time, Window};

    fn unreadable() -> Case {
        let mut case = Case::default();
        case.tables.files.push(SourceFile { path: "core.bin".to_owned(), bytes: 50_000, ..SourceFile::default() });
        case
    }

    #[test]
    fn every_rule_ends_in_one_of_four_ways() {
        let mut rules = load::built_in().unwrap();
        let mut broken = rules.rules["evidence-unreadable"].clone();
        broken.thresholds.clear();
        broken.id = "broken".to_owned();
        rules.rules.insert("broken".to_owned(), broken);
        let case = unreadable();
        let ends = run(&rules, &Scope { case: &case, baseline: None });
        assert_eq!(ends.len(), rules.rules.len());
        assert!(matches!(&ends["evidence-unreadable"], Outcome::Found(found) if found.len() == 1));
        assert!(matches!(&ends["broken"], Outcome::Failed { why } if why == "the detector broke: rule broken has no threshold unread_percent"));
        assert!(matches!(&ends["out-of-memory"], Outcome::NotApplicable { missing } if missing == &["logs or events"]));
        let calm = run(&rules, &Scope { case: &Case::default(), baseline: None });
        assert!(matches!(&calm["evidence-unreadable"], Outcome::NotApplicable { missing } if missing == &["files"]));
    }

    #[test]
    fn missing_inputs_name_their_alternatives() {
        let mut rule = load::built_in().unwrap().rules["out-of-memory"].clone();
        rule.needs = vec![vec![Input::Spans, Input::Logs], vec![Input::Baseline], vec![Input::Files]];
        let mut case = unreadable();
        assert_eq!(lacking(&rule.needs, &Scope { case: &case, baseline: None }), ["spans or logs", "baseline"]);
        case.context.inputs.insert(Input::Logs);
        assert_eq!(lacking(&rule.needs, &Scope { case: &case, baseline: Some(&Case::default()) }), Vec::<String>::new());
    }

    #[test]
    fn silence_without_what_it_takes_is_not_clear() {
        let rules = load::built_in().unwrap();
        let rule = &rules.rules["slow-in-production"];
        let case = crate::correlate::fixture::case("t1\n  web GET /a 0-50\n");
        let end = |baseline| ask(rule, &Scope { case: &case, baseline });
        assert!(matches!(end(None), Outcome::NotApplicable { missing } if missing == ["baseline"]));
        assert!(matches!(end(Some(&case)), Outcome::Clear));
    }

    fn finding(service: &str, seconds: (i64, i64), score: f64, confidence: f64) -> Finding {
        let window = Window::of(Time(seconds.0 * SECOND), Time(seconds.1 * SECOND));
        let mut finding = Finding::new("other", Subject { service: service.to_owned(), ..Subject::default() }, window);
        finding.severity = if score > 50.0 { Severity::High } else { Severity::Low };
        (finding.score, finding.confidence) = (score, confidence);
        finding.measure("score", score, "").cite([Evidence::new(FileId(0), seconds.0 as u64, 10)]);
        finding
    }

    #[test]
    fn findings_are_folded_ordered_and_dropped() {
        let rule = &load::built_in().unwrap().rules["out-of-memory"];
        let found = vec![
            finding("b", (0, 10), 30.0, 0.9),
            finding("a", (0, 10), 30.0, 0.8),
            finding("b", (11, 20), 80.0, 0.7),
            finding("b", (40, 50), 30.0, 0.7),
            finding("c", (0, 1), 99.0, 0.29),
        ];
        let Outcome::Found(found) = settle(rule, found) else { panic!("nothing found") };
        let told: Vec<_> = found.iter().map(|f| (f.subject.service.as_str(), f.window.start.0 / SECOND, f.score, f.evidence_total)).collect();
        assert_eq!(told, [("b", 0, 80.0, 2), ("a", 0, 30.0, 1), ("b", 40, 30.0, 1)]);
        let both = &found[0];
        assert_eq!((both.severity, both.confidence, both.measures[0].value, both.window.end), (Severity::High, 0.9, 80.0, Time(20 * SECOND)));
        assert!(found.iter().all(|finding| finding.rule == "out-of-memory"));
        assert!(matches!(settle(rule, vec![finding("c", (0, 1), 99.0, 0.29)]), Outcome::Clear));
    }

    #[test]
    fn a_panic_becomes_a_sentence() {
        assert_eq!(caught(|| 1), Ok(1));
        assert_eq!(caught(|| -> u8 { panic!("no {}", "row") }), Err("the detector broke: no row".to_owned()));
        assert!(!CAUGHT.get());
    }
}
