//! Cached values: hits, misses, fills, invalidations, and changes of what they are copies of.
//!
//! A read has the cache key as `key` and, if the record names it, the id of the entity as `token`; a change of the
//! origin has the entity's id as `key` and its kind as `space`. What this file does not do: connect the two.

use crate::correlate::effect::call::Call;
use crate::correlate::effect::lexicon::Role;
use crate::correlate::effect::values::{self, Entity, Values};
use crate::correlate::effect::{Words, intern, prose};
use crate::model::names::Interner;
use crate::model::record::{LogRecord, SpanKind, SpanRecord};
use crate::model::tables::{Effect, Phase};

/// What a log record says about a cached value.
pub(super) fn of_log(words: &Words<'_>, values: &Values<'_>, record: &LogRecord<'_>, blank: Effect, names: &mut Interner) -> Option<Effect> {
    let operation = words.operation().or_else(|| told_operation(words))?;
    let message = prose::head(record.message);
    let key = values.id(Role::Key);
    let entity = values::entity(record.fields, message, words.prose, key.as_deref());
    let effect = filled(words, values, operation, words.phase().unwrap_or(Phase::Success), entity, blank, names)?;
    // "value loaded from database load_ms=898": the load began that long ago.
    let start = if effect.time.is_some() && operation != "write" { effect.time.plus(-values.took) } else { effect.start };
    Some(Effect { start, ..effect })
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
    let entity = values::entity(span.attributes, "", words.prose, values.id(Role::Key).as_deref());
    let changes = call.writes_rows() || (span.kind != SpanKind::Client && !call.method.is_empty() && call.may_change());
    let operation = match told_operation(words) {
        Some(operation) => operation,
        None if changes && entity.is_some() && values.get(Role::Version).is_some() => "write",
        None => return None,
    };
    filled(words, values, operation, phase, entity, blank, names)
}

/// A command of a cache server. Its key may be masked: its trace may tell the rest.
fn of_command(words: &Words<'_>, values: &Values<'_>, call: &Call<'_>, phase: Phase, blank: Effect, names: &mut Interner) -> Option<Effect> {
    let operation = words.operation().filter(|&o| o != "write")?;
    let key = values.id(Role::Key).or_else(|| call.cache_key().map(Into::into));
    Some(Effect { op: names.intern(operation), phase, key: intern(key, names), ..blank })
}

fn filled(
    words: &Words<'_>,
    values: &Values<'_>,
    operation: &str,
    phase: Phase,
    entity: Option<Entity<'_>>,
    blank: Effect,
    names: &mut Interner,
) -> Option<Effect> {
    let key = values.id(Role::Key);
    let id = entity.and_then(|e| e.id.id()).or_else(|| values.id(Role::Token));
    let version = values.get(Role::Version).map(|said| said.text());
    let source = words.source();
    let says_enough = match operation {
        "read" => version.is_some() || !source.is_empty(),
        "write" => version.is_some(),
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
    let space = match values.id(Role::Space) {
        Some(space) if operation != "write" || kind.is_empty() => space,
        _ => kind.to_ascii_lowercase().into(),
    };
    Some(Effect {
        op: names.intern(operation),
        phase,
        key: intern(key, names),
        token: intern(token, names),
        space: names.intern(&space),
        amount: intern(lifetime(values), names),
        party: intern(values.id(Role::Party), names),
        version: intern(version, names),
        source: names.intern(source),
        ..blank
    })
}

/// The operation that a field names: `cache.hit=false` is a read.
fn told_operation<'w>(words: &'w Words<'_>) -> Option<&'w str> {
    let index = words.told.operation?;
    words.family.operations.get(usize::from(index)).map(|(name, _)| name.as_str())
}

/// How long an entry may live, in seconds.
fn lifetime(values: &Values<'_>) -> Option<String> {
    let said = values.get(Role::Amount)?;
    let number: f64 = said.text().parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0)?;
    let in_millis = said.name.ends_with("ms") || said.name.ends_with("millis");
    Some(if in_millis { (number / 1000.0).to_string() } else { number.to_string() })
}
