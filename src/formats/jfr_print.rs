//! What the `jfr` tool prints of a recording: `jfr print`, as text and as JSON, and `jfr summary`.
//!
//! ```text
//! jdk.GarbageCollection {                     {"recording":{"events":[{"type":"jdk.CPULoad","values":{"startTime":"2026-11-22T20:27:22.948Z","jvmUser":0.2}}]}}
//!   startTime = 20:27:22.081 (2026-11-22)
//!   duration = 3.93 ms                         jdk.GCPhaseParallel                          49166       1252513
//! }
//! ```
//!
//! Numbers have units in the text and ISO durations in JSON. A time of day without a date is completed by the file's day,
//! if that is known. What this file does not do: stack traces and lists.

use super::jfr_event::{Happening, Recorder, is_wanted};
use super::json_scan::{Scan, Step};
use super::quantity::{decimal, digits};
use super::{Format, Match, arena::Arena, timestamp};
use crate::model::record::{Field, MetricRecord, Reason, Sink, Value};
use crate::model::source::{Chunk, Head};
use crate::model::time::{SECOND, Time};
use memchr::memmem;

/// Printed recordings.
pub const FORMAT: Format = Format { name: "jfr-print", sniff };

/// Values inside values are read so deep.
const DEEPEST: u32 = 4;
const DAY: i64 = 86_400 * SECOND;

fn sniff(head: &Head<'_>) -> Option<Match> {
    let text = head.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head.bytes).trim_ascii_start();
    let start = text.get(..512).unwrap_or(text);
    let has = |words: &[u8]| memmem::find(start, words).is_some();
    if text.starts_with(b"{") {
        return (has(b"\"recording\"") && has(b"\"events\"")).then(|| Match::whole(90, "jfr/json", json));
    }
    if text.starts_with(b"Version: ") && memmem::find(head.bytes, b"Event Type ").is_some() {
        return Some(Match::whole(90, "jfr/summary", summary));
    }
    let first = text.split(|&b| b == b'\n').next().unwrap_or_default().trim_ascii_end();
    (is_opening(first) && has(b"startTime = ")).then(|| Match::whole(90, "jfr/text", text_events))
}

/// `jdk.GarbageCollection {`
fn is_opening(line: &[u8]) -> bool {
    let name = line.strip_suffix(b" {").unwrap_or_default();
    name.contains(&b'.') && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$'))
}

/// The lines of a chunk with their offsets, read as far as they are text.
fn lines<'a>(chunk: &Chunk<'a>) -> impl Iterator<Item = (usize, &'a str)> + use<'a> {
    let mut at = 0;
    chunk.bytes.split_inclusive(|&b| b == b'\n').map(move |line| {
        let from = at;
        at += line.len();
        (from, std::str::from_utf8(line).unwrap_or_default().trim_ascii_end())
    })
}

fn text_events(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let mut recorder = Recorder::default();
    let mut open: Option<(usize, Happening<'_>)> = None;
    // The value that the lines are inside of, and how many brackets are open.
    let (mut outer, mut depth) = ("", 0_usize);
    for (at, line) in lines(chunk) {
        let inner = line.trim_ascii_start();
        if depth == 0 {
            if is_opening(line.as_bytes()) {
                open = Some((at, Happening { name: line.trim_end_matches(" {"), ..Happening::default() }));
                depth = 1;
            } else if !inner.is_empty() {
                sink.quarantine(chunk.evidence(at, line.len()), Reason::Malformed);
            }
            continue;
        }
        let Some((from, event)) = &mut open else { continue };
        if inner == "}" || inner == "]" {
            depth -= 1;
            outer = "";
            if depth == 0 {
                let evidence = chunk.evidence(*from, at + line.len() - *from);
                if is_wanted(event.name) {
                    recorder.add(event, evidence, sink);
                }
                open = None;
            }
        } else if let Some((key, value)) = inner.split_once(" = ") {
            if value.ends_with('{') || value.ends_with('[') {
                depth += 1;
                outer = if value.ends_with('{') { key } else { "" };
            } else if depth <= 2 {
                take(event, if depth == 1 { "" } else { outer }, key, value, chunk.hints.zone, chunk.hints.day);
            }
        } else if inner.ends_with('{') || inner.ends_with('[') {
            depth += 1;
        }
    }
    if let Some((from, _)) = open {
        sink.quarantine(chunk.evidence(from, chunk.bytes.len() - from), Reason::Truncated);
    }
    recorder.finish(sink);
}

/// Enters a printed value into an event.
fn take<'a>(event: &mut Happening<'a>, outer: &'a str, key: &'a str, text: &'a str, zone: i32, day: Time) {
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match (outer, key) {
        ("", "startTime") => event.time = moment(text, zone, day),
        ("", "duration") => event.nanos = measured(text).and_then(Value::int).and_then(|n| u64::try_from(n).ok()).unwrap_or_default(),
        _ => {
            // What a class is followed by is its loader.
            let plain = quoted.unwrap_or_else(|| text.split(" (").next().unwrap_or(text));
            let value = if quoted.is_some() { None } else { measured(text) };
            event.fields.push((outer, Field { key, value: value.unwrap_or(Value::Text(plain)) }));
        }
    }
}

/// `20:27:22.081 (2026-11-22)`, or without the date.
fn moment(text: &str, zone: i32, day: Time) -> Time {
    let (clock, date) = text.split_once(" (").unwrap_or((text, ""));
    let Some((seconds, nanos, _)) = timestamp::clock(clock.as_bytes()) else {
        return timestamp::iso(text.as_bytes(), zone).map_or(Time::NONE, |(time, _)| time);
    };
    let midnight = timestamp::iso(format!("{}T00:00:00", date.trim_end_matches(')')).as_bytes(), 0).map_or(day, |(time, _)| time);
    if midnight.is_none() {
        return Time::NONE;
    }
    let midnight = Time(midnight.0 - midnight.0.rem_euclid(DAY));
    midnight.plus((seconds - i64::from(zone)) * 1_000_000_000 + nanos)
}

/// A number with its unit: `3.93 ms`, `24.0 MB`, `26.94%`, `7`.
fn measured(text: &str) -> Option<Value<'static>> {
    if let Some(percent) = text.strip_suffix('%') {
        return percent.trim_ascii().replace(',', ".").parse().ok().map(|percent: f64| Value::Float(percent / 100.0));
    }
    let Some((number, unit)) = text.split_once(' ') else {
        return text.parse().ok().map(Value::Int).or_else(|| text.replace(',', ".").parse().ok().map(Value::Float));
    };
    let scale = match unit {
        "ns" | "bytes" | "byte" => 1,
        "us" | "\u{b5}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "kB" | "KB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        _ => return None,
    };
    let thousandths = decimal(number, 1000)?;
    i64::try_from(u128::from(thousandths) * scale / 1000).ok().map(Value::Int)
}

fn json(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let arena = Arena::default();
    let mut scan = Scan::new(chunk.bytes, &arena);
    if chunk.bytes.starts_with(b"\xef\xbb\xbf") {
        scan.restart(3);
    }
    let mut recorder = Recorder::default();
    let mut end = scan.at();
    if let Err(reason) = document(&mut scan, chunk, &mut recorder, &mut end, 0, sink) {
        let rest = chunk.bytes.get(end..).unwrap_or_default();
        sink.quarantine(chunk.evidence(end, rest.trim_ascii_end().len()), reason);
    }
    recorder.finish(sink);
}

/// Walks to the list of events: `recording`, `events`.
fn document(scan: &mut Scan<'_>, chunk: &Chunk<'_>, recorder: &mut Recorder, end: &mut usize, depth: u32, sink: &mut dyn Sink) -> Step<()> {
    if !scan.enter_object()? {
        return Ok(());
    }
    while let Some(key) = scan.key()? {
        match key {
            "recording" if depth < DEEPEST => document(scan, chunk, recorder, end, depth + 1, sink)?,
            "events" if scan.enter_array()? => {
                while scan.item()? {
                    scan.peek();
                    let from = scan.at();
                    if let Some(event) = happening(scan)? {
                        recorder.add(&event, chunk.evidence(from, scan.at() - from), sink);
                    }
                    *end = scan.at();
                }
            }
            "events" => {}
            _ => scan.skip()?,
        }
    }
    Ok(())
}

fn happening<'a>(scan: &mut Scan<'a>) -> Step<Option<Happening<'a>>> {
    let mut event = Happening::default();
    if !scan.enter_object()? {
        return Ok(None);
    }
    while let Some(key) = scan.key()? {
        match key {
            "type" => event.name = scan.text()?,
            "values" if is_wanted(event.name) => values(scan, "", &mut event, DEEPEST)?,
            _ => scan.skip()?,
        }
    }
    Ok(is_wanted(event.name).then_some(event))
}

fn values<'a>(scan: &mut Scan<'a>, outer: &'a str, event: &mut Happening<'a>, depth: u32) -> Step<()> {
    if !scan.enter_object()? {
        return Ok(());
    }
    while let Some(key) = scan.key()? {
        match scan.peek() {
            Some(b'{') if depth > 0 => {
                let from = event.fields.len();
                values(scan, key, event, depth - 1)?;
                // A class, thread or the like is called by its name.
                let name = event
                    .fields
                    .get(from..)
                    .unwrap_or_default()
                    .iter()
                    .find(|(_, field)| matches!(field.key, "javaName" | "name"))
                    .map(|(_, f)| f.value);
                event.fields.extend(name.filter(|_| outer.is_empty()).map(|value| ("", Field { key, value })));
            }
            Some(b'[' | b'{') => scan.skip()?,
            Some(b'"') => {
                let text = scan.text()?;
                match (outer, key) {
                    ("", "startTime") => event.time = timestamp::iso(text.as_bytes(), 0).map_or(Time::NONE, |(time, _)| time),
                    ("", "duration") => event.nanos = duration(text).unwrap_or_default(),
                    _ => {
                        let value = duration(text).and_then(|nanos| i64::try_from(nanos).ok()).map_or(Value::Text(text), Value::Int);
                        event.fields.push((outer, Field { key, value }));
                    }
                }
            }
            _ => {
                let word = scan.text()?;
                let value = word.parse().ok().map(Value::Int).or_else(|| word.parse().ok().map(Value::Float));
                event.fields.extend(value.map(|value| (outer, Field { key, value })));
            }
        }
    }
    Ok(())
}

/// `PT0.003932S`, `PT1M2.5S`
fn duration(text: &str) -> Option<u64> {
    let mut rest = text.strip_prefix("PT")?;
    let mut nanos = 0_u64;
    while !rest.is_empty() {
        let len = rest.find(|c: char| c.is_ascii_uppercase())?;
        let scale = match rest.as_bytes().get(len)? {
            b'H' => 3_600_000_000_000,
            b'M' => 60_000_000_000,
            b'S' => 1_000_000_000,
            _ => return None,
        };
        nanos = nanos.checked_add(decimal(rest.get(..len)?, scale)?)?;
        rest = rest.get(len + 1..)?;
    }
    Some(nanos)
}

/// How often each type of event was recorded.
fn summary(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let mut time = Time::NONE;
    for (at, line) in lines(chunk) {
        let text = line.trim_ascii();
        if let Some(start) = text.strip_prefix("Start: ") {
            time = timestamp::iso(start.trim_end_matches(" (UTC)").as_bytes(), 0).map_or(Time::NONE, |(time, _)| time);
        }
        let mut words = text.split_ascii_whitespace();
        let (Some(name), Some(count), Some(_), None) = (words.next(), words.next().and_then(digits), words.next().and_then(digits), words.next())
        else {
            continue;
        };
        if count > 0 && name.contains('.') {
            sink.metric(&MetricRecord {
                time,
                name: "jfr.events",
                labels: &[Field { key: "type", value: Value::Text(name) }],
                value: count as f64,
                evidence: chunk.evidence(at, line.len()),
                ..MetricRecord::default()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::{placeless, read, recognised, worn};

    const TEXT: &str = "jdk.GCHeapSummary {\n  startTime = 20:27:22.080 (2026-11-22)\n  gcId = 2\n  when = \"After GC\"\n  heapSpace = {\n    start = 0xFC000000\n    \
        committedSize = 64.0 MB\n  }\n  heapUsed = 16.0 MB\n}\n\njdk.GarbageCollection {\n  startTime = 20:27:22.081 (2026-11-22)\n  duration = 3.93 ms\n  gcId = 2\n  \
        name = \"G1Full\"\n  cause = \"G1 Compaction Pause\"\n  sumOfPauses = 3.93 ms\n}\n\njdk.JavaMonitorEnter {\n  startTime = 20:27:23.000 (2026-11-22)\n  \
        duration = 1.5 s\n  monitorClass = com.acme.Orders (classLoader = app)\n  stackTrace = [\n    com.acme.Orders.take(int) line: 12\n    ...\n  ]\n}\n\n\
        jdk.CPULoad {\n  startTime = 20:27:22.948 (2026-11-22)\n  jvmUser = 25.00%\n  jvmSystem = 5.00%\n  machineTotal = 50.00%\n}\n";

    #[test]
    fn text() {
        let (label, got) = recognised(TEXT).unwrap();
        assert_eq!((label.as_str(), got.quarantined), ("jfr/text", 0), "{}", got.text);
        let want = [
            "metric time=\"2026-11-22T20:27:22.948Z\" name=\"system.cpu.usage\" kind=\"Gauge\" value=\"0.5\"",
            "metric time=\"2026-11-22T20:27:22.948Z\" name=\"process.cpu.usage\" kind=\"Gauge\" value=\"0.3\"",
            "gc time=\"2026-11-22T20:27:22.081Z\" id=\"2\" kind=\"Full\" cause=\"G1 Compaction Pause\" after=\"16777216\" capacity=\"67108864\" nanos=\"3930000\"",
            "metric time=\"2026-11-22T20:27:23Z\" name=\"jfr.monitor.enter.count\" kind=\"Gauge\" labels=\"class=com.acme.Orders;\" value=\"1.0\"",
            "metric time=\"2026-11-22T20:27:23Z\" name=\"jfr.monitor.enter.sum\" kind=\"Gauge\" labels=\"class=com.acme.Orders;\" value=\"1.5\"",
            "metric time=\"2026-11-22T20:27:23Z\" name=\"jfr.monitor.enter.max\" kind=\"Gauge\" labels=\"class=com.acme.Orders;\" value=\"1.5\"",
        ];
        assert_eq!(placeless(&got), want);
        let undated = recognised(&TEXT.replace(" (2026-11-22)", "")).unwrap().1;
        assert!(undated.text.contains(" id=\"2\" kind=\"Full\"") && !undated.text.contains(" time="), "{}", undated.text);
    }

    const JSON: &str = r#"{"recording":{"events":[{"type":"jdk.GCHeapSummary","values":{"startTime":"2026-11-22T20:27:22.080Z","gcId":2,"when":"Before GC","heapSpace":{"committedSize":67108864},"heapUsed":33554432}},
{"type":"jdk.GarbageCollection","values":{"startTime":"2026-11-22T20:27:22.081Z","duration":"PT0.00393S","gcId":2,"name":"ZGC Major","cause":"x","sumOfPauses":"PT1.5S"}},
{"type":"jdk.Other","values":{"gcId":3}},
{"type":"jdk.ThreadPark","values":{"startTime":"2026-11-22T20:27:23Z","duration":"PT2S","parkedClass":{"name":"java/util/concurrent/locks/ReentrantLock$NonfairSync","package":{"name":"java/util"}},"stackTrace":{"frames":[]}}}]}}"#;

    #[test]
    fn json_and_summary() {
        let (label, got) = recognised(JSON).unwrap();
        assert_eq!((label.as_str(), got.quarantined), ("jfr/json", 0), "{}", got.text);
        for part in [
            "kind=\"Phase\" cause=\"ZGC Major\" nanos=\"1500000000\"",
            "kind=\"Concurrent\" cause=\"x\" before=\"33554432\" nanos=\"0\"",
            "name=\"jfr.thread.park.sum\" kind=\"Gauge\" labels=\"class=java.util.concurrent.locks.ReentrantLock$NonfairSync;\" value=\"2.0\"",
        ] {
            assert!(got.text.contains(part), "{part}: {}", got.text);
        }
        let summary = "\n Version: 2.1\n Chunks: 1\n Start: 2026-11-22 20:27:22 (UTC)\n Duration: 4 s\n\n Event Type   Count  Size (bytes) \n=====\n jdk.CPULoad  4  76\n jdk.GCLocker  0  0\n";
        let (label, got) = recognised(summary).unwrap();
        assert_eq!((label.as_str(), got.records), ("jfr/summary", 1), "{}", got.text);
        assert!(
            got.text.contains("time=\"2026-11-22T20:27:22Z\" name=\"jfr.events\" kind=\"Gauge\" labels=\"type=jdk.CPULoad;\" value=\"4.0\""),
            "{}",
            got.text
        );
    }

    #[test]
    fn look_alikes_and_worn_prints() {
        for text in ["server.port {\n", "upstream {\n  startTime = 1\n", "{\"recording\":1}", "Version: 2\n", ""] {
            assert!(sniff(&Head { path: "", bytes: text.as_bytes(), whole: true }).is_none(), "{text}");
        }
        worn(TEXT.as_bytes(), |bytes| read(text_events, bytes));
        worn(JSON.as_bytes(), |bytes| read(json, bytes));
    }
}
