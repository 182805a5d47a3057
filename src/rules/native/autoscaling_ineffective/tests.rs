use crate::model::finding::{Finding, Severity};
use crate::rules::fixture::{bundle, check, measured, rule};

fn found(files: &[(&str, &str)]) -> Vec<Finding> {
    check(&rule("autoscaling-ineffective"), &bundle(files), None)
}

/// An access log of `minutes` minutes with a request every second: `length` gives milliseconds and status by minute and instance's number.
fn access(minutes: u32, replicas: impl Fn(u32) -> u32, length: impl Fn(u32) -> (u32, u16)) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for second in 0..minutes * 60 {
        let minute = second / 60;
        let (ms, status) = length(minute);
        let pod = second % replicas(minute).max(1);
        let path = format!("orders-7d9f8b6c5d-aaa{pod:02}/access.json");
        let line = format!(
            "{{\"time\":\"2026-01-01T10:{minute:02}:{:02}.500Z\",\"level\":\"INFO\",\"msg\":\"request\",\"method\":\"POST\",\"path\":\"/orders\",\"status\":{status},\"duration_ms\":{}}}\n",
            second % 60,
            ms + second % 7
        );
        match files.iter_mut().find(|(known, _)| *known == path) {
            Some((_, text)) => text.push_str(&line),
            None => files.push((path, line)),
        }
    }
    files
}

fn rescale(minute: u32, size: u32, why: &str) -> String {
    format!(
        "{{\"kind\":\"Event\",\"apiVersion\":\"v1\",\"involvedObject\":{{\"kind\":\"HorizontalPodAutoscaler\",\"name\":\"orders\",\"namespace\":\"shop\"}},\"reason\":\"SuccessfulRescale\",\"message\":\"New size: {size}; reason: {why}\",\"type\":\"Normal\",\"count\":1,\"lastTimestamp\":\"2026-01-01T10:{minute:02}:00Z\"}}\n"
    )
}

fn replica_set(minute: u32, set: &str, up: &str, to: u32, from: u32) -> String {
    format!(
        "{{\"kind\":\"Event\",\"apiVersion\":\"v1\",\"involvedObject\":{{\"kind\":\"Deployment\",\"name\":\"orders\",\"namespace\":\"shop\"}},\"reason\":\"ScalingReplicaSet\",\"message\":\"Scaled {up} replica set {set} to {to} from {from}\",\"type\":\"Normal\",\"count\":1,\"lastTimestamp\":\"2026-01-01T10:{minute:02}:00Z\"}}\n"
    )
}

const ABOVE: &str = "cpu resource utilization (percentage of request) above target";

fn with<'a>(files: &'a [(String, String)], more: &'a [(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    files.iter().map(|(path, text)| (path.as_str(), text.as_str())).chain(more.iter().copied()).collect()
}

#[test]
fn replicas_that_help_are_fine() {
    let events = rescale(5, 8, ABOVE) + &replica_set(5, "orders-7d9f8b6c5d", "up", 8, 4);
    let files = access(16, |minute| if minute < 6 { 4 } else { 8 }, |minute| (if (3..8).contains(&minute) { 900 } else { 205 }, 200));
    assert!(found(&with(&files, &[("events.json", &events)])).is_empty(), "latency recovered");
}

#[test]
fn a_rollout_a_drain_and_a_scale_down_are_no_rise() {
    let files = access(16, |_| 3, |minute| (if minute > 6 { 900 } else { 200 }, 200));
    let rollout = replica_set(5, "orders-aaa", "up", 3, 0) + &replica_set(6, "orders-bbb", "down", 0, 3);
    assert!(found(&with(&files, &[("events.json", &rollout)])).is_empty(), "rollout");
    let down = rescale(5, 4, ABOVE) + &rescale(10, 2, "All metrics below target");
    let calm = access(16, |minute| if minute < 10 { 4 } else { 2 }, |_| (200, 200));
    assert!(found(&with(&calm, &[("events.json", &down)])).is_empty(), "scaled before its traffic, and down after it");
}

#[test]
fn demand_that_grows_with_the_replicas_is_served() {
    let mut files = access(16, |minute| if minute < 6 { 3 } else { 6 }, |minute| (if minute < 6 { 200 } else { 260 }, 200));
    // Twice the traffic from the sixth minute on.
    let more = access(16, |_| 6, |_| (260, 200));
    for (path, text) in more {
        let kept: String = text
            .lines()
            .filter(|line| line.get(23..25).and_then(|m| m.parse::<u32>().ok()).is_some_and(|m| m >= 6))
            .map(|line| format!("{}\n", line.replace(".500Z", ".900Z")))
            .collect();
        if let Some((_, known)) = files.iter_mut().find(|(known, _)| *known == path) {
            known.push_str(&kept);
        }
    }
    let events = rescale(5, 6, ABOVE) + &replica_set(5, "orders-7d9f8b6c5d", "up", 6, 3);
    assert!(found(&with(&files, &[("events.json", &events)])).is_empty());
}

#[test]
fn twice_as_many_and_slower_for_want_of_connections() {
    let events = rescale(5, 6, ABOVE) + &replica_set(5, "orders-7d9f8b6c5d", "up", 6, 3) + &rescale(9, 12, ABOVE);
    let files = access(
        21,
        |minute| {
            if minute < 5 {
                3
            } else if minute < 10 {
                6
            } else {
                12
            }
        },
        |minute| match minute {
            0..=4 => (200, 200),
            5..=9 => (1000, 200),
            _ => (2000, if minute % 2 == 0 { 500 } else { 200 }),
        },
    );
    let refused: String = (10..20).map(|minute| format!("{{\"time\":\"2026-01-01T10:{minute:02}:07Z\",\"level\":\"ERROR\",\"msg\":\"org.postgresql.util.PSQLException: FATAL: sorry, too many clients already\"}}\n")).collect();
    let config = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: orders\nspec:\n  replicas: 12\n  template:\n    spec:\n      containers:\n      - name: orders\n        env:\n        - name: SPRING_DATASOURCE_HIKARI_MAXIMUMPOOLSIZE\n          value: \"20\"\n";
    let found = found(&with(&files, &[("events.json", &events), ("orders-7d9f8b6c5d-aaa07/app.json", &refused), ("deploy.yaml", config)]));
    assert_eq!(found.len(), 1, "{found:#?}");
    let one = &found[0];
    assert_eq!((one.subject.service.as_str(), one.severity), ("orders", Severity::High));
    assert_eq!(
        ["replicas_before", "replicas_after", "steps", "pool_size", "connections_demanded"].map(|name| measured(one, name)),
        [3.0, 12.0, 2.0, 20.0, 240.0]
    );
    assert!(measured(one, "elasticity").abs() < 0.1 && one.words["limiter"].contains("refused"), "{one:#?}");
}

#[test]
fn pods_that_never_run() {
    let pending: String = (0..5)
        .map(|n| format!("{{\"kind\":\"Event\",\"apiVersion\":\"v1\",\"involvedObject\":{{\"kind\":\"Pod\",\"name\":\"orders-7d9f8b6c5d-bbb{n:02}\",\"namespace\":\"shop\"}},\"reason\":\"FailedScheduling\",\"message\":\"0/5 nodes are available: 5 Insufficient cpu.\",\"type\":\"Warning\",\"count\":9,\"lastTimestamp\":\"2026-01-01T10:1{n}:00Z\"}}\n"))
        .collect();
    let events = rescale(5, 8, ABOVE) + &replica_set(5, "orders-7d9f8b6c5d", "up", 8, 3) + &pending;
    let files = access(18, |_| 3, |minute| (if minute < 2 { 200 } else { 1200 }, 200));
    let found = found(&with(&files, &[("events.json", &events)]));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(measured(&found[0], "pods_not_ready"), 5.0);
    assert!(found[0].words["limiter"].contains("Insufficient cpu"));
}

#[test]
fn an_autoscaler_that_looks_at_the_wrong_number() {
    let table = "NAME     REFERENCE           TARGETS   MINPODS   MAXPODS   REPLICAS   AGE\norders   Deployment/orders   22%/70%   3         12        3          2d4h\n";
    let files = access(30, |_| 3, |minute| (if minute < 12 { 150 } else { 4000 }, 200));
    let found = found(&with(&files, &[("hpa.txt", table)]));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].kind.as_str(), measured(&found[0], "metric_current"), measured(&found[0], "metric_target")), ("not-scaled", 22.0, 70.0));
    let calm = access(30, |_| 3, |_| (150, 200));
    assert!(super::tests::found(&with(&calm, &[("hpa.txt", table)])).is_empty());
}

#[test]
fn only_logs_of_pods_that_appear() {
    let files = access(12, |minute| if minute < 4 { 1 } else { 4 }, |minute| (if minute < 2 { 100 } else { 1500 }, 200));
    let found = found(&with(&files, &[]));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!([measured(&found[0], "replicas_before"), measured(&found[0], "replicas_after")], [1.0, 4.0]);
    let helped = access(12, |minute| if minute < 4 { 1 } else { 4 }, |minute| (if (2..5).contains(&minute) { 1500 } else { 100 }, 200));
    assert!(super::tests::found(&with(&helped, &[])).is_empty());
}

#[test]
fn a_log_of_a_scaler_is_enough() {
    let scaler = "{\"time\":\"2026-01-01T10:05:00Z\",\"level\":\"INFO\",\"msg\":\"scaling orders from 2 to 6\"}\n{\"time\":\"2026-01-01T10:15:00Z\",\"level\":\"INFO\",\"msg\":\"nothing to do\"}\n";
    let files = access(16, |minute| if minute < 6 { 2 } else { 6 }, |minute| (if minute < 3 { 100 } else { 800 }, 200));
    let found = found(&with(&files, &[("scaler.log", scaler)]));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!([measured(&found[0], "replicas_before"), measured(&found[0], "replicas_after")], [2.0, 6.0]);
}

#[test]
fn only_the_gateway_tells_of_requests() {
    let gateway = |length: &dyn Fn(u32) -> u32| -> String {
        (0..960_u32)
            .map(|second| format!("10.0.0.9 - - [01/Jan/2026:10:{:02}:{:02} +0000] \"POST /orders HTTP/1.1\" 200 167 \"-\" \"curl\" rt={:.3} us=\"200\" ua=\"10.1.2.{}:8080\"\n", second / 60, second % 60, f64::from(length(second / 60)) / 1000.0, second % 6))
            .collect()
    };
    let events = rescale(5, 6, ABOVE) + &replica_set(5, "orders-7d9f8b6c5d", "up", 6, 3);
    let found = |log: &str| found(&[("gateway/access.log", log), ("events.json", &events)]);
    let one = found(&gateway(&|minute| if minute < 2 { 100 } else { 1500 }));
    assert_eq!((one.len(), one[0].subject.service.as_str()), (1, "orders"), "{one:?}");
    assert!(found(&gateway(&|minute| if (2..7).contains(&minute) { 1500 } else { 100 })).is_empty());
}

/// Looks at a group every ten seconds for ten minutes: backlog of each of three partitions by look.
fn looks(lag: impl Fn(i64) -> i64) -> String {
    let look = |n: i64| -> String {
        let time = (1_767_261_600 + n * 10) * 1000;
        (0..3)
            .map(|partition| {
                format!(
                    "kafka_consumergroup_lag{{consumergroup=\"orders\",topic=\"placed\",partition=\"{partition}\"}} {} {time}\nkafka_consumergroup_current_offset{{consumergroup=\"orders\",topic=\"placed\",partition=\"{partition}\"}} {} {time}\n",
                    lag(n),
                    9000 + n * 50
                )
            })
            .collect()
    };
    "# TYPE kafka_consumergroup_lag gauge\n# TYPE kafka_consumergroup_current_offset gauge\n".to_owned() + &(0..60).map(look).collect::<String>()
}

#[test]
fn readers_beyond_the_partitions_do_not_help() {
    let events = replica_set(3, "orders-7d9f8b6c5d", "up", 6, 2) + &replica_set(5, "orders-7d9f8b6c5d", "up", 9, 6);
    let found = found(&[("events.json", &events), ("exporter.prom", &looks(|n| 20 + (n - 6).max(0) * 90))]);
    assert_eq!(found.iter().map(|finding| (finding.kind.as_str(), finding.severity)).collect::<Vec<_>>(), [("consumers", Severity::High)]);
    assert_eq!(["replicas_before", "replicas_after", "partitions", "idle_replicas"].map(|name| measured(&found[0], name)), [2.0, 9.0, 3.0, 6.0]);
}

#[test]
fn readers_that_catch_up_are_fine() {
    let events = replica_set(3, "orders-7d9f8b6c5d", "up", 3, 1);
    let lag = |n: i64| if n < 24 { 20 + (n - 6).max(0) * 90 } else { (1640 - (n - 24) * 60).max(15) };
    assert!(found(&[("events.json", &events), ("exporter.prom", &looks(lag))]).is_empty());
}
