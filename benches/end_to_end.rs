//! The whole program over a generated bundle: megabytes a second, and whether it counted what was planted.
//!
//! `cargo bench --bench end_to_end -- --mb 200` measures; `--keep DIR` leaves the bundle there. Without `--bench`, as in
//! `cargo test --benches`, two megabytes show that everything still works together.

mod bundle_gen;

use bundle_gen::{Plan, Truth};
use serde_json::Value;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("end_to_end: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let usual = if arguments.iter().any(|a| a == "--bench") { 64 } else { 2 };
    let megabytes = value("--mb").map_or(Ok(usual), |mb| mb.parse::<u64>())?;
    let folder = tempfile::tempdir()?;
    let bundle = value("--keep").map_or_else(|| folder.path().join("bundle"), PathBuf::from);

    let truth = bundle_gen::write(&bundle, Plan { seed: 7, bytes: megabytes * 1_000_000 })?;
    println!("{truth:#?}");
    let begun = Instant::now();
    let report = analyze(&bundle, &folder.path().join("report.json"))?;
    let seconds = begun.elapsed().as_secs_f64();
    println!("{:.1} MB in {seconds:.2} s: {:.0} MB/s", truth.bytes as f64 / 1e6, truth.bytes as f64 / 1e6 / seconds);

    let mut right = true;
    for (name, planted, found) in compare(&truth, &report) {
        let verdict = if found.is_some_and(|found| (found - planted).abs() <= 0.005 * planted) { "as planted" } else { "NOT as planted" };
        right &= verdict == "as planted";
        println!("{name:22} {planted:14.2} {:>14}  {verdict}", found.map_or_else(|| "none".to_owned(), |found| format!("{found:.2}")));
    }
    Ok(right)
}

fn analyze(bundle: &Path, out: &Path) -> Result<Value, Box<dyn Error>> {
    let run = Command::new(env!("CARGO_BIN_EXE_analyze")).arg(bundle).arg("--json").arg(out).output()?;
    if !run.status.success() {
        return Err(format!("{}: {}", run.status, String::from_utf8_lossy(&run.stderr)).into());
    }
    Ok(serde_json::from_slice(&std::fs::read(out)?)?)
}

/// What was planted beside what was found.
fn compare(truth: &Truth, report: &Value) -> Vec<(&'static str, f64, Option<f64>)> {
    let records = |prefix: &str| {
        let files = report["coverage"]["files"].as_array().into_iter().flatten();
        let of_prefix = files.filter(|file| file["path"].as_str().is_some_and(|path| path.starts_with(prefix)));
        Some(of_prefix.filter_map(|file| file["records"].as_f64()).sum::<f64>())
    };
    let measure = |rule: &str, name: &str| {
        let findings = report["findings"].as_array().into_iter().flatten().filter(|finding| finding["rule"] == *rule);
        let mut measures = findings.flat_map(|finding| finding["measures"].as_array().into_iter().flatten());
        measures.find(|measure| measure["name"] == *name)?["value"].as_f64()
    };
    let count = |n: u64| n as f64;
    vec![
        ("log records", count(truth.log_records), records("logs/")),
        ("lines of the GC log", count(truth.gc_lines), records("stock-0/gc.log")),
        ("thread dumps", count(truth.dumps), records("stock-0/jstack.txt")),
        ("traces", count(truth.traces), report["traces"]["traces"].as_f64()),
        ("spans", count(truth.spans), report["traces"]["spans"].as_f64()),
        ("duplicated orders", count(truth.duplicated_orders), measure("duplicate-payment", "duplicated_orders")),
        ("extra charges", count(truth.extra_charges), measure("duplicate-payment", "extra_charges")),
        ("duplicated amount", count(truth.duplicated_cents) / 100.0, measure("duplicate-payment", "duplicated_amount")),
        ("deadlocked threads", 2.0, measure("deadlock", "threads")),
    ]
}
