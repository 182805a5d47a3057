//! Values of any type on their way to fields.
//!
//! A map becomes one field for each of its leaves, keys joined by dots; a list becomes its JSON text, in which a map is
//! an object again. What this file does not do: keep a map inside a list nested; its keys are joined there too.

use crate::formats::json_string::write_string;
use crate::model::record::{Field, Value};
use std::fmt::Write;

/// A value as a decoder has read it.
#[derive(Debug)]
pub enum Any<'a> {
    /// None of the types.
    Empty,
    /// Text, number or truth.
    Plain(Value<'a>),
    /// A list, as JSON.
    List(String),
    /// A map, whose leaves have been told already.
    Map,
}

impl Any<'_> {
    /// Appends the value as JSON; `leaves` are those of a map.
    pub fn write(&self, leaves: &[Field<'_>], out: &mut String) {
        match self {
            Self::Empty => out.push_str("null"),
            Self::Plain(value) => write_value(out, *value),
            Self::List(text) => out.push_str(text),
            Self::Map => write_object(out, leaves),
        }
    }
}

/// Separates an item of a list from those before it.
pub fn separate(out: &mut String) {
    if !out.ends_with(['[', '{']) {
        out.push(',');
    }
}

fn write_object(out: &mut String, leaves: &[Field<'_>]) {
    out.push('{');
    for leaf in leaves {
        separate(out);
        write_string(out, leaf.key);
        out.push(':');
        write_value(out, leaf.value);
    }
    out.push('}');
}

fn write_value(out: &mut String, value: Value<'_>) {
    // Writing to a string does not fail.
    let _ = match value {
        Value::Int(n) => write!(out, "{n}"),
        Value::Bool(b) => write!(out, "{b}"),
        Value::Float(n) if n.is_finite() => write!(out, "{n}"),
        Value::Float(n) => write!(out, "\"{n}\""),
        Value::Text(text) => {
            write_string(out, text);
            Ok(())
        }
    };
}
