//! The log of a PostgreSQL server as it goes to stderr, with any `log_line_prefix` that has a time.
//!
//! ```text
//! 2026-11-22 19:34:39.283 UTC [16406] shop@orders ERROR:  deadlock detected
//! 2026-11-22 19:34:39.283 UTC [16406] shop@orders DETAIL:  Process 16406 waits for ShareLock on transaction 742; blocked by process 16407.
//! 2026-11-22 19:40:21 UTC [31692]: user=shop,db=shop,app=payments,client=127.0.0.1 LOG:  duration: 1001.600 ms  statement: select 1
//! ```
//!
//! What is told under the same prefix as `DETAIL:`, `HINT:`, `CONTEXT:`, `STATEMENT:` is part of the event before it and
//! becomes its fields. The sign of these logs is the severity with a colon and two blanks behind it. What this file does
//! not do: read the csvlog (`csv.rs`) and the jsonlog, which is a JSON log.

pub mod csv;

use super::lines::{Block, LineFormat};
use super::text_log::fields::{Pairs, Place};
use super::text_log::stamp;
use super::{Format, Match};
use crate::model::record::{Field, Level, LogRecord, Reason, Sink, Value};
use crate::model::source::{Head, Hints};

/// The stderr log.
pub const FORMAT: Format = Format { name: "postgres-log", sniff };

/// The line format; all there is to know stands in each line.
#[derive(Clone, Copy, Debug)]
pub struct PostgresLog;

/// No prefix is longer.
const LONGEST_PREFIX: usize = 320;
/// How many fields an event keeps.
const MOST: usize = 32;

/// The words before `:  `, and the level of those that begin an event.
const WORDS: &[(&str, Level)] = &[
    ("LOG", Level::Info),
    ("ERROR", Level::Error),
    ("FATAL", Level::Fatal),
    ("PANIC", Level::Fatal),
    ("WARNING", Level::Warn),
    ("NOTICE", Level::Info),
    ("INFO", Level::Info),
    ("DEBUG", Level::Debug),
    ("DEBUG1", Level::Debug),
    ("DEBUG2", Level::Debug),
    ("DEBUG3", Level::Debug),
    ("DEBUG4", Level::Debug),
    ("DEBUG5", Level::Debug),
];
const PARTS: &[(&str, &str)] = &[
    ("DETAIL", "detail"),
    ("HINT", "hint"),
    ("CONTEXT", "context"),
    ("STATEMENT", "db.query.text"),
    ("QUERY", "query"),
    ("LOCATION", "location"),
    ("BACKTRACE", "backtrace"),
];

/// The level that a severity of the server stands for.
#[must_use]
pub fn level(word: &str) -> Option<Level> {
    WORDS.iter().find(|(name, _)| *name == word).map(|(_, level)| *level)
}

/// A line's prefix, its word, and what follows.
struct Line<'a> {
    stamp: stamp::Stamp,
    prefix: &'a str,
    word: &'a str,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn of(line: &'a str, hints: &Hints) -> Option<Self> {
        let stamp = stamp::read(line.as_bytes(), hints).filter(|stamp| stamp.kind != stamp::Kind::Clock)?;
        let mut end = line.len().min(LONGEST_PREFIX);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        let head = line.get(stamp.len..end)?;
        let colon = memchr::memmem::find(head.as_bytes(), b":  ")?;
        let start = head.get(..colon)?.rfind(' ').map_or(0, |blank| blank + 1);
        let word = head.get(start..colon)?;
        let known = level(word).is_some() || part(word).is_some();
        known.then_some(Self { stamp, prefix: head.get(..start)?, word, text: line.get(stamp.len + colon + 3..)? })
    }
}

fn part(word: &str) -> Option<&'static str> {
    PARTS.iter().find(|(name, _)| *name == word).map(|(_, key)| *key)
}

fn line_of(line: &[u8]) -> Option<Line<'_>> {
    static NO_HINTS: Hints = Hints::NONE;
    matches!(line.first()?, b'0'..=b'9' | b'[' | b'A'..=b'Z').then_some(())?;
    memchr::memmem::find(line.get(..line.len().min(LONGEST_PREFIX + 40))?, b":  ")?;
    // A line that is not UTF-8 is so in its text.
    let valid = line.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    Line::of(valid, &NO_HINTS)
}

impl LineFormat for PostgresLog {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        line_of(line).is_some_and(|line| level(line.word).is_some())
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        line.first() == Some(&b'\t') || line_of(line).is_some_and(|line| part(line.word).is_some())
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let mut event: Option<Line<'_>> = None;
        let mut pairs = Pairs::default();
        let mut fields = [Field { key: "", value: Value::Bool(false) }; MOST];
        let mut len = 0;
        // Each part of the event: its key, where it begins, and where it ends so far.
        let mut open: Option<(&str, usize, usize)> = None;
        let mut at = 0;
        let mut message = "";
        while at < block.text.len() {
            let end = memchr::memchr(b'\n', &block.text.as_bytes()[at..]).map_or(block.text.len(), |n| at + n);
            let line = block.text.get(at..end).unwrap_or_default();
            match Line::of(line, block.hints) {
                Some(found) if event.is_none() => {
                    open = Some(("", end - found.text.len(), end));
                    event = Some(found);
                }
                Some(found) if part(found.word).is_some() => {
                    close(block.text, open, &mut message, &mut fields, &mut len);
                    open = part(found.word).map(|key| (key, end - found.text.len(), end));
                }
                _ => open = open.map(|(key, start, _)| (key, start, end)),
            }
            at = end + 1;
        }
        close(block.text, open, &mut message, &mut fields, &mut len);
        let Some(found) = event else { return sink.quarantine(block.evidence, Reason::Malformed) };
        let process = prefix(found.prefix, &mut pairs);
        if let Some(millis) = duration(message) {
            push(&mut fields, &mut len, "duration_ms", Value::Float(millis));
        }
        pairs.fields().iter().for_each(|field| push(&mut fields, &mut len, field.key, field.value));
        pairs.search(message);
        sink.log(&LogRecord {
            time: found.stamp.time,
            level: level(found.word).unwrap_or_default(),
            thread: process,
            trace: pairs.trace,
            span: pairs.span,
            message,
            fields: fields.get(..len).unwrap_or_default(),
            evidence: block.evidence,
            ..LogRecord::default()
        });
    }
}

fn push<'a>(fields: &mut [Field<'a>; MOST], len: &mut usize, key: &'a str, value: Value<'a>) {
    if let Some(slot) = fields.get_mut(*len) {
        *slot = Field { key, value };
        *len += 1;
    }
}

/// Ends a part of an event: the message, or a field.
fn close<'a>(text: &'a str, open: Option<(&'a str, usize, usize)>, message: &mut &'a str, fields: &mut [Field<'a>; MOST], len: &mut usize) {
    let Some((key, start, end)) = open else { return };
    let text = text.get(start..end).unwrap_or_default().trim_end();
    if key.is_empty() {
        *message = text;
    } else if !text.is_empty() {
        push(fields, len, key, Value::Text(text));
    }
}

/// Takes what a prefix names: pairs, `user@database`, and the process in brackets, which is given back.
fn prefix<'a>(prefix: &'a str, pairs: &mut Pairs<'a>) -> &'a str {
    let mut process = "";
    if let Some((_, rest)) = prefix.split_once('[')
        && let Some((inside, _)) = rest.split_once(']')
    {
        process = inside.split('-').next().unwrap_or(inside);
    }
    pairs.scan(prefix, Place::Message);
    let who = prefix.split(' ').find_map(|word| word.split_once('@')).filter(|(user, db)| !user.contains('=') && !db.contains('='));
    if let Some((user, database)) = who {
        for (key, name) in [("user", user), ("db", database)] {
            if name != "[unknown]" {
                pairs.add(key, name, false);
            }
        }
    }
    process
}

/// `duration: 1001.600 ms  statement: …`.
fn duration(message: &str) -> Option<f64> {
    message.strip_prefix("duration: ")?.split_once(" ms")?.0.parse().ok()
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    const LINES: usize = 400;
    if let Some(found) = csv::sniff(head) {
        return Some(found);
    }
    let whole = if head.whole { head.bytes.len() } else { memchr::memrchr(b'\n', head.bytes)? + 1 };
    let (mut all, mut ours) = (0_usize, 0_usize);
    for line in head.bytes.get(..whole)?.split(|&b| b == b'\n').filter(|line| line.first().is_some_and(|b| !b.is_ascii_whitespace())).take(LINES) {
        let found = line_of(line);
        ours += usize::from(found.is_some());
        // Statements go on without any prefix.
        all += usize::from(found.is_some() || ours == 0 || stamp::read(line, &Hints::default()).is_some());
    }
    (ours > 0 && ours * 10 >= all * 8).then(|| Match::lines(88, "postgres-log/stderr", Box::new(PostgresLog)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::told;

    #[test]
    fn an_event_and_its_parts() {
        let got = told(
            FORMAT,
            "2026-11-22 19:34:39.283 UTC [16406] shop@orders ERROR:  deadlock detected\n\
             2026-11-22 19:34:39.283 UTC [16406] shop@orders DETAIL:  Process 16406 waits.\n\tProcess 16407 waits.\n\
             2026-11-22 19:34:39.283 UTC [16406] shop@orders STATEMENT:  update a\n\tset b = 1\n\
             2026-11-22 19:40:21 UTC [31692]: user=shop,db=shop,app=payments,client=127.0.0.1 LOG:  duration: 1001.600 ms  statement: select 1\n\
             2026-11-22 19:40:22 UTC [7] [unknown]@[unknown] LOG:  connection received: host=127.0.0.1\n",
        );
        assert_eq!(
            got,
            "postgres-log/stderr\n\
             log @0+253 time=\"2026-11-22T19:34:39.283Z\" level=\"ERROR\" thread=\"16406\" message=\"deadlock detected\" fields=\"detail=Process 16406 waits.\\n\\tProcess 16407 waits.;db.query.text=update a\\n\\tset b = 1;user=shop;db=orders;\"\n\
             log @254+129 time=\"2026-11-22T19:40:21Z\" level=\"INFO\" thread=\"31692\" message=\"duration: 1001.600 ms  statement: select 1\" fields=\"duration_ms=1001.6;user=shop;db=shop;app=payments;client=127.0.0.1;\"\n\
             log @384+89 time=\"2026-11-22T19:40:22Z\" level=\"INFO\" thread=\"7\" message=\"connection received: host=127.0.0.1\"\n"
        );
    }

    #[test]
    fn look_alikes_are_left_alone() {
        for text in [
            "2026-11-22 19:34:39.283 ERROR: deadlock detected\n2026-11-22 19:34:39.284 INFO: a\n",
            "2026-11-22 19:36:07.043  INFO 1 --- [main] a.B : LOG:  x\n2026-11-22 19:36:07.043  INFO 1 --- [main] a.B : y\n2026-11-22 19:36:07.043  INFO 1 --- [main] a.B : y\n",
            "LOG:  started\n",
        ] {
            assert_eq!(told(FORMAT, text), "none", "{text}");
        }
    }
}
