//! Flight recordings (`.jfr`): collections, what the heap held, processor time, threads and classes, and who waited for what.
//!
//! ```text
//! FLR\0  00 02 00 01   size   constants at   types at   started   lasted   ticks   ticks a second
//! ```
//!
//! A recording is chunks one after the other, and each describes its own types, so that every JDK since 9 can be read. What
//! this file does not do: samples of methods and allocations, and chunks that the JVM had no time to finish.

mod constants;
mod decode;
mod types;
mod wire;

use super::jfr_event::Recorder;
use super::{Format, Match, Parser};
use crate::model::record::{Reason, Sink};
use crate::model::source::{Chunk, Head};
use crate::model::time::Time;
use constants::Constants;
use decode::Decoder;
use types::Types;
use wire::Wire;

/// Flight recordings.
pub const FORMAT: Format = Format { name: "jfr", sniff };

const MAGIC: &[u8] = b"FLR\0";
/// Length of a chunk's head.
const HEAD: usize = 68;
/// Numbers are packed into as few bytes as they need.
const PACKED: u32 = 1;

fn sniff(head: &Head<'_>) -> Option<Match> {
    let is_ours = head.bytes.starts_with(MAGIC) && head.bytes.len() >= HEAD;
    is_ours.then(|| Match { confidence: 100, label: "flight-recording".to_owned(), parser: Parser::Frames { next, parse } })
}

/// Length of the chunk at the start of some bytes.
fn next(bytes: &[u8]) -> Option<usize> {
    let length = usize::try_from(Layout::read(bytes)?.size).ok()?;
    (length >= HEAD && length <= bytes.len()).then_some(length)
}

fn parse(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let mut at = 0;
    while let Some(rest) = chunk.bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match next(rest) {
            Some(length) => {
                let part = rest.get(..length).unwrap_or_default();
                if let Err(reason) = recording(chunk, at, part, sink) {
                    sink.quarantine(chunk.evidence(at, length), reason);
                }
                at += length;
            }
            None => {
                let reason = if rest.starts_with(MAGIC) { Reason::Truncated } else { Reason::Malformed };
                sink.quarantine(chunk.evidence(at, rest.len()), reason);
                return;
            }
        }
    }
}

/// The numbers of a chunk's head.
struct Layout {
    size: u64,
    constants: u64,
    types: u64,
    started: i64,
    ticks: i64,
    per_second: i64,
    flags: u32,
}

impl Layout {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut wire = Wire::new(bytes.strip_prefix(MAGIC)?);
        let major = wire.fixed::<2>()?;
        wire.fixed::<2>()?;
        let mut long = || wire.fixed::<8>().map(u64::from_be_bytes);
        let (size, constants, types, started) = (long()?, long()?, long()?, long()?);
        long()?;
        let (ticks, per_second) = (long()?, long()?);
        let flags = u32::from_be_bytes(wire.fixed()?);
        let signed = |n: u64| i64::try_from(n).ok();
        let is_known = matches!(u16::from_be_bytes(major), 1 | 2);
        let per_second = signed(per_second).filter(|n| *n > 0 && is_known)?;
        Some(Self { size, constants, types, started: signed(started)?, ticks: signed(ticks)?, per_second, flags })
    }

    /// Ticks as nanoseconds.
    fn nanos(&self, ticks: i64) -> i64 {
        let nanos = i128::from(ticks) * 1_000_000_000 / i128::from(self.per_second);
        i64::try_from(nanos).unwrap_or_default()
    }

    fn time(&self, ticks: i64) -> Time {
        Time(self.started.saturating_add(self.nanos(ticks.saturating_sub(self.ticks))))
    }
}

/// Reads one chunk, which begins at `base` of the piece.
fn recording(chunk: &Chunk<'_>, base: usize, bytes: &[u8], sink: &mut dyn Sink) -> Result<(), Reason> {
    let layout = Layout::read(bytes).ok_or(Reason::Malformed)?;
    if layout.flags & PACKED == 0 {
        return Err(Reason::Unsupported);
    }
    let at = |offset: u64| usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).ok_or(Reason::Malformed);
    let types = Types::read(at(layout.types)?).ok_or(Reason::Malformed)?;
    let constants = Constants::read(bytes, layout.constants, &types);
    let mut recorder = Recorder::default();
    let mut decoder = Decoder::new(&types, &constants, &layout);
    let mut from = HEAD;
    while let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) {
        let mut wire = Wire::new(rest);
        let Some(length) = wire.number().and_then(|length| usize::try_from(length).ok()).filter(|length| (2..=rest.len()).contains(length)) else {
            sink.quarantine(chunk.evidence(base + from, rest.len()), Reason::Malformed);
            break;
        };
        let evidence = chunk.evidence(base + from, length);
        if let Some(event) = rest.get(..length).and_then(|event| decoder.event(event)) {
            recorder.add(&event.named(&decoder), evidence, sink);
        }
        from += length;
    }
    recorder.finish(sink);
    Ok(())
}

#[cfg(test)]
mod tests;
