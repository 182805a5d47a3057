//! Amounts of money as exact decimals, and how text writes them.
//!
//! ```text
//! 49.90 EUR        €49.90        USD 1,299.00        1.299,00 €        amount_cents=23101 currency=EUR
//! ```
//!
//! What this file does not do: convert or add currencies, or guess the unit of a bare whole number; the caller knows
//! from the field's name.

use std::fmt;

/// An exact decimal: `units` divided by ten to the power of `scale`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Money {
    units: i128,
    scale: u32,
}

/// More digits than that are no amount.
const MOST_DIGITS: usize = 24;

impl Money {
    /// From a number of smallest units of a currency: cents, pence, yen.
    #[must_use]
    pub fn of_minor(units: i128, currency: &str) -> Self {
        Self { units, scale: decimals(currency) }
    }

    /// Reads `49.90`, `1,299.00`, `1.299,00`, `12`; nothing else may stand beside the digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, digits) = text.strip_prefix('-').map_or((false, text.strip_prefix('+').unwrap_or(text)), |rest| (true, rest));
        let whole =
            !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b',')) && digits.as_bytes()[0].is_ascii_digit();
        if !whole || digits.len() > MOST_DIGITS {
            return None;
        }
        let scale = fraction(digits)?;
        let units = digits.bytes().filter(u8::is_ascii_digit).fold(0_i128, |sum, b| sum * 10 + i128::from(b - b'0'));
        Some(Self { units: if negative { -units } else { units }, scale })
    }

    /// Whether it has no fraction: then a number may count smallest units.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        self.scale == 0
    }

    /// The sum, at the finer scale of the two.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let scale = self.scale.max(other.scale);
        Self { units: self.at(scale).saturating_add(other.at(scale)), scale }
    }

    /// The difference, at the finer scale of the two.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.plus(Self { units: other.units.saturating_neg(), scale: other.scale })
    }

    /// Whether the two are the same amount, also when one counts hundredths (or whatever the fraction is) and the other
    /// does not: `21091` and `210.91`.
    #[must_use]
    pub fn is_like(self, other: Self) -> bool {
        self == other || (self.scale == 0) != (other.scale == 0) && self.units == other.units
    }

    /// The number of smallest units of a currency.
    #[must_use]
    pub fn minor(self, currency: &str) -> i128 {
        let decimals = decimals(currency);
        if decimals >= self.scale { self.at(decimals) } else { self.units / 10_i128.pow(self.scale - decimals) }
    }

    /// For charts and scores; sums are made before.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.units as f64 / 10_f64.powi(self.scale.cast_signed())
    }

    fn at(self, scale: u32) -> i128 {
        self.units.saturating_mul(10_i128.saturating_pow(scale.saturating_sub(self.scale)))
    }
}

impl PartialEq for Money {
    fn eq(&self, other: &Self) -> bool {
        let scale = self.scale.max(other.scale);
        self.at(scale) == other.at(scale)
    }
}

impl Eq for Money {}

impl Ord for Money {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let scale = self.scale.max(other.scale);
        self.at(scale).cmp(&other.at(scale))
    }
}

impl PartialOrd for Money {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let (units, ten) = (self.units.unsigned_abs(), 10_u128.pow(self.scale));
        if self.scale == 0 { write!(f, "{sign}{units}") } else { write!(f, "{sign}{}.{:0>2$}", units / ten, units % ten, self.scale as usize) }
    }
}

/// How many digits a currency has after the point (ISO 4217): two, but for a few.
#[must_use]
pub fn decimals(currency: &str) -> u32 {
    match currency {
        "JPY" | "KRW" | "VND" | "CLP" | "ISK" | "PYG" | "UGX" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// The currency a text names, by ISO 4217 code in any case or by its sign; `$` and `¥` stand for themselves, because
/// several currencies use them.
#[must_use]
pub fn currency(text: &str) -> Option<&'static str> {
    const CODES: [&str; 55] = [
        "AED", "AUD", "BGN", "BHD", "BRL", "CAD", "CHF", "CLP", "CNY", "COP", "CZK", "DKK", "EGP", "EUR", "GBP", "HKD", "HUF", "IDR", "ILS", "INR",
        "IQD", "ISK", "JOD", "JPY", "KES", "KRW", "KWD", "LYD", "MAD", "MXN", "MYR", "NGN", "NOK", "NZD", "OMR", "PEN", "PHP", "PKR", "PLN", "QAR",
        "RON", "RSD", "RUB", "SAR", "SEK", "SGD", "THB", "TND", "TRY", "TWD", "UAH", "USD", "VND", "XAF", "ZAR",
    ];
    match text {
        "€" => Some("EUR"),
        "£" => Some("GBP"),
        "₹" => Some("INR"),
        "$" => Some("$"),
        "¥" => Some("¥"),
        _ => CODES.into_iter().find(|code| code.eq_ignore_ascii_case(text)),
    }
}

/// The first amount that stands beside a currency in a text.
#[must_use]
pub fn find(text: &str) -> Option<(Money, &'static str)> {
    let mut before: Option<&str> = None;
    for word in text.split_ascii_whitespace() {
        let word = word.trim_matches(|c: char| matches!(c, ',' | ';' | ':' | '.' | '(' | ')' | '[' | ']' | '"' | '\''));
        if let Some(found) = joined(word) {
            return Some(found);
        }
        if let Some(previous) = before {
            // `49.90 EUR` and `EUR 49.90`; a code in lower case is a word of some language.
            let pair = match (Money::parse(previous), Money::parse(word)) {
                (Some(amount), None) => Some((amount, word)),
                (None, Some(amount)) => Some((amount, previous)),
                _ => None,
            };
            if let Some((amount, code)) = pair
                && !code.bytes().any(|b| b.is_ascii_lowercase())
                && let Some(code) = currency(code)
            {
                return Some((amount, code));
            }
        }
        before = Some(word);
    }
    None
}

/// `€49.90`, `49.90€`, `EUR49.90`.
fn joined(word: &str) -> Option<(Money, &'static str)> {
    let first = word.find(|c: char| c.is_ascii_digit())?;
    let last = word.rfind(|c: char| c.is_ascii_digit())? + 1;
    let code = match (word.get(..first)?, word.get(last..)?) {
        (code, "") | ("", code) if !code.is_empty() && !code.bytes().any(|b| b.is_ascii_lowercase()) => currency(code)?,
        _ => return None,
    };
    Some((Money::parse(word.get(first..last)?)?, code))
}

/// How many digits stand after the decimal sign. The last of `.` and `,` is the decimal sign, unless it is alone, a comma,
/// and followed by three digits, or occurs twice.
fn fraction(digits: &str) -> Option<u32> {
    let Some(last) = digits.rfind(['.', ',']) else { return Some(0) };
    let sign = digits.as_bytes()[last];
    let after = digits.len() - last - 1;
    let same = digits.bytes().filter(|&b| b == sign).count();
    let other = digits.bytes().any(|b| matches!(b, b'.' | b',') && b != sign);
    let groups = same > 1 || (sign == b',' && after == 3 && !other);
    match (groups, after) {
        (true, 3) => Some(0),
        (true, _) | (false, 0) => None,
        (false, n) => u32::try_from(n).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_as_people_write_them() {
        for (text, want) in [
            ("49.90", "49.90"),
            ("1,299.00", "1299.00"),
            ("1.299,00", "1299.00"),
            ("49,90", "49.90"),
            ("1,299", "1299"),
            ("7", "7"),
            ("-3.5", "-3.5"),
        ] {
            assert_eq!(Money::parse(text).unwrap().to_string(), want, "{text}");
        }
        for text in ["", "O-77", "1.2.3", "12.", "4 9", ",5", "99999999999999999999999999"] {
            assert_eq!(Money::parse(text).map(|m| m.to_string()), None, "{text}");
        }
    }

    #[test]
    fn amounts_beside_a_currency() {
        let find = |text| find(text).map(|(m, c)| format!("{m} {c}"));
        assert_eq!(find("charged 49.90 EUR for order O-77").as_deref(), Some("49.90 EUR"));
        assert_eq!(find("paid €49.90.").as_deref(), Some("49.90 EUR"));
        assert_eq!(find("USD 1,299.00 captured").as_deref(), Some("1299.00 USD"));
        assert_eq!(find("total $12.00").as_deref(), Some("12.00 $"));
        assert_eq!(find("attempt 2 of 3, try again"), None);
    }

    #[test]
    fn sums_are_exact_and_units_are_kept_apart() {
        let sum = (0..10).fold(Money::default(), |sum, _| sum.plus(Money::parse("0.1").unwrap()));
        assert_eq!((sum, sum.to_string().as_str()), (Money::parse("1").unwrap(), "1.0"));
        assert_eq!(Money::of_minor(23101, "EUR").to_string(), "231.01");
        assert_eq!(Money::of_minor(500, "JPY").to_string(), "500");
        assert_eq!(Money::parse("231.01").unwrap().minor("EUR"), 23101);
        assert!(Money::parse("21091").unwrap().is_like(Money::parse("210.91").unwrap()));
        assert!(!Money::parse("49.90").unwrap().is_like(Money::parse("49.91").unwrap()));
        assert_eq!(Money::parse("5").unwrap().minus(Money::parse("7.25").unwrap()).to_string(), "-2.25");
    }
}
