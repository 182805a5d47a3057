//! Metric points on their way to records: one number each, histograms and summaries as several.
//!
//! Buckets are counted up to their bound, as everywhere else, while OTLP counts each for itself. Of an exponential
//! histogram count, sum, least and largest value are told. What this file does not do: tell exemplars, or turn
//! exponential buckets into bounds.

use crate::formats::otlp::{Resource, text_field};
use crate::model::record::{Field, MetricKind, MetricRecord, Reason, Sink};
use crate::model::source::Evidence;
use crate::model::time::Time;
use std::fmt::Write;

/// Set in a point's flags if it only says that there is no value.
pub const NO_RECORDED_VALUE: i64 = 1;

/// What the points of a metric look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Shape {
    /// One number each.
    #[default]
    Gauge,
    /// One number each, added up.
    Sum,
    /// Count, sum and buckets.
    Histogram,
    /// Count, sum and quantiles.
    Summary,
}

/// What the points of a metric have in common.
#[derive(Clone, Copy, Default)]
pub struct MetricDraft<'a> {
    /// Name.
    pub name: &'a str,
    /// Unit.
    pub unit: &'a str,
    /// Shape.
    pub shape: Shape,
    /// Whether a sum only ever grows.
    pub monotonic: bool,
    /// 1 if each point tells what was added, 2 if the total.
    pub temporality: i64,
}

impl MetricDraft<'_> {
    /// How the numbers are to be read. A total that may fall is a level.
    const fn kind(&self) -> MetricKind {
        match (self.shape, self.temporality, self.monotonic) {
            (Shape::Gauge, ..) => MetricKind::Gauge,
            (Shape::Sum | Shape::Histogram, 1, _) => MetricKind::Delta,
            (Shape::Sum, _, false) => MetricKind::Gauge,
            (Shape::Sum, _, true) | (Shape::Histogram | Shape::Summary, ..) => MetricKind::Cumulative,
        }
    }
}

/// A point being read.
#[derive(Default)]
pub struct PointDraft<'a> {
    /// When.
    pub time: Time,
    /// The number of a gauge or sum.
    pub value: Option<f64>,
    /// How many values.
    pub count: Option<f64>,
    /// Their sum.
    pub sum: Option<f64>,
    /// The least.
    pub min: Option<f64>,
    /// The largest.
    pub max: Option<f64>,
    /// How many values in each bucket.
    pub buckets: Vec<f64>,
    /// Upper bounds of all buckets but the last.
    pub bounds: Vec<f64>,
    /// Quantiles of a summary and their values.
    pub quantiles: Vec<(f64, f64)>,
    /// Flags.
    pub flags: i64,
    /// Labels.
    pub labels: Vec<Field<'a>>,
}

impl PointDraft<'_> {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.time = Time::NONE;
        (self.value, self.count, self.sum, self.min, self.max) = (None, None, None, None, None);
        self.buckets.clear();
        self.bounds.clear();
        self.quantiles.clear();
        self.labels.clear();
        self.flags = 0;
    }

    /// Hands the point over. A point without a number goes to quarantine, unless it says itself that it has none.
    pub fn tell(&self, metric: &MetricDraft<'_>, resource: &Resource<'_>, evidence: Evidence, sink: &mut dyn Sink) {
        let (service, instance, unit) = (resource.service, resource.instance, metric.unit);
        let base: MetricRecord<'_> = MetricRecord {
            time: self.time,
            service,
            instance,
            name: metric.name,
            unit,
            kind: metric.kind(),
            labels: &self.labels,
            value: 0.0,
            evidence,
        };
        match (metric.shape, self.value, self.count) {
            _ if self.flags & NO_RECORDED_VALUE != 0 => {}
            _ if metric.name.is_empty() => sink.quarantine(evidence, Reason::Malformed),
            (Shape::Gauge | Shape::Sum, Some(value), _) => sink.metric(&MetricRecord { value, ..base }),
            (Shape::Histogram | Shape::Summary, _, Some(count)) => self.tell_parts(&base, count, sink),
            _ => sink.quarantine(evidence, Reason::Malformed),
        }
    }

    fn tell_parts(&self, base: &MetricRecord<'_>, count: f64, sink: &mut dyn Sink) {
        let mut name = String::with_capacity(base.name.len() + 8);
        for (suffix, kind, value) in [
            ("_count", base.kind, Some(count)),
            ("_sum", base.kind, self.sum),
            ("_min", MetricKind::Gauge, self.min),
            ("_max", MetricKind::Gauge, self.max),
        ] {
            let Some(value) = value else { continue };
            join(&mut name, base.name, suffix);
            sink.metric(&MetricRecord { name: &name, kind, value, ..*base });
        }
        join(&mut name, base.name, "_bucket");
        let mut below = 0.0;
        let buckets = self.buckets.iter().enumerate().map(|(at, held)| {
            below += held;
            (self.bounds.get(at).copied().unwrap_or(f64::INFINITY), below)
        });
        self.tell_labelled(&MetricRecord { name: &name, ..*base }, "le", buckets, sink);
        let quantiles = self.quantiles.iter().copied();
        self.tell_labelled(&MetricRecord { kind: MetricKind::Gauge, ..*base }, "quantile", quantiles, sink);
    }

    /// Tells the same series several times with a further label.
    fn tell_labelled(&self, base: &MetricRecord<'_>, key: &str, parts: impl Iterator<Item = (f64, f64)>, sink: &mut dyn Sink) {
        let mut text = String::new();
        let parts: Vec<(usize, usize, f64)> = parts
            .map(|(label, value)| {
                let start = text.len();
                let _ = if label == f64::INFINITY { write!(text, "+Inf") } else { write!(text, "{label}") };
                (start, text.len(), value)
            })
            .collect();
        if parts.is_empty() {
            return;
        }
        let mut labels: Vec<Field<'_>> = Vec::with_capacity(self.labels.len() + 1);
        labels.extend(&self.labels);
        for (start, end, value) in parts {
            labels.truncate(self.labels.len());
            labels.push(text_field(key, text.get(start..end).unwrap_or_default()));
            let base: MetricRecord<'_> = *base;
            sink.metric(&MetricRecord { labels: &labels, value, ..base });
        }
    }
}

fn join(out: &mut String, name: &str, suffix: &str) {
    out.clear();
    out.push_str(name);
    out.push_str(suffix);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::transcript::Transcript;

    fn told(metric: &MetricDraft<'_>, point: &PointDraft<'_>) -> Vec<String> {
        let mut transcript = Transcript::default();
        point.tell(metric, &Resource::default(), Evidence::default(), &mut transcript);
        transcript.text.lines().map(|line| line.replace(" @0+0", "")).collect()
    }

    #[test]
    fn buckets_are_counted_up_to_their_bound() {
        let metric = MetricDraft { name: "t", shape: Shape::Histogram, temporality: 2, ..MetricDraft::default() };
        let point = PointDraft {
            count: Some(3.0),
            sum: Some(0.6),
            buckets: vec![1.0, 2.0, 0.0],
            bounds: vec![0.1, 10.0],
            labels: vec![text_field("a", "b")],
            ..PointDraft::default()
        };
        let want = [
            r#"metric name="t_count" kind="Cumulative" labels="a=b;" value="3.0""#,
            r#"metric name="t_sum" kind="Cumulative" labels="a=b;" value="0.6""#,
            r#"metric name="t_bucket" kind="Cumulative" labels="a=b;le=0.1;" value="1.0""#,
            r#"metric name="t_bucket" kind="Cumulative" labels="a=b;le=10;" value="3.0""#,
            r#"metric name="t_bucket" kind="Cumulative" labels="a=b;le=+Inf;" value="3.0""#,
        ];
        assert_eq!(told(&metric, &point), want);
    }

    #[test]
    fn quantiles_and_extremes_are_levels() {
        let metric = MetricDraft { name: "t", shape: Shape::Summary, ..MetricDraft::default() };
        let point = PointDraft { count: Some(1.0), quantiles: vec![(0.99, 5.0)], max: Some(5.0), ..PointDraft::default() };
        let want = [
            r#"metric name="t_count" kind="Cumulative" value="1.0""#,
            r#"metric name="t_max" kind="Gauge" value="5.0""#,
            r#"metric name="t" kind="Gauge" labels="quantile=0.99;" value="5.0""#,
        ];
        assert_eq!(told(&metric, &point), want);
    }

    #[test]
    fn kinds_follow_temporality_and_monotony() {
        let kind = |shape, temporality, monotonic| MetricDraft { shape, temporality, monotonic, ..MetricDraft::default() }.kind();
        assert_eq!(kind(Shape::Sum, 2, true), MetricKind::Cumulative);
        assert_eq!(kind(Shape::Sum, 2, false), MetricKind::Gauge);
        assert_eq!(kind(Shape::Sum, 1, true), MetricKind::Delta);
        assert_eq!(kind(Shape::Histogram, 1, false), MetricKind::Delta);
        assert_eq!(kind(Shape::Gauge, 0, false), MetricKind::Gauge);
    }

    #[test]
    fn a_point_without_a_number() {
        let metric = MetricDraft { name: "t", ..MetricDraft::default() };
        assert_eq!(told(&metric, &PointDraft::default()), ["quarantine malformed"]);
        assert!(told(&metric, &PointDraft { flags: NO_RECORDED_VALUE, ..PointDraft::default() }).is_empty());
    }
}
