//! A pod: how it is, how often its containers were restarted and why, what they use.
//!
//! ```text
//! status: {phase: Running, containerStatuses: [{name: orders, ready: false, restartCount: 4, lastState: {terminated: {reason: OOMKilled, exitCode: 137}}}]}
//! ```
//!
//! What this file does not do: read the specification of containers; that is `container.rs`.

use super::container;
use super::node::Node;
use super::object::Ground;
use super::quantity::quantity;
use super::tell::Teller;
use crate::model::record::EventRecord;

/// Says a pod.
pub fn read(node: &Node<'_>, ground: Ground<'_>, tell: &mut Teller<'_>) {
    let status = node.at(&["status"]);
    let phase = status.at(&["phase"]);
    if !phase.word().is_empty() {
        tell.metric("kube_pod_status_phase", &[("phase", phase.word())], 1.0, ground.evidence(phase));
    }
    for condition in status.at(&["conditions"]).items() {
        let holds = f64::from(u8::from(condition.text("status") == "True"));
        match condition.text("type") {
            "Ready" => tell.metric("kube_pod_status_ready", &[("condition", "true")], holds, ground.evidence(condition)),
            "PodScheduled" => tell.metric("kube_pod_status_scheduled", &[("condition", "true")], holds, ground.evidence(condition)),
            _ => {}
        }
    }
    for container in status.at(&["containerStatuses"]).items() {
        let (name, evidence) = (container.text("name"), ground.evidence(container));
        tell.metric("kube_pod_container_status_restarts_total", &[("container", name)], container.number("restartCount").unwrap_or(0.0), evidence);
        tell.metric("kube_pod_container_status_ready", &[("container", name)], f64::from(u8::from(container.text("ready") == "true")), evidence);
        let waiting = container.at(&["state", "waiting"]).text("reason");
        if !waiting.is_empty() {
            tell.metric("kube_pod_container_status_waiting_reason", &[("container", name), ("reason", waiting)], 1.0, evidence);
        }
        for state in ["state", "lastState"] {
            let ended = container.at(&[state, "terminated"]);
            if ended.text("reason") == "OOMKilled" {
                killed(ended, name, ground, tell);
            }
        }
        let ended = container.at(&["lastState", "terminated"]);
        if !ended.text("reason").is_empty() {
            let labels = [("container", name), ("reason", ended.text("reason"))];
            tell.metric("kube_pod_container_status_last_terminated_reason", &labels, 1.0, ground.evidence(ended));
        }
        if let Some(code) = ended.number("exitCode") {
            tell.metric("kube_pod_container_status_last_terminated_exitcode", &[("container", name)], code, ground.evidence(ended));
        }
    }
    container::read(node.at(&["spec"]), ground, tell);
}

/// Says that a container was killed for its memory: that is over within an hour among the events, and stays here.
fn killed(ended: &Node<'_>, container: &str, ground: Ground<'_>, tell: &mut Teller<'_>) {
    let time = ended.time("finishedAt");
    tell.sink.event(&EventRecord {
        time,
        first: time,
        count: 1,
        warning: true,
        kind: "Pod",
        object: tell.object,
        namespace: tell.namespace,
        service: tell.service,
        reason: "OOMKilled",
        message: container,
        evidence: ground.evidence(ended),
    });
}

/// Says what the containers of a pod use, as the metrics interface lists it.
pub fn usage(node: &Node<'_>, ground: Ground<'_>, tell: &mut Teller<'_>) {
    let time = node.time("timestamp");
    if time.is_some() {
        tell.time = time;
    }
    for container in node.at(&["containers"]).items() {
        let (name, usage) = (container.text("name"), container.at(&["usage"]));
        if let Some(cores) = quantity(usage.text("cpu")) {
            tell.metric("container_cpu_usage", &[("container", name)], cores, ground.evidence(container));
        }
        if let Some(bytes) = quantity(usage.text("memory")) {
            tell.metric("container_memory_working_set_bytes", &[("container", name)], bytes, ground.evidence(container));
        }
    }
}
