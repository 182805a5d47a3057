//! A draft of a postmortem: what happened, what it did, why, how it is known, what to do, and what was not checked.
//!
//! Everything from the input is escaped, or fenced with a fence longer than any in it, so that it cannot become markup. The
//! parts only people can write (what went well, who does what by when) are not invented.

mod story;

use std::fmt::Write as _;

use crate::report::text;
use crate::report::{Finding, Quote, Report};

/// Rows of a table before the rest is counted.
const ROWS: usize = 60;

/// Findings told in full.
const FINDINGS: usize = 40;

/// The whole draft.
pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    let bundle = &report.bundle;
    let _ = writeln!(out, "# Postmortem draft: {}\n\n## Summary\n", escaped(report.heading()));
    let (headline, behind) = text::headline(&report.verdict.headline);
    let level = if report.verdict.level == "none" { "Clear" } else { &report.verdict.level };
    let _ = writeln!(out, "**{}**: {}\n", escaped(level), escaped(headline));
    if !behind.is_empty() {
        let _ = writeln!(out, "**Root cause**: {}\n", escaped(behind));
    }
    if let Some(window) = &bundle.window {
        let _ = writeln!(out, "- Evidence covers {}", escaped(&text::period(&window.start, &window.end)));
    }
    let _ = writeln!(
        out,
        "- Read: {}, {}, {}",
        text::counted(bundle.files, "file", "files"),
        text::bytes(bundle.bytes),
        text::counted(bundle.records, "record", "records")
    );
    let _ = writeln!(out, "- Bundle {}, rules {}", code(&bundle.digest), code(&report.tool.rules_digest));
    story::impact(report, &mut out);
    story::timeline(report, &mut out);
    story::causes(report, &mut out);
    story::contributing(report, &mut out);
    story::worked(report, &mut out);
    story::actions(report, &mut out);
    story::evidence(report, &mut out);
    findings(report, &mut out);
    not_checked(report, &mut out);
    coverage(report, &mut out);
    out
}

/// One finding as a section of its own, as the page's copy button gives it.
pub(super) fn finding(finding: &Finding, quotes: usize) -> String {
    let mut out = String::new();
    section(finding, quotes, "###", "", &mut out);
    out
}

fn findings(report: &Report, out: &mut String) {
    out.push_str("\n## Findings\n");
    if report.findings.is_empty() {
        out.push_str("\nNone.\n");
    }
    let shown = FINDINGS.min(report.show.findings);
    for (number, finding) in report.findings.iter().take(shown).enumerate() {
        out.push('\n');
        section(finding, report.show.quotes, "###", &format!("{}\\. ", number + 1), out);
    }
    left_out(report.findings.len(), shown, "findings", out);
}

fn section(finding: &Finding, quotes: usize, heading: &str, number: &str, out: &mut String) {
    let _ = writeln!(out, "{heading} {number}{}\n", escaped(&finding.title));
    let _ = writeln!(
        out,
        "{}, {} (confidence {}), score {} of 100, {}. {}\n",
        escaped(&finding.severity),
        escaped(&finding.belief),
        text::number(finding.confidence),
        text::number(finding.score),
        escaped(&finding.role),
        code(&finding.id)
    );
    let _ = writeln!(out, "{}\n", escaped(&finding.summary));
    if let Some(window) = &finding.window {
        let _ = writeln!(out, "When: {}\n", escaped(&text::period(&window.start, &window.end)));
    }
    paragraphs(&finding.explanation, "", out);
    if !finding.measures.is_empty() {
        out.push_str("| Measured | Value | Limit |\n|---|---:|---:|\n");
        for measure in finding.measures.iter().filter(|measure| !text::is_for_machines(&measure.name)) {
            let value = |value: f64| escaped(&text::value(&measure.name, value, &measure.unit));
            let limit = measure.limit.map_or_else(String::new, value);
            let _ = writeln!(out, "| {} | {} | {limit} |", escaped(&text::label(&measure.name, &measure.unit)), value(measure.value));
        }
        out.push('\n');
    }
    list("Looks alike:", finding.look_alikes.iter().map(|other| format!("{}: {}", escaped(&other.name), escaped(&other.outcome))), out);
    if !finding.evidence.is_empty() {
        let _ = writeln!(out, "**Evidence** ({} of {}):\n", finding.evidence.len().min(quotes), text::count(finding.evidence_total));
        finding.evidence.iter().take(quotes).for_each(|it| quote(it, out));
    }
    if !finding.remedy.is_empty() {
        out.push_str("**What to do:**\n\n");
        for (number, remedy) in finding.remedy.iter().enumerate() {
            let _ = write!(out, "{}. ", number + 1);
            paragraphs(remedy, "   ", out);
        }
    }
    list("To be surer next time, record:", finding.capture_next_time.iter().map(|it| escaped(it)), out);
    list("Caused by:", finding.caused_by.iter().map(|id| code(id)), out);
    list("Explains:", finding.explains.iter().map(|id| code(id)), out);
}

fn list(title: &str, items: impl Iterator<Item = String>, out: &mut String) {
    let mut items = items.peekable();
    if items.peek().is_some() {
        let _ = writeln!(out, "**{title}**\n");
        items.for_each(|item| {
            let _ = writeln!(out, "- {item}");
        });
        out.push('\n');
    }
}

fn quote(quote: &Quote, out: &mut String) {
    let about: Vec<String> = [quote.time.as_deref().map(text::time), quote.service.clone()].into_iter().flatten().map(|it| escaped(&it)).collect();
    let _ =
        write!(out, "{}, bytes {} to {}", code(&format!("{}:{}", quote.file, quote.line)), quote.offset, quote.offset.saturating_add(quote.length));
    if !about.is_empty() {
        let _ = write!(out, ", {}", about.join(", "));
    }
    if let Some(trace) = &quote.trace_id {
        let _ = write!(out, ", trace {}", code(trace));
    }
    if let Some(about) = &quote.about {
        let _ = write!(out, ", {}", escaped(about));
    }
    out.push_str("\n\n");
    fenced(&quote.excerpt, "text", "", out);
    out.push('\n');
}

/// One line of words, with code between backticks kept as code.
fn inline(source: &str) -> String {
    words(source, code)
}

/// As [`inline`], for a cell of a table, where a bar ends the cell even in code.
fn cell(source: &str) -> String {
    words(source, |inner| code(inner).replace('|', "\\|"))
}

fn words(source: &str, code: impl Fn(&str) -> String) -> String {
    let piece = |span: &text::Span<'_>| match span {
        text::Span::Plain(plain) => escaped_inner(plain),
        text::Span::Code(inner) => code(inner),
    };
    text::spans(source.trim()).iter().map(piece).collect()
}

/// Paragraphs with fenced code kept as code, each line after `indent`.
fn paragraphs(source: &str, indent: &str, out: &mut String) {
    for (at, block) in text::blocks(source).into_iter().enumerate() {
        if at > 0 {
            out.push_str(indent);
        }
        match block {
            text::Block::Words(words) => {
                out.push_str(&inline(words));
                out.push_str("\n\n");
            }
            text::Block::Code { language, body } => {
                if at == 0 {
                    out.push_str("\n\n");
                    out.push_str(indent);
                }
                fenced(body, language, indent, out);
                out.push('\n');
            }
        }
    }
    if source.trim().is_empty() && !indent.is_empty() {
        out.push('\n');
    }
}

fn not_checked(report: &Report, out: &mut String) {
    out.push_str("\n## Not checked\n\n");
    let mut any = false;
    for scenario in report.scenarios.iter().filter(|scenario| scenario.status == "cannot-tell") {
        any = true;
        let _ = writeln!(out, "- Scenario {}, {}", scenario.number, escaped(&scenario.name));
        for told in &scenario.missing {
            let (rule, needs) = text::missing(told);
            let _ = writeln!(out, "  - {} {}", code(rule), escaped(&needs));
        }
    }
    for rule in report.rules.iter().filter(|rule| rule.status == "failed") {
        any = true;
        let _ = writeln!(out, "- Rule {} failed: {}", code(&rule.id), escaped(rule.why.as_deref().unwrap_or("no reason given")));
    }
    if !any {
        out.push_str("Every scenario could be decided.\n");
    }
}

fn coverage(report: &Report, out: &mut String) {
    let coverage = &report.coverage;
    let all = coverage.understood_bytes.saturating_add(coverage.quarantined_bytes);
    let _ = writeln!(
        out,
        "\n## Coverage\n\n{} of {} understood, {} in quarantine.\n",
        text::share(coverage.understood_bytes, all),
        text::bytes(all),
        text::bytes(coverage.quarantined_bytes)
    );
    if !coverage.files.is_empty() {
        out.push_str("| File | Format | Size | Records | In quarantine |\n|---|---|---:|---:|---|\n");
        for file in coverage.files.iter().take(ROWS) {
            let reasons: Vec<_> = file
                .reasons
                .iter()
                .map(|it| format!("{} {}, first at byte {}", text::count(it.count), escaped(&it.reason), it.example_offset))
                .collect();
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} |",
                code(&file.path).replace('|', "\\|"),
                escaped(&file.format),
                text::bytes(file.bytes),
                text::count(file.records),
                reasons.join("; ")
            );
        }
        left_out(coverage.files.len(), ROWS, "files", out);
    }
}

fn left_out(all: usize, shown: usize, what: &str, out: &mut String) {
    if all > shown {
        let _ = writeln!(out, "\n{} more {what} are in the JSON report.", text::count((all - shown) as u64));
    }
}

/// Text that no Markdown reader takes for markup, in one line.
fn escaped(source: &str) -> String {
    escaped_inner(source.trim())
}

/// As [`escaped`], with the spaces at its ends.
fn escaped_inner(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 8);
    let mut last = ' ';
    for (at, c) in source.char_indices() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '$' | '!' | '{' | '}' | '@' => out.extend(['\\', c]),
            // Lists and underlined headings at the start of a line; addresses that would become links.
            '-' | '+' | '=' if at == 0 => out.extend(['\\', c]),
            '.' | ')' if source[..at].bytes().all(|b| b.is_ascii_digit()) && !source[at + 1..].starts_with(|c: char| c.is_ascii_digit()) => {
                out.extend(['\\', c])
            }
            ':' if source[at + 1..].starts_with("//") => out.push_str("\\:"),
            '.' if at >= 3 && source.as_bytes()[at - 3..at].eq_ignore_ascii_case(b"www") => out.push_str("\\."),
            c if c.is_whitespace() || c.is_control() => {
                if last != ' ' || at == 0 {
                    out.push(' ');
                }
                last = ' ';
                continue;
            }
            c => out.push(c),
        }
        last = c;
    }
    out
}

/// Inline code, with more backticks around it than there are in it.
fn code(source: &str) -> String {
    let line: String = source.chars().map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c }).collect();
    let fence = "`".repeat(longest_run(&line) + 1);
    if line.trim().is_empty() {
        String::new()
    } else if line.starts_with('`') || line.ends_with('`') || fence.len() > 1 {
        format!("{fence} {line} {fence}")
    } else {
        format!("{fence}{line}{fence}")
    }
}

/// A block of code, with a fence longer than any run of backticks in it.
fn fenced(body: &str, language: &str, indent: &str, out: &mut String) {
    let fence = "`".repeat((longest_run(body) + 1).max(3));
    let _ = writeln!(out, "{fence}{language}");
    for line in body.lines() {
        let _ = writeln!(out, "{indent}{line}");
    }
    let _ = writeln!(out, "{indent}{fence}");
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escaped("# **x** [a](b) <i>"), "\\# \\*\\*x\\*\\* \\[a\\](b) &lt;i&gt;");
        assert_eq!(escaped("- item"), "\\- item");
        assert_eq!(escaped("1. item"), "1\\. item");
        assert_eq!(escaped("a\n\n    b | c"), "a b \\| c");
        assert_eq!(escaped("see http://x www.y"), "see http\\://x www\\.y");
        assert_eq!(code("a`b``c"), "``` a`b``c ```");
        let mut out = String::new();
        fenced("x\n````\ny", "text", "", &mut out);
        assert_eq!(out, "`````text\nx\n````\ny\n`````\n");
    }

    #[test]
    fn the_draft_tells_the_whole_story() {
        let text = render(&example::rich());
        for part in [
            "# Postmortem draft",
            "## Impact",
            "## Timeline",
            "## Root cause",
            "## Summary",
            "## Contributing factors",
            "## What worked",
            "## Action items",
            "## Evidence",
            "## Findings",
            "**Evidence**",
            "**What to do:**",
            "## Not checked",
            "## Coverage",
            "`payments/app.log:4711`",
            "```yaml",
        ] {
            assert!(text.contains(part), "{part}");
        }
    }

    #[test]
    fn markup_of_the_input_stays_text() {
        let text = render(&example::hostile());
        let mut fence: Option<usize> = None;
        for line in text.lines() {
            let run = line.trim_start().bytes().take_while(|b| *b == b'`').count();
            match fence {
                Some(open) if run == open && line.trim_start().len() == run => fence = None,
                Some(_) => {}
                None if run >= 3 && !line.trim_start()[run..].contains('`') => fence = Some(run),
                None => assert!(!line.contains("<script") || line.contains("` "), "{line}"),
            }
        }
        assert_eq!(fence, None, "every fence is closed");
    }
}
