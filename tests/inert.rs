//! Hostile text in every field of every kind of input stays text in every output: tags, quotes, escapes of terminals, marks that
//! turn the reading direction round, NUL, formulas of spreadsheets, and texts of a megabyte.

use crate::devtools::Browser;
use crate::program::{analyze, files, put, run};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// What may stand anywhere. No line end: that it would end a record is not what is asked here.
const EVIL: &str = "</script></style></title><script>globalThis.intruded=1</script><img src=x onerror=alert(1)>\u{202e}\u{2066}\"'`${alert(2)}\u{1b}[31m\u{1b}]0;x\u{7}\u{9b}2J\0]]>&lt;{{x}}|**b**[a](javascript:alert(3))\u{2028}\u{feff}";
/// As it may stand where blanks and quotes end a word.
const WORD: &str = "<script>globalThis.intruded=2</script><svg/onload=alert(4)>\u{202e}&#60;]]>\u{1b}[2J{{x}}${y}`z`";

/// A text of a megabyte that would be wide, deep and hostile.
fn long() -> String {
    "<b>\u{2067}&amp;\u{1b}[7m".repeat(1 << 16)
}

fn at(second: usize) -> String {
    format!("2026-09-14T10:{:02}:{:02}.000Z", second / 60 % 60, second % 60)
}

/// A bundle whose every text is hostile, with enough of a fault in each file that findings speak of it.
fn plant(root: &Path) {
    let long = long();
    let mut log = String::new();
    for n in 0..90 {
        let tail = if n == 7 { long.as_str() } else { "" };
        let line = json!({
            "@timestamp": at(n), "level": "ERROR", "service": WORD, "instance": format!("{EVIL}{n}"), "logger_name": EVIL, "thread_name": EVIL, "traceId": format!("{n:032x}"),
            "message": format!("HikariPool-1 - Connection is not available, request timed out after 30000ms. {EVIL}{tail}"), "stack_trace": format!("{EVIL}\n\tat a.B.c(B.java:1)"),
        });
        log += &format!("{line}\n");
    }
    put(&root.join(format!("{}.json", WORD.replace('/', "%"))), log);

    let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let mut spans = Vec::new();
    for n in 0..120_u64 {
        let start = 1_789_380_000_000_000_000 + n * 1_000_000_000;
        let failed = n > 60;
        let length = if failed { 5_000_000_000 } else { 20_000_000 };
        let name = if n == 70 { format!("{EVIL}{long}") } else { EVIL.to_owned() };
        for (id, parent, kind) in [(n * 2 + 1, String::new(), 2), (n * 2 + 2, format!("{:016x}", n * 2 + 1), 3)] {
            spans.push(json!({
                "traceId": format!("{:032x}", n + 1), "spanId": format!("{id:016x}"), "parentSpanId": parent, "kind": kind, "name": name,
                "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + length).to_string(),
                "status": {"code": if failed { 2 } else { 0 }, "message": EVIL},
                "attributes": [attribute("http.route", EVIL), attribute("server.address", WORD), attribute("db.query.text", EVIL), attribute("error.type", EVIL), attribute("http.request.method", "GET")],
                "events": [{"timeUnixNano": start.to_string(), "name": EVIL, "attributes": [attribute("exception.message", EVIL)]}],
            }));
        }
    }
    let resource = json!({"attributes": [attribute("service.name", EVIL), attribute("service.instance.id", EVIL)]});
    put(
        &root.join("traces.jsonl"),
        format!("{}\n", json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": EVIL}, "spans": spans}]}]})),
    );

    let thread = |name: &str, wants: &str, holds: &str, n: usize| {
        format!(
            "\"{name}\" #{n} prio=5 os_prio=0 cpu=1.00ms elapsed=10.00s tid=0x00007f3c60174d8{n} nid=0x1{n} waiting for monitor entry  [0x00007f3bfe90000{n}]\n   java.lang.Thread.State: BLOCKED (on object monitor)\n\tat com.acme.{WORD}.run({WORD}.java:9)\n\t- waiting to lock <{wants}> (a com.acme.{WORD})\n\t- locked <{holds}> (a com.acme.{WORD})\n\n"
        )
    };
    let (a, b) = ("0x00000000c0009d18", "0x00000000c0009d28");
    let evil = EVIL.replace('"', "'");
    let dump = format!(
        "2026-09-14 10:01:04\nFull thread dump OpenJDK 64-Bit Server VM (17.0.15+6-LTS mixed mode, sharing):\n\n{}{}{}",
        thread(&format!("{evil}-1"), a, b, 1),
        thread(&format!("{evil}-2"), b, a, 2),
        thread(&format!("{long}-3"), a, "0x00000000c0009d38", 3)
    );
    put(&root.join("jvm/dump.txt"), dump);

    let label = EVIL.replace('\\', "").replace('"', "\\\"");
    let mut prom = "# TYPE hikaricp_connections_pending gauge\n".to_owned();
    for n in 0..30 {
        let ms = 1_789_380_000_000_i64 + n * 5000;
        prom += &format!("hikaricp_connections_pending{{pool=\"{label}\",application=\"{label}\",instance=\"{label}\"}} {n} {ms}\n");
    }
    prom += &format!("hikaricp_connections_pending{{pool=\"{long}\"}} 3 1789380000000\n");
    put(&root.join("metrics.prom"), prom);

    put(
        &root.join("config/application.yml"),
        format!("spring:\n  datasource:\n    hikari:\n      maximum-pool-size: {}\n      pool-name: {}\n", json!(EVIL), json!(long)),
    );
    let access: String = (0..60)
        .map(|n| {
            format!(
                "10.0.0.1 - {WORD} [14/Sep/2026:10:00:{n:02} +0000] \"GET /{WORD}/{n} HTTP/1.1\" {} 12 \"{WORD}\" \"{WORD}\" 0.0{n:02}\n",
                if n % 3 == 0 { 502 } else { 200 }
            )
        })
        .collect();
    put(&root.join("edge/access.log"), access);
    let event = |n: usize| {
        json!({
            "kind": "Event", "apiVersion": "v1", "type": "Warning", "count": 1, "firstTimestamp": at(n), "lastTimestamp": at(n), "reason": "BackOff", "message": EVIL,
            "metadata": {"name": EVIL, "namespace": EVIL}, "involvedObject": {"kind": "Pod", "name": EVIL, "namespace": EVIL}, "source": {"component": EVIL},
        })
    };
    put(&root.join("events.json"), json!({"kind": "List", "apiVersion": "v1", "items": (0..8).map(event).collect::<Vec<_>>()}).to_string());
    let text: String = (0..40).map(|n| format!("2026-09-14 10:00:{n:02}.000 ERROR 1 --- [{evil}] c.acme.Cart : {evil}\n")).collect();
    put(&root.join("shop/app.log"), text);
}

/// Characters that move a cursor, ring, turn the reading direction round, or end a text early.
fn harmful(text: &str) -> Vec<char> {
    let bad = |c: &char| {
        matches!(c, '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
            && *c != '\r'
    };
    text.chars().filter(bad).take(5).collect()
}

/// Names of the tags of a text.
fn tags(text: &str) -> impl Iterator<Item = &str> {
    text.split('<')
        .skip(1)
        .map(|rest| rest.trim_start_matches(['/', '!', '?']).split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default())
}

#[test]
fn hostile_text_is_inert_and_legible_in_every_output() {
    let dir = tempfile::tempdir().unwrap();
    let (bundle, out) = (dir.path().join("<b onmouseover=alert(5)>"), dir.path().join("out"));
    plant(&bundle);
    fs::create_dir_all(&out).unwrap();
    let path = |name: &str| out.join(name);
    let mut command = analyze();
    command.arg(&bundle).arg("--title").arg(EVIL.replace('\0', "")).arg("--report").arg(path("page.html")).arg("--json").arg(path("report.json"));
    command.arg("--markdown").arg(path("report.md")).arg("--sarif").arg(path("report.sarif")).arg("--junit").arg(path("report.xml"));
    let said = run(command.arg("--tables").arg(path("tables"))).expect(0);
    let terminal = run(analyze().arg(&bundle)).expect(0);

    let mut wrong = Vec::new();
    for (name, text) in files(&out)
        .into_iter()
        .map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap()))
        .chain([("terminal".to_owned(), terminal.text().to_owned()), ("messages".to_owned(), format!("{}{}", said.text(), said.err))])
    {
        let found = harmful(&text);
        if !found.is_empty() {
            wrong.push(format!("{name} holds {found:?}"));
        }
    }
    assert_eq!(wrong, [""; 0]);

    let read = |name: &str| fs::read_to_string(path(name)).unwrap();
    let report: Value = serde_json::from_str(&read("report.json")).expect("JSON");
    let _: Value = serde_json::from_str(&read("report.sarif")).expect("SARIF is JSON");
    let findings = report["findings"].as_array().expect("findings");
    assert!(findings.len() >= 4, "the files are understood: {findings:#?}");
    let formats: Vec<&str> = report["coverage"]["files"].as_array().unwrap().iter().filter_map(|file| file["format"].as_str()).collect();
    assert!(formats.iter().filter(|format| **format != "unrecognised").count() >= 8, "{formats:?}");

    let known = ["xml", "testsuites", "testsuite", "testcase", "skipped", "error", "failure", "system"];
    let xml = read("report.xml");
    assert!(tags(&xml).all(|tag| known.contains(&tag)), "{:?}", tags(&xml).find(|tag| !known.contains(tag)));
    for file in files(&path("tables")) {
        for row in csv::Reader::from_path(&file).unwrap().records() {
            let row = row.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            assert!(row.iter().all(|cell| !cell.starts_with(['=', '@', '+'])), "{}: {row:?}", file.display());
        }
    }
    let mut fence: Option<usize> = None;
    for line in read("report.md").lines() {
        let run = line.trim_start().bytes().take_while(|b| *b == b'`').count();
        match fence {
            Some(open) if run == open && line.trim_start().len() == run => fence = None,
            Some(_) => {}
            None if run >= 3 && !line.trim_start()[run..].contains('`') => fence = Some(run),
            // Outside of code a tag is written with its entity.
            None => assert!(
                line.split('`').step_by(2).all(|words| !words.contains("<script") && !words.contains("<img")) || line.contains("``"),
                "{line}"
            ),
        }
    }
    assert_eq!(fence, None, "every fence is closed");
    for name in ["page.html", "report.json", "report.md"] {
        assert!(read(name).len() < 3 << 20, "{name}: {} bytes", read(name).len());
    }

    let Some(mut browser) = Browser::start() else { return };
    for (scheme, width) in [("light", 1280), ("dark", 390)] {
        browser.size(width, 900);
        browser.media("screen", scheme);
        browser.open(&path("page.html"));
        for question in ["wide()", "links()", "sort()", "filter()"] {
            assert_eq!(crate::browser::wrong(&mut browser, question), [""; 0], "{question} at {width}");
        }
        assert_eq!(browser.ask("globalThis.intruded ?? null"), Value::Null);
        let shown = browser.ask("document.body.innerText");
        let shown = shown.as_str().unwrap_or_default();
        assert!(shown.contains("<script>globalThis.intruded=") && shown.contains("<img src=x onerror=alert(1)>"), "it is there to be read");
        assert_eq!(browser.complaints(), [""; 0], "no dialog, no request, nothing refused, at {width}");
    }
}
