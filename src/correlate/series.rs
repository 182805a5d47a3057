//! Time cut into buckets, and the moment at which a series of buckets leaves its usual level.
//!
//! What this file does not do: hold the series. They stand with what they measure, in `graph.rs` and `chain.rs`.

use crate::model::tables::Tables;
use crate::model::time::{MINUTE, SECOND, Time, Window};
use std::collections::BTreeMap;

/// Widths a bucket may have, in seconds.
const WIDTHS: [i64; 11] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 900, 3600];

/// How many buckets fill a window at most, as long as they are no wider than an hour.
const BUCKETS: i64 = 240;

/// 2000-01-01: earlier times come from clocks that were never set.
const MILLENNIUM: i64 = 946_684_800 * SECOND;

/// Nanoseconds from the middle of all records beyond which a time is not believed.
const FAR: i64 = 30 * 24 * 60 * MINUTE;

/// Buckets that both sides of a change need, and calls.
const LEAST_BUCKETS: usize = 5;
const LEAST_CALLS: u64 = 30;

/// The smallest width in nanoseconds that fills the window with at most 240 buckets.
#[must_use]
pub fn bucket_width(window: Window) -> i64 {
    let fits = |width: &i64| window.nanos() <= BUCKETS * width * SECOND;
    WIDTHS.into_iter().find(fits).unwrap_or(WIDTHS[WIDTHS.len() - 1]) * SECOND
}

/// From the first to the last plausible time of all rows: years before 2000, times more than thirty days from the median
/// and the outermost thousandth of the records do not count.
#[must_use]
pub fn plausible_window(tables: &Tables) -> Window {
    let mut minutes: BTreeMap<i64, u64> = BTreeMap::new();
    let mut note = |time: Time, count: u64| {
        if time.is_some() && time.0 >= MILLENNIUM {
            *minutes.entry(time.minute()).or_default() += count;
        }
    };
    tables.spans.iter().for_each(|row| note(row.start, 1));
    tables.metrics.iter().for_each(|row| note(row.time, 1));
    tables.dumps.iter().for_each(|row| note(row.time, 1));
    tables.histograms.iter().for_each(|row| note(row.time, 1));
    tables.gc.iter().for_each(|row| note(row.time, 1));
    if tables.log_counts.is_empty() {
        tables.logs.iter().for_each(|row| note(row.time, 1));
    }
    tables.log_counts.iter().for_each(|(&(_, minute), count)| note(Time(minute.saturating_mul(MINUTE)), count.records));
    let Some(middle) = minute_at(&minutes, 500) else { return Window::default() };
    minutes.retain(|minute, _| minute.abs_diff(middle) <= (FAR / MINUTE).cast_unsigned());
    let (Some(first), Some(last)) = (minute_at(&minutes, 1), minute_at(&minutes, 999)) else { return Window::default() };
    let bounds = Window::of(Time(first.saturating_mul(MINUTE)), Time(last.saturating_add(1).saturating_mul(MINUTE) - 1));
    refined(tables, bounds)
}

/// The minutes' window narrowed to the records' own times.
fn refined(tables: &Tables, bounds: Window) -> Window {
    let mut window = Window::default();
    let mut note = |time: Time| {
        if bounds.holds(time) {
            window.add(time);
        }
    };
    // Records that are counted but not kept are known to `tables.window` only.
    note(tables.window.start);
    note(tables.window.end);
    tables.spans.iter().for_each(|row| {
        note(row.start);
        note(row.end());
    });
    tables.logs.iter().for_each(|row| note(row.time));
    tables.metrics.iter().for_each(|row| note(row.time));
    tables.dumps.iter().for_each(|row| note(row.time));
    tables.histograms.iter().for_each(|row| note(row.time));
    tables.gc.iter().for_each(|row| note(row.time));
    if window.start.is_none() { bounds } else { window }
}

fn minute_at(minutes: &BTreeMap<i64, u64>, thousandths: u64) -> Option<i64> {
    let all: u64 = minutes.values().sum();
    let rank = all.saturating_mul(thousandths).div_ceil(1000).max(1);
    let mut seen = 0;
    minutes.iter().find_map(|(minute, count)| {
        seen += count;
        (seen >= rank).then_some(*minute)
    })
}

/// A bucket's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The bucket's number: its start divided by its width.
    pub bucket: i64,
    /// How many samples it stands for.
    pub samples: u64,
    /// The value.
    pub value: f64,
}

/// What counts as a change.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Least ratio of the level during to the level outside; zero if the values are ratios themselves.
    pub ratio: f64,
    /// Least difference of the two.
    pub delta: f64,
    /// Least difference in robust standard deviations.
    pub score: f64,
}

/// An episode in which a series stood above its usual level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Number of its first bucket.
    pub first: i64,
    /// Number of its last bucket.
    pub last: i64,
    /// Median outside.
    pub usual: f64,
    /// Median inside.
    pub during: f64,
    /// Their difference in robust standard deviations of the outside.
    pub score: f64,
}

/// The strongest episode above the usual level, wherever it lies: a step up at some moment is an episode that lasts to the
/// end. The usual level is the lower quartile, so an episode may fill up to three quarters of the series.
///
/// It is found as the run of buckets with the greatest sum of excess over half way to the least level that would count;
/// every bucket's share is bounded, so that one spike does not outweigh many calm buckets. It is then held against the
/// limits with both sides' medians.
#[must_use]
pub fn change_point(points: &[Point], limits: Limits) -> Option<Change> {
    let mut values: Vec<f64> = points.iter().map(|point| point.value).collect();
    if points.len() < 2 * LEAST_BUCKETS || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let usual = *values.get(values.len() / 4)?;
    let half = ((usual * limits.ratio).max(usual + limits.delta) - usual) / 2.0;
    let (from, to) = heaviest_run(points.iter().map(|point| ((point.value - usual - half) / half.max(f64::MIN_POSITIVE)).clamp(-1.0, 1.0)))?;
    let inside = points.get(from..=to)?;
    let outside: Vec<Point> = points.iter().take(from).chain(points.iter().skip(to + 1)).copied().collect();
    let samples = |side: &[Point]| side.iter().map(|point| point.samples).sum::<u64>();
    if inside.len().min(outside.len()) < LEAST_BUCKETS || samples(inside).min(samples(&outside)) < LEAST_CALLS {
        return None;
    }
    let (during, usual) = (median(inside.iter().map(|point| point.value))?, median(outside.iter().map(|point| point.value))?);
    let spread = median(outside.iter().map(|point| (point.value - usual).abs()))?;
    let score = (during - usual) / (1.4826 * spread + 0.05 * usual + limits.delta * 0.01 + f64::MIN_POSITIVE);
    let found = Change { first: inside.first()?.bucket, last: inside.last()?.bucket, usual, during, score };
    (during - usual >= limits.delta && during >= limits.ratio * usual && score >= limits.score).then_some(found)
}

/// First and last index of the run with the greatest positive sum; of equal runs the first.
pub fn heaviest_run(weights: impl Iterator<Item = f64>) -> Option<(usize, usize)> {
    let (mut best, mut run) = (None, (0.0_f64, 0));
    let mut most = 0.0;
    for (at, weight) in weights.enumerate() {
        if run.0 <= 0.0 {
            run = (0.0, at);
        }
        run.0 += weight;
        if run.0 > most {
            most = run.0;
            best = Some((run.1, at));
        }
    }
    best
}

/// The median, the lower of two in the middle.
pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// By how much to widen buckets so that each holds about `want` samples, but at least forty remain: an episode of an eighth
/// of the time must fill five. The answer divides the bucket numbers.
#[must_use]
pub fn widening(samples: impl Iterator<Item = (i64, u64)>, want: u64) -> i64 {
    let (mut buckets, mut all, mut ends) = (0_u64, 0_u64, None);
    for (bucket, count) in samples {
        buckets += 1;
        all += count;
        ends = Some(ends.map_or((bucket, bucket), |(first, last): (i64, i64)| (first.min(bucket), last.max(bucket))));
    }
    let Some((first, last)) = ends else { return 1 };
    let mean = all / buckets.max(1);
    let needed = i64::try_from(want.div_ceil(mean.max(1))).unwrap_or(i64::MAX);
    let room = ((last - first + 1) / (8 * LEAST_BUCKETS as i64)).max(1);
    needed.clamp(1, room)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATENCY: Limits = Limits { ratio: 1.5, delta: 10.0, score: 4.0 };

    fn points(values: &[f64]) -> Vec<Point> {
        values.iter().enumerate().map(|(n, &value)| Point { bucket: n as i64, samples: 20, value }).collect()
    }

    #[test]
    fn the_smallest_width_that_fits() {
        let width = |seconds: i64| bucket_width(Window::of(Time(0), Time(seconds * SECOND))) / SECOND;
        assert_eq!((width(0), width(120), width(241), width(3600), width(86_400), width(86_400 * 90)), (1, 1, 2, 15, 900, 3600));
    }

    #[test]
    fn a_calm_series_has_no_change() {
        let calm: Vec<f64> = (0..60).map(|n| 100.0 + f64::from(n * 7 % 13)).collect();
        assert_eq!(change_point(&points(&calm), LATENCY), None);
        let spikes: Vec<f64> = (0..60).map(|n| if n % 10 == 3 { 900.0 } else { 100.0 }).collect();
        assert_eq!(change_point(&points(&spikes), LATENCY), None, "single spikes are no episode");
    }

    #[test]
    fn a_step_lasts_to_the_end() {
        let step: Vec<f64> = (0..40).map(|n| if n < 15 { 100.0 + f64::from(n % 3) } else { 2000.0 + f64::from(n % 5) }).collect();
        let change = change_point(&points(&step), LATENCY).unwrap();
        assert_eq!((change.first, change.last), (15, 39));
    }

    #[test]
    fn an_episode_in_the_middle_ends() {
        let middle: Vec<f64> = (0..50).map(|n| if (20..30).contains(&n) { 2000.0 } else { 100.0 + f64::from(n % 4) }).collect();
        let change = change_point(&points(&middle), LATENCY).unwrap();
        assert_eq!((change.first, change.last), (20, 29));
    }

    #[test]
    fn buckets_widen_until_they_hold_enough() {
        assert_eq!(widening((0..200).map(|n| (n, 5)), 20), 4);
        assert_eq!(widening((0..100).map(|n| (n, 1)), 20), 2, "forty remain");
        assert_eq!(widening((0..100).map(|n| (n, 50)), 20), 1);
    }

    #[test]
    fn a_broken_clock_does_not_stretch_the_window() {
        let mut tables = Tables::default();
        let base = 1_700_000_000 * SECOND;
        let gc = |seconds: i64| crate::model::jvm::Gc {
            time: Time(base + seconds * SECOND),
            uptime: None,
            service: crate::model::names::Sym::NONE,
            instance: crate::model::names::Sym::NONE,
            id: None,
            kind: crate::model::jvm::GcKind::Young,
            cause: crate::model::names::Sym::NONE,
            before: None,
            after: None,
            capacity: None,
            nanos: 0,
            others: 0,
            others_nanos: 0,
            others_since: 0,
            evidence: crate::model::source::Evidence::default(),
        };
        tables.gc = (0..100).map(gc).collect();
        tables.gc.push(gc(-1_600_000_000));
        tables.gc.push(gc(86_400 * 400));
        assert_eq!(plausible_window(&tables), Window::of(Time(base), Time(base + 99 * SECOND)));
    }
}
