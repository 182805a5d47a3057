//! All rules over all samples: precision and recall of each.
//!
//! `cargo test properties::matrix -- --nocapture` prints the table. A rule that no sample expects has no recall.

use crate::samples::{report, samples};
use std::collections::BTreeMap;

/// How often a rule was right, false, and silent where it should have spoken, with the samples by number.
#[derive(Default)]
struct Row {
    found: Vec<usize>,
    wrong: Vec<usize>,
    missed: Vec<usize>,
}

#[test]
fn rules_are_precise_and_complete() {
    let mut table: BTreeMap<&str, Row> = BTreeMap::new();
    for (number, sample) in samples().iter().enumerate() {
        println!("{:>3} {}", number + 1, sample.name);
        for rule in &sample.report.rules {
            table.entry(&rule.id).or_default();
        }
        for expected in &sample.expectation.findings {
            let row = table.entry(&expected.rule).or_default();
            if sample.find(expected).is_ok() { &mut row.found } else { &mut row.missed }.push(number + 1);
        }
        for finding in sample.false_alarms() {
            table.entry(&finding.rule).or_default().wrong.push(number + 1);
        }
    }
    println!("\n{:34}{:>9}{:>8}  found in (- false, ? missed)", "", "precision", "recall");
    let mut faults = Vec::new();
    for (rule, row) in &table {
        let places = [("", &row.found), ("-", &row.wrong), ("?", &row.missed)];
        let places: Vec<String> = places.into_iter().flat_map(|(mark, all)| all.iter().map(move |number| format!("{mark}{number}"))).collect();
        println!("{rule:34}{:>9}{:>8}  {}", share(&row.found, &row.wrong), share(&row.found, &row.missed), places.join(" "));
        if !row.wrong.is_empty() || !row.missed.is_empty() {
            faults.push(format!("{rule}: found in {:?}, false in {:?}, missed in {:?}", row.found, row.wrong, row.missed));
        }
    }
    report(&faults);
}

fn share(good: &[usize], bad: &[usize]) -> String {
    let all = good.len() + bad.len();
    if all == 0 { "-".to_owned() } else { format!("{:.2}", good.len() as f64 / all as f64) }
}
