//! Every sample bundle says what its `expect.yaml` demands, nothing else of weight, and nothing it cannot prove.
//!
//! The built program is run over each directory of `samples/`. Every citation of every finding is opened again with
//! means of its own: the bytes must exist, have the digest, stand on the line, and hold the words of the excerpt. That
//! threads and packing change nothing is told in `merge`, what changes of the content may and must change in `properties`.

use crate::program::files;
use crate::samples::{Citation, Sample, report, said, samples};
use flate2::read::MultiGzDecoder;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::Read;
use std::path::Path;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

#[test]
fn samples_say_what_is_expected() {
    report(&samples().iter().flat_map(Sample::faults).collect::<Vec<_>>());
}

#[test]
fn every_citation_can_be_opened() {
    let mut faults = Vec::new();
    for sample in samples() {
        let mut files: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for finding in &sample.report.findings {
            if finding.evidence.is_empty() {
                faults.push(format!("{}: {} cites nothing", sample.name, finding.id));
            }
            for citation in &finding.evidence {
                let bytes = files.entry(&citation.file).or_insert_with(|| content(&sample.root.join(&citation.file)).unwrap_or_default());
                if let Err(fault) = check(citation, bytes) {
                    faults.push(format!("{}: {} cites {}:{}: {fault}", sample.name, finding.id, citation.file, citation.line));
                }
                if !sample.page.contains(&citation.digest) && !sample.page.contains(&citation.file) {
                    faults.push(format!("{}: the page does not show the citation {}:{}", sample.name, citation.file, citation.line));
                }
            }
        }
    }
    report(&faults);
}

/// Bytes of a file, unpacked if it is packed.
fn content(path: &Path) -> Outcome<Vec<u8>> {
    let bytes = fs::read(path)?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

fn check(citation: &Citation, bytes: &[u8]) -> Result<(), String> {
    let end = citation.offset.saturating_add(citation.length);
    let cited = bytes.get(citation.offset..end).ok_or_else(|| format!("bytes {}..{end} of {}", citation.offset, bytes.len()))?;
    if cited.is_empty() {
        return Err("no bytes".to_owned());
    }
    let digest = format!("blake3:{}", blake3::hash(cited).to_hex());
    if digest != citation.digest {
        return Err(format!("{} is {digest}", citation.digest));
    }
    let line = 1 + bytes[..citation.offset].iter().filter(|&&byte| byte == b'\n').count();
    if line != citation.line {
        return Err(format!("the bytes stand on line {line}"));
    }
    // Text only: what a binary record says is told in words that do not stand in it.
    let Ok(text) = std::str::from_utf8(cited) else { return Ok(()) };
    let first: String = citation.excerpt.split_whitespace().next().unwrap_or_default().chars().take(24).collect();
    let told = first.trim_start_matches('…').trim_end_matches(['…', '.']);
    if told.is_empty() || !text.contains(told) {
        return Err(format!("the excerpt begins with {first:?}"));
    }
    Ok(())
}

#[test]
fn notes_beside_the_evidence_are_no_evidence() {
    let mut faults = Vec::new();
    for sample in samples() {
        let is_note = |path: &str| path == "README.md" || path == "expect.yaml";
        for file in sample.report.coverage.files.iter().filter(|file| is_note(&file.path) && file.records > 0) {
            faults.push(format!("{}: {} records read from {}", sample.name, file.records, file.path));
        }
        for finding in sample.report.findings.iter().filter(|f| f.is_heavy() && f.evidence.iter().any(|c| is_note(&c.file))) {
            faults.push(format!("{}: {} cites a note", sample.name, finding.id));
        }
    }
    report(&faults);
}

#[test]
fn the_place_of_the_bundle_changes_nothing() -> Outcome {
    for sample in samples() {
        let elsewhere = tempfile::tempdir()?;
        let copy = elsewhere.path().join(&sample.name);
        // Written in the opposite order, so that a directory lists them in another one.
        for path in files(&sample.root).iter().rev() {
            let target = copy.join(path.strip_prefix(&sample.root)?);
            fs::create_dir_all(target.parent().unwrap_or(&copy))?;
            fs::copy(path, target)?;
        }
        assert!(said(&copy, &[]) == sample.json, "{} differs when copied", sample.name);
    }
    Ok(())
}
