//! What is known of scheduled work: that it began, ended, was left to another instance, or touched something.

use crate::model::ids::TraceId;
use crate::model::names::Sym;
use crate::model::source::Evidence;
use crate::model::table::{Cell, Column, Kind, row};
use crate::model::time::Time;

/// What a record says of a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Mark {
    /// It began.
    Began,
    /// It ended.
    Ended,
    /// This instance left it to another one.
    Skipped,
    /// It did something; the key says to what.
    Touched,
}

impl Column for Mark {
    const KIND: Kind = Kind::Text;
    fn cell(self) -> Cell {
        Cell::Word(match self {
            Self::Began => "began",
            Self::Ended => "ended",
            Self::Skipped => "skipped",
            Self::Touched => "touched",
        })
    }
}

row! {
    /// A record of a scheduled job.
    JobMark {
        /// When.
        time: Time,
        /// Trace.
        trace: TraceId,
        /// Service.
        service: Sym,
        /// Instance.
        instance: Sym,
        /// The job's name; empty if the record does not say it.
        job: Sym,
        /// What the record says.
        mark: Mark,
        /// What it names: the business key it touched, or the parameter it began with. `invoice=INV-7`, `shard=0`.
        key: Sym,
        /// Class that logs it, or the span's name.
        source: Sym,
        /// Where.
        evidence: Evidence,
    }
}
