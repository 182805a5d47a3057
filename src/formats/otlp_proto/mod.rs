//! OTLP in protobuf: frames as the collector's file exporter writes them, and single requests saved from HTTP.
//!
//! ```text
//! 00 00 0e 3d 0a 86 06 0a …           four bytes of length, most significant first, then a request; and so on
//! 00 00 06 1f 28 b5 2f fd …           the same around one zstd frame each, with protobuf or JSON inside
//! 0a bc 03 0a 9d 02 0a 22 …           one request, nothing else
//! bd 1c 0a 86 06 0a 9d 02 …           the length as protobuf writes lengths
//! ```
//!
//! The three signals may alternate from message to message; `signal.rs` tells them apart. Strings are borrowed and spans
//! are cited by the exact bytes of their message, except in compressed frames, which are cited as a whole. Profiles are
//! no request of the three and go to quarantine.
//! What this folder does not do: read a zstd stream around frames; expanding that is the bundle's work.

mod frames;
mod point;
mod request;
mod signal;
mod value;
mod wire;

use crate::formats::arena::Arena;
use crate::formats::otlp::Ground;
use crate::formats::{Format, Match, Parser, otlp_json};
use crate::model::record::{Reason, Sink};
use crate::model::source::{Chunk, Head};
use frames::{Prefix, ZSTD};
use request::Reader;
use signal::is_sane;
use wire::{Part, Wire};

/// The format.
pub const FORMAT: Format = Format { name: "otlp-proto", sniff };

fn sniff(head: &Head<'_>) -> Option<Match> {
    framed(head).or_else(|| message(head)).or_else(|| delimited(head))
}

/// Frames behind four bytes of length; what is in the first says the rest.
fn framed(head: &Head<'_>) -> Option<Match> {
    let label = match first_of(head, Prefix::BigEndian)? {
        Content { json: false, compressed: false } => "otlp-proto/framed",
        Content { json: false, compressed: true } => "otlp-proto/framed-zstd",
        Content { json: true, compressed: false } => "otlp-json/framed",
        Content { json: true, compressed: true } => "otlp-json/framed-zstd",
    };
    Some(claim(98, label, Parser::Frames { next: |bytes| Prefix::BigEndian.whole(bytes), parse: parse_framed }))
}

fn delimited(head: &Head<'_>) -> Option<Match> {
    let found = first_of(head, Prefix::Varint)?;
    let parser = Parser::Frames { next: |bytes| Prefix::Varint.whole(bytes), parse: parse_delimited };
    (!found.json && !found.compressed).then(|| claim(92, "otlp-proto/delimited", parser))
}

fn message(head: &Head<'_>) -> Option<Match> {
    (is_sane(head.bytes) && fills(head)).then(|| claim(95, "otlp-proto/message", Parser::Whole(parse_message)))
}

fn claim(confidence: u8, label: &str, parser: Parser) -> Match {
    Match { confidence, label: label.to_owned(), parser }
}

fn parse_framed(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    frames::read(Prefix::BigEndian, chunk, sink);
}

fn parse_delimited(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    frames::read(Prefix::Varint, chunk, sink);
}

fn parse_message(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let (arena, message) = (Arena::default(), Part::new(chunk.bytes, 0));
    let mut reader = Reader::new(&arena, Ground::plain(chunk.evidence(0, chunk.bytes.len())), sink);
    if let Err(reason) = reader.request(message, false) {
        reader.quarantine(message, reason);
    }
}

/// Whether the head is groups, one behind the other, up to its end.
fn fills(head: &Head<'_>) -> bool {
    let mut fields = Part::new(head.bytes, 0).fields();
    loop {
        match fields.next_or_cut() {
            Ok(None | Some((1, Wire::Cut(_)))) => return true,
            Ok(Some((1, Wire::Bytes(_)))) => {}
            Ok(Some(_)) => return false,
            Err(reason) => return reason == Reason::Truncated && !head.whole,
        }
    }
}

/// What is in a frame.
struct Content {
    json: bool,
    compressed: bool,
}

/// Walks the frames of the head to the first that holds something of ours.
fn first_of(head: &Head<'_>, prefix: Prefix) -> Option<Content> {
    const ENOUGH: usize = 16;
    let mut rest = head.bytes;
    for _ in 0..ENOUGH {
        let (start, end) = prefix.read(rest)?;
        let found = content(rest.get(start..end.min(rest.len()))?);
        if found.is_some() {
            return found;
        }
        rest = rest.get(end..)?;
    }
    None
}

/// What is in a payload that may be cut; none if it is nothing of ours.
fn content(payload: &[u8]) -> Option<Content> {
    const PLENTY: u64 = 64 << 10;
    let compressed = payload.starts_with(ZSTD);
    let expanded;
    let message = if compressed {
        expanded = frames::expand_start(payload, PLENTY);
        &expanded
    } else {
        payload
    };
    let json = otlp_json::begins(message);
    (json || is_sane(message)).then_some(Content { json, compressed })
}

#[cfg(test)]
mod tests;
