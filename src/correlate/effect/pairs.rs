//! Names with values inside the text of a message.
//!
//! ```text
//! charging card order_id=ord_519a amount_cents=23482 currency="EUR"
//! {"type":"payment.succeeded","orderId":"O-77"}     Retry for payment: pay-7
//! Cache 'users' failed to evict entry with key '42'     charge ch_1Abc for order O-77     in cache(s) [users]
//! ```
//!
//! What this file does not do: know which names matter. It offers every pair; most are prose, and the taker's look-up
//! of the name decides.

use std::ops::Range;

/// How a value stands beside its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Joint {
    /// `name=value` or `"name":"value"`: surely a field.
    Field,
    /// `name: value`.
    Colon,
    /// `name 'value'` or `name [value]`.
    Quoted,
    /// `name value`, where the value holds a digit.
    Bare,
}

/// The longest value offered: ids, keys and amounts are short.
const LONGEST: usize = 256;

/// Bit of the bytes that a name may hold.
const NAME: u8 = 1;
/// Bit of the bytes that end a value.
const STOP: u8 = 2;
/// Bit of the letters, with which a name begins.
const LETTER: u8 = 4;

/// What a byte is to the scanner.
const BYTES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => NAME | LETTER,
            b'0'..=b'9' | b'_' | b'.' | b'-' => NAME,
            b' ' | b'\t' | b'\n' | b'\r' | b',' | b';' | b')' | b']' | b'}' | b'"' | b'\'' | b'&' => STOP,
            _ => 0,
        };
        byte += 1;
    }
    table
};

const fn is(byte: u8, bit: u8) -> bool {
    BYTES[byte as usize] & bit != 0
}

/// Offers every name with its value, from left to right, with the range of both.
pub fn scan<'a>(text: &'a str, mut take: impl FnMut(&'a str, &'a str, Joint, Range<usize>)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if !is(byte, LETTER) {
            at += 1;
            continue;
        }
        let start = at;
        let end = name_end(bytes, at);
        at = end;
        let Some(name) = text.get(start..end) else { continue };
        let Some((joint, range)) = value_after(bytes, start, end) else { continue };
        let Some(value) = text.get(range.clone()) else { continue };
        if value.is_empty() || value.len() > LONGEST || (joint == Joint::Bare && (!value.bytes().any(|b| b.is_ascii_digit()) || value.contains('=')))
        {
            continue;
        }
        take(name, value, joint, start..range.end);
        if joint == Joint::Field {
            at = range.end;
        }
    }
}

/// The end of a name: letters, digits, `_`, and inner `.` and `-`.
fn name_end(bytes: &[u8], start: usize) -> usize {
    let mut end = start;
    while bytes.get(end).is_some_and(|&b| is(b, NAME)) {
        end += 1;
    }
    while end > start + 1 && bytes.get(end - 1).is_some_and(|b| matches!(b, b'.' | b'-')) {
        end -= 1;
    }
    end
}

fn value_after(bytes: &[u8], start: usize, end: usize) -> Option<(Joint, Range<usize>)> {
    let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
    if at(end) == b'=' && at(end + 1) != b'=' {
        return Some((Joint::Field, value(bytes, end + 1)));
    }
    if start > 0 && at(start - 1) == b'"' && at(end) == b'"' && at(end + 1) == b':' {
        return Some((Joint::Field, value(bytes, skip_blanks(bytes, end + 2))));
    }
    if at(end) == b':' && at(end + 1) != b'/' {
        return Some((Joint::Colon, value(bytes, skip_blanks(bytes, end + 1))));
    }
    let mut next = if bytes.get(end..end + 3) == Some(b"(s)") { end + 3 } else { end };
    if !matches!(at(next), b' ' | b'#') {
        return None;
    }
    next += 1;
    match at(next) {
        b'\'' | b'"' | b'[' => Some((Joint::Quoted, value(bytes, next))),
        b'#' => Some((Joint::Bare, value(bytes, next + 1))),
        _ => Some((Joint::Bare, value(bytes, next))),
    }
}

fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at) == Some(&b' ') {
        at += 1;
    }
    at
}

/// A quoted value, or everything up to a blank, comma or closing bracket.
fn value(bytes: &[u8], start: usize) -> Range<usize> {
    let limit = bytes.len().min(start.saturating_add(LONGEST + 2));
    let closing = match bytes.get(start) {
        Some(b'"') => b'"',
        Some(b'\'') => b'\'',
        Some(b'[') => b']',
        _ => {
            let rest = bytes.get(start..limit).unwrap_or_default();
            let end = rest.iter().position(|&b| is(b, STOP)).map_or(limit, |n| start + n);
            let end = if end > start && matches!(bytes[end - 1], b'.' | b':') { end - 1 } else { end };
            return start.min(end)..end;
        }
    };
    let from = start + 1;
    let end = (from..limit).find(|&i| bytes[i] == closing).unwrap_or(from);
    from..end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(&str, &str, Joint)> {
        let mut out = Vec::new();
        scan(text, |name, value, joint, _| out.push((name, value, joint)));
        out
    }

    #[test]
    fn fields_in_text_and_in_json() {
        assert_eq!(
            pairs(r#"charging card order_id=ord_5 amount=1.50, currency="EUR" x"#),
            [("order_id", "ord_5", Joint::Field), ("amount", "1.50", Joint::Field), ("currency", "EUR", Joint::Field)]
        );
        assert_eq!(pairs(r#"{"type":"payment.succeeded","n":7}"#), [("type", "payment.succeeded", Joint::Field), ("n", "7", Joint::Field)]);
    }

    #[test]
    fn phrases() {
        assert!(pairs("charge ch_1Abc for order O-77.").contains(&("order", "O-77", Joint::Bare)));
        assert!(pairs("Invalidating cache key [42] for").contains(&("key", "42", Joint::Quoted)));
        assert!(pairs("found in cache(s) [users]").contains(&("cache", "users", Joint::Quoted)));
        assert!(pairs("order #4711 paid").contains(&("order", "4711", Joint::Bare)));
        assert!(pairs("Cache 'users' failed to evict entry with key '42'").contains(&("Cache", "users", Joint::Quoted)));
    }

    #[test]
    fn hostile_text_ends() {
        pairs("a=\"unclosed");
        pairs("key '");
        pairs("key [");
        assert_eq!(pairs("a=="), []);
        pairs(&"x=".repeat(10_000));
        pairs("é=ü key 'ü' order ü1");
    }
}
