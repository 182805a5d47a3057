//! What a segment of the heap holds: roots, classes, objects, arrays.
//!
//! ```text
//! 21  id  stack  class  length  the fields' values        23  id  stack  count  type  the elements
//! ```
//!
//! Of objects and arrays only the head is looked at. What this file does not do: keep roots.

use super::cursor::Cursor;
use super::table::{Fields, Table};

/// What was found.
pub(super) enum Taken {
    /// It does not end in these bytes.
    Short,
    /// It took so many bytes, and has so many behind that nobody needs.
    Whole { bytes: usize, skip: u64 },
    /// No such thing is known.
    Unknown,
}

/// Reads one thing at `offset` of the file.
pub(super) fn read(bytes: &[u8], offset: u64, table: &mut Table) -> Taken {
    let mut cursor = Cursor::new(bytes);
    let Some(tag) = cursor.u1() else { return Taken::Short };
    let id = table.id_width();
    // Roots are an id and what the table says behind it.
    let root = match tag {
        0xff | 0x05 | 0x07 | 0x89 | 0x8a | 0x8b | 0x8c | 0x8d | 0x90 => Some(id),
        0x01 => Some(2 * id),
        0x02 | 0x03 | 0x08 | 0x8e => Some(id + 8),
        0x04 | 0x06 => Some(id + 4),
        0xfe => Some(4 + id),
        _ => None,
    };
    if let Some(length) = root {
        return match cursor.pass(length) {
            Some(()) => Taken::Whole { bytes: cursor.at(), skip: 0 },
            None => Taken::Short,
        };
    }
    let skip = match tag {
        0x20 => class(&mut cursor, offset, table).map(|()| 0),
        0x21 => instance(&mut cursor, table),
        0x22 => objects(&mut cursor, offset, table),
        0x23 | 0xc3 => primitives(&mut cursor, offset, tag == 0xc3, table),
        _ => return Taken::Unknown,
    };
    skip.map_or(Taken::Short, |skip| Taken::Whole { bytes: cursor.at(), skip })
}

fn class(cursor: &mut Cursor<'_>, offset: u64, table: &mut Table) -> Option<()> {
    let wide = table.wide;
    let class = cursor.id(wide)?;
    cursor.u4()?;
    let parent = cursor.id(wide)?;
    cursor.pass(5 * table.id_width() + 4)?;
    for _ in 0..cursor.u2()? {
        cursor.u2()?;
        let kind = cursor.u1()?;
        cursor.pass(width(kind, table))?;
    }
    for _ in 0..cursor.u2()? {
        cursor.id(wide)?;
        let kind = cursor.u1()?;
        cursor.pass(width(kind, table))?;
    }
    let mut fields = Fields::default();
    for _ in 0..cursor.u2()? {
        cursor.id(wide)?;
        let kind = cursor.u1()?;
        if kind == OBJECT {
            fields.references += 1;
        } else {
            fields.bytes += width(kind, table) as u64;
        }
    }
    table.class(class, parent, fields, offset, cursor.at());
    Some(())
}

fn instance(cursor: &mut Cursor<'_>, table: &mut Table) -> Option<u64> {
    let object = cursor.id(table.wide)?;
    cursor.u4()?;
    let class = cursor.id(table.wide)?;
    let length = cursor.u4()?;
    table.instance(object, class);
    Some(u64::from(length))
}

fn objects(cursor: &mut Cursor<'_>, offset: u64, table: &mut Table) -> Option<u64> {
    let object = cursor.id(table.wide)?;
    cursor.u4()?;
    let length = u64::from(cursor.u4()?);
    let class = cursor.id(table.wide)?;
    table.references(object, class, length, offset);
    Some(length * table.id_width() as u64)
}

fn primitives(cursor: &mut Cursor<'_>, offset: u64, empty: bool, table: &mut Table) -> Option<u64> {
    let object = cursor.id(table.wide)?;
    cursor.u4()?;
    let length = u64::from(cursor.u4()?);
    let kind = cursor.u1()?;
    let width = width(kind, table) as u64;
    table.primitives(object, kind, length * width, offset);
    Some(if empty { 0 } else { length * width })
}

const OBJECT: u8 = 2;

/// How many bytes a value takes in the dump. A type that is none takes none, and what follows is then no thing that is known.
const fn width(kind: u8, table: &Table) -> usize {
    match kind {
        OBJECT => table.id_width(),
        4 | 8 => 1,
        5 | 9 => 2,
        6 | 10 => 4,
        7 | 11 => 8,
        _ => 0,
    }
}
