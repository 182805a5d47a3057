//! `load-imbalance`: replicas of one service that get very different shares of its requests.
//!
//! What this file does not do: compare what they are asked for; a shard rightly gets other requests than its peers.

use crate::correlate::load::Load;
use crate::model::finding::{Belief, Finding, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Time, Window};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::BTreeMap;

pub(crate) const DETECTOR: Detector =
    Detector { id: "load-imbalance", thresholds: &["requests", "settled_s", "lean_percent", "top", "instances", "slower"], detect };

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let lives = scope.case.lives();
    for (&service, load) in scope.case.loads() {
        let born = lives.get(&service).map_or(&[][..], Vec::as_slice);
        // A process that ended has no share any more, and one that began must have settled.
        let settled = born.iter().map(|life| life.first).max().unwrap_or(Time::NONE).plus((rule.limit("settled_s") * SECOND as f64) as i64);
        let ended = born.iter().map(|life| life.last).min().unwrap_or(Time::NONE);
        let all = load.window();
        let begun = born.iter().all(|life| life.first.since(all.start) <= 5 * SECOND);
        let window = Window::of(if begun { all.start } else { settled }, ended.min(all.end));
        if window.end > window.start {
            out.extend(finding(scope, rule, service, load, window));
        }
    }
}

fn finding(scope: &Scope<'_>, rule: &Rule, service: Sym, load: &Load, window: Window) -> Option<Finding> {
    let mut shares: BTreeMap<Sym, (f64, Vec<f64>, Evidence)> = BTreeMap::new();
    for piece in load.within(window).iter().filter(|piece| !piece.instance.is_none()) {
        let (count, lengths, _) = shares.entry(piece.instance).or_insert((0.0, Vec::new(), piece.evidence));
        *count += piece.count;
        lengths.extend(piece.nanos);
    }
    let instances = shares.len() as f64;
    let all: f64 = shares.values().map(|(count, ..)| count).sum();
    let mean = all / instances.max(1.0);
    let (&busiest, (most, lengths, place)) = shares.iter().max_by(|a, b| a.1.0.total_cmp(&b.1.0).then(b.0.cmp(a.0)))?;
    let top = most / mean;
    if instances < rule.limit("instances") || mean < rule.limit("requests") || top < rule.limit("top") {
        return None;
    }
    let lean: Vec<Evidence> =
        shares.values().filter(|(count, ..)| *count < rule.limit("lean_percent") / 100.0 * mean).map(|(.., place)| *place).collect();
    let median = |values: Vec<f64>| crate::correlate::series::median(values.into_iter()).unwrap_or(0.0) / 1e6;
    let own = median(lengths.clone());
    let others =
        median(shares.iter().filter(|(instance, _)| **instance != busiest).flat_map(|(_, (_, lengths, _))| lengths.iter().copied()).collect());
    let slower = others > 0.0 && own >= rule.limit("slower") * others;
    let names = &scope.case.tables.names;
    let subject = Subject { service: names.get(service).to_owned(), key: names.get(busiest).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    // An uneven share that nobody feels costs money, not users.
    finding.severity = if slower { Severity::Medium } else { Severity::Low };
    finding.score = score(top, rule.limit("top"), rule.upper("top"));
    finding.confidence =
        Belief::new().with("shares of the requests", load.input, 0.65).with_if(slower, "the busiest is slower", load.input, 0.4).value();
    finding
        .measure("instances", instances, "replicas")
        .measure("requests", all, "requests")
        .measure("busiest_requests", *most, "requests")
        .measure("busiest_percent", round(100.0 * most / all), "percent")
        .measure_against("top", round(top), "times", rule.limit("top"))
        .measure("lean", lean.len() as f64, "replicas")
        .measure("busiest_ms", round(own), "ms")
        .measure("others_ms", round(others), "ms")
        .word(
            "slower",
            if slower { format!("The busiest takes {} ms for a request, the others {} ms.", round(own), round(others)) } else { String::new() },
        )
        .look_alike("Replicas that have only just started", "excluded: the time before all had settled is left out")
        .look_alike("Shards, leaders and canaries", "not excluded: which requests a replica may serve is not recorded");
    finding.cite([*place]);
    finding.cite(lean);
    finding.evidence_total = all as u64;
    Some(finding)
}

#[cfg(test)]
mod tests {
    use crate::model::finding::Severity;
    use crate::rules::fixture::{check, rule};

    fn found(share: impl Fn(u32) -> u32, slow: u32) -> Vec<crate::model::finding::Finding> {
        let case = crate::correlate::fixture::case(&crate::correlate::fixture::many(0..600, 1000, |n| {
            let pod = share(n);
            format!("  orders GET /a 0-{} 200 at=orders-{pod}", if pod == 0 { slow } else { 100 })
        }));
        check(&rule("load-imbalance"), &case, None)
    }

    #[test]
    fn even_shares_and_two_replicas_are_healthy() {
        assert!(found(|n| n % 5, 100).is_empty());
        assert!(found(|n| u32::from(n % 10 == 0), 100).is_empty(), "a leader and its follower");
    }

    #[test]
    fn one_replica_gets_nearly_all() {
        let uneven = |n: u32| if n % 10 < 7 { 0 } else { 1 + n % 5 };
        let slow = found(uneven, 400);
        assert_eq!((slow.len(), slow[0].severity, slow[0].subject.key.as_str()), (1, Severity::Medium, "orders-0"));
        assert_eq!(found(uneven, 100)[0].severity, Severity::Low);
    }
}
