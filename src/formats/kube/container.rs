//! What containers are to be like: image, resources, probes, environment.
//!
//! ```text
//! containers: [{name: orders, image: orders:1.7, resources: {limits: {cpu: 500m}}, readinessProbe: {httpGet: {path: /ready, port: 8081}}}]
//! ```
//!
//! What this file does not do: read what containers have done; that is `pod.rs`.

use super::node::{Node, Shape};
use super::object::Ground;
use super::tell::Teller;

const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];

/// Says the settings of a pod's specification.
pub fn read(spec: &Node<'_>, ground: Ground<'_>, tell: &mut Teller<'_>) {
    let grace = spec.at(&["terminationGracePeriodSeconds"]);
    tell.setting("terminationGracePeriodSeconds", grace.word(), ground.evidence(grace));
    for container in spec.at(&["containers"]).items() {
        let prefix = format!("container.{}", container.text("name").replace('.', "-"));
        let image = container.at(&["image"]);
        tell.setting(&format!("{prefix}.image"), image.word(), ground.evidence(image));
        for part in ["requests", "limits"] {
            for (resource, amount) in container.at(&["resources", part]).entries() {
                tell.setting(&format!("{prefix}.resources.{part}.{resource}"), amount.word(), ground.evidence(amount));
            }
        }
        for probe in PROBES {
            flat(&format!("{prefix}.{probe}"), container.at(&[probe]), ground, tell);
        }
        flat(&format!("{prefix}.lifecycle"), container.at(&["lifecycle"]), ground, tell);
        for port in container.at(&["ports"]).items() {
            let number = port.at(&["containerPort"]);
            let name = if port.text("name").is_empty() { number.word() } else { port.text("name") };
            tell.setting(&format!("{prefix}.ports.{name}"), number.word(), ground.evidence(number));
        }
        for variable in container.at(&["env"]).items() {
            let secret = !variable.at(&["valueFrom", "secretKeyRef"]).text("name").is_empty();
            let value = if secret { "***" } else { variable.text("value") };
            if !value.is_empty() {
                tell.variable(variable.text("name"), value, ground.evidence(variable));
            }
        }
    }
}

/// The entries of a map of variables that are of one line; a file inside a map is for the reader of such files.
pub fn variables(node: &Node<'_>, ground: Ground<'_>, tell: &mut Teller<'_>) {
    for (name, value) in node.at(&["data"]).entries().iter().filter(|(_, value)| !value.word().contains('\n')) {
        tell.variable(name, value.word(), ground.evidence(value));
    }
}

/// Every text below a node, with the keys that lead to it.
fn flat(key: &str, node: &Node<'_>, ground: Ground<'_>, tell: &mut Teller<'_>) {
    match &node.shape {
        Shape::Null => {}
        Shape::Text(text) => tell.setting(key, text, ground.evidence(node)),
        Shape::List(items) => {
            let words: Vec<&str> = items.iter().map(Node::word).filter(|word| !word.is_empty()).collect();
            tell.setting(key, &words.join(" "), ground.evidence(node));
        }
        Shape::Map(entries) => entries.iter().for_each(|(inner, value)| flat(&format!("{key}.{inner}"), value, ground, tell)),
    }
}
