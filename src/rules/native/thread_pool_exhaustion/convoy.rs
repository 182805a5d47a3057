//! Pools all of whose threads stand behind one of their own, which holds a lock and is held up itself.
//!
//! A single dump tells as much: the others move when that one does. What this file does not do: queues for a lock whose owner
//! works on, which may be the matter of a moment; `lock-contention` judges these.

use crate::correlate::Case;
use crate::correlate::pools::Pool;
use crate::correlate::waits::{Waits, of_dumps};
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use std::collections::{BTreeMap, BTreeSet};

/// The wait-for graphs of a case, by dump.
pub struct Convoys<'a>(BTreeMap<Evidence, Waits<'a>>);

impl<'a> Convoys<'a> {
    pub fn of(case: &'a Case) -> Self {
        Self(of_dumps(&case.tables).into_iter().map(|graph| (graph.dump.evidence, graph)).collect())
    }

    /// Whether the whole pool is a thread that is held up and at least so many behind it.
    pub fn is_one(&self, pool: &Pool<'_>, rule: &Rule) -> bool {
        let Some(graph) = self.0.get(&pool.dump.evidence) else { return false };
        let members: BTreeSet<Evidence> = pool.threads.iter().map(|(thread, _)| thread.evidence).collect();
        let is_member = |at: &usize| graph.threads.get(*at).is_some_and(|thread| members.contains(&thread.evidence));
        // If there is one whom all wait for, any of them leads to it. Who waits in a circle leads nowhere: a deadlock.
        let chain = |waiter: usize| std::iter::successors(Some(waiter), |at| graph.waits.get(at).map(|wait| wait.owner));
        let first = graph.waits.keys().copied().find(is_member);
        let Some(owner) = first.and_then(|waiter| chain(waiter).take(graph.threads.len()).find(|at| !graph.waits.contains_key(at))) else {
            return false;
        };
        let behind = graph.behind(&[owner]).iter().filter(|at| is_member(at)).count();
        let is_held_up = pool.threads.iter().any(|(thread, doing)| Some(thread) == graph.threads.get(owner) && doing.is_stuck());
        is_held_up && behind as f64 >= rule.limit("convoy") && behind + 1 == members.len()
    }
}

#[cfg(test)]
mod tests {
    use crate::model::finding::Severity;
    use crate::rules::fixture::{bundle, check, rule};

    /// A dump of a pool of request threads: what the owner of the lock does, how many wait for it, how many do not.
    fn severity(owner: (&str, &str), waiters: usize, others: usize) -> Option<Severity> {
        let run = "\tat java.util.concurrent.ThreadPoolExecutor.runWorker(java.base@17/ThreadPoolExecutor.java:1136)\n\tat java.lang.Thread.run(java.base@17/Thread.java:840)\n\n";
        let mut text = "2026-11-22 19:30:34\nFull thread dump OpenJDK 64-Bit Server VM (17.0.15+6 mixed mode):\n\n".to_owned();
        let mut thread = |n: usize, state: &str, frames: &str| {
            text += &format!(
                "\"http-nio-8080-exec-{n}\" #{n} daemon prio=5 os_prio=0 cpu=1.00ms elapsed=9.00s tid=0x00007f00000000{n:02x} nid=0x{n:x} waiting  [0x00007f0000001000]\n   java.lang.Thread.State: {state}\n{frames}{run}"
            );
        };
        let (state, frame) = owner;
        thread(1, state, &format!("\tat {frame}\n\tat com.acme.Table.refresh(Table.java:66)\n\t- locked <0x00000000e0012345> (a com.acme.Table)\n"));
        for n in 2..2 + waiters {
            thread(
                n,
                "BLOCKED (on object monitor)",
                "\tat com.acme.Table.lookup(Table.java:31)\n\t- waiting to lock <0x00000000e0012345> (a com.acme.Table)\n",
            );
        }
        for n in 50..50 + others {
            thread(n, "RUNNABLE", "\tat com.acme.Quote.price(Quote.java:12)\n");
        }
        let case = bundle(&[("shop/jstack-1.txt", text.as_str())]);
        check(&rule("thread-pool-exhaustion"), &case, None).first().map(|finding| finding.severity)
    }

    const ASLEEP: (&str, &str) = ("TIMED_WAITING (sleeping)", "java.lang.Thread.sleep(java.base@17/Native Method)");
    const AT_WORK: (&str, &str) = ("RUNNABLE", "com.acme.Table.index(Table.java:70)");

    #[test]
    fn all_stand_behind_one_of_them_that_waits_itself() {
        assert_eq!(severity(ASLEEP, 8, 0), Some(Severity::Medium));
    }

    #[test]
    fn an_owner_at_work_few_waiters_and_threads_that_go_on_are_a_moment() {
        for (owner, waiters, others) in [(AT_WORK, 8, 0), (ASLEEP, 4, 0), (ASLEEP, 8, 1)] {
            assert_eq!(severity(owner, waiters, others).filter(|severity| *severity > Severity::Low), None, "{waiters} {others}");
        }
    }
}
