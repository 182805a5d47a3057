//! How far the readers of a Kafka topic lag behind, whichever tool tells it.
//!
//! ```text
//! kafka-consumer-groups --describe, kafka_exporter, lag exporter, kminion, Burrow, OpenTelemetry    by group
//! records-lag of the Java client by Micrometer, OpenTelemetry or a JMX exporter                     by service
//! ```
//!
//! Readings of partitions become snapshots of the whole topic: what was read at about the same time is one, and a partition
//! that is silent keeps its last reading for a while. Without times the order of the readings counts. What this file does not
//! do: say whether a lag is bad.

use crate::correlate::Case;
use crate::correlate::meter::Series;
use crate::model::names::Sym;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Time};
use crate::model::trend::median;
use std::collections::BTreeMap;

/// Metrics of the lag, of the offset read, and of the end of the log; the better ones first.
const FAMILIES: &[Family] = &[
    Family {
        lag: "kafka.consumergroup.lag",
        current: "kafka.consumergroup.current_offset",
        end: "kafka.consumergroup.log_end_offset",
        client: false,
    },
    Family { lag: "kafka.consumergroup.group.lag", current: "kafka.consumergroup.group.offset", end: "", client: false },
    Family { lag: "kafka.consumer_group.lag", current: "kafka.consumer_group.offset", end: "", client: false },
    Family { lag: "kminion.kafka.consumer_group_topic_partition_lag", current: "", end: "", client: false },
    Family { lag: "kafka.burrow.partition_lag", current: "kafka.burrow.partition_current_offset", end: "", client: false },
    Family { lag: "spring.cloud.stream.binder.kafka.offset", current: "", end: "", client: false },
    Family { lag: "kafka.consumer.fetch.manager.records.lag", current: "", end: "", client: true },
    Family { lag: "kafka.consumer.records_lag", current: "", end: "", client: true },
    Family { lag: "kafka.consumer.consumer_fetch_manager_metrics.records_lag", current: "", end: "", client: true },
    Family { lag: "kafka.consumer.fetch.manager.records.lag.max", current: "", end: "", client: true },
    Family { lag: "kafka.consumer.records_lag_max", current: "", end: "", client: true },
    Family { lag: "kafka.consumer.consumer_fetch_manager_metrics.records_lag_max", current: "", end: "", client: true },
];
/// Metrics of the end of the log of a partition, whoever reads it.
const ENDS: &[&str] = &[
    "kafka.topic_partition_current_offset",
    "kafka.partition_latest_offset",
    "kafka.partition.current_offset",
    "kminion.kafka.topic_partition_high_water_mark",
    "kafka.burrow.topic_partition_offset",
];
const GROUP: &[&str] = &["group", "consumergroup", "consumer_group", "group_id", "group.id", "consumer.group"];
const TOPIC: &[&str] = &["topic", "topic_name", "topic.name"];
const PARTITION: &[&str] = &["partition", "partition_id", "partition.id"];
const CLIENT: &[&str] = &["client", "client_id", "client.id", "clientid"];
const MEMBER: &[&str] = &["member", "consumer_id", "member_id"];
const HOST: &[&str] = &["host", "member_host", "consumer_host"];

/// A partition that says nothing keeps its last reading for so many usual distances between readings.
const CARRIED: i64 = 3;
/// Of all partitions so many percent must be known for a snapshot.
const KNOWN_PERCENT: usize = 80;

struct Family {
    lag: &'static str,
    current: &'static str,
    end: &'static str,
    /// Whether it is told by the client, who does not name its group.
    client: bool,
}

/// The readers of a topic: a group, or a service whose group is not named.
#[derive(Clone, Debug)]
pub struct Backlog<'a> {
    /// Group, or empty.
    pub group: &'a str,
    /// Topic, or empty.
    pub topic: &'a str,
    /// Who tells it; the reader itself if the group is not named.
    pub service: Sym,
    /// Readings of each partition, in order.
    pub partitions: BTreeMap<&'a str, Vec<Reading<'a>>>,
}

/// What is known of a partition at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading<'a> {
    /// When, or none.
    pub time: Time,
    /// The offset that was read up to.
    pub current: Option<f64>,
    /// The end of the log.
    pub end: Option<f64>,
    /// Records between the two.
    pub lag: Option<f64>,
    /// Member that reads it; a dash if nobody does, empty if it is not said.
    pub member: &'a str,
    /// That member's client id, or empty.
    pub client: &'a str,
    /// That member's host, or empty.
    pub host: &'a str,
    /// Where.
    pub evidence: Evidence,
}

/// A topic as a whole at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    /// When, or none.
    pub time: Time,
    /// Seconds since the first snapshot, or the number of the snapshot if no times are known.
    pub at: f64,
    /// Records not yet read.
    pub lag: f64,
    /// Sum of the offsets read, if all are known.
    pub current: Option<f64>,
    /// Sum of the ends, if all are known.
    pub end: Option<f64>,
    /// The reading with the greatest lag.
    pub evidence: Evidence,
}

/// Every backlog that metrics tell, by group and topic; of several metrics that tell the same the better one.
#[must_use]
pub fn backlogs(case: &Case) -> Vec<Backlog<'_>> {
    let mut best: BTreeMap<(&str, &str, Sym), Backlog<'_>> = BTreeMap::new();
    let mut ends: Option<BTreeMap<(&str, &str), Vec<Series<'_>>>> = None;
    for family in FAMILIES {
        let mut found = of_family(case, family);
        let ends = ends.get_or_insert_with(|| logs(case));
        for backlog in found.values_mut() {
            complete(backlog, ends);
        }
        for (key, backlog) in found {
            best.entry(key).or_insert(backlog);
        }
    }
    best.into_values().filter(|backlog| !backlog.partitions.is_empty()).collect()
}

/// Readings of a partition by time; by place where no time is told.
type Open<'a> = BTreeMap<(Time, Evidence), Reading<'a>>;

fn of_family<'a>(case: &'a Case, family: &Family) -> BTreeMap<(&'a str, &'a str, Sym), Backlog<'a>> {
    let mut open: BTreeMap<(&str, &str, Sym), BTreeMap<&str, Open<'a>>> = BTreeMap::new();
    for (metric, which) in [(family.lag, 0), (family.current, 1), (family.end, 2)] {
        for series in case.series(metric).filter(|_| !metric.is_empty()) {
            let text = |keys: &[&str]| keys.iter().find_map(|key| series.label(key)).unwrap_or("");
            let (mut group, topic) = (text(GROUP), text(TOPIC));
            if group.is_empty() && !family.client {
                // Tables of old tools name members only; what these have in common is the next best.
                group = text(CLIENT).trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['-', '_', '.']);
                if group.is_empty() {
                    continue;
                }
            }
            let service = if group.is_empty() { series.service } else { Sym::NONE };
            // A client that tells only its greatest lag stands for one partition.
            let partition = Some(text(PARTITION)).filter(|name| !name.is_empty()).unwrap_or_else(|| text(CLIENT));
            let readings = open.entry((group, topic, service)).or_default().entry(partition).or_default();
            for point in series.points.iter().filter(|point| point.value.is_finite()) {
                let key = (point.time, if point.time.is_some() { Evidence::default() } else { point.evidence });
                let reading = readings.entry(key).or_insert(Reading { time: point.time, evidence: point.evidence, ..Reading::default() });
                let slot = [&mut reading.lag, &mut reading.current, &mut reading.end];
                if let Some(slot) = slot.into_iter().nth(which) {
                    *slot = Some(slot.map_or(point.value, |known| known.max(point.value)));
                }
                if reading.member.is_empty() && reading.client.is_empty() {
                    (reading.member, reading.client, reading.host) = (text(MEMBER), text(CLIENT), text(HOST));
                }
            }
        }
    }
    let close = |(key, partitions): ((&'a str, &'a str, Sym), BTreeMap<&'a str, Open<'a>>)| {
        let partitions = partitions.into_iter().map(|(partition, readings)| (partition, readings.into_values().collect())).collect();
        (key, Backlog { group: key.0, topic: key.1, service: key.2, partitions })
    };
    open.into_iter().map(close).collect()
}

/// Ends of logs by topic and partition.
fn logs(case: &Case) -> BTreeMap<(&str, &str), Vec<Series<'_>>> {
    let mut ends: BTreeMap<(&str, &str), Vec<Series<'_>>> = BTreeMap::new();
    for series in ENDS.iter().flat_map(|metric| case.series(metric)) {
        let text = |keys: &[&str]| keys.iter().find_map(|key| series.label(key)).unwrap_or("");
        ends.entry((text(TOPIC), text(PARTITION))).or_default().push(series);
    }
    ends
}

/// Fills in what follows from the rest: two of lag, offset and end give the third.
fn complete(backlog: &mut Backlog<'_>, ends: &BTreeMap<(&str, &str), Vec<Series<'_>>>) {
    for (partition, readings) in &mut backlog.partitions {
        let logs = ends.get(&(backlog.topic, *partition)).map(Vec::as_slice).unwrap_or_default();
        for reading in readings.iter_mut() {
            if reading.end.is_none() && reading.time.is_some() {
                reading.end = logs.iter().filter_map(|series| series.at(reading.time)).reduce(f64::max);
            }
            match (reading.lag, reading.current, reading.end) {
                (None, Some(current), Some(end)) => reading.lag = Some((end - current).max(0.0)),
                (Some(lag), None, Some(end)) => reading.current = Some(end - lag),
                (Some(lag), Some(current), None) => reading.end = Some(current + lag),
                _ => {}
            }
        }
        readings.retain(|reading| reading.lag.is_some() || reading.end.is_some());
    }
    backlog.partitions.retain(|_, readings| !readings.is_empty());
}

impl Backlog<'_> {
    /// The topic as a whole, moment by moment.
    #[must_use]
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let timed = self.partitions.values().flatten().all(|reading| reading.time.is_some());
        if timed { self.by_time() } else { self.by_order() }
    }

    /// The usual distance between two readings of a partition in nanoseconds.
    #[must_use]
    pub fn step(&self) -> i64 {
        let gaps = self.partitions.values().flat_map(|readings| readings.windows(2)).map(|pair| pair[1].time.since(pair[0].time) as f64);
        let mut gaps: Vec<f64> = gaps.filter(|gap| *gap > 0.0).collect();
        median(&mut gaps).map_or(SECOND, |gap| gap as i64)
    }

    fn by_time(&self) -> Vec<Snapshot> {
        let step = self.step();
        let mut times: Vec<Time> = self.partitions.values().flatten().map(|reading| reading.time).collect();
        times.sort_unstable();
        times.dedup();
        let Some(&first) = times.first() else { return Vec::new() };
        // Instances are asked one after the other: what lies within half a step is one look at the topic.
        let mut looks: Vec<(Time, Time)> = Vec::new();
        for time in times {
            match looks.last_mut() {
                Some((from, to)) if time.since(*from) < step / 2 => *to = time,
                _ => looks.push((time, time)),
            }
        }
        let mut places: Vec<(&[Reading<'_>], usize)> = self.partitions.values().map(|readings| (readings.as_slice(), 0)).collect();
        let mut found = Vec::new();
        for (_, look) in looks {
            let mut known: Vec<&Reading<'_>> = Vec::new();
            for (readings, next) in &mut places {
                while readings.get(*next).is_some_and(|reading| reading.time <= look) {
                    *next += 1;
                }
                let last = next.checked_sub(1).and_then(|last| readings.get(last));
                known.extend(last.filter(|reading| look.since(reading.time) <= CARRIED * step));
            }
            if known.len() * 100 >= places.len() * KNOWN_PERCENT {
                found.extend(sum(&known, look, look.since(first) as f64 / SECOND as f64));
            }
        }
        found
    }

    fn by_order(&self) -> Vec<Snapshot> {
        let most = self.partitions.values().map(Vec::len).max().unwrap_or(0);
        (0..most)
            .filter_map(|number| {
                let known: Vec<&Reading<'_>> = self.partitions.values().filter_map(|readings| readings.get(number)).collect();
                if known.len() * 100 >= self.partitions.len() * KNOWN_PERCENT { sum(&known, Time::NONE, number as f64) } else { None }
            })
            .collect()
    }
}

/// One snapshot of several partitions; none if nobody knows a lag.
fn sum(known: &[&Reading<'_>], time: Time, at: f64) -> Option<Snapshot> {
    let worst = known.iter().filter(|reading| reading.lag.is_some()).max_by(|a, b| a.lag.unwrap_or(0.0).total_cmp(&b.lag.unwrap_or(0.0)))?;
    Some(Snapshot {
        time,
        at,
        lag: known.iter().filter_map(|reading| reading.lag).sum(),
        current: known.iter().filter(|reading| reading.lag.is_some()).map(|reading| reading.current).sum(),
        end: known.iter().filter(|reading| reading.lag.is_some()).map(|reading| reading.end).sum(),
        evidence: worst.evidence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::gather::gather;
    use crate::model::record::MetricKind;
    use crate::model::source::FileId;
    use crate::model::tables::{Metric, SourceFile, Tables};

    /// Name, labels, and points of a series: second (none if negative) and value.
    type Points<'a> = (&'a str, &'a str, &'a [(i64, f64)]);

    fn case(rows: &[Points<'_>]) -> Case {
        let mut tables = Tables { files: vec![SourceFile { path: "m.prom".to_owned(), ..SourceFile::default() }], ..Tables::default() };
        let mut at = 0;
        for (name, labels, points) in rows {
            let (name, labels) = (tables.names.intern(name), tables.names.intern(labels));
            for &(second, value) in *points {
                let time = if second < 0 { Time::NONE } else { Time(1_767_261_600_000_000_000 + second * SECOND) };
                let evidence = Evidence::new(FileId(0), at, 1);
                tables.metrics.push(Metric { time, service: Sym::NONE, instance: Sym::NONE, name, labels, kind: MetricKind::Gauge, value, evidence });
                at += 1;
            }
        }
        gather(tables)
    }

    #[test]
    fn partitions_add_up_at_each_look() {
        let case = case(&[
            ("kafka_consumergroup_lag", "consumergroup=g,partition=0,topic=t", &[(0, 10.0), (15, 20.0), (30, 30.0)]),
            ("kafka_consumergroup_lag", "consumergroup=g,partition=1,topic=t", &[(1, 1.0), (16, 2.0), (31, 3.0)]),
            ("kafka_topic_partition_current_offset", "partition=0,topic=t", &[(0, 100.0), (15, 200.0), (30, 300.0)]),
        ]);
        let all = backlogs(&case);
        assert_eq!(all.len(), 1);
        let snapshots = all[0].snapshots();
        let lags: Vec<f64> = snapshots.iter().map(|snapshot| snapshot.lag).collect();
        assert_eq!(lags, [11.0, 22.0, 33.0]);
        assert_eq!((snapshots[2].at, snapshots[2].end), (31.0, None), "the end of one partition is not known");
        assert_eq!(all[0].partitions["0"].iter().map(|reading| reading.current).collect::<Vec<_>>(), [Some(90.0), Some(180.0), Some(270.0)]);
    }

    #[test]
    fn a_silent_partition_keeps_its_reading_for_a_while() {
        let points = |n: i64| (0..n).map(|n| (n * 10, 5.0)).collect::<Vec<_>>();
        let (long, short) = (points(12), points(3));
        let case = case(&[
            ("kafka.consumergroup.lag", "group=g,partition=0,topic=t", &long),
            ("kafka.consumergroup.lag", "group=g,partition=1,topic=t", &short),
        ]);
        let lags: Vec<f64> = backlogs(&case)[0].snapshots().iter().map(|snapshot| snapshot.lag).collect();
        assert_eq!(lags, [10.0; 6], "three readings and three carried on; then half of the topic is unknown");
    }

    #[test]
    fn without_times_the_order_counts() {
        let rows: &[(i64, f64)] = &[(-1, 1.0), (-1, 2.0), (-1, 3.0)];
        let case = case(&[("kafka.consumergroup.lag", "group=g,partition=0,topic=t", rows)]);
        let at: Vec<(f64, f64)> = backlogs(&case)[0].snapshots().iter().map(|snapshot| (snapshot.at, snapshot.lag)).collect();
        assert_eq!(at, [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]);
    }

    #[test]
    fn clients_are_told_apart_by_service() {
        let case = case(&[("kafka_consumer_fetch_manager_records_lag_max", "client_id=c-1", &[(0, 4.0), (15, 5.0)])]);
        let all = backlogs(&case);
        assert_eq!((all.len(), all[0].group, all[0].partitions.keys().copied().collect::<Vec<_>>()), (1, "", vec!["c-1"]));
    }
}
