//! Words and numbers as people read them, and text made harmless for every output.
//!
//! Numbers get thousands separators and no more digits than anybody uses; times are UTC. [`clean`] takes out whatever
//! could move a cursor, ring a bell or reverse the reading direction. Escaping is not done here: each output has its own.

use std::borrow::Cow;
use std::fmt::Write as _;

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

/// `1,234,567`.
#[must_use]
pub fn count(value: u64) -> String {
    grouped(&value.to_string())
}

/// `1 call`, `1,200 calls`.
#[must_use]
pub fn counted(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

/// A number with no more digits than are read: `1,846.3`, `0.0412`, `5,010`.
#[must_use]
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    let size = value.abs();
    let decimals = match size {
        s if s >= 1e15 => return format!("{value:.3e}"),
        s if s >= 1000.0 || s == 0.0 => 0,
        s if s >= 100.0 => 1,
        s if s >= 1.0 => 2,
        s if s >= 0.001 => 4,
        _ => return format!("{value:.2e}"),
    };
    let text = format!("{value:.decimals$}");
    let trimmed = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    grouped(trimmed)
}

/// A measured value with its unit: `37 charges`, `1,846.30 EUR`, `2.1 s`, `1.2 MiB`, `7.5 %`.
#[must_use]
pub fn measured(value: f64, unit: &str) -> String {
    match unit {
        "ms" | "milliseconds" => millis(value),
        "s" | "seconds" => millis(value * 1000.0),
        "bytes" | "B" => bytes_f(value),
        "%" | "percent" => format!("{} %", number(value)),
        "" | "1" | "ratio" => number(value),
        _ if unit.len() == 3 && unit.bytes().all(|b| b.is_ascii_uppercase()) => format!("{} {unit}", money(value)),
        _ => match unit.strip_prefix("percent of ") {
            Some(whole) => format!("{} % of {whole}", number(value)),
            None => format!("{} {unit}", number(value)),
        },
    }
}

fn money(value: f64) -> String {
    if value.is_finite() && value.abs() < 1e15 { grouped(&format!("{value:.2}")) } else { number(value) }
}

/// A length of time: `0.4 ms`, `812 ms`, `2.1 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
#[must_use]
pub fn millis(value: f64) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    if value < 0.0 {
        return format!("-{}", millis(-value));
    }
    let pair = |unit: f64, big: &str, small_unit: f64, small: &str| {
        let total = (value / small_unit).round();
        let per = unit / small_unit;
        let (whole, part) = ((total / per).floor(), total % per);
        if part == 0.0 { format!("{} {big}", number(whole)) } else { format!("{} {big} {part:.0} {small}", number(whole)) }
    };
    match value {
        v if v == 0.0 || (99.5..999.5).contains(&v) => format!("{v:.0} ms"),
        v if v < 99.5 => format!("{} ms", trimmed(v, if v < 1.0 { 3 } else { 1 })),
        v if v < 59_950.0 => format!("{} s", trimmed(v / 1000.0, if v < 9_995.0 { 2 } else { 1 })),
        v if v < 3_599_500.0 => pair(60_000.0, "min", 1000.0, "s"),
        v if v < 86_370_000.0 => pair(3_600_000.0, "h", 60_000.0, "min"),
        _ => pair(86_400_000.0, "d", 3_600_000.0, "h"),
    }
}

/// `512 B`, `1.2 MiB`.
#[must_use]
pub fn bytes(value: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    bytes_f(value as f64)
}

/// As [`bytes`], for measured values.
#[must_use]
pub fn bytes_f(value: f64) -> String {
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    let mut size = value.abs();
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if size < 1023.5 {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{} {unit}", trimmed(size, if size < 10.0 && unit != "B" { 2 } else { usize::from(size < 100.0 && unit != "B") }))
}

/// A part of a whole in percent: `7.5 %`, `< 0.1 %`, and never `100 %` or `0 %` unless it is all or nothing.
#[must_use]
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 || part == 0 {
        return "0 %".to_owned();
    }
    if part >= whole {
        return "100 %".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let percent = part as f64 / whole as f64 * 100.0;
    match percent {
        p if p < 0.1 => "< 0.1 %".to_owned(),
        p if p > 99.9 => "> 99.9 %".to_owned(),
        p => format!("{} %", trimmed(p, if (10.0..90.0).contains(&p) { 0 } else { 1 })),
    }
}

fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn grouped(text: &str) -> String {
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, part) = text.split_once('.').map_or((text, None), |(whole, part)| (whole, Some(part)));
    let mut out = String::with_capacity(text.len() + text.len() / 3 + 1);
    out.push_str(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(part) = part {
        let _ = write!(out, ".{part}");
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
    fn numbers_read_well() {
        let cases = [(0.0, "0"), (37.0, "37"), (1234567.0, "1,234,567"), (1846.3, "1,846"), (14.126, "14.13"), (0.93, "0.93"), (-1200.0, "-1,200")];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(number(f64::NAN), "unknown");
        assert_eq!(measured(1846.3, "EUR"), "1,846.30 EUR");
        assert_eq!(measured(2100.0, "ms"), "2.1 s");
        assert_eq!(measured(37.0, "charges"), "37 charges");
        assert_eq!(measured(57.59, "percent of calls"), "57.59 % of calls");
        assert_eq!(bytes(1_258_291), "1.2 MiB");
        assert_eq!(bytes(900), "900 B");
    }

    #[test]
    fn lengths_of_time_read_well() {
        let cases = [
            (0.0, "0 ms"),
            (0.4, "0.4 ms"),
            (12.34, "12.3 ms"),
            (812.4, "812 ms"),
            (999.7, "1 s"),
            (2100.0, "2.1 s"),
            (59_960.0, "1 min"),
            (712_000.0, "11 min 52 s"),
            (7_500_000.0, "2 h 5 min"),
            (273_600_000.0, "3 d 4 h"),
            (-5.0, "-5 ms"),
        ];
        for (value, text) in cases {
            assert_eq!(millis(value), text);
        }
    }

    #[test]
    fn a_share_is_never_rounded_to_all_or_nothing() {
        assert_eq!(share(1, 1_000_000), "< 0.1 %");
        assert_eq!(share(999_999, 1_000_000), "> 99.9 %");
        assert_eq!(share(90, 1200), "7.5 %");
        assert_eq!(share(5, 0), "0 %");
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
