//! `--since`, `--until` and `--service`.
//!
//! Records without a time stay. Counts per minute go with their minute, counts per template stay whole: a template does
//! not know when each of its records was. Services are chosen among findings, not among records: what happens to one
//! service is explained by the others.

use crate::model::finding::Outcome;
use crate::model::tables::Tables;
use crate::model::time::{MINUTE, Time, Window};
use crate::pipeline::moment::Moment;
use crate::pipeline::zone::Zone;
use anyhow::{Result, ensure};
use std::collections::{BTreeMap, BTreeSet};

/// Leaves out what happened before `since` or after `until`. A bundle without times stays as it is.
///
/// # Errors
/// If nothing can be left: a report without a fault over no record would be a lie.
pub fn keep_window(tables: &mut Tables, since: Option<Moment>, until: Option<Moment>, zone: &Zone) -> Result<()> {
    let Window { start, end } = tables.window;
    if (since.is_none() && until.is_none()) || end.is_none() {
        return Ok(());
    }
    let since = since.map_or(Time(i64::MIN + 1), |moment| moment.resolve(end, zone));
    let until = until.map_or(Time(i64::MAX), |moment| moment.resolve(end, zone));
    ensure!(since <= until, "--since is {since}, after --until, which is {until}");
    ensure!(since <= end, "--since is {since}, but the bundle's last record is of {end}");
    ensure!(until >= start, "--until is {until}, but the bundle's first record is of {start}");
    let inside = |time: Time| time.is_none() || (since <= time && time <= until);
    tables.spans.retain(|row| inside(row.start));
    tables.logs.retain(|row| inside(row.time));
    tables.signals.retain(|row| inside(row.time));
    tables.effects.retain(|row| inside(row.time));
    tables.metrics.retain(|row| inside(row.time));
    tables.gc.retain(|row| inside(row.time));
    tables.dumps.retain(|row| inside(row.time));
    let dumps: BTreeSet<_> = tables.dumps.iter().map(|dump| dump.evidence).collect();
    tables.threads.retain(|row| dumps.contains(&row.dump));
    tables.locks.retain(|row| dumps.contains(&row.dump));
    tables.deadlocks.retain(|row| dumps.contains(&row.dump));
    tables.histograms.retain(|row| inside(row.time));
    let histograms: BTreeSet<_> = tables.histograms.iter().map(|histogram| histogram.evidence).collect();
    tables.classes.retain(|row| histograms.contains(&row.histogram));
    tables.log_counts.retain(|(_, minute), _| Time((minute + 1).saturating_mul(MINUTE)) > since && Time(minute.saturating_mul(MINUTE)) <= until);
    tables.templates.retain(|_, stats| stats.window.start.is_none() || (stats.window.end >= since && stats.window.start <= until));
    tables.window = Window::of(start.max(since), end.min(until));
    Ok(())
}

/// Drops findings that involve none of the services.
pub fn keep_services(outcomes: &mut BTreeMap<String, Outcome>, services: &[String]) {
    if services.is_empty() {
        return;
    }
    for outcome in outcomes.values_mut() {
        if let Outcome::Found(findings) = outcome {
            findings.retain(|finding| {
                let involved = [&finding.subject.service, &finding.subject.peer].into_iter().chain(&finding.services);
                involved.into_iter().any(|name| services.contains(name))
            });
            if findings.is_empty() {
                *outcome = Outcome::Clear;
            }
        }
    }
}
