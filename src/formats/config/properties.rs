//! Java properties, with the documents and profiles of Spring.
//!
//! ```text
//! spring.datasource.hikari.maximum-pool-size=20
//! server.tomcat.threads.max: 200
//! #---
//! spring.config.activate.on-profile=prod
//! ```
//!
//! What this file does not do: resolve escapes of characters; values are kept as written.

use super::entry::{Entry, canonical, emit};
use super::{lines, set_profile};
use crate::model::record::Sink;
use crate::model::source::Chunk;

/// How much of a file must be entries, in hundredths.
const LEAST_SHARE: usize = 90;

/// Whether the head of a file is properties. Without the name only dotted keys in several lines are enough.
pub fn is_one(head: &str, named: bool) -> bool {
    let (mut all, mut entries, mut dotted, mut pairs) = (0_usize, 0_usize, 0_usize, 0_usize);
    let mut goes_on = false;
    for line in head.lines().map(str::trim).filter(|line| !line.is_empty() && !is_comment(line)) {
        if std::mem::replace(&mut goes_on, line.ends_with('\\')) {
            continue;
        }
        all += 1;
        let Some((key, value)) = split(line).filter(|(key, _)| is_key(key)) else { continue };
        entries += usize::from(named || line[key.len()..].trim_start().starts_with('='));
        dotted += usize::from(key.contains('.') && key.starts_with(|c: char| c.is_ascii_lowercase()));
        // logfmt has several pairs in a line.
        pairs += usize::from(value.split(' ').skip(1).any(|word| word.split_once('=').is_some_and(|(key, _)| is_key(key))));
    }
    let most = entries * 100 >= all * LEAST_SHARE && pairs * 3 <= entries;
    most && if named { entries > 0 } else { entries >= 3 && dotted * 2 >= entries }
}

/// Reads a whole file.
pub fn parse(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let mut entries: Vec<Entry> = Vec::new();
    let mut first = 0;
    let mut open: Option<Entry> = None;
    for (at, line) in lines(chunk.bytes) {
        let text = String::from_utf8_lossy(line);
        let trimmed = text.trim();
        if let Some(entry) = &mut open {
            entry.value.push_str(trimmed.trim_end_matches('\\'));
            entry.at.end = at + line.len();
            if !trimmed.ends_with('\\') {
                entries.extend(open.take());
            }
            continue;
        }
        if trimmed == "#---" || trimmed == "!---" {
            set_profile(&mut entries, first);
            first = entries.len();
            continue;
        }
        if trimmed.is_empty() || is_comment(trimmed) {
            continue;
        }
        let Some((key, value)) = split(trimmed) else { continue };
        let entry = Entry::new(canonical(key), value.trim_end_matches('\\'), at..at + line.len());
        if trimmed.ends_with('\\') { open = Some(entry) } else { entries.push(entry) }
    }
    entries.extend(open);
    set_profile(&mut entries, first);
    emit(chunk, &entries, sink);
}

fn is_comment(line: &str) -> bool {
    line.starts_with(['#', '!'])
}

/// Key and value at the first separator.
fn split(line: &str) -> Option<(&str, &str)> {
    let at = line.find(['=', ':'])?;
    Some((line[..at].trim(), line[at + 1..].trim()))
}

fn is_key(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'[' | b']' | b'/' | b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::read;

    #[test]
    fn documents_profiles_and_continued_lines() {
        let text = "# orders\nspring.application.name=orders\nserver.port: 8080\norders.hosts=a,\\\n  b\n#---\nspring.config.activate.on-profile=prod\nspring.datasource.password=x\n";
        let said = read(parse, text.as_bytes()).text;
        assert_eq!(
            said.lines().collect::<Vec<_>>(),
            [
                r#"setting @9+30 service="orders" key="spring.application.name" value="orders""#,
                r#"setting @40+17 service="orders" key="server.port" value="8080""#,
                r#"setting @58+20 service="orders" key="orders.hosts" value="a,b""#,
                r#"setting @84+38 service="orders" profile="prod" key="spring.config.activate.onprofile" value="prod""#,
                r#"setting @123+28 service="orders" profile="prod" key="spring.datasource.password" value="***""#,
            ]
        );
    }

    #[test]
    fn other_texts_are_no_properties() {
        assert!(is_one("a.b=1\nc.d-e=x y\nf.g=\n", false));
        for text in [
            "time=2026-11-22T10:00:00Z level=info msg=x\ntime=2026-11-22T10:00:01Z level=info msg=y\ntime=1 level=warn msg=z\n",
            "redis_version:7.0.1\nredis_mode:standalone\ntcp_port:6379\n",
            "a.b=1\n2026-11-22 10:00:00 INFO started\n",
            "PATH=/bin\nHOME=/root\nA=1\n",
            "jvm_memory_used_bytes 1\n",
        ] {
            assert!(!is_one(text, false), "{text}");
        }
    }
}
