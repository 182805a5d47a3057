//! The slow query log of MySQL, MariaDB and Percona Server.
//!
//! ```text
//! # Time: 2021-01-26T23:45:57.678222Z
//! # User@Host: owncloud[owncloud] @ localhost []  Id:     2
//! # Query_time: 0.011853  Lock_time: 0.011542  Rows_sent: 268  Rows_examined: 268
//! SET timestamp=1611704757;
//! SELECT * FROM `oc_appconfig`;
//! ```
//!
//! A record's message is its statement; times and rows are fields. What this file does not do: the error log, whose lines
//! begin with a time and are read as a text log.

use super::lines::{Block, LineFormat};
use super::text_log::stamp;
use super::{Format, Match};
use crate::model::record::{Field, Level, LogRecord, Reason, Sink, Value};
use crate::model::source::Head;
use crate::model::time::Time;

/// The format.
pub const FORMAT: Format = Format { name: "mysql-slow", sniff };

/// The line format.
#[derive(Clone, Copy, Debug)]
pub struct SlowLog;

const TIME: &str = "# Time: ";
const USER: &str = "# User@Host: ";
const QUERY: &str = "# Query_time: ";

impl LineFormat for SlowLog {
    fn starts(&self, line: &[u8], previous: &[u8]) -> bool {
        // The time is left out if it is that of the record before.
        line.starts_with(TIME.as_bytes()) || line.starts_with(USER.as_bytes()) && !previous.starts_with(TIME.as_bytes()) || is_banner(line)
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        !(line.starts_with(TIME.as_bytes()) || line.starts_with(USER.as_bytes()) || is_banner(line))
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        // What the server prints when it opens the log says nothing about a query.
        if is_banner(block.text.as_bytes()) {
            return;
        }
        let mut time = Time::NONE;
        let mut fields: Vec<Field<'_>> = Vec::with_capacity(12);
        let mut at = 0;
        let (mut statement, mut timed) = (block.text.len(), false);
        for line in block.text.split_inclusive('\n') {
            let end = at + line.len();
            let line = line.trim_end();
            if let Some(text) = line.strip_prefix(TIME) {
                time = stamp::read(text.trim_start().as_bytes(), block.hints).map_or(Time::NONE, |stamp| stamp.time);
            } else if let Some(text) = line.strip_prefix(USER) {
                who(text, &mut fields);
            } else if let Some(text) = line.strip_prefix("# ") {
                timed |= line.starts_with(QUERY);
                pairs(text, &mut fields);
            } else if let Some(second) = line.strip_prefix("SET timestamp=").and_then(|rest| rest.strip_suffix(';')) {
                if time.is_none() {
                    time = super::timestamp::epoch_text(second.as_bytes()).unwrap_or_default();
                }
            } else if let Some(schema) = line.strip_prefix("use ").and_then(|rest| rest.strip_suffix(';')) {
                fields.push(Field { key: "db", value: Value::Text(schema) });
            } else {
                statement = at;
                break;
            }
            at = end;
        }
        if !timed {
            return sink.quarantine(block.evidence, Reason::Truncated);
        }
        sink.log(&LogRecord {
            time,
            level: Level::Info,
            message: block.text.get(statement..).unwrap_or_default().trim_end(),
            fields: &fields,
            evidence: block.evidence,
            ..LogRecord::default()
        });
    }
}

/// `owncloud[owncloud] @ localhost [127.0.0.1]  Id:     2`.
fn who<'a>(text: &'a str, fields: &mut Vec<Field<'a>>) {
    let (user, rest) = text.split_once('[').unwrap_or((text, ""));
    let (host, id) = rest.split_once("Id:").unwrap_or((rest, ""));
    let host = host.split_once("@ ").map_or("", |(_, host)| host.trim_end());
    let (name, address) = host.split_once('[').unwrap_or((host, ""));
    for (key, value) in [("user", user), ("client", name.trim()), ("client.address", address.trim_end_matches(']')), ("connection", id.trim())] {
        if !value.is_empty() {
            fields.push(Field { key, value: Value::Text(value) });
        }
    }
}

/// `Query_time: 0.011853  Lock_time: 0.011542  Rows_sent: 268`.
fn pairs<'a>(text: &'a str, fields: &mut Vec<Field<'a>>) {
    let mut words = text.split_ascii_whitespace();
    while let Some(word) = words.next() {
        let (Some(key), true) = (word.strip_suffix(':'), fields.len() < 40) else { continue };
        let Some(value) = words.next() else { return };
        let seconds = value.parse::<f64>().ok().filter(|n| n.is_finite());
        match (key, seconds) {
            ("Query_time", Some(seconds)) => fields.push(Field { key: "duration_ms", value: Value::Float((seconds * 1e6).round() / 1e3) }),
            ("Lock_time", Some(seconds)) => fields.push(Field { key: "lock_ms", value: Value::Float((seconds * 1e6).round() / 1e3) }),
            ("Schema", _) => fields.push(Field { key: "db", value: Value::Text(value) }),
            _ => fields.push(Field { key, value: value.parse().map_or(Value::Text(value), Value::Int) }),
        }
    }
}

/// `/usr/sbin/mysqld, Version: 8.0.21 (…). started with:` and the two lines below it.
fn is_banner(line: &[u8]) -> bool {
    memchr::memmem::find(line, b", Version: ").is_some() && memchr::memmem::find(line, b"started with:").is_some()
        || line.starts_with(b"Tcp port: ")
        || line.starts_with(b"Time ") && memchr::memmem::find(line, b"Id Command").is_some()
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let text = head.bytes.get(..head.bytes.len().min(8 << 10))?;
    let has = |part: &str| memchr::memmem::find(text, part.as_bytes()).is_some();
    let first = text.split(|&b| b == b'\n').find(|line| !line.trim_ascii().is_empty())?;
    (has(USER) && has(QUERY) && (SlowLog.starts(first, b"") || first.starts_with(b"# "))).then(|| Match::lines(92, "mysql-slow", Box::new(SlowLog)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::told;

    #[test]
    fn statements_with_their_times() {
        let got = told(
            FORMAT,
            "/usr/sbin/mysqld, Version: 8.0.21 (x). started with:\nTcp port: 3306  Unix socket: /x\nTime                 Id Command    Argument\n\
             # Time: 2021-01-26T23:45:57.678222Z\n# User@Host: shop[shop] @ web-1 [10.0.0.7]  Id:     2\n# Schema: orders  Last_errno: 0\n# Query_time: 1.011853  Lock_time: 0.5  Rows_sent: 1  Rows_examined: 268\nuse orders;\nSET timestamp=1611704757;\nSELECT *\n  FROM a;\n\
             # User@Host: shop[shop] @ localhost []\n# Query_time: 2  Lock_time: 0.0 Rows_sent: 0  Rows_examined: 0\nSET timestamp=1611704758;\n# not a head\ncommit;\n",
        );
        assert_eq!(
            got,
            "mysql-slow\n\
             log @129+251 time=\"2021-01-26T23:45:57.678222Z\" level=\"INFO\" message=\"SELECT *\\n  FROM a;\" fields=\"user=shop;client=web-1;client.address=10.0.0.7;connection=2;db=orders;Last_errno=0;duration_ms=1011.853;lock_ms=500.0;Rows_sent=1;Rows_examined=268;db=orders;\"\n\
             log @381+148 time=\"2021-01-26T23:45:58Z\" level=\"INFO\" message=\"commit;\" fields=\"user=shop;client=localhost;duration_ms=2000.0;lock_ms=0.0;Rows_sent=0;Rows_examined=0;\"\n"
        );
        assert_eq!(told(FORMAT, "# Time: x\n# Comment\n"), "none");
    }
}
