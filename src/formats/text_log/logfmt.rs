//! Lines that are all `key=value` pairs.
//!
//! ```text
//! time="2021-09-15T21:17:10.220731Z" level=error msg="error retrieving pod status" namespace=shop reason=
//! logger=settings t=2025-04-24T19:51:48.520963849Z level=info msg="Starting Grafana" version=11.5.2
//! ts=1795376223943 level=ERROR logger=com.acme.PaymentClient thread="main" trace_id=0cd210263d554afda51dd250ad32d371 msg="a \"b\""
//! ```
//!
//! What this file does not do: unescape values other than the message.

use super::fields::{Pairs, Place, next_pair};
use super::level;
use crate::formats::timestamp;
use crate::model::record::{Level, Value};
use crate::model::time::Time;
use std::borrow::Cow;

/// What a line says about itself; every other pair is in the [`Pairs`].
#[derive(Debug, Default)]
pub struct Line<'a> {
    /// Time.
    pub time: Time,
    /// Level.
    pub level: Level,
    /// Logger, else the place in the code.
    pub logger: &'a str,
    /// Thread.
    pub thread: &'a str,
    /// Message, unescaped.
    pub message: Cow<'a, str>,
    /// A stack trace in a field, unescaped.
    pub stack: Cow<'a, str>,
}

/// Whether `line` begins with a pair and at least three are found, a level or a message and a time among them.
#[must_use]
pub fn starts(line: &str) -> bool {
    if !line.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '@') {
        return false;
    }
    let (mut at, mut count, mut known, mut level) = (0, 0, 0, false);
    for _ in 0..12 {
        // The first pair begins the line; a sentence with a pair in it is no logfmt.
        let Some((key, _, next)) = next_pair(line, at, Place::Logfmt) else { break };
        if at == 0 && !line.starts_with(key) {
            return false;
        }
        count += 1;
        level |= is_level(key);
        known += usize::from(is_level(key) || is_message(key) || is_time(key));
        if count >= 3 && level && known >= 2 {
            return true;
        }
        at = next;
    }
    level && known >= 2
}

/// Reads a line.
#[must_use]
pub fn read<'a>(line: &'a str, zone: i32, pairs: &mut Pairs<'a>) -> Line<'a> {
    let mut out = Line::default();
    let mut caller = "";
    let mut at = 0;
    while let Some((key, value, next)) = next_pair(line, at, Place::Logfmt) {
        at = next;
        match key {
            _ if value.is_empty() => {}
            _ if out.time.is_none() && is_time(key) => out.time = timestamp::of_value(Value::Text(value), zone).unwrap_or(Time::NONE),
            _ if is_level(key) => out.level = level::of_value(value),
            _ if is_message(key) && out.message.is_empty() => out.message = unescape(value),
            "logger" | "logger_name" | "log.logger" | "component" if out.logger.is_empty() => out.logger = value,
            "caller" | "source" => caller = value,
            "thread" | "thread_name" => out.thread = value,
            "stack" | "stacktrace" | "stack_trace" | "exception" if value.contains("\\n") => out.stack = unescape(value),
            _ => pairs.add(key, value, true),
        }
    }
    if out.logger.is_empty() {
        out.logger = caller;
    }
    out
}

fn is_time(key: &str) -> bool {
    matches!(key, "time" | "ts" | "t" | "timestamp" | "@timestamp" | "asctime")
}

fn is_level(key: &str) -> bool {
    matches!(key, "level" | "lvl" | "severity" | "levelname" | "log.level")
}

fn is_message(key: &str) -> bool {
    matches!(key, "msg" | "message" | "event")
}

fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some(c @ ('"' | '\\' | '\''))) => out.push(c),
            ('\\', Some(c)) => out.extend(['\\', c]),
            (c, _) => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let line =
            r#"ts=1795376223943 level=ERROR logger=com.acme.X thread="main" trace_id=0cd210263d554afda51dd250ad32d371 n=2 empty= msg="a \"b\" = c""#;
        assert!(starts(line));
        let mut pairs = Pairs::default();
        let read = read(line, 0, &mut pairs);
        assert_eq!(
            (read.time.rfc3339().as_str(), read.level, read.logger, read.thread, &*read.message),
            ("2026-11-22T19:37:03.943Z", Level::Error, "com.acme.X", "main", "a \"b\" = c")
        );
        assert_eq!((pairs.fields().len(), pairs.trace.to_string().as_str()), (1, "0cd210263d554afda51dd250ad32d371"));
    }

    #[test]
    fn other_lines() {
        for line in ["", "a", "a=1 b=2 c=3", "level=info", "saved level=info msg=x time=3", "DB_HOST=x", "=", "msg=x", "Order{level=3, msg=a, b=c}"] {
            assert!(!starts(line), "{line}");
        }
        for line in ["level=info msg=\"x\"", "time=2026-11-22T19:36:07Z level=info msg=x", "logger=settings t=2025-04-24T19:51:48Z level=info msg=a"]
        {
            assert!(starts(line), "{line}");
        }
    }
}
