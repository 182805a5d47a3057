//! The detectors written in Rust: one file each in `native/`, a `mod` line and a line in the list.

mod broken_trace_context;
mod cache_stampede;
mod cached;
mod classloader_leak;
mod clock_skew;
mod connection_leak;
mod connection_pool_exhaustion;
mod database_pools;
mod deadlock;
mod duplicate_job_execution;
mod duplicate_payment;
mod duplicate_payment_prevented;
mod evidence_gap;
mod evidence_unreadable;
mod failures;
mod gateway_rejection;
mod gateway_timeout_inversion;
mod gc_pressure;
mod instance_specific_5xx;
mod intermittent_5xx;
mod job_overlap;
mod lock_contention;
mod long_transaction;
mod memory_leak_trend;
mod n_plus_one;
mod native_memory_growth;
mod pool_self_starvation;
mod resource_leak;
mod retries_observed;
mod retry_storm;
mod shallow_health_check;
mod slow_downstream;
mod slow_in_production;
mod stale_cache_read;
mod thread_leak;
mod thread_pool_exhaustion;
mod uncorrelated_logs;
mod unlogged_5xx;
mod virtual_thread_pinning;

use crate::rules::Detector;

/// All of them.
pub const DETECTORS: &[Detector] = &[
    broken_trace_context::DETECTOR,
    cache_stampede::DETECTOR,
    classloader_leak::DETECTOR,
    clock_skew::DETECTOR,
    connection_leak::DETECTOR,
    connection_pool_exhaustion::DETECTOR,
    deadlock::DETECTOR,
    duplicate_job_execution::DETECTOR,
    duplicate_payment::DETECTOR,
    duplicate_payment_prevented::DETECTOR,
    evidence_gap::DETECTOR,
    evidence_unreadable::DETECTOR,
    gateway_rejection::DETECTOR,
    gateway_timeout_inversion::DETECTOR,
    gc_pressure::DETECTOR,
    instance_specific_5xx::DETECTOR,
    intermittent_5xx::DETECTOR,
    job_overlap::DETECTOR,
    lock_contention::DETECTOR,
    long_transaction::DETECTOR,
    memory_leak_trend::DETECTOR,
    n_plus_one::QUERIES,
    n_plus_one::CALLS,
    native_memory_growth::DETECTOR,
    pool_self_starvation::DETECTOR,
    resource_leak::DETECTOR,
    retries_observed::DETECTOR,
    retry_storm::DETECTOR,
    shallow_health_check::DETECTOR,
    slow_downstream::DETECTOR,
    slow_in_production::DETECTOR,
    stale_cache_read::DETECTOR,
    thread_leak::DETECTOR,
    thread_pool_exhaustion::DETECTOR,
    uncorrelated_logs::DETECTOR,
    unlogged_5xx::DETECTOR,
    virtual_thread_pinning::DETECTOR,
];
