//! Every text of a report, in the order of the report.
//!
//! Structures are taken apart without `..`, so that a new field does not compile until somebody has decided what it is.

use crate::report::picture::{Bar, ClassGrowth, Dump, Jvm, Mark, Series, Setting, Template, ThreadGroup, Timeline, Waterfall};
use crate::report::{
    Bundle, Coverage, Difference, Edge, FileLine, Finding, Graph, LookAlike, Measure, QuarantineLine, Quote, Report, RootCause, RuleLine, Scenario,
    Service, Show, Story, Subject, Suspect, Tool, Traces, Verdict, Window,
};

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Field {
    /// One line: a name, a title, a sentence.
    Line,
    /// May have several lines.
    Block,
    /// A quoted record.
    Excerpt,
}

type Visit<'v> = &'v mut dyn FnMut(&mut String, Field);

/// Visits every text that may hold something of the input.
pub(in crate::report) fn every_text(report: &mut Report, visit: Visit<'_>) {
    let Report {
        schema: _,
        tool,
        bundle,
        verdict,
        findings,
        root_cause,
        suspects,
        differences,
        stories,
        scenarios,
        rules,
        graph,
        traces,
        coverage,
        show,
        timeline,
        waterfalls,
        jvms,
        templates,
        settings,
    } = report;
    let Show { title, findings: _, quotes: _ } = show;
    line(title, visit);
    let Tool { name: _, version: _, rules_digest } = tool;
    line(rules_digest, visit);
    let Bundle { name, files: _, bytes: _, records: _, window, digest } = bundle;
    line(name, visit);
    window_of(window, visit);
    line(digest, visit);
    let Verdict { level, headline } = verdict;
    line(level, visit);
    line(headline, visit);
    findings.iter_mut().for_each(|it| finding(it, visit));
    if let Some(RootCause { finding, service, chain, because }) = root_cause {
        line(finding, visit);
        lines(service, visit);
        lines(chain, visit);
        lines(because, visit);
    }
    for Suspect { service, score: _, because, evidence } in suspects {
        line(service, visit);
        lines(because, visit);
        evidence.iter_mut().for_each(|it| quote(it, visit));
    }
    differences.iter_mut().for_each(|it| difference(it, visit));
    for Story { root, service, findings } in stories {
        line(root, visit);
        lines(service, visit);
        lines(findings, visit);
    }
    for Scenario { number: _, name, status, rules, findings, missing } in scenarios {
        line(name, visit);
        line(status, visit);
        lines(rules, visit);
        lines(findings, visit);
        lines(missing, visit);
    }
    for RuleLine { id, status, missing, why } in rules {
        line(id, visit);
        line(status, visit);
        lines(missing, visit);
        lines(why, visit);
    }
    graph_of(graph, visit);
    let Traces { traces: _, spans: _, orphans: _, duplicates: _, logs_joined: _ } = traces;
    let Coverage { understood_bytes: _, quarantined_bytes: _, files } = coverage;
    files.iter_mut().for_each(|it| file(it, visit));
    let Timeline { start_ms: _, step_ms: _, series, marks } = timeline;
    for Series { name, unit, values: _, median: _ } in series {
        line(name, visit);
        line(unit, visit);
    }
    for Mark { at_ms: _, label } in marks {
        line(label, visit);
    }
    waterfalls.iter_mut().for_each(|it| waterfall(it, visit));
    jvms.iter_mut().for_each(|it| jvm(it, visit));
    for Template { text, level, count: _, services, window, baseline: _, calm: _ } in templates {
        visit(text, Field::Block);
        line(level, visit);
        lines(services, visit);
        window_of(window, visit);
    }
    for Setting { service, profile, key, value, place, findings } in settings {
        for text in [service, profile, key, value, place] {
            line(text, visit);
        }
        lines(findings, visit);
    }
}

fn line(text: &mut String, visit: Visit<'_>) {
    visit(text, Field::Line);
}

fn lines<'t>(texts: impl IntoIterator<Item = &'t mut String>, visit: Visit<'_>) {
    for text in texts {
        visit(text, Field::Line);
    }
}

fn window_of(window: &mut Option<Window>, visit: Visit<'_>) {
    if let Some(Window { start, end }) = window {
        line(start, visit);
        line(end, visit);
    }
}

fn finding(finding: &mut Finding, visit: Visit<'_>) {
    let Finding {
        id,
        rule,
        scenario: _,
        title,
        severity,
        score: _,
        confidence: _,
        belief,
        role,
        subject,
        services,
        window,
        summary,
        explanation,
        remedy,
        capture_next_time,
        look_alikes,
        measures,
        evidence,
        evidence_total: _,
        caused_by,
        explains,
    } = finding;
    lines([id, rule, title, severity, belief, role], visit);
    let Subject { service, peer, operation, key } = subject;
    for text in [service, peer, operation, key] {
        lines(text, visit);
    }
    lines(services, visit);
    window_of(window, visit);
    line(summary, visit);
    visit(explanation, Field::Block);
    for text in remedy.iter_mut().chain(capture_next_time) {
        visit(text, Field::Block);
    }
    for LookAlike { name, outcome } in look_alikes {
        lines([name, outcome], visit);
    }
    for Measure { name, value: _, unit, limit: _ } in measures {
        lines([name, unit], visit);
    }
    evidence.iter_mut().for_each(|it| quote(it, visit));
    lines(caused_by, visit);
    lines(explains, visit);
}

fn difference(difference: &mut Difference, visit: Visit<'_>) {
    let Difference { ending, kind, service, key, value, also, summary, bad_with: _, bad: _, good_with: _, good: _, lift: _, chance: _, evidence } =
        difference;
    lines([ending, kind, service, key, value], visit);
    lines(also, visit);
    line(summary, visit);
    evidence.iter_mut().for_each(|it| quote(it, visit));
}

fn quote(quote: &mut Quote, visit: Visit<'_>) {
    let Quote { file, line: _, offset: _, length: _, digest, time, service, trace_id, about, excerpt } = quote;
    lines([file, digest], visit);
    for text in [time, service, trace_id, about] {
        lines(text, visit);
    }
    visit(excerpt, Field::Excerpt);
}

fn graph_of(graph: &mut Graph, visit: Visit<'_>) {
    let Graph { services, edges } = graph;
    for Service { name, calls: _, errors: _, p50_ms: _, p99_ms: _ } in services {
        line(name, visit);
    }
    for Edge { caller, callee, calls: _, errors: _, retries: _, p50_ms: _, p95_ms: _, p99_ms: _ } in edges {
        lines([caller, callee], visit);
    }
}

fn file(file: &mut FileLine, visit: Visit<'_>) {
    let FileLine { path, format, bytes: _, records: _, quarantined: _, service, digest, reasons } = file;
    lines([path, format], visit);
    lines(service, visit);
    lines(digest, visit);
    for QuarantineLine { reason, count: _, example_offset: _ } in reasons {
        line(reason, visit);
    }
}

fn waterfall(waterfall: &mut Waterfall, visit: Visit<'_>) {
    let Waterfall { trace_id, findings, why, total_ms: _, bars, cut: _ } = waterfall;
    lines([trace_id, why].into_iter().chain(findings), visit);
    for Bar { depth: _, service, name, start_ms: _, length_ms: _, failed: _, attempt: _, critical: _, folded: _, ticks: _ } in bars {
        lines([service, name], visit);
    }
}

fn jvm(jvm: &mut Jvm, visit: Visit<'_>) {
    let Jvm { service, instance, collector, capacity: _, heap: _, trend: _, band: _, pauses: _, classes, dumps } = jvm;
    lines([service, instance, collector], visit);
    for ClassGrowth { class, bytes: _, instances: _ } in classes {
        line(class, visit);
    }
    for Dump { label, groups, waits, deadlocks } in dumps {
        line(label, visit);
        for ThreadGroup { pool, state, count: _, frames } in groups {
            lines([pool, state], visit);
            lines(frames, visit);
        }
        for (waiter, lock, owner) in waits {
            lines([waiter, lock, owner], visit);
        }
        for names in deadlocks {
            lines(names, visit);
        }
    }
}
