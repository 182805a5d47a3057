//! YAML with positions: a tree of nodes that know where they stand, and a list of what is wrong with them.
//!
//! ```text
//! rules/retries/retry-storm.yaml:14:5: unknown key `inof` in a threshold; did you mean `info`?
//! rules/retries/retry-storm.yaml:9:8: expected a list of texts, found a number
//! rules/retries/retry-storm.yaml:1:1: a rule needs the key `collect`
//! ```
//!
//! What this file does not do: know what a rule or a signal is. All mistakes of a file are collected, so that one run
//! shows them all; a function that has noted a problem answers `None`.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;

/// A position in a file, both counted from one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct At {
    /// Line.
    pub line: u64,
    /// Column in characters.
    pub column: u64,
}

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where.
    pub at: At,
    /// What.
    pub value: Yaml,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Yaml {
    /// Nothing after the colon.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A number without quotes.
    Number(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys, where each stands, and values, in the order of the file.
    Map(Vec<(String, At, Node)>),
}

impl Yaml {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Flag(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "keys and values",
        }
    }
}

/// What is wrong with one file.
#[derive(Debug)]
pub(crate) struct Problems {
    path: String,
    found: Vec<String>,
}

impl Problems {
    /// None yet.
    pub(crate) fn of(path: &str) -> Self {
        Self { path: path.to_owned(), found: Vec::new() }
    }

    /// Notes one.
    pub(crate) fn note(&mut self, at: At, what: impl fmt::Display) {
        self.found.push(format!("{}:{}:{}: {what}", self.path, at.line, at.column));
    }

    /// Notes a name that is not among the known ones, with the nearest, or with all if there are few.
    pub(crate) fn unknown<'a>(&mut self, at: At, what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) {
        let known: Vec<&str> = known.into_iter().collect();
        let hint = match nearest(name, &known) {
            Some(near) => format!("; did you mean `{near}`?"),
            None if known.is_empty() => String::new(),
            None if known.len() <= 16 => format!("; known are {}", known.join(", ")),
            None => format!("; {} are known, none is similar", known.len()),
        };
        self.note(at, format_args!("unknown {what} `{name}`{hint}"));
    }

    /// What was found, in the order of discovery.
    pub(crate) fn into_lines(self) -> Vec<String> {
        self.found
    }
}

/// The known name that a reader most likely meant, if one is similar.
pub(crate) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let mut best = (0.0, None);
    for candidate in known {
        let likeness = strsim::normalized_damerau_levenshtein(name, candidate).max(strsim::jaro_winkler(name, candidate) - 0.25);
        if likeness > best.0 {
            best = (likeness, Some(*candidate));
        }
    }
    best.1.filter(|_| best.0 >= 0.55)
}

/// Parses one document. The parser itself bounds depth, nodes and alias expansion.
pub(crate) fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    match serde_saphyr::from_str_with_options::<Node>(text, options) {
        Ok(node) => Some(node),
        Err(error) => {
            let at = error.location().map_or(At { line: 1, column: 1 }, |l| At { line: l.line(), column: l.column() });
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default().lines().next().unwrap_or_default();
            problems.note(at, format_args!("not valid YAML: {message}"));
            None
        }
    }
}

impl Node {
    /// The text, which must not be empty.
    pub(crate) fn text(&self, problems: &mut Problems) -> Option<String> {
        match &self.value {
            Yaml::Text(text) if !text.trim().is_empty() => Some(text.trim_end().to_owned()),
            Yaml::Text(_) => self.refuse("a text that is not empty", problems),
            Yaml::Number(_) | Yaml::Flag(_) => {
                problems.note(self.at, format_args!("expected a text, found {}; write it in quotes", self.value.kind()));
                None
            }
            _ => self.refuse("a text", problems),
        }
    }

    /// Texts of a list; a text alone is a list of one.
    pub(crate) fn texts(&self, problems: &mut Problems) -> Option<Vec<String>> {
        match &self.value {
            Yaml::List(items) => items.iter().map(|item| item.text(problems)).collect(),
            Yaml::Text(_) => self.text(problems).map(|text| vec![text]),
            _ => self.refuse("a list of texts", problems),
        }
    }

    /// The items of a list; anything else is a list of itself.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Yaml::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    /// A finite number.
    pub(crate) fn number(&self, problems: &mut Problems) -> Option<f64> {
        match self.value {
            Yaml::Number(number) if number.is_finite() => Some(number),
            _ => self.refuse("a number", problems),
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, problems: &mut Problems) -> Option<bool> {
        match self.value {
            Yaml::Flag(flag) => Some(flag),
            _ => self.refuse("true or false", problems),
        }
    }

    /// The items of a list.
    pub(crate) fn list(&self, problems: &mut Problems) -> Option<&[Self]> {
        match &self.value {
            Yaml::List(items) => Some(items),
            _ => self.refuse("a list", problems),
        }
    }

    /// The entries of a mapping with keys of the writer's own.
    pub(crate) fn entries(&self, problems: &mut Problems) -> Option<&[(String, At, Self)]> {
        match &self.value {
            Yaml::Map(entries) => Some(entries),
            _ => self.refuse("keys and values", problems),
        }
    }

    /// The entries of a mapping whose keys are given; any other key is a problem. `what` reads after "in" and "needs".
    pub(crate) fn section<'a>(&'a self, what: &'static str, known: &[&'static str], problems: &mut Problems) -> Option<Section<'a>> {
        let entries = self.entries(problems)?;
        for (key, at, _) in entries.iter().filter(|(key, ..)| !known.contains(&key.as_str())) {
            problems.unknown(*at, &format!("key in {what}:"), key, known.iter().copied());
        }
        Some(Section { what, at: self.at, entries })
    }

    fn refuse<T>(&self, expected: &str, problems: &mut Problems) -> Option<T> {
        problems.note(self.at, format_args!("expected {expected}, found {}", self.value.kind()));
        None
    }
}

/// A mapping with given keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section<'a> {
    what: &'static str,
    /// Where it begins.
    pub at: At,
    entries: &'a [(String, At, Node)],
}

impl<'a> Section<'a> {
    /// The value of a key that may be left out; nothing after the colon counts as left out.
    pub(crate) fn find(&self, key: &str) -> Option<&'a Node> {
        self.entries.iter().find(|(k, ..)| k == key).map(|(.., node)| node).filter(|node| !matches!(node.value, Yaml::Null))
    }

    /// The value of a key that must be there.
    pub(crate) fn need(&self, key: &str, problems: &mut Problems) -> Option<&'a Node> {
        let found = self.find(key);
        if found.is_none() {
            problems.note(self.at, format_args!("{} needs the key `{key}`", self.what));
        }
        found
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Yaml>::deserialize(deserializer)?;
        let at = At { line: spanned.referenced.line(), column: spanned.referenced.column() };
        Ok(Self { at, value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyShape)
    }
}

struct AnyShape;

impl<'de> Visitor<'de> for AnyShape {
    type Value = Yaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_none<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Yaml, E> {
        Ok(Yaml::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Yaml, E> {
        Ok(Yaml::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Yaml, E> {
        Ok(Yaml::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Yaml, E> {
        Ok(Yaml::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Yaml, E> {
        Ok(Yaml::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Yaml, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Yaml::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Yaml, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let at = At { line: key.referenced.line(), column: key.referenced.column() };
            map.push((key.value, at, entries.next_value()?));
        }
        Ok(Yaml::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, read: impl Fn(&Node, &mut Problems)) -> Vec<String> {
        let mut problems = Problems::of("f.yaml");
        if let Some(node) = parse(text, &mut problems) {
            read(&node, &mut problems);
        }
        problems.into_lines()
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let found = lines("title: x\nhedline: true\n", |node, problems| {
            node.section("a rule", &["title", "headline"], problems);
        });
        assert_eq!(found, ["f.yaml:2:1: unknown key in a rule: `hedline`; did you mean `headline`?"]);
    }

    #[test]
    fn a_name_like_no_other_lists_all() {
        let found = lines("zzz: 1\n", |node, problems| {
            node.section("a rule", &["title", "headline"], problems);
        });
        assert_eq!(found, ["f.yaml:1:1: unknown key in a rule: `zzz`; known are title, headline"]);
    }

    #[test]
    fn a_missing_key_is_named() {
        let found = lines("a:\n  title:\n", |node, problems| {
            let inner = node.section("a file", &["a"], problems).and_then(|s| s.need("a", problems)).unwrap();
            inner.section("a rule", &["title"], problems).unwrap().need("title", problems);
        });
        assert_eq!(found, ["f.yaml:2:3: a rule needs the key `title`"]);
    }

    #[test]
    fn wrong_types_say_what_was_expected() {
        let found = lines("a: 404\nb: {x: 1}\nc: yes\nd: [1]\ne: ''\nf: many", |node, problems| {
            let s = node.section("a file", &["a", "b", "c", "d", "e", "f"], problems).unwrap();
            s.find("a").unwrap().text(problems);
            s.find("b").unwrap().texts(problems);
            s.find("c").unwrap().flag(problems);
            s.find("d").unwrap().entries(problems);
            s.find("e").unwrap().text(problems);
            s.find("f").unwrap().number(problems);
            s.find("a").unwrap().list(problems);
        });
        assert_eq!(
            found,
            [
                "f.yaml:1:4: expected a text, found a number; write it in quotes",
                "f.yaml:2:4: expected a list of texts, found keys and values",
                "f.yaml:3:4: expected true or false, found a text",
                "f.yaml:4:4: expected keys and values, found a list",
                "f.yaml:5:4: expected a text that is not empty, found a text",
                "f.yaml:6:4: expected a number, found a text",
                "f.yaml:1:4: expected a list, found a number",
            ]
        );
    }

    #[test]
    fn broken_yaml_has_a_position() {
        let found = lines("a: [1, 2\nb: 3\n", |_, _| {});
        assert!(found.len() == 1 && found[0].starts_with("f.yaml:2:") && found[0].contains("not valid YAML"), "{found:?}");
        let found = lines("a: 1\na: 2\n", |_, _| {});
        assert!(found.len() == 1 && found[0].starts_with("f.yaml:2:1: not valid YAML"), "{found:?}");
        let deep = "[".repeat(300);
        assert_eq!(lines(&deep, |_, _| {}).len(), 1);
    }
}
