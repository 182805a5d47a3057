//! Trace and span ids as integers.
//!
//! Real bundles spell one id in many ways; all of these are the same trace:
//! `487b63689b67fda37f72115830b913a9`, `0x487B63689B67FDA37F72115830B913A9`, `SHtjaJtn/aN/chFYMLkTqQ==`.
//! Sixty-four bit trace ids and ids whose leading zeros were dropped are padded on the left; all zeros means absent.
//! What this file does not do: decimal ids, which only the format that writes them can tell from hex.

use crate::model::digits;
use std::fmt;

/// A 128-bit trace id; zero means "none".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TraceId(pub u128);

/// A 64-bit span id; zero means "none".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SpanId(pub u64);

/// A log template: the stable hash of its masked text (`correlate/template.rs`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct TemplateId(pub u64);

impl TraceId {
    /// No trace.
    pub const NONE: Self = Self(0);

    /// Reads hex of any case (with or without `0x`) up to 32 digits, or base64 of 16 bytes; anything else is none.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        // By far the most are written whole.
        Self(digits::hex32(text).or_else(|| hex(text, 32)).or_else(|| base64::<16>(text).map(u128::from_be_bytes)).unwrap_or(0))
    }

    /// From the bytes of a protobuf field: sixteen of them, or eight for an old 64-bit id.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        match (<[u8; 16]>::try_from(bytes), <[u8; 8]>::try_from(bytes)) {
            (Ok(b), _) => Self(u128::from_be_bytes(b)),
            (_, Ok(b)) => Self(u64::from_be_bytes(b).into()),
            _ => Self::NONE,
        }
    }

    /// Whether no trace is named.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl SpanId {
    /// No span.
    pub const NONE: Self = Self(0);

    /// Reads hex of any case (with or without `0x`) up to 16 digits, or base64 of 8 bytes; anything else is none.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        if let Some(id) = digits::hex16(text) {
            return Self(id);
        }
        let wide = hex(text, 16).or_else(|| base64::<8>(text).map(|b| u64::from_be_bytes(b).into()));
        Self(wide.and_then(|w| u64::try_from(w).ok()).unwrap_or(0))
    }

    /// From the eight bytes of a protobuf field.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(<[u8; 8]>::try_from(bytes).map_or(0, u64::from_be_bytes))
    }

    /// Whether no span is named.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// The ids of the `traceparent` header that stands at the start of `text`: `00-<32 hex>-<16 hex>-<2 hex>`.
///
/// Source: W3C Trace Context, of which one rule is not kept: a span of zeros does not make the header invalid, since the
/// trace is what joins records.
#[must_use]
pub fn traceparent(text: &[u8]) -> Option<(TraceId, SpanId)> {
    let text = text.first_chunk::<55>()?;
    let (b'-', b'-', b'-') = (text[2], text[35], text[52]) else { return None };
    let [trace, span] = [&text[3..35], &text[36..52]];
    if ![&text[..2], trace, span, &text[53..]].into_iter().flatten().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let ids = (TraceId::parse(trace), SpanId::parse(span));
    (!ids.0.is_none()).then_some(ids)
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Every byte's hex value, or 255.
const HEX: [u8; 256] = {
    let mut table = [255; 256];
    let mut i = 0;
    while i < 10 {
        table[b'0' as usize + i] = i as u8;
        i += 1;
    }
    i = 0;
    while i < 6 {
        table[b'a' as usize + i] = 10 + i as u8;
        table[b'A' as usize + i] = 10 + i as u8;
        i += 1;
    }
    table
};

fn hex(text: &[u8], digits: usize) -> Option<u128> {
    let text = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"0X")).unwrap_or(text);
    if text.is_empty() || text.len() > digits {
        return None;
    }
    let (mut value, mut seen) = (0_u128, 0_u8);
    for &byte in text {
        let digit = HEX[usize::from(byte)];
        seen |= digit;
        value = value << 4 | u128::from(digit & 15);
    }
    (seen < 16).then_some(value)
}

fn base64<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let text = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    if text.len() != (N * 8).div_ceil(6) {
        return None;
    }
    let mut out = [0; N];
    let (mut bits, mut held, mut at) = (0_u32, 0, 0);
    for &byte in text {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            *out.get_mut(at)? = (bits >> held & 255) as u8;
            at += 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trace_many_spellings() {
        let want = TraceId(0x487b_6368_9b67_fda3_7f72_1158_30b9_13a9);
        for text in ["487b63689b67fda37f72115830b913a9", "0x487B63689B67FDA37F72115830B913A9", "SHtjaJtn/aN/chFYMLkTqQ=="] {
            assert_eq!(TraceId::parse(text.as_bytes()), want, "{text}");
        }
        assert_eq!(TraceId::from_bytes(&want.0.to_be_bytes()), want);
    }

    #[test]
    fn dropped_zeros_are_padded_and_zero_is_none() {
        assert_eq!(TraceId::parse(b"9efd15c1c98a977e0711cc93ee28b"), TraceId(0x9_efd1_5c1c_98a9_77e0_711c_c93e_e28b));
        assert!(TraceId::parse(b"00000000000000000000000000000000").is_none());
        assert!(TraceId::parse(b"").is_none() && TraceId::parse(b"not an id").is_none());
    }

    #[test]
    fn the_header_of_a_trace() {
        let of = |text: &str| traceparent(text.as_bytes()).map(|(trace, span)| format!("{trace} {:x}", span.0));
        let whole = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let ids = "4bf92f3577b34da6a3ce929d0e0e4736 f067aa0ba902b7";
        assert_eq!((of(whole).as_deref(), of(&format!("{whole}, and more")).as_deref()), (Some(ids), Some(ids)));
        assert!(of("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-00").is_some_and(|ids| ids.ends_with(" 0")));
        for text in [
            "",
            "00-x-y-z",
            &whole[1..],
            &whole.replace("4bf", "xyz"),
            &whole.replace("00f0", "zzzz"),
            &whole.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn span_ids_in_hex_and_base64() {
        assert_eq!(SpanId::parse(b"4013aa1f7d3c8a1b"), SpanId(0x4013_aa1f_7d3c_8a1b));
        assert_eq!(SpanId::parse(b"QBOqH308ihs="), SpanId(0x4013_aa1f_7d3c_8a1b));
        assert!(SpanId::parse(b"4013aa1f7d3c8a1b00").is_none());
    }
}
