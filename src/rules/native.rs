//! The detectors written in Rust: one file each in `native/`, a `mod` line and a line in the list.

mod duplicate_payment;
mod duplicate_payment_prevented;
mod stale_cache_read;

use crate::rules::Detector;

/// All of them.
pub const DETECTORS: &[Detector] = &[duplicate_payment::DETECTOR, duplicate_payment_prevented::DETECTOR, stale_cache_read::DETECTOR];
