//! draft
pub mod formats;
pub mod model;
pub mod report;
