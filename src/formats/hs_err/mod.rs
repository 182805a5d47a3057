//! Crash reports of HotSpot (`hs_err_pid1234.log`), their banner on the standard output, and `jcmd VM.info`, which is the same
//! without a crash.
//!
//! ```text
//! # A fatal error has been detected by the Java Runtime Environment:
//! #  SIGSEGV (0xb) at pc=0x00007f740f105f14 (sent by kill), pid=12200, tid=12200
//! # Problematic frame:
//! # C  [libc.so.6+0x85f14]
//! ```
//!
//! The reason becomes a log record, the state of the heap and the number of threads metrics, the last collections facts of a
//! garbage collector's log. What this file does not do: keep environment, command line, registers and memory around them;
//! those may hold secrets, and no rule asks for them.

mod history;

use super::block_lines::{BlockLine, BlockLines, cut, evidence};
use super::jcmd::{Out, heap};
use super::lines::{Block, LineFormat};
use super::prometheus::clock;
use super::quantity::decimal;
use super::thread_dump::is_pid;
use super::{Format, Match, arena::Arena, free_text};
use crate::model::record::{Field, Level, LogRecord, Sink, Value};
use crate::model::source::Head;
use crate::model::time::{SECOND, Time};
use history::History;

/// Crash reports.
pub const FORMAT: Format = Format { name: "hs-err", sniff };

const CRASH: &str = "# A fatal error has been detected by the Java Runtime Environment:";
const MEMORY: &str = "# There is insufficient memory for the Java Runtime Environment to continue.";
/// Frames of the crashed thread that are kept.
const FRAMES: usize = 30;

/// The line format.
#[derive(Clone, Copy, Debug)]
pub struct Crash {
    embedded: bool,
}

impl Crash {
    /// For banners between the lines of another format.
    pub const EMBEDDED: Self = Self { embedded: true };
}

impl LineFormat for Crash {
    fn starts(&self, line: &[u8], previous: &[u8]) -> bool {
        match line.first() {
            Some(b'#') if line.starts_with(CRASH.as_bytes()) || line.starts_with(MEMORY.as_bytes()) => self.embedded || previous != b"#",
            Some(b'#') => !self.embedded && line.len() == 1 && (previous.is_empty() || is_pid(previous)),
            Some(b'0'..=b'9') => !self.embedded && is_pid(line),
            _ => false,
        }
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        if self.embedded { line.first() == Some(&b'#') } else { !is_pid(line) }
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let arena = Arena::default();
        let mut report = Report::default();
        let mut foreign: Option<(BlockLine<'_>, BlockLine<'_>)> = None;
        for line in BlockLines::of(block) {
            if self.embedded && !line.text.starts_with('#') {
                if !line.is_blank() || foreign.is_some() {
                    foreign = Some((foreign.map_or(line, |(first, _)| first), line));
                }
                continue;
            }
            report.line(&line, block);
        }
        report.emit(block, &arena, sink);
        if let Some((first, last)) = foreign {
            free_text().record(&cut(block, &first, &last), sink);
        }
    }
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let mut lines = head.bytes.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty() && *line != b"#");
    let first = lines.next()?;
    let is_crash = |line: &[u8]| line.starts_with(CRASH.as_bytes()) || line.starts_with(MEMORY.as_bytes());
    if !is_crash(first) && lines.clone().any(is_crash) {
        // The last words of a process whose output is else no log.
        return Some(Match::lines(40, "hs-err", Box::new(Crash::EMBEDDED)));
    }
    let is_info = is_pid(first) && lines.next().is_some_and(|line| line.starts_with(b"# JRE version: "));
    let label = if is_info { "hs-err/vm-info" } else { "hs-err" };
    (is_crash(first) || is_info).then(|| Match::lines(92, label, Box::new(Crash { embedded: false })))
}

/// What part of the report the lines are in.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Section {
    #[default]
    Banner,
    Frame,
    Other,
    Frames,
    Heap,
    History,
    Threads,
}

/// What a report says.
#[derive(Default)]
struct Report<'b> {
    section: Section,
    /// The sentences of the banner.
    reason: Vec<&'b str>,
    frame: &'b str,
    crashed: bool,
    time: Time,
    uptime: Option<&'b str>,
    /// Frames of the thread, innermost first.
    frames: Vec<&'b str>,
    heap: Vec<BlockLine<'b>>,
    history: History,
    threads: u32,
    /// The line above the threads.
    threads_at: Option<BlockLine<'b>>,
    /// End of what is cited.
    to: usize,
}

impl<'b> Report<'b> {
    fn line(&mut self, line: &BlockLine<'b>, block: &Block<'b>) {
        let text = line.text;
        if let Some(said) = text.strip_prefix('#') {
            self.banner(said.trim_ascii(), line);
            return;
        }
        if line.is_blank() {
            if self.section != Section::History {
                self.section = Section::Other;
            }
            return;
        }
        match text.split_once(':') {
            Some(("Time", rest)) => self.time(rest, line, block),
            Some(("Heap", "")) => self.section = Section::Heap,
            Some(("Java frames", _)) if self.frames.is_empty() => self.section = Section::Frames,
            Some((name, _)) if name.starts_with("GC Heap History") || name.starts_with("GC Heap Usage History") => self.section = Section::History,
            Some(("Java Threads", _)) => {
                self.section = Section::Threads;
                self.threads_at = Some(*line);
            }
            Some((name, "")) if !name.starts_with([' ', '{']) && self.section == Section::History => self.section = Section::Other,
            Some((name, _)) if name.ends_with("events)") => self.section = Section::Other,
            _ => match self.section {
                Section::Frames if self.frames.len() < FRAMES => self.frames.push(text),
                Section::Heap => self.heap.push(*line),
                Section::Threads => self.threads += u32::from(text.contains(" JavaThread \"")),
                _ => {}
            },
        }
        if self.section == Section::History {
            self.history.line(line);
        }
    }

    /// A line of the banner, without its mark.
    fn banner(&mut self, said: &'b str, line: &BlockLine<'b>) {
        self.crashed |= CRASH.ends_with(said) && said.len() > 10 || MEMORY.ends_with(said) && said.len() > 10;
        match said {
            "" => {}
            "Problematic frame:" => self.section = Section::Frame,
            _ if self.section == Section::Frame => {
                self.frame = said;
                self.section = Section::Other;
            }
            _ if said.starts_with("JRE version:") => self.section = Section::Other,
            // Advice follows the reason.
            _ if said.starts_with("Possible reasons:") || said.starts_with("An error report file") => self.section = Section::Other,
            _ if self.section == Section::Banner => self.reason.push(said),
            _ => {}
        }
        self.to = self.to.max(line.to);
    }

    /// `Sun Nov 22 19:32:04 2026 UTC elapsed time: 3.000974 seconds (0d 0h 0m 3s)`
    fn time(&mut self, text: &'b str, line: &BlockLine<'b>, block: &Block<'b>) {
        let (date, elapsed) = text.split_once("elapsed time:").unwrap_or((text, ""));
        if let Some(time) = clock::time_in(date.trim_ascii().as_bytes(), block.hints) {
            self.time = time;
            self.to = self.to.max(line.to);
        }
        self.uptime = elapsed.trim_ascii().split(' ').next().filter(|seconds| !seconds.is_empty());
    }

    fn emit(&self, block: &Block<'b>, arena: &'b Arena, sink: &mut dyn Sink) {
        if self.crashed {
            self.reason(block, arena, sink);
        }
        let mut out = Out::new(block, self.time, sink);
        for line in &self.heap {
            heap::line(line, &mut out);
        }
        if let Some(line) = self.threads_at.filter(|_| self.threads > 0) {
            out.number("jvm.threads.live", &[], f64::from(self.threads), &line);
        }
        let started = self.uptime.and_then(|seconds| decimal(seconds, SECOND as u64)).and_then(|nanos| i64::try_from(nanos).ok());
        let started = started.filter(|_| self.time.is_some()).map(|nanos| self.time.plus(-nanos));
        self.history.emit(block, started, sink);
    }

    /// Why the JVM has ended. An error that Java knows is said as Java says it.
    fn reason(&self, block: &Block<'b>, arena: &'b Arena, sink: &mut dyn Sink) {
        let mut message = self.reason.join(" ");
        if !self.frame.is_empty() {
            message.push_str(" Problematic frame: ");
            message.push_str(self.frame);
        }
        let memory = self.reason.iter().find_map(|said| said.split_once("OutOfMemory encountered: "));
        let mut stack = memory.map_or_else(String::new, |(_, what)| format!("java.lang.OutOfMemoryError: {what}"));
        if memory.is_some() {
            for frame in self.frames.iter().filter_map(|frame| frame.split_ascii_whitespace().nth(1)).filter(|frame| frame.contains('(')) {
                stack.push_str("\n\tat ");
                stack.push_str(frame.split('(').next().unwrap_or(frame));
                stack.push_str("(Unknown Source)");
            }
        }
        let fields = [
            Field { key: "problematic_frame", value: Value::Text(self.frame) },
            Field { key: "uptime_s", value: Value::Text(self.uptime.unwrap_or_default()) },
        ];
        sink.log(&LogRecord {
            time: self.time,
            level: Level::Fatal,
            logger: "hs_err",
            message: arena.keep(message),
            stack: arena.keep(stack),
            fields: &fields,
            evidence: evidence(block, 0, self.to),
            ..LogRecord::default()
        });
    }
}

#[cfg(test)]
mod tests;
