//! HAProxy's HTTP and TCP log formats, and what it says of its servers.
//!
//! ```text
//! 127.0.0.1:53660 [22/Nov/2026:19:33:34.953] http-in app/app1 0/0/0/-1/1001 504 198 - - sH-- 1/1/0/0/0 0/0 {00-6a3f…-01} "GET /api/slow HTTP/1.1"
//! 127.0.0.1:57126 [22/Nov/2026:19:33:37.383] tcp-in apptcp/app1 1/0/2 123 -- 2/1/0/0/0 0/0
//! [WARNING]  (14486) : Server app/app2 is DOWN, reason: Layer4 connection problem, info: "Connection refused", check duration: 0ms. …
//! ```
//!
//! The timers are milliseconds, -1 where a phase never came about; two plus signs that mean "so far" and "elsewhere" are
//! left out. What this file does not do: formats of administrators' own making.

use super::clock::clf;
use super::entry::Entry;
use super::token::Tokens;
use crate::formats::syslog::header::Peeled;
use crate::model::record::{Level, LogRecord, Value};
use crate::model::source::Evidence;
use crate::model::time::Time;

/// Where client and time are.
struct Head {
    client: usize,
    time: (usize, usize),
}

/// `client:port [22/Nov/2026:19:33:34.953] ` at the start of a line.
fn head(line: &str) -> Option<Head> {
    let bytes = line.as_bytes();
    let client = memchr::memchr(b' ', bytes.get(..bytes.len().min(64))?)?;
    let time = bytes.get(client + 1..)?.strip_prefix(b"[")?;
    let (_, used) = clf(time, 0).filter(|_| time.get(2) == Some(&b'/'))?;
    let end = client + 2 + used;
    bytes.get(end..)?.starts_with(b"] ").then_some(Head { client, time: (client + 2, end) })
}

/// Whether a line is a request or a connection: after the time a frontend, a server and timers.
#[must_use]
pub fn is_request(line: &str) -> bool {
    let Some(head) = head(line) else { return false };
    let mut tokens = Tokens::from(line, head.time.1 + 1);
    let named = tokens.word().is_some() && tokens.word().is_some_and(|server| server.contains('/'));
    named && tokens.word().is_some_and(|timers| matches!(numbers(timers), Some((_, 3 | 5))))
}

/// The request's time, which has its year.
#[must_use]
pub fn time_of(line: &str) -> Option<Time> {
    let (from, to) = head(line)?.time;
    clf(line.get(from..to)?.as_bytes(), 0).map(|(time, _)| time)
}

/// Up to five numbers between slashes, and how many there are.
fn numbers(text: &str) -> Option<([i64; 5], usize)> {
    let mut found = ([-1; 5], 0);
    for part in text.split('/') {
        *found.0.get_mut(found.1)? = part.strip_prefix('+').unwrap_or(part).parse().ok()?;
        found.1 += 1;
    }
    Some(found)
}

/// Reads a line that [`is_request`].
pub fn request<'a>(line: &'a str, zone: i32, entry: &mut Entry<'a>) {
    let Some(Head { client, time: (from, to) }) = head(line) else { return };
    let time = line.get(from..to).unwrap_or_default();
    entry.time = clf(time.as_bytes(), zone).map_or(Time::NONE, |(time, _)| time);
    let mut tokens = Tokens::from(line, to + 1);
    let mut word = || tokens.word().unwrap_or_default();
    let (frontend, server, timers) = (word(), word(), word());
    let Some((timers, count)) = numbers(timers) else { return };
    let is_http = count == 5;
    let status = if is_http { word() } else { "" };
    let bytes = word();
    if is_http {
        word();
        word();
    }
    let (state, counts) = (word(), word());
    word();
    let rest = tokens.rest();
    if is_http {
        entry.request(request_line(rest));
        entry.status(status);
    } else {
        entry.message = line.get(to + 2..).and_then(|text| text.get(..frontend.len() + 1 + server.len())).unwrap_or("connection");
    }
    entry.text("client.address", address(line.get(..client).unwrap_or_default()));
    let [.., upstream, total] = if is_http { timers } else { [-1, -1, timers[0], timers[1], timers[2]] };
    let (queue, connect) = if is_http { (timers[1], timers[2]) } else { (timers[0], timers[1]) };
    for (key, millis) in
        [("duration_ms", total), ("queue_ms", queue), ("connect_ms", connect), ("upstream_duration_ms", if is_http { upstream } else { -1 })]
    {
        if millis >= 0 {
            entry.value(key, Value::Float(millis as f64));
        }
    }
    entry.text("frontend", frontend);
    entry.text("upstream_address", server);
    entry.text("termination_state", state.trim_matches('-'));
    entry.int("bytes", bytes.strip_prefix('+').unwrap_or(bytes));
    let has_server = !server.ends_with("<NOSRV>");
    if let Some((counts, 5)) = numbers(counts) {
        let retries = counts[4];
        entry.value("retries", Value::Int(retries));
        entry.value("upstream_attempts", Value::Int(if has_server { retries.saturating_add(1) } else { 0 }));
    }
    captures(rest, entry);
    // Who ended the connection before its time: the server or the proxy itself.
    if !is_http && state.starts_with(['S', 's', 'P', 'R', 'I']) {
        entry.level = Level::Warn;
    }
}

/// The text in the quotes at the end.
fn request_line(rest: &str) -> &str {
    let inside = rest.find('"').and_then(|open| rest.get(open + 1..)).unwrap_or_default();
    inside.strip_suffix('"').unwrap_or(inside)
}

/// Captured headers: `{a|b} {c}`. Only a trace context tells what it is.
fn captures(rest: &str, entry: &mut Entry<'_>) {
    let captured = rest.split('"').next().unwrap_or_default();
    for text in captured.split(['{', '|', '}', ' ']).filter(|text| text.len() == 55) {
        entry.traceparent(text);
    }
}

/// The address without its port.
fn address(client: &str) -> &str {
    client.rsplit_once(':').map_or(client, |(address, _)| address)
}

/// `[WARNING]  (14486) : `, with the day and time of older versions before the process.
#[must_use]
pub fn is_event(line: &str) -> bool {
    event_parts(line).is_some()
}

fn event_parts(line: &str) -> Option<(Level, &str)> {
    let (level, rest) = line.strip_prefix('[')?.split_once(']')?;
    let level = match level.trim_ascii() {
        "ALERT" => Level::Error,
        "WARNING" => Level::Warn,
        "NOTICE" | "INFO" => Level::Info,
        "DEBUG" | "DIAG" => Level::Debug,
        _ => return None,
    };
    let rest = rest.trim_ascii_start();
    let rest = match rest.split_once(' ') {
        Some((day, after)) if day.len() == 10 && day.bytes().all(|b| b.is_ascii_digit() || b == b'/') => after,
        _ => rest,
    };
    let (process, message) = rest.strip_prefix('(')?.split_once(')')?;
    let is_process = !process.is_empty() && process.bytes().all(|b| b.is_ascii_digit());
    Some((level, message.trim_ascii_start().strip_prefix(": ").filter(|_| is_process)?))
}

/// What HAProxy says of itself and its servers.
#[must_use]
pub fn event<'a>(peeled: &Peeled<'a>, near: Time, zone: i32, evidence: Evidence) -> LogRecord<'a> {
    let (level, message) = event_parts(peeled.rest).unwrap_or((peeled.level, peeled.rest));
    let level = match level {
        // Files that syslog writes leave the level out.
        Level::None if message.contains(" is DOWN") || message.contains(" has no server available") => Level::Error,
        Level::None => Level::Info,
        level => level,
    };
    let time = peeled.time(near, zone);
    // Of a failed handshake HAProxy logs client and time itself.
    let (time, message) = match head(message) {
        Some(Head { time: (from, to), .. }) => {
            let own = message.get(from..to).and_then(|text| clf(text.as_bytes(), zone)).map_or(time, |(time, _)| time);
            (own, message.get(to + 2..).unwrap_or_default())
        }
        None => (time, message),
    };
    LogRecord { time, level, instance: peeled.host, message, evidence, ..LogRecord::default() }
}
