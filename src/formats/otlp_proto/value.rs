//! Attributes and values.
//!
//! What this file does not do: follow the string tables of profiles.

use crate::formats::arena::Arena;
use crate::formats::otlp::any::{Any, separate};
use crate::formats::otlp_proto::wire::{Part, Step, Wire};
use crate::model::record::{Field, Reason, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How deeply lists and maps may be nested.
const DEEPEST: u32 = 32;

/// Reads a `KeyValue` into one field, or into several if the value is a map.
pub(super) fn attribute<'a>(pair: Part<'a>, arena: &'a Arena, out: &mut Vec<Field<'a>>) -> Step<()> {
    nested_attribute(pair, "", arena, out, DEEPEST)
}

/// Reads an `AnyValue` into the field `key`, or into several if it is a map.
pub(super) fn value<'a>(part: Part<'a>, key: &'a str, arena: &'a Arena, out: &mut Vec<Field<'a>>) -> Step<()> {
    nested_value(part, key, arena, out, DEEPEST)
}

fn nested_attribute<'a>(pair: Part<'a>, prefix: &'a str, arena: &'a Arena, out: &mut Vec<Field<'a>>, depth: u32) -> Step<()> {
    let (mut key, mut held) = ("", Part::new(&[], pair.at));
    let mut fields = pair.fields();
    while let Some(field) = fields.next()? {
        match field {
            (1, Wire::Bytes(text)) => key = text.text(arena),
            (2, Wire::Bytes(part)) => held = part,
            _ => {}
        }
    }
    if !prefix.is_empty() {
        key = arena.keep(format!("{prefix}.{key}"));
    }
    nested_value(held, key, arena, out, depth)
}

fn nested_value<'a>(part: Part<'a>, key: &'a str, arena: &'a Arena, out: &mut Vec<Field<'a>>, depth: u32) -> Step<()> {
    let value = match any(part, key, arena, out, depth)? {
        Any::Map => return Ok(()),
        Any::Plain(value) => value,
        Any::Empty => Value::Text(""),
        Any::List(text) => Value::Text(arena.keep(text)),
    };
    out.push(Field { key, value });
    Ok(())
}

/// Reads one value; the leaves of a map go to `out`.
fn any<'a>(part: Part<'a>, key: &'a str, arena: &'a Arena, out: &mut Vec<Field<'a>>, depth: u32) -> Step<Any<'a>> {
    let depth = depth.checked_sub(1).ok_or(Reason::TooLong)?;
    let mut found = Any::Empty;
    let mut fields = part.fields();
    while let Some(field) = fields.next()? {
        found = match field {
            (1, Wire::Bytes(text)) => Any::Plain(Value::Text(text.text(arena))),
            (2, Wire::Varint(n)) => Any::Plain(Value::Bool(n != 0)),
            (3, Wire::Varint(n)) => Any::Plain(Value::Int(n.cast_signed())),
            (4, Wire::Fixed64(n)) => Any::Plain(Value::Float(f64::from_bits(n))),
            (5, Wire::Bytes(values)) => list(values, arena, depth)?,
            (6, Wire::Bytes(pairs)) => map(pairs, key, arena, out, depth)?,
            (7, Wire::Bytes(raw)) => Any::Plain(Value::Text(arena.keep(STANDARD.encode(raw.bytes)))),
            _ => found,
        }
    }
    Ok(found)
}

fn map<'a>(pairs: Part<'a>, prefix: &'a str, arena: &'a Arena, out: &mut Vec<Field<'a>>, depth: u32) -> Step<Any<'a>> {
    let mut fields = pairs.fields();
    while let Some(field) = fields.next()? {
        if let (1, Wire::Bytes(pair)) = field {
            nested_attribute(pair, prefix, arena, out, depth)?;
        }
    }
    Ok(Any::Map)
}

fn list<'a>(values: Part<'a>, arena: &'a Arena, depth: u32) -> Step<Any<'a>> {
    let mut text = String::from("[");
    let mut fields = values.fields();
    while let Some(field) = fields.next()? {
        if let (1, Wire::Bytes(item)) = field {
            let mut leaves = Vec::new();
            let item = any(item, "", arena, &mut leaves, depth)?;
            separate(&mut text);
            item.write(&leaves, &mut text);
        }
    }
    text.push(']');
    Ok(Any::List(text))
}
