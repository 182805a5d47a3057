//! Metrics as series: found by what they mean, whichever exporter wrote the name.
//!
//! ```text
//! hikaricp.connections.active    hikaricp_connections_active    hikaricp_connections_active_connections
//! http.server.requests.count     http_server_requests_seconds_count
//! kafka.consumergroup.lag        kafka_consumergroup_lag        kafka-consumergroup-lag
//! ```
//!
//! Names are compared word by word without case, separators and units. What this file does not do: know which metric
//! stands for which fact; a detector names those it can use.

use crate::correlate::Case;
use crate::model::names::{Interner, Sym};
use crate::model::record::MetricKind;
use crate::model::tables::Metric;
use crate::model::time::Time;
use std::collections::BTreeMap;

/// Words that say a unit; exporters add or leave them.
const UNITS: &[&str] = &["seconds", "second", "milliseconds", "ms", "s", "bytes", "by", "total", "ratio", "percent", "nanoseconds", "base", "1"];

/// Words that exporters repeat at the end as a unit: `tomcat_threads_busy_threads`.
const COUNTED: &[&str] =
    &["threads", "connections", "tasks", "requests", "sessions", "records", "classes", "buffers", "objects", "calls", "milliseconds", "connection"];

/// Endings of names that only ever grow.
const GROWING: &[&str] = &["total", "count", "sum", "bucket"];

/// Labels that name a pool of connections, the plainest first.
pub const POOL_NAMES: &[&str] = &["pool", "pool.name", "db.client.connection.pool.name", "db_name", "name", "id"];

/// Where the series of every name stand in the table of metrics.
#[derive(Clone, Debug, Default)]
pub struct Meters {
    /// By the words of the name: first and last row of each series, in the order of service, instance and labels.
    series: BTreeMap<Vec<String>, Vec<(u32, u32)>>,
}

impl Meters {
    /// Indexes metrics in the order of gather: by service, instance, name, labels, time.
    #[must_use]
    pub fn new(metrics: &[Metric], names: &Interner) -> Self {
        let mut words: BTreeMap<Sym, Vec<String>> = BTreeMap::new();
        let mut series: BTreeMap<Vec<String>, Vec<(u32, u32)>> = BTreeMap::new();
        let mut at = 0_u32;
        for rows in metrics.chunk_by(|a, b| (a.service, a.instance, a.name, a.labels) == (b.service, b.instance, b.name, b.labels)) {
            let end = at + rows.len() as u32;
            if let Some(first) = rows.first() {
                let words = words.entry(first.name).or_insert_with(|| words_of(names.get(first.name)));
                match series.get_mut(words.as_slice()) {
                    Some(known) => known.push((at, end)),
                    None => _ = series.insert(words.clone(), vec![(at, end)]),
                }
            }
            at = end;
        }
        Self { series }
    }
}

/// The words of a name in lower case, without units.
fn words_of(name: &str) -> Vec<String> {
    let lower = name.to_ascii_lowercase();
    let words = lower.split(['.', '_', '-', ':', '/', ' ']).filter(|word| !word.is_empty());
    let kept: Vec<String> = words.clone().filter(|word| !UNITS.contains(word)).map(str::to_owned).collect();
    if kept.is_empty() { words.map(str::to_owned).collect() } else { kept }
}

/// The points of one metric with one set of labels, in the order of time.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    /// Service.
    pub service: Sym,
    /// Instance.
    pub instance: Sym,
    /// Name as written.
    pub name: &'a str,
    /// Labels as `key=value`, joined by commas.
    pub labels: &'a str,
    /// Its rows; never empty.
    pub points: &'a [Metric],
}

impl<'a> Series<'a> {
    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&'a str> {
        label(self.labels, key)
    }

    /// How its values are to be read: a name that ends like a counter is one, also where the file does not say it.
    #[must_use]
    pub fn kind(&self) -> MetricKind {
        let said = self.points.first().map_or(MetricKind::Gauge, |point| point.kind);
        let growing = self.name.rsplit(['.', '_']).next().is_some_and(|last| GROWING.contains(&last));
        if said == MetricKind::Gauge && growing { MetricKind::Cumulative } else { said }
    }

    /// Times and values as written.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = (Time, f64)> + use<'a> {
        self.points.iter().map(|point| (point.time, point.value))
    }

    /// What a counter gained from point to point, with the later point. A counter that falls has begun anew: what it shows
    /// then was gained since.
    pub fn steps(&self) -> impl Iterator<Item = (&'a Metric, f64)> + use<'a> {
        let is_delta = self.kind() == MetricKind::Delta;
        let first = if is_delta { self.points.first().map(|point| (point, point.value)) } else { None };
        first.into_iter().chain(self.points.windows(2).filter_map(move |pair| {
            let [before, after] = pair else { return None };
            let gain = if is_delta || after.value < before.value { after.value } else { after.value - before.value };
            Some((after, gain))
        }))
    }

    /// The same of a counter of which it is known when its source began to be asked: one that appears later, since what it counts
    /// had not happened before, has gained its first value.
    pub fn steps_since(&self, begin: Time) -> impl Iterator<Item = (&'a Metric, f64)> + use<'a> {
        let late = self.points.first().filter(|first| begin.is_some() && first.time > begin && self.kind() != MetricKind::Delta);
        late.map(|first| (first, first.value)).into_iter().chain(self.steps())
    }

    /// What a counter gained from point to point, the time being that of the later.
    pub fn gains(&self) -> impl Iterator<Item = (Time, f64)> + use<'a> {
        self.steps().map(|(point, gain)| (point.time, gain))
    }

    /// The sum of all gains.
    #[must_use]
    pub fn gained(&self) -> f64 {
        self.gains().map(|(_, gain)| gain).sum()
    }

    /// The point with the greatest value.
    #[must_use]
    pub fn highest(&self) -> Option<&'a Metric> {
        self.points.iter().filter(|point| point.value.is_finite()).max_by(|a, b| a.value.total_cmp(&b.value))
    }

    /// The value in force at a time: that of the latest point not after it.
    #[must_use]
    pub fn at(&self, time: Time) -> Option<f64> {
        let next = self.points.partition_point(|point| point.time <= time);
        self.points.get(next.checked_sub(1)?).map(|point| point.value)
    }
}

/// The value of a label in `key=value,key=value`. A value may hold commas that no `key=` follows.
#[must_use]
pub fn label<'a>(labels: &'a str, key: &str) -> Option<&'a str> {
    let mut from = 0;
    loop {
        let rest = labels.get(from..)?;
        if let Some(value) = rest.strip_prefix(key).and_then(|rest| rest.strip_prefix('=')) {
            return value.get(..end_of_value(value));
        }
        from += rest.find(',')? + 1;
    }
}

/// Where a value ends: at the comma before the next `key=`.
fn end_of_value(text: &str) -> usize {
    let is_key = |rest: &str| {
        let len = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')).count();
        len > 0 && rest.as_bytes().get(len) == Some(&b'=')
    };
    text.match_indices(',').find(|(at, _)| text.get(at + 1..).is_some_and(is_key)).map_or(text.len(), |(at, _)| at)
}

impl Case {
    /// Every series of a metric, in the order of service, instance and labels: `hikaricp.connections.pending`. Of histograms
    /// and summaries name the part too: `http.server.requests.count`.
    pub fn series(&self, metric: &str) -> impl Iterator<Item = Series<'_>> {
        let wanted = words_of(metric);
        let known = &self.context.meters.series;
        let exact = known.get(wanted.as_slice());
        let counted = COUNTED.iter().filter_map(move |unit| {
            let mut longer = wanted.clone();
            longer.push((*unit).to_owned());
            known.get(longer.as_slice())
        });
        exact.into_iter().chain(counted).flatten().filter_map(|rows| self.series_at(rows))
    }

    /// Every series of the metrics whose words, in lower case and without units, are as wanted.
    pub fn series_holding(&self, wanted: impl Fn(&[String]) -> bool) -> impl Iterator<Item = Series<'_>> {
        let known = self.context.meters.series.iter().filter(move |(words, _)| wanted(words));
        known.flat_map(|(_, rows)| rows).filter_map(|rows| self.series_at(rows))
    }

    fn series_at(&self, &(from, end): &(u32, u32)) -> Option<Series<'_>> {
        let points = self.tables.metrics.get(from as usize..end as usize)?;
        let first = points.first()?;
        let names = &self.tables.names;
        let (name, labels) = (names.get(first.name), names.get(first.labels));
        Some(Series { service: first.service, instance: first.instance, name, labels, points })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::gather::gather;
    use crate::model::source::{Evidence, FileId};
    use crate::model::tables::{SourceFile, Tables};

    fn case(rows: &[(&str, &str, &[f64])]) -> Case {
        let mut tables = Tables { files: vec![SourceFile { path: "m.prom".to_owned(), ..SourceFile::default() }], ..Tables::default() };
        for (name, labels, values) in rows {
            let (name, labels) = (tables.names.intern(name), tables.names.intern(labels));
            for (n, value) in values.iter().enumerate() {
                tables.metrics.push(Metric {
                    time: Time(1_767_261_600_000_000_000 + n as i64 * 15_000_000_000),
                    service: Sym::NONE,
                    instance: Sym::NONE,
                    name,
                    labels,
                    kind: MetricKind::Gauge,
                    value: *value,
                    evidence: Evidence::new(FileId(0), n as u64, 1),
                });
            }
        }
        gather(tables)
    }

    #[test]
    fn one_meaning_in_the_spelling_of_several_exporters() {
        let case = case(&[
            ("hikaricp_connections_active", "pool=a", &[1.0]),
            ("hikaricp.connections.active", "pool=b", &[2.0]),
            ("hikaricp_connections", "pool=a", &[10.0]),
            ("tomcat_threads_busy_threads", "name=http", &[7.0]),
            ("http_server_requests_seconds_count", "uri=/a", &[7.0]),
        ]);
        let found = |metric: &str| case.series(metric).map(|series| series.labels.to_owned()).collect::<Vec<_>>();
        assert_eq!(found("hikaricp.connections.active"), ["pool=b", "pool=a"]);
        assert_eq!(found("hikaricp.connections"), ["pool=a"]);
        assert_eq!(found("tomcat.threads.busy"), ["name=http"]);
        assert_eq!(found("http.server.requests.count"), ["uri=/a"]);
        assert_eq!(found("http.server.requests"), Vec::<String>::new());
    }

    #[test]
    fn counters_begin_anew() {
        let case = case(&[("errors_total", "", &[10.0, 14.0, 3.0, 5.0])]);
        let series = case.series("errors").next().unwrap();
        assert_eq!(series.gains().map(|(_, gain)| gain).collect::<Vec<_>>(), [4.0, 3.0, 2.0]);
        assert_eq!((series.gained(), series.highest().map(|point| point.value)), (9.0, Some(14.0)));
        assert_eq!(series.at(series.points[2].time), Some(3.0));
    }

    #[test]
    fn labels_may_hold_commas() {
        let labels = "area=heap,id=G1 Old Gen, x,uri=/a,b";
        assert_eq!((label(labels, "area"), label(labels, "id"), label(labels, "uri")), (Some("heap"), Some("G1 Old Gen, x"), Some("/a,b")));
        assert_eq!((label(labels, "d"), label(labels, "rea"), label("", "a")), (None, None, None));
    }
}
