//! Payments: who charged what, how far it got, and in which unit.
//!
//! What this file does not do: decide whether two effects are the same payment.

use crate::correlate::effect::call::Call;
use crate::correlate::effect::lexicon::Role;
use crate::correlate::effect::money::{self, Money};
use crate::correlate::effect::values::Values;
use crate::correlate::effect::{NOTICE, Words, intern, prose};
use crate::model::names::Interner;
use crate::model::record::{LogRecord, SpanKind, SpanRecord, Value};
use crate::model::tables::{Effect, Phase};

/// The payment a log record tells of.
pub(super) fn of_log(words: &Words<'_>, values: &Values<'_>, record: &LogRecord<'_>, blank: Effect, names: &mut Interner) -> Option<Effect> {
    let phase = words.phase()?;
    let amount = amount(values, prose::head(record.message));
    // A violated constraint names its table, not the order.
    if !words.has_required(values) && amount.is_none() && phase != Phase::Prevented {
        return None;
    }
    let operation = operation(words, values)?;
    Some(filled(words, values, &operation, phase, amount, blank, names))
}

/// The payment a span tells of. A call to a payment route counts even without business fields: its trace joins it.
pub(super) fn of_span(
    words: &Words<'_>,
    values: &Values<'_>,
    span: &SpanRecord<'_>,
    call: &Call<'_>,
    blank: Effect,
    names: &mut Interner,
) -> Option<Effect> {
    if !call.may_change() || matches!(span.kind, SpanKind::Producer) {
        return None;
    }
    let phase = phase_of_span(words, span, call);
    if !words.has_required(values) && phase != Phase::Prevented && (!call.system.is_empty() || !ends_in_operation(words, call)) {
        return None;
    }
    let operation = words.operation()?.to_owned();
    let amount = amount(values, "");
    let mut effect = filled(words, values, &operation, phase, amount, blank, names);
    if effect.token.is_none() {
        effect.token = intern(message_position(span, call), names);
    }
    Some(effect)
}

fn filled(
    words: &Words<'_>,
    values: &Values<'_>,
    operation: &str,
    phase: Phase,
    amount: Option<(Money, &'static str)>,
    blank: Effect,
    names: &mut Interner,
) -> Effect {
    // A reference without a digit is a word ("webshop", "salary"), the same for many payments.
    let counted = |id: &std::borrow::Cow<'_, str>| id.bytes().any(|b| b.is_ascii_digit());
    let (key, token) = (values.id(Role::Key).filter(counted), values.id(Role::Token).filter(counted));
    // Services put the trace id or the order into `transaction_id`: that is no charge id.
    let outcome = values.id(Role::Outcome).filter(|id| Some(id) != key.as_ref() && Some(id) != token.as_ref() && !is_trace(id, &blank));
    let currency = values.get(Role::Currency).map(|said| said.text());
    let currency = currency.as_deref().and_then(money::currency).or(amount.map(|(_, currency)| currency)).unwrap_or("");
    let refunds = operation == "refund" && phase == Phase::Success;
    Effect {
        op: names.intern(operation),
        phase: if refunds { Phase::Reversed } else { phase },
        key: intern(key, names),
        token: intern(token, names),
        outcome: intern(outcome, names),
        space: intern(values.id(Role::Space), names),
        amount: intern(amount.map(|(amount, _)| amount.to_string()), names),
        currency: names.intern(currency),
        party: intern(values.id(Role::Party), names),
        version: intern(values.id(Role::Version), names),
        source: names.intern(words.source()),
        ..blank
    }
}

/// The operation that the text names; "provider replayed the stored response charge_id=ch_1" names it by the field only.
fn operation(words: &Words<'_>, values: &Values<'_>) -> Option<String> {
    if let Some(operation) = words.operation() {
        return Some(operation.to_owned());
    }
    values.id(Role::Outcome)?;
    let (text, mut hits) = (prose::of(values.get(Role::Outcome)?.name), Vec::new());
    words.lexicon.scan(&text, &mut hits);
    let index = words.lexicon.read(words.index, &text, &hits).operation?;
    words.family.operations.get(usize::from(index)).map(|(name, _)| name.clone())
}

/// The amount in the unit of its currency, with the currency that stands beside it (or empty).
fn amount(values: &Values<'_>, text: &str) -> Option<(Money, &'static str)> {
    let Some(said) = values.get(Role::Amount) else { return money::find(text) };
    let written = said.text();
    let (amount, beside) = Money::parse(&written).map(|amount| (amount, "")).or_else(|| money::find(&written))?;
    let named = values.get(Role::Currency).map(|said| said.text());
    let currency = named.as_deref().and_then(money::currency).unwrap_or(beside);
    let name = said.name.to_ascii_lowercase();
    let minor = ["cents", "minor", "pence"].iter().any(|unit| name.contains(unit));
    // Providers whose ids carry a prefix (`ch_1Abc`, `py_9`) count smallest units, always without a fraction.
    let prefixed = || values.id(Role::Outcome).is_some_and(|id| has_short_prefix(&id));
    let units = written.parse::<i64>().ok().filter(|_| amount.is_whole() && (minor || prefixed()));
    Some((units.map_or(amount, |units| Money::of_minor(units.into(), currency)), beside))
}

/// `ch_1Abc`: two or three letters, an underscore, and something of letters and digits.
fn has_short_prefix(id: &str) -> bool {
    id.split_once('_').is_some_and(|(prefix, rest)| {
        (2..=3).contains(&prefix.len())
            && prefix.bytes().all(|b| b.is_ascii_lowercase())
            && !rest.is_empty()
            && rest.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

fn is_trace(id: &str, effect: &Effect) -> bool {
    !effect.trace.is_none() && crate::model::ids::TraceId::parse(id.as_bytes()) == effect.trace
}

/// How far the call got. A called service knows what it did; a caller without an answer does not.
fn phase_of_span(words: &Words<'_>, span: &SpanRecord<'_>, call: &Call<'_>) -> Phase {
    if let Some(phase @ (Phase::Replay | Phase::Prevented | Phase::Reversed | Phase::Failure)) = words.told.phase {
        return phase;
    }
    if !call.failed(span) {
        return Phase::Success;
    }
    let mut text = String::new();
    prose::push(call.error, &[], &mut text);
    prose::push(prose::head(span.status_message), &[], &mut text);
    for event in span.events.iter().filter(|e| e.name == "exception").take(2) {
        for attribute in event.attributes.iter().filter(|a| matches!(a.key, "exception.type" | "exception.message")) {
            prose::push(prose::head(attribute.value.text().unwrap_or("")), &[], &mut text);
        }
    }
    let mut hits = Vec::new();
    words.lexicon.scan(&text, &mut hits);
    let said = words.lexicon.read(words.index, &text, &hits).phase;
    match (call.http_status, call.rpc_status, said) {
        (_, _, Some(phase @ (Phase::Replay | Phase::Prevented))) => phase,
        (502 | 504 | 499, _, _) | (0, Some(1 | 4), _) => Phase::Ambiguous,
        (400.., _, _) | (0, Some(_), _) => Phase::Failure,
        (_, _, Some(Phase::Failure)) => Phase::Failure,
        // No answer at all, and not known never to have been sent.
        _ if span.kind == SpanKind::Client => Phase::Ambiguous,
        (_, _, Some(Phase::Ambiguous)) => Phase::Ambiguous,
        _ => Phase::Failure,
    }
}

/// Whether the last thing that the path or procedure names is a payment: `/v1/charges`, not `/charges/rules`.
fn ends_in_operation(words: &Words<'_>, call: &Call<'_>) -> bool {
    let last = call.segments().last().or_else(|| call.procedure.rsplit(['/', '.']).next().filter(|p| !p.is_empty()));
    let Some(last) = last else { return false };
    let (text, mut hits) = (prose::of(last), Vec::new());
    words.lexicon.scan(&text, &mut hits);
    let reading = words.lexicon.read(words.index, &text, &hits);
    let is_notice = reading.source.and_then(|i| words.family.operations.get(usize::from(i))).is_some_and(|(_, source)| source == NOTICE);
    reading.operation.is_some() && !is_notice
}

/// `orders-3@1742`: where a message stands in its partition; the same place twice is a redelivery.
fn message_position(span: &SpanRecord<'_>, call: &Call<'_>) -> Option<String> {
    if span.kind != SpanKind::Consumer || call.destination.is_empty() {
        return None;
    }
    let find = |keys: [&str; 2]| span.attributes.iter().find(|a| keys.contains(&a.key)).map(|a| a.value);
    let partition = find(["messaging.destination.partition.id", "messaging.kafka.destination.partition"])?;
    let offset = find(["messaging.kafka.offset", "messaging.kafka.message.offset"])?.int()?;
    let partition = match partition {
        Value::Text(text) => text.to_owned(),
        other => other.int()?.to_string(),
    };
    Some(format!("{}-{partition}@{offset}", call.destination))
}
