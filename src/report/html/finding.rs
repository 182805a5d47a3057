//! Findings as cards: what was measured, how it is known, what else it could have been, and what to do.

use std::collections::BTreeSet;

use askama::Template;

use crate::report::chart::small;
use crate::report::html::{Context, Link, Section, left_out, level};
use crate::report::text;
use crate::report::{Finding, LookAlike, Measure, Quote, Subject, markdown};

/// Cards that are open from the start.
const OPEN: usize = 3;
/// Services that can be chosen.
const SERVICES: usize = 200;
/// Quotes of a card that are open from the start.
const QUOTES: usize = 3;

#[derive(Template)]
#[template(path = "findings.html", config = "src/report/askama.toml")]
struct Findings {
    cards: Vec<Card>,
    rest: Vec<Row>,
    left_out: String,
    scenarios: Vec<(u8, String)>,
    /// To filter by.
    all_services: Vec<String>,
    severities: Vec<&'static str>,
}

struct Card {
    number: usize,
    open: bool,
    anchor: String,
    id: String,
    rule: String,
    title: String,
    level: &'static str,
    severity: String,
    belief: String,
    confidence: String,
    role: &'static str,
    score: String,
    scenario: String,
    scenario_number: u8,
    subject: Vec<(&'static str, String)>,
    services: String,
    /// The same as a list for the filter.
    involved: String,
    period: String,
    start_ms: String,
    end_ms: String,
    strip: Option<String>,
    summary: String,
    explanation: Vec<Block>,
    /// Measures that were held against a limit.
    judged: Vec<Value>,
    /// The others: name and value.
    facts: Vec<(String, String)>,
    look_alikes: Vec<Other>,
    evidence: Vec<Record>,
    further: Vec<Record>,
    evidence_count: String,
    remedy: Vec<Vec<Block>>,
    capture: Vec<Vec<Block>>,
    caused_by: Vec<Link>,
    explains: Vec<Link>,
    markdown: String,
}

/// A paragraph, or code between fences.
pub(super) struct Block {
    /// Pieces of a paragraph, each with whether it is code; none for a code block.
    pub(super) spans: Vec<(bool, String)>,
    /// The code.
    pub(super) code: String,
}

struct Value {
    name: String,
    value: String,
    limit: String,
    ratio: String,
    beyond: bool,
    meter: Option<String>,
}

struct Other {
    name: String,
    outcome: String,
    excluded: bool,
}

/// A quoted record.
struct Record {
    place: String,
    bytes: String,
    time: String,
    service: String,
    trace: String,
    about: String,
    excerpt: String,
    digest: String,
}

struct Row {
    number: usize,
    level: &'static str,
    severity: String,
    title: String,
    service: String,
    summary: String,
}

/// Cards for the first findings, a line each for the others.
pub(super) fn section(context: &mut Context<'_>) -> Option<Section> {
    let report = context.report;
    let limits = context.limits;
    let mut cards = Vec::new();
    for (at, finding) in report.findings.iter().take(limits.cards).enumerate() {
        cards.push(card(context, at, finding));
    }
    let rest: Vec<Row> = report
        .findings
        .iter()
        .enumerate()
        .skip(limits.cards)
        .take(limits.findings)
        .map(|(at, finding)| Row {
            number: at + 1,
            level: level(&finding.severity),
            severity: context.name(&finding.severity),
            title: context.name(&finding.title),
            service: context.name(finding.subject.service.as_deref().unwrap_or_default()),
            summary: context.name(&finding.summary),
        })
        .collect();
    let scenarios = report
        .scenarios
        .iter()
        .filter(|scenario| report.findings.iter().any(|f| f.scenario == Some(scenario.number)))
        .map(|s| (s.number, context.name(&s.name)))
        .collect();
    let severities =
        ["critical", "high", "medium", "low", "info"].into_iter().filter(|word| report.findings.iter().any(|f| f.severity == *word)).collect();
    let left_out = left_out(report.findings.len(), cards.len() + rest.len(), "finding", "findings");
    let named: BTreeSet<&String> = report.findings.iter().take(limits.cards).flat_map(|finding| &finding.services).collect();
    let all_services = named.into_iter().take(SERVICES).map(|name| context.name(name)).collect();
    let html = Findings { cards, rest, left_out, scenarios, all_services, severities }.render().unwrap_or_default();
    Some(Section { place: 1, id: "s-findings", name: "Findings", count: text::count(report.findings.len() as u64), html })
}

fn card(context: &mut Context<'_>, at: usize, finding: &Finding) -> Card {
    let report = context.report;
    let times = finding.window.as_ref().and_then(|w| Some((text::instant_ms(&w.start)?, text::instant_ms(&w.end)?)));
    let within = report.bundle.window.as_ref().and_then(|w| Some((text::instant_ms(&w.start)?, text::instant_ms(&w.end)?)));
    let strip = times.zip(within).and_then(|(window, within)| context.ink.draw(small::strip(level(&finding.severity), within, window)));
    let scenario = finding.scenario.map_or_else(String::new, |number| {
        let name = report.scenarios.iter().find(|scenario| scenario.number == number).map_or("", |scenario| scenario.name.as_str());
        format!("{number} {}", context.name(name))
    });
    let shown = report.show.quotes;
    let links = |context: &Context<'_>, ids: &[String]| ids.iter().take(20).map(|id| context.anchors.link(report, id)).collect();
    Card {
        number: at + 1,
        open: at < OPEN,
        anchor: context.anchors.get(&finding.id).to_owned(),
        id: context.name(&finding.id),
        rule: context.name(&finding.rule),
        title: context.name(&finding.title),
        level: level(&finding.severity),
        severity: context.name(&finding.severity),
        belief: context.name(&finding.belief),
        confidence: format!("{:.0} %", finding.confidence * 100.0),
        role: text::role(&finding.role),
        score: format!("{:.0}", finding.score),
        scenario,
        scenario_number: finding.scenario.unwrap_or(0),
        subject: subject(context, &finding.subject),
        services: context.text(&finding.services.iter().take(30).cloned().collect::<Vec<_>>().join(", ")),
        involved: finding.services.iter().take(30).map(|name| context.name(name)).collect::<Vec<_>>().join("\n"),
        period: finding.window.as_ref().map_or_else(String::new, |w| context.name(&text::period(&w.start, &w.end))),
        start_ms: times.map_or_else(String::new, |it| it.0.to_string()),
        end_ms: times.map_or_else(String::new, |it| it.1.to_string()),
        strip,
        summary: text::unbroken(&context.text(&finding.summary)),
        explanation: blocks(context, &finding.explanation),
        judged: finding.measures.iter().filter(|it| it.limit.is_some()).take(16).map(|it| measure(context, it)).collect(),
        facts: finding
            .measures
            .iter()
            .filter(|it| it.limit.is_none() && !text::is_for_machines(&it.name))
            .take(32)
            .map(|it| fact(context, it))
            .collect(),
        look_alikes: finding.look_alikes.iter().take(16).map(|it| look_alike(context, it)).collect(),
        evidence: finding.evidence.iter().take(shown.min(QUOTES)).map(|it| quote(context, it)).collect(),
        further: finding.evidence.iter().take(shown).skip(QUOTES).map(|it| quote(context, it)).collect(),
        evidence_count: format!("{} of {}", finding.evidence.len().min(shown), text::count(finding.evidence_total)),
        remedy: finding.remedy.iter().take(16).map(|it| blocks(context, it)).collect(),
        capture: finding.capture_next_time.iter().take(16).map(|it| blocks(context, it)).collect(),
        caused_by: links(context, &finding.caused_by),
        explains: links(context, &finding.explains),
        markdown: text::cut(&markdown::finding(finding, shown), context.limits.text * 4).into_owned(),
    }
}

fn subject(context: &Context<'_>, subject: &Subject) -> Vec<(&'static str, String)> {
    [("service", &subject.service), ("peer", &subject.peer), ("about", &subject.operation), ("key", &subject.key)]
        .into_iter()
        .filter_map(|(name, value)| Some((name, context.name(value.as_deref()?))))
        .collect()
}

/// Paragraphs and code of an explanation or a remedy.
pub(super) fn blocks(context: &Context<'_>, source: &str) -> Vec<Block> {
    let source = context.text(source);
    text::blocks(&source)
        .into_iter()
        .map(|block| match block {
            text::Block::Code { body, .. } => Block { spans: Vec::new(), code: body.to_owned() },
            text::Block::Words(words) => Block {
                spans: text::spans(words)
                    .into_iter()
                    .map(|span| match span {
                        text::Span::Plain(plain) => (false, plain.to_owned()),
                        text::Span::Code(code) => (true, code.to_owned()),
                    })
                    .collect(),
                code: String::new(),
            },
        })
        .collect()
}

fn fact(context: &Context<'_>, measure: &Measure) -> (String, String) {
    (named(context, measure), shown(context, measure, measure.value))
}

fn named(context: &Context<'_>, measure: &Measure) -> String {
    text::label(&context.name(&measure.name), &context.name(&measure.unit))
}

fn shown(context: &Context<'_>, measure: &Measure, value: f64) -> String {
    text::value(&context.name(&measure.name), value, &context.name(&measure.unit))
}

fn measure(context: &mut Context<'_>, measure: &Measure) -> Value {
    let limit = measure.limit.filter(|limit| limit.is_finite());
    let times = limit.filter(|limit| *limit > 0.0 && measure.value > *limit).map(|limit| measure.value / limit);
    Value {
        name: named(context, measure),
        value: shown(context, measure, measure.value),
        limit: limit.map_or_else(String::new, |limit| shown(context, measure, limit)),
        ratio: times.map_or_else(String::new, |times| format!("{} × the limit", text::number((times * 10.0).round() / 10.0))),
        beyond: times.is_some(),
        meter: limit.and_then(|limit| context.ink.draw(small::meter(measure.value, limit))),
    }
}

fn look_alike(context: &Context<'_>, other: &LookAlike) -> Other {
    Other {
        name: context.name(&other.name),
        outcome: context.text(&other.outcome),
        excluded: ["excluded", "told apart"].iter().any(|start| other.outcome.starts_with(start)),
    }
}

fn quote(context: &Context<'_>, quote: &Quote) -> Record {
    Record {
        place: format!("{}:{}", context.name(&quote.file), quote.line),
        bytes: format!("byte {} + {}", quote.offset, quote.length),
        time: quote.time.as_deref().map_or_else(String::new, |time| context.name(&text::time(time))),
        service: context.name(quote.service.as_deref().unwrap_or_default()),
        trace: context.name(quote.trace_id.as_deref().unwrap_or_default()),
        about: text::unbroken(&context.name(quote.about.as_deref().unwrap_or_default())),
        excerpt: context.text(&quote.excerpt),
        digest: context.name(&quote.digest),
    }
}
