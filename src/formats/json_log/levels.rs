//! How loud a record is, from the words and numbers of many libraries.
//!
//! ```text
//! "level":"INFO"    "lvl":"DEBUG5"    "level":"ERROR+4"    "level":30    "level_value":20000    "PRIORITY":"6"
//! ```
//!
//! A number means nothing by itself: 30 is *info* to pino and *warning* to Python. The key or its neighbours decide
//! the [`Scale`]; where they do not, there is no level.

use crate::model::record::Level;

/// Whose numbers they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scale {
    /// Not told by the key: `level`, `severity`.
    Open,
    /// Logback's integers: 5000 to 40000.
    Logback,
    /// Syslog's priorities: 0 (emergency) to 7 (debug).
    Syslog,
    /// OpenTelemetry's severity numbers: 1 to 24.
    Otel,
    /// Python's `levelno`: 10 (debug) to 50 (critical).
    Python,
    /// pino and bunyan: 10 (trace) to 60 (fatal).
    Node,
}

/// The level that a word stands for; none if it is no level's name.
#[must_use]
pub fn word(text: &str) -> Option<Level> {
    match text.as_bytes() {
        b"INFO" | b"info" => return Some(Level::Info),
        b"DEBUG" | b"debug" => return Some(Level::Debug),
        b"WARN" | b"warn" => return Some(Level::Warn),
        b"ERROR" | b"error" => return Some(Level::Error),
        _ => {}
    }
    let text = plain(text.as_bytes());
    let letters = text.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    // `DEBUG5`, `ERROR+4`: steps inside a level.
    if letters > 11 || !text[letters..].iter().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-')) {
        return None;
    }
    let mut lower = [0; 11];
    let lower = &mut lower[..letters];
    lower.copy_from_slice(&text[..letters]);
    lower.make_ascii_lowercase();
    Some(match &*lower {
        b"info" | b"information" | b"notice" | b"log" | b"inf" | b"i" | b"success" | b"hint" => Level::Info,
        b"warn" | b"warning" | b"wrn" | b"w" => Level::Warn,
        b"error" | b"err" | b"severe" | b"e" => Level::Error,
        b"debug" | b"dbg" | b"fine" | b"finer" | b"config" | b"d" => Level::Debug,
        b"trace" | b"trc" | b"finest" | b"verbose" | b"v" | b"t" => Level::Trace,
        b"fatal" | b"critical" | b"crit" | b"panic" | b"dpanic" | b"emerg" | b"emergency" | b"alert" | b"ftl" | b"f" => Level::Fatal,
        _ => return None,
    })
}

/// The level that a number stands for on a scale; none if it is not on it.
#[must_use]
pub const fn number(value: i64, scale: Scale) -> Option<Level> {
    Some(match (scale, value) {
        (Scale::Logback | Scale::Open, 5_000) => Level::Trace,
        (Scale::Logback | Scale::Open, 10_000) => Level::Debug,
        (Scale::Logback | Scale::Open, 20_000) => Level::Info,
        (Scale::Logback | Scale::Open, 30_000) => Level::Warn,
        (Scale::Logback | Scale::Open, 40_000) => Level::Error,
        // Google Cloud: default, debug, info, notice, warning, error, critical and above.
        (Scale::Open, 100) => Level::Debug,
        (Scale::Open, 200 | 300) => Level::Info,
        (Scale::Open, 400) => Level::Warn,
        (Scale::Open, 500) => Level::Error,
        (Scale::Open, 600 | 700 | 800) => Level::Fatal,
        (Scale::Syslog, 0..=2) => Level::Fatal,
        (Scale::Syslog, 3) => Level::Error,
        (Scale::Syslog, 4) => Level::Warn,
        (Scale::Syslog, 5 | 6) => Level::Info,
        (Scale::Syslog, 7) => Level::Debug,
        (Scale::Otel, 1..=4) => Level::Trace,
        (Scale::Otel, 5..=8) => Level::Debug,
        (Scale::Otel, 9..=12) => Level::Info,
        (Scale::Otel, 13..=16) => Level::Warn,
        (Scale::Otel, 17..=20) => Level::Error,
        (Scale::Otel, 21..=24) => Level::Fatal,
        (Scale::Python, 1..=9) | (Scale::Node, 1..=10) => Level::Trace,
        (Scale::Python, 10..=19) | (Scale::Node, 11..=20) => Level::Debug,
        (Scale::Python, 20..=29) | (Scale::Node, 21..=30) => Level::Info,
        (Scale::Python, 30..=39) | (Scale::Node, 31..=40) => Level::Warn,
        (Scale::Python, 40..=49) | (Scale::Node, 41..=50) => Level::Error,
        (Scale::Python, 50..=59) | (Scale::Node, 51..=60) => Level::Fatal,
        _ => return None,
    })
}

/// Without white space and without the colours that some writers put around a level.
fn plain(text: &[u8]) -> &[u8] {
    let mut text = text.trim_ascii();
    while let Some(end) = text.strip_prefix(b"\x1b[").and_then(|rest| memchr::memchr(b'm', rest)) {
        text = text[end + 3..].trim_ascii();
    }
    text.iter().position(|&b| b == 0x1b).map_or(text, |end| text[..end].trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_many_libraries() {
        for (text, want) in [
            ("INFO", Some(Level::Info)),
            ("warning", Some(Level::Warn)),
            ("Information", Some(Level::Info)),
            ("DEBUG5", Some(Level::Debug)),
            ("ERROR+4", Some(Level::Error)),
            ("CRITICAL", Some(Level::Fatal)),
            (" \u{1b}[32minfo\u{1b}[39m", Some(Level::Info)),
            ("gold", None),
            ("", None),
            ("information overload", None),
        ] {
            assert_eq!(word(text), want, "{text}");
        }
    }

    #[test]
    fn one_number_many_meanings() {
        assert_eq!(number(30, Scale::Node), Some(Level::Info));
        assert_eq!(number(30, Scale::Python), Some(Level::Warn));
        assert_eq!(number(3, Scale::Syslog), Some(Level::Error));
        assert_eq!(number(17, Scale::Otel), Some(Level::Error));
        assert_eq!(number(3, Scale::Open), None);
        assert_eq!(number(40_000, Scale::Open), Some(Level::Error));
    }
}
