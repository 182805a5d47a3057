//! Spans in the JSON of tracers and stores beside OTLP, Jaeger and Zipkin: Datadog, X-Ray, SkyWalking, ClickHouse
//! with the collector's tables, and the console exporters of the SDKs.
//!
//! ```text
//! [[{"trace_id":123,"span_id":7,"parent_id":0,"start":1795376223181000000,"duration":93577,"service":"orders","resource":"GET /x","error":1}]]
//! {"Traces":[{"Id":"1-58","Segments":[{"Id":"7","Document":"{\"id\":\"7\",\"trace_id\":\"1-581cf771-a006649127e371903a2de979\",…}"}]}]}
//! {"data":{"trace":{"spans":[{"traceId":"a.1","segmentId":"s","spanId":0,"parentSpanId":-1,"serviceCode":"orders","startTime":1795376223181}]}}}
//! {"Timestamp":"2026-11-22 19:37:03.181000000","TraceId":"…","SpanId":"…","SpanName":"GET /x","SpanKind":"Server","Duration":"93577"}
//! ```
//!
//! Wherever an object of a document has the keys of a span it is one; all others are looked into. What this file does not
//! do: read the spans; each store has a file.

mod clickhouse;
mod console;
mod datadog;
mod skywalking;
mod xray;

use super::arena::Arena;
use super::json_scan::{Scan, Step};
use super::lines::{Block, LineFormat};
use super::otlp::span::{EventDraft, SpanDraft};
use super::otlp::{Ground, Resource};
use super::{Format, Match};
use crate::model::record::{Field, Reason, Sink, SpanStatus, Value};
use crate::model::source::{Chunk, Evidence, Head};

/// The format.
pub const FORMAT: Format = Format { name: "span-export", sniff };

/// Whose spans they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Store {
    Datadog,
    XRay,
    SkyWalking,
    ClickHouse,
    Python,
    Go,
}

/// All stores.
const STORES: [Store; 6] = [Store::Datadog, Store::XRay, Store::SkyWalking, Store::ClickHouse, Store::Python, Store::Go];
/// Spans lie no deeper than this.
const DEEPEST: u8 = 12;
/// So much of the head is looked at.
const LOOKED_AT: usize = 32 << 10;

impl Store {
    const fn label(self) -> &'static str {
        match self {
            Self::Datadog => "span-export/datadog",
            Self::XRay => "span-export/xray",
            Self::SkyWalking => "span-export/skywalking",
            Self::ClickHouse => "span-export/clickhouse",
            Self::Python => "span-export/python-console",
            Self::Go => "span-export/go-stdout",
        }
    }

    /// The keys that a span of the store has and other objects do not.
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Datadog => &["trace_id", "span_id", "start", "duration"],
            Self::XRay => &["id", "trace_id", "start_time", "name"],
            Self::SkyWalking => &["traceId", "segmentId", "spanId", "startTime"],
            Self::ClickHouse => &["Timestamp", "TraceId", "SpanId", "SpanName"],
            Self::Python => &["name", "context", "parent_id", "start_time"],
            Self::Go => &["Name", "SpanContext", "Parent", "StartTime"],
        }
    }
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let text = head.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head.bytes).trim_ascii_start();
    if !matches!(text.first(), Some(b'{' | b'[')) {
        return None;
    }
    let near = text.get(..text.len().min(LOOKED_AT))?;
    let has = |key: &&str| memchr::memmem::find(near, key.as_bytes()).is_some();
    let store = STORES.into_iter().find(|store| store.keys().iter().all(has) && first_span(text, *store))?;
    let lines = text.starts_with(b"{") && memchr::memchr(b'\n', text).is_some_and(|end| text[..end].trim_ascii_end().ends_with(b"}"));
    Some(match store {
        _ if lines => Match::lines(91, store.label(), Box::new(Lines(store))),
        Store::Datadog => Match::whole(91, store.label(), |chunk, sink| parse(Store::Datadog, chunk, sink)),
        Store::XRay => Match::whole(91, store.label(), |chunk, sink| parse(Store::XRay, chunk, sink)),
        Store::SkyWalking => Match::whole(91, store.label(), |chunk, sink| parse(Store::SkyWalking, chunk, sink)),
        Store::ClickHouse => Match::whole(91, store.label(), |chunk, sink| parse(Store::ClickHouse, chunk, sink)),
        Store::Python => Match::whole(91, store.label(), |chunk, sink| parse(Store::Python, chunk, sink)),
        Store::Go => Match::whole(91, store.label(), |chunk, sink| parse(Store::Go, chunk, sink)),
    })
}

/// Whether a span is found before anything is broken.
fn first_span(text: &[u8], store: Store) -> bool {
    struct Any(bool);
    impl Sink for Any {
        fn log(&mut self, _: &crate::model::record::LogRecord<'_>) {}
        fn span(&mut self, _: &crate::model::record::SpanRecord<'_>) {
            self.0 = true;
        }
        fn metric(&mut self, _: &crate::model::record::MetricRecord<'_>) {}
        fn thread_dump(&mut self, _: &crate::model::jvm::ThreadDump<'_>) {}
        fn gc(&mut self, _: &crate::model::jvm::GcRecord<'_>) {}
        fn class_histogram(&mut self, _: &crate::model::jvm::ClassHistogram<'_>) {}
        fn event(&mut self, _: &crate::model::record::EventRecord<'_>) {}
        fn setting(&mut self, _: &crate::model::record::SettingRecord<'_>) {}
        fn quarantine(&mut self, _: Evidence, _: Reason) {}
    }
    let arena = Arena::default();
    let mut any = Any(false);
    Spans::new(store, Scan::new(text, &arena), Ground::plain(Evidence::default()), &mut any).read();
    any.0
}

/// Documents, one a line.
struct Lines(Store);

impl LineFormat for Lines {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        matches!(line.first(), Some(b'{' | b'['))
    }

    fn continues(&self) -> bool {
        false
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let arena = Arena::default();
        Spans::new(self.0, Scan::of_text(block.text, &arena), Ground::plain(block.evidence), sink).read();
    }
}

fn parse(store: Store, chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let arena = Arena::default();
    let mark = if chunk.bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let bytes = chunk.bytes.get(mark..).unwrap_or_default();
    Spans::new(store, Scan::new(bytes, &arena), Ground::plain(chunk.evidence(mark, bytes.len())), sink).read();
}

/// Reads documents; its draft serves one span after the other.
struct Spans<'a, 's> {
    store: Store,
    scan: Scan<'a>,
    ground: Ground,
    sink: &'s mut dyn Sink,
    span: SpanDraft<'a>,
    who: Resource<'a>,
}

impl<'a, 's> Spans<'a, 's> {
    fn new(store: Store, scan: Scan<'a>, ground: Ground, sink: &'s mut dyn Sink) -> Self {
        Self { store, scan, ground, sink, span: SpanDraft::default(), who: Resource::default() }
    }

    /// Reads until nothing is left, or something is broken.
    fn read(mut self) {
        while self.scan.peek().is_some() {
            let start = self.scan.at();
            let done = match self.scan.peek() {
                Some(b',' | b']' | b'}') => {
                    self.scan.restart(start + 1);
                    Ok(())
                }
                _ => self.value(0),
            };
            if let Err(reason) = done {
                let end = self.scan.bytes().trim_ascii_end().len();
                return self.sink.quarantine(self.ground.part(start, end.saturating_sub(start)), reason);
            }
        }
    }

    fn value(&mut self, depth: u8) -> Step<()> {
        match self.scan.peek() {
            Some(b'[') if depth < DEEPEST => {
                if self.scan.enter_array()? {
                    while self.scan.item()? {
                        self.value(depth + 1)?;
                    }
                }
                Ok(())
            }
            Some(b'{') if depth < DEEPEST => self.object(depth),
            _ => self.scan.skip(),
        }
    }

    fn object(&mut self, depth: u8) -> Step<()> {
        let (back, start) = (self.scan.mark(), self.scan.at());
        if self.is_span()? {
            let end = self.scan.at();
            self.scan.go(back);
            let evidence = self.ground.part(start, end - start);
            match self.store {
                Store::Datadog => datadog::span(self, evidence)?,
                Store::XRay => xray::segment(self, evidence)?,
                Store::SkyWalking => skywalking::span(self, evidence)?,
                Store::ClickHouse => clickhouse::span(self, evidence)?,
                Store::Python => console::python(self, evidence)?,
                Store::Go => console::go(self, evidence)?,
            }
            return Ok(());
        }
        self.scan.go(back);
        if self.scan.enter_object()? {
            while let Some(key) = self.scan.key()? {
                match self.scan.peek() {
                    // X-Ray gives its segments as JSON in a text.
                    Some(b'"') if self.store == Store::XRay && key == "Document" => self.document()?,
                    _ => self.value(depth + 1)?,
                }
            }
        }
        Ok(())
    }

    /// Whether the object under the cursor has all keys of a span; the cursor is behind it afterwards.
    fn is_span(&mut self) -> Step<bool> {
        let keys = self.store.keys();
        let mut found = 0_u8;
        if self.scan.enter_object()? {
            while let Some(key) = self.scan.key()? {
                if let Some(at) = keys.iter().position(|known| *known == key) {
                    found |= 1 << at;
                }
                self.scan.skip()?;
            }
        }
        Ok(usize::try_from(found.count_ones()).is_ok_and(|count| count == keys.len()))
    }

    fn document(&mut self) -> Step<()> {
        self.scan.peek();
        let start = self.scan.at();
        let text = self.scan.text()?;
        let evidence = self.ground.part(start, self.scan.at() - start);
        Spans::new(self.store, Scan::of_text(text, self.scan.arena()), Ground::opaque(evidence), self.sink).read();
        Ok(())
    }

    /// Notes an exception of the span being read.
    fn exception(&mut self, kind: &'a str, message: &'a str, stack: &'a str) {
        self.span.head.status = SpanStatus::Error;
        if self.span.head.status_message.is_empty() {
            self.span.head.status_message = message;
        }
        let before = self.span.event_fields.len();
        for (key, text) in [("exception.type", kind), ("exception.message", message), ("exception.stacktrace", stack)] {
            if !text.is_empty() {
                self.span.event_fields.push(Field { key, value: Value::Text(text) });
            }
        }
        let end = self.span.event_fields.len();
        if end > before {
            self.span.events.push(EventDraft { time: self.span.head.start, name: "exception", end });
        }
    }

    /// Hands the span over.
    fn tell(&mut self, evidence: Evidence) {
        self.span.tell(&self.who, evidence, self.sink);
    }
}

#[cfg(test)]
mod tests;
