//! Every OTLP file of the shared corpus: recognised as what it is, read in full, nothing in quarantine.
//!
//! The counts were taken with the Python protobuf and JSON libraries. Skips with a notice where the corpus is absent.

use analyze::formats::recognise;
use analyze::model::source::{Chunk, FileId, Head, Hints};
use analyze::model::transcript::Transcript;
use std::path::Path;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus");

/// Path, label, spans, log records, metric records.
const FILES: &[(&str, &str, usize, usize, usize)] = &[
    ("otlp/jaeger-v3/FindTraces.json", "otlp-json/document", 1, 0, 0),
    ("otlp/jaeger-v3/otlp2jaeger-in.json", "otlp-json/document", 2, 0, 0),
    ("otlp/jaeger-v3/otlp2jaeger-multi-in.json.txt", "otlp-json/lines", 4, 0, 0),
    ("otlp/proto-examples/events.json", "otlp-json/document", 0, 1, 0),
    ("otlp/proto-examples/logs.json", "otlp-json/document", 0, 1, 0),
    // A sum, a gauge; a histogram with count, sum, least, largest and two buckets; an exponential one without buckets.
    ("otlp/proto-examples/metrics.json", "otlp-json/document", 0, 0, 12),
    ("otlp/proto-examples/trace.json", "otlp-json/document", 1, 0, 0),
    ("otlp/sdk-captures/array_of_requests.DERIVED.json", "otlp-json/document", 18, 0, 0),
    ("otlp/sdk-captures/collector_style_traces.jsonl", "otlp-json/lines", 18, 0, 0),
    ("otlp/sdk-captures/fileexporter_json_native.DERIVED.jsonl.zst", "otlp-json/lines", 18, 0, 0),
    ("otlp/sdk-captures/fileexporter_json_zstd_per_message.DERIVED.bin", "otlp-json/framed-zstd", 18, 0, 0),
    ("otlp/sdk-captures/fileexporter_proto_be32_framed.DERIVED.bin", "otlp-proto/framed", 22, 0, 0),
    ("otlp/sdk-captures/fileexporter_proto_zstd_per_message.DERIVED.bin", "otlp-proto/framed-zstd", 22, 0, 0),
    ("otlp/sdk-captures/js_002_v1_traces.json", "otlp-json/lines", 9, 0, 0),
    ("otlp/sdk-captures/js_003_v1_traces.pb", "otlp-proto/message", 9, 0, 0),
    ("otlp/sdk-captures/js_005_v1_traces.json", "otlp-json/lines", 9, 0, 0),
    ("otlp/sdk-captures/js_006_v1_traces.pb", "otlp-proto/message", 9, 0, 0),
    ("otlp/sdk-captures/old_instrumentationLibrarySpans.DERIVED.json", "otlp-json/lines", 9, 0, 0),
    // Two sums, a gauge; a histogram with four numbers and sixteen buckets; an exponential one with four numbers.
    ("otlp/sdk-captures/py_001_v1_metrics.pb", "otlp-proto/message", 0, 0, 27),
    ("otlp/sdk-captures/py_002_v1_logs.pb", "otlp-proto/message", 0, 2, 0),
    ("otlp/sdk-captures/py_003_v1_metrics.pb", "otlp-proto/message", 0, 0, 27),
    ("otlp/sdk-captures/py_004_v1_logs.pb", "otlp-proto/message", 0, 3, 0),
    ("otlp/sdk-captures/py_005_v1_traces.pb", "otlp-proto/message", 4, 0, 0),
    ("otlp/sdk-captures/py_006_v1_metrics.pb", "otlp-proto/message", 0, 0, 27),
    ("otlp/sdk-captures/tempo_batches_base64_enum_names.DERIVED.json", "otlp-json/document", 18, 0, 0),
    ("lnav/logfile_otel_collector.jsonl", "otlp-json/lines", 0, 11, 0),
];

/// The file's bytes, those of a zstd file expanded.
fn bytes(path: &str) -> Vec<u8> {
    let raw = std::fs::read(Path::new(CORPUS).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    if path.ends_with(".zst") { zstd::decode_all(raw.as_slice()).unwrap_or_else(|error| panic!("{path}: {error}")) } else { raw }
}

fn read(path: &str) -> (String, Transcript) {
    let bytes = bytes(path);
    let head = Head { path: "x", bytes: &bytes[..bytes.len().min(64 << 10)], whole: bytes.len() <= 64 << 10 };
    let found = recognise(&head).unwrap_or_else(|| panic!("{path} is not recognised"));
    let mut transcript = Transcript::default();
    let chunk = Chunk { file: FileId(0), base: 0, bytes: &bytes, hints: &Hints::default() };
    found.parser.parse(&chunk, &mut transcript);
    (found.label, transcript)
}

fn count(transcript: &Transcript, kind: &str) -> usize {
    transcript.text.lines().filter(|line| line.starts_with(kind)).count()
}

/// The records without the places they stand at.
fn records(path: &str) -> Vec<String> {
    let text = read(path).1.text;
    text.lines().map(|line| line.split(' ').filter(|word| !word.starts_with('@')).collect::<Vec<_>>().join(" ")).collect()
}

fn present() -> bool {
    let present = Path::new(CORPUS).join("otlp").is_dir();
    if !present {
        eprintln!("skipped: no corpus at {CORPUS}");
    }
    present
}

#[test]
fn every_file_is_read_in_full() {
    if !present() {
        return;
    }
    for (path, label, spans, logs, metrics) in FILES {
        let (found, transcript) = read(path);
        let counts = (count(&transcript, "span "), count(&transcript, "log "), count(&transcript, "metric "), transcript.quarantined);
        assert_eq!((found.as_str(), counts), (*label, (*spans, *logs, *metrics, 0)), "{path}\n{}", transcript.text);
    }
}

#[test]
fn one_capture_in_many_forms_gives_the_same_records() {
    if !present() {
        return;
    }
    let json = records("otlp/sdk-captures/collector_style_traces.jsonl");
    for other in [
        "array_of_requests.DERIVED.json",
        "fileexporter_json_native.DERIVED.jsonl.zst",
        "fileexporter_json_zstd_per_message.DERIVED.bin",
        "tempo_batches_base64_enum_names.DERIVED.json",
    ] {
        assert_eq!(records(&format!("otlp/sdk-captures/{other}")), json, "{other}");
    }
    assert_eq!(records("otlp/sdk-captures/old_instrumentationLibrarySpans.DERIVED.json"), json[..9]);
    let single =
        ["js_003_v1_traces.pb", "js_006_v1_traces.pb", "py_005_v1_traces.pb"].map(|name| records(&format!("otlp/sdk-captures/{name}"))).concat();
    for other in ["fileexporter_proto_be32_framed.DERIVED.bin", "fileexporter_proto_zstd_per_message.DERIVED.bin"] {
        assert_eq!(records(&format!("otlp/sdk-captures/{other}")), single, "{other}");
    }
}

#[test]
fn evidence_is_the_record_itself() {
    if !present() {
        return;
    }
    for path in ["otlp/sdk-captures/tempo_batches_base64_enum_names.DERIVED.json", "otlp/sdk-captures/collector_style_traces.jsonl"] {
        let (bytes, transcript) = (bytes(path), read(path).1);
        for line in transcript.text.lines() {
            let (start, len) = line.split(' ').nth(1).and_then(|place| place[1..].split_once('+')).unwrap();
            let (start, len): (usize, usize) = (start.parse().unwrap(), len.parse().unwrap());
            let span: serde_json::Value = serde_json::from_slice(&bytes[start..start + len]).unwrap();
            assert!(line.contains(&format!(" name={:?}", span["name"].as_str().unwrap())), "{line}");
        }
    }
}
