//! Room for the few texts of a record that are not simply slices of its line: unescaped strings, joined keys.
//!
//! A [`Bump`] hands out pieces of one buffer that is reused from record to record, so that an ordinary record costs no
//! allocation. What this file does not do: grow. A text for which there is no room is not made, and the caller falls
//! back on what it has.

use crate::formats::json_log::scan::Raw;
use crate::formats::json_string::{BACKSLASHES, zero_bytes};
use std::fmt;

/// A buffer of which pieces are handed out.
pub struct Bump<'a> {
    rest: &'a mut [u8],
}

impl<'a> Bump<'a> {
    /// Hands out pieces of `buffer`.
    #[must_use]
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { rest: buffer }
    }

    /// What `write` writes; none if there is no room for it.
    pub fn text(&mut self, write: impl FnOnce(&mut Pen<'_>)) -> Option<&'a str> {
        let buffer = std::mem::take(&mut self.rest);
        let mut pen = Pen { out: &mut *buffer, len: 0, full: false };
        write(&mut pen);
        let (len, full) = (pen.len, pen.full);
        if full {
            self.rest = buffer;
            return None;
        }
        let (used, rest) = buffer.split_at_mut(len.min(buffer.len()));
        self.rest = rest;
        std::str::from_utf8(used).ok()
    }

    /// Gives up so many bytes; false if there are fewer.
    pub fn spend(&mut self, len: usize) -> bool {
        let rest = std::mem::take(&mut self.rest);
        let enough = len <= rest.len();
        self.rest = if enough { &mut rest[len..] } else { rest };
        enough
    }

    /// The string that a literal stands for; its text as written if there is no room.
    #[inline]
    pub fn unescaped(&mut self, raw: Raw<'a>) -> &'a str {
        if raw.escaped { self.text(|pen| pen.raw(raw)).unwrap_or(raw.text) } else { raw.text }
    }
}

/// Writes one text.
pub struct Pen<'b> {
    out: &'b mut [u8],
    len: usize,
    full: bool,
}

impl Pen<'_> {
    /// Appends text.
    pub fn push(&mut self, text: &str) {
        match self.out.get_mut(self.len..).and_then(|room| room.get_mut(..text.len())) {
            Some(room) => {
                room.copy_from_slice(text.as_bytes());
                self.len += text.len();
            }
            None => self.full = true,
        }
    }

    /// Appends the string that a literal stands for.
    pub fn raw(&mut self, raw: Raw<'_>) {
        if !raw.escaped {
            return self.push(raw.text);
        }
        match unescape(raw.text.as_bytes(), &mut self.out[self.len..]) {
            Some(len) => self.len += len,
            None => self.full = true,
        }
    }

    /// Whether nothing has been written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The last byte written.
    #[must_use]
    pub fn last(&self) -> Option<u8> {
        self.out.get(self.len.checked_sub(1)?).copied()
    }
}

impl fmt::Write for Pen<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}

/// Writes what the inside of a string literal stands for to the start of `out`: how many bytes, never more than `raw`
/// has; none if there is no room. Half a surrogate pair becomes U+FFFD, an unknown escape the character after the
/// backslash: a log is read, not judged.
pub fn unescape(raw: &[u8], out: &mut [u8]) -> Option<usize> {
    let (mut from, mut to) = (0, 0);
    while from < raw.len() {
        // Eight bytes at a time are copied as they are; those from a backslash on are overwritten later.
        let words = (raw.get(from..).and_then(<[u8]>::first_chunk::<8>), out.get_mut(to..).and_then(<[u8]>::first_chunk_mut::<8>));
        if let (Some(word), Some(room)) = words {
            *room = *word;
            let hit = zero_bytes(u64::from_le_bytes(*word) ^ BACKSLASHES);
            if hit == 0 {
                from += 8;
                to += 8;
                continue;
            }
            let plain = hit.trailing_zeros() as usize / 8;
            from += plain;
            to += plain;
        } else if raw[from] != b'\\' {
            *out.get_mut(to)? = raw[from];
            from += 1;
            to += 1;
            continue;
        }
        let byte = match raw.get(from + 1) {
            Some(b'u') => {
                let (char, used) = unicode(&raw[from..]);
                let mut utf8 = [0; 4];
                let utf8 = char.encode_utf8(&mut utf8).as_bytes();
                out.get_mut(to..)?.get_mut(..utf8.len())?.copy_from_slice(utf8);
                from += used;
                to += utf8.len();
                continue;
            }
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(&other) => other,
            None => b'\\',
        };
        *out.get_mut(to)? = byte;
        from += 2;
        to += 1;
    }
    Some(to)
}

/// The character that `\uXXXX` at the start of `raw` stands for, with its second half if it has one, and the bytes taken.
fn unicode(raw: &[u8]) -> (char, usize) {
    let Some(first) = hex4(raw) else { return (char::REPLACEMENT_CHARACTER, 2) };
    if let Some(second) = raw.get(6..).and_then(hex4).filter(|low| (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(low)) {
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
}

fn hex4(raw: &[u8]) -> Option<u32> {
    let digits = raw.strip_prefix(b"\\u")?.first_chunk::<4>()?;
    digits.iter().try_fold(0, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(raw: &str) -> String {
        let mut out = vec![0; raw.len()];
        let len = unescape(raw.as_bytes(), &mut out).unwrap();
        String::from_utf8(out[..len].to_vec()).unwrap()
    }

    #[test]
    fn every_escape() {
        assert_eq!(text(r#"a\"b\\c\/d\ne\tf\rg\b\f"#), "a\"b\\c/d\ne\tf\rg\u{8}\u{c}");
        assert_eq!(text(r"\u00e9\ud83d\ude00x"), "é😀x");
        assert_eq!(text(r"\ud83d \u12 \q"), "\u{fffd} \u{fffd}12 q");
        assert_eq!(text(&"long plain text, ".repeat(9)), "long plain text, ".repeat(9));
        assert_eq!(text(&r#"{\"k\":\"é\"}"#.repeat(9)), "{\"k\":\"é\"}".repeat(9));
    }

    #[test]
    fn a_full_buffer_makes_no_text() {
        let mut buffer = [0; 4];
        let mut bump = Bump::new(&mut buffer);
        assert_eq!(bump.text(|pen| pen.push("abcde")), None);
        assert!(!bump.spend(5));
        assert_eq!(bump.text(|pen| pen.push("abc")), Some("abc"));
        assert_eq!(bump.unescaped(Raw { text: r"\n\n", escaped: true }), r"\n\n");
        assert_eq!(bump.unescaped(Raw { text: r"\n", escaped: true }), "\n");
        assert!(!bump.spend(1) && bump.spend(0));
    }
}
