//! Text logs whose time stands behind other words: a host, a counter, the file that the line came from.
//!
//! ```text
//! nova-api.log.1 2017-05-16 00:00:00.008 25746 INFO nova.osapi_compute.wsgi.server [req-38101a0b] "GET /v2/servers" status: 200
//! - 1131566461 2005.11.09 dn228 Nov 9 12:01:01 dn228/dn228 crond[2915]: session closed
//! 134681 node-246 unix.hw state_change.unavailable 1077804742 1 Component State Change
//! ```
//!
//! Behind how many words it stands is learnt from the head of the file. What stands before it is kept as a field. What this
//! file does not do: look for a time behind the first forty columns.

use super::layout::Layout;
use super::{has_level, headed_record, stack, stamp};
use crate::formats::lines::{Block, LineFormat};
use crate::formats::{Format, Match};
use crate::model::record::{Field, LogRecord, Sink, Value};
use crate::model::source::{Head, Hints};

/// The format.
pub const FORMAT: Format = Format { name: "timed-log", sniff };

/// The time stands within so many bytes.
const WITHIN: usize = 48;
/// And behind at most so many words.
const WORDS: usize = 5;

/// Lines with their time behind so many words.
#[derive(Clone, Copy, Debug)]
pub struct Inside {
    words: usize,
}

impl Inside {
    /// Where the time begins.
    fn place(self, line: &[u8]) -> Option<usize> {
        let mut at = 0;
        for _ in 0..self.words {
            let rest = line.get(at..)?;
            let word = rest.iter().position(u8::is_ascii_whitespace)?;
            at += word + rest.get(word..)?.iter().position(|b| !b.is_ascii_whitespace())?;
        }
        let stamp = stamp::read(line.get(at..).filter(|_| at <= WITHIN)?, &Hints::default())?;
        (stamp.kind != stamp::Kind::Clock).then_some(at)
    }
}

impl LineFormat for Inside {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        line.first().is_some_and(|b| !b.is_ascii_whitespace()) && self.place(line).is_some()
    }

    fn continues(&self) -> bool {
        true
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let at = self.place(block.text.as_bytes()).unwrap_or(0);
        let before = block.text.get(..at).unwrap_or_default().trim();
        let text = block.text.get(at..).unwrap_or(block.text);
        let prefix = [Field { key: "prefix", value: Value::Text(before) }];
        let around = LogRecord { fields: &prefix, evidence: block.evidence, ..LogRecord::default() };
        headed_record(text, Layout::UNKNOWN, block, &mut crate::formats::payload::Filled { around: &around, sink });
    }
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    const LINES: usize = 200;
    let whole = if head.whole { head.bytes.len() } else { memchr::memrchr(b'\n', head.bytes)? + 1 };
    let lines: Vec<&[u8]> =
        head.bytes.get(..whole)?.split(|&b| b == b'\n').filter(|line| line.first().is_some_and(|b| !b.is_ascii_whitespace())).take(LINES).collect();
    let count = |words| lines.iter().filter(|line| Inside { words }.starts(line, b"")).count();
    let (best, words) = (1..=WORDS).map(|words| (count(words), words)).reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    let others = lines.iter().filter(|line| !std::str::from_utf8(line).is_ok_and(stack::belongs)).count();
    if best < 2 || best * 10 < others * 7 {
        return None;
    }
    let loud = lines.iter().filter(|line| has_level(line)).count() * 2 > lines.len();
    Some(Match::lines(if loud { 58 } else { 42 }, "text-log/timed", Box::new(Inside { words })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::told;

    #[test]
    fn the_time_is_found_behind_words() {
        let got = told(
            FORMAT,
            "nova-api.log.1 2017-05-16 00:00:00.008 25746 INFO nova.osapi_compute.wsgi.server [req-38] up\n\
             nova-api.log.1 2017-05-16 00:00:00.272 25746 ERROR nova.osapi_compute.wsgi.server [req-39] down\njava.lang.X: y\n",
        );
        assert_eq!(
            got,
            "text-log/timed\n\
             log @0+92 time=\"2017-05-16T00:00:00.008Z\" level=\"INFO\" logger=\"nova.osapi_compute.wsgi.server\" thread=\"req-38\" message=\"up\" fields=\"prefix=nova-api.log.1;\"\n\
             log @93+110 time=\"2017-05-16T00:00:00.272Z\" level=\"ERROR\" logger=\"nova.osapi_compute.wsgi.server\" thread=\"req-39\" message=\"down\\njava.lang.X: y\" fields=\"prefix=nova-api.log.1;\"\n"
        );
        let got =
            told(FORMAT, "134681 node-246 unix.hw state 1077804742 1 Component up\n134682 node-247 unix.hw state 1077804743 1 Component down\n");
        assert!(got.contains("time=\"2004-02-26T14:12:22Z\" message=\"Component up\" fields=\"prefix=134681 node-246 unix.hw state;\""), "{got}");
    }

    #[test]
    fn look_alikes_are_left_alone() {
        for text in ["at 2017-05-16 00:00:00 the world\n", "a b c\nd e f\n", "x 19:00:00 a\ny 19:00:01 b\n"] {
            assert_eq!(told(FORMAT, text), "none", "{text}");
        }
    }
}
