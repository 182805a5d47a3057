//! Frames: requests one after the other, each behind its length.
//!
//! A length may lie: a writer that died inside a frame leaves its length behind, and the next one appends to the stump. A
//! frame that is none is therefore searched for the next that is, and a stump is read as far as it goes.
//! What this file does not do: search for frames behind a length of variable size, which look like anything.

use crate::formats::arena::Arena;
use crate::formats::otlp::Ground;
use crate::formats::otlp_json;
use crate::formats::otlp_proto::request::Reader;
use crate::formats::otlp_proto::signal::is_sane;
use crate::formats::otlp_proto::wire::{Part, varint};
use crate::model::record::{Reason, Sink};
use crate::model::source::Chunk;
use std::io::Read;

/// How a zstd frame begins.
pub(super) const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// What one compressed frame may hold.
const LARGEST_FRAME: usize = 64 << 20;
/// How many times its length a compressed frame may hold.
const LARGEST_RATIO: usize = 200;
/// The largest window for which the decoder may take memory, as a power of two.
const LARGEST_WINDOW: u32 = 26;

/// How a length is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Prefix {
    /// In four bytes, the most significant first.
    BigEndian,
    /// As protobuf writes numbers.
    Varint,
}

impl Prefix {
    /// Length of the prefix at the start of some bytes, and of the whole frame, which need not be there.
    pub(super) fn read(self, bytes: &[u8]) -> Option<(usize, usize)> {
        let (len, prefix) = match self {
            Self::BigEndian => (u64::from(u32::from_be_bytes(*bytes.first_chunk()?)), 4),
            Self::Varint => varint(bytes).ok()?,
        };
        Some((prefix, usize::try_from(len).ok()?.checked_add(prefix)?))
    }

    /// Length of the frame at the start of some bytes, if it is whole.
    pub(super) fn whole(self, bytes: &[u8]) -> Option<usize> {
        self.read(bytes).map(|(_, len)| len).filter(|len| *len <= bytes.len())
    }
}

/// Reads a run of frames.
pub(super) fn read(prefix: Prefix, chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let arena = Arena::default();
    let mut reader = Reader::new(&arena, Ground::plain(chunk.evidence(0, chunk.bytes.len())), sink);
    let mut at = 0;
    while let Some(rest) = chunk.bytes.get(at..).filter(|rest| !rest.is_empty()) {
        at += match prefix.whole(rest) {
            Some(len) if frame(prefix, chunk, at, len, &mut reader) => len,
            whole => stump(prefix, rest, at, whole.is_none(), &mut reader),
        };
    }
}

/// Reads a whole frame; no if there is nothing of ours in it.
fn frame<'a>(prefix: Prefix, chunk: &Chunk<'a>, at: usize, len: usize, reader: &mut Reader<'a, '_>) -> bool {
    let Some((start, frame)) = chunk.bytes.get(at..at + len).and_then(|frame| Some((prefix.read(frame)?.0, frame))) else { return false };
    let payload = frame.get(start..).unwrap_or_default();
    let whole = chunk.evidence(at, len);
    if payload.starts_with(ZSTD) {
        match expand(payload, LARGEST_FRAME.min(payload.len().saturating_mul(LARGEST_RATIO))) {
            Ok(bytes) => read_expanded(&bytes, Ground::opaque(whole), reader.sink()),
            Err(reason) => reader.sink().quarantine(whole, reason),
        }
        true
    } else if otlp_json::begins(payload) {
        otlp_json::read(payload, Ground::plain(chunk.evidence(at + start, payload.len())), reader.sink());
        true
    } else {
        reader.request(Part::new(payload, at + start), false).is_ok()
    }
}

fn read_expanded(bytes: &[u8], ground: Ground, sink: &mut dyn Sink) {
    if bytes.starts_with(b"{") {
        return otlp_json::read(bytes, ground, sink);
    }
    let (arena, part) = (Arena::default(), Part::new(bytes, 0));
    let mut reader = Reader::new(&arena, ground, sink);
    if let Err(reason) = reader.request(part, false) {
        reader.quarantine(part, reason);
    }
}

/// Deals with bytes that do not begin with a frame: up to the next that do, whose distance is the answer.
fn stump<'a>(prefix: Prefix, rest: &'a [u8], at: usize, cut: bool, reader: &mut Reader<'a, '_>) -> usize {
    let next = next_frame(prefix, rest);
    let len = next.unwrap_or(rest.len());
    let lost = rest.get(..len).unwrap_or_default();
    let start = prefix.read(lost).map_or(len, |(start, _)| start);
    let payload = lost.get(start..).unwrap_or_default();
    if !(is_sane(payload) && reader.request(Part::new(payload, at + start), true).is_ok()) {
        reader.quarantine(Part::new(lost, at), if cut && next.is_none() { Reason::Truncated } else { Reason::Malformed });
    }
    len
}

/// Where, behind the first byte, the next whole frame with something of ours seems to begin.
fn next_frame(prefix: Prefix, rest: &[u8]) -> Option<usize> {
    const LENGTH: usize = 4;
    if prefix != Prefix::BigEndian {
        return None;
    }
    memchr::memchr2_iter(0x0a, ZSTD[0], rest.get(LENGTH + 1..)?).map(|at| at + 1).find(|at| {
        let Some(bytes) = rest.get(*at..) else { return false };
        let Some((payload, after)) = prefix.whole(bytes).and_then(|len| Some((bytes.get(LENGTH..len)?, bytes.get(len..)?))) else { return false };
        // Expanding every candidate would cost too much: a compressed frame is believed if another or nothing follows.
        let compressed = payload.starts_with(ZSTD) && (after.is_empty() || after.get(LENGTH..).is_some_and(|next| next.starts_with(ZSTD)));
        compressed || is_sane(payload)
    })
}

/// Expands a zstd frame to at most `limit` bytes, taking memory only as they come.
fn expand(frame: &[u8], limit: usize) -> Result<Vec<u8>, Reason> {
    let mut bytes = Vec::new();
    decoder(frame)?.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|_| Reason::Malformed)?;
    if bytes.len() > limit { Err(Reason::ExpansionLimit) } else { Ok(bytes) }
}

/// Expands the first bytes of a zstd frame that may be cut.
pub(super) fn expand_start(frame: &[u8], limit: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(decoder) = decoder(frame) {
        // What could be expanded before an error is enough.
        let _ = decoder.take(limit).read_to_end(&mut bytes);
    }
    bytes
}

fn decoder(frame: &[u8]) -> Result<impl Read, Reason> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(frame).map_err(|_| Reason::Malformed)?;
    decoder.window_log_max(LARGEST_WINDOW).map_err(|_| Reason::Malformed)?;
    Ok(decoder)
}
