//! Files of lines: several formats in one stream, each record a block of lines.
//!
//! A container's stdout holds application lines, garbage collector lines and now and then a thread dump:
//!
//! ```text
//! 2026-11-22T19:30:33.967Z  INFO 12 --- [main] c.a.Orders : accepted
//! [7.148s][info][gc] GC(3) Pause Young (Allocation Failure) 24M->1M(92M) 10.668ms
//! 2026-11-22 19:30:34
//! Full thread dump OpenJDK 64-Bit Server VM (17.0.15+6 mixed mode):
//! ```
//!
//! [`LineStream`] cuts such a stream into blocks: a block begins where a format says that a record starts, and holds the
//! lines that nobody else claims. The format that the file was recognised as is asked first, then the embedded ones.
//! A line that belongs to no record becomes a block of the free-text format, so that nothing is lost.
//! What this file does not do: join lines that a runtime has split or prefixed; that is `wrapper.rs`.

use crate::model::record::{Reason, Sink};
use crate::model::source::{Chunk, Evidence, Hints, Starts};
use std::borrow::Cow;

/// A block that grows beyond this is cut; no real record does.
pub const LONGEST_RECORD: usize = 16 << 20;

/// A format whose records begin at the start of a line.
pub trait LineFormat: Send + Sync {
    /// Whether a record begins with `line` (without its line end). `previous` is the line before, empty at the start.
    fn starts(&self, line: &[u8], previous: &[u8]) -> bool;

    /// Whether lines that no format claims belong to the record before them (stack traces) or stand alone (JSON).
    fn continues(&self) -> bool;

    /// Whether `line`, inside a record of this format, belongs to it even if another format would claim it.
    fn keeps(&self, line: &[u8]) -> bool {
        let _ = line;
        false
    }

    /// Reads one record.
    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink);
}

/// The lines of one record.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// The text, without the last line end. Bytes that are not UTF-8 have been read as Latin-1.
    pub text: &'a str,
    /// Where it stands.
    pub evidence: Evidence,
    /// What the path says.
    pub hints: &'a Hints,
}

impl Block<'_> {
    /// Evidence for `len` bytes at `at` of the text, held inside the block.
    #[must_use]
    pub fn part(&self, at: usize, len: usize) -> Evidence {
        let at = at.min(self.evidence.len as usize);
        Evidence::new(self.evidence.file, self.evidence.start + at as u64, len.min(self.evidence.len as usize - at))
    }
}

/// A stream of lines in one main format, with others in between.
pub struct LineStream {
    main: Box<dyn LineFormat>,
    embedded: Vec<Box<dyn LineFormat>>,
    free: Box<dyn LineFormat>,
}

impl LineStream {
    /// A stream of `main`, in which every other line format may occur.
    #[must_use]
    pub fn new(main: Box<dyn LineFormat>) -> Self {
        Self { main, embedded: super::embedded(), free: super::free_text() }
    }

    /// Reads every record of the chunk.
    pub fn parse(&self, chunk: &Chunk<'_>, sink: &mut dyn Sink) {
        let utf8 = std::str::from_utf8(chunk.bytes).ok();
        let has_nul = memchr::memchr(0, chunk.bytes).is_some();
        let mut reader = Reader { chunk, utf8, has_nul, sink };
        let mut open: Option<(&dyn LineFormat, usize, usize)> = None;
        let (mut at, mut previous) = (0, &b""[..]);
        while at < chunk.bytes.len() {
            let next = memchr::memchr(b'\n', &chunk.bytes[at..]).map_or(chunk.bytes.len(), |n| at + n + 1);
            let line = trim_end(&chunk.bytes[at..next]);
            let kept = open.is_some_and(|(format, start, _)| format.keeps(line) && next - start <= LONGEST_RECORD);
            let claimed = if kept { None } else { self.claim(line, previous) };
            match (claimed, open) {
                (Some(format), _) => {
                    reader.close(open);
                    open = Some((format, at, next));
                    if !format.continues() {
                        reader.close(open.take());
                    }
                }
                (None, Some((format, start, _))) if next - start <= LONGEST_RECORD => open = Some((format, start, next)),
                (None, _) => {
                    reader.close(open);
                    open = (!line.is_empty()).then_some((&*self.free, at, next));
                }
            }
            previous = line;
            at = next;
        }
        reader.close(open);
    }

    fn claim(&self, line: &[u8], previous: &[u8]) -> Option<&dyn LineFormat> {
        if line.is_empty() {
            return None;
        }
        if self.main.starts(line, previous) {
            return Some(&*self.main);
        }
        self.embedded.iter().find(|format| format.starts(line, previous)).map(|format| &**format)
    }
}

impl Starts for LineStream {
    fn starts(&self, line: &[u8], previous: &[u8]) -> bool {
        self.main.starts(line, previous)
    }
}

struct Reader<'c, 's> {
    chunk: &'c Chunk<'c>,
    utf8: Option<&'c str>,
    /// Whether some byte of the chunk is NUL.
    has_nul: bool,
    sink: &'s mut dyn Sink,
}

impl Reader<'_, '_> {
    fn close(&mut self, open: Option<(&dyn LineFormat, usize, usize)>) {
        let Some((format, start, end)) = open else { return };
        let bytes = trim_end(&self.chunk.bytes[start..end]);
        let evidence = self.chunk.evidence(start, bytes.len());
        if bytes.is_empty() {
            return;
        }
        if bytes.len() > LONGEST_RECORD || self.has_nul && is_binary(bytes) {
            self.sink.quarantine(evidence, if bytes.len() > LONGEST_RECORD { Reason::TooLong } else { Reason::Malformed });
            return;
        }
        let text = match self.utf8 {
            Some(text) => Cow::Borrowed(&text[start..start + bytes.len()]),
            None => decode(bytes),
        };
        format.record(&Block { text: &text, evidence, hints: self.chunk.hints }, self.sink);
    }
}

/// A line without its end, whichever kind it is.
fn trim_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Runs of NUL bytes are what `copytruncate` and torn writes leave behind. A single one may stand in a text: nginx logs
/// what it was sent.
fn is_binary(bytes: &[u8]) -> bool {
    memchr::memchr(0, bytes)
        .is_some_and(|at| at == 0 || memchr::memmem::find(bytes, b"\0\0").is_some() || memchr::memchr_iter(0, bytes).count() * 8 > bytes.len())
}

/// UTF-8 if it is, else every byte as the Latin-1 character it would be.
#[must_use]
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| Cow::Owned(bytes.iter().map(|&b| char::from(b)).collect()), Cow::Borrowed)
}
