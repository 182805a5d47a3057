//! What a rule has found, how sure it is, and how each rule ended.

use crate::model::ids::TraceId;
use crate::model::source::Evidence;
use crate::model::time::Window;
use std::collections::{BTreeMap, BTreeSet};

/// How bad the consequence is; not how sure we are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Context.
    Info,
    /// A risk without impact in the bundle.
    Low,
    /// Degraded.
    Medium,
    /// Users fail, or will soon.
    High,
    /// Money, data, or most users.
    Critical,
}

impl Severity {
    /// All, the mildest first.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// One step milder.
    #[must_use]
    pub const fn milder(self) -> Self {
        match self {
            Self::Critical => Self::High,
            Self::High => Self::Medium,
            Self::Medium => Self::Low,
            Self::Low | Self::Info => Self::Info,
        }
    }
}

/// A kind of input that a rule may need.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Input {
    /// Spans.
    Spans,
    /// Log records.
    Logs,
    /// Requests as access logs or other records tell them.
    Requests,
    /// Metric points.
    Metrics,
    /// Thread dumps.
    ThreadDumps,
    /// Garbage collector logs.
    GcLogs,
    /// Class histograms.
    ClassHistograms,
    /// Configuration.
    Configs,
    /// Platform events.
    Events,
    /// A baseline bundle.
    Baseline,
    /// Any file at all.
    Files,
}

impl Input {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Spans,
        Self::Logs,
        Self::Requests,
        Self::Metrics,
        Self::ThreadDumps,
        Self::GcLogs,
        Self::ClassHistograms,
        Self::Configs,
        Self::Events,
        Self::Baseline,
        Self::Files,
    ];

    /// The name in rule files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spans => "spans",
            Self::Logs => "logs",
            Self::Requests => "requests",
            Self::Metrics => "metrics",
            Self::ThreadDumps => "thread-dumps",
            Self::GcLogs => "gc-logs",
            Self::ClassHistograms => "class-histograms",
            Self::Configs => "configs",
            Self::Events => "events",
            Self::Baseline => "baseline",
            Self::Files => "files",
        }
    }
}

/// How sure: the weights of independent kinds of evidence, each kind once, times the doubts that remain.
#[derive(Clone, Debug, Default)]
pub struct Belief {
    kinds: BTreeMap<&'static str, f64>,
    inputs: BTreeSet<Input>,
    doubt: f64,
    proven: bool,
}

impl Belief {
    /// Nothing is believed yet.
    #[must_use]
    pub fn new() -> Self {
        Self { doubt: 1.0, ..Self::default() }
    }

    /// Adds a kind of evidence seen in an input. Of one kind only the greatest weight counts.
    #[must_use]
    pub fn with(mut self, kind: &'static str, input: Input, weight: f64) -> Self {
        let known = self.kinds.entry(kind).or_insert(0.0);
        *known = known.max(weight.clamp(0.0, 0.99));
        self.inputs.insert(input);
        self
    }

    /// Adds a kind of evidence if the condition holds.
    #[must_use]
    pub fn with_if(self, holds: bool, kind: &'static str, input: Input, weight: f64) -> Self {
        if holds { self.with(kind, input, weight) } else { self }
    }

    /// A look-alike or contradiction that could not be excluded: multiplies by `factor` of 0 to 1.
    #[must_use]
    pub fn doubted(mut self, factor: f64) -> Self {
        self.doubt *= factor.clamp(0.0, 1.0);
        self
    }

    /// The evidence proves itself: a deadlock that the JVM printed, two charge ids for one order.
    #[must_use]
    pub fn proven(mut self) -> Self {
        self.proven = true;
        self
    }

    /// Between 0 and 0.99, under the caps of `rules.md`: one kind of input 0.80 (0.90 if observed directly), two 0.92, three 0.98.
    #[must_use]
    pub fn value(&self) -> f64 {
        let unbelief: f64 = self.kinds.values().map(|w| 1.0 - w).product();
        let direct = self.kinds.values().any(|&w| w >= 0.85);
        let cap = match (self.proven, self.inputs.len(), direct) {
            (true, _, _) => 0.99,
            (_, 0 | 1, true) => 0.90,
            (_, 0 | 1, false) => 0.80,
            (_, 2, _) => 0.92,
            _ => 0.98,
        };
        ((1.0 - unbelief).min(cap) * self.doubt * 1000.0).round() / 1000.0
    }
}

/// The word for a confidence; below 0.30 nothing is said at all.
#[must_use]
pub fn belief_name(confidence: f64) -> Option<&'static str> {
    match confidence {
        c if c >= 0.85 => Some("confirmed"),
        c if c >= 0.60 => Some("likely"),
        c if c >= 0.30 => Some("possible"),
        _ => None,
    }
}

/// What a finding is about. Empty strings are parts that it does not have.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Subject {
    /// Service.
    pub service: String,
    /// The other side of a call.
    pub peer: String,
    /// Operation, pool, class, cache.
    pub operation: String,
    /// Business key.
    pub key: String,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = [&self.service, &self.peer, &self.operation, &self.key].into_iter().filter(|part| !part.is_empty());
        if let Some(first) = parts.next() {
            f.write_str(first)?;
        }
        parts.try_for_each(|part| write!(f, " / {part}"))
    }
}

/// A measured value.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// Name, snake_case.
    pub name: String,
    /// Value.
    pub value: f64,
    /// Unit.
    pub unit: String,
    /// The limit it was compared with.
    pub limit: Option<f64>,
}

/// A harmless thing that looks alike, and how it was ruled out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookAlike {
    /// What it would be.
    pub name: String,
    /// Why it is not that, or that it may be.
    pub outcome: String,
}

/// What a rule has found about one subject.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule's id.
    pub rule: String,
    /// Sub-kind, chooses among the rule's texts; empty if it has only one.
    pub kind: String,
    /// What it is about.
    pub subject: Subject,
    /// Every service involved, without the subject's.
    pub services: Vec<String>,
    /// From the first to the last sign.
    pub window: Window,
    /// How bad.
    pub severity: Severity,
    /// 0 to 100, by [`score`].
    pub score: f64,
    /// How sure.
    pub confidence: f64,
    /// Measured values; also what `{name}` in the rule's texts stands for.
    pub measures: Vec<Measure>,
    /// Further words that `{name}` in the rule's texts stands for.
    pub words: BTreeMap<String, String>,
    /// Look-alikes that were looked at.
    pub look_alikes: Vec<LookAlike>,
    /// What would raise the confidence.
    pub missing: Vec<String>,
    /// At most [`Finding::QUOTES`] records, the most telling first.
    pub evidence: Vec<Evidence>,
    /// How many records there are in all.
    pub evidence_total: u64,
    /// Some of the traces it was seen in, the worst first: for waterfalls and for joining findings.
    pub traces: Vec<TraceId>,
}

impl Finding {
    /// How many records are quoted.
    pub const QUOTES: usize = 8;

    /// A finding of a rule about a subject, with nothing measured yet.
    #[must_use]
    pub fn new(rule: &str, subject: Subject, window: Window) -> Self {
        Self {
            rule: rule.to_owned(),
            kind: String::new(),
            subject,
            services: Vec::new(),
            window,
            severity: Severity::Info,
            score: 0.0,
            confidence: 0.0,
            measures: Vec::new(),
            words: BTreeMap::new(),
            look_alikes: Vec::new(),
            missing: Vec::new(),
            evidence: Vec::new(),
            evidence_total: 0,
            traces: Vec::new(),
        }
    }

    /// Adds a measured value.
    pub fn measure(&mut self, name: &str, value: f64, unit: &str) -> &mut Self {
        // The sum of no numbers is -0.
        self.measures.push(Measure { name: name.to_owned(), value: value + 0.0, unit: unit.to_owned(), limit: None });
        self
    }

    /// Adds a measured value that was compared with a limit.
    pub fn measure_against(&mut self, name: &str, value: f64, unit: &str, limit: f64) -> &mut Self {
        self.measures.push(Measure { name: name.to_owned(), value: value + 0.0, unit: unit.to_owned(), limit: Some(limit) });
        self
    }

    /// Adds a word for the texts.
    pub fn word(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.words.insert(name.to_owned(), value.into());
        self
    }

    /// Notes a look-alike and its outcome.
    pub fn look_alike(&mut self, name: &str, outcome: impl Into<String>) -> &mut Self {
        self.look_alikes.push(LookAlike { name: name.to_owned(), outcome: outcome.into() });
        self
    }

    /// Cites records, the most telling first: the first eight different ones are quoted, all are counted.
    pub fn cite(&mut self, records: impl IntoIterator<Item = Evidence>) -> &mut Self {
        for record in records {
            self.evidence_total += 1;
            if self.evidence.len() < Self::QUOTES && !self.evidence.contains(&record) {
                self.evidence.push(record);
            }
        }
        self
    }
}

/// 25 at `info`, 75 at `warn`, and towards 100 above: 92 at twice, 98 at four times `warn`. Zero below a sixth of `info`.
#[must_use]
pub fn score(value: f64, info: f64, warn: f64) -> f64 {
    let points = if value <= info || warn <= info {
        25.0 * (value / info.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)
    } else if value <= warn {
        25.0 + 50.0 * (value - info) / (warn - info)
    } else {
        100.0 - 25.0 * (-(value / warn - 1.0) * 1.1).exp()
    };
    (points * 10.0).round() / 10.0
}

/// How a rule ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It found something.
    Found(Vec<Finding>),
    /// It looked and found nothing.
    Clear,
    /// It could not look.
    NotApplicable {
        /// The inputs it would need.
        missing: Vec<String>,
    },
    /// It broke; the others went on.
    Failed {
        /// What happened.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn belief_follows_the_catalogue() {
        let one = Belief::new().with("chains", Input::Spans, 0.5).with("chains", Input::Spans, 0.4);
        assert!((one.value() - 0.5).abs() < 1e-9);
        assert!((Belief::new().with("a", Input::Spans, 0.84).with("b", Input::Spans, 0.8).value() - 0.8).abs() < 1e-9);
        assert!((Belief::new().with("a", Input::Spans, 0.9).with("b", Input::Spans, 0.8).value() - 0.9).abs() < 1e-9);
        assert!((Belief::new().with("a", Input::Spans, 0.9).with("b", Input::Logs, 0.9).value() - 0.92).abs() < 1e-9);
        assert!((Belief::new().with("a", Input::Logs, 0.95).proven().value() - 0.95).abs() < 1e-9);
        assert!((Belief::new().with("a", Input::Logs, 0.8).doubted(0.5).value() - 0.4).abs() < 1e-9);
    }

    #[test]
    fn scores_meet_both_limits() {
        assert_eq!((score(3.0, 3.0, 10.0), score(10.0, 3.0, 10.0), score(0.0, 3.0, 10.0)), (25.0, 75.0, 0.0));
        assert!(score(40.0, 3.0, 10.0) > 98.0 && score(40.0, 3.0, 10.0) <= 100.0);
    }
}
