//! Reads one request: resources, scopes, and the spans, log records and metrics in them.
//!
//! Fields come in any order, so each level is walked twice: for what gives meaning to the rest (resource, scope, name),
//! and for the rest. The first walk hops from length to length and costs next to nothing. Evidence is the message of
//! the record itself. A record that cannot be read costs only itself, since its length is known.

use crate::formats::arena::Arena;
use crate::formats::otlp::log::LogDraft;
use crate::formats::otlp::metric::{MetricDraft, PointDraft, Shape};
use crate::formats::otlp::span::{EventDraft, SpanDraft};
use crate::formats::otlp::{Ground, Resource, Signal, level, span_kind, span_status, time};
use crate::formats::otlp_proto::point::{exponential, histogram, number, summary};
use crate::formats::otlp_proto::signal::signal_of;
use crate::formats::otlp_proto::value::{attribute, value};
use crate::formats::otlp_proto::wire::{Part, Step, Wire};
use crate::model::ids::{SpanId, TraceId};
use crate::model::record::{Reason, Sink};
use crate::model::time::Time;

/// Reads messages; its drafts serve one record after the other.
pub(super) struct Reader<'a, 's> {
    arena: &'a Arena,
    ground: Ground,
    sink: &'s mut dyn Sink,
    resource: Resource<'a>,
    scope: &'a str,
    span: SpanDraft<'a>,
    log: LogDraft<'a>,
    metric: MetricDraft<'a>,
    point: PointDraft<'a>,
}

/// Reads a message.
type Read<'a, 's> = fn(&mut Reader<'a, 's>, Part<'a>) -> Step<()>;

impl<'a, 's> Reader<'a, 's> {
    pub(super) fn new(arena: &'a Arena, ground: Ground, sink: &'s mut dyn Sink) -> Self {
        let (resource, span, log) = (Resource::default(), SpanDraft::default(), LogDraft::default());
        Self { arena, ground, sink, resource, scope: "", span, log, metric: MetricDraft::default(), point: PointDraft::default() }
    }

    pub(super) fn sink(&mut self) -> &mut dyn Sink {
        self.sink
    }

    pub(super) fn quarantine(&mut self, part: Part<'_>, reason: Reason) {
        self.sink.quarantine(self.ground.part(part.at, part.bytes.len()), reason);
    }

    /// Reads a request, whichever of the three it is. An error says why it is none, and that nothing of it was told.
    pub(super) fn request(&mut self, message: Part<'a>, cut: bool) -> Step<()> {
        let record: Read<'a, 's> = match signal_of(message) {
            Some((Signal::Traces, _)) => Self::span,
            Some((Signal::Logs, _)) => Self::log,
            Some((Signal::Metrics, _)) => Self::metric,
            // A request without a record says nothing, if it is one.
            None => return is_empty_request(message),
        };
        self.members(message, cut, &[1], |reader, group, cut| reader.group(group, cut, record));
        Ok(())
    }

    /// Reads the members of a message that are messages, telling whether each is cut. Where a message is cut, its
    /// innermost member is quarantined, even if nothing is left of that.
    fn members(&mut self, container: Part<'a>, cut: bool, numbers: &[u32], mut read: impl FnMut(&mut Self, Part<'a>, bool)) {
        let mut fields = container.fields();
        let mut told = !cut;
        loop {
            let left = fields.left();
            match fields.next_or_cut() {
                Ok(None) if told => return,
                Ok(None) => return self.quarantine(left, Reason::Truncated),
                Ok(Some((number, Wire::Bytes(part)))) if numbers.contains(&number) => read(self, part, false),
                Ok(Some((number, Wire::Cut(part)))) if numbers.contains(&number) => {
                    read(self, part, true);
                    told = true;
                }
                Ok(Some((_, Wire::Cut(_)))) => return self.quarantine(left, Reason::Truncated),
                Ok(Some(_)) => {}
                Err(reason) => return self.quarantine(left, reason),
            }
        }
    }

    /// What one resource tells.
    fn group(&mut self, group: Part<'a>, cut: bool, record: Read<'a, 's>) {
        self.resource.clear();
        if let Some(resource) = first(group, 1)
            && let Err(reason) = self.resource(resource)
        {
            self.quarantine(resource, reason);
        }
        self.resource.settle();
        // Libraries stood in field 2 before scopes did, and in field 1000 in between.
        self.members(group, cut, &[2, 1000], |reader, scope, cut| reader.scope(scope, cut, record));
    }

    fn resource(&mut self, resource: Part<'a>) -> Step<()> {
        let mut fields = resource.fields();
        while let Some(field) = fields.next()? {
            if let (1, Wire::Bytes(pair)) = field {
                attribute(pair, self.arena, &mut self.resource.attributes)?;
            }
        }
        Ok(())
    }

    fn scope(&mut self, scope: Part<'a>, cut: bool, record: Read<'a, 's>) {
        self.scope = first(scope, 1).and_then(|about| first(about, 1)).map_or("", |name| name.text(self.arena));
        self.members(scope, cut, &[2], |reader, part, cut| reader.record(part, cut, record));
    }

    /// Reads what one piece of evidence stands for.
    fn record(&mut self, part: Part<'a>, cut: bool, read: Read<'a, 's>) {
        let done = if cut { Err(Reason::Truncated) } else { read(self, part) };
        if let Err(reason) = done {
            // The length of the record is known and its end is there: what ends too early does so inside.
            let reason = if cut || reason != Reason::Truncated { reason } else { Reason::Malformed };
            self.quarantine(part, reason);
        }
    }

    fn span(&mut self, part: Part<'a>) -> Step<()> {
        let (span, arena) = (&mut self.span, self.arena);
        span.clear();
        let mut fields = part.fields();
        while let Some(field) = fields.next()? {
            match field {
                (1, Wire::Bytes(id)) => span.head.trace = TraceId::from_bytes(id.bytes),
                (2, Wire::Bytes(id)) => span.head.id = SpanId::from_bytes(id.bytes),
                (4, Wire::Bytes(id)) => span.head.parent = SpanId::from_bytes(id.bytes),
                (5, Wire::Bytes(name)) => span.head.name = name.text(arena),
                (6, Wire::Varint(n)) => span.head.kind = span_kind(n.cast_signed()),
                (7, Wire::Fixed64(n)) => span.head.start = time(n),
                (8, Wire::Fixed64(n)) => span.head.end = time(n),
                (9, Wire::Bytes(pair)) => attribute(pair, arena, &mut span.attributes)?,
                (11, Wire::Bytes(inner)) => event(inner, arena, span)?,
                (13, Wire::Bytes(inner)) => link(inner, span)?,
                (15, Wire::Bytes(inner)) => status(inner, arena, span)?,
                _ => {}
            }
        }
        self.span.tell(&self.resource, self.ground.part(part.at, part.bytes.len()), self.sink);
        Ok(())
    }

    fn log(&mut self, part: Part<'a>) -> Step<()> {
        let (log, arena) = (&mut self.log, self.arena);
        log.clear();
        let mut fields = part.fields();
        while let Some(field) = fields.next()? {
            match field {
                (1, Wire::Fixed64(n)) => log.head.time = time(n),
                (2, Wire::Varint(n)) => log.head.level = level(n.cast_signed()),
                (3, Wire::Bytes(text)) => log.severity_text = text.text(arena),
                (5, Wire::Bytes(body)) => value(body, "", arena, &mut log.body)?,
                (6, Wire::Bytes(pair)) => attribute(pair, arena, &mut log.fields)?,
                (9, Wire::Bytes(id)) => log.head.trace = TraceId::from_bytes(id.bytes),
                (10, Wire::Bytes(id)) => log.head.span = SpanId::from_bytes(id.bytes),
                (11, Wire::Fixed64(n)) => log.observed = time(n),
                (12, Wire::Bytes(name)) => log.event_name = name.text(arena),
                _ => {}
            }
        }
        self.log.tell(&self.resource, self.scope, arena, self.ground.part(part.at, part.bytes.len()), self.sink);
        Ok(())
    }

    fn metric(&mut self, part: Part<'a>) -> Step<()> {
        self.metric = MetricDraft::default();
        let mut data = None;
        let mut fields = part.fields();
        while let Some(field) = fields.next()? {
            match field {
                (1, Wire::Bytes(name)) => self.metric.name = name.text(self.arena),
                (3, Wire::Bytes(unit)) => self.metric.unit = unit.text(self.arena),
                (5, Wire::Bytes(inner)) => data = Some((inner, Shape::Gauge, number as Point<'a>)),
                (7, Wire::Bytes(inner)) => data = Some((inner, Shape::Sum, number as Point<'a>)),
                (9, Wire::Bytes(inner)) => data = Some((inner, Shape::Histogram, histogram as Point<'a>)),
                (10, Wire::Bytes(inner)) => data = Some((inner, Shape::Histogram, exponential as Point<'a>)),
                (11, Wire::Bytes(inner)) => data = Some((inner, Shape::Summary, summary as Point<'a>)),
                _ => {}
            }
        }
        let (data, shape, point) = data.ok_or(Reason::Malformed)?;
        self.metric.shape = shape;
        let mut fields = data.fields();
        while let Some(field) = fields.next()? {
            match field {
                (2, Wire::Varint(n)) => self.metric.temporality = n.cast_signed(),
                (3, Wire::Varint(n)) => self.metric.monotonic = n != 0,
                _ => {}
            }
        }
        self.members(data, false, &[1], |reader, part, _| {
            reader.point.clear();
            match point(part, reader.arena, &mut reader.point) {
                Ok(()) => reader.point.tell(&reader.metric, &reader.resource, reader.ground.part(part.at, part.bytes.len()), reader.sink),
                Err(_) => reader.quarantine(part, Reason::Malformed),
            }
        });
        Ok(())
    }
}

/// Reads a point into its draft.
type Point<'a> = fn(Part<'a>, &'a Arena, &mut PointDraft<'a>) -> Step<()>;

/// The first member of a message with a number, if it is whole.
fn first(part: Part<'_>, number: u32) -> Option<Part<'_>> {
    let mut fields = part.fields();
    while let Ok(Some(field)) = fields.next() {
        match field {
            (n, Wire::Bytes(inner)) if n == number => return Some(inner),
            _ => {}
        }
    }
    None
}

/// Whether the bytes are a message of groups, down to where records would be.
fn is_empty_request(message: Part<'_>) -> Step<()> {
    let mut fields = message.fields();
    while let Some(field) = fields.next()? {
        let (1, Wire::Bytes(group)) = field else { return Err(Reason::Malformed) };
        let mut inner = group.fields();
        while inner.next()?.is_some() {}
    }
    Ok(())
}

fn event<'a>(part: Part<'a>, arena: &'a Arena, span: &mut SpanDraft<'a>) -> Step<()> {
    let (mut at, mut name) = (Time::NONE, "");
    let mut fields = part.fields();
    while let Some(field) = fields.next()? {
        match field {
            (1, Wire::Fixed64(n)) => at = time(n),
            (2, Wire::Bytes(text)) => name = text.text(arena),
            (3, Wire::Bytes(pair)) => attribute(pair, arena, &mut span.event_fields)?,
            _ => {}
        }
    }
    span.events.push(EventDraft { time: at, name, end: span.event_fields.len() });
    Ok(())
}

fn link(part: Part<'_>, span: &mut SpanDraft<'_>) -> Step<()> {
    let (mut trace, mut id) = (TraceId::NONE, SpanId::NONE);
    let mut fields = part.fields();
    while let Some(field) = fields.next()? {
        match field {
            (1, Wire::Bytes(bytes)) => trace = TraceId::from_bytes(bytes.bytes),
            (2, Wire::Bytes(bytes)) => id = SpanId::from_bytes(bytes.bytes),
            _ => {}
        }
    }
    span.links.push((trace, id));
    Ok(())
}

fn status<'a>(part: Part<'a>, arena: &'a Arena, span: &mut SpanDraft<'a>) -> Step<()> {
    let mut fields = part.fields();
    while let Some(field) = fields.next()? {
        match field {
            (2, Wire::Bytes(text)) => span.head.status_message = text.text(arena),
            (3, Wire::Varint(n)) => span.head.status = span_status(n.cast_signed()),
            _ => {}
        }
    }
    Ok(())
}
