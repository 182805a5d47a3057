//! The garbage collector's log of JDK 5 to 8: `-XX:+PrintGC`, `-XX:+PrintGCDetails` and their many companions.
//!
//! ```text
//! 2022-07-26T21:00:45.231+0800: 7.599: #2: [Full GC (System.gc()) [PSYoungGen: 98289K->0K(8257536K)] [ParOldGen: 32K->98112K(1048576K)] 98321K->98112K(9306112K), [Metaspace: 16471K->16471K(1064960K)], 0.6492397 secs]
//! 1.565: [GC 1.565: [ParNew1.578: [CMS-concurrent-abortable-preclean: 0.002/0.190 secs] [Times: user=0.09 sys=0.00, real=0.19 secs]
//! : 118008K->13040K(118016K), 0.0281748 secs] 194351K->128075K(249088K), 0.0282363 secs]
//! ```
//!
//! A record is a collection with all its lines: concurrent phases write into the midst of a line, G1 lists its phases
//! below. Such lines never begin a record while a bracket of the line above is open. What this file does not do: keep
//! phases, ages of objects and reasons of heap sizing, or turn uptimes into wall time.

mod event;
mod header;
mod prefix;

use super::block_lines::{BlockLine, BlockLines, cut};
use super::lines::{Block, LineFormat};
use super::{Format, Match, free_text};
use crate::model::record::Sink;
use crate::model::source::Head;
use event::Event;
use memchr::memmem;
use prefix::Prefix;

/// The log of JDK 5 to 8.
pub const FORMAT: Format = Format { name: "gc-log-legacy", sniff };

/// The line format.
#[derive(Clone, Copy, Debug)]
pub struct Legacy {
    embedded: bool,
}

impl Legacy {
    /// For files of this format: what the JVM prints above and between collections is its own, too.
    pub const MAIN: Self = Self { embedded: false };
    /// For collections between the lines of another format.
    pub const EMBEDDED: Self = Self { embedded: true };
}

impl LineFormat for Legacy {
    fn starts(&self, line: &[u8], previous: &[u8]) -> bool {
        // Asked for every line of every log, and most that nobody else claims are frames.
        if self.embedded && !matches!(line.first(), Some(b'0'..=b'9' | b'[' | b'#' | b'T' | b'A' | b'C')) {
            return false;
        }
        match class(line) {
            Class::Collection | Class::Stopped => true,
            Class::Concurrent => is_closed(previous),
            Class::Header => !self.embedded || line.starts_with(b"CommandLine flags: -XX:"),
            Class::Heap => !self.embedded && line.starts_with(b"{Heap before GC"),
            Class::Inner => !self.embedded && previous.is_empty(),
            Class::Foreign => false,
        }
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        matches!(class(line), Class::Concurrent | Class::Heap | Class::Inner)
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let mut lines = BlockLines::of(block).filter(|line| !line.is_blank());
        let Some(first) = lines.next() else { return };
        match class(first.text.as_bytes()) {
            Class::Header => header::read(block, sink),
            Class::Foreign => return free_text().record(block, sink),
            _ => {}
        }
        let mut event = Event::begin(block, &first);
        let mut foreign: Option<(BlockLine<'_>, BlockLine<'_>)> = None;
        let mut statistics = false;
        for line in lines {
            statistics |= !self.embedded && STATISTICS.iter().any(|words| line.text.starts_with(words));
            if statistics {
                continue;
            }
            if class(line.text.as_bytes()) == Class::Foreign && !event.is_open() {
                foreign = Some((foreign.map_or(line, |(first, _)| first), line));
            } else {
                give_back(block, foreign.take(), sink);
                event.add(&line);
            }
        }
        event.emit(sink);
        give_back(block, foreign, sink);
    }
}

/// What Shenandoah's tables begin with; they end where the next collection begins.
const STATISTICS: [&str; 3] = ["All times are wall-clock times", "GC STATISTICS:", "Shenandoah Heap"];

fn give_back(block: &Block<'_>, foreign: Option<(BlockLine<'_>, BlockLine<'_>)>, sink: &mut dyn Sink) {
    if let Some((first, last)) = foreign {
        free_text().record(&cut(block, &first, &last), sink);
    }
}

/// What a line can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    /// A collection, or a pause of a concurrent one, begins.
    Collection,
    /// A phase beside the application.
    Concurrent,
    /// How long the application was stopped, or ran.
    Stopped,
    /// What the JVM says of itself above the log.
    Header,
    /// The heap, as it is printed around collections and at the end.
    Heap,
    /// More of a collection.
    Inner,
    /// Anything else.
    Foreign,
}

fn class(line: &[u8]) -> Class {
    match line.first() {
        Some(b'0'..=b'9' | b'[' | b'#') => {
            let Some(prefix) = Prefix::read(line) else { return Class::Foreign };
            let rest = line.get(prefix.len..).unwrap_or_default();
            of_message(rest, prefix.len > 0)
        }
        Some(b'T') if line.starts_with(b"Total time for which application threads were stopped: ") => Class::Stopped,
        Some(b'A') if line.starts_with(b"Application time: ") => Class::Stopped,
        Some(b'O' | b'J') if memmem::find(line, b" VM (").is_some() && memmem::find(line, b" JRE (").is_some() => Class::Header,
        Some(b'C') if line.starts_with(b"CommandLine flags: ") => Class::Header,
        Some(b'M') if line.starts_with(b"Memory: ") && memmem::find(line, b" page, physical ").is_some() => Class::Inner,
        Some(b'{') if line.starts_with(b"{Heap before ") => Class::Heap,
        Some(b'H') if line == b"Heap" || line.starts_with(b"Heap after GC") => Class::Heap,
        Some(b'}') if line.len() == 1 => Class::Heap,
        Some(b',' | b':') if memmem::find(line, b" secs]").is_some() => Class::Inner,
        Some(b'D') if line.starts_with(b"Desired survivor size ") => Class::Inner,
        Some(b'-') if line.starts_with(b"- age ") => Class::Inner,
        Some(b' ' | b'\t') => of_indented(line.trim_ascii_start()),
        Some(b'A'..=b'Z') if SENTENCES.iter().any(|words| line.starts_with(words)) => Class::Inner,
        _ => Class::Foreign,
    }
}

/// What begins with a bracket. Without a stamp above it, it must also look like a collection.
fn of_message(rest: &[u8], stamped: bool) -> Class {
    let is = |words: &[&[u8]]| words.iter().any(|words| rest.starts_with(words));
    let has = |words: &[u8]| memmem::find(rest, words).is_some();
    if is(&[b"[Concurrent cleanup "]) && has(b"->") {
        Class::Collection
    } else if is(&[b"[GC concurrent-", b"[CMS-concurrent-", b"[Concurrent "]) {
        Class::Concurrent
    } else if is(&[b"[GC", b"[Full GC", b"[Pause "]) && (stamped || has(b"K->") || has(b"M->") || has(b" secs]")) {
        Class::Collection
    } else if is(&[b"[Unloading class "]) || (stamped && is(&INNER)) {
        Class::Inner
    } else if stamped && is(&[b"Total time for which application threads were stopped: ", b"Application time: "]) {
        Class::Stopped
    } else {
        Class::Foreign
    }
}

/// What follows a stamp in the midst of a collection.
const INNER: [&[u8]; 9] =
    [b"[Rescan ", b"[weak refs ", b"[class unload", b"[scrub ", b"[G1Ergonomics ", b"[SoftReference", b"[CMS", b"[ParNew", b"[DefNew"];

/// What Shenandoah writes between its collections.
const SENTENCES: [&[u8]; 19] = [
    b"Using ",
    b"Adaptive CSet ",
    b"Collectable Garbage",
    b"Good progress for ",
    b"Free: ",
    b"Trigger: ",
    b"Pacer for ",
    b"Regions: ",
    b"Humongous object threshold",
    b"Max TLAB size",
    b"GC threads: ",
    b"Heuristics ergonomically",
    b"Shenandoah GC mode",
    b"Shenandoah heuristics",
    b"Initialize Shenandoah",
    b"Reference processing: ",
    b"Soft Max Heap Size",
    b"Cancelling GC: ",
    b"Failed to allocate ",
];

fn of_indented(text: &[u8]) -> Class {
    const HEAP: [&[u8]; 16] = [
        b"PSYoungGen ",
        b"ParOldGen ",
        b"PSOldGen ",
        b"PSPermGen ",
        b"Metaspace ",
        b"class space",
        b"eden space",
        b"from space",
        b"to   space",
        b"the space",
        b"object space",
        b"region size ",
        b"garbage-first heap",
        b"par new generation",
        b"def new generation",
        b"tenured generation",
    ];
    if HEAP.iter().any(|words| text.starts_with(words)) || text.starts_with(b"concurrent") || text.starts_with(b"compacting perm gen") {
        return Class::Heap;
    }
    let is_event = text.first() == Some(&b'[') || text.starts_with(b"(concurrent mode ") || text.starts_with(b"(promotion failed");
    let is_sentence = SENTENCES.iter().any(|words| text.starts_with(words));
    match Prefix::read(text) {
        _ if is_event || is_sentence => Class::Inner,
        Some(prefix) if prefix.len > 0 && text.get(prefix.len) == Some(&b'[') => Class::Inner,
        _ => Class::Foreign,
    }
}

/// Whether all brackets of a line are closed.
fn is_closed(line: &[u8]) -> bool {
    memchr::memchr_iter(b'[', line).count() <= memchr::memchr_iter(b']', line).count()
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let (mut lines, mut ours, mut events) = (0_usize, 0_usize, 0_usize);
    for line in head.bytes.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty()) {
        lines += 1;
        let class = class(line);
        events += usize::from(matches!(class, Class::Collection | Class::Concurrent));
        ours += usize::from(class != Class::Foreign);
    }
    let confidence = match ours * 100 / lines.max(1) {
        _ if events == 0 => return None,
        80.. => 90,
        _ => 25,
    };
    let label = collector(head.bytes).map_or_else(|| "gc-log/legacy".to_owned(), |name| format!("gc-log/legacy-{name}"));
    Some(Match::lines(confidence, label, Box::new(Legacy::MAIN)))
}

/// The collector, by words that only it prints.
fn collector(head: &[u8]) -> Option<&'static str> {
    const WORDS: [(&str, &str); 8] = [
        ("[GC pause ", "g1"),
        ("[GC concurrent-", "g1"),
        ("[ParNew", "cms"),
        ("CMS-initial-mark", "cms"),
        ("[PSYoungGen: ", "parallel"),
        ("[DefNew", "serial"),
        ("[Pause Init Mark", "shenandoah"),
        ("[Concurrent cleanup", "shenandoah"),
    ];
    WORDS.into_iter().find(|(words, _)| memmem::find(head, words.as_bytes()).is_some()).map(|(_, name)| name)
}

#[cfg(test)]
mod tests;
