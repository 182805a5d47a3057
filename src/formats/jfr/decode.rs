//! Events into named values, of the types that somebody wants.
//!
//! ```text
//! jdk.GCHeapSummary  gcId=2  when="After GC"  heapSpace.committedSize=67108864  heapUsed=16777216
//! ```
//!
//! Values of values have both names, joined by a dot. What this file does not do: lists, and types that nobody wants, which
//! are passed over by their length.

use super::Layout;
use super::constants::{Constants, DEEPEST, skip};
use super::types::{Class, FieldType, Shape, Types};
use super::wire::{Text, Wire};
use crate::formats::jfr_event::{Happening, is_wanted};
use crate::model::record::{Field, Value};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Decodes the events of a chunk.
pub(super) struct Decoder<'c> {
    types: &'c Types,
    constants: &'c Constants,
    layout: &'c Layout,
    /// Whether a type is wanted.
    wanted: HashMap<i64, bool, FixedState>,
    /// Names of values inside values.
    values: Vec<Decoded<'c>>,
}

/// One value.
struct Decoded<'c> {
    outer: &'c str,
    name: &'c str,
    value: Held<'c>,
}

/// What a value holds.
enum Held<'c> {
    Int(i64),
    Float(f64),
    Text(&'c str),
    Made(String),
}

/// An event without its values, which the decoder holds.
pub(super) struct Event<'c> {
    class: &'c Class,
}

impl Event<'_> {
    /// The event with its values.
    pub(super) fn named<'d>(&self, decoder: &'d Decoder<'_>) -> Happening<'d>
    where
        Self: 'd,
    {
        let mut happening = Happening::default();
        for decoded in &decoder.values {
            let value = match &decoded.value {
                Held::Int(n) => Value::Int(*n),
                Held::Float(n) => Value::Float(*n),
                Held::Text(text) => Value::Text(text),
                Held::Made(text) => Value::Text(text),
            };
            match (decoded.outer, decoded.name, value) {
                ("", "startTime", Value::Int(ticks)) => happening.time = decoder.layout.time(ticks),
                ("", "duration", Value::Int(nanos)) => happening.nanos = u64::try_from(nanos).unwrap_or_default(),
                (outer, name, value) => happening.fields.push((outer, Field { key: name, value })),
            }
        }
        happening.name = decoder.name_of(self.class);
        happening
    }
}

impl<'c> Decoder<'c> {
    pub(super) fn new(types: &'c Types, constants: &'c Constants, layout: &'c Layout) -> Self {
        Self { types, constants, layout, wanted: HashMap::default(), values: Vec::new() }
    }

    fn name_of<'d>(&self, class: &'d Class) -> &'d str {
        &class.name
    }

    /// Reads an event, if its type is wanted.
    pub(super) fn event(&mut self, bytes: &[u8]) -> Option<Event<'c>> {
        let mut wire = Wire::new(bytes);
        let (_length, kind) = (wire.number()?, wire.number()?);
        let types = self.types;
        let wanted = *self.wanted.entry(kind).or_insert_with(|| types.get(kind).is_some_and(|class| is_wanted(&class.name)));
        if !wanted {
            return None;
        }
        let class = types.get(kind)?;
        self.values.clear();
        self.fields(&mut wire, class, "", DEEPEST)?;
        Some(Event { class })
    }

    fn fields(&mut self, wire: &mut Wire<'_>, class: &'c Class, outer: &'c str, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        for field in &class.fields {
            if field.array {
                skip(wire, field, self.types, depth)?;
            } else {
                self.field(wire, field, outer, depth)?;
            }
        }
        Some(())
    }

    fn field(&mut self, wire: &mut Wire<'_>, field: &'c FieldType, outer: &'c str, depth: u32) -> Option<()> {
        let value = if field.constant {
            Held::Text(self.constants.text(field.class, wire.number()?))
        } else {
            let types = self.types;
            let class = types.get(field.class)?;
            match class.shape {
                Shape::Byte => Held::Int(i64::from(wire.byte()?)),
                Shape::Number => {
                    let number = wire.number()?;
                    // The start is a point in ticks, everything else of ticks a length.
                    Held::Int(if field.ticks && field.name != "startTime" { self.layout.nanos(number) } else { number })
                }
                Shape::Float => Held::Float(f64::from(f32::from_be_bytes(wire.fixed()?))),
                Shape::Double => Held::Float(f64::from_be_bytes(wire.fixed()?)),
                Shape::Text => match wire.text()? {
                    Text::Here(text) => Held::Made(text.into_owned()),
                    Text::Constant(key) => Held::Text(self.constants.text(field.class, key)),
                    Text::Absent => Held::Text(""),
                },
                Shape::Struct => return self.fields(wire, class, &field.name, depth),
            }
        };
        self.values.push(Decoded { outer, name: &field.name, value });
        Some(())
    }
}
