//! `analyze inspect`: how a bundle is read, file by file or record by record.
//!
//! The bundle is read twice: once as for a report, which tells copies, templates and what undated times mean, and once in
//! the order of paths and bytes to show what is in it. Nothing of the second pass is kept. What this file does not do: run
//! rules.

use crate::bundle::unpack::{Visitor, visit};
use crate::bundle::{Bundle, Content, cut};
use crate::correlate::intake::Listening;
use crate::correlate::{cluster, undated};
use crate::formats::{self, Match};
use crate::model::clusters::Clusters;
use crate::model::record::{Reason, Sink};
use crate::model::source::{Chunk, FileId, Framing, Head, Hints};
use crate::model::tables::{SourceFile, Tables};
use crate::model::time::Time;
use crate::pipeline::ingest::{self, HEAD, Reading, byte_order_mark, is_zero};
use crate::pipeline::progress::Progress;
use crate::pipeline::{Options, rule_set};
use crate::report::records::RecordWriter;
use crate::report::survey::{FileSurvey, Survey};
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::io::{Read, Write};

/// Prints every record as a line of JSON; whether there was any.
///
/// # Errors
/// If a path cannot be read, or the output breaks.
pub fn records(options: &Options, out: &mut dyn Write) -> Result<bool> {
    let first = First::read(options)?;
    first.again(options, |reading, files| {
        let mut writer = RecordWriter::new(out, !options.no_redact, &first.clusters, first.near);
        let mut walk = Walk { reading, files, show: &mut writer };
        walk.all();
        Ok(writer.finish()?)
    })?;
    Ok(first.understood())
}

/// Prints what each file was taken for and why; whether any was understood.
///
/// # Errors
/// As [`records`].
pub fn summary(options: &Options, out: &mut dyn Write) -> Result<bool> {
    let first = First::read(options)?;
    first.again(options, |reading, files| {
        let mut survey = Survey::new(out, !options.no_redact, first.near);
        let mut walk = Walk { reading, files, show: &mut survey };
        walk.all();
        Ok(survey.finish()?)
    })?;
    Ok(first.understood())
}

/// What the first pass has taught.
struct First {
    bundle: Bundle,
    listening: Listening,
    files: BTreeMap<String, SourceFile>,
    clusters: Clusters,
    near: Time,
}

impl First {
    fn read(options: &Options) -> Result<Self> {
        let listening = Listening::new(&rule_set(&options.rules)?);
        let bundle = Bundle::open(&options.bundles)?;
        ensure!(!bundle.members.is_empty(), "there is no file in it: give a directory that holds logs, traces or dumps, or an archive of them");
        let progress = Progress::new(false);
        let mut tables: Tables = ingest::ingest(&options.reading(&bundle, &listening, &progress, &options.memory()));
        let near = undated::settle(&mut tables);
        cluster::join(&mut tables);
        let files = std::mem::take(&mut tables.files).into_iter().map(|file| (file.path.clone(), file)).collect();
        Ok(Self { bundle, listening, files, clusters: std::mem::take(&mut tables.clusters), near })
    }

    fn again(&self, options: &Options, show: impl FnOnce(&Reading<'_>, &BTreeMap<String, SourceFile>) -> Result<()>) -> Result<()> {
        let progress = Progress::new(false);
        show(&options.reading(&self.bundle, &self.listening, &progress, &options.memory()), &self.files)
    }

    fn understood(&self) -> bool {
        self.files.values().any(|file| file.records > 0)
    }
}

/// Takes files and their records in order.
pub trait Show: Sink {
    /// A file begins.
    fn begin(&mut self, file: &FileSurvey, hints: &Hints);
    /// A piece of it begins.
    fn piece(&mut self, base: u64, bytes: &[u8]);
    /// It ends.
    fn end(&mut self);
}

impl Show for RecordWriter<'_> {
    fn begin(&mut self, file: &FileSurvey, hints: &Hints) {
        self.file(&file.path, hints);
    }
    fn piece(&mut self, base: u64, bytes: &[u8]) {
        Self::piece(self, base, bytes);
    }
    fn end(&mut self) {}
}

impl Show for Survey<'_> {
    fn begin(&mut self, file: &FileSurvey, hints: &Hints) {
        self.file(file, hints);
    }
    fn piece(&mut self, base: u64, bytes: &[u8]) {
        Self::piece(self, base, bytes);
    }
    fn end(&mut self) {
        self.end_file();
    }
}

/// The second pass.
struct Walk<'a, S> {
    reading: &'a Reading<'a>,
    files: &'a BTreeMap<String, SourceFile>,
    show: &'a mut S,
}

impl<S: Show> Walk<'_, S> {
    fn all(&mut self) {
        for member in &self.reading.bundle.members {
            visit(member, &self.reading.limits, self);
        }
    }

    /// A file whose first bytes are known: its records, if it is no copy of another.
    fn read(&mut self, path: &str, head: &[u8], whole: bool, pieces: impl FnOnce(&mut Self, &Match, &Hints)) {
        let head = Head { path, bytes: head, whole };
        let hints = self.reading.hints(path, head.bytes);
        let found = self.reading.recognise(&head);
        let known = self.files.get(path).cloned().unwrap_or_default();
        let copy = known.format.starts_with("copy of ");
        let claims = formats::claims(&head);
        let format = if copy { known.format } else { found.as_ref().map_or(known.format, |found| found.label.clone()) };
        let environment = self.reading.bundle.note(path).environment;
        let file = FileSurvey { path: path.to_owned(), format, claims, bytes: known.bytes, trouble: known.trouble, environment };
        self.show.begin(&file, &hints);
        match found.filter(|_| !copy) {
            Some(found) => pieces(self, &found, &hints),
            None if !copy && known.bytes > 0 => {
                let reason = if formats::unsupported(head.bytes).is_some() { Reason::Unsupported } else { Reason::Unrecognised };
                self.show.piece(0, head.bytes);
                let length = usize::try_from(known.bytes).unwrap_or(usize::MAX);
                self.show.quarantine(crate::model::source::Evidence::new(FileId(0), 0, length), reason);
            }
            None => {}
        }
        self.show.end();
    }

    fn parse(&mut self, found: &Match, hints: &Hints, base: u64, bytes: &[u8]) {
        self.show.piece(base, bytes);
        found.parser.parse(&Chunk { file: FileId(0), base, bytes, hints }, self.show);
    }

    fn in_memory(&mut self, path: &str, bytes: &[u8]) {
        let zeros = bytes.chunks_exact(HEAD).take_while(|block| is_zero(block)).count() * HEAD;
        let mark = zeros + byte_order_mark(&bytes[zeros..]);
        let head = &bytes[mark..bytes.len().min(mark + HEAD)];
        self.read(path, head, bytes.len() <= HEAD, |walk, found, hints| {
            for piece in cut::pieces(&bytes[mark..], found.parser.framing(), cut::PIECE) {
                let range = mark + piece.start..mark + piece.end;
                walk.parse(found, hints, range.start as u64, &bytes[range]);
            }
        });
    }

    fn stream(&mut self, path: &str, input: &mut dyn Read) {
        let mut held = Vec::with_capacity(HEAD);
        let _ = (&mut *input).take(HEAD as u64).read_to_end(&mut held);
        let mut zeros = 0;
        while held.len() == HEAD && is_zero(&held) {
            zeros += HEAD;
            held.clear();
            let _ = (&mut *input).take(HEAD as u64).read_to_end(&mut held);
        }
        let mark = byte_order_mark(&held);
        held.drain(..mark);
        let base = (zeros + mark) as u64;
        let whole = held.len() < HEAD;
        let limit = self.reading.limits.whole;
        self.read(path, &held.clone(), whole, |walk, found, hints| match found.parser.framing() {
            Framing::Whole => {
                let _ = (&mut *input).take(limit).read_to_end(&mut held);
                walk.parse(found, hints, base, &held);
            }
            framing => {
                let mut pieces = cut::Pieces::new(input, held, framing, cut::PIECE);
                while let Some((offset, piece)) = pieces.next_piece() {
                    walk.parse(found, hints, base + offset, &piece);
                }
            }
        });
    }
}

impl<S: Show> Visitor for Walk<'_, S> {
    fn file(&mut self, path: &str, content: Content<'_>) {
        match content {
            Content::Whole(bytes) => self.in_memory(path, bytes),
            Content::Mapped(map) => self.in_memory(path, map),
            Content::Stream(input) => self.stream(path, input),
        }
    }

    fn trouble(&mut self, path: &str, reason: Reason) {
        let known = self.files.get(path).cloned().unwrap_or_default();
        if known.bytes == 0 {
            let file = FileSurvey { path: path.to_owned(), trouble: Some(reason), ..FileSurvey::default() };
            self.show.begin(&file, &Hints::default());
            self.show.end();
        }
    }
}
