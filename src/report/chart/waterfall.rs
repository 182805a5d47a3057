//! A trace as bars under each other: who waited for whom, what was tried again, and the path that made it as long as it was.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::report::chart::{Px, Scale, Svg, fitted, ticks, width_of};
use crate::report::picture::{Bar, Waterfall};
use crate::report::text;

/// Bars drawn of one trace.
pub(in crate::report) const BARS: usize = 300;

const LEFT: f64 = 310.0;
const RIGHT: f64 = 920.0;
const WIDTH: f64 = 1000.0;
const ROW: f64 = 22.0;
const TOP: f64 = 26.0;

/// Draws a trace. `id` must be unique on the page.
pub(in crate::report) fn draw(id: &str, trace: &Waterfall) -> Svg {
    let bars = &trace.bars[..trace.bars.len().min(BARS)];
    let end = bars.iter().map(|bar| bar.start_ms + bar.length_ms).chain([trace.total_ms]).filter(|v| v.is_finite()).fold(0.0, f64::max);
    let x = Scale::new(0.0, end, LEFT, RIGHT);
    #[expect(clippy::cast_precision_loss, reason = "at most a few hundred")]
    let bottom = TOP + bars.len() as f64 * ROW;
    let failed = bars.iter().filter(|bar| bar.failed).count();
    let description = format!(
        "{} over {}, {} failed. Outlined bars lie on the critical path; dashed lines link repeated attempts. The table beneath gives the same in numbers.",
        text::counted(bars.len() as u64, "bar", "bars"),
        text::millis(end),
        text::counted(failed as u64, "has", "have")
    );
    let mut svg = Svg::new(id, "waterfall fit", WIDTH, bottom + 8.0, &format!("Trace {}", trace.trace_id), &description);
    for tick in ticks(0.0, end, 6.0) {
        svg.line("grid", x.at(tick), TOP - 6.0, x.at(tick), bottom);
        svg.text("tick mid", x.at(tick), TOP - 11.0, &text::millis(tick));
    }
    links(&mut svg, bars, x);
    let mut marks: BTreeMap<&str, String> = BTreeMap::new();
    for (row, bar) in bars.iter().enumerate() {
        draw_bar(&mut svg, bar, top_of(row), x);
        for (at, level) in bar.ticks.iter().take(40) {
            let _ = write!(marks.entry(level_class(level)).or_default(), "M{} {}v6", Px(x.at(*at)), Px(top_of(row) + ROW - 6.0));
        }
    }
    for (class, data) in &marks {
        svg.path(&format!("log-tick {class}"), data, None, "");
    }
    svg
}

/// A bar's name as picture and table show it.
pub(in crate::report) fn label(bar: &Bar) -> String {
    let mut label = format!("{} {}", bar.service, bar.name);
    if bar.attempt > 0 {
        let _ = write!(label, " #{}", bar.attempt);
    }
    if bar.folded > 1 {
        let _ = write!(label, " × {}", text::count(bar.folded));
    }
    label
}

fn draw_bar(svg: &mut Svg, bar: &Bar, y: f64, x: Scale) {
    let indent = f64::from(bar.depth.min(12)) * 10.0;
    let name = label(bar);
    let (from, to) = (x.at(bar.start_ms), x.at(bar.start_ms + bar.length_ms));
    let width = (to - from).max(2.0);
    let class = match (bar.failed, bar.critical) {
        (true, true) => "span failed critical",
        (true, false) => "span failed",
        (false, true) => "span critical",
        (false, false) => "span",
    };
    let length = text::millis(bar.length_ms);
    let result = if bar.failed { format!("✕ {length}") } else { length };
    let class_of_name = if bar.failed { "span-name failed" } else { "span-name" };
    let room = LEFT - 18.0 - indent;
    let who = fitted(&bar.service, room * 0.6, 12.5);
    let rest = name.strip_prefix(bar.service.as_str()).unwrap_or(&name).trim_start();
    let rest = fitted(rest, room - width_of(&who, 12.8) - 5.0, 12.0);
    svg.text_of(class_of_name, 6.0 + indent, y + 15.0, &who, &rest);
    svg.rect_titled(class, from, y + 4.0, width, ROW - 9.0, 2.0, &format!("{name}: starts at {}, takes {result}", text::millis(bar.start_ms)));
    if to + 70.0 <= WIDTH {
        svg.text("span-time", from + width + 6.0, y + 15.0, &result);
    } else {
        svg.text("span-time end", from - 6.0, y + 15.0, &result);
    }
}

/// From the end of each attempt to the start of the next of the same call.
fn links(svg: &mut Svg, bars: &[Bar], x: Scale) {
    let mut last: BTreeMap<(u32, &str, &str), (u32, usize)> = BTreeMap::new();
    let mut data = String::new();
    for (row, bar) in bars.iter().enumerate().filter(|(_, bar)| bar.attempt > 0) {
        let before = last.insert((bar.depth, &bar.service, &bar.name), (bar.attempt, row));
        if let Some((attempt, earlier)) = before
            && attempt < bar.attempt
            && let Some(previous) = bars.get(earlier)
        {
            let (x1, y1) = (x.at(previous.start_ms + previous.length_ms), top_of(earlier) + ROW / 2.0);
            let (x2, y2) = (x.at(bar.start_ms), top_of(row) + ROW / 2.0);
            let _ = write!(
                data,
                "M{} {}C{} {} {} {} {} {}",
                Px(x1),
                Px(y1),
                Px(x1 + 10.0),
                Px(y1 + 14.0),
                Px(x2 - 10.0),
                Px(y2 - 14.0),
                Px(x2),
                Px(y2 - 6.0)
            );
        }
    }
    svg.path("retry-link", &data, None, "");
}

fn top_of(row: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "at most a few hundred")]
    let row = row as f64;
    TOP + row * ROW
}

fn level_class(level: &str) -> &'static str {
    match level {
        "ERROR" | "FATAL" => "log-error",
        "WARN" => "log-warn",
        _ => "log-info",
    }
}
