//! What a span does and towards whom, from the attributes of old and new OpenTelemetry conventions and of Micrometer.
//!
//! ```text
//! http.request.method=POST url.full=http://payments:8080/api/v1/orders/17/pay   POST /api/v1/orders/{id}/pay -> payments
//! db.system=postgresql db.name=orders db.statement=select * from o where id=7  select * from o where id=? -> postgresql/orders
//! messaging.system=kafka messaging.destination=orders                          orders -> kafka/orders
//! ```
//!
//! What this file does not do: replace a host name by the service that answers there; the graph does, it sees both sides.

use crate::correlate::statement::statement_without_values;
use crate::model::record::{Field, SpanKind, SpanRecord, Value};
use foldhash::fast::FixedState;
use std::fmt::Write;
use std::hash::{BuildHasher, Hash, Hasher};

/// The canonical reading of a span's attributes. Texts are empty where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operation {
    /// `POST /orders/{id}`, a statement without its values, `orders.Pay/Charge`, a destination.
    pub name: String,
    /// The called side by name: peer service, host, `postgresql/orders`, `kafka/orders`.
    pub peer: String,
    /// Database, messaging or RPC system.
    pub system: String,
    /// `error.type`, or the type of the first exception.
    pub error: String,
    /// Identity of the logical request, zero if nothing names it. An idempotency key is left out: clients that make a new
    /// one for each attempt are the very fault to be found.
    pub fingerprint: u64,
    /// Whether that identity rests on a raw path or statement.
    pub strong: bool,
    /// HTTP status, or zero.
    pub http_status: u16,
    /// gRPC status plus one, or zero.
    pub rpc_status: u8,
    /// How many attempts came before.
    pub resend: u8,
}

#[derive(Default)]
struct Attributes<'a> {
    method: &'a str,
    url: &'a str,
    path: &'a str,
    query: &'a str,
    route: &'a str,
    host: &'a str,
    port: i64,
    peer: &'a str,
    error: &'a str,
    status: i64,
    resend: i64,
    attempt: i64,
    rpc_system: &'a str,
    rpc_service: &'a str,
    rpc_method: &'a str,
    rpc_status: i64,
    db_system: &'a str,
    statement: &'a str,
    db_name: &'a str,
    db_operation: &'a str,
    table: &'a str,
    messaging: &'a str,
    destination: &'a str,
    body: i64,
}

impl<'a> Attributes<'a> {
    fn of(fields: &[Field<'a>]) -> Self {
        let mut a = Self { rpc_status: -1, ..Self::default() };
        for field in fields {
            let text = field.value.text().unwrap_or("");
            let int = || field.value.int().unwrap_or(0);
            match field.key {
                "http.request.method" | "http.method" => a.method = text,
                "method" => first(&mut a.method, text),
                "http.response.status_code" | "http.status_code" => a.status = int(),
                "status" if a.status == 0 => a.status = int(),
                "url.full" | "http.url" => a.url = text,
                "url.path" | "http.target" => a.path = text,
                "url.query" => a.query = text,
                "http.route" | "url.template" => a.route = text,
                "uri" => first(&mut a.route, text),
                "server.address" => a.host = text,
                "net.peer.name"
                | "net.sock.peer.name"
                | "http.host"
                | "client.name"
                | "network.peer.address"
                | "net.peer.ip"
                | "net.sock.peer.addr" => {
                    first(&mut a.host, text);
                }
                "server.port" | "net.peer.port" => a.port = int(),
                "service.peer.name" | "peer.service" => a.peer = text,
                "error.type" => a.error = text,
                "exception" | "exception.type" if !matches!(text, "none" | "None") => first(&mut a.error, text),
                "http.request.resend_count" | "http.resend_count" => a.resend = int(),
                "http.request.header.x-envoy-attempt-count" | "rpc.request.metadata.grpc-previous-rpc-attempts" => a.attempt = number_in(field.value),
                "rpc.system" | "rpc.system.name" => a.rpc_system = text,
                "rpc.service" => a.rpc_service = text,
                "rpc.method" => a.rpc_method = text,
                "rpc.grpc.status_code" | "rpc.status_code" | "rpc.response.status_code" => a.rpc_status = rpc_status(field.value).unwrap_or(-1),
                "db.system" | "db.system.name" => a.db_system = text,
                "db.statement" | "db.query.text" => a.statement = text,
                "db.name" | "db.namespace" => a.db_name = text,
                "db.operation" | "db.operation.name" => a.db_operation = text,
                "db.sql.table" | "db.collection.name" | "db.mongodb.collection" | "db.cassandra.table" => a.table = text,
                "messaging.system" => a.messaging = text,
                "messaging.destination.name" | "messaging.destination" | "messaging.source.name" => a.destination = text,
                "http.request.body.size" | "http.request_content_length" => a.body = int(),
                _ => {}
            }
        }
        a
    }
}

fn first<'a>(slot: &mut &'a str, text: &'a str) {
    if slot.is_empty() {
        *slot = text;
    }
}

/// A header is captured as a list: `["2"]`.
fn number_in(value: Value<'_>) -> i64 {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).take(3).collect::<String>().parse().unwrap_or(0);
    value.int().unwrap_or_else(|| value.text().map_or(0, digits))
}

/// gRPC codes are numbers in old conventions and names in new ones.
#[must_use]
pub fn rpc_status(value: Value<'_>) -> Option<i64> {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    let named = |text: &str| NAMES.iter().position(|name| text.eq_ignore_ascii_case(name)).and_then(|n| i64::try_from(n).ok());
    value.int().or_else(|| value.text().and_then(named))
}

/// Reads a span's attributes.
#[must_use]
pub fn of_span(span: &SpanRecord<'_>) -> Operation {
    let mut op = Operation::default();
    op.read(span);
    op
}

impl Operation {
    /// Reads a span's attributes, forgetting what was read before; the memory of the texts is used again.
    pub fn read(&mut self, span: &SpanRecord<'_>) {
        let a = Attributes::of(span.attributes);
        self.clear();
        self.http_status = u16::try_from(a.status).unwrap_or(0);
        self.rpc_status = u8::try_from(a.rpc_status + 1).unwrap_or(0);
        self.resend = u8::try_from(a.resend.max(a.attempt - 1).max(0)).unwrap_or(u8::MAX);
        self.error.push_str(if a.error.is_empty() { exception(span) } else { a.error });
        let identity = self.identify(&a);
        self.fingerprint = if self.name.is_empty() { 0 } else { identity | 1 };
        if matches!(span.kind, SpanKind::Client | SpanKind::Producer | SpanKind::Unspecified | SpanKind::Internal) {
            if !a.peer.is_empty() {
                a.peer.clone_into(&mut self.peer);
            } else if self.peer.is_empty() && span.kind != SpanKind::Internal {
                let (host, port) = if a.host.is_empty() { host_of(a.url) } else { (a.host, a.port) };
                host_name(host, port, &mut self.peer);
            }
        }
        if span.is_called() && a.peer.is_empty() {
            self.peer.clear();
        }
    }

    fn clear(&mut self) {
        let Self { name, peer, system, error, fingerprint: _, strong, http_status: _, rpc_status: _, resend: _ } = self;
        [name, peer, system, error].into_iter().for_each(String::clear);
        *strong = false;
    }

    /// Finds name, system and, as far as it is not a host, peer; answers the identity of the request.
    fn identify(&mut self, a: &Attributes<'_>) -> u64 {
        let mut identity = FixedState::with_seed(1).build_hasher();
        if !a.db_system.is_empty() {
            self.system.push_str(a.db_system);
            match (a.statement, a.table) {
                ("", "") => self.name.push_str(a.db_operation),
                ("", table) => {
                    let gap = if a.db_operation.is_empty() { "" } else { " " };
                    [a.db_operation, gap, table].iter().for_each(|part| self.name.push_str(part));
                }
                (statement, _) => statement_without_values(statement, &mut self.name),
            }
            self.strong = !a.statement.is_empty();
            (a.statement, a.db_operation, a.table).hash(&mut identity);
            joined(a.db_system, a.db_name, &mut self.peer);
        } else if !a.messaging.is_empty() || !a.destination.is_empty() {
            self.system.push_str(a.messaging);
            self.name.push_str(a.destination);
            a.destination.hash(&mut identity);
            let broker = if a.messaging.is_empty() { "queue" } else { a.messaging };
            joined(broker, a.destination, &mut self.peer);
        } else if !a.rpc_system.is_empty() || !a.rpc_method.is_empty() {
            self.system.push_str(a.rpc_system);
            if !a.rpc_service.is_empty() {
                self.name.push_str(a.rpc_service);
                self.name.push('/');
            }
            self.name.push_str(a.rpc_method);
            (a.rpc_service, a.rpc_method).hash(&mut identity);
        } else if !a.method.is_empty() || !a.url.is_empty() || !a.path.is_empty() || !a.route.is_empty() {
            self.name.push_str(a.method);
            let raw = if a.path.is_empty() { path_of(a.url) } else { a.path };
            let known = if a.route.is_empty() { memchr::memchr2(b'?', b'#', raw.as_bytes()).map_or(raw, |end| &raw[..end]) } else { a.route };
            if !known.is_empty() {
                self.name.push_str(if self.name.is_empty() { "" } else { " " });
                path_without_ids(known, &mut self.name);
            }
            self.strong = !raw.is_empty();
            (a.method, if raw.is_empty() { a.route } else { raw }, a.query, a.body).hash(&mut identity);
        }
        identity.finish()
    }
}

/// `postgresql/orders`; of something without a name only its system.
fn joined(system: &str, name: &str, out: &mut String) {
    out.push_str(system);
    if !name.is_empty() {
        out.push('/');
        out.push_str(name);
    }
}

impl SpanRecord<'_> {
    fn is_called(&self) -> bool {
        matches!(self.kind, SpanKind::Server | SpanKind::Consumer)
    }
}

fn exception<'a>(span: &SpanRecord<'a>) -> &'a str {
    let events = span.events.iter().filter(|event| event.name == "exception");
    let kinds = events.flat_map(|event| event.attributes).filter(|field| field.key == "exception.type");
    kinds.filter_map(|field| field.value.text()).next().unwrap_or("")
}

fn after_scheme(url: &str) -> &str {
    scheme_and_rest(url).map_or(url, |(_, rest)| rest)
}

/// What stands before and after the first `://`.
#[must_use]
pub fn scheme_and_rest(url: &str) -> Option<(&str, &str)> {
    let at = scheme_end(url.as_bytes())?;
    Some((url.get(..at)?, url.get(at + 3..)?))
}

/// Where the first `://` stands. Most texts are paths, which have no colon.
#[must_use]
pub fn scheme_end(text: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b':', text).find(|at| text[*at..].starts_with(b"://"))
}

/// Path and query of a URL; a text that is no URL is taken as a path.
fn path_of(url: &str) -> &str {
    let rest = after_scheme(url);
    if rest.len() == url.len() && url.starts_with('/') {
        return url;
    }
    rest.find(['/', '?']).and_then(|at| rest.get(at..)).unwrap_or("")
}

fn host_of(url: &str) -> (&str, i64) {
    let authority = after_scheme(url).split(['/', '?', '#']).next().unwrap_or("");
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, port.parse().unwrap_or(0)),
        _ => (authority, 0),
    }
}

/// Appends a host by the name that people know it by: `Payments.prod.svc.cluster.local.` is `payments`. On the own machine
/// only the port tells one process from another.
pub fn host_name(host: &str, port: i64, out: &mut String) {
    let from = out.len();
    out.push_str(host.trim_end_matches('.'));
    out[from..].make_ascii_lowercase();
    let host = &out[from..];
    let inside = host.strip_suffix(".svc.cluster.local").or_else(|| host.strip_suffix(".cluster.local")).or_else(|| host.strip_suffix(".svc"));
    let name = inside.map_or(host.len(), |name| memchr::memchr(b'.', name.as_bytes()).unwrap_or(name.len()));
    out.truncate(from + name);
    if port > 0 && matches!(&out[from..], "localhost" | "127.0.0.1" | "::1") {
        let _ = write!(out, ":{port}");
    }
}

/// Appends a path with `{id}` in place of segments that name one thing among many.
pub fn path_without_ids(path: &str, out: &mut String) {
    let bytes = path.as_bytes();
    // `copied` is where the text begins that has not been appended yet.
    let (mut copied, mut start) = (0, 0);
    while start <= bytes.len() {
        let (mut end, mut digits) = (start, false);
        while let Some(&byte) = bytes.get(end).filter(|&&byte| byte != b'/') {
            digits |= byte.is_ascii_digit();
            end += 1;
        }
        if digits && let Some(kept) = id_in(&path[start..end]) {
            out.push_str(&path[copied..start + kept.len()]);
            out.push_str("{id}");
            copied = end;
        }
        start = end + 1;
    }
    out.push_str(&path[copied..]);
}

/// If a segment is an id: the prefix to keep (`order-` of `order-17`), else none.
fn id_in(segment: &str) -> Option<&str> {
    let bytes = segment.as_bytes();
    if !bytes.iter().any(u8::is_ascii_digit) || segment.starts_with(['{', ':']) {
        return None;
    }
    if bytes.iter().all(u8::is_ascii_digit) || segment.contains('@') {
        return Some("");
    }
    let hexes = bytes.iter().filter(|b| b.is_ascii_hexdigit()).count();
    let dashes = bytes.iter().filter(|&&b| b == b'-').count();
    if (bytes.len() >= 8 && hexes == bytes.len()) || (bytes.len() == 36 && dashes == 4 && hexes == 32) || is_date(bytes) {
        return Some("");
    }
    if let Some(at) = segment.rfind(['-', '_'])
        && segment[at + 1..].bytes().all(|b| b.is_ascii_digit())
        && at + 1 < segment.len()
    {
        return segment.get(..=at);
    }
    let wordy = bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='));
    (bytes.len() >= 16 && wordy).then_some("")
}

fn is_date(bytes: &[u8]) -> bool {
    matches!(bytes, [a, b, c, d, b'-', m, n, b'-', ..] if [a, b, c, d, m, n].iter().all(|x| x.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'a>(key: &'a str, value: &'a str) -> Field<'a> {
        Field { key, value: Value::Text(value) }
    }

    fn client(fields: &[Field<'_>]) -> Operation {
        of_span(&SpanRecord { kind: SpanKind::Client, attributes: fields, ..SpanRecord::default() })
    }

    #[test]
    fn http_calls_in_old_and_new_words() {
        let new =
            client(&[text("http.request.method", "POST"), text("url.full", "http://Payments.prod.svc.cluster.local:8080/api/v1/orders/17/pay?x=1")]);
        assert_eq!((new.name.as_str(), new.peer.as_str(), new.strong), ("POST /api/v1/orders/{id}/pay", "payments", true));
        let old = client(&[
            text("http.method", "GET"),
            text("http.url", "https://api.psp.example/v1/charges/ch-9"),
            Field { key: "http.status_code", value: Value::Text("504") },
        ]);
        assert_eq!((old.name.as_str(), old.peer.as_str(), old.http_status), ("GET /v1/charges/ch-{id}", "api.psp.example", 504));
        let micrometer = client(&[
            text("method", "GET"),
            text("uri", "/orders/{id}"),
            text("client.name", "orders"),
            text("exception", "none"),
            text("status", "IO_ERROR"),
        ]);
        assert_eq!(
            (micrometer.name.as_str(), micrometer.peer.as_str(), micrometer.error.as_str(), micrometer.strong),
            ("GET /orders/{id}", "orders", "", false)
        );
    }

    #[test]
    fn two_requests_differ_by_their_raw_path() {
        let call = |id: &str| client(&[text("http.method", "GET"), text("http.target", &format!("/price/{id}"))]);
        assert_ne!(call("1").fingerprint, call("2").fingerprint);
        assert_eq!(call("1").fingerprint, call("1").fingerprint);
        assert_eq!(call("1").name, call("2").name);
    }

    #[test]
    fn databases_brokers_and_rpc() {
        let db = client(&[
            text("db.system", "postgresql"),
            text("db.name", "orders"),
            text("db.statement", "select * from o  where id in (1, 2,3) and n = 'it''s'"),
        ]);
        assert_eq!((db.name.as_str(), db.peer.as_str()), ("select * from o where id in (?) and n = ?", "postgresql/orders"));
        let broker = client(&[text("messaging.system", "kafka"), text("messaging.destination.name", "orders")]);
        assert_eq!((broker.name.as_str(), broker.peer.as_str()), ("orders", "kafka/orders"));
        let rpc = client(&[
            text("rpc.system", "grpc"),
            text("rpc.service", "pay.Pay"),
            text("rpc.method", "Charge"),
            text("rpc.grpc.status_code", "DEADLINE_EXCEEDED"),
            text("server.address", "pay"),
        ]);
        assert_eq!((rpc.name.as_str(), rpc.peer.as_str(), rpc.rpc_status), ("pay.Pay/Charge", "pay", 5));
    }

    #[test]
    fn ids_in_paths() {
        let normal = |path: &str| {
            let mut out = String::new();
            path_without_ids(path, &mut out);
            out
        };
        for (path, want) in [
            ("/api/v1/orders/17", "/api/v1/orders/{id}"),
            ("/u/3f2b8c9e-1111-4222-8333-444455556666/x", "/u/{id}/x"),
            ("/blob/deadbeef01", "/blob/{id}"),
            ("/day/2026-11-22", "/day/{id}"),
            ("/order-77/items", "/order-{id}/items"),
            ("/static/main", "/static/main"),
            ("/s/a1B2c3D4e5F6g7H8", "/s/{id}"),
        ] {
            assert_eq!(normal(path), want);
        }
    }
}
