//! The listing of the heap: of `GC.heap_info`, and the same of crashes.
//!
//! ```text
//!  garbage-first heap   total 55296K, used 14692K [0x00000000fc000000, 0x0000000100000000)
//!  Metaspace       used 1583K, committed 1792K, reserved 1114112K
//!  ZHeap           used 30M, capacity 256M, max capacity 256M
//!  3991M max, 3990M soft max, 3907M committed, 496M used
//! ```
//!
//! What this file does not do: the spaces inside a generation; they are full or empty as collections come and go.

use super::Out;
use crate::formats::block_lines::BlockLine;
use crate::formats::quantity::bytes;

/// Names of heaps and generations, the part of the heap they are.
const PARTS: [&str; 13] = [
    "garbage-first heap",
    "def new generation",
    "tenured generation",
    "par new generation",
    "concurrent mark-sweep generation",
    "PSYoungGen",
    "ParOldGen",
    "PSOldGen",
    "ZHeap",
    "Shenandoah Heap",
    "Epsilon Heap",
    "ZGC Young Generation",
    "ZGC Old Generation",
];

/// Whether a listing can begin with a line.
pub fn is_first(line: &[u8]) -> bool {
    let text = line.trim_ascii();
    let begins = |name: &&str| text.strip_prefix(name.as_bytes()).is_some_and(|rest| matches!(rest.first(), None | Some(b' ')));
    line.len() - line.trim_ascii_start().len() <= 1
        && PARTS.iter().any(begins)
        && (memchr::memmem::find(text, b" used ").is_some() || text == b"Shenandoah Heap")
}

/// Reads a line; false if it is no part of a listing.
pub fn line(line: &BlockLine<'_>, out: &mut Out<'_, '_>) -> bool {
    let text = line.text.trim_ascii();
    let part = PARTS.iter().find(|name| text.starts_with(**name)).copied();
    let (area, id) = match part {
        Some(name) => ("heap", name),
        None if text.starts_with("Metaspace ") => ("nonheap", "Metaspace"),
        None if text.starts_with("class space ") => ("nonheap", "Compressed Class Space"),
        None if text.contains(" soft max, ") && text.ends_with(" used") => ("heap", "Shenandoah"),
        None => return is_inner(text) || line.text.starts_with("  "),
    };
    let rest = text.strip_prefix(id).or_else(|| text.strip_prefix("class space")).unwrap_or(text).split('[').next().unwrap_or_default();
    for part in rest.split(',').map(str::trim_ascii) {
        let Some((left, right)) = part.rsplit_once(' ') else { continue };
        // Shenandoah writes the size first, all others the word.
        let (word, size) = if id == "Shenandoah" { (right, left) } else { (left.trim_ascii(), right) };
        let Some(size) = bytes(size) else { continue };
        let name = match word {
            "used" => "jvm.memory.used",
            "total" | "committed" => "jvm.memory.committed",
            "capacity" if id == "ZHeap" => "jvm.memory.committed",
            "max" | "max capacity" => "jvm.memory.max",
            _ => continue,
        };
        out.number(name, &[("area", area), ("id", id)], size as f64, line);
    }
    true
}

/// What else a listing holds.
fn is_inner(text: &str) -> bool {
    ["region size", "Status:", "Reserved region:", "Collection set:", "- [", "- map", "Cannot ", "Prioritized"]
        .iter()
        .any(|words| text.starts_with(words))
        || (text.contains(" x ") && text.ends_with(" regions"))
}
