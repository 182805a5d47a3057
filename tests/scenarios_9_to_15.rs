//! Small bundles of scenarios 9 to 15 in many dresses: each fault by one kind of evidence alone, in another layout and of other
//! services, and beside it what only looks like it.
//!
//! `tests/bundles/9-15/NAME` is what the program is given; the table says what it must say, and that it says nothing else of weight.
//! Dumps and logs of breakers were taken from programs that ran; the rest is written in the layout of the field.

use crate::program::{files, report};
use crate::samples::samples;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A bundle, the rules that must find something with the service they must name (any if empty), the rules that may as well, and
/// those whose fault it looks like and does not have.
struct Row(&'static str, &'static [(&'static str, &'static str)], &'static [&'static str], &'static [&'static str]);

const BREAKER: &str = "ineffective-circuit-breaker";
const CLASSES: &str = "classloader-leak";
const CONTEXT: &str = "broken-trace-context";
const DEADLOCK: &str = "deadlock";
const HEALTH: &str = "shallow-health-check";
const INVERSION: &str = "timeout-inversion";
const LATE: &str = "gateway-timeout-inversion";
const LEAK: &str = "memory-leak-trend";
const LOCK: &str = "lock-contention";
const LOGS: &str = "uncorrelated-logs";
const MEMORY: &str = "out-of-memory";
const POOL: &str = "thread-pool-exhaustion";
const PRESSURE: &str = "gc-pressure";
const REJECTION: &str = "gateway-rejection";
const STALE: &str = "stale-cache-read";
const STAMPEDE: &str = "cache-stampede";
const THREADS: &str = "thread-leak";

/// The headline rules of scenarios 9 to 15.
const HEADLINES: &[&str] =
    &[HEALTH, STALE, STAMPEDE, LOGS, CONTEXT, LEAK, CLASSES, THREADS, PRESSURE, MEMORY, REJECTION, LATE, POOL, DEADLOCK, LOCK, BREAKER, INVERSION];
/// Bundles of each kind that a headline rule is tried on at least.
const LEAST: usize = 3;

const ROWS: &[Row] = &[
    Row("breaker-go-helps", &[], &[], &[BREAKER]),
    Row("breaker-go-retried", &[(BREAKER, "cart")], &[], &[]),
    Row("breaker-ignored-status", &[(BREAKER, "itinerary")], &[], &[]),
    Row("breaker-ignores-not-found", &[], &[], &[BREAKER]),
    Row("breaker-metrics-alone", &[(BREAKER, "itinerary"), (POOL, "itinerary")], &["slow-downstream"], &[]),
    // What the breaker lets through to try fails, and its users see it.
    Row("breaker-that-protects", &[], &["intermittent-5xx"], &[BREAKER]),
    Row("classes-generated-metrics", &[(CLASSES, "pricing-rules")], &[], &[]),
    Row("classes-histograms-of-redeploys", &[(CLASSES, "intranet")], &[], &[]),
    Row("classes-of-a-start", &[], &[], &[CLASSES]),
    Row("classes-of-two-applications", &[], &[], &[CLASSES]),
    Row("classes-tomcat-tells", &[(CLASSES, "extranet-tomcat")], &["out-of-memory", "intermittent-5xx"], &[]),
    Row("classes-weakly-held", &[], &[], &[CLASSES]),
    Row("context-cut-recording", &[], &[], &[CONTEXT]),
    Row("context-jaeger-grpc", &[(CONTEXT, "grid")], &[], &[]),
    Row("context-linked-consumers", &[], &[], &[CONTEXT]),
    Row("context-zipkin-regenerated", &[(CONTEXT, "berths")], &[], &[]),
    Row("deadlock-finalizer-waits", &[], &[], &[DEADLOCK]),
    Row("deadlock-in-stdout", &[(DEADLOCK, "bank")], &[POOL], &[]),
    Row("deadlock-javacore", &[(DEADLOCK, "rates")], &[POOL], &[]),
    Row("deadlock-of-a-database", &[], &[], &[DEADLOCK]),
    Row("gateway-header-forgotten-by-some", &[], &[], &["gateway-header-loss"]),
    Row("gateway-header-lost-silently", &[("gateway-header-loss", "ingress")], &[], &[]),
    Row("gateway-none-and-a-header-missing", &[], &[], &[REJECTION]),
    Row("gateway-scanner", &[], &[], &[REJECTION]),
    Row("gateway-six-of-six", &[(REJECTION, "gw")], &[], &[]),
    Row("gateway-traefik-refuses", &[(REJECTION, "traefik")], &[], &[]),
    Row("gateway-traefik-well", &[], &[], &[REJECTION]),
    Row("gateway-upstream-said-no", &[], &[], &[REJECTION]),
    Row("gc-asked-for", &[], &[], &[PRESSURE, LEAK]),
    Row("gc-concurrent-all-the-time", &[], &[], &[PRESSURE]),
    Row("gc-jdk8-nothing-left", &[(PRESSURE, "ledger-import")], &[LEAK], &[]),
    Row("gc-one-long-pause-at-the-start", &[], &[], &[PRESSURE]),
    Row("gc-pauses-counted", &[(PRESSURE, "matcher")], &[], &[]),
    Row("gc-serial-full-after-full", &[(PRESSURE, "tiles")], &[LEAK], &[]),
    Row("health-client-errors-in-text", &[], &[], &[HEALTH]),
    Row("health-honest-in-text", &[], &["intermittent-5xx"], &[HEALTH]),
    Row("health-mesh-sees-it", &[(HEALTH, "parcels")], &["intermittent-5xx"], &[]),
    Row("health-mesh-short-blip", &[], &[], &[HEALTH]),
    Row("health-thirty-bad-requests", &[(HEALTH, "tickets")], &["intermittent-5xx"], &[]),
    Row("health-two-weeks", &[(HEALTH, "quoting")], &["intermittent-5xx"], &[]),
    Row("health-two-weeks-well", &[], &[], &[HEALTH]),
    Row("heap-cache-is-full", &[], &[], &[LEAK]),
    Row("heap-five-collections-in-a-warm-up", &[], &[], &[LEAK]),
    Row("heap-jdk8-floors", &[(LEAK, "statements-batch")], &[], &[]),
    Row("heap-live-data-metrics", &[(LEAK, "enricher")], &[], &[]),
    Row("heap-oom-killed", &[(MEMORY, "basket")], &[], &[]),
    Row("heap-oom-killed-pod", &[(MEMORY, "basket")], &[], &[]),
    Row("heap-start-of-a-minute", &[], &[], &[LEAK]),
    Row("inversion-callee-gives-up-first", &[], &[], &[INVERSION]),
    Row(
        "inversion-jaeger-and-settings",
        &[(INVERSION, "voucher")],
        &["slow-downstream", "cascading-failure", "intermittent-5xx", "orphaned-work", "retry-storm"],
        &[],
    ),
    Row(
        "inversion-otlp-ladder",
        &[(INVERSION, "basket")],
        &["slow-downstream", "cascading-failure", "intermittent-5xx", "orphaned-work", "retry-storm"],
        &[],
    ),
    Row("inversion-users-leave", &[], &[], &[INVERSION]),
    Row("inversion-work-after-202", &[], &[], &[INVERSION]),
    Row(
        "inversion-zipkin-shared",
        &[(INVERSION, "profile-web")],
        &["slow-downstream", "cascading-failure", "intermittent-5xx", "orphaned-work", "retry-storm"],
        &[],
    ),
    Row("jwt-not-yet", &[("jwt-clock-skew", "vault")], &[], &[]),
    Row("jwt-really-expired", &[], &[], &["jwt-clock-skew"]),
    Row("lock-appender-on-slow-disk", &[(LOCK, "transfers")], &[POOL], &[]),
    Row("lock-behind-a-writer", &[(LOCK, "rates")], &[POOL], &[DEADLOCK]),
    Row("lock-for-a-moment", &[], &[], &[LOCK]),
    Row("lock-javacore", &[(LOCK, "rates"), (POOL, "rates")], &[], &[]),
    Row("lock-socket-readers", &[], &[], &[LOCK]),
    Row("logs-async-loss", &[(LOGS, "quotes")], &[], &[]),
    Row("logs-blank-ids", &[(LOGS, "stock")], &[], &[]),
    Row("logs-full-ids", &[], &[], &[LOGS]),
    Row("logs-one-trace-in-ten", &[], &[], &[LOGS, CONTEXT]),
    Row("logs-schedulers-without-ids", &[], &[], &[LOGS]),
    Row("oom-killed-by-hand", &[], &[], &[MEMORY]),
    Row("oom-native-threads", &[(MEMORY, "notifier")], &["intermittent-5xx", THREADS], &[]),
    Row("oom-of-redis", &[], &[], &[MEMORY]),
    Row("oom-only-in-settings", &[], &[], &[MEMORY]),
    Row("pool-dumps-alone", &[(POOL, "")], &["slow-downstream"], &[]),
    Row("pool-metrics-alone", &[(POOL, "render")], &[], &[]),
    Row("pool-metrics-burst", &[], &[], &[POOL]),
    Row("pool-rejections-alone", &[(POOL, "mailer")], &[], &[]),
    Row("pool-rejections-at-shutdown", &[], &[], &[POOL]),
    Row("pool-stuck-valve", &[(POOL, "tomcat-shop")], &[], &[]),
    Row("pool-tasks-that-never-end", &[], &[], &[POOL]),
    Row("pool-workers-busy-batch", &[], &[], &[POOL, LOCK]),
    Row("pool-workers-hang", &[(POOL, "settlement")], &["missing-timeout"], &[]),
    Row("stale-dotnet-rates", &[(STALE, "ratecards")], &[], &[]),
    Row("stale-dropped-each-time", &[], &[], &[STALE]),
    Row("stale-rolled-back", &[], &[], &[STALE]),
    Row("stale-spring-evict-failed", &[(STALE, "members")], &["cache-invalidation-failure"], &[]),
    Row("stale-two-tenants", &[], &[], &[STALE]),
    Row("stampede-bunyan", &[(STAMPEDE, "recipes")], &[], &[]),
    Row("stampede-new-keys", &[], &[], &[STAMPEDE]),
    Row("stampede-one-load", &[], &[], &[STAMPEDE]),
    Row("stampede-otlp-memcached", &[(STAMPEDE, "start-page")], &[], &[]),
    Row("stampede-report-without-cache", &[], &[], &[STAMPEDE]),
    Row("stampede-text", &[(STAMPEDE, "front")], &[], &[]),
    Row("threads-an-executor-each-time", &[(THREADS, "reports")], &[], &[]),
    Row("threads-come-and-go", &[], &[], &[THREADS]),
    Row("threads-gauge-over-a-night", &[(THREADS, "photo-sync")], &[], &[]),
    Row("threads-json-a-client-each-time", &[(THREADS, "crawler")], &[], &[]),
    Row("threads-pool-grows-to-its-size", &[], &[], &[THREADS, POOL]),
    Row("threads-virtual-ones-come", &[], &[], &[THREADS]),
    Row("timeout-envoy-late", &[(LATE, "ingressgateway")], &[], &[]),
    Row("timeout-haproxy-app-fails", &[], &[], &[LATE]),
    Row("timeout-haproxy-late", &[(LATE, "haproxy")], &[], &[]),
    Row("timeout-kong-app-gives-up", &[], &["intermittent-5xx", "slow-downstream"], &[LATE]),
    Row("timeout-nginx-late", &[(LATE, "edge-nginx")], &["intermittent-5xx", "slow-downstream", "retry-storm"], &[]),
    Row("timeout-nginx-users-leave", &[], &[], &[LATE]),
];

fn bundles() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundles/9-15")
}

/// Bundles that have no fault, nor anything like one.
pub fn healthy() -> Vec<PathBuf> {
    ROWS.iter().filter(|Row(_, must, may, _)| must.is_empty() && may.is_empty()).map(|Row(name, ..)| bundles().join(name)).collect()
}

/// Rule, severity and the services named, of each finding of weight.
fn heavy(bundle: &Path) -> Vec<(String, Vec<String>)> {
    let report = report(bundle);
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let is_heavy = |finding: &&Value| matches!(finding["severity"].as_str(), Some("medium" | "high" | "critical"));
    findings
        .iter()
        .filter(is_heavy)
        .map(|finding| {
            let mut services: Vec<String> = finding["services"].as_array().into_iter().flatten().map(word).collect();
            services.extend([&finding["subject"]["service"], &finding["subject"]["peer"]].map(word));
            (word(&finding["rule"]), services)
        })
        .collect()
}

fn faults(Row(name, expected, allowed, _): &Row, found: &[(String, Vec<String>)]) -> Vec<String> {
    let mut faults = Vec::new();
    for (rule, service) in *expected {
        if !found.iter().any(|(id, services)| id == rule && (service.is_empty() || services.iter().any(|other| other == service))) {
            faults.push(format!("{name}: no {rule} of {service:?} in {found:?}"));
        }
    }
    let may = |id: &str| expected.iter().any(|(rule, _)| *rule == id) || allowed.contains(&id);
    faults.extend(found.iter().filter(|(id, _)| !may(id)).map(|(id, services)| format!("{name}: false alarm {id} of {services:?}")));
    faults
}

#[test]
fn each_dress_of_a_fault_is_known_and_its_twins_are_not() {
    let faults: Vec<String> = ROWS.iter().flat_map(|row| faults(row, &heavy(&bundles().join(row.0)))).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_headline_rule_has_faults_and_look_alikes() {
    let mut few = Vec::new();
    for rule in HEADLINES {
        let has = ROWS.iter().filter(|row| row.1.iter().any(|(id, _)| id == rule)).count();
        let alike = ROWS.iter().filter(|row| row.3.contains(rule)).count();
        let (has, alike) = (
            has + samples().iter().filter(|sample| sample.is_expected(rule)).count(),
            alike + samples().iter().filter(|sample| sample.looks_like(rule)).count(),
        );
        println!("{rule:30}{has:>4} faults{alike:>4} look-alikes");
        if has < LEAST || alike < LEAST {
            few.push(format!("{rule}: {has} bundles with the fault, {alike} without"));
        }
    }
    assert!(few.is_empty(), "\n{}", few.join("\n"));
}

#[test]
fn every_bundle_is_in_the_table() {
    let mut folders: Vec<String> = fs::read_dir(bundles())
        .unwrap_or_else(|error| panic!("{error}"))
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    folders.sort();
    assert_eq!(folders, ROWS.iter().map(|row| row.0).collect::<Vec<_>>());
}

/// A bundle often comes with its files packed and dated, and a level deeper than where they lay.
#[test]
fn packing_and_moving_files_hides_nothing() {
    let mut all = Vec::new();
    for row in ROWS.iter().filter(|row| !row.1.is_empty()) {
        let root = bundles().join(row.0);
        let elsewhere = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        for path in files(&root) {
            let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{error}"));
            let inner = path.strip_prefix(&root).unwrap_or(&path);
            let mut target = elsewhere.path().join("incident/evidence").join(inner);
            let is_packed = bytes.starts_with(&[0x1f, 0x8b]);
            if !is_packed {
                target.as_mut_os_string().push(".gz");
            }
            fs::create_dir_all(target.parent().unwrap_or(elsewhere.path())).unwrap_or_else(|error| panic!("{error}"));
            let packed = if is_packed { bytes } else { pack(&bytes) };
            fs::write(target, packed).unwrap_or_else(|error| panic!("{error}"));
        }
        all.extend(faults(row, &heavy(elsewhere.path())));
    }
    assert!(all.is_empty(), "\n{}", all.join("\n"));
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).and_then(|()| packer.finish()).unwrap_or_else(|error| panic!("{error}"))
}
