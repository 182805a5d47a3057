//! Records to rows: the sink behind every parser.
//!
//! One intake serves one chunk on one thread and shares nothing but the rule set. For each record it interns names,
//! masks the message into its template, marks signals, derives domain facts, and counts. A log record stays as a row if
//! it is a warning or worse, carries a signal or a domain fact, or belongs to a trace; the others live on in the counts
//! of their template and minute.
//!
//! What this file does not do: look at two records together; say what an event of a platform means (`intake/platform.rs`).

mod platform;
mod shape;

use crate::correlate::attributes::Attributes;
use crate::correlate::class_name;
use crate::correlate::collections;
use crate::correlate::effect::Extractor;
use crate::correlate::effect::lexicon::Lexicon;
use crate::correlate::job::{self, Jobs};
use crate::correlate::loops::Loops;
use crate::correlate::message_place;
use crate::correlate::near::Near;
use crate::correlate::operation::{self, Operation};
use crate::correlate::recall::Recall;
use crate::correlate::request;
use crate::correlate::scale;
use crate::correlate::signal::{Mark, Wordings};
use crate::correlate::template;
use crate::correlate::thread;
use crate::model::ids::{TemplateId, TraceId};
use crate::model::joinable::Joinable;
use crate::model::jvm::{Class, ClassHistogram, Deadlock, Dump, Gc, GcRecord, Histogram, Lock, Thread, ThreadDump};
use crate::model::names::Sym;
use crate::model::platform::Setting;
use crate::model::record::{
    EventRecord, Field, Level, LogRecord, MetricRecord, Reason, SettingRecord, Sink, SpanKind, SpanRecord, SpanStatus, Value,
};
use crate::model::rule::RuleSet;
use crate::model::source::{Evidence, Hints};
use crate::model::tables::{Log, LogCount, Metric, Quarantine, Signal, Span, Tables, TemplateStats};
use crate::model::time::{Time, Window};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use shape::Shapes;
use std::fmt::Write;
use std::hash::BuildHasher;

/// What the rule set asks of intake, prepared once and shared by all threads.
pub struct Listening {
    wordings: Wordings,
    lexicon: Lexicon,
}

impl Listening {
    /// Prepares the signals and effects of a rule set.
    #[must_use]
    pub fn new(rules: &RuleSet) -> Self {
        Self { wordings: Wordings::new(&rules.signals), lexicon: Lexicon::new(&rules.effects) }
    }
}

/// Takes the records of one chunk.
pub struct Intake<'r> {
    listening: &'r Listening,
    extractor: Extractor<'r>,
    tables: Tables,
    service: Sym,
    instance: Sym,
    /// The service and instance of the record before: they rarely change.
    recent: [(String, Sym); 2],
    jobs: Jobs,
    loops: Loops,
    /// What threads are for, and whether they are schedulers'.
    threads: Recall<(thread::Scope, bool)>,
    /// Names of spans, with ids masked.
    span_names: Recall<Sym>,
    /// What the span before did; its memory is used again.
    operation: Operation,
    attributes: Attributes,
    joinable: Near<Sym, Joinable>,
    templates: Near<(TemplateId, Sym), Known>,
    counts: Near<(Sym, i64), LogCount>,
    shapes: Shapes,
    marks: Vec<Mark>,
    text: String,
    records: u64,
}

/// What is known of a template in a service.
struct Known {
    stats: TemplateStats,
    /// Whether the masked text may hold a signal; asked for with the first quiet record.
    listens: Option<bool>,
}

/// Hashes here only find equal things within one run; no output depends on them.
const HASHER: FixedState = FixedState::with_seed(0x6c6f_6773);

impl<'r> Intake<'r> {
    /// An intake for a chunk of a file.
    #[must_use]
    pub fn new(listening: &'r Listening, hints: &Hints) -> Self {
        let mut tables = Tables::default();
        let service = tables.names.intern(&hints.service);
        let instance = tables.names.intern(&hints.instance);
        Self {
            listening,
            extractor: Extractor::new(&listening.lexicon),
            tables,
            service,
            instance,
            recent: [(String::new(), Sym::NONE), (String::new(), Sym::NONE)],
            jobs: Jobs::default(),
            loops: Loops::default(),
            threads: Recall::default(),
            span_names: Recall::default(),
            operation: Operation::default(),
            attributes: Attributes::default(),
            joinable: Near::default(),
            templates: Near::default(),
            counts: Near::default(),
            shapes: Shapes::default(),
            marks: Vec::new(),
            text: String::new(),
            records: 0,
        }
    }

    /// The rows, and how many records gave them.
    #[must_use]
    pub fn finish(mut self) -> (Tables, u64) {
        self.loops.finish(&mut self.tables.names, &mut self.tables.signals);
        self.tables.wide_attributes = self.attributes.finish(&mut self.tables.names, &mut self.tables.spans);
        collections::thin(&mut self.tables.gc);
        self.tables.templates = self.templates.into_rows().map(|(key, known)| (key, known.stats)).collect();
        self.tables.joinable = self.joinable.into_rows().collect();
        self.tables.log_counts = self.counts.into_rows().collect();
        self.tables.shrink();
        (self.tables, self.records)
    }

    fn service(&mut self, name: &str) -> Sym {
        if name.is_empty() { self.service } else { self.recent_name(0, name) }
    }

    fn instance(&mut self, name: &str) -> Sym {
        if name.is_empty() { self.instance } else { self.recent_name(1, name) }
    }

    fn recent_name(&mut self, slot: usize, name: &str) -> Sym {
        let recent = &mut self.recent[slot];
        if recent.0 != name {
            name.clone_into(&mut recent.0);
            recent.1 = self.tables.names.intern(name);
        }
        recent.1
    }

    /// Marks the signals of a message and its stack trace.
    fn mark(&mut self, listens: bool, message: &str, stack: &str) {
        self.marks.clear();
        let wordings = &self.listening.wordings;
        if listens {
            wordings.find(message, &mut self.tables.names, &mut self.marks);
        }
        if !stack.is_empty() {
            wordings.find(stack, &mut self.tables.names, &mut self.marks);
        }
    }

    /// Marks the record of a message broker that a failure is about, unless the message names it.
    fn mark_place(&mut self, fields: &[Field<'_>]) {
        if fields.len() < 3 || !message_place::write(fields, &mut self.text) {
            return;
        }
        let names = &mut self.tables.names;
        let signal = names.intern(message_place::FAILED);
        if !self.marks.iter().any(|mark| mark.signal == signal) {
            let key = names.intern(&self.text);
            self.marks.push(Mark { signal, name: Sym::NONE, key, value: f64::NAN });
        }
    }

    /// Counts a record, and says whether it may hold a signal. Of a quiet one only the masked text decides, which is the same
    /// for every record of its template: the answer must not depend on which of them came first.
    fn count(&mut self, service: Sym, template: TemplateId, record: &LogRecord<'_>) -> bool {
        if record.time.is_some() {
            let minute = record.time.minute();
            let count = self.counts.of((service, minute), minute.cast_unsigned() ^ u64::from(service.0) << 3, LogCount::default);
            count.records += 1;
            count.traced += u64::from(!record.trace.is_none());
            count.warnings += u64::from(record.level == Level::Warn);
            count.errors += u64::from(record.level >= Level::Error);
        }
        let (names, text, wordings) = (&mut self.tables.names, &mut self.text, &self.listening.wordings);
        let known = self.templates.of((template, service), template.0, || {
            text.clear();
            template::mask(record.message, text);
            let stats = TemplateStats { text: names.intern(text), level: record.level, count: 0, window: Window::default(), first: record.evidence };
            Known { stats, listens: None }
        });
        known.stats.count += 1;
        known.stats.level = known.stats.level.max(record.level);
        known.stats.window.add(record.time);
        record.level >= Level::Warn || record.level == Level::None || {
            *known.listens.get_or_insert_with(|| {
                text.clear();
                template::mask(record.message, text);
                wordings.may_occur(text)
            })
        }
    }

    /// Counts records of requests by whether they name a trace. Access logs do not count: proxies rarely write ids.
    fn count_joinable(&mut self, service: Sym, record: &LogRecord<'_>, scope: thread::Scope, is_access: bool) {
        if scope == thread::Scope::Upkeep || is_access && record.thread.is_empty() {
            return;
        }
        let joinable = self.joinable.of(service, service.0.into(), Joinable::default);
        joinable.serves |= scope == thread::Scope::Request;
        joinable.add(record.time, record.level, !record.trace.is_none(), scope == thread::Scope::HandedOn, record.evidence);
    }

    fn push_signals(&mut self, time: Time, trace: TraceId, service: Sym, instance: Sym, level: Level, evidence: Evidence) {
        for mark in &self.marks {
            self.tables.signals.push(Signal {
                signal: mark.signal,
                time,
                trace,
                service,
                instance,
                name: mark.name,
                key: mark.key,
                value: mark.value,
                level,
                evidence,
            });
        }
    }
}

impl Sink for Intake<'_> {
    fn log(&mut self, record: &LogRecord<'_>) {
        self.records += 1;
        self.tables.window.add(record.time);
        let service = self.service(record.service);
        let instance = self.instance(record.instance);
        let template = template::fingerprint(record.message);
        let listens = self.count(service, template, record);
        self.mark(listens, record.message, record.stack);
        if record.level >= Level::Warn {
            self.mark_place(record.fields);
        }
        let shape = self.shapes.of(record.fields);
        let facts = self.tables.effects.len();
        self.extractor.log(record, (template, shape.names), (service, instance), &mut self.tables.names, &mut self.tables.effects);
        let (names, text) = (&mut self.tables.names, &mut self.text);
        let asked = request::of_log(record, shape.has_status, (service, instance), names, text);
        self.tables.requests.extend(asked);
        let (scope, schedules) = self.threads.of(record.thread, |name| (thread::scope(name), job::is_scheduler_thread(name)));
        self.count_joinable(service, record, scope, asked.is_some_and(|row| row.is_access));
        if shape.has_sizes {
            let mut text = std::mem::take(&mut self.text);
            if let Some(event) = scale::of_log(record, &mut text) {
                self.platform(&event);
            }
            self.text = text;
        }
        self.loops.see(record, (service, instance), asked.is_some_and(|row| !row.is_call), &mut self.tables.names, &mut self.tables.signals);
        let job = self.jobs.of_log(record, schedules, (service, instance), &mut self.tables.names);
        self.tables.jobs.extend(job);
        let kept =
            job.is_some() || record.level >= Level::Warn || !record.trace.is_none() || !self.marks.is_empty() || self.tables.effects.len() > facts;
        if !kept {
            return;
        }
        self.push_signals(record.time, record.trace, service, instance, record.level, record.evidence);
        let names = &mut self.tables.names;
        self.tables.logs.push(Log {
            time: record.time,
            trace: record.trace,
            span: record.span,
            template,
            digest: HASHER.hash_one((record.time, record.message, record.thread, record.trace)),
            service,
            instance,
            logger: names.intern(record.logger),
            exception: if record.stack.is_empty() { Sym::NONE } else { names.intern(class_name::of_exception(record.stack)) },
            level: record.level,
            evidence: record.evidence,
        });
    }

    fn span(&mut self, record: &SpanRecord<'_>) {
        self.records += 1;
        self.tables.window.add(record.start);
        self.tables.window.add(record.end);
        let service = self.service(record.service);
        let instance = self.instance(record.instance);
        let (op, text, names) = (&mut self.operation, &mut self.text, &mut self.tables.names);
        op.read(record);
        let name = self.span_names.of(record.name, |name| {
            text.clear();
            operation::path_without_ids(name, text);
            names.intern(text)
        });
        let error = match (op.error.as_str(), record.status) {
            ("", SpanStatus::Error) => record.status_message,
            (error, _) => error,
        };
        let span = Span {
            trace: record.trace,
            id: record.id,
            parent: record.parent,
            start: record.start,
            nanos: u64::try_from(record.end.since(record.start)).unwrap_or(0),
            fingerprint: op.fingerprint,
            service,
            instance,
            name,
            peer: names.intern(&op.peer),
            operation: names.intern(&op.name),
            system: names.intern(&op.system),
            error: names.intern(error),
            attributes: self.attributes.of(record, service),
            http_status: op.http_status,
            rpc_status: op.rpc_status,
            resend: op.resend,
            kind: record.kind,
            status: record.status,
            strong: op.strong,
            evidence: record.evidence,
        };
        self.tables.spans.push(span);
        self.tables.jobs.extend(job::of_span(record, service, instance, &mut self.tables.names).into_iter().flatten());
        self.extractor.span(record, service, instance, &mut self.tables.names, &mut self.tables.effects);
        if record.kind == SpanKind::Consumer && record.status == SpanStatus::Error {
            self.marks.clear();
            self.mark_place(record.attributes);
            self.push_signals(record.end, record.trace, service, instance, Level::Error, record.evidence);
        }
        for event in record.events.iter().filter(|event| event.name == "exception") {
            self.marks.clear();
            for text in event.attributes.iter().filter_map(|field| field.value.text()) {
                self.listening.wordings.find(text, &mut self.tables.names, &mut self.marks);
            }
            let time = if event.time.is_some() { event.time } else { record.end };
            self.push_signals(time, record.trace, service, instance, Level::Error, record.evidence);
        }
    }

    fn metric(&mut self, record: &MetricRecord<'_>) {
        self.records += 1;
        if !record.time.is_before_capture() {
            self.tables.window.add(record.time);
        }
        let service = self.service(record.service);
        let instance = self.instance(record.instance);
        let mut labels: Vec<_> = record.labels.iter().map(|field| (field.key, field.value)).collect();
        labels.sort_by_key(|(key, _)| *key);
        self.text.clear();
        for (key, value) in labels {
            let comma = if self.text.is_empty() { "" } else { "," };
            let _ = match value {
                Value::Text(text) => write!(self.text, "{comma}{key}={text}"),
                Value::Int(n) => write!(self.text, "{comma}{key}={n}"),
                Value::Float(n) => write!(self.text, "{comma}{key}={n}"),
                Value::Bool(b) => write!(self.text, "{comma}{key}={b}"),
            };
        }
        let names = &mut self.tables.names;
        let (name, labels) = (names.intern(record.name), names.intern(&self.text));
        let row = Metric { time: record.time, service, instance, name, labels, kind: record.kind, value: record.value, evidence: record.evidence };
        self.tables.metrics.push(row);
    }

    fn thread_dump(&mut self, record: &ThreadDump<'_>) {
        self.records += 1;
        self.tables.window.add(record.time);
        let service = self.service(record.service);
        let instance = self.instance(record.instance);
        let dump = record.evidence;
        let tables = &mut self.tables;
        let names = &mut tables.names;
        let runtime = names.intern(record.runtime);
        tables.dumps.push(Dump { time: record.time, service, instance, runtime, lists_synchronizers: record.lists_synchronizers, evidence: dump });
        for thread in &record.threads {
            self.text.clear();
            for (number, frame) in thread.frames.iter().enumerate() {
                self.text.push_str(if number == 0 { "" } else { "\n" });
                self.text.push_str(frame);
            }
            tables.threads.push(Thread {
                dump,
                name: names.intern(thread.name),
                id: thread.id,
                state: thread.state,
                cpu_nanos: thread.cpu_nanos,
                elapsed_nanos: thread.elapsed_nanos,
                is_virtual: thread.is_virtual,
                stack: names.intern(&self.text),
                evidence: thread.evidence,
            });
            for lock in &thread.locks {
                let class = names.intern(lock.class);
                tables.locks.push(Lock { dump, thread: thread.evidence, role: lock.role, address: lock.address, class, frame: lock.frame });
            }
        }
        for deadlock in &record.deadlocks {
            for member in &deadlock.members {
                let (thread, wants, holder) = (names.intern(member.thread), names.intern(member.wants), names.intern(member.holder));
                tables.deadlocks.push(Deadlock { dump, thread, wants, holder, evidence: deadlock.evidence });
            }
        }
    }

    fn gc(&mut self, record: &GcRecord<'_>) {
        self.records += 1;
        self.tables.window.add(record.time);
        let service = self.service(record.service);
        let instance = self.instance(record.instance);
        self.tables.gc.push(Gc {
            time: record.time,
            uptime: record.uptime,
            service,
            instance,
            id: record.id,
            kind: record.kind,
            cause: self.tables.names.intern(record.cause),
            before: record.before,
            after: record.after,
            capacity: record.capacity,
            nanos: record.nanos,
            others: 0,
            others_nanos: 0,
            others_since: 0,
            evidence: record.evidence,
        });
    }

    fn class_histogram(&mut self, record: &ClassHistogram<'_>) {
        self.records += 1;
        self.tables.window.add(record.time);
        let service = self.service(record.service);
        let instance = self.instance(record.instance);
        let histogram = record.evidence;
        self.tables.histograms.push(Histogram {
            time: record.time,
            service,
            instance,
            instances: record.instances,
            bytes: record.bytes,
            evidence: histogram,
        });
        let mut classes: HashMap<Sym, Class, FixedState> = HashMap::with_hasher(HASHER);
        let mut order = Vec::with_capacity(record.rows.len());
        for row in &record.rows {
            self.text.clear();
            class_name::folded(row.class, &mut self.text);
            let class = self.tables.names.intern(&self.text);
            let known = classes.entry(class).or_insert_with(|| {
                order.push(class);
                Class { histogram, class, loaders: 0, instances: 0, bytes: 0, evidence: row.evidence }
            });
            known.loaders += 1;
            known.instances = known.instances.saturating_add(row.instances);
            known.bytes = known.bytes.saturating_add(row.bytes);
        }
        self.tables.classes.extend(order.iter().filter_map(|class| classes.get(class)));
    }

    fn event(&mut self, record: &EventRecord<'_>) {
        self.records += 1;
        self.platform(record);
    }

    fn setting(&mut self, record: &SettingRecord<'_>) {
        self.records += 1;
        let service = self.service(record.service);
        let names = &mut self.tables.names;
        let (profile, key, value) = (names.intern(record.profile), names.intern(record.key), names.intern(record.value));
        self.tables.settings.push(Setting { service, profile, key, value, evidence: record.evidence });
    }

    fn quarantine(&mut self, evidence: Evidence, reason: Reason) {
        self.tables.quarantine.push(Quarantine { reason, evidence });
    }
}
