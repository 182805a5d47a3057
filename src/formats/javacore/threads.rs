//! Threads, their locks, and the deadlocks that a javacore declares.
//!
//! ```text
//! 3XMTHREADBLOCK     Blocked on: java/lang/Integer@0x00000000FFF0B1A8 Owned by: "Thread-7" (J9VMThread:0x0000000000B5B000, java/lang/Thread:0x…)
//! 5XESTACKTRACE                   (entered lock: java/lang/Integer@0x00000000FFF0B1B8, entry count: 1)
//! 2LKDEADLOCKTHR  Thread "Thread-6" (0x0000000000B5A000)
//! 3LKDEADLOCKWTR    is waiting for:
//! ```
//!
//! Names of classes are written with slashes here; they are turned into the dots that everything else writes.
//! What this file does not do: threads without a Java name, which OpenJ9 calls anonymous.

use crate::formats::arena::Arena;
use crate::formats::block_lines::{BlockLine, evidence};
use crate::formats::lines::Block;
use crate::formats::quantity::decimal;
use crate::formats::thread_frame::{Owned, give};
use crate::model::jvm::{DeadlockMember, DeclaredDeadlock, LockRecord, LockRole, ThreadDump, ThreadRecord, ThreadState};
use crate::model::source::Evidence;
use crate::model::time::Time;

/// A cycle of more threads is none that a JVM has printed.
const LONGEST_CYCLE: usize = 1000;

/// What was read so far.
#[derive(Default)]
pub(super) struct Threads<'b> {
    pub(super) dump: ThreadDump<'b>,
    owned: Vec<Owned<'b>>,
    /// Whether the lines that follow belong to the last thread.
    in_thread: bool,
    deadlock: Option<Cycle<'b>>,
}

/// A deadlock while it is read.
struct Cycle<'b> {
    members: Vec<DeadlockMember<'b>>,
    /// Whether the next thread is the owner of what the last one wants.
    owner_follows: bool,
    evidence: Evidence,
}

impl<'b> Threads<'b> {
    pub(super) fn line(&mut self, tag: &str, text: &'b str, line: &BlockLine<'b>, block: &Block<'b>, arena: &'b Arena) {
        match tag {
            "3XMTHREADINFO" => {
                self.in_thread = false;
                if let Some(thread) = header(text) {
                    self.in_thread = true;
                    self.dump.threads.push(ThreadRecord { evidence: evidence(block, line.from, line.to), ..thread });
                }
                return;
            }
            "1LKDEADLOCK" | "2LKDEADLOCKTHR" | "3LKDEADLOCKWTR" | "3LKDEADLOCKOWN" | "4LKDEADLOCKOBJ" | "4LKDEADLOCKMON" => {
                return self.deadlock(tag, text, evidence(block, line.from, line.to), arena);
            }
            "NULL" | "0SECTION" | "1XMCURTHDINFO" | "1XMTHDINFO" => return,
            _ => {}
        }
        let Some(thread) = self.dump.threads.last_mut().filter(|_| self.in_thread) else { return };
        match tag {
            "3XMJAVALTHREAD" => {
                thread.id = after(text, "getId:").and_then(hex).unwrap_or(thread.id);
                thread.daemon = text.contains("isDaemon:true");
            }
            "3XMCPUTIME" => {
                let total = after(text, "CPU usage total: ").and_then(|rest| rest.split(' ').next());
                thread.cpu_nanos = total.and_then(|seconds| decimal(seconds, 1_000_000_000));
            }
            "3XMTHREADBLOCK" => block_of(text, thread, &mut self.owned, arena),
            "4XESTACKTRACE" => {
                if let Some(called) = text.strip_prefix("at ") {
                    thread.frames.push(arena.keep(frame(called)));
                }
            }
            "5XESTACKTRACE" => {
                if let Some((address, class)) = after(text, "entered lock: ").and_then(|rest| object(rest, arena)) {
                    let frame = u32::try_from(thread.frames.len().saturating_sub(1)).unwrap_or(u32::MAX);
                    thread.locks.push(LockRecord { role: LockRole::Locked, address, class, frame });
                }
            }
            _ if !tag.starts_with("3XM") && !tag.starts_with("4XE") => {
                self.in_thread = false;
                return;
            }
            _ => {}
        }
        let from = usize::try_from(thread.evidence.start.saturating_sub(block.evidence.start)).unwrap_or_default();
        thread.evidence = evidence(block, from, line.to);
    }

    fn deadlock(&mut self, tag: &str, text: &'b str, place: Evidence, arena: &'b Arena) {
        if tag == "1LKDEADLOCK" {
            self.close();
            self.deadlock = Some(Cycle { members: Vec::new(), owner_follows: false, evidence: place });
            return;
        }
        let Some(cycle) = &mut self.deadlock else { return };
        cycle.evidence.len = u32::try_from(place.start + u64::from(place.len) - cycle.evidence.start).unwrap_or(u32::MAX);
        match tag {
            "2LKDEADLOCKTHR" => {
                let Some(name) = text.strip_prefix("Thread \"").and_then(|rest| rest.rsplit_once('"')).map(|(name, _)| name) else { return };
                if let Some(last) = cycle.members.last_mut().filter(|_| cycle.owner_follows) {
                    last.holder = name;
                }
                cycle.owner_follows = false;
                if cycle.members.len() >= LONGEST_CYCLE || cycle.members.iter().any(|member| member.thread == name) {
                    self.close();
                } else {
                    cycle.members.push(DeadlockMember { thread: name, ..DeadlockMember::default() });
                }
            }
            "3LKDEADLOCKOWN" => cycle.owner_follows = true,
            "4LKDEADLOCKOBJ" => {
                if let (Some(last), Some((_, class))) = (cycle.members.last_mut(), object(text, arena)) {
                    last.wants = class;
                }
            }
            _ => {}
        }
    }

    fn close(&mut self) {
        if let Some(cycle) = self.deadlock.take().filter(|cycle| cycle.members.len() > 1) {
            self.dump.deadlocks.push(DeclaredDeadlock { members: cycle.members, evidence: cycle.evidence });
        }
    }

    /// The dump, if it shows anything.
    pub(super) fn finish(mut self, time: Time, all: Evidence) -> Option<ThreadDump<'b>> {
        self.close();
        give(&mut self.dump.threads, &self.owned);
        self.dump.time = time;
        self.dump.evidence = all;
        (!self.dump.threads.is_empty() || !self.dump.deadlocks.is_empty()).then_some(self.dump)
    }
}

/// `"main" J9VMThread:0x…, omrthread_t:0x…, java/lang/Thread:0x…, state:CW, prio=5`
fn header(text: &str) -> Option<ThreadRecord<'_>> {
    let inside = text.strip_prefix('"')?;
    let (name, rest) = inside.rfind("\" J9VMThread:").or_else(|| inside.rfind("\" (")).and_then(|at| inside.split_at_checked(at))?;
    let id = after(rest, "J9VMThread:").or_else(|| after(rest, "TID:")).and_then(hex).unwrap_or_default();
    let state = match after(rest, "state:").and_then(|rest| rest.split([',', ' ', ')']).next()) {
        Some("R") => ThreadState::Runnable,
        Some("B") => ThreadState::Blocked,
        Some("CW" | "P" | "MW") => ThreadState::Waiting,
        Some("Z") => ThreadState::Terminated,
        _ => ThreadState::Unknown,
    };
    Some(ThreadRecord { name, id, state, ..ThreadRecord::default() })
}

/// What a thread waits for, and whose it is.
fn block_of<'b>(text: &'b str, thread: &mut ThreadRecord<'b>, owned: &mut Vec<Owned<'b>>, arena: &'b Arena) {
    let Some((kind, rest)) = text.split_once(": ") else { return };
    let role = match kind {
        "Blocked on" => LockRole::WaitingToLock,
        "Waiting on" => LockRole::WaitingOn,
        "Parked on" => LockRole::ParkingFor,
        _ => return,
    };
    let (lock, owner) = rest.split_once(" Owned by: ").unwrap_or((rest, ""));
    let Some((address, class)) = object(lock, arena) else { return };
    thread.locks.push(LockRecord { role, address, class, frame: 0 });
    // Who is in `Object.wait` does not wait for the owner of the monitor but for a word from somebody.
    let name = owner.strip_prefix('"').and_then(|rest| rest.rsplit_once("\" (")).map(|(name, _)| name);
    if let Some(name) = name.filter(|_| role != LockRole::WaitingOn) {
        owned.push(Owned { name, id: 0, address, class });
    }
}

/// `java/lang/Integer@0x00000000FFF0B1A8`, with anything behind it.
fn object<'b>(text: &'b str, arena: &'b Arena) -> Option<(u64, &'b str)> {
    let (class, rest) = text.split_once('@')?;
    let address = hex(rest)?;
    Some((address, if class.contains('/') { arena.keep(class.replace('/', ".")) } else { class }))
}

/// `java/lang/Object.wait(Object.java:221(Compiled Code))` with dots, and without what is said of the code.
fn frame(text: &str) -> String {
    let (call, place) = text.split_once('(').unwrap_or((text, ""));
    let place = place.trim_end_matches(')').trim_end_matches("(Compiled Code");
    format!("{}({place})", call.replace('/', "."))
}

fn after<'b>(text: &'b str, mark: &str) -> Option<&'b str> {
    text.split_once(mark).map(|(_, rest)| rest)
}

/// A number in hex at the start of the text.
fn hex(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let len = digits.bytes().take_while(u8::is_ascii_hexdigit).count();
    u64::from_str_radix(digits.get(..len)?, 16).ok()
}
