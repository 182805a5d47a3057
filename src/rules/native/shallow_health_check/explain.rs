//! Why a check did not see what users met: the exception behind the failures, and what is known of the check itself.
//!
//! What this file does not do: decide whether it was blind.

use super::Blind;
use crate::correlate::Case;
use crate::correlate::series::median;
use crate::model::names::Sym;
use crate::model::record::Level;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::Window;
use crate::rules::native::unhealthy_component_masked::masked;
use std::collections::{BTreeMap, BTreeSet};

/// A reason for which the check is blind.
pub struct Reason {
    /// Names the texts.
    pub kind: &'static str,
    /// A sentence for the report.
    pub text: String,
    /// What it adds to the belief.
    pub weight: f64,
    /// Where it is seen.
    pub evidence: Vec<Evidence>,
}

/// The exception that most errors of a service name in a window, and its share in percent.
pub fn exception(case: &Case, service: Sym, window: Window) -> (String, f64) {
    let mut counts: BTreeMap<Sym, u64> = BTreeMap::new();
    let logs = case.tables.logs.iter().filter(|log| log.service == service && window.holds(log.time) && log.level >= Level::Error);
    logs.filter(|log| !log.exception.is_none()).for_each(|log| *counts.entry(log.exception).or_default() += 1);
    let spans = case.tables.spans.iter().filter(|span| span.service == service && window.holds(span.start) && span.failed() && !span.error.is_none());
    spans.for_each(|span| *counts.entry(span.error).or_default() += 1);
    let all: u64 = counts.values().sum();
    let most = counts.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)));
    most.map_or((String::new(), 0.0), |(exception, count)| (case.tables.names.get(*exception).to_owned(), 100.0 * *count as f64 / all as f64))
}

/// Whether an exception speaks of another system.
pub fn is_dependency(exception: &str) -> bool {
    const WORDS: &[&str] = &[
        "timeout",
        "timedout",
        "connect",
        "sql",
        "redis",
        "jdbc",
        "socket",
        "unknownhost",
        "ioexception",
        "refused",
        "unavailable",
        "pool",
        "broker",
        "kafka",
        "503",
        "502",
        "504",
    ];
    let lower = exception.to_ascii_lowercase();
    WORDS.iter().any(|word| lower.contains(word))
}

/// A component that the body of the check itself says is down.
pub fn hidden(case: &Case, service: Sym, window: Window) -> Option<Reason> {
    let fits = |of: Window| of.start.is_none() || of.touches(window, 60 * crate::model::time::SECOND);
    let one = masked(case).into_iter().find(|one| one.service == service && fits(one.window))?;
    Some(Reason {
        kind: "component-down-masked",
        text: format!("The body of the check says that {} is {} and answers {} all the same.", one.component, one.state, one.overall),
        weight: 0.3,
        evidence: vec![one.evidence],
    })
}

/// How the check is made, as the configuration says: on another port, or without asking the application.
pub fn configured(case: &Case, service: Sym, window: Window, blind: &[Blind]) -> Option<Reason> {
    let names = &case.tables.names;
    let own: Vec<_> = case.tables.settings.iter().filter(|row| row.service == service).collect();
    let ending = |ending: &str| own.iter().find(|row| names.get(row.key).ends_with(ending));
    let of_probe = |what: &str| own.iter().find(|row| names.get(row.key).contains("probe.") && names.get(row.key).contains(what));
    if let Some(row) = of_probe("probe.tcpsocket").or_else(|| of_probe("probe.exec")) {
        return Some(Reason {
            kind: "tcp-or-exec-probe",
            text: format!("The check only opens a connection or runs a command ({} = {}).", names.get(row.key), names.get(row.value)),
            weight: 0.2,
            evidence: vec![row.evidence],
        });
    }
    let full = saturated(case, service, window);
    let edge = blind.iter().any(|blind| blind.edge);
    let port = ending("readinessprobe.httpget.port").or_else(|| ending("livenessprobe.httpget.port")).or_else(|| ending("management.server.port"));
    let main = ending("server.port").filter(|row| !names.get(row.key).contains("management"));
    let declared: BTreeSet<&str> = own.iter().filter(|row| names.get(row.key).contains(".ports.")).map(|row| names.get(row.value)).collect();
    let apart = port.filter(|port| {
        let probed = names.get(port.value);
        main.map_or(names.get(port.key) == "management.server.port" || declared.iter().any(|other| *other != probed), |main| {
            names.get(main.value) != probed
        })
    });
    if let Some((busy, most, evidence)) = full.filter(|_| apart.is_some() || edge) {
        let mut places = vec![evidence];
        places.extend(apart.map(|row| row.evidence));
        return Some(Reason {
            kind: "separate-port",
            text: format!(
                "{busy} of {most} request threads were busy, and the check is answered by others{}.",
                apart.map_or(String::new(), |port| format!(" on port {}", names.get(port.value)))
            ),
            weight: 0.3,
            evidence: places,
        });
    }
    apart.map(|row| Reason {
        kind: "separate-port",
        text: format!("The check asks another port than users do ({} = {}).", names.get(row.key), names.get(row.value)),
        weight: 0.2,
        evidence: vec![row.evidence],
    })
}

/// Request threads that are all busy: how many, of how many, where.
fn saturated(case: &Case, service: Sym, window: Window) -> Option<(f64, f64, Evidence)> {
    for (busy, most) in [("tomcat.threads.busy", "tomcat.threads.config.max"), ("jetty.threads.busy", "jetty.threads.config.max")] {
        let limits: Vec<_> = case.series(most).filter(|series| series.service == service).collect();
        for series in case.series(busy).filter(|series| series.service == service) {
            let limit =
                limits.iter().find(|other| other.instance == series.instance).and_then(|other| other.highest()).map_or(0.0, |point| point.value);
            let full = series.points.iter().find(|point| limit > 0.0 && point.value >= limit && (point.time.is_none() || window.holds(point.time)));
            if let Some(point) = full {
                return Some((point.value, limit, point.evidence));
            }
        }
    }
    None
}

/// Checks that are answered at once whatever happens, while requests became slower; and failures of few operations.
pub fn observed(rule: &Rule, blind: &[Blind]) -> Option<Reason> {
    let operations: BTreeSet<Sym> = blind.iter().flat_map(|blind| blind.asked.iter().copied()).collect();
    let failing: BTreeSet<Sym> = blind.iter().flat_map(|blind| blind.failures.iter().map(|(_, operation)| *operation)).collect();
    if operations.len() > 3 && 100 * failing.len() <= rule.limit("path_percent") as usize * operations.len() {
        return Some(Reason {
            kind: "partial-path",
            text: format!("Only {} of {} operations failed, and the check passes through none of them.", failing.len(), operations.len()),
            weight: 0.1,
            evidence: Vec::new(),
        });
    }
    let mut probes: Vec<f64> = blind.iter().flat_map(|blind| blind.probe_nanos.iter().map(|nanos| *nanos as f64 / 1e6)).collect();
    probes.sort_unstable_by(f64::total_cmp);
    let slowest = *probes.get((probes.len() * 99 / 100).min(probes.len().checked_sub(1)?))?;
    let (calm, now) = (
        median(blind.iter().flat_map(|blind| blind.calm_nanos.iter().map(|nanos| *nanos as f64)))?,
        median(blind.iter().flat_map(|blind| blind.blind_nanos.iter().map(|nanos| *nanos as f64)))?,
    );
    (slowest <= rule.limit("static_ms") && now >= rule.limit("slower") * calm).then(|| Reason {
        kind: "static-response",
        text: format!(
            "The check answered within {slowest:.1} ms all the while, and requests took {:.0} times as long as before.",
            now / calm.max(1.0)
        ),
        weight: 0.1,
        evidence: Vec::new(),
    })
}
