//! The tables: everything a bundle says, as rows of numbers over one interner.
//!
//! A segment is what one chunk gives; segments merge by [`Tables::absorb`] into the tables of the whole bundle. No row
//! holds text: what was said is read back from the file by its evidence.

use crate::model::clusters::Clusters;
use crate::model::ids::{SpanId, TemplateId, TraceId};
use crate::model::job::JobMark;
use crate::model::joinable::Joinable;
use crate::model::jvm::{Class, Deadlock, Dump, Gc, Histogram, Lock, Thread};
use crate::model::names::{Interner, Sym};
use crate::model::platform::{Event, Setting};
use crate::model::record::{Level, MetricKind, Reason, SpanKind, SpanStatus};
use crate::model::request::Request;
use crate::model::rows::{Rows, Table};
use crate::model::source::{Evidence, FileId};
use crate::model::table::{Remap, Row, row};
use crate::model::time::{Time, Window};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};

row! {
    /// A call, or a piece of work, as its own service saw it.
    Span {
        /// Trace.
        trace: TraceId,
        /// Span.
        id: SpanId,
        /// Parent, zero for a root.
        parent: SpanId,
        /// Start.
        start: Time,
        /// Length.
        nanos: u64,
        /// Identity of the logical request: method, raw path and query, body size; or statement. Zero if unknown.
        fingerprint: u64,
        /// Service.
        service: Sym,
        /// Instance.
        instance: Sym,
        /// Name as written, with ids masked.
        name: Sym,
        /// The called side as the attributes name it: `service.peer.name`, host without cluster suffix, database, destination.
        peer: Sym,
        /// `POST /orders/{id}`, `payment.Payments/Charge`, `SELECT orders`; empty if the attributes say nothing.
        operation: Sym,
        /// `db.system.name`, `messaging.system`, `rpc.system`; empty for HTTP and inner work.
        system: Sym,
        /// `error.type`, else the exception's type, else the status message of a failed span.
        error: Sym,
        /// `key=value` lines of the attributes that take few values, its resource's too.
        attributes: Sym,
        /// HTTP status, or zero.
        http_status: u16,
        /// gRPC status plus one, or zero.
        rpc_status: u8,
        /// `http.request.resend_count`, or an attempt header less one.
        resend: u8,
        /// Kind.
        kind: SpanKind,
        /// Status.
        status: SpanStatus,
        /// Whether the fingerprint was made of a raw path or statement, not only of the operation.
        strong: bool,
        /// Where.
        evidence: Evidence,
    }
}

impl Span {
    /// When it ended.
    #[must_use]
    pub fn end(&self) -> Time {
        self.start.plus(i64::try_from(self.nanos).unwrap_or(i64::MAX))
    }

    /// From start to end.
    #[must_use]
    pub fn window(&self) -> Window {
        Window::of(self.start, self.end())
    }

    /// Whether it calls out: client or producer.
    #[must_use]
    pub fn is_outgoing(&self) -> bool {
        matches!(self.kind, SpanKind::Client | SpanKind::Producer)
    }

    /// Whether it was called: server or consumer.
    #[must_use]
    pub fn is_incoming(&self) -> bool {
        matches!(self.kind, SpanKind::Server | SpanKind::Consumer)
    }

    /// Whether it failed by the conventions of OpenTelemetry: a 4xx is the caller's fault on the called side, and only
    /// 429 is a failure on the calling side.
    #[must_use]
    pub fn failed(&self) -> bool {
        if self.http_status >= 100 {
            return self.http_status >= 500 || (self.kind == SpanKind::Client && self.http_status == 429);
        }
        let rpc_failed = match (self.rpc_status, self.kind) {
            (0 | 1, _) => false,
            (_, SpanKind::Client) => true,
            (code, _) => matches!(code - 1, 2 | 4 | 12..=15),
        };
        rpc_failed || self.status == SpanStatus::Error
    }
}

row! {
    /// A log record that is a warning or worse, carries a signal, or belongs to a trace.
    Log {
        /// When.
        time: Time,
        /// Trace.
        trace: TraceId,
        /// Span.
        span: SpanId,
        /// What it says, values masked.
        template: TemplateId,
        /// Hash over time, message, thread and trace: the same in a copy of the line.
        digest: u64,
        /// Service.
        service: Sym,
        /// Instance.
        instance: Sym,
        /// Logger.
        logger: Sym,
        /// Type of the exception it carries.
        exception: Sym,
        /// Level.
        level: Level,
        /// Where.
        evidence: Evidence,
    }
}

row! {
    /// A log record or span event that says something a rule listens to.
    Signal {
        /// The signal's name, as in `rules/signals`.
        signal: Sym,
        /// When.
        time: Time,
        /// Trace.
        trace: TraceId,
        /// Service.
        service: Sym,
        /// Instance.
        instance: Sym,
        /// What it names: the capture `name` (a pool, a breaker, a cache).
        name: Sym,
        /// The key it names: the capture `key`.
        key: Sym,
        /// The number it names: the capture `value`; NaN if none.
        value: f64,
        /// Level.
        level: Level,
        /// Where.
        evidence: Evidence,
    }
}

/// How far a domain fact got.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    /// Begun, outcome not said.
    Attempt,
    /// Done.
    Success,
    /// Certainly not done.
    Failure,
    /// The outcome at the other side is unknown.
    Ambiguous,
    /// Asked again, answered from the first time.
    Replay,
    /// Asked again, refused by a constraint.
    Prevented,
    /// Undone.
    Reversed,
}

impl crate::model::table::Column for Phase {
    const KIND: crate::model::table::Kind = crate::model::table::Kind::Text;
    fn cell(self) -> crate::model::table::Cell {
        crate::model::table::Cell::Word(match self {
            Self::Attempt => "attempt",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Ambiguous => "ambiguous",
            Self::Replay => "replay",
            Self::Prevented => "prevented",
            Self::Reversed => "reversed",
        })
    }
}

row! {
    /// A domain fact: *charged order 17*, *wrote key k at version 9*, *read key k at version 7*, *job nightly fired 02:00*.
    Effect {
        /// Family: `payment`, `cache`, `job`; what `rules/signals` calls it.
        kind: Sym,
        /// What was done: `charge`, `refund`; `read`, `write`, `invalidate`.
        op: Sym,
        /// How far it got.
        phase: Phase,
        /// When it was done, or said.
        time: Time,
        /// When it began; the same as `time` for a log record.
        start: Time,
        /// Trace.
        trace: TraceId,
        /// Span.
        span: SpanId,
        /// Service.
        service: Sym,
        /// Instance.
        instance: Sym,
        /// The business key: order, cache key, job.
        key: Sym,
        /// A second key: idempotency key, payment intent, firing.
        token: Sym,
        /// Identity of the outcome: charge id.
        outcome: Sym,
        /// Name of the space the key lives in: cache name, tenant, entity.
        space: Sym,
        /// Amount as written.
        amount: Sym,
        /// Currency.
        currency: Sym,
        /// Who pays, or on whose behalf.
        party: Sym,
        /// Version or time of change of the value read or written, as written.
        version: Sym,
        /// Where a read got its value: `cache`, `origin`, or empty.
        source: Sym,
        /// Template of the record or operation of the span: what says it.
        origin: TemplateId,
        /// Whether it comes from a span rather than a log record.
        from_span: bool,
        /// Where.
        evidence: Evidence,
    }
}

row! {
    /// One number of one metric.
    Metric {
        /// When, or none.
        time: Time,
        /// Service.
        service: Sym,
        /// Instance.
        instance: Sym,
        /// Name as written.
        name: Sym,
        /// Labels, sorted, `key=value` joined by commas.
        labels: Sym,
        /// How to read it.
        kind: MetricKind,
        /// The value.
        value: f64,
        /// Where.
        evidence: Evidence,
    }
}

row! {
    /// Bytes that were not understood.
    Quarantine {
        /// Why.
        reason: Reason,
        /// Where.
        evidence: Evidence,
    }
}

/// A file of the bundle and what was made of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFile {
    /// Path inside the bundle; members of archives after `!/`.
    pub path: String,
    /// Family and layout; empty if no format claims it.
    pub format: String,
    /// Bytes after decompression.
    pub bytes: u64,
    /// Records.
    pub records: u64,
    /// From its first record to its last.
    pub window: Window,
    /// Digest of the content.
    pub digest: [u8; 32],
    /// Why nothing could be read, if so.
    pub trouble: Option<Reason>,
}

/// What is known of one log template.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TemplateStats {
    /// Masked text.
    pub text: Sym,
    /// Loudest level.
    pub level: Level,
    /// How often.
    pub count: u64,
    /// First and last time.
    pub window: Window,
    /// The first record.
    pub first: Evidence,
}

/// Log records of one service in one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCount {
    /// All.
    pub records: u64,
    /// Those that name a trace.
    pub traced: u64,
    /// Warnings.
    pub warnings: u64,
    /// Errors and worse.
    pub errors: u64,
}

/// Everything that was said.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// Names used by all rows.
    pub names: Interner,
    /// Files, by id.
    pub files: Vec<SourceFile>,
    /// Spans.
    pub spans: Rows<Span>,
    /// Log records that are kept.
    pub logs: Rows<Log>,
    /// Signals.
    pub signals: Rows<Signal>,
    /// Domain facts.
    pub effects: Rows<Effect>,
    /// Metrics.
    pub metrics: Rows<Metric>,
    /// Thread dumps.
    pub dumps: Vec<Dump>,
    /// Their threads.
    pub threads: Vec<Thread>,
    /// Their locks.
    pub locks: Vec<Lock>,
    /// Declared deadlocks.
    pub deadlocks: Vec<Deadlock>,
    /// Garbage collector facts.
    pub gc: Vec<Gc>,
    /// Class histograms.
    pub histograms: Vec<Histogram>,
    /// Their classes.
    pub classes: Vec<Class>,
    /// Requests as log records tell them.
    pub requests: Rows<Request>,
    /// What is known of scheduled jobs.
    pub jobs: Vec<JobMark>,
    /// Platform events.
    pub events: Vec<Event>,
    /// Configuration.
    pub settings: Vec<Setting>,
    /// What was not understood.
    pub quarantine: Vec<Quarantine>,
    /// Every template of every log record, kept or not, with the services that say it.
    pub templates: BTreeMap<(TemplateId, Sym), TemplateStats>,
    /// Which templates have become one.
    pub clusters: Clusters,
    /// Log records by service and minute, kept or not.
    pub log_counts: BTreeMap<(Sym, i64), LogCount>,
    /// How far log records of requests can be joined, by service.
    pub joinable: BTreeMap<Sym, Joinable>,
    /// Keys of attributes that take too many values to tell spans apart by, with the service; the empty key stands for all.
    pub wide_attributes: BTreeSet<(Sym, Sym)>,
    /// From the first to the last record.
    pub window: Window,
}

impl Tables {
    /// The tables that grow large.
    fn large(&self) -> [&dyn Table; 6] {
        [&self.spans, &self.logs, &self.signals, &self.effects, &self.metrics, &self.requests]
    }

    /// How much room the rows take in the tables that grow large.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.large().iter().map(|table| table.bytes() as u64).sum()
    }

    /// Whether rows of one of these tables are kept outside the memory of the program.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.large().iter().any(|table| table.is_kept())
    }

    /// Gives back room that was never filled.
    pub fn shrink(&mut self) {
        let large: [&mut dyn Table; 6] =
            [&mut self.spans, &mut self.logs, &mut self.signals, &mut self.effects, &mut self.metrics, &mut self.requests];
        large.into_iter().for_each(Table::shrink);
    }

    /// Takes over all of `other`, giving its names and files new numbers.
    pub fn absorb(&mut self, other: Self) {
        let names = self.names.absorb(&other.names);
        let first = self.files.len() as u32;
        let files: Vec<FileId> = (0..other.files.len() as u32).map(|n| FileId(first + n)).collect();
        let to = Remap { names: &names, files: &files };
        self.files.extend(other.files);
        append(&mut self.spans, other.spans, &to);
        append(&mut self.logs, other.logs, &to);
        append(&mut self.signals, other.signals, &to);
        append(&mut self.effects, other.effects, &to);
        append(&mut self.metrics, other.metrics, &to);
        append(&mut self.dumps, other.dumps, &to);
        append(&mut self.threads, other.threads, &to);
        append(&mut self.locks, other.locks, &to);
        append(&mut self.deadlocks, other.deadlocks, &to);
        append(&mut self.gc, other.gc, &to);
        append(&mut self.histograms, other.histograms, &to);
        append(&mut self.classes, other.classes, &to);
        append(&mut self.requests, other.requests, &to);
        append(&mut self.jobs, other.jobs, &to);
        append(&mut self.events, other.events, &to);
        append(&mut self.settings, other.settings, &to);
        append(&mut self.quarantine, other.quarantine, &to);
        for ((template, service), mut stats) in other.templates {
            stats.text = names.of(stats.text);
            crate::model::table::Column::rename(&mut stats.first, &to);
            self.templates.entry((template, names.of(service))).and_modify(|known| known.join(&stats)).or_insert(stats);
        }
        self.clusters.absorb(other.clusters);
        for ((service, minute), count) in other.log_counts {
            self.log_counts.entry((names.of(service), minute)).or_default().add(count);
        }
        for (service, mut theirs) in other.joinable {
            theirs.without.iter_mut().flatten().for_each(|(_, _, evidence)| crate::model::table::Column::rename(evidence, &to));
            self.joinable.entry(names.of(service)).or_default().join(&theirs);
        }
        self.wide_attributes.extend(other.wide_attributes.iter().map(|(service, key)| (names.of(*service), names.of(*key))));
        self.window.join(other.window);
    }
}

impl TemplateStats {
    /// Adds what another segment knows of the same template.
    pub fn join(&mut self, other: &Self) {
        self.level = self.level.max(other.level);
        self.count += other.count;
        if (other.window.start, other.first) < (self.window.start, self.first) {
            self.first = other.first;
        }
        self.window.join(other.window);
    }
}

impl LogCount {
    /// Adds the counts of another segment.
    pub fn add(&mut self, other: Self) {
        self.records += other.records;
        self.traced += other.traced;
        self.warnings += other.warnings;
        self.errors += other.errors;
    }
}

fn append<R: Row, T: Deref<Target = [R]> + DerefMut + Extend<R>>(mine: &mut T, theirs: T, to: &Remap<'_>) {
    let start = mine.len();
    mine.extend(theirs.iter().copied());
    for row in &mut mine[start..] {
        row.rename(to);
    }
}
