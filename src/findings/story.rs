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
use crate::model::finding::Severity;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

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
    let mut stories: Vec<(BTreeSet<&str>, Vec<usize>)> = Vec::new();
    for &root in &roots {
        let Some(judged) = findings.get(root) else { continue };
        let subject = &judged.finding.subject;
        let about: BTreeSet<&str> = [subject.service.as_str(), subject.peer.as_str()].into_iter().filter(|name| !name.is_empty()).collect();
        // One that joins two stories makes them one.
        let (mut joined, apart): (Vec<_>, Vec<_>) = stories.into_iter().partition(|(services, _)| !services.is_disjoint(&about));
        joined.push((about, vec![root]));
        let mut story = (BTreeSet::new(), Vec::new());
        for (services, roots) in joined {
            story.0.extend(services);
            story.1.extend(roots);
        }
        stories = apart;
        stories.push(story);
    }
    let mut belongs: BTreeMap<usize, usize> = BTreeMap::new();
    for (number, (_, roots)) in stories.iter().enumerate() {
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

fn is_root(judged: &Judged) -> bool {
    judged.role == Role::RootCause && judged.finding.severity >= Severity::Medium
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::rank;
    use crate::model::finding::{Finding, Subject};
    use crate::model::time::{Time, Window};

    /// Rule and service of every finding, story by story.
    fn told(found: &[(&str, &str, &str)], links: &[(usize, usize)]) -> Vec<Vec<String>> {
        let finding = |(rule, service, peer): &(&str, &str, &str)| {
            let subject = Subject { service: (*service).to_owned(), peer: (*peer).to_owned(), ..Subject::default() };
            Finding { severity: Severity::High, confidence: 0.9, score: 70.0, ..Finding::new(rule, subject, Window::of(Time(1), Time(2))) }
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
        assert_eq!(told(&[], &[]), Vec::<Vec<String>>::new());
    }
}
