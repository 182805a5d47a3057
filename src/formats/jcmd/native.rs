//! Native memory tracking: `VM.native_memory summary` and `summary.diff`.
//!
//! ```text
//! Total: reserved=1527200KB +192KB, committed=121756KB +192KB
//! -                    Thread (reserved=89342KB, committed=8630KB)
//!                             (thread #89 +57)
//! ```
//!
//! What this file does not do: call sites of the detailed listing.

use super::Out;
use crate::formats::block_lines::BlockLine;
use crate::formats::quantity::digits;

/// Reads a line; false if it is no part of the report.
pub(super) fn line(line: &BlockLine<'_>, out: &mut Out<'_, '_>) -> bool {
    let text = line.text.trim_ascii();
    if let Some(sizes) = text.strip_prefix("Total: ") {
        numbers(sizes, "total", line, out);
        return true;
    }
    if let Some((category, sizes)) = line.text.strip_prefix('-').and_then(|rest| rest.split_once(" (")) {
        numbers(sizes.trim_end_matches(')'), category.trim_ascii(), line, out);
        return true;
    }
    for (words, name) in [("(thread #", "jvm.nmt.threads"), ("(classes #", "jvm.nmt.classes")] {
        let Some(counts) = text.strip_prefix(words).map(|rest| rest.trim_end_matches(')')) else { continue };
        let (count, change) = counts.split_once(' ').unwrap_or((counts, ""));
        if let Some(count) = digits(count) {
            out.number(name, &[], count as f64, line);
        }
        if let Ok(change) = change.trim_ascii().parse::<f64>() {
            let name = if name.ends_with("threads") { "jvm.nmt.threads.change" } else { "jvm.nmt.classes.change" };
            out.number(name, &[], change, line);
        }
    }
    // Everything else of the report is indented, in parentheses, or a sentence above it.
    line.text.starts_with([' ', '(']) || text == "Native Memory Tracking:"
}

/// `reserved=1527200KB +192KB, committed=121756KB +192KB`
fn numbers(text: &str, category: &str, line: &BlockLine<'_>, out: &mut Out<'_, '_>) {
    for part in text.split(", ") {
        let Some((key, value)) = part.split_once('=') else { continue };
        let (now, change) = value.split_once(' ').unwrap_or((value, ""));
        let (name, growth) = match key {
            "reserved" => ("jvm.nmt.reserved", "jvm.nmt.reserved.change"),
            "committed" => ("jvm.nmt.committed", "jvm.nmt.committed.change"),
            _ => continue,
        };
        let labels = [("category", category)];
        if let Some(now) = size(now) {
            out.number(name, &labels, now, line);
        }
        let signed = change.strip_prefix('+').map(|change| (change, 1.0)).or_else(|| change.strip_prefix('-').map(|change| (change, -1.0)));
        if let Some((change, sign)) = signed
            && let Some(change) = size(change)
        {
            out.number(growth, &labels, change * sign, line);
        }
    }
}

/// A size in the unit that was asked for: `1527200KB`, `1491MB`, `1GB`, or bytes.
fn size(text: &str) -> Option<f64> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale = match text.get(number.len()..)? {
        "" | "B" => 1.0,
        "KB" => 1024.0,
        "MB" => 1_048_576.0,
        "GB" => 1_073_741_824.0,
        _ => return None,
    };
    digits(number).map(|number| number as f64 * scale)
}
