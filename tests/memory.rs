//! A bundle whose rows do not fit into memory is answered like one whose rows do.

use crate::program::{Run, analyze, run, sample, samples};
use analyze::pipeline::{self, Analysis, Options};
use analyze::report::{html, json};
use rayon::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

fn analysed(bundle: &Path, memory: Option<u64>, scratch: PathBuf) -> Analysis {
    let options = Options { bundles: vec![bundle.to_owned()], memory, scratch, ..Options::default() };
    pipeline::analyze(&options).unwrap_or_else(|error| panic!("{}: {error:#}", bundle.display()))
}

#[test]
fn rows_in_files_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    samples().par_iter().for_each(|path| {
        let held = analysed(path, None, PathBuf::new());
        // A limit that is passed by the first row, so that all are kept, and let go of again and again.
        let kept = analysed(path, Some(1), dir.path().to_owned());
        let what = path.display();
        assert!(!held.case.tables.is_kept(), "{what}");
        assert!(kept.case.tables.is_kept() || held.case.tables.bytes() == 0, "{what}: rows are in memory");
        assert_eq!(kept.memory_trouble, None, "{what}");
        assert!(json(&held.report) == json(&kept.report), "{what}: the reports differ");
        assert!(html(&held.report) == html(&kept.report), "{what}: the pages differ");
        drop(kept);
    });
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "files are left behind");
}

#[test]
fn without_room_for_files_the_answer_is_the_same_and_the_trouble_is_told() {
    let (bundle, dir) = (sample("checkout-incident"), tempfile::tempdir().unwrap());
    let nowhere = dir.path().join("nowhere");
    let held = analysed(&bundle, None, PathBuf::new());
    let stuck = analysed(&bundle, Some(1), nowhere.clone());
    assert!(json(&held.report) == json(&stuck.report));
    assert!(stuck.memory_trouble.is_some_and(|why| why.contains("nowhere")));
}

#[test]
fn the_limit_is_a_size() {
    let bundle = sample("healthy-shop");
    run(analyze().arg(&bundle).args(["--json", "-", "--memory-limit", "256M"])).expect(0);
    for (limit, hint) in [("much", "1500M"), ("12Q", "unit"), ("5", "64M")] {
        let Run { err, .. } = run(analyze().arg(&bundle).args(["--memory-limit", limit])).expect(2);
        assert!(err.contains("--memory-limit") && err.contains(hint), "{limit}: {err}");
    }
}
