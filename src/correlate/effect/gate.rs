//! Which records cannot be effects, told from what all records of one template, or of one operation, share.
//!
//! The identity made here covers everything that the judgement looks at, so that it does not matter which record of a
//! template comes first. What this file does not do: look at values.

use crate::correlate::effect::lexicon::Role;
use crate::correlate::effect::values::Names;
use crate::correlate::effect::{HASHER, prose, values};
use crate::model::ids::TemplateId;
use crate::model::record::{Field, LogRecord};
use std::hash::{BuildHasher, Hasher};

/// What the names of a record's fields promise.
#[derive(Debug, Default)]
pub(super) struct Present {
    /// Roles by family.
    pub(super) roles: Vec<(usize, Role)>,
    /// Whether some field is an id of a thing.
    pub(super) entity: bool,
    /// Whether a thing is named by a bare `id`, or by the text.
    pub(super) thing: bool,
    /// Whether the text holds an amount of money.
    pub(super) amount: bool,
}

impl Present {
    /// Takes in the name of a field.
    pub(super) fn add(&mut self, names: &mut Names<'_>, name: &str) {
        self.roles.extend(names.of(name).roles.iter().map(|role| (role.family, role.role)));
        self.entity |= values::entity_kind(name).is_some();
        self.thing |= name.eq_ignore_ascii_case("id");
    }
}

/// Identity of what log records of one kind say: template, quoted words, and `names`, the identity of the fields' names.
pub(super) fn of_log(record: &LogRecord<'_>, template: TemplateId, names: u64) -> u64 {
    let mut hasher = HASHER.build_hasher();
    hasher.write_u64(template.0);
    hasher.write_u64(names);
    quoted_words(&mut hasher, record.message);
    hasher.finish()
}

/// Identity of what spans of one operation say: the operation and the names of attributes.
pub(super) fn of_span(attributes: &[Field<'_>], operation: u64) -> u64 {
    let mut hasher = HASHER.build_hasher();
    hasher.write_u64(operation);
    keys(&mut hasher, attributes);
    hasher.finish()
}

fn keys(hasher: &mut impl Hasher, fields: &[Field<'_>]) {
    for field in fields {
        hasher.write(field.key.as_bytes());
        hasher.write_u8(0);
    }
}

/// The words inside quotes, which are masked in a template: another record of it may say something else there. Runs of
/// letters beside a digit are parts of ids.
fn quoted_words(hasher: &mut impl Hasher, message: &str) {
    let bytes = prose::head(message).as_bytes();
    let Some(first) = memchr::memchr2(b'"', b'\'', bytes) else { return };
    let (mut quoted, mut start) = (false, first);
    for at in first..=bytes.len() {
        let byte = bytes.get(at).copied().unwrap_or(b' ');
        if byte.is_ascii_alphabetic() {
            continue;
        }
        let by_digit = byte.is_ascii_digit() || start.checked_sub(1).is_some_and(|before| bytes[before].is_ascii_digit());
        if quoted && at - start > 2 && !by_digit {
            hasher.write(&bytes[start..at]);
            hasher.write_u8(0);
        }
        quoted ^= matches!(byte, b'"' | b'\'');
        start = at + 1;
    }
}
