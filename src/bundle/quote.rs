//! Reading cited bytes back: text, line number and digest of byte ranges, one pass over each file that is cited.

use crate::bundle::unpack::{Visitor, revisit};
use crate::bundle::{Bundle, Content, Limits};
use crate::model::record::Reason;
use std::collections::BTreeMap;

/// Of a long range only this much text is given back; its digest covers all of it.
const TEXT: usize = 16 << 10;

/// Ranges by path: first byte and length.
pub type Ranges = BTreeMap<String, Vec<(u64, u32)>>;

/// What stands in a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Line of its first byte, from 1.
    pub line: u64,
    /// Its first bytes, at most 16 KiB.
    pub text: Vec<u8>,
    /// BLAKE3 of all its bytes.
    pub digest: [u8; 32],
}

/// Reads the ranges. One that cannot be read any more is missing from the answer.
#[must_use]
pub fn read(bundle: &Bundle, limits: &Limits, ranges: &Ranges) -> BTreeMap<(String, u64, u32), Quoted> {
    let mut reader = Reader { ranges, found: BTreeMap::new() };
    for member in &bundle.members {
        let inside = format!("{}!/", member.path);
        if ranges.keys().any(|path| *path == member.path || path.starts_with(&inside)) {
            revisit(member, limits, &mut reader);
        }
    }
    reader.found
}

struct Reader<'r> {
    ranges: &'r Ranges,
    found: BTreeMap<(String, u64, u32), Quoted>,
}

impl Visitor for Reader<'_> {
    fn wants(&mut self, path: &str) -> bool {
        self.ranges.contains_key(path)
    }

    fn file(&mut self, path: &str, content: Content<'_>) {
        let Some(ranges) = self.ranges.get(path) else { return };
        let mut open: Vec<Open> = ranges.iter().map(|&range| Open::new(range)).collect();
        open.sort_by_key(|o| o.range);
        open.dedup_by_key(|o| o.range);
        match content {
            Content::Whole(bytes) => feed(&mut open, 0, &mut 1, bytes),
            Content::Stream(input) => {
                let mut buffer = vec![0; 1 << 20];
                let (mut offset, mut line) = (0, 1);
                let last = open.iter().map(|o| o.range.0 + u64::from(o.range.1)).max().unwrap_or(0);
                while offset < last {
                    let Ok(n @ 1..) = input.read(&mut buffer) else { break };
                    feed(&mut open, offset, &mut line, &buffer[..n]);
                    offset += n as u64;
                }
            }
        }
        for o in open {
            if o.seen == u64::from(o.range.1) && o.line > 0 {
                let quoted = Quoted { line: o.line, text: o.text, digest: *o.hasher.finalize().as_bytes() };
                self.found.insert((path.to_owned(), o.range.0, o.range.1), quoted);
            }
        }
    }

    fn trouble(&mut self, _: &str, _: Reason) {}
}

struct Open {
    range: (u64, u32),
    line: u64,
    seen: u64,
    text: Vec<u8>,
    hasher: blake3::Hasher,
}

impl Open {
    fn new(range: (u64, u32)) -> Self {
        Self { range, line: 0, seen: 0, text: Vec::new(), hasher: blake3::Hasher::new() }
    }
}

/// Gives a run of the file's bytes to every range that it touches. `line` is the number of the line at `offset`; ranges
/// are sorted, so that every line end is counted once.
fn feed(open: &mut [Open], offset: u64, line: &mut u64, bytes: &[u8]) {
    let end = offset + bytes.len() as u64;
    let mut counted = 0;
    for o in open.iter_mut() {
        let (start, stop) = (o.range.0.max(offset), (o.range.0 + u64::from(o.range.1)).min(end));
        if o.range.0 >= offset && o.range.0 < end {
            let at = (o.range.0 - offset) as usize;
            *line += newlines(&bytes[counted..at]);
            counted = at;
            o.line = *line;
        }
        if start >= stop {
            continue;
        }
        let part = &bytes[(start - offset) as usize..(stop - offset) as usize];
        o.hasher.update(part);
        o.seen += part.len() as u64;
        o.text.extend_from_slice(&part[..part.len().min(TEXT.saturating_sub(o.text.len()))]);
    }
    *line += newlines(&bytes[counted..]);
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_bytes_whole_or_in_pieces() {
        let bytes: Vec<u8> = (0..500).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        let at = bytes.windows(9).position(|w| w == b"line 250\n").unwrap_or(0) as u64;
        for size in [bytes.len(), 7, 64] {
            let mut open = vec![Open::new((0, 6)), Open::new((at, 8)), Open::new((at, 30))];
            let (mut offset, mut line) = (0, 1);
            for piece in bytes.chunks(size) {
                feed(&mut open, offset, &mut line, piece);
                offset += piece.len() as u64;
            }
            assert_eq!(open.iter().map(|o| o.line).collect::<Vec<_>>(), [1, 251, 251], "pieces of {size}");
            assert_eq!(open[1].text, b"line 250");
            assert_eq!(open[2].seen, 30);
            assert_eq!(open[1].hasher.finalize(), blake3::hash(b"line 250"));
        }
    }
}
