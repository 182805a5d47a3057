//! Spring Boot's `/actuator/metrics`: one meter a document, one document a file or many with the times of calling between.
//!
//! ```text
//! {"name":"jvm.memory.used","baseUnit":"bytes","measurements":[{"statistic":"VALUE","value":1.5E7}],"availableTags":[{"tag":"area","values":["heap"]}]}
//! {"name":"http.server.requests","measurements":[{"statistic":"COUNT","value":42.0},{"statistic":"TOTAL_TIME","value":1.7},{"statistic":"MAX","value":0.2}],"availableTags":[]}
//! {"names":["jvm.memory.used"]}
//! ```
//!
//! A meter without chosen tags is the sum over all of them, so no tag is a label. The document has no time: that of a line
//! above it counts, or the one in the file's name. What this file does not do: other endpoints.

use super::block_lines::{BlockLines, evidence};
use super::json_scan::{Scan, Step};
use super::lines::{Block, LineFormat};
use super::prometheus::clock::{self, Named};
use super::{Format, Match, arena::Arena};
use crate::model::record::{MetricKind, MetricRecord, Reason, Sink};
use crate::model::source::Head;
use crate::model::time::Time;
use memchr::memmem;

/// Meters of the actuator.
pub const FORMAT: Format = Format { name: "actuator-metrics", sniff };

/// The line format.
#[derive(Clone, Copy, Debug)]
struct Meters {
    /// Whether times stand between the documents.
    dated: bool,
    /// The time in the file's name.
    named: Option<Named>,
}

impl LineFormat for Meters {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        if self.dated { line.first() != Some(&b'{') && clock::is_dated(line) } else { line.first() == Some(&b'{') }
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        !self.starts(line, b"")
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let mut time = self.named.map_or(Time::NONE, |named| named.in_zone(block.hints.zone));
        let mut next = 0;
        for line in BlockLines::of(block) {
            if line.at < next || line.is_blank() {
                continue;
            }
            let indent = line.text.len() - line.text.trim_ascii_start().len();
            if line.text.trim_ascii_start().starts_with('{') {
                next = documents(block, (line.at + indent, line.from + indent), time, sink);
            } else if let Some(found) = clock::time_in(line.text.as_bytes(), block.hints) {
                time = found;
            } else if !line.text.bytes().all(|b| b.is_ascii_punctuation()) {
                sink.quarantine(evidence(block, line.from, line.to), Reason::Malformed);
            }
        }
    }
}

/// Reads the documents that follow one another, and says where in the text they end.
fn documents(block: &Block<'_>, (at, byte): (usize, usize), time: Time, sink: &mut dyn Sink) -> usize {
    let arena = Arena::default();
    let text = block.text.get(at..).unwrap_or_default();
    let mut scan = Scan::of_text(text, &arena);
    let place = |from: usize, to: usize| evidence(block, byte + from, byte + to);
    while scan.peek() == Some(b'{') {
        let from = scan.at();
        match meter(&mut scan) {
            Ok(meter) => meter.emit(time, place(from, scan.at()), sink),
            Err(reason) => {
                sink.quarantine(place(from, text.trim_ascii_end().len()), reason);
                return block.text.len();
            }
        }
    }
    at + scan.at()
}

/// A meter as it stands.
#[derive(Default)]
struct Meter<'a> {
    name: &'a str,
    unit: &'a str,
    measurements: Vec<(&'a str, f64)>,
}

impl Meter<'_> {
    fn emit(&self, time: Time, evidence: crate::model::source::Evidence, sink: &mut dyn Sink) {
        let alone = self.measurements.len() == 1;
        let mut name = String::new();
        for &(statistic, value) in self.measurements.iter().filter(|(_, value)| !value.is_nan()) {
            let (ending, kind) = match statistic {
                "COUNT" if alone => ("", MetricKind::Cumulative),
                "COUNT" => (".count", MetricKind::Cumulative),
                "TOTAL" | "TOTAL_TIME" => (".sum", MetricKind::Cumulative),
                "MAX" => (".max", MetricKind::Gauge),
                "ACTIVE_TASKS" => (".active", MetricKind::Gauge),
                "DURATION" => (".duration", MetricKind::Gauge),
                _ => ("", MetricKind::Gauge),
            };
            name.clear();
            name.push_str(self.name);
            name.push_str(ending);
            sink.metric(&MetricRecord { time, name: &name, unit: self.unit, kind, value, evidence, ..MetricRecord::default() });
        }
    }
}

fn meter<'a>(scan: &mut Scan<'a>) -> Step<Meter<'a>> {
    let mut meter = Meter::default();
    if !scan.enter_object()? {
        return Ok(meter);
    }
    while let Some(key) = scan.key()? {
        match key {
            "name" => meter.name = scan.text()?,
            "baseUnit" => meter.unit = scan.text()?,
            "measurements" if scan.enter_array()? => {
                while scan.item()? {
                    meter.measurements.extend(measurement(scan)?);
                }
            }
            "measurements" => {}
            _ => scan.skip()?,
        }
    }
    Ok(meter)
}

fn measurement<'a>(scan: &mut Scan<'a>) -> Step<Option<(&'a str, f64)>> {
    let (mut statistic, mut value) = ("", None);
    if scan.enter_object()? {
        while let Some(key) = scan.key()? {
            match key {
                "statistic" => statistic = scan.text()?,
                "value" => value = scan.float()?,
                _ => scan.skip()?,
            }
        }
    }
    Ok(value.map(|value| (statistic, value)))
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let mut dated = false;
    let mut lines = head.bytes.split(|&b| b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let first = lines.by_ref().take(3).find(|line| {
        dated |= line.first() != Some(&b'{') && clock::is_dated(line);
        line.first() == Some(&b'{')
    })?;
    let from = memmem::find(head.bytes, first)?;
    let text = head.bytes.get(from..)?;
    let text = text.get(..4096).unwrap_or(text);
    let has = |key: &[u8]| memmem::find(text, key).is_some();
    let meter = has(b"\"measurements\"") && has(b"\"statistic\"") && has(b"\"name\"");
    let index = text.get(1..)?.trim_ascii_start().starts_with(b"\"names\"") && has(b"jvm.") && !has(b"\"level\"");
    // A time above each document: only then are they told apart by it.
    dated &= from > 0;
    let named = clock::in_name(head.path);
    (meter || index).then(|| Match::lines(88, "metrics/actuator", Box::new(Meters { dated, named })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::{placeless, recognised, stream, worn};

    // Synthetic: after the documentation of Spring Boot's actuator.
    const GAUGE: &str = r#"{"name":"hikaricp.connections.active","description":"Active","baseUnit":null,"measurements":[{"statistic":"VALUE","value":10.0}],"availableTags":[{"tag":"pool","values":["a"]}]}"#;
    const TIMER: &str = "{\n  \"name\": \"http.server.requests\",\n  \"baseUnit\": \"seconds\",\n  \"measurements\": [\n    {\"statistic\": \"COUNT\", \"value\": 42.0},\n    \
        {\"statistic\": \"TOTAL_TIME\", \"value\": 1.7},\n    {\"statistic\": \"MAX\", \"value\": 0.2}\n  ],\n  \"availableTags\": []\n}\n";

    #[test]
    fn meters() {
        let (label, got) = recognised(&format!("{GAUGE}\n{TIMER}{GAUGE}{GAUGE}")).unwrap();
        assert_eq!((label.as_str(), got.quarantined), ("metrics/actuator", 0), "{}", got.text);
        let gauge = "metric name=\"hikaricp.connections.active\" kind=\"Gauge\" value=\"10.0\"";
        let want = [
            gauge,
            "metric name=\"http.server.requests.count\" unit=\"seconds\" kind=\"Cumulative\" value=\"42.0\"",
            "metric name=\"http.server.requests.sum\" unit=\"seconds\" kind=\"Cumulative\" value=\"1.7\"",
            "metric name=\"http.server.requests.max\" unit=\"seconds\" kind=\"Gauge\" value=\"0.2\"",
            gauge,
            gauge,
        ];
        assert_eq!(placeless(&got), want);
    }

    #[test]
    fn times_above_documents_and_in_names() {
        let text = format!("Sun Nov 22 19:44:42 UTC 2026\n{GAUGE}\n---\n2026-11-22T19:44:57Z\n{TIMER}");
        let (_, got) = recognised(&text).unwrap();
        let times: Vec<bool> = placeless(&got).iter().map(|line| line.contains("19:44:42Z")).collect();
        assert_eq!((times, got.quarantined), (vec![true, false, false, false], 0), "{}", got.text);
        let found = sniff(&Head { path: "m/pool-20261122T194442Z.json", bytes: GAUGE.as_bytes(), whole: true });
        assert!(found.is_some());
        let got = stream(Box::new(Meters { dated: false, named: clock::in_name("pool-20261122T194442Z.json") }), GAUGE.as_bytes());
        assert!(got.text.contains("time=\"2026-11-22T19:44:42Z\""), "{}", got.text);
    }

    #[test]
    fn look_alikes_and_worn_documents() {
        for text in ["{\"name\":\"a\",\"level\":\"INFO\"}", "{\"names\":[\"a\"]}", "{\"measurements\":[]}", "{", "", "up\n"] {
            assert!(sniff(&Head { path: "", bytes: text.as_bytes(), whole: true }).is_none(), "{text}");
        }
        let (label, got) = recognised("{\"names\":[\"application.ready.time\",\"jvm.memory.used\"]}").unwrap();
        assert_eq!((label.as_str(), got.records, got.quarantined), ("metrics/actuator", 0, 0));
        for text in [GAUGE, TIMER] {
            worn(text.as_bytes(), |bytes| stream(Box::new(Meters { dated: false, named: None }), bytes));
        }
    }
}
