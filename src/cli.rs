//! The command line: arguments as typed.

use crate::model::finding::Severity;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// Reads what is left after an incident and names the fault.
///
/// BUNDLE is a directory, a file or an archive (tar, zip; gzip, zstd, bzip2, xz or lz4 inside or out) of logs, traces, thread dumps and
/// GC logs; several are read as one incident. Nothing is unpacked to disk, nothing leaves the machine.
/// Without an output option a summary goes to the terminal.
#[derive(Parser, Debug)]
#[command(name = "analyze", version, max_term_width = 120, args_conflicts_with_subcommands = true, styles = STYLES)]
#[command(
    after_help = "Exit status: 0 analysed; 1 a finding at or above --fail-on; 2 nothing could be analysed, or wrong usage; 3 with --strict, some input was not understood."
)]
pub struct Args {
    /// Without a bundle: something about the tool itself.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// What to analyse. One named like a subcommand is given as ./rules
    #[arg(value_name = "BUNDLE")]
    pub bundles: Vec<PathBuf>,

    /// Write the report as one self-contained HTML page (- for stdout)
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,

    /// Write the result as JSON (- for stdout); see `analyze schema`
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Write a postmortem draft as Markdown (- for stdout)
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,

    /// Write the findings as SARIF 2.1.0, for editors and code-review tools (- for stdout)
    #[arg(long, value_name = "FILE")]
    pub sarif: Option<PathBuf>,

    /// Write the rules as JUnit test cases, for pipelines (- for stdout)
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,

    /// Write findings and every kept row as CSV files into DIR
    #[arg(long, value_name = "DIR")]
    pub tables: Option<PathBuf>,

    /// Title of the report; by default the bundle's name
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,

    /// Tell at most N findings in full
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub top: Option<u32>,

    /// Quote at most N records of each finding
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    pub samples: Option<u8>,

    /// A bundle of a calm time, or of another environment, to compare with; without it a bundle that holds both prod/ and
    /// staging/ is split
    #[arg(long, value_name = "BUNDLE")]
    pub baseline: Option<PathBuf>,

    /// A directory of rule and signal files that add to the built-in ones or replace them by id
    #[arg(long, value_name = "DIR")]
    pub rules: Vec<PathBuf>,

    /// Leave out records before T: RFC 3339, a date, a time of the bundle's day, or -15m before the bundle's end
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub since: Option<String>,

    /// Leave out records after T
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub until: Option<String>,

    /// Report only findings that involve this service
    #[arg(long, value_name = "NAME")]
    pub service: Vec<String>,

    /// Zone of times that name none: +02:00, UTC, Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC", allow_hyphen_values = true)]
    pub tz: String,

    /// Read the files whose path matches GLOB as FORMAT, whatever they look like: text-log=*.out
    #[arg(long = "as", value_name = "FORMAT=GLOB")]
    pub formats: Vec<String>,

    /// Exit with 1 if a finding is at least this severe
    #[arg(long, value_name = "LEVEL")]
    pub fail_on: Option<Level>,

    /// Threads; by default one per core
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,

    /// Memory that may be used, such as 1500M; rows beyond it are kept in unnamed files. By default 60 % of the machine's
    #[arg(long, value_name = "SIZE")]
    pub memory_limit: Option<String>,

    /// Where these files lie; by default where the system keeps temporary files
    #[arg(long, value_name = "DIR")]
    pub temp_dir: Option<PathBuf>,

    /// Show card numbers, tokens, passwords and e-mail addresses as they are
    #[arg(long)]
    pub no_redact: bool,

    /// Exit with 3 if any input was not understood, and with 2 if a rule failed
    #[arg(long)]
    pub strict: bool,

    /// Colour on the terminal
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: When,

    /// No summary and no progress
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Times, rates and memory on stderr
    #[arg(long, short)]
    pub verbose: bool,
}

const STYLES: Styles =
    Styles::styled().header(AnsiColor::Green.on_default().bold()).usage(AnsiColor::Green.on_default().bold()).literal(AnsiColor::Cyan.on_default());

/// About the tool itself.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List every rule: id, scenario, severity, needs
    Rules {
        /// A directory of further rule files
        #[arg(long, value_name = "DIR")]
        rules: Vec<PathBuf>,
    },
    /// Explain a rule: what it finds and how, its limits, look-alikes, remedy
    Explain {
        /// The rule's id
        rule: String,
        /// A directory of further rule files
        #[arg(long, value_name = "DIR")]
        rules: Vec<PathBuf>,
    },
    /// Show how a bundle is read: what each file was taken for and why, or every record
    Inspect {
        /// What to read
        #[arg(value_name = "BUNDLE", required = true)]
        bundles: Vec<PathBuf>,
        /// Print every record as one line of JSON
        #[arg(long)]
        records: bool,
        /// Read the files whose path matches GLOB as FORMAT, whatever they look like
        #[arg(long = "as", value_name = "FORMAT=GLOB")]
        formats: Vec<String>,
        /// Zone of times that name none: +02:00, UTC, Europe/Berlin
        #[arg(long, value_name = "ZONE", default_value = "UTC", allow_hyphen_values = true)]
        tz: String,
        /// Show card numbers, tokens, passwords and e-mail addresses as they are
        #[arg(long)]
        no_redact: bool,
    },
    /// Print the JSON Schema of --json
    Schema,
    /// Print a completion script
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// When to use colour.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Yes
    Always,
    /// No
    Never,
}

/// A severity.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Context
    Info,
    /// A risk without impact
    Low,
    /// Degraded
    Medium,
    /// Users fail
    High,
    /// Money, data, most users
    Critical,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Info => Self::Info,
            Level::Low => Self::Low,
            Level::Medium => Self::Medium,
            Level::High => Self::High,
            Level::Critical => Self::Critical,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn arguments_are_consistent() {
        Args::command().debug_assert();
    }
}
