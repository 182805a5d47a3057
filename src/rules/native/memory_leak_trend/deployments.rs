//! Whether each start of a service keeps more than the one before, at the same age of the process.
//!
//! What this file does not do: judge the course inside of one life.

use crate::correlate::heap::{self, Life, Point};
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::tables::Tables;
use crate::model::time::{Time, Window};
use std::collections::BTreeMap;

/// Processes younger than this are still warming up, in seconds.
const AGE: f64 = 60.0;

/// Services whose floor at the same age rises from start to start.
pub(super) fn find(tables: &Tables, rule: &Rule, lives: &[Life<'_>]) -> Vec<Finding> {
    let mut services: BTreeMap<Sym, Vec<(Time, Vec<Point>)>> = BTreeMap::new();
    for life in lives.iter().filter(|life| life.window.start.is_some()) {
        let floors = life.floors(&tables.names);
        let Some(floor) = heap::decisive(&floors, rule.limit("covered")).and_then(|at| floors.into_iter().nth(at)) else { continue };
        services.entry(life.service).or_default().push((life.window.start, floor.points));
    }
    services.into_iter().filter_map(|(service, starts)| judge(tables, rule, service, starts)).collect()
}

fn judge(tables: &Tables, rule: &Rule, service: Sym, mut starts: Vec<(Time, Vec<Point>)>) -> Option<Finding> {
    starts.sort_by_key(|(start, _)| *start);
    let age = starts.iter().filter_map(|(_, points)| points.last()).map(|point| point.at).fold(f64::INFINITY, f64::min);
    if (starts.len() as f64) < rule.limit("deployments") || age < AGE {
        return None;
    }
    // The lowest floor of the second half up to the common age: the first half warms up.
    let level = |points: &[Point]| points.iter().filter(|p| p.at <= age && p.at >= age / 2.0).min_by_key(|p| p.bytes).copied();
    let levels: Vec<Point> = starts.iter().filter_map(|(_, points)| level(points)).collect();
    let (first, last) = (levels.first()?, levels.last()?);
    let grown = last.bytes as f64 - first.bytes as f64;
    let rises = levels.windows(2).all(|pair| pair[1].bytes > pair[0].bytes) && levels.len() == starts.len();
    if !rises || grown < rule.limit("growth_of_floor") * first.bytes as f64 || grown < rule.limit("class_bytes") {
        return None;
    }
    const MIB: f64 = 1_048_576.0;
    let subject = Subject { service: tables.names.get(service).to_owned(), ..Subject::default() };
    let mut window = Window::default();
    starts.iter().for_each(|(start, points)| {
        window.add(*start);
        points.last().into_iter().for_each(|point| window.add(point.time));
    });
    let mut finding = Finding::new(&rule.id, subject, window);
    "by-deployment".clone_into(&mut finding.kind);
    finding.severity = Severity::Medium;
    finding.confidence = Belief::new().with("a higher floor after each start", Input::GcLogs, 0.60).value();
    finding.score = score(grown / first.bytes.max(1) as f64, rule.limit("growth_of_floor"), 1.0);
    finding
        .measure_against("deployments", starts.len() as f64, "starts", rule.limit("deployments"))
        .measure("growth", grown, "bytes")
        .measure("first_floor", first.bytes as f64, "bytes")
        .measure("last_floor", last.bytes as f64, "bytes")
        .measure("age", age.round(), "s")
        .word("levels", levels.iter().map(|p| format!("{:.0}", p.bytes as f64 / MIB)).collect::<Vec<_>>().join(", "))
        .look_alike("Restarts with the same course", "excluded: every start is above the one before")
        .look_alike("More traffic from day to day", "not excluded: requests are not told beside the collections")
        .cite([last.evidence, first.evidence])
        .cite(levels.iter().map(|p| p.evidence));
    Some(finding)
}

#[cfg(test)]
mod tests {
    use crate::model::finding::{Finding, Severity};
    use crate::rules::fixture::{bundle, check, measured, rule};

    /// One life a day, whose full collections leave `floor` of the day.
    fn days(count: u32, floor: impl Fn(u32) -> u32) -> Vec<Finding> {
        let mut log = String::new();
        for day in 1..=count {
            log.push_str(&format!("[2026-01-{day:02}T10:00:00.010+0000][0.010s][info][gc] Using Parallel\n"));
            for n in 0..12 {
                let (minute, left) = (n * 4 + 1, floor(day) + n % 2);
                log.push_str(&format!("[2026-01-{day:02}T10:{minute:02}:00.000+0000][{}.000s][info][gc] GC({n}) Pause Full (Ergonomics) 1500M->{left}M(2048M) 12.000ms\n", minute * 60));
            }
        }
        check(&rule("memory-leak-trend"), &bundle(&[("orders/gc.log", &log)]), None)
    }

    #[test]
    fn the_same_course_every_day_is_no_growth() {
        assert!(days(5, |_| 400).is_empty());
        assert!(days(5, |day| 400 + day % 2 * 200).is_empty());
        assert!(days(3, |day| 400 + day * 100).is_empty(), "too few");
    }

    #[test]
    fn every_start_begins_higher() {
        let found = days(5, |day| 300 + day * 100);
        assert_eq!((found.len(), found[0].kind.as_str(), found[0].severity), (1, "by-deployment", Severity::Medium));
        assert_eq!((measured(&found[0], "deployments"), found[0].words["levels"].as_str()), (5.0, "400, 500, 600, 700, 800"));
    }
}
