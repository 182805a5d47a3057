//! Failures that fall into the pauses of a garbage collector on the same instance.
//!
//! Pauses take a small share of the time, so failures that fall into them by chance are few. What this file does not do: other
//! moments; those of pools, brokers and starts have rules of their own.

use crate::correlate::Case;
use crate::correlate::probe::Served;
use crate::model::jvm::GcKind;
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{Time, Window};
use crate::rules::native::failures::Service;
use std::collections::BTreeMap;

/// Failures in pauses.
pub(super) struct Paused {
    pub(super) failures: u64,
    /// Of all failures.
    pub(super) percent: f64,
    /// Share of the time that the pauses take, with what follows them.
    pub(super) expected_percent: f64,
    pub(super) pauses: usize,
    pub(super) evidence: Vec<Evidence>,
}

pub(super) fn paused(case: &Case, rule: &Rule, service: &Service, failed: &[&Served]) -> Option<Paused> {
    let after = (rule.limit("after_pause_ms") * 1e6) as i64;
    // A pause is told at its end.
    let mut pauses: BTreeMap<Sym, Vec<(Time, Time, Evidence)>> = BTreeMap::new();
    let long = case.tables.gc.iter().filter(|row| {
        row.service == service.service
            && row.time.is_some()
            && row.nanos as f64 >= rule.limit("pause_ms") * 1e6
            && matches!(row.kind, GcKind::Young | GcKind::Mixed | GcKind::Full | GcKind::Phase | GcKind::Degenerated)
    });
    for row in long {
        let begun = row.time.plus(-i64::try_from(row.nanos).unwrap_or(0));
        pauses.entry(row.instance).or_default().push((begun, row.time.plus(after), row.evidence));
    }
    pauses.values_mut().for_each(|all| all.sort_unstable());
    let mut window = Window::default();
    service.rows.iter().for_each(|row| window.add(row.time));
    let mut hit: Vec<Evidence> = Vec::new();
    let mut failures = 0_u64;
    for row in failed {
        // Where the log of collections names no instance it is that of the service.
        let Some(all) = pauses.get(&row.instance).or_else(|| pauses.get(&Sym::NONE)) else { continue };
        let begun = row.time.plus(-i64::try_from(row.nanos.unwrap_or(0)).unwrap_or(0));
        let near = all.partition_point(|(_, end, _)| *end < begun);
        if let Some((_, _, evidence)) = all.get(near).filter(|(start, ..)| *start <= row.time) {
            failures += 1;
            hit.push(*evidence);
        }
    }
    hit.sort_unstable();
    hit.dedup();
    let covered: i64 = pauses.values().flatten().map(|(start, end, _)| end.since(*start)).sum();
    let expected_percent = 100.0 * covered as f64 / (window.nanos().max(1) as f64 * pauses.len().max(1) as f64);
    let percent = 100.0 * failures as f64 / failed.len().max(1) as f64;
    let enough = failures as f64 >= rule.limit("errors")
        && percent >= rule.limit("paused_percent")
        && percent >= rule.limit("paused_times") * expected_percent;
    enough.then_some(Paused { failures, percent, expected_percent, pauses: hit.len(), evidence: hit })
}
