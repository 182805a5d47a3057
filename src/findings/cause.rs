//! Which finding explains which.
//!
//! A links to B if A's rule says that it leads to B's, A did not begin after B, and A's effect gets to where B is. Trouble
//! travels from a called side to those who call it; what a service does to a side that it calls, as retries do, travels the
//! other way, but only to the side that the finding names.
//!
//! ```text
//! web --> orders --> payments        slow payments: orders and web wait          never stock
//!              \--> stock            a retry storm orders -> payments: payments drowns, and with it orders and web
//! ```
//!
//! What this file does not do: know faults; what leads to what stands in the rule files.

use crate::correlate::Case;
use crate::correlate::calls::Party;
use crate::model::finding::Finding;
use crate::model::rule::RuleSet;
use crate::model::source::Evidence;
use crate::model::time::SECOND;
use std::collections::{BTreeMap, BTreeSet};

/// Findings about a side as its callers see it: at that side itself they explain nothing, they are explained there.
const SEEN_BY_CALLERS: &[&str] = &["slow-downstream"];

/// Findings about what a service does to those that it calls.
const PUSHES_DOWN: &[&str] =
    &["retry-storm", "retries-observed", "timeout-inversion", "duplicate-job-execution", "job-overlap", "n-plus-one-calls", "cache-stampede"];

/// Pairs (cause, effect) of indices into `found`, without circles.
#[must_use]
pub fn links(found: &[Finding], rules: &RuleSet, case: &Case) -> BTreeSet<(usize, usize)> {
    // An onset is only known to the width of a bucket, and never better than half a minute.
    let slack = (2 * case.context.bucket).max(30 * SECOND);
    let ways = Ways::new(case, found);
    let snapshots = Snapshots::of(case);
    let mut links = BTreeSet::new();
    for (a, cause) in found.iter().enumerate() {
        let Some(rule) = rules.rules.get(&cause.rule) else { continue };
        for (b, effect) in found.iter().enumerate() {
            let told = a != b && rule.leads_to.contains(&effect.rule);
            if told && in_time(cause, effect, slack, snapshots.tell_of(cause)) && ways.lead(cause, effect) {
                links.insert((a, b));
            }
        }
    }
    without_circles(links, found)
}

/// Where findings lead to each other in a circle, as a slow callee and a retry storm do, the one that began first is the cause.
fn without_circles(links: BTreeSet<(usize, usize)>, found: &[Finding]) -> BTreeSet<(usize, usize)> {
    let order = |n: usize| found.get(n).map(|f| (f.window.start, f.rule.as_str(), &f.subject));
    let mut after: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    links.iter().for_each(|&(a, b)| after.entry(a).or_default().push(b));
    let reaches = |from: usize, to: usize| {
        let (mut seen, mut open) = (BTreeSet::from([from]), vec![from]);
        while let Some(at) = open.pop() {
            let next = after.get(&at).into_iter().flatten().copied().filter(|next| seen.insert(*next));
            open.extend(next);
        }
        seen.contains(&to)
    };
    // Every circle has a link from a later to an earlier finding.
    let kept = links.iter().copied().filter(|&(a, b)| order(a) <= order(b) || !reaches(b, a));
    kept.collect()
}

/// Whether the cause was there when the effect began. What a snapshot shows was there before anybody took it.
fn in_time(cause: &Finding, effect: &Finding, slack: i64, is_snapshot: bool) -> bool {
    let (from, to) = (cause.window, effect.window);
    if from.start.is_none() || to.start.is_none() {
        return true;
    }
    let onset = if is_snapshot { to.end } else { to.start };
    from.start <= onset.plus(slack) && from.end.plus(slack) >= to.start
}

/// Thread dumps and class histograms, with what stands in them: their times are those at which somebody looked.
struct Snapshots(BTreeSet<Evidence>);

impl Snapshots {
    fn of(case: &Case) -> Self {
        let tables = &case.tables;
        let dumps = tables.dumps.iter().map(|row| row.evidence).chain(tables.threads.iter().map(|row| row.evidence));
        let deadlocks = tables.deadlocks.iter().map(|row| row.evidence);
        let histograms = tables.histograms.iter().map(|row| row.evidence).chain(tables.classes.iter().map(|row| row.evidence));
        Self(dumps.chain(deadlocks).chain(histograms).collect())
    }

    /// Whether a finding rests on one.
    fn tell_of(&self, finding: &Finding) -> bool {
        finding.evidence.iter().any(|evidence| self.0.contains(evidence))
    }
}

/// How effects get from service to service.
struct Ways<'a> {
    case: &'a Case,
    /// For every pair of services that findings name: whether the first calls the second, directly or not.
    calls: BTreeMap<(&'a str, &'a str), bool>,
}

impl<'a> Ways<'a> {
    fn new(case: &'a Case, found: &'a [Finding]) -> Self {
        let names: BTreeSet<&str> =
            found.iter().flat_map(|f| [f.subject.service.as_str(), f.subject.peer.as_str()]).filter(|name| !name.is_empty()).collect();
        let mut parties: BTreeMap<&str, Party> = BTreeMap::new();
        for node in case.context.graph.nodes() {
            if let Some(name) = names.get(node.party.text(&case.tables.names).as_str()) {
                parties.entry(name).or_insert(node.party);
            }
        }
        let mut calls = BTreeMap::new();
        for (from, start) in &parties {
            for (to, end) in parties.iter().filter(|(to, _)| *to != from) {
                calls.insert((*from, *to), case.context.graph.path(*start, *end).is_some());
            }
        }
        Self { case, calls }
    }

    /// Whether what the one finding tells gets to where the other one is.
    fn lead(&self, cause: &Finding, effect: &Finding) -> bool {
        let (a, b) = (&cause.subject, &effect.subject);
        if a.service.is_empty() || b.service.is_empty() {
            return true;
        }
        // A finding about calls is explained at the called side, or by another one about the same calls.
        let is_call = |f: &Finding| !f.subject.peer.is_empty();
        if is_call(effect) {
            let same_call = is_call(cause) && (a.service == b.service || a.peer == b.peer || a.peer == b.service);
            return same_call || a.service == b.peer || self.is_above(&b.peer, &a.service, cause, effect) && a.service != b.service;
        }
        if a.service == b.service {
            return cause.rule != effect.rule && !SEEN_BY_CALLERS.contains(&cause.rule.as_str());
        }
        let pushes = PUSHES_DOWN.contains(&cause.rule.as_str()) && a.peer == b.service;
        pushes || self.is_above(&b.service, &a.service, cause, effect)
    }

    /// Whether one service calls another, directly or not. Without traces nobody knows who calls whom: then the names that
    /// both findings mention have to do, and traces that both were seen in.
    fn is_above(&self, caller: &str, callee: &str, cause: &Finding, effect: &Finding) -> bool {
        if let Some(known) = self.calls.get(&(caller, callee)) {
            return *known;
        }
        let mentions = |f: &Finding, name: &str| f.services.iter().any(|service| service == name) || f.subject.peer == name;
        let shared = effect.traces.iter().any(|trace| cause.traces.contains(trace));
        let blind = self.case.context.graph.nodes().next().is_none();
        blind && (mentions(cause, caller) || mentions(effect, callee)) || shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::{BASE, case};
    use crate::findings::{Role, rank};
    use crate::model::finding::{Severity, Subject};
    use crate::model::time::{Time, Window};
    use crate::rules::load;

    /// Web calls orders, orders calls payments and stock.
    const CALLS: &str = "t1
  web GET / 0-100
    > orders GET /o 1-99
      orders GET /o 2-98
        > payments POST /p 3-40
          payments POST /p 4-39
        > stock GET /s 41-60
          stock GET /s 42-59
";

    fn finding(rule: &str, service: &str, peer: &str, seconds: (i64, i64)) -> Finding {
        let subject = Subject { service: service.to_owned(), peer: peer.to_owned(), ..Subject::default() };
        let window = Window::of(Time(BASE).plus(seconds.0 * SECOND), Time(BASE).plus(seconds.1 * SECOND));
        Finding { severity: Severity::High, confidence: 0.9, score: 70.0, ..Finding::new(rule, subject, window) }
    }

    fn linked(found: &[Finding]) -> BTreeSet<(usize, usize)> {
        links(found, &load::built_in().expect("the built-in rules read"), &case(CALLS))
    }

    #[test]
    fn trouble_climbs_to_callers_and_not_to_neighbours() {
        let found = [
            finding("slow-downstream", "payments", "", (0, 100)),
            finding("thread-pool-exhaustion", "orders", "", (20, 100)),
            finding("thread-pool-exhaustion", "stock", "", (20, 100)),
            finding("intermittent-5xx", "web", "", (30, 100)),
        ];
        assert_eq!(linked(&found), BTreeSet::from([(0, 1), (0, 3), (1, 3), (2, 3)]));
    }

    #[test]
    fn what_a_dump_shows_was_there_before_somebody_looked() {
        let dump = "2026-01-01 10:02:00\nFull thread dump OpenJDK 64-Bit Server VM (17.0.15+6 mixed mode, sharing):\n\n\"exec-1\" #7 prio=5 os_prio=0 tid=0x00007f nid=0x1 waiting\n   java.lang.Thread.State: WAITING (parking)\n\tat a.B.c(B.java:1)\n\n";
        let case = crate::rules::fixture::bundle(&[("orders/dump.txt", dump)]);
        let seen = case.tables.threads.first().expect("a thread").evidence;
        let mut found = [finding("thread-pool-exhaustion", "orders", "", (120, 130)), finding("intermittent-5xx", "orders", "", (0, 300))];
        let rules = load::built_in().expect("the built-in rules read");
        assert!(links(&found, &rules, &case).is_empty(), "told by metrics it came later");
        found[0].evidence.push(seen);
        assert_eq!(links(&found, &rules, &case), BTreeSet::from([(0, 1)]));
    }

    #[test]
    fn an_effect_does_not_come_first() {
        let found = [finding("slow-downstream", "payments", "", (200, 300)), finding("intermittent-5xx", "orders", "", (0, 300))];
        assert!(linked(&found).is_empty());
    }

    #[test]
    fn load_goes_down_to_the_side_that_is_called() {
        let found = [
            finding("retry-storm", "orders", "payments", (0, 100)),
            finding("connection-pool-exhaustion", "payments", "", (10, 100)),
            finding("connection-pool-exhaustion", "stock", "", (10, 100)),
        ];
        assert_eq!(linked(&found), BTreeSet::from([(0, 1)]));
    }

    #[test]
    fn a_breaker_is_explained_behind_it() {
        let found = [
            finding("intermittent-5xx", "payments", "", (1, 100)),
            finding("ineffective-circuit-breaker", "orders", "payments", (0, 100)),
            finding("intermittent-5xx", "orders", "", (15, 100)),
            finding("slow-downstream", "orders", "", (0, 100)),
        ];
        let links = linked(&found);
        assert!(links.contains(&(0, 1)) && links.contains(&(1, 2)) && links.contains(&(1, 3)) && !links.contains(&(2, 1)), "{links:?}");
        let diagnosis = rank::ranked(found.to_vec(), &links);
        assert_eq!((diagnosis.findings[0].finding.subject.service.as_str(), diagnosis.findings[0].role), ("payments", Role::RootCause));
        assert_eq!(diagnosis.findings.iter().filter(|judged| judged.role == Role::RootCause).count(), 1);
    }

    #[test]
    fn two_faults_have_two_roots() {
        let found = [
            finding("gc-pressure", "stock", "", (0, 100)),
            finding("intermittent-5xx", "stock", "", (5, 100)),
            finding("long-transaction", "payments", "", (0, 100)),
            finding("connection-pool-exhaustion", "payments", "", (5, 100)),
        ];
        let links = linked(&found);
        assert_eq!(links, BTreeSet::from([(0, 1), (2, 3)]));
        let diagnosis = rank::ranked(found.to_vec(), &links);
        let roots: BTreeSet<&str> =
            diagnosis.findings.iter().filter(|judged| judged.role == Role::RootCause).map(|judged| judged.finding.rule.as_str()).collect();
        assert_eq!(roots, BTreeSet::from(["gc-pressure", "long-transaction"]));
    }

    #[test]
    fn circles_open_at_the_latest() {
        let found = [
            finding("slow-downstream", "payments", "", (0, 100)),
            finding("retry-storm", "orders", "payments", (10, 100)),
            finding("intermittent-5xx", "payments", "", (12, 100)),
        ];
        let links = linked(&found);
        assert!(links.contains(&(0, 1)) && !links.contains(&(1, 0)), "{links:?}");
    }
}
