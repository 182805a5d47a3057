//! `analyze`: parse the arguments, run, turn the result into files and an exit status.

use analyze::bundle::machine;
use analyze::cli::{Args, Command, When};
use analyze::pipeline::{self, Analysis, Options, ingest::AskedFormat, inspect, memory::parse_size, moment::Moment, zone::Zone};
use analyze::report::{self, Show};
use analyze::rules::explain;
use anyhow::{Context, Result, bail};
use clap::{CommandFactory, Parser};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(args) {
        Ok(status) => ExitCode::from(status),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "analyze: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: Args) -> Result<u8> {
    match args.command {
        Some(Command::Rules { rules }) => print(&explain::table(&pipeline::rule_set(&rules)?)),
        Some(Command::Explain { rule, rules }) => print(&explain::explain(&pipeline::rule_set(&rules)?, &rule)?),
        Some(Command::Inspect { bundles, records, formats, tz, no_redact }) => {
            let zone = Zone::parse(&tz).context("--tz")?;
            let options = Options { bundles, formats: asked(&formats)?, zone, no_redact, ..Options::default() };
            let mut out = io::BufWriter::new(io::stdout().lock());
            let understood = if records { inspect::records(&options, &mut out)? } else { inspect::summary(&options, &mut out)? };
            out.flush()?;
            Ok(if understood { 0 } else { 2 })
        }
        Some(Command::Schema) => print(report::schema()),
        Some(Command::Completions { shell }) => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "analyze", &mut out);
            print(&String::from_utf8_lossy(&out))
        }
        Some(Command::Man) => {
            let mut out = Vec::new();
            clap_mangen::Man::new(Args::command()).render(&mut out)?;
            print(&String::from_utf8_lossy(&out))
        }
        None => analyse(&args),
    }
}

/// What may be used if nothing is said: the rest is for the files that are read, and for other programs.
fn most_memory() -> Option<u64> {
    machine::memory().map(|all| all / 10 * 6)
}

/// The formats of `--as`.
fn asked(formats: &[String]) -> Result<Vec<AskedFormat>> {
    formats.iter().map(|text| AskedFormat::parse(text).context("--as")).collect()
}

fn analyse(args: &Args) -> Result<u8> {
    if args.bundles.is_empty() {
        bail!("no bundle given: analyze DIRECTORY|FILE|ARCHIVE [--report out.html]; see analyze --help");
    }
    if let Some(jobs) = args.jobs {
        rayon::ThreadPoolBuilder::new().num_threads(jobs.into()).build_global().context("cannot start the threads")?;
    }
    let zone = Zone::parse(&args.tz).context("--tz")?;
    let moment = |flag: &'static str, text: &Option<String>| text.as_deref().map(|t| Moment::parse(t, &zone).context(flag)).transpose();
    let options = Options {
        bundles: args.bundles.clone(),
        baseline: args.baseline.clone(),
        rules: args.rules.clone(),
        since: moment("--since", &args.since)?,
        until: moment("--until", &args.until)?,
        services: args.service.clone(),
        formats: asked(&args.formats)?,
        zone: zone.clone(),
        no_redact: args.no_redact,
        show: Show {
            title: args.title.clone().unwrap_or_default(),
            findings: args.top.map_or(usize::MAX, |top| top as usize),
            quotes: args.samples.map_or(8, usize::from),
        },
        progress: !args.quiet && io::stderr().is_terminal(),
        memory: args.memory_limit.as_deref().map(parse_size).transpose().context("--memory-limit")?.or_else(most_memory),
        scratch: args.temp_dir.clone().unwrap_or_else(std::env::temp_dir),
        ..Options::default()
    };
    let analysis = pipeline::analyze(&options)?;
    write_all(args, &analysis)?;
    if let Some(why) = &analysis.memory_trouble {
        let _ = writeln!(io::stderr(), "analyze: the memory limit may have been passed: {why}; give another place with --temp-dir");
    }
    if args.verbose {
        tell(&analysis);
    }
    if !analysis.understood {
        bail!("nothing in the bundle was understood: see the coverage section of the report, or give the folder that holds the logs");
    }
    Ok(match args.fail_on {
        _ if args.strict && analysis.rule_failed => 2,
        Some(level) if analysis.worst.is_some_and(|worst| worst >= level.into()) => 1,
        _ if args.strict && !analysis.complete => 3,
        _ => 0,
    })
}

/// A writer of one file of the report.
type Writer = fn(&report::Report) -> String;

fn write_all(args: &Args, analysis: &Analysis) -> Result<()> {
    let report = &analysis.report;
    let wanted: [(&Option<PathBuf>, Writer); 5] = [
        (&args.report, report::html),
        (&args.json, report::json),
        (&args.markdown, report::markdown),
        (&args.sarif, report::sarif),
        (&args.junit, report::junit),
    ];
    let mut written: Vec<&Path> = Vec::new();
    for (path, text) in wanted {
        if let Some(path) = path {
            write(path, &text(report))?;
            written.push(path);
        }
    }
    if let Some(dir) = &args.tables {
        write_tables(dir, analysis, args.no_redact)?;
        written.push(dir);
    }
    if args.quiet {
        return Ok(());
    }
    if !written.is_empty() {
        if !written.contains(&Path::new("-")) {
            let files: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
            print(&format!("{}\nWritten: {}\n", report.verdict.headline, files.join(", ")))?;
        }
        return Ok(());
    }
    let colour = match args.color {
        When::Always => true,
        When::Never => false,
        When::Auto => io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    print(&report::terminal(report, colour, terminal_width())).map(|_| ())
}

fn write_tables(dir: &Path, analysis: &Analysis, show_secrets: bool) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
    for name in report::tables::NAMES {
        let path = dir.join(format!("{name}.csv"));
        let file = std::fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        report::tables::write(name, &analysis.report, &analysis.case, show_secrets, io::BufWriter::new(file))?;
    }
    Ok(())
}

/// Readable lines are not much longer than a hundred characters, however wide the window.
fn terminal_width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse::<usize>().ok());
    columns.unwrap_or(100).clamp(40, 120)
}

fn write(path: &Path, text: &str) -> Result<()> {
    if path == Path::new("-") {
        return print(text).map(|_| ());
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}: does its folder exist, and may you write there?", path.display()))
}

fn print(text: &str) -> Result<u8> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(0)
}

fn tell(analysis: &Analysis) {
    let mut err = io::stderr().lock();
    for (phase, time) in &analysis.phases {
        let _ = writeln!(err, "{phase:10} {:8.3} s", time.as_secs_f64());
    }
    let total: f64 = analysis.phases.iter().map(|(_, time)| time.as_secs_f64()).sum();
    let bytes = analysis.report.bundle.bytes as f64 / 1e6;
    let _ = writeln!(err, "{:10} {total:8.3} s, {bytes:.1} MB, {:.0} MB/s", "all", bytes / total.max(1e-9));
    if let Some(peak) = machine::peak() {
        let _ = writeln!(err, "{:10} {:8.1} MB", "peak", peak as f64 / 1e6);
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}
