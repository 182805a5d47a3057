//! From case and diagnosis to a report: names become text, evidence becomes quotes, rows become pictures.

mod coverage;
mod gauges;
mod jvms;
mod latency;
mod marks;
mod patterns;
mod quotes;
mod settings;
mod timeline;
mod waterfalls;

use crate::bundle::{Bundle, Limits};
use crate::correlate::Case;
use crate::correlate::ending::Ending;
use crate::correlate::graph::CallStats;
use crate::findings::difference::Difference;
use crate::findings::story::Story;
use crate::findings::{Diagnosis, Judged, Suspect};
use crate::model::finding::{Outcome, Severity, belief_name};
use crate::model::rule::{Rule, RuleSet};
use crate::model::source::Evidence;
use crate::model::time::Window;
use crate::report::{self, Report, text};
use crate::rules::{self, Scope, say};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What a report is made of.
pub struct Parts<'a> {
    /// What was read.
    pub bundle: &'a Bundle,
    /// How it was read.
    pub limits: &'a Limits,
    /// The rules in force.
    pub rules: &'a RuleSet,
    /// What was said.
    pub case: &'a Case,
    /// The same of the baseline.
    pub baseline: Option<&'a Case>,
    /// How each rule ended.
    pub outcomes: &'a BTreeMap<String, Outcome>,
    /// The judgement.
    pub diagnosis: &'a Diagnosis,
    /// What outputs for people show.
    pub show: &'a report::Show,
}

/// Makes the report. Nothing in it is redacted yet.
#[must_use]
pub fn assemble(parts: &Parts<'_>) -> Report {
    let involved = settings::involved(parts.case, parts.diagnosis);
    let beside: Vec<Evidence> = involved.iter().map(|(setting, _)| setting.evidence).collect();
    // Each of these walks over all rows or all calls, and none needs another.
    let (quotes, (timeline, (graph, coverage))) = rayon::join(
        || quotes::quotes(parts.bundle, parts.limits, parts.case, parts.diagnosis, &beside),
        || rayon::join(|| timeline::timeline(parts.case, parts.diagnosis), || rayon::join(|| graph(parts.case), || coverage::of(parts.case))),
    );
    let mut report = Report {
        schema: "analyze.report/1",
        tool: report::Tool { name: "analyze", version: env!("CARGO_PKG_VERSION"), rules_digest: parts.rules.digest.clone() },
        bundle: bundle(parts),
        findings: findings(parts, &quotes),
        root_cause: root_cause(parts.diagnosis),
        suspects: suspects(parts.diagnosis, &quotes),
        differences: differences(parts.diagnosis, &quotes),
        stories: stories(parts.diagnosis),
        scenarios: scenarios(parts),
        rules: rules(parts),
        graph,
        traces: traces(parts.case),
        coverage,
        show: parts.show.clone(),
        timeline,
        waterfalls: waterfalls::waterfalls(parts.case, parts.diagnosis),
        jvms: jvms::jvms(parts.case),
        templates: patterns::templates(parts.case, parts.baseline, parts.diagnosis),
        settings: settings::settings(parts.case, parts.diagnosis, &involved, &quotes),
        verdict: report::Verdict::default(),
    };
    report.verdict = verdict(&report, parts.diagnosis);
    report
}

fn window(window: Window) -> Option<report::Window> {
    window.start.is_some().then(|| report::Window { start: window.start.rfc3339(), end: window.end.rfc3339() })
}

fn optional(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn bundle(parts: &Parts<'_>) -> report::Bundle {
    let files = &parts.case.tables.files;
    let mut digest = blake3::Hasher::new();
    for file in files {
        digest.update(&(file.path.len() as u64).to_le_bytes()).update(file.path.as_bytes()).update(&file.digest);
    }
    report::Bundle {
        name: parts.bundle.name.clone(),
        files: files.len() as u64,
        bytes: files.iter().map(|file| file.bytes).sum(),
        records: files.iter().map(|file| file.records).sum(),
        window: window(parts.case.context.window),
        digest: format!("blake3:{}", digest.finalize().to_hex()),
    }
}

fn suspects(diagnosis: &Diagnosis, quotes: &BTreeMap<Evidence, report::Quote>) -> Vec<report::Suspect> {
    let quoted = |evidence: &[Evidence]| evidence.iter().filter_map(|evidence| quotes.get(evidence).cloned()).collect();
    let suspect =
        |s: &Suspect| report::Suspect { service: s.service.clone(), score: s.score, because: s.because.clone(), evidence: quoted(&s.evidence) };
    diagnosis.suspects.iter().map(suspect).collect()
}

fn differences(diagnosis: &Diagnosis, quotes: &BTreeMap<Evidence, report::Quote>) -> Vec<report::Difference> {
    let difference = |it: &Difference| report::Difference {
        ending: if it.ending == Ending::Failed { "failed" } else { "slow" }.to_owned(),
        kind: it.kind.name().to_owned(),
        service: it.service.clone(),
        key: it.key.clone(),
        value: it.value.clone(),
        also: it.also.clone(),
        summary: it.sentence(),
        bad_with: it.counts.bad_with,
        bad: it.counts.bad,
        good_with: it.counts.good_with,
        good: it.counts.good,
        lift: rounded(it.lift),
        chance: rounded(it.chance),
        evidence: it.evidence.iter().filter_map(|evidence| quotes.get(evidence).cloned()).collect(),
    };
    diagnosis.differences.iter().map(difference).collect()
}

fn stories(diagnosis: &Diagnosis) -> Vec<report::Story> {
    let find = |n: usize| diagnosis.findings.get(n);
    let story = |story: &Story| {
        let root = find(story.root)?;
        let findings = story.findings.iter().filter_map(|&n| find(n)).map(|judged| judged.id.clone()).collect();
        Some(report::Story { root: root.id.clone(), service: optional(&root.finding.subject.service), findings })
    };
    diagnosis.stories.iter().filter_map(story).collect()
}

fn findings(parts: &Parts<'_>, quotes: &BTreeMap<Evidence, report::Quote>) -> Vec<report::Finding> {
    let ids: Vec<&str> = parts.diagnosis.findings.iter().map(|judged| judged.id.as_str()).collect();
    let named = |numbers: &[usize]| numbers.iter().filter_map(|&n| ids.get(n)).map(|&id| id.to_owned()).collect();
    parts
        .diagnosis
        .findings
        .iter()
        .filter_map(|judged| {
            let rule = parts.rules.rules.get(&judged.finding.rule)?;
            let mut finding = finding(judged, rule);
            finding.evidence = judged.finding.evidence.iter().filter_map(|evidence| quotes.get(evidence).cloned()).collect();
            finding.caused_by = named(&judged.caused_by);
            finding.explains = named(&judged.explains);
            Some(finding)
        })
        .collect()
}

fn finding(judged: &Judged, rule: &Rule) -> report::Finding {
    let found = &judged.finding;
    let texts = say::spoken(rule, found);
    let mut services: Vec<String> = Vec::new();
    for name in [&found.subject.service].into_iter().chain(&found.services).chain([&found.subject.peer]) {
        if !name.is_empty() && !services.contains(name) {
            services.push(name.clone());
        }
    }
    let mut capture = found.missing.clone();
    if !rule.collect.is_empty() && found.confidence < 0.85 {
        capture.push(rule.collect.clone());
    }
    report::Finding {
        id: judged.id.clone(),
        rule: found.rule.clone(),
        scenario: rule.scenarios.first().copied(),
        title: texts.title,
        severity: found.severity.name().to_owned(),
        score: found.score,
        confidence: found.confidence,
        belief: belief_name(found.confidence).unwrap_or("possible").to_owned(),
        role: judged.role.name().to_owned(),
        subject: report::Subject {
            service: optional(&found.subject.service),
            peer: optional(&found.subject.peer),
            operation: optional(&found.subject.operation),
            key: optional(&found.subject.key),
        },
        services,
        window: window(found.window),
        summary: texts.what,
        explanation: texts.why,
        remedy: texts.fix,
        capture_next_time: capture,
        look_alikes: found.look_alikes.iter().map(|l| report::LookAlike { name: l.name.clone(), outcome: l.outcome.clone() }).collect(),
        measures: found
            .measures
            .iter()
            .map(|m| report::Measure { name: m.name.clone(), value: rounded(m.value), unit: m.unit.clone(), limit: m.limit.map(rounded) })
            .collect(),
        evidence: Vec::new(),
        evidence_total: found.evidence_total,
        caused_by: Vec::new(),
        explains: Vec::new(),
    }
}

/// Six significant digits say all that was measured, and the same on every machine; cents are kept however large the sum.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() || value.fract() == 0.0 {
        return if value.is_finite() { value } else { 0.0 };
    }
    let text = if value.abs() >= 10_000.0 { format!("{value:.2}") } else { format!("{value:.5e}") };
    text.parse().unwrap_or(value)
}

fn root_cause(diagnosis: &Diagnosis) -> Option<report::RootCause> {
    let root = diagnosis.root()?;
    // Along the chain the heaviest effect is followed.
    let (mut chain, mut because, mut at) = (vec![root.id.clone()], Vec::new(), root);
    while let Some(next) = at.explains.iter().filter_map(|&n| diagnosis.findings.get(n)).filter(|next| !chain.contains(&next.id)).max_by(|a, b| {
        (a.finding.severity, a.weight).partial_cmp(&(b.finding.severity, b.weight)).unwrap_or(std::cmp::Ordering::Equal).then_with(|| b.id.cmp(&a.id))
    }) {
        because.push(reason(at, next));
        chain.push(next.id.clone());
        at = next;
    }
    if because.is_empty() {
        because.push("no other finding explains it".to_owned());
    }
    Some(report::RootCause { finding: root.id.clone(), service: optional(&root.finding.subject.service), chain, because })
}

/// What speaks for one finding to cause the other: order, requests in common, place.
fn reason(cause: &Judged, effect: &Judged) -> String {
    let place = |judged: &Judged| match judged.finding.subject.service.as_str() {
        "" => format!("`{}`", judged.finding.rule),
        service => format!("`{}` at {service}", judged.finding.rule),
    };
    let (from, to) = (cause.finding.window.start, effect.finding.window.start);
    let order = if from.is_none() || to.is_none() {
        format!("{} leads to {}", place(cause), place(effect))
    } else {
        let ms = to.since(from) as f64 / 1e6;
        let words = match ms {
            ms if ms >= 1000.0 => format!("{} later", text::millis((ms / 1000.0).round() * 1000.0)),
            _ => "at the same time".to_owned(),
        };
        let clock = |time: crate::model::time::Time| text::clock(time.0.div_euclid(1_000_000_000) * 1000);
        if ms <= -1000.0 {
            format!("{} began at {} and covers the time of {} (first seen at {})", place(cause), clock(from), place(effect), clock(to))
        } else {
            format!("{} began at {}, {} {words}", place(cause), clock(from), place(effect))
        }
    };
    let shared = effect.finding.traces.iter().filter(|trace| cause.finding.traces.contains(trace)).count();
    let shared = if shared > 0 { format!("; {} both", text::counted(shared as u64, "trace shows", "traces show")) } else { String::new() };
    order + &shared
}

fn scenarios(parts: &Parts<'_>) -> Vec<report::Scenario> {
    let status = |number: u8, scenario: &crate::model::rule::Scenario| {
        let rules: Vec<&String> = scenario.headline.iter().chain(&scenario.further).collect();
        let found: Vec<&Judged> =
            parts.diagnosis.findings.iter().filter(|j| rules.contains(&&j.finding.rule) && j.finding.severity >= Severity::Medium).collect();
        let surest = found.iter().map(|j| j.finding.confidence).fold(0.0, f64::max);
        let scope = Scope { case: parts.case, baseline: parts.baseline };
        let blind_to = |id: &String| parts.rules.rules.get(id).map_or_else(Vec::new, |rule| rules::blind_to(rule, &scope));
        let looked = |id: &String| matches!(parts.outcomes.get(id), Some(Outcome::Clear | Outcome::Found(_))) && blind_to(id).is_empty();
        // Clear is said only if every headline rule has looked.
        let all_looked = scenario.headline.iter().all(looked);
        let word = match belief_name(surest) {
            Some(word) => word,
            None if all_looked => "clear",
            None => "cannot-tell",
        };
        let mut missing = Vec::new();
        for id in scenario.headline.iter().filter(|id| !looked(id)) {
            let needs = |missing: &[String]| {
                let collect = parts.rules.rules.get(id).map_or("", |rule| rule.collect.as_str());
                format!("{id} needs {}: {collect}", missing.join(", ")).trim_end_matches([':', ' ']).to_owned()
            };
            missing.push(match parts.outcomes.get(id) {
                Some(Outcome::NotApplicable { missing }) => needs(missing),
                Some(Outcome::Found(_)) => needs(&blind_to(id)),
                Some(Outcome::Failed { why }) => format!("{id} failed: {why}"),
                _ => format!("{id} is not checked by this version"),
            });
        }
        report::Scenario {
            number,
            name: scenario.name.clone(),
            status: word.to_owned(),
            rules: scenario.headline.clone(),
            findings: found.iter().map(|j| j.id.clone()).collect(),
            missing: if word == "clear" { Vec::new() } else { missing },
        }
    };
    parts.rules.scenarios.iter().filter(|(number, _)| **number > 0).map(|(&number, scenario)| status(number, scenario)).collect()
}

fn rules(parts: &Parts<'_>) -> Vec<report::RuleLine> {
    let line = |(id, outcome): (&String, &Outcome)| {
        let (status, missing, why) = match outcome {
            Outcome::Found(_) => ("found", Vec::new(), None),
            Outcome::Clear => ("clear", Vec::new(), None),
            Outcome::NotApplicable { missing } => ("not-applicable", missing.clone(), None),
            Outcome::Failed { why } => ("failed", Vec::new(), Some(why.clone())),
        };
        report::RuleLine { id: id.clone(), status: status.to_owned(), missing, why }
    };
    parts.outcomes.iter().map(line).collect()
}

fn ms(nanos: u64) -> f64 {
    (nanos as f64 / 1e4).round() / 100.0
}

fn graph(case: &Case) -> report::Graph {
    let names = &case.tables.names;
    let context = &case.context;
    let (nodes, edges): (Vec<_>, Vec<_>) = (context.graph.nodes().collect(), context.graph.edges().collect());
    let mut services: Vec<report::Service> = nodes
        .par_iter()
        .map(|node| {
            let mut total = CallStats::default();
            node.served.values().for_each(|timeline| total.merge(&timeline.total()));
            if total.calls == 0 {
                let towards = edges.iter().filter(|(_, to, _)| *to == node.party);
                towards.for_each(|(_, _, edge)| total.merge(&edge.timeline().total()));
            }
            let (p50_ms, p99_ms) = (ms(total.nanos.p50()), ms(total.nanos.p99()));
            report::Service { name: node.party.text(names), calls: total.calls, errors: total.errors, p50_ms, p99_ms }
        })
        .collect();
    services.sort_by(|a, b| a.name.cmp(&b.name));
    let mut edges: Vec<report::Edge> = edges
        .par_iter()
        .map(|(from, to, edge)| {
            let total = edge.timeline().total();
            report::Edge {
                caller: from.text(names),
                callee: to.text(names),
                calls: total.calls,
                errors: total.errors,
                retries: total.retries,
                p50_ms: ms(total.nanos.p50()),
                p95_ms: ms(total.nanos.p95()),
                p99_ms: ms(total.nanos.p99()),
            }
        })
        .collect();
    edges.sort_by(|a, b| (&a.caller, &a.callee).cmp(&(&b.caller, &b.callee)));
    report::Graph { services, edges }
}

fn traces(case: &Case) -> report::Traces {
    let totals = case.context.totals;
    report::Traces {
        traces: totals.traces,
        spans: totals.spans,
        orphans: totals.orphans,
        duplicates: totals.span_copies,
        logs_joined: totals.logs_joined,
    }
}

/// The worst consequence in a sentence, and what is behind it.
fn verdict(report: &Report, diagnosis: &Diagnosis) -> report::Verdict {
    let loud = |j: &&Judged| j.finding.severity >= Severity::Medium;
    let worst = diagnosis.findings.iter().filter(loud).max_by(|a, b| {
        (a.finding.severity, a.finding.score)
            .partial_cmp(&(b.finding.severity, b.finding.score))
            .unwrap_or(std::cmp::Ordering::Equal)
            .then_with(|| b.id.cmp(&a.id))
    });
    let summary = |id: &str| report.findings.iter().find(|f| f.id == id).map_or("", |f| f.summary.trim_end_matches('.')).to_owned();
    let Some(worst) = worst else {
        let lesser = report.findings.len();
        let clear = report.rules.iter().filter(|rule| rule.status == "clear").count();
        let blind = report.rules.iter().filter(|rule| rule.status == "not-applicable").count();
        let headline = match (report.bundle.records, lesser) {
            (0, _) => "Nothing in the bundle was understood".to_owned(),
            (_, 0) => format!("No fault found: {clear} rules are clear, {blind} could not look"),
            (_, n) => {
                format!("No fault found: {n} minor {}, {clear} rules are clear, {blind} could not look", if n == 1 { "remark" } else { "remarks" })
            }
        };
        return report::Verdict { level: "none".to_owned(), headline };
    };
    let behind = diagnosis.root().filter(|root| root.id != worst.id && is_behind(diagnosis, root, worst));
    let headline = match behind {
        Some(root) => format!("{}. Root cause: {}", summary(&worst.id), summary(&root.id)),
        None => summary(&worst.id),
    };
    report::Verdict { level: worst.finding.severity.name().to_owned(), headline }
}

/// Whether one finding explains the other, directly or through others.
fn is_behind(diagnosis: &Diagnosis, root: &Judged, effect: &Judged) -> bool {
    let (mut open, mut seen) = (vec![root], BTreeSet::new());
    while let Some(at) = open.pop() {
        if at.id == effect.id {
            return true;
        }
        if seen.insert(&at.id) {
            open.extend(at.explains.iter().filter_map(|&n| diagnosis.findings.get(n)));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits() {
        assert_eq!((rounded(1.0 / 3.0), rounded(1_846.3), rounded(1e9 + 7.0), rounded(f64::NAN)), (0.333_333, 1846.3, 1e9 + 7.0, 0.0));
        assert_eq!((rounded(17_494.18), rounded(123_456.789_1)), (17_494.18, 123_456.79));
    }
}
