//! Walks documents and reads their spans.
//!
//! ```text
//! {"traceId":"1e223ff1f80f1c69","parentId":"bf39…","id":"7428…","kind":"SERVER","timestamp":1470150004008761,"duration":93577,"shared":true}
//! {"traceId":"a03ee8fff1dcd9b9","id":"15fc…","localEndpoint":{"serviceName":"mobile_api"},"remoteEndpoint":{"serviceName":"blt","port":31882}}
//! {"traceId":"a03ee8fff1dcd9b9","id":"15fc…","tags":{"error":"","http.status_code":"500"}}
//! ```
//!
//! What this file does not do: read annotations; `annotations.rs` does.

use crate::formats::json_scan::{Scan, Step};
use crate::formats::otlp::span::SpanDraft;
use crate::formats::otlp::{Ground, Resource, text_field};
use crate::formats::trace_json::{Walk, first_text, kind, members, service, text_of, time};
use crate::formats::zipkin_json::annotations::{annotations, binary_annotations};
use crate::model::ids::{SpanId, TraceId};
use crate::model::record::{Field, Sink, SpanKind, SpanStatus, Value};
use crate::model::source::Evidence;
use crate::model::time::Time;

/// Tags of a span that are really its process's, the nearest name of an instance first.
const INSTANCE: [&str; 3] = ["service.instance.id", "k8s.pod.name", "host.name"];

/// Reads documents; its drafts serve one span after the other.
pub(super) struct Reader<'a, 's> {
    walk: Walk<'a, 's>,
    span: SpanDraft<'a>,
    who: Resource<'a>,
}

/// Who is at one end of a call.
#[derive(Clone, Copy, Default)]
pub(super) struct Endpoint<'a> {
    pub(super) service: &'a str,
    ip: &'a str,
    port: Option<i64>,
}

/// One side of a call, as the annotations of version 1 tell it.
#[derive(Clone, Copy, Default)]
pub(super) struct Side<'a> {
    pub(super) start: Time,
    pub(super) end: Time,
    pub(super) local: Endpoint<'a>,
}

/// What a span says of its ends.
#[derive(Default)]
pub(super) struct Ends<'a> {
    pub(super) local: Endpoint<'a>,
    pub(super) remote: Endpoint<'a>,
    pub(super) client: Side<'a>,
    pub(super) server: Side<'a>,
    nanos: i64,
}

impl<'a, 's> Reader<'a, 's> {
    pub(super) fn new(scan: Scan<'a>, ground: Ground, sink: &'s mut dyn Sink) -> Self {
        Self { walk: Walk::new(scan, ground, sink, b"\"traceId\""), span: SpanDraft::default(), who: Resource::default() }
    }

    pub(super) fn read(mut self) {
        while self.walk.next_object() {
            self.walk.learn();
            if let Err(reason) = self.span() {
                self.walk.give_up(reason);
            }
            self.walk.open = self.walk.scan.at();
        }
    }

    fn span(&mut self) -> Step<()> {
        self.span.clear();
        let (scan, span) = (&mut self.walk.scan, &mut self.span);
        let start = scan.at();
        let mut ends = Ends::default();
        scan.enter_object()?;
        while let Some(key) = scan.key()? {
            match key {
                "traceId" => span.head.trace = TraceId::parse(scan.text()?.as_bytes()),
                "id" => span.head.id = SpanId::parse(scan.text()?.as_bytes()),
                "parentId" => span.head.parent = SpanId::parse(scan.text()?.as_bytes()),
                "name" => span.head.name = scan.text()?,
                "kind" => span.head.kind = kind(scan.text()?),
                "timestamp" => span.head.start = time(scan)?,
                "duration" => ends.nanos = scan.int()?.and_then(|n| n.checked_mul(1_000)).unwrap_or(0).max(0),
                "localEndpoint" => ends.local = endpoint(scan)?,
                "remoteEndpoint" => ends.remote = endpoint(scan)?,
                "tags" => members(scan, |_, key| key, &mut span.attributes)?,
                "annotations" => annotations(scan, span, &mut ends)?,
                "binaryAnnotations" => binary_annotations(scan, span, &mut ends)?,
                _ => scan.skip()?,
            }
        }
        let evidence = self.walk.ground.part(start, scan.at() - start);
        understand(span);
        name_remote(span, ends.remote);
        let kind = span.head.kind;
        let sides = [(SpanKind::Client, ends.client), (SpanKind::Server, ends.server)];
        let told = sides.iter().filter(|(_, side)| side.is_told());
        if kind != SpanKind::Unspecified || told.clone().count() == 0 {
            self.tell(kind, Side::default(), &ends, evidence);
        } else {
            told.for_each(|(kind, side)| self.tell(*kind, *side, &ends, evidence));
        }
        Ok(())
    }

    /// Hands the span over as one side of the call saw it.
    fn tell(&mut self, kind: SpanKind, side: Side<'a>, ends: &Ends<'a>, evidence: Evidence) {
        let (span, who) = (&mut self.span, &mut self.who);
        let whole = (span.head.start, span.head.end);
        let start = if side.start.is_some() { side.start } else { span.head.start };
        let local = if side.local.service.is_empty() { ends.local } else { side.local };
        span.head.kind = kind;
        span.head.start = start;
        span.head.end = if side.end.is_some() { side.end } else { start.plus(ends.nanos) };
        // Servers of Zipkin write the names of services in lower case.
        let written = text_of(&span.attributes, "service.name");
        who.service = service(if local.service.is_empty() || local.service.eq_ignore_ascii_case(written) { written } else { local.service });
        who.instance = first_text(&span.attributes, &INSTANCE);
        if who.instance.is_empty() {
            who.instance = local.ip;
        }
        span.tell(who, evidence, self.walk.sink);
        (span.head.start, span.head.end) = whole;
    }
}

impl Side<'_> {
    const fn is_told(&self) -> bool {
        self.start.is_some() || self.end.is_some()
    }
}

/// Reads an endpoint.
pub(super) fn endpoint<'a>(scan: &mut Scan<'a>) -> Step<Endpoint<'a>> {
    let mut found = Endpoint::default();
    if scan.enter_object()? {
        while let Some(key) = scan.key()? {
            match key {
                "serviceName" => found.service = scan.text()?,
                "ipv4" => found.ip = scan.text()?,
                "ipv6" if found.ip.is_empty() => found.ip = scan.text()?,
                "port" => found.port = scan.int()?,
                _ => scan.skip()?,
            }
        }
    }
    Ok(found)
}

/// What the tags say of the outcome. An error is told by the tag being there; what it holds is a message, if anything.
fn understand(span: &mut SpanDraft<'_>) {
    let (mut status, mut message, mut described) = (SpanStatus::Unset, "", "");
    for field in &span.attributes {
        match (field.key, field.value) {
            ("error", Value::Bool(false)) | ("error", Value::Text("false")) => {}
            ("error", value) => {
                status = SpanStatus::Error;
                message = value.text().filter(|text| *text != "true").unwrap_or("");
            }
            ("otel.status_code", Value::Text(text)) if text.eq_ignore_ascii_case("error") => status = SpanStatus::Error,
            ("otel.status_code", Value::Text(text)) if text.eq_ignore_ascii_case("ok") => status = status.max(SpanStatus::Ok),
            ("otel.status_description", Value::Text(text)) => described = text,
            _ => {}
        }
    }
    span.head.status = status;
    span.head.status_message = if described.is_empty() { message } else { described };
}

/// Names the other end among the attributes, as OpenTelemetry does, unless the tags do.
fn name_remote<'a>(span: &mut SpanDraft<'a>, remote: Endpoint<'a>) {
    let out = &mut span.attributes;
    let absent = |out: &[Field<'a>], key: &str| out.iter().all(|field| field.key != key);
    if !remote.service.is_empty() && absent(out, "peer.service") {
        out.push(text_field("peer.service", remote.service));
    }
    if !remote.ip.is_empty() && absent(out, "net.peer.ip") {
        out.push(text_field("net.peer.ip", remote.ip));
    }
    if let Some(port) = remote.port.filter(|&port| port > 0 && absent(out, "net.peer.port")) {
        out.push(Field { key: "net.peer.port", value: Value::Int(port) });
    }
}
