//! What a service served over time: how much, how fast, how well. From spans or log records of requests; where a bundle has
//! neither, from the counters of its metrics.
//!
//! ```text
//! http_server_requests_seconds_count{uri="/orders",status="200"}    and _sum, from scrape to scrape
//! ```
//!
//! Of metrics a piece is what one series gained between two points, and its length the mean of it. Probes are left out. What
//! this file does not do: judge whether it was good.

use crate::correlate::Case;
use crate::correlate::meter::Series;
use crate::correlate::probe::is_probe;
use crate::correlate::series::median;
use crate::model::finding::Input;
use crate::model::names::Sym;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Time, Window};
use std::collections::BTreeMap;

/// Counters of requests, of their seconds, and how many seconds one of these is.
pub const COUNTERS: [(&str, &str, f64); 5] = [
    ("http.server.requests.count", "http.server.requests.sum", 1.0),
    ("http.server.request.duration.count", "http.server.request.duration.sum", 1.0),
    ("http.server.duration.count", "http.server.duration.sum", 0.001),
    ("http.request.duration.count", "http.request.duration.sum", 1.0),
    ("request.duration.count", "request.duration.sum", 1.0),
];

/// Some requests of one kind that ended together.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// When.
    pub time: Time,
    /// Who served them.
    pub instance: Sym,
    /// How many.
    pub count: f64,
    /// How long one took, if that is known.
    pub nanos: Option<f64>,
    /// Whether they failed.
    pub failed: bool,
    /// Where.
    pub evidence: Evidence,
}

/// What a service served, by time.
#[derive(Clone, Debug)]
pub struct Load {
    /// What says so.
    pub input: Input,
    /// All of it.
    pub pieces: Vec<Piece>,
}

/// A stretch of a load.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stretch {
    /// Requests.
    pub requests: f64,
    /// Those that failed.
    pub failed: f64,
    /// Median length in milliseconds.
    pub p50_ms: f64,
    /// Length in milliseconds that 95 of 100 stay below.
    pub p95_ms: f64,
    /// Requests that ended, per second.
    pub per_second: f64,
}

impl Stretch {
    /// Failed requests of a hundred.
    #[must_use]
    pub fn failed_percent(&self) -> f64 {
        100.0 * self.failed / self.requests.max(1.0)
    }
}

/// What every service served.
#[must_use]
pub(super) fn loads(case: &Case) -> BTreeMap<Sym, Load> {
    let input = if case.tables.spans.iter().any(|span| span.is_incoming()) { Input::Spans } else { Input::Requests };
    let mut all: BTreeMap<Sym, Load> = BTreeMap::new();
    for row in case.served().iter().filter(|row| !row.probe && row.time.is_some()) {
        let piece = Piece {
            time: row.time,
            instance: row.instance,
            count: 1.0,
            nanos: row.nanos.map(|nanos| nanos as f64),
            failed: row.failed,
            evidence: row.evidence,
        };
        all.entry(row.service).or_insert_with(|| Load { input, pieces: Vec::new() }).pieces.push(piece);
    }
    let mut measured = measured(case);
    measured.retain(|service, _| !all.contains_key(service));
    all.extend(measured);
    all
}

/// What others got of a service that tells nothing itself: the requests of gateways and callers to a peer of its name.
#[must_use]
pub fn load_by_callers(case: &Case, is_it: impl Fn(&str) -> bool) -> Option<Load> {
    let names = &case.tables.names;
    let mut known: BTreeMap<Sym, bool> = BTreeMap::new();
    let mut is_it = |peer: Sym| !peer.is_none() && *known.entry(peer).or_insert_with(|| is_it(names.get(peer)));
    let mut pieces: Vec<Piece> = Vec::new();
    for row in case.tables.requests.iter().filter(|row| row.status > 0 && row.time.is_some()) {
        if is_it(row.peer) && !is_probe(names.get(row.operation)) {
            let nanos = row.upstream_nanos.or(row.nanos).map(|nanos| nanos as f64);
            let piece = Piece { time: row.time, instance: Sym::NONE, count: 1.0, nanos, failed: row.failed(), evidence: row.evidence };
            pieces.push(piece);
        }
    }
    let mut input = Input::Requests;
    if pieces.is_empty() {
        input = Input::Spans;
        for span in case.tables.spans.iter().filter(|span| span.is_outgoing()) {
            if is_it(span.peer) {
                let (time, nanos) = (span.end(), Some(span.nanos as f64));
                pieces.push(Piece { time, instance: Sym::NONE, count: 1.0, nanos, failed: span.failed(), evidence: span.evidence });
            }
        }
    }
    pieces.sort_by_key(|piece| (piece.time, piece.evidence));
    (!pieces.is_empty()).then_some(Load { input, pieces })
}

fn measured(case: &Case) -> BTreeMap<Sym, Load> {
    let mut all: BTreeMap<Sym, Load> = BTreeMap::new();
    for (count, sum, seconds) in COUNTERS {
        let sums: BTreeMap<(Sym, Sym, &str), Series<'_>> =
            case.series(sum).map(|series| ((series.service, series.instance, series.labels), series)).collect();
        for series in case.series(count).filter(|series| !asks_health(series)) {
            let Some(sum) = sums.get(&(series.service, series.instance, series.labels)) else { continue };
            // Only points of both at one time tell a mean.
            let lengths: BTreeMap<Time, f64> = sum.gains().collect();
            let failed = has_failed(&series);
            for (point, gain) in series.steps().filter(|(point, gain)| point.time.is_some() && *gain > 0.0) {
                let nanos = lengths.get(&point.time).map(|length| length * seconds * SECOND as f64 / gain);
                let piece = Piece { time: point.time, instance: series.instance, count: gain, nanos, failed, evidence: point.evidence };
                all.entry(series.service).or_insert_with(|| Load { input: Input::Metrics, pieces: Vec::new() }).pieces.push(piece);
            }
        }
    }
    all.values_mut().for_each(|load| load.pieces.sort_by_key(|piece| (piece.time, piece.evidence)));
    all
}

fn label<'a>(series: &Series<'a>, keys: &[&str]) -> &'a str {
    keys.iter().find_map(|key| series.label(key)).unwrap_or("")
}

/// Whether the requests of a series only asked for health.
#[must_use]
pub fn asks_health(series: &Series<'_>) -> bool {
    is_probe(&operation_of(series))
}

/// What the requests of a series asked for: `GET /orders/{id}`.
#[must_use]
pub fn operation_of(series: &Series<'_>) -> String {
    format!("GET {}", label(series, &["uri", "http.route", "http_route", "route", "path", "handler"]))
}

/// Whether the requests of a series were failed by the server.
#[must_use]
pub fn has_failed(series: &Series<'_>) -> bool {
    let status = label(series, &["status", "http.response.status_code", "http_response_status_code", "http.status_code", "http_status_code", "code"]);
    status.len() == 3 && status.starts_with('5') || series.label("outcome") == Some("SERVER_ERROR")
}

impl Load {
    /// From the first to the last request.
    #[must_use]
    pub fn window(&self) -> Window {
        match (self.pieces.first(), self.pieces.last()) {
            (Some(first), Some(last)) => Window::of(first.time, last.time),
            _ => Window::default(),
        }
    }

    /// The pieces of a stretch of time.
    #[must_use]
    pub fn within(&self, window: Window) -> &[Piece] {
        let from = self.pieces.partition_point(|piece| piece.time < window.start);
        let to = self.pieces.partition_point(|piece| piece.time <= window.end);
        self.pieces.get(from..to).unwrap_or_default()
    }

    /// What a stretch of time was like.
    #[must_use]
    pub fn stretch(&self, window: Window) -> Stretch {
        let pieces = self.within(window);
        let requests: f64 = pieces.iter().map(|piece| piece.count).sum();
        let mut lengths: Vec<(f64, f64)> = pieces.iter().filter_map(|piece| Some((piece.nanos? / 1e6, piece.count))).collect();
        lengths.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        Stretch {
            requests,
            failed: pieces.iter().filter(|piece| piece.failed).map(|piece| piece.count).sum(),
            p50_ms: quantile(&lengths, 0.5),
            p95_ms: quantile(&lengths, 0.95),
            per_second: requests * SECOND as f64 / (window.nanos() as f64).max(SECOND as f64),
        }
    }

    /// What a stretch of time was mostly like: lengths are the medians of those of its parts, so that a transition at its
    /// beginning does not count.
    #[must_use]
    pub fn mostly(&self, window: Window, parts: i64, requests: f64) -> Stretch {
        let width = (window.nanos() / parts.max(1)).max(1);
        let part = |n: i64| self.stretch(Window::of(window.start.plus(n * width), window.start.plus((n + 1) * width - 1)));
        let told: Vec<Stretch> = (0..parts).map(part).filter(|part| part.requests >= requests).collect();
        let whole = self.stretch(window);
        let middle = |value: fn(&Stretch) -> f64| median(told.iter().map(value));
        Stretch { p50_ms: middle(|part| part.p50_ms).unwrap_or(whole.p50_ms), p95_ms: middle(|part| part.p95_ms).unwrap_or(whole.p95_ms), ..whole }
    }

    /// Requests per second in the busiest of equal parts of a stretch that hold enough requests: what was served under pressure,
    /// where a calm time goes before it.
    #[must_use]
    pub fn busiest(&self, window: Window, parts: i64, requests: f64) -> f64 {
        let width = (window.nanos() / parts.max(1)).max(1);
        let part = |n: i64| self.stretch(Window::of(window.start.plus(n * width), window.start.plus((n + 1) * width - 1)));
        (0..parts).map(part).filter(|part| part.requests >= requests).map(|part| part.per_second).fold(0.0, f64::max)
    }

    /// The calm level of its slow requests: the lowest eighth of that of equal stretches of time that hold enough requests.
    #[must_use]
    pub fn calm_p95_ms(&self, stretches: i64, requests: f64) -> Option<f64> {
        let all = self.window();
        let width = (all.nanos() / stretches.max(1)).max(SECOND);
        let mut levels: Vec<f64> = (0..stretches)
            .map(|n| self.stretch(Window::of(all.start.plus(n * width), all.start.plus((n + 1) * width - 1))))
            .filter(|stretch| stretch.requests >= requests)
            .map(|stretch| stretch.p95_ms)
            .collect();
        levels.sort_unstable_by(f64::total_cmp);
        if levels.len() < 4 { None } else { levels.get(levels.len() / 8).copied() }
    }
}

/// The value below which a share of all weight lies, of values in order with their weights; zero of nothing.
#[must_use]
pub fn quantile(sorted: &[(f64, f64)], share: f64) -> f64 {
    let all: f64 = sorted.iter().map(|(_, weight)| weight).sum();
    let mut seen = 0.0;
    let at = sorted.iter().find(|(_, weight)| {
        seen += weight;
        seen >= share * all
    });
    at.map_or(0.0, |(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::{BASE, case, many};

    #[test]
    fn a_stretch_of_spans() {
        let case =
            case(&many(0..100, 1000, |n| format!("  orders GET /a 0-{}{}", if n < 50 { 100 } else { 900 }, if n % 10 == 0 { " !500" } else { "" })));
        let orders = case.tables.names.find("orders").unwrap();
        let load = &loads(&case)[&orders];
        let stretch = load.stretch(Window::of(Time(BASE), Time(BASE + 49_500_000_000)));
        assert_eq!((stretch.requests, stretch.failed, stretch.p95_ms, stretch.failed_percent()), (50.0, 5.0, 100.0, 10.0));
        assert!(load.calm_p95_ms(10, 5.0).is_some_and(|calm| calm < 120.0));
    }
}
