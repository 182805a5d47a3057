//! What one line of an access log says, under the names that all servers' lines share.
//!
//! ```text
//! rt=1.002 us="504, 502" ua="10.0.0.1:80, app"    duration_ms=1002 upstream_status="504, 502" upstream_attempts=1
//! ```
//!
//! What this file does not do: know the order of the parts in any server's line.

use super::request::{Message, Request};
use super::token::members;
use crate::formats::quantity::decimal;
use crate::formats::syslog::header::Peeled;
use crate::model::ids::{SpanId, TraceId, traceparent};
use crate::model::record::{Field, Level, LogRecord, Sink, Value};
use crate::model::source::Evidence;
use crate::model::time::Time;

/// How many fields an entry keeps.
const MOST: usize = 32;

/// Nanoseconds in a unit of time.
pub const SECONDS: u64 = 1_000_000_000;
/// Nanoseconds in a unit of time.
pub const MILLIS: u64 = 1_000_000;
/// Nanoseconds in a unit of time.
pub const MICROS: u64 = 1_000;

/// An entry while it is being read.
pub struct Entry<'a> {
    /// When, or none.
    pub time: Time,
    /// Status as written.
    pub status: &'a str,
    /// The request.
    pub request: Request<'a>,
    /// Thread, if the pattern prints it.
    pub thread: &'a str,
    /// Message of an entry that is no HTTP request, or empty.
    pub message: &'a str,
    /// Level of an entry that has no status.
    pub level: Level,
    trace: TraceId,
    span: SpanId,
    fields: [Field<'a>; MOST],
    len: usize,
}

impl Default for Entry<'_> {
    fn default() -> Self {
        Self {
            time: Time::NONE,
            status: "",
            request: Request::default(),
            thread: "",
            message: "",
            level: Level::Info,
            trace: TraceId::NONE,
            span: SpanId::NONE,
            fields: [Field { key: "", value: Value::Bool(false) }; MOST],
            len: 0,
        }
    }
}

impl<'a> Entry<'a> {
    /// Adds a text; an absent one (empty or a dash) and a second one of the same name are left out.
    pub fn text(&mut self, key: &'a str, text: &'a str) {
        if !matches!(text, "" | "-") {
            self.value(key, Value::Text(text));
        }
    }

    /// Adds a whole number, or what else is written in its place.
    pub fn int(&mut self, key: &'a str, text: &'a str) {
        match text.parse() {
            Ok(number) => self.value(key, Value::Int(number)),
            Err(_) => self.text(key, text),
        }
    }

    /// Adds a time in milliseconds which is written in this unit; false if it is no number.
    pub fn millis(&mut self, key: &'a str, text: &str, unit: u64) -> bool {
        let Some(nanos) = decimal(text, unit) else { return false };
        self.value(key, Value::Float(nanos as f64 / 1e6));
        true
    }

    /// Adds a value.
    pub fn value(&mut self, key: &'a str, value: Value<'a>) {
        if self.has(key) {
            return;
        }
        if let Some(slot) = self.fields.get_mut(self.len) {
            *slot = Field { key, value };
            self.len += 1;
        }
    }

    /// Whether a field is there.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.fields.iter().take(self.len).any(|field| field.key == key)
    }

    /// Takes the request line.
    pub fn request(&mut self, line: &'a str) {
        self.request = Request::read(line);
        self.text("http.request.method", self.request.method);
        self.text("url.path", self.request.path);
        self.text("url.query", self.request.query);
        if self.request.method.is_empty() {
            self.text("http.request.line", line);
        }
    }

    /// Takes the status.
    pub fn status(&mut self, status: &'a str) {
        self.status = status;
        self.int("http.response.status_code", status);
    }

    /// Takes trace and span of a W3C trace context; false if it is none.
    pub fn traceparent(&mut self, text: &str) -> bool {
        let Some((trace, span)) = traceparent(text.as_bytes()).filter(|_| text.len() == 55) else { return false };
        if self.trace.is_none() {
            (self.trace, self.span) = (trace, span);
        }
        true
    }

    /// Takes a trace id or span id that a key names.
    pub fn id(&mut self, is_trace: bool, text: &str) -> bool {
        if is_trace {
            self.trace = if self.trace.is_none() { TraceId::parse(text.as_bytes()) } else { self.trace };
            return !self.trace.is_none();
        }
        self.span = if self.span.is_none() { SpanId::parse(text.as_bytes()) } else { self.span };
        !self.span.is_none()
    }

    /// Takes the upstreams' addresses. A name instead of an address is nginx's way to say that there was none to ask.
    pub fn upstreams(&mut self, list: &'a str) {
        if matches!(list, "" | "-") {
            return;
        }
        self.text("upstream_address", list);
        let attempts = members(list).filter(|member| member.contains(':')).count();
        self.value("upstream_attempts", Value::Int(i64::try_from(attempts).unwrap_or(i64::MAX)));
    }

    /// Takes the upstreams' statuses.
    pub fn upstream_statuses(&mut self, list: &'a str) {
        self.int("upstream_status", list);
    }

    /// Takes the times that the upstreams took: their sum is what the request spent there.
    pub fn upstream_times(&mut self, list: &str, unit: u64) -> bool {
        let mut sum = None;
        for member in members(list).filter(|member| *member != "-") {
            let Some(nanos) = decimal(member, unit) else { return false };
            sum = Some(nanos.saturating_add(sum.unwrap_or(0)));
        }
        if let Some(nanos) = sum {
            self.value("upstream_duration_ms", Value::Float(nanos as f64 / 1e6));
        }
        sum.is_some()
    }

    /// Gives the entry to the sink.
    pub fn send(&self, peeled: &Peeled<'_>, evidence: Evidence, sink: &mut dyn Sink) {
        let canonical;
        let message = if self.message.is_empty() {
            canonical = Message::of(&self.request, self.status);
            canonical.text()
        } else {
            self.message
        };
        let failed = self.status.len() == 3 && self.status.starts_with('5');
        sink.log(&LogRecord {
            time: self.time,
            level: if failed { Level::Error } else { self.level },
            instance: peeled.host,
            thread: self.thread,
            trace: self.trace,
            span: self.span,
            message,
            fields: self.fields.get(..self.len).unwrap_or_default(),
            evidence,
            ..LogRecord::default()
        });
    }
}

/// A number with its unit: `23ms`, `1.2s`, `850us`; the number and the unit's nanoseconds.
#[must_use]
pub fn with_unit(text: &str) -> Option<(&str, u64)> {
    let end = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (number, unit) = text.split_at_checked(end).filter(|(number, _)| !number.is_empty())?;
    let nanos = match unit {
        "s" => SECONDS,
        "ms" => MILLIS,
        "us" | "µs" | "μs" => MICROS,
        "ns" => 1,
        _ => return None,
    };
    Some((number, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units() {
        assert_eq!(with_unit("23ms"), Some(("23", MILLIS)));
        assert_eq!(with_unit("1.2s"), Some(("1.2", SECONDS)));
        assert_eq!((with_unit("23"), with_unit("ms"), with_unit("1m"), with_unit("")), (None, None, None, None));
    }

    #[test]
    fn upstreams_that_were_asked() {
        let mut entry = Entry::default();
        entry.upstreams("127.0.0.1:58082, unix:/run/a : app");
        assert!(entry.upstream_times("0.250, - : 0.001", SECONDS));
        let shown: Vec<String> = entry.fields[..entry.len].iter().map(|f| format!("{} {:?}", f.key, f.value)).collect();
        assert_eq!(
            shown,
            ["upstream_address Text(\"127.0.0.1:58082, unix:/run/a : app\")", "upstream_attempts Int(2)", "upstream_duration_ms Float(251.0)"]
        );
    }
}
