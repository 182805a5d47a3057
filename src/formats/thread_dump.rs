//! Thread dumps that HotSpot writes as text: `jstack`, `jcmd Thread.print`, `kill -3`, and look-alikes made over JMX.
//!
//! ```text
//! 2026-11-22 19:28:00
//! Full thread dump OpenJDK 64-Bit Server VM (17.0.15+6 mixed mode, sharing):
//! "order-worker-1" #18 prio=5 os_prio=0 cpu=0.48ms elapsed=5.87s tid=0x00007f84a812b8c0 nid=0x2384 waiting for monitor entry  [0x00007f84904fd000]
//! ```
//!
//! A record is a whole dump, from the process number, the date line or the banner to what another format claims. A line
//! in between that is no part of a dump (an application's `println`) goes to the free-text format. An application's log
//! record in the midst of a dump ends it; what follows is then read as a dump without banner and time.
//! What this file does not do: JSON and plain dumps of `jcmd Thread.dump_to_file`, OpenJ9 javacores, `jstack -F`.

use super::block_lines::{BlockLine, BlockLines, cut, evidence};
use super::lines::{Block, LineFormat};
use super::thread_header::{ThreadHeader, class, lock, lock_role, state};
use super::{Confidence, Format, Match, free_text, timestamp};
use crate::model::jvm::{DeadlockMember, DeclaredDeadlock, LockRecord, LockRole, ThreadDump, ThreadRecord, ThreadState};
use crate::model::record::{Reason, Sink};
use crate::model::source::Head;
use crate::model::time::Time;
use memchr::memmem;

/// HotSpot's text dumps.
pub const FORMAT: Format = Format { name: "thread-dump", sniff };

const BANNER: &str = "Full thread dump";
const DEADLOCK: &str = "Found one Java-level deadlock:";
/// A name that was broken by more line ends than this is not put together.
const NAME_LINES: usize = 8;

/// The line format.
#[derive(Clone, Copy, Debug)]
pub struct HotSpotDump {
    embedded: bool,
}

impl HotSpotDump {
    /// For files of dumps: they are cut between dumps only.
    pub const MAIN: Self = Self { embedded: false };
    /// For dumps between the lines of another format: the pieces of a dump that other lines have broken are read, too.
    pub const EMBEDDED: Self = Self { embedded: true };
}

impl LineFormat for HotSpotDump {
    fn starts(&self, line: &[u8], previous: &[u8]) -> bool {
        match line.first() {
            Some(b'F') => (line.starts_with(BANNER.as_bytes()) && !is_date(previous)) || (self.embedded && line.starts_with(DEADLOCK.as_bytes())),
            Some(b'0'..=b'9') => is_date(line) || (!self.embedded && is_pid(line)),
            Some(b'"') => self.embedded && has_header(line),
            _ => false,
        }
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        match line.first() {
            Some(b' ' | b'\t') => is_inner(line.trim_ascii_start()),
            // Without a second quote this is the first line of a broken name.
            Some(b'"') => has_header(line) || line.ends_with(b"\":") || memchr::memchr(b'"', line.get(1..).unwrap_or_default()).is_none(),
            Some(_) => is_outer(line) || has_header(line),
            None => false,
        }
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        Reader {
            block,
            lines: BlockLines::of(block),
            dump: ThreadDump::default(),
            condition: ThreadState::Unknown,
            section: Section::Between,
            end: 0,
            foreign: None,
        }
        .read(sink);
    }
}

/// Whether the line is the process number that `jcmd` writes above everything it prints: `7767:`.
#[must_use]
pub fn is_pid(line: &[u8]) -> bool {
    line.len() <= 12 && line.strip_suffix(b":").is_some_and(|digits| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit))
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let (mut lines, mut ours, mut banners, mut headers) = (0_usize, 0_usize, 0_usize, 0_usize);
    for line in head.bytes.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).filter(|line| !line.is_empty()) {
        lines += 1;
        banners += usize::from(line.starts_with(BANNER.as_bytes()));
        headers += usize::from(line.starts_with(b"\"") && has_header(line));
        let is_known = matches!(line.first(), Some(b' ' | b'\t' | b'"')) || is_outer(line) || is_date(line) || is_pid(line);
        ours += usize::from(is_known || line.starts_with(BANNER.as_bytes()));
    }
    let pure = ours * 10 >= lines * 9;
    let confidence: Confidence = match (banners > 0, headers > 0, pure) {
        (true, _, true) => 90,
        (false, true, true) => 70,
        (true, _, false) | (_, true, _) => 30,
        (false, false, _) => return None,
    };
    Some(Match::lines(confidence, "thread-dump/hotspot", Box::new(HotSpotDump::MAIN)))
}

/// Whether the line is a local date and time and nothing else. Over JMX it has a fraction; with a zone it is another program's.
fn is_date(line: &[u8]) -> bool {
    let has_length = match line.get(19..) {
        Some([]) => true,
        Some([b'.', fraction @ ..]) => fraction.len() <= 9 && fraction.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    has_length && timestamp::iso(line, 0).is_some_and(|(_, used)| used == line.len())
}

/// Whether a thread's header ends in this line. Cheap, and good enough to keep a line or to start a block.
fn has_header(line: &[u8]) -> bool {
    memmem::find(line, b" tid=").is_some_and(|tid| memchr::memchr(b'"', line.get(..tid).unwrap_or_default()).is_some())
        || memmem::find(line, b"\" - Thread t@").is_some()
}

/// What a dump prints indented, without the indent.
fn is_inner(line: &[u8]) -> bool {
    const WORDS: [&[u8]; 11] = [
        b"at ",
        b"- ",
        b"java.lang.Thread.State:",
        b"Locked ownable ",
        b"Carrying virtual ",
        b"No compile task",
        b"Compiling: ",
        b"waiting to lock ",
        b"waiting for ",
        b"which is held ",
        b"in JNI, ",
    ];
    WORDS.iter().any(|word| line.starts_with(word))
}

/// What a dump prints at the start of a line, headers apart.
fn is_outer(line: &[u8]) -> bool {
    match line.first() {
        Some(b'J') => line.starts_with(b"JNI global ref") || line.starts_with(b"Java stack information "),
        Some(b'F') => line.starts_with(b"Found ") && memmem::find(line, b"deadlock").is_some(),
        Some(b'T') => line.starts_with(b"Threads class SMR info"),
        Some(b'_') => line.starts_with(b"_java_thread_list") || line.starts_with(b"_to_delete_list"),
        Some(b'=') => line.starts_with(b"====="),
        Some(b'0') => line.starts_with(b"0x"),
        Some(b'}' | b'H') => line == b"}" || line == b"Heap",
        _ => false,
    }
}

/// What Shenandoah prints below `Heap` at the start of a line.
fn is_heap(line: &str) -> bool {
    ["Shenandoah Heap", "Status: ", "Reserved region:", "Collection set:", "Generation:"].iter().any(|word| line.starts_with(word))
}

/// What the reader is inside of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    /// Nothing that indented lines belong to.
    Between,
    /// A thread.
    Thread,
    /// The list of a thread's synchronizers.
    Synchronizers,
    /// The list of the threads' addresses.
    Addresses,
    /// The heap's numbers.
    Heap,
    /// A stack trace of the application.
    Foreign,
}

struct Reader<'b> {
    block: &'b Block<'b>,
    lines: BlockLines<'b>,
    dump: ThreadDump<'b>,
    /// State of the last thread by the words of its header.
    condition: ThreadState,
    section: Section,
    /// End of the last line that is part of the dump.
    end: usize,
    /// First and last of the lines that are not, until they are given back.
    foreign: Option<(BlockLine<'b>, BlockLine<'b>)>,
}

impl<'b> Reader<'b> {
    fn read(mut self, sink: &mut dyn Sink) {
        if !self.preamble() {
            // The process number stands above the dump, in a block of its own; it says nothing that is kept.
            if !is_pid(self.block.text.trim_ascii_end().as_bytes()) {
                free_text().record(self.block, sink);
            }
            return;
        }
        while let Some(line) = self.lines.next() {
            if !self.line(&line, sink) {
                self.foreign = Some((self.foreign.map_or(line, |(first, _)| first), line));
            }
        }
        self.give_back(sink);
        self.dump.evidence = evidence(self.block, 0, self.end);
        if !self.dump.threads.is_empty() || !self.dump.deadlocks.is_empty() {
            sink.thread_dump(&self.dump);
        } else if !self.dump.runtime.is_empty() {
            sink.quarantine(self.dump.evidence, Reason::Truncated);
        }
    }

    /// Reads what stands above the first thread; false if this is no dump.
    fn preamble(&mut self) -> bool {
        let mut rest = self.lines.clone();
        while let Some(line) = rest.next() {
            let bytes = line.text.as_bytes();
            if is_date(bytes) {
                self.dump.time = timestamp::iso(bytes, self.block.hints.zone).map_or(Time::NONE, |(time, _)| time);
            } else if let Some(runtime) = line.text.strip_prefix(BANNER) {
                self.dump.runtime = runtime.trim_ascii().trim_end_matches(':');
                self.end = line.to;
                self.lines = rest;
                return true;
            } else if (line.text.starts_with('"') && has_header(bytes)) || line.text.starts_with(DEADLOCK) {
                return true;
            } else if !line.is_blank() && !is_pid(bytes) {
                return false;
            }
            self.lines = rest.clone();
        }
        false
    }

    /// Reads a line; false if it is no part of the dump.
    fn line(&mut self, line: &BlockLine<'b>, sink: &mut dyn Sink) -> bool {
        let inner = line.text.trim_ascii();
        if inner.is_empty() {
            self.give_back(sink);
            if !matches!(self.section, Section::Thread | Section::Synchronizers) {
                self.section = Section::Between;
            }
            return true;
        }
        let is_ours = if line.text.starts_with([' ', '\t']) {
            match self.section {
                Section::Thread | Section::Synchronizers => self.thread_line(inner, line.to),
                Section::Addresses | Section::Heap => true,
                Section::Between | Section::Foreign => false,
            }
        } else if line.text.starts_with('"') {
            self.header(line) || self.cut_header(line, sink)
        } else {
            self.outer(line, sink)
        };
        if is_ours {
            self.end = self.end.max(line.to);
            self.give_back(sink);
        } else if ["Exception", "Error", "Throwable"].iter().any(|word| inner.contains(word)) || !self.in_thread() {
            // The frames that follow are the application's, not those of the thread above.
            self.section = Section::Foreign;
        }
        is_ours
    }

    fn in_thread(&self) -> bool {
        matches!(self.section, Section::Thread | Section::Synchronizers)
    }

    /// A line that begins at the margin and is no header.
    fn outer(&mut self, line: &BlockLine<'b>, sink: &mut dyn Sink) -> bool {
        if line.text.starts_with(DEADLOCK) {
            self.give_back(sink);
            self.section = Section::Between;
            self.deadlock(line, sink);
            return true;
        }
        let section = if self.section == Section::Addresses || line.text.starts_with("Threads class SMR info") {
            Section::Addresses
        } else if line.text == "Heap" || (self.section == Section::Heap && is_heap(line.text)) {
            Section::Heap
        } else if is_outer(line.text.as_bytes()) {
            Section::Between
        } else {
            return false;
        };
        self.section = section;
        true
    }

    /// A thread's header, over as many lines as its name has.
    fn header(&mut self, first: &BlockLine<'b>) -> bool {
        let mut rest = self.lines.clone();
        let mut last = *first;
        for _ in 0..NAME_LINES {
            let text = self.block.text.get(first.at..last.end()).unwrap_or_default();
            if let Some(header) = ThreadHeader::read(text) {
                self.lines = rest;
                self.section = Section::Thread;
                self.condition = header.state();
                self.end = last.to;
                self.dump.threads.push(ThreadRecord {
                    name: header.name,
                    id: header.id,
                    cpu_nanos: header.cpu_nanos,
                    elapsed_nanos: header.elapsed_nanos,
                    daemon: header.daemon,
                    is_virtual: header.is_virtual,
                    evidence: evidence(self.block, first.from, last.to),
                    ..ThreadRecord::default()
                });
                return true;
            }
            match rest.next() {
                Some(next) if !is_inner(next.text.as_bytes().trim_ascii_start()) && ThreadHeader::read(next.text).is_none() => last = next,
                _ => return false,
            }
        }
        false
    }

    /// A header that the end of the file has cut.
    fn cut_header(&mut self, line: &BlockLine<'b>, sink: &mut dyn Sink) -> bool {
        let mut rest = self.lines.clone();
        let is_last = rest.all(|later| later.is_blank());
        if is_last {
            sink.quarantine(evidence(self.block, line.from, line.to), Reason::Truncated);
        }
        is_last
    }

    /// An indented line below a header. Whatever it says, it is the thread's: `No compile task`.
    fn thread_line(&mut self, text: &'b str, to: usize) -> bool {
        let Some(thread) = self.dump.threads.last_mut() else { return false };
        if let Some(frame) = text.strip_prefix("at ") {
            if thread.frames.is_empty() && thread.state == ThreadState::Unknown {
                thread.state = self.condition;
            }
            thread.frames.push(frame);
        } else if let Some(rest) = text.strip_prefix("- ") {
            let owned = self.section == Section::Synchronizers && rest.contains('<');
            if let Some((role, rest)) = if owned { Some((LockRole::OwnsSynchronizer, rest)) } else { lock_role(rest) } {
                let (address, class) = lock(rest);
                let frame = u32::try_from(thread.frames.len().saturating_sub(1)).unwrap_or(u32::MAX);
                thread.locks.push(LockRecord { role, address, class, frame });
            }
        } else if let Some(rest) = text.strip_prefix("java.lang.Thread.State:") {
            thread.state = state(rest);
        } else if let Some(id) = text.strip_prefix("Carrying virtual thread #") {
            thread.carries = id.parse().ok();
        } else if text.starts_with("Locked ownable synchronizers") {
            self.section = Section::Synchronizers;
            self.dump.lists_synchronizers = true;
        }
        let from = thread.evidence.start.saturating_sub(self.block.evidence.start);
        thread.evidence = evidence(self.block, usize::try_from(from).unwrap_or_default(), to);
        true
    }

    /// A deadlock that the virtual machine has found, and the stacks it prints again below.
    fn deadlock(&mut self, first: &BlockLine<'b>, sink: &mut dyn Sink) {
        let mut members: Vec<DeadlockMember<'b>> = Vec::new();
        let (mut end, mut in_stacks) = (first.to, false);
        loop {
            let mut rest = self.lines.clone();
            let Some(line) = rest.next() else { break };
            let inner = line.text.trim_ascii();
            if line.text.starts_with("Java stack information ") {
                in_stacks = true;
            } else if line.text.starts_with('"') {
                if ThreadHeader::read(line.text).is_some() {
                    break;
                }
                let Some(thread) = self.quoted(&line, &mut rest, line.at + 1, "\":") else { break };
                if !in_stacks {
                    members.push(DeadlockMember { thread, ..DeadlockMember::default() });
                }
            } else if let Some(member) = members.last_mut().filter(|_| !in_stacks && line.text.starts_with(' ')) {
                if let Some(name) = line.text.find("held by \"") {
                    let from = line.at + name + "held by \"".len();
                    member.holder =
                        self.quoted(&line, &mut rest, from, "\"").unwrap_or_else(|| self.block.text.get(from..line.end()).unwrap_or_default());
                } else if inner.starts_with("waiting ") {
                    member.wants = class(inner);
                }
            } else if !inner.is_empty() && !inner.starts_with("=====") && !line.text.starts_with([' ', '\t']) {
                break;
            }
            if !inner.is_empty() {
                end = line.to;
            }
            self.lines = rest;
        }
        self.end = end;
        if members.is_empty() {
            sink.quarantine(evidence(self.block, first.from, end), Reason::Truncated);
        } else {
            self.dump.deadlocks.push(DeclaredDeadlock { members, evidence: evidence(self.block, first.from, end) });
        }
    }

    /// The name that begins at `from` of the text and is ended by a line that ends with `close`.
    fn quoted(&self, line: &BlockLine<'b>, rest: &mut BlockLines<'b>, from: usize, close: &str) -> Option<&'b str> {
        let (mut last, mut after) = (*line, rest.clone());
        for _ in 0..NAME_LINES {
            if let Some(name) = self.block.text.get(from..last.end()).and_then(|text| text.trim_ascii_end().strip_suffix(close)) {
                *rest = after;
                return Some(name);
            }
            last = after.next()?;
        }
        None
    }

    /// Hands the lines that are not part of the dump to the format of such lines.
    fn give_back(&mut self, sink: &mut dyn Sink) {
        if let Some((first, last)) = self.foreign.take() {
            free_text().record(&cut(self.block, &first, &last), sink);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::lines::LineStream;
    use crate::model::source::{Chunk, FileId, Hints};
    use crate::model::transcript::Transcript;

    const DUMP: &str = r#"2026-11-22 19:28:00
Full thread dump OpenJDK 64-Bit Server VM (17.0.15+6 mixed mode, sharing):

Threads class SMR info:
_java_thread_list=0x00007f8424007760, length=31, elements={
0x00007f84a8023090, 0x00007f84a80d1800
}

"order-worker-1" #18 prio=5 os_prio=0 cpu=0.48ms elapsed=5.87s tid=0x0a nid=0x2384 waiting for monitor entry  [0x00007f84904fd000]
   java.lang.Thread.State: BLOCKED (on object monitor)
	at LeakyShop.lambda$main$1(LeakyShop.java:14)
	- waiting to lock <0x00000000fc2a3380> (a java.lang.Object)
	- locked <0x00000000fc2e44b0> (a java.lang.Object)
	at java.lang.Thread.run(java.base@17.0.15/Thread.java:840)

   Locked ownable synchronizers:
	- <0x00000000fc545488> (a java.util.concurrent.locks.ReentrantLock$NonfairSync)

"C2 CompilerThread0" #7 daemon prio=9 os_prio=0 cpu=173.62ms elapsed=5.92s tid=0x0b nid=0x2378 waiting on condition  [0x0]
   java.lang.Thread.State: RUNNABLE
   No compile task

   Locked ownable synchronizers:
	- None

"line1
line2 "quoted"" #14 [77] daemon prio=5 os_prio=0 cpu=0.06ms elapsed=2.42s tid=0x0c  [0x00007f18908cb000]
   Carrying virtual thread #27
	at jdk.internal.vm.Continuation.run(java.base@21.0.8/Unknown Source)

"VM Thread" os_prio=0 cpu=14.37ms elapsed=5.94s tid=0x0d nid=0x2372 runnable  

JNI global refs: 12, weak refs: 0


Found one Java-level deadlock:
=============================
"order-worker-1":
  waiting to lock monitor 0x00007f847800e5f0 (object 0x00000000fc2a3380, a java.lang.Object),
  which is held by "line1
line2 "quoted""

"line1
line2 "quoted"":
  waiting for ownable synchronizer 0x00000000fc545488, (a java.util.concurrent.locks.ReentrantLock$NonfairSync),
  which is held by "order-worker-1"

Java stack information for the threads listed above:
===================================================
"order-worker-1":
	at LeakyShop.lambda$main$1(LeakyShop.java:14)
	- waiting to lock <0x00000000fc2a3380> (a java.lang.Object)
"line1
line2 "quoted"":
	at LeakyShop.lambda$main$2(LeakyShop.java:15)

Found 1 deadlock.

Heap
 garbage-first heap   total 65536K, used 16430K [0x00000000fc000000, 0x0000000100000000)
  region size 1024K, 4 young (4096K), 2 survivors (2048K)

"#;

    fn stream(text: &str, format: HotSpotDump) -> Transcript {
        let hints = Hints { zone: 3600, ..Hints::default() };
        let mut transcript = Transcript::default();
        LineStream::new(Box::new(format)).parse(&Chunk { file: FileId(0), base: 0, bytes: text.as_bytes(), hints: &hints }, &mut transcript);
        transcript
    }

    fn parse(text: &str) -> Transcript {
        stream(text, HotSpotDump::MAIN)
    }

    /// Threads and deadlocks of every dump.
    fn counts(got: &Transcript) -> Vec<(usize, usize)> {
        let mut counts = Vec::new();
        for line in got.text.lines() {
            match (line.starts_with("thread-dump"), counts.last_mut()) {
                (true, _) => counts.push((0, 0)),
                (false, Some((threads, deadlocks))) => {
                    *threads += usize::from(line.starts_with("  thread @"));
                    *deadlocks += usize::from(line.starts_with("  deadlock @"));
                }
                (false, None) => {}
            }
        }
        counts
    }

    #[test]
    fn a_whole_dump() {
        let got = parse(DUMP);
        let head = format!(
            "thread-dump @0+{} time=\"2026-11-22T18:28:00Z\" runtime=\"OpenJDK 64-Bit Server VM (17.0.15+6 mixed mode, sharing)\" ",
            DUMP.len() - 2
        );
        let want = r#"threads="4" lists_synchronizers="true"
  thread @222+520 "order-worker-1" id=0xa Blocked cpu=480000 elapsed=5870000000 daemon=false virtual=false carries= frames=2
    LeakyShop.lambda$main$1(LeakyShop.java:14)
    java.lang.Thread.run(java.base@17.0.15/Thread.java:840)
    WaitingToLock 0xfc2a3380 java.lang.Object frame=0
    Locked 0xfc2e44b0 java.lang.Object frame=0
    OwnsSynchronizer 0xfc545488 java.util.concurrent.locks.ReentrantLock$NonfairSync frame=1
  thread @744+219 "C2 CompilerThread0" id=0xb Runnable cpu=173620000 elapsed=5920000000 daemon=true virtual=false carries= frames=0
  thread @965+212 "line1\nline2 \"quoted\"" id=0xc Unknown cpu=60000 elapsed=2420000000 daemon=true virtual=false carries=27 frames=1
    jdk.internal.vm.Continuation.run(java.base@21.0.8/Unknown Source)
  thread @1179+78 "VM Thread" id=0xd Unknown cpu=14370000 elapsed=5940000000 daemon=false virtual=false carries= frames=0
  deadlock @1295+691
    "order-worker-1" wants java.lang.Object held by "line1\nline2 \"quoted\""
    "line1\nline2 \"quoted\"" wants java.util.concurrent.locks.ReentrantLock$NonfairSync held by "order-worker-1"
"#;
        assert_eq!(got.text, head + want);
        assert_eq!(stream(DUMP, HotSpotDump::EMBEDDED).text, got.text);
    }

    #[test]
    fn several_dumps_and_the_lines_between() {
        let text = format!("READY\n7767:\n{DUMP}after the dump\nException in thread \"main\" java.lang.Error\n\tat A.b(A.java:1)\n{DUMP}");
        let got = parse(&text);
        assert_eq!(counts(&got), [(4, 1), (4, 1)]);
        assert_eq!(got.text.matches("log @").count(), 2, "{}", got.text);
        let foreign = text.find("after the dump").unwrap_or_default();
        assert!(got.text.contains(&format!("log @{foreign}+75 ")), "{}", got.text);
    }

    #[test]
    fn lines_inside_a_dump() {
        let printed = DUMP.replace("\tat java.lang.Thread.run", "printed by the application\n\tat java.lang.Thread.run");
        let got = parse(&printed);
        assert!(
            counts(&got) == [(4, 1)] && got.text.contains("frames=2") && got.text.contains("message=\"printed by the application\""),
            "{}",
            got.text
        );
        // A line that another format claims breaks the dump; the rest is read all the same.
        for before in ["\"VM Thread\"", "Found one", "Heap"] {
            let broken = DUMP.replace(before, &format!("[7.1s][info][gc] Using G1\n{before}"));
            let got = parse(&broken);
            let found = counts(&got).into_iter().fold((0, 0), |(t, d), (threads, deadlocks)| (t + threads, d + deadlocks));
            assert_eq!(found, (4, 1), "{before}: {}", got.text);
        }
    }

    #[test]
    fn dumps_over_jmx() {
        let text = "2026-11-22T19:28:00.123456\nFull thread dump OpenJDK 64-Bit Server VM (17+35 mixed mode):\n\n\"exec-1\" - Thread t@45\n   \
            java.lang.Thread.State: WAITING\n\tat A.b(A.java:1)\n\t- waiting to lock <73d6f3d7> (a java.lang.Object) owned by \"T\" t@17\n\n   \
            Locked ownable synchronizers:\n\t- Locked <3a8d2b> (a S)\n\n";
        let got = parse(text).text;
        assert!(got.contains("\"exec-1\" id=0x2d Waiting") && got.contains("WaitingToLock 0x73d6f3d7 java.lang.Object"), "{got}");
        assert!(got.contains("OwnsSynchronizer 0x3a8d2b S") && got.contains("18:28:00.123456Z"), "{got}");
    }

    #[test]
    fn dumps_without_state_lines() {
        let text = "Full thread dump Java HotSpot(TM) Client VM (1.5.0_06-b05 mixed mode):\n\n\"Timer-0\" daemon prio=1 tid=0x08222940 nid=0x2d53 \
            in Object.wait() [0xa95fa000..0xa95fb0c0]\n        at java.lang.Object.wait(Native Method)\n";
        assert!(parse(text).text.contains("\"Timer-0\" id=0x8222940 Waiting"));
    }

    #[test]
    fn dates_and_numbers_that_begin_no_dump() {
        let got = parse("7767:\n2026-11-22 19:28:00\nnothing of the kind\n");
        assert_eq!(got.text, "log @6+39 message=\"2026-11-22 19:28:00\\nnothing of the kind\"\n");
        let got = parse("7767:\n-XX:CICompilerCount=2\n");
        assert!(got.text.starts_with("log @0+27 message="), "{}", got.text);
        assert_eq!(parse("7767:\n").text, "");
        assert_eq!(parse("Full thread dump X (1 mixed mode):\n").text, "quarantine @0+34 truncated\n");
    }

    #[test]
    fn a_cut_dump_keeps_its_threads() {
        let lines: Vec<usize> = DUMP.match_indices('\n').map(|(at, _)| at + 1).collect();
        let mut most = 0;
        for &at in &lines {
            let got = parse(&DUMP[..at]);
            let threads = counts(&got).iter().map(|(threads, _)| *threads).sum::<usize>();
            assert!(threads >= most, "{}", &DUMP[..at]);
            most = threads;
            // What follows the cut is read, too, wherever it is.
            stream(&DUMP[at..], HotSpotDump::EMBEDDED);
        }
        assert_eq!(most, 4);
        let got = parse(&DUMP[..DUMP.find(" os_prio=0 cpu=173").unwrap_or_default()]);
        assert!(counts(&got) == [(1, 0)] && got.text.contains("truncated"), "{}", got.text);
        for (at, _) in DUMP.char_indices() {
            parse(&DUMP[..at]);
        }
    }

    #[test]
    fn carriage_returns_and_latin1_keep_their_places() {
        let windows = DUMP.replace('\n', "\r\n");
        assert_eq!(counts(&parse(&windows)), [(4, 1)]);
        let mut bytes = DUMP.replace("order-worker-1", "order-w\u{f6}rker").into_bytes();
        let umlaut: Vec<usize> = bytes.windows(2).enumerate().filter(|(_, w)| *w == [0xc3, 0xb6]).map(|(at, _)| at).collect();
        for at in umlaut.into_iter().rev() {
            bytes.splice(at..at + 2, [0xf6]);
        }
        let hints = Hints::default();
        let mut got = Transcript::default();
        LineStream::new(Box::new(HotSpotDump::MAIN)).parse(&Chunk { file: FileId(0), base: 0, bytes: &bytes, hints: &hints }, &mut got);
        let place = memmem::find(&bytes, b"\"C2 Comp").unwrap_or_default();
        assert!(got.text.contains(&format!("  thread @{place}+219 \"C2 Comp")), "{}", got.text);
    }

    #[test]
    fn starts_are_few() {
        let format = HotSpotDump::EMBEDDED;
        for line in [
            "2026-11-22 19:28:00 INFO up",
            "2026-11-22T19:28:00Z",
            "\"quoted\" text",
            "Found 3 orders",
            "Full",
            "12:",
            "",
            "\tat A.b(A.java:1)",
            "{\"a\":1}",
        ] {
            assert!(!format.starts(line.as_bytes(), b""), "{line}");
            assert!(!HotSpotDump::EMBEDDED.keeps(line.as_bytes()) || line.starts_with('\t'), "{line}");
        }
        assert!(format.starts(b"Full thread dump X:", b"up") && !format.starts(b"Full thread dump X:", b"2026-11-22 19:28:00"));
        assert!(HotSpotDump::MAIN.starts(b"7767:", b"") && !HotSpotDump::MAIN.starts(b"\"a\" tid=0x1", b""));
    }

    #[test]
    fn sniffs_by_content() {
        let confidence = |text: &str| sniff(&Head { path: "", bytes: text.as_bytes(), whole: true }).map(|m| m.confidence);
        assert_eq!(confidence(DUMP), Some(90));
        assert_eq!(confidence(&DUMP[222..]), Some(70));
        assert_eq!(confidence(&format!("{}{DUMP}", "an application's line\n".repeat(40))), Some(30));
        assert_eq!(confidence("2026-11-22 19:28:00\n\"a\",\"b\"\n"), None);
    }
}
