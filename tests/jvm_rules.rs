//! `memory-leak-trend`, `gc-pressure` and `deadlock` on what looks like their fault: the healthy twins first, then the faults.

use crate::program::{put, report, shared};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Rule and severity of everything found in a file of this content.
fn found(name: &str, text: &str) -> Vec<(String, String, Value)> {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let path = folder.path().join(name);
    put(&path, text);
    found_in(&path)
}

fn found_in(path: &Path) -> Vec<(String, String, Value)> {
    let findings = report(path)["findings"].as_array().cloned().unwrap_or_default();
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    findings.into_iter().map(|finding| (word(&finding, "rule"), word(&finding, "severity"), finding)).collect()
}

fn severity(found: &[(String, String, Value)], rule: &str) -> Option<String> {
    found.iter().find(|(id, ..)| id == rule).map(|(_, severity, _)| severity.clone())
}

/// A log of collections: seconds since the start, kind, before and after in MiB, of a heap of 2048.
fn gc_log(collections: impl Iterator<Item = (u32, &'static str, u32, u32)>) -> String {
    let mut log = "[0.010s][info][gc] Using Parallel\n".to_owned();
    for (number, (second, kind, before, after)) in collections.enumerate() {
        let _ = writeln!(log, "[{second}.000s][info][gc] GC({number}) Pause {kind} (Ergonomics) {before}M->{after}M(2048M) 12.000ms");
    }
    log
}

const LEAK: &str = "memory-leak-trend";

#[test]
fn heaps_that_come_back_are_no_leak() {
    let creep = (0..108).map(|n| (n * 10, "Young", 300 + n * 12, n * 12));
    let floors = (0..5).map(|n| (1090 + n * 60, "Full", 1900, 380));
    let returned = gc_log(creep.chain(floors));
    let saw = gc_log((0..60).map(|n| (n * 60, "Full", 1500, 300 + (n % 6) * 90)));
    let warm = gc_log((0..60).map(|n| (n * 60, "Full", 1500, 300 + (n * 60).min(900))));
    for (name, log) in [("promotion creep", returned), ("saw-tooth", saw), ("a cache that fills and levels off", warm)] {
        assert_eq!(severity(&found("gc.log", &log), LEAK), None, "{name}");
    }
}

#[test]
fn remarks_are_no_floor() {
    let mut log = "[0.010s][info][gc] Using G1\n".to_owned();
    for n in 0..40 {
        let (second, remark) = (n * 60, 200 + n * 20);
        let _ = writeln!(log, "[{second}.000s][info][gc] GC({}) Pause Remark {remark}M->{remark}M(2048M) 2.000ms", 2 * n);
        let _ = writeln!(
            log,
            "[{second}.500s][info][gc] GC({}) Pause Young (Mixed) (G1 Evacuation Pause) 1200M->{}M(2048M) 12.000ms",
            2 * n + 1,
            300 + n % 3
        );
    }
    assert_eq!(severity(&found("gc.log", &log), LEAK), None);
}

#[test]
fn a_restart_is_no_growth() {
    let day = gc_log((0..8).map(|n| (n * 600, "Full", 1500, 300 + n % 3)));
    assert_eq!(severity(&found("gc.log", &day.repeat(3)), LEAK), None);
}

#[test]
fn floors_of_full_collections_that_rise() {
    let log = gc_log([412, 498, 590, 675, 771, 862].into_iter().zip(1..).map(|(after, hour)| (hour * 3600, "Full", after + 600, after)));
    let found = found("gc.log", &log);
    assert_eq!(severity(&found, LEAK).as_deref(), Some("high"), "{found:#?}");
}

/// A log of JDK 8 begins with a line of flags that has no time.
#[test]
fn flags_without_a_time_hide_no_growth() {
    let mut log = "CommandLine flags: -XX:MaxHeapSize=2147483648 -XX:+PrintGC -XX:+PrintGCDetails -XX:+UseParallelGC \n".to_owned();
    for n in 1..9_u32 {
        let (second, floor) = (n * 3600, 300_000 + n * 90_000);
        let _ = writeln!(
            log,
            "{second}.000: [Full GC (Ergonomics) [PSYoungGen: 8100K->0K(699392K)] [ParOldGen: {0}K->{floor}K(1397760K)] {1}K->{floor}K(2097152K), [Metaspace: 61240K->61240K(1105920K)], 0.8422000 secs] [Times: user=2.90 sys=0.00, real=0.84 secs] ",
            floor + 80_000,
            floor + 88_100
        );
    }
    assert_eq!(severity(&found("gc.log", &log), LEAK).as_deref(), Some("high"));
}

#[test]
fn young_collections_alone_are_a_remark() {
    let log = gc_log((0..200).map(|n| (n * 10, "Young", 400 + n * 4, 20 + n * 4)));
    assert_eq!(severity(&found("gc.log", &log), LEAK).as_deref(), Some("low"));
}

/// A dump of threads: name, state, lock lines.
fn dump(threads: &[(&str, &str, &str)]) -> String {
    let mut text = "2026-09-14 11:52:04\nFull thread dump OpenJDK 64-Bit Server VM (17.0.15+6 mixed mode, sharing):\n\n".to_owned();
    for (number, (name, state, locks)) in threads.iter().enumerate() {
        let _ =
            write!(text, "\"{name}\" #{} prio=5 os_prio=0 cpu=1.00ms elapsed=9.00s tid=0x{:016x} nid=0x{:x} ", number + 10, number + 1, number + 1);
        let _ = write!(
            text,
            "waiting for monitor entry  [0x00007fa3fb1fd000]\n   java.lang.Thread.State: {state}\n\tat com.acme.Stock.move(Stock.java:7)\n{locks}\n"
        );
    }
    text + "JNI global refs: 20, weak refs: 0\n"
}

const BLOCKED: &str = "BLOCKED (on object monitor)";

#[test]
fn waiting_is_no_deadlock() {
    let held = "\t- locked <0x000000070a> (a java.lang.Object)\n";
    let wants = "\t- waiting to lock <0x000000070a> (a java.lang.Object)\n";
    let contended = dump(&[("owner", "TIMED_WAITING (sleeping)", held), ("a", BLOCKED, wants), ("b", BLOCKED, wants)]);
    let given_back = "\t- waiting on <0x000000070b> (a java.lang.Object)\n\t- locked <0x000000070b> (a java.lang.Object)\n";
    let released = dump(&[
        ("Finalizer", "WAITING (on object monitor)", given_back),
        ("c", BLOCKED, "\t- waiting to lock <0x000000070b> (a java.lang.Object)\n"),
    ]);
    for text in [contended, released] {
        assert_eq!(severity(&found("jstack.txt", &text), "deadlock"), None);
    }
}

#[test]
fn a_cycle_that_the_jvm_did_not_print() {
    let one = "\t- waiting to lock <0x000000070b> (a com.acme.B)\n\t- locked <0x000000070a> (a com.acme.A)\n";
    let two = "\t- waiting to lock <0x000000070a> (a com.acme.A)\n\t- locked <0x000000070b> (a com.acme.B)\n";
    let behind = "\t- waiting to lock <0x000000070a> (a com.acme.A)\n";
    let found = found("jstack.txt", &dump(&[("one", BLOCKED, one), ("two", BLOCKED, two), ("three", BLOCKED, behind)]));
    let (_, severity, finding) = found.iter().find(|(rule, ..)| rule == "deadlock").unwrap_or_else(|| panic!("{found:#?}"));
    assert_eq!(severity, "critical");
    let measure = |name: &str| finding["measures"].as_array().and_then(|all| all.iter().find(|m| m["name"] == name)).map(|m| m["value"].clone());
    assert_eq!((measure("threads"), measure("blocked_threads")), (Some(2.0.into()), Some(1.0.into())));
}

/// The same heap as JDK 8, OpenJ9 and `jstat` write it: seconds since the start, what was live after a full collection.
fn other_logs(floors: &[(u32, u32)], pause: f64) -> Vec<(&'static str, String)> {
    let (mut legacy, mut verbose) = (String::new(), "<verbosegc xmlns=\"x\" version=\"R28\">\n".to_owned());
    let mut table = "Timestamp S0C S1C S0U S1U EC EU OC OU MC MU CCSC CCSU YGC YGCT FGC FGCT CGC CGCT GCT\n".to_owned();
    for (number, &(second, after)) in floors.iter().enumerate() {
        let _ = writeln!(
            legacy,
            "{second}.000: [Full GC (Ergonomics) [PSYoungGen: 409600K->0K(614400K)] [ParOldGen: {0}K->{1}K(1482752K)] {0}K->{1}K(2097152K), [Metaspace: 9000K->9000K(1056768K)], {pause:.7} secs] [Times: user=0.01 sys=0.00, real=0.01 secs] ",
            (after + 600) * 1024,
            after * 1024
        );
        let stamp = format!("2026-11-22T{:02}:{:02}:{:02}.000", second / 3600 % 24, second / 60 % 60, second % 60);
        let info = |live: u32| format!("  <mem-info id=\"1\" free=\"{}\" total=\"2147483648\" percent=\"1\">\n", (2048 - u64::from(live)) << 20);
        let _ = write!(
            verbose,
            "<exclusive-start id=\"2\" timestamp=\"{stamp}\" intervalms=\"1.0\">\n</exclusive-start>\n<gc-start id=\"5\" type=\"global\" timestamp=\"{stamp}\">\n{}</gc-start>\n<gc-end id=\"8\" type=\"global\" durationms=\"{:.3}\" timestamp=\"{stamp}\">\n{}</gc-end>\n",
            info(after + 600),
            pause * 1000.0,
            info(after)
        );
        for (uptime, live, fulls) in [(second.saturating_sub(1), after + 600, number), (second, after, number + 1)] {
            let _ = writeln!(
                table,
                "{uptime}.0 0.0 0.0 0.0 0.0 600000.0 0.0 1482752.0 {}.0 9.0 9.0 1.0 1.0 0 0.0 {fulls} {:.3} 0 0.0 0.0",
                live * 1024,
                fulls as f64 * pause
            );
        }
    }
    vec![("legacy.log", legacy), ("verbosegc.xml", verbose), ("jstat.txt", table)]
}

#[test]
fn old_and_other_logs_tell_the_same() {
    let flat: Vec<(u32, u32)> = (1..7).map(|hour| (hour * 3600, 412 + hour % 3)).collect();
    for (name, log) in other_logs(&flat, 0.012) {
        let found = found(name, &log);
        assert_eq!((severity(&found, LEAK), severity(&found, "gc-pressure")), (None, None), "{name}: {found:#?}");
    }
    let rising: Vec<(u32, u32)> = [412, 498, 590, 675, 771, 862].into_iter().zip(1..).map(|(after, hour)| (hour * 3600, after)).collect();
    for (name, log) in other_logs(&rising, 0.012) {
        assert_eq!(severity(&found(name, &log), LEAK).as_deref(), Some("high"), "{name}");
    }
    let pressed: Vec<(u32, u32)> = (10..130).map(|second| (second * 2, 1440)).collect();
    for (name, log) in other_logs(&pressed, 0.9) {
        assert!(severity(&found(name, &log), "gc-pressure").is_some(), "{name}");
    }
}

#[test]
fn deadlocks_in_every_dress() {
    let info = "\"one\" prio=5 Id=31 BLOCKED on com.acme.B@b owned by \"two\" Id=32\n\tat com.acme.Stock.move(Stock.java:7)\n\t-  blocked on com.acme.B@b\n\t-  locked com.acme.A@a\n\n\
        \"two\" prio=5 Id=32 BLOCKED on com.acme.A@a owned by \"one\" Id=31\n\tat com.acme.Stock.move(Stock.java:7)\n\t-  blocked on com.acme.A@a\n\t-  locked com.acme.B@b\n\n";
    let contended = info.replace("BLOCKED on com.acme.A@a owned by \"one\" Id=31", "TIMED_WAITING").replace("\t-  blocked on com.acme.A@a\n", "");
    assert_eq!(severity(&found("threads.txt", &contended), "deadlock"), None);
    assert_eq!(severity(&found("threads.txt", info), "deadlock").as_deref(), Some("critical"));
    let Some(folder) = shared("corpus/jvm-captures") else { return };
    for (name, cycles) in [("locks25.json", 1), ("locks25.plain", 1), ("locks21.json", 0), ("vt25.json", 0), ("vt25.plain", 0)] {
        let found = found_in(&folder.join(name)).iter().filter(|(rule, ..)| rule == "deadlock").count();
        assert_eq!(found, cycles, "{name}");
    }
}

#[test]
fn crashes_for_want_of_memory() {
    let Some(folder) = shared("corpus") else { return };
    let crash = found_in(&folder.join("jvm-captures/hs_err_pid18178.log"));
    assert!(severity(&crash, "out-of-memory").is_some(), "{crash:#?}");
    assert_eq!(severity(&found_in(&folder.join("jvm/crash/jdk17_hs_err_sigsegv.log")), "out-of-memory"), None);
}

#[test]
fn real_heaps_and_dumps() {
    let Some(folder) = shared("corpus/jvm-captures") else { return };
    for name in ["t_saw.log", "t_cache.log", "t_flat.log", "tp_saw.log", "tp_cache.log", "tp_flat.log"] {
        assert_eq!(severity(&found_in(&folder.join(name)), LEAK), None, "{name}");
    }
    for name in ["t_leak.log", "tp_leak.log"] {
        assert_eq!(severity(&found_in(&folder.join(name)), LEAK).as_deref(), Some("low"), "{name}: no old collection lies in the span");
    }
    let cycles = found_in(&folder.join("jstack_l.txt")).iter().filter(|(rule, ..)| rule == "deadlock").count();
    assert_eq!(cycles, 2);
}
