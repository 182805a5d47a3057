//! The time line: findings as bands, and every series in a lane of its own, all on one axis.
//!
//! Lanes have their own scale from zero to the greatest value, which is written beside them: shapes are compared, not
//! heights. A gap in a series is a gap in the line, unless it is no longer than the series' usual distance between two values.
//! It is drawn twice, wide with names at the side and narrow with names above, since a picture that has to be moved to and fro
//! hides what happened at one time; the page shows the one for which there is room.

use std::fmt::Write as _;

use crate::report::chart::{Px, Scale, Svg, fitted, thinned, time_ticks, width_of};
use crate::report::picture::{Mark, Series, usual_gap};
use crate::report::text;
use crate::report::{Finding, Report};

/// Lanes drawn.
pub(in crate::report) const LANES: usize = 24;
/// Rows of findings drawn as bands, and bands in all.
const ROWS: usize = 16;
pub(in crate::report) const BANDS: usize = 60;
/// Marks drawn.
pub(in crate::report) const MARKS: usize = 26;

const LANE: f64 = 52.0;
/// Flags stand at least so far apart.
const FLAG: f64 = 18.0;

/// Where things stand in one of the two drawings.
struct Form {
    id: &'static str,
    class: &'static str,
    width: f64,
    left: f64,
    right: f64,
    /// Height of a band with its name.
    band: f64,
    /// Whether names stand above what they name, not at its side.
    above: bool,
    /// Points of a lane.
    points: usize,
    ticks: f64,
}

const WIDE: Form =
    Form { id: "time", class: "timeline wide fit", width: 1000.0, left: 268.0, right: 920.0, band: 20.0, above: false, points: 600, ticks: 8.0 };
const NARROW: Form =
    Form { id: "time-narrow", class: "timeline narrow", width: 360.0, left: 4.0, right: 356.0, band: 31.0, above: true, points: 160, ticks: 3.0 };

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
    /// The same for narrow screens.
    pub(in crate::report) narrow: Svg,
    /// JSON: the axis in pixels and milliseconds, and the lanes with their values.
    pub(in crate::report) island: serde_json::Value,
}

/// What is drawn.
struct Subject<'r> {
    report: &'r Report,
    from: i64,
    to: i64,
    /// In rows.
    bands: Vec<Vec<(&'r Band<'r>, (i64, i64))>>,
    lanes: &'r [Series],
    marks: &'r [Mark],
}

/// Draws findings and series over the time both cover; nothing if no time is known.
pub(in crate::report) fn draw(report: &Report, bands: &[Band<'_>]) -> Option<Drawn> {
    let (from, to) = range(report)?;
    let timeline = &report.timeline;
    let subject = Subject {
        report,
        from,
        to,
        bands: rows(bands),
        lanes: &timeline.series[..timeline.series.len().min(LANES)],
        marks: &timeline.marks[..timeline.marks.len().min(MARKS)],
    };
    Some(Drawn { svg: picture(&subject, &WIDE), narrow: picture(&subject, &NARROW), island: island(&subject) })
}

fn picture(subject: &Subject<'_>, form: &Form) -> Svg {
    let Subject { report, from, to, bands, lanes, marks } = subject;
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    let (x, top) = (Scale::new(*from as f64, *to as f64, form.left, form.right), if marks.is_empty() { 10.0 } else { 34.0 });
    #[expect(clippy::cast_precision_loss, reason = "at most a few dozen")]
    let (lanes_top, bottom) = {
        let lanes_top = top + bands.len() as f64 * form.band + if bands.is_empty() { 0.0 } else { 14.0 };
        (lanes_top, lanes_top + lanes.len() as f64 * LANE)
    };
    let description = format!(
        "From {} to {} UTC: {} as bands, {} as lines and {} such as deployments. The tables beneath give the same in numbers.",
        text::moment(*from),
        text::moment(*to),
        text::counted(bands.iter().map(Vec::len).sum::<usize>() as u64, "finding", "findings"),
        text::counted(lanes.len() as u64, "series", "series"),
        text::counted(marks.len() as u64, "event", "events")
    );
    let mut svg = Svg::new(form.id, form.class, form.width, bottom + 30.0, "Time line", &description);
    axis(&mut svg, (*from, *to), top, bottom, x, form);
    // One finding is carried through the lanes: several on top of each other would tint everything.
    let root = report.root_cause.as_ref().and_then(|root| bands.iter().flatten().find(|(band, _)| band.finding.id == root.finding));
    if let Some((band, (start, end))) = root.or(bands.first().and_then(|row| row.first())) {
        let (start, end) = (at(x, *start), at(x, *end));
        svg.rect(&format!("shade {}", severity(&band.finding.severity)), start, lanes_top, (end - start).max(2.0), bottom - lanes_top, 0.0);
    }
    for (row, bands) in bands.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "at most a few dozen")]
        draw_bands(&mut svg, bands, top + row as f64 * form.band, x, form);
    }
    for (row, series) in lanes.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "at most a few dozen")]
        draw_lane(&mut svg, report, series, lanes_top + row as f64 * LANE, x, form);
    }
    flags(&mut svg, marks, bottom, x, form);
    svg
}

/// Faults have a row each; remarks of one kind share one.
fn rows<'r>(bands: &'r [Band<'r>]) -> Vec<Vec<(&'r Band<'r>, (i64, i64))>> {
    let mut rows: Vec<Vec<(&Band<'_>, (i64, i64))>> = Vec::new();
    for (band, window) in bands.iter().filter_map(|band| Some((band, times(band.finding)?))).take(BANDS) {
        let is_remark = |band: &Band<'_>| !band.finding.is_loud();
        let alike = |(first, _): &(&Band<'_>, (i64, i64))| is_remark(first) && is_remark(band) && first.finding.title == band.finding.title;
        match rows.iter().position(|row| row.first().is_some_and(alike)) {
            Some(row) => rows[row].push((band, window)),
            None if rows.len() < ROWS => rows.push(vec![(band, window)]),
            None => {}
        }
    }
    rows
}

/// Title and bars of a row of findings; beside them, where there is room, the service.
fn draw_bands(svg: &mut Svg, bands: &[(&Band<'_>, (i64, i64))], y: f64, x: Scale, form: &Form) {
    const SIZE: f64 = 12.5;
    let Some((first, _)) = bands.first() else { return };
    let (room, bar, height) = if form.above { (form.right - 4.0, y + 18.0, 7.0) } else { (form.left - 14.0, y + 4.0, form.band - 9.0) };
    let name = match bands.len() {
        1 => format!("{} {}", first.number, first.finding.title),
        n => format!("{} and {} more {}", first.number, n - 1, first.finding.title),
    };
    let service = match bands.len() {
        1 => first.finding.subject.service.clone().unwrap_or_default(),
        n => format!("{n} findings"),
    };
    svg.link(first.anchor);
    svg.text("lane-name", 4.0, y + 13.0, &fitted(&name, room, SIZE));
    svg.end_link();
    let (mut left, mut right) = (f64::MAX, f64::MIN);
    for (band, (start, end)) in bands {
        let (from, to) = (at(x, *start), at(x, *end).max(at(x, *start) + 3.0));
        (left, right) = (left.min(from), right.max(to));
        let title = format!("{}: {} to {} UTC", band.finding.title, text::moment(*start), text::clock(*end));
        let class = if bands.len() > 1 { "band several" } else { "band" };
        svg.link(band.anchor);
        svg.rect_titled(&format!("{class} {}", severity(&band.finding.severity)), from, bar, to - from, height, 3.0, &title);
        svg.end_link();
    }
    let beside = width_of(&service, 11.0);
    if form.above {
        let used = width_of(&name, SIZE) + 10.0;
        if used + beside < room {
            svg.text("band-who", 4.0 + used, y + 13.0, &service);
        }
    } else if right + 8.0 + beside < form.right {
        svg.text("band-who", right + 6.0, y + 13.5, &service);
    } else if left - 8.0 - beside > form.left {
        svg.text("band-who end", left - 6.0, y + 13.5, &service);
    }
}

fn draw_lane(svg: &mut Svg, report: &Report, series: &Series, y: f64, x: Scale, form: &Form) {
    let (step, points) = thinned(&series.values, form.points);
    let most = points.iter().flatten().copied().fold(0.0, f64::max);
    let greatest = text::measured(most, short_unit(&series.unit));
    let unit = if series.median.is_empty() { series.unit.clone() } else { format!("{}, pale: p50", series.unit) };
    let ground = y + LANE - 6.0;
    let ceiling = if form.above {
        let width = width_of(&greatest, 11.5);
        let name = format!("{}, {unit}", series.name);
        svg.text("lane-name", 4.0, y + 11.0, &fitted(&name, form.right - width - 16.0, 12.5));
        svg.text("lane-most end", form.right, y + 11.0, &greatest);
        y + 18.0
    } else {
        svg.text("lane-name", 4.0, y + LANE / 2.0, &fitted(&series.name, form.left - 14.0, 12.5));
        svg.text("lane-unit", 4.0, y + LANE / 2.0 + 13.0, &text::cut(&unit, 34));
        svg.text("lane-most", form.right + 8.0, y + 14.0, &greatest);
        y + 8.0
    };
    svg.line("ground", form.left, ground, form.right, ground);
    let up = Scale::new(0.0, most, ground, ceiling);
    let timeline = &report.timeline;
    let width = bucket(timeline.step_ms, step);
    let place = |n: usize| {
        let start = timeline.start_ms.saturating_add(i64::try_from(n).unwrap_or(0).saturating_mul(width));
        at(x, start.saturating_add(width / 2))
    };
    let (line, area) = lines(&points, &place, up, ground);
    svg.path("area", &area, None, "");
    if !series.median.is_empty() {
        let (median, _) = lines(&thinned(&series.median, form.points).1, &place, up, ground);
        svg.path("line median", &median, None, "");
    }
    svg.path("line", &line, None, "");
}

/// What happened at one time. Flags that would hide each other stand side by side, each with a line to its time.
fn flags(svg: &mut Svg, marks: &[Mark], bottom: f64, x: Scale, form: &Form) {
    let mut places: Vec<f64> = Vec::with_capacity(marks.len());
    for mark in marks {
        let after = places.last().map_or(f64::NEG_INFINITY, |last| last + FLAG);
        places.push(at(x, mark.at_ms).max(after));
    }
    let mut most = form.right + 8.0;
    for place in places.iter_mut().rev() {
        *place = place.min(most);
        most = *place - FLAG;
    }
    for (number, (mark, flag)) in marks.iter().zip(places).enumerate() {
        let time = at(x, mark.at_ms);
        svg.path("mark", &format!("M{} 22L{} 33V{}", Px(flag), Px(time), Px(bottom)), None, "");
        svg.rect_titled("flag", flag - 8.0, 6.0, 16.0, 16.0, 3.0, &format!("{} UTC: {}", text::moment(mark.at_ms), mark.label));
        svg.text("flag-letter mid", flag, 18.0, &letter(number));
    }
}

fn island(subject: &Subject<'_>) -> serde_json::Value {
    let timeline = &subject.report.timeline;
    let mut lanes = Vec::new();
    for series in subject.lanes {
        let (step, points) = thinned(&series.values, WIDE.points);
        let rounded: Vec<Option<f64>> =
            points.iter().map(|value| value.map(|v| if v.abs() >= 100.0 { v.round() } else { (v * 1000.0).round() / 1000.0 })).collect();
        let width = bucket(timeline.step_ms, step);
        lanes.push(serde_json::json!({ "name": series.name, "unit": short_unit(&series.unit), "step": width, "values": rounded }));
    }
    let Form { left, right, width, .. } = WIDE;
    serde_json::json!({ "from": subject.from, "to": subject.to, "left": left, "right": right, "width": width, "start": timeline.start_ms, "lanes": lanes })
}

/// Milliseconds of so many buckets.
fn bucket(step_ms: i64, buckets: usize) -> i64 {
    step_ms.max(1).saturating_mul(i64::try_from(buckets).unwrap_or(1))
}

fn at(x: Scale, ms: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    x.at(ms as f64)
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

fn axis(svg: &mut Svg, (from, to): (i64, i64), top: f64, bottom: f64, x: Scale, form: &Form) {
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a tick is a whole millisecond")]
    for tick in time_ticks(from as f64, to as f64, form.ticks) {
        let place = x.at(tick);
        svg.line("grid", place, top, place, bottom);
        let label = if to - from > 3 * 86_400_000 { text::date(tick as i64) } else { text::clock(tick as i64) };
        let half = width_of(&label, 11.5) / 2.0;
        svg.text("tick mid", place.clamp(half, form.width - half), bottom + 16.0, &label);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::chart::Ink;

    #[test]
    fn remarks_of_one_kind_share_a_row_and_faults_do_not() {
        let finding = |severity: &str, title: &str| Finding {
            severity: severity.to_owned(),
            title: title.to_owned(),
            window: Some(crate::report::Window { start: "2026-01-01T10:00:00Z".to_owned(), end: "2026-01-01T10:01:00Z".to_owned() }),
            ..Finding::default()
        };
        let findings = [finding("high", "a"), finding("high", "a"), finding("low", "b"), finding("low", "c"), finding("low", "b")];
        let bands: Vec<Band<'_>> = findings.iter().enumerate().map(|(n, finding)| Band { finding, anchor: "x", number: n + 1 }).collect();
        let numbers: Vec<Vec<usize>> = rows(&bands).iter().map(|row| row.iter().map(|(band, _)| band.number).collect()).collect();
        assert_eq!(numbers, [vec![1], vec![2], vec![3, 5], vec![4]]);
    }

    #[test]
    fn flags_of_one_moment_stand_side_by_side() {
        let marks: Vec<Mark> = [0, 1, 2, 99, 100].map(|at_ms| Mark { at_ms, label: "x".to_owned() }).into();
        let mut svg = Svg::new("t", "t", 1000.0, 100.0, "", "");
        flags(&mut svg, &marks, 90.0, Scale::new(0.0, 100.0, WIDE.left, WIDE.right), &WIDE);
        let drawn = Ink::default().draw(svg).expect("there is ink");
        let places: Vec<f64> = drawn.split("class=\"flag\" x=\"").skip(1).filter_map(|rest| rest.split('"').next()?.parse().ok()).collect();
        assert!(places.len() == 5 && places.windows(2).all(|pair| pair[1] - pair[0] >= FLAG), "{places:?}");
        assert!(places.iter().all(|place| *place >= 0.0 && *place + 16.0 <= WIDE.width), "{places:?}");
    }
}
