//! An application's own line inside a record of somebody else: syslog, Loki, CloudWatch, a shipper's JSON.
//!
//! ```text
//! Nov 22 19:33:34 web-1 orders[12]: 2026-11-22T19:33:34.008Z  INFO 12 --- [main] c.a.Orders : accepted
//! {"labels":{"app":"orders"},"line":"{\"level\":\"warn\",\"msg\":\"slow\"}","timestamp":"2026-11-22T19:33:34.008Z"}
//! ```
//!
//! What the line says of itself counts; what it leaves out is taken from what is around it. What this file does not
//! do: put lines together that were sent one by one.

use crate::formats::access_log::AccessLog;
use crate::formats::error_log::ErrorLog;
use crate::formats::free_text::FreeText;
use crate::formats::gc_unified::UnifiedLog;
use crate::formats::json_log::JsonLines;
use crate::formats::lines::{Block, LineFormat};
use crate::formats::postgres_log::PostgresLog;
use crate::formats::text_log::TextLog;
use crate::model::jvm::{ClassHistogram, GcRecord, ThreadDump};
use crate::model::record::{EventRecord, Field, Level, LogRecord, MetricRecord, Reason, SettingRecord, Sink, SpanRecord, Value};
use crate::model::source::{Evidence, Hints};

/// How many fields a record has with those from around it.
const MOST: usize = 48;

/// The formats that a line may be in, in the order they are asked.
const FORMATS: &[&dyn LineFormat] =
    &[&JsonLines::PAYLOAD, &UnifiedLog::EMBEDDED, &AccessLog::EMBEDDED, &ErrorLog, &PostgresLog, &TextLog::EMBEDDED, &TextLog::WORD];

/// Reads the line. `around` is a record without message whose parts stand in for those that the line lacks; its evidence
/// is that of whatever is read.
pub fn read(text: &str, around: &LogRecord<'_>, hints: &Hints, sink: &mut dyn Sink) {
    let block = Block { text, evidence: around.evidence, hints };
    let line = first_line(text).as_bytes();
    let format = FORMATS.iter().find(|format| format.starts(line, b"")).copied().unwrap_or(&FreeText);
    format.record(&block, &mut Filled { around, sink });
}

/// Whether a text begins like a line of a text log, and not like any sentence.
#[must_use]
pub fn is_line(text: &str) -> bool {
    let line = first_line(text).as_bytes();
    matches!(line.first(), Some(b'0'..=b'9' | b'[')) && (TextLog::EMBEDDED.starts(line, b"") || PostgresLog.starts(line, b""))
}

fn first_line(text: &str) -> &str {
    text.get(..memchr::memchr(b'\n', text.as_bytes()).unwrap_or(text.len())).unwrap_or(text)
}

/// A sink that fills in what records lack.
pub struct Filled<'a, 's> {
    /// What stands in; its evidence is that of every record.
    pub around: &'a LogRecord<'a>,
    /// Takes the records.
    pub sink: &'s mut dyn Sink,
}

const fn or<'a>(own: &'a str, around: &'a str) -> &'a str {
    if own.is_empty() { around } else { own }
}

impl Sink for Filled<'_, '_> {
    fn log(&mut self, record: &LogRecord<'_>) {
        let around = self.around;
        let mut fields = [Field { key: "", value: Value::Bool(false) }; MOST];
        let mut len = 0;
        for field in record.fields.iter().chain(around.fields.iter().filter(|field| record.fields.iter().all(|own| own.key != field.key))) {
            if let Some(slot) = fields.get_mut(len) {
                *slot = *field;
                len += 1;
            }
        }
        self.sink.log(&LogRecord {
            time: if record.time.is_some() { record.time } else { around.time },
            level: if record.level == Level::None { around.level } else { record.level },
            service: or(record.service, around.service),
            instance: or(record.instance, around.instance),
            logger: or(record.logger, around.logger),
            thread: or(record.thread, around.thread),
            trace: if record.trace.is_none() { around.trace } else { record.trace },
            span: if record.span.is_none() { around.span } else { record.span },
            message: record.message,
            stack: or(record.stack, around.stack),
            fields: fields.get(..len).unwrap_or_default(),
            evidence: around.evidence,
        });
    }

    fn span(&mut self, record: &SpanRecord<'_>) {
        self.sink.span(&SpanRecord { evidence: self.around.evidence, ..*record });
    }

    fn metric(&mut self, record: &MetricRecord<'_>) {
        self.sink.metric(&MetricRecord { evidence: self.around.evidence, ..*record });
    }

    fn thread_dump(&mut self, record: &ThreadDump<'_>) {
        self.sink.thread_dump(record);
    }

    fn gc(&mut self, record: &GcRecord<'_>) {
        let time = if record.time.is_some() { record.time } else { self.around.time };
        let (service, instance) = (or(record.service, self.around.service), or(record.instance, self.around.instance));
        self.sink.gc(&GcRecord { time, service, instance, evidence: self.around.evidence, ..*record });
    }

    fn class_histogram(&mut self, record: &ClassHistogram<'_>) {
        self.sink.class_histogram(record);
    }

    fn event(&mut self, record: &EventRecord<'_>) {
        self.sink.event(&EventRecord { evidence: self.around.evidence, ..*record });
    }

    fn setting(&mut self, record: &SettingRecord<'_>) {
        self.sink.setting(&SettingRecord { evidence: self.around.evidence, ..*record });
    }

    fn quarantine(&mut self, _: Evidence, reason: Reason) {
        self.sink.quarantine(self.around.evidence, reason);
    }
}
