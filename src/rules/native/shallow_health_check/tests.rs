use crate::model::finding::{Finding, Severity};
use crate::model::time::{SECOND, Time};
use crate::rules::fixture::{bundle, check, measured, rule};

/// An access log of six minutes: a probe every five seconds, `business` gives path and status of the n-th request (one in 1.5 s).
fn access(probe: impl Fn(u32) -> u16, business: impl Fn(u32) -> (&'static str, u16)) -> String {
    let mut lines: Vec<(u32, String)> = Vec::new();
    let line = |ms: u32, method: &str, path: &str, status: u16| {
        let (minutes, seconds) = (ms / 60_000, ms / 1000 % 60);
        format!("10.0.0.9 - - [01/Jan/2026:10:{minutes:02}:{seconds:02} +0000] \"{method} {path} HTTP/1.1\" {status} 167 \"-\" \"kube-probe/1.29\"\n")
    };
    lines.extend((0..72).map(|n| (n * 5000, line(n * 5000, "GET", "/actuator/health/readiness", probe(n * 5)))));
    lines.extend((0..240).map(|n| {
        let (path, status) = business(n);
        (n * 1500 + 1, line(n * 1500, "POST", path, status))
    }));
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

fn found(files: &[(&str, &str)]) -> Vec<Finding> {
    check(&rule("shallow-health-check"), &bundle(files), None)
}

#[test]
fn green_while_users_fail() {
    let log = access(|_| 200, |n| (if n % 2 == 0 { "/orders" } else { "/carts" }, if n % 6 == 0 { 200 } else { 500 }));
    let found = found(&[("orders-7d9f8b6c5d-aaaaa/access.log", &log)]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].severity, found[0].subject.service.as_str()), (Severity::Critical, "orders"));
    assert_eq!((measured(&found[0], "failed"), measured(&found[0], "requests")), (200.0, 239.0), "from the first failure to the last");
    assert!(measured(&found[0], "blind_s") > 300.0);
}

#[test]
fn one_instance_of_three() {
    let well = access(|_| 200, |_| ("/orders", 200));
    let ill = access(|_| 200, |n| (if n % 2 == 0 { "/orders" } else { "/carts" }, if n % 20 < 11 { 200 } else { 500 }));
    let found = found(&[
        ("orders-7d9f8b6c5d-aaaaa/access.log", &well),
        ("orders-7d9f8b6c5d-bbbbb/access.log", &ill),
        ("orders-7d9f8b6c5d-ccccc/access.log", &well),
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].kind.as_str(), found[0].subject.key.as_str()), ("per-instance", "orders-7d9f8b6c5d-bbbbb"));
}

#[test]
fn honest_probes_are_silent() {
    let log = access(|second| if second < 60 { 200 } else { 503 }, |n| ("/orders", if n > 40 { 500 } else { 200 }));
    assert!(found(&[("orders-0/access.log", &log)]).is_empty());
}

#[test]
fn client_errors_and_short_failures_are_silent() {
    let log = access(|_| 200, |n| ("/items", if n % 3 == 0 { 404 } else { 200 }));
    assert!(found(&[("orders-0/access.log", &log)]).is_empty());
    let log = access(|_| 200, |n| ("/items", if (100..106).contains(&n) { 500 } else { 200 }));
    assert!(found(&[("orders-0/access.log", &log)]).is_empty(), "nine seconds");
}

#[test]
fn few_requests_say_nothing() {
    let log: String = access(|_| 200, |n| ("/items", if n < 2 { 500 } else { 200 }))
        .lines()
        .enumerate()
        .filter(|(n, line)| line.contains("actuator") || n % 18 == 0)
        .map(|(_, line)| format!("{line}\n"))
        .collect();
    assert!(found(&[("orders-0/access.log", &log)]).is_empty());
}

#[test]
fn no_probes_no_verdict() {
    let log: String =
        access(|_| 200, |_| ("/orders", 500)).lines().filter(|line| !line.contains("actuator")).map(|line| format!("{line}\n")).collect();
    assert!(found(&[("orders-0/access.log", &log)]).is_empty());
}

/// Counters of a service, scraped every fifteen seconds for ten minutes: what each scrape adds, by path and status.
fn counters(adds: impl Fn(u32, &str, u16) -> u32) -> String {
    let mut sums = [0_u32; 4];
    let series = [("/actuator/health", 200), ("/orders", 200), ("/orders", 500), ("/carts", 500)];
    (0..40_u32)
        .map(|n| {
            let lines = series.iter().zip(&mut sums).map(|((uri, status), sum)| {
                *sum += adds(n, uri, *status);
                format!(
                    "http_server_requests_seconds_count{{uri=\"{uri}\",status=\"{status}\"}} {sum} {}\n",
                    1_795_428_000_000_i64 + i64::from(n) * 15_000
                )
            });
            lines.collect::<String>()
        })
        .collect()
}

#[test]
fn counters_alone() {
    let ill = |n: u32, uri: &str, status: u16| match (uri, status) {
        ("/actuator/health", _) => 3,
        (_, 200) => 20,
        _ if n > 10 => 12,
        _ => 0,
    };
    let one = found(&[("orders/metrics.prom", &counters(ill))]);
    assert_eq!((one.len(), one[0].subject.service.as_str()), (1, "orders"), "{one:?}");
    assert!((measured(&one[0], "failed_percent") - 54.5).abs() < 3.0);
    let well = |_: u32, uri: &str, status: u16| if uri.ends_with("health") { 3 } else { u32::from(status == 200) * 20 };
    assert!(found(&[("orders/metrics.prom", &counters(well))]).is_empty());
}

#[test]
fn spans_alone() {
    let text = |ill: &str| {
        crate::correlate::fixture::many(0..360, 1000, |n| match (n % 5, n % 2) {
            (0, _) => "  orders GET /actuator/health 0-2 200 at=orders-1".to_owned(),
            (_, 0) => format!("  orders POST /orders 0-20 {ill} at=orders-1"),
            _ => "  orders GET /carts 0-20 200 at=orders-1".to_owned(),
        })
    };
    let check = |text: &str| check(&rule("shallow-health-check"), &crate::correlate::fixture::case(text), None);
    assert_eq!(check(&text("!500")).len(), 1);
    assert!(check(&text("404")).is_empty());
}

#[test]
fn only_the_gateway_sees_it() {
    let own: String =
        access(|_| 200, |_| ("/orders", 200)).lines().filter(|line| line.contains("actuator")).map(|line| format!("{line}\n")).collect();
    let gateway = |bad: u32| -> String {
        (0..360_u32)
            .map(|n| {
                let status = if n % 100 < bad { 504 } else { 200 };
                format!("10.0.0.9 - - [01/Jan/2026:10:{:02}:{:02} +0000] \"POST /{} HTTP/1.1\" {status} 167 \"-\" \"curl\" rt=1.002 us=\"{status}\" ua=\"orders-0:8080\"\n", n / 60, n % 60, if n % 2 == 0 { "orders" } else { "carts" })
            })
            .collect()
    };
    let busy = |busy: u32| format!("tomcat_threads_busy_threads {busy} 1767261780000\ntomcat_threads_config_max_threads 200 1767261780000\n");
    let deploy = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: orders\nspec:\n  template:\n    spec:\n      containers:\n      - name: orders\n        ports:\n        - containerPort: 8080\n        readinessProbe:\n          httpGet:\n            path: /actuator/health/readiness\n            port: 8081\n";
    let files = |bad: u32| {
        found(&[("orders-0/access.log", &own), ("gateway/access.log", &gateway(bad)), ("orders-0/metrics.prom", &busy(200)), ("deploy.yaml", deploy)])
    };
    let one = files(38);
    assert_eq!((one.len(), one[0].kind.as_str(), one[0].subject.service.as_str()), (1, "separate-port", "orders"), "{one:?}");
    assert!(one[0].words["reason"].contains("200 of 200") && one[0].words["reason"].contains("8081"));
    assert!(files(0).is_empty());
}

#[test]
fn a_dependency_that_is_not_asked() {
    let log = access(|_| 200, |n| ("/orders", if n % 6 == 0 { 200 } else { 500 }));
    let errors: String = (0..200).map(|n| format!("{{\"time\":\"2026-01-01T10:{:02}:{:02}Z\",\"level\":\"ERROR\",\"msg\":\"order failed\",\"stack_trace\":\"io.lettuce.core.RedisCommandTimeoutException: Redis command timed out\\n\\tat a.B.c(B.java:1)\"}}\n", n / 34, n % 34)).collect();
    let one = found(&[("orders-7d9f8b6c5d-aaaaa/access.log", &log), ("orders-7d9f8b6c5d-aaaaa/app.json", &errors)]);
    assert_eq!((one.len(), one[0].kind.as_str(), one[0].severity), (1, "dependency-not-probed", Severity::Critical), "{one:?}");
    let body = "{\"status\":\"UP\",\"components\":{\"redis\":{\"status\":\"DOWN\"}}}";
    let one = found(&[("orders-7d9f8b6c5d-aaaaa/access.log", &log), ("orders-7d9f8b6c5d-aaaaa/app.json", &errors), ("orders/health.json", body)]);
    assert_eq!(one[0].kind, "component-down-masked");
}

#[test]
fn an_incident_lasts_from_its_first_failure_to_its_last() {
    // From 10:01:04 to 10:04:10 every second request fails, otherwise one in fifty.
    let bad = |n: u32| if (43..=167).contains(&n) { n % 2 == 1 } else { n % 50 == 10 };
    let log = access(|_| 200, |n| (if n % 4 == 1 { "/orders" } else { "/carts" }, if bad(n) { 500 } else { 200 }));
    let found = found(&[("orders-7d9f8b6c5d-aaaaa/access.log", &log)]);
    let [one] = found.as_slice() else { panic!("{found:?}") };
    let seconds = |time: crate::model::time::Time| time.0 / 1_000_000_000 % 3600;
    assert_eq!((seconds(one.window.start), seconds(one.window.end)), (64, 250));
    assert_eq!((measured(one, "failed"), measured(one, "requests"), measured(one, "probes")), (63.0, 125.0, 38.0));
}

/// Servers that write their access log as messages of their own log: uvicorn as JSON, werkzeug as text.
#[test]
fn request_lines_in_messages() {
    let json = |n: u32, line: &str| {
        format!(
            "{{\"asctime\": \"2026-01-01 10:{:02}:{:02},250\", \"level\": \"INFO\", \"logger\": \"uvicorn.access\", \"message\": \"10.1.2.3:4{n:04} - \\\"{line}\"}}\n",
            n / 60,
            n % 60
        )
    };
    let log = |bad: u32| -> String {
        (0..240_u32)
            .flat_map(|n| {
                let status = if n >= 80 && n % 3 < bad { 500 } else { 200 };
                let probe = (n % 5 == 0).then(|| json(n, "GET /healthz HTTP/1.1\\\" 200"));
                let path = if n % 2 == 0 { "bags" } else { "seats" };
                probe.into_iter().chain((0..2).map(move |_| json(n, &format!("POST /{path} HTTP/1.1\\\" {status}")))).collect::<Vec<_>>()
            })
            .collect()
    };
    let one = found(&[("boarding-6c8d94b5f7-q2v9x/boarding.log", &log(2))]);
    assert_eq!((one.len(), one[0].subject.service.as_str()), (1, "boarding"), "{one:?}");
    assert!(found(&[("boarding-6c8d94b5f7-q2v9x/boarding.log", &log(0))]).is_empty());
}

#[test]
fn what_fails_now_and_then_before_the_onset_is_not_part_of_it() {
    let seconds = |times: &[i64], from: i64, until: i64| {
        let window = super::lasted(times.iter().map(|at| Time(at * SECOND)), (from * SECOND, until * SECOND), 60 * SECOND);
        (window.start.0 / SECOND, window.end.0 / SECOND)
    };
    let outage: Vec<i64> = (100..=160).collect();
    let with = |strays: &[i64]| [strays, &outage].concat();
    assert_eq!(seconds(&outage, 60, 180), (100, 160));
    assert_eq!(seconds(&with(&[65, 82]), 60, 180), (100, 160), "two strays in its first window");
    assert_eq!(seconds(&outage, 120, 180), (100, 160), "a border in the midst of it");
}
