//! The time line: findings as bands, and every series in a lane of its own, all on one axis.
//!
//! Lanes have their own scale from zero to the greatest value, which is written beside them: shapes are compared, not
//! heights. A gap in a series is a gap in the line, unless it is no longer than the series' usual distance between two values.

use std::fmt::Write as _;

use crate::report::chart::{Px, Scale, Svg, thinned, time_ticks};
use crate::report::picture::usual_gap;
use crate::report::text;
use crate::report::{Finding, Report};

/// Lanes drawn.
pub(in crate::report) const LANES: usize = 24;
/// Findings drawn as bands.
pub(in crate::report) const BANDS: usize = 16;
/// Marks drawn.
pub(in crate::report) const MARKS: usize = 26;
/// Points of a lane.
const POINTS: usize = 600;

const LEFT: f64 = 236.0;
const RIGHT: f64 = 920.0;
const WIDTH: f64 = 1000.0;
const BAND: f64 = 20.0;
const LANE: f64 = 52.0;

/// A finding as the time line shows it.
pub(in crate::report) struct Band<'r> {
    /// The finding.
    pub(in crate::report) finding: &'r Finding,
    /// Its place on the page.
    pub(in crate::report) anchor: &'r str,
    /// Its number in the report's order.
    pub(in crate::report) number: usize,
}

/// The picture and what the script needs to read values off it.
pub(in crate::report) struct Drawn {
    /// The picture.
    pub(in crate::report) svg: Svg,
    /// JSON: the axis in pixels and milliseconds, and the lanes with their values.
    pub(in crate::report) island: serde_json::Value,
}

/// Draws findings and series over the time both cover; nothing if no time is known.
pub(in crate::report) fn draw(report: &Report, bands: &[Band<'_>]) -> Option<Drawn> {
    let (from, to) = range(report)?;
    let timeline = &report.timeline;
    let bands: Vec<_> = bands.iter().filter_map(|band| Some((band, times(band.finding)?))).take(BANDS).collect();
    let lanes = &timeline.series[..timeline.series.len().min(LANES)];
    let marks = &timeline.marks[..timeline.marks.len().min(MARKS)];
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    let (x, top) = (Scale::new(from as f64, to as f64, LEFT, RIGHT), if marks.is_empty() { 10.0 } else { 30.0 });
    #[expect(clippy::cast_precision_loss, reason = "at most a few dozen")]
    let (lanes_top, bottom) = {
        let lanes_top = top + bands.len() as f64 * BAND + if bands.is_empty() { 0.0 } else { 14.0 };
        (lanes_top, lanes_top + lanes.len() as f64 * LANE)
    };
    let description = format!(
        "From {} to {} UTC: {} as bands, {} as lines and {} such as deployments. The tables beneath give the same in numbers.",
        text::moment(from),
        text::moment(to),
        text::counted(bands.len() as u64, "finding", "findings"),
        text::counted(lanes.len() as u64, "series", "series"),
        text::counted(marks.len() as u64, "event", "events")
    );
    let mut svg = Svg::new("time", "timeline fit", WIDTH, bottom + 30.0, "Time line", &description);

    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    let scale = |ms: i64| x.at(ms as f64);
    axis(&mut svg, from, to, top, bottom, x);
    // One finding is carried through the lanes: several on top of each other would tint everything.
    let root = report.root_cause.as_ref().and_then(|root| bands.iter().find(|(band, _)| band.finding.id == root.finding));
    if let Some((band, (start, end))) = root.or(bands.first()) {
        svg.rect(
            &format!("shade {}", severity(&band.finding.severity)),
            scale(*start),
            lanes_top,
            (scale(*end) - scale(*start)).max(2.0),
            bottom - lanes_top,
            0.0,
        );
    }
    for (row, (band, (start, end))) in bands.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "at most a few dozen")]
        let y = top + row as f64 * BAND;
        let (left, right) = (scale(*start), scale(*end));
        let title = format!("{}: {} to {} UTC", band.finding.title, text::moment(*start), text::clock(*end));
        svg.link(band.anchor);
        svg.text("lane-name", 4.0, y + 13.0, &format!("{} {}", band.number, text::cut(&band.finding.title, 29)));
        svg.rect_titled(&format!("band {}", severity(&band.finding.severity)), left, y + 4.0, (right - left).max(3.0), BAND - 9.0, 3.0, &title);
        svg.end_link();
    }
    let mut values = Vec::new();
    for (row, series) in lanes.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "at most a few dozen")]
        let y = lanes_top + row as f64 * LANE;
        let (step, points) = thinned(&series.values, POINTS);
        let most = points.iter().flatten().copied().fold(0.0, f64::max);
        svg.text("lane-name", 4.0, y + LANE / 2.0, &text::cut(&series.name, 34));
        svg.text("lane-unit", 4.0, y + LANE / 2.0 + 13.0, &text::cut(&series.unit, 28));
        svg.line("ground", LEFT, y + LANE - 6.0, RIGHT, y + LANE - 6.0);
        svg.text("lane-most", RIGHT + 8.0, y + 14.0, &text::measured(most, short_unit(&series.unit)));
        let up = Scale::new(0.0, most, y + LANE - 6.0, y + 8.0);
        let width = timeline.step_ms.max(1).saturating_mul(i64::try_from(step).unwrap_or(1));
        let place =
            |at: usize| scale(timeline.start_ms.saturating_add(i64::try_from(at).unwrap_or(0).saturating_mul(width)).saturating_add(width / 2));
        let (line, area) = lines(&points, &place, up, y + LANE - 6.0);
        svg.path("area", &area, None, "");
        svg.path("line", &line, None, "");
        let rounded: Vec<Option<f64>> =
            points.iter().map(|value| value.map(|v| if v.abs() >= 100.0 { v.round() } else { (v * 1000.0).round() / 1000.0 })).collect();
        values.push(serde_json::json!({ "name": series.name, "unit": short_unit(&series.unit), "step": width, "values": rounded }));
    }
    for (number, mark) in marks.iter().enumerate() {
        let at = scale(mark.at_ms);
        svg.line("mark", at, 22.0, at, bottom);
        svg.rect_titled("flag", at - 8.0, 6.0, 16.0, 16.0, 3.0, &format!("{} UTC: {}", text::moment(mark.at_ms), mark.label));
        svg.text("flag-letter mid", at, 18.0, &letter(number));
    }
    let island =
        serde_json::json!({ "from": from, "to": to, "left": LEFT, "right": RIGHT, "width": WIDTH, "start": timeline.start_ms, "lanes": values });
    Some(Drawn { svg, island })
}

/// `A`, `B`, ... by which picture and table name a mark.
pub(in crate::report) fn letter(number: usize) -> String {
    u8::try_from(number).ok().filter(|n| *n < 26).map_or_else(|| (number + 1).to_string(), |n| char::from(b'A' + n).to_string())
}

/// First and last millisecond of series, else of the bundle, else of the findings.
fn range(report: &Report) -> Option<(i64, i64)> {
    let timeline = &report.timeline;
    let buckets = timeline.series.iter().map(|series| series.values.len()).max().unwrap_or(0);
    if buckets > 0 && timeline.step_ms > 0 {
        let length = timeline.step_ms.checked_mul(i64::try_from(buckets).ok()?)?;
        return Some((timeline.start_ms, timeline.start_ms.checked_add(length)?));
    }
    let bundle = report.bundle.window.as_ref().and_then(|window| Some((text::instant_ms(&window.start)?, text::instant_ms(&window.end)?)));
    let found = report.findings.iter().filter_map(times).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    found.map(|found| bundle.map_or(found, |bundle| (found.0.min(bundle.0), found.1.max(bundle.1))))
}

/// First and last sign of a finding, in milliseconds since 1970.
fn times(finding: &Finding) -> Option<(i64, i64)> {
    let window = finding.window.as_ref()?;
    let (start, end) = (text::instant_ms(&window.start)?, text::instant_ms(&window.end)?);
    Some((start.min(end), start.max(end)))
}

fn axis(svg: &mut Svg, from: i64, to: i64, top: f64, bottom: f64, x: Scale) {
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a tick is a whole millisecond")]
    for tick in time_ticks(from as f64, to as f64, 8.0) {
        let at = x.at(tick);
        svg.line("grid", at, top, at, bottom);
        let label = if to - from > 3 * 86_400_000 { text::date(tick as i64) } else { text::clock(tick as i64) };
        svg.text("tick mid", at, bottom + 16.0, &label);
    }
}

fn lines(points: &[Option<f64>], place: &dyn Fn(usize) -> f64, up: Scale, ground: f64) -> (String, String) {
    let (mut line, mut area) = (String::new(), String::new());
    let gap = usual_gap(points);
    let mut last: Option<usize> = None;
    for (at, value) in points.iter().enumerate().filter_map(|(at, value)| Some((at, (*value)?))) {
        let (x, y) = (Px(place(at)), Px(up.at(value)));
        if last.is_some_and(|before| at - before <= gap) {
            let _ = (write!(line, "L{x} {y}"), write!(area, "L{x} {y}"));
        } else {
            if let Some(end) = last {
                let _ = write!(area, "L{} {}Z", Px(place(end)), Px(ground));
            }
            let _ = (write!(line, "M{x} {y}h.1"), write!(area, "M{x} {}V{y}", Px(ground)));
        }
        last = Some(at);
    }
    if let Some(end) = last {
        let _ = write!(area, "L{} {}Z", Px(place(end)), Px(ground));
    }
    (line, area)
}

/// Units that the number words know are kept; others stand under the name already.
fn short_unit(unit: &str) -> &str {
    if matches!(unit, "ms" | "milliseconds" | "s" | "seconds" | "bytes" | "B" | "%" | "percent") { unit } else { "" }
}

/// Class of a severity.
pub(in crate::report) fn severity(word: &str) -> &'static str {
    match word {
        "critical" => "sev-critical",
        "high" => "sev-high",
        "medium" => "sev-medium",
        "low" => "sev-low",
        "none" => "sev-none",
        _ => "sev-info",
    }
}
