//! The garbage collector's log of OpenJ9 and IBM's JVM: `-verbose:gc` as XML, as a rule without its last tag.
//!
//! ```text
//! <exclusive-start id="2" timestamp="2015-12-31T15:22:46.957" intervalms="3955.367">
//! <af-start id="3" totalBytesRequested="16392" timestamp="2015-12-31T15:22:46.957" intervalms="3955.490" />
//! <gc-end id="8" type="scavenge" contextid="4" durationms="25.007" timestamp="2015-12-31T15:22:46.982">
//!   <mem-info id="9" free="457545744" total="536870912" percent="85">
//! ```
//!
//! A record is what happens while the JVM is stopped: one tag a line, so the lines are read, not the document. Times are
//! local. What this file does not do: keep the arguments of the JVM, which may hold secrets, or read the XML of releases
//! before Java 6's 2.6.

use super::block_lines::{BlockLine, BlockLines, evidence};
use super::lines::{Block, LineFormat};
use super::quantity::{decimal, digits};
use super::{Format, Match, timestamp};
use crate::model::jvm::{GcKind, GcRecord};
use crate::model::record::{Level, LogRecord, Reason, Sink};
use crate::model::source::{Evidence, Head};
use crate::model::time::Time;
use memchr::memmem;

/// Verbose GC of OpenJ9.
pub const FORMAT: Format = Format { name: "gc-log-openj9", sniff };

/// The line format.
#[derive(Clone, Copy, Debug)]
struct Verbose;

impl LineFormat for Verbose {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        [&b"<exclusive-start "[..], b"<initialized ", b"<verbosegc ", b"<?xml "].iter().any(|tag| line.starts_with(tag))
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        !self.starts(line, b"") && line.trim_ascii_start().first() == Some(&b'<')
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let mut reader = Reader { block, cause: "", began: None, side: None, before: Heap::default(), after: Heap::default(), time: Time::NONE };
        for line in BlockLines::of(block).filter(|line| !line.is_blank()) {
            match line.text.trim_ascii().strip_prefix('<') {
                Some(tag) => reader.tag(tag, &line, sink),
                None => sink.quarantine(evidence(block, line.from, line.to), Reason::Malformed),
            }
        }
    }
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let text = head.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head.bytes).trim_ascii_start();
    let is_ours = text.starts_with(b"<verbosegc ")
        || (text.starts_with(b"<?xml ") && memmem::find(text.get(..1024).unwrap_or(text), b"<verbosegc ").is_some())
        || (text.starts_with(b"<exclusive-start ") && memmem::find(text, b"<gc-start ").is_some());
    is_ours.then(|| Match::lines(90, "gc-log/openj9", Box::new(Verbose)))
}

/// What is free and what there is, of the heap and of its old part.
#[derive(Clone, Copy, Default)]
struct Heap {
    all: Option<(u64, u64)>,
    tenure: Option<(u64, u64)>,
}

/// Which end of a collection the lines speak of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// The end of a collection, until its sizes are read.
#[derive(Clone, Copy)]
struct Ended {
    kind: GcKind,
    nanos: u64,
    from: usize,
}

struct Reader<'b> {
    block: &'b Block<'b>,
    cause: &'b str,
    began: Option<usize>,
    side: Option<(Side, Option<Ended>)>,
    before: Heap,
    after: Heap,
    time: Time,
}

impl<'b> Reader<'b> {
    fn tag(&mut self, tag: &'b str, line: &BlockLine<'b>, sink: &mut dyn Sink) {
        let name = tag.split([' ', '>']).next().unwrap_or_default();
        let place = evidence(self.block, line.from, line.to);
        if let Some(time) = attribute(tag, "timestamp").and_then(|stamp| timestamp::iso(stamp.as_bytes(), self.block.hints.zone)) {
            self.time = time.0;
        }
        match name {
            "af-start" => self.cause = "Allocation Failure",
            "sys-start" => {
                self.cause = if attribute(tag, "reason") == Some("explicit") { "System.gc()" } else { attribute(tag, "reason").unwrap_or_default() }
            }
            "gc-start" => {
                self.began = Some(line.from);
                self.before = Heap::default();
                self.side = Some((Side::Before, None));
            }
            "gc-end" => {
                self.after = Heap::default();
                let nanos = attribute(tag, "durationms").and_then(|ms| decimal(ms, 1_000_000)).unwrap_or_default();
                let kind = kind_of(attribute(tag, "type").unwrap_or_default());
                self.side = Some((Side::After, Some(Ended { kind, nanos, from: self.began.unwrap_or(line.from) })));
                if tag.ends_with("/>") {
                    self.end(line.to, sink);
                }
            }
            "mem-info" => self.heap(tag, |heap| &mut heap.all),
            "mem" if attribute(tag, "type") == Some("tenure") => self.heap(tag, |heap| &mut heap.tenure),
            "/gc-start" => self.side = None,
            "/gc-end" => self.end(line.to, sink),
            "exclusive-end" => {
                let nanos = attribute(tag, "durationms").and_then(|ms| decimal(ms, 1_000_000));
                nanos.into_iter().for_each(|nanos| sink.gc(&self.record(GcKind::Safepoint, "", None, None, nanos, place)));
            }
            "attribute" => self.attribute(tag, place, sink),
            "warning" | "out-of-memory" => {
                let record = LogRecord {
                    time: self.time,
                    level: Level::Warn,
                    logger: "gc",
                    message: tag.trim_end_matches([' ', '/', '>']),
                    evidence: place,
                    ..LogRecord::default()
                };
                sink.log(&record);
                if name == "out-of-memory" {
                    sink.gc(&self.record(GcKind::GaveUp, "out of memory", None, None, 0, place));
                }
            }
            _ => {}
        }
    }

    fn heap(&mut self, tag: &str, part: fn(&mut Heap) -> &mut Option<(u64, u64)>) {
        let size = |key| attribute(tag, key).and_then(digits);
        if let (Some((side, _)), Some(free), Some(total)) = (self.side, size("free"), size("total")) {
            let heap = if side == Side::Before { &mut self.before } else { &mut self.after };
            *part(heap) = Some((total.saturating_sub(free), total));
        }
    }

    /// Hands over the collection that has ended.
    fn end(&mut self, to: usize, sink: &mut dyn Sink) {
        let Some((Side::After, Some(ended))) = self.side.take() else { return };
        let place = evidence(self.block, ended.from, to);
        sink.gc(&self.record(ended.kind, self.cause, self.before.all, self.after.all, ended.nanos, place));
        if self.after.tenure.is_some() {
            sink.gc(&self.record(GcKind::Old, "tenure", self.before.tenure, self.after.tenure, 0, place));
        }
        self.began = None;
    }

    /// What the JVM was started with: collector and largest heap.
    fn attribute(&self, tag: &'b str, place: Evidence, sink: &mut dyn Sink) {
        let value = attribute(tag, "value").unwrap_or_default();
        match attribute(tag, "name") {
            Some("gcPolicy") => sink.gc(&self.record(GcKind::Using, value.trim_start_matches("-Xgcpolicy:"), None, None, 0, place)),
            Some("maxHeapSize") => {
                let size = value.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok()).or_else(|| digits(value));
                let size = size.map(|size| (size, 0));
                sink.gc(&GcRecord { capacity: None, ..self.record(GcKind::MaxHeap, "", None, size, 0, place) });
            }
            _ => {}
        }
    }

    fn record<'a>(
        &self,
        kind: GcKind,
        cause: &'a str,
        before: Option<(u64, u64)>,
        after: Option<(u64, u64)>,
        nanos: u64,
        evidence: Evidence,
    ) -> GcRecord<'a> {
        GcRecord {
            time: self.time,
            uptime: None,
            service: "",
            instance: "",
            id: None,
            kind,
            cause,
            before: before.map(|(used, _)| used),
            after: after.map(|(used, _)| used),
            capacity: after.map(|(_, total)| total),
            nanos,
            evidence,
        }
    }
}

/// What a collection is by its type. A balanced collector's marking is a pause that frees nothing.
fn kind_of(name: &str) -> GcKind {
    match name {
        "scavenge" | "partial gc" | "nursery" => GcKind::Young,
        "global" | "global garbage collect" => GcKind::Full,
        _ => GcKind::Phase,
    }
}

/// The value of an attribute.
fn attribute<'b>(tag: &'b str, key: &str) -> Option<&'b str> {
    tag.match_indices(key).find_map(|(at, _)| {
        let rest = tag.get(at + key.len()..)?.strip_prefix("=\"")?;
        tag.get(..at)?.ends_with(' ').then(|| rest.split('"').next()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::{placeless, recognised, stream, worn};

    const LOG: &str = r#"<?xml version="1.0" ?>

<verbosegc xmlns="http://www.ibm.com/j9/verbosegc" version="R28">

<initialized id="1" timestamp="2015-12-31T15:22:43.002">
  <attribute name="gcPolicy" value="-Xgcpolicy:gencon" />
  <attribute name="maxHeapSize" value="0x20000000" />
  <vmargs>
    <vmarg name="-Dwrapper.key=hma3hQVmiO6eXlFU" />
  </vmargs>
</initialized>

<exclusive-start id="2" timestamp="2015-12-31T15:22:46.957" intervalms="3955.367">
</exclusive-start>
<af-start id="3" totalBytesRequested="16392" timestamp="2015-12-31T15:22:46.957" intervalms="3955.490" />
<gc-start id="5" type="scavenge" contextid="4" timestamp="2015-12-31T15:22:46.957">
  <mem-info id="6" free="401882552" total="536870912" percent="74">
    <mem type="nursery" free="0" total="134217728" percent="0">
    <mem type="tenure" free="401882552" total="402653184" percent="99">
  </mem-info>
</gc-start>
<gc-end id="8" type="scavenge" contextid="4" durationms="25.007" usertimems="28.731" systemtimems="0.155" timestamp="2015-12-31T15:22:46.982">
  <mem-info id="9" free="457545744" total="536870912" percent="85">
    <mem type="tenure" free="401882552" total="402653184" percent="99">
  </mem-info>
</gc-end>
<exclusive-end id="13" timestamp="2015-12-31T15:22:46.982" durationms="25.388" />

<exclusive-start id="14" timestamp="2015-12-31T15:22:48.229" intervalms="1272.346">
<sys-start id="15" reason="explicit" timestamp="2015-12-31T15:22:48.229" />
<gc-end id="20" type="global" contextid="16" durationms="1239.395" timestamp="2015-12-31T15:22:48.251">
  <mem-info id="21" free="4" total="10" percent="84">
</gc-end>
"#;

    #[test]
    fn collections_and_stops() {
        let (label, got) = recognised(LOG).unwrap();
        assert_eq!((label.as_str(), got.quarantined), ("gc-log/openj9", 0), "{}", got.text);
        let at = "time=\"2015-12-31T15:22:46.982Z\"";
        let want = [
            "gc time=\"2015-12-31T15:22:43.002Z\" kind=\"Using\" cause=\"gencon\" nanos=\"0\"".to_owned(),
            "gc time=\"2015-12-31T15:22:43.002Z\" kind=\"MaxHeap\" after=\"536870912\" nanos=\"0\"".to_owned(),
            format!(
                "gc {at} kind=\"Young\" cause=\"Allocation Failure\" before=\"134988360\" after=\"79325168\" capacity=\"536870912\" nanos=\"25007000\""
            ),
            format!("gc {at} kind=\"Old\" cause=\"tenure\" before=\"770632\" after=\"770632\" capacity=\"402653184\" nanos=\"0\""),
            format!("gc {at} kind=\"Safepoint\" nanos=\"25388000\""),
            "gc time=\"2015-12-31T15:22:48.251Z\" kind=\"Full\" cause=\"System.gc()\" after=\"6\" capacity=\"10\" nanos=\"1239395000\"".to_owned(),
        ];
        assert_eq!(placeless(&got), want);
    }

    #[test]
    fn the_rest_of_a_rotated_log() {
        let at = LOG.find("<exclusive-start").unwrap_or_default();
        let (label, got) = recognised(&LOG[at..]).unwrap();
        assert_eq!((label.as_str(), got.records), ("gc-log/openj9", 4), "{}", got.text);
        for text in ["<?xml version=\"1.0\" ?>\n<beans/>", "<exclusive-start >", "<html>", ""] {
            assert!(sniff(&Head { path: "", bytes: text.as_bytes(), whole: true }).is_none(), "{text}");
        }
        let (_, got) = recognised(&format!("{}\n<warning details=\"concurrent kickoff\" />\n<out-of-memory id=\"9\" />\n", &LOG[at..])).unwrap();
        assert!(got.text.contains("message=\"warning details=\\\"concurrent kickoff\\\"\"") && got.text.contains("kind=\"GaveUp\""), "{}", got.text);
    }

    #[test]
    fn worn_logs() {
        worn(LOG.as_bytes(), |bytes| stream(Box::new(Verbose), bytes));
    }
}
