//! A span on its way to a record.
//!
//! What this file does not do: understand attributes; `exception` events stay events, with their attributes.

use crate::formats::otlp::Resource;
use crate::model::ids::{SpanId, TraceId};
use crate::model::record::{Field, Reason, Sink, SpanEvent, SpanRecord};
use crate::model::source::Evidence;
use crate::model::time::Time;

/// A span being read.
#[derive(Default)]
pub struct SpanDraft<'a> {
    /// What stands in the span itself; its lists are below.
    pub head: SpanRecord<'a>,
    /// Attributes.
    pub attributes: Vec<Field<'a>>,
    /// Events.
    pub events: Vec<EventDraft<'a>>,
    /// The attributes of all events, one after the other.
    pub event_fields: Vec<Field<'a>>,
    /// Links.
    pub links: Vec<(TraceId, SpanId)>,
}

/// An event being read.
pub struct EventDraft<'a> {
    /// When.
    pub time: Time,
    /// Name.
    pub name: &'a str,
    /// Where its attributes end in `event_fields`; they begin where those of the event before end.
    pub end: usize,
}

impl SpanDraft<'_> {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.head = SpanRecord::default();
        self.attributes.clear();
        self.events.clear();
        self.event_fields.clear();
        self.links.clear();
    }

    /// Hands the span over. One without ids cannot be placed in any trace and goes to quarantine.
    pub fn tell(&self, resource: &Resource<'_>, evidence: Evidence, sink: &mut dyn Sink) {
        let head: SpanRecord<'_> = self.head;
        if head.trace.is_none() || head.id.is_none() {
            sink.quarantine(evidence, Reason::BadId);
            return;
        }
        let mut from = 0;
        let events: Vec<SpanEvent<'_>> = self
            .events
            .iter()
            .map(|event| {
                let attributes = self.event_fields.get(from..event.end).unwrap_or_default();
                from = event.end;
                SpanEvent { time: event.time, name: event.name, attributes }
            })
            .collect();
        sink.span(&SpanRecord {
            service: resource.service,
            instance: resource.instance,
            // Clocks that step back write ends before starts, and none sorts before everything.
            end: head.end.max(head.start),
            attributes: &self.attributes,
            resource: &resource.attributes,
            resource_digest: resource.digest(),
            events: &events,
            links: &self.links,
            evidence,
            ..head
        });
    }
}
