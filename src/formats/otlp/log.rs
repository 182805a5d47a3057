//! A log record on its way to a record.
//!
//! A body that is a map is a structured log line: its message is found by name, the rest become fields. The exception of
//! the semantic conventions becomes the stack, `thread.name` the thread, the scope's name the logger.
//! What this file does not do: read a body that is text in some log format; it stays the message.

use crate::formats::arena::Arena;
use crate::formats::otlp::{Resource, level_named, text_field};
use crate::model::ids::{SpanId, TraceId};
use crate::model::record::{Field, Level, LogRecord, Sink, Value};
use crate::model::source::Evidence;
use crate::model::time::Time;

/// A log record being read.
#[derive(Default)]
pub struct LogDraft<'a> {
    /// What stands in the record itself.
    pub head: LogRecord<'a>,
    /// When the collector saw it; stands in for a missing time.
    pub observed: Time,
    /// The severity as text; stands in for a missing number.
    pub severity_text: &'a str,
    /// Name of an event.
    pub event_name: &'a str,
    /// Attributes.
    pub fields: Vec<Field<'a>>,
    /// What a body that is a map holds; a body of any other kind is one field without a key.
    pub body: Vec<Field<'a>>,
}

/// Keys under which a structured body holds its message, the usual first.
const MESSAGE_KEYS: &[&str] = &["message", "msg", "log", "short_message", "event", "body"];

/// What the exception attributes say.
#[derive(Default)]
struct Exception<'a> {
    class: &'a str,
    message: &'a str,
    stack: &'a str,
}

impl<'a> LogDraft<'a> {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.head = LogRecord::default();
        self.observed = Time::NONE;
        (self.severity_text, self.event_name) = ("", "");
        self.fields.clear();
        self.body.clear();
    }

    /// Hands the record over.
    pub fn tell(&mut self, resource: &Resource<'a>, scope: &'a str, arena: &'a Arena, evidence: Evidence, sink: &mut dyn Sink) {
        let mut head = self.head;
        head.time = if head.time.is_some() { head.time } else { self.observed };
        head.message = self.take_message(arena);
        self.fields.append(&mut self.body);
        let exception = self.take_known(&mut head);
        head.stack = if head.stack.is_empty() { exception.text(arena) } else { head.stack };
        if head.level == Level::None {
            head.level = level_named(self.severity_text);
        }
        if !self.event_name.is_empty() {
            if head.message.is_empty() {
                head.message = self.event_name;
            }
            self.fields.push(text_field("event.name", self.event_name));
        }
        let logger = if head.logger.is_empty() { scope } else { head.logger };
        let told: LogRecord<'_> = head;
        sink.log(&LogRecord { service: resource.service, instance: resource.instance, logger, fields: &self.fields, evidence, ..told });
    }

    /// The message; what else the body holds stays there.
    fn take_message(&mut self, arena: &'a Arena) -> &'a str {
        let keys = std::iter::once(&"").chain(MESSAGE_KEYS);
        let Some(at) = keys.into_iter().find_map(|key| self.body.iter().position(|f| f.key == *key)) else { return "" };
        match self.body.remove(at).value {
            Value::Text(text) => text,
            Value::Int(n) => arena.keep(n.to_string()),
            Value::Float(n) => arena.keep(n.to_string()),
            Value::Bool(b) => arena.keep(b.to_string()),
        }
    }

    /// Takes the fields that have a place of their own in a record out of the list.
    fn take_known(&mut self, head: &mut LogRecord<'a>) -> Exception<'a> {
        let mut exception = Exception::default();
        let mut severity = self.severity_text;
        self.fields.retain(|field| {
            let Value::Text(text) = field.value else { return true };
            let place = match field.key {
                "exception.type" => &mut exception.class,
                "exception.message" => &mut exception.message,
                "exception.stacktrace" => &mut exception.stack,
                "thread.name" => &mut head.thread,
                "stack_trace" => &mut head.stack,
                "level" | "severity" | "log.level" if head.level == Level::None => &mut severity,
                "logger_name" | "log.logger" => &mut head.logger,
                "trace_id" | "traceId" | "trace.id" if head.trace.is_none() => {
                    head.trace = TraceId::parse(text.as_bytes());
                    return head.trace.is_none();
                }
                "span_id" | "spanId" | "span.id" if head.span.is_none() => {
                    head.span = SpanId::parse(text.as_bytes());
                    return head.span.is_none();
                }
                _ => return true,
            };
            let free = place.is_empty() && !text.is_empty();
            if free {
                *place = text;
            }
            !free
        });
        self.severity_text = severity;
        exception
    }
}

impl<'a> Exception<'a> {
    /// The stack trace, beginning with the exception's type: Java prints it there, Python at the end, some nowhere.
    fn text(&self, arena: &'a Arena) -> &'a str {
        if self.stack.starts_with(self.class) && !self.stack.is_empty() {
            return self.stack;
        }
        let mut text = String::from(self.class);
        for (part, separator) in [(self.message, ": "), (self.stack, "\n")] {
            if !part.is_empty() && !text.is_empty() {
                text.push_str(separator);
            }
            text.push_str(part);
        }
        if text.is_empty() { "" } else { arena.keep(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::transcript::Transcript;

    fn told(fill: impl FnOnce(&mut LogDraft<'static>)) -> String {
        let arena: &'static Arena = Box::leak(Box::default());
        let (mut draft, mut transcript) = (LogDraft::default(), Transcript::default());
        fill(&mut draft);
        draft.tell(&Resource::default(), "a.Logger", arena, Evidence::default(), &mut transcript);
        transcript.text.trim_end().to_owned()
    }

    #[test]
    fn a_text_body_is_the_message() {
        let text = told(|draft| {
            draft.body.push(text_field("", "accepted"));
            draft.fields.push(text_field("thread.name", "main"));
            draft.fields.push(text_field("order.id", "7"));
        });
        assert_eq!(text, r#"log @0+0 logger="a.Logger" thread="main" message="accepted" fields="order.id=7;""#);
    }

    #[test]
    fn a_map_is_a_structured_line() {
        let text = told(|draft| {
            draft.body.extend([text_field("event", "x"), text_field("msg", "accepted"), text_field("level", "warn"), text_field("trace_id", "1f")]);
        });
        let trace = "0000000000000000000000000000001f";
        assert_eq!(text, format!(r#"log @0+0 level="WARN" logger="a.Logger" trace="{trace}" message="accepted" fields="event=x;""#));
    }

    #[test]
    fn an_exception_becomes_the_stack() {
        let stack = |class: &'static str, message: &'static str, trace: &'static str| {
            told(|draft| {
                let named = [("exception.type", class), ("exception.message", message), ("exception.stacktrace", trace)];
                draft.fields.extend(named.into_iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| text_field(key, text)));
            })
        };
        assert_eq!(stack("a.B", "no", "a.B: no\n\tat x"), r#"log @0+0 logger="a.Logger" stack="a.B: no" stack_lines="2""#);
        assert_eq!(stack("E", "no", "Traceback:\n f\nE: no"), r#"log @0+0 logger="a.Logger" stack="E: no" stack_lines="4""#);
        assert_eq!(stack("E", "", ""), r#"log @0+0 logger="a.Logger" stack="E" stack_lines="1""#);
        assert_eq!(stack("", "no", ""), r#"log @0+0 logger="a.Logger" stack="no" stack_lines="1""#);
    }

    #[test]
    fn the_observed_time_and_the_event_name_stand_in() {
        let text = told(|draft| {
            draft.observed = Time(1_795_376_426_000_000_000);
            draft.event_name = "page.view";
        });
        assert_eq!(text, r#"log @0+0 time="2026-11-22T19:40:26Z" logger="a.Logger" message="page.view" fields="event.name=page.view;""#);
    }
}
