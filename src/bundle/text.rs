//! UTF-16 as a Windows shell writes it, turned into UTF-8 before anything looks at it.
//!
//! Told by its byte order mark, or by a NUL in every second byte of the beginning. Offsets in the report are then those
//! of the UTF-8 text. What this file does not do: other code pages; a line that is not UTF-8 is read as Latin-1 later.

/// Which byte of a unit comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// The lower one.
    Little,
    /// The higher one.
    Big,
}

/// Whether the bytes begin like UTF-16 text.
#[must_use]
pub fn utf16(bytes: &[u8]) -> Option<Order> {
    match bytes {
        [0xff, 0xfe, ..] => return Some(Order::Little),
        [0xfe, 0xff, ..] => return Some(Order::Big),
        _ => {}
    }
    let head = &bytes[..bytes.len().min(256)];
    if head.len() < 8 {
        return None;
    }
    let (even, odd): (Vec<u8>, Vec<u8>) = head.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip();
    let texty = |bytes: &[u8]| bytes.iter().all(|&b| (b' '..127).contains(&b) || matches!(b, b'\n' | b'\r' | b'\t'));
    let empty = |bytes: &[u8]| bytes.iter().all(|&b| b == 0);
    match () {
        () if texty(&even) && empty(&odd) => Some(Order::Little),
        () if empty(&even) && texty(&odd) => Some(Order::Big),
        () => None,
    }
}

/// The text as UTF-8; halves of broken pairs become the replacement character.
#[must_use]
pub fn to_utf8(bytes: &[u8], order: Order) -> Vec<u8> {
    let unit = |pair: &[u8]| match (order, pair) {
        (Order::Little, [a, b]) => u16::from_le_bytes([*a, *b]),
        (Order::Big, [a, b]) => u16::from_be_bytes([*a, *b]),
        _ => u16::from(b'?'),
    };
    let units = bytes.chunks(2).map(unit).skip_while(|&u| u == 0xfeff);
    let text: String = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_with_and_without_a_mark() {
        let text = "Full thread dump\r\n\u{e9}";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "\u{feff}ab".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!((utf16(&little[..32]), utf16(&big)), (Some(Order::Little), Some(Order::Big)));
        assert_eq!(to_utf8(&little, Order::Little), text.as_bytes());
        assert_eq!(to_utf8(&big, Order::Big), b"ab");
        assert_eq!(utf16(b"2026-11-22 plain text"), None);
        assert_eq!(utf16(&[0; 64]), None);
    }
}
