//! Attributes and values: `{"key":"retries","value":{"intValue":"2"}}`.
//!
//! Values written without their type (`"value":"x"`, as the labels of old metrics are) are taken as they stand, and an
//! empty value is an empty text. What this file does not do: decode base64; bytes stay the text they are written as.

use crate::formats::json_scan::{Scan, Step, parse_int};
use crate::formats::otlp::any::{Any, separate};
use crate::formats::otlp::text_field;
use crate::model::record::{Field, Value};

/// Reads a list of keys and values.
pub(super) fn attributes<'a>(scan: &mut Scan<'a>, out: &mut Vec<Field<'a>>) -> Step<()> {
    pairs(scan, "", out)
}

/// Reads one value into the field `key`, or into several if it is a map.
pub(super) fn value<'a>(scan: &mut Scan<'a>, key: &'a str, out: &mut Vec<Field<'a>>) -> Step<()> {
    let value = match any(scan, key, out)? {
        Any::Map => return Ok(()),
        Any::Plain(value) => value,
        Any::Empty => Value::Text(""),
        Any::List(text) => Value::Text(scan.arena().keep(text)),
    };
    out.push(Field { key, value });
    Ok(())
}

/// Reads one value; the leaves of a map go to `out`.
fn any<'a>(scan: &mut Scan<'a>, key: &'a str, out: &mut Vec<Field<'a>>) -> Step<Any<'a>> {
    if scan.peek() != Some(b'{') {
        return bare(scan);
    }
    scan.enter_object()?;
    let mut found = Any::Empty;
    while let Some(kind) = scan.key()? {
        found = match kind {
            "stringValue" | "string_value" | "bytesValue" | "bytes_value" => Any::Plain(Value::Text(scan.text()?)),
            "intValue" | "int_value" => scan.int()?.map_or(Any::Empty, |n| Any::Plain(Value::Int(n))),
            "doubleValue" | "double_value" => scan.float()?.map_or(Any::Empty, |n| Any::Plain(Value::Float(n))),
            "boolValue" | "bool_value" => Any::Plain(Value::Bool(scan.bool()?)),
            "arrayValue" | "array_value" => list(scan)?,
            "kvlistValue" | "kvlist_value" => map(scan, key, out)?,
            _ => {
                scan.skip()?;
                found
            }
        }
    }
    Ok(found)
}

/// A value without a word about its type.
fn bare<'a>(scan: &mut Scan<'a>) -> Step<Any<'a>> {
    let quoted = scan.peek() == Some(b'"');
    let text = scan.text()?;
    Ok(match text {
        _ if quoted => Any::Plain(Value::Text(text)),
        "" => Any::Empty,
        "true" => Any::Plain(Value::Bool(true)),
        "false" => Any::Plain(Value::Bool(false)),
        _ if text.contains(['.', 'e', 'E']) => text.parse().map_or(Any::Empty, |n| Any::Plain(Value::Float(n))),
        _ => parse_int(text.as_bytes()).map_or(Any::Empty, |n| Any::Plain(Value::Int(n))),
    })
}

fn pairs<'a>(scan: &mut Scan<'a>, prefix: &'a str, out: &mut Vec<Field<'a>>) -> Step<()> {
    if scan.enter_array()? {
        while scan.item()? {
            match if prefix.is_empty() { canonical(scan) } else { None } {
                Some(field) => out.push(field),
                None => pair(scan, prefix, out)?,
            }
        }
    }
    Ok(())
}

/// A key and its text or whole number, written as nearly all are: without white space, the key first. Whatever else stands
/// there is left where it is.
fn canonical<'a>(scan: &mut Scan<'a>) -> Option<Field<'a>> {
    let start = scan.mark();
    let field = canonical_at(scan);
    if field.is_none() {
        scan.go(start);
    }
    field
}

fn canonical_at<'a>(scan: &mut Scan<'a>) -> Option<Field<'a>> {
    if !scan.has_room(2) || !scan.take(b"{\"key\":") || scan.peek() != Some(b'"') {
        return None;
    }
    let key = scan.text().ok()?;
    if !scan.take(b",\"value\":{\"") {
        return None;
    }
    let value = if scan.take(b"stringValue\":") {
        if scan.peek() != Some(b'"') {
            return None;
        }
        Value::Text(scan.text().ok()?)
    } else if scan.take(b"intValue\":") {
        Value::Int(scan.int().ok()??)
    } else {
        return None;
    };
    scan.take(b"}}").then_some(Field { key, value })
}

/// One key and its value, which may stand before the key.
fn pair<'a>(scan: &mut Scan<'a>, prefix: &'a str, out: &mut Vec<Field<'a>>) -> Step<()> {
    if !scan.enter_object()? {
        return Ok(());
    }
    let (mut key, mut read, mut later) = (None, false, None);
    while let Some(name) = scan.key()? {
        match (name, key) {
            ("key", _) => key = Some(joined(scan, prefix)?),
            ("value", Some(key)) => {
                value(scan, key, out)?;
                read = true;
            }
            ("value", None) => {
                later = Some(scan.mark());
                scan.skip()?;
            }
            _ => scan.skip()?,
        }
    }
    let key = key.unwrap_or(prefix);
    if let Some(mark) = later {
        let end = scan.mark();
        scan.go(mark);
        value(scan, key, out)?;
        scan.go(end);
    } else if !read {
        out.push(text_field(key, ""));
    }
    Ok(())
}

fn joined<'a>(scan: &mut Scan<'a>, prefix: &str) -> Step<&'a str> {
    let key = scan.text()?;
    Ok(if prefix.is_empty() { key } else { scan.arena().keep(format!("{prefix}.{key}")) })
}

/// `{"values":[{"key":"a","value":{"intValue":1}}]}`
fn map<'a>(scan: &mut Scan<'a>, prefix: &'a str, out: &mut Vec<Field<'a>>) -> Step<Any<'a>> {
    if scan.enter_object()? {
        while let Some(key) = scan.key()? {
            if key == "values" { pairs(scan, prefix, out)? } else { scan.skip()? }
        }
    }
    Ok(Any::Map)
}

/// `{"values":[{"stringValue":"a"}]}`
fn list<'a>(scan: &mut Scan<'a>) -> Step<Any<'a>> {
    let mut text = String::from("[");
    if scan.enter_object()? {
        while let Some(key) = scan.key()? {
            if key == "values" { items(scan, &mut text)? } else { scan.skip()? }
        }
    }
    text.push(']');
    Ok(Any::List(text))
}

fn items(scan: &mut Scan<'_>, text: &mut String) -> Step<()> {
    if scan.enter_array()? {
        while scan.item()? {
            let mut leaves = Vec::new();
            let item = any(scan, "", &mut leaves)?;
            separate(text);
            item.write(&leaves, text);
        }
    }
    Ok(())
}
