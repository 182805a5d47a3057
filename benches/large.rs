//! The two inputs of a JVM that grow without bound: a dump of 20,000 threads, and a GC log of a gigabyte.
//!
//! `cargo bench --bench large` writes them, reads them with the built program on one thread, and tells megabytes for each second
//! of the processor and the peak of memory; `--mb 200` makes the log smaller. Without `--bench`, as in `cargo test --benches`,
//! both are small.
//! What this file does not do: measure parsers alone; that is `ingest`.

#[expect(dead_code, reason = "only the machine and its numbers are used here")]
mod bundle_gen;

use bundle_gen::jvm;
use bundle_gen::rng::Rng;
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// At least so many megabytes a second are read on one thread, of a build that is optimised.
const LEAST_SPEED: f64 = 150.0;
/// At most so many megabytes of memory are taken beside the pages of the file, which the system may drop.
const MOST_MEMORY: f64 = 512.0;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("large: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let measures = arguments.iter().any(|a| a == "--bench");
    let usual = if measures { 1000 } else { 2 };
    let given = arguments.iter().position(|a| a == "--mb").and_then(|at| arguments.get(at + 1));
    let megabytes = given.map_or(Ok(usual), |mb| mb.parse::<usize>())?;
    let folder = tempfile::tempdir()?;
    let mut rng = Rng::new(7);

    let dump = folder.path().join("jstack.txt");
    std::fs::write(&dump, jvm::thread_dump(&mut rng, 0, if measures { 20_000 } else { 200 }))?;
    let log = folder.path().join("gc.log");
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&log)?);
    let lines = jvm::gc_log(&mut rng, megabytes * 1_000_000, &mut out)?;
    out.flush()?;

    let mut good = true;
    for (name, file, records) in [("thread dump", &dump, 1), ("GC log", &log, lines)] {
        let seen = analyze(file, folder.path())?;
        let megabytes = file.metadata()?.len() as f64 / 1e6;
        let (time, busy) = (seen.time.as_secs_f64(), seen.busy.as_secs_f64());
        let speed = megabytes / busy;
        println!("{name:12} {megabytes:7.1} MB in {time:.2} s, busy for {busy:.2} s: {speed:.0} MB/s, at most {:.0} MB of memory", seen.peak);
        if seen.records != records {
            println!("{name:12} has {records} records and not {}", seen.records);
            good = false;
        }
        if measures && (speed < LEAST_SPEED || seen.peak > MOST_MEMORY) {
            println!("{name:12} must be read at {LEAST_SPEED} MB/s in {MOST_MEMORY} MB");
            good = false;
        }
    }
    Ok(good)
}

/// A run over one file.
struct Seen {
    records: u64,
    time: Duration,
    /// Of the processor; as long as it took where the system does not tell.
    busy: Duration,
    /// Megabytes of memory of its own, at its most.
    peak: f64,
}

fn analyze(file: &Path, folder: &Path) -> Result<Seen, Box<dyn Error>> {
    let report = folder.join("report.json");
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_analyze")).arg(file).args(["--quiet", "--jobs", "1", "--json"]).arg(&report).spawn()?;
    let (mut peak, mut busy) = (0.0_f64, None);
    let status = loop {
        peak = peak.max(own_memory(child.id()));
        busy = busy_time(child.id()).or(busy);
        match child.try_wait()? {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let time = begun.elapsed();
    if !status.success() {
        return Err(format!("{}: {status}", file.display()).into());
    }
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&report)?)?;
    let records = report.pointer("/bundle/records").and_then(serde_json::Value::as_u64).unwrap_or_default();
    Ok(Seen { records, time, busy: busy.unwrap_or(time), peak })
}

/// Time that a process and its threads had of the processor, of the hundredths that Linux counts.
fn busy_time(process: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything; user and system time are the 14th and 15th field.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    (ticks > 0).then(|| Duration::from_millis(10 * ticks))
}

/// Megabytes of a process that are not pages of files; none where the system does not tell.
fn own_memory(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    anonymous.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok()).map_or(0.0, |kilobytes| kilobytes / 1e3)
}
