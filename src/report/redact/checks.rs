//! Arithmetic and shape checks that tell a secret from a number or word that only looks like one.

/// Whether digits are a payment card number: a length and a prefix that are issued, and the Luhn check digit.
///
/// The prefix keeps times since 1970 apart, every tenth of which has a valid check digit.
pub(super) fn is_card(digits: &[u8]) -> bool {
    let prefix = |n: usize| digits.iter().take(n).fold(0_u32, |sum, d| sum * 10 + u32::from(d - b'0'));
    let issued = match digits.len() {
        13 => prefix(1) == 4,
        14 => matches!(prefix(3), 300..=305 | 309 | 360..=369 | 380..=399),
        15 => matches!(prefix(2), 34 | 37),
        16 => matches!(prefix(1), 4) || matches!(prefix(2), 35..=36 | 38..=39 | 50..=69) || matches!(prefix(4), 2200..=2204 | 2221..=2720),
        17 | 18 => matches!(prefix(2), 50 | 56..=69),
        19 => prefix(1) == 4 || matches!(prefix(2), 50 | 56..=69),
        _ => false,
    };
    let repeated = digits.windows(2).all(|pair| pair[0] == pair[1]);
    issued && !repeated && luhn(digits)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, d)| {
            let value = u32::from(d - b'0') << (at % 2);
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Length of the IBANs of each country.
const IBAN_LENGTHS: &str = "\
    AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 FR27 \
    GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 \
    MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SD18 SE24 SI19 SK24 SM27 ST25 SV28 \
    TL23 TN24 TR26 UA29 VA22 VG24 XK20";

/// Length of the IBANs of a country, by its two letters.
pub(super) fn iban_length(country: &[u8]) -> Option<usize> {
    IBAN_LENGTHS.split(' ').find(|entry| entry.as_bytes().starts_with(country)).and_then(|entry| entry.get(2..)?.parse().ok())
}

/// Whether the check digits of an IBAN, written without spaces, are right: the number is 1 modulo 97.
pub(super) fn is_iban(text: &[u8]) -> bool {
    let rest = text.iter().skip(4).chain(text.iter().take(4)).fold(0_u32, |rest, &c| match c {
        b'0'..=b'9' => (rest * 10 + u32::from(c - b'0')) % 97,
        _ => (rest * 100 + u32::from(c.wrapping_sub(b'A')) + 10) % 97,
    });
    text.len() >= 15 && rest == 1
}

/// Whether a word is more likely made by a machine than by a writer: digits in it, base64 padding, or random capitals.
pub(super) fn is_token(word: &str) -> bool {
    let bytes = word.as_bytes();
    if bytes.len() < 8 {
        return false;
    }
    bytes.iter().any(u8::is_ascii_digit) || bytes.ends_with(b"=") || has_random_capitals(bytes)
}

/// Capitals elsewhere than at the start of words of three letters and more, as in `QWxhZGRpbjpvc`; not `AuthenticationFilter`.
fn has_random_capitals(bytes: &[u8]) -> bool {
    let lower = bytes.iter().filter(|b| b.is_ascii_lowercase()).count();
    let words = bytes.windows(3).filter(|w| w[0].is_ascii_uppercase() && w[1].is_ascii_lowercase() && w[2].is_ascii_lowercase()).count();
    let upper = bytes.iter().filter(|b| b.is_ascii_uppercase()).count();
    lower > 0 && upper > words + 1
}

/// Words that follow `password:` or `token:` in messages about it.
const PROSE: &[&str] = &[
    "a",
    "an",
    "and",
    "are",
    "authentication",
    "bad",
    "can",
    "cannot",
    "changed",
    "could",
    "denied",
    "disabled",
    "does",
    "enabled",
    "expired",
    "failed",
    "for",
    "has",
    "incorrect",
    "invalid",
    "is",
    "malformed",
    "may",
    "mismatch",
    "missing",
    "must",
    "needs",
    "no",
    "not",
    "of",
    "or",
    "rejected",
    "required",
    "reset",
    "revoked",
    "should",
    "size",
    "that",
    "the",
    "too",
    "unknown",
    "validation",
    "was",
    "will",
    "with",
    "wrong",
    "you",
    "your",
];

/// Whether an unquoted word after a colon and a space continues a sentence.
pub(super) fn is_prose(word: &str) -> bool {
    PROSE.contains(&word.trim_end_matches(['.', ':', '!', '?', ')']).to_ascii_lowercase().as_str())
}

/// Values that say there is no value, that it is hidden already, or where it comes from.
pub(super) fn is_placeholder(value: &str) -> bool {
    let value = value.trim();
    let lower = value.to_ascii_lowercase();
    matches!(
        lower.as_str(),
        "" | "null" | "none" | "nil" | "true" | "false" | "undefined" | "unset" | "empty" | "n/a" | "yes" | "no" | "hidden" | "masked"
    ) || value.chars().all(|c| matches!(c, '*' | 'x' | 'X' | '•' | '.' | '-' | '#'))
        || (value.starts_with('<') && value.ends_with('>'))
        || ["${", "#{", "{{", "$(", "%s", "{}", "[protected", "[redacted", "redacted", "(redacted", "[filtered", "[masked", "[hidden"]
            .iter()
            .any(|start| lower.starts_with(start))
}
