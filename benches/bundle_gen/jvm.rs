//! What a Java virtual machine leaves behind: a GC log whose floor rises, and a thread dump with a deadlock.

use super::clock::{SECOND, iso};
use super::rng::Rng;
use std::fmt::Write as _;
use std::io;

/// Mebibytes of the heap.
const HEAP: u64 = 1024;

/// A unified GC log of G1 over three hours, of about as many bytes; the floor rises from 180 to 850 MiB.
/// Gives its lines.
///
/// # Errors
/// If it cannot be written.
pub fn gc_log(rng: &mut Rng, bytes: usize, out: &mut impl io::Write) -> io::Result<u64> {
    let collections = (bytes / 112).max(64) as u64;
    let step = 3 * 3600 * SECOND / collections;
    writeln!(out, "[{}+0000][0.006s][info][gc] Using G1", iso(0))?;
    for n in 0..collections {
        let at = (n + 1) * step;
        let floor = 180 + 670 * n / collections;
        let (kind, after) = match n % 16 {
            13..=15 => ("Mixed", floor + 18 - n % 16),
            12 => ("Prepare Mixed", floor + 70),
            k => ("Normal", floor + 8 + 5 * k),
        };
        let before = (after + 90 + rng.range(0, 20)).min(HEAP - 2);
        writeln!(
            out,
            "[{}+0000][{}.{:03}s][info][gc] GC({n}) Pause Young ({kind}) (G1 Evacuation Pause) {before}M->{after}M({HEAP}M) {}.{:03}ms",
            iso(at),
            at / SECOND,
            at / 1_000_000 % 1000,
            rng.range(3, 15),
            rng.range(0, 1000)
        )?;
    }
    Ok(collections + 1)
}

const POOL: &str = "\tat java.util.concurrent.ThreadPoolExecutor.runWorker(java.base@17.0.15/ThreadPoolExecutor.java:1136)
\tat java.util.concurrent.ThreadPoolExecutor$Worker.run(java.base@17.0.15/ThreadPoolExecutor.java:635)
\tat java.lang.Thread.run(java.base@17.0.15/Thread.java:840)
";

/// A dump in the grammar of `jstack -l`: `idle` waiting threads, and two that wait for each other.
pub fn thread_dump(rng: &mut Rng, at: u64, idle: usize) -> String {
    let elapsed = at / SECOND;
    let time = iso(at).replace('T', " ");
    let mut out = format!("{}\nFull thread dump OpenJDK 64-Bit Server VM (17.0.15+6-LTS mixed mode, sharing):\n\n", &time[..19]);
    let mut thread = |name: &str, number: usize, condition: &str, state: &str, frames: &str| {
        let _ = write!(
            out,
            "\"{name}\" #{number} daemon prio=5 os_prio=0 cpu={}.25ms elapsed={elapsed}.50s tid=0x{:016x} nid=0x{:x} {condition}  [0x{:016x}]\n   java.lang.Thread.State: {state}\n{frames}{POOL}\n   Locked ownable synchronizers:\n\t- None\n\n",
            rng.range(1, 900),
            0x7f3c_5c00_0000_u64 + number as u64 * 0x1a30,
            number + 16,
            0x7f3b_c000_0000_u64 + number as u64 * 0x10_0000,
        );
    };
    for n in 0..idle {
        let frames = "\tat jdk.internal.misc.Unsafe.park(java.base@17.0.15/Native Method)
\t- parking to wait for  <0x00000000c0a41f20> (a java.util.concurrent.locks.AbstractQueuedSynchronizer$ConditionObject)
\tat java.util.concurrent.LinkedBlockingQueue.take(java.base@17.0.15/LinkedBlockingQueue.java:435)
";
        thread(&format!("http-nio-8080-exec-{n}"), 30 + n, "waiting on condition", "WAITING (parking)", frames);
    }
    let (ledger, index) = ("<0x00000000c81204b8> (a com.acme.stock.Ledger)", "<0x00000000c8120590> (a com.acme.stock.Index)");
    for (n, (name, wants, has)) in [("stock-sync-1", index, ledger), ("stock-sync-2", ledger, index)].into_iter().enumerate() {
        let frames = format!(
            "\tat com.acme.stock.Sync.second(Sync.java:71)\n\t- waiting to lock {wants}\n\tat com.acme.stock.Sync.first(Sync.java:54)\n\t- locked {has}\n"
        );
        thread(name, 20 + n, "waiting for monitor entry", "BLOCKED (on object monitor)", &frames);
    }
    out + "JNI global refs: 41, weak refs: 0\n\n"
}
