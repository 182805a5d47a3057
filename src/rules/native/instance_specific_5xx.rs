//! `instance-specific-5xx`: an instance that fails far more often than its peers.
//!
//! What this file does not do: say what is wrong with it.

use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::Window;
use crate::rules::native::failures::services;
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::BTreeMap;

pub(crate) const DETECTOR: Detector =
    Detector { id: "instance-specific-5xx", thresholds: &["errors", "coverage_percent", "lift", "p", "high_percent"], detect };

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let names = &scope.case.tables.names;
    for service in services(scope.case) {
        let mut counts: BTreeMap<Sym, (u64, u64)> = BTreeMap::new();
        for row in &service.rows {
            let (all, failed) = counts.entry(row.instance).or_default();
            *all += 1;
            *failed += u64::from(row.failed && !row.inherited);
        }
        let (all, failed) = counts.values().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
        let Some((&instance, &(mine, bad))) = counts.iter().max_by(|a, b| a.1.1.cmp(&b.1.1).then(b.0.cmp(a.0))) else { continue };
        let (others, others_bad) = (all - mine, failed - bad);
        if counts.len() < 2 || instance.is_none() || others == 0 || (bad as f64) < rule.limit("errors") {
            continue;
        }
        let (rate, peers) = (bad as f64 / mine as f64, others_bad as f64 / others as f64);
        let covered = 100.0 * bad as f64 / failed as f64 >= rule.limit("coverage_percent");
        // Of no failures among the peers half a one is assumed.
        let lifted = rate >= rule.limit("lift") * peers.max(0.5 / others as f64);
        if !covered || !lifted || chance(bad, failed, mine as f64 / all as f64) * counts.len() as f64 > rule.limit("p") {
            continue;
        }
        let mut window = Window::default();
        let rows: Vec<_> = service.failed().filter(|row| row.instance == instance).collect();
        rows.iter().for_each(|row| window.add(row.time));
        let subject = Subject { service: names.get(service.service).to_owned(), key: names.get(instance).to_owned(), ..Subject::default() };
        let mut finding = Finding::new(&rule.id, subject, window);
        finding.severity = if 100.0 * rate >= rule.limit("high_percent") { Severity::High } else { Severity::Medium };
        finding.score = score(bad as f64, rule.limit("errors"), rule.upper("errors"));
        finding.confidence = Belief::new().with("an instance that fails where its peers do not", Input::Requests, 0.8).value();
        finding
            .measure_against("failed", bad as f64, "requests", rule.limit("errors"))
            .measure("all_failed", failed as f64, "requests")
            .measure("requests", mine as f64, "requests")
            .measure("percent", round(100.0 * rate), "percent")
            .measure("peers", counts.len() as f64 - 1.0, "instances")
            .measure("peers_percent", (100_000.0 * peers).round() / 1000.0, "percent")
            .look_alike("Another kind of requests", "not excluded: which requests the balancer gives it is not recorded")
            .look_alike("Chance", "excluded: below one in a thousand, for as many instances as there are");
        let cited: Vec<Evidence> = rows.iter().take(6).map(|row| row.evidence).collect();
        finding.cite(cited);
        finding.evidence_total = bad;
        out.push(finding);
    }
}

/// About how likely at least `hits` of `all` fall into a share by chance: the upper tail of the normal distribution.
fn chance(hits: u64, all: u64, share: f64) -> f64 {
    let (n, mean) = (all as f64, all as f64 * share);
    let spread = (n * share * (1.0 - share)).sqrt().max(f64::MIN_POSITIVE);
    let z = (hits as f64 - 0.5 - mean) / spread;
    // A bound on the tail that is close for large z.
    if z <= 0.0 { 1.0 } else { ((-z * z / 2.0).exp() / (z * 2.506_628)).min(1.0) }
}
