//! What stands in square brackets before a message, told by its shape.
//!
//! ```text
//! [           main]  [order-service,f71074de22c94ce6b2fa2ace749e764b,f71074de22c94ce6]  [traceId=f707…, orderId=ord-0]
//! [f71074de22c94ce6b2fa2ace749e764b-f71074de22c94ce6]  [                    ]  [WARN]  [core:info]  [pylog.py:11]
//! ```
//!
//! What this file does not do: tell a thread from an application; only the place in the head can.

use super::fields::{Place, next_pair};
use super::level;
use crate::model::ids::{SpanId, TraceId};
use crate::model::record::Level;

/// What a bracket is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bracket<'a> {
    /// Blank, or dashes: the place of an absent trace id.
    Empty,
    /// A level, and the module before it (Apache's `core:info`).
    Level(Level, &'a str),
    /// Application (may be empty), trace and span.
    Ids(&'a str, TraceId, SpanId),
    /// Pairs.
    Context,
    /// A dotted name.
    Logger,
    /// A source file and line.
    Place,
    /// A process or thread number.
    Number,
    /// A thread, an application, or the message's own bracket.
    Name,
}

/// No bracket of a head is longer.
const LONGEST: usize = 2048;

/// The text between the bracket at `at` and its partner; none if it stays open.
#[must_use]
pub fn content(line: &str, at: usize, open: u8, close: u8) -> Option<&str> {
    let bytes = line.as_bytes().get(at..)?;
    let mut depth = 0_usize;
    for (n, b) in bytes.iter().enumerate().take(LONGEST) {
        if *b == open {
            depth += 1;
        } else if *b == close {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return line.get(at + 1..at + n);
            }
        }
    }
    None
}

/// Tells a bracket by its trimmed content.
#[must_use]
pub fn classify(content: &str) -> Bracket<'_> {
    let bytes = content.as_bytes();
    if bytes.iter().all(|b| matches!(b, b'-' | b' ' | b',')) {
        return Bracket::Empty;
    }
    if bytes.iter().all(u8::is_ascii_digit) {
        return Bracket::Number;
    }
    if let Some((level, _)) = level::of_word(bytes) {
        return Bracket::Level(level, "");
    }
    if let Some(ids) = ids(content) {
        return ids;
    }
    if memchr::memchr(b'=', bytes).is_some() && next_pair(content, 0, Place::Context).is_some_and(|(key, ..)| content.starts_with(key)) {
        return Bracket::Context;
    }
    if let Some((before, after)) = content.rsplit_once(':') {
        if let (Some((level, _)), true) = (level::of_word(after.as_bytes()), before.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')) {
            return Bracket::Level(level, before);
        }
        if before.contains('.') && !after.is_empty() && after.bytes().all(|b| b.is_ascii_digit()) {
            return Bracket::Place;
        }
    }
    if is_dotted(content) { Bracket::Logger } else { Bracket::Name }
}

/// A name in parts that each begin with a letter: `com.acme.Orders`, `hyper::client`.
#[must_use]
pub fn is_dotted(word: &str) -> bool {
    let bytes = word.as_bytes();
    let mut parts = 1;
    let mut begins = true;
    for (n, b) in bytes.iter().enumerate() {
        match b {
            b'.' | b':' if begins && !(*b == b':' && n > 0 && bytes[n - 1] == b':') => return false,
            b'.' => (parts, begins) = (parts + 1, true),
            b':' if bytes.get(n + 1) == Some(&b':') || (n > 0 && bytes[n - 1] == b':') => (parts, begins) = (parts + 1, true),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' => begins = false,
            b'0'..=b'9' | b'-' | b'/' if !begins => {}
            _ => return false,
        }
    }
    parts > 1 && !begins
}

/// `trace-span`, `trace,span`, `app,trace,span` and Sleuth's `app,trace,span,exported`; ids may be empty.
fn ids(content: &str) -> Option<Bracket<'_>> {
    let hex = |text: &str, digits: &[usize]| digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let pair = |trace: &str, span: &str| (TraceId::parse(trace.as_bytes()), SpanId::parse(span.as_bytes()));
    if let Some((trace, span)) = content.split_once(['-', ',']).map(|(a, b)| (a, b.trim_start())) {
        if hex(trace, &[32, 16]) && hex(span, &[16]) {
            let (trace, span) = pair(trace, span);
            return Some(Bracket::Ids("", trace, span));
        }
    }
    let mut parts = content.split(',').map(str::trim);
    let (app, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    let rest = (parts.next(), parts.next());
    let sound = (trace.is_empty() || hex(trace, &[32, 16]))
        && (span.is_empty() || hex(span, &[16]))
        && matches!(rest, (None | Some("" | "true" | "false"), None));
    if !sound || app.contains('=') {
        return None;
    }
    let (trace, span) = pair(trace, span);
    Some(Bracket::Ids(app, trace, span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let trace = TraceId::parse(b"f71074de22c94ce6b2fa2ace749e764b");
        let span = SpanId::parse(b"f71074de22c94ce6");
        for (content, want) in [
            ("", Bracket::Empty),
            ("-", Bracket::Empty),
            ("WARN", Bracket::Level(Level::Warn, "")),
            ("core:info", Bracket::Level(Level::Info, "core")),
            ("f71074de22c94ce6b2fa2ace749e764b-f71074de22c94ce6", Bracket::Ids("", trace, span)),
            ("orders,f71074de22c94ce6b2fa2ace749e764b,f71074de22c94ce6", Bracket::Ids("orders", trace, span)),
            ("orders,f71074de22c94ce6b2fa2ace749e764b,f71074de22c94ce6,true", Bracket::Ids("orders", trace, span)),
            ("orders,,", Bracket::Ids("orders", TraceId::NONE, SpanId::NONE)),
            ("a=1, b=2", Bracket::Context),
            ("Consumer clientId=c, groupId=g", Bracket::Name),
            ("pylog.py:11", Bracket::Place),
            ("com.acme.Orders", Bracket::Logger),
            ("hyper::client", Bracket::Logger),
            ("http-nio-8080-exec-1", Bracket::Name),
            ("12345", Bracket::Number),
            ("f71074de22c94ce6b2fa2ace749e764b", Bracket::Name),
        ] {
            assert_eq!(classify(content), want, "{content}");
        }
        for word in ["", ".", "a.", ".a", "a..b", "127.0.0.1", "a:b", "::", "a.1"] {
            assert!(!is_dotted(word), "{word}");
        }
    }

    #[test]
    fn partners() {
        assert_eq!(content("[a[1]] x", 0, b'[', b']'), Some("a[1]"));
        assert_eq!(content("[a", 0, b'[', b']'), None);
        assert_eq!(content("[[[[", 0, b'[', b']'), None);
    }
}
