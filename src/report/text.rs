//! Words and numbers as people read them, and text made harmless for every output.
//!
//! Numbers are worded by `model/amount`; times are UTC. [`clean`] takes out whatever
//! could move a cursor, ring a bell or reverse the reading direction. Escaping is not done here: each output has its own.

use std::borrow::Cow;

pub use crate::model::amount::{bytes, bytes_f, count, counted, measured, millis, number, share};

/// What [`clean`] does with line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// They become spaces: names, paths, titles.
    Join,
    /// They stay: quotes, code, explanations.
    Keep,
}

/// Takes out terminal escapes, control characters, reversals of the reading direction and invisible characters.
#[must_use]
pub fn clean(text: &str, lines: Lines) -> Cow<'_, str> {
    let harmless = |c: char| c == '\t' || (c == '\n' && lines == Lines::Keep) || !is_hostile(c);
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let line_end = if lines == Lines::Keep { '\n' } else { ' ' };
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => rest = after_escape(rest.as_str()).chars(),
            // The one-character form of "ESC [".
            '\u{9b}' => rest = after_parameters(rest.as_str()).chars(),
            '\r' => {
                if rest.as_str().starts_with('\n') {
                    rest.next();
                }
                out.push(line_end);
            }
            '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push(line_end),
            c if harmless(c) => out.push(c),
            _ => {}
        }
    }
    Cow::Owned(out)
}

/// Whether a character has no business in a report.
fn is_hostile(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\n'..='\u{1f}' | '\u{7f}'..='\u{9f}'   // C0 without tab, DEL, C1
        | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        || (c as u32) & 0xfffe == 0xfffe
}

/// What follows an escape sequence whose ESC has been read.
fn after_escape(rest: &str) -> &str {
    match rest.as_bytes().first() {
        Some(b'[') => after_parameters(&rest[1..]),
        // Strings (titles, hyperlinks) end with BEL or ESC \. A stray opener must not swallow the text behind it.
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let body = &rest[1..];
            match body.char_indices().take(256).find(|&(_, c)| c == '\u{7}' || c == '\u{1b}' || c == '\u{9c}') {
                Some((at, '\u{1b}')) => body[at + 1..].strip_prefix('\\').unwrap_or(&body[at..]),
                Some((at, c)) => &body[at + c.len_utf8()..],
                None => body,
            }
        }
        Some(b'(' | b')' | b'*' | b'+' | b'#' | b'%') if rest.len() > 1 && rest.as_bytes()[1].is_ascii() => &rest[2..],
        Some(b'0'..=b'~') => &rest[1..],
        _ => rest,
    }
}

/// What follows the parameters and the final byte of a control sequence.
fn after_parameters(rest: &str) -> &str {
    let parameters = rest.bytes().take(64).take_while(|b| (0x20..0x40).contains(b)).count();
    match rest.as_bytes().get(parameters) {
        Some(0x40..=0x7e) => &rest[parameters + 1..],
        _ => &rest[parameters..],
    }
}

/// The first `limit` characters, with an ellipsis in the place of the last if more were there.
#[must_use]
pub fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit || text.chars().nth(limit).is_none() {
        return Cow::Borrowed(text);
    }
    let kept = text.char_indices().nth(limit.saturating_sub(1)).map_or(text, |(at, _)| &text[..at]);
    Cow::Owned(format!("{kept}…"))
}

/// What parts the worst fault from what is behind it in the headline.
const BEHIND: &str = ". Root cause: ";

/// The headline's fault, and the root cause behind it if that is another.
#[must_use]
pub fn headline(headline: &str) -> (&str, &str) {
    headline.split_once(BEHIND).unwrap_or((headline, ""))
}

/// A role as people say it.
#[must_use]
pub fn role(word: &str) -> &'static str {
    match word {
        "root-cause" => "Root cause",
        "amplifier" => "Amplifier",
        "symptom" => "Symptom",
        "victim" => "Victim",
        _ => "Finding",
    }
}

/// What a rule could not look for want of: `slow-query needs spans: Spans of the database calls` as the rule and
/// `needs spans. Record: Spans of the database calls`. Other texts have no rule.
#[must_use]
pub fn missing(told: &str) -> (&str, String) {
    match told.split_once(" needs ") {
        Some((rule, rest)) if !rule.contains(' ') => (rule, format!("needs {}", rest.replacen(": ", ". Record: ", 1))),
        _ => ("", told.to_owned()),
    }
}

/// Words for the name of a measure: what its unit says already is left out.
#[must_use]
pub fn label(name: &str, unit: &str) -> String {
    let words = name.replace('_', " ");
    let said: &[&str] = match unit {
        _ if unit.starts_with("percent") => &[" percent"],
        "ms" | "s" | "ns" | "seconds" => &[" ms", " s", " seconds"],
        "MiB" | "KiB" | "bytes" => &[" mb", " mib", " bytes"],
        _ => &[],
    };
    let words = if words == "percent" { "share" } else { said.iter().find_map(|end| words.strip_suffix(end)).unwrap_or(&words) };
    words.split(' ').map(|word| if word == "p50" { "median" } else { word }).collect::<Vec<_>>().join(" ")
}

/// A measured value beside its label: `charges` is not said twice.
#[must_use]
pub fn value(name: &str, value: f64, unit: &str) -> String {
    let label = label(name, unit);
    let plain = !matches!(unit, "" | "%" | "percent" | "ms" | "s" | "seconds" | "minutes" | "hours" | "bytes" | "MiB");
    if plain && (label == unit || label.ends_with(&format!(" {unit}"))) { number(value) } else { measured(value, unit) }
}

/// Whether people need not be shown a measure: it says the same as another in a unit for machines.
#[must_use]
pub fn is_for_machines(name: &str) -> bool {
    name.ends_with("_minor_units")
}

/// The text with numbers and their units kept on one line.
#[must_use]
pub fn unbroken(text: &str) -> String {
    const UNITS: &[&str] = &["ms", "s", "min", "h", "d", "%", "B", "KiB", "MiB", "GiB", "ns"];
    let mut out = String::with_capacity(text.len() + 8);
    let mut after_number = false;
    for (at, word) in text.split(' ').enumerate() {
        if at > 0 {
            let plain = word.trim_end_matches([',', '.', ';', ':', ')']);
            out.push(if after_number && (UNITS.contains(&plain) || crate::model::amount::is_currency(plain)) { '\u{a0}' } else { ' ' });
        }
        out.push_str(word);
        after_number = word.ends_with(|c: char| c.is_ascii_digit());
    }
    out
}

/// Milliseconds since 1970 of an RFC 3339 time, if it is one.
#[must_use]
pub fn instant_ms(time: &str) -> Option<i64> {
    time.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// `2026-09-10 10:02:11`, with milliseconds if there are any.
#[must_use]
pub fn moment(ms: i64) -> String {
    stamp(ms, if ms.rem_euclid(1000) == 0 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S%.3f" })
}

/// The time of day alone: `10:02:11`.
#[must_use]
pub fn clock(ms: i64) -> String {
    stamp(ms, if ms.rem_euclid(1000) == 0 { "%H:%M:%S" } else { "%H:%M:%S%.3f" })
}

/// The time of day if both ends of a period are on one day, else with the date.
#[must_use]
pub fn within(ms: i64, (from, to): (i64, i64)) -> String {
    if date(from) == date(to) && date(ms) == date(from) { clock(ms) } else { moment(ms) }
}

/// The date alone: `2026-09-10`.
#[must_use]
pub fn date(ms: i64) -> String {
    stamp(ms, "%Y-%m-%d")
}

fn stamp(ms: i64, format: &str) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| "unknown".to_owned(), |at| at.strftime(format).to_string())
}

/// `2026-09-10 10:02:11 UTC` for a time as the report holds it; anything else stays as it is.
#[must_use]
pub fn time(text: &str) -> String {
    instant_ms(text).map_or_else(|| text.to_owned(), |ms| format!("{} UTC", moment(ms)))
}

/// `2026-09-10 10:02:11 to 10:14:03 UTC (11 min 52 s)`.
#[must_use]
pub fn period(start: &str, end: &str) -> String {
    let (Some(from), Some(to)) = (instant_ms(start), instant_ms(end)) else {
        return if start == end { start.to_owned() } else { format!("{start} to {end}") };
    };
    if from == to {
        return format!("{} UTC", moment(from));
    }
    let last = if date(from) == date(to) { clock(to) } else { moment(to) };
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let length = millis(to.saturating_sub(from) as f64);
    format!("{} to {last} UTC ({length})", moment(from))
}

/// A part of a text that may hold fenced code: explanations and remedies come from rule files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block<'t> {
    /// A paragraph.
    Words(&'t str),
    /// What stood between fences, and the word behind the opening one.
    Code {
        /// `yaml`; letters, digits and `+-` only.
        language: &'t str,
        /// Without the fences.
        body: &'t str,
    },
}

/// Takes a text apart into paragraphs (one a line) and fenced code.
#[must_use]
pub fn blocks(source: &str) -> Vec<Block<'_>> {
    let mut out = Vec::new();
    let mut rest = source;
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let fence = line.trim_start();
        if let Some(language) = fence.strip_prefix("```")
            && language.bytes().all(|b| b.is_ascii_alphanumeric() || b"+- ".contains(&b))
        {
            let end = after.find("\n```").map_or(after.len(), |at| at + 1);
            out.push(Block::Code { language: language.trim(), body: after[..end].trim_end_matches('\n') });
            rest = after[end..].split_once('\n').map_or("", |(_, next)| next);
            continue;
        }
        if !line.trim().is_empty() {
            out.push(Block::Words(line.trim()));
        }
        rest = after;
    }
    out
}

/// A piece of a paragraph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span<'t> {
    /// Words.
    Plain(&'t str),
    /// What stood between backticks.
    Code(&'t str),
}

/// Takes a paragraph apart into words and code between single backticks.
#[must_use]
pub fn spans(words: &str) -> Vec<Span<'_>> {
    let mut out = Vec::new();
    let mut rest = words;
    while let Some((before, after)) = rest.split_once('`') {
        let Some((inner, next)) = after.split_once('`').filter(|(inner, _)| !inner.is_empty()) else { break };
        if !before.is_empty() {
            out.push(Span::Plain(before));
        }
        out.push(Span::Code(inner));
        rest = next;
    }
    if !rest.is_empty() {
        out.push(Span::Plain(rest));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_reversals_are_taken_out() {
        assert_eq!(clean("a\u{1b}[31;1mred\u{1b}[0m b", Lines::Join), "ared b");
        assert_eq!(clean("x\u{1b}]0;title\u{7}y\u{1b}]8;;http://e\u{1b}\\z", Lines::Join), "xyz");
        assert_eq!(clean("\u{9b}2Jc\u{85}d\u{202e}e\u{2066}f\u{7}\u{0}", Lines::Join), "c def");
        assert_eq!(clean("one\r\n\ttwo\rthree", Lines::Keep), "one\n\ttwo\nthree");
        assert_eq!(clean("one\r\n\ttwo", Lines::Join), "one \ttwo");
        assert!(matches!(clean("größe 日本 ✓", Lines::Join), Cow::Borrowed(_)));
        for broken in ["\u{1b}", "\u{1b}[", "\u{1b}[31", "\u{1b}]x", "\u{1b}(", "\u{1b}(é", "\u{1b}é", "\u{9b}"] {
            assert!(!clean(broken, Lines::Keep).contains(['\u{1b}', '\u{9b}']), "{broken:?}");
        }
    }

    #[test]
    fn measures_are_named_once() {
        assert_eq!((label("pause_p50_ms", "ms").as_str(), value("pause_p50_ms", 7.0, "ms").as_str()), ("pause median", "7 ms"));
        assert_eq!((label("extra_attempts", "attempts").as_str(), value("extra_attempts", 1220.0, "attempts").as_str()), ("extra attempts", "1,220"));
        assert_eq!(
            (label("percent", "percent").as_str(), value("percent", 3.8, "percent").as_str(), value("minutes", 1.5, "minutes").as_str()),
            ("share", "3.8 %", "1 min 30 s")
        );
        assert_eq!(
            (label("timeout_percent", "percent of calls").as_str(), value("timeout_percent", 57.59, "percent of calls").as_str()),
            ("timeout", "57.6 % of calls")
        );
        assert_eq!(unbroken("take 3 s (17 ms), 5 EUR of 9 calls"), "take 3\u{a0}s (17\u{a0}ms), 5\u{a0}EUR of 9 calls");
    }

    #[test]
    fn code_is_found_in_text() {
        let all = blocks("Set this:\n```yaml\na: 1\n  b: 2\n```\n\nThen `go` on");
        assert_eq!(all, [Block::Words("Set this:"), Block::Code { language: "yaml", body: "a: 1\n  b: 2" }, Block::Words("Then `go` on")]);
        assert_eq!(blocks("```\nopen"), [Block::Code { language: "", body: "open" }]);
        assert_eq!(blocks("```a`b\nx"), [Block::Words("```a`b"), Block::Words("x")]);
        assert_eq!(spans("Then `go` on `"), [Span::Plain("Then "), Span::Code("go"), Span::Plain(" on `")]);
        assert_eq!(spans("```"), [Span::Plain("```")]);
    }

    #[test]
    fn periods_name_the_date_once() {
        assert_eq!(period("2026-09-10T10:02:11Z", "2026-09-10T10:14:03Z"), "2026-09-10 10:02:11 to 10:14:03 UTC (11 min 52 s)");
        assert_eq!(period("soon", "later"), "soon to later");
        assert_eq!(cut("größer", 4), "grö…");
        assert_eq!(cut("größ", 4), "größ");
    }
}
