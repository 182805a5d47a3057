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
//! are cited by the exact bytes of their message, except in compressed frames, which are cited as a whole.
//! What this folder does not do: read a zstd stream around frames; expanding that is the bundle's work.

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
use request::Reader;
use std::io::Read;
use wire::Part;

/// The format.
pub const FORMAT: Format = Format { name: "otlp-proto", sniff };

/// Length of the length before each frame.
const PREFIX: usize = 4;
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// What one compressed frame may hold.
const LARGEST_FRAME: usize = 64 << 20;
/// How many times its length a compressed frame may hold.
const LARGEST_RATIO: usize = 200;
/// The largest window for which the decoder may take memory, as a power of two.
const LARGEST_WINDOW: u32 = 26;

/// Length of the frame at the start of some bytes, prefix included; none if it is not whole.
fn next_frame(bytes: &[u8]) -> Option<usize> {
    let len = usize::try_from(u32::from_be_bytes(*bytes.first_chunk()?)).ok()?.checked_add(PREFIX)?;
    (len <= bytes.len()).then_some(len)
}

/// The same, with the length as protobuf writes it.
fn next_delimited(bytes: &[u8]) -> Option<usize> {
    let (len, prefix) = wire::varint(bytes).ok()?;
    let len = usize::try_from(len).ok()?.checked_add(prefix)?;
    (len <= bytes.len()).then_some(len)
}

fn parse_frames(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    run(chunk, sink, |rest| next_frame(rest).map(|len| (PREFIX, len)));
}

fn parse_delimited(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    run(chunk, sink, |rest| next_delimited(rest).and_then(|len| Some((wire::varint(rest).ok()?.1, len))));
}

fn parse_message(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let arena = Arena::default();
    let ground = Ground::plain(chunk.evidence(0, chunk.bytes.len()));
    Reader::new(&arena, ground, sink).request(Part::new(chunk.bytes, 0));
}

/// Reads frames one after the other; `next` says how long the prefix and the whole frame are.
fn run(chunk: &Chunk<'_>, sink: &mut dyn Sink, next: impl Fn(&[u8]) -> Option<(usize, usize)>) {
    let arena = Arena::default();
    let ground = Ground::plain(chunk.evidence(0, chunk.bytes.len()));
    let mut reader = Reader::new(&arena, ground, sink);
    let mut at = 0;
    while let Some(rest) = chunk.bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let Some((prefix, len)) = next(rest) else {
            return reader.quarantine(Part::new(rest, at), Reason::Truncated);
        };
        let payload = rest.get(prefix..len).unwrap_or_default();
        let whole = chunk.evidence(at, len);
        if payload.starts_with(ZSTD) {
            match expand(payload, LARGEST_FRAME.min(payload.len().saturating_mul(LARGEST_RATIO))) {
                Ok(bytes) => read_expanded(&bytes, Ground::opaque(whole), reader.sink()),
                Err(reason) => reader.sink().quarantine(whole, reason),
            }
        } else if payload.starts_with(b"{") {
            otlp_json::read(payload, Ground::plain(chunk.evidence(at + prefix, payload.len())), reader.sink());
        } else {
            reader.request(Part::new(payload, at + prefix));
        }
        at += len;
    }
}

fn read_expanded(bytes: &[u8], ground: Ground, sink: &mut dyn Sink) {
    if bytes.starts_with(b"{") {
        otlp_json::read(bytes, ground, sink);
    } else {
        let arena = Arena::default();
        Reader::new(&arena, ground, sink).request(Part::new(bytes, 0));
    }
}

/// Expands a zstd frame to at most `limit` bytes, taking memory only as they come.
fn expand(frame: &[u8], limit: usize) -> Result<Vec<u8>, Reason> {
    let mut bytes = Vec::new();
    decoder(frame)?.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|_| Reason::Malformed)?;
    if bytes.len() > limit { Err(Reason::ExpansionLimit) } else { Ok(bytes) }
}

fn decoder(frame: &[u8]) -> Result<impl Read, Reason> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(frame).map_err(|_| Reason::Malformed)?;
    decoder.window_log_max(LARGEST_WINDOW).map_err(|_| Reason::Malformed)?;
    Ok(decoder)
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    frames(head).or_else(|| message(head)).or_else(|| delimited(head))
}

/// Frames with four bytes of length: all that the head holds must be whole, and one of them must be ours.
fn frames(head: &Head<'_>) -> Option<Match> {
    let (compressed, json) = first_of(head, |rest| {
        let len = usize::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?;
        Some((PREFIX, PREFIX.checked_add(len)?))
    })?;
    let label = match (json, compressed) {
        (false, false) => "otlp-proto/framed",
        (false, true) => "otlp-proto/framed-zstd",
        (true, false) => "otlp-json/framed",
        (true, true) => "otlp-json/framed-zstd",
    };
    Some(claim(98, label, Parser::Frames { next: next_frame, parse: parse_frames }))
}

fn delimited(head: &Head<'_>) -> Option<Match> {
    let found = first_of(head, |rest| {
        let (len, prefix) = wire::varint(rest).ok()?;
        Some((prefix, prefix.checked_add(usize::try_from(len).ok()?)?))
    })?;
    (found == (false, false)).then(|| claim(92, "otlp-proto/delimited", Parser::Frames { next: next_delimited, parse: parse_delimited }))
}

fn message(head: &Head<'_>) -> Option<Match> {
    let sane = is_sane(head.bytes) && fills(head);
    sane.then(|| claim(92, "otlp-proto/message", Parser::Whole(parse_message)))
}

fn claim(confidence: u8, label: &str, parser: Parser) -> Match {
    Match { confidence, label: label.to_owned(), parser }
}

/// Whether the head is groups, one behind the other, up to its end.
fn fills(head: &Head<'_>) -> bool {
    let mut fields = Part::new(head.bytes, 0).fields();
    loop {
        match fields.next_or_cut() {
            Ok(None | Some((1, wire::Wire::Cut(_)))) => return true,
            Ok(Some((1, wire::Wire::Bytes(_)))) => {}
            Ok(Some(_)) => return false,
            Err(reason) => return reason == Reason::Truncated && !head.whole,
        }
    }
}

/// Walks the frames of the head to the first that is a request: whether it is compressed, and whether it is JSON.
fn first_of(head: &Head<'_>, next: impl Fn(&[u8]) -> Option<(usize, usize)>) -> Option<(bool, bool)> {
    const ENOUGH: usize = 16;
    let mut rest = head.bytes;
    for _ in 0..ENOUGH {
        let (prefix, end) = next(rest)?;
        let payload = rest.get(prefix..end.min(rest.len()))?;
        let found = ours(payload);
        if found.is_some() || end >= rest.len() {
            return found;
        }
        rest = rest.get(end..)?;
    }
    None
}

/// What a frame's payload, perhaps cut, is: compressed or not, JSON or not; none if it is nothing of ours.
fn ours(payload: &[u8]) -> Option<(bool, bool)> {
    const PLENTY: u64 = 64 << 10;
    if !payload.starts_with(ZSTD) {
        return is_ours(payload).map(|json| (false, json));
    }
    let mut bytes = Vec::new();
    // The frame may be cut: what could be expanded before that is enough.
    let _ = decoder(payload).ok()?.take(PLENTY).read_to_end(&mut bytes);
    is_ours(&bytes).map(|json| (true, json))
}

/// Whether a message is JSON; none if it is nothing of ours.
fn is_ours(message: &[u8]) -> Option<bool> {
    if message.starts_with(b"{") { otlp_json::begins(message).then_some(true) } else { is_sane(message).then_some(false) }
}

fn is_sane(message: &[u8]) -> bool {
    matches!(signal::signal_of(Part::new(message, 0)), Some((_, true)))
}

#[cfg(test)]
mod tests;
