//! Tags and logs of a span: its attributes, kind, outcome and events.
//!
//! ```text
//! "tags":[{"key":"http.status_code","type":"int64","value":200},{"key":"peer.port","vType":"INT64","vInt64":53931}]
//! "tag":{"http@status_code":200,"span@kind":"server"}
//! "logs":[{"timestamp":1485467191639875,"fields":[{"key":"event","type":"string","value":"error"},{"key":"error.object","value":"…"}]}]
//! ```
//!
//! What this file does not do: rename tags; only the errors that OpenTracing logs get the names of OpenTelemetry as well.

use crate::formats::json_scan::{Scan, Step, parse_int};
use crate::formats::otlp::span::{EventDraft, SpanDraft};
use crate::formats::otlp::text_field;
use crate::formats::trace_json::{kind, members, scalar, text_of, time};
use crate::model::record::{Field, SpanStatus, Value};
use crate::model::time::Time;

/// A list of keys and values, or the same as an object, in which Elasticsearch cannot have dots.
pub(super) fn tags<'a>(scan: &mut Scan<'a>, out: &mut Vec<Field<'a>>) -> Step<()> {
    if scan.peek() == Some(b'{') {
        return members(scan, |scan, key| if key.contains('@') { scan.arena().keep(key.replace('@', ".")) } else { key }, out);
    }
    if scan.enter_array()? {
        while scan.item()? {
            out.extend(tag(scan)?);
        }
    }
    Ok(())
}

/// `{"key":"peer.port","type":"int64","value":8080}`, `{"key":"peer.port","vType":"INT64","vInt64":"8080"}`
fn tag<'a>(scan: &mut Scan<'a>) -> Step<Option<Field<'a>>> {
    if !scan.enter_object()? {
        return Ok(None);
    }
    let (mut name, mut kind, mut found) = ("", "", None);
    while let Some(key) = scan.key()? {
        match key {
            "key" => name = scan.text()?,
            "type" | "vType" => kind = scan.text()?,
            "value" => found = scalar(scan)?,
            "vStr" | "vBinary" => found = Some(Value::Text(scan.text()?)),
            "vBool" => found = Some(Value::Bool(scan.bool()?)),
            "vInt64" | "vLong" => found = scan.int()?.map(Value::Int),
            "vFloat64" | "vDouble" => found = scan.float()?.map(Value::Float),
            _ => scan.skip()?,
        }
    }
    Ok((!name.is_empty()).then(|| Field { key: name, value: typed(kind, found) }))
}

/// Elasticsearch holds every value as text, and large numbers are text in every layout; a value left out is its type's zero.
fn typed<'a>(kind: &str, value: Option<Value<'a>>) -> Value<'a> {
    let value = value.unwrap_or(Value::Text(""));
    let Value::Text(text) = value else { return value };
    match kind {
        "bool" | "BOOL" => Value::Bool(text.eq_ignore_ascii_case("true")),
        "int64" | "INT64" | "LONG" if text.is_empty() => Value::Int(0),
        "int64" | "INT64" | "LONG" => parse_int(text.as_bytes()).map_or(value, Value::Int),
        "float64" | "FLOAT64" | "DOUBLE" if text.is_empty() => Value::Float(0.0),
        "float64" | "FLOAT64" | "DOUBLE" => text.parse().map_or(value, Value::Float),
        _ => value,
    }
}

/// Reads the events of a span.
pub(super) fn logs<'a>(scan: &mut Scan<'a>, span: &mut SpanDraft<'a>) -> Step<()> {
    if !scan.enter_array()? {
        return Ok(());
    }
    while scan.item()? {
        if !scan.enter_object()? {
            continue;
        }
        let (from, mut at, mut name) = (span.event_fields.len(), Time::NONE, "");
        while let Some(key) = scan.key()? {
            match key {
                "timestamp" => at = time(scan)?,
                "fields" => name = fields(scan, &mut span.event_fields)?,
                _ => scan.skip()?,
            }
        }
        let name = exception(name, from, &mut span.event_fields);
        span.events.push(EventDraft { time: at, name, end: span.event_fields.len() });
    }
    Ok(())
}

/// Reads an event's fields; the one that names it is the answer.
fn fields<'a>(scan: &mut Scan<'a>, out: &mut Vec<Field<'a>>) -> Step<&'a str> {
    let mut name = "";
    if scan.enter_array()? {
        while scan.item()? {
            match tag(scan)? {
                Some(Field { key: "event", value: Value::Text(text) }) if name.is_empty() => name = text,
                field => out.extend(field),
            }
        }
    }
    Ok(name)
}

/// Gives the errors of OpenTracing the names of OpenTelemetry besides their own; the event's name.
fn exception<'a>(name: &'a str, from: usize, fields: &mut Vec<Field<'a>>) -> &'a str {
    let own = fields.get(from..).unwrap_or_default();
    let said = |key: &str| text_of(own, key);
    let (kind, object, message, stack) = (said("error.kind"), said("error.object"), said("message"), said("stack"));
    if !said("exception.type").is_empty() {
        return "exception";
    }
    if name != "error" && kind.is_empty() && object.is_empty() {
        return if name.is_empty() { message } else { name };
    }
    let class = object.split(": ").next().filter(|class| class.ends_with("Exception") || class.ends_with("Error")).unwrap_or("");
    let kind = if kind.is_empty() || kind.eq_ignore_ascii_case("error") { class } else { kind };
    let message = if message.is_empty() { object } else { message };
    let told = [("exception.type", kind), ("exception.message", message), ("exception.stacktrace", stack)];
    fields.extend(told.into_iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| text_field(key, text)));
    "exception"
}

/// What the tags say of kind and outcome.
pub(super) fn understand(span: &mut SpanDraft<'_>) {
    let mut status = SpanStatus::Unset;
    for field in &span.attributes {
        match (field.key, field.value) {
            ("span.kind", Value::Text(name)) => span.head.kind = kind(name),
            ("error", Value::Bool(true)) => status = SpanStatus::Error,
            ("error", Value::Text(text)) if text.eq_ignore_ascii_case("true") => status = SpanStatus::Error,
            ("otel.status_code", Value::Text(text)) if text.eq_ignore_ascii_case("error") => status = SpanStatus::Error,
            ("otel.status_code", Value::Text(text)) if text.eq_ignore_ascii_case("ok") => status = status.max(SpanStatus::Ok),
            ("otel.status_description", Value::Text(text)) => span.head.status_message = text,
            _ => {}
        }
    }
    span.head.status = status;
}
