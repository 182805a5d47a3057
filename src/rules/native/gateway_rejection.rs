//! `gateway-rejection`: requests that a gateway answers itself with an error.
//!
//! A log that names the upstream of some requests says by not naming it that nobody was asked. What this file does not do:
//! errors that a service behind the gateway answered.

use crate::correlate::Case;
use crate::correlate::probe::Served;
use crate::formats::config::meaning::Topic;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::request::Request;
use crate::model::rule::Rule;
use crate::model::time::Window;
use crate::rules::native::drift;
use crate::rules::native::gateway_timeout_inversion::same_operation;
use crate::rules::native::retry_storm::round;
use crate::rules::native::{gateway_limits, gateway_requests};
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector {
    id: "gateway-rejection",
    thresholds: &["rejected", "few", "route_percent", "heavy_percent", "doubtful_percent", "clients", "forwarded", "ratio"],
    detect,
};

/// Signals of a gateway's error log, and what they say.
const REASONS: &[(&str, &str)] = &[
    ("gateway.body-too-large", "Its error log says that bodies are larger than it allows."),
    ("gateway.header-too-large", "Its error log says that headers are larger than it allows."),
    ("auth.token-not-yet-valid", "Its log says that tokens are not valid yet."),
    ("auth.token-untrusted", "Its log says that it does not trust key, issuer or audience of the tokens."),
    ("auth.token-expired", "Its log says that tokens have expired."),
    ("auth.token-missing", "Its log says that requests come without a token."),
    ("gateway.rate-limited", "Its error log says that a rate limit was exceeded."),
    ("gateway.forbidden", "Its error log says that a rule of access forbids it."),
    ("gateway.no-upstream", "Its error log says that no upstream was alive."),
    ("gateway.no-route", "Its log says that no route fits."),
    ("gateway.upstream-refused", "Its error log says that upstreams refused the connection."),
];

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let names = &case.tables.names;
    let of_spans = gateway_requests::of_spans(case);
    let requests = || case.tables.requests.iter().chain(&of_spans);
    let witnesses = Witnesses(requests().filter(|row| answered(row)).map(|row| row.service).collect());
    let asked = |row: &Request| witnesses.asked(row);
    let mut forwarded: BTreeMap<Sym, u64> = BTreeMap::new();
    requests().filter(|row| !row.is_call && asked(row)).for_each(|row| *forwarded.entry(row.service).or_default() += 1);
    let mut routes: BTreeMap<(Sym, Sym), Vec<&Request>> = BTreeMap::new();
    for row in requests().filter(|row| !row.is_call && forwarded.get(&row.service).is_some_and(|n| *n as f64 >= rule.limit("forwarded"))) {
        routes.entry((row.service, row.operation)).or_default().push(row);
    }
    let crowded = crowded(case);
    let calm = scope.baseline.map(Case::served);
    for ((service, operation), rows) in routes {
        let mut by_status: BTreeMap<u16, Vec<&Request>> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.status >= 400 && row.status != 499 && !asked(row) && !injected(case, row)) {
            by_status.entry(row.status).or_default().push(row);
        }
        for (status, rejected) in by_status {
            if counts(rule, status, &rejected, rows.len(), crowded.contains(&service)) {
                let works = scope.baseline.zip(calm).is_some_and(|(case, rows)| works_there(case, rows, names.get(operation)));
                let counted = Counted { status, all: rows.len(), forwarded: forwarded.get(&service).copied().unwrap_or(0), works };
                out.push(finding(scope, rule, (service, operation), &rejected, counted));
            }
        }
    }
}

/// What surrounds the rejected requests of one status.
#[derive(Clone, Copy)]
struct Counted {
    status: u16,
    /// All requests of the route.
    all: usize,
    /// Requests of the gateway that reached a service.
    forwarded: u64,
    /// Whether the same requests succeed in the baseline.
    works: bool,
}

/// Services whose records tell that an upstream answered, not only which one would be asked: Envoy names the cluster of a route
/// also where it asked nobody.
struct Witnesses(BTreeSet<Sym>);

impl Witnesses {
    fn asked(&self, row: &Request) -> bool {
        answered(row) || !row.peer.is_none() && !self.0.contains(&row.service)
    }
}

/// Whether the record says that an upstream was asked.
fn answered(row: &Request) -> bool {
    row.upstream_status > 0 || row.upstream_nanos.is_some() || row.upstream_attempts > 0
}

/// Whether somebody injects the fault on purpose, by Envoy's flags.
fn injected(case: &Case, row: &Request) -> bool {
    case.tables.names.get(row.flags).split(',').any(|flag| matches!(flag, "FI" | "DI" | "FaultInjected" | "DelayInjected"))
}

/// What kind of rejection a status and the flags of Envoy stand for.
fn class(status: u16, flags: &str) -> (&'static str, Option<Topic>) {
    let has = |wanted: &[&str]| flags.split(',').any(|flag| wanted.contains(&flag));
    match status {
        _ if has(&["NR", "NC"]) => ("no-route", Some(Topic::Path)),
        _ if has(&["UH", "UF", "LH", "UO"]) => ("no-healthy-upstream", None),
        _ if has(&["RL"]) => ("rate-limit", Some(Topic::RateLimit)),
        _ if has(&["UAEX"]) => ("acl", Some(Topic::Auth)),
        _ if has(&["IH"]) => ("strict-header", Some(Topic::Headers)),
        _ if has(&["DF"]) => ("dns", None),
        413 => ("body-too-large", Some(Topic::BodyLimit)),
        431 | 494 => ("header-too-large", Some(Topic::HeaderLimit)),
        414 => ("uri-too-long", Some(Topic::HeaderLimit)),
        401 => ("authentication", Some(Topic::Auth)),
        403 => ("acl", Some(Topic::Auth)),
        404 => ("no-route", Some(Topic::Path)),
        405 | 426 => ("method", None),
        429 => ("rate-limit", Some(Topic::RateLimit)),
        495..=497 => ("mtls", Some(Topic::Auth)),
        502..=504 => ("no-healthy-upstream", None),
        _ => ("rejected", None),
    }
}

/// Services that tell several clients apart. Behind another proxy all clients have one address.
fn crowded(case: &Case) -> BTreeSet<Sym> {
    let mut first: BTreeMap<Sym, Sym> = BTreeMap::new();
    let mut several = BTreeSet::new();
    for row in case.tables.requests.iter().filter(|row| !row.is_call && !row.client.is_none()) {
        if *first.entry(row.service).or_insert(row.client) != row.client {
            several.insert(row.service);
        }
    }
    several
}

fn counts(rule: &Rule, status: u16, rejected: &[&Request], all: usize, crowded: bool) -> bool {
    let percent = 100.0 * rejected.len() as f64 / all.max(1) as f64;
    let clients: BTreeSet<Sym> = rejected.iter().map(|row| row.client).collect();
    let several = !crowded || clients.len() as f64 >= rule.limit("clients") || clients.len() == 1 && percent >= rule.upper("route_percent");
    let least = if matches!(status, 401 | 403 | 404 | 405 | 400) { rule.limit("doubtful_percent") } else { rule.limit("route_percent") };
    // A path that never existed is a scanner's.
    let never = status == 404 && rejected.len() == all;
    let many = rejected.len() as f64 >= rule.limit(if percent >= rule.upper("route_percent") { "few" } else { "rejected" });
    many && percent >= least && several && !never
}

fn finding(scope: &Scope<'_>, rule: &Rule, (service, operation): (Sym, Sym), rejected: &[&Request], counted: Counted) -> Finding {
    let Counted { status, all, forwarded, works: calm } = counted;
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
        _ if percent >= rule.limit("heavy_percent") => Severity::High,
        _ => Severity::Medium,
    };
    finding.score = score(rejected.len() as f64, rule.limit("rejected"), rule.upper("rejected"));
    let reason = reason(case, service, window);
    let flags = rejected.iter().map(|row| names.get(row.flags)).find(|flags| flags.len() > 1).unwrap_or_default();
    let (class, topic) = class(status, flags);
    let drift = topic.and_then(|topic| drift::of_topic(scope, topic, rule.limit("ratio")));
    let limit = (class == "body-too-large").then(|| gateway_limits::body(case, service, names.get(operation))).flatten();
    finding.confidence = Belief::new()
        .with("requests for which no upstream was asked", Input::Requests, 0.65)
        .with_if(!reason.is_empty(), "the gateway's own reason", Input::Logs, 0.4)
        .with_if(calm, "the same requests succeed in the baseline", Input::Baseline, 0.4)
        .with_if(limit.is_some() || drift.is_some(), "the limit that the gateway is set to", Input::Configs, 0.3)
        .value();
    finding
        .measure_against("rejected", rejected.len() as f64, "requests", rule.limit("rejected"))
        .measure("requests", all as f64, "requests")
        .measure_against("route_percent", round(percent), "percent", rule.limit("route_percent"))
        .measure("status", f64::from(status), "")
        .measure("forwarded", forwarded as f64, "requests")
        .word("reason", reason)
        .word("class", class)
        .word(
            "limit",
            match (&limit, &drift) {
                (_, Some((drift, _))) => format!("{drift}."),
                (Some(limit), None) => format!("It is set so: {} is {}.", limit.key, limit.value),
                (None, None) => String::new(),
            },
        )
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
    if let Some(limit) = limit {
        finding.measure("limit_bytes", limit.amount, "bytes");
    }
    // A gateway that refuses a body does not read it: the error log knows its size, the access log only what was read.
    let mut sizes = if class == "body-too-large" { intended(case, service) } else { Vec::new() };
    if sizes.is_empty() {
        sizes.extend(rejected.iter().filter_map(|row| row.request_bytes));
    }
    sizes.sort_unstable();
    if let (Some(middle), Some(most)) = (sizes.get(sizes.len() / 2), sizes.last()) {
        finding.measure("request_bytes_p50", *middle as f64, "bytes").measure("request_bytes_max", *most as f64, "bytes");
    }
    let clients: BTreeSet<Sym> = rejected.iter().map(|row| row.client).collect();
    finding.measure("clients", clients.len() as f64, "clients");
    finding.cite(rejected.iter().take(6).map(|row| row.evidence));
    finding.cite(limit.map(|limit| limit.evidence).or(drift.map(|(_, evidence)| evidence)));
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

/// Whether requests of the operation succeed in the baseline, behind its gateway or without one.
fn works_there(baseline: &Case, rows: &[Served], operation: &str) -> bool {
    let names = &baseline.tables.names;
    let mut fits: BTreeMap<Sym, bool> = BTreeMap::new();
    let (mut all, mut well) = (0_usize, 0_usize);
    for row in rows {
        if *fits.entry(row.operation).or_insert_with(|| same_operation(names.get(row.operation), operation)) {
            all += 1;
            well += usize::from(row.well);
        }
    }
    all >= 3 && 20 * well >= 19 * all
}

/// Sizes of bodies that the gateway's error log says are too large.
fn intended(case: &Case, service: Sym) -> Vec<u64> {
    let Some(signal) = case.tables.names.find("gateway.body-too-large") else { return Vec::new() };
    let rows = case.tables.signals.iter().filter(|row| row.signal == signal && row.service == service && row.value.is_finite());
    rows.map(|row| row.value as u64).collect()
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
    fn the_limit_that_the_gateway_is_set_to() {
        let conf = "events { worker_connections 64; }\nhttp {\n  server {\n    listen 80;\n    client_max_body_size 2m;\n    location / { proxy_pass http://web; }\n  }\n}\n";
        let log: String =
            (0..100).map(|n| if n % 2 == 0 { line(n, "/upload", 413, "-") } else { line(n, "/orders", 200, "10.0.0.7:8080") }).collect();
        let found = check(&rule("gateway-rejection"), &bundle(&[("gateway/access.log", &log), ("gateway/nginx.conf", conf)]), None);
        assert_eq!(found.iter().map(|finding| measured(finding, "limit_bytes")).collect::<Vec<_>>(), [2_097_152.0]);
    }

    #[test]
    fn a_gateway_behind_a_proxy_and_the_bodies_it_refuses() {
        let same = |line: String| format!("127.0.0.1{}", &line[line.find(' ').unwrap_or(0)..]);
        let log: String =
            (0..100).map(|n| same(if n % 5 == 0 { line(n, "/upload", 413, "-") } else { line(n, "/upload", 200, "10.0.0.7:8080") })).collect();
        let errors: String = (0..20)
            .map(|n| format!("2026/01/01 10:00:{n:02} [error] 7#7: *{n} client intended to send too large body: 5242881 bytes, client: 127.0.0.1, server: shop, request: \"POST /upload HTTP/1.1\"\n"))
            .collect();
        let calm: String = (0..40)
            .map(|n| {
                format!("2026-01-01T10:00:{:02}.100Z  INFO 1 --- [web] [exec-1] c.a.RequestLog : POST /upload status=200 duration_ms=9\n", n % 60)
            })
            .collect();
        let case = bundle(&[("gateway/access.log", &log), ("gateway/error.log", &errors)]);
        let found = check(&rule("gateway-rejection"), &case, Some(&bundle(&[("web/app.log", &calm)])));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (measured(&found[0], "rejected"), measured(&found[0], "request_bytes_max"), measured(&found[0], "route_percent")),
            (20.0, 5_242_881.0, 20.0)
        );
        assert!(found[0].words["baseline"].contains("succeed") && found[0].confidence > 0.85);
    }

    /// Envoy's default format with Istio's details: who answered, and what was asked upstream.
    fn istio(n: u32, path: &str, status: u16, details: &str, flags: &str, upstream: &str) -> String {
        let service_time = if upstream == "-" { "-" } else { "12" };
        format!(
            "[2026-01-01T10:{:02}:{:02}.309Z] \"GET {path} HTTP/1.1\" {status} {flags} {details} - \"-\" 0 19 13 {service_time} \"10.1.0.{}\" \"app/1\" \"053c49b6-{n}\" \"orders:8000\" \"{upstream}\" inbound|8080|| 127.0.0.1:1 10.0.0.7:8080 10.0.0.9:1 - default\n",
            n / 60 % 60,
            n % 60,
            n % 9
        )
    }

    #[test]
    fn what_a_mesh_forbids_and_what_the_application_answered() {
        let forbidden: String = (0..100)
            .map(|n| match n % 2 {
                0 => istio(n, "/orders", 403, "rbac_access_denied_matched_policy[none]", "-", "-"),
                _ => istio(n, "/items", 200, "via_upstream", "-", "10.0.0.7:8080"),
            })
            .collect();
        let found = found(&forbidden);
        assert_eq!(found.iter().map(|f| (f.subject.operation.as_str(), f.words["class"].as_str())).collect::<Vec<_>>(), [("GET /orders", "acl")]);
        let answered: String =
            (0..100).map(|n| istio(n, "/orders", if n % 2 == 0 { 500 } else { 200 }, "via_upstream", "-", "10.0.0.7:8080")).collect();
        assert!(self::found(&answered).is_empty());
    }

    #[test]
    fn a_gateway_that_has_spans_only() {
        let shape = |gateway: &str, n: u32| match n % 4 {
            0 => format!("  {gateway} POST /upload 0-1 413\n"),
            _ => format!("  {gateway} GET /orders 0-10 200\n    > orders GET /orders 1-9 200\n      orders GET /orders 2-8 200\n"),
        };
        let found = |gateway: &str| {
            let text = crate::correlate::fixture::many(0..100, 500, |n| shape(gateway, n));
            check(&rule("gateway-rejection"), &crate::correlate::fixture::case(&text), None)
        };
        let at_gateway = found("api-gateway");
        assert_eq!(at_gateway.iter().map(|f| (f.words["class"].as_str(), measured(f, "rejected"))).collect::<Vec<_>>(), [("body-too-large", 25.0)]);
        assert!(found("web").is_empty(), "a service may refuse without asking anybody");
    }

    #[test]
    fn what_kong_refuses_without_asking() {
        let line = |n: u32| {
            let (status, proxy) = if n.is_multiple_of(2) { (401, -1) } else { (200, 5) };
            let path = if n.is_multiple_of(2) { "/orders" } else { "/items" };
            format!(
                "{{\"request\":{{\"method\":\"GET\",\"uri\":\"{path}\",\"size\":75}},\"response\":{{\"status\":{status},\"size\":434}},\"latencies\":{{\"request\":7,\"kong\":2,\"proxy\":{proxy}}},\"client_ip\":\"10.0.0.{}\",\"started_at\":{}}}\n",
                n % 9,
                1_795_428_000_000_u64 + u64::from(n) * 1000
            )
        };
        let found = check(&rule("gateway-rejection"), &bundle(&[("kong/access.json", &(0..100).map(line).collect::<String>())]), None);
        assert_eq!(found.iter().map(|f| f.subject.operation.as_str()).collect::<Vec<_>>(), ["GET /orders"]);
    }

    #[test]
    fn faults_that_are_injected_on_purpose() {
        let log: String = (0..100)
            .map(|n| match n % 2 {
                0 => istio(n, "/orders", 503, "fault_filter_abort", "FI", "-"),
                _ => istio(n, "/items", 200, "via_upstream", "-", "10.0.0.7:8080"),
            })
            .collect();
        assert!(found(&log).is_empty());
    }

    #[test]
    fn one_client_beyond_its_limit_is_no_fault() {
        let abusive = |n: u32| line(n, "/orders", 429, "-").replace(&format!("10.0.0.{} ", n % 9 + 1), "10.9.9.9 ");
        let log: String = (0..200).map(|n| if n % 5 == 0 { abusive(n) } else { line(n, "/orders", 200, "10.0.0.7:8080") }).collect();
        assert!(found(&log).is_empty());
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
