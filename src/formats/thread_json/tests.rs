use super::*;
use crate::formats::fixture::{read, recognised};

const JDK_21: &str = r#"{"threadDump":{"processId":"10571","time":"2026-11-22T19:30:19.229643955Z","runtimeVersion":"21.0.8+9-LTS","threadContainers":[
{"container":"<root>","parent":null,"owner":null,"threads":[
{"tid":"1","name":"main \"x\"","stack":["java.base\/java.lang.Thread.sleep0(Native Method)","VtShop.main(VtShop.java:10)"]}],"threadCount":"1"},
{"container":"java.util.concurrent.ThreadPerTaskExecutor@2a1","parent":"<root>","owner":null,"threads":[
{"tid":"30","name":"vt-4","stack":[]},
{"tid":"31","name":"","stack":["java.base\/java.lang.VirtualThread.parkOnCarrierThread(Unknown Source)","java.base\/java.lang.VirtualThread.run(Unknown Source)"]}],"threadCount":"2"}]}}"#;

const JDK_25: &str = r#"{"threadDump":{"time":"2026-11-22T19:17:28Z","runtimeVersion":"25","threadContainers":[{"container":"<root>","threads":[
{"tid":"21","name":"dl-1","state":"BLOCKED","blockedOn":"java.lang.Object@1f6f6e3d","stack":["Locks.a(Locks.java:8)"],"monitorsOwned":[{"depth":0,"locks":["java.lang.Object@b1c5100",null]}]},
{"tid":"22","name":"dl-2","state":"WAITING","parkBlocker":{"object":"java.util.concurrent.locks.ReentrantLock$NonfairSync@590b3e1b","owner":"21"},"stack":[]},
{"tid":"23","name":"v","virtual":true,"carrier":"22","state":"TIMED_WAITING","waitingOn":"java.lang.Object@7","stack":["java.base\/java.lang.VirtualThread.run(Unknown Source)"]}]}]}}"#;

const ACTUATOR: &str = r#"{"threads":[
{"threadName":"http-nio-8080-exec-1","threadId":31,"blockedTime":-1,"blockedCount":3,"waitedTime":-1,"waitedCount":0,"lockName":"java.lang.Object@2a","lockOwnerId":32,"lockOwnerName":"http-nio-8080-exec-2","daemon":true,"inNative":false,"suspended":false,"threadState":"BLOCKED","priority":5,"stackTrace":[{"classLoaderName":"app","moduleName":null,"moduleVersion":null,"methodName":"take","fileName":"Orders.java","lineNumber":12,"nativeMethod":false,"className":"com.acme.Orders"}],"lockedMonitors":[],"lockedSynchronizers":[{"className":"java.util.concurrent.ThreadPoolExecutor$Worker","identityHashCode":77}],"lockInfo":{"className":"java.lang.Object","identityHashCode":42}},
{"threadName":"http-nio-8080-exec-2","threadId":32,"threadState":"TIMED_WAITING","lockName":null,"lockOwnerId":-1,"stackTrace":[{"className":"java.lang.Thread","methodName":"sleep","lineNumber":-2,"nativeMethod":true}],"lockedMonitors":[{"className":"java.lang.Object","identityHashCode":42,"lockedStackDepth":1,"lockedStackFrame":{}}],"lockedSynchronizers":[]},
{"threadName":"exec-3","threadId":33,"threadState":"WAITING","lockName":"java.util.concurrent.locks.ReentrantLock$NonfairSync@ff","lockOwnerId":32,"stackTrace":[{"className":"jdk.internal.misc.Unsafe","methodName":"park","fileName":"Unsafe.java","lineNumber":-1}]}]}"#;

#[test]
fn jdk_21_has_names_and_frames() {
    let (label, got) = recognised(JDK_21).unwrap();
    assert_eq!(label, "thread-dump/jcmd-json");
    let want = format!("thread-dump @0+{} time=\"2026-11-22T19:30:19.229643955Z\" runtime=\"21.0.8+9-LTS\" threads=\"3\"", JDK_21.len());
    assert!(got.text.starts_with(&want), "{}", got.text);
    assert!(
        got.text.contains("\"main \\\"x\\\"\" id=0x1 Unknown") && got.text.contains("    java.lang.Thread.sleep0(Native Method)\n"),
        "{}",
        got.text
    );
    assert_eq!(got.text.matches("virtual=true").count(), 2, "{}", got.text);
}

#[test]
fn jdk_25_has_states_locks_and_owners() {
    let (_, got) = recognised(JDK_25).unwrap();
    for part in [
        "\"dl-1\" id=0x15 Blocked",
        "WaitingToLock 0x1f6f6e3d java.lang.Object frame=0\n    Locked 0xb1c5100 java.lang.Object frame=0\n    OwnsSynchronizer 0x590b3e1b",
        "\"dl-2\" id=0x16 Waiting cpu= elapsed= daemon=false virtual=false carries=23",
        "ParkingFor 0x590b3e1b java.util.concurrent.locks.ReentrantLock$NonfairSync",
        "\"v\" id=0x17 TimedWaiting cpu= elapsed= daemon=false virtual=true",
    ] {
        assert!(got.text.contains(part), "{part}: {}", got.text);
    }
}

#[test]
fn actuator_dumps() {
    let (label, got) = recognised(ACTUATOR).unwrap();
    assert_eq!(label, "thread-dump/actuator");
    for part in [
        "threads=\"3\" lists_synchronizers=\"true\"",
        "\"http-nio-8080-exec-1\" id=0x1f Blocked cpu= elapsed= daemon=true",
        "    com.acme.Orders.take(Orders.java:12)\n    OwnsSynchronizer 0x4d java.util.concurrent.ThreadPoolExecutor$Worker frame=0\n    WaitingToLock 0x2a",
        "    java.lang.Thread.sleep(Native Method)\n    Locked 0x2a java.lang.Object frame=1\n    OwnsSynchronizer 0xff",
        "    jdk.internal.misc.Unsafe.park(Unsafe.java)\n    ParkingFor 0xff",
    ] {
        assert!(got.text.contains(part), "{part}: {}", got.text);
    }
    // Jolokia's answer, and the bare list.
    let threads = ACTUATOR.trim_start_matches("{\"threads\":").trim_end_matches('}');
    let jolokia = format!("{{\"request\":{{\"mbean\":\"java.lang:type=Threading\"}},\"value\":{threads},\"timestamp\":1795376423}}");
    for text in [jolokia.as_str(), threads] {
        let (label, again) = recognised(text).unwrap();
        assert_eq!((label.as_str(), again.records, again.quarantined), ("thread-dump/actuator", 1, 0), "{}", again.text);
    }
}

#[test]
fn look_alikes() {
    for text in [
        r#"{"threads":12,"status":"UP"}"#,
        r#"{"timestamp":"2026-11-22T19:30:19Z","level":"INFO","threadName":"main","message":"up","threadState":"x"}"#,
        r#"{"thread":"main","stackTrace":[]}"#,
        "[1,2,3]",
        "{",
        "",
    ] {
        assert!(sniff(&Head { path: "", bytes: text.as_bytes(), whole: true }).is_none(), "{text}");
    }
}

#[test]
fn several_documents_and_cuts() {
    let got = read(parse, format!("{JDK_25}\n{JDK_21}\n").as_bytes());
    assert_eq!((got.records, got.quarantined), (2, 0), "{}", got.text);
    for text in [JDK_21, JDK_25, ACTUATOR] {
        let mut most = 0;
        for (at, _) in text.char_indices() {
            let got = read(parse, &text.as_bytes()[..at]);
            let threads = got.text.matches("  thread @").count();
            assert!(threads >= most && (got.quarantined > 0 || text[..at].trim().is_empty()), "{}", &text[..at]);
            most = threads;
            read(parse, &text.as_bytes()[at..]);
        }
        assert!(most > 1);
    }
    assert_eq!(read(parse, b"]").quarantined, 1);
}
