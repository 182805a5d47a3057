use crate::model::finding::{Finding, Severity};
use crate::rules::fixture::{bundle, check, measured, rule};

/// An access log of `count` requests, one a second; `status` gives that of the n-th.
fn access(count: u32, status: impl Fn(u32) -> u16) -> String {
    (0..count)
        .map(|n| {
            let (hours, minutes, seconds) = (10 + n / 3600, n / 60 % 60, n % 60);
            let path = if n % 2 == 0 { "/orders" } else { "/carts" };
            format!(
                "10.0.0.9 - - [01/Jan/2026:{hours:02}:{minutes:02}:{seconds:02} +0000] \"POST {path} HTTP/1.1\" {} 167 \"-\" \"app\"\n",
                status(n)
            )
        })
        .collect()
}

fn found(id: &str, files: &[(&str, &str)]) -> Vec<Finding> {
    check(&rule(id), &bundle(files), None)
}

const A: &str = "orders-7d9f8b6c5d-aaaaa/access.log";
const B: &str = "orders-7d9f8b6c5d-bbbbb/access.log";
const C: &str = "orders-7d9f8b6c5d-ccccc/access.log";

#[test]
fn one_bad_instance_of_three() {
    let (well, bad) = (access(1000, |n| if n == 500 { 500 } else { 200 }), access(1000, |n| if n % 36 == 5 { 500 } else { 200 }));
    let files = [(A, well.as_str()), (B, well.as_str()), (C, bad.as_str())];
    let failures = found("intermittent-5xx", &files);
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!((failures[0].kind.as_str(), failures[0].words["instance"].as_str()), ("instance", "orders-7d9f8b6c5d-ccccc"));
    assert_eq!((measured(&failures[0], "failed"), measured(&failures[0], "requests")), (30.0, 3000.0));
    let instance = found("instance-specific-5xx", &files);
    assert_eq!(instance.iter().map(|finding| finding.subject.key.as_str()).collect::<Vec<_>>(), ["orders-7d9f8b6c5d-ccccc"]);
}

#[test]
fn spread_over_all() {
    let log = access(2000, |n| if n % 97 == 3 { 500 } else { 200 });
    let failures = found("intermittent-5xx", &[(A, &log)]);
    assert_eq!((failures.len(), failures[0].severity), (1, Severity::High));
    assert!(found("instance-specific-5xx", &[(A, &log)]).is_empty());
}

#[test]
fn an_exception_beside_each_failure() {
    let app: String = (0..600)
        .map(|n| {
            let time = format!("2026-01-01T10:{:02}:{:02}", n / 60, n % 60);
            if n % 60 == 7 {
                format!("{time}.010Z ERROR 1 --- [pricing] [nio-8080-exec-1] o.a.c.c.C.[dispatcherServlet] : threw exception\njava.lang.NullPointerException: p is null\n\tat com.acme.PricingService.discount(P.java:101)\n{time}.012Z  INFO 1 --- [pricing] [nio-8080-exec-1] c.a.RequestLog : GET /prices/{n} status=500 duration_ms=3\n")
            } else {
                format!("{time}.012Z  INFO 1 --- [pricing] [nio-8080-exec-1] c.a.RequestLog : GET /prices/{n} status=200 duration_ms=3\n")
            }
        })
        .collect();
    let failures = found("intermittent-5xx", &[("pricing/app.log", &app)]);
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(failures[0].words["exception"].contains("java.lang.NullPointerException"), "{:?}", failures[0].words);
    assert!(found("unlogged-5xx", &[("pricing/app.log", &app)]).is_empty());
}

#[test]
fn failures_that_nobody_logged() {
    let app: String = (0..300)
        .map(|n| {
            format!(
                "2026-01-01T10:{:02}:{:02}.012Z  INFO 1 --- [pricing] [nio-8080-exec-1] c.a.RequestLog : GET /prices/{n} status={} duration_ms=3\n",
                n / 60,
                n % 60,
                if n % 20 == 7 { 500 } else { 200 }
            )
        })
        .collect();
    let unlogged = found("unlogged-5xx", &[("pricing/app.log", &app)]);
    assert_eq!(unlogged.iter().map(|finding| measured(finding, "unlogged")).collect::<Vec<_>>(), [15.0]);
}

#[test]
fn what_always_fails_is_another_fault() {
    assert!(found("intermittent-5xx", &[(A, &access(600, |n| if n % 2 == 1 { 500 } else { 200 }))]).is_empty());
}

#[test]
fn client_errors_and_few_failures_are_silent() {
    assert!(found("intermittent-5xx", &[(A, &access(600, |n| if n % 9 == 1 { 404 } else { 200 }))]).is_empty());
    assert!(found("intermittent-5xx", &[(A, &access(600, |n| if n % 200 == 1 { 500 } else { 200 }))]).is_empty());
    assert!(found("intermittent-5xx", &[(A, &access(3600, |n| if (600..606).contains(&n) { 502 } else { 200 }))]).is_empty(), "one episode");
}
