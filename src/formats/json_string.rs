//! Strings of JSON: where one ends, what its escapes stand for, and how a text is written as one.
//!
//! What this file does not do: read anything else; `json_scan.rs` walks over documents, `json_log/scan.rs` over records of logs.

const ONES: u64 = 0x0101_0101_0101_0101;
/// A backslash in each byte.
pub const BACKSLASHES: u64 = ONES * b'\\' as u64;
const QUOTES: u64 = ONES * b'"' as u64;

/// A word whose lowest set bit is the highest bit of the first byte that is zero in `word`; zero if none is.
#[must_use]
pub const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

/// So many words are looked at in place.
const NEAR: usize = 8;

/// How many bytes come before the first quote or backslash. Most strings of a log are short, so the first words are
/// looked at in place, and only long ones are worth the start of a vectorised search.
#[inline]
#[must_use]
pub fn plain_len(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    let (near, far) = words.split_at(words.len().min(NEAR));
    for (at, word) in near.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let hit = zero_bytes(word ^ QUOTES) | zero_bytes(word ^ BACKSLASHES);
        if hit != 0 {
            return 8 * at + hit.trailing_zeros() as usize / 8;
        }
    }
    let at = 8 * near.len();
    if !far.is_empty() {
        return memchr::memchr2(b'"', b'\\', &bytes[at..]).map_or(bytes.len(), |n| at + n);
    }
    rest.iter().position(|b| matches!(b, b'"' | b'\\')).map_or(bytes.len(), |n| at + n)
}

/// Resolves the escapes; one that is not valid stays as it is written.
#[must_use]
pub fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let (character, used) = escape(after).unwrap_or(('\\', 0));
        out.push(character);
        rest = after.get(used..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The character for what follows a backslash, and how many bytes that takes.
fn escape(after: &str) -> Option<(char, usize)> {
    let simple = match after.as_bytes().first()? {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'u' => return unicode(after),
        _ => return after.chars().next().map(|c| (c, c.len_utf8())),
    };
    Some((simple, 1))
}

fn unicode(after: &str) -> Option<(char, usize)> {
    let unit = |at: usize| u32::from_str_radix(after.get(at..at + 4)?, 16).ok();
    let high = unit(1)?;
    if let Some(character) = char::from_u32(high) {
        return Some((character, 5));
    }
    let low = unit(7).filter(|low| after.get(5..7) == Some("\\u") && (0xdc00..0xe000).contains(low) && high < 0xdc00);
    Some(low.and_then(|low| char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))).map_or(('\u{fffd}', 5), |c| (c, 11)))
}

/// Appends a text as a JSON string.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => {
                use std::fmt::Write;
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::arena::Arena;
    use crate::formats::json_scan::Scan;

    #[test]
    fn finds_the_end_of_plain_text_of_any_length() {
        for len in 0..100 {
            assert_eq!(plain_len(format!("{}\"", "é".repeat(len)).as_bytes()), 2 * len);
            assert_eq!(plain_len(format!("{}\\\"", "x".repeat(len)).as_bytes()), len);
            assert_eq!(plain_len("x".repeat(len).as_bytes()), len);
        }
    }

    #[test]
    fn finds_quotes_at_every_distance() {
        for distance in 0..40 {
            for end in [b'"', b'\\'] {
                let mut bytes = vec![b'!'; distance];
                bytes.extend([end, b'"', b'x', b'\\']);
                assert_eq!(plain_len(&bytes), distance);
            }
            assert_eq!(plain_len(&vec![0xa2; distance]), distance);
        }
    }

    #[test]
    fn written_strings_read_back() {
        let arena = Arena::default();
        let text = "a\"b\\c\n\u{1}é";
        let mut json = String::new();
        write_string(&mut json, text);
        assert_eq!(Scan::of_text(&json, &arena).text(), Ok(text));
    }
}
