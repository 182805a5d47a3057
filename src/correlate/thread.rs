//! What a thread is for, by its name, and whether what it logs belongs to somebody's request.
//!
//! ```text
//! http-nio-8080-exec-3   nio-8080-exec-3   qtp51-42   reactor-http-epoll-2   grpc-default-executor-7     a request
//! task-4   pool-2-thread-1   ForkJoinPool-1-worker-3   order-async-2                                    work handed on
//! main   scheduling-1   HikariPool-1 housekeeper   kafka-coordinator-heartbeat-thread                    neither
//! ```
//!
//! A console cuts names to their last fifteen characters, hence endings count. What this file does not do: know pools of
//! thread dumps.

/// What a thread works for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// For one request at a time.
    Request,
    /// For whoever handed work on.
    HandedOn,
    /// For nobody's request, or the record does not say.
    Unknown,
    /// For the process itself.
    Upkeep,
}

/// Beginnings and parts of names of threads that serve requests.
const REQUEST: &[&str] = &[
    "-exec-",
    "qtp",
    "xnio-",
    "reactor-http",
    "undertow",
    "grpc-default-executor",
    "default task-",
    "tomcat-handler",
    "listenerendpointcontainer",
    "ntainer#",
    "vert.x-eventloop",
    "armeria",
    "default executor-thread",
    "webcontainer",
    "executethread",
    "ajp-nio",
    "dw-",
];
/// The same of pools that take work over.
const HANDED_ON: &[&str] = &["task-", "pool-", "forkjoinpool", "async", "executor", "worker", "boundedelastic", "parallel-"];
/// The same of threads for the process itself.
const UPKEEP: &[&str] = &[
    "main",
    "schedul",
    "housekeeper",
    "heartbeat",
    "coordinator",
    "shutdown",
    "cron",
    "metrics",
    "jmx",
    "cleaner",
    "reaper",
    "evict",
    "watch",
    "timer",
    "quartz",
    "gc",
    "signal",
    "connection adder",
    "connection closer",
    "cachemanager",
    "eureka",
    "consul",
    "config-client",
    "restartedmain",
    "background",
];

/// What a thread is for, by its name.
#[must_use]
pub fn scope(thread: &str) -> Scope {
    if thread.is_empty() {
        return Scope::Unknown;
    }
    let lower = thread.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if any(REQUEST) {
        Scope::Request
    } else if any(UPKEEP) {
        Scope::Upkeep
    } else if any(HANDED_ON) && lower.ends_with(|c: char| c.is_ascii_digit()) {
        Scope::HandedOn
    } else {
        Scope::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_by_name() {
        for thread in ["http-nio-8080-exec-3", "nio-8080-exec-3", "qtp1234-42", "reactor-http-epoll-2", "ntainer#0-0-C-1"] {
            assert_eq!(scope(thread), Scope::Request, "{thread}");
        }
        for thread in ["task-4", "pool-2-thread-1", "ForkJoinPool-1-worker-3", "order-async-2"] {
            assert_eq!(scope(thread), Scope::HandedOn, "{thread}");
        }
        for thread in ["main", "scheduling-1", "HikariPool-1 housekeeper", "kafka-coordinator-heartbeat-thread | g"] {
            assert_eq!(scope(thread), Scope::Upkeep, "{thread}");
        }
        assert_eq!((scope(""), scope("MainThread-x")), (Scope::Unknown, Scope::Upkeep));
    }
}
