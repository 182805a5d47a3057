//! The tables that `kubectl get` and `kubectl top` print.
//!
//! ```text
//! LAST SEEN           TYPE      REASON              OBJECT                           MESSAGE
//! 4m (x12 over 9m)    Warning   Unhealthy           pod/orders-7d9f5b6c8d-k2xwz      Readiness probe failed: ...
//! NAME     REFERENCE           TARGETS        MINPODS   MAXPODS   REPLICAS   AGE
//! orders   Deployment/orders   cpu: 85%/70%   3         12        6          2d4h
//! NAME     READY   UP-TO-DATE   AVAILABLE   AGE         NAME                      CPU(cores)   MEMORY(bytes)
//! orders   3/6     6            3           2d4h        orders-7d9f5b6c8d-k2xwz   250m         412Mi
//! ```
//!
//! A row is read by the columns of its header, whichever there are. What this file does not do: find the header, or the time
//! of the listing; see `console.rs`.

mod columns;
mod events;

pub use columns::{Columns, Row};

use super::names;
use super::quantity::{age, quantity};
use super::tell::Teller;
use crate::model::record::Sink;
use crate::model::source::Evidence;
use crate::model::time::Time;

/// What a table lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listed {
    /// Events.
    Events,
    /// Pods.
    Pods,
    /// What pods use.
    Usage,
    /// Horizontal pod autoscalers.
    Autoscalers,
    /// Workloads of a kind.
    Workloads(&'static str),
}

impl Listed {
    /// By the columns of the header; none if it is the header of something else.
    #[must_use]
    pub fn of(columns: &Columns) -> Option<Self> {
        let has = |names: &[&str]| names.iter().all(|name| columns.has(name));
        match () {
            () if has(&["REASON", "MESSAGE"]) => Some(Self::Events),
            () if has(&["NAME", "REFERENCE", "TARGETS", "REPLICAS"]) => Some(Self::Autoscalers),
            () if has(&["CPU(CORES)", "MEMORY(BYTES)"]) && !has(&["CPU%"]) && !has(&["CPU(%)"]) => Some(Self::Usage),
            () if has(&["NAME", "READY", "STATUS", "RESTARTS"]) => Some(Self::Pods),
            () if has(&["NAME", "UP-TO-DATE", "AVAILABLE", "DESIRED", "READY"]) => Some(Self::Workloads("daemonset")),
            () if has(&["NAME", "UP-TO-DATE", "AVAILABLE"]) => Some(Self::Workloads("deployment")),
            () if has(&["NAME", "DESIRED", "CURRENT", "READY"]) => Some(Self::Workloads("replicaset")),
            () if has(&["NAME", "READY", "AGE"]) => Some(Self::Workloads("statefulset")),
            () => None,
        }
    }
}

/// When a row was true: a time, or how long it is before one.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// When the listing was made, or none.
    pub time: Time,
}

impl Moment {
    /// So long before the listing.
    #[must_use]
    pub const fn ago(self, nanos: i64) -> Time {
        if self.time.is_some() { self.time.plus(-nanos) } else { Time::before_capture(nanos) }
    }
}

/// Says a row.
pub fn read(listed: Listed, row: &Row<'_>, moment: Moment, evidence: Evidence, sink: &mut dyn Sink) {
    if listed == Listed::Events {
        return events::read(row, moment, evidence, sink);
    }
    let named = if row.get("POD").is_empty() { row.get("NAME") } else { row.get("POD") };
    let kind = match listed {
        Listed::Pods | Listed::Usage | Listed::Events => "pod",
        Listed::Autoscalers => "horizontalpodautoscaler",
        Listed::Workloads(kind) => kind,
    };
    let object = named.rsplit_once('/').map_or(named, |(_, name)| name);
    let reference = row.get("REFERENCE").rsplit_once('/').map_or("", |(_, name)| name);
    let service = if reference.is_empty() { names::service(kind, object) } else { reference };
    let mut tell = Teller { sink, time: moment.time, kind, object, namespace: row.get("NAMESPACE"), service };
    match listed {
        Listed::Pods => pod(row, moment, evidence, &mut tell),
        Listed::Usage => usage(row, evidence, &mut tell),
        Listed::Autoscalers => autoscaler(row, reference, evidence, &mut tell),
        Listed::Workloads(_) => workload(row, evidence, &mut tell),
        Listed::Events => {}
    }
}

fn pod(row: &Row<'_>, moment: Moment, evidence: Evidence, tell: &mut Teller<'_>) {
    let (ready, all) = row.get("READY").split_once('/').unwrap_or(("", ""));
    let ready = ready == all && all != "0" && !all.is_empty();
    tell.metric("kube_pod_status_ready", &[("condition", "true")], f64::from(u8::from(ready)), evidence);
    let status = row.get("STATUS");
    match status {
        "Completed" => tell.metric("kube_pod_status_phase", &[("phase", "Succeeded")], 1.0, evidence),
        "Running" | "Pending" | "Succeeded" | "Failed" | "Unknown" | "Terminating" => {
            tell.metric("kube_pod_status_phase", &[("phase", status)], 1.0, evidence);
        }
        _ => tell.metric("kube_pod_container_status_waiting_reason", &[("reason", status)], 1.0, evidence),
    }
    if let Some(restarts) = row.get("RESTARTS").split(' ').next().and_then(|count| count.parse().ok()) {
        tell.metric("kube_pod_container_status_restarts_total", &[], restarts, evidence);
    }
    if let Some(age) = age(row.get("AGE")).filter(|_| moment.time.is_some()) {
        tell.metric("kube_pod_created", &[], (moment.ago(age).0 / crate::model::time::SECOND) as f64, evidence);
    }
}

fn usage(row: &Row<'_>, evidence: Evidence, tell: &mut Teller<'_>) {
    // With containers the pod has a column of its own and the name is the container's.
    let container = if row.get("POD").is_empty() { "" } else { row.get("NAME") };
    for (column, name) in [("CPU(CORES)", "container_cpu_usage"), ("MEMORY(BYTES)", "container_memory_working_set_bytes")] {
        if let Some(value) = quantity(row.get(column)) {
            tell.metric(name, &[("container", container)], value, evidence);
        }
    }
}

fn workload(row: &Row<'_>, evidence: Evidence, tell: &mut Teller<'_>) {
    let number = |text: &str| text.parse::<f64>().ok();
    let (ready, wanted) = row.get("READY").split_once('/').unwrap_or((row.get("READY"), row.get("DESIRED")));
    let names: [(&str, Option<f64>); 4] = match tell.kind {
        "deployment" => [
            ("kube_deployment_spec_replicas", number(wanted)),
            ("kube_deployment_status_replicas_ready", number(ready)),
            ("kube_deployment_status_replicas_available", number(row.get("AVAILABLE"))),
            ("kube_deployment_status_replicas_updated", number(row.get("UP-TO-DATE"))),
        ],
        "replicaset" => [
            ("kube_replicaset_spec_replicas", number(wanted)),
            ("kube_replicaset_status_replicas", number(row.get("CURRENT"))),
            ("kube_replicaset_status_ready_replicas", number(ready)),
            ("", None),
        ],
        "statefulset" => {
            [("kube_statefulset_replicas", number(wanted)), ("kube_statefulset_status_replicas_ready", number(ready)), ("", None), ("", None)]
        }
        _ => [
            ("kube_daemonset_status_desired_number_scheduled", number(wanted)),
            ("kube_daemonset_status_number_ready", number(ready)),
            ("", None),
            ("", None),
        ],
    };
    for (name, value) in names {
        if let Some(value) = value {
            tell.metric(name, &[], value, evidence);
        }
    }
}

fn autoscaler(row: &Row<'_>, scaled: &str, evidence: Evidence, tell: &mut Teller<'_>) {
    let numbers = [
        ("MINPODS", "kube_horizontalpodautoscaler_spec_min_replicas", "hpa.minReplicas"),
        ("MAXPODS", "kube_horizontalpodautoscaler_spec_max_replicas", "hpa.maxReplicas"),
        ("REPLICAS", "kube_horizontalpodautoscaler_status_current_replicas", ""),
    ];
    for (column, name, key) in numbers {
        let Ok(value) = row.get(column).parse::<f64>() else { continue };
        tell.metric(name, &[("target", scaled)], value, evidence);
        if !key.is_empty() {
            tell.setting(key, row.get(column), evidence);
        }
    }
    for target in row.get("TARGETS").split(", ") {
        measured(target, evidence, tell);
    }
}

/// `85%/70%`, `cpu: 85%/70%`, `<unknown>/70%`, `500m/1 (avg)`: what an autoscaler sees, and what it aims at.
pub fn measured(target: &str, evidence: Evidence, tell: &mut Teller<'_>) {
    let (name, pair) = target.rsplit_once(": ").unwrap_or(("cpu", target));
    let pair = pair.trim_end_matches(" (avg)");
    let Some((current, wanted)) = pair.split_once('/') else { return };
    let (current, wanted) = (current.trim(), wanted.trim());
    let kind = if wanted.ends_with('%') { "utilization" } else { "average" };
    let labels = [("metric_name", name), ("metric_target_type", kind)];
    match quantity(current) {
        Some(current) => tell.metric("kube_horizontalpodautoscaler_status_target_metric", &labels, current, evidence),
        None => {
            let labels = [("condition", "ScalingActive"), ("status", "false"), ("reason", "FailedGetMetric")];
            tell.metric("kube_horizontalpodautoscaler_status_condition", &labels, 1.0, evidence);
        }
    }
    if let Some(value) = quantity(wanted) {
        tell.metric("kube_horizontalpodautoscaler_spec_target_metric", &labels, value, evidence);
        tell.setting(&format!("hpa.target.{name}.{kind}"), wanted, evidence);
    }
}
