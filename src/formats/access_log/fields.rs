//! Requests that a server logs as JSON: the same wording for them as for lines of text.
//!
//! ```text
//! {"time_iso8601":"2026-11-22T19:54:05+00:00","request_method":"GET","request_uri":"/api/home?page=15","status":200,"request_time":0.013}
//! {"request":"GET /api/orders HTTP/1.1","status":502,"request_time":1.002,"upstream_addr":"127.0.0.1:58081, app"}
//! {"start_time":"2016-04-15T20:17:00.310Z","method":"POST","path":"/api/v1/locations","response_code":204,"response_flags":"-"}
//! {"request":{"method":"GET","uri":"/orders"},"response":{"status":401},"latencies":{"proxy":-1},"started_at":1433209822425}
//! ```
//!
//! What this file does not do: read JSON, or rename the fields; `json_log` reads them and keeps them as they are.

use super::clock::clf;
use super::request::{Message, Request};
use crate::formats::timestamp;
use crate::model::record::{Field, Level, Value};
use crate::model::time::Time;

/// What the fields of a record without a message say of a request.
pub struct Told {
    message: Message,
    /// An error if the server failed.
    pub level: Level,
    /// When, by a key that only such logs have; or none.
    pub time: Time,
}

impl Told {
    /// What the fields say; none if they are not those of a request and its status.
    #[must_use]
    pub fn of(fields: &[Field<'_>], zone: i32) -> Option<Self> {
        let value = |keys: &[&str]| keys.iter().find_map(|key| fields.iter().find(|field| field.key == *key)).map(|field| field.value);
        let text = |keys: &[&str]| value(keys).and_then(Value::text);
        let status =
            value(&["status", "response_code", "http.response.status_code", "status_code", "http_status", "response.status", "DownstreamStatus"])?
                .int()?;
        if !(status == 0 || (100..600).contains(&status)) {
            return None;
        }
        let request = match text(&["request_method", "method", "http.request.method", "http_method", "request.method", "RequestMethod"]) {
            Some(method) => {
                let target = text(&["request_uri", "uri", "path", "url.path", "url.original", "url", "request.uri", "RequestPath"])?;
                let (path, query) = target.split_once('?').unwrap_or((target, ""));
                Request { method, path, query, line: target }
            }
            None => Request::read(text(&["request"])?),
        };
        let time = value(&["time_iso8601", "time_local", "start_time", "msec", "started_at", "StartUTC"]).and_then(|value| match value {
            Value::Text(text) => clf(text.as_bytes(), zone).map(|(time, _)| time).or_else(|| timestamp::of_value(value, zone)),
            number => timestamp::of_value(number, zone),
        });
        let mut digits = [0; 3];
        let message = Message::of(&request, status_text(status, &mut digits));
        let level = if (500..600).contains(&status) { Level::Error } else { Level::Info };
        Some(Self { message, level, time: time.unwrap_or(Time::NONE) })
    }

    /// The message in the canonical wording.
    #[must_use]
    pub fn message(&self) -> &str {
        self.message.text()
    }
}

/// A status below a thousand in digits.
fn status_text(status: i64, digits: &mut [u8; 3]) -> &str {
    let digit = |n: i64| b'0' + u8::try_from(n % 10).unwrap_or(0);
    if status == 0 {
        return "0";
    }
    *digits = [digit(status / 100), digit(status / 10), digit(status)];
    std::str::from_utf8(digits).unwrap_or("0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(fields: &[(&str, Value<'_>)]) -> String {
        let fields: Vec<Field<'_>> = fields.iter().map(|(key, value)| Field { key, value: *value }).collect();
        Told::of(&fields, 0).map_or_else(|| "none".to_owned(), |told| format!("{} {} {}", told.time, told.level.name(), told.message()))
    }

    #[test]
    fn requests_in_json() {
        let (method, uri) = (("request_method", Value::Text("GET")), ("request_uri", Value::Text("/api/home?page=15")));
        let time = ("time_iso8601", Value::Text("2026-11-22T19:54:05+00:00"));
        assert_eq!(show(&[time, method, uri, ("status", Value::Int(504))]), "2026-11-22T19:54:05Z ERROR GET /api/home 504");
        let local = ("time_local", Value::Text("22/Nov/2026:19:54:05 +0100"));
        assert_eq!(show(&[local, ("request", Value::Text("GET / HTTP/1.1")), ("status", Value::Text("200"))]), "2026-11-22T18:54:05Z INFO GET / 200");
        assert_eq!(show(&[("request", Value::Text("BAD")), ("status", Value::Int(400))]), "- INFO malformed request 400");
        assert_eq!(
            show(&[("msec", Value::Text("1795376013.707")), method, uri, ("response_code", Value::Int(0))]),
            "2026-11-22T19:33:33.707Z INFO GET /api/home 0"
        );
        let kong =
            [("request.method", Value::Text("GET")), ("request.uri", Value::Text("/orders?x=1")), ("started_at", Value::Int(1_433_209_822_425))];
        assert_eq!(show(&[kong[0], kong[1], kong[2], ("response.status", Value::Int(401))]), "2015-06-02T01:50:22.425Z INFO GET /orders 401");
        let traefik = [("RequestMethod", Value::Text("GET")), ("RequestPath", Value::Text("/x")), ("DownstreamStatus", Value::Int(502))];
        assert_eq!(show(&traefik), "- ERROR GET /x 502");
        assert_eq!(show(&[method, ("status", Value::Int(200))]), "none");
        assert_eq!(show(&[method, uri, ("status", Value::Text("ok"))]), "none");
        assert_eq!(show(&[method, uri, ("status", Value::Int(7))]), "none");
    }
}
