//! `kafka-consumer-stalled`: records come in, and nothing of a partition is read any more.
//!
//! Partitions into which nothing is written stand rightly, and so do those of a group whose members are thrown out again and
//! again, which `kafka_rebalance_storm` tells. What this file does not do: slow reading; see `kafka_lag_growth`.

use crate::correlate::Case;
use crate::correlate::lag::{Backlog, Reading, backlogs};
use crate::model::finding::{Belief, Finding, Input, Severity, score};
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Window};
use crate::rules::native::kafka_course::{about, is_abandoned, is_paused};
use crate::rules::native::kafka_groups::Readers;
use crate::rules::native::kafka_poison_message::{Place, failures};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};

pub(crate) const DETECTOR: Detector =
    Detector { id: "kafka-consumer-stalled", thresholds: &["looks", "stalled", "unread", "storm_timeouts"], detect };

/// A partition that stands.
struct Stalled<'a> {
    partition: &'a str,
    since: Reading<'a>,
    now: Reading<'a>,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let backlogs = backlogs(case);
    let readers = Readers::new(case, &backlogs);
    for backlog in &backlogs {
        let late =
            case.signals("kafka.poll-timeout").iter().filter(|row| !backlog.group.is_empty() && readers.group_of(row) == backlog.group).count();
        let stalled: Vec<Stalled<'_>> = backlog.partitions.iter().filter_map(|(partition, readings)| stands(rule, partition, readings)).collect();
        if !stalled.is_empty() && (late as f64) < rule.limit("storm_timeouts") {
            out.push(judge(case, rule, &readers, backlog, &stalled));
        }
    }
}

/// Whether a partition's offset stays where it is for long, over several looks, while its log grows.
fn stands<'a>(rule: &Rule, partition: &'a str, readings: &[Reading<'a>]) -> Option<Stalled<'a>> {
    let now = *readings.last()?;
    let current = now.current?;
    let from = readings.iter().rposition(|reading| reading.current.is_none_or(|other| other < current)).map_or(0, |at| at + 1);
    let since = *readings.get(from)?;
    let looks = readings.len() - from;
    // Growth over the same looks: what came in once and was left is no sign of standing.
    let grown = now.end? - since.end?;
    let steps = readings.get(from..)?.windows(2).filter(|pair| pair[1].end > pair[0].end).count();
    let long = now.time.is_none() || now.time.since(since.time) as f64 >= rule.limit("stalled") * SECOND as f64;
    let enough = looks as f64 >= rule.limit("looks") && grown >= rule.limit("unread") && now.lag.unwrap_or(0.0) >= rule.limit("unread") && steps > 1;
    (long && enough).then_some(Stalled { partition, since, now })
}

fn judge(case: &Case, rule: &Rule, readers: &Readers<'_>, backlog: &Backlog<'_>, stalled: &[Stalled<'_>]) -> Finding {
    let mut window = Window::default();
    stalled.iter().for_each(|one| {
        window.add(one.since.time);
        window.add(one.now.time);
    });
    let mut finding = about(&rule.id, readers, backlog, window);
    let service = finding.subject.service.clone();
    let all = stalled.len() == backlog.partitions.len();
    let deserted = stalled.iter().all(|one| one.now.member == "-");
    let (abandoned, paused) = (is_abandoned(backlog, &service), is_paused(case, &service, window.start));
    let timed = window.start.is_some();
    let seconds = stalled.iter().map(|one| one.now.time.since(one.since.time)).max().unwrap_or(0) as f64 / SECOND as f64;
    finding.severity = match (abandoned || paused, all || deserted || seconds >= rule.upper("stalled")) {
        (true, _) => Severity::Low,
        (_, true) => Severity::High,
        _ => Severity::Medium,
    };
    let blocked = blocker(case, backlog, stalled);
    finding.score = score(seconds.max(rule.limit("stalled")), rule.limit("stalled"), rule.upper("stalled"));
    finding.confidence = Belief::new()
        .with("an offset that stays while the log grows", Input::Metrics, 0.75)
        .with_if(blocked.is_some(), "a record at that offset that fails again and again", Input::Logs, 0.7)
        .doubted(if timed { 1.0 } else { 0.8 })
        .value();
    let lag: f64 = stalled.iter().filter_map(|one| one.now.lag).sum();
    finding
        .measure("stalled_partitions", stalled.len() as f64, "partitions")
        .measure("partitions", backlog.partitions.len() as f64, "partitions")
        .measure("lag_end", lag, "records")
        .measure("offset", stalled.first().and_then(|one| one.now.current).unwrap_or(0.0), "")
        .measure("arrived", stalled.iter().filter_map(|one| Some(one.now.end? - one.since.end?)).sum(), "records");
    if timed {
        finding.measure_against("stalled_s", round(seconds), "s", rule.limit("stalled"));
    }
    let members = match (deserted, blocked.is_some()) {
        (true, _) => "Nobody reads them: the partitions have no member.",
        (_, true) => "A record at the offset that stands fails again and again.",
        _ => "Members hold the partitions but do not go on: a stuck handler, a paused container, or a record that fails.",
    };
    finding
        .word("which", stalled.iter().map(|one| one.partition).take(12).collect::<Vec<_>>().join(", "))
        .word("members", members)
        .look_alike("A partition into which nothing is written", "excluded: its log grows")
        .look_alike("A reader that was paused on purpose", if paused { "not excluded: the log says so" } else { "excluded: no record of a pause" })
        .look_alike(
            "A group that nobody uses",
            if abandoned { "not excluded: no member and no service of the bundle reads for it" } else { "excluded" },
        )
        .look_alike("Offsets committed rarely, or kept elsewhere", "not excluded: only commits are seen");
    finding.cite(stalled.iter().take(3).flat_map(|one| [one.now.evidence, one.since.evidence]).chain(blocked).collect::<Vec<_>>());
    finding.evidence_total = finding.evidence_total.max(stalled.len() as u64);
    finding
}

/// A record that fails at an offset where a partition stands.
fn blocker(case: &Case, backlog: &Backlog<'_>, stalled: &[Stalled<'_>]) -> Option<Evidence> {
    let here = |place: &Place<'_>| {
        place.topic == backlog.topic
            && stalled.iter().any(|one| one.partition == place.partition && one.now.current.is_some_and(|at| (at - place.offset).abs() <= 1.0))
    };
    failures(case).into_iter().find(|(place, _)| here(place)).and_then(|(_, rows)| rows.first().map(|row| row.evidence))
}

#[cfg(test)]
mod tests {
    use crate::model::finding::{Finding, Severity};
    use crate::rules::fixture::{bundle, check, measured, rule};

    const HEAD: &str = "GROUP  TOPIC  PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG  CONSUMER-ID  HOST  CLIENT-ID\n";

    /// Looks a minute apart at partitions 0, 1 and 2: offsets read and written.
    fn watch(looks: i64, member: &str, offsets: impl Fn(i64, i64) -> (i64, i64)) -> String {
        let row = |n: i64, partition: i64| {
            let (current, end) = offsets(n, partition);
            format!("shop  orders  {partition}  {current}  {end}  {}  {member}  {member}  {member}\n", end - current)
        };
        (0..looks).map(|n| format!("# 2026-01-01T10:{n:02}:00Z\n{HEAD}{}", (0..3).map(|p| row(n, p)).collect::<String>())).collect()
    }

    fn found(files: &[(&str, &str)]) -> Vec<Finding> {
        check(&rule("kafka-consumer-stalled"), &bundle(files), None)
    }

    const ERRORS: &str = "2026-01-01T10:01:00.000Z ERROR 1 --- [shop] [main] a.Listener : processing failed for orders-2@4711, retrying\n";

    #[test]
    fn one_partition_stands_at_a_record_that_fails() {
        let table = watch(4, "c-1", |n, partition| if partition == 2 { (4711, 4711 + 200 * n) } else { (500 * n, 500 * n + 3) });
        let found = found(&[("lag.txt", &table), ("shop/app.log", &ERRORS.repeat(10))]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((measured(&found[0], "stalled_s"), measured(&found[0], "offset"), measured(&found[0], "lag_end")), (180.0, 4711.0, 600.0));
        assert!(found[0].words["members"].contains("fails again") && found[0].severity == Severity::Medium, "{found:?}");
        assert_eq!(found[0].words["which"], "2");
    }

    #[test]
    fn nobody_reads_what_a_service_should() {
        let table = watch(6, "-", |n, _| (100, 100 + 300 * n));
        let log =
            "2026-01-01T09:50:00.000Z  INFO 1 --- [shop-orders] [main] a.K : [Consumer clientId=x, groupId=shop] Subscribed to topic(s): orders\n";
        let found_known = found(&[("lag.txt", &table), ("shop/app.log", log)]);
        assert_eq!(
            found_known.iter().map(|finding| (finding.severity, finding.subject.service.as_str())).collect::<Vec<_>>(),
            [(Severity::High, "shop-orders")]
        );
        assert_eq!(found(&[("lag.txt", &table)])[0].severity, Severity::Low, "abandoned");
    }

    #[test]
    fn partitions_that_stand_rightly() {
        let idle = watch(6, "c-1", |n, partition| if partition == 0 { (700, 700) } else { (500 * n, 500 * n + 3) });
        assert!(found(&[("lag.txt", &idle)]).is_empty());
        let left = watch(6, "c-1", |n, partition| if partition == 0 { (700, 760) } else { (500 * n, 500 * n + 3) });
        assert!(found(&[("lag.txt", &left)]).is_empty(), "nothing new comes in");
        let rarely = watch(6, "c-1", |n, _| (1000 * (n / 2 + 1), 1000 * (n + 1)));
        assert!(found(&[("lag.txt", &rarely)]).is_empty(), "committed every other minute");
    }
}
