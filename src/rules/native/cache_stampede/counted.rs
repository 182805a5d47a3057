//! Stampedes as metrics show them: misses that jump within one step while the traffic does not, and an origin that is slow
//! or full in the same step.
//!
//! Counters name no key, so this is never more than a likely cause. What this file does not do: judge the first steps of a
//! process, in which every cache is cold.

use crate::correlate::Case;
use crate::correlate::meter::Series;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::time::{SECOND, Time, Window};
use crate::model::trend;
use crate::rules::native::cache_stampede::round;
use std::collections::BTreeMap;

/// Counters of misses: of libraries that label the result, and of those that count them apart.
const LABELLED: &[&str] = &["cache.gets", "cache.requests"];
const APART: &[&str] = &["cache.misses", "redis.keyspace.misses", "keyspace.misses"];
/// Waiting for the origin: gauges, and times with count and sum.
const QUEUES: &[&str] =
    &["hikaricp.connections.pending", "hikaricp.connections.active", "db.client.connections.pending.requests", "db.client.connections.usage"];
const TIMES: &[&str] =
    &["cache.load.duration", "hikaricp.connections.usage", "http.server.requests", "http.server.request.duration", "db.client.operation.duration"];
/// Steps after a start in which a cache may be cold.
const COLD_STEPS: usize = 2;
/// Fewer steps have no usual rate.
const FEWEST_STEPS: usize = 8;

/// Gains by time, summed over series.
type Steps = BTreeMap<Time, f64>;

/// The misses of one cache of one service.
struct Misses<'a> {
    service: Sym,
    cache: &'a str,
    steps: Steps,
    gets: Steps,
    series: Vec<Series<'a>>,
}

pub(super) fn find(case: &Case, rule: &Rule) -> Vec<Finding> {
    misses(case).iter().filter_map(|misses| judge(case, rule, misses)).collect()
}

fn misses(case: &Case) -> Vec<Misses<'_>> {
    let mut out: BTreeMap<(Sym, &str), Misses<'_>> = BTreeMap::new();
    let labelled = LABELLED.iter().flat_map(|metric| case.series(metric));
    let apart = APART.iter().flat_map(|metric| case.series(metric));
    for (series, is_miss) in labelled.map(|s| (s, s.label("result") == Some("miss"))).chain(apart.map(|s| (s, true))) {
        let cache = series.label("cache").or_else(|| series.label("name")).unwrap_or("");
        let entry = out.entry((series.service, cache)).or_insert_with(|| Misses {
            service: series.service,
            cache,
            steps: Steps::new(),
            gets: Steps::new(),
            series: Vec::new(),
        });
        for (time, gain) in series.gains() {
            *entry.gets.entry(time).or_default() += gain;
            if is_miss {
                *entry.steps.entry(time).or_default() += gain;
            }
        }
        if is_miss {
            entry.series.push(series);
        }
    }
    out.into_values().filter(|misses| misses.steps.len() >= FEWEST_STEPS).collect()
}

fn judge(case: &Case, rule: &Rule, misses: &Misses<'_>) -> Option<Finding> {
    let usual = median(misses.steps.values())?;
    let usual_gets = median(misses.gets.values())?;
    let above = rule.limit("above_usual");
    let is_jump = |time: &Time, gain: f64| {
        let gets = misses.gets.get(time).copied().unwrap_or(0.0);
        gain >= rule.limit("metric_misses") && gain >= above * usual.max(1.0) && (usual_gets <= 0.0 || gets - gain <= 2.0 * usual_gets)
    };
    let jumps: Vec<(Time, f64)> =
        misses.steps.iter().skip(COLD_STEPS).filter(|(time, gain)| is_jump(time, **gain)).map(|(time, gain)| (*time, *gain)).collect();
    let origin: Vec<(&str, f64)> = pressed(case, misses.service, &jumps, rule.limit("origin_slower"));
    let (first, last) = (jumps.first()?, jumps.last()?);
    let (metric, slower) = origin.first().copied()?;
    // More than a fifth of all steps is no burst, it is how the cache works.
    if 5 * jumps.len() > misses.steps.len() {
        return None;
    }
    let subject = Subject { service: case.tables.names.get(misses.service).to_owned(), operation: misses.cache.to_owned(), ..Subject::default() };
    let step = misses.steps.keys().zip(misses.steps.keys().skip(1)).map(|(a, b)| b.since(*a)).min().unwrap_or(SECOND);
    let mut finding = Finding::new(&rule.id, subject, Window::of(first.0.plus(-step), last.0));
    finding.kind = "miss-burst".to_owned();
    finding.confidence =
        Belief::new().with("misses jump", Input::Metrics, 0.4).with("the origin is slow in the same step", Input::Metrics, 0.3).value();
    finding.severity = Severity::Medium;
    let most = jumps.iter().map(|(_, gain)| *gain).fold(0.0, f64::max);
    finding.score = score(most / usual.max(1.0), above, 4.0 * above);
    finding.measure_against("misses_in_step", most, "misses", rule.limit("metric_misses")).measure("usual_misses", round(usual), "misses");
    finding.measure("bursts", jumps.len() as f64, "bursts").measure_against("origin_slower", round(slower), "times", rule.limit("origin_slower"));
    finding.measure("step_s", step as f64 / SECOND as f64, "s");
    finding.word("entry", if misses.cache.is_empty() { "the cache" } else { misses.cache }).word("metric", metric);
    finding.look_alike("more traffic", "excluded: hits did not grow as the misses did");
    finding.look_alike("cold start after a deployment", "excluded: the first steps of a process are not looked at");
    finding.look_alike("one load that others wait for", "not excluded: counters tell of misses, not of loads");
    finding.missing.push("records or spans of cache reads with their keys".to_owned());
    let at =
        |time: Time| misses.series.iter().filter_map(move |series| series.points.iter().find(|point| point.time == time)).map(|point| point.evidence);
    finding.cite(jumps.iter().flat_map(|(time, _)| at(*time)));
    Some(finding)
}

/// Metrics of the origin that are at least so many times their median in most steps with a jump, the most pressed first.
fn pressed<'m>(case: &Case, service: Sym, jumps: &[(Time, f64)], times: f64) -> Vec<(&'m str, f64)> {
    let mut out: Vec<(&str, f64)> = Vec::new();
    let gauges = QUEUES.iter().map(|metric| (*metric, by_time(case, service, metric, false)));
    let means = TIMES.iter().map(|metric| (*metric, means(case, service, metric)));
    for (metric, values) in gauges.chain(means) {
        let Some(usual) = median(values.values()) else { continue };
        let ratios: Vec<f64> = jumps.iter().filter_map(|(time, _)| values.get(time)).map(|value| value / usual.max(1e-9)).collect();
        let held = ratios.iter().filter(|ratio| **ratio >= times).count();
        // A queue that is usually empty has no ratio: one that is not is enough.
        let most = if usual > 0.0 { ratios.iter().copied().fold(0.0, f64::max) } else { times };
        if held > 0 && 2 * held >= jumps.len() {
            out.push((metric, most));
        }
    }
    out.sort_by(|a, b| b.1.total_cmp(&a.1));
    out
}

fn means(case: &Case, service: Sym, metric: &str) -> Steps {
    let counts = by_time(case, service, &format!("{metric}.count"), true);
    let sums = by_time(case, service, &format!("{metric}.sum"), true);
    let mean = |(time, count): (&Time, &f64)| sums.get(time).filter(|_| *count > 0.0).map(|sum| (*time, sum / count));
    counts.iter().filter_map(mean).collect()
}

fn by_time(case: &Case, service: Sym, metric: &str, gains: bool) -> Steps {
    let mut steps = Steps::new();
    for series in case.series(metric).filter(|series| series.service == service) {
        let mut add = |(time, value)| *steps.entry(time).or_default() += value;
        if gains { series.gains().for_each(&mut add) } else { series.values().for_each(&mut add) }
    }
    steps
}

fn median<'a>(values: impl Iterator<Item = &'a f64>) -> Option<f64> {
    trend::median(&mut values.copied().collect::<Vec<f64>>())
}
