//! The text of `jcmd Thread.dump_to_file`, which lists virtual threads, too.
//!
//! ```text
//! 10885
//! 2026-11-22T19:30:33.961155234Z
//! 25.0.3+9-LTS
//!
//! #13 "Finalizer" WAITING 2026-11-22T19:30:33.967674364Z
//!     at java.base/java.lang.Object.wait0(Native Method)
//!     - waiting on <java.lang.ref.ReferenceQueue$Lock@1b7df26>
//! ```
//!
//! JDK 21 writes `#26 "vt-order-0" virtual`, and neither `at` nor states nor locks. Names stand as they are, with quotes
//! and line ends. What this file does not do: tell such a dump in the midst of other lines, where it is never found.

use super::block_lines::{BlockLine, BlockLines, evidence, records};
use super::lines::{Block, LineFormat};
use super::thread_frame::{Owned, frame, give, object};
use super::thread_header::{lock_role, state};
use super::{Format, Match, free_text, timestamp};
use crate::model::jvm::{LockRecord, ThreadDump, ThreadRecord};
use crate::model::record::{Reason, Sink};
use crate::model::source::{Chunk, Head};
use crate::model::time::Time;

/// Text dumps to a file.
pub const FORMAT: Format = Format { name: "thread-dump-plain", sniff };

/// A name that was broken by more line ends than this is not put together.
const NAME_LINES: usize = 8;

/// The line format.
#[derive(Clone, Copy, Debug)]
struct Plain;

impl LineFormat for Plain {
    fn starts(&self, line: &[u8], previous: &[u8]) -> bool {
        previous.is_empty() && is_number(line)
    }

    fn continues(&self) -> bool {
        true
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        Reader { block, dump: ThreadDump::default(), owned: Vec::new(), end: 0 }.read(sink);
    }
}

fn is_number(line: &[u8]) -> bool {
    !line.is_empty() && line.len() <= 10 && line.iter().all(u8::is_ascii_digit)
}

fn parse(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    records(chunk, &Plain, sink);
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let mut lines = head.bytes.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let (number, time, version) = (lines.next()?, lines.next()?, lines.next()?);
    let is_ours = is_number(number) && time_of(time).is_some() && version.first().is_some_and(u8::is_ascii_digit) && lines.next() == Some(b"");
    (is_ours && lines.next().is_none_or(|line| line.starts_with(b"#"))).then(|| Match::whole(90, "thread-dump/jcmd-text", parse))
}

/// A time that fills the line.
fn time_of(line: &[u8]) -> Option<Time> {
    timestamp::iso(line, 0).filter(|(_, used)| *used == line.len()).map(|(time, _)| time)
}

/// What a header says: number, name, state if there is one, and whether the thread is virtual.
fn header(text: &str) -> Option<ThreadRecord<'_>> {
    let (id, rest) = text.strip_prefix('#')?.split_once(" \"")?;
    let id = id.parse().ok()?;
    let close = rest.rfind('"')?;
    let (name, after) = (rest.get(..close)?, rest.get(close + 1..)?.trim_ascii_end());
    let mut words = after.split_ascii_whitespace().peekable();
    let is_virtual = words.next_if_eq(&"virtual").is_some();
    let known = words.next().map(state).unwrap_or_default();
    if words.next().is_some_and(|word| time_of(word.as_bytes()).is_none()) || words.next().is_some() || !(after.is_empty() || after.starts_with(' '))
    {
        return None;
    }
    Some(ThreadRecord { id, name, state: known, is_virtual, ..ThreadRecord::default() })
}

struct Reader<'b> {
    block: &'b Block<'b>,
    dump: ThreadDump<'b>,
    owned: Vec<Owned<'b>>,
    end: usize,
}

impl<'b> Reader<'b> {
    fn read(mut self, sink: &mut dyn Sink) {
        let mut lines = BlockLines::of(self.block);
        if !self.preamble(&mut lines) {
            free_text().record(self.block, sink);
            return;
        }
        while let Some(line) = lines.next() {
            if line.text.starts_with('#') {
                if !self.header(&line, &mut lines) {
                    let reason = if lines.clone().next().is_none() { Reason::Truncated } else { Reason::Malformed };
                    sink.quarantine(evidence(self.block, line.from, line.to), reason);
                }
            } else if line.text.starts_with([' ', '\t']) && !line.is_blank() {
                self.inner(&line);
            } else if !line.is_blank() {
                sink.quarantine(evidence(self.block, line.from, line.to), Reason::Malformed);
            }
        }
        self.dump.evidence = evidence(self.block, 0, self.end);
        if self.dump.threads.is_empty() {
            sink.quarantine(self.dump.evidence, Reason::Truncated);
        } else {
            give(&mut self.dump.threads, &self.owned);
            sink.thread_dump(&self.dump);
        }
    }

    /// The process number, the time and the version.
    fn preamble(&mut self, lines: &mut BlockLines<'b>) -> bool {
        let Some(number) = lines.next().filter(|line| is_number(line.text.as_bytes())) else { return false };
        self.end = number.to;
        let Some(time) = lines.next() else { return true };
        self.dump.time = time_of(time.text.as_bytes()).unwrap_or(Time::NONE);
        if self.dump.time.is_none() {
            // What begins like a time is one that was cut; anything else makes the number above mean something else.
            return time.text.starts_with("20") && lines.clone().next().is_none();
        }
        if let Some(version) = lines.next() {
            self.dump.runtime = version.text.trim_ascii();
            self.end = version.to;
        }
        true
    }

    /// A thread's header, over as many lines as its name has.
    fn header(&mut self, first: &BlockLine<'b>, lines: &mut BlockLines<'b>) -> bool {
        let (mut rest, mut last) = (lines.clone(), *first);
        for _ in 0..NAME_LINES {
            if let Some(thread) = self.block.text.get(first.at..last.end()).and_then(header) {
                self.end = last.to;
                self.dump.threads.push(ThreadRecord { evidence: evidence(self.block, first.from, last.to), ..thread });
                *lines = rest;
                return true;
            }
            match rest.next() {
                Some(next) if header(next.text).is_none() => last = next,
                _ => return false,
            }
        }
        false
    }

    /// A frame or a lock.
    fn inner(&mut self, line: &BlockLine<'b>) {
        let Some(thread) = self.dump.threads.last_mut() else { return };
        let text = line.text.trim_ascii();
        if let Some((role, rest)) = text.strip_prefix("- ").and_then(lock_role) {
            let (inside, after) = rest.trim_ascii_start().strip_prefix('<').and_then(|rest| rest.split_once('>')).unwrap_or((rest, ""));
            let (address, class) = object(inside);
            let frame = u32::try_from(thread.frames.len().saturating_sub(1)).unwrap_or(u32::MAX);
            thread.locks.push(LockRecord { role, address, class, frame });
            if let Some(id) = after.split_once("owner #").and_then(|(_, id)| id.parse().ok()) {
                self.owned.push(Owned { name: "", id, address, class });
            }
        } else if !text.starts_with("- ") {
            thread.frames.push(frame(text.strip_prefix("at ").unwrap_or(text)));
        }
        let from = usize::try_from(thread.evidence.start.saturating_sub(self.block.evidence.start)).unwrap_or_default();
        thread.evidence = evidence(self.block, from, line.to);
        self.end = line.to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::{read, recognised, worn};

    const JDK_21: &str = "10571\n2026-11-22T19:30:19.479111292Z\n21.0.8+9-LTS\n\n#1 \"main\"\n      java.base/java.lang.Thread.sleep0(Native Method)\n      \
        VtShop.main(VtShop.java:10)\n\n#11 \"Signal Dispatcher\"\n\n#26 \"vt \"0\nx\" virtual\n      java.base/java.lang.VirtualThread.run(Unknown Source)\n\n";
    const JDK_25: &str = "10885\n2026-11-22T19:30:33.961155234Z\n25.0.3+9-LTS\n\n#13 \"dl-1\" BLOCKED 2026-11-22T19:30:33.967674364Z\n    \
        at Locks.a(Locks.java:8)\n    - waiting to lock <java.lang.Object@1f>\n    at java.base/java.lang.Thread.run(Thread.java:1474)\n    \
        - locked <java.lang.Object@b1>\n\n#14 \"v\" virtual WAITING 2026-11-22T19:30:33.967674364Z\n    at java.base/jdk.internal.misc.Unsafe.park(Native Method)\n    \
        - parking to wait for <java.util.concurrent.locks.ReentrantLock$NonfairSync@59>, owner #13\n";

    #[test]
    fn both_versions() {
        let (label, got) = recognised(JDK_21).unwrap();
        assert_eq!(label, "thread-dump/jcmd-text");
        for part in [
            "time=\"2026-11-22T19:30:19.479111292Z\" runtime=\"21.0.8+9-LTS\" threads=\"3\"",
            "\"main\" id=0x1 Unknown cpu= elapsed= daemon=false virtual=false carries= frames=2\n    java.lang.Thread.sleep0(Native Method)",
            "\"vt \\\"0\\nx\" id=0x1a Unknown cpu= elapsed= daemon=false virtual=true",
        ] {
            assert!(got.text.contains(part) && got.quarantined == 0, "{part}: {}", got.text);
        }
        let (_, got) = recognised(JDK_25).unwrap();
        for part in [
            "\"dl-1\" id=0xd Blocked",
            "WaitingToLock 0x1f java.lang.Object frame=0\n    Locked 0xb1 java.lang.Object frame=1\n    OwnsSynchronizer 0x59",
            "\"v\" id=0xe Waiting cpu= elapsed= daemon=false virtual=true",
            "ParkingFor 0x59 java.util.concurrent.locks.ReentrantLock$NonfairSync",
        ] {
            assert!(got.text.contains(part) && got.quarantined == 0, "{part}: {}", got.text);
        }
    }

    #[test]
    fn several_dumps_in_one_file() {
        let (_, got) = recognised(&format!("{JDK_21}{JDK_25}\n{JDK_21}")).unwrap();
        assert_eq!((got.records, got.text.matches("  thread @").count(), got.quarantined), (3, 8, 0), "{}", got.text);
    }

    #[test]
    fn headers_and_look_alikes() {
        for text in ["#1 main", "#x \"main\"", "#1 \"main\" WAITING yesterday", "#1 \"main\" virtual WAITING 2026-11-22T19:30:33Z x", "#1 \"a\"b"] {
            assert!(header(text).is_none(), "{text}");
        }
        for text in ["10571\n", "10571\n2026-11-22T19:30:19Z\nhello\n", "10571\n2026-11-22T19:30:19Z\n21\n\nup", "7767:\n2026-11-22 19:28:00\n"] {
            assert!(sniff(&Head { path: "", bytes: text.as_bytes(), whole: true }).is_none(), "{text}");
        }
    }

    #[test]
    fn worn_dumps() {
        for text in [JDK_21, JDK_25] {
            worn(text.as_bytes(), |bytes| read(parse, bytes));
        }
    }
}
