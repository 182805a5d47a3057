//! Circuit breakers as records, metrics and settings tell them: when each was open, and what it turned away.
//!
//! ```text
//! CircuitBreaker 'payments' changed state from CLOSED to OPEN               a turn, told by a log record
//! resilience4j_circuitbreaker_state{name="payments",state="open"} 1         the same, told by a gauge
//! CircuitBreaker 'payments' is OPEN and does not permit further calls       a call that was turned away
//! resilience4j.circuitbreaker.instances.payments.slidingWindowSize: 20      that there is one
//! ```
//!
//! What this file does not do: judge whether a breaker helped.

use crate::correlate::Case;
use crate::correlate::meter::Series;
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::record::Level;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Time, Window};
use std::collections::{BTreeMap, BTreeSet};

/// A rejection is often told twice, by the breaker and by whoever caught the exception: this close together they are one.
const ECHO: i64 = SECOND / 50;

/// What a wording without a name leaves where the name would stand.
const NO_NAMES: &[&str] =
    &["state", "status", "is", "has", "was", "changed", "change", "now", "opened", "closed", "open", "transition", "transitioned", "event"];

/// The state of a breaker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum State {
    /// Calls go through and are counted.
    Closed,
    /// A few calls go through to try.
    HalfOpen,
    /// No call goes through.
    Open,
    /// It does not decide: disabled, or it only counts.
    Off,
}

/// A change of state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Turn {
    /// The instance whose breaker it is.
    pub instance: Sym,
    /// When.
    pub time: Time,
    /// The new state.
    pub to: State,
    /// Where.
    pub evidence: Evidence,
}

/// A call that an open breaker turned away, or one that it watched.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Told {
    /// When.
    pub time: Time,
    /// Trace.
    pub trace: TraceId,
    /// Where.
    pub evidence: Evidence,
}

/// A call as the breaker's own events tell it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Watched {
    /// When it ended.
    pub time: Time,
    /// How long it took in nanoseconds.
    pub nanos: Option<u64>,
    /// Whether the breaker counted it as failed.
    pub failed: bool,
    /// Where.
    pub evidence: Evidence,
}

/// A breaker of all instances of a service.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    /// The service that it is part of.
    pub service: Sym,
    /// Its name; empty if nothing says it.
    pub name: String,
    /// Changes of state, by instance and time.
    pub turns: Vec<Turn>,
    /// Whether log records told the turns; a gauge knows them only to the scrape.
    pub turns_logged: bool,
    /// Calls that were turned away, by time, each once.
    pub rejections: Vec<Told>,
    /// How many calls were turned away, also where only a counter says so.
    pub rejected: u64,
    /// Calls that its events tell, by time.
    pub watched: Vec<Watched>,
    /// Whether a gauge shows its state.
    pub gauged: bool,
    /// Instances whose gauge says that too few calls were seen for a failure rate, and all that have that gauge.
    pub blind: (BTreeSet<Sym>, BTreeSet<Sym>),
    /// What its counters gained: calls it took for successful, failed, and chose to ignore.
    pub counted: (f64, f64, f64),
    /// The most slow calls its gauge ever showed.
    pub slow_counted: Option<f64>,
    /// Records that show that it exists.
    pub signs: Vec<Evidence>,
}

impl Breaker {
    /// How often it turned to a state.
    #[must_use]
    pub fn turned(&self, to: State) -> usize {
        self.turns.iter().filter(|turn| turn.to == to).count()
    }

    /// The instances that have turns.
    #[must_use]
    pub fn instances(&self) -> BTreeSet<Sym> {
        self.turns.iter().map(|turn| turn.instance).collect()
    }

    /// When an instance's breaker was in a state, the last stretch ending at `until`.
    #[must_use]
    pub fn stretches(&self, state: State, until: Time) -> Vec<(Sym, Window)> {
        let mut found = Vec::new();
        for turns in self.turns.chunk_by(|a, b| a.instance == b.instance) {
            for (at, turn) in turns.iter().enumerate().filter(|(_, turn)| turn.to == state) {
                let end = turns.get(at + 1).map_or(until, |next| next.time);
                found.push((turn.instance, Window::of(turn.time, end.max(turn.time))));
            }
        }
        found
    }
}

/// Breakers by service and name.
type Known = BTreeMap<(Sym, String), Breaker>;

/// Rejections by service and breaker: as the breaker's events tell them, and as callers caught them.
type Rejections = BTreeMap<(Sym, String), (Vec<Told>, Vec<Told>)>;

/// What a gauge showed.
type Shown = (Time, State, Evidence);

/// Every breaker of the bundle, by service and name.
#[must_use]
pub fn breakers(case: &Case) -> Vec<Breaker> {
    let mut all: Known = BTreeMap::new();
    let mut told: Rejections = BTreeMap::new();
    from_records(case, &mut all, &mut told);
    from_spans(case, &mut told);
    from_gauges(case, &mut all);
    from_counters(case, &mut all);
    from_settings(case, &mut all);
    for (key, (events, caught)) in told {
        let breaker = of(&mut all, key.0, &key.1);
        // The breaker's own events tell every rejection once; without them what callers caught has to do.
        breaker.rejections = if events.is_empty() { once(caught) } else { once_each(events) };
        breaker.rejected = breaker.rejected.max(breaker.rejections.len() as u64);
    }
    let mut breakers: Vec<Breaker> = adopt_nameless(all).into_values().collect();
    for breaker in &mut breakers {
        breaker.turns.sort_unstable();
        breaker.turns.dedup_by(|b, a| (a.instance, a.time, a.to) == (b.instance, b.time, b.to));
        breaker.watched.sort_unstable();
    }
    breakers
}

/// What a wording without a name tells belongs to the only breaker of the service that has one.
fn adopt_nameless(mut all: Known) -> Known {
    let nameless: Vec<Sym> = all.keys().filter(|(_, name)| name.is_empty()).map(|(service, _)| *service).collect();
    for service in nameless {
        let named: Vec<(Sym, String)> = all.keys().filter(|(of, name)| *of == service && !name.is_empty()).cloned().collect();
        let ([only], Some(loose)) = (named.as_slice(), all.remove(&(service, String::new()))) else { continue };
        let Some(breaker) = all.get_mut(only) else { continue };
        if breaker.turns.is_empty() {
            (breaker.turns, breaker.turns_logged) = (loose.turns, loose.turns_logged);
        }
        if breaker.rejections.is_empty() {
            breaker.rejections = loose.rejections;
        }
        breaker.rejected = breaker.rejected.max(loose.rejected);
        breaker.signs.extend(loose.signs);
    }
    all
}

fn of<'a>(all: &'a mut Known, service: Sym, name: &str) -> &'a mut Breaker {
    let name = if NO_NAMES.contains(&name.to_ascii_lowercase().as_str()) { "" } else { name };
    all.entry((service, name.to_owned())).or_insert_with(|| Breaker { service, name: name.to_owned(), ..Breaker::default() })
}

fn from_records(case: &Case, all: &mut Known, told: &mut Rejections) {
    let names = &case.tables.names;
    for row in &case.tables.signals {
        let Some(what) = names.get(row.signal).strip_prefix("circuit-breaker.") else { continue };
        let name = names.get(row.name);
        let breaker = of(all, row.service, name);
        breaker.signs.push(row.evidence);
        let mut turn = |to: State| {
            breaker.turns.push(Turn { instance: row.instance, time: row.time, to, evidence: row.evidence });
            breaker.turns_logged = true;
        };
        let mut watch = |failed: bool| {
            let nanos = row.value.is_finite().then_some((row.value.max(0.0) * 1e6) as u64);
            breaker.watched.push(Watched { time: row.time, nanos, failed, evidence: row.evidence });
        };
        match what {
            "opened" => turn(State::Open),
            "half-opened" => turn(State::HalfOpen),
            "closed" => turn(State::Closed),
            "off" => turn(State::Off),
            "failed-call" => watch(true),
            "good-call" => watch(false),
            "ignored-call" => breaker.counted.2 += 1.0,
            "rejected" => {
                let told = told.entry((row.service, breaker.name.clone())).or_default();
                let one = Told { time: row.time, trace: row.trace, evidence: row.evidence };
                // The exception's text names the state it met; the event's does not.
                if row.key.is_none() && row.level < Level::Error && !name.is_empty() { told.0.push(one) } else { told.1.push(one) }
            }
            _ => {}
        }
    }
}

/// Spans that say by their error that a breaker turned them away.
fn from_spans(case: &Case, told: &mut Rejections) {
    let names = &case.tables.names;
    let mut meanings: BTreeMap<Sym, bool> = BTreeMap::new();
    let signalled: BTreeSet<Sym> = told.keys().map(|(service, _)| *service).collect();
    for span in case.tables.spans.iter().filter(|span| !span.error.is_none() && !signalled.contains(&span.service)) {
        let is_rejection = *meanings.entry(span.error).or_insert_with(|| {
            let error = names.get(span.error).to_ascii_lowercase();
            ["callnotpermitted", "brokencircuit", "circuitbreakeropen", "circuitbreakererror", "eopenbreaker"].iter().any(|word| error.contains(word))
        });
        if is_rejection && !span.is_incoming() {
            told.entry((span.service, String::new())).or_default().1.push(Told { time: span.end(), trace: span.trace, evidence: span.evidence });
        }
    }
}

/// What was caught, each rejection once: records of one trace that follow at once tell the same one.
fn once(mut told: Vec<Told>) -> Vec<Told> {
    told.sort_unstable_by_key(|one| (one.trace, one.time, one.evidence));
    told.dedup_by(|b, a| {
        let echo = !b.trace.is_none() && a.trace == b.trace && b.time.since(a.time) <= ECHO;
        if echo {
            a.time = b.time;
        }
        echo
    });
    once_each(told)
}

fn once_each(mut told: Vec<Told>) -> Vec<Told> {
    told.sort_unstable();
    told.dedup();
    told
}

/// What a series calls its breaker.
fn name_of<'a>(series: &Series<'a>) -> &'a str {
    ["name", "circuitbreaker", "circuit_breaker", "breaker", "circuit", "command", "resource", "key", "group"]
        .iter()
        .find_map(|key| series.label(key))
        .unwrap_or("")
}

/// States that gauges show; they count only where no record tells the turns.
fn from_gauges(case: &Case, all: &mut Known) {
    let mut states: BTreeMap<(Sym, String, Sym), Vec<Shown>> = BTreeMap::new();
    for series in
        case.series_holding(|words| words.iter().any(|word| word.contains("circuit")) && words.iter().any(|word| word == "state" || word == "open"))
    {
        let key = (series.service, name_of(&series).to_owned(), series.instance);
        let highest = series.highest().map_or(0.0, |point| point.value);
        let of_value = |value: f64| match (series.label("state").and_then(state_of), value) {
            (Some(state), value) => (value >= 0.5).then_some(state),
            (None, value) if value < 0.5 => Some(State::Closed),
            // Whichever number is open, it is the greater of the two that a gauge of three states shows.
            (None, value) => Some(if value >= highest - 0.5 { State::Open } else { State::HalfOpen }),
        };
        states.entry(key).or_default().extend(series.points.iter().filter_map(|point| Some((point.time, of_value(point.value)?, point.evidence))));
    }
    for ((service, name, instance), mut points) in states {
        points.sort_unstable();
        let breaker = of(all, service, &name);
        breaker.gauged = true;
        breaker.signs.extend(points.first().map(|point| point.2));
        if breaker.turns_logged {
            continue;
        }
        let mut now = State::Closed;
        for (time, to, evidence) in points.into_iter().filter(|point| point.0.is_some()) {
            if to != now {
                breaker.turns.push(Turn { instance, time, to, evidence });
                now = to;
            }
        }
    }
}

fn state_of(label: &str) -> Option<State> {
    Some(match label.to_ascii_lowercase().replace('-', "_").as_str() {
        "closed" => State::Closed,
        "half_open" => State::HalfOpen,
        "open" | "forced_open" => State::Open,
        "disabled" | "metrics_only" => State::Off,
        _ => return None,
    })
}

fn from_counters(case: &Case, all: &mut Known) {
    for series in case.series("resilience4j.circuitbreaker.not.permitted.calls") {
        let breaker = of(all, series.service, name_of(&series));
        breaker.rejected += series.gained().max(0.0) as u64;
    }
    for series in case.series("resilience4j.circuitbreaker.calls.count") {
        let breaker = of(all, series.service, name_of(&series));
        let gained = series.gained();
        match series.label("kind") {
            Some("successful") => breaker.counted.0 += gained,
            Some("failed") => breaker.counted.1 += gained,
            Some("ignored") => breaker.counted.2 += gained,
            _ => {}
        }
    }
    for series in case.series("resilience4j.circuitbreaker.failure.rate") {
        let breaker = of(all, series.service, name_of(&series));
        breaker.blind.1.insert(series.instance);
        if series.points.iter().all(|point| point.value < 0.0) {
            breaker.blind.0.insert(series.instance);
        }
        breaker.signs.extend(series.points.first().map(|point| point.evidence));
    }
    for series in case.series("resilience4j.circuitbreaker.slow.calls") {
        let most = series.highest().map_or(0.0, |point| point.value);
        let breaker = of(all, series.service, name_of(&series));
        breaker.slow_counted = Some(breaker.slow_counted.unwrap_or(0.0).max(most));
    }
}

/// Breakers that only the configuration names.
fn from_settings(case: &Case, all: &mut Known) {
    let names = &case.tables.names;
    for row in &case.tables.settings {
        let segments: Vec<&str> = names.get(row.key).split('.').collect();
        let Some(at) = segments.windows(2).position(|pair| pair == ["circuitbreaker", "instances"]) else { continue };
        let Some(name) = segments.get(at + 2).filter(|_| segments.len() > at + 3) else { continue };
        let known = all.keys().find(|(service, known)| {
            (*service == row.service || row.service.is_none()) && known.to_ascii_lowercase().replace(['-', '_'], "") == *name
        });
        let key = known.cloned().unwrap_or_else(|| (row.service, (*name).to_owned()));
        of(all, key.0, &key.1).signs.push(row.evidence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::fixture::bundle;

    #[test]
    fn turns_and_rejections_from_records() {
        let log = "2026-01-01T10:00:00.000Z  WARN 1 --- [x] [nio-8080-exec-1] c.a.Events : CircuitBreaker 'pay' changed state from CLOSED to OPEN\n\
            2026-01-01T10:00:01.000Z  INFO 1 --- [x] [nio-8080-exec-1] c.a.Events : CircuitBreaker 'pay' recorded a call which was not permitted.\n\
            2026-01-01T10:00:01.001Z  WARN 1 --- [x] [nio-8080-exec-1] c.a.Orders : using fallback: CircuitBreaker 'pay' is OPEN and does not permit further calls\n\
            2026-01-01T10:00:10.000Z  INFO 1 --- [x] [nio-8080-exec-1] c.a.Events : CircuitBreaker 'pay' changed state from OPEN to HALF_OPEN\n\
            2026-01-01T10:00:11.000Z  INFO 1 --- [x] [nio-8080-exec-1] c.a.Events : CircuitBreaker 'pay' changed state from HALF_OPEN to CLOSED\n";
        let case = bundle(&[("orders/app.log", log)]);
        let [breaker] = <[Breaker; 1]>::try_from(breakers(&case)).expect("one breaker");
        assert_eq!((breaker.name.as_str(), breaker.turns.len(), breaker.rejected), ("pay", 3, 1));
        let open = breaker.stretches(State::Open, Time(0));
        assert!(open.len() == 1 && open[0].1.nanos() == 10 * SECOND, "{open:?}");
    }

    #[test]
    fn turns_from_gauges_of_two_kinds() {
        let mut text = String::new();
        for (n, open) in [0, 1, 1, 0].iter().enumerate() {
            let at = 1_767_261_600_000_i64 + n as i64 * 15_000;
            text += &format!("resilience4j_circuitbreaker_state{{name=\"pay\",state=\"open\"}} {open} {at}\n");
            text += &format!("resilience4j_circuitbreaker_state{{name=\"pay\",state=\"closed\"}} {} {at}\n", 1 - open);
            text += &format!("my_circuit_breaker_state{{name=\"stock\"}} {} {at}\n", open * 2);
        }
        let case = bundle(&[("orders/metrics.prom", &text)]);
        let found: Vec<_> = breakers(&case).into_iter().map(|b| (b.name.clone(), b.turns.iter().map(|turn| turn.to).collect::<Vec<_>>())).collect();
        let both = vec![State::Open, State::Closed];
        assert_eq!(found, [("pay".to_owned(), both.clone()), ("stock".to_owned(), both)]);
    }
}
