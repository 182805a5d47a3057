//! Words that name a level, as text logs spell them.
//!
//! ```text
//! 2026-11-22 19:36:07.043  WARN 1 --- ...      [19:37:03 INF] up      22-Nov-2026 19:37:12.123 SEVERE [main] ...
//! ```
//!
//! What this file does not do: numeric levels; only formats with named fields have them.

use crate::model::record::Level;

/// How a level is written; prose begins with `Error` more often than a log's level does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Case {
    /// `WARN`, `warn`.
    Plain,
    /// `Warn`.
    Capitalised,
}

/// The level that a whole word names, and how it is written.
#[must_use]
pub fn of_word(word: &[u8]) -> Option<(Level, Case)> {
    if !(3..=11).contains(&word.len()) {
        return None;
    }
    let upper = word[0].is_ascii_uppercase();
    let rest_upper = word[1].is_ascii_uppercase();
    if !word[1..].iter().all(|b| b.is_ascii_alphabetic() && b.is_ascii_uppercase() == rest_upper) || (rest_upper && !upper) {
        return None;
    }
    let mut lower = [0; 11];
    let lower = lower.get_mut(..word.len())?;
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    let level = match &*lower {
        b"trace" | b"trc" | b"trce" | b"verbose" | b"vrb" => Level::Trace,
        b"finest" | b"finer" if upper => Level::Trace,
        b"debug" | b"dbg" | b"dbug" => Level::Debug,
        b"fine" | b"config" if upper => Level::Debug,
        b"info" | b"inf" | b"information" | b"notice" | b"note" => Level::Info,
        b"warn" | b"wrn" | b"warning" => Level::Warn,
        b"error" | b"err" | b"severe" | b"eror" | b"fail" => Level::Error,
        b"fatal" | b"ftl" | b"critical" | b"crit" | b"panic" | b"emerg" | b"emergency" | b"alert" => Level::Fatal,
        _ => return None,
    };
    Some((level, if upper && !rest_upper { Case::Capitalised } else { Case::Plain }))
}

/// The level of a key's value, whatever its case.
#[must_use]
pub fn of_value(text: &str) -> Level {
    let text = text.trim().as_bytes();
    let mut upper = [0; 11];
    let Some(upper) = upper.get_mut(..text.len()) else { return Level::None };
    upper.copy_from_slice(text);
    upper.make_ascii_uppercase();
    of_word(upper).map_or(Level::None, |(level, _)| level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        for (word, want) in [
            ("INFO", Some((Level::Info, Case::Plain))),
            ("info", Some((Level::Info, Case::Plain))),
            ("Warning", Some((Level::Warn, Case::Capitalised))),
            ("SEVERE", Some((Level::Error, Case::Plain))),
            ("FINEST", Some((Level::Trace, Case::Plain))),
            ("finest", None),
            ("INF", Some((Level::Info, Case::Plain))),
            ("iNFO", None),
            ("Order", None),
            ("", None),
            ("I", None),
        ] {
            assert_eq!(of_word(word.as_bytes()), want, "{word}");
        }
        assert_eq!(of_value("Warning"), Level::Warn);
        assert_eq!(of_value("a text that is no level at all"), Level::None);
    }
}
