//! The lines of one block, each with its place in the file.
//!
//! A block whose bytes are not UTF-8 arrives read as Latin-1, so that its text is longer than its bytes. Places are kept
//! in bytes of the file, that evidence points at the right lines all the same. What this file does not do: cut a stream of
//! several formats into blocks; that is `lines.rs`.

use super::lines::{Block, LineFormat, decode};
use crate::model::record::Sink;
use crate::model::source::{Chunk, Evidence};

/// Walks over the lines of a block. A clone is a bookmark, and costs nothing.
#[derive(Clone, Debug)]
pub struct BlockLines<'a> {
    text: &'a str,
    /// Offset of the next line in the text.
    at: usize,
    /// Offset of the next line in the bytes.
    byte: usize,
    latin1: bool,
}

/// One line, without its end.
#[derive(Clone, Copy, Debug)]
pub struct BlockLine<'a> {
    /// The line.
    pub text: &'a str,
    /// Offset of the line in the block's text.
    pub at: usize,
    /// Offset of the line's first byte in the block.
    pub from: usize,
    /// Offset after the line's last byte in the block.
    pub to: usize,
}

impl<'a> BlockLines<'a> {
    /// From the first line of the block on.
    #[must_use]
    pub fn of(block: &Block<'a>) -> Self {
        Self { text: block.text, at: 0, byte: 0, latin1: block.text.len() != block.evidence.len as usize }
    }
}

impl<'a> Iterator for BlockLines<'a> {
    type Item = BlockLine<'a>;

    fn next(&mut self) -> Option<BlockLine<'a>> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let taken = memchr::memchr(b'\n', rest.as_bytes()).map_or(rest.len(), |n| n + 1);
        let line = rest.get(..taken)?;
        let text = line.strip_suffix('\n').unwrap_or(line);
        let text = text.strip_suffix('\r').unwrap_or(text);
        let width = |text: &str| if self.latin1 { text.chars().count() } else { text.len() };
        let found = BlockLine { text, at: self.at, from: self.byte, to: self.byte + width(text) };
        self.byte += width(line);
        self.at += taken;
        Some(found)
    }
}

impl BlockLine<'_> {
    /// Whether there is nothing to read.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.text.trim_ascii().is_empty()
    }

    /// Offset after the line in the block's text.
    #[must_use]
    pub fn end(&self) -> usize {
        self.at + self.text.len()
    }
}

/// Evidence from the first byte of one line to the last byte of another.
#[must_use]
pub fn evidence(block: &Block<'_>, from: usize, to: usize) -> Evidence {
    block.part(from, to.saturating_sub(from))
}

/// The part of a block from one line to another, as a block of its own.
#[must_use]
pub fn cut<'a>(block: &Block<'a>, first: &BlockLine<'a>, last: &BlockLine<'a>) -> Block<'a> {
    let text = block.text.get(first.at..last.end()).unwrap_or_default();
    Block { text, evidence: evidence(block, first.from, last.to), hints: block.hints }
}

/// Hands a file that is held as a whole to a format, record by record: dumps may be longer than a record of a stream is.
pub fn records(chunk: &Chunk<'_>, format: &dyn LineFormat, sink: &mut dyn Sink) {
    let mut record = |from: usize, to: usize| {
        let bytes = chunk.bytes.get(from..to).unwrap_or_default().trim_ascii_end();
        if !bytes.is_empty() {
            format.record(&Block { text: &decode(bytes), evidence: chunk.evidence(from, bytes.len()), hints: chunk.hints }, sink);
        }
    };
    let (mut from, mut at, mut previous) = (0, 0, &b""[..]);
    for line in chunk.bytes.split_inclusive(|&b| b == b'\n') {
        let text = line.trim_ascii_end();
        if at > from && format.starts(text, previous) {
            record(from, at);
            from = at;
        }
        previous = text;
        at += line.len();
    }
    record(from, at);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::source::{FileId, Hints};

    #[test]
    fn places_are_bytes_of_the_file() {
        let hints = Hints::default();
        let text = "a\u{e9}\r\nbb\n\ncc";
        let latin1 = Block { text, evidence: Evidence::new(FileId(0), 100, text.chars().count()), hints: &hints };
        let utf8 = Block { evidence: Evidence::new(FileId(0), 100, text.len()), ..latin1 };
        let places = |block: &Block<'_>| BlockLines::of(block).map(|line| (line.from, line.to)).collect::<Vec<_>>();
        assert_eq!(places(&latin1), [(0, 2), (4, 6), (7, 7), (8, 10)]);
        assert_eq!(places(&utf8), [(0, 3), (5, 7), (8, 8), (9, 11)]);
        let lines: Vec<_> = BlockLines::of(&utf8).collect();
        let part = cut(&utf8, &lines[1], &lines[3]);
        assert_eq!((part.text, part.evidence), ("bb\n\ncc", Evidence::new(FileId(0), 105, 6)));
    }
}
