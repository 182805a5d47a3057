//! What happened at one time: starts of processes, and what the platform did to workloads.
//!
//! What this file does not do: findings; those have bands of their own.

use crate::correlate::Case;
use crate::report::picture::Mark;
use std::collections::BTreeMap;

/// Reasons of platform events that change what serves.
const REASONS: &[(&str, &str)] = &[
    ("SuccessfulRescale", "scaled"),
    ("ScalingReplicaSet", "scaled"),
    ("OOMKilling", "killed for memory"),
    ("OOMKilled", "killed for memory"),
    ("Killing", "stopped by the platform"),
    ("Evicted", "evicted"),
    ("BackOff", "restarted again and again"),
    ("NodeNotReady", "node not ready"),
    ("DeploymentRollback", "rolled back"),
];

/// Marks by time; the same about one service within a bucket is one mark.
pub(super) fn marks(case: &Case) -> Vec<Mark> {
    let names = &case.tables.names;
    let (window, step) = (case.context.window, case.context.bucket.max(1));
    let mut found: BTreeMap<(i64, String), (i64, u64)> = BTreeMap::new();
    let mut note = |time: crate::model::time::Time, label: String| {
        if window.holds(time) {
            let known = found.entry((time.0.div_euclid(step), label)).or_insert((time.0, 0));
            *known = (known.0.min(time.0), known.1 + 1);
        }
    };
    for event in &case.tables.events {
        if let Some((_, word)) = REASONS.iter().find(|(reason, _)| *reason == names.get(event.reason)) {
            let who = if event.service.is_none() { event.object } else { event.service };
            note(event.time, format!("{} {word}", names.get(who)));
        }
    }
    if let Some(started) = names.find("app.started") {
        for signal in case.tables.signals.iter().filter(|signal| signal.signal == started) {
            let who = [signal.instance, signal.service].into_iter().find(|name| !name.is_none());
            note(signal.time, format!("{} started", who.map_or("a process", |name| names.get(name))));
        }
    }
    let mut marks: Vec<Mark> = found
        .into_iter()
        .map(|((_, label), (at, count))| Mark { at_ms: at / 1_000_000, label: if count > 1 { format!("{label} ({count} times)") } else { label } })
        .collect();
    marks.sort_by(|a, b| a.at_ms.cmp(&b.at_ms).then_with(|| a.label.cmp(&b.label)));
    marks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::fixture::bundle;

    #[test]
    fn scalings_and_starts_are_marked() {
        let log = "{\"time\":\"2026-01-01T10:05:00Z\",\"level\":\"INFO\",\"msg\":\"scale_up\",\"service\":\"orders\",\"from\":2,\"to\":4,\"reason\":\"cpu 82%\"}\n\
            {\"time\":\"2026-01-01T10:06:00Z\",\"level\":\"INFO\",\"msg\":\"Started OrdersApplication in 4.2 seconds (process running for 5.1)\",\"service\":\"orders\"}\n";
        let found: Vec<(i64, String)> = marks(&bundle(&[("scaler.json", log)])).into_iter().map(|mark| (mark.at_ms, mark.label)).collect();
        assert_eq!(found, [(1_767_261_900_000, "orders scaled".to_owned()), (1_767_261_960_000, "orders started".to_owned())]);
    }
}
