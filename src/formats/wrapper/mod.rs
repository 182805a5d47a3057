//! Lines around lines: what a container runtime or its tools have put before each line of an application.
//!
//! ```text
//! 2026-11-22T19:37:48.015123456Z stdout F {"@timestamp":"2026-11-22T19:36:07.043Z","message":"accepted"}
//! {"log":"2026-11-22T19:37:48.008Z  INFO 12 --- [main] c.a.Orders : accepted\n","stream":"stdout","time":"2026-11-22T19:37:48.015123456Z"}
//! web-1  | 2024-04-25T05:32:35.584725130Z  * Debug mode: on
//! ```
//!
//! Each source (stdout, stderr, a pod, a compose service) is put together from its lines and read by the format that it
//! is recognised as, wrappers again included. Evidence always is the wrapper's own lines. Within a chunk one source is
//! read after the other, so that a line of one does not cut a stack trace of another. What this file does not do: read
//! journald, syslog or what log shippers write; those are records, not wrappers.

mod inner;
mod peel;

use crate::formats::lines::LineStream;
use crate::formats::{Confidence, FORMATS, Format, Match, Parser};
use crate::model::record::{Reason, Sink};
use crate::model::source::{Chunk, Head, Starts};
use inner::{Inner, Rewrap};
use peel::{Peeled, SHAPES, Shape};

/// Recognises wrapped lines.
pub const FORMAT: Format = Format { name: "wrapper", sniff };

/// Wrappers inside wrappers are peeled this often.
const DEEPEST: u8 = 4;
/// So many lines decide on the wrapper.
const LINES: usize = 200;
/// So many sources are kept apart; the lines of all further ones are read together.
const SOURCES: usize = 64;

/// Lines in a wrapper.
pub struct Wrapped {
    shape: Shape,
    /// The sources of the head, the one with most bytes first.
    sources: Vec<Source>,
    /// Reads sources that the head did not show, and those that were not recognised.
    plain: LineStream,
}

struct Source {
    name: Vec<u8>,
    parser: Parser,
}

impl Wrapped {
    /// Whether the wrapper's lines may be cut before `line`: the line before is whole, and the same source begins a record.
    #[must_use]
    pub fn starts(&self, line: &[u8], previous: &[u8]) -> bool {
        let (Some(now), Some(before)) = (self.shape.peel(line), self.shape.peel(previous)) else { return false };
        if !before.whole || now.source != before.source {
            return false;
        }
        let (now_text, before_text) = (text(&now), text(&before));
        match self.source(now.source).map(|source| &source.parser) {
            Some(Parser::Lines(stream)) => stream.starts(&now_text, &before_text),
            Some(Parser::Wrapped(wrapped)) => wrapped.starts(&now_text, &before_text),
            _ => now_text.first().is_some_and(|b| !b.is_ascii_whitespace()),
        }
    }

    /// Reads every record of the chunk.
    pub fn parse(&self, chunk: &Chunk<'_>, sink: &mut dyn Sink) {
        let sources = self.sort_out(chunk.bytes, &mut |start, line, ended| {
            let reason = if ended { Reason::Malformed } else { Reason::Truncated };
            sink.quarantine(chunk.evidence(start, line.len()), reason);
        });
        for (name, inner) in sources {
            let (service, instance) = self.names(name);
            let inner_chunk = Chunk { base: 0, bytes: &inner.bytes, ..*chunk };
            let mut rewrap = Rewrap { chunk, shape: self.shape, inner: &inner, service: &service, instance, sink, near: 0 };
            match self.source(name) {
                Some(source) => source.parser.parse(&inner_chunk, &mut rewrap),
                None => self.plain.parse(&inner_chunk, &mut rewrap),
            }
            inner.done();
        }
    }

    /// The inner lines of every source, in the order in which the sources appear. Lines that follow another grammar go to
    /// `other`: where they begin, what they hold, and whether they have an end.
    fn sort_out<'a>(&self, bytes: &'a [u8], other: &mut dyn FnMut(usize, &[u8], bool)) -> Vec<(&'a [u8], Inner)> {
        let mut sources: Vec<(&[u8], Inner)> = Vec::new();
        let mut near = 0;
        for (start, line, ended) in lines(bytes) {
            let Some(peeled) = self.shape.peel(line) else {
                other(start, line, ended);
                continue;
            };
            if sources.get(near).is_none_or(|source| source.0 != peeled.source) {
                near = sources.iter().position(|source| source.0 == peeled.source).unwrap_or(sources.len()).min(SOURCES);
                if near == sources.len() {
                    sources.push((if near < SOURCES { peeled.source } else { b"" }, Inner::reused()));
                }
            }
            if let Some((_, inner)) = sources.get_mut(near) {
                inner.append(&peeled, line, start);
            }
        }
        sources
    }

    fn source(&self, name: &[u8]) -> Option<&Source> {
        self.sources.iter().find(|source| source.name == name)
    }

    /// Service and instance that a source's name gives.
    fn names<'a>(&self, name: &'a [u8]) -> (String, &'a str) {
        let name = std::str::from_utf8(name).unwrap_or_default();
        match self.shape {
            Shape::Cri | Shape::Docker | Shape::Timestamps => (String::new(), ""),
            Shape::Kubectl => {
                let (pod, container) = name.split_once('/').unwrap_or((name, name));
                (workload(pod).unwrap_or(container).to_owned(), pod)
            }
            Shape::Compose => (name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['-', '_']).to_owned(), name),
        }
    }
}

/// The workload of a pod by its name: without the hash and suffix of a ReplicaSet, the suffix of a DaemonSet or Job, or
/// the number of a StatefulSet. None if the name ends in none of these.
fn workload(pod: &str) -> Option<&str> {
    let suffix = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let hash = |text: &str| (8..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let (rest, last) = pod.rsplit_once('-')?;
    if !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()) {
        return Some(rest);
    }
    if !suffix(last) {
        return None;
    }
    // Kubernetes leaves vowels out of what it makes up, so a word is not taken for a hash.
    let made_up = |text: &str| text.bytes().any(|b| b.is_ascii_digit()) || !text.bytes().any(|b| b"aeiou".contains(&b));
    match rest.rsplit_once('-') {
        Some((name, middle)) if hash(middle) && made_up(middle) => Some(name),
        _ => made_up(last).then_some(rest),
    }
}

/// The text of a peeled line, without its end.
fn text(peeled: &Peeled<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    peeled.text.append(&mut text);
    let len = text.trim_ascii_end().len();
    text.truncate(len);
    text
}

/// The lines that are not empty: where they begin, what they hold, and whether they have an end.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8], bool)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let start = at;
            let end = memchr::memchr(b'\n', &bytes[at..]).map(|n| at + n);
            at = end.map_or(bytes.len(), |n| n + 1);
            let line = &bytes[start..end.unwrap_or(bytes.len())];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                return Some((start, line, end.is_some()));
            }
        }
        None
    })
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    claim(head, 0)
}

fn claim(head: &Head<'_>, depth: u8) -> Option<Match> {
    if depth == DEEPEST {
        return None;
    }
    // The last line of a head is usually cut.
    let whole = if head.whole { head.bytes.len() } else { memchr::memrchr(b'\n', head.bytes).map_or(head.bytes.len(), |n| n + 1) };
    let bytes = &head.bytes[..whole];
    let shape = SHAPES.into_iter().find(|shape| most(bytes, *shape))?;
    let mut wrapped = Wrapped { shape, sources: Vec::new(), plain: LineStream::new(super::free_text()) };
    let mut inners = wrapped.sort_out(bytes, &mut |_, _, _| {});
    // Sources that say most come first; of equals the earlier.
    inners.sort_by_key(|(_, inner)| std::cmp::Reverse(inner.bytes.len()));
    let (mut label, mut sure) = (None, 0);
    for (name, inner) in &inners {
        let found = recognise(&Head { bytes: &inner.bytes, ..*head }, depth + 1);
        let found = found.filter(|found| matches!(found.parser, Parser::Lines(_) | Parser::Wrapped(_)));
        if let Some(Match { confidence, label: inner_label, parser }) = found {
            sure = sure.max(confidence);
            label.get_or_insert(inner_label);
            wrapped.sources.push(Source { name: name.to_vec(), parser });
        }
    }
    let confidence = confidence(shape, sure, &inners)?;
    let label = format!("{}+{}", shape.name(), label.as_deref().unwrap_or("text"));
    Some(Match { confidence, label, parser: Parser::Wrapped(wrapped) })
}

/// Bars and times stand at the start of other lines too; there what is inside, or the names, have to speak for a wrapper.
fn confidence(shape: Shape, inner: Confidence, sources: &[(&[u8], Inner)]) -> Option<Confidence> {
    let numbered = |name: &[u8]| name.last().is_some_and(u8::is_ascii_digit) && name.iter().any(|b| matches!(b, b'-' | b'_'));
    match shape {
        Shape::Cri | Shape::Docker | Shape::Kubectl => Some(95),
        Shape::Compose if inner >= 60 || sources.iter().all(|(name, _)| numbered(name)) => Some(85),
        Shape::Timestamps if inner >= 60 => Some(85),
        Shape::Compose | Shape::Timestamps => None,
    }
}

/// Whether nine of ten lines follow the wrapper's grammar.
fn most(bytes: &[u8], shape: Shape) -> bool {
    let (mut good, mut all) = (0, 0);
    for (_, line, _) in lines(bytes).take(LINES) {
        all += 1;
        good += usize::from(shape.peel(line).is_some());
    }
    good > 0 && good * 10 >= all * 9
}

fn recognise(head: &Head<'_>, depth: u8) -> Option<Match> {
    let formats = FORMATS.iter().filter(|format| format.name != FORMAT.name).filter_map(|format| (format.sniff)(head));
    let mut best = claim(head, depth);
    for found in formats {
        if best.as_ref().is_none_or(|best| found.confidence > best.confidence) {
            best = Some(found);
        }
    }
    best
}

#[cfg(test)]
mod tests;
