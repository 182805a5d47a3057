//! Meaning: rows joined into what a rule may know beyond a single row.
//!
//! [`Context`] is derived from the merged tables bucket by bucket; what the buckets give merges in any order.

pub mod effect;

use crate::model::finding::Input;
use crate::model::tables::Tables;
use crate::model::time::Window;
use std::collections::BTreeSet;

/// Everything derived that a rule may look at.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// From the first to the last plausible time.
    pub window: Window,
    /// Width in nanoseconds of the buckets of every series: at most 240 of them fill the window.
    pub bucket: i64,
    /// Kinds of input the bundle has.
    pub inputs: BTreeSet<Input>,
}

/// A bundle with what was derived from it.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// What was said: rows sorted, copies dropped.
    pub tables: Tables,
    /// What follows.
    pub context: Context,
}
