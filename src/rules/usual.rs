//! What the calm time shows as well: a fault that was there before is not what changed.
//!
//! The rules look at the baseline too. A finding that they make there about the same subject, about as strong, is no news:
//! it stays in the report as a remark. What this file does not do: compare numbers of rules that compare sides themselves.

use crate::model::finding::{Finding, Outcome, Severity};
use crate::model::rule::RuleSet;
use std::collections::BTreeMap;

/// A fault that is by so much stronger than in the calm time is news again.
const STRONGER: f64 = 1.5;

/// Lowers what the calm time shows as well.
pub fn discount(outcomes: &mut BTreeMap<String, Outcome>, calm: &BTreeMap<String, Outcome>, rules: &RuleSet) {
    for (id, outcome) in outcomes {
        // How well the evidence itself was read concerns this bundle alone.
        let about_evidence = rules.rules.get(id).is_some_and(|rule| rule.scenarios.is_empty());
        let (Outcome::Found(found), Some(Outcome::Found(before))) = (outcome, calm.get(id)) else { continue };
        for finding in found.iter_mut().filter(|finding| finding.severity > Severity::Low && !about_evidence) {
            if before.iter().any(|other| is_as_strong(other, finding)) {
                finding.severity = Severity::Low;
                finding.look_alike("How it always is", "not excluded: the baseline shows the same, about as strong");
            }
        }
    }
}

fn is_as_strong(before: &Finding, now: &Finding) -> bool {
    before.subject == now.subject && before.severity >= now.severity && now.score <= before.score * STRONGER
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::Subject;
    use crate::model::time::Window;
    use crate::rules::load;

    fn outcome(rule: &str, service: &str, severity: Severity, score: f64) -> BTreeMap<String, Outcome> {
        let mut finding = Finding::new(rule, Subject { service: service.to_owned(), ..Subject::default() }, Window::default());
        (finding.severity, finding.score) = (severity, score);
        BTreeMap::from([(rule.to_owned(), Outcome::Found(vec![finding]))])
    }

    fn left(now: &BTreeMap<String, Outcome>, calm: &BTreeMap<String, Outcome>) -> Severity {
        let mut now = now.clone();
        discount(&mut now, calm, &load::built_in().unwrap());
        let Some(Outcome::Found(found)) = now.values().next() else { panic!("nothing found") };
        found[0].severity
    }

    #[test]
    fn only_what_is_the_same_is_no_news() {
        let now = outcome("n-plus-one-queries", "shop", Severity::High, 80.0);
        assert_eq!(left(&now, &outcome("n-plus-one-queries", "shop", Severity::High, 70.0)), Severity::Low);
        assert_eq!(left(&now, &outcome("n-plus-one-queries", "stock", Severity::High, 70.0)), Severity::High, "another service");
        assert_eq!(left(&now, &outcome("n-plus-one-queries", "shop", Severity::Medium, 70.0)), Severity::High, "worse than before");
        assert_eq!(left(&now, &outcome("n-plus-one-queries", "shop", Severity::High, 40.0)), Severity::High, "much stronger");
        assert_eq!(left(&now, &BTreeMap::new()), Severity::High);
    }

    #[test]
    fn unread_evidence_is_always_told() {
        let now = outcome("evidence-unreadable", "", Severity::Medium, 80.0);
        assert_eq!(left(&now, &now), Severity::Medium);
    }
}
