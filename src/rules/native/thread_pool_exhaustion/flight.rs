//! What was in flight while a pool was full: requests that its threads served, and the calls that these waited for.
//!
//! Dumps show a pool at moments; spans and records of requests, which have a beginning and an end, show for how long as many
//! requests were open as it has threads. What this file does not do: find full pools; that takes a dump to know their size.

use crate::correlate::Case;
use crate::correlate::probe::is_probe;
use crate::model::finding::{Finding, Input};
use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Time, Window};
use crate::rules::native::retry_storm::round;
use std::collections::BTreeMap;

/// A thread that ends a request takes the next one from the queue; for as long the pool may be seen less than full.
const BETWEEN: i64 = 2 * SECOND;
/// Traces that a finding names.
const TRACES: usize = 8;

/// What was open at once.
pub struct Flight {
    /// While it was as much as the pool has threads.
    pub window: Window,
    /// The most at once.
    pub most: usize,
    /// Open at a dump: the oldest requests.
    pub traces: Vec<TraceId>,
    /// Who most of the calls open at a dump asked, and how many asked it.
    pub peer: Option<(Sym, usize)>,
    pub input: Input,
    pub evidence: Vec<Evidence>,
}

/// A request from beginning to end.
struct Open {
    from: Time,
    until: Time,
    trace: TraceId,
    evidence: Evidence,
}

/// What was open in an instance around the time of dumps, if it was enough to take all threads.
pub fn in_flight(case: &Case, place: (Sym, Sym), threads: f64, dumps: Window) -> Option<Flight> {
    if dumps.start.is_none() {
        return None;
    }
    let (open, input) = requests(case, place);
    let (window, most) = full(&open, threads, dumps)?;
    let mut at_dump: Vec<&Open> = open.iter().filter(|one| one.from <= dumps.end && one.until >= dumps.start).collect();
    at_dump.sort_by_key(|one| (one.from, one.evidence));
    let mut peers: BTreeMap<Sym, usize> = BTreeMap::new();
    let calls = case.tables.spans.iter().filter(|span| span.is_outgoing() && is_of(place, span.service, span.instance));
    for span in calls.filter(|span| span.start <= dumps.start && span.end() >= dumps.start && !span.peer.is_none()) {
        *peers.entry(span.peer).or_default() += 1;
    }
    Some(Flight {
        window,
        most,
        traces: at_dump.iter().map(|one| one.trace).filter(|trace| !trace.is_none()).take(TRACES).collect(),
        peer: peers.into_iter().max_by_key(|(peer, count)| (*count, std::cmp::Reverse(*peer))),
        input,
        evidence: at_dump.iter().take(2).map(|one| one.evidence).collect(),
    })
}

fn is_of((service, instance): (Sym, Sym), of_service: Sym, of_instance: Sym) -> bool {
    service == of_service && (instance == of_instance || instance.is_none() || of_instance.is_none())
}

/// The requests of an instance: by its spans, else by its records.
fn requests(case: &Case, place: (Sym, Sym)) -> (Vec<Open>, Input) {
    let spans = case.tables.spans.iter().filter(|span| span.is_incoming() && is_of(place, span.service, span.instance));
    let open: Vec<Open> = spans.map(|span| Open { from: span.start, until: span.end(), trace: span.trace, evidence: span.evidence }).collect();
    if !open.is_empty() {
        return (open, Input::Spans);
    }
    let own = |row: &&crate::model::request::Request| !row.is_call && row.nanos.is_some() && is_of(place, row.service, row.instance);
    let rows = case.tables.requests.iter().filter(own).filter(|row| !is_probe(case.tables.names.get(row.operation)));
    (rows.map(|row| Open { from: row.start(), until: row.time, trace: row.trace, evidence: row.evidence }).collect(), Input::Requests)
}

/// The time around the dumps in which at least so many requests were open, with the most that ever were.
fn full(open: &[Open], threads: f64, dumps: Window) -> Option<(Window, usize)> {
    let mut turns: Vec<(Time, i32)> = open.iter().flat_map(|one| [(one.from, 1), (one.until, -1)]).collect();
    turns.sort_unstable();
    let (mut count, mut most, mut runs) = (0_i32, 0_i32, Vec::<Window>::new());
    for pair in turns.windows(2) {
        count += pair[0].1;
        if f64::from(count) < threads {
            continue;
        }
        most = most.max(count);
        match runs.last_mut().filter(|run| pair[0].0.since(run.end) <= BETWEEN) {
            Some(run) => run.add(pair[1].0),
            None => runs.push(Window::of(pair[0].0, pair[1].0)),
        }
    }
    let run = runs.into_iter().find(|run| run.touches(dumps, BETWEEN))?;
    Some((run, most.unsigned_abs() as usize))
}

/// Adds what was in flight to a finding.
pub fn tell(case: &Case, finding: &mut Finding, flight: Option<&Flight>) {
    let mut said = String::new();
    if let Some(flight) = flight {
        let seconds = round(flight.window.nanos() as f64 / SECOND as f64);
        finding.measure("in_flight", flight.most as f64, "requests").measure("in_flight_s", seconds, "s");
        said = format!("Up to {} requests were open at once, for {seconds} s no fewer than it has threads.", flight.most);
        if let Some((peer, calls)) = flight.peer {
            let peer = case.tables.names.get(peer);
            finding.measure("open_calls", calls as f64, "calls");
            said += &format!(" At the first dump {calls} calls to {peer} were open.");
            finding.services.push(peer.to_owned());
        }
        finding.traces.clone_from(&flight.traces);
    }
    finding.word("flight", said);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::{case, many};

    /// Thirty requests that begin within three seconds and wait five seconds each, asked for at a time in seconds: the most
    /// at once, how long there were as many as threads, and the calls open at the dump.
    fn told(threads: f64, dump: i64) -> Option<(usize, i64, Option<usize>)> {
        let case = case(&many(0..30, 100, |_| "  orders GET /o 0-5000\n    > stock GET /s 10-4990\n".to_owned()));
        let first = case.tables.spans.iter().min_by_key(|span| span.start)?;
        let at = first.start.plus(dump * SECOND);
        let flight = in_flight(&case, (first.service, first.instance), threads, Window::of(at, at))?;
        assert!(flight.evidence.len() == 2 && flight.traces.len() == TRACES && flight.input == Input::Spans);
        Some((flight.most, flight.window.nanos() / 1_000_000, flight.peer.map(|(_, calls)| calls)))
    }

    #[test]
    fn as_many_requests_as_threads_were_open_at_the_dump() {
        // The 25th begins after 2.4 s, and the sixth to end leaves fewer after 5.5 s.
        assert_eq!(told(25.0, 4), Some((30, 3100, Some(30))));
    }

    #[test]
    fn fewer_requests_than_threads_and_other_times_tell_nothing() {
        assert_eq!(told(31.0, 4), None);
        assert_eq!(told(25.0, 60), None);
    }
}
