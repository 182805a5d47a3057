//! What a record says must not speak to the reader's terminal, browser or page of Markdown.

use crate::hostile::{line, noise, survives};
use crate::program::{analyze, bounded, items, put, run};
use serde_json::{Value, json};
use std::path::Path;

/// Nothing in the bundle reaches the reader's terminal or browser as a command.
pub fn quiet(bundle: &Path) {
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
