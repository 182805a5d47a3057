//! An object by its kind, and what objects arrive in: lists, watches, and the lines of event exporters.
//!
//! ```text
//! {"kind":"List","items":[{"kind":"Pod",...}]}          {"type":"MODIFIED","object":{"kind":"Pod",...}}
//! {"verb":"ADDED","event":{"reason":"BackOff",...}}     {"reason":"BackOff","involvedObject":{...},"message":"..."}
//! ```
//!
//! Objects of kinds that measure and configure nothing (roles, volumes, services) are passed over. What this file does not
//! do: read the parts of an object; each kind has a file.

use super::node::{Node, Shape};
use super::tell::Teller;
use super::{autoscaler, container, event, names, pod, workload};
use crate::formats::lines::Block;
use crate::model::record::Sink;
use crate::model::source::Evidence;
use crate::model::time::Time;

/// Changes that a watch reports.
const CHANGES: [&str; 5] = ["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"];

/// Where an object was read, and when it was so.
#[derive(Clone, Copy)]
pub struct Ground<'b> {
    /// The block that its places count from.
    pub block: &'b Block<'b>,
    /// Offset of the document in the block.
    pub base: usize,
    /// When the listing was made, or none.
    pub time: Time,
}

impl Ground<'_> {
    /// The bytes of a node.
    #[must_use]
    pub fn evidence(&self, node: &Node<'_>) -> Evidence {
        self.block.part(self.base + node.from, node.to.saturating_sub(node.from))
    }
}

/// Whether an object is one of Kubernetes, or holds one.
#[must_use]
pub fn is_one(node: &Node<'_>) -> bool {
    let named = node.has("kind") && node.has("apiVersion");
    named || is_event(node) || !inner(node).is_empty() || node.items().iter().take(3).any(is_one)
}

/// Reads an object; `kind` is what the list around it says its items are.
pub fn read(node: &Node<'_>, kind: &str, ground: Ground<'_>, sink: &mut dyn Sink) {
    if let Shape::List(items) = &node.shape {
        return items.iter().for_each(|item| read(item, kind, ground, sink));
    }
    if let [inner] = inner(node) {
        // What a watch reports as changed has just got its latest time.
        let changed = if node.text("type") == "MODIFIED" && ground.time.is_none() { latest(inner) } else { ground.time };
        return read(inner, kind, Ground { time: changed, ..ground }, sink);
    }
    let own = if node.has("kind") { node.text("kind") } else { kind };
    if node.has("items") && !is_event(node) {
        let of = own.strip_suffix("List").unwrap_or("");
        return node.at(&["items"]).items().iter().for_each(|item| read(item, of, ground, sink));
    }
    let (object, namespace) = (node.at(&["metadata"]).text("name"), node.at(&["metadata"]).text("namespace"));
    // An autoscaler may be called anything; what it scales is a workload.
    let scaled = node.at(&["spec", "scaleTargetRef"]).text("name");
    let service = if scaled.is_empty() { names::service(own, object) } else { scaled };
    let teller = |kind, sink| Teller { sink, time: ground.time, kind, object, namespace, service };
    match own {
        _ if is_event(node) => event::read(node, ground, sink),
        "Pod" => pod::read(node, ground, &mut teller("pod", sink)),
        "PodMetrics" => pod::usage(node, ground, &mut teller("pod", sink)),
        "Deployment" => workload::read(node, ground, &mut teller("deployment", sink)),
        "ReplicaSet" => workload::read(node, ground, &mut teller("replicaset", sink)),
        "StatefulSet" => workload::read(node, ground, &mut teller("statefulset", sink)),
        "DaemonSet" => workload::read(node, ground, &mut teller("daemonset", sink)),
        "HorizontalPodAutoscaler" => autoscaler::read(node, ground, &mut teller("horizontalpodautoscaler", sink)),
        "ConfigMap" => container::variables(node, ground, &mut teller("configmap", sink)),
        _ => {}
    }
}

/// The object inside of what a watch or an event router puts around it; empty if there is nothing around it.
fn inner<'n, 'a>(node: &'n Node<'a>) -> &'n [Node<'a>] {
    let (change, inner) = (node.text("type"), node.at(&["object"]));
    if CHANGES.contains(&change) && inner.has("kind") {
        return std::slice::from_ref(inner);
    }
    let routed = node.at(&["event"]);
    if node.has("verb") && is_event(routed) { std::slice::from_ref(routed) } else { &[] }
}

/// Events tell of another object; those of an audit log do not.
fn is_event(node: &Node<'_>) -> bool {
    ["involvedObject", "regarding"].iter().any(|key| node.at(&[key]).has("kind")) && node.has("reason")
}

/// The latest time anywhere in an object.
fn latest(node: &Node<'_>) -> Time {
    match &node.shape {
        Shape::Null => Time::NONE,
        Shape::Text(text) if text.len() >= 20 && text.as_bytes().get(10) == Some(&b'T') => {
            crate::formats::timestamp::iso(text.as_bytes(), 0).map_or(Time::NONE, |(time, _)| time)
        }
        Shape::Text(_) => Time::NONE,
        Shape::List(items) => items.iter().map(latest).max().unwrap_or(Time::NONE),
        Shape::Map(entries) => entries.iter().map(|(_, value)| latest(value)).max().unwrap_or(Time::NONE),
    }
}
