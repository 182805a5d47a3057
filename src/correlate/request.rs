//! Requests out of log records: an access log's line, a gateway's line, or what an application logs when it has answered.
//!
//! ```text
//! http.request.method=GET url.path=/orders/17 http.response.status_code=504 duration_ms=3001 upstream_address=10.0.0.7:8080
//! {"method":"POST","path":"/charges","status":502,"duration_ms":31.5}     {"req":{"method":"GET","url":"/x"},"res":{"statusCode":200},"responseTime":12}
//! {"logger":"uvicorn.access","message":"10.1.2.3:50638 - \"GET /healthz HTTP/1.1\" 200"}
//! ```
//!
//! What this file does not do: read lines; parsers give fields under the names of OpenTelemetry or as their writer named
//! them. A record that names no status, or no path, is no request.

pub mod said;

use crate::correlate::operation;
use crate::model::names::{Interner, Sym};
use crate::model::record::{LogRecord, Value};
use crate::model::request::Request;
use foldhash::fast::FixedState;
use said::{METHODS, Said};
use std::hash::BuildHasher;

/// The last status of `504, 502 : 200`.
fn last_status(value: Value<'_>) -> u16 {
    match value {
        Value::Text(text) => text.rsplit([',', ':', ' ']).find_map(|part| part.trim().parse().ok()).unwrap_or(0),
        other => other.int().and_then(|status| u16::try_from(status).ok()).unwrap_or(0),
    }
}

/// The address under which Istio's sidecar reaches the application that it stands before: no other side.
const OWN_APPLICATION: &str = "127.0.0.6:";

/// The request that a log record tells of, if any. `has_status` says whether a field is called as statuses are; `text` is a buffer.
pub fn of_log(record: &LogRecord<'_>, has_status: bool, (service, instance): (Sym, Sym), names: &mut Interner, text: &mut String) -> Option<Request> {
    let mut said = if record.fields.len() < 2 || !has_status { Said::default() } else { Said::of(record.fields) };
    // Pairs at the end of a message are fields too, but the method and the path stand before them.
    if said.status.is_none() || (said.method.is_empty() && said.line.is_empty()) {
        said = Said::of_message(record.message).or_else(|| Said::of_quoted(record.message)).or(said.status.map(|_| said))?;
    }
    // Who writes down a client was asked by it; who does not, and names a server, asked that.
    if !said.server.is_empty() && said.client.is_empty() && said.flags.is_empty() && said.upstream.is_empty() {
        (said.upstream, said.is_call) = (said.server, true);
    }
    let status = u16::try_from(said.status?).ok()?;
    let (method, target) = if said.method.is_empty() { method_and_target(said.line)? } else { (said.method, said.target) };
    if !METHODS.iter().any(|known| method.eq_ignore_ascii_case(known)) {
        return None;
    }
    let (host, target) = if target.is_empty() { split_url(said.url) } else { ("", target) };
    let (path, query) = target.split_once('?').unwrap_or((target, said.query));
    let known = if said.route.is_empty() { path } else { said.route };
    if known.is_empty() {
        return None;
    }
    text.clear();
    method.chars().for_each(|c| text.push(c.to_ascii_uppercase()));
    text.push(' ');
    operation::path_without_ids(known, text);
    let operation = names.intern(text);
    text.clear();
    let peer = if said.upstream.is_empty() { host } else { said.upstream };
    let peer = if peer.starts_with(OWN_APPLICATION) { "" } else { peer };
    operation::host_name(peer, 0, text);
    let peer = names.intern(text);
    let mut fingerprint = FixedState::with_seed(3).hash_one((method, path, query)) | 1;
    if path.is_empty() {
        fingerprint = 0;
    }
    let nanos = |value: Option<f64>| value.filter(|n| n.is_finite() && *n >= 0.0).map(|n| n.round() as u64);
    let bytes = |value: Option<i64>| value.and_then(|n| u64::try_from(n).ok());
    let length = nanos(said.nanos).filter(|_| said.is_begin && record.time.is_some()).and_then(|nanos| i64::try_from(nanos).ok());
    Some(Request {
        time: record.time.plus(length.unwrap_or(0)),
        nanos: nanos(said.nanos),
        trace: record.trace,
        service,
        instance,
        peer,
        operation,
        client: names.intern(said.client),
        flags: names.intern(said.flags),
        fingerprint,
        status,
        upstream_status: said.upstream_status.map_or(0, last_status),
        upstream_nanos: nanos(said.upstream_nanos),
        upstream_attempts: u16::try_from(said.attempts).unwrap_or(0),
        request_bytes: bytes(said.request_bytes),
        response_bytes: bytes(said.response_bytes),
        is_call: said.is_call || !host.is_empty(),
        is_access: record.logger.is_empty() || said.is_quoted && !said.is_call || holds_access(record.logger),
        evidence: record.evidence,
    })
}

fn holds_access(logger: &str) -> bool {
    logger.as_bytes().windows(6).any(|part| part.eq_ignore_ascii_case(b"access"))
}

/// `GET /orders/17 HTTP/1.1`.
fn method_and_target(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    target.starts_with('/').then_some((method, target))
}

/// Host and target of a URL.
fn split_url(url: &str) -> (&str, &str) {
    let Some((_, rest)) = operation::scheme_and_rest(url) else { return ("", url) };
    let at = rest.find('/').unwrap_or(rest.len());
    let (host, target) = rest.split_at(at);
    (host.split(':').next().unwrap_or(host), if target.is_empty() { "/" } else { target })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::Field;
    use std::fmt::Write;

    fn told(fields: &[(&str, Value<'_>)]) -> String {
        let fields: Vec<Field<'_>> = fields.iter().map(|(key, value)| Field { key, value: *value }).collect();
        let (mut names, mut text) = (Interner::default(), String::new());
        let record = LogRecord { fields: &fields, ..LogRecord::default() };
        let Some(row) = of_log(&record, true, (Sym::NONE, Sym::NONE), &mut names, &mut text) else { return "none".to_owned() };
        let mut out = String::new();
        let _ = write!(out, "{} {}", names.get(row.operation), row.status);
        if let Some(nanos) = row.nanos {
            let _ = write!(out, " {}ms", nanos as f64 / 1e6);
        }
        if !row.peer.is_none() {
            let _ = write!(out, " {}{}", if row.is_call { "calls " } else { "via " }, names.get(row.peer));
        }
        if let Some(nanos) = row.upstream_nanos {
            let _ = write!(out, " {} {}ms", row.upstream_status, nanos as f64 / 1e6);
        }
        out
    }

    #[test]
    fn requests_in_many_spellings() {
        use Value::{Float, Int, Text};
        let get = ("method", Text("get"));
        assert_eq!(told(&[get, ("path", Text("/orders/17?x=1")), ("status", Int(200)), ("duration_ms", Float(31.5))]), "GET /orders/{id} 200 31.5ms");
        assert_eq!(
            told(&[("req.method", Text("GET")), ("req.url", Text("/x")), ("res.statusCode", Int(503)), ("responseTime", Int(12))]),
            "GET /x 503 12ms"
        );
        assert_eq!(
            told(&[
                ("request", Text("POST /pay HTTP/1.1")),
                ("status", Text("504")),
                ("request_time", Text("1.002")),
                ("upstream_addr", Text("app:8080")),
                ("upstream_response_time", Text("0.5, 0.5")),
                ("upstream_status", Text("502, 504"))
            ]),
            "POST /pay 504 1002ms via app:8080 504 1000ms"
        );
        assert_eq!(
            told(&[get, ("url", Text("http://stock:8080/items/7")), ("status", Int(200)), ("elapsed", Text("1.5s"))]),
            "GET /items/{id} 200 1500ms calls stock"
        );
        let asked =
            [get, ("path", Text("/items/7")), ("status", Int(503)), ("server.address", Text("stock:8080")), ("client.address", Text("10.0.0.9"))];
        assert_eq!(told(&asked), "GET /items/{id} 503", "an access log names the host that it was asked under");
        assert_eq!(told(&asked[..4]), "GET /items/{id} 503 calls stock:8080");
    }

    #[test]
    fn messages_that_are_the_request() {
        let of = |message: &str| {
            let (mut names, mut text) = (Interner::default(), String::new());
            let record = LogRecord { message, logger: "c.a.RequestLog", ..LogRecord::default() };
            of_log(&record, true, (Sym::NONE, Sym::NONE), &mut names, &mut text)
                .map(|row| format!("{} {} {:?}", names.get(row.operation), row.status, row.nanos))
        };
        assert_eq!(of("GET /api/orders/9965 status=200 duration_ms=29").as_deref(), Some("GET /api/orders/{id} 200 Some(29000000)"));
        assert_eq!(of("POST /pay 503 3914ms").as_deref(), Some("POST /pay 503 Some(3914000000)"));
        assert_eq!(of("GET /api/orders 200").as_deref(), Some("GET /api/orders 200 None"));
        assert_eq!(of("GET /api/orders 200 took 250 ms").as_deref(), Some("GET /api/orders 200 Some(250000000)"));
        assert_eq!(of("called GET http://stock:8080/items/7: 200 in 31 ms").as_deref(), Some("GET /items/{id} 200 Some(31000000)"));
        assert_eq!(of("HTTP Request: POST https://psp.example/v1/charges \"HTTP/1.1 201 Created\"").as_deref(), Some("POST /v1/charges 201 None"));
        assert_eq!((of("see https://example.org/404 for more"), of("I/O error on GET request for \"http://a/b\": 404")), (None, None));
        assert_eq!((of("GET /api/orders started"), of("Cannot GET /x 404"), of("ERROR /x 500 attempts left")), (None, None, None));
    }

    #[test]
    fn proxies_that_stamp_the_beginning() {
        use Value::{Int, Text};
        let fields = |key| [("method", Text("GET")), ("path", Text("/x")), ("status", Int(504)), ("duration_ms", Int(3000)), (key, Text("UT"))];
        let time = |key| {
            let fields: Vec<Field<'_>> = fields(key).iter().map(|(key, value)| Field { key, value: *value }).collect();
            let record = LogRecord { fields: &fields, time: crate::model::time::Time(1_000_000_000), ..LogRecord::default() };
            of_log(&record, true, (Sym::NONE, Sym::NONE), &mut Interner::default(), &mut String::new()).map(|row| (row.start().0, row.time.0))
        };
        assert_eq!(time("response_flags"), Some((1_000_000_000, 4_000_000_000)));
        assert_eq!(time("other"), Some((-2_000_000_000, 1_000_000_000)));
    }

    #[test]
    fn a_sidecar_asks_its_own_application_and_nobody_else() {
        use Value::{Int, Text};
        let peer = |upstream: &'static str| {
            told(&[
                ("method", Text("GET")),
                ("path", Text("/x")),
                ("response_code", Int(200)),
                ("response_flags", Text("-")),
                ("upstream_host", Text(upstream)),
            ])
        };
        assert!(peer("10.1.2.3:8080").contains("via 10.1.2.3:8080"), "{}", peer("10.1.2.3:8080"));
        assert!(!peer("127.0.0.6:8080").contains("via"), "{}", peer("127.0.0.6:8080"));
    }

    #[test]
    fn request_lines_in_messages() {
        let of = |message: &str| {
            let (mut names, mut text) = (Interner::default(), String::new());
            let record = LogRecord { message, logger: "werkzeug", ..LogRecord::default() };
            of_log(&record, true, (Sym::NONE, Sym::NONE), &mut names, &mut text).map(|row| {
                let (client, peer) = (names.get(row.client), names.get(row.peer));
                format!("{} {} {client}>{peer} {}", names.get(row.operation), row.status, row.is_access)
            })
        };
        assert_eq!(of("10.1.2.3:50638 - \"GET /healthz HTTP/1.1\" 200").as_deref(), Some("GET /healthz 200 10.1.2.3> true"));
        assert_eq!(of("10.1.2.3:50638 - \"POST /seats?x=1 HTTP/1.1\" 500 Internal Server Error").as_deref(), Some("POST /seats 500 10.1.2.3> true"));
        assert_eq!(of("127.0.0.1 - - [26/Nov/2026 19:20:11] \"GET /a/17 HTTP/1.1\" 404 -").as_deref(), Some("GET /a/{id} 404 127.0.0.1> true"));
        assert_eq!(of("http://stock:8080 \"GET /items HTTP/1.1\" 200 512").as_deref(), Some("GET /items 200 >stock:8080 false"));
        for message in
            ["he said \"GET /x HTTP/1.1\"", "\"GET /x HTTP/1.1\" is the first line", "parsed \"GET /x\" 200", "sent \"GET\" 200", "\"", "\"é"]
        {
            assert_eq!(of(message), None, "{message}");
        }
    }

    #[test]
    fn what_is_no_request() {
        use Value::{Int, Text};
        assert_eq!(told(&[("status", Int(200)), ("path", Text("/x"))]), "none", "no method");
        assert_eq!(told(&[("method", Text("GET")), ("path", Text("/x"))]), "none", "no status");
        assert_eq!(told(&[("method", Text("GET")), ("path", Text("/x")), ("status", Text("PAID"))]), "none", "a status of something else");
        assert_eq!(told(&[("method", Text("charge_card")), ("path", Text("/x")), ("status", Int(200))]), "none", "no HTTP method");
    }
}
