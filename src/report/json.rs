//! The machine-readable result: the serialised report, rounded and finite.
//!
//! Key order is the order of the fields in [`Report`]. Pictures are left out by their `#[serde(skip)]`. Text is written as
//! it is: this is a file of its own, not a part of a page.

use crate::report::{Difference, Edge, Finding, Measure, Report, Service};

/// Pretty JSON with a line end. Values that are not finite are taken out: JSON has no word for them.
pub(super) fn render(report: &Report) -> String {
    // Strings and numbers only: serialising cannot fail.
    let mut text = serde_json::to_string_pretty(&settled(report)).unwrap_or_default();
    text.push('\n');
    text
}

/// The report with numbers as precise as they were measured, so that a summation in another order cannot show.
fn settled(report: &Report) -> Report {
    let mut report = report.clone();
    for Finding { score, confidence, measures, .. } in &mut report.findings {
        *score = rounded(*score, 1);
        *confidence = rounded(*confidence, 3);
        measures.retain(|measure| measure.value.is_finite());
        for Measure { value, limit, .. } in measures {
            *value = rounded(*value, 6);
            *limit = limit.filter(|limit| limit.is_finite()).map(|limit| rounded(limit, 6));
        }
    }
    for suspect in &mut report.suspects {
        suspect.score = rounded(suspect.score, 3);
    }
    for Difference { lift, chance, .. } in &mut report.differences {
        *lift = rounded(*lift, 3);
        *chance = if chance.is_finite() { *chance } else { 1.0 };
    }
    for Service { p50_ms, p99_ms, .. } in &mut report.graph.services {
        (*p50_ms, *p99_ms) = (rounded(*p50_ms, 3), rounded(*p99_ms, 3));
    }
    for Edge { p50_ms, p95_ms, p99_ms, .. } in &mut report.graph.edges {
        (*p50_ms, *p95_ms, *p99_ms) = (rounded(*p50_ms, 3), rounded(*p95_ms, 3), rounded(*p99_ms, 3));
    }
    report
}

fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    let scaled = (value * scale).round() / scale;
    // Beyond 2^53 there is nothing to round; scaling could only overflow. Adding zero turns -0 into 0.
    if value.abs() >= 9e15 && value.is_finite() {
        value
    } else if scaled.is_finite() {
        scaled + 0.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::report::{example, json};

    #[test]
    fn keys_and_their_order_are_those_of_the_contract() {
        let text = json(&example::rich());
        let value: Value = serde_json::from_str(&text).expect("the report is JSON");
        let order = [
            "schema",
            "tool",
            "bundle",
            "verdict",
            "findings",
            "root_cause",
            "suspects",
            "differences",
            "stories",
            "scenarios",
            "rules",
            "graph",
            "traces",
            "coverage",
        ];
        let at: Vec<_> = order.iter().map(|key| text.find(&format!("\n  \"{key}\": ")).expect(key)).collect();
        assert!(at.is_sorted());
        assert_eq!(value.as_object().map(serde_json::Map::len), Some(order.len()), "pictures are not part of the contract");
        let finding = &value["findings"][0];
        for key in [
            "id",
            "rule",
            "scenario",
            "title",
            "severity",
            "score",
            "confidence",
            "belief",
            "role",
            "subject",
            "services",
            "window",
            "summary",
            "explanation",
            "remedy",
            "capture_next_time",
            "look_alikes",
            "measures",
            "evidence",
            "evidence_total",
            "caused_by",
            "explains",
        ] {
            assert!(finding.get(key).is_some(), "finding.{key}");
        }
        for key in ["file", "line", "offset", "length", "digest", "time", "service", "trace_id", "excerpt"] {
            assert!(finding["evidence"][0].get(key).is_some(), "evidence.{key}");
        }
    }

    #[test]
    fn numbers_are_rounded_and_finite() {
        let mut report = example::rich();
        report.findings[0].score = 97.000_000_000_1;
        report.findings[0].measures[0].value = 0.1 + 0.2;
        report.findings[0].measures[1].value = f64::NAN;
        report.findings[0].measures[2].limit = Some(f64::INFINITY);
        report.suspects[0].score = f64::NAN;
        let value: Value = serde_json::from_str(&json(&report)).expect("the report is JSON");
        assert_eq!(value["findings"][0]["score"], 97.0);
        assert_eq!(value["findings"][0]["measures"][0]["value"], 0.3);
        assert_eq!(value["findings"][0]["measures"].as_array().map(Vec::len), Some(report.findings[0].measures.len() - 1));
        assert_eq!(value["findings"][0]["measures"][1]["limit"], Value::Null);
        assert_eq!(value["suspects"][0]["score"], 0.0);
    }
}
