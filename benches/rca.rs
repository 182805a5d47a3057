//! How well the root cause is ranked: every fault of a directory against its truth.
//!
//! ```text
//! cargo bench --bench rca -- DIR     DIR/baseline/  DIR/faults/NAME/  DIR/faults/NAME.truth.json {"root_cause", "type"}
//! ```
//!
//! Prints top-1, top-3 and top-5 per type of fault, with the baseline and without, beside two rankings that know nothing: one
//! by chance, as what is to be expected of it, and one by who works most. Of equal scores the worst place counts, and a service
//! that is not listed is not found. Bundles are read under neutral names, since theirs give the answer away.

use analyze::correlate::profile::Profile;
use analyze::pipeline::{self, Options};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How many faults of a type are found at the first, among the first three, and the first five.
#[derive(Default, Clone, Copy)]
struct Hits {
    all: f64,
    first: f64,
    three: f64,
    five: f64,
}

impl Hits {
    fn add(&mut self, place: Option<usize>) {
        self.share(|n| if place.is_some_and(|place| place <= n) { 1.0 } else { 0.0 });
    }

    /// By chance each of so many services is as likely to be at any place.
    fn add_chance(&mut self, services: usize) {
        self.share(|n| n.min(services) as f64 / services.max(1) as f64);
    }

    fn share(&mut self, within: impl Fn(usize) -> f64) {
        self.all += 1.0;
        self.first += within(1);
        self.three += within(3);
        self.five += within(5);
    }

    fn line(self) -> String {
        let percent = |n: f64| n * 100.0 / self.all.max(1.0);
        format!("{:5.1} {:5.1} {:5.1}", percent(self.first), percent(self.three), percent(self.five))
    }
}

fn main() {
    let Some(dir) = std::env::args().skip(1).find(|arg| !arg.starts_with("--")).map(PathBuf::from) else {
        println!("give a directory of faults with their truth: cargo bench --bench rca -- DIR");
        return;
    };
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let baseline = neutral(&dir.join("baseline"), temporary.path(), "calm");
    let mut hits: BTreeMap<(String, &str), Hits> = BTreeMap::new();
    for (number, (name, kind, truth)) in faults(&dir).into_iter().enumerate() {
        let bundle = neutral(&dir.join("faults").join(&name), temporary.path(), &format!("bundle{number}"));
        let (with, without) = (ranked(&bundle, Some(&baseline)), ranked(&bundle, None));
        let busiest = busiest(&bundle);
        let place = |ranking: &[(String, f64)]| worst_place(ranking, &truth);
        println!(
            "{name:45} with baseline {:>4}  without {:>4}  busiest {:>4}   {}",
            shown(place(&with)),
            shown(place(&without)),
            shown(place(&busiest)),
            with.first().map_or("-", |(service, _)| service)
        );
        for kind in [kind.as_str(), "all"] {
            let mut add = |how, place| hits.entry((kind.to_owned(), how)).or_default().add(place);
            add("1 with baseline", place(&with));
            add("2 without", place(&without));
            add("3 busiest", place(&busiest));
            hits.entry((kind.to_owned(), "4 chance")).or_default().add_chance(busiest.len());
        }
    }
    println!("\n{:18} {:16}  top-1 top-3 top-5 (percent of the faults)  faults", "type", "ranking");
    for ((kind, how), hits) in hits {
        println!("{kind:18} {how:16}  {}  {:>30}", hits.line(), hits.all);
    }
}

fn shown(place: Option<usize>) -> String {
    place.map_or_else(|| "-".to_owned(), |place| place.to_string())
}

/// Name, type and root cause of every fault.
fn faults(dir: &Path) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir.join("faults")).expect("DIR/faults").flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some(name) = file.strip_suffix(".truth.json") else { continue };
        let text = std::fs::read_to_string(entry.path()).expect("a readable truth file");
        let truth: serde_json::Value = serde_json::from_str(&text).expect("a truth file in JSON");
        let part = |key: &str| truth[key].as_str().unwrap_or_default().to_owned();
        found.push((name.to_owned(), part("type"), part("root_cause")));
    }
    found.sort();
    found
}

/// The files of a bundle under a name that says nothing.
fn neutral(from: &Path, to: &Path, name: &str) -> PathBuf {
    let target = to.join(name);
    let mut open = vec![(from.to_owned(), target.clone())];
    while let Some((from, to)) = open.pop() {
        std::fs::create_dir_all(&to).expect("a directory can be made");
        for entry in std::fs::read_dir(&from).expect("a readable bundle").flatten() {
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                open.push((entry.path(), to));
            } else {
                std::fs::copy(entry.path(), to).expect("a file can be copied");
            }
        }
    }
    target
}

fn ranked(bundle: &Path, baseline: Option<&PathBuf>) -> Vec<(String, f64)> {
    let options = Options { bundles: vec![bundle.to_owned()], baseline: baseline.cloned(), ..Options::default() };
    let analysis = pipeline::analyze(&options).expect("the bundle reads");
    analysis.report.suspects.into_iter().map(|suspect| (suspect.service, suspect.score)).collect()
}

/// Services by their own time.
fn busiest(bundle: &Path) -> Vec<(String, f64)> {
    let case = pipeline::gather_only(&Options { bundles: vec![bundle.to_owned()], ..Options::default() }).expect("the bundle reads");
    let profile = Profile::of(&case, None, |_| true);
    let mut own: BTreeMap<String, f64> = BTreeMap::new();
    for ((service, _), work) in &profile.work {
        *own.entry(case.tables.names.get(*service).to_owned()).or_default() += work.own.sum() as f64;
    }
    let mut ranking: Vec<(String, f64)> = own.into_iter().collect();
    ranking.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranking
}

/// The place of a service, the last of those with its score; none if it is not listed.
fn worst_place(ranking: &[(String, f64)], service: &str) -> Option<usize> {
    let score = ranking.iter().find(|(name, _)| name == service)?.1;
    Some(ranking.iter().filter(|(_, other)| *other >= score).count())
}
