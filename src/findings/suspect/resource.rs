//! Who suddenly needs the processor: a process that computes without end, or has a neighbour that does, tells it by its own
//! usage before it tells by anything else.
//!
//! ```text
//! k8s.pod.cpu.usage of cart: usually 0.02, now 0.31; of the others as before
//! ```
//!
//! The usual is what the same process used before the traces begin, else what its service used in the calm time. What rises in
//! all services is load. What this file does not do: say that the processor was lacking; that is a rule's.

use super::Term;
use crate::correlate::Case;
use crate::correlate::meter::Series;
use crate::model::amount::number;
use crate::model::record::MetricKind;
use crate::model::source::Evidence;
use crate::model::tables::Metric;
use crate::model::time::{MINUTE, SECOND, Time, Window};
use crate::model::trend::median;
use std::collections::BTreeMap;

/// What a rise may weigh at most: it says that something computes, not that somebody waits for it.
const MOST: f64 = 0.3;

/// Points of the usual that a comparison needs.
const LEAST_POINTS: usize = 4;

/// Spreads by which a rise must exceed the usual, and times of what services usually rise by.
const SPREADS: f64 = 6.0;
const LEAST_RATIO: f64 = 1.5;

/// The rise that counts in full.
const FULL_RATIO: f64 = 4.0;

/// The share of the usual that always varies, and of the greatest user's level that is worth a word.
const ALWAYS: f64 = 0.1;
const WORTH: f64 = 0.05;

/// A rise of one service.
struct Rise {
    usual: f64,
    now: f64,
    /// Whether it exceeds what the usual varies by.
    stands_out: bool,
    metric: String,
    evidence: Evidence,
}

/// Adds a suspicion for every service whose processor usage rises beyond that of the others.
pub(super) fn by_usage(case: &Case, baseline: Option<&Case>, terms: &mut BTreeMap<String, Vec<Term>>) {
    let mut by_metric: BTreeMap<&str, BTreeMap<String, Rise>> = BTreeMap::new();
    let traced = traced(case);
    for series in case.series_holding(is_usage).filter(|series| !series.service.is_none()) {
        let service = case.tables.names.get(series.service);
        let Some(rise) = rise(&series, traced, || calm_levels(baseline, service, series.name)) else { continue };
        let services = by_metric.entry(series.name).or_default();
        // Of several instances the one that rises most.
        if services.get(service).is_none_or(|known| rise.ratio() > known.ratio()) {
            services.insert(service.to_owned(), rise);
        }
    }
    let mut strongest: BTreeMap<String, (f64, Rise)> = BTreeMap::new();
    for services in by_metric.into_values() {
        let Some(common) = median(&mut services.values().map(Rise::ratio).collect::<Vec<_>>()) else { continue };
        let greatest = services.values().map(|rise| rise.now).fold(0.0, f64::max);
        // Alone there is nobody to tell load from a fault by.
        if services.len() < 3 {
            continue;
        }
        for (service, rise) in services {
            let excess = rise.ratio() / common.max(1.0);
            if excess < LEAST_RATIO || rise.now < WORTH * greatest || !rise.stands_out {
                continue;
            }
            let weight = (excess.ln() / FULL_RATIO.ln()).min(1.0);
            if strongest.get(&service).is_none_or(|(known, _)| weight > *known) {
                strongest.insert(service, (weight, rise));
            }
        }
    }
    let all: f64 = strongest.values().map(|(weight, _)| weight).sum();
    for (service, (weight, rise)) in strongest {
        let because = format!("{}: usually {}, now {}", rise.metric, number(rise.usual), number(rise.now));
        let term = Term { score: MOST * weight * weight / all.max(f64::MIN_POSITIVE), because, evidence: Some(rise.evidence) };
        terms.entry(service).or_default().push(term);
    }
}

/// Usage of a process or its container, not of the machine below it, and no limit.
fn is_usage(words: &[String]) -> bool {
    let has = |word: &str| words.iter().any(|known| known == word);
    has("cpu")
        && (has("usage") || has("utilization") || has("utilisation") || has("percent") || has("time"))
        && !["system", "node", "host", "throttled", "throttling", "limits", "requests", "count", "load"].iter().any(|word| has(word))
}

/// When the traces were taken: what the metrics say of that time is held against what they say before.
fn traced(case: &Case) -> Option<Window> {
    let mut window = Window::default();
    case.tables.spans.iter().for_each(|span| window.add(span.start));
    window.start.is_some().then_some(window)
}

impl Rise {
    fn ratio(&self) -> f64 {
        self.now / self.usual.max(f64::MIN_POSITIVE)
    }
}

/// Levels over time, with their places: of a counter what it gained a second.
fn levels(series: &Series<'_>) -> Vec<(Time, f64, Evidence)> {
    let all: Vec<(Time, f64, Evidence)> = if series.kind() == MetricKind::Gauge {
        series.points.iter().map(|point| (point.time, point.value, point.evidence)).collect()
    } else {
        let mut before = series.points.first().map_or(Time::NONE, |point| point.time);
        let rate = |(point, gain): (&Metric, f64)| {
            let seconds = point.time.since(before) as f64 / SECOND as f64;
            before = point.time;
            (point.time, gain / seconds, point.evidence)
        };
        series.steps().map(rate).collect()
    };
    all.into_iter().filter(|(time, level, _)| time.is_some() && level.is_finite()).collect()
}

/// What the service used in the calm time, by the same metric.
fn calm_levels(baseline: Option<&Case>, service: &str, metric: &str) -> Vec<f64> {
    let Some((calm, service)) = baseline.and_then(|calm| Some((calm, calm.tables.names.find(service)?))) else { return Vec::new() };
    calm.series(metric).filter(|series| series.service == service).flat_map(|series| levels(&series)).map(|(_, level, _)| level).collect()
}

/// How a series rises from its usual level to that of the traces' time; none if there is no usual.
fn rise(series: &Series<'_>, traced: Option<Window>, calm: impl Fn() -> Vec<f64>) -> Option<Rise> {
    let levels = levels(series);
    let (before, during): (Vec<_>, Vec<_>) = levels.into_iter().partition(|(time, ..)| traced.is_some_and(|traced| *time < traced.start));
    let during: Vec<_> = during.into_iter().filter(|(time, ..)| traced.is_none_or(|traced| time.since(traced.end) <= MINUTE)).collect();
    let mut usual: Vec<f64> = before.into_iter().map(|(_, level, _)| level).collect();
    if usual.len() < LEAST_POINTS {
        usual = calm();
    }
    if usual.len() < LEAST_POINTS {
        return None;
    }
    let &(_, now, evidence) = during.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let level = median(&mut usual)?;
    let spread = median(&mut usual.iter().map(|value| (value - level).abs()).collect::<Vec<_>>())?;
    let stands_out = now - level >= SPREADS * (NORMAL * spread).max(ALWAYS * level);
    (level > 0.0).then(|| Rise { usual: level, now, stands_out, metric: series.name.to_owned(), evidence })
}

/// Turns the median distance from the median into a standard deviation.
const NORMAL: f64 = 1.4826;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::fixture::bundle;
    use std::fmt::Write;

    /// Four services, a point a minute for ten; `level` says how much a service uses in a minute.
    fn suspects(level: impl Fn(&str, u32) -> f64) -> Vec<(String, String)> {
        let mut files: Vec<(String, String)> = Vec::new();
        for service in ["cart", "orders", "payments", "web"] {
            let mut text = String::new();
            for minute in 0..10_u32 {
                let at = 1_767_261_600_000_i64 + i64::from(minute) * 60_000;
                let _ = writeln!(text, "process_cpu_usage {} {at}", level(service, minute));
            }
            files.push((format!("{service}-0/metrics.prom"), text));
        }
        let start = 1_767_261_600_000_000_000_i64 + 9 * 60 * SECOND - 30 * SECOND;
        let spans = format!(
            "{{\"resourceSpans\":[{{\"resource\":{{\"attributes\":[{{\"key\":\"service.name\",\"value\":{{\"stringValue\":\"web\"}}}}]}},\"scopeSpans\":[{{\"spans\":[{{\"traceId\":\"5b8aa5a2d2c872e8321cf37308d69df2\",\"spanId\":\"5fb397be34d26b51\",\"name\":\"GET /\",\"kind\":2,\"startTimeUnixNano\":\"{start}\",\"endTimeUnixNano\":\"{}\"}}]}}]}}]}}\n",
            start + SECOND
        );
        files.push(("traces.jsonl".to_owned(), spans));
        let case = bundle(&files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>());
        let mut terms = BTreeMap::new();
        by_usage(&case, None, &mut terms);
        terms.into_iter().flat_map(|(service, terms)| terms.into_iter().map(move |term| (service.clone(), term.because))).collect()
    }

    #[test]
    fn one_that_computes_is_named_and_load_is_not() {
        let wobble = |minute: u32| 0.1 + 0.01 * f64::from(minute % 3);
        let found = suspects(|service, minute| wobble(minute) + if service == "cart" && minute == 9 { 0.7 } else { 0.0 });
        assert_eq!(found, [("cart".to_owned(), "process_cpu_usage: usually 0.11, now 0.8".to_owned())]);
        assert!(suspects(|_, minute| wobble(minute)).is_empty(), "as ever");
        assert!(suspects(|_, minute| wobble(minute) * if minute == 9 { 5.0 } else { 1.0 }).is_empty(), "load");
        let small = |service: &str, minute: u32| if service == "cart" { if minute == 9 { 0.004 } else { 0.0005 } } else { wobble(minute) };
        assert!(suspects(small).is_empty(), "far below what the others need");
        let early = |service: &str, minute: u32| wobble(minute) + if service == "cart" && minute == 4 { 0.7 } else { 0.0 };
        assert!(suspects(early).is_empty(), "before the traces were taken");
    }
}
