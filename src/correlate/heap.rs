//! The live set of each Java virtual machine over its life: the floor of the heap, from whatever shows it best.
//!
//! What a collector leaves behind is live data only if it has looked at the whole heap. A full collection has, a mixed
//! one nearly, a young one not at all: objects of middle age are promoted and stay until an old collection runs, which
//! looks exactly like a leak. So every series says how much it proves.
//!
//! Lives are told apart by file, by the collector's banner, by collection numbers that begin anew and by an uptime that
//! falls back. What this file does not do: judge a trend.

use crate::model::jvm::{Gc, GcKind, Histogram};
use crate::model::names::Sym;
use crate::model::source::{Evidence, unrotated};
use crate::model::tables::Tables;
use crate::model::time::{SECOND, Time, Window};
use std::collections::{BTreeMap, BTreeSet};

/// How much a series proves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Strength {
    /// After young collections: may be promotion.
    Weak,
    /// After mixed or concurrent collections: nearly all live.
    Medium,
    /// Live data.
    Strong,
}

/// One point of a floor.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Point {
    /// Seconds since the life's first record.
    pub at: f64,
    /// Wall time, or none.
    pub time: Time,
    /// Bytes.
    pub bytes: u64,
    /// Where.
    pub evidence: Evidence,
}

/// A floor: what was left over after the collections of one kind.
#[derive(Clone, Debug)]
pub struct Floor {
    /// How much it proves.
    pub strength: Strength,
    /// What shows it: `full collections`.
    pub source: &'static str,
    /// In order of time.
    pub points: Vec<Point>,
}

/// The floor that shows the course of a life: of those with enough points the one that proves most, if it covers this
/// share of the life. A few full collections at the end say nothing about the hours before.
#[must_use]
pub fn decisive(floors: &[Floor], covered: f64) -> Option<usize> {
    let length = |points: &[Point]| points.last().map_or(0.0, |p| p.at) - points.first().map_or(0.0, |p| p.at);
    let whole = floors.iter().map(|floor| length(&floor.points)).fold(0.0, f64::max);
    let enough = |floor: &Floor| floor.points.len() >= 6 || (floor.strength == Strength::Strong && floor.points.len() >= 3);
    floors.iter().position(|floor| enough(floor) && length(&floor.points) >= covered * whole)
}

/// One life of one JVM, as its GC log shows it.
#[derive(Clone, Debug)]
pub struct Life<'a> {
    /// Service.
    pub service: Sym,
    /// Instance.
    pub instance: Sym,
    /// Collector, empty if not printed.
    pub collector: Sym,
    /// Its records in order.
    pub records: Vec<&'a Gc>,
    /// The largest heap, as printed or as seen.
    pub capacity: Option<u64>,
    /// From the first to the last record; none if the log prints only the uptime.
    pub window: Window,
}

impl Life<'_> {
    /// Seconds from the life's first record to this one.
    #[must_use]
    pub fn at(&self, record: &Gc) -> f64 {
        // The line of the flags, with which a log of JDK 8 begins, has no time.
        let Some(first) = self.records.iter().find(|first| first.uptime.is_some() || first.time.is_some()) else { return 0.0 };
        let nanos = match (record.uptime, first.uptime) {
            (Some(now), Some(then)) => now - then,
            _ => record.time.since(first.time),
        };
        nanos as f64 / SECOND as f64
    }

    /// Every floor the log shows, the one that proves most first.
    #[must_use]
    pub fn floors(&self, names: &crate::model::names::Interner) -> Vec<Floor> {
        let region = self.records.iter().filter(|r| r.kind == GcKind::RegionSize).filter_map(|r| r.after).next_back();
        let after = |kinds: &[GcKind]| self.points(|r| kinds.contains(&r.kind).then_some(r.after).flatten());
        let full = self.points(|r| (r.kind == GcKind::Full && !names.get(r.cause).contains("Heap Dump")).then_some(r.after).flatten());
        let old_regions = self.points(|r| if r.kind == GcKind::OldRegions { r.after?.checked_mul(region?) } else { None });
        let candidates = [
            (Strength::Strong, "live data at mark end", self.live(names)),
            (Strength::Strong, "full collections", full),
            (Strength::Medium, "mixed collections", after(&[GcKind::Mixed])),
            (Strength::Medium, "concurrent collections", self.lowest_of_cycles()),
            (Strength::Weak, "old generation after young collections", after(&[GcKind::Old])),
            (Strength::Weak, "old regions after young collections", old_regions),
            (Strength::Weak, "young collections", after(&[GcKind::Young])),
        ];
        candidates
            .into_iter()
            .filter(|(.., points)| !points.is_empty())
            .map(|(strength, source, points)| Floor { strength, source, points })
            .collect()
    }

    fn points(&self, bytes: impl Fn(&Gc) -> Option<u64>) -> Vec<Point> {
        let point = |record: &&Gc| Some(Point { at: self.at(record), time: record.time, bytes: bytes(record)?, evidence: record.evidence });
        self.records.iter().filter_map(point).collect()
    }

    /// ZGC prints the live set; a generational one in two lines, of which the young one alone is no whole.
    fn live(&self, names: &crate::model::names::Interner) -> Vec<Point> {
        let mut by_cycle: BTreeMap<Option<u32>, (Option<Point>, u64, bool)> = BTreeMap::new();
        for record in self.records.iter().filter(|record| record.kind == GcKind::Live) {
            let Some(bytes) = record.after else { continue };
            let entry = by_cycle.entry(record.id).or_insert((None, 0, false));
            entry.0.get_or_insert(Point { at: self.at(record), time: record.time, bytes: 0, evidence: record.evidence });
            entry.1 += bytes;
            entry.2 |= !names.get(record.cause).eq_ignore_ascii_case("y");
        }
        let mut points: Vec<Point> =
            by_cycle.into_values().filter(|(_, _, whole)| *whole).filter_map(|(point, bytes, _)| Some(Point { bytes, ..point? })).collect();
        points.sort_by(|a, b| a.at.total_cmp(&b.at));
        points
    }

    /// A concurrent cycle may print several ends; the lowest is what it has reached.
    fn lowest_of_cycles(&self) -> Vec<Point> {
        let mut lowest: BTreeMap<Option<u32>, Point> = BTreeMap::new();
        for point in
            self.records.iter().filter(|record| record.kind == GcKind::Concurrent).filter_map(|record| {
                Some((record.id, Point { at: self.at(record), time: record.time, bytes: record.after?, evidence: record.evidence }))
            })
        {
            lowest
                .entry(point.0)
                .and_modify(|known| {
                    if point.1.bytes < known.bytes {
                        *known = point.1
                    }
                })
                .or_insert(point.1);
        }
        let mut points: Vec<Point> = lowest.into_values().collect();
        points.sort_by(|a, b| a.at.total_cmp(&b.at));
        points
    }

    /// Whether a collection that covers the old generation ran between two points of the life, in seconds.
    #[must_use]
    pub fn has_old_collection(&self, from: f64, to: f64) -> bool {
        let old = |record: &&&Gc| matches!(record.kind, GcKind::Full | GcKind::Mixed | GcKind::Concurrent | GcKind::Live | GcKind::Degenerated);
        self.records.iter().filter(old).any(|record| (from..=to).contains(&self.at(record)))
    }
}

/// The lives of all JVMs, by service, instance and time.
#[must_use]
pub fn lives(tables: &Tables) -> Vec<Life<'_>> {
    let mut groups: BTreeMap<(&str, &str, &str), Vec<&[Gc]>> = BTreeMap::new();
    // Records stand in the order of files and lines.
    for part in tables.gc.chunk_by(|a, b| (a.evidence.file, a.service, a.instance) == (b.evidence.file, b.service, b.instance)) {
        let Some(first) = part.first() else { continue };
        let path = tables.files.get(first.evidence.file.0 as usize).map_or("", |file| unrotated(&file.path));
        groups.entry((tables.names.get(first.service), tables.names.get(first.instance), path)).or_default().push(part);
    }
    let mut lives = Vec::new();
    for mut parts in groups.into_values() {
        // Rotated files are put in order by their content.
        parts.sort_by_key(|part| part.first().map(|first| (first.time, first.uptime, first.evidence)));
        let mut records: Vec<&Gc> = Vec::new();
        let mut highest = None;
        for record in parts.into_iter().flatten() {
            if begins_anew(&records, highest, record) {
                lives.extend(life(std::mem::take(&mut records)));
                highest = None;
            }
            highest = highest.max(record.id);
            records.push(record);
        }
        lives.extend(life(records));
    }
    lives
}

/// Whether a record is of another process than those before it, of which `known` is the highest number of a collection.
fn begins_anew(life: &[&Gc], known: Option<u32>, next: &Gc) -> bool {
    let Some(last) = life.last() else { return false };
    let restarted = next.kind == GcKind::Using && known.is_some();
    let fell_back = matches!((last.uptime, next.uptime), (Some(before), Some(after)) if after < before - 5 * SECOND);
    // Lines of two collections may be mixed, but the count never falls back to its beginning.
    let renumbered = matches!((known, next.id), (Some(before), Some(after)) if after < before.saturating_sub(50) || (after == 0 && before > 3));
    restarted || fell_back || renumbered
}

fn life(records: Vec<&Gc>) -> Option<Life<'_>> {
    let first = records.first()?;
    let mut window = Window::default();
    records.iter().for_each(|record| window.add(record.time));
    let printed = records.iter().filter(|record| record.kind == GcKind::MaxHeap).filter_map(|record| record.after).next_back();
    let heap = |record: &&&Gc| {
        matches!(record.kind, GcKind::Young | GcKind::Mixed | GcKind::Full | GcKind::Concurrent | GcKind::Phase | GcKind::Minor | GcKind::Degenerated)
    };
    let seen = records.iter().filter(heap).filter_map(|record| record.capacity).max();
    let collector = records.iter().find(|record| record.kind == GcKind::Using).map_or(Sym::NONE, |record| record.cause);
    Some(Life { service: first.service, instance: first.instance, collector, records, capacity: printed.or(seen), window })
}

/// The histograms of each JVM in order of time, where at least two can be ordered: by their own time, else by the numbers
/// and stamps in their paths.
#[must_use]
pub fn histograms(tables: &Tables) -> Vec<Vec<&Histogram>> {
    let mut groups: BTreeMap<(&str, &str), Vec<&Histogram>> = BTreeMap::new();
    for histogram in &tables.histograms {
        groups.entry((tables.names.get(histogram.service), tables.names.get(histogram.instance))).or_default().push(histogram);
    }
    let path = |histogram: &Histogram| tables.files.get(histogram.evidence.file.0 as usize).map_or("", |file| file.path.as_str());
    for group in groups.values_mut() {
        group.sort_by_cached_key(|histogram| (histogram.time, numbers_in(path(histogram)), histogram.evidence));
    }
    groups.into_values().filter(|group| group.len() >= 2).collect()
}

/// A path with its numbers as numbers: `histo.10.txt` comes after `histo.9.txt`.
fn numbers_in(path: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    for part in path.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits: String = part.chars().filter(char::is_ascii_digit).take(19).collect();
        let rest: String = part.chars().filter(|c| !c.is_ascii_digit()).collect();
        parts.push((if digits.is_empty() { rest } else { String::new() }, digits.parse().unwrap_or(0)));
    }
    parts
}

/// The services and instances for which anything about a heap is known.
#[must_use]
pub fn machines(tables: &Tables) -> BTreeSet<(String, String)> {
    let collected = tables.gc.iter().map(|record| (record.service, record.instance));
    let known: BTreeSet<(Sym, Sym)> = collected.chain(tables.histograms.iter().map(|histogram| (histogram.service, histogram.instance))).collect();
    let name = |sym: Sym| tables.names.get(sym).to_owned();
    known.into_iter().map(|(service, instance)| (name(service), name(instance))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_order_paths() {
        assert!(numbers_in("histo.9.txt") < numbers_in("histo.10.txt"));
    }
}
