//! Breakers that help, and breakers that do not.

use crate::correlate::Case;
use crate::correlate::fixture::{BASE, given, many};
use crate::correlate::gather::gather;
use crate::model::finding::{Finding, Severity};
use crate::model::record::Level;
use crate::model::tables::{Signal, Tables};
use crate::model::time::{SECOND, Time};
use crate::rules::fixture::{bundle, check, measured, rule, rule_with};

/// What a breaker of `orders` says so many milliseconds after the beginning, about the trace of that number.
fn says(tables: &mut Tables, signal: &str, ms: i64, trace: Option<u32>) {
    let names = &mut tables.names;
    let (signal, name, service) = (names.intern(signal), names.intern("payments"), names.intern("orders"));
    let span = tables.spans.iter().find(|span| trace.is_some_and(|n| span.start.0 / 1_000_000 == BASE / 1_000_000 + i64::from(n) * 500));
    let (trace, evidence) = span.map_or_else(|| (crate::model::ids::TraceId::NONE, tables.spans[0].evidence), |span| (span.trace, span.evidence));
    let none = crate::model::names::Sym::NONE;
    tables.signals.push(Signal {
        signal,
        time: Time(BASE).plus(ms * 1_000_000),
        trace,
        service,
        instance: none,
        name,
        key: none,
        value: f64::NAN,
        level: Level::Info,
        evidence,
    });
}

/// Two hundred orders, one every half second; from the hundredth to the hundred and sixtieth payments fails, and after the
/// twentieth of these the breaker is open. `rejected` is the shape of an order whose call is turned away.
fn incident(rejected: &str, rejections: &[i64]) -> Case {
    let text = many(0..200, 500, |n| {
        match n {
        100..120 => "  web POST /checkout 0-60 !503\n    > orders POST /orders 1-59 !503\n      orders POST /orders 2-58 !503\n        > payments POST /pay 5-10 !503\n          payments POST /pay 6-9 !503\n".to_owned(),
        120..160 => rejected.to_owned(),
        _ => format!("  web POST /checkout 0-60 200\n    > orders POST /orders 1-59 200\n      orders POST /orders 2-58 200\n        > payments POST /pay 5-{} 200\n          payments POST /pay 6-30 200\n", 31 + n % 9),
    }
    });
    let mut tables = given(&text);
    says(&mut tables, "circuit-breaker.opened", 60_000, None);
    for n in 120..160 {
        rejections.iter().for_each(|after| says(&mut tables, "circuit-breaker.rejected", i64::from(n) * 500 + after, Some(n)));
    }
    says(&mut tables, "circuit-breaker.half-opened", 80_000, None);
    says(&mut tables, "circuit-breaker.closed", 80_200, None);
    gather(tables)
}

fn found(case: &Case) -> Vec<Finding> {
    check(&rule("ineffective-circuit-breaker"), case, None)
}

/// An order that is answered at once, by a default.
const HELPED: &str =
    "  web POST /checkout 0-20 200\n    > orders POST /orders 1-19 200\n      orders POST /orders 2-18 200\n        . payments.fallback 6-8\n";
/// The same with an honest error.
const REFUSED: &str = "  web POST /checkout 0-20 !503\n    > orders POST /orders 1-19 !503\n      orders POST /orders 2-18 !503\n";
/// An order that goes round three times, each with a fallback of two seconds and a half.
const DRAGGED: &str = "  web POST /checkout 0-8600 !504\n    > orders POST /orders 1-8590 !502\n      orders POST /orders 2-8580 !502\n        . payments.fallback 6-2506 !\n        . payments.fallback 3006-5506 !\n        . payments.fallback 6006-8506 !\n";

#[test]
fn a_breaker_that_opens_and_answers_at_once_is_silent() {
    for shape in [HELPED, REFUSED] {
        assert!(found(&incident(shape, &[6])).is_empty(), "{:?}", found(&incident(shape, &[6])));
    }
}

/// Two hours of orders; in the middle the side that `minutes` long fails is replaced by a default.
fn replaced(minutes: std::ops::Range<u32>) -> Case {
    let text = many(0..1440, 5_000, |n| {
        if minutes.contains(&(n / 12)) {
            HELPED.to_owned()
        } else {
            format!(
                "  web POST /checkout 0-60 200\n    > orders POST /orders 1-59 200\n      orders POST /orders 2-58 200\n        > payments POST /pay 5-{} 200\n          payments POST /pay 6-30 200\n",
                31 + n % 9
            )
        }
    });
    let mut tables = given(&text);
    let ms = |minute: u32| i64::from(minute) * 60_000;
    says(&mut tables, "circuit-breaker.opened", ms(minutes.start), None);
    for n in minutes.start * 12..minutes.end * 12 {
        says(&mut tables, "circuit-breaker.rejected", i64::from(n) * 5_000 + 6, None);
    }
    says(&mut tables, "circuit-breaker.closed", ms(minutes.end), None);
    gather(tables)
}

#[test]
fn defaults_that_go_on_and_on_are_said_quietly() {
    assert!(found(&replaced(50..55)).is_empty(), "five minutes are what a fallback is for: {:?}", found(&replaced(50..55)));
    let findings = found(&replaced(40..80));
    assert_eq!(
        findings.iter().map(|f| (f.kind.as_str(), f.severity)).collect::<Vec<_>>(),
        [("fallback-masks-failure", Severity::Low)],
        "{findings:?}"
    );
    assert_eq!(measured(&findings[0], "fallbacks"), 480.0);
}

#[test]
fn a_retry_around_an_open_breaker_with_a_slow_fallback() {
    let findings = found(&incident(DRAGGED, &[5, 3005, 6005]));
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    let subject = &finding.subject;
    assert_eq!((subject.service.as_str(), subject.peer.as_str(), finding.severity), ("orders", "payments", Severity::Critical));
    assert_eq!(finding.kind, "retried-open");
    assert!(finding.words["reasons"].contains("fallback takes 2.5 s"), "{:?}", finding.words);
    assert!(finding.services.contains(&"web".to_owned()) && finding.confidence >= 0.85, "{finding:?}");
    for (name, value) in [("not_permitted", 120.0), ("to_open", 1.0), ("transitions", 3.0), ("rejections_per_request", 3.0), ("fallback_p50", 2500.0)]
    {
        assert!((measured(finding, name) - value).abs() <= value * 0.02, "{name} {}", measured(finding, name));
    }
    assert_eq!((measured(finding, "requests"), measured(finding, "failed_requests")), (73.0, 60.0));
    let seconds = |time: Time| time.since(Time(BASE)) / SECOND;
    assert!((49..=51).contains(&seconds(finding.window.start)) && (78..=88).contains(&seconds(finding.window.end)), "{:?}", finding.window);
}

#[test]
fn a_retry_alone_is_named_by_its_trace() {
    let rule = rule_with("ineffective-circuit-breaker", &[("calls", 1.0), ("retried", 1.0)]);
    let findings = check(
        &rule,
        &incident(
            "  web POST /checkout 0-1200 !503\n    > orders POST /orders 1-1190 !503\n      orders POST /orders 2-1180 !503\n",
            &[5, 505, 1005],
        ),
        None,
    );
    assert_eq!(findings.iter().map(|finding| finding.kind.as_str()).collect::<Vec<_>>(), ["retried-open"]);
}

/// Calls of `orders` in two thirds of the time, with the breaker's gauges beside them.
fn gauged(call: &str, order: &str, failure_rate: f64) -> Case {
    let text = many(0..300, 400, |n| {
        let (call, order) = if n < 100 { ("5-40 200", "0-60 200") } else { (call, order) };
        format!(
            "  web POST /checkout {order}\n    > orders POST /orders {order}\n      orders POST /orders {order}\n        > payments POST /pay {call}\n"
        )
    });
    let mut tables = given(&text);
    let mut prom = String::new();
    for n in 0..12_i64 {
        let at = BASE / 1_000_000 + n * 10_000;
        prom += &format!("resilience4j_circuitbreaker_state{{name=\"payments\",state=\"closed\"}} 1 {at}\n");
        prom += &format!("resilience4j_circuitbreaker_state{{name=\"payments\",state=\"open\"}} 0 {at}\n");
        prom += &format!("resilience4j_circuitbreaker_failure_rate{{name=\"payments\"}} {failure_rate} {at}\n");
    }
    tables.absorb(bundle(&[("orders/metrics.prom", &prom)]).tables);
    gather(tables)
}

#[test]
fn failures_that_never_open_it() {
    let blind = found(&gauged("5-30 !503", "0-60 !503", -1.0));
    let [finding] = blind.as_slice() else { panic!("{blind:?}") };
    assert_eq!(finding.kind, "never-opened");
    assert!(finding.words["reasons"].contains("(-1)"), "{:?}", finding.words);
    let blind = found(&gauged("5-30 !503", "0-60 200", -1.0));
    assert!(blind.is_empty(), "nobody suffers: {blind:?}");
}

/// Instances with four calls a minute each, as the breakers' own metrics tell them, and nothing else. `kind` is what the breaker
/// takes the bad ones for; from `opens` on it is open.
fn counted_alone(instances: i64, failed_percent: i64, kind: &str, opens: i64) -> Case {
    let mut prom = String::new();
    for (minute, instance) in (0..11_i64).flat_map(|minute| (0..instances).map(move |instance| (minute, instance))) {
        let (at, failed) = (BASE / 1_000_000 + minute * 60_000, minute * 4 * failed_percent / 100);
        let labels = format!("application=\"orders\",instance=\"orders-{instance}\",name=\"inventory\"");
        for (metric, label, value) in [
            ("calls_seconds_count", &format!(",kind=\"{kind}\"") as &str, failed),
            ("calls_seconds_count", ",kind=\"successful\"", minute * 4 - failed),
            ("failure_rate", "", -1),
            ("state", ",state=\"closed\"", i64::from(minute < opens)),
            ("state", ",state=\"open\"", i64::from(minute >= opens)),
        ] {
            prom += &format!("resilience4j_circuitbreaker_{metric}{{{labels}{label}}} {value} {at}\n");
        }
    }
    bundle(&[("metrics.prom", &prom)])
}

#[test]
fn too_few_calls_on_each_instance_seen_in_metrics_alone() {
    let blind = found(&counted_alone(12, 90, "failed", 99));
    let [finding] = blind.as_slice() else { panic!("{blind:?}") };
    assert_eq!((finding.kind.as_str(), finding.severity, finding.subject.peer.as_str()), ("never-opened", Severity::Medium, "inventory"));
    assert!(finding.words["reasons"].contains("(-1)"), "{:?}", finding.words);
    assert_eq!(finding.words["outcome"], "432 of 480 calls failed");
    for (why, case) in [
        ("a breaker is not there for every fifth call", counted_alone(12, 20, "failed", 99)),
        ("one instance makes too few calls to judge", counted_alone(1, 90, "failed", 99)),
        ("errors that are the caller's own are ignored rightly", counted_alone(12, 90, "ignored", 99)),
        ("it opens", counted_alone(12, 90, "failed", 3)),
    ] {
        let well = found(&case);
        assert!(well.is_empty(), "{why}: {well:?}");
    }
}

#[test]
fn slow_calls_that_are_not_counted() {
    let slow = found(&gauged("5-8000 200", "0-8020 200", 0.0));
    let [finding] = slow.as_slice() else { panic!("{slow:?}") };
    assert_eq!((finding.kind.as_str(), finding.severity), ("slow-not-counted", Severity::Medium));
    assert!(finding.words["reasons"].contains("after 60 s"), "{:?}", finding.words);
}

#[test]
fn business_errors_and_few_calls_are_silent() {
    let missing = found(&gauged("5-30 404", "0-60 404", 0.0));
    assert!(missing.is_empty(), "{missing:?}");
    let few = many(0..30, 400, |n| format!("  web POST / 0-60 !503\n    > payments POST /pay 5-{} !503\n", 20 + n % 3));
    let mut tables = given(&few.replace("web", "orders"));
    says(&mut tables, "circuit-breaker.failed-call", 10, None);
    assert!(found(&gather(tables)).is_empty());
}

#[test]
fn calls_that_go_past_an_open_breaker() {
    let text = many(0..200, 500, |n| {
        let call = if n < 100 { "5-40 200" } else { "5-30 !503" };
        let order = if n < 100 { "0-60 200" } else { "0-60 !503" };
        format!(
            "  web POST /checkout {order}\n    > orders POST /orders {order}\n      orders POST /orders {order}\n        > payments POST /pay {call}\n"
        )
    });
    let mut tables = given(&text);
    says(&mut tables, "circuit-breaker.opened", 55_000, None);
    (111..120).for_each(|n| says(&mut tables, "circuit-breaker.rejected", i64::from(n) * 500 + 5, Some(n)));
    let findings = found(&gather(tables));
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!(finding.kind, "not-covering");
}

/// Only log records: no spans, no metrics, but the trace in every line.
#[test]
fn logs_alone_tell_it() {
    let mut log = String::new();
    let mut line = |ms: i64, n: i64, level: &str, text: &str| {
        let at = Time(BASE).plus(ms / 1000 * SECOND).rfc3339().replace('T', " ").replace('Z', &format!(".{:03}", ms % 1000));
        log.push_str(&format!("{at} {level:>5} [orders,{n:032x},{n:016x}] 1 --- [nio-8080-exec-1] c.a.Orders : {text}\n"));
    };
    for n in 1..=100_i64 {
        line(n * 500 + 50, n, "INFO", "POST /orders 201 50ms method=POST path=/orders status=201 duration_ms=50");
    }
    line(50_400, 200, "WARN", "CircuitBreaker 'payments' changed state from CLOSED to OPEN");
    for n in 101..=160_i64 {
        for round in 0..3 {
            let at = n * 500 + round * 3000;
            line(at, n, "INFO", "CircuitBreaker 'payments' recorded a call which was not permitted.");
            line(at + 1, n, "WARN", "executing fallback for payments: CircuitBreaker 'payments' is OPEN and does not permit further calls");
            line(at + 2500, n, "WARN", "legacy ledger: no connection available");
        }
        line(n * 500 + 8600, n, "ERROR", "POST /orders 502 8600ms method=POST path=/orders status=502 duration_ms=8600");
    }
    let findings = found(&bundle(&[("orders.log", &log)]));
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!((finding.subject.service.as_str(), finding.kind.as_str()), ("orders", "retried-open"));
    assert!(finding.words["reasons"].contains("fallback takes 2.5 s"), "{:?}", finding.words);
    assert_eq!((measured(finding, "not_permitted"), measured(finding, "failed_requests")), (180.0, 60.0));
}

/// Two hundred orders on four instances; payments fails from the fiftieth on, and the breakers of `opened` instances open.
fn on_instances(opened: &[u32]) -> Case {
    let text = many(0..200, 500, |n| {
        let at = n % 4;
        let (status, call) = match n {
            0..50 => ("200", format!("        > payments POST /pay 5-30 200 at=orders-{at}\n")),
            _ if n > 80 && opened.contains(&at) => ("!503", String::new()),
            _ => ("!503", format!("        > payments POST /pay 5-{} !503 at=orders-{at}\n", 20 + n % 5)),
        };
        format!(
            "  web POST /checkout 0-60 {status}\n    > orders POST /orders 1-59 {status}\n      orders POST /orders 2-58 {status} at=orders-{at}\n{call}"
        )
    });
    let mut tables = given(&text);
    for at in opened {
        says(&mut tables, "circuit-breaker.opened", 40_000 + i64::from(*at), None);
        let instance = tables.names.intern(&format!("orders-{at}"));
        tables.signals.last_mut().unwrap_or_else(|| panic!("a signal")).instance = instance;
        (81..200).filter(|n| n % 4 == *at).for_each(|n| says(&mut tables, "circuit-breaker.rejected", i64::from(n) * 500 + 6, Some(n)));
    }
    gather(tables)
}

#[test]
fn a_breaker_that_opens_on_one_instance_of_four() {
    let reasons = |case: &Case| found(case).iter().map(|finding| finding.words["reasons"].clone()).collect::<String>();
    let told = reasons(&on_instances(&[2]));
    assert!(told.contains("on 1 of 4 instances"), "{told}");
    let told = reasons(&on_instances(&[0, 1, 2, 3]));
    assert!(!told.contains("instances"), "it opened everywhere: {told}");
}

/// Payments fails for a minute; orders' breaker opens and stays so for five, while the shop asks payments by itself.
fn stays_open(well: bool, minutes: i64) -> Case {
    let text = many(0..720, 500, |n| {
        let ill = (60..180).contains(&n) || n >= 60 && !well;
        if n % 2 == 0 {
            return format!("  payments POST /pay 6-30 {}\n", if ill { "!503" } else { "200" });
        }
        match n {
            0..60 => "  orders POST /orders 2-58 200\n    > payments POST /pay 5-31 200\n      payments POST /pay 6-30 200\n".to_owned(),
            60..120 => "  orders POST /orders 2-58 !503\n    > payments POST /pay 5-10 !503\n      payments POST /pay 6-9 !503\n".to_owned(),
            _ => "  orders POST /orders 2-4 !503\n".to_owned(),
        }
    });
    let mut tables = given(&text);
    says(&mut tables, "circuit-breaker.opened", 60_000, None);
    let last = (120 + minutes * 120).min(720);
    (120..last).filter(|n| n % 2 == 1).for_each(|n| says(&mut tables, "circuit-breaker.rejected", n * 500 + 3, u32::try_from(n).ok()));
    gather(tables)
}

#[test]
fn a_breaker_that_stays_open() {
    let stuck = |case: &Case| found(case).iter().any(|finding| finding.words["reasons"].contains("without trying a call"));
    assert!(stuck(&stays_open(true, 5)), "{:?}", found(&stays_open(true, 5)));
    assert!(!stuck(&stays_open(false, 5)), "the other side is still ill");
    assert!(!stuck(&stays_open(true, 1)), "it may still wait");
}
