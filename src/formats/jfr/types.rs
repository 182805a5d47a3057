//! The types that a chunk describes: a tree of elements with attributes, all texts of which are numbers of a list.
//!
//! ```text
//! root > metadata > class id=101 name=jdk.GarbageCollection > field name=gcId class=8
//! ```
//!
//! What this file does not do: keep labels, descriptions and settings.

use super::wire::{Text, Wire};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Elements are nested no deeper.
const DEEPEST: u32 = 16;
/// No chunk describes more.
const MOST: usize = 100_000;

/// How a value is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    Byte,
    Number,
    Float,
    Double,
    Text,
    Struct,
}

/// A field of a type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FieldType {
    pub(super) name: String,
    pub(super) class: i64,
    /// Whether the value stands among the constants.
    pub(super) constant: bool,
    pub(super) array: bool,
    /// Whether the number is ticks.
    pub(super) ticks: bool,
}

/// A type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Class {
    pub(super) name: String,
    pub(super) shape: Shape,
    pub(super) fields: Vec<FieldType>,
}

/// All types of a chunk.
#[derive(Default)]
pub(super) struct Types {
    classes: HashMap<i64, Class, FixedState>,
}

impl Types {
    /// Reads the event that describes the types.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut wire = Wire::new(bytes);
        let (_length, kind) = (wire.number()?, wire.number()?);
        if kind != 0 {
            return None;
        }
        let (_time, _duration, _id) = (wire.number()?, wire.number()?, wire.number()?);
        let mut texts: Vec<String> = Vec::new();
        for _ in 0..wire.count()? {
            texts.push(match wire.text()? {
                Text::Here(text) => text.into_owned(),
                Text::Absent | Text::Constant(_) => String::new(),
            });
        }
        let mut types = Self::default();
        let mut left = MOST;
        types.element(&mut wire, &texts, None, DEEPEST, &mut left)?;
        Some(types)
    }

    pub(super) fn get(&self, class: i64) -> Option<&Class> {
        self.classes.get(&class)
    }

    /// Reads an element and what is in it; `class` is the one it stands in.
    fn element(&mut self, wire: &mut Wire<'_>, texts: &[String], class: Option<i64>, depth: u32, left: &mut usize) -> Option<()> {
        *left = left.checked_sub(1)?;
        let depth = depth.checked_sub(1)?;
        let text = |number: i64| usize::try_from(number).ok().and_then(|number| texts.get(number)).map_or("", String::as_str);
        let name = text(wire.number()?);
        let (mut id, mut own, mut value) = (0, "", "");
        let mut field = FieldType { name: String::new(), class: 0, constant: false, array: false, ticks: false };
        for _ in 0..wire.count()? {
            let (key, said) = (text(wire.number()?), text(wire.number()?));
            match key {
                "id" => id = said.parse().unwrap_or_default(),
                "name" => own = said,
                "class" => field.class = said.parse().unwrap_or_default(),
                "constantPool" => field.constant = said == "true",
                "dimension" => field.array = said != "0",
                "value" => value = said,
                _ => {}
            }
        }
        let mut inside = class;
        match name {
            "class" => {
                self.classes.insert(id, Class { name: own.to_owned(), shape: shape(own), fields: Vec::new() });
                inside = Some(id);
            }
            "field" => {
                if let Some(known) = class.and_then(|class| self.classes.get_mut(&class)) {
                    own.clone_into(&mut field.name);
                    known.fields.push(field);
                }
            }
            // A unit of time stands in an annotation of the field before it.
            "annotation" if value == "TICKS" => {
                if let Some(field) = class.and_then(|class| self.classes.get_mut(&class)).and_then(|class| class.fields.last_mut()) {
                    field.ticks = true;
                }
            }
            _ => {}
        }
        for _ in 0..wire.count()? {
            self.element(wire, texts, inside, depth, left)?;
        }
        Some(())
    }
}

fn shape(name: &str) -> Shape {
    match name {
        "boolean" | "byte" => Shape::Byte,
        "char" | "short" | "int" | "long" => Shape::Number,
        "float" => Shape::Float,
        "double" => Shape::Double,
        "java.lang.String" => Shape::Text,
        _ => Shape::Struct,
    }
}
