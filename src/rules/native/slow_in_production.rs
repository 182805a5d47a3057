//! `slow-in-production`: operations that take longer here than in the baseline, and on what the time goes.
//!
//! Each operation is compared with itself. What was added is divided among the calls the service makes and its own work, each
//! as more calls or slower calls. A service that only waits for another one that is slower itself is not reported. What this
//! file does not do: compare times within one bundle; see `slow_downstream`.

mod alone;
mod sides;

use crate::correlate::Case;
use crate::correlate::anatomy::Part;
use crate::model::amount::millis;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::time::Window;
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use sides::{Added, Slow};
use std::collections::BTreeMap;

pub(crate) const DETECTOR: Detector = Detector {
    id: "slow-in-production",
    thresholds: &[
        "p95_ratio",
        "p95_delta",
        "p50_ratio",
        "p50_delta",
        "z",
        "requests",
        "share_percent",
        "passed_on_percent",
        "many_percent",
        "alone_p95",
        "alone_p50",
        "alone_requests",
        "alone_percent",
    ],
    detect,
};

/// How many operations a finding gives the numbers of.
const TOLD: usize = 5;
const MS: f64 = 1e6;

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let Some(baseline) = scope.baseline else {
        alone::find(scope.case, rule, out);
        return;
    };
    let mut by_service: BTreeMap<Sym, Vec<Slow>> = BTreeMap::new();
    for slow in sides::slow(scope.case, baseline, rule) {
        by_service.entry(slow.service).or_default().push(slow);
    }
    let slower: Vec<Sym> = by_service.keys().copied().collect();
    for operations in by_service.values_mut() {
        operations.sort_by(|a, b| b.added_in_all().total_cmp(&a.added_in_all()).then(a.operation.cmp(&b.operation)));
    }
    let (waiting, meant): (Vec<_>, Vec<_>) = by_service.into_iter().partition(|(_, operations)| passes_on(rule, operations, &slower));
    // What users meet is the operation where they come in, which only waits.
    let entries: Vec<&Slow> = waiting.iter().flat_map(|(_, operations)| operations).filter(|slow| is_entry(scope.case, slow)).collect();
    for (service, operations) in meant {
        if let Some(mut finding) = finding(scope.case, rule, service, &operations) {
            at_entry(scope.case, &entries, &mut finding);
            out.push(finding);
        }
    }
}

/// Whether work comes into the system with this operation.
fn is_entry(case: &Case, slow: &Slow) -> bool {
    case.context.entries.contains_key(&(slow.service, slow.operation))
}

/// What users feel of it.
fn at_entry(case: &Case, entries: &[&Slow], finding: &mut Finding) {
    let names = &case.tables.names;
    let mut told = Vec::new();
    for (slow, number) in entries.iter().zip(1..).take(TOLD) {
        let (here, there) = (round(slow.here.p50() as f64 / MS), round(slow.there.p50() as f64 / MS));
        finding.measure(&format!("entry_p50_ms_{number}"), here, "ms").measure(&format!("entry_baseline_p50_ms_{number}"), there, "ms");
        told.push(format!("{} of {} takes {} instead of {}", names.get(slow.operation), names.get(slow.service), millis(here), millis(there)));
    }
    finding.word("entry", if told.is_empty() { String::new() } else { format!("Where requests come in, {}.", told.join(", ")) });
}

/// Whether most of what was added lies at services that are slower themselves.
fn passes_on(rule: &Rule, operations: &[Slow], slower: &[Sym]) -> bool {
    let all: f64 = operations.iter().map(Slow::added_in_all).sum();
    let elsewhere: f64 = operations
        .iter()
        .flat_map(|slow| slow.parts.iter().map(move |(part, added)| (slow, part, added)))
        .filter(|(slow, part, _)| part.system.is_none() && part.peer != slow.service && slower.contains(&part.peer))
        .map(|(slow, _, added)| added.nanos * slow.here.count() as f64)
        .sum();
    100.0 * elsewhere >= rule.limit("passed_on_percent") * all.max(1.0)
}

fn finding(case: &Case, rule: &Rule, service: Sym, operations: &[Slow]) -> Option<Finding> {
    let names = &case.tables.names;
    let worst = operations.first()?;
    let mut window = Window::default();
    operations.iter().for_each(|slow| window.join(slow.window));
    let subject = Subject { service: names.get(service).to_owned(), operation: names.get(worst.operation).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    let contributors = contributors(operations);
    let all: f64 = contributors.values().map(|added| added.nanos.max(0.0)).sum();
    let mut ranked: Vec<(Part, Added)> = contributors.into_iter().filter(|(_, added)| added.nanos > 0.0).collect();
    ranked.sort_by(|a, b| b.1.nanos.total_cmp(&a.1.nanos).then(a.0.cmp(&b.0)));
    ranked.retain(|(_, added)| 100.0 * added.nanos >= rule.limit("share_percent") * all);
    finding.services =
        ranked.iter().filter(|(part, _)| part.system.is_none() && !part.peer.is_none()).map(|(part, _)| names.get(part.peer).to_owned()).collect();
    let ratio = worst.here.p95() as f64 / worst.there.p95().max(1) as f64;
    let ratio = ratio.max(worst.here.p50() as f64 / worst.there.p50().max(1) as f64);
    let spread = 100.0 * operations.iter().map(|slow| slow.here.count()).sum::<u64>() as f64 / worst.of_service.max(1) as f64;
    let serious = ratio >= rule.upper("p95_ratio") && spread >= rule.limit("many_percent");
    finding.severity = if serious { Severity::High } else { Severity::Medium };
    finding.score = score(ratio, rule.limit("p95_ratio"), rule.upper("p95_ratio"));
    let few = operations.iter().all(|slow| (slow.here.count().min(slow.there.count()) as f64) < rule.upper("requests"));
    let input = if worst.from_spans { Input::Spans } else { Input::Requests };
    finding.confidence = Belief::new()
        .with("the same operation, slower than in the baseline", input, if few { 0.5 } else { 0.8 })
        .with("a calm time to compare with", Input::Baseline, 0.3)
        .with_if(!ranked.is_empty(), "what the time goes to", Input::Spans, 0.5)
        .with_if(operations.len() > 1, "several operations of the service", input, 0.3)
        .value();
    measures(&mut finding, rule, names, operations, spread, ratio);
    finding.word("attribution", attribution(case, &ranked, all)).word("others", others(case, operations));
    finding
        .look_alike("Another mix of requests", "excluded: each operation is compared with itself")
        .look_alike(
            "The first minute after a start",
            if worst.warmed {
                "excluded: requests within a minute of a start are left out"
            } else {
                "not excluded: no record says when an instance started"
            },
        )
        .look_alike(
            "A single slow peer, slow for all",
            "not excluded here: where the time goes to is named, who is to blame there is another rule's",
        );
    finding.cite(operations.iter().flat_map(|slow| slow.evidence.iter().copied()));
    Some(finding)
}

fn measures(finding: &mut Finding, rule: &Rule, names: &crate::model::names::Interner, operations: &[Slow], spread: f64, ratio: f64) {
    for (slow, number) in operations.iter().zip(1..).take(TOLD) {
        let name = |of: &str| if number == 1 { of.to_owned() } else { format!("{of}_{number}") };
        let ms = |nanos: u64| round(nanos as f64 / MS);
        finding
            .measure(&name("p50_ms"), ms(slow.here.p50()), "ms")
            .measure(&name("baseline_p50_ms"), ms(slow.there.p50()), "ms")
            .measure(&name("p95_ms"), ms(slow.here.p95()), "ms")
            .measure(&name("baseline_p95_ms"), ms(slow.there.p95()), "ms");
        if number > 1 {
            finding.word(&format!("operation_{number}"), names.get(slow.operation));
        }
    }
    finding
        .measure_against("times_slower", round(ratio), "times", rule.limit("p95_ratio"))
        .measure("slow_operations", operations.len() as f64, "operations")
        .measure("requests", operations.iter().map(|slow| slow.here.count()).sum::<u64>() as f64, "requests")
        .measure("slow_percent", round(spread), "percent of the service's requests");
}

/// What was added to all requests, by part.
fn contributors(operations: &[Slow]) -> BTreeMap<Part, Added> {
    let mut all: BTreeMap<Part, Added> = BTreeMap::new();
    for slow in operations {
        for (part, added) in &slow.parts {
            all.entry(*part).or_default().add(added, slow.here.count() as f64);
        }
    }
    all
}

fn attribution(case: &Case, ranked: &[(Part, Added)], all: f64) -> String {
    if ranked.is_empty() {
        return "On what the time goes is not recorded: there are no spans below these requests.".to_owned();
    }
    let names = &case.tables.names;
    let told: Vec<String> = ranked
        .iter()
        .take(3)
        .map(|(part, added)| {
            let percent = 100.0 * added.nanos / all.max(1.0);
            let whom = match (part.peer.is_none(), part.operation.is_none()) {
                (true, _) => "its own work".to_owned(),
                (false, true) => names.get(part.peer).to_owned(),
                (false, false) => format!("{} ({})", names.get(part.peer), names.get(part.operation)),
            };
            format!("{percent:.0} % of the added time is {whom}: {}", added.how())
        })
        .collect();
    format!("{}.", told.join("; "))
}

fn others(case: &Case, operations: &[Slow]) -> String {
    let names = &case.tables.names;
    let told: Vec<String> = operations
        .iter()
        .skip(1)
        .take(TOLD - 1)
        .map(|slow| {
            let ms = |nanos: u64| millis(nanos as f64 / MS);
            format!("{} {} instead of {}", names.get(slow.operation), ms(slow.here.p50()), ms(slow.there.p50()))
        })
        .collect();
    if told.is_empty() { String::new() } else { format!("Also slower at the median: {}.", told.join(", ")) }
}

#[cfg(test)]
mod tests;
