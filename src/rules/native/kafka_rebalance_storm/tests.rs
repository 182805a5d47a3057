use crate::model::finding::{Finding, Severity};
use crate::rules::fixture::{bundle, check, measured, rule};

const PREFIX: &str = "[Consumer clientId=consumer-order-group-1, groupId=order-group]";

fn at(second: u32, level: &str, logger: &str, message: &str) -> String {
    format!("2026-01-01T10:{:02}:{:02}.000Z  {level} 1 --- [orders] [ntainer#0-0-C-1] {logger} : {message}\n", second / 60, second % 60)
}

fn client(second: u32, level: &str, message: &str) -> String {
    at(second, level, "o.a.k.c.c.internals.ConsumerCoordinator", &format!("{PREFIX} {message}"))
}

fn joined(second: u32, generation: u32) -> String {
    client(
        second,
        "INFO",
        &format!("Successfully joined group with generation Generation{{generationId={generation}, memberId='c-1', protocol='range'}}"),
    )
}

fn timeout(second: u32) -> String {
    let text = "consumer poll timeout has expired. This means the time between subsequent calls to poll() was longer than the configured max.poll.interval.ms";
    client(second, "WARN", text)
        + &client(
            second,
            "INFO",
            "Member c-1 sending LeaveGroup request to coordinator b:9092 (id: 1 rack: null) due to consumer poll timeout has expired.",
        )
}

fn found(files: &[(&str, &str)]) -> Vec<Finding> {
    check(&rule("kafka-rebalance-storm"), &bundle(files), None)
}

#[test]
fn members_that_are_late_again_and_again() {
    let log: String = (0..4).map(|n| joined(10 + n * 90, 41 + n)).collect::<String>() + &timeout(80) + &timeout(170);
    let found = found(&[("orders-0/app.log", &log)]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].subject.service.as_str(), found[0].subject.key.as_str()), ("orders", "order-group"));
    assert_eq!((measured(&found[0], "rounds"), measured(&found[0], "poll_timeouts")), (4.0, 2.0));
    assert!(found[0].confidence >= 0.8 && found[0].severity >= Severity::Medium, "{found:?}");
    assert!(found[0].words["reason"].contains("longer"), "{found:?}");
}

#[test]
fn one_late_member_is_said_quietly() {
    let found = found(&[("orders-0/app.log", &(joined(0, 1) + &timeout(80)))]);
    assert_eq!(found.iter().map(|finding| finding.severity).collect::<Vec<_>>(), [Severity::Low]);
}

#[test]
fn a_deployment_of_three_pods() {
    let mut log = String::new();
    for n in 0..3 {
        log += &client(
            n * 80,
            "INFO",
            "Member c-1 sending LeaveGroup request to coordinator b:9092 (id: 1 rack: null) due to the consumer is being closed",
        );
        log += &joined(n * 80 + 3, 10 + 2 * n);
        log += &client(n * 80 + 30, "INFO", "Subscribed to topic(s): orders");
        log += &joined(n * 80 + 33, 11 + 2 * n);
    }
    assert!(found(&[("orders-0/app.log", &log)]).is_empty());
}

#[test]
fn one_rebalance_is_none() {
    let log =
        joined(0, 7) + &client(60, "INFO", "Revoke previously assigned partitions orders-0") + &joined(63, 8) + &at(90, "INFO", "a.B", "stored");
    assert!(found(&[("orders-0/app.log", &log)]).is_empty());
}

#[test]
fn a_broker_that_removes_silent_members() {
    let line = |n: u32| {
        format!(
            "[2026-01-01 10:0{n}:00,000] INFO [GroupCoordinator 1]: Preparing to rebalance group order-group in state PreparingRebalance with old generation {n} (__consumer_offsets-7) (reason: removing member c on heartbeat expiration) (kafka.coordinator.group.GroupCoordinator)\n[2026-01-01 10:0{n}:01,000] INFO [GroupCoordinator 1]: Member c-{n} in group order-group has failed, removing it from the group (kafka.coordinator.group.GroupCoordinator)\n"
        )
    };
    let found = found(&[("broker-1/server.log", &(1..6).map(line).collect::<String>())]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].subject.service, "order-group", "the broker does not read for the group");
    assert!(found[0].words["reason"].contains("session") && found[0].severity == Severity::Medium, "{found:?}");
}

fn table(second: u32, owners: [u32; 3]) -> String {
    let row = |(partition, owner): (usize, &u32)| format!("g  orders  {partition}  10  20  10  c-{owner}-uuid  /10.0.0.{owner}  c-{owner}\n");
    format!(
        "# 2026-01-01T10:00:{second:02}Z\nGROUP  TOPIC  PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG  CONSUMER-ID  HOST  CLIENT-ID\n{}",
        owners.iter().enumerate().map(row).collect::<String>()
    )
}

#[test]
fn owners_that_keep_changing_are_said_quietly() {
    let storm: String = (0..10).map(|n| table(n * 6, [n % 2, (n + 1) % 2, n % 2])).collect();
    let found_in_table = found(&[("lag-watch.txt", &storm)]);
    assert_eq!(found_in_table.iter().map(|finding| measured(finding, "owner_changes")).collect::<Vec<_>>(), [9.0]);
    assert_eq!((found_in_table[0].kind.as_str(), found_in_table[0].severity), ("owners", Severity::Low));
    let scaled: String = (0..10)
        .map(|n| {
            table(
                n * 6,
                if n < 4 {
                    [0, 0, 0]
                } else if n < 7 {
                    [0, 0, 1]
                } else {
                    [0, 2, 1]
                },
            )
        })
        .collect();
    assert!(found(&[("lag-watch.txt", &scaled)]).is_empty());
}
