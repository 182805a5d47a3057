//! The pages of all samples in a real browser, opened as files: they say what the JSON says, ask for nothing, run nothing
//! of others, and can be used by mouse, keyboard, screen reader, on a telephone, on paper and without script.
//!
//! Runs where there is a Chromium, and says so where there is none; see `devtools.rs`. The rules of accessibility are
//! those of axe-core, which npm fetches into the build's folder of temporary files; without npm that part is skipped.

use crate::devtools::{Browser, on_path};
use crate::program::{analyze, items, put, run, run_within, sample, samples, text};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

const HELPERS: &str = include_str!("browser.js");
/// The version is fixed, so that a new rule of theirs is not a failure of ours.
const AXE: &str = "axe-core@4.11.0";

/// A report of a sample: its name, page and JSON.
struct Page {
    name: String,
    html: PathBuf,
    json: Value,
}

/// The reports of all samples, each written once.
fn pages() -> &'static [Page] {
    static PAGES: OnceLock<Vec<Page>> = OnceLock::new();
    PAGES.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
        fs::create_dir_all(&folder).unwrap();
        let page = |root: PathBuf| {
            let name = root.file_name().unwrap().to_string_lossy().into_owned();
            let html = folder.join(format!("{name}.html"));
            let json = run(analyze().arg(&root).args(["--json", "-", "--report"]).arg(&html)).expect(0).json();
            Page { name, html, json }
        };
        samples().into_iter().map(page).collect()
    })
}

fn incident() -> &'static Page {
    pages().iter().find(|page| page.name == "checkout-incident").expect("the sample is there")
}

/// What is wrong, as a question of the helpers answers it.
pub fn wrong(browser: &mut Browser, question: &str) -> Vec<String> {
    let answer = browser.ask(&format!("{HELPERS}\nasked.{question}"));
    answer.as_array().unwrap_or_else(|| panic!("{question}: {answer}")).iter().map(|it| it.as_str().unwrap_or_default().to_owned()).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn pages_of_all_samples_are_quiet_and_every_link_lands() {
    let Some(mut browser) = Browser::start() else { return };
    for page in pages() {
        for (scheme, width) in [("light", 1280), ("dark", 390)] {
            let at = format!("{} {scheme} {width}", page.name);
            browser.size(width, 900);
            browser.media("screen", scheme);
            browser.open(&page.html);
            assert_eq!(wrong(&mut browser, "wide()"), [""; 0], "{at}");
            if scheme == "light" {
                assert_eq!(wrong(&mut browser, "links()"), [""; 0], "{at}");
            }
            assert_eq!(wrong(&mut browser, "sort()"), [""; 0], "{at}");
            assert_eq!(wrong(&mut browser, "wide()"), [""; 0], "{at}, everything open");
            assert_eq!(wrong(&mut browser, "filter()"), [""; 0], "{at}");
            assert_eq!(browser.complaints(), [""; 0], "{at}");
        }
    }
}

#[test]
fn pages_show_what_the_json_says_also_without_script() {
    let Some(mut browser) = Browser::start() else { return };
    browser.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    for page in pages() {
        browser.open(&page.html);
        // Without script nothing can be asked of the page; what it lays out can be looked at from outside.
        let shown = laid_out(&mut browser);
        let said = |words: &str| shown.contains(&squeezed(words));
        assert!(said(text(&page.json, "/verdict/headline").split(". Root cause: ").next().unwrap_or_default()), "{}", page.name);
        for finding in items(&page.json, "/findings") {
            for part in ["/title", "/summary"] {
                assert!(said(text(finding, part)), "{} does not show {}", page.name, text(finding, part));
            }
        }
        for file in items(&page.json, "/coverage/files") {
            assert!(said(text(file, "/path")), "{} does not show {}", page.name, text(file, "/path"));
        }
        assert!(!said("Light or dark") && !said("Search findings"), "{}: nothing is offered that does not work", page.name);
        assert_eq!(browser.complaints(), [""; 0], "{}", page.name);
    }
}

/// The text that has a place on the page.
fn laid_out(browser: &mut Browser) -> String {
    let snapshot = browser.call("DOMSnapshot.captureSnapshot", json!({"computedStyles": []}));
    let strings = items(&snapshot, "/strings");
    let texts = items(&snapshot, "/documents/0/layout/text").iter().filter_map(Value::as_i64).filter_map(|at| usize::try_from(at).ok());
    squeezed(&texts.filter_map(|at| strings.get(at)?.as_str()).collect::<Vec<_>>().join(""))
}

/// Without spaces, which lines break at.
fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[test]
fn keyboard_theme_and_brush_work() {
    let Some(mut browser) = Browser::start() else { return };
    browser.media("screen", "light");
    browser.open(&incident().html);
    let findings = items(&incident().json, "/findings");
    let id = |at: usize| json!(text(&findings[at], "/id"));
    let ask = |browser: &mut Browser, question: &str| browser.ask(&format!("{HELPERS}\nasked.{question}"));

    for (key, at) in [("j", 0), ("j", 1), ("k", 0)] {
        browser.press(key);
        assert_eq!(ask(&mut browser, "focused()"), id(at), "{key}");
    }
    browser.press("/");
    assert_eq!(ask(&mut browser, "focused()"), json!("search"));
    browser.press("x");
    browser.press("Escape");
    assert_eq!(browser.ask("document.getElementById('search').value"), json!(""), "Escape clears the search");

    let light = ask(&mut browser, "background()");
    browser.press("t");
    let dark = ask(&mut browser, "background()");
    browser.press("t");
    assert!(light != dark && ask(&mut browser, "background()") == light, "{light} {dark}");

    // The first tenth of the time is calm: no finding is left. The whole of it has them all.
    let brushed = |browser: &mut Browser, from: f64, to: f64| {
        let place = browser.ask(&format!("{HELPERS}\nasked.box('#timeline svg')"));
        let [left, top, width, height] = [0, 1, 2, 3].map(|at| number(&place[at]));
        browser.drag((left + width * from, top + height / 2.0), (left + width * to, top + height / 2.0));
        browser.ask("document.querySelectorAll('.card:not([hidden])').length")
    };
    assert_eq!(brushed(&mut browser, 0.25, 0.32), json!(0), "a calm time has no finding");
    assert_eq!(brushed(&mut browser, 0.25, 0.9), json!(findings.len()), "the whole time has all");
    assert!(browser.ask("document.getElementById('readout').textContent").as_str().is_some_and(|words| words.contains("UTC")));

    // The same by keys: Escape takes the choice back, arrows read values, and with shift they choose a time.
    let arrows = |browser: &mut Browser, count: usize, shift: bool| {
        browser.ask(&format!(
            "(() => {{ const lanes = document.querySelector('#timeline .scroll'); lanes.focus(); for (let n = 0; n < {count}; n++) \
             lanes.dispatchEvent(new KeyboardEvent('keydown', {{ key: 'ArrowRight', shiftKey: {shift}, bubbles: true }})); \
             return [document.querySelectorAll('.card:not([hidden])').length, document.getElementById('readout').textContent]; }})()"
        ))
    };
    browser.press("Escape");
    let read = arrows(&mut browser, 2, false);
    assert_eq!(read[0], json!(findings.len()));
    assert!(read[1].as_str().is_some_and(|words| words.contains("UTC")), "{read}");
    assert_eq!(arrows(&mut browser, 3, true)[0], json!(0), "a calm time has no finding");
    assert_eq!(arrows(&mut browser, 60, true)[0], json!(findings.len()), "until the end of the time there are all");
    browser.press("Escape");
    assert_eq!(browser.ask("document.querySelector('#timeline .brush').getAttribute('width')"), json!("0"));
    assert_eq!(browser.complaints(), [""; 0]);
}

/// On an ordinary bundle the page is at most 3 MB and there within a second. Also for a page of one's own:
/// `ANALYZE_PAGE=report.html cargo test browser::pages_are_small -- --nocapture`.
#[test]
fn pages_are_small_and_there_within_a_second() {
    const BYTES: u64 = 3 << 20;
    const MILLISECONDS: f64 = 1000.0;
    let Some(mut browser) = Browser::start() else { return };
    let given = std::env::var_os("ANALYZE_PAGE").map(PathBuf::from);
    for page in given.iter().chain(pages().iter().map(|page| &page.html)) {
        let bytes = fs::metadata(page).unwrap().len();
        // Other tests run beside this one: the best of some loads is what the page itself takes.
        let mut best = f64::MAX;
        for _ in 0..4 {
            browser.open(page);
            let took = browser.ask("new Promise((done) => setTimeout(() => done(performance.getEntriesByType('navigation')[0].loadEventEnd), 50))");
            best = best.min(number(&took));
        }
        println!("{}: {bytes} bytes, loaded after {best:.0} ms", page.display());
        assert!(bytes <= BYTES && best <= MILLISECONDS, "{}: {bytes} bytes, {best} ms", page.display());
    }
}

#[test]
fn nothing_of_others_runs_or_loads() {
    let Some(mut browser) = Browser::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("<img src=x onerror=alert(1)>");
    let evil = "</script><script>globalThis.intruded=1;alert(1)</script><img src=x onerror=alert(2)>\u{202e}\"'`${alert(3)}\u{1b}[2J";
    let long = format!("\0{}", "<b>\u{2067}".repeat(1 << 18));
    let mut log = String::new();
    for n in 0..60 {
        let line = json!({
            "@timestamp": format!("2026-09-14T10:00:{n:02}Z"), "level": "ERROR", "service": "<svg/onload=alert(4)>", "logger_name": evil, "thread_name": evil,
            "message": format!("Connection is not available, request timed out after 30000ms. {evil}{}", if n == 7 { &long } else { "" }),
            "stack_trace": evil, "traceId": format!("{n:032x}"),
        });
        log += &format!("{line}\n");
    }
    put(&bundle.join("<b onmouseover=alert(5)>.json"), log);
    let page = folder.path().join("page.html");
    run(analyze().arg(&bundle).arg("--title").arg(evil).arg("--report").arg(&page)).expect(0);
    browser.open(&page);
    assert_eq!(browser.ask("globalThis.intruded ?? null"), Value::Null);
    assert!(
        browser.ask("document.body.innerText").as_str().is_some_and(|text| text.contains("<script>globalThis.intruded=1")),
        "it is there to be read"
    );
    assert_eq!(browser.complaints(), [""; 0], "no dialog, no request, nothing refused");

    assert_eq!(wrong(&mut browser, "intrude()"), [""; 0]);
    let refused = browser.complaints();
    assert!(refused.iter().any(|line| line.contains("Content Security Policy")), "the policy is in force: {refused:?}");
    assert!(refused.iter().all(|line| !line.starts_with("dialog")), "{refused:?}");
}

#[test]
fn paper_shows_all_of_it() {
    let Some(mut browser) = Browser::start() else { return };
    for page in pages() {
        browser.open(&page.html);
        browser.media("print", "light");
        assert_eq!(wrong(&mut browser, "paper()"), [""; 0], "{}", page.name);
        browser.media("screen", "light");
        let pdf = browser.call("Page.printToPDF", json!({"printBackground": true}))["data"].as_str().map_or(0, str::len);
        assert!(pdf > 40_000, "{}: a document of {pdf} characters", page.name);
        assert_eq!(browser.complaints(), [""; 0], "{}", page.name);
    }
}

#[test]
fn axe_finds_nothing_serious() {
    let Some(axe) = axe() else { return };
    let Some(mut browser) = Browser::start() else { return };
    for page in pages() {
        let looks: &[(&str, u32)] = if page.name == "checkout-incident" { &[("light", 1280), ("dark", 390)] } else { &[("dark", 1280)] };
        for (scheme, width) in looks {
            browser.size(*width, 900);
            browser.media("screen", scheme);
            browser.open(&page.html);
            browser.ask(&format!("{axe}\nnull"));
            assert_eq!(wrong(&mut browser, "axe()"), [""; 0], "{} {scheme} {width}", page.name);
        }
    }
}

/// The source of axe-core, fetched by npm if it is not here yet; none where that cannot be done.
fn axe() -> Option<String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("axe");
    let file = folder.join("node_modules/axe-core/axe.min.js");
    if !file.is_file() {
        let npm = OsString::from("npm");
        if !on_path(&npm) {
            println!("skipped: axe-core is not here, and there is no npm to fetch it");
            return None;
        }
        fs::create_dir_all(&folder).ok()?;
        let mut command = Command::new(npm);
        command.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", "--prefix"]).arg(&folder).arg(AXE);
        let fetched = run_within(&mut command, Duration::from_secs(100));
        if fetched.status != Some(0) {
            println!("skipped: npm could not fetch {AXE}: {}", fetched.err.lines().next().unwrap_or_default());
            return None;
        }
    }
    Some(fs::read_to_string(file).expect("what npm fetched can be read"))
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
