use super::*;
use crate::formats::fixture::{read, recognised, worn};

// Synthetic: after the source of OpenJ9's javadump.cpp and its documentation.
const DUMP: &str = r#"NULL           ------------------------------------------------------------------------
0SECTION       TITLE subcomponent dump routine
NULL           ===============================
1TICHARSET     UTF-8
1TISIGINFO     Dump Event "systhrow" (00040000) Detail "java/lang/OutOfMemoryError" "Java heap space" received
1TIDATETIMEUTC Date: 2024/08/25 at 15:55:09:123 (UTC)
1TIDATETIME    Date: 2024/08/25 at 15:55:09:123
0SECTION       GPINFO subcomponent dump routine
2XHENVVARS     DB_PASSWORD=hunter2
1CIJAVAVERSION JRE 17 Linux amd64-64 (build 17.0.8+7)
1STHEAPTOTAL   Total memory:                 8388608 (0x0000000000800000)
1STHEAPINUSE   Total memory in use:          4321792 (0x000000000041F200)
0SECTION       LOCKS subcomponent dump routine
1LKDEADLOCK    Deadlock detected !!!
NULL           ---------------------
2LKDEADLOCKTHR  Thread "Thread "6"" (0x0000000000B5A000)
3LKDEADLOCKWTR    is waiting for:
4LKDEADLOCKMON      sys_mon_t:0x00007F infl_mon_t: 0x00007F:
4LKDEADLOCKOBJ      java/lang/Integer@0x00000000FFF0B1A8
3LKDEADLOCKOWN    which is owned by:
2LKDEADLOCKTHR  Thread "Thread-7" (0x0000000000B5B000)
3LKDEADLOCKWTR    which is waiting for:
4LKDEADLOCKOBJ      java/lang/String@0x00000000FFF0B1B8
3LKDEADLOCKOWN    which is owned by:
2LKDEADLOCKTHR  Thread "Thread "6"" (0x0000000000B5A000)
0SECTION       THREADS subcomponent dump routine
1XMTHDINFO     Thread Details
3XMTHREADINFO      "Thread "6"" J9VMThread:0x0000000000B5A000, omrthread_t:0x00007F2C, java/lang/Thread:0x00000000FFF5E0A8, state:B, prio=5
3XMJAVALTHREAD            (java/lang/Thread getId:0x21, isDaemon:true)
3XMCPUTIME               CPU usage total: 6.834000000 secs, user: 6.0 secs, system: 0.8 secs
3XMTHREADBLOCK     Blocked on: java/lang/Integer@0x00000000FFF0B1A8 Owned by: "Thread-7" (J9VMThread:0x0000000000B5B000, java/lang/Thread:0x00000000FFF5E0B8)
3XMTHREADINFO3           Java callstack:
4XESTACKTRACE                at com/acme/Orders.take(Orders.java:12(Compiled Code))
5XESTACKTRACE                   (entered lock: java/lang/String@0x00000000FFF0B1B8, entry count: 1)
4XESTACKTRACE                at java/lang/Thread.run(Thread.java:823)
3XMTHREADINFO      "Thread-7" J9VMThread:0x0000000000B5B000, omrthread_t:0x00007F2D, java/lang/Thread:0x00000000FFF5E0B8, state:P, prio=5
3XMTHREADBLOCK     Parked on: java/util/concurrent/locks/ReentrantLock$NonfairSync@0x00000000FFF0B1C8 Owned by: "Thread "6"" (J9VMThread:0x0000000000B5A000, java/lang/Thread:0x00000000FFF5E0A8)
3XMTHREADINFO      Anonymous native thread
3XMTHREADINFO1            (native thread ID:0x1E, native priority:0x5, native policy:UNKNOWN)
4XENATIVESTACK               __futex_abstimed_wait+0x12
0SECTION       CLASSES subcomponent dump routine
1CLTEXTCLLOS   \tClassloader summaries
"#;

#[test]
fn threads_locks_deadlocks_and_the_reason() {
    let (label, got) = recognised(DUMP).unwrap();
    assert_eq!((label.as_str(), got.quarantined), ("thread-dump/javacore", 0), "{}", got.text);
    for part in [
        "level=\"ERROR\" logger=\"javacore\" message=\"Dump Event \\\"systhrow\\\"",
        "stack=\"java.lang.OutOfMemoryError: Java heap space\"",
        "name=\"jvm.memory.committed\" unit=\"bytes\" kind=\"Gauge\" labels=\"area=heap;\" value=\"8388608.0\"",
        "name=\"jvm.memory.used\" unit=\"bytes\" kind=\"Gauge\" labels=\"area=heap;\" value=\"4321792.0\"",
        "time=\"2024-08-25T15:55:09.123Z\" runtime=\"JRE 17 Linux amd64-64 (build 17.0.8+7)\" threads=\"2\"",
        "\"Thread \\\"6\\\"\" id=0x21 Blocked cpu=6834000000 elapsed= daemon=true virtual=false carries= frames=2\n    com.acme.Orders.take(Orders.java:12)\n    \
         java.lang.Thread.run(Thread.java:823)\n    WaitingToLock 0xfff0b1a8 java.lang.Integer frame=0\n    Locked 0xfff0b1b8 java.lang.String frame=0\n    \
         OwnsSynchronizer 0xfff0b1c8 java.util.concurrent.locks.ReentrantLock$NonfairSync",
        "\"Thread-7\" id=0xb5b000 Waiting",
        "    \"Thread \\\"6\\\"\" wants java.lang.Integer held by \"Thread-7\"\n    \"Thread-7\" wants java.lang.String held by \"Thread \\\"6\\\"\"\n",
    ] {
        assert!(got.text.contains(part), "{part}: {}", got.text);
    }
    assert_eq!(got.text.matches("  deadlock @").count(), 1);
    assert!(!got.text.contains("hunter2"), "{}", got.text);
}

#[test]
fn dumps_that_were_asked_for_say_nothing() {
    let text = DUMP.replace("\"systhrow\"", "\"user\"").replace("4321792 (0x000000000041F200)", "x41F200");
    let (_, got) = recognised(&text).unwrap();
    assert!(!got.text.contains("log @") && got.text.contains("value=\"4321792.0\""), "{}", got.text);
    let (_, twice) = recognised(&format!("{DUMP}{DUMP}")).unwrap();
    assert_eq!(twice.text.matches("thread-dump @").count(), 2);
}

#[test]
fn look_alikes() {
    for text in ["0SECTION is a word\n", "NULL\n", "1TISIGINFO x\n3XMTHREADINFO y\n", ""] {
        assert!(sniff(&Head { path: "", bytes: text.as_bytes(), whole: true }).is_none(), "{text}");
    }
}

#[test]
fn worn_dumps() {
    worn(DUMP.as_bytes(), |bytes| read(parse, bytes));
}

#[test]
fn dumps_longer_than_any_record_of_a_stream() {
    let classes = "1CLTEXTCLLOD  ClassLoader loaded classes\n3CLTEXTCLASS  com/acme/SomeClass(0x0000000000B5A000)\n".repeat(200_000);
    let (_, got) = recognised(&format!("{DUMP}{classes}")).unwrap();
    assert_eq!((got.text.matches("  thread @").count(), got.quarantined), (2, 0));
}
