//! Incidents are told apart: two faults that have nothing to do with each other are two stories, each with its own root; one
//! cause with its symptoms is one; and a system without a fault has neither a story nor a suspect nor a difference.

use crate::program::{self, at, items, report, samples, shared, text};
use crate::scenarios_9_to_15;
use rayon::prelude::*;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A suspicion that a healthy bundle may still raise: some service must be the one that changed most.
const CALM: f64 = 0.3;

/// Rule and service of every root, the stories in their order.
fn stories(report: &Value) -> Vec<(String, String)> {
    let rule = |id: &str| items(report, "/findings").iter().find(|finding| text(finding, "/id") == id).map_or("", |finding| text(finding, "/rule"));
    items(report, "/stories").iter().map(|story| (rule(text(story, "/root")).to_owned(), text(story, "/service").to_owned())).collect()
}

fn bundle(name: &str) -> Value {
    report(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundles/stories").join(name))
}

#[test]
fn two_faults_behind_one_gateway_are_two_stories() {
    let report = bundle("two-faults-behind-one-edge");
    let mut told = stories(&report);
    told.sort();
    assert_eq!(told, [("connection-leak".to_owned(), "search".to_owned()), ("slow-downstream".to_owned(), "api.cardhub.example".to_owned())]);
    for story in items(&report, "/stories") {
        let of_other = if text(story, "/service") == "search" { "cardhub" } else { "search" };
        let findings = items(story, "/findings").iter().filter_map(Value::as_str);
        let named = findings.flat_map(|id| items(&report, "/findings").iter().filter(move |finding| text(finding, "/id") == id));
        for finding in named {
            assert!(!text(finding, "/subject/service").contains(of_other), "{} is not of this story", text(finding, "/id"));
        }
    }
}

#[test]
fn one_slow_bank_and_what_follows_is_one_story() {
    let report = bundle("one-slow-bank");
    assert_eq!(stories(&report), [("slow-downstream".to_owned(), "api.cardhub.example".to_owned())]);
    assert!(items(&report, "/stories/0/findings").len() > 1, "with its symptoms");
}

/// Two bundles read as one: services, times and formats have nothing in common.
#[test]
fn two_samples_at_once_keep_their_roots() {
    for (one, other) in [("exhausted-pool", "twice-run-job"), ("starved-threads", "leaking-catalog"), ("random-500s", "twice-run-job")] {
        let roots = |names: &[&str]| {
            let paths: Vec<PathBuf> = names.iter().map(|name| program::sample(name)).collect();
            let out = program::run(program::analyze().args(paths).args(["--json", "-"])).expect(0);
            let mut told = stories(&out.json());
            told.sort();
            told
        };
        let mut apart = [roots(&[one]), roots(&[other])].concat();
        apart.sort();
        assert_eq!(roots(&[one, other]), apart, "{one} and {other}");
    }
}

/// Samples and bundles that expect nothing, and captures in which nothing may be found.
fn healthy() -> Vec<PathBuf> {
    let expects_nothing = |path: &PathBuf| {
        let expected = fs::read_to_string(path.join("expect.yaml")).unwrap_or_default();
        expected.lines().any(|line| line.trim() == "findings: []") && !expected.lines().any(|line| line.starts_with("allowed:"))
    };
    let small = program::bundles_in("tests/bundles/1-8");
    let mut all: Vec<PathBuf> = samples().into_iter().chain(small).filter(expects_nothing).chain(scenarios_9_to_15::healthy()).collect();
    if let Some(captures) = shared("captures") {
        for entry in fs::read_dir(captures).into_iter().flatten().flatten() {
            let Some(name) = entry.file_name().to_str().and_then(|name| name.strip_suffix(".truth.json")).map(str::to_owned) else { continue };
            let truth: Value = serde_json::from_str(&fs::read_to_string(entry.path()).unwrap_or_default()).unwrap_or_default();
            if items(&truth, "/forbidden").iter().any(|rule| rule == "*") {
                all.push(entry.path().with_file_name(name));
            }
        }
    }
    all
}

#[test]
fn a_healthy_system_has_neither_story_nor_suspect() {
    let all = healthy();
    assert!(all.len() >= 10, "{all:?}");
    let faults = |path: &PathBuf| {
        let (name, report) = (path.display(), report(path));
        let mut faults: Vec<String> = items(&report, "/stories").iter().map(|story| format!("{name}: a story of {}", text(story, "/root"))).collect();
        let suspects = items(&report, "/suspects").iter().filter(|suspect| at(suspect, "/score").as_f64().is_none_or(|score| score > CALM));
        faults.extend(suspects.map(|suspect| format!("{name}: suspects {} {}", text(suspect, "/service"), at(suspect, "/because"))));
        faults.extend(items(&report, "/differences").iter().map(|difference| format!("{name}: {}", text(difference, "/summary"))));
        faults
    };
    crate::samples::report(&all.par_iter().flat_map_iter(faults).collect::<Vec<_>>());
}
