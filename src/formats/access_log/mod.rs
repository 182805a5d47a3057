//! Access logs of nginx, Apache, Tomcat, Envoy, HAProxy and of what writes in their formats: one request a line.
//!
//! ```text
//! 127.0.0.1 - bob [22/Nov/2026:19:33:33 +0000] "GET /api/orders HTTP/1.1" 200 11 "-" "curl/7.88.1" rt=1.002 us="504, 502" ua="10.0.0.1:80, app"
//! [2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "nsq2http" "cc21d9b0" "locations" "tcp://10.0.2.1:80"
//! Nov 22 19:33:35 lb1 haproxy[14486]: 127.0.0.1:53660 [22/Nov/2026:19:33:34.953] http-in app/app1 0/0/0/-1/1001 504 198 - - sH-- 1/1/0/0/0 0/0 {} "GET /api/slow HTTP/1.1"
//! ```
//!
//! A request becomes a log record whose message is its method, path and status, an error if the server failed. The rest
//! are fields, under the same names whichever server wrote them. What the unnamed parts of a line mean is learnt from the
//! head of the file (`columns.rs`). What this file does not do: JSON access logs, which are JSON logs, and error logs
//! (`error_log.rs`).

pub(in crate::formats) mod clock;
mod columns;
mod common;
mod entry;
mod envoy;
mod fields;
mod haproxy;
mod request;
mod token;

use super::lines::{Block, LineFormat};
use super::syslog::header::{Peeled, peel};
use super::{Confidence, Format, Match};
use crate::model::record::{Reason, Sink};
use crate::model::source::Head;
use crate::model::time::Time;
use columns::{Columns, Learner};
use entry::Entry;
use request::Request;

pub use fields::Told;

/// Takes a request line apart: `GET /x?q=1 HTTP/1.1`.
#[must_use]
pub fn request(line: &str) -> Request<'_> {
    Request::read(line)
}

/// Access logs.
pub const FORMAT: Format = Format { name: "access-log", sniff };

/// A reader of access logs, with what the head of its file taught.
#[derive(Clone, Copy, Debug)]
pub struct AccessLog {
    columns: Columns,
    /// A time of the file with its year, which syslog leaves out.
    near: Time,
}

impl AccessLog {
    /// For access log lines between the lines of other formats.
    pub const EMBEDDED: Self = Self { columns: Columns::UNKNOWN, near: Time::NONE };
}

impl LineFormat for AccessLog {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        Shape::of(&String::from_utf8_lossy(line)).is_some()
    }

    fn continues(&self) -> bool {
        false
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let zone = block.hints.zone;
        let Some(Shape { kind, peeled }) = Shape::of(block.text) else { return sink.quarantine(block.evidence, Reason::Malformed) };
        let mut entry = Entry::default();
        match kind {
            Kind::Common(head) => common::read(peeled.rest, head, &self.columns, zone, &mut entry),
            Kind::Envoy => envoy::read(peeled.rest, &mut entry),
            Kind::HaproxyRequest => haproxy::request(peeled.rest, zone, &mut entry),
            Kind::HaproxyEvent => return sink.log(&haproxy::event(&peeled, self.near, zone, block.evidence)),
        }
        entry.send(&peeled, block.evidence, sink);
    }
}

/// Whose line it is, without what syslog has put before it.
struct Shape<'a> {
    kind: Kind,
    peeled: Peeled<'a>,
}

enum Kind {
    Common(common::Head),
    Envoy,
    HaproxyRequest,
    HaproxyEvent,
}

impl<'a> Shape<'a> {
    /// Asked of every line of every file: what tells that a line is none has to be found soon.
    fn of(line: &'a str) -> Option<Self> {
        let plain = Peeled::plain(line);
        if let Some(kind) = Kind::of(line) {
            return Some(Self { kind, peeled: plain });
        }
        let peeled = peel(line)?;
        let is_haproxy = peeled.tag == "haproxy";
        let kind = Kind::of(peeled.rest).or(is_haproxy.then_some(Kind::HaproxyEvent))?;
        Some(Self { kind, peeled })
    }
}

impl Kind {
    fn of(line: &str) -> Option<Self> {
        match line.as_bytes().first()? {
            b'[' if envoy::is_one(line) => return Some(Self::Envoy),
            b'[' if haproxy::is_event(line) => return Some(Self::HaproxyEvent),
            b' ' | b'\t' | b'{' | b'<' => return None,
            _ => {}
        }
        if let Some(head) = common::head(line) {
            return Some(Self::Common(head));
        }
        haproxy::is_request(line).then_some(Self::HaproxyRequest)
    }
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    const LINES: usize = 400;
    let whole = if head.whole { head.bytes.len() } else { memchr::memrchr(b'\n', head.bytes)? + 1 };
    let text = String::from_utf8_lossy(head.bytes.get(..whole)?);
    let (mut all, mut ours, mut envoy, mut haproxy) = (0_usize, 0_usize, 0_usize, 0_usize);
    let mut learner = Learner::default();
    let mut near = Time::NONE;
    for line in text.lines().filter(|line| !line.trim_ascii().is_empty()).take(LINES) {
        all += 1;
        let Some(Shape { kind, peeled }) = Shape::of(line) else { continue };
        ours += 1;
        match kind {
            Kind::Common(head) => learner.line(peeled.rest, head),
            Kind::Envoy => envoy += 1,
            Kind::HaproxyRequest => {
                haproxy += 1;
                if near.is_none() {
                    near = haproxy::time_of(peeled.rest).unwrap_or(Time::NONE);
                }
            }
            Kind::HaproxyEvent => haproxy += 1,
        }
    }
    let share = ours * 100 / all.max(1);
    let confidence: Confidence = match share {
        _ if ours == 0 => return None,
        90.. => 90,
        60.. => 75,
        // An application's own lines are better read as such, with requests in between.
        _ => 25,
    };
    let label = match (envoy * 2 > ours, haproxy * 2 > ours) {
        (true, _) => "access-log/envoy",
        (_, true) => "access-log/haproxy",
        _ => learner.label(),
    };
    Some(Match::lines(confidence, label, Box::new(AccessLog { columns: learner.columns(), near })))
}

#[cfg(test)]
mod tests;
