//! Cutting bytes into pieces that begin and end at record borders, for files in memory and for streams.
//!
//! Pieces of one file are read in parallel, so a piece must not need the one before it. Where no border is found within
//! [`LONGEST`] bytes the piece is cut at a line end, or anywhere: no input makes us hold more than that.

use crate::model::source::Framing;
use std::io::Read;
use std::ops::Range;

/// Pieces are about this large.
pub const PIECE: usize = 8 << 20;
/// Pieces are never larger than this.
pub const LONGEST: usize = 64 << 20;

/// The pieces of bytes in memory, in order, without gaps.
#[must_use]
pub fn pieces(bytes: &[u8], framing: Framing<'_>, size: usize) -> Vec<Range<usize>> {
    if matches!(framing, Framing::Whole) {
        return if bytes.is_empty() { Vec::new() } else { std::iter::once(0..bytes.len()).collect() };
    }
    let mut out = Vec::with_capacity(bytes.len() / size + 1);
    let mut start = 0;
    while start < bytes.len() {
        let rest = &bytes[start..];
        let window = &rest[..rest.len().min(LONGEST)];
        let length = match border(window, size, framing) {
            Some(length) => length,
            None if window.len() == rest.len() => rest.len(),
            None => forced(window),
        };
        out.push(start..start + length);
        start += length;
    }
    out
}

/// Cuts a stream into pieces of its own.
pub struct Pieces<'r, 'f> {
    input: &'r mut dyn Read,
    framing: Framing<'f>,
    size: usize,
    held: Vec<u8>,
    offset: u64,
    ended: bool,
}

impl<'r, 'f> Pieces<'r, 'f> {
    /// Pieces of about `size` bytes. `held` are bytes that have been read already.
    pub fn new(input: &'r mut dyn Read, held: Vec<u8>, framing: Framing<'f>, size: usize) -> Self {
        Self { input, framing, size, held, offset: 0, ended: false }
    }

    /// The next piece with the offset of its first byte; none at the end.
    pub fn next_piece(&mut self) -> Option<(u64, Vec<u8>)> {
        let mut want = self.size;
        loop {
            self.fill(want + self.size / 2);
            if self.ended && self.held.len() <= self.size {
                return self.take(self.held.len());
            }
            if let Some(length) = border(&self.held, self.size, self.framing) {
                return self.take(length);
            }
            if self.ended && self.held.len() <= LONGEST {
                return self.take(self.held.len());
            }
            if self.held.len() >= LONGEST {
                let length = forced(&self.held[..LONGEST]);
                return self.take(length);
            }
            want = self.held.len();
        }
    }

    fn fill(&mut self, want: usize) {
        let missing = want.min(LONGEST).saturating_sub(self.held.len());
        if self.ended || missing == 0 {
            return;
        }
        let before = self.held.len();
        // What a broken stream gave before it broke is kept; the reader itself remembers the trouble.
        let _ = (&mut *self.input).take(missing as u64).read_to_end(&mut self.held);
        self.ended = self.held.len() - before < missing;
    }

    fn take(&mut self, length: usize) -> Option<(u64, Vec<u8>)> {
        if length == 0 {
            return None;
        }
        let rest = self.held.split_off(length);
        let piece = std::mem::replace(&mut self.held, rest);
        let offset = self.offset;
        self.offset += piece.len() as u64;
        Some((offset, piece))
    }
}

/// The first border at or after `from`.
fn border(bytes: &[u8], from: usize, framing: Framing<'_>) -> Option<usize> {
    match framing {
        Framing::Whole => None,
        Framing::Frames(next) => {
            let mut at = 0;
            while at < from || at == 0 {
                at += next(bytes.get(at..)?).filter(|&n| n > 0)?;
            }
            (at <= bytes.len()).then_some(at)
        }
        Framing::Lines(format) => {
            let mut start = from.min(bytes.len()) + memchr::memchr(b'\n', bytes.get(from..)?)? + 1;
            let mut previous = &bytes[memchr::memrchr(b'\n', &bytes[..start - 1]).map_or(0, |n| n + 1)..start - 1];
            loop {
                let rest = bytes.get(start..).filter(|rest| !rest.is_empty())?;
                let length = memchr::memchr(b'\n', rest)?;
                let line = trimmed(&rest[..length]);
                if format.starts(line, trimmed(previous)) {
                    return Some(start);
                }
                previous = &rest[..length];
                start += length + 1;
            }
        }
    }
}

fn trimmed(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn forced(bytes: &[u8]) -> usize {
    memchr::memrchr(b'\n', bytes).map_or(bytes.len(), |n| n + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::source::Starts;

    struct Greater;
    impl Starts for Greater {
        fn starts(&self, line: &[u8], _: &[u8]) -> bool {
            line.first() == Some(&b'>')
        }
    }

    fn sample() -> Vec<u8> {
        (0..2000).flat_map(|n| format!(">{n}\n{}", "at x\n".repeat(n % 7)).into_bytes()).collect()
    }

    #[test]
    fn pieces_begin_at_records_and_lose_nothing() {
        let bytes = sample();
        let cut = pieces(&bytes, Framing::Lines(&Greater), 500);
        assert!(cut.len() > 10);
        assert_eq!(cut.iter().flat_map(|range| &bytes[range.clone()]).copied().collect::<Vec<_>>(), bytes);
        assert!(cut.iter().all(|range| bytes[range.start] == b'>'));
    }

    #[test]
    fn a_stream_gives_the_same_bytes_and_offsets() {
        let bytes = sample();
        let mut input = &bytes[100..];
        let mut stream = Pieces::new(&mut input, bytes[..100].to_vec(), Framing::Lines(&Greater), 500);
        let mut joined = Vec::new();
        while let Some((offset, piece)) = stream.next_piece() {
            assert_eq!(offset as usize, joined.len());
            assert_eq!(piece[0], b'>');
            joined.extend(piece);
        }
        assert_eq!(joined, bytes);
    }

    #[test]
    fn frames_are_not_torn() {
        let bytes: Vec<u8> = (0..50_u8).flat_map(|n| std::iter::once(n).chain(std::iter::repeat_n(b'x', n.into()))).collect();
        let cut = pieces(&bytes, Framing::Frames(|b| b.first().map(|&n| usize::from(n) + 1)), 100);
        assert!(cut.len() > 5);
        assert_eq!(cut.iter().map(std::iter::ExactSizeIterator::len).sum::<usize>(), bytes.len());
        let mut at = 0;
        let starts: std::collections::BTreeSet<usize> = std::iter::from_fn(|| {
            let here = at;
            at += usize::from(*bytes.get(at)?) + 1;
            Some(here)
        })
        .collect();
        assert!(cut.iter().all(|range| starts.contains(&range.start)));
    }

    #[test]
    fn no_border_is_no_trouble() {
        assert_eq!(pieces(b"no border at all\nreally", Framing::Lines(&Greater), 4).first(), Some(&(0..23)));
        assert!(pieces(b"", Framing::Whole, 4).is_empty());
    }
}
