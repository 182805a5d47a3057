//! The report in brief, for the terminal that started the run.
//!
//! Verdict, faults in their order with the first quote and the first remedy, remarks in a line or two, then what was checked
//! and what was read: one screen. No line is wider than asked for; colour only repeats what words say. Text is cleaned here
//! once more: an escape sequence in a log must not reach a terminal even if a caller forgot to clean the report.

use std::fmt::Write as _;

use crate::report::text::{self, Lines};
use crate::report::{Finding, Report};

/// Findings shown, and faults shown in full.
const FINDINGS: usize = 10;
const FULL: usize = 5;

/// The brief. Lines are at most `width` columns, though never narrower than forty.
pub(super) fn render(report: &Report, colour: bool, width: usize) -> String {
    let mut page = Page { out: String::new(), colour, width: width.max(40), now: Paint::Plain };
    page.verdict(report);
    let shown = FINDINGS.min(report.show.findings);
    let (mut full, mut brief) = (0, false);
    for (number, finding) in report.findings.iter().take(shown).enumerate() {
        if finding.is_loud() && full < FULL {
            (full, brief) = (full + 1, false);
            page.finding(number + 1, finding);
        } else {
            if !brief {
                page.out.push('\n');
            }
            brief = true;
            page.remark(number + 1, finding);
        }
    }
    if report.findings.len() > shown {
        page.out.push('\n');
        let more = report.findings.len() - shown;
        page.paragraph("  ", "  ", &[(&format!("{} in the full report", text::counted(more as u64, "more finding", "more findings")), Paint::Dim)]);
    }
    page.checked(report);
    page.out
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paint {
    Plain,
    Bold,
    Dim,
    Severity(u8),
}

impl Paint {
    /// Parameters of the escape sequence: colours that stay apart for people who do not see red and green.
    fn code(self) -> &'static str {
        match self {
            Paint::Plain => "",
            Paint::Bold => "1",
            Paint::Dim => "2",
            Paint::Severity(4) => "1;31",
            Paint::Severity(3) => "1;33",
            Paint::Severity(2) => "33",
            Paint::Severity(1) => "36",
            Paint::Severity(_) => "2",
        }
    }
}

fn severity(word: &str) -> Paint {
    Paint::Severity(match word {
        "critical" => 4,
        "high" => 3,
        "medium" => 2,
        "low" => 1,
        _ => 0,
    })
}

struct Page {
    out: String,
    colour: bool,
    width: usize,
    /// Colour of what was written last.
    now: Paint,
}

impl Page {
    fn verdict(&mut self, report: &Report) {
        let level = &report.verdict.level;
        let word = if level == "none" { "CLEAR".to_owned() } else { level.to_uppercase() };
        self.paragraph("", "  ", &[(&word, severity(level)), (text::headline(&report.verdict.headline).0, Paint::Bold)]);
        let Some(root) = &report.root_cause else { return };
        let chain: Vec<&str> =
            root.chain.iter().map(|id| report.findings.iter().find(|f| f.id == *id).map_or(id.as_str(), |f| f.rule.as_str())).collect();
        let service = root.service.as_deref().unwrap_or("unknown");
        self.paragraph("  ", "    ", &[("root cause:", Paint::Dim), (service, Paint::Bold), (&format!("({})", chain.join(" -> ")), Paint::Plain)]);
    }

    fn finding(&mut self, number: usize, finding: &Finding) {
        self.out.push('\n');
        let first = format!("{number:>2}  {:<8}  ", text::cut(&finding.severity, 8));
        let indent = " ".repeat(first.chars().count());
        let facts = format!("{}, {}, score {:.0}, confidence {:.0} %", finding.role, finding.belief, finding.score, finding.confidence * 100.0);
        self.heading(&first, &indent, finding, &finding.title);
        self.paragraph(&indent, &indent, &[(&facts, Paint::Dim)]);
        self.paragraph(&indent, &indent, &[(&finding.summary, Paint::Plain)]);
        if let Some(quote) = finding.evidence.first() {
            let more = finding.evidence_total.saturating_sub(1);
            let more = if more > 0 { format!("and {} more", text::count(more)) } else { String::new() };
            self.paragraph(
                &indent,
                &format!("{indent}  "),
                &[("at", Paint::Dim), (&format!("{}:{}", quote.file, quote.line), Paint::Plain), (&more, Paint::Dim)],
            );
        }
        if let Some(remedy) = finding.remedy.first().and_then(|remedy| remedy.lines().next()) {
            self.paragraph(&indent, &format!("{indent}  "), &[("do", Paint::Dim), (&remedy.replace('`', ""), Paint::Plain)]);
        }
    }

    /// A finding in brief.
    fn remark(&mut self, number: usize, finding: &Finding) {
        let first = format!("{number:>2}  {:<8}  ", text::cut(&finding.severity, 8));
        self.heading(&first, &" ".repeat(first.chars().count()), finding, &finding.summary);
    }

    /// Number and severity in their columns, then the title.
    fn heading(&mut self, first: &str, indent: &str, finding: &Finding, words: &str) {
        // Not where the words name it already.
        let named = |service: &&str| words.split(|c: char| c.is_whitespace() || matches!(c, ',' | ':' | ';')).any(|word| word == *service);
        let about = finding.subject.service.as_deref().filter(|service| !named(service)).map_or_else(String::new, |service| format!("[{service}]"));
        let start = self.out.len();
        self.paragraph(first, indent, &[(words, if words == finding.title { Paint::Bold } else { Paint::Plain }), (&about, Paint::Dim)]);
        if self.colour {
            // The columns hold only our own words' widths, so the escape goes around the bytes of the first column.
            let painted = format!("\u{1b}[{}m{}\u{1b}[0m", severity(&finding.severity).code(), clean(first));
            self.out.replace_range(start..start + clean(first).len(), &painted);
        }
    }

    fn checked(&mut self, report: &Report) {
        self.out.push('\n');
        let count = |status: &str| report.scenarios.iter().filter(|scenario| scenario.status == status).count();
        let states: Vec<String> = ["confirmed", "likely", "possible", "clear", "cannot-tell"]
            .iter()
            .filter(|s| count(s) > 0)
            .map(|s| format!("{} {}", count(s), s.replace('-', " ")))
            .collect();
        if !states.is_empty() {
            self.paragraph("  ", "              ", &[("scenarios  ", Paint::Dim), (&states.join(", "), Paint::Plain)]);
        }
        let failed: Vec<&str> = report.rules.iter().filter(|rule| rule.status == "failed").map(|rule| rule.id.as_str()).collect();
        if !failed.is_empty() {
            self.paragraph("  ", "              ", &[("failed     ", Paint::Dim), (&format!("rules {}", failed.join(", ")), Paint::Severity(3))]);
        }
        let (coverage, bundle) = (&report.coverage, &report.bundle);
        let all = coverage.understood_bytes.saturating_add(coverage.quarantined_bytes);
        let unread = coverage.files.iter().filter(|file| file.format == "unrecognised").count();
        let mut read = format!(
            "{} of {} understood, {} in {}",
            text::share(coverage.understood_bytes, all),
            text::bytes(all),
            text::counted(bundle.records, "record", "records"),
            text::counted(bundle.files, "file", "files")
        );
        if report.traces.traces > 0 {
            let _ = write!(read, ", {}", text::counted(report.traces.traces, "trace", "traces"));
        }
        if unread > 0 {
            let _ = write!(read, ", {} not recognised", text::counted(unread as u64, "file", "files"));
        }
        self.paragraph("  ", "              ", &[("coverage   ", Paint::Dim), (&read, Paint::Plain)]);
    }

    /// Words of several colours, wrapped: the first line after `first`, the others after `indent`.
    fn paragraph(&mut self, first: &str, indent: &str, parts: &[(&str, Paint)]) {
        let (first, indent) = (clean(first), clean(indent));
        self.out.push_str(&first);
        let mut used = columns(&first);
        let start = used;
        let mut empty = true;
        for (part, paint) in parts {
            let kept = if part.ends_with("  ") { part.len() - part.trim_end().len() - 1 } else { 0 };
            for word in clean(part).split_whitespace() {
                let mut word = word;
                while !word.is_empty() {
                    let gap = usize::from(!empty);
                    let room = self.width.saturating_sub(used + gap);
                    if columns(word) > room && (!empty || used > columns(&indent).max(start)) {
                        self.break_line(&indent, &mut used, &mut empty);
                        continue;
                    }
                    let end = fitting(word, room.max(1));
                    let (head, tail) = word.split_at(end);
                    if gap > 0 {
                        // A gap between words of one colour belongs to them.
                        if self.now != *paint {
                            self.paint(Paint::Plain);
                        }
                        self.out.push(' ');
                    }
                    self.paint(*paint);
                    self.out.push_str(head);
                    used += gap + columns(head);
                    empty = false;
                    word = tail;
                    if !word.is_empty() {
                        self.break_line(&indent, &mut used, &mut empty);
                    }
                }
            }
            if kept > 0 && used + kept < self.width {
                self.paint(Paint::Plain);
                self.out.push_str(&" ".repeat(kept));
                used += kept;
            }
        }
        self.paint(Paint::Plain);
        self.out.push('\n');
    }

    fn break_line(&mut self, indent: &str, used: &mut usize, empty: &mut bool) {
        self.paint(Paint::Plain);
        self.out.push('\n');
        self.out.push_str(indent);
        *used = columns(indent);
        *empty = true;
    }

    /// Changes the colour of what follows. Nothing is written if it has that colour already.
    fn paint(&mut self, paint: Paint) {
        if !self.colour || self.now == paint {
            return;
        }
        if self.now != Paint::Plain {
            self.out.push_str("\u{1b}[0m");
        }
        if paint != Paint::Plain {
            let _ = write!(self.out, "\u{1b}[{}m", paint.code());
        }
        self.now = paint;
    }
}

fn clean(source: &str) -> String {
    text::clean(source, Lines::Join).replace('\t', " ")
}

/// Bytes of a word that fit into some columns; at least one character.
fn fitting(word: &str, room: usize) -> usize {
    let mut used = 0;
    for (at, c) in word.char_indices() {
        used += width_of(c);
        if used > room && at > 0 {
            return at;
        }
    }
    word.len()
}

fn columns(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

/// Columns of a character: two for East Asian wide characters and emoji, none for combining marks, else one.
fn width_of(c: char) -> usize {
    match c as u32 {
        0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5bd | 0x20d0..=0x20ff | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f => 0,
        0x1100..=0x115f
        | 0x2329..=0x232a
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    #[test]
    fn no_line_is_too_wide() {
        let mut report = example::hostile();
        report.findings[0].summary = format!("{} {}", "日本語のログ".repeat(30), "/a/very/long/path".repeat(20));
        for width in [40, 41, 63, 80, 120, 200] {
            let text = render(&report, false, width);
            assert!(!text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']));
            for line in text.lines() {
                assert!(columns(line) <= width, "{width}: {line}");
            }
            let painted = render(&report, true, width);
            assert_eq!(text::clean(&painted, Lines::Keep), text, "colour adds only colour");
        }
    }

    #[test]
    fn it_says_what_matters() {
        let text = render(&example::rich(), false, 100);
        assert!(text.starts_with("CRITICAL Payments were charged twice 37 times"), "{text}");
        for part in [
            "root cause: provider",
            " 1  critical  Customers are charged more than once [payments]",
            "at payments/app.log:5100 and 73 more",
            "scenarios",
            "4 confirmed",
            "99.5 %",
            "stale-cache-read",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn an_empty_report_is_still_a_statement() {
        let report = Report { verdict: example::calm(), ..Report::default() };
        assert!(render(&report, false, 80).starts_with("CLEAR Nothing found"));
    }
}
