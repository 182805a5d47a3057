//! The protobuf wire format: walks the fields of a message and borrows what it finds.
//!
//! Every value knows its offset in the bytes it came from, so that a nested message can be cited exactly. No length is
//! believed: a field that would end behind its message is handed out as [`Wire::Cut`] or refused, as the caller wishes.
//! What this file does not do: know any message, or read groups, which no OTLP message has.

use crate::formats::arena::Arena;
use crate::model::record::Reason;

/// A step of reading: what was read, or why the bytes cannot be read on.
pub(super) type Step<T> = Result<T, Reason>;

/// Some of the bytes, and where they stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

/// The value of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wire<'a> {
    /// Whole numbers, truths and enums.
    Varint(u64),
    /// Eight bytes.
    Fixed64(u64),
    /// Four bytes, which OTLP only uses for flags.
    Fixed32,
    /// Text, bytes, a message, or packed numbers.
    Bytes(Part<'a>),
    /// What is left of the same where the message ends too early.
    Cut(Part<'a>),
}

/// The fields of a message, in the order they stand there.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    /// Offset behind the last byte.
    end: usize,
}

impl<'a> Part<'a> {
    /// All of some bytes.
    pub(super) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Its fields, if it is a message.
    pub(super) const fn fields(self) -> Fields<'a> {
        Fields { rest: self.bytes, end: self.at + self.bytes.len() }
    }

    /// Its text; bytes that are not UTF-8 are replaced.
    pub(super) fn text(self, arena: &'a Arena) -> &'a str {
        std::str::from_utf8(self.bytes).unwrap_or_else(|_| arena.keep(String::from_utf8_lossy(self.bytes)))
    }

    /// Its numbers of eight bytes, if it is a packed list of such.
    pub(super) fn packed64(self) -> impl Iterator<Item = u64> {
        self.bytes.as_chunks::<8>().0.iter().map(|eight| u64::from_le_bytes(*eight))
    }
}

impl<'a> Fields<'a> {
    /// What has not been walked.
    pub(super) const fn left(&self) -> Part<'a> {
        Part { bytes: self.rest, at: self.end - self.rest.len() }
    }

    /// The next field; none at the end. A field that is cut is an error.
    ///
    /// Always inlined, as what follows: the loops around it match on the answer, which then never takes shape in memory.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Step<Option<(u32, Wire<'a>)>> {
        match self.next_or_cut()? {
            Some((_, Wire::Cut(_))) => Err(Reason::Truncated),
            whole => Ok(whole),
        }
    }

    /// The next field; what is left of it if it is cut.
    #[inline(always)]
    pub(super) fn next_or_cut(&mut self) -> Step<Option<(u32, Wire<'a>)>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = match u32::try_from(tag >> 3) {
            Ok(number) if number != 0 => number,
            _ => return Err(Reason::Malformed),
        };
        let value = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.fixed()?)),
            5 => self.fixed::<4>().map(|_| Wire::Fixed32)?,
            2 => self.bytes()?,
            _ => return Err(Reason::Malformed),
        };
        Ok(Some((number, value)))
    }

    #[inline(always)]
    fn bytes(&mut self) -> Step<Wire<'a>> {
        let len = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        let left = self.left();
        match self.rest.split_at_checked(len) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(Wire::Bytes(Part { bytes, at: left.at }))
            }
            None => {
                self.rest = &[];
                Ok(Wire::Cut(left))
            }
        }
    }

    #[inline(always)]
    fn fixed<const N: usize>(&mut self) -> Step<[u8; N]> {
        let (value, rest) = self.rest.split_first_chunk::<N>().ok_or(Reason::Truncated)?;
        self.rest = rest;
        Ok(*value)
    }

    /// Most numbers are tags and lengths of one byte.
    #[inline(always)]
    fn varint(&mut self) -> Step<u64> {
        if let [byte @ ..0x80, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        let (value, used) = varint(self.rest)?;
        self.rest = self.rest.get(used..).unwrap_or_default();
        Ok(value)
    }
}

/// A number of seven bits a byte at the start of some bytes, and its length.
pub(super) fn varint(bytes: &[u8]) -> Step<(u64, usize)> {
    let mut value = 0_u64;
    for (at, &byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            return Ok((value, at + 1));
        }
    }
    Err(if bytes.len() < 10 { Reason::Truncated } else { Reason::Malformed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(bytes: &[u8]) -> Vec<String> {
        let mut fields = Part::new(bytes, 100).fields();
        let mut out = Vec::new();
        loop {
            match fields.next_or_cut() {
                Ok(None) => return out,
                Ok(Some((number, Wire::Bytes(part)))) => out.push(format!("{number} {:?}@{}", part.bytes, part.at)),
                Ok(Some((number, Wire::Cut(part)))) => out.push(format!("{number} cut {:?}@{}", part.bytes, part.at)),
                Ok(Some((number, value))) => out.push(format!("{number} {value:?}")),
                Err(reason) => {
                    out.push(reason.name().to_owned());
                    return out;
                }
            }
        }
    }

    #[test]
    fn fields_of_every_type() {
        let bytes = [0x08, 0x96, 0x01, 0x12, 2, 7, 8, 0x19, 1, 0, 0, 0, 0, 0, 0, 0, 0x25, 2, 0, 0, 0];
        assert_eq!(walk(&bytes), ["1 Varint(150)", "2 [7, 8]@105", "3 Fixed64(1)", "4 Fixed32"]);
    }

    #[test]
    fn no_length_is_believed() {
        assert_eq!(walk(&[0x0a, 5, 1]), ["1 cut [1]@102"]);
        assert_eq!(walk(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]), ["1 cut []@111"]);
        assert_eq!(walk(&[0x0a]), ["truncated"]);
        assert_eq!(walk(&[0x09, 1]), ["truncated"]);
        assert_eq!(walk(&[0xff; 12]), ["malformed"]);
        assert_eq!(walk(&[0x0b]), ["malformed"]);
        assert_eq!(walk(&[0x02, 0]), ["malformed"]);
        assert_eq!(Part::new(&[0x0a, 5, 1], 0).fields().next().err(), Some(Reason::Truncated));
    }
}
