//! The parts of a line after the request: words, quoted texts, brackets and pairs.
//!
//! ```text
//! 502 157 "-" "curl/7.88.1" rt=1.002 us="504, 502" 10.0.0.1:80, 10.0.0.2:80 [shop-web-80] 0.001 : 0.002
//! ```
//!
//! A list that nginx writes for several upstreams is one token, quoted or not. What this file does not do: say what a
//! token means, or undo escapes.

/// How a token is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dress<'a> {
    /// As it stands.
    Word,
    /// In quotes.
    Quoted,
    /// In square brackets.
    Bracketed,
    /// After a key and an equals sign.
    Pair(&'a str),
}

/// A token without its dress.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token<'a> {
    /// The dress.
    pub dress: Dress<'a>,
    /// The text.
    pub text: &'a str,
}

/// Walks over the tokens of a text.
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    /// From `at` on.
    #[must_use]
    pub const fn from(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    /// What has not been read.
    #[must_use]
    pub fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default().trim_ascii()
    }

    /// The next token if it is a plain word.
    pub fn word(&mut self) -> Option<&'a str> {
        self.next().filter(|token| token.dress == Dress::Word).map(|token| token.text)
    }

    /// The next token if it is in quotes.
    pub fn quoted(&mut self) -> Option<&'a str> {
        self.next().filter(|token| token.dress == Dress::Quoted).map(|token| token.text)
    }

    /// Everything up to the next blank, and on as long as it is a list.
    fn list(&self, from: usize) -> usize {
        let bytes = self.text.as_bytes();
        let blank =
            |from: usize| bytes.get(from..).and_then(|rest| rest.iter().position(|b| matches!(b, b' ' | b'\t'))).map_or(bytes.len(), |n| from + n);
        let mut end = blank(from);
        loop {
            let comma = end > from && bytes.get(end - 1) == Some(&b',') && bytes.get(end + 1).is_some_and(|b| !matches!(b, b'"' | b'[' | b' '));
            if comma {
                end = blank(end + 1);
            } else if bytes.get(end..).is_some_and(|rest| rest.starts_with(b" : ")) {
                end = blank(end + 3);
            } else {
                return end;
            }
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let bytes = self.text.as_bytes();
        self.at += bytes.get(self.at..)?.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let from = self.at;
        let (dress, start, end, next) = match bytes.get(from)? {
            b'"' => {
                let end = closing_quote(bytes, from + 1);
                (Dress::Quoted, from + 1, end, end + 1)
            }
            b'[' => match memchr::memchr(b']', bytes.get(from..)?) {
                Some(len) => (Dress::Bracketed, from + 1, from + len, from + len + 1),
                None => (Dress::Word, from, self.list(from), self.list(from)),
            },
            _ => {
                let key = bytes.get(from..)?.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')).count();
                let value = from + key + 1;
                if key == 0 || bytes.get(from + key) != Some(&b'=') {
                    let end = self.list(from);
                    (Dress::Word, from, end, end)
                } else if bytes.get(value) == Some(&b'"') {
                    let end = closing_quote(bytes, value + 1);
                    (Dress::Pair(self.text.get(from..from + key)?), value + 1, end, end + 1)
                } else {
                    let end = self.list(value);
                    (Dress::Pair(self.text.get(from..from + key)?), value, end, end)
                }
            }
        };
        self.at = next.min(bytes.len());
        Some(Token { dress, text: self.text.get(start..end)? })
    }
}

/// Where the quote closes that opened before `from`; the end of the text if it does not. A quote after a backslash is text.
#[must_use]
pub fn closing_quote(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes[at] == b'"' {
            return at;
        }
        at += 2;
    }
    bytes.len()
}

/// The members of a list that nginx writes for the upstreams of one request, in their order.
pub fn members(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', ' ']).filter(|part| !part.is_empty() && *part != ":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> Vec<String> {
        Tokens::from(text, 0).map(|token| format!("{:?} {}", token.dress, token.text)).collect()
    }

    #[test]
    fn every_dress() {
        assert_eq!(
            show(r#"502 157 "-" "a \"b\" c" rt=1.002 us="504, 502" 10.0.0.1:80, 10.0.0.2:80 [shop-80] [] 0.001 : 0.002 - x= ua=a:1, b:2 "#),
            [
                "Word 502",
                "Word 157",
                "Quoted -",
                r#"Quoted a \"b\" c"#,
                r#"Pair("rt") 1.002"#,
                r#"Pair("us") 504, 502"#,
                "Word 10.0.0.1:80, 10.0.0.2:80",
                "Bracketed shop-80",
                "Bracketed ",
                "Word 0.001 : 0.002",
                "Word -",
                r#"Pair("x") "#,
                r#"Pair("ua") a:1, b:2"#,
            ]
        );
        assert_eq!(members("10.0.0.1:80, unix:/a : -").collect::<Vec<_>>(), ["10.0.0.1:80", "unix:/a", "-"]);
    }

    #[test]
    fn what_stays_open() {
        assert_eq!(show("\"abc\\"), ["Quoted abc\\"]);
        assert_eq!(show("[abc d"), ["Word [abc", "Word d"]);
        assert_eq!(show("a="), [r#"Pair("a") "#]);
        assert_eq!(show("=a"), ["Word =a"]);
        assert_eq!(show("a, "), ["Word a,"]);
        assert_eq!(show(""), [""; 0]);
    }
}
