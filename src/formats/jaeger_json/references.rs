//! Ids, and which spans a span names as its causes.
//!
//! ```text
//! "references":[{"refType":"CHILD_OF","traceID":"83a9efd15c1c98a977e0711cc93ee28b","spanID":"909541b92cf05311"}]
//! "references":[{"refType":"FOLLOWS_FROM","traceId":"AAAAAAAAAABSlpqJVVcaPw==","spanId":"AAAAAABoxOM="}]
//! "references":[{"refType":"CHILD_OF","traceIdLow":5951113872249657919,"spanId":6866147}]
//! ```
//!
//! Exports of the screens hold the whole referenced span inside the reference; it is skipped. What this file does not do:
//! look whether the named spans exist.

use crate::formats::json_scan::{Scan, Step};
use crate::formats::otlp::span::SpanDraft;
use crate::model::ids::{SpanId, TraceId};

/// A span that another names.
pub(super) struct Reference {
    child: bool,
    trace: TraceId,
    id: SpanId,
}

/// Hex or base64 in quotes, a signed number without.
pub(super) fn span_id(scan: &mut Scan<'_>) -> Step<SpanId> {
    if scan.peek() == Some(b'"') {
        return Ok(SpanId::parse(scan.text()?.as_bytes()));
    }
    Ok(SpanId(scan.int()?.unwrap_or(0).cast_unsigned()))
}

/// From two signed numbers, the higher half first.
pub(super) fn trace_of_halves([high, low]: [i64; 2]) -> TraceId {
    TraceId(u128::from(high.cast_unsigned()) << 64 | u128::from(low.cast_unsigned()))
}

/// Reads a list of references.
pub(super) fn references(scan: &mut Scan<'_>, out: &mut Vec<Reference>) -> Step<()> {
    if !scan.enter_array()? {
        return Ok(());
    }
    while scan.item()? {
        if !scan.enter_object()? {
            continue;
        }
        // The first of an enum's members is left out by some writers.
        let (mut child, mut trace, mut halves, mut id) = (true, TraceId::NONE, [0; 2], SpanId::NONE);
        while let Some(key) = scan.key()? {
            match key {
                "refType" => child = !matches!(scan.text()?, "FOLLOWS_FROM" | "1"),
                "traceID" | "traceId" => trace = TraceId::parse(scan.text()?.as_bytes()),
                "traceIdHigh" => halves[0] = scan.int()?.unwrap_or(0),
                "traceIdLow" => halves[1] = scan.int()?.unwrap_or(0),
                "spanID" | "spanId" => id = span_id(scan)?,
                _ => scan.skip()?,
            }
        }
        let trace = if trace.is_none() { trace_of_halves(halves) } else { trace };
        out.push(Reference { child, trace, id });
    }
    Ok(())
}

/// The parent is what the span is a child of, else what it follows from, in the same trace; all others are links.
pub(super) fn place(span: &mut SpanDraft<'_>, references: &[Reference], parent: SpanId) {
    let here = |reference: &&Reference| reference.trace == span.head.trace || reference.trace.is_none();
    let of = |child: bool| references.iter().filter(here).find(|r| r.child == child && !r.id.is_none()).map(|r| r.id);
    let cause = of(true).or(Some(parent).filter(|id| !id.is_none())).or_else(|| of(false)).unwrap_or_default();
    for reference in references.iter().filter(|r| !r.id.is_none()) {
        let trace = if reference.trace.is_none() { span.head.trace } else { reference.trace };
        if !reference.child || reference.id != cause || trace != span.head.trace {
            span.links.push((trace, reference.id));
        }
    }
    span.head.parent = cause;
}
