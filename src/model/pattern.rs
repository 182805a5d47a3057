//! A regular expression that is compiled when it is first asked: most of a rule set's wordings occur in no bundle.
//!
//! What this file does not do: judge the pattern of a rule file; [`Pattern::checked`] says what is wrong with one.

use regex::{Captures, Regex, RegexBuilder};
use std::sync::OnceLock;

/// A pattern and, once it was needed, what it compiles to.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    ignore_case: bool,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// A pattern that is known to be good. One that is not matches nothing.
    #[must_use]
    pub const fn trusted(text: String, ignore_case: bool) -> Self {
        Self { text, ignore_case, compiled: OnceLock::new() }
    }

    /// A pattern of somebody else, compiled at once.
    ///
    /// # Errors
    /// If it is no regular expression.
    pub fn checked(text: &str, ignore_case: bool) -> Result<Self, regex::Error> {
        let regex = compile(text, ignore_case)?;
        Ok(Self { text: text.to_owned(), ignore_case, compiled: OnceLock::from(Some(regex)) })
    }

    /// The first match in a text.
    #[must_use]
    pub fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.regex()?.captures(text)
    }

    /// The names of its captures.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.regex().into_iter().flat_map(|regex| regex.capture_names().flatten())
    }

    fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| compile(&self.text, self.ignore_case).ok()).as_ref()
    }
}

fn compile(text: &str, ignore_case: bool) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).case_insensitive(ignore_case).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_now_or_later_it_matches_the_same() {
        let now = Pattern::checked(r"pool (?<name>\w+)", true).unwrap();
        let later = Pattern::trusted(r"pool (?<name>\w+)".to_owned(), true);
        for pattern in [now, later] {
            assert_eq!(pattern.captures("the POOL main").and_then(|found| Some(found.name("name")?.as_str())), Some("main"));
            assert_eq!(pattern.names().collect::<Vec<_>>(), ["name"]);
        }
        assert!(Pattern::checked("(", false).is_err() && Pattern::trusted("(".to_owned(), false).captures("(").is_none());
    }
}
