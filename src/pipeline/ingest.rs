//! Phase one: files to tables, on all cores.
//!
//! Every file of the bundle is recognised by its head, cut into pieces at record borders, and each piece is parsed by
//! one thread into tables of its own. Files in memory are cut up front; a compressed stream is cut as it comes, and the
//! thread that expands it helps parsing when it is too far ahead, so that no more than a few pieces wait.

use crate::bundle::unpack::{Visitor, visit};
use crate::bundle::{Bundle, Content, Limits, Member, cut, glob, hints};
use crate::correlate::intake::{Intake, Listening};
use crate::formats::{self, Match, Parser};
use crate::model::merge::merge;
use crate::model::record::Reason;
use crate::model::source::{Chunk, Evidence, FileId, Head, Hints};
use crate::model::tables::{Quarantine, SourceFile, Tables};
use crate::pipeline::memory::Memory;
use crate::pipeline::progress::Progress;
use crate::pipeline::sides::{Side, sides};
use crate::pipeline::zone::Zone;
use anyhow::{Context, Result, ensure};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::io::Read;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much of a file is looked at to recognise it.
pub(super) const HEAD: usize = 64 << 10;
/// How much of a stream is held for a parser that reads it in order.
const FLOW: u64 = 1 << 20;
/// A stream's pieces that wait to be parsed, for each thread.
const WAITING: usize = 2;

/// How files are read.
pub struct Reading<'a> {
    /// What intake listens for.
    pub listening: &'a Listening,
    /// Limits of expansion.
    pub limits: Limits,
    /// Zone of times without one.
    pub zone: Zone,
    /// What is read, and what its maker says about it.
    pub bundle: &'a Bundle,
    /// Formats that were asked for, by patterns of paths.
    pub formats: &'a [AskedFormat],
    /// Told as work gets done.
    pub progress: &'a Progress,
    /// Where rows go.
    pub memory: &'a Memory,
}

/// A format that files are to be read as, whatever they look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedFormat {
    /// Name of the format: `text-log`.
    pub format: String,
    /// Pattern of paths.
    pub pattern: String,
}

impl AskedFormat {
    /// Reads `FORMAT=GLOB`.
    ///
    /// # Errors
    /// If there is no such format, or no pattern.
    pub fn parse(text: &str) -> Result<Self> {
        let (format, pattern) =
            text.split_once('=').filter(|(_, pattern)| !pattern.is_empty()).with_context(|| format!("{text:?} is not FORMAT=GLOB"))?;
        ensure!(formats::is_known(format), "there is no format {format:?}: give one of {}", formats::names().join(", "));
        Ok(Self { format: format.to_owned(), pattern: pattern.to_owned() })
    }
}

/// Reads the whole bundle.
#[must_use]
pub fn ingest(reading: &Reading<'_>) -> Tables {
    merged(files(reading), reading.bundle)
}

/// Reads the whole bundle; if it holds two environments or phases, what is asked about and what it is compared with.
#[must_use]
pub fn ingest_sides(reading: &Reading<'_>) -> (Tables, Option<Tables>) {
    let files = files(reading);
    let Some(sides) = sides(&files) else { return (merged(files, reading.bundle), None) };
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for (file, side) in files.into_iter().zip(sides) {
        match side {
            Side::Here => here.push(file),
            Side::There => there.push(file),
            Side::Elsewhere => here.push(listed(&file, "another environment")),
        }
    }
    (merged(here, reading.bundle), Some(merged(there, &Bundle::default())))
}

/// The segments of every file, in the order of their paths.
fn files(reading: &Reading<'_>) -> Vec<Segments> {
    let parts: Vec<Vec<Segments>> = reading.bundle.members.par_iter().map(|member| read(member, reading)).collect();
    let mut files: Vec<Segments> = parts.into_iter().flatten().collect();
    files.sort_by(|a, b| path(a).cmp(path(b)));
    files
}

/// One set of tables. A file whose content was already read under a path before it in order is listed, not counted again.
fn merged(mut files: Vec<Segments>, bundle: &Bundle) -> Tables {
    let mut seen = BTreeSet::new();
    for file in &mut files {
        let about = file.first().and_then(|first| first.files.first());
        if about.is_some_and(|f| f.bytes > 0 && f.trouble.is_none() && !seen.insert(f.digest)) {
            *file = listed(file, "copy of another file");
        }
    }
    files.extend(bundle.trouble.iter().map(|(path, _)| unread(path, Reason::Unreadable)));
    merge(files)
}

/// The file without its rows, and why.
fn listed(file: &Segments, why: &str) -> Segments {
    let about = file.iter().flat_map(|segment| &segment.files);
    let files = about.map(|f| SourceFile { format: format!("{why} ({})", f.format), records: 0, ..f.clone() }).collect();
    vec![Tables { files, ..Tables::default() }]
}

/// The segments of one file; the first also tells of the file itself.
pub(super) type Segments = Vec<Tables>;

pub(super) fn path(segments: &Segments) -> &str {
    segments.first().and_then(|first| first.files.first()).map_or("", |file| &file.path)
}

fn unread(path: &str, reason: Reason) -> Segments {
    let file = SourceFile { path: path.to_owned(), trouble: Some(reason), ..SourceFile::default() };
    vec![Tables { files: vec![file], quarantine: vec![Quarantine { reason, evidence: Evidence::default() }], ..Tables::default() }]
}

fn read(member: &Member, reading: &Reading<'_>) -> Vec<Segments> {
    let mut reader = Reader { reading, read: Vec::new() };
    visit(member, &reading.limits, &mut reader);
    reading.progress.file(member.bytes);
    reader.read
}

struct Reader<'r> {
    reading: &'r Reading<'r>,
    read: Vec<Segments>,
}

impl Visitor for Reader<'_> {
    fn file(&mut self, path: &str, content: Content<'_>) {
        self.read.push(match content {
            Content::Whole(bytes) => self.reading.whole(path, bytes, &|_| ()),
            Content::Mapped(map) => self.reading.whole(path, map, &|range| map.release(range)),
            Content::Stream(input) => self.reading.stream(path, input),
        });
    }

    fn trouble(&mut self, path: &str, reason: Reason) {
        let known = self.read.iter_mut().rev().find(|segments| self::path(segments) == path);
        match known.and_then(|segments| segments.first_mut()) {
            Some(tables) => {
                let end = tables.files.first().map_or(0, |file| file.bytes);
                tables.quarantine.push(Quarantine { reason, evidence: Evidence::new(FileId(0), end, 0) });
                if let Some(file) = tables.files.first_mut() {
                    file.trouble = Some(reason);
                }
            }
            None => self.read.push(unread(path, reason)),
        }
    }
}

impl Reading<'_> {
    /// Reads bytes in memory; `done` is told of every range that is not needed any more.
    fn whole(&self, path: &str, bytes: &[u8], done: &(dyn Fn(Range<usize>) + Sync)) -> Segments {
        let zeros = bytes.chunks_exact(HEAD).take_while(|block| is_zero(block)).count() * HEAD;
        let mark = zeros + byte_order_mark(&bytes[zeros..]);
        let head = &bytes[mark..bytes.len().min(mark + HEAD)];
        let hints = self.hints(path, head);
        let file = SourceFile { path: path.to_owned(), bytes: bytes.len() as u64, ..SourceFile::default() };
        let head = Head { path, bytes: head, whole: bytes.len() <= HEAD };
        let Some(found) = self.recognise(&head) else { return unrecognised(file, head.bytes, digest(bytes, done)) };
        let pieces = cut::pieces(&bytes[mark..], found.parser.framing(), cut::PIECE);
        let (parts, digest) = rayon::join(
            || {
                let parse = |piece: Range<usize>| {
                    let range = mark + piece.start..mark + piece.end;
                    let part = self.piece(&found.parser, range.start as u64, &bytes[range.clone()], &hints);
                    done(range);
                    part
                };
                pieces.into_par_iter().map(parse).collect::<Vec<_>>()
            },
            || digest(bytes, done),
        );
        about(SourceFile { format: found.label, digest, ..file }, parts)
    }

    fn stream(&self, path: &str, input: &mut dyn Read) -> Segments {
        let mut input = Hashed { inner: input, hasher: blake3::Hasher::new(), bytes: 0 };
        let mut held = Vec::with_capacity(HEAD);
        let _ = input.by_ref().take(HEAD as u64).read_to_end(&mut held);
        let mut zeros = 0;
        while held.len() == HEAD && is_zero(&held) {
            zeros += HEAD;
            held.clear();
            let _ = input.by_ref().take(HEAD as u64).read_to_end(&mut held);
        }
        let mark = byte_order_mark(&held);
        held.drain(..mark);
        let mark = zeros + mark;
        let hints = self.hints(path, &held);
        let file = SourceFile { path: path.to_owned(), ..SourceFile::default() };
        let found = self.recognise(&Head { path, bytes: &held, whole: held.len() < HEAD });
        let Some(found) = found else {
            let head = held.clone();
            let _ = std::io::copy(&mut input, &mut std::io::sink());
            return unrecognised(SourceFile { bytes: input.bytes, ..file }, &head, *input.hasher.finalize().as_bytes());
        };
        let parts = match found.parser.framing() {
            crate::model::source::Framing::Whole if matches!(found.parser, Parser::Flow(_)) => {
                vec![self.flow(&found.parser, held, &mut input, mark as u64, &hints)]
            }
            crate::model::source::Framing::Whole => {
                let read = input.by_ref().take(self.limits.whole).read_to_end(&mut held);
                let mut part = self.piece(&found.parser, mark as u64, &held, &hints);
                if read.is_err() || held.len() as u64 >= self.limits.whole {
                    part.0.quarantine.push(Quarantine { reason: Reason::TooLong, evidence: Evidence::new(FileId(0), (mark + held.len()) as u64, 0) });
                }
                vec![part]
            }
            framing => self.pieces_of(&found.parser, cut::Pieces::new(&mut input, held, framing, cut::PIECE), mark as u64, &hints),
        };
        about(SourceFile { format: found.label, bytes: input.bytes, digest: *input.hasher.finalize().as_bytes(), ..file }, parts)
    }

    /// Hands a stream over piece by piece to a parser that needs no more of it at a time.
    fn flow(&self, parser: &Parser, mut piece: Vec<u8>, input: &mut dyn Read, base: u64, hints: &Hints) -> (Tables, u64) {
        let mut intake = Intake::new(self.listening, hints);
        let Parser::Flow(begin) = parser else { return intake.finish() };
        let (mut flow, mut bytes) = (begin(), 0_usize);
        while !piece.is_empty() {
            flow.feed(&piece);
            self.progress.parsed(piece.len());
            bytes += piece.len();
            piece.clear();
            let _ = input.take(FLOW).read_to_end(&mut piece);
        }
        flow.finish(Evidence::new(FileId(0), base, bytes), &mut intake);
        self.admitted(intake)
    }

    fn admitted(&self, intake: Intake<'_>) -> (Tables, u64) {
        let (mut part, records) = intake.finish();
        self.memory.admit(&mut part);
        (part, records)
    }

    /// Parses the pieces of a stream on other threads while this one goes on reading it.
    fn pieces_of(&self, parser: &Parser, mut pieces: cut::Pieces<'_, '_>, base: u64, hints: &Hints) -> Vec<(Tables, u64)> {
        let done = Mutex::new(Vec::new());
        let waiting = AtomicUsize::new(0);
        let most = WAITING * rayon::current_num_threads();
        rayon::in_place_scope(|scope| {
            while let Some((offset, piece)) = pieces.next_piece() {
                while waiting.load(Ordering::Acquire) >= most {
                    if rayon::yield_now() != Some(rayon::Yield::Executed) {
                        std::thread::yield_now();
                    }
                }
                waiting.fetch_add(1, Ordering::AcqRel);
                let (done, waiting) = (&done, &waiting);
                scope.spawn(move |_| {
                    let part = self.piece(parser, base + offset, &piece, hints);
                    done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((offset, part));
                    waiting.fetch_sub(1, Ordering::AcqRel);
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        done.sort_by_key(|(offset, _)| *offset);
        done.into_iter().map(|(_, part)| part).collect()
    }

    fn piece(&self, parser: &Parser, base: u64, bytes: &[u8], hints: &Hints) -> (Tables, u64) {
        let mut intake = Intake::new(self.listening, hints);
        parser.parse(&Chunk { file: FileId(0), base, bytes, hints }, &mut intake);
        self.progress.parsed(bytes.len());
        self.admitted(intake)
    }

    /// The format that was asked for, else the one that the content looks like.
    #[must_use]
    pub fn recognise(&self, head: &Head<'_>) -> Option<Match> {
        let asked = self.formats.iter().rev().find(|asked| glob::matches(&asked.pattern, head.path)).map(|asked| asked.format.clone());
        let asked = asked.unwrap_or_else(|| self.bundle.note(head.path).format);
        formats::forced(&asked, head).or_else(|| formats::recognise(head))
    }

    /// What path and notes say about a file, and which zone its times are in.
    #[must_use]
    pub fn hints(&self, path: &str, head: &[u8]) -> Hints {
        let note = self.bundle.note(path);
        let zone = Some(note.zone).filter(|zone| !zone.is_empty()).and_then(|zone| Zone::parse(&zone).ok());
        let of_path = hints::of_path(path);
        Hints {
            zone: zone.as_ref().unwrap_or(&self.zone).offset_for(head),
            service: if note.service.is_empty() { of_path.service } else { note.service },
            instance: if note.instance.is_empty() { of_path.instance } else { note.instance },
            ..Hints::default()
        }
    }
}

fn about(mut file: SourceFile, parts: Vec<(Tables, u64)>) -> Segments {
    for (part, records) in &parts {
        file.records += records;
        file.window.join(part.window);
    }
    let mut segments: Segments = parts.into_iter().map(|(part, _)| part).collect();
    match segments.first_mut() {
        Some(first) => first.files = vec![file],
        None => segments.push(Tables { files: vec![file], ..Tables::default() }),
    }
    segments
}

fn unrecognised(file: SourceFile, head: &[u8], digest: [u8; 32]) -> Segments {
    let known = formats::unsupported(head);
    let reason = if known.is_some() { Reason::Unsupported } else { Reason::Unrecognised };
    let length = usize::try_from(file.bytes).unwrap_or(usize::MAX);
    let quarantine = if length == 0 { Vec::new() } else { vec![Quarantine { reason, evidence: Evidence::new(FileId(0), 0, length) }] };
    let file = SourceFile { format: known.unwrap_or_default().to_owned(), digest, ..file };
    vec![Tables { files: vec![file], quarantine, ..Tables::default() }]
}

pub(super) fn byte_order_mark(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }
}

/// A log that was truncated while its writer went on at the old offset begins with zeros, often megabytes of them. They
/// are passed over by whole heads.
pub(super) fn is_zero(block: &[u8]) -> bool {
    block.iter().all(|&b| b == 0)
}

/// Large files are worth a tree of hashes on all cores.
fn digest(bytes: &[u8], done: &(dyn Fn(Range<usize>) + Sync)) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let mut at = 0;
    for part in bytes.chunks(cut::PIECE) {
        if part.len() > 1 << 20 {
            hasher.update_rayon(part)
        } else {
            hasher.update(part)
        };
        done(at..at + part.len());
        at += part.len();
    }
    *hasher.finalize().as_bytes()
}

/// Digests and counts what is read.
struct Hashed<'r> {
    inner: &'r mut dyn Read,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
}
