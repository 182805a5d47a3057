//! The common and combined formats and what administrators add to them.
//!
//! ```text
//! shop.local:80 127.0.0.1 - - [22/Nov/2026:19:35:53 +0000] "GET / HTTP/1.1" 404 397 "http://r/" "curl/7.88.1" 312
//! 127.0.0.1 - bob [22/Nov/2026:19:33:33 +0000] "GET / HTTP/1.1" 502 157 "-" "curl" "-" rt=0.001 urt="0.000, 0.001" us="502, 200"
//! 2026-11-22T19:37:14.190Z 127.0.0.1 "GET /slow HTTP/1.1" 200 2 306 303 "http-nio-8080-exec-1" "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
//! ```
//!
//! Up to the status every such line is alike: who, when, what. The rest is columns, whose meaning `columns.rs` learns, and
//! pairs, which name themselves. What this file does not do: patterns that print the request without quotes or the status
//! before it.

use super::clock::clf;
use super::columns::{Column, Columns};
use super::entry::{Entry, MICROS, MILLIS, SECONDS, with_unit};
use super::request::Request;
use super::token::{Dress, Token, Tokens, closing_quote};
use crate::formats::text_log::level;
use crate::formats::timestamp::iso;
use crate::model::time::Time;

/// So far into a line the time may stand.
const DEEPEST_TIME: usize = 512;
/// So much may stand between the time and the request.
const WIDEST_GAP: usize = 128;

/// Where the parts of a line stand.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// The time, from its first byte to its last.
    time: (usize, usize),
    /// Whether the time stands in brackets, after the client.
    bracketed: bool,
    /// The request without its quotes.
    request: (usize, usize),
    /// The status.
    status: (usize, usize),
}

impl Head {
    /// Where the columns begin.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.status.1
    }
}

/// Finds the time, the request and the status; none if the line has not all three.
#[must_use]
pub fn head(line: &str) -> Option<Head> {
    let bytes = line.as_bytes();
    let leading = if bytes.first()?.is_ascii_digit() { iso(bytes, 0) } else { None };
    let (time, bracketed) = match leading {
        Some((_, used)) => ((0, used), false),
        None => (bracketed_time(bytes)?, true),
    };
    let after = time.1;
    let gap = bytes.get(after..bytes.len().min(after + WIDEST_GAP))?;
    let open = after + memchr::memchr(b'"', gap)?;
    if bytes.get(open - 1) != Some(&b' ') {
        return None;
    }
    let close = closing_quote(bytes, open + 1);
    let status = bytes.get(close + 1..)?.strip_prefix(b" ")?.first_chunk::<3>()?;
    let status_at = close + 2;
    let is_status = status.iter().all(u8::is_ascii_digit) && matches!(bytes.get(status_at + 3), None | Some(b' ' | b'\t'));
    // Where the time does not stand in the usual brackets, only a whole request tells the line from an application's.
    let usual = bracketed && after + 2 == open;
    let request = line.get(open + 1..close)?;
    let is_request = usual || (!gap.starts_with(b" [") && Request::read(request).is_whole());
    // An application that logs its requests puts a level before them.
    let is_application = names_level(line.get(..time.0)?) || names_level(line.get(after..open)?);
    (is_status && is_request && !is_application).then_some(Head { time, bracketed, request: (open + 1, close), status: (status_at, status_at + 3) })
}

/// Whether a word in capitals is a level: `INFO`, `INFO:werkzeug:127.0.0.1`.
fn names_level(text: &str) -> bool {
    text.split([' ', '\t', ':', '[', ']'])
        .any(|word| word.bytes().next().is_some_and(|b| b.is_ascii_uppercase()) && level::of_word(word.as_bytes()).is_some())
}

/// Where the time is, if the first bracket holds one.
fn bracketed_time(bytes: &[u8]) -> Option<(usize, usize)> {
    let within = bytes.get(..bytes.len().min(DEEPEST_TIME))?;
    for open in memchr::memchr_iter(b'[', within).take(3) {
        let text = bytes.get(open + 1..)?;
        let Some((_, used)) = (match text.get(2) {
            Some(b'/') => clf(text, 0),
            Some(b'0'..=b'9') => iso(text, 0),
            _ => None,
        }) else {
            continue;
        };
        return (text.get(used) == Some(&b']')).then_some((open + 1, open + 1 + used));
    }
    None
}

/// Reads a line whose parts were found.
pub fn read<'a>(line: &'a str, head: Head, columns: &Columns, zone: i32, entry: &mut Entry<'a>) {
    let part = |(from, to): (usize, usize)| line.get(from..to).unwrap_or_default();
    let time = part(head.time).as_bytes();
    entry.time = clf(time, zone).or_else(|| iso(time, zone)).map_or(Time::NONE, |(time, _)| time);
    entry.request(part(head.request));
    entry.status(part(head.status));
    let who = if head.bracketed { (0, head.time.0.saturating_sub(1)) } else { (head.time.1, head.request.0.saturating_sub(1)) };
    client(part(who), entry);
    let mut number = 0;
    for token in Tokens::from(line, head.columns()) {
        if let Dress::Pair(key) = token.dress {
            pair(key, token.text, entry);
        } else {
            column(columns.meaning(number), token, entry);
            number += 1;
        }
    }
}

/// `vhost client identity user`, of which the client is always there.
fn client<'a>(text: &'a str, entry: &mut Entry<'a>) {
    // A list is what proxies on the way have put together; the client is its first member.
    if let Some((client, _)) = text.split_once(", ") {
        return entry.text("client.address", client.trim_ascii_start());
    }
    let mut words = [""; 4];
    let mut count = 0;
    for word in text.split([' ', '\t']).filter(|word| !word.is_empty()) {
        words.rotate_left(1);
        words[3] = word;
        count += 1;
    }
    let (host, client, user) = match (count, words) {
        (0, _) => return,
        (1, [.., client]) => ("", client, ""),
        (2, [.., client, user]) => ("", client, user),
        (3, [_, client, _, user]) => ("", client, user),
        (_, [host, client, _, user]) => (host, client, user),
    };
    entry.text("client.address", client);
    entry.text("server.address", host);
    entry.text("user.name", user);
}

fn column<'a>(meaning: Column, token: Token<'a>, entry: &mut Entry<'a>) {
    let text = token.text;
    match meaning {
        Column::Skip => {}
        Column::Referer | Column::UserAgent if token.dress != Dress::Quoted => by_look(token, entry),
        Column::Bytes => entry.int("bytes", text),
        Column::Referer => entry.text("http.request.header.referer", text),
        Column::UserAgent => entry.text("user_agent.original", text),
        Column::Seconds => _ = entry.millis("duration_ms", text, SECONDS),
        Column::Millis => _ = entry.millis("duration_ms", text, MILLIS),
        Column::Micros => _ = entry.millis("duration_ms", text, MICROS),
        Column::Duration => entry.int("duration", text),
        Column::UpstreamSeconds => _ = entry.upstream_times(text, SECONDS),
        Column::UpstreamStatus => entry.upstream_statuses(text),
        Column::UpstreamAddress => entry.upstreams(text),
        Column::UpstreamName => entry.text("upstream_name", text),
        Column::RequestId => entry.text("request_id", text),
        Column::Unknown => by_look(token, entry),
    }
}

/// Takes what tells by itself what it is.
fn by_look<'a>(token: Token<'a>, entry: &mut Entry<'a>) {
    let text = token.text;
    if entry.traceparent(text) {
        return;
    }
    if let Some((number, unit)) = with_unit(text) {
        entry.millis("duration_ms", number, unit);
    } else if is_thread(text) {
        entry.thread = text;
    } else if is_request_id(text) {
        entry.text("request_id", text);
    } else if token.dress == Dress::Quoted && text.split(", ").all(is_address) {
        entry.text("http.request.header.x-forwarded-for", text);
    } else if token.dress == Dress::Quoted && (text.starts_with("http://") || text.starts_with("https://")) {
        entry.text(if entry.has("http.request.header.referer") { "upstream_address" } else { "http.request.header.referer" }, text);
    }
}

/// The names of the request threads of Tomcat, Jetty and Undertow.
pub fn is_thread(text: &str) -> bool {
    ["http-nio", "http-apr", "https-jsse", "https-openssl", "ajp-", "catalina-exec", "qtp", "XNIO-", "default task-"]
        .iter()
        .any(|name| text.starts_with(name))
        && text.bytes().any(|b| b.is_ascii_digit())
}

/// Thirty-two hex digits, a UUID, or what Apache's `UNIQUE_ID` looks like.
pub fn is_request_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    let hex = |allowed: &[u8]| bytes.iter().all(|b| b.is_ascii_hexdigit() || allowed.contains(b));
    match bytes.len() {
        32 => hex(b""),
        36 => hex(b"-") && bytes.iter().filter(|b| **b == b'-').count() == 4,
        24 | 27 => {
            bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'@'))
                && bytes.iter().any(u8::is_ascii_uppercase)
                && bytes.iter().any(u8::is_ascii_lowercase)
        }
        _ => false,
    }
}

fn is_address(text: &str) -> bool {
    (7..=45).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b'.' | b':')) && text.contains(['.', ':'])
}

/// Takes a pair by its key. The names are those that log formats in the field use for nginx's variables and their kin.
fn pair<'a>(key: &'a str, text: &'a str, entry: &mut Entry<'a>) {
    if matches!(text, "" | "-") {
        return;
    }
    let is_taken = match key {
        "rt" | "request_time" | "req_time" | "rtime" => entry.millis("duration_ms", text, SECONDS),
        "urt" | "upstream_response_time" | "upstream_time" | "utime" => entry.upstream_times(text, SECONDS),
        "duration_ms" | "request_time_ms" | "elapsed_ms" | "time_ms" => entry.millis("duration_ms", text, MILLIS),
        "D" => entry.millis("duration_ms", text, MICROS),
        "T" => entry.millis("duration_ms", text, SECONDS),
        "duration" | "took" | "elapsed" | "time" | "latency" => {
            with_unit(text).is_some_and(|(number, unit)| entry.millis("duration_ms", number, unit))
        }
        "us" | "upstream_status" | "ustatus" => {
            entry.upstream_statuses(text);
            true
        }
        "ua" | "uaddr" | "upstream" | "upstream_addr" if !text.contains('/') || text.starts_with("unix:") => {
            entry.upstreams(text);
            true
        }
        "ua" | "agent" | "user_agent" | "http_user_agent" => {
            entry.text("user_agent.original", text);
            true
        }
        "tp" | "traceparent" | "traceparent_in" | "http_traceparent" => entry.traceparent(text),
        "trace_id" | "traceid" | "traceId" | "trace" | "x-b3-traceid" => entry.id(true, text),
        "span_id" | "spanid" | "spanId" | "span" | "x-b3-spanid" => entry.id(false, text),
        "rid" | "req_id" | "reqid" | "request_id" | "x_request_id" | "x-request-id" | "requestId" => {
            entry.text("request_id", text);
            true
        }
        "host" | "vhost" | "server_name" => {
            entry.text("server.address", text);
            true
        }
        _ => false,
    };
    if !is_taken {
        entry.int(key, text);
    }
}
