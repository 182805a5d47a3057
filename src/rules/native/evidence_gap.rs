//! `evidence-gap`: holes in the records of a service while others go on, and records that end in the middle of an incident.
//!
//! Minutes are counted, whether records are kept or not. What this file does not do: call a silent process broken; that a
//! file is missing is as likely.

use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::tables::{LogCount, Tables};
use crate::model::time::{MINUTE, Time, Window};
use crate::rules::{Detector, Scope};
use std::collections::BTreeMap;

pub(crate) const DETECTOR: Detector =
    Detector { id: "evidence-gap", thresholds: &["per_minute", "silent_minutes", "spoken_percent", "late_errors", "late_share"], detect };

/// Records of one service by minute.
type Minutes = BTreeMap<i64, LogCount>;

/// Minutes without a time, or of a clock that was never set, are none: those outside of a year around the rest.
const YEAR: i64 = 366 * 24 * 60;

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let tables = &scope.case.tables;
    let window = scope.case.context.window;
    if window.start.is_none() {
        return;
    }
    let mut services: BTreeMap<Sym, Minutes> = BTreeMap::new();
    for ((service, minute), count) in &tables.log_counts {
        if (minute - window.start.minute()).abs() < YEAR && count.records > 0 {
            services.entry(*service).or_default().insert(*minute, *count);
        }
    }
    let last = services.values().filter_map(|minutes| minutes.last_key_value()).map(|(minute, _)| *minute).max();
    let cited = cited(tables);
    for (service, minutes) in &services {
        let Some(evidence) = cited.get(service) else { continue };
        let others = |from: i64, to: i64| services.iter().filter(|(other, _)| *other != service).any(|(_, minutes)| covers(minutes, from, to));
        let name = tables.names.get(*service);
        if let Some((from, to)) = hole(rule, minutes).filter(|(from, to)| others(*from, *to)) {
            out.push(silence(rule, name, minutes, (from, to), "", *evidence));
        }
        let Some((end, last)) = minutes.last_key_value().map(|(minute, _)| *minute).zip(last) else { continue };
        if (last - end) as f64 >= rule.limit("silent_minutes") && speaks(rule, minutes) && others(end + 1, last) {
            out.push(silence(rule, name, minutes, (end + 1, last), "ends-early", *evidence));
        }
        out.extend(mid_incident(rule, name, minutes, window, *evidence));
    }
}

/// A record of each service that can be cited: the first of its last template.
fn cited(tables: &Tables) -> BTreeMap<Sym, Evidence> {
    let mut latest: BTreeMap<Sym, (Time, Evidence)> = BTreeMap::new();
    for ((_, service), stats) in &tables.templates {
        let known = latest.entry(*service).or_insert((stats.window.end, stats.first));
        *known = (*known).max((stats.window.end, stats.first));
    }
    latest.into_iter().map(|(service, (_, evidence))| (service, evidence)).collect()
}

/// Whether somebody has records in most minutes of a stretch.
fn covers(minutes: &Minutes, from: i64, to: i64) -> bool {
    2 * minutes.range(from..=to).count() as i64 > to - from
}

/// Whether a service says something nearly every minute.
fn speaks(rule: &Rule, minutes: &Minutes) -> bool {
    let (Some((first, _)), Some((last, _))) = (minutes.first_key_value(), minutes.last_key_value()) else { return false };
    let whole = (last - first + 1) as f64;
    minutes.len() > 3 && 100.0 * minutes.len() as f64 >= rule.limit("spoken_percent") * whole && usual(minutes) >= rule.limit("per_minute")
}

fn usual(minutes: &Minutes) -> f64 {
    crate::model::trend::median(&mut minutes.values().map(|count| count.records as f64).collect::<Vec<_>>()).unwrap_or(0.0)
}

/// The longest hole of a service that otherwise speaks: its first and last silent minute.
fn hole(rule: &Rule, minutes: &Minutes) -> Option<(i64, i64)> {
    let spoken: Vec<i64> = minutes.keys().copied().collect();
    let gaps = spoken.windows(2).map(|pair| (pair[0] + 1, pair[1] - 1));
    let (from, to) = gaps.max_by_key(|(from, to)| (to - from, -from))?;
    let before: Minutes = minutes.range(..from).map(|(minute, count)| (*minute, *count)).collect();
    let after: Minutes = minutes.range(to..).map(|(minute, count)| (*minute, *count)).collect();
    ((to - from + 1) as f64 >= rule.limit("silent_minutes") && speaks(rule, &before) && speaks(rule, &after)).then_some((from, to))
}

fn silence(rule: &Rule, service: &str, minutes: &Minutes, (from, to): (i64, i64), kind: &str, evidence: Evidence) -> Finding {
    let window = Window::of(Time(from * MINUTE), Time((to + 1) * MINUTE));
    let mut finding = begun(rule, service, kind, window, evidence);
    let silent = (to - from + 1) as f64;
    finding.severity = Severity::Low;
    finding.score = score(silent, rule.limit("silent_minutes"), rule.upper("silent_minutes"));
    finding.confidence = Belief::new().with("minutes without a record while others go on", Input::Logs, 0.7).value();
    finding
        .measure_against("silent_minutes", silent, "minutes", rule.limit("silent_minutes"))
        .measure("per_minute", usual(minutes), "records a minute")
        .word("from", window.start.rfc3339())
        .look_alike("A process that was down", "not excluded: its start would be told in its next records");
    finding
}

fn begun(rule: &Rule, service: &str, kind: &str, window: Window, evidence: Evidence) -> Finding {
    let mut finding = Finding::new(&rule.id, Subject { service: service.to_owned(), ..Subject::default() }, window);
    kind.clone_into(&mut finding.kind);
    finding.look_alike("A service that nobody used", "excluded: it had records every minute, and others go on");
    finding.cite([evidence]);
    finding
}

/// Records that end while errors are as frequent as at their height.
fn mid_incident(rule: &Rule, service: &str, minutes: &Minutes, window: Window, evidence: Evidence) -> Option<Finding> {
    // The last minute is rarely whole.
    let mut latest = minutes.iter().rev().skip(1);
    let (minute, count) = latest.next()?;
    let height = minutes.values().map(|count| count.errors).max()?;
    let calm = minutes.values().filter(|count| count.errors as f64 <= 0.2 * height as f64).count();
    let at_end = *minute >= window.end.minute() - 2;
    let late = count.errors as f64;
    // Errors from the first minute to the last are how the service is; an incident has a beginning.
    if !at_end || late < rule.limit("late_errors") || late < rule.limit("late_share") * height as f64 || 3 * calm < minutes.len() || minutes.len() < 3
    {
        return None;
    }
    let mut finding = begun(rule, service, "mid-incident", Window::of(Time(minute * MINUTE), window.end), evidence);
    finding.severity = Severity::Info;
    finding.score = score(late, rule.limit("late_errors"), 10.0 * rule.limit("late_errors"));
    finding.confidence = Belief::new().with("errors up to the end", Input::Logs, 0.6).value();
    finding.measure_against("late_errors", late, "errors a minute", rule.limit("late_errors")).measure("highest", height as f64, "errors a minute");
    Some(finding)
}

#[cfg(test)]
mod tests {
    use crate::model::finding::{Finding, Severity};
    use crate::rules::fixture::{bundle, check, measured, rule};

    /// Lines of a service at every six seconds of the minutes that `speaks` picks; `fails` picks those of errors.
    fn lines(minutes: u32, speaks: impl Fn(u32) -> bool, fails: impl Fn(u32) -> bool) -> String {
        let mut text = String::new();
        for minute in (0..minutes).filter(|minute| speaks(*minute)) {
            for second in (0..60).step_by(5) {
                let level = if fails(minute) { "ERROR" } else { " INFO" };
                text.push_str(&format!("2026-01-01T10:{minute:02}:{second:02}.000Z {level} 1 --- [main] c.a.Api : request {second} done\n"));
            }
        }
        text
    }

    fn found(orders: &str, web: &str) -> Vec<Finding> {
        check(&rule("evidence-gap"), &bundle(&[("orders/app.log", orders), ("web/app.log", web)]), None)
    }

    #[test]
    fn whole_sparse_and_lonely_records_have_no_hole() {
        let whole = lines(30, |_| true, |_| false);
        assert!(found(&whole, &whole).is_empty());
        assert!(found(&lines(30, |n| n % 5 == 0, |_| false), &whole).is_empty(), "often silent");
        let hole = lines(30, |n| !(10..20).contains(&n), |_| false);
        assert!(found(&hole, &hole).is_empty(), "all were silent");
        assert!(found(&lines(30, |_| true, |n| (10..15).contains(&n)), &whole).is_empty(), "the incident is over");
    }

    #[test]
    fn a_hole_and_an_early_end() {
        let whole = lines(30, |_| true, |_| false);
        let hole = found(&lines(30, |n| !(10..20).contains(&n), |_| false), &whole);
        assert_eq!((hole.len(), hole[0].severity, measured(&hole[0], "silent_minutes")), (1, Severity::Low, 10.0));
        let early = found(&lines(20, |_| true, |_| false), &whole);
        assert_eq!((early.len(), early[0].kind.as_str(), measured(&early[0], "silent_minutes")), (1, "ends-early", 10.0));
    }

    #[test]
    fn the_end_of_the_incident_is_missing() {
        let whole = lines(30, |_| true, |_| false);
        let found = found(&lines(30, |_| true, |n| n >= 24), &whole);
        assert_eq!((found.len(), found[0].kind.as_str(), found[0].severity), (1, "mid-incident", Severity::Info));
    }
}
