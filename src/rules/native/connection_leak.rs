//! `connection-leak`: connections that nobody gives back.
//!
//! Either leak detection warned of them and nothing took it back, or the lowest number in use rises and never falls. What this
//! file does not do: long transactions; see `long_transaction`.

use crate::correlate::Case;
use crate::model::finding::{Belief, Finding, Input, Severity, Subject, score};
use crate::model::names::Sym;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::tables::Signal;
use crate::model::time::{SECOND, Time, Window};
use crate::model::trend;
use crate::rules::native::database_pools::{Meter, meters};
use crate::rules::native::long_transaction::{last_heard, unreturned};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const DETECTOR: Detector =
    Detector { id: "connection-leak", thresholds: &["leaks", "remaining", "floor_rise", "floor_percent", "tau", "load_percent"], detect };

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let case = scope.case;
    let mut heard: BTreeMap<(Sym, Sym), Time> = BTreeMap::new();
    for (service, rows) in unreturned(case) {
        let mut open: Vec<&Signal> = Vec::new();
        for row in rows {
            let last = *heard.entry((service, row.instance)).or_insert_with(|| last_heard(case, service, row.instance));
            if last.since(row.time) as f64 >= rule.limit("remaining") * SECOND as f64 {
                open.push(row);
            }
        }
        // A pool that does not name the connection warns of each one once.
        let (named, nameless): (Vec<&Signal>, Vec<&Signal>) = open.iter().partition(|row| !row.key.is_none());
        let connections: BTreeSet<(Sym, Sym)> = named.iter().map(|row| (row.instance, row.key)).collect();
        let leaks = connections.len() + nameless.len();
        if leaks as f64 >= rule.limit("leaks") {
            out.push(from_warnings(case, rule, service, &open, leaks));
        }
    }
    let told: BTreeSet<String> = out.iter().map(|finding| finding.subject.service.clone()).collect();
    for meter in meters(case).iter().filter(|meter| !told.contains(case.tables.names.get(meter.service))) {
        out.extend(from_floor(case, rule, meter));
    }
}

fn from_warnings(case: &Case, rule: &Rule, service: Sym, open: &[&Signal], leaks: usize) -> Finding {
    let names = &case.tables.names;
    let mut window = Window::default();
    open.iter().for_each(|row| window.add(row.time));
    let subject = Subject { service: names.get(service).to_owned(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    finding.severity = if leaks as f64 >= rule.upper("leaks") { Severity::High } else { Severity::Medium };
    finding.score = score(leaks as f64, rule.limit("leaks"), rule.upper("leaks"));
    finding.confidence = Belief::new().with("warnings of leak detection that nothing takes back", Input::Logs, 0.85).value();
    let site = site(case, open);
    finding
        .measure_against("leaks", leaks as f64, "connections", rule.limit("leaks"))
        .word("where", site.as_ref().map_or_else(String::new, |site| format!(", in {site}")))
        .word("site", site.unwrap_or_else(|| "the stack traces below these records".to_owned()))
        .word("evidence", format!("Leak detection warned of them and a minute and more later nothing says that they were returned, while other connections of the bundle may have been: {leaks} remain."))
        .look_alike("Long transactions", "excluded: more than a minute later they are not returned")
        .look_alike("Streams that run as long as their reader", "not excluded: the stack traces tell");
    finding.cite(open.iter().map(|row| row.evidence));
    finding
}

/// The method that took more than half of the connections, as the stack traces of the warnings tell:
/// `ReportDao.export(ReportDao.java:44)`.
fn site(case: &Case, open: &[&Signal]) -> Option<String> {
    let names = &case.tables.names;
    let signal = names.find("pool.leak-site")?;
    let warnings: BTreeSet<Evidence> = open.iter().map(|row| row.evidence).collect();
    let mut sites: BTreeMap<Sym, usize> = BTreeMap::new();
    for row in case.tables.signals.iter().filter(|row| row.signal == signal && warnings.contains(&row.evidence)) {
        *sites.entry(row.name).or_default() += 1;
    }
    let (site, _) = sites.into_iter().find(|(_, count)| 2 * count > warnings.len())?;
    let (method, place) = names.get(site).split_once('(')?;
    let package = method.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
    Some(format!("{}({place}", method.get(package..)?))
}

fn from_floor(case: &Case, rule: &Rule, meter: &Meter<'_>) -> Option<Finding> {
    let names = &case.tables.names;
    let points: Vec<(f64, f64)> = meter.active.values().map(|(time, value)| (time.0 as f64 / 1e9, value)).collect();
    let floor = trend::lower_envelope(&points);
    let (first, last) = (floor.first()?, floor.last()?);
    let values: Vec<f64> = floor.iter().map(|(_, value)| *value).collect();
    let rise = last.1 - first.1;
    // A leak climbs step by step; a step of load climbs once.
    let steps = values.windows(2).filter(|pair| pair[1] > pair[0]).count();
    let size = meter.size();
    let leaks = floor.len() >= 6
        && rise >= rule.limit("floor_rise")
        && 100.0 * rise >= rule.limit("floor_percent") * size
        && trend::mann_kendall(&values).tau >= rule.limit("tau")
        && 2 * steps >= values.len()
        && !busier(case, meter.service, rule);
    if !leaks {
        return None;
    }
    let window = Window::of(meter.active.points.first()?.time, meter.active.points.last()?.time);
    let subject = Subject { service: names.get(meter.service).to_owned(), operation: meter.pool.clone(), ..Subject::default() };
    let mut finding = Finding::new(&rule.id, subject, window);
    let per_hour = rise / ((last.0 - first.0) / 3600.0).max(1e-9);
    finding.severity = if last.1 >= 0.8 * size { Severity::High } else { Severity::Medium };
    finding.score = score(rise, rule.limit("leaks"), rule.upper("leaks"));
    finding.confidence = Belief::new().with("a number in use that never falls", Input::Metrics, 0.7).value();
    finding
        .measure_against("leaks", rise, "connections", rule.limit("floor_rise"))
        .measure("max", size, "connections")
        .measure("per_hour", round(per_hour), "connections per hour")
        .word("where", format!(" to the pool {}", meter.pool))
        .word("site", "what began to run when the number began to rise")
        .word(
            "evidence",
            format!(
                "The lowest number of connections in use rises from {:.0} to {:.0} of {size:.0} and never falls, whatever the load.",
                first.1, last.1
            ),
        )
        .look_alike("More load", "excluded: requests did not grow as the connections did, or are not recorded")
        .look_alike("A step of load", "excluded: it climbs step by step");
    let end = meter.active.points.len() - 1;
    finding.cite([0, end / 2, end].iter().filter_map(|at| meter.active.points.get(*at)).map(|point| point.evidence));
    Some(finding)
}

/// Whether the service got more requests in the second half of the recording.
fn busier(case: &Case, service: Sym, rule: &Rule) -> bool {
    let middle = case.context.window.start.plus(case.context.window.nanos() / 2);
    let times = (case.tables.requests.iter().filter(|row| row.service == service).map(|row| row.time))
        .chain(case.tables.spans.iter().filter(|span| span.service == service && span.is_incoming()).map(|span| span.start));
    let (mut before, mut after) = (0_u64, 0_u64);
    times.for_each(|time| if time < middle { before += 1 } else { after += 1 });
    before > 0 && 100.0 * after as f64 >= rule.limit("load_percent") * before as f64
}
