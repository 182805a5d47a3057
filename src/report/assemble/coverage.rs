//! What was read of each file, and what was not and why.

use super::optional;
use crate::correlate::Case;
use crate::model::names::Sym;
use crate::model::source::Evidence;
use crate::report;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The coverage of a case: what was understood of its files, and what was quarantined.
pub(super) fn of(case: &Case) -> report::Coverage {
    let tables = &case.tables;
    let mut reasons: BTreeMap<usize, BTreeMap<&'static str, (u64, u64)>> = BTreeMap::new();
    let mut ranges: BTreeMap<usize, Vec<(u64, u64)>> = BTreeMap::new();
    for row in &tables.quarantine {
        let file = row.evidence.file.0 as usize;
        let entry = reasons.entry(file).or_default().entry(row.reason.name()).or_insert((0, row.evidence.start));
        entry.0 += 1;
        entry.1 = entry.1.min(row.evidence.start);
        ranges.entry(file).or_default().push((row.evidence.start, row.evidence.start + u64::from(row.evidence.len)));
    }
    let services = services_of_files(case);
    let mut coverage = report::Coverage::default();
    for (number, file) in tables.files.iter().enumerate() {
        let unread = ranges.get_mut(&number).map_or(0, |ranges| covered(ranges)).min(file.bytes);
        coverage.quarantined_bytes += unread;
        coverage.understood_bytes += file.bytes - unread;
        let reasons = reasons.remove(&number).unwrap_or_default();
        coverage.files.push(report::FileLine {
            path: file.path.clone(),
            format: if file.format.is_empty() { "unrecognised".to_owned() } else { file.format.clone() },
            bytes: file.bytes,
            records: file.records,
            quarantined: reasons.values().map(|(count, _)| count).sum(),
            service: services.get(&number).and_then(|&service| optional(tables.names.get(service))),
            digest: (file.bytes > 0).then(|| blake3::Hash::from_bytes(file.digest).to_hex().to_string()),
            reasons: reasons
                .into_iter()
                .map(|(reason, (count, example_offset))| report::QuarantineLine { reason: reason.to_owned(), count, example_offset })
                .collect(),
        });
    }
    // Looked up by name, not read in turn.
    coverage.files.sort_by(|a, b| a.path.cmp(&b.path));
    coverage
}

/// How many bytes a set of ranges covers.
fn covered(ranges: &mut [(u64, u64)]) -> u64 {
    ranges.sort_unstable();
    let (mut end, mut sum) = (0, 0);
    for &(from, to) in ranges.iter() {
        sum += to.saturating_sub(from.max(end));
        end = end.max(to);
    }
    sum
}

/// The service most rows of each file belong to.
fn services_of_files(case: &Case) -> BTreeMap<usize, Sym> {
    let tables = &case.tables;
    let mut counts: BTreeMap<(usize, Sym), u64> = BTreeMap::new();
    let mut add = |file: u32, service: Sym| *counts.entry((file as usize, service)).or_default() += 1;
    tables.metrics.iter().for_each(|row| add(row.evidence.file.0, row.service));
    tables.gc.iter().for_each(|row| add(row.evidence.file.0, row.service));
    tables.dumps.iter().for_each(|row| add(row.evidence.file.0, row.service));
    tables.histograms.iter().for_each(|row| add(row.evidence.file.0, row.service));
    let large = [
        counted(&tables.logs, |row| (row.evidence, row.service)),
        counted(&tables.requests, |row| (row.evidence, row.service)),
        counted(&tables.spans, |row| (row.evidence, row.service)),
    ];
    large.into_iter().flatten().for_each(|(key, count)| *counts.entry(key).or_default() += count);
    let mut most: BTreeMap<usize, (u64, Sym)> = BTreeMap::new();
    for ((file, service), count) in counts {
        let known = most.entry(file).or_insert((0, Sym::NONE));
        if count > known.0 {
            *known = (count, service);
        }
    }
    most.into_iter().map(|(file, (_, service))| (file, service)).collect()
}

/// How many rows of a large table each service has in each file.
fn counted<R: Sync>(rows: &[R], of: impl Fn(&R) -> (Evidence, Sym) + Sync) -> BTreeMap<(usize, Sym), u64> {
    const ROWS: usize = 1 << 16;
    let key = |row: &R| {
        let (evidence, service) = of(row);
        (evidence.file.0 as usize, service)
    };
    let count = |rows: &[R]| {
        let mut counts: BTreeMap<(usize, Sym), u64> = BTreeMap::new();
        rows.chunk_by(|a, b| key(a) == key(b)).for_each(|alike| *counts.entry(key(&alike[0])).or_default() += alike.len() as u64);
        counts
    };
    let add = |mut all: BTreeMap<(usize, Sym), u64>, part: BTreeMap<(usize, Sym), u64>| {
        part.into_iter().for_each(|(key, count)| *all.entry(key).or_default() += count);
        all
    };
    rows.par_chunks(ROWS).map(count).reduce(BTreeMap::new, add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_overlap_count_once() {
        assert_eq!(covered(&mut [(5, 10), (0, 3), (8, 12), (8, 9)]), 10);
    }
}
