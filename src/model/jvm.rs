//! What a JVM and its tools tell: threads with their locks, collections, and classes in the heap; as parsers read it, and as
//! rows of the tables.

use crate::model::names::Sym;
use crate::model::source::Evidence;
use crate::model::table::row;
use crate::model::time::Time;

/// A Java thread's state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum ThreadState {
    /// Not said (VM threads, carriers).
    #[default]
    Unknown,
    /// Not started.
    New,
    /// Running or in a native call.
    Runnable,
    /// Waits for a monitor.
    Blocked,
    /// Waits without limit.
    Waiting,
    /// Waits with a limit.
    TimedWaiting,
    /// Ended.
    Terminated,
}

/// A thread dump.
#[derive(Clone, Debug, Default)]
pub struct ThreadDump<'a> {
    /// When, or none.
    pub time: Time,
    /// Service.
    pub service: &'a str,
    /// Instance.
    pub instance: &'a str,
    /// The virtual machine's name and version, as written.
    pub runtime: &'a str,
    /// Whether it lists ownable synchronizers (`jstack -l`).
    pub lists_synchronizers: bool,
    /// Its threads, in the order of the dump.
    pub threads: Vec<ThreadRecord<'a>>,
    /// Deadlocks that the JVM itself printed.
    pub deadlocks: Vec<DeclaredDeadlock<'a>>,
    /// The dump's bytes.
    pub evidence: Evidence,
}

/// One thread of a dump.
#[derive(Clone, Debug, Default)]
pub struct ThreadRecord<'a> {
    /// Name, as printed.
    pub name: &'a str,
    /// What tells the thread from others across dumps of one process: `tid`, else the Java id; zero if neither.
    pub id: u64,
    /// State.
    pub state: ThreadState,
    /// Processor time used in nanoseconds, if printed.
    pub cpu_nanos: Option<u64>,
    /// Age in nanoseconds, if printed.
    pub elapsed_nanos: Option<u64>,
    /// Whether a daemon.
    pub daemon: bool,
    /// Whether a virtual thread.
    pub is_virtual: bool,
    /// The virtual thread it carries.
    pub carries: Option<u64>,
    /// Frames, the innermost first, without `at `.
    pub frames: Vec<&'a str>,
    /// Locks it holds or waits for.
    pub locks: Vec<LockRecord<'a>>,
    /// The thread's bytes.
    pub evidence: Evidence,
}

/// What a thread does with a lock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LockRole {
    /// Holds a monitor.
    Locked,
    /// Waits to enter a monitor.
    WaitingToLock,
    /// Waits in `Object.wait` and has released the monitor.
    WaitingOn,
    /// Parked for a `java.util.concurrent` lock or queue.
    ParkingFor,
    /// Owns a synchronizer of `java.util.concurrent`.
    OwnsSynchronizer,
}

/// One lock line of a thread.
#[derive(Clone, Copy, Debug)]
pub struct LockRecord<'a> {
    /// What the thread does with it.
    pub role: LockRole,
    /// The lock's address; it is stable inside one dump only. Zero if not printed.
    pub address: u64,
    /// The lock's class.
    pub class: &'a str,
    /// Index of the frame above the line.
    pub frame: u32,
}

/// A deadlock that the JVM printed: each member wants what the next one holds.
#[derive(Clone, Debug, Default)]
pub struct DeclaredDeadlock<'a> {
    /// The cycle's threads.
    pub members: Vec<DeadlockMember<'a>>,
    /// The section's bytes.
    pub evidence: Evidence,
}

/// One thread of a declared deadlock.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeadlockMember<'a> {
    /// The thread.
    pub thread: &'a str,
    /// Class of the lock it waits for.
    pub wants: &'a str,
    /// The thread that holds it.
    pub holder: &'a str,
}

/// What a line of a garbage collector's log says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum GcKind {
    /// A young collection.
    Young,
    /// A G1 collection of young and old regions.
    Mixed,
    /// A full stop-the-world collection.
    Full,
    /// A concurrent collector's stop: initial mark, remark, cleanup, ZGC and Shenandoah phases. Not a floor.
    Phase,
    /// A whole concurrent collection: ZGC `Garbage Collection`, `Major Collection`, Shenandoah `Concurrent cleanup`.
    Concurrent,
    /// ZGC `Minor Collection`.
    Minor,
    /// Shenandoah `Pause Degenerated GC`.
    Degenerated,
    /// A thread waits for memory: `Allocation Stall`, `Relocation Stall`.
    Stall,
    /// ZGC `Out Of Memory`, Shenandoah upgrade to full: the collector gave up.
    GaveUp,
    /// `To-space exhausted`, `(Evacuation Failure)`.
    EvacuationFailure,
    /// Old generation before, after, capacity in bytes, printed with a collection.
    Old,
    /// Number of old regions before and after; times the region size it is bytes.
    OldRegions,
    /// The exact live set at mark end, in `after`.
    Live,
    /// Metaspace used before, after, committed.
    Metaspace,
    /// `Using G1`: a process starts; the collector is the cause.
    Using,
    /// G1's region size in `after`.
    RegionSize,
    /// The largest heap in `after`.
    MaxHeap,
    /// Soft references were cleared.
    SoftReferencesCleared,
    /// A safepoint of any kind; `nanos` is its whole length.
    Safepoint,
}

/// One fact of a garbage collector's log. Sizes are bytes; a size that is not printed is `None`.
#[derive(Clone, Copy, Debug)]
pub struct GcRecord<'a> {
    /// Wall time, or none if the log prints only the uptime.
    pub time: Time,
    /// Nanoseconds since the JVM started, if printed.
    pub uptime: Option<i64>,
    /// Service.
    pub service: &'a str,
    /// Instance.
    pub instance: &'a str,
    /// Number of the collection, `GC(n)`.
    pub id: Option<u32>,
    /// What it is.
    pub kind: GcKind,
    /// Cause or collector, as printed.
    pub cause: &'a str,
    /// Before.
    pub before: Option<u64>,
    /// After.
    pub after: Option<u64>,
    /// Capacity.
    pub capacity: Option<u64>,
    /// Duration in nanoseconds; zero if not printed.
    pub nanos: u64,
    /// The line's bytes.
    pub evidence: Evidence,
}

/// A class histogram.
#[derive(Clone, Debug, Default)]
pub struct ClassHistogram<'a> {
    /// When, or none: the table itself has no time.
    pub time: Time,
    /// Service.
    pub service: &'a str,
    /// Instance.
    pub instance: &'a str,
    /// Its rows.
    pub rows: Vec<ClassRow<'a>>,
    /// Instances in all, from the table's last line or the sum.
    pub instances: u64,
    /// Bytes in all, from the table's last line or the sum.
    pub bytes: u64,
    /// The table's bytes.
    pub evidence: Evidence,
}

/// One row of a class histogram. The same class may occur once per class loader.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClassRow<'a> {
    /// Class name as printed, without the module.
    pub class: &'a str,
    /// Instances.
    pub instances: u64,
    /// Bytes.
    pub bytes: u64,
    /// The row's bytes.
    pub evidence: Evidence,
}

row! {
    /// A thread dump.
    Dump {
        /// When, or none.
        time: Time,
        /// Service.
        service: Sym,
        /// Instance.
        instance: Sym,
        /// Virtual machine.
        runtime: Sym,
        /// Whether ownable synchronizers are listed.
        lists_synchronizers: bool,
        /// Where; also the dump's identity.
        evidence: Evidence,
    }
}

row! {
    /// A thread of a dump.
    Thread {
        /// The dump.
        dump: Evidence,
        /// Name.
        name: Sym,
        /// Identity across dumps of one process.
        id: u64,
        /// State.
        state: ThreadState,
        /// Processor time used in nanoseconds.
        cpu_nanos: Option<u64>,
        /// Age in nanoseconds.
        elapsed_nanos: Option<u64>,
        /// Whether virtual.
        is_virtual: bool,
        /// Frames, the innermost first, joined by line ends.
        stack: Sym,
        /// Where.
        evidence: Evidence,
    }
}

row! {
    /// What a thread of a dump does with a lock.
    Lock {
        /// The dump.
        dump: Evidence,
        /// The thread.
        thread: Evidence,
        /// What it does with it.
        role: LockRole,
        /// Address, stable in one dump.
        address: u64,
        /// Class.
        class: Sym,
        /// Index of the frame above the line.
        frame: u32,
    }
}

row! {
    /// A thread of a deadlock that the JVM itself printed.
    Deadlock {
        /// The dump.
        dump: Evidence,
        /// The thread's name.
        thread: Sym,
        /// Class of the lock it wants.
        wants: Sym,
        /// Name of the thread that holds it.
        holder: Sym,
        /// The section, the same for every member of one cycle.
        evidence: Evidence,
    }
}

row! {
    /// A fact of a garbage collector's log. Sizes are bytes.
    Gc {
        /// Wall time, or none.
        time: Time,
        /// Nanoseconds since the JVM started.
        uptime: Option<i64>,
        /// Service.
        service: Sym,
        /// Instance.
        instance: Sym,
        /// Number of the collection.
        id: Option<u32>,
        /// What.
        kind: GcKind,
        /// Cause or collector.
        cause: Sym,
        /// Before.
        before: Option<u64>,
        /// After.
        after: Option<u64>,
        /// Capacity.
        capacity: Option<u64>,
        /// Duration.
        nanos: u64,
        /// Collections of this kind and cause before it that it stands for as well: see `correlate/collections.rs`.
        others: u32,
        /// How long those took in all.
        others_nanos: u64,
        /// Nanoseconds since the first of those.
        others_since: u64,
        /// Where.
        evidence: Evidence,
    }
}

row! {
    /// A class histogram.
    Histogram {
        /// When, or none.
        time: Time,
        /// Service.
        service: Sym,
        /// Instance.
        instance: Sym,
        /// Instances in all.
        instances: u64,
        /// Bytes in all.
        bytes: u64,
        /// Where; also the histogram's identity.
        evidence: Evidence,
    }
}

row! {
    /// A class in a histogram; rows of one name under several loaders are summed.
    Class {
        /// The histogram.
        histogram: Evidence,
        /// Class name, numbers of generated classes folded.
        class: Sym,
        /// How many rows: one per class loader.
        loaders: u32,
        /// Instances.
        instances: u64,
        /// Bytes.
        bytes: u64,
        /// Where the first row stands.
        evidence: Evidence,
    }
}
