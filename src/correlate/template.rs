//! Message to template: what a message says once its values are masked.
//!
//! ```text
//! Handled request GET /api/v1/orders/17 in 23 ms status 200     Handled request GET /api/v1/orders/<*> in <*> ms status <*>
//! Cache miss for key item:3f2b8c9e-1111-4222-8333-444455556666  Cache miss for key item:<*>
//! user "bob" paid 49.90 EUR                                     user <*> paid <*> EUR
//! ```
//!
//! A message falls into tokens at blanks and punctuation. A token that holds a digit is a value, so is a quoted text;
//! values that follow each other with nothing but `.`, `-`, `:` and the like between them are one. That is all: no
//! order of arrival, no state. A template's identity is a hash of its masked bytes, so the templates of two parts of a
//! bundle merge by themselves.
//!
//! What this file does not do: find that two templates with different words mean the same; `cluster.rs` does, once all
//! of them are known.

use crate::model::ids::TemplateId;

/// Of a message this much is looked at: its first line, and no more than this.
const LONGEST: usize = 512;

/// Appends the masked text of a message.
pub fn mask(message: &str, out: &mut String) {
    let bytes = first_line(message);
    pieces(bytes, |piece| match piece {
        // Pieces begin and end at ASCII bytes, so that they are whole characters; a cut at the end may not be.
        Piece::Text(text) => out.push_str(&String::from_utf8_lossy(text)),
        Piece::Value => out.push_str("<*>"),
    });
}

/// The identity of a message's template: a hash of the pieces that [`mask`] would write, without writing them.
#[must_use]
pub fn fingerprint(message: &str) -> TemplateId {
    let mut hash = Hash::default();
    pieces(first_line(message), |piece| match piece {
        Piece::Text(text) => hash.bytes(text),
        Piece::Value => hash.value(),
    });
    TemplateId(hash.finish())
}

/// An identity for a template that was joined from several.
#[must_use]
pub fn of_masked(text: &str) -> TemplateId {
    let mut hash = Hash::default();
    hash.bytes(text.as_bytes());
    TemplateId(hash.finish())
}

/// A multiplication for every eight bytes; the same for ever, so that segments of different nights merge.
pub(in crate::correlate) struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hash {
    /// Takes in a piece. Where a piece ends is part of the hash: pieces of one template end at the same places.
    pub(in crate::correlate) fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.word(u64::from_le_bytes(*word)));
        let last = match bytes.last_chunk::<8>() {
            Some(_) if rest.is_empty() => 0,
            Some(last) => u64::from_le_bytes(*last) >> (64 - 8 * rest.len()),
            None => short(bytes),
        };
        self.word(last ^ (bytes.len() as u64) << 56);
    }

    /// Takes in that there is a value, whichever.
    pub(in crate::correlate) fn value(&mut self) {
        self.word(u64::from_le_bytes(*b"<*>\0\0\0\0\x80"));
    }

    const fn word(&mut self, word: u64) {
        let product = (self.0 ^ word) as u128 * 0x9e37_79b9_7f4a_7c15_u128;
        self.0 = (product as u64) ^ (product >> 64) as u64;
    }

    /// The hash of what was taken in.
    pub(in crate::correlate) fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    }
}

/// Fewer than eight bytes as a number, the first of them lowest.
fn short(bytes: &[u8]) -> u64 {
    if let (Some(head), Some(tail)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*head)) | u64::from(u32::from_le_bytes(*tail)) << (8 * (bytes.len() - 4));
    }
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

fn first_line(message: &str) -> &[u8] {
    let message = message.trim_ascii_start();
    let mut end = message.len().min(LONGEST);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    let bytes = &message.as_bytes()[..end];
    let bytes = &bytes[..memchr::memchr(b'\n', bytes).unwrap_or(bytes.len())];
    bytes.trim_ascii_end()
}

enum Piece<'a> {
    Text(&'a [u8]),
    Value,
}

/// What a byte is to the scanner.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Class {
    /// Part of a word.
    Word,
    /// A digit: its word is a value.
    Digit,
    /// May stand inside a value: `10.0.0.1`, `12:30`, `2026-11-22`, `a@b`, `+1`.
    Joint,
    /// A quote, which opens a value if it closes soon.
    Quote,
    /// Everything else ends a token.
    Break,
}

const CLASSES: [Class; 256] = {
    let mut table = [Class::Break; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 128..=255 => Class::Word,
            b'0'..=b'9' => Class::Digit,
            b'.' | b'-' | b':' | b'+' | b'@' | b'%' | b'#' | b'~' => Class::Joint,
            b'"' | b'\'' => Class::Quote,
            _ => Class::Break,
        };
        byte += 1;
    }
    table
};

const fn class(byte: u8) -> Class {
    CLASSES[byte as usize]
}

fn pieces<'a>(bytes: &'a [u8], mut give: impl FnMut(Piece<'a>)) {
    // `text` is where the text begins that has not been given yet; `word` where the current word begins.
    let (mut text, mut at) = (0, 0);
    while at < bytes.len() {
        match class(bytes[at]) {
            Class::Word | Class::Digit => {
                let (end, is_value) = word(bytes, at);
                if !is_value {
                    at = end;
                    continue;
                }
                give(Piece::Text(&bytes[text..at]));
                give(Piece::Value);
                at = value_end(bytes, end);
                text = at;
            }
            Class::Quote => match quoted(bytes, at) {
                Some(end) => {
                    give(Piece::Text(&bytes[text..at]));
                    give(Piece::Value);
                    at = end;
                    text = at;
                }
                None => at += 1,
            },
            Class::Joint | Class::Break => at += 1,
        }
    }
    give(Piece::Text(&bytes[text..]));
}

/// The end of the word at `at`, and whether it holds a digit.
#[inline]
fn word(bytes: &[u8], at: usize) -> (usize, bool) {
    let (mut len, mut digits) = (0, false);
    for &byte in bytes.get(at..).unwrap_or_default() {
        match class(byte) {
            Class::Digit => digits = true,
            Class::Word => {}
            Class::Joint | Class::Quote | Class::Break => break,
        }
        len += 1;
    }
    (at + len, digits)
}

/// The end of a value whose first word ends at `at`: further words with digits, or hex, behind single joints belong to it.
fn value_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&joint) = bytes.get(at) {
        if class(joint) != Class::Joint || !bytes.get(at + 1).is_some_and(|&b| matches!(class(b), Class::Word | Class::Digit)) {
            break;
        }
        let (end, is_value) = word(bytes, at + 1);
        if !is_value && !bytes[at + 1..end].iter().all(u8::is_ascii_hexdigit) {
            break;
        }
        at = end;
    }
    at
}

/// The end of a quoted text on the same line, its quotes included. An apostrophe inside a word opens nothing.
fn quoted(bytes: &[u8], at: usize) -> Option<usize> {
    let quote = bytes[at];
    let inside_a_word = at > 0 && matches!(class(bytes[at - 1]), Class::Word | Class::Digit);
    if inside_a_word {
        return None;
    }
    memchr::memchr(quote, &bytes[at + 1..]).map(|n| at + n + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(message: &str) -> String {
        let mut out = String::new();
        mask(message, &mut out);
        out
    }

    #[test]
    fn values_are_masked_and_words_stay() {
        for (message, want) in [
            ("Handled request GET /api/v1/orders/17 in 23 ms status 200", "Handled request GET /api/<*>/orders/<*> in <*> ms status <*>"),
            ("Cache miss for key item:3f2b8c9e-1111-4222-8333-444455556666 ttl 30s", "Cache miss for key item:<*> ttl <*>"),
            ("user \"bob\" paid 49.90 EUR", "user <*> paid <*> EUR"),
            ("User 7 authenticated from 10.1.2.3", "User <*> authenticated from <*>"),
            ("Don't stop 'quoted text' it's fine", "Don't stop <*> it's fine"),
            ("Connect to db-0.shop.svc failed", "Connect to db-<*>.shop.svc failed"),
            ("at 2026-11-22T19:36:07.043Z: done", "at <*>: done"),
            ("Started App in 3.2 seconds (process running for 4.1)", "Started App in <*> seconds (process running for <*>)"),
            ("charge ch_1Abc amount=49.90 ok=true", "charge <*> amount=<*> ok=true"),
            ("", ""),
            ("first line 1\nsecond", "first line <*>"),
            ("an open \"quote stays", "an open \"quote stays"),
        ] {
            assert_eq!(masked(message), want);
        }
    }

    #[test]
    fn templates_are_one_if_their_masked_texts_are() {
        let messages = [
            "a 1 b",
            "a 22 b",
            "a 1 bb",
            "GET /x/9?y=2",
            "GET /x/10?y=33",
            "GET /x/9?z=2",
            "naïve café 7",
            "naïve café 8 ",
            "'open",
            "1",
            "x",
            "",
            "a\u{2028}b 3",
            "took 5 ms",
            "took 17 ms",
            "cost 5 ms",
            "eight678",
            "eighteen letters",
            "eighteen letterz",
        ];
        for one in messages {
            for other in messages {
                assert_eq!(fingerprint(one) == fingerprint(other), masked(one) == masked(other), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn the_last_bytes_are_one_word() {
        let text = *b"abcdefghijklmnop";
        for len in 0..text.len() {
            let (_, rest) = text[..len].as_chunks::<8>();
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            let (mut one, mut other) = (Hash::default(), Hash::default());
            one.bytes(&text[..len]);
            text[..len].as_chunks::<8>().0.iter().for_each(|word| other.word(u64::from_le_bytes(*word)));
            other.word(u64::from_le_bytes(last) ^ (len as u64) << 56);
            assert_eq!(one.finish(), other.finish(), "{len}");
        }
    }

    #[test]
    fn the_hash_never_changes() {
        assert_eq!((fingerprint("").0, fingerprint("took 5 ms, not longer").0), (10_741_394_175_217_400_537, 1_914_546_637_868_503_000));
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let long = "é".repeat(600);
        assert!(masked(&long).len() <= LONGEST);
    }
}
