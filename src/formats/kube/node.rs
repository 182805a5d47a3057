//! One Kubernetes object as a tree that knows where each part stands, whether JSON or YAML says it.
//!
//! What this file does not do: parse; `json.rs` and `yaml.rs` make the trees, and bound them.

use crate::formats::timestamp;
use crate::model::time::Time;

/// A part of an object and its bytes in the text it was read from.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    /// Offset of its first byte.
    pub from: usize,
    /// Offset after its last byte.
    pub to: usize,
    /// What it is.
    pub shape: Shape<'a>,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Shape<'a> {
    /// Nothing, or `null`.
    Null,
    /// A text, a number or a word, as written.
    Text(&'a str),
    /// A list.
    List(Vec<Node<'a>>),
    /// Keys and values in the order of the text.
    Map(Vec<(&'a str, Node<'a>)>),
}

static NOTHING: Node<'static> = Node { from: 0, to: 0, shape: Shape::Null };

impl<'a> Node<'a> {
    /// The node that keys lead to, one inside the other; nothing if a key is not there.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> &Self {
        path.iter().fold(self, |node, key| node.entries().iter().find(|(k, _)| k == key).map_or(&NOTHING, |(_, value)| value))
    }

    /// The text at a key; empty if there is none.
    #[must_use]
    pub fn text(&self, key: &str) -> &'a str {
        self.at(&[key]).word()
    }

    /// Its own text; empty if it is none.
    #[must_use]
    pub const fn word(&self) -> &'a str {
        if let Shape::Text(text) = self.shape { text } else { "" }
    }

    /// The number at a key.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<f64> {
        self.text(key).parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// The time at a key.
    #[must_use]
    pub fn time(&self, key: &str) -> Time {
        timestamp::iso(self.text(key).as_bytes(), 0).map_or(Time::NONE, |(time, _)| time)
    }

    /// Items of a list; none if it is no list.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        if let Shape::List(items) = &self.shape { items } else { &[] }
    }

    /// Keys and values; none if it has no keys.
    #[must_use]
    pub fn entries(&self) -> &[(&'a str, Self)] {
        if let Shape::Map(entries) = &self.shape { entries } else { &[] }
    }

    /// Whether it has a key with a value.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        !matches!(self.at(&[key]).shape, Shape::Null)
    }
}
