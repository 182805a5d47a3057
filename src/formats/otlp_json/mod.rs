//! OTLP in JSON: one request a line as the collector's file exporter writes them, or whole documents.
//!
//! ```text
//! {"resourceSpans":[{"resource":{"attributes":[…]},"scopeSpans":[{"scope":{},"spans":[{"traceId":"487b…","spanId":"4013…"}]}]}]}
//! {"resourceLogs":[{"resource":{"attributes":[…]},"scopeLogs":[{"logRecords":[{"timeUnixNano":"1795376426362000000","body":{…}}]}]}]}
//! {"batches":[{"instrumentationLibrarySpans":[{"spans":[{"traceId":"SHtjaJtn/aN/chFYMLkTqQ==","kind":"SPAN_KIND_CLIENT"}]}]}]}
//! ```
//!
//! Read are also pretty-printed documents, arrays of requests, requests one after the other, and the answers of query
//! interfaces (`result`, `trace`, `batches`). The text is walked once, without a tree; `request.rs` says how.
//! What this folder does not do: read profiles, which go to quarantine as unsupported.

mod metric;
mod request;
mod value;

use crate::formats::arena::Arena;
use crate::formats::json_scan::Scan;
use crate::formats::lines::{Block, LineFormat};
use crate::formats::otlp::Ground;
use crate::formats::{Format, Match};
use crate::model::record::Sink;
use crate::model::source::{Chunk, Head};
use request::Reader;

/// The format.
pub const FORMAT: Format = Format { name: "otlp-json", sniff };

/// Keys of which one opens a request.
const ROOTS: &[&str] = &[
    "resourceSpans",
    "resourceLogs",
    "resourceMetrics",
    "resourceProfiles",
    "resource_spans",
    "resource_logs",
    "resource_metrics",
    "resource_profiles",
];

/// Keys of which one opens what a request lists.
const GROUPS: &[&str] =
    &["resource", "scopeSpans", "scope_spans", "instrumentationLibrarySpans", "instrumentation_library_spans", "schemaUrl", "schema_url"];

/// Requests, one a line.
pub struct Lines;

impl LineFormat for Lines {
    fn starts(&self, line: &[u8], _previous: &[u8]) -> bool {
        begins(line)
    }

    fn continues(&self) -> bool {
        false
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let arena = Arena::default();
        Reader::new(Scan::of_text(block.text, &arena), Ground::plain(block.evidence), sink).read();
    }
}

/// Reads requests in any arrangement.
pub fn parse(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    read(chunk.bytes, Ground::plain(chunk.evidence(0, chunk.bytes.len())), sink);
}

/// Reads requests in any arrangement, which stand in a file where `ground` says.
pub fn read(bytes: &[u8], ground: Ground, sink: &mut dyn Sink) {
    let arena = Arena::default();
    Reader::new(Scan::new(bytes, &arena), ground, sink).read();
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let text = head.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head.bytes).trim_ascii_start();
    let mut lines = text.split(|&b| b == b'\n');
    let first = lines.next()?;
    if begins(first) && (first.len() == text.len() && !head.whole || is_one_value(first)) {
        return Some(Match::lines(90, "otlp-json/lines", Box::new(Lines)));
    }
    if is_document(text) {
        return Some(Match::whole(90, "otlp-json/document", parse));
    }
    // A tail of a file begins inside a line.
    let (mut all, mut ours) = (0, 0);
    for line in lines.filter(|line| !line.trim_ascii().is_empty()).take(40) {
        all += 1;
        ours += usize::from(begins(line));
    }
    (ours > 0 && ours * 2 >= all).then(|| Match::lines(70, "otlp-json/lines", Box::new(Lines)))
}

/// Whether the text opens a request right at its start.
pub(super) fn begins(text: &[u8]) -> bool {
    let Some((key, value)) = first_member(text) else { return false };
    match key {
        b"result" | b"trace" => first_member(value).is_some_and(|(key, _)| is_root(key)),
        b"batches" => value.strip_prefix(b"[").and_then(|list| first_member(list.trim_ascii_start())).is_some_and(|(key, _)| is_group(key)),
        _ => is_root(key),
    }
}

fn is_root(key: &[u8]) -> bool {
    ROOTS.iter().any(|root| root.as_bytes() == key)
}

fn is_group(key: &[u8]) -> bool {
    GROUPS.iter().any(|group| group.as_bytes() == key)
}

/// The first key of the object that `text` opens, and what follows its colon.
fn first_member(text: &[u8]) -> Option<(&[u8], &[u8])> {
    const LONGEST_KEY: usize = 32;
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let inside = text.trim_ascii_start().strip_prefix(b"{")?.trim_ascii_start().strip_prefix(b"\"")?;
    let end = inside.iter().take(LONGEST_KEY).position(|&b| b == b'"')?;
    let value = inside.get(end + 1..)?.trim_ascii_start().strip_prefix(b":")?;
    Some((inside.get(..end)?, value.trim_ascii_start()))
}

fn is_one_value(line: &[u8]) -> bool {
    let arena = Arena::default();
    let mut scan = Scan::new(line, &arena);
    scan.skip().is_ok() && scan.peek().is_none()
}

/// Whether the text is an object with a key of ours, wherever that stands, or an array of such.
fn is_document(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"[").unwrap_or(text).trim_ascii_start();
    let arena = Arena::default();
    text.starts_with(b"{") && (begins(text) || has_root(&mut Scan::new(text, &arena), true))
}

fn has_root(scan: &mut Scan<'_>, may_wrap: bool) -> bool {
    if scan.enter_object() != Ok(true) {
        return false;
    }
    while let Ok(Some(key)) = scan.key() {
        match key {
            "result" | "trace" if may_wrap => return has_root(scan, false),
            _ if is_root(key.as_bytes()) => return true,
            _ if scan.skip().is_err() => return false,
            _ => {}
        }
    }
    false
}

/// Where the next request after `from` seems to begin.
fn next_request(bytes: &[u8], from: usize) -> Option<usize> {
    let text = bytes.get(from..)?;
    memchr::memmem::find_iter(text, b"\"resource").find_map(|at| {
        let before = text.get(..at)?.trim_ascii_end();
        let start = before.len().checked_sub(1)?;
        (before.ends_with(b"{") && begins(text.get(start..)?)).then_some(from + start)
    })
}

#[cfg(test)]
mod tests;
