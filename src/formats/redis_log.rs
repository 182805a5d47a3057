//! The log of a Redis or Valkey server, and its slow log as `redis-cli` prints it.
//!
//! ```text
//! 14123:M 22 Nov 2026 19:33:27.405 * Ready to accept connections
//! [14123] 22 Nov 19:33:27.405 # Server started, Redis version 2.6.14
//!  1) 1) (integer) 14
//!     2) (integer) 1309448221
//!     3) (integer) 15000
//!     4) 1) "ping"
//! ```
//!
//! Roles: C child, M master, S replica, X sentinel. What this file does not do: `INFO`, which is no log.

use super::lines::{Block, LineFormat};
use super::text_log::fields::{Pairs, Place};
use super::text_log::stamp::{self, month};
use super::timestamp::{clock, days_from_civil};
use super::{Format, Match};
use crate::model::record::{Field, Level, LogRecord, Reason, Sink, Value};
use crate::model::source::{Chunk, Head, Hints};
use crate::model::time::{SECOND, Time};
use crate::model::undated::YEARLESS;

/// The format.
pub const FORMAT: Format = Format { name: "redis", sniff };

/// The server's log.
#[derive(Clone, Copy, Debug)]
pub struct RedisLog;

impl LineFormat for RedisLog {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        read(line, &Hints::default()).is_some()
    }

    fn continues(&self) -> bool {
        true
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let Some(found) = read(block.text.as_bytes(), block.hints) else { return sink.quarantine(block.evidence, Reason::Malformed) };
        let message = block.text.get(found.message..).unwrap_or_default().trim_end();
        let mut pairs = Pairs::default();
        pairs.scan(message, Place::Message);
        sink.log(&LogRecord {
            time: found.time,
            level: found.level,
            thread: block.text.get(found.process).unwrap_or_default(),
            message,
            fields: pairs.fields(),
            evidence: block.evidence,
            ..LogRecord::default()
        });
    }
}

struct Found {
    process: std::ops::Range<usize>,
    time: Time,
    level: Level,
    message: usize,
}

fn read(line: &[u8], hints: &Hints) -> Option<Found> {
    let from = usize::from(line.first() == Some(&b'['));
    let digits = line.get(from..)?.iter().take(8).take_while(|b| b.is_ascii_digit()).count();
    let process = from..from + digits;
    let at = match line.get(process.end..)? {
        [b':', b'C' | b'M' | b'S' | b'X', b' ', ..] if from == 0 && digits > 0 => process.end + 3,
        [b']', b' ', ..] if from == 1 && digits > 0 => process.end + 2,
        _ => return None,
    };
    let rest = line.get(at..)?;
    let (time, used) = match stamp::read(rest, hints) {
        Some(stamp) if stamp.kind == stamp::Kind::Full => (stamp.time, stamp.len),
        _ => yearless(rest, hints.zone)?,
    };
    let level = match line.get(at + used..)? {
        [b' ', b'.', b' ', ..] => Level::Debug,
        [b' ', b'-' | b'*', b' ', ..] => Level::Info,
        [b' ', b'#', b' ', ..] => Level::Warn,
        _ => return None,
    };
    Some(Found { process, time, level, message: at + used + 3 })
}

/// `22 Nov 19:33:27.405`, as versions before 4 wrote it.
fn yearless(text: &[u8], zone: i32) -> Option<(Time, usize)> {
    let date = text.first_chunk::<7>()?;
    let day = std::str::from_utf8(&date[..2]).ok()?.trim_start().parse().ok()?;
    let (seconds, nanos, used) = clock(text.get(7..)?)?;
    let days = days_from_civil(YEARLESS, month(&date[3..6])?, day)?;
    Some((Time((days * 86_400 + seconds - i64::from(zone)) * SECOND + nanos), 7 + used))
}

/// Reads a slow log: entries of an id, a time, microseconds and the command's words.
fn slow_log(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let text = String::from_utf8_lossy(chunk.bytes);
    for (start, end) in entries(&text) {
        let evidence = chunk.evidence(start, end - start);
        let Some(entry) = text.get(start..end) else { return };
        let values: Vec<&str> = entry.lines().map(value).filter(|value| !value.is_empty()).collect();
        let number = |n: usize| values.get(n).and_then(|value| value.parse::<i64>().ok());
        let (Some(second), Some(micros)) = (number(1), number(2)) else {
            sink.quarantine(evidence, Reason::Malformed);
            continue;
        };
        let words = values.get(3..).unwrap_or_default();
        let client = words.iter().position(|word| is_address(word));
        let command = words.get(..client.unwrap_or(words.len())).unwrap_or_default().join(" ");
        let fields = [
            Field { key: "duration_ms", value: Value::Float(micros as f64 / 1e3) },
            Field { key: "client", value: Value::Text(client.and_then(|at| words.get(at)).copied().unwrap_or_default()) },
        ];
        let fields = fields.get(..1 + usize::from(client.is_some())).unwrap_or_default();
        sink.log(&LogRecord {
            time: super::timestamp::epoch_int(second).unwrap_or_default(),
            level: Level::Info,
            message: command.trim_end(),
            fields,
            evidence,
            ..LogRecord::default()
        });
    }
}

/// Where each entry begins and ends: at `N) 1) (integer)`, or where three whole numbers of the right size stand in a row.
fn entries(text: &str) -> Vec<(usize, usize)> {
    let mut lines: Vec<(usize, &str)> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        lines.push((at, line.trim_end()));
        at += line.len();
    }
    let numbered = text.contains(") (integer) ");
    let number = |n: usize| lines.get(n).and_then(|(_, line)| line.parse::<i64>().ok());
    let starts = |n: usize| {
        let Some((_, line)) = lines.get(n) else { return false };
        if numbered {
            return line.trim_start().split_once(") 1) (integer) ").is_some_and(|(id, _)| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()));
        }
        number(n).is_some() && number(n + 1).is_some_and(|second| (1_200_000_000..4_000_000_000).contains(&second)) && number(n + 2).is_some()
    };
    let begin: Vec<usize> = (0..lines.len()).filter(|n| starts(*n)).collect();
    let ends = begin.iter().skip(1).map(|n| lines[*n].0).chain([text.len()]);
    begin.iter().map(|n| lines[*n].0).zip(ends).map(|(start, end)| (start, start + text[start..end].trim_end().len())).collect()
}

/// What a line holds behind `1) 2) (integer) `, without its quotes.
fn value(line: &str) -> &str {
    let mut rest = line.trim();
    while let Some(after) =
        rest.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix(") ").filter(|_| rest.starts_with(|c: char| c.is_ascii_digit()))
    {
        rest = after.trim_start();
    }
    let rest = rest.strip_prefix("(integer) ").unwrap_or(rest);
    rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(rest)
}

fn is_address(word: &str) -> bool {
    word.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok()
            && host.contains(['.', ':'])
            && host.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b'.' | b':' | b'[' | b']'))
    })
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let whole = if head.whole { head.bytes.len() } else { memchr::memrchr(b'\n', head.bytes)? + 1 };
    let bytes = head.bytes.get(..whole)?;
    let lines = || bytes.split(|&b| b == b'\n').filter(|line| !line.trim_ascii().is_empty()).take(200);
    let ours = lines().filter(|line| RedisLog.starts(line, b"")).count();
    // The server greets with a picture.
    if ours > 0 && ours * 10 >= lines().count() * 4 {
        return Some(Match::lines(90, "redis/server", Box::new(RedisLog)));
    }
    let text = std::str::from_utf8(bytes.get(..bytes.len().min(4 << 10))?).ok()?;
    let begins = entries(text).first().is_some_and(|(start, _)| text.get(..*start).is_some_and(|before| before.trim().is_empty()));
    let worded = text.lines().nth(3).is_some_and(|line| value(line).starts_with(|c: char| c.is_ascii_alphabetic()));
    (head.whole && begins && worded).then(|| Match::whole(80, "redis/slowlog", slow_log))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::told;

    #[test]
    fn old_and_new_logs() {
        let got = told(
            FORMAT,
            "14123:M 22 Nov 2026 19:33:27.405 * Ready to accept connections\n14123:M 22 Nov 2026 19:33:28.397 - Client closed connection id=3\n[7] 22 Nov 19:33:27.405 # Server started\n",
        );
        assert_eq!(
            got,
            "redis/server\n\
             log @0+62 time=\"2026-11-22T19:33:27.405Z\" level=\"INFO\" thread=\"14123\" message=\"Ready to accept connections\"\n\
             log @63+64 time=\"2026-11-22T19:33:28.397Z\" level=\"INFO\" thread=\"14123\" message=\"Client closed connection id=3\" fields=\"id=3;\"\n\
             log @128+40 time=\"1972-11-22T19:33:27.405Z\" level=\"WARN\" thread=\"7\" message=\"Server started\"\n"
        );
    }

    #[test]
    fn slow_logs_as_a_terminal_and_a_file_get_them() {
        let want = "redis/slowlog\n\
                    log @0+LEN time=\"2026-11-22T19:33:28Z\" level=\"INFO\" message=\"eval return 1 0\" fields=\"duration_ms=141.75;client=127.0.0.1:58152;\"\n";
        let raw = "0\n1795376008\n141750\neval\nreturn 1\n0\n127.0.0.1:58152\n\n";
        assert_eq!(told(FORMAT, raw), want.replace("LEN", "51"));
        let numbered = "1) 1) (integer) 0\n   2) (integer) 1795376008\n   3) (integer) 141750\n   4) 1) \"eval\"\n      2) \"return 1\"\n      3) \"0\"\n   5) \"127.0.0.1:58152\"\n   6) \"\"\n";
        assert_eq!(told(FORMAT, numbered), want.replace("LEN", "149"));
    }

    #[test]
    fn look_alikes_are_left_alone() {
        for text in ["1\n2\n3\n4\n", "22 Nov 2026 19:33:27.405 * x\n", "12:M x\n", "command\n1795376008\n141\n141\n", ""] {
            assert_eq!(told(FORMAT, text), "none", "{text}");
        }
    }
}
