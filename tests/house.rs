//! The rules of the house, held by reading the source: layers, sizes, and who may touch files, clocks and the network.
//!
//! `UPDATE_README=1 cargo test house` writes the table of rules into the README.

use crate::program::files;
use analyze::formats::FORMATS;
use analyze::model::rule::Detect;
use analyze::rules::native::DETECTORS;
use analyze::rules::{explain, load};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder may use itself and what stands before it.
const LAYERS: [&str; 9] = ["model", "bundle", "formats", "correlate", "rules", "findings", "report", "pipeline", "cli"];
/// Lines of code in a file: comments make it longer and easier to read, and tests are beside the point.
const LONGEST: usize = 500;
/// Worth a thought from here on.
const LONG: usize = 400;

/// Crates that speak over a network; a crate whose name begins with one of these counts too.
const NETWORK: &[&str] = &[
    "attohttpc",
    "aws-",
    "azure_",
    "cloud-storage",
    "curl",
    "dns-lookup",
    "google-cloud",
    "h2",
    "h3",
    "hickory",
    "http",
    "hyper",
    "isahc",
    "minreq",
    "native-tls",
    "object_store",
    "openssl",
    "quinn",
    "reqwest",
    "russh",
    "rustls",
    "s2n",
    "schannel",
    "security-framework",
    "ssh2",
    "surf",
    "tiny_http",
    "tokio-native-tls",
    "tokio-rustls",
    "tonic",
    "trust-dns",
    "tungstenite",
    "ureq",
    "webpki",
];

/// A source file of the program.
struct Source {
    /// Below `src/`.
    path: String,
    text: String,
    /// Compiled for tests only.
    test: bool,
}

impl Source {
    /// The lines that are not tests.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let text = if self.test { "" } else { &self.text[..end] };
        text.lines().enumerate().map(|(number, line)| (number + 1, line))
    }

    /// The lines that are neither tests nor comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn folder(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let all: Vec<(PathBuf, String)> = files(&src)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path, text)
        })
        .collect();
    let tests: BTreeSet<PathBuf> = all.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    let below = |path: &Path| path.strip_prefix(&src).unwrap_or(path).to_string_lossy().replace('\\', "/");
    all.into_iter().map(|(path, text)| Source { path: below(&path), text, test: tests.contains(&path) }).collect()
}

/// The files of `#[cfg(test)] mod name;`.
fn test_modules(path: &Path, text: &str) -> Vec<PathBuf> {
    let folder = match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("mod" | "lib" | "main") | None => path.parent().unwrap_or(path).to_owned(),
        Some(_) => path.with_extension(""),
    };
    let lines: Vec<&str> = text.lines().collect();
    let names = lines.windows(2).filter(|pair| pair[0].trim() == "#[cfg(test)]").filter_map(|pair| {
        let (_, name) = pair[1].trim().split_once("mod ")?;
        name.strip_suffix(';')
    });
    names.map(|name| folder.join(format!("{name}.rs"))).collect()
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Every mention of `needles` in code of files that are not among `allowed` (beginnings of paths).
fn only_in(allowed: &[&str], needles: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| !allowed.iter().any(|path| source.path.starts_with(path))) {
        for (number, line) in source.code() {
            faults.extend(needles.iter().filter(|needle| line.contains(*needle)).map(|needle| format!("src/{}:{number}: {needle}", source.path)));
        }
    }
    faults
}

#[test]
fn folders_use_only_folders_to_their_left() {
    let rank = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    let mut faults = Vec::new();
    for source in sources() {
        let Some(own) = rank(source.folder()) else {
            if !matches!(source.path.as_str(), "main.rs" | "lib.rs") {
                faults.push(format!("src/{}: no layer of this name", source.path));
            }
            continue;
        };
        for (number, line) in source.code() {
            for used in line.split("crate::").skip(1) {
                let name: String = used.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                match rank(&name) {
                    Some(used) if used <= own => {}
                    _ => faults.push(format!("src/{}:{number}: {} may not use crate::{name}", source.path, source.folder())),
                }
            }
        }
    }
    none(&faults);
}

#[test]
fn paths_are_written_out() {
    let mut faults = only_in(&[], &["super::super", "extern crate"]);
    for source in sources() {
        // A prelude is made to be taken as a whole.
        let globs = source.code().filter(|(_, line)| line.contains("::*;") && !line.contains("::prelude::*;"));
        faults.extend(globs.map(|(number, line)| format!("src/{}:{number}: {line}", source.path)));
    }
    // The head of a folder sees its neighbours through `crate::`, where the test of the layers sees them too.
    let heads = sources();
    let heads = heads.iter().filter(|source| source.path.ends_with("/mod.rs") && source.path.matches('/').count() == 1);
    faults.extend(heads.flat_map(|source| {
        let lines = source.code().filter(|(_, line)| line.contains("super::"));
        lines.map(|(number, _)| format!("src/{}:{number}: super", source.path)).collect::<Vec<_>>()
    }));
    none(&faults);
}

#[test]
fn files_say_what_they_do_and_are_short() {
    let mut faults = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//! ") && !source.path.ends_with("/tests.rs") {
            faults.push(format!("src/{}: the first line does not say what the file does", source.path));
        }
        match source.code().filter(|(_, line)| !line.trim().is_empty()).count() {
            lines if lines > LONGEST => faults.push(format!("src/{}: {lines} lines of code", source.path)),
            lines if lines > LONG => println!("src/{}: {lines} lines, worth a thought", source.path),
            _ => {}
        }
    }
    none(&faults);
}

#[test]
fn files_clocks_and_environment_are_touched_at_the_border() {
    let mut faults =
        only_in(&["bundle/", "rules/load.rs", "pipeline/", "main.rs"], &["std::fs", "path::absolute", ".exists()", ".is_dir()", ".metadata()"]);
    faults.extend(only_in(&["pipeline/", "main.rs"], &["SystemTime", "Instant"]));
    faults.extend(only_in(&["main.rs"], &["std::env", "env::var", "println!", "eprintln!", "process::"]));
    none(&faults);
}

#[test]
fn unsafe_code_lives_in_one_file() {
    none(&only_in(&["bundle/map.rs"], &["unsafe ", "unsafe{"]));
}

#[test]
fn nothing_is_left_to_do() {
    let mut faults = only_in(&[], &["todo!", "unimplemented!", "dbg!", "#[ignore"]);
    for source in sources() {
        for (number, line) in source.text.lines().enumerate() {
            let left = ["TODO", "FIXME"].iter().find(|word| line.contains(*word));
            faults.extend(left.map(|word| format!("src/{}:{}: {word}", source.path, number + 1)));
        }
    }
    none(&faults);
}

#[test]
fn input_cannot_reach_a_panic_of_ours() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| matches!(source.folder(), "formats" | "bundle")) {
        for (number, line) in source.code() {
            let found = [".unwrap()", ".expect(", "panic!(", "unreachable!(", "assert!(", "assert_eq!("].iter().find(|word| line.contains(*word));
            faults.extend(found.map(|word| format!("src/{}:{number}: {word}", source.path)));
        }
    }
    none(&faults);
}

#[test]
fn maps_have_an_order_or_a_seed() {
    none(&only_in(&[], &["RandomState", "HashMap::new()", "HashSet::new()"]));
}

#[test]
fn the_network_is_out_of_reach() {
    none(&only_in(&[], &["std::net", "TcpStream", "UdpSocket", "UnixStream", "ToSocketAddrs", "Command::new"]));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut tree = Command::new(cargo);
    tree.args(["tree", "--offline", "--edges", "normal,build", "--prefix", "none", "--manifest-path"]).arg(root().join("Cargo.toml"));
    let out = tree.output().unwrap_or_else(|error| panic!("{tree:?}: {error}"));
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let listed = String::from_utf8_lossy(&out.stdout);
    let crates: BTreeSet<&str> = listed.lines().filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty()).collect();
    assert!(crates.contains("analyze") && crates.len() > 50, "{listed}");
    let speaks = |name: &&&str| NETWORK.iter().any(|known| name.starts_with(known));
    assert_eq!(crates.iter().filter(speaks).collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn every_format_is_listed_or_used() {
    let all = sources();
    let built = all.iter().filter(|source| !source.test);
    let names: BTreeSet<&str> = built.filter_map(|source| source.path.strip_prefix("formats/")?.split(['/', '.']).next()).collect();
    let used = |name: &str| {
        let own = [format!("formats/{name}.rs"), format!("formats/{name}/")];
        all.iter()
            .filter(|source| !own.iter().any(|own| source.path.starts_with(own)))
            .any(|source| source.code().any(|(_, line)| mentions(line, name)))
    };
    let idle: Vec<&&str> = names.iter().filter(|name| **name != "mod" && !used(name)).collect();
    assert_eq!(idle, Vec::<&&str>::new(), "no other file uses these");
    let labels: BTreeSet<&str> = FORMATS.iter().map(|format| format.name).collect();
    assert_eq!(labels.len(), FORMATS.len(), "two formats have one name");
}

/// Whether a line uses a module, by `name::` or in the list of a `use`.
fn mentions(line: &str, name: &str) -> bool {
    let word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    line.match_indices(name).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|at| line.as_bytes().get(at));
        let after = &line[at + name.len()..];
        let listed = line.trim_start().starts_with("use ") && !word(after.as_bytes().first());
        !word(before) && (after.starts_with("::") || listed)
    })
}

#[test]
fn detectors_and_rule_files_agree() {
    let rules = load::built_in().unwrap_or_else(|error| panic!("{error:#}"));
    let asked: BTreeSet<&str> = rules
        .rules
        .values()
        .filter_map(|rule| match &rule.detect {
            Detect::Native(id) => Some(id.as_str()),
            _ => None,
        })
        .collect();
    let written: BTreeSet<&str> = DETECTORS.iter().map(|detector| detector.id).collect();
    assert_eq!(asked, written);
    assert_eq!(written.len(), DETECTORS.len(), "two detectors have one id");
}

#[test]
fn every_rule_is_complete() {
    let rules = load::built_in().unwrap_or_else(|error| panic!("{error:#}"));
    let mut faults = Vec::new();
    for (id, rule) in &rules.rules {
        let mut want = |is: bool, what: &str| {
            if !is {
                faults.push(format!("{id}: {what}"));
            }
        };
        want(id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "the id is not kebab-case");
        want(rule.origin.ends_with(&format!("/{id}.yaml")), "the file is not called as the rule");
        want(!rule.title.is_empty() && !rule.title.ends_with('.'), "no title");
        want(matches!(rule.severity.as_str(), "info" | "low" | "medium" | "high" | "critical"), "no severity");
        want(!rule.collect.is_empty(), "does not say what to record next time");
        want(!rule.thresholds.is_empty(), "compares with no number");
        for (name, threshold) in &rule.thresholds {
            want(!threshold.unit.is_empty(), &format!("{name} has no unit"));
            want(threshold.why.split(' ').count() > 4, &format!("{name} has no reason"));
        }
        for kind in std::iter::once("").chain(rule.kinds.keys().map(String::as_str)) {
            let texts = rule.texts(kind);
            want(!texts.what.is_empty() && !texts.why.is_empty(), &format!("no texts {kind}"));
            want(!texts.fix.is_empty(), &format!("no remedy {kind}"));
            want(!texts.false_alarms.is_empty(), &format!("no look-alikes {kind}"));
        }
        for number in &rule.scenarios {
            want(rules.scenarios.contains_key(number), &format!("there is no scenario {number}"));
        }
    }
    none(&faults);
}

#[test]
fn the_readme_lists_the_rules() {
    const MARKS: [&str; 2] = ["<!-- rules -->", "<!-- /rules -->"];
    let path = root().join("README.md");
    let Ok(readme) = fs::read_to_string(&path) else { return };
    let Some((before, rest)) = readme.split_once(MARKS[0]) else { return };
    let Some((listed, after)) = rest.split_once(MARKS[1]) else { panic!("the README has {} without {}", MARKS[0], MARKS[1]) };
    let rules = load::built_in().unwrap_or_else(|error| panic!("{error:#}"));
    let table = explain::markdown_table(&rules);
    if listed.trim() != table.trim() {
        if std::env::var_os("UPDATE_README").is_some() {
            let text = format!("{before}{}\n{}\n{}{after}", MARKS[0], table.trim(), MARKS[1]);
            return fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        panic!("the table of rules in the README is not current; UPDATE_README=1 cargo test house writes it:\n{table}");
    }
}
