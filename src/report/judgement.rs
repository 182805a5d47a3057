//! What was found and judged, as the outputs tell it: findings with their evidence, the root cause, suspects, what bad requests
//! have in common, and incidents.

use super::Window;
use serde::Serialize;

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
    pub(super) fn is_loud(&self) -> bool {
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
