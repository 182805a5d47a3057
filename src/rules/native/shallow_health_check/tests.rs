use crate::model::finding::{Finding, Severity};
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
    assert_eq!((measured(&found[0], "failed"), measured(&found[0], "requests")), (200.0, 240.0));
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
