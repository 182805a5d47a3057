//! `gateway-rejection`: requests that a gateway answers itself with an error.
//!
//! A log that names the upstream of some requests says by not naming it that nobody was asked. What this file does not do:
//! errors that a service behind the gateway answered.

use crate::correlate::Case;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::request::Request;
use crate::model::rule::Rule;
use crate::model::time::Window;
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector =
    Detector { id: "gateway-rejection", thresholds: &["rejected", "route_percent", "doubtful_percent", "clients", "forwarded"], detect };

/// Signals of a gateway's error log, and what they say.
const REASONS: &[(&str, &str)] = &[
    ("gateway.body-too-large", "Its error log says that bodies are larger than it allows."),
    ("gateway.header-too-large", "Its error log says that headers are larger than it allows."),
    ("gateway.rate-limited", "Its error log says that a rate limit was exceeded."),
    ("gateway.forbidden", "Its error log says that a rule of access forbids it."),
    ("gateway.no-upstream", "Its error log says that no upstream was alive."),
    ("gateway.no-route", "Its log says that no route fits."),
    ("gateway.upstream-refused", "Its error log says that upstreams refused the connection."),
];

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let mut forwarded: BTreeMap<Sym, u64> = BTreeMap::new();
    let asked = |row: &Request| !row.peer.is_none() || row.upstream_status > 0 || row.upstream_nanos.is_some();
    case.tables.requests.iter().filter(|row| !row.is_call && asked(row)).for_each(|row| *forwarded.entry(row.service).or_default() += 1);
    let mut routes: BTreeMap<(Sym, Sym), Vec<&Request>> = BTreeMap::new();
    for row in
        case.tables.requests.iter().filter(|row| !row.is_call && forwarded.get(&row.service).is_some_and(|n| *n as f64 >= rule.limit("forwarded")))
    {
        routes.entry((row.service, row.operation)).or_default().push(row);
    }
    for ((service, operation), rows) in routes {
        let mut by_status: BTreeMap<u16, Vec<&Request>> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.status >= 400 && row.status != 499 && !asked(row)) {
            by_status.entry(row.status).or_default().push(row);
        }
        for (status, rejected) in by_status {
            if counts(rule, status, &rejected, rows.len()) {
                out.push(finding(scope, rule, (service, operation), status, &rejected, rows.len(), forwarded.get(&service).copied().unwrap_or(0)));
            }
        }
    }
}

fn counts(rule: &Rule, status: u16, rejected: &[&Request], all: usize) -> bool {
    let percent = 100.0 * rejected.len() as f64 / all.max(1) as f64;
    let clients: BTreeSet<Sym> = rejected.iter().map(|row| row.client).collect();
    // Behind another proxy all clients have one address.
    let several = clients.len() as f64 >= rule.limit("clients") || clients.len() == 1 && percent >= rule.upper("route_percent");
    let least = if matches!(status, 401 | 403 | 404 | 405 | 400) { rule.limit("doubtful_percent") } else { rule.limit("route_percent") };
    // A path that never existed is a scanner's.
    let never = status == 404 && rejected.len() == all;
    rejected.len() as f64 >= rule.limit("rejected") && percent >= least && several && !never
}

fn finding(
    scope: &Scope<'_>,
    rule: &Rule,
    (service, operation): (Sym, Sym),
    status: u16,
    rejected: &[&Request],
    all: usize,
    forwarded: u64,
) -> Finding {
    let case = scope.case;
    let names = &case.tables.names;
    let mut window = Window::default();
    rejected.iter().for_each(|row| window.add(row.time));
    let subject =
        Subject { service: names.get(service).to_owned(), operation: names.get(operation).to_owned(), key: status.to_string(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    let percent = 100.0 * rejected.len() as f64 / all.max(1) as f64;
    finding.severity = match status {
        429 => Severity::Low,
        _ if percent >= rule.upper("route_percent") => Severity::High,
        _ => Severity::Medium,
    };
    finding.score = score(rejected.len() as f64, rule.limit("rejected"), rule.upper("rejected"));
    let reason = reason(case, service, window);
    let calm = scope.baseline.is_some_and(|baseline| works_there(baseline, names.get(operation)));
    finding.confidence = Belief::new()
        .with("requests for which no upstream was asked", Input::Requests, 0.65)
        .with_if(!reason.is_empty(), "the gateway's own reason", Input::Logs, 0.4)
        .with_if(calm, "the same requests succeed in the baseline", Input::Baseline, 0.4)
        .value();
    finding
        .measure_against("rejected", rejected.len() as f64, "requests", rule.limit("rejected"))
        .measure("requests", all as f64, "requests")
        .measure_against("route_percent", round(percent), "percent", rule.limit("route_percent"))
        .measure("status", f64::from(status), "")
        .measure("forwarded", forwarded as f64, "requests")
        .word("reason", reason)
        .word("baseline", if calm { "In the baseline the same requests succeed." } else { "" })
        .look_alike("Errors that a service answered", "excluded: no upstream is named for these requests")
        .look_alike("A single client, or a scanner", "excluded: several clients, or most of the route's requests")
        .look_alike(
            "A limit that does what it is for",
            if status == 429 {
                "not excluded: whether the clients are meant to be slowed down is not known"
            } else {
                "excluded: it is no rate limit"
            },
        );
    finding.cite(rejected.iter().take(6).map(|row| row.evidence));
    finding.evidence_total = rejected.len() as u64;
    finding
}

fn reason(case: &Case, service: Sym, window: Window) -> &'static str {
    let names = &case.tables.names;
    let heard = |signal: &str| {
        names.find(signal).is_some_and(|signal| {
            case.tables
                .signals
                .iter()
                .any(|row| row.signal == signal && row.service == service && window.touches(Window::of(row.time, row.time), 1_000_000_000))
        })
    };
    REASONS.iter().find(|(signal, _)| heard(signal)).map_or("", |(_, text)| text)
}

fn works_there(baseline: &Case, operation: &str) -> bool {
    let Some(operation) = baseline.tables.names.find(operation) else { return false };
    let rows: Vec<&Request> = baseline.tables.requests.iter().filter(|row| row.operation == operation).collect();
    rows.len() >= 3 && 20 * rows.iter().filter(|row| row.status < 400).count() >= 19 * rows.len()
}

#[cfg(test)]
mod tests {
    use crate::model::finding::Finding;
    use crate::rules::fixture::{bundle, check, measured, rule};

    fn line(n: u32, path: &str, status: u16, upstream: &str) -> String {
        format!(
            "10.0.0.{} - - [01/Jan/2026:10:{:02}:{:02} +0000] \"POST {path} HTTP/1.1\" {status} 167 \"-\" \"curl\" rt=0.002 us=\"{}\" ua=\"{upstream}\"\n",
            n % 9 + 1,
            n / 60 % 60,
            n % 60,
            if upstream == "-" { "-".to_owned() } else { status.to_string() }
        )
    }

    fn found(log: &str) -> Vec<Finding> {
        check(&rule("gateway-rejection"), &bundle(&[("gateway/access.log", log)]), None)
    }

    #[test]
    fn bodies_that_are_too_large() {
        let log: String =
            (0..100).map(|n| if n % 2 == 0 { line(n, "/upload", 413, "-") } else { line(n, "/orders", 200, "10.0.0.7:8080") }).collect();
        let found = found(&log);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((measured(&found[0], "rejected"), found[0].subject.operation.as_str()), (50.0, "POST /upload"));
    }

    #[test]
    fn errors_of_the_service_are_not_the_gateways() {
        let log: String = (0..100).map(|n| line(n, "/orders", if n % 2 == 0 { 500 } else { 200 }, "10.0.0.7:8080")).collect();
        assert!(found(&log).is_empty());
    }

    #[test]
    fn scanners_and_anonymous_clients_are_silent() {
        let log: String =
            (0..200).map(|n| if n % 2 == 0 { line(n, "/wp-login.php", 404, "-") } else { line(n, "/orders", 200, "10.0.0.7:8080") }).collect();
        assert!(found(&log).is_empty());
        let log: String =
            (0..200).map(|n| if n % 9 == 0 { line(n, "/orders", 401, "-") } else { line(n, "/orders", 200, "10.0.0.7:8080") }).collect();
        assert!(found(&log).is_empty());
    }

    #[test]
    fn a_log_without_upstreams_says_nothing() {
        let log: String = (0..100).map(|n| line(n, "/upload", 413, "-")).collect();
        assert!(found(&log).is_empty());
    }
}
