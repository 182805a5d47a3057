//! Tells traces, logs and metrics apart: the bytes do not say which of the three requests they are.
//!
//! All three nest alike: request, field 1, field 2, field 2 is a record. A record is *sane* as a kind if its fields have
//! that kind's types and it has what every real one has: a span its two ids, a log record a time, a metric a name and
//! points. The first sane record decides, metrics first: a metric without unit and description has the shape of a span with
//! bad ids. If none is sane, the kind that most records have the shape of wins.
//! What this file does not do: look at more than the first records.

use crate::formats::otlp::Signal;
use crate::formats::otlp_proto::wire::{Part, Wire};

/// Records to look at.
const ENOUGH: usize = 8;
/// Fields to look at on the way to them; bounds the work on bytes that only look like a request.
const MOST_HOPS: u32 = 512;

/// Whether the message, perhaps cut, is a request with a record that has what every real one has.
pub(super) fn is_sane(message: &[u8]) -> bool {
    matches!(signal_of(Part::new(message, 0)), Some((_, true)))
}

/// How well a record goes with a kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fit {
    /// A field has another type than it would have.
    No,
    /// All fields have the types they should have.
    Shape,
    /// It also has what every real one has.
    Sane,
}

/// How well a record goes with one of the kinds.
type Judge = fn(Part<'_>) -> Fit;

/// Which request the message is, and whether a record of it is sane; none if no record goes with any.
///
/// The message may be cut at its end.
pub(super) fn signal_of(message: Part<'_>) -> Option<(Signal, bool)> {
    const KINDS: [(Signal, Judge); 3] = [(Signal::Metrics, metric), (Signal::Traces, span), (Signal::Logs, log)];
    let (mut records, mut hops) = (Vec::with_capacity(ENOUGH), MOST_HOPS);
    collect(message, 0, &mut hops, &mut records);
    let mut shapes = [0_usize; KINDS.len()];
    for record in records {
        for ((signal, fit), shapes) in KINDS.iter().zip(&mut shapes) {
            match fit(record) {
                Fit::Sane => return Some((*signal, true)),
                Fit::Shape => *shapes += 1,
                Fit::No => {}
            }
        }
    }
    // The first of the largest, as `max_by_key` would answer with the last.
    let most = shapes.iter().copied().max().filter(|&most| most > 0)?;
    KINDS.iter().zip(shapes).find(|(_, shapes)| *shapes == most).map(|((signal, _), _)| (*signal, false))
}

/// Finds the first records; if none is whole, what there is of one.
fn collect<'a>(part: Part<'a>, level: u32, hops: &mut u32, found: &mut Vec<Part<'a>>) {
    let mut fields = part.fields();
    while let Ok(Some(field)) = fields.next_or_cut() {
        *hops = hops.saturating_sub(1);
        match (level, field) {
            _ if found.len() >= ENOUGH || *hops == 0 => return,
            (0, (1, Wire::Bytes(inner) | Wire::Cut(inner))) | (1, (2 | 1000, Wire::Bytes(inner) | Wire::Cut(inner))) => {
                collect(inner, level + 1, hops, found);
            }
            (2, (2, Wire::Bytes(record))) => found.push(record),
            (2, (2, Wire::Cut(record))) if found.is_empty() => found.push(record),
            _ => {}
        }
    }
}

/// Walks a record; no if a field has a type that `allowed` refuses, or if anything but its end is cut.
fn walk<'a>(record: Part<'a>, mut allowed: impl FnMut(u32, Wire<'a>) -> bool) -> bool {
    let mut fields = record.fields();
    loop {
        match fields.next_or_cut() {
            Ok(Some((_, Wire::Cut(_))) | None) => return true,
            Ok(Some((number, value))) if allowed(number, value) => {}
            _ => return false,
        }
    }
}

fn span(record: Part<'_>) -> Fit {
    let (mut trace, mut id) = (false, false);
    let fits = walk(record, |number, value| match (number, value) {
        (1, Wire::Bytes(part)) => {
            trace = part.bytes.len() == 16;
            true
        }
        (2, Wire::Bytes(part)) => {
            id = part.bytes.len() == 8;
            true
        }
        (3 | 4 | 5 | 9 | 11 | 13 | 15, Wire::Bytes(_)) | (6 | 10 | 12 | 14, Wire::Varint(_)) | (7 | 8, Wire::Fixed64(_)) | (16, Wire::Fixed32) => {
            true
        }
        _ => number > 16,
    });
    graded(fits, trace && id)
}

fn log(record: Part<'_>) -> Fit {
    let mut timed = false;
    let fits = walk(record, |number, value| match (number, value) {
        (1 | 11, Wire::Fixed64(n)) => {
            timed |= n != 0;
            true
        }
        (9, Wire::Bytes(part)) => matches!(part.bytes.len(), 0 | 16),
        (10, Wire::Bytes(part)) => matches!(part.bytes.len(), 0 | 8),
        (3..=6 | 12, Wire::Bytes(_)) | (2 | 7, Wire::Varint(_)) | (8, Wire::Fixed32) => true,
        _ => number > 12,
    });
    graded(fits, timed)
}

fn metric(record: Part<'_>) -> Fit {
    let (mut named, mut pointed) = (false, false);
    let fits = walk(record, |number, value| match (number, value) {
        (1, Wire::Bytes(part)) => {
            named = std::str::from_utf8(part.bytes).is_ok_and(|name| !name.is_empty() && !name.contains(char::is_control));
            named
        }
        (2 | 3, Wire::Bytes(part)) => std::str::from_utf8(part.bytes).is_ok(),
        (5 | 7 | 9..=11, Wire::Bytes(data)) => {
            pointed |= has_point(data);
            true
        }
        (4 | 6 | 8 | 12, Wire::Bytes(_)) => true,
        _ => number > 12,
    });
    graded(fits, named && pointed)
}

/// Whether the data of a metric has a point with a time or a number.
fn has_point(data: Part<'_>) -> bool {
    let mut said = false;
    let fits = walk(data, |number, value| match (number, value) {
        (1, Wire::Bytes(point)) => walk(point, |number, value| match (number, value) {
            (3 | 4 | 6, Wire::Fixed64(_)) => {
                said = true;
                true
            }
            _ => number != 3,
        }),
        (2 | 3, Wire::Varint(_)) => true,
        _ => number > 3,
    });
    fits && said
}

const fn graded(fits: bool, sane: bool) -> Fit {
    match (fits, sane) {
        (false, _) => Fit::No,
        (true, false) => Fit::Shape,
        (true, true) => Fit::Sane,
    }
}
