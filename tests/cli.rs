//! The command line as it is typed: every option, every exit status, every mistake with what to do next.

use crate::program::{analyze, items, put, run, run_within, sample, text};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

fn args(args: &[&str]) -> crate::program::Run {
    run(analyze().args(args))
}

fn incident() -> String {
    sample("checkout-incident").to_string_lossy().into_owned()
}

fn json(more: &[&str]) -> Value {
    run(analyze().arg(incident()).args(["--json", "-"]).args(more)).expect(0).json()
}

/// A log of a service that fails `count` times, a second apart.
fn failing(dir: &Path, count: usize) -> String {
    let path = dir.join("shop.log");
    let line = |n: usize| format!("2026-09-14 10:{:02}:{:02}.000 ERROR 1 --- [main] c.acme.shop.Cart : the widget is jammed\n", n / 60 % 60, n % 60);
    put(&path, (0..count).map(line).collect::<String>());
    path.to_string_lossy().into_owned()
}

const RULE: &str = "\
id: jammed-widget
title: A widget is jammed
status: stable
scenarios: []
headline: false
severity: high
needs: [logs]
collect: The log of the widget
leads_to: []

thresholds:
  count:
    unit: messages in a minute
    info: 3
    warn: 5
    why: One jam is cleared by the widget itself, three in a minute are not

detect:
  signal: { signal: widget.jammed, per: service, window: 1m }

text:
  what: \"{service} says {count} times that its widget is jammed\"
  why: Nothing is sold while it is.
  fix:
    - Unjam the widget
  false_alarms:
    - A drill

tests:
  - name: three jams
    given: [the widget is jammed, the widget is jammed, the widget is jammed]
    expect: found
  - name: something else
    given: [the widget is fine]
    expect: none
";

const SIGNALS: &str = "- signal: widget.jammed\n  literal: the widget is jammed\n";

#[test]
fn help_and_version() {
    let long = args(&["--help"]).expect(0);
    for part in
        ["Usage: analyze", "BUNDLE", "--report <FILE>", "--json <FILE>", "--fail-on <LEVEL>", "--no-redact", "explain", "Exit status: 0 analysed"]
    {
        assert!(long.text().contains(part), "{part}\n{}", long.text());
    }
    assert!(args(&["-h"]).expect(0).text().len() < long.text().len() + 1);
    assert_eq!(args(&["--version"]).expect(0).text(), format!("analyze {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_is_2_and_says_what_to_do() {
    for (wrong, words) in [
        (&["--no-such-flag"][..], "--no-such-flag"),
        (&[][..], "no bundle given"),
        (&["no/such/bundle"], "no/such/bundle"),
        (&[&incident(), "--tz", "Middle/Earth"], "Europe/Berlin"),
        (&[&incident(), "--since", "yesterday"], "--since"),
        (&[&incident(), "--until", "-5x"], "-15m"),
        (&[&incident(), "--since", "2027-01-01"], "the bundle's last record is of 2026-09-14T10:"),
        (&[&incident(), "--until", "2020-01-01"], "the bundle's first record is of 2026-09-14T10:"),
        (&[&incident(), "--since", "10:12", "--until", "10:05"], "after --until"),
        (&[&incident(), "--fail-on", "dreadful"], "critical"),
        (&[&incident(), "--jobs", "0"], "--jobs"),
        (&[&incident(), "--baseline", "no/such/baseline"], "no/such/baseline"),
        (&[&incident(), "--rules", "no/such/rules"], "no/such/rules"),
        (&[&incident(), "--json", "no/such/folder/out.json"], "no/such/folder/out.json"),
        (&["explain"], "RULE"),
    ] {
        let out = args(wrong);
        assert_eq!(out.status, Some(2), "{wrong:?}: {}", out.err);
        assert!(out.err.contains(words), "{wrong:?}: {}", out.err);
        assert!(!out.err.contains("panicked"), "{wrong:?}: {}", out.err);
    }
}

#[test]
fn nothing_to_analyse_is_2() {
    let dir = tempfile::tempdir().unwrap();
    let empty = run(analyze().arg(dir.path())).expect(2);
    assert!(empty.err.contains("there is no file in"), "{}", empty.err);
    put(&dir.path().join("nothing.log"), "");
    run(analyze().arg(dir.path())).expect(2);
}

#[test]
fn severity_is_1_only_if_asked_for() {
    args(&[&incident(), "--quiet"]).expect(0);
    for level in ["info", "low", "medium", "high", "critical"] {
        args(&[&incident(), "--quiet", "--fail-on", level]).expect(1);
    }
    let healthy = sample("healthy-shop").to_string_lossy().into_owned();
    args(&[&healthy, "--quiet", "--fail-on", "medium"]).expect(0);
}

#[test]
fn strict_is_3_where_something_was_not_understood() {
    let dir = tempfile::tempdir().unwrap();
    let log = failing(dir.path(), 3);
    args(&[&log, "--strict", "--quiet"]).expect(0);
    put(&dir.path().join("noise.bin"), [0xfe, 0x00, 0x13, 0x37].repeat(500));
    let bundle = dir.path().to_string_lossy().into_owned();
    args(&[&bundle, "--quiet"]).expect(0);
    args(&[&bundle, "--strict", "--quiet"]).expect(3);
}

#[test]
fn output_goes_where_it_is_wanted() {
    let page = args(&[&incident(), "--report", "-"]).expect(0);
    assert!(page.text().trim_start().to_ascii_lowercase().starts_with("<!doctype html>") && page.text().trim_end().ends_with("</html>"));
    let draft = args(&[&incident(), "--markdown", "-"]).expect(0);
    assert!(draft.text().starts_with("# "), "{}", draft.text());
    let dir = tempfile::tempdir().unwrap();
    let [page, data, draft] = ["r.html", "r.json", "r.md"].map(|name| dir.path().join(name).to_string_lossy().into_owned());
    let out = args(&[&incident(), "--report", &page, "--json", &data, "--markdown", &draft]).expect(0);
    assert!(out.text().contains("Written: ") && out.text().contains(&page) && out.err.is_empty(), "{}{}", out.text(), out.err);
    assert!([&page, &data, &draft].iter().all(|path| fs::metadata(path).is_ok_and(|meta| meta.len() > 1000)));
    assert_eq!(fs::read(&data).unwrap(), run(analyze().arg(incident()).args(["--json", "-"])).expect(0).out);
    let quiet = args(&[&incident(), "--quiet"]).expect(0);
    assert!(quiet.out.is_empty() && quiet.err.is_empty());
    let verbose = args(&[&incident(), "--verbose"]).expect(0);
    assert!(verbose.err.contains("ingest") && verbose.err.contains("MB/s"), "{}", verbose.err);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    for option in [&["--json", "-"][..], &["--report", "-"], &[]] {
        let mut child = analyze().arg(incident()).args(option).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Takes a little and closes the pipe, as `head` does.
        drop(child.stdout.take().map(|out| BufReader::with_capacity(10, out).fill_buf().map(<[u8]>::len)));
        let mut err = child.stderr.take().map(BufReader::new);
        let said: Vec<String> = err.iter_mut().flat_map(|err| err.lines().map_while(Result::ok)).collect();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{option:?} {said:?}");
        assert_eq!(said, Vec::<String>::new());
    }
}

#[test]
fn colour_on_demand() {
    let escapes = |command: &mut std::process::Command| run(command).expect(0).out.contains(&0x1b);
    assert!(!escapes(analyze().arg(incident())), "no terminal, no colour");
    assert!(escapes(analyze().arg(incident()).args(["--color", "always"])));
    assert!(escapes(analyze().arg(incident()).args(["--color", "always"]).env("NO_COLOR", "1")), "what is typed counts more");
    assert!(!escapes(analyze().arg(incident()).args(["--color", "never"])));
    assert!(!escapes(analyze().arg(incident()).env("NO_COLOR", "1")));
    let widest = |columns: &str| {
        let out = run(analyze().arg(incident()).env("COLUMNS", columns)).expect(0);
        out.text().lines().map(|line| line.chars().count()).max().unwrap_or_default()
    };
    assert!(widest("60") <= 60 && widest("100") <= 100 && widest("nonsense") <= 100);
}

#[test]
fn the_tool_about_itself() {
    let rules = args(&["rules"]).expect(0);
    assert!(rules.text().starts_with("RULE") && rules.text().contains("\ndeadlock "), "{}", rules.text());
    let deadlock = args(&["explain", "deadlock"]).expect(0);
    assert!(deadlock.text().starts_with("deadlock\n") && deadlock.text().contains("What to do:"), "{}", deadlock.text());
    let typo = args(&["explain", "deadlok"]).expect(2);
    assert!(typo.err.contains("did you mean `deadlock`?"), "{}", typo.err);
    let schema: Value = args(&["schema"]).expect(0).json();
    assert!(schema.pointer("/properties/findings").is_some());
    for (shell, words) in [("bash", "_analyze()"), ("zsh", "#compdef analyze"), ("fish", "complete -c analyze")] {
        assert!(args(&["completions", shell]).expect(0).text().contains(words), "{shell}");
    }
    let manual = args(&["man"]).expect(0);
    assert!(manual.text().contains(".TH analyze 1") && manual.text().contains("fail\\-on"));
}

#[test]
fn since_and_until() {
    let records = |more: &[&str]| items(&json(more), "/findings").len();
    let window = |more: &[&str]| {
        let report = json(more);
        (text(&report, "/bundle/window/start").to_owned(), text(&report, "/bundle/window/end").to_owned())
    };
    let all = window(&[]);
    assert_eq!(window(&["--since", "2026-09-14", "--until", "2026-09-15"]), all);
    let (start, _) = window(&["--since", "2026-09-14T10:10:00Z"]);
    assert!(start.starts_with("2026-09-14T10:10:0"), "{start}");
    assert_eq!(window(&["--since", "10:10"]).0, start);
    assert_eq!(window(&["--since", "12:10", "--tz", "+02:00"]).0, start);
    assert_eq!(window(&["--since", "12:10", "--tz", "Europe/Berlin"]).0, start, "summer time");
    let (_, end) = window(&["--until", "10:05:00"]);
    assert!(end.starts_with("2026-09-14T10:0"), "{end}");
    let (late, _) = window(&["--since", "-2m"]);
    assert!(late > start && late < all.1, "{late}");
    assert_eq!(records(&["--until", "10:05"]), 0, "nothing had happened by then");
}

#[test]
fn one_service() {
    let report = json(&["--service", "psp"]);
    let found = items(&report, "/findings");
    let involved =
        |finding: &Value| ["/services", "/subject"].iter().any(|part| finding.pointer(part).is_some_and(|part| part.to_string().contains("\"psp\"")));
    assert!(!found.is_empty() && found.iter().all(involved));
    assert!(items(&json(&["--service", "nobody"]), "/findings").is_empty());
}

#[test]
fn a_zone_moves_times_without_one() {
    let dir = tempfile::tempdir().unwrap();
    let log = failing(dir.path(), 3);
    let start = |zone: &str| text(&args(&[&log, "--json", "-", "--tz", zone]).expect(0).json(), "/bundle/window/start").to_owned();
    assert!(start("UTC").starts_with("2026-09-14T10:00:00"));
    assert!(start("+02:00").starts_with("2026-09-14T08:00:00"));
    assert!(start("-0530").starts_with("2026-09-14T15:30:00"));
    assert!(start("Europe/Berlin").starts_with("2026-09-14T08:00:00"));
}

#[test]
fn a_baseline_may_be_given() {
    let healthy = sample("healthy-shop").to_string_lossy().into_owned();
    assert!(!items(&json(&["--baseline", &healthy]), "/findings").is_empty());
}

/// The log and settings of one environment, whose requests take so many milliseconds.
fn environment(folder: &Path, name: &str, millis: usize, pool: usize) -> String {
    let line = |n: usize| {
        format!(
            "2026-09-14T10:{:02}:{:02}.000Z  INFO 1 --- [orders] [exec-1] c.a.RequestLog : GET /orders status=200 duration_ms={}\n",
            n / 60,
            n % 60,
            millis + n % 7
        )
    };
    put(&folder.join(name).join("logs/orders.log"), (0..120).map(line).collect::<String>());
    let settings =
        format!("spring.application.name=orders\nspring.datasource.hikari.maximum-pool-size={pool}\nspring.datasource.hikari.pool-name=main\n");
    put(&folder.join(name).join(format!("config/application-{name}.properties")), settings);
    folder.join(name).to_string_lossy().into_owned()
}

#[test]
fn one_bundle_of_two_environments_is_production_and_its_baseline() {
    let dir = tempfile::tempdir().unwrap();
    let prod = environment(dir.path(), "prod", 900, 5);
    let staging = environment(dir.path(), "staging", 60, 50);
    let told = |arguments: &[&str]| {
        let report = args(arguments).expect(0).json();
        let found: Vec<String> = items(&report, "/findings")
            .iter()
            .map(|finding| {
                ["/rule", "/severity", "/confidence", "/summary", "/measures"]
                    .map(|part| finding.pointer(part).map(ToString::to_string).unwrap_or_default())
                    .join(" ")
            })
            .collect();
        found
    };
    let apart = told(&[&prod, "--baseline", &staging, "--json", "-"]);
    let together = told(&[&dir.path().to_string_lossy(), "--json", "-"]);
    assert!(apart.iter().any(|finding| finding.contains("\"slow-in-production\"")), "{apart:#?}");
    assert!(apart.iter().any(|finding| finding.contains("\"config-drift\"")), "{apart:#?}");
    assert_eq!(apart, together);
}

#[test]
fn rules_of_ones_own() {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("own");
    put(&rules.join("jammed-widget.yaml"), RULE);
    put(&rules.join("signals.yaml"), SIGNALS);
    let (log, folder) = (failing(dir.path(), 10), rules.to_string_lossy().into_owned());
    let report = args(&[&log, "--rules", &folder, "--json", "-"]).expect(0).json();
    let found = items(&report, "/findings").iter().find(|finding| text(finding, "/rule") == "jammed-widget").unwrap_or_else(|| panic!("{report:#}"));
    assert!(text(found, "/summary").contains("10 times"), "{found:#}");
    assert_eq!(items(found, "/evidence").first().map(|first| text(first, "/file")), Some("shop.log"));
    assert!(args(&["rules", "--rules", &folder]).expect(0).text().contains("jammed-widget"));
    assert!(args(&["explain", "jammed-widget", "--rules", &folder]).expect(0).text().contains("Unjam the widget"));
}

#[test]
fn a_broken_rule_is_2_with_file_line_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let log = failing(dir.path(), 3);
    for (from, to, words) in [
        ("severity: high", "severty: high", &["jammed-widget.yaml:6:1", "severity"][..]),
        ("severity: high", "severity: awful", &["jammed-widget.yaml:6:"]),
        ("signal: widget.jammed, per: service", "signal: widget.jamed, per: service", &["jammed-widget.yaml:19:", "widget.jam"]),
        ("window: 1m", "window: soon", &["jammed-widget.yaml:19:"]),
        ("{count} times", "{cuont} times", &["jammed-widget.yaml:22:"]),
        ("thresholds:\n", "thresholds: [\n", &["jammed-widget.yaml:"]),
    ] {
        let rules = tempfile::tempdir().unwrap();
        assert!(RULE.contains(from), "{from}");
        put(&rules.path().join("jammed-widget.yaml"), RULE.replacen(from, to, 1));
        put(&rules.path().join("signals.yaml"), SIGNALS);
        let out = args(&[&log, "--rules", &rules.path().to_string_lossy()]).expect(2);
        assert!(words.iter().all(|word| out.err.contains(word)) && out.out.is_empty(), "{to}: {words:?}\n{}", out.err);
    }
}

#[test]
fn secrets_are_shown_only_on_demand() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("shop.log");
    let line = "2026-09-14 10:00:00.000 ERROR 1 --- [main] c.acme.Pay : java.lang.OutOfMemoryError: Java heap space card=4111111111111111 mail=jane.doe@example.com\n";
    put(&log, line.repeat(3));
    let told = |more: &[&str]| {
        let all = [&["--json", "-"][..], &["--report", "-"], &["--markdown", "-"], &[]];
        all.map(|option| run(analyze().arg(&log).args(option).args(more)).expect(0).text().to_owned()).join("\n")
    };
    let (hidden, shown) = (told(&[]), told(&["--no-redact"]));
    assert!(shown.contains("4111111111111111"), "{shown}");
    for secret in ["4111111111111111", "jane.doe"] {
        assert!(!hidden.contains(secret), "{secret}");
    }
}

#[test]
fn bundles_named_like_subcommands_and_several_bundles() {
    let dir = tempfile::tempdir().unwrap();
    failing(&dir.path().join("rules"), 3);
    failing(&dir.path().join("more"), 5);
    let inside = |bundles: &[&str]| run(analyze().current_dir(dir.path()).args(bundles).args(["--json", "-"])).expect(0).json();
    let one = inside(&["./rules"]);
    assert_eq!((text(&one, "/bundle/name"), one.pointer("/bundle/files").and_then(Value::as_u64)), ("rules", Some(1)));
    let two = inside(&["./rules", "more"]);
    let paths: Vec<&str> = items(&two, "/coverage/files").iter().map(|file| text(file, "/path")).collect();
    assert_eq!(paths, ["more/shop.log", "rules/shop.log"]);
}

#[test]
fn the_example_of_the_readme_is_quick() {
    let out = run_within(analyze().arg(incident()).args(["--report", "-"]), Duration::from_secs(30)).expect(0);
    assert!(out.out.len() > 10_000);
}
