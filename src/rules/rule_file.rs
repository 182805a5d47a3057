//! A rule file: the keys it may have and what each must hold.
//!
//! ```text
//! id: retry-storm
//! needs: [spans or logs]
//! thresholds: { attempts: { unit: attempts per call, info: 3, warn: 10, why: ... } }
//! detect: { native: retry-storm }
//! ```
//!
//! What this file does not do: look beyond its own file. Names of other rules and of signals are handed back with their
//! positions, and `load` checks them once every file is read.

use crate::model::finding::{Input, Severity};
use crate::model::rule::{Detect, Per, Rule, Sample, SignalCount, Texts, Threshold};
use crate::model::time::{MINUTE, SECOND};
use crate::rules::native::DETECTORS;
use crate::rules::yaml::{At, Node, Problems, Section, Yaml};
use crate::rules::{count, say};
use std::collections::BTreeMap;

/// What one file gives.
#[derive(Debug)]
pub(crate) struct RuleFile {
    /// The rule.
    pub rule: Rule,
    /// Whether it is in force: drafts and stable rules are, retired ones are only known by name.
    pub retired: bool,
    /// Its samples.
    pub samples: Vec<Sample>,
    /// Names of rules it mentions.
    pub rules: Vec<(String, At)>,
    /// Names of signals it mentions.
    pub signals: Vec<(String, At)>,
}

const KEYS: &[&str] = &[
    "id",
    "title",
    "status",
    "scenarios",
    "headline",
    "severity",
    "needs",
    "needs_to_clear",
    "collect",
    "leads_to",
    "thresholds",
    "detect",
    "text",
    "kinds",
    "tests",
];
const TEXT_KEYS: &[&str] = &["what", "why", "fix", "false_alarms", "links"];
const KIND_KEYS: &[&str] = &["title", "what", "why", "fix", "false_alarms", "links"];
const STATUSES: &[&str] = &["draft", "stable", "retired"];
const PER: &[(&str, Per)] = &[("service", Per::Service), ("instance", Per::Instance), ("name", Per::Name), ("bundle", Per::Bundle)];

/// Reads a rule; `None` if a problem was noted.
pub(crate) fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<RuleFile> {
    let file = node.section("a rule", KEYS, problems)?;
    // Everything is read before anything is given up, so that one run shows every mistake.
    let id = file.need("id", problems).and_then(|node| id(node, path, problems));
    let title = file.need("title", problems).and_then(|node| node.text(problems));
    let status = file.need("status", problems).and_then(|node| one_of(node, "status", STATUSES, problems));
    let scenarios = file.need("scenarios", problems).and_then(|node| scenarios(node, problems));
    let headline = file.find("headline").map_or(Some(false), |node| node.flag(problems));
    let severities = Severity::ALL.map(Severity::name);
    let severity = file.need("severity", problems).and_then(|node| one_of(node, "severity", &severities, problems));
    let needs = file.need("needs", problems).and_then(|node| needs(node, problems));
    let needs_to_clear = file.find("needs_to_clear").map_or(Some(Vec::new()), |node| self::needs(node, problems));
    let collect = file.need("collect", problems).and_then(|node| node.text(problems));
    let leads_to = file.find("leads_to").map_or(Some(Vec::new()), |node| names(node, problems));
    let thresholds = file.find("thresholds").map_or(Some(BTreeMap::new()), |node| thresholds(node, problems));
    let known = thresholds.clone().unwrap_or_default();
    let mut signals = Vec::new();
    let detect = file.need("detect", problems).and_then(|node| detect(node, thresholds.is_some().then_some(&known), &mut signals, problems));
    let counts = matches!(detect, Some(Detect::Signal(_)));
    let gaps = counts.then_some(count::GAPS);
    let text = file.need("text", problems).and_then(|node| texts(node, "a rule's text", true, gaps, problems));
    let kinds = file.find("kinds").map_or(Some(BTreeMap::new()), |node| kinds(node, gaps, problems));
    let samples = file.find("tests").map_or(Some(Vec::new()), |node| samples(node, counts, problems));

    let (id, leads_to) = (id?, leads_to?);
    let mut samples = samples?;
    for sample in &mut samples {
        sample.rule.clone_from(&id);
        path.clone_into(&mut sample.origin);
    }
    let rule = Rule {
        id,
        title: title?,
        scenarios: scenarios?,
        headline: headline?,
        severity: severity?.to_owned(),
        needs: needs?,
        needs_to_clear: needs_to_clear?,
        collect: collect?,
        leads_to: leads_to.iter().map(|(name, _)| name.clone()).collect(),
        thresholds: thresholds?,
        detect: detect?,
        text: text?,
        kinds: kinds?,
        origin: path.to_owned(),
    };
    Some(RuleFile { rule, retired: status? == "retired", samples, rules: leads_to, signals })
}

/// An id is in kebab-case and names its file, so that either leads to the other.
fn id(node: &Node, path: &str, problems: &mut Problems) -> Option<String> {
    let id = node.text(problems)?;
    let kebab = id.split('-').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    if !kebab {
        problems.note(node.at, format_args!("the id `{id}` must be lower-case words joined by dashes"));
        return None;
    }
    let file = path.rsplit('/').next().unwrap_or(path);
    let stem = file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml")).unwrap_or(file);
    if stem != id {
        problems.note(node.at, format_args!("the id `{id}` must be the file's name, which is `{stem}`"));
        return None;
    }
    Some(id)
}

fn one_of<'a>(node: &Node, what: &str, known: &[&'a str], problems: &mut Problems) -> Option<&'a str> {
    let text = node.text(problems)?;
    let found = known.iter().find(|name| **name == text).copied();
    if found.is_none() {
        problems.unknown(node.at, what, &text, known.iter().copied());
    }
    found
}

fn scenarios(node: &Node, problems: &mut Problems) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    for item in node.list(problems)? {
        match item.value {
            Yaml::Number(n) if (1.0..=99.0).contains(&n) && n.fract() == 0.0 => all.push(n as u8),
            _ => {
                problems.note(item.at, "a scenario is its number in the catalogue");
                return None;
            }
        }
    }
    Some(all)
}

/// Inputs: all items of the list, each with alternatives joined by `or`.
fn needs(node: &Node, problems: &mut Problems) -> Option<Vec<Vec<Input>>> {
    let mut all = Vec::new();
    let mut well = true;
    for item in node.list(problems)? {
        let Some(text) = item.text(problems) else {
            well = false;
            continue;
        };
        let mut alternatives = Vec::new();
        for name in text.split(" or ").map(str::trim) {
            match Input::ALL.into_iter().find(|input| input.name() == name) {
                Some(input) => alternatives.push(input),
                None => {
                    problems.unknown(item.at, "input", name, Input::ALL.map(Input::name));
                    well = false;
                }
            }
        }
        all.push(alternatives);
    }
    well.then_some(all)
}

fn names(node: &Node, problems: &mut Problems) -> Option<Vec<(String, At)>> {
    node.list(problems)?.iter().map(|item| item.text(problems).map(|name| (name, item.at))).collect()
}

fn thresholds(node: &Node, problems: &mut Problems) -> Option<BTreeMap<String, Threshold>> {
    let mut all = BTreeMap::new();
    let mut well = true;
    for (name, at, node) in node.entries(problems)? {
        match threshold(node, problems) {
            Some(threshold) if is_name(name) => {
                all.insert(name.clone(), threshold);
            }
            Some(_) => {
                problems.note(*at, format_args!("the threshold `{name}` must be lower-case words joined by underscores"));
                well = false;
            }
            None => well = false,
        }
    }
    well.then_some(all)
}

fn threshold(node: &Node, problems: &mut Problems) -> Option<Threshold> {
    let section = node.section("a threshold", &["unit", "info", "warn", "value", "why"], problems)?;
    let unit = section.need("unit", problems).and_then(|node| node.text(problems));
    let why = section.need("why", problems).and_then(|node| node.text(problems));
    let limits = match (section.find("value"), section.find("info"), section.find("warn")) {
        (Some(value), None, None) => value.number(problems).map(|value| (value, value)),
        (None, Some(info), Some(warn)) => info.number(problems).zip(warn.number(problems)),
        _ => {
            problems.note(section.at, "a threshold needs either `value`, or both `info` and `warn`");
            None
        }
    };
    let (info, warn) = limits?;
    Some(Threshold { unit: unit?, info, warn, why: why? })
}

fn detect(node: &Node, known: Option<&BTreeMap<String, Threshold>>, signals: &mut Vec<(String, At)>, problems: &mut Problems) -> Option<Detect> {
    let section = node.section("`detect`", &["native", "signal", "sql"], problems)?;
    let asks = |names: &[&str], problems: &mut Problems| {
        // Without readable thresholds a missing one would be a second message about the first mistake.
        let missing: Vec<&str> = known.map_or(Vec::new(), |known| names.iter().filter(|name| !known.contains_key(**name)).copied().collect());
        for name in &missing {
            problems.note(section.at, format_args!("`detect` asks for the threshold `{name}`{}", have(known)));
        }
        missing.is_empty()
    };
    match (section.find("native"), section.find("signal"), section.find("sql")) {
        (Some(node), None, None) => {
            let id = node.text(problems)?;
            let Some(detector) = DETECTORS.iter().find(|detector| detector.id == id) else {
                problems.unknown(node.at, "native detector", &id, DETECTORS.iter().map(|detector| detector.id));
                return None;
            };
            asks(detector.thresholds, problems).then_some(Detect::Native(id))
        }
        (None, Some(node), None) => {
            let count = signal_count(node, signals, problems);
            (asks(&["count"], problems)).then_some(Detect::Signal(count?))
        }
        (None, None, Some(node)) => {
            let sql = node.text(problems)?;
            asks(&["value"], problems).then_some(())?;
            let filled = fill_limits(&sql, node.at, known?, problems)?;
            crate::rules::sql::check(&filled).map_err(|why| problems.note(node.at, format_args!("the SQL does not parse: {why}"))).ok()?;
            Some(Detect::Sql(filled))
        }
        _ => {
            problems.note(section.at, "`detect` needs exactly one of `native`, `signal`, `sql`");
            None
        }
    }
}

fn have(known: Option<&BTreeMap<String, Threshold>>) -> String {
    match known {
        Some(known) if !known.is_empty() => format!("; the file has {}", known.keys().map(String::as_str).collect::<Vec<_>>().join(", ")),
        _ => ", and the file has none".to_owned(),
    }
}

fn signal_count(node: &Node, signals: &mut Vec<(String, At)>, problems: &mut Problems) -> Option<SignalCount> {
    let section = node.section("`signal`", &["signal", "per", "window"], problems)?;
    let signal = section.need("signal", problems).and_then(|node| Some((node.text(problems)?, node.at)));
    let names: Vec<&str> = PER.iter().map(|(name, _)| *name).collect();
    let per = section.need("per", problems).and_then(|node| one_of(node, "subject of a count", &names, problems));
    let window = section.find("window").map_or(Some(None), |node| window(node, problems).map(Some));
    let signal = signal?;
    signals.push(signal.clone());
    let per = PER.iter().find(|(name, _)| Some(*name) == per)?.1;
    Some(SignalCount { signal: signal.0, per, window: window? })
}

/// `30s`, `10m`, `1h`, `500ms`.
fn window(node: &Node, problems: &mut Problems) -> Option<i64> {
    let text = node.text(problems)?;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let nanos = match unit {
        "ms" => Some(1_000_000),
        "s" => Some(SECOND),
        "m" => Some(MINUTE),
        "h" => Some(60 * MINUTE),
        _ => None,
    };
    let length = nanos.zip(number.parse::<i64>().ok()).and_then(|(unit, number)| unit.checked_mul(number)).filter(|length| *length > 0);
    if length.is_none() {
        problems.note(node.at, format_args!("`{text}` is no window; write a number and ms, s, m or h, such as 10m"));
    }
    length
}

/// Puts thresholds in place of `{name}` (its lower limit) and `{name.warn}` in a query, so that no number hides there.
fn fill_limits(sql: &str, at: At, known: &BTreeMap<String, Threshold>, problems: &mut Problems) -> Option<String> {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((gap, after)) = after.split_once('}') else {
            problems.note(at, "`{` without `}` in the SQL; `{name}` stands for a threshold");
            return None;
        };
        let (name, upper) = gap.strip_suffix(".warn").map_or((gap, false), |name| (name, true));
        let Some(threshold) = known.get(name) else {
            problems.unknown(at, "threshold in the SQL:", name, known.keys().map(String::as_str));
            return None;
        };
        out.push_str(before);
        out.push_str(&format!("{:?}", if upper { threshold.warn } else { threshold.info }));
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// `gaps` are the names that may stand in braces, where they are known before a detector has run.
fn texts(node: &Node, what: &'static str, whole: bool, gaps: Option<&[&str]>, problems: &mut Problems) -> Option<Texts> {
    let section = node.section(what, if whole { TEXT_KEYS } else { KIND_KEYS }, problems)?;
    let title = if whole { None } else { section.find("title") };
    let title = title.map_or(Some(String::new()), |node| node.text(problems));
    let text = |key, problems: &mut Problems| match section_text(section, key, whole, problems) {
        Some(node) => node.text(problems).and_then(|text| spoken(node.at, text, gaps, problems)),
        None if whole => None,
        None => Some(String::new()),
    };
    let what = text("what", problems);
    let why = text("why", problems);
    let list = |key, needed, problems: &mut Problems| match section_text(section, key, needed, problems) {
        Some(node) => node.items().iter().map(|item| item.text(problems).and_then(|text| spoken(item.at, text, gaps, problems))).collect(),
        None if needed => None,
        None => Some(Vec::new()),
    };
    let fix = list("fix", whole, problems);
    let false_alarms = list("false_alarms", false, problems);
    let links = list("links", false, problems);
    Some(Texts { title: title?, what: what?, why: why?, fix: fix?, false_alarms: false_alarms?, links: links? })
}

fn section_text<'a>(section: Section<'a>, key: &str, needed: bool, problems: &mut Problems) -> Option<&'a Node> {
    if needed { section.need(key, problems) } else { section.find(key) }
}

/// A text whose `{gaps}` are well formed and known.
fn spoken(at: At, text: String, gaps: Option<&[&str]>, problems: &mut Problems) -> Option<String> {
    let names = match say::gaps(&text) {
        Ok(names) => names,
        Err(why) => {
            problems.note(at, why);
            return None;
        }
    };
    let known = gaps.unwrap_or(&names);
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        problems.unknown(at, "gap", name, known.iter().copied());
        return None;
    }
    Some(text)
}

fn kinds(node: &Node, gaps: Option<&[&str]>, problems: &mut Problems) -> Option<BTreeMap<String, Texts>> {
    let mut all = BTreeMap::new();
    let mut well = true;
    for (name, _, node) in node.entries(problems)? {
        match texts(node, "a kind's text", false, gaps, problems) {
            Some(texts) => drop(all.insert(name.clone(), texts)),
            None => well = false,
        }
    }
    well.then_some(all)
}

fn samples(node: &Node, counts: bool, problems: &mut Problems) -> Option<Vec<Sample>> {
    if !counts {
        problems.note(node.at, "only a rule that counts a signal has `tests` in its file; those of native and SQL rules are written in Rust");
        return None;
    }
    let mut all = Vec::new();
    for item in node.list(problems)? {
        let section = item.section("a test", &["name", "given", "expect"], problems)?;
        let name = section.need("name", problems).and_then(|node| node.text(problems));
        let given = section.need("given", problems).and_then(|node| node.texts(problems));
        let expect = section.need("expect", problems).and_then(|node| one_of(node, "expectation", &["found", "none"], problems));
        let given = given?.iter().flat_map(|text| text.lines().map(str::to_owned)).collect();
        all.push(Sample { rule: String::new(), name: name?, given, found: expect? == "found", origin: String::new() });
    }
    Some(all)
}

/// Lower-case words joined by underscores.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}
