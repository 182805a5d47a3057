//! Small pictures beside a text: a value against its limit, a stretch of the bundle's time, a share, a row of values.

use std::fmt::Write as _;

use crate::report::chart::{Px, Scale, Svg};

/// A value as a bar, with a stroke at its limit. Red beyond the limit and shaded, so that it is not colour alone.
pub(in crate::report) fn meter(value: f64, limit: f64) -> Svg {
    let mut svg = Svg::ornament("meter", 200.0, 12.0);
    let most = value.abs().max(limit.abs()) * 1.08;
    let scale = Scale::new(0.0, if most.is_finite() && most > 0.0 { most } else { 1.0 }, 0.0, 200.0);
    let (end, mark) = (scale.at(value.abs()).max(1.0), scale.at(limit.abs()));
    svg.rect("track", 0.0, 2.0, 200.0, 8.0, 0.0);
    svg.rect("level", 0.0, 2.0, end.min(mark), 8.0, 0.0);
    if end > mark {
        svg.rect("excess", mark, 2.0, end - mark, 8.0, 0.0);
    }
    svg.line("limit", mark, 0.0, mark, 12.0);
    svg
}

/// A part of 1 as a bar.
pub(in crate::report) fn bar(part: f64) -> Svg {
    let mut svg = Svg::ornament("bar", 120.0, 8.0);
    svg.rect("track", 0.0, 0.0, 120.0, 8.0, 0.0);
    svg.rect("level", 0.0, 0.0, Scale::new(0.0, 1.0, 0.0, 120.0).at(part), 8.0, 0.0);
    svg
}

/// Where in the bundle's time something was, in milliseconds: `(start, end)` within `(first, last)`.
pub(in crate::report) fn strip(class: &str, within: (i64, i64), window: (i64, i64)) -> Svg {
    #[expect(clippy::cast_precision_loss, reason = "a few hundred pixels")]
    let scale = Scale::new(within.0 as f64, within.1 as f64, 0.0, 400.0);
    #[expect(clippy::cast_precision_loss, reason = "a few hundred pixels")]
    let (from, to) = (scale.at(window.0 as f64), scale.at(window.1 as f64));
    let width = (to - from).max(3.0);
    let mut svg = Svg::ornament("strip", 400.0, 10.0);
    svg.rect("track", 0.0, 3.0, 400.0, 4.0, 0.0);
    svg.rect(class, from.min(400.0 - width), 0.0, width, 10.0, 0.0);
    svg
}

/// Values as a line from the least to the greatest.
pub(in crate::report) fn spark(values: &[f64]) -> Svg {
    let mut svg = Svg::ornament("spark", 96.0, 24.0);
    let most = values.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    let across = Scale::new(0.0, values.len().saturating_sub(1) as f64, 2.0, 94.0);
    let up = Scale::new(0.0, most, 22.0, 2.0);
    let mut data = String::new();
    for (at, value) in values.iter().enumerate().take(400) {
        #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
        let _ = write!(data, "{}{} {}", if at == 0 { 'M' } else { 'L' }, Px(across.at(at as f64)), Px(up.at(*value)));
    }
    svg.path("line", &data, None, "");
    svg
}
