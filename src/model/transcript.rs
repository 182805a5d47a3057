//! A sink that writes what it is given as text, one line a record: what tests compare and `analyze inspect` shows.

use crate::model::ids::{SpanId, TraceId};
use crate::model::jvm::{ClassHistogram, GcRecord, ThreadDump};
use crate::model::record::{EventRecord, Field, LogRecord, MetricRecord, Reason, SettingRecord, Sink, SpanRecord, Value};
use crate::model::source::Evidence;
use crate::model::time::Time;
use std::fmt::Write;

/// What was understood, one line a record. Empty parts are left out.
#[derive(Default, Debug)]
pub struct Transcript {
    /// The lines.
    pub text: String,
    /// How many records.
    pub records: usize,
    /// How many pieces of quarantine.
    pub quarantined: usize,
}

impl Transcript {
    fn line(&mut self, kind: &str, evidence: Evidence, parts: &[(&str, &str)]) {
        let _ = write!(self.text, "{kind} @{}+{}", evidence.start, evidence.len);
        for (name, value) in parts.iter().filter(|(_, value)| !value.is_empty()) {
            let _ = write!(self.text, " {name}={value:?}");
        }
        self.text.push('\n');
        self.records += 1;
    }
}

fn time(time: Time) -> String {
    if time.is_none() { String::new() } else { time.rfc3339() }
}

fn trace(id: TraceId) -> String {
    if id.is_none() { String::new() } else { id.to_string() }
}

fn span(id: SpanId) -> String {
    if id.is_none() { String::new() } else { id.to_string() }
}

fn fields(fields: &[Field<'_>]) -> String {
    let mut out = String::new();
    for field in fields {
        let _ = match field.value {
            Value::Text(text) => write!(out, "{}={text};", field.key),
            Value::Int(n) => write!(out, "{}={n};", field.key),
            Value::Float(n) => write!(out, "{}={n:?};", field.key),
            Value::Bool(b) => write!(out, "{}={b};", field.key),
        };
    }
    out
}

fn number<T: std::fmt::Debug>(value: Option<T>) -> String {
    value.map_or_else(String::new, |n| format!("{n:?}"))
}

impl Sink for Transcript {
    fn log(&mut self, r: &LogRecord<'_>) {
        self.line(
            "log",
            r.evidence,
            &[
                ("time", &time(r.time)),
                ("level", r.level.name()),
                ("service", r.service),
                ("instance", r.instance),
                ("logger", r.logger),
                ("thread", r.thread),
                ("trace", &trace(r.trace)),
                ("span", &span(r.span)),
                ("message", r.message),
                ("stack", r.stack.lines().next().unwrap_or("")),
                ("stack_lines", &if r.stack.is_empty() { String::new() } else { r.stack.lines().count().to_string() }),
                ("fields", &fields(r.fields)),
            ],
        );
    }

    fn span(&mut self, r: &SpanRecord<'_>) {
        self.line(
            "span",
            r.evidence,
            &[
                ("trace", &trace(r.trace)),
                ("id", &span(r.id)),
                ("parent", &span(r.parent)),
                ("service", r.service),
                ("instance", r.instance),
                ("name", r.name),
                ("kind", &format!("{:?}", r.kind)),
                ("start", &time(r.start)),
                ("nanos", &r.end.since(r.start).to_string()),
                ("status", &format!("{:?}", r.status)),
                ("status_message", r.status_message),
                ("attributes", &fields(r.attributes)),
                ("resource", &fields(r.resource)),
                ("events", &r.events.iter().map(|e| format!("{} {} {};", e.name, time(e.time), fields(e.attributes))).collect::<String>()),
                ("links", &r.links.iter().map(|(t, s)| format!("{t}/{s};")).collect::<String>()),
            ],
        );
    }

    fn metric(&mut self, r: &MetricRecord<'_>) {
        self.line(
            "metric",
            r.evidence,
            &[
                ("time", &time(r.time)),
                ("service", r.service),
                ("instance", r.instance),
                ("name", r.name),
                ("unit", r.unit),
                ("kind", &format!("{:?}", r.kind)),
                ("labels", &fields(r.labels)),
                ("value", &format!("{:?}", r.value)),
            ],
        );
    }

    fn thread_dump(&mut self, r: &ThreadDump<'_>) {
        let counts = [r.threads.len().to_string(), r.lists_synchronizers.to_string()];
        self.line(
            "thread-dump",
            r.evidence,
            &[("time", &time(r.time)), ("runtime", r.runtime), ("threads", &counts[0]), ("lists_synchronizers", &counts[1])],
        );
        for t in &r.threads {
            let _ = write!(self.text, "  thread @{}+{} {:?} id={:#x} {:?}", t.evidence.start, t.evidence.len, t.name, t.id, t.state);
            let _ = write!(self.text, " cpu={} elapsed={}", number(t.cpu_nanos), number(t.elapsed_nanos));
            let _ = writeln!(self.text, " daemon={} virtual={} carries={} frames={}", t.daemon, t.is_virtual, number(t.carries), t.frames.len());
            for frame in t.frames.iter().take(2) {
                let _ = writeln!(self.text, "    {frame}");
            }
            for l in &t.locks {
                let _ = writeln!(self.text, "    {:?} {:#x} {} frame={}", l.role, l.address, l.class, l.frame);
            }
        }
        for d in &r.deadlocks {
            let _ = writeln!(self.text, "  deadlock @{}+{}", d.evidence.start, d.evidence.len);
            for m in &d.members {
                let _ = writeln!(self.text, "    {:?} wants {} held by {:?}", m.thread, m.wants, m.holder);
            }
        }
    }

    fn gc(&mut self, r: &GcRecord<'_>) {
        self.line(
            "gc",
            r.evidence,
            &[
                ("time", &time(r.time)),
                ("uptime", &number(r.uptime)),
                ("id", &number(r.id)),
                ("kind", &format!("{:?}", r.kind)),
                ("cause", r.cause),
                ("before", &number(r.before)),
                ("after", &number(r.after)),
                ("capacity", &number(r.capacity)),
                ("nanos", &r.nanos.to_string()),
            ],
        );
    }

    fn class_histogram(&mut self, r: &ClassHistogram<'_>) {
        let counts = [r.rows.len().to_string(), r.instances.to_string(), r.bytes.to_string()];
        self.line("class-histogram", r.evidence, &[("time", &time(r.time)), ("rows", &counts[0]), ("instances", &counts[1]), ("bytes", &counts[2])]);
        for row in r.rows.iter().take(5) {
            let _ = writeln!(self.text, "  {} {} {}", row.class, row.instances, row.bytes);
        }
    }

    fn event(&mut self, r: &EventRecord<'_>) {
        self.line(
            "event",
            r.evidence,
            &[
                ("time", &time(r.time)),
                ("first", &time(r.first)),
                ("count", &r.count.to_string()),
                ("warning", if r.warning { "true" } else { "" }),
                ("kind", r.kind),
                ("object", r.object),
                ("namespace", r.namespace),
                ("service", r.service),
                ("reason", r.reason),
                ("message", r.message),
            ],
        );
    }

    fn setting(&mut self, r: &SettingRecord<'_>) {
        self.line("setting", r.evidence, &[("service", r.service), ("profile", r.profile), ("key", r.key), ("value", r.value)]);
    }

    fn quarantine(&mut self, evidence: Evidence, reason: Reason) {
        let _ = writeln!(self.text, "quarantine @{}+{} {}", evidence.start, evidence.len, reason.name());
        self.quarantined += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_parts_are_left_out() {
        let mut transcript = Transcript::default();
        transcript.log(&LogRecord { message: "hi", ..LogRecord::default() });
        assert_eq!(transcript.text, "log @0+0 message=\"hi\"\n");
    }
}
