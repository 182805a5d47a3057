//! Which finders can find anything in a text, told by literals without which none of their patterns matches.
//!
//! One scan of a text for all literals costs less than the finders, and a finder that is never asked is never compiled.
//! What this file does not do: know the two signs outside ASCII that patterns take for an `s` or a `k`; in a text that has
//! one of them all finders look.

use aho_corasick::AhoCorasick;
use std::sync::LazyLock;

/// Finders, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Finders(u16);

impl Finders {
    /// Private keys.
    pub(super) const PEM: Self = Self(1);
    /// JSON web tokens.
    pub(super) const JWT: Self = Self(1 << 1);
    /// Keys of clouds and code hosts.
    pub(super) const ACCESS_KEY: Self = Self(1 << 2);
    /// `Authorization` headers.
    pub(super) const AUTHORIZATION: Self = Self(1 << 3);
    /// Bearer and basic credentials.
    pub(super) const BEARER: Self = Self(1 << 4);
    /// Credentials in URLs.
    pub(super) const USER_INFO: Self = Self(1 << 5);
    /// Credentials in Oracle's URLs.
    pub(super) const ORACLE: Self = Self(1 << 6);
    /// Values under telling names.
    pub(super) const NAMED: Self = Self(1 << 7);
    /// Flags of commands.
    pub(super) const FLAG: Self = Self(1 << 8);
    /// XML elements.
    pub(super) const ELEMENT: Self = Self(1 << 9);
    /// Cookies.
    pub(super) const COOKIE: Self = Self(1 << 10);
    /// E-mail addresses.
    pub(super) const EMAIL: Self = Self(1 << 11);
    /// Card numbers.
    pub(super) const CARD: Self = Self(1 << 12);
    /// Account numbers.
    pub(super) const IBAN: Self = Self(1 << 13);
    const ALL: Self = Self(u16::MAX);

    /// The finders that a text is worth.
    pub(super) fn of(text: &str) -> Self {
        if !text.is_ascii() && text.contains(['\u{17f}', '\u{212a}']) {
            return Self::ALL;
        }
        let mut bits = 0;
        for found in WORDS.find_overlapping_iter(text) {
            bits |= LITERALS.get(found.pattern().as_usize()).map_or(Self::ALL.0, |(_, finders)| finders.0);
        }
        let bytes = text.as_bytes();
        let named = bits & Self::NAMED.0 != 0;
        let keep = |bits: &mut u16, finders: Self, wanted: bool| *bits &= if wanted { u16::MAX } else { !finders.0 };
        keep(&mut bits, Self::NAMED, bytes.iter().any(|b| matches!(b, b'=' | b':')));
        keep(&mut bits, Self::USER_INFO, bytes.contains(&b'@'));
        keep(&mut bits, Self::FLAG, named);
        keep(&mut bits, Self::ELEMENT, named);
        if bytes.iter().filter(|b| b.is_ascii_digit()).count() >= CARD_DIGITS {
            bits |= Self::CARD.0;
        }
        if bytes.split(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))).any(|run| run.len() >= LONG_KEY) {
            bits |= Self::ACCESS_KEY.0;
        }
        if bytes.windows(4).any(|w| w[..2].iter().all(u8::is_ascii_uppercase) && w[2..].iter().all(u8::is_ascii_digit)) {
            bits |= Self::IBAN.0;
        }
        Self(bits)
    }

    /// Whether the finder is among them.
    pub(super) const fn has(self, finder: Self) -> bool {
        self.0 & finder.0 != 0
    }
}

/// The shortest number that a card has.
const CARD_DIGITS: usize = 13;

/// The shortest key in three parts that no literal tells.
const LONG_KEY: usize = 57;

/// Literals, case ignored, and the finders that need one of theirs.
const LITERALS: &[(&str, Finders)] = &[
    ("-----begin", Finders::PEM),
    ("eyj", Finders::JWT),
    ("akia", Finders::ACCESS_KEY),
    ("asia", Finders::ACCESS_KEY),
    ("aroa", Finders::ACCESS_KEY),
    ("aida", Finders::ACCESS_KEY),
    ("abia", Finders::ACCESS_KEY),
    ("acca", Finders::ACCESS_KEY),
    ("ghp_", Finders::ACCESS_KEY),
    ("gho_", Finders::ACCESS_KEY),
    ("ghu_", Finders::ACCESS_KEY),
    ("ghs_", Finders::ACCESS_KEY),
    ("ghr_", Finders::ACCESS_KEY),
    ("github_pat_", Finders::ACCESS_KEY),
    ("glpat-", Finders::ACCESS_KEY),
    ("xox", Finders::ACCESS_KEY),
    ("k_live_", Finders::ACCESS_KEY),
    ("k_test_", Finders::ACCESS_KEY),
    ("aiza", Finders::ACCESS_KEY),
    ("sg.", Finders::ACCESS_KEY),
    ("hvs.", Finders::ACCESS_KEY),
    ("hvb.", Finders::ACCESS_KEY),
    ("npm_", Finders::ACCESS_KEY),
    ("dop_v1_", Finders::ACCESS_KEY),
    ("whsec_", Finders::ACCESS_KEY),
    ("ya29.", Finders::ACCESS_KEY),
    ("gocspx-", Finders::ACCESS_KEY),
    ("sk-", Finders::ACCESS_KEY),
    ("hf_", Finders::ACCESS_KEY),
    ("pypi-", Finders::ACCESS_KEY),
    (":aa", Finders::ACCESS_KEY),
    ("xapp-", Finders::ACCESS_KEY),
    ("shpat_", Finders::ACCESS_KEY),
    ("shpss_", Finders::ACCESS_KEY),
    ("shpca_", Finders::ACCESS_KEY),
    ("shppa_", Finders::ACCESS_KEY),
    ("dapi", Finders::ACCESS_KEY),
    ("glsa_", Finders::ACCESS_KEY),
    ("nrak-", Finders::ACCESS_KEY),
    ("atatt3", Finders::ACCESS_KEY),
    ("lin_api_", Finders::ACCESS_KEY),
    ("pmak-", Finders::ACCESS_KEY),
    ("age-secret-key-", Finders::ACCESS_KEY),
    ("hooks.slack", Finders::ACCESS_KEY),
    ("authorization", Finders::AUTHORIZATION),
    ("bearer", Finders::BEARER),
    ("basic", Finders::BEARER),
    ("://", Finders::USER_INFO),
    (":thin:", Finders::ORACLE),
    ("pass", Finders::NAMED),
    ("pwd", Finders::NAMED),
    ("secret", Finders::NAMED),
    ("credential", Finders::NAMED),
    ("token", Finders::NAMED),
    ("key", Finders::NAMED),
    ("session", Finders::NAMED),
    ("sid", Finders::NAMED),
    ("phpsessid", Finders::NAMED),
    ("pin", Finders::NAMED),
    ("otp", Finders::NAMED),
    ("cvv", Finders::NAMED),
    ("cvc", Finders::NAMED),
    ("ssn", Finders::NAMED),
    ("sig", Finders::NAMED),
    ("--", Finders::FLAG),
    ("</", Finders::ELEMENT),
    ("cookie", Finders::COOKIE),
    ("@", Finders::EMAIL),
    ("%40", Finders::EMAIL),
];

#[expect(clippy::expect_used, reason = "the literals are constants")]
static WORDS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder().ascii_case_insensitive(true).build(LITERALS.iter().map(|(literal, _)| literal)).expect("literals compile")
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_its_literals_needs_no_finder() {
        assert_eq!(Finders::of("POST /orders/{id} took 2.5 s at 12:30"), Finders(0));
        assert_eq!(Finders::of("a token of thanks"), Finders(0));
        assert_eq!(Finders::of("Pass=x"), Finders::NAMED);
        assert_eq!((Finders::of("straße"), Finders::of("pa\u{17f}\u{17f}word=x")), (Finders(0), Finders::ALL));
        assert!(Finders::of("4111 1111 1111 1111").has(Finders::CARD) && Finders::of("DE89 3704").has(Finders::IBAN));
    }
}
