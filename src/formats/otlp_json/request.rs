//! Walks requests: resources, scopes, and the spans and log records in them.
//!
//! Keys come in any order. What gives meaning to the rest (the resource of spans, the scope of log records) may stand
//! behind it; then the rest is skipped, remembered by its place, and read afterwards. Evidence is the object of the
//! record itself. Text that is not JSON costs the record it stands in and all up to the next request that can be found.

use crate::formats::json_scan::{Mark, Scan, Step, parse_int};
use crate::formats::otlp::log::LogDraft;
use crate::formats::otlp::metric::{MetricDraft, PointDraft};
use crate::formats::otlp::span::{EventDraft, SpanDraft};
use crate::formats::otlp::{Ground, Resource, level, level_named, span_kind, span_status, time};
use crate::formats::otlp_json::value::{attributes, value};
use crate::formats::otlp_json::{is_root, next_request};
use crate::model::ids::{SpanId, TraceId};
use crate::model::record::{Level, Reason, Sink, SpanKind, SpanStatus};
use crate::model::time::Time;

/// Reads requests; its drafts serve one record after the other.
pub(super) struct Reader<'a, 's> {
    pub(super) scan: Scan<'a>,
    pub(super) ground: Ground,
    pub(super) sink: &'s mut dyn Sink,
    pub(super) resource: Resource<'a>,
    pub(super) metric: MetricDraft<'a>,
    pub(super) point: PointDraft<'a>,
    scope: &'a str,
    span: SpanDraft<'a>,
    log: LogDraft<'a>,
    /// Where the first thing begins that has not been read to its end.
    open: usize,
}

/// Reads the value under the cursor.
pub(super) type Read<'a, 's> = fn(&mut Reader<'a, 's>) -> Step<()>;

impl<'a, 's> Reader<'a, 's> {
    pub(super) fn new(scan: Scan<'a>, ground: Ground, sink: &'s mut dyn Sink) -> Self {
        let (resource, metric, point) = (Resource::default(), MetricDraft::default(), PointDraft::default());
        Self { scan, ground, sink, resource, metric, point, scope: "", span: SpanDraft::default(), log: LogDraft::default(), open: 0 }
    }

    /// Reads everything. Between requests may stand what separates the items of an array or a stream.
    pub(super) fn read(mut self) {
        if self.scan.bytes().starts_with(b"\xef\xbb\xbf") {
            self.scan.restart(3);
        }
        while let Some(byte) = self.scan.peek() {
            self.open = self.scan.at();
            if matches!(byte, b',' | b'[' | b']' | 0x1e) {
                self.scan.restart(self.open + 1);
            } else if let Err(reason) = self.request() {
                self.recover(reason);
            }
        }
    }

    /// Gives up what is open and goes on with the next request.
    fn recover(&mut self, reason: Reason) {
        let bytes = self.scan.bytes();
        let next = next_request(bytes, self.open + 1);
        let reason = if next.is_some() && reason == Reason::Truncated { Reason::Malformed } else { reason };
        let end = next.unwrap_or(bytes.len());
        let lost = bytes.get(self.open..end).unwrap_or_default().trim_ascii_end().len();
        self.sink.quarantine(self.ground.part(self.open, lost), reason);
        self.scan.restart(end);
    }

    fn request(&mut self) -> Step<()> {
        let start = self.scan.at();
        if self.scan.peek() != Some(b'{') {
            return Err(Reason::Malformed);
        }
        if !self.root()? {
            self.sink.quarantine(self.ground.part(start, self.scan.at() - start), Reason::Unrecognised);
        }
        Ok(())
    }

    /// Reads a request or what wraps it; no if it holds something else.
    fn root(&mut self) -> Step<bool> {
        if !self.scan.enter_object()? {
            return Ok(false);
        }
        let (mut empty, mut known) = (true, false);
        while let Some(key) = self.scan.key()? {
            empty = false;
            match key {
                "resourceProfiles" | "resource_profiles" => {
                    known = true;
                    self.unsupported()?;
                }
                "batches" => {
                    known = true;
                    self.each(Self::group)?;
                }
                "result" | "trace" => known |= self.root()?,
                _ if is_root(key.as_bytes()) => {
                    known = true;
                    self.each(Self::group)?;
                }
                _ => self.scan.skip()?,
            }
        }
        Ok(known || empty)
    }

    fn unsupported(&mut self) -> Step<()> {
        self.scan.peek();
        let start = self.scan.at();
        self.scan.skip()?;
        self.sink.quarantine(self.ground.part(start, self.scan.at() - start), Reason::Unsupported);
        self.open = self.scan.at();
        Ok(())
    }

    pub(super) fn each(&mut self, read: Read<'a, 's>) -> Step<()> {
        if self.scan.enter_array()? {
            while self.scan.item()? {
                read(self)?;
            }
        }
        Ok(())
    }

    /// What one resource tells.
    fn group(&mut self) -> Step<()> {
        self.resource.clear();
        self.in_context(
            |key| key == "resource",
            Self::resource,
            |key| {
                let spans = matches!(key, "scopeSpans" | "scope_spans" | "instrumentationLibrarySpans" | "instrumentation_library_spans");
                let logs = matches!(key, "scopeLogs" | "scope_logs" | "instrumentationLibraryLogs" | "instrumentation_library_logs");
                let metrics = matches!(key, "scopeMetrics" | "scope_metrics" | "instrumentationLibraryMetrics" | "instrumentation_library_metrics");
                (spans || logs || metrics).then_some(Self::scopes)
            },
        )
    }

    fn scopes(&mut self) -> Step<()> {
        self.each(|reader| {
            reader.scope = "";
            reader.in_context(
                |key| matches!(key, "scope" | "instrumentationLibrary" | "instrumentation_library"),
                Self::scope,
                |key| match key {
                    "spans" => Some(Self::spans),
                    "logRecords" | "log_records" | "logs" => Some(Self::logs),
                    "metrics" => Some(Self::metrics),
                    _ => None,
                },
            )
        })
    }

    /// Reads an object in which one member says what others mean: that first, wherever it stands.
    fn in_context(&mut self, is_context: fn(&str) -> bool, context: Read<'a, 's>, content: fn(&str) -> Option<Read<'a, 's>>) -> Step<()> {
        let mut later = Vec::new();
        let walked = self.walk(is_context, context, content, &mut later);
        let end = self.scan.mark();
        // Also when the object has no end: what stands before the fault is worth having.
        for (mark, read) in later {
            self.scan.go(mark);
            read(self)?;
        }
        self.scan.go(end);
        walked
    }

    fn walk(
        &mut self,
        is_context: fn(&str) -> bool,
        context: Read<'a, 's>,
        content: fn(&str) -> Option<Read<'a, 's>>,
        later: &mut Vec<(Mark, Read<'a, 's>)>,
    ) -> Step<()> {
        if !self.scan.enter_object()? {
            return Ok(());
        }
        let mut known = false;
        while let Some(key) = self.scan.key()? {
            if is_context(key) {
                known = true;
                context(self)?;
            } else if let Some(read) = content(key) {
                if known {
                    read(self)?;
                } else {
                    later.push((self.scan.mark(), read));
                    self.scan.skip()?;
                }
            } else {
                self.scan.skip()?;
            }
        }
        Ok(())
    }

    fn resource(&mut self) -> Step<()> {
        self.resource.clear();
        if self.scan.enter_object()? {
            while let Some(key) = self.scan.key()? {
                if key == "attributes" { attributes(&mut self.scan, &mut self.resource.attributes)? } else { self.scan.skip()? }
            }
        }
        self.resource.settle();
        Ok(())
    }

    fn scope(&mut self) -> Step<()> {
        if self.scan.enter_object()? {
            while let Some(key) = self.scan.key()? {
                if key == "name" { self.scope = self.scan.text()? } else { self.scan.skip()? }
            }
        }
        Ok(())
    }

    fn spans(&mut self) -> Step<()> {
        self.each(|reader| reader.record(Self::span))
    }

    fn logs(&mut self) -> Step<()> {
        self.each(|reader| reader.record(Self::log))
    }

    fn metrics(&mut self) -> Step<()> {
        self.each(|reader| reader.record(Self::metric))
    }

    /// Reads what one piece of evidence stands for, and remembers how far that is.
    pub(super) fn record(&mut self, read: Read<'a, 's>) -> Step<()> {
        let first = self.scan.peek();
        let start = self.scan.at();
        self.open = start;
        if first == Some(b'{') {
            read(self)?;
        } else {
            self.scan.skip()?;
            if first != Some(b'n') {
                self.sink.quarantine(self.ground.part(start, self.scan.at() - start), Reason::Malformed);
            }
        }
        self.open = self.scan.at();
        Ok(())
    }

    fn span(&mut self) -> Step<()> {
        let start = self.scan.at();
        self.span.clear();
        let (scan, span) = (&mut self.scan, &mut self.span);
        scan.enter_object()?;
        while let Some(key) = scan.key()? {
            match key {
                "traceId" | "trace_id" => span.head.trace = TraceId::parse(scan.text()?.as_bytes()),
                "spanId" | "span_id" => span.head.id = SpanId::parse(scan.text()?.as_bytes()),
                "parentSpanId" | "parent_span_id" => span.head.parent = SpanId::parse(scan.text()?.as_bytes()),
                "name" => span.head.name = scan.text()?,
                "kind" => span.head.kind = kind(scan.text()?),
                "startTimeUnixNano" | "start_time_unix_nano" => span.head.start = nanos(scan)?,
                "endTimeUnixNano" | "end_time_unix_nano" => span.head.end = nanos(scan)?,
                "attributes" => attributes(scan, &mut span.attributes)?,
                "events" => events(scan, span)?,
                "links" => links(scan, span)?,
                "status" => status(scan, span)?,
                _ => scan.skip()?,
            }
        }
        let evidence = self.ground.part(start, self.scan.at() - start);
        self.span.tell(&self.resource, evidence, self.sink);
        Ok(())
    }

    fn log(&mut self) -> Step<()> {
        let start = self.scan.at();
        self.log.clear();
        let (scan, log) = (&mut self.scan, &mut self.log);
        scan.enter_object()?;
        while let Some(key) = scan.key()? {
            match key {
                "timeUnixNano" | "time_unix_nano" => log.head.time = nanos(scan)?,
                "observedTimeUnixNano" | "observed_time_unix_nano" => log.observed = nanos(scan)?,
                "severityNumber" | "severity_number" => log.head.level = severity(scan.text()?),
                "severityText" | "severity_text" => log.severity_text = scan.text()?,
                "traceId" | "trace_id" => log.head.trace = TraceId::parse(scan.text()?.as_bytes()),
                "spanId" | "span_id" => log.head.span = SpanId::parse(scan.text()?.as_bytes()),
                "eventName" | "event_name" => log.event_name = scan.text()?,
                "attributes" => attributes(scan, &mut log.fields)?,
                "body" => value(scan, "", &mut log.body)?,
                _ => scan.skip()?,
            }
        }
        let evidence = self.ground.part(start, self.scan.at() - start);
        self.log.tell(&self.resource, self.scope, self.scan.arena(), evidence, self.sink);
        Ok(())
    }
}

/// A time in nanoseconds.
pub(super) fn nanos(scan: &mut Scan<'_>) -> Step<Time> {
    Ok(time(scan.int()?.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)))
}

fn events<'a>(scan: &mut Scan<'a>, span: &mut SpanDraft<'a>) -> Step<()> {
    if !scan.enter_array()? {
        return Ok(());
    }
    while scan.item()? {
        if !scan.enter_object()? {
            continue;
        }
        let (mut time, mut name) = (Time::NONE, "");
        while let Some(key) = scan.key()? {
            match key {
                "timeUnixNano" | "time_unix_nano" => time = nanos(scan)?,
                "name" => name = scan.text()?,
                "attributes" => attributes(scan, &mut span.event_fields)?,
                _ => scan.skip()?,
            }
        }
        span.events.push(EventDraft { time, name, end: span.event_fields.len() });
    }
    Ok(())
}

fn links(scan: &mut Scan<'_>, span: &mut SpanDraft<'_>) -> Step<()> {
    if !scan.enter_array()? {
        return Ok(());
    }
    while scan.item()? {
        if !scan.enter_object()? {
            continue;
        }
        let (mut trace, mut id) = (TraceId::NONE, SpanId::NONE);
        while let Some(key) = scan.key()? {
            match key {
                "traceId" | "trace_id" => trace = TraceId::parse(scan.text()?.as_bytes()),
                "spanId" | "span_id" => id = SpanId::parse(scan.text()?.as_bytes()),
                _ => scan.skip()?,
            }
        }
        span.links.push((trace, id));
    }
    Ok(())
}

fn status<'a>(scan: &mut Scan<'a>, span: &mut SpanDraft<'a>) -> Step<()> {
    if !scan.enter_object()? {
        return Ok(());
    }
    while let Some(key) = scan.key()? {
        match key {
            "code" => span.head.status = status_code(scan.text()?),
            "message" => span.head.status_message = scan.text()?,
            _ => scan.skip()?,
        }
    }
    Ok(())
}

/// `3`, `"3"`, `"SPAN_KIND_CLIENT"`, `"client"`.
fn kind(text: &str) -> SpanKind {
    span_kind(number_of(text, "SPAN_KIND_", &["unspecified", "internal", "server", "client", "producer", "consumer"]))
}

/// `2`, `"STATUS_CODE_ERROR"`, `"Error"`.
fn status_code(text: &str) -> SpanStatus {
    span_status(number_of(text, "STATUS_CODE_", &["unset", "ok", "error"]))
}

/// `17`, `"SEVERITY_NUMBER_ERROR"`, `"ERROR2"`.
fn severity(text: &str) -> Level {
    parse_int(text.as_bytes()).map_or_else(|| level_named(text), level)
}

/// The number of an enum's member, written as number or name; zero if it is neither.
pub(super) fn number_of(text: &str, prefix: &str, names: &[&str]) -> i64 {
    parse_int(text.as_bytes()).unwrap_or_else(|| {
        let named = text.split_at_checked(prefix.len()).filter(|(start, _)| start.eq_ignore_ascii_case(prefix));
        let short = named.map_or(text, |(_, name)| name);
        names.iter().position(|name| short.eq_ignore_ascii_case(name)).unwrap_or(0) as i64
    })
}
