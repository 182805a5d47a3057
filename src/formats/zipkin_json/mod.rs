//! Zipkin's JSON: lists of spans, lists of such lists, or a span a line; version 2, and version 1 of old servers.
//!
//! ```text
//! [{"traceId":"0562809467078eab","id":"0562809467078eab","kind":"CONSUMER","name":"poll","timestamp":1541405397200023,"duration":26,…}]
//! [[{"traceId":"…","id":"…","localEndpoint":{"serviceName":"servicea"},"tags":{"error":""},"shared":true}],[…]]
//! [{"traceId":"…","id":"…","annotations":[{"value":"cs","timestamp":1541405397200023,"endpoint":{…}}],"binaryAnnotations":[…]}]
//! ```
//!
//! A server's half of a shared span keeps its caller's id; telling the two apart is left to who builds the trace. Spans of
//! version 1 that hold both halves become two. What this file does not do: read dependency links.

mod annotations;
mod reader;

use crate::formats::arena::Arena;
use crate::formats::json_scan::Scan;
use crate::formats::lines::{Block, LineFormat};
use crate::formats::otlp::Ground;
use crate::formats::trace_json::kind;
use crate::formats::{Format, Match};
use crate::model::record::{Sink, SpanKind};
use crate::model::source::{Chunk, Head};
use reader::Reader;

/// The format.
pub const FORMAT: Format = Format { name: "zipkin-json", sniff };

/// Spans, one a line.
struct Lines;

impl LineFormat for Lines {
    fn starts(&self, line: &[u8], _previous: &[u8]) -> bool {
        line.starts_with(b"{") && memchr::memmem::find(line, b"\"traceId\"").is_some()
    }

    fn continues(&self) -> bool {
        false
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let arena = Arena::default();
        Reader::new(Scan::of_text(block.text, &arena), Ground::plain(block.evidence), sink).read();
    }
}

fn parse(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let arena = Arena::default();
    Reader::new(Scan::new(chunk.bytes, &arena), Ground::plain(chunk.evidence(0, chunk.bytes.len())), sink).read();
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let text = head.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head.bytes).trim_ascii_start();
    let listed = text.iter().position(|b| !b.is_ascii_whitespace() && !matches!(b, b'[' | b']' | b','))?;
    let first = text.get(listed..)?;
    let layout = Layout::of(first)?;
    if listed == 0 {
        let lines = if layout == Layout::V1 { "zipkin-json/v1-lines" } else { "zipkin-json/v2-lines" };
        let (line, rest) = first.split_at(first.iter().position(|&b| b == b'\n').unwrap_or(first.len()));
        let next = rest.trim_ascii_start();
        return match Layout::of(line) {
            Some(_) if next.is_empty() || Lines.starts(next.split(|&b| b == b'\n').next()?, line) => Some(Match::lines(90, lines, Box::new(Lines))),
            _ => Some(Match::whole(90, layout.label(), parse)),
        };
    }
    Some(Match::whole(90, layout.label(), parse))
}

/// How the time and place of a span are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// As annotations.
    V1,
    /// In the span itself.
    V2,
}

impl Layout {
    const fn label(self) -> &'static str {
        match self {
            Self::V1 => "zipkin-json/v1",
            Self::V2 => "zipkin-json/v2",
        }
    }

    /// The layout of the object at the start of a text, if it is a span. It may be cut.
    fn of(text: &[u8]) -> Option<Self> {
        let arena = Arena::default();
        let mut scan = Scan::new(text, &arena);
        if scan.peek() != Some(b'{') || scan.enter_object() != Ok(true) {
            return None;
        }
        let (mut ids, mut named, mut timed, mut v1, mut v2) = (0, false, false, false, false);
        while let Ok(Some(key)) = scan.key() {
            match key {
                "traceId" | "id" => {
                    let id = scan.text().ok()?;
                    ids += u8::from(id.len() >= 8 && id.bytes().all(|b| b.is_ascii_hexdigit()));
                    continue;
                }
                "localEndpoint" | "remoteEndpoint" => v2 = true,
                "name" => named = true,
                "duration" => timed = true,
                "kind" => {
                    timed |= kind(scan.text().ok()?) != SpanKind::Unspecified;
                    continue;
                }
                "binaryAnnotations" => v1 = true,
                "annotations" => v1 |= has_endpoint(&mut scan),
                // Nothing that has these is a span.
                "spanId" | "spanID" | "message" | "msg" | "level" | "severity" => return None,
                _ => {}
            }
            if key != "annotations" && scan.skip().is_err() {
                break;
            }
        }
        match (ids, v1, v2) {
            (2, _, true) => Some(Self::V2),
            (2, true, _) => Some(Self::V1),
            (2, ..) if named && timed => Some(Self::V2),
            _ => None,
        }
    }
}

/// Whether the first annotation of a list names who made it.
fn has_endpoint(scan: &mut Scan<'_>) -> bool {
    let back = scan.mark();
    let mut found = false;
    if scan.enter_array() == Ok(true) && scan.item() == Ok(true) && scan.enter_object() == Ok(true) {
        while let Ok(Some(key)) = scan.key() {
            found |= key == "endpoint";
            if scan.skip().is_err() {
                break;
            }
        }
    }
    scan.go(back);
    let _ = scan.skip();
    found
}

#[cfg(test)]
mod tests;
