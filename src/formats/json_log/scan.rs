//! A forward walk over JSON text that builds nothing: keys and values are slices of the text.
//!
//! ```text
//! {"level":"INFO","n":12,"tags":["a"]}
//! ```
//!
//! The grammar is checked on the way: brackets match, strings are closed, literals are literals. Slightly more than the
//! standard is accepted, because real writers produce it: `NaN`, a comma before a closing bracket, raw control
//! characters in strings. What this file does not do: unescape (`bump.rs`) or know what a key means (`keys.rs`).

use crate::formats::json_string::plain_len;
use crate::model::record::Reason;

/// Brackets may be nested this deep.
const DEEPEST: u32 = 64;

/// Why the walk ended before the value did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Broken {
    /// The text ends inside the value.
    Truncated,
    /// The text is no JSON.
    Malformed,
    /// Nested beyond the limit.
    TooDeep,
}

impl Broken {
    /// What quarantine says.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Truncated => Reason::Truncated,
            Self::Malformed => Reason::Malformed,
            Self::TooDeep => Reason::TooLong,
        }
    }
}

/// The inside of a string literal, as written.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// The text between the quotes.
    pub text: &'a str,
    /// Whether it holds a backslash, and so has to be unescaped.
    pub escaped: bool,
}

/// A value, or the beginning of one.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// A string.
    Text(Raw<'a>),
    /// A number, as written.
    Number(&'a str),
    /// True or false.
    Bool(bool),
    /// Null.
    Null,
    /// An opening brace; its members follow.
    Object,
    /// An opening bracket; its elements follow.
    Array,
}

/// A place in a JSON text.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

// The small steps are always inlined: a result that is handed back through memory costs more than the step itself.
#[allow(clippy::inline_always)]
impl<'a> Cursor<'a> {
    /// At the start of `text`.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// At `at`, which has to be a character's start for the text to be read.
    #[must_use]
    pub const fn from(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    /// How many bytes have been read.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// The next byte that is not white space, which is not taken; none at the end.
    #[inline(always)]
    pub fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        loop {
            let byte = *bytes.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// The next key of an object and its colon; none once the closing brace is taken.
    #[inline(always)]
    pub fn member(&mut self, first: bool) -> Result<Option<Raw<'a>>, Broken> {
        if self.has_member(first)? { self.key().map(Some) } else { Ok(None) }
    }

    /// Whether an object goes on, with the quote of a key as the next byte; if not, the closing brace is taken.
    #[inline(always)]
    pub fn has_member(&mut self, first: bool) -> Result<bool, Broken> {
        if !self.more(first, b'}')? {
            return Ok(false);
        }
        if self.peek() != Some(b'"') {
            return Err(self.broken());
        }
        Ok(true)
    }

    /// Takes a key, whose quote is the next byte, and its colon.
    #[inline(always)]
    pub fn key(&mut self) -> Result<Raw<'a>, Broken> {
        let key = self.string()?;
        self.colon()?;
        Ok(key)
    }

    /// What follows the quote that is the next byte.
    #[inline(always)]
    pub fn inside_quote(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at + 1..).unwrap_or_default()
    }

    /// Takes a key of so many bytes, whose quote is the next byte, and its colon.
    #[inline(always)]
    pub fn take_key(&mut self, len: usize) -> Result<(), Broken> {
        self.at += len + 2;
        self.colon()
    }

    #[inline(always)]
    fn colon(&mut self) -> Result<(), Broken> {
        if self.peek() != Some(b':') {
            return Err(self.broken());
        }
        self.at += 1;
        Ok(())
    }

    /// Whether an array goes on; if not, its closing bracket is taken.
    pub fn element(&mut self, first: bool) -> Result<bool, Broken> {
        self.more(first, b']')
    }

    /// Takes a value; of an object or array only the bracket.
    #[inline(always)]
    pub fn item(&mut self) -> Result<Item<'a>, Broken> {
        match self.peek().ok_or(Broken::Truncated)? {
            b'"' => self.string().map(Item::Text),
            b'-' | b'0'..=b'9' => self.number(),
            b'{' => {
                self.at += 1;
                Ok(Item::Object)
            }
            b'[' => {
                self.at += 1;
                Ok(Item::Array)
            }
            b't' => self.literal("true", Item::Bool(true)),
            b'f' => self.literal("false", Item::Bool(false)),
            b'n' => self.literal("null", Item::Null),
            b'N' => self.literal("NaN", Item::Null),
            b'I' => self.literal("Infinity", Item::Null),
            _ => Err(Broken::Malformed),
        }
    }

    /// Takes a string whose opening quote is the next byte.
    #[inline(always)]
    pub fn string(&mut self) -> Result<Raw<'a>, Broken> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let (mut end, mut escaped) = (start, false);
        loop {
            end += plain_len(bytes.get(end..).unwrap_or_default());
            match bytes.get(end) {
                Some(b'"') => break,
                Some(_) => {
                    escaped = true;
                    end += 2;
                }
                None => return Err(Broken::Truncated),
            }
        }
        self.at = end + 1;
        Ok(Raw { text: self.slice(start, end)?, escaped })
    }

    /// Takes the rest of the object or array whose bracket was the last thing taken; answers its whole text.
    pub fn rest(&mut self) -> Result<&'a str, Broken> {
        let start = self.at.saturating_sub(1);
        // One bit for each open bracket, the innermost lowest: set for an object.
        let mut open = u64::from(self.text.as_bytes().get(start) == Some(&b'{'));
        let (mut depth, mut first) = (1, true);
        while depth > 0 {
            let more = if open & 1 == 1 { self.member(first)?.is_some() } else { self.element(first)? };
            first = false;
            if !more {
                open >>= 1;
                depth -= 1;
                continue;
            }
            let object = match self.item()? {
                Item::Object => 1,
                Item::Array => 0,
                _ => continue,
            };
            if depth == DEEPEST {
                return Err(Broken::TooDeep);
            }
            open = open << 1 | object;
            depth += 1;
            first = true;
        }
        self.slice(start, self.at)
    }

    #[inline(always)]
    fn more(&mut self, first: bool, close: u8) -> Result<bool, Broken> {
        let mut next = self.peek().ok_or(Broken::Truncated)?;
        if !first && next == b',' {
            self.at += 1;
            next = self.peek().ok_or(Broken::Truncated)?;
        } else if !first && next != close {
            return Err(Broken::Malformed);
        }
        if next == close {
            self.at += 1;
        }
        Ok(next != close)
    }

    #[inline(always)]
    fn number(&mut self) -> Result<Item<'a>, Broken> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        self.at += 1;
        while bytes.get(self.at).is_some_and(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
            self.at += 1;
        }
        let text = self.slice(start, self.at)?;
        if text == "-" {
            return self.literal("Infinity", Item::Null);
        }
        Ok(Item::Number(text))
    }

    fn literal(&mut self, word: &str, item: Item<'a>) -> Result<Item<'a>, Broken> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(item);
        }
        Err(if word.as_bytes().starts_with(rest) { Broken::Truncated } else { Broken::Malformed })
    }

    #[inline(always)]
    fn slice(&self, start: usize, end: usize) -> Result<&'a str, Broken> {
        self.text.get(start..end).ok_or(Broken::Malformed)
    }

    fn broken(&self) -> Broken {
        if self.at >= self.text.len() { Broken::Truncated } else { Broken::Malformed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Result<&str, Broken> {
        let mut cursor = Cursor::new(text);
        match cursor.item()? {
            Item::Object | Item::Array => cursor.rest(),
            _ => Ok(&text[..cursor.at()]),
        }
    }

    #[test]
    fn takes_exactly_one_value() {
        for text in [r#"{"a":[1,{"b":"}\"{"}],"c":null}"#, "[[],[{}]]", r#""x\\""#, "-1.5e+3", r#"{ "a" : true , }"#, r#"{"a":NaN,"b":-Infinity}"#] {
            assert_eq!(whole(&format!("{text} {{}}")), Ok(text), "{text}");
        }
    }

    #[test]
    fn says_whether_more_text_would_have_helped() {
        for text in ["{", r#"{"a"#, r#"{"a":"#, r#"{"a":tr"#, r#"{"a":1,"#, r#"[1"#, r#"{"a":"x\"#] {
            assert_eq!(whole(text), Err(Broken::Truncated), "{text}");
        }
        for text in ["{]", r#"{"a" 1}"#, r#"{"a":trve}"#, "[1 2]", "{a:1}", r#"{"a":[1}"#] {
            assert_eq!(whole(text), Err(Broken::Malformed), "{text}");
        }
        assert_eq!(whole(&"[".repeat(100)), Err(Broken::TooDeep));
    }
}
