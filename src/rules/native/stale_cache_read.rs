//! Reads from a cache that are older than what had been written, or returned, before they began.
//!
//! Evidence, the strongest first: a smaller version than one returned or committed before; a cached value older than a
//! committed change; a hit after the invalidation failed; an entry older than its time to live; a fill whose load began
//! before the change and ended after it. Reads from the origin or a replica, reads that began before the change was
//! done, and differences within the tolerance of clocks are not stale.
//!
//! What this file does not do: say which key is a copy of which thing, or find stampedes.

#[cfg(test)]
mod layouts;
mod report;
mod shift;
mod tags;
#[cfg(test)]
mod tests;
mod things;
mod timeline;
mod tolerance;

use crate::correlate::Case;
use crate::correlate::effect::CACHE;
use crate::correlate::effect::cache::{BY_AGE, FOREVER};
use crate::model::finding::{Belief, Finding, Input};
use crate::model::names::{Interner, Sym};
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::tables::Effect;
use crate::model::time::{SECOND, Time};
use crate::rules::native::cached::{self, Label};
use crate::rules::native::stale_cache_read::tags::Values;
use crate::rules::native::stale_cache_read::timeline::{Fact, INVALIDATION, Timeline, Version};
use crate::rules::native::stale_cache_read::tolerance::{Clock, Tolerance, clock};
use crate::rules::{Detector, Scope};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// The detector.
pub const DETECTOR: Detector = Detector {
    id: "stale-cache-read",
    thresholds: &[
        "stale_reads",
        "high_reads",
        "clock_tolerance_s",
        "same_clock_tolerance_ms",
        "measured_clock_tolerance_ms",
        "log_read_allowance_ms",
        "ttl_slack",
        "invalidating_share",
    ],
    detect,
};

/// A read that is stale, or an entry that is.
struct Stale<'a> {
    read: Fact<'a>,
    /// The change, or the earlier read, that it misses.
    missed: Option<Fact<'a>>,
    /// What the invalidation did, if that is the ground.
    cause: Option<Evidence>,
    kind: &'static str,
    /// How old the missed change was when the read began.
    age: i64,
    belief: Belief,
    within_contract: bool,
}

/// What reads are compared by.
struct Limits<'c> {
    clocks: Tolerance,
    ttl_slack: f64,
    /// Whether changes are as a rule followed by an invalidation.
    invalidates: bool,
    /// Whether anything is ever invalidated.
    ever: bool,
    /// Services whose settings say that entries never expire.
    forever: BTreeSet<&'c str>,
}

impl Limits<'_> {
    fn before(&self, fact: &Fact<'_>, then: &Fact<'_>) -> bool {
        self.clocks.before(fact, then)
    }
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let names = &scope.case.tables.names;
    let allowance = (rule.limit("log_read_allowance_ms") * 1e6) as i64;
    let lines = timeline::timelines(scope.case, allowance);
    let limits = Limits {
        clocks: Tolerance::of(scope.case, rule),
        ttl_slack: rule.limit("ttl_slack"),
        invalidates: invalidating(&lines, rule.limit("invalidating_share")),
        ever: is_ever_invalidated(scope.case),
        forever: forever(scope.case),
    };
    let mut groups: HashMap<(Sym, Label<'_>), Group<'_>, FixedState> = HashMap::default();
    for line in &lines {
        let label = cached::label(line.place, names);
        for read in &line.reads {
            let group = groups.entry((read.effect.service, label)).or_default();
            if is_loaded(read.source) {
                group.replica += u64::from(newest_before(line, read, &limits, names).is_some());
            } else {
                group.reads += 1;
            }
        }
        for stale in stale_of(line, &limits, names) {
            let group = groups.entry((stale.read.effect.service, label)).or_default();
            group.keys.insert(line.place.2);
            group.lifetime = line.fills.iter().rev().find_map(|fill| lifetime(fill.effect, names)).or(group.lifetime);
            group.stale.push(stale);
        }
    }
    let stale = groups.into_iter().filter(|(_, group)| !group.stale.is_empty());
    let stale: BTreeMap<(&str, String), Group<'_>> =
        stale.map(|((service, label), group)| ((names.get(service), label.to_string()), group)).collect();
    for ((service, label), group) in stale {
        out.push(report::finding(scope.case, service, &label, group, rule));
    }
}

/// Whether anything is ever invalidated.
fn is_ever_invalidated(case: &Case) -> bool {
    let find = |word| case.tables.names.find(word);
    find(CACHE).zip(find("invalidate")).is_some_and(|(kind, op)| case.tables.effects.iter().any(|e| (e.kind, e.op) == (kind, op)))
}

/// Reads of one service of one kind of key.
#[derive(Default)]
struct Group<'a> {
    reads: u64,
    replica: u64,
    keys: BTreeSet<Sym>,
    /// How long entries may live, in nanoseconds, as the last fill that says it.
    lifetime: Option<i64>,
    stale: Vec<Stale<'a>>,
}

/// Whether changes are as a rule followed by an invalidation, and there are enough of them to say so.
fn invalidating(lines: &[Timeline<'_>], share: f64) -> bool {
    let (mut all, mut followed) = (0_u32, 0_u32);
    for line in lines {
        for change in &line.changes {
            all += 1;
            followed += u32::from(is_dropped(line, change.effect.time.plus(-INVALIDATION), change.effect.time.plus(INVALIDATION)));
        }
    }
    all >= 5 && f64::from(followed) >= share * f64::from(all)
}

fn is_dropped(line: &Timeline<'_>, from: Time, to: Time) -> bool {
    let next = line.dropped.partition_point(|d| d.end < from);
    line.dropped.get(next).is_some_and(|d| d.end <= to)
}

/// Whether a read got its value from the origin, a replica of it, or somebody else's load.
fn is_loaded(source: &str) -> bool {
    matches!(source, "origin" | "replica" | "shared")
}

/// Services that are configured to keep entries for ever.
fn forever(case: &Case) -> BTreeSet<&str> {
    let names = &case.tables.names;
    let never = |value: &str| matches!(value.trim(), "0" | "-1" | "0s" | "0ms" | "-1s" | "-1ms" | "never");
    let settings = case.tables.settings.iter().filter(|s| names.get(s.key).contains("cache") && names.get(s.key).ends_with("timetolive"));
    settings.filter(|s| never(names.get(s.value))).map(|s| names.get(s.service)).collect()
}

fn stale_of<'a>(line: &Timeline<'a>, limits: &Limits<'_>, names: &Interner) -> Vec<Stale<'a>> {
    let mut out = Vec::new();
    let newest = Newest::of(line, &limits.clocks);
    let values = Values::of(line);
    for read in line.reads.iter().filter(|read| !is_loaded(read.source)) {
        let found = newest
            .before(read)
            .map(|missed| regression(line, read, missed, limits, names))
            .or_else(|| values.as_ref().and_then(|values| values.stale(read, read.source, limits, names)))
            .or_else(|| after_failure(line, read))
            .or_else(|| unfollowed(line, read, limits))
            .or_else(|| expired(line, read, limits, names))
            .or_else(|| (read.source == "stale").then(|| plain(read, "stale-http", 0, Belief::new().with("marked-stale", input(read.effect), 0.55))));
        out.extend(found);
    }
    if out.is_empty() {
        out.extend(race(line));
    }
    for stale in out.iter_mut().filter(|stale| stale.kind == "missed-invalidation") {
        let told = line.fills.iter().rev().find(|fill| !fill.effect.amount.is_none()).map(|fill| names.get(fill.effect.amount));
        if told == Some(FOREVER) || told.is_none() && limits.forever.contains(names.get(stale.read.effect.service)) {
            stale.kind = "no-ttl";
        }
    }
    out
}

/// A read that returned less than what was known before it began.
fn regression<'a>(line: &Timeline<'a>, read: &Fact<'a>, missed: Fact<'a>, limits: &Limits<'_>, names: &Interner) -> Stale<'a> {
    let is_change = names.get(missed.effect.op) == "write";
    let (change, read_start) = (missed.effect.time, read.start);
    let mut belief = Belief::new().with("version-regression", input(read.effect), 0.75);
    if is_change {
        belief = belief.with_if(read.source == "cache", "committed-change", input(missed.effect), 0.65);
    }
    if same_clock(read.effect, missed.effect) {
        belief = belief.proven();
    }
    let failed = line.failed.iter().find(|f| change.since(f.end) <= INVALIDATION && f.end <= read_start);
    belief = belief.with_if(failed.is_some(), "failed-invalidation", failed.map_or(Input::Logs, |f| input(f.effect)), 0.60);
    let raced = is_change && line.fills.iter().any(|f| f.start < change && change <= f.end && f.end <= read.end);
    let dropped = is_dropped(line, change.plus(-INVALIDATION), read_start);
    let apart = !read.effect.instance.is_none() && !missed.effect.instance.is_none() && read.effect.instance != missed.effect.instance;
    let diverged = apart && read.effect.service == missed.effect.service;
    belief = belief.with_if(diverged, "instances-differ", input(read.effect), 0.50);
    let strayed = line.strayed.iter().find(|s| s.end.since(change).abs() <= INVALIDATION);
    let (kind, cause) = match (failed, strayed) {
        (Some(failed), _) => ("failed-invalidation", Some(failed.effect.evidence)),
        _ if raced => ("race-load-vs-write", None),
        (_, Some(strayed)) => ("wrong-key", Some(strayed.effect.evidence)),
        _ if diverged => ("local-cache-divergence", None),
        _ if dropped => ("race-load-vs-write", None),
        _ if is_change => ("missed-invalidation", None),
        _ => ("", None),
    };
    let age = read_start.since(change);
    // Nobody ever invalidates here and entries expire: then old values are agreed upon until they do.
    let lifetime = line.fills.iter().rev().find_map(|f| lifetime(f.effect, names));
    let within_contract = !limits.ever && lifetime.is_some_and(|ttl| age <= ttl);
    Stale { read: *read, missed: Some(missed), cause, kind, age, belief, within_contract }
}

/// A hit on a key whose invalidation had failed, before anything filled or dropped it again.
fn after_failure<'a>(line: &Timeline<'a>, read: &Fact<'a>) -> Option<Stale<'a>> {
    let failed = line.failed.iter().rev().find(|f| f.end < read.start)?;
    let current = read.version.zip(line.changes.iter().rev().find(|c| c.end <= read.start).and_then(|c| c.version));
    let fresh = current.is_some_and(|(read, change)| read.order(change).is_some_and(Ordering::is_ge));
    let renewed = line.fills.iter().chain(&line.dropped).any(|f| f.end > failed.end && f.end <= read.end);
    if read.source != "cache" || fresh || renewed {
        return None;
    }
    let belief = Belief::new().with("failed-invalidation", input(failed.effect), 0.60).with("hit-afterwards", input(read.effect), 0.20);
    let age = read.start.since(failed.end);
    Some(Stale { cause: Some(failed.effect.evidence), ..plain(read, "failed-invalidation", age, belief) })
}

/// A hit after a change that, unlike most others, was not followed by an invalidation; only if no version tells better.
fn unfollowed<'a>(line: &Timeline<'a>, read: &Fact<'a>, limits: &Limits<'_>) -> Option<Stale<'a>> {
    let change = line.changes.iter().rev().find(|c| c.end.plus(INVALIDATION) < read.start)?;
    let told = read.version.is_some() && change.version.is_some();
    let renewed = line.fills.iter().any(|f| f.end >= change.effect.time && f.end <= read.end)
        || is_dropped(line, change.effect.time.plus(-INVALIDATION), read.start);
    if read.source != "cache" || told || renewed || !limits.invalidates {
        return None;
    }
    let belief = Belief::new().with("change-without-invalidation", input(change.effect), 0.60);
    Some(Stale { missed: Some(*change), ..plain(read, "missed-invalidation", read.start.since(change.effect.time), belief) })
}

/// A hit on an entry that should have expired; an answer of an HTTP cache that tells its own age needs no fill.
fn expired<'a>(line: &Timeline<'a>, read: &Fact<'a>, limits: &Limits<'_>, names: &Interner) -> Option<Stale<'a>> {
    let by_age = line.fills.iter().find(|f| f.effect.evidence == read.effect.evidence && names.get(f.effect.source) == BY_AGE);
    let at = line.fills.partition_point(|f| f.end <= read.end);
    let fill = by_age.or_else(|| line.fills.get(at.checked_sub(1)?))?;
    let ttl = lifetime(fill.effect, names)?;
    let since = if by_age.is_some() { read.effect.time } else { read.start };
    let age = since.since(fill.end);
    let allowed = (ttl as f64 * limits.ttl_slack) as i64 + SECOND;
    let is_cached = read.source == "cache" || by_age.is_some();
    if !is_cached || age <= allowed || !same_clock(read.effect, fill.effect) {
        return None;
    }
    let (kind, weight) = if by_age.is_some() { ("stale-http", 0.60) } else { ("ttl-exceeded", 0.55) };
    let belief = Belief::new().with("older-than-lifetime", input(read.effect), weight);
    Some(Stale { cause: Some(fill.effect.evidence), ..plain(read, kind, age - ttl, belief) })
}

/// A fill whose load began before a change was committed and which ended after it, with nothing to drop it again.
fn race<'a>(line: &Timeline<'a>) -> Option<Stale<'a>> {
    line.fills.iter().find_map(|fill| {
        let change = line.changes.iter().find(|c| fill.start < c.effect.time && c.effect.time <= fill.end && same_clock(c.effect, fill.effect))?;
        let newer = fill.version.zip(change.version).is_some_and(|(loaded, written)| loaded.order(written).is_some_and(Ordering::is_ge));
        let dropped = line.dropped.iter().any(|d| d.end >= fill.end);
        // Later reads that return the new version, or a new fill, show that nothing stale was left behind.
        let healed = line
            .reads
            .iter()
            .any(|r| r.start > fill.end && r.version.zip(change.version).is_some_and(|(r, w)| r.order(w).is_some_and(Ordering::is_ge)));
        let refilled = line.fills.iter().any(|f| f.end > fill.end && f.start > change.end && f.end.since(fill.end) < SECOND);
        if newer || dropped || healed || refilled {
            return None;
        }
        let belief = Belief::new().with("load-overlaps-change", input(fill.effect), 0.55);
        Some(Stale { missed: Some(*change), ..plain(fill, "race-load-vs-write", fill.end.since(change.effect.time), belief) })
    })
}

fn plain<'a>(read: &Fact<'a>, kind: &'static str, age: i64, belief: Belief) -> Stale<'a> {
    Stale { read: *read, missed: None, cause: None, kind, age, belief, within_contract: false }
}

/// The newest version known by when, for each clock, so that a read is compared with one binary search per clock.
struct Newest<'a, 't> {
    known: BTreeMap<Clock, Vec<(Time, Fact<'a>)>>,
    clocks: &'t Tolerance,
}

impl<'a, 't> Newest<'a, 't> {
    fn of(line: &Timeline<'a>, clocks: &'t Tolerance) -> Self {
        let mut seen: Vec<(Time, Fact<'a>)> = line.changes.iter().chain(&line.reads).filter(|f| f.version.is_some()).map(|f| (f.end, *f)).collect();
        seen.sort_by_key(|(end, fact)| (*end, fact.effect.evidence));
        let mut known: BTreeMap<Clock, Vec<(Time, Fact<'a>)>> = BTreeMap::new();
        for (end, fact) in seen {
            let known = known.entry(clock(fact.effect)).or_default();
            if known.last().is_none_or(|(_, best)| is_older(best.version, fact.version)) {
                known.push((end, fact));
            }
        }
        Self { known, clocks }
    }

    /// The newest version that was surely known before a read began, if the read returned an older one.
    fn before(&self, read: &Fact<'a>) -> Option<Fact<'a>> {
        read.version?;
        let mut best: Option<Fact<'a>> = None;
        for (&from, known) in &self.known {
            let at = known.partition_point(|(end, _)| self.clocks.surely(*end, from, clock(read.effect)) < read.start);
            let Some((_, fact)) = at.checked_sub(1).and_then(|i| known.get(i)) else { continue };
            if is_older(read.version, fact.version) && best.is_none_or(|b| is_older(b.version, fact.version)) {
                best = Some(*fact);
            }
        }
        best
    }
}

fn newest_before<'a>(line: &Timeline<'a>, read: &Fact<'a>, limits: &Limits<'_>, names: &Interner) -> Option<Fact<'a>> {
    read.version?;
    let change = line.changes.iter().rev().find(|c| limits.before(c, read) && is_older(read.version, c.version))?;
    (names.get(change.effect.op) == "write").then_some(*change)
}

fn is_older(version: Option<Version>, than: Option<Version>) -> bool {
    version.zip(than).is_some_and(|(a, b)| a.order(b) == Some(Ordering::Less))
}

fn same_clock(a: &Effect, b: &Effect) -> bool {
    clock(a) == clock(b)
}

fn input(effect: &Effect) -> Input {
    if effect.from_span { Input::Spans } else { Input::Logs }
}

/// How long an entry may live, in nanoseconds, as its fill says.
fn lifetime(fill: &Effect, names: &Interner) -> Option<i64> {
    let seconds: f64 = names.get(fill.amount).parse().ok()?;
    Some((seconds * SECOND as f64) as i64)
}
