//! What spans are told apart by: the attributes of a span and its resource that take few values, `tenant=acme`, `service.version=2.1`.
//!
//! ```text
//! {"tenant":"acme","user.id":"u-81723","http.route":"/orders"}  in zone b   ->   tenant=acme, cloud.availability_zone=b
//! ```
//!
//! A key that takes more than a few values in a service is an id or a measure and falls out, whatever the order of the spans:
//! which keys did so is kept beside the rows and merges. All else is bounded by that: a span holds one number, that of a set of
//! pairs, and a set is kept once. What this file does not do: keep what other columns tell, as route, status and peer; or what
//! tells how a span ended, since that explains nothing.

use crate::model::names::{Interner, Sym};
use crate::model::record::{Field, SpanKind, SpanRecord, Value};
use crate::model::tables::Span;
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::hash::BuildHasher;

/// Values of one key in one service. Regions, versions, plans and flags have fewer; what has more does not say in a sentence
/// what bad requests have in common.
pub const MOST_VALUES: usize = 32;
/// Bytes of a key or value. Longer ones are texts.
const LONGEST: usize = 64;
/// Keys of one service. Who has more makes them up as it goes.
const MOST_KEYS: usize = 128;
/// Sets in a piece at which the key with most values falls out. A service has some dozens.
const MOST_SETS: usize = 4096;

/// Namespaces that other columns tell of, or that tell of the instruments.
const TOLD: &[&str] = &[
    "client",
    "code",
    "db",
    "error",
    "event",
    "exception",
    "http",
    "messaging",
    "net",
    "network",
    "otel",
    "peer",
    "rpc",
    "sampler",
    "sampling",
    "server",
    "source",
    "span",
    "telemetry",
    "thread",
    "url",
];
/// The same, as whole keys.
const TOLD_KEYS: &[&str] = &["", "code", "method", "uri", "service.name", "service.instance.id"];

/// What keys hold that say how a span went, and words that do.
const OUTCOMES: &[&str] = &["error", "exception", "fail", "outcome", "status", "success"];
const OUTCOME_WORDS: &[&str] = &[
    "attempt", "attempts", "duration", "elapsed", "err", "fault", "latency", "level", "message", "reason", "response", "result", "retries", "retry",
    "timeout",
];

/// Only finds equal things within one piece; no output depends on it.
const HASHER: FixedState = FixedState::with_seed(0x6174_7472);

/// Places at which the last key that stood there is remembered.
const SLOTS: usize = 256;

/// Collects the sets of one piece.
pub struct Attributes {
    keys: Vec<Key>,
    by_text: HashTable<u32>,
    /// For a service and a place among the attributes the key that was there last: it rarely is another.
    slots: Box<[u32; SLOTS]>,
    keys_of: HashMap<Sym, usize, FixedState>,
    /// Sets by what they hold: first that of the resource, then pairs.
    sets: HashMap<Box<[u64]>, u32, FixedState>,
    /// The set of a resource, by service and digest.
    resources: HashMap<(Sym, u64), u32, FixedState>,
    most_sets: usize,
    wide: BTreeSet<(Sym, Sym)>,
    pairs: Vec<u64>,
}

struct Key {
    service: Sym,
    text: Box<str>,
    state: State,
    values: Vec<Kept>,
    /// The value that was seen last.
    recent: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Kept,
    /// Has too many values.
    Wide,
    /// Is not of interest.
    Told,
}

#[derive(PartialEq, Eq)]
enum Kept {
    Text(Box<str>),
    Int(i64),
    Bool(bool),
}

impl Kept {
    fn is(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Text(mine), Value::Text(theirs)) => **mine == *theirs,
            (Self::Int(mine), Value::Int(theirs)) => *mine == theirs,
            (Self::Bool(mine), Value::Bool(theirs)) => *mine == theirs,
            _ => false,
        }
    }

    /// None if it is a measure or a text.
    fn of(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Text(text) if text.len() <= LONGEST && !text.contains('\n') => Some(Self::Text(text.into())),
            Value::Int(n) => Some(Self::Int(n)),
            Value::Bool(b) => Some(Self::Bool(b)),
            Value::Text(_) | Value::Float(_) => None,
        }
    }
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            by_text: HashTable::new(),
            slots: Box::new([u32::MAX; SLOTS]),
            keys_of: HashMap::with_hasher(HASHER),
            sets: HashMap::with_hasher(HASHER),
            resources: HashMap::with_hasher(HASHER),
            most_sets: MOST_SETS,
            wide: BTreeSet::new(),
            pairs: Vec::new(),
        }
    }
}

impl Attributes {
    /// The set of a span, for the time being as the number that [`Attributes::finish`] turns into a name. What a call carries
    /// is told of by the called side; only where a trace begins it may be told nowhere else.
    pub fn of(&mut self, span: &SpanRecord<'_>, service: Sym) -> Sym {
        if matches!(span.kind, SpanKind::Client | SpanKind::Producer) && !span.parent.is_none() {
            return Sym::NONE;
        }
        let resource = self.resource(span, service);
        self.pairs.clear();
        self.pairs.push(resource.into());
        self.collect(span.attributes, service);
        if self.pairs.len() == 1 { Sym(resource) } else { Sym(self.set()) }
    }

    /// The set of a resource: zero if it says nothing. It is looked at once, since it stands before many spans.
    fn resource(&mut self, span: &SpanRecord<'_>, service: Sym) -> u32 {
        if span.resource.is_empty() {
            return 0;
        }
        if let Some(known) = self.resources.get(&(service, span.resource_digest)).filter(|_| span.resource_digest != 0) {
            return *known;
        }
        self.pairs.clear();
        self.pairs.push(0);
        self.collect(span.resource, service);
        let set = if self.pairs.len() == 1 { 0 } else { self.set() };
        if self.resources.len() >= MOST_SETS {
            self.resources.clear();
        }
        self.resources.insert((service, span.resource_digest), set);
        set
    }

    /// Appends the pairs that are worth keeping.
    fn collect(&mut self, fields: &[Field<'_>], service: Sym) {
        for (place, field) in fields.iter().enumerate() {
            let Some(number) = self.key(service, place, field.key) else { continue };
            let Some(key) = self.keys.get_mut(number as usize).filter(|key| key.state == State::Kept) else { continue };
            let value = match key.values.get(key.recent).filter(|recent| recent.is(field.value)) {
                Some(_) => Some(key.recent),
                None => key.place(field.value),
            };
            match value {
                Some(value) => self.pairs.push(u64::from(number) << 32 | value as u64),
                None => self.drop_key(number),
            }
        }
    }

    /// The number of a key; none if its service has too many.
    fn key(&mut self, service: Sym, place: usize, text: &str) -> Option<u32> {
        let slot = (service.0 as usize * 16 + place) % SLOTS;
        let known = self.slots[slot];
        if self.keys.get(known as usize).is_some_and(|key| key.service == service && *key.text == *text) {
            return Some(known);
        }
        let hash = HASHER.hash_one((service, text));
        let keys = &self.keys;
        let is_it = |number: &u32| keys.get(*number as usize).is_some_and(|key| key.service == service && *key.text == *text);
        let number = match self.by_text.find(hash, is_it) {
            Some(number) => *number,
            None => self.new_key(service, text, hash)?,
        };
        self.slots[slot] = number;
        Some(number)
    }

    fn new_key(&mut self, service: Sym, text: &str, hash: u64) -> Option<u32> {
        let count = self.keys_of.entry(service).or_default();
        if *count >= MOST_KEYS {
            self.wide.insert((service, Sym::NONE));
            return None;
        }
        *count += 1;
        let number = u32::try_from(self.keys.len()).ok()?;
        let state = if is_told(text) { State::Told } else { State::Kept };
        let text: Box<str> = if text.len() <= 4 * LONGEST { text.into() } else { return None };
        self.keys.push(Key { service, text, state, values: Vec::new(), recent: 0 });
        let keys = &self.keys;
        self.by_text.insert_unique(hash, number, |&n| keys.get(n as usize).map_or(0, |key| HASHER.hash_one((key.service, &*key.text))));
        Some(number)
    }

    fn drop_key(&mut self, number: u32) {
        if let Some(key) = self.keys.get_mut(number as usize) {
            key.state = State::Wide;
            key.values.truncate(MOST_VALUES);
        }
    }

    /// The number of the set that `pairs` holds; sets are numbered from one.
    fn set(&mut self) -> u32 {
        if let Some(known) = self.sets.get(self.pairs.as_slice()) {
            return *known;
        }
        if self.sets.len() >= self.most_sets {
            // Keys that vary each by itself multiply. Those sets that differed in this one only become one at the end.
            let most =
                (0..).zip(&self.keys).filter(|(_, key)| key.state == State::Kept).max_by_key(|(number, key)| (key.values.len(), u32::MAX - number));
            if let Some((number, _)) = most {
                self.drop_key(number);
            }
            self.most_sets += MOST_SETS;
        }
        let number = u32::try_from(self.sets.len() + 1).unwrap_or(0);
        self.sets.insert(self.pairs.as_slice().into(), number);
        number
    }

    /// Gives the spans the names of their sets, and says which keys of which services fell out; the empty key stands for all.
    pub fn finish(mut self, names: &mut Interner, spans: &mut [Span]) -> BTreeSet<(Sym, Sym)> {
        let mut sets: Vec<(u32, Box<[u64]>)> = std::mem::take(&mut self.sets).into_iter().map(|(pairs, number)| (number, pairs)).collect();
        sets.sort_unstable();
        // A set's resource was numbered before it was.
        let mut texts: Vec<Vec<String>> = vec![Vec::new()];
        let mut syms = vec![Sym::NONE];
        for (_, pairs) in sets {
            let (resource, own) = pairs.split_first().map_or((0, &[][..]), |(first, rest)| (*first as usize, rest));
            let mut lines = texts.get(resource).cloned().unwrap_or_default();
            lines.extend(own.iter().filter_map(|pair| self.line(*pair)));
            lines.sort_unstable();
            lines.dedup();
            syms.push(if lines.is_empty() { Sym::NONE } else { names.intern(&lines.join("\n")) });
            texts.push(if resource == 0 { lines } else { Vec::new() });
        }
        for span in spans {
            span.attributes = syms.get(span.attributes.0 as usize).copied().unwrap_or_default();
        }
        let wide = self.keys.iter().filter(|key| key.state == State::Wide).map(|key| (key.service, names.intern(&key.text)));
        self.wide.extend(wide);
        self.wide
    }

    fn line(&self, pair: u64) -> Option<String> {
        let key = self.keys.get((pair >> 32) as usize).filter(|key| key.state == State::Kept)?;
        let mut line = format!("{}=", key.text);
        let _ = match key.values.get((pair & u64::from(u32::MAX)) as usize)? {
            Kept::Text(text) => write!(line, "{text}"),
            Kept::Int(n) => write!(line, "{n}"),
            Kept::Bool(b) => write!(line, "{b}"),
        };
        Some(line)
    }
}

impl Key {
    /// The place of a value among those of the key, new or known; none if it is one too many, or no value to tell apart by.
    fn place(&mut self, value: Value<'_>) -> Option<usize> {
        let at = match self.values.iter().position(|known| known.is(value)) {
            Some(at) => at,
            None => {
                self.values.push(Kept::of(value)?);
                self.values.len() - 1
            }
        };
        self.recent = at;
        (at < MOST_VALUES).then_some(at)
    }
}

/// The pairs of a set.
pub fn pairs(set: &str) -> impl Iterator<Item = (&str, &str)> {
    set.lines().filter_map(|line| line.split_once('='))
}

/// Whether a key says what other columns do, how the span went, or what cannot be told in a line.
fn is_told(key: &str) -> bool {
    let lower = key.to_ascii_lowercase();
    let mut words = lower.split(['.', '_', '-', ' ']);
    key.len() > LONGEST
        || key.contains(['=', '\n'])
        || TOLD_KEYS.contains(&lower.as_str())
        || lower.split_once('.').is_some_and(|(first, _)| TOLD.contains(&first))
        || OUTCOMES.iter().any(|outcome| lower.contains(outcome))
        || words.any(|word| OUTCOME_WORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::source::{Evidence, FileId};

    type Pairs<'a> = &'a [(&'a str, Value<'a>)];

    /// The sets of spans, each with its attributes and those of its resource, and the keys that fell out.
    fn told(spans: &[(Pairs<'_>, Pairs<'_>)]) -> (Vec<String>, Vec<String>) {
        let mut tables = crate::correlate::fixture::given("t\n  shop GET /a 0-1\n");
        let (mut attributes, row) = (Attributes::default(), tables.spans[0]);
        tables.spans.retain(|_| false);
        for (at, (own, resource)) in spans.iter().enumerate() {
            let own: Vec<Field<'_>> = own.iter().map(|&(key, value)| Field { key, value }).collect();
            let resource: Vec<Field<'_>> = resource.iter().map(|&(key, value)| Field { key, value }).collect();
            let record =
                SpanRecord { attributes: &own, resource: &resource, evidence: Evidence::new(FileId(0), at as u64, 1), ..SpanRecord::default() };
            tables.spans.push(Span { attributes: attributes.of(&record, row.service), ..row });
        }
        let wide = attributes.finish(&mut tables.names, &mut tables.spans);
        let sets = tables.spans.iter().map(|span| tables.names.get(span.attributes).to_owned()).collect();
        let mut wide: Vec<String> = wide.into_iter().map(|(_, key)| tables.names.get(key).to_owned()).collect();
        wide.sort();
        (sets, wide)
    }

    #[test]
    fn few_values_are_kept_and_ids_fall_out() {
        let ids: Vec<String> = (0..100).map(|n| format!("u-{n}")).collect();
        let own: Vec<[(&str, Value<'_>); 4]> = ids
            .iter()
            .enumerate()
            .map(|(n, id)| {
                [
                    ("user.id", Value::Text(id)),
                    ("tenant", Value::Text(if n % 3 == 0 { "acme" } else { "globex" })),
                    ("http.route", Value::Text("/a")),
                    ("beta", Value::Bool(n % 2 == 0)),
                ]
            })
            .collect();
        let zone = [("service.name", Value::Text("shop")), ("cloud.availability_zone", Value::Text("b"))];
        let spans: Vec<(Pairs<'_>, Pairs<'_>)> = own.iter().map(|own| (&own[..], &zone[..])).collect();
        let (sets, wide) = told(&spans);
        assert_eq!(sets[0], "beta=true\ncloud.availability_zone=b\ntenant=acme", "also what came before there were too many ids");
        assert_eq!(sets[98], "beta=true\ncloud.availability_zone=b\ntenant=globex");
        assert_eq!(wide, ["user.id"]);
        assert_eq!(pairs(&sets[0]).collect::<Vec<_>>()[2], ("tenant", "acme"));
    }

    #[test]
    fn measures_texts_and_outcomes_are_not_kept() {
        let long = "x".repeat(LONGEST + 1);
        let own = [
            ("price", Value::Float(4.5)),
            ("note", Value::Text(&long)),
            ("otel.status_code", Value::Text("ERROR")),
            ("payment.result", Value::Text("declined")),
            ("httpStatus", Value::Int(500)),
            ("shard", Value::Int(3)),
        ];
        let (sets, wide) = told(&[(&own, &[])]);
        assert_eq!(sets, ["shard=3"]);
        assert_eq!(wide, ["note", "price"]);
    }

    #[test]
    fn sets_are_bounded_whatever_varies() {
        // Five keys of 30 values that vary each by itself.
        let values: Vec<String> = (0..30).map(|n| n.to_string()).collect();
        let own: Vec<Vec<(&str, Value<'_>)>> = (0..3 * MOST_SETS)
            .map(|n| {
                ["a", "b", "c", "d", "e"].iter().enumerate().map(|(at, key)| (*key, Value::Text(&values[n / (at * 7 + 1) * (at + 3) % 30]))).collect()
            })
            .collect();
        let spans: Vec<(Pairs<'_>, Pairs<'_>)> = own.iter().map(|own| (&own[..], &[][..])).collect();
        let (sets, wide) = told(&spans);
        assert!(!wide.is_empty() && sets.iter().collect::<BTreeSet<_>>().len() <= MOST_SETS, "{wide:?}");
    }

    #[test]
    fn a_service_that_makes_up_keys_has_none() {
        let keys: Vec<String> = (0..MOST_KEYS + 9).map(|n| format!("key-{n}")).collect();
        let own: Vec<(&str, Value<'_>)> = keys.iter().map(|key| (key.as_str(), Value::Int(1))).collect();
        let (_, wide) = told(&[(&own, &[])]);
        assert!(wide.contains(&String::new()), "{wide:?}");
    }
}
