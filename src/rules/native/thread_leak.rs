//! `thread-leak`: a kind of threads of which every dump has more than the one before.
//!
//! Threads are of a kind if their names differ in numbers only. What this file does not do: pools that fill up because their
//! threads are held up; see `thread_pool_exhaustion`.

use crate::correlate::Case;
use crate::correlate::pools::{Doing, Stacks};
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{MINUTE, Time, Window};
use crate::model::trend;
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector =
    Detector { id: "thread-leak", thresholds: &["added", "grown_percent", "still_percent", "dumps", "idle_percent", "many", "points"], detect };

/// Threads of one kind in one dump.
#[derive(Default)]
struct Kind {
    count: usize,
    idle: usize,
    executors: BTreeSet<String>,
    examples: Vec<Evidence>,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    from_dumps(scope.case, rule, out);
    let told: BTreeSet<String> = out.iter().map(|finding| finding.subject.service.clone()).collect();
    from_metrics(scope.case, rule, &told, out);
}

/// A dump in the order of time; those of one time, or of none, by where they stand.
type Moment = (Time, Evidence);

fn from_dumps(case: &Case, rule: &Rule, out: &mut Vec<Finding>) {
    let names = &case.tables.names;
    let mut kinds: BTreeMap<(Sym, Sym, String), BTreeMap<Moment, Kind>> = BTreeMap::new();
    let mut processes: BTreeMap<(Sym, Sym), BTreeSet<Moment>> = BTreeMap::new();
    let dumps: BTreeMap<Evidence, _> = case.tables.dumps.iter().map(|dump| (dump.evidence, dump)).collect();
    for dump in case.tables.dumps.iter() {
        processes.entry((dump.service, dump.instance)).or_default().insert((dump.time, dump.evidence));
    }
    let mut stacks = Stacks::default();
    for thread in case.tables.threads.iter().filter(|thread| !thread.is_virtual && !thread.stack.is_none()) {
        let Some(dump) = dumps.get(&thread.dump) else { continue };
        let name = names.get(thread.name);
        let kind = kinds.entry((dump.service, dump.instance, folded(name))).or_default().entry((dump.time, dump.evidence)).or_default();
        kind.count += 1;
        kind.idle += usize::from(stacks.doing(thread, names) == Doing::Idle);
        if let Some((executor, _)) = name.rsplit_once("-thread-") {
            kind.executors.insert(executor.to_owned());
        }
        if kind.examples.len() < 2 {
            kind.examples.push(thread.evidence);
        }
    }
    for ((service, instance, name), by_dump) in kinds {
        let Some(all) = processes.get(&(service, instance)).filter(|all| all.len() as f64 >= rule.limit("dumps")) else { continue };
        let counts: Vec<(Time, f64)> = all.iter().map(|dump| (dump.0, by_dump.get(dump).map_or(0.0, |kind| kind.count as f64))).collect();
        let Some((_, last)) = by_dump.last_key_value() else { continue };
        let idle = 100.0 * last.idle as f64 / last.count.max(1) as f64;
        if name.contains('#') && grows(rule, &counts) && idle >= rule.limit("idle_percent") {
            let examples = by_dump.values().flat_map(|kind| kind.examples.iter().copied()).collect();
            out.push(dumped(case, rule, (service, instance, &name), &counts, idle, last, examples));
        }
    }
}

/// The name with every run of digits as `#` and runs of hex as `*`.
fn folded(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_digit() {
            if !out.ends_with('#') {
                out.push('#');
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether the counts never fall, rise by enough, and go on rising.
fn grows(rule: &Rule, counts: &[(Time, f64)]) -> bool {
    let (Some(first), Some(last), Some(middle)) = (counts.first(), counts.last(), counts.get(counts.len() / 2)) else { return false };
    let added = last.1 - first.1;
    let (before, after) = (middle.1 - first.1, last.1 - middle.1);
    counts.windows(2).all(|pair| pair[1].1 >= pair[0].1)
        && added >= rule.limit("added")
        && 100.0 * added >= rule.limit("grown_percent") * first.1
        && 100.0 * after >= rule.limit("still_percent") * before
        && after > 0.0
}

fn dumped(
    case: &Case,
    rule: &Rule,
    (service, instance, name): (Sym, Sym, &str),
    counts: &[(Time, f64)],
    idle: f64,
    last: &Kind,
    examples: Vec<Evidence>,
) -> Finding {
    let names = &case.tables.names;
    let mut window = Window::default();
    counts.iter().for_each(|(time, _)| window.add(*time));
    let subject =
        Subject { service: names.get(service).to_owned(), operation: name.to_owned(), key: names.get(instance).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    let (first, most) = (counts.first().map_or(0.0, |count| count.1), counts.last().map_or(0.0, |count| count.1));
    finding.severity = if most >= rule.limit("many") || most - first >= rule.upper("added") { Severity::High } else { Severity::Medium };
    finding.score = score(most - first, rule.limit("added"), rule.upper("added"));
    let new_executors = last.executors.len() as f64 >= 0.5 * last.count as f64 && last.executors.len() > 4;
    finding.confidence = Belief::new()
        .with("more threads of one kind in every dump", Input::ThreadDumps, 0.65)
        .with_if(new_executors, "a new executor for each of them", Input::ThreadDumps, 0.5)
        .with_if(counts.len() > 3, "more than three dumps", Input::ThreadDumps, 0.4)
        .value();
    figures(&mut finding, rule, first, most, window);
    let seconds = window.nanos() as f64 / 1e9;
    finding
        .measure("dumps", counts.len() as f64, "dumps")
        .measure("idle_percent", round(idle), "percent")
        .measure("per_minute", if seconds > 0.0 { round((most - first) * 60.0 / seconds) } else { 0.0 }, "threads per minute")
        .word("threads", name.trim_end_matches('#'))
        .word("shape", if new_executors { "Nearly each of them belongs to an executor of its own that nobody shut down." } else { "" })
        .look_alike("A pool that warms up to its size", "excluded: it grew in the second half as well")
        .look_alike("A pool whose threads are held up", format!("excluded: {idle:.0} % of them wait for work"))
        .look_alike("A burst of load", "excluded: no dump has fewer than the one before");
    finding.cite(examples);
    finding
}

fn figures(finding: &mut Finding, rule: &Rule, first: f64, last: f64, window: Window) {
    finding
        .measure("first", first, "threads")
        .measure("last", last, "threads")
        .measure_against("added", last - first, "threads", rule.limit("added"))
        .measure("minutes", round(window.nanos() as f64 / MINUTE as f64), "minutes");
}

fn from_metrics(case: &Case, rule: &Rule, told: &BTreeSet<String>, out: &mut Vec<Finding>) {
    let names = &case.tables.names;
    for series in ["jvm.threads.live", "jvm.thread.count", "jvm.threads.current", "process.threads"].iter().flat_map(|name| case.series(name)) {
        if told.contains(names.get(series.service)) || (series.points.len() as f64) < rule.limit("points") {
            continue;
        }
        let life = series.points;
        // The low points: a burst that ends leaves them where they were.
        let points: Vec<(f64, f64)> = life.iter().map(|point| (point.time.0 as f64 / 1e9, point.value)).collect();
        let floor = trend::lower_envelope(&points);
        let counts: Vec<(Time, f64)> = floor.iter().map(|(at, value)| (Time((*at * 1e9) as i64), *value)).collect();
        let values: Vec<f64> = floor.iter().map(|(_, value)| *value).collect();
        if floor.len() < 6 || trend::mann_kendall(&values).tau < 0.8 || !grows(rule, &counts) {
            continue;
        }
        let (Some(start), Some(end)) = (life.first(), life.last()) else { continue };
        let window = Window::of(start.time, end.time);
        let subject = Subject { service: names.get(series.service).to_owned(), key: names.get(series.instance).to_owned(), ..Subject::default() };
        let mut finding = Finding::new(&rule.id, subject, window);
        "metrics".clone_into(&mut finding.kind);
        finding.severity = if end.value >= rule.limit("many") { Severity::High } else { Severity::Medium };
        finding.score = score(end.value - start.value, rule.limit("added"), rule.upper("added"));
        finding.confidence = Belief::new().with("a number of threads that only rises", Input::Metrics, 0.65).value();
        figures(&mut finding, rule, start.value, end.value, window);
        finding
            .look_alike("A burst of load", "excluded: the lowest points rise as well")
            .look_alike("A pool that warms up to its size", "excluded: it goes on rising in the second half")
            .cite([start.evidence, end.evidence]);
        out.push(finding);
    }
}

#[cfg(test)]
mod tests {
    use crate::model::finding::Finding;
    use crate::rules::fixture::{bundle, check, measured, rule};

    fn dump(minute: u32, groups: &[(&str, u32)]) -> String {
        let mut text = format!("2026-11-22 19:{minute:02}:34\nFull thread dump OpenJDK 64-Bit Server VM (17.0.15+6 mixed mode):\n\n");
        for (name, count) in groups {
            for n in 1..=*count {
                text.push_str(&format!("\"{}\" #{n} daemon prio=5 os_prio=0 cpu=1.00ms elapsed=60.00s tid=0x00007f5618{n:06x} nid=0x{n:x} waiting on condition  [0x00007f561c760000]\n   java.lang.Thread.State: WAITING (parking)\n\tat jdk.internal.misc.Unsafe.park(java.base@17/Native Method)\n\tat java.util.concurrent.ThreadPoolExecutor.getTask(java.base@17/ThreadPoolExecutor.java:1062)\n\n", name.replace('#', &n.to_string())));
            }
        }
        text
    }

    fn found(dumps: &[String]) -> Vec<Finding> {
        let paths: Vec<String> = (0..dumps.len()).map(|n| format!("orders/dump-{n}.txt")).collect();
        let files: Vec<(&str, &str)> = paths.iter().zip(dumps).map(|(path, text)| (path.as_str(), text.as_str())).collect();
        check(&rule("thread-leak"), &bundle(&files), None)
    }

    #[test]
    fn executors_that_nobody_shuts_down() {
        let dumps: Vec<String> = (0..4).map(|n| dump(10 + n, &[("pool-#-thread-1", 10 + n * 30), ("http-nio-8080-exec-#", 10)])).collect();
        let found = found(&dumps);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((measured(&found[0], "first"), measured(&found[0], "last"), measured(&found[0], "dumps")), (10.0, 100.0, 4.0));
        assert!(found[0].words["shape"].contains("executor of its own"));
    }

    #[test]
    fn a_pool_that_fills_up_is_no_leak() {
        let dumps: Vec<String> =
            [10, 80, 100, 100, 100].iter().zip(10..).map(|(count, minute)| dump(minute, &[("http-nio-8080-exec-#", *count)])).collect();
        assert!(found(&dumps).is_empty());
    }

    #[test]
    fn threads_that_come_and_go_are_no_leak() {
        let dumps: Vec<String> = [10, 90, 20, 110, 30].iter().zip(10..).map(|(count, minute)| dump(minute, &[("pool-#-thread-1", *count)])).collect();
        assert!(found(&dumps).is_empty());
        assert!(found(&dumps[..2]).is_empty(), "two dumps");
    }

    #[test]
    fn the_metric_alone() {
        let metric = |value: &dyn Fn(i64) -> i64| -> String {
            (0..40)
                .map(|n| format!("# TYPE jvm_threads_live_threads gauge\njvm_threads_live_threads {} {}\n", value(n), 1_795_428_000_000 + n * 15_000))
                .collect()
        };
        let found = |text: &str| check(&rule("thread-leak"), &bundle(&[("orders/metrics.prom", text)]), None);
        assert_eq!(found(&metric(&|n| 30 + n * 9)).len(), 1);
        assert!(found(&metric(&|n| 30 + (n % 8) * 20)).is_empty(), "bursts");
        assert!(found(&metric(&|n| 30 + (n * 9).min(90))).is_empty(), "a pool that reaches its size");
    }
}
