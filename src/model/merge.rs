//! The segments of a bundle become one, all at once and on all cores.
//!
//! Names are numbered in the order of their texts and files in the order of their paths, the parts of a rotated log in the
//! order of their times, whatever order the segments came in. Rows keep the order of the segments. What this file does not
//! do: bring rows into an order of their own, or find what was said twice; `correlate/order.rs` does.

use crate::model::names::{Interner, Renames};
use crate::model::rows::{Rows, Table};
use crate::model::source::{FileId, unrotated};
use crate::model::table::{Column, Remap, Row};
use crate::model::tables::{SourceFile, Tables};
use crate::model::time::Time;
use rayon::prelude::*;
use std::cmp::Reverse;

/// Merges groups of segments. Those of a group are about the same files, which its first segment lists.
#[must_use]
pub fn merge(groups: Vec<Vec<Tables>>) -> Tables {
    let mut files: Vec<SourceFile> = Vec::new();
    let mut segments: Vec<(Tables, usize)> = Vec::new();
    let mut places: Vec<std::ops::Range<usize>> = Vec::with_capacity(groups.len());
    for (group, members) in groups.into_iter().enumerate() {
        let first = files.len();
        for mut segment in members {
            files.append(&mut segment.files);
            segments.push((segment, group));
        }
        places.push(first..files.len());
    }
    let (files, numbers) = sorted_files(files);
    let names = Interner::of_texts(segments.iter().flat_map(|(segment, _)| segment.names.texts()));
    segments.par_iter_mut().for_each(|(segment, group)| {
        let renames = names.renames_of(&segment.names);
        let files = places.get(*group).and_then(|place| numbers.get(place.clone())).unwrap_or_default();
        renumber(segment, &Remap { names: &renames, files });
        segment.names = Interner::default();
    });
    let mut all = concat(segments.into_iter().map(|(segment, _)| segment).collect());
    (all.names, all.files) = (names, files);
    all
}

/// Whether names and files are numbered as [`merge`] numbers them.
#[must_use]
pub fn is_numbered(tables: &Tables) -> bool {
    tables.names.texts().is_sorted() && tables.files.is_sorted_by(|a, b| as_read(a) < as_read(b))
}

/// Sorts files as a reader takes them up. What the numbers of a rotated log mean differs from program to program; what
/// begins first is older everywhere, and of what begins together that which ends first. Parts of one and the same moment are
/// numbered as logrotate does it, the live file last.
fn as_read(file: &SourceFile) -> (&str, Time, Time, Reverse<usize>, Reverse<&str>) {
    (unrotated(&file.path), file.window.start, file.window.end, Reverse(file.path.len()), Reverse(&file.path))
}

/// Files as they are read, and the new number of each. Entries of one path, from segments of one file, become one.
fn sorted_files(files: Vec<SourceFile>) -> (Vec<SourceFile>, Vec<FileId>) {
    let mut order: Vec<(usize, SourceFile)> = files.into_iter().enumerate().collect();
    order.sort_by(|(_, a), (_, b)| (&a.path, a.digest, a.bytes).cmp(&(&b.path, b.digest, b.bytes)));
    let mut numbers = vec![0; order.len()];
    let mut sorted: Vec<(SourceFile, usize)> = Vec::with_capacity(order.len());
    for (old, file) in order {
        match sorted.last_mut().map(|(last, _)| last).filter(|last| last.path == file.path && !file.path.is_empty()) {
            Some(last) => {
                last.records += file.records;
                last.window.join(file.window);
                last.bytes = last.bytes.max(file.bytes);
                last.trouble = last.trouble.or(file.trouble);
                if last.format.is_empty() {
                    last.format = file.format;
                }
                if last.digest == [0; 32] {
                    last.digest = file.digest;
                }
            }
            None => sorted.push((file, sorted.len())),
        }
        numbers[old] = sorted.len() - 1;
    }
    sorted.sort_by(|(a, _), (b, _)| as_read(a).cmp(&as_read(b)));
    let mut places = vec![FileId(0); sorted.len()];
    (0..).zip(&sorted).for_each(|(place, (_, by_path))| places[*by_path] = FileId(place));
    (sorted.into_iter().map(|(file, _)| file).collect(), numbers.into_iter().map(|by_path| places[by_path]).collect())
}

/// Gives the names and files of every row their numbers. A table that is missing here does not compile.
fn renumber(tables: &mut Tables, to: &Remap<'_>) {
    let Tables {
        names: _,
        files: _,
        spans,
        logs,
        signals,
        effects,
        metrics,
        dumps,
        threads,
        locks,
        deadlocks,
        gc,
        histograms,
        classes,
        requests,
        jobs,
        events,
        settings,
        quarantine,
        templates,
        clusters: _,
        log_counts,
        joinable,
        wide_attributes,
        window: _,
    } = tables;
    rename(spans, to);
    rename(logs, to);
    rename(signals, to);
    rename(effects, to);
    rename(metrics, to);
    rename(dumps, to);
    rename(threads, to);
    rename(locks, to);
    rename(deadlocks, to);
    rename(gc, to);
    rename(histograms, to);
    rename(classes, to);
    rename(requests, to);
    rename(jobs, to);
    rename(events, to);
    rename(settings, to);
    rename(quarantine, to);
    *templates = std::mem::take(templates)
        .into_iter()
        .map(|((template, service), mut stats)| {
            stats.text = to.names.of(stats.text);
            stats.first.rename(to);
            ((template, to.names.of(service)), stats)
        })
        .collect();
    *wide_attributes = wide_attributes.iter().map(|(service, key)| (to.names.of(*service), to.names.of(*key))).collect();
    *log_counts = std::mem::take(log_counts).into_iter().map(|((service, minute), count)| ((to.names.of(service), minute), count)).collect();
    *joinable = std::mem::take(joinable)
        .into_iter()
        .map(|(service, mut joinable)| {
            joinable.without.iter_mut().flatten().for_each(|(_, _, evidence)| evidence.rename(to));
            (to.names.of(service), joinable)
        })
        .collect();
}

fn rename<R: Row>(rows: &mut [R], to: &Remap<'_>) {
    rows.iter_mut().for_each(|row| row.rename(to));
}

/// The rows of all segments, which are numbered alike. The two largest tables are moved side by side.
fn concat(mut segments: Vec<Tables>) -> Tables {
    let mut all = Tables::default();
    let spans = taken(&mut segments, |segment| &mut segment.spans);
    let logs = taken(&mut segments, |segment| &mut segment.logs);
    let (spans, logs) = rayon::join(
        || {
            all.signals = joined(taken(&mut segments, |segment| &mut segment.signals));
            all.effects = joined(taken(&mut segments, |segment| &mut segment.effects));
            all.metrics = joined(taken(&mut segments, |segment| &mut segment.metrics));
            all.requests = joined(taken(&mut segments, |segment| &mut segment.requests));
            segments.into_iter().for_each(|segment| add(&mut all, segment));
            joined(spans)
        },
        || joined(logs),
    );
    (all.spans, all.logs) = (spans, logs);
    all
}

/// One table of every segment, which has none afterwards.
fn taken<R>(segments: &mut [Tables], table: impl Fn(&mut Tables) -> &mut Rows<R>) -> Vec<Rows<R>> {
    segments.iter_mut().map(|segment| std::mem::take(table(segment))).collect()
}

/// The rows of all parts, each of which is let go once it is moved. Where one is kept elsewhere, so is the whole.
fn joined<R: Row>(mut parts: Vec<Rows<R>>) -> Rows<R> {
    parts.retain(|part| !part.is_empty());
    if parts.len() < 2 {
        return parts.pop().unwrap_or_default();
    }
    let room = parts.iter().map(|part| part.len()).sum();
    let mut all = parts.iter().find(|part| part.is_kept()).map_or_else(|| Rows::from(Vec::with_capacity(room)), |kept| kept.beside(room));
    parts.into_iter().for_each(|part| all.append(part));
    all
}

/// The first rows are taken over as they are.
fn take<R>(mine: &mut Vec<R>, theirs: Vec<R>) {
    if mine.capacity() == 0 { *mine = theirs } else { mine.extend(theirs) }
}

fn add(all: &mut Tables, part: Tables) {
    let Tables {
        names: _,
        files: _,
        spans: _,
        logs: _,
        signals: _,
        effects: _,
        metrics: _,
        dumps,
        threads,
        locks,
        deadlocks,
        gc,
        histograms,
        classes,
        requests: _,
        jobs,
        events,
        settings,
        quarantine,
        templates,
        clusters,
        log_counts,
        joinable,
        wide_attributes,
        window,
    } = part;
    take(&mut all.dumps, dumps);
    take(&mut all.threads, threads);
    take(&mut all.locks, locks);
    take(&mut all.deadlocks, deadlocks);
    take(&mut all.gc, gc);
    take(&mut all.histograms, histograms);
    take(&mut all.classes, classes);
    take(&mut all.jobs, jobs);
    take(&mut all.events, events);
    take(&mut all.settings, settings);
    take(&mut all.quarantine, quarantine);
    for (key, stats) in templates {
        all.templates.entry(key).and_modify(|known| known.join(&stats)).or_insert(stats);
    }
    all.clusters.absorb(clusters);
    for (key, count) in log_counts {
        all.log_counts.entry(key).or_default().add(count);
    }
    for (service, theirs) in joinable {
        all.joinable.entry(service).or_default().join(&theirs);
    }
    all.wide_attributes.extend(wide_attributes);
    all.window.join(window);
}

impl Interner {
    /// Every name once, numbered in the order of the texts.
    fn of_texts<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut texts: Vec<&str> = texts.collect();
        texts.par_sort_unstable();
        texts.dedup();
        let mut names = Self::with_room(texts.len(), texts.iter().map(|text| text.len()).sum());
        texts.into_iter().for_each(|text| {
            names.intern(text);
        });
        names
    }

    /// What the names of another interner, all of which are known, are called here.
    fn renames_of(&self, other: &Self) -> Renames {
        other.texts().map(|text| self.find(text).unwrap_or_default()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::names::Sym;
    use crate::model::platform::Setting;
    use crate::model::record::Reason;
    use crate::model::source::Evidence;
    use crate::model::tables::{LogCount, Quarantine};
    use crate::model::time::{SECOND, Window};

    fn segment(path: &str, service: &str, at: u64) -> Tables {
        let mut tables = Tables::default();
        let (service, profile) = (tables.names.intern(service), tables.names.intern("prod"));
        let evidence = Evidence::new(FileId(0), at, 1);
        if !path.is_empty() {
            tables.files.push(SourceFile { path: path.to_owned(), records: 1, ..SourceFile::default() });
        }
        tables.settings.push(Setting { service, profile, key: Sym::NONE, value: Sym::NONE, evidence });
        tables.quarantine.push(Quarantine { reason: Reason::Malformed, evidence });
        tables.log_counts.insert((service, 7), LogCount { records: 1, ..LogCount::default() });
        tables
    }

    /// What the rows say, in words.
    fn told(tables: &Tables) -> Vec<(&str, &str, u64)> {
        let path = |evidence: Evidence| tables.files[evidence.file.0 as usize].path.as_str();
        tables.settings.iter().map(|row| (tables.names.get(row.service), path(row.evidence), row.evidence.start)).collect()
    }

    #[test]
    fn segments_of_one_file_and_of_several_become_one() {
        let groups = vec![vec![segment("b.log", "web", 0), segment("", "orders", 9)], vec![segment("a.log", "web", 4)]];
        let all = merge(groups);
        assert_eq!(told(&all), [("web", "b.log", 0), ("orders", "b.log", 9), ("web", "a.log", 4)]);
        assert_eq!(all.quarantine.iter().map(|row| row.evidence.file.0).collect::<Vec<_>>(), [1, 1, 0]);
        assert_eq!(all.names.texts().collect::<Vec<_>>(), ["", "orders", "prod", "web"]);
        assert_eq!(all.log_counts.values().map(|count| count.records).collect::<Vec<_>>(), [1, 2]);
        assert!(is_numbered(&all) && !is_numbered(&segment("x", "zeta", 0)));
    }

    #[test]
    fn parts_of_a_rotated_log_follow_one_another() {
        let at = |path: &str, second: i64| {
            let mut part = segment(path, "web", second as u64);
            part.files[0].window = Window::of(Time(second * SECOND), Time((second + 5) * SECOND));
            vec![part]
        };
        // Numbered downwards, as logrotate does, and upwards; the live file is the last of both.
        let all = merge(vec![at("a.log", 20), at("a.log.1", 15), at("a.log.2.gz", 10), at("b.log", 30), at("b.log.1", 10), at("b.log.2", 20)]);
        let paths: Vec<&str> = all.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["a.log.2.gz", "a.log.1", "a.log", "b.log.1", "b.log.2", "b.log"]);
        assert_eq!(told(&all)[..3], [("web", "a.log", 20), ("web", "a.log.1", 15), ("web", "a.log.2.gz", 10)]);
        assert!(is_numbered(&all));
    }

    #[test]
    fn a_rotated_log_may_have_parts_of_one_moment() {
        let part = |path: &str, end: i64| {
            let mut part = segment(path, "web", 0);
            part.files[0].window = Window::of(Time(0), Time(end * SECOND));
            vec![part]
        };
        let all = merge(vec![part("a.log", 7), part("a.log.1", 0), part("a.log.9", 0), part("a.log.10", 0)]);
        let paths: Vec<&str> = all.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["a.log.10", "a.log.9", "a.log.1", "a.log"]);
        let all = merge(vec![part("a.log", 0), part("a.log.1", 0)]);
        assert_eq!(all.files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["a.log.1", "a.log"]);
        assert!(is_numbered(&all));
    }

    #[test]
    fn what_is_merged_already_stays_what_it_is() {
        let once = merge(vec![vec![segment("b.log", "web", 0)], vec![segment("a.log", "orders", 1)]]);
        let twice = merge(vec![vec![once.clone()]]);
        assert_eq!(told(&once), told(&twice));
        assert_eq!((once.settings, once.files), (twice.settings, twice.files));
        assert!(merge(Vec::new()).files.is_empty());
    }
}
