//! Cached values: hits, misses, fills, invalidations, and changes of what they are copies of.
//!
//! A read has the cache key as `key` and, if the record names it, the id of the entity as `token`; a change of the
//! origin has the entity's id as `key` and its kind as `space`. What this file does not do: connect the two.

use crate::correlate::effect::call::Call;
use crate::correlate::effect::lexicon::{Family, Reading, Role};
use crate::correlate::effect::values::{self, Entity, Values};
use crate::correlate::effect::{Words, intern, phrase, prose};
use crate::model::names::Interner;
use crate::model::record::{Field, LogRecord, SpanKind, SpanRecord, Value};
use crate::model::tables::{Effect, Phase};
use crate::model::time::SECOND;
use std::borrow::Cow;

/// Whether the words can only be about a cache: a hit or miss, a fill, an invalidation.
pub(super) fn is_explicit(family: &Family, reading: &Reading) -> bool {
    let entry = |index: Option<u16>| index.and_then(|i| family.operations.get(usize::from(i)));
    entry(reading.operation)
        .is_some_and(|(name, source)| matches!((name.as_str(), source.as_str()), ("invalidate" | "put", _) | ("read", "cache" | "origin" | "stale")))
        || entry(reading.source).is_some()
}

/// What a log record says about a cached value.
pub(super) fn of_log(words: &Words<'_>, values: &Values<'_>, record: &LogRecord<'_>, blank: Effect, names: &mut Interner) -> Option<Effect> {
    let operation = words.operation().or_else(|| told_operation(words))?;
    // "Fetched 17 rows": whatever was read.
    if operation == "read" && !is_telling(words, values) {
        return None;
    }
    let message = prose::head(record.message);
    let key = values.id(Role::Key).or_else(|| phrase::key(message).map(Cow::Borrowed));
    let entity = values::entity(record.fields, message, words.prose, key.as_deref());
    let entity = entity.or_else(|| bare_entity(record.fields, words)).or_else(|| spelled_entity(message, key.as_deref()));
    let entity = entity.or_else(|| if operation == "write" { values::only_entity(record.fields) } else { None });
    let effect = filled(words, values, operation, words.phase().unwrap_or(Phase::Success), (key, entity), blank, names)?;
    // "value loaded from database load_ms=898": the load began that long ago.
    let took = if values.took > 0 { values.took } else { phrase::took(message).unwrap_or(0) };
    let start = if effect.time.is_some() && operation != "write" { effect.time.plus(-took) } else { effect.start };
    Some(Effect { start, ..effect })
}

/// The thing whose id is called nothing but `id`; its kind is said by the words.
fn bare_entity<'a>(fields: &[Field<'a>], words: &Words<'a>) -> Option<Entity<'a>> {
    let id = fields.iter().find(|field| field.key.eq_ignore_ascii_case("id"))?;
    let kind = phrase::noun(words.prose)?;
    Some(Entity::of(kind, id.key, id.value))
}

fn spelled_entity<'a>(message: &'a str, key: Option<&str>) -> Option<Entity<'a>> {
    let (kind, id) = if key.is_none() { phrase::thing(message)? } else { return None };
    Some(Entity::of(kind, kind, Value::Text(id)))
}

/// What a span says about a cached value.
pub(super) fn of_span(
    words: &Words<'_>,
    values: &Values<'_>,
    span: &SpanRecord<'_>,
    call: &Call<'_>,
    blank: Effect,
    names: &mut Interner,
) -> Option<Effect> {
    let phase = if call.failed(span) { Phase::Failure } else { Phase::Success };
    if !call.system.is_empty() && !call.writes_rows() {
        return of_command(words, values, call, phase, blank, names);
    }
    let key = values.id(Role::Key);
    let by_path = changes_by_path(span, call);
    let entity = values::entity(span.attributes, "", words.prose, key.as_deref());
    let entity = entity.or_else(|| by_path.map(|(kind, id)| Entity::of(kind, kind, Value::Text(id))));
    let changes = call.writes_rows() || (span.kind != SpanKind::Client && !call.method.is_empty() && call.may_change());
    let operation = match told_operation(words) {
        Some(operation) => operation,
        None if changes && entity.is_some() && (values.get(Role::Version).is_some() || by_path.is_some()) => "write",
        None => return None,
    };
    filled(words, values, operation, phase, (key, entity), blank, names)
}

/// The thing that a served request changed, by its method and path: `PUT /api/products/42`.
pub(super) fn changes_by_path<'a>(span: &SpanRecord<'_>, call: &Call<'a>) -> Option<(&'a str, &'a str)> {
    let changes = span.kind == SpanKind::Server && ["PUT", "PATCH", "DELETE", "POST"].iter().any(|m| call.method.eq_ignore_ascii_case(m));
    if changes { phrase::of_path(call.target) } else { None }
}

/// A command of a cache server. Its key may be masked: its trace may tell the rest.
fn of_command(words: &Words<'_>, values: &Values<'_>, call: &Call<'_>, phase: Phase, blank: Effect, names: &mut Interner) -> Option<Effect> {
    let operation = words.operation().filter(|&o| o != "write")?;
    let key = values.id(Role::Key).or_else(|| call.cache_key().map(Into::into));
    let amount = if operation == "put" && call.keeps_forever() { names.intern(FOREVER) } else { blank.amount };
    Some(Effect { op: names.intern(operation), phase, key: intern(key, names), amount, ..blank })
}

/// The lifetime of an entry that never expires.
pub const FOREVER: &str = "forever";

/// The source of the fill that the age of an answer tells of.
pub const BY_AGE: &str = "age";

/// An answer that says how old it is tells when its cache was filled.
pub(super) fn filled_before(read: &Effect, values: &Values<'_>, names: &mut Interner) -> Option<Effect> {
    let age: f64 = values.get(Role::Age)?.text().parse().ok().filter(|age: &f64| (0.0..1e9).contains(age))?;
    if read.time.is_none() || read.amount.is_none() || names.get(read.op) != "read" {
        return None;
    }
    let time = read.time.plus(-((age * SECOND as f64) as i64));
    Some(Effect { op: names.intern("put"), source: names.intern(BY_AGE), time, start: time, ..*read })
}

fn filled(
    words: &Words<'_>,
    values: &Values<'_>,
    operation: &str,
    phase: Phase,
    (key, entity): (Option<Cow<'_, str>>, Option<Entity<'_>>),
    blank: Effect,
    names: &mut Interner,
) -> Option<Effect> {
    let id = entity.and_then(|e| e.id.id()).or_else(|| values.id(Role::Token));
    let path = if key.is_none() && id.is_none() && operation != "write" { values.id(Role::Path) } else { None };
    let key = key.or(path);
    let version = values.get(Role::Version).map(|said| said.text());
    let value = values.get(Role::Outcome).filter(|_| matches!(operation, "read" | "write"));
    let source = words.source();
    let says_enough = match operation {
        "read" => is_telling(words, values),
        "write" => id.is_some() || version.is_some(),
        _ => true,
    };
    if !says_enough || (key.is_none() && id.is_none() && operation != "invalidate") {
        return None;
    }
    let (key, token) = match (operation, key, id) {
        ("write", key, Some(id)) => (Some(id), key),
        (_, Some(key), id) => (Some(key), id),
        (_, None, id) => (id, None),
    };
    let kind = entity.map_or("", |e| e.kind);
    // `cache=hit` names no cache.
    let tells = words.told.source.is_some() || words.told.operation.is_some();
    let space = values.get(Role::Space).filter(|space| !tells || values.get(Role::Source).is_none_or(|source| source.name != space.name));
    let space = match space.and_then(|said| said.id()) {
        Some(space) if operation != "write" || kind.is_empty() => space,
        _ => kind.to_ascii_lowercase().into(),
    };
    Some(Effect {
        op: names.intern(operation),
        phase,
        key: intern(key, names),
        token: intern(token, names),
        outcome: intern(value.map(|said| format!("{}={}", said.name, said.text())), names),
        space: names.intern(&space),
        amount: intern(lifetime(values), names),
        party: intern(values.id(Role::Party), names),
        version: intern(version, names),
        source: names.intern(source),
        ..blank
    })
}

/// Whether a reading names a version, or where the value came from. One that does not says too little.
fn is_telling(words: &Words<'_>, values: &Values<'_>) -> bool {
    values.get(Role::Version).is_some() || !words.source().is_empty()
}

/// The operation that a field names: `cache.hit=false` is a read.
fn told_operation<'w>(words: &'w Words<'_>) -> Option<&'w str> {
    let index = words.told.operation?;
    words.family.operations.get(usize::from(index)).map(|(name, _)| name.as_str())
}

/// How long an entry may live, in seconds, or [`FOREVER`].
fn lifetime(values: &Values<'_>) -> Option<String> {
    let said = values.get(Role::Amount)?;
    let text = said.text();
    let in_millis = said.name.ends_with("ms") || said.name.ends_with("millis");
    let seconds = phrase::seconds(&text, if in_millis { "ms" } else { "s" }).or_else(|| phrase::cache_control(&text));
    match seconds {
        // Whole seconds by far the most often, and writing a fraction takes long.
        Some(seconds) if seconds > 0.0 && seconds < 1e15 && seconds.fract() == 0.0 => Some((seconds as i64).to_string()),
        Some(seconds) if seconds.is_finite() && seconds > 0.0 => Some(seconds.to_string()),
        Some(_) => Some(FOREVER.to_owned()),
        None => (text.starts_with('-') || ["none", "never", "null", "infinite", "forever"].iter().any(|w| text.eq_ignore_ascii_case(w)))
            .then(|| FOREVER.to_owned()),
    }
}
