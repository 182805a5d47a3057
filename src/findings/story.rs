//! Incident stories: a root cause with all that follows from it. Independent faults are told apart, each with its own.
//!
//! ```text
//! slow-downstream at provider --> retry-storm orders -> provider --> intermittent-5xx at web       one story
//! connection-leak at search   --> connection-pool-exhaustion at search                             another
//! ```
//!
//! Causes that meet in a victim stay apart: that the gateway suffers from both does not make them one. Causes about one service,
//! or about a service and a call to it, are one. What this file does not do: find causes; `cause.rs` does.

use crate::findings::{Judged, Role};
use crate::model::finding::{Finding, Severity};
use std::collections::{BTreeMap, VecDeque};

/// One incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    /// The root cause that weighs most, by its number in the diagnosis.
    pub root: usize,
    /// Everything that belongs to it, the root too, in the order of the diagnosis.
    pub findings: Vec<usize>,
}

/// The stories of findings in the order of the diagnosis, that of the heaviest root cause first. Remarks have none.
#[must_use]
pub fn stories(findings: &[Judged]) -> Vec<Story> {
    let roots: Vec<usize> = (0..findings.len()).filter(|&n| findings.get(n).is_some_and(is_root)).collect();
    let mut stories: Vec<Vec<usize>> = Vec::new();
    for &root in &roots {
        let is_one = |other: &usize| findings.get(*other).zip(findings.get(root)).is_some_and(|(a, b)| are_one(&a.finding, &b.finding));
        // One that joins two stories makes them one.
        let (joined, apart): (Vec<_>, Vec<_>) = stories.into_iter().partition(|roots| roots.iter().any(is_one));
        stories = apart;
        stories.push(joined.into_iter().flatten().chain([root]).collect());
    }
    let mut belongs: BTreeMap<usize, usize> = BTreeMap::new();
    for (number, roots) in stories.iter().enumerate() {
        roots.iter().for_each(|root| _ = belongs.insert(*root, number));
    }
    // What several explain belongs to the one that is nearest, of equals to the heavier.
    let mut open: VecDeque<usize> = roots.iter().copied().collect();
    while let Some(at) = open.pop_front() {
        let Some(story) = belongs.get(&at).copied() else { continue };
        for &effect in findings.get(at).into_iter().flat_map(|judged| &judged.explains) {
            belongs.entry(effect).or_insert_with(|| {
                open.push_back(effect);
                story
            });
        }
    }
    let mut told: Vec<Story> = vec![Story::default(); stories.len()];
    for (finding, number) in belongs {
        told.get_mut(number).into_iter().for_each(|story| story.findings.push(finding));
    }
    for story in &mut told {
        story.root = story.findings.iter().copied().find(|n| roots.contains(n)).unwrap_or_default();
    }
    told.sort_by_key(|story| story.root);
    told
}

/// Whether two root causes are two sides of one incident: about one service, or about a service and a call to it; or one says
/// that an operation is slow, the other that somebody is whom it waits for.
fn are_one(a: &Finding, b: &Finding) -> bool {
    let about = |finding: &Finding, name: &str| !name.is_empty() && (finding.subject.service == name || finding.subject.peer == name);
    let waits = |slow: &Finding, side: &Finding| {
        slow.rule == "slow-in-production" && side.rule == "slow-downstream" && side.services.iter().any(|caller| about(slow, caller))
    };
    about(a, &b.subject.service) || about(a, &b.subject.peer) || waits(a, b) || waits(b, a)
}

fn is_root(judged: &Judged) -> bool {
    judged.role == Role::RootCause && judged.finding.severity >= Severity::Medium
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::rank;
    use crate::model::finding::Subject;
    use crate::model::time::{Time, Window};

    /// Rule and service of every finding, story by story.
    fn told(found: &[(&str, &str, &str)], links: &[(usize, usize)]) -> Vec<Vec<String>> {
        let finding = |(rule, service, peer): &(&str, &str, &str)| {
            let subject = Subject { service: (*service).to_owned(), peer: (*peer).to_owned(), ..Subject::default() };
            let services = if *rule == "slow-downstream" { vec![(*service).to_owned(), "orders".to_owned()] } else { Vec::new() };
            Finding { severity: Severity::High, confidence: 0.9, score: 70.0, services, ..Finding::new(rule, subject, Window::of(Time(1), Time(2))) }
        };
        let diagnosis = rank::ranked(found.iter().map(finding).collect(), &links.iter().copied().collect());
        let name = |n: &usize| format!("{} {}", diagnosis.findings[*n].finding.rule, diagnosis.findings[*n].finding.subject.service);
        stories(&diagnosis.findings).iter().map(|story| story.findings.iter().map(name).collect()).collect()
    }

    #[test]
    fn one_cause_and_its_symptoms_are_one_story() {
        let found = [("slow-downstream", "provider", ""), ("retry-storm", "orders", "provider"), ("intermittent-5xx", "web", "")];
        let told = told(&found, &[(0, 1), (0, 2), (1, 2)]);
        assert_eq!(told, [["slow-downstream provider", "intermittent-5xx web", "retry-storm orders"]]);
    }

    #[test]
    fn faults_that_meet_in_a_victim_are_two() {
        let found = [
            ("connection-leak", "search", ""),
            ("connection-pool-exhaustion", "search", ""),
            ("gc-pressure", "payments", ""),
            ("intermittent-5xx", "web", ""),
        ];
        let told = told(&found, &[(0, 1), (1, 3), (2, 3)]);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().any(|story| story.contains(&"gc-pressure payments".to_owned()) && story.contains(&"intermittent-5xx web".to_owned())));
    }

    #[test]
    fn causes_at_one_service_and_on_the_way_to_it_are_one() {
        let found = [("long-transaction", "ledger", ""), ("missing-timeout", "payments", "ledger"), ("config-drift", "payments", "")];
        assert_eq!(told(&found, &[]).len(), 1);
        let waits = [("slow-in-production", "orders", ""), ("slow-downstream", "database", ""), ("memory-leak-trend", "web", "")];
        assert_eq!(told(&waits, &[]).len(), 2, "who waits for the database and the database, but not who leaks");
        assert_eq!(told(&[], &[]), Vec::<Vec<String>>::new());
    }
}
