//! Names: which workload an object belongs to, how a key of configuration is spelled, what must not be shown.
//!
//! ```text
//! Pod orders-7d9f5b6c8d-k2xwz, ReplicaSet orders-7d9f5b6c8d, HorizontalPodAutoscaler orders-hpa     orders
//! SPRING_DATASOURCE_HIKARI_MAXIMUMPOOLSIZE                                                          spring.datasource.hikari.maximumpoolsize
//! ```
//!
//! What this file does not do: look at the objects' owners; a name says it as well and is in every listing.

use crate::bundle::hints::workload;
use std::borrow::Cow;

/// Words in a key that say that the value is secret.
const SECRETS: [&str; 12] =
    ["password", "passwd", "passphrase", "secret", "token", "apikey", "credential", "privatekey", "accesskey", "signingkey", "licensekey", "pwd"];

/// What stands for a secret.
const HIDDEN: &str = "***";

/// Endings of the names of autoscalers that are no part of their workload's name.
const AUTOSCALER: [&str; 4] = ["-hpa", "-autoscaler", "-scaler", "-keda"];

/// The workload that an object is or belongs to; empty for those of the cluster itself.
#[must_use]
pub fn service<'a>(kind: &str, object: &'a str) -> &'a str {
    match kind.to_ascii_lowercase().as_str() {
        "pod" | "pods" | "po" | "podmetrics" => workload(object).unwrap_or(object),
        "replicaset" | "job" | "controllerrevision" => object.rsplit_once('-').map_or(object, |(name, _)| name),
        "horizontalpodautoscaler" | "scaledobject" | "hpa" => {
            // The autoscalers that KEDA makes are called so after their workload.
            let object = object.strip_prefix("keda-hpa-").unwrap_or(object);
            AUTOSCALER.iter().find_map(|ending| object.strip_suffix(ending)).unwrap_or(object)
        }
        "node" | "namespace" => "",
        _ => object,
    }
}

/// A key in the spelling of settings: lower case, dots between segments, no dashes and underscores.
#[must_use]
pub fn canonical(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    out.extend(key.chars().filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase));
    out
}

/// The name of an environment variable as the property that it stands for.
#[must_use]
pub fn property(variable: &str) -> String {
    variable.to_ascii_lowercase().replace('_', ".")
}

/// The value as it may be shown: secrets by their key, and the password of an address, are left out.
#[must_use]
pub fn shown<'a>(key: &str, value: &'a str) -> Cow<'a, str> {
    let plain: String = key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let lower = value.to_ascii_lowercase();
    let inside = ["password=", "pwd=", "accountkey=", "-----begin"].iter().any(|word| lower.contains(word));
    if inside || SECRETS.iter().any(|word| plain.contains(word)) {
        return Cow::Borrowed(HIDDEN);
    }
    let Some((scheme, rest)) = value.split_once("://") else { return Cow::Borrowed(value) };
    match rest.split(['/', '?']).next().unwrap_or(rest).rsplit_once('@') {
        Some((user, _)) => Cow::Owned(format!("{scheme}://{HIDDEN}{}", rest.get(user.len()..).unwrap_or_default())),
        None => Cow::Borrowed(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_belong_to_workloads() {
        for (kind, object, want) in [
            ("Pod", "orders-7d9f5b6c8d-k2xwz", "orders"),
            ("Pod", "static-hi", "static-hi"),
            ("ReplicaSet", "orders-7d9f5b6c8d", "orders"),
            ("HorizontalPodAutoscaler", "order-service-hpa", "order-service"),
            ("HorizontalPodAutoscaler", "keda-hpa-orders", "orders"),
            ("Deployment", "order-service", "order-service"),
            ("Node", "ip-10-0-0-7", ""),
        ] {
            assert_eq!(service(kind, object), want);
        }
    }

    #[test]
    fn secrets_are_hidden() {
        assert_eq!((shown("DB_PASSWORD", "x"), shown("API_KEY", "x"), shown("JAVA_OPTS", "-Xmx1g")), ("***".into(), "***".into(), "-Xmx1g".into()));
        assert_eq!(shown("REDIS_URL", "redis://app:geheim@cache:6379/0"), "redis://***@cache:6379/0");
        assert_eq!(shown("PAY_URL", "http://pay/a@b"), "http://pay/a@b");
        assert_eq!(shown("DSN", "host=db password=geheim"), "***");
        assert_eq!(property("SPRING_DATASOURCE_HIKARI_MAXIMUMPOOLSIZE"), "spring.datasource.hikari.maximumpoolsize");
        assert_eq!(canonical("readinessProbe.periodSeconds"), "readinessprobe.periodseconds");
    }
}
