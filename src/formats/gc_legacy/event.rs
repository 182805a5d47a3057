//! One collection: its kind, its cause, how long it took, and what it left.
//!
//! ```text
//! [GC [PSYoungGen: 7077888K->222570K(8257536K)] 7077888K->222586K(9306112K), 0.5437135 secs]
//! [GC cleanup 75M->25M(103M), 0.0004412 secs]
//! [Eden: 32.0M(32.0M)->0.0B(32.0M) Survivors: 0.0B->32.0M Heap: 39.0M(88.0G)->13.9M(88.0G)]
//! ```
//!
//! Sizes behind a colon are a generation's, those behind a bracket the heap's. The last duration in seconds is the whole
//! pause. What this file does not do: judge; a collection of the old generation in the course of a young one is a full one.

use super::prefix::Prefix;
use super::{Class, class};
use crate::formats::block_lines::{BlockLine, evidence};
use crate::formats::lines::Block;
use crate::formats::quantity::decimal;
use crate::model::jvm::{GcKind, GcRecord};
use crate::model::record::Sink;
use crate::model::source::Evidence;
use crate::model::time::Time;

/// What goes wrong in the midst of a collection.
const FAILURES: [(&str, GcKind); 4] = [
    ("to-space exhausted", GcKind::EvacuationFailure),
    ("to-space overflow", GcKind::EvacuationFailure),
    ("promotion failed", GcKind::EvacuationFailure),
    ("concurrent mode failure", GcKind::GaveUp),
];

/// Sizes before and after, and what there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Change {
    before: u64,
    after: u64,
    capacity: Option<u64>,
}

/// A collection while its lines are read.
pub(super) struct Event<'b> {
    block: &'b Block<'b>,
    prefix: Prefix,
    time: Time,
    kind: Option<GcKind>,
    cause: &'b str,
    /// Sizes of the heap, of the young, the old and the permanent generation.
    heap: Option<Change>,
    young: Option<Change>,
    old: Option<(Change, &'b str)>,
    metaspace: Option<Change>,
    /// What went wrong on the way, in the collector's words.
    failure: Option<(GcKind, &'b str)>,
    nanos: u64,
    stopped: Option<u64>,
    /// Brackets that the lines so far have left open.
    depth: usize,
    from: usize,
    to: usize,
}

impl<'b> Event<'b> {
    pub(super) fn begin(block: &'b Block<'b>, first: &BlockLine<'b>) -> Self {
        let bytes = first.text.as_bytes();
        let prefix = Prefix::read(bytes).unwrap_or_default();
        let mut event = Self {
            block,
            prefix,
            time: prefix.time(bytes),
            kind: None,
            cause: "",
            heap: None,
            young: None,
            old: None,
            metaspace: None,
            failure: None,
            nanos: 0,
            stopped: None,
            depth: 0,
            from: first.from,
            to: first.to,
        };
        let message = first.text.get(prefix.len..).unwrap_or_default();
        match class(bytes) {
            Class::Stopped => {
                let seconds = message.strip_prefix("Total time for which application threads were stopped: ");
                event.stopped = seconds.and_then(|rest| rest.split(' ').next()).and_then(|seconds| decimal(seconds, 1_000_000_000));
            }
            Class::Collection => event.head(message),
            _ => {}
        }
        event.read(first);
        event
    }

    /// Whether a bracket is open, so that the next line must belong to it.
    pub(super) const fn is_open(&self) -> bool {
        self.depth > 0
    }

    /// The first words of the message.
    fn head(&mut self, message: &'b str) {
        let text = message.trim_start_matches('[');
        let cause = group(text);
        let (kind, cause) = if text.starts_with("Full GC") {
            (GcKind::Full, if cause == "System" { "System.gc()" } else { cause })
        } else if text.starts_with("GC pause") {
            let kind = if text.contains("(mixed)") { GcKind::Mixed } else { GcKind::Young };
            (kind, if matches!(cause, "young" | "mixed") { "" } else { cause })
        } else if text.starts_with("Concurrent cleanup ") {
            (GcKind::Concurrent, "Concurrent cleanup")
        } else if text.starts_with("GC remark") {
            (GcKind::Phase, "remark")
        } else if text.starts_with("GC cleanup") {
            (GcKind::Phase, "cleanup")
        } else if let Some(pause) = text.strip_prefix("Pause ") {
            let name = pause.split([',', ']']).next().unwrap_or_default();
            match pause {
                _ if pause.starts_with("Full") => (GcKind::Full, cause),
                _ if pause.starts_with("Degenerated GC") => (GcKind::Degenerated, cause),
                _ => (GcKind::Phase, name),
            }
        } else if text.contains("CMS-initial-mark") || text.contains("CMS Initial Mark") {
            (GcKind::Phase, "CMS-initial-mark")
        } else if text.starts_with("GC[YG occupancy") || text.contains("CMS Final Remark") || text.contains("[YG occupancy: ") {
            (GcKind::Phase, "CMS-remark")
        } else {
            (GcKind::Young, cause)
        };
        self.kind = Some(kind);
        self.cause = cause;
        if text.starts_with("GC--") || text.contains(") --[") {
            self.failure = Some((GcKind::EvacuationFailure, "promotion failed"));
        }
    }

    /// Another line of the block.
    pub(super) fn add(&mut self, line: &BlockLine<'b>) {
        match class(line.text.as_bytes()) {
            Class::Heap | Class::Concurrent => {}
            _ => self.read(line),
        }
    }

    fn read(&mut self, line: &BlockLine<'b>) {
        let opened = memchr::memchr_iter(b'[', line.text.as_bytes()).count();
        self.depth = (self.depth + opened).saturating_sub(memchr::memchr_iter(b']', line.text.as_bytes()).count());
        if self.kind.is_none() {
            return;
        }
        self.to = line.to;
        // A concurrent phase of G1 that interrupts the line has its own duration, and the rest of the line.
        let text = line.text.split("[GC concurrent-").next().unwrap_or_default();
        for (words, kind) in FAILURES {
            if text.contains(words) {
                self.failure = Some((kind, words));
            }
        }
        if let Some((_, heap)) = text.split_once(" Heap: ") {
            self.heap = whole(heap).or(self.heap);
        } else {
            text.match_indices("->").for_each(|(at, _)| self.change(text, at));
        }
        for (at, _) in text.match_indices(" secs]") {
            let number = text.get(..at).and_then(|before| before.rsplit([' ', ',']).next()).unwrap_or_default();
            // With a decimal comma the blank in front is the only border.
            let number = if number.contains('.') { number } else { text.get(..at).and_then(|before| before.rsplit(' ').next()).unwrap_or_default() };
            self.nanos = decimal(number, 1_000_000_000).unwrap_or(self.nanos);
        }
        if text.contains("[Pause ") || text.contains("[Concurrent cleanup ") {
            let millis = text.rsplit_once(" ms]").and_then(|(before, _)| before.rsplit_once(", "));
            self.nanos = millis.and_then(|(_, number)| decimal(number, 1_000_000)).unwrap_or(self.nanos);
        }
    }

    /// The sizes around the arrow at `at`.
    fn change(&mut self, text: &'b str, at: usize) {
        let (left, right) = (text.get(..at).unwrap_or_default(), text.get(at + 2..).unwrap_or_default());
        let number = left.rsplit([' ', ':', '[', ',']).next().unwrap_or_default();
        let (Some(before), Some((after, capacity))) = (size_of(number), sizes(right)) else { return };
        let change = Change { before, after, capacity };
        let label = left.get(..left.len() - number.len()).unwrap_or_default().trim_ascii_end();
        let Some(label) = label.strip_suffix(':') else {
            self.heap = Some(change);
            return;
        };
        let name = label.rsplit('[').next().unwrap_or_default().trim_ascii();
        // A line that was broken ahead of its colon has lost the name; only a young generation is left to mean.
        match name {
            "ParOldGen" | "PSOldGen" | "Tenured" | "CMS" => self.old = Some((change, name)),
            _ if name.ends_with("(concurrent mode failure)") || name.ends_with("(concurrent mode interrupted)") => self.old = Some((change, "CMS")),
            "Metaspace" => self.metaspace = Some(Change { capacity: None, ..change }),
            "PSPermGen" | "Perm" | "CMS Perm" | "CMS Perm " => self.metaspace = Some(change),
            _ => self.young = Some(change),
        }
    }

    /// Hands over what the collection says.
    pub(super) fn emit(self, sink: &mut dyn Sink) {
        let place = evidence(self.block, self.from, self.to);
        if let Some(nanos) = self.stopped {
            sink.gc(&self.record(GcKind::Safepoint, "", None, nanos, place));
        }
        let Some(kind) = self.kind else { return };
        // A line that tells only of a beginning, or was cut before it said anything.
        if self.nanos == 0 && self.heap.is_none() {
            return;
        }
        let kind = if kind == GcKind::Young && self.old.is_some() { GcKind::Full } else { kind };
        let cause = match self.failure {
            Some((GcKind::GaveUp, words)) if self.cause.is_empty() => words,
            _ => self.cause,
        };
        sink.gc(&self.record(kind, cause, self.heap, self.nanos, place));
        if let Some((kind, words)) = self.failure {
            sink.gc(&self.record(kind, words, None, 0, place));
        }
        if let Some((change, name)) = self.old.or_else(|| self.rest().map(|change| (change, ""))) {
            sink.gc(&self.record(GcKind::Old, name, Some(change), 0, place));
        }
        if self.metaspace.is_some() {
            sink.gc(&self.record(GcKind::Metaspace, "", self.metaspace, 0, place));
        }
    }

    /// What the young generation leaves of the heap is the old one.
    fn rest(&self) -> Option<Change> {
        let (heap, young) = (self.heap?, self.young?);
        let capacity = heap.capacity.zip(young.capacity).and_then(|(heap, young)| heap.checked_sub(young));
        Some(Change { before: heap.before.checked_sub(young.before)?, after: heap.after.checked_sub(young.after)?, capacity })
    }

    fn record<'a>(&self, kind: GcKind, cause: &'a str, change: Option<Change>, nanos: u64, evidence: Evidence) -> GcRecord<'a> {
        GcRecord {
            time: self.time,
            uptime: self.prefix.uptime,
            service: "",
            instance: "",
            id: self.prefix.id,
            kind,
            cause,
            before: change.map(|change| change.before),
            after: change.map(|change| change.after),
            capacity: change.and_then(|change| change.capacity),
            nanos,
            evidence,
        }
    }
}

/// The first group in parentheses that directly follows the words; causes hold parentheses themselves.
fn group(text: &str) -> &str {
    let Some(open) = text.find('(').filter(|open| text.get(..*open).is_some_and(|words| !words.contains(['[', ':', '>']))) else { return "" };
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate().skip(open) {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 1 => return text.get(open + 1..at).unwrap_or_default(),
            b')' => depth -= 1,
            _ => {}
        }
    }
    ""
}

/// `39.0M(88.0G)->13.9M(88.0G)`
fn whole(text: &str) -> Option<Change> {
    let (before, after) = text.split_once("->")?;
    let (after, capacity) = sizes(after)?;
    Some(Change { before: size_of(before.split('(').next()?)?, after, capacity })
}

/// A size, and the one in parentheses behind it.
fn sizes(text: &str) -> Option<(u64, Option<u64>)> {
    let len = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b',')).count();
    let used = text.get(..len)?.trim_end_matches([',', '.']);
    let inside = text.get(len..)?.strip_prefix('(').and_then(|rest| rest.split(')').next());
    Some((size_of(used)?, inside.and_then(size_of)))
}

/// `7136.4K`, `0.0B`, `98289K`
fn size_of(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let shift = match unit {
        "B" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    let thousandths = decimal(number, 1000)?;
    thousandths.checked_mul(1 << shift).map(|product| product / 1000)
}
