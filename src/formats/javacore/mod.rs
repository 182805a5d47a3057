//! Javacores, the dumps of OpenJ9 and IBM's JVM: threads, locks, deadlocks, heap sizes, and why the dump was written.
//!
//! ```text
//! 1TISIGINFO     Dump Event "systhrow" (00040000) Detail "java/lang/OutOfMemoryError" "Java heap space" received
//! 3XMTHREADINFO      "main" J9VMThread:0x0000000000012300, omrthread_t:0x00007F2C140077E8, java/lang/Thread:0x00000000FFF2F5F0, state:CW, prio=5
//! 3XMTHREADBLOCK     Waiting on: java/lang/Object@0x00000000FFF0B1A8 Owned by: <unowned>
//! 4XESTACKTRACE                at java/lang/Object.wait(Object.java:221(Compiled Code))
//! ```
//!
//! Every line begins with a tag that says what it is. A record is a whole javacore. What this file does not do: native
//! stacks, class loaders, environment and shared classes; the environment may hold secrets.

mod threads;

use super::block_lines::{BlockLine, BlockLines, evidence, records};
use super::lines::{Block, LineFormat};
use super::{Format, Match, arena::Arena, free_text, timestamp};
use crate::model::record::{Field, Level, LogRecord, MetricKind, MetricRecord, Reason, Sink, Value};
use crate::model::source::{Chunk, Head};
use crate::model::time::Time;
use memchr::memmem;
use threads::Threads;

/// Javacores.
pub const FORMAT: Format = Format { name: "javacore", sniff };

const TITLE: &[u8] = b"0SECTION       TITLE";

/// The line format.
#[derive(Clone, Copy, Debug)]
struct Javacore;

impl LineFormat for Javacore {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        line.starts_with(TITLE)
    }

    fn continues(&self) -> bool {
        true
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let arena = Arena::default();
        let mut reader = Reader { block, arena: &arena, time: Time::NONE, threads: Threads::default(), is_ours: false, end: 0 };
        let mut foreign = None;
        for line in BlockLines::of(block).filter(|line| !line.is_blank()) {
            if is_tagged(line.text.as_bytes()) {
                reader.line(&line, sink);
            } else {
                foreign.get_or_insert(line);
            }
        }
        reader.emit(sink);
        if let Some(line) = foreign {
            // Lines without a tag are not the JVM's; the first stands for all, as they are few.
            sink.quarantine(evidence(block, line.from, line.to), Reason::Malformed);
        }
    }
}

/// A digit and capitals, or `NULL`, then a blank or nothing.
fn is_tagged(line: &[u8]) -> bool {
    let tag = line.split(|b| matches!(b, b' ' | b'\t')).next().unwrap_or_default();
    tag == b"NULL"
        || tag == b"-----"
        || (tag.len() >= 4
            && tag.first().is_some_and(u8::is_ascii_digit)
            && tag.get(1..).is_some_and(|rest| rest.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')))
}

fn parse(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    records(chunk, &Javacore, sink);
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let lines = head.bytes.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty());
    let (all, tagged) = lines.fold((0_usize, 0_usize), |(all, tagged), line| (all + 1, tagged + usize::from(is_tagged(line))));
    let is_ours = memmem::find(head.bytes, TITLE).is_some() || memmem::find(head.bytes, b"\n3XMTHREADINFO  ").is_some();
    (is_ours && tagged * 10 >= all * 8).then(|| Match::whole(90, "thread-dump/javacore", parse))
}

struct Reader<'b> {
    block: &'b Block<'b>,
    arena: &'b Arena,
    time: Time,
    threads: Threads<'b>,
    /// Whether the title was seen; a piece without it is the rest of a javacore.
    is_ours: bool,
    end: usize,
}

impl<'b> Reader<'b> {
    fn line(&mut self, line: &BlockLine<'b>, sink: &mut dyn Sink) {
        self.end = line.to;
        self.is_ours |= line.text.as_bytes().starts_with(TITLE);
        let (tag, rest) = line.text.split_once([' ', '\t']).unwrap_or((line.text, ""));
        let rest = rest.trim_ascii();
        match tag {
            "1TIDATETIME" | "1TIDATETIMEUTC" => self.time = date(rest, self.block.hints.zone, tag.ends_with("UTC")).unwrap_or(self.time),
            "1TISIGINFO" => self.event(rest, line, sink),
            "1CIJAVAVERSION" => self.threads.dump.runtime = rest,
            "1STHEAPTOTAL" | "1STHEAPINUSE" | "1STHEAPFREE" => self.heap(tag, rest, line, sink),
            _ => self.threads.line(tag, rest, line, self.block, self.arena),
        }
    }

    /// Why the dump was written, if it is an error's doing. Dumps that somebody asked for are no news.
    fn event(&mut self, text: &'b str, line: &BlockLine<'b>, sink: &mut dyn Sink) {
        if text.contains("Dump Event \"user\"") || text.contains("Dump Event \"api\"") || !text.contains("Dump Event") {
            return;
        }
        let detail = text.split_once("Detail \"").map_or("", |(_, rest)| rest.trim_end_matches(" received"));
        let (class, said) = detail.split_once('"').unwrap_or((detail, ""));
        let said = said.trim_matches([' ', '"']);
        let stack = match (class, said) {
            ("", _) => "",
            (class, "") => self.arena.keep(class.replace('/', ".")),
            (class, said) => self.arena.keep(format!("{}: {said}", class.replace('/', "."))),
        };
        let evidence = evidence(self.block, line.from, line.to);
        sink.log(&LogRecord { time: self.time, level: Level::Error, logger: "javacore", message: text, stack, evidence, ..LogRecord::default() });
    }

    /// `Total memory in use:          4321792 (0x000000000041F200)`; old releases write `x41F200` alone.
    fn heap(&mut self, tag: &str, text: &str, line: &BlockLine<'b>, sink: &mut dyn Sink) {
        let Some((_, number)) = text.rsplit_once(':') else { return };
        let number = number.split_ascii_whitespace().next().unwrap_or_default();
        let hex = number.trim_start_matches("0x").trim_start_matches('x');
        let Some(value) = number.parse().ok().or_else(|| u64::from_str_radix(hex, 16).ok()) else { return };
        let name = match tag {
            "1STHEAPTOTAL" => "jvm.memory.committed",
            "1STHEAPINUSE" => "jvm.memory.used",
            _ => return,
        };
        sink.metric(&MetricRecord {
            time: self.time,
            name,
            unit: "bytes",
            kind: MetricKind::Gauge,
            labels: &[Field { key: "area", value: Value::Text("heap") }],
            value: value as f64,
            evidence: evidence(self.block, line.from, line.to),
            ..MetricRecord::default()
        });
    }

    fn emit(self, sink: &mut dyn Sink) {
        let all = evidence(self.block, 0, self.end);
        match self.threads.finish(self.time, all) {
            Some(dump) => sink.thread_dump(&dump),
            None if self.is_ours => sink.quarantine(all, Reason::Truncated),
            // A rule of dashes stands above the title.
            None if self.block.text.starts_with("NULL") => {}
            None => free_text().record(self.block, sink),
        }
    }
}

/// `Date: 2024/08/25 at 15:55:09:123`, local unless the tag says otherwise.
fn date(text: &str, zone: i32, utc: bool) -> Option<Time> {
    let digits: String = text.strip_prefix("Date:")?.trim_ascii().trim_end_matches("(UTC)").trim_ascii_end().replacen(" at ", " ", 1);
    let mut bytes = digits.into_bytes();
    if let Some(last) = bytes.get_mut(19).filter(|b| **b == b':') {
        *last = b'.';
    }
    timestamp::iso(&bytes, if utc { 0 } else { zone }).map(|(time, _)| time)
}

#[cfg(test)]
mod tests;
