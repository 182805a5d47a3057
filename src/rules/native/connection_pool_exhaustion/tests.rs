use crate::model::finding::{Finding, Severity};
use crate::rules::fixture::{bundle, check, measured, rule};

fn line(second: u32, level: &str, message: &str) -> String {
    format!(
        "2026-01-01T10:{:02}:{:02}.000Z {level:>5} 1 --- [orders] [nio-8080-exec-1] com.zaxxer.hikari.pool.HikariPool : {message}\n",
        second / 60,
        second % 60
    )
}

fn found(files: &[(&str, &str)]) -> Vec<Finding> {
    check(&rule("connection-pool-exhaustion"), &bundle(files), None)
}

const TIMEOUT: &str = "java.sql.SQLTransientConnectionException: HikariPool-1 - Connection is not available, request timed out after 30002ms (total=10, active=10, idle=0, waiting=37)";

#[test]
fn exceptions_and_statistics_of_two_pools() {
    let log = line(1, "DEBUG", "HikariPool-1 - Pool stats (total=10, active=10, idle=0, waiting=37)")
        + &line(2, "DEBUG", "orders-pool - Pool stats (total=10/10, idle=0/10, active=10, waiting=5)")
        + &line(3, "ERROR", TIMEOUT);
    let found = found(&[("orders/app.log", &log)]);
    let told: Vec<(&str, f64)> = found.iter().map(|finding| (finding.subject.operation.as_str(), measured(finding, "waiting"))).collect();
    assert_eq!(told, [("HikariPool-1", 37.0), ("orders-pool", 5.0)]);
    assert!(found[0].confidence >= 0.85 && found[1].confidence >= 0.6, "{found:?}");
    assert_eq!((measured(&found[0], "timeout_ms"), measured(&found[0], "max")), (30002.0, 10.0));
}

#[test]
fn many_timeouts_are_critical() {
    let log: String = (0..40).map(|n| line(n, "ERROR", TIMEOUT)).collect();
    let found = found(&[("orders/app.log", &log)]);
    assert_eq!((found[0].severity, measured(&found[0], "timeouts")), (Severity::Critical, 40.0));
}

fn scrape(value: &dyn Fn(i64) -> (i64, i64)) -> String {
    (0..20)
        .map(|n| {
            let (active, pending) = value(n);
            let time = 1_795_428_000_000_i64 + n * 5_000;
            format!("# TYPE hikaricp_connections_active gauge\nhikaricp_connections_active{{pool=\"main\"}} {active} {time}\nhikaricp_connections_pending{{pool=\"main\"}} {pending} {time}\nhikaricp_connections_max{{pool=\"main\"}} 8 {time}\n")
        })
        .collect()
}

#[test]
fn metrics_alone() {
    let found = found(&[("orders/metrics.prom", &scrape(&|n| if n > 8 { (8, 12) } else { (3, 0) }))]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].severity, measured(&found[0], "max"), measured(&found[0], "waiting")), (Severity::High, 8.0, 12.0));
}

#[test]
fn busy_but_nobody_waits() {
    assert!(found(&[("orders/metrics.prom", &scrape(&|_| (8, 0)))]).is_empty());
    let log: String = (0..20).map(|n| line(n, "DEBUG", "HikariPool-1 - Pool stats (total=10, active=10, idle=0, waiting=0)")).collect();
    assert!(found(&[("orders/app.log", &log)]).is_empty());
    assert!(found(&[("orders/metrics.prom", &scrape(&|n| if n == 9 { (8, 2) } else { (3, 0) }))]).is_empty(), "one scrape");
}

#[test]
fn an_empty_pool_is_another_fault() {
    let log: String = (0..20)
        .map(|n| line(n, "ERROR", "java.sql.SQLTransientConnectionException: HikariPool-1 - Connection is not available, request timed out after 3000ms (total=0, active=0, idle=0, waiting=12)"))
        .collect();
    assert!(found(&[("orders/app.log", &log)]).is_empty());
}

#[test]
fn timeouts_of_a_pool_that_has_no_name() {
    let timeout = "org.apache.tomcat.jdbc.pool.PoolExhaustedException: [http-nio-8080-exec-6] Timeout: Pool empty. Unable to fetch a connection in 3 seconds, none available[size:12; busy:12; idle:0; lastwait:3000].";
    let log: String = (0..5).map(|n| line(n, "ERROR", timeout)).collect();
    let found = found(&[("orders/app.log", &log)]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(["timeouts", "timeout_ms", "max"].map(|name| measured(&found[0], name)), [5.0, 3000.0, 12.0]);
}

#[test]
fn waits_that_go_counts() {
    let scrape = |waits: &dyn Fn(i64) -> i64| -> String {
        let point = |n: i64| {
            let time = 1_795_428_000_000_i64 + n * 10_000;
            format!(
                "go_sql_max_open_connections{{db_name=\"main\"}} 25 {time}\ngo_sql_in_use_connections{{db_name=\"main\"}} 25 {time}\ngo_sql_wait_count_total{{db_name=\"main\"}} {} {time}\n",
                waits(n)
            )
        };
        "# TYPE go_sql_wait_count_total counter\n".to_owned() + &(0..12).map(point).collect::<String>()
    };
    let found_waits = found(&[("ledger/metrics.prom", &scrape(&|n| n * 40))]);
    assert_eq!(found_waits.iter().map(|finding| (finding.severity, measured(finding, "waits"))).collect::<Vec<_>>(), [(Severity::High, 440.0)]);
    assert!(found(&[("ledger/metrics.prom", &scrape(&|_| 7))]).is_empty(), "nobody waited since");
}
