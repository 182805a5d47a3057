//! The containers of a description: how they are, what they may use, how they are probed, what they are told.
//!
//! What this file does not do: read the description's other sections.

use super::sections::{Line, Lines, below};
use crate::formats::kube::tell::Teller;
use crate::formats::lines::Block;
use crate::model::source::Evidence;

const PROBES: [(&str, &str); 3] = [("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")];

/// Says a pod: its conditions, the state of its containers, and their settings.
pub fn pod(block: &Block<'_>, lines: &Lines<'_>, tell: &mut Teller<'_>) {
    for line in lines.under("Conditions") {
        let mut words = line.text.split_whitespace();
        if let (Some("Ready"), Some(state)) = (words.next(), words.next()) {
            tell.metric("kube_pod_status_ready", &[("condition", "true")], f64::from(u8::from(state == "True")), line.evidence(block));
        }
    }
    if let Some(line) = lines.top("Status") {
        tell.metric("kube_pod_status_phase", &[("phase", line.value)], 1.0, line.evidence(block));
    }
    for (name, inside) in containers(lines) {
        state(block, name, inside, tell);
    }
    settings(block, lines, tell);
}

fn state(block: &Block<'_>, name: &str, inside: &[Line<'_>], tell: &mut Teller<'_>) {
    for (at, line) in inside.iter().enumerate() {
        let place = line.evidence(block);
        match line.key {
            "Restart Count" => {
                if let Ok(count) = line.value.parse() {
                    tell.metric("kube_pod_container_status_restarts_total", &[("container", name)], count, place);
                }
            }
            "State" if line.value == "Waiting" => {
                if let Some(reason) = below(inside, at).iter().find(|line| line.key == "Reason") {
                    let labels = [("container", name), ("reason", reason.value)];
                    tell.metric("kube_pod_container_status_waiting_reason", &labels, 1.0, reason.evidence(block));
                }
            }
            "Last State" => {
                for line in below(inside, at) {
                    let place = line.evidence(block);
                    match (line.key, line.value.parse::<f64>()) {
                        ("Reason", _) => {
                            let labels = [("container", name), ("reason", line.value)];
                            tell.metric("kube_pod_container_status_last_terminated_reason", &labels, 1.0, place);
                        }
                        ("Exit Code", Ok(code)) => {
                            tell.metric("kube_pod_container_status_last_terminated_exitcode", &[("container", name)], code, place);
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}

/// Says the settings of the containers of a pod or of a workload's template.
pub fn settings(block: &Block<'_>, lines: &Lines<'_>, tell: &mut Teller<'_>) {
    for (name, inside) in containers(lines) {
        let prefix = format!("container.{name}");
        for (at, line) in inside.iter().enumerate() {
            let place = line.evidence(block);
            match line.key {
                "Image" => tell.setting(&format!("{prefix}.image"), line.value, place),
                "Limits" | "Requests" => {
                    for amount in below(inside, at) {
                        tell.setting(&format!("{prefix}.resources.{}.{}", line.key, amount.key), amount.value, amount.evidence(block));
                    }
                }
                "Environment" => {
                    for variable in below(inside, at).iter().filter(|line| !line.key.is_empty()) {
                        let secret = variable.value.contains("in secret ");
                        tell.variable(variable.key, if secret { "***" } else { variable.value }, variable.evidence(block));
                    }
                }
                key => {
                    if let Some((_, probe)) = PROBES.iter().find(|(name, _)| *name == key) {
                        probed(&format!("{prefix}.{probe}"), line.value, place, tell);
                    }
                }
            }
        }
    }
}

/// `http-get http://:8080/live delay=30s timeout=1s period=10s #success=1 #failure=3`
fn probed(key: &str, text: &str, place: Evidence, tell: &mut Teller<'_>) {
    let mut words = text.split(' ');
    let how = words.next().unwrap_or("");
    for word in words.clone() {
        let known = match word.trim_start_matches('#').split_once('=') {
            Some(("delay", value)) => ("initialDelaySeconds", value),
            Some(("timeout", value)) => ("timeoutSeconds", value),
            Some(("period", value)) => ("periodSeconds", value),
            Some(("success", value)) => ("successThreshold", value),
            Some(("failure", value)) => ("failureThreshold", value),
            _ => continue,
        };
        tell.setting(&format!("{key}.{}", known.0), known.1.trim_end_matches('s'), place);
    }
    let target = words.next().unwrap_or("");
    match how {
        "http-get" => {
            let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let port = host.rsplit_once(':').map_or("", |(_, port)| port);
            tell.setting(&format!("{key}.httpGet.path"), &format!("/{path}"), place);
            tell.setting(&format!("{key}.httpGet.port"), port, place);
        }
        "tcp-socket" => tell.setting(&format!("{key}.tcpSocket.port"), target.rsplit_once(':').map_or(target, |(_, port)| port), place),
        "exec" => {
            tell.setting(&format!("{key}.exec.command"), text.split_once('[').and_then(|(_, rest)| rest.split(']').next()).unwrap_or(""), place)
        }
        _ => {}
    }
}

/// Containers and the lines of each. In a workload's description they stand one step deeper, below the template of its pods.
fn containers<'l, 'a>(lines: &'l Lines<'a>) -> Vec<(&'a str, &'l [Line<'a>])> {
    let section = lines.under("Containers");
    let Some(depth) = section.first().map(|line| line.indent) else { return Vec::new() };
    let named = section.iter().enumerate().filter(|(_, line)| line.indent == depth && line.value.is_empty() && !line.key.is_empty());
    named.map(|(at, line)| (line.key, below(section, at))).collect()
}
