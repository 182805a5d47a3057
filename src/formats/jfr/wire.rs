//! Numbers and texts as a recording writes them.
//!
//! ```text
//! e2 f7 8c 01    a number, seven bits a byte, the lowest first; a ninth byte has eight
//! 03 05 h e l l o    a text: how it is written, its length, itself
//! ```
//!
//! What this file does not do: allocate for a length before the bytes are there.

use std::borrow::Cow;

/// A cursor over a part of a recording.
#[derive(Clone)]
pub(super) struct Wire<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A text, or where it is kept.
pub(super) enum Text<'a> {
    Absent,
    Here(Cow<'a, str>),
    Constant(i64),
}

impl<'a> Wire<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let taken = *self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.fixed::<1>().map(|[byte]| byte)
    }

    /// A packed number.
    pub(super) fn number(&mut self) -> Option<i64> {
        let mut value = 0_u64;
        for shift in (0..56).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value as i64);
            }
        }
        value |= u64::from(self.byte()?) << 56;
        Some(value as i64)
    }

    /// A count of things of which each takes a byte at least.
    pub(super) fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.bytes.len().saturating_sub(self.at)).then_some(count)
    }

    pub(super) fn text(&mut self) -> Option<Text<'a>> {
        Some(match self.byte()? {
            0 => Text::Absent,
            1 => Text::Here(Cow::Borrowed("")),
            2 => Text::Constant(self.number()?),
            3 => {
                let length = self.count()?;
                let bytes = self.bytes.get(self.at..self.at + length)?;
                self.at += length;
                Text::Here(String::from_utf8_lossy(bytes))
            }
            4 => {
                let length = self.count()?;
                let mut text = String::new();
                for _ in 0..length {
                    text.push(u32::try_from(self.number()?).ok().and_then(char::from_u32).unwrap_or('\u{fffd}'));
                }
                Text::Here(Cow::Owned(text))
            }
            5 => {
                let length = self.count()?;
                let bytes = self.bytes.get(self.at..self.at + length)?;
                self.at += length;
                Text::Here(Cow::Owned(bytes.iter().map(|&b| char::from(b)).collect()))
            }
            _ => return None,
        })
    }
}
