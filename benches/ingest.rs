//! Throughput of every format: generated files through recognition and parsing into a sink that only counts.
//!
//! `cargo bench --bench ingest`. One column is bytes a second on one thread, others the allocations.

mod bundle_gen;

use analyze::formats::recognise;
use analyze::model::record::{ClassHistogram, EventRecord, GcRecord, LogRecord, MetricRecord, Reason, SettingRecord, Sink, SpanRecord, ThreadDump};
use analyze::model::source::{Chunk, Evidence, FileId, Head, Hints};
use bundle_gen::Plan;
use divan::counter::BytesCount;
use divan::{AllocProfiler, Bencher};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// What is measured, and where the generated bundle has it.
const FILES: [(&str, &str); 9] = [
    ("text-log/spring-boot", "logs/gateway.log"),
    ("json-log/pino", "logs/shop.log"),
    ("json-log/zap in docker", "logs/catalog.log"),
    ("json-log/logstash", "logs/orders.log"),
    ("json-log/ecs", "logs/payments.log"),
    ("otlp-json", "traces/otlp-traces.jsonl"),
    ("otlp-protobuf", "traces/otlp-traces.pb"),
    ("gc-log", "stock-0/gc.log"),
    ("thread-dump", "stock-0/jstack.txt"),
];
/// What the generated bundle has none of: some lines, written over and over below a head.
const REPEATED: [(&str, &str, &str); 6] = [
    (
        "gc-log/legacy",
        "",
        "2022-07-26T21:00:40.750+0800: 3.117: #0: [GC (Allocation Failure) [PSYoungGen: 7077888K->222570K(8257536K)] 7077888K->222586K(9306112K), \
         0.5437135 secs] [Times: user=1.92 sys=0.20, real=0.55 secs] \n",
    ),
    (
        "gc-log/openj9",
        "<verbosegc xmlns=\"http://www.ibm.com/j9/verbosegc\" version=\"R28\">\n",
        "<exclusive-start id=\"2\" timestamp=\"2015-12-31T15:22:46.957\" intervalms=\"3955.367\">\n</exclusive-start>\n\
         <gc-end id=\"8\" type=\"global\" durationms=\"25.007\" timestamp=\"2015-12-31T15:22:46.982\">\n\
         <mem-info id=\"9\" free=\"457545744\" total=\"536870912\" percent=\"85\">\n</gc-end>\n",
    ),
    (
        "jstat",
        "  S0     S1     E      O      M     CCS    YGC     YGCT     FGC    FGCT\n",
        "  0.00  68.85  66.67  37.34  95.82  87.87      4     0.035     3     0.041\n",
    ),
    ("metrics/csv", "time,orders,payments,stock\n", "2026-11-22T19:30:00Z,12,7.5,130\n"),
    ("metrics/influx", "", "http_requests,service=orders,host=orders-0 count=12i,p95=0.25 1795376013100000000\n"),
    ("metrics/graphite", "", "servers.orders-0.jvm.heap.used 16850024 1795376013\n"),
];
/// As much as the program looks at to recognise a file.
const HEAD: usize = 64 << 10;

fn main() {
    divan::main();
}

#[divan::bench(args = names())]
fn parse(bencher: Bencher<'_, '_>, name: &str) {
    let bytes = content(name);
    let head = Head { path: name, bytes: &bytes[..bytes.len().min(HEAD)], whole: bytes.len() <= HEAD };
    let found = recognise(&head).unwrap_or_else(|| panic!("no format claims {name}"));
    let hints = Hints::default();
    let chunk = Chunk { file: FileId(0), base: 0, bytes, hints: &hints };
    bencher.counter(BytesCount::of_slice(bytes)).bench(|| {
        let mut counts = Counts::default();
        found.parser.parse(&chunk, &mut counts);
        assert!(counts.records > 0 && counts.quarantined == 0, "{counts:?} in {name}");
        counts
    });
}

#[divan::bench(args = names())]
fn sniff(bencher: Bencher<'_, '_>, name: &str) {
    let bytes = content(name);
    bencher.bench(|| recognise(&Head { path: name, bytes: &bytes[..bytes.len().min(HEAD)], whole: bytes.len() <= HEAD }).is_some());
}

fn names() -> impl Iterator<Item = &'static str> {
    FILES.into_iter().map(|(name, _)| name).chain(REPEATED.into_iter().map(|(name, ..)| name))
}

/// The generated file of a name.
fn content(name: &str) -> &'static [u8] {
    static CONTENT: OnceLock<BTreeMap<&str, Vec<u8>>> = OnceLock::new();
    let content = CONTENT.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let plan = Plan { seed: 7, bytes: 32_000_000 };
        bundle_gen::write(folder.path(), plan).unwrap_or_else(|error| panic!("{error}"));
        let repeated = REPEATED.into_iter().map(|(name, head, lines)| (name, [head, &lines.repeat((8 << 20) / lines.len())].concat().into_bytes()));
        FILES.into_iter().map(|(name, path)| (name, read(&folder.path().join(path)))).chain(repeated).collect()
    });
    content.get(name).map(Vec::as_slice).unwrap_or_default()
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Counts, and keeps nothing.
#[derive(Default, Debug)]
struct Counts {
    records: u64,
    quarantined: u64,
}

impl Sink for Counts {
    fn log(&mut self, _: &LogRecord<'_>) {
        self.records += 1;
    }

    fn span(&mut self, _: &SpanRecord<'_>) {
        self.records += 1;
    }

    fn metric(&mut self, _: &MetricRecord<'_>) {
        self.records += 1;
    }

    fn thread_dump(&mut self, _: &ThreadDump<'_>) {
        self.records += 1;
    }

    fn gc(&mut self, _: &GcRecord<'_>) {
        self.records += 1;
    }

    fn class_histogram(&mut self, _: &ClassHistogram<'_>) {
        self.records += 1;
    }

    fn event(&mut self, _: &EventRecord<'_>) {
        self.records += 1;
    }

    fn setting(&mut self, _: &SettingRecord<'_>) {
        self.records += 1;
    }

    fn quarantine(&mut self, _: Evidence, _: Reason) {
        self.quarantined += 1;
    }
}
