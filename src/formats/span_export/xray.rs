//! X-Ray's segment documents: a segment is a server's span, its subsegments are what the server did and called.
//!
//! ```text
//! {"id":"70de5b6f19ff9a0a","trace_id":"1-581cf771-a006649127e371903a2de979","name":"orders","start_time":1478293361.271,"end_time":1478293361.449,"fault":true,"subsegments":[{"id":"53995c3f42cd8ad8","name":"api.example.com","namespace":"remote","start_time":1478293361.3,"end_time":1478293361.4}]}
//! ```
//!
//! What this file does not do: annotations and metadata, which are the application's own.

use super::Spans;
use crate::formats::json_scan::{Scan, Step};
use crate::formats::timestamp::epoch_text;
use crate::model::ids::{SpanId, TraceId};
use crate::model::record::{Field, SpanKind, SpanStatus, Value};
use crate::model::source::Evidence;
use crate::model::time::Time;

/// Subsegments lie no deeper than this in each other.
const DEEPEST: u8 = 16;

pub(super) fn segment(spans: &mut Spans<'_, '_>, evidence: Evidence) -> Step<()> {
    spans.who.clear();
    part(spans, evidence, None, 0)
}

/// Whose part a subsegment is.
#[derive(Clone, Copy)]
struct Above<'a> {
    trace: TraceId,
    id: SpanId,
    service: &'a str,
}

fn part<'a>(spans: &mut Spans<'a, '_>, evidence: Evidence, above: Option<Above<'a>>, depth: u8) -> Step<()> {
    spans.span.clear();
    let mut below = None;
    let (mut namespace, mut failed) = ("", false);
    if spans.scan.enter_object()? {
        while let Some(key) = spans.scan.key()? {
            let (scan, draft) = (&mut spans.scan, &mut spans.span);
            match key {
                "id" => draft.head.id = SpanId::parse(scan.text()?.as_bytes()),
                "trace_id" => draft.head.trace = trace(scan.text()?),
                "parent_id" => draft.head.parent = SpanId::parse(scan.text()?.as_bytes()),
                "name" => draft.head.name = scan.text()?,
                "start_time" => draft.head.start = seconds(scan)?,
                "end_time" => draft.head.end = seconds(scan)?,
                "namespace" => namespace = scan.text()?,
                "fault" | "error" | "throttle" => failed |= scan.bool()?,
                "origin" => {
                    let text = scan.text()?;
                    draft.attributes.push(Field { key: "cloud.platform", value: Value::Text(text) });
                }
                "http" => http(scan, &mut draft.attributes)?,
                "sql" => sql(scan, &mut draft.attributes)?,
                "cause" => cause(spans)?,
                "subsegments" => {
                    below = Some(scan.mark());
                    scan.skip()?;
                }
                _ => scan.skip()?,
            }
        }
    }
    let end = spans.scan.mark();
    let draft = &mut spans.span;
    match above {
        Some(above) => {
            draft.head.trace = above.trace;
            draft.head.parent = above.id;
            draft.head.kind = if matches!(namespace, "remote" | "aws") { SpanKind::Client } else { SpanKind::Internal };
            if draft.head.kind == SpanKind::Client {
                draft.attributes.push(Field { key: "peer.service", value: Value::Text(draft.head.name) });
            }
            spans.who.service = above.service;
        }
        None => {
            draft.head.kind = SpanKind::Server;
            spans.who.service = draft.head.name;
        }
    }
    if failed {
        draft.head.status = SpanStatus::Error;
    }
    let here = Above { trace: draft.head.trace, id: draft.head.id, service: spans.who.service };
    spans.tell(evidence);
    if let Some(below) = below.filter(|_| depth < DEEPEST) {
        spans.scan.go(below);
        if spans.scan.enter_array()? {
            while spans.scan.item()? {
                let (back, start) = (spans.scan.mark(), spans.scan.at());
                spans.scan.skip()?;
                let evidence = spans.ground.part(start, spans.scan.at() - start);
                spans.scan.go(back);
                part(spans, evidence, Some(here), depth + 1)?;
            }
        }
        spans.scan.go(end);
    }
    Ok(())
}

/// `1-581cf771-a006649127e371903a2de979`.
fn trace(text: &str) -> TraceId {
    let digits: String = text.strip_prefix("1-").unwrap_or(text).chars().filter(|c| *c != '-').collect();
    TraceId::parse(digits.as_bytes())
}

fn seconds(scan: &mut Scan<'_>) -> Step<Time> {
    let text = scan.text()?;
    let float = || text.parse::<f64>().ok().filter(|n| *n > 0.0 && *n < 9e9).map(|n| Time((n * 1e6).round() as i64 * 1_000));
    Ok(epoch_text(text.as_bytes()).or_else(float).unwrap_or_default())
}

fn http<'a>(scan: &mut Scan<'a>, out: &mut Vec<Field<'a>>) -> Step<()> {
    if !scan.enter_object()? {
        return Ok(());
    }
    while scan.key()?.is_some() {
        if !scan.enter_object()? {
            continue;
        }
        while let Some(key) = scan.key()? {
            match key {
                "method" | "url" | "client_ip" => {
                    let name = [("method", "http.request.method"), ("url", "url.full"), ("client_ip", "client.address")];
                    let text = scan.text()?;
                    let name = name.into_iter().find(|(known, _)| *known == key).map_or(key, |(_, name)| name);
                    out.push(Field { key: name, value: Value::Text(text) });
                }
                "status" => {
                    let status = scan.int()?;
                    out.extend(status.map(|status| Field { key: "http.response.status_code", value: Value::Int(status) }));
                }
                _ => scan.skip()?,
            }
        }
    }
    Ok(())
}

fn sql<'a>(scan: &mut Scan<'a>, out: &mut Vec<Field<'a>>) -> Step<()> {
    if scan.enter_object()? {
        while let Some(key) = scan.key()? {
            let name = match key {
                "sanitized_query" => "db.query.text",
                "database_type" => "db.system.name",
                "url" => "db.url",
                _ => {
                    scan.skip()?;
                    continue;
                }
            };
            let text = scan.text()?;
            out.push(Field { key: name, value: Value::Text(text) });
        }
    }
    Ok(())
}

/// The exceptions of a failed part; a cause that is only an id tells nothing.
fn cause(spans: &mut Spans<'_, '_>) -> Step<()> {
    if spans.scan.peek() != Some(b'{') || !spans.scan.enter_object()? {
        return if spans.scan.peek() == Some(b'"') { spans.scan.skip() } else { Ok(()) };
    }
    while let Some(key) = spans.scan.key()? {
        if key != "exceptions" || !spans.scan.enter_array()? {
            if key != "exceptions" {
                spans.scan.skip()?;
            }
            continue;
        }
        while spans.scan.item()? {
            let (mut class, mut message) = ("", "");
            if spans.scan.enter_object()? {
                while let Some(key) = spans.scan.key()? {
                    match key {
                        "type" => class = spans.scan.text()?,
                        "message" => message = spans.scan.text()?,
                        _ => spans.scan.skip()?,
                    }
                }
            }
            spans.exception(class, message, "");
        }
    }
    Ok(())
}
