//! The detectors written in Rust: one file each in `native/`, a `mod` line and a line in the list.

mod evidence_unreadable;

use crate::rules::Detector;

/// All of them.
pub const DETECTORS: &[Detector] = &[evidence_unreadable::DETECTOR];
