//! `row!`: declares a row once; the struct, its renaming on merge and its columns for SQL follow.
//!
//! ```ignore
//! row! {
//!     /// A pause.
//!     Pause { time: Time, service: Sym, nanos: u64, evidence: Evidence }
//! }
//! // expands to
//! #[derive(Clone, Copy, Debug, PartialEq, ...)] pub struct Pause { pub time: Time, pub service: Sym, ... }
//! impl Row for Pause {
//!     const COLUMNS: &'static [(&'static str, Kind)] = &[("time", Kind::Time), ("service", Kind::Text), ...];
//!     fn rename(&mut self, to: &Remap<'_>) { self.time.rename(to); self.service.rename(to); ... }
//!     fn cells(&self, cell: &mut dyn FnMut(&'static str, Cell)) { cell("time", self.time.cell()); ... }
//! }
//! ```

use crate::model::ids::{SpanId, TemplateId, TraceId};
use crate::model::jvm::{GcKind, LockRole, ThreadState};
use crate::model::names::{Renames, Sym};
use crate::model::record::{Level, MetricKind, Reason, SpanKind, SpanStatus};
use crate::model::source::{Evidence, FileId};
use crate::model::time::Time;

/// What names and files are called after two segments have merged.
pub struct Remap<'a> {
    /// Names.
    pub names: &'a Renames,
    /// New id of each file of the merged segment.
    pub files: &'a [FileId],
}

/// A row of a table.
pub trait Row: Copy {
    /// Every column with its kind, in the order of `cells`.
    const COLUMNS: &'static [(&'static str, Kind)];
    /// Gives names and files their numbers in the merged segment.
    fn rename(&mut self, to: &Remap<'_>);
    /// Shows every column with its value.
    fn cells(&self, cell: &mut dyn FnMut(&'static str, Cell));
}

/// What a column holds as SQL sees it: known without a row, so that an empty table has columns too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Names and fixed words.
    Text,
    /// Nanoseconds since 1970 or null.
    Time,
    /// Whole numbers or null.
    Int,
    /// Any numbers.
    Float,
    /// True or false.
    Bool,
    /// Ids as hex or null.
    Id,
    /// A byte range: three columns.
    Evidence,
}

/// A value as SQL sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    /// A name.
    Name(Sym),
    /// A fixed word.
    Word(&'static str),
    /// Nanoseconds since 1970, or null.
    Time(Time),
    /// A whole number, or null.
    Int(Option<i64>),
    /// Any number.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// A trace id.
    Trace(TraceId),
    /// A span id.
    Span(SpanId),
    /// A byte range: three columns.
    Evidence(Evidence),
}

/// What may stand in a row.
pub trait Column: Copy {
    /// Its kind for SQL.
    const KIND: Kind;
    /// Gives names and files their new numbers.
    fn rename(&mut self, _to: &Remap<'_>) {}
    /// The value for SQL.
    fn cell(self) -> Cell;
}

impl Column for Sym {
    const KIND: Kind = Kind::Text;
    fn rename(&mut self, to: &Remap<'_>) {
        *self = to.names.of(*self);
    }
    fn cell(self) -> Cell {
        Cell::Name(self)
    }
}

impl Column for Evidence {
    const KIND: Kind = Kind::Evidence;
    fn rename(&mut self, to: &Remap<'_>) {
        self.file = to.files.get(self.file.0 as usize).copied().unwrap_or(self.file);
    }
    fn cell(self) -> Cell {
        Cell::Evidence(self)
    }
}

macro_rules! columns {
    ($($type:ty => $kind:ident |$value:ident| $cell:expr),* $(,)?) => {
        $(impl Column for $type {
            const KIND: Kind = Kind::$kind;
            fn cell(self) -> Cell {
                let $value = self;
                $cell
            }
        })*
    };
}

columns! {
    Time => Time |v| Cell::Time(v),
    TraceId => Id |v| Cell::Trace(v),
    SpanId => Id |v| Cell::Span(v),
    TemplateId => Int |v| Cell::Int(Some(v.0.cast_signed())),
    u64 => Int |v| Cell::Int(i64::try_from(v).ok()),
    u32 => Int |v| Cell::Int(Some(v.into())),
    u16 => Int |v| Cell::Int(Some(v.into())),
    u8 => Int |v| Cell::Int(Some(v.into())),
    Option<u64> => Int |v| Cell::Int(v.and_then(|n| i64::try_from(n).ok())),
    Option<i64> => Int |v| Cell::Int(v),
    Option<u32> => Int |v| Cell::Int(v.map(i64::from)),
    f64 => Float |v| Cell::Float(v),
    bool => Bool |v| Cell::Bool(v),
    Level => Text |v| Cell::Word(v.name()),
    Reason => Text |v| Cell::Word(v.name()),
    SpanKind => Text |v| Cell::Word(match v {
        SpanKind::Unspecified => "",
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }),
    SpanStatus => Text |v| Cell::Word(match v {
        SpanStatus::Unset => "unset",
        SpanStatus::Ok => "ok",
        SpanStatus::Error => "error",
    }),
    MetricKind => Text |v| Cell::Word(match v {
        MetricKind::Gauge => "gauge",
        MetricKind::Cumulative => "cumulative",
        MetricKind::Delta => "delta",
    }),
    ThreadState => Text |v| Cell::Word(match v {
        ThreadState::Unknown => "",
        ThreadState::New => "new",
        ThreadState::Runnable => "runnable",
        ThreadState::Blocked => "blocked",
        ThreadState::Waiting => "waiting",
        ThreadState::TimedWaiting => "timed-waiting",
        ThreadState::Terminated => "terminated",
    }),
    LockRole => Text |v| Cell::Word(match v {
        LockRole::Locked => "locked",
        LockRole::WaitingToLock => "waiting-to-lock",
        LockRole::WaitingOn => "waiting-on",
        LockRole::ParkingFor => "parking-for",
        LockRole::OwnsSynchronizer => "owns-synchronizer",
    }),
    GcKind => Text |v| Cell::Word(match v {
        GcKind::Young => "young",
        GcKind::Mixed => "mixed",
        GcKind::Full => "full",
        GcKind::Phase => "phase",
        GcKind::Concurrent => "concurrent",
        GcKind::Minor => "minor",
        GcKind::Degenerated => "degenerated",
        GcKind::Stall => "stall",
        GcKind::GaveUp => "gave-up",
        GcKind::EvacuationFailure => "evacuation-failure",
        GcKind::Old => "old",
        GcKind::OldRegions => "old-regions",
        GcKind::Live => "live",
        GcKind::Metaspace => "metaspace",
        GcKind::Using => "using",
        GcKind::RegionSize => "region-size",
        GcKind::MaxHeap => "max-heap",
        GcKind::SoftReferencesCleared => "soft-references-cleared",
        GcKind::Safepoint => "safepoint",
    }),
}

macro_rules! row {
    ($(#[$about:meta])* $name:ident { $($(#[$note:meta])* $field:ident : $type:ty),* $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name { $($(#[$note])* pub $field: $type),* }

        impl $crate::model::table::Row for $name {
            const COLUMNS: &'static [(&'static str, $crate::model::table::Kind)] =
                &[$((stringify!($field), <$type as $crate::model::table::Column>::KIND)),*];

            fn rename(&mut self, to: &$crate::model::table::Remap<'_>) {
                $($crate::model::table::Column::rename(&mut self.$field, to);)*
            }
            fn cells(&self, cell: &mut dyn FnMut(&'static str, $crate::model::table::Cell)) {
                $(cell(stringify!($field), $crate::model::table::Column::cell(self.$field));)*
            }
        }
    };
}
pub(crate) use row;
