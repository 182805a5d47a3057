//! Rows of the table that the OpenTelemetry collector keeps its traces in with ClickHouse, as `FORMAT JSONEachRow` or `JSON`.
//!
//! ```text
//! {"Timestamp":"2026-11-22 19:37:03.181000000","TraceId":"0cd2…","SpanId":"70de…","ParentSpanId":"","SpanName":"GET /x","SpanKind":"Server","ServiceName":"orders","ResourceAttributes":{"k8s.pod.name":"orders-1"},"SpanAttributes":{"http.response.status_code":"500"},"Duration":"93577","StatusCode":"Error","StatusMessage":"no","Events.Name":["exception"],"Events.Attributes":[{"exception.type":"a.B"}]}
//! ```
//!
//! What this file does not do: rows of the tables of logs, which are JSON logs, and of metrics.

use super::Spans;
use crate::formats::json_scan::Step;
use crate::formats::timestamp::iso;
use crate::formats::trace_json::{kind, members, text_of};
use crate::model::ids::{SpanId, TraceId};
use crate::model::record::SpanStatus;
use crate::model::source::Evidence;

pub(super) fn span(spans: &mut Spans<'_, '_>, evidence: Evidence) -> Step<()> {
    spans.span.clear();
    spans.who.clear();
    let (mut nanos, mut service) = (0, "");
    let mut exceptions = Vec::new();
    if spans.scan.enter_object()? {
        while let Some(key) = spans.scan.key()? {
            let (scan, draft) = (&mut spans.scan, &mut spans.span);
            match key {
                "Timestamp" => draft.head.start = iso(scan.text()?.as_bytes(), 0).map(|(time, _)| time).unwrap_or_default(),
                "TraceId" => draft.head.trace = TraceId::parse(scan.text()?.as_bytes()),
                "SpanId" => draft.head.id = SpanId::parse(scan.text()?.as_bytes()),
                "ParentSpanId" => draft.head.parent = SpanId::parse(scan.text()?.as_bytes()),
                "SpanName" => draft.head.name = scan.text()?,
                "SpanKind" => {
                    let text = scan.text()?;
                    draft.head.kind = kind(text.strip_prefix("SPAN_KIND_").unwrap_or(text));
                }
                "ServiceName" => service = scan.text()?,
                "ResourceAttributes" => members(scan, |_, key| key, &mut spans.who.attributes)?,
                "SpanAttributes" => members(scan, |_, key| key, &mut draft.attributes)?,
                "Duration" => nanos = scan.int()?.unwrap_or(0).max(0),
                "StatusCode" => {
                    draft.head.status = match scan.text()?.trim_start_matches("STATUS_CODE_") {
                        code if code.eq_ignore_ascii_case("error") => SpanStatus::Error,
                        code if code.eq_ignore_ascii_case("ok") => SpanStatus::Ok,
                        _ => SpanStatus::Unset,
                    }
                }
                "StatusMessage" => draft.head.status_message = scan.text()?,
                "Events.Attributes" => {
                    if scan.enter_array()? {
                        while scan.item()? {
                            let mut fields = Vec::new();
                            members(scan, |_, key| key, &mut fields)?;
                            exceptions.push(fields);
                        }
                    }
                }
                _ => scan.skip()?,
            }
        }
    }
    spans.span.head.end = spans.span.head.start.plus(nanos);
    spans.who.settle();
    if spans.who.service.is_empty() {
        spans.who.service = service;
    }
    let told = (spans.span.head.status, spans.span.head.status_message);
    for fields in &exceptions {
        let text = |key| text_of(fields, key);
        if !text("exception.type").is_empty() {
            spans.exception(text("exception.type"), text("exception.message"), text("exception.stacktrace"));
        }
    }
    // An exception that was handled is no failure of the span.
    (spans.span.head.status, spans.span.head.status_message) = told;
    spans.tell(evidence);
    Ok(())
}
