//! How many log records of a service can be joined with those of others.

use crate::model::record::Level;
use crate::model::source::Evidence;
use crate::model::time::{Time, Window};

/// Records that belong to requests, by whether they name a trace. Counts of segments add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Joinable {
    /// Records of threads that serve requests, or of services that name no threads.
    pub records: Tally,
    /// Records of pools that take work over.
    pub handed_on: Tally,
    /// Errors and worse among both.
    pub errors: Tally,
    /// Whether a thread of these records serves requests by its name.
    pub serves: bool,
    /// From the first to the last.
    pub window: Window,
    /// The first two records without a trace that are errors, else the first of all.
    pub without: [Option<(bool, Time, Evidence)>; 2],
}

/// So many, of which so many name a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All.
    pub all: u64,
    /// Those that name a trace.
    pub traced: u64,
}

impl Tally {
    fn add(&mut self, traced: bool) {
        self.all += 1;
        self.traced += u64::from(traced);
    }

    fn join(&mut self, other: Self) {
        self.all += other.all;
        self.traced += other.traced;
    }

    /// Share of those that name a trace, in percent.
    #[must_use]
    pub fn percent(self) -> f64 {
        100.0 * self.traced as f64 / self.all.max(1) as f64
    }
}

impl Joinable {
    /// Counts a record.
    pub fn add(&mut self, time: Time, level: Level, traced: bool, is_handed_on: bool, evidence: Evidence) {
        if is_handed_on { &mut self.handed_on } else { &mut self.records }.add(traced);
        if level >= Level::Error {
            self.errors.add(traced);
        }
        self.window.add(time);
        if !traced {
            self.keep((level < Level::Error, time, evidence));
        }
    }

    /// Adds the counts of another segment.
    pub fn join(&mut self, other: &Self) {
        self.records.join(other.records);
        self.handed_on.join(other.handed_on);
        self.errors.join(other.errors);
        self.serves |= other.serves;
        self.window.join(other.window);
        other.without.iter().flatten().for_each(|record| self.keep(*record));
    }

    fn keep(&mut self, record: (bool, Time, Evidence)) {
        let mut all = [self.without[0], self.without[1], Some(record)];
        // None after every record.
        all.sort_unstable_by_key(|kept| (kept.is_none(), *kept));
        self.without = [all[0], all[1]];
    }
}
