//! Messages whose values the library wrote beside them.
//!
//! ```text
//! {"message":"took {} of {}","arguments":["a",12]}          Logback JsonEncoder
//! {"@mt":"Order {Id} by {@User}","Id":7,"User":"ann"}       Serilog
//! ```
//!
//! What this file does not do: apply formats; `{Amount:0.00}` becomes the number as it was written.

use crate::formats::json_log::bump::Pen;
use crate::formats::json_log::scan::{Cursor, Item};
use crate::model::record::{Field, Value};
use std::fmt::Write;

/// A message has no more placeholders than this; the rest is copied.
const HOLES: usize = 64;

/// Fills the `{}` of an SLF4J message with the elements of a JSON list.
pub fn positional(message: &str, arguments: &str, pen: &mut Pen<'_>) {
    let mut cursor = Cursor::new(arguments);
    let mut more = matches!(cursor.item(), Ok(Item::Array));
    let mut parts = message.split("{}");
    pen.push(parts.next().unwrap_or_default());
    let mut first = true;
    for part in parts {
        more = more && cursor.element(first) == Ok(true);
        first = false;
        match if more { cursor.item().ok() } else { None } {
            Some(Item::Text(raw)) => pen.raw(raw),
            Some(Item::Number(number)) => pen.push(number),
            Some(Item::Bool(value)) => pen.push(if value { "true" } else { "false" }),
            Some(Item::Null) => pen.push("null"),
            Some(Item::Object | Item::Array) => pen.push(cursor.rest().unwrap_or("{}")),
            None => pen.push("{}"),
        }
        pen.push(part);
    }
}

/// Fills the `{Name}` of a message template with the fields of that name; `{@Name}`, `{Name,5}` and `{Name:format}` too.
pub fn named(message: &str, fields: &[Field<'_>], pen: &mut Pen<'_>) {
    let mut rest = message;
    for _ in 0..HOLES {
        let Some((before, after)) = rest.split_once('{') else { break };
        pen.push(before);
        let Some((hole, next)) = after.split_once('}') else {
            pen.push("{");
            rest = after;
            continue;
        };
        let name = hole.trim_start_matches(['@', '$']).split([',', ':']).next().unwrap_or_default();
        let value = fields.iter().find(|field| field.key.rsplit('.').next() == Some(name)).map(|field| field.value);
        let _ = match value {
            Some(Value::Text(text)) => write!(pen, "{text}"),
            Some(Value::Int(number)) => write!(pen, "{number}"),
            Some(Value::Float(number)) => write!(pen, "{number}"),
            Some(Value::Bool(value)) => write!(pen, "{value}"),
            None => write!(pen, "{{{hole}}}"),
        };
        rest = next;
    }
    pen.push(rest);
}
