//! The detectors written in Rust: one file each in `native/`, a `mod` line and a line in the list.

mod deadlock;
mod memory_leak_trend;

use crate::rules::Detector;

/// All of them.
pub const DETECTORS: &[Detector] = &[deadlock::DETECTOR, memory_leak_trend::DETECTOR];
