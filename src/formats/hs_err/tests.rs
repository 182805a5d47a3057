use super::*;
use crate::formats::fixture::{recognised, stream, worn};

const MAIN: Crash = Crash { embedded: false };

const BANNER: &str = "#\n# A fatal error has been detected by the Java Runtime Environment:\n#\n#  SIGSEGV (0xb) at pc=0x00007f740f105f14 (sent by kill), pid=12200, tid=12200\n#\n\
                      # JRE version: OpenJDK Runtime Environment (17.0.15+6)\n# Problematic frame:\n# C  [libc.so.6+0x85f14]\n#\n# If you would like to submit a bug report, please visit:\n#\n";

const REST: &str = r#"
---------------  S U M M A R Y ------------

Command Line: -Xmx16m -Ddb.password=hunter2 Leak heap 1000000

Time: Sun Nov 22 19:19:11 2026 UTC elapsed time: 0.515036 seconds (0d 0h 0m 0s)

---------------  T H R E A D  ---------------

Java frames: (J=compiled Java code, j=interpreted, Vv=VM code)
j  Leak.main([Ljava/lang/String;)V+274
v  ~StubRoutines::call_stub

Java Threads: ( => current thread )
=>0x00007f2104017990 JavaThread "main" [_thread_in_vm, id=18180, stack(0x00007f210bf00000,0x00007f210c000000)]
  0x00007f2104051c80 JavaThread "Reference Handler" daemon [_thread_blocked, id=18182]

Heap:
 def new generation   total 4928K, used 4927K [0x00000000ff000000, 0x00000000ff550000, 0x00000000ff550000)
  eden space 4416K,  99% used [0x00000000ff000000, 0x00000000ff44fff8, 0x00000000ff450000)

GC Heap History (2 events):
Event: 0.193 GC heap before
{Heap before GC invocations=0 (full 0):
 def new generation   total 4928K, used 4928K [0x00)
  eden space 4416K,  99% used [0x00)
 tenured generation   total 1024K, used 512K [0x00)
 Metaspace       used 1428K, committed 1600K, reserved 1114112K
}
Event: 0.198 GC heap after
{Heap after GC invocations=1 (full 1):
 def new generation   total 4928K, used 0K [0x00)
 tenured generation   total 1024K, used 1000K [0x00)
}

Environment Variables:
DB_PASSWORD=hunter2
"#;

#[test]
fn a_crash() {
    let (label, got) = recognised(&format!("{BANNER}{REST}")).unwrap();
    assert_eq!((label.as_str(), got.quarantined), ("hs-err", 0), "{}", got.text);
    for part in [
        "time=\"2026-11-22T19:19:11Z\" level=\"FATAL\" logger=\"hs_err\" message=\"A fatal error has been detected by the Java Runtime Environment: SIGSEGV (0xb) at \
         pc=0x00007f740f105f14 (sent by kill), pid=12200, tid=12200 Problematic frame: C  [libc.so.6+0x85f14]\"",
        "problematic_frame=C  [libc.so.6+0x85f14];uptime_s=0.515036;",
        "name=\"jvm.memory.used\" kind=\"Gauge\" labels=\"area=heap;id=def new generation;\" value=\"5045248.0\"",
        "name=\"jvm.threads.live\" kind=\"Gauge\" value=\"2.0\"",
        "time=\"2026-11-22T19:19:10.682964Z\" uptime=\"198000000\" kind=\"Full\" before=\"5570560\" after=\"1024000\" capacity=\"6094848\" nanos=\"5000000\"",
    ] {
        assert!(got.text.contains(part), "{part}: {}", got.text);
    }
    assert!(!got.text.contains("hunter2") && !got.text.contains("OutOfMemoryError"), "{}", got.text);
}

#[test]
fn a_crash_below_other_words() {
    let (label, got) = recognised(&format!("READY 12200\n{BANNER}")).unwrap();
    assert_eq!((label.as_str(), got.quarantined), ("hs-err", 0), "{}", got.text);
    assert!(got.text.contains("level=\"FATAL\"") && got.text.contains("message=\"READY 12200"), "{}", got.text);
    assert!(recognised("READY 12200\n# A fatal error has been detected by nobody\n").is_none());
}

#[test]
fn memory_that_ran_out() {
    let heap = BANNER.replace(
        "SIGSEGV (0xb) at pc=0x00007f740f105f14 (sent by kill), pid=12200, tid=12200",
        "Internal Error (debug.cpp:362), pid=18178, tid=18180\n#  fatal error: OutOfMemory encountered: Java heap space",
    );
    let (_, got) = recognised(&format!("{heap}{REST}")).unwrap();
    assert!(got.text.contains("stack=\"java.lang.OutOfMemoryError: Java heap space\" stack_lines=\"2\""), "{}", got.text);
    let native = format!(
        "#\n{MEMORY}\n# Native memory allocation (mmap) failed to map 4088 bytes for committing reserved memory.\n# Possible reasons:\n#   The system is out of physical RAM\n#\n"
    );
    let (label, got) = recognised(&format!("{native}{REST}")).unwrap();
    assert_eq!(label, "hs-err");
    assert!(got.text.contains("message=\"There is insufficient memory for the Java Runtime Environment to continue. Native memory allocation (mmap) failed to map 4088 bytes for committing reserved memory.\""), "{}", got.text);
}

#[test]
fn the_banner_on_standard_output_and_vm_info() {
    let log = "2026-09-14 10:00:00.000  INFO 1 --- [main] c.acme.Cart : up\n".repeat(20);
    let (label, got) = recognised(&format!("{log}{BANNER}Aborted (core dumped)\n")).unwrap();
    assert!(label.starts_with("text-log"), "{label}");
    assert_eq!(got.text.matches("level=\"FATAL\"").count(), 1, "{}", got.text);
    assert!(got.text.contains("message=\"Aborted (core dumped)\""), "{}", got.text);
    let (label, got) = recognised(&format!("4044:\n#\n# JRE version: OpenJDK (17)\n# Java VM: x\n{REST}")).unwrap();
    assert_eq!((label.as_str(), got.text.matches("log @").count()), ("hs-err/vm-info", 0), "{}", got.text);
    assert!(got.text.contains("jvm.threads.live") && got.text.contains("kind=\"Full\""), "{}", got.text);
}

#[test]
fn look_alikes() {
    for text in ["#\n# A fatal error, they say\n", "# A comment\n", "4044:\n#\n# other\n", "#\n", ""] {
        assert!(sniff(&Head { path: "", bytes: text.as_bytes(), whole: true }).is_none(), "{text}");
    }
}

#[test]
fn worn_reports() {
    let text = format!("{BANNER}{REST}");
    worn(text.as_bytes(), |bytes| stream(Box::new(MAIN), bytes));
}
