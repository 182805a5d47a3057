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
    assemble(&sources, 1)
}

/// The built-in rules alone.
///
/// # Errors
/// A built-in file does not validate; a test holds that none does.
pub fn built_in() -> Result<RuleSet> {
    assemble(&built_in_files(), 1)
}

/// The built-in rules and one more, `x.yaml`: for tests.
#[cfg(test)]
pub(crate) fn with_rule(text: &str) -> Result<RuleSet> {
    let mut sources = built_in_files();
    sources.push(Source { path: "x.yaml".to_owned(), text: text.to_owned(), layer: 1 });
    assemble(&sources, 1)
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

/// Everything the files say, or everything that is wrong with them. Of files below the layer `checked` it is taken for granted
/// that patterns compile and samples hold: compiling all of them costs more than reading a small bundle.
fn assemble(sources: &[Source], checked: usize) -> Result<RuleSet> {
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
                let file = signal_file::read(items, &source.path, source.layer < checked, &mut problems);
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
    if wrong.is_empty() && sources.iter().any(|source| source.layer >= checked) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::rule::Detect;
    use crate::rules::native::DETECTORS;

    const RULE: &str = "\
id: x
title: T
status: stable
scenarios: [5]
headline: false
severity: high
needs: [spans or logs, files]
collect: C
leads_to: [retry-storm]
thresholds:
  count: {unit: n, info: 1, warn: 2, why: W}
detect:
  signal: {signal: redis.timeout, per: name, window: 90s}
text: {what: '{service}', why: W, fix: [F], false_alarms: [], links: []}
";

    /// What is wrong after one replacement in the rule above.
    fn wrong(from: &str, to: &str) -> String {
        assert!(RULE.contains(from), "{from}");
        let error = with_rule(&RULE.replacen(from, to, 1)).unwrap_err().to_string();
        error.strip_prefix("a mistake in the rules:\n").unwrap_or(&error).to_owned()
    }

    #[test]
    fn built_in_patterns_compile_and_samples_hold() {
        assemble(&built_in_files(), 0).unwrap();
    }

    fn signals(text: &str) -> String {
        let mut sources = built_in_files();
        sources.push(Source { path: "s.yaml".to_owned(), text: text.to_owned(), layer: 1 });
        let error = assemble(&sources, 1).unwrap_err().to_string();
        error.strip_prefix("a mistake in the rules:\n").unwrap_or(&error).to_owned()
    }

    #[test]
    fn a_rule_is_read() {
        let set = with_rule(RULE).unwrap();
        let rule = &set.rules["x"];
        assert_eq!((rule.scenarios.as_slice(), rule.needs.len(), rule.needs[0].len()), (&[5][..], 2, 2));
        assert!(matches!(&rule.detect, Detect::Signal(count) if count.window == Some(90_000_000_000)));
        assert!(set.digest.starts_with("blake3:") && set.digest != built_in().unwrap().digest);
    }

    #[test]
    fn every_mistake_in_a_rule_is_told() {
        assert_eq!(
            wrong("title:", "titel:"),
            "2 mistakes in the rules:\nx.yaml:2:1: unknown key in a rule: `titel`; did you mean `title`?\nx.yaml:1:1: a rule needs the key `title`"
        );
        assert_eq!(wrong("id: x", "id: X"), "x.yaml:1:5: the id `X` must be lower-case words joined by dashes");
        assert_eq!(wrong("id: x", "id: y"), "x.yaml:1:5: the id `y` must be the file's name, which is `x`");
        assert_eq!(wrong("title: T", "title: 5"), "x.yaml:2:8: expected a text, found a number; write it in quotes");
        assert_eq!(wrong("status: stable", "status: stabel"), "x.yaml:3:9: unknown status `stabel`; did you mean `stable`?");
        assert_eq!(wrong("[5]", "[five]"), "x.yaml:4:13: a scenario is its number in the catalogue");
        assert_eq!(wrong("false\n", "maybe\n"), "x.yaml:5:11: expected true or false, found a text");
        assert_eq!(wrong("severity: high", "severity: hihg"), "x.yaml:6:11: unknown severity `hihg`; did you mean `high`?");
        assert_eq!(wrong("spans or logs", "span or logs"), "x.yaml:7:9: unknown input `span`; did you mean `spans`?");
        assert_eq!(wrong("[retry-storm]", "[retry-strom]"), "x.yaml:9:12: unknown rule `retry-strom`; did you mean `retry-storm`?");
        assert_eq!(wrong("info: 1, warn: 2", "info: 1"), "x.yaml:11:10: a threshold needs either `value`, or both `info` and `warn`");
        assert_eq!(wrong("info: 1", "info: many"), "x.yaml:11:26: expected a number, found a text");
        assert_eq!(
            wrong("unit: n", "untis: n"),
            "2 mistakes in the rules:\nx.yaml:11:11: unknown key in a threshold: `untis`; did you mean `unit`?\nx.yaml:11:10: a threshold needs the key `unit`"
        );
        assert_eq!(wrong("count: {unit", "Count: {unit"), "x.yaml:11:3: the threshold `Count` must be lower-case words joined by underscores");
        assert_eq!(wrong("count: {unit", "cuont: {unit"), "x.yaml:13:3: `detect` asks for the threshold `count`; the file has cuont");
        assert_eq!(
            wrong("signal: redis.timeout", "signal: redis.timeouts"),
            "x.yaml:13:20: unknown signal `redis.timeouts`; did you mean `redis.timeout`?"
        );
        assert_eq!(wrong("per: name", "per: server"), "x.yaml:13:40: unknown subject of a count `server`; did you mean `service`?");
        assert_eq!(wrong("90s", "90 s"), "x.yaml:13:54: `90 s` is no window; write a number and ms, s, m or h, such as 10m");
        assert_eq!(
            wrong("signal: {signal: redis.timeout, per: name, window: 90s}", "native: unheard"),
            format!("x.yaml:13:11: unknown native detector `unheard`; {} are known, none is similar", DETECTORS.len())
        );
        assert_eq!(
            wrong("signal: {signal: redis.timeout, per: name, window: 90s}", "native: evidence-unreadble"),
            "x.yaml:13:11: unknown native detector `evidence-unreadble`; did you mean `evidence-unreadable`?"
        );
        let missing = wrong("signal: {signal: redis.timeout, per: name, window: 90s}", "native: evidence-unreadable");
        assert!(
            missing.starts_with("3 mistakes") && missing.contains("x.yaml:13:3: `detect` asks for the threshold `low_percent`; the file has count"),
            "{missing}"
        );
        assert_eq!(wrong("signal: {", "sql: x\n  signal: {"), "x.yaml:13:3: `detect` needs exactly one of `native`, `signal`, `sql`");
        assert_eq!(wrong("'{service}'", "'{service'"), "x.yaml:14:14: `{` without `}` before \"service\"; write `{{` for a brace");
        assert_eq!(wrong("fix: [F]", "fix: [F, '{a:b}']"), "x.yaml:14:44: `{a:b}`: only `unit` may follow the colon, not `b`");
        assert_eq!(wrong("text: {what: '{service}', ", "text: {"), "x.yaml:14:7: a rule's text needs the key `what`");
        assert_eq!(wrong("text:", "kinds: {k: {wy: a}}\ntext:"), "x.yaml:14:13: unknown key in a kind's text: `wy`; did you mean `why`?");
    }

    #[test]
    fn samples_are_tried() {
        let with = |given, expect| wrong("text:", &format!("tests:\n- {{name: n, given: '{given}', expect: {expect}}}\ntext:"));
        assert_eq!(with("all is well", "found"), "x.yaml: the rule `x` finds nothing in its test \"n\" (0 of 1 lines carry the signal)");
        assert_eq!(with("Command timed out after 2 s", "none"), "x.yaml: the rule `x` fires on its test \"n\" (1 of 1 lines carry the signal)");
        assert_eq!(with("a", "some"), "x.yaml:15:33: unknown expectation `some`; known are found, none");
        let native = RULE.replace("signal: {signal: redis.timeout, per: name, window: 90s}", "native: evidence-unreadable")
            + "tests: [{name: n, given: a, expect: none}]\n";
        assert!(with_rule(&native).unwrap_err().to_string().contains("only a rule that counts a signal has `tests` in its file"));
    }

    #[test]
    fn every_mistake_in_a_signal_is_told() {
        assert_eq!(
            signals("- signal: a\n  litteral: x\n").lines().nth(1).unwrap(),
            "s.yaml:2:3: unknown key in a signal: `litteral`; did you mean `literal`?"
        );
        assert_eq!(signals("- signal: a\n"), "s.yaml:1:3: a signal needs either `literal` or `literals`: it is what makes the search fast");
        assert_eq!(signals("- signal: A b\n  literal: x\n"), "s.yaml:1:11: the name `A b` must be lower-case words joined by dashes and dots");
        assert_eq!(signals("- signal: a\n  literal: x\n  regex: '(x'\n"), "s.yaml:3:10: not a valid regex: unclosed group");
        assert_eq!(
            signals("- signal: a\n  literal: x\n  regex: '(?<pool>x)'\n"),
            "s.yaml:3:10: unknown capture `pool`; known are name, key, value, seconds"
        );
        assert_eq!(signals("- literal: x\n"), "s.yaml:1:3: an item of a signal file begins with either `signal` or `effect`");
        let effect = "- effect: e\n  operations: {read: [r]}\n  phases: {succes: [ok]}\n  fields: {kee: [k]}\n  requires: [key]\n";
        let all = signals(effect);
        assert!(all.contains("s.yaml:3:12: unknown phase `succes`; did you mean `success`?"), "{all}");
        assert!(all.contains("s.yaml:4:12: unknown role of a field `kee`; did you mean `key`?"), "{all}");
        let effect = "- effect: e\n  operations: {read: [r]}\n  phases: {success: [ok]}\n  fields: {key: [k]}\n  requires: [keys]\n";
        assert_eq!(signals(effect), "s.yaml:5:13: unknown role in `requires`: `keys`; did you mean `key`?");
        assert_eq!(signals("plain text\n"), "s.yaml:1:1: neither a rule (keys and values) nor a list of signals");
    }

    #[test]
    fn a_users_rule_replaces_a_built_in_one_as_a_whole() {
        let directory = tempfile::tempdir().unwrap();
        let own = BUILT_IN.get_file("evidence/evidence-unreadable.yaml").unwrap().contents_utf8().unwrap().replace("info: 2", "info: 7");
        let path = directory.path().join("deep/evidence-unreadable.yaml");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, own).unwrap();
        std::fs::write(directory.path().join("words.yaml"), "- signal: redis.timeout\n  literal: our redis is slow\n").unwrap();
        let set = load(&[directory.path().to_owned()]).unwrap();
        assert!((set.rules["evidence-unreadable"].limit("unread_percent") - 7.0).abs() < 1e-9);
        assert_eq!(set.rules["evidence-unreadable"].origin, "deep/evidence-unreadable.yaml");
        assert!(set.signals.iter().filter(|signal| signal.signal == "redis.timeout").count() > 1, "wordings add up");
        std::fs::write(&path, "id: evidence-unreadable\nstatus: retired\n").unwrap();
        let error = load(&[directory.path().to_owned()]).unwrap_err().to_string();
        assert!(error.contains("replaced as a whole, not in part: copy evidence/evidence-unreadable.yaml"), "{error}");
        std::fs::write(&path, "id: evidence-unreadable\n").unwrap();
        let missing = load(&[PathBuf::from("no/such/place")]).unwrap_err().to_string();
        assert!(missing.contains("no/such/place"), "{missing}");
    }

    #[test]
    fn a_retired_rule_is_known_but_not_in_force() {
        let set = with_rule(&RULE.replace("status: stable", "status: retired")).unwrap();
        assert!(!set.rules.contains_key("x"));
    }

    #[test]
    fn an_id_twice_in_one_place_is_a_mistake() {
        let sources = ["a/x.yaml", "b/x.yaml"].map(|path| Source { path: path.to_owned(), text: RULE.to_owned(), layer: 1 });
        let error = assemble(&built_in_files().into_iter().chain(sources).collect::<Vec<_>>(), 1).unwrap_err().to_string();
        assert!(error.contains("b/x.yaml:1:1: the rule `x` is also in a/x.yaml"), "{error}");
    }

    #[test]
    fn built_in_rules_agree_with_the_catalogue_and_the_detectors() {
        let set = built_in().unwrap();
        assert_eq!(set.scenarios.len(), 16);
        for rule in set.rules.values() {
            let scenario = set.scenarios.get(rule.scenarios.first().unwrap_or(&0)).unwrap();
            let named = if rule.headline { &scenario.headline } else { &scenario.further };
            assert!(named.contains(&rule.id), "{}: its main scenario and `headline` differ from the catalogue", rule.id);
        }
        for detector in DETECTORS {
            assert!(matches!(&set.rules[detector.id].detect, Detect::Native(id) if id == detector.id), "{}", detector.id);
        }
    }
}
