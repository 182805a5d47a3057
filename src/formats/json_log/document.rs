//! JSON logs whose objects are not one a line: pretty-printed, in an array, or one after the other without a line end.
//!
//! ```text
//! [                          {"instant":{…},"level":"INFO"}{"instant":{…},"level":"WARN"}
//! {
//!   "thread" : "main",
//! }
//! , {
//! ```
//!
//! The closing bracket of the array is missing after a crash, and the last object may be cut. After an object that is
//! broken the next line that begins with an object at the same depth is taken up. What this file does not do: look
//! inside the objects.

use crate::formats::Match;
use crate::formats::json_log::layout::{Layout, Votes};
use crate::formats::json_log::scan::{Broken, Cursor};
use crate::formats::json_log::{probe, read};
use crate::formats::lines::LONGEST_RECORD;
use crate::model::record::{Reason, Sink};
use crate::model::source::{Chunk, Evidence, Hints};

/// What may stand between two objects.
const BETWEEN: [char; 8] = [' ', '\t', '\r', '\n', ',', '[', ']', '\u{feff}'];
/// So many objects of the head are looked at.
const OBJECTS: usize = 20;

/// Recognises a document by its first objects.
pub fn sniff(head: &[u8]) -> Option<Match> {
    let text = head.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let mut votes = Votes::default();
    let mut at = 0;
    for _ in 0..OBJECTS {
        let object = text.get(at..)?.trim_start_matches(BETWEEN);
        at = text.len() - object.len();
        match object.starts_with('{').then(|| probe(object)).flatten() {
            Some(len) => {
                votes.add(Layout::of(object));
                at += len;
            }
            None => break,
        }
    }
    (votes.total() > 0).then(|| Match::whole(75, votes.label(), parse))
}

/// Reads a whole file.
pub fn parse(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    match std::str::from_utf8(chunk.bytes) {
        Ok(text) => read_all(text, &|at, len| chunk.evidence(at, len), chunk.hints, sink),
        Err(_) => read_all(&repaired(chunk.bytes), &|at, len| chunk.evidence(at, len), chunk.hints, sink),
    }
}

/// Reads object after object; `evidence` is asked for a place and a length in the text.
pub fn read_all(text: &str, evidence: &dyn Fn(usize, usize) -> Evidence, hints: &Hints, sink: &mut dyn Sink) {
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let object = rest.trim_start_matches(BETWEEN);
        at = text.len() - object.len();
        if object.is_empty() {
            return;
        }
        match object_len(object) {
            Ok(len) if read(&object[..len], "", |len| evidence(at, len), hints, sink).is_ok() => at += len,
            result => {
                let end = resume(text, at);
                let bytes = text.get(at..end).unwrap_or_default().trim_end_matches(BETWEEN).len();
                let reason = match result {
                    Err(broken) if end == text.len() => broken.reason(),
                    _ => Reason::Malformed,
                };
                sink.quarantine(evidence(at, bytes), reason);
                at = end;
            }
        }
    }
}

fn object_len(text: &str) -> Result<usize, Broken> {
    let mut window = text.len().min(LONGEST_RECORD);
    while !text.is_char_boundary(window) {
        window -= 1;
    }
    let mut cursor = Cursor::new(&text[..window]);
    if !text.starts_with('{') {
        return Err(Broken::Malformed);
    }
    cursor.item()?;
    match cursor.rest() {
        Err(Broken::Truncated) if window < text.len() => Err(Broken::TooDeep),
        Err(broken) => Err(broken),
        Ok(object) => Ok(object.len()),
    }
}

/// Where reading goes on after the broken object at `at`: the next line that is indented no more and begins with one.
fn resume(text: &str, at: usize) -> usize {
    let line = text[..at].rfind('\n').map_or(0, |n| n + 1);
    let indent = text[line..].len() - text[line..].trim_start_matches([' ', '\t']).len();
    let bytes = text.as_bytes();
    let mut from = at;
    while let Some(end) = memchr::memchr(b'\n', &bytes[from..]) {
        from += end + 1;
        let rest = &text[from..];
        let unindented = rest.trim_start_matches([' ', '\t']);
        if rest.len() - unindented.len() <= indent && unindented.trim_start_matches([',', ' ', '[']).starts_with('{') {
            return from;
        }
    }
    text.len()
}

/// The text with every byte that is not UTF-8 replaced by one byte, so that places in it stay places in the file.
fn repaired(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}
