//! Pools of threads in dumps: who belongs together, and what each thread is doing.
//!
//! ```text
//! http-nio-8080-exec-1 .. -25    pool http-nio-8080-exec    22 wait for a monitor in PriceCache.lookup, 3 idle
//! ```
//!
//! A thread that waits for work in its pool's own queue is idle, whatever its state says; one that reads from a socket is
//! RUNNABLE and does nothing. What this file does not do: say who owns what a thread waits for; that is `waits.rs`.

use crate::correlate::Case;
use crate::model::jvm::{Dump, Thread, ThreadState};
use crate::model::names::{Interner, Sym};
use crate::model::source::Evidence;
use std::collections::BTreeMap;

/// What a thread is doing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Doing {
    /// Waits for work.
    Idle,
    /// Reads an answer from a database.
    Database,
    /// Reads from a socket.
    Network,
    /// Opens a connection or looks up a name.
    Connect,
    /// Waits for a connection of a pool.
    Connection,
    /// Waits for the result of other work.
    Future,
    /// Waits to enter a monitor.
    Monitor,
    /// Waits for a lock or semaphore.
    Lock,
    /// Waits to be notified, nothing tells of what.
    Signal,
    /// Sleeps inside of a task.
    Sleep,
    /// Writes a log.
    Logging,
    /// Waits for room in a queue.
    QueueFull,
    /// Runs.
    Running,
}

impl Doing {
    /// In words, after "threads".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Idle => "wait for work",
            Self::Database => "wait for a database",
            Self::Network => "wait for an answer from the network",
            Self::Connect => "open a connection",
            Self::Connection => "wait for a connection of a pool",
            Self::Future => "wait for the result of other work",
            Self::Monitor => "wait to enter a monitor",
            Self::Lock => "wait for a lock",
            Self::Signal => "wait to be notified",
            Self::Sleep => "sleep inside of a task",
            Self::Logging => "write a log",
            Self::QueueFull => "wait for room in a queue",
            Self::Running => "run",
        }
    }

    /// Whether the thread is kept from its work.
    #[must_use]
    pub const fn is_stuck(self) -> bool {
        !matches!(self, Self::Idle | Self::Running)
    }

    /// Whether it may as well be by design: tasks that loop for ever sleep, wait to be notified, or await each other.
    #[must_use]
    pub const fn is_maybe_meant(self) -> bool {
        matches!(self, Self::Sleep | Self::Signal | Self::Future)
    }
}

/// Frames of a pool's own waiting.
const IDLE: &[&str] = &[
    "ThreadPoolExecutor.getTask",
    "ForkJoinPool.awaitWork",
    "QueuedThreadPool.idleJobPoll",
    "QueuedThreadPool.reservedWait",
    "EnhancedQueueExecutor$PoolThreadNode.park",
    "EPoll.wait",
    "EPollArrayWrapper.epollWait",
    "KQueue.poll",
    "WEPoll.wait",
    "SelectorImpl.select",
    "Native.epollWait",
    "ReferenceQueue.remove",
    "TimerThread.mainLoop",
    "Net.accept",
    "socketAccept",
    "PlainSocketImpl.accept",
    "KafkaConsumer.poll",
    "SingleThreadEventExecutor.takeTask",
    "waitForReferencePendingList",
    "EpollEventLoop.epollWait",
];
/// Frames in which a task that never ends waits for what others bring: a queue of the application, a socket, a broker, a directory.
const INBOXES: &[&str] = &[
    "BlockingQueue.take",
    "BlockingQueue.poll",
    "BlockingDeque.take",
    "BlockingDeque.poll",
    "SynchronousQueue.take",
    "SynchronousQueue.poll",
    "TransferQueue.take",
    "TransferQueue.poll",
    "DelayQueue.take",
    "DelayQueue.poll",
    "ServerSocket.accept",
    "ServerSocketChannelImpl.accept",
    "WatchService.take",
    "WatchService.poll",
    "KafkaConsumer.poll",
    "MessageConsumer.receive",
    "PollingMessageListenerContainer.receive",
    "BlockingQueueConsumer.nextMessage",
    "QueueingConsumer.nextDelivery",
    ".blpop",
    ".brpop",
    ".blmove",
    ".xread",
    ".receiveMessage",
];
/// Frames of whoever serves a request: what it waits for, somebody waits for.
const SERVING: &[&str] = &[
    "HttpServlet.service",
    "CoyoteAdapter.service",
    "HttpChannel.handle",
    "Connectors.executeRootHandler",
    "ServerImpl$Exchange",
    "ServerCalls$",
    "DispatcherHandler.",
];
/// Frames of clients that wait for an answer in a queue of their own.
const ANSWERS: &[&str] = &["ThreadlessExecutor.waitAndDrain"];
/// Frames under which a pool runs what it was given.
const RUNNERS: &[&str] = &[
    "ThreadPoolExecutor.runWorker",
    "ForkJoinWorkerThread.run",
    "ForkJoinPool.runWorker",
    "QueuedThreadPool.runJob",
    "QueuedThreadPool$Runner.run",
    "EnhancedQueueExecutor$ThreadBody",
    "FutureTask.run",
    "SocketProcessorBase.run",
    "EnhancedQueueExecutor.safeRun",
];
const DRIVERS: &[&str] = &[
    "org.postgresql.",
    "com.mysql.",
    "oracle.jdbc.",
    "oracle.net.",
    "com.microsoft.sqlserver.",
    "org.mariadb.",
    "com.mongodb.",
    "net.sourceforge.jtds.",
    "com.ibm.db2.",
    "org.h2.",
];
const NETWORK: &[&str] = &[
    "socketRead0",
    "SocketDispatcher.read0",
    "FileDispatcherImpl.read0",
    "NioSocketImpl.implRead",
    "NioSocketImpl.timedRead",
    "NioSocketImpl.tryRead",
    "NioSocketImpl.park",
    "SocketInputStream.read",
];
const CONNECT: &[&str] =
    &["Net.connect0", "socketConnect", "Net.pollConnect", "NioSocketImpl.connect", "lookupAllHostAddr", "PlainSocketImpl.connect0"];
const CONNECTION: &[&str] = &[
    "HikariPool.getConnection",
    "ConcurrentBag.borrow",
    "GenericObjectPool.borrowObject",
    "AbstractConnPool.getPoolEntryBlocking",
    "PoolingHttpClientConnectionManager",
    "StrictConnPool.",
    "LaxConnPool.",
    "JedisPool.getResource",
    "DruidDataSource.getConnection",
    "ConnectionPool.borrowConnection",
    "C3P0PooledConnectionPool",
    "BasicResourcePool.awaitAvailable",
];
const FUTURE: &[&str] = &[
    "CompletableFuture.waitingGet",
    "CompletableFuture.timedGet",
    "FutureTask.awaitDone",
    "CountDownLatch.await",
    "BlockingSingleSubscriber.blockingGet",
    "Phaser.",
    "CyclicBarrier.dowait",
    "ForkJoinTask.awaitDone",
];
const LOGGING: &[&str] = &["OutputStreamAppender", "RollingFileManager", "FileOutputStream.writeBytes", "AsyncAppender", "OutputStreamManager"];
const QUEUE: &[&str] = &["BlockingQueue.put", "waitOnMetadata", "BufferPool.allocate"];
/// Code that is not the application's.
const LIBRARIES: &[&str] = &[
    "java.",
    "javax.",
    "jdk.",
    "sun.",
    "com.sun.",
    "jakarta.",
    "org.springframework.",
    "org.apache.catalina.",
    "org.apache.coyote.",
    "org.apache.tomcat.",
    "io.netty.",
    "reactor.",
    "org.eclipse.jetty.",
    "io.undertow.",
    "com.zaxxer.",
];

/// What a thread does, by its frames, the innermost first.
#[must_use]
pub fn doing(stack: &str, state: ThreadState) -> Doing {
    let has = |words: &[&str]| stack.lines().take(40).any(|frame| words.iter().any(|word| frame.contains(word)));
    let top = |words: &[&str]| stack.lines().take(12).any(|frame| words.iter().any(|word| frame.contains(word)));
    if stack.is_empty() || has(IDLE) && !has_task(stack) {
        return Doing::Idle;
    }
    if top(ANSWERS) {
        return Doing::Future;
    }
    if state == ThreadState::Blocked {
        return if top(LOGGING) { Doing::Logging } else { Doing::Monitor };
    }
    if top(CONNECTION) {
        return Doing::Connection;
    }
    if awaits_work(stack) {
        return Doing::Idle;
    }
    if top(CONNECT) {
        return Doing::Connect;
    }
    if top(NETWORK) {
        return if has(DRIVERS) { Doing::Database } else { Doing::Network };
    }
    if matches!(state, ThreadState::Waiting | ThreadState::TimedWaiting) {
        return match () {
            () if stack.lines().take(8).any(|frame| frame.contains("CountDownLatch.await")) && latched(stack) => Doing::Signal,
            () if top(FUTURE) => Doing::Future,
            () if top(QUEUE) => Doing::QueueFull,
            () if stack.lines().take(3).any(|frame| frame.contains("Thread.sleep")) => {
                if has_runner(stack) {
                    Doing::Sleep
                } else {
                    Doing::Idle
                }
            }
            () if top(&["AbstractQueuedSynchronizer", "ReentrantLock", "Semaphore.acquire", "StampedLock", "ReentrantReadWriteLock"])
                && has_runner(stack) =>
            {
                if top(&["ConditionObject.await", "ConditionNode"]) && !has_task(stack) {
                    Doing::Idle
                } else {
                    Doing::Lock
                }
            }
            () if has_runner(stack) && has_task(stack) => {
                if top(&["Object.wait"]) && !serves(stack) {
                    Doing::Signal
                } else {
                    Doing::Lock
                }
            }
            () => Doing::Idle,
        };
    }
    if top(LOGGING) { Doing::Logging } else { Doing::Running }
}

/// Whether a thread waits for what others bring, and not for an answer to what it asked.
#[must_use]
pub fn awaits_work(stack: &str) -> bool {
    stack.lines().take(16).any(|frame| INBOXES.iter().any(|inbox| frame.contains(inbox))) && !serves(stack)
}

/// Whether a thread serves a request.
#[must_use]
pub fn serves(stack: &str) -> bool {
    stack.lines().any(|frame| SERVING.iter().any(|serving| frame.contains(serving)))
}

/// Whether a task of the application itself awaits a latch: it may be there to keep the process alive.
fn latched(stack: &str) -> bool {
    let after = stack.lines().skip_while(|frame| !frame.contains("CountDownLatch.await")).find(|frame| !frame.contains("CountDownLatch.await"));
    !serves(stack) && after.is_some_and(|frame| !is_library(frame))
}

/// Whether a pool runs something: a frame of the application lies above its runner.
fn has_task(stack: &str) -> bool {
    stack.lines().take_while(|frame| !RUNNERS.iter().any(|runner| frame.contains(runner))).any(|frame| !is_library(frame))
}

fn has_runner(stack: &str) -> bool {
    stack.lines().any(|frame| RUNNERS.iter().any(|runner| frame.contains(runner)))
}

fn is_library(frame: &str) -> bool {
    LIBRARIES.iter().any(|library| frame.starts_with(library)) || frame.contains("$$")
}

/// The innermost frame of the application: `com.acme.shop.PriceCache.lookup`; empty if there is none.
#[must_use]
pub fn application_frame(stack: &str) -> &str {
    let frame = stack.lines().find(|frame| !is_library(frame)).unwrap_or("");
    frame.split('(').next().unwrap_or(frame)
}

/// The pool of a thread's name: the name without its last number; none if it has none, or for threads of the virtual machine.
#[must_use]
pub fn pool_of(name: &str) -> Option<&str> {
    let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
    let pool = name.get(..name.len() - digits)?.trim_end_matches(['-', '_', '#', ' ', '.', ':']);
    // Names of the virtual machine have capitals, those of pools rarely.
    let is_vm = pool.bytes().any(|b| b.is_ascii_uppercase())
        && ["CompilerThread", "GC Thread", "G1 Conc", "ZWorker", "Shenandoah", "GC task thread", "ForkJoinPool.commonPool-worker"]
            .iter()
            .any(|vm| pool.contains(vm));
    (digits > 0 && !pool.is_empty() && !is_vm).then_some(pool)
}

/// A pool in one dump.
#[derive(Clone, Debug)]
pub struct Pool<'a> {
    /// The dump.
    pub dump: &'a Dump,
    /// Its name.
    pub name: &'a str,
    /// Threads with what they do.
    pub threads: Vec<(&'a Thread, Doing)>,
    /// Whether most of its busy threads run under an executor.
    pub is_executor: bool,
    /// Whether one of its threads serves a request.
    pub serves: bool,
}

/// What threads do by their stacks. Hundreds of threads stand in one, which is read once.
#[derive(Debug, Default)]
pub struct Stacks(BTreeMap<(Sym, ThreadState), Doing>);

impl Stacks {
    /// What a thread does.
    pub fn doing(&mut self, thread: &Thread, names: &Interner) -> Doing {
        *self.0.entry((thread.stack, thread.state)).or_insert_with(|| doing(names.get(thread.stack), thread.state))
    }
}

impl Pool<'_> {
    /// How many do not wait for work.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.threads.iter().filter(|(_, doing)| *doing != Doing::Idle).count()
    }

    /// What most of the busy threads do, and how many; idle and running ones aside.
    #[must_use]
    pub fn mostly(&self) -> Option<(Doing, usize)> {
        let mut counts: BTreeMap<Doing, usize> = BTreeMap::new();
        self.threads.iter().filter(|(_, doing)| doing.is_stuck()).for_each(|(_, doing)| *counts.entry(*doing).or_default() += 1);
        counts.into_iter().max_by_key(|(doing, count)| (*count, std::cmp::Reverse(*doing)))
    }
}

/// Every pool of every dump, in the order of dumps and names.
#[must_use]
pub fn pools(case: &Case) -> Vec<Pool<'_>> {
    let names = &case.tables.names;
    let dumps: BTreeMap<Evidence, &Dump> = case.tables.dumps.iter().map(|dump| (dump.evidence, dump)).collect();
    let mut pools: BTreeMap<(Evidence, &str), Pool<'_>> = BTreeMap::new();
    let mut stacks = Stacks::default();
    for thread in case.tables.threads.iter().filter(|thread| !thread.is_virtual) {
        let (Some(dump), Some(name)) = (dumps.get(&thread.dump), pool_of(names.get(thread.name))) else { continue };
        let doing = stacks.doing(thread, names);
        let pool = pools.entry((thread.dump, name)).or_insert_with(|| Pool { dump, name, threads: Vec::new(), is_executor: false, serves: false });
        pool.threads.push((thread, doing));
    }
    let mut pools: Vec<Pool<'_>> = pools.into_values().collect();
    let mut known: BTreeMap<Sym, (bool, bool)> = BTreeMap::new();
    for pool in &mut pools {
        let mut run = 0;
        for (thread, _) in &pool.threads {
            let (runs, serving) = *known.entry(thread.stack).or_insert_with(|| {
                let stack = names.get(thread.stack);
                (runs_tasks(stack), serves(stack))
            });
            run += usize::from(runs);
            pool.serves |= serving;
        }
        pool.is_executor = 2 * run > pool.threads.len();
    }
    pools
}

fn runs_tasks(stack: &str) -> bool {
    has_runner(stack) || stack.contains("ThreadPoolExecutor.getTask")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_by_name() {
        assert_eq!(pool_of("http-nio-127.0.0.1-18502-exec-3"), Some("http-nio-127.0.0.1-18502-exec"));
        assert_eq!((pool_of("pool-2-thread-1"), pool_of("main"), pool_of("C2 CompilerThread0")), (Some("pool-2-thread"), None, None));
    }

    #[test]
    fn what_threads_do() {
        let worker = "java.util.concurrent.ThreadPoolExecutor.runWorker(ThreadPoolExecutor.java:1136)\njava.lang.Thread.run(Thread.java:840)";
        let of = |frames: &str, state| doing(&format!("{frames}\n{worker}"), state);
        let parked = "jdk.internal.misc.Unsafe.park(Native Method)\njava.util.concurrent.LinkedBlockingQueue.take(LinkedBlockingQueue.java:435)\njava.util.concurrent.ThreadPoolExecutor.getTask(ThreadPoolExecutor.java:1062)";
        assert_eq!(of(parked, ThreadState::Waiting), Doing::Idle);
        assert_eq!(of("com.acme.PriceCache.lookup(P.java:1)", ThreadState::Blocked), Doing::Monitor);
        assert_eq!(
            of("sun.nio.ch.SocketDispatcher.read0(Native Method)\ncom.acme.PaymentClient.charge(P.java:1)", ThreadState::Runnable),
            Doing::Network
        );
        assert_eq!(
            of(
                "sun.nio.ch.SocketDispatcher.read0(Native Method)\norg.postgresql.core.VisibleBufferedInputStream.read(V.java:1)\ncom.acme.Dao.find(D.java:1)",
                ThreadState::Runnable
            ),
            Doing::Database
        );
        assert_eq!(of("java.lang.Thread.sleep(Native Method)\ncom.acme.Retry.wait(R.java:1)", ThreadState::TimedWaiting), Doing::Sleep);
        assert_eq!(of("com.acme.Sum.add(S.java:1)", ThreadState::Runnable), Doing::Running);
        let taken = "jdk.internal.misc.Unsafe.park(Native Method)\njava.util.concurrent.LinkedBlockingQueue.take(LinkedBlockingQueue.java:435)\ncom.acme.Mailbox.drain(M.java:1)";
        assert_eq!(of(taken, ThreadState::Waiting), Doing::Idle, "a consumer");
        assert_eq!(of(&format!("{taken}\njakarta.servlet.http.HttpServlet.service(H.java:1)"), ThreadState::Waiting), Doing::Lock, "a request");
        let accept = "sun.nio.ch.Net.poll(Native Method)\nsun.nio.ch.NioSocketImpl.park(N.java:1)\nsun.nio.ch.NioSocketImpl.accept(N.java:1)\njava.net.ServerSocket.accept(S.java:1)\ncom.acme.Door.open(D.java:1)";
        assert_eq!(of(accept, ThreadState::Runnable), Doing::Idle);
        let borrow = "java.util.concurrent.SynchronousQueue.poll(S.java:1)\ncom.zaxxer.hikari.util.ConcurrentBag.borrow(C.java:1)\ncom.acme.Dao.find(D.java:1)";
        assert_eq!(of(borrow, ThreadState::TimedWaiting), Doing::Connection);
        let notified = "java.lang.Object.wait(Native Method)\ncom.acme.Inbox.receive(I.java:1)";
        assert_eq!(of(notified, ThreadState::TimedWaiting), Doing::Signal);
        let latch =
            "jdk.internal.misc.Unsafe.park(Native Method)\njava.util.concurrent.CountDownLatch.await(C.java:1)\ncom.acme.Main.keepAlive(M.java:1)";
        assert_eq!(of(latch, ThreadState::Waiting), Doing::Signal);
        let future = "jdk.internal.misc.Unsafe.park(Native Method)\njava.util.concurrent.CompletableFuture$Signaller.block(C.java:1)\njava.util.concurrent.CompletableFuture.waitingGet(C.java:1)\njava.util.concurrent.CompletableFuture.join(C.java:1)\ncom.acme.Fan.out(F.java:1)";
        assert_eq!(of(future, ThreadState::Waiting), Doing::Future);
        assert_eq!(
            doing(
                "java.lang.Thread.sleep(Native Method)\ncom.acme.Loop.run(L.java:1)\njava.lang.Thread.run(Thread.java:840)",
                ThreadState::TimedWaiting
            ),
            Doing::Idle,
            "a loop of its own"
        );
        assert_eq!(application_frame("java.net.Socket.read(S.java:1)\ncom.acme.Client.get(C.java:7)"), "com.acme.Client.get");
    }
}
