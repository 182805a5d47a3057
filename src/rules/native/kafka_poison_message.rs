//! `kafka-poison-message`: one record fails again and again, and those behind it wait.
//!
//! Where many records fail it is not they who are wrong but what their handler needs. What this file does not do: find out
//! whether the partition stands; see `kafka_consumer_stalled`.

use crate::correlate::Case;
use crate::correlate::lag::backlogs;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::record::Level;
use crate::model::rule::Rule;
use crate::model::tables::Signal;
use crate::model::time::{SECOND, Window};
use crate::rules::native::kafka_groups::Readers;
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::BTreeMap;

pub(crate) const DETECTOR: Detector = Detector { id: "kafka-poison-message", thresholds: &["failures", "records", "lasting"], detect };

/// A place in a topic.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub(super) struct Place<'a> {
    pub topic: &'a str,
    pub partition: &'a str,
    pub offset: f64,
}

/// The place that a record's writer spells in one of many ways: `orders-2@4711`, `orders-2 at offset 4711`,
/// `topic=orders partition=2 offset=4711`, `orders [2] @ 4711`.
pub(super) fn place(text: &str) -> Option<Place<'_>> {
    let digits = |text: &str| text.len() - text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let offset_len = digits(text);
    let (rest, offset) = text.split_at(text.len() - offset_len);
    let rest = rest.trim_end_matches(|c: char| !c.is_ascii_digit());
    // Between partition and offset the client prints an epoch, which is a number, too.
    let rest = rest.split_once(", leaderEpoch").map_or(rest, |(before, _)| before);
    let (topic, partition) = rest.split_at(rest.len() - digits(rest));
    let topic = topic.trim_end_matches(['-', '[', ' ']);
    let topic = match topic.strip_prefix("topic").or_else(|| topic.strip_prefix("Topic")) {
        Some(named) if named.starts_with(['=', ':', ' ']) => named.trim_start_matches(SIGNS).split(SIGNS).next()?,
        _ => topic,
    };
    Some(Place { topic, partition, offset: offset.parse().ok()? }).filter(|place| !place.topic.is_empty() && !place.partition.is_empty())
}

/// What stands between a word and what it names.
const SIGNS: &[char] = &['=', ':', ' ', '\'', '"', ',', ';'];

/// Records of failures by the place they name, in the order of the places' spelling.
pub(super) fn failures(case: &Case) -> Vec<(Place<'_>, Vec<&Signal>)> {
    let mut by_key: BTreeMap<(Sym, Sym), Vec<&Signal>> = BTreeMap::new();
    for row in case.signals("kafka.record-failed").into_iter().filter(|row| row.level >= Level::Warn || row.level == Level::None) {
        by_key.entry((row.service, row.key)).or_default().push(row);
    }
    by_key.into_iter().filter_map(|((_, key), rows)| Some((place(case.tables.names.get(key))?, rows))).collect()
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let all = failures(case);
    let mut failing: BTreeMap<Sym, usize> = BTreeMap::new();
    all.iter().filter_map(|(_, rows)| rows.first()).for_each(|row| *failing.entry(row.service).or_default() += 1);
    let backlogs = backlogs(case);
    let readers = Readers::new(case, &backlogs);
    for (place, rows) in &all {
        let Some(first) = rows.first() else { continue };
        let others = failing.get(&first.service).copied().unwrap_or(1);
        if rows.len() as f64 >= rule.limit("failures") && others as f64 <= rule.limit("records") {
            out.push(finding(case, rule, &readers, place, rows, others));
        }
    }
}

fn finding(case: &Case, rule: &Rule, readers: &Readers<'_>, place: &Place<'_>, rows: &[&Signal], others: usize) -> Finding {
    let mut window = Window::default();
    rows.iter().for_each(|row| window.add(row.time));
    let first = rows.first().map_or(Sym::NONE, |row| row.service);
    let group = rows.first().map_or("", |row| readers.group_of(row));
    let subject = Subject {
        service: case.tables.names.get(first).to_owned(),
        operation: place.topic.to_owned(),
        key: format!("{}-{}@{}", place.topic, place.partition, place.offset),
        ..Subject::default()
    };
    let mut finding = Finding::new(&rule.id, subject, window);
    let seconds = window.nanos() as f64 / SECOND as f64;
    let lasting = seconds >= rule.limit("lasting");
    finding.severity = match (lasting, rows.len() as f64 >= rule.upper("failures")) {
        (true, true) => Severity::High,
        (false, false) => Severity::Low,
        _ => Severity::Medium,
    };
    finding.score = score(rows.len() as f64, rule.limit("failures"), rule.upper("failures"));
    finding.confidence = Belief::new().with("one record that fails again and again", Input::Logs, 0.85).value();
    finding
        .measure_against("failures", rows.len() as f64, "failures", rule.limit("failures"))
        .measure("lasting_s", round(seconds), "s")
        .measure("offset", place.offset, "")
        .measure("partition", place.partition.parse().unwrap_or(0.0), "")
        .measure("failing_records", others as f64, "records")
        .word("group", if group.is_empty() { "its group" } else { group })
        .word("topic", place.topic)
        .look_alike("Something that every record needs is down", format!("excluded: {others} records fail in all"))
        .look_alike("A failure that passes", if lasting { "excluded: it goes on" } else { "not excluded: the tries are close together" });
    finding.cite(rows.iter().map(|row| row.evidence).collect::<Vec<_>>());
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::fixture::{bundle, check, rule};

    fn severities(log: &str) -> Vec<(String, Severity)> {
        let found = check(&rule("kafka-poison-message"), &bundle(&[("orders/app.log", log)]), None);
        found.into_iter().map(|finding| (finding.subject.key, finding.severity)).collect()
    }

    fn line(second: usize, level: &str, message: &str) -> String {
        format!("2026-01-01T10:{:02}:{:02}.000Z {level} 1 --- [orders] [main] a.Listener : {message}\n", second / 60, second % 60)
    }

    #[test]
    fn places_in_all_spellings() {
        let want = Some(Place { topic: "orders-eu", partition: "2", offset: 4711.0 });
        for text in [
            "orders-eu-2@4711",
            "orders-eu-2 at offset 4711",
            "topic=orders-eu partition=2 offset=4711",
            "topic 'orders-eu', partition 2, offset 4711",
            "orders-eu [2] @ 4711",
            "orders-eu[2] at offset 4711",
            "topic = orders-eu, partition = 2, leaderEpoch = 0, offset = 4711",
        ] {
            assert_eq!(place(text), want, "{text}");
        }
        assert_eq!((place(""), place("4711"), place("orders")), (None, None, None));
    }

    #[test]
    fn one_record_fails_again_and_again() {
        let log: String = (0..12).map(|n| line(n * 10, "ERROR", "failed to handle orders-2@4711: amount is missing, will retry")).collect();
        assert_eq!(severities(&log), [("orders-2@4711".to_owned(), Severity::High)]);
        let json = |n: usize| {
            let time = format!("2026-01-01T10:{:02}:{:02}.000Z", n / 6, n % 6 * 10);
            format!("{{\"ts\":\"{time}\",\"level\":\"ERROR\",\"msg\":\"processing failed\",\"topic\":\"orders\",\"partition\":2,\"offset\":4711}}\n")
        };
        assert_eq!(severities(&(0..12).map(json).collect::<String>()), [("orders-2@4711".to_owned(), Severity::High)]);
        let python: String =
            (0..12).map(|n| line(n * 10, "ERROR", "processing failed topic=orders partition=2 offset=4711 error=ValueError")).collect();
        assert_eq!(severities(&python), [("orders-2@4711".to_owned(), Severity::High)]);
    }

    #[test]
    fn three_quick_tries_are_said_quietly() {
        let log: String = (0..3).map(|n| line(n, "ERROR", "failed to handle orders-2@4711")).collect();
        assert_eq!(severities(&log).iter().map(|(_, severity)| *severity).collect::<Vec<_>>(), [Severity::Low]);
    }

    #[test]
    fn look_alikes() {
        let outage: String = (0..200).map(|n| line(n, "ERROR", &format!("failed to handle orders-2@{}: Connection refused", n / 5))).collect();
        assert!(severities(&outage).is_empty(), "every record fails");
        let passing: String = (0..30).map(|n| line(n, "ERROR", &format!("failed to handle orders-2@{n}"))).collect();
        assert!(severities(&passing).is_empty(), "each fails once");
        let handled: String = (0..30).map(|n| line(n, "INFO", "going back to orders-2@4711")).collect();
        assert!(severities(&handled).is_empty(), "no failure");
    }
}
