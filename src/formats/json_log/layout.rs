//! Which library wrote a JSON log, for the report. Nothing else depends on it: records are read by what their keys mean.

use crate::formats::json_log::scan::{Cursor, Item};

/// A library's, or a family of libraries', choice of keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// logstash-logback-encoder, Spring Boot `logstash`.
    Logstash,
    /// Elastic Common Schema.
    Ecs,
    /// Graylog's format.
    Gelf,
    /// log4j2 JsonLayout.
    Log4j2,
    /// Logback JsonEncoder.
    Logback,
    /// python-json-logger and its like.
    Python,
    /// structlog.
    Structlog,
    /// loguru.
    Loguru,
    /// pino.
    Pino,
    /// bunyan.
    Bunyan,
    /// winston.
    Winston,
    /// zap, Caddy.
    Zap,
    /// zerolog.
    Zerolog,
    /// Go's log/slog.
    Slog,
    /// Rust's tracing.
    Tracing,
    /// Serilog's compact form.
    Clef,
    /// PostgreSQL jsonlog.
    Postgres,
    /// journald.
    Journald,
    /// None of these.
    Generic,
}

/// All layouts and their names in labels.
const NAMES: [(Layout, &str); 19] = [
    (Layout::Logstash, "json-log/logstash"),
    (Layout::Ecs, "json-log/ecs"),
    (Layout::Gelf, "json-log/gelf"),
    (Layout::Log4j2, "json-log/log4j2"),
    (Layout::Logback, "json-log/logback"),
    (Layout::Python, "json-log/python"),
    (Layout::Structlog, "json-log/structlog"),
    (Layout::Loguru, "json-log/loguru"),
    (Layout::Pino, "json-log/pino"),
    (Layout::Bunyan, "json-log/bunyan"),
    (Layout::Winston, "json-log/winston"),
    (Layout::Zap, "json-log/zap"),
    (Layout::Zerolog, "json-log/zerolog"),
    (Layout::Slog, "json-log/slog"),
    (Layout::Tracing, "json-log/tracing"),
    (Layout::Clef, "json-log/clef"),
    (Layout::Postgres, "json-log/postgres"),
    (Layout::Journald, "json-log/journald"),
    (Layout::Generic, "json-log/generic"),
];

/// Root keys of JSON that has a format of its own, even if it also has a time and a message.
const FOREIGN: [&str; 12] = [
    "resourceSpans",
    "resourceLogs",
    "resourceMetrics",
    "resource_spans",
    "resource_logs",
    "resource_metrics",
    "scopeSpans",
    "batches",
    "apiVersion",
    "threadDump",
    "traceEvents",
    "localEndpoint",
];

impl Layout {
    /// The layout of the object at the start of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let keys = Keys::of(text);
        let has = |key: &str| keys.has(key);
        let lower = keys.level_lower;
        match () {
            () if has("loggerFqcn") || has("endOfBatch") || has("contextMap") || (has("instant") && has("loggerName")) => Self::Log4j2,
            () if has("short_message") => Self::Gelf,
            () if has("sequenceNumber") || (has("loggerName") && has("context")) => Self::Logback,
            () if has("ecs.version") || has("ecs") || has("log.level") || (has("@timestamp") && has("log")) => Self::Ecs,
            () if has("logger_name") || (has("@timestamp") && has("@version")) => Self::Logstash,
            () if has("record") && has("text") => Self::Loguru,
            () if has("@t") && (has("@m") || has("@mt") || has("@i")) => Self::Clef,
            () if has("__REALTIME_TIMESTAMP") => Self::Journald,
            () if has("error_severity") => Self::Postgres,
            () if has("v") && has("hostname") && has("pid") && has("name") => Self::Bunyan,
            () if has("time") && (keys.level_number || (has("pid") && has("hostname"))) => Self::Pino,
            () if has("levelname") || has("asctime") || has("levelno") || (has("name") && has("severity")) => Self::Python,
            () if has("event") && has("timestamp") && !has("message") && !has("msg") => Self::Structlog,
            () if has("fields") && has("target") => Self::Tracing,
            () if has("ts") && has("msg") => Self::Zap,
            () if has("time") && has("level") && has("msg") && !lower => Self::Slog,
            () if has("time") && has("level") && has("message") && lower => Self::Zerolog,
            () if has("level") && has("message") && lower => Self::Winston,
            () => Self::Generic,
        }
    }
}

/// Whether the object at the start of a text is something other than a log record.
#[must_use]
pub fn foreign(text: &str) -> bool {
    let keys = Keys::of(text);
    FOREIGN.iter().any(|key| keys.has(key))
}

/// How many lines of each layout were seen.
#[derive(Default)]
pub struct Votes([usize; NAMES.len()]);

impl Votes {
    /// Counts a line.
    pub fn add(&mut self, layout: Layout) {
        if let Some(at) = NAMES.iter().position(|name| name.0 == layout) {
            self.0[at] += 1;
        }
    }

    /// How many lines.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.iter().sum()
    }

    /// The name of the most frequent layout.
    #[must_use]
    pub fn label(&self) -> &'static str {
        let best = self.0.iter().copied().max().unwrap_or(0);
        NAMES.iter().zip(self.0).find(|(_, count)| *count == best).map_or("json-log/generic", |(name, _)| name.1)
    }
}

/// The root keys of an object.
struct Keys<'a> {
    keys: Vec<&'a str>,
    level_number: bool,
    level_lower: bool,
}

impl<'a> Keys<'a> {
    fn of(text: &'a str) -> Self {
        let mut found = Self { keys: Vec::new(), level_number: false, level_lower: false };
        let mut cursor = Cursor::new(text);
        let mut first = true;
        if !matches!(cursor.item(), Ok(Item::Object)) {
            return found;
        }
        while let Ok(Some(key)) = cursor.member(first) {
            first = false;
            found.keys.push(key.text);
            match cursor.item() {
                Ok(Item::Object | Item::Array) if cursor.rest().is_err() => break,
                Ok(Item::Number(_)) if key.text == "level" => found.level_number = true,
                Ok(Item::Text(level)) if key.text == "level" => found.level_lower = level.text.starts_with(|c: char| c.is_ascii_lowercase()),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        found
    }

    fn has(&self, key: &str) -> bool {
        self.keys.contains(&key)
    }
}
