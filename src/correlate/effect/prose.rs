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
    if text.is_ascii() { words_of(text.bytes().map(char::from), out) } else { words_of(text.chars(), out) }
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
