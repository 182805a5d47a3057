//! Every captured text log of the shared corpus is recognised and read in full.

use analyze::formats::recognise;
use analyze::model::source::{Chunk, FileId, Head, Hints};
use analyze::model::transcript::Transcript;
use std::fs;

#[test]
fn show() {
    let path = std::env::var("SHOW").unwrap();
    let bytes = fs::read(&path).unwrap();
    let head = Head { path: &path, bytes: &bytes[..bytes.len().min(64 << 10)], whole: bytes.len() <= 64 << 10 };
    let hints = Hints::default();
    let mut transcript = Transcript::default();
    let Some(found) = recognise(&head) else {
        println!("== {path}: not recognised");
        return;
    };
    found.parser.parse(&Chunk { file: FileId(0), base: 0, bytes: &bytes, hints: &hints }, &mut transcript);
    println!("== {path}: {} {} records {} quarantined {}", found.label, found.confidence, transcript.records, transcript.quarantined);
    for line in transcript.text.lines().take(7) {
        println!("{}", line.chars().take(420).collect::<String>());
    }
}
