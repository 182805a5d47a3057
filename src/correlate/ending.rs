//! How every request ended for whoever waited for it: well, slowly for its operation, or with a failure.
//!
//! What is slow is told by the operation itself: the faster half of its requests says how far they vary, since slow ones
//! distort the other half. What this file does not do: say why.

use crate::correlate::Case;
use crate::correlate::probe::is_probe;
use crate::correlate::trace::Trace;
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::sketch::Sketch;
use crate::model::tables::Span;
use crate::model::time::{SECOND, Time};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Ending {
    /// Without a failure, and in time.
    Well,
    /// Without a failure, far later than others of its operation.
    Slow,
    /// The request, or a call that served it, failed.
    Failed,
}

/// A request: the trace that it began.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The trace.
    pub trace: TraceId,
    /// Service and operation that were called.
    pub entry: (Sym, Sym),
    /// When.
    pub start: Time,
    /// How it ended.
    pub ending: Ending,
    nanos: u64,
}

/// Requests of an operation that tell what is usual.
const LEAST_USUAL: u64 = 20;
/// Standard deviations above the median from which on a request is slow: of a hundred thousand usual ones hardly any.
const Z: f64 = 4.0;
/// Standard deviations between the median and the quartile of a normal distribution. Times are normal by their logarithms.
const QUARTILE: f64 = 0.6745;
/// Below this multiple of the median nobody calls a request slow,
const LEAST_TIMES: f64 = 2.0;
/// nor within so many nanoseconds of it: people notice a tenth of a second.
const LEAST_NANOS: u64 = SECOND as u64 / 10;

/// Every request that is no probe, by trace id. What is usual is asked of `calm` where that has enough of an operation.
#[must_use]
pub fn requests(case: &Case, calm: Option<&Case>) -> Vec<Request> {
    let mut requests = begun(case);
    let limits = limits(case, &requests, calm);
    for request in &mut requests {
        let is_slow = limits.get(&request.entry).is_some_and(|limit| request.nanos > *limit);
        if request.ending == Ending::Well && is_slow {
            request.ending = Ending::Slow;
        }
    }
    requests
}

fn begun(case: &Case) -> Vec<Request> {
    let names = &case.tables.names;
    let mut requests: Vec<Request> = case.traces().filter_map(|trace| request(&trace)).collect();
    let probes: BTreeMap<Sym, bool> = requests
        .iter()
        .map(|request| request.entry.1)
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .map(|operation| (operation, is_probe(names.get(operation))))
        .collect();
    requests.retain(|request| probes.get(&request.entry.1) != Some(&true));
    requests
}

/// The request that began a trace; whether it is slow is not known yet. A call that failed and was made up for by another
/// attempt counts as a failure too: somebody should like to know what it was about.
fn request(trace: &Trace<'_>) -> Option<Request> {
    let first = trace.spans.get(trace.entries().next()?)?;
    let failed = trace.spans.iter().enumerate().any(|(at, span)| span.failed() && (span.is_incoming() || trace.parent(at).is_none()));
    let ending = if failed { Ending::Failed } else { Ending::Well };
    Some(Request { trace: first.trace, entry: (first.service, operation(first)), start: first.start, ending, nanos: first.nanos })
}

/// What a span is about.
#[must_use]
pub fn operation(span: &Span) -> Sym {
    span.operation.or(span.name)
}

/// From how many nanoseconds on a request is slow, by operation.
fn limits(case: &Case, requests: &[Request], calm: Option<&Case>) -> BTreeMap<(Sym, Sym), u64> {
    let usual = sketches(requests);
    let calm = calm.map(|calm| (calm, sketches(&begun(calm))));
    let known = |(service, operation): (Sym, Sym)| {
        let (calm, sketches) = calm.as_ref()?;
        let find = |sym: Sym| calm.tables.names.find(case.tables.names.get(sym));
        sketches.get(&(find(service)?, find(operation)?))
    };
    let enough = |sketch: &&Sketch| sketch.count() >= LEAST_USUAL;
    usual.iter().filter_map(|(entry, own)| Some((*entry, limit(known(*entry).filter(enough).or(Some(own).filter(enough))?)))).collect()
}

fn sketches(requests: &[Request]) -> BTreeMap<(Sym, Sym), Sketch> {
    let mut sketches: BTreeMap<(Sym, Sym), Sketch> = BTreeMap::new();
    requests
        .iter()
        .filter(|request| request.ending != Ending::Failed)
        .for_each(|request| sketches.entry(request.entry).or_default().add(request.nanos));
    sketches
}

fn limit(usual: &Sketch) -> u64 {
    let (median, quartile) = (usual.p50() as f64, usual.quantile(250).max(1) as f64);
    let spread = (median / quartile).max(1.0).powf(Z / QUARTILE);
    ((median * spread.max(LEAST_TIMES)) as u64).max(usual.p50() + LEAST_NANOS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::{case, many};

    fn endings(text: &str, calm: Option<&str>) -> (usize, usize, usize) {
        let calm = calm.map(case);
        let found = requests(&case(text), calm.as_ref());
        let count = |ending: Ending| found.iter().filter(|request| request.ending == ending).count();
        (count(Ending::Well), count(Ending::Slow), count(Ending::Failed))
    }

    #[test]
    fn slow_is_what_is_far_from_the_faster_half() {
        let mixed = many(0..100, 1000, |n| format!("  gw GET /a 0-{}\n", if n % 5 == 0 { 900 + n } else { 50 + n % 20 }));
        assert_eq!(endings(&mixed, None), (80, 20, 0), "every fifth");
        let wide = many(0..100, 1000, |n| format!("  gw GET /a 0-{}\n", 40 << (n % 7)));
        assert_eq!(endings(&wide, None), (100, 0, 0), "it varies that much");
        let all = many(0..100, 1000, |n| format!("  gw GET /a 0-{}\n", 900 + n));
        assert_eq!(endings(&all, None), (100, 0, 0));
        assert_eq!(endings(&all, Some(&mixed.replace(" 0-9", " 0-0"))).1, 100, "by a calm time all are");
    }

    #[test]
    fn failures_of_calls_count_and_probes_do_not() {
        let text = "t1\n  gw GET /a 0-50\n    > stock GET /s 5-40 !500\n      stock GET /s 6-39 !500\nt2\n  gw GET /a 0-9 404\nt3\n  gw GET /actuator/health 0-9 !503\n";
        assert_eq!(endings(text, None), (1, 0, 1));
    }
}
