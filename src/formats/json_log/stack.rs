//! Stack traces: exception trees as text, and texts that begin with the exception.
//!
//! ```text
//! "thrown":{"name":"java.lang.IllegalStateException","message":"pool empty","extendedStackTrace":[{"class":"App","method":"run","file":"App.java","line":5}]}
//! "throwable":{"className":"…","stepArray":[…],"commonFramesCount":0,"cause":{…},"suppressed":[{…}]}
//! "exception":[{"exc_type":"RuntimeError","exc_value":"declined","frames":[{"filename":"/srv/p.py","lineno":23,"name":"pay"}]}]
//! ```
//!
//! A tree is written as the JVM would print it, so that one reader of stack traces serves all. What this file does not
//! do: understand frames.

use crate::formats::json_log::bump::{Bump, Pen};
use crate::formats::json_log::scan::{Broken, Cursor, Item, Raw};
use std::fmt::Write;

/// Causes of causes beyond this are left out.
const DEEPEST: u8 = 16;

/// The tree as text; none if it is no exception. A tree that holds its own text is that text.
pub fn render<'a>(tree: &'a str, bump: &mut Bump<'a>) -> Option<&'a str> {
    let text = bump.text(|pen| {
        // What has been written up to an unexpected shape is kept.
        let _ = value(tree, pen, "", ["", "Caused by: "], 0);
    })?;
    let text = text.trim_end();
    (!text.is_empty()).then_some(text)
}

/// The stack trace with the exception's type and message as its first line, which Python prints last and ECS elsewhere.
pub fn headed<'a>(stack: &'a str, kind: &str, message: &str, bump: &mut Bump<'a>) -> &'a str {
    let stack = stack.trim_end().trim_start_matches(['\n', '\r']);
    if stack.starts_with("Traceback (most recent call last)")
        && let Some(head) = python_head(stack)
    {
        return bump.text(|pen| [head, "\n", stack].iter().for_each(|part| pen.push(part))).unwrap_or(stack);
    }
    if !kind.is_empty() && stack.starts_with([' ', '\t', '[']) {
        let parts = [kind, if message.is_empty() { "" } else { ": " }, message, "\n", stack];
        return bump.text(|pen| parts.iter().for_each(|part| pen.push(part))).unwrap_or(stack);
    }
    stack
}

/// Whether a text under a key that may mean something else (`stack`, `exception`) is a stack trace.
#[must_use]
pub fn plausible(text: &str) -> bool {
    text.contains('\n') || text.contains("Exception") || text.contains("Error") || text.contains(": ")
}

/// Where a text's stack trace begins, if it holds one: the exception's line, or Python's `Traceback`.
#[must_use]
pub fn start(text: &str) -> Option<usize> {
    if let Some(at) = text.find("Traceback (most recent call last)") {
        return Some(at);
    }
    let frame = text.find("\n\tat ").or_else(|| text.find("\n    at ")).or_else(|| text.find("\n   at "))?;
    // The message of the exception may itself have several lines; its type is on the first that looks like one.
    let mut at = 0;
    for line in text[..frame].split_inclusive('\n') {
        let head = line.split([':', ' ']).next().unwrap_or_default().trim_end();
        if head.ends_with("Exception") || head.ends_with("Error") || head.ends_with("Throwable") {
            return Some(at);
        }
        at += line.len();
    }
    Some(text[..frame].rfind('\n').map_or(0, |n| n + 1))
}

/// The last exception of a Python traceback: the unindented lines after its last frame.
fn python_head(stack: &str) -> Option<&str> {
    let last = stack.rfind("Traceback (most recent call last)")?;
    let (mut at, mut head) = (last, None);
    for line in stack[last..].split_inclusive('\n') {
        if line.starts_with([' ', '\t', '>']) {
            head = None;
        } else if head.is_none() && at > last && !line.trim().is_empty() {
            head = Some(at);
        }
        at += line.len();
    }
    head.map(|at| stack[at..].trim_end())
}

/// What the keys of one exception hold. Absent texts are empty.
#[derive(Default)]
struct Exception<'a> {
    kind: Option<Raw<'a>>,
    message: Option<Raw<'a>>,
    text: Option<Raw<'a>>,
    frames: Option<&'a str>,
    cause: Option<&'a str>,
    suppressed: Option<&'a str>,
    common: Option<&'a str>,
}

/// Writes an exception, or a list of them: the first under the first label, the others under the second.
fn value(tree: &str, pen: &mut Pen<'_>, indent: &str, labels: [&str; 2], depth: u8) -> Result<(), Broken> {
    let mut cursor = Cursor::new(tree);
    match cursor.item()? {
        Item::Object => exception(&mut cursor, pen, indent, labels[0], depth),
        Item::Array => {
            let mut first = true;
            while cursor.element(first)? {
                let label = labels[usize::from(!first)];
                if matches!(cursor.item()?, Item::Object) {
                    exception(&mut cursor, pen, indent, label, depth)?;
                }
                first = false;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn exception(cursor: &mut Cursor<'_>, pen: &mut Pen<'_>, indent: &str, label: &str, depth: u8) -> Result<(), Broken> {
    let found = members(cursor)?;
    if let Some(text) = found.text.filter(|text| depth == 0 && !text.text.is_empty()) {
        pen.raw(text);
        return Ok(());
    }
    let Some(kind) = found.kind.or(found.message) else { return Ok(()) };
    if !pen.is_empty() && pen.last() != Some(b'\n') {
        pen.push("\n");
    }
    pen.push(indent);
    pen.push(label);
    pen.raw(kind);
    if let Some(message) = found.message.filter(|message| found.kind.is_some() && !message.text.is_empty()) {
        pen.push(": ");
        pen.raw(message);
    }
    pen.push("\n");
    if let Some(list) = found.frames {
        frames(list, pen, indent)?;
    }
    if let Some(common) = found.common.filter(|&common| common != "0") {
        let _ = writeln!(pen, "{indent}\t... {common} more");
    }
    if depth < DEEPEST {
        if let Some(list) = found.suppressed {
            value(list, pen, "\t", ["Suppressed: "; 2], depth + 1)?;
        }
        if let Some(cause) = found.cause {
            value(cause, pen, indent, ["Caused by: "; 2], depth + 1)?;
        }
    }
    Ok(())
}

fn members<'a>(cursor: &mut Cursor<'a>) -> Result<Exception<'a>, Broken> {
    let mut found = Exception::default();
    let mut first = true;
    while let Some(key) = cursor.member(first)? {
        first = false;
        match (key.text, cursor.item()?) {
            ("name" | "className" | "class" | "type" | "exc_type" | "exceptionClass" | "ClassName" | "Type", Item::Text(text)) => {
                found.kind = Some(text)
            }
            ("message" | "exc_value" | "value" | "exceptionMessage" | "Message", Item::Text(text)) => found.message = Some(text),
            ("extendedStackTrace" | "stackTrace" | "stack_trace" | "stacktrace" | "stack" | "traceback", Item::Text(text)) => found.text = Some(text),
            ("extendedStackTrace" | "stepArray" | "frames" | "stackTrace" | "stack" | "stackTraceElements", Item::Array) => {
                found.frames = Some(cursor.rest()?)
            }
            ("cause" | "causedBy" | "InnerException" | "innerException", Item::Object) => found.cause = Some(cursor.rest()?),
            ("suppressed", Item::Array) => found.suppressed = Some(cursor.rest()?),
            ("commonElementCount" | "commonFramesCount", Item::Number(count)) => found.common = Some(count),
            (_, Item::Object | Item::Array) => {
                cursor.rest()?;
            }
            _ => {}
        }
    }
    Ok(found)
}

fn frames(list: &str, pen: &mut Pen<'_>, indent: &str) -> Result<(), Broken> {
    let mut cursor = Cursor::new(list);
    cursor.item()?;
    let mut first = true;
    while cursor.element(first)? {
        first = false;
        match cursor.item()? {
            Item::Object => frame(&mut cursor, pen, indent)?,
            Item::Text(text) => {
                pen.push(indent);
                pen.push(if text.text.starts_with("at ") { "\t" } else { "\tat " });
                pen.raw(text);
                pen.push("\n");
            }
            Item::Array => {
                cursor.rest()?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn frame(cursor: &mut Cursor<'_>, pen: &mut Pen<'_>, indent: &str) -> Result<(), Broken> {
    let (mut class, mut method, mut file, mut line) = (None, None, None, None);
    let mut first = true;
    while let Some(key) = cursor.member(first)? {
        first = false;
        match (key.text, cursor.item()?) {
            ("class" | "className" | "declaringClass" | "module", Item::Text(text)) => class = Some(text),
            ("method" | "methodName" | "function" | "name", Item::Text(text)) => method = Some(text),
            ("file" | "fileName" | "filename", Item::Text(text)) => file = Some(text),
            ("line" | "lineNumber" | "lineno", Item::Number(number)) => line = Some(number),
            (_, Item::Object | Item::Array) => {
                cursor.rest()?;
            }
            _ => {}
        }
    }
    pen.push(indent);
    pen.push("\tat ");
    if let Some(class) = class {
        pen.raw(class);
        pen.push(".");
    }
    if let Some(method) = method {
        pen.raw(method);
    }
    pen.push("(");
    match (file, line) {
        (Some(file), Some(line)) if !line.starts_with('-') => {
            pen.raw(file);
            pen.push(":");
            pen.push(line);
        }
        (Some(file), _) => pen.raw(file),
        (None, Some("-2")) => pen.push("Native Method"),
        (None, _) => pen.push("Unknown Source"),
    }
    pen.push(")\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(tree: &str) -> String {
        let mut buffer = vec![0; 4096];
        render(tree, &mut Bump::new(&mut buffer)).unwrap_or("").to_owned()
    }

    #[test]
    fn trees_of_three_libraries() {
        let log4j2 = r#"{"name":"a.B","message":"x","commonElementCount":0,"extendedStackTrace":[{"class":"C","method":"m","file":"C.java","line":5}],
            "cause":{"name":"D","message":"y\nz","commonElementCount":2,"extendedStackTrace":[{"class":"E","method":"n"}]},
            "suppressed":[{"name":"F","extendedStackTrace":[{"class":"G","method":"o","file":"G.java","line":1}]}]}"#;
        assert_eq!(
            rendered(log4j2),
            "a.B: x\n\tat C.m(C.java:5)\n\tSuppressed: F\n\t\tat G.o(G.java:1)\nCaused by: D: y\nz\n\tat E.n(Unknown Source)\n\t... 2 more"
        );
        let logback = r#"{"className":"a.B","message":null,"stepArray":[{"className":"C","methodName":"m","fileName":"C.java","lineNumber":-2}],"commonFramesCount":0}"#;
        assert_eq!(rendered(logback), "a.B\n\tat C.m(C.java)");
        let structlog = r#"[{"exc_type":"R","exc_value":"a","frames":[{"filename":"p.py","lineno":3,"name":"f","locals":{"x":"{"}}]},{"exc_type":"K","exc_value":"'k'","frames":[]}]"#;
        assert_eq!(rendered(structlog), "R: a\n\tat f(p.py:3)\nCaused by: K: 'k'");
        assert_eq!(rendered(r#"{"extendedStackTrace":"a.B: x\n\tat C.m(C.java:5)\n","name":"a.B"}"#), "a.B: x\n\tat C.m(C.java:5)");
        assert_eq!(rendered(r#"{"code":5}"#), "");
    }

    #[test]
    fn causes_without_end_stop() {
        let tree = format!("{}{}", r#"{"name":"A","cause":"#.repeat(60), "{}") + &"}".repeat(60);
        assert_eq!(rendered(&tree).matches("Caused by").count(), usize::from(DEEPEST));
    }

    #[test]
    fn the_exception_comes_first() {
        let mut buffer = [0; 1024];
        let mut bump = Bump::new(&mut buffer);
        let python = "Traceback (most recent call last):\n  File \"a.py\", line 1\n    x\nKeyError: 'k'\n\nDuring handling:\n\nTraceback (most recent call last):\n  File \"a.py\", line 2\n    y\nRuntimeError: declined\nline two";
        assert!(headed(python, "", "", &mut bump).starts_with("RuntimeError: declined\nline two\nTraceback"));
        assert_eq!(headed("  File \"a.py\"\n", "RuntimeError", "m", &mut bump), "RuntimeError: m\n  File \"a.py\"");
        assert_eq!(headed("a.B: x\n\tat c", "a.B", "x", &mut bump), "a.B: x\n\tat c");
    }

    #[test]
    fn where_a_stack_begins() {
        let text = "charge failed\n\njava.lang.RuntimeException: no\nmoney\n\tat A.b(A.java:1)";
        assert_eq!(start(text), Some(15));
        assert_eq!(start("just text\nof two lines"), None);
    }
}
