//! Envoy's default format and Istio's, which adds to it.
//!
//! ```text
//! [2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "nsq2http" "cc21d9b0" "locations" "tcp://10.0.2.1:80"
//! [2020-11-25T21:26:18.409Z] "GET /status/418 HTTP/1.1" 418 - via_upstream - "-" 0 135 4 4 "-" "curl/7.73.0" "84961386" "httpbin:8000" "127.0.0.1:80" inbound|8000||
//! [2020-11-25T21:26:19.000Z] "- - -" 0 UH - - "-" 0 0 0 - "-" "-" "-" "-" "-"
//! ```
//!
//! What this file does not do: other formats that Envoy was told to write; JSON ones are JSON logs.

use super::entry::{Entry, MILLIS};
use super::token::{Dress, Tokens, closing_quote};
use crate::formats::timestamp::iso;
use crate::model::record::{Level, Value};

/// Whether a line has Envoy's beginning: a time in brackets, a request, a code and flags.
#[must_use]
pub fn is_one(line: &str) -> bool {
    parts(line).is_some_and(|(_, _, after)| {
        let mut tokens = Tokens::from(line, after);
        let code = tokens.word().is_some_and(|code| code.len() <= 3 && code.bytes().all(|b| b.is_ascii_digit()));
        code && tokens.word().is_some_and(is_flags)
    })
}

/// The request without its quotes, and where the code begins.
fn parts(line: &str) -> Option<(usize, usize, usize)> {
    let bytes = line.as_bytes();
    let (_, used) = iso(bytes.get(1..)?, 0)?;
    let open = 1 + used + 3;
    if !bytes.get(1 + used..)?.starts_with(b"] \"") {
        return None;
    }
    let close = closing_quote(bytes, open);
    (close < bytes.len()).then_some((open, close, close + 1))
}

/// `-`, `UH`, `UF,URX`.
fn is_flags(word: &str) -> bool {
    word == "-" || (word.len() <= 40 && word.bytes().all(|b| b.is_ascii_uppercase() || b == b',') && word.len() > 1)
}

/// Reads a line that [`is_one`].
pub fn read<'a>(line: &'a str, entry: &mut Entry<'a>) {
    let Some((open, close, after)) = parts(line) else { return };
    if let Some((time, _)) = line.as_bytes().get(1..).and_then(|text| iso(text, 0)) {
        entry.time = time;
    }
    let request = line.get(open..close).unwrap_or_default();
    // Connections that are no requests have three dashes.
    entry.request(if request.starts_with("- - -") { "-" } else { request });
    let mut tokens = Tokens::from(line, after);
    entry.status(tokens.word().unwrap_or_default());
    let flags = tokens.word().unwrap_or_default();
    entry.text("response_flags", flags);
    // Istio puts details, termination details and the transport's failure before the numbers.
    let mut ahead = tokens;
    if ahead.nth(2).is_some_and(|token| token.dress == Dress::Quoted) {
        entry.text("response_code_details", tokens.word().unwrap_or_default());
        entry.text("connection_termination_details", tokens.word().unwrap_or_default());
        entry.text("upstream_transport_failure_reason", tokens.quoted().unwrap_or_default());
    }
    let numbers = [tokens.word(), tokens.word(), tokens.word(), tokens.word()].map(Option::unwrap_or_default);
    let [received, sent, duration, upstream] = numbers;
    entry.int("bytes", sent);
    entry.int("request_bytes", received);
    entry.millis("duration_ms", duration, MILLIS);
    entry.upstream_times(upstream, MILLIS);
    let texts = [tokens.quoted(), tokens.quoted(), tokens.quoted(), tokens.quoted(), tokens.quoted()].map(Option::unwrap_or_default);
    let [forwarded, agent, request_id, authority, host] = texts;
    if let Some(client) = forwarded.split(',').next() {
        entry.text("client.address", client.trim_ascii());
    }
    entry.text("user_agent.original", agent);
    entry.text("request_id", request_id);
    entry.text("server.address", authority);
    entry.upstreams(host);
    entry.text("upstream_name", tokens.word().unwrap_or_default());
    if matches!(entry.status, "0") && flags != "-" && !flags.contains("DC") {
        entry.level = Level::Error;
    }
    if flags.contains("URX") {
        entry.value("retries_exhausted", Value::Bool(true));
    }
}
