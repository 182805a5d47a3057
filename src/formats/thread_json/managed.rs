//! One `ThreadInfo` as JSON, the form in which Spring Boot's actuator and Jolokia give threads away.
//!
//! ```text
//! {"threadName":"http-nio-8080-exec-1","threadId":31,"threadState":"BLOCKED","lockInfo":{"className":"java.lang.Object","identityHashCode":42},
//!  "lockOwnerId":30,"lockedMonitors":[{"className":"a.B","identityHashCode":7,"lockedStackDepth":1}],"stackTrace":[{"className":"a.B","methodName":"take","fileName":"B.java","lineNumber":12}]}
//! ```
//!
//! What this file does not do: keep blocked and waited times; they are counted only where somebody has asked the JVM to.

use super::Reader;
use crate::formats::json_scan::{Scan, Step};
use crate::formats::thread_frame::{Owned, object};
use crate::formats::thread_header::state;
use crate::model::jvm::{LockRecord, LockRole, ThreadRecord, ThreadState};

/// An object as `LockInfo` describes it.
#[derive(Clone, Copy, Default)]
struct Described<'a> {
    class: &'a str,
    hash: u64,
    depth: u32,
}

impl<'a> Reader<'a, '_> {
    pub(super) fn managed(&mut self, scan: &mut Scan<'a>) -> Step<Option<ThreadRecord<'a>>> {
        if !scan.enter_object()? {
            return Ok(None);
        }
        let mut thread = ThreadRecord::default();
        let (mut wanted, mut owner_id, mut owner_name) = (Described::default(), 0, "");
        while let Some(key) = scan.key()? {
            match key {
                "threadName" => thread.name = scan.text()?,
                "threadId" => thread.id = scan.int()?.and_then(|n| u64::try_from(n).ok()).unwrap_or_default(),
                "threadState" => thread.state = state(scan.text()?),
                "daemon" => thread.daemon = scan.bool()?,
                "virtual" => thread.is_virtual = scan.bool()?,
                "lockInfo" if scan.peek() == Some(b'{') => wanted = described(scan)?,
                "lockName" if wanted.hash == 0 => {
                    let (hash, class) = object(scan.text()?);
                    wanted = Described { class, hash, depth: 0 };
                }
                "lockOwnerId" => owner_id = scan.int()?.and_then(|n| u64::try_from(n).ok()).unwrap_or_default(),
                "lockOwnerName" => owner_name = scan.text()?,
                "stackTrace" if scan.enter_array()? => {
                    while scan.item()? {
                        element(scan, &mut thread.frames)?;
                    }
                }
                "lockedMonitors" => locks(scan, LockRole::Locked, &mut thread.locks)?,
                "lockedSynchronizers" => {
                    locks(scan, LockRole::OwnsSynchronizer, &mut thread.locks)?;
                    self.dump.lists_synchronizers = true;
                }
                "stackTrace" => {}
                _ => scan.skip()?,
            }
        }
        if wanted.hash != 0 {
            let role = match thread.state {
                ThreadState::Blocked => LockRole::WaitingToLock,
                _ if thread.frames.iter().take(3).any(|frame| frame.starts_with("java.lang.Object.wait")) => LockRole::WaitingOn,
                _ => LockRole::ParkingFor,
            };
            thread.locks.push(LockRecord { role, address: wanted.hash, class: wanted.class, frame: 0 });
            if owner_id != 0 || !owner_name.is_empty() {
                self.owned.push(Owned { name: owner_name, id: owner_id, address: wanted.hash, class: wanted.class });
            }
        }
        let is_named = !thread.name.is_empty() || thread.id != 0;
        Ok(is_named.then_some(thread))
    }
}

fn described<'a>(scan: &mut Scan<'a>) -> Step<Described<'a>> {
    let mut found = Described::default();
    if !scan.enter_object()? {
        return Ok(found);
    }
    while let Some(key) = scan.key()? {
        match key {
            "className" => found.class = scan.text()?,
            "identityHashCode" => found.hash = scan.int()?.map_or(0, |n| u64::from(n as u32)),
            "lockedStackDepth" => found.depth = scan.int()?.and_then(|n| u32::try_from(n).ok()).unwrap_or_default(),
            _ => scan.skip()?,
        }
    }
    Ok(found)
}

fn locks<'a>(scan: &mut Scan<'a>, role: LockRole, out: &mut Vec<LockRecord<'a>>) -> Step<()> {
    if !scan.enter_array()? {
        return Ok(());
    }
    while scan.item()? {
        let lock = described(scan)?;
        if lock.hash != 0 {
            out.push(LockRecord { role, address: lock.hash, class: lock.class, frame: lock.depth });
        }
    }
    Ok(())
}

/// A frame, as `StackTraceElement` would print it.
fn element<'a>(scan: &mut Scan<'a>, frames: &mut Vec<&'a str>) -> Step<()> {
    if scan.peek() == Some(b'"') {
        frames.push(crate::formats::thread_frame::frame(scan.text()?));
        return Ok(());
    }
    if !scan.enter_object()? {
        return Ok(());
    }
    let (mut class, mut method, mut file, mut line, mut native) = ("", "", "", -1, false);
    while let Some(key) = scan.key()? {
        match key {
            "className" => class = scan.text()?,
            "methodName" => method = scan.text()?,
            "fileName" => file = scan.text()?,
            "lineNumber" => line = scan.int()?.unwrap_or(-1),
            "nativeMethod" => native = scan.bool()?,
            _ => scan.skip()?,
        }
    }
    if !class.is_empty() {
        frames.push(scan.arena().keep(match (native || line == -2, file, line) {
            (true, ..) => format!("{class}.{method}(Native Method)"),
            (_, "", _) => format!("{class}.{method}(Unknown Source)"),
            (_, file, 0..) => format!("{class}.{method}({file}:{line})"),
            (_, file, _) => format!("{class}.{method}({file})"),
        }));
    }
    Ok(())
}
