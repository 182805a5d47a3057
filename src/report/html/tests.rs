//! The page: nothing of the input becomes markup, nothing loads, nothing runs that is not ours, and it stays small.

use super::*;
use crate::report::picture::{Bar, Template as Pattern, Waterfall};
use crate::report::redact::redact;
use crate::report::{Edge, FileLine, Finding, Quote, Service, Verdict, example, html};

fn hostile() -> Report {
    let mut report = example::hostile();
    redact(&mut report);
    report
}

/// The tags of a page, without the contents of style and script.
fn tags(page: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        let end = rest.find('>').expect("a tag ends") + 1;
        let tag = &rest[..end];
        out.push(tag);
        rest = &rest[end..];
        for raw in ["style", "script"] {
            if tag.starts_with(&format!("<{raw}")) {
                rest = &rest[rest.find(&format!("</{raw}>")).expect("it ends")..];
            }
        }
    }
    out
}

fn body_of<'p>(page: &'p str, open: &str, close: &str) -> &'p str {
    let start = page.rfind(open).expect("it begins") + open.len();
    &page[start..start + page[start..].find(close).expect("it ends")]
}

#[test]
fn hostile_texts_stay_texts() {
    let page = html(&hostile());
    assert!(!page.contains("<script>alert"));
    assert!(page.contains("&#60;script&#62;alert(1)"), "the text is there, escaped");
    for byte in ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\u{2028}'] {
        assert!(!page.contains(byte), "{byte:?}");
    }
    let known = [
        "!DOCTYPE", "html", "head", "meta", "title", "style", "body", "a", "div", "aside", "p", "span", "b", "nav", "ul", "ol", "li", "button",
        "kbd", "br", "main", "section", "g", "h1", "h2", "h3", "h4", "dl", "dt", "dd", "svg", "desc", "rect", "line", "path", "circle", "text",
        "tspan", "footer", "code", "script", "form", "label", "input", "select", "option", "output", "article", "header", "details", "summary",
        "table", "thead", "tbody", "tr", "th", "td", "pre",
    ];
    for tag in tags(&page) {
        let name = tag.trim_start_matches(['<', '/']).split([' ', '>', '/']).next().expect("a name");
        assert!(known.contains(&name), "{tag}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let lower = tag.to_lowercase();
        let names: Vec<&str> = lower.split('"').step_by(2).flat_map(str::split_whitespace).filter(|word| word.ends_with('=')).collect();
        for attribute in names {
            assert!(!attribute.starts_with("on") && attribute != "style=" && attribute != "src=", "{tag}");
        }
        if let Some(target) = lower.split("href=\"").nth(1) {
            assert!(target.starts_with('#'), "{tag}");
        }
    }
}

#[test]
fn secrets_do_not_reach_any_output() {
    let report = hostile();
    for text in [html(&report), crate::report::json(&report), crate::report::markdown(&report), crate::report::terminal(&report, false, 100)] {
        for secret in ["4111 1111", "4111111111111111", "jane@example.org", "jane\\@example", "hunter2"] {
            assert!(!text.contains(secret), "{secret}");
        }
        assert!(text.contains("#1"), "tags stand for them");
    }
}

#[test]
fn style_and_script_are_allowed_by_their_hashes_and_nothing_else_is() {
    let page = html(&example::rich());
    let policy = policy();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
    assert!(page.contains(&policy.replace('\'', "&#39;")), "the policy is on the page");
    let hash = |text: &str| format!("'sha256-{}'", BASE64.encode(Sha256::digest(text.as_bytes())));
    assert!(policy.contains(&hash(body_of(&page, "<script>", "</script>"))));
    assert!(policy.contains(&hash(body_of(&page, "<style>", "</style>"))));
    for text in [STYLE, SCRIPT] {
        assert!(!text.contains("</") && !text.contains("<!--") && !text.contains('\r'), "nothing ends the element early or changes the hash");
        assert!(!text.contains("://") && !text.contains("url(") && !text.contains("@import"), "nothing is loaded");
    }
    assert!(SCRIPT.len() <= 15 << 10);
}

#[test]
fn every_link_leads_somewhere_and_ids_are_unique() {
    for report in [example::rich(), hostile()] {
        let page = html(&report);
        let values = |name: &str| -> Vec<String> {
            page.split(&format!(" {name}=\"")).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
        };
        let ids = values("id");
        let unique: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len());
        for target in values("href") {
            assert!(unique.contains(&target.trim_start_matches('#').to_owned()), "{target}");
        }
        for list in values("aria-labelledby") {
            assert!(list.split(' ').all(|id| unique.contains(&id.to_owned())), "{list}");
        }
    }
    assert!(html(&example::rich()).contains("id=\"duplicate-payment-3f9a1c\""), "deep links are ids of findings");
}

#[test]
fn the_data_block_is_json_that_cannot_end_early() {
    let page = html(&example::hostile());
    let block = body_of(&page, "id=\"timeline-data\">", "</script>");
    assert!(!block.contains(['<', '>', '&']));
    let value: serde_json::Value = serde_json::from_str(block).expect("it is JSON");
    assert!(value["lanes"].as_array().is_some_and(|lanes| lanes.len() == 7));
}

#[test]
fn pages_are_equal_for_equal_reports_and_small() {
    let page = html(&example::rich());
    assert_eq!(page, html(&example::rich()));
    assert!(page.len() < 1 << 20, "{} bytes", page.len());
}

#[test]
fn an_empty_report_is_a_page_too() {
    let page = html(&Report { verdict: example::calm(), ..Report::default() });
    assert!(page.contains("No finding.") && page.contains("id=\"s-coverage\""));
}

/// Everything far beyond what is ordinary.
fn enormous() -> Report {
    let mut report = example::rich();
    let long = "<&\"'>".repeat(800);
    for n in 0..100_000_u64 {
        report.graph.edges.push(Edge {
            caller: format!("s{:05}", n / 20),
            callee: format!("s{:05}", n * 7919 % 5000),
            calls: n,
            errors: n % 13,
            ..Edge::default()
        });
    }
    for n in 0..5000_u64 {
        report.graph.services.push(Service { name: format!("s{n:05}"), calls: n, ..Service::default() });
        let quote = Quote { excerpt: long.clone(), file: long.clone(), ..Quote::default() };
        report.findings.push(Finding {
            id: format!("rule-{n:06x}"),
            summary: long.clone(),
            explanation: long.clone(),
            evidence: vec![quote; 8],
            remedy: vec![long.clone(); 6],
            ..Finding::default()
        });
        report.coverage.files.push(FileLine { path: long.clone(), ..FileLine::default() });
        report.templates.push(Pattern { text: long.clone(), ..Pattern::default() });
    }
    let bar =
        Bar { service: "orders".to_owned(), name: long, length_ms: 3.0, folded: 1, failed: true, ticks: vec![(1.0, "WARN"); 50], ..Bar::default() };
    for n in 0..200 {
        report.waterfalls.push(Waterfall { trace_id: format!("{n:032x}"), bars: vec![bar.clone(); 400], ..Waterfall::default() });
    }
    report
}

#[test]
fn an_enormous_report_stays_within_its_bounds() {
    let page = html(&enormous());
    assert!(page.len() <= MOST_BYTES, "{} bytes", page.len());
    let shapes: usize = ["<rect", "<line", "<path", "<circle", "<text "].iter().map(|tag| page.matches(tag).count()).sum();
    assert!(shapes <= crate::report::chart::SHAPES, "{shapes} shapes");
    for what in [
        "findings are not on this page",
        "files are not on this page",
        "connections are not on this page",
        "The picture leaves out",
        "traces are not on this page",
    ] {
        assert!(page.contains(what), "{what}");
    }
}

/// Writes the pages to a folder to be looked at: `ANALYZE_RENDER_DIR=/tmp/pages cargo test renders`.
#[test]
fn renders_pages_to_be_looked_at() {
    let Ok(folder) = std::env::var("ANALYZE_RENDER_DIR") else { return };
    let calm = Report { verdict: Verdict { ..example::calm() }, ..Report::default() };
    for (name, mut report) in [("rich", example::rich()), ("crowd", example::crowd()), ("hostile", example::hostile()), ("empty", calm)] {
        redact(&mut report);
        std::fs::write(format!("{folder}/{name}.html"), html(&report)).expect("the folder is writable");
        std::fs::write(format!("{folder}/{name}.md"), crate::report::markdown(&report)).expect("the folder is writable");
        std::fs::write(format!("{folder}/{name}.txt"), crate::report::terminal(&report, true, 100)).expect("the folder is writable");
    }
}
