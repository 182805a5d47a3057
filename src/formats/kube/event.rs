//! An event, by the names of either of its two interfaces.
//!
//! ```text
//! {"involvedObject":{"kind":"Pod","name":"orders-0"},"reason":"Unhealthy","message":"Readiness probe failed: ...","count":4,"lastTimestamp":"..."}
//! {"regarding":{"kind":"Pod","name":"orders-0"},"reason":"Unhealthy","note":"...","series":{"count":4,"lastObservedTime":"..."},"eventTime":"..."}
//! ```
//!
//! Any of the times may be null. What this file does not do: read listings; that is `table.rs`.

use super::names;
use super::node::Node;
use super::object::Ground;
use crate::model::record::{EventRecord, Sink};
use crate::model::time::Time;

/// Says the event.
pub fn read(node: &Node<'_>, ground: Ground<'_>, sink: &mut dyn Sink) {
    let about = if node.has("involvedObject") { node.at(&["involvedObject"]) } else { node.at(&["regarding"]) };
    let (series, metadata) = (node.at(&["series"]), node.at(&["metadata"]));
    let last = [
        node.time("lastTimestamp"),
        series.time("lastObservedTime"),
        node.time("eventTime"),
        node.time("deprecatedLastTimestamp"),
        metadata.time("creationTimestamp"),
    ];
    let first = [node.time("firstTimestamp"), node.time("deprecatedFirstTimestamp"), node.time("eventTime"), metadata.time("creationTimestamp")];
    let known = |times: &[Time]| times.iter().copied().find(|time| time.is_some()).unwrap_or(Time::NONE);
    let count = [node.number("count"), series.number("count"), node.number("deprecatedCount")].into_iter().flatten().fold(1.0, f64::max);
    let message = if node.has("message") { node.text("message") } else { node.text("note") };
    let (kind, object) = (about.text("kind"), about.text("name"));
    sink.event(&EventRecord {
        time: known(&last),
        first: known(&first),
        count: count as u32,
        warning: node.text("type") == "Warning",
        kind,
        object,
        namespace: about.text("namespace"),
        service: names::service(kind, object),
        reason: node.text("reason"),
        message,
        evidence: ground.evidence(node),
    });
}
