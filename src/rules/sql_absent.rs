//! Stands in for `sql` in a build without the feature `tables`: SQL rules are listed, and end as not applicable.

use crate::model::finding::Finding;
use crate::model::rule::Rule;
use crate::rules::Scope;

/// Whether this build can run SQL.
pub const AVAILABLE: bool = false;

/// Nothing can be checked without a parser.
///
/// # Errors
/// Never.
pub fn check(_query: &str) -> Result<(), String> {
    Ok(())
}

/// Never called by the engine.
///
/// # Errors
/// Always.
pub fn detect(_scope: &Scope<'_>, _rule: &Rule, _query: &str) -> Result<Vec<Finding>, String> {
    Err("built without SQL".to_owned())
}
