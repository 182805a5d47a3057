//! The error logs of nginx and Apache.
//!
//! ```text
//! 2026/11/22 19:33:33 [error] 14403#14403: *3 connect() failed (111: Connection refused) while connecting to upstream, client: 127.0.0.1, server: , request: "GET /x?q="y" HTTP/1.1", upstream: "http://10.0.0.1:80/x?q="y"", host: "shop"
//! 2026/11/22 19:33:31 [notice] 14393#14393: using the "epoll" event method
//! [Sun Nov 22 19:35:54.202034 2026] [proxy:error] [pid 18066:tid 18131] [client 127.0.0.1:33288] AH00898: Error reading from remote server returned by /api/x, referer: http://r/
//! ```
//!
//! nginx ends a message with what it was doing for whom, as `, key: value`; these become fields, so that the message has
//! one template. Quotes inside the values are not escaped: a value ends where the next key begins. What this file does
//! not do: read access logs, or take apart what a FastCGI program wrote to nginx.

use super::lines::{Block, LineFormat};
use super::text_log::{level, stamp};
use super::{Confidence, Format, Match, timestamp};
use crate::model::record::{Field, Level, LogRecord, Reason, Sink, Value};
use crate::model::source::{Evidence, Head, Hints};
use crate::model::time::Time;
use memchr::memmem;

/// Error logs of web servers.
pub const FORMAT: Format = Format { name: "error-log", sniff };

/// The line format; all there is to know stands in each line.
#[derive(Clone, Copy, Debug)]
pub struct ErrorLog;

impl LineFormat for ErrorLog {
    fn starts(&self, line: &[u8], _: &[u8]) -> bool {
        Server::of(line).is_some()
    }

    fn continues(&self) -> bool {
        true
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let mut record = Record { time: Time::NONE, level: Level::None, logger: "", thread: "", message: "", fields: Fields::default() };
        let read = match Server::of(block.text.as_bytes()) {
            Some(Server::Nginx) => nginx(block.text, block.hints, &mut record),
            Some(Server::Apache) => apache(block.text, block.hints, &mut record),
            None => None,
        };
        match read {
            Some(()) => record.send(block.evidence, sink),
            None => sink.quarantine(block.evidence, Reason::Malformed),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Server {
    Nginx,
    Apache,
}

impl Server {
    /// Whose line it is, by its first bytes.
    fn of(line: &[u8]) -> Option<Self> {
        match line {
            [b'0'..=b'9', _, _, _, b'/', ..] => {
                let rest = line.get(19..)?.strip_prefix(b" [")?;
                let end = memchr::memchr(b']', rest.get(..rest.len().min(8))?)?;
                let process = rest.get(end + 1..)?.strip_prefix(b" ")?;
                let digits = process.iter().take_while(|b| b.is_ascii_digit()).count();
                (digits > 0 && process.get(digits) == Some(&b'#') && level::of_word(&rest[..end]).is_some()).then_some(Self::Nginx)
            }
            [b'[', b'F' | b'M' | b'S' | b'T' | b'W', ..] => {
                let end = memchr::memchr(b']', line.get(..line.len().min(48))?)?;
                let rest = line.get(end + 1..)?.strip_prefix(b" [")?;
                let close = memchr::memchr(b']', rest.get(..rest.len().min(64))?)?;
                level_of(std::str::from_utf8(&rest[..close]).ok()?)?;
                stamp::read(line, &Hints::default()).map(|_| Self::Apache)
            }
            _ => None,
        }
    }
}

/// Module and level of Apache's second bracket: `proxy:error`, `error`, `ssl:trace3`.
fn level_of(text: &str) -> Option<(&str, Level)> {
    let (module, word) = text.rsplit_once(':').unwrap_or(("", text));
    let (known, _) = level::of_word(word.trim_end_matches(|c: char| c.is_ascii_digit()).as_bytes())?;
    Some((module, known))
}

/// How many fields a line may have.
const MOST: usize = 12;

struct Fields<'a> {
    fields: [Field<'a>; MOST],
    len: usize,
}

impl Default for Fields<'_> {
    fn default() -> Self {
        Self { fields: [Field { key: "", value: Value::Bool(false) }; MOST], len: 0 }
    }
}

impl<'a> Fields<'a> {
    fn text(&mut self, key: &'a str, text: &'a str) {
        if let Some(slot) = self.fields.get_mut(self.len).filter(|_| !matches!(text, "" | "-")) {
            *slot = Field { key, value: Value::Text(text) };
            self.len += 1;
        }
    }
}

struct Record<'a> {
    time: Time,
    level: Level,
    logger: &'a str,
    thread: &'a str,
    message: &'a str,
    fields: Fields<'a>,
}

impl Record<'_> {
    fn send(&self, evidence: Evidence, sink: &mut dyn Sink) {
        sink.log(&LogRecord {
            time: self.time,
            level: self.level,
            logger: self.logger,
            thread: self.thread,
            message: self.message,
            fields: self.fields.fields.get(..self.fields.len).unwrap_or_default(),
            evidence,
            ..LogRecord::default()
        });
    }
}

/// `time [level] process#thread: *connection message, client: …`.
fn nginx<'a>(text: &'a str, hints: &Hints, record: &mut Record<'a>) -> Option<()> {
    (record.time, _) = timestamp::iso(text.as_bytes(), hints.zone)?;
    let (word, rest) = text.get(21..)?.split_once("] ")?;
    (record.level, _) = level::of_word(word.as_bytes())?;
    let (thread, rest) = rest.split_once(": ").or_else(|| rest.split_once(':'))?;
    record.thread = thread;
    let message = match rest.strip_prefix('*').and_then(|rest| rest.split_once(' ')) {
        Some((connection, message)) => {
            record.fields.text("connection", connection);
            message
        }
        None => rest,
    };
    record.message = context(message, &mut record.fields);
    Some(())
}

/// The keys in the order in which nginx writes them, each with the field it becomes.
const CONTEXT: [(&str, &str); 9] = [
    (", client: ", "client.address"),
    (", server: ", "server.address"),
    (", login: ", "user.name"),
    (", request: ", ""),
    (", subrequest: ", "subrequest"),
    (", upstream: ", "upstream_address"),
    (", host: ", "host"),
    (", referrer: ", "http.request.header.referer"),
    (", bytes ", "bytes"),
];

/// Takes the context off the end of a message; what is left of it.
fn context<'a>(message: &'a str, fields: &mut Fields<'a>) -> &'a str {
    let Some(from) = memmem::find(message.as_bytes(), CONTEXT[0].0.as_bytes()) else { return message };
    let mut at = from;
    let mut key = 0;
    loop {
        let start = at + CONTEXT[key].0.len();
        let rest = message.get(start..).unwrap_or_default();
        // The next key is the first of the later ones that follows.
        let next = (key + 1..CONTEXT.len()).filter_map(|n| Some((memmem::find(rest.as_bytes(), CONTEXT[n].0.as_bytes())?, n))).min();
        let value = rest.get(..next.map_or(rest.len(), |(len, _)| len)).unwrap_or_default();
        let value = value.strip_prefix('"').map_or(value, |value| value.strip_suffix('"').unwrap_or(value));
        match CONTEXT[key].1 {
            "" => request(value, fields),
            name => fields.text(name, value),
        }
        let Some((len, n)) = next else { break };
        at = start + len;
        key = n;
    }
    message.get(..from).unwrap_or(message)
}

/// `GET /x?q=1 HTTP/1.1`.
fn request<'a>(line: &'a str, fields: &mut Fields<'a>) {
    let request = super::access_log::request(line);
    fields.text("http.request.method", request.method);
    fields.text("url.path", request.path);
    fields.text("url.query", request.query);
}

/// `[time] [module:level] [pid 1:tid 2] (70007)cause: [client …] AH01102: message, referer: …`.
fn apache<'a>(text: &'a str, hints: &Hints, record: &mut Record<'a>) -> Option<()> {
    let stamp = stamp::read(text.as_bytes(), hints)?;
    record.time = stamp.time;
    let (bracket, mut rest) = text.get(stamp.len..)?.trim_ascii_start().strip_prefix('[')?.split_once(']')?;
    (record.logger, record.level) = level_of(bracket)?;
    loop {
        rest = rest.trim_ascii_start();
        let Some((bracket, after)) = rest.strip_prefix('[').and_then(|inside| inside.split_once(']')) else { break };
        if let Some(process) = bracket.strip_prefix("pid ") {
            record.thread = process;
        } else if let Some(client) = bracket.strip_prefix("client ").or_else(|| bracket.strip_prefix("remote ")) {
            record.fields.text("client.address", client.rsplit_once(':').map_or(client, |(address, _)| address));
        } else {
            break;
        }
        rest = after;
    }
    let (message, referer) = rest.rsplit_once(", referer: ").unwrap_or((rest, ""));
    if let Some(at) = memmem::find(message.as_bytes(), b"AH0").or_else(|| memmem::find(message.as_bytes(), b"AH1")) {
        let code = message.get(at..at + 7).filter(|code| code.bytes().skip(2).all(|b| b.is_ascii_digit()));
        record.fields.text("error.code", code.unwrap_or_default());
    }
    record.fields.text("http.request.header.referer", referer);
    record.message = message;
    Some(())
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let whole = if head.whole { head.bytes.len() } else { memchr::memrchr(b'\n', head.bytes)? + 1 };
    let (mut all, mut nginx, mut apache) = (0_usize, 0_usize, 0_usize);
    for line in head.bytes.get(..whole)?.split(|&b| b == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        all += 1;
        match Server::of(line) {
            Some(Server::Nginx) => nginx += 1,
            Some(Server::Apache) => apache += 1,
            None => {}
        }
    }
    let ours = nginx + apache;
    let confidence: Confidence = match ours * 100 / all.max(1) {
        _ if ours == 0 => return None,
        90.. => 90,
        50.. => 75,
        _ => 25,
    };
    Some(Match::lines(confidence, if nginx >= apache { "error-log/nginx" } else { "error-log/apache" }, Box::new(ErrorLog)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::lines::LineStream;
    use crate::model::source::{Chunk, FileId};
    use crate::model::transcript::Transcript;

    fn parse(text: &str) -> Transcript {
        let mut transcript = Transcript::default();
        let chunk = Chunk { file: FileId(0), base: 0, bytes: text.as_bytes(), hints: &Hints::default() };
        LineStream::new(Box::new(ErrorLog)).parse(&chunk, &mut transcript);
        transcript
    }

    fn sniffed(text: &str) -> Option<(Confidence, String)> {
        sniff(&Head { path: "", bytes: text.as_bytes(), whole: true }).map(|m| (m.confidence, m.label))
    }

    #[test]
    fn every_line() {
        for (line, want) in [
            (
                "2026/11/22 19:33:33 [error] 14403#14403: *3 connect() failed (111: Connection refused) while connecting to upstream, client: 127.0.0.1, \
                 server: , request: \"GET /api/orders?id=1&q=\"x\" HTTP/1.1\", upstream: \"http://127.0.0.1:58082/api/orders?id=1&q=\"x\"\", host: \"127.0.0.1:58080\"",
                "time=\"2026-11-22T19:33:33Z\" level=\"ERROR\" thread=\"14403#14403\" message=\"connect() failed (111: Connection refused) while connecting \
                 to upstream\" fields=\"connection=3;client.address=127.0.0.1;http.request.method=GET;url.path=/api/orders;url.query=id=1&q=\\\"x\\\";\
                 upstream_address=http://127.0.0.1:58082/api/orders?id=1&q=\\\"x\\\";host=127.0.0.1:58080;\"",
            ),
            (
                "2026/11/22 19:33:34 [error] 1#1: *13 limiting requests, excess: 0.968 by zone \"z\", client: 1.2.3.4, server: a.b, request: \"GET /lim HTTP/1.1\", \
                 host: \"h\", referrer: \"http://r/, client: x\"",
                "time=\"2026-11-22T19:33:34Z\" level=\"ERROR\" thread=\"1#1\" message=\"limiting requests, excess: 0.968 by zone \\\"z\\\"\" fields=\"connection=13;\
                 client.address=1.2.3.4;server.address=a.b;http.request.method=GET;url.path=/lim;host=h;http.request.header.referer=http://r/, client: x;\"",
            ),
            (
                "2026/11/22 19:33:31 [notice] 14393#14393: using the \"epoll\" event method",
                "time=\"2026-11-22T19:33:31Z\" level=\"INFO\" thread=\"14393#14393\" message=\"using the \\\"epoll\\\" event method\"",
            ),
            (
                "2026/11/22 19:33:31 [emerg] 1#0: bind() to 0.0.0.0:80 failed (98: Address already in use)",
                "time=\"2026-11-22T19:33:31Z\" level=\"FATAL\" thread=\"1#0\" message=\"bind() to 0.0.0.0:80 failed (98: Address already in use)\"",
            ),
            (
                "[Sun Nov 22 19:35:54.202034 2026] [proxy:error] [pid 18066:tid 18131] [client 127.0.0.1:33288] AH00898: Error reading from remote server \
                 returned by /api/x, referer: http://r/",
                "time=\"2026-11-22T19:35:54.202034Z\" level=\"ERROR\" logger=\"proxy\" thread=\"18066:tid 18131\" message=\"AH00898: Error reading from remote \
                 server returned by /api/x\" fields=\"client.address=127.0.0.1;error.code=AH00898;http.request.header.referer=http://r/;\"",
            ),
            (
                "[Sun Nov 22 19:35:54.201987 2026] [proxy_http:error] [pid 1:tid 2] (70007)The timeout specified has expired: [client 127.0.0.1:1] AH01102: error",
                "time=\"2026-11-22T19:35:54.201987Z\" level=\"ERROR\" logger=\"proxy_http\" thread=\"1:tid 2\" message=\"(70007)The timeout specified has expired: \
                 [client 127.0.0.1:1] AH01102: error\" fields=\"error.code=AH01102;\"",
            ),
            (
                "[Sun Nov 22 19:35:54 2026] [error] [client 127.0.0.1] File does not exist: /x",
                "time=\"2026-11-22T19:35:54Z\" level=\"ERROR\" message=\"File does not exist: /x\" fields=\"client.address=127.0.0.1;\"",
            ),
        ] {
            let got = parse(line);
            assert_eq!(got.text, format!("log @0+{} {want}\n", line.len()));
        }
    }

    #[test]
    fn what_others_write() {
        for line in [
            "2026/11/22 19:33:33 [error] broken",
            "2026/11/22 19:33:33 INFO up",
            "2026/11/22 19:33:33 [main] 12#1: x",
            "[Sun Nov 22 19:35:54 2026] hello",
            "[Sun Nov 22 19:35:54 2026] [main] hello",
            "[WARN] hello [error]",
            "2026/",
            "[S",
            "",
        ] {
            assert!(Server::of(line.as_bytes()).is_none(), "{line}");
            assert!(sniffed(line).is_none(), "{line}");
        }
    }

    #[test]
    fn further_lines_belong_to_the_record() {
        let text = "2026/11/22 19:33:33 [error] 1#1: *3 FastCGI sent in stderr: \"PHP message: boom\nStack trace:\n#0 {main}\" while reading upstream, client: 1.1.1.1\n\
                    2026/11/22 19:33:34 [warn] 1#1: b\n";
        assert_eq!(sniffed(text), Some((75, "error-log/nginx".to_owned())));
        let got = parse(text);
        assert_eq!((got.records, got.quarantined), (2, 0), "{}", got.text);
        assert!(got.text.contains("#0 {main}\\\" while reading upstream\" fields=\"connection=3;client.address=1.1.1.1;\""), "{}", got.text);
        assert_eq!(sniffed("[Sun Nov 22 19:35:54 2026] [error] x\n"), Some((90, "error-log/apache".to_owned())));
    }

    #[test]
    fn any_cut_is_read() {
        for text in [
            "2026/11/22 19:33:33 [error] 1#1: *3 x\u{e9}, client: 1.1.1.1, server: s, request: \"GET / HTTP/1.1\", upstream: \"http://a\", host: \"h\"",
            "[Sun Nov 22 19:35:54.202034 2026] [proxy:error] [pid 1:tid 2] [client 1.1.1.1:3] AH00898: \u{e9}, referer: http://r/",
        ] {
            for (at, _) in text.char_indices() {
                parse(&text[..at]);
                parse(&text[at..]);
                ErrorLog.record(&Block { text: &text[..at], evidence: Evidence::default(), hints: &Hints::default() }, &mut Transcript::default());
            }
        }
    }
}
