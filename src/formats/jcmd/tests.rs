use super::*;
use crate::formats::fixture::{recognised, stream, worn};

const MAIN: Answers = Answers { embedded: false, named: None };

/// What a text is recognised as, and its metrics as `name labels value`.
fn metrics(text: &str) -> (String, Vec<String>) {
    let (label, got) = recognised(text).unwrap();
    assert_eq!(got.quarantined, 0, "{}", got.text);
    let of = |line: &str, key: &str| line.split(&format!("{key}=\"")).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned();
    let lines = got.text.lines().map(|line| match line.starts_with("metric") {
        true => format!("{} {} {}", of(line, "name"), of(line, "labels"), of(line, "value")),
        false => line.to_owned(),
    });
    (label, lines.collect())
}

const HEAP: &str = "9066:\n garbage-first heap   total 55296K, used 14692K [0x00000000fc000000, 0x0000000100000000)\n  region size 1024K, 0 young (0K), 0 survivors (0K)\n \
                    Metaspace       used 1583K, committed 1792K, reserved 1114112K\n  class space    used 165K, committed 256K, reserved 1048576K\n";
const NMT: &str = "9066:\n\nNative Memory Tracking:\n\n(Omitting categories weighting less than 1KB)\n\nTotal: reserved=1527200KB +192KB, committed=121756KB -12KB\n       \
                   malloc: 3266KB #11725\n\n-                    Thread (reserved=41071KB, committed=3019KB)\n                            (thread #89 +57)\n                            \
                   (stack: reserved=40960KB, committed=2908KB)\n \n-    Native Memory Tracking (reserved=638KB +192KB, committed=638KB +192KB)\n                            \
                   (malloc=372KB +159KB #4587 +2068)\n";
const LOADERS: &str = "4044:\nClassLoader         Parent              CLD*               Classes   ChunkSz   BlockSz  Type\n\
                       0x00007f396d000a08  0x00007f396c07af08  0x00007f39c4149b80       2       768       456  Redeploy$WebappLoader\n\
                       0x00007f396d000a08  0x00007f396c07af08  0x00007f39c4128ce0       3       768       456  Redeploy$WebappLoader\n\
                       0x0000000000000000  0x0000000000000000  0x00007f84a80a29e0    1209    557056    229326  <boot class loader>\n                                              \
                                         22      8448      5123   + hidden classes\nTotal = 65                                                     895    612224    107767  \n\
                       ChunkSz: Total size of all allocated metaspace chunks\nBlockSz: Total size of all allocated metaspace blocks (each chunk has several blocks)\n";
const METASPACE: &str = "4044:\n\nUsage:\n  Non-class:    759.16 KB used.\n      Class:    107.23 KB used.\n       Both:    866.38 KB used.\n\nVirtual space:\n  \
                         Class space:        1.00 GB reserved,     256.00 KB ( <1%) committed,  1 nodes.\n             Both:        1.06 GB reserved,       1.12 MB ( <1%) committed. \n\n\
                         MaxMetaspaceSize: 64.00 MB\nCDS: on\n";

#[test]
fn heaps() {
    let (label, got) = metrics(HEAP);
    assert_eq!(label, "jcmd/heap-info");
    assert_eq!(
        got,
        [
            "jvm.memory.committed area=heap;id=garbage-first heap; 56623104.0",
            "jvm.memory.used area=heap;id=garbage-first heap; 15044608.0",
            "jvm.memory.used area=nonheap;id=Metaspace; 1620992.0",
            "jvm.memory.committed area=nonheap;id=Metaspace; 1835008.0",
            "jvm.memory.used area=nonheap;id=Compressed Class Space; 168960.0",
            "jvm.memory.committed area=nonheap;id=Compressed Class Space; 262144.0",
        ]
    );
    let (_, got) = metrics("1:\n ZHeap           used 30M, capacity 64M, max capacity 256M\n");
    assert_eq!(
        got,
        [
            "jvm.memory.used area=heap;id=ZHeap; 31457280.0",
            "jvm.memory.committed area=heap;id=ZHeap; 67108864.0",
            "jvm.memory.max area=heap;id=ZHeap; 268435456.0"
        ]
    );
    let (_, got) = metrics("1:\nShenandoah Heap\n 3991M max, 3990M soft max, 3907M committed, 496M used\n 3991 x 1024K regions\nStatus: cancelled\n");
    assert_eq!(got.len(), 3, "{got:?}");
}

#[test]
fn native_memory() {
    let (label, got) = metrics(NMT);
    assert_eq!(label, "jcmd/native-memory");
    for want in [
        "jvm.nmt.reserved category=total; 1563852800.0",
        "jvm.nmt.reserved.change category=total; 196608.0",
        "jvm.nmt.committed category=total; 124678144.0",
        "jvm.nmt.committed.change category=total; -12288.0",
        "jvm.nmt.committed category=Thread; 3091456.0",
        "jvm.nmt.threads  89.0",
        "jvm.nmt.threads.change  57.0",
        "jvm.nmt.committed.change category=Native Memory Tracking; 196608.0",
    ] {
        assert!(got.iter().any(|line| line == want), "{want}: {got:#?}");
    }
    assert_eq!(got.len(), 12, "{got:#?}");
}

#[test]
fn class_loaders() {
    let (label, got) = metrics(LOADERS);
    assert_eq!(label, "jcmd/class-loaders");
    assert_eq!(
        got,
        [
            "jvm.class_loaders type=<boot class loader>; 1.0",
            "jvm.class_loaders.classes type=<boot class loader>; 1209.0",
            "jvm.class_loaders type=Redeploy$WebappLoader; 2.0",
            "jvm.class_loaders.classes type=Redeploy$WebappLoader; 5.0",
            "jvm.class_loaders  65.0",
            "jvm.classes.loaded  895.0",
        ]
    );
    let old = "class_loader\tclasses\tbytes\tparent_loader\talive?\ttype\n\n<bootstrap>\t2142\t3693127\t  null  \tlive\t<internal>\n\
        0x00000000f8011c20\t14\t25230\t0x00000000f8012bd0\tdead\tjava/net/URLClassLoader@0x0000000100000fb0\n\ntotal = 907\t4156\t3718357\t    N/A    \talive=104, dead=803\t    N/A    \n";
    let (_, got) = metrics(&old.replace('\t', "  "));
    assert!(
        got.contains(&"jvm.class_loaders type=java/net/URLClassLoader; 1.0".to_owned()) && got.contains(&"jvm.class_loaders  907.0".to_owned()),
        "{got:?}"
    );
    let tree = "4044:\n+-- <bootstrap>\n      |     \n      +-- \"platform\", jdk.internal.loader.ClassLoaders$PlatformClassLoader\n            |     \n            +-- Redeploy$WebappLoader (+ 63 more)\n";
    let (_, got) = metrics(tree);
    assert!(got.contains(&"jvm.class_loaders type=Redeploy$WebappLoader; 64.0".to_owned()) && got.len() == 3, "{got:?}");
}

#[test]
fn metaspace_brief_and_in_full() {
    let (label, got) = metrics(METASPACE);
    assert_eq!(label, "jcmd/metaspace");
    assert_eq!(
        got,
        [
            "jvm.memory.used area=nonheap;id=Compressed Class Space; 109803.52",
            "jvm.memory.used area=nonheap;id=Metaspace; 887173.12",
            "jvm.memory.max area=nonheap;id=Metaspace; 67108864.0",
        ]
    );
    let full = "4044:\n\nTotal Usage - 85 loaders, 907 classes (707 shared):\n  Non-Class:   86 chunks,      4.30 MB capacity,  888.00 KB ( 20%) committed,   765.05 KB ( 17%) used,   \
        122.95 KB (  3%) free\n       Both:  172 chunks,      4.71 MB capacity,    1.00 MB ( 23%) committed,   874.50 KB ( 18%) used,   232.59 KB (  5%) free\n\nVirtual space:\n";
    let (_, got) = metrics(full);
    assert_eq!(
        got,
        [
            "jvm.class_loaders  85.0",
            "jvm.classes.loaded  907.0",
            "jvm.memory.used area=nonheap;id=Metaspace; 895488.0",
            "jvm.memory.committed area=nonheap;id=Metaspace; 1048576.0",
        ]
    );
}

#[test]
fn one_answer_after_another() {
    let (_, got) = metrics(&format!("{HEAP}{NMT}{LOADERS}{METASPACE}9066:\n12.726 s\n"));
    assert_eq!(got.len(), 6 + 12 + 6 + 3 + 1, "{got:#?}");
    assert_eq!(got.last().map(String::as_str), Some("process.uptime  12.726"));
    let (label, got) = metrics(
        "10885:\njava.util.concurrent.ForkJoinPool@188c73e[Running, parallelism = 2, size = 2, active = 0, running = 0, submissions = 4, delayed = 7]\n",
    );
    assert_eq!((label.as_str(), got.len()), ("jcmd/scheduler", 4), "{got:?}");
    let log = "2026-09-14 10:00:00.000  INFO 1 --- [main] c.acme.Cart : up\n".repeat(9);
    let (label, got) = metrics(&format!("{log}{NMT}{log}"));
    assert!(label.starts_with("text-log") && got.iter().any(|line| line == "jvm.nmt.threads  89.0"), "{label}: {got:#?}");
}

#[test]
fn look_alikes() {
    for text in [
        "12.726 s\n",
        "Usage: analyze BUNDLE\n",
        "Native Memory Tracking is off\n",
        "ClassLoader is missing\n",
        " used 12K\n",
        "9066:\nVM Arguments:\n",
        "",
    ] {
        assert!(sniff(&Head { path: "", bytes: text.as_bytes(), whole: true }).is_none(), "{text}");
    }
}

#[test]
fn worn_answers() {
    for text in [HEAP, NMT, LOADERS, METASPACE] {
        worn(text.as_bytes(), |bytes| stream(Box::new(MAIN), bytes));
    }
}
