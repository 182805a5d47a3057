//! `clock-skew`: an instance whose clock is off, by the calls that contain its spans.
//!
//! What this file does not do: alter a time; orders and overlaps use the offsets, rows keep what was written.

use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::SECOND;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector { id: "clock-skew", thresholds: &["offset"], detect };

/// Service and instance.
type Place = (Sym, Sym);

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let (case, names) = (scope.case, &scope.case.tables.names);
    let mut by_callee: BTreeMap<Place, Vec<(Place, i64)>> = BTreeMap::new();
    for (caller, callee, nanos) in case.context.clocks.offsets() {
        by_callee.entry(callee).or_default().push((caller, nanos));
    }
    // An instance that is off against all its callers is off itself; one that is off against a single caller of several is not.
    for (&callee, offsets) in &by_callee {
        let callers: BTreeSet<Sym> = offsets.iter().map(|((_, instance), _)| *instance).collect();
        let caller_is_off = offsets.iter().all(|(caller, _)| by_callee.contains_key(caller));
        let least = offsets.iter().map(|(_, nanos)| *nanos).min_by_key(|nanos| nanos.abs()).unwrap_or(0);
        let seconds = least.unsigned_abs() as f64 / SECOND as f64;
        if seconds < rule.limit("offset") || caller_is_off {
            continue;
        }
        let (service, instance) = (names.get(callee.0), names.get(callee.1));
        let subject = Subject { service: service.to_owned(), key: instance.to_owned(), ..Subject::default() };
        let mut finding = Finding::new(&rule.id, subject, case.context.window);
        finding.severity = Severity::Low;
        finding.score = score(seconds, rule.limit("offset"), rule.upper("offset"));
        finding.confidence = Belief::new().with("spans outside of the calls that contain them", Input::Spans, 0.8).value();
        let spans = case.tables.spans.iter().filter(|span| (span.service, span.instance) == callee && span.is_incoming());
        let cited: Vec<Evidence> = spans.take(3).map(|span| span.evidence).collect();
        finding
            .measure_against("offset_s", (seconds * 1000.0).round() / 1000.0, "s", rule.limit("offset"))
            .measure("callers", callers.len() as f64, "instances")
            .word("direction", if least > 0 { "ahead of" } else { "behind" })
            .look_alike("Calls that were given up", "excluded: failed calls and spans longer than their call do not count")
            .cite(cited);
        out.push(finding);
    }
}

#[cfg(test)]
mod tests {
    use crate::correlate::fixture::{case, many};
    use crate::rules::fixture::{check, measured, rule};

    fn calls(shift: i32) -> String {
        many(0..30, 500, |_| format!("  web GET / 0-300\n    > stock GET /s 10-110\n      stock GET /s {}-{} at=stock-1\n", 20 + shift, 100 + shift))
    }

    #[test]
    fn spans_outside_of_their_calls() {
        let found = check(&rule("clock-skew"), &case(&calls(5000)), None);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!((measured(&found[0], "offset_s") - 5.0).abs() < 0.05);
        assert_eq!(found[0].subject.key, "stock-1");
    }

    #[test]
    fn spans_inside_are_silent() {
        assert!(check(&rule("clock-skew"), &case(&calls(0)), None).is_empty());
    }
}
