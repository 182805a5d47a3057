//! Spans, written as a collector's file exporter does: OTLP/JSON, a request a line; and OTLP protobuf, a length before each.

use super::clock::MIDNIGHT;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as proto;
use prost::Message;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Kind of a span: the side that answers.
pub const SERVER: i32 = 2;
/// Kind of a span: the side that asks.
pub const CLIENT: i32 = 3;
const SCOPE: &str = "io.opentelemetry.http";

/// A span.
#[derive(Clone, Debug)]
pub struct SpanRow {
    /// Its service.
    pub service: &'static str,
    /// The trace.
    pub trace: u128,
    /// Its id.
    pub span: u64,
    /// Its parent's id, 0 for a root.
    pub parent: u64,
    /// Its name.
    pub name: String,
    /// [`SERVER`] or [`CLIENT`].
    pub kind: i32,
    /// Since midnight.
    pub start: u64,
    /// Since midnight.
    pub end: u64,
    /// Text attributes.
    pub texts: Vec<(&'static str, String)>,
    /// Answer of HTTP, 0 if there was none.
    pub status: i64,
    /// What went wrong.
    pub error: Option<&'static str>,
}

/// The spans of some services as one line of OTLP/JSON.
pub fn json(spans: &[SpanRow], of: &[&str]) -> String {
    let mut out = String::from(r#"{"resourceSpans":["#);
    for (service, spans) in by_service(spans, of) {
        let _ = write!(
            out,
            r#"{{"resource":{{"attributes":[{}]}},"scopeSpans":[{{"scope":{{"name":"{SCOPE}"}},"spans":["#,
            json_text("service.name", service)
        );
        for span in spans {
            json_span(span, &mut out);
            out.push(',');
        }
        out.pop();
        out.push_str("]}]},");
    }
    if out.ends_with(',') {
        out.pop();
    }
    out.push_str("]}\n");
    out
}

fn json_text(key: &str, value: &str) -> String {
    format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#)
}

fn json_span(span: &SpanRow, out: &mut String) {
    let _ = write!(out, r#"{{"traceId":"{:032x}","spanId":"{:016x}","#, span.trace, span.span);
    if span.parent != 0 {
        let _ = write!(out, r#""parentSpanId":"{:016x}","#, span.parent);
    }
    let (start, end) = (MIDNIGHT + span.start, MIDNIGHT + span.end);
    let _ = write!(out, r#""name":"{}","kind":{},"startTimeUnixNano":"{start}","endTimeUnixNano":"{end}","attributes":["#, span.name, span.kind);
    let mut attributes: Vec<String> = span.texts.iter().map(|(key, value)| json_text(key, value)).collect();
    if span.status != 0 {
        attributes.push(format!(r#"{{"key":"http.response.status_code","value":{{"intValue":"{}"}}}}"#, span.status));
    }
    let status = span.error.map(|error| format!(r#""message":"{error}","code":2"#)).unwrap_or_default();
    let _ = write!(out, r#"{}],"status":{{{status}}}}}"#, attributes.join(","));
}

/// The spans of some services as one protobuf request with its length before it, big-endian.
pub fn framed(spans: &[SpanRow], of: &[&str]) -> Vec<u8> {
    let resource_spans = by_service(spans, of)
        .into_iter()
        .map(|(service, spans)| proto::ResourceSpans {
            resource: Some(Resource { attributes: vec![text("service.name", service)], ..Resource::default() }),
            scope_spans: vec![proto::ScopeSpans {
                scope: Some(InstrumentationScope { name: SCOPE.to_owned(), ..InstrumentationScope::default() }),
                spans: spans.into_iter().map(message).collect(),
                ..proto::ScopeSpans::default()
            }],
            ..proto::ResourceSpans::default()
        })
        .collect();
    let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    let mut out = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    out.extend(body);
    out
}

fn by_service<'s>(spans: &'s [SpanRow], of: &[&str]) -> BTreeMap<&'static str, Vec<&'s SpanRow>> {
    let mut groups: BTreeMap<&'static str, Vec<&SpanRow>> = BTreeMap::new();
    for span in spans.iter().filter(|span| of.contains(&span.service)) {
        groups.entry(span.service).or_default().push(span);
    }
    groups
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn message(span: &SpanRow) -> proto::Span {
    let mut attributes: Vec<KeyValue> = span.texts.iter().map(|(key, value)| text(key, value)).collect();
    if span.status != 0 {
        attributes.push(attribute("http.response.status_code", any_value::Value::IntValue(span.status)));
    }
    proto::Span {
        trace_id: span.trace.to_be_bytes().to_vec(),
        span_id: span.span.to_be_bytes().to_vec(),
        parent_span_id: if span.parent == 0 { Vec::new() } else { span.parent.to_be_bytes().to_vec() },
        name: span.name.clone(),
        kind: span.kind,
        start_time_unix_nano: MIDNIGHT + span.start,
        end_time_unix_nano: MIDNIGHT + span.end,
        attributes,
        status: span.error.map(|error| proto::Status { message: error.to_owned(), code: 2 }),
        ..proto::Span::default()
    }
}
