//! What has been found of a record so far: one place for each part, and the rules for filling it.
//!
//! What this file does not do: walk. It is given one member after the other.

use crate::formats::ids_in_text;
use crate::formats::json_log::bump::Bump;
use crate::formats::json_log::keys::{self, Role};
use crate::formats::json_log::levels::{self, Scale};
use crate::formats::json_log::{ids, stack, template};
use crate::formats::timestamp;
use crate::model::digits;
use crate::model::ids::{SpanId, TraceId, traceparent};
use crate::model::record::{Field, Level, LogRecord, Value};
use crate::model::source::Hints;
use crate::model::time::{SECOND, Time};

/// A value, the key it came under, and how good the key's claim was.
#[derive(Clone, Copy)]
pub struct Slot<'a, T> {
    /// The lower the better; 255 if nothing was found.
    pub rank: u8,
    /// The key.
    pub key: &'a str,
    /// The value.
    pub value: T,
}

impl<T: Default> Default for Slot<'_, T> {
    fn default() -> Self {
        Self { rank: u8::MAX, key: "", value: T::default() }
    }
}

/// 2000-01-01. Numbers below it are durations and counters, not times.
const EARLIEST: Time = Time(946_684_800 * SECOND);

/// The parts of a record.
pub struct Found<'a> {
    /// The message.
    pub message: Slot<'a, &'a str>,
    /// The list of values for the message's `{}`, as JSON.
    pub arguments: &'a str,
    /// Everything that is no part of its own.
    pub fields: Vec<Field<'a>>,
    zone: i32,
    time: Slot<'a, Time>,
    time_value: Value<'a>,
    seconds: Option<i64>,
    nanos: Option<i64>,
    level: Slot<'a, Level>,
    level_number: Slot<'a, (i64, Option<Scale>)>,
    template: bool,
    gelf: bool,
    full_message: &'a str,
    formatted: &'a str,
    logger: Slot<'a, &'a str>,
    name: &'a str,
    thread: Slot<'a, &'a str>,
    service: Slot<'a, &'a str>,
    instance: Slot<'a, &'a str>,
    host: &'a str,
    trace: Slot<'a, &'a str>,
    trace_id: TraceId,
    span: Slot<'a, &'a str>,
    span_id: SpanId,
    stack: Slot<'a, &'a str>,
    tree: Slot<'a, &'a str>,
    error_type: &'a str,
    error_message: &'a str,
}

impl<'a> Found<'a> {
    /// Nothing yet. `fields` is an empty vector whose memory is used.
    pub fn new(hints: &Hints, fields: Vec<Field<'a>>) -> Self {
        Self {
            message: Slot::default(),
            arguments: "",
            fields,
            zone: hints.zone,
            time: Slot::default(),
            time_value: Value::Bool(false),
            seconds: None,
            nanos: None,
            level: Slot::default(),
            level_number: Slot::default(),
            template: false,
            gelf: false,
            full_message: "",
            formatted: "",
            logger: Slot::default(),
            name: "",
            thread: Slot::default(),
            service: Slot::default(),
            instance: Slot::default(),
            host: "",
            trace: Slot::default(),
            trace_id: TraceId::NONE,
            span: Slot::default(),
            span_id: SpanId::NONE,
            stack: Slot::default(),
            tree: Slot::default(),
            error_type: "",
            error_message: "",
        }
    }

    /// Adds a field.
    #[inline]
    pub fn field(&mut self, key: &'a str, value: Value<'a>) {
        self.fields.push(Field { key, value });
    }

    /// Takes a text member.
    pub fn text(&mut self, text: &'a str, key: &'a str, role: Role, rank: u8) {
        match role {
            Role::Time => match time_of(text, self.zone) {
                Some(time) => self.timed(time, Value::Text(text), key, rank),
                None => self.field(key, Value::Text(text)),
            },
            Role::Level(scale) => match levels::word(text) {
                Some(level) => self.leveled(level, text, key, rank),
                None => match text.trim().parse() {
                    Ok(number) => self.level_number = Slot { rank, key, value: (number, Some(scale)) },
                    Err(_) => self.field(key, Value::Text(text)),
                },
            },
            Role::Message | Role::Template => {
                self.gelf |= rank % 32 == keys::SHORT_MESSAGE;
                if rank <= self.message.rank {
                    self.template = role == Role::Template;
                }
                put(&mut self.message, &mut self.fields, text, key, rank);
            }
            Role::FullMessage => self.full_message = text,
            Role::Formatted => self.formatted = text,
            Role::Logger => put(&mut self.logger, &mut self.fields, text, key, rank),
            Role::Name => self.name = text,
            Role::Thread => put(&mut self.thread, &mut self.fields, text, key, rank),
            // `billing@docker` is how Traefik calls the service behind it; the record is its own.
            Role::Service if text.contains('@') => self.field(key, Value::Text(text)),
            Role::Service => put(&mut self.service, &mut self.fields, text, key, rank),
            Role::Instance => put(&mut self.instance, &mut self.fields, text, key, rank),
            Role::Host => self.host = text,
            Role::Trace => self.traced(text, key, rank),
            Role::Span => self.spanned(text, key, rank),
            Role::TraceParent => match traceparent(text.trim().as_bytes()) {
                Some((trace, span)) => {
                    if rank < self.trace.rank {
                        (self.trace, self.trace_id) = (Slot { rank, key, value: text }, trace);
                    }
                    if rank < self.span.rank {
                        (self.span, self.span_id) = (Slot { rank, key, value: text }, span);
                    }
                }
                None => self.field(key, Value::Text(text)),
            },
            Role::Stack if stack::plausible(text) => put(&mut self.stack, &mut self.fields, text, key, rank),
            Role::ErrorType | Role::ErrorMessage => {
                *if role == Role::ErrorType { &mut self.error_type } else { &mut self.error_message } = text;
                self.field(key, Value::Text(text));
            }
            Role::Noise => {}
            _ => self.field(key, Value::Text(text)),
        }
    }

    /// Takes a number.
    pub fn number(&mut self, number: &'a str, key: &'a str, role: Role, rank: u8) {
        match role {
            Role::Time => {
                if let Some(time) = epoch(number) {
                    return self.timed(time, value_of(number), key, rank);
                }
            }
            Role::Seconds => self.seconds = number.parse().ok(),
            Role::Nanos => self.nanos = number.parse().ok(),
            Role::Level(scale) => {
                if let Some(value) = whole(number) {
                    if rank <= self.level_number.rank {
                        self.level_number = Slot { rank, key, value: (value, Some(scale)) };
                    }
                    return;
                }
            }
            Role::Trace => return self.traced(number, key, rank),
            Role::Span => return self.spanned(number, key, rank),
            Role::Message if rank % 32 <= keys::MESSAGE => return put(&mut self.message, &mut self.fields, number, key, rank),
            Role::Noise => return,
            _ => {}
        }
        if !matches!(role, Role::Seconds | Role::Nanos) {
            self.field(key, value_of(number));
        }
    }

    /// Takes an exception that is written as an object or list; says whether it is one.
    pub fn tree(&mut self, tree: &'a str, rank: u8) -> bool {
        let exception = ["\"name\"", "\"className\"", "\"exc_type\"", "\"type\"", "\"class\"", "\"message\"", "tackTrace\""];
        if tree.len() <= 2 || !exception.iter().any(|key| tree.contains(key)) {
            return false;
        }
        if rank <= self.tree.rank {
            self.tree = Slot { rank, key: "", value: tree };
        }
        true
    }

    /// Takes what stood before the object on its line: a time and a level, if the record has none.
    pub fn prefix(&mut self, prefix: &'a str) {
        let prefix = prefix.trim();
        if prefix.is_empty() {
            return;
        }
        let mut rest = prefix;
        if let Some((time, used)) = timestamp::iso(prefix.as_bytes(), self.zone) {
            if self.time.rank == u8::MAX {
                self.time.value = time;
            }
            rest = prefix.get(used..).unwrap_or_default();
        }
        let level = rest.split_whitespace().find_map(|word| levels::word(word.trim_matches(['[', ']', ':', '|', '-'])).filter(|_| word.len() > 2));
        if let Some(level) = level.filter(|_| self.level.rank == u8::MAX && self.level_number.rank == u8::MAX) {
            self.level = Slot { rank: u8::MAX - 1, key: "", value: level };
        }
        self.field("prefix", Value::Text(prefix));
    }

    /// The record. Its fields are in [`Found::fields`]; evidence is left to the caller.
    pub fn finish(&mut self, bump: &mut Bump<'a>) -> LogRecord<'a> {
        self.service_behind();
        self.name_and_host();
        let level = self.settle_level();
        let stack = self.settle_stack(bump);
        let message = self.settle_message(bump);
        if self.trace_id.is_none()
            && let Some((trace, span)) = ids_in_text::find(message)
        {
            self.trace_id = trace;
            self.span_id = if self.span_id.is_none() { span } else { self.span_id };
        }
        LogRecord {
            time: self.settle_time(),
            level,
            service: self.service.value,
            instance: self.instance.value,
            logger: self.logger.value,
            thread: self.thread.value,
            trace: self.trace_id,
            span: self.span_id,
            message,
            stack,
            ..LogRecord::default()
        }
    }

    fn timed(&mut self, time: Time, value: Value<'a>, key: &'a str, rank: u8) {
        let mut loser = (Slot { rank, key, value: time }, value);
        if rank <= self.time.rank {
            std::mem::swap(&mut self.time, &mut loser.0);
            std::mem::swap(&mut self.time_value, &mut loser.1);
        }
        if loser.0.value.is_some() && loser.0.value != self.time.value {
            self.field(loser.0.key, loser.1);
        }
    }

    fn leveled(&mut self, level: Level, text: &'a str, key: &'a str, rank: u8) {
        if rank <= self.level.rank {
            self.level = Slot { rank, key, value: level };
        } else if level != self.level.value {
            self.field(key, Value::Text(text));
        }
    }

    fn traced(&mut self, text: &'a str, key: &'a str, rank: u8) {
        match ids::trace(text, datadog(key)) {
            Some(id) if id.is_none() => {}
            Some(id) if rank <= self.trace.rank => {
                if !self.trace_id.is_none() && self.trace_id != id && self.trace.key != key {
                    self.field(self.trace.key, Value::Text(self.trace.value));
                }
                (self.trace, self.trace_id) = (Slot { rank, key, value: text }, id);
            }
            Some(id) if id == self.trace_id => {}
            _ => self.field(key, Value::Text(text)),
        }
    }

    fn spanned(&mut self, text: &'a str, key: &'a str, rank: u8) {
        match ids::span(text, datadog(key)) {
            Some(id) if id.is_none() => {}
            Some(id) if rank <= self.span.rank => (self.span, self.span_id) = (Slot { rank, key, value: text }, id),
            Some(id) if id == self.span_id => {}
            _ => self.field(key, Value::Text(text)),
        }
    }

    fn settle_time(&self) -> Time {
        let fraction = self.nanos.filter(|nanos| (0..SECOND).contains(nanos));
        match (self.seconds, fraction) {
            (Some(seconds), _) => seconds.checked_mul(SECOND).and_then(|s| s.checked_add(fraction.unwrap_or(0))).map_or(self.time.value, Time),
            // Logback writes milliseconds, and the whole fraction beside them.
            (None, Some(nanos)) if self.time.value.is_some() && self.time.value.0.rem_euclid(SECOND) / 1_000_000 == nanos / 1_000_000 => {
                Time(self.time.value.0 - self.time.value.0.rem_euclid(SECOND) + nanos)
            }
            _ => self.time.value,
        }
    }

    fn settle_level(&mut self) -> Level {
        let Slot { rank, key, value: (number, scale) } = self.level_number;
        if rank > self.level.rank {
            return self.level.value;
        }
        let scale = match scale {
            None => return self.level.value,
            Some(Scale::Open) if self.gelf => Scale::Syslog,
            Some(Scale::Open) if (1..=60).contains(&number) && number % 10 == 0 => {
                if self.time.rank % 32 == keys::PYTHON_TIME {
                    Scale::Python
                } else {
                    Scale::Node
                }
            }
            Some(scale) => scale,
        };
        match levels::number(number, scale) {
            Some(level) => level,
            None => {
                self.field(key, Value::Int(number));
                self.level.value
            }
        }
    }

    /// Kong names the service behind it; the record is its own.
    fn service_behind(&mut self) {
        if self.service.key == "service.name" && self.fields.iter().any(|field| matches!(field.key, "latencies.kong" | "latencies.proxy")) {
            let service = std::mem::take(&mut self.service);
            self.field("upstream_service", Value::Text(service.value));
        }
    }

    /// Decides what the two keys mean that say different things in different libraries.
    fn name_and_host(&mut self) {
        let node = self.level_number.rank != u8::MAX && self.level.rank == u8::MAX && self.instance.rank != u8::MAX;
        if !self.name.is_empty() {
            if node && self.service.value.is_empty() {
                self.service.value = self.name;
            } else if !node && self.logger.value.is_empty() && !self.name.contains(char::is_whitespace) {
                self.logger.value = self.name;
            } else {
                self.field("name", Value::Text(self.name));
            }
        }
        if !self.host.is_empty() {
            if self.instance.value.is_empty() {
                self.instance.value = self.host;
            } else if self.host != self.instance.value {
                self.field("host", Value::Text(self.host));
            }
            let boot = self.gelf && self.logger.rank % 32 == keys::BOOT_GELF_LOGGER;
            if boot && self.service.value.is_empty() {
                self.service.value = self.host;
            }
        }
    }

    fn settle_stack(&mut self, bump: &mut Bump<'a>) -> &'a str {
        if !self.full_message.is_empty() {
            let rest = self.full_message.strip_prefix(self.message.value).unwrap_or(self.full_message);
            match stack::start(rest).and_then(|at| rest.get(at..)) {
                Some(trace) if self.stack.value.is_empty() => self.stack.value = trace,
                Some(_) => {}
                None if rest.trim().is_empty() => {}
                None => self.field("full_message", Value::Text(self.full_message)),
            }
        }
        if !self.formatted.is_empty() {
            let trace = stack::start(self.formatted).and_then(|at| self.formatted.get(at..));
            match trace {
                Some(trace) if self.stack.value.is_empty() => self.stack.value = trace,
                _ if self.message.value.is_empty() => self.message.value = self.formatted.trim_end(),
                _ if self.formatted.contains(self.message.value) => {}
                _ => self.field("text", Value::Text(self.formatted)),
            }
        }
        if !self.stack.value.is_empty() {
            return stack::headed(self.stack.value, self.error_type, self.error_message, bump);
        }
        if let Some(text) = (!self.tree.value.is_empty()).then(|| stack::render(self.tree.value, bump)).flatten() {
            return text;
        }
        if self.error_type.is_empty() || self.error_message.is_empty() {
            return "";
        }
        let parts = [self.error_type, ": ", self.error_message];
        bump.text(|pen| parts.iter().for_each(|part| pen.push(part))).unwrap_or("")
    }

    fn settle_message(&self, bump: &mut Bump<'a>) -> &'a str {
        let message = self.message.value;
        let rendered = if self.template && message.contains('{') {
            bump.text(|pen| template::named(message, &self.fields, pen))
        } else if !self.arguments.is_empty() && message.contains("{}") {
            bump.text(|pen| template::positional(message, self.arguments, pen))
        } else {
            None
        };
        rendered.unwrap_or(message)
    }
}

/// Fills a part of the record. What it held, or what does not get it, becomes a field, unless it says the same.
#[inline]
fn put<'a>(slot: &mut Slot<'a, &'a str>, fields: &mut Vec<Field<'a>>, text: &'a str, key: &'a str, rank: u8) {
    if text.is_empty() {
        return;
    }
    let mut loser = Slot { rank, key, value: text };
    if rank <= slot.rank {
        std::mem::swap(slot, &mut loser);
    }
    let repeated = loser.key == slot.key && loser.rank == slot.rank;
    if !loser.value.is_empty() && loser.value != slot.value && !repeated {
        fields.push(Field { key: loser.key, value: Value::Text(loser.value) });
    }
}

/// Whether a key of an id is one of Datadog's, whose ids are decimal numbers.
fn datadog(key: &str) -> bool {
    key.ends_with("dd.trace_id") || key.ends_with("dd.span_id")
}

fn time_of(text: &str, zone: i32) -> Option<Time> {
    timestamp::of_value(Value::Text(text), zone).filter(|&time| time >= EARLIEST)
}

/// An epoch number. A fraction belongs to seconds; milliseconds with one pass through a float.
fn epoch(number: &str) -> Option<Time> {
    let whole = memchr::memchr(b'.', number.as_bytes()).unwrap_or(number.len());
    let time = if whole <= 11 || whole == number.len() { timestamp::epoch_text(number.as_bytes()) } else { None };
    time.or_else(|| timestamp::of_value(Value::Float(number.parse().ok()?), 0)).filter(|&time| time >= EARLIEST)
}

fn whole(number: &str) -> Option<i64> {
    digits::whole(number.as_bytes()).or_else(|| number.parse().ok())
}

/// The value of a number as written.
fn value_of(number: &str) -> Value<'_> {
    if let Some(value) = whole(number) {
        return Value::Int(value);
    }
    number.parse().map_or(Value::Text(number), Value::Float)
}
