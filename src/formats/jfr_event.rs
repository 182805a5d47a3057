//! What events of a flight recording mean, whichever way they were written: binary, or printed as text or JSON.
//!
//! ```text
//! jdk.GarbageCollection gcId=2 name=G1New cause="G1 Evacuation Pause" sumOfPauses=3.93 ms
//! jdk.GCHeapSummary gcId=2 when="After GC" heapUsed=16 MB
//! ```
//!
//! A collection is told in pieces: they are put together by their number. Waits are counted by what was waited for. What
//! this file does not do: profile.

use crate::model::jvm::{GcKind, GcRecord};
use crate::model::record::{Field, Level, LogRecord, MetricKind, MetricRecord, Sink, Value};
use crate::model::source::Evidence;
use crate::model::time::Time;
use std::collections::BTreeMap;

/// Different things that were waited for, beyond which they are counted together.
const MOST_WAITS: usize = 10_000;

/// An event.
#[derive(Clone, Debug, Default)]
pub struct Happening<'a> {
    /// Type, as `jdk.CPULoad`.
    pub name: &'a str,
    /// Start.
    pub time: Time,
    /// Duration.
    pub nanos: u64,
    /// Values: the value each is part of, or empty, and itself. Times are nanoseconds, sizes bytes, shares fractions.
    pub fields: Vec<(&'a str, Field<'a>)>,
}

impl<'a> Happening<'a> {
    fn value(&self, outer: &str, name: &str) -> Option<Value<'a>> {
        self.fields.iter().find(|(of, field)| *of == outer && field.key == name).map(|(_, field)| field.value)
    }

    fn number(&self, name: &str) -> Option<f64> {
        match self.value("", name)? {
            Value::Int(n) => Some(n as f64),
            Value::Float(n) => Some(n),
            Value::Text(_) | Value::Bool(_) => None,
        }
    }

    fn size(&self, outer: &str, name: &str) -> Option<u64> {
        self.value(outer, name)?.int().and_then(|n| u64::try_from(n).ok())
    }

    fn text(&self, name: &str) -> &'a str {
        self.value("", name).and_then(Value::text).unwrap_or_default()
    }
}

/// Waits: type, metric, and the value that says what was waited for.
const WAITS: [(&str, &str, &str); 8] = [
    ("jdk.ThreadPark", "jfr.thread.park", "parkedClass"),
    ("jdk.JavaMonitorEnter", "jfr.monitor.enter", "monitorClass"),
    ("jdk.JavaMonitorWait", "jfr.monitor.wait", "monitorClass"),
    ("jdk.SocketRead", "jfr.socket.read", "host"),
    ("jdk.SocketWrite", "jfr.socket.write", "host"),
    ("jdk.JavaExceptionThrow", "jfr.exceptions", "thrownClass"),
    ("jdk.JavaErrorThrow", "jfr.exceptions", "thrownClass"),
    ("jdk.VirtualThreadPinned", "jvm.threads.virtual.pinned", ""),
];

/// Numbers that are metrics as they stand: type, value, metric, kind.
const NUMBERS: [(&str, &str, &str, MetricKind); 9] = [
    ("jdk.CPULoad", "machineTotal", "system.cpu.usage", MetricKind::Gauge),
    ("jdk.JavaThreadStatistics", "activeCount", "jvm.threads.live", MetricKind::Gauge),
    ("jdk.JavaThreadStatistics", "daemonCount", "jvm.threads.daemon", MetricKind::Gauge),
    ("jdk.JavaThreadStatistics", "peakCount", "jvm.threads.peak", MetricKind::Gauge),
    ("jdk.JavaThreadStatistics", "accumulatedCount", "jvm.threads.started", MetricKind::Cumulative),
    ("jdk.ClassLoadingStatistics", "unloadedClassCount", "jvm.classes.unloaded", MetricKind::Cumulative),
    ("jdk.ExceptionStatistics", "throwables", "jvm.exceptions.thrown", MetricKind::Cumulative),
    ("jdk.PhysicalMemory", "totalSize", "system.memory.total", MetricKind::Gauge),
    ("jdk.PhysicalMemory", "usedSize", "system.memory.used", MetricKind::Gauge),
];

/// Whether anything is made of events of a type.
#[must_use]
pub fn is_wanted(name: &str) -> bool {
    const OTHERS: [&str; 6] = [
        "jdk.GarbageCollection",
        "jdk.GCHeapSummary",
        "jdk.MetaspaceSummary",
        "jdk.GCConfiguration",
        "jdk.GCHeapConfiguration",
        "jdk.ClassLoadingStatistics",
    ];
    OTHERS.contains(&name) || WAITS.iter().any(|wait| wait.0 == name) || NUMBERS.iter().any(|number| number.0 == name)
}

/// A collection in pieces.
#[derive(Clone, Copy, Default)]
struct Collection {
    before: Option<u64>,
    after: Option<u64>,
    capacity: Option<u64>,
    metaspace: Option<(u64, Option<u64>)>,
}

/// A kind of wait: how often, how long in all and at most, and the longest.
#[derive(Clone, Copy)]
struct Waited {
    count: u64,
    nanos: u64,
    longest: u64,
    last: Time,
    evidence: Evidence,
}

/// A collection as its event tells it.
struct Told {
    id: u32,
    time: Time,
    name: String,
    cause: String,
    nanos: u64,
    evidence: Evidence,
}

/// Takes events and hands over what they mean.
#[derive(Default)]
pub struct Recorder {
    told: Vec<Told>,
    heaps: BTreeMap<u32, Collection>,
    waits: BTreeMap<(&'static str, String), Waited>,
}

impl Recorder {
    /// Takes an event. What stands for itself is handed over at once.
    pub fn add(&mut self, event: &Happening<'_>, evidence: Evidence, sink: &mut dyn Sink) {
        for (_, value, metric, kind) in NUMBERS.iter().filter(|known| known.0 == event.name) {
            event.number(value).into_iter().for_each(|number| emit(metric, *kind, &[], number, event.time, evidence, sink));
        }
        let id = || event.size("", "gcId").and_then(|id| u32::try_from(id).ok());
        match event.name {
            "jdk.CPULoad" => {
                if let (Some(user), Some(system)) = (event.number("jvmUser"), event.number("jvmSystem")) {
                    emit("process.cpu.usage", MetricKind::Gauge, &[], user + system, event.time, evidence, sink);
                }
            }
            "jdk.ClassLoadingStatistics" => {
                if let (Some(loaded), Some(unloaded)) = (event.number("loadedClassCount"), event.number("unloadedClassCount")) {
                    emit("jvm.classes.loaded", MetricKind::Gauge, &[], (loaded - unloaded).max(0.0), event.time, evidence, sink);
                }
            }
            "jdk.GarbageCollection" => self.told.extend(id().map(|id| Told {
                id,
                time: event.time,
                name: event.text("name").to_owned(),
                cause: event.text("cause").to_owned(),
                nanos: event.size("", "sumOfPauses").unwrap_or(event.nanos),
                evidence,
            })),
            "jdk.GCHeapSummary" => self.heap(id(), event),
            "jdk.MetaspaceSummary" if event.text("when").starts_with("After") => {
                if let (Some(id), Some(used)) = (id(), event.size("metaspace", "used")) {
                    self.heaps.entry(id).or_default().metaspace = Some((used, event.size("metaspace", "committed")));
                }
            }
            "jdk.GCConfiguration" => sink.gc(&fact(GcKind::Using, event.text("oldCollector"), None, None, event.time, evidence)),
            "jdk.GCHeapConfiguration" => {
                if let Some(size) = event.size("", "maxSize") {
                    sink.gc(&fact(GcKind::MaxHeap, "", Some(size), None, event.time, evidence));
                }
            }
            _ => self.wait(event, evidence, sink),
        }
    }

    fn heap(&mut self, id: Option<u32>, event: &Happening<'_>) {
        let (Some(id), Some(used)) = (id, event.size("", "heapUsed")) else { return };
        let collection = self.heaps.entry(id).or_default();
        if event.text("when").starts_with("Before") {
            collection.before = Some(used);
        } else {
            collection.after = Some(used);
            collection.capacity = event.size("heapSpace", "committedSize");
        }
    }

    fn wait(&mut self, event: &Happening<'_>, evidence: Evidence, sink: &mut dyn Sink) {
        let Some((_, metric, by)) = WAITS.iter().find(|wait| wait.0 == event.name).copied() else { return };
        let thing = event.text(by).replace('/', ".");
        if event.name == "jdk.JavaErrorThrow" && thing.ends_with("OutOfMemoryError") {
            let stack = format!("{thing}: {}", event.text("message"));
            sink.log(&LogRecord {
                time: event.time,
                level: Level::Error,
                logger: "jfr",
                message: "Error thrown",
                stack: &stack,
                evidence,
                ..LogRecord::default()
            });
        }
        let port = event.size("", "port").filter(|_| by == "host").map_or_else(String::new, |port| format!(":{port}"));
        let mut key = (metric, format!("{thing}{port}"));
        if self.waits.len() >= MOST_WAITS && !self.waits.contains_key(&key) {
            key.1.clear();
        }
        let waited = self.waits.entry(key).or_insert(Waited { count: 0, nanos: 0, longest: 0, last: event.time, evidence });
        waited.count += 1;
        waited.nanos = waited.nanos.saturating_add(event.nanos);
        waited.last = waited.last.max(event.time);
        if event.nanos > waited.longest {
            (waited.longest, waited.evidence) = (event.nanos, evidence);
        }
    }

    /// Hands over what was told in pieces.
    pub fn finish(mut self, sink: &mut dyn Sink) {
        self.told.sort_by_key(|told| (told.time, told.id, told.evidence));
        for told in &self.told {
            let heap = self.heaps.get(&told.id).copied().unwrap_or_default();
            let record = GcRecord {
                id: Some(told.id),
                before: heap.before,
                after: heap.after,
                capacity: heap.capacity,
                nanos: told.nanos,
                ..fact(GcKind::Phase, &told.cause, None, None, told.time, told.evidence)
            };
            let kind = kind_of(&told.name);
            // The stops of a concurrent collection are not the collection.
            if matches!(kind, GcKind::Phase | GcKind::Concurrent) {
                sink.gc(&GcRecord { before: None, after: None, capacity: None, cause: &told.name, ..record });
            }
            if kind != GcKind::Phase {
                sink.gc(&GcRecord { kind, nanos: if kind == GcKind::Concurrent { 0 } else { told.nanos }, ..record });
            }
            if let Some((used, committed)) = heap.metaspace {
                sink.gc(&GcRecord { id: Some(told.id), ..fact(GcKind::Metaspace, "", Some(used), committed, told.time, told.evidence) });
            }
        }
        for ((metric, thing), waited) in &self.waits {
            let label = if metric.starts_with("jfr.socket") { "peer" } else { "class" };
            let label = [Field { key: label, value: Value::Text(thing) }];
            let labels: &[Field<'_>] = if thing.is_empty() { &[] } else { &label };
            let seconds = |nanos: u64| nanos as f64 / 1e9;
            emit(&format!("{metric}.count"), MetricKind::Gauge, labels, waited.count as f64, waited.last, waited.evidence, sink);
            if waited.nanos > 0 {
                emit(&format!("{metric}.sum"), MetricKind::Gauge, labels, seconds(waited.nanos), waited.last, waited.evidence, sink);
                emit(&format!("{metric}.max"), MetricKind::Gauge, labels, seconds(waited.longest), waited.last, waited.evidence, sink);
            }
        }
    }
}

/// What a collection is by the collector's name. When marking ends, the heap still holds what was not collected: G1's and
/// CMS's concurrent cycles leave no floor.
fn kind_of(name: &str) -> GcKind {
    match name {
        "G1Full" | "SerialOld" | "ParallelOld" | "PSMarkSweep" => GcKind::Full,
        "G1Old" | "ConcurrentMarkSweep" => GcKind::Phase,
        "Z" | "ZGC Major" | "Shenandoah" => GcKind::Concurrent,
        "ZGC Minor" => GcKind::Minor,
        _ => GcKind::Young,
    }
}

const fn fact(kind: GcKind, cause: &str, after: Option<u64>, capacity: Option<u64>, time: Time, evidence: Evidence) -> GcRecord<'_> {
    GcRecord { time, uptime: None, service: "", instance: "", id: None, kind, cause, before: None, after, capacity, nanos: 0, evidence }
}

fn emit(name: &str, kind: MetricKind, labels: &[Field<'_>], value: f64, time: Time, evidence: Evidence, sink: &mut dyn Sink) {
    sink.metric(&MetricRecord { time, service: "", instance: "", name, unit: "", kind, labels, value, evidence });
}
