//! `key=value` pairs of a record's head and message, and the trace ids among them.
//!
//! ```text
//! [traceId=f707fb9227504c278b5133a5ff46306b, spanId=f707fb9227504c27, orderId=ord-0]
//! charging card order_id=ord_dff6bc39295f amount_cents=19815 attempt=1 note="two words"
//! Exporting failed. Dropping data.  {"otelcol.component.id": "debug", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
//! ```
//!
//! Keys and values are borrowed as they stand, so escapes inside quoted values remain. A trace id needs a key that says
//! so, or the shape of a `traceparent`: thirty-two hex digits alone may be a request id or a checksum. What this file does
//! not do: nested JSON; an object inside an object is skipped.

use crate::formats::ids_in_text;
use crate::model::ids::{SpanId, TraceId, traceparent};
use crate::model::record::{Field, Value};

/// How many pairs a record keeps; further ones stay in its text.
const MOST: usize = 24;
/// How far into a message pairs are looked for.
const DEEPEST: usize = 16 << 10;
/// No key is longer.
const LONGEST_KEY: usize = 64;

/// The pairs of one record, and what some of them say about it.
#[derive(Debug)]
pub struct Pairs<'a> {
    fields: [Field<'a>; MOST],
    len: usize,
    /// Trace id, if some pair names one.
    pub trace: TraceId,
    /// Span id, if some pair names one.
    pub span: SpanId,
    /// Service, if the head names one.
    pub service: &'a str,
}

/// A state of [`Pairs`].
#[derive(Clone, Copy, Debug)]
pub struct Mark<'a> {
    len: usize,
    trace: TraceId,
    span: SpanId,
    service: &'a str,
}

/// Where pairs stand, which decides where a value ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The context (MDC) that the pattern prints: a value ends before the next key.
    Context,
    /// A sentence: a value ends at a blank or at punctuation.
    Message,
    /// A logfmt line: a value ends at a blank.
    Logfmt,
}

impl Default for Pairs<'_> {
    fn default() -> Self {
        Self { fields: [Field { key: "", value: Value::Bool(false) }; MOST], len: 0, trace: TraceId::NONE, span: SpanId::NONE, service: "" }
    }
}

impl<'a> Pairs<'a> {
    /// The pairs kept.
    #[must_use]
    pub fn fields(&self) -> &[Field<'a>] {
        &self.fields[..self.len]
    }

    /// Takes every pair of a context or a message.
    pub fn scan(&mut self, text: &'a str, place: Place) {
        let mut at = 0;
        while self.len < MOST {
            let Some((key, value, next)) = next_pair(text, at, place) else { return };
            self.add(key, value, place == Place::Context);
            at = next;
        }
    }

    /// Takes one pair. `of_head` tells what the pattern printed from what a sentence mentions: only the first can name
    /// the record's own service.
    pub fn add(&mut self, key: &'a str, value: &'a str, of_head: bool) {
        if value.is_empty() || self.identify(key, value, of_head) {
            return;
        }
        self.push(key, typed(value));
    }

    fn push(&mut self, key: &'a str, value: Value<'a>) {
        if let Some(slot) = self.fields.get_mut(self.len) {
            *slot = Field { key, value };
            self.len += 1;
        }
    }

    /// Whether the pair is a trace id, a span id or the service, and is kept as such.
    fn identify(&mut self, key: &str, value: &'a str, of_head: bool) -> bool {
        let mut plain = [0; 20];
        let mut len = 0;
        for b in key.bytes().filter(u8::is_ascii_alphanumeric) {
            let Some(slot) = plain.get_mut(len) else { return false };
            *slot = b.to_ascii_lowercase();
            len += 1;
        }
        // All zeros is how some tracers spell "none".
        let absent = value.bytes().all(|b| matches!(b, b'0' | b'-'));
        let known = match &plain[..len] {
            b"traceid" | b"xb3traceid" | b"xtraceid" | b"mdctraceid" | b"oteltraceid" => self.set_trace(TraceId::parse(value.as_bytes())),
            b"ddtraceid" => self.set_trace(datadog(value).map_or_else(|| TraceId::parse(value.as_bytes()), |n| TraceId(n.into()))),
            b"trace" if value.len() == 32 => self.set_trace(TraceId::parse(value.as_bytes())),
            b"traceparent" | b"tp" => {
                let Some((trace, span)) = traceparent(value.as_bytes()) else { return false };
                self.set_span(span);
                self.set_trace(trace)
            }
            b"spanid" | b"xb3spanid" | b"xspanid" | b"mdcspanid" | b"otelspanid" => self.set_span(SpanId::parse(value.as_bytes())),
            b"ddspanid" => self.set_span(datadog(value).map_or_else(|| SpanId::parse(value.as_bytes()), SpanId)),
            b"span" if value.len() == 16 => self.set_span(SpanId::parse(value.as_bytes())),
            b"servicename" | b"resourceservicename" | b"service" | b"otelservicename" | b"ddservice" if of_head && self.service.is_empty() => {
                self.service = value;
                true
            }
            _ => return false,
        };
        known || absent
    }

    /// What to come back to if what is taken from here on turns out to be no context.
    #[must_use]
    pub fn mark(&self) -> Mark<'a> {
        Mark { len: self.len, trace: self.trace, span: self.span, service: self.service }
    }

    /// Forgets everything taken since the mark.
    pub fn back_to(&mut self, mark: Mark<'a>) {
        Mark { len: self.len, trace: self.trace, span: self.span, service: self.service } = mark;
    }

    /// Takes the ids of the bracket that tracing libraries put into the head.
    pub fn correlate(&mut self, trace: TraceId, span: SpanId) {
        self.set_trace(trace);
        self.set_span(span);
    }

    fn set_trace(&mut self, trace: TraceId) -> bool {
        if self.trace.is_none() {
            self.trace = trace;
        }
        !trace.is_none()
    }

    fn set_span(&mut self, span: SpanId) -> bool {
        if self.span.is_none() {
            self.span = span;
        }
        !span.is_none()
    }

    /// Takes the members of a flat JSON object that `text` is; false, and nothing taken for good, if it is none.
    pub fn json(&mut self, text: &'a str) -> bool {
        let mark = self.mark();
        let whole = self.members(text).is_some();
        if !whole {
            self.back_to(mark);
        }
        whole
    }

    fn members(&mut self, text: &'a str) -> Option<()> {
        let bytes = text.as_bytes();
        let mut at = blanks(bytes, usize::from(*bytes.first()? == b'{'));
        if at == 0 || bytes.get(at) == Some(&b'}') {
            return (at > 0 && at + 1 == bytes.len()).then_some(());
        }
        loop {
            let (key, end) = quoted(text, at)?;
            at = blanks(bytes, end);
            if bytes.get(at) != Some(&b':') {
                return None;
            }
            at = blanks(bytes, at + 1);
            at = match bytes.get(at)? {
                b'"' => {
                    let (value, end) = quoted(text, at)?;
                    if !value.is_empty() && !self.identify(key, value, true) {
                        self.push(key, Value::Text(value));
                    }
                    end
                }
                b'{' | b'[' => nested(bytes, at)?,
                _ => {
                    let len = bytes[at..].iter().position(|b| matches!(b, b',' | b'}' | b' ' | b'\n'))?;
                    let value = text.get(at..at + len)?;
                    match value {
                        "null" => {}
                        "true" | "false" => self.push(key, Value::Bool(value == "true")),
                        _ => match typed(value) {
                            Value::Text(_) => self.push(key, Value::Float(value.parse().ok()?)),
                            number => self.push(key, number),
                        },
                    }
                    at + len
                }
            };
            at = blanks(bytes, at);
            match bytes.get(at)? {
                b',' => at = blanks(bytes, at + 1),
                b'}' => return (at + 1 == bytes.len()).then_some(()),
                _ => return None,
            }
        }
    }

    /// The last resort for a record without a trace id: a `trace id: …` or a `traceparent` somewhere in its text.
    pub fn search(&mut self, text: &str) {
        if self.trace.is_none()
            && let Some((trace, span)) = ids_in_text::find(text)
        {
            self.trace = trace;
            self.set_span(span);
        }
    }
}

/// The next pair from `at` on: key, value without quotes, and where to look on.
#[must_use]
pub fn next_pair(text: &str, mut at: usize, place: Place) -> Option<(&str, &str, usize)> {
    let bytes = text.as_bytes();
    let bytes = if place == Place::Message { &bytes[..bytes.len().min(DEEPEST)] } else { bytes };
    while let Some(found) = memchr::memchr(b'=', bytes.get(at..)?) {
        let equals = at + found;
        let from = key_start(bytes, at, equals);
        at = equals + 1;
        if let Some(from) = from {
            let (start, end, next) = value_at(bytes, at, place);
            if let (Some(key), Some(value)) = (text.get(from..equals), text.get(start..end)) {
                return Some((key, value, next));
            }
        }
    }
    None
}

/// Where the key before an equals sign begins, not before `floor`.
fn key_start(bytes: &[u8], floor: usize, equals: usize) -> Option<usize> {
    let floor = floor.max(equals.saturating_sub(LONGEST_KEY));
    let len = bytes.get(floor..equals)?.iter().rev().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'@')).count();
    let from = equals - len;
    let first = *bytes.get(from)?;
    let bounded = from == 0 || matches!(bytes.get(from - 1), Some(b' ' | b'\t' | b'\n' | b',' | b';' | b'(' | b'[' | b'{' | b'|' | b'"' | b'\''));
    let next = bytes.get(equals + 1);
    (len > 0 && bounded && (first.is_ascii_alphabetic() || matches!(first, b'_' | b'@')) && !matches!(next, Some(b'=' | b'>' | b'~'))).then_some(from)
}

/// Where a value begins and ends (its quotes or brackets left out and kept, respectively), and where to look on.
fn value_at(bytes: &[u8], at: usize, place: Place) -> (usize, usize, usize) {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first() {
        Some(b'"') => {
            // A quote that stays open was cut off; its value is all there is.
            let end = closing_quote(rest).map_or(bytes.len(), |end| at + end);
            return (at + 1, end, (end + 1).min(bytes.len()));
        }
        Some(open @ (b'[' | b'{' | b'(')) if place != Place::Logfmt => {
            // Values like `[a, b]` are short; a bracket that stays open is no such value.
            let close = match open {
                b'[' => b']',
                b'{' => b'}',
                _ => b')',
            };
            if let Some(end) = rest.iter().take(256).position(|b| *b == close) {
                return (at, at + end + 1, at + end + 1);
            }
        }
        _ => {}
    }
    let len = match place {
        Place::Logfmt => rest.iter().position(|b| b.is_ascii_whitespace()).unwrap_or(rest.len()),
        Place::Message => {
            rest.iter().position(|b| b.is_ascii_whitespace() || matches!(b, b',' | b';' | b')' | b']' | b'}' | b'|' | b'"')).unwrap_or(rest.len())
        }
        Place::Context => context_value(rest),
    };
    (at, at + len, at + len)
}

/// A context's value may hold blanks and commas: it ends where the next key begins.
fn context_value(rest: &[u8]) -> usize {
    let next = memchr::memchr(b'=', rest).and_then(|equals| key_start(rest, 0, equals)).unwrap_or(rest.len());
    let value = rest.get(..next).unwrap_or(rest);
    let end = value.iter().rposition(|b| !matches!(b, b' ' | b',' | b';' | b'|')).map_or(0, |last| last + 1);
    // Without a separator there was no next key: `a=b=c`.
    if next < rest.len() && end == value.len() { rest.iter().position(|b| matches!(b, b' ' | b',')).unwrap_or(rest.len()) } else { end }
}

/// The offset of the quote that closes the one `rest` begins with.
fn closing_quote(rest: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        let found = at + memchr::memchr2(b'"', b'\\', rest.get(at..)?)?;
        if rest[found] == b'"' {
            return Some(found);
        }
        at = found + 2;
    }
}

fn quoted(text: &str, at: usize) -> Option<(&str, usize)> {
    let rest = text.as_bytes().get(at..).filter(|rest| rest.first() == Some(&b'"'))?;
    let end = at + closing_quote(rest)?;
    Some((text.get(at + 1..end)?, end + 1))
}

fn blanks(bytes: &[u8], at: usize) -> usize {
    at + bytes.get(at..).unwrap_or_default().iter().take_while(|b| b.is_ascii_whitespace()).count()
}

/// Where a nested JSON value ends.
fn nested(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match *bytes.get(at)? {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b'"' => at += closing_quote(&bytes[at..])?,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// A number or a truth value where the text can be given back from it, else the text.
fn typed(text: &str) -> Value<'_> {
    let bytes = text.as_bytes();
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    match digits.first() {
        Some(b'0'..=b'9') if digits.len() <= 18 => {}
        Some(b't' | b'f' | b'T' | b'F') => {
            return match text {
                "true" | "True" => Value::Bool(true),
                "false" | "False" => Value::Bool(false),
                _ => Value::Text(text),
            };
        }
        _ => return Value::Text(text),
    }
    let whole = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if whole > 1 && digits[0] == b'0' {
        return Value::Text(text);
    }
    match digits.get(whole) {
        None => text.parse().map_or(Value::Text(text), Value::Int),
        Some(b'.') if digits.len() > whole + 1 && digits[whole + 1..].iter().all(u8::is_ascii_digit) => {
            text.parse().map_or(Value::Text(text), Value::Float)
        }
        Some(_) => Value::Text(text),
    }
}

/// Datadog writes its ids in decimal.
fn datadog(text: &str) -> Option<u64> {
    if text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str, place: Place) -> String {
        let mut pairs = Pairs::default();
        pairs.scan(text, place);
        pairs.search(text);
        told(&pairs)
    }

    fn told(pairs: &Pairs<'_>) -> String {
        let mut out = String::new();
        for field in pairs.fields() {
            out += &format!("{}={:?} ", field.key, field.value);
        }
        if !pairs.trace.is_none() {
            out += &format!("trace {} ", pairs.trace);
        }
        if !pairs.span.is_none() {
            out += &format!("span {} ", pairs.span);
        }
        out + pairs.service
    }

    const TRACE: &str = "f707fb9227504c278b5133a5ff46306b";

    #[test]
    fn contexts() {
        assert_eq!(
            show(&format!("traceId={TRACE}, spanId=f707fb9227504c27, orderId=ord-0"), Place::Context),
            format!("orderId=Text(\"ord-0\") trace {TRACE} span f707fb9227504c27 ")
        );
        assert_eq!(show("user=John Smith, n=3, empty=, last=x y", Place::Context), "user=Text(\"John Smith\") n=Int(3) last=Text(\"x y\") ");
        assert_eq!(
            show(&format!("trace_id={TRACE} span_id=0 resource.service.name=pay trace_sampled=True"), Place::Context),
            format!("trace_sampled=Bool(true) trace {TRACE} pay")
        );
        assert_eq!(
            show("dd.trace_id=123456789012345678 dd.span_id=255", Place::Context),
            "trace 000000000000000001b69b4ba630f34e span 00000000000000ff "
        );
    }

    #[test]
    fn messages() {
        assert_eq!(
            show("took_ms=17 ratio=0.5 id=007, order{id=3, list=[a, b]} note=\"two words\" ok=true", Place::Message),
            "took_ms=Int(17) ratio=Float(0.5) id=Text(\"007\") id=Int(3) list=Text(\"[a, b]\") note=Text(\"two words\") ok=Bool(true) "
        );
        assert_eq!(show("GET /q?x=1&y=2 a == b c=>d =e ==== x!=y service=other", Place::Message), "service=Text(\"other\") ");
        assert_eq!(show(&format!("Trace ID: {TRACE} done"), Place::Message), format!("trace {TRACE} "));
        assert_eq!(show(&format!("head 00-{TRACE}-f707fb9227504c27-01"), Place::Message), format!("trace {TRACE} span f707fb9227504c27 "));
        assert_eq!(show(&format!("request {TRACE} done"), Place::Message), "");
    }

    #[test]
    fn objects() {
        let text =
            format!("{{\"service\":\"payment\", \"traceId\":\"{TRACE}\", \"n\":2, \"x\":1e3, \"o\":{{\"a\":\"}}\"}}, \"b\":true, \"z\":null}}");
        let mut pairs = Pairs::default();
        assert!(pairs.json(&text));
        assert_eq!(told(&pairs), format!("n=Int(2) x=Float(1000.0) b=Bool(true) trace {TRACE} payment"));
        for text in ["", "{", "{}x", "{\"a\"", "{\"a\":1", "{a:1}", "{\"a\":[}", "{\"a\":\"b\\\"}", "[1]"] {
            let mut pairs = Pairs::default();
            assert!(!pairs.json(text), "{text}");
            assert_eq!(told(&pairs), "", "{text}");
        }
        assert!(Pairs::default().json("{}"));
    }

    #[test]
    fn many_pairs_are_bounded() {
        let text = "a=[ ".repeat(5_000);
        let mut pairs = Pairs::default();
        pairs.scan(&text, Place::Message);
        assert_eq!(pairs.fields().len(), MOST);
    }
}
