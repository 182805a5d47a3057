//! The verdict: the answer, when and where, the chain of causes, the suspects, and how the fifteen scenarios stand.

use askama::Template;

use crate::report::chart::small;
use crate::report::html::{Context, Link, Section, finding, level};
use crate::report::text;
use crate::report::{Finding, Quote, Report, Service};

#[derive(Template)]
#[template(path = "verdict.html", config = "src/report/askama.toml")]
struct Verdict {
    level: &'static str,
    word: String,
    belief: String,
    headline: String,
    /// The root cause behind the headline's fault, if it is another.
    behind: String,
    facts: Vec<Fact>,
    chain: Vec<Link>,
    because: Vec<Vec<finding::Block>>,
    also: Vec<Link>,
    suspects: Vec<Suspect>,
    suspected: &'static str,
    differences: Vec<Difference>,
    /// Root causes of other incidents.
    beside: Vec<Link>,
    tally: Vec<Count>,
    scenarios: Vec<Cell>,
}

struct Fact {
    name: &'static str,
    value: String,
    detail: String,
    anchor: String,
}

struct Suspect {
    name: String,
    score: String,
    bar: Option<String>,
    because: String,
}

struct Difference {
    summary: String,
    /// A record that shows it.
    place: String,
}

struct Count {
    level: &'static str,
    word: &'static str,
    count: usize,
}

struct Cell {
    number: u8,
    name: String,
    status: &'static str,
    word: String,
}

/// Always there: a report without findings has a verdict too.
pub(super) fn section(context: &mut Context<'_>) -> Option<Section> {
    let report = context.report;
    let root = report.root_cause.as_ref();
    let find = |id: &str| report.findings.iter().find(|finding| finding.id == id);
    let chain_ids: &[String] = root.map_or(&[], |root| &root.chain);
    let in_chain: Vec<&Finding> = chain_ids.iter().filter_map(|id| find(id)).collect();
    let calm = report.verdict.level == "none";
    let told: Vec<&Finding> = match in_chain.is_empty() {
        // Remarks of a calm bundle are no incident, which would have a time and a first bad event.
        true if calm => Vec::new(),
        true => report.findings.iter().take(1).collect(),
        false => in_chain.clone(),
    };
    let also: Vec<Link> = in_chain
        .iter()
        .flat_map(|finding| &finding.explains)
        .filter(|id| !chain_ids.contains(id) && find(id).is_some())
        .take(8)
        .map(|id| context.anchors.link(report, id))
        .collect();
    let best = report.suspects.iter().map(|suspect| suspect.score).fold(0.0, f64::max);
    let suspects = report
        .suspects
        .iter()
        .take(5)
        .map(|suspect| Suspect {
            name: context.name(&suspect.service),
            score: text::number(suspect.score),
            bar: context.ink.draw(small::bar(if best > 1.0 { suspect.score / best } else { suspect.score })),
            because: context.text(&suspect.because.join("; ")),
        })
        .collect();
    let place_of = |quote: &Quote| place(context, quote);
    let differences = report
        .differences
        .iter()
        .take(6)
        .map(|it| Difference { summary: context.text(&it.summary), place: it.evidence.first().map_or_else(String::new, place_of) })
        .collect();
    let beside = report.other_stories().take(8).map(|story| context.anchors.link(report, &story.root)).collect();
    let tally = ["critical", "high", "medium", "low", "info"]
        .into_iter()
        .map(|word| Count { level: level(word), word, count: report.findings.iter().filter(|finding| finding.severity == word).count() })
        .filter(|count| count.count > 0)
        .collect();
    let (headline, behind) = text::headline(&report.verdict.headline);
    let html = Verdict {
        level: level(&report.verdict.level),
        word: if report.verdict.level == "none" { "clear".to_owned() } else { context.name(&report.verdict.level) },
        belief: told.first().map_or_else(String::new, |finding| context.name(&finding.belief)),
        headline: text::unbroken(&context.text(headline)),
        behind: text::unbroken(&context.text(behind)),
        facts: facts(context, &told),
        chain: chain_ids.iter().take(12).map(|id| context.anchors.link(report, id)).collect(),
        because: root.map_or_else(Vec::new, |root| root.because.iter().take(8).map(|it| finding::blocks(context, it)).collect()),
        also,
        suspects,
        suspected: if calm { "What changed most" } else { "Suspects" },
        differences,
        beside,
        tally,
        scenarios: report
            .scenarios
            .iter()
            .take(40)
            .map(|scenario| Cell {
                number: scenario.number,
                name: context.name(&scenario.name),
                status: status(&scenario.status),
                word: status_word(&scenario.status),
            })
            .collect(),
    }
    .render()
    .unwrap_or_default();
    Some(Section { place: 0, id: "s-verdict", name: "Verdict", count: String::new(), html })
}

fn facts(context: &Context<'_>, told: &[&Finding]) -> Vec<Fact> {
    let report = context.report;
    let mut facts = Vec::new();
    let mut add = |name, value: String, detail: String, anchor: String| facts.push(Fact { name, value, detail, anchor });

    let windows: Vec<(i64, i64)> =
        told.iter().filter_map(|f| f.window.as_ref()).filter_map(|w| Some((text::instant_ms(&w.start)?, text::instant_ms(&w.end)?))).collect();
    if let Some((start, end)) = windows.into_iter().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) {
        let (when, length) = span(start, end);
        add("When", when, length, String::new());
    }
    if let Some(window) = report.bundle.window.as_ref().filter(|_| told.is_empty()) {
        let (when, length) = match (text::instant_ms(&window.start), text::instant_ms(&window.end)) {
            (Some(start), Some(end)) => span(start, end),
            _ => (text::period(&window.start, &window.end), String::new()),
        };
        add("Covers", context.name(&when), context.name(&length), String::new());
    }
    if report.verdict.level == "none" {
        looked(report, &mut add);
    }
    let first = told
        .iter()
        .flat_map(|f| f.evidence.iter().map(move |q| (*f, q)))
        .filter_map(|(f, q)| Some((text::instant_ms(q.time.as_deref()?)?, f, q)))
        .min_by_key(|it| it.0);
    if let Some((ms, finding, quote)) = first {
        add("First bad event", text::clock(ms), place(context, quote), context.anchors.get(&finding.id).to_owned());
    }
    if let Some(root) = &report.root_cause {
        let sure = told.first().map_or_else(String::new, |f| format!("confidence {:.0} %", f.confidence * 100.0));
        add("Root cause", context.name(root.service.as_deref().unwrap_or("no single service")), sure, context.anchors.get(&root.finding).to_owned());
    }
    let mut services: Vec<&str> = Vec::new();
    for service in told.iter().flat_map(|f| &f.services) {
        if !services.contains(&service.as_str()) {
            services.push(service);
        }
    }
    if !services.is_empty() {
        let more = services.len().saturating_sub(6);
        let names = services.iter().take(6).copied().collect::<Vec<_>>().join(", ");
        add(
            "Services",
            text::counted(services.len() as u64, "service", "services"),
            context.name(&if more > 0 { format!("{names} and {more} more") } else { names }),
            String::new(),
        );
    }
    let all = report.coverage.understood_bytes.saturating_add(report.coverage.quarantined_bytes);
    add(
        "Understood",
        text::share(report.coverage.understood_bytes, all),
        format!("{}, {}", text::counted(report.bundle.files, "file", "files"), text::counted(report.bundle.records, "record", "records")),
        "s-coverage".to_owned(),
    );
    facts
}

/// A time, and how long it is.
fn span(start_ms: i64, end_ms: i64) -> (String, String) {
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let length = text::millis(end_ms.saturating_sub(start_ms) as f64);
    let (start, end) = (seconds(start_ms), seconds(end_ms));
    let last = if text::date(start) == text::date(end) { text::clock(end) } else { text::moment(end) };
    (format!("{} to {last}", text::clock(start)), text::unbroken(&format!("{} UTC, {length}", text::date(start))))
}

/// Without its milliseconds: to a second is near enough for a glance.
fn seconds(ms: i64) -> i64 {
    ms - ms.rem_euclid(1000)
}

/// How well it looked: what was served, how fast, and how much of what can go wrong was looked for.
fn looked(report: &Report, add: &mut dyn FnMut(&'static str, String, String, String)) {
    let served: Vec<&Service> = report.graph.services.iter().filter(|service| service.calls > 0).collect();
    let sum = |of: fn(&Service) -> u64| served.iter().fold(0_u64, |sum, service| sum.saturating_add(of(service)));
    if let Some(slowest) = served.iter().max_by(|a, b| a.p99_ms.total_cmp(&b.p99_ms).then_with(|| b.name.cmp(&a.name))) {
        let (calls, errors) = (sum(|service| service.calls), sum(|service| service.errors));
        let detail =
            format!("{} failed, slowest p99 {} at {}", text::share(errors, calls), text::millis(slowest.p99_ms), text::cut(&slowest.name, 60));
        add("Served", text::counted(calls, "call", "calls"), detail, "s-map".to_owned());
    }
    let count = |status: &str| report.rules.iter().filter(|rule| rule.status == status).count();
    let blind = count("not-applicable");
    if !report.rules.is_empty() {
        let detail = format!("{} what they need", text::counted(blind as u64, "rule lacks", "rules lack"));
        let detail = if blind == 0 { "none lacked what it needs".to_owned() } else { detail };
        add("Looked", format!("{} of {} rules", report.rules.len() - blind, report.rules.len()), detail, "s-coverage".to_owned());
    }
}

fn place(context: &Context<'_>, quote: &Quote) -> String {
    format!("{}:{}", context.name(&quote.file), quote.line)
}

/// Class of a scenario's status.
pub(super) fn status(word: &str) -> &'static str {
    match word {
        "confirmed" => "st-confirmed",
        "likely" => "st-likely",
        "possible" => "st-possible",
        "clear" => "st-clear",
        _ => "st-unknown",
    }
}

/// A status as people say it.
pub(super) fn status_word(word: &str) -> String {
    text::cut(word, 40).replace('-', " ")
}
