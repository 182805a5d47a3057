//! Coverage: how each scenario stands and what is missing, what was read of each file, and how each rule ended.

use askama::Template;

use crate::report::html::verdict::{status, status_word};
use crate::report::html::{Context, Link, Section, left_out};
use crate::report::text;

#[derive(Template)]
#[template(path = "coverage.html", config = "src/report/askama.toml")]
struct Coverage {
    understood: String,
    all: String,
    quarantined: String,
    scenarios: Vec<Scenario>,
    files: Vec<File>,
    rules: Vec<Rule>,
    rule_counts: Vec<(String, usize)>,
    bundle_digest: String,
    rules_digest: String,
    left_out: Vec<String>,
}

struct Scenario {
    number: u8,
    name: String,
    status: &'static str,
    word: String,
    findings: Vec<Link>,
    /// The rule that could not look, if it is named, and what it needs.
    missing: Vec<(String, String)>,
    looked: String,
}

struct File {
    path: String,
    format: String,
    recognised: bool,
    service: String,
    bytes: (u64, String),
    records: (u64, String),
    quarantined: (u64, String),
    reasons: String,
    digest: String,
}

struct Rule {
    id: String,
    status: &'static str,
    word: String,
    detail: String,
}

/// Always there: silence is explained.
pub(super) fn section(context: &mut Context<'_>) -> Option<Section> {
    let report = context.report;
    let rows = context.limits.rows;
    let coverage = &report.coverage;
    let all = coverage.understood_bytes.saturating_add(coverage.quarantined_bytes);
    let mut rules: Vec<_> = report.rules.iter().collect();
    let order = |word: &str| ["failed", "found", "not-applicable", "clear"].iter().position(|it| *it == word).unwrap_or(4);
    rules.sort_by_key(|rule| order(&rule.status));
    let rule_counts = ["found", "clear", "not-applicable", "failed"]
        .into_iter()
        .map(|word| (word.replace('-', " "), report.rules.iter().filter(|rule| rule.status == word).count()))
        .filter(|(_, count)| *count > 0)
        .collect();
    let html = Coverage {
        understood: text::share(coverage.understood_bytes, all),
        all: text::bytes(all),
        quarantined: text::bytes(coverage.quarantined_bytes),
        scenarios: report.scenarios.iter().take(40).map(|it| scenario(context, it)).collect(),
        files: coverage.files.iter().take(rows).map(|it| file(context, it)).collect(),
        rules: rules.iter().take(rows).map(|it| rule(context, it)).collect(),
        rule_counts,
        bundle_digest: context.name(&report.bundle.digest),
        rules_digest: context.name(&report.tool.rules_digest),
        left_out: [left_out(coverage.files.len(), rows, "file", "files"), left_out(rules.len(), rows, "rule", "rules")]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect(),
    }
    .render()
    .unwrap_or_default();
    Some(Section { place: 8, id: "s-coverage", name: "Coverage", count: text::share(coverage.understood_bytes, all), html })
}

fn scenario(context: &Context<'_>, scenario: &crate::report::Scenario) -> Scenario {
    Scenario {
        number: scenario.number,
        name: context.name(&scenario.name),
        status: status(&scenario.status),
        word: status_word(&scenario.status),
        findings: scenario.findings.iter().take(8).map(|id| context.anchors.link(context.report, id)).collect(),
        missing: scenario
            .missing
            .iter()
            .take(8)
            .map(|it| text::missing(it))
            .map(|(rule, needs)| (context.name(rule), context.text(&needs)))
            .collect(),
        looked: looked(context, scenario),
    }
}

/// Why nothing is said: which rules have looked.
fn looked(context: &Context<'_>, scenario: &crate::report::Scenario) -> String {
    let clear = |id: &&String| context.report.rules.iter().any(|rule| rule.id == **id && rule.status == "clear");
    let rules: Vec<&str> = scenario.rules.iter().filter(clear).map(String::as_str).collect();
    if rules.is_empty() { String::new() } else { context.text(&format!("Looked and found nothing: {}", rules.join(", "))) }
}

fn file(context: &Context<'_>, file: &crate::report::FileLine) -> File {
    let reasons: Vec<String> = file
        .reasons
        .iter()
        .take(8)
        .map(|it| format!("{} × {} (first at byte {})", text::count(it.count), context.name(&it.reason).replace('-', " "), it.example_offset))
        .collect();
    File {
        path: context.name(&file.path),
        format: context.name(&file.format),
        recognised: file.format != "unrecognised",
        service: context.name(file.service.as_deref().unwrap_or_default()),
        bytes: (file.bytes, text::bytes(file.bytes)),
        records: (file.records, text::count(file.records)),
        quarantined: (file.quarantined, text::count(file.quarantined)),
        reasons: reasons.join(", "),
        digest: context.name(file.digest.as_deref().unwrap_or_default()),
    }
}

fn rule(context: &Context<'_>, rule: &crate::report::RuleLine) -> Rule {
    let mut detail = if rule.missing.is_empty() { String::new() } else { format!("needs {}", rule.missing.join(", ")) };
    if let Some(why) = &rule.why {
        detail = why.clone();
    }
    Rule {
        id: context.name(&rule.id),
        status: match rule.status.as_str() {
            "found" => "st-confirmed",
            "clear" => "st-clear",
            "failed" => "st-failed",
            _ => "st-unknown",
        },
        word: status_word(&rule.status),
        detail: context.text(&detail),
    }
}
