//! What a span's attributes say about the call: method, path, statement, status; in the old and the new spelling of the
//! OpenTelemetry conventions and in Micrometer's.
//!
//! What this file does not do: name the peer or the fingerprint of a span; that is done for the span table.

use crate::correlate::effect::{HASHER, prose};
use crate::correlate::operation::{rpc_status, scheme_and_rest};
use crate::model::record::{SpanKind, SpanRecord, SpanStatus};
use std::hash::{BuildHasher, Hasher};

/// A call, as far as its own span tells.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call<'a> {
    /// `POST`.
    pub method: &'a str,
    /// Route or path, without host and query.
    pub path: &'a str,
    /// Path as asked for, without host and query.
    pub target: &'a str,
    /// Fully qualified or bare name of the remote procedure.
    pub procedure: &'a str,
    /// `redis`, `postgresql`.
    pub system: &'a str,
    /// `GET`, `UPDATE`.
    pub command: &'a str,
    /// Statement.
    pub statement: &'a str,
    /// Queue or topic.
    pub destination: &'a str,
    /// HTTP status, or zero.
    pub http_status: u16,
    /// gRPC status.
    pub rpc_status: Option<i64>,
    /// `error.type`.
    pub error: &'a str,
}

impl<'a> Call<'a> {
    /// Reads the attributes.
    #[must_use]
    pub fn of(span: &SpanRecord<'a>) -> Self {
        let mut call = Self::default();
        let (mut route, mut target) = ("", "");
        for attribute in span.attributes {
            let text = attribute.value.text().unwrap_or("");
            match attribute.key {
                "http.request.method" | "http.method" | "method" => call.method = text,
                "http.route" | "url.template" | "uri" => route = text,
                "url.path" | "http.target" | "url.full" | "http.url" if target.is_empty() => target = text,
                "rpc.method" => call.procedure = text,
                "db.system.name" | "db.system" => call.system = text,
                "db.operation.name" | "db.operation" => call.command = text,
                "db.query.text" | "db.statement" => call.statement = text,
                "messaging.destination.name" | "messaging.destination" => call.destination = text,
                "http.response.status_code" | "http.status_code" | "status" => {
                    call.http_status = attribute.value.int().and_then(|n| u16::try_from(n).ok()).unwrap_or(0)
                }
                "rpc.grpc.status_code" | "rpc.response.status_code" | "rpc.status_code" => call.rpc_status = rpc_status(attribute.value),
                "error.type" | "exception" | "error" => call.error = text,
                _ => {}
            }
        }
        call.target = path(target);
        call.path = if route.is_empty() || route == "UNKNOWN" { call.target } else { path(route) };
        if call.command.is_empty() && !call.system.is_empty() {
            call.command = first_word(if call.statement.is_empty() { span.name } else { call.statement });
        }
        call
    }

    /// Whether it asks for a change: anything but GET and its kin. A call without a method is judged by its procedure's name.
    #[must_use]
    pub fn may_change(&self) -> bool {
        if !self.method.is_empty() {
            return !["GET", "HEAD", "OPTIONS", "TRACE"].iter().any(|m| self.method.eq_ignore_ascii_case(m));
        }
        let verb = self.procedure.rsplit(['/', '.']).next().unwrap_or("");
        !["Get", "List", "Find", "Fetch", "Query", "Search", "Describe", "Read", "Check", "Watch", "Lookup"].iter().any(|v| verb.starts_with(v))
    }

    /// The static segments of the path, the last one last: those without digits and braces, and version segments.
    pub fn segments(&self) -> impl Iterator<Item = &'a str> {
        self.path.split('/').filter(|s| !s.is_empty() && !s.bytes().any(|b| b.is_ascii_digit() || matches!(b, b'{' | b'<' | b':' | b'*')))
    }

    /// Whether the statement changes rows.
    #[must_use]
    pub fn writes_rows(&self) -> bool {
        ["UPDATE", "INSERT", "MERGE", "UPSERT", "REPLACE"].iter().any(|verb| self.command.eq_ignore_ascii_case(verb))
    }

    /// The first argument of a cache server's command, unless the instrumentation has masked it.
    #[must_use]
    pub fn cache_key(&self) -> Option<&'a str> {
        let mut words = self.statement.split_ascii_whitespace();
        words.next().filter(|verb| verb.eq_ignore_ascii_case(self.command))?;
        words.next().filter(|key| key.bytes().any(|b| b.is_ascii_alphanumeric()))
    }

    /// Whether a command stores a value without an expiry: `SET key value`, its arguments masked or not.
    #[must_use]
    pub fn keeps_forever(&self) -> bool {
        let mut words = self.statement.split_ascii_whitespace();
        words.next().is_some_and(|verb| verb.eq_ignore_ascii_case("SET")) && words.count() == 2
    }

    /// Identity of what a span does, without the ids in its path.
    #[must_use]
    pub fn identity(&self, span: &SpanRecord<'_>) -> u64 {
        let mut hasher = HASHER.build_hasher();
        hasher.write_u8(span.kind as u8);
        for part in [if self.path.is_empty() { span.name } else { "" }, self.method, self.procedure, self.system, self.command, self.destination] {
            hasher.write(part.as_bytes());
            hasher.write_u8(0);
        }
        for segment in self.segments() {
            hasher.write(segment.as_bytes());
            hasher.write_u8(b'/');
        }
        hasher.finish()
    }

    /// Appends the words of what a span does: the static part of its path, its procedure, its destination, its table and
    /// command; its name only if there is nothing of the kind.
    pub fn push_words(&self, span: &SpanRecord<'_>, out: &mut String) {
        for segment in self.segments() {
            prose::push(segment, &[], out);
        }
        prose::push(self.procedure, &[], out);
        prose::push(self.destination, &[], out);
        if !self.system.is_empty() {
            prose::push(self.system, &[], out);
            prose::push(self.command, &[], out);
            if self.writes_rows() {
                prose::push(table(self.statement), &[], out);
            }
        } else if out.len() <= 1 {
            prose::push(span.name, &[], out);
        }
    }

    /// Whether it ended badly by its status codes or its span status.
    #[must_use]
    pub fn failed(&self, span: &SpanRecord<'_>) -> bool {
        match (self.http_status, self.rpc_status) {
            (100.., _) => self.http_status >= 400,
            (_, Some(code)) => code != 0,
            _ => span.status == SpanStatus::Error || !self.error.is_empty() && span.kind == SpanKind::Client,
        }
    }
}

/// The path of a URL, without scheme, host and query.
fn path(url: &str) -> &str {
    let rest = scheme_and_rest(url).map_or(url, |(_, rest)| rest.find('/').and_then(|at| rest.get(at..)).unwrap_or(""));
    memchr::memchr2(b'?', b'#', rest.as_bytes()).and_then(|end| rest.get(..end)).unwrap_or(rest)
}

/// The table that a statement changes: the first word after its verbs.
fn table(statement: &str) -> &str {
    let verbs = ["insert", "ignore", "into", "update", "merge", "upsert", "replace", "only"];
    statement
        .split(|c: char| c.is_whitespace() || c == '(')
        .find(|word| !word.is_empty() && !verbs.iter().any(|v| word.eq_ignore_ascii_case(v)))
        .unwrap_or("")
}

fn first_word(text: &str) -> &str {
    text.split_ascii_whitespace().next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::{Field, Value};

    #[test]
    fn old_and_new_spellings() {
        let attributes = [
            Field { key: "http.method", value: Value::Text("POST") },
            Field { key: "http.url", value: Value::Text("http://psp:8080/v1/charges/ch_17/capture?x=1") },
            Field { key: "http.status_code", value: Value::Text("201") },
        ];
        let call = Call::of(&SpanRecord { attributes: &attributes, ..SpanRecord::default() });
        assert_eq!((call.method, call.path, call.http_status), ("POST", "/v1/charges/ch_17/capture", 201));
        assert_eq!(call.segments().collect::<Vec<_>>(), ["charges", "capture"]);
        assert!(call.may_change() && !Call { procedure: "pay.Payments/GetCharge", ..Call::default() }.may_change());
    }

    #[test]
    fn keys_of_cache_commands() {
        let call = Call { command: "GET", statement: "GET account:42", ..Call::default() };
        assert_eq!(call.cache_key(), Some("account:42"));
        assert_eq!(Call { statement: "GET ?", ..call }.cache_key(), None);
        assert_eq!(Call { statement: "", ..call }.cache_key(), None);
    }
}
