//! Text as plain lower-case words, so that wordings are found on word borders.
//!
//! ```text
//! Payment call failed: SocketTimeoutException     ->  ` payment call failed socket timeout exception `
//! charge.succeeded for uq_payment_idem            ->  ` charge succeeded for uq payment idem `
//! POST /v1/charges 201 29ms                       ->  ` post v1 charges 201 29ms `
//! ```
//!
//! What this file does not do: know any word. Letters outside ASCII are kept as they are.

use std::ops::Range;

/// At most so many bytes of a text are read for words: what a record is about is said early.
pub const LONGEST: usize = 4096;

/// Appends the words of `text`, each followed by one blank. The ranges of `cut` (sorted, not overlapping) are left out.
///
/// An empty `out` gets a blank first, so that every word stands between two blanks.
pub fn push(text: &str, cut: &[Range<usize>], out: &mut String) {
    if out.is_empty() {
        out.push(' ');
    }
    let mut from = 0;
    for hole in cut {
        words(text.get(from..hole.start).unwrap_or(""), out);
        from = hole.end.max(from);
    }
    words(text.get(from..).unwrap_or(""), out);
}

/// The words of a text, with a blank before, between and after them.
#[must_use]
pub fn of(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push(text, &[], &mut out);
    out
}

/// The beginning of a text that is read at all.
#[must_use]
pub fn head(text: &str) -> &str {
    if text.len() <= LONGEST {
        return text;
    }
    let end = (LONGEST - 3..=LONGEST).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    text.get(..end).unwrap_or("")
}

/// Appends a key without case, dashes, underscores, dots and every other sign: `Idempotency-Key` gives `idempotencykey`.
pub fn fold(key: &str, out: &mut String) {
    if key.is_ascii() {
        return out.extend(key.bytes().filter(u8::is_ascii_alphanumeric).map(|b| char::from(b.to_ascii_lowercase())));
    }
    out.extend(key.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()));
}

fn words(text: &str, out: &mut String) {
    if text.is_ascii() { ascii_words(text.as_bytes(), out) } else { words_of(text.chars(), out) }
}

/// What a byte of ASCII becomes in a word; zero if it stands in none.
const IN_WORD: [u8; 128] = {
    let mut table = [0; 128];
    let mut byte: u8 = 0;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() {
            table[byte as usize] = byte.to_ascii_lowercase();
        }
        byte += 1;
    }
    table
};

/// The same as [`words_of`] for ASCII, which nearly every text is: words are made in a buffer and appended in one piece.
fn ascii_words(text: &[u8], out: &mut String) {
    let mut room = [0; 64];
    let mut len = 0;
    let (mut before, mut blank) = (b' ', out.ends_with(' '));
    let mut add = |byte: u8, out: &mut String| {
        if len == room.len() {
            out.push_str(std::str::from_utf8(&room).unwrap_or_default());
            len = 0;
        }
        room[len] = byte;
        len += 1;
    };
    for (at, &byte) in text.iter().enumerate() {
        match IN_WORD[usize::from(byte & 127)] {
            0 if blank => {}
            0 => {
                add(b' ', out);
                blank = true;
            }
            lower => {
                let hump = byte.is_ascii_uppercase()
                    && (before.is_ascii_lowercase() || before.is_ascii_uppercase() && text.get(at + 1).is_some_and(u8::is_ascii_lowercase));
                if hump {
                    add(b' ', out);
                }
                add(lower, out);
                blank = false;
            }
        }
        before = byte;
    }
    if !blank {
        add(b' ', out);
    }
    out.push_str(std::str::from_utf8(&room[..len]).unwrap_or_default());
}

fn words_of(letters: impl Iterator<Item = char>, out: &mut String) {
    let mut before = ' ';
    let mut letters = letters.peekable();
    while let Some(c) = letters.next() {
        if c.is_alphanumeric() {
            let hump = c.is_ascii_uppercase()
                && (before.is_ascii_lowercase() || before.is_ascii_uppercase() && letters.peek().is_some_and(char::is_ascii_lowercase));
            if hump {
                out.push(' ');
            }
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
        before = c;
    }
    if !out.ends_with(' ') {
        out.push(' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_between_blanks() {
        assert_eq!(of("Payment call failed: SocketTimeoutException"), " payment call failed socket timeout exception ");
        assert_eq!(of("HTTPServer charge.succeeded uq_payment_idem"), " http server charge succeeded uq payment idem ");
        assert_eq!(of(""), " ");
    }

    #[test]
    fn ascii_is_read_as_any_text_is() {
        for text in ["a", "A", "HTTPServer2Go", "x--y  z", "--", "aB cD ABc ABCd", &"longWord, ".repeat(30), &"x".repeat(200), "a\u{1}b\u{7f}"] {
            for begun in ["", " ", " w "] {
                let (mut one, mut other) = (begun.to_owned(), begun.to_owned());
                ascii_words(text.as_bytes(), &mut one);
                words_of(text.chars(), &mut other);
                assert_eq!(one, other, "{text} after {begun:?}");
            }
        }
    }

    #[test]
    fn holes_are_left_out() {
        let mut out = String::new();
        push("paid order=O-1 twice n=2", &[5..14, 21..24], &mut out);
        assert_eq!(out, " paid twice ");
    }

    #[test]
    fn keys_fold() {
        let mut out = String::new();
        fold("http.request.header.Idempotency-Key", &mut out);
        assert_eq!(out, "httprequestheaderidempotencykey");
        assert_eq!(head(&"ä".repeat(3000)).len(), 4096);
    }
}
