//! Names: which workload an object belongs to.
//!
//! ```text
//! Pod orders-7d9f5b6c8d-k2xwz, ReplicaSet orders-7d9f5b6c8d, HorizontalPodAutoscaler orders-hpa     orders
//! ```
//!
//! What this file does not do: look at the objects' owners; a name says it as well and is in every listing.

use crate::bundle::hints::workload;

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
}
