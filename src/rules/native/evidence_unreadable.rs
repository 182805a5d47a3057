//! `evidence-unreadable`: how much of the bundle was not understood, and where.
//!
//! Counts bytes: whole files that no format claims or that cannot be read, and quarantined records of the others. Images,
//! documents and program text lie beside the evidence and count on neither side. Files of a known kind that this version
//! does not read (heap dumps, recordings) are told apart and never alarm. It is native rather than SQL because it must
//! hold in every build: a healthy-looking report over unread files is the worst outcome.
//!
//! What this file does not do: judge whether what was read is complete in time; that is `evidence-gap`.

use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::record::Reason;
use crate::model::rule::Rule;
use crate::model::source::{Evidence, FileId};
use crate::model::tables::{SourceFile, Tables};
use crate::rules::say::quantity;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector { id: "evidence-unreadable", thresholds: &["unread_percent", "low_percent", "unread_bytes"], detect };

/// How many files the text names.
const NAMED: usize = 5;

/// How many bytes of a wholly unread file are quoted: enough to see what it is.
const HEAD: usize = 256;

/// Endings of files that lie beside the evidence.
const BESIDE: &[&str] = &[
    "md",
    "rst",
    "adoc",
    "pdf",
    "doc",
    "docx",
    "odt",
    "ppt",
    "pptx",
    "html",
    "htm",
    "css",
    "js",
    "map",
    "svg",
    "png",
    "jpg",
    "jpeg",
    "gif",
    "webp",
    "ico",
    "bmp",
    "mp4",
    "webm",
    "ttf",
    "woff",
    "woff2",
    "java",
    "kt",
    "scala",
    "groovy",
    "gradle",
    "rs",
    "go",
    "py",
    "rb",
    "c",
    "h",
    "cpp",
    "cs",
    "ts",
    "tsx",
    "sh",
    "bat",
    "ps1",
    "sql",
    "jar",
    "class",
    "so",
    "dll",
    "exe",
    "sha256",
    "sha512",
    "md5",
    "asc",
    "sig",
    "lock",
    "gitignore",
    "gitkeep",
    "ds_store",
];

/// Names without an ending of files that lie beside the evidence.
const BESIDE_NAMES: &[&str] =
    &["readme", "license", "licence", "notice", "changelog", "authors", "makefile", "dockerfile", "sha256sums", "md5sums", "manifest"];

/// What was not understood of one file.
#[derive(Debug, Default)]
struct Loss {
    bytes: u64,
    reasons: BTreeSet<&'static str>,
    evidence: Vec<Evidence>,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let tables = &scope.case.tables;
    let mut lost: BTreeMap<FileId, Loss> = BTreeMap::new();
    let mut unsupported: BTreeMap<FileId, Loss> = BTreeMap::new();
    let mut quarantined = quarantined(tables);
    let (mut total, mut files, mut silent) = (0_u64, 0_u64, 0_u64);
    for (number, file) in tables.files.iter().enumerate() {
        let id = FileId(u32::try_from(number).unwrap_or(u32::MAX));
        if lies_beside(&file.path) {
            continue;
        }
        let partly = quarantined.remove(&id);
        if file.trouble == Some(Reason::Unsupported) {
            unsupported.insert(id, whole(id, file, Reason::Unsupported));
            continue;
        }
        // A file that could not even be opened has no bytes, and is no less missing for that.
        let unread = file.trouble.or((file.format.is_empty() && file.bytes > 0).then_some(Reason::Unrecognised));
        total += file.bytes;
        files += 1;
        match (unread, partly) {
            (Some(reason), partly) if file.records == 0 => {
                silent += u64::from(file.bytes == 0);
                let mut loss = whole(id, file, reason);
                loss.reasons.extend(partly.into_iter().flat_map(|partly| partly.reasons));
                lost.insert(id, loss);
            }
            (trouble, Some(mut partly)) => {
                partly.bytes = partly.bytes.min(file.bytes);
                partly.reasons.extend(trouble.map(Reason::name));
                lost.insert(id, partly);
            }
            (Some(_) | None, None) => {}
        }
    }
    let unread: u64 = lost.values().map(|loss| loss.bytes).sum();
    let of = |part: u64, whole: u64| if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 };
    let percent = of(unread, total).max(of(silent, files));
    let limit = rule.limit("unread_percent");
    if percent >= limit && (unread as f64 >= rule.limit("unread_bytes") || silent > 0) {
        let severity = match percent {
            p if p >= rule.upper("unread_percent") => Severity::Medium,
            p if p >= rule.limit("low_percent") => Severity::Low,
            _ => Severity::Info,
        };
        let mut finding = finding(scope, rule, &lost);
        finding.severity = severity;
        finding.score = score(percent, limit, rule.upper("unread_percent"));
        finding.measure_against("percent", (percent * 10.0).round() / 10.0, "percent of bytes", limit);
        finding.measure("unread", unread as f64, "bytes").measure("total", total as f64, "bytes");
        out.push(finding);
    }
    if !unsupported.is_empty() {
        let mut finding = finding(scope, rule, &unsupported);
        "unsupported".clone_into(&mut finding.kind);
        finding.measure("unread", unsupported.values().map(|loss| loss.bytes).sum::<u64>() as f64, "bytes");
        out.push(finding);
    }
}

fn finding(scope: &Scope<'_>, rule: &Rule, lost: &BTreeMap<FileId, Loss>) -> Finding {
    let tables = &scope.case.tables;
    let path = |id: FileId| tables.files.get(id.0 as usize).map_or("", |file| file.path.as_str());
    let mut worst: Vec<(&FileId, &Loss)> = lost.iter().collect();
    worst.sort_by(|a, b| b.1.bytes.cmp(&a.1.bytes).then_with(|| path(*a.0).cmp(path(*b.0))));
    let subject = match worst.as_slice() {
        [(id, _)] => path(**id).to_owned(),
        _ => "the bundle".to_owned(),
    };
    let mut finding = Finding::new(&rule.id, Subject { operation: subject, ..Subject::default() }, scope.case.context.window);
    let mut names: Vec<String> = Vec::new();
    for (id, loss) in worst.iter().take(NAMED) {
        let reasons: Vec<&str> = loss.reasons.iter().copied().collect();
        names.push(format!("{} ({}, {})", path(**id), reasons.join(", "), quantity(loss.bytes as f64, "bytes")));
    }
    if worst.len() > NAMED {
        names.push(format!("and {} more", worst.len() - NAMED));
    }
    finding.confidence = Belief::new().with("bytes counted", Input::Files, 0.99).proven().value();
    finding.measure("count", lost.len() as f64, "files").word("files", names.join("; "));
    // One place of each file first, so that eight quotes show as many files as they can.
    let longest = worst.iter().map(|(_, loss)| loss.evidence.len()).max().unwrap_or(0);
    let rounds = (0..longest.min(Finding::QUOTES)).flat_map(|round| worst.iter().filter_map(move |(_, loss)| loss.evidence.get(round).copied()));
    finding.cite(rounds);
    finding.evidence_total = worst.iter().map(|(_, loss)| loss.evidence.len() as u64).sum();
    finding
}

fn whole(id: FileId, file: &SourceFile, reason: Reason) -> Loss {
    let head = usize::try_from(file.bytes).unwrap_or(usize::MAX).min(HEAD);
    Loss { bytes: file.bytes, reasons: BTreeSet::from([reason.name()]), evidence: vec![Evidence::new(id, 0, head)] }
}

/// Quarantined ranges by file; bytes that several rows claim count once.
fn quarantined(tables: &Tables) -> BTreeMap<FileId, Loss> {
    let mut rows: Vec<(Evidence, Reason)> = tables.quarantine.iter().map(|row| (row.evidence, row.reason)).collect();
    rows.sort_unstable();
    let mut all: BTreeMap<FileId, Loss> = BTreeMap::new();
    let mut reached = (FileId(0), 0_u64);
    for (evidence, reason) in rows {
        let end = evidence.start.saturating_add(evidence.len.into());
        let from = if reached.0 == evidence.file { evidence.start.max(reached.1) } else { evidence.start };
        reached = (evidence.file, if reached.0 == evidence.file { end.max(reached.1) } else { end });
        let loss = all.entry(evidence.file).or_default();
        loss.bytes += end.saturating_sub(from);
        loss.reasons.insert(reason.name());
        loss.evidence.push(evidence);
    }
    all
}

fn lies_beside(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    match name.rsplit_once('.') {
        Some((stem, ending)) => BESIDE.contains(&ending) || (BESIDE_NAMES.contains(&stem) && ending == "txt"),
        None => BESIDE_NAMES.contains(&name.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::Case;
    use crate::model::finding::Outcome;
    use crate::model::tables::Quarantine;
    use crate::rules::{load, run, say};

    fn file(path: &str, format: &str, bytes: u64) -> SourceFile {
        SourceFile { path: path.to_owned(), format: format.to_owned(), bytes, records: u64::from(!format.is_empty()), ..SourceFile::default() }
    }

    fn judged(files: Vec<SourceFile>, quarantine: &[(u32, u64, usize, Reason)]) -> Vec<(Finding, String)> {
        let mut case = Case::default();
        case.tables.files = files;
        case.tables.quarantine =
            quarantine.iter().map(|&(file, start, len, reason)| Quarantine { reason, evidence: Evidence::new(FileId(file), start, len) }).collect();
        let rules = load::built_in().unwrap();
        let rule = &rules.rules["evidence-unreadable"];
        match run(&rules, &Scope { case: &case, baseline: None }).remove("evidence-unreadable").unwrap() {
            Outcome::Clear => Vec::new(),
            Outcome::Found(found) => found
                .into_iter()
                .map(|finding| {
                    assert_eq!(say::unfilled(rule, &finding), Vec::<String>::new());
                    let what = say::spoken(rule, &finding).what;
                    (finding, what)
                })
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bundle_that_is_understood_is_clear() {
        assert!(judged(vec![file("app.log", "spring-log", 90_000)], &[]).is_empty());
        let beside = vec![
            file("app.log", "spring-log", 90_000),
            file("docs/README.md", "", 60_000),
            file("graph.png", "", 900_000),
            file("LICENSE", "", 11_000),
        ];
        assert!(judged(beside, &[]).is_empty(), "documents and images are no evidence");
        assert!(
            judged(vec![file("app.log", "spring-log", 90_000)], &[(0, 89_000, 1_000, Reason::Truncated)]).is_empty(),
            "a cut last record is normal"
        );
        assert!(judged(vec![file("app.log", "spring-log", 3_000), file("note.txt", "", 400)], &[]).is_empty(), "a note is no evidence");
        assert!(judged(vec![file("empty.log", "", 0), file("app.log", "spring-log", 10)], &[]).is_empty(), "an empty file hides nothing");
    }

    #[test]
    fn severity_follows_the_share() {
        let with = |unread| judged(vec![file("app.log", "spring-log", 100_000 - unread), file("core.bin", "", unread)], &[]).remove(0);
        let levels = [3_000, 12_000, 60_000, 99_000].map(|unread| with(unread).0.severity);
        assert_eq!(levels, [Severity::Info, Severity::Low, Severity::Medium, Severity::Medium]);
        let (finding, what) = with(60_000);
        assert_eq!(what, "60 % of the evidence was not understood (58.6 KiB of 97.7 KiB): core.bin (unrecognised, 58.6 KiB)");
        assert_eq!((finding.subject.to_string().as_str(), finding.evidence_total), ("core.bin", 1));
        assert!(finding.confidence >= 0.85 && finding.score >= 75.0);
    }

    #[test]
    fn overlapping_quarantine_counts_once_and_names_every_file() {
        let files = vec![file("a.log", "spring-log", 10_000), file("b.log", "json-log", 10_000)];
        let rows = [(0, 0, 4_000, Reason::Malformed), (0, 2_000, 4_000, Reason::InvalidUtf8), (1, 0, 2_000, Reason::TooLong)];
        let (finding, what) = judged(files, &rows).remove(0);
        assert_eq!(
            what,
            "40 % of the evidence was not understood (7.81 KiB of 19.5 KiB): a.log (invalid-utf8, malformed, 5.86 KiB); b.log (too-long, 1.95 KiB)"
        );
        assert_eq!((finding.subject.to_string().as_str(), finding.evidence.len(), finding.evidence_total), ("the bundle", 3, 3));
        assert_eq!(finding.evidence[1].file, FileId(1), "each file is quoted before any is quoted twice");
    }

    #[test]
    fn a_file_that_cannot_be_opened_counts_as_a_file() {
        let shut = SourceFile { trouble: Some(Reason::Unreadable), ..file("secret.log", "", 0) };
        let (finding, what) = judged(vec![file("app.log", "spring-log", 90_000), shut], &[]).remove(0);
        assert_eq!((finding.severity, what.contains("secret.log (unreadable")), (Severity::Medium, true), "{what}");
    }

    #[test]
    fn a_heap_dump_is_told_apart() {
        let dump = SourceFile { trouble: Some(Reason::Unsupported), ..file("heap.hprof", "", 2_147_483_648) };
        let found = judged(vec![file("app.log", "spring-log", 90_000), dump], &[]);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].0.severity, found[0].1.as_str()),
            (Severity::Info, "2 GiB in files of a kind that is recognised but not read: heap.hprof (unsupported, 2 GiB)")
        );
    }
}
