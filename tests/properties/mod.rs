//! What changes of a sample's content must change in its findings, and what they must not.
//!
//! Every test runs over all of `samples/` and grows with it. A change is made to a copy in memory, and the built program is
//! run over that.

mod clock;
mod matrix;
mod mutation;
mod noise;
mod shift;
mod twice;

use crate::program::{bytes_of, put};
use crate::samples::{Report, Sample, report, samples};
use analyze::bundle::unpack::{Visitor, visit};
use analyze::bundle::{Content, Limits, Member};
use analyze::model::record::Reason;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The evidence of a sample by path as it is cited: unpacked, and without the notes beside it.
#[derive(Clone, Default, PartialEq)]
struct Copy(BTreeMap<String, Vec<u8>>);

impl Copy {
    fn of(sample: &Sample) -> Self {
        let mut copy = Self::default();
        for place in crate::program::files(&sample.root) {
            let path = place.strip_prefix(&sample.root).unwrap_or(&place).to_string_lossy().replace('\\', "/");
            let bytes = fs::metadata(&place).map_or(0, |data| data.len());
            if path != "README.md" && path != "expect.yaml" {
                visit(&Member { path, place, bytes }, &Limits::default(), &mut copy);
            }
        }
        assert!(!copy.0.is_empty(), "{} has no evidence", sample.name);
        copy
    }

    /// What the program says of it, under the name of the sample.
    fn report(&self, name: &str) -> Report {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let root = folder.path().join(name);
        self.0.iter().for_each(|(path, bytes)| put(&root.join(path), bytes));
        Report::of(&root)
    }
}

impl Visitor for Copy {
    fn file(&mut self, path: &str, content: Content<'_>) {
        self.0.insert(path.to_owned(), bytes_of(content));
    }

    fn trouble(&mut self, path: &str, reason: Reason) {
        panic!("{path}: {reason:?}");
    }
}

/// Says how much of a bundle could be read: a statement about its files, not about the system.
const OF_FILES: &str = "evidence-unreadable";

/// Every finding as one line of what an operator acts on, and its numbers.
fn lines(report: &Report) -> BTreeSet<String> {
    let line = |f: &crate::samples::Finding| {
        let measures: Vec<String> = f.measures.iter().map(|measure| format!("{} {}", measure.name, measure.value)).collect();
        format!("{} of {:?}, {}, {}: {}", f.rule, f.subject, f.severity, f.confidence, measures.join(", "))
    };
    report.findings.iter().filter(|f| f.rule != OF_FILES).map(line).collect()
}

/// Rules that found something of weight, with the service, and what came first.
fn verdict(report: &Report) -> BTreeSet<String> {
    let of = |f: &crate::samples::Finding| format!("{} of {}", f.rule, f.subject.service.as_deref().unwrap_or("nobody"));
    let root = report.root_cause.iter().flat_map(|cause| report.findings.iter().filter(|f| f.id == cause.finding));
    report.findings.iter().filter(|f| f.is_heavy()).map(of).chain(root.map(|f| format!("root cause: {}", of(f)))).collect()
}

/// Changes every sample in several ways, and collects where what is said of it has changed.
fn unchanged(ways: impl Fn(&Sample, &Copy) -> Vec<(String, Copy)> + Sync, essence: impl Fn(&Sample, &Report) -> BTreeSet<String> + Sync) {
    let changed: Vec<_> = samples()
        .par_iter()
        .flat_map_iter(|sample| ways(sample, &Copy::of(sample)).into_iter().map(move |(way, copy)| (sample, way, copy)))
        .collect();
    assert!(changed.len() >= samples().len(), "{} changes of {} samples", changed.len(), samples().len());
    let faults: Vec<String> = changed
        .into_par_iter()
        .flat_map_iter(|(sample, way, copy)| {
            let (before, after) = (essence(sample, &sample.report), essence(sample, &copy.report(&sample.name)));
            let gone = before.difference(&after).map(|line| format!("-  {line}"));
            let new = after.difference(&before).map(|line| format!("+  {line}"));
            gone.chain(new).map(|line| format!("{}, {way}: {line}", sample.name)).collect::<Vec<_>>()
        })
        .collect();
    report(&faults);
}

/// A path without its last part; the whole path of a file that lies in no folder.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(folder, _)| folder)
}

/// The last part of a path.
fn base(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}
