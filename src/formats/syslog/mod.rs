//! Syslog as daemons write it to files and programs send it: RFC 3164 and RFC 5424, with the application's line inside.
//!
//! ```text
//! Nov  3 09:23:38 veridian automount[7998]: lookup(file): lookup for foobar failed
//! <131>1 2026-11-22T19:37:03.943Z vm order-service 21224 Audit [mdc@18060 traceId="0cd210263d554afda51dd250ad32d371"] payment error
//! 2026-11-22T19:37:03.943+00:00 web-1 orders[12]: {"level":"warn","msg":"slow"}
//! ```
//!
//! The program is the service, the host the instance. A stack trace that was sent line by line is put together again as
//! long as no other program wrote in between. What this file does not do: read what HAProxy and nginx send, which are
//! access logs.

pub mod header;

use super::lines::{Block, LineFormat};
use super::text_log::fields::{Pairs, Place};
use super::text_log::level;
use super::text_log::stack::belongs;
use super::{Confidence, Format, Match, payload};
use crate::model::record::{Level, LogRecord, Reason, Sink};
use crate::model::source::Head;
use crate::model::time::Time;
use header::{Peeled, peel};
use std::borrow::Cow;

/// Syslog.
pub const FORMAT: Format = Format { name: "syslog", sniff };

/// The line format.
#[derive(Clone, Copy, Debug)]
pub struct Syslog {
    /// Whether a header is believed that others might write too, as the rest of the file is syslog.
    pub trusting: bool,
}

impl Syslog {
    fn header<'a>(self, line: &'a [u8]) -> Option<Peeled<'a>> {
        matches!(line.first()?, b'<' | b'0'..=b'9' | b'A'..=b'Z').then_some(())?;
        // A line that is not UTF-8 has its header before what is not.
        let text = match std::str::from_utf8(line) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(line.get(..error.valid_up_to())?).ok()?,
        };
        matches!(text.as_bytes().first()?, b'<' | b'0'..=b'9' | b'A'..=b'Z')
            .then(|| peel(text))
            .flatten()
            .filter(|found| self.trusting || found.certain)
    }
}

impl LineFormat for Syslog {
    fn starts(&self, line: &[u8], previous: &[u8]) -> bool {
        let Some(found) = self.header(line) else { return false };
        !(goes_on(found.rest) && self.header(previous).is_some_and(|before| (before.host, before.tag) == (found.host, found.tag)))
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        // A line of a stack trace has this header too; `starts` has said whose it is before.
        self.header(line).is_some_and(|found| goes_on(found.rest))
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let end = memchr::memchr(b'\n', block.text.as_bytes()).unwrap_or(block.text.len());
        let Some(found) = block.text.get(..end).and_then(peel) else { return sink.quarantine(block.evidence, Reason::Malformed) };
        let mut pairs = Pairs::default();
        if !found.data.is_empty() {
            pairs.scan(found.data, Place::Context);
        }
        let named =
            pairs.fields().iter().find(|field| field.key == "level").and_then(|field| field.value.text()).map_or(Level::None, level::of_value);
        let around = LogRecord {
            time: found.time(Time::NONE, block.hints.zone),
            level: if named == Level::None { found.level } else { named },
            service: if pairs.service.is_empty() { service(found.tag) } else { pairs.service },
            instance: found.host,
            thread: found.process,
            trace: pairs.trace,
            span: pairs.span,
            fields: pairs.fields(),
            evidence: block.evidence,
            ..LogRecord::default()
        };
        let below = block.text.get(end..).unwrap_or_default();
        let text = if below.is_empty() { Cow::Borrowed(found.rest) } else { Cow::Owned(format!("{}{}", found.rest, headless(below))) };
        payload::read(&text, &around, block.hints, sink);
    }
}

/// The program without the module that some put behind it in brackets: `sshd(pam_unix)`.
fn service(tag: &str) -> &str {
    tag.split('(').next().filter(|name| !name.is_empty()).unwrap_or(tag)
}

/// Whether a message can only be a line of a stack trace.
fn goes_on(message: &str) -> bool {
    (message.starts_with(['\t', ' ']) || message.starts_with("at ") || message.starts_with("Caused by: ") || message.starts_with("... "))
        && (message.starts_with("at ") && message.ends_with(')') || belongs(message))
}

/// The lines below a record's first one, without their own headers.
fn headless(below: &str) -> String {
    let mut text = String::with_capacity(below.len());
    for line in below.split('\n').skip(1) {
        let line = peel(line).map_or(line, |found| found.rest);
        text.push('\n');
        // The blank before a frame went with the header.
        if line.starts_with("at ") {
            text.push('\t');
        }
        text.push_str(line);
    }
    text
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    const LINES: usize = 200;
    let whole = if head.whole { head.bytes.len() } else { memchr::memrchr(b'\n', head.bytes)? + 1 };
    let (mut all, mut ours, mut certain, mut modern) = (0_usize, 0_usize, 0_usize, 0_usize);
    let format = Syslog { trusting: true };
    for line in head.bytes.get(..whole)?.split(|&b| b == b'\n').filter(|line| !line.trim_ascii().is_empty()).take(LINES) {
        let found = format.header(line);
        // What is indented goes on with the record before it.
        all += usize::from(found.is_some() || !line[0].is_ascii_whitespace());
        ours += usize::from(found.is_some());
        certain += usize::from(found.is_some_and(|found| found.certain));
        modern += usize::from(
            line.get(..8).is_some_and(|start| memchr::memmem::find(start, b">1 ").is_some()) || found.is_some_and(|found| !found.data.is_empty()),
        );
    }
    let confidence: Confidence = match (ours * 100 / all.max(1), certain * 2 >= ours) {
        (90.., true) if ours > 0 => 85,
        (60.., true) => 75,
        _ => return None,
    };
    let label = if modern * 2 > ours { "syslog/rfc5424" } else { "syslog/rfc3164" };
    Some(Match::lines(confidence, label, Box::new(Syslog { trusting: true })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture;

    #[test]
    fn both_generations() {
        let got =
            fixture::told(FORMAT, "Nov  3 09:23:38 veridian automount[7998]: lookup failed\nNov  3 09:47:02 veridian sudo: PWD=/auto ; USER=root\n");
        assert_eq!(
            got,
            "syslog/rfc3164\n\
             log @0+55 time=\"1972-11-03T09:23:38Z\" service=\"automount\" instance=\"veridian\" thread=\"7998\" message=\"lookup failed\"\n\
             log @56+52 time=\"1972-11-03T09:47:02Z\" service=\"sudo\" instance=\"veridian\" message=\"PWD=/auto ; USER=root\" fields=\"PWD=/auto;USER=root;\"\n"
        );
        let got = fixture::told(
            FORMAT,
            "<131>1 2026-11-22T19:37:03.943Z vm order-service 21224 Audit [mdc@18060 orderId=\"ord-0\" traceId=\"0cd210263d554afda51dd250ad32d371\"] payment error\n",
        );
        assert_eq!(
            got,
            "syslog/rfc5424\n\
             log @0+145 time=\"2026-11-22T19:37:03.943Z\" level=\"ERROR\" service=\"order-service\" instance=\"vm\" thread=\"21224\" trace=\"0cd210263d554afda51dd250ad32d371\" message=\"payment error\" fields=\"orderId=ord-0;\"\n"
        );
    }

    #[test]
    fn an_application_inside_speaks_for_itself() {
        let got = fixture::told(
            FORMAT,
            "Nov 22 19:33:34 web-1 orders[12]: 2026-11-22T19:33:34.008Z ERROR 12 --- [main] c.a.Orders : failed\n\
             Nov 22 19:33:34 web-1 orders[12]: java.lang.IllegalStateException: no\n\
             Nov 22 19:33:34 web-1 orders[12]: \tat a.B.c(B.java:1)\n\
             Nov 22 19:33:35 web-1 carts[13]: {\"level\":\"warn\",\"msg\":\"slow\",\"service\":\"cart\"}\n",
        );
        assert_eq!(
            got,
            "syslog/rfc3164\n\
             log @0+98 time=\"2026-11-22T19:33:34.008Z\" level=\"ERROR\" service=\"orders\" instance=\"web-1\" logger=\"c.a.Orders\" thread=\"main\" message=\"failed\"\n\
             log @99+123 time=\"1972-11-22T19:33:34Z\" service=\"orders\" instance=\"web-1\" thread=\"12\" message=\"java.lang.IllegalStateException: no\" stack=\"java.lang.IllegalStateException: no\" stack_lines=\"2\"\n\
             log @223+79 time=\"1972-11-22T19:33:35Z\" level=\"WARN\" service=\"cart\" instance=\"web-1\" thread=\"13\" message=\"slow\"\n"
        );
    }

    #[test]
    fn look_alikes_are_left_alone() {
        for text in [
            "2026-11-22 19:36:07.043 INFO main: started\n",
            "2026-11-22T19:36:07.043Z  INFO 1 --- [main] a.B : x\n",
            "[Sun Nov 22 19:35:53 2026] [core:info] [pid 1:tid 2] x\n",
            "Nov 22, 2026 7:37:06 PM Jul main\nINFO: up\n",
            "{\"a\":1}\n",
            "",
        ] {
            assert_eq!(fixture::told(FORMAT, text), "none", "{text}");
        }
    }
}
