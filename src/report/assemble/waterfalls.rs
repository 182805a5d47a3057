//! Traces as bars: for each finding with traces the worst, the median and the first failing one.

use crate::correlate::Case;
use crate::correlate::trace::Trace;
use crate::findings::Diagnosis;
use crate::model::ids::{SpanId, TraceId};
use crate::model::tables::Log;
use crate::report::picture::{Bar, Waterfall};
use std::collections::{BTreeMap, BTreeSet};

/// At most this many findings are illustrated.
const FINDINGS: usize = 6;
/// At most this many bars are drawn of one trace.
const BARS: usize = 300;
/// More leaves alike in a row than this are folded into one bar.
const ALIKE: usize = 3;

/// The waterfalls of a diagnosis.
pub(super) fn waterfalls(case: &Case, diagnosis: &Diagnosis) -> Vec<Waterfall> {
    let with_traces = diagnosis.findings.iter().filter(|judged| !judged.finding.traces.is_empty()).take(FINDINGS);
    let wanted: Vec<(&str, TraceId, &'static str)> = with_traces
        .flat_map(|judged| choose(case, &judged.finding.traces).into_iter().map(|(trace, why)| (judged.id.as_str(), trace, why)))
        .collect();
    let traces: BTreeSet<TraceId> = wanted.iter().map(|(_, trace, _)| *trace).collect();
    let mut logs: BTreeMap<(TraceId, SpanId), Vec<&Log>> = BTreeMap::new();
    for log in case.tables.logs.iter().filter(|log| traces.contains(&log.trace)) {
        logs.entry((log.trace, log.span)).or_default().push(log);
    }
    let mut drawn: Vec<Waterfall> = Vec::new();
    for (finding, trace, why) in wanted {
        // A trace that illustrates several findings is drawn once.
        let id = trace.to_string();
        match drawn.iter_mut().find(|known| known.trace_id == id) {
            Some(known) => known.findings.push(finding.to_owned()),
            None => drawn.extend(draw(case, finding, trace, why, &logs)),
        }
    }
    drawn
}

fn choose(case: &Case, traces: &[TraceId]) -> Vec<(TraceId, &'static str)> {
    let mut by_length: Vec<(u64, TraceId)> = traces.iter().take(200).map(|&trace| (length(case, trace), trace)).collect();
    by_length.sort();
    let failing = |trace: &TraceId| case.spans_of(*trace).iter().any(|span| span.failed());
    let first = traces.iter().copied().filter(failing).min_by_key(|&trace| (case.spans_of(trace).first().map(|span| span.start), trace));
    let candidates =
        [(traces.first().copied(), "worst"), (by_length.get(by_length.len() / 2).map(|(_, trace)| *trace), "median"), (first, "first failing")];
    let mut chosen: Vec<(TraceId, &'static str)> = Vec::new();
    for (trace, why) in candidates {
        if let Some(trace) = trace.filter(|trace| !chosen.iter().any(|(known, _)| known == trace)) {
            chosen.push((trace, why));
        }
    }
    chosen
}

fn length(case: &Case, trace: TraceId) -> u64 {
    let spans = case.spans_of(trace);
    let start = spans.iter().map(|span| span.start).min();
    let end = spans.iter().map(|span| span.end()).max();
    match (start, end) {
        (Some(start), Some(end)) => u64::try_from(end.since(start)).unwrap_or(0),
        _ => 0,
    }
}

fn draw(case: &Case, finding: &str, id: TraceId, why: &'static str, logs: &BTreeMap<(TraceId, SpanId), Vec<&Log>>) -> Option<Waterfall> {
    let trace = case.trace(id);
    let origin = (0..trace.spans.len()).map(|at| trace.start(at)).min()?;
    let end = (0..trace.spans.len()).map(|at| trace.end(at)).max()?;
    let ms = |nanos: i64| (nanos as f64 / 1e4).round() / 100.0;
    let critical: BTreeSet<usize> =
        (0..trace.spans.len()).filter(|&at| trace.parent(at).is_none()).flat_map(|root| trace.critical_path(root)).map(|(at, _)| at).collect();
    let attempts = attempts(&trace);
    let mut bars: Vec<Bar> = Vec::new();
    let mut cut = 0;
    for (at, depth) in depths(&trace) {
        let span = &trace.spans[at];
        let bar = Bar {
            depth,
            service: case.tables.names.get(span.service).to_owned(),
            name: case.tables.names.get(span.name).to_owned(),
            start_ms: ms(trace.start(at) - origin),
            length_ms: ms(trace.end(at) - trace.start(at)),
            failed: span.failed(),
            attempt: attempts.get(&at).copied().unwrap_or(0),
            critical: critical.contains(&at),
            folded: 1,
            ticks: logs
                .get(&(id, span.id))
                .map(|logs| logs.iter().map(|log| (ms(log.time.0 - origin), log.level.name())).collect())
                .unwrap_or_default(),
        };
        let is_leaf = trace.children(at).next().is_none();
        let is_full = bars.len() >= BARS;
        match bars.last_mut() {
            Some(last) if is_leaf && alike(last, &bar) && run_of(&trace, at) > ALIKE => {
                last.folded += 1;
                last.length_ms = ((bar.start_ms + bar.length_ms - last.start_ms) * 100.0).round() / 100.0;
                last.critical |= bar.critical;
                last.ticks.extend(bar.ticks);
            }
            _ if is_full => cut += 1,
            _ => bars.push(bar),
        }
    }
    Some(Waterfall { trace_id: id.to_string(), findings: vec![finding.to_owned()], why: why.to_owned(), total_ms: ms(end - origin), bars, cut })
}

fn alike(a: &Bar, b: &Bar) -> bool {
    (a.depth, &a.service, &a.name, a.failed, a.attempt) == (b.depth, &b.service, &b.name, b.failed, b.attempt)
}

/// How many siblings of a span have its name and service.
fn run_of(trace: &Trace<'_>, at: usize) -> usize {
    let span = &trace.spans[at];
    let Some(parent) = trace.parent(at) else { return 1 };
    trace
        .children(parent)
        .take(1000)
        .filter(|&sibling| (trace.spans[sibling].name, trace.spans[sibling].service) == (span.name, span.service))
        .count()
}

/// Spans with their depths, parents before children, siblings by start.
fn depths(trace: &Trace<'_>) -> Vec<(usize, u32)> {
    let mut depth: BTreeMap<usize, u32> = BTreeMap::new();
    let mut out = Vec::with_capacity(trace.spans.len());
    let mut open: Vec<usize> = (0..trace.spans.len()).filter(|&at| trace.parent(at).is_none()).collect();
    open.reverse();
    while let Some(at) = open.pop() {
        let own = trace.parent(at).and_then(|parent| depth.get(&parent)).map_or(0, |d| d + 1);
        depth.insert(at, own);
        out.push((at, own));
        open.extend(trace.children(at).rev());
    }
    out
}

/// Which attempt each repeated call is: calls under one parent with one identity, after a failed one.
fn attempts(trace: &Trace<'_>) -> BTreeMap<usize, u32> {
    let mut groups: BTreeMap<(Option<usize>, u64), Vec<usize>> = BTreeMap::new();
    for (at, span) in trace.spans.iter().enumerate() {
        if span.is_outgoing() && span.fingerprint != 0 {
            groups.entry((trace.parent(at), span.fingerprint)).or_default().push(at);
        }
    }
    let repeated =
        groups.into_values().filter(|calls| calls.len() > 1 && calls.iter().any(|&at| trace.spans[at].failed() || trace.spans[at].resend > 0));
    repeated.flat_map(|calls| calls.into_iter().zip(1..)).collect()
}
