//! Class loaders by type: `VM.classloader_stats`, `jmap -clstats` of JDK 8, and the tree of `VM.classloaders`.
//!
//! ```text
//! 0x00007f396d000a08  0x00007f396c07af08  0x00007f39c4149b80       2       768       456  Redeploy$WebappLoader
//! Total = 65                                                     895    612224    107767
//! 0x00000000f8011c20    14    25230   0x00000000f8012bd0   dead    java/net/URLClassLoader@0x0000000100000fb0
//!                   +-- Redeploy$WebappLoader (+ 63 more)
//! ```
//!
//! What this file does not do: say which loader is whose parent.

use super::Out;
use crate::formats::block_lines::BlockLine;
use crate::formats::quantity::digits;
use std::collections::BTreeMap;

/// Types of loaders: how many, how many classes, and where the first stands.
#[derive(Default)]
pub(super) struct Loaders<'b> {
    types: BTreeMap<&'b str, (u64, u64, BlockLine<'b>)>,
    /// Loaders and classes in all, as the last line has them.
    total: Option<(u64, u64, BlockLine<'b>)>,
}

impl<'b> Loaders<'b> {
    /// A row of a table; false if the line is none.
    pub(super) fn row(&mut self, line: &BlockLine<'b>, _: &mut Out<'_, '_>) -> bool {
        let text = line.text.trim_ascii();
        if let Some(rest) = text.strip_prefix("Total = ").or_else(|| text.strip_prefix("total = ")) {
            let mut numbers = rest.split_ascii_whitespace().map_while(digits);
            if let (Some(loaders), Some(classes)) = (numbers.next(), numbers.next()) {
                self.total = Some((loaders, classes, *line));
            }
            return true;
        }
        let mut words = text.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        if !first.starts_with("0x") && first != "<bootstrap>" {
            return line.text.starts_with(' ')
                || ["ClassLoader ", "class_loader", "ChunkSz: ", "BlockSz: "].iter().any(|words| text.starts_with(words));
        }
        // Numbers stand in other columns in the two tables; the first that is one counts classes.
        let classes = text.split_ascii_whitespace().skip(1).find_map(digits).unwrap_or_default();
        let name = text.rsplit("  ").next().unwrap_or_default().trim_ascii();
        let name = name.split("@0x").next().unwrap_or_default();
        self.add(if name.is_empty() { "<unknown>" } else { name }, 1, classes, line);
        true
    }

    /// A branch of the tree; false if the line is none.
    pub(super) fn branch(&mut self, line: &BlockLine<'b>) -> bool {
        let text = line.text.trim_ascii();
        let Some(rest) = text.strip_prefix("+-- ") else { return text.is_empty() || text == "|" || text.starts_with("| ") };
        let (name, more) = rest.split_once(" (+ ").unwrap_or((rest, ""));
        let more = more.split(' ').next().and_then(digits).unwrap_or_default();
        let name = name.strip_prefix('"').and_then(|quoted| quoted.split_once("\", ")).map_or(name, |(_, class)| class);
        self.add(name.split("@0x").next().unwrap_or(name).split(" {").next().unwrap_or(name), more + 1, 0, line);
        true
    }

    fn add(&mut self, name: &'b str, loaders: u64, classes: u64, line: &BlockLine<'b>) {
        let known = self.types.entry(name).or_insert((0, 0, *line));
        known.0 = known.0.saturating_add(loaders);
        known.1 = known.1.saturating_add(classes);
    }

    /// Hands over what was counted.
    pub(super) fn emit(&self, out: &mut Out<'_, '_>) {
        for (name, (loaders, classes, line)) in &self.types {
            out.number("jvm.class_loaders", &[("type", name)], *loaders as f64, line);
            if *classes > 0 {
                out.number("jvm.class_loaders.classes", &[("type", name)], *classes as f64, line);
            }
        }
        if let Some((loaders, classes, line)) = &self.total {
            out.number("jvm.class_loaders", &[], *loaders as f64, line);
            out.number("jvm.classes.loaded", &[], *classes as f64, line);
        }
    }
}
