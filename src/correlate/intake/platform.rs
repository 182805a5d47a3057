//! What a platform says has happened, kept as a row and listened to as a log record is.

use super::Intake;
use crate::bundle::hints::workload;
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::platform::Event;
use crate::model::record::{EventRecord, Level};
use std::fmt::Write;

impl Intake<'_> {
    /// Keeps what a platform says has happened.
    pub(super) fn platform(&mut self, record: &EventRecord<'_>) {
        if !record.time.is_before_capture() {
            self.tables.window.add(record.time);
        }
        let names = &mut self.tables.names;
        self.text.clear();
        match record.service {
            "" => self.text.push_str(workload(record.object).unwrap_or(record.object)),
            named => self.text.push_str(named),
        }
        let service = names.intern(&self.text);
        // What an event says may be what a log would: a container that was killed for its memory.
        self.text.clear();
        let _ = write!(self.text, "{} {}", record.reason, record.message);
        self.marks.clear();
        self.listening.wordings.find(&self.text, names, &mut self.marks);
        self.tables.events.push(Event {
            time: record.time,
            first: record.first,
            count: record.count.max(1),
            warning: record.warning,
            service,
            kind: names.intern(record.kind),
            object: names.intern(record.object),
            namespace: names.intern(record.namespace),
            reason: names.intern(record.reason),
            message: names.intern(record.message),
            evidence: record.evidence,
        });
        let level = if record.warning { Level::Warn } else { Level::Info };
        self.push_signals(record.time, TraceId::NONE, service, Sym::NONE, level, record.evidence);
    }
}
