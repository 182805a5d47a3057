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
fn a_version_on_all_of_its_instances() {
    let (well, bad) = (access(1000, |n| if n == 500 { 500 } else { 200 }), access(1000, |n| if n % 49 == 5 { 500 } else { 200 }));
    let pods = |old: &'static str, new: &'static str| {
        [(format!("orders-{old}-aaaa2/access.log"), &well), (format!("orders-{old}-bbbb2/access.log"), &well)]
            .into_iter()
            .chain([(format!("orders-{new}-cccc2/access.log"), &bad), (format!("orders-{new}-dddd2/access.log"), &bad)])
            .collect::<Vec<_>>()
    };
    let of =
        |pods: &[(String, &String)]| found("intermittent-5xx", &pods.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>());
    let failures = of(&pods("7d9f8b6c5d", "66c4b9f7d8"));
    assert_eq!(
        (failures.len(), failures[0].kind.as_str(), failures[0].words["version"].as_str()),
        (1, "version", "orders-66c4b9f7d8"),
        "{failures:?}"
    );
    // Two bad instances of the same version as the good ones have something else in common.
    assert_eq!(of(&pods("7d9f8b6c5d", "7d9f8b6c5d"))[0].kind, "");
    // And a version that fails as rarely as the other is none to blame.
    let even: Vec<_> = pods("7d9f8b6c5d", "66c4b9f7d8").into_iter().map(|(path, _)| (path, &bad)).collect();
    assert_eq!(of(&even)[0].kind, "");
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

/// A log of collections on a pod: long pauses that end at these seconds after ten o'clock.
fn pauses(at: &[u32]) -> String {
    let line = |(n, second): (usize, &u32)| {
        format!(
            "[2026-01-01T10:{:02}:{:02}.000+0000][info][gc] GC({n}) Pause Full (G1 Compaction Pause) 900M->850M(1024M) 2100.000ms\n",
            second / 60,
            second % 60
        )
    };
    at.iter().enumerate().map(line).collect()
}

#[test]
fn failures_in_pauses_of_the_collector() {
    let fails = [189, 190, 191, 701, 702, 703, 1144, 1145, 1146, 1147, 190 + 60, 1500];
    let log = access(1800, |n| if fails.contains(&n) { 503 } else { 200 });
    let gc = pauses(&[191, 703, 1147]);
    let with = |gc: &str| found("intermittent-5xx", &[(A, &log), ("orders-7d9f8b6c5d-aaaaa/gc.log", gc)]);
    let failures = with(&gc);
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!((measured(&failures[0], "in_pauses"), measured(&failures[0], "pauses")), (9.0, 3.0));
    assert!((measured(&failures[0], "in_pauses_percent") - 75.0).abs() < 0.1 && measured(&failures[0], "in_pauses_expected_percent") < 1.0);
    assert!(failures[0].words["pauses"].contains("9 of them"), "{:?}", failures[0].words);
    // Pauses at other times, short ones, and so many that failures meet them by chance.
    let short = gc.replace("2100.000ms", "110.000ms");
    let many = pauses(&(0..300).map(|n| n * 6).collect::<Vec<_>>());
    for gc in [pauses(&[60, 400, 900]), short, many] {
        assert_eq!(with(&gc)[0].words["pauses"], "");
    }
}

#[test]
fn clients_that_go_away_are_no_failures() {
    let access = access(1200, |n| if n % 30 == 4 { 499 } else { 200 });
    let app: String = (0..40)
        .map(|n| format!("2026-01-01T10:{:02}:{:02}.010Z  WARN 1 --- [orders] [nio-8080-exec-1] o.a.c.c.C.[dispatcherServlet] : threw exception\norg.apache.catalina.connector.ClientAbortException: java.io.IOException: Broken pipe\n\tat org.apache.catalina.connector.OutputBuffer.realWriteBytes(OutputBuffer.java:353)\n", n / 2, n % 2 * 30 + 4))
        .collect();
    for id in ["intermittent-5xx", "instance-specific-5xx", "unlogged-5xx"] {
        assert!(found(id, &[(A, &access), ("orders-7d9f8b6c5d-aaaaa/app.log", &app)]).is_empty(), "{id}");
    }
}
