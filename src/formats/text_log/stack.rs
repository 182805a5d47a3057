//! Where a record's message ends and its stack trace begins.
//!
//! ```text
//! java.lang.RuntimeException: charge failed for order 42
//!     at App.mid(App.java:5)
//! Traceback (most recent call last):
//! ```
//!
//! Exception messages may hold line breaks, so everything after the first line of a stack belongs to it. What this file
//! does not do: take a stack apart into exceptions and frames, or bring Python's (type last) into Java's order.

/// A record's text in two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Split<'a> {
    /// What was logged.
    pub message: &'a str,
    /// The stack trace from the exception's type on, or empty.
    pub stack: &'a str,
}

/// Takes the stack trace off the message of a record, whose first line is always message.
#[must_use]
pub fn split(text: &str) -> Split<'_> {
    let Some(first_end) = memchr::memchr(b'\n', text.as_bytes()) else { return Split { message: text, stack: "" } };
    let first = text[..first_end].trim_end();
    let mut at = first_end + 1;
    while at < text.len() {
        let line = line_at(text, at);
        let next = at + line.len() + 1;
        if opens(line, || text.get(next..).map_or("", |rest| line_at(rest, 0))) {
            // A frame without a type before it: the pattern printed the exception on the message's own line.
            let inline = if is_frame(line) && at == first_end + 1 { type_within(first) } else { None };
            let begin = inline.unwrap_or_else(|| at + lead(line));
            return Split { message: text[..at].trim_end(), stack: text.get(begin..).unwrap_or("").trim_end() };
        }
        at = next;
    }
    Split { message: text.trim_end(), stack: "" }
}

/// Takes the stack trace off lines that have no head, of which the first may belong to the stack.
#[must_use]
pub fn split_headless(text: &str) -> Split<'_> {
    let first = line_at(text, 0);
    let next = text.get(first.len() + 1..).map_or("", |rest| line_at(rest, 0));
    if first.starts_with("Exception in thread") {
        let begin = type_within(first).unwrap_or(0);
        return Split { message: first.trim_end(), stack: text.get(begin..).unwrap_or("").trim_end() };
    }
    if opens(first, || next) {
        return Split { message: first.trim(), stack: text.trim() };
    }
    split(text)
}

/// The thread that `Exception in thread "x"` names.
#[must_use]
pub fn thread_of(line: &str) -> &str {
    line.strip_prefix("Exception in thread \"").and_then(|rest| rest.split_once('"')).map_or("", |(thread, _)| thread)
}

/// Whether `line` can only stand in a stack trace; what the sniffers do not hold against a file.
#[must_use]
pub fn belongs(line: &str) -> bool {
    line.starts_with([' ', '\t']) || opens(line, || "\tat A.b(") || line.ends_with(':') && line.starts_with("goroutine ")
}

/// Whether a stack begins with `line`.
fn opens<'a>(line: &str, next: impl FnOnce() -> &'a str) -> bool {
    let text = line.trim_start();
    let Some(&first) = text.as_bytes().first() else { return false };
    match first {
        b'a' if is_frame(line) => true,
        b'.' => text.starts_with("... ") && (text.ends_with(" more") || text.ends_with(" common frames omitted")),
        b'C' if text.starts_with("Caused by: ") => true,
        b'W' if text.starts_with("Wrapped by: ") => true,
        b'S' if text.starts_with("Suppressed: ") => true,
        b'E' if text.starts_with("Exception in thread ") => true,
        b'T' if text.starts_with("Traceback (most recent call last)") => true,
        b'g' if text.starts_with("goroutine ") && text.trim_end().ends_with("]:") => true,
        b'A'..=b'Z' | b'a'..=b'z' | b'_' => {
            let next = next();
            // Tomcat's formatter indents the whole stack; there only frames tell the type from prose.
            let indented = text.len() < line.len();
            is_type_line(text, || next) && (!indented || is_frame(next)) || !indented && is_go_frame(line, next)
        }
        _ => false,
    }
}

/// `\tat pkg.Class.method(File.java:12)`, and Node's and .NET's indented by spaces.
fn is_frame(line: &str) -> bool {
    let text = line.trim_start();
    text.len() < line.len() && text.strip_prefix("at ").is_some_and(|place| place.contains(['.', '(', ':']))
}

/// `pkg.SomeException: msg`. A word without a package counts only if frames follow; so does a type without the usual ending.
fn is_type_line<'a>(line: &str, next: impl FnOnce() -> &'a str) -> bool {
    let name = type_name(line);
    let after = line.as_bytes().get(name.len());
    if name.is_empty() || !matches!(after, None | Some(b':' | b'\r')) {
        return false;
    }
    let dotted = name.contains('.');
    if dotted && has_usual_ending(name) {
        return true;
    }
    (dotted || has_usual_ending(name)) && is_frame(next())
}

/// `pkg.(*Type).method` over `\tpkg/file.go:128`, as zap prints a stack, without anything above it.
fn is_go_frame(line: &str, next: &str) -> bool {
    let place = next.trim_start();
    place.len() < next.len() && place.contains(".go:") && line.contains('.') && !line.contains(' ')
}

fn type_name(text: &str) -> &str {
    let end = text.bytes().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$' | b'/'))).unwrap_or(text.len());
    text.get(..end).unwrap_or("")
}

fn has_usual_ending(name: &str) -> bool {
    ["Exception", "Error", "Throwable", "Failure", "Fault"].iter().any(|end| name.ends_with(end))
}

/// Where in a line of prose an exception's type begins.
fn type_within(line: &str) -> Option<usize> {
    let mut at = 0;
    for word in line.split(' ') {
        let start = at + word.len() - word.trim_start_matches(['(', '[', '\'', '"']).len();
        let name = line.get(start..).map_or("", type_name);
        if name.contains('.') && has_usual_ending(name) {
            return Some(start);
        }
        at += word.len() + 1;
    }
    None
}

/// How far into its line a stack begins: after the words before the exception's type, and after the indent.
fn lead(line: &str) -> usize {
    let indent = line.len() - line.trim_start().len();
    let text = line.trim_start();
    if text.starts_with("Exception in thread ") {
        return type_within(text).map_or(indent, |at| indent + at);
    }
    indent + ["Caused by: ", "Wrapped by: ", "Suppressed: "].iter().find(|words| text.starts_with(**words)).map_or(0, |words| words.len())
}

fn line_at(text: &str, at: usize) -> &str {
    let rest = text.get(at..).unwrap_or("");
    memchr::memchr(b'\n', rest.as_bytes()).map_or(rest, |n| &rest[..n])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(text: &str) -> (&str, &str) {
        let Split { message, stack } = split(text);
        (message, stack)
    }

    #[test]
    fn the_stack_begins_with_the_type() {
        assert_eq!(both("boom\njava.lang.X$YError: a\nb\n\tat A.b(A.java:1)\n"), ("boom", "java.lang.X$YError: a\nb\n\tat A.b(A.java:1)"));
        assert_eq!(
            both("boom\nTypeError: x is not a function\n    at f (a.js:1:2)"),
            ("boom", "TypeError: x is not a function\n    at f (a.js:1:2)")
        );
        assert_eq!(both("boom\ncom.acme.Declined: no\n\tat A.b(A.java:1)"), ("boom", "com.acme.Declined: no\n\tat A.b(A.java:1)"));
        assert_eq!(
            both("a: java.lang.IllegalStateException: b\n\tat A.b(A.java:1)"),
            ("a: java.lang.IllegalStateException: b", "java.lang.IllegalStateException: b\n\tat A.b(A.java:1)")
        );
        assert_eq!(both("boom\nTraceback (most recent call last):\n  File"), ("boom", "Traceback (most recent call last):\n  File"));
        assert_eq!(both("boom\na/b.(*Q).run\n\ta/b/q.go:1"), ("boom", "a/b.(*Q).run\n\ta/b/q.go:1"));
        assert_eq!(both("boom\n\tjava.io.IOError: x\n\t\tat A.b(A.java:1)"), ("boom", "java.io.IOError: x\n\t\tat A.b(A.java:1)"));
        assert_eq!(both("boom\nCaused by: java.io.IOException: x"), ("boom", "java.io.IOException: x"));
    }

    #[test]
    fn other_lines_are_message() {
        assert_eq!(both("multi\nline\tmessage"), ("multi\nline\tmessage", ""));
        assert_eq!(both("multi\nError: told by the user\nat noon"), ("multi\nError: told by the user\nat noon", ""));
        assert_eq!(both("kept:\n  com.acme.LastError: none\n  next: 7"), ("kept:\n  com.acme.LastError: none\n  next: 7", ""));
        assert_eq!(both("one"), ("one", ""));
        assert_eq!(both("one\n\n"), ("one", ""));
        assert_eq!(both("select\n  at time"), ("select\n  at time", ""));
    }

    #[test]
    fn lines_without_a_head() {
        let text = "Exception in thread \"http-1\" java.lang.OutOfMemoryError: Java heap space\n\tat A.b(A.java:1)";
        let split = split_headless(text);
        assert_eq!(split.message, "Exception in thread \"http-1\" java.lang.OutOfMemoryError: Java heap space");
        assert!(split.stack.starts_with("java.lang.OutOfMemoryError: Java heap space\n\tat"));
        assert_eq!(thread_of(text), "http-1");
        assert_eq!(split_headless("java.lang.OutOfMemoryError: x").stack, "java.lang.OutOfMemoryError: x");
        assert_eq!(split_headless("hello\nworld").message, "hello\nworld");
    }
}
