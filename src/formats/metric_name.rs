//! What the name and the labels of a series tell where a format says nothing else.
//!
//! ```text
//! http_requests_total    orders_seconds_bucket{le="0.1"}    {job="orders",instance="10.1.2.3:8080"}
//! ```
//!
//! What this file does not do: bring the names of several exporters together; that is `correlate/meter.rs`.

use crate::model::record::{Field, MetricKind};
use crate::model::source::Hints;

/// Labels that name the service, the surest first.
const SERVICE: [&str; 5] = ["application", "service_name", "service", "app", "job"];
/// Labels that name the instance.
const INSTANCE: [&str; 2] = ["pod", "instance"];

/// How the values of a series are to be read by the ending of its name.
#[must_use]
pub fn kind_by_name(name: &str) -> MetricKind {
    let total = ["_total", "_count", "_sum", "_bucket"].iter().any(|ending| name.ends_with(ending));
    if total { MetricKind::Cumulative } else { MetricKind::Gauge }
}

/// Service and instance by the labels, each unless the path names it.
#[must_use]
pub fn owner<'a>(labels: &[Field<'a>], hints: &Hints) -> (&'a str, &'a str) {
    let first = |keys: &[&str]| keys.iter().find_map(|key| labels.iter().find(|label| label.key == *key)?.value.text()).unwrap_or_default();
    let service = if hints.service.is_empty() { first(&SERVICE) } else { "" };
    let instance = if hints.instance.is_empty() { first(&INSTANCE) } else { "" };
    (service, instance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::Value;

    #[test]
    fn endings_and_labels() {
        assert_eq!(
            (kind_by_name("a_total"), kind_by_name("a_bucket"), kind_by_name("total_a")),
            (MetricKind::Cumulative, MetricKind::Cumulative, MetricKind::Gauge)
        );
        let labels = [("job", "j"), ("app", "a"), ("instance", "i")].map(|(key, value)| Field { key, value: Value::Text(value) });
        assert_eq!(owner(&labels, &Hints::default()), ("a", "i"));
        assert_eq!(owner(&labels, &Hints { service: "s".to_owned(), ..Hints::default() }), ("", "i"));
    }
}
