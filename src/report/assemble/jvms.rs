//! Java virtual machines: heap and pauses over a life, classes that grow, threads by pool and what they wait for.

use crate::correlate::Case;
use crate::correlate::heap::{self, Life, Strength};
use crate::correlate::waits::{self, Waits};
use crate::model::jvm::{GcKind, ThreadState};
use crate::model::names::Sym;
use crate::model::tables::Tables;
use crate::model::trend;
use crate::report::picture::{ClassGrowth, Dump, Jvm, ThreadGroup};
use std::collections::BTreeMap;

/// At most this many points of a heap are drawn.
const POINTS: usize = 600;
/// A trend is drawn through a floor that covers at least this share of a life.
const COVERED: f64 = 0.5;
/// At most this many classes are listed.
const CLASSES: usize = 12;
/// At most this many groups of threads are listed for one dump.
const GROUPS: usize = 40;
/// At most this many waiting threads are drawn for one dump.
const WAITS: usize = 60;
/// At most this many frames of a group are shown.
const FRAMES: usize = 6;

/// The JVMs of a case, by service and instance.
pub(super) fn jvms(case: &Case) -> Vec<Jvm> {
    let tables = &case.tables;
    let name = |sym: Sym| tables.names.get(sym).to_owned();
    let mut jvms: BTreeMap<(String, String), Jvm> = BTreeMap::new();
    let machine = |jvms: &mut BTreeMap<(String, String), Jvm>, service: Sym, instance: Sym, change: &mut dyn FnMut(&mut Jvm)| {
        let key = (name(service), name(instance));
        let jvm = jvms.entry(key.clone()).or_insert_with(|| Jvm { service: key.0, instance: key.1, ..Jvm::default() });
        change(jvm);
    };
    // Of several lives the longest is drawn.
    for life in heap::lives(tables) {
        machine(&mut jvms, life.service, life.instance, &mut |jvm| {
            let drawn = of_life(&life, tables);
            if drawn.heap.len() >= jvm.heap.len() {
                jvm.collector.clone_from(&drawn.collector);
                (jvm.capacity, jvm.trend, jvm.band) = (drawn.capacity, drawn.trend, drawn.band);
                (jvm.heap, jvm.pauses) = (drawn.heap.clone(), drawn.pauses.clone());
            }
        });
    }
    for group in heap::histograms(tables) {
        if let Some(first) = group.first() {
            let classes = growth(tables, &group);
            machine(&mut jvms, first.service, first.instance, &mut |jvm| jvm.classes.clone_from(&classes));
        }
    }
    for graph in waits::of_dumps(tables) {
        let dump = of_dump(&graph, tables);
        machine(&mut jvms, graph.dump.service, graph.dump.instance, &mut |jvm| jvm.dumps.push(dump.clone()));
    }
    jvms.into_values().filter(|jvm| !jvm.heap.is_empty() || !jvm.classes.is_empty() || !jvm.dumps.is_empty()).collect()
}

fn of_life(life: &Life<'_>, tables: &Tables) -> Jvm {
    let origin = life.records.first().map_or(0.0, |first| life.at(first));
    let collections =
        |kind: GcKind| matches!(kind, GcKind::Young | GcKind::Mixed | GcKind::Full | GcKind::Concurrent | GcKind::Minor | GcKind::Degenerated);
    let heap: Vec<(f64, u64, bool)> = life
        .records
        .iter()
        .filter(|record| collections(record.kind))
        .filter_map(|record| Some((life.at(record) - origin, record.after?, matches!(record.kind, GcKind::Full | GcKind::Concurrent))))
        .collect();
    let stops = |kind: GcKind| matches!(kind, GcKind::Young | GcKind::Mixed | GcKind::Full | GcKind::Phase | GcKind::Degenerated);
    let pauses: Vec<(f64, f64)> =
        life.records.iter().filter(|r| stops(r.kind) && r.nanos > 0).map(|r| (life.at(r) - origin, r.nanos as f64 / 1e6)).collect();
    let floors = life.floors(&tables.names);
    let floor = heap::decisive(&floors, COVERED).and_then(|at| floors.get(at));
    let fitted = floor.and_then(|floor| {
        let points: Vec<(f64, f64)> = floor.points.iter().map(|p| (p.at - origin, p.bytes as f64)).collect();
        let series = if floor.strength == Strength::Strong { points } else { trend::lower_envelope(&points) };
        let slope = trend::slope(&series)?;
        let middle = trend::median(&mut series.iter().map(|p| p.1 - slope * p.0).collect::<Vec<_>>())?;
        let (from, to) = (series.first()?.0, series.last()?.0);
        // Lines of other slopes turn around the middle of the points.
        let pivot = trend::median(&mut series.iter().map(|p| p.0).collect::<Vec<_>>())?;
        let line = |slope_of: f64| [from, to].map(|at| (at, (middle + slope * pivot + slope_of * (at - pivot)).max(0.0)));
        Some((line(slope), trend::slope_interval(&series).map(|(flat, steep)| [line(flat), line(steep)])))
    });
    let (trend, band) = fitted.map_or((None, None), |(trend, band)| (Some(trend), band));
    Jvm {
        collector: tables.names.get(life.collector).to_owned(),
        capacity: life.capacity,
        heap: thinned(&heap),
        trend,
        band,
        pauses: longest(&pauses),
        ..Jvm::default()
    }
}

/// Every n-th point, so that the picture stays small.
fn thinned<T: Copy>(points: &[T]) -> Vec<T> {
    points.iter().copied().step_by(points.len().div_ceil(POINTS).max(1)).collect()
}

/// The longest pause of each stretch: thinning must not lose the one that hurt.
fn longest(pauses: &[(f64, f64)]) -> Vec<(f64, f64)> {
    pauses.chunks(pauses.len().div_ceil(POINTS).max(1)).filter_map(|stretch| stretch.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1))).collect()
}

fn growth(tables: &Tables, group: &[&crate::model::jvm::Histogram]) -> Vec<ClassGrowth> {
    let mut classes: BTreeMap<&str, ClassGrowth> = BTreeMap::new();
    let place: BTreeMap<_, usize> = group.iter().enumerate().map(|(n, histogram)| (histogram.evidence, n)).collect();
    for row in &tables.classes {
        let Some(&at) = place.get(&row.histogram) else { continue };
        let class = tables.names.get(row.class);
        let growth = classes.entry(class).or_insert_with(|| ClassGrowth {
            class: class.to_owned(),
            bytes: vec![0; group.len()],
            instances: vec![0; group.len()],
        });
        growth.bytes[at] = row.bytes;
        growth.instances[at] = row.instances;
    }
    let gained = |growth: &ClassGrowth| growth.bytes.last().copied().unwrap_or(0).saturating_sub(growth.bytes.first().copied().unwrap_or(0));
    let mut grown: Vec<ClassGrowth> = classes.into_values().filter(|growth| gained(growth) > 0).collect();
    grown.sort_by(|a, b| gained(b).cmp(&gained(a)).then_with(|| a.class.cmp(&b.class)));
    grown.truncate(CLASSES);
    grown
}

fn of_dump(graph: &Waits<'_>, tables: &Tables) -> Dump {
    let names = &tables.names;
    let file = tables.files.get(graph.dump.evidence.file.0 as usize).map_or("", |file| file.path.as_str());
    let label = if graph.dump.time.is_some() { graph.dump.time.rfc3339() } else { file.to_owned() };
    let mut groups: BTreeMap<(String, ThreadState, Sym), u64> = BTreeMap::new();
    for thread in &graph.threads {
        *groups.entry((pool(names.get(thread.name)), thread.state, thread.stack)).or_default() += 1;
    }
    let mut groups: Vec<ThreadGroup> = groups
        .into_iter()
        .filter(|((_, state, stack), _)| *state != ThreadState::Unknown || !stack.is_none())
        .map(|((pool, state, stack), count)| ThreadGroup {
            pool,
            state: state_name(state).to_owned(),
            count,
            frames: names.get(stack).lines().take(FRAMES).map(str::to_owned).collect(),
        })
        .collect();
    groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| (&a.pool, &a.state, &a.frames).cmp(&(&b.pool, &b.state, &b.frames))));
    groups.truncate(GROUPS);
    let thread = |at: usize| graph.threads.get(at).map_or(String::new(), |thread| names.get(thread.name).to_owned());
    // Those in a cycle first: they are what the picture is for.
    let in_cycle = |at: usize| graph.cycles.iter().any(|cycle| cycle.contains(&at));
    let mut waits: Vec<_> = graph.waits.values().collect();
    waits.sort_by_key(|wait| (!in_cycle(wait.waiter), wait.waiter));
    Dump {
        label,
        groups,
        waits: waits.into_iter().take(WAITS).map(|wait| (thread(wait.waiter), names.get(wait.class).to_owned(), thread(wait.owner))).collect(),
        deadlocks: graph.cycles.iter().map(|cycle| cycle.iter().map(|&at| thread(at)).collect()).collect(),
    }
}

const fn state_name(state: ThreadState) -> &'static str {
    match state {
        ThreadState::Unknown => "",
        ThreadState::New => "NEW",
        ThreadState::Runnable => "RUNNABLE",
        ThreadState::Blocked => "BLOCKED",
        ThreadState::Waiting => "WAITING",
        ThreadState::TimedWaiting => "TIMED_WAITING",
        ThreadState::Terminated => "TERMINATED",
    }
}

/// A thread's pool: its name with every run of digits masked.
fn pool(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut digits = false;
    for c in name.chars() {
        if c.is_ascii_digit() {
            if !digits {
                out.push('#');
            }
            digits = true;
        } else {
            out.push(c);
            digits = false;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_by_name() {
        assert_eq!(pool("http-nio-8080-exec-12"), "http-nio-#-exec-#");
        assert_eq!(pool("main"), "main");
    }

    #[test]
    fn thinning_keeps_the_longest_pause() {
        let pauses: Vec<(f64, f64)> = (0..6000).map(|n| (f64::from(n), if n == 4321 { 900.0 } else { 1.0 })).collect();
        let kept = longest(&pauses);
        assert!(kept.len() <= POINTS && kept.contains(&(4321.0, 900.0)));
    }
}
