//! Small bundles of scenarios 9 to 15 in many dresses: each fault by one kind of evidence alone, in another layout and of other
//! services, and beside it what only looks like it.
//!
//! `tests/bundles/9-15/NAME` is what the program is given; the table says what it must say, and that it says nothing else of weight.
//! Dumps and logs of breakers were taken from programs that ran; the rest is written in the layout of the field.

use crate::program::{files, report};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A bundle, the rules that must find something with the service they must name (any if empty), and the rules that may as well.
struct Row(&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

const BREAKER: &str = "ineffective-circuit-breaker";
const HEALTH: &str = "shallow-health-check";
const POOL: &str = "thread-pool-exhaustion";

const ROWS: &[Row] = &[
    Row("breaker-go-helps", &[], &[]),
    Row("breaker-go-retried", &[(BREAKER, "cart")], &[]),
    Row("breaker-ignored-status", &[(BREAKER, "itinerary")], &[]),
    Row("breaker-metrics-alone", &[(BREAKER, "itinerary"), (POOL, "itinerary")], &["slow-downstream"]),
    // What the breaker lets through to try fails, and its users see it.
    Row("breaker-that-protects", &[], &["intermittent-5xx"]),
    Row("deadlock-in-stdout", &[("deadlock", "bank")], &[POOL]),
    Row("deadlock-javacore", &[("deadlock", "rates")], &[POOL]),
    Row("deadlock-of-a-database", &[], &[]),
    Row("gateway-header-forgotten-by-some", &[], &[]),
    Row("gateway-header-lost-silently", &[("gateway-header-loss", "ingress")], &[]),
    Row("gateway-none-and-a-header-missing", &[], &[]),
    Row("gateway-six-of-six", &[("gateway-rejection", "gw")], &[]),
    Row("gateway-traefik-refuses", &[("gateway-rejection", "traefik")], &[]),
    Row("gateway-traefik-well", &[], &[]),
    Row("health-client-errors-in-text", &[], &[]),
    Row("health-honest-in-text", &[], &["intermittent-5xx"]),
    Row("health-mesh-sees-it", &[(HEALTH, "parcels")], &["intermittent-5xx"]),
    Row("health-mesh-short-blip", &[], &[]),
    Row("health-thirty-bad-requests", &[(HEALTH, "tickets")], &["intermittent-5xx"]),
    Row("health-two-weeks", &[(HEALTH, "quoting")], &["intermittent-5xx"]),
    Row("health-two-weeks-well", &[], &[]),
    Row("heap-five-collections-in-a-warm-up", &[], &[]),
    Row("heap-oom-killed", &[("out-of-memory", "basket")], &[]),
    Row("heap-oom-killed-pod", &[("out-of-memory", "basket")], &[]),
    Row("heap-start-of-a-minute", &[], &[]),
    Row("jwt-not-yet", &[("jwt-clock-skew", "vault")], &[]),
    Row("jwt-really-expired", &[], &[]),
    Row("lock-behind-a-writer", &[("lock-contention", "rates")], &[POOL]),
    Row("lock-javacore", &[("lock-contention", "rates"), (POOL, "rates")], &[]),
    Row("logs-blank-ids", &[("uncorrelated-logs", "stock")], &[]),
    Row("logs-full-ids", &[], &[]),
    Row("pool-dumps-alone", &[(POOL, "")], &[]),
    Row("pool-metrics-alone", &[(POOL, "render")], &[]),
    Row("pool-metrics-burst", &[], &[]),
    Row("pool-rejections-alone", &[(POOL, "mailer")], &[]),
    Row("pool-rejections-at-shutdown", &[], &[]),
    Row("pool-stuck-valve", &[(POOL, "tomcat-shop")], &[]),
    Row("pool-tasks-that-never-end", &[], &[]),
    Row("pool-workers-busy-batch", &[], &[]),
    Row("pool-workers-hang", &[(POOL, "settlement")], &["missing-timeout"]),
    Row("stampede-one-load", &[], &[]),
    Row("stampede-text", &[("cache-stampede", "front")], &[]),
    Row("timeout-envoy-late", &[("gateway-timeout-inversion", "ingressgateway")], &[]),
    Row("timeout-haproxy-app-fails", &[], &[]),
    Row("timeout-haproxy-late", &[("gateway-timeout-inversion", "haproxy")], &[]),
];

fn bundles() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundles/9-15")
}

/// Bundles that have no fault, nor anything like one.
pub fn healthy() -> Vec<PathBuf> {
    ROWS.iter().filter(|Row(_, must, may)| must.is_empty() && may.is_empty()).map(|Row(name, ..)| bundles().join(name)).collect()
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

fn faults(Row(name, expected, allowed): &Row, found: &[(String, Vec<String>)]) -> Vec<String> {
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
