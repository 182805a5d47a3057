//! Neither the order of files nor a clock that is 90 s off changes a verdict.
//!
//! Numbers may change: what two hosts say of each other is then told in times that do not fit.

use super::{Copy, base, shift, unchanged, verdict};
use crate::samples::Sample;
use std::collections::{BTreeMap, BTreeSet};

/// By so much is a clock off, in both directions.
const SECONDS: i64 = 90;

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
    unchanged(shuffle, verdict);
}

#[test]
fn a_clock_that_is_off_changes_no_verdict() {
    let shifted = |sample: &Sample, copy: &Copy| {
        let hosts = hosts(sample);
        let off =
            |(host, service): (&String, &Option<String>), seconds| (format!("{host} {seconds:+} s"), off(copy, host, service.as_deref(), seconds));
        let moved = hosts.iter().flat_map(|host| [off(host, SECONDS), off(host, -SECONDS)]);
        // A folder of spans that many services have sent is no host.
        moved.filter(|(_, changed)| changed != copy).collect()
    };
    unchanged(shifted, verdict);
}

/// What was written on one host: the files of one folder, or a file that stands alone; with the service that ran there.
fn hosts(sample: &Sample) -> BTreeMap<String, Option<String>> {
    let mut services: BTreeMap<String, BTreeSet<&String>> = BTreeMap::new();
    for file in sample.report.coverage.files.iter().filter(|file| file.records > 0) {
        services.entry(host(&file.path).to_owned()).or_default().extend(&file.service);
    }
    let only = |names: BTreeSet<&String>| if names.len() == 1 { names.first().map(|name| (*name).clone()) } else { None };
    services.into_iter().map(|(host, names)| (host, only(names))).collect()
}

fn host(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(folder, _)| folder)
}

/// A bundle in which the clock of one host is off: in its own files, and in the spans that its service has sent elsewhere.
fn off(copy: &Copy, whose: &str, service: Option<&str>, seconds: i64) -> Copy {
    let moved = |(path, bytes): (&String, &Vec<u8>)| {
        let text = std::str::from_utf8(bytes).ok();
        if host(path) == whose && !base(path).starts_with("otlp") {
            let name = shift::text(base(path), seconds);
            let path = path.strip_suffix(base(path)).map_or(name.clone(), |folder| format!("{folder}{name}"));
            return (path, text.map_or_else(|| bytes.clone(), |text| shift::text(text, seconds).into_bytes()));
        }
        let spans = service.and_then(|service| match text {
            Some(text) if text.starts_with("{\"resource") => Some(shift::otlp_lines(text, service, seconds).into_bytes()),
            None => shift::otlp_spans(bytes, service, seconds),
            Some(_) => None,
        });
        (path.clone(), spans.unwrap_or_else(|| bytes.clone()))
    };
    Copy(copy.0.iter().map(moved).collect())
}
