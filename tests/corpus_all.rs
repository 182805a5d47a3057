//! Every file of the shared corpus against a table of what it is: format, records, first and last time.
//!
//! `tests/corpus/all.tsv` has a row for each file that somebody has looked at; `UPDATE_CORPUS=1 cargo test corpus_all` brings
//! the rows that are there up to date, and adds those of the folders that its first line names. Files without a row are
//! listed and not judged. Of what nothing is read `tests/corpus/unread.tsv` says why.

use crate::program::{analyze, bytes_of, files, put, run, shared};
use analyze::bundle::unpack::{Visitor, visit};
use analyze::bundle::{Content, Limits, Member, cut};
use analyze::formats::{Parser, recognise};
use analyze::model::jvm::{ClassHistogram, GcRecord, ThreadDump};
use analyze::model::record::{EventRecord, LogRecord, MetricRecord, Reason, SettingRecord, Sink, SpanRecord};
use analyze::model::source::{Chunk, Evidence, FileId, Head, Hints};
use analyze::model::time::{Time, Window};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const HEAD: usize = 64 << 10;
/// At least this share of what is written in files of lines is in records.
const LEAST_COVERED: f64 = 0.995;
/// Formats that describe a state or count facts: they have lines that are understood and hold none. Of these, lost is what
/// they refuse; of logs, what stands in no record.
const OF_FACTS: [&str; 10] = ["class-histogram", "config/", "gc-log", "hs-err", "jcmd", "jfr/", "jstat", "kafka-groups", "kube-", "prometheus"];

/// What a file turned out to be.
#[derive(Debug, Default)]
struct Seen {
    format: String,
    records: usize,
    window: Window,
    /// Bytes of a file of lines that hold more than white space, and those of them that are in no record.
    written: usize,
    lost: Vec<String>,
    lost_bytes: usize,
}

impl Seen {
    fn row(&self) -> String {
        let time = |time: Time| if time.is_none() { "-".to_owned() } else { time.rfc3339() };
        let format = if self.format.is_empty() { "-" } else { &self.format };
        format!("{format}\t{}\t{}\t{}", self.records, time(self.window.start), time(self.window.end))
    }
}

/// Counts records and remembers where they stand.
#[derive(Default)]
struct Count {
    records: usize,
    window: Window,
    places: Vec<(usize, usize)>,
    refused: Vec<(usize, usize)>,
}

impl Count {
    fn add(&mut self, evidence: Evidence, times: [Time; 2]) {
        self.records += 1;
        times.into_iter().for_each(|time| self.window.add(time));
        self.places.push(range(evidence));
    }
}

fn range(evidence: Evidence) -> (usize, usize) {
    let start = usize::try_from(evidence.start).unwrap();
    (start, start + evidence.len as usize)
}

impl Sink for Count {
    fn log(&mut self, r: &LogRecord<'_>) {
        self.add(r.evidence, [r.time; 2]);
    }
    fn span(&mut self, r: &SpanRecord<'_>) {
        self.add(r.evidence, [r.start, r.end]);
    }
    fn metric(&mut self, r: &MetricRecord<'_>) {
        self.add(r.evidence, [r.time; 2]);
    }
    fn thread_dump(&mut self, r: &ThreadDump<'_>) {
        self.add(r.evidence, [r.time; 2]);
    }
    fn gc(&mut self, r: &GcRecord<'_>) {
        self.add(r.evidence, [r.time; 2]);
    }
    fn class_histogram(&mut self, r: &ClassHistogram<'_>) {
        self.add(r.evidence, [r.time; 2]);
    }
    fn event(&mut self, r: &EventRecord<'_>) {
        self.add(r.evidence, [r.first, r.time]);
    }
    fn setting(&mut self, r: &SettingRecord<'_>) {
        self.add(r.evidence, [Time::NONE; 2]);
    }
    fn quarantine(&mut self, evidence: Evidence, _: Reason) {
        self.refused.push(range(evidence));
    }
}

fn seen(path: &str, bytes: &[u8]) -> Seen {
    let mark = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let bytes = &bytes[mark..];
    let hints = Hints::default();
    let Some(found) = recognise(&Head { path, bytes: &bytes[..bytes.len().min(HEAD)], whole: bytes.len() <= HEAD }) else { return Seen::default() };
    let mut count = Count::default();
    for piece in cut::pieces(bytes, found.parser.framing(), cut::PIECE) {
        found.parser.parse(&Chunk { file: FileId(0), base: piece.start as u64, bytes: &bytes[piece], hints: &hints }, &mut count);
    }
    let mut seen = Seen { format: found.label, records: count.records, window: count.window, ..Seen::default() };
    // A line of OTLP holds many records, and each cites itself.
    if !matches!(found.parser, Parser::Lines(_) | Parser::Wrapped(_)) || seen.format.starts_with("otlp-") {
        return seen;
    }
    let written = |range: &[u8]| range.iter().filter(|b| !b.is_ascii_whitespace() && **b != 0).count();
    seen.written = written(bytes);
    let lost = if OF_FACTS.iter().any(|family| seen.format.starts_with(family)) { count.refused } else { gaps(count.places, bytes.len()) };
    for (start, stop) in lost {
        let gap = bytes.get(start..stop).unwrap_or_default();
        if written(gap) > 0 {
            seen.lost_bytes += written(gap);
            seen.lost.push(String::from_utf8_lossy(gap).trim().chars().take(100).collect());
        }
    }
    seen
}

/// What stands between places.
fn gaps(mut places: Vec<(usize, usize)>, length: usize) -> Vec<(usize, usize)> {
    places.sort_unstable();
    let (mut gaps, mut end) = (Vec::new(), 0);
    for (start, stop) in places.into_iter().chain([(length, length)]) {
        if start > end {
            gaps.push((end, start));
        }
        end = end.max(stop);
    }
    gaps
}

/// Shows what lies in a file of the corpus, archives opened.
#[derive(Default)]
struct Inside(BTreeMap<String, Seen>);

impl Visitor for Inside {
    fn file(&mut self, path: &str, content: Content<'_>) {
        self.0.insert(path.to_owned(), seen(path, &bytes_of(content)));
    }
    fn trouble(&mut self, _: &str, _: Reason) {}
}

fn table() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/all.tsv"))
}

#[test]
fn every_file_is_what_the_table_says() {
    let Some(corpus) = shared("corpus") else { return };
    let text = fs::read_to_string(table()).unwrap();
    let folders: Vec<&str> = text.lines().next().and_then(|line| line.strip_prefix("# folders: ")).unwrap_or_default().split(' ').collect();
    let rows: BTreeMap<&str, &str> = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t')).collect();
    let mut inside = Inside::default();
    for place in files(&corpus) {
        let path = place.strip_prefix(&corpus).unwrap().to_string_lossy().replace('\\', "/");
        if !path.ends_with("SOURCE.md") {
            visit(&Member { path, bytes: fs::metadata(&place).unwrap().len(), place }, &Limits::default(), &mut inside);
        }
    }
    let ours = |path: &str| folders.contains(&path.split('/').next().unwrap_or_default());
    if std::env::var_os("UPDATE_CORPUS").is_some() {
        let head = text.lines().take_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect::<String>();
        let rows = inside.0.iter().filter(|(path, _)| ours(path) || rows.contains_key(path.as_str()));
        fs::write(table(), head + &rows.map(|(path, seen)| format!("{path}\t{}\n", seen.row())).collect::<String>()).unwrap();
        return;
    }
    let mut wrong = Vec::new();
    for (path, want) in &rows {
        match inside.0.get(*path) {
            Some(seen) if seen.row() == *want => {}
            Some(seen) => wrong.push(format!("{path}: {want} in the table, {}", seen.row())),
            None => wrong.push(format!("{path}: not in the corpus")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (path, seen) in inside.0.iter().filter(|(path, _)| !rows.contains_key(path.as_str())) {
        eprintln!("no row: {path}\t{}", seen.row());
    }
    let listed = || inside.0.iter().filter(|(path, _)| rows.contains_key(path.as_str()));
    let (written, lost) = listed().fold((0, 0), |(written, lost), (_, seen)| (written + seen.written, lost + seen.lost_bytes));
    let told: Vec<String> = listed().flat_map(|(path, seen)| seen.lost.iter().map(move |text| format!("{path}: {text}"))).collect();
    assert!((written - lost) as f64 >= written as f64 * LEAST_COVERED, "{lost} of {written} bytes are in no record:\n{}", told.join("\n"));
    eprintln!("in no record, {lost} of {written} bytes:\n{}", told.join("\n"));
}

#[test]
fn of_what_nothing_is_read_is_told_why() {
    let rows = fs::read_to_string(table()).unwrap();
    let unread: Vec<&str> = rows
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            (columns[1] == "-" || columns[2] == "0").then_some(columns[0])
        })
        .collect();
    let reasons = fs::read_to_string(table().with_file_name("unread.tsv")).unwrap();
    let reasons: Vec<&str> = reasons.lines().filter(|line| !line.starts_with('#')).filter_map(|line| Some(line.split_once('\t')?.0)).collect();
    let silent: Vec<&&str> = unread.iter().filter(|path| !reasons.iter().any(|reason| path.starts_with(reason))).collect();
    let idle: Vec<&&str> = reasons.iter().filter(|reason| !unread.iter().any(|path| path.starts_with(**reason))).collect();
    assert!(silent.is_empty() && idle.is_empty(), "no reason for {silent:?}; nothing unread of {idle:?}");
}

#[test]
fn one_archive_of_all_gives_the_same() {
    let Some(corpus) = shared("corpus") else { return };
    let text = fs::read_to_string(table()).unwrap();
    let rows: BTreeMap<&str, &str> = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t')).collect();
    let mut tar = tar::Builder::new(Vec::new());
    let mut formats = BTreeSet::new();
    for (path, row) in rows.iter().filter(|(path, _)| corpus.join(path).is_file()) {
        tar.append_path_with_name(corpus.join(path), path).unwrap();
        formats.insert(row.split('\t').next().unwrap_or_default());
    }
    assert!(formats.len() >= 25, "{formats:?}");
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("all.tar");
    fs::write(&place, tar.into_inner().unwrap()).unwrap();
    let mut inside = Inside::default();
    visit(&Member { path: "all.tar".to_owned(), bytes: fs::metadata(&place).unwrap().len(), place }, &Limits::default(), &mut inside);
    for (path, row) in rows.iter().filter(|(path, _)| corpus.join(path).is_file()) {
        let got = inside.0.get(&format!("all.tar!/{path}")).map(Seen::row);
        assert_eq!(got.as_deref(), Some(*row), "{path}");
    }
}

/// One file of each format, by what the program prints: `inspect --records` over one archive, and over each file alone.
#[test]
fn records_of_a_mixed_archive_are_those_of_its_files() {
    let Some(corpus) = shared("corpus") else { return };
    let text = fs::read_to_string(table()).unwrap();
    let mut chosen: BTreeMap<&str, &str> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        // What lacks its date borrows it from the files beside it.
        let is_dated = !columns[3].starts_with("197");
        if columns[1] != "-" && columns[2] != "0" && is_dated && corpus.join(columns[0]).is_file() {
            chosen.entry(columns[1]).or_insert(columns[0]);
        }
    }
    assert!(chosen.len() >= 25, "{chosen:?}");
    let folder = tempfile::tempdir().unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    let mut alone: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (number, path) in chosen.values().enumerate() {
        let name = format!("{number}-{}", path.rsplit('/').next().unwrap_or(path));
        let place = folder.path().join("alone").join(&name);
        put(&place, fs::read(corpus.join(path)).unwrap());
        tar.append_path_with_name(&place, &name).unwrap();
        alone.extend(records(&place));
    }
    // A name that no service has: some files are named after what they lie in.
    let archive = folder.path().join("bundle.tar");
    put(&archive, tar.into_inner().unwrap());
    let together = records(&archive);
    assert_eq!(alone.keys().collect::<Vec<_>>(), together.keys().collect::<Vec<_>>());
    let mut wrong = Vec::new();
    for (name, alone) in &alone {
        let together = together.get(name).map(Vec::as_slice).unwrap_or_default();
        if alone != together {
            let difference = alone.iter().zip(together).find(|(a, b)| a != b);
            wrong.push(format!("{name}: {} records alone, {} in the archive: {difference:#?}", alone.len(), together.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What `inspect --records` prints of a bundle, by file. Templates are left out: they are made of all messages of a bundle.
fn records(bundle: &Path) -> BTreeMap<String, Vec<Value>> {
    let mut records: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in run(analyze().args(["inspect", "--records"]).arg(bundle)).expect(0).text().lines() {
        let mut record: Map<String, Value> = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        record.retain(|name, _| !name.starts_with("template"));
        let file = record.remove("file").and_then(|file| Some(file.as_str()?.to_owned())).unwrap_or_default();
        records.entry(file.trim_start_matches("bundle.tar!/").to_owned()).or_default().push(Value::Object(record));
    }
    records
}
