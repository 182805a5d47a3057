//! What a key of a log object means, whichever library wrote it.
//!
//! ```text
//! {"@timestamp":…,"log.level":…}    {"log":{"level":…}}    {"_logger":…,"short_message":…}    {"contextMap":{"traceId":…}}
//! ```
//!
//! Nested keys arrive joined by dots, so that flat and nested spellings are one. Several keys may claim the same part
//! of a record; the lowest rank wins. What this file does not do: look at values. A key whose value does not fit
//! (`"level":"gold"`) is an ordinary field.

use crate::formats::json_log::levels::Scale;

/// What a key is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// A field like any other.
    Field,
    /// Bookkeeping of the library, of no use to anybody.
    Noise,
    /// The time, in any spelling.
    Time,
    /// Whole seconds of a time that is written in two parts.
    Seconds,
    /// Nanoseconds inside the second.
    Nanos,
    /// Level, and on which scale if it is a number.
    Level(Scale),
    /// The message.
    Message,
    /// A message whose placeholders are named: `Order {Id} placed`.
    Template,
    /// GELF's long message, which holds the stack trace.
    FullMessage,
    /// loguru's formatted line, which holds the stack trace.
    Formatted,
    /// Values for the `{}` of the message.
    Arguments,
    /// Logger.
    Logger,
    /// Python's logger, bunyan's service, or somebody's name.
    Name,
    /// Thread.
    Thread,
    /// Service.
    Service,
    /// Pod, host or container.
    Instance,
    /// Host name, which Spring Boot's GELF fills with the service.
    Host,
    /// Trace id.
    Trace,
    /// Span id.
    Span,
    /// W3C trace context: trace and span id in one.
    TraceParent,
    /// Stack trace, as text or as a tree.
    Stack,
    /// Type of the exception.
    ErrorType,
    /// Message of the exception.
    ErrorMessage,
    /// An object of user-given values (MDC and the like): ids and service may be among them, but no message or level.
    Context,
    /// An object that holds the record itself.
    Inner,
}

/// A role, and how good a claim the key has to it: the lower the better, always below 32.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Alias {
    /// The role.
    pub role: Role,
    /// The rank.
    pub rank: u8,
}

/// Rank of `message` and `msg`; other keys of the role often mean something else if one of these is there.
pub const MESSAGE: u8 = 1;
/// Rank of GELF's `short_message`.
pub const SHORT_MESSAGE: u8 = 4;
/// Rank of `log`, in which Docker and log shippers keep the application's own line.
pub const LOG: u8 = 7;
/// Rank of the logger key of Spring Boot's GELF.
pub const BOOT_GELF_LOGGER: u8 = 6;
/// Rank of the time keys that only Python has.
pub const PYTHON_TIME: u8 = 8;

/// What a key means.
#[must_use]
pub fn alias(key: &[u8]) -> Alias {
    if let [b'_', rest @ ..] = key
        && !rest.starts_with(b"_")
    {
        // GELF puts an underscore before every key of its own; Elasticsearch keeps the record in `_source`.
        return if key == b"_source" { Alias { role: Role::Inner, rank: 0 } } else { alias_plain(rest) };
    }
    alias_plain(key)
}

#[rustfmt::skip]
fn alias_plain(key: &[u8]) -> Alias {
    use Role::{
        Arguments, Context, ErrorMessage, ErrorType, Field, Formatted, FullMessage, Host, Inner, Instance, Level, Logger, Message, Name, Nanos, Noise,
        Seconds, Service, Span, Stack, Template, Thread, Time, Trace, TraceParent,
    };
    // By length first: each comparison below is then of a known size.
    let (role, rank) = match key.len() {
        1 => match key { b"t" => (Time, 6), _ => (Field, 0) },
        2 => match key {
            b"ts" => (Time, 3), b"@t" => (Time, 0), b"@l" => (Level(Scale::Open), 0), b"@m" => (Message, 0), b"@x" => (Stack, 0), b"@r" => (Noise, 0),
            _ => (Field, 0),
        },
        3 => match key {
            b"msg" => (Message, MESSAGE), b"log" => (Message, LOG), b"lvl" => (Level(Scale::Open), 3), b"app" => (Service, 8), b"pod" => (Instance, 2),
            b"mdc" | b"MDC" | b"ctx" => (Context, 0), b"@mt" => (Template, 3), b"@tr" => (Trace, 0), b"@sp" => (Span, 0), b"err" => (Message, 29),
            _ => (Field, 0),
        },
        4 => match key {
            b"time" => (Time, 2), b"name" => (Name, 0), b"host" => (Host, 0), b"date" | b"Time" => (Time, 10), b"text" => (Formatted, 0),
            b"body" => (Message, 10), b"line" => (Message, LOG), _ => (Field, 0),
        },
        5 => match key {
            b"level" | b"Level" | b"LEVEL" => (Level(Scale::Open), 1), b"event" => (Message, 8), b"trace" => (Trace, 9), b"stack" => (Stack, 4),
            b"error" => (Message, 28), b"extra" | b"attrs" | b"spans" => (Context, 0), _ => (Field, 0),
        },
        6 => match key {
            b"logger" | b"Logger" => (Logger, 1), b"thread" | b"Thread" => (Thread, 1), b"spanId" | b"spanID" | b"SpanId" | b"SpanID" | b"spanid" => (Span, 1),
            b"fields" | b"record" => (Inner, 0), b"labels" => (Context, 0), b"thrown" => (Stack, 2), b"target" => (Logger, 8), b"caller" => (Logger, 10),
            _ => (Field, 0),
        },
        7 => match key {
            b"message" | b"Message" => (Message, MESSAGE), b"service" | b"Service" => (Service, 1), b"traceId" | b"traceID" | b"TraceId" | b"TraceID" | b"traceid" => (Trace, 1),
            b"span_id" | b"span.id" | b"span-id" => (Span, 1), b"asctime" => (Time, PYTHON_TIME), b"appname" | b"appName" | b"AppName" => (Service, 4),
            b"context" | b"kvpList" | b"payload" => (Context, 0), b"@fields" => (Inner, 0), b"levelno" => (Level(Scale::Python), 20), b"MESSAGE" => (Message, 2),
            b"podName" => (Instance, 2), b"request" => (Message, 30), _ => (Field, 0),
        },
        8 => match key {
            b"trace_id" | b"trace.id" | b"trace-id" | b"Trace_Id" => (Trace, 1), b"severity" | b"Severity" => (Level(Scale::Open), 4), b"logLevel" => (Level(Scale::Open), 3),
            b"hostname" | b"HOSTNAME" => (Instance, 6), b"exc_info" | b"exc_text" => (Stack, 3), b"datetime" => (Time, 7), b"PRIORITY" => (Level(Scale::Syslog), 6),
            b"pod_name" | b"pod.name" => (Instance, 2), b"instance" => (Instance, 4), b"app_name" | b"app.name" => (Service, 4), b"@version" => (Noise, 0),
            b"err.type" | b"err.name" => (ErrorType, 0), b"level.no" => (Level(Scale::Python), 20), b"metadata" => (Context, 0), _ => (Field, 0),
        },
        9 => match key {
            b"timestamp" | b"Timestamp" => (Time, 1), b"levelname" => (Level(Scale::Open), 2), b"log.level" | b"log_level" => (Level(Scale::Open), 0),
            b"eventTime" => (Time, 9), b"exception" | b"Exception" => (Stack, 1), b"throwable" => (Stack, 2), b"err.stack" => (Stack, 0), b"backtrace" => (Stack, 5),
            b"arguments" => (Arguments, 0), b"host.name" => (Instance, 5), b"time.repr" => (Time, 4), _ => (Field, 0),
        },
        10 => match key {
            b"@timestamp" => (Time, 0), b"started_at" => (Time, 11), b"log.logger" => (Logger, 0), b"log_logger" => (Logger, BOOT_GELF_LOGGER), b"loggerName" | b"LoggerName" => (Logger, 1),
            b"threadName" | b"ThreadName" => (Thread, 0), b"level_name" | b"level.name" => (Level(Scale::Open), 0), b"timeMillis" => (Time, 2),
            b"contextMap" | b"properties" | b"Properties" | b"attributes" => (Context, 0), b"stackTrace" | b"stacktrace" | b"StackTrace" => (Stack, 1),
            b"error.type" | b"error.name" => (ErrorType, 0), b"dd.service" => (Service, 3), b"dd.span_id" => (Span, 4), b"otelSpanID" => (Span, 2),
            b"loggerFqcn" | b"endOfBatch" | b"level.icon" => (Noise, 0), b"instanceId" => (Instance, 4), b"stack_info" => (Stack, 8), _ => (Field, 0),
        },
        11 => match key {
            b"logger_name" | b"logger.name" => (Logger, 0), b"thread_name" | b"thread.name" => (Thread, 0), b"level_value" => (Level(Scale::Logback), 21), b"stack_trace" => (Stack, 0),
            b"traceparent" => (TraceParent, 6), b"serviceName" | b"ServiceName" => (Service, 1), b"otelTraceID" => (Trace, 2), b"dd.trace_id" => (Trace, 4),
            b"X-B3-SpanId" | b"x_b3_spanid" | b"x-b3-spanid" => (Span, 3), b"ecs.version" => (Noise, 0), b"nanoseconds" => (Nanos, 0), b"textPayload" => (Message, 6),
            b"jsonPayload" => (Inner, 0), b"application" | b"Application" => (Service, 6), b"instance_id" | b"instance.id" => (Instance, 4),
            b"err.message" => (ErrorMessage, 0), b"error.stack" => (Stack, 0), _ => (Field, 0),
        },
        12 => match key {
            b"service.name" | b"service_name" | b"Service.Name" => (Service, 0), b"full_message" => (FullMessage, 0), b"severityText" | b"SeverityText" => (Level(Scale::Open), 4),
            b"X-B3-TraceId" | b"x_b3_traceid" | b"x-b3-traceid" => (Trace, 3), b"log.original" => (Noise, 0), b"k8s.pod.name" => (Instance, 1), _ => (Field, 0),
        },
        13 => match key {
            b"short_message" => (Message, SHORT_MESSAGE), b"SourceContext" => (Logger, 1), b"error.message" => (ErrorMessage, 0), b"xray_trace_id" => (Trace, 7),
            b"host.hostname" => (Instance, 5), b"severity_text" => (Level(Scale::Open), 4), _ => (Field, 0),
        },
        14 => match key {
            b"error_severity" => (Level(Scale::Open), 1), b"severityNumber" | b"SeverityNumber" => (Level(Scale::Otel), 18), b"exception.type" => (ErrorType, 0),
            b"threadPriority" | b"sequenceNumber" => (Noise, 0), b"time.timestamp" => (Time, 5), b"exc_info.trace" => (Stack, 6), _ => (Field, 0),
        },
        15 => match key {
            b"severity_number" => (Level(Scale::Otel), 18), b"MessageTemplate" => (Template, 3), b"RenderedMessage" => (Message, 0), b"timestamp.nanos" => (Nanos, 0),
            b"applicationName" => (Service, 4), _ => (Field, 0),
        },
        16 => match key { b"formattedMessage" => (Message, 0), b"error.stacktrace" => (Stack, 0), _ => (Field, 0) },
        17 => match key {
            b"error.stack_trace" | b"error_stack_trace" => (Stack, 0), b"timestamp.seconds" => (Seconds, 0), b"service.node.name" => (Instance, 3),
            b"SYSLOG_IDENTIFIER" => (Service, 9), b"exception.message" => (ErrorMessage, 0), _ => (Field, 0),
        },
        18 => match key { b"extendedStackTrace" => (Stack, 2), _ => (Field, 0) },
        19 => match key {
            b"instant.epochSecond" => (Seconds, 0), b"process.thread.name" | b"process_thread_name" => (Thread, 0),
            b"kubernetes.pod.name" | b"kubernetes.pod_name" => (Instance, 1), b"service.instance.id" => (Instance, 3), b"k8s.deployment.name" => (Service, 9), _ => (Field, 0),
        },
        20 => match key {
            b"instant.nanoOfSecond" => (Nanos, 0), b"__REALTIME_TIMESTAMP" => (Time, 11), b"exception.stacktrace" => (Stack, 0), _ => (Field, 0),
        },
        21 => match key { b"kubernetes.labels.app" => (Service, 11), b"resource.service.name" => (Service, 2), _ => (Field, 0) },
        _ => match key {
            b"spring.application.name" => (Service, 2),
            b"resource.labels.pod_name" => (Instance, 2),
            b"resource.labels.container_name" => (Service, 13),
            b"resource.attributes.service.name" => (Service, 2),
            b"kubernetes.container.name" | b"kubernetes.container_name" => (Service, 12),
            b"kubernetes.labels.app.kubernetes.io/name" | b"kubernetes.labels.app_kubernetes_io/name" => (Service, 10),
            b"logging.googleapis.com/trace" => (Trace, 5),
            b"logging.googleapis.com/spanId" => (Span, 5),
            _ => (Field, 0),
        },
    };
    Alias { role, rank }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_thing() {
        for (key, role) in [
            ("@timestamp", Role::Time),
            ("log.level", Role::Level(Scale::Open)),
            ("_level_name", Role::Level(Scale::Open)),
            ("_error_stack_trace", Role::Stack),
            ("_traceId", Role::Trace),
            ("__REALTIME_TIMESTAMP", Role::Time),
            ("_source", Role::Inner),
            ("service.name", Role::Service),
            ("orderId", Role::Field),
            ("", Role::Field),
            ("_", Role::Field),
        ] {
            assert_eq!(alias(key.as_bytes()).role, role, "{key}");
        }
    }
}
