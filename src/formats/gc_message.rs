//! What one message of the JVM's garbage collection log says, without the decorations in front of it.
//!
//! ```text
//! GC(3) Pause Young (Concurrent Start) (G1 Evacuation Pause) 24M->1M(92M) 10.668ms
//! GC(0) O:      Live:         -                 4M (10%)           4M (10%)           4M (10%)
//! Safepoint "GenCollectForAllocation", Time since last: 41631532 ns, Reaching safepoint: 3212 ns, At safepoint: 2288048 ns, Total: 2295954 ns
//! ```
//!
//! Serial, Parallel, CMS, G1, Shenandoah and both generations of ZGC, JDK 9 to 25. What this file does not do: read times,
//! or keep phases, workers, reference counts and region states: no rule asks for them.

use super::quantity::{bytes, decimal, digits};
use crate::model::jvm::GcKind;

/// One fact of a message. Sizes are bytes (region counts for [`GcKind::OldRegions`]), the duration nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fact<'a> {
    /// What it is.
    pub kind: GcKind,
    /// Cause or collector, as printed.
    pub cause: &'a str,
    /// Before.
    pub before: Option<u64>,
    /// After.
    pub after: Option<u64>,
    /// Capacity.
    pub capacity: Option<u64>,
    /// Duration, or zero.
    pub nanos: u64,
}

/// A message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// Number of the collection.
    pub id: Option<u32>,
    /// What it says, if anything is kept of it.
    pub fact: Option<Fact<'a>>,
    /// What a collection adds about objects that found no room: `Evacuation Failure: Pinned`.
    pub failure: Option<&'a str>,
}

impl<'a> Message<'a> {
    /// Reads a message.
    #[must_use]
    pub fn read(message: &'a str) -> Self {
        let (id, text) = collection(message);
        let (generation, text) = generation(text.trim_ascii());
        let mut read = Self { id, fact: None, failure: None };
        read.fact = match text.as_bytes() {
            [b'P', b'a', b'u', ..] => text.strip_prefix("Pause ").and_then(|rest| pause(rest, &mut read.failure)),
            [b'G', b'a', ..] | [b'M', b'a' | b'i', ..] => collection_of_zgc(text).or_else(|| heap_size(text, id)),
            [b'C', b'o', ..] if text.starts_with("Concurrent cleanup ") => transition_fact(GcKind::Concurrent, "Concurrent cleanup", text),
            [b'C', b'l', ..] => text.starts_with("Clearing All SoftReferences").then(|| Fact::of(GcKind::SoftReferencesCleared, "")),
            [b'C', b'a', ..] | [b'D', b'e', ..] => text.ends_with("upgrading to Full GC").then(|| Fact::of(GcKind::GaveUp, text)),
            [b'T', b'e', ..] | [b'P', b'a' | b'S', ..] | [b'C', b'M', ..] => old_generation(text),
            [b'T', b'o', ..] => exhausted(text).or_else(|| stopped(text)),
            [b'O', b'l', ..] => old_regions(text),
            [b'O', b'u', ..] => text.starts_with("Out Of Memory (").then(|| Fact::of(GcKind::GaveUp, text)),
            [b'S', b'a', ..] => safepoint(text),
            [b'M', b'e', ..] => metaspace(text),
            [b'H', b'e', ..] => heap_size(text, id),
            [b'U', b's', ..] => collector(text).filter(|_| id.is_none()).map(|name| Fact::of(GcKind::Using, name)),
            [b'A', b'l', ..] | [b'R', b'e', ..] => stall(text),
            [b'L', b'i', ..] => live(text, generation),
            _ => None,
        };
        read
    }
}

impl<'a> Fact<'a> {
    const fn of(kind: GcKind, cause: &'a str) -> Self {
        Self { kind, cause, before: None, after: None, capacity: None, nanos: 0 }
    }

    const fn named(self, kind: GcKind, cause: &'a str) -> Self {
        Self { kind, cause, ..self }
    }
}

/// Whether a message without decorations is one of the garbage collector's.
#[must_use]
pub fn is_gc(message: &[u8]) -> bool {
    match message.strip_prefix(b"GC(") {
        Some(rest) => {
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            digits > 0 && rest.get(digits..).is_some_and(|rest| rest.starts_with(b") "))
        }
        None => message.starts_with(b"Using ") && std::str::from_utf8(message).is_ok_and(|text| collector(text).is_some()),
    }
}

/// `GC(3) `, and what follows it.
fn collection(message: &str) -> (Option<u32>, &str) {
    let numbered = message.trim_ascii_start().strip_prefix("GC(");
    let numbered = numbered.and_then(|rest| memchr::memchr(b')', rest.as_bytes()).and_then(|end| Some((rest.get(..end)?, rest.get(end + 1..)?))));
    match numbered.and_then(|(id, text)| id.parse().ok().map(|id| (id, text))) {
        Some((id, text)) => (Some(id), text),
        None => (None, message),
    }
}

/// The generation that ZGC puts in front (`O: `, `Y: `, `y: `), and what follows it.
fn generation(text: &str) -> (&str, &str) {
    match text.as_bytes() {
        [b'O' | b'o' | b'Y' | b'y', b':', b' ', ..] => text.split_once(": ").map_or(("", text), |(mark, rest)| (mark, rest.trim_ascii_start())),
        _ => ("", text),
    }
}

/// What follows `Pause `. A line without duration tells only that the pause has begun.
fn pause<'a>(text: &'a str, failure: &mut Option<&'a str>) -> Option<Fact<'a>> {
    let (rest, nanos) = last_duration(text)?;
    let (what, change) = last_transition(rest);
    let name = before_group(what).trim_ascii_end();
    let (mut cause, mut mixed) = ("", false);
    let mut groups = what.get(name.len()..).unwrap_or_default();
    while let Some((group, after)) = first_group(groups) {
        if group.starts_with("Evacuation Failure") {
            *failure = Some(group);
        } else {
            cause = group;
            mixed |= group == "Mixed";
        }
        groups = after;
    }
    let kind = match name {
        "Young" if mixed => GcKind::Mixed,
        "Young" => GcKind::Young,
        "Mixed" => GcKind::Mixed,
        "Full" => GcKind::Full,
        "Degenerated GC" => GcKind::Degenerated,
        // G1 of JDK 9 and 10: a young collection that starts a marking. That of CMS has no cause and collects nothing.
        "Initial Mark" if !cause.is_empty() => GcKind::Young,
        _ => GcKind::Phase,
    };
    let cause = if kind == GcKind::Phase { what } else { cause };
    Some(Fact { nanos, ..change.unwrap_or(Fact::of(kind, cause)).named(kind, cause) })
}

/// `Garbage Collection (Warmup) 32M(12%)->8M(3%)`, `Major Collection (Proactive) 26M(10%)->8M(3%) 0.008s`.
fn collection_of_zgc(text: &str) -> Option<Fact<'_>> {
    let (kind, rest) = [("Garbage Collection ", GcKind::Concurrent), ("Major Collection ", GcKind::Concurrent), ("Minor Collection ", GcKind::Minor)]
        .into_iter()
        .find_map(|(words, kind)| text.strip_prefix(words).map(|rest| (kind, rest)))?;
    let cause = first_group(rest).map_or("", |(cause, _)| cause);
    transition_fact(kind, cause, text)
}

/// A line that ends with sizes before and after, and perhaps a duration.
fn transition_fact<'a>(kind: GcKind, cause: &'a str, text: &'a str) -> Option<Fact<'a>> {
    let (rest, nanos) = last_duration(text).unwrap_or((text, 0));
    let (_, change) = last_transition(rest);
    change.map(|change| Fact { nanos, ..change.named(kind, cause) })
}

/// `Tenured: 0K(32768K)->13184K(32768K)`, `ParOldGen: …`, `PSOldGen: …`, `CMS: …`; JDK 9 to 11 print one capacity.
fn old_generation(text: &str) -> Option<Fact<'_>> {
    let (name, rest) = text.split_once(": ")?;
    if !matches!(name, "Tenured" | "ParOldGen" | "PSOldGen" | "CMS") {
        return None;
    }
    transition(rest.split(' ').next()?).map(|change| change.named(GcKind::Old, name))
}

fn exhausted(text: &str) -> Option<Fact<'_>> {
    text.starts_with("To-space exhausted").then(|| Fact::of(GcKind::EvacuationFailure, text))
}

/// `Old regions: 126->125`; some versions print a capacity behind.
fn old_regions(text: &str) -> Option<Fact<'_>> {
    let (before, after) = text.strip_prefix("Old regions: ")?.split_once("->")?;
    let after = after.split('(').next()?;
    Some(Fact { before: Some(digits(before)?), after: Some(digits(after)?), ..Fact::of(GcKind::OldRegions, "") })
}

/// `Metaspace: 782K(960K)->782K(960K) NonClass: …`; up to JDK 15 `7608K->7608K(1056768K)`, where the last is reserved, not
/// committed; ZGC's `5M used, 5M committed, 1088M reserved`.
fn metaspace(text: &str) -> Option<Fact<'_>> {
    let rest = text.strip_prefix("Metaspace: ")?;
    let mut words = rest.split(' ');
    let first = words.next()?;
    if let Some(change) = transition(first) {
        let is_reserved = first.split_once("->").is_some_and(|(before, _)| !before.ends_with(')'));
        let capacity = change.capacity.filter(|_| !is_reserved);
        return Some(Fact { capacity, ..change.named(GcKind::Metaspace, "") });
    }
    let after = Some(bytes(first)?);
    let capacity = (words.next()? == "used,").then(|| words.next().and_then(bytes)).flatten();
    Some(Fact { after, capacity, ..Fact::of(GcKind::Metaspace, "") })
}

/// `Heap Region Size: 1M`, `Heap Max Capacity: 48M`, ZGC's `Max Capacity: 256M`, and where those are missing (up to JDK 13)
/// `Heap address: 0x00000000f8000000, size: 128 MB, …`.
fn heap_size(text: &str, id: Option<u32>) -> Option<Fact<'_>> {
    let (name, rest) = text.split_once(": ")?;
    let (kind, after) = match name {
        "Heap Region Size" | "Heap region size" => (GcKind::RegionSize, bytes(rest)?),
        "Heap Max Capacity" => (GcKind::MaxHeap, bytes(rest)?),
        "Max Capacity" if id.is_none() => (GcKind::MaxHeap, bytes(rest)?),
        "Heap address" => {
            let (_, size) = rest.split_once("size: ")?;
            let (megabytes, _) = size.split_once(" MB")?;
            (GcKind::MaxHeap, digits(megabytes)?.checked_mul(1 << 20)?)
        }
        _ => return None,
    };
    Some(Fact { after: Some(after), ..Fact::of(kind, "") })
}

/// The collector in `Using G1`, and not the `Using 2 workers of 2`.
fn collector(text: &str) -> Option<&str> {
    let known = ["G1", "Serial", "Parallel", "Shenandoah", "The Z Garbage Collector", "Concurrent Mark Sweep", "Epsilon"];
    text.strip_prefix("Using ").filter(|name| known.contains(name))
}

/// `Allocation Stall (main) 15.339ms`, `Relocation Stall (main) 2.325ms`.
fn stall(text: &str) -> Option<Fact<'_>> {
    if !text.starts_with("Allocation Stall (") && !text.starts_with("Relocation Stall (") {
        return None;
    }
    let (cause, nanos) = last_duration(text)?;
    Some(Fact { nanos, ..Fact::of(GcKind::Stall, cause) })
}

/// The row `Live:` of ZGC's table: Mark Start, Mark End, …; the size at the end of marking is the live set.
fn live<'a>(text: &'a str, generation: &'a str) -> Option<Fact<'a>> {
    let mut columns = text.strip_prefix("Live:")?.split_ascii_whitespace().filter(|word| !word.starts_with('('));
    let after = columns.nth(1).and_then(bytes)?;
    Some(Fact { after: Some(after), ..Fact::of(GcKind::Live, generation) })
}

/// `Safepoint "G1CollectForAllocation", Time since last: 41631532 ns, …, Total: 2295954 ns`.
fn safepoint(text: &str) -> Option<Fact<'_>> {
    let (name, rest) = text.strip_prefix("Safepoint \"")?.split_once('"')?;
    let (_, total) = rest.rsplit_once("Total: ")?;
    Some(Fact { nanos: total.split(' ').next().and_then(digits)?, ..Fact::of(GcKind::Safepoint, name) })
}

/// How JDK 9 to 12 print a safepoint.
fn stopped(text: &str) -> Option<Fact<'_>> {
    let rest = text.strip_prefix("Total time for which application threads were stopped: ")?;
    let nanos = decimal(rest.split(' ').next()?, 1_000_000_000)?;
    Some(Fact { nanos, ..Fact::of(GcKind::Safepoint, "") })
}

/// What stands before the first group in parentheses.
fn before_group(text: &str) -> &str {
    let bytes = text.as_bytes();
    let space = memchr::memchr_iter(b'(', bytes).find_map(|at| at.checked_sub(1).filter(|before| bytes.get(*before) == Some(&b' ')));
    space.and_then(|space| text.get(..space)).unwrap_or(text)
}

/// The first group in parentheses, and what follows it. Causes hold parentheses themselves: `(System.gc())`.
fn first_group(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let open = memchr::memchr(b'(', bytes)?;
    let mut depth = 0_usize;
    for at in memchr::memchr2_iter(b'(', b')', bytes.get(open..)?).map(|at| open + at) {
        match bytes.get(at) {
            Some(b'(') => depth += 1,
            _ if depth == 1 => return Some((text.get(open + 1..at)?, text.get(at + 1..)?)),
            _ => depth -= 1,
        }
    }
    None
}

/// The word at the end, and what stands before the space in front of it.
fn last_word(text: &str) -> Option<(&str, &str)> {
    let space = memchr::memrchr(b' ', text.as_bytes())?;
    Some((text.get(..space)?, text.get(space + 1..)?))
}

/// The duration at the end, and what stands before it.
fn last_duration(text: &str) -> Option<(&str, u64)> {
    let (rest, last) = last_word(text)?;
    let nanos = match last.strip_suffix("ms") {
        Some(number) => decimal(number, 1_000_000)?,
        None => decimal(last.strip_suffix('s')?, 1_000_000_000)?,
    };
    Some((rest.trim_ascii_end(), nanos))
}

/// The sizes at the end, and what stands before them.
fn last_transition(text: &str) -> (&str, Option<Fact<'_>>) {
    match last_word(text).map(|(rest, last)| (rest, transition(last))) {
        Some((rest, Some(change))) => (rest.trim_ascii_end(), Some(change)),
        _ => (text, None),
    }
}

/// `24M->1M(92M)`, `0K(32768K)->13184K(32768K)`, `48M(100%)->12M(25%)`: before, after and capacity of some kind.
fn transition(text: &str) -> Option<Fact<'_>> {
    let arrow = memchr::memchr(b'>', text.as_bytes())?;
    let (before, after) = (text.get(..arrow)?.strip_suffix('-')?, text.get(arrow + 1..)?);
    let (before, _) = size_in(before)?;
    let (after, capacity) = size_in(after)?;
    Some(Fact { before: Some(before), after: Some(after), capacity, ..Fact::of(GcKind::Phase, "") })
}

/// `13184K(32768K)`: a size, and the one in parentheses, if it is none of percent.
fn size_in(text: &str) -> Option<(u64, Option<u64>)> {
    match memchr::memchr(b'(', text.as_bytes()) {
        None => Some((bytes(text)?, None)),
        Some(open) => Some((bytes(text.get(..open)?)?, bytes(text.get(open + 1..)?.strip_suffix(')')?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &str) -> String {
        let read = Message::read(message);
        let mut out = read.id.map_or_else(String::new, |id| format!("#{id} "));
        if let Some(fact) = read.fact {
            let sizes = [fact.before, fact.after, fact.capacity].map(|n| n.map_or_else(|| "-".to_owned(), |n| n.to_string()));
            out += &format!("{:?} {:?} {} {}", fact.kind, fact.cause, sizes.join(" "), fact.nanos);
        }
        if let Some(failure) = read.failure {
            out += &format!(" !{failure}");
        }
        out
    }

    #[test]
    fn collections() {
        for (input, want) in [
            ("GC(0) Pause Young (Allocation Failure) 24M->1M(92M) 10.668ms", "#0 Young \"Allocation Failure\" 25165824 1048576 96468992 10668000"),
            ("GC(7) Pause Young (Normal) (G1 Evacuation Pause) 2K->1K(9K) 1,5ms", "#7 Young \"G1 Evacuation Pause\" 2048 1024 9216 1500000"),
            ("GC(7) Pause Young (Mixed) (G1 Evacuation Pause) 2K->1K(9K) 1ms", "#7 Mixed \"G1 Evacuation Pause\" 2048 1024 9216 1000000"),
            ("GC(7) Pause Mixed (G1 Evacuation Pause) 2K->1K(9K) 1ms", "#7 Mixed \"G1 Evacuation Pause\" 2048 1024 9216 1000000"),
            ("GC(7) Pause Initial Mark (G1 Evacuation Pause) 2K->1K(9K) 1ms", "#7 Young \"G1 Evacuation Pause\" 2048 1024 9216 1000000"),
            (
                "GC(9) Pause Young (Prepare Mixed) (G1 Evacuation Pause) (Evacuation Failure: Pinned) 2K->2K(9K) 1ms",
                "#9 Young \"G1 Evacuation Pause\" 2048 2048 9216 1000000 !Evacuation Failure: Pinned",
            ),
            ("GC(1) Pause Full (System.gc()) 2K->1K(9K) 0.016s", "#1 Full \"System.gc()\" 2048 1024 9216 16000000"),
            ("GC(1) Pause Full 2K->1K(9K) 1.000ms", "#1 Full \"\" 2048 1024 9216 1000000"),
            ("GC(2) Pause Degenerated GC (Outside of Cycle) 2K->1K(9K) 1ms", "#2 Degenerated \"Outside of Cycle\" 2048 1024 9216 1000000"),
            ("GC(3) Pause Remark 2K->2K(9K) 0.837ms", "#3 Phase \"Remark\" 2048 2048 9216 837000"),
            ("GC(3) Pause Initial Mark 2K->2K(9K) 0.837ms", "#3 Phase \"Initial Mark\" 2048 2048 9216 837000"),
            ("GC(3) Pause Init Mark (unload classes) 0.2ms", "#3 Phase \"Init Mark (unload classes)\" - - - 200000"),
            ("GC(3) Y: Pause Mark Start (Major) 0.014ms", "#3 Phase \"Mark Start (Major)\" - - - 14000"),
            ("GC(4) Garbage Collection (Warmup) 32M(12%)->8M(3%)", "#4 Concurrent \"Warmup\" 33554432 8388608 - 0"),
            ("GC(4) Major Collection (Proactive) 26M(10%)->8M(3%) 0.008s", "#4 Concurrent \"Proactive\" 27262976 8388608 - 8000000"),
            ("GC(4) Minor Collection (Allocation Rate) 26M(10%)->8M(3%) 0.008s", "#4 Minor \"Allocation Rate\" 27262976 8388608 - 8000000"),
            ("GC(5) Concurrent cleanup 34M->12M(64M) 0.050ms", "#5 Concurrent \"Concurrent cleanup\" 35651584 12582912 67108864 50000"),
        ] {
            assert_eq!(read(input), want, "{input}");
        }
    }

    #[test]
    fn other_facts() {
        for (input, want) in [
            ("GC(0) Old regions: 126->125", "#0 OldRegions \"\" 126 125 - 0"),
            ("GC(0) Tenured: 0K(8K)->1K(8K)", "#0 Old \"Tenured\" 0 1024 8192 0"),
            ("GC(0) ParOldGen: 0K(8K)->1K(8K)", "#0 Old \"ParOldGen\" 0 1024 8192 0"),
            ("GC(0) PSOldGen: 0K->1K(8K)", "#0 Old \"PSOldGen\" 0 1024 8192 0"),
            ("GC(0) Metaspace: 7K(12K)->6K(13K) NonClass: 1K(2K)->1K(2K)", "#0 Metaspace \"\" 7168 6144 13312 0"),
            ("GC(0) Metaspace: 7K->6K(1056768K)", "#0 Metaspace \"\" 7168 6144 - 0"),
            ("GC(0) Y: Metaspace: 5M used, 6M committed, 1088M reserved", "#0 Metaspace \"\" - 5242880 6291456 0"),
            ("GC(0) O:      Live:         -                 4M (10%)           5M (10%)", "#0 Live \"O\" - 4194304 - 0"),
            ("GC(0)      Live:         -                 4M (10%)", "#0 Live \"\" - 4194304 - 0"),
            ("Allocation Stall (http-1) 15.339ms", "Stall \"Allocation Stall (http-1)\" - - - 15339000"),
            ("Out Of Memory (main)", "GaveUp \"Out Of Memory (main)\" - - - 0"),
            ("GC(1) Cannot finish degeneration, upgrading to Full GC", "#1 GaveUp \"Cannot finish degeneration, upgrading to Full GC\" - - - 0"),
            ("GC(11) To-space exhausted", "#11 EvacuationFailure \"To-space exhausted\" - - - 0"),
            ("GC(11) Clearing All SoftReferences", "#11 SoftReferencesCleared \"\" - - - 0"),
            ("Using The Z Garbage Collector", "Using \"The Z Garbage Collector\" - - - 0"),
            ("Heap Region Size: 1M", "RegionSize \"\" - 1048576 - 0"),
            ("Heap region size: 1M", "RegionSize \"\" - 1048576 - 0"),
            ("Heap Max Capacity: 48M", "MaxHeap \"\" - 50331648 - 0"),
            ("Max Capacity: 256M", "MaxHeap \"\" - 268435456 - 0"),
            ("Heap address: 0x00000000f8000000, size: 128 MB, Compressed Oops mode: 32-bit", "MaxHeap \"\" - 134217728 - 0"),
            (
                "Safepoint \"ICBufferFull\", Time since last: 1 ns, At safepoint: 4 ns, Total: 99 ns, Threads: 0 runnable, 9 total",
                "Safepoint \"ICBufferFull\" - - - 99",
            ),
            (
                "Total time for which application threads were stopped: 0.0072168 seconds, Stopping threads took: 0.1 seconds",
                "Safepoint \"\" - - - 7216800",
            ),
        ] {
            assert_eq!(read(input), want, "{input}");
        }
    }

    #[test]
    fn lines_without_a_fact() {
        for input in [
            "GC(0) Pause Young (Normal) (G1 Evacuation Pause)",
            "GC(0) Pause Init Update Refs",
            "GC(0) Y: Young Generation 12M(5%)->8M(3%) 0.007s",
            "GC(0) O: Old Generation",
            "GC(0) Eden regions: 6->0(13)",
            "GC(0) PSYoungGen: 1K(8K)->1K(8K) Eden: 1K(8K)->1K(8K)",
            "GC(0)  Metaspace       used 782K, committed 960K, reserved 1114112K",
            "GC(0) Using 2 workers of 2 for evacuation",
            "GC(0) Max Capacity: 256M(100%)",
            "GC(0) y:           Allocation Stalls:                0                    0",
            "GC(0) Concurrent Mark Cycle 12.3ms",
            "GC(0) Garbage Collection (Allocation Stall)",
            "Using 4 threads",
            "GC(x) Pause",
            "GC(99999999999) User=0.01s",
            "",
        ] {
            assert!(Message::read(input).fact.is_none(), "{input}");
        }
        assert!(is_gc(b"GC(12) Pause Remark") && is_gc(b"Using G1"));
        assert!(!is_gc(b"GC() x") && !is_gc(b"GC(1)x") && !is_gc(b"Using java 17") && !is_gc(b"GCx"));
    }
}
