//! `intermittent-5xx`: failures of a service's own that come and go among requests that succeed.
//!
//! What failed requests have in common and others lack is looked for among instance, version, operation and exception. What
//! this file does not do: operations that always fail, and failures that another service passes on.

use crate::bundle::hints::replica_set;
use crate::correlate::Case;
use crate::correlate::probe::Served;
use crate::model::contrast::Counts;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::sketch::Sketch;
use crate::model::source::Evidence;
use crate::model::time::{MINUTE, SECOND, Window};
use crate::rules::native::failures::{Errors, Service, restarts, services};
use crate::rules::native::intermittent_5xx::pauses::paused;
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

mod pauses;

pub(crate) const DETECTOR: Detector = Detector {
    id: "intermittent-5xx",
    thresholds: &[
        "errors",
        "least_percent",
        "most_percent",
        "high_percent",
        "medium_percent",
        "hard_percent",
        "episodes",
        "spread_percent",
        "start_s",
        "coverage_percent",
        "lift",
        "near_ms",
        "pause_ms",
        "after_pause_ms",
        "paused_percent",
        "paused_times",
    ],
    detect,
};

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let services = services(case);
    let errors = Errors::of(case);
    let around = restarts(case);
    let mut told: BTreeSet<Sym> = BTreeSet::new();
    for service in &services {
        told.insert(service.service);
        let broken = always_failing(rule, service);
        let failed: Vec<&Served> = service.failed().filter(|row| !broken.contains(&row.operation)).collect();
        let calm = failed.iter().filter(|row| !near(&around, row, rule)).count();
        if comes_and_goes(case, rule, service, &failed) && 2 * calm > failed.len() {
            out.push(finding(case, rule, service, &failed, &errors));
        }
    }
    from_metrics(case, rule, &told, out);
}

/// Operations that fail nearly always.
fn always_failing(rule: &Rule, service: &Service) -> BTreeSet<Sym> {
    let mut counts: BTreeMap<Sym, (u64, u64)> = BTreeMap::new();
    for row in &service.rows {
        let (all, failed) = counts.entry(row.operation).or_default();
        *all += 1;
        *failed += u64::from(row.failed);
    }
    let hard = |(all, failed): &(u64, u64)| *failed >= 3 && 100.0 * *failed as f64 >= rule.limit("hard_percent") * *all as f64;
    counts.into_iter().filter(|(_, counts)| hard(counts)).map(|(operation, _)| operation).collect()
}

/// Whether a failure lies so close to a start or stop that it belongs to a deployment.
fn near(around: &[crate::model::time::Time], row: &Served, rule: &Rule) -> bool {
    let slack = (rule.limit("start_s") * SECOND as f64) as i64 / 2;
    let from = around.partition_point(|time| *time < row.time.plus(-slack));
    around.get(from).is_some_and(|time| *time <= row.time.plus(slack))
}

/// Whether there are enough failures, but not too many, and whether they come again.
fn comes_and_goes(case: &Case, rule: &Rule, service: &Service, failed: &[&Served]) -> bool {
    let percent = 100.0 * failed.len() as f64 / service.rows.len().max(1) as f64;
    if (failed.len() as f64) < rule.limit("errors") || percent < rule.limit("least_percent") || percent > rule.limit("most_percent") {
        return false;
    }
    let bucket = |row: &Served| row.time.0.div_euclid(case.context.bucket.max(1));
    let busy: BTreeSet<i64> = service.rows.iter().map(bucket).collect();
    let bad: BTreeSet<i64> = failed.iter().map(|row| bucket(row)).collect();
    let numbers: Vec<i64> = bad.iter().copied().collect();
    let episodes = numbers.chunk_by(|a, b| b - a <= 2).count();
    episodes as f64 >= rule.limit("episodes") || 100.0 * bad.len() as f64 >= rule.limit("spread_percent") * busy.len() as f64
}

/// What many failed requests have in common.
struct Slice {
    value: Sym,
    counts: Counts,
}

/// The value of a dimension that covers most failures and is far more frequent among them than its share of requests.
fn slice(rule: &Rule, service: &Service, failed: &[&Served], of: impl Fn(&Served) -> Sym) -> Option<Slice> {
    let mut values: BTreeMap<Sym, (u64, u64)> = BTreeMap::new();
    for row in &service.rows {
        values.entry(of(row)).or_default().0 += 1;
    }
    failed.iter().for_each(|row| values.entry(of(row)).or_default().1 += 1);
    let (bad, known) = (failed.len() as u64, values.len());
    let good = (service.rows.len() as u64).saturating_sub(bad);
    values
        .into_iter()
        .filter(|(value, _)| known > 1 && !value.is_none())
        .map(|(value, (with, bad_with))| Slice { value, counts: Counts { bad_with, bad, good_with: with.saturating_sub(bad_with), good } })
        .filter(|Slice { counts, .. }| {
            100.0 * counts.coverage() >= rule.limit("coverage_percent")
                && counts.lift() >= rule.limit("lift")
                && counts.bad_with as f64 >= rule.limit("errors")
        })
        .max_by(|a, b| a.counts.bad_with.cmp(&b.counts.bad_with).then(b.value.cmp(&a.value)))
}

/// The version on several instances of which most failures happen, told by the ReplicaSet that their names begin with.
fn version(case: &Case, rule: &Rule, service: &Service, failed: &[&Served]) -> Option<(String, Slice)> {
    let names = &case.tables.names;
    // One instance of each version stands for all of it.
    let mut first: BTreeMap<&str, Sym> = BTreeMap::new();
    let instances: BTreeSet<Sym> = service.rows.iter().map(|row| row.instance).collect();
    let of: BTreeMap<Sym, Sym> =
        instances.iter().filter_map(|instance| Some((*instance, *first.entry(replica_set(names.get(*instance))?).or_insert(*instance)))).collect();
    let version = |row: &Served| of.get(&row.instance).copied().unwrap_or(Sym::NONE);
    let found = slice(rule, service, failed, version)?;
    let failing: BTreeSet<Sym> = failed.iter().filter(|row| version(row) == found.value).map(|row| row.instance).collect();
    (failing.len() > 1 && first.len() > 1).then(|| (replica_set(names.get(found.value)).unwrap_or_default().to_owned(), found))
}

fn finding(case: &Case, rule: &Rule, service: &Service, failed: &[&Served], errors: &Errors<'_>) -> Finding {
    let names = &case.tables.names;
    let near = (rule.limit("near_ms") * 1e6) as i64;
    let mut window = Window::default();
    failed.iter().for_each(|row| window.add(row.time));
    let percent = 100.0 * failed.len() as f64 / service.rows.len().max(1) as f64;
    let trace = |row: &Served| service.traces.get(&row.evidence).copied().unwrap_or(TraceId::NONE);
    let mut exceptions: BTreeMap<Sym, u64> = BTreeMap::new();
    let mut taken: BTreeSet<Evidence> = BTreeSet::new();
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    let codes: BTreeMap<_, u16> = (case.tables.requests.iter().map(|row| (row.evidence, row.status)))
        .chain(case.tables.spans.iter().filter(|span| span.failed()).map(|span| (span.evidence, span.http_status)))
        .collect();
    for row in failed {
        *exceptions.entry(errors.exception(row, trace(row), near, &mut taken)).or_default() += 1;
        *statuses.entry(codes.get(&row.evidence).copied().unwrap_or(0)).or_default() += 1;
    }
    let unexplained = exceptions.remove(&Sym::NONE).unwrap_or(0);
    let top = exceptions.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0))).map(|(exception, count)| (*exception, *count));
    let operation = slice(rule, service, failed, |row| row.operation);
    let instance = slice(rule, service, failed, |row| row.instance);
    let version = if instance.is_some() { None } else { version(case, rule, service, failed) };
    let paused = paused(case, rule, service, failed);
    let subject = Subject {
        service: names.get(service.service).to_owned(),
        operation: operation.as_ref().map_or_else(String::new, |slice| names.get(slice.value).to_owned()),
        ..Subject::default()
    };
    let mut finding = Finding::new(&rule.id, subject, window);
    if instance.is_some() {
        "instance".clone_into(&mut finding.kind);
    } else if version.is_some() {
        "version".clone_into(&mut finding.kind);
    }
    finding.severity = match percent {
        share if share >= rule.limit("high_percent") => Severity::High,
        share if share >= rule.limit("medium_percent") => Severity::Medium,
        _ => Severity::Low,
    };
    finding.score = score(failed.len() as f64, rule.limit("errors"), rule.upper("errors"));
    let one = top.is_some_and(|(_, count)| 10 * count >= 7 * failed.len() as u64);
    let input = if case.tables.requests.is_empty() { Input::Spans } else { Input::Requests };
    finding.confidence = Belief::new()
        .with("failures that come and go", input, 0.6)
        .with_if(one, "one exception behind most of them", Input::Logs, 0.6)
        .with_if(operation.is_some() || instance.is_some() || version.is_some(), "what they have in common", input, 0.6)
        .with_if(paused.is_some(), "pauses of the collector in which they happen", Input::GcLogs, 0.5)
        .value();
    let mut codes: Vec<(u16, u64)> = statuses.into_iter().filter(|(status, _)| *status > 0).collect();
    codes.sort_by_key(|(status, count)| (std::cmp::Reverse(*count), *status));
    finding
        .measure_against("failed", failed.len() as f64, "requests", rule.limit("errors"))
        .measure("requests", service.rows.len() as f64, "requests")
        .measure_against("percent", (percent * 1000.0).round() / 1000.0, "percent", rule.limit("medium_percent"))
        .measure("minutes", round(window.nanos() as f64 / MINUTE as f64), "minutes")
        .measure("explained", failed.len() as f64 - unexplained as f64, "requests")
        .measure("exceptions", exceptions.len() as f64, "kinds")
        .measure("top_exception", top.map_or(0.0, |(_, count)| count as f64), "requests")
        .measure("duration", round(window.nanos() as f64 / 1e9), "s");
    let mut lengths = Sketch::default();
    failed.iter().filter_map(|row| row.nanos).for_each(|nanos| lengths.add(nanos));
    if lengths.count() > 0 {
        finding.measure("failed_p50", round(lengths.p50() as f64 / 1e6), "ms");
    }
    let during = service.rows.iter().filter(|row| window.holds(row.time)).count();
    finding.measure("requests_meanwhile", during as f64, "requests").measure(
        "percent_meanwhile",
        round(100.0 * failed.len() as f64 / during.max(1) as f64),
        "percent",
    );
    if let Some(paused) = &paused {
        finding
            .measure_against("in_pauses", paused.failures as f64, "requests", rule.limit("errors"))
            .measure_against("in_pauses_percent", round(paused.percent), "percent of the failures", rule.limit("paused_percent"))
            .measure("in_pauses_expected_percent", round(paused.expected_percent), "percent of the time")
            .measure("pauses", paused.pauses as f64, "pauses");
    }
    let listed: Vec<String> = codes.iter().take(3).map(|(status, _)| status.to_string()).collect();
    finding
        .word("statuses", if listed.is_empty() { "an error".to_owned() } else { listed.join(", ") })
        .word("instance", instance.as_ref().map_or_else(String::new, |slice| names.get(slice.value).to_owned()))
        .word(
            "operation",
            operation
                .as_ref()
                .map_or_else(String::new, |slice| format!("{:.0} % of them are {}.", 100.0 * slice.counts.coverage(), names.get(slice.value))),
        )
        .word(
            "exception",
            match top {
                Some((exception, count)) => format!("{count} of them come with {}.", names.get(exception)),
                None => "No exception is recorded beside them.".to_owned(),
            },
        )
        .word(
            "slice",
            match (&instance, &version) {
                (Some(Slice { value, counts }), _) => {
                    format!("{:.0} % happen on {}, {:.0} times as often as elsewhere.", 100.0 * counts.coverage(), names.get(*value), counts.lift())
                }
                (None, Some((name, Slice { counts, .. }))) => {
                    format!(
                        "{:.0} % happen on instances of {name}, {:.0} times as often as on those of other versions.",
                        100.0 * counts.coverage(),
                        counts.lift()
                    )
                }
                (None, None) => "They are spread over the instances.".to_owned(),
            },
        )
        .word(
            "pauses",
            paused.as_ref().map_or_else(String::new, |paused| {
                format!(
                    "{} of them ({:.0} %) fall into {} pauses of the garbage collector, which take {} % of the time.",
                    paused.failures,
                    paused.percent,
                    paused.pauses,
                    round(paused.expected_percent)
                )
            }),
        )
        .word("version", version.map_or_else(String::new, |(name, _)| name));
    finding
        .look_alike("An operation that always fails", "excluded: the same operations mostly succeed")
        .look_alike("A deployment", "excluded: most of them are far from any start or stop that is recorded")
        .look_alike("Failures passed on from another service", "excluded: requests in whose trace a call to another service failed do not count")
        .look_alike("Clients that go away", "excluded: only 5xx and failed spans count");
    let cited = failed.iter().take(4).flat_map(|row| [Some(row.evidence), errors.explain(row, trace(row), near).map(|log| log.evidence)]).flatten();
    finding.traces = failed.iter().map(|row| trace(row)).filter(|trace| !trace.is_none()).take(8).collect();
    finding.cite(cited);
    finding.cite(paused.iter().flat_map(|paused| paused.evidence.iter().copied()).take(3));
    finding.evidence_total = failed.len() as u64;
    finding
}

/// What counters of requests say of a service.
#[derive(Default)]
struct Counted {
    all: f64,
    failed: f64,
    /// How often the failures had grown from one scrape to the next.
    times: usize,
    window: Window,
    evidence: Vec<Evidence>,
}

/// The same from counters of requests by status, for services that no record or span tells of.
fn from_metrics(case: &Case, rule: &Rule, told: &BTreeSet<Sym>, out: &mut Vec<Finding>) {
    let names = &case.tables.names;
    let mut by_service: BTreeMap<Sym, Counted> = BTreeMap::new();
    let wanted = ["http.server.requests.count", "http.server.request.duration.count", "http.requests"];
    for series in wanted.iter().flat_map(|name| case.series(name)).filter(|series| !told.contains(&series.service)) {
        let status = ["status", "http.response.status_code", "http_response_status_code", "code", "status_code"]
            .iter()
            .find_map(|key| series.label(key))
            .unwrap_or("");
        let uri = ["uri", "http.route", "http_route", "path", "handler"].iter().find_map(|key| series.label(key)).unwrap_or("");
        if crate::correlate::probe::is_probe(&format!("GET {uri}")) {
            continue;
        }
        let entry = by_service.entry(series.service).or_default();
        for (gain, point) in series.gains().zip(series.points.iter().skip(1)) {
            entry.all += gain.1;
            if status.starts_with('5') && gain.1 > 0.0 {
                entry.failed += gain.1;
                entry.times += 1;
                entry.window.add(gain.0);
                entry.evidence.push(point.evidence);
            }
        }
    }
    for (service, Counted { all, failed, times, window, evidence }) in by_service {
        let percent = 100.0 * failed / all.max(1.0);
        let enough = failed >= rule.limit("errors") && percent >= rule.limit("least_percent") && percent <= rule.limit("most_percent");
        if !enough || (times as f64) < rule.limit("episodes") {
            continue;
        }
        let subject = Subject { service: names.get(service).to_owned(), ..Subject::default() };
        let mut finding = Finding::new(&rule.id, subject, window);
        finding.severity = match percent {
            share if share >= rule.limit("high_percent") => Severity::High,
            share if share >= rule.limit("medium_percent") => Severity::Medium,
            _ => Severity::Low,
        };
        finding.score = score(failed, rule.limit("errors"), rule.upper("errors"));
        finding.confidence = Belief::new().with("a counter of failures that grows again and again", Input::Metrics, 0.6).value();
        finding
            .measure_against("failed", failed, "requests", rule.limit("errors"))
            .measure("requests", all, "requests")
            .measure("percent", (percent * 1000.0).round() / 1000.0, "percent")
            .measure("minutes", round(window.nanos() as f64 / MINUTE as f64), "minutes")
            .word("statuses", "5xx")
            .word("instance", "")
            .word("operation", "")
            .word("exception", "Metrics alone do not tell which exception it was.")
            .word("slice", "")
            .word("pauses", "")
            .look_alike("An operation that always fails", "not excluded: only counters are there")
            .cite(evidence);
        out.push(finding);
    }
}

#[cfg(test)]
mod tests;
