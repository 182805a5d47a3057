//! Every record as one line of JSON, so that any claim about parsing can be checked with jq.
//!
//! ```text
//! {"file":"orders/app.log","line":17,"offset":3050,"length":141,"kind":"log","time":"2026-11-22T19:36:07.043Z","service":"orders","severity":"ERROR","template":"took <*> ms",…}
//! ```
//!
//! Texts are redacted one by one, the same value by the same tag throughout. What this file does not do: read files; the
//! records come as they are parsed, and nothing of them is kept.

use crate::correlate::template;
use crate::formats::json_string::write_string;
use crate::model::clusters::Clusters;
use crate::model::jvm::{ClassHistogram, GcRecord, ThreadDump};
use crate::model::record::{EventRecord, Field, Level, LogRecord, MetricRecord, Reason, SettingRecord, Sink, SpanRecord, Value};
use crate::model::source::{Evidence, Hints};
use crate::model::time::Time;
use crate::model::undated::settled;
use crate::report::redact::Redactor;
use crate::report::text::{self, Lines};
use std::fmt::Write as _;
use std::io::{self, Write};

/// Writes records as they come.
pub struct RecordWriter<'w> {
    out: &'w mut dyn Write,
    redactor: Option<Redactor>,
    clusters: &'w Clusters,
    /// What undated times are settled by.
    near: Time,
    file: String,
    hints: Hints,
    lines: LineIndex,
    line: String,
    /// The first trouble of writing; what comes after it is dropped.
    failed: Option<io::Error>,
}

/// Where the lines of a piece begin.
#[derive(Default)]
struct LineIndex {
    base: u64,
    first: u64,
    ends: Vec<usize>,
}

impl LineIndex {
    fn of(&self, offset: u64) -> u64 {
        let at = usize::try_from(offset.saturating_sub(self.base)).unwrap_or(usize::MAX);
        self.first + self.ends.partition_point(|end| *end < at) as u64
    }
}

impl<'w> RecordWriter<'w> {
    /// A writer that shows secrets as they are unless it is to redact them.
    pub fn new(out: &'w mut dyn Write, redact: bool, clusters: &'w Clusters, near: Time) -> Self {
        Self {
            out,
            redactor: redact.then(Redactor::default),
            clusters,
            near,
            file: String::new(),
            hints: Hints::default(),
            lines: LineIndex::default(),
            line: String::new(),
            failed: None,
        }
    }

    /// A file begins.
    pub fn file(&mut self, path: &str, hints: &Hints) {
        path.clone_into(&mut self.file);
        self.hints = hints.clone();
        self.lines = LineIndex { first: 1, ..LineIndex::default() };
    }

    /// A piece of the file begins, which lies behind the one before.
    pub fn piece(&mut self, base: u64, bytes: &[u8]) {
        self.lines.first += self.lines.ends.len() as u64;
        self.lines.base = base;
        self.lines.ends.clear();
        self.lines.ends.extend(memchr::memchr_iter(b'\n', bytes));
    }

    /// What went wrong, if anything did.
    ///
    /// # Errors
    /// The first error of the output.
    pub fn finish(self) -> io::Result<()> {
        self.failed.map_or_else(|| self.out.flush(), Err)
    }

    fn begin(&mut self, kind: &str, evidence: Evidence, time: Time, service: &str, instance: &str) {
        self.line.clear();
        self.line.push('{');
        let file = std::mem::take(&mut self.file);
        self.text("file", &file);
        self.file = file;
        let line = self.lines.of(evidence.start);
        self.number("line", line);
        self.number("offset", evidence.start);
        self.number("length", evidence.len);
        self.text("kind", kind);
        if time.is_some() {
            let time = settled(time, self.near).rfc3339();
            self.text("time", &time);
        }
        let own = |own: &str, hint: &str| if own.is_empty() { hint.to_owned() } else { own.to_owned() };
        let (service, instance) = (own(service, &self.hints.service), own(instance, &self.hints.instance));
        self.text("service", &service);
        self.text("instance", &instance);
    }

    fn end(&mut self) {
        self.line.push_str("}\n");
        if self.failed.is_none() {
            self.failed = self.out.write_all(self.line.as_bytes()).err();
        }
    }

    fn key(&mut self, key: &str) {
        if !self.line.ends_with(['{', '[']) {
            self.line.push(',');
        }
        write_string(&mut self.line, key);
        self.line.push(':');
    }

    /// A text; an empty one is left out.
    fn text(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.key(key);
            self.value(key, value);
        }
    }

    /// The secret of a field is told by its key, which stands before its value while it is looked for.
    fn value(&mut self, key: &str, value: &str) {
        let clean = text::clean(value, Lines::Keep);
        match &mut self.redactor {
            Some(redactor) => {
                let pair = format!("{key}={clean}");
                let redacted = redactor.text(&pair);
                write_string(&mut self.line, redacted.get(key.len() + 1..).unwrap_or_default());
            }
            None => write_string(&mut self.line, &clean),
        }
    }

    fn number(&mut self, key: &str, value: impl std::fmt::Display) {
        self.key(key);
        let _ = write!(self.line, "{value}");
    }

    fn float(&mut self, key: &str, value: f64) {
        if value.is_finite() { self.number(key, value) } else { self.text(key, &value.to_string()) }
    }

    fn fields(&mut self, key: &str, fields: &[Field<'_>]) {
        if fields.is_empty() {
            return;
        }
        self.key(key);
        self.line.push('{');
        for field in fields {
            match field.value {
                Value::Text(text) => {
                    self.key(field.key);
                    self.value(field.key, text);
                }
                Value::Int(n) => self.number(field.key, n),
                Value::Float(n) => self.float(field.key, n),
                Value::Bool(b) => self.number(field.key, b),
            }
        }
        self.line.push('}');
    }

    fn list<T>(&mut self, key: &str, items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        if items.is_empty() {
            return;
        }
        self.key(key);
        self.line.push('[');
        for item in items {
            if !self.line.ends_with('[') {
                self.line.push(',');
            }
            self.line.push('{');
            each(self, item);
            self.line.push('}');
        }
        self.line.push(']');
    }

    fn ids(&mut self, trace: crate::model::ids::TraceId, span: crate::model::ids::SpanId) {
        if !trace.is_none() {
            self.text("trace_id", &trace.to_string());
        }
        if !span.is_none() {
            self.text("span_id", &span.to_string());
        }
    }
}

impl Sink for RecordWriter<'_> {
    fn log(&mut self, record: &LogRecord<'_>) {
        self.begin("log", record.evidence, record.time, record.service, record.instance);
        if record.level != Level::None {
            self.text("severity", record.level.name());
        }
        self.ids(record.trace, record.span);
        self.text("logger", record.logger);
        self.text("thread", record.thread);
        let cluster = self.clusters.of(template::fingerprint(record.message));
        self.text("template_id", &format!("{:016x}", cluster.0));
        let template = self.clusters.text(cluster).map_or_else(
            || {
                let mut masked = String::new();
                template::mask(record.message, &mut masked);
                masked
            },
            str::to_owned,
        );
        self.text("template", &template);
        self.text("message", record.message);
        self.text("exception", crate::correlate::class_name::of_exception(record.stack));
        self.text("stack", record.stack);
        self.fields("fields", record.fields);
        self.end();
    }

    fn span(&mut self, record: &SpanRecord<'_>) {
        self.begin("span", record.evidence, record.start, record.service, record.instance);
        self.ids(record.trace, record.id);
        if !record.parent.is_none() {
            self.text("parent_span_id", &record.parent.to_string());
        }
        self.text("name", record.name);
        self.text("span_kind", &format!("{:?}", record.kind).to_lowercase());
        self.number("duration_ns", record.end.since(record.start));
        self.text("status", &format!("{:?}", record.status).to_lowercase());
        self.text("status_message", record.status_message);
        self.fields("attributes", record.attributes);
        self.fields("resource", record.resource);
        self.list("events", record.events, |writer, event| {
            writer.text("name", event.name);
            writer.text("time", &event.time.to_string());
            writer.fields("attributes", event.attributes);
        });
        self.list("links", record.links, |writer, (trace, span)| writer.ids(*trace, *span));
        self.end();
    }

    fn metric(&mut self, record: &MetricRecord<'_>) {
        self.begin("metric", record.evidence, record.time, record.service, record.instance);
        self.text("name", record.name);
        self.text("unit", record.unit);
        self.text("metric_kind", &format!("{:?}", record.kind).to_lowercase());
        self.float("value", record.value);
        self.fields("labels", record.labels);
        self.end();
    }

    fn thread_dump(&mut self, record: &ThreadDump<'_>) {
        self.begin("thread-dump", record.evidence, record.time, record.service, record.instance);
        self.text("runtime", record.runtime);
        self.number("deadlocks", record.deadlocks.len());
        self.list("threads", &record.threads, |writer, thread| {
            writer.text("name", thread.name);
            writer.number("id", thread.id);
            writer.text("state", &format!("{:?}", thread.state));
            writer.number("virtual", thread.is_virtual);
            writer.text("stack", &thread.frames.join("\n"));
            writer.list("locks", &thread.locks, |writer, lock| {
                writer.text("role", &format!("{:?}", lock.role));
                writer.text("address", &format!("{:#x}", lock.address));
                writer.text("class", lock.class);
            });
        });
        self.end();
    }

    fn gc(&mut self, record: &GcRecord<'_>) {
        self.begin("gc", record.evidence, record.time, record.service, record.instance);
        self.text("gc_kind", &format!("{:?}", record.kind));
        self.text("cause", record.cause);
        let numbers = [("before", record.before), ("after", record.after), ("capacity", record.capacity), ("gc_id", record.id.map(u64::from))];
        for (key, value) in numbers {
            if let Some(value) = value {
                self.number(key, value);
            }
        }
        if let Some(uptime) = record.uptime {
            self.number("uptime_ns", uptime);
        }
        self.number("duration_ns", record.nanos);
        self.end();
    }

    fn class_histogram(&mut self, record: &ClassHistogram<'_>) {
        self.begin("class-histogram", record.evidence, record.time, record.service, record.instance);
        self.number("instances", record.instances);
        self.number("bytes", record.bytes);
        self.list("classes", &record.rows, |writer, row| {
            writer.text("class", row.class);
            writer.number("instances", row.instances);
            writer.number("bytes", row.bytes);
        });
        self.end();
    }

    fn event(&mut self, record: &EventRecord<'_>) {
        self.begin("event", record.evidence, record.time, record.service, "");
        self.text("severity", if record.warning { "WARN" } else { "INFO" });
        let texts = [
            ("object_kind", record.kind),
            ("object", record.object),
            ("namespace", record.namespace),
            ("reason", record.reason),
            ("message", record.message),
        ];
        texts.into_iter().for_each(|(key, value)| self.text(key, value));
        self.number("count", record.count);
        self.end();
    }

    fn setting(&mut self, record: &SettingRecord<'_>) {
        self.begin("setting", record.evidence, Time::NONE, record.service, "");
        self.text("profile", record.profile);
        self.text("key", record.key);
        self.key("value");
        self.value(record.key, record.value);
        self.end();
    }

    fn quarantine(&mut self, evidence: Evidence, reason: Reason) {
        self.begin("quarantine", evidence, Time::NONE, "", "");
        self.text("reason", reason.name());
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::source::FileId;

    #[test]
    fn lines_are_json_and_hold_no_secret() {
        let clusters = Clusters::default();
        let mut out = Vec::new();
        let mut writer = RecordWriter::new(&mut out, true, &clusters, Time::NONE);
        writer.file("a/app.log", &Hints { service: "orders".to_owned(), ..Hints::default() });
        writer.piece(0, b"one\ntwo\n");
        writer.piece(8, b"three\nfour 7\n");
        let fields = [Field { key: "password", value: Value::Text("hunter2\u{1b}[0m") }, Field { key: "n", value: Value::Int(7) }];
        writer.log(&LogRecord {
            message: "mail to jane@example.org \"7\"\n",
            level: Level::Warn,
            fields: &fields,
            evidence: Evidence::new(FileId(0), 14, 6),
            ..LogRecord::default()
        });
        writer.quarantine(Evidence::new(FileId(0), 8, 5), Reason::Malformed);
        assert!(writer.finish().is_ok());
        let text = String::from_utf8_lossy(&out);
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap_or_default()).collect();
        assert_eq!(lines.len(), 2);
        let told = |line: usize, pointer: &str| lines[line].pointer(pointer).map(ToString::to_string).unwrap_or_default();
        assert_eq!((told(0, "/line"), told(0, "/service"), told(0, "/fields/n")), ("4".to_owned(), "\"orders\"".to_owned(), "7".to_owned()));
        assert_eq!(told(0, "/fields/password"), "\"<secret#1>\"");
        assert_eq!(told(0, "/message"), "\"mail to <email#1> \\\"7\\\"\\n\"");
        assert_eq!((told(1, "/line"), told(1, "/reason")), ("3".to_owned(), "\"malformed\"".to_owned()));
    }
}
