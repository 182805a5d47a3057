//! Deployments, replica sets, stateful and daemon sets: how many replicas are wanted, there, and ready.
//!
//! ```text
//! spec: {replicas: 6}    status: {replicas: 6, readyReplicas: 3, availableReplicas: 3, unavailableReplicas: 3}
//! ```
//!
//! What this file does not do: say which pods are not ready; pods and events do.

use super::container;
use super::node::Node;
use super::object::Ground;
use super::tell::Teller;

/// Where a number stands, and how kube-state-metrics calls it.
const DEPLOYMENT: [(&str, &str); 5] = [
    ("replicas", "kube_deployment_status_replicas"),
    ("readyReplicas", "kube_deployment_status_replicas_ready"),
    ("availableReplicas", "kube_deployment_status_replicas_available"),
    ("unavailableReplicas", "kube_deployment_status_replicas_unavailable"),
    ("updatedReplicas", "kube_deployment_status_replicas_updated"),
];
const REPLICA_SET: [(&str, &str); 2] = [("replicas", "kube_replicaset_status_replicas"), ("readyReplicas", "kube_replicaset_status_ready_replicas")];
const STATEFUL_SET: [(&str, &str); 2] =
    [("replicas", "kube_statefulset_status_replicas"), ("readyReplicas", "kube_statefulset_status_replicas_ready")];
const DAEMON_SET: [(&str, &str); 2] =
    [("desiredNumberScheduled", "kube_daemonset_status_desired_number_scheduled"), ("numberReady", "kube_daemonset_status_number_ready")];

/// Says a workload.
pub fn read(node: &Node<'_>, ground: Ground<'_>, tell: &mut Teller<'_>) {
    let (spec, status) = (node.at(&["spec"]), node.at(&["status"]));
    let (wanted, numbers): (&str, &[_]) = match tell.kind {
        "deployment" => ("kube_deployment_spec_replicas", &DEPLOYMENT),
        "replicaset" => ("kube_replicaset_spec_replicas", &REPLICA_SET),
        "statefulset" => ("kube_statefulset_replicas", &STATEFUL_SET),
        _ => ("", &DAEMON_SET),
    };
    if let Some(replicas) = spec.number("replicas") {
        let evidence = ground.evidence(spec.at(&["replicas"]));
        if !wanted.is_empty() {
            tell.metric(wanted, &[], replicas, evidence);
        }
        if tell.kind != "replicaset" {
            tell.setting("replicas", spec.text("replicas"), evidence);
        }
    }
    // Kubernetes leaves out what is zero; a manifest that was never applied has no status at all.
    let is_running = !status.entries().is_empty();
    for &(key, name) in numbers.iter().filter(|(key, _)| status.has(key) || is_running && *key != "unavailableReplicas") {
        let place = if status.has(key) { status.at(&[key]) } else { status };
        tell.metric(name, &[], status.number(key).unwrap_or(0.0), ground.evidence(place));
    }
    for condition in status.at(&["conditions"]).items() {
        let labels = [("condition", condition.text("type")), ("status", &*condition.text("status").to_ascii_lowercase())];
        if tell.kind == "deployment" {
            tell.metric("kube_deployment_status_condition", &labels, 1.0, ground.evidence(condition));
        }
    }
    if tell.kind != "replicaset" {
        container::read(spec.at(&["template", "spec"]), ground, tell);
    }
}
