//! `gateway-upstream-reset`: connections between a gateway and the services behind it that are cut while a request is on them.
//!
//! What is told apart: connections that idled and were closed at the wrong moment, instances that stop, and answers that the
//! gateway cannot take. What this file does not do: connections that were never made, and answers that come too late.

use crate::correlate::Case;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::request::Request;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::tables::Signal;
use crate::model::time::{MINUTE, Time, Window};
use crate::rules::native::failures::restarts;
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::BTreeMap;

pub(crate) const DETECTOR: Detector =
    Detector { id: "gateway-upstream-reset", thresholds: &["count", "at_once_ms", "most_percent", "restart_s"], detect };

/// How far a burst reaches: resets within it are counted together.
const BURST: i64 = 10 * MINUTE;
/// Flags of proxies for a connection that the other side cut.
const CUT: &[&str] = &["UC", "UR", "UpstreamConnectionTermination", "UpstreamRemoteReset", "SH", "SL"];

/// What a gateway says of cut connections.
#[derive(Default)]
struct Cuts<'a> {
    told: Vec<&'a Signal>,
    requests: Vec<&'a Request>,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let names = &case.tables.names;
    let (cut, too_big) = (names.find("gateway.upstream-reset"), names.find("gateway.response-header-too-large"));
    let mut by_service: BTreeMap<Sym, Cuts<'_>> = BTreeMap::new();
    for row in case.tables.signals.iter().filter(|row| Some(row.signal) == cut) {
        by_service.entry(row.service).or_default().told.push(row);
    }
    for row in case.tables.requests.iter().filter(|row| !row.is_call && is_cut(case, row)) {
        by_service.entry(row.service).or_default().requests.push(row);
    }
    let restarts = restarts(case);
    for (service, cuts) in by_service {
        let (mut times, evidence) = if cuts.told.len() >= cuts.requests.len() {
            (cuts.told.iter().map(|row| row.time).collect::<Vec<_>>(), cuts.told.iter().map(|row| row.evidence).collect::<Vec<_>>())
        } else {
            (cuts.requests.iter().map(|row| row.time).collect(), cuts.requests.iter().map(|row| row.evidence).collect())
        };
        times.sort_unstable();
        let most = densest(&times);
        if most as f64 >= rule.limit("count") {
            let big = case.tables.signals.iter().any(|row| Some(row.signal) == too_big && row.service == service);
            out.push(finding(scope, rule, service, &cuts, (&times, most), evidence, kind(rule, case, service, &times, &restarts, big)));
        }
    }
}

/// Whether a proxy says of a request that the other side cut it, or the service's side ended it without an answer.
fn is_cut(case: &Case, row: &Request) -> bool {
    matches!(row.status, 502 | 503) && case.tables.names.get(row.flags).split(',').any(|flag| CUT.contains(&flag))
}

/// The greatest number of times within a burst.
fn densest(times: &[Time]) -> usize {
    let mut start = 0;
    let mut most = 0;
    for (end, time) in times.iter().enumerate() {
        while time.is_some() && times[start].is_some() && time.since(times[start]) > BURST {
            start += 1;
        }
        most = most.max(end + 1 - start);
    }
    most
}

/// Why connections are cut, as far as it is seen.
fn kind(rule: &Rule, case: &Case, service: Sym, times: &[Time], restarts: &[Time], big: bool) -> &'static str {
    let enough = |part: usize, all: usize| all > 0 && 100.0 * part as f64 >= rule.limit("most_percent") * all as f64;
    let near = (rule.limit("restart_s") * 1e9) as i64;
    let is_near = |time: &&Time| restarts.iter().any(|restart| time.since(*restart).abs() <= near);
    if big {
        return "header-too-big";
    }
    if enough(times.iter().filter(is_near).count(), times.len()) {
        return "drain";
    }
    let failed: Vec<&Request> = case
        .tables
        .requests
        .iter()
        .filter(|row| !row.is_call && row.service == service && matches!(row.status, 502 | 503) && row.upstream_nanos.is_some())
        .collect();
    let at_once = failed.iter().filter(|row| row.upstream_nanos.is_some_and(|nanos| nanos as f64 <= rule.limit("at_once_ms") * 1e6)).count();
    if enough(at_once, failed.len()) { "keepalive-race" } else { "" }
}

fn finding(
    scope: &Scope<'_>,
    rule: &Rule,
    service: Sym,
    cuts: &Cuts<'_>,
    (times, most): (&[Time], usize),
    evidence: Vec<Evidence>,
    kind: &str,
) -> Finding {
    let case = scope.case;
    let mut window = Window::default();
    times.iter().for_each(|time| window.add(*time));
    let mut finding = Finding::new(&rule.id, Subject { service: case.tables.names.get(service).to_owned(), ..Subject::default() }, window);
    kind.clone_into(&mut finding.kind);
    let served = case.tables.requests.iter().filter(|row| !row.is_call && row.service == service);
    let (all, failed) = served.fold((0_u64, 0_u64), |(all, failed), row| (all + 1, failed + u64::from(matches!(row.status, 502 | 503))));
    finding.severity = if most as f64 >= rule.upper("count") { Severity::High } else { Severity::Medium };
    finding.score = score(most as f64, rule.limit("count"), rule.upper("count"));
    finding.confidence = Belief::new()
        .with_if(!cuts.told.is_empty(), "the gateway's own words", Input::Logs, 0.85)
        .with_if(!cuts.requests.is_empty(), "flags of the gateway's access log", Input::Requests, 0.75)
        .with_if(failed > 0, "requests that ended with 502 or 503", Input::Requests, 0.3)
        .value();
    finding
        .measure_against("count", most as f64, "connections", rule.limit("count"))
        .measure("total", times.len() as f64, "connections")
        .measure("failed_requests", failed as f64, "requests")
        .measure("requests", all as f64, "requests");
    if all > 0 {
        finding.measure("failed_percent", round(100.0 * failed as f64 / all as f64), "percent");
    }
    finding
        .look_alike("Clients that went away", "excluded: the other side of the gateway cut the connection")
        .look_alike("Answers that came too late", "excluded: they have words of their own")
        .look_alike(
            "A deployment without draining, once",
            if kind == "drain" {
                "this is it, as far as starts and stops are recorded"
            } else {
                "excluded: no start or stop lies beside most of them"
            },
        );
    finding.cite(evidence);
    finding
}

#[cfg(test)]
mod tests {
    use crate::model::finding::Finding;
    use crate::rules::fixture::{bundle, check, measured, rule};

    fn errors(count: u32, text: &str) -> String {
        (0..count)
            .map(|n| {
                format!(
                    "2026/01/01 10:{:02}:{:02} [error] 7#7: *{n} {text}, client: 10.0.0.9, server: shop, request: \"GET /api/orders HTTP/1.1\"\n",
                    n / 4,
                    n % 4 * 15
                )
            })
            .collect()
    }

    fn access(count: u32, seconds: f64) -> String {
        (0..count)
            .map(|n| format!("10.0.0.{} - - [01/Jan/2026:10:{:02}:{:02} +0000] \"GET /api/orders HTTP/1.1\" 502 167 \"-\" \"curl\" rt={seconds:.3} us=\"502\" ua=\"10.0.0.7:8080\" ut=\"{seconds:.3}\"\n", n % 9, n / 4, n % 4 * 15))
            .collect()
    }

    fn found(files: &[(&str, &str)]) -> Vec<Finding> {
        check(&rule("gateway-upstream-reset"), &bundle(files), None)
    }

    #[test]
    fn connections_that_are_cut() {
        let errors = errors(40, "upstream prematurely closed connection while reading response header from upstream");
        let found = found(&[("gateway/error.log", &errors), ("gateway/access.log", &access(40, 0.001))]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].subject.service.as_str(), measured(&found[0], "total"), measured(&found[0], "failed_requests")),
            ("gateway", 40.0, 40.0)
        );
        assert!(found[0].confidence > 0.85);
    }

    #[test]
    fn flags_of_a_mesh() {
        let line = |n: u32| {
            format!(
                "[2026-01-01T10:00:{:02}.309Z] \"GET /orders HTTP/1.1\" 503 UC upstream_reset_before_response_started{{connection_termination}} - \"-\" 0 95 1 - \"10.1.0.{}\" \"app/1\" \"053c49b6-{n}\" \"orders:8000\" \"10.0.0.7:8080\" outbound|8080||orders 127.0.0.1:1 10.0.0.7:8080 10.0.0.9:1 - default\n",
                n % 60,
                n % 9
            )
        };
        let found = found(&[("mesh/access.log", &(0..12).map(line).collect::<String>())]);
        assert_eq!(found.iter().map(|finding| measured(finding, "count")).collect::<Vec<_>>(), [12.0]);
    }

    #[test]
    fn a_deployment_is_told_as_one() {
        let errors = errors(8, "recv() failed (104: Connection reset by peer) while reading response header from upstream");
        let started: String =
            (0..2).map(|n| format!("2026-01-01T10:0{n}:10.000Z  INFO 1 --- [orders] [main] c.a.App : Started App in 3.2 seconds\n")).collect();
        let found = found(&[("gateway/error.log", &errors), ("orders/app.log", &started)]);
        assert_eq!(found.iter().map(|finding| finding.kind.as_str()).collect::<Vec<_>>(), ["drain"]);
    }

    #[test]
    fn others_and_few_are_silent() {
        assert!(found(&[("gateway/error.log", &errors(40, "client prematurely closed connection"))]).is_empty());
        assert!(
            found(&[("gateway/error.log", &errors(4, "upstream prematurely closed connection while reading response header from upstream"))])
                .is_empty()
        );
        assert!(found(&[("gateway/access.log", &access(40, 0.001))]).is_empty(), "502 alone may be the service's own");
    }
}
