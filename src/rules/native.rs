//! The detectors written in Rust: one file each in `native/`, a `mod` line and a line in the list.

mod broken_trace_context;
mod clock_skew;
mod config_drift;
mod connection_leak;
mod connection_pool_exhaustion;
mod database_pools;
mod deadlock;
mod drift;
mod duplicate_job_execution;
mod duplicate_payment;
mod duplicate_payment_prevented;
mod evidence_unreadable;
mod failures;
mod gateway_header_loss;
mod gateway_limits;
mod gateway_rejection;
mod gateway_requests;
mod gateway_timeout_inversion;
mod gateway_upstream_reset;
mod gc_pressure;
mod instance_specific_5xx;
mod intermittent_5xx;
mod job_overlap;
mod jwt_clock_skew;
mod lock_contention;
mod long_transaction;
mod memory_leak_trend;
mod n_plus_one;
mod retries_observed;
mod retry_storm;
mod risky_config;
mod shallow_health_check;
mod slow_downstream;
mod slow_in_production;
mod stale_cache_read;
mod symptoms;
mod thread_leak;
mod thread_pool_exhaustion;
mod uncorrelated_logs;
mod unlogged_5xx;

use crate::rules::Detector;

/// All of them.
pub const DETECTORS: &[Detector] = &[
    broken_trace_context::DETECTOR,
    clock_skew::DETECTOR,
    config_drift::CONFIG,
    config_drift::ENVIRONMENT,
    connection_leak::DETECTOR,
    connection_pool_exhaustion::DETECTOR,
    deadlock::DETECTOR,
    duplicate_job_execution::DETECTOR,
    duplicate_payment::DETECTOR,
    duplicate_payment_prevented::DETECTOR,
    evidence_unreadable::DETECTOR,
    gateway_header_loss::DETECTOR,
    gateway_rejection::DETECTOR,
    gateway_timeout_inversion::DETECTOR,
    gateway_upstream_reset::DETECTOR,
    gc_pressure::DETECTOR,
    instance_specific_5xx::DETECTOR,
    intermittent_5xx::DETECTOR,
    job_overlap::DETECTOR,
    jwt_clock_skew::DETECTOR,
    lock_contention::DETECTOR,
    long_transaction::DETECTOR,
    memory_leak_trend::DETECTOR,
    n_plus_one::QUERIES,
    n_plus_one::CALLS,
    retries_observed::DETECTOR,
    retry_storm::DETECTOR,
    risky_config::DETECTOR,
    shallow_health_check::DETECTOR,
    slow_downstream::DETECTOR,
    slow_in_production::DETECTOR,
    stale_cache_read::DETECTOR,
    thread_leak::DETECTOR,
    thread_pool_exhaustion::DETECTOR,
    uncorrelated_logs::DETECTOR,
    unlogged_5xx::DETECTOR,
];
