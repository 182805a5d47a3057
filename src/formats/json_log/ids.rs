//! Trace and span ids as log libraries spell them.
//!
//! ```text
//! "trace_id":"4bf9…"   "dd.trace_id":"7277407061855694839"   "trace":"projects/p/traces/4bf9…"   "xray_trace_id":"1-5759e988-bd86…"
//! ```
//!
//! What this file does not do: the plain hex and base64 forms, which are `model/ids.rs`.

use crate::model::ids::{SpanId, TraceId};

/// Fewer digits are a number that somebody calls a trace, not an id.
const SHORTEST: usize = 8;

/// Reads a trace id; none if the text is no id, zero if it is the absent one. Only Datadog's keys hold decimal numbers.
#[must_use]
pub fn trace(text: &str, decimal: bool) -> Option<TraceId> {
    // By far the most common spelling, and cheap to tell.
    if text.len() == 32 {
        let id = TraceId::parse(text.as_bytes());
        return (!id.is_none() || absent(text.as_bytes())).then_some(id);
    }
    let text = text.rsplit_once("/traces/").map_or(text, |(_, id)| id).trim();
    if let Some(id) = decimal_id(text, decimal) {
        return Some(TraceId(id.into()));
    }
    let bytes = text.as_bytes();
    let id = match bytes.len() {
        // A UUID, and Amazon's `1-<8>-<24>`.
        36 if [8, 13, 18, 23].iter().all(|&at| bytes[at] == b'-') => TraceId::parse(&without_dashes(bytes)),
        35 if bytes.starts_with(b"1-") && bytes[10] == b'-' => TraceId::parse(&without_dashes(&bytes[2..])),
        ..SHORTEST => return None,
        _ => TraceId::parse(bytes),
    };
    (!id.is_none() || absent(bytes)).then_some(id)
}

/// Reads a span id; none if the text is no id, zero if it is the absent one.
#[must_use]
pub fn span(text: &str, decimal: bool) -> Option<SpanId> {
    let text = text.trim();
    if let Some(id) = decimal_id(text, decimal) {
        return Some(SpanId(id));
    }
    let id = if text.len() < SHORTEST { SpanId::NONE } else { SpanId::parse(text.as_bytes()) };
    (!id.is_none() || absent(text.as_bytes())).then_some(id)
}

fn decimal_id(text: &str, decimal: bool) -> Option<u64> {
    if decimal && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn absent(bytes: &[u8]) -> bool {
    bytes.iter().all(|&b| b == b'0' || b == b'-')
}

/// The first 32 bytes that are no dash.
fn without_dashes(bytes: &[u8]) -> [u8; 32] {
    let mut out = [b'-'; 32];
    for (to, from) in out.iter_mut().zip(bytes.iter().filter(|&&b| b != b'-')) {
        *to = *from;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        let want = Some(TraceId(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736));
        for text in [
            "4bf92f3577b34da6a3ce929d0e0e4736",
            "projects/p/traces/4bf92f3577b34da6a3ce929d0e0e4736",
            "4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
            "1-4bf92f35-77b34da6a3ce929d0e0e4736",
        ] {
            assert_eq!(trace(text, false), want, "{text}");
        }
        assert_eq!(trace("7277407061855694839", true), Some(TraceId(7_277_407_061_855_694_839)));
    }

    #[test]
    fn absent_is_not_wrong() {
        assert_eq!(trace("00000000000000000000000000000000", false), Some(TraceId::NONE));
        assert_eq!(trace("", false), None);
        assert_eq!(trace("abc", false), None);
        assert_eq!(trace("not a trace", false), None);
        assert_eq!(span("0000000000000000", false), Some(SpanId::NONE));
        assert_eq!(span("checkout", false), None);
    }
}
