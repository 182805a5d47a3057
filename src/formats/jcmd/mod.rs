//! What `jcmd` and `jmap` print about memory and classes: `GC.heap_info`, `VM.native_memory`, `VM.metaspace`,
//! `VM.classloader_stats`, `VM.classloaders`, `VM.uptime`, `Thread.vthread_scheduler`.
//!
//! ```text
//! 9066:
//!  garbage-first heap   total 55296K, used 14692K [0x00000000fc000000, 0x0000000100000000)
//! Native Memory Tracking:
//! ClassLoader         Parent              CLD*               Classes   ChunkSz   BlockSz  Type
//! ```
//!
//! A record is the answer to one command, told by its first line; its numbers become metrics under the names that agents
//! use. An answer has no time: that in the file's name counts. What this file does not do: flags, properties and command
//! lines, which are a configuration.

pub mod heap;
mod loaders;
mod metaspace;
mod native;

use super::block_lines::{BlockLine, BlockLines, cut, evidence};
use super::lines::{Block, LineFormat};
use super::prometheus::clock::{self, Named};
use super::quantity::decimal;
use super::thread_dump::is_pid;
use super::{Format, Match, free_text};
use crate::model::record::{Field, MetricRecord, Sink, Value};
use crate::model::source::Head;
use crate::model::time::Time;
use loaders::Loaders;

/// Answers of jcmd.
pub const FORMAT: Format = Format { name: "jcmd", sniff };

/// Lines of the head that may stand above the first answer.
const ABOVE: usize = 4;

/// The line format.
#[derive(Clone, Copy, Debug)]
pub struct Answers {
    embedded: bool,
    named: Option<Named>,
}

impl Answers {
    /// For answers between the lines of another format.
    pub const EMBEDDED: Self = Self { embedded: true, named: None };
}

/// Which command was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    Heap,
    Native,
    Metaspace,
    Loaders,
    LoaderTree,
    Uptime,
    Scheduler,
}

impl Answer {
    /// By the first line.
    fn of(line: &[u8], previous: &[u8]) -> Option<Self> {
        let is = |words: &[u8]| line.starts_with(words);
        match line.first()? {
            b'N' if line == b"Native Memory Tracking:" => Some(Self::Native),
            b'C' if is(b"ClassLoader ") && line.ends_with(b" Type") => Some(Self::Loaders),
            b'c' if is(b"class_loader") && line.ends_with(b"type") => Some(Self::Loaders),
            b'+' if is(b"+-- <bootstrap>") => Some(Self::LoaderTree),
            b'U' if line == b"Usage:" => Some(Self::Metaspace),
            b'T' if is(b"Total Usage - ") && memchr::memmem::find(line, b" loaders, ").is_some() => Some(Self::Metaspace),
            b' ' | b'P' | b'S' if heap::is_first(line) => Some(Self::Heap),
            b'0'..=b'9' if line.ends_with(b" s") && is_pid(previous) => Some(Self::Uptime),
            b'j' if is(b"java.util.concurrent.ForkJoinPool@") && is_pid(previous) => Some(Self::Scheduler),
            _ => None,
        }
    }
}

impl LineFormat for Answers {
    fn starts(&self, line: &[u8], previous: &[u8]) -> bool {
        // The heap is also listed at the end of thread dumps and crashes, and is theirs there.
        if self.embedded && matches!(line.first(), Some(b' ' | b'P' | b'S')) && !is_pid(previous) {
            return false;
        }
        match Answer::of(line, previous) {
            // Every program prints how it is to be used.
            Some(Answer::Metaspace) if line == b"Usage:" => !self.embedded,
            Some(_) => true,
            None => !self.embedded && is_pid(line),
        }
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        matches!(line.first(), Some(b' ' | b'\t' | b'-' | b'(')) && Answer::of(line, b"").is_none()
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let mut lines = BlockLines::of(block).filter(|line| !line.is_blank());
        let Some(first) = lines.next() else { return };
        if is_pid(first.text.as_bytes()) {
            if let Some(next) = lines.next() {
                let last = lines.last().unwrap_or(next);
                free_text().record(&cut(block, &next, &last), sink);
            }
            return;
        }
        let time = self.named.map_or(Time::NONE, |named| named.in_zone(block.hints.zone));
        // Some answers are told by the process number above them, which stands in the block before.
        let Some(answer) = Answer::of(first.text.as_bytes(), b"").or_else(|| Answer::of(first.text.as_bytes(), b"1:")) else {
            return free_text().record(block, sink);
        };
        let mut out = Out { block, time, sink };
        let mut foreign: Option<(BlockLine<'_>, BlockLine<'_>)> = None;
        let mut loaders = Loaders::default();
        let mut metaspace = metaspace::Usage::default();
        for line in std::iter::once(first).chain(lines) {
            let is_known = match answer {
                Answer::Heap => heap::line(&line, &mut out),
                Answer::Native => native::line(&line, &mut out),
                Answer::Metaspace => metaspace.line(&line, &mut out),
                Answer::Loaders => loaders.row(&line, &mut out),
                Answer::LoaderTree => loaders.branch(&line),
                Answer::Uptime => uptime(&line, &mut out),
                Answer::Scheduler => scheduler(&line, &mut out),
            };
            if !is_known {
                foreign = Some((foreign.map_or(line, |(first, _)| first), line));
            }
        }
        loaders.emit(&mut out);
        if let Some((first, last)) = foreign {
            free_text().record(&cut(block, &first, &last), sink);
        }
    }
}

/// Where the numbers go.
pub struct Out<'b, 's> {
    block: &'b Block<'b>,
    time: Time,
    sink: &'s mut dyn Sink,
}

impl<'b, 's> Out<'b, 's> {
    /// For numbers out of a block, all of one time.
    pub fn new(block: &'b Block<'b>, time: Time, sink: &'s mut dyn Sink) -> Self {
        Self { block, time, sink }
    }

    /// A number with labels.
    pub fn number(&mut self, name: &str, labels: &[(&str, &str)], value: f64, line: &BlockLine<'_>) {
        const NONE: Field<'static> = Field { key: "", value: Value::Text("") };
        let mut fields = [NONE; 2];
        for (field, (key, text)) in fields.iter_mut().zip(labels) {
            *field = Field { key, value: Value::Text(text) };
        }
        let labels = fields.get(..labels.len().min(fields.len())).unwrap_or_default();
        let evidence = evidence(self.block, line.from, line.to);
        self.sink.metric(&MetricRecord { time: self.time, name, labels, value, evidence, ..MetricRecord::default() });
    }
}

/// `12.726 s`
fn uptime(line: &BlockLine<'_>, out: &mut Out<'_, '_>) -> bool {
    let Some(millis) = line.text.strip_suffix(" s").and_then(|seconds| decimal(seconds, 1000)) else { return false };
    out.number("process.uptime", &[], millis as f64 / 1000.0, line);
    true
}

/// `java.util.concurrent.ForkJoinPool@188c73e[Running, parallelism = 2, size = 2, active = 0, …, tasks = 0, delayed = 7]`
fn scheduler(line: &BlockLine<'_>, out: &mut Out<'_, '_>) -> bool {
    let Some((_, inside)) = line.text.split_once('[') else { return false };
    for (key, value) in inside.trim_end_matches(']').split(", ").filter_map(|part| part.split_once(" = ")) {
        let name = match key {
            "parallelism" => "jvm.threads.virtual.parallelism",
            "size" => "jvm.threads.virtual.pool.size",
            "active" => "jvm.threads.virtual.active",
            "submissions" => "jvm.threads.virtual.queued",
            _ => continue,
        };
        if let Ok(value) = value.parse::<f64>() {
            out.number(name, &[], value, line);
        }
    }
    true
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let mut previous = &b""[..];
    let mut above = 0;
    for line in head.bytes.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        if let Some(answer) = Answer::of(line.trim_ascii_end(), previous) {
            if line == b"Usage:" && memchr::memmem::find(head.bytes, b"\n  Non-class: ").is_none() {
                return None;
            }
            let label = match answer {
                Answer::Heap => "jcmd/heap-info",
                Answer::Native => "jcmd/native-memory",
                Answer::Metaspace => "jcmd/metaspace",
                Answer::Loaders | Answer::LoaderTree => "jcmd/class-loaders",
                Answer::Uptime => "jcmd/uptime",
                Answer::Scheduler => "jcmd/scheduler",
            };
            let is_first = above == 0 || (above == 1 && is_pid(previous));
            let named = clock::in_name(head.path);
            return Some(Match::lines(if is_first { 88 } else { 20 }, label, Box::new(Answers { embedded: false, named })));
        }
        above += 1;
        if above > ABOVE {
            return None;
        }
        previous = line.trim_ascii_end();
    }
    None
}

#[cfg(test)]
mod tests;
