//! draft
pub mod formats;
pub mod model;
