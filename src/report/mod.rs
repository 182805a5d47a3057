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

/// One fault, or one thing worth knowing.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Finding {
    /// Rule and a short digest of the subject: stable over runs.
    pub id: String,
    /// The rule.
    pub rule: String,
    /// Number of the seed scenario, none for rules about the evidence itself.
    pub scenario: Option<u8>,
    /// The rule's title.
    pub title: String,
    /// `critical`, `high`, `medium`, `low`, `info`.
    pub severity: String,
    /// 0 to 100, from the measured value and the rule's limits.
    pub score: f64,
    /// 0 to 0.99.
    pub confidence: f64,
    /// `confirmed`, `likely`, `possible`.
    pub belief: String,
    /// `root-cause`, `amplifier`, `symptom`, `victim`.
    pub role: String,
    /// What it is about.
    pub subject: Subject,
    /// Every service involved, the subject's first.
    pub services: Vec<String>,
    /// From the first to the last sign.
    pub window: Option<Window>,
    /// One sentence with the measured values.
    pub summary: String,
    /// Why it hurts and how it was concluded.
    pub explanation: String,
    /// What to do, the most effective first.
    pub remedy: Vec<String>,
    /// What to record to be surer.
    pub capture_next_time: Vec<String>,
    /// Harmless things that look alike, and why this is none of them.
    pub look_alikes: Vec<LookAlike>,
    /// The measured values.
    pub measures: Vec<Measure>,
    /// At most eight quotes.
    pub evidence: Vec<Quote>,
    /// How many there are in all.
    pub evidence_total: u64,
    /// Findings that cause this one.
    pub caused_by: Vec<String>,
    /// Findings that this one causes.
    pub explains: Vec<String>,
}

impl Finding {
    /// Whether it is a fault and not only a remark.
    fn is_loud(&self) -> bool {
        matches!(self.severity.as_str(), "critical" | "high" | "medium")
    }
}

/// What a finding is about.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Subject {
    /// Service.
    pub service: Option<String>,
    /// The other side of a call.
    pub peer: Option<String>,
    /// Operation, pool, class, cache: whatever the rule is about.
    pub operation: Option<String>,
    /// Business key.
    pub key: Option<String>,
}

/// A harmless thing that looks alike.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LookAlike {
    /// What it would be.
    pub name: String,
    /// `excluded because ...` or `not excluded: ...`.
    pub outcome: String,
}

/// A measured value.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Measure {
    /// Name, snake_case.
    pub name: String,
    /// Value.
    pub value: f64,
    /// Unit.
    pub unit: String,
    /// The rule's limit it was compared with, if any.
    pub limit: Option<f64>,
}

/// A record quoted from the bundle.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Quote {
    /// Path inside the bundle; members of archives after `!/`.
    pub file: String,
    /// Line of the first byte, from 1.
    pub line: u64,
    /// First byte, after decompression.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// BLAKE3 of the bytes.
    pub digest: String,
    /// When.
    pub time: Option<String>,
    /// Service.
    pub service: Option<String>,
    /// Trace.
    pub trace_id: Option<String>,
    /// What a span says in short: `server span POST /orders, 1.2 s, failed`.
    pub about: Option<String>,
    /// The text, redacted, at most 300 characters.
    pub excerpt: String,
}

/// The finding that explains most.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RootCause {
    /// Its id.
    pub finding: String,
    /// Its service.
    pub service: Option<String>,
    /// Ids of the findings along the chain, the root first.
    pub chain: Vec<String>,
    /// Why.
    pub because: Vec<String>,
}

/// A service that may be the cause.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Suspect {
    /// Service.
    pub service: String,
    /// 0 to 1.
    pub score: f64,
    /// Why.
    pub because: Vec<String>,
    /// Records behind the reasons; a finding among them has its own.
    pub evidence: Vec<Quote>,
}

/// What many bad requests have in common and few good ones have.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Difference {
    /// How the bad requests ended: `failed`, `slow`.
    pub ending: String,
    /// `attribute`, `version`, `instance`, `route`, `peer`.
    pub kind: String,
    /// Service whose spans carry it.
    pub service: String,
    /// Key of the attribute, else the kind.
    pub key: String,
    /// Value.
    pub value: String,
    /// What the very same requests have in common besides.
    pub also: Vec<String>,
    /// One sentence with the counts.
    pub summary: String,
    /// Bad requests that carry it.
    pub bad_with: u64,
    /// Bad requests that were compared.
    pub bad: u64,
    /// Good requests that carry it.
    pub good_with: u64,
    /// Good requests that were compared.
    pub good: u64,
    /// How many times as likely to be bad as a like request that lacks it.
    pub lift: f64,
    /// Chance of so large a difference among all that were asked about, if nothing had to do with it.
    pub chance: f64,
    /// Records of bad requests that carry it.
    pub evidence: Vec<Quote>,
}

/// An incident: a root cause and what follows from it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Story {
    /// Id of the root cause that weighs most.
    pub root: String,
    /// Its service.
    pub service: Option<String>,
    /// Ids of all findings that belong to it, in the order of the findings.
    pub findings: Vec<String>,
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
