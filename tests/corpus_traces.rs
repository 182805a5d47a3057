//! Every Jaeger and Zipkin file of the shared corpus and captures: recognised as what it is, read in full, nothing in
//! quarantine.
//!
//! The counts were taken with the Python JSON library. Skips with a notice where the files are absent.

use analyze::formats::recognise;
use analyze::model::source::{Chunk, FileId, Head, Hints};
use analyze::model::transcript::Transcript;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared");

/// What is expected of a file.
struct Expected {
    path: &'static str,
    label: &'static str,
    spans: usize,
    /// Spans with a parent.
    children: usize,
    errors: usize,
    services: &'static [(&'static str, usize)],
}

const fn file(
    path: &'static str,
    label: &'static str,
    [spans, children, errors]: [usize; 3],
    services: &'static [(&'static str, usize)],
) -> Expected {
    Expected { path, label, spans, children, errors, services }
}

const CORPUS: &[Expected] = &[
    file("corpus/jaeger/TraceFlamegraph__testTrace.json", "jaeger-json", [4, 3, 0], &[("load-generator", 2), ("ride-sharing-app", 2)]),
    file("corpus/jaeger/fixtures__oltp2jaeger-multi-out.json", "jaeger-json", [4, 3, 0], &[("example-trace", 4)]),
    file("corpus/jaeger/fixtures__otlp2jaeger-out.json", "jaeger-json", [2, 2, 0], &[("telemetrygen", 2)]),
    file("corpus/jaeger/model_proto_domain_01.json", "jaeger-json", [1, 1, 0], &[("api", 1)]),
    file("corpus/jaeger/model_proto_domain_03.json", "jaeger-json", [2, 1, 0], &[("api", 2)]),
    file(
        "corpus/jaeger/tableValuesTestTrace__spanAmongEachOtherGroupedAndSpans.json",
        "jaeger-json",
        [17, 16, 0],
        &[("api-gateway", 2), ("customers-service", 15)],
    ),
    file("corpus/jaeger/thrift_batch_01.json", "jaeger-json", [1, 1, 0], &[("api", 1)]),
    file("corpus/zipkin/ascend.json", "zipkin-json/v2", [8, 7, 0], &[("auth-service", 2), ("content-service", 3), ("mobile-gateway", 3)]),
    // One failed span in each has no tag `error`: it was given a status without a message.
    file("corpus/zipkin/js_exporter_001_api_v2_spans.json", "zipkin-json/v2", [9, 6, 4], &[("gateway", 9)]),
    file("corpus/zipkin/js_exporter_004_api_v2_spans.json", "zipkin-json/v2", [9, 6, 4], &[("order-service", 9)]),
    file("corpus/zipkin/messaging-kafka.json", "zipkin-json/v2", [28, 27, 3], &[("servicea", 22), ("serviceb", 6)]),
    file("corpus/zipkin/messaging.json", "zipkin-json/v2", [4, 3, 0], &[("backend", 2), ("frontend", 2)]),
    file("corpus/zipkin/skew.json", "zipkin-json/v2", [4, 3, 0], &[("servicea", 2), ("serviceb", 2)]),
    // One span is of the service "unknown", Zipkin's word for none.
    file(
        "corpus/zipkin/yelp.json",
        "zipkin-json/v2",
        [16, 15, 0],
        &[("", 1), ("mobile_api", 5), ("routing", 1), ("spectre", 1), ("yelp-main", 7), ("yelp_main/api_proxy", 1)],
    ),
];

const CAPTURES: &[Expected] = &[
    file(
        "captures/s11b-correlated/traces-jaeger.json.gz",
        "jaeger-json",
        [11_399, 9_636, 9],
        &[("catalog", 2_680), ("inventory", 1_842), ("orders", 2_265), ("payments", 1_069), ("web", 3_543)],
    ),
    file(
        "captures/s10b-stampede/zipkin/spans.json.gz",
        "zipkin-json/v2",
        [17_257, 13_578, 18],
        &[("catalog", 6_264), ("inventory", 1_298), ("orders", 1_887), ("payments", 693), ("web", 7_115)],
    ),
];

/// The file's bytes, those of a gzip file expanded.
fn bytes(path: &str) -> Vec<u8> {
    let raw = std::fs::read(Path::new(SHARED).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    if !path.ends_with(".gz") {
        return raw;
    }
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(raw.as_slice()).read_to_end(&mut text).unwrap_or_else(|error| panic!("{path}: {error}"));
    text
}

fn read(path: &str, bytes: &[u8]) -> (String, Transcript) {
    let head = Head { path: "x", bytes: &bytes[..bytes.len().min(64 << 10)], whole: bytes.len() <= 64 << 10 };
    let found = recognise(&head).unwrap_or_else(|| panic!("{path} is not recognised"));
    let mut transcript = Transcript::default();
    found.parser.parse(&Chunk { file: FileId(0), base: 0, bytes, hints: &Hints::default() }, &mut transcript);
    (found.label, transcript)
}

fn word<'a>(line: &'a str, name: &str) -> &'a str {
    line.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split('"').next()).unwrap_or("")
}

fn check(files: &[Expected]) {
    if !files.iter().all(|file| Path::new(SHARED).join(file.path).is_file()) {
        eprintln!("skipped: no files at {SHARED}");
        return;
    }
    for file in files {
        let bytes = bytes(file.path);
        let (label, transcript) = read(file.path, &bytes);
        let mut services: BTreeMap<&str, usize> = BTreeMap::new();
        let (mut spans, mut children, mut errors) = (0, 0, 0);
        for line in transcript.text.lines() {
            assert!(line.starts_with("span @"), "{}: {line}", file.path);
            // Tags may hold anything, the head of the line does not.
            let head = line.split(" attributes=").next().unwrap_or(line);
            *services.entry(word(head, "service")).or_default() += 1;
            spans += 1;
            children += usize::from(!word(head, "parent").is_empty());
            errors += usize::from(word(head, "status") == "Error");
            is_its_own_object(file.path, line, &bytes);
        }
        let found = (label.as_str(), spans, children, errors, transcript.quarantined);
        assert_eq!(found, (file.label, file.spans, file.children, file.errors, 0), "{}", file.path);
        assert_eq!(services, file.services.iter().copied().collect(), "{}", file.path);
    }
}

/// The cited bytes are the JSON object of the span and of nothing else.
fn is_its_own_object(path: &str, line: &str, bytes: &[u8]) {
    let place = line.split(' ').nth(1).and_then(|place| place[1..].split_once('+'));
    let (start, len): (usize, usize) = place.map(|(start, len)| (start.parse().unwrap(), len.parse().unwrap())).unwrap();
    let object: serde_json::Value = serde_json::from_slice(&bytes[start..start + len]).unwrap_or_else(|error| panic!("{path}: {error}: {line}"));
    let name = object.get("operationName").or_else(|| object.get("name")).and_then(|name| name.as_str()).unwrap_or("");
    assert_eq!(word(line, "name"), name, "{path}: {line}");
}

#[test]
fn every_file_of_the_corpus_is_read_in_full() {
    check(CORPUS);
}

#[test]
fn the_captures_are_read_in_full() {
    check(CAPTURES);
}
