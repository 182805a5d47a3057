//! Moves every time in a file, as the log of a host has them whose clock is off.
//!
//! Knows the layouts of the samples: ISO dates, access logs, syslog, times of day at the start of a line, Unix times of
//! seconds to nanoseconds, and spans by the service that wrote them. Other numbers stay as they are.

use jiff::Timestamp;
use jiff::civil::DateTime;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue;
use prost::Message;
use regex::{Captures, Regex};
use serde_json::Value;
use std::sync::LazyLock;

/// A date with its time, which `strptime` reads and writes again.
struct Layout {
    regex: Regex,
    format: &'static str,
}

static LAYOUTS: LazyLock<Vec<Layout>> = LazyLock::new(|| {
    let layout = |regex: &str, format| Layout { regex: Regex::new(regex).unwrap_or_else(|error| panic!("{error}")), format };
    vec![
        layout(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "%Y-%m-%dT%H:%M:%S"),
        layout(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "%Y-%m-%d %H:%M:%S"),
        layout(r"\b\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", "%Y/%m/%d %H:%M:%S"),
        layout(r"\b\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d", "%d/%b/%Y:%H:%M:%S"),
        layout(r"\b[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d \d{4}\b", "%b %d %H:%M:%S %Y"),
        layout(r"\d{8}_\d{6}", "%Y%m%d_%H%M%S"),
        layout(r"\d{8}T\d{6}", "%Y%m%dT%H%M%S"),
    ]
});
/// Unix times of this century's twenties, in seconds, milliseconds, microseconds or nanoseconds.
static UNIX: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b1[678]\d{8}(\d{9}|\d{6}|\d{3}|)\b").unwrap_or_else(|error| panic!("{error}")));

/// A text with all its times moved.
pub fn text(text: &str, seconds: i64) -> String {
    let mut moved = text.to_owned();
    for layout in LAYOUTS.iter() {
        let shift = |found: &Captures<'_>| match DateTime::strptime(layout.format, &found[0]) {
            Ok(time) => time.saturating_add(jiff::Span::new().seconds(seconds)).strftime(layout.format).to_string(),
            Err(_) => found[0].to_owned(),
        };
        moved = layout.regex.replace_all(&moved, shift).into_owned();
    }
    UNIX.replace_all(&moved, |found: &Captures<'_>| shift_unix(&found[0], seconds)).into_owned()
}

/// A Unix time of any unit, with as many digits as before.
fn shift_unix(digits: &str, seconds: i64) -> String {
    let unit = 10_i64.pow(u32::try_from(digits.len()).unwrap_or_default().saturating_sub(10));
    digits.parse::<i64>().map_or_else(|_| digits.to_owned(), |time| (time + seconds * unit).to_string())
}

/// Whether a file holds what many services have sent, as OTLP.
pub fn is_shared(bytes: &[u8]) -> bool {
    bytes.starts_with(b"{\"resource") || std::str::from_utf8(bytes).is_err()
}

/// OTLP with all times of one service moved.
pub fn otlp(bytes: &[u8], service: &str, seconds: i64) -> Option<Vec<u8>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(otlp_lines(text, service, seconds).into_bytes()),
        Err(_) => otlp_spans(bytes, service, seconds),
    }
}

/// Lines of OTLP in JSON.
fn otlp_lines(text: &str, service: &str, seconds: i64) -> String {
    let line = |line: &str| {
        let Ok(mut request) = serde_json::from_str::<Value>(line) else { return line.to_owned() };
        for kind in ["resourceSpans", "resourceLogs", "resourceMetrics"] {
            for resource in request.get_mut(kind).and_then(Value::as_array_mut).into_iter().flatten() {
                if is_of(resource, service) {
                    shift_values(resource, seconds);
                }
            }
        }
        request.to_string()
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn is_of(resource: &Value, service: &str) -> bool {
    let attributes = resource.pointer("/resource/attributes").and_then(Value::as_array);
    let name = attributes.into_iter().flatten().find(|attribute| attribute["key"] == "service.name");
    name.is_some_and(|attribute| attribute["value"]["stringValue"] == service)
}

fn shift_values(value: &mut Value, seconds: i64) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(time) if name.to_ascii_lowercase().ends_with("timeunixnano") => *time = shift_unix(time, seconds),
                    _ => shift_values(value, seconds),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| shift_values(value, seconds)),
        _ => {}
    }
}

/// Requests of OTLP in protobuf, each after its length.
fn otlp_spans(mut bytes: &[u8], service: &str, seconds: i64) -> Option<Vec<u8>> {
    let mut moved = Vec::with_capacity(bytes.len());
    let shift = |time: &mut u64| *time = time.saturating_add_signed(seconds * 1_000_000_000);
    while !bytes.is_empty() {
        let mut request = ExportTraceServiceRequest::decode_length_delimited(&mut bytes).ok()?;
        for resource in &mut request.resource_spans {
            let attributes = resource.resource.iter().flat_map(|resource| &resource.attributes);
            let name = attributes.filter(|attribute| attribute.key == "service.name").find_map(|attribute| attribute.value.clone()?.value);
            if name != Some(StringValue(service.to_owned())) {
                continue;
            }
            for span in resource.scope_spans.iter_mut().flat_map(|scope| &mut scope.spans) {
                shift(&mut span.start_time_unix_nano);
                shift(&mut span.end_time_unix_nano);
                span.events.iter_mut().for_each(|event| shift(&mut event.time_unix_nano));
            }
        }
        request.encode_length_delimited(&mut moved).ok()?;
    }
    Some(moved)
}

#[test]
fn times_are_moved_and_nothing_else() {
    let moved = |line: &str| text(line, 90);
    assert_eq!(moved("2026-09-14T23:59:00.014Z INFO 17 orders"), "2026-09-15T00:00:30.014Z INFO 17 orders");
    assert_eq!(moved("{\"asctime\":\"2026-09-16 16:00:03,508\"}"), "{\"asctime\":\"2026-09-16 16:01:33,508\"}");
    assert_eq!(moved("10.0.0.1 - - [22/Nov/2026:19:35:53 +0000]"), "10.0.0.1 - - [22/Nov/2026:19:37:23 +0000]");
    assert_eq!(moved("{\"time\":1789380001012,\"id\":123}"), "{\"time\":1789380091012,\"id\":123}");
    assert_eq!(moved("up 1 1789380001.5 1789380002013530446"), "up 1 1789380091.5 1789380092013530446");
    assert_eq!(moved("jstack_20260914_115204.txt"), "jstack_20260914_115334.txt");
    assert_eq!(moved("orders-0_20260914T115204Z.prom"), "orders-0_20260914T115334Z.prom");
    let start: Timestamp = "2026-09-14T10:00:00Z".parse().unwrap_or_default();
    assert_eq!(shift_unix(&start.as_second().to_string(), 90), (start.as_second() + 90).to_string());
}
