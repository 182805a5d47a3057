//! Lines that no format claims: banners, output of `System.out`, exceptions that nobody logged.
//!
//! ```text
//! Exception in thread "pool-1-thread-3" java.lang.OutOfMemoryError: Java heap space
//! java.lang.OutOfMemoryError: GC overhead limit exceeded
//! Picked up JAVA_TOOL_OPTIONS: -Xmx512m
//! ```
//!
//! They become log records without time and level, so that nothing is lost and the exceptions among them count. What
//! this file does not do: split such lines into several records; nothing says where one would begin.

use super::lines::{Block, LineFormat};
use super::text_log::fields::{Pairs, Place};
use super::text_log::stack;
use crate::model::record::{LogRecord, Sink};

/// Takes what is left over; it never claims a line.
#[derive(Clone, Copy, Debug)]
pub struct FreeText;

impl LineFormat for FreeText {
    fn starts(&self, _: &[u8], _: &[u8]) -> bool {
        false
    }

    fn continues(&self) -> bool {
        true
    }

    fn record(&self, block: &Block<'_>, sink: &mut dyn Sink) {
        let split = stack::split_headless(block.text);
        let mut pairs = Pairs::default();
        pairs.scan(split.message, Place::Message);
        pairs.search(split.message);
        sink.log(&LogRecord {
            thread: stack::thread_of(split.message),
            trace: pairs.trace,
            span: pairs.span,
            message: split.message,
            stack: split.stack,
            fields: pairs.fields(),
            evidence: block.evidence,
            ..LogRecord::default()
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::formats::free_text::FreeText;
    use crate::formats::lines::{Block, LineFormat};
    use crate::model::source::{Evidence, FileId, Hints};
    use crate::model::transcript::Transcript;

    fn read(text: &str) -> String {
        let mut transcript = Transcript::default();
        FreeText.record(&Block { text, evidence: Evidence::new(FileId(0), 0, text.len()), hints: &Hints::default() }, &mut transcript);
        transcript.text
    }

    #[test]
    fn an_exception_nobody_logged() {
        assert_eq!(
            read("Exception in thread \"p-1\" java.lang.OutOfMemoryError: Java heap space\n\tat A.b(A.java:1)"),
            "log @0+87 thread=\"p-1\" message=\"Exception in thread \\\"p-1\\\" java.lang.OutOfMemoryError: Java heap space\" \
             stack=\"java.lang.OutOfMemoryError: Java heap space\" stack_lines=\"2\"\n"
        );
    }

    #[test]
    fn any_lines() {
        assert_eq!(read("hello\nworld"), "log @0+11 message=\"hello\\nworld\"\n");
    }
}
