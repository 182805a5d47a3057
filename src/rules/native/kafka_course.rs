//! The course of a backlog: since when it grows, how fast records come and are read, how old the oldest unread one is.
//!
//! Shared by the rules about lag. What this file does not do: judge.

use crate::correlate::Case;
use crate::correlate::lag::{Backlog, Reading, Snapshot};
use crate::model::finding::{Finding, Subject};
use crate::model::time::{Time, Window};
use crate::model::trend;
use crate::rules::native::kafka_groups::Readers;

/// A backlog up to so many times its least is as small as it ever was; or one up to this share of the way to the last.
const SMALL: (f64, f64) = (1.5, 0.05);
/// A rise is followed back to where it was this share of the way.
const BEGUN: f64 = 0.002;
/// A wave reaches this share of the greatest backlog and falls to this.
const WAVE: (f64, f64) = (0.3, 0.1);
/// Below this share of the greatest a backlog has been worked off for the most part; below the other it is on its way if it falls.
const DRAINED: (f64, f64) = (0.5, 0.95);
/// Offsets that go back by more than this share were set back; a last record that was fetched again is less.
const BACK: f64 = 0.01;

/// How a backlog went from its first to its last snapshot.
pub struct Course {
    pub snapshots: Vec<Snapshot>,
    /// The last snapshot at which the backlog was as small as it ever was.
    pub onset: usize,
    /// The greatest backlog.
    pub most: f64,
    /// Whether the offset read went back: somebody reads again from an earlier place.
    pub rewound: bool,
    /// Whether the end of the log went back: the topic was created anew.
    pub renewed: bool,
}

impl Course {
    /// None without two snapshots.
    pub fn of(backlog: &Backlog<'_>) -> Option<Self> {
        let snapshots = backlog.snapshots();
        let last = snapshots.last().filter(|_| snapshots.len() >= 2)?.lag;
        let least = snapshots.iter().map(|snapshot| snapshot.lag).fold(f64::INFINITY, f64::min);
        let most = snapshots.iter().map(|snapshot| snapshot.lag).fold(0.0, f64::max);
        let low = (SMALL.0 * least).max(least + SMALL.1 * (last - least));
        let mut onset = snapshots.iter().rposition(|snapshot| snapshot.lag <= low).unwrap_or(0);
        // It had begun to rise before it was more than little.
        let begun = least + BEGUN * (last - least);
        let lag_at = |at: usize| snapshots.get(at).map_or(0.0, |snapshot| snapshot.lag);
        while onset > 0 && lag_at(onset) > begun && lag_at(onset - 1) < lag_at(onset) {
            onset -= 1;
        }
        let falls = |of: fn(&Snapshot) -> Option<f64>| {
            snapshots.windows(2).any(|pair| of(&pair[0]).zip(of(&pair[1])).is_some_and(|(before, after)| after < before - BACK * before.abs()))
        };
        Some(Self { rewound: falls(|s| s.current), renewed: falls(|s| s.end), onset, most, snapshots })
    }

    /// From the onset on.
    pub fn rise(&self) -> &[Snapshot] {
        self.snapshots.get(self.onset..).unwrap_or_default()
    }

    pub fn last(&self) -> f64 {
        self.snapshots.last().map_or(0.0, |last| last.lag)
    }

    pub fn start(&self) -> f64 {
        self.rise().first().map_or(0.0, |first| first.lag)
    }

    /// Seconds, or snapshots if no times are known, of the rise.
    pub fn length(&self) -> f64 {
        self.rise().first().zip(self.rise().last()).map_or(0.0, |(first, last)| last.at - first.at)
    }

    pub fn is_timed(&self) -> bool {
        self.snapshots.first().is_some_and(|first| first.time.is_some())
    }

    /// Records per second (or snapshot) by which the backlog grows.
    pub fn slope(&self) -> f64 {
        let points: Vec<(f64, f64)> = self.rise().iter().map(|snapshot| (snapshot.at, snapshot.lag)).collect();
        trend::slope(&points).unwrap_or(0.0)
    }

    /// Whether it rises throughout: nearly every snapshot above those before it; of three or four every one.
    pub fn rises(&self, tau: f64) -> bool {
        let lags: Vec<f64> = self.rise().iter().map(|snapshot| snapshot.lag).collect();
        match lags.len() {
            0..=2 => false,
            3 | 4 => lags.windows(2).all(|pair| pair[1] > pair[0]),
            _ => trend::mann_kendall(&lags).tau >= tau,
        }
    }

    /// Records that come in and that are read per second of the rise.
    pub fn rates(&self) -> Option<(f64, f64)> {
        let (first, last) = (self.rise().first()?, self.rise().last()?);
        let seconds = Some(last.at - first.at).filter(|seconds| *seconds > 0.0)?;
        Some(((last.end? - first.end?) / seconds, (last.current? - first.current?) / seconds))
    }

    /// Records that came in per second before the rise.
    pub fn rate_before(&self) -> Option<f64> {
        let (first, last) = (self.snapshots.first()?, self.rise().first()?);
        let seconds = Some(last.at - first.at).filter(|seconds| *seconds > 0.0)?;
        Some((last.end? - first.end?) / seconds)
    }

    /// Seconds since the oldest unread record was written, and whether it may be more.
    pub fn age(&self) -> Option<(f64, bool)> {
        let last = self.snapshots.last()?;
        let read = last.current?;
        let before = self.snapshots.iter().rposition(|snapshot| snapshot.end.is_some_and(|end| end <= read));
        let Some(before) = before else {
            let (produced, _) = self.rates()?;
            return (produced > 0.0).then(|| (last.lag / produced, true));
        };
        let (a, b) = (self.snapshots.get(before)?, self.snapshots.get(before + 1));
        let share = b
            .and_then(|b| Some(((read - a.end?) / (b.end? - a.end?).max(f64::MIN_POSITIVE), b.at)))
            .map_or(a.at, |(share, at)| a.at + share.clamp(0.0, 1.0) * (at - a.at));
        Some((last.at - share, false))
    }

    /// Peaks that were worked off before the rise.
    pub fn waves(&self) -> Vec<f64> {
        let (mut peaks, mut peak) = (Vec::new(), 0.0_f64);
        for snapshot in self.snapshots.get(..=self.onset).unwrap_or_default() {
            peak = peak.max(snapshot.lag);
            if peak >= WAVE.0 * self.most && snapshot.lag <= WAVE.1 * self.most {
                peaks.push(peak);
                peak = 0.0;
            }
        }
        peaks
    }

    /// Whether it is being worked off: well below its peak, and less from snapshot to snapshot at the end.
    pub fn drains(&self) -> bool {
        let tail = self.snapshots.get(self.snapshots.len() * 2 / 3..).unwrap_or_default();
        let points: Vec<(f64, f64)> = tail.iter().map(|snapshot| (snapshot.at, snapshot.lag)).collect();
        self.last() <= DRAINED.0 * self.most || self.last() <= DRAINED.1 * self.most && trend::slope(&points).is_some_and(|slope| slope < 0.0)
    }

    pub fn window(&self) -> Window {
        let mut window = Window::default();
        self.rise().first().into_iter().chain(self.rise().last()).for_each(|snapshot| window.add(snapshot.time));
        window
    }
}

/// Whether nobody reads any partition now; none if members are not told.
pub fn is_deserted(backlog: &Backlog<'_>) -> Option<bool> {
    let last: Vec<&Reading<'_>> = backlog.partitions.values().filter_map(|readings| readings.last()).collect();
    let told = last.iter().filter(|reading| !reading.member.is_empty()).count();
    (told > 0).then(|| last.iter().all(|reading| matches!(reading.member, "-" | "")))
}

/// Whether a group is one that nobody in the bundle claims and nobody reads for, or somebody's console.
pub fn is_abandoned(backlog: &Backlog<'_>, service: &str) -> bool {
    let console = backlog.group.strip_prefix("console-consumer-").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    let never_read = backlog.partitions.values().flatten().all(|reading| reading.member == "-");
    console || !backlog.group.is_empty() && service == backlog.group && never_read
}

/// Whether the service said that it pauses on purpose since a time.
pub fn is_paused(case: &Case, service: &str, since: Time) -> bool {
    case.signals("kafka.paused").iter().any(|row| case.tables.names.get(row.service) == service && (since.is_none() || row.time >= since))
}

/// A finding about a backlog: subject, services and words that all of them have.
pub fn about(rule: &str, readers: &Readers<'_>, backlog: &Backlog<'_>, window: Window) -> Finding {
    let service = readers.service_of(backlog);
    let subject = Subject { service: service.clone(), operation: backlog.topic.to_owned(), key: backlog.group.to_owned(), ..Subject::default() };
    let mut finding = Finding::new(rule, subject, window);
    finding.word("group", if backlog.group.is_empty() { service } else { backlog.group.to_owned() });
    finding.word("topic", if backlog.topic.is_empty() { "its topics" } else { backlog.topic });
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::source::Evidence;

    fn course(lags: &[f64]) -> Course {
        let snapshot = |(n, lag): (usize, &f64)| {
            let time = Time(1_767_261_600_000_000_000 + n as i64 * 10_000_000_000);
            let end = 100.0 * n as f64;
            Reading { time, lag: Some(*lag), end: Some(end), current: Some(end - lag), evidence: Evidence::default(), ..Reading::default() }
        };
        let readings: Vec<Reading<'_>> = lags.iter().enumerate().map(snapshot).collect();
        Course::of(&Backlog { group: "g", topic: "t", service: Default::default(), partitions: [("0", readings)].into() }).unwrap()
    }

    #[test]
    fn a_rise_is_measured_from_its_onset() {
        let course = course(&[0.0, 5.0, 4.0, 4.0, 90.0, 180.0, 270.0, 360.0]);
        assert_eq!((course.onset, course.start(), course.length(), course.slope()), (3, 4.0, 40.0, 9.0));
        assert!(course.rises(0.6) && !course.drains() && course.waves().is_empty());
        assert_eq!(course.rates().map(|(produced, read)| (produced.round(), read.round())), Some((10.0, 1.0)));
        assert_eq!(course.age().map(|(age, more)| (age.round(), more)), Some((36.0, false)));
    }

    #[test]
    fn the_first_step_of_a_rise_belongs_to_it() {
        let course = course(&[26.0, 26.0, 26.0, 164.0, 521.0, 2827.0, 5876.0]);
        assert_eq!((course.onset, course.start()), (2, 26.0));
    }

    #[test]
    fn waves_and_drains() {
        let saw = course(&[0.0, 500.0, 0.0, 480.0, 10.0, 100.0, 200.0, 300.0]);
        assert_eq!(saw.waves().len(), 2);
        assert!(course(&[0.0, 50_000.0, 30_000.0, 12_000.0, 1000.0]).drains());
    }
}
