//! What tests of formats share: bytes through a parser, and what it then says.

use crate::formats::lines::{LineFormat, LineStream};
use crate::formats::{Format, ParseFn, recognise};
use crate::model::source::{Chunk, FileId, Head, Hints};
use crate::model::transcript::Transcript;

/// What a parser says of a whole file.
pub(crate) fn read(parse: ParseFn, bytes: &[u8]) -> Transcript {
    let mut transcript = Transcript::default();
    parse(&Chunk { file: FileId(0), base: 0, bytes, hints: &Hints::default() }, &mut transcript);
    transcript
}

/// The records and quarantine of a transcript without their places.
pub(crate) fn placeless(transcript: &Transcript) -> Vec<String> {
    let placeless = |line: &str| line.split(' ').filter(|word| !word.starts_with('@')).collect::<Vec<_>>().join(" ");
    transcript.text.lines().map(placeless).collect()
}

/// What a file is recognised as, and what it then says.
pub(crate) fn recognised(text: &str) -> Option<(String, Transcript)> {
    let found = recognise(&Head { path: "", bytes: text.as_bytes(), whole: true })?;
    let mut transcript = Transcript::default();
    found.parser.parse(&Chunk { file: FileId(0), base: 0, bytes: text.as_bytes(), hints: &Hints::default() }, &mut transcript);
    Some((found.label, transcript))
}

/// What one format takes a file for and what it says, or `none`; nothing of it may be lost or break at any cut.
pub(crate) fn told(format: Format, text: &str) -> String {
    let sniffed = |bytes: &[u8]| (format.sniff)(&Head { path: "", bytes, whole: true });
    let Some(found) = sniffed(text.as_bytes()) else { return "none".to_owned() };
    let parsed = |bytes: &[u8]| {
        let mut transcript = Transcript::default();
        found.parser.parse(&Chunk { file: FileId(0), base: 0, bytes, hints: &Hints::default() }, &mut transcript);
        transcript
    };
    let bytes = text.as_bytes();
    for cut in 0..bytes.len() {
        let (before, after) = bytes.split_at(cut);
        parsed(before);
        parsed(after);
        let _ = sniffed(before);
        let mut flipped = bytes.to_vec();
        flipped[cut] ^= 1 << (cut % 8);
        parsed(&flipped);
        flipped[cut] = b'\n';
        parsed(&flipped);
    }
    format!("{}\n{}", found.label, parsed(bytes).text)
}

/// What a stream of lines in one format says.
pub(crate) fn stream(format: Box<dyn LineFormat>, bytes: &[u8]) -> Transcript {
    let stream = LineStream::new(format);
    let mut transcript = Transcript::default();
    stream.parse(&Chunk { file: FileId(0), base: 0, bytes, hints: &Hints::default() }, &mut transcript);
    transcript
}

/// Hands over the bytes cut at every place, from either side, and with some of them flipped: nothing of it may fail.
pub(crate) fn worn(bytes: &[u8], read: impl Fn(&[u8]) -> Transcript) {
    for at in 0..=bytes.len() {
        read(&bytes[..at]);
        read(&bytes[at..]);
    }
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) as usize
    };
    for _ in 0..500 {
        let mut flipped = bytes.to_vec();
        for _ in 0..=next() % 4 {
            let at = next() % flipped.len().max(1);
            if let Some(byte) = flipped.get_mut(at) {
                *byte ^= 1 << (next() % 8);
            }
        }
        read(&flipped);
    }
}
