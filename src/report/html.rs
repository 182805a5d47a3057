//! The page a person attaches to a postmortem: one file, no network, complete without script.
//!
//! Each section is a file of its own with a view of plain strings and an askama template, which escapes whatever it is
//! given. Only pictures of `chart` and finished sections are put in as they are. The style and the script are ours and
//! allowed by their hashes; nothing else may run, load or be sent, whatever a log line says.

mod coverage;
mod finding;
mod jvm;
mod patterns;
mod pictures;
mod settings;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use crate::report::chart::Ink;
use crate::report::{Report, text};

/// A page is never larger.
const MOST_BYTES: usize = 15 << 20;

const STYLE: &str = include_str!("templates/style.css");
const SCRIPT: &str = include_str!("templates/script.js");

/// The page. If it would be too large, it is drawn again with less of everything that has a number.
pub(super) fn render(report: &Report) -> String {
    let mut page = String::new();
    for part in [1, 2, 4, 8, 16, 32, 64, 128, 256] {
        let limits = Limits::part(part);
        page = draw(report, &Limits { cards: limits.cards.min(report.show.findings), ..limits });
        if page.len() <= MOST_BYTES {
            break;
        }
    }
    page
}

fn draw(report: &Report, limits: &Limits) -> String {
    let mut context = Context { report, limits, anchors: Anchors::new(report, limits), ink: Ink::default() };
    // The verdict's pictures and the map come first: if ink runs out, it does so at the waterfalls.
    let sections = vec![
        verdict::section(&mut context),
        finding::section(&mut context),
        pictures::timeline(&mut context),
        pictures::map(&mut context),
        jvm::section(&mut context),
        pictures::traces(&mut context),
        patterns::section(&mut context),
        settings::section(&mut context),
        coverage::section(&mut context),
    ];
    let mut sections: Vec<Section> = sections.into_iter().flatten().collect();
    // Traces stand before the virtual machines on the page.
    sections.sort_by_key(|section| section.place);
    let page = Page {
        policy: policy(),
        style: STYLE,
        script: SCRIPT,
        title: report.heading().to_owned(),
        level: level(&report.verdict.level),
        tool: format!("{} {}", report.tool.name, report.tool.version),
        rules_digest: report.tool.rules_digest.clone(),
        bundle_digest: report.bundle.digest.clone(),
        findings: context.anchors.links(report, 10),
        sections,
    };
    page.render().unwrap_or_default()
}

/// Nothing by default; our own style and script by the hash of their bytes.
fn policy() -> String {
    let hash = |text: &str| BASE64.encode(Sha256::digest(text.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'", hash(STYLE), hash(SCRIPT))
}

#[derive(Template)]
#[template(path = "page.html", config = "src/report/askama.toml")]
struct Page {
    policy: String,
    style: &'static str,
    script: &'static str,
    title: String,
    level: &'static str,
    tool: String,
    rules_digest: String,
    bundle_digest: String,
    findings: Vec<Link>,
    sections: Vec<Section>,
}

/// A finished section of the page.
struct Section {
    /// Order on the page.
    place: u8,
    /// Anchor.
    id: &'static str,
    /// Word in the navigation.
    name: &'static str,
    /// Number behind the word, if there is one to give.
    count: String,
    /// Finished HTML.
    html: String,
}

/// A link to a finding.
struct Link {
    /// Anchor of the finding, empty if it is not on the page.
    anchor: String,
    /// Class of its severity.
    severity: &'static str,
    /// Its severity as a word.
    word: String,
    /// Its title.
    title: String,
    /// What it is about.
    service: String,
    /// Its role in words.
    role: &'static str,
}

/// How much of each kind is on the page.
struct Limits {
    /// Findings as cards.
    cards: usize,
    /// Findings in the list beneath the cards.
    findings: usize,
    /// Rows of a table.
    rows: usize,
    /// Traces drawn.
    traces: usize,
    /// Virtual machines.
    jvms: usize,
    /// Characters of one text.
    text: usize,
}

impl Limits {
    fn part(part: usize) -> Self {
        let of = |most: usize| (most / part).max(1);
        Self { cards: of(120), findings: of(1000), rows: of(600), traces: of(36), jvms: of(24), text: of(4000).max(200) }
    }
}

/// What sections share.
struct Context<'r> {
    report: &'r Report,
    limits: &'r Limits,
    anchors: Anchors<'r>,
    ink: Ink,
}

impl Context<'_> {
    /// A text of bounded length.
    fn text(&self, source: &str) -> String {
        text::cut(source, self.limits.text).into_owned()
    }

    /// A time of the bundle: without the date where the whole bundle is of one day.
    fn time(&self, ms: i64) -> String {
        let window = self.report.bundle.window.as_ref();
        let ends = window.and_then(|window| Some((text::instant_ms(&window.start)?, text::instant_ms(&window.end)?)));
        ends.map_or_else(|| text::moment(ms), |ends| text::within(ms, ends))
    }

    /// A short text: a name, a label.
    fn name(&self, source: &str) -> String {
        text::cut(source, self.limits.text.min(300)).into_owned()
    }
}

/// Where findings are on the page.
struct Anchors<'r> {
    /// Number and anchor of each finding; the anchor is empty if it is not on the page.
    by_id: BTreeMap<&'r str, (usize, String)>,
}

impl<'r> Anchors<'r> {
    /// Ids of findings are anchors as they are, unless they hold what cannot stand in one.
    fn new(report: &'r Report, limits: &Limits) -> Self {
        let mut taken = BTreeSet::new();
        let mut by_id = BTreeMap::new();
        for (at, finding) in report.findings.iter().enumerate() {
            if at >= limits.cards {
                by_id.entry(finding.id.as_str()).or_insert((at, String::new()));
                continue;
            }
            let plain: String =
                finding.id.chars().take(80).map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' }).collect();
            let mut anchor = if plain.starts_with(|c: char| c.is_ascii_alphabetic()) { plain } else { format!("f-{plain}") };
            while !taken.insert(anchor.clone()) {
                anchor.push('x');
            }
            by_id.entry(finding.id.as_str()).or_insert((at, anchor));
        }
        Self { by_id }
    }

    fn get(&self, id: &str) -> &str {
        self.by_id.get(id).map_or("", |(_, anchor)| anchor)
    }

    fn links(&self, report: &Report, most: usize) -> Vec<Link> {
        report.findings.iter().take(most).map(|finding| self.link(report, &finding.id)).collect()
    }

    fn link(&self, report: &Report, id: &str) -> Link {
        let Some(finding) = self.by_id.get(id).and_then(|(at, _)| report.findings.get(*at)) else {
            let title = text::cut(id, 120).into_owned();
            return Link { anchor: String::new(), severity: level(""), word: String::new(), title, service: String::new(), role: "" };
        };
        Link {
            anchor: self.get(id).to_owned(),
            severity: level(&finding.severity),
            word: text::cut(&finding.severity, 20).into_owned(),
            title: text::cut(&finding.title, 160).into_owned(),
            service: text::cut(finding.subject.service.as_deref().unwrap_or_default(), 80).into_owned(),
            role: text::role(&finding.role),
        }
    }
}

/// Class of a severity or of the verdict's level.
fn level(word: &str) -> &'static str {
    crate::report::chart::timeline::severity(word)
}

/// `n ... are not on this page`, if any are not.
fn left_out(all: usize, shown: usize, one: &str, many: &str) -> String {
    match all.saturating_sub(shown) {
        0 => String::new(),
        n => format!("{} not on this page.", text::counted(n as u64, &format!("{one} is"), &format!("{many} are"))),
    }
}

/// JSON for a data block of the page: no character of it can end the block or a line of script.
fn island(value: &serde_json::Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
