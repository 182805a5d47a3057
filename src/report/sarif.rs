//! Findings as SARIF 2.1.0, so that an editor or a code-review tool opens them at the line of the log.
//!
//! Every finding is a result, each of its quotes a location with line, byte range and text. What this file does not do:
//! graph, coverage and pictures; they have no place in SARIF and are in the JSON report.

use crate::report::{Finding, Quote, Report};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The whole log, indented.
pub(super) fn render(report: &Report) -> String {
    let mut rules: BTreeMap<&str, &Finding> = BTreeMap::new();
    for finding in &report.findings {
        rules.entry(&finding.rule).or_insert(finding);
    }
    let numbers: BTreeMap<&str, usize> = rules.keys().enumerate().map(|(number, id)| (*id, number)).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": report.tool.name,
                "version": report.tool.version,
                "rules": rules.iter().map(|(id, finding)| rule(id, finding)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": report.findings.iter().map(|finding| result(finding, &numbers)).collect::<Vec<_>>(),
            "properties": { "bundle": report.bundle.digest, "rules": report.tool.rules_digest, "verdict": report.verdict.headline },
        }],
    });
    format!("{log:#}\n")
}

fn rule(id: &str, finding: &Finding) -> Value {
    json!({
        "id": id,
        "shortDescription": { "text": finding.title },
        "help": { "text": finding.remedy.join("\n") },
        "properties": { "scenario": finding.scenario },
    })
}

fn result(finding: &Finding, numbers: &BTreeMap<&str, usize>) -> Value {
    let (first, others) = finding.evidence.split_first().map_or((None, &[][..]), |(first, others)| (Some(first), others));
    json!({
        "ruleId": finding.rule,
        "ruleIndex": numbers.get(finding.rule.as_str()),
        "level": level(&finding.severity),
        "message": { "text": finding.summary },
        "locations": first.map(location).into_iter().collect::<Vec<_>>(),
        "relatedLocations": others.iter().map(location).collect::<Vec<_>>(),
        "partialFingerprints": { "finding/v1": finding.id },
        "rank": finding.score,
        "properties": {
            "severity": finding.severity,
            "confidence": finding.confidence,
            "role": finding.role,
            "service": finding.subject.service,
            "explanation": finding.explanation,
        },
    })
}

fn level(severity: &str) -> &'static str {
    match severity {
        "critical" | "high" => "error",
        "medium" => "warning",
        _ => "note",
    }
}

fn location(quote: &Quote) -> Value {
    json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(&quote.file) },
            "region": {
                "startLine": quote.line,
                "byteOffset": quote.offset,
                "byteLength": quote.length,
                "snippet": { "text": quote.excerpt },
            },
        },
    })
}

/// A path as a relative URI: what has a meaning in one is written as bytes.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'!' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    #[test]
    fn every_finding_has_a_place() {
        let report = example::rich();
        let log: Value = serde_json::from_str(&render(&report)).unwrap();
        let results = log["runs"][0]["results"].as_array().unwrap();
        assert_eq!(results.len(), report.findings.len());
        let (first, finding) = (&results[0], &report.findings[0]);
        let region = &first["locations"][0]["physicalLocation"]["region"];
        assert_eq!((region["startLine"].as_u64(), region["byteOffset"].as_u64()), (Some(finding.evidence[0].line), Some(finding.evidence[0].offset)));
        assert_eq!((first["level"].as_str(), first["partialFingerprints"]["finding/v1"].as_str()), (Some("error"), Some(finding.id.as_str())));
        for result in results {
            let rule = result["ruleIndex"].as_u64().unwrap() as usize;
            assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][rule]["id"], result["ruleId"]);
        }
    }

    #[test]
    fn paths_are_uris() {
        assert_eq!(uri("a b/logs.tar.gz!/ö#1?.log"), "a%20b/logs.tar.gz!/%C3%B6%231%3F.log");
    }
}
