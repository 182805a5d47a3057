//! The unified log of the JVM (`-Xlog:gc*`), JDK 9 to 25, all collectors, whichever decorations it was asked for.
//!
//! ```text
//! [2026-11-22T19:30:58.899+0000][6.709s][11263][11276][info ][gc             ] GC(439) Pause Full (G1 Compaction Pause) 126M->125M(128M) 16.341ms
//! [7.148s][info][gc] GC(3) Pause Young (Allocation Failure) 24M->1M(92M) 10.668ms
//! [5ms] Using G1
//! ```
//!
//! One record a line; a line of the log that holds no fact is understood and dropped, a warning of any part of the JVM
//! becomes a log record. Decorations alone do not make a line the JVM's, since applications print brackets, too: some
//! part must be one that only the JVM prints, or the whole file must have the same decorations.
//! What this file does not do: the log of JDK 8 and earlier, OpenJ9's XML, or turning uptimes into wall time.

use super::gc_message::{Message, is_gc};
use super::lines::{Block, LineFormat};
use super::quantity::{decimal, digits};
use super::{Confidence, Format, Match, timestamp};
use crate::model::jvm::{GcKind, GcRecord};
use crate::model::record::{Level, LogRecord, Sink};
use crate::model::source::Head;
use crate::model::time::Time;
use memchr::memmem;

/// The JVM's unified log.
pub const FORMAT: Format = Format { name: "gc-log", sniff };

/// The line format.
#[derive(Clone, Copy, Debug)]
pub struct UnifiedLog {
    /// The decorations of the file's lines, if it is a file of this format.
    shape: Shape,
}

impl UnifiedLog {
    /// For lines between those of another format.
    pub const EMBEDDED: Self = Self { shape: 0 };

    fn claims(self, line: &[u8]) -> bool {
        match line.first() {
            Some(b'[') => Decorations::read(line).is_some_and(|d| (self.shape != 0 && d.shape == self.shape) || d.are_the_jvms(line)),
            Some(b'G' | b'U') => is_gc(line),
            _ => false,
        }
    }
}

impl LineFormat for UnifiedLog {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        self.claims(line)
    }

    fn continues(&self) -> bool {
        false
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let bytes = block.text.as_bytes();
        let decorations = Decorations::read(bytes).unwrap_or_default();
        let text = block.text.get(decorations.message..).unwrap_or_default();
        let message = Message::read(text);
        if let Some(fact) = message.fact {
            let record = GcRecord {
                time: decorations.time(bytes, block.hints.zone),
                uptime: decorations.uptime,
                service: "",
                instance: "",
                id: message.id,
                kind: fact.kind,
                cause: fact.cause,
                before: fact.before,
                after: fact.after,
                capacity: fact.capacity,
                nanos: fact.nanos,
                evidence: block.evidence,
            };
            sink.gc(&record);
            if let Some(cause) = message.failure {
                sink.gc(&GcRecord { kind: GcKind::EvacuationFailure, cause, before: None, after: None, capacity: None, nanos: 0, ..record });
            }
        } else if decorations.level >= Level::Warn {
            let (from, to) = decorations.tags;
            sink.log(&LogRecord {
                time: decorations.time(bytes, block.hints.zone),
                level: decorations.level,
                logger: block.text.get(from..to).unwrap_or_default(),
                message: text,
                evidence: block.evidence,
                ..LogRecord::default()
            });
        }
    }
}

/// Which decorations a line has, one bit each, in the order in which the JVM prints them.
type Shape = u16;

const TIME: Shape = 1;
const UTC_TIME: Shape = 1 << 1;
const UPTIME: Shape = 1 << 2;
const EPOCH_MILLIS: Shape = 1 << 3;
const UPTIME_MILLIS: Shape = 1 << 4;
const EPOCH_NANOS: Shape = 1 << 5;
const UPTIME_NANOS: Shape = 1 << 6;
const HOST: Shape = 1 << 7;
const PID: Shape = 1 << 8;
const TID: Shape = 1 << 9;
const LEVEL: Shape = 1 << 10;
const TAGS: Shape = 1 << 11;

/// What stands in brackets before a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Decorations {
    shape: Shape,
    /// Where the date and time stand; read only if the line holds a fact.
    stamp: (usize, usize),
    /// A time that is printed as a number.
    epoch: Option<i64>,
    /// Nanoseconds.
    uptime: Option<i64>,
    level: Level,
    tags: (usize, usize),
    /// Whether the first tag is one of the JVM's.
    has_jvm_tag: bool,
    /// Where the message begins.
    message: usize,
}

impl Decorations {
    /// Reads the brackets; none if one of them is no decoration, or they are not in the JVM's order.
    fn read(line: &[u8]) -> Option<Self> {
        let mut found = Self::default();
        let mut at = 0;
        while line.get(at) == Some(&b'[') {
            let rest = line.get(at + 1..)?;
            let len = memchr::memchr(b']', rest.get(..rest.len().min(64))?)?;
            let is_last = rest.get(len + 1) != Some(&b'[');
            let kind = found.classify(rest.get(..len)?, at + 1, is_last)?;
            if kind <= found.shape {
                return None;
            }
            found.shape |= kind;
            at += len + 2;
        }
        match line.get(at) {
            None => found.message = at,
            Some(b' ') => found.message = at + 1,
            Some(_) => return None,
        }
        (found.shape != 0).then_some(found)
    }

    /// What one bracket is. The order of the kinds tells those apart that look alike.
    fn classify(&mut self, content: &[u8], at: usize, is_last: bool) -> Option<Shape> {
        let place = (at, at + content.len());
        match content.first()? {
            b'0'..=b'9' if content.get(10) == Some(&b'T') && content.len() >= 24 => {
                if self.shape == 0 {
                    self.stamp = place;
                    return Some(TIME);
                }
                Some(UTC_TIME)
            }
            b'0'..=b'9' => self.number(std::str::from_utf8(content).ok()?),
            b'a'..=b'z' => {
                let word = content.trim_ascii_end();
                self.level = match word {
                    b"error" => Level::Error,
                    b"warning" => Level::Warn,
                    b"info" => Level::Info,
                    b"debug" => Level::Debug,
                    b"trace" => Level::Trace,
                    _ => return self.tags_or_host(word, at, is_last),
                };
                Some(LEVEL)
            }
            _ => Some(HOST).filter(|_| !is_last && is_host(content)),
        }
    }

    fn number(&mut self, text: &str) -> Option<Shape> {
        let number = text.trim_end_matches(|c: char| c.is_ascii_lowercase());
        match text.get(number.len()..)? {
            "s" if number.contains(['.', ',']) => {
                self.uptime = Some(i64::try_from(decimal(number, 1_000_000_000)?).ok()?);
                Some(UPTIME)
            }
            "ms" => Some(self.count(digits(number)?, 1_000_000, [UPTIME_MILLIS, EPOCH_MILLIS])?),
            "ns" => Some(self.count(digits(number)?, 1, [UPTIME_NANOS, EPOCH_NANOS])?),
            "" if digits(number).is_some() => Some(if self.shape < PID { PID } else { TID }),
            _ => Some(HOST).filter(|_| is_host(text.as_bytes())),
        }
    }

    /// A count since the start of the JVM or since 1970: the latter is beyond thirty years.
    fn count(&mut self, count: u64, unit: i64, [uptime, epoch]: [Shape; 2]) -> Option<Shape> {
        let nanos = i64::try_from(count).ok()?.checked_mul(unit)?;
        if nanos < 1_000_000_000_000_000_000 {
            self.uptime = Some(nanos);
            return Some(uptime);
        }
        self.epoch = Some(nanos);
        Some(epoch)
    }

    fn tags_or_host(&mut self, word: &[u8], at: usize, is_last: bool) -> Option<Shape> {
        let is_tags = word.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b',' | b'_'));
        if is_tags && (is_last || self.shape >= LEVEL) {
            self.tags = (at, at + word.len());
            self.has_jvm_tag = is_jvm_tag(word.split(|&b| b == b',').next()?);
            return Some(TAGS);
        }
        Some(HOST).filter(|_| !is_last && is_host(word))
    }

    /// Whether only the JVM prints such a line.
    fn are_the_jvms(&self, line: &[u8]) -> bool {
        const CLOCK: Shape = TIME | UTC_TIME | UPTIME | EPOCH_MILLIS | UPTIME_MILLIS | EPOCH_NANOS | UPTIME_NANOS;
        if (self.has_jvm_tag && self.shape & (CLOCK | LEVEL) != 0) || self.shape & (UPTIME | LEVEL) == UPTIME | LEVEL {
            return true;
        }
        let Some(message) = line.get(self.message..) else { return false };
        is_gc(message) || (self.shape & CLOCK != 0 && std::str::from_utf8(message).is_ok_and(|text| Message::read(text).fact.is_some()))
    }

    fn time(&self, line: &[u8], zone: i32) -> Time {
        let (from, to) = self.stamp;
        let stamp = line.get(from..to).and_then(|stamp| timestamp::iso(stamp, zone));
        stamp.map_or_else(|| self.epoch.map_or(Time::NONE, Time), |(time, _)| time)
    }
}

fn is_host(word: &[u8]) -> bool {
    word.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

/// The first tags of the JVM's log; the second ones are many more.
fn is_jvm_tag(tag: &[u8]) -> bool {
    matches!(
        tag,
        b"gc"
            | b"safepoint"
            | b"os"
            | b"class"
            | b"cds"
            | b"aot"
            | b"arguments"
            | b"attach"
            | b"biasedlocking"
            | b"codecache"
            | b"compilation"
            | b"container"
            | b"deoptimization"
            | b"exceptions"
            | b"handshake"
            | b"heap"
            | b"jfr"
            | b"jit"
            | b"jni"
            | b"jvmti"
            | b"library"
            | b"logging"
            | b"membername"
            | b"metaspace"
            | b"module"
            | b"monitorinflation"
            | b"nmethod"
            | b"nmt"
            | b"oopstorage"
            | b"os_cpu"
            | b"pagesize"
            | b"perf"
            | b"protectiondomain"
            | b"redefine"
            | b"startuptime"
            | b"stringdedup"
            | b"stringtable"
            | b"symboltable"
            | b"thread"
            | b"trimnative"
            | b"vmoperation"
            | b"vmthread"
    )
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let (mut lines, mut ours, mut shape) = (0_usize, 0_usize, 0);
    for line in head.bytes.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).filter(|line| !line.is_empty()) {
        if shape == 0 && UnifiedLog::EMBEDDED.claims(line) {
            shape = Decorations::read(line).map_or(0, |d| d.shape);
        }
        lines += 1;
        ours += usize::from(UnifiedLog { shape }.claims(line));
    }
    // In a container's stdout the application's own format is the main one, and this one is embedded.
    let confidence: Confidence = match ours * 100 / lines.max(1) {
        _ if ours == 0 => return None,
        95.. => 90,
        _ => 25,
    };
    let label = collector(head.bytes).map_or_else(|| "gc-log/unified".to_owned(), |name| format!("gc-log/unified-{name}"));
    Some(Match::lines(confidence, label, Box::new(UnifiedLog { shape })))
}

/// The collector, by words that only it prints.
fn collector(head: &[u8]) -> Option<&'static str> {
    const WORDS: [(&str, &str); 13] = [
        ("Using G1", "g1"),
        ("Using The Z Garbage Collector", "zgc"),
        ("Using Shenandoah", "shenandoah"),
        ("Using Parallel", "parallel"),
        ("Using Serial", "serial"),
        ("Using Concurrent Mark Sweep", "cms"),
        ("Using Epsilon", "epsilon"),
        ("G1 Evacuation Pause", "g1"),
        (") Eden regions: ", "g1"),
        (") PSYoungGen: ", "parallel"),
        (") DefNew: ", "serial"),
        (" Pause Relocate Start", "zgc"),
        (" Pause Final Update Refs", "shenandoah"),
    ];
    WORDS.into_iter().find(|(words, _)| memmem::find(head, words.as_bytes()).is_some()).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::lines::LineStream;
    use crate::model::source::{Chunk, FileId, Hints};
    use crate::model::transcript::Transcript;

    fn parse(format: UnifiedLog, text: &str) -> Transcript {
        let hints = Hints::default();
        let mut transcript = Transcript::default();
        LineStream::new(Box::new(format)).parse(&Chunk { file: FileId(0), base: 0, bytes: text.as_bytes(), hints: &hints }, &mut transcript);
        transcript
    }

    fn sniffed(text: &str) -> Option<(Confidence, String)> {
        sniff(&Head { path: "", bytes: text.as_bytes(), whole: true }).map(|m| (m.confidence, m.label))
    }

    #[test]
    fn any_subset_of_decorations() {
        let time = "time=\"2026-11-22T19:30:59.338Z\" ";
        let fact = "id=\"3\" kind=\"Full\" cause=\"Ergonomics\" before=\"2048\" after=\"1024\" capacity=\"8192\" nanos=\"1500000\"\n";
        for (decorations, stamp) in [
            ("[2026-11-22T19:30:59.338+0000][7.148s][11263][11276][debug][gc,heap        ] ", format!("{time}uptime=\"7148000000\" ")),
            ("[2026-11-22T20:30:59.338+0100][info ][gc] ", time.to_owned()),
            ("[2026-11-22T19:30:59.338Z][info][gc] ", time.to_owned()),
            ("[2026-11-22T20:30:59.338+0100][2026-11-22T19:30:59.338Z][7,148s] ", format!("{time}uptime=\"7148000000\" ")),
            ("[1795375859338ms][7148ms][gc] ", format!("{time}uptime=\"7148000000\" ")),
            ("[1795375859338000000ns][7148000000ns] ", format!("{time}uptime=\"7148000000\" ")),
            ("[7.148s][info][gc] ", "uptime=\"7148000000\" ".to_owned()),
            ("[7.148s] ", "uptime=\"7148000000\" ".to_owned()),
            ("[5ms] ", "uptime=\"5000000\" ".to_owned()),
            ("[orders-7d9f-x][12][13][info][gc] ", String::new()),
            ("[12] ", String::new()),
            ("[gc          ] ", String::new()),
            ("[info] ", String::new()),
            ("", String::new()),
        ] {
            let line = format!("{decorations}GC(3) Pause Full (Ergonomics) 2K->1K(8K) 1.500ms\n");
            let want = format!("gc @0+{} {stamp}{fact}", line.len() - 1);
            assert_eq!(parse(UnifiedLog::EMBEDDED, &line).text, want, "{decorations}");
        }
    }

    #[test]
    fn what_applications_print_is_left_alone() {
        for line in [
            "[2025-04-09 10:00:00,405] INFO [GroupCoordinator 1]: Stabilized group (kafka.coordinator.group.GroupCoordinator)",
            "[main] INFO com.acme.Orders - GC(3) is not at the start",
            "[main] INFO Using G1",
            "[info] server started",
            "[error][auth] denied",
            "[5ms] GET /orders",
            "[12] Using 4 workers",
            "[2026-11-22T19:30:59.338+0000] [INFO] up",
            "[2026-11-22T19:30:59.338+0000][info][auth] up",
            "[gc][info] wrong order",
            "[1, 2, 3]",
            "[0.5]",
            "[",
            "[]",
            "[a][",
            "[info",
            "[7.148s]x",
            "GC overhead limit exceeded",
            "Using java 17",
            "Growing",
        ] {
            assert!(!UnifiedLog::EMBEDDED.claims(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn the_shape_of_the_file_makes_lines_its_own() {
        let text = "[5ms] Using G1\n[12ms] Version: 17.0.15+6 (release)\n[12ms] Heap Region Size: 1M\n[90ms] GC(0) Pause Young (Normal) (G1 Evacuation Pause)\n";
        assert_eq!(sniffed(text), Some((90, "gc-log/unified-g1".to_owned())));
        let got = parse(UnifiedLog { shape: UPTIME_MILLIS }, text);
        assert_eq!((got.records, got.quarantined), (2, 0), "{}", got.text);
        assert_eq!(sniffed("[1ms] GET /a\n[2ms] GET /b\n"), None);
        assert_eq!(sniffed("hello\n[7.1s][info][gc] Using Serial\n").map(|(confidence, _)| confidence), Some(25));
        assert_eq!(sniffed(""), None);
    }

    #[test]
    fn a_failed_evacuation_is_a_fact_of_its_own() {
        let line = "[1.1s][info][gc] GC(9) Pause Young (Normal) (G1 Evacuation Pause) (Evacuation Failure: Allocation) 2K->2K(9K) 1ms";
        let got = parse(UnifiedLog::EMBEDDED, line).text;
        assert!(
            got.contains("kind=\"Young\"") && got.contains("kind=\"EvacuationFailure\" cause=\"Evacuation Failure: Allocation\" nanos=\"0\""),
            "{got}"
        );
    }

    #[test]
    fn warnings_become_log_records() {
        let line = "[0.512s][warning][os,thread] Failed to start thread \"Unknown thread\" - pthread_create failed (EAGAIN)";
        let want = format!(
            "log @0+{} level=\"WARN\" logger=\"os,thread\" message=\"Failed to start thread \\\"Unknown thread\\\" - pthread_create failed (EAGAIN)\"\n",
            line.len()
        );
        assert_eq!(parse(UnifiedLog::EMBEDDED, line).text, want);
        assert_eq!(parse(UnifiedLog::EMBEDDED, "[0.5s][info][class,load] java.lang.Object source: jrt:/java.base\n").text, "");
    }

    #[test]
    fn any_cut_is_read() {
        let text = "[2026-11-22T19:30:59.338+0000][7.148s][11263][11276][warning][gc,heap  ] GC(3) Pause Young (Mixed) (\u{e9}) 2K(1%)->1K(8K) 1.5ms";
        for (at, _) in text.char_indices() {
            parse(UnifiedLog::EMBEDDED, &text[..at]);
            parse(UnifiedLog { shape: TIME }, &text[at..]);
        }
    }
}
