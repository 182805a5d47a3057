//! Payment requests that were repeated and not executed again: replays of the first answer, and violated constraints.
//!
//! Context rather than a fault. What this file does not do: find what makes callers repeat.

use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::rule::Rule;
use crate::model::tables::{Effect, Phase};
use crate::model::time::Window;
use crate::rules::native::duplicate_payment::{ambiguous_attempts, cluster};
use crate::rules::{Detector, Scope};
use std::collections::BTreeMap;

/// The detector.
pub const DETECTOR: Detector = Detector { id: "duplicate-payment-prevented", thresholds: &["repeats"], detect };

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let names = &scope.case.tables.names;
    let effects = cluster::effects(scope.case);
    let mut by_service: BTreeMap<&str, Vec<&Effect>> = BTreeMap::new();
    for effect in effects.iter().filter(|e| matches!(e.phase, Phase::Replay | Phase::Prevented)) {
        by_service.entry(names.get(effect.service)).or_default().push(effect);
    }
    for (service, repeats) in by_service {
        let count = |phase| repeats.iter().filter(|e| e.phase == phase).count() as f64;
        let mut window = Window::default();
        repeats.iter().for_each(|e| window.add(e.time));
        let mut finding = Finding::new(&rule.id, Subject { service: service.to_owned(), ..Subject::default() }, window);
        finding.severity = Severity::Info;
        let input = if repeats.iter().all(|e| e.from_span) { Input::Spans } else { Input::Logs };
        finding.confidence = Belief::new().with("recognised", input, 0.90).value();
        finding.score = score(repeats.len() as f64, rule.limit("repeats"), rule.upper("repeats"));
        finding.measure("repeats", repeats.len() as f64, "requests");
        finding.measure("replays", count(Phase::Replay), "requests").measure("prevented", count(Phase::Prevented), "requests");
        finding.measure("ambiguous_attempts", ambiguous_attempts(&effects) as f64, "attempts");
        finding.cite(repeats.iter().map(|e| e.evidence));
        for effect in repeats.iter().filter(|e| !e.trace.is_none()) {
            if finding.traces.len() < Finding::QUOTES && !finding.traces.contains(&effect.trace) {
                finding.traces.push(effect.trace);
            }
        }
        out.push(finding);
    }
}
