//! draft
pub mod bundle;
pub mod cli;
pub mod correlate;
pub mod findings;
pub mod formats;
pub mod model;
pub mod rules;
