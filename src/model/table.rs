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
//!     fn rename(&mut self, to: &Remap<'_>) { self.time.rename(to); self.service.rename(to); ... }
//!     fn cells(&self, cell: &mut dyn FnMut(&'static str, Cell)) { cell("time", self.time.cell()); ... }
//! }
//! ```

use crate::model::ids::{SpanId, TemplateId, TraceId};
use crate::model::names::{Renames, Sym};
use crate::model::record::{GcKind, Level, LockRole, MetricKind, Reason, SpanKind, SpanStatus, ThreadState};
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
    /// Gives names and files their numbers in the merged segment.
    fn rename(&mut self, to: &Remap<'_>);
    /// Shows every column with its value.
    fn cells(&self, cell: &mut dyn FnMut(&'static str, Cell));
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
    /// Gives names and files their new numbers.
    fn rename(&mut self, _to: &Remap<'_>) {}
    /// The value for SQL.
    fn cell(self) -> Cell;
}

impl Column for Sym {
    fn rename(&mut self, to: &Remap<'_>) {
        *self = to.names.of(*self);
    }
    fn cell(self) -> Cell {
        Cell::Name(self)
    }
}

impl Column for Evidence {
    fn rename(&mut self, to: &Remap<'_>) {
        self.file = to.files.get(self.file.0 as usize).copied().unwrap_or(self.file);
    }
    fn cell(self) -> Cell {
        Cell::Evidence(self)
    }
}

macro_rules! columns {
    ($($type:ty => |$value:ident| $cell:expr),* $(,)?) => {
        $(impl Column for $type {
            fn cell(self) -> Cell {
                let $value = self;
                $cell
            }
        })*
    };
}

columns! {
    Time => |v| Cell::Time(v),
    TraceId => |v| Cell::Trace(v),
    SpanId => |v| Cell::Span(v),
    TemplateId => |v| Cell::Int(Some(v.0.cast_signed())),
    u64 => |v| Cell::Int(i64::try_from(v).ok()),
    u32 => |v| Cell::Int(Some(v.into())),
    u16 => |v| Cell::Int(Some(v.into())),
    u8 => |v| Cell::Int(Some(v.into())),
    Option<u64> => |v| Cell::Int(v.and_then(|n| i64::try_from(n).ok())),
    Option<i64> => |v| Cell::Int(v),
    Option<u32> => |v| Cell::Int(v.map(i64::from)),
    f64 => |v| Cell::Float(v),
    bool => |v| Cell::Bool(v),
    Level => |v| Cell::Word(v.name()),
    Reason => |v| Cell::Word(v.name()),
    SpanKind => |v| Cell::Word(match v {
        SpanKind::Unspecified => "",
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }),
    SpanStatus => |v| Cell::Word(match v {
        SpanStatus::Unset => "unset",
        SpanStatus::Ok => "ok",
        SpanStatus::Error => "error",
    }),
    MetricKind => |v| Cell::Word(match v {
        MetricKind::Gauge => "gauge",
        MetricKind::Cumulative => "cumulative",
        MetricKind::Delta => "delta",
    }),
    ThreadState => |v| Cell::Word(match v {
        ThreadState::Unknown => "",
        ThreadState::New => "new",
        ThreadState::Runnable => "runnable",
        ThreadState::Blocked => "blocked",
        ThreadState::Waiting => "waiting",
        ThreadState::TimedWaiting => "timed-waiting",
        ThreadState::Terminated => "terminated",
    }),
    LockRole => |v| Cell::Word(match v {
        LockRole::Locked => "locked",
        LockRole::WaitingToLock => "waiting-to-lock",
        LockRole::WaitingOn => "waiting-on",
        LockRole::ParkingFor => "parking-for",
        LockRole::OwnsSynchronizer => "owns-synchronizer",
    }),
    GcKind => |v| Cell::Word(match v {
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
