//! The constants of a chunk: what events point to instead of saying it, above all names.
//!
//! ```text
//! checkpoint -> checkpoint before it -> …     each: class, count, then key and value of every constant
//! ```
//!
//! Of a constant only the text is kept that it would be called by. What this file does not do: stack traces.

use super::types::{Class, FieldType, Shape, Types};
use super::wire::{Text, Wire};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Checkpoints are followed back so far.
const MOST_CHECKPOINTS: usize = 100_000;
/// Values are nested no deeper.
pub(super) const DEEPEST: u32 = 16;
/// Names lead to names no longer than this.
const LONGEST_CHAIN: usize = 8;
/// What a constant is called by, the best first.
const NAMES: [&str; 8] = ["javaName", "osName", "string", "name", "when", "cause", "type", "value"];

/// A constant as far as it is kept.
enum Kept {
    Text(Box<str>),
    Other(i64, i64),
}

/// All constants of a chunk.
#[derive(Default)]
pub(super) struct Constants {
    known: HashMap<(i64, i64), Kept, FixedState>,
}

impl Constants {
    /// Reads the checkpoints of a chunk, from the last one back. One that is broken ends the reading; the rest is kept.
    pub(super) fn read(bytes: &[u8], last: u64, types: &Types) -> Self {
        let mut constants = Self::default();
        let mut at = i64::try_from(last).unwrap_or_default();
        let mut end = bytes.len();
        for _ in 0..MOST_CHECKPOINTS {
            let Some(from) = usize::try_from(at).ok().filter(|at| *at > 0) else { break };
            // A checkpoint ends before the one that was read before it: nothing is read twice.
            let Some(rest) = bytes.get(from..end) else { break };
            end = from;
            match constants.checkpoint(rest, types) {
                Some(step) if step < 0 => at += step,
                _ => break,
            }
        }
        constants
    }

    /// The text of a constant.
    pub(super) fn text(&self, class: i64, key: i64) -> &str {
        let mut place = (class, key);
        for _ in 0..LONGEST_CHAIN {
            match self.known.get(&place) {
                Some(Kept::Text(text)) => return text,
                Some(Kept::Other(class, key)) => place = (*class, *key),
                None => return "",
            }
        }
        ""
    }

    fn checkpoint(&mut self, bytes: &[u8], types: &Types) -> Option<i64> {
        let mut wire = Wire::new(bytes);
        let (_length, kind) = (wire.number()?, wire.number()?);
        let (_time, _duration) = (wire.number()?, wire.number()?);
        let step = wire.number()?;
        wire.byte()?;
        if kind != 1 {
            return None;
        }
        for _ in 0..wire.count()? {
            let class = wire.number()?;
            let Some(described) = types.get(class) else { return Some(step) };
            for _ in 0..wire.count()? {
                let key = wire.number()?;
                if let Some(kept) = constant(&mut wire, described, types)? {
                    self.known.entry((class, key)).or_insert(kept);
                }
            }
        }
        Some(step)
    }
}

/// Reads a constant and keeps what it is called by.
fn constant(wire: &mut Wire<'_>, class: &Class, types: &Types) -> Option<Option<Kept>> {
    let (mut best, mut rank) = (None, usize::MAX);
    if class.shape == Shape::Text {
        return Some(match wire.text()? {
            Text::Here(text) => Some(Kept::Text(text.into())),
            Text::Absent | Text::Constant(_) => None,
        });
    }
    for field in &class.fields {
        let found = NAMES.iter().position(|name| *name == field.name).filter(|found| *found < rank);
        match found {
            Some(found) if !field.array => {
                if let Some(kept) = named(wire, field, types)? {
                    (best, rank) = (Some(kept), found);
                }
            }
            _ => skip(wire, field, types, DEEPEST)?,
        }
    }
    Some(best)
}

/// Reads a field that may be a name.
fn named(wire: &mut Wire<'_>, field: &FieldType, types: &Types) -> Option<Option<Kept>> {
    if field.constant {
        return Some(Some(Kept::Other(field.class, wire.number()?)));
    }
    if types.get(field.class).is_some_and(|class| class.shape == Shape::Text) {
        return Some(match wire.text()? {
            Text::Here(text) if !text.is_empty() => Some(Kept::Text(text.into())),
            _ => None,
        });
    }
    skip(wire, field, types, DEEPEST)?;
    Some(None)
}

/// Passes over a field.
pub(super) fn skip(wire: &mut Wire<'_>, field: &FieldType, types: &Types, depth: u32) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    for _ in 0..if field.array { wire.count()? } else { 1 } {
        if field.constant {
            wire.number()?;
            continue;
        }
        let class = types.get(field.class)?;
        match class.shape {
            Shape::Byte => _ = wire.byte()?,
            Shape::Number => _ = wire.number()?,
            Shape::Float => _ = wire.fixed::<4>()?,
            Shape::Double => _ = wire.fixed::<8>()?,
            Shape::Text => _ = wire.text()?,
            Shape::Struct => {
                // A type without fields takes no bytes: a list of many of them would take none either.
                if class.fields.is_empty() && field.array {
                    return None;
                }
                for inner in &class.fields {
                    skip(wire, inner, types, depth)?;
                }
            }
        }
    }
    Some(())
}
