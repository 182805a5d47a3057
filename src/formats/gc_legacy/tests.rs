use super::*;
use crate::formats::fixture::{recognised, stream, worn};

/// The facts of a log, without places.
fn facts(text: &str) -> Vec<String> {
    let got = stream(Box::new(Legacy::MAIN), text.as_bytes());
    got.text.lines().map(|line| line.split(' ').filter(|word| !word.starts_with('@')).collect::<Vec<_>>().join(" ").replace('"', "")).collect()
}

const PARALLEL: &str = "2022-07-26T21:00:40.750+0800: 3.117: #0: [GC (Allocation Failure) [PSYoungGen: 7077888K->222570K(8257536K)] 7077888K->222586K(9306112K), \
     0.5437135 secs] [Times: user=1.92 sys=0.20, real=0.55 secs] \n\
     2022-07-26T21:00:45.231+0800: 7.599: #2: [Full GC (System.gc()) [PSYoungGen: 98289K->0K(8257536K)] [ParOldGen: 32K->98112K(1048576K)] \
     98321K->98112K(9306112K), [Metaspace: 16471K->16471K(1064960K)], 0.6492397 secs] [Times: user=1.52 sys=0.17, real=0.65 secs] \n";

const CMS: &str = "0.769: [GC 0.769: [ParNew: 118006K->118006K(118016K), 0.0000176 secs]0.769: [CMS0.769: [CMS-concurrent-abortable-preclean: 0.001/0.055 \
                   secs] [Times: user=0.02 sys=0.00, real=0.06 secs] \n (concurrent mode failure): 91890K->20323K(131072K), 0.0186232 secs] \
                   209896K->20323K(249088K), [CMS Perm : 2561K->2560K(21248K)], 0.0187293 secs] [Times: user=0.01 sys=0.00, real=0.02 secs] \n\
                   1.383: [GC [1 CMS-initial-mark: 75903K(131072K)] 91063K(249088K), 0.0002257 secs] [Times: user=0.00 sys=0.00, real=0.00 secs] \n\
                   1.383: [CMS-concurrent-mark-start]\n\
                   1.565: [GC 1.565: [ParNew1.578: [CMS-concurrent-abortable-preclean: 0.002/0.190 secs] [Times: user=0.09 sys=0.00, real=0.19 secs] \n\
                   : 118008K->13040K(118016K), 0.0281748 secs] 194351K->128075K(249088K), 0.0282363 secs] [Times: user=0.03 sys=0.02, real=0.03 secs] \n\
                   1.593: [GC[YG occupancy: 15176 K (118016 K)]1.593: [Rescan (parallel) , 0.0003847 secs]1.594: [weak refs processing, 0.0000057 secs] \
                   [1 CMS-remark: 115034K(131072K)] 130210K(249088K), 0.0005792 secs] [Times: user=0.00 sys=0.00, real=0.00 secs] \n";

const G1: &str = "{Heap before GC invocations=0 (full 0):\n garbage-first heap   total 65536K, used 5120K [0x00000000f8000000)\n  region size 1024K, 5 young (5120K)\n\
                  160770.873: [GC pause (G1 Humongous Allocation) (young) (to-space exhausted)160770.887: [GC concurrent-root-region-scan-end, 0.0157002 secs]\n\
                  160770.887: [GC concurrent-mark-start]\n, 0.0470136 secs]\n   [Parallel Time: 23.4 ms, GC Workers: 10]\n      [Update RS (ms): Min: 8.5, Avg: 12.3]\n\
                  \x20  [Eden: 16.0M(1552.0M)->0.0B(1536.0M) Survivors: 80.0M->96.0M Heap: 29.9G(32.0G)->7136.4K(32.0G)]\nHeap after GC invocations=1 (full 0):\n}\n\
                  \x20[Times: user=0.26 sys=0.00, real=0.05 secs]\n160771.000: [GC remark 0.303: [GC ref-proc, 0.0000700 secs], 0.0010462 secs]\n\
                  160771.100: [GC cleanup 75M->25M(103M), 0.0004412 secs]\n160771.200: [GC pause (G1 Evacuation Pause) (mixed), 0.02 secs]\n";

#[test]
fn parallel() {
    let time = "gc time=2022-07-26T13:00:40.750Z uptime=3117000000 id=0 kind=";
    let full = "gc time=2022-07-26T13:00:45.231Z uptime=7599000000 id=2 kind=";
    assert_eq!(
        facts(PARALLEL),
        [
            format!("{time}Young cause=Allocation Failure before=7247757312 after=227928064 capacity=9529458688 nanos=543713500"),
            format!("{time}Old before=0 after=16384 capacity=1073741824 nanos=0"),
            format!("{full}Full cause=System.gc() before=100680704 after=100466688 capacity=9529458688 nanos=649239700"),
            format!("{full}Old cause=ParOldGen before=32768 after=100466688 capacity=1073741824 nanos=0"),
            format!("{full}Metaspace before=16866304 after=16866304 nanos=0"),
        ]
    );
    assert_eq!(recognised(PARALLEL).unwrap().0, "gc-log/legacy-parallel");
}

#[test]
fn cms_in_pieces() {
    let found = facts(CMS);
    for part in [
        "kind=Full cause=concurrent mode failure before=214933504 after=20810752 capacity=255066112 nanos=18729300",
        "kind=GaveUp cause=concurrent mode failure nanos=0",
        "kind=Old cause=CMS before=94095360 after=20810752 capacity=134217728 nanos=0",
        "kind=Metaspace before=2622464 after=2621440 capacity=21757952 nanos=0",
        "kind=Phase cause=CMS-initial-mark nanos=225700",
        "kind=Young before=199015424 after=131148800 capacity=255066112 nanos=28236300",
        "kind=Phase cause=CMS-remark nanos=579200",
    ] {
        assert!(found.iter().any(|fact| fact.ends_with(part)), "{part}: {found:#?}");
    }
    assert_eq!(found.len(), 8, "{found:#?}");
}

#[test]
fn g1_with_its_phases() {
    let found = facts(G1);
    for part in [
        "kind=Young cause=G1 Humongous Allocation before=32104880537 after=7307673 capacity=34359738368 nanos=47013600",
        "kind=EvacuationFailure cause=to-space exhausted nanos=0",
        "kind=Phase cause=remark nanos=1046200",
        "kind=Phase cause=cleanup before=78643200 after=26214400 capacity=108003328 nanos=441200",
        "kind=Mixed cause=G1 Evacuation Pause nanos=20000000",
    ] {
        assert!(found.iter().any(|fact| fact.ends_with(part)), "{part}: {found:#?}");
    }
    assert_eq!(found.len(), 5, "{found:#?}");
}

#[test]
fn other_shapes() {
    for (text, want) in [
        ("[GC 98321K->98112K(9306112K), 0,0216159 secs]", "kind=Young before=100680704 after=100466688 capacity=9529458688 nanos=21615900"),
        (
            "0,500: [Full GC (System) 5M->3M(10M), 0,1000000 secs]",
            "kind=Full cause=System.gc() before=5242880 after=3145728 capacity=10485760 nanos=100000000",
        ),
        ("1.0: [GC-- [PSYoungGen: 2K->2K(2K)] 5K->7K(9K), 0.5 secs]", "kind=EvacuationFailure cause=promotion failed nanos=0"),
        (
            "1.0: [GC 1.0: [DefNew: 4K->0K(5K), 0.1 secs]1.1: [Tenured: 2K->1K(8K), 0.2 secs] 6K->1K(13K), [Perm : 2K->2K(12K)], 0.3 secs]",
            "kind=Full before=6144 after=1024 capacity=13312 nanos=300000000",
        ),
        ("1.0: Total time for which application threads were stopped: 0.0052850 seconds", "kind=Safepoint nanos=5285000"),
        ("1.0: [Pause Init Mark (process weakrefs), 3.341 ms]", "kind=Phase cause=Init Mark (process weakrefs) nanos=3341000"),
        (
            "1.0: [Concurrent cleanup 1613M->1361M(1636M), 0.092 ms]",
            "kind=Concurrent cause=Concurrent cleanup before=1691353088 after=1427111936 capacity=1715470336 nanos=92000",
        ),
        (
            "1.0: [Pause Degenerated GC (Update Refs) 5M->3M(10M), 4.5 ms]",
            "kind=Degenerated cause=Update Refs before=5242880 after=3145728 capacity=10485760 nanos=4500000",
        ),
        ("CommandLine flags: -XX:MaxHeapSize=536870912 -XX:+UseParallelGC ", "kind=MaxHeap after=536870912 nanos=0"),
        ("CommandLine flags: -XX:MaxHeapSize=536870912 -XX:+UseParallelGC ", "kind=Using cause=Parallel nanos=0"),
    ] {
        let found = facts(text);
        assert!(found.iter().any(|fact| fact.ends_with(want)), "{want}: {found:#?}");
    }
    for text in
        ["1.0: Application time: 0.0016652 seconds", "1.0: [CMS-concurrent-mark-start]", "1.0: [Pause Init Mark, start]", "1.0: [GC (Allocation"]
    {
        assert_eq!(facts(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn between_the_lines_of_a_log() {
    let log = "2026-09-14 10:00:00.000  INFO 1 --- [main] c.acme.Cart : up\n";
    let (label, got) = recognised(&format!("{}{PARALLEL}{}{CMS}{log}", log.repeat(9), log.repeat(9))).unwrap();
    assert!(label.starts_with("text-log"), "{label}");
    assert_eq!((got.text.matches("log @").count(), got.text.matches("gc @").count()), (19, 13), "{}", got.text);
    let (_, got) = recognised(&format!("{PARALLEL}hello from main\n{PARALLEL}")).unwrap();
    assert!(got.text.contains("message=\"hello from main\""), "{}", got.text);
}

#[test]
fn look_alikes() {
    for line in [
        "[GC] collected",
        "[GC pressure is high]",
        "1.0: [main] up",
        "2026-09-14T10:00:00.000+0000: up",
        "[1.2s][info][gc] GC(3) Pause Young (Normal) 2M->1M(4M) 1ms",
        "[Pause at the shop]",
        "Total: 12",
    ] {
        assert!(!Legacy::EMBEDDED.starts(line.as_bytes(), b""), "{line}");
        assert!(sniff(&Head { path: "", bytes: line.as_bytes(), whole: true }).is_none(), "{line}");
    }
}

#[test]
fn worn_logs() {
    for text in [PARALLEL, CMS, G1] {
        worn(text.as_bytes(), |bytes| stream(Box::new(Legacy::MAIN), bytes));
    }
}
