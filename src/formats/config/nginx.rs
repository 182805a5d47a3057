//! `nginx.conf`: directives in blocks.
//!
//! ```text
//! http { server { server_name shop.example.com;
//!   proxy_read_timeout 2s;                       nginx.http.server[shop.example.com].proxyreadtimeout
//!   location /api/ { proxy_pass http://web; } }  nginx.http.server[shop.example.com].location[/api/].proxypass
//! ```
//!
//! What this file does not do: `include`, conditions, and texts of `log_format`.

use super::entry::{Entry, canonical, emit};
use crate::model::record::Sink;
use crate::model::source::Chunk;
use std::ops::Range;

/// Words one of which every configuration of nginx has.
const SIGNS: &[&str] =
    &["proxy_pass", "server_name", "listen ", "upstream ", "worker_processes", "worker_connections", "proxy_read_timeout", "client_max_body_size"];
/// Directives that are given several times, told apart by their first word.
const NAMED: &[&str] = &["proxy_set_header", "add_header", "proxy_hide_header", "proxy_pass_header", "server", "set", "map", "limit_req_zone"];
/// Directives whose text is no setting.
const LEFT_OUT: &[&str] = &["log_format", "include", "types"];
/// How deep blocks may be.
const DEEPEST: usize = 32;

/// Whether the head of a file is such a configuration: lines end as directives do.
pub fn is_one(head: &str, whole: bool) -> bool {
    let mut lines: Vec<&str> = head.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    if !whole {
        lines.pop();
    }
    let code = |line: &&&str| line.split(" #").next().unwrap_or_default().trim_end().ends_with([';', '{', '}']);
    let good = lines.iter().filter(code).count();
    good > 0
        && good * 100 >= lines.len() * 80
        && head.contains(';')
        && head.contains('{')
        && SIGNS.iter().any(|sign| head.contains(sign))
        && !head.contains("\":")
        || good > 0 && head.contains("worker_connections") && head.contains("http {") && good * 2 >= lines.len()
}

/// Reads a whole file.
pub fn parse(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let mut entries = Vec::new();
    let mut words = Words { bytes: chunk.bytes, at: 0 };
    block(&mut words, "nginx", 0, &mut entries);
    emit(chunk, &entries, sink);
}

/// Reads directives until the block ends. What stands in a `server` block is named after it when its name is known.
fn block(words: &mut Words<'_>, prefix: &str, depth: usize, out: &mut Vec<Entry>) {
    let mut directive: Vec<(String, Range<usize>)> = Vec::new();
    loop {
        match words.next_word() {
            None | Some(Word::Close) => return,
            Some(Word::Text(text, at)) => directive.push((text, at)),
            Some(Word::End(end)) => {
                out.extend(setting(prefix, &directive, end));
                directive.clear();
            }
            Some(Word::Open) => {
                let name = directive.first().map_or(String::new(), |(name, _)| name.clone());
                let arguments = directive.iter().skip(1).map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(" ");
                directive.clear();
                if depth >= DEEPEST || LEFT_OUT.contains(&name.as_str()) {
                    words.skip_block();
                    continue;
                }
                let from = out.len();
                let inner = if arguments.is_empty() {
                    format!("{prefix}.{}", canonical(&name))
                } else {
                    format!("{prefix}.{}[{arguments}]", canonical(&name))
                };
                block(words, &inner, depth + 1, out);
                if name == "server" && arguments.is_empty() {
                    name_server(out, from, &inner);
                }
            }
        }
    }
}

/// Puts the first name of a server, else where it listens, into the keys of its block.
fn name_server(out: &mut [Entry], from: usize, prefix: &str) {
    let Some(entries) = out.get_mut(from..) else { return };
    let of = |key: &str| entries.iter().find(|entry| entry.key.strip_prefix(prefix) == Some(key)).map(|entry| entry.value.clone());
    let Some(value) = of(".servername").or_else(|| of(".listen")) else { return };
    let name = value.split(' ').next().unwrap_or_default();
    for entry in entries.iter_mut() {
        if let Some(rest) = entry.key.strip_prefix(prefix) {
            entry.key = format!("{prefix}[{name}]{rest}");
        }
    }
}

fn setting(prefix: &str, directive: &[(String, Range<usize>)], end: usize) -> Option<Entry> {
    let ((name, at), arguments) = directive.split_first()?;
    if LEFT_OUT.contains(&name.as_str()) {
        return None;
    }
    let text = |words: &[(String, Range<usize>)]| words.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(" ");
    let (key, value) = match arguments.split_first() {
        Some(((first, _), rest)) if NAMED.contains(&name.as_str()) => (format!("{prefix}.{}[{}]", canonical(name), first.to_lowercase()), text(rest)),
        _ => (format!("{prefix}.{}", canonical(name)), text(arguments)),
    };
    Some(Entry::new(key, value, at.start..end))
}

enum Word {
    Text(String, Range<usize>),
    Open,
    Close,
    End(usize),
}

struct Words<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Words<'_> {
    fn next_word(&mut self) -> Option<Word> {
        loop {
            match *self.bytes.get(self.at)? {
                b if b.is_ascii_whitespace() => self.at += 1,
                b'#' => self.at += memchr::memchr(b'\n', &self.bytes[self.at..]).unwrap_or(self.bytes.len() - self.at),
                b';' => {
                    self.at += 1;
                    return Some(Word::End(self.at));
                }
                b'{' => {
                    self.at += 1;
                    return Some(Word::Open);
                }
                b'}' => {
                    self.at += 1;
                    return Some(Word::Close);
                }
                quote @ (b'"' | b'\'') => return Some(self.quoted(quote)),
                _ => return Some(self.bare()),
            }
        }
    }

    fn quoted(&mut self, quote: u8) -> Word {
        let start = self.at;
        let mut end = start + 1;
        while let Some(&byte) = self.bytes.get(end) {
            match byte {
                b'\\' => end += 2,
                b if b == quote => break,
                _ => end += 1,
            }
        }
        let end = end.min(self.bytes.len());
        self.at = (end + 1).min(self.bytes.len());
        Word::Text(String::from_utf8_lossy(&self.bytes[start + 1..end.max(start + 1)]).into_owned(), start..self.at)
    }

    /// A word without quotes; `${name}` inside is part of it.
    fn bare(&mut self) -> Word {
        let start = self.at;
        while let Some(&byte) = self.bytes.get(self.at) {
            let variable = byte == b'{' && self.at > start && self.bytes[self.at - 1] == b'$';
            if variable {
                self.at += memchr::memchr(b'}', &self.bytes[self.at..]).unwrap_or(0) + 1;
            } else if byte.is_ascii_whitespace() || matches!(byte, b';' | b'{' | b'}') {
                break;
            } else {
                self.at += 1;
            }
        }
        self.at = self.at.min(self.bytes.len());
        Word::Text(String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned(), start..self.at)
    }

    fn skip_block(&mut self) {
        let mut depth = 1;
        while depth > 0 {
            match self.next_word() {
                None => return,
                Some(Word::Open) => depth += 1,
                Some(Word::Close) => depth -= 1,
                Some(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::{placeless, read};

    const CONF: &str = "user root; worker_processes 1;\nevents { worker_connections 1024; }\nhttp {\n  log_format j escape=json '{\"a\":\"$status\"}';\n  upstream web { server 10.0.0.7:8080 max_fails=0; }\n  server {\n    listen 8080; server_name shop.example.com www; # names\n    client_max_body_size 10m;\n    location /api/ { proxy_pass http://web; proxy_read_timeout 2s; proxy_set_header Authorization \"Basic abc\"; }\n  }\n}\n";

    #[test]
    fn directives_are_keyed_by_their_blocks() {
        assert!(is_one(CONF, true));
        assert_eq!(
            placeless(&read(parse, CONF.as_bytes())),
            [
                r#"setting key="nginx.user" value="root""#,
                r#"setting key="nginx.workerprocesses" value="1""#,
                r#"setting key="nginx.events.workerconnections" value="1024""#,
                r#"setting key="nginx.http.upstream[web].server[10.0.0.7:8080]" value="max_fails=0""#,
                r#"setting key="nginx.http.server[shop.example.com].listen" value="8080""#,
                "setting key=\"nginx.http.server[shop.example.com].servername\" value=\"shop.example.com www\"",
                r#"setting key="nginx.http.server[shop.example.com].clientmaxbodysize" value="10m""#,
                r#"setting key="nginx.http.server[shop.example.com].location[/api/].proxypass" value="http://web""#,
                r#"setting key="nginx.http.server[shop.example.com].location[/api/].proxyreadtimeout" value="2s""#,
                r#"setting key="nginx.http.server[shop.example.com].location[/api/].proxysetheader[authorization]" value="***""#,
            ]
        );
    }

    #[test]
    fn evidence_is_the_directive() {
        let said = read(parse, CONF.as_bytes()).text;
        let at = CONF.find("proxy_read_timeout").unwrap();
        assert!(said.contains(&format!("setting @{at}+22 key=\"nginx.http.server[shop.example.com].location[/api/].proxyreadtimeout\"")), "{said}");
    }

    #[test]
    fn cut_files_and_other_texts() {
        for end in 0..CONF.len() {
            read(parse, &CONF.as_bytes()[..end]);
        }
        for text in ["{\"listen \": 1;}", "2026/11/22 19:54:08 [error] 1#1: *9 upstream timed out;\n", "public class A {\n  int a;\n}\n"] {
            assert!(!is_one(text, true), "{text}");
        }
    }
}
