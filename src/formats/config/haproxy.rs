//! `haproxy.cfg`: sections of directives.
//!
//! ```text
//! defaults
//!     timeout server 30s              haproxy.defaults.timeout.server
//! backend web
//!     option http-server-close        haproxy.backend[web].option[http-server-close]
//! ```
//!
//! What this file does not do: conditions of ACLs.

use super::entry::{Entry, canonical, emit};
use super::lines;
use crate::model::record::Sink;
use crate::model::source::Chunk;

const SECTIONS: &[&str] = &["global", "defaults", "frontend", "backend", "listen", "resolvers", "peers", "userlist", "cache"];
/// Directives whose first word says what they set.
const FAMILIES: &[&str] = &["timeout", "tune"];

/// Whether the head of a file is such a configuration.
pub fn is_one(head: &str) -> bool {
    let lines = || head.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    let sections = lines().filter(|line| section(line).is_some()).count();
    let inside = lines().filter(|line| line.starts_with([' ', '\t'])).count();
    sections >= 2 && inside > 0 && lines().count() == sections + inside && head.contains("timeout ")
}

/// Reads a whole file.
pub fn parse(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let mut entries: Vec<Entry> = Vec::new();
    let mut prefix = String::from("haproxy.");
    for (at, line) in lines(chunk.bytes) {
        let text = String::from_utf8_lossy(line);
        let text = text.split(" #").next().unwrap_or_default();
        let mut words = text.split_whitespace();
        let Some(first) = words.next().filter(|word| !word.starts_with('#')) else { continue };
        if let Some((kind, name)) = section(text) {
            prefix = if name.is_empty() { format!("haproxy.{kind}.") } else { format!("haproxy.{kind}[{name}].") };
            continue;
        }
        let rest: Vec<&str> = words.collect();
        let (key, value) = match rest.split_first() {
            Some((second, others)) if FAMILIES.contains(&first) => (format!("{}.{}", canonical(first), canonical(second)), others.join(" ")),
            Some((second, others)) if matches!(first, "server" | "option" | "http-request" | "http-response" | "user") => {
                (format!("{}[{second}]", canonical(first)), others.join(" "))
            }
            _ => (canonical(first), rest.join(" ")),
        };
        entries.push(Entry::new(format!("{prefix}{key}"), value, at..at + line.len()));
    }
    emit(chunk, &entries, sink);
}

fn section(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split_whitespace();
    let kind = words.next().filter(|kind| SECTIONS.contains(kind) && !line.starts_with([' ', '\t']))?;
    Some((kind, words.next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::{placeless, read};

    #[test]
    fn sections_and_families() {
        let text = "global\n  maxconn 4096\ndefaults\n  timeout server 30s # slow\nbackend web\n  option http-server-close\n  server web1 10.0.0.7:8080 check\n";
        assert!(is_one(text));
        assert_eq!(
            placeless(&read(parse, text.as_bytes())),
            [
                r#"setting key="haproxy.global.maxconn" value="4096""#,
                r#"setting key="haproxy.defaults.timeout.server" value="30s""#,
                r#"setting key="haproxy.backend[web].option[http-server-close]""#,
                r#"setting key="haproxy.backend[web].server[web1]" value="10.0.0.7:8080 check""#,
            ]
        );
        assert!(!is_one("backend web is down\n  timeout server\nfrontend ok\nERROR\n"));
    }
}
