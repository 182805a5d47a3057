//! Threads as `ThreadInfo.toString` prints them: an application that watches itself, and admin pages of frameworks.
//!
//! ```text
//! "exec-1" daemon prio=5 Id=31 BLOCKED on java.lang.Object@1b2c3d owned by "exec-2" Id=32
//!     at com.acme.Orders.take(Orders.java:12)
//!     -  blocked on java.lang.Object@1b2c3d
//!     Number of locked synchronizers = 1
//!     - java.util.concurrent.ThreadPoolExecutor$Worker@4e50df2e
//! "main" id=1 state=WAITING
//! ```
//!
//! Such a dump has no banner: a record is a run of threads, and a thread that comes a second time begins the next dump.
//! What this file does not do: HotSpot's headers, which have a `tid`.

use super::block_lines::{BlockLine, BlockLines, cut, evidence};
use super::lines::{Block, LineFormat};
use super::thread_frame::{Owned, frame, give, object};
use super::thread_header::{lock, lock_role, state};
use super::{Format, Match, free_text};
use crate::model::jvm::{LockRecord, LockRole, ThreadDump, ThreadRecord, ThreadState};
use crate::model::record::Sink;
use crate::model::source::Head;
use memchr::memmem;
use std::collections::BTreeSet;

/// Dumps of `ThreadInfo`.
pub const FORMAT: Format = Format { name: "thread-info", sniff };

/// The line format.
#[derive(Clone, Copy, Debug)]
pub struct ThreadInfos;

impl LineFormat for ThreadInfos {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        is_header(line)
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        match line.first() {
            Some(b'"') => is_header(line),
            Some(b' ' | b'\t') => is_inner(line.trim_ascii_start()),
            _ => false,
        }
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let mut reader = Reader { block, dump: ThreadDump::default(), seen: BTreeSet::new(), owned: Vec::new(), from: 0, end: 0, in_thread: false };
        let mut foreign: Option<(BlockLine<'_>, BlockLine<'_>)> = None;
        for line in BlockLines::of(block) {
            if line.is_blank() {
                continue;
            }
            if reader.line(&line, sink) {
                give_back(block, foreign.take(), sink);
            } else {
                foreign = Some((foreign.map_or(line, |(first, _)| first), line));
            }
        }
        reader.emit(sink);
        give_back(block, foreign, sink);
    }
}

fn give_back(block: &Block<'_>, foreign: Option<(BlockLine<'_>, BlockLine<'_>)>, sink: &mut dyn Sink) {
    if let Some((first, last)) = foreign {
        free_text().record(&cut(block, &first, &last), sink);
    }
}

fn is_header(line: &[u8]) -> bool {
    line.first() == Some(&b'"')
        && [&b" Id="[..], b" id="].iter().any(|id| memmem::find(line, id).is_some())
        && std::str::from_utf8(line).is_ok_and(|line| Header::read(line).is_some())
}

/// What stands below a header, without its indent.
fn is_inner(line: &[u8]) -> bool {
    [&b"at "[..], b"- ", b"...", b"Number of locked ", b"Locked synchronizers", b"owned by "].iter().any(|words| line.starts_with(words))
}

/// What a header says.
struct Header<'a> {
    thread: ThreadRecord<'a>,
    wants: &'a str,
    owner: Option<(&'a str, u64)>,
}

impl<'a> Header<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let inside = text.strip_prefix('"')?;
        // The owner's name stands in quotes, too; the thread's own ends before its number.
        let (name, rest) = [" Id=", " id="].into_iter().find_map(|mark| {
            let at = inside.match_indices(mark).find(|(at, _)| inside.get(..*at).is_some_and(closes_name))?.0;
            Some((inside.get(..at)?, inside.get(at + mark.len()..)?))
        })?;
        let close = name.rfind('"')?;
        let (name, attributes) = (name.get(..close)?, name.get(close + 1..)?);
        let (id, rest) = rest.trim_ascii().split_once(' ')?;
        let id = id.parse().ok()?;
        let said = ["state=", "in "].into_iter().find_map(|mark| rest.strip_prefix(mark)).unwrap_or(rest);
        let known = state(said);
        if known == ThreadState::Unknown {
            return None;
        }
        let (wants, owner) = match said.split_once(" on ") {
            Some((_, object)) => object.split_once(" owned by \"").unwrap_or((object, "")),
            None => ("", ""),
        };
        let owner = owner.rsplit_once("\" Id=").map(|(name, id)| (name, id.split(' ').next().and_then(|id| id.parse().ok()).unwrap_or_default()));
        let daemon = attributes.split(' ').any(|word| word == "daemon");
        let thread = ThreadRecord { name, id, state: known, daemon, ..ThreadRecord::default() };
        Some(Self { thread, wants: wants.split(' ').next().unwrap_or_default(), owner })
    }
}

/// Whether a name ends in this text with nothing behind it but the words that may stand before the number.
fn closes_name(text: &str) -> bool {
    text.rfind('"').and_then(|close| text.get(close + 1..)).is_some_and(|rest| {
        rest.split_ascii_whitespace()
            .all(|word| word == "daemon" || word.strip_prefix("prio=").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit())))
    })
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let (mut lines, mut ours, mut headers) = (0_usize, 0_usize, 0_usize);
    for line in head.bytes.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty()) {
        let is_ours = is_header(line);
        lines += 1;
        headers += usize::from(is_ours);
        ours += usize::from(is_ours || (line.first().is_some_and(|b| matches!(b, b' ' | b'\t')) && is_inner(line.trim_ascii_start())));
    }
    let confidence = match (headers, ours * 100 / lines.max(1)) {
        (0, _) => return None,
        (_, 90..) => 85,
        (2.., 50..) => 50,
        _ => return None,
    };
    Some(Match::lines(confidence, "thread-dump/thread-info", Box::new(ThreadInfos)))
}

struct Reader<'b> {
    block: &'b Block<'b>,
    dump: ThreadDump<'b>,
    /// Threads of the dump so far.
    seen: BTreeSet<(u64, &'b str)>,
    owned: Vec<Owned<'b>>,
    /// First and last byte of the dump.
    from: usize,
    end: usize,
    in_thread: bool,
}

impl<'b> Reader<'b> {
    fn line(&mut self, line: &BlockLine<'b>, sink: &mut dyn Sink) -> bool {
        if let Some(header) = Header::read(line.text) {
            if !self.seen.insert((header.thread.id, header.thread.name)) {
                self.emit(sink);
                self.seen.insert((header.thread.id, header.thread.name));
            }
            self.open(header, line);
        } else if self.in_thread && line.text.starts_with([' ', '\t']) {
            self.inner(line);
        } else {
            self.in_thread = false;
            return false;
        }
        self.end = line.to;
        true
    }

    fn open(&mut self, header: Header<'b>, line: &BlockLine<'b>) {
        if self.dump.threads.is_empty() {
            self.from = line.from;
        }
        let mut thread = ThreadRecord { evidence: evidence(self.block, line.from, line.to), ..header.thread };
        let (address, class) = object(header.wants);
        if address != 0 {
            let role = if thread.state == ThreadState::Blocked { LockRole::WaitingToLock } else { LockRole::ParkingFor };
            thread.locks.push(LockRecord { role, address, class, frame: 0 });
            if let Some((name, id)) = header.owner {
                self.owned.push(Owned { name, id, address, class });
            }
        }
        self.dump.threads.push(thread);
        self.in_thread = true;
    }

    fn inner(&mut self, line: &BlockLine<'b>) {
        let Some(thread) = self.dump.threads.last_mut() else { return };
        let text = line.text.trim_ascii();
        if let Some(called) = text.strip_prefix("at ") {
            thread.frames.push(frame(called));
            if thread.frames.len() <= 2 && frame(called).starts_with("java.lang.Object.wait") {
                // The header does not tell a monitor that is waited on from a lock that is waited for.
                thread.locks.iter_mut().filter(|lock| lock.role == LockRole::ParkingFor).for_each(|lock| lock.role = LockRole::WaitingOn);
            }
        } else if let Some(rest) = text.strip_prefix("- ").map(str::trim_ascii_start) {
            let frame = u32::try_from(thread.frames.len().saturating_sub(1)).unwrap_or(u32::MAX);
            let (role, rest) = match lock_role(rest) {
                Some((LockRole::WaitingToLock | LockRole::WaitingOn | LockRole::ParkingFor, _)) if !thread.locks.is_empty() => {
                    return self.extend(line);
                }
                Some(found) => found,
                None if rest.starts_with("blocked on ") => return self.extend(line),
                None if rest.contains('@') || rest.contains('<') => (LockRole::OwnsSynchronizer, rest),
                None => return self.extend(line),
            };
            let (address, class) = if rest.contains('<') { lock(rest) } else { object(rest) };
            thread.locks.push(LockRecord { role, address, class, frame });
        } else if text.starts_with("Number of locked synchronizers") || text.starts_with("Locked synchronizers") {
            self.dump.lists_synchronizers = true;
        }
        self.extend(line);
    }

    fn extend(&mut self, line: &BlockLine<'b>) {
        if let Some(thread) = self.dump.threads.last_mut() {
            let from = usize::try_from(thread.evidence.start.saturating_sub(self.block.evidence.start)).unwrap_or_default();
            thread.evidence = evidence(self.block, from, line.to);
        }
    }

    /// Hands over the dump so far and begins another.
    fn emit(&mut self, sink: &mut dyn Sink) {
        let mut dump = std::mem::take(&mut self.dump);
        self.seen.clear();
        let owned = std::mem::take(&mut self.owned);
        if !dump.threads.is_empty() {
            give(&mut dump.threads, &owned);
            dump.evidence = evidence(self.block, self.from, self.end);
            sink.thread_dump(&dump);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::{recognised, stream, worn};

    // Synthetic: after the source of java.lang.management.ThreadInfo and of Dropwizard's ThreadDump.
    const DUMP: &str = "\"exec-1\" daemon prio=5 Id=31 BLOCKED on java.lang.Object@1b2c3d owned by \"exec \"2\"\" Id=32\n\
        \tat com.acme.Orders.take(Orders.java:12)\n\t-  blocked on java.lang.Object@1b2c3d\n\tat java.base@17.0.1/java.lang.Thread.run(Thread.java:833)\n\t...\n\n\
        \tNumber of locked synchronizers = 1\n\t- java.util.concurrent.ThreadPoolExecutor$Worker@4e50df2e\n\n\
        \"exec \"2\"\" Id=32 TIMED_WAITING\n\tat java.lang.Thread.sleep(Native Method)\n\t-  locked java.lang.Object@1b2c3d\n\n\
        \"main\" prio=5 Id=1 WAITING on java.util.concurrent.locks.ReentrantLock$NonfairSync@ff owned by \"exec-1\" Id=31 (suspended)\n\
        \tat jdk.internal.misc.Unsafe.park(Native Method)\n\t-  waiting on java.util.concurrent.locks.ReentrantLock$NonfairSync@ff\n\n";

    #[test]
    fn states_locks_and_owners() {
        let (label, got) = recognised(DUMP).unwrap();
        assert_eq!((label.as_str(), got.records, got.quarantined), ("thread-dump/thread-info", 1, 0), "{}", got.text);
        for part in [
            "threads=\"3\" lists_synchronizers=\"true\"",
            "\"exec-1\" id=0x1f Blocked cpu= elapsed= daemon=true virtual=false carries= frames=2\n    com.acme.Orders.take(Orders.java:12)\n    \
             java.lang.Thread.run(Thread.java:833)\n    WaitingToLock 0x1b2c3d java.lang.Object frame=0\n    \
             OwnsSynchronizer 0x4e50df2e java.util.concurrent.ThreadPoolExecutor$Worker frame=1\n    OwnsSynchronizer 0xff",
            "\"exec \\\"2\\\"\" id=0x20 TimedWaiting",
            "    Locked 0x1b2c3d java.lang.Object frame=0\n",
            "\"main\" id=0x1 Waiting",
            "    ParkingFor 0xff java.util.concurrent.locks.ReentrantLock$NonfairSync frame=0\n",
        ] {
            assert!(got.text.contains(part), "{part}: {}", got.text);
        }
    }

    #[test]
    fn other_writers() {
        let text = "\"main\" id=1 state=WAITING\n    - waiting on <0x0a> (a java.lang.Object)\n    - locked <0x0a> (a java.lang.Object)\n    \
            at java.lang.Object.wait(Native Method)\n    Locked synchronizers: count = 1\n      - <0x0b> (a S)\n\"x\" id=3149 in RUNNABLE (running in native)\n   at A.b(A.java:1)\n";
        let (_, got) = recognised(text).unwrap();
        assert!(got.text.contains("WaitingOn 0xa java.lang.Object") && got.text.contains("OwnsSynchronizer 0xb S"), "{}", got.text);
        assert!(got.text.contains("\"x\" id=0xc4d Runnable"), "{}", got.text);
    }

    #[test]
    fn between_the_lines_of_a_log() {
        let log = "2026-09-14 10:00:00.000  WARN 1 --- [main] c.acme.Watchdog : deadlock!\n";
        let text = format!("{}{DUMP}{DUMP}{}", log.repeat(20), log.repeat(20));
        let (label, got) = recognised(&text).unwrap();
        assert!(label.starts_with("text-log"), "{label}");
        assert_eq!((got.text.matches("thread-dump @").count(), got.text.matches("  thread @").count()), (2, 6), "{}", got.text);
        assert_eq!(got.text.matches("log @").count(), 40, "{}", got.text);
    }

    #[test]
    fn look_alikes() {
        for line in ["\"order\" Id=31 shipped", "\"x\" Id=31", "\"x\" and more Id=31 WAITING", "\"main\" #1 prio=5 tid=0x1 runnable"] {
            assert!(!ThreadInfos.starts(line.as_bytes(), b""), "{line}");
        }
        assert!(sniff(&Head { path: "", bytes: b"", whole: true }).is_none());
    }

    #[test]
    fn worn_dumps() {
        worn(DUMP.as_bytes(), |bytes| stream(Box::new(ThreadInfos), bytes));
    }
}
