//! Settings in sections: INI files and simple TOML.
//!
//! ```text
//! [server]
//! port = 8080            server.port
//! [server.tls]
//! enabled = true         server.tls.enabled
//! ```
//!
//! What this file does not do: arrays and texts of several lines in TOML beyond their first line.

use super::entry::{Entry, canonical, emit};
use super::lines;
use crate::model::record::Sink;
use crate::model::source::Chunk;

/// Whether the head of a file is sections of entries. Without the name, two sections and nothing else are enough.
pub fn is_one(head: &str, named: bool) -> bool {
    let (mut all, mut sections, mut entries) = (0_usize, 0_usize, 0_usize);
    for line in head.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
        all += 1;
        sections += usize::from(section(line).is_some());
        entries += usize::from(entry(line).is_some());
    }
    (sections + entries) * 100 >= all * 95 && entries >= 1 && if named { true } else { sections >= 2 && entries > sections }
}

/// Reads a whole file.
pub fn parse(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let mut entries: Vec<Entry> = Vec::new();
    let mut prefix = String::new();
    for (at, line) in lines(chunk.bytes) {
        let text = String::from_utf8_lossy(line);
        let trimmed = text.trim();
        if trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = section(trimmed) {
            prefix = format!("{}.", canonical(name));
        } else if let Some((key, value)) = entry(trimmed) {
            entries.push(Entry::new(format!("{prefix}{}", canonical(key)), value.trim_matches('"'), at..at + line.len()));
        }
    }
    emit(chunk, &entries, sink);
}

fn section(line: &str) -> Option<&str> {
    let name = line.strip_prefix('[')?.strip_suffix(']')?.trim_matches(['[', ']', ' ', '"']);
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'/' | b'"' | b' '));
    is_name.then_some(name)
}

fn entry(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once('=')?;
    let key = key.trim();
    let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    is_key.then(|| (key, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::{placeless, read};

    #[test]
    fn sections_prefix_their_keys() {
        let text = "top = 1\n[database]\nmax_connections = 20\npassword = \"x\"\n[http.client]\ntimeout = \"5s\" \n";
        assert!(is_one(text, false));
        assert_eq!(
            placeless(&read(parse, text.as_bytes())),
            [
                r#"setting key="top" value="1""#,
                r#"setting key="database.maxconnections" value="20""#,
                r#"setting key="database.password" value="***""#,
                r#"setting key="http.client.timeout" value="5s""#,
            ]
        );
        assert!(!is_one("[INFO]\n[WARN] x = 1\nready\n", false));
    }
}
