//! Judgement: findings of single rules become one diagnosis: what causes what, what came first, who is to blame.

pub mod cause;
pub mod difference;
pub mod rank;
pub mod story;
pub mod suspect;

use crate::correlate::Case;
use crate::findings::difference::Difference;
use crate::findings::story::Story;
use crate::model::finding::{Finding, Outcome, Severity};
use crate::model::rule::RuleSet;
use crate::model::source::Evidence;
use std::collections::BTreeMap;

/// What part a finding plays.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    /// Nothing found explains it, and it is bad by itself or explains others.
    RootCause,
    /// Something explains it, and it explains others.
    Amplifier,
    /// Something explains it.
    Symptom,
    /// It only waits for the culprit.
    Victim,
}

impl Role {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RootCause => "root-cause",
            Self::Amplifier => "amplifier",
            Self::Symptom => "symptom",
            Self::Victim => "victim",
        }
    }
}

/// A finding with its place among the others.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Rule and digest of the subject.
    pub id: String,
    /// The finding.
    pub finding: Finding,
    /// Its part.
    pub role: Role,
    /// Numbers of the findings that cause it, in the order of the diagnosis.
    pub caused_by: Vec<usize>,
    /// Numbers of the findings that it causes.
    pub explains: Vec<usize>,
    /// What it weighs with all that it explains.
    pub weight: f64,
}

/// A service that may be the cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    /// Service.
    pub service: String,
    /// 0 to 1.
    pub score: f64,
    /// Why.
    pub because: Vec<String>,
    /// A record for each reason that rests on one; findings have their own.
    pub evidence: Vec<Evidence>,
}

/// The whole judgement.
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    /// Root causes first, then by score, rule id, subject.
    pub findings: Vec<Judged>,
    /// The most likely root causes among services.
    pub suspects: Vec<Suspect>,
    /// What bad requests have in common that good ones lack.
    pub differences: Vec<Difference>,
    /// Incidents that have nothing to do with each other, the heaviest first.
    pub stories: Vec<Story>,
}

impl Diagnosis {
    /// The root cause that weighs most, if there is one.
    #[must_use]
    pub fn root(&self) -> Option<&Judged> {
        self.findings.first().filter(|first| first.role == Role::RootCause && first.finding.severity >= Severity::Medium)
    }
}

/// Judges the outcomes of all rules; how the system worked in the baseline, or before the root cause, tells who changed.
#[must_use]
pub fn conclude(outcomes: &BTreeMap<String, Outcome>, rules: &RuleSet, case: &Case, baseline: Option<&Case>) -> Diagnosis {
    let found: Vec<Finding> = outcomes
        .values()
        .flat_map(|outcome| match outcome {
            Outcome::Found(findings) => findings.clone(),
            Outcome::Clear | Outcome::NotApplicable { .. } | Outcome::Failed { .. } => Vec::new(),
        })
        .collect();
    let causes = cause::links(&found, rules, case);
    let mut diagnosis = rank::ranked(found, &causes);
    let onset = diagnosis.root().map(|root| root.finding.window.start).filter(|start| start.is_some());
    let (changed, differences) = rayon::join(|| suspect::by_change(case, baseline, onset), || difference::differences(case, baseline));
    diagnosis.suspects = suspect::joined(std::mem::take(&mut diagnosis.suspects), changed);
    suspect::hopes::tell(case, &mut diagnosis.suspects);
    diagnosis.stories = story::stories(&diagnosis.findings);
    diagnosis.differences = differences;
    diagnosis
}
