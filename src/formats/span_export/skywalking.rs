//! SkyWalking's spans as its query protocol gives them out.
//!
//! ```text
//! {"traceId":"f1.62.16","segmentId":"f1.62.17","spanId":0,"parentSpanId":-1,"refs":[{"traceId":"f1.62.16","parentSegmentId":"f1.62.15","parentSpanId":2}],"serviceCode":"orders","startTime":1795376223181,"endTime":1795376223274,"endpointName":"POST:/orders","type":"Entry","isError":false,"tags":[{"key":"http.status_code","value":"200"}]}
//! ```
//!
//! A span is numbered inside its segment, and ids are texts; ours are digests of them. What this file does not do: the
//! binary protocol of the agents.

use super::Spans;
use crate::formats::json_scan::{Scan, Step};
use crate::model::ids::{SpanId, TraceId};
use crate::model::record::{Field, SpanKind, SpanStatus, Value};
use crate::model::source::Evidence;
use crate::model::time::Time;

pub(super) fn span(spans: &mut Spans<'_, '_>, evidence: Evidence) -> Step<()> {
    spans.span.clear();
    spans.who.clear();
    let (mut segment, mut number, mut parent, mut above, mut failed) = ("", 0, -1, None, false);
    if spans.scan.enter_object()? {
        while let Some(key) = spans.scan.key()? {
            let (scan, draft) = (&mut spans.scan, &mut spans.span);
            match key {
                "traceId" => draft.head.trace = trace(scan.text()?),
                "segmentId" => segment = scan.text()?,
                "spanId" => number = scan.int()?.unwrap_or(0),
                "parentSpanId" => parent = scan.int()?.unwrap_or(-1),
                "refs" => above = reference(scan)?,
                "serviceCode" => spans.who.service = scan.text()?,
                "serviceInstanceName" => spans.who.instance = scan.text()?,
                "startTime" => draft.head.start = Time::from_millis(scan.int()?.unwrap_or(i64::MIN)),
                "endTime" => draft.head.end = Time::from_millis(scan.int()?.unwrap_or(i64::MIN)),
                "endpointName" => draft.head.name = scan.text()?,
                "type" => {
                    draft.head.kind = match scan.text()? {
                        "Entry" => SpanKind::Server,
                        "Exit" => SpanKind::Client,
                        _ => SpanKind::Internal,
                    }
                }
                "peer" | "component" | "layer" => {
                    let text = scan.text()?;
                    let key = if key == "peer" { "server.address" } else { key };
                    if !text.is_empty() {
                        draft.attributes.push(Field { key, value: Value::Text(text) });
                    }
                }
                "isError" => failed = scan.bool()?,
                "tags" => pairs(scan, &mut draft.attributes)?,
                "logs" => logs(spans)?,
                _ => scan.skip()?,
            }
        }
    }
    let draft = &mut spans.span;
    draft.head.id = id(segment, number);
    draft.head.parent = if parent >= 0 { id(segment, parent) } else { above.unwrap_or_default() };
    if failed {
        draft.head.status = SpanStatus::Error;
    }
    spans.tell(evidence);
    Ok(())
}

fn trace(text: &str) -> TraceId {
    let known = TraceId::parse(text.as_bytes());
    if !known.is_none() || text.is_empty() {
        return known;
    }
    TraceId(u128::from_be_bytes(std::array::from_fn(|n| blake3::hash(text.as_bytes()).as_bytes()[n])))
}

fn id(segment: &str, number: i64) -> SpanId {
    let digest = blake3::hash(format!("{segment}/{number}").as_bytes());
    SpanId(u64::from_be_bytes(std::array::from_fn(|n| digest.as_bytes()[n])))
}

/// The calling span, of the first reference.
fn reference(scan: &mut Scan<'_>) -> Step<Option<SpanId>> {
    let mut first = None;
    if scan.enter_array()? {
        while scan.item()? {
            let (mut segment, mut number) = ("", 0);
            if scan.enter_object()? {
                while let Some(key) = scan.key()? {
                    match key {
                        "parentSegmentId" => segment = scan.text()?,
                        "parentSpanId" => number = scan.int()?.unwrap_or(0),
                        _ => scan.skip()?,
                    }
                }
            }
            first = first.or_else(|| (!segment.is_empty()).then(|| id(segment, number)));
        }
    }
    Ok(first)
}

/// `[{"key":"url","value":"http://x"}]`.
fn pairs<'a>(scan: &mut Scan<'a>, out: &mut Vec<Field<'a>>) -> Step<()> {
    if scan.enter_array()? {
        while scan.item()? {
            let (mut name, mut value) = ("", "");
            if scan.enter_object()? {
                while let Some(key) = scan.key()? {
                    match key {
                        "key" => name = scan.text()?,
                        "value" => value = scan.text()?,
                        _ => scan.skip()?,
                    }
                }
            }
            if !name.is_empty() {
                out.push(Field { key: name, value: Value::Text(value) });
            }
        }
    }
    Ok(())
}

/// `[{"time":1,"data":[{"key":"error.kind","value":"a.B"},{"key":"message","value":"no"}]}]`.
fn logs(spans: &mut Spans<'_, '_>) -> Step<()> {
    if !spans.scan.enter_array()? {
        return Ok(());
    }
    while spans.scan.item()? {
        let mut data = Vec::new();
        if spans.scan.enter_object()? {
            while let Some(key) = spans.scan.key()? {
                match key {
                    "data" => pairs(&mut spans.scan, &mut data)?,
                    _ => spans.scan.skip()?,
                }
            }
        }
        let text = |name: &str| crate::formats::trace_json::text_of(&data, name);
        let (class, message, stack) = (text("error.kind"), text("message"), text("stack"));
        if !class.is_empty() {
            spans.exception(class, message, stack);
        }
    }
    Ok(())
}
