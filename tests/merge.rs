//! Work is done on parts, and parts merge: how a bundle is cut, ordered, packed and read changes nothing that is said.
//!
//! That the place of a bundle changes nothing is held by `golden`; what changes of its content do, by `properties`.

use crate::bounds::recognised;
use crate::program::{analyze, files, items, put, report, run, sample, samples, text};
use analyze::bundle::cut;
use analyze::pipeline::{self, Options};
use analyze::report::json;
use proptest::prelude::*;
use proptest::sample::Index;
use rayon::prelude::*;
use serde_json::Value;
use std::fs;
use std::io::{Cursor, Write};
use std::iter::successors;
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;

/// What depends neither on names of files nor on places in them.
fn essence(report: &Value) -> String {
    let mut lines = Vec::new();
    for finding in items(report, "/findings") {
        let part = |name: &str| finding.get(name).map(Value::to_string).unwrap_or_default();
        let words = ["rule", "severity", "belief", "confidence", "role", "subject", "services", "window", "summary", "measures"].map(part);
        lines.push(words.join(" "));
    }
    for suspect in items(report, "/suspects") {
        lines.push(["service", "score", "because"].map(|name| suspect.get(name).map(Value::to_string).unwrap_or_default()).join(" "));
    }
    for part in ["scenarios", "rules", "graph", "traces"] {
        lines.push(report.get(part).map(Value::to_string).unwrap_or_default());
    }
    lines.join("\n")
}

fn in_process(bundles: Vec<PathBuf>) -> Value {
    let analysis = pipeline::analyze(&Options { bundles, ..Options::default() }).unwrap_or_else(|error| panic!("{error:#}"));
    serde_json::from_str(&json(&analysis.report)).unwrap_or_else(|error| panic!("{error}"))
}

/// Files of a sample with their bytes, without the notes beside the evidence.
fn evidence(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let note = |path: &PathBuf| path.ends_with("README.md") || path.ends_with("expect.yaml");
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.strip_prefix(root).unwrap_or(&path).to_owned(), bytes)
    };
    files(root).into_iter().filter(|path| !note(path)).map(read).collect()
}

/// The first of two that differ, with what is around the difference.
fn same(one: &str, other: &str, what: &str) {
    let difference = one.lines().zip(other.lines()).find(|(a, b)| a != b);
    assert!(one == other, "{what}: {difference:?}");
}

#[test]
fn the_order_on_the_command_line_changes_nothing_but_the_name() {
    // Names that are unique, and names that are not: the same three files in any order.
    for name in ["checkout-incident", "healthy-shop", "stale-prices"] {
        let mut paths: Vec<PathBuf> = evidence(&sample(name)).into_iter().map(|(path, _)| sample(name).join(path)).collect();
        let told = |paths: &[PathBuf]| {
            let out = run(analyze().args(paths).args(["--json", "-"])).expect(0);
            let bundle = format!("\"name\": {:?}", out.json().pointer("/bundle/name").and_then(Value::as_str).unwrap_or_default());
            out.text().replacen(&bundle, "", 1)
        };
        let want = told(&paths);
        paths.reverse();
        same(&told(&paths), &want, name);
        paths.rotate_left(2);
        same(&told(&paths), &want, name);
    }
}

#[test]
fn paths_of_many_inputs_stay_apart() {
    let dir = tempfile::tempdir().unwrap();
    let line = |n: usize| format!("2026-09-14 10:00:0{n}.000 ERROR 1 --- [main] c.a.Shop : number {n}\n");
    let paths: Vec<PathBuf> = (0..4).map(|n| dir.path().join(format!("{n}/shop.log"))).collect();
    paths.iter().enumerate().for_each(|(n, path)| put(path, line(n)));
    let out = run(analyze().args(&paths).args(["--json", "-"])).expect(0).json();
    let mut seen: Vec<&str> = items(&out, "/coverage/files").iter().map(|file| text(file, "/path")).collect();
    seen.dedup();
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert!(items(&out, "/coverage/files").iter().all(|file| text(file, "/service") == "shop"), "{out:#}");
}

#[test]
fn threads_change_nothing() {
    samples().par_iter().for_each(|root| {
        let with = |jobs: &str| run(analyze().arg(root).args(["--json", "-", "--jobs", jobs])).expect(0);
        let want = with("1");
        for jobs in ["2", "8"] {
            same(with(jobs).text(), want.text(), &format!("{} --jobs {jobs}", root.display()));
        }
    });
}

#[test]
fn packing_changes_only_paths() {
    samples().par_iter().for_each(|root| {
        let files = evidence(root);
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("plain");
        files.iter().for_each(|(path, bytes)| put(&plain.join(path), bytes));
        let want = essence(&report(&plain));
        let tar = tar_of(&files);
        let packs = [
            ("a.tar", tar.clone()),
            ("b.tar.zst", zstd::encode_all(tar.as_slice(), 1).unwrap()),
            ("c.zip", zip_of(&files)),
            // A name may lie.
            ("d.log", gzip(&tar)),
            // Packed twice over.
            ("e.tar.gz", gzip(&tar_of(&[(PathBuf::from("f.zip"), zip_of(&files))]))),
        ];
        for (name, bytes) in packs {
            let packed = dir.path().join(name);
            put(&packed, bytes);
            same(&essence(&report(&packed)), &want, &format!("{} as {name}", root.display()));
        }
    });
}

fn tar_of(files: &[(PathBuf, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, bytes.as_slice()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn zip_of(files: &[(PathBuf, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in files {
        zip.start_file(path.to_string_lossy().replace('\\', "/"), SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Writes a file as a program that rotates its log would have: `name.2`, `name.1`, `name`, cut where a record begins.
fn rotate(target: &Path, bytes: &[u8], borders: &[Index]) {
    let Some(found) = recognised(bytes) else { return put(target, bytes) };
    let pieces = cut::pieces(bytes, found.parser.framing(), 256);
    // What is cut must be recognised again by its own beginning; a handful of lines may not be.
    let possible: Vec<usize> = pieces.iter().map(|piece| piece.start).filter(|&at| at >= 8 << 10 && bytes.len() - at >= 8 << 10).collect();
    let mut cuts: Vec<usize> = if possible.is_empty() { Vec::new() } else { borders.iter().map(|border| *border.get(&possible)).collect() };
    cuts.sort_unstable();
    cuts.dedup();
    split(target, bytes, cuts);
}

fn split(target: &Path, bytes: &[u8], mut cuts: Vec<usize>) {
    cuts.push(bytes.len());
    let (mut from, parts) = (0, cuts.len());
    for (number, to) in cuts.into_iter().enumerate() {
        let age = parts - 1 - number;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let path = if age == 0 { target.to_owned() } else { target.with_file_name(format!("{name}.{age}")) };
        put(&path, &bytes[from..to]);
        from = to;
    }
}

#[test]
fn records_of_one_moment_may_lie_in_two_files() {
    // A run of a job begins and ends within one millisecond: its log is rotated between any two of its records.
    let root = sample("twice-run-job");
    let files = evidence(&root);
    let begins = |bytes: &[u8], from: usize| Some(from + 1 + bytes.get(from..)?.windows(6).position(|w| w == b"\n2026-")?);
    // Cut where the next records begin, so that parts in between hold a record each.
    let told = |at: usize, cuts: usize| {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path().join("bundle");
        for (path, bytes) in &files {
            split(&bundle.join(path), bytes, successors(Some(at), |&from| begins(bytes, from)).skip(1).take(cuts).collect());
        }
        essence(&in_process(vec![bundle]))
    };
    let want = told(0, 0);
    let least = files.iter().map(|(_, bytes)| bytes.len()).min().unwrap_or(0);
    // One after the other: an analysis is parallel itself, and a worker that waits within one would begin the next on its stack.
    for at in (8 << 10..least - (8 << 10)).step_by(100) {
        for cuts in [1, 2, 4] {
            same(&told(at, cuts), &want, &format!("rotated {cuts} times at {at}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]

    /// A log that was rotated anywhere says what the whole log says.
    #[test]
    fn rotation_changes_nothing(borders in prop::collection::vec(any::<Index>(), 1..4)) {
        for root in samples() {
            let dir = tempfile::tempdir().unwrap();
            let (whole, rotated) = (dir.path().join("whole/bundle"), dir.path().join("rotated/bundle"));
            for (path, bytes) in evidence(&root) {
                put(&whole.join(&path), &bytes);
                rotate(&rotated.join(&path), &bytes, &borders);
            }
            let (whole, rotated) = (in_process(vec![whole]), in_process(vec![rotated]));
            same(&essence(&rotated), &essence(&whole), &format!("{} {borders:?}", root.display()));
        }
    }
}
