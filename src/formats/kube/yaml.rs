//! YAML to the tree of an object, with places in bytes.
//!
//! ```text
//! - apiVersion: v1
//!   kind: Event
//!   involvedObject: {kind: Pod, name: orders-0}
//!   message: 'Readiness probe failed: HTTP probe failed with statuscode: 503'
//! ```
//!
//! The parser tells lines; a value stands from the beginning of its key's or item's line to where the next one begins.
//! It bounds depth, nodes and aliases. What this file does not do: split documents, or know what a key means.

use super::node::{Node, Shape};
use crate::formats::arena::Arena;
use crate::formats::json_scan::Step;
use crate::model::record::Reason;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;

/// A listing of some ten thousand events has so many nodes; one that has more is not read.
const MOST_NODES: usize = 2_000_000;

/// One document.
pub fn read<'a>(text: &str, arena: &'a Arena) -> Step<Node<'a>> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_nodes: MOST_NODES, max_events: 2 * MOST_NODES, max_documents: 1 },
    };
    let raw: Raw = serde_saphyr::from_str_with_options(text, options).map_err(|_| Reason::Malformed)?;
    let starts: Vec<usize> = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
    Ok(Places { text, starts, arena }.node(raw, text.len()))
}

/// A value and the number of its line, counted from one.
struct Raw {
    line: u64,
    shape: RawShape,
}

enum RawShape {
    Null,
    Text(String),
    List(Vec<Raw>),
    Map(Vec<(String, u64, Raw)>),
}

struct Places<'t, 'a> {
    text: &'t str,
    starts: Vec<usize>,
    arena: &'a Arena,
}

impl<'a> Places<'_, 'a> {
    fn start(&self, line: u64) -> usize {
        usize::try_from(line).ok().and_then(|line| self.starts.get(line.checked_sub(1)?).copied()).unwrap_or(0)
    }

    /// The node of a value that ends before `end` at the latest.
    fn node(&self, raw: Raw, end: usize) -> Node<'a> {
        let from = self.start(raw.line);
        self.shaped(raw.shape, from, end)
    }

    fn shaped(&self, shape: RawShape, from: usize, end: usize) -> Node<'a> {
        let end = end.max(from);
        let shape = match shape {
            RawShape::Null => Shape::Null,
            RawShape::Text(text) => Shape::Text(self.arena.keep(text)),
            RawShape::List(items) => {
                let ends: Vec<usize> = items.iter().skip(1).map(|item| self.start(item.line)).chain([end]).collect();
                Shape::List(items.into_iter().zip(ends).map(|(item, end)| self.node(item, end)).collect())
            }
            RawShape::Map(entries) => {
                let ends: Vec<usize> = entries.iter().skip(1).map(|(_, line, _)| self.start(*line)).chain([end]).collect();
                let placed = entries.into_iter().zip(ends).map(|((key, line, value), end)| {
                    let value = self.shaped(value.shape, self.start(line), end);
                    (self.arena.keep(key), value)
                });
                Shape::Map(placed.collect())
            }
        };
        let to = from + self.text.get(from..end).unwrap_or_default().trim_ascii_end().len();
        Node { from, to, shape }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<RawShape>::deserialize(deserializer)?;
        Ok(Self { line: spanned.referenced.line(), shape: spanned.value })
    }
}

impl<'de> Deserialize<'de> for RawShape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyShape)
    }
}

struct AnyShape;

impl<'de> Visitor<'de> for AnyShape {
    type Value = RawShape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<RawShape, E> {
        Ok(RawShape::Null)
    }

    fn visit_none<E>(self) -> Result<RawShape, E> {
        Ok(RawShape::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<RawShape, E> {
        Ok(RawShape::Text(flag.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<RawShape, E> {
        Ok(RawShape::Text(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<RawShape, E> {
        Ok(RawShape::Text(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<RawShape, E> {
        Ok(RawShape::Text(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<RawShape, E> {
        Ok(RawShape::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<RawShape, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(RawShape::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<RawShape, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            map.push((key.value, key.referenced.line(), entries.next_value()?));
        }
        Ok(RawShape::Map(map))
    }
}
