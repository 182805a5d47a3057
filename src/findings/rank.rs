//! The order of findings, the part each plays, and the services behind them.
//!
//! A root cause weighs what it is worth itself and a share of everything it explains, the less the longer the way.

use crate::findings::{Diagnosis, Judged, Role, Suspect};
use crate::model::finding::{Finding, Severity};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What is left of a weight one link further on.
const PER_LINK: f64 = 0.8;

/// What findings alone may make of a suspicion.
const MOST: f64 = 0.95;

/// The weight that makes half of that: a likely fault of medium severity. How much a service is suspected must not depend on
/// who else is.
const HALF: f64 = 0.3;
/// Findings about what a service suffers, as opposed to what it does.
const SUFFERED: &[&str] = &["slow-downstream", "intermittent-5xx", "thread-pool-exhaustion", "connection-pool-exhaustion", "shallow-health-check"];

/// Puts the findings in order, with `causes` as pairs (cause, effect).
#[must_use]
pub fn ranked(found: Vec<Finding>, causes: &BTreeSet<(usize, usize)>) -> Diagnosis {
    let weights: Vec<f64> = (0..found.len()).map(|n| with_explained(n, &found, causes)).collect();
    let roles: Vec<Role> = (0..found.len()).map(|n| role(n, &found, causes)).collect();
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by(|&a, &b| {
        let root = |n: usize| roles[n] == Role::RootCause;
        let by_weight = if root(a) && root(b) { weights[b].total_cmp(&weights[a]) } else { std::cmp::Ordering::Equal };
        let loud = |n: usize| found[n].severity >= Severity::Medium;
        (root(b).cmp(&root(a)))
            .then(by_weight)
            .then(loud(b).cmp(&loud(a)))
            .then(found[b].score.total_cmp(&found[a].score))
            .then_with(|| found[a].rule.cmp(&found[b].rule))
            .then_with(|| found[a].subject.cmp(&found[b].subject))
            .then(found[a].window.start.cmp(&found[b].window.start))
    });
    let place: BTreeMap<usize, usize> = order.iter().enumerate().map(|(place, &n)| (n, place)).collect();
    let others = |pick: &dyn Fn(&(usize, usize)) -> Option<usize>| {
        let mut places: Vec<usize> = causes.iter().filter_map(pick).filter_map(|n| place.get(&n).copied()).collect();
        places.sort_unstable();
        places
    };
    let mut slots: Vec<Option<Finding>> = found.into_iter().map(Some).collect();
    let mut taken = BTreeMap::new();
    let findings: Vec<Judged> = order
        .iter()
        .filter_map(|&n| {
            let finding = slots[n].take()?;
            let caused_by = others(&|&(a, b)| (b == n).then_some(a));
            let explains = others(&|&(a, b)| (a == n).then_some(b));
            Some(Judged { id: id(&finding, &mut taken), role: roles[n], weight: weights[n], caused_by, explains, finding })
        })
        .collect();
    let suspects = suspects(&findings);
    Diagnosis { findings, suspects, ..Diagnosis::default() }
}

/// Rule and digest of the subject; the same fault of the same thing keeps its id from night to night.
fn id(finding: &Finding, taken: &mut BTreeMap<String, u32>) -> String {
    let subject = &finding.subject;
    let text = [&finding.kind, &subject.service, &subject.peer, &subject.operation, &subject.key].map(String::as_str).join("\0");
    let digest = blake3::hash(text.as_bytes()).to_hex();
    let id = format!("{}-{}", finding.rule, &digest[..6]);
    let count = taken.entry(id.clone()).or_insert(0);
    *count += 1;
    if *count > 1 { format!("{id}-{count}") } else { id }
}

fn weight(finding: &Finding) -> f64 {
    let severity = match finding.severity {
        Severity::Info => 0.02,
        Severity::Low => 0.1,
        Severity::Medium => 0.4,
        Severity::High => 0.7,
        Severity::Critical => 1.0,
    };
    severity * finding.confidence * (0.5 + finding.score / 200.0)
}

fn with_explained(root: usize, found: &[Finding], causes: &BTreeSet<(usize, usize)>) -> f64 {
    let mut seen = BTreeSet::from([root]);
    let mut open = VecDeque::from([(root, 1.0)]);
    let mut sum = 0.0;
    while let Some((n, share)) = open.pop_front() {
        sum += share * weight(&found[n]);
        for &(_, next) in causes.range((n, 0)..=(n, usize::MAX)) {
            if seen.insert(next) {
                open.push_back((next, share * PER_LINK));
            }
        }
    }
    sum
}

fn role(n: usize, found: &[Finding], causes: &BTreeSet<(usize, usize)>) -> Role {
    // What is only context does not explain away a fault.
    let caused = causes.iter().any(|&(a, b)| b == n && found[a].severity >= Severity::Medium);
    let explains = causes.iter().any(|&(a, _)| a == n);
    // Who only waits or passes an error on, while everything that explains it is elsewhere, did nothing wrong.
    let elsewhere = causes.iter().filter(|&&(_, b)| b == n).all(|&(a, _)| found[a].subject.service != found[n].subject.service);
    match (caused, explains) {
        (true, true) => Role::Amplifier,
        (true, false) if elsewhere && SUFFERED.contains(&found[n].rule.as_str()) => Role::Victim,
        (true, false) => Role::Symptom,
        (false, _) if found[n].severity >= Severity::Medium => Role::RootCause,
        (false, true) => Role::Amplifier,
        (false, false) => Role::Symptom,
    }
}

/// Services by the weight of the findings about them. Of a call the called side is suspected only by rules that name it
/// as their subject; a root cause counts whole, what it explains counts little.
fn suspects(findings: &[Judged]) -> Vec<Suspect> {
    let mut by_service: BTreeMap<&str, (f64, Vec<String>)> = BTreeMap::new();
    for judged in findings.iter().filter(|judged| judged.finding.severity >= Severity::Medium) {
        let service = judged.finding.subject.service.as_str();
        if service.is_empty() {
            continue;
        }
        let share = match judged.role {
            Role::RootCause => 1.0,
            Role::Amplifier => 0.4,
            Role::Symptom => 0.2,
            Role::Victim => 0.05,
        };
        let entry = by_service.entry(service).or_default();
        entry.0 += share * judged.weight;
        let because = format!("{} ({})", judged.finding.rule, judged.role.name());
        if !entry.1.contains(&because) {
            entry.1.push(because);
        }
    }
    let mut suspects: Vec<Suspect> = by_service
        .into_iter()
        .filter(|(_, (weight, _))| *weight > 0.0)
        .map(|(service, (weight, because))| Suspect {
            service: service.to_owned(),
            score: (MOST * weight / (weight + HALF) * 100.0).round() / 100.0,
            because,
            evidence: Vec::new(),
        })
        .collect();
    suspects.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.service.cmp(&b.service)));
    suspects
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::Subject;
    use crate::model::time::Window;

    fn finding(rule: &str, service: &str, severity: Severity, score: f64) -> Finding {
        let subject = Subject { service: service.to_owned(), ..Subject::default() };
        Finding { severity, score, confidence: 0.9, ..Finding::new(rule, subject, Window::default()) }
    }

    #[test]
    fn a_root_that_explains_more_comes_first() {
        let found = vec![
            finding("duplicate-payment", "payments", Severity::Critical, 90.0),
            finding("slow-downstream", "provider", Severity::High, 60.0),
            finding("retry-storm", "orders", Severity::High, 80.0),
            finding("deadlock", "wallet", Severity::Critical, 75.0),
        ];
        let diagnosis = ranked(found, &BTreeSet::from([(1, 2), (2, 0)]));
        let order: Vec<_> = diagnosis.findings.iter().map(|j| (j.finding.rule.as_str(), j.role)).collect();
        let want = [
            ("slow-downstream", Role::RootCause),
            ("deadlock", Role::RootCause),
            ("duplicate-payment", Role::Symptom),
            ("retry-storm", Role::Amplifier),
        ];
        assert_eq!(order, want);
        assert_eq!(diagnosis.findings[0].explains, [3]);
        assert_eq!(diagnosis.suspects[0].service, "provider");
    }

    #[test]
    fn who_only_suffers_is_a_victim() {
        let found = vec![
            finding("slow-downstream", "payments", Severity::High, 60.0),
            finding("intermittent-5xx", "web", Severity::High, 60.0),
            finding("duplicate-payment", "orders", Severity::Critical, 90.0),
        ];
        let diagnosis = ranked(found, &BTreeSet::from([(0, 1), (0, 2)]));
        let roles: BTreeMap<&str, Role> = diagnosis.findings.iter().map(|j| (j.finding.subject.service.as_str(), j.role)).collect();
        assert_eq!(roles, BTreeMap::from([("payments", Role::RootCause), ("web", Role::Victim), ("orders", Role::Symptom)]));
    }

    #[test]
    fn context_is_no_root_and_explains_nothing_away() {
        let found =
            vec![finding("retries-observed", "orders", Severity::Info, 30.0), finding("duplicate-payment", "payments", Severity::Critical, 90.0)];
        let diagnosis = ranked(found, &BTreeSet::from([(0, 1)]));
        assert_eq!(diagnosis.findings[0].finding.rule, "duplicate-payment");
        assert_eq!(diagnosis.findings[0].role, Role::RootCause);
        assert_eq!(diagnosis.findings[1].role, Role::Amplifier);
    }
}
