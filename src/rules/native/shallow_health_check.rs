//! `shallow-health-check`: probes that all pass while users fail, instance by instance.
//!
//! Time is cut into windows that hold probes and enough requests of users. A window is blind if every probe in it passed and
//! users failed more than they usually do. Why the check saw nothing is looked for in `explain.rs`. What this file does not do: say
//! why users fail; other rules do.

mod explain;
mod rows;

use crate::correlate::Case;
use crate::correlate::series::median;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Time, Window};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use explain::{Reason, exception, is_dependency};
use rows::{Row, rows};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector {
    id: "shallow-health-check",
    thresholds: &[
        "failed_percent",
        "over_usual",
        "requests",
        "probes",
        "windows",
        "missed_probes",
        "peer_percent",
        "dependency_percent",
        "passed_on_percent",
        "path_percent",
        "static_ms",
        "slower",
    ],
    detect,
};

/// Lengths a window may have, in seconds: the shortest that holds enough is taken.
const WIDTHS: [i64; 10] = [10, 15, 30, 60, 120, 300, 900, 3600, 7200, 21_600];

/// Failures that follow within so many times the usual gap belong together.
const PACES: f64 = 10.0;

/// What an instance did in a window.
#[derive(Default, Clone, Copy)]
struct Slot {
    probes: u64,
    passed: u64,
    requests: u64,
    failed: u64,
}

/// An instance that was blind.
struct Blind {
    instance: Sym,
    window: Window,
    probes: u64,
    requests: u64,
    failed: u64,
    failures: Vec<(Evidence, Sym)>,
    passes: Vec<Evidence>,
    /// What users asked for.
    asked: BTreeSet<Sym>,
    /// How long users waited meanwhile, and otherwise.
    blind_nanos: Vec<u64>,
    calm_nanos: Vec<u64>,
    /// How long probes took meanwhile.
    probe_nanos: Vec<u64>,
    /// Whether gateways tell of the failures.
    edge: bool,
    input: Input,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let instances = rows(case);
    let mut by_service: BTreeMap<Sym, Vec<Blind>> = BTreeMap::new();
    let mut all: BTreeMap<Sym, Vec<(Sym, f64)>> = BTreeMap::new();
    for (&(service, instance), rows) in &instances {
        let business: u64 = rows.iter().filter(|row| !row.probe).map(|row| row.count).sum();
        let failed: u64 = rows.iter().filter(|row| !row.probe && row.failed && !row.inherited).map(|row| row.count).sum();
        if business > 0 {
            all.entry(service).or_default().push((instance, failed as f64 / business as f64));
        }
        if let Some(blind) = blind(rule, instance, rows) {
            by_service.entry(service).or_default().push(blind);
        }
    }
    for (service, blind) in by_service {
        let peers = all.get(&service).map_or(&[][..], Vec::as_slice);
        out.extend(finding(case, rule, service, &blind, peers));
    }
}

fn blind(rule: &Rule, instance: Sym, rows: &[Row]) -> Option<Blind> {
    let probes: Vec<&Row> = rows.iter().filter(|row| row.probe).collect();
    let gaps = probes.windows(2).map(|pair| pair[1].time.since(pair[0].time) as f64);
    let each = probes.iter().map(|row| row.count).sum::<u64>() as f64 / probes.len().max(1) as f64;
    let period = (median(gaps)? / each.max(1.0)) as i64;
    let width = width(rule, rows, period)?;
    let passed_on = passed_on(rule, rows);
    // What another service failed at is not for this one's check to see.
    let is_bad = |row: &Row| !row.probe && row.failed && !row.inherited && !passed_on.contains(&row.operation);
    let mut slots: BTreeMap<i64, Slot> = BTreeMap::new();
    for row in rows {
        let slot = slots.entry(row.time.0.div_euclid(width)).or_default();
        if row.probe {
            slot.probes += row.count;
            slot.passed += if row.well { row.count } else { 0 };
        } else {
            slot.requests += row.count;
            slot.failed += if is_bad(row) { row.count } else { 0 };
        }
    }
    let is_blind = |slot: &Slot, least: f64| {
        slot.probes as f64 >= rule.limit("probes")
            && slot.passed == slot.probes
            && slot.requests as f64 >= rule.limit("requests")
            && 100.0 * wilson(slot.failed, slot.requests) >= least
    };
    let plain = rule.limit("failed_percent");
    let calm = slots.values().filter(|slot| !is_blind(slot, plain) && slot.requests > 0);
    let usual = median(calm.map(|slot| 100.0 * slot.failed as f64 / slot.requests as f64)).unwrap_or(0.0);
    let least = plain.max(rule.limit("over_usual") * usual);
    // Probes that do see it, even late, are honest: then it is a matter of thresholds.
    let honest = slots.values().filter(|slot| slot.probes > 0 && slot.passed < slot.probes && slot.failed > 0).count();
    let blind: Vec<(i64, &Slot)> = slots.iter().filter(|(_, slot)| is_blind(slot, least)).map(|(at, slot)| (*at, slot)).collect();
    let run = longest_run(&blind);
    let (first, last) = (run.first()?, run.last()?);
    if honest * 2 > run.len() {
        return None;
    }
    let window = lasted(rows.iter().filter(|row| is_bad(row)).map(|row| row.time), (first.0 * width, (last.0 + 1) * width), width);
    // A short recording has no two windows; then the failures themselves must go on for as long.
    let missed = rule.limit("missed_probes") * period as f64;
    let length = (last.0 - first.0 + 1) * width;
    let enough = run.len() as f64 >= rule.limit("windows") && length as f64 >= missed || window.nanos() as f64 >= missed;
    if !enough {
        return None;
    }
    let (inside, outside): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| window.holds(row.time));
    let (probes, asked): (Vec<&Row>, Vec<&Row>) = inside.into_iter().partition(|row| row.probe);
    let passed = || probes.iter().filter(|row| row.well);
    let bad = || asked.iter().filter(|row| is_bad(row));
    Some(Blind {
        asked: asked.iter().map(|row| row.operation).collect(),
        blind_nanos: asked.iter().filter_map(|row| row.nanos).collect(),
        calm_nanos: outside.iter().filter(|row| !row.probe).filter_map(|row| row.nanos).collect(),
        probe_nanos: probes.iter().filter_map(|row| row.nanos).collect(),
        edge: rows.iter().any(|row| row.edge && row.failed),
        input: rows.iter().find(|row| !row.probe).map_or(Input::Requests, |row| row.input),
        instance,
        window,
        probes: passed().map(|row| row.count).sum(),
        requests: asked.iter().map(|row| row.count).sum(),
        failed: bad().map(|row| row.count).sum(),
        failures: bad().map(|row| (row.evidence, row.operation)).collect(),
        passes: passed().map(|row| row.evidence).collect(),
    })
}

/// From the first to the last failure of a run of windows. Borders of windows cut an incident anywhere: what fails at the
/// pace of the run just outside belongs to it, what fails now and then before its onset does not.
fn lasted(failures: impl Iterator<Item = Time>, (from, until): (i64, i64), width: i64) -> Window {
    let times: Vec<Time> = failures.collect();
    let (mut low, end) = (times.partition_point(|time| time.0 < from), times.partition_point(|time| time.0 < until));
    let Some(mut high) = end.checked_sub(1).filter(|high| low <= *high) else { return Window::default() };
    let gap = |at: usize| times.get(at).zip(times.get(at + 1)).map_or(i64::MAX, |(a, b)| b.since(*a));
    let pace = median((low..high).map(|at| gap(at) as f64)).unwrap_or(0.0);
    let close = ((PACES * pace) as i64).clamp(SECOND, width);
    let before = low;
    while low > 0 && gap(low - 1) <= close {
        low -= 1;
    }
    if low == before {
        low += (low..high).take_while(|at| gap(*at) > close && times[*at].0 < from + width).count();
    }
    while high + 1 < times.len() && gap(high) <= close {
        high += 1;
    }
    Window::of(times[low], times[high])
}

/// Operations whose failures come from a service behind: once a breaker is open, the request fails without a failed call.
fn passed_on(rule: &Rule, rows: &[Row]) -> BTreeSet<Sym> {
    let mut counts: BTreeMap<Sym, (u64, u64)> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.failed && !row.probe) {
        let (failed, inherited) = counts.entry(row.operation).or_default();
        *failed += row.count;
        *inherited += if row.inherited { row.count } else { 0 };
    }
    let is_passed_on = |(failed, inherited): &(u64, u64)| 100.0 * *inherited as f64 >= rule.limit("passed_on_percent") * *failed as f64;
    counts.into_iter().filter(|(_, counts)| is_passed_on(counts)).map(|(operation, _)| operation).collect()
}

/// The shortest width at which a window holds enough probes and requests on average; none if the rows are too few.
fn width(rule: &Rule, rows: &[Row], period: i64) -> Option<i64> {
    let (first, last) = (rows.first()?, rows.last()?);
    let span = last.time.since(first.time).max(1);
    let business = rows.iter().filter(|row| !row.probe).map(|row| row.count).sum::<u64>() as f64;
    // Of counters a window must hold two points, or it holds now all and now nothing.
    let counted: Vec<&Row> = rows.iter().filter(|row| row.count > 1 && row.probe).collect();
    let apart = median(counted.windows(2).map(|pair| pair[1].time.since(pair[0].time) as f64).filter(|gap| *gap > 0.0)).unwrap_or(0.0);
    WIDTHS.into_iter().map(|seconds| seconds * SECOND).find(|&width| {
        let windows = (span as f64 / width as f64).max(1.0);
        width as f64 >= 2.0 * apart
            && business / windows >= 1.5 * rule.limit("requests")
            && width as f64 >= (rule.limit("probes") + 0.5) * period as f64
    })
}

/// Blind windows that follow one another, with a gap of at most one; the most of them.
fn longest_run<'a>(blind: &[(i64, &'a Slot)]) -> Vec<(i64, &'a Slot)> {
    blind.chunk_by(|a, b| b.0 - a.0 <= 2).max_by_key(|run| run.len()).map_or_else(Vec::new, <[_]>::to_vec)
}

/// Lower end of the 95 % interval of a share, after Wilson.
fn wilson(hits: u64, all: u64) -> f64 {
    let (n, z) = (all.max(1) as f64, 1.96_f64);
    let share = hits as f64 / n;
    let middle = share + z * z / (2.0 * n);
    let spread = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    ((middle - spread) / (1.0 + z * z / n)).max(0.0)
}

fn finding(case: &Case, rule: &Rule, service: Sym, blind: &[Blind], peers: &[(Sym, f64)]) -> Option<Finding> {
    let names = &case.tables.names;
    let sum = |of: fn(&Blind) -> u64| blind.iter().map(of).sum::<u64>();
    let (probes, requests, failed) = (sum(|b| b.probes), sum(|b| b.requests), sum(|b| b.failed));
    let mut window = Window::default();
    blind.iter().for_each(|blind| window.join(blind.window));
    let share = 100.0 * failed as f64 / requests.max(1) as f64;
    let (exception, part) = exception(case, service, window);
    let dependency = part >= rule.limit("dependency_percent") && is_dependency(&exception);
    // One input that the code cannot stand is the code's fault, not the instance's health.
    let operations: BTreeSet<Sym> = blind.iter().flat_map(|blind| blind.failures.iter().map(|(_, operation)| *operation)).collect();
    let well: BTreeSet<Sym> = blind.iter().map(|blind| blind.instance).collect();
    let single = operations.len() == 1 && !dependency && share < rule.upper("failed_percent");
    if single {
        return None;
    }
    let others: Vec<f64> = peers.iter().filter(|(instance, _)| !well.contains(instance)).map(|(_, share)| *share).collect();
    let alone = !others.is_empty() && others.iter().all(|other| 100.0 * other <= rule.limit("peer_percent") / 100.0 * share);
    let subject = Subject {
        service: names.get(service).to_owned(),
        key: if blind.len() == 1 { names.get(blind[0].instance).to_owned() } else { String::new() },
        ..Subject::default()
    };
    let mut finding = Finding::new(&rule.id, subject, window);
    let reason: Option<Reason> = explain::hidden(case, service, window)
        .or_else(|| explain::configured(case, service, window, blind))
        .or_else(|| explain::observed(rule, blind));
    let kind = match &reason {
        _ if alone => "per-instance",
        Some(reason) if reason.kind == "component-down-masked" || !dependency => reason.kind,
        _ if dependency => "dependency-not-probed",
        _ => "",
    };
    kind.clone_into(&mut finding.kind);
    finding.severity = if share >= rule.upper("failed_percent") { Severity::Critical } else { Severity::High };
    finding.score = score(share, rule.limit("failed_percent"), rule.upper("failed_percent"));
    let input = blind.first().map_or(Input::Requests, |blind| blind.input);
    let edge = blind.iter().any(|blind| blind.edge);
    finding.confidence = Belief::new()
        .with("windows in which all probes pass and users fail", input, 0.65)
        .with_if(dependency, "one dependency behind most errors", Input::Logs, 0.3)
        .with_if(alone, "peers that are well", input, 0.3)
        .with_if(reason.is_some(), "why the check sees nothing", Input::Configs, reason.as_ref().map_or(0.0, |reason| reason.weight))
        .with_if(edge, "gateways whose requests failed", Input::Requests, 0.25)
        .with("requests that kept arriving", input, 0.15)
        .value();
    let instances: Vec<&str> = blind.iter().map(|blind| names.get(blind.instance)).filter(|name| !name.is_empty()).collect();
    finding
        .measure("probes", probes as f64, "probes")
        .measure("requests", requests as f64, "requests")
        .measure("failed", failed as f64, "requests")
        .measure_against("failed_percent", round(share), "percent", rule.limit("failed_percent"))
        .measure("blind_s", round(window.nanos() as f64 / SECOND as f64), "s")
        .measure("blind_instances", blind.len() as f64, "instances")
        .word("instances", if instances.is_empty() { names.get(service).to_owned() } else { instances.join(", ") })
        .word("exception", exception.clone())
        .word("dependency", if exception.is_empty() { String::new() } else { format!("{part:.0} % of the errors logged meanwhile are {exception}.") })
        .word("reason", reason.as_ref().map_or(String::new(), |reason| reason.text.clone()))
        .look_alike("Probes that fail too", "excluded: every probe in these windows passed")
        .look_alike("Failures of a service behind it", "excluded: requests in whose trace a call to another service failed do not count")
        .look_alike("Client errors", "excluded: only 5xx and failed spans count")
        .look_alike("Too short to be noticed", "excluded: it lasted longer than twice what an orchestrator waits for")
        .look_alike("Left out of the check on purpose", "not excluded: the check does not say why it leaves something out");
    finding.cite(reason.iter().flat_map(|reason| reason.evidence.iter().copied().take(2)));
    finding.cite(blind.iter().flat_map(|blind| blind.failures.iter().take(4).map(|(evidence, _)| *evidence)));
    finding.cite(blind.iter().flat_map(|blind| blind.passes.iter().take(2).copied()));
    finding.evidence_total = failed + probes;
    Some(finding)
}

#[cfg(test)]
mod tests;
