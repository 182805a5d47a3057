//! Vendor wording to signals: which of the wordings in `rules/signals` a record uses.
//!
//! All literals are searched at once; a signal's regex runs only on a record that holds one of its literals.

use crate::correlate::Case;
use crate::model::names::{Interner, Sym};
use crate::model::rule::SignalSpec;
use crate::model::tables::Signal;
use aho_corasick::{AhoCorasick, MatchKind};

/// Of a long text only this much is searched: what matters of a stack trace stands in its first causes.
const SEARCHED: usize = 16 << 10;

/// All signals, ready to be looked for.
pub struct Wordings {
    specs: Vec<SignalSpec>,
    /// Finds every literal in lower case; `owner` says whose it is.
    literals: Option<AhoCorasick>,
    owner: Vec<usize>,
}

/// A signal in a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// Its name.
    pub signal: Sym,
    /// What it names.
    pub name: Sym,
    /// The key it names.
    pub key: Sym,
    /// The number it names, or NaN.
    pub value: f64,
}

impl Wordings {
    /// Prepares the signals.
    #[must_use]
    pub fn new(specs: &[SignalSpec]) -> Self {
        let mut owner = Vec::new();
        let mut words = Vec::new();
        for (number, spec) in specs.iter().enumerate() {
            for literal in &spec.literals {
                owner.push(number);
                words.push(literal.as_str());
            }
        }
        // Case decides afterwards, for those signals that care.
        let literals = AhoCorasick::builder().ascii_case_insensitive(true).match_kind(MatchKind::Standard).build(&words).ok();
        Self { specs: specs.to_vec(), literals: literals.filter(|_| !words.is_empty()), owner }
    }

    /// Whether a text, or one with values in place of its masks, may hold a signal at all.
    #[must_use]
    pub fn may_occur(&self, text: &str) -> bool {
        let Some(literals) = &self.literals else { return false };
        let text = head(text);
        let excluded = |number: usize| self.specs[number].unless.iter().any(|word| text.contains(word.as_str()));
        literals.find_overlapping_iter(text).any(|found| !excluded(self.owner[found.pattern().as_usize()]))
    }

    /// Adds every signal in a text, each at most once.
    pub fn find(&self, text: &str, names: &mut Interner, out: &mut Vec<Mark>) {
        let Some(literals) = &self.literals else { return };
        let text = head(text);
        let mut seen: Vec<usize> =
            literals.find_overlapping_iter(text).filter(|m| self.is_there(m, text)).map(|m| self.owner[m.pattern().as_usize()]).collect();
        seen.sort_unstable();
        seen.dedup();
        for number in seen {
            let spec = &self.specs[number];
            if spec.unless.iter().any(|word| text.contains(word.as_str())) {
                continue;
            }
            let mut mark = Mark { signal: Sym::NONE, name: Sym::NONE, key: Sym::NONE, value: f64::NAN };
            if let Some(regex) = &spec.regex {
                let Some(found) = regex.captures(text) else { continue };
                mark.name = found.name("name").map_or(Sym::NONE, |m| names.intern(m.as_str()));
                mark.key = found.name("key").map_or(Sym::NONE, |m| names.intern(m.as_str()));
                let number = |capture: &str| found.name(capture).and_then(|m| m.as_str().replace(',', ".").parse::<f64>().ok());
                mark.value = number("value").or_else(|| Some(1000.0 * number("seconds")?)).unwrap_or(f64::NAN);
            }
            mark.signal = names.intern(&spec.signal);
            if !out.iter().any(|known| known.signal == mark.signal) {
                out.push(mark);
            }
        }
    }

    fn is_there(&self, found: &aho_corasick::Match, text: &str) -> bool {
        let spec = &self.specs[self.owner[found.pattern().as_usize()]];
        spec.ignore_case || spec.literals.iter().any(|literal| text.get(found.range()) == Some(literal))
    }
}

impl Case {
    /// Every record that says something, in the order of time.
    #[must_use]
    pub fn signals(&self, name: &str) -> Vec<&Signal> {
        let Some(wanted) = self.tables.names.find(name) else { return Vec::new() };
        self.tables.signals.iter().filter(|row| row.signal == wanted).collect()
    }
}

fn head(text: &str) -> &str {
    let mut end = text.len().min(SEARCHED);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pattern::Pattern;

    fn spec(signal: &str, literal: &str, regex: Option<&str>, ignore_case: bool) -> SignalSpec {
        SignalSpec {
            signal: signal.to_owned(),
            literals: vec![literal.to_owned()],
            ignore_case,
            regex: regex.and_then(|r| Pattern::checked(r, false).ok()),
            unless: vec!["documentation".to_owned()],
            origin: String::new(),
        }
    }

    #[test]
    fn a_template_with_an_excluding_word_cannot_hold_a_signal() {
        let wordings = Wordings::new(&[spec("pool.timeout", "is not available", None, true)]);
        assert!(wordings.may_occur("<*> - Connection is NOT available after <*>"));
        assert!(!wordings.may_occur("see the documentation: connection is not available after <*>"));
        assert!(!wordings.may_occur("all is well"));
    }

    #[test]
    fn literals_then_regex_then_captures() {
        let wordings = Wordings::new(&[
            spec(
                "pool.timeout",
                "is not available",
                Some(r"(?<name>\S+) - Connection is not available, request timed out after (?<value>\d+)ms"),
                false,
            ),
            spec("timeout", "read timed out", None, true),
        ]);
        let (mut names, mut out) = (Interner::default(), Vec::new());
        wordings.find("shop-pool - Connection is not available, request timed out after 2500ms: Read timed out", &mut names, &mut out);
        assert_eq!(out.len(), 2);
        assert_eq!((names.get(out[0].signal), names.get(out[0].name), out[0].value), ("pool.timeout", "shop-pool", 2500.0));
        out.clear();
        wordings.find("The item is not available", &mut names, &mut out);
        wordings.find("documentation of read timed out", &mut names, &mut out);
        assert!(out.is_empty());
        assert!(wordings.may_occur("READ TIMED OUT") && !wordings.may_occur("fine"));
    }
}
