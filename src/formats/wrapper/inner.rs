//! The lines inside a wrapper, and the way back: what is said of inner bytes is said of the wrapper lines they came from.
//!
//! What this file does not do: know wrappers; `peel.rs` takes their lines apart.

use crate::formats::timestamp;
use crate::formats::wrapper::peel::{Peeled, Shape, control_len};
use crate::model::jvm::{ClassHistogram, GcRecord, ThreadDump};
use crate::model::record::{EventRecord, LogRecord, MetricRecord, Reason, SettingRecord, Sink, SpanRecord};
use crate::model::source::{Chunk, Evidence};
use crate::model::time::Time;
use std::cell::Cell;

/// Where some inner bytes came from.
struct Piece {
    /// Where they begin among the inner bytes.
    inner: usize,
    /// Where the wrapper line begins in the chunk.
    start: usize,
    /// Length of the wrapper line without its end.
    len: usize,
}

/// The lines of one source, in one piece.
#[derive(Default)]
pub struct Inner {
    /// The inner lines.
    pub bytes: Vec<u8>,
    pieces: Vec<Piece>,
}

/// Buffers beyond this are not kept.
const KEPT: usize = 64 << 20;

thread_local! {
    /// The buffers of the last chunk, so that not every chunk has to be given fresh memory.
    static SPARE: Cell<Inner> = Cell::default();
}

impl Inner {
    /// No lines yet, in the memory of lines that are done with.
    #[must_use]
    pub fn reused() -> Self {
        let mut inner = SPARE.take();
        inner.bytes.clear();
        inner.pieces.clear();
        inner
    }

    /// Leaves the memory to the next chunk, unless it has more already.
    pub fn done(self) {
        let spare = SPARE.take();
        let larger = if spare.bytes.capacity() < self.bytes.capacity() { self } else { spare };
        if larger.bytes.capacity() <= KEPT {
            SPARE.set(larger);
        }
    }

    /// Appends what the wrapper line at `start` of the chunk holds. `line` is that line without its end.
    pub fn append(&mut self, peeled: &Peeled<'_>, line: &[u8], start: usize) {
        let inner = self.bytes.len();
        self.pieces.push(Piece { inner, start, len: line.len() });
        peeled.text.append(&mut self.bytes);
        if memchr::memchr(0x1b, &self.bytes[inner..]).is_some() {
            uncolour(&mut self.bytes, inner);
        }
        if peeled.whole && !self.bytes[inner..].ends_with(b"\n") {
            self.bytes.push(b'\n');
        }
    }
}

/// Removes the terminal's control sequences from `from` on.
fn uncolour(bytes: &mut Vec<u8>, from: usize) {
    let (mut read, mut write) = (from, from);
    while let Some(&byte) = bytes.get(read) {
        if let Some(len) = control_len(&bytes[read..]) {
            read += len;
            continue;
        }
        bytes[write] = byte;
        read += 1;
        write += 1;
    }
    bytes.truncate(write);
}

/// A sink for what is inside: evidence becomes the wrapper's lines, time and names the wrapper's where the record has none.
pub struct Rewrap<'a, 's> {
    /// The wrapper's chunk.
    pub chunk: &'a Chunk<'a>,
    /// The wrapper.
    pub shape: Shape,
    /// The lines that are being read.
    pub inner: &'a Inner,
    /// Service that the wrapper names, or empty.
    pub service: &'a str,
    /// Instance that the wrapper names, or empty.
    pub instance: &'a str,
    /// Takes the records.
    pub sink: &'s mut dyn Sink,
    /// The piece that was found last: records come in order, so the next is near.
    pub near: usize,
}

impl Rewrap<'_, '_> {
    /// The piece that holds an inner place.
    fn piece(&mut self, at: usize) -> Option<&Piece> {
        let pieces = &self.inner.pieces;
        let begins = |n: usize| pieces.get(n).is_some_and(|piece| piece.inner <= at);
        let mut near = if begins(self.near) { self.near } else { 0 };
        for _ in 0..8 {
            if !begins(near + 1) {
                break;
            }
            near += 1;
        }
        if begins(near + 1) {
            near = pieces.partition_point(|piece| piece.inner <= at).saturating_sub(1);
        }
        self.near = near;
        pieces.get(near)
    }

    fn map(&mut self, evidence: Evidence) -> Evidence {
        let start = usize::try_from(evidence.start).unwrap_or(usize::MAX);
        let last = start.saturating_add((evidence.len as usize).saturating_sub(1));
        let Some(begin) = self.piece(start).map(|piece| piece.start) else { return self.chunk.evidence(0, 0) };
        let end = self.piece(last).map_or(begin, |piece| piece.start + piece.len);
        self.chunk.evidence(begin, end.saturating_sub(begin))
    }

    /// The record's time, or that of the wrapper line it begins in.
    fn time(&mut self, time: Time, evidence: Evidence) -> Time {
        if time.is_some() {
            return time;
        }
        let (chunk, shape) = (self.chunk, self.shape);
        let line =
            self.piece(usize::try_from(evidence.start).unwrap_or(usize::MAX)).and_then(|piece| chunk.bytes.get(piece.start..piece.start + piece.len));
        let stamp = line.and_then(|line| shape.peel(line)).and_then(|peeled| timestamp::iso(peeled.time, chunk.hints.zone));
        stamp.map_or(Time::NONE, |(time, _)| time)
    }
}

/// The record's own name, or the wrapper's.
const fn or<'a>(own: &'a str, wrapper: &'a str) -> &'a str {
    if own.is_empty() { wrapper } else { own }
}

impl Sink for Rewrap<'_, '_> {
    fn log(&mut self, record: &LogRecord<'_>) {
        let time = self.time(record.time, record.evidence);
        let evidence = self.map(record.evidence);
        let (service, instance) = (or(record.service, self.service), or(record.instance, self.instance));
        let record = LogRecord { time, evidence, service, instance, ..*record };
        self.sink.log(&record);
    }

    fn span(&mut self, record: &SpanRecord<'_>) {
        let evidence = self.map(record.evidence);
        let (service, instance) = (or(record.service, self.service), or(record.instance, self.instance));
        let record = SpanRecord { evidence, service, instance, ..*record };
        self.sink.span(&record);
    }

    fn metric(&mut self, record: &MetricRecord<'_>) {
        let time = self.time(record.time, record.evidence);
        let evidence = self.map(record.evidence);
        let (service, instance) = (or(record.service, self.service), or(record.instance, self.instance));
        let record = MetricRecord { time, evidence, service, instance, ..*record };
        self.sink.metric(&record);
    }

    fn thread_dump(&mut self, record: &ThreadDump<'_>) {
        let time = self.time(record.time, record.evidence);
        let evidence = self.map(record.evidence);
        let (mut threads, mut deadlocks) = (record.threads.clone(), record.deadlocks.clone());
        threads.iter_mut().for_each(|thread| thread.evidence = self.map(thread.evidence));
        deadlocks.iter_mut().for_each(|deadlock| deadlock.evidence = self.map(deadlock.evidence));
        let (service, instance) = (or(record.service, self.service), or(record.instance, self.instance));
        let record = ThreadDump { time, evidence, service, instance, threads, deadlocks, ..*record };
        self.sink.thread_dump(&record);
    }

    fn gc(&mut self, record: &GcRecord<'_>) {
        let time = self.time(record.time, record.evidence);
        let evidence = self.map(record.evidence);
        let (service, instance) = (or(record.service, self.service), or(record.instance, self.instance));
        let record = GcRecord { time, evidence, service, instance, ..*record };
        self.sink.gc(&record);
    }

    fn class_histogram(&mut self, record: &ClassHistogram<'_>) {
        let time = self.time(record.time, record.evidence);
        let evidence = self.map(record.evidence);
        let mut rows = record.rows.clone();
        rows.iter_mut().for_each(|row| row.evidence = self.map(row.evidence));
        let (service, instance) = (or(record.service, self.service), or(record.instance, self.instance));
        let record = ClassHistogram { time, evidence, service, instance, rows, ..*record };
        self.sink.class_histogram(&record);
    }

    fn event(&mut self, record: &EventRecord<'_>) {
        let time = self.time(record.time, record.evidence);
        let evidence = self.map(record.evidence);
        self.sink.event(&EventRecord { time, evidence, ..*record });
    }

    fn setting(&mut self, record: &SettingRecord<'_>) {
        let evidence = self.map(record.evidence);
        let service = or(record.service, self.service);
        self.sink.setting(&SettingRecord { evidence, service, ..*record });
    }

    fn quarantine(&mut self, evidence: Evidence, reason: Reason) {
        let evidence = self.map(evidence);
        self.sink.quarantine(evidence, reason);
    }
}
