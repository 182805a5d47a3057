//! Which service is to blame, from how it works: suspects by comparison with a calm time.
//!
//! What changed is attributed to the one who changed, not to those who wait for it: own time excludes children, time lost on
//! the way to a callee excludes the callee's work, and of steps that no longer follow one another the deepest is meant.
//!
//! ```text
//! gw 100 -> 620 ms    own +2 ms    gw -> stock lost +480 ms    stock own +30 ms      stock: the way to it, from all callers
//! gw                  own +2 ms    gw -> each of its callees lost +90 ms             gw: the way to all of them
//! stock: reserve is followed by SELECT in 100 % of the calls, now in 0 %             stock: returns early
//! ```
//!
//! What this file does not do: know kinds of faults. A system in which nothing changed beyond what varies anyway has no
//! suspects; how much changed against all its work is part of every score.

mod compare;
pub mod hopes;
mod resource;
mod spelled;

use crate::correlate::Case;
use crate::correlate::profile::Profile;
use crate::correlate::traced_logs::TracedLogs;
use crate::findings::Suspect;
use crate::model::source::Evidence;
use crate::model::time::Time;
use compare::{Lost, Slower};
use spelled::Spelled;
use std::collections::BTreeMap;

/// What a suspicion may weigh at most, by its kind: time, structure and failures are seen directly.
const OBSERVED: f64 = 0.9;

/// The share of all work at which a change counts half.
const HALF: f64 = 0.05;

/// What is left of a suspicion that rests on a comparison of services with each other.
const BY_NATURE: f64 = 0.3;

/// Suspicions below this are not worth a line.
const LEAST: f64 = 0.05;

/// Pieces of work on either side that a comparison needs.
const LEAST_ENTRIES: u64 = 20;

/// One reason to suspect a service.
#[derive(Clone, Debug, PartialEq)]
struct Term {
    score: f64,
    because: String,
    evidence: Option<Evidence>,
}

/// Suspects by comparison with a calm time: with the baseline if there is one, else with what came before `onset`.
/// Empty if there is nothing to compare.
#[must_use]
pub fn by_change(case: &Case, baseline: Option<&Case>, onset: Option<Time>) -> Vec<Suspect> {
    let onset = onset.filter(|onset| *onset > case.context.window.start);
    if baseline.is_none() && onset.is_none() {
        return among_peers(case);
    }
    let mut terms: BTreeMap<String, Vec<Term>> = BTreeMap::new();
    resource::by_usage(case, baseline, &mut terms);
    let logs = TracedLogs::of(case);
    let spelled = |case: &Case, profile: &Profile| Spelled::of(profile, &case.tables.names);
    let (calm, now) = match (baseline, onset) {
        (None, Some(onset)) => (
            spelled(case, &Profile::of(case, Some(&logs), |time| time < onset)),
            spelled(case, &Profile::of(case, Some(&logs), |time| time >= onset)),
        ),
        _ => {
            let calm = baseline.unwrap_or(case);
            (spelled(calm, &Profile::of(calm, Some(&TracedLogs::of(calm)), |_| true)), spelled(case, &Profile::of(case, Some(&logs), |_| true)))
        }
    };
    if calm.entries.min(now.entries) >= LEAST_ENTRIES {
        by_time(&calm, &now, &mut terms);
        by_structure(&calm, &now, &mut terms);
        by_failures(&calm, &now, &mut terms);
    }
    suspects(terms)
}

/// Suspects of a bundle that has no calm time: who needs far longer than the other services do. Some work is slow by its
/// nature, so such a suspicion stays weak.
fn among_peers(case: &Case) -> Vec<Suspect> {
    let now = Spelled::of(&Profile::of(case, None, |_| true), &case.tables.names);
    let mut terms = BTreeMap::new();
    by_time(&now.among_peers(), &now, &mut terms);
    terms.values_mut().flatten().for_each(|term: &mut Term| term.score *= BY_NATURE);
    resource::by_usage(case, None, &mut terms);
    suspects(terms)
}

/// How much of a kind of change there is, against all work: nothing is 0, five percent is a half.
fn strength(share: f64) -> f64 {
    share / (share + HALF)
}

/// Time that was added: own time to its service, time lost on the way as the callers and callees beside it tell.
fn by_time(calm: &Spelled, now: &Spelled, terms: &mut BTreeMap<String, Vec<Term>>) {
    let slower = compare::slower(calm, now);
    let all: f64 = slower.iter().map(|(_, slower)| slower.added).sum();
    if all <= 0.0 {
        return;
    }
    let strength = strength(all / (now.nanos as f64).max(1.0));
    let mut by_service: BTreeMap<&str, (f64, &Slower)> = BTreeMap::new();
    for (service, slower) in &slower {
        let entry = by_service.entry(service).or_insert((0.0, slower));
        entry.0 += slower.added;
        if slower.added > entry.1.added {
            entry.1 = slower;
        }
    }
    for (service, (added, most)) in by_service {
        let term = Term { score: OBSERVED * strength * added / all, because: most.because(added / all), evidence: most.evidence };
        terms.entry(service.to_owned()).or_default().push(term);
    }
}

/// Steps that no longer follow: the service whose step ends early, unless one it calls ends early as often.
fn by_structure(calm: &Spelled, now: &Spelled, terms: &mut BTreeMap<String, Vec<Term>>) {
    let lost = compare::lost(calm, now);
    let explained = |service: &str, affected: f64| {
        let below = calm.reached(service);
        lost.iter().any(|(other, lost)| other != service && below.contains(other.as_str()) && lost.affected >= affected / 2.0)
    };
    let remaining: Vec<(&String, &Lost)> = lost.iter().filter(|(service, lost)| !explained(service, lost.affected)).collect();
    let all: f64 = remaining.iter().map(|(_, lost)| lost.affected).sum();
    let strength = strength(all / (now.entries as f64).max(1.0));
    for (service, missed) in remaining {
        let score = OBSERVED * strength * missed.affected / all;
        let share = missed.after_calling.as_deref().map_or(0.0, |callee| callees_share(service, callee, &lost, now));
        let mut blame = |service: &str, share: f64| {
            if share > 0.0 {
                let term = Term { score: score * share, because: missed.because(service), evidence: missed.evidence };
                terms.entry(service.to_owned()).or_default().push(term);
            }
        };
        blame(service, 1.0 - share);
        blame(missed.after_calling.as_deref().unwrap_or_default(), share);
    }
}

/// How much a callee is to blame when its caller's work ends right after the call: what it answers breaks off the work of
/// every caller, while a caller that breaks off by itself is the only one.
fn callees_share(caller: &str, callee: &str, lost: &BTreeMap<String, Lost>, now: &Spelled) -> f64 {
    let others: Vec<&String> = now.ways.keys().filter(|(from, to)| to == callee && from != caller).map(|(from, _)| from).collect();
    let broken = others.iter().filter(|other| lost.get(**other).is_some_and(|lost| lost.after_calling.as_deref() == Some(callee))).count();
    match (others.len(), broken) {
        (0, _) => 0.5,
        (_, 0) => 0.0,
        _ => 0.9,
    }
}

/// Failures that begin in a service.
fn by_failures(calm: &Spelled, now: &Spelled, terms: &mut BTreeMap<String, Vec<Term>>) {
    let failing = compare::failing(calm, now);
    let all: f64 = failing.values().map(|failing| failing.more).sum();
    let strength = strength(all / (now.entries as f64).max(1.0));
    for (service, failing) in &failing {
        let term = Term { score: OBSERVED * strength * failing.more / all, because: failing.because(), evidence: failing.evidence };
        terms.entry(service.clone()).or_default().push(term);
    }
}

/// Suspects by findings and by change as one list: who is suspected on both grounds is more so.
#[must_use]
pub fn joined(by_findings: Vec<Suspect>, by_change: Vec<Suspect>) -> Vec<Suspect> {
    let mut joined: BTreeMap<String, Suspect> = BTreeMap::new();
    for suspect in by_findings.into_iter().chain(by_change) {
        match joined.get_mut(&suspect.service) {
            Some(known) => {
                known.score = 1.0 - (1.0 - known.score) * (1.0 - suspect.score);
                known.because.extend(suspect.because);
                known.evidence.extend(suspect.evidence);
            }
            None => _ = joined.insert(suspect.service.clone(), suspect),
        }
    }
    ordered(joined.into_values().map(|suspect| Suspect { score: (suspect.score * 100.0).round() / 100.0, ..suspect }).collect())
}

fn ordered(mut suspects: Vec<Suspect>) -> Vec<Suspect> {
    suspects.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.service.cmp(&b.service)));
    suspects
}

fn suspects(terms: BTreeMap<String, Vec<Term>>) -> Vec<Suspect> {
    let suspects = terms
        .into_iter()
        .filter_map(|(service, mut terms)| {
            terms.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.because.cmp(&b.because)));
            let score = 1.0 - terms.iter().map(|term| 1.0 - term.score).product::<f64>();
            let kept = || terms.iter().filter(|term| term.score >= LEAST);
            let because: Vec<String> = kept().map(|term| term.because.clone()).collect();
            let evidence = kept().filter_map(|term| term.evidence).collect();
            (score >= LEAST && !because.is_empty()).then_some(Suspect { service, score, because, evidence })
        })
        .collect();
    ordered(suspects)
}

#[cfg(test)]
mod tests;
