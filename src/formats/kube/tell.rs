//! What every reader of an object says it with: metrics under the names of kube-state-metrics, settings, and events.
//!
//! ```text
//! kube_deployment_status_replicas_ready{namespace="shop",deployment="orders"} 3
//! kubernetes.container.orders.readinessprobe.periodseconds = 5
//! ```
//!
//! A scrape of kube-state-metrics and a listing of kubectl thus give the same series. What this file does not do: read.

use crate::formats::config::entry::{canonical, of_variable};
use crate::formats::config::secret::masked;
use crate::model::record::{Field, MetricKind, MetricRecord, SettingRecord, Sink, Value};
use crate::model::source::Evidence;
use crate::model::time::Time;

/// The object that is spoken of, and to whom.
pub struct Teller<'s> {
    /// Takes the records.
    pub sink: &'s mut dyn Sink,
    /// When the object was in this state, or none.
    pub time: Time,
    /// Kind as in `deployment`, the label that holds its name.
    pub kind: &'static str,
    /// Its name.
    pub object: &'s str,
    /// Its namespace.
    pub namespace: &'s str,
    /// The workload it is or belongs to.
    pub service: &'s str,
}

impl Teller<'_> {
    /// A number of the object.
    pub fn metric(&mut self, name: &str, labels: &[(&str, &str)], value: f64, evidence: Evidence) {
        let own = [("namespace", self.namespace), (self.kind, self.object)];
        let labels: Vec<Field<'_>> =
            own.iter().chain(labels).filter(|(_, value)| !value.is_empty()).map(|&(key, value)| Field { key, value: Value::Text(value) }).collect();
        let kind = if name.ends_with("_total") { MetricKind::Cumulative } else { MetricKind::Gauge };
        let instance = if self.kind == "pod" { self.object } else { "" };
        self.sink.metric(&MetricRecord { time: self.time, service: self.service, instance, name, unit: "", kind, labels: &labels, value, evidence });
    }

    /// An entry of the object's configuration; the key is brought into the spelling of settings.
    pub fn setting(&mut self, key: &str, value: &str, evidence: Evidence) {
        if !value.is_empty() {
            let key = format!("kubernetes.{}", canonical(key));
            let value = masked(&key, value);
            self.sink.setting(&SettingRecord { service: self.service, profile: "", key: &key, value: &value, evidence });
        }
    }

    /// A variable of the environment that its containers run in.
    pub fn variable(&mut self, name: &str, value: &str, evidence: Evidence) {
        let key = of_variable(name);
        let value = masked(&key, value);
        self.sink.setting(&SettingRecord { service: self.service, profile: "", key: &key, value: &value, evidence });
    }
}
