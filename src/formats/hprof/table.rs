//! The rows of the histogram while they are counted.
//!
//! ```text
//! instance = header 12 + fields, of eight bytes a multiple        array = header 16 + elements
//! ```
//!
//! A 64-bit JVM packs references into four bytes if the heap ends below 32 GiB, which the addresses show only at the end:
//! both sums are kept. What this file does not do: the gaps that a field's own size may leave between fields.

use crate::formats::otlp::Ground;
use crate::model::jvm::{ClassHistogram, ClassRow};
use crate::model::record::Sink;
use crate::model::source::Evidence;
use crate::model::time::Time;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Texts are kept up to this many bytes; classes beyond it have no name.
const MOST_TEXT: usize = 64 << 20;
/// No chain of parents is longer.
const DEEPEST: usize = 256;
/// The largest heap whose references fit into four bytes.
const PACKED: u64 = 32 << 30;

/// The fields a class adds to those of its parent.
#[derive(Clone, Copy, Default)]
pub(super) struct Fields {
    pub(super) references: u64,
    pub(super) bytes: u64,
}

/// One class.
#[derive(Clone, Copy, Default)]
struct Class {
    name: u64,
    parent: u64,
    fields: Fields,
    instances: u64,
    /// Bytes of arrays, with references of four and of eight bytes.
    arrays: [u64; 2],
    /// Where the class was described, or the first of its arrays.
    place: Option<(u64, u32)>,
}

/// What was counted.
#[derive(Default)]
pub(super) struct Table {
    pub(super) wide: bool,
    texts: HashMap<u64, Box<str>, FixedState>,
    held: usize,
    classes: HashMap<u64, Class, FixedState>,
    /// Arrays of the eight types that are no classes.
    primitives: [Class; 8],
    lowest: Option<u64>,
    highest: u64,
}

const PRIMITIVES: [&str; 8] = ["[Z", "[C", "[F", "[D", "[B", "[S", "[I", "[J"];

impl Table {
    pub(super) const fn id_width(&self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    pub(super) fn text(&mut self, id: u64, text: &[u8]) {
        if self.held + text.len() <= MOST_TEXT {
            self.held += text.len();
            self.texts.insert(id, String::from_utf8_lossy(text).into());
        }
    }

    pub(super) fn load(&mut self, class: u64, name: u64) {
        self.classes.entry(class).or_default().name = name;
    }

    pub(super) fn class(&mut self, id: u64, parent: u64, fields: Fields, offset: u64, len: usize) {
        let class = self.classes.entry(id).or_default();
        class.parent = parent;
        class.fields = fields;
        class.place = Some((offset, u32::try_from(len).unwrap_or(u32::MAX)));
    }

    pub(super) fn instance(&mut self, object: u64, class: u64) {
        self.seen(object);
        self.classes.entry(class).or_default().instances += 1;
    }

    pub(super) fn references(&mut self, object: u64, class: u64, length: u64, offset: u64) {
        self.seen(object);
        let (header, wide) = (self.array_header(), self.wide);
        let row = self.classes.entry(class).or_default();
        row.instances += 1;
        row.place.get_or_insert((offset, 0));
        let size = |reference: u64, header: u64| (header + length * reference).next_multiple_of(8);
        row.arrays[0] += size(4, header);
        row.arrays[1] += if wide { size(8, header + 8) } else { size(4, header) };
    }

    pub(super) fn primitives(&mut self, object: u64, kind: u8, bytes: u64, offset: u64) {
        self.seen(object);
        let (header, wide) = (self.array_header(), self.wide);
        let Some(row) = kind.checked_sub(4).and_then(|kind| self.primitives.get_mut(usize::from(kind))) else { return };
        row.instances += 1;
        row.place.get_or_insert((offset, 0));
        row.arrays[0] += (header + bytes).next_multiple_of(8);
        row.arrays[1] += (header + bytes + if wide { 8 } else { 0 }).next_multiple_of(8);
    }

    fn seen(&mut self, object: u64) {
        self.lowest = Some(self.lowest.map_or(object, |lowest| lowest.min(object)));
        self.highest = self.highest.max(object);
    }

    const fn array_header(&self) -> u64 {
        if self.wide { 16 } else { 12 }
    }

    /// Hands the histogram over; false if there is none.
    pub(super) fn emit(&mut self, time: Time, whole: Evidence, sink: &mut dyn Sink) -> bool {
        let packed = !self.wide || self.highest < PACKED || self.highest - self.lowest.unwrap_or_default() < PACKED;
        let place = |class: &Class| {
            let (at, len) = class.place.unwrap_or((0, 31));
            Ground::plain(whole).part(usize::try_from(at).unwrap_or(usize::MAX), len.max(1) as usize)
        };
        let mut names: Vec<(String, u64, u64, Evidence)> = Vec::new();
        for (id, class) in self.classes.iter().filter(|(_, class)| class.instances > 0) {
            let name = self.texts.get(&class.name).map_or_else(|| format!("<class 0x{id:x}>"), |name| name.replace('/', "."));
            let arrays = class.arrays[usize::from(!packed)];
            let bytes = if name.starts_with('[') { arrays } else { self.size_of(class, packed).saturating_mul(class.instances) };
            names.push((name, class.instances, bytes, place(class)));
        }
        for (name, class) in PRIMITIVES.iter().zip(&self.primitives).filter(|(_, class)| class.instances > 0) {
            names.push(((*name).to_owned(), class.instances, class.arrays[usize::from(!packed)], place(class)));
        }
        names.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)).then(a.3.cmp(&b.3)));
        if names.is_empty() {
            return false;
        }
        let rows =
            names.iter().map(|(class, instances, bytes, evidence)| ClassRow { class, instances: *instances, bytes: *bytes, evidence: *evidence });
        let histogram = ClassHistogram {
            time,
            service: "",
            instance: "",
            instances: names.iter().map(|row| row.1).sum(),
            bytes: names.iter().fold(0, |sum: u64, row| sum.saturating_add(row.2)),
            rows: rows.collect(),
            evidence: Ground::plain(whole).part(0, 31),
        };
        sink.class_histogram(&histogram);
        true
    }

    /// The size of an object of a class.
    fn size_of(&self, class: &Class, packed: bool) -> u64 {
        let (reference, header) = match (self.wide, packed) {
            (true, true) => (4, 12),
            (true, false) => (8, 16),
            (false, _) => (4, 8),
        };
        let mut sum: u64 = header;
        let mut next = Some(class);
        for _ in 0..DEEPEST {
            let Some(class) = next else { break };
            sum = sum.saturating_add(class.fields.bytes).saturating_add(class.fields.references.saturating_mul(reference));
            next = if class.parent == 0 { None } else { self.classes.get(&class.parent) };
        }
        sum.checked_next_multiple_of(8).unwrap_or(sum)
    }
}
