//! Neither the order of files nor a clock that is 90 s off changes a verdict.
//!
//! Numbers may change: what two hosts say of each other is then told in times that do not fit.

use super::{Copy, base, folder, shift, unchanged, verdict};
use crate::samples::{Report, Sample};
use std::collections::{BTreeMap, BTreeSet};

/// By so much is a clock off, in both directions.
const SECONDS: i64 = 90;
/// Where the context of traces is broken, where two schedulers fire, and where a platform tells of replicas and a gateway of
/// requests, nothing but time joins the two sides, and nothing tells how far their clocks are apart: what rests on this needs
/// clocks that agree. Everything else that is said of such a sample stays.
const JOINED_BY_TIME: [&str; 3] = ["broken-trace-context", "duplicate-job-execution", "autoscaling-ineffective"];

#[test]
fn the_order_of_files_changes_no_verdict() {
    let shuffle = |_: &Sample, copy: &Copy| {
        // The folders around a file say whose it is and stay; what is above them decides the order.
        let many = copy.0.len();
        let order = |step: usize| {
            let moved = copy.0.iter().enumerate().map(|(at, (path, bytes))| (format!("{:03}/{path}", (at * step + many / 2) % many), bytes.clone()));
            Copy(moved.collect())
        };
        vec![("in the opposite order".to_owned(), order(many - 1)), ("mixed".to_owned(), order(7))]
    };
    unchanged(shuffle, |_, report| verdict(report));
}

#[test]
fn a_clock_that_is_off_changes_no_verdict() {
    let shifted = |sample: &Sample, copy: &Copy| {
        let off = |host: &Host, seconds| (format!("{} {seconds:+} s", host.name), off(copy, host, seconds));
        let moved = hosts(sample, copy).iter().flat_map(|host| [off(host, SECONDS), off(host, -SECONDS)]).collect::<Vec<_>>();
        // What tells no times has no clock.
        moved.into_iter().filter(|(_, changed)| changed != copy).collect()
    };
    let kept = |sample: &Sample, report: &Report| {
        let joined: Vec<&str> =
            sample.expectation.findings.iter().map(|expected| expected.rule.as_str()).filter(|rule| JOINED_BY_TIME.contains(rule)).collect();
        let rests_on_time = |line: &String| joined.iter().any(|rule| line.starts_with(rule)) || !joined.is_empty() && line.starts_with("root cause");
        verdict(report).into_iter().filter(|line| !rests_on_time(line)).collect()
    };
    unchanged(shifted, kept);
}

/// What is written by one clock.
struct Host {
    name: String,
    /// What ran there, if it is named; its spans may lie among those of others.
    service: Option<String>,
    files: BTreeSet<String>,
}

/// The hosts of a sample: each service with all that it wrote, or each of its instances if these have folders of their own;
/// besides, each folder of files that name no service. A file may be named after the instance only: `orders-0`.
fn hosts(sample: &Sample, copy: &Copy) -> Vec<Host> {
    let mut services: BTreeMap<Option<&str>, BTreeMap<&str, BTreeSet<String>>> = BTreeMap::new();
    for file in sample.report.coverage.files.iter().filter(|file| file.records > 0) {
        if copy.0.get(&file.path).is_some_and(|bytes| !shift::is_shared(bytes)) {
            services.entry(file.service.as_deref().map(unnumbered)).or_default().entry(folder(&file.path)).or_default().insert(file.path.clone());
        }
    }
    let mut hosts = Vec::new();
    for (service, folders) in services {
        let kinds: BTreeSet<&str> = folders.keys().map(|folder| unnumbered(folder)).collect();
        // Of a single instance some files may lie in a folder of its name and some in one of the service's.
        let numbered = folders.keys().filter(|folder| unnumbered(folder) != **folder).count();
        let host = |name: &str, files| Host { name: name.to_owned(), service: service.map(str::to_owned), files };
        match service {
            Some(service) if folders.len() == 1 || kinds.len() > 1 || numbered <= 1 => {
                hosts.push(host(service, folders.into_values().flatten().collect()))
            }
            _ => hosts.extend(folders.into_iter().map(|(folder, files)| host(folder, files))),
        }
    }
    hosts
}

/// A name without the number of the instance.
fn unnumbered(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('-')
}

/// A bundle in which the clock of one host is off: in its own files, and in the spans that its service has sent elsewhere.
fn off(copy: &Copy, host: &Host, seconds: i64) -> Copy {
    let moved = |(path, bytes): (&String, &Vec<u8>)| {
        if host.files.contains(path) {
            let name = shift::text(base(path), seconds);
            let path = path.strip_suffix(base(path)).map_or(name.clone(), |folder| format!("{folder}{name}"));
            let moved = std::str::from_utf8(bytes).map_or_else(|_| bytes.clone(), |text| shift::text(text, seconds).into_bytes());
            return (path, moved);
        }
        let spans = host.service.as_ref().filter(|_| shift::is_shared(bytes)).and_then(|service| shift::otlp(bytes, service, seconds));
        (path.clone(), spans.unwrap_or_else(|| bytes.clone()))
    };
    Copy(copy.0.iter().map(moved).collect())
}
