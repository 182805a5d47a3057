//! Any bytes cut in memory and as a stream: both lose nothing and leave no gap, whatever the framing.
#![no_main]

use analyze::bundle::cut::{Pieces, pieces};
use analyze::model::source::{Framing, Starts};
use libfuzzer_sys::fuzz_target;

/// Records begin with a greater-than sign, or after an empty line.
struct Greater;

impl Starts for Greater {
    fn starts(&self, line: &[u8], previous: &[u8]) -> bool {
        line.first() == Some(&b'>') || previous.is_empty()
    }
}

/// A length in one byte, which may lie.
fn frame(bytes: &[u8]) -> Option<usize> {
    bytes.first().map(|&length| usize::from(length) + 1)
}

fuzz_target!(|input: (u8, u16, u16, &[u8])| {
    let (kind, size, held, bytes) = input;
    let framing = || match kind % 3 {
        0 => Framing::Lines(&Greater),
        1 => Framing::Frames(frame),
        _ => Framing::Whole,
    };
    let size = usize::from(size).max(1);
    let mut end = 0;
    for piece in pieces(bytes, framing(), size) {
        assert!(piece.start == end && piece.end > piece.start);
        end = piece.end;
    }
    assert_eq!(end, bytes.len());
    let (held, mut rest) = bytes.split_at(usize::from(held).min(bytes.len()));
    let mut stream = Pieces::new(&mut rest, held.to_vec(), framing(), size);
    let mut end = 0;
    while let Some((offset, piece)) = stream.next_piece() {
        assert_eq!(offset as usize, end);
        assert_eq!(bytes[end..end + piece.len()], piece);
        end += piece.len();
    }
    assert_eq!(end, bytes.len());
});
