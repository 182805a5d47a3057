//! One thread of `jcmd Thread.dump_to_file -format=json`.
//!
//! ```text
//! {"tid":"21","name":"dl-1","state":"BLOCKED","blockedOn":"java.lang.Object@1f6f6e3d","stack":["Locks.main(Locks.java:8)"],"monitorsOwned":[{"depth":0,"locks":["java.lang.Object@b1c5100"]}]}
//! ```
//!
//! What this file does not do: guess a state that JDK 21 has not written.

use super::Reader;
use crate::formats::json_scan::{Scan, Step};
use crate::formats::thread_frame::{Owned, frame, object};
use crate::formats::thread_header::state;
use crate::model::jvm::{LockRecord, LockRole, ThreadRecord};

/// Whether the outermost frame is a virtual thread's, or the thread has not begun.
pub(super) fn is_virtual(frames: &[&str]) -> bool {
    frames.last().is_none_or(|last| last.starts_with("java.lang.VirtualThread.run"))
}

impl<'a> Reader<'a, '_> {
    pub(super) fn snapshot(&mut self, scan: &mut Scan<'a>) -> Step<Option<ThreadRecord<'a>>> {
        if !scan.enter_object()? {
            return Ok(None);
        }
        let mut thread = ThreadRecord::default();
        let mut carrier = 0;
        while let Some(key) = scan.key()? {
            match key {
                "tid" => thread.id = number(scan)?,
                "name" => thread.name = scan.text()?,
                "state" => thread.state = state(scan.text()?),
                "virtual" => thread.is_virtual = scan.bool()?,
                "carrier" => carrier = number(scan)?,
                "stack" if scan.enter_array()? => {
                    while scan.item()? {
                        thread.frames.push(frame(scan.text()?));
                    }
                }
                "waitingOn" => add(&mut thread, LockRole::WaitingOn, scan.text()?, 0),
                "blockedOn" => add(&mut thread, LockRole::WaitingToLock, scan.text()?, 0),
                "parkBlocker" if scan.peek() == Some(b'{') => self.blocker(scan, &mut thread)?,
                "monitorsOwned" if scan.enter_array()? => {
                    while scan.item()? {
                        monitors(scan, &mut thread)?;
                    }
                }
                "stack" | "monitorsOwned" => {}
                _ => scan.skip()?,
            }
        }
        thread.is_virtual |= !thread.frames.is_empty() && is_virtual(&thread.frames);
        if carrier != 0 {
            self.carriers.push((thread.id, carrier));
        }
        Ok(Some(thread))
    }

    /// What a parked thread waits for, and who has it, if that is known.
    fn blocker(&mut self, scan: &mut Scan<'a>, thread: &mut ThreadRecord<'a>) -> Step<()> {
        if !scan.enter_object()? {
            return Ok(());
        }
        let (mut blocker, mut owner) = ("", 0);
        while let Some(key) = scan.key()? {
            match key {
                "object" => blocker = scan.text()?,
                "owner" | "exclusiveOwnerThread" => owner = number(scan)?,
                _ => scan.skip()?,
            }
        }
        add(thread, LockRole::ParkingFor, blocker, 0);
        if owner != 0 {
            let (address, class) = object(blocker);
            self.owned.push(Owned { name: "", id: owner, address, class });
        }
        Ok(())
    }
}

/// `{"depth":4,"locks":["java.lang.Object@1b7df26"]}`; a lock that the compiler has taken away is null.
fn monitors<'a>(scan: &mut Scan<'a>, thread: &mut ThreadRecord<'a>) -> Step<()> {
    if !scan.enter_object()? {
        return Ok(());
    }
    let (mut depth, from) = (0, thread.locks.len());
    while let Some(key) = scan.key()? {
        match key {
            "depth" => depth = u32::try_from(number(scan)?).unwrap_or(u32::MAX),
            "locks" if scan.enter_array()? => {
                while scan.item()? {
                    add(thread, LockRole::Locked, scan.text()?, 0);
                }
            }
            "locks" => {}
            _ => scan.skip()?,
        }
    }
    thread.locks.iter_mut().skip(from).for_each(|lock| lock.frame = depth);
    Ok(())
}

fn add<'a>(thread: &mut ThreadRecord<'a>, role: LockRole, text: &'a str, frame: u32) {
    if !text.is_empty() {
        let (address, class) = object(text);
        thread.locks.push(LockRecord { role, address, class, frame });
    }
}

fn number(scan: &mut Scan<'_>) -> Step<u64> {
    Ok(scan.int()?.and_then(|n| u64::try_from(n).ok()).unwrap_or_default())
}
