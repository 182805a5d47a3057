//! Metrics: what the points have in common first, then the points.
//!
//! ```text
//! {"name":"jvm.memory.used","unit":"By","gauge":{"dataPoints":[{"timeUnixNano":"1795376426362000000","asInt":"1048576"}]}}
//! {"name":"http.server.request.duration","histogram":{"dataPoints":[{"count":"2","sum":2,"bucketCounts":["1","1"]}],"aggregationTemporality":2}}
//! {"name":"old","intSum":{"dataPoints":[{"value":"5","labels":[{"key":"a","value":"b"}]}],"isMonotonic":true}}
//! ```
//!
//! Every writer puts `aggregationTemporality` behind the points it applies to, so points are always read in a second step.

use crate::formats::json_scan::{Mark, Scan, Step};
use crate::formats::otlp::metric::{MetricDraft, Shape};
use crate::formats::otlp_json::request::{Reader, nanos, number_of};
use crate::formats::otlp_json::value::attributes;
use crate::model::record::Reason;

impl Reader<'_, '_> {
    pub(super) fn metric(&mut self) -> Step<()> {
        let start = self.scan.at();
        self.metric = MetricDraft::default();
        let mut data = Vec::new();
        let walked = self.metric_head(&mut data);
        let end = self.scan.mark();
        if walked.is_ok() && data.is_empty() {
            self.sink.quarantine(self.ground.part(start, self.scan.at() - start), Reason::Malformed);
        }
        for (mark, shape) in data {
            self.metric.shape = shape;
            self.scan.go(mark);
            self.metric_data()?;
        }
        self.scan.go(end);
        walked
    }

    fn metric_head(&mut self, data: &mut Vec<(Mark, Shape)>) -> Step<()> {
        self.scan.enter_object()?;
        while let Some(key) = self.scan.key()? {
            match key {
                "name" => self.metric.name = self.scan.text()?,
                "unit" => self.metric.unit = self.scan.text()?,
                _ => {
                    data.extend(shape(key).map(|shape| (self.scan.mark(), shape)));
                    self.scan.skip()?;
                }
            }
        }
        Ok(())
    }

    fn metric_data(&mut self) -> Step<()> {
        let mut points = None;
        let walked = self.data_head(&mut points);
        let end = self.scan.mark();
        if let Some(mark) = points {
            self.scan.go(mark);
            self.each(|reader| reader.record(Self::point))?;
        }
        self.scan.go(end);
        walked
    }

    fn data_head(&mut self, points: &mut Option<Mark>) -> Step<()> {
        if !self.scan.enter_object()? {
            return Ok(());
        }
        while let Some(key) = self.scan.key()? {
            match key {
                "aggregationTemporality" | "aggregation_temporality" => {
                    self.metric.temporality = number_of(self.scan.text()?, "AGGREGATION_TEMPORALITY_", &["unspecified", "delta", "cumulative"]);
                }
                "isMonotonic" | "is_monotonic" => self.metric.monotonic = self.scan.bool()?,
                "dataPoints" | "data_points" => {
                    *points = Some(self.scan.mark());
                    self.scan.skip()?;
                }
                _ => self.scan.skip()?,
            }
        }
        Ok(())
    }

    fn point(&mut self) -> Step<()> {
        let start = self.scan.at();
        self.point.clear();
        let (scan, point) = (&mut self.scan, &mut self.point);
        scan.enter_object()?;
        while let Some(key) = scan.key()? {
            match key {
                "timeUnixNano" | "time_unix_nano" => point.time = nanos(scan)?,
                "attributes" | "labels" => attributes(scan, &mut point.labels)?,
                "asDouble" | "as_double" | "asInt" | "as_int" | "value" => point.value = scan.float()?,
                "count" => point.count = scan.float()?,
                "sum" => point.sum = scan.float()?,
                "min" => point.min = scan.float()?,
                "max" => point.max = scan.float()?,
                "flags" => point.flags = scan.int()?.unwrap_or(0),
                "bucketCounts" | "bucket_counts" => floats(scan, &mut point.buckets)?,
                "explicitBounds" | "explicit_bounds" => floats(scan, &mut point.bounds)?,
                "quantileValues" | "quantile_values" => quantiles(scan, &mut point.quantiles)?,
                _ => scan.skip()?,
            }
        }
        let evidence = self.ground.part(start, self.scan.at() - start);
        self.point.tell(&self.metric, &self.resource, evidence, self.sink);
        Ok(())
    }
}

fn shape(key: &str) -> Option<Shape> {
    Some(match key {
        "gauge" | "intGauge" | "int_gauge" | "doubleGauge" | "double_gauge" => Shape::Gauge,
        "sum" | "intSum" | "int_sum" | "doubleSum" | "double_sum" => Shape::Sum,
        "histogram" | "intHistogram" | "int_histogram" | "doubleHistogram" | "double_histogram" => Shape::Histogram,
        "exponentialHistogram" | "exponential_histogram" => Shape::Histogram,
        "summary" | "doubleSummary" | "double_summary" => Shape::Summary,
        _ => return None,
    })
}

fn floats(scan: &mut Scan<'_>, out: &mut Vec<f64>) -> Step<()> {
    if scan.enter_array()? {
        while scan.item()? {
            out.push(scan.float()?.unwrap_or(0.0));
        }
    }
    Ok(())
}

fn quantiles(scan: &mut Scan<'_>, out: &mut Vec<(f64, f64)>) -> Step<()> {
    if !scan.enter_array()? {
        return Ok(());
    }
    while scan.item()? {
        if !scan.enter_object()? {
            continue;
        }
        // Zero is left out by writers.
        let (mut quantile, mut value) = (0.0, 0.0);
        while let Some(key) = scan.key()? {
            match key {
                "quantile" => quantile = scan.float()?.unwrap_or(0.0),
                "value" => value = scan.float()?.unwrap_or(0.0),
                _ => scan.skip()?,
            }
        }
        out.push((quantile, value));
    }
    Ok(())
}
