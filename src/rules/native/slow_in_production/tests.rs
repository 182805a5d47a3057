use crate::correlate::fixture::{case, many};
use crate::model::finding::{Finding, Severity};
use crate::rules::fixture::{bundle, check, measured, rule};

fn found(here: &str, there: &str) -> Vec<Finding> {
    check(&rule("slow-in-production"), &case(here), Some(&case(there)))
}

/// Reports that ask a database once.
fn reports(count: u32, length: u32, query: u32) -> String {
    many(0..count, 900, |n| {
        let end = length + n % 20;
        format!("  reports GET /report 0-{end}\n    > db SELECT 10-{} system=postgresql\n", 10 + query)
    })
}

#[test]
fn each_call_slower() {
    let found = found(&reports(40, 950, 850), &reports(40, 90, 30));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].severity, found[0].subject.service.as_str(), found[0].subject.operation.as_str()),
        (Severity::High, "reports", "GET /report")
    );
    assert!(found[0].words["attribution"].contains("each call takes 850 ms instead of 30 ms"), "{}", found[0].words["attribution"]);
    assert!((measured(&found[0], "p50_ms") - 960.0).abs() < 20.0);
}

#[test]
fn more_calls() {
    let listing = |items: u32| {
        many(0..40, 900, |_| {
            let calls: String = (0..items).map(|n| format!("    > db SELECT {}-{} system=postgresql raw=q{n}\n", 5 + n * 10, 13 + n * 10)).collect();
            format!("  shop GET /orders 0-{}\n{calls}", 10 + items * 10)
        })
    };
    let found = found(&listing(30), &listing(2));
    assert!(found[0].words["attribution"].contains("30.0 calls a request instead of 2.0"), "{}", found[0].words["attribution"]);
}

#[test]
fn who_only_waits_is_not_meant() {
    let chain =
        |own: u32| many(0..40, 900, |_| format!("  web GET / 0-{}\n    > stock GET /s 2-{}\n      stock GET /s 3-{}\n", own + 10, own + 6, own + 5));
    let found = found(&chain(600), &chain(20));
    assert_eq!(found.iter().map(|finding| finding.subject.service.as_str()).collect::<Vec<_>>(), ["stock"]);
    assert!(found[0].words["attribution"].contains("its own work"));
}

#[test]
fn another_mix_is_no_change() {
    let mixed =
        |heavy: u32| many(0..60, 500, |n| if n % 10 < heavy { "  web GET /export 0-900\n".to_owned() } else { "  web GET /home 0-20\n".to_owned() });
    assert!(found(&mixed(8), &mixed(2)).is_empty());
}

#[test]
fn little_or_few_is_no_finding() {
    let home = |count: u32, length: u32| many(0..count, 500, |n| format!("  web GET /home 0-{}\n", length + n % 5));
    assert!(found(&home(60, 40), &home(60, 12)).is_empty(), "30 ms more");
    assert!(found(&home(8, 900), &home(60, 12)).is_empty(), "eight requests");
    assert!(found(&home(60, 1000), &home(60, 900)).is_empty(), "a tenth more");
}

#[test]
fn streams_last_as_long_as_somebody_listens() {
    let stream = |length: u32| many(0..40, 500, |_| format!("  web GET /events/stream 0-{length}\n"));
    assert!(found(&stream(60_000), &stream(5000)).is_empty());
}

#[test]
fn access_logs_alone() {
    let log = |seconds: f64| -> String {
        (0..60)
            .map(|n| {
                let time = seconds + f64::from(n % 7) / 1000.0;
                format!("10.0.0.9 - - [23/Nov/2026:10:00:{n:02} +0000] \"GET /api/report HTTP/1.1\" 200 167 \"-\" \"curl\" rt={time:.3}\n")
            })
            .collect()
    };
    let (here, there) = (log(0.8), log(0.05));
    let found = check(&rule("slow-in-production"), &bundle(&[("web/access.log", &here)]), Some(&bundle(&[("web/access.log", &there)])));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].subject.service, "web");
    assert!(found[0].confidence < 0.95);
}

fn alone(text: &str) -> Vec<Finding> {
    check(&rule("slow-in-production"), &case(text), None)
}

#[test]
fn without_a_baseline_most_is_silent() {
    assert!(alone(&reports(60, 600, 500)).is_empty(), "half a second");
    assert!(alone(&reports(12, 2000, 1900)).is_empty(), "few");
    assert!(alone(&reports(60, 2000, 700)).is_empty(), "mostly its own work");
    let stream = many(0..60, 900, |_| "  feed GET /events 0-9000\n    > bus GET /events 5-8990\n".to_owned());
    assert!(alone(&stream).is_empty(), "somebody listens");
    let two = many(0..60, 4000, |_| "  web GET / 0-3000\n    > a GET /a 5-1500\n    > b GET /b 1510-2990\n".to_owned());
    assert!(alone(&two).is_empty(), "two sides");
    let once = many(0..150, 900, |n| {
        let end = if n < 60 { 2000 } else { 80 };
        format!("  reports GET /report 0-{end}\n    > db SELECT 10-{} system=postgresql\n", end - 10)
    });
    assert!(alone(&once).is_empty(), "slow for a while");
}

#[test]
fn without_a_baseline_one_side_that_holds_the_time_is_a_remark() {
    let found = alone(&reports(60, 2000, 1900));
    let [finding] = found.as_slice() else { panic!("{found:?}") };
    let rule = rule("slow-in-production");
    assert!(rule.title(&finding.kind) != rule.title && rule.title("") == rule.title, "it is compared with nothing");
    assert_eq!((finding.kind.as_str(), finding.severity, finding.subject.service.as_str()), ("alone", Severity::Low, "reports"));
    assert!(finding.confidence <= 0.6 && (measured(finding, "share_percent") - 94.0).abs() < 3.0, "{finding:?}");
}
