//! An entry of a configuration on its way to the sink: canonical keys, whose it is, and secrets taken out.
//!
//! ```text
//! spring.datasource.hikari.maximum-pool-size           spring.datasource.hikari.maximumpoolsize
//! SPRING_DATASOURCE_HIKARI_MAXIMUM_POOL_SIZE           the same, since the key is a known one
//! ORDERS_PAYMENTS_READ_TIMEOUT                         orders.payments.read.timeout
//! ```
//!
//! What this file does not do: resolve placeholders or say which of two entries is in force.

use super::secret;
use crate::model::record::{SettingRecord, Sink};
use crate::model::source::Chunk;
use std::ops::Range;

/// Keys that name the service a configuration is for, the surest first.
const NAMES: &[&str] = &["spring.application.name", "quarkus.application.name", "micronaut.application.name", "otel.service.name"];

/// Known keys in canonical form, so that a name in capitals, where dots and dashes look alike, finds its key.
const KNOWN: &[&str] = &[
    "feign.client.config.default.connecttimeout",
    "feign.client.config.default.readtimeout",
    "server.maxhttprequestheadersize",
    "server.servlet.contextpath",
    "server.forwardheadersstrategy",
    "server.tomcat.acceptcount",
    "server.tomcat.connectiontimeout",
    "server.tomcat.keepalivetimeout",
    "server.tomcat.maxconnections",
    "server.tomcat.threads.max",
    "spring.application.name",
    "spring.cloud.gateway.httpclient.connecttimeout",
    "spring.cloud.gateway.httpclient.responsetimeout",
    "spring.datasource.hikari.connectiontimeout",
    "spring.datasource.hikari.idletimeout",
    "spring.datasource.hikari.keepalivetime",
    "spring.datasource.hikari.leakdetectionthreshold",
    "spring.datasource.hikari.maximumpoolsize",
    "spring.datasource.hikari.maxlifetime",
    "spring.datasource.hikari.minimumidle",
    "spring.datasource.hikari.poolname",
    "spring.http.client.connecttimeout",
    "spring.http.client.readtimeout",
    "spring.jpa.openinview",
    "spring.kafka.consumer.maxpollrecords",
    "spring.kafka.listener.concurrency",
    "spring.quartz.jobstoretype",
    "spring.security.oauth2.resourceserver.jwt.issueruri",
    "spring.security.oauth2.resourceserver.jwt.jwkseturi",
    "spring.task.scheduling.pool.size",
];

/// An entry with its bytes in the chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Canonical key.
    pub key: String,
    /// Value as written.
    pub value: String,
    /// Where it stands.
    pub at: Range<usize>,
    /// Profile the document names; empty to use what the path says.
    pub profile: String,
}

impl Entry {
    /// An entry of no profile.
    pub fn new(key: String, value: impl Into<String>, at: Range<usize>) -> Self {
        Self { key, value: value.into(), at, profile: String::new() }
    }
}

/// The canonical form of a dotted key: lower case, no dashes and underscores inside segments.
pub fn canonical(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

/// The canonical form of an environment variable's name.
pub fn of_variable(name: &str) -> String {
    let squashed: String = name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect();
    let known = KNOWN.iter().find(|key| key.bytes().filter(|b| *b != b'.').eq(squashed.bytes()));
    known.map_or_else(|| name.to_lowercase().replace("__", ".").replace('_', "."), |key| (*key).to_owned())
}

/// Gives entries to the sink under the service that one of them names.
pub fn emit(chunk: &Chunk<'_>, entries: &[Entry], sink: &mut dyn Sink) {
    let named = |name: &str| entries.iter().find(|entry| entry.key == name).map(|entry| entry.value.trim()).filter(|value| is_name(value));
    let service = NAMES.iter().find_map(|name| named(name)).unwrap_or_default();
    for entry in entries {
        let value = secret::masked(&entry.key, &entry.value);
        sink.setting(&SettingRecord {
            service,
            profile: if entry.profile.is_empty() { &chunk.hints.profile } else { &entry.profile },
            key: &entry.key,
            value: &value,
            evidence: chunk.evidence(entry.at.start, entry.at.len()),
        });
    }
}

fn is_name(value: &str) -> bool {
    !value.is_empty() && value.len() <= 100 && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_every_spelling() {
        for spelling in [
            canonical("spring.datasource.hikari.maximum-pool-size"),
            canonical("spring.datasource.hikari.maximumPoolSize"),
            of_variable("SPRING_DATASOURCE_HIKARI_MAXIMUMPOOLSIZE"),
            of_variable("SPRING_DATASOURCE_HIKARI_MAXIMUM_POOL_SIZE"),
        ] {
            assert_eq!(spelling, "spring.datasource.hikari.maximumpoolsize");
        }
        assert_eq!(of_variable("ORDERS_PAYMENTS_READ_TIMEOUT"), "orders.payments.read.timeout");
        assert_eq!(of_variable("Logging__LogLevel__Default"), "logging.loglevel.default");
    }
}
