//! Runs one detector over a small bundle, for tests, and holds its findings against what every finding must have.

use crate::correlate::Case;
use crate::model::finding::Finding;
use crate::model::rule::Rule;
use crate::rules::native::DETECTORS;
use crate::rules::{Scope, load, say};

/// A built-in rule.
pub(crate) fn rule(id: &str) -> Rule {
    let rules = load::built_in().expect("the built-in rules read");
    rules.rules.get(id).unwrap_or_else(|| panic!("there is no rule {id}")).clone()
}

/// A built-in rule whose thresholds of that name have another value.
pub(crate) fn rule_with(id: &str, values: &[(&str, f64)]) -> Rule {
    let mut rule = rule(id);
    for (name, value) in values {
        let threshold = rule.thresholds.get_mut(*name).unwrap_or_else(|| panic!("{id} has no threshold {name}"));
        (threshold.info, threshold.warn) = (*value, *value);
    }
    rule
}

/// What a rule's detector finds in a case.
pub(crate) fn check(rule: &Rule, case: &Case, baseline: Option<&Case>) -> Vec<Finding> {
    let detector = DETECTORS.iter().find(|detector| detector.id == rule.id).expect("the detector is listed");
    let mut found = Vec::new();
    (detector.detect)(&Scope { case, baseline }, rule, &mut found);
    for finding in &found {
        assert!(!finding.evidence.is_empty(), "cites: {finding:?}");
        assert!(finding.confidence > 0.0 && finding.confidence <= 0.99 && finding.score > 0.0, "is scored: {finding:?}");
        assert!(!finding.look_alikes.is_empty(), "names look-alikes: {finding:?}");
        let unfilled = say::unfilled(rule, finding);
        assert!(unfilled.is_empty(), "nothing fills {unfilled:?}: {finding:?}");
    }
    found
}

/// The value of a measure.
pub(crate) fn measured(finding: &Finding, name: &str) -> f64 {
    finding.measures.iter().find(|measure| measure.name == name).unwrap_or_else(|| panic!("no {name} in {finding:?}")).value
}
