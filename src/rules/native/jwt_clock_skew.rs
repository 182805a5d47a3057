//! `jwt-clock-skew`: good tokens that a validator refuses because its clock is not the issuer's.
//!
//! A token that is not valid yet, a few seconds after it was issued, has no other explanation. One that has just expired has:
//! clients use tokens until they are refused. So expiry counts only where clocks are known to be that far apart. Tokens are
//! never quoted, only their times. What this file does not do: tokens that expired hours ago.

use crate::correlate::Case;
use crate::formats::config::amount::amount;
use crate::formats::config::meaning::{Topic, meaning};
use crate::formats::timestamp;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::tables::Signal;
use crate::model::time::Window;
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::BTreeMap;

pub(crate) const DETECTOR: Detector = Detector { id: "jwt-clock-skew", thresholds: &["refused", "near_s", "near_percent"], detect };

/// Tokens that one service refused for their time.
#[derive(Default)]
struct Refused<'a> {
    early: Vec<(&'a Signal, Option<f64>)>,
    late: Vec<(&'a Signal, Option<f64>)>,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let names = &case.tables.names;
    let (early, late) = (names.find("auth.token-not-yet-valid"), names.find("auth.token-expired"));
    let mut by_service: BTreeMap<Sym, Refused<'_>> = BTreeMap::new();
    for row in &case.tables.signals {
        if Some(row.signal) == early {
            by_service.entry(row.service).or_default().early.push((row, away(case, row, -1.0)));
        } else if Some(row.signal) == late {
            by_service.entry(row.service).or_default().late.push((row, away(case, row, 1.0)));
        }
    }
    for (service, refused) in by_service {
        let offset = offset(case, service);
        let early = near(rule, &refused.early, true);
        let late = near(rule, &refused.late, false).filter(|(_, median)| offset.is_some_and(|offset| offset.abs() >= *median));
        let (rows, median, kind) = match (early, late) {
            (Some((rows, median)), _) => (rows, median, "early"),
            (None, Some((rows, median))) => (rows, median, "late"),
            (None, None) => continue,
        };
        out.push(finding(scope, rule, service, &rows, median, offset, kind));
    }
}

/// Seconds between the time that the token names and the record's, the way that makes it invalid counted as positive.
fn away(case: &Case, row: &Signal, sign: f64) -> Option<f64> {
    if row.value.is_finite() {
        return Some(row.value / 1000.0);
    }
    let (named, _) = timestamp::iso(case.tables.names.get(row.key).as_bytes(), 0)?;
    row.time.is_some().then(|| sign * row.time.since(named) as f64 / 1e9)
}

/// Those that are only just invalid, and the median distance in seconds, if most are. A distance that is not told counts for
/// tokens that are not valid yet: they are seldom issued for a far future.
fn near<'a>(rule: &Rule, rows: &[(&'a Signal, Option<f64>)], untold: bool) -> Option<(Vec<&'a Signal>, f64)> {
    let mut distances: Vec<f64> = Vec::new();
    let mut kept = Vec::new();
    for (row, distance) in rows {
        // A record is written a moment after its token was looked at.
        let is_near = distance.map_or(untold, |distance| (-1.0..=rule.limit("near_s")).contains(&distance));
        if is_near {
            kept.push(*row);
            distances.extend(distance.map(|distance| distance.max(0.0)));
        }
    }
    distances.sort_by(f64::total_cmp);
    let median = distances.get(distances.len() / 2).copied().unwrap_or(0.0);
    let enough = kept.len() as f64 >= rule.limit("refused") && 100.0 * kept.len() as f64 >= rule.limit("near_percent") * rows.len() as f64;
    enough.then_some((kept, median))
}

/// Seconds that the service's clock is away from that of another it talks to, the largest.
fn offset(case: &Case, service: Sym) -> Option<f64> {
    let involved = case.context.clocks.offsets().filter_map(|(caller, callee, nanos)| match (caller.0 == service, callee.0 == service) {
        (false, true) => Some(nanos),
        (true, false) => Some(-nanos),
        _ => None,
    });
    involved.max_by_key(|nanos| nanos.abs()).map(|nanos| nanos as f64 / 1e9)
}

fn finding(scope: &Scope<'_>, rule: &Rule, service: Sym, rows: &[&Signal], median: f64, offset: Option<f64>, kind: &str) -> Finding {
    let case = scope.case;
    let mut window = Window::default();
    rows.iter().for_each(|row| window.add(row.time));
    let mut finding = Finding::new(&rule.id, Subject { service: case.tables.names.get(service).to_owned(), ..Subject::default() }, window);
    kind.clone_into(&mut finding.kind);
    let count = rows.len() as f64;
    finding.severity = if count >= rule.upper("refused") { Severity::High } else { Severity::Medium };
    finding.score = score(count, rule.limit("refused"), rule.upper("refused"));
    let agrees = offset.is_some_and(|offset| offset.abs() >= 0.5 * median);
    finding.confidence = Belief::new()
        .with_if(kind == "early", "tokens that are not valid yet", Input::Logs, if median > 0.0 { 0.8 } else { 0.6 })
        .with_if(kind == "late", "tokens that have just expired", Input::Logs, 0.4)
        .with_if(agrees, "clocks that are as far apart", Input::Spans, 0.6)
        .value();
    let leeway = leeway(case, service);
    finding
        .measure_against("refused", count, "tokens", rule.limit("refused"))
        .measure("median_s", round(median), "s")
        .word("offset", offset.map_or(String::new(), |offset| format!("By its calls its clock is {:.1} s away from others.", offset.abs())))
        .word("leeway", leeway.map_or(String::new(), |(leeway, _)| format!("It is set to allow for {leeway} s.")))
        .look_alike(
            "Tokens that really have expired",
            if kind == "early" { "excluded: they are not valid yet" } else { "excluded: the clocks are known to be that far apart" },
        )
        .look_alike("Tokens issued for later", "excluded: most are valid within minutes");
    if let Some(offset) = offset {
        finding.measure("clock_offset_s", round(offset), "s");
    }
    if let Some((leeway, _)) = leeway {
        finding.measure("leeway_s", leeway, "s");
    }
    finding.cite(rows.iter().map(|row| row.evidence));
    finding.cite(leeway.map(|(_, evidence)| evidence));
    finding
}

/// Seconds that the service is set to allow for.
fn leeway(case: &Case, service: Sym) -> Option<(f64, crate::model::source::Evidence)> {
    let names = &case.tables.names;
    case.tables.settings.iter().filter(|row| row.service == service && names.get(row.key).contains("skew")).find_map(|row| {
        let known = meaning(names.get(row.key)).filter(|known| known.topic == Topic::Auth)?;
        Some((amount(names.get(row.value), known.unit)? / 1000.0, row.evidence))
    })
}

#[cfg(test)]
mod tests {
    use crate::model::finding::{Finding, Severity};
    use crate::rules::fixture::{bundle, check, measured, rule};

    fn found(line: impl Fn(u32) -> String) -> Vec<Finding> {
        let log: String = (0..12).map(|n| format!("2026-01-01T10:{n:02}:00.000Z  WARN 1 --- [orders] [exec-1] c.a.Auth : {}\n", line(n))).collect();
        check(&rule("jwt-clock-skew"), &bundle(&[("orders/app.log", &log)]), None)
    }

    #[test]
    fn tokens_that_are_not_valid_yet() {
        let found = found(|n| format!("Jwt used before 2026-01-01T10:{n:02}:0{}Z", 2 + n % 3));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].subject.service.as_str(), found[0].severity), ("orders", Severity::Medium));
        assert_eq!((measured(&found[0], "refused"), measured(&found[0], "median_s")), (12.0, 3.0));
        assert!(found[0].confidence >= 0.75);
    }

    #[test]
    fn a_distance_that_the_text_tells() {
        let found = found(|_| {
            "JWT must not be accepted before 2026-01-01T10:00:03Z. Current time: 2026-01-01T10:00:00Z, a difference of 3100 milliseconds.  Allowed clock skew: 0 milliseconds.".to_owned()
        });
        assert_eq!(found.iter().map(|finding| measured(finding, "median_s")).collect::<Vec<_>>(), [3.1]);
    }

    #[test]
    fn tokens_that_really_expired() {
        assert!(found(|n| format!("Jwt expired at 2026-01-01T0{}:00:00Z", n % 9)).is_empty(), "hours ago");
        assert!(found(|n| format!("Jwt expired at 2026-01-01T09:5{}:58Z", n % 9)).is_empty(), "clients use tokens until they are refused");
        assert!(found(|n| if n == 0 { "Jwt used before 2026-01-01T10:00:02Z".to_owned() } else { "ready".to_owned() }).is_empty(), "a single one");
    }
}
