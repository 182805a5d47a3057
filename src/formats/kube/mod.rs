//! What Kubernetes says of itself: objects as JSON or YAML, the tables and descriptions that kubectl prints.
//!
//! Whatever the form, it becomes events, metrics under the names of kube-state-metrics, and settings, so that a rule reads a
//! scrape and a listing alike. What this folder does not do: join objects; `correlate` does.

mod autoscaler;
pub mod console;
mod container;
mod describe;
mod event;
mod json;
pub mod manifest;
mod names;
mod node;
mod object;
mod pod;
mod quantity;
mod table;
mod tell;
mod workload;
mod yaml;
