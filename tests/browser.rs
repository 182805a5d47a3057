//! The page in a real browser, opened as a file, without a network: it shows what the JSON says and asks for nothing.
//!
//! Runs where there is a Chromium (`$CHROMIUM`, or one of its usual names in the search path); says so where there is none.

use crate::program::{analyze, items, run, run_within, sample, text};
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const TIME: Duration = Duration::from_secs(90);

fn chromium() -> Option<OsString> {
    let given = std::env::var_os("CHROMIUM").filter(|name| !name.is_empty());
    let usual = ["chromium", "chromium-browser", "google-chrome"].map(OsString::from);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let runs = |name: &OsString| std::env::split_paths(&paths).any(|folder| folder.join(name).is_file());
    let found = given.into_iter().chain(usual).find(runs);
    if found.is_none() {
        println!("skipped: there is no Chromium");
    }
    found
}

/// A browser that finds no other machine, writes what pages complain about to stderr, and keeps nothing.
fn open(browser: &OsString, profile: &Path) -> Command {
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-sync"]);
    command.args(["--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-extensions"]);
    command.args(["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--v=0", "--window-size=1280,2000"]);
    command.arg(format!("--user-data-dir={}", profile.display()));
    command
}

#[test]
fn the_page_shows_the_findings_and_asks_for_nothing() {
    let Some(browser) = chromium() else { return };
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("report.html");
    let report = run(analyze().arg(sample("checkout-incident")).args(["--json", "-", "--report"]).arg(&page)).expect(0).json();
    let address = format!("file://{}", page.display());

    let shown = run_within(open(&browser, &dir.path().join("a")).args(["--virtual-time-budget=4000", "--dump-dom"]).arg(&address), TIME).expect(0);
    let dom = shown.text();
    assert!(!items(&report, "/findings").is_empty());
    for finding in items(&report, "/findings") {
        for part in ["/id", "/title", "/subject/service"] {
            let words = text(finding, part).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            assert!(!words.is_empty() && dom.contains(&words), "the page does not show {part} {words:?}");
        }
    }
    for part in ["<svg", "</body>"] {
        assert!(dom.contains(part), "no {part}");
    }
    // Pages log as `[...:CONSOLE(12)] "message", source: file:///...`; requests that fail name their address.
    let complaints: Vec<&str> = shown
        .err
        .lines()
        .filter(|line| ["CONSOLE", "Content Security Policy", "net::ERR", "Uncaught"].iter().any(|word| line.contains(word)))
        .collect();
    assert_eq!(complaints, Vec::<&str>::new());

    let picture = dir.path().join("page.png");
    let mut command = open(&browser, &dir.path().join("b"));
    run_within(command.arg("--virtual-time-budget=4000").arg(format!("--screenshot={}", picture.display())).arg(&address), TIME).expect(0);
    let bytes = fs::read(&picture).unwrap();
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.len() > 40_000, "a picture of {} bytes", bytes.len());
}

#[test]
fn the_page_names_no_outside_resource() {
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("report.html");
    run(analyze().arg(sample("checkout-incident")).arg("--report").arg(&page)).expect(0);
    let html = fs::read_to_string(&page).unwrap();
    for part in
        ["src=\"http", "src='http", "src=\"//", "url(http", "url(//", "@import", "<iframe", "<link rel=\"stylesheet\"", "fetch(", "XMLHttpRequest"]
    {
        assert!(!html.contains(part), "{part}");
    }
    assert!(html.contains("Content-Security-Policy") && html.contains("default-src &#39;none&#39;"), "the page forbids everything it does not need");
}
