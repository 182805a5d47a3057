//! The request log of uWSGI.
//!
//! ```text
//! [pid: 88185|app: 0|req: 1/1] 127.0.0.1 () {38 vars in 696 bytes} [Sun Mar 13 22:49:12 2016] POST /x => generated 47 bytes in 129 msecs (HTTP/1.1 200) 9 headers in 378 bytes (1 switches on core 3)
//! ```
//!
//! What this file does not do: what the server says about itself, which has no time.

use super::lines::{Block, LineFormat};
use super::text_log::stamp;
use super::{Format, Match};
use crate::model::record::{Field, Level, LogRecord, Reason, Sink, Value};
use crate::model::source::Head;

/// The format.
pub const FORMAT: Format = Format { name: "uwsgi", sniff };

/// The line format.
#[derive(Clone, Copy, Debug)]
pub struct Uwsgi;

impl LineFormat for Uwsgi {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        line.starts_with(b"[pid: ") && memchr::memmem::find(line, b" => generated ").is_some()
    }

    fn continues(&self) -> bool {
        false
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        if request(block, sink).is_none() {
            sink.quarantine(block.evidence, Reason::Malformed);
        }
    }
}

fn request(block: &Block<'_>, sink: &mut dyn Sink) -> Option<()> {
    let (head, rest) = block.text.strip_prefix("[pid: ")?.split_once("] ")?;
    let process = head.split('|').next()?;
    let (client, rest) = rest.split_once(' ')?;
    let (_, rest) = rest.split_once("} ")?;
    let stamp = stamp::read(rest.as_bytes(), block.hints)?;
    let (line, answer) = rest.get(stamp.len..)?.trim_start().split_once(" => generated ")?;
    let (method, target) = line.split_once(' ')?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (size, answer) = answer.split_once(" bytes in ")?;
    let (taken, answer) = answer.split_once(" (")?;
    let (number, unit) = taken.split_once(' ')?;
    let millis = number.parse::<f64>().ok()? * if unit.starts_with("micro") { 1e-3 } else { 1.0 };
    let status = answer.split_once(')')?.0.rsplit(' ').next()?;
    let failed = status.starts_with('5');
    let fields = [
        Field { key: "http.request.method", value: Value::Text(method) },
        Field { key: "url.path", value: Value::Text(path) },
        Field { key: "http.response.status_code", value: Value::Int(status.parse().ok()?) },
        Field { key: "duration_ms", value: Value::Float(millis) },
        Field { key: "http.response.body.size", value: Value::Int(size.parse().ok()?) },
        Field { key: "client.address", value: Value::Text(client) },
        Field { key: "url.query", value: Value::Text(query) },
    ];
    sink.log(&LogRecord {
        time: stamp.time,
        level: if failed { Level::Error } else { Level::Info },
        message: &format!("{method} {path} {status}"),
        thread: process,
        fields: fields.get(..fields.len() - usize::from(query.is_empty()))?,
        evidence: block.evidence,
        ..LogRecord::default()
    });
    Some(())
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let whole = if head.whole { head.bytes.len() } else { memchr::memrchr(b'\n', head.bytes)? + 1 };
    let lines = || head.bytes.get(..whole).unwrap_or_default().split(|&b| b == b'\n').filter(|line| !line.trim_ascii().is_empty()).take(200);
    let ours = lines().filter(|line| Uwsgi.starts(line, b"")).count();
    (ours > 0 && ours * 10 >= lines().count() * 3).then(|| Match::lines(88, "uwsgi", Box::new(Uwsgi)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::told;

    #[test]
    fn requests() {
        let got = told(
            FORMAT,
            "[pid: 7|app: 0|req: 1/1] 127.0.0.1 () {38 vars in 696 bytes} [Sun Mar 13 22:49:12 2016] POST /x?a=1 => generated 47 bytes in 68 micros (HTTP/1.1 502) 9 headers in 378 bytes (1 switches on core 3)\n",
        );
        assert_eq!(
            got,
            "uwsgi\nlog @0+195 time=\"2016-03-13T22:49:12Z\" level=\"ERROR\" thread=\"7\" message=\"POST /x 502\" fields=\"http.request.method=POST;url.path=/x;http.response.status_code=502;duration_ms=0.068;http.response.body.size=47;client.address=127.0.0.1;url.query=a=1;\"\n"
        );
        assert_eq!(told(FORMAT, "[pid: 7] something\n"), "none");
    }
}
