//! What `INFO` says of a Redis or Valkey server: numbers, as metrics.
//!
//! ```text
//! # Memory
//! used_memory:2084752
//! maxmemory:2097152
//! db0:keys=2017,expires=0,avg_ttl=0
//! ```
//!
//! The answer is of one moment, which newer servers tell as `server_time_usec`. What this file does not do: keep what is
//! no number.

use super::{Format, Match};
use crate::model::record::{Field, MetricKind, MetricRecord, Sink, Value};
use crate::model::source::{Chunk, Head};
use crate::model::time::Time;

/// The format.
pub const FORMAT: Format = Format { name: "redis-info", sniff };

/// Names of totals since the start begin or end like this.
const TOTALS: [&str; 8] = ["total_", "_total", "rejected_", "evicted_keys", "expired_keys", "keyspace_", "sync_", "slowlog_commands"];

fn parse(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let text = String::from_utf8_lossy(chunk.bytes);
    let now = text.lines().find_map(|line| line.strip_prefix("server_time_usec:")).and_then(|micros| micros.trim().parse::<i64>().ok());
    let time = now.and_then(|micros| micros.checked_mul(1_000)).map_or(Time::NONE, Time);
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let line = line.trim_end();
        let Some((key, value)) = line.split_once(':').filter(|(key, _)| !key.starts_with('#')) else { continue };
        let mut tell = |name: &str, value: f64, labels: &[Field<'_>]| {
            let name = format!("redis_{name}");
            let total = TOTALS.iter().any(|part| name["redis_".len()..].starts_with(part) || name.ends_with(part));
            let kind = if total { MetricKind::Cumulative } else { MetricKind::Gauge };
            sink.metric(&MetricRecord {
                time,
                name: &name,
                kind,
                labels,
                value,
                evidence: chunk.evidence(start, line.len()),
                ..MetricRecord::default()
            });
        };
        match value.parse::<f64>() {
            Ok(number) if number.is_finite() => tell(key, number, &[]),
            // `db0:keys=2017,expires=0`, `cmdstat_get:calls=7,usec=21`.
            _ => {
                let label = [Field { key: "of", value: Value::Text(key) }];
                for (name, value) in value.split(',').filter_map(|pair| pair.split_once('=')) {
                    if let Some(number) = value.parse::<f64>().ok().filter(|number| number.is_finite()) {
                        tell(name, number, &label);
                    }
                }
            }
        }
    }
}

fn sniff(head: &Head<'_>) -> Option<Match> {
    let text = std::str::from_utf8(head.bytes.get(..head.bytes.len().min(2048))?).ok()?;
    let known = text.contains("redis_version:") || text.contains("valkey_version:") || text.contains("used_memory_rss:");
    (text.starts_with("# ") && known).then(|| Match::whole(92, "redis-info", parse))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::told;

    #[test]
    fn numbers_become_metrics() {
        let got = told(
            FORMAT,
            "# Server\r\nredis_version:7.0.15\r\nserver_time_usec:1795376009102263\r\n\r\n# Stats\r\nrejected_connections:3\r\nused_memory:2084752\r\ndb0:keys=7,expires=0\r\n",
        );
        assert!(
            got.contains(
                "metric @78+22 time=\"2026-11-22T19:33:29.102263Z\" name=\"redis_rejected_connections\" kind=\"Cumulative\" value=\"3.0\"\n"
            ),
            "{got}"
        );
        assert!(got.contains("name=\"redis_used_memory\" kind=\"Gauge\" value=\"2084752.0\"\n"), "{got}");
        assert!(got.contains("name=\"redis_keys\" kind=\"Gauge\" labels=\"of=db0;\" value=\"7.0\"\n"), "{got}");
        assert_eq!(told(FORMAT, "# Title\nused: 7\n"), "none");
    }
}
