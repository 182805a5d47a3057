//! The tables of `jstat -gc`, `-gcutil`, `-gccapacity`, `-gccause` and `-class`: what the JVM's heap does, row by row.
//!
//! ```text
//! Timestamp         S0     S1     E      O      M     CCS    YGC     YGCT     FGC    FGCT     CGC    CGCT       GCT
//!            16.6   0.00  68.85  66.67  37.34  95.82  87.87      4     0.035     3     0.041     0     0.000     0.076
//! ```
//!
//! The header names the columns; a dash says that there is no such thing. Rows have an uptime only with `-t`; then a row in
//! which a collection was counted becomes that collection, with what it left. What this file does not do: guess the
//! interval between rows that have no time.

use super::block_lines::{BlockLine, BlockLines, evidence};
use super::lines::{Block, LineFormat};
use super::quantity::decimal;
use super::{Format, Match, free_text};
use crate::model::jvm::{GcKind, GcRecord};
use crate::model::record::{Field, MetricKind, MetricRecord, Reason, Sink, Value};
use crate::model::source::Head;
use crate::model::time::Time;

/// Tables of jstat.
pub const FORMAT: Format = Format { name: "jstat", sniff };

/// The line format.
#[derive(Clone, Copy, Debug)]
pub struct Table;

impl LineFormat for Table {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        is_header(line)
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        is_row(line)
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let mut lines = BlockLines::of(block).filter(|line| !line.is_blank());
        let Some(header) = lines.next() else { return };
        let columns: Vec<&str> = header.text.split_ascii_whitespace().collect();
        let mut before: Option<Row> = None;
        for line in lines {
            if !is_row(line.text.as_bytes()) {
                free_text().record(&super::block_lines::cut(block, &line, &line), sink);
                continue;
            }
            let Some(row) = Row::read(&columns, line.text) else {
                sink.quarantine(evidence(block, line.from, line.to), Reason::Malformed);
                continue;
            };
            row.metrics(&columns, &line, block, sink);
            if let Some(before) = &before {
                row.collections(before, &line, block, sink);
            }
            before = Some(row);
        }
    }
}

/// Words that a header holds and nothing else does, with another to be sure.
const HEADERS: [(&[u8], &[u8]); 6] =
    [(b"YGC", b"FGC"), (b"S0C", b"S1C"), (b"NGCMN", b"NGCMX"), (b"LGCC", b"GCC"), (b"Loaded", b"Unloaded"), (b"YGC", b"YGCT")];

fn is_header(line: &[u8]) -> bool {
    // Asked for every line of every log, so the cheap signs come first.
    let may_be = matches!(line.first(), Some(b' ' | b'T' | b'S' | b'L' | b'N'))
        && (memchr::memmem::find(line, b"GC").is_some()
            || memchr::memmem::find(line, b"S0C").is_some()
            || memchr::memmem::find(line, b"Unloaded").is_some());
    if !may_be {
        return false;
    }
    let has = |wanted: &[u8]| line.split(u8::is_ascii_whitespace).any(|word| word == wanted);
    let words = || line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words().count() >= 4
        && words().all(|word| word.iter().all(u8::is_ascii_alphanumeric))
        && HEADERS.iter().any(|(first, second)| has(first) && has(second))
}

fn is_row(line: &[u8]) -> bool {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.next().is_some_and(is_cell) && words.next().is_some_and(is_cell) && words.next().is_some_and(is_cell)
}

fn is_cell(word: &[u8]) -> bool {
    word == b"-" || (word.first().is_some_and(u8::is_ascii_digit) && word.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b',')))
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let mut lines = head.bytes.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty());
    let above = lines.by_ref().take(3).position(is_header)?;
    let is_table = lines.next().is_none_or(|line| is_row(line) || is_header(line));
    is_table.then(|| Match::lines(if above == 0 { 90 } else { 60 }, "jstat", Box::new(Table)))
}

/// The numbers of one row, in thousandths.
struct Row {
    cells: Vec<Option<u64>>,
    uptime: Option<i64>,
    /// Used and committed bytes of the heap and of its old part; none if the table is in percent.
    heap: Option<(u64, u64)>,
    old: Option<(u64, u64)>,
    /// Whether the stops of concurrent collections are counted apart.
    counts_concurrent: bool,
    /// Counts and total time of young and of full collections.
    young: (u64, u64),
    full: (u64, u64),
}

impl Row {
    fn read(columns: &[&str], text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        // The cause of a collection is words; everything before it is a number.
        if words.len() < columns.iter().filter(|column| !matches!(**column, "LGCC" | "GCC")).count() {
            return None;
        }
        let cells: Vec<Option<u64>> = columns.iter().zip(&words).map(|(_, word)| decimal(word, 1000)).collect();
        let get = |name: &str| columns.iter().position(|column| *column == name).and_then(|at| cells.get(at).copied().flatten());
        let kilobytes = |name: &str| get(name).map(|thousandths| thousandths.saturating_mul(1024) / 1000);
        let sum = |names: [&str; 4]| names.iter().map(|name| kilobytes(name)).try_fold(0_u64, |sum, part| Some(sum + part?));
        let uptime = get("Timestamp").and_then(|thousandths| i64::try_from(thousandths).ok()?.checked_mul(1_000_000));
        let pair = |count: &str, time: &str| (get(count).unwrap_or_default() / 1000, get(time).unwrap_or_default().saturating_mul(1_000_000));
        Some(Self {
            uptime,
            counts_concurrent: columns.contains(&"CGC"),
            heap: sum(["S0U", "S1U", "EU", "OU"]).zip(sum(["S0C", "S1C", "EC", "OC"])),
            old: kilobytes("OU").zip(kilobytes("OC")),
            young: pair("YGC", "YGCT"),
            full: pair("FGC", "FGCT"),
            cells,
        })
    }

    /// Every number that stands for something which has a name of its own.
    fn metrics(&self, columns: &[&str], line: &BlockLine<'_>, block: &Block<'_>, sink: &mut dyn Sink) {
        for (column, cell) in columns.iter().zip(&self.cells) {
            let (Some(known), Some(thousandths)) = (KNOWN.iter().find(|known| known.0 == *column), cell) else { continue };
            let (_, name, label, scale) = *known;
            let kind = if name.starts_with("jvm.gc.") { MetricKind::Cumulative } else { MetricKind::Gauge };
            let (key, text) = label;
            let labels = [Field { key, value: Value::Text(text) }];
            sink.metric(&MetricRecord {
                name,
                kind,
                labels: if key.is_empty() { &[] } else { &labels },
                value: if name == "jvm.memory.usage" { *thousandths as f64 / 100_000.0 } else { *thousandths as f64 * scale / 1000.0 },
                evidence: evidence(block, line.from, line.to),
                ..MetricRecord::default()
            });
        }
    }

    /// The collections that were counted since the row before. The last one has left what the row shows, or more.
    fn collections(&self, before: &Self, line: &BlockLine<'_>, block: &Block<'_>, sink: &mut dyn Sink) {
        if self.uptime.is_none() {
            return;
        }
        let record = |kind, cause, sizes: Option<(u64, u64)>, earlier: Option<(u64, u64)>, nanos| GcRecord {
            time: Time::NONE,
            uptime: self.uptime,
            service: "",
            instance: "",
            id: None,
            kind,
            cause,
            before: earlier.map(|(used, _)| used),
            after: sizes.map(|(used, _)| used),
            capacity: sizes.map(|(_, committed)| committed),
            nanos,
            evidence: evidence(block, line.from, line.to),
        };
        if self.young.0 > before.young.0 {
            sink.gc(&record(GcKind::Young, "", self.heap, before.heap, self.young.1.saturating_sub(before.young.1)));
        }
        if self.full.0 > before.full.0 {
            let nanos = self.full.1.saturating_sub(before.full.1);
            // What the young generation holds was allocated since. Without a column for concurrent collections their stops
            // are counted as full ones, which free nothing: then only a fall of the old generation shows a collection.
            let fell = self.old.zip(before.old).is_some_and(|(now, then)| now.0 < then.0);
            if self.counts_concurrent || fell {
                sink.gc(&record(GcKind::Full, "", self.old, before.old, nanos));
            } else {
                sink.gc(&record(GcKind::Phase, "", None, None, nanos));
            }
        }
        if (self.young.0, self.full.0) != (before.young.0, before.full.0) && self.old.is_some() {
            sink.gc(&record(GcKind::Old, "jstat", self.old, before.old, 0));
        }
    }
}

/// Column, name, label, and what a unit of it is. A usage is printed in percent, and is a share elsewhere.
type Known = (&'static str, &'static str, (&'static str, &'static str), f64);

const KNOWN: [Known; 24] = [
    ("S0U", "jvm.memory.used", ("id", "Survivor 0"), 1024.0),
    ("S1U", "jvm.memory.used", ("id", "Survivor 1"), 1024.0),
    ("EU", "jvm.memory.used", ("id", "Eden Space"), 1024.0),
    ("OU", "jvm.memory.used", ("id", "Old Gen"), 1024.0),
    ("MU", "jvm.memory.used", ("id", "Metaspace"), 1024.0),
    ("CCSU", "jvm.memory.used", ("id", "Compressed Class Space"), 1024.0),
    ("EC", "jvm.memory.committed", ("id", "Eden Space"), 1024.0),
    ("OC", "jvm.memory.committed", ("id", "Old Gen"), 1024.0),
    ("MC", "jvm.memory.committed", ("id", "Metaspace"), 1024.0),
    ("CCSC", "jvm.memory.committed", ("id", "Compressed Class Space"), 1024.0),
    ("E", "jvm.memory.usage", ("id", "Eden Space"), 1.0),
    ("O", "jvm.memory.usage", ("id", "Old Gen"), 1.0),
    ("M", "jvm.memory.usage", ("id", "Metaspace"), 1.0),
    ("CCS", "jvm.memory.usage", ("id", "Compressed Class Space"), 1.0),
    ("YGC", "jvm.gc.pause.count", ("action", "end of minor GC"), 1.0),
    ("YGCT", "jvm.gc.pause.sum", ("action", "end of minor GC"), 1.0),
    ("FGC", "jvm.gc.pause.count", ("action", "end of major GC"), 1.0),
    ("FGCT", "jvm.gc.pause.sum", ("action", "end of major GC"), 1.0),
    ("CGC", "jvm.gc.concurrent.phase.time.count", ("", ""), 1.0),
    ("CGCT", "jvm.gc.concurrent.phase.time.sum", ("", ""), 1.0),
    ("NGCMX", "jvm.memory.max", ("id", "Young Gen"), 1024.0),
    ("OGCMX", "jvm.memory.max", ("id", "Old Gen"), 1024.0),
    ("Loaded", "jvm.classes.loaded", ("", ""), 1.0),
    ("Unloaded", "jvm.classes.unloaded", ("", ""), 1.0),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::{recognised, stream, worn};

    const UTIL: &str = "Timestamp         S0     S1     E      O      M     CCS    YGC     YGCT     FGC    FGCT     CGC    CGCT       GCT   \n           \
        16.6   0.00  68.85  66.67  37.34  95.82  87.87      4     0.035     3     0.041     -         -     0.076\n";
    const GC: &str = "Timestamp   S0C         S1C         S0U         S1U          EC           EU           OC           OU          MC         MU       \
        CCSC      CCSU     YGC     YGCT     FGC    FGCT     CGC    CGCT       GCT   \n  1.0  0.0  2048.0  0.0  1410.1  12288.0  8192.0  40960.0  15295.5  4800.0  \
        4599.4  576.0  506.1  4  0.035  3  0.041  0  0.000  0.076\n  2.0  0.0  2048.0  0.0  0.0  12288.0  100.0  40960.0  15000.0  4800.0  4599.4  576.0  506.1  \
        4  0.035  4  0.541  0  0.000  0.576\n";

    #[test]
    fn percent_of_each_part() {
        let (label, got) = recognised(UTIL).unwrap();
        assert_eq!((label.as_str(), got.records, got.quarantined), ("jstat", 8, 0), "{}", got.text);
        assert!(got.text.contains("name=\"jvm.memory.usage\" kind=\"Gauge\" labels=\"id=Old Gen;\" value=\"0.3734\""), "{}", got.text);
        assert!(
            got.text.contains("name=\"jvm.gc.pause.sum\" kind=\"Cumulative\" labels=\"action=end of major GC;\" value=\"0.041\""),
            "{}",
            got.text
        );
    }

    #[test]
    fn a_collection_between_two_rows() {
        let (_, got) = recognised(GC).unwrap();
        let facts: Vec<&str> =
            got.text.lines().filter(|line| line.starts_with("gc @")).map(|line| line.split_once("uptime").unwrap_or_default().1).collect();
        assert_eq!(
            facts,
            [
                "=\"2000000000\" kind=\"Full\" before=\"15662592\" after=\"15360000\" capacity=\"41943040\" nanos=\"500000000\"",
                "=\"2000000000\" kind=\"Old\" cause=\"jstat\" before=\"15662592\" after=\"15360000\" capacity=\"41943040\" nanos=\"0\""
            ]
        );
        let cms = GC.replace("CGC    CGCT       ", "").replace("0  0.000  0", "0").replace("15000.0", "15295.5");
        let (_, got) = recognised(&cms).unwrap();
        assert!(got.text.contains("kind=\"Phase\" nanos=\"500000000\"") && !got.text.contains("kind=\"Full\""), "{}", got.text);
        let untimed = GC.replace("Timestamp ", "").replace("  1.0  0.0", "  0.0").replace("  2.0  0.0", "  0.0");
        assert!(!recognised(&untimed).unwrap().1.text.contains("gc @"));
    }

    #[test]
    fn several_tables_and_other_lines() {
        let (_, got) = recognised(&format!("{UTIL}\n{GC}done with it\n{UTIL}")).unwrap();
        assert!(got.text.contains("message=\"done with it\"") && got.quarantined == 0, "{}", got.text);
        let cut = GC.trim_end().rsplit_once("  0.000").unwrap_or_default().0;
        assert_eq!(recognised(cut).unwrap().1.quarantined, 1);
    }

    #[test]
    fn look_alikes() {
        for line in ["  S0 S1 E O", "Total YGC and FGC, all", "NAME CPU(cores) MEMORY(bytes)", "Loaded 3 classes", " 1 2 3 4", ""] {
            assert!(!is_header(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn worn_tables() {
        for text in [UTIL, GC] {
            worn(text.as_bytes(), |bytes| stream(Box::new(Table), bytes));
        }
    }
}
