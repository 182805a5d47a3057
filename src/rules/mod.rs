//! Faults: rules over a case.

pub mod native;

use crate::correlate::Case;
use crate::model::finding::Finding;
use crate::model::rule::Rule;

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
