//! draft
pub mod bundle;
pub mod correlate;
pub mod formats;
pub mod model;
pub mod rules;
