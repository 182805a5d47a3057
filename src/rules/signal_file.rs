//! A signal file: a list of wordings that rules listen to, and of domain effects.
//!
//! ```text
//! - signal: circuit-breaker.opened
//!   literal: changed state from
//!   regex: CircuitBreaker '(?<name>[^']+)' changed state from \w+ to (?:FORCED_)?OPEN
//! - effect: payment
//!   operations: { charge: [charge, capture], refund: [refund] }
//! ```
//!
//! What this file does not do: search records; `SignalSpec::find` defines what a match is.

use crate::model::pattern::Pattern;
use crate::model::rule::{EffectSpec, SignalSpec};
use crate::rules::yaml::{Node, Problems, Yaml};

/// What one file gives.
#[derive(Debug, Default)]
pub(crate) struct SignalFile {
    /// Its signals.
    pub signals: Vec<SignalSpec>,
    /// Its effects.
    pub effects: Vec<EffectSpec>,
}

const SIGNAL_KEYS: &[&str] = &["signal", "literal", "literals", "ignore_case", "regex", "unless"];
const EFFECT_KEYS: &[&str] = &["effect", "operations", "phases", "negations", "fields", "requires"];
const CAPTURES: &[&str] = &["name", "key", "value", "seconds"];
const PHASES: &[&str] = &["attempt", "success", "failure", "ambiguous", "replay", "prevented", "reversed"];
const ROLES: &[&str] = &["key", "token", "outcome", "space", "amount", "currency", "party", "version", "source", "status", "age", "path"];

/// Reads the list; what is wrong is noted and left out. Patterns of files that are `trusted` are compiled when they are needed.
pub(crate) fn read(items: &[Node], path: &str, trusted: bool, problems: &mut Problems) -> SignalFile {
    let mut file = SignalFile::default();
    for item in items {
        let has = |key| matches!(&item.value, Yaml::Map(entries) if entries.iter().any(|(k, ..)| k == key));
        match (has("signal"), has("effect")) {
            (true, false) => file.signals.extend(signal(item, path, trusted, problems)),
            (false, true) => file.effects.extend(effect(item, path, problems)),
            _ => problems.note(item.at, "an item of a signal file begins with either `signal` or `effect`"),
        }
    }
    file
}

fn signal(node: &Node, path: &str, trusted: bool, problems: &mut Problems) -> Option<SignalSpec> {
    let section = node.section("a signal", SIGNAL_KEYS, problems)?;
    let signal = section.need("signal", problems).and_then(|node| name(node, problems));
    let literals = match (section.find("literal"), section.find("literals")) {
        (Some(one), None) => one.text(problems).map(|text| vec![text]),
        (None, Some(many)) => many.texts(problems).filter(|all| !all.is_empty()),
        _ => {
            problems.note(section.at, "a signal needs either `literal` or `literals`: it is what makes the search fast");
            None
        }
    };
    let ignore_case = section.find("ignore_case").map_or(Some(false), |node| node.flag(problems));
    let regex = section.find("regex").map_or(Some(None), |node| pattern(node, ignore_case.unwrap_or(false), trusted, problems).map(Some));
    let unless = section.find("unless").map_or(Some(Vec::new()), |node| node.texts(problems));
    Some(SignalSpec { signal: signal?, literals: literals?, ignore_case: ignore_case?, regex: regex?, unless: unless?, origin: path.to_owned() })
}

/// Lower-case words joined by dashes, families separated by a dot: `circuit-breaker.opened`.
fn name(node: &Node, problems: &mut Problems) -> Option<String> {
    let name = node.text(problems)?;
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if name.split(['.', '-']).all(word) {
        return Some(name);
    }
    problems.note(node.at, format_args!("the name `{name}` must be lower-case words joined by dashes and dots"));
    None
}

fn pattern(node: &Node, ignore_case: bool, trusted: bool, problems: &mut Problems) -> Option<Pattern> {
    let text = node.text(problems)?;
    if trusted {
        return Some(Pattern::trusted(text, ignore_case));
    }
    let pattern = match Pattern::checked(&text, ignore_case) {
        Ok(pattern) => pattern,
        Err(error) => {
            // The library draws the pattern with a marker over several lines; its last line says what is wrong.
            let why = error.to_string();
            let why = why.lines().next_back().unwrap_or_default().trim().trim_start_matches("error: ");
            problems.note(node.at, format_args!("not a valid regex: {why}"));
            return None;
        }
    };
    let mut known = true;
    for name in pattern.names().filter(|name| !CAPTURES.contains(name)) {
        problems.unknown(node.at, "capture", name, CAPTURES.iter().copied());
        known = false;
    }
    known.then_some(pattern)
}

fn effect(node: &Node, path: &str, problems: &mut Problems) -> Option<EffectSpec> {
    let section = node.section("an effect", EFFECT_KEYS, problems)?;
    let family = section.need("effect", problems).and_then(|node| name(node, problems));
    let operations = section.need("operations", problems).and_then(|node| groups(node, None, problems));
    let phases = section.find("phases").map_or(Some(Vec::new()), |node| groups(node, Some(("phase", PHASES)), problems));
    let negations = section.find("negations").map_or(Some(Vec::new()), |node| node.texts(problems));
    let fields = section.need("fields", problems).and_then(|node| groups(node, Some(("role of a field", ROLES)), problems));
    let requires = section.find("requires").map_or(Some(Vec::new()), |node| {
        let roles = node.texts(problems)?;
        let known: Vec<&str> = fields.iter().flatten().map(|(role, _)| role.as_str()).collect();
        for role in roles.iter().filter(|role| fields.is_some() && !known.contains(&role.as_str())) {
            problems.unknown(node.at, "role in `requires`:", role, known.iter().copied());
        }
        Some(roles)
    });
    Some(EffectSpec {
        effect: family?,
        operations: lower_case(operations?),
        phases: lower_case(phases?),
        negations: negations?.iter().map(|word| word.to_lowercase()).collect(),
        fields: fields?,
        requires: requires?,
        origin: path.to_owned(),
    })
}

/// Words are compared in lower case, however they are written in the file.
fn lower_case(groups: Vec<(String, Vec<String>)>) -> Vec<(String, Vec<String>)> {
    groups.into_iter().map(|(name, words)| (name, words.iter().map(|word| word.to_lowercase()).collect())).collect()
}

/// Named lists of words, in the order of the file; with `known`, only those names.
fn groups(node: &Node, known: Option<(&str, &[&str])>, problems: &mut Problems) -> Option<Vec<(String, Vec<String>)>> {
    let mut all = Vec::new();
    let mut well = true;
    for (name, at, node) in node.entries(problems)? {
        if let Some((what, known)) = known.filter(|(_, known)| !known.contains(&name.as_str())) {
            problems.unknown(*at, what, name, known.iter().copied());
            well = false;
        }
        match node.texts(problems) {
            Some(words) => all.push((name.clone(), words)),
            None => well = false,
        }
    }
    well.then_some(all)
}
