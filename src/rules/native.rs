//! The detectors written in Rust: one file each in `native/`, a `mod` line and a line in the list.

mod autoscaling_ineffective;
mod broken_trace_context;
mod cache_stampede;
mod cached;
mod cascading_failure;
mod circuit_breaker_flapping;
mod classloader_leak;
mod clock_skew;
mod cold_start_latency;
mod config_drift;
mod connection_held_during_remote_call;
mod connection_leak;
mod connection_pool_exhaustion;
mod cpu_throttling;
mod database_pools;
mod deadlock;
mod drift;
mod duplicate_job_execution;
mod duplicate_payment;
mod duplicate_payment_prevented;
mod evidence_gap;
mod evidence_unreadable;
mod failures;
mod gateway_header_loss;
mod gateway_limits;
mod gateway_rejection;
mod gateway_requests;
mod gateway_timeout_inversion;
mod gateway_upstream_reset;
mod gc_pressure;
mod hpa_flapping;
mod ineffective_circuit_breaker;
mod instance_specific_5xx;
mod intermittent_5xx;
mod job_overlap;
mod jwt_clock_skew;
mod kafka_consumer_stalled;
mod kafka_course;
mod kafka_groups;
mod kafka_lag_growth;
mod kafka_lag_high;
mod kafka_partition_skew;
mod kafka_poison_message;
mod kafka_rebalance_storm;
mod load_imbalance;
mod lock_contention;
mod long_transaction;
mod memory_leak_trend;
mod missing_timeout;
mod n_plus_one;
mod native_memory_growth;
mod orphaned_work;
mod pods_not_ready;
mod pool_self_starvation;
mod probe_flapping;
mod probe_too_aggressive;
mod resource_leak;
mod retries_observed;
mod retry_storm;
mod risky_config;
mod shallow_health_check;
mod slow_downstream;
mod slow_in_production;
mod stale_cache_read;
mod stale_connection_reset;
mod symptoms;
mod thread_leak;
mod thread_pool_exhaustion;
mod timeout_inversion;
mod timeouts;
mod uncorrelated_logs;
mod unhealthy_component_masked;
mod unlogged_5xx;
mod virtual_thread_pinning;

use crate::rules::Detector;

/// All of them.
pub const DETECTORS: &[Detector] = &[
    autoscaling_ineffective::DETECTOR,
    broken_trace_context::DETECTOR,
    cache_stampede::DETECTOR,
    cascading_failure::DETECTOR,
    circuit_breaker_flapping::DETECTOR,
    classloader_leak::DETECTOR,
    clock_skew::DETECTOR,
    cold_start_latency::DETECTOR,
    config_drift::CONFIG,
    config_drift::ENVIRONMENT,
    connection_held_during_remote_call::DETECTOR,
    connection_leak::DETECTOR,
    connection_pool_exhaustion::DETECTOR,
    cpu_throttling::DETECTOR,
    deadlock::DETECTOR,
    duplicate_job_execution::DETECTOR,
    duplicate_payment::DETECTOR,
    duplicate_payment_prevented::DETECTOR,
    evidence_gap::DETECTOR,
    evidence_unreadable::DETECTOR,
    gateway_header_loss::DETECTOR,
    gateway_rejection::DETECTOR,
    gateway_timeout_inversion::DETECTOR,
    gateway_upstream_reset::DETECTOR,
    gc_pressure::DETECTOR,
    hpa_flapping::DETECTOR,
    ineffective_circuit_breaker::DETECTOR,
    instance_specific_5xx::DETECTOR,
    intermittent_5xx::DETECTOR,
    job_overlap::DETECTOR,
    jwt_clock_skew::DETECTOR,
    kafka_consumer_stalled::DETECTOR,
    kafka_lag_growth::DETECTOR,
    kafka_lag_high::DETECTOR,
    kafka_partition_skew::DETECTOR,
    kafka_poison_message::DETECTOR,
    kafka_rebalance_storm::DETECTOR,
    load_imbalance::DETECTOR,
    lock_contention::DETECTOR,
    long_transaction::DETECTOR,
    memory_leak_trend::DETECTOR,
    missing_timeout::DETECTOR,
    n_plus_one::CALLS,
    n_plus_one::QUERIES,
    native_memory_growth::DETECTOR,
    orphaned_work::DETECTOR,
    pods_not_ready::DETECTOR,
    pool_self_starvation::DETECTOR,
    probe_flapping::DETECTOR,
    probe_too_aggressive::DETECTOR,
    resource_leak::DETECTOR,
    retries_observed::DETECTOR,
    retry_storm::DETECTOR,
    risky_config::DETECTOR,
    shallow_health_check::DETECTOR,
    slow_downstream::DETECTOR,
    slow_in_production::DETECTOR,
    stale_cache_read::DETECTOR,
    stale_connection_reset::DETECTOR,
    thread_leak::DETECTOR,
    thread_pool_exhaustion::DETECTOR,
    timeout_inversion::DETECTOR,
    uncorrelated_logs::DETECTOR,
    unhealthy_component_masked::DETECTOR,
    unlogged_5xx::DETECTOR,
    virtual_thread_pinning::DETECTOR,
];
