//! What `kubectl describe` prints of a pod, a workload or an autoscaler.
//!
//! ```text
//! Name:             orders-7d9f5b6c8d-k2xwz
//! Start Time:       Sun, 22 Nov 2026 19:44:42 +0000
//! Containers:
//!   orders:
//!     Last State:     Terminated
//!       Reason:       OOMKilled
//!       Exit Code:    137
//!     Restart Count:  4
//!     Liveness:       http-get http://:8080/live delay=30s timeout=1s period=10s #success=1 #failure=3
//! Events:
//!   Type     Reason     Age                   From     Message
//!   ----     ------     ----                  ----     -------
//!   Warning  Unhealthy  4m12s (x12 over 9m)   kubelet  Liveness probe failed: ...
//! ```
//!
//! What this file does not do: find where a description begins and ends; `console.rs` does.

mod container;
mod sections;

use super::names;
use super::quantity::seen;
use super::table::{self, Columns, Moment};
use super::tell::Teller;
use crate::formats::block_lines::{BlockLine, evidence};
use crate::formats::lines::Block;
use crate::model::record::{EventRecord, Sink};
use crate::model::time::Time;
use sections::{Line, Lines};

/// Whether a line is the first of a description.
#[must_use]
pub fn begins(line: &str) -> bool {
    line.strip_prefix("Name:").is_some_and(|rest| rest.starts_with("  ") && !rest.trim().is_empty() && !rest.trim().contains(' '))
}

/// Reads a description.
pub fn read(block: &Block<'_>, lines: &[BlockLine<'_>], moment: Moment, sink: &mut dyn Sink) {
    let lines = Lines::of(lines);
    let kind = kind(&lines);
    let object = lines.value("Name");
    let reference = lines.value("Reference").rsplit_once('/').map_or("", |(_, name)| name);
    let service = if reference.is_empty() { names::service(kind, object) } else { reference };
    let time = if moment.time.is_some() { moment.time } else { made(&lines) };
    let mut tell = Teller { sink, time, kind, object, namespace: lines.value("Namespace"), service };
    match kind {
        "pod" => container::pod(block, &lines, &mut tell),
        "horizontalpodautoscaler" => autoscaler(block, &lines, &mut tell),
        "deployment" | "replicaset" => {
            workload(block, &lines, &mut tell);
            container::settings(block, &lines, &mut tell);
        }
        // Of anything else only the events are read.
        _ => {}
    }
    events(block, &lines, Moment { time }, &mut tell);
}

fn kind(lines: &Lines<'_>) -> &'static str {
    let has = |key: &str| lines.top(key).is_some();
    match () {
        () if has("Reference") && (has("Min replicas") || has("Metrics")) => "horizontalpodautoscaler",
        () if has("StrategyType") => "deployment",
        () if has("Pods Status") && has("Replicas") && has("Controlled By") => "replicaset",
        () if has("Containers") && (has("Node") || has("IP") || has("QoS Class")) => "pod",
        () => "",
    }
}

/// When a description of a pod was made: the start of the pod and the age of its first event tell.
fn made(lines: &Lines<'_>) -> Time {
    let start = sections::date(lines.value("Start Time"));
    let scheduled = lines.events().find(|row| row.get("REASON") == "Scheduled").and_then(|row| seen(row.get("AGE")));
    match scheduled {
        Some(seen) if start.is_some() => start.plus(seen.last),
        _ => Time::NONE,
    }
}

fn events(block: &Block<'_>, lines: &Lines<'_>, moment: Moment, tell: &mut Teller<'_>) {
    let kind = match tell.kind {
        "pod" => "Pod",
        "horizontalpodautoscaler" => "HorizontalPodAutoscaler",
        "deployment" => "Deployment",
        "replicaset" => "ReplicaSet",
        _ => "",
    };
    for (line, row) in lines.event_rows() {
        let last = row.first(&["AGE", "LASTSEEN"]);
        let Some(seen) = seen(last) else { continue };
        let first = seen.first.map_or(Time::NONE, |first| moment.ago(first));
        tell.sink.event(&EventRecord {
            time: moment.ago(seen.last),
            first,
            count: row.get("COUNT").parse().unwrap_or(seen.count),
            warning: row.get("TYPE") == "Warning",
            kind,
            object: tell.object,
            namespace: tell.namespace,
            service: tell.service,
            reason: row.get("REASON"),
            message: row.get("MESSAGE"),
            evidence: evidence(block, line.from, line.to),
        });
    }
}

/// `Replicas: 6 desired | 6 updated | 6 total | 3 available | 3 unavailable`, and of a replica set `6 current / 6 desired`.
fn workload(block: &Block<'_>, lines: &Lines<'_>, tell: &mut Teller<'_>) {
    let Some(line) = lines.top("Replicas") else { return };
    let place = line.evidence(block);
    for part in line.value.split(['|', '/']) {
        let Some((number, word)) = part.trim().split_once(' ') else { continue };
        let Ok(number) = number.parse::<f64>() else { continue };
        let name = match (tell.kind, word) {
            ("deployment", "desired") => "kube_deployment_spec_replicas",
            ("deployment", "updated") => "kube_deployment_status_replicas_updated",
            ("deployment", "total") => "kube_deployment_status_replicas",
            ("deployment", "available") => "kube_deployment_status_replicas_available",
            ("deployment", "unavailable") => "kube_deployment_status_replicas_unavailable",
            ("replicaset", "current") => "kube_replicaset_status_replicas",
            ("replicaset", "desired") => "kube_replicaset_spec_replicas",
            _ => continue,
        };
        tell.metric(name, &[], number, place);
    }
}

/// Bounds, replicas, conditions and what is measured of an autoscaler.
fn autoscaler(block: &Block<'_>, lines: &Lines<'_>, tell: &mut Teller<'_>) {
    for (key, name, setting) in [
        ("Min replicas", "kube_horizontalpodautoscaler_spec_min_replicas", "hpa.minReplicas"),
        ("Max replicas", "kube_horizontalpodautoscaler_spec_max_replicas", "hpa.maxReplicas"),
    ] {
        let Some(line) = lines.top(key) else { continue };
        let Ok(bound) = line.value.parse::<f64>() else { continue };
        let place = line.evidence(block);
        tell.metric(name, &[], bound, place);
        tell.setting(setting, line.value, place);
    }
    if let Some(line) = lines.all().iter().find(|line| line.indent == 0 && line.key.ends_with(" pods")) {
        for part in line.value.split('/') {
            let Some((number, word)) = part.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<f64>() else { continue };
            let name = if word == "desired" {
                "kube_horizontalpodautoscaler_status_desired_replicas"
            } else {
                "kube_horizontalpodautoscaler_status_current_replicas"
            };
            tell.metric(name, &[], number, line.evidence(block));
        }
    }
    for line in lines.under("Metrics") {
        // `resource cpu on pods  (as a percentage of request):  85% (425m) / 70%`
        let name = line.key.split_whitespace().nth(1).unwrap_or("").trim_matches('"');
        let Some((current, wanted)) = line.value.rsplit_once(" / ") else { continue };
        let current = current.split(' ').next().unwrap_or(current);
        table::measured(&format!("{name}: {current}/{wanted}"), line.evidence(block), tell);
    }
    conditions(block, lines, tell);
}

/// `AbleToScale     True    ReadyForNewScale    recommended size matches current size`
fn conditions(block: &Block<'_>, lines: &Lines<'_>, tell: &mut Teller<'_>) {
    let columns = Columns::of("Type Status Reason Message");
    for line in lines.under("Conditions") {
        let Some(row) = columns.row(line.text.trim()).filter(|row| matches!(row.get("STATUS"), "True" | "False" | "Unknown")) else { continue };
        let state = row.get("STATUS").to_ascii_lowercase();
        let labels = [("condition", row.get("TYPE")), ("status", &*state), ("reason", row.get("REASON"))];
        tell.metric("kube_horizontalpodautoscaler_status_condition", &labels, 1.0, line.evidence(block));
    }
}

impl Line<'_> {
    fn evidence(&self, block: &Block<'_>) -> crate::model::source::Evidence {
        evidence(block, self.from, self.to)
    }
}
