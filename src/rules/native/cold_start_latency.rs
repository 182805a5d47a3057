//! `cold-start-latency`: instances that are slow in their first minute while those that were there before are not.
//!
//! What this file does not do: instances that were there when the recording began; when they started is not known.

use crate::correlate::load::{Load, Piece};
use crate::correlate::series::median;
use crate::model::finding::{Belief, Finding, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Window};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};

pub(crate) const DETECTOR: Detector =
    Detector { id: "cold-start-latency", thresholds: &["ratio", "first_s", "requests", "instances", "felt_ms"], detect };

/// An instance that was slow at first.
struct Cold {
    window: Window,
    first_ms: f64,
    later_ms: f64,
    requests: f64,
    slowest: Vec<Evidence>,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let lives = scope.case.lives();
    for (&service, load) in scope.case.loads() {
        let born = lives.get(&service).map_or(&[][..], Vec::as_slice);
        let began = load.window().start;
        let fresh = born.iter().filter(|life| life.first.since(began) > 10 * SECOND);
        let cold: Vec<Cold> = fresh.filter_map(|life| cold(rule, load, life.instance)).collect();
        if cold.len() as f64 >= rule.limit("instances") {
            out.push(finding(scope, rule, service, load, &cold));
        }
    }
}

fn cold(rule: &Rule, load: &Load, instance: Sym) -> Option<Cold> {
    let own: Vec<&Piece> = load.pieces.iter().filter(|piece| piece.instance == instance && piece.nanos.is_some()).collect();
    let start = own.first()?.time;
    let warm = start.plus((rule.limit("first_s") * SECOND as f64) as i64);
    let (first, later): (Vec<&Piece>, Vec<&Piece>) = own.into_iter().partition(|piece| piece.time < warm);
    let ms = |pieces: &[&Piece]| median(pieces.iter().filter_map(|piece| piece.nanos)).unwrap_or(0.0) / 1e6;
    let count = |pieces: &[&Piece]| pieces.iter().map(|piece| piece.count).sum::<f64>();
    let (first_ms, later_ms) = (ms(&first), ms(&later));
    if count(&first).min(count(&later)) < rule.limit("requests") || first_ms < rule.limit("ratio") * later_ms {
        return None;
    }
    let window = Window::of(start, warm);
    let peers: Vec<&Piece> = load.within(window).iter().filter(|piece| piece.instance != instance).collect();
    // Without a peer that is well it may be the time that is bad, not the instance.
    if peers.is_empty() || 2.0 * ms(&peers) > first_ms {
        return None;
    }
    let mut slowest: Vec<&Piece> = first.clone();
    slowest.sort_by(|a, b| b.nanos.unwrap_or(0.0).total_cmp(&a.nanos.unwrap_or(0.0)).then(a.evidence.cmp(&b.evidence)));
    Some(Cold { window, first_ms, later_ms, requests: count(&first), slowest: slowest.into_iter().take(2).map(|piece| piece.evidence).collect() })
}

fn finding(scope: &Scope<'_>, rule: &Rule, service: Sym, load: &Load, cold: &[Cold]) -> Finding {
    let mut window = Window::default();
    cold.iter().for_each(|cold| window.join(cold.window));
    let mut finding = Finding::new(&rule.id, Subject { service: scope.case.tables.names.get(service).to_owned(), ..Subject::default() }, window);
    let middle = |value: fn(&Cold) -> f64| median(cold.iter().map(value)).unwrap_or(0.0);
    let (first, later) = (middle(|cold| cold.first_ms), middle(|cold| cold.later_ms));
    let ratio = first / later.max(0.001);
    finding.severity = if first - later >= rule.limit("felt_ms") { Severity::Medium } else { Severity::Low };
    finding.score = score(ratio, rule.limit("ratio"), rule.upper("ratio"));
    finding.confidence =
        Belief::new().with("a first minute unlike the rest", load.input, 0.6).with("peers that are well meanwhile", load.input, 0.4).value();
    finding
        .measure("instances", cold.len() as f64, "instances")
        .measure("first_ms", round(first), "ms")
        .measure("later_ms", round(later), "ms")
        .measure_against("ratio", round(ratio), "times", rule.limit("ratio"))
        .measure("requests", cold.iter().map(|cold| cold.requests).sum(), "requests")
        .look_alike("A time in which all were slow", "excluded: the instances that were there before were at least twice as fast meanwhile");
    finding.cite(cold.iter().flat_map(|cold| cold.slowest.iter().copied()));
    finding
}

#[cfg(test)]
mod tests {
    use crate::correlate::fixture::{case, many};
    use crate::rules::fixture::{check, measured, rule};

    fn found(length: impl Fn(u32, u32) -> u32) -> Vec<crate::model::finding::Finding> {
        // Two instances from the start, two more from the 120th second on; two requests a second.
        let case = case(&many(0..600, 500, |n| {
            let second = n / 2;
            let pod = if second < 120 { n % 2 } else { n % 4 };
            format!("  orders GET /a 0-{} 200 at=orders-{pod}", length(second, pod))
        }));
        check(&rule("cold-start-latency"), &case, None)
    }

    #[test]
    fn a_slow_minute_of_all_and_a_warm_start_are_none() {
        assert!(found(|second, _| if (120..180).contains(&second) { 900 } else { 90 }).is_empty());
        assert!(found(|_, _| 90).is_empty());
        assert!(found(|second, pod| if pod == 2 && second < 180 { 900 } else { 90 }).is_empty(), "a single one");
    }

    #[test]
    fn new_instances_are_slow_at_first() {
        let found = found(|second, pod| if pod >= 2 && second < 180 { 900 } else { 90 });
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(["instances", "first_ms", "later_ms", "ratio"].map(|name| measured(&found[0], name)), [2.0, 900.0, 90.0, 10.0]);
    }
}
