//! The grammar of a line of the exposition format.
//!
//! ```text
//! # TYPE hikaricp_connections_active gauge
//! http_server_requests_total{method="GET",uri="/orders/{id} \"q\"\\"} 99123.0 1795376423774
//! {"http.server.duration",le="+Inf"} 3 # {trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 2.0
//! ```
//!
//! What this file does not do: check names against the types that were declared, or read exemplars.

use crate::formats::arena::Arena;
use crate::model::record::{Field, Value};

/// A comment with a meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meta<'a> {
    /// `# HELP name …`: a family begins.
    Help(&'a str),
    /// `# TYPE name kind`.
    Type(&'a str, &'a str),
    /// `# UNIT name unit`.
    Unit(&'a str, &'a str),
    /// `# EOF`.
    End,
}

/// A sample without its labels, which go into a list that is used again.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sample<'a> {
    /// Name.
    pub name: &'a str,
    /// Value.
    pub value: f64,
    /// The time as written, or empty.
    pub stamp: &'a str,
}

/// Reads a comment; none if it has no meaning.
#[must_use]
pub fn meta(line: &[u8]) -> Option<Meta<'_>> {
    // Most lines are none; only those that may be are looked at as text.
    if line.first() != Some(&b'#') || line.len() > LONGEST_META {
        return None;
    }
    meta_text(std::str::from_utf8(line).ok()?)
}

const LONGEST_META: usize = 1 << 16;

/// Reads a comment; none if it has no meaning.
#[must_use]
pub fn meta_text(line: &str) -> Option<Meta<'_>> {
    let rest = line.strip_prefix('#')?.trim_ascii_start();
    let (keyword, rest) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    let rest = rest.trim_ascii();
    if keyword == "EOF" && rest.is_empty() {
        return Some(Meta::End);
    }
    if !matches!(keyword, "HELP" | "TYPE" | "UNIT") {
        return None;
    }
    let (name, rest) = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => rest.split_at(name_len(rest.as_bytes())),
    };
    if name.is_empty() || !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    let rest = rest.trim_ascii_start();
    match keyword {
        "HELP" => Some(Meta::Help(name)),
        "UNIT" => Some(Meta::Unit(name, rest)),
        _ => matches!(rest, "counter" | "gauge" | "histogram" | "summary" | "untyped" | "unknown" | "info" | "stateset" | "gaugehistogram")
            .then_some(Meta::Type(name, rest)),
    }
}

/// Whether a line begins as a sample does, whole or not: a name and an opening brace, or a name and a number.
#[must_use]
pub fn looks_like_one(line: &[u8]) -> bool {
    let len = name_len(line);
    match line.get(len) {
        Some(b'{') if len > 0 => true,
        Some(b'{') => line.get(1) == Some(&b'"'),
        Some(b' ' | b'\t') if len > 0 && line[len - 1] != b':' && !is_weekday(&line[..len]) => number_len(line[len..].trim_ascii_start()).is_some(),
        _ => false,
    }
}

/// `Sun 22 Nov 2026` is a date.
fn is_weekday(word: &[u8]) -> bool {
    matches!(word, b"Mon" | b"Tue" | b"Wed" | b"Thu" | b"Fri" | b"Sat" | b"Sun")
}

/// Reads a sample and puts its labels into `labels`; none if the line is no whole one.
pub fn read<'a>(line: &'a str, arena: &'a Arena, labels: &mut Vec<Field<'a>>) -> Option<Sample<'a>> {
    labels.clear();
    let len = name_len(line.as_bytes());
    let (mut name, mut rest) = line.split_at_checked(len)?;
    if name.ends_with(':') {
        return None;
    }
    let spaced = rest.starts_with([' ', '\t']);
    rest = rest.trim_ascii_start();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = label_set(inside, &mut name, arena, labels)?;
    } else if !spaced {
        return None;
    }
    if name.is_empty() {
        return None;
    }
    let (value, rest) = word(rest);
    number_len(value.as_bytes())?;
    let value = value.parse().ok()?;
    let (stamp, rest) = if rest.starts_with('#') { ("", rest) } else { word(rest) };
    let stamped = stamp.is_empty() || stamp.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    (stamped && (rest.is_empty() || rest.starts_with('#'))).then_some(Sample { name, value, stamp })
}

/// Reads labels up to and with the closing brace; what follows it. A quoted text alone is the metric's name.
fn label_set<'a>(mut rest: &'a str, name: &mut &'a str, arena: &'a Arena, labels: &mut Vec<Field<'a>>) -> Option<&'a str> {
    loop {
        rest = rest.trim_ascii_start();
        if let Some(after) = rest.strip_prefix('}') {
            return Some(after);
        }
        let key;
        if let Some(inside) = rest.strip_prefix('"') {
            (key, rest) = quoted(inside, arena)?;
        } else {
            (key, rest) = rest.split_at_checked(name_len(rest.as_bytes())).filter(|(key, _)| !key.is_empty())?;
        }
        rest = rest.trim_ascii_start();
        if let Some(after) = rest.strip_prefix('=') {
            let (value, after) = quoted(after.trim_ascii_start().strip_prefix('"')?, arena)?;
            labels.push(Field { key, value: Value::Text(value) });
            rest = after.trim_ascii_start();
        } else if name.is_empty() {
            *name = key;
        } else {
            return None;
        }
        rest = match rest.as_bytes().first()? {
            b',' => rest.get(1..)?,
            b'}' => rest,
            _ => return None,
        };
    }
}

/// A text up to its closing quote, and what follows it. Only a text with escapes is copied.
fn quoted<'a>(rest: &'a str, arena: &'a Arena) -> Option<(&'a str, &'a str)> {
    let bytes = rest.as_bytes();
    let mut at = 0;
    let mut escaped = false;
    loop {
        let found = at + memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(found) == Some(&b'"') {
            let (raw, after) = (rest.get(..found)?, rest.get(found + 1..)?);
            return Some((if escaped { arena.keep(unescape(raw)) } else { raw }, after));
        }
        escaped = true;
        at = found + 2;
    }
}

fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut letters = raw.chars();
    while let Some(c) = letters.next() {
        match c {
            '\\' => match letters.next() {
                Some('n') => out.push('\n'),
                Some(c @ ('\\' | '"')) => out.push(c),
                Some(c) => out.extend(['\\', c]),
                None => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    out
}

/// The text up to the next blank, and what follows the blanks.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_ascii_start();
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    (word, rest.trim_ascii_start())
}

/// Length of the name at the start of a text. Dots are not Prometheus's own, but some exporters leave them in.
fn name_len(text: &[u8]) -> usize {
    if !text.first().is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b':')) {
        return 0;
    }
    text.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':' | b'.')).count()
}

/// Length of the number at the start of a text, if one stands there and ends at a blank.
fn number_len(text: &[u8]) -> Option<usize> {
    let len = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    let word = text.get(..len)?;
    let unsigned = word.strip_prefix(b"+").or_else(|| word.strip_prefix(b"-")).unwrap_or(word);
    let special = [&b"nan"[..], b"inf", b"infinity"].iter().any(|name| unsigned.eq_ignore_ascii_case(name));
    let plain = unsigned.first().is_some_and(|b| b.is_ascii_digit() || *b == b'.')
        && unsigned.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    (special || plain).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(line: &str) -> String {
        let arena = Arena::default();
        let mut labels = Vec::new();
        match read(line, &arena, &mut labels) {
            Some(sample) => {
                let labels: Vec<String> = labels.iter().map(|l| format!("{}={:?}", l.key, l.value.text().unwrap_or_default())).collect();
                format!("{} [{}] {} {}", sample.name, labels.join(" "), sample.value, sample.stamp)
            }
            None => "none".to_owned(),
        }
    }

    #[test]
    fn every_sample() {
        for (line, want) in [
            ("up 1", "up [] 1 "),
            ("up 1 1795376423774", "up [] 1 1795376423774"),
            ("up\t1.5e3\t-5", "up [] 1500 -5"),
            (r#"a{b="c"} 17.0"#, r#"a [b="c"] 17 "#),
            (r#"a{b="c",} +Inf"#, r#"a [b="c"] inf "#),
            (r#"a { b = "c" , d="" } -Inf"#, r#"a [b="c" d=""] -inf "#),
            ("a{} NaN", "a [] NaN "),
            (r#"a{uri="/orders/{id} \"q\"\\",x="1\n2"} 1"#, r#"a [uri="/orders/{id} \"q\"\\" x="1\n2"] 1 "#),
            (r#"b{le="0.1"} 1.0 # {trace_id="4b"} 0.02 1795376495.7"#, r#"b [le="0.1"] 1 "#),
            (r#"b{le="0.1"} 1.0 1795376495.797 # {} 0.02"#, r#"b [le="0.1"] 1 1795376495.797"#),
            (r#"{"http.server.duration","http.method"="GET"} 1"#, r#"http.server.duration [http.method="GET"] 1 "#),
            (r#"a{b="é"} 1"#, r#"a [b="é"] 1 "#),
        ] {
            assert_eq!(show(line), want, "{line}");
        }
    }

    #[test]
    fn what_is_no_sample() {
        for line in [
            "",
            "up",
            "up ",
            "up x",
            "up 1 x",
            "up 1 2 3",
            "up{",
            "up{}",
            "up{a} 1",
            "up{a=b} 1",
            "up{a=\"b} 1",
            "up{a=\"b\" c=\"d\"} 1",
            "up{a=\"b\\",
            "{} 1",
            "{\"a\",\"b\"} 1",
            "9up 1",
            "Threads: 12",
            "MemTotal: 16384 kB",
            "up 0x1p-2",
            "up 1e",
            "up{a=\"b\"}1x",
        ] {
            assert_eq!(show(line), "none", "{line}");
        }
    }

    #[test]
    fn comments() {
        assert_eq!(meta(b"# HELP a b c"), Some(Meta::Help("a")));
        assert_eq!(meta(b"# HELP a"), Some(Meta::Help("a")));
        assert_eq!(meta(b"#  TYPE\ta   counter "), Some(Meta::Type("a", "counter")));
        assert_eq!(meta(b"# TYPE \"a.b\" gauge"), Some(Meta::Type("a.b", "gauge")));
        assert_eq!(meta(b"# UNIT a seconds"), Some(Meta::Unit("a", "seconds")));
        assert_eq!(meta(b"# EOF"), Some(Meta::End));
        for line in [&b"# TYPE a apple"[..], b"# scraped", b"#", b"# HELP", b"# HELP 1", b"# TYPE a", b"a 1", b"# HELP \"a", b"# HELP a\xff"] {
            assert_eq!(meta(line), None, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn any_cut_is_read() {
        let line = r#"http_bucket{le="0.1",uri="/é \"q\"\\"} 1.0 1795376495.7 # {trace_id="4b"} 0.02"#;
        for (at, _) in line.char_indices() {
            show(&line[..at]);
            show(&line[at..]);
        }
    }
}
