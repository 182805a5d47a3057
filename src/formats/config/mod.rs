//! Configuration: files of settings become one entry a key, with secrets taken out as they are read.
//!
//! ```text
//! application-prod.yml, bootstrap.properties    .env, env.txt of a container      nginx.conf, haproxy.cfg
//! appsettings.json, actuator /env               jcmd VM.flags                     envoy.yaml, kong.yml, *.ini, *.toml
//! ```
//!
//! Settings have no magic number, and a log may hold lines like theirs. So each layout asks for nearly all lines of the
//! head, and where the shape alone could be anything, for a file name that says what it is. What this file does not do:
//! manifests of Kubernetes.

pub mod amount;
pub mod entry;
mod haproxy;
mod json;
mod jvm_flags;
pub mod meaning;
mod nginx;
mod properties;
pub mod secret;
mod sections;
mod variables;
mod yaml;

use crate::formats::{Confidence, Format, Match, ParseFn};
use crate::model::record::{Reason, Sink};
use crate::model::source::{Chunk, Head};
use entry::Entry;

/// Configuration files.
pub const FORMAT: Format = Format { name: "config", sniff };

/// Larger files are no settings.
const LARGEST: usize = 4 << 20;
/// How sure a layout is whose keys nobody else has.
const SURE: Confidence = 86;
/// How sure a layout is by the shape of its lines.
const LIKELY: Confidence = 76;
/// Keys that say which profile a document is for.
const ON_PROFILE: [&str; 2] = ["spring.config.activate.onprofile", "spring.profiles"];

fn sniff(head: &Head<'_>) -> Option<Match> {
    let text = text_of(head)?;
    let name = Name::of(head.path);
    if let Some(label) = json::layout(text, head.whole, name.says_settings) {
        return Some(Match::whole(SURE, label, json_file));
    }
    if text.starts_with(['{', '<']) {
        return None;
    }
    let claims: [(bool, Confidence, &'static str, ParseFn); 6] = [
        (jvm_flags::is_one(text), LIKELY, "config/jvm-flags", jvm_flags_file),
        (haproxy::is_one(text), SURE, "config/haproxy", haproxy_file),
        (nginx::is_one(text, head.whole), SURE, "config/nginx", nginx_file),
        (properties::is_one(text, name.ends_with(&[".properties"])), LIKELY, "config/properties", properties_file),
        (variables::is_one(text, name.is_env), LIKELY, "config/variables", variables_file),
        (sections::is_one(text, name.ends_with(&[".ini", ".toml", ".cnf"])), LIKELY, "config/sections", sections_file),
    ];
    if let Some((_, sure, label, parse)) = claims.into_iter().find(|(holds, ..)| *holds) {
        return Some(Match::whole(sure, label, parse));
    }
    let named = name.says_settings && name.ends_with(&[".yml", ".yaml"]);
    yaml::layout(text, head.whole, named).map(|label| Match::whole(SURE, label, yaml_file))
}

/// The head as text; none if it is binary. Latin letters in a comment are no reason to refuse.
fn text_of<'a>(head: &Head<'a>) -> Option<&'a str> {
    let first = head.bytes.utf8_chunks().next()?;
    let enough = first.valid().len() + 4 >= head.bytes.len() || first.valid().len() > 256;
    (enough && !head.bytes.contains(&0)).then(|| first.valid().trim_start())
}

/// What the name of a file tells.
struct Name {
    name: String,
    says_settings: bool,
    is_env: bool,
}

impl Name {
    fn of(path: &str) -> Self {
        const STEMS: &[&str] =
            &["application", "bootstrap", "appsettings", "config", "configuration", "settings", "values", "compose", "envoy", "kong"];
        let name = path.rsplit(['/', '!']).next().unwrap_or_default().to_ascii_lowercase();
        let name =
            [".gz", ".zst", ".bak", ".txt", "~"].iter().fold(name.as_str(), |name, packed| name.strip_suffix(packed).unwrap_or(name)).to_owned();
        let says_settings = name.split(['-', '_', '.']).any(|word| STEMS.contains(&word));
        let is_env = name.split(['-', '_', '.']).any(|word| matches!(word, "env" | "environment"));
        Self { name, says_settings, is_env }
    }

    fn ends_with(&self, endings: &[&str]) -> bool {
        endings.iter().any(|ending| self.name.ends_with(ending))
    }
}

/// Lines with their offsets, without their ends.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    bytes.split_inclusive(|b| *b == b'\n').map(move |line| {
        let start = at;
        at += line.len();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        (start, line.strip_suffix(b"\r").unwrap_or(line))
    })
}

/// Gives the entries of one document the profile that it names for itself.
fn set_profile(entries: &mut [Entry], first: usize) {
    let Some(document) = entries.get_mut(first..) else { return };
    let named = document.iter().find(|entry| ON_PROFILE.contains(&entry.key.as_str())).map(|entry| entry.value.to_lowercase());
    if let Some(profile) = named {
        document.iter_mut().for_each(|entry| entry.profile.clone_from(&profile));
    }
}

/// Declares the parsers of the layouts: each refuses what is too large to be settings.
macro_rules! files {
    ($($name:ident => $parse:path),* $(,)?) => { $(
        fn $name(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
            if chunk.bytes.len() > LARGEST {
                sink.quarantine(chunk.evidence(0, chunk.bytes.len()), Reason::TooLong);
            } else {
                $parse(chunk, sink);
            }
        }
    )* };
}

files! {
    haproxy_file => haproxy::parse,
    json_file => json::parse,
    jvm_flags_file => jvm_flags::parse,
    nginx_file => nginx::parse,
    properties_file => properties::parse,
    sections_file => sections::parse,
    variables_file => variables::parse,
    yaml_file => yaml::parse,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::recognise;

    fn label(path: &str, text: &str) -> String {
        recognise(&Head { path, bytes: text.as_bytes(), whole: true }).map_or_else(String::new, |found| found.label)
    }

    #[test]
    fn files_by_shape_and_name() {
        for (path, text, want) in [
            ("application.yml", "app:\n  a: 1\n", "config/yaml"),
            ("x.txt", "spring:\n  a: 1\n", "config/spring-yaml"),
            ("x.txt", "spring.a=1\nspring.b=2\nspring.c=3\n", "config/properties"),
            ("pod/env.txt", "PATH=/bin\nhome=/root\n", "config/variables"),
            ("app.toml", "[a]\nb = 1\n", "config/sections"),
            ("appsettings.Production.json", "{\"Http\":{\"Timeout\":5}}", "config/json"),
            ("dump.txt", "4044:\n-XX:MaxHeapSize=1 -XX:+UseSerialGC -XX:-X\n", "config/jvm-flags"),
        ] {
            assert_eq!(label(path, text), want, "{path}");
        }
    }

    #[test]
    fn records_of_others_are_not_claimed() {
        for (path, text) in [
            ("config.log", "2026-11-22 10:00:00.000  INFO 1 --- [main] c.a.App : started\n"),
            ("env.log", "level=info ts=2026-11-22T10:00:00Z msg=started\nlevel=info ts=2026-11-22T10:00:01Z msg=ready\n"),
            ("config.json", "{\"@timestamp\":\"2026-11-22T10:00:00Z\",\"level\":\"INFO\",\"message\":\"x\"}\n"),
            ("metrics.properties.prom", "# TYPE up gauge\nup{job=\"a\"} 1\n"),
            ("values.yaml", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n"),
        ] {
            assert!(!label(path, text).starts_with("config/"), "{path}: {}", label(path, text));
        }
    }

    #[test]
    fn what_is_too_large_is_quarantined() {
        let text = "a.b=1\n".repeat(LARGEST / 6 + 1);
        let said = crate::formats::fixture::read(properties_file, text.as_bytes());
        assert_eq!((said.records, said.quarantined), (0, 1));
    }
}
