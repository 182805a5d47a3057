//! A horizontal pod autoscaler: bounds, targets, what it sees, what it wants.
//!
//! ```text
//! spec: {minReplicas: 2, maxReplicas: 10}     status: {currentReplicas: 10, desiredReplicas: 10,
//!   conditions: [{type: ScalingLimited, status: "True", reason: TooManyReplicas}], currentMetrics: [...]}
//! ```
//!
//! The first version of the interface knows only the processor, as `targetCPUUtilizationPercentage`. What this file does not
//! do: judge whether it helps.

use super::node::Node;
use super::object::Ground;
use super::quantity::quantity;
use super::tell::Teller;

const BOUNDS: [(&str, &str); 2] =
    [("minReplicas", "kube_horizontalpodautoscaler_spec_min_replicas"), ("maxReplicas", "kube_horizontalpodautoscaler_spec_max_replicas")];
const REPLICAS: [(&str, &str); 2] = [
    ("currentReplicas", "kube_horizontalpodautoscaler_status_current_replicas"),
    ("desiredReplicas", "kube_horizontalpodautoscaler_status_desired_replicas"),
];
const TARGET: &str = "kube_horizontalpodautoscaler_spec_target_metric";
const CURRENT: &str = "kube_horizontalpodautoscaler_status_target_metric";

/// Says an autoscaler.
pub fn read(node: &Node<'_>, ground: Ground<'_>, tell: &mut Teller<'_>) {
    let (spec, status) = (node.at(&["spec"]), node.at(&["status"]));
    let scaled = spec.at(&["scaleTargetRef"]).text("name");
    for (key, name) in BOUNDS {
        if let Some(bound) = spec.number(key) {
            tell.metric(name, &[("target", scaled)], bound, ground.evidence(spec.at(&[key])));
            tell.setting(&format!("hpa.{key}"), spec.text(key), ground.evidence(spec.at(&[key])));
        }
    }
    for (key, name) in REPLICAS {
        if let Some(replicas) = status.number(key) {
            tell.metric(name, &[("target", scaled)], replicas, ground.evidence(status.at(&[key])));
        }
    }
    for condition in status.at(&["conditions"]).items() {
        let state = condition.text("status").to_ascii_lowercase();
        let labels = [("condition", condition.text("type")), ("status", &*state), ("reason", condition.text("reason"))];
        tell.metric("kube_horizontalpodautoscaler_status_condition", &labels, 1.0, ground.evidence(condition));
    }
    for metric in spec.at(&["metrics"]).items() {
        value(metric, "target", TARGET, ground, tell);
    }
    for metric in status.at(&["currentMetrics"]).items() {
        value(metric, "current", CURRENT, ground, tell);
    }
    for (of, key, name) in [(spec, "targetCPUUtilizationPercentage", TARGET), (status, "currentCPUUtilizationPercentage", CURRENT)] {
        if let Some(percent) = of.number(key) {
            tell.metric(name, &[("metric_name", "cpu"), ("metric_target_type", "utilization")], percent, ground.evidence(of.at(&[key])));
        }
    }
    for direction in ["scaleUp", "scaleDown"] {
        let window = spec.at(&["behavior", direction, "stabilizationWindowSeconds"]);
        tell.setting(&format!("hpa.behavior.{direction}.stabilizationWindowSeconds"), window.word(), ground.evidence(window));
    }
}

/// One metric of the list, whose kind names the key under which the rest stands: `resource`, `pods`, `external`.
fn value(metric: &Node<'_>, side: &str, name: &str, ground: Ground<'_>, tell: &mut Teller<'_>) {
    let kind = metric.text("type");
    let Some((_, inside)) = metric.entries().iter().find(|(key, _)| key.eq_ignore_ascii_case(kind) && *key != "type") else { return };
    let known = if inside.has("name") { inside.text("name") } else { inside.at(&["metric"]).text("name") };
    let amount = inside.at(&[side]);
    for (key, label) in [("averageUtilization", "utilization"), ("averageValue", "average"), ("value", "value")] {
        let Some(number) = quantity(amount.text(key)) else { continue };
        tell.metric(name, &[("metric_name", known), ("metric_target_type", label)], number, ground.evidence(metric));
        if side == "target" {
            tell.setting(&format!("hpa.target.{known}.{label}"), amount.text(key), ground.evidence(metric));
        }
    }
}
