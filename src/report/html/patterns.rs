//! Log patterns: masked texts with how often they occur, and how that differs from the baseline or from calm time.

use askama::Template;

use crate::report::html::{Context, Section, left_out};
use crate::report::picture::Template as Pattern;
use crate::report::text;

#[derive(Template)]
#[template(path = "patterns.html", config = "src/report/askama.toml")]
struct Patterns {
    rows: Vec<Row>,
    /// With what they are compared, empty if with nothing.
    compared: &'static str,
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
    let compared = match () {
        () if all.iter().any(|it| it.baseline.is_some()) => "Against the baseline",
        () if all.iter().any(|it| it.calm.is_some()) => "In the incident",
        () => "",
    };
    let html = Patterns { rows, compared, left_out }.render().unwrap_or_default();
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

/// Change against the baseline, or of the incident against the rest of the bundle, in words, and a number to sort by.
fn change(pattern: &Pattern) -> (String, String) {
    let (now, usual, only) = match (pattern.baseline, pattern.calm) {
        (Some(usual), _) => (pattern.count, usual, "new"),
        (None, Some(calm)) => (calm.during, calm.usual, "only then"),
        (None, None) => return (String::new(), String::new()),
    };
    if !usual.is_finite() {
        return (String::new(), String::new());
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let now = now as f64;
    let times = now / usual;
    let words = match times {
        _ if now <= 0.0 => "not then".to_owned(),
        _ if usual <= 0.0 => only.to_owned(),
        t if t >= 1.5 => format!("▲ {} ×", text::number((t * 10.0).round() / 10.0)),
        t if t <= 0.67 => format!("▼ to {} %", text::number((t * 100.0).round())),
        _ => "as usual".to_owned(),
    };
    (words, if usual <= 0.0 { "1e99".to_owned() } else { format!("{times:.3}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::picture::Calm;

    #[test]
    fn changes_are_told_against_the_baseline_or_calm_time() {
        let of = |count, baseline, calm: Option<(u64, f64)>| {
            change(&Pattern { count, baseline, calm: calm.map(|(during, usual)| Calm { during, usual }), ..Pattern::default() }).0
        };
        assert_eq!((of(10, Some(0.0), None), of(10, Some(2.0), None)), ("new".to_owned(), "▲ 5 ×".to_owned()));
        assert_eq!((of(10, None, Some((10, 0.0))), of(10, None, Some((5, 5.0)))), ("only then".to_owned(), "as usual".to_owned()));
        assert_eq!((of(10, None, Some((0, 5.0))), of(10, None, None)), ("not then".to_owned(), String::new()));
    }
}
