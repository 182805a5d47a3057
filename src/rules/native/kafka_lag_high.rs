//! `kafka-lag-high`: many records are unread, without a sign that they become more.
//!
//! A single look tells no course, and a backlog that stands may be worked off at night. What this file does not do: growth;
//! see `kafka_lag_growth`.

use crate::correlate::lag::{Backlog, backlogs};
use crate::model::finding::{Belief, Finding, Input, Severity, score};
use crate::model::rule::Rule;
use crate::model::time::Window;
use crate::rules::native::kafka_course::{Course, about, is_abandoned, is_deserted};
use crate::rules::native::kafka_groups::Readers;
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};

pub(crate) const DETECTOR: Detector = Detector { id: "kafka-lag-high", thresholds: &["lag", "read_percent", "behind", "tau"], detect };

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let backlogs = backlogs(case);
    let readers = Readers::new(case, &backlogs);
    out.extend(backlogs.iter().filter_map(|backlog| judge(rule, &readers, backlog)));
}

fn judge(rule: &Rule, readers: &Readers<'_>, backlog: &Backlog<'_>) -> Option<Finding> {
    let snapshots = backlog.snapshots();
    let last = snapshots.last()?;
    let course = Course::of(backlog);
    let behind = course.as_ref().filter(|course| course.is_timed()).and_then(|course| course.rates()).filter(|(_, read)| *read > 0.0);
    let seconds = behind.map(|(_, read)| last.lag / read);
    let percent = last.end.filter(|end| *end > 0.0).map_or(100.0, |end| 100.0 * last.lag / end);
    let draining = course.as_ref().is_some_and(|course| course.snapshots.len() > 2 && course.drains());
    let growing = course.as_ref().is_some_and(|course| course.rises(rule.limit("tau")));
    let caught_up = seconds.is_some_and(|seconds| seconds < rule.limit("behind"));
    // What is a large share of all that was ever written is told by the group's first look, too.
    if last.lag < rule.limit("lag") || percent < rule.limit("read_percent") || caught_up || growing {
        return None;
    }
    let mut window = Window::default();
    snapshots.iter().for_each(|snapshot| window.add(snapshot.time));
    let mut finding = about(&rule.id, readers, backlog, window);
    let deserted = is_deserted(backlog) == Some(true);
    let abandoned = is_abandoned(backlog, &finding.subject.service);
    finding.severity = if draining || abandoned { Severity::Info } else { Severity::Low };
    finding.score = score(last.lag, rule.limit("lag"), rule.upper("lag"));
    finding.confidence = Belief::new().with("many unread records", Input::Metrics, 0.6).value();
    finding
        .measure_against("lag_end", last.lag, "records", rule.limit("lag"))
        .measure("lag_max", course.as_ref().map_or(last.lag, |course| course.most), "records")
        .measure("unread_percent", round(percent), "percent of all records")
        .measure("partitions", backlog.partitions.len() as f64, "partitions");
    if let Some(seconds) = seconds {
        finding.measure("behind_s", round(seconds), "s");
    }
    let course = match (draining, deserted) {
        (true, _) => "It is being worked off.",
        (_, true) => "Nobody reads: no partition has a member.",
        _ => "Whether it grows is not seen.",
    };
    finding.word("course", course).look_alike("A backlog that is worked off", if draining { "it is" } else { "not excluded" }).look_alike(
        "A group that nobody uses",
        if abandoned { "not excluded: no member and no service of the bundle reads for it" } else { "excluded" },
    );
    finding.missing.push("Several looks at the group, some seconds apart, and its offsets".to_owned());
    finding.cite(snapshots.iter().rev().take(3).map(|snapshot| snapshot.evidence).collect::<Vec<_>>());
    Some(finding)
}

#[cfg(test)]
mod tests {
    use crate::model::finding::Severity;
    use crate::rules::fixture::{bundle, check, rule};

    fn severities(rows: &[(i64, i64, &str)]) -> Vec<Severity> {
        let head = "GROUP  TOPIC  PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG  CONSUMER-ID  HOST  CLIENT-ID\n";
        let row = |(n, (current, end, member)): (usize, &(i64, i64, &str))| {
            format!("# 2026-01-01T10:{n:02}:00Z\n{head}g  orders  0  {current}  {end}  {}  {member}  {member}  {member}\n", end - current)
        };
        let text: String = rows.iter().enumerate().map(row).collect();
        check(&rule("kafka-lag-high"), &bundle(&[("lag.txt", &text)]), None).iter().map(|finding| finding.severity).collect()
    }

    #[test]
    fn one_look_is_said_quietly() {
        assert_eq!(severities(&[(1000, 91_000, "c-1")]), [Severity::Low]);
        assert_eq!(severities(&[(1000, 91_000, "-")]), [Severity::Info], "abandoned");
        assert!(severities(&[(1000, 1400, "c-1")]).is_empty());
        assert!(severities(&[(9_000_000, 9_001_500, "c-1")]).is_empty(), "a thousandth of all is in flight");
    }

    #[test]
    fn a_drain_is_context() {
        assert_eq!(severities(&[(0, 90_000, "c-1"), (10_000, 90_000, "c-1"), (20_000, 90_000, "c-1"), (60_000, 90_000, "c-1")]), [Severity::Info]);
    }
}
