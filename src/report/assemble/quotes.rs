//! Evidence to quotes: the bytes read back, with what the row that stands on them knows of time, service and trace.

use crate::bundle::quote::{self, Ranges};
use crate::bundle::{Bundle, Limits};
use crate::correlate::Case;
use crate::findings::Diagnosis;
use crate::model::amount::millis;
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::record::SpanKind;
use crate::model::source::Evidence;
use crate::model::tables::Span;
use crate::model::time::Time;
use crate::report::Quote;
use hashbrown::HashSet;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Redaction cuts excerpts to 300 characters; it gets more, so that no secret is cut in half before it is known as one.
const EXCERPT: usize = 600;

/// What is known about cited bytes.
#[derive(Clone, Copy, Default)]
struct About<'c> {
    time: Time,
    service: Sym,
    trace: TraceId,
    /// The span that it is.
    span: Option<&'c Span>,
}

/// A quote for every range that a finding, a suspicion or a difference cites, or that is asked for beside them, and that can
/// still be read.
pub(super) fn quotes(bundle: &Bundle, limits: &Limits, case: &Case, diagnosis: &Diagnosis, beside: &[Evidence]) -> BTreeMap<Evidence, Quote> {
    let suspected = diagnosis.suspects.iter().flat_map(|suspect| &suspect.evidence);
    let different = diagnosis.differences.iter().flat_map(|difference| &difference.evidence);
    let found = diagnosis.findings.iter().flat_map(|judged| &judged.finding.evidence);
    let cited: BTreeSet<Evidence> = found.chain(suspected).chain(different).chain(beside).copied().collect();
    let path = |evidence: &Evidence| case.tables.files.get(evidence.file.0 as usize).map(|file| file.path.as_str());
    let mut ranges = Ranges::new();
    for evidence in &cited {
        if let Some(path) = path(evidence) {
            ranges.entry(path.to_owned()).or_default().push((evidence.start, evidence.len));
        }
    }
    let found = quote::read(bundle, limits, &ranges);
    let about = about(case, &cited);
    let mut quotes = BTreeMap::new();
    for evidence in cited {
        let Some(path) = path(&evidence) else { continue };
        let Some(quoted) = found.get(&(path.to_owned(), evidence.start, evidence.len)) else { continue };
        let known = about.get(&evidence).copied().unwrap_or_default();
        let service = case.tables.names.get(known.service);
        quotes.insert(
            evidence,
            Quote {
                file: path.to_owned(),
                line: quoted.line,
                offset: evidence.start,
                length: evidence.len.into(),
                digest: format!("blake3:{}", blake3::Hash::from_bytes(quoted.digest).to_hex()),
                time: known.time.is_some().then(|| known.time.rfc3339()),
                service: (!service.is_empty()).then(|| service.to_owned()),
                trace_id: (!known.trace.is_none()).then(|| known.trace.to_string()),
                about: known.span.map(|span| in_short(case, span)),
                excerpt: excerpt(&quoted.text, known.span.is_some()),
            },
        );
    }
    quotes
}

/// `server span POST /orders, 1.2 s, failed: TimeoutException`.
fn in_short(case: &Case, span: &Span) -> String {
    let names = &case.tables.names;
    let kind = match span.kind {
        SpanKind::Unspecified => "",
        SpanKind::Internal => "inner ",
        SpanKind::Server => "server ",
        SpanKind::Client => "client ",
        SpanKind::Producer => "producer ",
        SpanKind::Consumer => "consumer ",
    };
    let what = if span.operation.is_none() { span.name } else { span.operation };
    let outcome = match (span.failed(), span.http_status, names.get(span.error)) {
        (false, 0, _) => String::new(),
        (false, status, _) => format!(", {status}"),
        (true, 0, "") => ", failed".to_owned(),
        (true, 0, error) => format!(", failed: {error}"),
        (true, status, "") => format!(", failed with {status}"),
        (true, status, error) => format!(", failed with {status}: {error}"),
    };
    let peer = if span.peer.is_none() || span.kind == SpanKind::Server { String::new() } else { format!(" to {}", names.get(span.peer)) };
    format!("{kind}span {}{peer}, {}{outcome}", names.get(what), millis(span.nanos as f64 / 1e6))
}

fn about<'c>(case: &'c Case, cited: &BTreeSet<Evidence>) -> BTreeMap<Evidence, About<'c>> {
    let tables = &case.tables;
    let mut about: BTreeMap<Evidence, About<'c>> = BTreeMap::new();
    let known: HashSet<Evidence> = cited.iter().copied().collect();
    // Only what lies between the first and the last place that is cited of a file is worth a look-up.
    let mut files: Vec<Option<(u64, u64)>> = vec![None; tables.files.len()];
    for evidence in cited {
        if let Some(range) = files.get_mut(evidence.file.0 as usize) {
            // Evidence is in the order of places: the first of a file comes first.
            *range = Some((range.map_or(evidence.start, |(from, _)| from), evidence.start));
        }
    }
    let in_files = |evidence: &Evidence| {
        let range = files.get(evidence.file.0 as usize).copied().flatten();
        range.is_some_and(|(from, to)| from <= evidence.start && evidence.start <= to)
    };
    for span in tables.spans.iter().filter(|span| in_files(&span.evidence) && known.contains(&span.evidence)) {
        about.entry(span.evidence).or_insert(About { time: span.start, service: span.service, trace: span.trace, span: Some(span) });
    }
    let mut know = |evidence: Evidence, time: Time, service: Sym, trace: TraceId| {
        if known.contains(&evidence) {
            about.entry(evidence).or_insert(About { time, service, trace, span: None });
        }
    };
    tables.logs.iter().filter(|r| in_files(&r.evidence)).for_each(|r| know(r.evidence, r.time, r.service, r.trace));
    tables.signals.iter().filter(|r| in_files(&r.evidence)).for_each(|r| know(r.evidence, r.time, r.service, r.trace));
    tables.requests.iter().filter(|r| in_files(&r.evidence)).for_each(|r| know(r.evidence, r.time, r.service, r.trace));
    tables.events.iter().for_each(|r| know(r.evidence, r.time, r.service, TraceId::NONE));
    tables.settings.iter().for_each(|r| know(r.evidence, Time::NONE, r.service, TraceId::NONE));
    tables.metrics.iter().filter(|r| in_files(&r.evidence)).for_each(|r| know(r.evidence, r.time, r.service, TraceId::NONE));
    tables.gc.iter().filter(|r| in_files(&r.evidence)).for_each(|r| know(r.evidence, r.time, r.service, TraceId::NONE));
    tables.histograms.iter().for_each(|r| know(r.evidence, r.time, r.service, TraceId::NONE));
    for dump in &tables.dumps {
        know(dump.evidence, dump.time, dump.service, TraceId::NONE);
    }
    let dumps: BTreeMap<Evidence, (Time, Sym)> = tables.dumps.iter().map(|dump| (dump.evidence, (dump.time, dump.service))).collect();
    let histograms: BTreeMap<Evidence, (Time, Sym)> = tables.histograms.iter().map(|h| (h.evidence, (h.time, h.service))).collect();
    let threads = tables.threads.iter().map(|r| (r.evidence, dumps.get(&r.dump)));
    let deadlocks = tables.deadlocks.iter().map(|r| (r.evidence, dumps.get(&r.dump)));
    let classes = tables.classes.iter().map(|r| (r.evidence, histograms.get(&r.histogram)));
    for (evidence, whole) in threads.chain(deadlocks).chain(classes) {
        if let Some(&(time, service)) = whole {
            know(evidence, time, service, TraceId::NONE);
        }
    }
    about
}

/// The first characters of a record, of a long one in JSON those of its message unless it is a span. Bytes that are no text are shown as hex: a protobuf message has no better face.
fn excerpt(bytes: &[u8], is_span: bool) -> String {
    let head = &bytes[..bytes.len().min(4 * EXCERPT)];
    let odd = head.iter().filter(|&&b| b < 32 && !matches!(b, b'\n' | b'\r' | b'\t' | 27)).count();
    if odd * 20 > head.len() {
        let words: Vec<String> = printable_runs(head).collect();
        let text = if words.is_empty() { head.iter().take(64).map(|b| format!("{b:02x}")).collect::<String>() } else { words.join(" ") };
        return cut(&format!("(binary) {text}"));
    }
    let text = String::from_utf8_lossy(head);
    cut(&if is_span { text } else { telling(&text) })
}

/// Keys under which JSON logs write what happened.
const MESSAGES: &[&str] = &["\"message\":", "\"msg\":", "\"short_message\":", "\"event\":", "\"body\":", "\"MESSAGE\":"];

/// A long JSON record from its message on, if that would be cut off otherwise: what stands before it, the time and the
/// service, is told beside the quote.
fn telling(text: &str) -> Cow<'_, str> {
    const SEEN: usize = 200;
    if !text.starts_with('{') || text.len() <= SEEN {
        return Cow::Borrowed(text);
    }
    match MESSAGES.iter().filter_map(|key| text.find(key)).min() {
        Some(at) if at > SEEN => Cow::Owned(format!("…{}", &text[at..])),
        _ => Cow::Borrowed(text),
    }
}

/// Texts of four characters and more inside binary data, as `strings` shows them.
fn printable_runs(bytes: &[u8]) -> impl Iterator<Item = String> + '_ {
    bytes.split(|b| !(b' '..127).contains(b)).filter(|run| run.len() >= 4).map(|run| String::from_utf8_lossy(run).into_owned())
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(EXCERPT - 1) {
        Some((at, _)) if text.chars().count() > EXCERPT => format!("{}…", &text[..at]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_are_short_and_readable() {
        assert_eq!(excerpt(b"plain\n\tat x", false), "plain\n\tat x");
        assert_eq!(excerpt(b"\x0a\x10\x00\x01payments\x12\x02\x03\x04\x05ab", false), "(binary) payments");
        let padded = format!("{{\"thread\":\"{}\",\"message\":\"charged\"}}", "x".repeat(250));
        assert_eq!(excerpt(padded.as_bytes(), false), "…\"message\":\"charged\"}");
        assert!(excerpt(padded.as_bytes(), true).starts_with("{\"thread\""));
        assert_eq!(excerpt(b"{\"message\":\"charged\",\"n\":1}", false), "{\"message\":\"charged\",\"n\":1}");
        assert_eq!(excerpt("é".repeat(1000).as_bytes(), false).chars().count(), EXCERPT);
    }
}
