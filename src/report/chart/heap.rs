//! The heap after each collection, with the trend of its floor, over a strip of pauses on the same axis.

use std::fmt::Write as _;

use crate::report::chart::{Px, Scale, Svg, ticks, time_ticks, width_of};
use crate::report::picture::Jvm;
use crate::report::text;

/// Points of a line.
const POINTS: usize = 900;

const LEFT: f64 = 84.0;
const RIGHT: f64 = 980.0;
const WIDTH: f64 = 1000.0;

/// Draws heap and pauses, whichever there are. `id` must be unique on the page.
pub(in crate::report) fn draw(id: &str, jvm: &Jvm) -> Option<Svg> {
    if jvm.heap.is_empty() && jvm.pauses.is_empty() {
        return None;
    }
    let last = jvm.heap.iter().map(|it| it.0).chain(jvm.pauses.iter().map(|it| it.0)).filter(|v| v.is_finite()).fold(1.0, f64::max);
    let x = Scale::new(0.0, last, LEFT, RIGHT);
    let heap_bottom = if jvm.heap.is_empty() { 10.0 } else { 210.0 };
    let bottom = heap_bottom + if jvm.pauses.is_empty() { 0.0 } else { 86.0 };
    let mut svg =
        Svg::new(id, "heap fit", WIDTH, bottom + 28.0, &format!("Heap and pauses of {} {}", jvm.service, jvm.instance), &description(jvm, last));
    for tick in time_ticks(0.0, last * 1000.0, 8.0) {
        svg.line("grid", x.at(tick / 1000.0), 10.0, x.at(tick / 1000.0), bottom);
        svg.text("tick mid", x.at(tick / 1000.0), bottom + 16.0, &if tick == 0.0 { "0".to_owned() } else { text::millis(tick) });
    }
    if !jvm.heap.is_empty() {
        heap(&mut svg, jvm, x, heap_bottom);
    }
    if !jvm.pauses.is_empty() {
        pauses(&mut svg, jvm, x, heap_bottom + 22.0, bottom);
    }
    Some(svg)
}

fn description(jvm: &Jvm, last: f64) -> String {
    let mut out = format!(
        "{} and {} over {}.",
        text::counted(jvm.heap.len() as u64, "heap size", "heap sizes"),
        text::counted(jvm.pauses.len() as u64, "pause", "pauses"),
        text::millis(last * 1000.0)
    );
    if let Some(change) = trend_with_band(jvm) {
        let _ = write!(out, " The floor: {change}.");
    }
    if let Some(longest) = longest_pause(jvm) {
        let _ = write!(out, " The longest pause is {}.", text::millis(longest));
    }
    out
}

/// The trend in words: `+38 MiB per hour`, or that there is none.
pub(in crate::report) fn trend(jvm: &Jvm) -> Option<String> {
    let change = change(jvm)?;
    Some(if is_level(jvm) { "no trend".to_owned() } else { format!("{change} per hour") })
}

/// The trend with what it may be instead: `+38 MiB, between +31 MiB and +44 MiB per hour with 95 % confidence`.
pub(in crate::report) fn trend_with_band(jvm: &Jvm) -> Option<String> {
    let Some((low, high)) = band(jvm) else { return trend(jvm) };
    let most_likely = if is_level(jvm) { "no trend".to_owned() } else { change(jvm)? };
    Some(format!("{most_likely}, between {} and {} per hour with 95 % confidence", signed(low), signed(high)))
}

fn change(jvm: &Jvm) -> Option<String> {
    jvm.trend.and_then(per_hour).map(signed)
}

/// The flattest and the steepest trend that the points allow, in bytes per hour.
fn band(jvm: &Jvm) -> Option<(f64, f64)> {
    let [flat, steep] = jvm.band?;
    Some((per_hour(flat)?, per_hour(steep)?))
}

/// Whether a floor that neither rises nor falls is as well possible.
fn is_level(jvm: &Jvm) -> bool {
    band(jvm).is_some_and(|(low, high)| low <= 0.0 && high >= 0.0)
}

fn per_hour([(from, low), (to, high)]: [(f64, f64); 2]) -> Option<f64> {
    let slope = (high - low) / (to - from) * 3600.0;
    slope.is_finite().then_some(slope)
}

fn signed(bytes: f64) -> String {
    format!("{}{}", if bytes >= 0.0 { "+" } else { "" }, text::bytes_f(bytes))
}

/// The longest pause in milliseconds.
pub(in crate::report) fn longest_pause(jvm: &Jvm) -> Option<f64> {
    jvm.pauses.iter().map(|it| it.1).filter(|v| v.is_finite()).reduce(f64::max)
}

#[expect(clippy::cast_precision_loss, reason = "pixels")]
fn heap(svg: &mut Svg, jvm: &Jvm, x: Scale, bottom: f64) {
    let most = jvm.heap.iter().map(|it| it.1).chain(jvm.capacity).max().unwrap_or(1) as f64 * 1.05;
    let y = Scale::new(0.0, most, bottom, 14.0);
    let unit = 1024_f64.powf((most.max(1.0).ln() / 1024_f64.ln()).floor());
    for tick in ticks(0.0, most / unit, 4.0) {
        svg.line("grid", LEFT, y.at(tick * unit), RIGHT, y.at(tick * unit));
        svg.text("tick end", LEFT - 8.0, y.at(tick * unit) + 4.0, &text::bytes_f(tick * unit));
    }
    if let Some(capacity) = jvm.capacity {
        svg.line("capacity", LEFT, y.at(capacity as f64), RIGHT, y.at(capacity as f64));
        svg.text("note end", RIGHT, y.at(capacity as f64) - 5.0, &format!("capacity {}", text::bytes(capacity)));
    }
    let (mut line, mut live) = (String::new(), String::new());
    for chunk in jvm.heap.chunks(jvm.heap.len().div_ceil(POINTS).max(1)) {
        // Of points that share a pixel the greatest is drawn; live data is the smallest by nature.
        if let Some(top) = chunk.iter().max_by_key(|it| it.1) {
            let _ = write!(line, "{}{} {}", if line.is_empty() { 'M' } else { 'L' }, Px(x.at(top.0)), Px(y.at(top.1 as f64)));
        }
        if let Some(low) = chunk.iter().filter(|it| it.2).min_by_key(|it| it.1) {
            let _ = write!(live, "M{} {}a2.6 2.6 0 1 0 .1 0Z", Px(x.at(low.0)), Px(y.at(low.1 as f64) - 2.6));
        }
    }
    if let Some([[a, b], [c, d]]) = jvm.band {
        let at = |(seconds, bytes): (f64, f64)| format!("{} {}", Px(x.at(seconds)), Px(y.at(bytes)));
        svg.path("confidence", &format!("M{}L{}L{}L{}Z", at(a), at(b), at(d), at(c)), None, "95 % confidence of the trend");
    }
    svg.path("line", &line, None, "");
    svg.path("live", &live, None, "Live data after a full or mixed collection");
    if let Some([(from, low), (to, high)]) = jvm.trend {
        svg.line("trend", x.at(from), y.at(low), x.at(to), y.at(high));
        // Under the lower end of the stretch of line above it, where nothing is drawn.
        let words = trend(jvm).unwrap_or_default();
        let end = x.at(to) - 4.0;
        let begin = (end - width_of(&words, 12.0)).max(x.at(from));
        let level = |pixel: f64| Scale::new(x.at(from), x.at(to), y.at(low), y.at(high)).at(pixel);
        svg.text("note strong end", end, (level(begin).max(level(end)) + 22.0).min(bottom - 4.0), &words);
    }
}

fn pauses(svg: &mut Svg, jvm: &Jvm, x: Scale, top: f64, bottom: f64) {
    let most = longest_pause(jvm).unwrap_or(1.0).max(1.0);
    let y = Scale::new(0.0, most, bottom, top + 6.0);
    let mut data = String::new();
    for chunk in jvm.pauses.chunks(jvm.pauses.len().div_ceil(POINTS).max(1)) {
        if let Some(longest) = chunk.iter().filter(|it| it.1.is_finite()).max_by(|a, b| a.1.total_cmp(&b.1)) {
            let _ = write!(data, "M{} {}V{}", Px(x.at(longest.0)), Px(bottom), Px(y.at(longest.1).min(bottom - 1.0)));
        }
    }
    svg.line("ground", LEFT, bottom, RIGHT, bottom);
    svg.path("pauses", &data, None, "");
    svg.text("tick end", LEFT - 8.0, top + 10.0, &text::millis(most));
    svg.text("tick end", LEFT - 8.0, bottom, "pauses");
}
