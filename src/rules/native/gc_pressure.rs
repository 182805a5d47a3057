//! `gc-pressure`: a JVM that stands still for collections for a good part of its time.
//!
//! Time is cut into windows; in each the pauses that stop the application are summed. What this file does not do: say whether
//! the live set grows; see `memory_leak_trend`.

use crate::correlate::Case;
use crate::correlate::heap::{Life, lives};
use crate::correlate::load::quantile;
use crate::correlate::series::median;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::jvm::{Gc, GcKind};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{MINUTE, SECOND, Time, Window};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector = Detector {
    id: "gc-pressure",
    thresholds: &["pause_percent", "spiral_percent", "windows", "long_pause", "full_collections", "freed_percent", "troubles"],
    detect,
};

/// Windows over which pauses that are known by their sum are spread at most.
const WINDOWS: i64 = 100;

/// A stop of the application.
#[derive(Clone, Copy)]
struct Pause {
    at: f64,
    time: Time,
    seconds: f64,
    evidence: Evidence,
}

/// Stops that are known by their sum alone.
#[derive(Clone, Copy)]
struct Others {
    from: f64,
    to: f64,
    count: u32,
    seconds: f64,
}

/// What a life of a JVM shows.
#[derive(Default)]
struct Pressure {
    pauses: Vec<Pause>,
    /// Of a log that is too long to keep every one.
    others: Vec<Others>,
    /// Start of each pressed window in seconds, and the share of it in percent.
    pressed: Vec<(f64, f64)>,
    width: f64,
    worst: f64,
    longest: Option<Pause>,
    /// Full collections that freed little, as many as fell within five minutes.
    fulls: Vec<Evidence>,
    freed: f64,
    live: u64,
    capacity: u64,
    troubles: Vec<Evidence>,
    warming: bool,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    for life in lives(&case.tables) {
        let pressure = pressure(case, rule, &life);
        out.extend(finding(case, rule, &life, &pressure));
    }
    let told: BTreeSet<Sym> = case.tables.gc.iter().map(|row| row.service).collect();
    from_metrics(case, rule, &told, out);
}

/// Whether a record stands for a stop of the whole application.
const fn stops(kind: GcKind) -> bool {
    matches!(kind, GcKind::Young | GcKind::Mixed | GcKind::Full | GcKind::Phase | GcKind::Degenerated)
}

fn pressure(case: &Case, rule: &Rule, life: &Life<'_>) -> Pressure {
    let names = &case.tables.names;
    let mut pressure = Pressure { capacity: life.capacity.unwrap_or(0), ..Pressure::default() };
    let causes: BTreeSet<Sym> = life.records.iter().map(|record| record.cause).collect();
    let by_hand =
        |cause: &Sym| ["System.gc", "Heap Dump", "Heap Inspection", "Diagnostic Command"].iter().any(|asked| names.get(*cause).contains(asked));
    let by_hand: BTreeSet<Sym> = causes.into_iter().filter(by_hand).collect();
    let asked = |record: &Gc| by_hand.contains(&record.cause);
    let mut fulls: Vec<(f64, Evidence, f64)> = Vec::new();
    let mut troubles: Vec<(f64, Evidence)> = Vec::new();
    let mut length = 0.0_f64;
    for record in &life.records {
        let at = life.at(record);
        length = length.max(at);
        if stops(record.kind) && record.nanos > 0 && !asked(record) {
            pressure.pauses.push(Pause { at, time: record.time, seconds: record.nanos as f64 / 1e9, evidence: record.evidence });
            if record.others > 0 {
                let (from, seconds) = (at - record.others_since as f64 / 1e9, record.others_nanos as f64 / 1e9);
                pressure.others.push(Others { from, to: at, count: record.others, seconds });
            }
        }
        if record.kind == GcKind::Full && !asked(record) {
            let (before, after) = (record.before.unwrap_or(0), record.after.unwrap_or(0));
            let heap = record.capacity.or(life.capacity).unwrap_or(before).max(1);
            let freed = 100.0 * before.saturating_sub(after) as f64 / heap as f64;
            pressure.live = after;
            if freed < rule.limit("freed_percent") && 2 * after >= heap {
                fulls.push((at, record.evidence, freed));
            }
        }
        if matches!(record.kind, GcKind::Stall | GcKind::GaveUp | GcKind::EvacuationFailure | GcKind::Degenerated) {
            troubles.push((at, record.evidence));
        }
    }
    pressure.longest = pressure.pauses.iter().copied().max_by(|a, b| a.seconds.total_cmp(&b.seconds).then(b.at.total_cmp(&a.at)));
    pressure.fulls = densest(&fulls.iter().map(|(at, evidence, _)| (*at, *evidence)).collect::<Vec<_>>(), 300.0);
    pressure.freed = fulls.iter().map(|(.., freed)| *freed).fold(f64::INFINITY, f64::min);
    pressure.troubles = densest(&troubles, 600.0);
    // Windows as short as a tenth of the life, so that a short log has some; the first one is the start's.
    let width = (length / 10.0).clamp(5.0, 60.0);
    let mut sums: BTreeMap<i64, f64> = BTreeMap::new();
    pressure.pauses.iter().for_each(|pause| *sums.entry((pause.at / width).floor() as i64).or_default() += pause.seconds);
    for others in &pressure.others {
        // They lie anywhere in their stretch, which is seldom longer than a window.
        let (from, to) = ((others.from / width).floor() as i64, (others.to / width).floor() as i64);
        // A clock that jumps makes a stretch of years.
        for number in from.max(to - WINDOWS)..=to {
            let within = others.to.min((number + 1) as f64 * width) - others.from.max(number as f64 * width);
            let share = if from == to { 1.0 } else { within / (others.to - others.from) };
            *sums.entry(number).or_default() += others.seconds * share;
        }
    }
    for (number, seconds) in sums {
        let percent = (100.0 * seconds / width).min(100.0);
        if number == 0 && length >= 3.0 * width {
            pressure.warming |= percent >= rule.limit("pause_percent");
            continue;
        }
        pressure.worst = pressure.worst.max(percent);
        if percent >= rule.limit("pause_percent") {
            pressure.pressed.push((number as f64 * width, percent));
        }
    }
    pressure.width = width;
    pressure
}

/// The pause of middle length in seconds; those known by their sum are all of their mean.
fn middle(pressure: &Pressure) -> f64 {
    if pressure.others.is_empty() {
        return median(pressure.pauses.iter().map(|pause| pause.seconds)).unwrap_or(0.0);
    }
    let others = pressure.others.iter().map(|others| (others.seconds / f64::from(others.count), f64::from(others.count)));
    let mut all: Vec<(f64, f64)> = pressure.pauses.iter().map(|pause| (pause.seconds, 1.0)).chain(others).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    quantile(&all, 0.5)
}

/// The records of the stretch of `seconds` that holds most of them.
fn densest(records: &[(f64, Evidence)], seconds: f64) -> Vec<Evidence> {
    let mut best = 0..0;
    let mut from = 0;
    for (at, (time, _)) in records.iter().enumerate() {
        while records.get(from).is_some_and(|(first, _)| time - first > seconds) {
            from += 1;
        }
        if at + 1 - from > best.len() {
            best = from..at + 1;
        }
    }
    records.get(best).unwrap_or_default().iter().map(|(_, evidence)| *evidence).collect()
}

fn finding(case: &Case, rule: &Rule, life: &Life<'_>, pressure: &Pressure) -> Option<Finding> {
    let names = &case.tables.names;
    let windows = pressure.pressed.len() as f64 >= rule.limit("windows");
    let long = pressure.longest.filter(|pause| pause.seconds >= rule.limit("long_pause"));
    let fulls = pressure.fulls.len() as f64 >= rule.limit("full_collections");
    let troubles = pressure.troubles.len() as f64 >= rule.limit("troubles");
    if !(windows || long.is_some() || fulls || troubles) {
        return None;
    }
    let (window, cited) = extent(life, pressure, long);
    let subject = Subject { service: names.get(life.service).to_owned(), key: names.get(life.instance).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    // Said first is what weighs most: time lost as a whole, one stop too long, a heap that is full, the collector's own words.
    finding.kind = match (windows, long, fulls) {
        (true, ..) => "",
        (_, Some(_), _) => "long-pause",
        (_, _, true) => "full-heap",
        _ => "falling-behind",
    }
    .to_owned();
    let spiral = pressure.worst >= rule.limit("spiral_percent") && windows || pressure.fulls.len() >= 5 && pressure.freed < 5.0;
    let serious = windows && pressure.worst >= rule.upper("pause_percent") || long.is_some() || fulls;
    finding.severity = if spiral {
        Severity::Critical
    } else if serious {
        Severity::High
    } else {
        Severity::Medium
    };
    finding.score = score(pressure.worst.max(rule.limit("pause_percent")), rule.limit("pause_percent"), rule.upper("pause_percent"));
    finding.confidence = Belief::new()
        .with_if(windows, "pauses that sum up", Input::GcLogs, 0.8)
        .with_if(fulls, "full collections that free little", Input::GcLogs, 0.7)
        .with_if(long.is_some(), "a pause longer than anybody waits", Input::GcLogs, 0.8)
        .with_if(troubles, "the collector's own words", Input::GcLogs, 0.7)
        .value();
    let pauses = pressure.pauses.len() as u64 + pressure.others.iter().map(|others| u64::from(others.count)).sum::<u64>();
    let pause_s: f64 = pressure.pauses.iter().map(|pause| pause.seconds).chain(pressure.others.iter().map(|others| others.seconds)).sum();
    finding
        .measure_against("worst_percent", round(pressure.worst), "percent of the time", rule.limit("pause_percent"))
        .measure("pressed_s", round(pressure.pressed.len() as f64 * pressure.width), "s")
        .measure("pauses", pauses as f64, "pauses")
        .measure("pause_s", round(pause_s), "s")
        .measure("pause_p50_ms", round(middle(pressure) * 1000.0), "ms")
        .measure("longest_ms", round(pressure.longest.map_or(0.0, |pause| pause.seconds * 1000.0)), "ms")
        .measure("full_collections", pressure.fulls.len() as f64, "collections")
        .measure("troubles", pressure.troubles.len() as f64, "records")
        .measure("live_mb", round(pressure.live as f64 / 1_048_576.0), "MiB")
        .measure("heap_mb", round(pressure.capacity as f64 / 1_048_576.0), "MiB")
        .word("limit_percent", rule.limit("pause_percent").to_string())
        .word("freed_percent", rule.limit("freed_percent").to_string())
        .word("collector", names.get(life.collector));
    let percent = 100.0 * pressure.live as f64 / pressure.capacity.max(1) as f64;
    finding
        .word(
            "full",
            if pressure.fulls.is_empty() {
                String::new()
            } else {
                format!(
                    "{} full collections within five minutes each freed less than {:.0} % of the heap.",
                    pressure.fulls.len(),
                    rule.limit("freed_percent")
                )
            },
        )
        .word(
            "live",
            if pressure.live > 0 && pressure.capacity > 0 {
                format!("After a full collection {percent:.0} % of the heap are still in use.")
            } else {
                String::new()
            },
        )
        .word(
            "trouble",
            if pressure.troubles.is_empty() {
                String::new()
            } else {
                format!("In {} records the collector itself says that it does not keep up.", pressure.troubles.len())
            },
        )
        .look_alike("The start of the process", if pressure.warming { "excluded: the first window is left out" } else { "excluded: it begins later" })
        .look_alike("Collections that were asked for", "excluded: System.gc() and heap dumps do not count")
        .look_alike("A live set that grows", "told apart: whether it grows is judged by a rule of its own");
    finding.cite(cited);
    finding.evidence_total = pauses;
    Some(finding)
}

/// From when to when the pressure lasts, and the records that show it best: the longest pauses and the collector's words.
fn extent(life: &Life<'_>, pressure: &Pressure, long: Option<Pause>) -> (Window, Vec<Evidence>) {
    let within = |pause: &&Pause| pressure.pressed.iter().any(|(start, _)| pause.at >= *start && pause.at < start + pressure.width);
    let mut pressed: Vec<Pause> = pressure.pauses.iter().filter(within).copied().collect();
    pressed.extend(long);
    let mut window = Window::default();
    pressed.iter().for_each(|pause| window.add(pause.time));
    let noted: BTreeSet<Evidence> = pressure.fulls.iter().chain(&pressure.troubles).copied().collect();
    life.records.iter().filter(|record| noted.contains(&record.evidence)).for_each(|record| window.add(record.time));
    if window.start.is_none() {
        window = life.window;
    }
    pressed.sort_by(|a, b| b.seconds.total_cmp(&a.seconds).then(a.evidence.cmp(&b.evidence)));
    let cited = pressed
        .iter()
        .take(5)
        .map(|pause| pause.evidence)
        .chain(pressure.fulls.iter().take(2).copied())
        .chain(pressure.troubles.iter().take(2).copied());
    (window, cited.collect())
}

/// Time spent on collections by the JVM's own count, from scrapes.
fn from_metrics(case: &Case, rule: &Rule, told: &BTreeSet<Sym>, out: &mut Vec<Finding>) {
    let names = &case.tables.names;
    let mut sums: BTreeMap<(Sym, Sym), BTreeMap<Time, (f64, Evidence)>> = BTreeMap::new();
    for series in ["jvm.gc.pause.sum", "jvm.gc.duration.sum", "jvm.gc.collection.sum"].iter().flat_map(|name| case.series(name)) {
        // Concurrent work of a collector runs beside the application.
        let concurrent = series.labels.to_ascii_lowercase().contains("concurrent");
        if told.contains(&series.service) || concurrent {
            continue;
        }
        let points = sums.entry((series.service, series.instance)).or_default();
        for (gain, point) in series.gains().zip(series.points.iter().skip(1)) {
            let entry = points.entry(gain.0).or_insert((0.0, point.evidence));
            entry.0 += gain.1;
        }
    }
    for ((service, instance), points) in sums {
        let times: Vec<(Time, f64, Evidence)> = points.iter().map(|(time, (gain, evidence))| (*time, *gain, *evidence)).collect();
        let mut shares: Vec<(Window, f64, Evidence)> = Vec::new();
        for pair in times.windows(2) {
            let seconds = pair[1].0.since(pair[0].0) as f64 / SECOND as f64;
            if (1.0..=600.0).contains(&seconds) {
                shares.push((Window::of(pair[0].0, pair[1].0), (100.0 * pair[1].1 / seconds).min(100.0), pair[1].2));
            }
        }
        let pressed: Vec<&(Window, f64, Evidence)> = shares.iter().filter(|(_, percent, _)| *percent >= rule.limit("pause_percent")).collect();
        let lasted: i64 = pressed.iter().map(|(window, ..)| window.nanos()).sum();
        if (pressed.len() as f64) < rule.limit("windows") || lasted < MINUTE / 2 {
            continue;
        }
        let mut window = Window::default();
        pressed.iter().for_each(|(part, ..)| window.join(*part));
        let worst = pressed.iter().map(|(_, percent, _)| *percent).fold(0.0, f64::max);
        let subject = Subject { service: names.get(service).to_owned(), key: names.get(instance).to_owned(), ..Subject::default() };
        let mut finding = Finding::new(&rule.id, subject, window);
        "metrics".clone_into(&mut finding.kind);
        finding.severity = if worst >= rule.upper("pause_percent") { Severity::High } else { Severity::Medium };
        finding.score = score(worst, rule.limit("pause_percent"), rule.upper("pause_percent"));
        finding.confidence = Belief::new().with("time of collections between scrapes", Input::Metrics, 0.75).value();
        finding
            .measure_against("worst_percent", round(worst), "percent of the time", rule.limit("pause_percent"))
            .measure("pressed_s", round(lasted as f64 / SECOND as f64), "s")
            .word("limit_percent", rule.limit("pause_percent").to_string())
            .look_alike("Collections beside the application", "excluded: series of concurrent work are left out")
            .look_alike("A single scrape", "excluded: several in a row show it");
        finding.cite(pressed.iter().map(|(.., evidence)| *evidence));
        out.push(finding);
    }
}

#[cfg(test)]
mod tests {
    use crate::model::finding::{Finding, Severity};
    use crate::rules::fixture::{bundle, check, measured, rule};

    /// A log of `seconds` in which collections of `kind` take `pause` milliseconds every second.
    fn log(seconds: u32, kind: &str, pause: impl Fn(u32) -> f64) -> String {
        let mut text = "[2026-11-22T19:48:37.535+0000][0.005s][info][gc] Using Parallel\n".to_owned();
        for n in 1..seconds {
            text.push_str(&format!(
                "[2026-11-22T19:{:02}:{:02}.000+0000][{n}.000s][info][gc] GC({n}) {kind} 300M->280M(320M) {:.3}ms\n",
                48 + n / 60,
                n % 60,
                pause(n)
            ));
        }
        text
    }

    fn found(text: &str) -> Vec<Finding> {
        check(&rule("gc-pressure"), &bundle(&[("quotes-0/gc.log", text)]), None)
    }

    #[test]
    fn pauses_that_take_a_third_of_the_time() {
        let found = found(&log(180, "Pause Young (Allocation Failure)", |n| if n < 60 { 10.0 } else { 330.0 }));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].severity, Severity::High);
        assert!((measured(&found[0], "worst_percent") - 33.0).abs() < 4.0);
        assert!(found[0].window.start.rfc3339().as_str() >= "2026-11-22T19:48:50");
    }

    #[test]
    fn full_collections_that_free_nothing() {
        let found = found(&log(120, "Pause Full (Ergonomics)", |_| 40.0));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(measured(&found[0], "full_collections") > 50.0);
        assert_eq!(found[0].kind, "full-heap", "four percent of the time are not what is wrong");
    }

    #[test]
    fn one_pause_that_nobody_waits_for() {
        let found = found(&log(300, "Pause Young (Allocation Failure)", |n| if n == 200 { 6_500.0 } else { 8.0 }));
        assert_eq!((found.len(), found[0].kind.as_str(), measured(&found[0], "longest_ms")), (1, "long-pause", 6_500.0));
    }

    #[test]
    fn a_collector_that_says_itself_that_it_is_late() {
        let mut text = log(300, "Pause Young (Allocation Failure)", |_| 8.0);
        for n in 0..4 {
            text.push_str(&format!("[2026-11-22T19:5{n}:30.500+0000][{}.500s][info][gc] Allocation Stall (main) 41.250ms\n", 123 + 60 * n));
        }
        let found = found(&text);
        assert_eq!((found.len(), found[0].kind.as_str(), found[0].severity), (1, "falling-behind", Severity::Medium), "{found:?}");
        assert_eq!(measured(&found[0], "troubles"), 4.0);
    }

    #[test]
    fn of_very_many_pauses_the_sums_are_kept() {
        // Half a day of collections, three a second; from the middle on each takes a tenth of a second.
        let line = |n: u32| {
            let (at, length) = (f64::from(n) / 3.0 + 1.0, if n < 60_000 { 5.0 } else { 100.0 });
            format!("[{at:.3}s][info][gc] GC({n}) Pause Young (Allocation Failure) 300M->280M(320M) {length:.3}ms\n")
        };
        let text = |of: std::ops::Range<u32>| -> String { "[0.005s][info][gc] Using Parallel\n".to_owned() + &of.map(line).collect::<String>() };
        let busy = found(&text(0..120_000));
        assert_eq!(busy.len(), 1, "{busy:?}");
        assert_eq!((measured(&busy[0], "pauses"), measured(&busy[0], "pause_s")), (120_000.0, 6_300.0));
        assert!((measured(&busy[0], "worst_percent") - 30.0).abs() < 1.0 && busy[0].severity == Severity::High, "{busy:?}");
        assert!((measured(&busy[0], "pressed_s") - 20_000.0).abs() < 200.0, "{busy:?}");
        assert!(found(&text(0..60_000)).is_empty(), "five milliseconds three times a second");
    }

    #[test]
    fn an_ordinary_heap_is_silent() {
        assert!(found(&log(300, "Pause Young (Allocation Failure)", |_| 12.0)).is_empty());
        assert!(found(&log(300, "Pause Young (Allocation Failure)", |n| if n == 100 { 900.0 } else { 8.0 })).is_empty(), "one long pause");
    }

    #[test]
    fn the_start_and_what_was_asked_for_are_silent() {
        assert!(found(&log(300, "Pause Young (Allocation Failure)", |n| if n < 25 { 300.0 } else { 5.0 })).is_empty(), "the start");
        assert!(found(&log(120, "Pause Full (System.gc())", |_| 400.0)).is_empty(), "asked for");
    }

    #[test]
    fn metrics_alone() {
        let metric = |step: f64| -> String {
            (0..20)
                .map(|n| {
                    format!(
                        "# TYPE jvm_gc_pause_seconds_sum counter\njvm_gc_pause_seconds_sum{{action=\"end of major GC\"}} {} {}\n",
                        f64::from(n) * step,
                        1_795_428_000_000_i64 + i64::from(n) * 15_000
                    )
                })
                .collect()
        };
        let found = |text: &str| check(&rule("gc-pressure"), &bundle(&[("orders/metrics.prom", text)]), None);
        assert_eq!(found(&metric(5.0)).len(), 1);
        assert!(found(&metric(0.3)).is_empty());
    }
}
