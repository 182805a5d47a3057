//! What OTLP says, whichever way it is encoded: drafts that a decoder fills, and how they become records.
//!
//! The JSON and the protobuf reader differ only in how they find the values; what a severity number means, which
//! resource attribute is the service, and how a histogram becomes series is said here once. Drafts are filled and
//! cleared over and over, so that a span costs no allocation. What this folder does not do: look at bytes.

pub mod any;
pub mod log;
pub mod metric;
pub mod span;

use crate::model::record::{Field, Level, SpanKind, SpanStatus, Value};
use crate::model::source::Evidence;
use crate::model::time::Time;
use foldhash::fast::FixedState;
use std::cell::Cell;
use std::hash::{BuildHasher, Hash, Hasher};

/// Which of the three kinds of request some bytes hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// Metrics.
    Metrics,
    /// Spans.
    Traces,
    /// Log records.
    Logs,
}

/// Where decoded bytes stand in the file.
#[derive(Clone, Copy, Debug)]
pub struct Ground {
    whole: Evidence,
    opaque: bool,
}

impl Ground {
    /// The decoded bytes are the file's own, from `whole.start` on.
    #[must_use]
    pub const fn plain(whole: Evidence) -> Self {
        Self { whole, opaque: false }
    }

    /// The decoded bytes were made from `whole`, which can only be cited as a whole.
    #[must_use]
    pub const fn opaque(whole: Evidence) -> Self {
        Self { whole, opaque: true }
    }

    /// Evidence for `len` decoded bytes at `at`.
    #[must_use]
    pub fn part(&self, at: usize, len: usize) -> Evidence {
        if self.opaque {
            return self.whole;
        }
        // A text longer than its bytes was read as Latin-1; a length at the limit says nothing about the end.
        let held = if self.whole.len == u32::MAX { usize::MAX } else { self.whole.len as usize };
        let at = at.min(held);
        Evidence::new(self.whole.file, self.whole.start + at as u64, len.min(held - at))
    }
}

/// Who tells: the attributes of a resource.
#[derive(Default)]
pub struct Resource<'a> {
    /// All attributes.
    pub attributes: Vec<Field<'a>>,
    /// `service.name`, unless it is the placeholder of an SDK that was not told the name.
    pub service: &'a str,
    /// The instance: its id, else the pod, else the host.
    pub instance: &'a str,
    /// Digest of the attributes, once somebody has asked for it.
    digest: Cell<Option<u64>>,
}

/// The digest is compared within one run only; no output depends on it.
const HASHER: FixedState = FixedState::with_seed(0x7265_736f);

impl Resource<'_> {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.attributes.clear();
        (self.service, self.instance) = ("", "");
        self.digest.set(None);
    }

    /// What tells these attributes from others; many spans share a resource.
    pub fn digest(&self) -> u64 {
        if let Some(known) = self.digest.get() {
            return known;
        }
        let mut hasher = HASHER.build_hasher();
        for Field { key, value } in &self.attributes {
            match value {
                Value::Text(text) => (key, 0, text).hash(&mut hasher),
                Value::Int(n) => (key, 1, n).hash(&mut hasher),
                Value::Float(n) => (key, 2, n.to_bits()).hash(&mut hasher),
                Value::Bool(b) => (key, 3, b).hash(&mut hasher),
            }
        }
        let digest = hasher.finish() | 1;
        self.digest.set(Some(digest));
        digest
    }

    /// Finds service and instance among the attributes.
    pub fn settle(&mut self) {
        let named = |key: &str| self.attributes.iter().filter(|f| f.key == key).find_map(|f| f.value.text()).filter(|text| !text.is_empty());
        self.service = named("service.name").filter(|name| !name.starts_with("unknown_service")).unwrap_or_default();
        self.instance = ["service.instance.id", "k8s.pod.name", "host.name"].into_iter().find_map(named).unwrap_or_default();
    }
}

/// A time in nanoseconds; zero and what no `i64` holds is none.
#[must_use]
pub fn time(nanos: u64) -> Time {
    i64::try_from(nanos).ok().filter(|&n| n > 0).map_or(Time::NONE, Time)
}

/// The level of a severity number: four numbers a step, from 1 to 24.
#[must_use]
pub const fn level(number: i64) -> Level {
    match number {
        1..=4 => Level::Trace,
        5..=8 => Level::Debug,
        9..=12 => Level::Info,
        13..=16 => Level::Warn,
        17..=20 => Level::Error,
        21..=24 => Level::Fatal,
        _ => Level::None,
    }
}

/// The level of a severity text or of the name of a severity number: `warning`, `ERROR2`, `SEVERITY_NUMBER_INFO`.
#[must_use]
pub fn level_named(text: &str) -> Level {
    const NAMES: &[(&str, Level)] = &[
        ("trace", Level::Trace),
        ("finest", Level::Trace),
        ("finer", Level::Trace),
        ("verbose", Level::Trace),
        ("debug", Level::Debug),
        ("fine", Level::Debug),
        ("config", Level::Debug),
        ("info", Level::Info),
        ("notice", Level::Info),
        ("warn", Level::Warn),
        ("error", Level::Error),
        ("err", Level::Error),
        ("severe", Level::Error),
        ("fatal", Level::Fatal),
        ("crit", Level::Fatal),
        ("alert", Level::Fatal),
        ("emerg", Level::Fatal),
        ("panic", Level::Fatal),
    ];
    let text = text.trim().as_bytes();
    let text = text.strip_prefix(b"SEVERITY_NUMBER_").unwrap_or(text);
    NAMES
        .iter()
        .find(|(name, _)| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes())))
        .map_or(Level::None, |n| n.1)
}

/// The kind of a span by its number.
#[must_use]
pub const fn span_kind(number: i64) -> SpanKind {
    match number {
        1 => SpanKind::Internal,
        2 => SpanKind::Server,
        3 => SpanKind::Client,
        4 => SpanKind::Producer,
        5 => SpanKind::Consumer,
        _ => SpanKind::Unspecified,
    }
}

/// The status of a span by its number.
#[must_use]
pub const fn span_status(number: i64) -> SpanStatus {
    match number {
        1 => SpanStatus::Ok,
        2 => SpanStatus::Error,
        _ => SpanStatus::Unset,
    }
}

/// A field that holds text.
#[must_use]
pub const fn text_field<'a>(key: &'a str, text: &'a str) -> Field<'a> {
    Field { key, value: Value::Text(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_by_number_and_name() {
        assert_eq!([0, 1, 8, 9, 13, 20, 24, 25].map(|n| level(n).name()), ["", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", ""]);
        for (text, want) in [
            ("SEVERITY_NUMBER_ERROR2", Level::Error),
            ("Information", Level::Info),
            (" warning", Level::Warn),
            ("CRITICAL", Level::Fatal),
            ("FINE", Level::Debug),
            ("FINEST", Level::Trace),
            ("", Level::None),
            ("test severity text", Level::None),
        ] {
            assert_eq!(level_named(text), want, "{text}");
        }
    }

    #[test]
    fn the_instance_is_the_nearest_name_there_is() {
        let mut resource = Resource {
            attributes: vec![text_field("host.name", "node-1"), text_field("service.name", "orders"), text_field("k8s.pod.name", "orders-0")],
            ..Resource::default()
        };
        resource.settle();
        assert_eq!((resource.service, resource.instance), ("orders", "orders-0"));
        resource.attributes = vec![text_field("service.name", "unknown_service:java"), text_field("service.instance.id", "")];
        resource.settle();
        assert_eq!((resource.service, resource.instance), ("", ""));
    }
}
