//! Numbers with units, as the JVM prints them.
//!
//! ```text
//! 154.50ms    6,00s    782K    48M
//! ```
//!
//! Integers all the way, so that no digit is lost. What this file does not do: find the number in a line.

/// A decimal number times `unit`, with a dot or a comma: `decimal("15.339", 1_000_000)` is 15 339 000.
#[must_use]
pub fn decimal(text: &str, unit: u64) -> Option<u64> {
    let mark = memchr::memchr2(b'.', b',', text.as_bytes()).unwrap_or(text.len());
    let (whole, fraction) = (text.get(..mark)?, text.get(mark + 1..).unwrap_or_default());
    let mut value = digits(whole)?.checked_mul(unit)?;
    let mut scale = unit;
    for digit in fraction.bytes() {
        scale /= 10;
        value = value.checked_add(u64::from(digit.checked_sub(b'0').filter(|d| *d < 10)?) * scale)?;
    }
    Some(value)
}

/// Bytes: a whole number with the unit `B`, `K`, `M`, `G` or `T`.
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let scale = match unit {
        "B" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return None,
    };
    digits(number)?.checked_mul(scale)
}

/// A whole number without sign.
#[must_use]
pub fn digits(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.bytes().try_fold(0_u64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|d| *d < 10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_units() {
        assert_eq!(decimal("15.339", 1_000_000), Some(15_339_000));
        assert_eq!(decimal("0,0000470", 1_000_000_000), Some(47_000));
        assert_eq!(decimal("7", 10), Some(70));
        assert_eq!((decimal("", 1), decimal("1.x", 10), decimal("-1", 1), decimal("99999999999999999999", 1)), (None, None, None, None));
        assert_eq!((bytes("782K"), bytes("0B"), bytes("3G")), (Some(800_768), Some(0), Some(3 << 30)));
        assert_eq!((bytes("12"), bytes("K"), bytes("5%"), bytes(""), bytes("\u{e9}"), bytes("99999999999T")), (None, None, None, None, None, None));
    }
}
