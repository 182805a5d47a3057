//! What else is seen of a group that would explain why it falls behind.
//!
//! The rules of these causes look at them for themselves; here each is a sentence beside the backlog that it explains, by the
//! limits of this rule. What this file does not do: find out whether the backlog grows.

use super::{IDLE, waiting};
use crate::correlate::lag::{Backlog, Reading};
use crate::correlate::{Case, meter};
use crate::model::amount::{millis, number};
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Window};
use crate::model::trend::median;
use crate::rules::native::kafka_course::{Course, is_deserted};
use crate::rules::native::kafka_groups::{Readers, events};
use crate::rules::native::kafka_poison_message::failures;
use crate::rules::native::retry_storm::round;

/// Sentences, the strongest first, and records that show it.
#[derive(Default)]
pub(super) struct Causes {
    pub(super) said: Vec<String>,
    pub(super) evidence: Vec<Evidence>,
}

pub(super) fn causes(case: &Case, rule: &Rule, (readers, service): (&Readers<'_>, &str), backlog: &Backlog<'_>, course: &Course) -> Causes {
    let mut causes = Causes::default();
    let deserted = is_deserted(backlog) == Some(true);
    let standing = course.rates().is_some_and(|(produced, read)| read <= produced * rule.limit("read_percent") / 100.0);
    if deserted {
        causes.said.push("Nobody reads: no partition has a member.".to_owned());
    } else if standing {
        causes.said.push("Members are there, but next to nothing is read.".to_owned());
    }
    poison(case, rule, backlog, course, &mut causes);
    thrown_out(case, rule, readers, backlog, course, &mut causes);
    if !deserted && !standing {
        uneven(rule, backlog, &mut causes);
    }
    if let (Some((during, _)), Some(before)) = (course.rates(), course.rate_before().filter(|rate| *rate > 0.0))
        && during >= before * rule.limit("load_factor")
    {
        causes.said.push(format!("{} times as many records come in as before.", round(during / before)));
    }
    let idle =
        IDLE.iter().flat_map(|metric| case.series(metric)).filter(|series: &meter::Series<'_>| case.tables.names.get(series.service) == service);
    if let Some(idle) =
        idle.filter_map(|series| series.points.last()).map(|point| 100.0 * point.value).filter(|idle| idle.is_finite()).reduce(f64::min)
        && idle <= rule.limit("idle_percent")
    {
        causes.said.push(format!("The client waits for records only {} % of its time: the handler is what takes long.", round(idle)));
    }
    if let Some((before, during)) = waiting::handling(case, service, course.window())
        && during >= before * rule.limit("slower")
    {
        causes.said.push(format!("Handling one message takes {} instead of {}.", millis(during / 1e6), millis(before / 1e6)));
    }
    causes
}

/// The time of a backlog; all of the bundle where its looks have none.
fn around(case: &Case, course: &Course) -> Window {
    let window = course.window();
    if course.is_timed() && window.start.is_some() { window } else { case.context.window }
}

/// One record of the topic that fails again and again. Where many records fail it is not they who are wrong.
fn poison(case: &Case, rule: &Rule, backlog: &Backlog<'_>, course: &Course, causes: &mut Causes) {
    let window = around(case, course);
    let all = failures(case);
    let failing: Vec<_> = all.iter().filter(|(place, _)| place.topic == backlog.topic && !backlog.topic.is_empty()).collect();
    let tries = |rows: &[&crate::model::tables::Signal]| rows.iter().filter(|row| row.time.is_none() || window.holds(row.time)).count();
    let Some((place, rows)) = failing.iter().max_by_key(|(_, rows)| tries(rows)).filter(|_| failing.len() as f64 <= rule.limit("failing_records"))
    else {
        return;
    };
    let count = tries(rows);
    if count as f64 >= rule.limit("failures") {
        let (topic, partition, offset) = (place.topic, place.partition, place.offset);
        causes.said.push(format!("The record {topic}-{partition}@{offset} failed {count} times, and those behind it wait."));
        causes.evidence.extend(rows.first().map(|row| row.evidence));
    }
}

/// Members that are late and are thrown out, so that the partitions are dealt out again and again.
fn thrown_out(case: &Case, rule: &Rule, readers: &Readers<'_>, backlog: &Backlog<'_>, course: &Course, causes: &mut Causes) {
    if backlog.group.is_empty() {
        return;
    }
    let window = around(case, course);
    let signals = case.signals("kafka.poll-timeout");
    let late: Vec<_> =
        signals.into_iter().filter(|row| readers.group_of(row) == backlog.group && (row.time.is_none() || window.holds(row.time))).collect();
    let late = events(&late);
    if late.len() as f64 >= rule.limit("late_members") {
        causes.said.push(format!(
            "{} times a member asked for records too late and lost its partitions, and nothing was read while they were dealt out again.",
            late.len()
        ));
        causes.evidence.extend(late.first().map(|row| row.evidence));
    }
}

/// One partition that holds nearly all of the backlog: more is written there, or less is read.
fn uneven(rule: &Rule, backlog: &Backlog<'_>, causes: &mut Causes) {
    let ends: Vec<(&str, &[Reading<'_>], f64)> =
        backlog.partitions.iter().filter_map(|(name, readings)| Some((*name, readings.as_slice(), readings.last()?.lag?))).collect();
    let total: f64 = ends.iter().map(|(.., lag)| lag).sum();
    let Some(worst) = ends.iter().max_by(|a, b| a.2.total_cmp(&b.2).then(b.0.cmp(a.0))) else { return };
    if (ends.len() as f64) < rule.limit("partitions") || 100.0 * worst.2 < rule.limit("worst_percent") * total {
        return;
    }
    let rate = |readings: &[Reading<'_>], of: fn(&Reading<'_>) -> Option<f64>| {
        let (first, last) = (readings.first()?, readings.last()?);
        let seconds = last.time.since(first.time) as f64 / SECOND as f64;
        (seconds > 0.0).then_some((of(last)? - of(first)?) / seconds)
    };
    let usual = |of: fn(&Reading<'_>) -> Option<f64>| {
        median(&mut ends.iter().filter(|end| end.0 != worst.0).filter_map(|(_, readings, _)| rate(readings, of)).collect::<Vec<_>>())
    };
    let written = rate(worst.1, |reading| reading.end).zip(usual(|reading| reading.end));
    let read = rate(worst.1, |reading| reading.current).zip(usual(|reading| reading.current));
    let why = match (written, read) {
        (Some((there, usual)), _) if there >= rule.limit("hot_rate") * usual && usual > 0.0 => {
            format!(": {} records/s are written there, into a usual one {}", number(there), number(usual))
        }
        (_, Some((there, usual))) if there * rule.limit("hot_rate") <= usual && usual > 0.0 => {
            format!(": {} records/s are read there, of a usual one {}", number(there), number(usual))
        }
        _ => String::new(),
    };
    causes.said.push(format!("Partition {} holds {} % of the backlog{why}.", worst.0, round(100.0 * worst.2 / total.max(1.0))));
}
