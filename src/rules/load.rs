//! Reads rules, signals and effects: the built-in ones, then those of the user's directories.
//!
//! A file whose top is a list holds signals and effects, one whose top is a mapping holds a rule. A rule of a later
//! directory replaces the one of the same id as a whole; signals and effects add up. Every mistake is an error that
//! names file, line and column, and all mistakes are reported together.
//!
//! What this file does not do: patch a part of a rule. A changed threshold in a copy of a whole file is seen in review
//! and does not break when the original changes.

use crate::model::rule::{RuleSet, Scenario};
use crate::rules::yaml::{At, Node, Problems, Yaml};
use crate::rules::{count, rule_file, signal_file, yaml};
use anyhow::{Context as _, Result, bail};
use include_dir::{Dir, include_dir};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/rules");

/// The catalogue's place among the built-in files.
const CATALOGUE: &str = "catalogue.yaml";

/// Directories below a user's directory are followed this far: enough for any tidy collection, and an end to link loops.
const DEPTH: usize = 8;

/// A file before it is read.
#[derive(Debug)]
struct Source {
    /// Path below `rules/` or below the user's directory, separated by slashes: the same on every machine.
    path: String,
    text: String,
    /// Zero for the built-in files, then one more for each directory of the user.
    layer: usize,
}

/// The built-in rules, with those of `directories` on top.
///
/// # Errors
/// A directory or file cannot be read, or a file does not validate.
pub fn load(directories: &[PathBuf]) -> Result<RuleSet> {
    let mut sources = built_in_files();
    for (number, directory) in directories.iter().enumerate() {
        let mut found = Vec::new();
        collect(directory, "", DEPTH, &mut found).with_context(|| format!("cannot read the rules in {}", directory.display()))?;
        found.sort();
        for (path, file) in found {
            let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read the rule file {}", file.display()))?;
            sources.push(Source { path, text, layer: number + 1 });
        }
    }
    assemble(&sources)
}

/// The built-in rules alone.
///
/// # Errors
/// A built-in file does not validate; a test holds that none does.
pub fn built_in() -> Result<RuleSet> {
    assemble(&built_in_files())
}

fn built_in_files() -> Vec<Source> {
    let mut files = Vec::new();
    let mut open = vec![&BUILT_IN];
    while let Some(directory) = open.pop() {
        open.extend(directory.dirs());
        for file in directory.files() {
            let path = file.path().to_string_lossy().replace('\\', "/");
            if let Some(text) = file.contents_utf8().filter(|_| is_yaml(&path)) {
                files.push(Source { path, text: text.to_owned(), layer: 0 });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn is_yaml(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml")
}

fn collect(directory: &Path, prefix: &str, depth: usize, found: &mut Vec<(String, PathBuf)>) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        if name.starts_with('.') {
            continue;
        }
        if entry.path().is_dir() {
            if depth == 0 {
                bail!("{path} lies too deep; at most {DEPTH} directories may be nested");
            }
            collect(&entry.path(), &path, depth - 1, found)?;
        } else if is_yaml(&path) {
            found.push((path, entry.path()));
        }
    }
    Ok(())
}

/// Everything the files say, or everything that is wrong with them.
fn assemble(sources: &[Source]) -> Result<RuleSet> {
    let mut set = RuleSet::default();
    let mut wrong = Vec::new();
    let mut mentioned: Vec<Mention> = Vec::new();
    let mut layers: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut retired = BTreeSet::new();
    let mut digest = blake3::Hasher::new();
    for source in sources {
        for part in [&source.path, &source.text] {
            digest.update(&(part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
        let mut problems = Problems::of(&source.path);
        let node = yaml::parse(&source.text, &mut problems);
        match node.as_ref().map(|node| &node.value) {
            Some(Yaml::List(items)) if source.layer == 0 && source.path == CATALOGUE => set.scenarios = catalogue(items, &mut problems),
            Some(Yaml::List(items)) => {
                let file = signal_file::read(items, &source.path, &mut problems);
                set.signals.extend(file.signals);
                set.effects.extend(file.effects);
            }
            Some(Yaml::Map(_)) => {
                let Some(file) = node.as_ref().and_then(|node| rule_file::read(node, &source.path, &mut problems)) else {
                    wrong.extend(hinted(problems, source, &layers));
                    continue;
                };
                let id = file.rule.id.clone();
                if let Some((_, path)) = layers.get(&id).filter(|(layer, _)| *layer == source.layer) {
                    problems.note(At { line: 1, column: 1 }, format_args!("the rule `{id}` is also in {path}"));
                }
                layers.insert(id.clone(), (source.layer, source.path.clone()));
                set.samples.retain(|sample| sample.rule != id);
                mentioned.retain(|mention| mention.by != id);
                let mention = |names: Vec<(String, At)>, rule| {
                    let (by, path) = (id.clone(), source.path.clone());
                    names.into_iter().map(move |(name, at)| Mention { by: by.clone(), path: path.clone(), at, name, rule })
                };
                mentioned.extend(mention(file.rules, true));
                mentioned.extend(mention(file.signals, false));
                if file.retired {
                    set.rules.remove(&id);
                    retired.insert(id);
                } else {
                    set.samples.extend(file.samples);
                    retired.remove(&id);
                    set.rules.insert(id, file.rule);
                }
            }
            Some(_) => problems.note(At { line: 1, column: 1 }, "neither a rule (keys and values) nor a list of signals"),
            None => {}
        }
        wrong.extend(problems.into_lines());
    }
    wrong.extend(dangling(&set, &retired, &mentioned));
    if wrong.is_empty() {
        wrong.extend(count::failing_samples(&set));
    }
    if !wrong.is_empty() {
        bail!("{} in the rules:\n{}", if wrong.len() == 1 { "a mistake".to_owned() } else { format!("{} mistakes", wrong.len()) }, wrong.join("\n"));
    }
    set.digest = format!("blake3:{}", digest.finalize().to_hex());
    Ok(set)
}

/// A name that a rule file uses and another file must define.
#[derive(Debug)]
struct Mention {
    by: String,
    path: String,
    at: At,
    name: String,
    rule: bool,
}

/// Someone who writes only what differs finds that all other keys are missing: says why.
fn hinted(problems: Problems, source: &Source, known: &BTreeMap<String, (usize, String)>) -> Vec<String> {
    let mut lines = problems.into_lines();
    let stem = source.path.rsplit('/').next().and_then(|file| file.split('.').next()).unwrap_or_default();
    if let Some((_, path)) = known.get(stem).filter(|_| lines.iter().any(|line| line.contains("a rule needs the key"))) {
        lines.push(format!("{}:1:1: a rule is replaced as a whole, not in part: copy {path} and change the copy", source.path));
    }
    lines
}

fn dangling(set: &RuleSet, retired: &BTreeSet<String>, mentioned: &[Mention]) -> Vec<String> {
    let catalogued = set.scenarios.values().flat_map(|scenario| scenario.headline.iter().chain(&scenario.further));
    let rules: BTreeSet<&str> = set.rules.keys().chain(retired).chain(catalogued).map(String::as_str).collect();
    let signals: BTreeSet<&str> = set.signals.iter().map(|signal| signal.signal.as_str()).collect();
    let mut lines = Vec::new();
    for mention in mentioned {
        let (what, known) = if mention.rule { ("rule", &rules) } else { ("signal", &signals) };
        if !known.contains(mention.name.as_str()) {
            let mut problems = Problems::of(&mention.path);
            problems.unknown(mention.at, what, &mention.name, known.iter().copied());
            lines.extend(problems.into_lines());
        }
    }
    lines
}

fn catalogue(items: &[Node], problems: &mut Problems) -> BTreeMap<u8, Scenario> {
    let mut all = BTreeMap::new();
    for item in items {
        let Some(section) = item.section("a scenario", &["number", "name", "headline", "further"], problems) else { continue };
        let number = section.need("number", problems).and_then(|node| node.number(problems));
        let name = section.need("name", problems).and_then(|node| node.text(problems));
        let headline = section.need("headline", problems).and_then(|node| node.texts(problems));
        let further = section.need("further", problems).and_then(|node| node.texts(problems));
        if let (Some(number), Some(name), Some(headline), Some(further)) = (number, name, headline, further) {
            all.insert(number as u8, Scenario { name, headline, further });
        }
    }
    all
}
