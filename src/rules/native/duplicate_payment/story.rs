//! How one duplicate came about, in a sentence: who gave up when, who had charged by then, what the next attempt did.

use crate::model::names::Interner;
use crate::model::tables::{Effect, Phase};
use crate::rules::native::duplicate_payment::cluster::{Payment, Spans};

/// The course of a payment that was executed more than once.
pub(super) fn tell(payment: &Payment<'_>, ambiguous: &[&Effect], spans: &Spans<'_>, names: &Interner) -> String {
    let order = if payment.key.is_none() { "One payment".to_owned() } else { format!("Order {}", names.get(payment.key)) };
    let id = |effect: &Effect| if effect.outcome.is_none() { String::new() } else { format!(" ({})", names.get(effect.outcome)) };
    let Some(first) = payment.charges.first() else { return String::new() };
    let more = payment.charges.get(1..).unwrap_or(&[]);
    let service = names.get(payment.service);
    let mut text = match ambiguous.first() {
        Some(lost) => {
            let caller = names.get(lost.service);
            let waited = waited(lost, payment);
            let after = if waited > 0 { format!(" after {}", duration(waited)) } else { String::new() };
            let gap = first.time.since(spans.own(lost).map_or(lost.time, crate::model::tables::Span::end));
            let when = if gap > 0 { format!("{} later", duration(gap)) } else { format!("{} earlier", duration(-gap)) };
            if more.is_empty() {
                format!("{order}: {caller} got no answer{after} and asked again; that attempt succeeded.")
            } else {
                format!("{order}: {caller} got no answer{after}; {service} completed that charge{} {when}.", id(first.effect))
            }
        }
        None if more.is_empty() => String::new(),
        None => format!("{order}: {service} charged{} without any failure before.", id(first.effect)),
    };
    if let Some(second) = more.first() {
        let ids: Vec<&str> = more.iter().map(|c| names.get(c.effect.outcome)).filter(|id| !id.is_empty()).collect();
        let ids = if ids.is_empty() { String::new() } else { format!(" ({})", ids.join(", ")) };
        let times = if more.len() == 1 { "Another attempt charged".to_owned() } else { format!("{} more attempts charged", more.len()) };
        text.push_str(&format!(" {times} again{ids}, the first of them {} after the first charge.", duration(second.time.since(first.time))));
    }
    text
}

/// How long the caller waited: the span's length, or the time since the attempt was logged.
fn waited(lost: &Effect, payment: &Payment<'_>) -> i64 {
    if lost.from_span {
        return lost.time.since(lost.start);
    }
    let begun = payment.effects.iter().rev().find(|e| e.phase == Phase::Attempt && e.service == lost.service && e.time <= lost.time);
    begun.map_or(0, |e| lost.time.since(e.time))
}

/// `850 ms`, `3.0 s`, `12 min`.
pub(super) fn duration(nanos: i64) -> String {
    match nanos.max(0) / 1_000_000 {
        ms @ 0..1000 => format!("{ms} ms"),
        ms @ 1000..600_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        ms => format!("{} min", ms / 60_000),
    }
}
