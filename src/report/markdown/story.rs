//! The story of the postmortem: impact, timeline, causes, what made it worse, what worked, what to do, and the evidence.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{ROWS, cell, code, escaped, inline, left_out};
use crate::report::text;
use crate::report::{Finding, Report};

pub(super) fn impact(report: &Report, out: &mut String) {
    out.push_str("\n## Impact\n\n");
    if let Some((from, to)) = incident(report) {
        let services: BTreeSet<&str> = report.findings.iter().filter(|f| f.is_loud()).flat_map(|f| &f.services).map(String::as_str).collect();
        let names: Vec<&str> = services.iter().take(12).copied().collect();
        let more = if services.len() > names.len() { format!(" and {} more", services.len() - names.len()) } else { String::new() };
        let who = if names.is_empty() {
            String::new()
        } else {
            format!(", {}: {}{more}", text::counted(services.len() as u64, "service", "services"), escaped(&names.join(", ")))
        };
        let _ = writeln!(out, "- {} to {} UTC ({}){who}", text::moment(from), text::clock(to), lasting(to - from));
    }
    let worst: Vec<_> = report.findings.iter().filter(|f| matches!(f.severity.as_str(), "critical" | "high")).take(10).collect();
    for finding in &worst {
        let _ = writeln!(out, "- {}: {}", escaped(&finding.title), escaped(&finding.summary));
    }
    if worst.is_empty() {
        out.push_str("- No finding of severity critical or high.\n");
    }
}

pub(super) fn timeline(report: &Report, out: &mut String) {
    let mut events: Vec<(i64, String)> = report.timeline.marks.iter().map(|mark| (mark.at_ms, escaped(&mark.label))).collect();
    // Remarks would bury what happened, unless there is nothing else to tell.
    let any_loud = report.findings.iter().any(Finding::is_loud);
    for finding in report.findings.iter().filter(|finding| finding.is_loud() || !any_loud) {
        let Some(window) = &finding.window else { continue };
        let about = finding.subject.service.as_deref().map_or_else(String::new, |service| format!(" ({})", escaped(service)));
        let mut add = |time: &str, what: &str| {
            if let Some(ms) = text::instant_ms(time) {
                events.push((ms, format!("{what}: {}{about}", escaped(&finding.title))));
            }
        };
        add(&window.start, "first sign");
        if window.end != window.start {
            add(&window.end, "last sign");
        }
    }
    events.sort();
    if events.is_empty() {
        return;
    }
    out.push_str("\n## Timeline\n\n| Time (UTC) | Event |\n|---|---|\n");
    for (ms, event) in events.iter().take(ROWS) {
        let _ = writeln!(out, "| {} | {event} |", text::moment(*ms));
    }
    left_out(events.len(), ROWS, "events", out);
}

pub(super) fn causes(report: &Report, out: &mut String) {
    out.push_str("\n## Root cause\n\n");
    if let Some(root) = &report.root_cause {
        for (number, id) in root.chain.iter().enumerate() {
            let line = report
                .findings
                .iter()
                .find(|finding| finding.id == *id)
                .map_or_else(|| code(id), |finding| format!("**{}**: {} ({})", text::role(&finding.role), escaped(&finding.summary), code(id)));
            let _ = writeln!(out, "{}. {line}", number + 1);
        }
        out.push('\n');
        for reason in &root.because {
            let _ = writeln!(out, "- {}", inline(reason));
        }
    } else {
        let loud = report.findings.iter().any(Finding::is_loud);
        out.push_str(if loud { "No chain of causes was established.\n" } else { "No fault was found, so there is no cause to name.\n" });
    }
    if !report.suspects.is_empty() {
        out.push_str("\n| Suspect | Score | Because |\n|---|---:|---|\n");
        for suspect in report.suspects.iter().take(10) {
            let because: Vec<_> = suspect.because.iter().map(|reason| escaped(reason)).collect();
            let _ = writeln!(out, "| {} | {} | {} |", escaped(&suspect.service), text::number(suspect.score), because.join("; "));
        }
        left_out(report.suspects.len(), 10, "services", out);
    }
    if !report.differences.is_empty() {
        out.push_str("\nWhat bad requests have in common and good ones lack:\n\n");
        for difference in report.differences.iter().take(10) {
            let place = difference.evidence.first().map_or_else(String::new, |quote| format!(" ({}:{})", escaped(&quote.file), quote.line));
            let _ = writeln!(out, "- {}{place}", escaped(&difference.summary));
        }
    }
    let others: Vec<_> = report.other_stories().take(10).collect();
    if !others.is_empty() {
        out.push_str("\nIndependent of that:\n\n");
        for story in others {
            let title = report.findings.iter().find(|finding| finding.id == story.root).map_or("", |finding| finding.title.as_str());
            let _ = writeln!(out, "- {} ({})", escaped(title), code(&story.root));
        }
    }
}

/// First and last sign of the faults, in milliseconds since 1970.
fn incident(report: &Report) -> Option<(i64, i64)> {
    let windows = report.findings.iter().filter(|finding| finding.is_loud()).filter_map(|finding| finding.window.as_ref());
    windows.filter_map(|it| Some((text::instant_ms(&it.start)?, text::instant_ms(&it.end)?))).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

fn lasting(ms: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    text::millis(ms as f64)
}

/// What made it worse, faults of their own beside the chain, what could not be excluded, and the settings involved.
pub(super) fn contributing(report: &Report, out: &mut String) {
    if !report.findings.iter().any(Finding::is_loud) {
        return;
    }
    let chain: &[String] = report.root_cause.as_ref().map_or(&[], |root| &root.chain);
    let beside = |finding: &&Finding| finding.role == "amplifier" || (finding.role == "root-cause" && !chain.contains(&finding.id));
    let mut lines: Vec<String> = Vec::new();
    for finding in report.findings.iter().filter(|finding| finding.is_loud()).filter(beside).take(10) {
        lines.push(format!("{}: {} ({})", escaped(&finding.title), escaped(&finding.summary), code(&finding.id)));
    }
    for finding in report.findings.iter().filter(|finding| finding.is_loud()) {
        for other in
            finding.look_alikes.iter().filter(|other| other.outcome.starts_with("may contribute") || other.outcome.starts_with("not excluded"))
        {
            lines.push(format!("{}: {} ({})", escaped(&other.name), escaped(&other.outcome), code(&finding.id)));
        }
    }
    out.push_str("\n## Contributing factors\n\n");
    if lines.is_empty() {
        out.push_str("Nothing beside the chain above was found to have made it worse.\n");
    }
    for line in lines.iter().take(ROWS) {
        let _ = writeln!(out, "- {line}");
    }
    if !report.settings.is_empty() {
        out.push_str("\n| Setting involved | Value | Where |\n|---|---|---|\n");
        for setting in report.settings.iter().take(ROWS) {
            let bar = |text: &str| code(text).replace('|', "\\|");
            let who = if setting.service.is_empty() { String::new() } else { format!("{}: ", escaped(&setting.service)) };
            let _ = writeln!(out, "| {who}{} | {} | {} |", bar(&setting.key), bar(&setting.value), bar(&setting.place));
        }
        left_out(report.settings.len(), ROWS, "settings", out);
    }
}

/// Protections that were seen at work, what stayed well, and faults that were looked for and not found.
pub(super) fn worked(report: &Report, out: &mut String) {
    let mut lines: Vec<String> = Vec::new();
    for finding in report.findings.iter().filter(|finding| finding.severity == "info").take(10) {
        lines.push(format!("{}: {}", escaped(&finding.title), escaped(&finding.summary)));
    }
    let end = report.bundle.window.as_ref().and_then(|window| text::instant_ms(&window.end));
    if let (Some((from, to)), Some(end)) = (incident(report), end)
        && end - to >= 30_000
        && end - to >= (to - from) / 10
    {
        lines.push(format!(
            "It ended within the time of the bundle: the last sign is from {} UTC, the {} after it show none",
            text::clock(to),
            lasting(end - to)
        ));
    }
    let hit: BTreeSet<&str> = report.findings.iter().filter(|f| f.is_loud()).flat_map(|f| &f.services).map(String::as_str).collect();
    let well: Vec<_> = report.graph.services.iter().filter(|s| s.calls > 0 && s.errors == 0 && !hit.contains(s.name.as_str())).collect();
    if !well.is_empty() {
        let names: Vec<String> = well.iter().take(12).map(|service| escaped(&service.name)).collect();
        let more = if well.len() > names.len() { format!(" and {} more", well.len() - names.len()) } else { String::new() };
        let calls = well.iter().fold(0_u64, |sum, service| sum.saturating_add(service.calls));
        lines.push(format!("No failure in {} at {}{more}", text::counted(calls, "call", "calls"), names.join(", ")));
    }
    if report.traces.logs_joined > 0 {
        lines.push(format!("{} could be joined to traces", text::counted(report.traces.logs_joined, "log record", "log records")));
    }
    let clear: Vec<String> = report.scenarios.iter().filter(|scenario| scenario.status == "clear").map(|scenario| escaped(&scenario.name)).collect();
    if !clear.is_empty() {
        lines.push(format!("Looked for and not found: {}", clear.join("; ")));
    }
    if lines.is_empty() {
        return;
    }
    out.push_str("\n## What worked\n\n");
    for line in lines {
        let _ = writeln!(out, "- {line}");
    }
}

/// The first remedies of every fault, root causes first; who does what by when is for people to say.
pub(super) fn actions(report: &Report, out: &mut String) {
    const EACH: usize = 2;
    let loud = report.findings.iter().filter(|finding| finding.is_loud()).take(report.show.findings);
    let mut told = BTreeSet::new();
    let items: Vec<(&str, &Finding)> = loud
        .flat_map(|finding| finding.remedy.iter().take(EACH).map(move |remedy| (remedy.lines().next().unwrap_or_default(), finding)))
        .filter(|(remedy, _)| !remedy.is_empty() && told.insert(*remedy))
        .take(ROWS)
        .collect();
    if items.is_empty() {
        return;
    }
    out.push_str("\n## Action items\n\n| # | Action | Where | Because of | Owner | Due |\n|---:|---|---|---|---|---|\n");
    for (number, (remedy, finding)) in items.iter().enumerate() {
        let place = escaped(finding.subject.service.as_deref().unwrap_or_default());
        let _ = writeln!(out, "| {} | {} | {place} | {} | | |", number + 1, cell(remedy), code(&finding.id));
    }
}

/// What the findings rest on, to be opened again: file, line and bytes.
pub(super) fn evidence(report: &Report, out: &mut String) {
    const EACH: usize = 3;
    let shown = report.show.quotes.min(EACH);
    let rows: Vec<_> = report
        .findings
        .iter()
        .take(report.show.findings)
        .flat_map(|finding| finding.evidence.iter().take(shown).map(move |quote| (finding, quote)))
        .collect();
    if rows.is_empty() {
        return;
    }
    out.push_str("\n## Evidence\n\n| Finding | File and line | Bytes | Time (UTC) | Says |\n|---|---|---|---|---|\n");
    for (finding, quote) in rows.iter().take(ROWS) {
        let bar = |text: &str| code(text).replace('|', "\\|");
        let time = quote.time.as_deref().map_or_else(String::new, |time| text::instant_ms(time).map_or_else(|| time.to_owned(), text::moment));
        let says = quote.about.as_deref().map_or_else(|| bar(&text::cut(quote.excerpt.lines().next().unwrap_or_default(), 110)), escaped);
        let end = quote.offset.saturating_add(quote.length);
        let _ = writeln!(
            out,
            "| {} | {} | {} to {end} | {} | {says} |",
            bar(&finding.id),
            bar(&format!("{}:{}", quote.file, quote.line)),
            quote.offset,
            escaped(&time)
        );
    }
    left_out(rows.len(), ROWS, "quotes", out);
}
