//! `VM.metaspace`, brief or in full, and the same listing inside crashes.
//!
//! ```text
//! Total Usage - 85 loaders, 907 classes (707 shared):
//!   Non-Class:   86 chunks,      4.30 MB capacity,  888.00 KB ( 20%) committed,   765.05 KB ( 17%) used, …
//!        Both:    866.38 KB used.
//! MaxMetaspaceSize: unlimited
//! ```
//!
//! What this file does not do: chunks, free lists and the settings of the allocator.

use super::Out;
use crate::formats::block_lines::BlockLine;
use crate::formats::quantity::{decimal, digits};

/// Which part of the listing the lines are in.
#[derive(Default)]
pub(super) struct Usage {
    /// Behind the list of what is used come lists whose lines begin alike.
    past: bool,
}

impl Usage {
    /// Reads a line. The listing is long and free in form; only what no colon and no number is in belongs to somebody else.
    pub(super) fn line(&mut self, line: &BlockLine<'_>, out: &mut Out<'_, '_>) -> bool {
        let text = line.text.trim_ascii();
        if let Some(counts) = text.strip_prefix("Total Usage - ") {
            self.totals(counts, line, out);
            return true;
        }
        self.past |= text.starts_with("Virtual space") || text.starts_with("Chunk freelists") || text.starts_with("Settings");
        let id = match text.split_once(':') {
            Some(("Both", _)) => Some("Metaspace"),
            Some(("Class", _)) => Some("Compressed Class Space"),
            Some(("MaxMetaspaceSize", size)) => {
                if let Some(size) = size_in(size.trim_ascii()) {
                    out.number("jvm.memory.max", &[("area", "nonheap"), ("id", "Metaspace")], size, line);
                }
                None
            }
            _ => None,
        };
        if let Some(id) = id.filter(|_| !self.past) {
            for (word, name) in [(" used", "jvm.memory.used"), (" committed", "jvm.memory.committed")] {
                if let Some(size) = text.split_once(word).and_then(|(before, _)| last_size(before)) {
                    out.number(name, &[("area", "nonheap"), ("id", id)], size, line);
                }
            }
        }
        line.text.starts_with([' ', '\t']) || text.contains([':', '%', ',']) || text.starts_with("- ") || text.ends_with("bytes")
    }

    /// `85 loaders, 907 classes (707 shared):`
    fn totals(&self, text: &str, line: &BlockLine<'_>, out: &mut Out<'_, '_>) {
        for part in text.split([',', '(']).map(str::trim_ascii) {
            match part.split_once(' ') {
                Some((count, "loaders")) => digits(count).into_iter().for_each(|n| out.number("jvm.class_loaders", &[], n as f64, line)),
                Some((count, "classes")) => digits(count).into_iter().for_each(|n| out.number("jvm.classes.loaded", &[], n as f64, line)),
                _ => {}
            }
        }
    }
}

/// The size at the end of a text, with a percentage behind it perhaps: `…,   765.05 KB ( 17%)`.
fn last_size(text: &str) -> Option<f64> {
    let text = text.trim_ascii_end();
    let text = if text.ends_with(')') { text.rsplit_once('(').map_or(text, |(before, _)| before.trim_ascii_end()) } else { text };
    size_in(text.rsplit([',', ':']).next()?.trim_ascii())
}

/// `866.38 KB`, `352 bytes`
fn size_in(text: &str) -> Option<f64> {
    let (number, unit) = text.split_once(' ')?;
    let scale = match unit {
        "bytes" => 1.0,
        "KB" => 1024.0,
        "MB" => 1_048_576.0,
        "GB" => 1_073_741_824.0,
        _ => return None,
    };
    decimal(number, 1000).map(|thousandths| thousandths as f64 / 1000.0 * scale)
}
