//! All integration tests in one binary: linking is what costs, not running.
//!
//! Tests over captures that are not part of this repository say so and pass where these are absent.

mod bounds;
mod browser;
mod cli;
mod corpus;
mod corpus_access;
mod corpus_all;
mod corpus_json;
mod corpus_jvm;
mod corpus_kube;
mod corpus_otlp;
mod corpus_text;
mod corpus_traces;
mod devtools;
mod golden;
mod hostile;
mod house;
mod inert;
mod injection;
mod inspect;
mod jvm_rules;
mod memory;
mod merge;
mod program;
mod properties;
mod samples;
mod scenarios_1_to_8;
mod scenarios_9_to_15;
mod secrets;
mod seeds;
mod spoilt;
mod stories;
