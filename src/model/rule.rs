//! Rules, signals and effects as data: what `rules/` holds once it has been read and checked.

use crate::model::finding::Input;
use crate::model::pattern::Pattern;
use std::collections::BTreeMap;

/// Every rule, signal and effect in force.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// Rules by id.
    pub rules: BTreeMap<String, Rule>,
    /// Signals, in the order of files and lines.
    pub signals: Vec<SignalSpec>,
    /// Effects, in the order of files and lines.
    pub effects: Vec<EffectSpec>,
    /// Samples that rules bring along.
    pub samples: Vec<Sample>,
    /// Scenarios of the catalogue, by number; zero stands for the evidence itself.
    pub scenarios: BTreeMap<u8, Scenario>,
    /// `blake3:` digest over all files, for the report.
    pub digest: String,
}

/// A scenario of the catalogue. Rules that this version does not have are listed too, so that the report can say so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scenario {
    /// Name.
    pub name: String,
    /// Ids of the rules it stands or falls by.
    pub headline: Vec<String>,
    /// Ids of further rules.
    pub further: Vec<String>,
}

/// A sample of a rule that counts a signal: messages, and whether they must fire it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The rule's id.
    pub rule: String,
    /// What it shows.
    pub name: String,
    /// Messages, all of one service and one moment.
    pub given: Vec<String>,
    /// Whether the rule must fire.
    pub found: bool,
    /// The file it was read from.
    pub origin: String,
}

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Id, kebab-case; names the fault.
    pub id: String,
    /// Title; reads after "detected".
    pub title: String,
    /// Seed scenarios it serves, the main one first; empty for rules about the evidence itself.
    pub scenarios: Vec<u8>,
    /// Whether its main scenario stands or falls by it.
    pub headline: bool,
    /// The worst severity it gives, for the table of rules.
    pub severity: String,
    /// Inputs it needs: all of these, each with alternatives.
    pub needs: Vec<Vec<Input>>,
    /// What it needs besides to say that there is no such fault, where it can tell of one by less.
    pub needs_to_clear: Vec<Vec<Input>>,
    /// What to record next time.
    pub collect: String,
    /// Rules whose faults this one causes.
    pub leads_to: Vec<String>,
    /// Every number it compares with.
    pub thresholds: BTreeMap<String, Threshold>,
    /// How it looks.
    pub detect: Detect,
    /// Its texts.
    pub text: Texts,
    /// Its texts for sub-kinds; what one leaves out is taken from `text`.
    pub kinds: BTreeMap<String, Texts>,
    /// The file it was read from.
    pub origin: String,
}

impl Rule {
    /// The value of a threshold, or its lower limit; `None` only if the file does not have it.
    #[must_use]
    pub fn find_limit(&self, name: &str) -> Option<f64> {
        self.thresholds.get(name).map(|t| t.info)
    }

    /// The value of a threshold, or its lower limit.
    ///
    /// # Panics
    /// If the rule's file has no such threshold: the loader has checked every name a native detector asks for, so it is
    /// a mistake of ours, and the engine reports the rule as failed.
    #[must_use]
    pub fn limit(&self, name: &str) -> f64 {
        match self.find_limit(name) {
            Some(value) => value,
            None => panic!("rule {} has no threshold {name}", self.id),
        }
    }

    /// The upper limit of a threshold.
    ///
    /// # Panics
    /// As [`Rule::limit`].
    #[must_use]
    pub fn upper(&self, name: &str) -> f64 {
        match self.thresholds.get(name) {
            Some(threshold) => threshold.warn,
            None => panic!("rule {} has no threshold {name}", self.id),
        }
    }

    /// The title for a sub-kind: its own if it has one, else the rule's.
    #[must_use]
    pub fn title(&self, kind: &str) -> &str {
        self.kinds.get(kind).map(|own| own.title.as_str()).filter(|title| !title.is_empty()).unwrap_or(&self.title)
    }

    /// The texts for a sub-kind: its own where it has some, else the rule's.
    #[must_use]
    pub fn texts(&self, kind: &str) -> Texts {
        let Some(own) = self.kinds.get(kind) else { return self.text.clone() };
        let text = |own: &String, common: &String| if own.is_empty() { common.clone() } else { own.clone() };
        let list = |own: &Vec<String>, common: &Vec<String>| if own.is_empty() { common.clone() } else { own.clone() };
        Texts {
            title: own.title.clone(),
            what: text(&own.what, &self.text.what),
            why: text(&own.why, &self.text.why),
            fix: list(&own.fix, &self.text.fix),
            false_alarms: list(&own.false_alarms, &self.text.false_alarms),
            links: list(&own.links, &self.text.links),
        }
    }
}

/// A number a rule compares with.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// Unit.
    pub unit: String,
    /// Worth noting from here; also the value of a threshold that has only one.
    pub info: f64,
    /// Worth waking someone from here; the same as `info` if there is only one.
    pub warn: f64,
    /// Why this number.
    pub why: String,
}

/// How a rule looks.
#[derive(Clone, Debug, PartialEq)]
pub enum Detect {
    /// By a detector of `rules/native`.
    Native(String),
    /// By counting a signal.
    Signal(SignalCount),
    /// By SQL over the tables: one row a finding.
    Sql(String),
}

/// Counts a signal per subject and window.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalCount {
    /// The signal.
    pub signal: String,
    /// What one finding is about.
    pub per: Per,
    /// Nanoseconds of the sliding window; none counts over the whole bundle.
    pub window: Option<i64>,
}

/// What one finding of a counting rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// A service.
    Service,
    /// A service's instance.
    Instance,
    /// A service and the name that the signal captured.
    Name,
    /// The whole bundle.
    Bundle,
}

/// A rule's words. `{name}` stands for a measure, a word of the finding, or a part of its subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// What a sub-kind is called where the rule's title would say too much; empty if it would not.
    pub title: String,
    /// One sentence with the measured values.
    pub what: String,
    /// Why it hurts and how it was concluded.
    pub why: String,
    /// What to do, the most effective first.
    pub fix: Vec<String>,
    /// Harmless things that look alike.
    pub false_alarms: Vec<String>,
    /// Where to read on.
    pub links: Vec<String>,
}

/// A wording that rules listen to.
#[derive(Clone, Debug)]
pub struct SignalSpec {
    /// Name: `retry.attempt`.
    pub signal: String,
    /// One of these must occur in the record (message or stack), or none is looked for.
    pub literals: Vec<String>,
    /// Whether case does not matter.
    pub ignore_case: bool,
    /// If given it must match; its captures `name`, `key` and `value` are kept, or instead of a value `seconds`, in milliseconds.
    pub regex: Option<Pattern>,
    /// Words that make the record no signal.
    pub unless: Vec<String>,
    /// The file it was read from.
    pub origin: String,
}

/// What a signal's captures say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said<'t> {
    /// The capture `name`, or empty.
    pub name: &'t str,
    /// The capture `key`, or empty.
    pub key: &'t str,
    /// The capture `value`, or NaN.
    pub value: f64,
}

impl SignalSpec {
    /// Whether the text carries the signal, and what it says. This is the definition; a scan over many records looks
    /// for the literals of all signals at once and asks here only where one occurs.
    #[must_use]
    pub fn find<'t>(&self, text: &'t str) -> Option<Said<'t>> {
        let holds = |word: &String| if self.ignore_case { holds_ignoring_case(text, word) } else { text.contains(word.as_str()) };
        if !self.literals.iter().any(holds) || self.unless.iter().any(holds) {
            return None;
        }
        let mut said = Said { name: "", key: "", value: f64::NAN };
        if let Some(regex) = &self.regex {
            let captures = regex.captures(text)?;
            let part = |name| captures.name(name).map_or("", |part| part.as_str());
            said.name = part("name");
            said.key = part("key");
            said.value = part("value").parse().or_else(|_| part("seconds").parse().map(|seconds: f64| 1000.0 * seconds)).unwrap_or(f64::NAN);
        }
        Some(said)
    }
}

fn holds_ignoring_case(text: &str, word: &str) -> bool {
    word.is_empty() || text.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

/// Wordings and fields that make a record or span a domain fact.
#[derive(Clone, Debug, Default)]
pub struct EffectSpec {
    /// Family: `payment`, `cache`, `job`.
    pub effect: String,
    /// Words of each operation: `charge: [charge, charged, capture]`. Lower case, matched on word borders.
    pub operations: Vec<(String, Vec<String>)>,
    /// Words of each phase (`attempt`, `success`, `failure`, `ambiguous`, `replay`, `prevented`, `reversed`), the first match wins.
    pub phases: Vec<(String, Vec<String>)>,
    /// Words which, within three words before a success word, turn it into a failure.
    pub negations: Vec<String>,
    /// Names of the fields of each role: `key`, `token`, `outcome`, `space`, `amount`, `currency`, `party`, `version`, `source`,
    /// `status`. Compared without case, dashes, underscores and dots.
    pub fields: Vec<(String, Vec<String>)>,
    /// Roles of which at least one must be present.
    pub requires: Vec<String>,
    /// The file it was read from.
    pub origin: String,
}
