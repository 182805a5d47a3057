//! Every captured text log of the shared corpus is recognised and read in full.
//!
//! What is expected is taken from the lines themselves by the dumbest means that can work: how a head begins, whether a
//! line holds thirty-two hex digits in a row, what it ends with.

use analyze::formats::recognise;
use analyze::model::source::{Chunk, FileId, Head, Hints};
use analyze::model::transcript::Transcript;
use std::fs;
use std::path::{Path, PathBuf};

fn corpus() -> Option<PathBuf> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus"));
    if !path.is_dir() {
        eprintln!("skipped: no corpus at {}", path.display());
    }
    path.is_dir().then(|| path.to_owned())
}

fn parse(bytes: &[u8], name: &str) -> (String, Transcript) {
    let head = Head { path: name, bytes: &bytes[..bytes.len().min(64 << 10)], whole: bytes.len() <= 64 << 10 };
    let hints = Hints::default();
    let mut transcript = Transcript::default();
    let Some(found) = recognise(&head) else { return (String::new(), transcript) };
    found.parser.parse(&Chunk { file: FileId(0), base: 0, bytes, hints: &hints }, &mut transcript);
    (found.label, transcript)
}

/// File, label, how its heads begin, whether they have a time (perhaps without a date), a logger and a thread.
const FILES: &[(&str, &str, &str, [bool; 3])] = &[
    ("textlogs/log4j2_default_pattern.log", "logback", "19:", [true, true, true]),
    ("textlogs/log4j2_epoch_logfmt.log", "logfmt", "ts=", [true, true, true]),
    ("textlogs/log4j2_iso8601_mdc_pattern.log", "logback", "2026-", [true, true, true]),
    ("textlogs/logback_basic_default.log", "logback", "19:", [true, true, true]),
    ("textlogs/logback_iso8601_mdc.log", "logback", "2026-", [true, true, true]),
    ("textlogs/logback_sleuth_pattern.log", "spring-boot", "2026-", [true, true, true]),
    ("textlogs/logback_springboot2_default_pattern.log", "spring-boot", "2026-", [true, true, true]),
    ("textlogs/logback_springboot30_level_comma_pattern.log", "spring-boot", "2026-", [true, true, true]),
    ("textlogs/logback_springboot32_console_correlation.log", "spring-boot", "2026-", [true, true, true]),
    ("textlogs/logback_springboot32_file_pattern.log", "spring-boot", "2026-", [true, true, true]),
    ("textlogs/springboot32_ansi_coloured_console.DERIVED.log", "spring-boot", "2026-", [true, true, true]),
    ("textlogs/python_otel_format.log", "python", "2026-", [true, true, false]),
    ("textlogs/python_stdlib_basic.log", "python", "INFO WARNING ERROR", [false, true, false]),
    ("textlogs/python_stdlib_default_format.log", "python", "2026-", [true, true, false]),
    ("textlogs/structlog_logfmt.log", "logfmt", "timestamp=", [true, false, false]),
    ("textlogs/winston_simple.log", "generic", "info error", [false, false, false]),
    ("containers/app.log", "spring-boot", "2026-", [true, true, true]),
    ("containers/latin1.log", "spring-boot", "2026-", [true, true, true]),
    ("containers/no_final_newline_cut_mid_utf8.log", "spring-boot", "2026-", [true, true, true]),
    ("containers/utf8_bom_crlf.log", "spring-boot", "2026-", [true, true, true]),
];

#[test]
fn every_record_is_read() {
    let Some(corpus) = corpus() else { return };
    for (name, label, begin, [date, logger, thread]) in FILES {
        let bytes = fs::read(corpus.join(name)).expect("the file can be read");
        let (found, got) = parse(&bytes, name);
        assert_eq!(found, format!("text-log/{label}"), "{name}");
        assert_eq!(got.quarantined, 0, "{name}");
        let text = uncoloured(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let heads: Vec<usize> = (0..lines.len()).filter(|&n| begin.split(' ').any(|begin| lines[n].starts_with(begin))).collect();
        assert_eq!(got.records, heads.len(), "{name}\n{}", got.text);
        for (record, &n) in got.text.lines().zip(&heads) {
            let at = format!("{name}: {}\n{record}", lines[n]);
            assert_eq!(record.contains(" time=\""), *date, "{at}");
            assert!(record.contains(" level=\""), "{at}");
            assert_eq!(record.contains(" logger=\""), *logger, "{at}");
            assert_eq!(record.contains(" thread=\""), *thread, "{at}");
            assert_eq!(record.contains(" trace=\""), has_id(lines[n]), "{at}");
            let stack = lines.get(n + 1).is_some_and(|next| next.starts_with("java.lang.") || next.starts_with("Traceback"));
            assert_eq!(record.contains(" stack=\"java.lang.") || record.contains(" stack=\"Traceback"), stack, "{at}");
            if !begin.ends_with('=') && !lines[n].ends_with('}') && !name.contains("latin1") && !name.contains("utf8") {
                assert!(lines[n].trim_end().ends_with(&first_line_of_message(record)), "{at}");
            }
        }
    }
}

/// Files of other formats, which later versions may claim, are read without a crash wherever they are cut.
#[test]
fn every_cut_is_read() {
    let Some(corpus) = corpus() else { return };
    let mut files: Vec<PathBuf> = fs::read_dir(corpus.join("textlogs")).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    for path in files {
        let bytes = fs::read(&path).expect("the file can be read");
        let name = path.display().to_string();
        // Most files repeat the same few records.
        for cut in 0..bytes.len().min(1800) {
            parse(&bytes[..cut], &name);
        }
    }
}

fn uncoloured(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest))
}

fn has_id(line: &str) -> bool {
    line.split(|c: char| !c.is_ascii_hexdigit()).any(|word| word.len() == 32)
}

fn first_line_of_message(record: &str) -> String {
    let message = record.split_once(" message=\"").map_or("", |(_, rest)| rest);
    let message = message.split("\" stack=").next().unwrap_or_default().split("\" fields=").next().unwrap_or_default();
    message.trim_end_matches('"').split("\\n").next().unwrap_or_default().replace("\\\"", "\"").trim_end_matches('"').to_owned()
}
