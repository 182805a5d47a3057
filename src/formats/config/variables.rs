//! Environment variables: env files, `export` lines, and what `env` prints in a container.
//!
//! ```text
//! SPRING_PROFILES_ACTIVE=prod
//! export SPRING_DATASOURCE_HIKARI_MAXIMUM_POOL_SIZE="5"
//! ```
//!
//! What this file does not do: values of several lines beyond the first line.

use super::entry::{Entry, emit, of_variable};
use super::lines;
use crate::model::record::Sink;
use crate::model::source::Chunk;

/// How many lines must be assignments, in hundredths; values of several lines are the rest.
const LEAST_SHARE: usize = 85;

/// Whether the head of a file is a list of variables. Without the name, names in capitals in several lines are enough.
pub fn is_one(head: &str, named: bool) -> bool {
    let (mut all, mut good) = (0_usize, 0_usize);
    for line in head.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        all += 1;
        good += usize::from(split(line).is_some_and(|(name, value)| !is_logfmt(value) && (named || !name.bytes().any(|b| b.is_ascii_lowercase()))));
    }
    good * 100 >= all * LEAST_SHARE && good >= if named { 1 } else { 4 }
}

/// Reads a whole file.
pub fn parse(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let mut entries: Vec<Entry> = Vec::new();
    for (at, line) in lines(chunk.bytes) {
        let text = String::from_utf8_lossy(line);
        if let Some((name, value)) = split(text.trim()) {
            entries.push(Entry::new(of_variable(name), value, at..at + line.len()));
        }
    }
    let active = entries.iter().find(|entry| entry.key == "spring.profiles.active").map(|entry| entry.value.to_lowercase());
    if let Some(profile) = active.filter(|profile| !profile.is_empty() && !profile.contains('$')) {
        entries.iter_mut().for_each(|entry| entry.profile.clone_from(&profile));
    }
    emit(chunk, &entries, sink);
}

/// Whether further pairs follow, as in a line of logfmt.
fn is_logfmt(value: &str) -> bool {
    value
        .split(' ')
        .skip(1)
        .filter_map(|word| word.split_once('='))
        .any(|(key, _)| !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
}

fn split(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let (name, value) = line.split_once('=')?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let value = value.trim();
    let unquoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(value);
    is_name.then_some((name, unquoted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::read;

    #[test]
    fn variables_become_keys() {
        let text = "PATH=/usr/bin\nexport SPRING_PROFILES_ACTIVE=prod\nSPRING_DATASOURCE_HIKARI_MAXIMUM_POOL_SIZE=\"5\"\nDB_PASSWORD=hunter2\n";
        assert!(is_one(text, false));
        let said = read(parse, text.as_bytes()).text;
        assert!(said.contains(r#"setting @49+46 profile="prod" key="spring.datasource.hikari.maximumpoolsize" value="5""#), "{said}");
        assert!(said.contains(r#"key="db.password" value="***""#) && !said.contains("hunter2"), "{said}");
    }

    #[test]
    fn logfmt_and_prose_are_no_variables() {
        for text in ["level=info msg=x\nlevel=info msg=y\nlevel=info msg=y\nlevel=info msg=y\n", "A=1\nB=2\n", "GET /a=1\nPOST /b=2\nX Y=1\nZ Q=2\n"]
        {
            assert!(!is_one(text, false), "{text}");
        }
    }
}
