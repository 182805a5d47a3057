//! `analyze`: what is left after an incident, read, joined and judged.
//!
//! ```text
//! bundle --> formats --> model <-- correlate
//! bytes      records     tables    traces, graph, signals, effects
//!                          |
//!                        rules --> findings --> report
//!                        faults    diagnosis    html / json / md
//! ```
//!
//! *`model` holds the nouns; every other folder is a verb.* A folder may use `model` and the folders to its left in the
//! line below, never to its right; `tests/house.rs` holds this.
//!
//! ```text
//! model < bundle < formats < correlate < rules < findings < report < pipeline < cli
//! ```
//!
//! *Work is done on parts, and parts merge.* [`pipeline::analyze`] calls four phases: ingest makes tables of pieces of
//! files, gather merges them into a case, detect runs every rule over it, conclude judges what was found.

pub mod bundle;
pub mod cli;
pub mod correlate;
pub mod findings;
pub mod formats;
pub mod model;
pub mod pipeline;
pub mod report;
pub mod rules;
