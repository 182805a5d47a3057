//! Captured access logs, error logs and scrapes: recognised as what they are, read in full, nothing in quarantine.
//!
//! The counts are taken by the dumbest means that can work: lines, and columns between blanks. Skips with a notice where
//! the captures are absent.

use analyze::formats::{Match, recognise};
use analyze::model::source::{Chunk, FileId, Head, Hints};
use analyze::model::transcript::Transcript;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared");

/// The file's bytes, expanded if it is packed; none where it is absent.
fn read(path: &str) -> Option<Vec<u8>> {
    let full = Path::new(SHARED).join(path);
    let Ok(raw) = fs::read(&full) else {
        eprintln!("skipped: no {}", full.display());
        return None;
    };
    if !path.ends_with(".gz") {
        return Some(raw);
    }
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(raw.as_slice()).read_to_end(&mut bytes).expect("the capture can be expanded");
    Some(bytes)
}

fn recognised(path: &str, bytes: &[u8]) -> Match {
    let head = Head { path, bytes: &bytes[..bytes.len().min(64 << 10)], whole: bytes.len() <= 64 << 10 };
    recognise(&head).unwrap_or_else(|| panic!("{path} is not recognised"))
}

fn parse(found: &Match, bytes: &[u8]) -> Transcript {
    let mut transcript = Transcript::default();
    found.parser.parse(&Chunk { file: FileId(0), base: 0, bytes, hints: &Hints::default() }, &mut transcript);
    transcript
}

fn having(got: &Transcript, part: &str) -> usize {
    got.text.lines().filter(|line| line.contains(part)).count()
}

/// Label, records, errors, records with a trace, records with a duration, records without a time.
type Counts<'a> = (&'a str, [usize; 5]);

fn check(path: &str, (label, counts): Counts<'_>) {
    let Some(bytes) = read(path) else { return };
    let found = recognised(path, &bytes);
    assert_eq!(found.label, label, "{path}");
    let got = parse(&found, &bytes);
    let timeless = got.records - having(&got, " time=\"");
    let shown = [got.records, having(&got, " level=\"ERROR\""), having(&got, " trace=\""), having(&got, "duration_ms="), timeless];
    assert_eq!((shown, got.quarantined), (counts, 0), "{path}\n{}", got.text);
    assert_eq!(got.records, String::from_utf8_lossy(&bytes).lines().count(), "{path}: one record a line");
}

#[test]
fn access_logs() {
    for (name, counts) in [
        ("apache_access_combined_D_uniqueid.log", ("access-log/apache", [7, 2, 5, 7, 0])),
        ("apache_access_common.log", ("access-log/apache", [7, 2, 0, 0, 0])),
        ("apache_access_vhost_combined.log", ("access-log/apache", [7, 2, 0, 0, 0])),
        ("haproxy_raw_udp.log", ("access-log/haproxy", [21, 8, 12, 18, 0])),
        ("haproxy_stdout.log", ("access-log/haproxy", [3, 1, 0, 0, 3])),
        ("haproxy_syslog_file.log", ("access-log/haproxy", [18, 8, 12, 18, 0])),
        ("nginx_access_combined.log", ("access-log/nginx", [19, 14, 0, 0, 0])),
        ("nginx_access_timed.log", ("access-log/nginx", [19, 14, 12, 19, 0])),
        ("tomcat_access_D_thread.2026-11-22.log", ("access-log/tomcat", [4, 1, 4, 4, 0])),
        ("tomcat_access_combined.2026-11-22.log", ("access-log/combined", [4, 1, 0, 0, 0])),
        ("tomcat_access_common.2026-11-22.log", ("access-log/common", [4, 1, 0, 0, 0])),
        ("nginx_error.log", ("error-log/nginx", [53, 17, 0, 0, 0])),
        ("apache_error.log", ("error-log/apache", [15, 4, 0, 0, 0])),
    ] {
        check(&format!("corpus/access/{name}"), counts);
    }
    check("captures/pricing-poison-sku/logs/lb/access.log.gz", ("access-log/nginx", [9331, 61, 9331, 9331, 0]));
}

#[test]
fn json_access_logs_stay_json() {
    for path in ["corpus/access/nginx_access_json.log", "captures/s13b-gateway-504/prod/gateway/access.log.gz"] {
        let Some(bytes) = read(path) else { continue };
        let label = recognised(path, &bytes).label;
        assert!(label.starts_with("json-log/"), "{path}: {label}");
    }
}

#[test]
fn upstreams_that_were_asked_again() {
    let Some(bytes) = read("corpus/access/nginx_access_timed.log") else { return };
    let got = parse(&recognised("", &bytes), &bytes);
    assert_eq!((having(&got, "upstream_attempts=2;"), having(&got, "upstream_status=502, 200;")), (1, 1), "{}", got.text);
    assert_eq!(having(&got, "upstream_address=127.0.0.1:58081, app;upstream_attempts=1;"), 3, "a name is no attempt\n{}", got.text);
}

/// The folders of scrapes among the captures.
fn scrapes() -> Vec<PathBuf> {
    let folders = [
        "corpus/metrics",
        "captures/catalogue-blocked/metrics/catalogue_api-3",
        "captures/payments-long-tx/metrics",
        "captures/pricing-poison-sku/metrics",
        "captures/s15b-retry-outside-slow-fallback/prometheus",
    ];
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in folders {
        let Ok(entries) = fs::read_dir(Path::new(SHARED).join(folder)) else {
            eprintln!("skipped: no {SHARED}/{folder}");
            continue;
        };
        paths.extend(entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| !path.ends_with("SOURCE.md")));
    }
    paths.sort();
    paths
}

#[test]
fn every_scrape_is_read_in_full() {
    for path in scrapes() {
        let name = path.display().to_string();
        let bytes = fs::read(&path).expect("the capture can be read");
        let text = String::from_utf8_lossy(&bytes);
        let found = recognised(&name, &bytes);
        assert_eq!(found.label, if name.contains("openmetrics") { "prometheus/openmetrics" } else { "prometheus/text" }, "{name}");
        let got = parse(&found, &bytes);
        let samples = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let numbers = samples.filter(|line| !line.contains(" NaN")).count();
        assert_eq!((got.records, got.quarantined), (numbers, 0), "{name}");
        let dated = if name.contains("/corpus/") { 0 } else { numbers };
        assert_eq!(having(&got, " time=\"2026-11-22T"), dated, "{name}");
        for line in got.text.lines().step_by(37) {
            let (start, len) = line.split('@').nth(1).and_then(|rest| rest.split(' ').next()?.split_once('+')).expect("evidence");
            let (start, len): (usize, usize) = (start.parse().expect("start"), len.parse().expect("length"));
            assert!(text.get(start..start + len).is_some_and(|cited| text.lines().any(|line| line == cited)), "{name}: {line}");
        }
    }
}

#[test]
fn files_cut_between_scrapes_say_the_same() {
    let Some(bytes) = read("captures/payments-long-tx/metrics/payments-0.prom") else { return };
    let found = recognised("", &bytes);
    let whole = parse(&found, &bytes);
    let pieces = analyze::bundle::cut::pieces(&bytes, found.parser.framing(), 16 << 10);
    assert!(pieces.len() > 5, "{pieces:?}");
    let mut text = String::new();
    for piece in pieces {
        let mut part = Transcript::default();
        let chunk = Chunk { file: FileId(0), base: piece.start as u64, bytes: &bytes[piece], hints: &Hints::default() };
        found.parser.parse(&chunk, &mut part);
        text.push_str(&part.text);
    }
    assert!(text == whole.text, "a cut changes what is read");
}

/// Cuts every small capture after every 61st byte.
#[test]
fn any_cut_is_read() {
    let Ok(entries) = fs::read_dir(Path::new(SHARED).join("corpus/access")) else {
        eprintln!("skipped: no {SHARED}/corpus/access");
        return;
    };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()).chain(scrapes().into_iter().take(2)) {
        let bytes = fs::read(&path).expect("the capture can be read");
        for at in (0..bytes.len()).step_by(61) {
            for part in [&bytes[..at], &bytes[at..]] {
                if let Some(found) = recognise(&Head { path: "x", bytes: part, whole: true }) {
                    parse(&found, part);
                }
            }
        }
    }
}
