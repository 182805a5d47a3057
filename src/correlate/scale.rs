//! Changes of size that a scaler of one's own logs, with the numbers in fields.
//!
//! ```text
//! {"event":"scale_up","service":"orders","from":2,"to":4,"reason":"cpu 82%"}
//! {"msg":"scaled deployment","deployment":"orders","old_replicas":2,"new_replicas":4}
//! ```
//!
//! They become events as an autoscaler of Kubernetes tells them. What this file does not do: sentences that hold the numbers;
//! a signal finds those.

use crate::model::record::{EventRecord, Field, LogRecord};
use memchr::memmem;

const BEFORE: [&str; 10] =
    ["from", "old", "before", "old_replicas", "replicas_before", "from_replicas", "current_replicas", "current", "previous", "old_size"];
const AFTER: [&str; 11] =
    ["to", "new", "after", "new_replicas", "replicas_after", "to_replicas", "desired_replicas", "desired", "target", "new_size", "replicas"];
const WORKLOAD: [&str; 9] = ["service", "deployment", "workload", "app", "service_name", "target_service", "scale_target", "name", "group"];

/// More replicas than this are no size but another number.
const MOST: i64 = 10_000;

/// Whether the names of some fields are those of a size before and one after.
#[must_use]
pub fn has_sizes(fields: &[Field<'_>]) -> bool {
    let any = |keys: &[&str]| keys.iter().any(|key| find(fields, key).is_some());
    any(&BEFORE) && any(&AFTER)
}

/// The event that a record whose fields [`has_sizes`] tells, with its message in `text`; none if it tells of something else.
pub fn of_log<'a>(record: &LogRecord<'a>, text: &'a mut String) -> Option<EventRecord<'a>> {
    let message = record.message.as_bytes();
    let speaks = |word: &str| memmem::find(message, word.as_bytes()).is_some();
    if record.fields.len() < 2 || !(speaks("scal") || speaks("Scal") || speaks("SCAL") || speaks("replica")) {
        return None;
    }
    let number = |keys: &[&str]| keys.iter().find_map(|key| find(record.fields, key)?.value.int().filter(|n| (0..=MOST).contains(n)));
    let (before, after) = (number(&BEFORE)?, number(&AFTER)?);
    let word = |keys: &[&'static str]| keys.iter().find_map(|key| find(record.fields, key)?.value.text().filter(|text| !text.is_empty()));
    let service = word(&WORKLOAD).unwrap_or(record.service);
    text.clear();
    text.push_str(&format!("New size: {after}; old size: {before}; reason: {}", word(&["reason", "why", "trigger"]).unwrap_or(record.message)));
    let event = EventRecord {
        time: record.time,
        count: 1,
        kind: "Workload",
        object: service,
        service,
        reason: "SuccessfulRescale",
        ..EventRecord::default()
    };
    (before != after && !service.is_empty()).then_some(EventRecord { message: text, evidence: record.evidence, ..event })
}

fn find<'f, 'a>(fields: &'f [Field<'a>], key: &str) -> Option<&'f Field<'a>> {
    fields.iter().find(|field| field.key.eq_ignore_ascii_case(key))
}

#[cfg(test)]
mod tests {
    use crate::rules::fixture::bundle;

    #[test]
    fn numbers_in_fields() {
        let log = "{\"time\":\"2026-01-01T10:05:00Z\",\"level\":\"INFO\",\"msg\":\"scale_up\",\"service\":\"orders\",\"from\":2,\"to\":4,\"reason\":\"cpu 82%\"}\n\
            {\"time\":\"2026-01-01T10:06:00Z\",\"level\":\"INFO\",\"msg\":\"rescale image\",\"service\":\"orders\",\"width\":2,\"to\":4}\n\
            {\"time\":\"2026-01-01T10:06:00Z\",\"level\":\"INFO\",\"msg\":\"moved\",\"service\":\"orders\",\"from\":2,\"to\":4}\n";
        let case = bundle(&[("scaler.json", log)]);
        let names = &case.tables.names;
        let told: Vec<_> = case.tables.events.iter().map(|event| (names.get(event.service), names.get(event.message))).collect();
        assert_eq!(told, [("orders", "New size: 4; old size: 2; reason: cpu 82%")]);
    }
}
