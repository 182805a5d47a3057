//! Annotations: events, and in version 1 also what a call's two sides saw of it, and the tags.
//!
//! ```text
//! "annotations":[{"timestamp":1795376426364430,"value":"cache.miss"}]
//! "annotations":[{"timestamp":1,"value":"exception|{\"exception.type\":\"A\"}|0"},{"timestamp":2,"value":"{\"exception\": {\"exception.type\": \"A\"}}"}]
//! "annotations":[{"timestamp":1,"value":"cs","endpoint":{"serviceName":"a"}}],"binaryAnnotations":[{"key":"sa","value":true,"endpoint":{"serviceName":"b"}}]
//! ```
//!
//! Exporters of OpenTelemetry put an event's attributes into the text, each in its way; what does not follow one of them
//! is an event's name. What this file does not do: decide which side a span of version 1 is.

use crate::formats::json_scan::{Scan, Step};
use crate::formats::otlp::span::{EventDraft, SpanDraft};
use crate::formats::trace_json::{members, scalar, time};
use crate::formats::zipkin_json::reader::{Endpoint, Ends, endpoint};
use crate::model::record::{Field, Reason, SpanKind};
use crate::model::time::Time;

/// Reads a list of annotations.
pub(super) fn annotations<'a>(scan: &mut Scan<'a>, span: &mut SpanDraft<'a>, ends: &mut Ends<'a>) -> Step<()> {
    if !scan.enter_array()? {
        return Ok(());
    }
    while scan.item()? {
        if !scan.enter_object()? {
            continue;
        }
        let (mut at, mut value, mut by) = (Time::NONE, "", Endpoint::default());
        while let Some(key) = scan.key()? {
            match key {
                "timestamp" => at = time(scan)?,
                "value" => value = scan.text()?,
                "endpoint" => by = endpoint(scan)?,
                _ => scan.skip()?,
            }
        }
        if ends.local.service.is_empty() {
            ends.local = by;
        }
        match value {
            "cs" => (ends.client.start, ends.client.local) = (at, by),
            "cr" => (ends.client.end, ends.client.local) = (at, by),
            "sr" => (ends.server.start, ends.server.local) = (at, by),
            "ss" => (ends.server.end, ends.server.local) = (at, by),
            "ms" => span.head.kind = SpanKind::Producer,
            "mr" => span.head.kind = SpanKind::Consumer,
            _ => {
                let name = event(scan, value, &mut span.event_fields);
                span.events.push(EventDraft { time: at, name, end: span.event_fields.len() });
            }
        }
    }
    Ok(())
}

/// Reads a list of binary annotations.
pub(super) fn binary_annotations<'a>(scan: &mut Scan<'a>, span: &mut SpanDraft<'a>, ends: &mut Ends<'a>) -> Step<()> {
    if !scan.enter_array()? {
        return Ok(());
    }
    while scan.item()? {
        if !scan.enter_object()? {
            continue;
        }
        let (mut name, mut value, mut by) = ("", None, Endpoint::default());
        while let Some(key) = scan.key()? {
            match key {
                "key" => name = scan.text()?,
                "value" => value = scalar(scan)?,
                "endpoint" => by = endpoint(scan)?,
                _ => scan.skip()?,
            }
        }
        match (name, value) {
            // The addresses of server and client: of a call the server is the other end.
            ("sa", _) => ends.remote = by,
            ("ca", _) if ends.remote.service.is_empty() => ends.remote = by,
            ("ca", _) => {}
            (key, value) => {
                if ends.local.service.is_empty() {
                    ends.local = by;
                }
                span.attributes.extend(value.filter(|_| !key.is_empty()).map(|value| Field { key, value }));
            }
        }
    }
    Ok(())
}

/// An event's name; its attributes, if the text holds any, go to `out`.
fn event<'a>(scan: &Scan<'a>, text: &'a str, out: &mut Vec<Field<'a>>) -> &'a str {
    let from = out.len();
    let read = |name: &'a str, attributes: &'a str, out: &mut Vec<Field<'a>>| {
        let mut inside = Scan::of_text(attributes, scan.arena());
        let whole = inside.peek() == Some(b'{') && members(&mut inside, |_, key| key, out).is_ok();
        whole.then_some(name).ok_or(Reason::Malformed)
    };
    let found = match text.as_bytes().first() {
        // {"exception": {"exception.type": "A"}}
        Some(b'{') => named(Scan::of_text(text, scan.arena()), true).and_then(|(name, at)| read(name, text.get(at..).unwrap_or_default(), out)),
        // "exception": {"exception.type":"A"}
        Some(b'"') => named(Scan::of_text(text, scan.arena()), false).and_then(|(name, at)| read(name, text.get(at..).unwrap_or_default(), out)),
        // exception|{"exception.type":"A"}|0
        _ => match text.split_once("|{").and_then(|(name, rest)| rest.rfind("}|").map(|end| (name, end))) {
            Some((name, end)) => read(name, text.get(name.len() + 1..name.len() + 3 + end).unwrap_or_default(), out),
            None => return text,
        },
    };
    found.unwrap_or_else(|_| {
        out.truncate(from);
        text
    })
}

/// The first key, and where its value begins.
fn named<'a>(mut scan: Scan<'a>, braced: bool) -> Step<(&'a str, usize)> {
    if braced {
        scan.enter_object()?;
    }
    let name = scan.key()?.ok_or(Reason::Malformed)?;
    scan.peek();
    Ok((name, scan.at()))
}
