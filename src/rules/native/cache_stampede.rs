//! `cache-stampede`: an entry expires, and everybody who wants it computes it anew at the same time.
//!
//! Loads of one key that overlap are the proof; that the key had been found before, and that it went when its time to live
//! was over, tells an expiry from a cold start. Where many keys of one kind go together, no key need be loaded twice; where
//! only metrics tell of the cache, bursts of misses beside a slow origin are a hint. What this file does not do: count
//! misses that wait for the load of another, or judge how full a cache is.

mod bursts;
mod counted;
mod lines;
mod loads;
mod together;
mod uses;

#[cfg(test)]
mod tests;

use crate::correlate::Case;
use crate::model::amount::millis as length;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::time::{SECOND, Time, Window};
use crate::model::trend;
use crate::rules::native::cache_stampede::bursts::Burst;
use crate::rules::native::cache_stampede::lines::{Kind, Ledger, Line};
use crate::rules::native::cache_stampede::loads::Load;
use crate::rules::native::cache_stampede::uses::{Entry, Uses};
use crate::rules::{Detector, Scope};
use std::collections::BTreeMap;

/// The detector.
pub const DETECTOR: Detector = Detector {
    id: "cache-stampede",
    thresholds: &[
        "concurrent_loads",
        "traces",
        "expiry_slack",
        "periods",
        "never_filled_loads",
        "keys_together",
        "together_window_s",
        "above_usual",
        "metric_misses",
        "origin_slower",
    ],
    detect,
};

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    if let Some(uses) = Uses::of(case) {
        look(case, rule, &uses, out);
    }
    let told: Vec<String> = out.iter().map(|finding| finding.subject.service.clone()).collect();
    out.extend(counted::find(case, rule).into_iter().filter(|finding| !told.contains(&finding.subject.service)));
}

fn look(case: &Case, rule: &Rule, uses: &Uses<'_>, out: &mut Vec<Finding>) {
    let at_once = rule.limit("concurrent_loads");
    let mut ledger = Ledger::new(at_once < 2.0);
    loads::note(case, uses, &mut ledger);
    ledger.settle();
    let starts = starts(case);
    let mut kinds: BTreeMap<(Sym, String), (&Kind<'_>, Vec<Stormed<'_>>)> = BTreeMap::new();
    for line in ledger.lines() {
        // Either many loads together, or the renewal of an entry that had been filled before.
        let bursts =
            bursts::bursts(&line, starts.get(&line.service), |burst| burst.peak as f64 >= at_once || burst.is_primed && burst.since_fill.is_some());
        let Some(kind) = ledger.kinds().get(line.kind).filter(|_| !bursts.is_empty()) else { continue };
        kinds.entry((kind.service, kind.label.to_string())).or_insert((kind, Vec::new())).1.push(Stormed { line, bursts });
    }
    for ((_, label), (kind, lines)) in &mut kinds {
        lines.sort_by_key(|stormed| stormed.line.entry);
        let hottest = lines
            .iter()
            .filter_map(|line| hot(rule, line, kind).map(|hot| (line, hot)))
            .max_by_key(|(line, hot)| (hot.kind != COLD, hot.bursts.len(), line.line.loads.len(), std::cmp::Reverse(line.line.entry)));
        match hottest {
            Some((line, hot)) => out.push(report(case, rule, label, line, &hot, lines)),
            None => out.extend(together::find(case, rule, kind, label, lines)),
        }
    }
}

/// An entry with those of its bursts that matter.
struct Stormed<'a> {
    line: Line<'a>,
    bursts: Vec<Burst>,
}

/// Bursts that are wide enough, and why they happened.
struct Hot<'a> {
    kind: &'static str,
    bursts: Vec<&'a Burst>,
    /// How many of them came when the entry had lived for as long as it may.
    expired: usize,
    /// Seconds between bursts, if that is nearly always the same.
    period: Option<f64>,
}

const HOT: &str = "single-hot-key";
const COLD: &str = "cold-start";
const NEVER: &str = "negative-lookup";

/// When each instance of each service was started.
fn starts(case: &Case) -> BTreeMap<Sym, BTreeMap<Sym, Vec<Time>>> {
    let mut starts: BTreeMap<Sym, BTreeMap<Sym, Vec<Time>>> = BTreeMap::new();
    let Some(started) = case.tables.names.find("app.started") else { return starts };
    for signal in case.tables.signals.iter().filter(|signal| signal.signal == started && signal.time.is_some()) {
        starts.entry(signal.service).or_default().entry(signal.instance).or_default().push(signal.time);
    }
    starts.values_mut().flat_map(BTreeMap::values_mut).for_each(|times| times.sort_unstable());
    starts
}

fn hot<'a>(rule: &Rule, stormed: &'a Stormed<'_>, kind: &Kind<'_>) -> Option<Hot<'a>> {
    let line = &stormed.line;
    let wide: Vec<&Burst> = stormed
        .bursts
        .iter()
        .filter(|burst| burst.peak as f64 >= rule.limit("concurrent_loads") && burst.traces as f64 >= rule.limit("traces"))
        .collect();
    if wide.is_empty() {
        return None;
    }
    let first = line.loads.iter().map(|load| load.end).min()?;
    let anew = line.loads.iter().filter(|load| load.start >= first).count();
    if line.hits == 0 && !line.guessed && anew as f64 >= rule.limit("never_filled_loads") && kind.is_found {
        // Its kin is found again, and this entry never: nothing is kept for it.
        return Some(Hot { kind: NEVER, bursts: wide, expired: 0, period: None });
    }
    let primed: Vec<&Burst> = wide.iter().copied().filter(|burst| burst.is_primed).collect();
    if primed.is_empty() {
        return Some(Hot { kind: COLD, bursts: wide, expired: 0, period: None });
    }
    let period = period(&primed, rule);
    let slack = rule.limit("expiry_slack");
    let lifetime = line.lifetime.or(period);
    let expired = primed.iter().filter(|burst| {
        let age = burst.since_fill.map(|nanos| nanos as f64 / SECOND as f64);
        age.zip(lifetime).is_some_and(|(age, lifetime)| (age - lifetime).abs() <= slack * lifetime + 1.0)
    });
    Some(Hot { kind: HOT, expired: expired.count(), period, bursts: primed })
}

/// Seconds between the beginnings of bursts, if most are as far apart as the median.
fn period(bursts: &[&Burst], rule: &Rule) -> Option<f64> {
    let gaps: Vec<f64> = bursts.windows(2).map(|pair| pair[1].window.start.since(pair[0].window.start) as f64 / SECOND as f64).collect();
    let median = trend::median(&mut gaps.clone())?;
    let alike = gaps.iter().filter(|gap| (**gap - median).abs() <= rule.limit("expiry_slack") * median + 1.0).count();
    (gaps.len() as f64 >= rule.limit("periods") && 4 * alike >= 3 * gaps.len()).then_some(median)
}

fn report(case: &Case, rule: &Rule, label: &str, stormed: &Stormed<'_>, hot: &Hot<'_>, kin: &[Stormed<'_>]) -> Finding {
    let (names, line) = (&case.tables.names, &stormed.line);
    let key = match line.entry {
        Entry::Key(place) => names.get(place.2),
        Entry::Request(..) => "",
    };
    let subject = Subject { service: names.get(line.service).to_owned(), operation: label.to_owned(), key: key.to_owned(), ..Subject::default() };
    let mut window = Window::default();
    hot.bursts.iter().for_each(|burst| window.join(burst.window));
    let mut finding = Finding::new(&rule.id, subject, window);
    finding.kind = hot.kind.to_owned();
    let peak = hot.bursts.iter().map(|burst| burst.peak).max().unwrap_or(0);
    let stormy: Vec<&Load> = hot.bursts.iter().flat_map(|burst| line.loads.get(burst.loads.clone()).unwrap_or_default()).collect();
    let input = if stormy.iter().any(|load| load.from_span) { Input::Spans } else { Input::Logs };
    let slower = slowdown(line, &hot.bursts);
    let belief = Belief::new()
        .with("loads of one key at the same time", input, if line.guessed { 0.35 } else { 0.6 })
        .with_if(hot.expired > 0, "the entry had just expired", input, 0.25)
        .with_if(hot.period.is_some(), "bursts come at a period", input, 0.25)
        .with_if(slower.is_some_and(|slower| slower >= rule.limit("origin_slower")), "loads slow each other down", input, 0.25);
    // Without a hit and without an expiry nothing says that the value was ever kept.
    let is_kept = line.hits > 0 || hot.expired > 0 || hot.period.is_some() || hot.kind == NEVER;
    finding.confidence = if is_kept { belief } else { belief.doubted(0.6) }.value();
    finding.severity = match hot.kind {
        COLD => Severity::Low,
        _ if !is_kept || line.guessed && hot.bursts.len() < 2 => Severity::Low,
        _ if peak as f64 >= rule.upper("concurrent_loads") && !line.guessed => Severity::High,
        _ => Severity::Medium,
    };
    finding.score = score(peak as f64, rule.limit("concurrent_loads"), rule.upper("concurrent_loads"));
    finding.word("entry", if key.is_empty() { label } else { key });
    measure(&mut finding, rule, line, hot, &stormy, peak);
    let others = kin.iter().filter(|other| other.bursts.iter().any(|burst| burst.peak as f64 >= rule.limit("concurrent_loads"))).count();
    finding.measure("keys", others as f64, "keys");
    if let Some(slower) = slower {
        finding.measure("slowdown", round(slower), "times");
    }
    requests(case, line, &stormy, &mut finding);
    cite(&mut finding, line, hot);
    look_alikes(&mut finding, line, hot);
    finding
}

/// How much longer than the fastest load of the entry the median of a burst takes.
fn slowdown(line: &Line<'_>, bursts: &[&Burst]) -> Option<f64> {
    let fastest = line.loads.iter().map(Load::nanos).filter(|nanos| *nanos > 0).min()?;
    let mut stormy: Vec<f64> =
        bursts.iter().flat_map(|burst| line.loads.get(burst.loads.clone()).unwrap_or_default()).map(|load| load.nanos() as f64).collect();
    Some(trend::median(&mut stormy)? / fastest as f64)
}

fn measure(finding: &mut Finding, rule: &Rule, line: &Line<'_>, hot: &Hot<'_>, stormy: &[&Load], peak: usize) {
    let mut millis: Vec<f64> = line.loads.iter().map(|load| load.nanos() as f64 / 1e6).collect();
    let median = trend::median(&mut millis).unwrap_or(0.0);
    let at = |percent: usize| millis.get((millis.len() * percent / 100).min(millis.len().saturating_sub(1))).copied().unwrap_or(0.0);
    let redundant: usize = hot.bursts.iter().map(|burst| burst.redundant()).sum();
    // Guessed ends tell no durations.
    let wasted: f64 = if line.guessed {
        0.0
    } else {
        hot.bursts
            .iter()
            .flat_map(|burst| line.loads.get(burst.loads.start + 1..burst.loads.end))
            .flatten()
            .map(|load| load.nanos() as f64 / 1e9)
            .sum()
    };
    let widest = hot.bursts.iter().map(|burst| burst.loads.len()).max().unwrap_or(0);
    finding.measure_against("concurrent_loads", peak as f64, "loads at once", rule.limit("concurrent_loads"));
    finding.measure("loads", line.loads.len() as f64, "loads of the key").measure("bursts", hot.bursts.len() as f64, "bursts");
    finding.measure("loads_in_bursts", stormy.len() as f64, "loads").measure("loads_of_widest_burst", widest as f64, "loads");
    finding.measure("redundant_loads", redundant as f64, "loads").measure("redundant_load_s", round(wasted), "s");
    let traces = hot.bursts.iter().map(|burst| burst.traces).max().unwrap_or(0);
    finding.measure_against("traces_of_widest_burst", traces as f64, "traces", rule.limit("traces"));
    let longest = millis.last().copied().unwrap_or(0.0);
    if line.guessed {
        finding.word("took", "how long the loads took is not told");
    } else {
        finding.measure("median_load_ms", round(median), "ms").measure("p95_load_ms", round(at(95)), "ms").measure(
            "max_load_ms",
            round(longest),
            "ms",
        );
        finding.word("took", format!("median {}, longest {}, {} of needless work", length(median), length(longest), length(wasted * 1e3)));
    }
    finding.measure("hits", line.hits as f64, "hits").measure("waits", line.waits as f64, "misses that waited");
    if let Some(lifetime) = line.lifetime {
        finding.measure("ttl_s", lifetime, "s");
    }
    if let Some(period) = hot.period {
        finding.measure("period_s", round(period), "s");
    }
    if hot.expired > 0 {
        finding.measure("bursts_at_expiry", hot.expired as f64, "bursts");
    }
    let when = match (line.lifetime.filter(|_| hot.expired > 0), hot.period) {
        (Some(lifetime), _) => format!("each time the {lifetime} s were over that the entry lives"),
        (None, Some(period)) => format!("about every {period:.0} s"),
        (None, None) => "when the entry was gone".to_owned(),
    };
    finding.word("when", when);
}

/// How long requests took that loaded, if their spans tell.
fn requests(case: &Case, line: &Line<'_>, stormy: &[&Load], finding: &mut Finding) {
    let took = |trace: TraceId| {
        let spans = if trace.is_none() { &[] } else { case.spans_of(trace) };
        spans.iter().find(|span| span.service == line.service && span.is_incoming()).map(|span| span.nanos as f64 / 1e6)
    };
    let mut millis: Vec<f64> = stormy.iter().filter_map(|load| took(load.trace)).collect();
    if let Some(median) = trend::median(&mut millis) {
        finding.measure("request_ms", round(median), "ms").measure("max_request_ms", round(millis.last().copied().unwrap_or(0.0)), "ms");
    }
}

fn cite(finding: &mut Finding, line: &Line<'_>, hot: &Hot<'_>) {
    let mut widest: Vec<&Burst> = hot.bursts.clone();
    widest.sort_by_key(|burst| (std::cmp::Reverse(burst.peak), burst.window.start));
    let loads: Vec<&Load> = widest.iter().flat_map(|burst| line.loads.get(burst.loads.clone()).unwrap_or_default()).collect();
    finding.cite(loads.iter().map(|load| load.evidence));
    for load in loads {
        if !load.trace.is_none() && finding.traces.len() < Finding::QUOTES && !finding.traces.contains(&load.trace) {
            finding.traces.push(load.trace);
        }
    }
}

fn look_alikes(finding: &mut Finding, line: &Line<'_>, hot: &Hot<'_>) {
    let shared = match (line.guessed, line.waits) {
        (true, _) => "not excluded: the records tell of misses, not of loads".to_owned(),
        (false, 0) => "excluded: every miss that is counted loaded the value itself".to_owned(),
        (false, waits) => format!("excluded: {waits} misses that waited for the load of another are not counted"),
    };
    finding.look_alike("one load that others wait for", shared);
    let cold =
        if hot.kind == COLD { "likely: nobody had found the entry before, or since the start" } else { "excluded: the entry had been found before" };
    finding.look_alike("cold start after a deployment", cold);
    finding.look_alike("retries of one request", "excluded: a trace counts once");
    if line.guessed {
        finding.missing.push("records of loads with their duration, or spans of the calls to the origin".to_owned());
    }
    if line.lifetime.is_none() {
        finding.missing.push("the time to live of entries".to_owned());
    }
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
