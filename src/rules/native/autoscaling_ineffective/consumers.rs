//! Readers of a topic that were multiplied while their backlog grows on: a topic feeds no more members than it has partitions.
//!
//! What this file does not do: say why a backlog grows; see `kafka_lag_growth`.

use super::nanos;
use crate::correlate::lag::{Backlog, Snapshot, backlogs};
use crate::correlate::replicas::{Replicas, plain};
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::rule::Rule;
use crate::model::time::{SECOND, Window};
use crate::rules::Scope;
use crate::rules::native::autoscaling_ineffective::rise::{Rise, rises};
use crate::rules::native::kafka_course::Course;
use crate::rules::native::kafka_groups::Readers;
use crate::rules::native::retry_storm::round;
use std::collections::{BTreeMap, BTreeSet};

/// Adds workloads about which nothing was found yet and that read for a consumer group.
pub fn detect(scope: &Scope<'_>, rule: &Rule, all: &BTreeMap<String, Replicas>, out: &mut Vec<Finding>) {
    let told: BTreeSet<String> = out.iter().map(|finding| finding.subject.service.clone()).collect();
    let backlogs: Vec<Backlog<'_>> = backlogs(scope.case).into_iter().filter(|backlog| !backlog.group.is_empty()).collect();
    if backlogs.is_empty() {
        return;
    }
    let readers = Readers::new(scope.case, &backlogs);
    for (name, replicas) in all.iter().filter(|(name, replicas)| replicas.told && !told.contains(*name)) {
        let wanted = plain(name);
        let mine = backlogs.iter().filter(|backlog| plain(&readers.service_of(backlog)) == wanted || plain(backlog.group) == wanted);
        let found = mine.filter_map(|backlog| {
            let course = Course::of(backlog)?;
            rises(rule, replicas).iter().rev().find_map(|rise| judge(rule, name, backlog, &course, replicas.input, rise))
        });
        out.extend(found.max_by(|a, b| a.score.total_cmp(&b.score)));
    }
}

fn judge(rule: &Rule, name: &str, backlog: &Backlog<'_>, course: &Course, input: Input, rise: &Rise) -> Option<Finding> {
    let (first, last) = (course.snapshots.first()?, course.snapshots.last()?);
    let granted = nanos(rule, "ready_gap_s").min(last.time.since(rise.last) / 3);
    let until = rise.falls.unwrap_or(last.time);
    let during = |from, to| -> Vec<&Snapshot> { course.snapshots.iter().filter(|look| from <= look.time && look.time <= to).collect() };
    let after = during(rise.last.plus(granted), until);
    let before = during(first.time, rise.from);
    let (Some(start), Some(end), Some(calm)) = (after.first(), after.last(), before.last()) else { return None };
    // It must be worse than when the first replica was added, and not on its way down since the last could read.
    let grows = end.lag >= rule.limit("lag") && end.lag >= rule.limit("growth") * calm.lag && end.lag >= start.lag && end.time > start.time;
    if !grows {
        return None;
    }
    let known = rise.before.unwrap_or(0.0);
    let partitions = backlog.partitions.len() as f64;
    let idle = (rise.after - partitions).max(0.0);
    let subject = Subject { service: name.to_owned(), operation: backlog.topic.to_owned(), key: backlog.group.to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, Window::of(rise.from, end.time));
    "consumers".clone_into(&mut finding.kind);
    finding.severity = if idle > 0.0 || end.lag >= rule.upper("vs_baseline") * calm.lag { Severity::High } else { Severity::Medium };
    finding.score = score(end.lag, rule.limit("lag"), 10.0 * rule.limit("lag")).max(25.0);
    finding.confidence = Belief::new()
        .with("replicas that the platform added", input, 0.5)
        .with("a backlog that grew on", Input::Metrics, 0.5)
        .with_if(idle > 0.0, "more replicas than partitions", Input::Metrics, 0.5)
        .value();
    finding
        .measure("replicas_before", known, "replicas")
        .measure("replicas_after", rise.after, "replicas")
        .measure("added", rise.after - known, "replicas")
        .measure("steps", rise.ups as f64, "steps")
        .measure("lag_before", calm.lag, "records")
        .measure_against("lag_after", end.lag, "records", rule.limit("lag"))
        .measure("partitions", partitions, "partitions")
        .measure("idle_replicas", idle, "replicas");
    for (name, stretch) in [("read_before", &before), ("read_after", &after)] {
        if let Some(rate) = read_rate(stretch) {
            finding.measure(name, round(rate), "records per second");
        }
    }
    let limiter = match idle {
        0.0 => "Every replica has a partition to read, so each waits for something that they share.".to_owned(),
        _ => format!("The topic has {partitions} partitions, so {idle} of the replicas have nothing to read."),
    };
    finding
        .word("limiter", limiter)
        .word(
            "limiter_fix",
            if idle > 0.0 { "the number of partitions, or the time that one record takes" } else { "what handling a record waits for" },
        )
        .look_alike("A backlog that is worked off since", "excluded: it is larger at the end than after the last step")
        .look_alike("A rollout or a drained node", "excluded: the number of replicas stayed higher");
    finding.cite(rise.evidence.iter().copied().take(3));
    finding.cite([calm.evidence, start.evidence, end.evidence]);
    Some(finding)
}

fn read_rate(looks: &[&Snapshot]) -> Option<f64> {
    let (first, last) = (looks.first()?, looks.last()?);
    let seconds = Some(last.time.since(first.time) as f64 / SECOND as f64).filter(|seconds| *seconds > 0.0)?;
    Some((last.current? - first.current?) / seconds)
}
