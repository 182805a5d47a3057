//! `autoscaling-ineffective`: replicas were added and requests are no faster, or were not added although requests are slow.
//!
//! A rise of the replicas is held against what was served before it and after the new ones could serve: scaling works if
//! latency falls, or if throughput grows as the replicas do; readers of a topic are held against their backlog. What this
//! file does not do: find the rises (`rise.rs`) or what holds the service back (`limiter.rs`).

mod consumers;
mod limiter;
mod rise;
mod unscaled;

use crate::correlate::load::{Load, Stretch, load_by_callers};
use crate::correlate::replicas::{Homes, Life, Replicas, plain, replicas};
use crate::model::finding::{Belief, Finding, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Time, Window};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use limiter::Limiter;
use rise::{Rise, rises};
use std::borrow::Cow;
use std::collections::BTreeMap;

pub(crate) const DETECTOR: Detector = Detector {
    id: "autoscaling-ineffective",
    thresholds: &[
        "step_pods",
        "step_percent",
        "merge_s",
        "window_s",
        "after_s",
        "ready_gap_s",
        "requests",
        "still_bad",
        "vs_baseline",
        "vs_before",
        "slow_ms",
        "delta_ms",
        "elasticity",
        "failed_percent",
        "growth",
        "share_percent",
        "refused",
        "blocked",
        "startup_s",
        "lean_percent",
        "lasting_s",
        "ratio",
        "lag",
    ],
    detect,
};

/// Stretches that the calm level is taken from.
const STRETCHES: i64 = 20;

/// Parts of the time after a rise, of which most must be bad.
const PARTS: i64 = 6;

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let loads = scope.case.loads();
    let all = replicas(scope.case, loads);
    let ground = Ground {
        scope,
        rule,
        homes: Homes::of(scope.case, loads),
        lives: scope.case.lives(),
        calm: scope.baseline.map(crate::correlate::Case::loads),
    };
    for (name, replicas) in &all {
        let service = scope.case.tables.names.find(name).unwrap_or(Sym::NONE);
        let told = loads.get(&service).map(Cow::Borrowed);
        let Some(load) = told.or_else(|| elsewhere(&ground, loads, name, replicas)) else { continue };
        let found = rises(rule, replicas)
            .iter()
            .filter_map(|rise| judge(&ground, (name, service), &load, replicas, rise))
            .max_by(|a, b| a.score.total_cmp(&b.score));
        out.extend(found);
    }
    unscaled::detect(scope, rule, loads, &all, out);
    consumers::detect(scope, rule, &all, out);
}

/// What every rise is held against.
struct Ground<'a> {
    scope: &'a Scope<'a>,
    rule: &'a Rule,
    homes: Homes<'a>,
    lives: &'a BTreeMap<Sym, Vec<Life>>,
    /// The loads of the baseline.
    calm: Option<&'a BTreeMap<Sym, Load>>,
}

/// A rise and what was served around it.
struct Seen<'a> {
    rise: &'a Rise,
    /// When the new replicas first served, if that is seen.
    served: Option<Time>,
    before: Stretch,
    after: Stretch,
    during: Window,
    later: Window,
    calm: Option<f64>,
}

impl Seen<'_> {
    /// How much of the growth in replicas became growth in throughput; one if it grew as they did.
    fn elasticity(&self) -> Option<f64> {
        let grown = (self.rise.after / self.rise.before?).ln();
        let served = (self.after.per_second.max(f64::MIN_POSITIVE) / self.before.per_second.max(f64::MIN_POSITIVE)).ln();
        (grown > 0.0).then_some(served / grown)
    }
}

/// What callers, or the gateway in front of everything, tell of a workload that the platform scaled and that tells nothing.
fn elsewhere<'l>(ground: &Ground<'_>, loads: &'l BTreeMap<Sym, Load>, name: &str, replicas: &Replicas) -> Option<Cow<'l, Load>> {
    if !replicas.told {
        return None;
    }
    let wanted = plain(name);
    let host = |peer: &str| peer.split_once("://").map_or(peer, |(_, rest)| rest).split([':', '/', '.']).next().map(plain);
    let called = load_by_callers(ground.scope.case, |peer| host(peer).is_some_and(|host| host == wanted));
    called.map(Cow::Owned).or_else(|| ground.homes.front().and_then(|front| loads.get(&front)).map(Cow::Borrowed))
}

fn judge(ground: &Ground<'_>, (name, service): (&str, Sym), load: &Load, replicas: &Replicas, rise: &Rise) -> Option<Finding> {
    let rule = ground.rule;
    let brief = rise.falls.is_some_and(|falls| falls.since(rise.last) < nanos(rule, "ready_gap_s"));
    if !replicas.told && brief {
        // Instances that overlap for a moment replace each other.
        return None;
    }
    let seen = look(ground, service, load, replicas, rise)?;
    let enough = seen.before.requests.min(seen.after.requests) >= rule.limit("requests");
    if !enough || !is_bad(rule, &seen) || has_grown(rule, &seen) {
        return None;
    }
    let limiters = limiter::all(ground, service, load, replicas, &seen);
    Some(finding(rule, name, load, replicas, &seen, &limiters))
}

fn nanos(rule: &Rule, name: &str) -> i64 {
    (rule.limit(name) * SECOND as f64) as i64
}

fn look<'r>(ground: &Ground<'_>, service: Sym, load: &Load, replicas: &Replicas, rise: &'r Rise) -> Option<Seen<'r>> {
    let (scope, rule) = (ground.scope, ground.rule);
    let nanos = |name: &str| nanos(rule, name);
    let all = load.window();
    // New replicas are those whose first request comes after the rise began.
    let begins = if replicas.told { rise.from } else { rise.from.plus(-SECOND) };
    let born = ground.lives.get(&service).map_or(&[][..], Vec::as_slice);
    let served = born.iter().filter(|life| life.first >= begins && life.first <= rise.last.plus(nanos("ready_gap_s"))).map(|life| life.first).max();
    let left = all.end.since(rise.last);
    // In a short recording the new ones must be quick for there to be an after at all.
    let granted = nanos("ready_gap_s").min(left / 3);
    let from = served.map_or(rise.last.plus(granted), |served| served.max(rise.last));
    let until = [Some(from.plus(nanos("after_s"))), rise.falls, Some(all.end)].into_iter().flatten().min()?;
    let during = Window::of(rise.from.plus(-nanos("window_s")).max(all.start), rise.from.plus(-1));
    let later = Window::of(from, until);
    if during.end <= during.start || later.end <= later.start {
        return None;
    }
    let of_baseline = ground.calm.as_ref().zip(scope.baseline).and_then(|(calm, baseline)| {
        let service = baseline.tables.names.find(scope.case.tables.names.get(service))?;
        calm.get(&service).map(|load| load.stretch(load.window()).p95_ms)
    });
    let least = rule.limit("requests") / PARTS as f64;
    let (mut before, after) = (load.stretch(during), load.mostly(later, PARTS, least));
    // Demand that has grown before the first step is why there is one; the calm time before it is no measure of what was possible.
    before.per_second = before.per_second.max(load.busiest(during, PARTS, least));
    let calm = of_baseline.or_else(|| load.calm_p95_ms(STRETCHES, rule.limit("requests") / 3.0)).filter(|calm| *calm > 0.0);
    Some(Seen { rise, served, before, after, during, later, calm })
}

/// Whether requests are no better off after the rise, and not well.
fn is_bad(rule: &Rule, seen: &Seen<'_>) -> bool {
    let (before, after) = (seen.before.p95_ms, seen.after.p95_ms);
    let far = |level: f64, ratio: f64| after >= ratio * level && after - level >= rule.limit("delta_ms");
    let slow =
        seen.calm.is_some_and(|calm| far(calm, rule.limit("vs_baseline"))) || far(before, rule.limit("vs_before")) || after >= rule.limit("slow_ms");
    let failing = seen.after.failed_percent() >= rule.limit("failed_percent")
        && seen.after.failed_percent() >= rule.limit("still_bad") * seen.before.failed_percent();
    slow && after >= rule.limit("still_bad") * before || failing
}

/// Whether throughput grew with the replicas: then it is the demand that has grown.
fn has_grown(rule: &Rule, seen: &Seen<'_>) -> bool {
    match seen.elasticity() {
        Some(elasticity) if elasticity <= rule.limit("elasticity") => false,
        Some(elasticity) => elasticity >= rule.upper("elasticity") || seen.after.p95_ms < rule.limit("growth") * seen.before.p95_ms,
        None => seen.after.per_second >= 1.5 * seen.before.per_second,
    }
}

fn finding(rule: &Rule, name: &str, load: &Load, replicas: &Replicas, seen: &Seen<'_>, limiters: &[Limiter]) -> Finding {
    let subject = Subject { service: name.to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, Window::of(seen.rise.from, seen.later.end));
    let calm = seen.calm.unwrap_or(seen.before.p95_ms);
    let ratio = seen.after.p95_ms / calm.max(1.0);
    let severe = ratio >= rule.upper("vs_baseline") || seen.after.failed_percent() >= rule.limit("failed_percent");
    finding.severity = if severe { Severity::High } else { Severity::Medium };
    finding.score =
        score(ratio.max(seen.after.failed_percent() / rule.limit("failed_percent")), rule.limit("vs_baseline"), rule.upper("vs_baseline")).max(25.0);
    let flat = seen.elasticity().is_some_and(|elasticity| elasticity <= rule.limit("elasticity"));
    finding.confidence = Belief::new()
        .with_if(replicas.told, "replicas that the platform added", replicas.input, 0.5)
        .with_if(!replicas.told, "instances that came to the others", replicas.input, 0.35)
        .with("latency that did not fall", load.input, 0.4)
        .with_if(flat, "throughput that did not grow", load.input, 0.3)
        .with_if(seen.rise.ups > 1, "several steps", replicas.input, 0.2)
        .with_if(!limiters.is_empty(), "what holds it back", limiters.first().map_or(load.input, |limiter| limiter.input), 0.3)
        .value();
    figures(&mut finding, rule, seen);
    let first = limiters.first();
    for limiter in limiters {
        for (name, value, unit) in &limiter.measures {
            finding.measure(name, round(*value), unit);
        }
    }
    finding
        .word("limiter", limiters.iter().map(|limiter| limiter.text.as_str()).collect::<Vec<_>>().join(" "))
        .word("limiter_fix", first.map_or("find in traces or thread dumps what requests wait for", |limiter| limiter.fix))
        .look_alike(
            "Demand that grew with the replicas",
            match seen.elasticity() {
                Some(elasticity) => format!("excluded: throughput took up {:.0} % of the growth", 100.0 * elasticity),
                None => "excluded: throughput did not grow by half".to_owned(),
            },
        )
        .look_alike(
            "New replicas that have only just started",
            match seen.served {
                Some(served) => format!(
                    "excluded: the last of them served {} s after the first step, and the time before is left out",
                    served.since(seen.rise.from) / SECOND
                ),
                None => "not excluded: when the new ones began to serve is not recorded".to_owned(),
            },
        )
        .look_alike("A rollout or a drained node", "excluded: the number of replicas stayed higher");
    if limiters.is_empty() {
        finding
            .missing
            .push("traces with calls of databases and services, metrics of pools, or thread dumps would name what holds it back".to_owned());
    }
    limiters.iter().filter_map(|limiter| limiter.party.clone()).for_each(|party| finding.services.push(party));
    cite(&mut finding, load, seen, limiters);
    finding
}

fn figures(finding: &mut Finding, rule: &Rule, seen: &Seen<'_>) {
    let (before, after) = (&seen.before, &seen.after);
    let known = seen.rise.before.unwrap_or(0.0);
    let minutes = seen.later.end.since(seen.rise.last) as f64 / (60 * SECOND) as f64;
    finding
        .measure("replicas_before", known, "replicas")
        .measure("replicas_after", seen.rise.after, "replicas")
        .measure("added", seen.rise.after - known, "replicas")
        .measure("steps", seen.rise.ups as f64, "steps")
        .measure("p95_before_ms", round(before.p95_ms), "ms")
        .measure_against("p95_after_ms", round(after.p95_ms), "ms", round(rule.limit("still_bad") * before.p95_ms))
        .measure("p50_before_ms", round(before.p50_ms), "ms")
        .measure("p50_after_ms", round(after.p50_ms), "ms")
        .measure("throughput_before", round(before.per_second), "requests per second")
        .measure("throughput_after", round(after.per_second), "requests per second")
        .measure("requests_before", before.requests, "requests")
        .measure("requests_after", after.requests, "requests")
        .measure("failed_before_percent", round(before.failed_percent()), "percent")
        .measure("failed_after_percent", round(after.failed_percent()), "percent")
        .measure("failed_after", after.failed, "requests")
        .measure("pod_minutes", round(minutes * (seen.rise.after - known)), "replica minutes");
    if let Some(calm) = seen.calm {
        finding.measure("p95_calm_ms", round(calm), "ms").measure_against(
            "times_calm",
            round(after.p95_ms / calm),
            "times",
            rule.limit("vs_baseline"),
        );
    }
    if let Some(elasticity) = seen.elasticity() {
        let alone = (after.per_second / seen.rise.after) / (before.per_second / known).max(f64::MIN_POSITIVE);
        finding.measure_against("elasticity", round(elasticity), "", rule.limit("elasticity")).measure(
            "per_replica_percent",
            round(100.0 * alone),
            "percent",
        );
    }
    if let Some(served) = seen.served {
        finding.measure("startup_s", round(served.since(seen.rise.from) as f64 / SECOND as f64), "s");
    }
}

/// The steps, what holds it back, and the slowest requests of both sides.
fn cite(finding: &mut Finding, load: &Load, seen: &Seen<'_>, limiters: &[Limiter]) {
    let slowest = |window: Window| -> Vec<Evidence> {
        let mut pieces: Vec<_> = load.within(window).iter().filter_map(|piece| Some((piece.nanos?, piece.evidence))).collect();
        pieces.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        pieces.into_iter().take(2).map(|(_, evidence)| evidence).collect()
    };
    finding.cite(seen.rise.evidence.iter().copied().take(3));
    finding.cite(limiters.iter().flat_map(|limiter| limiter.evidence.iter().copied().take(2)));
    finding.cite(slowest(seen.later));
    finding.cite(slowest(seen.during));
    finding.evidence_total = seen.rise.evidence.len() as u64 + (seen.before.requests + seen.after.requests) as u64;
}

#[cfg(test)]
mod tests;
