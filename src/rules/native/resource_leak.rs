//! `resource-leak`: files, sockets and buffers that are opened and not given back.
//!
//! The system says it when none is left, libraries say what they lost, and metrics show how it came. What this file does not
//! do: connections of database pools, which have a rule of their own.

use crate::correlate::Case;
use crate::correlate::life;
use crate::correlate::meter::Series;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rise::{self, Rise};
use crate::model::rule::Rule;
use crate::model::tables::{Metric, Signal};
use crate::model::time::Window;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector {
    id: "resource-leak",
    thresholds: &[
        "told",
        "growth",
        "buffer_growth",
        "growth_share",
        "trend_z",
        "trend_tau",
        "plateau_slope",
        "near_limit",
        "exhaustion_high",
        "exhaustion_medium",
    ],
    detect,
};

/// Metrics of what is open, of the most there may be, and what it is.
const OPEN: &[(&str, &str, &str)] = &[
    ("process.files.open", "process.files.max", "files"),
    ("process.files.open.files", "process.files.max.files", "files"),
    ("process.open.fds", "process.max.fds", "files"),
    ("process.open.file.descriptors", "process.max.file.descriptors", "files"),
    ("process.open.file.descriptor.count", "", "files"),
    ("jvm.file.descriptor.count", "jvm.file.descriptor.limit", "files"),
    ("nodejs.active.handles", "", "handles"),
    ("nodejs.active.handles.total", "", "handles"),
];
/// Bytes of buffers outside of the heap.
const BUFFERS: &[&str] = &["jvm.buffer.memory.used", "jvm.buffer.memory.usage"];

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let mut told = told(case);
    let mut seen: BTreeSet<(Sym, Sym, &str)> = BTreeSet::new();
    for (metric, most, resource) in OPEN {
        for series in case.series(metric) {
            let limit = limit(case, &series, most);
            if let Some((life, rise)) = rising(case, rule, &series, rule.limit("growth"))
                && seen.insert((series.service, series.instance, resource))
            {
                out.push(from_metric(case, rule, &series, life, &rise, (resource, limit), told.remove(&series.service).as_deref()));
            }
        }
    }
    for series in BUFFERS.iter().flat_map(|metric| case.series(metric)) {
        let pool = series.label("id").or_else(|| series.label("jvm.buffer.pool.name")).or_else(|| series.label("pool")).unwrap_or("");
        if pool.contains("mapped") {
            continue;
        }
        if let Some((life, rise)) = rising(case, rule, &series, rule.limit("buffer_growth")) {
            out.push(from_metric(case, rule, &series, life, &rise, ("bytes of direct buffers", None), None));
        }
    }
    out.extend(told.iter().map(|(service, rows)| from_records(case, rule, *service, rows)));
}

fn told(case: &Case) -> BTreeMap<Sym, Vec<&Signal>> {
    let names = &case.tables.names;
    let wanted: Vec<Sym> = ["resource.exhausted", "resource.lost"].iter().filter_map(|name| names.find(name)).collect();
    let mut told: BTreeMap<Sym, Vec<&Signal>> = BTreeMap::new();
    for row in case.tables.signals.iter().filter(|row| wanted.contains(&row.signal)) {
        told.entry(row.service).or_default().push(row);
    }
    told
}

fn limit(case: &Case, series: &Series<'_>, most: &str) -> Option<f64> {
    let own = |other: &Series<'_>| (other.service, other.instance) == (series.service, series.instance);
    let value = if most.is_empty() { None } else { case.series(most).find(own)?.highest() };
    value.map(|point| point.value).filter(|value| *value > 0.0)
}

/// The last life of a process in which a level rose.
fn rising<'a>(case: &Case, rule: &Rule, series: &Series<'a>, growth: f64) -> Option<(&'a [Metric], Rise)> {
    let limits = rise::Limits {
        growth,
        share: rule.limit("growth_share"),
        z: rule.limit("trend_z"),
        tau: rule.limit("trend_tau"),
        plateau: rule.limit("plateau_slope"),
    };
    life::lives(case, series).into_iter().rev().find_map(|life| Some((life, rise::steady(&life::points(life), &limits)?)))
}

fn from_metric(
    case: &Case,
    rule: &Rule,
    series: &Series<'_>,
    life: &[Metric],
    rise: &Rise,
    (resource, limit): (&str, Option<f64>),
    told: Option<&[&Signal]>,
) -> Finding {
    let names = &case.tables.names;
    let mut window = Window::default();
    life.iter().for_each(|point| window.add(point.time));
    told.into_iter().flatten().for_each(|row| window.add(row.time));
    let subject = Subject {
        service: names.get(series.service).to_owned(),
        operation: resource.to_owned(),
        key: names.get(series.instance).to_owned(),
        ..Subject::default()
    };
    let mut finding = Finding::new(&rule.id, subject, window);
    let left = limit.map(|limit| (limit - rise.last).max(0.0) / rise.slope / 3600.0);
    let near = limit.is_some_and(|limit| rise.last >= rule.limit("near_limit") * limit);
    finding.severity = match (told.is_some(), left) {
        (true, _) => Severity::High,
        (false, Some(hours)) if near || hours <= rule.limit("exhaustion_high") => Severity::High,
        (false, Some(hours)) if hours > rule.limit("exhaustion_medium") => Severity::Low,
        _ => Severity::Medium,
    };
    finding.score = score(rise.growth / rise.first.max(1.0), rule.limit("growth_share"), 4.0 * rule.limit("growth_share"));
    finding.confidence = Belief::new()
        .with("a level that only rises", Input::Metrics, 0.65)
        .with_if(told.is_some(), "the system says so", Input::Logs, 0.85)
        .with_if(near, "the limit is near", Input::Metrics, 0.3)
        .value();
    finding
        .measure("first", rise.first.round(), resource)
        .measure("last", rise.last.round(), resource)
        .measure("growth", rise.growth.round(), resource)
        .measure("per_hour", (rise.slope * 3600.0).round(), resource)
        .measure("hours", (window.nanos() as f64 / 3.6e10).round() / 100.0, "h")
        .measure_against("trend_tau", rise.tau, "tau", rule.limit("trend_tau"));
    if let Some(limit) = limit {
        finding.measure("limit", limit, resource).measure("hours_left", left.unwrap_or(0.0).round(), "h");
    }
    finding
        .word("resource", resource)
        .word("limit_text", limit.map_or_else(String::new, |limit| format!(", of at most {limit:.0}")))
        .word("time_left", left.map_or_else(|| "nothing says when none is left".to_owned(), |hours| format!("none is left in {hours:.1} h")))
        .look_alike("A pool that fills up to its size", "excluded: the second half rises as the whole does")
        .look_alike("A burst of load", "excluded: the lowest points rise as well");
    finding.cite(told.into_iter().flatten().take(3).map(|row| row.evidence));
    finding.cite(life.last().into_iter().chain(life.first()).map(|point| point.evidence));
    finding
}

fn from_records(case: &Case, rule: &Rule, service: Sym, rows: &[&Signal]) -> Finding {
    let names = &case.tables.names;
    let mut window = Window::default();
    rows.iter().for_each(|row| window.add(row.time));
    let exhausted = rows.iter().filter(|row| names.get(row.signal) == "resource.exhausted").count();
    let example = rows.first().map_or("", |row| names.get(row.name));
    let resource = if exhausted > 0 { "files" } else { example };
    let subject = Subject { service: names.get(service).to_owned(), operation: resource.to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    "told".clone_into(&mut finding.kind);
    finding.severity = if exhausted > 0 { Severity::High } else { Severity::Medium };
    finding.score = score(rows.len() as f64, rule.limit("told"), rule.upper("told"));
    finding.confidence = Belief::new().with("the system or the library says so", Input::Logs, if exhausted > 0 { 0.9 } else { 0.85 }).value();
    finding.measure_against("told", rows.len() as f64, "records", rule.limit("told"));
    finding.word("resource", resource).word("example", example);
    finding.look_alike("A limit that is too small for honest work", "not excluded: no metric of open files tells whether it grew");
    finding.missing.push("a metric of open files with its limit".to_owned());
    finding.cite(rows.iter().map(|row| row.evidence));
    finding
}

#[cfg(test)]
mod tests {
    use crate::model::finding::{Finding, Severity};
    use crate::rules::fixture::{bundle, check, measured, rule};

    fn files(open: impl Fn(i64) -> i64, limit: i64, more: &str) -> Vec<Finding> {
        let mut text = String::from("# TYPE process_files_open_files gauge\n# TYPE process_files_max_files gauge\n");
        for n in 0..60 {
            let at = 1_767_261_600_000 + 60_000 * n;
            text.push_str(&format!(
                "process_files_open_files {} {at}\nprocess_files_max_files {limit} {at}\n{}",
                open(n),
                more.replace("AT", &at.to_string())
            ));
        }
        check(&rule("resource-leak"), &bundle(&[("orders/metrics.prom", &text)]), None)
    }

    #[test]
    fn pools_bursts_and_restarts_are_no_leak() {
        assert!(files(|n| 120 + (n * 20).min(300), 1024, "").is_empty(), "a pool that fills");
        assert!(files(|n| 120 + (n % 7) * 40, 1024, "").is_empty(), "bursts");
        assert!(files(|n| 400 + n / 10, 1_048_576, "").is_empty(), "breathing");
    }

    #[test]
    fn files_that_stay_open() {
        let found = files(|n| 120 + n * 12, 1024, "");
        assert_eq!((found.len(), found[0].severity, found[0].subject.service.as_str()), (1, Severity::High, "orders"));
        assert_eq!((measured(&found[0], "limit"), measured(&found[0], "per_hour")), (1024.0, 720.0));
        assert_eq!(files(|n| 120 + n * 2, 100_000_000, "")[0].severity, Severity::Low, "far from the limit");
    }

    #[test]
    fn what_the_system_says() {
        let line = |said: &str| {
            let text = format!("2026-01-01T10:00:00.000Z ERROR 1 --- [orders] [nio-8080-exec-1] c.a.Api : {said}\n");
            check(&rule("resource-leak"), &bundle(&[("orders/app.log", &text)]), None)
        };
        assert!(line("the limit of files is 1024, raise it before too many open filesystems are mounted").is_empty());
        for said in [
            "Accept failed: java.io.IOException: Too many open files",
            "open /etc/hosts (Too many open files)",
            "OSError: [Errno 24] Too many open files: 'a'",
        ] {
            let found = line(said);
            assert_eq!((found.len(), found[0].severity), (1, Severity::High), "{said}");
        }
        assert_eq!(line("LEAK: ByteBuf.release() was not called before it's garbage-collected.")[0].severity, Severity::Medium);
    }
}
