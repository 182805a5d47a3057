//! What a bundle must never do: make the program fail, hang, take all memory, or speak through it.
//!
//! Everything runs with two gigabytes of address space. The seeds of the random parts are fixed.

use crate::bounds::{parse, recognised};
use crate::corpus::consistent;
use crate::program::{analyze, bounded, files, items, put, run, run_within, samples, text};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use zip::write::SimpleFileOptions;

/// The JSON report over a bundle, which the program survives with a clear result.
fn survives(bundle: &Path) -> Value {
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
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..length).map(|_| (next() >> 32) as u8).collect()
}

fn line(n: usize, message: &str) -> String {
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
        let mut plain = 0;
        for path in files(&root) {
            let bytes = fs::read(&path).unwrap();
            let name = path.strip_prefix(&root).unwrap();
            plain += if bytes.starts_with(&[0x1f, 0x8b]) { 0 } else { bytes.len() };
            put(&dir.path().join("first").join(name), &bytes[..bytes.len() / 2]);
            put(&dir.path().join("second").join(name), &bytes[bytes.len() / 2..]);
        }
        for half in ["first", "second"] {
            let report = survives(&dir.path().join(half));
            // The end of a packed file without its beginning is noise.
            let least = if half == "first" || plain > 100_000 { 100 } else { 0 };
            assert!(report.pointer("/bundle/records").and_then(Value::as_u64) >= Some(least), "{half} of {}", root.display());
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

/// Nothing in the bundle reaches the reader's terminal or browser as a command.
fn quiet(bundle: &Path) {
    for option in [&["--json", "-"][..], &["--report", "-"], &["--markdown", "-"], &["--color", "never"]] {
        for more in [&[][..], &["--no-redact"]] {
            let out = run(bounded().arg(bundle).args(option).args(more)).expect(0);
            let said = out.text();
            let control = said.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
            assert_eq!(control, None, "{option:?} of {}", bundle.display());
            let turned = said.chars().find(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
            assert_eq!(turned, None, "{option:?}: text that turns around");
            // JSON is data; in Markdown, what stands between backticks is shown as it is.
            let (said, link) = match option[0] {
                "--report" => (said.to_owned(), "href=\"javascript:"),
                "--markdown" => (outside_code(said).replace("\\]", ""), "](javascript:"),
                _ => continue,
            };
            for tag in ["<script>alert", "<img src=x", "</style><b", link] {
                assert_eq!(said.lines().find(|line| line.contains(tag)), None, "{option:?} of {}: {tag}", bundle.display());
            }
        }
    }
}

/// Markdown without its blocks and spans of code.
fn outside_code(markdown: &str) -> String {
    let fence = |line: &str| line.len() - line.trim_start_matches('`').len();
    let (mut out, mut block) = (String::new(), 0);
    for line in markdown.lines() {
        match fence(line) {
            ticks if block > 0 => {
                if ticks >= block && line.len() == ticks {
                    block = 0;
                }
            }
            ticks @ 3.. => block = ticks,
            _ => {
                let mut rest = line;
                while let Some(at) = rest.find('`') {
                    out.push_str(&rest[..at]);
                    let ticks = fence(&rest[at..]);
                    let inside = &rest[at + ticks..];
                    // A span ends with as many backticks as it began with; without an end these are only backticks.
                    let mut end = None;
                    let mut from = 0;
                    while let Some(next) = inside[from..].find('`') {
                        let run = fence(&inside[from + next..]);
                        if run == ticks {
                            end = Some(from + next + run);
                            break;
                        }
                        from += next + run;
                    }
                    rest = end.map_or(inside, |end| &inside[end..]);
                }
                out.push_str(rest);
                out.push('\n');
            }
        }
    }
    out
}

#[test]
fn commands_in_every_field() {
    const EVIL: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}<script>alert(1)</script><img src=x onerror=alert(1)>\"'`|](javascript:alert(1))</style><b \u{202e}\u{9b}31m\r\u{8}";
    let dir = tempfile::tempdir().unwrap();
    let mut lines = String::new();
    for n in 0..40 {
        let time = format!("2026-09-14T10:00:{n:02}.000Z");
        let message = format!("{EVIL}: java.lang.OutOfMemoryError: Java heap space {EVIL}");
        let stack = format!("java.lang.OutOfMemoryError: {EVIL}\n\tat {EVIL}(X.java:1)\n");
        let all = json!({"@timestamp": time, "level": "ERROR", "message": message, "logger_name": EVIL, "thread_name": EVIL, "service.name": EVIL,
            "host": EVIL, "pod": EVIL, "trace_id": EVIL, "span_id": EVIL, "stack_trace": stack, EVIL: EVIL});
        lines.push_str(&(all.to_string() + "\n"));
    }
    put(&dir.path().join("evil.json"), &lines);
    put(&dir.path().join("evil.log"), (0..40).map(|n| line(n, &format!("{EVIL}: java.lang.OutOfMemoryError: Java heap space"))).collect::<String>());
    let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let spans: Vec<Value> = (0..200)
        .map(|n: u64| {
            let start = 1_789_380_000_000_000_000 + n * 100_000_000;
            json!({"traceId": format!("{:032x}", n + 1), "spanId": format!("{:016x}", n + 1), "name": EVIL, "kind": 3,
                "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + 3_000_000_000).to_string(),
                "attributes": [attribute("http.request.method", EVIL), attribute("url.full", EVIL), attribute("server.address", EVIL),
                    attribute("error.type", EVIL), attribute("db.statement", EVIL), attribute(EVIL, EVIL)],
                "status": {"code": 2, "message": EVIL}})
        })
        .collect();
    let traces = json!({"resourceSpans": [{"resource": {"attributes": [attribute("service.name", EVIL), attribute("service.instance.id", EVIL)]},
        "scopeSpans": [{"spans": spans}]}]});
    put(&dir.path().join("traces.json"), traces.to_string());
    if cfg!(unix) {
        put(&dir.path().join("<script>alert(1)<\u{2f}script>\u{1b}[31m.log".replace('/', "_")), noise(3, 4000));
    }
    assert!(!items(&survives(dir.path()), "/findings").is_empty());
    quiet(dir.path());
    // Colour is the only escape that is ever written: no cursor, no title, no clearing of the screen.
    let out = run(analyze().arg(dir.path()).args(["--color", "always"])).expect(0);
    let said = out.text();
    for after in said.split('\u{1b}').skip(1) {
        let code: String = after.chars().take_while(|c| *c != 'm').collect();
        assert!(code.starts_with('[') && code[1..].chars().all(|c| c.is_ascii_digit() || c == ';'), "{after:?}");
    }
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

/// The heads of all files of the samples, and the beginnings of formats that none of them holds.
fn seeds() -> &'static [Vec<u8>] {
    static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let head = |path: &std::path::PathBuf| {
            let mut bytes = fs::read(path).unwrap();
            bytes.truncate(6 << 10);
            bytes
        };
        let others = crate::seeds::SEEDS.iter().map(|seed| seed.to_vec());
        samples().iter().flat_map(|root| files(root)).map(|path| head(&path)).chain(others).collect()
    })
}

/// Recognises and reads bytes as a whole and in pieces. It fails by a panic or by evidence outside the bytes.
fn read(bytes: &[u8]) {
    if let Some(found) = recognised(bytes) {
        parse(&found, bytes, usize::MAX / 4);
        parse(&found, bytes, 700);
    }
}

#[test]
fn every_seed_is_recognised() {
    for seed in crate::seeds::SEEDS {
        let found = recognised(seed).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(seed)));
        // A recording that anything can be read of is too long for a seed.
        let read = parse(&found, seed, usize::MAX / 4);
        assert!(read.records > 0 || found.label == "flight-recording", "{}: {}", found.label, String::from_utf8_lossy(seed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
        read(&bytes);
    }

    #[test]
    fn any_text_is_read(text in r#"(([0-9]{1,4}[-:.T ,]){0,8}(INFO|ERROR|"|\{|\}|\[|\]|\\|at |=|\t|[a-z]{1,9}|\PC| ){0,20}\n){0,30}"#) {
        read(text.as_bytes());
    }

    /// Real heads with bytes changed, taken out, put in and said again.
    #[test]
    fn spoilt_records_are_read(
        seed in any::<Index>(),
        other in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>(), 0_u8..6), 0..24),
    ) {
        let mut bytes = seeds()[seed.index(seeds().len())].clone();
        for (at, byte, kind) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            let end = (at + usize::from(byte)).min(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => drop(bytes.drain(at..end)),
                2 => bytes.insert(at, byte),
                3 => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                4 => bytes.truncate(at.max(64)),
                _ => {
                    let from = &seeds()[other.index(seeds().len())];
                    let part = from[at.min(from.len())..end.min(from.len())].to_vec();
                    bytes.splice(at..at, part);
                }
            }
        }
        read(&bytes);
    }
}
