//! What a bundle must never do: make the program fail, hang, take all memory, or speak through it.
//!
//! Everything runs with two gigabytes of address space.

use crate::corpus::consistent;
use crate::injection::quiet;
use crate::program::{bounded, files, items, put, run, run_within, samples, text};
use serde_json::{Value, json};
use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use zip::write::SimpleFileOptions;

/// The JSON report over a bundle, which the program survives with a clear result.
pub fn survives(bundle: &Path) -> Value {
    let out = run(bounded().arg(bundle).args(["--json", "-"]));
    let name = bundle.display().to_string();
    assert!(matches!(out.status, Some(0 | 2)) && !out.err.contains("panicked"), "{name}: {:?} {}", out.status, out.err);
    let report = out.json();
    consistent(&report, &name);
    report
}

/// What the report says about a file: its format, its records, and why it was not understood.
fn covered(report: &Value, path: &str) -> (String, u64, Vec<String>) {
    let file = items(report, "/coverage/files").iter().find(|file| text(file, "/path") == path).unwrap_or_else(|| panic!("no {path} in {report:#}"));
    let reasons = items(file, "/reasons").iter().map(|reason| text(reason, "/reason").to_owned()).collect();
    (text(file, "/format").to_owned(), file.pointer("/records").and_then(Value::as_u64).unwrap_or_default(), reasons)
}

/// Bytes without a pattern: xorshift.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..length).map(|_| (next() >> 32) as u8).collect()
}

pub fn line(n: usize, message: &str) -> String {
    format!("2026-09-14 10:{:02}:{:02}.{:03}  WARN 1 --- [main] c.acme.shop.Cart : {message}\n", n / 60 % 60, n % 60, n % 1000)
}

fn record(n: usize, message: &str) -> String {
    json!({"@timestamp": format!("2026-09-14T10:{:02}:{:02}.000Z", n / 60 % 60, n % 60), "level": "WARN", "logger_name": "c.acme.shop.Cart", "thread_name": "main", "message": message})
        .to_string()
        + "\n"
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn random_bytes() {
    let dir = tempfile::tempdir().unwrap();
    for seed in 1..30 {
        put(&dir.path().join(format!("{seed}.log")), noise(seed * 7919, 1000 * seed as usize));
    }
    let report = survives(dir.path());
    assert_eq!(report.pointer("/bundle/records"), Some(&json!(0)));
    assert!(items(&report, "/findings").iter().any(|finding| text(finding, "/rule") == "evidence-unreadable"), "{report:#}");
}

#[test]
fn a_file_cut_in_half() {
    for root in samples() {
        let dir = tempfile::tempdir().unwrap();
        for path in files(&root) {
            let bytes = fs::read(&path).unwrap();
            let name = path.strip_prefix(&root).unwrap();
            // Without its beginning a packed file is noise: what it holds is cut, too.
            let mut unpacked = Vec::new();
            let packed = flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked).is_ok();
            let content = if packed { &unpacked } else { &bytes };
            put(&dir.path().join("as it lies").join(name), &bytes[..bytes.len() / 2]);
            put(&dir.path().join("first").join(name), &content[..content.len() / 2]);
            put(&dir.path().join("second").join(name), &content[content.len() / 2..]);
        }
        for half in ["as it lies", "first", "second"] {
            let report = survives(&dir.path().join(half));
            assert!(report.pointer("/bundle/records").and_then(Value::as_u64) > Some(100), "{half} of {}", root.display());
        }
    }
}

#[test]
fn a_line_of_twenty_megabytes() {
    let dir = tempfile::tempdir().unwrap();
    let long = "x".repeat(20 << 20);
    type Write = fn(usize, &str) -> String;
    for (name, write) in [("text.log", line as Write), ("lines.json", record as Write)] {
        let few: String = (0..50).map(|n| write(n, "the cart is full")).collect();
        put(&dir.path().join(name), [few.as_str(), &write(50, &long), &few].concat());
    }
    put(&dir.path().join("alone.json"), record(0, &long));
    put(&dir.path().join("alone.log"), line(0, &long));
    put(&dir.path().join("never-ends.log"), &long);
    let report = survives(dir.path());
    for name in ["text.log", "lines.json"] {
        assert!(covered(&report, name).1 >= 100, "{name}: the other lines are read: {:?}", covered(&report, name));
    }
}

#[test]
fn bytes_that_are_no_text() {
    let dir = tempfile::tempdir().unwrap();
    let broken = [b"\xff\xfe\xc3\x28 caf\xe9 \xed\xa0\x80".as_slice(), &[0; 300], b"\x01\x02\x7f"];
    let mut log = Vec::new();
    let mut lines = Vec::new();
    for n in 0..300 {
        log.extend(line(n, "before").into_bytes());
        lines.extend(record(n, "before").into_bytes());
        for part in broken.iter().filter(|_| n % 5 == 4) {
            let spoilt = |text: String| {
                let at = text.find("here").unwrap();
                [text.as_bytes()[..at].as_ref(), *part, text.as_bytes()[at..].as_ref()].concat()
            };
            log.extend(spoilt(line(n, "here")));
            lines.extend(spoilt(record(n, "here")));
        }
    }
    // A file that was written sparsely after its log was rotated begins with zeros.
    let sparse = [vec![0; 100_000], (0..300).flat_map(|n| line(n, "after").into_bytes()).collect()].concat();
    put(&dir.path().join("a.log"), &log);
    put(&dir.path().join("b.json"), &lines);
    put(&dir.path().join("c.log"), &sparse);
    let report = survives(dir.path());
    for name in ["a.log", "b.json"] {
        assert!(covered(&report, name).1 >= 300, "{:?}", covered(&report, name));
    }
}

#[test]
fn compression_cut_short_or_broken() {
    let dir = tempfile::tempdir().unwrap();
    let log: Vec<u8> = (0..20_000).flat_map(|n| line(n, &format!("cart {} is full", n * 7919)).into_bytes()).collect();
    let (gz, zst) = (gzip(&log), zstd::encode_all(log.as_slice(), 1).unwrap());
    put(&dir.path().join("cut.log.gz"), &gz[..gz.len() / 2]);
    put(&dir.path().join("cut.log.zst"), &zst[..zst.len() / 2]);
    let mut flipped = gz.clone();
    flipped[gz.len() / 2..gz.len() / 2 + 20].fill(0xaa);
    put(&dir.path().join("flipped.log.gz"), flipped);
    put(&dir.path().join("head.gz"), &gz[..5]);
    put(&dir.path().join("trailer.log.gz"), [gz.as_slice(), &[0; 512]].concat());
    put(&dir.path().join("cut.zip"), &b"PK\x03\x04\x14\0\0\0\x08\0"[..]);
    let report = survives(dir.path());
    for name in ["cut.log.gz", "cut.log.zst", "flipped.log.gz"] {
        let (_, records, reasons) = covered(&report, name);
        assert!(records > 1000 && reasons.contains(&"truncated".to_owned()), "{name}: {records} {reasons:?}");
    }
    assert!(covered(&report, "trailer.log.gz").1 > 19_000, "{:?}", covered(&report, "trailer.log.gz"));
}

/// Ten megabytes that would be ten gigabytes, the same inside other archives, and many small ones in one archive.
#[test]
fn bombs() {
    let dir = tempfile::tempdir().unwrap();
    let zeros = gzip(&vec![0; 64 << 20]);
    let bomb = zeros.repeat((10 << 20) / zeros.len());
    put(&dir.path().join("bomb.gz"), &bomb);
    put(&dir.path().join("nested.gz"), gzip(&gzip(&bomb)));
    put(&dir.path().join("bomb.tar.gz"), gzip(&tar_with(&[("a.gz", &bomb), ("b.gz", &bomb)])));
    put(&dir.path().join("bomb.zst"), zstd::encode_all(vec![0; 300 << 20].as_slice(), 19).unwrap());
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for n in 0..400 {
        zip.start_file(format!("{n}.gz"), SimpleFileOptions::default()).unwrap();
        zip.write_all(&zeros).unwrap();
    }
    put(&dir.path().join("many.zip"), zip.finish().unwrap().into_inner());
    let mut deep = line(0, "deep").into_bytes();
    (0..50).for_each(|_| deep = gzip(&deep));
    put(&dir.path().join("deep.gz"), deep);
    put(&dir.path().join("shop.log"), (0..50).map(|n| line(n, "fine")).collect::<String>());
    let out = run_within(bounded().arg(dir.path()).args(["--json", "-"]), Duration::from_secs(60)).expect(0);
    let report = out.json();
    consistent(&report, "bombs");
    assert!(covered(&report, "bomb.gz").2.contains(&"expansion-limit".to_owned()), "{:?}", covered(&report, "bomb.gz"));
    assert_eq!(covered(&report, "deep.gz").2, ["nesting-limit"]);
    assert_eq!(covered(&report, "shop.log").1, 50);
    let read = report.pointer("/bundle/bytes").and_then(Value::as_u64).unwrap_or_default();
    assert!(read < 8 << 30, "{read} bytes were expanded");
}

fn tar_with(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        // The builder refuses hostile names, so they are written into the header.
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

#[test]
fn names_that_lead_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let log: String = (0..20).map(|n| line(n, "inside")).collect();
    let names = ["../../../tmp/up.log", "/etc/absolute.log", "a/../../b.log", "c\\..\\d.log", "\u{1b}[31mred.log", "<script>alert(1)</script>.log"];
    let all: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, log.as_bytes())).collect();
    let mut tar = tar::Builder::new(tar_with(&all));
    tar.get_mut().truncate(all.len() * 512 * (1 + log.len().div_ceil(512)));
    for (kind, name, target) in [
        (tar::EntryType::Symlink, "link", "/etc/passwd"),
        (tar::EntryType::Link, "hard", "../../etc/passwd"),
        (tar::EntryType::Fifo, "pipe", "nothing"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        tar.append_link(&mut header, name, target).unwrap();
    }
    put(&dir.path().join("x.tar"), tar.into_inner().unwrap());
    let report = survives(dir.path());
    let paths: Vec<&str> = items(&report, "/coverage/files").iter().map(|file| text(file, "/path")).collect();
    assert!(paths.contains(&"x.tar!/tmp/up.log") && paths.contains(&"x.tar!/etc/absolute.log") && paths.contains(&"x.tar!/a/b.log"), "{paths:?}");
    assert!(paths.iter().all(|path| !path.contains("..") && !path.contains("passwd")), "{paths:?}");
    assert_eq!(paths.len(), names.len(), "{paths:?}");
    quiet(dir.path());
}

#[cfg(unix)]
#[test]
fn links_pipes_and_locked_doors() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    put(&at("a/shop.log"), (0..20).map(|n| line(n, "fine")).collect::<String>());
    symlink("..", at("a/loop")).unwrap();
    symlink(at("a"), at("again")).unwrap();
    symlink("/nowhere/at/all", at("dangling.log")).unwrap();
    symlink("self", at("self")).unwrap();
    put(&at("locked.log"), line(0, "secret"));
    put(&at("shut/inside.log"), line(0, "secret"));
    for (name, mode) in [("locked.log", 0o000), ("shut", 0o000)] {
        fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let pipe = Command::new("mkfifo").arg(at("pipe")).status().is_ok_and(|status| status.success());
    let out = run_within(bounded().arg(dir.path()).args(["--json", "-"]), Duration::from_secs(30)).expect(0);
    let report = out.json();
    consistent(&report, "links");
    assert_eq!(covered(&report, "a/shop.log").1, 20);
    let paths: Vec<&str> = items(&report, "/coverage/files").iter().map(|file| text(file, "/path")).collect();
    assert!(paths.iter().all(|path| !path.contains("loop") && !path.contains("again")), "{paths:?}");
    if pipe {
        assert_eq!(covered(&report, "pipe").2, ["unreadable"]);
    }
    // Root opens every door.
    if fs::read(at("locked.log")).is_err() {
        assert_eq!(covered(&report, "locked.log").2, ["unreadable"]);
    }
    fs::set_permissions(at("shut"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn lying_lengths() {
    let dir = tempfile::tempdir().unwrap();
    let sample = crate::program::sample("checkout-incident/traces/otlp-traces.pb");
    let good = fs::read(sample).unwrap();
    for (name, at, lie) in [("a.pb", 0, vec![0xff; 9]), ("b.pb", 1, vec![0xff, 0xff, 0xff, 0xff, 0x0f]), ("c.pb", 8, vec![0xfe, 0xff, 0xff, 0x7f])] {
        let mut bytes = good.clone();
        bytes[at..at + lie.len()].copy_from_slice(&lie);
        put(&dir.path().join(name), bytes);
    }
    // Four gigabytes are announced, by both kinds of prefix.
    put(&dir.path().join("d.pb"), [&[0xff, 0xff, 0xff, 0xff][..], &good[..2000]].concat());
    put(&dir.path().join("e.pb"), [&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f][..], &good[..2000]].concat());
    survives(dir.path());
}

#[test]
fn deep_nesting() {
    let dir = tempfile::tempdir().unwrap();
    for (name, open, shut) in [("list", "[", "]"), ("map", "{\"a\":", "}"), ("both", "[{\"a\":", "}]")] {
        let deep = format!("{}1{}", open.repeat(200_000), shut.repeat(200_000));
        put(&dir.path().join(format!("{name}.json")), &deep);
        let field = record(0, "deep").replacen("{", &format!("{{\"x\":{deep},"), 1);
        put(&dir.path().join(format!("{name}-field.json")), (0..20).map(|n| record(n, "fine")).collect::<String>() + &field + &record(21, "fine"));
        put(&dir.path().join(format!("{name}-otlp.json")), format!("{{\"resourceSpans\":[{{\"scopeSpans\":{deep}}}]}}"));
        put(&dir.path().join(format!("{name}-open.json")), open.repeat(200_000));
    }
    // A message within a message within a message, and so on.
    let mut nested = vec![0x0a, 0x00];
    for _ in 0..3000 {
        let mut length = nested.len();
        let mut prefix = vec![0x0a];
        while length >= 0x80 {
            prefix.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        prefix.push(length as u8);
        nested = [prefix, nested].concat();
    }
    put(&dir.path().join("nested.pb"), nested);
    let report = survives(dir.path());
    assert!(covered(&report, "list-field.json").1 >= 20, "{:?}", covered(&report, "list-field.json"));
}

#[test]
fn a_file_that_claims_to_be_everything() {
    let dir = tempfile::tempdir().unwrap();
    let heads: [&[u8]; 8] = [
        b"Full thread dump OpenJDK 64-Bit Server VM\n",
        b" num     #instances         #bytes  class name\n----\n",
        b"[0.001s][info][gc] Using G1\n",
        b"{\"resourceSpans\":[",
        b"JAVA PROFILE 1.0.2\0",
        b"\x0a\x80\x01\x0a\x10",
        b"{\"log\":\"{\\\"log\\\":\\\"",
        b"2026-09-14T10:00:00.000000000Z stdout P ",
    ];
    for (n, head) in heads.iter().enumerate() {
        put(&dir.path().join(format!("{n}.x")), [head, noise(n as u64 + 5, 50_000).as_slice()].concat());
        put(&dir.path().join(format!("{n}.y")), head.repeat(3000));
        put(&dir.path().join(format!("{n}.z")), head);
    }
    survives(dir.path());
}
