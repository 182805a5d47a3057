//! Datadog's spans, as its tracers send them and its agent stores them.
//!
//! ```text
//! {"trace_id":7625,"span_id":9,"parent_id":0,"name":"servlet.request","resource":"GET /x","service":"orders","start":1795376223181000000,"duration":93577,"error":1,"meta":{"span.kind":"server","http.status_code":"500"},"metrics":{"_sampling_priority_v1":1}}
//! ```
//!
//! Ids are decimal; the upper half of a long trace id stands in `_dd.p.tid` as hex. What this file does not do: the
//! collected spans that Datadog's search gives out.

use super::Spans;
use crate::formats::json_scan::Step;
use crate::formats::timestamp::epoch_int;
use crate::formats::trace_json::{kind, members, text_of};
use crate::model::ids::{SpanId, TraceId};
use crate::model::record::{Field, SpanStatus, Value};
use crate::model::source::Evidence;

pub(super) fn span(spans: &mut Spans<'_, '_>, evidence: Evidence) -> Step<()> {
    spans.span.clear();
    spans.who.clear();
    let (mut nanos, mut failed, mut trace, mut resource) = (0, false, "", "");
    if spans.scan.enter_object()? {
        while let Some(key) = spans.scan.key()? {
            let (scan, draft) = (&mut spans.scan, &mut spans.span);
            match key {
                "trace_id" => trace = scan.text()?,
                "span_id" => draft.head.id = SpanId(decimal(scan.text()?)),
                "parent_id" => draft.head.parent = SpanId(decimal(scan.text()?)),
                "name" => draft.head.name = scan.text()?,
                "resource" => resource = scan.text()?,
                "service" => spans.who.service = scan.text()?,
                "start" => draft.head.start = scan.int()?.and_then(epoch_int).unwrap_or_default(),
                "duration" => nanos = scan.int()?.unwrap_or(0).max(0),
                "error" => failed = scan.int()?.is_some_and(|n| n != 0),
                "meta" | "metrics" | "attributes" => members(scan, |_, key| key, &mut draft.attributes)?,
                _ => scan.skip()?,
            }
        }
    }
    let draft = &mut spans.span;
    draft.head.trace = whole_trace(trace, text_of(&draft.attributes, "_dd.p.tid"));
    draft.head.end = draft.head.start.plus(nanos);
    draft.head.kind = kind(text_of(&draft.attributes, "span.kind"));
    if !resource.is_empty() {
        draft.attributes.push(Field { key: "operation.name", value: Value::Text(draft.head.name) });
        draft.head.name = resource;
    }
    spans.who.instance = text_of(&draft.attributes, "_dd.hostname");
    if failed {
        draft.head.status = SpanStatus::Error;
        let first = |keys: [&str; 2]| keys.into_iter().map(|key| text_of(&draft.attributes, key)).find(|text| !text.is_empty()).unwrap_or("");
        let (class, message, stack) =
            (first(["error.type", "error.class"]), first(["error.message", "error.msg"]), first(["error.stack", "error.details"]));
        if !class.is_empty() {
            spans.exception(class, message, stack);
        }
    }
    spans.tell(evidence);
    Ok(())
}

fn decimal(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

/// A trace id from its lower half, decimal or as a whole in hex, and its upper half.
fn whole_trace(low: &str, high: &str) -> TraceId {
    match low.parse::<u64>() {
        Ok(low) => TraceId(u128::from(u64::from_str_radix(high, 16).unwrap_or(0)) << 64 | u128::from(low)),
        Err(_) => TraceId::parse(low.as_bytes()),
    }
}
