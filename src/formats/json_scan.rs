//! A cursor over JSON text that hands out keys and values one by one and borrows every string it can.
//!
//! ```text
//! {"traceId":"487b63689b67fda37f72115830b913a9","kind":3}
//! { "name" : "GET \u002forders", "attributes" : null, "extra" : [ { "deep" : [] } ] }
//! {"intValue":"42"} {"intValue":42} {"intValue":4.2e1} {"doubleValue":"NaN"}
//! ```
//!
//! The caller asks for what it expects ("an object", "a whole number"); whatever else stands there is skipped and read as
//! absent, because real writers put `null`, numbers and strings in each other's place. An error therefore means that the
//! text is not JSON, ends too early, or is nested too deeply. Every call either moves forward or fails, which bounds
//! all loops. What this file does not do: check what it skips beyond the pairing of brackets and quotes.

use crate::formats::arena::Arena;
use crate::formats::json_string::{plain_len, unescape};
use crate::model::digits;
use crate::model::record::Reason;

/// How deeply objects and arrays may be nested.
pub const DEEPEST: u32 = 96;

/// A step of reading: what was read, or why the text cannot be read on.
pub type Step<T> = Result<T, Reason>;

/// A place in the text to come back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    at: usize,
    depth: u32,
}

/// The cursor.
pub struct Scan<'a> {
    bytes: &'a [u8],
    /// The same bytes, if they are known to be UTF-8.
    text: Option<&'a str>,
    arena: &'a Arena,
    at: usize,
    depth: u32,
}

impl<'a> Scan<'a> {
    /// At the start of some bytes, which need not be UTF-8 throughout.
    #[must_use]
    pub fn new(bytes: &'a [u8], arena: &'a Arena) -> Self {
        Self { bytes, text: std::str::from_utf8(bytes).ok(), arena, at: 0, depth: 0 }
    }

    /// At the start of a text.
    #[must_use]
    pub const fn of_text(text: &'a str, arena: &'a Arena) -> Self {
        Self { bytes: text.as_bytes(), text: Some(text), arena, at: 0, depth: 0 }
    }

    /// Offset of the next byte.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// All bytes, those before the cursor included.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where the made texts are kept.
    #[must_use]
    pub const fn arena(&self) -> &'a Arena {
        self.arena
    }

    /// The place of the cursor.
    #[must_use]
    pub const fn mark(&self) -> Mark {
        Mark { at: self.at, depth: self.depth }
    }

    /// Goes back (or on) to a place.
    pub const fn go(&mut self, mark: Mark) {
        self.at = mark.at;
        self.depth = mark.depth;
    }

    /// Goes to an offset outside of all objects.
    pub const fn restart(&mut self, at: usize) {
        self.at = at;
        self.depth = 0;
    }

    /// The next byte that is not white space; none at the end.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// Takes some bytes if they come next, as they are; they must leave no bracket open or closed that is not on both sides.
    #[inline]
    pub fn take(&mut self, expected: &[u8]) -> bool {
        let comes = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(expected));
        self.at += if comes { expected.len() } else { 0 };
        comes
    }

    /// Whether so many further brackets may be opened.
    #[inline]
    #[must_use]
    pub const fn has_room(&self, brackets: u32) -> bool {
        self.depth + brackets <= DEEPEST
    }

    /// Steps into an object. Anything else is skipped, and the answer is no.
    #[inline]
    pub fn enter_object(&mut self) -> Step<bool> {
        self.enter(b'{')
    }

    /// Steps into an array. Anything else is skipped, and the answer is no.
    #[inline]
    pub fn enter_array(&mut self) -> Step<bool> {
        self.enter(b'[')
    }

    #[inline]
    fn enter(&mut self, bracket: u8) -> Step<bool> {
        if self.peek() != Some(bracket) {
            self.skip()?;
            return Ok(false);
        }
        if self.depth >= DEEPEST {
            return Err(Reason::TooLong);
        }
        self.depth += 1;
        self.at += 1;
        Ok(true)
    }

    /// The next key of the object, with the cursor on its value; none when the object has ended.
    #[inline]
    pub fn key(&mut self) -> Step<Option<&'a str>> {
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.leave();
                    return Ok(None);
                }
                Some(_) => return Err(Reason::Malformed),
                None => return Err(Reason::Truncated),
            }
        }
        let key = self.quoted()?;
        match self.peek() {
            Some(b':') => self.at += 1,
            Some(_) => return Err(Reason::Malformed),
            None => return Err(Reason::Truncated),
        }
        Ok(Some(key))
    }

    /// Whether the array has a further item, with the cursor on it.
    #[inline]
    pub fn item(&mut self) -> Step<bool> {
        loop {
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.leave();
                    return Ok(false);
                }
                Some(_) => return Ok(true),
                None => return Err(Reason::Truncated),
            }
        }
    }

    #[inline]
    const fn leave(&mut self) {
        self.at += 1;
        self.depth = self.depth.saturating_sub(1);
    }

    /// A string; a number or word as it is written; empty for null, objects and arrays.
    #[inline]
    pub fn text(&mut self) -> Step<&'a str> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'n' | b'{' | b'[') => self.skip().map(|()| ""),
            _ => self.word().map(|word| std::str::from_utf8(word).unwrap_or("")),
        }
    }

    /// A whole number, written as a number or as text.
    #[inline]
    pub fn int(&mut self) -> Step<Option<i64>> {
        Ok(match self.peek() {
            Some(b'"') => parse_int(self.quoted()?.as_bytes()),
            Some(b'{' | b'[') => self.skip().map(|()| None)?,
            _ => parse_int(self.word()?),
        })
    }

    /// A number, written as a number or as text: `1.5`, `"NaN"`, `"-Infinity"`.
    pub fn float(&mut self) -> Step<Option<f64>> {
        Ok(self.text()?.trim().parse().ok())
    }

    /// True or false; anything but `true` is false.
    pub fn bool(&mut self) -> Step<bool> {
        Ok(self.text()?.eq_ignore_ascii_case("true"))
    }

    /// Skips a value of any kind.
    pub fn skip(&mut self) -> Step<()> {
        match self.peek() {
            Some(b'"') => self.end_of_string().map(|_| ()),
            Some(b'{' | b'[') => self.skip_nested(),
            _ => self.word().map(|_| ()),
        }
    }

    /// Counts brackets instead of calling itself.
    fn skip_nested(&mut self) -> Step<()> {
        let outside = self.depth;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.end_of_string()?;
                    continue;
                }
                Some(b'{' | b'[') if self.depth >= DEEPEST => return Err(Reason::TooLong),
                Some(b'{' | b'[') => self.depth += 1,
                Some(b'}' | b']') => self.depth -= 1,
                Some(_) => {}
                None => return Err(Reason::Truncated),
            }
            self.at += 1;
            if self.depth == outside {
                return Ok(());
            }
        }
    }

    /// A number, `true`, `false`, `null`, or the like: at least one byte.
    #[inline]
    fn word(&mut self) -> Step<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))).unwrap_or(rest.len());
        if len == 0 {
            return Err(if rest.is_empty() { Reason::Truncated } else { Reason::Malformed });
        }
        self.at += len;
        Ok(rest.get(..len).unwrap_or_default())
    }

    /// The string under the cursor, which is on its opening quote.
    #[inline]
    fn quoted(&mut self) -> Step<&'a str> {
        let start = self.at + 1;
        let escaped = self.end_of_string()?;
        let raw = match self.text {
            Some(text) => text.get(start..self.at - 1).unwrap_or_default(),
            None => self.repaired(start),
        };
        Ok(if escaped { self.arena.keep(unescape(raw)) } else { raw })
    }

    #[cold]
    fn repaired(&self, start: usize) -> &'a str {
        let raw = self.bytes.get(start..self.at - 1).unwrap_or_default();
        std::str::from_utf8(raw).unwrap_or_else(|_| self.arena.keep(String::from_utf8_lossy(raw)))
    }

    /// Moves behind the closing quote; whether the string has escapes.
    #[inline]
    fn end_of_string(&mut self) -> Step<bool> {
        let mut at = self.at + 1;
        let mut escaped = false;
        loop {
            at += plain_len(self.bytes.get(at..).unwrap_or_default());
            match self.bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(escaped);
                }
                Some(_) => {
                    escaped = true;
                    at += 2;
                }
                None => {
                    self.at = self.bytes.len();
                    return Err(Reason::Truncated);
                }
            }
        }
    }
}

/// A whole number from its digits; a float is cut to its whole part, what does not fit is absent.
#[must_use]
pub fn parse_int(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii();
    match text.strip_prefix(b"-") {
        Some(positive) => digits::whole(positive).map(|number| -number),
        None => digits::whole(text),
    }
    .or_else(|| parse_whole_float(text))
}

#[cold]
fn parse_whole_float(text: &[u8]) -> Option<i64> {
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    // Both borders are powers of two and therefore exact.
    (number >= i64::MIN as f64 && number < -(i64::MIN as f64)).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_text(json: &str) -> String {
        let arena = Arena::default();
        Scan::of_text(json, &arena).text().map_or_else(|reason| reason.name().to_owned(), str::to_owned)
    }

    #[test]
    fn walks_keys_and_items_in_order() {
        let arena = Arena::default();
        let mut scan = Scan::of_text(r#" { "a" : [1, "2", null, 3.0e0, {}] , "b":{"x":[{"y":"}"}]}, "c":true } "#, &arena);
        assert_eq!(scan.enter_object(), Ok(true));
        assert_eq!(scan.key(), Ok(Some("a")));
        assert_eq!(scan.enter_array(), Ok(true));
        let mut numbers = Vec::new();
        while scan.item().unwrap() {
            numbers.push(scan.int().unwrap());
        }
        assert_eq!(numbers, [Some(1), Some(2), None, Some(3), None]);
        assert_eq!(scan.key(), Ok(Some("b")));
        scan.skip().unwrap();
        assert_eq!((scan.key(), scan.bool(), scan.key()), (Ok(Some("c")), Ok(true), Ok(None)));
        assert_eq!((scan.peek(), scan.depth), (None, 0));
    }

    #[test]
    fn strings_with_every_escape() {
        for (json, want) in [
            (r#""plain and long enough for words""#, "plain and long enough for words"),
            (r#""a\"b\\c\/d\n\t\r\b\f""#, "a\"b\\c/d\n\t\r\u{8}\u{c}"),
            (r#""\u00e9\ud83d\ude00""#, "é😀"),
            (r#""\ud83d alone, \ude00, \uzzzz, \q""#, "\u{fffd} alone, \u{fffd}, \\uzzzz, q"),
            (r#""ends \""#, "truncated"),
            (r#""ends \\"#, "truncated"),
            ("null", ""),
            ("12.5", "12.5"),
            ("", "truncated"),
            ("}", "malformed"),
        ] {
            assert_eq!(first_text(json), want, "{json}");
        }
    }

    #[test]
    fn whole_numbers_in_every_spelling() {
        for (text, want) in [
            ("0", Some(0)),
            ("-3", Some(-3)),
            ("1795376426362000000", Some(1_795_376_426_362_000_000)),
            ("1.5e18", Some(1_500_000_000_000_000_000)),
            ("9223372036854775807", Some(i64::MAX)),
            ("18446744073709551615", None),
            ("NaN", None),
            ("", None),
            ("-", None),
            ("12x", None),
        ] {
            assert_eq!(parse_int(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_spoil_only_their_string() {
        let arena = Arena::default();
        let mut scan = Scan::new(b"[\"caf\xe9\",\"tea\"]", &arena);
        assert_eq!(scan.enter_array(), Ok(true));
        assert_eq!((scan.item(), scan.text()), (Ok(true), Ok("caf\u{fffd}")));
        assert_eq!((scan.item(), scan.text(), scan.item()), (Ok(true), Ok("tea"), Ok(false)));
    }

    #[test]
    fn nesting_is_bounded() {
        let arena = Arena::default();
        let bomb = "[".repeat(100_000);
        assert_eq!(Scan::of_text(&bomb, &arena).skip(), Err(Reason::TooLong));
        let mut scan = Scan::of_text(&bomb, &arena);
        let mut entered = 0;
        while scan.enter_array() == Ok(true) {
            entered += 1;
        }
        assert_eq!(entered, DEEPEST);
    }
}
