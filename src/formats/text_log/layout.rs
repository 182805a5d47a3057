//! The head of a text log's line: one tolerant walk over its tokens instead of one grammar per logging pattern.
//!
//! ```text
//! 2026-11-22T19:37:48.008Z  INFO 12345 --- [order-service] [main] [f71074de22c94ce6b2fa2ace749e764b-f71074de22c94ce6] c.a.OrderService : up
//! 2026-11-22 19:36:07,043 [main] INFO  com.acme.OrderService [traceId=f707fb9227504c278b5133a5ff46306b] - up
//! [2025-04-09 10:00:00,405] INFO Log for partition orders-0 (kafka.log.LogManager)
//! ```
//!
//! Times, levels, brackets and separators are known by their shape wherever they stand. A plain word is only taken into
//! the head if a separator or a level follows soon, else the message begins with it; whether the file's pattern has a
//! separator or a logger at all is learnt from the head of the file ([`Layout`]). What this file does not do: access
//! logs and logfmt, which have no head.

use super::brackets::{self, Bracket};
use super::fields::{Pairs, Place};
use super::level::{self, Case};
use super::stamp::{self, Kind};
use crate::model::record::Level;
use crate::model::source::Hints;
use crate::model::time::Time;

/// What a record begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Anchor {
    /// A time.
    Time,
    /// A level or a bracket.
    Word,
    /// `key=`.
    Pairs,
}

/// What the head of a file teaches about its pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// What a record begins with.
    pub anchor: Anchor,
    /// Whether ` - `, ` : ` or `: ` stands before the message, so that a plain word before one is a logger.
    pub separator: bool,
    /// Whether a dotted word is a logger.
    pub logger: bool,
}

impl Layout {
    /// What is assumed of lines in files of other formats, and while learning.
    pub const UNKNOWN: Self = Self { anchor: Anchor::Time, separator: false, logger: true };
}

/// What stands before the message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    /// Time.
    pub time: Time,
    /// Level.
    pub level: Level,
    /// Logger.
    pub logger: &'a str,
    /// Thread.
    pub thread: &'a str,
    /// Service, if Spring's application bracket names it.
    pub service: &'a str,
    /// Offset of the message in the line.
    pub message: usize,
    /// Whether Spring's `---` was there.
    pub dashes: bool,
    /// Whether a separator stands before the message.
    pub separator: bool,
    /// Whether the logger stands in brackets at the end, as Kafka writes it.
    pub trailing_logger: bool,
}

/// Longest run of plain words that may turn out to be part of the head.
const MOST_WORDS: usize = 2;
/// No head has more tokens.
const MOST_TOKENS: usize = 24;

/// Reads the head of a line; `line` begins where a record starts, without colours.
#[must_use]
pub fn read<'a>(line: &'a str, hints: &Hints, layout: Layout, pairs: &mut Pairs<'a>) -> Head<'a> {
    let mut walk = Walk {
        line,
        bytes: line.as_bytes(),
        at: 0,
        head: Head { time: Time::NONE, ..Head::default() },
        layout,
        words: [""; MOST_WORDS],
        count: 0,
        held: None,
        names: [""; 3],
        named: 0,
        bracket_logger: false,
    };
    walk.time(hints);
    for _ in 0..MOST_TOKENS {
        if walk.step(hints, pairs) {
            break;
        }
    }
    walk.finish(pairs)
}

/// Where a walk stands. `held` is what to come back to if the words since are the message.
struct Walk<'a> {
    line: &'a str,
    bytes: &'a [u8],
    at: usize,
    head: Head<'a>,
    layout: Layout,
    words: [&'a str; MOST_WORDS],
    count: usize,
    held: Option<(usize, Head<'a>, super::fields::Mark<'a>)>,
    /// The brackets after `---`, the last of which is the thread.
    names: [&'a str; 3],
    named: usize,
    bracket_logger: bool,
}

impl<'a> Walk<'a> {
    /// Takes the time at the present place, and the level that may share its bracket: `[19:37:03 INF]`.
    fn time(&mut self, hints: &Hints) -> bool {
        let Some(stamp) = self.bytes.get(self.at..).and_then(|rest| stamp::read(rest, hints)) else { return false };
        // An epoch in the middle of a line is any number.
        if stamp.kind == Kind::Epoch && self.at > 0 {
            return false;
        }
        self.head.time = stamp.time;
        self.at += stamp.len;
        if stamp.bracketed && self.bytes.get(self.at - 1) != Some(&b']') {
            let rest = &self.bytes[self.at..];
            if let Some(close) = rest.iter().take(40).position(|b| *b == b']') {
                for word in rest[..close].split(|b| *b == b' ') {
                    if let Some((level, _)) = level::of_word(word) {
                        self.head.level = level;
                    }
                }
                self.at += close + 1;
            }
        } else if stamp.bracketed && stamp.kind == Kind::Full {
            self.head.trailing_logger = trailing_logger(self.line).is_some_and(|logger| {
                self.head.logger = logger;
                true
            });
        }
        true
    }

    /// Takes one token; true when the message begins.
    fn step(&mut self, hints: &Hints, pairs: &mut Pairs<'a>) -> bool {
        let spaced = self.at;
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        let spaced = self.at > spaced;
        let Some(&first) = self.bytes.get(self.at) else { return true };
        let next = self.bytes.get(self.at + 1);
        let ends = matches!(next, None | Some(b' ' | b'\t'));
        match first {
            b'-' if self.bytes[self.at..].starts_with(b"--- ") => {
                self.commit(true);
                self.head.dashes = true;
                self.at += 4;
                false
            }
            b'-' | b':' if ends && spaced => self.separator(first, pairs),
            b':' if !spaced => {
                self.at += 1;
                self.separated_by_colons()
            }
            b'|' => {
                self.commit(true);
                self.at += 1;
                false
            }
            b'[' => self.bracket(pairs),
            b'{' => self.context(pairs),
            b'(' if self.bracket_logger && self.head.thread.is_empty() => match brackets::content(self.line, self.at, b'(', b')') {
                Some(content) => {
                    self.head.thread = content.trim();
                    self.at += content.len() + 2;
                    false
                }
                None => true,
            },
            b'0'..=b'9' if (self.head.time.is_none() || self.at < 64) && self.count == 0 && self.head.level == Level::None && self.time(hints) => {
                false
            }
            _ => self.word(pairs),
        }
    }

    /// ` - ` and ` : `.
    fn separator(&mut self, sign: u8, pairs: &Pairs<'a>) -> bool {
        if self.count > 0 && !self.layout.separator && !self.head.dashes && !self.words[..self.count].iter().any(|word| is_logger(word)) {
            return true;
        }
        let words = self.count;
        if self.head.level != Level::None || self.head.dashes {
            self.commit(true);
            self.at += 1;
            self.head.separator = true;
            if sign == b'-' && self.head.logger.is_empty() && words == 0 {
                self.logger_between_dashes();
            }
            return true;
        }
        // Without a level yet, one may follow (`time - name - LEVEL - message`); else this was the separator.
        if words > 0 {
            self.commit(true);
            self.head.separator = true;
        }
        self.at += 1;
        self.held = None;
        self.hold(pairs);
        false
    }

    /// `- name - message` after a level.
    fn logger_between_dashes(&mut self) {
        let rest = self.line.get(self.at..).unwrap_or("").trim_start();
        if let Some((name, _)) = rest.split_once(" - ").filter(|(name, _)| is_identifier(name)) {
            self.head.logger = name;
            self.at = self.line.len() - rest.len() + name.len() + 3;
        }
    }

    /// `LEVEL:logger:message`, each optional, after a colon.
    fn separated_by_colons(&mut self) -> bool {
        let part = |walk: &Self| {
            let rest = walk.line.get(walk.at..).unwrap_or("");
            rest.split_once(':').map_or("", |(part, _)| part)
        };
        if self.head.level == Level::None {
            let Some((level, _)) = level::of_word(part(self).as_bytes()) else { return true };
            self.at += part(self).len() + 1;
            self.head.level = level;
        }
        let name = part(self);
        if !name.is_empty() && is_identifier(name) && self.bytes.get(self.at + name.len() + 1) != Some(&b'/') {
            self.head.logger = name;
            self.at += name.len() + 1;
        }
        self.head.separator = true;
        self.held = None;
        true
    }

    fn bracket(&mut self, pairs: &mut Pairs<'a>) -> bool {
        let Some(content) = brackets::content(self.line, self.at, b'[', b']') else { return true };
        if self.head.trailing_logger && self.head.level != Level::None {
            return true;
        }
        let after = self.at + content.len() + 2;
        let trimmed = content.trim();
        let kind = brackets::classify(trimmed);
        match kind {
            Bracket::Empty | Bracket::Number | Bracket::Place => {}
            Bracket::Level(level, module) if self.head.level == Level::None => {
                self.head.level = level;
                if !module.is_empty() {
                    self.head.logger = module;
                }
                self.commit(false);
            }
            Bracket::Ids(service, trace, span) => {
                pairs.correlate(trace, span);
                if self.head.service.is_empty() {
                    self.head.service = service;
                }
            }
            Bracket::Context => {
                pairs.scan(trimmed, Place::Context);
            }
            _ if self.head.dashes => {
                if let Some(name) = self.names.get_mut(self.named) {
                    *name = trimmed;
                    self.named += 1;
                }
            }
            Bracket::Logger if self.head.logger.is_empty() => {
                self.head.logger = trimmed;
                self.bracket_logger = true;
            }
            _ if self.head.thread.is_empty() && self.count == 0 => self.head.thread = trimmed,
            _ => {
                self.hold(pairs);
                if !self.layout.separator || self.count >= MOST_WORDS {
                    return true;
                }
            }
        }
        self.at = after;
        false
    }

    /// `{k=v, …}` and `{}`; anything else in braces is the message.
    fn context(&mut self, pairs: &mut Pairs<'a>) -> bool {
        let Some(content) = brackets::content(self.line, self.at, b'{', b'}') else { return true };
        if !content.trim().is_empty() && !matches!(brackets::classify(content.trim()), Bracket::Context) {
            return true;
        }
        pairs.scan(content, Place::Context);
        self.at += content.len() + 2;
        false
    }

    fn word(&mut self, pairs: &Pairs<'a>) -> bool {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|b| matches!(b, b' ' | b'\t' | b'|' | b'[')).unwrap_or(rest.len());
        let whole = self.line.get(self.at..self.at + len).unwrap_or("");
        let end = rest.get(len).copied();
        let name = whole.strip_suffix(':').unwrap_or(whole);
        let colon = name.len() < whole.len();
        if self.head.level == Level::None && self.level(name.split(':').next().unwrap_or(""), whole, end, rest.get(len + 1).copied()) {
            return self.after_level(whole);
        }
        if is_pid(name) && (self.head.level == Level::None || colon || self.bytes[self.at + len..].trim_ascii_start().starts_with(b"---")) {
            self.at += len;
            return false;
        }
        if end == Some(b'\t')
            && self.head.level != Level::None
            && !name.is_empty()
            && is_identifier(name)
            && rest.get(len + 1).is_some_and(|b| *b != b'{')
        {
            if self.head.logger.is_empty() {
                self.head.logger = name;
            }
            self.at += len;
            return false;
        }
        let ready = self.head.level != Level::None || self.head.dashes;
        if ready && self.head.logger.is_empty() && (is_logger(name) && self.layout.logger || colon && self.layout.separator && is_identifier(name)) {
            self.commit(false);
            self.head.logger = name;
            self.at += len;
            self.head.separator |= colon;
            if colon {
                self.held = None;
            }
            return colon;
        }
        // A span's context, as Rust's tracing prints it: `shaving{yaks=3}:`
        if ready && colon && self.head.logger.is_empty() && name.ends_with('}') {
            self.at += len;
            return false;
        }
        if end == Some(b'|') || (ready && self.followed_by_pipe(len)) {
            if self.head.thread.is_empty() && !is_logger(name) {
                self.head.thread = name;
            } else if self.head.logger.is_empty() {
                self.head.logger = name;
            }
            self.at += len;
            return false;
        }
        self.hold(pairs);
        let may_be_head = !colon
            && is_identifier(name)
            && (self.layout.separator || self.head.level == Level::None || self.head.dashes || rust_thread(self.bytes, self.at + len, name));
        match self.words.get_mut(self.count) {
            Some(slot) if may_be_head => *slot = name,
            _ => return true,
        }
        self.count += 1;
        self.at += len;
        false
    }

    fn followed_by_pipe(&self, len: usize) -> bool {
        self.bytes[self.at + len..].trim_ascii_start().first() == Some(&b'|')
    }

    /// Whether the word is the record's level: prose rarely has one in capitals, but often begins with `Error`.
    fn level(&mut self, name: &str, whole: &str, end: Option<u8>, then: Option<u8>) -> bool {
        let Some((level, case)) = level::of_word(name.as_bytes()) else { return false };
        let upper = name.as_bytes()[0].is_ascii_uppercase() && case == Case::Plain;
        let delimited = whole.len() > name.len()
            || matches!(end, None | Some(b'\t' | b'|' | b'['))
            || (end == Some(b' ') && matches!(then, Some(b' ' | b'[' | b'-' | b'|')));
        let fits = upper || (self.count == 0 && (delimited || (case == Case::Plain && self.held.is_none())));
        if fits {
            self.head.level = level;
        }
        fits
    }

    /// Goes on after a level: `LEVEL`, `LEVEL: message`, `LEVEL:logger:message`.
    fn after_level(&mut self, whole: &'a str) -> bool {
        self.commit(false);
        let Some(colon) = whole.find(':') else {
            self.at += whole.len();
            return self.head.trailing_logger;
        };
        self.at += colon + 1;
        if colon + 1 == whole.len() {
            self.head.separator = true;
            return true;
        }
        self.separated_by_colons()
    }

    /// Remembers this place as where the message begins unless the head goes on.
    fn hold(&mut self, pairs: &Pairs<'a>) {
        if self.held.is_none() {
            self.held = Some((self.at, self.head, pairs.mark()));
        }
    }

    /// The words held so far belong to the head. `named` tells that a separator follows them, so that the last is a logger.
    fn commit(&mut self, named: bool) {
        let words = &self.words[..self.count];
        let logger = words.iter().rposition(|word| is_logger(word)).or(if named { self.count.checked_sub(1) } else { None });
        for (n, word) in words.iter().enumerate() {
            if Some(n) == logger && self.head.logger.is_empty() {
                self.head.logger = word;
            } else if self.head.thread.is_empty() && self.head.logger.is_empty() {
                self.head.thread = word;
            }
        }
        self.count = 0;
        self.held = None;
    }

    fn finish(mut self, pairs: &mut Pairs<'a>) -> Head<'a> {
        let mut from = self.at;
        if let Some((at, head, mark)) = self.held {
            (from, self.head) = (at, head);
            pairs.back_to(mark);
        }
        if let Some((thread, before)) = self.names[..self.named].split_last() {
            self.head.thread = thread;
            if let (Some(app), true) = (before.first(), self.head.service.is_empty()) {
                self.head.service = app;
            }
        }
        let rest = self.bytes.get(from..).unwrap_or_default();
        self.head.message = from + rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        self.head
    }
}

/// The logger that Kafka prints in brackets at the end of a line.
#[must_use]
pub fn trailing_logger(line: &str) -> Option<&str> {
    let line = line.trim_end().strip_suffix(')')?;
    let (_, name) = line.rsplit_once(" (")?;
    (is_identifier(name) && (name.contains('.') || name.ends_with("Logger") || name.ends_with("logger"))).then_some(name)
}

/// Rust's tracing prints the thread's name and id: `main ThreadId(01)`.
fn rust_thread(bytes: &[u8], at: usize, name: &str) -> bool {
    name.starts_with("ThreadId(") || bytes.get(at..).is_some_and(|rest| rest.starts_with(b" ThreadId("))
}

/// A dotted or double-coloned name: `com.acme.X`, `hyper::client`, `o.s.w.s.DispatcherServlet`.
fn is_logger(word: &str) -> bool {
    brackets::is_dotted(word)
}

/// A word that a pattern may print: no punctuation of prose.
fn is_identifier(word: &str) -> bool {
    !word.is_empty()
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'$' | b':' | b'/' | b'@' | b'#' | b'<' | b'>' | b'(' | b')'))
}

/// A process or thread number: `12345`, `14403#14403`.
fn is_pid(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_digit() || b == b'#') && word.bytes().next().is_some_and(|b| b.is_ascii_digit())
}
