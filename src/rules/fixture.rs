//! Runs one detector over a small bundle, for tests, and holds its findings against what every finding must have.

use crate::bundle::hints;
use crate::correlate::Case;
use crate::correlate::gather::gather;
use crate::correlate::intake::{Intake, Listening};
use crate::formats::recognise;
use crate::model::finding::Finding;
use crate::model::rule::Rule;
use crate::model::source::{Chunk, FileId, Head};
use crate::model::tables::{SourceFile, Tables};
use crate::rules::native::DETECTORS;
use crate::rules::{Scope, load, say};

/// A built-in rule.
pub(crate) fn rule(id: &str) -> Rule {
    let rules = load::built_in().expect("the built-in rules read");
    rules.rules.get(id).unwrap_or_else(|| panic!("there is no rule {id}")).clone()
}

/// A built-in rule whose thresholds of that name have another value.
pub(crate) fn rule_with(id: &str, values: &[(&str, f64)]) -> Rule {
    let mut rule = rule(id);
    for (name, value) in values {
        let threshold = rule.thresholds.get_mut(*name).unwrap_or_else(|| panic!("{id} has no threshold {name}"));
        (threshold.info, threshold.warn) = (*value, *value);
    }
    rule
}

/// What a rule's detector finds in a case.
pub(crate) fn check(rule: &Rule, case: &Case, baseline: Option<&Case>) -> Vec<Finding> {
    let detector = DETECTORS.iter().find(|detector| detector.id == rule.id).expect("the detector is listed");
    let mut found = Vec::new();
    (detector.detect)(&Scope { case, baseline }, rule, &mut found);
    for finding in &found {
        assert!(!finding.evidence.is_empty(), "cites: {finding:?}");
        assert!(finding.confidence > 0.0 && finding.confidence <= 0.99 && finding.score > 0.0, "is scored: {finding:?}");
        assert!(!finding.look_alikes.is_empty(), "names look-alikes: {finding:?}");
        let unfilled = say::unfilled(rule, finding);
        assert!(unfilled.is_empty(), "nothing fills {unfilled:?}: {finding:?}");
    }
    found
}

/// The value of a measure.
pub(crate) fn measured(finding: &Finding, name: &str) -> f64 {
    finding.measures.iter().find(|measure| measure.name == name).unwrap_or_else(|| panic!("no {name} in {finding:?}")).value
}

/// The case that files give: path and content, read by the formats that claim them, with the built-in signals.
pub(crate) fn bundle(files: &[(&str, &str)]) -> Case {
    let listening = Listening::new(&load::built_in().expect("the built-in rules read"));
    let mut all = Tables::default();
    for (path, text) in files {
        let head = Head { path, bytes: text.as_bytes(), whole: true };
        let found = recognise(&head).unwrap_or_else(|| panic!("no format claims {path}"));
        let hints = hints::of_path(path);
        let mut intake = Intake::new(&listening, &hints);
        found.parser.parse(&Chunk { file: FileId(0), base: 0, bytes: text.as_bytes(), hints: &hints }, &mut intake);
        let (mut tables, records) = intake.finish();
        assert!(records > 0, "{path} gives no record");
        tables.files = vec![SourceFile {
            path: (*path).to_owned(),
            format: found.label,
            bytes: text.len() as u64,
            records,
            window: tables.window,
            ..SourceFile::default()
        }];
        all.absorb(tables);
    }
    gather(all)
}

#[test]
fn files_become_requests_and_series() {
    let access =
        "10.0.0.9 - - [23/Nov/2026:10:00:00 +0000] \"GET /api/orders/17 HTTP/1.1\" 504 167 \"-\" \"curl\" rt=1.002 us=\"504\" ua=\"10.0.0.7:8080\"\n";
    let metrics = "# TYPE hikaricp_connections_pending gauge\nhikaricp_connections_pending{pool=\"main\"} 12 1795428000000\n";
    let case = bundle(&[("gateway/access.log", &access.repeat(12)), ("orders/metrics.prom", &metrics.repeat(3))]);
    let names = &case.tables.names;
    let request = case.tables.requests.first().expect("a request");
    assert_eq!((names.get(request.operation), request.status, request.upstream_status), ("GET /api/orders/{id}", 504, 504));
    assert_eq!((request.nanos, request.is_access), (Some(1_002_000_000), true));
    let pending = case.series("hikaricp.connections.pending").next().expect("a series");
    assert_eq!((pending.label("pool"), pending.points.last().map(|point| point.value)), (Some("main"), Some(12.0)));
}
