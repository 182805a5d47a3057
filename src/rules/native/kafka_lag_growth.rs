//! `kafka-lag-growth`: a consumer group reads more slowly than records come in, and falls ever further behind.
//!
//! Told by tables of the group, by metrics of exporters and clients, or by the time that messages wait before their handler's
//! span begins. What this file does not do: a backlog that is only large; see `kafka_lag_high`.

use crate::correlate::Case;
use crate::correlate::lag::{Backlog, backlogs};
use crate::model::amount::{millis, number};
use crate::model::finding::{Belief, Finding, Input, Severity, score};
use crate::model::rule::Rule;
use crate::rules::native::kafka_course::{Course, about, is_abandoned, is_paused};
use crate::rules::native::kafka_groups::Readers;
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::BTreeSet;

mod causes;
mod waiting;

pub(crate) const DETECTOR: Detector = Detector {
    id: "kafka-lag-growth",
    thresholds: &[
        "lag",
        "factor",
        "age",
        "length",
        "tau",
        "read_percent",
        "load_factor",
        "idle_percent",
        "slower",
        "messages",
        "failures",
        "failing_records",
        "late_members",
        "partitions",
        "worst_percent",
        "hot_rate",
    ],
    detect,
};

/// Metrics of the share of time in which a client waits for records.
const IDLE: &[&str] =
    &["kafka.consumer.poll.idle.ratio.avg", "kafka.consumer.consumer.metrics.poll.idle.ratio.avg", "kafka.consumer.poll_idle_ratio_avg"];

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let backlogs = backlogs(case);
    let readers = Readers::new(case, &backlogs);
    let mut told: BTreeSet<(String, String)> = BTreeSet::new();
    // A group tells more than its clients do: of the same service and topic the first is kept.
    let (of_groups, of_clients): (Vec<_>, Vec<_>) = backlogs.iter().partition(|backlog| !backlog.group.is_empty());
    for backlog in of_groups.into_iter().chain(of_clients) {
        let service = readers.service_of(backlog);
        if backlog.group.is_empty() && told.iter().any(|(known, topic)| *known == service && (backlog.topic.is_empty() || topic == backlog.topic)) {
            continue;
        }
        if let Some(finding) = Course::of(backlog).and_then(|course| judge(case, rule, &readers, backlog, &course)) {
            told.insert((service, backlog.topic.to_owned()));
            out.push(finding);
        }
    }
    waiting::detect(case, rule, &told, out);
}

/// Whether a course is a growth by the rule's limits. Two snapshots show an increase, no growth.
fn grows(rule: &Rule, course: &Course) -> bool {
    let (start, last) = (course.start(), course.last());
    let long = course.length() >= rule.limit("length") || !course.is_timed();
    let old = match (course.age(), course.is_timed()) {
        (Some((age, _)), true) => age >= rule.limit("age"),
        _ => true,
    };
    let steep = last >= rule.limit("factor") * start && last >= start + rule.limit("lag");
    // What was worked off before, again and again, is a batch; unless this time it is much more.
    let waves = course.waves();
    let batch = waves.len() >= 2 && waves.iter().copied().fold(0.0, f64::max) * rule.limit("factor") >= last;
    let enough = course.rises(rule.limit("tau")) || course.snapshots.len() == 2;
    steep && long && old && enough && !batch && !course.drains() && course.slope() > 0.0
}

fn judge(case: &Case, rule: &Rule, readers: &Readers<'_>, backlog: &Backlog<'_>, course: &Course) -> Option<Finding> {
    if !grows(rule, course) {
        return None;
    }
    let mut finding = about(&rule.id, readers, backlog, course.window());
    let service = finding.subject.service.clone();
    let two = course.snapshots.len() == 2;
    let abandoned = is_abandoned(backlog, &service);
    let paused = is_paused(case, &service, course.window().start);
    let rates = course.rates().filter(|_| course.is_timed());
    let far = rates.is_some_and(|(produced, read)| read <= produced * rule.upper("read_percent") / 100.0);
    let age = course.age().filter(|_| course.is_timed());
    finding.severity = match (two || abandoned || paused || course.rewound, age.is_some_and(|(age, _)| age >= rule.upper("age")) || far) {
        (true, _) => Severity::Low,
        (_, true) => Severity::High,
        _ => Severity::Medium,
    };
    let age_score = age.map_or(0.0, |(age, _)| score(age, rule.limit("age"), rule.upper("age")));
    finding.score = score(course.last(), rule.limit("lag"), rule.upper("lag")).max(age_score);
    let late = !case.signals("kafka.poll-timeout").iter().all(|row| readers.group_of(row) != backlog.group) && !backlog.group.is_empty();
    finding.confidence = Belief::new()
        .with("a backlog that grows from look to look", Input::Metrics, if two { 0.5 } else { 0.8 })
        .with_if(late, "members that did not ask for records in time", Input::Logs, 0.6)
        .doubted(if course.renewed || course.rewound { 0.5 } else { 1.0 })
        .doubted(if course.is_timed() { 1.0 } else { 0.8 })
        .value();
    measure(rule, &mut finding, backlog, course);
    let causes = causes::causes(case, rule, (readers, &service), backlog, course);
    finding.word("rates", said(course, rates)).word("cause", causes.said.join(" "));
    finding
        .look_alike("A backlog that is worked off", "excluded: it is largest at the end")
        .look_alike(
            "A batch that comes again and again",
            match course.waves().len() {
                0 => "excluded: no wave was worked off before".to_owned(),
                n => format!("not excluded: {n} waves were worked off before"),
            },
        )
        .look_alike(
            "A group that nobody uses",
            if abandoned { "not excluded: no member and no service of the bundle reads for it" } else { "excluded" },
        )
        .look_alike(
            "Reading again from an earlier place",
            if course.rewound { "not excluded: the offsets read went back" } else { "excluded: the offsets read never went back" },
        );
    let looks = course.rise().iter().rev().take(3).chain(course.rise().first()).map(|snapshot| snapshot.evidence);
    finding.cite(looks.chain(causes.evidence).collect::<Vec<_>>());
    finding.evidence_total = course.rise().len() as u64;
    Some(finding)
}

fn measure(rule: &Rule, finding: &mut Finding, backlog: &Backlog<'_>, course: &Course) {
    finding
        .measure_against("lag_end", course.last(), "records", rule.limit("lag"))
        .measure("lag_start", course.start(), "records")
        .measure("lag_max", course.most, "records")
        .measure("growth", round(course.slope()), if course.is_timed() { "records/s" } else { "records per look" })
        .measure("length_s", if course.is_timed() { round(course.length()) } else { 0.0 }, "s")
        .measure("partitions", backlog.partitions.len() as f64, "partitions")
        .measure("looks", course.snapshots.len() as f64, "looks");
    let last = backlog.partitions.values().filter_map(|readings| readings.last());
    let worst = last.clone().filter_map(|reading| reading.lag).fold(0.0, f64::max);
    let members: BTreeSet<&str> = last.map(|reading| reading.member).filter(|member| !matches!(*member, "" | "-")).collect();
    finding.measure("lag_of_worst_partition", worst, "records").measure("members", members.len() as f64, "members");
    if let Some((age, _)) = course.age().filter(|_| course.is_timed()) {
        finding.measure_against("age_s", round(age), "s", rule.limit("age"));
    }
    if let Some((produced, read)) = course.rates().filter(|_| course.is_timed()) {
        finding.measure("produced_per_s", round(produced), "records/s").measure("read_per_s", round(read), "records/s");
        if read > 0.0 {
            finding.measure("needed_factor", round(produced / read), "times");
        }
    }
}

/// The rates in a sentence.
fn said(course: &Course, rates: Option<(f64, f64)>) -> String {
    let Some((produced, read)) = rates else { return "How fast records come in and are read is not told.".to_owned() };
    let verdict = match (read >= produced, read > 0.0) {
        (true, _) => "it will be worked off".to_owned(),
        (_, true) => format!("it is never worked off unless reading becomes {} times as fast", number(produced / read)),
        _ => "it is never worked off while nothing is read".to_owned(),
    };
    let age = course.age().map_or_else(String::new, |(age, more)| {
        format!(" The oldest unread record is {} {} old.", if more { "at least" } else { "about" }, millis(age.round() * 1e3))
    });
    format!("{} records come in and {} are read each second: {verdict}.{age}", number(produced), number(read))
}

#[cfg(test)]
mod tests;
