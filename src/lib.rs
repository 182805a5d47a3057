//! draft
pub mod bundle;
pub mod correlate;
pub mod cli;
pub mod findings;
pub mod formats;
pub mod model;
pub mod rules;
