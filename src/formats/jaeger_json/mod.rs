//! Jaeger's JSON: the answers of its query interface and exports of its screens, its storage, its batches.
//!
//! ```text
//! {"data":[{"traceID":"83a9…","spans":[{"traceID":"83a9…","spanID":"e127af99e3b3e074","operationName":"get","processID":"p1"}],"processes":{"p1":{…}}}]}
//! {"spans":[{"traceId":"AAAAAAAAAABSlpqJVVcaPw==","spanId":"AAAAAABkfZg=","duration":"22938000ns","process":{"serviceName":"api"}}]}
//! {"process":{"serviceName":"api"},"spans":[{"traceIdLow":5951113872249657919,"spanId":6585752,"duration":22938}]}
//! {"_index":"jaeger-span-2026-11-22","_source":{"traceID":"83a9…","spanID":"e127…","startTime":1706678909209712,"process":{…}}}
//! ```
//!
//! The layouts differ in what they put where, not in what keys mean, so one walk reads them all. Processes usually stand
//! behind the spans that name them: the spans are skipped and read afterwards. Once something is broken, skipping is not
//! to be trusted, and the processes are looked for by their key instead. What this file does not do: read services and
//! operations that are no spans, or what the screens have computed from them.

mod processes;
mod reader;
mod references;
mod tags;

use crate::formats::arena::Arena;
use crate::formats::json_scan::Scan;
use crate::formats::lines::{Block, LineFormat};
use crate::formats::otlp::Ground;
use crate::formats::{Format, Match};
use crate::model::record::Sink;
use crate::model::source::{Chunk, Head};
use memchr::memmem;
use reader::{DEEPEST_WRAP, Reader};

/// The format.
pub const FORMAT: Format = Format { name: "jaeger-json", sniff };

/// Spans or traces, one a line.
struct Lines;

impl LineFormat for Lines {
    fn starts(&self, line: &[u8], _previous: &[u8]) -> bool {
        line.starts_with(b"{") && memmem::find(line, b"\"spanI").is_some()
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
    let arena = Arena::default();
    if !holds_span(&mut Scan::new(text, &arena), 0) {
        return None;
    }
    let mut lines = text.split(|&b| b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let alone = |line: &[u8]| {
        let mut scan = Scan::new(line, &arena);
        line.starts_with(b"{") && scan.skip().is_ok() && scan.peek().is_none()
    };
    if alone(first) && lines.next().is_some_and(|line| Lines.starts(line, first)) {
        return Some(Match::lines(90, "jaeger-json/lines", Box::new(Lines)));
    }
    Some(Match::whole(90, "jaeger-json", parse))
}

/// Whether the first thing that could be a span is one.
fn holds_span(scan: &mut Scan<'_>, level: u32) -> bool {
    if level > DEEPEST_WRAP {
        return false;
    }
    if scan.peek() == Some(b'[') {
        return scan.enter_array() == Ok(true) && scan.item() == Ok(true) && holds_span(scan, level + 1);
    }
    if scan.peek() != Some(b'{') || scan.enter_object() != Ok(true) {
        return false;
    }
    let (mut named, mut numbered, mut placed) = (false, false, false);
    while let Ok(Some(key)) = scan.key() {
        match key {
            "operationName" => named = true,
            "spanID" | "spanId" => numbered = true,
            "references" | "startTime" | "processID" | "process" => placed = true,
            "spans" | "data" | "hits" | "_source" | "result" if matches!(scan.peek(), Some(b'[' | b'{')) => return holds_span(scan, level + 1),
            _ => {}
        }
        if named && numbered && placed {
            return true;
        }
        if scan.skip().is_err() {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests;
