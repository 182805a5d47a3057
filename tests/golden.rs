//! Every sample bundle says what its `expect.yaml` demands, nothing else of weight, and nothing it cannot prove.
//!
//! The built program is run over each directory of `samples/`. Every citation of every finding is opened again with
//! means of its own: the bytes must exist, have the digest, stand on the line, and hold the words of the excerpt. The
//! result must not depend on the number of threads, on the place of the bundle, or on its being packed.
//! `cargo test --test golden -- --nocapture` prints a table of rules and samples.

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The borders of a window may be as far from the expected ones.
const SLACK_SECONDS: f64 = 60.0;
/// A measure may be as far from the expected one, relative to it.
const TOLERANCE: f64 = 0.005;

/// `expect.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectation {
    /// Rule of the first finding, if there is one that must come first.
    first: Option<String>,
    findings: Vec<Expected>,
    /// Rules that may be found besides, at any severity.
    #[serde(default)]
    allowed: BTreeSet<String>,
    /// Faults that the bundle looks like and is not.
    #[serde(default)]
    look_alike: BTreeSet<String>,
}

/// A finding that must be there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    rule: String,
    /// Empty where nothing in the bundle names it.
    service: String,
    severity: BTreeSet<String>,
    window: Option<Span>,
    #[serde(default)]
    measures: BTreeMap<String, f64>,
    /// At least one citation is of a path that begins with one of these.
    #[serde(default)]
    evidence_in: Vec<String>,
}

/// RFC 3339, both borders belong to it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Span {
    start: String,
    end: String,
}

/// The part of the report that is looked at; its schema has a test of its own.
#[derive(Debug, Deserialize)]
struct Report {
    findings: Vec<Finding>,
    coverage: Coverage,
}

#[derive(Debug, Deserialize)]
struct Finding {
    id: String,
    rule: String,
    severity: String,
    subject: Subject,
    services: Vec<String>,
    window: Option<Span>,
    measures: Vec<Measure>,
    evidence: Vec<Citation>,
}

#[derive(Debug, Deserialize)]
struct Subject {
    service: Option<String>,
    peer: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Measure {
    name: String,
    value: f64,
}

#[derive(Debug, Deserialize)]
struct Citation {
    file: String,
    line: usize,
    offset: usize,
    length: usize,
    digest: String,
    excerpt: String,
}

#[derive(Debug, Deserialize)]
struct Coverage {
    files: Vec<CoveredFile>,
}

#[derive(Debug, Deserialize)]
struct CoveredFile {
    path: String,
    records: u64,
}

/// A directory of `samples/`, with what is expected and what was said.
pub struct Sample {
    name: String,
    root: PathBuf,
    expectation: Expectation,
    json: String,
    report: Report,
    page: String,
}

impl Sample {
    fn read(root: &Path) -> Outcome<Self> {
        let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let expectation = serde_saphyr::from_str(&fs::read_to_string(root.join("expect.yaml"))?)?;
        let out = tempfile::tempdir()?;
        let page = out.path().join("report.html");
        let json = analyze(root, &["--report", &page.to_string_lossy()])?;
        let report = serde_json::from_str(&json)?;
        Ok(Self { name, root: root.to_owned(), expectation, json, report, page: fs::read_to_string(page)? })
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

    pub fn is_expected(&self, rule: &str) -> bool {
        self.expectation.findings.iter().any(|expected| expected.rule == rule)
    }

    fn false_alarms(&self) -> impl Iterator<Item = &Finding> {
        self.report.findings.iter().filter(|f| f.is_heavy() && !self.is_expected(&f.rule) && !self.expectation.allowed.contains(&f.rule))
    }

    /// The finding that meets an expectation, or why none does.
    fn find(&self, expected: &Expected) -> Result<&Finding, String> {
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

impl Finding {
    fn is_heavy(&self) -> bool {
        matches!(self.severity.as_str(), "medium" | "high" | "critical")
    }
}

fn faults(finding: &Finding, expected: &Expected) -> Vec<String> {
    let mut faults = Vec::new();
    if !expected.severity.contains(&finding.severity) {
        faults.push(format!("severity {}", finding.severity));
    }
    let subject = [&finding.subject.service, &finding.subject.peer].into_iter().flatten();
    let is_meant = subject.chain(&finding.services).any(|service| *service == expected.service);
    if !is_meant && !expected.service.is_empty() {
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

/// What the program writes to its standard output as JSON.
fn analyze(bundle: &Path, more: &[&str]) -> Outcome<String> {
    let run = Command::new(env!("CARGO_BIN_EXE_analyze")).arg(bundle).args(["--json", "-"]).args(more).output()?;
    if !run.status.success() {
        return Err(format!("{} over {}: {}", run.status, bundle.display(), String::from_utf8_lossy(&run.stderr)).into());
    }
    Ok(String::from_utf8(run.stdout)?)
}

/// All samples, each run once for all tests.
pub fn samples() -> &'static [Sample] {
    static SAMPLES: OnceLock<Vec<Sample>> = OnceLock::new();
    SAMPLES.get_or_init(|| all_in("samples"))
}

/// The bundles in a folder of the repository, each run.
pub fn all_in(folder: &str) -> Vec<Sample> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut roots: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    roots.sort();
    assert!(!roots.is_empty(), "no bundles");
    roots.iter().map(|root| Sample::read(root).unwrap_or_else(|error| panic!("{}: {error}", root.display()))).collect()
}

pub fn report(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn samples_say_what_is_expected() {
    report(&samples().iter().flat_map(Sample::faults).collect::<Vec<_>>());
}

#[test]
fn rules_are_precise_and_complete() {
    let mut table: BTreeMap<&str, BTreeMap<&str, [usize; 3]>> = BTreeMap::new();
    for sample in samples() {
        for expected in &sample.expectation.findings {
            let cell = table.entry(expected.rule.as_str()).or_default().entry(sample.name.as_str()).or_default();
            cell[if sample.find(expected).is_ok() { 0 } else { 2 }] += 1;
        }
        for finding in sample.false_alarms() {
            table.entry(finding.rule.as_str()).or_default().entry(sample.name.as_str()).or_default()[1] += 1;
        }
    }
    print!("{:26}", "found/false/missed");
    samples().iter().for_each(|sample| print!("{:>18}", sample.name));
    println!("{:>11}{:>8}", "precision", "recall");
    let mut faults = Vec::new();
    for (rule, row) in &table {
        let sum = |i: usize| row.values().map(|cell| cell[i]).sum::<usize>();
        let (found, wrong, missed) = (sum(0), sum(1), sum(2));
        print!("{rule:26}");
        for sample in samples() {
            let cell = row.get(sample.name.as_str()).map_or_else(|| "-".to_owned(), |[a, b, c]| format!("{a}/{b}/{c}"));
            print!("{cell:>18}");
        }
        println!("{:>11}{:>8}", share(found, wrong), share(found, missed));
        if wrong + missed > 0 {
            faults.push(format!("{rule}: {found} found, {wrong} false, {missed} missed"));
        }
    }
    report(&faults);
}

fn share(good: usize, bad: usize) -> String {
    if good + bad == 0 { "-".to_owned() } else { format!("{:.2}", good as f64 / (good + bad) as f64) }
}

#[test]
fn every_citation_can_be_opened() {
    let mut faults = Vec::new();
    for sample in samples() {
        let mut files: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for finding in &sample.report.findings {
            if finding.evidence.is_empty() {
                faults.push(format!("{}: {} cites nothing", sample.name, finding.id));
            }
            for citation in &finding.evidence {
                let bytes = files.entry(&citation.file).or_insert_with(|| content(&sample.root.join(&citation.file)).unwrap_or_default());
                if let Err(fault) = check(citation, bytes) {
                    faults.push(format!("{}: {} cites {}:{}: {fault}", sample.name, finding.id, citation.file, citation.line));
                }
                if !sample.page.contains(&citation.digest) && !sample.page.contains(&citation.file) {
                    faults.push(format!("{}: the page does not show the citation {}:{}", sample.name, citation.file, citation.line));
                }
            }
        }
    }
    report(&faults);
}

/// Bytes of a file, unpacked if it is packed.
fn content(path: &Path) -> Outcome<Vec<u8>> {
    let bytes = fs::read(path)?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

fn check(citation: &Citation, bytes: &[u8]) -> Result<(), String> {
    let end = citation.offset.saturating_add(citation.length);
    let cited = bytes.get(citation.offset..end).ok_or_else(|| format!("bytes {}..{end} of {}", citation.offset, bytes.len()))?;
    if cited.is_empty() {
        return Err("no bytes".to_owned());
    }
    let digest = format!("blake3:{}", blake3::hash(cited).to_hex());
    if digest != citation.digest {
        return Err(format!("{} is {digest}", citation.digest));
    }
    let line = 1 + bytes[..citation.offset].iter().filter(|&&byte| byte == b'\n').count();
    if line != citation.line {
        return Err(format!("the bytes stand on line {line}"));
    }
    // Text only: what a binary record says is told in words that do not stand in it.
    let Ok(text) = std::str::from_utf8(cited) else { return Ok(()) };
    let first: String = citation.excerpt.split_whitespace().next().unwrap_or_default().chars().take(24).collect();
    let told = first.trim_start_matches('…').trim_end_matches(['…', '.']);
    if told.is_empty() || !text.contains(told) {
        return Err(format!("the excerpt begins with {first:?}"));
    }
    Ok(())
}

#[test]
fn notes_beside_the_evidence_are_no_evidence() {
    let mut faults = Vec::new();
    for sample in samples() {
        let is_note = |path: &str| path == "README.md" || path == "expect.yaml";
        for file in sample.report.coverage.files.iter().filter(|file| is_note(&file.path) && file.records > 0) {
            faults.push(format!("{}: {} records read from {}", sample.name, file.records, file.path));
        }
        for finding in sample.report.findings.iter().filter(|f| f.is_heavy() && f.evidence.iter().any(|c| is_note(&c.file))) {
            faults.push(format!("{}: {} cites a note", sample.name, finding.id));
        }
    }
    report(&faults);
}

#[test]
fn the_number_of_threads_changes_nothing() -> Outcome {
    for sample in samples() {
        for jobs in ["1", "4"] {
            assert!(analyze(&sample.root, &["--jobs", jobs])? == sample.json, "{} differs with --jobs {jobs}", sample.name);
        }
    }
    Ok(())
}

#[test]
fn the_place_of_the_bundle_changes_nothing() -> Outcome {
    for sample in samples() {
        let elsewhere = tempfile::tempdir()?;
        let copy = elsewhere.path().join(&sample.name);
        // Written in the opposite order, so that a directory lists them in another one.
        for path in files(&sample.root)?.iter().rev() {
            let target = copy.join(path);
            fs::create_dir_all(target.parent().unwrap_or(&copy))?;
            fs::copy(sample.root.join(path), target)?;
        }
        assert!(analyze(&copy, &[])? == sample.json, "{} differs when copied", sample.name);
    }
    Ok(())
}

#[test]
fn packing_the_bundle_changes_nothing_but_paths() -> Outcome {
    for sample in samples() {
        let elsewhere = tempfile::tempdir()?;
        let name = format!("{}.tar.gz", sample.name);
        let archive = elsewhere.path().join(&name);
        let mut tar = tar::Builder::new(GzEncoder::new(fs::File::create(&archive)?, Compression::fast()));
        for path in files(&sample.root)? {
            tar.append_path_with_name(sample.root.join(&path), &path)?;
        }
        tar.into_inner()?.finish()?;
        let packed = analyze(&archive, &[])?.replace(&format!("{name}!/"), "");
        let (packed, plain): (Value, Value) = (serde_json::from_str(&packed)?, serde_json::from_str(&sample.json)?);
        for part in ["findings", "root_cause", "suspects", "scenarios", "rules", "graph", "traces"] {
            assert!(packed.get(part) == plain.get(part), "{}: {part} differ when packed", sample.name);
        }
    }
    Ok(())
}

/// Paths of all files below a directory, relative to it, in order.
fn files(root: &Path) -> Outcome<Vec<PathBuf>> {
    let (mut found, mut open) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { open.push(path) } else { found.push(path.strip_prefix(root)?.to_owned()) }
        }
    }
    found.sort();
    Ok(found)
}
