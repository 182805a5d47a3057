//! What is said of stale reads of one service and one kind of key: how many, how old, how bad.
//!
//! What this file does not do: decide which reads are stale.

use crate::correlate::Case;
use crate::model::finding::{Finding, Input, Severity, Subject, score};
use crate::model::rule::Rule;
use crate::model::tables::Effect;
use crate::model::time::Window;
use crate::rules::native::stale_cache_read::{Group, Stale, shift};
use std::collections::{BTreeMap, BTreeSet};

/// A value that decides about money, goods or rights hurts even once.
const SENSITIVE: [&str; 14] = [
    "payment",
    "balance",
    "price",
    "pricing",
    "stock",
    "inventory",
    "permission",
    "role",
    "token",
    "quota",
    "account",
    "wallet",
    "credit",
    "entitlement",
];

/// The finding of a group that has stale reads.
pub(super) fn finding(case: &Case, service: &str, label: &str, mut group: Group<'_>, rule: &Rule) -> Finding {
    let names = &case.tables.names;
    group.stale.sort_by_key(|s| (std::cmp::Reverse(s.age), s.read.effect.evidence));
    let count = group.stale.len();
    let mut window = Window::default();
    for stale in &group.stale {
        window.add(stale.missed.map_or(stale.read.start, |m| m.effect.time));
        window.add(stale.read.end);
    }
    let key = if group.keys.len() == 1 { group.keys.first().map_or("", |&k| names.get(k)) } else { "" };
    let subject = Subject { service: service.to_owned(), peer: String::new(), operation: label.to_owned(), key: key.to_owned() };
    let mut finding = Finding::new(&rule.id, subject, window);
    finding.kind = most_frequent(&group.stale).to_owned();
    let stopped = group.stale.first().is_some_and(|s| shift::stopped_missing(case, s.read.effect.service));
    let belief = |s: &Stale<'_>| s.belief.clone().with_if(stopped, "the cache stopped to miss", Input::Metrics, 0.30).value();
    finding.confidence = group.stale.iter().map(belief).fold(0.0, f64::max);

    let ages: Vec<i64> = group.stale.iter().rev().map(|s| s.age).collect();
    let seconds = |nanos: i64| (nanos as f64 / 1e6).round() / 1e3;
    let longest = ages.last().copied().unwrap_or(0);
    finding.measure_against("stale_reads", count as f64, "reads", rule.limit("stale_reads"));
    finding.measure("stale_keys", group.keys.len() as f64, "keys").measure("reads", group.reads as f64, "reads");
    if group.reads > 0 {
        finding.measure("affected_share", (count as f64 / group.reads as f64).min(1.0), "share of reads");
    }
    finding.measure("max_staleness_s", seconds(longest), "seconds");
    if count >= 20 {
        let p95 = ages.get((count * 95).div_ceil(100).saturating_sub(1)).copied().unwrap_or(longest);
        finding.measure("p95_staleness_s", seconds(p95), "seconds");
    }

    if let Some(ttl) = group.lifetime {
        finding.measure("ttl_s", seconds(ttl), "seconds");
    }
    let example = &group.stale[0];
    let shown = |effect: &Effect| match (effect.version.is_none(), effect.outcome.is_none()) {
        (false, _) => names.get(effect.version).to_owned(),
        (true, false) => names.get(effect.outcome).to_owned(),
        (true, true) => "an unnamed one".to_owned(),
    };
    finding.word("example_key", names.get(example.read.effect.key));
    finding.word("returned", shown(example.read.effect));
    finding.word("expected", example.missed.map_or_else(|| "a newer one".to_owned(), |m| shown(m.effect)));
    finding.word("share", if group.reads > 0 { format!("{count} of {} cached reads", group.reads) } else { format!("{count} entries") });

    let sensitive = [service, label, key, names.get(example.read.effect.space)]
        .iter()
        .any(|text| SENSITIVE.iter().any(|w| text.to_ascii_lowercase().contains(w)));
    let contract = group.stale.iter().all(|s| s.within_contract);
    // An age tells of no old value: somebody who writes no log may have renewed the entry.
    let only_age = group.stale.iter().all(|s| s.kind == "ttl-exceeded");
    // An HTTP cache that answers late is degraded by its own account, and nobody says that the value had changed.
    let only_http = group.stale.iter().all(|s| s.kind == "stale-http");
    finding.severity = match () {
        () if contract || only_age => Severity::Low,
        () if only_http => Severity::Medium,
        () if sensitive => Severity::Critical,
        () if count as f64 >= rule.limit("high_reads") => Severity::High,
        () => Severity::Medium,
    };
    finding.score = score(count as f64, rule.limit("stale_reads"), rule.upper("stale_reads"));
    finding
        .look_alike("Read that overlaps the change", "excluded: only reads that began after the change and its invalidation were done are counted");
    finding.look_alike("Clock skew", "excluded: reads and changes of different hosts are compared only beyond the tolerance of clocks");
    if group.replica > 0 {
        finding.look_alike(
            "Replica lag",
            format!("told apart: {} reads from the origin or a replica were old, too; they are not counted", group.replica),
        );
    }
    if only_age {
        finding.look_alike("Renewed by somebody else", "not excluded: no version was told, and an entry may be filled again without a log record");
    }
    if contract {
        finding.look_alike("Within contract", "not excluded: nothing is ever invalidated here and the entries were within their time to live");
    }
    if group.stale.iter().all(|s| s.missed.is_none()) {
        finding.missing.push("versions or times of change in the logs of reads and writes".to_owned());
    }
    for stale in &group.stale {
        let first = [Some(stale.read.effect.evidence), stale.missed.map(|m| m.effect.evidence), stale.cause];
        finding.cite(first.into_iter().flatten());
        let trace = stale.read.effect.trace;
        if !trace.is_none() && finding.traces.len() < Finding::QUOTES && !finding.traces.contains(&trace) {
            finding.traces.push(trace);
        }
    }
    let others: BTreeSet<&str> =
        group.stale.iter().filter_map(|s| s.missed).map(|m| names.get(m.effect.service)).filter(|&s| s != service && !s.is_empty()).collect();
    finding.services = others.into_iter().map(str::to_owned).collect();
    finding
}

fn most_frequent(stale: &[Stale<'_>]) -> &'static str {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    stale.iter().for_each(|s| *counts.entry(s.kind).or_default() += 1);
    counts.into_iter().max_by_key(|&(kind, count)| (count, kind)).map_or("", |(kind, _)| kind)
}
