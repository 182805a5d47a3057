//! Quantities and ages as Kubernetes writes them.
//!
//! ```text
//! 115m   1k   1500m   128Mi   2Gi   0.5   23%          3m12s   2d4h   45s   4m (x12 over 9m)   <unknown>
//! ```
//!
//! What this file does not do: tell processor time from bytes; the field says which it is.

use crate::model::time::{MINUTE, SECOND};

/// Endings and what they multiply by.
const ENDINGS: [(&str, f64); 14] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("%", 1.0),
];

/// The number that a quantity stands for.
#[must_use]
pub fn quantity(text: &str) -> Option<f64> {
    let (number, scale) = ENDINGS.iter().find_map(|(ending, scale)| text.strip_suffix(ending).map(|number| (number, *scale))).unwrap_or((text, 1.0));
    // The nearest float of the product of `115` and a thousandth is not that of 0.115.
    let value = number.parse::<f64>().ok().filter(|_| number.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '-'))?;
    let scaled = if scale < 1.0 { value / (1.0 / scale).round() } else { value * scale };
    scaled.is_finite().then_some(scaled)
}

/// How long ago, in nanoseconds: `3m12s`, `2d4h`, `5y30d`.
#[must_use]
pub fn age(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut nanos = 0_i64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest.get(..digits)?.parse().ok()?;
        let unit = match rest.as_bytes().get(digits)? {
            b's' => SECOND,
            b'm' => MINUTE,
            b'h' => 60 * MINUTE,
            b'd' => 24 * 60 * MINUTE,
            b'y' => 365 * 24 * 60 * MINUTE,
            _ => return None,
        };
        nanos = nanos.checked_add(number.checked_mul(unit)?)?;
        rest = rest.get(digits + 1..)?;
    }
    (!text.is_empty()).then_some(nanos)
}

/// An age in a listing of events: how long ago last, how long ago first, how often. `4m (x12 over 9m)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Nanoseconds since the last time.
    pub last: i64,
    /// Nanoseconds since the first time, if it happened more than once.
    pub first: Option<i64>,
    /// How often.
    pub count: u32,
}

/// Reads an age with what may stand behind it.
#[must_use]
pub fn seen(text: &str) -> Option<Seen> {
    let (last, rest) = text.split_once(' ').unwrap_or((text, ""));
    let last = age(last)?;
    let Some((count, over)) = rest.strip_prefix("(x").and_then(|rest| rest.strip_suffix(')')).and_then(|inner| inner.split_once(" over ")) else {
        return rest.trim().is_empty().then_some(Seen { last, first: None, count: 1 });
    };
    Some(Seen { last, first: age(over), count: count.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        let all = ["115m", "1k", "128Mi", "2", "0.5", "250M", "1500m", "23%", "12345n"].map(quantity);
        assert_eq!(all, [0.115, 1000.0, 134_217_728.0, 2.0, 0.5, 250e6, 1.5, 23.0, 0.000_012_345].map(Some));
        assert_eq!(["", "m", "<unknown>", "inf", "1x", "NaN"].map(quantity), [None; 6]);
    }

    #[test]
    fn ages() {
        let seconds = |text| age(text).map(|nanos| nanos / SECOND);
        assert_eq!(["3m12s", "2d4h", "45s", "1y"].map(seconds), [Some(192), Some(187_200), Some(45), Some(31_536_000)]);
        assert_eq!(["", "<unknown>", "3", "m", "3m1", "99999999999999y"].map(age), [None; 6]);
        assert_eq!(seen("4m (x12 over 9m)"), Some(Seen { last: 4 * MINUTE, first: Some(9 * MINUTE), count: 12 }));
        assert_eq!(seen("45s"), Some(Seen { last: 45 * SECOND, first: None, count: 1 }));
        assert_eq!((seen("4m (x12"), seen("x")), (None, None));
    }
}
