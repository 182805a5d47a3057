//! Sentences with gaps: `{name}` in a rule's texts is filled from a finding.
//!
//! ```text
//! "{service} called {peer} {attempts} times"      orders called payments 9 times
//! "waited {p95_ms:unit}"                          waited 1.25 s
//! "GET /orders/{{id}}"                            GET /orders/{id}
//! ```
//!
//! `{name}` is a measure's bare number in its own unit, a word, or a part of the subject (`service`, `peer`, `operation`,
//! `key`, `subject`); `{name:unit}` is a measure with its unit, scaled for reading. What the finding does not have is left
//! out. What this file does not do: escape for HTML or a terminal; that is the report's.

use crate::model::finding::{Finding, Measure};
use crate::model::rule::{Rule, Texts};

/// A piece of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Gap { name: &'a str, unit: bool },
}

/// The template with its gaps filled. A gap that cannot be filled is left out together with the space before it.
#[must_use]
pub fn say(template: &str, finding: &Finding) -> String {
    let Ok(pieces) = pieces(template) else { return template.to_owned() };
    let mut out = String::with_capacity(template.len() + 32);
    let mut dropped = false;
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Gap { name, unit } => match fill(name, unit, finding) {
                Some(text) => out.push_str(&text),
                None => dropped = true,
            },
        }
    }
    if dropped { tidy(&out) } else { out }
}

/// The rule's texts for the finding, filled.
#[must_use]
pub fn spoken(rule: &Rule, finding: &Finding) -> Texts {
    let texts = rule.texts(&finding.kind);
    let all = |list: &[String]| list.iter().map(|text| say(text, finding)).collect();
    Texts {
        what: say(&texts.what, finding),
        why: say(&texts.why, finding),
        fix: all(&texts.fix),
        false_alarms: all(&texts.false_alarms),
        links: texts.links,
    }
}

/// Names in the rule's texts for this finding that it cannot fill. A detector's test asks that there are none.
#[must_use]
pub fn unfilled(rule: &Rule, finding: &Finding) -> Vec<String> {
    let texts = rule.texts(&finding.kind);
    let templates = [&texts.what, &texts.why].into_iter().chain(&texts.fix).chain(&texts.false_alarms);
    let missing = templates.flat_map(|template| pieces(template).unwrap_or_default()).filter_map(|piece| match piece {
        Piece::Gap { name, unit } if fill(name, unit, finding).is_none() => Some(name.to_owned()),
        _ => None,
    });
    missing.collect()
}

/// The names of a template's gaps.
///
/// # Errors
/// The braces are not in order: a sentence that says what is wrong.
pub fn gaps(template: &str) -> Result<Vec<&str>, String> {
    let gap = |piece| match piece {
        Piece::Gap { name, .. } => Some(name),
        Piece::Text(_) => None,
    };
    Ok(pieces(template)?.into_iter().filter_map(gap).collect())
}

/// A number as people write it: no fraction if it is whole, else up to two digits, more only if it would read as zero.
#[must_use]
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "an unknown number".to_owned();
    }
    let digits = if value != 0.0 && value.abs() < 0.005 { (-value.abs().log10()).ceil().min(9.0) as usize } else { 2 };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A number with its unit: milliseconds and seconds as what they amount to, bytes in binary steps, percent with a space.
#[must_use]
pub fn quantity(value: f64, unit: &str) -> String {
    let size = value.abs();
    match unit {
        "" => number(value),
        "percent" => format!("{} %", number(value)),
        "ns" if size >= 1e3 => quantity(value / 1e6, "ms"),
        "ms" if size >= 1e3 => quantity(value / 1e3, "s"),
        "s" if size >= 5_400.0 => format!("{} h", number(value / 3_600.0)),
        "s" if size >= 120.0 => format!("{} min", number(value / 60.0)),
        // Nobody reads hundredths behind a hundred.
        "ms" | "s" if size >= 100.0 => format!("{value:.0} {unit}"),
        "ms" | "s" if size >= 10.0 => format!("{} {unit}", number((value * 10.0).round() / 10.0)),
        "bytes" if size >= 1_073_741_824.0 => format!("{} GiB", number(value / 1_073_741_824.0)),
        "bytes" if size >= 1_048_576.0 => format!("{} MiB", number(value / 1_048_576.0)),
        "bytes" if size >= 1_024.0 => format!("{} KiB", number(value / 1_024.0)),
        _ => match unit.strip_prefix("percent of ") {
            Some(whole) => format!("{} % of {whole}", number(value)),
            None => format!("{} {unit}", number(value)),
        },
    }
}

fn fill(name: &str, unit: bool, finding: &Finding) -> Option<String> {
    if let Some(Measure { value, unit: of, .. }) = finding.measures.iter().find(|measure| measure.name == name) {
        return Some(if unit { quantity(*value, of) } else { number(*value) });
    }
    if let Some(word) = finding.words.get(name) {
        return Some(word.clone());
    }
    let part = match name {
        "service" if finding.subject.service.is_empty() => "the service".to_owned(),
        "service" => finding.subject.service.clone(),
        "peer" => finding.subject.peer.clone(),
        "operation" => finding.subject.operation.clone(),
        "key" => finding.subject.key.clone(),
        "subject" => finding.subject.to_string(),
        _ => String::new(),
    };
    Some(part).filter(|part| !part.is_empty())
}

fn pieces(template: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        out.push(Piece::Text(before));
        if let Some(after) = brace.strip_prefix("{{") {
            out.push(Piece::Text("{"));
            rest = after;
        } else if let Some(after) = brace.strip_prefix("}}") {
            out.push(Piece::Text("}"));
            rest = after;
        } else if let Some(inner) = brace.strip_prefix('{') {
            let (gap, after) =
                inner.split_once('}').ok_or_else(|| format!("`{{` without `}}` before \"{}\"; write `{{{{` for a brace", excerpt(inner)))?;
            out.push(piece(gap)?);
            rest = after;
        } else {
            return Err(format!("`}}` without `{{` after \"{}\"; write `}}}}` for a brace", excerpt(before)));
        }
    }
    out.push(Piece::Text(rest));
    Ok(out)
}

fn piece(gap: &str) -> Result<Piece<'_>, String> {
    let (name, unit) = match gap.split_once(':') {
        Some((name, "unit")) => (name, true),
        Some((_, other)) => return Err(format!("`{{{gap}}}`: only `unit` may follow the colon, not `{other}`")),
        None => (gap, false),
    };
    let well_formed = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'));
    if well_formed { Ok(Piece::Gap { name, unit }) } else { Err(format!("`{{{gap}}}` is no name in lower case; write `{{{{` and `}}}}` for braces")) }
}

fn excerpt(text: &str) -> String {
    text.chars().take(20).collect()
}

/// Removes what a missing word leaves behind: empty brackets, doubled spaces, spaces before punctuation.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for part in text.replace("()", "").replace("\"\"", "").replace("``", "").split(' ').filter(|part| !part.is_empty()) {
        if !out.is_empty() && !part.starts_with([',', '.', ';', ':', ')']) {
            out.push(' ');
        }
        out.push_str(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::Subject;
    use crate::model::time::Window;

    fn finding() -> Finding {
        let subject = Subject { service: "orders".to_owned(), peer: "payments".to_owned(), ..Subject::default() };
        let mut finding = Finding::new("retry-storm", subject, Window::default());
        finding.measure("attempts", 9.0, "attempts per call").measure("p95_ms", 1_250.0, "ms").word("pattern", "exponential");
        finding
    }

    #[test]
    fn gaps_are_filled() {
        let say = |template| say(template, &finding());
        assert_eq!(say("{service} called {peer} {attempts} times ({pattern})"), "orders called payments 9 times (exponential)");
        assert_eq!(say("{subject}: {p95_ms} ms, that is {p95_ms:unit}"), "orders / payments: 1250 ms, that is 1.25 s");
        assert_eq!(say("{attempts:unit} on GET /orders/{{id}}"), "9 attempts per call on GET /orders/{id}");
    }

    #[test]
    fn what_is_missing_leaves_a_readable_sentence() {
        assert_eq!(say("{service} waited {nothing}, then failed ({operation}).", &finding()), "orders waited, then failed.");
    }

    #[test]
    fn braces_out_of_order_are_told() {
        let why = |template| gaps(template).unwrap_err();
        assert_eq!(why("a {b"), "`{` without `}` before \"b\"; write `{{` for a brace");
        assert_eq!(why("a} b"), "`}` without `{` after \"a\"; write `}}` for a brace");
        assert_eq!(why("{a:ms}"), "`{a:ms}`: only `unit` may follow the colon, not `ms`");
        assert_eq!(why("{A b}"), "`{A b}` is no name in lower case; write `{{` and `}}` for braces");
        assert_eq!(gaps("{a} {b_2:unit} {{c}}"), Ok(vec!["a", "b_2"]));
    }

    #[test]
    fn numbers_read_well() {
        let all = [3.0, 1_234_567.0, 2.5, 0.126, 0.000_42, -0.0, 99.999, f64::NAN].map(number);
        assert_eq!(all, ["3", "1234567", "2.5", "0.13", "0.0004", "0", "100", "an unknown number"]);
        let all =
            [(999.0, "ms"), (30_000.0, "ms"), (600_000.0, "ms"), (7_200.0, "s"), (2_500_000.0, "ns"), (800.0, "ns")].map(|(v, u)| quantity(v, u));
        assert_eq!(all, ["999 ms", "30 s", "10 min", "2 h", "2.5 ms", "800 ns"]);
        let all = [(512.0, "bytes"), (1_536.0, "bytes"), (5_242_880.0, "bytes"), (37.5, "percent"), (2.0, "percent of bytes"), (4.0, "")];
        assert_eq!(all.map(|(v, u)| quantity(v, u)), ["512 bytes", "1.5 KiB", "5 MiB", "37.5 %", "2 % of bytes", "4"]);
    }
}
