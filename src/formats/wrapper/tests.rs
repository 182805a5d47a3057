use super::*;
use crate::model::source::{FileId, Hints};
use crate::model::transcript::Transcript;

const JSON: &str = r#"{"time":"2026-11-22T19:36:07.043Z","level":"info","message":"accepted"}"#;

fn read(text: &str) -> (String, Transcript) {
    let found = sniff(&Head { path: "x", bytes: text.as_bytes(), whole: true }).expect("a wrapper");
    let mut transcript = Transcript::default();
    found.parser.parse(&Chunk { file: FileId(0), base: 100, bytes: text.as_bytes(), hints: &Hints::default() }, &mut transcript);
    (found.label, transcript)
}

fn cri(stream: &str, tag: char, text: &str) -> String {
    format!("2026-11-22T19:37:48.015123456Z {stream} {tag} {text}\n")
}

#[test]
fn pieces_are_joined_across_other_streams() {
    let (head, tail) = JSON.split_at(30);
    let text = cri("stdout", 'F', JSON) + &cri("stdout", 'P', head) + &cri("stderr", 'F', JSON) + &cri("stdout", 'F', tail);
    let (label, got) = read(&text);
    assert_eq!(label, "cri+json-log/zerolog");
    assert_eq!((got.records, got.quarantined), (3, 0), "{}", got.text);
    let first = cri("stdout", 'F', JSON).len();
    assert!(got.text.contains(&format!("log @{}+{} ", 100 + first, text.len() - first - 1)), "{}", got.text);
}

#[test]
fn docker_lines_in_docker_lines_stop_somewhere() {
    let mut text = format!("{JSON}\n");
    for _ in 0..8 {
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        text = format!("{{\"log\":\"{quoted}\",\"stream\":\"stdout\",\"time\":\"2026-11-22T19:37:48.015123456Z\"}}\n");
    }
    assert!(read(&text).0.starts_with("docker+docker+docker+docker+"));
}

#[test]
fn the_wrappers_time_and_names_stand_in() {
    let line = r#"{"level":"info","message":"no time"}"#;
    let (label, got) = read(&format!("[pod/orders-7d9fbc8d5c-x2x4z/app] 2026-11-22T19:37:48.008123456Z {line}\n"));
    assert_eq!(label, "kubectl+json-log/winston");
    let want = r#"time="2026-11-22T19:37:48.008123456Z" level="INFO" service="orders" instance="orders-7d9fbc8d5c-x2x4z" message="no time""#;
    assert!(got.text.contains(want), "{}", got.text);
}

#[test]
fn sources_are_read_by_themselves_and_without_colours() {
    let text =
        format!("\u{1b}[36mweb-1  | \u{1b}[0m{JSON}\n\u{1b}[33mdb-1   | \u{1b}[0m\u{1b}[31mready\u{1b}[0m\n\u{1b}[36mweb-1  | \u{1b}[0m{JSON}\n");
    let (label, got) = read(&text);
    assert_eq!(label, "compose+json-log/zerolog");
    assert_eq!(got.text.matches(r#"service="web" instance="web-1""#).count(), 2, "{}", got.text);
}

#[test]
fn bad_lines_are_quarantined() {
    let good = format!("{{\"log\":\"{}\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-22T19:37:48.015123456Z\"}}\n", JSON.replace('"', "\\\""));
    let text = good.repeat(20) + "garbage\n" + &good[..50];
    let (_, got) = read(&text);
    let at = 100 + good.len() * 20;
    assert_eq!(got.records, 20);
    assert!(got.text.contains(&format!("quarantine @{at}+7 malformed\n")), "{}", got.text);
    assert!(got.text.contains(&format!("quarantine @{}+50 truncated\n", at + 8)), "{}", got.text);
}

#[test]
fn cuts_only_where_a_whole_line_ends() {
    let text = cri("stdout", 'F', JSON);
    let found = sniff(&Head { path: "x", bytes: text.as_bytes(), whole: true }).expect("a wrapper");
    let Parser::Wrapped(wrapped) = found.parser else { panic!("no wrapper") };
    let line = |stream, tag, text| cri(stream, tag, text).trim_end().to_owned();
    let starts = |line: &str, previous: &str| wrapped.starts(line.as_bytes(), previous.as_bytes());
    assert!(starts(&line("stdout", 'F', JSON), &line("stdout", 'F', JSON)));
    assert!(!starts(&line("stdout", 'F', JSON), &line("stdout", 'P', JSON)));
    assert!(!starts(&line("stdout", 'F', JSON), &line("stderr", 'F', JSON)));
    assert!(!starts(&line("stdout", 'F', "\tat x"), &line("stdout", 'F', JSON)));
    assert!(!starts("garbage", &line("stdout", 'F', JSON)));
}

#[test]
fn tables_and_logs_with_fine_times_are_no_wrappers() {
    for text in [
        "id  | name\n----+-----\n1   | x\n",
        "2026-11-22T19:37:48.015123456Z INFO ready\n2026-11-22T19:37:49.015123456Z INFO done\n",
        "a | b\nc | d\n",
        "plain\n",
        "",
    ] {
        assert!(sniff(&Head { path: "x", bytes: text.as_bytes(), whole: true }).is_none(), "{text}");
    }
}

#[test]
fn workloads_of_pods() {
    for (pod, want) in [
        ("orders-7d9fbc8d5c-x2x4z", Some("orders")),
        ("kafka-0", Some("kafka")),
        ("node-exporter-8xk2p", Some("node-exporter")),
        ("order-service-7d9f-x", None),
        ("order-house", None),
        ("single", None),
    ] {
        assert_eq!(workload(pod), want, "{pod}");
    }
}

#[test]
fn broken_wrappers_are_contained() {
    let lines = [cri("stdout", 'P', JSON), cri("stderr", 'F', JSON), format!("web-1 | \u{1b}[3{JSON}\n"), format!("[pod/a/b] {JSON}\n")];
    let wrapped = |shape| Wrapped { shape, sources: Vec::new(), plain: LineStream::new(crate::formats::free_text()) };
    let docker = format!("{{\"log\":\"{}\\n\",\"stream\":\"stdout\",\"time\":\"T\"}}\n", JSON.replace('"', "\\\""));
    for line in lines.iter().chain([&docker]) {
        for at in 0..line.len() {
            for byte in [b'"', b'\\', b' ', b'\n', 0x1b, 0xff, 0] {
                let mut bytes = line.repeat(2).into_bytes();
                bytes[at] = byte;
                for shape in SHAPES {
                    let mut got = Transcript::default();
                    wrapped(shape).parse(&Chunk { file: FileId(0), base: 0, bytes: &bytes, hints: &Hints::default() }, &mut got);
                    for range in got.text.lines().filter_map(|line| line.split(['@', ' ']).find(|part| part.contains('+'))) {
                        let (start, len) = range.split_once('+').expect("a range");
                        let end = start.parse::<usize>().unwrap_or(0) + len.parse::<usize>().unwrap_or(0);
                        assert!(end <= bytes.len(), "{range} of {}", bytes.len());
                    }
                }
            }
        }
    }
}
