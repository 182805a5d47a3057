//! What the names of a record's fields rule out, so that its values need not be looked at.
//!
//! The records of one logging statement have the same fields, and most programs know few sets of them. What this file does
//! not do: look at values.

use crate::correlate::near::Near;
use crate::correlate::request::said::is_status;
use crate::correlate::scale;
use crate::model::record::Field;
use foldhash::fast::FixedState;
use std::hash::{BuildHasher, Hasher};

/// Shapes remembered; a bundle that has more makes its keys up.
const MOST: usize = 4096;
/// Finds equal sets of names within one run; no output depends on it.
const HASHER: FixedState = FixedState::with_seed(0x0073_6861_7065);

/// What a set of names allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shape {
    /// Identity of the names, in their order.
    pub names: u64,
    /// Whether a field is called as statuses of requests are.
    pub has_status: bool,
    /// Whether two fields are called as sizes before and after are.
    pub has_sizes: bool,
}

/// The shapes seen.
#[derive(Debug, Default)]
pub struct Shapes(Near<u64, Shape>);

impl Shapes {
    /// The shape of a record's fields.
    pub fn of(&mut self, fields: &[Field<'_>]) -> Shape {
        if fields.is_empty() {
            return Shape::default();
        }
        let mut hasher = HASHER.build_hasher();
        for field in fields {
            hasher.write(field.key.as_bytes());
            hasher.write_u8(0);
        }
        let names = hasher.finish();
        self.0.bound(MOST);
        *self.0.of(names, names, || Shape { names, has_status: fields.iter().any(|field| is_status(field.key)), has_sizes: scale::has_sizes(fields) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::Value;

    #[test]
    fn names_decide_and_values_do_not() {
        let field = |key, value| Field { key, value: Value::Int(value) };
        let mut shapes = Shapes::default();
        let one = shapes.of(&[field("from", 1), field("TO", 2)]);
        assert_eq!(one, shapes.of(&[field("from", 7), field("TO", 8)]));
        assert!(one.has_sizes && !one.has_status);
        assert_ne!(one, shapes.of(&[field("fromTO", 1)]));
        assert!(shapes.of(&[field("status", 1)]).has_status);
        assert_eq!(shapes.of(&[]), Shape::default());
    }
}
