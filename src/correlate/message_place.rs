//! The place of a Kafka record that a log record or span is about, where fields name it: topic, partition and offset.
//!
//! ```text
//! {"level":"ERROR","msg":"processing failed","topic":"orders","partition":2,"offset":4711}      orders-2@4711
//! ```
//!
//! What this file does not do: places inside of messages; their wordings are data, in `rules/signals`.

use crate::model::record::{Field, Value};
use std::fmt::Write;

/// The signal that a record which names a place and failed gives.
pub const FAILED: &str = "kafka.record-failed";

const TOPIC: &[&str] = &["topic", "kafka.topic", "kafka_topic", "messaging.destination.name", "messaging.destination", "messaging.source.name"];
const PARTITION: &[&str] = &[
    "partition",
    "kafka.partition",
    "kafka_partition",
    "messaging.destination.partition.id",
    "messaging.kafka.destination.partition",
    "messaging.kafka.partition",
    "messaging.kafka.source.partition",
];
const OFFSET: &[&str] = &["offset", "kafka.offset", "kafka_offset", "messaging.kafka.offset", "messaging.kafka.message.offset"];

/// Writes `topic-partition@offset`; false if the fields do not name all three.
pub fn write(fields: &[Field<'_>], out: &mut String) -> bool {
    let find = |names: &[&str]| fields.iter().find(|field| names.contains(&field.key)).map(|field| field.value);
    let (Some(offset), Some(partition)) = (find(OFFSET).and_then(Value::int), find(PARTITION).and_then(Value::int)) else { return false };
    let Some(topic) = find(TOPIC).and_then(Value::text).filter(|topic| !topic.is_empty()) else { return false };
    out.clear();
    write!(out, "{topic}-{partition}@{offset}").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_are_needed() {
        let fields = [
            Field { key: "topic", value: Value::Text("orders") },
            Field { key: "partition", value: Value::Text("2") },
            Field { key: "offset", value: Value::Int(4711) },
        ];
        let mut text = String::new();
        assert!(write(&fields, &mut text));
        assert_eq!(text, "orders-2@4711");
        assert!(!write(&fields[..2], &mut text) && !write(&fields[1..], &mut text));
    }
}
