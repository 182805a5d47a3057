//! The csvlog of a PostgreSQL server: 23 to 26 columns without a header, quoted where needed.
//!
//! ```text
//! 2026-11-22 19:34:39.283 UTC,"shop","orders",16406,"127.0.0.1:36452",6b0343cf.4016,3,"UPDATE",2026-11-22 19:34:39 UTC,3/3,742,ERROR,40P01,"deadlock detected","Process 16406 waits.
//! Process 16407 waits.",,,,,"update acct set v = 1",,,"psql","client backend",,0
//! ```
//!
//! A quoted column may hold line ends; a record begins where a time with a zone is followed by a comma. What this file
//! does not do: read CSV of anybody else.

use super::{level, push};
use crate::formats::Match;
use crate::formats::lines::{Block, LineFormat};
use crate::formats::text_log::fields::Pairs;
use crate::formats::timestamp;
use crate::model::record::{Field, LogRecord, Reason, Sink, Value};
use crate::model::source::Head;
use std::borrow::Cow;

/// The columns that are kept as fields, by number.
const KEPT: &[(usize, &str)] = &[
    (1, "user"),
    (2, "db"),
    (4, "client"),
    (5, "session"),
    (7, "command"),
    (12, "error.code"),
    (14, "detail"),
    (15, "hint"),
    (18, "context"),
    (19, "db.query.text"),
    (22, "app"),
    (23, "backend_type"),
];
/// Columns of version 9.0, the least that a record has.
const LEAST: usize = 23;
const COLUMNS: usize = 26;

/// The line format of the csvlog.
#[derive(Clone, Copy, Debug)]
pub struct CsvLog;

impl LineFormat for CsvLog {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        start(line).is_some_and(|len| line.get(len..).unwrap_or_default().iter().take(400).filter(|b| **b == b',').count() >= 8)
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        // Whatever is no record begins inside quotes.
        !self.starts(line, b"")
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let columns = columns(block.text, COLUMNS);
        let column = |n: usize| columns.get(n).map_or("", |text| text.as_ref());
        let known = level(column(11)).filter(|_| columns.len() >= LEAST);
        let (Some(level), Some((time, _))) = (known, timestamp::iso(column(0).as_bytes(), block.hints.zone)) else {
            return sink.quarantine(block.evidence, if columns.len() < LEAST { Reason::Truncated } else { Reason::Malformed });
        };
        let mut fields = [Field { key: "", value: Value::Bool(false) }; super::MOST];
        let mut len = 0;
        for (number, key) in KEPT {
            if !matches!(column(*number), "" | "[unknown]") {
                push(&mut fields, &mut len, key, Value::Text(column(*number)));
            }
        }
        if let Some(millis) = super::duration(column(13)) {
            push(&mut fields, &mut len, "duration_ms", Value::Float(millis));
        }
        let mut pairs = Pairs::default();
        pairs.search(column(13));
        sink.log(&LogRecord {
            time,
            level,
            thread: column(3),
            trace: pairs.trace,
            span: pairs.span,
            message: column(13),
            fields: fields.get(..len).unwrap_or_default(),
            evidence: block.evidence,
            ..LogRecord::default()
        });
    }
}

/// The length of the time with zone and comma that a record begins with.
fn start(line: &[u8]) -> Option<usize> {
    let digit = line.first()?.is_ascii_digit();
    let (_, used) = digit.then(|| timestamp::iso(line, 0)).flatten()?;
    let rest = line.get(used..)?;
    // A zone that is not UTC stands there by its name.
    let name = rest.strip_prefix(b" ").map_or(0, |rest| 1 + rest.iter().take(6).take_while(|b| b.is_ascii_uppercase()).count());
    (rest.get(name) == Some(&b',')).then_some(used + name + 1)
}

/// The columns of the first row, unquoted, at most so many.
#[must_use]
pub fn columns(text: &str, most: usize) -> Vec<Cow<'_, str>> {
    let bytes = text.as_bytes();
    let mut columns = Vec::new();
    let mut at = 0;
    while columns.len() < most && at <= bytes.len() {
        let (column, end) = match bytes.get(at) {
            Some(b'"') => quoted(text, at + 1),
            _ => {
                let end = memchr::memchr2(b',', b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n);
                (Cow::Borrowed(text.get(at..end).unwrap_or_default()), end)
            }
        };
        columns.push(column);
        if bytes.get(end) != Some(&b',') {
            break;
        }
        at = end + 1;
    }
    columns
}

/// The text up to the closing quote, and where what follows that begins. Two quotes stand for one.
fn quoted(text: &str, start: usize) -> (Cow<'_, str>, usize) {
    let bytes = text.as_bytes();
    let (mut at, mut doubled) = (start, false);
    loop {
        let Some(found) = memchr::memchr(b'"', bytes.get(at..).unwrap_or_default()) else {
            // Cut inside a column: it is no column.
            return (Cow::Borrowed(""), text.len() + 1);
        };
        at += found;
        if bytes.get(at + 1) != Some(&b'"') {
            break;
        }
        doubled = true;
        at += 2;
    }
    let inside = text.get(start..at).unwrap_or_default();
    (if doubled { Cow::Owned(inside.replace("\"\"", "\"")) } else { Cow::Borrowed(inside) }, at + 1)
}

/// Recognises a csvlog by its first records.
pub fn sniff(head: &Head<'_>) -> Option<Match> {
    let text = head.bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    CsvLog.starts(text.lines().next()?.as_bytes(), b"").then_some(())?;
    let first = columns(text, COLUMNS);
    (first.len() >= LEAST && level(&first[11]).is_some()).then(|| Match::lines(92, "postgres-log/csv", Box::new(CsvLog)))
}

#[cfg(test)]
mod tests {
    use crate::formats::fixture::told;
    use crate::formats::postgres_log::FORMAT;

    #[test]
    fn quotes_hide_line_ends_commas_and_quotes() {
        let got = told(
            FORMAT,
            "2026-11-22 19:34:39.283 UTC,\"shop\",\"orders\",16406,\"127.0.0.1:36452\",6b0343cf.4016,3,\"UPDATE\",2026-11-22 19:34:39 UTC,3/3,742,ERROR,40P01,\"say \"\"no\"\", twice\",\"one\n2026-11-22 two\",,,,,\"update acct\",,,\"psql\",\"client backend\",,0\n\
             2026-11-22 19:34:40 CET,,,1,,a,4,,2026-11-22 19:34:34 UTC,,0,LOG,00000,\"up\",,,,,,,,,\"\",\"postmaster\",,0\n",
        );
        assert_eq!(
            got,
            "postgres-log/csv\n\
             log @0+224 time=\"2026-11-22T19:34:39.283Z\" level=\"ERROR\" thread=\"16406\" message=\"say \\\"no\\\", twice\" fields=\"user=shop;db=orders;client=127.0.0.1:36452;session=6b0343cf.4016;command=UPDATE;error.code=40P01;detail=one\\n2026-11-22 two;db.query.text=update acct;app=psql;backend_type=client backend;\"\n\
             log @225+102 time=\"2026-11-22T19:34:40Z\" level=\"INFO\" thread=\"1\" message=\"up\" fields=\"session=a;error.code=00000;backend_type=postmaster;\"\n"
        );
        assert_eq!(told(FORMAT, "2026-11-22 19:34:39.283 UTC,a,b,c,d,e,f,g,h,i,j,k,l,m,n\n"), "none");
    }
}
