//! What the JSON of Jaeger and of Zipkin have in common: the walk over the objects of a document, and values that carry
//! their own type.
//!
//! ```text
//! [{"traceId":"0562809467078eab"},{"traceId":…}]     [[{…},{…}],[{…}]]     {"data":[…]}
//! {"http.method":"GET","http.status_code":200}       {"http@status_code":200}
//! "startTime":1706678909209712                       "startTime":"2017-01-26T16:46:31.639875-05:00"
//! ```
//!
//! Behind a fault the walk goes on with the next object in a list that begins as the spans before it did. What this file
//! does not do: know the keys of either format.

use crate::formats::json_scan::{Scan, Step, parse_int};
use crate::formats::otlp::Ground;
use crate::formats::timestamp::iso;
use crate::model::record::{Field, Reason, Sink, SpanKind, Value};
use crate::model::time::Time;
use memchr::memmem;

/// No first key of a span is longer.
const LONGEST_KEY: usize = 64;

/// A walk over the objects that stand in no other object.
pub struct Walk<'a, 's> {
    /// The text.
    pub scan: Scan<'a>,
    /// Where the text stands in its file.
    pub ground: Ground,
    /// Takes what is read.
    pub sink: &'s mut dyn Sink,
    /// Where the first thing begins that has not been read to its end.
    pub open: usize,
    /// Whether something was broken, so that brackets can no longer be trusted to pair.
    pub damaged: bool,
    /// How an object begins that is worth going on with: its first key.
    opening: &'a [u8],
    learned: bool,
    arrays: usize,
}

impl<'a, 's> Walk<'a, 's> {
    /// At the start of a text. `opening` is the first key of spans, or how it begins, with its quote.
    pub fn new(mut scan: Scan<'a>, ground: Ground, sink: &'s mut dyn Sink, opening: &'static [u8]) -> Self {
        if scan.bytes().starts_with(b"\xef\xbb\xbf") {
            scan.restart(3);
        }
        Self { scan, ground, sink, open: 0, damaged: false, opening, learned: false, arrays: 0 }
    }

    /// Moves to the next object; no at the end. What stands between objects separates the items of an array or a stream.
    pub fn next_object(&mut self) -> bool {
        while let Some(byte) = self.scan.peek() {
            let at = self.scan.at();
            match byte {
                b'{' => {
                    self.open = at;
                    return true;
                }
                b'[' => self.arrays += 1,
                b']' => self.arrays = self.arrays.saturating_sub(1),
                b',' | 0x1e => {}
                _ if self.damaged => {
                    self.open = at;
                    self.give_up(Reason::Malformed);
                    continue;
                }
                _ => {
                    self.open = at;
                    match self.scan.skip() {
                        Ok(()) => self.sink.quarantine(self.ground.part(at, self.scan.at() - at), Reason::Malformed),
                        Err(reason) => self.give_up(reason),
                    }
                    continue;
                }
            }
            self.scan.restart(at + 1);
        }
        if self.arrays > 0 && !self.damaged {
            let end = self.scan.bytes().len();
            self.sink.quarantine(self.ground.part(self.open.min(end), end.saturating_sub(self.open)), Reason::Truncated);
        }
        false
    }

    /// Learns from the first span, under the cursor, how spans begin.
    pub fn learn(&mut self) {
        if !self.learned {
            self.learned = true;
            let text = self.scan.bytes().get(self.scan.at()..).unwrap_or_default();
            self.opening = first_key(text).unwrap_or(self.opening);
        }
    }

    /// The object that `give_up` would go on with: one in a list that begins as spans do. Where the text seems to be cut,
    /// it must have an end.
    #[must_use]
    pub fn following(&mut self, reason: Reason) -> Option<usize> {
        let (back, from) = (self.scan.mark(), self.open + 1);
        let text = self.scan.bytes().get(from..)?;
        let found = memmem::find_iter(text, self.opening).find_map(|at| {
            let before = text.get(..at)?.trim_ascii_end();
            let start = before.strip_suffix(b"{")?.len();
            // The value of a key is part of another object.
            let listed = !before.get(..start)?.trim_ascii_end().ends_with(b":");
            self.scan.restart(from + start);
            (listed && (reason != Reason::Truncated || self.scan.skip().is_ok())).then_some(from + start)
        });
        self.scan.go(back);
        found
    }

    /// Gives up what is open and goes on with the next object that can be found.
    pub fn give_up(&mut self, reason: Reason) {
        let bytes = self.scan.bytes();
        let next = self.following(reason);
        let reason = if next.is_some() && reason == Reason::Truncated { Reason::Malformed } else { reason };
        let end = next.unwrap_or(bytes.len());
        let lost = bytes.get(self.open..end).unwrap_or_default();
        let kept = lost.iter().rposition(|b| !matches!(b, b' ' | b'\n' | b'\r' | b'\t' | b',')).map_or(0, |last| last + 1);
        self.sink.quarantine(self.ground.part(self.open, kept), reason);
        self.damaged = true;
        self.open = end;
        self.scan.restart(end);
    }
}

/// The first key of the object that `text` opens, with its quotes.
fn first_key(text: &[u8]) -> Option<&[u8]> {
    let inside = text.strip_prefix(b"{")?.trim_ascii_start();
    let end = inside.strip_prefix(b"\"")?.iter().take(LONGEST_KEY).position(|&b| b == b'"')?;
    inside.get(..end + 2)
}

/// A value as it stands, objects and arrays as their text; none for null.
pub fn scalar<'a>(scan: &mut Scan<'a>) -> Step<Option<Value<'a>>> {
    match scan.peek() {
        Some(b'"') => return Ok(Some(Value::Text(scan.text()?))),
        Some(b'{' | b'[') => {
            let start = scan.at();
            scan.skip()?;
            let raw = scan.bytes().get(start..scan.at()).unwrap_or_default();
            return Ok(Some(Value::Text(std::str::from_utf8(raw).unwrap_or_else(|_| scan.arena().keep(String::from_utf8_lossy(raw))))));
        }
        _ => {}
    }
    let word = scan.text()?;
    Ok(Some(match word {
        "" => return Ok(None),
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ if word.contains(['.', 'e', 'E']) => word.parse().map_or(Value::Text(word), Value::Float),
        _ => parse_int(word.as_bytes()).map_or(Value::Text(word), Value::Int),
    }))
}

/// The members of an object as fields; the key goes through `name`.
pub fn members<'a>(scan: &mut Scan<'a>, name: fn(&Scan<'a>, &'a str) -> &'a str, out: &mut Vec<Field<'a>>) -> Step<()> {
    if scan.enter_object()? {
        while let Some(key) = scan.key()? {
            if let Some(value) = scalar(scan)? {
                out.push(Field { key: name(scan, key), value });
            }
        }
    }
    Ok(())
}

/// A point in time: microseconds since 1970, or a date. Zero and what does not fit is none.
pub fn time(scan: &mut Scan<'_>) -> Step<Time> {
    if scan.peek() == Some(b'"') {
        let text = scan.text()?.trim().as_bytes();
        return Ok(iso(text, 0).map_or_else(|| micros(parse_int(text)), |(time, _)| time));
    }
    Ok(micros(scan.int()?))
}

fn micros(number: Option<i64>) -> Time {
    number.filter(|&n| n > 0).and_then(|n| n.checked_mul(1_000)).map_or(Time::NONE, Time)
}

/// A kind by its name in whatever case.
#[must_use]
pub fn kind(name: &str) -> SpanKind {
    const NAMES: [(&str, SpanKind); 5] = [
        ("client", SpanKind::Client),
        ("server", SpanKind::Server),
        ("producer", SpanKind::Producer),
        ("consumer", SpanKind::Consumer),
        ("internal", SpanKind::Internal),
    ];
    NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map_or(SpanKind::Unspecified, |known| known.1)
}

/// The text of the first field of a name; empty if there is none.
#[must_use]
pub fn text_of<'a>(fields: &[Field<'a>], key: &str) -> &'a str {
    fields.iter().filter(|field| field.key == key).find_map(|field| field.value.text()).unwrap_or("")
}

/// The first text that one of the fields of these names has, the names in their order; empty if there is none.
#[must_use]
pub fn first_text<'a>(fields: &[Field<'a>], keys: &[&str]) -> &'a str {
    keys.iter().map(|key| text_of(fields, key)).find(|text| !text.is_empty()).unwrap_or("")
}

/// A service's name, unless it is the placeholder of a writer that was not told the name.
#[must_use]
pub fn service(name: &str) -> &str {
    if name.starts_with("unknown_service") || matches!(name, "OTLPResourceNoServiceName" | "unknown") { "" } else { name }
}
