//! Every captured thread dump, unified GC log and class histogram of the shared corpus is recognised and read in full.
//!
//! Expected numbers are counted by the dumbest means that can work: lines that begin or end with some words.

use analyze::formats::recognise;
use analyze::model::jvm::{ClassHistogram, GcRecord, ThreadDump};
use analyze::model::record::{EventRecord, LogRecord, MetricRecord, Reason, SettingRecord, Sink, SpanRecord};
use analyze::model::source::{Chunk, Evidence, FileId, Head, Hints};
use analyze::model::transcript::Transcript;
use std::fs;
use std::path::{Path, PathBuf};

fn corpus() -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus"));
    if !path.is_dir() {
        eprintln!("skipped: no corpus at {}", path.display());
    }
    path.is_dir().then(|| path.to_owned())
}

struct Sample {
    name: String,
    text: String,
}

impl Sample {
    fn read(path: &Path) -> Option<Self> {
        let text = String::from_utf8(fs::read(path).ok()?).ok()?;
        Some(Self { name: path.display().to_string(), text })
    }

    /// The label, and what was understood.
    fn parse(&self) -> (String, Transcript) {
        parse(self.text.as_bytes(), &self.name)
    }

    fn lines(&self, matches: impl Fn(&str) -> bool) -> usize {
        self.text.lines().filter(|line| matches(line)).count()
    }
}

fn parse(bytes: &[u8], name: &str) -> (String, Transcript) {
    let head = Head { path: name, bytes: &bytes[..bytes.len().min(64 << 10)], whole: bytes.len() <= 64 << 10 };
    let hints = Hints::default();
    let mut transcript = Transcript::default();
    let Some(found) = recognise(&head) else { return (String::new(), transcript) };
    found.parser.parse(&Chunk { file: FileId(0), base: 0, bytes, hints: &hints }, &mut transcript);
    (found.label, transcript)
}

/// The samples of some folders whose text matches.
fn samples(folders: &[&str], matches: impl Fn(&str) -> bool) -> Vec<Sample> {
    let Some(corpus) = corpus() else { return Vec::new() };
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in folders {
        let entries = fs::read_dir(corpus.join(folder)).expect("the folder can be listed");
        paths.extend(entries.map(|entry| entry.expect("the entry can be read").path()).filter(|path| path.is_file()));
    }
    paths.sort();
    let samples: Vec<Sample> = paths.iter().filter_map(|path| Sample::read(path)).filter(|sample| matches(&sample.text)).collect();
    assert!(!samples.is_empty(), "{folders:?} holds no sample");
    samples
}

fn count(transcript: &Transcript, start: &str) -> usize {
    transcript.text.lines().filter(|line| line.starts_with(start)).count()
}

fn kinds(transcript: &Transcript, kinds: &[&str]) -> usize {
    transcript.text.lines().filter(|line| line.starts_with("gc @") && kinds.iter().any(|kind| line.contains(&format!("kind=\"{kind}\"")))).count()
}

/// Cuts the text after every line, and in the midst of every line.
fn cut_everywhere(sample: &Sample) {
    let text = sample.text.as_bytes();
    let ends: Vec<usize> = text.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1).collect();
    let step = ends.len().div_ceil(60).max(1);
    for &at in ends.iter().step_by(step) {
        parse(&text[..at], &sample.name);
        parse(&text[..at.saturating_sub(9)], &sample.name);
        parse(&text[at..], &sample.name);
    }
}

#[test]
fn thread_dumps() {
    for sample in samples(&["jvm/threaddump", "jvm/threaddump/tda", "jvm-captures"], |text| text.contains("\nFull thread dump ")) {
        let (label, got) = sample.parse();
        assert_eq!(label, "thread-dump/hotspot", "{}", sample.name);
        assert_eq!(count(&got, "thread-dump @"), sample.lines(|line| line.starts_with("Full thread dump ")), "{}", sample.name);
        // A name may be broken over two lines, so the attributes are counted, not the names.
        assert_eq!(
            count(&got, "  thread @"),
            sample.lines(|line| line.contains("\" ") && line.contains(" tid=0x") && line.contains("prio=")),
            "{}",
            sample.name
        );
        assert_eq!(count(&got, "  deadlock @"), sample.lines(|line| line == "Found one Java-level deadlock:"), "{}", sample.name);
        assert_eq!(got.text.matches(" wants ").count(), sample.lines(|line| line.starts_with("  waiting ")), "{}", sample.name);
        assert!(!got.text.contains(" wants  ") && !got.text.contains("held by \"\""), "{}", sample.name);
        let states = sample.lines(|line| line.starts_with("   java.lang.Thread.State: "));
        let known = got.text.lines().filter(|line| line.starts_with("  thread @") && !line.contains(" Unknown cpu=")).count();
        assert!(known == states || (states == 0 && known > 0), "{}: {known} of {states}", sample.name);
        let plain = sample.lines(|line| line.starts_with("READY") || line.starts_with("after sleep") || line.contains("dummy log line"));
        assert_eq!((count(&got, "log @"), got.quarantined), (plain, 0), "{}: {}", sample.name, got.text);
        cut_everywhere(&sample);
    }
}

#[test]
fn declared_deadlocks() {
    let Some(corpus) = corpus() else { return };
    for (file, deadlocks, members) in
        [("jvm/threaddump/jdk17_jstack_l.txt", 2, 4), ("jvm/threaddump/jdk17_kill3_in_stdout.log", 4, 8), ("jvm-captures/locks.stdout", 2, 4)]
    {
        let sample = Sample::read(&corpus.join(file)).expect("the file can be read");
        let (_, got) = sample.parse();
        assert_eq!((count(&got, "  deadlock @"), got.text.matches(" wants ").count()), (deadlocks, members), "{file}");
    }
}

#[test]
fn awkward_names() {
    let Some(corpus) = corpus() else { return };
    for file in ["jvm/threaddump/jdk17_awkward_thread_names.txt", "jvm/threaddump/jdk25_awkward_thread_names.txt"] {
        let (_, got) = Sample::read(&corpus.join(file)).expect("the file can be read").parse();
        for name in [
            r#"kafka-producer-network-thread | "quoted" #7 nid=x"#,
            r#"evil" #99 prio=5 tid=0x1 nid=0x2 runnable [0x0]"#,
            "line1\nline2",
            r#"http-nio-8080-exec-1 [POST /orders?id="42"]"#,
            "",
        ] {
            assert!(got.text.contains(&format!(" {name:?} id=0x")), "{file}: {name:?}");
        }
    }
}

#[test]
fn unified_gc_logs() {
    let is_unified = |text: &str| text.lines().next().is_some_and(|line| line.starts_with('[') && !line.contains("dummy")) && text.contains("GC(");
    for sample in samples(&["jvm/gc", "jvm/gc/gcviewer", "jvm-captures"], is_unified) {
        let (label, got) = sample.parse();
        assert!(label.starts_with("gc-log/unified-"), "{}: {label:?}", sample.name);
        let plain = sample.lines(|line| !line.starts_with('[') && !line.is_empty());
        assert_eq!((count(&got, "log @"), got.quarantined), (plain, 0), "{}: {}", sample.name, got.text);
        let done = |line: &str, words: &str| line.contains(&format!(") {words}")) && line.contains("->") && line.trim_end().ends_with("ms");
        for (found, words) in [
            (&["Young", "Mixed"][..], &["Pause Young", "Pause Mixed", "Pause Initial Mark ("][..]),
            (&["Full"], &["Pause Full"]),
            (&["Degenerated"], &["Pause Degenerated GC"]),
        ] {
            let want = sample.lines(|line| words.iter().any(|words| done(line, words)));
            assert_eq!(kinds(&got, found), want, "{}: {found:?}", sample.name);
        }
        for (found, words) in [
            (&["Concurrent"][..], &[") Garbage Collection (", ") Major Collection (", ") Concurrent cleanup "][..]),
            (&["Minor"], &[") Minor Collection ("]),
            (&["Old"], &[" Tenured: ", " ParOldGen: ", " PSOldGen: "]),
            (&["OldRegions"], &[" Old regions: "]),
        ] {
            let want = sample.lines(|line| words.iter().any(|words| line.contains(words)) && line.contains("->"));
            assert_eq!(kinds(&got, found), want, "{}: {found:?}", sample.name);
        }
        for (found, words) in [
            ("Live", &[" Live:  "][..]),
            ("Metaspace", &["Metaspace: "]),
            ("Stall", &[" Allocation Stall (", " Relocation Stall ("]),
            ("Using", &["Using G1", "Using Serial", "Using Parallel", "Using Shenandoah", "Using The Z", "Using Concurrent Mark"]),
            ("EvacuationFailure", &["To-space exhausted", "(Evacuation Failure"]),
            ("Safepoint", &["Safepoint \"", "threads were stopped: "]),
            ("SoftReferencesCleared", &["Clearing All SoftReferences"]),
            ("GaveUp", &["Out Of Memory (", "upgrading to Full GC"]),
        ] {
            let want = sample.lines(|line| words.iter().any(|words| line.contains(words)) && !line.contains("Collection (Allocation Stall"));
            assert_eq!(kinds(&got, &[found]), want, "{}: {found}", sample.name);
        }
        let has_time = sample.text.starts_with("[20");
        assert!(got.text.lines().filter(|line| line.starts_with("gc @")).all(|line| line.contains(" time=") == has_time), "{}", sample.name);
        if sample.text.len() < 150_000 {
            cut_everywhere(&sample);
        }
    }
}

#[test]
fn class_histograms() {
    for sample in samples(&["jvm/heap", "jvm-captures", "jvm/threaddump/tda"], |text| text.contains("#instances")) {
        let (label, got) = sample.parse();
        let is_row = |line: &str| line.trim_start().split_once(": ").is_some_and(|(n, _)| n.bytes().all(|b| b.is_ascii_digit()) && !n.is_empty());
        let total: Vec<&str> = sample.text.lines().filter_map(|line| line.strip_prefix("Total ")).flat_map(str::split_ascii_whitespace).collect();
        let want = format!(" rows=\"{}\" instances=\"{}\" bytes=\"{}\"\n", sample.lines(is_row), total[0], total[1]);
        assert_eq!(count(&got, "class-histogram @"), 1, "{}", sample.name);
        assert!(got.text.contains(&want), "{}: {want}", sample.name);
        if label == "class-histogram" {
            assert_eq!(got.quarantined, 0, "{}", sample.name);
            cut_everywhere(&sample);
            // Without the last line the sums of the rows must be what it says.
            let (above, _) = sample.text.rsplit_once("Total").expect("the table has a last line");
            assert!(parse(above.as_bytes(), &sample.name).1.text.contains(&want), "{}", sample.name);
        }
    }
}

#[test]
fn dumps_to_a_file() {
    for sample in samples(&["jvm/threaddump", "jvm/threaddump/tda", "jvm-captures"], |text| text.contains("\"threadDump\"")) {
        let (label, got) = sample.parse();
        assert_eq!(label, "thread-dump/jcmd-json", "{}", sample.name);
        let lines = |key: &str| sample.lines(|line| line.trim_start().starts_with(key));
        assert_eq!((count(&got, "thread-dump @"), count(&got, "  thread @"), got.quarantined), (1, lines("\"tid\":"), 0), "{}", sample.name);
        for (role, key) in [("WaitingOn", "\"waitingOn\":"), ("WaitingToLock", "\"blockedOn\":"), ("ParkingFor", "\"parkBlocker\":")] {
            assert_eq!(count(&got, &format!("    {role} ")), lines(key), "{}: {role}", sample.name);
        }
        let states = got.text.lines().filter(|line| line.starts_with("  thread @") && !line.contains(" Unknown cpu=")).count();
        assert_eq!(states, lines("\"state\":"), "{}", sample.name);
        assert!(got.text.lines().filter(|line| line.starts_with("    ")).all(|line| !line.contains("java.base")), "{}", sample.name);
        cut_everywhere(&sample);
    }
    let is_plain = |text: &str| text.lines().nth(1).is_some_and(|line| line.len() == 30 && line.ends_with('Z')) && text.contains("\n#");
    for sample in samples(&["jvm/threaddump", "jvm-captures"], is_plain) {
        let (label, got) = sample.parse();
        assert_eq!(label, "thread-dump/jcmd-text", "{}", sample.name);
        let threads = sample.lines(|line| line.starts_with('#'));
        assert_eq!((count(&got, "thread-dump @"), count(&got, "  thread @"), got.quarantined), (1, threads, 0), "{}: {}", sample.name, got.text);
        for (role, words) in
            [("WaitingOn", "- waiting on <"), ("WaitingToLock", "- waiting to lock <"), ("ParkingFor", "- parking to "), ("Locked", "- locked <")]
        {
            let want = sample.lines(|line| line.trim_start().starts_with(words));
            assert_eq!(count(&got, &format!("    {role} ")), want, "{}: {role}", sample.name);
        }
        cut_everywhere(&sample);
    }
}

/// Kinds of facts and how many of each, as they can be counted in the file by hand.
fn gc_facts(file: &str) -> (String, String, Transcript) {
    let Some(corpus) = corpus() else { return Default::default() };
    let sample = Sample::read(&corpus.join(file)).expect("the file can be read");
    let (label, got) = sample.parse();
    let mut kinds: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for line in got.text.lines().filter(|line| line.starts_with("gc @")) {
        let kind = line.split("kind=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        *kinds.entry(kind).or_default() += 1;
    }
    let counts: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    cut_everywhere(&sample);
    (label, counts.join(", "), got)
}

#[test]
fn legacy_gc_logs() {
    if corpus().is_none() {
        return;
    }
    for (file, label, want) in [
        ("SampleSun1_5_0PromotionFailure.txt", "gc-log/legacy-parallel", "EvacuationFailure 1, Full 1, Metaspace 1, Old 6, Young 5"),
        ("SampleSun1_6_0CMS.txt", "gc-log/legacy-cms", "Full 2, GaveUp 2, Metaspace 2, Old 15, Phase 4, Young 13"),
        ("SampleSun1_7_0_40PrintGCCause.txt", "gc-log/legacy-g1", "Young 5"),
        ("SampleSun1_7_0_51_CMS_PrintApplStoppedTime.txt", "gc-log/legacy-cms", "Old 1, Phase 2, Safepoint 2"),
        ("SampleSun1_8_0CmsPrintGcId.txt", "gc-log/legacy-cms", "MaxHeap 1, Old 8, Phase 2, Using 1, Young 8"),
        ("SampleSun1_8_0G1HumongousMixed.txt", "gc-log/legacy-g1", "Young 1"),
        ("SampleSun1_8_0G1PrintHeapAtGc.txt", "gc-log/legacy-g1", "MaxHeap 1, Using 1, Young 1"),
        ("SampleSun1_8_0G1_ConcurrentCycle.txt", "gc-log/legacy-g1", "Phase 2, Young 2"),
        ("SampleSun1_8_0ParallelPrintGCID.txt", "gc-log/legacy-parallel", "Full 2, MaxHeap 1, Metaspace 2, Old 5, Using 1, Young 3"),
        ("SampleOpenJdk1_8_0-332.txt", "gc-log/legacy-shenandoah", "Concurrent 3, Degenerated 1, MaxHeap 1, Phase 7, Using 1"),
        ("SampleIBMJ9_R28_af_scavenge_full_header.txt", "gc-log/openj9", "MaxHeap 1, Old 2, Safepoint 2, Using 1, Young 2"),
    ] {
        let (found, counts, got) = gc_facts(&format!("jvm/gc/gcviewer/{file}"));
        assert_eq!((found.as_str(), counts.as_str()), (label, want), "{file}");
        assert_eq!((got.quarantined, count(&got, "log @")), (0, 0), "{file}: {}", got.text);
    }
}

/// What else the JVM's tools print: label, records, and some of what must be among them.
#[test]
fn other_artefacts() {
    let Some(corpus) = corpus() else { return };
    for (file, label, records, parts) in [
        ("jvm/heap/jdk17_heap_info.txt", "jcmd/heap-info", 6, &["id=garbage-first heap;\" value=\"15044608.0\""][..]),
        ("jvm-captures/heapinfo.txt", "jcmd/heap-info", 8, &["id=tenured generation;\" value=\"9859072.0\""]),
        ("jvm/other/jdk17_classloader_stats.txt", "jcmd/class-loaders", 8, &["name=\"jvm.classes.loaded\" kind=\"Gauge\" value=\"1250.0\""]),
        ("jvm-captures/clstats.txt", "jcmd/class-loaders", 8, &["type=Redeploy$WebappLoader;\" value=\"62.0\"", "value=\"895.0\""]),
        ("jvm-captures/cls.txt", "jcmd/class-loaders", 4, &["type=Redeploy$WebappLoader;\" value=\"64.0\""]),
        ("jvm/other/jdk17_nmt_summary.txt", "jcmd/native-memory", 30, &["category=Thread;"]),
        (
            "jvm/other/jdk17_nmt_summary_diff.txt",
            "jcmd/native-memory",
            30,
            &["name=\"jvm.nmt.committed.change\" kind=\"Gauge\" labels=\"category=total;\" value=\"196608.0\""],
        ),
        ("jvm-captures/nmt.txt", "jcmd/native-memory", 30, &["name=\"jvm.nmt.threads\" kind=\"Gauge\" value=\"87.0\""]),
        ("jvm-captures/nmt_diff.txt", "jcmd/native-memory", 30, &["name=\"jvm.nmt.threads.change\""]),
        ("jvm-captures/metaspace.txt", "jcmd/metaspace", 2, &["id=Metaspace;\" value=\"887173.12\""]),
        ("jvm-captures/metaspace_full.txt", "jcmd/metaspace", 6, &["name=\"jvm.class_loaders\" kind=\"Gauge\" value=\"85.0\"", "value=\"907.0\""]),
        ("jvm/other/jdk17_vm_uptime.txt", "jcmd/uptime", 1, &["value=\"12.726\""]),
        ("jvm/other/jdk25_vthread_scheduler.txt", "jcmd/scheduler", 4, &["name=\"jvm.threads.virtual.parallelism\" kind=\"Gauge\" value=\"2.0\""]),
        ("jvm/other/jdk17_jstat_gc.txt", "jstat", 48, &["id=Old Gen;\" value=\"15662592.0\""]),
        ("jvm/other/jdk17_jstat_gcutil.txt", "jstat", 50, &["name=\"jvm.memory.usage\""]),
        ("jvm/other/jdk17_jstat_gcutil_t.txt", "jstat", 30, &["name=\"jvm.memory.usage\""]),
        ("jvm-captures/jstat.txt", "jstat", 38, &["name=\"jvm.memory.usage\"", "name=\"jvm.memory.used\""]),
        ("jvm/crash/jdk17_hs_err_sigsegv.log", "hs-err", 10, &["time=\"2026-11-22T19:32:04Z\" level=\"FATAL\"", "SIGSEGV (0xb)", "kind=\"Young\""]),
        (
            "jvm-captures/hs_err_pid18178.log",
            "hs-err",
            10,
            &["stack=\"java.lang.OutOfMemoryError: Java heap space\"", "jvm.threads.live\" kind=\"Gauge\" value=\"11.0\""],
        ),
        ("jvm-captures/vminfo.txt", "hs-err/vm-info", 10, &["name=\"jvm.memory.used\""]),
    ] {
        let sample = Sample::read(&corpus.join(file)).expect("the file can be read");
        let (found, got) = sample.parse();
        assert_eq!((found.as_str(), got.quarantined, count(&got, "log @") <= 1), (label, 0, true), "{file}: {}", got.text);
        assert!(got.records >= records, "{file}: {} records: {}", got.records, got.text);
        assert!(parts.iter().all(|part| got.text.contains(part)), "{file}: {}", got.text);
        cut_everywhere(&sample);
    }
}

/// A heap dump and the histogram that `jmap` printed of a process of the same program.
#[test]
fn heap_dumps() {
    use std::io::Read;
    let Some(corpus) = corpus() else { return };
    let mut bytes = Vec::new();
    let packed = fs::File::open(corpus.join("jvm/heap/jdk17_oom.hprof.gz")).expect("the dump can be opened");
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).expect("the dump can be unpacked");
    let (label, got) = parse(&bytes, "oom.hprof");
    assert_eq!((label.as_str(), got.quarantined), ("heap-dump/hprof", 0));
    assert!(got.text.starts_with("class-histogram @0+31 time=\"2026-11-22T20:26:55.987Z\" rows=\"188\" instances=\"21926\""), "{}", &got.text[..300]);
    // The two are of different moments, so that the counts differ; what an object takes does not.
    let beside = fs::read_to_string(corpus.join("jvm/heap/jdk17_jmap_histo.txt")).expect("the histogram can be read");
    let (_, printed) = parse(beside.as_bytes(), "histo.txt");
    let rows = analyze_rows(&bytes);
    let printed_rows = analyze_rows(beside.as_bytes());
    assert!(printed.records == 1 && printed_rows.len() > 300);
    // A few classes of the JDK have fields that only the JVM sees, or room between theirs, which no dump shows.
    let (mut compared, mut equal) = (0, 0);
    for (class, (instances, size)) in rows.iter().filter(|(class, _)| !class.starts_with('[') && *class != "java.lang.Class") {
        let Some((count, all)) = printed_rows.get(class) else { continue };
        let (ours, theirs) = (size / instances, all / count);
        assert!(ours <= theirs, "{class}: {ours} {theirs}");
        compared += 1;
        equal += usize::from(ours == theirs);
    }
    assert!(compared > 50 && equal * 100 >= compared * 90, "{equal} of {compared}");
    for at in (0..bytes.len()).step_by(1_000_003) {
        parse(&bytes[..at], "cut.hprof");
    }
}

/// Instances and bytes of every class of a histogram.
fn analyze_rows(bytes: &[u8]) -> std::collections::BTreeMap<String, (u64, u64)> {
    let found = recognise(&Head { path: "", bytes: &bytes[..bytes.len().min(64 << 10)], whole: false }).expect("it is recognised");
    let mut rows = Rows::default();
    found.parser.parse(&Chunk { file: FileId(0), base: 0, bytes, hints: &Hints::default() }, &mut rows);
    rows.0
}

#[derive(Default)]
struct Rows(std::collections::BTreeMap<String, (u64, u64)>);

impl Sink for Rows {
    fn class_histogram(&mut self, r: &ClassHistogram<'_>) {
        self.0.extend(r.rows.iter().map(|row| (row.class.to_owned(), (row.instances, row.bytes))));
    }
    fn log(&mut self, _: &LogRecord<'_>) {}
    fn span(&mut self, _: &SpanRecord<'_>) {}
    fn metric(&mut self, _: &MetricRecord<'_>) {}
    fn thread_dump(&mut self, _: &ThreadDump<'_>) {}
    fn gc(&mut self, _: &GcRecord<'_>) {}
    fn event(&mut self, _: &EventRecord<'_>) {}
    fn setting(&mut self, _: &SettingRecord<'_>) {}
    fn quarantine(&mut self, _: Evidence, _: Reason) {}
}

/// A recording and what the `jfr` tool prints of it.
#[test]
fn flight_recordings() {
    let Some(corpus) = corpus() else { return };
    let read = |file: &str| fs::read(corpus.join("jvm/other").join(file)).expect("the file can be read");
    let bytes = read("jdk17_profile.jfr");
    let (label, got) = parse(&bytes, "profile.jfr");
    assert_eq!((label.as_str(), got.quarantined), ("flight-recording", 0));
    let (label, printed) = parse(&read("jfr_print.json"), "print.json");
    assert_eq!((label.as_str(), printed.quarantined, printed.records), ("jfr/json", 0, 8));
    let loads = |got: &Transcript| -> Vec<(String, f64)> {
        let loads = got.text.lines().filter(|line| line.contains(".cpu.usage"));
        loads
            .map(|line| {
                let (about, value) = line.split_once(" value=\"").expect("it has a value");
                let about = about.split_once(" time=").expect("it has a time").1.to_owned();
                (about, value.trim_end_matches('"').parse().expect("the value is a number"))
            })
            .collect()
    };
    let (ours, theirs) = (loads(&got), loads(&printed));
    assert_eq!(ours.len(), 8);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert!(ours.0 == theirs.0 && (ours.1 - theirs.1).abs() < 1e-6, "{ours:?} {theirs:?}");
    }
    // 791 young and 106 old collections by the summary, the concurrent ones among them.
    let kind = |kind: &str| kinds(&got, &[kind]);
    assert_eq!((kind("Young"), kind("Full") + kind("Phase"), kind("Concurrent")), (791, 106, 0));
    let after = got.text.lines().filter(|line| line.contains("kind=\"Full\"") && line.contains(" before=") && line.contains(" after=")).count();
    assert_eq!(after, kind("Full"));
    assert!(got.text.contains("id=\"2\" kind=\"Young\" cause=\"G1 Evacuation Pause\""), "the second collection");
    let (label, text) = parse(&read("jfr_print.txt"), "print.txt");
    assert_eq!((label.as_str(), kinds(&text, &["Young"])), ("jfr/text", 1));
    let (label, summary) = parse(&read("jfr_summary.txt"), "summary.txt");
    assert_eq!((label.as_str(), summary.quarantined), ("jfr/summary", 0));
    assert!(summary.text.contains("labels=\"type=jdk.GarbageCollection;\" value=\"897.0\""), "{}", summary.text);
    for at in (0..bytes.len()).step_by(100_003) {
        parse(&bytes[..at], "cut.jfr");
    }
}
