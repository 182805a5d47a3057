//! How fast services answered over time, and how often they failed: from spans where a service has them, else from log records
//! of its requests, else from the counters of its metrics.
//!
//! What this file does not do: judge a value; a lane is there to be compared with the others.

use super::timeline::{Axis, Values};
use crate::correlate::Case;
use crate::correlate::graph::{Node, Timeline as Calls};
use crate::correlate::load::{Load, quantile};
use crate::findings::Diagnosis;
use crate::model::amount::millis;
use crate::model::finding::Input;
use crate::model::names::Sym;
use crate::report::picture::Series;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// At most this many services are drawn.
const SERVICES: usize = 6;

/// A service, and what tells of it.
struct Told<'c> {
    name: String,
    /// Its place among the services that findings name.
    mentioned: usize,
    calls: u64,
    source: Source<'c>,
}

enum Source<'c> {
    Spans(&'c Node),
    Load(&'c Load),
}

/// The lanes of the services that findings are about, then of the busiest.
pub(super) fn lanes(case: &Case, diagnosis: &Diagnosis, axis: &Axis) -> Vec<Series> {
    let mut told = told(case, diagnosis);
    told.sort_by(|a, b| (a.mentioned, Reverse(a.calls), &a.name).cmp(&(b.mentioned, Reverse(b.calls), &b.name)));
    let mut series = Vec::new();
    for service in told.iter().take(SERVICES) {
        match service.source {
            Source::Spans(node) => of_spans(&service.name, node, axis, &mut series),
            Source::Load(load) => of_load(&service.name, load, axis, &mut series),
        }
    }
    series
}

fn told<'c>(case: &'c Case, diagnosis: &Diagnosis) -> Vec<Told<'c>> {
    let names = &case.tables.names;
    let mentioned = |name: Sym| {
        let name = names.get(name);
        let names_it = |subject: &crate::model::finding::Subject| subject.service == name || subject.peer == name;
        let place = diagnosis.findings.iter().position(|j| names_it(&j.finding.subject) || j.finding.services.iter().any(|s| s == name));
        place.unwrap_or(usize::MAX)
    };
    let nodes = || case.context.graph.nodes().filter(|node| !node.served.is_empty());
    let traced: BTreeSet<Sym> = nodes().map(|node| node.party.name).collect();
    let of_node = |node: &'c Node| Told {
        name: node.party.text(names),
        mentioned: mentioned(node.party.name),
        calls: node.served.values().flat_map(|timeline| timeline.0.values()).map(|stats| stats.calls).sum(),
        source: Source::Spans(node),
    };
    let of_load = |(&service, load): (&Sym, &'c Load)| Told {
        name: if service.is_none() { "requests".to_owned() } else { names.get(service).to_owned() },
        mentioned: mentioned(service),
        calls: load.pieces.iter().map(|piece| piece.count).sum::<f64>() as u64,
        source: Source::Load(load),
    };
    nodes().map(of_node).chain(case.loads().iter().filter(|(service, _)| !traced.contains(service)).map(of_load)).collect()
}

fn of_spans(name: &str, node: &Node, axis: &Axis, series: &mut Vec<Series>) {
    let mut all = Calls::default();
    node.served.values().for_each(|timeline| all.merge(timeline));
    let (mut slow, mut median, mut failed) = (axis.empty(), axis.empty(), axis.empty());
    for (&bucket, stats) in &all.0 {
        if let Some(at) = axis.place(bucket) {
            slow[at] = Some(stats.nanos.p99() as f64 / 1e6);
            median[at] = Some(stats.nanos.p50() as f64 / 1e6);
            failed[at] = Some(stats.errors as f64);
        }
    }
    series.push(Series { name: format!("{name} p99"), unit: "ms".to_owned(), values: slow, median });
    errors(name, failed, axis, series);
}

fn of_load(name: &str, load: &Load, axis: &Axis, series: &mut Vec<Series>) {
    let mut failed = axis.empty();
    let mut lengths: BTreeMap<usize, Vec<(f64, f64)>> = BTreeMap::new();
    for piece in &load.pieces {
        let Some(at) = axis.place_of(piece.time) else { continue };
        *failed[at].get_or_insert(0.0) += if piece.failed { piece.count } else { 0.0 };
        if let Some(nanos) = piece.nanos {
            lengths.entry(at).or_default().push((nanos / 1e6, piece.count));
        }
    }
    let (mut slow, mut median) = (axis.empty(), axis.empty());
    for (at, mut of) in lengths {
        of.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        if load.input == Input::Metrics {
            // A counter tells the mean of what came between two scrapes, and no quantile.
            let all: f64 = of.iter().map(|it| it.1).sum();
            slow[at] = Some(of.iter().map(|it| it.0 * it.1).sum::<f64>() / all.max(f64::MIN_POSITIVE));
        } else {
            slow[at] = Some(quantile(&of, 0.99));
            median[at] = Some(quantile(&of, 0.5));
        }
    }
    if slow.iter().any(Option::is_some) {
        let (what, median) = if load.input == Input::Metrics { ("mean", Values::new()) } else { ("p99", median) };
        series.push(Series { name: format!("{name} {what}"), unit: "ms".to_owned(), values: slow, median });
    }
    errors(name, failed, axis, series);
}

/// A lane of failures, if there were any.
fn errors(name: &str, failed: Values, axis: &Axis, series: &mut Vec<Series>) {
    if failed.iter().flatten().any(|&n| n > 0.0) {
        let unit = format!("failed per {}", millis(axis.step_ms() as f64));
        series.push(Series::new(format!("{name} errors"), unit, failed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::fixture::bundle;

    #[test]
    fn an_access_log_gives_latency_and_failures() {
        let line = |second: u32, status: u32, seconds: &str| {
            format!("10.0.0.{second} - - [01/Jan/2026:10:00:{second:02} +0000] \"GET /orders HTTP/1.1\" {status} 12 \"-\" \"curl\" {seconds}\n")
        };
        let log: String = (0..40).map(|n| line(n, if n == 30 { 503 } else { 200 }, if n >= 30 { "2.500" } else { "0.010" })).collect();
        let case = bundle(&[("edge/access.log", &log)]);
        let axis = Axis::of(&case).expect("there is a time");
        let found = lanes(&case, &Diagnosis::default(), &axis);
        let names: Vec<(&str, &str)> = found.iter().map(|series| (series.name.as_str(), series.unit.as_str())).collect();
        assert_eq!(names, [("edge p99", "ms"), ("edge errors", "failed per 1 s")]);
        assert_eq!(found[0].values.iter().flatten().copied().fold(0.0, f64::max), 2500.0);
        assert_eq!(found[0].median.len(), found[0].values.len());
        assert_eq!(found[1].values.iter().flatten().sum::<f64>(), 1.0);
    }
}
