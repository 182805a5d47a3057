//! YAML settings: Spring's `application.yml`, Envoy's bootstrap, Kong's declarative file, and the like.
//!
//! ```text
//! spring:
//!   datasource: { hikari: { maximum-pool-size: 20 } }     spring.datasource.hikari.maximumpoolsize
//! orders.hosts: [a, b]                                    orders.hosts[0], orders.hosts[1]
//! ---
//! spring.config.activate.on-profile: prod
//! ```
//!
//! Documents are read one by one, so that a broken one does not hide the others. What this file does not do: objects of
//! Kubernetes, which have a format of their own.

use super::entry::{Entry, canonical, emit};
use super::{lines, set_profile};
use crate::model::record::{Reason, Sink};
use crate::model::source::Chunk;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;
use std::ops::Range;

/// Top-level keys that frameworks own: with one of them a file is settings whatever its name.
const OWNED: &[&str] =
    &["spring", "server", "management", "resilience4j", "quarkus", "micronaut", "feign", "eureka", "static_resources", "_format_version"];

/// What the head of a file is: the layout's name, if it is settings.
pub fn layout(head: &str, whole: bool, named: bool) -> Option<&'static str> {
    let cut = if whole { head.len() } else { head.rfind('\n')? };
    let mut top: Vec<&str> = Vec::new();
    let mut nested = 0_usize;
    for line in head[..cut].lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')) {
        if line.starts_with("---") || line.starts_with("...") || line.starts_with('%') {
            continue;
        }
        if line.starts_with([' ', '-']) {
            nested += 1;
            continue;
        }
        let (key, rest) = line.split_once(':')?;
        if !is_key(key) || !(rest.is_empty() || rest.starts_with(' ')) {
            return None;
        }
        top.push(key.trim_matches(['"', '\'']));
    }
    let has = |key: &str| top.contains(&key);
    let owned = top.iter().any(|key| OWNED.contains(&key.split('.').next().unwrap_or_default()));
    if top.is_empty() || has("apiVersion") && has("kind") || nested == 0 && top.len() < 2 && !named {
        return None;
    }
    match (has("static_resources"), has("_format_version")) {
        (true, _) => Some("config/envoy"),
        (_, true) => Some("config/kong"),
        _ if owned && (nested > 0 || top.iter().any(|key| key.contains('.'))) => Some("config/spring-yaml"),
        _ if named => Some("config/yaml"),
        _ => None,
    }
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/' | b'[' | b']' | b'"' | b'\'' | b'$'))
}

/// Reads a whole file.
pub fn parse(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let mut entries = Vec::new();
    for range in documents(chunk.bytes) {
        let Some(bytes) = chunk.bytes.get(range.clone()) else { continue };
        let Ok(text) = std::str::from_utf8(bytes) else {
            sink.quarantine(chunk.evidence(range.start, range.len()), Reason::InvalidUtf8);
            continue;
        };
        let first = entries.len();
        let readable = readable(text);
        let options = serde_saphyr::options! { duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins, with_snippet: false };
        match serde_saphyr::from_str_with_options::<Node>(&readable, options) {
            Ok(node) => {
                let mut reader = Flatten { text, base: range.start, out: &mut entries };
                reader.node(&node, "", None);
            }
            Err(_) => sink.quarantine(chunk.evidence(range.start, range.len()), Reason::Malformed),
        }
        set_profile(&mut entries, first);
    }
    emit(chunk, &entries, sink);
}

/// The ranges of the documents, those without content left out.
fn documents(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let mut start = 0;
    for (at, line) in lines(bytes) {
        if line.starts_with(b"---") || line == b"..." {
            all.push(start..at);
            start = at + line.len();
        }
    }
    all.push(start..bytes.len());
    let says = |range: &Range<usize>| {
        lines(&bytes[range.clone()]).any(|(_, line)| !line.trim_ascii().is_empty() && !line.trim_ascii_start().starts_with(b"#"))
    };
    all.retain(says);
    all
}

/// The text with marks of templates (`@version@`, `{{ .Values.x }}`) replaced byte for byte by what YAML can read.
fn readable(text: &str) -> String {
    let text = text.replace("{{", "__").replace("}}", "__");
    [": @", ": `", ": %"].iter().fold(text, |text, mark| text.replace(mark, ": _")).replace('\t', " ")
}

/// A value and its bytes in the document.
struct Node {
    at: Range<usize>,
    value: Tree,
}

enum Tree {
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(String, Range<usize>, Node)>),
}

struct Flatten<'a> {
    text: &'a str,
    base: usize,
    out: &'a mut Vec<Entry>,
}

impl Flatten<'_> {
    /// The nesting is bounded by the parser.
    fn node(&mut self, node: &Node, key: &str, from: Option<usize>) {
        match &node.value {
            Tree::Map(entries) => {
                for (name, at, inner) in entries {
                    let name = canonical(name);
                    let key = if key.is_empty() { name } else { format!("{key}.{name}") };
                    self.node(inner, &key, Some(at.start));
                }
            }
            Tree::List(items) => {
                for (number, item) in items.iter().enumerate() {
                    self.node(item, &format!("{key}[{number}]"), None);
                }
            }
            Tree::Scalar(value) if !key.is_empty() => {
                let written = self.text.get(node.at.clone()).unwrap_or_default().trim();
                // What is not quoted is told as written: numbers keep their digits, templates their braces.
                let plain = !written.is_empty() && !written.starts_with(['"', '\'', '|', '>', '*', '&', '!']) && !written.contains('\n');
                let start = from.filter(|from| *from <= node.at.start).unwrap_or(node.at.start);
                let end = start + self.text.get(start..node.at.end).map_or(0, |text| text.trim_end().len());
                self.out.push(Entry::new(key.to_owned(), if plain { written } else { value }, self.base + start..self.base + end));
            }
            Tree::Scalar(_) => {}
        }
    }
}

fn range(spanned: &serde_saphyr::Location) -> Range<usize> {
    let span = spanned.span();
    let start = span.byte_offset().and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
    start..start + span.byte_len().and_then(|len| usize::try_from(len).ok()).unwrap_or(0)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Tree>::deserialize(deserializer)?;
        Ok(Self { at: range(&spanned.referenced), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyTree)
    }
}

struct AnyTree;

impl<'de> Visitor<'de> for AnyTree {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("settings")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(String::new()))
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(String::new()))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(flag.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let at = range(&key.referenced);
            map.push((key.value, at, entries.next_value()?));
        }
        Ok(Tree::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::{placeless, read};

    const SPRING: &str = "# orders\nspring:\n  application: {name: orders}\n  datasource:\n    password: hunter2\n    hikari:\n      maximumPoolSize: 020\n      hosts:\n        - a\n        - \"b c\"\nversion: @project.version@\n---\nspring.config.activate.on-profile: prod\nserver.tomcat.threads.max: 50 # few\n";

    #[test]
    fn documents_lists_and_inline_maps() {
        assert_eq!(layout(SPRING, true, false), Some("config/spring-yaml"));
        assert_eq!(
            placeless(&read(parse, SPRING.as_bytes())),
            [
                r#"setting service="orders" key="spring.application.name" value="orders""#,
                r#"setting service="orders" key="spring.datasource.password" value="***""#,
                r#"setting service="orders" key="spring.datasource.hikari.maximumpoolsize" value="020""#,
                r#"setting service="orders" key="spring.datasource.hikari.hosts[0]" value="a""#,
                r#"setting service="orders" key="spring.datasource.hikari.hosts[1]" value="b c""#,
                r#"setting service="orders" key="version" value="@project.version@""#,
                r#"setting service="orders" profile="prod" key="spring.config.activate.onprofile" value="prod""#,
                r#"setting service="orders" profile="prod" key="server.tomcat.threads.max" value="50""#,
            ]
        );
    }

    #[test]
    fn evidence_is_key_and_value() {
        let said = read(parse, SPRING.as_bytes()).text;
        for written in ["maximumPoolSize: 020", "server.tomcat.threads.max: 50", "name: orders"] {
            let at = SPRING.find(written).unwrap();
            assert!(said.contains(&format!("@{at}+{} ", written.len())), "{written} in {said}");
        }
    }

    #[test]
    fn a_broken_document_does_not_hide_the_next() {
        let said = read(parse, b"spring:\n  a: [1\nb: }\n---\nserver:\n  port: 1\n");
        assert_eq!((said.records, said.quarantined), (1, 1), "{}", said.text);
    }

    #[test]
    fn cut_files_do_not_break() {
        for end in 0..SPRING.len() {
            read(parse, &SPRING.as_bytes()[..end]);
        }
    }

    #[test]
    fn what_is_not_settings() {
        for text in [
            "apiVersion: v1\nkind: ConfigMap\nserver:\n  a: 1\n",
            "2026-11-22 10:00:00 INFO server: started\n",
            "Name:         web-1\nNamespace:    shop\n",
            "server: started\n",
            "level: info\nmsg: started\n",
            "INFO: server started\nWARN: slow\n",
        ] {
            assert_eq!(layout(text, true, false), None, "{text}");
        }
        assert_eq!(layout("static_resources:\n  listeners:\n  - name: a\n", true, false), Some("config/envoy"));
        assert_eq!(layout("_format_version: \"3.0\"\nservices:\n- name: a\n", true, false), Some("config/kong"));
    }
}
