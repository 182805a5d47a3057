//! The log of very many collections, kept as those that say something and the sums of the others.
//!
//! Rules ask how low the heap fell, how long the longest pause was, and how much of the time all pauses took. Of a run of
//! collections the lowest and the longest tell the first two; the last of the others stands for all of them, so that sums and
//! counts stay what they are. A log of the usual length keeps every row, and memory does not grow with the length of the others.
//!
//! What this file does not do: leave out what is rare, which is what a fault is told by: full collections, failures, the facts
//! of a start. Only where nearly nothing else is printed are those thinned as well.

use crate::model::jvm::{Gc, GcKind};
use crate::model::names::Sym;
use crate::model::time::SECOND;
use std::collections::{BTreeMap, BTreeSet};

/// So many rows of a piece are all kept: an hour of a busy JVM that logs everything.
const USUAL: usize = 16 * 1024;
/// A longer piece is cut into about so many runs.
const RUNS: usize = 1024;
/// Of what is rare, so many rows of a run are kept.
const RARE: usize = 8;
/// Nanoseconds by which lines may be out of order.
const DISORDER: i64 = 5 * SECOND;

/// Thins the rows of one piece, which stand in the order of its lines.
pub(super) fn thin(rows: &mut Vec<Gc>) {
    if rows.len() <= USUAL {
        return;
    }
    let step = rows.len().div_ceil(RUNS);
    let mut kept = Vec::with_capacity(4 * RUNS);
    let mut rest = rows.as_slice();
    while !rest.is_empty() {
        let (run, after) = rest.split_at(length(rest, step));
        keep(run, &mut kept);
        rest = after;
    }
    *rows = kept;
}

/// How many of the next rows are one run: of one process, and if possible no half of a collection.
fn length(rows: &[Gc], step: usize) -> usize {
    let longest = rows.len().min(2 * step);
    let mut pairs = rows.windows(2).take(longest.saturating_sub(1)).zip(1..);
    let end = pairs
        .find_map(|(pair, at)| (is_border(&pair[0], &pair[1]) || (at >= step && (pair[1].id.is_none() || pair[0].id != pair[1].id))).then_some(at));
    end.unwrap_or(longest)
}

/// Whether the second of two rows is of another process than the first.
fn is_border(one: &Gc, next: &Gc) -> bool {
    let fell_back = matches!((one.uptime, next.uptime), (Some(before), Some(after)) if after < before - DISORDER);
    let renumbered = matches!((one.id, next.id), (Some(before), Some(after)) if after < before.saturating_sub(50) || (after == 0 && before > 3));
    next.kind == GcKind::Using || fell_back || renumbered || (one.service, one.instance) != (next.service, next.instance)
}

/// Whether few of a log's rows are such.
const fn is_rare(kind: GcKind) -> bool {
    !matches!(
        kind,
        GcKind::Young
            | GcKind::Mixed
            | GcKind::Minor
            | GcKind::Phase
            | GcKind::Concurrent
            | GcKind::Live
            | GcKind::Old
            | GcKind::OldRegions
            | GcKind::Metaspace
            | GcKind::Safepoint
    )
}

/// Those of one kind and cause that are left out.
struct Others {
    first: usize,
    last: usize,
    count: u32,
    nanos: u64,
}

fn keep(run: &[Gc], kept: &mut Vec<Gc>) {
    let mut chosen: BTreeSet<usize> = BTreeSet::new();
    // A handful of kinds: a list is quicker than a tree.
    let mut extremes: Vec<(GcKind, Option<usize>, Option<usize>)> = Vec::new();
    for (at, row) in run.iter().enumerate() {
        if is_rare(row.kind) && chosen.len() < RARE {
            chosen.insert(at);
        }
        let place = extremes.iter().position(|(kind, ..)| *kind == row.kind).unwrap_or_else(|| {
            extremes.push((row.kind, None, None));
            extremes.len() - 1
        });
        let (_, lowest, longest) = &mut extremes[place];
        if row.after.is_some() && lowest.is_none_or(|known| row.after < run[known].after) {
            *lowest = Some(at);
        }
        if row.nanos > 0 && longest.is_none_or(|known| row.nanos > run[known].nanos) {
            *longest = Some(at);
        }
    }
    chosen.extend(extremes.iter().flat_map(|(_, lowest, longest)| lowest.iter().chain(longest)));
    // What else is printed of a collection explains it.
    let mut ids: Vec<u32> = chosen.iter().filter_map(|at| run[*at].id).collect();
    ids.sort_unstable();
    let mut stays: Vec<bool> = run.iter().map(|row| row.id.is_some_and(|id| ids.binary_search(&id).is_ok())).collect();
    chosen.iter().for_each(|at| stays[*at] = true);
    let mut others: BTreeMap<(GcKind, Sym), Others> = BTreeMap::new();
    for (at, row) in run.iter().enumerate().filter(|(at, row)| row.nanos > 0 && !stays[*at]) {
        let others = others.entry((row.kind, row.cause)).or_insert(Others { first: at, last: at, count: 0, nanos: 0 });
        others.last = at;
        others.count += 1;
        others.nanos = others.nanos.saturating_add(row.nanos);
    }
    let standing: BTreeMap<usize, &Others> = others.values().map(|others| (others.last, others)).collect();
    for (at, row) in run.iter().enumerate() {
        if stays[at] {
            kept.push(*row);
        } else if let Some(others) = standing.get(&at) {
            kept.push(Gc { others: others.count - 1, others_nanos: others.nanos - row.nanos, others_since: since(&run[others.first], row), ..*row });
        }
    }
}

/// Nanoseconds between two rows.
fn since(first: &Gc, last: &Gc) -> u64 {
    let nanos = match (first.uptime, last.uptime) {
        (Some(first), Some(last)) => last.saturating_sub(first),
        _ => last.time.since(first.time),
    };
    nanos.max(0).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::source::{Evidence, FileId};
    use crate::model::time::Time;

    fn row(number: u32, kind: GcKind, after: u64, nanos: u64) -> Gc {
        let uptime = i64::from(number) * SECOND;
        Gc {
            time: Time::NONE,
            uptime: Some(uptime),
            service: Sym::NONE,
            instance: Sym::NONE,
            id: Some(number),
            kind,
            cause: Sym::NONE,
            before: None,
            after: Some(after),
            capacity: None,
            nanos,
            others: 0,
            others_nanos: 0,
            others_since: 0,
            evidence: Evidence::new(FileId(0), u64::from(number) * 100, 90),
        }
    }

    fn sums(rows: &[Gc]) -> (u64, u64) {
        rows.iter().fold((0, 0), |(count, nanos), row| (count + 1 + u64::from(row.others), nanos + row.nanos + row.others_nanos))
    }

    #[test]
    fn a_usual_log_keeps_every_row() {
        let all: Vec<Gc> = (0..USUAL as u32).map(|n| row(n, GcKind::Young, u64::from(n), 5)).collect();
        let mut thinned = all.clone();
        thin(&mut thinned);
        assert_eq!(thinned, all);
    }

    #[test]
    fn counts_sums_floors_and_the_longest_stay() {
        let mixed = |n: u32, by: u64, of: u64| u64::from(n) * by % of;
        let young = |n: u32| row(n, GcKind::Young, 1000 + mixed(n, 7919, 4001), 1_000_000 + mixed(n, 104_729, 65_537));
        let mut all: Vec<Gc> = (0..100_000).map(young).collect();
        all[55_555].nanos = 9_000_000_000;
        all[77_777].after = Some(3);
        all[12_345].kind = GcKind::Full;
        let mut thinned = all.clone();
        thin(&mut thinned);
        assert!(thinned.len() <= 5 * RUNS, "{}", thinned.len());
        assert_eq!(sums(&thinned), sums(&all));
        assert!(thinned.is_sorted_by_key(|row| row.evidence));
        for at in [55_555, 77_777, 12_345] {
            assert!(thinned.contains(&all[at]), "{at}");
        }
        // What is left out lies between the row before and the one that stands for it.
        assert!(thinned.iter().all(|row| row.others_since <= 200 * SECOND.cast_unsigned()));
    }

    #[test]
    fn lines_of_one_collection_stay_together() {
        let mut all = Vec::new();
        for n in 0..20_000_u32 {
            all.push(row(n, GcKind::Young, 1000 + u64::from(n * 7919 % 4001), 1_000_000 + u64::from(n % 101)));
            all.push(row(n, GcKind::OldRegions, u64::from(n * 31 % 977), 0));
            all.push(row(n, GcKind::Metaspace, 70, 0));
        }
        let mut thinned = all.clone();
        thin(&mut thinned);
        assert!(thinned.len() < all.len() / 2, "{}", thinned.len());
        let whole: BTreeSet<u32> = thinned.iter().filter(|row| row.kind == GcKind::OldRegions).filter_map(|row| row.id).collect();
        assert!(whole.iter().all(|id| thinned.iter().filter(|row| row.id == Some(*id)).count() == 3));
    }

    #[test]
    fn processes_stay_apart() {
        let life = |n: u32| row(n % 40_000, GcKind::Young, 100 + u64::from(n % 9), 1_000_000);
        let mut all: Vec<Gc> = (0..80_000).map(life).collect();
        let sum = sums(&all);
        thin(&mut all);
        assert_eq!(sums(&all), sum);
        let falls = all.windows(2).filter(|pair| pair[1].uptime < pair[0].uptime).count();
        assert_eq!(falls, 1);
        assert!(all.iter().all(|row| row.others_since <= row.uptime.unwrap_or(0).cast_unsigned()));
    }

    #[test]
    fn nothing_but_full_collections_is_thinned_as_well() {
        let mut all: Vec<Gc> = (0..90_000).map(|n| row(n, GcKind::Full, 900, 400_000_000)).collect();
        let sum = sums(&all);
        thin(&mut all);
        assert!(all.len() <= 12 * RUNS, "{}", all.len());
        assert_eq!(sums(&all), sum);
    }
}
