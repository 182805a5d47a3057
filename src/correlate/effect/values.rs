//! What the fields of one record say, by role: the order, the idempotency key, the amount, the version.
//!
//! ```text
//! {"orderId": "O-77", "amount_cents": 4990}      order.id=O-77 payment.amount=49.90      charge ch_1Abc for order O-77
//! ```
//!
//! Fields of the record come before `key=value` in its text, that before phrases; of several names the first of the
//! role's list. What this file does not do: judge whether the record is an effect at all.

use crate::correlate::effect::lexicon::{Lexicon, Role, RoleOf};
use crate::correlate::effect::pairs::{self, Joint};
use crate::correlate::effect::prose;
use crate::correlate::recall::Recall;
use crate::model::record::{Field, Value};
use std::borrow::Cow;
use std::ops::Range;

/// A value with the name it was found under.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// The name, as written.
    pub name: &'a str,
    /// The value.
    pub value: Value<'a>,
    rank: u16,
}

impl<'a> Said<'a> {
    /// The value as an id: no blanks, no brackets, not "null"; `None` if it is none.
    #[must_use]
    pub fn id(&self) -> Option<Cow<'a, str>> {
        match self.value {
            Value::Text(text) => id(text).map(Cow::Borrowed),
            Value::Int(number) => Some(Cow::Owned(number.to_string())),
            Value::Float(_) | Value::Bool(_) => None,
        }
    }

    /// The value as text.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        match self.value {
            Value::Text(text) => Cow::Borrowed(text.trim()),
            Value::Int(number) => Cow::Owned(number.to_string()),
            Value::Float(number) => Cow::Owned(number.to_string()),
            Value::Bool(yes) => Cow::Borrowed(if yes { "true" } else { "false" }),
        }
    }
}

/// The id of a thing, with the word its field's name gives the thing: `product_id=27`.
#[derive(Clone, Copy, Debug)]
pub struct Entity<'a> {
    /// `product`.
    pub kind: &'a str,
    /// `27`.
    pub id: Said<'a>,
}

impl<'a> Entity<'a> {
    /// A thing whose kind is told apart from its id.
    #[must_use]
    pub const fn of(kind: &'a str, name: &'a str, id: Value<'a>) -> Self {
        Self { kind, id: Said { name, value: id, rank: u16::MAX } }
    }
}

/// The best value of every role in one family.
#[derive(Debug)]
pub struct Values<'a> {
    roles: [Option<Said<'a>>; Role::COUNT],
    /// How long the record says its work took, in nanoseconds.
    pub took: i64,
    family: usize,
}

impl<'a> Values<'a> {
    /// Nothing is said yet.
    #[must_use]
    pub const fn new(family: usize) -> Self {
        Self { roles: [None; Role::COUNT], took: 0, family }
    }

    /// What is said for a role.
    #[must_use]
    pub const fn get(&self, role: Role) -> Option<Said<'a>> {
        self.roles[role as usize]
    }

    /// The id said for a role.
    #[must_use]
    pub fn id(&self, role: Role) -> Option<Cow<'a, str>> {
        self.get(role).and_then(|said| said.id())
    }

    /// Takes in a value. Of the role `status` and `source` it is also told as words: to `told` with its name, to `events`
    /// without.
    pub fn add(&mut self, named: Named<'_>, name: &'a str, value: Value<'a>, standing: Standing, told: &mut String, events: &mut String) {
        for role in named.roles.iter().filter(|role| role.family == self.family) {
            // A phrase is no statement about a state: "event 17".
            if matches!(role.role, Role::Status | Role::Source) && standing.is_statement() {
                let said = Said { name, value, rank: 0 };
                let text = said.text();
                prose::push(name, &[], told);
                prose::push(prose::head(&text), &[], told);
                if role.role == Role::Status {
                    prose::push(prose::head(&text), &[], events);
                }
            }
            let rank = role.rank.saturating_add(named.penalty).saturating_add(standing.penalty());
            let slot = &mut self.roles[role.role as usize];
            if slot.is_none_or(|known| rank < known.rank) && !is_void(value) {
                *slot = Some(Said { name, value, rank });
            }
        }
        if named.is_duration && standing.is_statement() {
            self.took = self.took.max(millis(value));
        }
    }
}

/// Where a value stands: the nearer to a field, the more it is believed.
#[derive(Clone, Copy, Debug)]
pub enum Standing {
    /// In a field of the record.
    Own,
    /// In the text.
    Text(Joint),
}

impl Standing {
    const fn penalty(self) -> u16 {
        match self {
            Self::Own => 0,
            Self::Text(Joint::Field) => 1000,
            Self::Text(Joint::Colon) => 2000,
            Self::Text(Joint::Quoted) => 3000,
            Self::Text(Joint::Bare) => 4000,
        }
    }

    const fn is_statement(self) -> bool {
        matches!(self, Self::Own | Self::Text(Joint::Field | Joint::Colon))
    }
}

/// A name with its value inside a text.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    name: (usize, usize),
    value: (usize, usize),
    joint: Joint,
}

impl Pair {
    /// Name and value, of the text that it was found in.
    #[must_use]
    pub fn of(self, text: &str) -> Option<(&str, &str, Standing)> {
        Some((text.get(self.name.0..self.name.1)?, text.get(self.value.0..self.value.1)?, Standing::Text(self.joint)))
    }
}

/// Finds every name with a value inside a text that may be an id or a statement; where those stand that are fields goes to
/// `cut`.
pub fn pairs_in(text: &str, found: &mut Vec<Pair>, cut: &mut Vec<Range<usize>>) {
    found.clear();
    cut.clear();
    pairs::scan(text, |name, value, joint, range| {
        if joint != Joint::Bare || is_id_shaped(value) {
            found.push(Pair { name: (range.start, range.start + name.len()), value: (range.end - value.len(), range.end), joint });
        }
        if joint == Joint::Field {
            cut.push(range);
        }
    });
}

/// What a field name means.
#[derive(Clone, Copy, Debug)]
pub struct Named<'l> {
    /// Its roles, in all families.
    pub roles: &'l [RoleOf],
    penalty: u16,
    is_duration: bool,
}

/// The field names that have been looked up.
#[derive(Debug)]
pub struct Names<'l> {
    lexicon: &'l Lexicon,
    known: Recall<Named<'l>>,
}

impl<'l> Names<'l> {
    /// None is known yet.
    #[must_use]
    pub fn new(lexicon: &'l Lexicon) -> Self {
        Self { lexicon, known: Recall::default() }
    }

    /// What a name means: the whole of it, else what stands after its last dot.
    pub fn of(&mut self, name: &str) -> Named<'l> {
        let lexicon = self.lexicon;
        self.known.of(name, |name| {
            let mut folded = String::new();
            prose::fold(name, &mut folded);
            let (mut roles, mut penalty) = (lexicon.roles(&folded), 0);
            if roles.is_empty()
                && let Some((space, last)) = name.rsplit_once(['.', '/'])
                && !is_technical(space)
            {
                folded.clear();
                prose::fold(last, &mut folded);
                (roles, penalty) = (lexicon.roles(&folded), 100);
            }
            Named { roles, penalty, is_duration: folded_is_duration(&folded) }
        })
    }
}

/// The id of the thing that a record is about: of all fields `<kind>_id` the one whose kind is a word of `prose`, or whose
/// value ends `key`.
#[must_use]
pub fn entity<'a>(fields: &[Field<'a>], text: &'a str, prose: &str, key: Option<&str>) -> Option<Entity<'a>> {
    let mut best: Option<(u8, Entity<'a>)> = None;
    let mut look = |name: &'a str, value: Value<'a>| {
        let Some(kind) = entity_kind(name) else { return };
        let entity = Entity { kind, id: Said { name, value, rank: 0 } };
        let Some(id) = entity.id.id() else { return };
        let ends_key =
            key.is_some_and(|key| key.strip_suffix(&*id).is_some_and(|rest| rest.is_empty() || rest.ends_with([':', '/', '-', '_', '.', '#'])));
        let worth = u8::from(ends_key) * 2 + u8::from(has_word(prose, kind));
        if worth > 0 && best.as_ref().is_none_or(|(known, _)| worth > *known) {
            best = Some((worth, entity));
        }
    };
    for field in fields {
        look(field.key, field.value);
    }
    // Most texts hold nothing that could be the end of such a name.
    if text.as_bytes().windows(2).any(|end| matches!(end, b"id" | b"Id" | b"ID")) {
        pairs::scan(text, |name, value, joint, _| {
            if matches!(joint, Joint::Field | Joint::Colon) {
                look(name, Value::Text(value));
            }
        });
    }
    best.map(|(_, entity)| entity)
}

/// The only id of a thing among the fields of a record; none if there are several.
#[must_use]
pub fn only_entity<'a>(fields: &[Field<'a>]) -> Option<Entity<'a>> {
    let mut all = fields.iter().filter_map(|field| Some(Entity::of(entity_kind(field.key)?, field.key, field.value)));
    let only = all.next()?;
    if all.next().is_none() { Some(only) } else { None }
}

/// `product` of `product_id`, `product.id` and `productId`; none for ids of requests, traces and other machinery.
#[must_use]
pub fn entity_kind(name: &str) -> Option<&str> {
    if !name.ends_with(['d', 'D']) {
        return None;
    }
    let kind = ["_id", ".id", "-id", "Id", "ID"].into_iter().find_map(|end| name.strip_suffix(end))?;
    let kind = kind.rsplit(['.', '/']).next().unwrap_or(kind);
    let machinery = [
        "trace",
        "span",
        "parent",
        "request",
        "correlation",
        "session",
        "event",
        "message",
        "thread",
        "process",
        "tenant",
        "client",
        "instance",
        "pod",
        "host",
        "container",
        "build",
        "connection",
        "transaction",
        "job",
        "worker",
        "consumer",
        "group",
        "log",
        "x_request",
        "aws",
        "otel",
    ];
    (kind.len() > 1 && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !machinery.iter().any(|m| kind.eq_ignore_ascii_case(m)))
        .then_some(kind)
}

/// Whether a text made by [`prose::push`] has a word, in singular or plural.
#[must_use]
pub fn has_word(prose: &str, word: &str) -> bool {
    prose.split(' ').any(|w| w.eq_ignore_ascii_case(word) || w.strip_suffix('s').is_some_and(|w| w.eq_ignore_ascii_case(word)))
}

/// An id: no blanks, brackets or braces, and a letter or digit somewhere. `["k1"]`, as captured headers have it, is `k1`.
#[must_use]
pub fn id(text: &str) -> Option<&str> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '[' | ']'));
    let fits = (1..=128).contains(&text.len())
        && text.chars().any(char::is_alphanumeric)
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '{' | '}' | '[' | ']' | '<' | '>' | '"'))
        && !["null", "none", "nil", "undefined", "unknown", "n/a", "true", "false"].iter().any(|void| text.eq_ignore_ascii_case(void));
    fits.then_some(text)
}

/// `ch_1Abc`, `O-77`, `4711`; not `2nd` or `100ms`, which prose has, too.
fn is_id_shaped(value: &str) -> bool {
    let has_digit = value.bytes().any(|b| b.is_ascii_digit());
    let has_joint = value.bytes().any(|b| matches!(b, b'-' | b'_' | b':'));
    has_digit && (has_joint || value.bytes().all(|b| b.is_ascii_digit()) || value.len() >= 12 || value.bytes().any(|b| b.is_ascii_uppercase()))
}

fn is_void(value: Value<'_>) -> bool {
    value.text().is_some_and(|text| matches!(text.trim(), "" | "null" | "-" | "?"))
}

/// Name spaces of OpenTelemetry and of log formats whose last words (`version`, `key`, `id`) mean something else.
fn is_technical(space: &str) -> bool {
    let first = space.split(['.', '/']).next().unwrap_or(space);
    let header = space.ends_with(".header") || space.ends_with(".metadata");
    let technical = [
        "http",
        "url",
        "net",
        "network",
        "server",
        "client",
        "service",
        "telemetry",
        "otel",
        "process",
        "host",
        "k8s",
        "kubernetes",
        "container",
        "cloud",
        "os",
        "tls",
        "thread",
        "code",
        "rpc",
        "user_agent",
        "db",
        "messaging",
        "exception",
        "error",
        "log",
        "ecs",
        "faas",
        "jvm",
        "peer",
        "agent",
        "labels",
        "library",
        "scope",
    ];
    !header && technical.contains(&first)
}

fn folded_is_duration(folded: &str) -> bool {
    matches!(folded, "loadms" | "loadtimems" | "loadmillis" | "durationms" | "elapsedms" | "tookms")
}

fn millis(value: Value<'_>) -> i64 {
    const DAY: f64 = 86_400_000.0;
    let ms = match value {
        Value::Int(ms) => ms as f64,
        Value::Float(ms) => ms,
        Value::Text(text) => text.parse().unwrap_or(0.0),
        Value::Bool(_) => 0.0,
    };
    if ms > 0.0 && ms < DAY { (ms * 1e6) as i64 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_from_prose() {
        assert_eq!(
            (id("[\"k1\"]"), id("O-77"), id("null"), id("a b"), id("***"), id("{\"id\":1}")),
            (Some("k1"), Some("O-77"), None, None, None, None)
        );
        assert!(is_id_shaped("O-77") && is_id_shaped("ch_1Abc") && is_id_shaped("4711") && !is_id_shaped("100ms") && !is_id_shaped("2nd"));
    }

    #[test]
    fn entities_are_the_things_a_record_is_about() {
        assert_eq!(
            (entity_kind("product_id"), entity_kind("product.id"), entity_kind("productId")),
            (Some("product"), Some("product"), Some("product"))
        );
        assert_eq!((entity_kind("trace_id"), entity_kind("http.request.id"), entity_kind("paid")), (None, None, None));
        let fields = [Field { key: "user_id", value: Value::Int(3) }, Field { key: "product_id", value: Value::Int(27) }];
        assert_eq!(entity(&fields, "", " product updated ", None).unwrap().kind, "product");
        assert_eq!(entity(&fields, "", " read ", Some("user:3")).unwrap().kind, "user");
        assert!(entity(&fields, "", " read ", Some("page:9")).is_none());
    }
}
