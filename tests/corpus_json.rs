//! JSON logs and wrapped lines captured from the real libraries, read as whole files. Skipped where the captures are absent.

use analyze::formats::{Match, recognise};
use analyze::model::source::{Chunk, FileId, Head, Hints};
use analyze::model::transcript::Transcript;
use std::path::PathBuf;

fn read(name: &str) -> Option<Vec<u8>> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus")).join(name);
    let bytes = std::fs::read(path).ok();
    if bytes.is_none() {
        println!("skipped: no capture {name}");
    }
    bytes
}

fn recognised(bytes: &[u8]) -> Option<Match> {
    recognise(&Head { path: "capture", bytes: &bytes[..bytes.len().min(64 << 10)], whole: bytes.len() <= 64 << 10 })
}

fn parse(found: &Match, bytes: &[u8], base: u64) -> Transcript {
    let mut transcript = Transcript::default();
    found.parser.parse(&Chunk { file: FileId(0), base, bytes, hints: &Hints::default() }, &mut transcript);
    transcript
}

/// Place and length of the evidence of a transcript's line, and what the line says.
fn evidence(line: &str) -> Option<(usize, usize, &str)> {
    let (range, said) = line.split_once('@')?.1.split_once(' ')?;
    let (start, len) = range.split_once('+')?;
    Some((start.parse().ok()?, len.parse().ok()?, said))
}

/// Label, number of records, and how many of them have a level, a trace, a stack.
fn check(name: &str, label: &str, counts: [usize; 4]) {
    let Some(bytes) = read(name) else { return };
    let found = recognised(&bytes).unwrap_or_else(|| panic!("{name} is not recognised"));
    assert_eq!(found.label, label, "{name}");
    let got = parse(&found, &bytes, 0);
    let having = |part: &str| got.text.lines().filter(|line| line.contains(part)).count();
    assert_eq!([got.records, having(" level="), having(" trace="), having(" stack=")], counts, "{name}\n{}", got.text);
    assert_eq!(got.quarantined, 0, "{name}\n{}", got.text);
    assert_eq!(having(" time="), got.records, "{name}: every capture has times");
    assert_eq!(having(" message="), got.records, "{name}: every capture has messages");
    for line in got.text.lines() {
        let (start, len, said) = evidence(line).expect("evidence");
        let alone = parse(&found, &bytes[start..start + len], start as u64);
        assert_eq!(evidence(alone.text.trim_end()), Some((start, len, said)), "{name}: the evidence alone says the same");
    }
}

#[test]
fn every_json_log() {
    for (name, label, counts) in [
        ("bunyan.json", "bunyan", [3, 3, 1, 1]),
        ("log4j2_gelflayout.json", "gelf", [22, 22, 18, 3]),
        ("log4j2_jsonlayout_compact_eventEol_properties.json", "log4j2", [22, 22, 18, 3]),
        ("log4j2_jsonlayout_objstack_includeTimeMillis.json", "log4j2", [22, 22, 18, 3]),
        ("log4j2_jsonlayout_pretty_array_complete.json", "log4j2", [22, 22, 18, 3]),
        ("logstash_logback_encoder_7.2.json", "logstash", [22, 22, 18, 3]),
        ("logstash_logback_encoder_structured_stack.json", "logstash", [22, 22, 18, 3]),
        ("loguru_serialize.json", "loguru", [2, 2, 1, 1]),
        ("pino_default.json", "pino", [3, 3, 1, 1]),
        ("pino_ecs.json", "ecs", [2, 2, 1, 1]),
        // Nothing tells pino with these options from zerolog.
        ("pino_iso_labels.json", "zerolog", [3, 3, 1, 1]),
        ("python_ecs_logging.json", "ecs", [3, 3, 3, 1]),
        ("python_json_logger_default.json", "python", [3, 3, 3, 1]),
        ("python_json_logger_renamed.json", "python", [3, 3, 3, 1]),
        ("structlog.json", "structlog", [2, 2, 2, 1]),
        ("winston_json_timestamp.json", "winston", [3, 3, 1, 1]),
    ] {
        check(&format!("jsonlogs/{name}"), &format!("json-log/{label}"), counts);
    }
}

#[test]
fn every_stack_begins_with_its_exception() {
    for name in ["log4j2_jsonlayout_objstack_includeTimeMillis.json", "log4j2_gelflayout.json", "logstash_logback_encoder_7.2.json"] {
        let Some(bytes) = read(&format!("jsonlogs/{name}")) else { continue };
        let got = recognised(&bytes).map(|found| parse(&found, &bytes, 0)).unwrap_or_default();
        assert_eq!(got.text.matches(r#" stack="java.lang.RuntimeException: charge failed for order 42""#).count(), 3, "{name}");
    }
}

/// Wrapped JSON: as many records of the application as it wrote, each citing whole wrapper lines.
#[test]
fn wrapped_json() {
    for (name, label) in [
        ("wrappers/cri_logstash_json_partial_lines_limit200.DERIVED.log", "cri+json-log/logstash"),
        ("wrappers/docker_json_file_logstash_json_split200.DERIVED.log", "docker+json-log/logstash"),
    ] {
        let Some(bytes) = read(name) else { continue };
        let found = recognised(&bytes).unwrap_or_else(|| panic!("{name} is not recognised"));
        assert_eq!(found.label, label, "{name}");
        let got = parse(&found, &bytes, 0);
        let records: Vec<_> = got.text.lines().filter(|line| line.contains(r#"service="order-service""#)).filter_map(evidence).collect();
        assert_eq!(records.len(), 22, "{name}\n{}", got.text);
        for (start, len, _) in records {
            assert!(start == 0 || bytes[start - 1] == b'\n', "{name}: evidence begins with a line");
            assert_eq!(bytes.get(start + len), Some(&b'\n'), "{name}: evidence ends with a line");
        }
        let wrapped = read("jsonlogs/logstash_logback_encoder_7.2.json").unwrap_or_default();
        let bare = recognised(&wrapped).map(|found| parse(&found, &wrapped, 0)).unwrap_or_default();
        for said in bare.text.lines().filter_map(evidence).map(|(_, _, said)| said) {
            assert!(got.text.contains(said), "{name}: {said}");
        }
    }
}

#[test]
fn wrapped_text_is_recognised_by_its_wrapper() {
    for (name, label) in [
        ("wrappers/cri_springboot_text.DERIVED.log", "cri+"),
        ("wrappers/docker_json_file_springboot_text.DERIVED.log", "docker+"),
        ("wrappers/docker_compose_prefix.DERIVED.log", "compose+"),
        ("wrappers/kubectl_logs_prefix_timestamps.DERIVED.log", "kubectl+"),
        ("lnav/logfile_docker_compose_with_ts.0", "compose+"),
        ("lnav/logfile_caddy_log.0", "compose+json-log/zap"),
    ] {
        let Some(bytes) = read(name) else { continue };
        let found = recognised(&bytes).unwrap_or_else(|| panic!("{name} is not recognised"));
        assert!(found.label.starts_with(label), "{name}: {}", found.label);
        let got = parse(&found, &bytes, 0);
        for (start, len, _) in got.text.lines().filter_map(evidence) {
            assert!(start + len <= bytes.len() && (start == 0 || bytes[start - 1] == b'\n'), "{name}: evidence is whole lines");
        }
    }
}

#[test]
fn json_of_other_projects() {
    check("lnav/logfile_bunyan.0", "json-log/bunyan", [10, 10, 0, 0]);
    check("lnav/logfile_ecs_log.json", "json-log/ecs", [5, 5, 0, 0]);
    check("lnav/logfile_rust_tracing.0", "json-log/tracing", [5, 5, 0, 0]);
    check("lnav/logfile_journald.json", "json-log/journald", [2, 2, 0, 0]);
    check("lnav/logfile_caddy_log.0", "compose+json-log/zap", [39, 39, 0, 0]);
    check("db/postgresql15_jsonlog.json", "json-log/postgres", [144, 144, 0, 0]);
}

#[test]
fn json_that_is_no_log_is_left_to_its_own_format() {
    for name in [
        "lnav/logfile_otel_collector.jsonl",
        "otlp/proto-examples/logs.json",
        "otlp/proto-examples/trace.json",
        "otlp/jaeger-v3/FindTraces.json",
        "jvm/threaddump/jdk21_dump_to_file.json",
        "jvm/other/jfr_print.json",
    ] {
        let Some(bytes) = read(name) else { continue };
        let label = recognised(&bytes).map(|found| found.label).unwrap_or_default();
        assert!(!label.contains("json-log"), "{name}: {label}");
    }
}
