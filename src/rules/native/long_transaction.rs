//! `long-transaction`: connections that are held for seconds and then given back.
//!
//! Leak detection that takes its warning back, waits for locks in the server's log, and texts that a transaction was ended
//! show it. What this file does not do: connections that never come back; see `connection_leak`.

use crate::correlate::Case;
use crate::correlate::configured::{nanos, setting};
use crate::correlate::series::median;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::tables::Signal;
use crate::model::time::{MINUTE, SECOND, Time};
use crate::rules::native::database_pools::{busiest, signals};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector { id: "long-transaction", thresholds: &["holds", "hold", "lock_waits", "reported", "spans"], detect };

/// What speaks of long transactions of one service.
#[derive(Default)]
struct Seen<'a> {
    /// Warning of leak detection and the record that takes it back.
    held: Vec<(&'a Signal, &'a Signal)>,
    lock_waits: Vec<&'a Signal>,
    ended: Vec<&'a Signal>,
    open: Vec<(&'a Signal, f64)>,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let mut seen: BTreeMap<Sym, Seen<'_>> = BTreeMap::new();
    for (service, pairs) in held(case) {
        seen.entry(service).or_default().held = pairs;
    }
    for (service, rows) in signals(case, "db.lock-wait") {
        seen.entry(service).or_default().lock_waits = rows;
    }
    for (service, rows) in signals(case, "db.transaction-timeout") {
        seen.entry(service).or_default().ended = rows;
    }
    for (service, rows) in signals(case, "db.transaction-open") {
        let age = |row: &&'_ Signal| seconds_of(case.tables.names.get(row.key)).filter(|age| *age >= rule.limit("hold"));
        seen.entry(service).or_default().open = rows.iter().filter_map(|row| Some((*row, age(row)?))).collect();
    }
    // What a database server says belongs to the service that holds the connections, if only one does.
    let holders: Vec<Sym> = seen.iter().filter(|(_, seen)| !seen.held.is_empty()).map(|(service, _)| *service).collect();
    if let [holder] = holders.as_slice() {
        let others: Vec<Sym> = seen.keys().copied().filter(|service| service != holder).collect();
        for other in others {
            let Some(theirs) = seen.remove(&other) else { continue };
            let mine = seen.entry(*holder).or_default();
            mine.lock_waits.extend(theirs.lock_waits);
            mine.ended.extend(theirs.ended);
            mine.open.extend(theirs.open);
        }
    }
    for (service, seen) in &seen {
        out.extend(judge(case, rule, *service, seen));
    }
}

/// Pairs of a warning and the record that takes it back, by service: the same connection, the nearest in time.
fn held(case: &Case) -> BTreeMap<Sym, Vec<(&Signal, &Signal)>> {
    let warned = signals(case, "pool.leak");
    let mut back = signals(case, "pool.unleaked");
    let mut held = BTreeMap::new();
    for (service, warnings) in warned {
        let mut returned: BTreeMap<(Sym, Sym), Vec<&Signal>> = BTreeMap::new();
        for row in back.remove(&service).unwrap_or_default() {
            returned.entry((row.instance, row.key)).or_default().push(row);
        }
        let pairs = warnings.into_iter().filter_map(|warning| {
            let rows = returned.get(&(warning.instance, warning.key))?;
            let after = rows.partition_point(|row| row.time < warning.time);
            Some((warning, *rows.get(after)?))
        });
        held.insert(service, pairs.collect());
    }
    held
}

/// `00:00:18.553` in seconds.
fn seconds_of(text: &str) -> Option<f64> {
    let mut parts = text.split(':').map(str::parse::<f64>);
    let (hours, minutes, seconds) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    Some(hours * 3600.0 + minutes * 60.0 + seconds)
}

fn judge(case: &Case, rule: &Rule, service: Sym, seen: &Seen<'_>) -> Option<Finding> {
    let held = seen.held.len() as f64 >= rule.limit("holds");
    let waits = seen.lock_waits.len() as f64 >= rule.limit("lock_waits");
    let open = seen.open.len() as f64 >= rule.limit("holds");
    let ended = seen.ended.len() as f64 >= rule.limit("reported");
    if !(held || waits || open || ended) {
        return None;
    }
    let times = (seen.held.iter().flat_map(|(warning, back)| [warning.time, back.time]))
        .chain(seen.lock_waits.iter().chain(&seen.ended).map(|row| row.time))
        .chain(seen.open.iter().map(|(row, _)| row.time));
    let window = busiest(times);
    let subject = Subject { service: case.tables.names.get(service).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    let since = |pair: &(&Signal, &Signal)| pair.1.time.since(pair.0.time) as f64 / SECOND as f64;
    let waited = seen.lock_waits.iter().map(|row| row.value / 1000.0).filter(|seconds| seconds.is_finite());
    let longest = (seen.held.iter().map(since)).chain(waited).chain(seen.open.iter().map(|(_, age)| *age)).fold(0.0, f64::max);
    let starved = starved(case, service);
    finding.severity = match (starved || longest >= rule.upper("hold"), seen.held.len() + seen.lock_waits.len() + seen.open.len()) {
        (true, _) => Severity::High,
        (false, n) if n as f64 >= rule.upper("holds") => Severity::Medium,
        // A single one may be a test, or the reader who closed his laptop.
        _ if seen.ended.len() as f64 >= rule.limit("holds") => Severity::Medium,
        _ => Severity::Low,
    };
    finding.score = score(longest.max(rule.limit("hold")), rule.limit("hold"), rule.upper("hold"));
    finding.confidence = Belief::new()
        .with_if(held, "connections that were held long and given back", Input::Logs, 0.7)
        .with_if(waits, "waits for locks in the server's log", Input::Logs, 0.65)
        .with_if(open, "open transactions that do nothing", Input::Logs, 0.7)
        .with_if(ended, "transactions that were ended for their length", Input::Logs, 0.8)
        .with_if(starved, "requests that got no connection meanwhile", Input::Logs, 0.4)
        .value();
    let shortest = seen.held.iter().map(since).fold(f64::INFINITY, f64::min);
    finding
        .measure_against("holds", seen.held.len() as f64, "connections", rule.limit("holds"))
        .measure_against("longest_s", round(longest), "s", rule.limit("hold"))
        .measure_against("lock_waits", seen.lock_waits.len() as f64, "waits", rule.limit("lock_waits"))
        .measure("ended", seen.ended.len() as f64, "transactions")
        .measure("open", seen.open.len() as f64, "transactions")
        .measure("beyond_warning_s", if shortest.is_finite() { round(shortest) } else { 0.0 }, "s");
    measure_more(case, seen, since, &mut finding);
    let mut told = Vec::new();
    if held {
        told.push(format!(
            "Leak detection warned of {} connections and took it back when they were returned, up to {longest:.1} s later.",
            seen.held.len()
        ));
    }
    if waits {
        told.push(format!("The server logged {} waits for locks.", seen.lock_waits.len()));
    }
    if open {
        told.push(format!("{} sessions are seen idle in a transaction.", seen.open.len()));
    }
    if ended {
        told.push(format!("{} transactions were ended because they took too long.", seen.ended.len()));
    }
    finding
        .word("evidence", told.join(" "))
        .look_alike("A leak", if held { "excluded: the connections were given back" } else { "no warning of leak detection stands open" })
        .look_alike(
            "A report or export",
            if starved { "excluded: online requests got no connection meanwhile" } else { "not excluded: nobody is seen to wait" },
        );
    let cited: Vec<Evidence> = (seen.held.iter().take(2).flat_map(|(warning, back)| [warning.evidence, back.evidence]))
        .chain(seen.lock_waits.iter().take(3).map(|row| row.evidence))
        .chain(seen.open.iter().take(2).map(|(row, _)| row.evidence))
        .chain(seen.ended.iter().take(2).map(|row| row.evidence))
        .collect();
    finding.cite(cited);
    finding.evidence_total = (2 * seen.held.len() + seen.lock_waits.len() + seen.open.len() + seen.ended.len()) as u64;
    Some(finding)
}

/// How long locks were waited for and connections held in the middle. Leak detection warns after a time of its own, which only
/// the configuration tells: a hold is that time and what passed after the warning.
fn measure_more(case: &Case, seen: &Seen<'_>, since: impl Fn(&(&Signal, &Signal)) -> f64, finding: &mut Finding) {
    let waits: Vec<f64> = seen.lock_waits.iter().map(|row| row.value / 1000.0).filter(|seconds| seconds.is_finite()).collect();
    if let Some(middle) = median(waits.iter().copied()) {
        finding.measure("lock_wait_p50_s", round(middle), "s").measure(
            "lock_wait_shortest_s",
            round(waits.iter().copied().fold(f64::INFINITY, f64::min)),
            "s",
        );
    }
    let held: Vec<f64> = seen.held.iter().map(since).collect();
    let Some(middle) = median(held.iter().copied()) else { return };
    finding.measure("beyond_warning_p50_s", round(middle), "s");
    let service = seen.held.first().map_or(Sym::NONE, |(warning, _)| warning.service);
    let threshold =
        setting(case, service, |segments| (segments.last() == Some(&"leakdetectionthreshold")).then_some(0)).and_then(|(_, value)| nanos(value));
    if let Some(warned) = threshold.map(|nanos| nanos as f64 / 1e9) {
        finding.measure("warned_after_s", round(warned), "s").measure("hold_p50_s", round(warned + middle), "s");
        finding.measure("hold_shortest_s", round(warned + held.iter().copied().fold(f64::INFINITY, f64::min)), "s");
    }
}

/// Whether requests of the service got no connection.
fn starved(case: &Case, service: Sym) -> bool {
    signals(case, "pool.timeout").contains_key(&service)
}

/// Warnings of leak detection that nothing takes back, with the time the instance was heard of last.
pub(super) fn unreturned(case: &Case) -> BTreeMap<Sym, Vec<&Signal>> {
    let back: BTreeSet<Evidence> = held(case).values().flatten().map(|(warning, _)| warning.evidence).collect();
    let mut open = signals(case, "pool.leak");
    open.values_mut().for_each(|rows| rows.retain(|row| !back.contains(&row.evidence)));
    open.retain(|_, rows| !rows.is_empty());
    open
}

/// When the bundle last heard of an instance of a service. Records that no rule asks for are only counted, by service and
/// minute: they tell of the instance if the service has no other.
pub(super) fn last_heard(case: &Case, service: Sym, instance: Sym) -> Time {
    let tables = &case.tables;
    let rows = tables.logs.iter().filter(|row| (row.service, row.instance) == (service, instance)).map(|row| row.time);
    let rows = rows.chain(tables.requests.iter().filter(|row| (row.service, row.instance) == (service, instance)).map(|row| row.time));
    let is_only = tables.logs.iter().filter(|row| row.service == service).all(|row| row.instance == instance);
    let counted = tables.log_counts.range((service, i64::MIN)..=(service, i64::MAX)).next_back().filter(|_| is_only);
    rows.chain(counted.map(|((_, minute), _)| Time(minute * MINUTE))).max().unwrap_or(Time::NONE)
}

#[cfg(test)]
mod tests {
    use crate::model::finding::{Finding, Severity};
    use crate::rules::fixture::{bundle, check, measured, rule};

    fn line(second: u32, message: &str) -> String {
        format!(
            "2026-01-01T10:{:02}:{:02}.000Z  WARN 1 --- [orders] [HikariPool-1 housekeeper] com.zaxxer.hikari.pool.ProxyLeakTask : {message}\n",
            second / 60,
            second % 60
        )
    }

    fn leak(second: u32, n: u32) -> String {
        line(
            second,
            &format!(
                "Connection leak detection triggered for org.postgresql.jdbc.PgConnection@{n:08x} on thread http-nio-8080-exec-{n}, stack trace follows"
            ),
        )
    }

    fn unleaked(second: u32, n: u32) -> String {
        line(
            second,
            &format!(
                "Previously reported leaked connection org.postgresql.jdbc.PgConnection@{n:08x} on thread http-nio-8080-exec-{n} was returned to the pool (unleaked)"
            ),
        )
    }

    fn found(id: &str, files: &[(&str, &str)]) -> Vec<Finding> {
        check(&rule(id), &bundle(files), None)
    }

    #[test]
    fn held_long_and_given_back() {
        let log: String = (0..6).map(|n| leak(n * 5, n) + &unleaked(n * 5 + 4, n)).collect();
        let transactions = found("long-transaction", &[("orders/app.log", &log)]);
        assert_eq!(transactions.len(), 1, "{transactions:?}");
        assert_eq!((measured(&transactions[0], "holds"), measured(&transactions[0], "longest_s")), (6.0, 4.0));
        assert!(found("connection-leak", &[("orders/app.log", &log)]).is_empty(), "all of them came back");
    }

    #[test]
    fn waits_for_locks_belong_to_the_holder() {
        let app: String = (0..4).map(|n| leak(n * 5, n) + &unleaked(n * 5 + 4, n)).collect();
        let server: String = (0..5)
            .map(|n| format!("2026-01-01 10:00:{:02} UTC [31694]: user=shop,db=shop LOG:  process 31694 still waiting for ShareLock on transaction 74{n} after 6000.123 ms\n", n + 10))
            .collect();
        let found = found("long-transaction", &[("orders/app.log", &app), ("db-01/postgresql.log", &server)]);
        assert_eq!(found.iter().map(|finding| finding.subject.service.as_str()).collect::<Vec<_>>(), ["orders"]);
        assert_eq!((found[0].severity, measured(&found[0], "lock_waits")), (Severity::High, 5.0));
    }

    #[test]
    fn one_long_transaction_is_a_report() {
        assert!(found("long-transaction", &[("orders/app.log", &(leak(0, 1) + &unleaked(9, 1)))]).is_empty());
    }

    #[test]
    fn never_given_back() {
        let log: String = (0..3).map(|n| leak(n * 5, n)).collect::<String>() + &line(300, "order 7 stored");
        let found = found("connection-leak", &[("orders/app.log", &log)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(measured(&found[0], "leaks"), 3.0);
    }

    #[test]
    fn a_service_that_stopped_after_the_warnings_is_silent_though_others_go_on() {
        let log = leak(61, 3) + &leak(70, 7);
        let others: String = (80..400).map(|n| line(n, "stock checked")).collect();
        assert!(found("connection-leak", &[("orders/app.log", &log), ("stock/app.log", &others.replace("[orders]", "[stock]"))]).is_empty());
    }

    #[test]
    fn two_methods_that_leak_as_much_are_not_told_as_one() {
        let stack = |method: &str| format!("java.lang.Exception: Apparent connection leak detected\n\tat com.acme.{method}\n");
        let one = stack("report.ReportDao.export(ReportDao.java:44)");
        let other = stack("mail.MailDao.send(MailDao.java:12)");
        let log = format!("{}{one}{}{other}{}", leak(61, 3), leak(70, 7), line(300, "report requested"));
        let found = found("connection-leak", &[("report/app.log", &log)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].words.get("where").map(String::as_str), Some(""));
    }

    /// Two warnings with the stack of who took the connection, then ten minutes of quiet records.
    #[test]
    fn the_method_that_leaks_is_named_and_quiet_records_tell_that_the_service_lives() {
        let stack = "java.lang.Exception: Apparent connection leak detected\n\tat com.zaxxer.hikari.HikariDataSource.getConnection(HikariDataSource.java:127) ~[HikariCP-5.1.0.jar:na]\n\tat org.springframework.jdbc.datasource.DataSourceUtils.fetchConnection(DataSourceUtils.java:160)\n\tat com.acme.report.ReportDao.export(ReportDao.java:44)\n\tat com.acme.report.ReportService.run(ReportService.java:21)\n";
        let quiet: String = (80..300).map(|n| line(n, "report requested").replace(" WARN ", " INFO ")).collect();
        let log = format!("{}{stack}{}{stack}{quiet}", leak(61, 3), leak(70, 7));
        let found = found("connection-leak", &[("report/app.log", &log)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(measured(&found[0], "leaks"), 2.0);
        assert_eq!(found[0].words.get("site").map(String::as_str), Some("ReportDao.export(ReportDao.java:44)"));
    }

    #[test]
    fn the_recording_may_end_too_early() {
        let log: String = (0..3).map(|n| leak(n * 5, n)).collect::<String>() + &line(20, "order 7 stored");
        assert!(found("connection-leak", &[("orders/app.log", &log)]).is_empty());
    }

    #[test]
    fn a_floor_that_only_rises() {
        let scrape = |value: &dyn Fn(i64) -> i64| -> String {
            (0..60)
                .map(|n| {
                    let time = 1_795_428_000_000_i64 + n * 15_000;
                    format!("# TYPE hikaricp_connections_active gauge\nhikaricp_connections_active{{pool=\"main\"}} {} {time}\nhikaricp_connections_max{{pool=\"main\"}} 20 {time}\n", value(n))
                })
                .collect()
        };
        assert_eq!(found("connection-leak", &[("orders/m.prom", &scrape(&|n| n / 4 + n % 3))]).len(), 1);
        assert!(found("connection-leak", &[("orders/m.prom", &scrape(&|n| 4 + n % 9))]).is_empty());
        assert!(found("connection-leak", &[("orders/m.prom", &scrape(&|n| if n > 30 { 16 + n % 3 } else { n % 3 }))]).is_empty(), "a step of load");
    }
}
