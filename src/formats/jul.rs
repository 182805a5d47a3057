//! What `java.util.logging` writes by default: two lines a record, and its XML.
//!
//! ```text
//! Nov 22, 2026 7:37:06 PM com.acme.Orders place
//! SEVERE: payment failed
//! java.lang.RuntimeException: boom
//! ```
//!
//! What this file does not do: one-line patterns of `SimpleFormatter`, which are text logs, and months of other languages.

use super::lines::{Block, LineFormat};
use super::text_log::fields::{Pairs, Place};
use super::text_log::{level, stack, stamp};
use super::{Format, Match, timestamp};
use crate::model::record::{Level, LogRecord, Reason, Sink};
use crate::model::source::{Head, Hints};
use crate::model::time::Time;
use std::borrow::Cow;

/// The format.
pub const FORMAT: Format = Format { name: "jul", sniff };

/// Records of two lines.
#[derive(Clone, Copy, Debug)]
pub struct TwoLines;

/// Records of XML.
#[derive(Clone, Copy, Debug)]
pub struct Xml;

/// The time and length of a head `Nov 22, 2026 7:37:06 PM com.acme.Orders place`: months by name, and one or two words.
fn head(line: &[u8], hints: &Hints) -> Option<(Time, usize)> {
    let stamp = stamp::read(line, hints).filter(|stamp| stamp.kind == stamp::Kind::Full && !stamp.bracketed)?;
    line.first().filter(|b| b.is_ascii_uppercase())?;
    let rest = std::str::from_utf8(line.get(stamp.len..)?).ok()?.trim();
    let words = rest.split(' ').count();
    (line.len() < 300 && words <= 2 && !rest.is_empty() && !rest.contains([':', '[', '='])).then_some((stamp.time, stamp.len))
}

impl LineFormat for TwoLines {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        head(line, &Hints::default()).is_some()
    }

    fn continues(&self) -> bool {
        true
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let (first, rest) = block.text.split_once('\n').unwrap_or((block.text, ""));
        let Some((time, used)) = head(first.trim_end().as_bytes(), block.hints) else { return sink.quarantine(block.evidence, Reason::Malformed) };
        let source = first.get(used..).unwrap_or_default().trim();
        let (word, message) = rest.split_once(':').unwrap_or(("", rest));
        let known = level::of_word(word.trim().as_bytes()).map(|(level, _)| level);
        let split = stack::split(if known.is_some() { message.trim_start_matches(' ') } else { rest });
        let mut pairs = Pairs::default();
        pairs.scan(split.message, Place::Message);
        pairs.search(split.message);
        sink.log(&LogRecord {
            time,
            level: known.unwrap_or(Level::None),
            logger: source.split(' ').next().unwrap_or_default(),
            trace: pairs.trace,
            span: pairs.span,
            message: split.message,
            stack: split.stack,
            fields: pairs.fields(),
            evidence: block.evidence,
            ..LogRecord::default()
        });
    }
}

impl LineFormat for Xml {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        line.trim_ascii_start().starts_with(b"<record>") || is_frame(line)
    }

    fn continues(&self) -> bool {
        true
    }

    fn keeps(&self, line: &[u8]) -> bool {
        !self.starts(line, b"")
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        if is_frame(block.text.as_bytes()) {
            return;
        }
        if !block.text.contains("</record>") {
            return sink.quarantine(block.evidence, Reason::Truncated);
        }
        let text = block.text;
        let (record, exception) = text.split_once("<exception>").unwrap_or((text, ""));
        let written = |name| element(record, name).trim();
        let time = timestamp::iso(written("date").as_bytes(), block.hints.zone).map(|(time, _)| time);
        let time = time.or_else(|| written("millis").parse().ok().map(Time::from_millis)).unwrap_or_default();
        let message = unescaped(element(record, "message"));
        let stack = trace(exception);
        let mut pairs = Pairs::default();
        pairs.scan(&message, Place::Message);
        pairs.search(&message);
        sink.log(&LogRecord {
            time,
            level: level::of_value(written("level")),
            logger: if written("logger").is_empty() { written("class") } else { written("logger") },
            thread: written("thread"),
            trace: pairs.trace,
            span: pairs.span,
            message: &message,
            stack: &stack,
            fields: pairs.fields(),
            evidence: block.evidence,
            ..LogRecord::default()
        });
    }
}

/// What stands around the records: the document's head, and its closing tag.
fn is_frame(line: &[u8]) -> bool {
    [&b"<?xml"[..], b"<!DOCTYPE log", b"<log>", b"</log>"].iter().any(|tag| line.starts_with(tag))
}

/// The content of the first element of a name.
fn element<'a>(text: &'a str, name: &str) -> &'a str {
    let open = memchr::memmem::find_iter(text.as_bytes(), name).find(|at| text[..*at].ends_with('<') && text[at + name.len()..].starts_with('>'));
    let Some(rest) = open.and_then(|at| text.get(at + name.len() + 1..)) else { return "" };
    rest.split("</").next().unwrap_or_default()
}

/// The exception as Java prints it.
fn trace(exception: &str) -> String {
    if exception.is_empty() {
        return String::new();
    }
    let mut out = unescaped(element(exception, "message")).into_owned();
    for frame in exception.split("<frame>").skip(1) {
        let (class, method, line) = (element(frame, "class"), element(frame, "method"), element(frame, "line"));
        out.push_str("\n\tat ");
        [class, ".", method].into_iter().for_each(|part| out.push_str(&unescaped(part)));
        let file = class.rsplit('.').next().unwrap_or(class).split('$').next().unwrap_or_default();
        out.push_str(&if line.is_empty() { "(Unknown Source)".to_owned() } else { format!("({file}.java:{line})") });
    }
    out
}

fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&"))
}

fn sniff(head_of: &Head<'_>) -> Option<Match> {
    let bytes = head_of.bytes;
    let start = bytes.trim_ascii_start();
    if (start.starts_with(b"<?xml") || start.starts_with(b"<log>") || start.starts_with(b"<record>"))
        && memchr::memmem::find(bytes, b"<record>").is_some()
        && [&b"<millis>"[..], b"<level>", b"<sequence>"].iter().all(|tag| memchr::memmem::find(bytes, tag).is_some())
    {
        return Some(Match::lines(92, "jul/xml", Box::new(Xml)));
    }
    let mut lines = bytes.split(|&b| b == b'\n').map(|line| line.trim_ascii_end()).filter(|line| !line.is_empty()).take(200).peekable();
    let (mut heads, mut followed, mut all) = (0_usize, 0_usize, 0_usize);
    while let Some(line) = lines.next() {
        all += usize::from(!line[0].is_ascii_whitespace());
        if TwoLines.starts(line, b"") {
            heads += 1;
            let word = lines.peek().and_then(|next| next.split(|&b| b == b':').next()).unwrap_or_default();
            followed += usize::from(level::of_word(word).is_some());
        }
    }
    (followed > 0 && followed * 10 >= heads * 8 && heads * 5 >= all).then(|| Match::lines(90, "jul/simple", Box::new(TwoLines)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::told;

    #[test]
    fn two_lines_a_record() {
        let got = told(
            FORMAT,
            "Nov 22, 2026 7:37:06\u{202f}PM com.acme.Orders place\nINFO: order accepted id=1\nNov 22, 2026 7:37:06 PM Jul main\nSEVERE: payment failed\njava.lang.RuntimeException: boom\n\tat Jul.main(Jul.java:1)\n\nNov 22, 2026 7:37:07 PM Jul main\nWARNING: slow\n",
        );
        assert_eq!(
            got,
            "jul/simple\n\
             log @0+73 time=\"2026-11-22T19:37:06Z\" level=\"INFO\" logger=\"com.acme.Orders\" message=\"order accepted id=1\" fields=\"id=1;\"\n\
             log @74+114 time=\"2026-11-22T19:37:06Z\" level=\"ERROR\" logger=\"Jul\" message=\"payment failed\" stack=\"java.lang.RuntimeException: boom\" stack_lines=\"2\"\n\
             log @189+46 time=\"2026-11-22T19:37:07Z\" level=\"WARN\" logger=\"Jul\" message=\"slow\"\n"
        );
    }

    #[test]
    fn xml() {
        let got = told(
            FORMAT,
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n<!DOCTYPE log SYSTEM \"logger.dtd\">\n<log>\n<record>\n  <date>2026-11-22T19:37:06.399148779Z</date>\n  <millis>1795376226399</millis>\n  <sequence>1</sequence>\n  <logger>com.acme.Orders</logger>\n  <level>SEVERE</level>\n  <class>a.Jul</class>\n  <thread>1</thread>\n  <message>a &lt; b</message>\n  <exception>\n    <message>java.lang.RuntimeException: boom</message>\n    <frame>\n      <class>a.Jul</class>\n      <method>main</method>\n      <line>1</line>\n    </frame>\n  </exception>\n</record>\n</log>\n",
        );
        assert!(
            got.contains("time=\"2026-11-22T19:37:06.399148779Z\" level=\"ERROR\" logger=\"com.acme.Orders\" thread=\"1\" message=\"a < b\" stack=\"java.lang.RuntimeException: boom\" stack_lines=\"2\"\n"),
            "{got}"
        );
        assert_eq!(got.lines().count(), 2, "{got}");
    }

    #[test]
    fn look_alikes_are_left_alone() {
        for text in [
            "Nov 22, 2026 7:37:06 PM - everything is well today\n",
            "Nov  3 09:23:38 veridian automount[7998]: x\nINFO: x\n",
            "<?xml version=\"1.0\"?>\n<records><record/></records>\n",
            "INFO: x\n",
        ] {
            assert_eq!(told(FORMAT, text), "none", "{text}");
        }
    }
}
