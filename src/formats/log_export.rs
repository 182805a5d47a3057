//! Log records as the stores' interfaces and tools give them out: one document with many records.
//!
//! ```text
//! {"status":"success","data":{"resultType":"streams","result":[{"stream":{"app":"orders"},"values":[["1795376223181000000","accepted"]]}]}}
//! {"took":3,"hits":{"total":{"value":1},"hits":[{"_index":"logs","_id":"a","_source":{"@timestamp":"2026-11-22T19:36:07.043Z","message":"accepted"}}]}}
//! {"events":[{"logStreamName":"orders/1","timestamp":1795376223181,"message":"accepted","eventId":"3"}]}
//! ```
//!
//! Loki, Elasticsearch and OpenSearch, CloudWatch (events, subscriptions, Insights), Google Cloud, Azure (records and Log
//! Analytics tables). The records themselves are read as JSON logs and as the lines they hold. What this file does not do:
//! exports of one record a line, which are JSON logs.

use super::arena::Arena;
use super::json_scan::{Scan, Step};
use super::{Format, Match, json_log, payload, timestamp};
use crate::model::record::{Field, LogRecord, Reason, Sink, Value};
use crate::model::source::{Chunk, Head};
use crate::model::time::Time;

/// The format.
pub const FORMAT: Format = Format { name: "log-export", sniff };

/// How documents begin, without blanks: what all of must occur, and the store.
const SIGNS: &[(&[&str], &str)] = &[
    (&["\"resultType\":\"streams\"", "\"result\":["], "log-export/loki"),
    (&["{\"streams\":[{\"stream\":{", "\"values\":[["], "log-export/loki"),
    (&["\"hits\":{", "\"hits\":[{", "\"_source\":{"], "log-export/elasticsearch"),
    (&["\"logEvents\":[{", "\"logStream\":"], "log-export/cloudwatch"),
    (&["\"events\":[{", "\"timestamp\":", "\"message\":", "\"ingestionTime\":"], "log-export/cloudwatch"),
    (&["\"events\":[{", "\"logStreamName\":", "\"message\":"], "log-export/cloudwatch"),
    (&["\"results\":[[{\"field\":"], "log-export/cloudwatch"),
    (&["\"entries\":[{", "\"logName\":"], "log-export/gcp"),
    (&["\"entries\":[{", "\"insertId\":"], "log-export/gcp"),
    (&["{\"meta\":[", "\"data\":[{", "\"Timestamp\":", "\"Body\":"], "log-export/clickhouse"),
    (&["{\"records\":[{", "\"time\":", "\"category\":"], "log-export/azure"),
    (&["\"tables\":[{", "\"columns\":[{", "\"TimeGenerated\""], "log-export/azure"),
];

/// So much of the head is looked at.
const LOOKED_AT: usize = 16 << 10;
/// How deep lists of records may lie.
const DEEPEST: u8 = 4;
/// How many labels of a stream, or columns of a table, are kept.
const MOST: usize = 48;

fn sniff(head: &Head<'_>) -> Option<Match> {
    let text = head.bytes.get(..head.bytes.len().min(LOOKED_AT))?;
    if text.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let dense: Vec<u8> = text.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    let has = |part: &&str| memchr::memmem::find(&dense, part.as_bytes()).is_some();
    let label = SIGNS.iter().find(|(parts, _)| parts.iter().all(has)).map(|(_, label)| *label)?;
    Some(Match::whole(85, label, parse))
}

/// Reads documents until nothing is left.
fn parse(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let arena = Arena::default();
    let mut reader = Reader { scan: Scan::new(chunk.bytes, &arena), chunk, sink, instance: "" };
    while reader.scan.peek().is_some() {
        let start = reader.scan.at();
        if let Err(reason) = reader.document(0) {
            reader.sink.quarantine(chunk.evidence(start, chunk.bytes.trim_ascii_end().len().saturating_sub(start)), reason);
            return;
        }
    }
}

struct Reader<'a, 's> {
    scan: Scan<'a>,
    chunk: &'s Chunk<'a>,
    sink: &'s mut dyn Sink,
    /// The stream that a document of CloudWatch is of.
    instance: &'a str,
}

impl<'a> Reader<'a, '_> {
    /// An object that holds lists of records, itself or deeper down.
    fn document(&mut self, depth: u8) -> Step<()> {
        if !self.scan.enter_object()? {
            return Ok(());
        }
        while let Some(key) = self.scan.key()? {
            let nested = depth < DEEPEST;
            match (key, self.scan.peek()) {
                ("data" | "hits", Some(b'{')) if nested => self.document(depth + 1)?,
                ("responses", Some(b'[')) if nested => self.each(|reader| reader.document(depth + 1))?,
                ("result" | "streams", Some(b'[')) => self.each(Self::stream)?,
                ("data" | "hits" | "records" | "entries" | "logEvents" | "events", Some(b'[')) => self.each(Self::record)?,
                ("results", Some(b'[')) => self.each(Self::row)?,
                ("tables", Some(b'[')) => self.each(Self::table)?,
                ("logStream", Some(b'"')) => self.instance = self.scan.text()?,
                _ => self.scan.skip()?,
            }
        }
        Ok(())
    }

    fn each(&mut self, read: impl Fn(&mut Self) -> Step<()>) -> Step<()> {
        if self.scan.enter_array()? {
            while self.scan.item()? {
                read(self)?;
            }
        }
        Ok(())
    }

    /// One record as an object.
    fn record(&mut self) -> Step<()> {
        let start = self.scan.at();
        self.scan.skip()?;
        let evidence = self.chunk.evidence(start, self.scan.at() - start);
        let raw = self.chunk.bytes.get(start..self.scan.at()).unwrap_or_default();
        match std::str::from_utf8(raw.trim_ascii()) {
            Ok(text) if text.starts_with('{') => {
                let around = LogRecord { instance: self.instance, evidence, ..LogRecord::default() };
                if json_log::record_in(text, &around, self.chunk.hints, self.sink).is_err() {
                    self.sink.quarantine(evidence, Reason::Malformed);
                }
            }
            _ => self.sink.quarantine(evidence, Reason::Malformed),
        }
        Ok(())
    }

    /// `{"stream":{"app":"orders"},"values":[["1795376223181000000","accepted"]]}`.
    fn stream(&mut self) -> Step<()> {
        let mut labels: Vec<Field<'a>> = Vec::new();
        if !self.scan.enter_object()? {
            return Ok(());
        }
        while let Some(key) = self.scan.key()? {
            match (key, self.scan.peek()) {
                ("stream" | "labels", Some(b'{')) => self.members(&mut labels)?,
                ("values", Some(b'[')) => {
                    if self.scan.enter_array()? {
                        while self.scan.item()? {
                            self.value(&labels)?;
                        }
                    }
                }
                _ => self.scan.skip()?,
            }
        }
        Ok(())
    }

    fn members(&mut self, out: &mut Vec<Field<'a>>) -> Step<()> {
        if self.scan.enter_object()? {
            while let Some(key) = self.scan.key()? {
                match self.scan.peek() {
                    Some(b'"') if out.len() < MOST => {
                        let text = self.scan.text()?;
                        out.push(Field { key, value: Value::Text(text) });
                    }
                    _ => self.scan.skip()?,
                }
            }
        }
        Ok(())
    }

    /// `["1795376223181000000","accepted",{"trace_id":"…"}]`.
    fn value(&mut self, labels: &[Field<'a>]) -> Step<()> {
        let start = self.scan.at();
        let (mut time, mut line) = (Time::NONE, "");
        let mut fields = labels.to_vec();
        let mut number = 0;
        if self.scan.enter_array()? {
            while self.scan.item()? {
                match (number, self.scan.peek()) {
                    (0, _) => time = timestamp::epoch_text(self.scan.text()?.as_bytes()).unwrap_or_default(),
                    (1, Some(b'"')) => line = self.scan.text()?,
                    (2, Some(b'{')) => self.members(&mut fields)?,
                    _ => self.scan.skip()?,
                }
                number += 1;
            }
        }
        self.line(time, line, &fields, start);
        Ok(())
    }

    /// A line with what is known of where it comes from.
    fn line(&mut self, time: Time, line: &str, fields: &[Field<'a>], start: usize) {
        let text = |keys: &[&str]| {
            keys.iter().find_map(|key| fields.iter().find(|field| field.key == *key).and_then(|field| field.value.text())).unwrap_or_default()
        };
        let around = LogRecord {
            time,
            level: super::text_log::level::of_value(text(&["level", "detected_level", "severity"])),
            service: text(&["service_name", "service", "app", "application", "app_kubernetes_io_name", "container", "container_name", "job"]),
            instance: text(&["pod", "pod_name", "instance", "hostname", "host", "@logStream"]),
            trace: crate::model::ids::TraceId::parse(text(&["trace_id", "traceId", "traceID"]).as_bytes()),
            span: crate::model::ids::SpanId::parse(text(&["span_id", "spanId", "spanID"]).as_bytes()),
            fields,
            evidence: self.chunk.evidence(start, self.scan.at() - start),
            ..LogRecord::default()
        };
        payload::read(line, &around, self.chunk.hints, self.sink);
    }

    /// `[{"field":"@timestamp","value":"2026-11-22 19:37:03.181"},{"field":"@message","value":"accepted"}]`.
    fn row(&mut self) -> Step<()> {
        let start = self.scan.at();
        let mut fields: Vec<Field<'a>> = Vec::new();
        if self.scan.enter_array()? {
            while self.scan.item()? {
                let (mut key, mut value) = ("", "");
                if self.scan.enter_object()? {
                    while let Some(name) = self.scan.key()? {
                        match name {
                            "field" => key = self.scan.text()?,
                            "value" => value = self.scan.text()?,
                            _ => self.scan.skip()?,
                        }
                    }
                }
                if !matches!(key, "" | "@ptr") && fields.len() < MOST {
                    fields.push(Field { key, value: Value::Text(value) });
                }
            }
        }
        self.told(fields, &["@timestamp"], &["@message", "message"], start);
        Ok(())
    }

    /// `{"name":"PrimaryResult","columns":[{"name":"TimeGenerated","type":"datetime"}],"rows":[["2026-11-22T19:37:03.181Z"]]}`.
    fn table(&mut self) -> Step<()> {
        let mut columns: Vec<&'a str> = Vec::new();
        if !self.scan.enter_object()? {
            return Ok(());
        }
        while let Some(key) = self.scan.key()? {
            match (key, self.scan.peek()) {
                ("columns", Some(b'[')) => {
                    if self.scan.enter_array()? {
                        while self.scan.item()? {
                            columns.push(self.named()?);
                        }
                    }
                }
                ("rows", Some(b'[')) => {
                    if self.scan.enter_array()? {
                        while self.scan.item()? {
                            self.cells(&columns)?;
                        }
                    }
                }
                _ => self.scan.skip()?,
            }
        }
        Ok(())
    }

    fn named(&mut self) -> Step<&'a str> {
        let mut name = "";
        if self.scan.enter_object()? {
            while let Some(key) = self.scan.key()? {
                match key {
                    "name" => name = self.scan.text()?,
                    _ => self.scan.skip()?,
                }
            }
        }
        Ok(name)
    }

    fn cells(&mut self, columns: &[&'a str]) -> Step<()> {
        let start = self.scan.at();
        let mut fields: Vec<Field<'a>> = Vec::new();
        let mut number = 0;
        if self.scan.enter_array()? {
            while self.scan.item()? {
                match (columns.get(number), self.scan.peek()) {
                    (Some(key), Some(b'"')) if fields.len() < MOST => {
                        let text = self.scan.text()?;
                        fields.push(Field { key, value: Value::Text(text) });
                    }
                    _ => self.scan.skip()?,
                }
                number += 1;
            }
        }
        self.told(fields, &["TimeGenerated", "timestamp"], &["LogMessage", "LogEntry", "Message", "message", "Log_s", "RawData"], start);
        Ok(())
    }

    /// A row whose time and line stand under one of these names.
    fn told(&mut self, mut fields: Vec<Field<'a>>, times: &[&str], lines: &[&str], start: usize) {
        let zone = self.chunk.hints.zone;
        let mut take = |keys: &[&str]| {
            let at = keys.iter().find_map(|key| fields.iter().position(|field| field.key == *key))?;
            fields.remove(at).value.text()
        };
        let time = take(times).and_then(|text| timestamp::of_value(Value::Text(text), zone)).unwrap_or_default();
        let line = take(lines).unwrap_or_default();
        self.line(time, line, &fields, start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::told;

    /// Synthetic: after the stores' documentation.
    #[test]
    fn every_store() {
        for (text, want) in [
            (
                "{\"status\":\"success\",\"data\":{\"resultType\":\"streams\",\"result\":[{\"stream\":{\"app\":\"orders\",\"pod\":\"orders-1\"},\"values\":[[\"1795376223181000000\",\"2026-11-22T19:37:03.180Z ERROR 1 --- [main] a.B : no\"],[\"1795376223182000000\",\"{\\\"level\\\":\\\"warn\\\",\\\"msg\\\":\\\"slow\\\"}\"]]}]}}",
                "log-export/loki\n\
                 log time=\"2026-11-22T19:37:03.180Z\" level=\"ERROR\" service=\"orders\" instance=\"orders-1\" logger=\"a.B\" thread=\"main\" message=\"no\" fields=\"app=orders;pod=orders-1;\"\n\
                 log time=\"2026-11-22T19:37:03.182Z\" level=\"WARN\" service=\"orders\" instance=\"orders-1\" message=\"slow\" fields=\"app=orders;pod=orders-1;\"\n",
            ),
            (
                "{\"took\":3,\"hits\":{\"total\":{\"value\":1},\n\"hits\":[{\"_index\":\"logs\",\"_source\":{\"@timestamp\":\"2026-11-22T19:36:07.043Z\",\"message\":\"accepted\",\"level\":\"INFO\"}}]}}",
                "log-export/elasticsearch\nlog time=\"2026-11-22T19:36:07.043Z\" level=\"INFO\" message=\"accepted\" fields=\"_index=logs;\"\n",
            ),
            (
                "{\"events\":[{\"logStreamName\":\"orders/1\",\"timestamp\":1795376223181,\"message\":\"accepted\",\"ingestionTime\":1795376223999}]}",
                "log-export/cloudwatch\nlog time=\"2026-11-22T19:37:03.181Z\" instance=\"orders/1\" message=\"accepted\" fields=\"ingestionTime=1795376223999;\"\n",
            ),
            (
                "{\"results\":[[{\"field\":\"@timestamp\",\"value\":\"2026-11-22 19:37:03.181\"},{\"field\":\"@message\",\"value\":\"accepted\"},{\"field\":\"@ptr\",\"value\":\"x\"}]]}",
                "log-export/cloudwatch\nlog time=\"2026-11-22T19:37:03.181Z\" message=\"accepted\"\n",
            ),
            (
                "{\"records\":[{\"time\":\"2026-11-22T19:37:03.181Z\",\"category\":\"AppLogs\",\"level\":\"Warning\",\"message\":\"slow\"}]}",
                "log-export/azure\nlog time=\"2026-11-22T19:37:03.181Z\" level=\"WARN\" message=\"slow\" fields=\"category=AppLogs;\"\n",
            ),
            (
                "{\"tables\":[{\"name\":\"PrimaryResult\",\"columns\":[{\"name\":\"TimeGenerated\"},{\"name\":\"LogEntry\"}],\"rows\":[[\"2026-11-22T19:37:03.181Z\",\"up\"]]}]}",
                "log-export/azure\nlog time=\"2026-11-22T19:37:03.181Z\" message=\"up\"\n",
            ),
        ] {
            let got = told(FORMAT, text);
            let placeless: String = got.split_inclusive(' ').filter(|word| !word.starts_with('@')).collect();
            assert_eq!(placeless, want, "{text}");
            // Every record is cited by its own bytes.
            for place in got.split(' ').filter_map(|word| word.strip_prefix('@')) {
                let (start, len) = place.split_once('+').map_or((0, 0), |(a, b)| (a.parse().unwrap_or(0), b.parse().unwrap_or(0)));
                let cited: &str = &text[start..start + len];
                assert!(cited.starts_with(['{', '[']) && cited.ends_with(['}', ']']), "{cited}");
            }
        }
    }

    #[test]
    fn look_alikes_are_left_alone() {
        for text in
            ["{\"hits\":3,\"misses\":1}", "{\"events\":[{\"message\":\"a\"}]}", "{\"data\":{\"resultType\":\"matrix\",\"result\":[]}}", "[]", ""]
        {
            assert_eq!(told(FORMAT, text), "none", "{text}");
        }
    }
}
