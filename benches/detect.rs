//! What each rule costs: every built-in rule over the case of a generated bundle, and gathering that case.
//!
//! `cargo bench --bench detect`. One column is rows a second, a row being a span, a kept log record or a domain fact.

mod bundle_gen;

use analyze::correlate::Case;
use analyze::model::rule::RuleSet;
use analyze::pipeline::{self, Options};
use analyze::rules::{self, Scope, load};
use bundle_gen::Plan;
use divan::Bencher;
use divan::counter::ItemsCount;
use std::sync::OnceLock;

fn main() {
    divan::main();
}

/// Ids of the built-in rules, known before anything is measured.
fn ids() -> Vec<String> {
    rule_set().rules.keys().cloned().collect()
}

fn rule_set() -> &'static RuleSet {
    static RULES: OnceLock<RuleSet> = OnceLock::new();
    RULES.get_or_init(|| load::built_in().unwrap_or_default())
}

fn case() -> &'static Case {
    static CASE: OnceLock<Case> = OnceLock::new();
    CASE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        bundle_gen::write(folder.path(), Plan { seed: 7, bytes: 20_000_000 }).expect("a generated bundle");
        pipeline::gather_only(&Options { bundles: vec![folder.path().to_path_buf()], ..Options::default() }).expect("a case")
    })
}

fn rows(case: &Case) -> ItemsCount {
    ItemsCount::new(case.tables.spans.len() + case.tables.logs.len() + case.tables.effects.len())
}

#[divan::bench(args = ids())]
fn rule(bencher: Bencher<'_, '_>, id: &str) {
    let case = case();
    let mut one = rule_set().clone();
    one.rules.retain(|known, _| known == id);
    bencher.counter(rows(case)).bench(|| rules::run(&one, &Scope { case, baseline: None }));
}

#[divan::bench]
fn gather(bencher: Bencher<'_, '_>) {
    let case = case();
    bencher.counter(rows(case)).with_inputs(|| case.tables.clone()).bench_values(analyze::correlate::gather::gather);
}
