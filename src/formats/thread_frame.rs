//! Frames and objects as Java itself prints them, `StackTraceElement` and `Object.toString`, in every dump but HotSpot's.
//!
//! ```text
//! java.base/java.lang.Thread.run(Thread.java:1474)     app//com.acme.Orders.take(Orders.java:12)
//! java.util.concurrent.locks.ReentrantLock$NonfairSync@590b3e1b
//! ```
//!
//! Also the owners that such dumps name beside what waits: the lock is entered with its owner, unless that has it already.
//! What this file does not do: HotSpot's own frames, where the module stands inside the parentheses.

use crate::model::jvm::{LockRecord, LockRole, ThreadRecord};
use std::collections::{BTreeMap, BTreeSet};

/// A frame without class loader and module. The slash of a hidden class stays: it is part of the name.
#[must_use]
pub fn frame(text: &str) -> &str {
    let call = text.split('(').next().unwrap_or(text);
    match call.rfind('/') {
        Some(at) if !text[at + 1..].starts_with("0x") => &text[at + 1..],
        Some(at) => call[..at].rfind('/').map_or(text, |before| &text[before + 1..]),
        None => text,
    }
}

/// Address and class of `C@1b7df26`. The hash tells objects of one dump apart as an address would.
#[must_use]
pub fn object(text: &str) -> (u64, &str) {
    let Some((class, hash)) = text.rsplit_once('@') else { return (0, text) };
    (u64::from_str_radix(hash, 16).unwrap_or_default(), class)
}

/// A lock that a dump shows with the thread that waits for it, and says who has it.
#[derive(Clone, Copy, Debug)]
pub struct Owned<'a> {
    /// The owner's name, or empty if only the number is given.
    pub name: &'a str,
    /// The owner's number, or zero.
    pub id: u64,
    /// The lock.
    pub address: u64,
    /// The lock's class.
    pub class: &'a str,
}

/// Enters locks with their owners.
pub fn give<'a>(threads: &mut [ThreadRecord<'a>], owned: &[Owned<'a>]) {
    if owned.is_empty() {
        return;
    }
    let mut by_id: BTreeMap<u64, usize> = BTreeMap::new();
    let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, thread) in threads.iter().enumerate() {
        by_id.entry(thread.id).or_insert(at);
        by_name.entry(thread.name).or_insert(at);
    }
    let mut held: BTreeSet<(usize, u64)> = BTreeSet::new();
    for (at, thread) in threads.iter().enumerate() {
        let locks = thread.locks.iter().filter(|lock| matches!(lock.role, LockRole::Locked | LockRole::OwnsSynchronizer));
        held.extend(locks.map(|lock| (at, lock.address)));
    }
    for lock in owned.iter().filter(|lock| lock.address != 0) {
        let at = if lock.id == 0 { by_name.get(lock.name) } else { by_id.get(&lock.id) };
        let Some((&at, owner)) = at.and_then(|at| Some((at, threads.get_mut(*at)?))) else { continue };
        if held.insert((at, lock.address)) {
            owner.locks.push(LockRecord { role: LockRole::OwnsSynchronizer, address: lock.address, class: lock.class, frame: 0 });
        }
    }
}

/// Tells the threads that carry others: pairs of the carried and of the carrier.
pub fn carry(threads: &mut [ThreadRecord<'_>], pairs: &[(u64, u64)]) {
    if pairs.is_empty() {
        return;
    }
    let by_carrier: BTreeMap<u64, u64> = pairs.iter().map(|&(carried, carrier)| (carrier, carried)).collect();
    for thread in threads {
        thread.carries = by_carrier.get(&thread.id).copied().or(thread.carries);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_without_modules() {
        for (text, want) in [
            ("java.base/java.lang.Thread.run(Thread.java:1474)", "java.lang.Thread.run(Thread.java:1474)"),
            ("java.base@17.0.1/java.lang.Thread.run(Thread.java:833)", "java.lang.Thread.run(Thread.java:833)"),
            ("app//com.acme.Orders.take(Orders.java:12)", "com.acme.Orders.take(Orders.java:12)"),
            ("com.acme.Orders.take(src/Orders.java:12)", "com.acme.Orders.take(src/Orders.java:12)"),
            ("com.acme.A$$Lambda/0x00007f01.run(Unknown Source)", "com.acme.A$$Lambda/0x00007f01.run(Unknown Source)"),
            ("java.base/com.acme.A$$Lambda/0x00007f01.run(Unknown Source)", "com.acme.A$$Lambda/0x00007f01.run(Unknown Source)"),
            ("", ""),
        ] {
            assert_eq!(frame(text), want);
        }
        assert_eq!((object("a.B@1b7df26"), object("a.B"), object("a.B@x")), ((0x1b7_df26, "a.B"), (0, "a.B"), (0, "a.B")));
    }

    #[test]
    fn owners_get_their_locks_once() {
        let thread = |name, id| ThreadRecord { name, id, ..ThreadRecord::default() };
        let mut threads = [thread("a", 1), thread("b", 2), thread("b", 3)];
        let lock = |name, id, address| Owned { name, id, address, class: "C" };
        give(&mut threads, &[lock("b", 0, 7), lock("b", 0, 7), lock("b", 3, 8), lock("nobody", 9, 9), lock("a", 0, 0)]);
        assert_eq!(threads.map(|thread| thread.locks.iter().map(|lock| lock.address).collect::<Vec<_>>()), [vec![], vec![7], vec![8]]);
    }
}
