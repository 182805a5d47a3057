//! Real captures, where they are at hand: every bundle gives a complete report whose citations can be opened, and no
//! single file makes the program fail.

use crate::program::{analyze, at, bounded, files, items, run, shared, text};
use rayon::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What the contract promises at the top of every report.
const KEYS: [&str; 12] =
    ["schema", "tool", "bundle", "verdict", "findings", "root_cause", "suspects", "scenarios", "rules", "graph", "traces", "coverage"];

#[test]
fn every_capture_gives_a_complete_report() {
    let Some(captures) = shared("captures") else { return };
    let mut bundles: Vec<_> = fs::read_dir(&captures).unwrap().flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    bundles.sort();
    for bundle in bundles {
        let dir = tempfile::tempdir().unwrap();
        let (page, draft) = (dir.path().join("r.html"), dir.path().join("r.md"));
        let out = run(bounded().arg(&bundle).args(["--json", "-", "--report"]).arg(&page).arg("--markdown").arg(&draft)).expect(0);
        let name = bundle.display();
        for written in [out.out.clone(), fs::read(&page).unwrap(), fs::read(&draft).unwrap(), run(analyze().arg(&bundle)).expect(0).out] {
            assert!(!written.is_empty() && !written.contains(&0x1b), "{name}: an escape, or nothing at all");
        }
        let report = out.json();
        let keys: Vec<&str> = report.as_object().map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default();
        assert!(KEYS.iter().all(|key| keys.contains(key)), "{name}: {keys:?}");
        assert_eq!(items(&report, "/scenarios").len(), 15, "{name}");
        consistent(&report, &name.to_string());
        verify(&bundle, &report);
    }
}

/// Bytes that were understood and bytes that were not are all bytes.
pub fn consistent(report: &Value, name: &str) {
    let number = |pointer: &str| at(report, pointer).as_u64().unwrap_or_default();
    let (all, understood, quarantined) = (number("/bundle/bytes"), number("/coverage/understood_bytes"), number("/coverage/quarantined_bytes"));
    assert_eq!(understood + quarantined, all, "{name}: {understood} + {quarantined} bytes of {all}");
    let files = items(report, "/coverage/files");
    assert_eq!(files.iter().map(|file| at(file, "/bytes").as_u64().unwrap_or_default()).sum::<u64>(), all, "{name}");
    assert_eq!(files.len() as u64, number("/bundle/files"), "{name}");
    for file in files {
        let counts: u64 = items(file, "/reasons").iter().map(|reason| at(reason, "/count").as_u64().unwrap_or_default()).sum();
        assert_eq!(at(file, "/quarantined").as_u64(), Some(counts), "{name}: {file}");
    }
}

/// Opens every citation of a plain file again.
fn verify(bundle: &Path, report: &Value) {
    let mut read: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for finding in items(report, "/findings") {
        assert!(!items(finding, "/evidence").is_empty(), "{} cites nothing", text(finding, "/id"));
        for citation in items(finding, "/evidence") {
            let file = text(citation, "/file");
            let bytes = read.entry(file).or_insert_with(|| fs::read(bundle.join(file)).unwrap_or_default());
            // Offsets count decompressed bytes; packed files are opened by `golden`.
            if file.contains("!/") || bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
                continue;
            }
            let number = |name: &str| at(citation, name).as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
            let (offset, length) = (number("/offset"), number("/length"));
            let cited = bytes.get(offset..offset.saturating_add(length)).unwrap_or_else(|| panic!("{} cites {citation}", text(finding, "/id")));
            assert_eq!(text(citation, "/digest"), format!("blake3:{}", blake3::hash(cited).to_hex()), "{citation}");
            assert_eq!(number("/line"), 1 + bytes[..offset].iter().filter(|&&b| b == b'\n').count(), "{citation}");
        }
    }
}

#[test]
fn no_file_alone_makes_it_fail() {
    let Some(corpus) = shared("corpus") else { return };
    let paths = files(&corpus);
    assert!(!paths.is_empty());
    paths.par_iter().for_each(|path| {
        let out = run(bounded().arg(path).args(["--json", "-"]));
        assert!(matches!(out.status, Some(0 | 2)), "{}: {:?} {}", path.display(), out.status, out.err);
        consistent(&out.json(), &path.display().to_string());
    });
}
