//! All integration tests in one binary: linking is what costs, not running.
//!
//! Tests over captures that are not part of this repository say so and pass where these are absent.

mod bounds;
mod corpus_json;
mod corpus_jvm;
mod corpus_otlp;
mod golden;
mod house;
mod program;
