//! Application logs in text: any pattern of logback, log4j2, Python, Rust, zap and the like, and logfmt.
//!
//! ```text
//! 2026-11-22T19:37:48.008Z  INFO 12345 --- [           main] com.acme.orders.OrderService             : Processing order id=0
//! 19:36:07.065 [main] ERROR com.acme.payment.PaymentClient - payment error
//! time="2021-09-15T21:17:10.220731Z" level=error msg="error retrieving pod status" namespace=shop
//! ```
//!
//! The file decides where records begin and puts their parts together; the parts are read by `layout.rs` (the head),
//! `stack.rs` and `fields.rs` (pairs and trace ids). What this file does not do: access logs, syslog, and the two-line
//! records of `java.util.logging`.

pub mod brackets;
pub mod fields;
pub mod inside;
pub mod layout;
pub mod level;
pub mod logfmt;
mod sniff;
pub mod stack;
pub mod stamp;
pub mod words;

use super::Format;
use super::lines::{Block, LineFormat};
use crate::model::record::{LogRecord, Reason, Sink};
use crate::model::source::Hints;
use crate::model::time::Time;
use crate::model::undated::is_undated;
use fields::{Pairs, Place};
use layout::{Anchor, Head, Layout};
use std::borrow::Cow;

/// The format's entry.
pub const FORMAT: Format = Format { name: "text-log", sniff: sniff::sniff };

/// A reader of text logs, with what the head of its file taught.
#[derive(Clone, Copy, Debug)]
pub struct TextLog {
    layout: Layout,
    /// Whether it reads lines between those of another format, of which less is certain.
    embedded: bool,
}

impl TextLog {
    /// For text log lines between the lines of other formats.
    pub const EMBEDDED: Self = Self { layout: Layout::UNKNOWN, embedded: true };

    /// For a line that begins with a level or a bracket.
    pub const WORD: Self = Self { layout: Layout { anchor: Anchor::Word, separator: false, logger: true }, embedded: true };

    /// For a file whose head taught a layout.
    #[must_use]
    pub const fn of(layout: Layout) -> Self {
        Self { layout, embedded: false }
    }

    fn starts_with_time(&self, line: &[u8]) -> bool {
        let line = uncoloured_start(line);
        let Some(stamp) = stamp::read(line, &NO_HINTS) else { return false };
        let rest = &line[stamp.len..];
        match rest.trim_ascii_start().first() {
            // A time alone stands before a thread dump or another command's output; quotes follow it in access logs.
            None | Some(b'"') => return false,
            Some(b'[') if rest.first() == Some(&b'[') && is_jvm(rest) => return false,
            _ => {}
        }
        if rest.starts_with(b": ") && rest.get(2).is_some_and(u8::is_ascii_digit) {
            return false;
        }
        // Where nothing was learnt, a time of day or a number needs a level beside it.
        let partial = matches!(stamp.kind, stamp::Kind::Clock | stamp::Kind::Yearless);
        stamp.kind == stamp::Kind::Full || !self.embedded && partial || has_level(rest)
    }
}

impl LineFormat for TextLog {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        match (line.first(), self.layout.anchor) {
            (None | Some(b' ' | b'\t'), _) => false,
            (Some(_), Anchor::Time) => self.starts_with_time(line),
            (Some(_), Anchor::Word) => starts_with_word(line),
            (Some(b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'@'), Anchor::Pairs) => std::str::from_utf8(line).is_ok_and(logfmt::starts),
            (Some(_), Anchor::Pairs) => false,
        }
    }

    fn continues(&self) -> bool {
        true
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let plain = uncoloured(block.text);
        let text = plain.strip_prefix('\u{feff}').unwrap_or(&plain);
        if self.layout.anchor == Anchor::Pairs {
            pairs_record(text, block, sink);
        } else {
            headed_record(text, self.layout, block, sink);
        }
    }
}

static NO_HINTS: Hints = Hints::NONE;

/// A record with a head.
fn headed_record(text: &str, layout: Layout, block: &Block<'_>, sink: &mut dyn Sink) {
    let line = text.get(..memchr::memchr(b'\n', text.as_bytes()).unwrap_or(text.len())).unwrap_or(text).trim_end();
    let mut pairs = Pairs::default();
    let head = layout::read(line, block.hints, layout, &mut pairs);
    let split = stack::split(text.get(head.message..).unwrap_or(""));
    let mut message = split.message;
    if head.trailing_logger {
        message = without_trailing_logger(message, head.logger);
    }
    message = message_pairs(message, &mut pairs);
    pairs.search(message);
    send(&head, message, split.stack, &pairs, block, sink);
}

/// A record of pairs only; what follows its line is a stack trace.
fn pairs_record(text: &str, block: &Block<'_>, sink: &mut dyn Sink) {
    let end = memchr::memchr(b'\n', text.as_bytes()).unwrap_or(text.len());
    let (line, below) = (text.get(..end).unwrap_or(text), text.get(end..).unwrap_or(""));
    let mut pairs = Pairs::default();
    let read = logfmt::read(line.trim_end(), block.hints.zone, &mut pairs);
    // The lines below are split as if the message stood above them, which it does.
    let split = stack::split(below);
    let head = Head { time: read.time, level: read.level, logger: read.logger, thread: read.thread, ..Head::default() };
    let more = split.message.trim();
    let message = if more.is_empty() { read.message } else { Cow::Owned(format!("{}\n{more}", read.message)) };
    let stack = if split.stack.is_empty() { &*read.stack } else { split.stack };
    pairs.search(&message);
    send(&head, &message, stack, &pairs, block, sink);
}

fn send(head: &Head<'_>, message: &str, stack: &str, pairs: &Pairs<'_>, block: &Block<'_>, sink: &mut dyn Sink) {
    // A clock that starts in 1970 tells nothing about when; the record itself is understood and kept.
    let implausible = head.time.is_some() && head.time.0 < stamp::MILLENNIUM && !is_undated(head.time);
    if implausible {
        sink.quarantine(block.evidence, Reason::ImplausibleTime);
    }
    sink.log(&LogRecord {
        time: if implausible { Time::NONE } else { head.time },
        level: head.level,
        service: if head.service.is_empty() { pairs.service } else { head.service },
        instance: "",
        logger: head.logger,
        thread: head.thread,
        trace: pairs.trace,
        span: pairs.span,
        message,
        stack,
        fields: pairs.fields(),
        evidence: block.evidence,
    });
}

/// Takes the pairs of a message. A JSON object at its end is fields, not text; a message that is one stays as it is.
fn message_pairs<'a>(message: &'a str, pairs: &mut Pairs<'a>) -> &'a str {
    let object = if message.ends_with('}') { object_start(message) } else { None };
    let Some((before, object)) = object.and_then(|at| message.split_at_checked(at)) else {
        pairs.scan(message, Place::Message);
        return message;
    };
    if !pairs.json(object) {
        pairs.scan(message, Place::Message);
        return message;
    }
    pairs.scan(before, Place::Message);
    if before.is_empty() { message } else { before.trim_end() }
}

/// Where an object begins that is a word of its own: `{"`.
fn object_start(message: &str) -> Option<usize> {
    let bytes = message.as_bytes();
    memchr::memmem::find(bytes, b"{\"").filter(|at| *at == 0 || matches!(bytes[at - 1], b' ' | b'\t'))
}

fn without_trailing_logger<'a>(message: &'a str, logger: &str) -> &'a str {
    message.strip_suffix(')').and_then(|m| m.strip_suffix(logger)).and_then(|m| m.strip_suffix(" (")).unwrap_or(message)
}

/// Whether a level word, or a bracket with one, is among the first tokens of what follows a time.
fn has_level(rest: &[u8]) -> bool {
    let rest = &rest[..rest.len().min(160)];
    rest.split(|b| matches!(b, b' ' | b'[' | b']' | b'\t' | b'|' | b':' | 0x1b | b'm'))
        .filter(|word| !word.is_empty())
        .take(8)
        .any(|word| level::of_word(word).is_some())
}

/// `[2026-11-22T19:30:33.967+0000][7.148s][info][gc]`: the JVM's own log.
fn is_jvm(rest: &[u8]) -> bool {
    let rest = &rest[..rest.len().min(120)];
    [&b"[gc"[..], b"[safepoint", b"s][info", b"s][debug", b"s][warning"].iter().any(|tag| memchr::memmem::find(rest, tag).is_some())
}

/// `INFO:shop:up`, `info: up`, `[main] INFO c.a.X - up`, `WARN  2026-11-22 19:36:07,043 …`, `[INFO] up`.
fn starts_with_word(line: &[u8]) -> bool {
    let line = uncoloured_start(line);
    let word_of = |text: &[u8]| text.iter().position(|b| !b.is_ascii_alphabetic()).unwrap_or(text.len());
    let level_at = |text: &[u8]| {
        let len = word_of(text);
        text.get(..len).and_then(level::of_word).map(|(_, case)| (len, case))
    };
    match line {
        [b'[', rest @ ..] => {
            let Some(close) = rest.iter().take(80).position(|b| *b == b']') else { return false };
            if rest[..close].iter().any(|b| matches!(b, b'"' | b'{')) {
                return false;
            }
            level_at(&rest[..close]).is_some_and(|(len, _)| len == close) && rest.get(close + 1) != Some(&b'[')
                || level_at(rest[close + 1..].trim_ascii_start()).is_some_and(|(_, case)| case == level::Case::Plain)
        }
        _ => level_at(line).is_some_and(|(len, case)| match line.get(len) {
            Some(b':') => true,
            Some(b' ' | b'\t' | b'|' | b'[') => case == level::Case::Plain && line[0].is_ascii_uppercase(),
            _ => false,
        }),
    }
}

/// The line from behind a byte order mark and the colour that may begin it.
fn uncoloured_start(mut line: &[u8]) -> &[u8] {
    line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    while let [0x1b, b'[', rest @ ..] = line {
        let Some(end) = rest.iter().take(16).position(|b| *b == b'm') else { return line };
        line = &rest[end + 1..];
    }
    line
}

/// The text without ANSI colours; only coloured text is copied.
fn uncoloured(text: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(0x1b, text.as_bytes()) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len());
    out.push_str(&text[..first]);
    for part in text[first..].split('\u{1b}').skip(1) {
        let sequence = match part.strip_prefix('[') {
            Some(rest) => rest
                .find(|c: char| !(c.is_ascii_digit() || c == ';'))
                .map_or(part.len(), |n| 1 + n + rest[n..].chars().next().map_or(0, char::len_utf8)),
            None => 0,
        };
        out.push_str(&part[sequence..]);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests;
