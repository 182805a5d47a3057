//! What only the HTML report draws: series, waterfalls, Java virtual machines, log patterns. No part of the JSON contract.

use crate::report::Window;

/// Series on one time axis.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Milliseconds since 1970 of the first bucket.
    pub start_ms: i64,
    /// Width of a bucket in milliseconds.
    pub step_ms: i64,
    /// The series, each with as many values as there are buckets.
    pub series: Vec<Series>,
    /// Deployments, restarts, scalings.
    pub marks: Vec<Mark>,
}

/// One series of the time line.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// What: `orders p99`, `errors payments`.
    pub name: String,
    /// Unit.
    pub unit: String,
    /// A value per bucket, none where nothing was measured.
    pub values: Vec<Option<f64>>,
    /// The median beside a high quantile, on the same scale; empty if the series has none.
    pub median: Vec<Option<f64>>,
}

impl Series {
    /// A series without a median beside it.
    #[must_use]
    pub fn new(name: impl Into<String>, unit: impl Into<String>, values: Vec<Option<f64>>) -> Self {
        Self { name: name.into(), unit: unit.into(), values, median: Vec::new() }
    }
}

/// How far apart two values of a series may be and still belong together: half as much again as they usually are.
#[must_use]
pub fn usual_gap(values: &[Option<f64>]) -> usize {
    let places: Vec<usize> = values.iter().enumerate().filter_map(|(at, value)| value.map(|_| at)).collect();
    let mut gaps: Vec<usize> = places.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).map_or(0, |gap| gap + gap / 2)
}

/// Something that happened at one time.
#[derive(Clone, Debug, Default)]
pub struct Mark {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// What.
    pub label: String,
}

/// A trace drawn as bars.
#[derive(Clone, Debug, Default)]
pub struct Waterfall {
    /// Trace id.
    pub trace_id: String,
    /// Findings it illustrates, the first of them first.
    pub findings: Vec<String>,
    /// Why this one: `worst`, `median`, `first failing`.
    pub why: String,
    /// Length in milliseconds.
    pub total_ms: f64,
    /// Bars in drawing order: parents before children.
    pub bars: Vec<Bar>,
    /// Spans that were left out of the drawing.
    pub cut: u64,
}

/// One span, or several alike folded into one.
#[derive(Clone, Debug, Default)]
pub struct Bar {
    /// Depth in the tree.
    pub depth: u32,
    /// Service.
    pub service: String,
    /// Name.
    pub name: String,
    /// Milliseconds after the trace's start.
    pub start_ms: f64,
    /// Milliseconds.
    pub length_ms: f64,
    /// Whether it failed.
    pub failed: bool,
    /// Which attempt of a call it is: 1, 2, ...; 0 if the call was not repeated.
    pub attempt: u32,
    /// Whether it lies on the critical path.
    pub critical: bool,
    /// How many spans this bar stands for.
    pub folded: u64,
    /// Milliseconds after the trace's start of log records of this span, with their levels.
    pub ticks: Vec<(f64, &'static str)>,
}

/// A Java virtual machine.
#[derive(Clone, Debug, Default)]
pub struct Jvm {
    /// Service.
    pub service: String,
    /// Instance.
    pub instance: String,
    /// Collector, if known.
    pub collector: String,
    /// Heap capacity in bytes, if known.
    pub capacity: Option<u64>,
    /// Heap after collections: seconds since the first one, bytes, and whether the collection shows live data only.
    pub heap: Vec<(f64, u64, bool)>,
    /// The floor's trend: seconds and bytes of both ends, if a trend was fitted.
    pub trend: Option<[(f64, f64); 2]>,
    /// The flattest and the steepest line that the floor allows with 95 % confidence, both through the middle of the trend.
    pub band: Option<[[(f64, f64); 2]; 2]>,
    /// Pauses: seconds since the first collection, and milliseconds.
    pub pauses: Vec<(f64, f64)>,
    /// Classes that grow from histogram to histogram.
    pub classes: Vec<ClassGrowth>,
    /// Thread groups of each dump.
    pub dumps: Vec<Dump>,
}

/// A class in the first and last histogram.
#[derive(Clone, Debug, Default)]
pub struct ClassGrowth {
    /// Class.
    pub class: String,
    /// Bytes in each histogram.
    pub bytes: Vec<u64>,
    /// Instances in each histogram.
    pub instances: Vec<u64>,
}

/// A thread dump.
#[derive(Clone, Debug, Default)]
pub struct Dump {
    /// When, or the file it is from.
    pub label: String,
    /// Threads by pool, state and stack, the largest first.
    pub groups: Vec<ThreadGroup>,
    /// Edges of the wait-for graph: waiting thread, lock's class, owner.
    pub waits: Vec<(String, String, String)>,
    /// Cycles among these: thread names.
    pub deadlocks: Vec<Vec<String>>,
}

/// Threads of one pool with one state and stack.
#[derive(Clone, Debug, Default)]
pub struct ThreadGroup {
    /// Pool: the names with numbers masked.
    pub pool: String,
    /// State.
    pub state: String,
    /// How many.
    pub count: u64,
    /// The innermost frames.
    pub frames: Vec<String>,
}

/// A log template.
#[derive(Clone, Debug, Default)]
pub struct Template {
    /// Masked text.
    pub text: String,
    /// Loudest level.
    pub level: String,
    /// How often.
    pub count: u64,
    /// Services.
    pub services: Vec<String>,
    /// First and last time.
    pub window: Option<Window>,
    /// How often in the baseline, scaled to the same length; none without a baseline.
    pub baseline: Option<f64>,
    /// How it is said in the time of the incident and outside of it; none if that is not known.
    pub calm: Option<Calm>,
}

/// A log template in the time of the incident, against the rest of the bundle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Calm {
    /// How often in the time of the incident.
    pub during: u64,
    /// How often it would have been, had it gone on as in the rest of the bundle.
    pub usual: f64,
}

/// An entry of a configuration that a finding has to do with.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// Service, if it is known.
    pub service: String,
    /// Profile or environment, empty if the entry is for all.
    pub profile: String,
    /// Key.
    pub key: String,
    /// Value, as written.
    pub value: String,
    /// File and line.
    pub place: String,
    /// Ids of the findings.
    pub findings: Vec<String>,
}
