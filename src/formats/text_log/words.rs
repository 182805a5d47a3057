//! What a single word before a message can be: a logger, a process number, a name.
//!
//! ```text
//! com.acme.orders.OrderService    hyper::client    14403#14403    (kafka.log.LogManager)    main ThreadId(01)
//! ```
//!
//! What this file does not do: levels (`level.rs`) and brackets (`brackets.rs`).

use super::brackets::is_dotted;

/// The logger that Kafka prints in brackets at the end of a line.
#[must_use]
pub fn trailing_logger(line: &str) -> Option<&str> {
    let line = line.trim_end().strip_suffix(')')?;
    let (_, name) = line.rsplit_once(" (")?;
    (is_identifier(name) && (name.contains('.') || name.ends_with("Logger") || name.ends_with("logger"))).then_some(name)
}

/// Rust's tracing prints the thread's name and id: `main ThreadId(01)`.
#[must_use]
pub fn rust_thread(bytes: &[u8], at: usize, name: &str) -> bool {
    name.starts_with("ThreadId(") || bytes.get(at..).is_some_and(|rest| rest.starts_with(b" ThreadId("))
}

/// A dotted or double-coloned name: `com.acme.X`, `hyper::client`, `o.s.w.s.DispatcherServlet`.
#[must_use]
pub fn is_logger(word: &str) -> bool {
    is_dotted(word)
}

/// A word that a pattern may print: no punctuation of prose.
#[must_use]
pub fn is_identifier(word: &str) -> bool {
    !word.is_empty()
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'$' | b':' | b'/' | b'@' | b'#' | b'<' | b'>' | b'(' | b')'))
}

/// A process or thread number: `12345`, `14403#14403`, `(14486)`.
#[must_use]
pub fn is_pid(word: &str) -> bool {
    let word = word.strip_prefix('(').and_then(|word| word.strip_suffix(')')).unwrap_or(word);
    word.bytes().all(|b| b.is_ascii_digit() || b == b'#') && word.bytes().next().is_some_and(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_words() {
        assert_eq!(trailing_logger("Log loaded (kafka.log.LogManager)"), Some("kafka.log.LogManager"));
        assert_eq!(trailing_logger("Retried (twice)"), None);
        assert!(is_logger("com.acme.X") && is_logger("hyper::client") && !is_logger("127.0.0.1"));
        assert!(is_identifier("http-nio-1") && !is_identifier("Hello,") && !is_identifier(""));
        assert!(is_pid("12345") && is_pid("14403#14403") && is_pid("(7)") && !is_pid("7a") && !is_pid("#"));
    }
}
