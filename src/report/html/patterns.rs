//! Log patterns: masked texts with how often they occur, and how that differs from the baseline.

use askama::Template;

use crate::report::html::{Context, Section, left_out};
use crate::report::picture::Template as Pattern;
use crate::report::text;

#[derive(Template)]
#[template(path = "patterns.html", config = "src/report/askama.toml")]
struct Patterns {
    rows: Vec<Row>,
    compared: bool,
    left_out: String,
}

struct Row {
    text: String,
    level: String,
    level_class: &'static str,
    count: (u64, String),
    change: String,
    change_sort: String,
    services: String,
    first: String,
    last: String,
}

/// The table of patterns, in the report's order: the most telling first.
pub(super) fn section(context: &mut Context<'_>) -> Option<Section> {
    let all = &context.report.templates;
    if all.is_empty() {
        return None;
    }
    let rows: Vec<Row> = all.iter().take(context.limits.rows.min(400)).map(|it| row(context, it)).collect();
    let left_out = left_out(all.len(), rows.len(), "pattern", "patterns");
    let html = Patterns { rows, compared: all.iter().any(|it| it.baseline.is_some()), left_out }.render().unwrap_or_default();
    Some(Section { place: 6, id: "s-patterns", name: "Log patterns", count: text::count(all.len() as u64), html })
}

fn row(context: &Context<'_>, pattern: &Pattern) -> Row {
    let (change, change_sort) = change(pattern);
    let time = |pick: fn(&crate::report::Window) -> &String| {
        pattern.window.as_ref().map_or_else(String::new, |window| {
            let written = pick(window);
            context.name(&text::instant_ms(written).map_or_else(|| written.clone(), |ms| context.time(ms)))
        })
    };
    Row {
        text: context.text(&pattern.text),
        level: context.name(&pattern.level),
        level_class: match pattern.level.as_str() {
            "FATAL" | "ERROR" => "log-error",
            "WARN" => "log-warn",
            _ => "log-info",
        },
        count: (pattern.count, text::count(pattern.count)),
        change,
        change_sort,
        services: context.name(&pattern.services.iter().take(12).cloned().collect::<Vec<_>>().join(", ")),
        first: time(|window| &window.start),
        last: time(|window| &window.end),
    }
}

/// Change against the baseline in words, and a number to sort by.
fn change(pattern: &Pattern) -> (String, String) {
    let Some(usual) = pattern.baseline.filter(|usual| usual.is_finite()) else { return (String::new(), String::new()) };
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let now = pattern.count as f64;
    let times = now / usual;
    let words = match times {
        _ if usual <= 0.0 => "new".to_owned(),
        t if t >= 1.5 => format!("▲ {} ×", text::number((t * 10.0).round() / 10.0)),
        t if t <= 0.67 => format!("▼ to {} %", text::number((t * 100.0).round())),
        _ => "as usual".to_owned(),
    };
    (words, if usual <= 0.0 { "1e99".to_owned() } else { format!("{times:.3}") })
}
