//! Flags of a JVM: `jcmd VM.command_line`, `VM.flags`, lists of options, and `-XX:+PrintFlagsFinal`.
//!
//! ```text
//! jvm_args: -Xmx64m -XX:+UseSerialGC -Dspring.profiles.active=prod
//! -XX:CICompilerCount=2 -XX:MaxHeapSize=67108864 -XX:+UseSerialGC
//!     uintx MaxHeapSize       := 67108864       {product} {command line}
//! ```
//!
//! What this file does not do: flags that were left at their default.

use super::entry::{Entry, canonical, emit};
use super::lines;
use crate::model::record::Sink;
use crate::model::source::Chunk;

/// Short options and the flags they set.
const SHORT: &[(&str, &str)] =
    &[("-Xmx", "jvm.maxheapsize"), ("-Xms", "jvm.initialheapsize"), ("-Xss", "jvm.threadstacksize"), ("-Xmn", "jvm.newsize")];

/// Whether the head of a file lists flags of a JVM.
pub fn is_one(head: &str) -> bool {
    let is_listed = |line: &str| of_table(line).is_some();
    if head.lines().take(12).any(|line| line.starts_with("jvm_args: ") || line.starts_with("VM Arguments:")) || head.starts_with("[Global flags]") {
        return true;
    }
    let (mut words, mut options, mut flags, mut rows, mut all) = (0_usize, 0_usize, 0_usize, 0_usize, 0_usize);
    for line in head.lines().take(60).filter(|line| !line.trim().is_empty()) {
        all += 1;
        rows += usize::from(is_listed(line));
        for word in line.split_whitespace() {
            words += 1;
            options += usize::from(word.starts_with('-'));
            flags += usize::from(word.starts_with("-XX:"));
        }
    }
    flags >= 2 && options * 10 >= words.saturating_sub(1) * 8 || rows >= 5 && rows * 10 >= all * 8
}

/// Reads a whole file.
pub fn parse(chunk: &Chunk<'_>, sink: &mut dyn Sink) {
    let mut entries: Vec<Entry> = Vec::new();
    for (at, line) in lines(chunk.bytes) {
        let text = String::from_utf8_lossy(line);
        if let Some((name, value)) = of_table(&text) {
            if is_changed(&text) {
                entries.push(Entry::new(format!("jvm.{}", canonical(name)), value, at..at + line.len()));
            }
            continue;
        }
        if text.starts_with("java_command:") || text.starts_with("java_class_path") {
            continue;
        }
        let mut from = 0;
        for word in text.split_whitespace() {
            let start = text[from..].find(word).map_or(from, |offset| from + offset);
            from = start + word.len();
            if let Some((key, value)) = option(word) {
                entries.push(Entry::new(key, value, at + start..at + from));
            }
        }
    }
    emit(chunk, &entries, sink);
}

/// Key and value of one option.
fn option(word: &str) -> Option<(String, &str)> {
    if let Some(flag) = word.strip_prefix("-XX:") {
        return match flag.split_at_checked(1)? {
            ("+", name) => Some((format!("jvm.{}", canonical(name)), "true")),
            ("-", name) => Some((format!("jvm.{}", canonical(name)), "false")),
            _ => flag.split_once('=').map(|(name, value)| (format!("jvm.{}", canonical(name)), value)),
        };
    }
    if let Some(property) = word.strip_prefix("-D") {
        let (name, value) = property.split_once('=').unwrap_or((property, ""));
        return Some((canonical(name), value));
    }
    SHORT.iter().find_map(|(option, key)| Some(((*key).to_owned(), word.strip_prefix(option)?)))
}

/// Name and value of a row of the table of all flags.
fn of_table(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split_whitespace();
    let kind = words.next()?;
    let (name, sign) = (words.next()?, words.next()?);
    let is_row = matches!(kind, "bool" | "int" | "uint" | "intx" | "uintx" | "size_t" | "uint64_t" | "double" | "ccstr" | "ccstrlist")
        && matches!(sign, "=" | ":=")
        && line.contains('{');
    is_row.then(|| (name, words.next().filter(|value| !value.starts_with('{')).unwrap_or_default()))
}

fn is_changed(line: &str) -> bool {
    line.contains(":=") || ["{command line}", "{ergonomic}", "{management}", "{environment}"].iter().any(|origin| line.contains(origin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::fixture::{placeless, read};

    #[test]
    fn command_lines_flags_and_tables() {
        let line = "9066:\nVM Arguments:\njvm_args: -Xmx64m -XX:NativeMemoryTracking=detail -Dapp.api-key=k1 \njava_command: Shop dump 25\nLauncher Type: SUN_STANDARD\n";
        assert!(is_one(line));
        let said = read(parse, line.as_bytes());
        assert_eq!(
            said.text.lines().collect::<Vec<_>>(),
            [
                r#"setting @30+7 key="jvm.maxheapsize" value="64m""#,
                r#"setting @38+31 key="jvm.nativememorytracking" value="detail""#,
                r#"setting @70+16 key="app.apikey" value="***""#,
            ]
        );
        let flags = "4044:\n-XX:CICompilerCount=2 -XX:MaxHeapSize=67108864 -XX:+UseSerialGC -XX:-THPStackMitigation \n";
        assert!(is_one(flags));
        assert_eq!(read(parse, flags.as_bytes()).records, 4);
        let table =
            "[Global flags]\n    uintx MaxHeapSize    := 67108864    {product} {command line}\n    bool UseG1GC    = true    {product} {default}\n";
        assert!(is_one(table));
        assert_eq!(placeless(&read(parse, table.as_bytes())), [r#"setting key="jvm.maxheapsize" value="67108864""#]);
    }

    #[test]
    fn a_log_that_mentions_flags_is_none() {
        assert!(!is_one("2026-11-22 10:00:00 INFO using -XX:MaxHeapSize=1 and -XX:+UseG1GC\n2026-11-22 10:00:01 INFO ready\n"));
    }
}
