//! Thread dumps as JSON: `jcmd Thread.dump_to_file -format=json`, Spring Boot's `/actuator/threaddump`, and what Jolokia
//! answers for `dumpAllThreads`.
//!
//! ```text
//! {"threadDump":{"processId":"10571","time":"2026-11-22T19:30:19.229643955Z","threadContainers":[{"container":"<root>","threads":[…]}]}}
//! {"threads":[{"threadName":"main","threadId":1,"threadState":"WAITING","lockInfo":{…},"stackTrace":[{"className":…}]}]}
//! ```
//!
//! JDK 21 writes neither states nor locks; JDK 25 writes both, and whose the locks are where it knows. A dump that is cut
//! keeps the threads before the cut. What this file does not do: name the container of a thread, since no rule asks for it.

mod managed;
mod snapshot;

use crate::formats::arena::Arena;
use crate::formats::json_scan::{Scan, Step};
use crate::formats::thread_frame::{Owned, carry, give};
use crate::formats::timestamp::iso;
use crate::formats::{Format, Match};
use crate::model::jvm::{ThreadDump, ThreadRecord};
use crate::model::record::{Reason, Sink};
use crate::model::source::{Chunk, Evidence, Head};
use memchr::memmem;

/// Thread dumps as JSON.
pub const FORMAT: Format = Format { name: "thread-dump-json", sniff };

/// Keys under which other layouts keep their threads.
const LISTS: [&str; 3] = ["threads", "value", "threadInfos"];
/// A layout without a key of its own shows the keys of a thread within so many bytes.
const FIRST_THREAD: usize = 16 << 10;

fn sniff(head: &Head<'_>) -> Option<Match> {
    let text = head.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head.bytes).trim_ascii_start();
    let arena = Arena::default();
    let mut scan = Scan::new(text, &arena);
    if text.starts_with(b"{") {
        scan.enter_object().ok()?;
        let key = scan.key().ok()??;
        if key == "threadDump" {
            return Some(Match::whole(90, "thread-dump/jcmd-json", parse));
        }
        if !LISTS.contains(&key) && !matches!(key, "request" | "timestamp" | "status") {
            return None;
        }
    } else if !text.starts_with(b"[") {
        return None;
    }
    let first = text.get(..FIRST_THREAD).unwrap_or(text);
    let has = |key: &[u8]| memmem::find(first, key).is_some();
    let is_ours = has(b"\"threadName\"") && has(b"\"threadState\"") && (has(b"\"stackTrace\"") || has(b"\"lockedMonitors\""));
    is_ours.then(|| Match::whole(90, "thread-dump/actuator", parse))
}

fn parse(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let arena = Arena::default();
    let mut scan = Scan::new(chunk.bytes, &arena);
    if chunk.bytes.starts_with(b"\xef\xbb\xbf") {
        scan.restart(3);
    }
    while scan.peek().is_some() {
        let start = scan.at();
        let mut reader = Reader { chunk, zone: chunk.hints.zone, dump: ThreadDump::default(), owned: Vec::new(), carriers: Vec::new(), end: start };
        let broken = reader.document(&mut scan).err();
        let end = if broken.is_some() { reader.end } else { scan.at() };
        reader.emit(start, end, sink);
        if let Some(reason) = broken {
            let rest = chunk.bytes.get(end..).unwrap_or_default();
            let trimmed = rest.trim_ascii_end().len();
            sink.quarantine(chunk.evidence(end, trimmed), reason);
            return;
        }
        if end == start {
            // A bracket that belongs to nothing.
            sink.quarantine(chunk.evidence(start, chunk.bytes.len() - start), Reason::Malformed);
            return;
        }
    }
}

/// Reads the threads of one document.
struct Reader<'a, 'c> {
    chunk: &'c Chunk<'c>,
    zone: i32,
    dump: ThreadDump<'a>,
    /// Locks whose owners are named elsewhere.
    owned: Vec<Owned<'a>>,
    /// Numbers of a virtual thread and of the thread that carries it.
    carriers: Vec<(u64, u64)>,
    /// End of the last whole thread.
    end: usize,
}

impl<'a> Reader<'a, '_> {
    fn document(&mut self, scan: &mut Scan<'a>) -> Step<()> {
        if scan.peek() == Some(b'[') {
            return self.list(scan, Self::managed);
        }
        if !scan.enter_object()? {
            return Ok(());
        }
        while let Some(key) = scan.key()? {
            match key {
                "threadDump" => self.snapshots(scan)?,
                "timestamp" if self.dump.time.is_none() => {
                    self.dump.time = scan.int()?.and_then(crate::formats::timestamp::epoch_int).unwrap_or(self.dump.time);
                }
                _ if LISTS.contains(&key) && scan.peek() == Some(b'[') => self.list(scan, Self::managed)?,
                _ => scan.skip()?,
            }
        }
        Ok(())
    }

    /// What stands in `threadDump`.
    fn snapshots(&mut self, scan: &mut Scan<'a>) -> Step<()> {
        if !scan.enter_object()? {
            return Ok(());
        }
        while let Some(key) = scan.key()? {
            match key {
                "time" => self.dump.time = iso(scan.text()?.as_bytes(), self.zone).map_or(self.dump.time, |(time, _)| time),
                "runtimeVersion" => self.dump.runtime = scan.text()?,
                "threadContainers" if scan.enter_array()? => {
                    while scan.item()? {
                        self.container(scan)?;
                    }
                }
                "threadContainers" => {}
                _ => scan.skip()?,
            }
        }
        Ok(())
    }

    fn container(&mut self, scan: &mut Scan<'a>) -> Step<()> {
        if !scan.enter_object()? {
            return Ok(());
        }
        let from = self.dump.threads.len();
        let mut name = "";
        while let Some(key) = scan.key()? {
            match key {
                "container" => name = scan.text()?,
                "threads" => self.list(scan, Self::snapshot)?,
                _ => scan.skip()?,
            }
        }
        // Only virtual threads are made one for each task.
        if name.contains("ThreadPerTaskExecutor@") {
            self.dump.threads.iter_mut().skip(from).for_each(|thread| thread.is_virtual |= snapshot::is_virtual(&thread.frames));
        }
        Ok(())
    }

    fn list(&mut self, scan: &mut Scan<'a>, read: fn(&mut Self, &mut Scan<'a>) -> Step<Option<ThreadRecord<'a>>>) -> Step<()> {
        if !scan.enter_array()? {
            return Ok(());
        }
        while scan.item()? {
            let start = scan.at();
            if let Some(thread) = read(self, scan)? {
                self.dump.threads.push(ThreadRecord { evidence: self.evidence(start, scan.at()), ..thread });
            }
            self.end = scan.at();
        }
        Ok(())
    }

    fn evidence(&self, from: usize, to: usize) -> Evidence {
        self.chunk.evidence(from, to.saturating_sub(from))
    }

    fn emit(mut self, start: usize, end: usize, sink: &mut dyn Sink) {
        if self.dump.threads.is_empty() {
            return;
        }
        give(&mut self.dump.threads, &self.owned);
        carry(&mut self.dump.threads, &self.carriers);
        self.dump.evidence = self.chunk.evidence(start, end.saturating_sub(start));
        sink.thread_dump(&self.dump);
    }
}

#[cfg(test)]
mod tests;
