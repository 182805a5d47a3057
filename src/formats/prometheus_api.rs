//! Answers of the query interface that Prometheus, Thanos, Mimir and VictoriaMetrics share, and exports of the latter.
//!
//! ```text
//! {"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"orders"},"values":[[1795376013.1,"0.5"]]}]}}
//! {"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1795376013.1,"7"]}]}}
//! {"metric":{"__name__":"up"},"values":[1,0],"timestamps":[1795376013100,1795376028100]}
//! ```
//!
//! One answer a file or many behind one another. An expression has no name; its series are called `value`. What this file
//! does not do: native histograms, rules, alerts and targets.

use super::json_scan::{Scan, Step};
use super::metric_name::{kind_by_name, owner};
use super::text_log::stamp::MILLENNIUM;
use super::{Format, Match, arena::Arena, timestamp};
use crate::model::record::{Field, MetricRecord, Reason, Sink, Value};
use crate::model::source::{Chunk, Head};
use crate::model::time::Time;
use memchr::memmem;

/// The query interface.
pub const FORMAT: Format = Format { name: "prometheus-api", sniff };

/// An answer shows its first series within so many bytes.
const FIRST: usize = 8 << 10;
/// Objects are looked for so deep: `data`, `result`, the series.
const DEEPEST: u32 = 4;

fn sniff(head: &Head<'_>) -> Option<Match> {
    let text = head.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head.bytes).trim_ascii_start();
    if !text.starts_with(b"{") {
        return None;
    }
    let first = text.get(..FIRST).unwrap_or(text);
    let has = |key: &[u8]| memmem::find(first, key).is_some();
    let answer = has(b"\"resultType\"") && has(b"\"result\"") && (has(b"\"vector\"") || has(b"\"matrix\"") || has(b"\"scalar\""));
    let export = first.starts_with(b"{\"metric\":{") && has(b"\"timestamps\":[") && has(b"\"values\":[");
    (answer || export).then(|| Match::whole(90, if answer { "prometheus/api" } else { "prometheus/export" }, parse))
}

fn parse(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let arena = Arena::default();
    let mut scan = Scan::new(chunk.bytes, &arena);
    if chunk.bytes.starts_with(b"\xef\xbb\xbf") {
        scan.restart(3);
    }
    let mut reader = Reader { chunk, sink, labels: Vec::new(), points: Vec::new(), values: Vec::new(), end: 0 };
    while scan.peek().is_some() {
        reader.end = scan.at();
        // The arena is not given back before the end, so a broken answer ends the file.
        let read = if scan.peek() == Some(b'{') { reader.object(&mut scan, 0) } else { Err(Reason::Malformed) };
        if let Err(reason) = read {
            let rest = chunk.bytes.get(reader.end..).unwrap_or_default();
            reader.sink.quarantine(chunk.evidence(reader.end, rest.trim_ascii_end().len()), reason);
            return;
        }
    }
}

struct Reader<'a, 'c, 's> {
    chunk: &'c Chunk<'c>,
    sink: &'s mut dyn Sink,
    labels: Vec<Field<'a>>,
    /// Time, value and place of each point of a series.
    points: Vec<(Time, f64, usize, usize)>,
    /// Values that stand apart from their times.
    values: Vec<(f64, usize, usize)>,
    /// Where the last whole series ended.
    end: usize,
}

impl<'a> Reader<'a, '_, '_> {
    fn object(&mut self, scan: &mut Scan<'a>, depth: u32) -> Step<()> {
        if !scan.enter_object()? {
            return Ok(());
        }
        let mut name = None;
        let from = scan.at();
        while let Some(key) = scan.key()? {
            match key {
                "metric" if scan.peek() == Some(b'{') => name = Some(self.metric(scan)?),
                "value" if name.is_some() => self.points(scan, true)?,
                "values" if name.is_some() => self.points(scan, false)?,
                "timestamps" => self.timestamps(scan)?,
                "data" if depth < DEEPEST => self.object(scan, depth + 1)?,
                "result" if depth < DEEPEST && scan.peek() == Some(b'[') => self.result(scan, depth)?,
                _ => scan.skip()?,
            }
        }
        if let Some(name) = name {
            self.emit(name, from, scan.at());
        }
        Ok(())
    }

    /// The series of an answer; a scalar is a point without labels.
    fn result(&mut self, scan: &mut Scan<'a>, depth: u32) -> Step<()> {
        let back = scan.mark();
        if scan.enter_array()? && scan.item()? && scan.peek() != Some(b'{') {
            scan.go(back);
            let from = scan.at();
            self.labels.clear();
            self.points(scan, true)?;
            self.emit("value", from, scan.at());
            return Ok(());
        }
        scan.go(back);
        if scan.enter_array()? {
            while scan.item()? {
                self.object(scan, depth + 1)?;
                self.end = scan.at();
            }
        }
        Ok(())
    }

    /// The labels; the name is what stands in `__name__`.
    fn metric(&mut self, scan: &mut Scan<'a>) -> Step<&'a str> {
        self.labels.clear();
        self.points.clear();
        self.values.clear();
        let mut name = "value";
        if scan.enter_object()? {
            while let Some(key) = scan.key()? {
                let value = scan.text()?;
                if key == "__name__" {
                    name = value;
                } else {
                    self.labels.push(Field { key, value: Value::Text(value) });
                }
            }
        }
        Ok(name)
    }

    /// `[1795376013.1,"0.5"]` if it is one point, else a list of these, or of values whose times stand elsewhere.
    fn points(&mut self, scan: &mut Scan<'a>, alone: bool) -> Step<()> {
        if !scan.enter_array()? {
            return Ok(());
        }
        let (mut time, mut value) = (None, None);
        let (from, mut to, mut number) = (scan.at(), scan.at(), 0_usize);
        while scan.item()? {
            let at = scan.at();
            if scan.peek() == Some(b'[') && !alone {
                self.points(scan, true)?;
                continue;
            }
            let text = scan.text()?.trim();
            to = scan.at();
            match number {
                _ if !alone => self.values.extend(text.parse().ok().map(|value| (value, at, to))),
                0 => time = timestamp::epoch_text(text.as_bytes()).or(Some(Time::NONE)),
                1 => value = text.parse().ok(),
                _ => {}
            }
            number += 1;
        }
        if let (Some(time), Some(value)) = (time, value) {
            self.points.push((time, value, from, to));
        }
        Ok(())
    }

    /// The times of values that were read before.
    fn timestamps(&mut self, scan: &mut Scan<'a>) -> Step<()> {
        if !scan.enter_array()? {
            return Ok(());
        }
        let mut values = std::mem::take(&mut self.values).into_iter();
        while scan.item()? {
            let time = scan.int()?.and_then(timestamp::epoch_int);
            if let (Some(time), Some((value, from, to))) = (time, values.next()) {
                self.points.push((time, value, from, to));
            }
        }
        Ok(())
    }

    fn emit(&mut self, name: &'a str, from: usize, to: usize) {
        let (service, instance) = owner(&self.labels, self.chunk.hints);
        let kind = kind_by_name(name);
        for (time, value, at, end) in self.points.drain(..) {
            let evidence = if end > at { self.chunk.evidence(at, end - at) } else { self.chunk.evidence(from, to.saturating_sub(from)) };
            if time.0 < MILLENNIUM {
                self.sink.quarantine(evidence, Reason::ImplausibleTime);
            } else if !value.is_nan() {
                self.sink.metric(&MetricRecord { time, service, instance, name, unit: "", kind, labels: &self.labels, value, evidence });
            }
        }
        self.values.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::{placeless, read, recognised, worn};

    // Synthetic: after the documentation of the HTTP interface.
    const MATRIX: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[
{"metric":{"__name__":"http_requests_total","job":"orders","instance":"10.1.2.3:8080","uri":"/a\"b"},"values":[[1795376013.1,"0.5"],[1795376028.1,"NaN"],[1795376043,"7"]]},
{"metric":{"__name__":"up"},"values":[]}]}}"#;
    const VECTOR: &str =
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1795376013.1,"+Inf"]}]},"stats":{"x":[1,2]}}"#;

    #[test]
    fn range_and_instant() {
        let (label, got) = recognised(MATRIX).unwrap();
        assert_eq!((label.as_str(), got.quarantined), ("prometheus/api", 0));
        let series = "service=\"orders\" instance=\"10.1.2.3:8080\" name=\"http_requests_total\" kind=\"Cumulative\" labels=\"job=orders;instance=10.1.2.3:8080;uri=/a\\\"b;\"";
        let want = [
            format!("metric time=\"2026-11-22T19:33:33.100Z\" {series} value=\"0.5\""),
            format!("metric time=\"2026-11-22T19:34:03Z\" {series} value=\"7.0\""),
        ];
        assert_eq!(placeless(&got), want);
        assert!(got.text.contains(&format!("metric @{}+18 ", MATRIX.find("[1795376013.1").unwrap_or_default() + 1)), "{}", got.text);
        let got = read(parse, format!("{VECTOR}\n{MATRIX}{VECTOR}").as_bytes());
        assert_eq!((got.records, got.quarantined), (4, 0), "{}", got.text);
        assert!(got.text.contains("name=\"value\" kind=\"Gauge\" value=\"inf\""), "{}", got.text);
    }

    #[test]
    fn scalars_and_exports() {
        let (_, got) = recognised(r#"{"status":"success","data":{"resultType":"scalar","result":[1795376013.1,"3"]}}"#).unwrap();
        assert_eq!(placeless(&got), ["metric time=\"2026-11-22T19:33:33.100Z\" name=\"value\" kind=\"Gauge\" value=\"3.0\""]);
        for (values, times, want) in
            [("1,2,3", "1795376013100,1795376028100,1795376043100", 3), ("1,2", "1795376013100,1795376028100", 2), ("5", "1795376013100", 1)]
        {
            let text = format!("{{\"metric\":{{\"__name__\":\"up\"}},\"values\":[{values}],\"timestamps\":[{times}]}}\n").repeat(2);
            let (label, got) = recognised(&text).unwrap();
            assert_eq!((label.as_str(), got.records, got.quarantined), ("prometheus/export", 2 * want, 0), "{}", got.text);
            assert!(placeless(&got)[0].contains("19:33:33.100Z") && (want == 1 || placeless(&got)[0].contains("value=\"1.0\"")), "{}", got.text);
        }
    }

    #[test]
    fn look_alikes_and_worn_answers() {
        for text in [r#"{"status":"success","data":{"result":[]}}"#, r#"{"metric":{"a":"b"},"values":[1]}"#, "{\"resultType\":\"matrix\"}", "[]", ""]
        {
            assert!(sniff(&Head { path: "", bytes: text.as_bytes(), whole: true }).is_none(), "{text}");
        }
        worn(MATRIX.as_bytes(), |bytes| read(parse, bytes));
        worn(b"{\"metric\":{\"__name__\":\"up\"},\"values\":[1,2],\"timestamps\":[1795376013100,1795376028100]}", |bytes| read(parse, bytes));
        let cut = read(parse, &MATRIX.as_bytes()[..MATRIX.len() - 20]);
        assert_eq!((cut.records, cut.quarantined), (2, 1), "{}", cut.text);
        assert!(cut.text.contains("truncated"), "{}", cut.text);
    }
}
