//! `kafka-rebalance-storm`: a consumer group that deals out its partitions again and again instead of reading.
//!
//! Members that do not ask for records in time are thrown out, come back, and throw out others. Rounds that a start or a stop
//! of a member explains are no storm. What this file does not do: measure the lag that follows.

use crate::correlate::Case;
use crate::correlate::lag::{Backlog, backlogs};
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::tables::Signal;
use crate::model::time::{SECOND, Time, Window};
use crate::rules::native::kafka_groups::{Instance, Readers, events, instance};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector {
    id: "kafka-rebalance-storm",
    thresholds: &["rounds", "window", "poll_timeouts", "untroubled_rounds", "owner_changes", "round_gap", "severe_timeouts"],
    detect,
};

/// A start or stop of a member is told up to this long before the round that it brings about.
const BEFORE: i64 = 60 * SECOND;

/// What was said of a group.
#[derive(Default)]
struct Told<'a> {
    timeouts: Vec<&'a Signal>,
    commits: Vec<&'a Signal>,
    heartbeats: Vec<&'a Signal>,
    lost: Vec<&'a Signal>,
    revoked: Vec<&'a Signal>,
    assigned: Vec<&'a Signal>,
    /// Records that number a generation, and the number.
    generations: Vec<(&'a Signal, i64)>,
    /// Members that came or went by themselves.
    moves: Vec<Time>,
    /// Limits that members or their errors name, in milliseconds.
    limit: Option<f64>,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let backlogs = backlogs(case);
    let readers = Readers::new(case, &backlogs);
    let mut groups = told(case, &readers);
    for backlog in backlogs.iter().filter(|backlog| !backlog.group.is_empty()) {
        groups.entry((backlog.group, Sym::NONE)).or_default();
    }
    for ((group, service), told) in &groups {
        let backlog = backlogs.iter().filter(|backlog| backlog.group == *group && !group.is_empty());
        let owners: Vec<(Time, usize, usize)> = backlog.clone().map(|backlog| changes(backlog, rule)).max_by_key(Vec::len).unwrap_or_default();
        let lag = backlog.filter_map(|backlog| backlog.snapshots().last().map(|last| last.lag)).reduce(f64::max);
        if let Some(mut finding) = judge(case, rule, told, &owners) {
            let subject = readers.subject(group, *service);
            finding.words.insert("group".to_owned(), if group.is_empty() { subject.service.clone() } else { (*group).to_owned() });
            finding.subject = subject;
            if let Some(lag) = lag {
                finding.measure("lag_end", lag, "records");
            }
            out.push(finding);
        }
    }
}

/// What records say, by group; by service where the group is not known.
fn told<'a>(case: &'a Case, readers: &Readers<'a>) -> BTreeMap<(&'a str, Sym), Told<'a>> {
    let mut groups: BTreeMap<(&str, Sym), Told<'_>> = BTreeMap::new();
    let key = |row: &Signal| match readers.group_of(row) {
        "" => ("", row.service),
        group => (group, Sym::NONE),
    };
    type Pick<'a> = for<'t> fn(&'t mut Told<'a>) -> &'t mut Vec<&'a Signal>;
    let kinds: [(&str, Pick<'a>); 6] = [
        ("kafka.poll-timeout", |told| &mut told.timeouts),
        ("kafka.commit-failed", |told| &mut told.commits),
        ("kafka.heartbeat-expired", |told| &mut told.heartbeats),
        ("kafka.lost", |told| &mut told.lost),
        ("kafka.revoked", |told| &mut told.revoked),
        ("kafka.assigned", |told| &mut told.assigned),
    ];
    for (signal, pick) in kinds {
        for row in case.signals(signal) {
            pick(groups.entry(key(row)).or_default()).push(row);
        }
    }
    // A broker that prepares a round names the generation that ends with it.
    for (signal, begins) in [("kafka.generation", 0), ("kafka.rebalance", 1)] {
        for row in case.signals(signal).into_iter().filter(|row| row.value.is_finite()) {
            groups.entry(key(row)).or_default().generations.push((row, row.value as i64 + begins));
        }
    }
    let said = |row: &Signal| case.tables.names.get(row.key);
    for row in case.signals("kafka.subscribed") {
        let told = groups.entry(key(row)).or_default();
        told.moves.push(row.time);
        told.limit = told.limit.or(Some(row.value).filter(|value| value.is_finite()));
    }
    let leaves = case.signals("kafka.left");
    for row in leaves.iter().filter(|row| !said(row).contains("poll timeout")) {
        groups.entry(key(row)).or_default().moves.push(row.time);
    }
    let starts = case.signals("app.started");
    for ((group, service), told) in &mut groups {
        let own = readers.subject(group, *service).service;
        let is_own = |service: Sym| case.tables.names.get(service) == own;
        // The client tells its own start too; the same start must not excuse two rounds.
        if told.moves.is_empty() {
            told.moves.extend(starts.iter().filter(|row| is_own(row.service)).map(|row| row.time));
            let pods = case.tables.events.iter().filter(|event| is_own(event.service));
            told.moves.extend(pods.filter(|event| matches!(case.tables.names.get(event.reason), "Killing" | "Started")).map(|event| event.time));
        }
        told.limit = told.timeouts.iter().map(|row| row.value).find(|value| value.is_finite()).or(told.limit);
        told.timeouts = events(&told.timeouts);
        told.lost = events(&told.lost);
        told.revoked = events(&told.revoked);
        told.assigned = events(&told.assigned);
        told.commits = events(&told.commits);
    }
    groups
}

/// Snapshots in which partitions have other owners than in the one before: when, how many, and members in all. A partition
/// that was or becomes nobody's is no change of owner.
fn changes(backlog: &Backlog<'_>, rule: &Rule) -> Vec<(Time, usize, usize)> {
    let mut at: BTreeMap<Time, usize> = BTreeMap::new();
    let mut clients: BTreeSet<&str> = BTreeSet::new();
    for readings in backlog.partitions.values() {
        clients.extend(readings.iter().map(|reading| reading.client).filter(|client| !client.is_empty()));
        for pair in
            readings.windows(2).filter(|pair| pair[0].member != pair[1].member && pair.iter().all(|reading| !matches!(reading.member, "" | "-")))
        {
            *at.entry(pair[1].time).or_default() += 1;
        }
    }
    // Members that start or stop one by one move partitions twice each.
    let enough = at.len() as f64 >= rule.limit("owner_changes") && at.len() > 2 * clients.len();
    if enough { at.into_iter().map(|(time, moved)| (time, moved, clients.len())).collect() } else { Vec::new() }
}

/// The stretch of the given length with most of the times.
fn densest(times: &mut [Time], length: i64) -> Vec<Time> {
    times.sort_unstable();
    let (mut best, mut from) = (0..0, 0);
    for to in 0..times.len() {
        while times[to].since(times[from]) > length {
            from += 1;
        }
        if to + 1 - from > best.len() {
            best = from..to + 1;
        }
    }
    times.get(best).unwrap_or_default().to_vec()
}

/// When each round began: by its number if generations are numbered, else by the records of assignments that crowd.
fn rounds(rule: &Rule, told: &Told<'_>) -> Vec<Time> {
    let mut first: BTreeMap<i64, Time> = BTreeMap::new();
    for (row, number) in &told.generations {
        let time = first.entry(*number).or_insert(row.time);
        *time = (*time).min(row.time);
    }
    if first.len() > 1 {
        return first.into_values().collect();
    }
    let gap = (rule.limit("round_gap") * SECOND as f64) as i64;
    told.assigned.chunk_by(|a, b| b.time.since(a.time) <= gap).filter_map(|round| round.first()).map(|row| row.time).collect()
}

fn judge(case: &Case, rule: &Rule, told: &Told<'_>, owners: &[(Time, usize, usize)]) -> Option<Finding> {
    let length = (rule.limit("window") * SECOND as f64) as i64;
    let rounds = densest(&mut rounds(rule, told), length);
    let timeouts = densest(&mut told.timeouts.iter().map(|row| row.time).collect::<Vec<_>>(), length);
    let near = |time: &Time| rounds.first().is_some_and(|first| first.since(*time) <= BEFORE) && rounds.last().is_some_and(|last| time <= last);
    let explained = told.moves.iter().filter(|time| near(time)).count();
    let unexplained = rounds.len().saturating_sub(explained) as f64;
    let troubled = !told.lost.is_empty() || !told.heartbeats.is_empty() || !told.commits.is_empty() || !told.timeouts.is_empty();
    let by_rounds = unexplained >= rule.limit("rounds") && troubled || unexplained >= rule.limit("untroubled_rounds");
    let by_timeouts = timeouts.len() as f64 >= rule.limit("poll_timeouts");
    let single = !timeouts.is_empty();
    if !(by_rounds || by_timeouts || single || !owners.is_empty()) {
        return None;
    }
    let mut window = Window::default();
    told.timeouts.iter().chain(&told.commits).chain(&told.lost).for_each(|row| window.add(row.time));
    if by_rounds {
        // The rounds of a start are not yet the storm.
        let from = window.start.plus(-BEFORE);
        rounds.iter().filter(|time| from.is_none() || **time >= from).for_each(|time| window.add(*time));
    }
    if window.start.is_none() {
        owners.iter().for_each(|(time, ..)| window.add(*time));
    }
    // A member that is late now has been away since before its limit.
    if let (Some(limit), Some(first)) = (told.limit, told.timeouts.first()) {
        window.add(first.time.plus(-(limit * 1e6) as i64));
    }
    let mut finding = Finding::new(&rule.id, Subject::default(), window);
    finding.severity = match (by_timeouts, told.timeouts.len() as f64 >= rule.limit("severe_timeouts") || !told.commits.is_empty()) {
        (true, true) => Severity::High,
        (true, false) => Severity::Medium,
        _ if by_rounds && troubled => Severity::Medium,
        _ => Severity::Low,
    };
    let many = unexplained.max(told.timeouts.len() as f64).max(if owners.is_empty() { 0.0 } else { owners.len() as f64 / 2.0 });
    finding.score = score(many, rule.limit("rounds").min(rule.limit("poll_timeouts")), rule.upper("rounds"));
    finding.confidence = Belief::new()
        .with_if(single, "members that did not ask for records in time", Input::Logs, if by_timeouts { 0.75 } else { 0.6 })
        .with_if(by_rounds, "rounds that no start or stop explains", Input::Logs, 0.6)
        .with_if(!told.commits.is_empty(), "commits refused because the group went on", Input::Logs, 0.5)
        .with_if(!owners.is_empty(), "owners of partitions that keep changing", Input::Metrics, 0.6)
        .value();
    measure(&mut finding, rule, told, rounds.len(), explained);
    if let Some((_, _, members)) = owners.first() {
        finding.measure("owner_changes", owners.len() as f64, "looks").measure("members", *members as f64, "members");
        if !(by_rounds || single) {
            "owners".clone_into(&mut finding.kind);
        }
    }
    finding.word("reason", reason(told, by_timeouts));
    finding
        .look_alike("A deployment or scaling", format!("told apart: starts and stops of members excuse {explained} of {} rounds", rounds.len()))
        .look_alike("One rebalance", if by_timeouts || by_rounds { "excluded: it goes on and on" } else { "not excluded" });
    let quoted =
        told.timeouts.iter().take(3).chain(told.commits.iter().take(2)).chain(told.lost.iter().take(2)).chain(told.heartbeats.iter().take(2));
    finding.cite(quoted.map(|row| row.evidence).collect::<Vec<_>>());
    finding
        .cite(told.generations.iter().map(|(row, _)| row.evidence).chain(told.assigned.iter().map(|row| row.evidence)).take(8).collect::<Vec<_>>());
    if finding.evidence.is_empty() {
        let changed: BTreeSet<Time> = owners.iter().map(|(time, ..)| *time).collect();
        let metrics = case.tables.metrics.iter().filter(|row| changed.contains(&row.time) && case.tables.names.get(row.labels).contains("member="));
        finding.cite(metrics.take(8).map(|row| row.evidence).collect::<Vec<_>>());
    }
    finding.evidence_total = finding.evidence_total.max((told.timeouts.len() + told.commits.len() + told.lost.len() + told.revoked.len()) as u64);
    (!finding.evidence.is_empty()).then_some(finding)
}

fn measure(finding: &mut Finding, rule: &Rule, told: &Told<'_>, rounds: usize, explained: usize) {
    let instances: BTreeSet<(Instance, Sym)> = told.timeouts.iter().map(|row| (instance(row), row.key)).collect();
    finding
        .measure_against("poll_timeouts", told.timeouts.len() as f64, "timeouts", rule.limit("poll_timeouts"))
        .measure_against("rounds", rounds as f64, "rounds", rule.limit("rounds"))
        .measure("explained_rounds", explained as f64, "rounds")
        .measure("revoked_or_lost", (told.revoked.len() + told.lost.len()) as f64, "times")
        .measure("lost", told.lost.len() as f64, "times")
        .measure("commit_failures", told.commits.len() as f64, "commits")
        .measure("heartbeats_expired", told.heartbeats.len() as f64, "times")
        .measure("late_members", instances.len() as f64, "members")
        .measure("without_partitions_s", round(idle(told)), "s");
    if let Some(limit) = told.limit {
        finding.measure("max_poll_interval_ms", limit, "ms");
    }
    if let (Some(low), Some(high)) = (told.generations.iter().map(|(_, n)| n).min(), told.generations.iter().map(|(_, n)| n).max()) {
        finding.measure("first_generation", *low as f64, "").measure("last_generation", *high as f64, "");
    }
}

/// Seconds that members stood without partitions, from losing them to getting others.
fn idle(told: &Told<'_>) -> f64 {
    let mut moments: BTreeMap<Instance, Vec<(Time, bool)>> = BTreeMap::new();
    let taken = told.lost.iter().chain(&told.revoked).map(|row| (row, false));
    for (row, given) in taken.chain(told.assigned.iter().map(|row| (row, true))) {
        moments.entry(instance(row)).or_default().push((row.time, given));
    }
    let mut sum = 0;
    for moments in moments.values_mut() {
        moments.sort_unstable();
        sum += moments.windows(2).filter(|pair| !pair[0].1 && pair[1].1).map(|pair| pair[1].0.since(pair[0].0)).sum::<i64>();
    }
    sum as f64 / SECOND as f64
}

fn reason(told: &Told<'_>, by_timeouts: bool) -> &'static str {
    if by_timeouts || !told.timeouts.is_empty() {
        "Members take longer for the records of one poll than the group allows, and are thrown out."
    } else if !told.heartbeats.is_empty() {
        "Members are not heard of for longer than their session lasts: pauses, a starved process, or the network."
    } else {
        "Members come and go without being thrown out."
    }
}

#[cfg(test)]
mod tests;
