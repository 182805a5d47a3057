//! The four phases, one after the other: ingest, gather, detect, conclude. The only folder that sees all others.

pub mod filter;
pub mod ingest;
pub mod inspect;
pub mod memory;
pub mod moment;
pub mod progress;
pub mod sides;
pub mod zone;

use crate::bundle::{Bundle, Limits};
use crate::correlate::intake::Listening;
use crate::correlate::{Case, gather, undated};
use crate::findings::conclude;
use crate::model::finding::{Outcome, Severity};
use crate::model::rule::RuleSet;
use crate::model::tables::Tables;
use crate::report::{self, Report, Show, assemble};
use crate::rules::{self, Scope};
use anyhow::{Context, Result, ensure};
use ingest::{AskedFormat, Reading};
use memory::Memory;
use moment::Moment;
use progress::Progress;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use zone::Zone;

/// What is to be analysed, and how.
#[derive(Debug, Default)]
pub struct Options {
    /// Directories, files, archives of one incident.
    pub bundles: Vec<PathBuf>,
    /// A calm time or another environment.
    pub baseline: Option<PathBuf>,
    /// Directories of further rules.
    pub rules: Vec<PathBuf>,
    /// Records before are left out.
    pub since: Option<Moment>,
    /// Records after are left out.
    pub until: Option<Moment>,
    /// Only findings that involve one of these; all if empty.
    pub services: Vec<String>,
    /// Zone of times that name none.
    pub zone: Zone,
    /// Limits of expansion.
    pub limits: Limits,
    /// How many bytes of memory may be used; as many as there are if none.
    pub memory: Option<u64>,
    /// Where rows are kept that do not fit.
    pub scratch: PathBuf,
    /// Formats that were asked for.
    pub formats: Vec<AskedFormat>,
    /// Show secrets.
    pub no_redact: bool,
    /// What outputs for people show.
    pub show: Show,
    /// Show progress on stderr.
    pub progress: bool,
}

impl Options {
    fn memory(&self) -> Memory {
        Memory::new(self.memory, &self.scratch)
    }

    fn reading<'a>(&'a self, bundle: &'a Bundle, listening: &'a Listening, progress: &'a Progress, memory: &'a Memory) -> Reading<'a> {
        Reading { listening, limits: self.limits, zone: self.zone.clone(), bundle, formats: &self.formats, progress, memory }
    }
}

/// The result, and what the exit status needs.
#[derive(Debug)]
pub struct Analysis {
    /// For the writers; redacted unless that was switched off.
    pub report: Report,
    /// What was read and derived, for the tables; not redacted.
    pub case: Case,
    /// The worst severity of a finding.
    pub worst: Option<Severity>,
    /// Whether anything at all was understood.
    pub understood: bool,
    /// Whether everything was.
    pub complete: bool,
    /// Whether a rule broke.
    pub rule_failed: bool,
    /// Why more memory may have been used than was allowed, if so.
    pub memory_trouble: Option<String>,
    /// How long each phase took.
    pub phases: Vec<(&'static str, Duration)>,
}

/// Analyses a bundle.
///
/// # Errors
/// If a path cannot be read, a rule file is wrong, or the asked time is not the bundle's. What cannot be understood inside a bundle is no error.
pub fn analyze(options: &Options) -> Result<Analysis> {
    let mut clock = Clock::new();
    let rules = rules::load::load(&options.rules)?;
    let progress = Progress::new(options.progress);
    let bundle = Bundle::open(&options.bundles)?;
    let listening = Listening::new(&rules);
    let memory = options.memory();
    let watch = memory.watch();
    clock.lap("prepare");
    let (tables, mut calm) = read(&bundle, options, &listening, &progress, &memory)?;
    clock.lap("ingest");
    let case = gather::gather(tables);
    if let Some(path) = &options.baseline {
        let bundle = Bundle::open(std::slice::from_ref(path)).context("the baseline")?;
        calm = Some(ingest::ingest(&options.reading(&bundle, &listening, &progress, &memory)));
    }
    let baseline = calm.map(|mut tables| {
        undated::settle(&mut tables);
        gather::gather(tables)
    });
    clock.lap("gather");
    progress.step("detecting");
    let scope = Scope { case: &case, baseline: baseline.as_ref() };
    let mut outcomes = rules::run(&rules, &scope);
    if let Some(baseline) = &baseline {
        let calm = rules::run(&rules, &Scope { case: baseline, baseline: None });
        rules::usual::discount(&mut outcomes, &calm, &rules);
    }
    filter::keep_services(&mut outcomes, &options.services);
    clock.lap("detect");
    let diagnosis = conclude(&outcomes, &rules, &case, baseline.as_ref());
    progress.step("quoting");
    let mut report = assemble::assemble(&assemble::Parts {
        bundle: &bundle,
        limits: &options.limits,
        rules: &rules,
        case: &case,
        baseline: baseline.as_ref(),
        outcomes: &outcomes,
        diagnosis: &diagnosis,
        show: &options.show,
    });
    if options.no_redact {
        report::redact::clean(&mut report);
    } else {
        report::redact::redact(&mut report);
    }
    drop(watch);
    clock.lap("conclude");
    progress.finish();
    Ok(Analysis {
        worst: diagnosis.findings.iter().map(|judged| judged.finding.severity).max(),
        understood: case.tables.files.iter().any(|file| file.records > 0),
        complete: case.tables.quarantine.is_empty() && case.tables.files.iter().all(|file| file.trouble.is_none()),
        rule_failed: outcomes.values().any(|outcome| matches!(outcome, Outcome::Failed { .. })),
        memory_trouble: memory.trouble(),
        phases: clock.laps,
        report,
        case,
    })
}

/// The tables of the bundle, and those of a baseline that lies within it.
fn read(bundle: &Bundle, options: &Options, listening: &Listening, progress: &Progress, memory: &Memory) -> Result<(Tables, Option<Tables>)> {
    let paths = || options.bundles.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    ensure!(!bundle.members.is_empty(), "there is no file in {}: give a directory that holds logs, traces or dumps, or an archive of them", paths());
    progress.stage("reading", bundle.members.iter().map(|member| member.bytes).sum(), bundle.members.len());
    let reading = options.reading(bundle, listening, progress, memory);
    let (mut tables, calm) = match options.baseline {
        Some(_) => (ingest::ingest(&reading), None),
        None => ingest::ingest_sides(&reading),
    };
    undated::settle(&mut tables);
    filter::keep_window(&mut tables, options.since, options.until, &options.zone)?;
    Ok((tables, calm))
}

/// What a rule set is made of without a bundle: for `analyze rules` and `analyze explain`.
///
/// # Errors
/// If a rule file is wrong.
pub fn rule_set(dirs: &[PathBuf]) -> Result<RuleSet> {
    rules::load::load(dirs)
}

/// A case as rules see it, without running them: for benchmarks and tests of single phases.
///
/// # Errors
/// As [`analyze`].
pub fn gather_only(options: &Options) -> Result<Case> {
    let rules = rules::load::load(&options.rules)?;
    let bundle = Bundle::open(&options.bundles)?;
    Ok(gather::gather(read(&bundle, options, &Listening::new(&rules), &Progress::new(false), &options.memory())?.0))
}

struct Clock {
    last: Instant,
    laps: Vec<(&'static str, Duration)>,
}

impl Clock {
    fn new() -> Self {
        Self { last: Instant::now(), laps: Vec::new() }
    }

    fn lap(&mut self, phase: &'static str) {
        let now = Instant::now();
        self.laps.push((phase, now - self.last));
        self.last = now;
    }
}
