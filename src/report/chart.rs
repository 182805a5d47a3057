//! Own inline SVG: shapes with classes, never colours, so that one style sheet draws them light, dark and on paper.
//!
//! [`Svg`] escapes every text and counts every shape; [`Ink`] is what the page may spend. A picture never stands alone: its
//! title and description say what it shows, and the page has the same as a table beneath.

mod fold;
pub(super) mod heap;
mod layout;
pub(super) mod map;
pub(super) mod small;
pub(super) mod timeline;
pub(super) mod waits;
pub(super) mod waterfall;

use std::fmt::Write as _;

/// Shapes a page may draw in all.
pub(super) const SHAPES: usize = 20_000;

/// What is left of the shapes a page may draw.
#[derive(Debug)]
pub(super) struct Ink {
    left: usize,
}

impl Default for Ink {
    fn default() -> Self {
        Self { left: SHAPES }
    }
}

impl Ink {
    /// The picture's text, or nothing if there is not enough left for it.
    pub(super) fn draw(&mut self, svg: Svg) -> Option<String> {
        self.left = self.left.checked_sub(svg.shapes)?;
        Some(svg.finish())
    }
}

/// A picture under construction. Lengths are in CSS pixels at full size.
#[derive(Debug)]
pub(super) struct Svg {
    head: String,
    body: String,
    shapes: usize,
}

impl Svg {
    /// Begins a picture. `id` must be unique on the page; title and description are for those who do not see it.
    pub(super) fn new(id: &str, class: &str, width: f64, height: f64, title: &str, description: &str) -> Self {
        let mut head = String::new();
        let (w, h) = (Px(width), Px(height));
        let _ = write!(
            head,
            "<svg class=\"{class}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\">"
        );
        let _ = write!(head, "<title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>", Escaped(title), Escaped(description));
        Self { head, body: String::new(), shapes: 0 }
    }

    /// A small picture beside a text that says the same: hidden from screen readers.
    pub(super) fn ornament(class: &str, width: f64, height: f64) -> Self {
        let head = format!(
            "<svg class=\"{class}\" aria-hidden=\"true\" focusable=\"false\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" preserveAspectRatio=\"none\">",
            Px(width),
            Px(height)
        );
        Self { head, body: String::new(), shapes: 0 }
    }

    /// A rectangle with round corners of radius `round`.
    pub(super) fn rect(&mut self, class: &str, x: f64, y: f64, width: f64, height: f64, round: f64) {
        self.rect_titled(class, x, y, width, height, round, "");
    }

    /// A rectangle with a text that appears when pointed at.
    #[expect(clippy::too_many_arguments, reason = "a rectangle has that many")]
    pub(super) fn rect_titled(&mut self, class: &str, x: f64, y: f64, width: f64, height: f64, round: f64, title: &str) {
        self.shapes += 1;
        let _ = write!(
            self.body,
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"",
            Px(x),
            Px(y),
            Px(width.max(0.0)),
            Px(height.max(0.0))
        );
        if round > 0.0 {
            let _ = write!(self.body, " rx=\"{}\"", Px(round));
        }
        self.close("rect", title);
    }

    /// A straight line.
    pub(super) fn line(&mut self, class: &str, x1: f64, y1: f64, x2: f64, y2: f64) {
        self.shapes += 1;
        let _ = write!(self.body, "<line class=\"{class}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>", Px(x1), Px(y1), Px(x2), Px(y2));
    }

    /// A path of any length: one shape. `width` is that of the stroke, if it carries a meaning.
    pub(super) fn path(&mut self, class: &str, data: &str, width: Option<f64>, title: &str) {
        if data.is_empty() {
            return;
        }
        self.shapes += 1;
        let _ = write!(self.body, "<path class=\"{class}\" d=\"{data}\"");
        if let Some(width) = width {
            let _ = write!(self.body, " stroke-width=\"{}\"", Px(width));
        }
        self.close("path", title);
    }

    /// A circle.
    pub(super) fn circle(&mut self, class: &str, x: f64, y: f64, radius: f64) {
        self.shapes += 1;
        let _ = write!(self.body, "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"{}\"/>", Px(x), Px(y), Px(radius));
    }

    /// A text, escaped. The class says how it is anchored: `end`, `mid`, else at its start.
    pub(super) fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        self.shapes += 1;
        let _ = write!(self.body, "<text class=\"{class}\" x=\"{}\" y=\"{}\">{}</text>", Px(x), Px(y), Escaped(text));
    }

    /// A text whose first words stand out.
    pub(super) fn text_of(&mut self, class: &str, x: f64, y: f64, first: &str, rest: &str) {
        self.shapes += 1;
        let _ = write!(
            self.body,
            "<text class=\"{class}\" x=\"{}\" y=\"{}\"><tspan class=\"who\">{}</tspan> {}</text>",
            Px(x),
            Px(y),
            Escaped(first),
            Escaped(rest)
        );
    }

    /// Begins what leads to an element of the page when it is clicked. A picture holds no links, which a screen reader could
    /// not reach; the table twin has them.
    pub(super) fn link(&mut self, anchor: &str) {
        let _ = write!(self.body, "<g data-to=\"{}\">", Escaped(anchor));
    }

    /// Ends it.
    pub(super) fn end_link(&mut self) {
        self.body.push_str("</g>");
    }

    fn close(&mut self, tag: &str, title: &str) {
        if title.is_empty() {
            self.body.push_str("/>");
        } else {
            let _ = write!(self.body, "><title>{}</title></{tag}>", Escaped(title));
        }
    }

    fn finish(self) -> String {
        self.head + &self.body + "</svg>"
    }
}

/// A length with at most one decimal; what is not finite is 0.
struct Px(f64);

impl std::fmt::Display for Px {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = if self.0.is_finite() { (self.0.clamp(-1e6, 1e6) * 10.0).round() / 10.0 + 0.0 } else { 0.0 };
        write!(f, "{value}")
    }
}

/// Text for a place between tags or in a quoted attribute.
struct Escaped<'t>(&'t str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// About how wide a text is in a common sans serif of some size. There is no font to ask; it errs on the wide side.
fn width_of(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | 'I' | ' ' | '.' | ',' | ':' | ';' | '\'' | '!' | '|' | '(' | ')' | '[' | ']' | '/' | '-' => 0.36,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' => 0.94,
        'A'..='Z' => 0.7,
        c if c.is_ascii() => 0.6,
        c if (c as u32) < 0x1100 => 0.66,
        _ => 1.0,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// As much of a text as has room, with an ellipsis where it is cut.
fn fitted(text: &str, room: f64, size: f64) -> std::borrow::Cow<'_, str> {
    let mut used = 0.0;
    let mut kept = 0;
    for (at, c) in text.char_indices() {
        used += width_of(c.encode_utf8(&mut [0; 4]), size);
        if used > room {
            return format!("{}…", text[..kept].trim_end()).into();
        }
        if used <= room - size {
            kept = at + c.len_utf8();
        }
    }
    text.into()
}

/// A linear map from values to pixels.
#[derive(Clone, Copy, Debug)]
struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Scale {
    /// From values `from..to` to pixels `start..end`. A range without width is widened.
    fn new(from: f64, to: f64, start: f64, end: f64) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        Self { from, to, start, end }
    }

    /// Where a value is, kept inside.
    fn at(self, value: f64) -> f64 {
        let part = ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        if part.is_finite() { self.start + part * (self.end - self.start) } else { self.start }
    }
}

/// About `wanted` round values from `from` to `to`: steps of 1, 2 or 5 times a power of ten.
fn ticks(from: f64, to: f64, wanted: f64) -> Vec<f64> {
    let raw = (to - from) / wanted.max(1.0);
    if !raw.is_finite() || raw <= 0.0 {
        return Vec::new();
    }
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= raw * 0.999).unwrap_or(raw);
    steps(from, to, step)
}

/// About `wanted` round times, in milliseconds: steps that clocks have.
fn time_ticks(from_ms: f64, to_ms: f64, wanted: f64) -> Vec<f64> {
    const STEPS: &[f64] = &[
        1.0,
        2.0,
        5.0,
        10.0,
        20.0,
        50.0,
        100.0,
        200.0,
        500.0,
        1e3,
        2e3,
        5e3,
        10e3,
        15e3,
        30e3,
        60e3,
        120e3,
        300e3,
        600e3,
        900e3,
        1800e3,
        3600e3,
        7200e3,
        10_800e3,
        21_600e3,
        43_200e3,
        86_400e3,
        172_800e3,
        604_800e3,
        2_592_000e3,
        31_536_000e3,
    ];
    let raw = (to_ms - from_ms) / wanted.max(1.0);
    let step = STEPS.iter().copied().find(|step| *step >= raw).unwrap_or(raw);
    if raw > 0.0 && step.is_finite() { steps(from_ms, to_ms, step) } else { Vec::new() }
}

fn steps(from: f64, to: f64, step: f64) -> Vec<f64> {
    let first = (from / step).ceil();
    (0..64).map(|n| (first + f64::from(n)) * step).take_while(|value| *value <= to).collect()
}

/// At most `most` values, each the greatest of those it stands for: a peak is never lost.
fn thinned(values: &[Option<f64>], most: usize) -> (usize, Vec<Option<f64>>) {
    let step = values.len().div_ceil(most.max(1)).max(1);
    let greatest = |chunk: &[Option<f64>]| chunk.iter().flatten().copied().filter(|v| v.is_finite()).reduce(f64::max);
    (step, values.chunks(step).map(greatest).collect())
}

/// Class of a share of errors: `e0` none, `e1` under 1 %, `e2` under 5 %, `e3` under 20 %, `e4`.
fn error_class(errors: u64, calls: u64) -> &'static str {
    match (errors, calls) {
        (0, _) | (_, 0) => "e0",
        (e, c) if e.saturating_mul(100) < c => "e1",
        (e, c) if e.saturating_mul(20) < c => "e2",
        (e, c) if e.saturating_mul(5) < c => "e3",
        _ => "e4",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_shapes_counted() {
        let mut svg = Svg::new("a", "b", 10.0, f64::NAN, "<x>", "\"y\"");
        svg.text("t", 1.0 / 3.0, -0.0, "<script>'&");
        svg.rect_titled("r", 1.0, 2.0, -3.0, 4.0, 0.0, "</title>");
        assert_eq!(svg.shapes, 2);
        let text = Ink::default().draw(svg).expect("there is ink");
        assert!(text.contains("x=\"0.3\" y=\"0\">&lt;script&gt;&#39;&amp;</text>"), "{text}");
        assert!(text.contains("height=\"0\"") && text.contains("<title>&lt;/title&gt;</title>"));
        let mut dry = Ink { left: 0 };
        let mut one = Svg::ornament("o", 1.0, 1.0);
        one.circle("c", 0.0, 0.0, 1.0);
        assert_eq!(dry.draw(one), None);
    }

    #[test]
    fn texts_are_cut_where_they_do_not_fit() {
        assert_eq!(fitted("orders", 60.0, 12.0), "orders");
        assert_eq!(fitted("orders and payments", 60.0, 12.0), "orders…");
        assert_eq!((fitted("", 0.0, 12.0).as_ref(), fitted("größer", 1.0, 12.0).as_ref()), ("", "…"));
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(0.0, 100.0, 5.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(time_ticks(0.0, 1_200_000.0, 6.0).len(), 5);
        assert!(ticks(0.0, 0.0, 5.0).is_empty() && ticks(f64::NAN, 1.0, 5.0).is_empty() && ticks(0.0, f64::INFINITY, 5.0).is_empty());
        assert_eq!(thinned(&[Some(1.0), Some(9.0), None, None, Some(2.0)], 3), (2, vec![Some(9.0), None, Some(2.0)]));
    }
}
