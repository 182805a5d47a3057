//! Who waits for whom in a thread dump: the wait-for graph, its cycles, and all who are stuck behind them.
//!
//! A thread that waits to enter a monitor, or is parked for a lock of `java.util.concurrent`, points to the thread that
//! owns it. Owners of monitors are read off the frames; owners of the others only if the dump lists ownable
//! synchronizers, or where the JVM's own account of a deadlock names them. A thread in `Object.wait` shows `- locked` for
//! the very monitor it has released: it owns nothing there. Who holds a read lock is never printed: no edge.

use crate::model::jvm::{Deadlock, Dump, Lock, LockRole, Thread};
use crate::model::names::Sym;
use crate::model::source::Evidence;
use crate::model::tables::Tables;
use std::collections::{BTreeMap, BTreeSet};

/// One thread waiting for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Index of the waiting thread in [`Waits::threads`].
    pub waiter: usize,
    /// Index of the owner.
    pub owner: usize,
    /// Class of the lock.
    pub class: Sym,
    /// The lock.
    pub address: u64,
}

/// The wait-for graph of one dump.
#[derive(Clone, Debug)]
pub struct Waits<'a> {
    /// The dump.
    pub dump: &'a Dump,
    /// Its threads.
    pub threads: Vec<&'a Thread>,
    /// By waiter; a thread waits for one lock at a time.
    pub waits: BTreeMap<usize, Wait>,
    /// Cycles, each beginning with its smallest index, in the order of waiting.
    pub cycles: Vec<Vec<usize>>,
}

impl Waits<'_> {
    /// Threads that wait, directly or behind others, for a member of the cycle, members left out.
    #[must_use]
    pub fn behind(&self, cycle: &[usize]) -> Vec<usize> {
        let mut stuck: BTreeMap<usize, bool> = cycle.iter().map(|&thread| (thread, true)).collect();
        for &start in self.waits.keys() {
            let (mut at, mut path) = (start, Vec::new());
            let answer = loop {
                if let Some(&known) = stuck.get(&at) {
                    break known;
                }
                // Not known to be stuck until the end of the walk says so: this also ends a walk round another cycle.
                stuck.insert(at, false);
                path.push(at);
                match self.waits.get(&at) {
                    Some(wait) => at = wait.owner,
                    None => break false,
                }
            };
            path.into_iter().for_each(|thread| {
                stuck.insert(thread, answer);
            });
        }
        stuck.into_iter().filter(|&(thread, is_stuck)| is_stuck && !cycle.contains(&thread)).map(|(thread, _)| thread).collect()
    }
}

/// The graphs of all dumps, in the order of the dumps.
#[must_use]
pub fn of_dumps(tables: &Tables) -> Vec<Waits<'_>> {
    let mut threads: BTreeMap<Evidence, Vec<&Thread>> = BTreeMap::new();
    for thread in &tables.threads {
        threads.entry(thread.dump).or_default().push(thread);
    }
    let mut locks: BTreeMap<Evidence, Vec<&Lock>> = BTreeMap::new();
    for lock in &tables.locks {
        locks.entry(lock.dump).or_default().push(lock);
    }
    let mut declared: BTreeMap<Evidence, Vec<&Deadlock>> = BTreeMap::new();
    for member in &tables.deadlocks {
        declared.entry(member.dump).or_default().push(member);
    }
    let none = Vec::new();
    tables
        .dumps
        .iter()
        .map(|dump| {
            let threads = threads.remove(&dump.evidence).unwrap_or_default();
            graph(dump, threads, locks.get(&dump.evidence).unwrap_or(&none), &declared.remove(&dump.evidence).unwrap_or_default())
        })
        .collect()
}

fn graph<'a>(dump: &'a Dump, threads: Vec<&'a Thread>, locks: &[&Lock], declared: &[&Deadlock]) -> Waits<'a> {
    let index: BTreeMap<Evidence, usize> = threads.iter().enumerate().map(|(n, thread)| (thread.evidence, n)).collect();
    let released: BTreeSet<(Evidence, u64)> =
        locks.iter().filter(|lock| lock.role == LockRole::WaitingOn).map(|lock| (lock.thread, lock.address)).collect();
    let mut owners: BTreeMap<u64, usize> = locks
        .iter()
        .filter(|lock| match lock.role {
            LockRole::Locked => !released.contains(&(lock.thread, lock.address)),
            LockRole::OwnsSynchronizer => true,
            LockRole::WaitingToLock | LockRole::WaitingOn | LockRole::ParkingFor => false,
        })
        .filter(|lock| lock.address != 0)
        .filter_map(|lock| Some((lock.address, *index.get(&lock.thread)?)))
        .collect();
    for (address, owner) in told_owners(&threads, &index, locks, declared) {
        owners.entry(address).or_insert(owner);
    }
    let mut waits = BTreeMap::new();
    for lock in locks.iter().filter(|lock| matches!(lock.role, LockRole::WaitingToLock | LockRole::ParkingFor)) {
        if let (Some(&waiter), Some(&owner)) = (index.get(&lock.thread), owners.get(&lock.address))
            && waiter != owner
        {
            waits.entry(waiter).or_insert(Wait { waiter, owner, class: lock.class, address: lock.address });
        }
    }
    let cycles = cycles(&waits);
    Waits { dump, threads, waits, cycles }
}

/// Owners that only the account of a deadlock names: of the lock for which the thread it tells of is parked.
fn told_owners<'l>(
    threads: &[&Thread],
    index: &BTreeMap<Evidence, usize>,
    locks: &'l [&Lock],
    declared: &'l [&Deadlock],
) -> impl Iterator<Item = (u64, usize)> + 'l {
    let mut by_name: BTreeMap<Sym, usize> = BTreeMap::new();
    let wanted: BTreeSet<Sym> = declared.iter().flat_map(|member| [member.thread, member.holder]).collect();
    threads
        .iter()
        .enumerate()
        .filter(|(_, thread)| wanted.contains(&thread.name))
        .for_each(|(at, thread)| _ = by_name.entry(thread.name).or_insert(at));
    let parked: BTreeMap<usize, u64> = locks
        .iter()
        .filter(|lock| lock.role == LockRole::ParkingFor && lock.address != 0)
        .filter_map(|lock| Some((*index.get(&lock.thread)?, lock.address)))
        .collect();
    declared.iter().filter_map(move |member| Some((*parked.get(by_name.get(&member.thread)?)?, *by_name.get(&member.holder)?)))
}

/// In a graph with one way out of each node: walk until a node is met again.
fn cycles(waits: &BTreeMap<usize, Wait>) -> Vec<Vec<usize>> {
    let mut walked = BTreeMap::new();
    let mut found = Vec::new();
    for (walk, &start) in waits.keys().enumerate() {
        let (mut at, mut path) = (start, Vec::new());
        while let (None, Some(wait)) = (walked.get(&at), waits.get(&at)) {
            walked.insert(at, walk);
            path.push(at);
            at = wait.owner;
        }
        if walked.get(&at) == Some(&walk) {
            let from = path.iter().position(|&node| node == at).unwrap_or(0);
            let mut cycle = path.split_off(from);
            let smallest = cycle.iter().enumerate().min_by_key(|(_, node)| **node).map_or(0, |(n, _)| n);
            cycle.rotate_left(smallest);
            found.push(cycle);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(pairs: &[(usize, usize)]) -> BTreeMap<usize, Wait> {
        pairs.iter().map(|&(waiter, owner)| (waiter, Wait { waiter, owner, class: Sym::NONE, address: 1 })).collect()
    }

    #[test]
    fn cycles_and_who_is_behind_them() {
        let waits = waits(&[(0, 1), (1, 2), (2, 1), (3, 0), (4, 5), (6, 4)]);
        assert_eq!(cycles(&waits), [vec![1, 2]]);
        let dump = Dump {
            time: crate::model::time::Time::NONE,
            service: Sym::NONE,
            instance: Sym::NONE,
            runtime: Sym::NONE,
            lists_synchronizers: true,
            evidence: Evidence::default(),
        };
        let graph = Waits { dump: &dump, threads: Vec::new(), waits, cycles: Vec::new() };
        assert_eq!(graph.behind(&[1, 2]), [0, 3]);
    }

    #[test]
    fn no_waits_no_cycles() {
        assert!(cycles(&waits(&[])).is_empty());
        assert!(cycles(&waits(&[(0, 1), (1, 2)])).is_empty());
    }
}
