//! Walks documents down to their spans, and reads these.
//!
//! ```text
//! {"traceID":"83a9…","spanID":"e127…","operationName":"get","references":[…],"startTime":1706678909209712,"duration":123,"processID":"p1"}
//! {"traceId":"AAAAAAAAAABSlpqJVVcaPw==","spanId":"AAAAAABkfZg=","startTime":"2017-01-26T16:46:31.639875-05:00","process":{…}}
//! {"traceIdLow":5951113872249657919,"spanId":6585752,"parentSpanId":6866147,"startTime":1485467191639875}
//! ```
//!
//! What this file does not do: read a span's tags, references and logs; its neighbours do.

use crate::formats::jaeger_json::processes::{Processes, process};
use crate::formats::jaeger_json::references::{Reference, place, references, span_id, trace_of_halves};
use crate::formats::jaeger_json::tags::{logs, tags, understand};
use crate::formats::json_scan::{Mark, Scan, Step, parse_int};
use crate::formats::otlp::span::SpanDraft;
use crate::formats::otlp::{Ground, Resource};
use crate::formats::trace_json::{Walk, time};
use crate::model::ids::{SpanId, TraceId};
use crate::model::record::{Reason, Sink};
use crate::model::time::Time;
use memchr::memmem;

/// So many objects may stand one in the other around a trace.
pub(super) const DEEPEST_WRAP: u32 = 8;

/// Reads documents; its drafts serve one span after the other.
pub(super) struct Reader<'a, 's> {
    walk: Walk<'a, 's>,
    processes: Processes<'a>,
    span: SpanDraft<'a>,
    /// The span's own process.
    own: Resource<'a>,
    references: Vec<Reference>,
    wraps: u32,
    /// Whether processes were seen in front of their spans.
    leading: bool,
    ahead: [Ahead; 2],
}

/// What is known of an object being read.
#[derive(Default)]
struct Object {
    /// Whether its processes are.
    known: bool,
    /// Whether it is anything of ours.
    ours: bool,
    /// Spans that were skipped.
    later: Option<Mark>,
}

impl<'a, 's> Reader<'a, 's> {
    pub(super) fn new(scan: Scan<'a>, ground: Ground, sink: &'s mut dyn Sink) -> Self {
        Self {
            walk: Walk::new(scan, ground, sink, b"\"traceI"),
            processes: Processes::default(),
            span: SpanDraft::default(),
            own: Resource::default(),
            references: Vec::new(),
            wraps: 0,
            leading: false,
            ahead: [Ahead::of(b"\"processes\""), Ahead::of(b"\"spans\"")],
        }
    }

    pub(super) fn read(mut self) {
        while self.walk.next_object() {
            let start = self.walk.scan.at();
            match self.object() {
                Ok(true) => {}
                Ok(false) => self.walk.sink.quarantine(self.walk.ground.part(start, self.walk.scan.at() - start), Reason::Unrecognised),
                Err(reason) => self.walk.give_up(reason),
            }
            self.walk.open = self.walk.scan.at();
        }
    }

    /// Reads a span, a trace, or what lists them; no if it is none of these.
    fn object(&mut self) -> Step<bool> {
        self.walk.scan.peek();
        let start = self.walk.scan.mark();
        if !self.walk.scan.enter_object()? {
            return Ok(false);
        }
        let mut object = Object::default();
        let walked = self.members(start, &mut object);
        let Some(spans) = object.later.take() else { return walked };
        self.walk.damaged |= walked.is_err();
        if self.skipped_spans(spans, object.known)? {
            return walked;
        }
        self.members(start, &mut object)
    }

    fn members(&mut self, start: Mark, object: &mut Object) -> Step<bool> {
        while let Some(key) = self.walk.scan.key()? {
            match key {
                "spanID" | "spanId" if !object.ours => {
                    self.walk.scan.go(start);
                    let seek = self.walk.damaged && !self.leading;
                    if !seek {
                        self.processes.clear();
                    }
                    self.span(seek)?;
                    self.walk.open = self.walk.scan.at();
                    return Ok(true);
                }
                "processes" => {
                    (object.known, object.ours) = (true, true);
                    self.processes.read(&mut self.walk.scan)?;
                }
                "process" => {
                    object.known = true;
                    self.processes.clear();
                    process(&mut self.walk.scan, self.processes.slot(""))?;
                }
                "spans" => {
                    object.ours = true;
                    self.leading |= object.known;
                    if object.known || self.walk.damaged || object.later.is_some() {
                        self.spans(object.known)?;
                    } else {
                        object.later = Some(self.walk.scan.mark());
                        self.walk.scan.skip()?;
                    }
                }
                "data" | "hits" | "_source" | "result" if self.wraps < DEEPEST_WRAP => {
                    let value = self.walk.scan.mark();
                    if let Some(spans) = object.later.take() {
                        if !self.skipped_spans(spans, object.known)? {
                            continue;
                        }
                        self.walk.scan.go(value);
                    }
                    self.wraps += 1;
                    let found = self.wrapped();
                    self.wraps -= 1;
                    object.ours |= found?;
                }
                _ => self.walk.scan.skip()?,
            }
        }
        Ok(object.ours)
    }

    /// What a wrapper holds: a list or a single object. An empty list is an answer, too.
    fn wrapped(&mut self) -> Step<bool> {
        if self.walk.scan.peek() != Some(b'[') {
            return self.object();
        }
        let (mut empty, mut ours) = (true, false);
        self.walk.scan.enter_array()?;
        while self.walk.scan.item()? {
            empty = false;
            ours |= self.object()?;
        }
        Ok(empty || ours)
    }

    /// Reads spans that were skipped and comes back; no if something in them is broken, and the cursor is behind them.
    fn skipped_spans(&mut self, spans: Mark, known: bool) -> Step<bool> {
        let back = self.walk.scan.mark();
        self.walk.scan.go(spans);
        self.spans(known)?;
        if self.walk.damaged {
            return Ok(false);
        }
        self.walk.scan.go(back);
        Ok(true)
    }

    fn spans(&mut self, known: bool) -> Step<()> {
        if !known {
            self.processes.clear();
        }
        if !self.walk.scan.enter_array()? {
            return Ok(());
        }
        while self.walk.scan.item()? {
            self.walk.open = self.walk.scan.at();
            let seek = !known && self.walk.damaged && !self.leading;
            if let Err(reason) = self.listed(seek) {
                if !self.walk.following(reason).is_some_and(|next| self.is_span(next)) {
                    return Err(reason);
                }
                self.walk.give_up(reason);
            }
            self.walk.open = self.walk.scan.at();
        }
        Ok(())
    }

    fn listed(&mut self, seek: bool) -> Step<()> {
        let (first, start) = (self.walk.scan.peek(), self.walk.scan.at());
        if first == Some(b'{') {
            return self.span(seek);
        }
        self.walk.scan.skip()?;
        if first != Some(b'n') {
            self.walk.sink.quarantine(self.walk.ground.part(start, self.walk.scan.at() - start), Reason::Malformed);
        }
        Ok(())
    }

    /// Whether the object at an offset is a span. Moves the cursor.
    fn is_span(&mut self, at: usize) -> bool {
        let scan = &mut self.walk.scan;
        scan.restart(at);
        if scan.enter_object() != Ok(true) {
            return false;
        }
        while let Ok(Some(key)) = scan.key() {
            match key {
                "spanID" | "spanId" => return true,
                "spans" => return false,
                _ if scan.skip().is_err() => return false,
                _ => {}
            }
        }
        false
    }

    /// Makes the processes behind the cursor known, if they are those of the spans here.
    fn seek(&mut self) {
        let back = self.walk.scan.mark();
        let (bytes, from) = (self.walk.scan.bytes(), self.walk.scan.at());
        let [processes, spans] = &mut self.ahead;
        let (found, border) = (processes.next(bytes, from), spans.next(bytes, from));
        if self.processes.place == found && found.is_some() {
            return;
        }
        self.processes.clear();
        let Some(at) = found.filter(|at| border.is_none_or(|border| *at < border)) else { return };
        self.walk.scan.restart(at + processes.needle.len());
        if self.walk.scan.peek() == Some(b':') {
            self.walk.scan.restart(self.walk.scan.at() + 1);
            // Those before a fault are as good as ever.
            let _ = self.processes.read(&mut self.walk.scan);
        }
        self.processes.place = found;
        self.walk.scan.go(back);
    }

    fn span(&mut self, seek: bool) -> Step<()> {
        if seek {
            self.seek();
        }
        self.walk.learn();
        self.span.clear();
        self.references.clear();
        let (scan, span) = (&mut self.walk.scan, &mut self.span);
        let start = scan.at();
        let (mut halves, mut parent, mut id, mut own) = ([0; 2], SpanId::NONE, "", false);
        let (mut millis, mut length) = (Time::NONE, 0);
        scan.enter_object()?;
        while let Some(key) = scan.key()? {
            match key {
                "traceID" | "traceId" => span.head.trace = TraceId::parse(scan.text()?.as_bytes()),
                "traceIdHigh" => halves[0] = scan.int()?.unwrap_or(0),
                "traceIdLow" => halves[1] = scan.int()?.unwrap_or(0),
                "spanID" | "spanId" => span.head.id = span_id(scan)?,
                "parentSpanID" | "parentSpanId" => parent = span_id(scan)?,
                "operationName" => span.head.name = scan.text()?,
                "references" => references(scan, &mut self.references)?,
                "startTime" => span.head.start = time(scan)?,
                "startTimeMillis" => millis = scan.int()?.map_or(Time::NONE, Time::from_millis),
                "duration" => length = duration(scan)?,
                "tags" | "tag" => tags(scan, &mut span.attributes)?,
                "logs" => logs(scan, span)?,
                "processID" | "processId" => id = scan.text()?,
                "process" => {
                    own = true;
                    process(scan, &mut self.own)?;
                }
                _ => scan.skip()?,
            }
        }
        let evidence = self.walk.ground.part(start, scan.at() - start);
        if span.head.trace.is_none() {
            span.head.trace = trace_of_halves(halves);
        }
        if span.head.start.is_none() {
            span.head.start = millis;
        }
        span.head.end = span.head.start.plus(length);
        place(span, &self.references, parent);
        understand(span);
        let process = if own { Some(&self.own) } else { self.processes.get(id) };
        match process {
            Some(process) => span.tell(process, evidence, self.walk.sink),
            None => span.tell(&Resource::default(), evidence, self.walk.sink),
        }
        Ok(())
    }
}

/// Finds a text from further and further on, in linear time altogether.
struct Ahead {
    needle: &'static [u8],
    /// Where it was found last; the end of all offsets if there is no more.
    found: Option<usize>,
}

impl Ahead {
    const fn of(needle: &'static [u8]) -> Self {
        Self { needle, found: None }
    }

    fn next(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        if self.found.is_none_or(|at| at < from) {
            self.found = Some(memmem::find(bytes.get(from..).unwrap_or_default(), self.needle).map_or(usize::MAX, |at| from + at));
        }
        self.found.filter(|&at| at != usize::MAX)
    }
}

/// A length of time in nanoseconds: whole microseconds, or text with units.
fn duration(scan: &mut Scan<'_>) -> Step<i64> {
    let nanos = if scan.peek() == Some(b'"') {
        let text = scan.text()?;
        parse_int(text.as_bytes()).map_or_else(|| with_units(text), |n| n.checked_mul(1_000))
    } else {
        scan.int()?.and_then(|n| n.checked_mul(1_000))
    };
    Ok(nanos.unwrap_or(0).max(0))
}

/// `22938000ns`, `0.022938s`, `1m2.5s`
fn with_units(text: &str) -> Option<i64> {
    let (mut rest, mut nanos) = (text, 0.0);
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let (unit, next) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let scale = match unit {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 6e10,
            "h" => 3.6e12,
            _ => return None,
        };
        nanos += number.parse::<f64>().ok()? * scale;
        rest = next;
    }
    Some(nanos.round() as i64)
}
