//! The request line, and the message that a record gets from it.
//!
//! ```text
//! GET /api/orders?id=1 HTTP/1.1        GET /api/orders 504
//! \x16\x03\x01\x00                     malformed request 400
//! -                                    no request 408
//! ```
//!
//! The message leaves out the query and the protocol, so that requests for one thing have one template. What this file
//! does not do: undo escapes.

/// The parts of a request line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Request<'a> {
    /// `GET`, or empty if the line is no request.
    pub method: &'a str,
    /// Path as it was sent, without the query; of a proxy request the whole address.
    pub path: &'a str,
    /// What followed the question mark.
    pub query: &'a str,
    /// The whole line as logged.
    pub line: &'a str,
}

impl<'a> Request<'a> {
    /// Takes a request line apart. What is none keeps only its text.
    #[must_use]
    pub fn read(line: &'a str) -> Self {
        let none = Self { line, ..Self::default() };
        let Some((method, rest)) = line.split_once(' ') else { return none };
        let is_method = (2..=20).contains(&method.len()) && method.bytes().all(|b| b.is_ascii_uppercase() || matches!(b, b'-' | b'_'));
        if !is_method || rest.is_empty() {
            return none;
        }
        let target = match rest.rsplit_once(' ') {
            Some((target, protocol)) if is_protocol(protocol) => target,
            _ => rest,
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self { method, path, query, line }
    }

    /// Whether it names its protocol, as all but HTTP/0.9 do.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.method.is_empty() && self.line.rsplit_once(' ').is_some_and(|(_, protocol)| is_protocol(protocol))
    }
}

fn is_protocol(word: &str) -> bool {
    word.len() <= 10 && (word.starts_with("HTTP/") || word.starts_with("RTSP/") || word.starts_with("SIP/"))
}

/// No path is cited further than this in a message.
const LONGEST: usize = 400;

/// A text that needs no memory of its own.
#[derive(Clone, Copy)]
pub struct Message {
    bytes: [u8; LONGEST + 64],
    len: usize,
}

impl Message {
    /// The canonical wording for a request and its status.
    #[must_use]
    pub fn of(request: &Request<'_>, status: &str) -> Self {
        let mut message = Self { bytes: [0; LONGEST + 64], len: 0 };
        if request.method.is_empty() {
            message.push(if matches!(request.line, "" | "-") { "no request" } else { "malformed request" });
        } else {
            message.push(request.method);
            message.push(" ");
            message.push(request.path);
        }
        message.push(" ");
        message.push(status);
        message
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.bytes.get(..self.len).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    fn push(&mut self, text: &str) {
        let mut end = text.len().min(LONGEST);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.as_bytes().get(..end).unwrap_or_default();
        if let Some(room) = self.bytes.get_mut(self.len..self.len + text.len()) {
            room.copy_from_slice(text);
            self.len += text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_their_messages() {
        for (line, want) in [
            ("GET /api/orders?id=1&q=a?b HTTP/1.1", "GET|/api/orders|id=1&q=a?b|true|GET /api/orders 200"),
            ("GET /a b HTTP/1.0", "GET|/a b||true|GET /a b 200"),
            ("GET /", "GET|/||false|GET / 200"),
            ("CONNECT shop:443 HTTP/2", "CONNECT|shop:443||true|CONNECT shop:443 200"),
            ("BAD", "|||false|malformed request 200"),
            ("get / HTTP/1.1", "|||false|malformed request 200"),
            ("\\x16\\x03\\x01", "|||false|malformed request 200"),
            ("-", "|||false|no request 200"),
            ("", "|||false|no request 200"),
        ] {
            let request = Request::read(line);
            let message = Message::of(&request, "200");
            let got = format!("{}|{}|{}|{}|{}", request.method, request.path, request.query, request.is_whole(), message.text());
            assert_eq!(got, want, "{line}");
        }
    }

    #[test]
    fn a_long_path_is_cut_at_a_letter() {
        let line = format!("GET /{} HTTP/1.1", "\u{e9}".repeat(900));
        let request = Request::read(&line);
        let text = Message::of(&request, "404").text().to_owned();
        assert!(text.len() < 420 && text.ends_with("\u{e9} 404"), "{text}");
        let method = "A".repeat(20);
        assert_eq!(Message::of(&Request { method: &method, path: &"b".repeat(500), ..request }, "1234567890").text().len(), 20 + 1 + 400 + 11);
    }
}
