//! Every built-in signal against lines that must carry it, and against near misses.
//!
//! A line stands as its logger writes the message, or as the first line of a stack. `name` and `value` are what the
//! captures must say; an empty name or no value means that the wording has none.

use crate::model::rule::{RuleSet, SignalSpec};
use crate::rules::load;
use std::collections::BTreeSet;

/// Signal, what it names, its number, the text.
const CARRY: &[(&str, &str, Option<f64>, &str)] = &[
    ("retry.attempt", "", Some(2.0), "Attempt 2 of 5 failed"),
    ("retry.attempt", "", Some(1.0), "retry 1/3 for order O-77"),
    ("retry.attempt", "", Some(3.0), "Calling inventory, try #3/5"),
    ("retry.attempt", "", None, "payment service unavailable, will retry in 500ms"),
    ("retry.attempt", "", None, "Connection lost. Retrying in 4 seconds"),
    ("retry.attempt", "", None, "Retryable error detected. Will retry soon"),
    ("retry.exhausted", "", None, "Giving up after 5 attempts"),
    ("retry.exhausted", "", None, "Retries exhausted: 3/3"),
    ("idempotent-replay", "", None, "Idempotent replay, returning existing payment ch_1"),
    ("idempotent-replay", "", None, "duplicate request detected for key k1"),
    ("idempotent-replay", "", None, "Order 17 was already charged, ignoring"),
    ("idempotent-replay", "", None, "Idempotency key hit for k1"),
    ("idempotent-replay", "", None, "Known key, returning the stored response"),
    ("timeout.connect", "", None, "java.net.SocketTimeoutException: Connect timed out"),
    ("timeout.connect", "", None, "connection timed out: payments/10.0.0.7:8080"),
    ("timeout.connect", "", None, "io.netty.channel.ConnectTimeoutException: no answer"),
    ("timeout.connect", "", None, "Error: connect ETIMEDOUT 10.0.0.7:5432"),
    ("timeout.read", "", None, "I/O error on POST request for \"http://payment/charges\": Read timed out"),
    ("timeout.read", "", None, "Error: ESOCKETTIMEDOUT"),
    ("timeout.read", "", None, "java.net.SocketTimeoutException: 5000 MILLISECONDS"),
    ("timeout.read", "", None, "java.net.http.HttpTimeoutException: request timed out"),
    (
        "timeout.deadline",
        "",
        Some(3000.0),
        "java.util.concurrent.TimeoutException: Did not observe any item or terminal signal within 3000ms in 'map' (and no fallback has been configured)",
    ),
    ("timeout.deadline", "", None, "io.grpc.StatusRuntimeException: DEADLINE_EXCEEDED: deadline exceeded after 0.999s"),
    ("timeout.deadline", "", None, "Post \"http://pay/charge\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"),
    ("timeout.deadline", "", None, "dial tcp 10.0.0.7:5432: i/o timeout"),
    (
        "timeout.deadline",
        "",
        None,
        "System.Threading.Tasks.TaskCanceledException: The request was canceled due to the configured HttpClient.Timeout of 100 seconds elapsing.",
    ),
    (
        "retry.attempt",
        "payment",
        Some(1.0),
        "2026-01-01T10:00:00.1Z[UTC]: Retry 'payment', waiting PT0.5S until attempt '1'. Last attempt failed with exception 'java.net.SocketTimeoutException: Read timed out'.",
    ),
    (
        "retry.exhausted",
        "payment",
        Some(3.0),
        "Retry 'payment' recorded a failed retry attempt. Number of retry attempts: '3'. Giving up. Last exception was: 'x'.",
    ),
    ("retry.exhausted", "payment", Some(3.0), "Retry 'payment' has exhausted all attempts (3)"),
    (
        "retry.recovered",
        "payment",
        Some(2.0),
        "Retry 'payment' recorded a successful retry attempt. Number of retry attempts: '2', Last exception was: 'x'.",
    ),
    ("circuit-breaker.rejected", "payment", None, "CircuitBreaker 'payment' is OPEN and does not permit further calls"),
    ("circuit-breaker.rejected", "payment", None, "2026-01-01T10:00Z[UTC]: CircuitBreaker 'payment' recorded a call which was not permitted."),
    ("circuit-breaker.opened", "payment", None, "2026-01-01T10:00Z[UTC]: CircuitBreaker 'payment' changed state from CLOSED to OPEN"),
    ("circuit-breaker.half-opened", "payment", None, "CircuitBreaker 'payment' changed state from OPEN to HALF_OPEN"),
    ("circuit-breaker.closed", "payment", None, "CircuitBreaker 'payment' changed state from HALF_OPEN to CLOSED"),
    ("circuit-breaker.failure-rate", "payment", Some(62.5), "CircuitBreaker 'payment' exceeded failure rate threshold. Current failure rate: 62.5"),
    (
        "circuit-breaker.slow-call-rate",
        "payment",
        Some(100.0),
        "CircuitBreaker 'payment' exceeded slow call rate threshold. Current slow call rate: 100.0",
    ),
    ("bulkhead.rejected", "payment", None, "Bulkhead 'payment' is full and does not permit further calls"),
    ("rate-limiter.rejected", "payment", None, "RateLimiter 'payment' does not permit further calls"),
    ("timeout.time-limiter", "payment", None, "TimeLimiter 'payment' recorded a timeout exception."),
    ("retry.attempt", "", Some(1.0), "Retry: count=1"),
    ("retry.attempt", "pay", Some(2.0), "Checking for rethrow: count=2; for: 'pay'"),
    ("retry.exhausted", "", Some(3.0), "Retry failed last attempt: count=3"),
    ("retry.backoff", "com.acme.Pay.charge", Some(1000.0), "Backing off for 1000ms after retryable operation 'com.acme.Pay.charge'"),
    ("retry.attempt", "com.acme.Pay.charge", None, "Retry attempt for operation 'com.acme.Pay.charge' failed due to 'java.io.IOException: x'"),
    ("retry.attempt", "com.acme.Pay.charge", None, "Preparing to retry operation 'com.acme.Pay.charge'"),
    ("retry.exhausted", "com.acme.Pay.charge", None, "Retry policy for operation 'com.acme.Pay.charge' exhausted; aborting execution"),
    (
        "server.unhandled-exception",
        "dispatcherServlet",
        None,
        "Servlet.service() for servlet [dispatcherServlet] in context with path [] threw exception [Request processing failed: java.lang.NullPointerException: x] with root cause",
    ),
    (
        "server.unhandled-exception",
        "dispatcherServlet",
        None,
        "Servlet.service() for servlet [dispatcherServlet] in context with path [/api] threw exception",
    ),
    ("server.unhandled-exception", "GET \"/x\"", None, "[a1b2c3-1]  500 Server Error for HTTP GET \"/x\""),
    ("server.unhandled-exception", "/x", None, "UT005023: Exception handling request to /x"),
    ("server.unhandled-exception", "/x", None, "handleException /x java.lang.IllegalStateException: boom"),
    (
        "thread.stuck",
        "http-nio-8080-exec-12",
        None,
        "Thread [http-nio-8080-exec-12] (id=[57]) has been active for [12,345] milliseconds (since [x]) to serve the same request for [http://h/x] and may be stuck (configured threshold for this StuckThreadDetectionValve is [10] seconds).",
    ),
    ("app.started", "OrdersApp", Some(12.3), "Started OrdersApp in 12.3 seconds (process running for 13.1)"),
    ("app.started", "OrdersApp", Some(9.1), "Started OrdersApp in 9.1 seconds (JVM running for 9.9)"),
    ("app.profile", "\"prod\"", None, "The following 1 profile is active: \"prod\""),
    ("app.profile", "prod", None, "The following profiles are active: prod"),
    ("jvm.out-of-memory", "Java heap space", None, "java.lang.OutOfMemoryError: Java heap space"),
    ("jvm.out-of-memory", "Java heap space", None, "Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space"),
    ("jvm.out-of-memory", "Java heap space", None, "Exception in thread \"pool 1 thread 2\" java.lang.OutOfMemoryError: Java heap space"),
    ("jvm.out-of-memory", "Metaspace", None, "Handler dispatch failed; nested exception is java.lang.OutOfMemoryError: Metaspace"),
    (
        "jvm.out-of-memory",
        "Java heap space",
        None,
        "jakarta.servlet.ServletException: Handler dispatch failed: java.lang.OutOfMemoryError: Java heap space",
    ),
    (
        "jvm.out-of-memory",
        "GC overhead limit exceeded",
        None,
        "java.util.concurrent.ExecutionException: x\n\tat a.B.c(B.java:1)\nCaused by: java.lang.OutOfMemoryError: GC overhead limit exceeded",
    ),
    ("jvm.out-of-memory", "Java heap space", None, "Terminating due to java.lang.OutOfMemoryError: Java heap space"),
    (
        "jvm.out-of-memory",
        "direct buffer memory",
        Some(1_048_576.0),
        "java.lang.OutOfMemoryError: Cannot reserve 1048576 bytes of direct buffer memory (allocated: 8388608, limit: 8388608)",
    ),
    (
        "jvm.out-of-memory",
        "native thread",
        None,
        "java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory or process/resource limits reached",
    ),
    ("jvm.out-of-memory", "native thread", None, "Exception in thread \"main\" java.lang.OutOfMemoryError: unable to create new native thread"),
    (
        "jvm.out-of-memory",
        "Native memory",
        None,
        "There is insufficient memory for the Java Runtime Environment to continue. Native memory allocation (mmap) failed to map 4088 bytes",
    ),
    ("jvm.out-of-memory", "", None, "Exception: java.lang.OutOfMemoryError thrown from the UncaughtExceptionHandler in thread \"main\""),
    (
        "jvm.thread-start-failed",
        "EAGAIN",
        None,
        "Failed to start thread \"Unknown thread\" - pthread_create failed (EAGAIN) for attributes: stacksize: 1024k",
    ),
    ("jvm.terminated-by-out-of-memory", "", None, "Terminating due to java.lang.OutOfMemoryError: Java heap space"),
    ("jvm.heap-dumped", "", Some(18_684_757.0), "Heap dump file created [18684757 bytes in 0.016 secs]"),
    ("jvm.clock-leap", "HikariPool-1", None, "HikariPool-1 - Thread starvation or clock leap detected (housekeeper delta=1m3s500ms)."),
    (
        "executor.rejected",
        "java.util.concurrent.ThreadPoolExecutor",
        Some(200.0),
        "Task java.util.concurrent.FutureTask@1f rejected from java.util.concurrent.ThreadPoolExecutor@2e[Running, pool size = 200, active threads = 200, queued tasks = 1000, completed tasks = 9876]",
    ),
    ("http.io-error", "http://payment/charges", None, "I/O error on POST request for \"http://payment/charges\": Read timed out"),
    (
        "retry.attempt",
        "http://pay:80",
        None,
        "ex-0000000001 {}->http://pay:80 responded with status 503; request will be automatically re-executed in 1 SECONDS (exec count 2)",
    ),
    ("retry.attempt", "http://pay:80", None, "Retrying request to {}->http://pay:80"),
    (
        "retry.attempt",
        "",
        None,
        "Retrying (Retry(total=2, connect=None, read=None, redirect=None, status=None)) after connection broken by 'NewConnectionError': /charge",
    ),
    ("retry.attempt", "app.charge", None, "Retrying app.charge in 4.0 seconds as it raised ConnectionError: refused."),
    ("retry.attempt", "", Some(1.0), "Execution attempt. Source: 'pay', Operation Key: 'charge', Result: '503', Handled: 'True', Attempt: '1'"),
    ("connection.reset", "", None, "reactor.netty.http.client.PrematureCloseException: Connection prematurely closed BEFORE response"),
    ("connection.reset", "", None, "java.net.SocketException: Connection reset"),
    ("connection.reset", "", None, "org.apache.http.NoHttpResponseException: pay:80 failed to respond"),
    ("connection.reset", "", None, "Error: socket hang up"),
    ("connection.refused", "", None, "java.net.ConnectException: Connection refused"),
    ("connection.refused", "", None, "Error: connect ECONNREFUSED 10.0.0.7:80"),
    ("circuit-breaker.rejected", "", None, "Hystrix circuit: charge short-circuited and fallback failed."),
    ("circuit-breaker.rejected", "", None, "The circuit is now open and is not allowing calls."),
    ("bulkhead.rejected", "", None, "charge could not be queued for execution and no fallback available."),
    ("redis.timeout", "2 second(s)", None, "io.lettuce.core.RedisCommandTimeoutException: Command timed out after 2 second(s)"),
    ("redis.unreachable", "redis/<unresolved>:6379", None, "Unable to connect to [redis/<unresolved>:6379]: Connection refused"),
    ("redis.unreachable", "10.0.0.7:6379", None, "Cannot reconnect to [10.0.0.7:6379]: Connection refused: /10.0.0.7:6379"),
    ("redis.unreachable", "", None, "Currently not connected. Commands are rejected."),
    ("redis.reconnected", "10.0.0.7:6379", None, "Reconnected to 10.0.0.7:6379"),
    ("redis.read-only", "", None, "READONLY You can't write against a read only replica."),
    ("redis.memory-full", "", None, "OOM command not allowed when used memory > 'maxmemory'."),
    ("redis.loading", "", None, "LOADING Redis is loading the dataset in memory"),
    ("redis.cluster-down", "", None, "CLUSTERDOWN Hash slot not served"),
    ("cache.evict-failed", "prices", None, "Cache 'prices' failed to evict entry with key 'sku-1'"),
    ("cache.evict-failed", "prices", None, "Cache 'prices' failed to clear entries"),
    ("cache.get-failed", "prices", None, "Cache 'prices' failed to get entry with key 'sku-1'"),
    ("cache.put-failed", "prices", None, "Cache 'prices' failed to put entry with key 'sku-1'"),
    ("cache.get-failed", "prices", None, "Failed to get a value from Cache prices"),
    ("cache.put-failed", "prices", None, "Failed to put a value into Cache prices"),
    ("cache.get-failed", "", None, "Error reading from cache. Data will not come from cache."),
    ("cache.put-failed", "", None, "Error writing into cache. Data will not be cached"),
    ("unique-violation", "uq_payment_idem", None, "ERROR: duplicate key value violates unique constraint \"uq_payment_idem\""),
    ("unique-violation", "payment.uq_idem", None, "Duplicate entry 'k1' for key 'payment.uq_idem'"),
    ("unique-violation", "", None, "ORA-00001: unique constraint (APP.UQ_IDEM) violated"),
    ("unique-violation", "", None, "E11000 duplicate key error collection: app.payments index: idem_1 dup key: { idem: \"k1\" }"),
    (
        "pool.empty",
        "HikariPool-1",
        Some(3000.0),
        "HikariPool-1 - Connection is not available, request timed out after 3000ms (total=0, active=0, idle=0, waiting=12)",
    ),
    ("pool.waiting", "HikariPool-1", Some(37.0), "HikariPool-1 - Pool stats (total=10, active=10, idle=0, waiting=37)"),
    ("pool.waiting", "orders-pool", Some(5.0), "orders-pool - Pool stats (total=10/10, idle=0/10, active=10, waiting=5)"),
    ("pool.timeout", "", Some(30.0), "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00"),
    ("db.lock-wait", "ShareLock", Some(1000.123), "process 31694 still waiting for ShareLock on transaction 741 after 1000.123 ms"),
    ("db.transaction-timeout", "", None, "terminating connection due to idle-in-transaction timeout"),
    ("db.transaction-open", "idle in transaction", None, "pid=31695 state=idle in transaction xact_age=00:00:18.028625"),
    (
        "db.unreachable",
        "db:5432",
        None,
        "Connection to db:5432 refused. Check that the hostname and port are correct and that the postmaster is accepting TCP/IP connections.",
    ),
    (
        "executor.full",
        "2",
        Some(2.0),
        "Task x rejected from java.util.concurrent.ThreadPoolExecutor@34cd072c[Running, pool size = 2, active threads = 2, queued tasks = 3, completed tasks = 0]",
    ),
    ("thread.pinned", "MONITOR", None, "VirtualThread[#13]/runnable@ForkJoinPool-1-worker-1 reason:MONITOR"),
    ("job.locked", "nightly", None, "Locked 'nightly', lock will be held at most until 2026-01-01T02:10:00Z"),
    ("job.lock-skipped", "nightly", None, "Not executing 'nightly'. It's locked."),
    ("job.unlocked", "nightly", None, "Task finished, lock 'nightly' released"),
    (
        "job.store-unclustered",
        "org.quartz.simpl.RAMJobStore",
        None,
        "Using job-store 'org.quartz.simpl.RAMJobStore' - which does not support persistence. and is not clustered.",
    ),
    (
        "job.store-clustered",
        "org.quartz.impl.jdbcjobstore.JobStoreTX",
        None,
        "Using job-store 'org.quartz.impl.jdbcjobstore.JobStoreTX' - which supports persistence. and is clustered.",
    ),
    ("job.fired", "jobs.nightly", None, "Job jobs.nightly fired (by trigger jobs.t1) at:  02:00:00 01/01/2026"),
    ("job.fired", "jobs.nightly", None, "Trigger jobs.t1 fired job jobs.nightly at:  02:00:00 01/01/2026"),
    ("job.executed", "jobs.nightly", None, "Job jobs.nightly execution complete at  02:00:09 01/01/2026 and reports: null"),
    ("pool.timeout", "HikariPool-1", Some(30_002.0), "HikariPool-1 - Connection is not available, request timed out after 30002ms."),
    (
        "pool.timeout",
        "HikariPool-1",
        Some(30_002.0),
        "java.sql.SQLTransientConnectionException: HikariPool-1 - Connection is not available, request timed out after 30002ms (total=10, active=10, idle=0, waiting=37)",
    ),
    (
        "pool.timeout",
        "",
        None,
        "[http-nio-8080-exec-1] Timeout: Pool empty. Unable to fetch a connection in 30 seconds, none available[size:50; busy:50; idle:0; lastwait:30000].",
    ),
    ("pool.timeout", "", None, "[http-nio-8080-exec-1] NoWait: Pool empty. Unable to fetch a connection, none available[50 in use]."),
    (
        "pool.timeout",
        "",
        Some(60_000.0),
        "com.alibaba.druid.pool.GetConnectionTimeoutException: wait millis 60000, active 20, maxActive 20, creating 0",
    ),
    (
        "pool.leak",
        "http-nio-8080-exec-3",
        None,
        "Connection leak detection triggered for org.postgresql.jdbc.PgConnection@1b2c3d on thread http-nio-8080-exec-3, stack trace follows",
    ),
    (
        "pool.unleaked",
        "http-nio-8080-exec-3",
        None,
        "Previously reported leaked connection org.postgresql.jdbc.PgConnection@1b2c3d on thread http-nio-8080-exec-3 was returned to the pool (unleaked)",
    ),
    (
        "pool.connection-broken",
        "HikariPool-1",
        None,
        "HikariPool-1 - Connection org.postgresql.jdbc.PgConnection@77 marked as broken because of SQLSTATE(08006), ErrorCode(0)",
    ),
    ("db.connections-refused", "", None, "FATAL: sorry, too many clients already"),
    ("db.connections-refused", "", None, "FATAL: remaining connection slots are reserved for roles with the SUPERUSER attribute"),
    ("db.connections-refused", "", None, "Data source rejected establishment of connection,  message from server: \"Too many connections\""),
    ("db.connections-refused", "orders", None, "FATAL: too many connections for role \"orders\""),
    ("db.connections-refused", "", None, "User orders already has more than 'max_user_connections' active connections"),
    ("db.connections-refused", "ORA-12519", None, "ORA-12519: TNS:no appropriate service handler found"),
    (
        "gateway.upstream-timeout",
        "reading response header from upstream",
        None,
        "upstream timed out (110: Connection timed out) while reading response header from upstream",
    ),
    (
        "gateway.upstream-timeout",
        "connecting to upstream",
        None,
        "upstream timed out (110: Connection timed out) while connecting to upstream, client: 10.0.0.1, server: shop",
    ),
    ("gateway.upstream-timeout", "", None, "Response took longer than timeout: PT3S"),
    ("gateway.upstream-reset", "", None, "upstream prematurely closed connection while reading response header from upstream"),
    (
        "gateway.upstream-reset",
        "reading response header from upstream",
        None,
        "recv() failed (104: Connection reset by peer) while reading response header from upstream, client: 10.0.0.1",
    ),
    ("gateway.upstream-refused", "", None, "connect() failed (111: Connection refused) while connecting to upstream"),
    ("gateway.no-upstream", "", None, "no live upstreams while connecting to upstream"),
    ("gateway.no-route", "", None, "{\"message\":\"no Route matched with those values\"}"),
    ("gateway.body-too-large", "", Some(2_097_153.0), "client intended to send too large body: 2097153 bytes"),
    ("gateway.header-too-large", "", None, "upstream sent too big header while reading response header from upstream"),
    ("gateway.header-dropped", "X_Tenant", None, "client sent invalid header line: \"X_Tenant: 1\" while reading client request headers"),
    ("gateway.rate-limited", "api", None, "limiting requests, excess: 20.500 by zone \"api\""),
    ("gateway.rate-limited", "", None, "API rate limit exceeded"),
    ("gateway.forbidden", "", None, "access forbidden by rule"),
    ("gateway.saturated", "", None, "1024 worker_connections are not enough"),
    ("auth.token-expired", "", None, "Bearer error=\"invalid_token\", error_description=\"Jwt expired at 2026-01-01T10:00:00Z\""),
    ("auth.token-not-yet-valid", "", None, "Jwt used before 2026-01-01T10:00:00Z"),
];

/// Signal, and a text that must not carry it.
const NEAR: &[(&str, &str)] = &[
    ("retry.attempt", "Login attempt 2 of 3 failed for bob"),
    ("retry.attempt", "Country 1 of 3 imported"),
    ("retry.attempt", "Retry: count=0"),
    ("retry.attempt", "Processing page 2 of 5"),
    ("retry.attempt", "retry policy loaded: max 3"),
    ("retry.attempt", "Retry-After header honoured"),
    ("idempotent-replay", "Returning cached response for /prices"),
    ("idempotent-replay", "No idempotency key match, charging"),
    ("idempotent-replay", "payment not already processed, charging now"),
    ("timeout.read", "java.net.SocketTimeoutException: connect timed out"),
    ("timeout.read", "read-timeout: 2s"),
    ("timeout.connect", "connect-timeout set to 500 ms"),
    ("timeout.connect", "upstream timed out (110: Connection timed out) while reading response header from upstream"),
    ("gateway.upstream-reset", "recv() failed (104: Connection reset by peer) while reading client request line, client: 10.0.0.1"),
    ("connection.reset", "recv() failed (104: Connection reset by peer) while reading client request line, client: 10.0.0.1"),
    ("timeout.deadline", "Request took 2000ms, timeout is 3000ms"),
    ("timeout.deadline", "System.Threading.Tasks.TaskCanceledException: A task was canceled."),
    ("circuit-breaker.opened", "CircuitBreaker 'payment' changed state from CLOSED to HALF_OPEN"),
    ("circuit-breaker.opened", "CircuitBreaker 'payment' changed state from OPEN to CLOSED"),
    ("circuit-breaker.rejected", "RateLimiter 'payment' does not permit further calls"),
    ("bulkhead.rejected", "Bulkhead 'payment' permits 25 calls"),
    ("unique-violation", "duplicate key in configuration file, last one wins"),
    ("jvm.out-of-memory", "OOM command not allowed when used memory > 'maxmemory'."),
    ("jvm.out-of-memory", "System.OutOfMemoryException: Insufficient memory"),
    ("jvm.out-of-memory", "There is insufficient memory on node worker-1 to schedule the pod"),
    ("jvm.out-of-memory", "catch (IOException | java.lang.OutOfMemoryError e)"),
    ("jvm.out-of-memory", "-XX:+HeapDumpOnOutOfMemoryError -XX:OnOutOfMemoryError=/bin/kill"),
    ("jvm.out-of-memory", "throws java.lang.OutOfMemoryError: if the array cannot be allocated"),
    ("jvm.out-of-memory", "at com.acme.OutOfMemoryErrorTest.handlesHeapSpace(OutOfMemoryErrorTest.java:12)"),
    ("cache.evict-failed", "Cache 'prices' evicted entry with key 'sku-1'"),
    ("cache.get-failed", "Cache 'prices' failed to evict entry with key 'sku-1'"),
    ("redis.memory-full", "java.lang.OutOfMemoryError: Java heap space"),
    ("pool.timeout", "HikariPool-1 - Pool stats (total=10, active=10, idle=0, waiting=0)"),
    (
        "pool.timeout",
        "com.alibaba.druid.pool.GetConnectionTimeoutException: wait millis 60000, active 0, maxActive 20, creating 0, createErrorCount 240",
    ),
    ("db.connections-refused", "pool warns: Too many connections are idle"),
    ("gateway.upstream-timeout", "upstream response is buffered to a temporary file"),
    ("app.started", "Started polling in 5 ms"),
    ("connection.reset", "resetting the connection counter"),
    ("pool.waiting", "HikariPool-1 - Pool stats (total=10, active=10, idle=0, waiting=0)"),
    ("pool.timeout", "HikariPool-1 - Connection is not available, request timed out after 3000ms (total=0, active=0, idle=0, waiting=12)"),
    (
        "executor.full",
        "rejected from java.util.concurrent.ThreadPoolExecutor@1[Shutting down, pool size = 1, active threads = 1, queued tasks = 0, completed tasks = 9]",
    ),
    ("db.lock-wait", "process 31694 acquired ShareLock on transaction 741 after 1000.123 ms"),
];

fn specs<'a>(rules: &'a RuleSet, signal: &str) -> Vec<&'a SignalSpec> {
    rules.signals.iter().filter(|spec| spec.signal == signal).collect()
}

#[test]
fn lines_carry_their_signal() {
    let rules = load::built_in().unwrap();
    let mut wrong = Vec::new();
    for (signal, name, value, text) in CARRY {
        let said: Vec<_> = specs(&rules, signal).into_iter().filter_map(|spec| spec.find(text)).collect();
        let fits =
            said.iter().any(|said| said.name == *name && (said.value == value.unwrap_or(f64::NAN) || (value.is_none() && said.value.is_nan())));
        if !fits {
            wrong.push(format!("{signal}: {said:?} in {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn near_misses_do_not() {
    let rules = load::built_in().unwrap();
    let wrong: Vec<_> = NEAR.iter().filter(|(signal, text)| specs(&rules, signal).into_iter().any(|spec| spec.find(text).is_some())).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_signal_has_a_sample() {
    let rules = load::built_in().unwrap();
    let sampled: BTreeSet<&str> = CARRY.iter().map(|(signal, ..)| *signal).collect();
    let mine = ["retry", "timeouts", "resilience4j", "spring", "jvm", "http-clients", "redis", "database", "gateway", "executors", "jobs"]
        .map(|file| format!("signals/{file}.yaml"));
    let without: BTreeSet<&str> = rules
        .signals
        .iter()
        .filter(|spec| mine.contains(&spec.origin))
        .map(|spec| spec.signal.as_str())
        .filter(|signal| !sampled.contains(signal))
        .collect();
    assert!(without.is_empty(), "{without:?}");
}
