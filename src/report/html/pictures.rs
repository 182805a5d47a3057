//! The sections that are pictures of time and place: time line, service map, traces. Each with the same as a table.

use askama::Template;

use crate::report::chart::timeline::{self, Band};
use crate::report::chart::{map, waterfall};
use crate::report::html::{Context, Link, Section, island, left_out, level};
use crate::report::picture::{Bar, Mark, Series};
use crate::report::text;

#[derive(Template)]
#[template(path = "timeline.html", config = "src/report/askama.toml")]
struct Timeline {
    svg: Option<String>,
    narrow: Option<String>,
    island: String,
    marks: Vec<Event>,
    events: Vec<Event>,
    series: Vec<SeriesRow>,
    left_out: Vec<String>,
}

struct Event {
    sort: i64,
    time: String,
    letter: String,
    what: String,
    link: Option<Link>,
}

struct SeriesRow {
    name: String,
    unit: String,
    least: String,
    median: String,
    most: String,
    most_sort: String,
    when: String,
}

/// Findings, series and marks on one axis.
pub(super) fn timeline(context: &mut Context<'_>) -> Option<Section> {
    let report = context.report;
    let line = &report.timeline;
    let anchors: Vec<String> = report.findings.iter().take(timeline::BANDS).map(|f| context.anchors.get(&f.id).to_owned()).collect();
    let bands: Vec<Band<'_>> =
        report.findings.iter().zip(&anchors).enumerate().map(|(at, (finding, anchor))| Band { finding, anchor, number: at + 1 }).collect();
    let drawn = timeline::draw(report, &bands)?;
    let rows = context.limits.rows;
    let event = |(at, mark): (usize, &Mark), time: fn(i64) -> String| Event {
        sort: mark.at_ms,
        time: time(mark.at_ms),
        letter: timeline::letter(at),
        what: context.name(&mark.label),
        link: None,
    };
    let marks = line.marks.iter().enumerate().take(timeline::MARKS).map(|it| event(it, text::clock)).collect();
    let mut events: Vec<Event> = line.marks.iter().enumerate().map(|it| event(it, text::moment)).collect();
    for finding in &report.findings {
        let Some(ms) = finding.window.as_ref().and_then(|window| text::instant_ms(&window.start)) else { continue };
        let link = Some(context.anchors.link(report, &finding.id));
        events.push(Event { sort: ms, time: text::moment(ms), letter: String::new(), what: "first sign of".to_owned(), link });
    }
    events.sort_by_key(|event| event.sort);
    let left_out = [
        left_out(events.len(), rows, "event", "events"),
        left_out(line.series.len(), timeline::LANES, "series", "series"),
        left_out(line.marks.len(), timeline::MARKS, "mark", "marks"),
    ];
    events.truncate(rows);
    let series = line.series.iter().take(timeline::LANES).map(|series| series_row(context, series)).collect();
    let html = Timeline {
        svg: context.ink.draw(drawn.svg),
        narrow: context.ink.draw(drawn.narrow),
        island: island(&drawn.island),
        marks,
        events,
        series,
        left_out: left_out.into_iter().filter(|text| !text.is_empty()).collect(),
    }
    .render()
    .unwrap_or_default();
    Some(Section { place: 2, id: "s-timeline", name: "Timeline", count: String::new(), html })
}

fn series_row(context: &Context<'_>, series: &Series) -> SeriesRow {
    let line = &context.report.timeline;
    let mut known: Vec<(usize, f64)> =
        series.values.iter().enumerate().filter_map(|(at, v)| Some((at, (*v)?))).filter(|(_, v)| v.is_finite()).collect();
    known.sort_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
    let unit = context.name(&series.unit);
    let show = |it: Option<&(usize, f64)>| it.map_or_else(String::new, |(_, value)| text::measured(*value, &unit));
    let at = |bucket: usize| line.start_ms.saturating_add(line.step_ms.saturating_mul(i64::try_from(bucket).unwrap_or(0)));
    SeriesRow {
        name: context.name(&series.name),
        least: show(known.first()),
        median: show(known.get(known.len() / 2)),
        most: show(known.last()),
        most_sort: known.last().map_or_else(String::new, |it| it.1.to_string()),
        when: known.last().map_or_else(String::new, |it| text::clock(at(it.0))),
        unit,
    }
}

#[derive(Template)]
#[template(path = "map.html", config = "src/report/askama.toml")]
struct Map {
    svg: Option<String>,
    edges: Vec<EdgeRow>,
    services: Vec<ServiceRow>,
    left_out: Vec<String>,
}

struct EdgeRow {
    caller: String,
    callee: String,
    calls: (u64, String),
    errors: (u64, String),
    retries: (u64, String),
    p50: (String, String),
    p95: (String, String),
    p99: (String, String),
}

struct ServiceRow {
    name: String,
    calls: (u64, String),
    errors: (u64, String),
    p50: (String, String),
    p99: (String, String),
}

/// Who calls whom.
pub(super) fn map(context: &mut Context<'_>) -> Option<Section> {
    let graph = &context.report.graph;
    let drawn = map::draw(context.report);
    if drawn.is_none() && graph.services.is_empty() {
        return None;
    }
    let rows = context.limits.rows;
    let time = |ms: f64| (format!("{ms:.3}"), text::millis(ms));
    let number = |n: u64| (n, text::count(n));
    let failed = |errors: u64, calls: u64| (errors, format!("{} ({})", text::count(errors), text::share(errors, calls)));
    let mut edges: Vec<_> = graph.edges.iter().collect();
    edges.sort_by_key(|edge| std::cmp::Reverse((edge.errors.saturating_add(edge.retries), edge.calls)));
    let mut services: Vec<_> = graph.services.iter().collect();
    services.sort_by_key(|service| std::cmp::Reverse((service.errors, service.calls)));
    let mut left = Vec::new();
    if let Some(map) = &drawn
        && map.services_cut + map.edges_cut > 0
    {
        left.push(format!(
            "The picture leaves out {} and {}; services of findings and the busiest are drawn first.",
            text::counted(map.services_cut as u64, "service", "services"),
            text::counted(map.edges_cut as u64, "connection", "connections")
        ));
    }
    left.extend([left_out(edges.len(), rows, "connection", "connections"), left_out(services.len(), rows, "service", "services")]);
    let html = Map {
        edges: edges
            .iter()
            .take(rows)
            .map(|edge| EdgeRow {
                caller: context.name(&edge.caller),
                callee: context.name(&edge.callee),
                calls: number(edge.calls),
                errors: failed(edge.errors, edge.calls),
                retries: number(edge.retries),
                p50: time(edge.p50_ms),
                p95: time(edge.p95_ms),
                p99: time(edge.p99_ms),
            })
            .collect(),
        services: services
            .iter()
            .take(rows)
            .map(|service| ServiceRow {
                name: context.name(&service.name),
                calls: number(service.calls),
                errors: failed(service.errors, service.calls),
                p50: time(service.p50_ms),
                p99: time(service.p99_ms),
            })
            .collect(),
        left_out: left.into_iter().filter(|text| !text.is_empty()).collect(),
        svg: drawn.and_then(|map| context.ink.draw(map.svg)),
    }
    .render()
    .unwrap_or_default();
    Some(Section { place: 3, id: "s-map", name: "Service map", count: text::count(graph.services.len() as u64), html })
}

#[derive(Template)]
#[template(path = "traces.html", config = "src/report/askama.toml")]
struct Traces {
    facts: String,
    traces: Vec<Trace>,
    left_out: String,
}

struct Trace {
    id: String,
    why: String,
    open: bool,
    links: Vec<Link>,
    level: &'static str,
    total: String,
    spans: String,
    cut: String,
    svg: Option<String>,
    rows: Vec<SpanRow>,
}

struct SpanRow {
    depth: u32,
    label: String,
    start: String,
    length: String,
    result: &'static str,
    critical: bool,
}

/// Waterfalls, by finding.
pub(super) fn traces(context: &mut Context<'_>) -> Option<Section> {
    let report = context.report;
    let numbers = &report.traces;
    if report.waterfalls.is_empty() && numbers.spans == 0 {
        return None;
    }
    let mut traces = Vec::new();
    for (at, trace) in report.waterfalls.iter().take(context.limits.traces).enumerate() {
        let shown = trace.bars.len().min(waterfall::BARS);
        let cut = trace.cut.saturating_add((trace.bars.len() - shown) as u64);
        let links: Vec<Link> = trace.findings.iter().take(12).map(|id| context.anchors.link(report, id)).collect();
        traces.push(Trace {
            id: context.name(&trace.trace_id),
            why: context.name(&trace.why),
            open: at == 0,
            level: level(links.first().map_or("info", |link| if link.word.is_empty() { "info" } else { &link.word })),
            links,
            total: text::millis(trace.total_ms),
            spans: text::counted(trace.bars.iter().map(|bar| bar.folded.max(1)).sum::<u64>().saturating_add(trace.cut), "span", "spans"),
            cut: if cut > 0 { format!("{} not drawn.", text::counted(cut, "span is", "spans are")) } else { String::new() },
            svg: context.ink.draw(waterfall::draw(&format!("trace-{at}"), trace)),
            rows: trace.bars.iter().take(shown).map(|bar| span_row(context, bar)).collect(),
        });
    }
    let mut facts = format!("{} in {}", text::counted(numbers.spans, "span", "spans"), text::counted(numbers.traces, "trace", "traces"));
    for (count, one, many) in [
        (numbers.orphans, "span without a parent in the bundle", "spans without a parent in the bundle"),
        (numbers.duplicates, "span recorded twice", "spans recorded twice"),
        (numbers.logs_joined, "log record joined to a trace", "log records joined to a trace"),
    ] {
        if count > 0 {
            facts += &format!(", {}", text::counted(count, one, many));
        }
    }
    facts.push('.');
    let left_out = left_out(report.waterfalls.len(), traces.len(), "trace", "traces");
    let html = Traces { facts, traces, left_out }.render().unwrap_or_default();
    Some(Section { place: 4, id: "s-traces", name: "Traces", count: text::count(numbers.traces), html })
}

fn span_row(context: &Context<'_>, bar: &Bar) -> SpanRow {
    SpanRow {
        depth: bar.depth,
        label: context.name(&waterfall::label(bar)),
        start: text::millis(bar.start_ms),
        length: text::millis(bar.length_ms),
        result: if bar.failed { "failed" } else { "ok" },
        critical: bar.critical,
    }
}
