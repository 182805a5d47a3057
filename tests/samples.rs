//! The sample bundles: what each is expected to show by its `expect.yaml`, what the program said of it, and how far these agree.
//!
//! Each is run once for all tests. What must hold of them is not told here but in `golden` and `properties`.

use crate::program::{self, analyze, run};
use rayon::prelude::*;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The borders of a window may be as far from the expected ones.
const SLACK_SECONDS: f64 = 60.0;
/// A measure may be as far from the expected one, relative to it.
const TOLERANCE: f64 = 0.005;

/// `expect.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Rule of the first finding, if there is one that must come first.
    pub first: Option<String>,
    pub findings: Vec<Expected>,
    /// Rules that may be found besides, at any severity.
    #[serde(default)]
    pub allowed: BTreeSet<String>,
    /// Faults that the bundle looks like and is not.
    #[serde(default)]
    pub look_alike: BTreeSet<String>,
}

/// A finding that must be there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    pub rule: String,
    /// Empty where nothing in the bundle names it.
    pub service: String,
    pub severity: BTreeSet<String>,
    pub window: Option<Span>,
    #[serde(default)]
    pub measures: BTreeMap<String, f64>,
    /// At least one citation is of a path that begins with one of these.
    #[serde(default)]
    pub evidence_in: Vec<String>,
}

/// RFC 3339, both borders belong to it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    pub start: String,
    pub end: String,
}

/// The part of the report that is looked at; its schema has a test of its own.
#[derive(Debug, Deserialize)]
pub struct Report {
    pub bundle: Bundle,
    pub findings: Vec<Finding>,
    pub root_cause: Option<RootCause>,
    pub rules: Vec<Outcome>,
    pub coverage: Coverage,
}

#[derive(Debug, Deserialize)]
pub struct Bundle {
    pub window: Option<Span>,
}

#[derive(Debug, Deserialize)]
pub struct Finding {
    pub id: String,
    pub rule: String,
    pub severity: String,
    pub confidence: f64,
    pub subject: Subject,
    pub services: Vec<String>,
    pub window: Option<Span>,
    pub measures: Vec<Measure>,
    pub evidence: Vec<Citation>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Subject {
    pub service: Option<String>,
    pub peer: Option<String>,
    pub operation: Option<String>,
    pub key: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
pub struct Measure {
    pub name: String,
    pub value: f64,
}

#[derive(Debug, Deserialize)]
pub struct Citation {
    pub file: String,
    pub line: usize,
    pub offset: usize,
    pub length: usize,
    pub digest: String,
    pub excerpt: String,
}

#[derive(Debug, Deserialize)]
pub struct RootCause {
    pub finding: String,
}

/// How a rule ended.
#[derive(Debug, Deserialize)]
pub struct Outcome {
    pub id: String,
}

#[derive(Debug, Deserialize)]
pub struct Coverage {
    pub files: Vec<CoveredFile>,
}

#[derive(Debug, Deserialize)]
pub struct CoveredFile {
    pub path: String,
    pub records: u64,
    pub service: Option<String>,
}

/// A directory of `samples/`, with what is expected and what was said.
pub struct Sample {
    pub name: String,
    pub root: PathBuf,
    pub expectation: Expectation,
    /// The report as it was written.
    pub json: String,
    pub report: Report,
    /// The HTML report.
    pub page: String,
}

impl Sample {
    fn read(root: &Path) -> Self {
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let expectation = serde_saphyr::from_str(&read(&root.join("expect.yaml"))).unwrap_or_else(|error| panic!("{name}: {error}"));
        let out = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let page = out.path().join("report.html");
        let json = said(root, &["--report", &page.to_string_lossy()]);
        Self { report: Report::parse(&json), name, root: root.to_owned(), expectation, json, page: read(&page) }
    }

    /// What differs from what its `expect.yaml` demands.
    pub fn faults(&self) -> Vec<String> {
        let mut faults: Vec<String> = self.expectation.findings.iter().filter_map(|expected| self.find(expected).err()).collect();
        faults.extend(self.false_alarms().map(|f| format!("{}: false alarm {} ({}, {:?})", self.name, f.id, f.severity, f.services)));
        if let Some(first) = &self.expectation.first {
            let found = self.report.findings.first().map(|finding| finding.rule.as_str());
            if found != Some(first) {
                faults.push(format!("{}: the first finding is {found:?} and not {first}", self.name));
            }
        }
        faults
    }

    /// Whether it is made to look like a fault that it is not.
    pub fn looks_like(&self, rule: &str) -> bool {
        self.expectation.look_alike.contains(rule)
    }

    /// Whether a rule must find something.
    pub fn is_expected(&self, rule: &str) -> bool {
        self.expectation.findings.iter().any(|expected| expected.rule == rule)
    }

    /// Findings of weight that `expect.yaml` does not know.
    pub fn false_alarms(&self) -> impl Iterator<Item = &Finding> {
        let known = |f: &Finding| self.expectation.findings.iter().any(|e| e.rule == f.rule && (e.service.is_empty() || f.names(&e.service)));
        self.report.findings.iter().filter(move |f| f.is_heavy() && !known(f) && !self.expectation.allowed.contains(&f.rule))
    }

    /// The finding that meets an expectation, or why none does.
    pub fn find(&self, expected: &Expected) -> Result<&Finding, String> {
        let mut near: Vec<String> = Vec::new();
        for finding in self.report.findings.iter().filter(|finding| finding.rule == expected.rule) {
            let faults = faults(finding, expected);
            if faults.is_empty() {
                return Ok(finding);
            }
            near.push(format!("{}: {}", finding.id, faults.join(", ")));
        }
        let near = if near.is_empty() { "nothing of this rule".to_owned() } else { near.join("; ") };
        Err(format!("{}: no {} as expected: {near}", self.name, expected.rule))
    }
}

impl Report {
    pub fn parse(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{error} in {json}"))
    }

    /// What the program says of a bundle.
    pub fn of(bundle: &Path) -> Self {
        Self::parse(&said(bundle, &[]))
    }
}

impl Finding {
    pub fn is_heavy(&self) -> bool {
        matches!(self.severity.as_str(), "medium" | "high" | "critical")
    }

    /// Whether it is about a service or has it among those concerned.
    fn names(&self, service: &str) -> bool {
        [&self.subject.service, &self.subject.peer].into_iter().flatten().chain(&self.services).any(|name| name == service)
    }
}

fn faults(finding: &Finding, expected: &Expected) -> Vec<String> {
    let mut faults = Vec::new();
    if !expected.severity.contains(&finding.severity) {
        faults.push(format!("severity {}", finding.severity));
    }
    if !expected.service.is_empty() && !finding.names(&expected.service) {
        faults.push(format!("{:?} and services {:?} without {}", finding.subject, finding.services, expected.service));
    }
    if let Some(window) = &expected.window {
        match &finding.window {
            Some(found) if is_near(&found.start, &window.start) && is_near(&found.end, &window.end) => {}
            found => faults.push(format!("window {found:?}")),
        }
    }
    for (name, value) in &expected.measures {
        match finding.measures.iter().find(|measure| measure.name == *name) {
            Some(measure) if (measure.value - value).abs() <= TOLERANCE * value.abs() => {}
            Some(measure) => faults.push(format!("{name} is {} and not {value}", measure.value)),
            None => faults.push(format!("no measure {name} among {:?}", finding.measures)),
        }
    }
    let cited = |prefix: &String| finding.evidence.iter().any(|citation| citation.file.starts_with(prefix.as_str()));
    if !expected.evidence_in.is_empty() && !expected.evidence_in.iter().any(cited) {
        faults.push(format!("cites nothing of {:?}", expected.evidence_in));
    }
    faults
}

fn is_near(found: &str, expected: &str) -> bool {
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    match (time(found), time(expected)) {
        (Some(found), Some(expected)) => found.duration_since(expected).as_secs_f64().abs() <= SLACK_SECONDS,
        _ => false,
    }
}

/// What the program writes of a bundle to its standard output as JSON.
pub fn said(bundle: &Path, more: &[&str]) -> String {
    run(analyze().arg(bundle).args(["--json", "-"]).args(more)).expect(0).text().to_owned()
}

/// All samples, each run once for all tests.
pub fn samples() -> &'static [Sample] {
    static SAMPLES: OnceLock<Vec<Sample>> = OnceLock::new();
    SAMPLES.get_or_init(|| all_of(&program::samples()))
}

/// Bundles with an `expect.yaml`, each run.
pub fn all_of(roots: &[PathBuf]) -> Vec<Sample> {
    roots.par_iter().map(|root| Sample::read(root)).collect()
}

/// Ends the test with all that is wrong.
pub fn report(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
