//! What the prose of a record says about a cached entry that no field names: its key, the thing it is of, a duration.
//!
//! ```text
//! Cache HIT product:42 (age 12s)                         product:42
//! Updated product 42 to version 18                       product, 42
//! Cache miss for key home:feed, loaded in 898 ms         898 ms
//! ```
//!
//! What this file does not do: say whether the record is about a cache at all.

use crate::correlate::effect::pairs::{self, Joint};

/// Words before a number that are no kind of thing.
const NO_THING: &[&str] = &[
    "version",
    "rev",
    "revision",
    "took",
    "after",
    "age",
    "ttl",
    "port",
    "status",
    "attempt",
    "line",
    "http",
    "code",
    "size",
    "count",
    "limit",
    "offset",
    "for",
    "from",
    "with",
    "the",
    "and",
    "key",
    "keys",
    "thread",
    "ms",
    "node",
    "shard",
    "partition",
    "generation",
    "seq",
    "last",
    "within",
    "expires",
    "than",
    "entry",
    "entries",
    "total",
    "was",
    "now",
    "set",
    "got",
    "has",
    "returned",
    "updated",
    "price",
    "stock",
    "quantity",
    "balance",
];
/// Words before a token that make it an address.
const TOWARDS: &[&str] = &["at", "to", "host", "node", "server", "via", "from"];
/// Beginnings of addresses that look like keys.
const SERVERS: &[&str] = &["redis", "localhost", "memcached", "valkey", "cache", "hazelcast", "http", "https", "tcp", "jdbc", "error", "err"];
/// Verbs and fillers of a sentence about a change; what remains first is the thing.
const FILLERS: &[&str] = &[
    "updated",
    "updating",
    "update",
    "saved",
    "saving",
    "committed",
    "changed",
    "persisted",
    "written",
    "upserted",
    "modified",
    "successfully",
    "the",
    "to",
    "in",
    "of",
    "for",
    "row",
    "record",
    "entity",
    "database",
    "db",
    "by",
    "new",
    "put",
    "patch",
    "post",
    "api",
    "v1",
    "v2",
    "returned",
    "served",
    "read",
];

/// The first token spelled like the key of a cache: `product:42`, `shop#user#7`.
pub(super) fn key(message: &str) -> Option<&str> {
    memchr::memchr2(b':', b'#', message.as_bytes())?;
    let mut before = "";
    for token in message.split_ascii_whitespace() {
        if memchr::memchr2(b':', b'#', token.as_bytes()).is_none() {
            before = token;
            continue;
        }
        let bare = token.trim_matches(|c: char| matches!(c, '"' | '\'' | '(' | ')' | '[' | ']' | '<' | '>' | ',' | '.' | ';' | ':' | '!' | '`'));
        if is_key(bare) && !TOWARDS.iter().any(|word| before.eq_ignore_ascii_case(word)) {
            return Some(bare);
        }
        before = token;
    }
    None
}

fn is_key(token: &str) -> bool {
    let Some(at) = token.find([':', '#']) else { return false };
    let (kind, id) = (&token[..at], token.get(at + 1..).unwrap_or(""));
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':' | b'#' | b'@' | b'|');
    kind.len() > 1
        && kind.starts_with(|c: char| c.is_ascii_alphabetic())
        && !kind.contains('=')
        && id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && token.len() <= 128
        && token.bytes().all(plain)
        && !SERVERS.iter().any(|server| kind.eq_ignore_ascii_case(server))
}

/// A thing with its id as prose has it: `product 42`, `sku AB-17`.
pub(super) fn thing(message: &str) -> Option<(&str, &str)> {
    let mut found = None;
    pairs::scan(message, |name, value, joint, _| {
        if found.is_some() || !matches!(joint, Joint::Bare | Joint::Quoted) {
            return;
        }
        let is_id = value.bytes().any(|b| b.is_ascii_digit())
            && value.len() <= 64
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        let is_word = || name.len() > 2 && name.bytes().all(|b| b.is_ascii_alphabetic()) && !NO_THING.iter().any(|no| name.eq_ignore_ascii_case(no));
        if is_id && is_word() && !is_amount(value) {
            found = Some((name, value));
        }
    });
    found
}

/// `17ms`, `3rd`, `v2`.
fn is_amount(value: &str) -> bool {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let unit = value.get(digits..).unwrap_or("");
    digits > 0 && ["ms", "s", "m", "h", "us", "ns", "st", "nd", "rd", "th", "x", "kb", "mb"].iter().any(|known| unit.eq_ignore_ascii_case(known))
}

/// The thing that a sentence about a change is of, by its first word that is neither verb nor filler.
pub(super) fn noun(prose: &str) -> Option<&str> {
    prose.split(' ').find(|word| word.len() > 2 && word.bytes().all(|b| b.is_ascii_alphabetic()) && !FILLERS.contains(word))
}

/// The thing that a path names last: `/api/products/42` is product 42.
pub(super) fn of_path(path: &str) -> Option<(&str, &str)> {
    let mut segments = path.rsplit('/').filter(|segment| !segment.is_empty());
    let (id, kind) = (segments.next()?, segments.next()?);
    let is_id = id.bytes().any(|b| b.is_ascii_digit()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let is_kind = kind.len() > 2 && kind.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_'));
    (is_id && is_kind).then_some((kind, id))
}

/// How long something took, in nanoseconds, by the first duration that follows `in`, `took`, `after` or stands in brackets.
pub(super) fn took(message: &str) -> Option<i64> {
    let mut words = message.split_ascii_whitespace().peekable();
    let mut before = "";
    while let Some(word) = words.next() {
        let joined = matches!(before, "in" | "took" | "after") || word.starts_with('(');
        let bare = word.trim_matches(|c: char| matches!(c, '(' | ')' | ',' | '.' | ';'));
        if joined && bare.starts_with(|c: char| c.is_ascii_digit()) {
            let unit = words.peek().map_or("", |next| next.trim_end_matches([')', ',', '.', ';']));
            let seconds = seconds(bare, "").or_else(|| seconds(bare, unit));
            if let Some(seconds) = seconds.filter(|seconds| *seconds < 86_400.0) {
                return Some((seconds * 1e9) as i64);
            }
        }
        before = word;
    }
    None
}

/// Units of time with their seconds.
const UNITS: &[(&[&str], f64)] = &[
    (&["ns"], 1e-9),
    (&["us", "\u{b5}s"], 1e-6),
    (&["ms", "millis", "milliseconds"], 1e-3),
    (&["s", "sec", "secs", "second", "seconds"], 1.0),
    (&["m", "min", "mins", "minute", "minutes"], 60.0),
    (&["h", "hour", "hours"], 3600.0),
    (&["d", "day", "days"], 86_400.0),
];

/// Seconds of `18`, `60s`, `500ms`, `10m`, `PT60S`; a bare number takes the unit given beside it, and is nothing without one.
pub(super) fn seconds(text: &str, unit: &str) -> Option<f64> {
    let text = text.strip_prefix("PT").unwrap_or(text);
    let digits = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let number: f64 = text.get(..digits)?.parse().ok()?;
    let own = text.get(digits..)?;
    let unit = if own.is_empty() { unit } else { own };
    let scale = UNITS.iter().find(|(names, _)| names.iter().any(|name| unit.eq_ignore_ascii_case(name)))?.1;
    Some(number * scale)
}

/// How many seconds a `Cache-Control` lets an answer be used, with what it grants beyond that; none if it does not say.
pub(super) fn cache_control(text: &str) -> Option<f64> {
    let directive = |name: &str| {
        let parts = text.split(',').map(str::trim);
        parts
            .filter_map(|part| part.split_once('='))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| value.trim_matches('"').parse::<f64>().ok())
    };
    let lifetime = directive("s-maxage").or_else(|| directive("max-age"))?;
    let granted = directive("stale-while-revalidate").unwrap_or(0.0).max(directive("stale-if-error").unwrap_or(0.0));
    Some(lifetime + granted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_prose() {
        for (text, want) in [
            ("cache hit product:42 version=7", Some("product:42")),
            ("[cache] MISS for 'user:42:v2'", Some("user:42:v2")),
            ("Failed to invalidate product:42: Unable to connect to redis:6379", Some("product:42")),
            ("Redis at redis:6379 timed out while evicting product:42", Some("product:42")),
            ("cache hit at 12:30:05", None),
            ("fetched http://catalog:8080/products/42 from cache", None),
            ("cache hit ratio: 97%", None),
        ] {
            assert_eq!(key(text), want, "{text}");
        }
    }

    #[test]
    fn things_in_prose() {
        assert_eq!(thing("Updated product 42 to version 18"), Some(("product", "42")));
        assert_eq!(thing("Returning Product #42 from cache (version 17)"), Some(("Product", "42")));
        assert_eq!((thing("loaded in 17ms after 3 attempts"), thing("cache hit version 7")), (None, None));
        assert_eq!((noun(" product updated "), noun(" updated price of product ")), (Some("product"), Some("price")));
        assert_eq!((of_path("/api/products/42"), of_path("/health"), of_path("/a/42")), (Some(("products", "42")), None, None));
    }

    #[test]
    fn durations() {
        assert_eq!(
            (took("loaded from DB in 898 ms"), took("loaded (1.5s)"), took("took 3s, ok")),
            (Some(898_000_000), Some(1_500_000_000), Some(3_000_000_000))
        );
        assert_eq!((took("loaded 20 rows"), took("in 2 steps"), took("")), (None, None, None));
        assert_eq!(
            (seconds("60s", ""), seconds("PT10M", ""), seconds("500ms", ""), seconds("18", "s"), seconds("18", "")),
            (Some(60.0), Some(600.0), Some(0.5), Some(18.0), None)
        );
        assert_eq!(cache_control("public, max-age=60, stale-while-revalidate=30"), Some(90.0));
        assert_eq!((cache_control("max-age=60, s-maxage=600"), cache_control("no-store")), (Some(600.0), None));
    }
}
