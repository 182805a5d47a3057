//! `memory-leak-trend`: the live set of a JVM rises over its whole life and does not come back.
//!
//! The floor that proves most decides; a weaker one is only asked if the stronger has too few points, and is overruled by
//! any strong point that came down. Class histograms add what grows, and stand alone if there is no GC log.
//! What this file does not do: class loaders, threads, memory outside the heap; those are rules of their own.

mod deployments;
mod metered;

use crate::correlate::heap::{self, Floor, Life, Point, Strength};
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::jvm::Histogram;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::tables::Tables;
use crate::model::time::Window;
use crate::model::trend;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

/// The detector.
pub const DETECTOR: Detector = Detector {
    id: "memory-leak-trend",
    thresholds: &[
        "growth_of_capacity",
        "growth_of_floor",
        "trend_z",
        "trend_tau",
        "plateau_slope",
        "last_floor",
        "returned",
        "warm_up_share",
        "warm_up_longest",
        "few_points_growth",
        "covered",
        "class_growth",
        "class_bytes",
        "class_instances",
        "class_share",
        "exhaustion_high",
        "exhaustion_medium",
        "deployments",
    ],
    detect,
};

/// What an `OutOfMemoryError` says when the heap is full.
const HEAP_TEXTS: &[&str] = &["Java heap space", "GC overhead limit exceeded"];

/// Classes that hold other things: they name no culprit by themselves.
const CONTAINERS: &[&str] = &["java.util.", "java.lang.", "byte[]", "char[]", "int[]", "long[]", "java.lang.Object[]"];

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let tables = &scope.case.tables;
    let grown = grown_classes(tables, rule);
    let lives = heap::lives(tables);
    let mut leaks: BTreeMap<(String, String), (Leak, &Life<'_>)> = BTreeMap::new();
    for life in &lives {
        let Some(leak) = leak(life, tables, rule) else { continue };
        let key = (tables.names.get(life.service).to_owned(), tables.names.get(life.instance).to_owned());
        let worse = leaks.get(&key).is_none_or(|(known, _)| leak.growth > known.growth);
        if worse {
            leaks.insert(key, (leak, life));
        }
    }
    let instances: BTreeMap<String, usize> = leaks.keys().fold(BTreeMap::new(), |mut count, (service, _)| {
        *count.entry(service.clone()).or_default() += 1;
        count
    });
    for ((service, instance), (leak, life)) in &leaks {
        let classes =
            grown.get(&(service.clone(), instance.clone())).or_else(|| grown.iter().find(|((s, _), _)| s == service).map(|(_, classes)| classes));
        let siblings = instances.get(service).copied().unwrap_or(1);
        out.push(finding(rule, (service, instance), leak, life, classes, siblings, tables));
    }
    let logged = lives.iter().map(|life| (life.service, life.instance)).collect();
    out.extend(metered::find(scope.case, rule, &logged));
    let leaking: BTreeSet<&str> = leaks.keys().map(|(service, _)| service.as_str()).collect();
    out.extend(deployments::find(tables, rule, &lives).into_iter().filter(|finding| !leaking.contains(finding.subject.service.as_str())));
    // A heap that no GC log tells of, or whose log is too short, may still show in its histograms.
    for ((service, instance), classes) in &grown {
        let told = leaks.keys().any(|(s, _)| s == service);
        let contradicted = lives.iter().any(|life| tables.names.get(life.service) == service && comes_back(life, tables, rule));
        if !told && !contradicted {
            out.extend(from_histograms(rule, service, instance, classes));
        }
    }
}

/// A floor that rises.
struct Leak {
    floor: Floor,
    /// Bytes a second.
    slope: f64,
    /// Bytes over the span that was looked at.
    growth: f64,
    capacity: f64,
    z: f64,
    tau: f64,
    /// Few strong points: a suspicion.
    few: bool,
    old_collection: bool,
}

fn leak(life: &Life<'_>, tables: &Tables, rule: &Rule) -> Option<Leak> {
    let floors = life.floors(&tables.names);
    let capacity = life.capacity? as f64;
    let decisive = heap::decisive(&floors, rule.limit("covered"))?;
    let strong: Vec<Point> = floors[..decisive].iter().filter(|f| f.strength == Strength::Strong).flat_map(|f| f.points.clone()).collect();
    let floor = floors.into_iter().nth(decisive)?;
    let trimmed = without_warm_up(&floor.points, rule);
    let points: Vec<(f64, f64)> = trimmed.iter().map(|p| (p.at, p.bytes as f64)).collect();
    let few = points.len() < 6;
    let series = if few || floor.strength == Strength::Strong { points.clone() } else { trend::lower_envelope(&points) };
    let (first, last) = (*series.first()?, *series.last()?);
    let slope = trend::slope(&series)?;
    let growth = slope * (last.0 - first.0);
    let test = trend::mann_kendall(&series.iter().map(|p| p.1).collect::<Vec<_>>());
    let highest = series.iter().map(|p| p.1).fold(0.0, f64::max);
    let rises = if few {
        series.len() >= 3 && series.windows(2).all(|pair| pair[1].1 > pair[0].1) && growth >= rule.limit("few_points_growth") * capacity
    } else {
        series.len() >= 6
            && test.z >= rule.limit("trend_z")
            && test.tau >= rule.limit("trend_tau")
            && growth >= (rule.limit("growth_of_capacity") * capacity).max(rule.limit("growth_of_floor") * first.1)
            && !levels_off(&series, slope, rule)
    };
    let stays = last.1 >= rule.limit("last_floor") * highest;
    let line = first.1 + rule.limit("returned") * growth;
    let returned = strong.iter().chain(&trimmed).filter(|p| p.at > f64::midpoint(first.0, last.0)).any(|p| (p.bytes as f64) < line);
    if !rises || !stays || returned || slope <= 0.0 {
        return None;
    }
    let old_collection = life.has_old_collection(first.0, last.0);
    Some(Leak { floor: Floor { points: trimmed, ..floor }, slope, growth, capacity, z: test.z, tau: test.tau, few, old_collection })
}

fn without_warm_up(points: &[Point], rule: &Rule) -> Vec<Point> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let length = last.at - first.at;
    let warm = (rule.limit("warm_up_share") * length).min(rule.limit("warm_up_longest"));
    let kept: Vec<Point> = points.iter().copied().filter(|p| p.at - first.at >= warm).collect();
    // Of a handful of points none can be spared.
    if kept.len() >= 6 { kept } else { points.to_vec() }
}

fn levels_off(series: &[(f64, f64)], slope: f64, rule: &Rule) -> bool {
    let half = &series[series.len() / 2..];
    half.len() >= 3 && trend::slope(half).is_some_and(|second| second < rule.limit("plateau_slope") * slope)
}

/// Whether strong points show that the live set does not grow.
fn comes_back(life: &Life<'_>, tables: &Tables, rule: &Rule) -> bool {
    let floors = life.floors(&tables.names);
    let Some(strong) = floors.iter().find(|floor| floor.strength >= Strength::Medium && floor.points.len() >= 3) else { return false };
    let values: Vec<f64> = strong.points.iter().map(|p| p.bytes as f64).collect();
    let (lowest, highest) = values.iter().fold((f64::MAX, 0.0_f64), |(low, high), &v| (low.min(v), high.max(v)));
    let last = values.last().copied().unwrap_or(0.0);
    last < rule.limit("last_floor") * highest || highest - lowest < rule.limit("growth_of_floor") * lowest
}

/// A class that grows from histogram to histogram.
struct Grown {
    class: String,
    bytes: f64,
    instances: f64,
    evidence: [Evidence; 2],
}

/// What grew between the histograms of one JVM.
struct Classes {
    /// The most telling first.
    grown: Vec<Grown>,
    total: f64,
    histograms: usize,
    window: Window,
}

fn grown_classes(tables: &Tables, rule: &Rule) -> BTreeMap<(String, String), Classes> {
    let mut rows: BTreeMap<Evidence, BTreeMap<&str, _>> = BTreeMap::new();
    for class in &tables.classes {
        rows.entry(class.histogram).or_default().insert(tables.names.get(class.class), class);
    }
    let mut out = BTreeMap::new();
    for group in heap::histograms(tables) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let name = |sym| tables.names.get(sym).to_owned();
        let size = |histogram: &Histogram, class: &str| {
            rows.get(&histogram.evidence).and_then(|r| r.get(class)).map(|c| (c.bytes as f64, c.instances as f64, c.evidence))
        };
        let mut grown: Vec<Grown> = Vec::new();
        let Some(last_rows) = rows.get(&last.evidence) else { continue };
        let mut total = 0.0;
        for (class, row) in last_rows {
            let sizes: Vec<f64> = group.iter().map(|histogram| size(histogram, class).map_or(0.0, |s| s.0)).collect();
            let before = size(first, class);
            let (bytes, instances) = (row.bytes as f64 - before.map_or(0.0, |b| b.0), row.instances as f64 - before.map_or(0.0, |b| b.1));
            total += bytes.max(0.0);
            let monotone = sizes.windows(2).all(|pair| pair[1] >= pair[0]);
            let large = bytes >= rule.limit("class_bytes") || (instances >= rule.limit("class_instances") && bytes > 0.0);
            if monotone && large && bytes >= rule.limit("class_growth") * before.map_or(0.0, |b| b.0) {
                let evidence = [row.evidence, before.map_or(row.evidence, |b| b.2)];
                grown.push(Grown { class: (*class).to_owned(), bytes, instances, evidence });
            }
        }
        grown.retain(|g| g.bytes >= rule.limit("class_share") * total);
        // The program's own classes say most, then what holds things, then what things are made of.
        let rank = |g: &Grown| CONTAINERS.iter().any(|prefix| g.class.starts_with(prefix));
        grown.sort_by(|a, b| rank(a).cmp(&rank(b)).then(b.bytes.total_cmp(&a.bytes)).then_with(|| a.class.cmp(&b.class)));
        let mut window = Window::default();
        group.iter().for_each(|histogram| window.add(histogram.time));
        let whole = last.bytes as f64 - first.bytes as f64;
        if !grown.is_empty() && whole >= rule.limit("class_growth") * first.bytes as f64 && whole >= rule.limit("class_bytes") {
            out.insert((name(first.service), name(first.instance)), Classes { grown, total: whole, histograms: group.len(), window });
        }
    }
    out
}

fn finding(
    rule: &Rule,
    (service, instance): (&str, &str),
    leak: &Leak,
    life: &Life<'_>,
    classes: Option<&Classes>,
    siblings: usize,
    tables: &Tables,
) -> Finding {
    let points = &leak.floor.points;
    let (first, last) = (points.first(), points.last());
    let mut window = Window::default();
    points.iter().for_each(|point| window.add(point.time));
    let subject = Subject {
        service: service.to_owned(),
        key: instance.to_owned(),
        operation: tables.names.get(life.collector).to_owned(),
        ..Subject::default()
    };
    let mut finding = Finding::new(&rule.id, subject, window);
    let last_bytes = last.map_or(0.0, |p| p.bytes as f64);
    let left = ((0.95 * leak.capacity - last_bytes) / leak.slope).max(0.0);
    let share = leak.growth / leak.capacity;
    let weak = leak.floor.strength == Strength::Weak;
    let alone = weak && !leak.old_collection;
    let out_of_memory = tables.signals.iter().find(|signal| {
        let about = tables.names.get(signal.service) == service || signal.service.is_none();
        about && tables.names.get(signal.signal) == "jvm.out-of-memory" && HEAP_TEXTS.contains(&tables.names.get(signal.name))
    });
    let weight = match leak.floor.strength {
        Strength::Strong => 0.55,
        Strength::Medium => 0.45,
        Strength::Weak => 0.35,
    };
    let mut belief = Belief::new()
        .with("floor of the heap", Input::GcLogs, weight)
        .with_if(classes.is_some(), "classes that grow", Input::ClassHistograms, if weak { 0.45 } else { 0.35 })
        .with_if(out_of_memory.is_some(), "out of memory", Input::Logs, 0.40)
        .with_if(siblings > 1, "several instances", Input::GcLogs, 0.30)
        .with_if(!leak.few && leak.z >= 3.3 && leak.floor.strength == Strength::Strong, "long steady trend", Input::GcLogs, 0.40);
    if alone {
        belief = belief.doubted(0.9);
    }
    finding.confidence = belief.value();
    if leak.few && classes.is_none() && out_of_memory.is_none() {
        finding.confidence = finding.confidence.min(0.55);
    }
    if alone && classes.is_none() && out_of_memory.is_none() {
        finding.confidence = finding.confidence.min(0.45);
    }
    let hours = left / 3600.0;
    finding.severity = match () {
        () if out_of_memory.is_some() => Severity::Critical,
        // Promotion creep cannot be told from a leak yet: no reason to wake anyone.
        () if alone && classes.is_none() => Severity::Low,
        // Nor can a cache that fills from one, by a handful of collections right after the start.
        () if leak.few && classes.is_none() && points.last().is_some_and(|last| last.at < rule.limit("warm_up_longest")) => Severity::Low,
        () if hours <= rule.limit("exhaustion_high") => Severity::High,
        () if hours <= rule.limit("exhaustion_medium") => Severity::Medium,
        () => Severity::Low,
    };
    finding.score = score(share, rule.limit("growth_of_capacity"), rule.upper("growth_of_capacity"));
    finding
        .measure_against("growth_of_capacity", share, "share", rule.limit("growth_of_capacity"))
        .measure("growth", leak.growth, "bytes")
        .measure("capacity", leak.capacity, "bytes")
        .measure("slope", leak.slope, "bytes/s")
        .measure("first_floor", first.map_or(0.0, |p| p.bytes as f64), "bytes")
        .measure("last_floor", last_bytes, "bytes")
        .measure("time_to_exhaustion", left, "s")
        .measure_against("trend_z", leak.z, "sd", rule.limit("trend_z"))
        .measure_against("trend_tau", leak.tau, "tau", rule.limit("trend_tau"))
        .measure("points", points.len() as f64, "points")
        .word("growth_rate", rate(leak.slope))
        .word("time_left", span(left))
        .word("source", leak.floor.source)
        .word("suspects", classes.map_or_else(|| "a class histogram would say".to_owned(), suspects));
    finding.look_alike(
        "Saw-tooth that returns to its floor",
        "excluded: no later collection of the old generation came down to the first third of the growth",
    );
    finding.look_alike("Cache that warms up", "excluded: the second half rises as the whole does");
    finding.look_alike(
        "Promotion while no old collection runs",
        if alone {
            "not excluded: no collection of the old generation lies in the span"
        } else {
            "excluded: collections of the old generation ran and left the floor high"
        },
    );
    if alone {
        finding.missing.push("one full collection (jcmd PID GC.run), or two live class histograms".to_owned());
    }
    if let Some(classes) = classes {
        finding.measure("class_growth", classes.total, "bytes").measure("histograms", classes.histograms as f64, "histograms");
        finding.window.join(classes.window);
    }
    finding.cite(last.map(|p| p.evidence));
    finding.cite(first.map(|p| p.evidence));
    finding.cite(classes.into_iter().flat_map(|c| &c.grown).take(2).flat_map(|g| g.evidence));
    finding.cite(out_of_memory.map(|signal| signal.evidence));
    finding.cite(points.iter().rev().skip(1).map(|p| p.evidence));
    finding
}

fn from_histograms(rule: &Rule, service: &str, instance: &str, classes: &Classes) -> Option<Finding> {
    let own = classes.grown.iter().find(|g| !CONTAINERS.iter().any(|prefix| g.class.starts_with(prefix)));
    // Two snapshots, or only strings and arrays: traffic does that too.
    if classes.histograms < 3 || own.is_none() {
        return None;
    }
    let subject = Subject { service: service.to_owned(), key: instance.to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, classes.window);
    finding.kind = "histogram-only".to_owned();
    finding.confidence = Belief::new().with("classes that grow", Input::ClassHistograms, 0.45).value();
    finding.severity = Severity::Medium;
    finding.score = score(classes.total, rule.limit("class_bytes"), 32.0 * rule.limit("class_bytes"));
    finding
        .measure_against("growth", classes.total, "bytes", rule.limit("class_bytes"))
        .measure("histograms", classes.histograms as f64, "histograms")
        .word("suspects", suspects(classes))
        .look_alike("Histogram of garbage", "not excluded: it is not known whether the histograms count live objects only")
        .cite(classes.grown.iter().take(4).flat_map(|g| g.evidence));
    finding.missing.push("a GC log of the same time".to_owned());
    Some(finding)
}

fn suspects(classes: &Classes) -> String {
    let one = |g: &Grown| format!("{} (+{:.0} instances, +{:.1} MiB)", g.class, g.instances, g.bytes / 1_048_576.0);
    classes.grown.iter().take(3).map(one).collect::<Vec<_>>().join(", ")
}

fn rate(slope: f64) -> String {
    const MIB: f64 = 1_048_576.0;
    match slope / MIB {
        per_second if per_second >= 0.1 => format!("{per_second:.2} MiB/s"),
        per_second if per_second * 60.0 >= 0.1 => format!("{:.2} MiB/min", per_second * 60.0),
        per_second => format!("{:.2} MiB/h", per_second * 3600.0),
    }
}

fn span(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}
