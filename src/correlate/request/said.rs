//! What the fields of a log record, or its message, say of a request.
//!
//! ```text
//! {"req":{"method":"GET","url":"/x"},"res":{"statusCode":200},"responseTime":12}          fields
//! GET /api/orders/9965 status=200 duration_ms=29       "GET /healthz HTTP/1.1" 200         messages
//! ```
//!
//! What this file does not do: decide whether that is a request.

use crate::correlate::operation::scheme_end;
use crate::model::record::{Field, Value};

/// Methods of HTTP.
pub(super) const METHODS: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT"];
/// How far into a message its URL begins at most.
const CALLED: usize = 200;
const MILLIS: f64 = 1e6;
const SECONDS: f64 = 1e9;
/// How far into a message its request line may begin: client, user and time stand before it.
const QUOTED_WITHIN: usize = 128;

/// What the fields of a record say of a request, borrowed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    pub(super) route: &'a str,
    pub(super) line: &'a str,
    pub(super) query: &'a str,
    pub(super) status: Option<i64>,
    pub(super) nanos: Option<f64>,
    pub(super) upstream_nanos: Option<f64>,
    pub(super) upstream_status: Option<Value<'a>>,
    pub(super) upstream: &'a str,
    pub(super) attempts: i64,
    pub(super) client: &'a str,
    /// The server's address: whom a client asked, or under which name a server was asked.
    pub(super) server: &'a str,
    pub(super) flags: &'a str,
    pub(super) url: &'a str,
    pub(super) request_bytes: Option<i64>,
    pub(super) response_bytes: Option<i64>,
    pub(super) is_call: bool,
    /// Whether it stood in quotes, as servers write it.
    pub(super) is_quoted: bool,
    /// Whether the record's time is that of the beginning.
    pub(super) is_begin: bool,
}

impl<'a> Said<'a> {
    pub(super) fn of(fields: &[Field<'a>]) -> Self {
        let mut said = Self::default();
        for field in fields {
            said.take(field.key, field.value);
        }
        said
    }

    fn take(&mut self, key: &str, value: Value<'a>) {
        let text = value.text().unwrap_or("");
        // Envoy and HAProxy stamp a request with its beginning, whoever else with its end.
        self.is_begin |= matches!(key, "response_flags" | "queue_ms");
        match key {
            "http.request.method"
            | "http.method"
            | "method"
            | "request_method"
            | "req.method"
            | "http_method"
            | "request.method"
            | "verb"
            | "RequestMethod"
            | "httpRequest.requestMethod" => first(&mut self.method, text),
            "url.path" | "path" | "uri" | "request_uri" | "req.url" | "http.target" | "request.path" | "url.original" | "requestUri"
            | "request_path" | "endpoint" | "request.uri" | "req.path" | "RequestPath" => first(&mut self.target, text),
            "http.route" | "route" | "url.template" => first(&mut self.route, text),
            "url.full" | "http.url" | "url" | "request_url" | "httpRequest.requestUrl" => {
                if text.starts_with('/') {
                    first(&mut self.target, text)
                } else {
                    first(&mut self.url, text)
                }
            }
            "url.query" | "query" | "query_string" => first(&mut self.query, text),
            "request" | "http.request.line" => first(&mut self.line, text),
            key if is_status(key) => {
                self.status = self.status.or_else(|| value.int().filter(|status| (100..600).contains(status) || *status == 0));
            }
            "duration_ms" | "elapsed_ms" | "took_ms" | "latency_ms" | "response_time_ms" | "time_ms" | "responseTime" | "duration.ms"
            | "durationMs" | "elapsedMs" | "latencyMs" | "elapsed_millis" | "took" | "response_time" => self.lasted(value, MILLIS),
            "request_time" | "duration_s" | "elapsed_s" | "duration_seconds" | "elapsed_seconds" => self.lasted(value, SECONDS),
            "latencies.request" => self.lasted(value, MILLIS),
            "event.duration" | "duration_ns" | "Duration" => self.lasted(value, 1.0),
            // Less than nothing, or nothing, is how Kong and Traefik say that nobody was asked.
            "latencies.proxy" => self.upstream_nanos = listed(value).filter(|ms| *ms >= 0.0).map(|ms| ms * MILLIS),
            "OriginDuration" => self.upstream_nanos = listed(value).filter(|nanos| *nanos > 0.0),
            "OriginStatus" => self.upstream_status = Some(value),
            "duration" | "elapsed" | "latency" => match value {
                // Writers of fractions count seconds, writers of whole numbers milliseconds.
                Value::Float(_) => self.lasted(value, SECONDS),
                Value::Int(_) | Value::Bool(_) => self.lasted(value, MILLIS),
                Value::Text(text) => self.nanos = self.nanos.or_else(|| with_unit(text)),
            },
            "upstream_response_time" => self.upstream_nanos = self.upstream_nanos.or_else(|| listed(value).map(|sum| sum * SECONDS)),
            "upstream_duration_ms" | "upstream_service_time" | "x-envoy-upstream-service-time" => {
                self.upstream_nanos = self.upstream_nanos.or_else(|| listed(value).map(|sum| sum * MILLIS));
            }
            "upstream_status" => self.upstream_status = self.upstream_status.or(Some(value)),
            "upstream_address" | "upstream_addr" | "upstream_host" | "upstream_name" | "upstream_cluster" | "upstream" | "ServiceAddr" => {
                first(&mut self.upstream, text)
            }
            "upstream_attempts" | "upstream_request_attempt_count" => self.attempts = value.int().unwrap_or(0),
            "client.address" | "remote_addr" | "client_ip" | "remote_ip" | "clientip" | "downstream_remote_address" | "ClientHost" => {
                first(&mut self.client, text)
            }
            "response_flags" | "termination_state" | "error.type" | "response_code_details" => first(&mut self.flags, text),
            "http.request.body.bytes"
            | "http.request.body.size"
            | "request_length"
            | "request_bytes"
            | "request.size"
            | "bytes_received"
            | "http.request.bytes" => {
                self.request_bytes = self.request_bytes.or_else(|| value.int());
            }
            "http.response.body.bytes" | "http.response.body.size" | "body_bytes_sent" | "bytes_sent" | "response_bytes" | "http.response.bytes" => {
                self.response_bytes = self.response_bytes.or_else(|| value.int());
            }
            "server.address" => first(&mut self.server, text),
            "peer" | "peer.service" | "target_service" | "upstream_service" | "downstream" => {
                first(&mut self.upstream, text);
                self.is_call = !text.is_empty();
            }
            _ => {}
        }
    }

    /// What a message says that is the request itself: `GET /orders/7 status=200 duration_ms=29`, `GET /orders/7 200 3914ms`,
    /// `called GET http://stock:8080/items/7: 200 in 31 ms`.
    pub(super) fn of_message(message: &'a str) -> Option<Self> {
        let method = message.bytes().take(8).take_while(u8::is_ascii_uppercase).count();
        let served = message.get(method..).filter(|rest| (3..=7).contains(&method) && rest.starts_with(" /"));
        let (method, rest) = match served {
            Some(rest) => (&message[..method], rest),
            None => called(message)?,
        };
        let mut words = rest.split_ascii_whitespace().take(12).map(|word| word.trim_matches(['(', ')', '[', ']', ',', ';', '"'])).peekable();
        let mut said = Self { method, ..Self::default() };
        let target = words.next()?.trim_end_matches(':');
        if target.starts_with('/') {
            said.target = target
        } else {
            said.url = target
        }
        while let Some(word) = words.next() {
            if let Some((key, value)) = word.split_once(['=', ':']) {
                said.take(key, Value::Text(value.trim_matches('"')));
            } else if let Some(scale) = words.peek().and_then(|unit| scale(unit)).filter(|_| word.bytes().all(|b| b.is_ascii_digit() || b == b'.')) {
                said.nanos = said.nanos.or_else(|| word.parse().ok().map(|number: f64| number * scale));
                words.next();
            } else if said.status.is_none() && word.len() == 3 {
                said.status = word.parse().ok().filter(|status| (100..600).contains(status));
            } else {
                said.nanos = said.nanos.or_else(|| with_unit(word));
            }
        }
        said.status?;
        Some(said)
    }

    /// What a server's access log says inside a message: `10.1.2.3:50638 - "GET /healthz HTTP/1.1" 200 OK`. A client that logs
    /// its calls in this manner writes the other side's address before the quotes: `http://stock:8080 "GET /items HTTP/1.1" 200 512`.
    pub(super) fn of_quoted(message: &'a str) -> Option<Self> {
        let head = &message.as_bytes()[..message.len().min(QUOTED_WITHIN)];
        let before = memchr::memchr(b'"', head)?;
        let (line, after) = message.get(before + 1..)?.split_once('"')?;
        let mut words = line.split(' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        let status = after.split_ascii_whitespace().next()?;
        if !version.starts_with("HTTP/") || !target.starts_with('/') || status.len() != 3 {
            return None;
        }
        let status = status.parse().ok().filter(|status| (100..600).contains(status))?;
        let mut said = Self { method, target, status: Some(status), is_quoted: true, ..Self::default() };
        let other = message[..before].split_ascii_whitespace().next().unwrap_or("");
        match other.split_once("://") {
            Some((_, host)) => (said.upstream, said.is_call) = (host, true),
            None => said.client = other.rsplit_once(':').map_or(other, |(host, _)| host).trim_start_matches(['(', '[', '\'']),
        }
        Some(said)
    }

    fn lasted(&mut self, value: Value<'_>, unit: f64) {
        let number = match value {
            Value::Int(n) => Some(n as f64 * unit),
            Value::Float(n) => Some(n * unit),
            Value::Text(text) => text.trim().parse::<f64>().ok().map(|n| n * unit).or_else(|| with_unit(text)),
            Value::Bool(_) => None,
        };
        self.nanos = self.nanos.or(number.filter(|nanos| (0.0..1e17).contains(nanos)));
    }
}

/// Whether a field is called as a status of a request is. A record without one says of requests what its message says.
#[must_use]
pub fn is_status(key: &str) -> bool {
    matches!(
        key,
        "http.response.status_code"
            | "http.status_code"
            | "status"
            | "status_code"
            | "statusCode"
            | "http_status"
            | "response_code"
            | "res.statusCode"
            | "response.status"
            | "response_status"
            | "res.status"
            | "response.status_code"
            | "httpRequest.status"
            | "DownstreamStatus"
            | "code"
    )
}

fn first<'a>(slot: &mut &'a str, text: &'a str) {
    if slot.is_empty() && text != "-" {
        *slot = text;
    }
}

/// The method right before the first URL of a message, and what follows it from the URL on.
fn called(message: &str) -> Option<(&str, &str)> {
    let head = message.as_bytes().get(..CALLED).unwrap_or(message.as_bytes());
    let at = scheme_end(head)?;
    let scheme = at - head[..at].iter().rev().take_while(|b| b.is_ascii_alphabetic()).count();
    let before = message.get(..scheme)?.trim_end_matches([' ', '"', '\'', ':']);
    let method = before.rsplit([' ', '[', '"', '(']).next().filter(|word| METHODS.contains(word))?;
    Some((method, message.get(scheme..)?))
}

/// `23ms`, `1.2s`, `850µs`, `0.5 s` in nanoseconds.
fn with_unit(text: &str) -> Option<f64> {
    let end = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (number, unit) = text.split_at_checked(end)?;
    let scale = scale(unit.trim())?;
    number.parse::<f64>().ok().map(|n| n * scale)
}

/// Nanoseconds of a unit.
fn scale(unit: &str) -> Option<f64> {
    match unit {
        "s" | "sec" | "seconds" => Some(SECONDS),
        "ms" | "millis" | "milliseconds" => Some(MILLIS),
        "us" | "µs" | "μs" => Some(1e3),
        "ns" => Some(1.0),
        _ => None,
    }
}

/// The sum of the numbers in `0.250, - : 0.001`; a proxy lists one for each upstream it asked.
fn listed(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Int(n) => Some(n as f64),
        Value::Float(n) => Some(n),
        Value::Text(text) => {
            let numbers = text.split([',', ':', ' ']).filter_map(|part| part.trim().parse::<f64>().ok());
            numbers.fold(None, |sum, n| Some(sum.unwrap_or(0.0) + n))
        }
        Value::Bool(_) => None,
    }
}
