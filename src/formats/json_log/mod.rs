//! Logs of one JSON object a line, by whichever library: one reader, and tables of what keys mean.
//!
//! ```text
//! {"@timestamp":"2026-11-22T19:36:07.043Z","message":"accepted","logger_name":"c.a.Orders","level":"INFO","traceId":"f707…"}
//! {"level":30,"time":1795376313582,"pid":25967,"hostname":"vm","msg":"order created"}
//! INFO {"ts":1761019822.3152757,"logger":"admin","msg":"admin endpoint started"}
//! ```
//!
//! Pretty-printed and comma-separated objects are read by `document.rs`, in one piece. What this file does not do: read
//! JSON that is no log. OTLP, Jaeger, Zipkin and Kubernetes objects have formats of their own; none of them has two of
//! time, level and message at its root.

pub mod bump;
mod document;
mod found;
mod ids;
mod keys;
mod layout;
pub(in crate::formats) mod levels;
mod record;
pub mod scan;
mod stack;
mod template;
mod trail;

use crate::formats::lines::{Block, LineFormat};
use crate::formats::{Format, Match, payload};
use crate::model::jvm::{ClassHistogram, GcRecord, ThreadDump};
use crate::model::record::{EventRecord, LogRecord, MetricRecord, Reason, SettingRecord, Sink, SpanRecord};
use crate::model::source::{Evidence, Head, Hints};
use layout::Layout;
use record::read;

/// Recognises JSON logs.
pub const FORMAT: Format = Format { name: "json-log", sniff };

/// So many lines of the head are looked at.
const LINES: usize = 100;
/// An object begins within so many bytes of its line, if text stands before it.
const LONGEST_PREFIX: usize = 256;
/// Lines beyond this are read object by object, so that no buffer grows with them.
const LONG_LINE: usize = 1 << 20;

/// JSON lines. As the main format of a file every object is a record; between the lines of another, only what has two of
/// time, level and message.
pub struct JsonLines {
    strict: bool,
    prefixed: bool,
}

impl JsonLines {
    /// An object as the line of another record.
    pub const PAYLOAD: Self = Self { strict: true, prefixed: false };

    /// Every object is a record, with or without text before it.
    pub const EVERY: Self = Self { strict: false, prefixed: true };

    /// Objects between the lines of another format.
    #[must_use]
    pub const fn embedded() -> Self {
        Self { strict: true, prefixed: false }
    }
}

impl LineFormat for JsonLines {
    fn starts(&self, line: &[u8], _previous: &[u8]) -> bool {
        match line.first() {
            Some(b'{') if self.strict => line.ends_with(b"}") && std::str::from_utf8(line).is_ok_and(|text| probe(text).is_some()),
            Some(b'{') => true,
            Some(b' ' | b'\t' | 0xef) if !self.strict => unmarked(line).trim_ascii_start().starts_with(b"{"),
            _ => self.prefixed && line.trim_ascii_end().ends_with(b"}") && prefix_len(line).is_some(),
        }
    }

    fn continues(&self) -> bool {
        false
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let text = block.text;
        if text.len() > LONG_LINE {
            return document::read_all(text, &|at, len| block.part(at, len), block.hints, sink);
        }
        let (mut at, mut first) = (prefix_len(text.as_bytes()).unwrap_or(0), true);
        loop {
            let rest = text.get(at..).unwrap_or_default();
            let object = rest.trim_start_matches([' ', '\t', '\r', '\n', ',']);
            at = text.len() - object.len();
            if object.is_empty() {
                return;
            }
            let prefix = if first { text.get(..at).unwrap_or_default().trim_start_matches('\u{feff}') } else { "" };
            // A line of one object is cited whole, with what is around the object.
            let evidence = |len| {
                let alone = first && object.get(len..).is_some_and(|rest| rest.trim_end_matches([' ', ',', '\r']).is_empty());
                if alone { block.evidence } else { block.part(at, len) }
            };
            match read(object, prefix, evidence, block.hints, sink) {
                Ok(len) => at += len,
                Err(broken) => {
                    let broken_part = if first { block.evidence } else { block.part(at, object.len()) };
                    return sink.quarantine(broken_part, broken.reason());
                }
            }
            first = false;
        }
    }
}

/// Reads an object as a record whose missing parts are those of `around`; how many bytes it took.
///
/// # Errors
/// If it is no whole object.
pub(in crate::formats) fn record_in(text: &str, around: &LogRecord<'_>, hints: &Hints, sink: &mut dyn Sink) -> Result<usize, scan::Broken> {
    read(text, "", |_| around.evidence, hints, &mut payload::Filled { around, sink })
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let bytes = unmarked(head.bytes);
    if bytes.trim_ascii_start().starts_with(b"[") {
        return document::sniff(bytes);
    }
    let mut votes = layout::Votes::default();
    let (mut lines, mut prefixed, mut crowded) = (0_usize, 0_usize, false);
    for line in bytes.split(|&b| b == b'\n').filter(|line| !line.trim_ascii().is_empty()).take(LINES) {
        lines += 1;
        let Some(start) = prefix_len(line) else { continue };
        let Some(text) = line.get(start..).and_then(|rest| std::str::from_utf8(rest).ok()) else { continue };
        if let Some(len) = probe(text) {
            votes.add(Layout::of(text));
            prefixed += usize::from(start > 0);
            crowded |= text.get(len..).is_some_and(|rest| rest.trim_start().starts_with(['{', ',']));
        }
    }
    // The last line of a head is usually cut.
    let (good, all) = (votes.total(), lines.saturating_sub(usize::from(!head.whole && lines > 1)));
    if crowded || (good == 0 && lines > 0 && bytes.trim_ascii_start().starts_with(b"{")) {
        return document::sniff(bytes);
    }
    let confidence = match (good * 100).checked_div(all.max(1))? {
        85.. => 80,
        60.. => 70,
        30.. => 40,
        _ => return None,
    };
    Some(Match::lines(confidence, votes.label(), Box::new(JsonLines { strict: false, prefixed: prefixed * 2 > good })))
}

/// Length of the object at the start of the text, if it is a log record: two of time, level and message.
fn probe(text: &str) -> Option<usize> {
    let mut seen = Probe(0);
    let len = read(text, "", |_| Evidence::default(), &Hints::default(), &mut seen).ok()?;
    (seen.0 >= 2 && !layout::foreign(text)).then_some(len)
}

/// Where on a line the object begins.
fn prefix_len(line: &[u8]) -> Option<usize> {
    let window = line.get(..LONGEST_PREFIX).unwrap_or(line);
    let at = memchr::memchr(b'{', window)?;
    matches!(line.get(at + 1), Some(b'"' | b' ' | b'}') | None).then_some(at)
}

/// Without a byte order mark.
fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Counts which of time, level and message a record has.
struct Probe(u8);

impl Sink for Probe {
    fn log(&mut self, record: &LogRecord<'_>) {
        self.0 = u8::from(record.time.is_some()) + u8::from(!record.level.name().is_empty()) + u8::from(!record.message.is_empty());
    }
    fn span(&mut self, _: &SpanRecord<'_>) {}
    fn metric(&mut self, _: &MetricRecord<'_>) {}
    fn thread_dump(&mut self, _: &ThreadDump<'_>) {}
    fn gc(&mut self, _: &GcRecord<'_>) {}
    fn class_histogram(&mut self, _: &ClassHistogram<'_>) {}
    fn event(&mut self, _: &EventRecord<'_>) {}
    fn setting(&mut self, _: &SettingRecord<'_>) {}
    fn quarantine(&mut self, _: Evidence, _: Reason) {}
}

#[cfg(test)]
mod tests;
