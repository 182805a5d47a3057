//! Rules as JUnit test cases, for pipelines that show a run over nightly logs as they show tests.
//!
//! A rule that found something of severity medium or above has failed, one that could not look is skipped, one that broke
//! is an error. What this file does not do: decide about the exit status; that is `--fail-on`.

use crate::report::{Finding, Report, text};
use askama::Template;

#[derive(Template)]
#[template(path = "junit.xml", config = "src/report/askama.toml")]
struct Suite {
    bundle: String,
    failures: usize,
    errors: usize,
    skipped: usize,
    cases: Vec<Case>,
}

struct Case {
    class: String,
    rule: String,
    missing: Option<String>,
    broken: Option<String>,
    failures: Vec<Failure>,
    remarks: String,
}

struct Failure {
    severity: String,
    summary: String,
    text: String,
}

/// One suite with a case for each rule.
pub(super) fn render(report: &Report) -> String {
    let cases: Vec<Case> = report
        .rules
        .iter()
        .map(|rule| {
            let found = report.findings.iter().filter(|finding| finding.rule == rule.id);
            let (loud, quiet): (Vec<&Finding>, Vec<&Finding>) = found.partition(|finding| finding.is_loud());
            let scenario = loud.first().or(quiet.first()).and_then(|finding| finding.scenario);
            Case {
                class: scenario.map_or_else(|| "analyze".to_owned(), |number| format!("analyze.scenario-{number}")),
                rule: rule.id.clone(),
                missing: (rule.status == "not-applicable").then(|| format!("needs {}", rule.missing.join(", "))),
                broken: rule.why.clone(),
                failures: loud.into_iter().map(failure).collect(),
                remarks: quiet.into_iter().map(|finding| finding.summary.clone()).collect::<Vec<_>>().join("\n"),
            }
        })
        .collect();
    let suite = Suite {
        bundle: report.bundle.name.clone(),
        failures: cases.iter().filter(|case| !case.failures.is_empty()).count(),
        errors: cases.iter().filter(|case| case.broken.is_some()).count(),
        skipped: cases.iter().filter(|case| case.missing.is_some()).count(),
        cases,
    };
    let mut out = suite.render().unwrap_or_default();
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

fn failure(finding: &Finding) -> Failure {
    let mut lines = vec![format!("{} ({}, {})", finding.title, finding.role, finding.belief)];
    lines.extend(finding.window.as_ref().map(|window| text::period(&window.start, &window.end)));
    lines.extend(finding.evidence.iter().map(|quote| format!("{}:{}: {}", quote.file, quote.line, quote.excerpt)));
    lines.extend(finding.remedy.iter().map(|remedy| format!("do: {remedy}")));
    Failure { severity: finding.severity.clone(), summary: finding.summary.clone(), text: lines.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    #[test]
    fn rules_are_cases_and_findings_failures() {
        let report = example::rich();
        let xml = render(&report);
        assert!(xml.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name="), "{xml}");
        assert_eq!(xml.matches("<testcase ").count(), report.rules.len());
        let loud = report.findings.iter().filter(|finding| finding.is_loud() && report.rules.iter().any(|rule| rule.id == finding.rule)).count();
        assert!(loud > 0);
        assert_eq!(xml.matches("<failure ").count(), loud);
        let skipped = report.rules.iter().filter(|rule| rule.status == "not-applicable").count();
        assert_eq!(xml.matches("<skipped ").count(), skipped);
    }

    #[test]
    fn hostile_text_is_no_markup() {
        let mut report = example::hostile();
        crate::report::redact::redact(&mut report);
        let xml = render(&report);
        assert!(!xml.contains("<script") && !xml.contains("]]>"), "{xml}");
        assert!(xml.chars().all(|c| c >= ' ' || c == '\n' || c == '\t'), "XML has no control characters");
    }
}
