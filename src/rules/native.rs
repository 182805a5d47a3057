//! The detectors written in Rust: one file each in `native/`, a `mod` line and a line in the list.

mod deadlock;
mod evidence_unreadable;
mod memory_leak_trend;

use crate::rules::Detector;

/// All of them.
pub const DETECTORS: &[Detector] = &[deadlock::DETECTOR, evidence_unreadable::DETECTOR, memory_leak_trend::DETECTOR];
