//! Java virtual machines: heap and pauses, classes that grow, threads by pool, state and stack, and who waits for whom.

use std::collections::BTreeMap;

use askama::Template;

use crate::report::chart::{heap, small, waits};
use crate::report::html::{Context, Section, left_out};
use crate::report::picture::{ClassGrowth, Dump, Jvm, ThreadGroup};
use crate::report::text;

/// Groups of threads shown of one virtual machine.
const GROUPS: usize = 40;
/// Dumps compared; more than that do not fit beside each other.
const DUMPS: usize = 8;

#[derive(Template)]
#[template(path = "jvm.html", config = "src/report/askama.toml")]
struct Machines {
    machines: Vec<Machine>,
    left_out: String,
}

struct Machine {
    name: String,
    collector: String,
    facts: Vec<(&'static str, String)>,
    heap: Option<String>,
    /// Whether the picture shows how sure the trend is.
    confident: bool,
    classes: Vec<Class>,
    dumps: Vec<String>,
    states: Vec<&'static str>,
    pools: Vec<PoolRow>,
    groups: Vec<Group>,
    groups_cut: String,
    locks: Vec<Locks>,
}

struct Class {
    name: String,
    first: String,
    last: String,
    growth: String,
    growth_sort: i128,
    instances: String,
    spark: Option<String>,
}

/// A pool and how many of its threads are in each state, in the last dump.
struct PoolRow {
    name: String,
    all: u64,
    counts: Vec<u64>,
}

struct Group {
    pool: String,
    state: String,
    counts: Vec<String>,
    change: String,
    change_sort: i128,
    frames: Vec<String>,
}

struct Locks {
    label: String,
    /// The earlier dump with the very same waits; it is not drawn again.
    same_as: String,
    deadlocks: Vec<Vec<String>>,
    svg: Option<String>,
    cut: String,
    rows: Vec<(String, String, String, usize)>,
}

/// One part per virtual machine.
pub(super) fn section(context: &mut Context<'_>) -> Option<Section> {
    let report = context.report;
    if report.jvms.is_empty() {
        return None;
    }
    let mut machines = Vec::new();
    for (at, jvm) in report.jvms.iter().take(context.limits.jvms).enumerate() {
        machines.push(machine(context, at, jvm));
    }
    let left_out = left_out(report.jvms.len(), machines.len(), "virtual machine", "virtual machines");
    let html = Machines { machines, left_out }.render().unwrap_or_default();
    Some(Section { place: 5, id: "s-jvm", name: "JVM", count: text::count(report.jvms.len() as u64), html })
}

fn machine(context: &mut Context<'_>, number: usize, jvm: &Jvm) -> Machine {
    let mut facts = Vec::new();
    if let Some(capacity) = jvm.capacity {
        facts.push(("capacity", text::bytes(capacity)));
    }
    facts.extend(heap::trend_with_band(jvm).map(|trend| ("trend of the floor", trend)));
    facts.extend(heap::longest_pause(jvm).map(|longest| ("longest pause", text::millis(longest))));
    if !jvm.dumps.is_empty() {
        facts.push(("thread dumps", text::count(jvm.dumps.len() as u64)));
    }
    let all_groups = groups(context, &jvm.dumps);
    let (states, pools) = pools(context, jvm.dumps.last());
    let heap = heap::draw(&format!("heap-{number}"), jvm).and_then(|svg| context.ink.draw(svg));
    let rows = context.limits.rows.min(60);
    Machine {
        name: context.name(&if jvm.instance.starts_with(&jvm.service) { jvm.instance.clone() } else { format!("{} {}", jvm.service, jvm.instance) }),
        collector: context.name(&jvm.collector),
        facts,
        heap,
        confident: jvm.band.is_some() && !jvm.heap.is_empty(),
        classes: jvm.classes.iter().take(rows).map(|it| class(context, it)).collect(),
        dumps: jvm.dumps.iter().take(DUMPS).map(|dump| label(context, dump)).collect(),
        states,
        pools,
        groups_cut: left_out(all_groups.1, all_groups.0.len(), "group of threads", "groups of threads"),
        groups: all_groups.0,
        locks: all_locks(context, number, &jvm.dumps[..jvm.dumps.len().min(DUMPS)]),
    }
}

/// When a dump was taken, else the file it is from.
fn label(context: &Context<'_>, dump: &Dump) -> String {
    context.name(&text::instant_ms(&dump.label).map_or_else(|| dump.label.clone(), |ms| context.time(ms)))
}

fn class(context: &mut Context<'_>, class: &ClassGrowth) -> Class {
    let ends = |values: &[u64]| (values.first().copied().unwrap_or(0), values.last().copied().unwrap_or(0));
    let ((first, last), (few, many)) = (ends(&class.bytes), ends(&class.instances));
    let growth_sort = i128::from(last) - i128::from(first);
    #[expect(clippy::cast_precision_loss, reason = "a small picture")]
    let values: Vec<f64> = class.bytes.iter().map(|bytes| *bytes as f64).collect();
    Class {
        name: context.name(&class.class),
        first: text::bytes(first),
        last: text::bytes(last),
        growth: if last >= first { format!("+{}", text::bytes(last - first)) } else { format!("-{}", text::bytes(first - last)) },
        growth_sort,
        instances: format!("{} to {}", text::count(few), text::count(many)),
        spark: context.ink.draw(small::spark(&values)),
    }
}

/// States in the order in which they are shown.
const STATES: &[&str] = &["RUNNABLE", "BLOCKED", "WAITING", "TIMED_WAITING", "NEW", "TERMINATED"];

/// Threads that every virtual machine has: they are told as one.
const HOUSEKEEPING: &[&str] = &[
    "Attach Listener",
    "C# CompilerThread#",
    "Common-Cleaner",
    "Finalizer",
    "Monitor Ctrl-Break",
    "Monitor Deflation Thread",
    "Notification Thread",
    "Reference Handler",
    "Service Thread",
    "Signal Dispatcher",
    "Sweeper thread",
    "VM Periodic Task Thread",
    "VM Thread",
];

fn pool_of(name: &str) -> &str {
    if HOUSEKEEPING.contains(&name) { "the virtual machine's own" } else { name }
}

/// A frame without what says nothing: the module's version, and the file where it is named like the class.
///
/// `java.lang.Object.wait(java.base@21.0.5/Object.java:366)` is `java.lang.Object.wait:366`.
fn frame(written: &str) -> String {
    let Some((method, place)) = written.split_once('(') else { return written.to_owned() };
    let place = if place.contains('@') { place.split_once('/').map_or(place, |(_, place)| place) } else { place };
    let class = method.rsplit_once('.').map_or("", |(class, _)| class.rsplit('.').next().unwrap_or(class));
    let file_of_class = format!("{}.java:", class.split('$').next().unwrap_or(class));
    match place.strip_prefix(file_of_class.as_str()).and_then(|line| line.strip_suffix(')')) {
        Some(line) if !class.is_empty() => format!("{method}:{line}"),
        _ if place == "Native Method)" => format!("{method} (native)"),
        _ => format!("{method}({place}"),
    }
}

/// Threads by pool and state.
fn pools(context: &Context<'_>, dump: Option<&Dump>) -> (Vec<&'static str>, Vec<PoolRow>) {
    let mut counts: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for group in dump.iter().flat_map(|dump| &dump.groups) {
        let known = counts.entry(pool_of(&group.pool)).or_default().entry(&group.state).or_default();
        *known = known.saturating_add(group.count);
    }
    let states: Vec<&'static str> = STATES.iter().copied().filter(|state| counts.values().any(|pool| pool.contains_key(*state))).collect();
    let mut rows: Vec<PoolRow> = counts
        .into_iter()
        .map(|(pool, of)| PoolRow {
            name: context.name(pool),
            all: of.values().fold(0, |sum, count| sum.saturating_add(*count)),
            counts: states.iter().map(|state| of.get(*state).copied().unwrap_or(0)).collect(),
        })
        .collect();
    rows.sort_by(|a, b| b.all.cmp(&a.all).then_with(|| a.name.cmp(&b.name)));
    rows.truncate(context.limits.rows.min(24));
    (states, rows)
}

/// Threads of all dumps side by side, the largest groups first, and how many groups there are.
fn groups(context: &Context<'_>, dumps: &[Dump]) -> (Vec<Group>, usize) {
    let dumps = &dumps[..dumps.len().min(DUMPS)];
    let mut counts: BTreeMap<(&str, &str, &[String]), Vec<u64>> = BTreeMap::new();
    for (at, dump) in dumps.iter().enumerate() {
        for ThreadGroup { pool, state, count, frames } in &dump.groups {
            let own = HOUSEKEEPING.contains(&pool.as_str());
            let key: (&str, &str, &[String]) = if own { (pool_of(pool), "", &[]) } else { (pool, state, frames) };
            let row = counts.entry(key).or_insert_with(|| vec![0; dumps.len()]);
            row[at] = row[at].saturating_add(*count);
        }
    }
    let all = counts.len();
    let largest = |counts: &[u64]| counts.iter().copied().max().unwrap_or(0);
    let mut rows: Vec<_> = counts.into_iter().collect();
    rows.sort_by_key(|(_, counts)| std::cmp::Reverse(largest(counts)));
    rows.truncate(GROUPS.min(context.limits.rows));
    let groups = rows
        .into_iter()
        .map(|((pool, state, frames), counts)| {
            let change_sort = i128::from(counts.last().copied().unwrap_or(0)) - i128::from(counts.first().copied().unwrap_or(0));
            Group {
                pool: context.name(pool),
                state: context.name(state),
                counts: counts.iter().map(|count| text::count(*count)).collect(),
                change: if change_sort == 0 { "0".to_owned() } else { format!("{change_sort:+}") },
                change_sort,
                frames: frames.iter().take(12).map(|it| context.name(&frame(it))).collect(),
            }
        })
        .collect();
    (groups, all)
}

fn all_locks(context: &mut Context<'_>, number: usize, dumps: &[Dump]) -> Vec<Locks> {
    let mut out = Vec::new();
    for (at, dump) in dumps.iter().enumerate() {
        let same = dumps[..at].iter().find(|earlier| !dump.waits.is_empty() && earlier.waits == dump.waits && earlier.deadlocks == dump.deadlocks);
        if let Some(earlier) = same {
            let (label, same_as) = (label(context, dump), label(context, earlier));
            out.push(Locks { label, same_as, deadlocks: Vec::new(), svg: None, cut: String::new(), rows: Vec::new() });
        } else {
            out.extend(locks(context, &format!("waits-{number}-{at}"), dump));
        }
    }
    out
}

fn locks(context: &mut Context<'_>, id: &str, dump: &Dump) -> Option<Locks> {
    let (svg, cut) = waits::draw(id, dump)?;
    let mut owners: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (waiter, lock, owner) in &dump.waits {
        owners.entry((owner, lock)).or_default().push(waiter);
    }
    let mut rows: Vec<_> = owners
        .into_iter()
        .map(|((owner, lock), waiters)| {
            let names = waiters.iter().take(8).copied().collect::<Vec<_>>().join(", ");
            let names = if waiters.len() > 8 { format!("{names} and {} more", waiters.len() - 8) } else { names };
            (context.name(owner), context.name(lock), context.text(&names), waiters.len())
        })
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.3));
    rows.truncate(context.limits.rows.min(60));
    Some(Locks {
        label: label(context, dump),
        same_as: String::new(),
        deadlocks: dump.deadlocks.iter().take(8).map(|names| names.iter().take(24).map(|name| context.name(name)).collect()).collect(),
        svg: context.ink.draw(svg),
        cut: if cut > 0 { format!("{} not drawn.", text::counted(cut as u64, "waiting thread is", "waiting threads are")) } else { String::new() },
        rows,
    })
}

#[cfg(test)]
mod tests {
    use super::frame;

    #[test]
    fn frames_say_a_thing_once() {
        for (written, short) in [
            ("java.lang.Object.wait(java.base@21.0.5/Object.java:366)", "java.lang.Object.wait:366"),
            ("com.acme.Pool$Worker.run(Pool.java:17)", "com.acme.Pool$Worker.run:17"),
            ("jdk.internal.misc.Unsafe.park(java.base@21.0.5/Native Method)", "jdk.internal.misc.Unsafe.park (native)"),
            ("com.acme.OrdersKt.load(Orders.kt:9)", "com.acme.OrdersKt.load(Orders.kt:9)"),
            ("no frame", "no frame"),
        ] {
            assert_eq!(frame(written), short);
        }
    }
}
