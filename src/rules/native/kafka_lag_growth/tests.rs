use crate::model::finding::{Finding, Severity};
use crate::rules::fixture::{bundle, check, measured, rule};

const HEAD: &str = "GROUP  TOPIC  PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG  CONSUMER-ID  HOST  CLIENT-ID\n";

fn table(second: i64, partitions: &[(i64, i64)], member: &str) -> String {
    let row = |(number, (current, end)): (usize, &(i64, i64))| {
        format!("g  orders  {number}  {current}  {end}  {}  {member}  {member}  {member}\n", end - current)
    };
    format!(
        "# 2026-01-01T{:02}:{:02}:{:02}Z\n{HEAD}{}\n",
        10 + second / 3600,
        second / 60 % 60,
        second % 60,
        partitions.iter().enumerate().map(row).collect::<String>()
    )
}

/// One partition, a look every ten seconds: pairs of what was read and written in all.
fn watch(offsets: impl Iterator<Item = (i64, i64)>) -> String {
    offsets.enumerate().map(|(n, offset)| table(n as i64 * 10, &[offset], "g-1")).collect()
}

fn found(files: &[(&str, &str)]) -> Vec<Finding> {
    check(&rule("kafka-lag-growth"), &bundle(files), None)
}

fn loud(text: &str) -> usize {
    found(&[("lag.txt", text)]).iter().filter(|finding| finding.severity >= Severity::Medium).count()
}

#[test]
fn three_looks_that_grow() {
    let text = table(0, &[(1000, 1010), (990, 1005), (995, 1000)], "g-1")
        + &table(300, &[(1600, 4010), (1590, 4005), (1595, 4000)], "g-1")
        + &table(600, &[(2200, 7010), (2190, 7005), (2195, 7000)], "g-1");
    let found = found(&[("lag.txt", &text)]);
    assert_eq!(found.len(), 1, "{found:?}");
    let of = |name: &str| measured(&found[0], name);
    assert_eq!((of("lag_start"), of("lag_end"), of("growth")), (30.0, 14430.0, 24.0));
    assert_eq!((of("produced_per_s"), of("read_per_s"), of("needed_factor")), (30.0, 6.0, 5.0));
    assert!((of("age_s") - 481.0).abs() < 3.0, "{}", of("age_s"));
    assert!(found[0].words["rates"].contains("never") && found[0].severity == Severity::High, "{found:?}");
    assert_eq!((found[0].subject.service.as_str(), found[0].subject.operation.as_str()), ("g", "orders"));
}

#[test]
fn a_service_that_names_its_group_is_the_subject() {
    let text = watch((0..20).map(|n| (100 + 10 * n, 100 + 200 * n)));
    let log = "2026-01-01T10:00:00.000Z  INFO 1 --- [shop-orders] [main] o.a.k.c.c.KafkaConsumer : [Consumer clientId=x, groupId=g] Subscribed to topic(s): orders\n";
    let found = found(&[("lag.txt", &text), ("shop/app.log", log)]);
    assert_eq!(found.iter().map(|finding| finding.subject.service.as_str()).collect::<Vec<_>>(), ["shop-orders"]);
}

#[test]
fn exporters_and_clients_tell_it_too() {
    let scrape = |name: &str, labels: &str, value: &dyn Fn(i64) -> i64| -> String {
        (0..20).map(|n| format!("# TYPE {name} gauge\n{name}{{{labels}}} {} {}\n", value(n), 1_795_428_000_000_i64 + n * 15_000)).collect()
    };
    let exporter = scrape("kafka_consumergroup_lag", "consumergroup=\"g\",topic=\"orders\",partition=\"0\"", &|n| n * 500);
    assert_eq!(found(&[("kafka-exporter/metrics.prom", &exporter)])[0].subject.key, "g");
    let client = scrape("kafka_consumer_fetch_manager_records_lag_max", "client_id=\"consumer-g-1\"", &|n| n * 500);
    assert_eq!(found(&[("orders/metrics.prom", &client)])[0].subject.service, "orders");
    let calm = scrape("kafka_consumer_fetch_manager_records_lag_max", "client_id=\"consumer-g-1\"", &|n| 20 + n % 7);
    assert!(found(&[("orders/metrics.prom", &calm)]).is_empty());
}

#[test]
fn healthy_courses() {
    assert_eq!(
        loud(&watch([0, 50_000, 30_000, 12_000, 1000].into_iter().enumerate().map(|(n, lag)| (n as i64 * 100_000 - lag, n as i64 * 100_000)))),
        0,
        "drains"
    );
    let doubled = (0..40).map(|n| if n < 20 { n * 1000 } else { 20_000 + (n - 20) * 2000 });
    assert_eq!(loud(&watch(doubled.map(|end| (end - 20 - end % 40, end)))), 0, "more load without lag");
    let batches = (0..60).map(|n| (n * 1000 - [0, 0, 9000, 6000, 3000, 0][n as usize % 6], n * 1000));
    assert_eq!(loud(&watch(batches)), 0, "batches that are worked off");
    let last_batch =
        (0..59).map(|n: i64| (n * 1000 - [0, 3000, 6000, 9000, 12_000, 15_000, 18_000, 21_000, 24_000, 27_000, 0, 0][n as usize % 12], n * 1000));
    assert_eq!(loud(&watch(last_batch)), 0, "ends in the middle of a batch like those before");
    assert_eq!(loud(&watch((0..40).map(|n| (n * 100 - 5, n * 100)))), 0, "a constant lag of control records");
    assert_eq!(
        loud(&watch((0..30).map(|n| (if n < 10 { 0 } else { (n - 10) * 900 }, n * 500)))),
        0,
        "stands for a while after a start and catches up"
    );
}

#[test]
fn a_capture_of_two_minutes() {
    let looks = |offsets: &dyn Fn(i64) -> (i64, i64)| -> String { (0..25).map(|n| table(n * 6, &[offsets(n * 6)], "g-1")).collect() };
    let slower = looks(&|second| (if second < 30 { second * 60 - 20 } else { 1780 + (second - 30) * 42 }, second * 60));
    let found = found(&[("lag.txt", &slower)]);
    assert_eq!(found.len(), 1, "reads seven of ten records");
    assert!((measured(&found[0], "growth") - 18.0).abs() < 0.5 && (24..=36).contains(&seconds(&found[0])), "{found:?}");
    let stops = looks(&|second| (second.min(100) * 60 - 20, second * 60));
    assert_eq!(loud(&stops), 0, "stands for the last three quarters of a minute, as in a rebalance");
}

/// Seconds from the first look to the onset.
fn seconds(finding: &Finding) -> i64 {
    finding.window.start.since(crate::model::time::Time(crate::correlate::fixture::BASE)) / crate::model::time::SECOND
}

#[test]
fn nobody_claims_the_group() {
    let text: String = (0..20).map(|n| table(n * 10, &[(100, 100 + 300 * n)], "-")).collect();
    assert_eq!(loud(&text), 0);
    assert_eq!(found(&[("lag.txt", &text)])[0].severity, Severity::Low);
}

#[test]
fn messages_that_wait_longer_and_longer() {
    use crate::correlate::fixture::{case, many};
    let shape = |wait: &dyn Fn(u32) -> u32| {
        many(0..64, 5_000, |n| {
            let from = 10 + wait(n);
            format!("  web POST /order 0-9\n    >> kafka orders 1-3 system=kafka\n      << mailer orders {from}-{} system=kafka\n", from + 50)
        })
    };
    let found = |text: &str| check(&rule("kafka-lag-growth"), &case(text), None);
    let grows = found(&shape(&|n| n * 4_000));
    assert_eq!(grows.iter().map(|finding| (finding.subject.service.as_str(), finding.kind.as_str())).collect::<Vec<_>>(), [("mailer", "waiting")]);
    assert!(found(&shape(&|n| 90_000 + n % 7 * 900)).is_empty(), "a fixed delay");
}

/// Three partitions, a look each minute: what was read and written of each.
fn three(offsets: impl Fn(i64, i64) -> (i64, i64)) -> String {
    (0..12).map(|n| table(n * 60, &[0, 1, 2].map(|partition| offsets(n, partition)), "g-1")).collect()
}

#[test]
fn causes_that_are_not_there_are_not_named() {
    let even = three(|n, _| (n * 300, n * 900));
    // Another topic's record, another group's member, and one member of this one that was late once.
    let log = (0..6).map(|n| format!("2026-01-01T10:0{n}:10.000Z ERROR 1 --- [other] [main] a.L : Backoff exhausted for invoices-1@77\n")).collect::<String>()
        + "2026-01-01T10:02:00.000Z WARN 1 --- [shop] [main] o.a.k.c.c.i.ConsumerCoordinator : [Consumer clientId=c-1, groupId=g] consumer poll timeout has expired.\n"
        + &(3..6).map(|n| format!("2026-01-01T10:0{n}:00.000Z WARN 1 --- [bills] [main] o.a.k.c.c.i.ConsumerCoordinator : [Consumer clientId=c-9, groupId=bills] consumer poll timeout has expired.\n")).collect::<String>();
    let found = found(&[("lag.txt", &even), ("shop/app.log", &log)]);
    assert_eq!(found.len(), 1, "{found:?}");
    let cause = &found[0].words["cause"];
    assert!(!cause.contains("failed") && !cause.contains("too late") && !cause.contains("holds"), "{cause}");
}

#[test]
fn a_record_that_fails_is_named() {
    let text = three(|n, partition| (if partition == 2 { n.min(2) * 300 + 11 } else { n * 290 }, n * 300 + 11));
    let log: String =
        (3..9).map(|n| format!("2026-01-01T10:0{n}:10.000Z ERROR 1 --- [shop] [main] a.L : Backoff exhausted for orders-2@611\n")).collect();
    let found = found(&[("lag.txt", &text), ("shop/app.log", &log)]);
    assert!(found[0].words["cause"].contains("orders-2@611 failed 6 times"), "{:?}", found[0].words);
    assert!(found[0].words["cause"].contains("Partition 2 holds"), "{:?}", found[0].words);
}

#[test]
fn members_that_are_thrown_out_are_named() {
    let text = three(|n, _| (n * 100, n * 900));
    let log: String = (2..9)
        .map(|n| format!("2026-01-01T10:0{n}:00.000Z WARN 1 --- [shop] [main] o.a.k.c.c.i.ConsumerCoordinator : [Consumer clientId=c-1, groupId=g] consumer poll timeout has expired.\n"))
        .collect();
    let found = found(&[("lag.txt", &text), ("shop/app.log", &log)]);
    assert!(found[0].words["cause"].contains("7 times a member asked for records too late"), "{:?}", found[0].words);
}

#[test]
fn a_partition_that_is_written_most_is_named() {
    let text = three(|n, partition| if partition == 0 { (n * 9_000, n * 30_000) } else { (n * 900, n * 900 + 80) });
    let found = found(&[("lag.txt", &text)]);
    assert!(found[0].words["cause"].contains("Partition 0 holds"), "{:?}", found[0].words);
    assert!(found[0].words["cause"].contains("500 records/s are written there"), "{:?}", found[0].words);
}
