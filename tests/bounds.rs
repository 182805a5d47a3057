//! A sink that holds what every parser promises: whatever it is given, it cites bytes of that.
//!
//! Used by the property tests and by the fuzz targets.

use analyze::bundle::cut;
use analyze::formats::{Match, recognise};
use analyze::model::jvm::{ClassHistogram, GcRecord, ThreadDump};
use analyze::model::record::{EventRecord, LogRecord, MetricRecord, Reason, SettingRecord, Sink, SpanRecord};
use analyze::model::source::{Chunk, Evidence, FileId, Head, Hints};

/// How much of a file is looked at to recognise it.
pub const HEAD: usize = 64 << 10;

/// Counts records and refuses evidence outside its chunk.
#[derive(Debug, Default)]
pub struct Bounds {
    /// First byte of the chunk.
    pub from: u64,
    /// End of the chunk.
    pub to: u64,
    /// Records that were understood.
    pub records: usize,
    /// Ranges that were not.
    pub quarantined: usize,
}

impl Bounds {
    fn check(&self, evidence: Evidence) {
        let end = evidence.start + u64::from(evidence.len);
        assert!(self.from <= evidence.start && end <= self.to, "{}..{end} is cited of {}..{}", evidence.start, self.from, self.to);
    }

    fn record(&mut self, evidence: Evidence) {
        self.check(evidence);
        self.records += 1;
    }
}

impl Sink for Bounds {
    fn log(&mut self, r: &LogRecord<'_>) {
        self.record(r.evidence);
    }

    fn span(&mut self, r: &SpanRecord<'_>) {
        self.record(r.evidence);
    }

    fn metric(&mut self, r: &MetricRecord<'_>) {
        self.record(r.evidence);
    }

    fn thread_dump(&mut self, r: &ThreadDump<'_>) {
        self.record(r.evidence);
        r.threads.iter().for_each(|thread| self.check(thread.evidence));
        r.deadlocks.iter().for_each(|deadlock| self.check(deadlock.evidence));
    }

    fn gc(&mut self, r: &GcRecord<'_>) {
        self.record(r.evidence);
    }

    fn class_histogram(&mut self, r: &ClassHistogram<'_>) {
        self.record(r.evidence);
    }

    fn event(&mut self, r: &EventRecord<'_>) {
        self.record(r.evidence);
    }

    fn setting(&mut self, r: &SettingRecord<'_>) {
        self.record(r.evidence);
    }

    fn quarantine(&mut self, evidence: Evidence, _: Reason) {
        self.check(evidence);
        self.quarantined += 1;
    }
}

/// Recognises bytes by their head.
pub fn recognised(bytes: &[u8]) -> Option<Match> {
    let head = &bytes[..bytes.len().min(HEAD)];
    recognise(&Head { path: "bytes", bytes: head, whole: bytes.len() <= HEAD })
}

/// Reads bytes with a parser, in pieces of about `size` bytes, and says how many records were understood.
pub fn parse(found: &Match, bytes: &[u8], size: usize) -> Bounds {
    let mut sum = Bounds::default();
    let mut end = 0;
    for piece in cut::pieces(bytes, found.parser.framing(), size.max(1)) {
        assert_eq!(piece.start, end, "pieces have no gaps");
        end = piece.end;
        // Offsets are those of the file, not of the chunk.
        let base = 1000 + piece.start as u64;
        let mut sink = Bounds { from: base, to: base + piece.len() as u64, ..Bounds::default() };
        found.parser.parse(&Chunk { file: FileId(0), base, bytes: &bytes[piece], hints: &Hints::default() }, &mut sink);
        sum.records += sink.records;
        sum.quarantined += sink.quarantined;
    }
    assert_eq!(end, bytes.len(), "pieces lose nothing");
    sum
}
