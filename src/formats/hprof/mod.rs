//! Heap dumps of the JVM (`.hprof`), read as the class histogram that `jmap -histo` would have printed.
//!
//! ```text
//! JAVA PROFILE 1.0.2\0  00 00 00 08  00 00 01 a2 04 f0 be 73
//! 01 00000000 0000013e …    a text      02 … a class    1c … a segment of the heap
//! ```
//!
//! The dump is read piece by piece and never held: kept are the texts until classes have their names, and one row a class.
//! Sizes are what the objects take in the heap, not in the dump. Versions 1.0.1, 1.0.2 and Android's 1.0.3, ids of four and
//! eight bytes. What this file does not do: follow references, so it cannot say what keeps an object alive.

mod cursor;
mod objects;
mod table;

use super::otlp::Ground;
use super::{Flow, Format, Match, Parser};
use crate::model::record::{Reason, Sink};
use crate::model::source::{Evidence, Head};
use crate::model::time::Time;
use cursor::Cursor;
use objects::Taken;
use table::Table;

/// Heap dumps.
pub const FORMAT: Format = Format { name: "hprof", sniff };

const MAGIC: &[u8] = b"JAVA PROFILE 1.0.";
/// The magic, a zero, the width of ids, and the time.
const HEADER: usize = 31;
/// Tag, time and length of a record.
const RECORD: usize = 9;
/// Longer texts than this are no names of classes.
const LONGEST_TEXT: usize = 16 << 10;
/// So much of a piece is added to what the last one has left over.
const JOINED: usize = 64 << 10;

fn sniff(head: &Head<'_>) -> Option<Match> {
    let is_ours = head.bytes.starts_with(MAGIC) && head.bytes.get(18) == Some(&0);
    is_ours.then(|| Match { confidence: 100, label: "heap-dump/hprof".to_owned(), parser: Parser::Flow(|| Box::new(Dump::default())) })
}

/// What a step has found in the bytes before it.
enum Step {
    /// Needs more bytes than there are.
    Short,
    /// Took so many bytes, and has no use for so many behind them.
    Took { bytes: usize, skip: u64 },
}

/// A dump while it is read.
#[derive(Default)]
struct Dump {
    /// Offset of the next byte that no step has taken.
    at: u64,
    /// Bytes that are passed over.
    skip: u64,
    /// The begin of something whose end is in the next piece.
    left: Vec<u8>,
    started: bool,
    time: Time,
    /// Bytes of the heap's segment that are still to come.
    segment: u64,
    table: Table,
    /// Where something was that is no heap dump.
    fault: Option<u64>,
}

impl Flow for Dump {
    fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left.is_empty() {
                let taken = self.run(bytes);
                self.left.extend_from_slice(bytes.get(taken..).unwrap_or_default());
                return;
            }
            let (joined, rest) = bytes.split_at(bytes.len().min(JOINED));
            let mut left = std::mem::take(&mut self.left);
            let before = left.len();
            left.extend_from_slice(joined);
            let taken = self.run(&left);
            if taken >= before {
                // What is taken ends inside the new bytes: go on with these, without the copy.
                bytes = bytes.get(taken - before..).unwrap_or_default();
            } else {
                left.drain(..taken);
                self.left = left;
                bytes = rest;
            }
        }
    }

    fn finish(mut self: Box<Self>, whole: Evidence, sink: &mut dyn Sink) {
        let complete = self.left.is_empty() && self.skip == 0 && self.segment == 0;
        let part = |from: u64| Ground::plain(whole).part(usize::try_from(from).unwrap_or(usize::MAX), usize::MAX);
        let known = self.table.emit(self.time, whole, sink);
        if let Some(at) = self.fault {
            sink.quarantine(part(at), Reason::Malformed);
        } else if !complete || !known {
            sink.quarantine(part(self.at), Reason::Truncated);
        }
    }
}

impl Dump {
    /// Takes as many steps as the bytes allow, and says how many bytes they took.
    fn run(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            if self.skip > 0 {
                let passed = usize::try_from(self.skip).unwrap_or(usize::MAX).min(rest.len());
                self.pass(passed as u64);
                self.skip -= passed as u64;
                at += passed;
                if passed == rest.len() {
                    return at;
                }
                continue;
            }
            match self.step(rest) {
                Step::Short => return at,
                Step::Took { bytes, skip } => {
                    self.pass(bytes as u64);
                    at += bytes;
                    self.skip = skip;
                }
            }
        }
    }

    fn pass(&mut self, bytes: u64) {
        self.at += bytes;
        self.segment = self.segment.saturating_sub(if self.started { bytes } else { 0 });
    }

    fn step(&mut self, bytes: &[u8]) -> Step {
        if self.fault.is_some() {
            return Step::Took { bytes: bytes.len(), skip: u64::MAX };
        }
        if !self.started {
            return self.header(bytes);
        }
        if self.segment > 0 { self.object(bytes) } else { self.record(bytes) }
    }

    fn header(&mut self, bytes: &[u8]) -> Step {
        if bytes.len() < HEADER {
            return Step::Short;
        }
        let mut cursor = Cursor::new(bytes.get(MAGIC.len() + 2..).unwrap_or_default());
        let width = cursor.u4().unwrap_or_default();
        let millis = cursor.u8().unwrap_or_default();
        if width != 4 && width != 8 {
            self.fault = Some(0);
        }
        self.table.wide = width == 8;
        self.time = i64::try_from(millis).ok().and_then(|millis| millis.checked_mul(1_000_000)).map_or(Time::NONE, Time);
        self.started = true;
        Step::Took { bytes: HEADER, skip: 0 }
    }

    /// A record outside of the heap, or the head of a segment.
    fn record(&mut self, bytes: &[u8]) -> Step {
        let mut cursor = Cursor::new(bytes);
        let (Some(tag), Some(_), Some(length)) = (cursor.u1(), cursor.u4(), cursor.u4()) else { return Step::Short };
        let body = usize::try_from(length).unwrap_or(usize::MAX);
        let id = self.table.id_width();
        match tag {
            0x01 if (id..LONGEST_TEXT).contains(&body) => {
                let Some(body) = bytes.get(RECORD..RECORD + body) else { return Step::Short };
                let mut cursor = Cursor::new(body);
                if let Some(key) = cursor.id(self.table.wide) {
                    self.table.text(key, cursor.rest());
                }
                Step::Took { bytes: RECORD + body.len(), skip: 0 }
            }
            0x02 if body == 8 + 2 * id => {
                let Some(body) = bytes.get(RECORD..RECORD + body) else { return Step::Short };
                let mut cursor = Cursor::new(body);
                if let (Some(_), Some(class), Some(_), Some(name)) =
                    (cursor.u4(), cursor.id(self.table.wide), cursor.u4(), cursor.id(self.table.wide))
                {
                    self.table.load(class, name);
                }
                Step::Took { bytes: RECORD + body.len(), skip: 0 }
            }
            // The length of an old, single heap record does not hold more than four gigabytes; zero means to the end.
            0x0c if length == 0 => {
                self.segment = u64::MAX;
                Step::Took { bytes: RECORD, skip: 0 }
            }
            0x0c | 0x1c => {
                self.segment = u64::from(length) + RECORD as u64;
                Step::Took { bytes: RECORD, skip: 0 }
            }
            0x01..=0x0f | 0x2c => Step::Took { bytes: RECORD, skip: u64::from(length) },
            _ => {
                self.fault = Some(self.at);
                Step::Took { bytes: 0, skip: 0 }
            }
        }
    }

    /// One root, class, object or array of the heap.
    fn object(&mut self, bytes: &[u8]) -> Step {
        match objects::read(bytes, self.at, &mut self.table) {
            Taken::Short => Step::Short,
            Taken::Whole { bytes, skip } => Step::Took { bytes, skip },
            // A heap of unknown length ends where the next record begins.
            Taken::Unknown if self.segment > u64::MAX / 2 => {
                self.segment = 0;
                Step::Took { bytes: 0, skip: 0 }
            }
            Taken::Unknown => {
                self.fault = Some(self.at);
                Step::Took { bytes: 0, skip: 0 }
            }
        }
    }
}

#[cfg(test)]
mod tests;
