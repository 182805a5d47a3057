//! `gateway-timeout-inversion`: a gateway that gives up on requests which the service behind it finishes well.
//!
//! The requests it answered with 504 end after one and the same time; behind it the same operation goes on and succeeds. What
//! this file does not do: services that never answer.

use crate::correlate::Case;
use crate::correlate::probe::Served;
use crate::formats::config::meaning::Topic;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::request::Request;
use crate::model::rule::Rule;
use crate::model::sketch::Sketch;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Window};
use crate::rules::native::drift;
use crate::rules::native::retry_storm::round;
use crate::rules::native::{gateway_limits, gateway_requests};
use crate::rules::{Detector, Scope};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector {
    id: "gateway-timeout-inversion",
    thresholds: &["timeouts", "tight_percent", "tight_ms", "tight_share", "late_percent", "margin_percent", "ratio"],
    detect,
};

/// Last words of paths that stand for a whole interface, not for one kind of thing.
const ROOTS: &[&str] = &["", "api", "rest", "v1", "v2", "v3", "internal", "public", "services"];

/// Requests that a gateway gave up, of one operation or of several below one path.
struct GivenUp<'a> {
    rows: Vec<&'a Request>,
    timeout: u64,
    tight: f64,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let mut operations: BTreeMap<(Sym, Sym), Vec<&Request>> = BTreeMap::new();
    let of_spans = gateway_requests::of_spans(case);
    for row in case.tables.requests.iter().chain(&of_spans).filter(|row| gave_up(case, row)) {
        operations.entry((row.service, row.operation)).or_default().push(row);
    }
    let groups = families(case, operations);
    if groups.is_empty() {
        return;
    }
    let all = case.served();
    for ((service, operation), rows) in groups {
        let Some(given_up) = timer(rule, rows) else { continue };
        let behind = Behind::of(case, all, service, &given_up);
        let late = behind.late(rule, &given_up);
        let percent = 100.0 * late.len() as f64 / given_up.rows.len() as f64;
        if percent >= rule.limit("late_percent") {
            out.push(finding(scope, rule, (service, &operation), &given_up, &late, percent));
        }
    }
}

/// Whether the gateway answered because nobody else did in time.
fn gave_up(case: &Case, row: &Request) -> bool {
    let flags = case.tables.names.get(row.flags);
    !row.is_call && row.nanos.is_some() && (row.status == 504 || flags.split(',').any(|flag| matches!(flag, "UT" | "sH" | "sR")))
}

/// Operations by service; those of one method below one path are taken together, since the same code serves them:
/// `GET /reports/sales` and `GET /reports/tax` are `GET /reports`.
fn families<'a>(case: &Case, operations: BTreeMap<(Sym, Sym), Vec<&'a Request>>) -> BTreeMap<(Sym, String), Vec<&'a Request>> {
    let names = &case.tables.names;
    let parent = |operation: Sym| {
        let (above, _) = names.get(operation).rsplit_once('/')?;
        let word = above.rsplit_once('/').map_or("", |(_, word)| word);
        (!ROOTS.contains(&word)).then_some(above)
    };
    let mut siblings: BTreeMap<(Sym, &str), u32> = BTreeMap::new();
    for (service, operation) in operations.keys() {
        if let Some(above) = parent(*operation) {
            *siblings.entry((*service, above)).or_default() += 1;
        }
    }
    let mut groups: BTreeMap<(Sym, String), Vec<&'a Request>> = BTreeMap::new();
    for ((service, operation), rows) in operations {
        let above = parent(operation).filter(|above| siblings.get(&(service, *above)).is_some_and(|count| *count > 1));
        groups.entry((service, above.unwrap_or(names.get(operation)).to_owned())).or_default().extend(rows);
    }
    groups
}

/// The requests that a timer ended: most of them after the same time.
fn timer<'a>(rule: &Rule, rows: Vec<&'a Request>) -> Option<GivenUp<'a>> {
    if (rows.len() as f64) < rule.limit("timeouts") {
        return None;
    }
    let mut lengths: Vec<u64> = rows.iter().filter_map(|row| row.nanos).collect();
    lengths.sort_unstable();
    let middle = *lengths.get(lengths.len() / 2)?;
    let slack = ((rule.limit("tight_ms") * 1e6) as u64).max((middle as f64 * rule.limit("tight_share") / 100.0) as u64);
    let near = lengths.iter().filter(|length| length.abs_diff(middle) <= slack).count();
    let tight = 100.0 * near as f64 / lengths.len() as f64;
    (tight >= rule.limit("tight_percent")).then_some(GivenUp { rows, timeout: middle, tight })
}

/// What services behind the gateway served of the same operation.
struct Behind<'a> {
    rows: Vec<&'a Served>,
    by_trace: HashMap<TraceId, Vec<Evidence>, FixedState>,
    by_evidence: HashMap<Evidence, &'a Served, FixedState>,
}

impl<'a> Behind<'a> {
    fn of(case: &Case, all: &'a [Served], gateway: Sym, given_up: &GivenUp<'_>) -> Self {
        let names = &case.tables.names;
        let wanted: BTreeSet<Sym> = given_up.rows.iter().map(|row| row.operation).collect();
        let served: BTreeSet<Sym> = all.iter().map(|row| row.operation).collect();
        let fits = |operation: &Sym| wanted.iter().any(|wanted| same_operation(names.get(*operation), names.get(*wanted)));
        let served: BTreeSet<Sym> = served.into_iter().filter(fits).collect();
        let rows: Vec<&Served> = all.iter().filter(|row| row.service != gateway && !row.probe && served.contains(&row.operation)).collect();
        let by_evidence: HashMap<Evidence, &Served, FixedState> = rows.iter().map(|row| (row.evidence, *row)).collect();
        let mut by_trace: HashMap<TraceId, Vec<Evidence>, FixedState> = HashMap::default();
        for (trace, evidence) in
            case.tables.requests.iter().map(|row| (row.trace, row.evidence)).chain(case.tables.spans.iter().map(|span| (span.trace, span.evidence)))
        {
            if !trace.is_none() && by_evidence.contains_key(&evidence) {
                by_trace.entry(trace).or_default().push(evidence);
            }
        }
        Self { rows, by_trace, by_evidence }
    }

    /// Pairs of a request that was given up and the answer that came well and later: by trace, else in the order of time, each
    /// answer once.
    fn late<'g>(&self, rule: &Rule, given_up: &GivenUp<'g>) -> Vec<(&'g Request, &'a Served)> {
        let least = given_up.timeout + (given_up.timeout as f64 * rule.limit("margin_percent") / 100.0) as u64;
        let is_late = |row: &Served| row.well && row.nanos.is_some_and(|nanos| nanos >= least);
        let begun = |row: &Served| row.time.plus(-i64::try_from(row.nanos.unwrap_or(0)).unwrap_or(0));
        let mut candidates: Vec<&'a Served> = self.rows.iter().copied().filter(|row| is_late(row)).collect();
        candidates.sort_by_key(|row| (begun(row), row.evidence));
        let mut free = vec![true; candidates.len()];
        let mut pairs = Vec::new();
        for request in &given_up.rows {
            let own = self
                .by_trace
                .get(&request.trace)
                .into_iter()
                .flatten()
                .filter_map(|evidence| self.by_evidence.get(evidence))
                .find(|row| is_late(row));
            if let Some(own) = own.filter(|_| !request.trace.is_none()) {
                pairs.push((*request, *own));
                continue;
            }
            // A log writes whole seconds, and both sides begin within a moment.
            let (from, to) = (request.start().plus(-SECOND), request.start().plus(SECOND + SECOND / 2));
            let first = candidates.partition_point(|row| begun(row) < from);
            let found = (first..candidates.len()).take_while(|at| begun(candidates[*at]) <= to).find(|at| free[*at]);
            if let Some(at) = found {
                free[at] = false;
                pairs.push((*request, candidates[at]));
            }
        }
        pairs
    }
}

/// The same method and path, or a route that the path fits: `GET /reports/{id}` and `GET /reports/sales`.
pub(super) fn same_operation(one: &str, other: &str) -> bool {
    let parts = |text: &str| text.split(['/', ' ']).map(str::to_owned).collect::<Vec<_>>();
    let (one, other) = (parts(one), parts(other));
    let is_hole = |part: &String| part.starts_with(['{', ':', '<']) || part.ends_with("{id}") || part == "*";
    // A gateway may have cut off a prefix of the path.
    let (long, short) = if one.len() >= other.len() { (&one, &other) } else { (&other, &one) };
    let (Some(method), Some(tail)) = (short.first(), long.len().checked_sub(short.len().saturating_sub(2))) else { return false };
    let rest = long.get(tail..).unwrap_or_default();
    long.first() == Some(method)
        && short.len() >= 3
        && long.len() - short.len() <= 1
        && rest.iter().zip(short.iter().skip(2)).all(|(a, b)| a == b || is_hole(a) || is_hole(b))
}

fn finding(
    scope: &Scope<'_>,
    rule: &Rule,
    (service, operation): (Sym, &str),
    given_up: &GivenUp<'_>,
    late: &[(&Request, &Served)],
    percent: f64,
) -> Finding {
    let case = scope.case;
    let names = &case.tables.names;
    let mut window = Window::default();
    given_up.rows.iter().for_each(|row| window.add(row.time));
    let mut behind: BTreeMap<Sym, u64> = BTreeMap::new();
    late.iter().for_each(|(_, row)| *behind.entry(row.service).or_default() += 1);
    let peer = behind.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0))).map_or(Sym::NONE, |(service, _)| *service);
    let subject =
        Subject { service: names.get(service).to_owned(), peer: names.get(peer).to_owned(), operation: operation.to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    let mut lengths = Sketch::default();
    late.iter().filter_map(|(_, row)| row.nanos).for_each(|nanos| lengths.add(nanos));
    let count = given_up.rows.len() as f64;
    let changes = operation.starts_with("POST") || operation.starts_with("PATCH");
    finding.severity = if count >= rule.upper("timeouts") || changes { Severity::High } else { Severity::Medium };
    finding.score = score(count, rule.limit("timeouts"), rule.upper("timeouts"));
    let calm = scope.baseline.map(|baseline| succeeded_slowly(case, baseline, given_up));
    let traced = late.iter().any(|(request, _)| !request.trace.is_none());
    let configured = configured(case, rule, service, operation, given_up.timeout);
    let drift = drift::of_topic(scope, Topic::GatewayTimeout, rule.limit("ratio"));
    finding.confidence = Belief::new()
        .with("requests that end after one and the same time", Input::Requests, 0.35)
        .with("answers that come well after that", if traced { Input::Spans } else { Input::Requests }, if traced { 0.7 } else { 0.55 })
        .with_if(calm.is_some_and(|slow| slow > 0), "the same slow requests succeed in the baseline", Input::Baseline, 0.4)
        .with_if(configured.is_some(), "the timeout that the gateway is set to", Input::Configs, 0.4)
        .with_if(drift.is_some(), "a timeout that is shorter than in the baseline", Input::Configs, 0.25)
        .value();
    finding.services = vec![names.get(peer).to_owned()];
    let seconds = given_up.timeout as f64 / 1e9;
    finding
        .measure_against("count", count, "requests", rule.limit("timeouts"))
        .measure("gateway_timeout_s", (seconds * 100.0).round() / 100.0, "s")
        .measure("application_ms", round(lengths.p50() as f64 / 1e6), "ms")
        .measure("late", late.len() as f64, "requests")
        .measure_against("late_percent", round(percent), "percent", rule.limit("late_percent"))
        .measure_against("tight_percent", round(given_up.tight), "percent", rule.limit("tight_percent"))
        .measure("wasted_s", round(lengths.sum() as f64 / 1e9 - seconds * late.len() as f64), "s")
        .measure("gateway_status", f64::from(given_up.rows.first().map_or(0, |row| row.status)), "")
        .measure("application_status", f64::from(status(case, late)), "")
        .measure("application_p95_ms", round(lengths.p95() as f64 / 1e6), "ms")
        .word(
            "configured",
            match (&configured, &drift) {
                (Some(limit), Some((drift, _))) => format!("It is set so: {} is {}; {drift}.", limit.key, limit.value),
                (Some(limit), None) => format!("It is set so: {} is {}.", limit.key, limit.value),
                (None, Some((drift, _))) => format!("{drift}."),
                (None, None) => String::new(),
            },
        )
        .word("unsafe", if changes { "These requests change something: whoever got 504 and asks again does it twice." } else { "" })
        .word(
            "baseline",
            match calm {
                Some(0) | None => String::new(),
                Some(slow) => format!("In the baseline {slow} requests of this operation took as long and were answered."),
            },
        )
        .look_alike("A service that hangs", "excluded: the answers come, only later")
        .look_alike("A service that fails by a timeout of its own", "excluded: the answers behind the gateway are good ones")
        .look_alike(
            "Chance meetings of two logs",
            if traced {
                "excluded: both sides name the same trace"
            } else {
                "excluded as far as times tell: each answer is counted for one request, by operation and time"
            },
        );
    finding.traces = late.iter().map(|(request, _)| request.trace).filter(|trace| !trace.is_none()).take(4).collect();
    if let Some(limit) = configured {
        finding.measure("configured_timeout_s", round(limit.amount / 1e3), "s");
        finding.cite([limit.evidence]);
    }
    finding.cite(late.iter().take(3).flat_map(|(request, row)| [request.evidence, row.evidence]));
    finding.evidence_total = count as u64 + late.len() as u64;
    finding
}

/// The status that most of the late answers had.
fn status(case: &Case, late: &[(&Request, &Served)]) -> u16 {
    let answers: BTreeSet<Evidence> = late.iter().map(|(_, row)| row.evidence).collect();
    let of_spans = case.tables.spans.iter().map(|span| (span.evidence, span.http_status));
    let of_records = case.tables.requests.iter().map(|row| (row.evidence, row.status));
    let mut counts: BTreeMap<u16, u64> = BTreeMap::new();
    of_spans.chain(of_records).filter(|(evidence, _)| answers.contains(evidence)).for_each(|(_, status)| *counts.entry(status).or_default() += 1);
    counts.into_iter().max_by_key(|(status, count)| (*count, std::cmp::Reverse(*status))).map_or(0, |(status, _)| status)
}

/// The timeout in the gateway's configuration, if it is the one that was measured.
fn configured<'a>(case: &'a Case, rule: &Rule, gateway: Sym, operation: &str, timeout: u64) -> Option<gateway_limits::Limit<'a>> {
    let measured = timeout as f64 / 1e6;
    let slack = rule.limit("tight_ms").max(measured * rule.limit("tight_share") / 100.0);
    gateway_limits::wait(case, gateway, operation, measured).filter(|limit| (limit.amount - measured).abs() <= slack)
}

/// How many requests of these operations took longer than the timeout in the baseline and succeeded.
fn succeeded_slowly(case: &Case, baseline: &Case, given_up: &GivenUp<'_>) -> usize {
    let wanted: BTreeSet<&str> = given_up.rows.iter().map(|row| case.tables.names.get(row.operation)).collect();
    let names = &baseline.tables.names;
    let slow = |row: &&Served| row.well && row.nanos.is_some_and(|nanos| nanos > given_up.timeout);
    let rows = baseline.served();
    rows.iter().filter(slow).filter(|row| wanted.iter().any(|wanted| same_operation(names.get(row.operation), wanted))).count()
}

#[cfg(test)]
mod tests {
    use super::same_operation;
    use crate::model::finding::Finding;
    use crate::rules::fixture::{bundle, check, measured, rule};

    #[test]
    fn operations_of_two_sides() {
        assert!(same_operation("GET /api/reports/{id}", "GET /api/reports/sales"));
        assert!(same_operation("GET /reports/sales", "GET /api/reports/sales"), "a prefix that the gateway cuts off");
        assert!(!same_operation("GET /api/reports", "GET /api/orders"));
        assert!(!same_operation("POST /api/reports", "GET /api/reports"));
    }

    fn access(count: u32, status: u16, seconds: f64) -> String {
        (0..count)
            .map(|n| {
                let end = f64::from(n * 10) + seconds;
                let jitter = f64::from(n % 5) / 500.0;
                format!(
                    "10.0.0.9 - - [01/Jan/2026:10:{:02}:{:02} +0000] \"GET /api/reports HTTP/1.1\" {status} 167 \"-\" \"curl\" rt={:.3} us=\"{status}\" ua=\"10.0.0.7:8080\"\n",
                    (end as u32) / 60,
                    (end as u32) % 60,
                    seconds + jitter
                )
            })
            .collect()
    }

    fn service(count: u32, status: u16, seconds: f64) -> String {
        (0..count)
            .map(|n| {
                let end = f64::from(n * 10) + seconds;
                format!("2026-01-01T10:{:02}:{:02}.100Z  INFO 1 --- [web] [nio-8080-exec-1] c.a.RequestLog : GET /api/reports status={status} duration_ms={:.0}\n", (end as u32) / 60, (end as u32) % 60, seconds * 1000.0)
            })
            .collect()
    }

    fn found(gateway: &str, web: &str) -> Vec<Finding> {
        check(&rule("gateway-timeout-inversion"), &bundle(&[("gateway/access.log", gateway), ("web/app.log", web)]), None)
    }

    #[test]
    fn given_up_and_finished_later() {
        let found = found(&access(30, 504, 5.0), &service(30, 200, 8.0));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].subject.service.as_str(), found[0].subject.peer.as_str()), ("gateway", "web"));
        assert_eq!((measured(&found[0], "count"), measured(&found[0], "gateway_timeout_s")), (30.0, 5.0));
        assert!(measured(&found[0], "late_percent") > 80.0);
        assert_eq!((measured(&found[0], "gateway_status"), measured(&found[0], "application_status")), (504.0, 200.0));
    }

    /// Requests that a gateway with spans gives up after five seconds, and what becomes of them.
    fn traced(length: u32, end: &str) -> Vec<Finding> {
        let shape = |n: u32| {
            let late = length + 30 * (n % 9);
            format!("  api-gateway POST /pay 0-{} !504\n    > pay POST /pay 1-5000 !504\n      pay POST /pay 2-{late} {end}\n", 5000 + n % 3)
        };
        let text = crate::correlate::fixture::many(0..30, 9000, shape);
        check(&rule("gateway-timeout-inversion"), &crate::correlate::fixture::case(&text), None)
    }

    #[test]
    fn spans_alone_tell_it_too() {
        let found = traced(6500, "200");
        assert_eq!(found.iter().map(|f| (f.subject.service.as_str(), measured(f, "late_percent"))).collect::<Vec<_>>(), [("api-gateway", 100.0)]);
        assert!(found[0].words["unsafe"].contains("twice"), "a payment may be made twice");
        assert!(traced(6500, "!504").is_empty(), "the service fails too");
        assert!(traced(4900, "200").is_empty(), "the service was in time");
    }

    #[test]
    fn operations_below_one_path_are_one_finding() {
        let both = |text: String| ["sales", "tax"].map(|report| text.replace("/api/reports", &format!("/api/reports/{report}"))).concat();
        let (gateway, web) = (both(access(20, 504, 5.0)), both(service(20, 200, 8.0)));
        let found = found(&gateway, &web);
        assert_eq!(found.iter().map(|f| f.subject.operation.as_str()).collect::<Vec<_>>(), ["GET /api/reports"]);
        assert_eq!(measured(&found[0], "count"), 40.0);
    }

    #[test]
    fn the_timeout_that_the_gateway_is_set_to() {
        let conf = "events { worker_connections 64; }\nhttp {\n  proxy_read_timeout 60s;\n  server {\n    listen 80;\n    location /api/ { proxy_pass http://web; proxy_read_timeout 5; }\n  }\n}\n";
        let (gateway, web) = (access(30, 504, 5.0), service(30, 200, 8.0));
        let with = check(
            &rule("gateway-timeout-inversion"),
            &bundle(&[("gateway/access.log", &gateway), ("gateway/nginx.conf", conf), ("web/app.log", &web)]),
            None,
        );
        assert_eq!(with.iter().map(|finding| measured(finding, "configured_timeout_s")).collect::<Vec<_>>(), [5.0]);
        assert!(with[0].confidence > found(&gateway, &web)[0].confidence);
    }

    #[test]
    fn a_service_that_fails_too_is_no_inversion() {
        assert!(found(&access(30, 504, 5.0), &service(30, 500, 8.0)).is_empty());
        assert!(
            found(&access(30, 504, 60.0), &service(0, 200, 8.0).replace("", "2026-01-01T10:00:00.100Z  INFO 1 --- [web] [main] c.a.App : up\n"))
                .is_empty(),
            "it never answers"
        );
    }

    #[test]
    fn answers_in_time_are_silent() {
        assert!(found(&access(30, 200, 5.0), &service(30, 200, 4.9)).is_empty());
    }
}
