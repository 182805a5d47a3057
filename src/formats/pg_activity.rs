//! `pg_stat_activity` as psql prints it, or as CSV: one record for each session.
//!
//! ```text
//! 2026-11-22T19:41:23Z
//!   pid  | application_name |        state        |    xact_age     | wait_event_type
//! -------+------------------+---------------------+-----------------+-----------------
//!  31695 | payments         | idle in transaction | 00:00:18.028625 | Client
//! ```
//!
//! A session's age is computed where only the start of its transaction is listed and something tells when the table was
//! taken: a line above it, or the session that asked. What this file does not do: other tables.

use super::lines::{Block, LineFormat};
use super::postgres_log::csv;
use super::{Format, Match, timestamp};
use crate::model::record::{Level, LogRecord, Sink};
use crate::model::source::Head;
use crate::model::time::{SECOND, Time};
use std::borrow::Cow;
use std::fmt::Write;

/// The format.
pub const FORMAT: Format = Format { name: "pg-activity", sniff };

/// Whole tables: a record is all of one.
#[derive(Clone, Copy, Debug)]
pub struct Activity;

/// Names of applications that are tools of people.
const TOOLS: [&str; 4] = ["psql", "pgAdmin", "pgcli", "DBeaver"];

impl LineFormat for Activity {
    fn starts(&self, line: &[u8], previous: &[u8]) -> bool {
        is_stamp(line) || is_header(line) && !is_stamp(previous)
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        !is_stamp(line)
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let mut columns: Vec<String> = Vec::new();
        let mut taken = Time::NONE;
        let mut rows: Vec<(usize, usize, Vec<Cow<'_, str>>)> = Vec::new();
        let mut at = 0;
        for line in block.text.split_inclusive('\n') {
            let (start, text) = (at, line.trim_end());
            at += line.len();
            if columns.is_empty() {
                if is_header(text.as_bytes()) {
                    columns = cells(text).into_iter().map(Cow::into_owned).collect();
                } else if let Some((time, _)) = timestamp::iso(text.trim().as_bytes(), block.hints.zone) {
                    taken = time;
                }
                continue;
            }
            let row = cells(text);
            if row.len() == columns.len() && !text.starts_with("--") {
                rows.push((start, text.len(), row));
            }
        }
        let column = |name: &str| columns.iter().position(|column| column == name);
        let (query, since) = (column("query").or_else(|| column("q")), column("query_start"));
        let cell = |row: &[Cow<'_, str>], at: Option<usize>| at.and_then(|at| row.get(at)).map(|cell| cell.as_ref().to_owned()).unwrap_or_default();
        let time_in = |text: &str| timestamp::iso(text.as_bytes(), block.hints.zone).map_or(Time::NONE, |(time, _)| time);
        if taken.is_none() {
            let asking = rows.iter().find(|(_, _, row)| cell(row, query).contains("pg_stat_activity"));
            taken = asking.map_or(Time::NONE, |(_, _, row)| time_in(&cell(row, since)));
        }
        for (start, len, row) in &rows {
            let mut message = String::new();
            for (name, value) in columns.iter().zip(row).filter(|(_, value)| !value.is_empty()) {
                let _ = write!(message, "{}{name}={value}", if message.is_empty() { "" } else { " " });
            }
            let began = time_in(&cell(row, column("xact_start")));
            if column("xact_age").is_none() && began.is_some() && taken.is_some() {
                // The age belongs right behind the state, as in the tables that list it.
                let age = format!(" xact_age={}", clock(taken.since(began).max(0)));
                let state = cell(row, column("state"));
                let behind = message.find(&format!("state={state}")).map_or(message.len(), |at| at + 6 + state.len());
                message.insert_str(behind, &age);
            }
            let application = cell(row, column("application_name"));
            let named = !application.contains(' ') && !TOOLS.iter().any(|tool| application.starts_with(tool));
            sink.log(&LogRecord {
                time: taken,
                level: Level::Info,
                service: if named { &application } else { "" },
                thread: &cell(row, column("pid")),
                message: &message,
                evidence: block.part(*start, *len),
                ..LogRecord::default()
            });
        }
    }
}

/// `00:00:18.028`.
fn clock(nanos: i64) -> String {
    let (seconds, millis) = (nanos / SECOND, nanos % SECOND / 1_000_000);
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The cells of a row of either kind.
fn cells(line: &str) -> Vec<Cow<'_, str>> {
    if line.contains(" | ") { line.split('|').map(|cell| Cow::Borrowed(cell.trim())).collect() } else { csv::columns(line, 64) }
}

/// Whether a line names the columns of `pg_stat_activity`.
fn is_header(line: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(line.get(..line.len().min(2048)).unwrap_or_default()) else { return false };
    let text = text.trim();
    if !(text.starts_with("pid") || text.starts_with("datid") || text.contains("pid")) || !text.contains("state") {
        return false;
    }
    let names = cells(text);
    let has = |name: &str| names.iter().any(|cell| cell == name);
    has("pid") && has("state") && (has("query") || has("xact_start") || has("xact_age") || has("wait_event"))
}

/// A line that is a time and nothing else.
fn is_stamp(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.first().is_some_and(u8::is_ascii_digit) && timestamp::iso(line, 0).is_some_and(|(_, used)| used == line.len())
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let mut lines = head.bytes.split(|&b| b == b'\n').map(|line| line.trim_ascii_end()).filter(|line| !line.is_empty());
    let first = lines.next()?;
    let header = if is_stamp(first) { lines.next()? } else { first };
    is_header(header).then(|| Match::lines(93, "pg-activity", Box::new(Activity)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::told;

    #[test]
    fn tables_of_psql() {
        let got = told(
            FORMAT,
            "2026-11-22T19:41:23Z\n  pid  | application_name |        state        |    xact_age     | q\n-------+------------------+---------------------+-----------------+---\n 31695 | payments         | idle in transaction | 00:00:18.028625 | update a\n   888 | psql             | active              | 00:00:00        | \n(2 rows)\n\n",
        );
        assert_eq!(
            got,
            "pg-activity\n\
             log @162+76 time=\"2026-11-22T19:41:23Z\" level=\"INFO\" service=\"payments\" thread=\"31695\" message=\"pid=31695 application_name=payments state=idle in transaction xact_age=00:00:18.028625 q=update a\"\n\
             log @239+67 time=\"2026-11-22T19:41:23Z\" level=\"INFO\" thread=\"888\" message=\"pid=888 application_name=psql state=active xact_age=00:00:00\"\n"
        );
    }

    #[test]
    fn ages_are_computed() {
        let got = told(
            FORMAT,
            "pid,application_name,state,xact_start,query_start,query\n7,orders,idle in transaction,2026-11-22 19:34:00+00,2026-11-22 19:34:01+00,\"update a, b\"\n8,psql,active,2026-11-22 19:34:45.072363+00,2026-11-22 19:34:45.072363+00,select * from pg_stat_activity\n",
        );
        assert!(
            got.contains(
                "service=\"orders\" thread=\"7\" message=\"pid=7 application_name=orders state=idle in transaction xact_age=00:00:45.072 xact_start="
            ),
            "{got}"
        );
        assert_eq!(told(FORMAT, "id | name\n---+---\n 1 | a\n"), "none");
    }
}
