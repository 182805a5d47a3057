//! Breakers in the wrong state: closed on most of the instances that suffer, or open although the other side is well again.
//!
//! What this file does not do: breakers that are in one state everywhere while calls fail; see `reasons.rs`.

use crate::correlate::breaker::State;
use crate::correlate::configured::{nanos, same_party};
use crate::correlate::probe::Served;
use crate::model::finding::Input;
use crate::model::names::Sym;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Time, Window};
use crate::rules::native::ineffective_circuit_breaker::edge::configured;
use crate::rules::native::ineffective_circuit_breaker::reasons::{Look, Reason};
use crate::rules::native::retry_storm::round;
use std::collections::{BTreeMap, BTreeSet};

/// It opened on a few instances, and the others, whose users fail as well, never saw enough calls of their own to open.
pub(super) fn closed_elsewhere(look: &Look<'_>) -> Option<Reason> {
    let (rule, edge) = (look.rule, look.edge);
    let turned = edge.breaker.turns.iter().filter(|turn| turn.to == State::Open && !turn.instance.is_none());
    let open: BTreeMap<Sym, Evidence> = turned.map(|turn| (turn.instance, turn.evidence)).collect();
    if open.is_empty() || !look.harm {
        return None;
    }
    let mut users: BTreeMap<Sym, (u64, u64)> = BTreeMap::new();
    let rows = look.case.served();
    for row in rows.iter().filter(|row| row.service == edge.breaker.service && !row.probe && look.trouble.window.holds(row.time)) {
        let (all, failed) = users.entry(row.instance).or_default();
        *all += 1;
        *failed += u64::from(row.failed);
    }
    let suffers = |(all, failed): &(u64, u64)| {
        *all as f64 >= rule.limit("instance_calls") && 100.0 * *failed as f64 >= rule.upper("users_failed_percent") * *all as f64
    };
    let closed: BTreeSet<Sym> =
        users.iter().filter(|(instance, counts)| !open.contains_key(*instance) && suffers(counts)).map(|(instance, _)| *instance).collect();
    (closed.len() > open.len()).then(|| Reason {
        id: "closed-elsewhere",
        text: format!(
            "It opened on {} of {} instances whose users fail: each counts for itself, and the others do not see enough calls in a window.",
            open.len(),
            open.len() + closed.len()
        ),
        kind: "instances that fail with a closed breaker",
        input: Input::Logs,
        weight: 0.55,
        evidence: open.values().copied().take(2).chain(failures(rows, edge.breaker.service, &closed)).collect(),
    })
}

fn failures<'a>(rows: &'a [Served], service: Sym, instances: &'a BTreeSet<Sym>) -> impl Iterator<Item = Evidence> + 'a {
    rows.iter().filter(move |row| row.service == service && row.failed && instances.contains(&row.instance)).map(|row| row.evidence).take(3)
}

/// It turns calls away, never tries one, and whoever else asks the other side is answered well.
pub(super) fn stuck_open(look: &Look<'_>) -> Option<Reason> {
    let (rule, edge) = (look.rule, look.edge);
    let wait = configured(look.case, &edge.breaker, "circuitbreaker", "waitdurationinopenstate").and_then(|(value, _)| nanos(value));
    let patience = (rule.limit("stuck_for") * SECOND as f64).max(rule.limit("stuck_waits") * wait.unwrap_or(0) as f64) as i64;
    let end = edge.breaker.rejections.last()?.time;
    let (_, stretch) = edge.breaker.stretches(State::Open, end).into_iter().max_by_key(|(_, window)| window.nanos())?;
    if stretch.nanos() < patience || !look.harm {
        return None;
    }
    // The other side may have been ill when the breaker opened; what counts is how it is later on.
    let later = Window::of(Time(i64::midpoint(stretch.start.0, stretch.end.0)), stretch.end);
    let names = &look.case.tables.names;
    let rows = look.case.served();
    let there: Vec<&Served> =
        rows.iter().filter(|row| !row.probe && later.holds(row.time) && same_party(names.get(row.service), &edge.peer)).collect();
    let well = there.iter().filter(|row| !row.failed).count();
    let refused = edge.breaker.rejections.iter().filter(|one| later.holds(one.time)).count() as f64;
    let is_well = there.len() as f64 >= rule.limit("instance_calls") && 100.0 * well as f64 >= rule.limit("well_percent") * there.len() as f64;
    (is_well && refused >= rule.limit("retried")).then(|| Reason {
        id: "stuck-open",
        text: format!(
            "It has been open for {} s without trying a call, while {well} of {} requests that {} got from elsewhere went well.",
            round(stretch.nanos() as f64 / SECOND as f64),
            there.len(),
            edge.peer
        ),
        kind: "an open breaker before a side that is well",
        input: edge.input,
        weight: 0.6,
        evidence: edge.breaker.signs.iter().take(2).copied().chain(there.iter().take(2).map(|row| row.evidence)).collect(),
    })
}
