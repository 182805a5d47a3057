//! Pictures: the result as plain data, and the writers that draw it.
//!
//! [`Report`] holds everything that any output shows: strings, numbers and times, no names or ids of the model. Its
//! serialised form is the public JSON contract (`analyze schema`); the parts marked as pictures are drawn by the HTML
//! report only and are not part of it. Writers take a report that has already been through `redact`, so that nothing
//! unredacted can be written by forgetting it.

pub mod assemble;
mod chart;
#[cfg(test)]
mod example;
mod html;
mod json;
mod judgement;
mod junit;
mod markdown;
pub mod picture;
pub mod records;
pub mod redact;
mod sarif;
mod schema;
pub mod survey;
pub mod tables;
mod terminal;
mod text;

use picture::{Jvm, Setting, Template, Timeline, Waterfall};
use serde::Serialize;

pub use judgement::{Difference, Finding, LookAlike, Measure, Quote, RootCause, Story, Subject, Suspect};
pub use schema::schema;

/// The report as one page of HTML that needs no network and no other file.
#[must_use]
pub fn html(report: &Report) -> String {
    html::render(report)
}

/// The report as the public JSON contract.
#[must_use]
pub fn json(report: &Report) -> String {
    json::render(report)
}

/// The report as a draft of a postmortem in Markdown.
#[must_use]
pub fn markdown(report: &Report) -> String {
    markdown::render(report)
}

/// The findings as SARIF, for editors and code-review tools.
#[must_use]
pub fn sarif(report: &Report) -> String {
    sarif::render(report)
}

/// The rules as JUnit test cases, for pipelines.
#[must_use]
pub fn junit(report: &Report) -> String {
    junit::render(report)
}

/// The report in brief, in lines of at most `width` columns.
#[must_use]
pub fn terminal(report: &Report, colour: bool, width: usize) -> String {
    terminal::render(report, colour, width)
}

/// The whole result.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Version of the contract: `analyze.report/1`.
    pub schema: &'static str,
    /// What wrote it.
    pub tool: Tool,
    /// What was read.
    pub bundle: Bundle,
    /// The answer in a sentence.
    pub verdict: Verdict,
    /// Root causes first, then by score, rule id, subject.
    pub findings: Vec<Finding>,
    /// The finding that explains most, if any is explained or explains.
    pub root_cause: Option<RootCause>,
    /// Services, the most likely root cause first.
    pub suspects: Vec<Suspect>,
    /// What bad requests have in common that good ones lack, the strongest first.
    pub differences: Vec<Difference>,
    /// Incidents that have nothing to do with each other, the heaviest first.
    pub stories: Vec<Story>,
    /// The fifteen scenarios, each with a status.
    pub scenarios: Vec<Scenario>,
    /// Every rule with how it ended.
    pub rules: Vec<RuleLine>,
    /// Services and the calls between them.
    pub graph: Graph,
    /// Traces in numbers.
    pub traces: Traces,
    /// What was understood of each file.
    pub coverage: Coverage,
    /// What the outputs for people show of it.
    #[serde(skip)]
    pub show: Show,
    /// Picture: series on one time axis.
    #[serde(skip)]
    pub timeline: Timeline,
    /// Picture: waterfalls of chosen traces.
    #[serde(skip)]
    pub waterfalls: Vec<Waterfall>,
    /// Picture: Java virtual machines.
    #[serde(skip)]
    pub jvms: Vec<Jvm>,
    /// Picture: log templates, the most telling first.
    #[serde(skip)]
    pub templates: Vec<Template>,
    /// Picture: entries of the configuration that findings have to do with.
    #[serde(skip)]
    pub settings: Vec<Setting>,
}

/// What the outputs for people show; the machine-readable ones hold everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Show {
    /// Title; the bundle's name if empty.
    pub title: String,
    /// Findings told in full.
    pub findings: usize,
    /// Quotes of each.
    pub quotes: usize,
}

impl Default for Show {
    fn default() -> Self {
        Self { title: String::new(), findings: usize::MAX, quotes: 8 }
    }
}

impl Report {
    /// Incidents beside the one that the root cause tells of.
    pub fn other_stories(&self) -> impl Iterator<Item = &Story> {
        let chain: &[String] = self.root_cause.as_ref().map_or(&[], |root| &root.chain);
        self.stories.iter().filter(|story| !story.findings.iter().any(|id| chain.contains(id)))
    }

    /// The name under which people know it.
    fn heading(&self) -> &str {
        if self.show.title.is_empty() { &self.bundle.name } else { &self.show.title }
    }
}

/// What wrote the report.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tool {
    /// `analyze`.
    pub name: &'static str,
    /// Version of the program.
    pub version: &'static str,
    /// Digest over every rule and signal in force.
    pub rules_digest: String,
}

/// What was read.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Bundle {
    /// Last part of its path.
    pub name: String,
    /// Files, members of archives included.
    pub files: u64,
    /// Bytes after decompression.
    pub bytes: u64,
    /// Records understood.
    pub records: u64,
    /// From the first to the last record.
    pub window: Option<Window>,
    /// Digest over paths and contents.
    pub digest: String,
}

/// Two times in RFC 3339, UTC.
#[derive(Clone, Debug, Default, Serialize, PartialEq, Eq)]
pub struct Window {
    /// First.
    pub start: String,
    /// Last.
    pub end: String,
}

/// The answer in a sentence.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verdict {
    /// Severity of the worst finding, or `none`.
    pub level: String,
    /// One sentence with numbers.
    pub headline: String,
}

/// One of the fifteen scenarios.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Scenario {
    /// 1 to 15.
    pub number: u8,
    /// Name.
    pub name: String,
    /// `confirmed`, `likely`, `possible`, `clear`, `cannot-tell`.
    pub status: String,
    /// The rules that decide it.
    pub rules: Vec<String>,
    /// Ids of its findings.
    pub findings: Vec<String>,
    /// What to record to decide it.
    pub missing: Vec<String>,
}

/// How a rule ended.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RuleLine {
    /// The rule.
    pub id: String,
    /// `found`, `clear`, `not-applicable`, `failed`.
    pub status: String,
    /// Inputs it would need.
    pub missing: Vec<String>,
    /// Why it failed.
    pub why: Option<String>,
}

/// Services and the calls between them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Graph {
    /// By name.
    pub services: Vec<Service>,
    /// By caller and callee.
    pub edges: Vec<Edge>,
}

/// A service as the called side.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Service {
    /// Name.
    pub name: String,
    /// Calls it served; for a service without spans the calls to it.
    pub calls: u64,
    /// Of these, failed.
    pub errors: u64,
    /// Median.
    pub p50_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
}

/// Calls from one service to another, as the caller saw them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Edge {
    /// Calling service.
    pub caller: String,
    /// Called service, database, broker or host.
    pub callee: String,
    /// Calls, retries included.
    pub calls: u64,
    /// Of these, failed.
    pub errors: u64,
    /// Of these, repeated attempts.
    pub retries: u64,
    /// Median.
    pub p50_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
}

/// Traces in numbers.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Traces {
    /// Distinct trace ids that have spans.
    pub traces: u64,
    /// Spans, each counted once.
    pub spans: u64,
    /// Spans whose parent is not in the bundle.
    pub orphans: u64,
    /// Spans that were in the bundle more than once.
    pub duplicates: u64,
    /// Log records that belong to a trace with spans.
    pub logs_joined: u64,
}

/// What was understood.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Coverage {
    /// Bytes in records or without content.
    pub understood_bytes: u64,
    /// Bytes in quarantine.
    pub quarantined_bytes: u64,
    /// By path.
    pub files: Vec<FileLine>,
}

/// What was understood of one file.
#[derive(Clone, Debug, Default, Serialize)]
pub struct FileLine {
    /// Path inside the bundle.
    pub path: String,
    /// Family and layout, or `unrecognised`.
    pub format: String,
    /// Bytes after decompression.
    pub bytes: u64,
    /// Records.
    pub records: u64,
    /// Pieces in quarantine.
    pub quarantined: u64,
    /// Service most of its records belong to.
    pub service: Option<String>,
    /// BLAKE3 of its bytes after decompression, so that the report can be held against the evidence later.
    pub digest: Option<String>,
    /// Why bytes are in quarantine.
    pub reasons: Vec<QuarantineLine>,
}

/// One reason why bytes of a file are in quarantine.
#[derive(Clone, Debug, Default, Serialize)]
pub struct QuarantineLine {
    /// Kebab-case name.
    pub reason: String,
    /// How many pieces.
    pub count: u64,
    /// Where the first begins.
    pub example_offset: u64,
}
