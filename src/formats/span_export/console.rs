//! What the console exporters of the SDKs print: Python's `ConsoleSpanExporter`, indented, and Go's `stdouttrace`.
//!
//! ```text
//! {"name": "GET /x", "context": {"trace_id": "0x1fed…", "span_id": "0xe588…"}, "kind": "SpanKind.SERVER", "parent_id": null, "start_time": "2026-11-26T19:21:24.684042Z", …}
//! {"Name":"GET /x","SpanContext":{"TraceID":"1fed…","SpanID":"e588…"},"Parent":{"TraceID":"…","SpanID":"0000000000000000"},"SpanKind":2,"StartTime":"…",…}
//! ```
//!
//! What this file does not do: spans among other lines of a program's output, and what Node.js prints, which is no JSON.

use super::Spans;
use crate::formats::json_scan::{Scan, Step};
use crate::formats::otlp::span::EventDraft;
use crate::formats::trace_json::{kind, members, scalar, time};
use crate::model::ids::{SpanId, TraceId};
use crate::model::record::{Field, SpanKind, SpanStatus};
use crate::model::source::Evidence;

/// Python's.
pub(super) fn python(spans: &mut Spans<'_, '_>, evidence: Evidence) -> Step<()> {
    told(spans, evidence, |spans, key| {
        let (scan, draft) = (&mut spans.scan, &mut spans.span);
        match key {
            "name" => draft.head.name = scan.text()?,
            "context" => (draft.head.trace, draft.head.id) = ids(scan)?,
            "parent_id" => draft.head.parent = SpanId::parse(digits(scan.text()?)),
            "kind" => {
                let text = scan.text()?;
                draft.head.kind = kind(text.strip_prefix("SpanKind.").unwrap_or(text));
            }
            "start_time" => draft.head.start = time(scan)?,
            "end_time" => draft.head.end = time(scan)?,
            "status" => (draft.head.status, draft.head.status_message) = status(scan)?,
            "attributes" => members(scan, |_, key| key, &mut draft.attributes)?,
            "resource" => {
                if scan.enter_object()? {
                    while let Some(key) = scan.key()? {
                        if key == "attributes" { members(scan, |_, key| key, &mut spans.who.attributes)? } else { scan.skip()? }
                    }
                }
            }
            "events" => events(spans)?,
            _ => scan.skip()?,
        }
        Ok(())
    })
}

/// Go's.
pub(super) fn go(spans: &mut Spans<'_, '_>, evidence: Evidence) -> Step<()> {
    told(spans, evidence, |spans, key| {
        let (scan, draft) = (&mut spans.scan, &mut spans.span);
        match key {
            "Name" => draft.head.name = scan.text()?,
            "SpanContext" => (draft.head.trace, draft.head.id) = ids(scan)?,
            "Parent" => (_, draft.head.parent) = ids(scan)?,
            "SpanKind" => {
                draft.head.kind = match scan.int()? {
                    Some(1) => SpanKind::Internal,
                    Some(2) => SpanKind::Server,
                    Some(3) => SpanKind::Client,
                    Some(4) => SpanKind::Producer,
                    Some(5) => SpanKind::Consumer,
                    _ => SpanKind::Unspecified,
                }
            }
            "StartTime" => draft.head.start = time(scan)?,
            "EndTime" => draft.head.end = time(scan)?,
            "Status" => (draft.head.status, draft.head.status_message) = status(scan)?,
            "Attributes" => pairs(scan, &mut draft.attributes)?,
            "Resource" => pairs(scan, &mut spans.who.attributes)?,
            "Events" => events(spans)?,
            _ => scan.skip()?,
        }
        Ok(())
    })
}

/// Reads the members of one object, which is a span.
fn told<'a>(spans: &mut Spans<'a, '_>, evidence: Evidence, mut member: impl FnMut(&mut Spans<'a, '_>, &'a str) -> Step<()>) -> Step<()> {
    spans.span.clear();
    spans.who.clear();
    if spans.scan.enter_object()? {
        while let Some(key) = spans.scan.key()? {
            member(spans, key)?;
        }
    }
    spans.who.settle();
    spans.tell(evidence);
    Ok(())
}

fn digits(text: &str) -> &[u8] {
    text.strip_prefix("0x").unwrap_or(text).as_bytes()
}

fn ids(scan: &mut Scan<'_>) -> Step<(TraceId, SpanId)> {
    let (mut trace, mut span) = (TraceId::NONE, SpanId::default());
    if scan.enter_object()? {
        while let Some(key) = scan.key()? {
            match key {
                "trace_id" | "TraceID" => trace = TraceId::parse(digits(scan.text()?)),
                "span_id" | "SpanID" => span = SpanId::parse(digits(scan.text()?)),
                _ => scan.skip()?,
            }
        }
    }
    Ok((trace, span))
}

fn status<'a>(scan: &mut Scan<'a>) -> Step<(SpanStatus, &'a str)> {
    let (mut status, mut message) = (SpanStatus::Unset, "");
    if scan.enter_object()? {
        while let Some(key) = scan.key()? {
            match key {
                "status_code" | "Code" => {
                    let code = scan.text()?;
                    status = match () {
                        () if code.eq_ignore_ascii_case("error") => SpanStatus::Error,
                        () if code.eq_ignore_ascii_case("ok") => SpanStatus::Ok,
                        () => SpanStatus::Unset,
                    };
                }
                "description" | "Description" => message = scan.text()?,
                _ => scan.skip()?,
            }
        }
    }
    Ok((status, message))
}

/// `[{"Key":"http.method","Value":{"Type":"STRING","Value":"GET"}}]`.
fn pairs<'a>(scan: &mut Scan<'a>, out: &mut Vec<Field<'a>>) -> Step<()> {
    if !list(scan)? {
        return Ok(());
    }
    while scan.item()? {
        let (mut name, mut value) = ("", None);
        if scan.enter_object()? {
            while let Some(key) = scan.key()? {
                match key {
                    "Key" => name = scan.text()?,
                    "Value" if scan.peek() == Some(b'{') => {
                        if scan.enter_object()? {
                            while let Some(key) = scan.key()? {
                                if key == "Value" { value = scalar(scan)? } else { scan.skip()? }
                            }
                        }
                    }
                    _ => scan.skip()?,
                }
            }
        }
        out.extend(value.map(|value| Field { key: name, value }));
    }
    Ok(())
}

/// Enters an array; what is none, like `null`, is skipped.
fn list(scan: &mut Scan<'_>) -> Step<bool> {
    if scan.peek() == Some(b'[') {
        return scan.enter_array();
    }
    scan.skip().map(|()| false)
}

fn events(spans: &mut Spans<'_, '_>) -> Step<()> {
    if !list(&mut spans.scan)? {
        return Ok(());
    }
    while spans.scan.item()? {
        let (scan, draft) = (&mut spans.scan, &mut spans.span);
        let (mut name, mut at) = ("", draft.head.start);
        if scan.enter_object()? {
            while let Some(key) = scan.key()? {
                match key {
                    "name" | "Name" => name = scan.text()?,
                    "timestamp" | "Time" => at = time(scan)?,
                    "attributes" => members(scan, |_, key| key, &mut draft.event_fields)?,
                    "Attributes" => pairs(scan, &mut draft.event_fields)?,
                    _ => scan.skip()?,
                }
            }
        }
        let end = draft.event_fields.len();
        draft.events.push(EventDraft { time: at, name, end });
    }
    Ok(())
}
