//! Nouns: what a bundle looks like to the rest of the program. No I/O, nothing fails, nothing of ours is used from here.

pub mod amount;
pub mod clusters;
pub mod contrast;
pub mod finding;
#[cfg(feature = "tables")]
pub mod frame;
pub mod ids;
pub mod job;
pub mod joinable;
pub mod jvm;
pub mod merge;
pub mod names;
pub mod pattern;
pub mod platform;
pub mod record;
pub mod request;
pub mod rise;
pub mod rule;
pub mod sketch;
pub mod source;
pub mod table;
pub mod tables;
pub mod time;
pub mod transcript;
pub mod trend;
pub mod undated;
