//! What each file of a bundle was taken for and why, for the terminal.
//!
//! ```text
//! payments/app.log  text-log/spring-boot  1.2 MB  4812 records  2026-11-22T19:40:55Z to 2026-11-22T19:42:01Z  service payments
//!     why: text-log/spring-boot 70 of 100, access-log/generic 25
//!     not understood: 3 malformed, first at line 17, byte 3050: {"@timestamp":"2026-…
//! ```
//!
//! What this file does not do: show records; see `records.rs`.

use crate::model::jvm::{ClassHistogram, GcRecord, ThreadDump};
use crate::model::record::{EventRecord, LogRecord, MetricRecord, Reason, SettingRecord, Sink, SpanRecord};
use crate::model::source::{Evidence, Hints};
use crate::model::time::{Time, Window};
use crate::model::undated::settled;
use crate::report::redact::Redactor;
use crate::report::text::{self, Lines};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Of a sample so many characters are shown.
const SAMPLE: usize = 120;
/// So many services of a file are named.
const SERVICES: usize = 5;

/// What is known of a file before its records.
#[derive(Clone, Debug, Default)]
pub struct FileSurvey {
    /// Its path.
    pub path: String,
    /// What it was taken for, or empty.
    pub format: String,
    /// All claims, the surest first.
    pub claims: Vec<(u8, String)>,
    /// Its size.
    pub bytes: u64,
    /// Why it could not be read to its end.
    pub trouble: Option<Reason>,
    /// Environment, if somebody says.
    pub environment: String,
}

/// The first place that was not understood for a reason, and how many there are.
struct Lost {
    count: u64,
    line: u64,
    offset: u64,
    sample: String,
}

/// Writes a few lines for each file.
pub struct Survey<'w> {
    out: &'w mut dyn Write,
    redactor: Option<Redactor>,
    near: Time,
    file: FileSurvey,
    hints: Hints,
    records: u64,
    window: Window,
    services: BTreeMap<String, u64>,
    lost: BTreeMap<Reason, Lost>,
    piece: (u64, Vec<u8>),
    lines: u64,
    failed: Option<io::Error>,
}

impl<'w> Survey<'w> {
    /// A survey that shows secrets in samples as they are unless it is to redact them.
    pub fn new(out: &'w mut dyn Write, redact: bool, near: Time) -> Self {
        Self {
            out,
            redactor: redact.then(Redactor::default),
            near,
            file: FileSurvey::default(),
            hints: Hints::default(),
            records: 0,
            window: Window::default(),
            services: BTreeMap::new(),
            lost: BTreeMap::new(),
            piece: (0, Vec::new()),
            lines: 1,
            failed: None,
        }
    }

    /// A file begins.
    pub fn file(&mut self, file: &FileSurvey, hints: &Hints) {
        self.file = file.clone();
        self.hints = hints.clone();
        (self.records, self.window, self.lines) = (0, Window::default(), 1);
        self.services.clear();
        self.lost.clear();
        self.piece = (0, Vec::new());
    }

    /// A piece of it begins, which lies behind the one before.
    pub fn piece(&mut self, base: u64, bytes: &[u8]) {
        self.lines += memchr::memchr_iter(b'\n', &self.piece.1).count() as u64;
        self.piece.0 = base;
        self.piece.1.clear();
        self.piece.1.extend_from_slice(bytes);
    }

    /// The file ends: it is told.
    pub fn end_file(&mut self) {
        let text = self.told();
        if self.failed.is_none() {
            self.failed = self.out.write_all(text.as_bytes()).err();
        }
    }

    /// What went wrong, if anything did.
    ///
    /// # Errors
    /// The first error of the output.
    pub fn finish(self) -> io::Result<()> {
        self.failed.map_or_else(|| self.out.flush(), Err)
    }

    fn told(&mut self) -> String {
        let file = &self.file;
        let mut out = line(&file.path);
        let format = if file.format.is_empty() { "not recognised" } else { &file.format };
        let _ = write!(out, "  {}  {} bytes  {} records", line(format), file.bytes, self.records);
        if self.window.start.is_some() {
            let _ = write!(out, "  {} to {}", self.window.start, self.window.end);
        }
        let mut services: Vec<(&String, &u64)> = self.services.iter().collect();
        services.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        if !services.is_empty() {
            let more = services.len().saturating_sub(SERVICES);
            let named: Vec<String> = services.iter().take(SERVICES).map(|(name, _)| line(name)).collect();
            let _ = write!(out, "  service {}{}", named.join(", "), if more > 0 { format!(" and {more} more") } else { String::new() });
        }
        for (what, name) in [("instance", &self.hints.instance), ("environment", &file.environment)] {
            if !name.is_empty() {
                let _ = write!(out, "  {what} {}", line(name));
            }
        }
        out.push('\n');
        if !file.claims.is_empty() {
            let claims: Vec<String> = file.claims.iter().map(|(sure, label)| format!("{label} {sure}")).collect();
            let _ = writeln!(out, "    why: {} of 100", claims.join(", "));
        }
        if let Some(reason) = file.trouble {
            let _ = writeln!(out, "    trouble: {}", reason.name());
        }
        for (reason, lost) in &self.lost {
            let _ = writeln!(
                out,
                "    not understood: {} {}, first at line {}, byte {}: {}",
                lost.count,
                reason.name(),
                lost.line,
                lost.offset,
                lost.sample
            );
        }
        out
    }

    fn count(&mut self, service: &str, times: [Time; 2]) {
        self.records += 1;
        times.into_iter().for_each(|time| self.window.add(settled(time, self.near)));
        let name = if service.is_empty() { self.hints.service.as_str() } else { service };
        if !name.is_empty() {
            match self.services.get_mut(name) {
                Some(count) => *count += 1,
                None => drop(self.services.insert(name.to_owned(), 1)),
            }
        }
    }

    fn sample(&mut self, evidence: Evidence) -> (u64, String) {
        let at = usize::try_from(evidence.start.saturating_sub(self.piece.0)).unwrap_or(usize::MAX).min(self.piece.1.len());
        let before = memchr::memchr_iter(b'\n', &self.piece.1[..at]).count() as u64;
        let bytes = &self.piece.1[at..self.piece.1.len().min(at + (evidence.len as usize).min(4 * SAMPLE))];
        let text = String::from_utf8_lossy(bytes);
        let clean = text::clean(&text, Lines::Join);
        let shown = match &mut self.redactor {
            Some(redactor) => redactor.text(&clean).into_owned(),
            None => clean.into_owned(),
        };
        (self.lines + before, text::cut(&shown, SAMPLE).into_owned())
    }
}

fn line(text: &str) -> String {
    text::clean(text, Lines::Join).into_owned()
}

impl Sink for Survey<'_> {
    fn log(&mut self, record: &LogRecord<'_>) {
        self.count(record.service, [record.time; 2]);
    }
    fn span(&mut self, record: &SpanRecord<'_>) {
        self.count(record.service, [record.start, record.end]);
    }
    fn metric(&mut self, record: &MetricRecord<'_>) {
        self.count(record.service, [record.time; 2]);
    }
    fn thread_dump(&mut self, record: &ThreadDump<'_>) {
        self.count(record.service, [record.time; 2]);
    }
    fn gc(&mut self, record: &GcRecord<'_>) {
        self.count(record.service, [record.time; 2]);
    }
    fn class_histogram(&mut self, record: &ClassHistogram<'_>) {
        self.count(record.service, [record.time; 2]);
    }
    fn event(&mut self, record: &EventRecord<'_>) {
        self.count(record.service, [record.first, record.time]);
    }
    fn setting(&mut self, record: &SettingRecord<'_>) {
        self.count(record.service, [Time::NONE; 2]);
    }
    fn quarantine(&mut self, evidence: Evidence, reason: Reason) {
        if let Some(lost) = self.lost.get_mut(&reason) {
            lost.count += 1;
            return;
        }
        let (line, sample) = self.sample(evidence);
        self.lost.insert(reason, Lost { count: 1, line, offset: evidence.start, sample });
    }
}
