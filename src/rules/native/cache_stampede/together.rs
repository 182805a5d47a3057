//! Many entries of one kind that expire in the same moment because they were filled in the same moment.
//!
//! No single key need be loaded twice. What this file does not do: look at keys that were never there before, which is
//! what a cold cache has.

use crate::correlate::Case;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::rule::Rule;
use crate::model::time::{SECOND, Window};
use crate::model::trend;
use crate::rules::native::cache_stampede::Stormed;
use crate::rules::native::cache_stampede::bursts;
use crate::rules::native::cache_stampede::lines::Kind;
use crate::rules::native::cache_stampede::loads::Load;
use crate::rules::native::cache_stampede::round;
use crate::rules::native::cache_stampede::uses::Entry;
use std::collections::BTreeMap;

/// A load of an entry that had been filled before, with the entry's number and age.
struct Renewal<'a> {
    load: &'a Load,
    entry: usize,
    age: i64,
}

/// Looks for the moment in which the most entries were loaded again.
pub(super) fn find(case: &Case, rule: &Rule, kind: &Kind<'_>, label: &str, lines: &[Stormed<'_>]) -> Option<Finding> {
    let mut renewals: Vec<Renewal<'_>> = Vec::new();
    for (entry, stormed) in lines.iter().enumerate() {
        for burst in stormed.bursts.iter().filter(|burst| burst.is_primed) {
            let load = stormed.line.loads.get(burst.loads.start);
            renewals.extend(load.zip(burst.since_fill).map(|(load, age)| Renewal { load, entry, age }));
        }
    }
    renewals.sort_by_key(|renewal| (renewal.load.start, renewal.load.evidence));
    let width = (rule.limit("together_window_s") * SECOND as f64) as i64;
    let (from, to) = widest(&renewals, width)?;
    let moment = renewals.get(from..to)?;
    let keys = moment.len() as f64;
    let usual = usual(&renewals, kind.watched, width);
    if keys < rule.limit("keys_together") || keys < rule.limit("above_usual") * usual || !same_age(moment, rule) {
        return None;
    }
    let mut loads: Vec<Load> = moment.iter().map(|renewal| *renewal.load).collect();
    let peak = bursts::peak(&loads);
    if (peak as f64) < rule.limit("concurrent_loads") {
        return None;
    }
    let names = &case.tables.names;
    let subject = Subject { service: names.get(kind.service).to_owned(), operation: label.to_owned(), ..Subject::default() };
    let mut window = Window::default();
    loads.iter().for_each(|load| window.join(Window::of(load.start, load.end)));
    let mut finding = Finding::new(&rule.id, subject, window);
    finding.kind = "mass-expiry".to_owned();
    let input = if loads.iter().any(|load| load.from_span) { Input::Spans } else { Input::Logs };
    finding.confidence = Belief::new().with("entries of one age loaded together", input, 0.6).with("far more than usual", input, 0.25).value();
    finding.severity = if peak as f64 >= rule.upper("concurrent_loads") { Severity::High } else { Severity::Medium };
    finding.score = score(keys, rule.limit("keys_together"), rule.upper("keys_together"));
    finding.measure_against("keys", keys, "keys", rule.limit("keys_together")).measure("usual_keys", usual, "keys");
    finding.measure_against("concurrent_loads", peak as f64, "loads at once", rule.limit("concurrent_loads"));
    let mut ages: Vec<f64> = moment.iter().map(|renewal| renewal.age as f64 / SECOND as f64).collect();
    finding.measure("age_s", round(trend::median(&mut ages).unwrap_or(0.0)), "s");
    let lifetime = moment.iter().find_map(|renewal| lines.get(renewal.entry).and_then(|stormed| stormed.line.lifetime));
    if let Some(lifetime) = lifetime {
        finding.measure("ttl_s", lifetime, "s");
    }
    finding.measure("load_s", round(loads.iter().map(|load| load.nanos() as f64 / 1e9).sum()), "s");
    let example = lines.get(moment.first()?.entry).map(|stormed| stormed.line.entry);
    let example = match example {
        Some(Entry::Key(place)) => names.get(place.2),
        _ => label,
    };
    finding.word("entry", example);
    finding.look_alike("keys that were never there before", "excluded: only entries that had been filled before are counted");
    finding.look_alike("the usual rate of misses", format!("excluded: {usual:.0} keys in a window of that length are usual"));
    loads.sort_by_key(|load| (std::cmp::Reverse(load.nanos()), load.evidence));
    finding.cite(loads.iter().map(|load| load.evidence));
    finding.traces = loads.iter().map(|load| load.trace).filter(|trace| !trace.is_none()).take(Finding::QUOTES).collect();
    Some(finding)
}

/// The stretch of the given width with the most entries: from and to.
fn widest(renewals: &[Renewal<'_>], width: i64) -> Option<(usize, usize)> {
    let (mut from, mut best) = (0, None);
    let mut inside: BTreeMap<usize, usize> = BTreeMap::new();
    let mut most = 0;
    for (at, renewal) in renewals.iter().enumerate() {
        *inside.entry(renewal.entry).or_default() += 1;
        while let Some(first) = renewals.get(from).filter(|first| renewal.load.start.since(first.load.start) > width) {
            if let Some(count) = inside.get_mut(&first.entry) {
                *count -= 1;
                if *count == 0 {
                    inside.remove(&first.entry);
                }
            }
            from += 1;
        }
        if inside.len() > most {
            (most, best) = (inside.len(), Some((from, at + 1)));
        }
    }
    best
}

/// How many entries are loaded again in a window of the given width: the median over all such windows, those without a load too.
fn usual(renewals: &[Renewal<'_>], watched: Window, width: i64) -> f64 {
    let mut counts: BTreeMap<i64, f64> = BTreeMap::new();
    for renewal in renewals {
        *counts.entry(renewal.load.start.since(watched.start) / width.max(1)).or_default() += 1.0;
    }
    let mut counts: Vec<f64> = counts.into_values().collect();
    counts.sort_by(f64::total_cmp);
    let windows = usize::try_from(watched.nanos() / width.max(1)).unwrap_or(usize::MAX).saturating_add(1);
    let empty = windows.saturating_sub(counts.len());
    (windows / 2).checked_sub(empty).and_then(|middle| counts.get(middle)).copied().unwrap_or(0.0)
}

/// Whether nearly all entries had lived equally long: they were filled together, and expired together.
fn same_age(moment: &[Renewal<'_>], rule: &Rule) -> bool {
    let mut ages: Vec<f64> = moment.iter().map(|renewal| renewal.age as f64).collect();
    let Some(median) = trend::median(&mut ages) else { return false };
    let slack = rule.limit("expiry_slack") * median + SECOND as f64;
    let alike = ages.iter().filter(|age| (**age - median).abs() <= slack).count();
    5 * alike >= 4 * ages.len()
}
