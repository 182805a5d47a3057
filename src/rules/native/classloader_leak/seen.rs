//! The single signs of classes that are not unloaded, source by source.
//!
//! What this file does not do: add them up.

use crate::correlate::Case;
use crate::correlate::heap;
use crate::correlate::life;
use crate::model::finding::Input;
use crate::model::jvm::{Class, Gc, GcKind};
use crate::model::names::Sym;
use crate::model::rise::{self, Rise};
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::Window;
use crate::rules::native::classloader_leak::Sign;
use std::collections::BTreeMap;

pub(super) const EXHAUSTED: &str = "the metaspace is full";
pub(super) const HELD: &str = "the container says what holds an application";
/// Of the first sources of a class: the virtual machine's own.
const PLATFORM: &[&str] =
    &["java.", "javax.", "jdk.", "sun.", "com.sun.", "[", "byte[]", "char[]", "int[]", "long[]", "double[]", "boolean[]", "short[]", "float[]"];
/// Suffixes of classes that are made many times inside of one loader.
const GENERATED: &[&str] = &[
    "$$Lambda",
    "$Proxy",
    "$$SpringCGLIB",
    "$$EnhancerBy",
    "GeneratedMethodAccessor",
    "GeneratedConstructorAccessor",
    "GeneratedSerializationConstructorAccessor",
    "LambdaForm$",
];
/// Ends of types of class loaders.
const LOADER: &[&str] = &["ClassLoader", "WebappLoader", "InnerLoader", "ModuleLoader"];
/// The texts of errors of a full metaspace.
const FULL: &[&str] = &["Metaspace", "Compressed class space", "PermGen space"];

fn mib(bytes: f64) -> f64 {
    (bytes / 1_048_576.0 * 100.0).round() / 100.0
}

/// Classes of an application under several loaders, and loaders that become more.
pub(super) fn copies(case: &Case, rule: &Rule) -> Vec<Sign> {
    let (tables, names) = (&case.tables, &case.tables.names);
    let mut rows: BTreeMap<Evidence, Vec<&Class>> = BTreeMap::new();
    tables.classes.iter().for_each(|class| rows.entry(class.histogram).or_default().push(class));
    let mut groups = heap::histograms(tables);
    // One histogram alone tells of copies, too.
    let grouped: Vec<Evidence> = groups.iter().flatten().map(|histogram| histogram.evidence).collect();
    groups.extend(tables.histograms.iter().filter(|histogram| !grouped.contains(&histogram.evidence)).map(|histogram| vec![histogram]));
    let mut out = Vec::new();
    for group in groups {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let of = |evidence: Evidence| rows.get(&evidence).map_or(&[][..], Vec::as_slice);
        let is_own = |name: &str| !PLATFORM.iter().any(|p| name.starts_with(p)) && !GENERATED.iter().any(|g| name.contains(g));
        let most = of(last.evidence)
            .iter()
            .filter(|class| is_own(names.get(class.class)))
            .max_by_key(|class| (class.loaders, std::cmp::Reverse(class.class)));
        let mut window = Window::default();
        group.iter().for_each(|histogram| window.add(histogram.time));
        if let Some(class) = most.filter(|class| f64::from(class.loaders) >= rule.limit("copies")) {
            let before = of(first.evidence).iter().find(|c| c.class == class.class).map_or(0, |c| c.loaders);
            let many = f64::from(class.loaders) >= rule.upper("copies");
            out.push(Sign {
                service: last.service,
                kind: "one class under several loaders",
                input: Input::ClassHistograms,
                weight: if many { 0.75 } else { 0.6 },
                loaders: true,
                decides: many,
                says: format!("{} is loaded by {} class loaders", names.get(class.class), class.loaders),
                measures: vec![("copies", f64::from(class.loaders), "class loaders"), ("copies_before", f64::from(before), "class loaders")],
                window,
                evidence: vec![class.evidence],
            });
        }
        let is_loader = |name: &str| {
            LOADER.iter().any(|end| name.ends_with(end)) && !PLATFORM.iter().any(|p| name.starts_with(p) && name != "java.net.URLClassLoader")
        };
        let grown = of(last.evidence).iter().filter(|class| is_loader(names.get(class.class))).filter_map(|class| {
            let counts: Vec<u64> = group.iter().map(|h| of(h.evidence).iter().find(|c| c.class == class.class).map_or(0, |c| c.instances)).collect();
            let added = class.instances.saturating_sub(counts.first().copied().unwrap_or(0));
            let rises = counts.windows(2).all(|pair| pair[1] >= pair[0]);
            (counts.len() > 1 && rises && added as f64 >= rule.limit("loaders") && class.instances > added / 2).then_some((added, *class))
        });
        if let Some((added, class)) = grown.max_by_key(|(added, class)| (*added, std::cmp::Reverse(class.class))) {
            out.push(Sign {
                service: last.service,
                kind: "class loaders become more",
                input: Input::ClassHistograms,
                weight: 0.6,
                loaders: true,
                decides: group.len() > 2 && added >= 5,
                says: format!("there are {} instances of {}, {added} more than in the first histogram", class.instances, names.get(class.class)),
                measures: vec![("loaders", class.instances as f64, "class loaders"), ("loaders_added", added as f64, "class loaders")],
                window,
                evidence: vec![class.evidence],
            });
        }
    }
    out
}

/// The metaspace of GC logs, life by life.
pub(super) fn metaspace(case: &Case, rule: &Rule) -> Vec<Sign> {
    let mut out: BTreeMap<Sym, Sign> = BTreeMap::new();
    for life in heap::lives(&case.tables) {
        let records: Vec<&Gc> = life.records.iter().copied().filter(|record| record.kind == GcKind::Metaspace && record.after.is_some()).collect();
        let points: Vec<(f64, f64)> = records.iter().filter_map(|record| Some((life.at(record), record.after? as f64))).collect();
        let Some(rise) = rise::steady(&points, &rise::Limits::of(rule, rule.limit("metaspace_growth"))) else { continue };
        let evidence = records.last().into_iter().chain(records.first()).map(|record| record.evidence).collect();
        out.entry(life.service).or_insert_with(|| risen(life.service, Input::GcLogs, &rise, life.window, evidence));
    }
    out.into_values().collect()
}

fn risen(service: Sym, input: Input, rise: &Rise, window: Window, evidence: Vec<Evidence>) -> Sign {
    Sign {
        service,
        kind: "the metaspace only rises",
        input,
        weight: 0.6,
        loaders: false,
        decides: true,
        says: format!("the metaspace rose from {} to {} MiB and goes on", mib(rise.first), mib(rise.last)),
        measures: vec![
            ("metaspace_first_mib", mib(rise.first), "MiB"),
            ("metaspace_last_mib", mib(rise.last), "MiB"),
            ("metaspace_growth", rise.growth.round(), "bytes"),
        ],
        window,
        evidence,
    }
}

/// Metaspace and loaded classes as metrics show them.
pub(super) fn metered(case: &Case, rule: &Rule) -> Vec<Sign> {
    let mut out = Vec::new();
    let mut look = |metric: &str, label: &str, growth: f64, classes: bool| {
        for series in case.series(metric).filter(|series| label.is_empty() || series.labels.contains(label)) {
            let found = life::lives(case, &series)
                .into_iter()
                .rev()
                .find_map(|life| Some((life, rise::steady(&life::points(life), &rise::Limits::of(rule, growth))?)));
            let Some((life, rise)) = found else { continue };
            let mut window = Window::default();
            life.iter().for_each(|point| window.add(point.time));
            let evidence: Vec<Evidence> = life.last().into_iter().chain(life.first()).map(|point| point.evidence).collect();
            let mut sign = risen(series.service, Input::Metrics, &rise, window, evidence);
            if classes {
                sign.kind = "loaded classes only rise";
                sign.says = format!("loaded classes rose from {:.0} to {:.0} and go on", rise.first, rise.last);
                sign.measures = vec![("classes_first", rise.first, "classes"), ("classes_last", rise.last, "classes")];
            }
            out.push(sign);
        }
    };
    look("jvm.classes.loaded", "", rule.limit("classes_growth"), true);
    look("jvm.class.count", "", rule.limit("classes_growth"), true);
    look("jvm.memory.used", "Metaspace", rule.limit("metaspace_growth"), false);
    out
}

/// Full collections for the metaspace that freed nothing of it.
pub(super) fn futile(case: &Case, rule: &Rule) -> Vec<Sign> {
    let names = &case.tables.names;
    let mut out: BTreeMap<Sym, Sign> = BTreeMap::new();
    for life in heap::lives(&case.tables) {
        let kept: BTreeMap<Option<u32>, (u64, u64)> =
            life.records.iter().filter(|r| r.kind == GcKind::Metaspace).filter_map(|r| Some((r.id, (r.before?, r.after?)))).collect();
        let futile: Vec<&Gc> = (life.records.iter().copied())
            .filter(|record| record.kind == GcKind::Full && names.get(record.cause).starts_with("Metadata GC"))
            .filter(|record| kept.get(&record.id).is_none_or(|(before, after)| *after as f64 >= 0.98 * *before as f64))
            .collect();
        if (futile.len() as f64) < rule.limit("futile_collections") {
            continue;
        }
        let mut window = Window::default();
        futile.iter().for_each(|record| window.add(record.time));
        let used = kept.values().map(|(_, after)| *after).max().unwrap_or(0);
        out.entry(life.service).or_insert_with(|| Sign {
            service: life.service,
            kind: "full collections that unload nothing",
            input: Input::GcLogs,
            weight: 0.45,
            loaders: false,
            decides: false,
            says: format!("{} full collections for the metaspace freed nothing of it", futile.len()),
            measures: vec![("futile_collections", futile.len() as f64, "full collections"), ("metaspace_used", used as f64, "bytes")],
            window,
            evidence: futile.iter().map(|record| record.evidence).collect(),
        });
    }
    out.into_values().collect()
}

/// What the container says of applications that it could not unload.
pub(super) fn held(case: &Case) -> Vec<Sign> {
    signals(
        case,
        "classloader.held",
        |_| true,
        |count, name, key| Sign {
            service: Sym::NONE,
            kind: HELD,
            input: Input::Logs,
            weight: 0.5,
            loaders: true,
            decides: true,
            says: format!("{key} still refers to the application {name} after it was stopped"),
            measures: vec![("held", count, "records")],
            window: Window::default(),
            evidence: Vec::new(),
        },
    )
}

/// Errors of a full metaspace.
pub(super) fn exhausted(case: &Case) -> Vec<Sign> {
    signals(
        case,
        "jvm.out-of-memory",
        |name| FULL.contains(&name),
        |count, name, _| Sign {
            service: Sym::NONE,
            kind: EXHAUSTED,
            input: Input::Logs,
            weight: 0.45,
            loaders: false,
            decides: false,
            says: format!("the JVM ran out of {name}"),
            measures: vec![("out_of_memory", count, "errors")],
            window: Window::default(),
            evidence: Vec::new(),
        },
    )
}

fn signals(case: &Case, signal: &str, wanted: impl Fn(&str) -> bool, sign: impl Fn(f64, &str, &str) -> Sign) -> Vec<Sign> {
    let names = &case.tables.names;
    let Some(signal) = names.find(signal) else { return Vec::new() };
    let mut by_service: BTreeMap<Sym, Vec<_>> = BTreeMap::new();
    for row in case.tables.signals.iter().filter(|row| row.signal == signal && wanted(names.get(row.name))) {
        by_service.entry(row.service).or_default().push(row);
    }
    let told = by_service.into_iter().map(|(service, rows)| {
        let mut window = Window::default();
        rows.iter().for_each(|row| window.add(row.time));
        let (name, key) = rows.first().map_or(("", ""), |row| (names.get(row.name), names.get(row.key)));
        Sign { service, window, evidence: rows.iter().take(4).map(|row| row.evidence).collect(), ..sign(rows.len() as f64, name, key) }
    });
    told.collect()
}
