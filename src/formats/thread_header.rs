//! The header of a thread in a text dump, and the lock lines below it.
//!
//! ```text
//! "http-nio-8080-exec-2" #17 prio=5 os_prio=0 cpu=0.28ms elapsed=2.17s tid=0x00007fa4600bc400 nid=0x355f waiting for monitor entry  [0x00007fa3fb1fd000]
//! "ForkJoinPool-1-worker-1" #19 [10590] daemon prio=5 os_prio=0 cpu=1.86ms elapsed=4.47s tid=0x00007f20ac220680  [0x00007f2098cfe000]
//! "kafka | "quoted" #7 nid=x" - Thread t@332
//! ```
//!
//! A name is printed as it is: it may hold quotes, line ends, and what looks like attributes. Attributes never hold a
//! quote, so the name ends at the last one. What this file does not do: join the lines of a name that was broken by a
//! line end, or decide which lines belong to a thread; that is `thread_dump.rs`.

use super::quantity::decimal;
use crate::model::jvm::{LockRole, ThreadState};

/// What a header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ThreadHeader<'a> {
    /// Name, as printed.
    pub name: &'a str,
    /// `tid`, else the Java id; zero if neither.
    pub id: u64,
    /// Processor time in nanoseconds.
    pub cpu_nanos: Option<u64>,
    /// Age in nanoseconds.
    pub elapsed_nanos: Option<u64>,
    /// Whether a daemon.
    pub daemon: bool,
    /// Whether a virtual thread.
    pub is_virtual: bool,
    /// What the thread does by the words of the header: `waiting on condition`.
    pub condition: &'a str,
}

impl<'a> ThreadHeader<'a> {
    /// Reads a header; none if the text is not a whole one.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let inside = text.strip_prefix('"')?;
        let close = memchr::memrchr(b'"', inside.as_bytes())?;
        let (name, attributes) = (inside.get(..close)?, inside.get(close + 1..)?);
        if let Some(id) = attributes.strip_prefix(" - Thread t@") {
            let id = id.trim_ascii_end().parse().ok()?;
            return Some(Self { name, id, ..Self::default() });
        }
        let mut header = Self { name, ..Self::default() };
        let mut java_id = None;
        let mut has_tid = false;
        let mut rest = attributes.strip_prefix(' ')?.trim_ascii();
        while !rest.is_empty() {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            if let Some(id) = word.strip_prefix('#') {
                java_id = Some(id.parse::<u64>().ok()?);
            } else if word == "daemon" {
                header.daemon = true;
            } else if word == "virtual" {
                header.is_virtual = true;
            } else if let Some((key, value)) = word.split_once('=') {
                match key {
                    "cpu" => header.cpu_nanos = value.strip_suffix("ms").and_then(|ms| decimal(ms, 1_000_000)),
                    "elapsed" => header.elapsed_nanos = value.strip_suffix('s').and_then(|s| decimal(s, 1_000_000_000)),
                    "tid" => {
                        header.id = hex(value)?;
                        has_tid = true;
                    }
                    _ => {}
                }
            } else if has_tid {
                header.condition = rest.split('[').next().unwrap_or_default().trim_ascii_end();
                break;
            } else if !is_bracketed_number(word) {
                return None;
            }
            rest = after.trim_ascii_start();
        }
        if header.id == 0 {
            header.id = java_id.unwrap_or_default();
        }
        has_tid.then_some(header)
    }

    /// The state by the words of the header, for dumps of virtual machines that print no state line.
    #[must_use]
    pub fn state(&self) -> ThreadState {
        match self.condition {
            "runnable" => ThreadState::Runnable,
            "waiting for monitor entry" => ThreadState::Blocked,
            "sleeping" => ThreadState::TimedWaiting,
            "in Object.wait()" | "waiting on condition" => ThreadState::Waiting,
            _ => ThreadState::Unknown,
        }
    }
}

/// The state in `java.lang.Thread.State: TIMED_WAITING (parking)`, given what follows the colon.
#[must_use]
pub fn state(text: &str) -> ThreadState {
    match text.trim_ascii_start().split(|c: char| c != '_' && !c.is_ascii_uppercase()).next() {
        Some("NEW") => ThreadState::New,
        Some("RUNNABLE") => ThreadState::Runnable,
        Some("BLOCKED") => ThreadState::Blocked,
        Some("WAITING") => ThreadState::Waiting,
        Some("TIMED_WAITING") => ThreadState::TimedWaiting,
        Some("TERMINATED") => ThreadState::Terminated,
        _ => ThreadState::Unknown,
    }
}

/// What a lock line says after its dash: the role, and the lock that follows it.
/// A lock that the compiler has eliminated is not held, and is none.
#[must_use]
pub fn lock_role(text: &str) -> Option<(LockRole, &str)> {
    [
        ("locked ", LockRole::Locked),
        ("waiting to lock ", LockRole::WaitingToLock),
        ("waiting to re-lock in wait() ", LockRole::WaitingToLock),
        ("waiting on ", LockRole::WaitingOn),
        ("parking to wait for ", LockRole::ParkingFor),
    ]
    .into_iter()
    .find_map(|(words, role)| text.strip_prefix(words).map(|lock| (role, lock)))
}

/// Address and class of `<0x00000000fc2a3380> (a java.lang.Object)`; zero and empty for what is not printed.
#[must_use]
pub fn lock(text: &str) -> (u64, &str) {
    let address = text.split_once('<').and_then(|(_, rest)| rest.split_once('>')).and_then(|(address, _)| hex(address));
    (address.unwrap_or_default(), class(text))
}

/// The class in `(a C)` or `(object 0x…, a C)`, or empty.
#[must_use]
pub fn class(text: &str) -> &str {
    let after = ["(a ", ", a "].into_iter().find_map(|mark| text.split_once(mark));
    after.and_then(|(_, rest)| rest.split_once(')')).map_or("", |(class, _)| class)
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}

/// `[10590]`, the thread's number in the operating system.
fn is_bracketed_number(word: &str) -> bool {
    word.strip_prefix('[').and_then(|w| w.strip_suffix(']')).is_some_and(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        ThreadHeader::read(text).map_or_else(
            || "none".to_owned(),
            |h| format!("{:?} {:#x} {:?} {:?} {} {} {:?}", h.name, h.id, h.cpu_nanos, h.elapsed_nanos, h.daemon, h.is_virtual, h.condition),
        )
    }

    #[test]
    fn headers_of_every_version() {
        for (input, want) in [
            (
                r#""main" #1 prio=5 os_prio=0 cpu=154.50ms elapsed=6.00s tid=0x00007f84a8023090 nid=0x236c waiting on condition  [0x00007f84ad5de000]"#,
                r#""main" 0x7f84a8023090 Some(154500000) Some(6000000000) false false "waiting on condition""#,
            ),
            (
                r#""main" #1 [15199] prio=5 os_prio=0 cpu=90.07ms elapsed=2.89s tid=0x00007f0e1002ac60 nid=15199 waiting on condition  [0x0]"#,
                r#""main" 0x7f0e1002ac60 Some(90070000) Some(2890000000) false false "waiting on condition""#,
            ),
            (
                r#""http-nio-8080-exec-10" #31 daemon prio=5 os_prio=0 tid=0x00007f4f00582000 nid=0x7e8 in Object.wait() [0x00007f4ea90e6000]"#,
                r#""http-nio-8080-exec-10" 0x7f4f00582000 None None true false "in Object.wait()""#,
            ),
            (
                r#""F" #3 daemon prio=8 os_prio=0 cpu=0.13ms elapsed=2.69s allocated=0B defined_classes=0 tid=0x0a nid=0x354d runnable  [0x0]"#,
                r#""F" 0xa Some(130000) Some(2690000000) true false "runnable""#,
            ),
            (
                r#""VM Thread" os_prio=0 cpu=1.47ms elapsed=2.26s tid=0x00007fa46004d380 nid=0x354b runnable  "#,
                r#""VM Thread" 0x7fa46004d380 Some(1470000) Some(2260000000) false false "runnable""#,
            ),
            (
                r#""ForkJoinPool-1-worker-1" #14 [16552] daemon prio=5 os_prio=0 cpu=42.33ms elapsed=2.21s tid=0x00007f25101da370  [0x00007f25149b4000]"#,
                r#""ForkJoinPool-1-worker-1" 0x7f25101da370 Some(42330000) Some(2210000000) true false """#,
            ),
            (
                r#""VirtualThread[#21]" #21 virtual [21] prio=5 os_prio=0 cpu=45.23ms elapsed=1.67s tid=0x1 nid=0x1 runnable  [0x0]"#,
                r#""VirtualThread[#21]" 0x1 Some(45230000) Some(1670000000) false true "runnable""#,
            ),
            (
                r#""TimerQueue" daemon prio=1 tid=0x08256e88 nid=0x2d55 in Object.wait() [0xa967c000..0xa967c1c0]"#,
                r#""TimerQueue" 0x8256e88 None None true false "in Object.wait()""#,
            ),
            (r#""Timer-180" - Thread t@332"#, r#""Timer-180" 0x14c None None false false """#),
            (r#""HP" prio=10 tid=00a7cfc0 nid=39 lwp_id=4356 runnable [0..0]"#, r#""HP" 0xa7cfc0 None None false false "runnable""#),
        ] {
            assert_eq!(read(input), want, "{input}");
        }
    }

    #[test]
    fn awkward_names() {
        for (input, name) in [
            (r#""kafka | "quoted" #7 nid=x" #12 daemon prio=5 tid=0x1 nid=0x2 runnable"#, r#"kafka | "quoted" #7 nid=x"#),
            (r#""evil" #99 prio=5 tid=0x1 nid=0x2 runnable [0x0]" #13 daemon tid=0x2"#, r#"evil" #99 prio=5 tid=0x1 nid=0x2 runnable [0x0]"#),
            ("\"line1\nline2\" #14 daemon prio=5 tid=0x3 nid=1", "line1\nline2"),
            (r#""" #16 daemon prio=5 tid=0x4 nid=1"#, ""),
            (r#"" blank" #16 tid=0x4"#, " blank"),
        ] {
            assert_eq!(ThreadHeader::read(input).map(|h| h.name), Some(name), "{input}");
        }
        for input in [r#""A":"#, r#""line1"#, r#""main" #1 prio=5 os_pr"#, r#""a","b""#, r#""x" and tid=0x1"#, r#""x" tid=0xz"#, ""] {
            assert_eq!(read(input), "none", "{input}");
        }
    }

    #[test]
    fn lock_lines() {
        for (input, want) in [
            ("locked <0x00000000fc2a22e8> (a java.lang.Object)", "Locked fc2a22e8 java.lang.Object"),
            ("waiting to lock <0x0a> (a C) owned by \"T\" t@17", "WaitingToLock a C"),
            ("waiting to re-lock in wait() <0x0b> (a C)", "WaitingToLock b C"),
            ("waiting on <no object reference available>", "WaitingOn 0 "),
            ("parking to wait for  <0x0c> (a a.b.C$D)", "ParkingFor c a.b.C$D"),
            ("locked <3a8d2b> (a java.lang.Class for com.acme.X)", "Locked 3a8d2b java.lang.Class for com.acme.X"),
            ("eliminated <owner is scalar replaced> (a C)", "none"),
            ("None", "none"),
        ] {
            let got = lock_role(input).map_or_else(
                || "none".to_owned(),
                |(role, rest)| {
                    let (address, class) = lock(rest);
                    format!("{role:?} {address:x} {class}")
                },
            );
            assert_eq!(got, want, "{input}");
        }
        assert_eq!(class("0x1 (object 0x00000000fc2a3380, a java.lang.Object),"), "java.lang.Object");
        assert_eq!(
            class("0x00000000fc545488, (a java.util.concurrent.locks.ReentrantLock$NonfairSync),"),
            "java.util.concurrent.locks.ReentrantLock$NonfairSync"
        );
    }

    #[test]
    fn states() {
        assert_eq!(state(" TIMED_WAITING (parking)"), ThreadState::TimedWaiting);
        assert_eq!(state(" RUNNABLE"), ThreadState::Runnable);
        assert_eq!(state(" SLEEPY"), ThreadState::Unknown);
    }
}
