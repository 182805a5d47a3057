//! Sentences with gaps: `{name}` in a rule's texts is filled from a finding.
//!
//! ```text
//! "{service} called {peer} {attempts} times"      orders called payments 9 times
//! "waited {p95_ms:unit}"                          waited 1.25 s
//! "GET /orders/{{id}}"                            GET /orders/{id}
//! "will never go on[[; {stuck:unit} wait too]]"   will never go on
//! ```
//!
//! `{name}` is a measure's bare number in its own unit, a word, or a part of the subject (`service`, `peer`, `operation`,
//! `key`, `subject`); `{name:unit}` is a measure with its unit, scaled for reading. What the finding does not have is left
//! out. A clause in `[[...]]` is said only if all its gaps can be filled and no measure in it is 0. Between backticks numbers
//! stand as a configuration file wants them. What this file does not do: escape for HTML or a terminal; that is the report's.

use crate::model::amount::{is_currency, money};
pub use crate::model::amount::{measured as quantity, number};
use crate::model::finding::{Finding, Measure};
use crate::model::rule::{Rule, Texts};

/// A piece of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Gap {
        name: &'a str,
        unit: bool,
    },
    /// A clause begins or ends that may be left unsaid.
    Clause {
        begins: bool,
    },
}

/// The template with its gaps filled. A gap that cannot be filled is left out together with the space before it.
#[must_use]
pub fn say(template: &str, finding: &Finding) -> String {
    let Ok(pieces) = pieces(template) else { return template.to_owned() };
    let mut out = String::with_capacity(template.len() + 32);
    // Where the open clause begins, and whether there is something to say in it.
    let (mut dropped, mut clause, mut worth) = (false, None, true);
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Gap { name, unit } => match fill(name, unit, is_code(&out), finding) {
                Some(text) => {
                    dropped |= text.is_empty();
                    worth &= !is_nothing(name, finding);
                    out.push_str(&text);
                }
                None if clause.is_some() => worth = false,
                None => dropped = true,
            },
            Piece::Clause { begins: true } => (clause, worth) = (Some(out.len()), true),
            Piece::Clause { begins: false } => {
                if let Some(start) = clause.take()
                    && !worth
                {
                    out.truncate(start);
                }
            }
        }
    }
    // Code keeps its spaces.
    if dropped && !out.contains("```") { tidy(&out) } else { out }
}

/// The rule's texts for the finding, filled.
#[must_use]
pub fn spoken(rule: &Rule, finding: &Finding) -> Texts {
    let texts = rule.texts(&finding.kind);
    let all = |list: &[String]| list.iter().map(|text| say(text, finding)).collect();
    Texts {
        title: rule.title(&finding.kind).to_owned(),
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
    let mut missing = Vec::new();
    for template in templates {
        let mut optional = false;
        for piece in pieces(template).unwrap_or_default() {
            match piece {
                Piece::Clause { begins } => optional = begins,
                Piece::Gap { name, unit } if !optional && fill(name, unit, false, finding).is_none() => missing.push(name.to_owned()),
                _ => {}
            }
        }
    }
    missing
}

/// The names of a template's gaps.
///
/// # Errors
/// The braces are not in order: a sentence that says what is wrong.
pub fn gaps(template: &str) -> Result<Vec<&str>, String> {
    let gap = |piece| match piece {
        Piece::Gap { name, .. } => Some(name),
        Piece::Text(_) | Piece::Clause { .. } => None,
    };
    Ok(pieces(template)?.into_iter().filter_map(gap).collect())
}

/// Whether what follows a text is code: an odd number of fences or backticks stands before it.
fn is_code(before: &str) -> bool {
    let fences = before.matches("```").count();
    !fences.is_multiple_of(2) || !(before.matches('`').count() - 3 * fences).is_multiple_of(2)
}

fn is_nothing(name: &str, finding: &Finding) -> bool {
    finding.measures.iter().any(|measure| measure.name == name && measure.value == 0.0)
}

fn fill(name: &str, unit: bool, code: bool, finding: &Finding) -> Option<String> {
    if let Some(Measure { value, unit: of, .. }) = finding.measures.iter().find(|measure| measure.name == name) {
        return Some(match unit {
            _ if code => format!("{}", (value * 1e3).round() / 1e3),
            true => quantity(*value, of),
            false if is_currency(of) => money(*value),
            false => number(*value),
        });
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
    let mut open = false;
    while let Some(at) = next_mark(rest, open) {
        let (before, brace) = rest.split_at(at);
        out.push(Piece::Text(before));
        if brace.starts_with(['[', ']']) {
            open = brace.starts_with('[');
            out.push(Piece::Clause { begins: open });
            rest = &brace[2..];
            continue;
        }
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
    if open {
        return Err("`[[` without `]]`".to_owned());
    }
    out.push(Piece::Text(rest));
    Ok(out)
}

/// Where the next brace is, or the next border of a clause: clauses do not hold clauses.
fn next_mark(rest: &str, open: bool) -> Option<usize> {
    let border = rest.find(if open { "]]" } else { "[[" });
    let brace = rest.find(['{', '}']);
    match (border, brace) {
        (Some(border), Some(brace)) => Some(border.min(brace)),
        (border, brace) => border.or(brace),
    }
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
        assert_eq!(say("{subject}: {p95_ms} ms, that is {p95_ms:unit}"), "orders / payments: 1,250 ms, that is 1.25 s");
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
    fn a_clause_that_says_nothing_is_left_out() {
        let mut finding = finding();
        finding.measure("stuck", 0.0, "threads").measure("late", 1.0, "threads");
        let say = |template| say(template, &finding);
        assert_eq!(say("{service} stands[[; {stuck:unit} wait too]][[; {late:unit} came late]]."), "orders stands; 1 thread came late.");
        assert_eq!(say("{service} stands[[ since {nothing}]], {stuck} wait"), "orders stands, 0 wait");
        assert_eq!(gaps("a [[b {c}]] d"), Ok(vec!["c"]));
        assert_eq!(gaps("a [[b {c}").unwrap_err(), "`[[` without `]]`");
    }

    #[test]
    fn numbers_in_code_are_written_for_machines() {
        let mut finding = finding();
        finding.measure("longest_ms", 30_500.0, "ms").measure("amount", 17_494.2, "EUR");
        let text = "{longest_ms:unit} `max: {longest_ms}` {amount}\n```yaml\nmax: {longest_ms:unit}\n```\nuntil {longest_ms}";
        assert_eq!(say(text, &finding), "30.5 s `max: 30500` 17,494.20\n```yaml\nmax: 30500\n```\nuntil 30,500");
    }
}
