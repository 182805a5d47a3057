//! The command line: arguments as typed, and what they mean.

use crate::formats::timestamp;
use crate::model::finding::Severity;
use crate::model::time::{MINUTE, SECOND, Time};
use anyhow::{Result, bail};
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// Reads what is left after an incident and names the fault.
///
/// BUNDLE is a directory, a file or an archive (tar, zip; gzip or zstd inside or out) of logs, traces, thread dumps and
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

    /// A bundle of a calm time, or of another environment, to compare with
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

    /// Exit with 1 if a finding is at least this severe
    #[arg(long, value_name = "LEVEL")]
    pub fail_on: Option<Level>,

    /// Threads; by default one per core
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,

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

/// A point in time as a person gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// A time.
    At(Time),
    /// Nanoseconds of a day of the bundle.
    OfDay(i64),
    /// Nanoseconds before the bundle's end.
    BeforeEnd(i64),
}

impl Moment {
    /// Reads `2026-11-22T10:00:00Z`, `2026-11-22`, `10:05`, `10:05:30`, `-15m`, `-2h`.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn parse(text: &str, zone: i32) -> Result<Self> {
        let whole = |stamp: String| timestamp::iso(stamp.as_bytes(), zone).filter(|(_, used)| *used == stamp.len()).map(|(time, _)| time);
        if let Some(back) = text.strip_prefix('-') {
            let unit = back.find(|c: char| !c.is_ascii_digit()).unwrap_or(back.len());
            let scale = match &back[unit..] {
                "s" => SECOND,
                "m" => MINUTE,
                "h" => 60 * MINUTE,
                "d" => 24 * 60 * MINUTE,
                _ => bail!("{text:?} is no time span: write -30s, -15m, -2h or -1d"),
            };
            if let Ok(count) = back[..unit].parse::<i64>() {
                return Ok(Self::BeforeEnd(count.saturating_mul(scale)));
            }
        }
        if let Some(time) = whole(text.to_owned()).or_else(|| whole(format!("{text}T00:00:00"))).or_else(|| whole(format!("{text}:00"))) {
            return Ok(Self::At(time));
        }
        let clock = if text.len() == 5 { format!("{text}:00") } else { text.to_owned() };
        if let Some((seconds, nanos, used)) = timestamp::clock(clock.as_bytes())
            && used == clock.len()
        {
            return Ok(Self::OfDay((seconds - i64::from(zone)) * SECOND + nanos));
        }
        bail!("{text:?} is no time: write 2026-11-22T10:00:00Z, 2026-11-22, 10:05, or -15m for fifteen minutes before the bundle's end")
    }

    /// The time meant in a bundle that ends at `end`; a time of day is the last such time before the end's day is over.
    #[must_use]
    pub const fn resolve(self, end: Time) -> Time {
        const DAY: i64 = 24 * 60 * MINUTE;
        match self {
            Self::At(time) => time,
            Self::OfDay(nanos) => Time(end.0.div_euclid(DAY) * DAY + nanos),
            Self::BeforeEnd(nanos) => end.plus(-nanos),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_as_people_write_them() -> Result<()> {
        let end = Time(1_795_376_167_000_000_000); // 2026-11-22T19:36:07Z
        for (text, want) in [
            ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
            ("2026-11-22 10:00", "2026-11-22T10:00:00Z"),
            ("2026-11-21", "2026-11-21T00:00:00Z"),
            ("10:05", "2026-11-22T10:05:00Z"),
            ("10:05:30", "2026-11-22T10:05:30Z"),
            ("-15m", "2026-11-22T19:21:07Z"),
        ] {
            assert_eq!(Moment::parse(text, 0)?.resolve(end).rfc3339(), want, "{text}");
        }
        for text in ["yesterday", "-5x", "25:00", ""] {
            assert!(Moment::parse(text, 0).is_err(), "{text}");
        }
        Ok(())
    }

    #[test]
    fn arguments_are_consistent() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
