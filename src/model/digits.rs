//! Digits eight at a time: most of what a record's numbers and ids are made of.
//!
//! What this file does not do: signs, fractions and other spellings; who finds none here reads on by other means.

const fn all(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The number that eight decimal digits are.
#[inline]
fn eight(chunk: [u8; 8]) -> Option<u64> {
    let word = u64::from_le_bytes(chunk);
    let tops = word & all(0xf0);
    let carried = word.wrapping_add(all(6)) & all(0xf0);
    if (tops | (carried >> 4)) != all(0x33) {
        return None;
    }
    // Neighbours become pairs, pairs become fours, and both fours one number.
    let digits = word - all(b'0');
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let low = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let high = ((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    Some(low.wrapping_add(high) >> 32)
}

/// The number that one to nineteen decimal digits are; none if there are more, none at all, or other bytes among them, or if
/// it does not fit. The nanoseconds of our days have nineteen.
#[inline]
#[must_use]
pub fn whole(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    let (chunks, rest) = text.as_chunks::<8>();
    // Nineteen nines fit.
    let mut value = 0_u64;
    for chunk in chunks {
        value = value * 100_000_000 + eight(*chunk)?;
    }
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    i64::try_from(value).ok()
}

/// The number that eight hexadecimal digits are.
#[inline]
fn eight_hex(chunk: [u8; 8]) -> Option<u64> {
    let word = u64::from_be_bytes(chunk);
    let top = all(0x80);
    if word & top != 0 {
        return None;
    }
    // A byte's highest bit is set by adding what it lacks to the first byte past a range.
    let within = |word: u64, first: u8, last: u8| (word + all(0x80 - first)) & !(word + all(0x7f - last)) & top;
    let letters = within(word | all(0x20), b'a', b'f');
    // The bit that makes letters small is set in digits anyway.
    if (within(word, b'0', b'9') | letters) != top {
        return None;
    }
    let halves = (word & all(0x0f)) + (letters >> 7) * 9;
    let bytes = (halves | (halves >> 4)) & 0x00ff_00ff_00ff_00ff;
    let pairs = (bytes | (bytes >> 8)) & 0x0000_ffff_0000_ffff;
    Some((pairs | (pairs >> 16)) & 0xffff_ffff)
}

/// The number that sixteen hexadecimal digits are.
#[inline]
#[must_use]
pub fn hex16(text: &[u8]) -> Option<u64> {
    let ([high, low], []) = text.as_chunks::<8>() else { return None };
    Some((eight_hex(*high)? << 32) | eight_hex(*low)?)
}

/// The number that thirty-two hexadecimal digits are.
#[inline]
#[must_use]
pub fn hex32(text: &[u8]) -> Option<u128> {
    let (high, low) = text.split_at_checked(16)?;
    Some((u128::from(hex16(high)?) << 64) | u128::from(hex16(low)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_numbers() {
        for text in ["0", "7", "12345678", "123456789", "00000000000001", "179537622318100000", "1795376223181000000", "9223372036854775807"] {
            assert_eq!(whole(text.as_bytes()), text.parse().ok(), "{text}");
        }
        for text in [
            "",
            "-1",
            "1.5",
            "1234567x",
            "x2345678",
            "1234:678",
            "1234/678",
            "12345678 ",
            "9223372036854775808",
            "00000000000000000001",
            "1234567\u{e9}",
        ] {
            assert_eq!(whole(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn every_byte_in_every_place() {
        for byte in 0..=255_u8 {
            for at in 0..8 {
                let mut decimal = *b"90817263";
                decimal[at] = byte;
                let want = std::str::from_utf8(&decimal).ok().filter(|_| byte.is_ascii_digit()).and_then(|text| text.parse().ok());
                assert_eq!(eight(decimal), want, "{byte} at {at}");
                let mut hex = *b"9aF0bC7e";
                hex[at] = byte;
                let want = std::str::from_utf8(&hex).ok().filter(|_| byte.is_ascii_hexdigit()).and_then(|text| u64::from_str_radix(text, 16).ok());
                assert_eq!(eight_hex(hex), want, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn ids() {
        assert_eq!(hex16(b"84f3928c46882954"), Some(0x84f3_928c_4688_2954));
        assert_eq!(hex32(b"487B63689b67fda37f72115830b913a9"), Some(0x487b_6368_9b67_fda3_7f72_1158_30b9_13a9));
        assert_eq!((hex16(b"84f3928c4688295"), hex16(b"84f3928c4688295g"), hex32(b"")), (None, None, None));
    }
}
