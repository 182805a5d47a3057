//! systemd's journal in its export format: `journalctl -o export`.
//!
//! ```text
//! __CURSOR=s=5f1a…;i=1
//! __REALTIME_TIMESTAMP=1795376223181000
//! PRIORITY=3
//! SYSLOG_IDENTIFIER=orders
//! MESSAGE=payment failed
//! ```
//!
//! Entries end with an empty line. A value that holds line ends or is no text follows its key on a line of its own, behind
//! eight bytes that tell its length. What this file does not do: read the journal's own binary files, or its JSON.

use super::{Format, Match, payload};
use crate::formats::json_log::levels::{Scale, number};
use crate::model::record::{Field, Level, LogRecord, Reason, Sink, Value};
use crate::model::source::{Chunk, Head};
use crate::model::time::Time;
use std::borrow::Cow;

/// The format.
pub const FORMAT: Format = Format { name: "journald-export", sniff };

/// How many fields of an entry are kept.
const MOST: usize = 24;

/// One entry, as far as it has been read.
#[derive(Default)]
struct Entry<'a> {
    start: usize,
    micros: Option<i64>,
    source_micros: Option<i64>,
    priority: Option<i64>,
    identifier: Cow<'a, str>,
    unit: Cow<'a, str>,
    host: Cow<'a, str>,
    process: Cow<'a, str>,
    message: Option<Cow<'a, str>>,
    fields: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Entry<'a> {
    fn take(&mut self, key: &'a [u8], value: &'a [u8]) {
        let text = String::from_utf8_lossy(value);
        match key {
            b"__REALTIME_TIMESTAMP" => self.micros = text.parse().ok(),
            b"_SOURCE_REALTIME_TIMESTAMP" => self.source_micros = text.parse().ok(),
            b"PRIORITY" => self.priority = text.parse().ok(),
            b"SYSLOG_IDENTIFIER" => self.identifier = text,
            b"_SYSTEMD_UNIT" => self.unit = text,
            b"_HOSTNAME" => self.host = text,
            b"_PID" => self.process = text,
            b"MESSAGE" => self.message = Some(text),
            // Bookkeeping of the journal and the kernel.
            [b'_', ..] | b"MESSAGE_ID" => {}
            _ if self.fields.len() < MOST => self.fields.push((String::from_utf8_lossy(key), text)),
            _ => {}
        }
    }

    fn tell(self, end: usize, chunk: &Chunk<'_>, sink: &mut dyn Sink) {
        let evidence = chunk.evidence(self.start, end.saturating_sub(self.start));
        let Some(message) = self.message else { return sink.quarantine(evidence, Reason::Malformed) };
        let micros = self.source_micros.or(self.micros);
        let unit = self.unit.strip_suffix(".service").unwrap_or(&self.unit);
        let fields: Vec<Field<'_>> = self.fields.iter().map(|(key, value)| Field { key, value: Value::Text(value) }).collect();
        let around = LogRecord {
            time: micros.and_then(|micros| micros.checked_mul(1_000)).map_or(Time::NONE, Time),
            level: self.priority.and_then(|n| number(n, Scale::Syslog)).unwrap_or(Level::None),
            service: if self.identifier.is_empty() { unit } else { &self.identifier },
            instance: &self.host,
            thread: &self.process,
            fields: &fields,
            evidence,
            ..LogRecord::default()
        };
        payload::read(&message, &around, chunk.hints, sink);
    }
}

fn parse(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let bytes = chunk.bytes;
    let mut at = 0;
    let mut open: Option<Entry<'_>> = None;
    while at < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n);
        let line = &bytes[at..end];
        let start = at;
        at = end + 1;
        if line.is_empty() {
            if let Some(entry) = open.take() {
                entry.tell(start.saturating_sub(1), chunk, sink);
            }
            continue;
        }
        let entry = open.get_or_insert_with(|| Entry { start, ..Entry::default() });
        if let Some(equals) = memchr::memchr(b'=', line) {
            entry.take(&line[..equals], &line[equals + 1..]);
            continue;
        }
        // A value with its length in front; one that is longer than the file was cut.
        let length = bytes.get(at..at + 8).and_then(|length| length.try_into().ok()).map(u64::from_le_bytes).and_then(|n| usize::try_from(n).ok());
        let value = length.and_then(|length| bytes.get(at + 8..)?.get(..length));
        match (is_key(line), value) {
            (true, Some(value)) => {
                entry.take(line, value);
                at += 8 + value.len() + 1;
            }
            (known, _) => {
                sink.quarantine(chunk.evidence(start, bytes.len().min(end) - start), if known { Reason::Truncated } else { Reason::Malformed });
            }
        }
    }
    if let Some(entry) = open {
        entry.tell(bytes.trim_ascii_end().len(), chunk, sink);
    }
}

fn is_key(line: &[u8]) -> bool {
    line.len() <= 64 && line.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let start = head.bytes.trim_ascii_start();
    let known = start.starts_with(b"__CURSOR=") || start.starts_with(b"__REALTIME_TIMESTAMP=");
    (known && memchr::memmem::find(start, b"__REALTIME_TIMESTAMP=").is_some()).then(|| Match::whole(95, "journald-export", parse))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::{read, told};

    #[test]
    fn entries() {
        let got = told(
            FORMAT,
            "__CURSOR=s=5f\n__REALTIME_TIMESTAMP=1795376223181000\nPRIORITY=3\n_HOSTNAME=web-1\n_PID=7\nSYSLOG_IDENTIFIER=orders\nORDER=17\nMESSAGE=payment failed\n\n__CURSOR=s=60\n__REALTIME_TIMESTAMP=1795376223182000\n_SYSTEMD_UNIT=cart.service\nMESSAGE=a=b\n",
        );
        assert_eq!(
            got,
            "journald-export\n\
             log @0+142 time=\"2026-11-22T19:37:03.181Z\" level=\"ERROR\" service=\"orders\" instance=\"web-1\" thread=\"7\" message=\"payment failed\" fields=\"ORDER=17;\"\n\
             log @144+90 time=\"2026-11-22T19:37:03.182Z\" service=\"cart\" message=\"a=b\" fields=\"a=b;\"\n"
        );
    }

    #[test]
    fn values_with_a_length() {
        let mut bytes = b"__CURSOR=s=5f\n__REALTIME_TIMESTAMP=1795376223181000\nMESSAGE\n".to_vec();
        bytes.extend(8_u64.to_le_bytes());
        bytes.extend(b"one\n\ntwo\n\n");
        let got = read(parse, &bytes);
        assert_eq!(got.text, "log @0+76 time=\"2026-11-22T19:37:03.181Z\" message=\"one\\n\\ntwo\"\n");
        for cut in 0..bytes.len() {
            read(parse, &bytes[..cut]);
        }
    }
}
