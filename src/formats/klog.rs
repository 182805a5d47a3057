//! The logs of glog and of Kubernetes' klog.
//!
//! ```text
//! I1221 09:43:29.498401       1 file.go:169] "Scaled up" pod="shop/orders" replicas=3
//! E0517 15:04:22.619632 1952452992 logging_unittest.cc:253] Log every 3, iteration 19
//! ```
//!
//! The year is not written. What this file does not do: read klog's JSON, which is a JSON log.

use super::lines::{Block, LineFormat};
use super::text_log::fields::{Pairs, Place};
use super::text_log::stack;
use super::timestamp::{clock, days_from_civil};
use super::{Format, Match};
use crate::model::record::{Level, LogRecord, Reason, Sink};
use crate::model::source::Head;
use crate::model::time::{SECOND, Time};
use crate::model::undated::YEARLESS;

/// The format.
pub const FORMAT: Format = Format { name: "klog", sniff };

/// The line format.
#[derive(Clone, Copy, Debug)]
pub struct Klog;

impl LineFormat for Klog {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        read(line, 0).is_some()
    }

    fn continues(&self) -> bool {
        true
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let Some(found) = read(block.text.as_bytes(), block.hints.zone) else { return sink.quarantine(block.evidence, Reason::Malformed) };
        let text = |range: std::ops::Range<usize>| block.text.get(range).unwrap_or_default();
        let split = stack::split(text(found.message..block.text.len()).trim_start());
        let mut pairs = Pairs::default();
        pairs.scan(split.message, Place::Message);
        pairs.search(split.message);
        sink.log(&LogRecord {
            time: found.time,
            level: found.level,
            logger: text(found.logger),
            thread: text(found.thread),
            trace: pairs.trace,
            span: pairs.span,
            message: message(split.message),
            stack: split.stack,
            fields: pairs.fields(),
            evidence: block.evidence,
            ..LogRecord::default()
        });
    }
}

/// A structured message begins with its quoted sentence; what follows are pairs.
fn message(text: &str) -> &str {
    text.strip_prefix('"').and_then(|rest| rest.split_once("\" ")).filter(|(_, pairs)| pairs.contains('=')).map_or(text, |(sentence, _)| sentence)
}

struct Found {
    time: Time,
    level: Level,
    thread: std::ops::Range<usize>,
    logger: std::ops::Range<usize>,
    message: usize,
}

fn read(line: &[u8], zone: i32) -> Option<Found> {
    let level = match line.first()? {
        b'I' => Level::Info,
        b'W' => Level::Warn,
        b'E' => Level::Error,
        b'F' => Level::Fatal,
        _ => return None,
    };
    let digits = line.get(1..5).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let number = |at: usize| i64::from(digits[at] - b'0') * 10 + i64::from(digits[at + 1] - b'0');
    let (seconds, nanos, used) = clock(line.get(5..)?.strip_prefix(b" ")?)?;
    let days = days_from_civil(YEARLESS, number(0), number(2))?;
    let time = Time((days * 86_400 + seconds - i64::from(zone)) * SECOND + nanos);
    let at = 6 + used;
    let blanks = line.get(at..)?.iter().take_while(|b| **b == b' ').count();
    let thread = at + blanks;
    let len = line.get(thread..)?.iter().take(20).take_while(|b| b.is_ascii_digit()).count();
    let logger = thread + len + 1;
    (blanks > 0 && len > 0 && line.get(thread + len) == Some(&b' ')).then_some(())?;
    let close = memchr::memchr(b']', line.get(logger..line.len().min(logger + 160))?)?;
    memchr::memchr2(b' ', b'\n', &line[logger..logger + close]).is_none().then_some(())?;
    Some(Found { time, level, thread: thread..thread + len, logger: logger..logger + close, message: logger + close + 1 })
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let whole = if head.whole { head.bytes.len() } else { memchr::memrchr(b'\n', head.bytes)? + 1 };
    let lines = || head.bytes.get(..whole).unwrap_or_default().split(|&b| b == b'\n').filter(|line| !line.trim_ascii().is_empty()).take(200);
    let ours = lines().filter(|line| Klog.starts(line, b"")).count();
    (ours > 0 && ours * 10 >= lines().count() * 5).then(|| Match::lines(88, "klog", Box::new(Klog)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::told;

    #[test]
    fn both_writers() {
        let got = told(
            FORMAT,
            "E0517 15:04:22.619632 1952452992 logging_unittest.cc:253] Log every 3\n\
             I1221 09:43:29.498401       1 file.go:169] \"Scaled up\" pod=\"shop/orders\" replicas=3\n\
             I1221 09:43:29.498401       1 file.go:169] one\n  two\n",
        );
        assert_eq!(
            got,
            "klog\n\
             log @0+69 time=\"1972-05-17T15:04:22.619632Z\" level=\"ERROR\" logger=\"logging_unittest.cc:253\" thread=\"1952452992\" message=\"Log every 3\"\n\
             log @70+83 time=\"1972-12-21T09:43:29.498401Z\" level=\"INFO\" logger=\"file.go:169\" thread=\"1\" message=\"Scaled up\" fields=\"pod=shop/orders;replicas=3;\"\n\
             log @154+52 time=\"1972-12-21T09:43:29.498401Z\" level=\"INFO\" logger=\"file.go:169\" thread=\"1\" message=\"one\\n  two\"\n"
        );
    }

    #[test]
    fn look_alikes_are_left_alone() {
        for text in ["INFO 1 x\n", "I1321 09:43:29.4 1 a.go:1] x\n", "I1221 09:43:29.4 a.go:1] x\n", "W1221 something else\n", ""] {
            assert_eq!(told(FORMAT, text), "none", "{text}");
        }
    }
}
