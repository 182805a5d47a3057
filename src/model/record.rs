//! What a parser has understood, borrowed from the bytes it read, and the [`Sink`] that takes it.
//!
//! Parsers turn bytes into these records and know nothing of names, templates or tables; a sink turns records into
//! rows (`correlate/intake.rs`), into text (`analyze inspect`), or into counts (tests). A text field that the record
//! does not have is empty, a time [`Time::NONE`], an id zero. Service and instance are filled only if the record itself
//! names them: the sink falls back to the file's [`Hints`](crate::model::source::Hints).

use crate::model::ids::{SpanId, TraceId};
use crate::model::jvm::{ClassHistogram, GcRecord, ThreadDump};
use crate::model::source::Evidence;
use crate::model::time::Time;

/// Takes what a parser understood, in the order of the bytes.
pub trait Sink {
    /// A log record.
    fn log(&mut self, record: &LogRecord<'_>);
    /// A span.
    fn span(&mut self, record: &SpanRecord<'_>);
    /// One metric point.
    fn metric(&mut self, record: &MetricRecord<'_>);
    /// A whole thread dump.
    fn thread_dump(&mut self, record: &ThreadDump<'_>);
    /// One line of a garbage collector's log.
    fn gc(&mut self, record: &GcRecord<'_>);
    /// A whole class histogram.
    fn class_histogram(&mut self, record: &ClassHistogram<'_>);
    /// Something that a platform says has happened to an object.
    fn event(&mut self, record: &EventRecord<'_>);
    /// One entry of a configuration.
    fn setting(&mut self, record: &SettingRecord<'_>);
    /// Bytes that hold something which was not understood.
    fn quarantine(&mut self, evidence: Evidence, reason: Reason);
}

/// Why some bytes were not understood. The kebab-case names are part of the JSON contract.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// No format claims the file.
    Unrecognised,
    /// The file or archive member cannot be read.
    Unreadable,
    /// The bytes are not UTF-8 where text is due.
    InvalidUtf8,
    /// A record of a known format that does not follow its grammar.
    Malformed,
    /// A record, line or nesting beyond the limits.
    TooLong,
    /// The file ends inside a record or a compressed stream.
    Truncated,
    /// A time before 2000 or far outside the rest.
    ImplausibleTime,
    /// A trace or span id that is none.
    BadId,
    /// Expanding went over the byte or ratio limit.
    ExpansionLimit,
    /// Archives nested too deeply.
    NestingLimit,
    /// A known kind of content which this version does not read.
    Unsupported,
}

impl Reason {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unrecognised => "unrecognised",
            Self::Unreadable => "unreadable",
            Self::InvalidUtf8 => "invalid-utf8",
            Self::Malformed => "malformed",
            Self::TooLong => "too-long",
            Self::Truncated => "truncated",
            Self::ImplausibleTime => "implausible-time",
            Self::BadId => "bad-id",
            Self::ExpansionLimit => "expansion-limit",
            Self::NestingLimit => "nesting-limit",
            Self::Unsupported => "unsupported",
        }
    }
}

/// How loud a log record is; OpenTelemetry's six steps, and "not said".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Level {
    /// The record names no level.
    #[default]
    None,
    /// Trace.
    Trace,
    /// Debug.
    Debug,
    /// Info, notice.
    Info,
    /// Warning.
    Warn,
    /// Error, severe.
    Error,
    /// Fatal, critical, panic.
    Fatal,
}

impl Level {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

/// The value of a field or attribute.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value<'a> {
    /// Text. Objects and arrays arrive as their JSON text.
    Text(&'a str),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// True or false.
    Bool(bool),
}

impl<'a> Value<'a> {
    /// The text, if it is one.
    #[must_use]
    pub const fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, also when it arrives as text or as a float without a fraction.
    #[must_use]
    pub fn int(self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(n),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Float(n) if n.fract() == 0.0 && n.abs() < 9e15 => Some(n as i64),
            Self::Float(_) | Self::Bool(_) => None,
        }
    }
}

/// A named value: a field of a log record, an attribute of a span or resource. Nested keys are joined by dots.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Field<'a> {
    /// The key, as written.
    pub key: &'a str,
    /// The value.
    pub value: Value<'a>,
}

/// A log record.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogRecord<'a> {
    /// When the event happened by the record's own account (a wrapper's time only if the payload has none).
    pub time: Time,
    /// Level.
    pub level: Level,
    /// Service, if the record names one.
    pub service: &'a str,
    /// Instance (pod, host), if the record names one.
    pub instance: &'a str,
    /// Logger.
    pub logger: &'a str,
    /// Thread.
    pub thread: &'a str,
    /// Trace id.
    pub trace: TraceId,
    /// Span id.
    pub span: SpanId,
    /// The message without its stack trace.
    pub message: &'a str,
    /// The stack trace, beginning with the exception's type, or empty.
    pub stack: &'a str,
    /// Every further field.
    pub fields: &'a [Field<'a>],
    /// The record's bytes, stack trace included.
    pub evidence: Evidence,
}

/// What part a span plays in a call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum SpanKind {
    /// Not said.
    #[default]
    Unspecified,
    /// Work inside a service.
    Internal,
    /// The called side.
    Server,
    /// The calling side.
    Client,
    /// Sends a message.
    Producer,
    /// Handles a message.
    Consumer,
}

/// How a span ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum SpanStatus {
    /// Not said.
    #[default]
    Unset,
    /// Explicitly well.
    Ok,
    /// Failed.
    Error,
}

/// A span.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpanRecord<'a> {
    /// Trace id.
    pub trace: TraceId,
    /// Span id.
    pub id: SpanId,
    /// Parent span, or zero for a root.
    pub parent: SpanId,
    /// Service, from the resource.
    pub service: &'a str,
    /// Instance, from the resource.
    pub instance: &'a str,
    /// Span name.
    pub name: &'a str,
    /// Kind.
    pub kind: SpanKind,
    /// Start.
    pub start: Time,
    /// End; never before the start.
    pub end: Time,
    /// Status.
    pub status: SpanStatus,
    /// Status message.
    pub status_message: &'a str,
    /// Attributes of the span.
    pub attributes: &'a [Field<'a>],
    /// Attributes of the resource.
    pub resource: &'a [Field<'a>],
    /// Differs where attributes of resources differ, so that a resource is looked at once; zero if nobody reckoned it.
    pub resource_digest: u64,
    /// Exceptions and other events: name, time and attributes.
    pub events: &'a [SpanEvent<'a>],
    /// Linked spans.
    pub links: &'a [(TraceId, SpanId)],
    /// The span's bytes.
    pub evidence: Evidence,
}

/// Something that happened during a span.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpanEvent<'a> {
    /// When.
    pub time: Time,
    /// Name, `exception` for exceptions.
    pub name: &'a str,
    /// Attributes.
    pub attributes: &'a [Field<'a>],
}

/// How a metric's values are to be read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum MetricKind {
    /// A level at a time, or not said.
    #[default]
    Gauge,
    /// A total since some start.
    Cumulative,
    /// What was added since the point before.
    Delta,
}

/// One number of one series. A histogram arrives as several: `NAME_count`, `NAME_sum`, and `NAME_bucket` with a label `le`.
#[derive(Clone, Copy, Debug, Default)]
pub struct MetricRecord<'a> {
    /// When, or none if the file does not say.
    pub time: Time,
    /// Service.
    pub service: &'a str,
    /// Instance.
    pub instance: &'a str,
    /// Name, as written.
    pub name: &'a str,
    /// Unit, as written.
    pub unit: &'a str,
    /// How to read the values.
    pub kind: MetricKind,
    /// Labels.
    pub labels: &'a [Field<'a>],
    /// The value.
    pub value: f64,
    /// The point's bytes.
    pub evidence: Evidence,
}

/// What a platform says has happened to one of its objects, as Kubernetes events do.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventRecord<'a> {
    /// When it happened last, or none; a listing of ages may tell only how long [before the capture](Time::before_capture).
    pub time: Time,
    /// When it happened first; none if it is not said.
    pub first: Time,
    /// How often between the two; at least one.
    pub count: u32,
    /// Whether the platform calls it a warning.
    pub warning: bool,
    /// Kind of the object: `Pod`, `HorizontalPodAutoscaler`, `Node`.
    pub kind: &'a str,
    /// Its name.
    pub object: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// The workload it belongs to, if the record or the name says so; empty otherwise.
    pub service: &'a str,
    /// One word: `BackOff`, `Unhealthy`, `SuccessfulRescale`.
    pub reason: &'a str,
    /// The sentence.
    pub message: &'a str,
    /// The event's bytes.
    pub evidence: Evidence,
}

/// One entry of a configuration. The parser has replaced the value of a secret by `***`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SettingRecord<'a> {
    /// Service, if the file or the path says it.
    pub service: &'a str,
    /// Profile or environment the entry is for: `prod`; empty if it is for all.
    pub profile: &'a str,
    /// Canonical key: lower case, segments joined by dots, without dashes and underscores inside segments.
    pub key: &'a str,
    /// Value, as written.
    pub value: &'a str,
    /// The entry's bytes.
    pub evidence: Evidence,
}
