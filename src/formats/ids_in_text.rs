//! Trace and span ids that stand in the text of a message.
//!
//! ```text
//! [GetOrders] TraceID: 5b8aa5a2d2c872e8321cf37308d69df2 SpanID: 5fb397be34d26b51      calling with traceparent 00-5b8a…-5fb3…-01
//! ```
//!
//! What this file does not do: the fields of a record, which formats know by their names. This is the last resort.

use crate::model::ids::{SpanId, TraceId, traceparent};
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// The ids, if the text holds that of a trace. Of a trace without a span the span is none.
#[must_use]
pub fn find(text: &str) -> Option<(TraceId, SpanId)> {
    static TRACE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("race"));
    static SPAN: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("pan"));
    static PARENT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("00-"));
    let bytes = text.as_bytes();
    // The header has both; by name they may be written apart.
    PARENT.find_iter(bytes).find_map(|at| traceparent(&bytes[at..])).or_else(|| {
        // Datadog's ids are decimal.
        let mut named = TRACE.find_iter(bytes).filter(|&at| !bytes[..at].ends_with(b"dd.t"));
        let trace = named.find_map(|at| trace_at(&bytes[at + 4..]))?;
        Some((trace, SPAN.find_iter(bytes).find_map(|at| span_at(&bytes[at + 3..])).unwrap_or_default()))
    })
}

/// The id after `trace`: `-Id": "<hex>`, `_id = <hex>`, `parent: 00-<hex>-…`.
fn trace_at(rest: &[u8]) -> Option<TraceId> {
    let digits = id_after(rest)?;
    (16..=32).contains(&digits.len()).then(|| TraceId::parse(digits)).filter(|id| !id.is_none())
}

fn span_at(rest: &[u8]) -> Option<SpanId> {
    id_after(rest).filter(|digits| digits.len() == 16).map(SpanId::parse)
}

fn id_after(rest: &[u8]) -> Option<&[u8]> {
    let rest = rest.get(..64.min(rest.len()))?;
    let rest = match rest {
        [b'-' | b'_' | b'.' | b' ', b'i' | b'I', b'd' | b'D', rest @ ..]
        | [b'i' | b'I', b'd' | b'D', rest @ ..]
        | [b'p', b'a', b'r', b'e', b'n', b't', rest @ ..] => rest,
        _ => return None,
    };
    let signs = rest.iter().take_while(|b| matches!(b, b'"' | b'\'' | b' ' | b'=' | b':' | b'[' | b'\\')).count();
    if !rest[..signs].iter().any(|b| matches!(b, b'=' | b':' | b'[' | b' ')) {
        return None;
    }
    let rest = &rest[signs..];
    let rest = rest.strip_prefix(b"00-").unwrap_or(rest);
    let len = rest.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    (!rest.get(len).is_some_and(u8::is_ascii_alphanumeric)).then_some(&rest[..len])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_by_name_and_by_header() {
        let trace = TraceId::parse(b"5b8aa5a2d2c872e8321cf37308d69df2");
        let span = SpanId::parse(b"5fb397be34d26b51");
        for text in [
            "[PlaceOrder] TraceID: 5b8aa5a2d2c872e8321cf37308d69df2 SpanID: 5fb397be34d26b51",
            "trace_id=5b8aa5a2d2c872e8321cf37308d69df2 span_id=5fb397be34d26b51 done",
            "sent traceparent 00-5b8aa5a2d2c872e8321cf37308d69df2-5fb397be34d26b51-01",
        ] {
            assert_eq!(find(text), Some((trace, span)), "{text}");
        }
        assert_eq!(find("traceId: 5b8aa5a2d2c872e8321cf37308d69df2"), Some((trace, SpanId::NONE)));
        for text in ["", "the race is on", "trace id: none", "trace", "00-", "dd.trace_id=7277407061855694839", "a trace_id=xyz"] {
            assert_eq!(find(text), None, "{text}");
        }
    }
}
