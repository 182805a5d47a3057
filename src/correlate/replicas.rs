//! How many replicas of a service there were over time, by the best account there is.
//!
//! ```text
//! kube_deployment_status_replicas_ready{deployment="orders"} 6          k8s.hpa.pod.desired          metrics
//! New size: 6; reason: cpu resource utilization above target            Scaled up replica set ...    events
//! Successful rescale of orders, old size: 3, new size: 6                scaling orders from 3 to 6   log records
//! orders-1 and orders-2 begin to log, to serve, to be scraped at 10:05                               instances
//! ```
//!
//! A platform calls a workload by another name than the service calls itself; `Homes` brings the two together. What this
//! file does not do: tell a good change from a bad one.

use crate::correlate::Case;
use crate::correlate::load::Load;
use crate::model::finding::Input;
use crate::model::names::Sym;
use crate::model::platform::Event;
use crate::model::source::Evidence;
use crate::model::time::{MINUTE, SECOND, Time};
use std::collections::{BTreeMap, BTreeSet};

/// Metrics of replicas that are ready, and of those that are wanted; the best first.
const READY: [&str; 6] = [
    "kube.deployment.status.replicas.ready",
    "kube.deployment.status.replicas.available",
    "k8s.deployment.pod.available",
    "k8s.deployment.available.pods",
    "kube.statefulset.status.replicas.ready",
    "kube.deployment.status.replicas",
];
const WANTED: [&str; 9] = [
    "kube.horizontalpodautoscaler.status.current.replicas",
    "kube.horizontalpodautoscaler.status.desired.replicas",
    "k8s.hpa.pod.current",
    "k8s.hpa.pod.desired",
    "k8s.hpa.current.pods",
    "k8s.hpa.desired.pods",
    "kube.deployment.spec.replicas",
    "k8s.deployment.pod.desired",
    "k8s.deployment.desired.pods",
];

/// Labels that name the workload.
const WORKLOAD: [&str; 8] =
    ["target", "deployment", "statefulset", "horizontalpodautoscaler", "hpa", "k8s.deployment.name", "k8s.hpa.name", "k8s.statefulset.name"];

/// Words that names of services and of workloads do not share.
const AFFIXES: [&str; 7] = ["service", "svc", "api", "app", "server", "deployment", "hpa"];

/// A change of one replica set up and of another down within this time is a rollout.
const ROLLOUT: i64 = 10 * MINUTE;

/// A number of replicas from a time on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Count {
    /// From when on.
    pub time: Time,
    /// How many.
    pub replicas: f64,
    /// Where.
    pub evidence: Evidence,
}

/// The replicas of a service.
#[derive(Clone, Debug)]
pub struct Replicas {
    /// What says so.
    pub input: Input,
    /// How many, by time; one after another differ.
    pub counts: Vec<Count>,
    /// How many there were before the first change, if that is said.
    pub before: Option<f64>,
    /// Whether the platform tells of them; otherwise they are counted by what they do.
    pub told: bool,
}

/// An instance and when it was active.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// The instance.
    pub instance: Sym,
    /// Its first sign.
    pub first: Time,
    /// Its last sign.
    pub last: Time,
    /// How many signs.
    pub signs: u64,
    /// Where the first stands.
    pub evidence: Evidence,
}

/// The replicas of every service of which anything tells.
#[must_use]
pub fn replicas(case: &Case, loads: &BTreeMap<Sym, Load>) -> BTreeMap<String, Replicas> {
    let homes = Homes::of(case, loads);
    let mut all = counted(case, case.lives());
    all.extend(logged(case, &homes));
    all.extend(told_by_events(case, &homes));
    for names in [&WANTED[..], &READY[..]] {
        all.extend(measured(case, &homes, names));
    }
    all
}

/// Which service a workload is.
pub struct Homes<'a> {
    case: &'a Case,
    by_name: BTreeMap<String, Sym>,
    by_pod: BTreeMap<&'a str, Sym>,
    only: Option<Sym>,
    front: Option<Sym>,
}

/// Words in the names of those who pass requests on.
const FRONTS: [&str; 9] = ["gateway", "nginx", "ingress", "proxy", "envoy", "haproxy", "traefik", "balancer", "edge"];

impl<'a> Homes<'a> {
    /// The services that are known to do something.
    #[must_use]
    pub fn of(case: &'a Case, loads: &BTreeMap<Sym, Load>) -> Self {
        let names = &case.tables.names;
        let mut by_name = BTreeMap::new();
        for service in loads.keys().copied().chain(case.tables.log_counts.keys().map(|(service, _)| *service)).filter(|service| !service.is_none()) {
            by_name.entry(plain(names.get(service))).or_insert(service);
        }
        let mut by_pod = BTreeMap::new();
        for (service, load) in loads {
            let instances: BTreeSet<Sym> = load.pieces.iter().map(|piece| piece.instance).filter(|instance| !instance.is_none()).collect();
            for workload in instances.into_iter().filter_map(|instance| crate::bundle::hints::workload(names.get(instance))) {
                by_pod.entry(workload).or_insert(*service);
            }
        }
        let mut served = loads.keys().copied().filter(|service| !service.is_none());
        let only = served.next().filter(|_| served.next().is_none());
        // A gateway that alone tells of requests is not the workload behind it.
        let is_front = |service: &Sym| FRONTS.iter().any(|word| names.get(*service).to_ascii_lowercase().contains(word));
        Self { case, by_name, by_pod, only: only.filter(|service| !is_front(service)), front: loads.keys().copied().find(is_front) }
    }

    /// The service of a workload; the workload itself if nothing else is known of it.
    #[must_use]
    pub fn of_workload(&self, workload: Sym) -> Sym {
        self.of_text(self.case.tables.names.get(workload)).unwrap_or(workload)
    }

    /// Who passes requests on to the services, if anybody does.
    #[must_use]
    pub const fn front(&self) -> Option<Sym> {
        self.front
    }

    /// The name of that service.
    fn named(&self, workload: &str) -> Option<&'a str> {
        self.of_text(workload).map(|service| self.case.tables.names.get(service))
    }

    /// The service of a workload by its name.
    #[must_use]
    pub fn of_text(&self, workload: &str) -> Option<Sym> {
        self.by_pod.get(workload).or_else(|| self.by_name.get(&plain(workload))).copied().or(self.only)
    }
}

/// A name without what only one side writes.
#[must_use]
pub fn plain(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(['-', '_', '.', ' ']).filter(|word| !word.is_empty()).collect();
    let kept: Vec<&str> = words.iter().copied().filter(|word| !AFFIXES.contains(word)).collect();
    let joined = if kept.is_empty() { words.concat() } else { kept.concat() };
    // One says order, the other orders.
    joined.strip_suffix('s').map_or_else(|| joined.clone(), str::to_owned)
}

fn measured(case: &Case, homes: &Homes<'_>, metrics: &[&str]) -> BTreeMap<String, Replicas> {
    let mut all: BTreeMap<String, Replicas> = BTreeMap::new();
    for metric in metrics {
        for series in case.series(metric) {
            let workload = WORKLOAD.iter().find_map(|key| series.label(key)).unwrap_or("");
            let about = if workload.is_empty() { case.tables.names.get(series.service) } else { workload };
            let service = homes.named(workload).unwrap_or(about).to_owned();
            let points = series.points.iter().filter(|point| point.time.is_some() && point.value.is_finite());
            let counts: Vec<Count> = points.map(|point| Count { time: point.time, replicas: point.value, evidence: point.evidence }).collect();
            // A single state is no history; another account may have one.
            if counts.len() >= 2 {
                all.entry(service).or_insert_with(|| Replicas { input: Input::Metrics, counts: changes(counts), before: None, told: true });
            }
        }
    }
    all
}

fn told_by_events(case: &Case, homes: &Homes<'_>) -> BTreeMap<String, Replicas> {
    let names = &case.tables.names;
    let mut rescaled: BTreeMap<&str, Vec<Count>> = BTreeMap::new();
    let mut sets: BTreeMap<&str, Vec<(&Event, Scaled<'_>)>> = BTreeMap::new();
    let mut old: BTreeMap<&str, f64> = BTreeMap::new();
    for event in case.tables.events.iter().filter(|event| event.time.is_some()) {
        let (service, message) = (names.get(homes.of_workload(event.service)), names.get(event.message));
        match names.get(event.reason) {
            "SuccessfulRescale" => {
                if let Some(size) = number_after(message, "New size: ") {
                    if let Some(before) = number_after(message, "old size: ").filter(|_| !rescaled.contains_key(service)) {
                        old.insert(service, before);
                    }
                    rescaled.entry(service).or_default().push(Count { time: event.time, replicas: size, evidence: event.evidence });
                }
            }
            "ScalingReplicaSet" => {
                if let Some(scaled) = Scaled::of(message) {
                    sets.entry(service).or_default().push((event, scaled));
                }
            }
            _ => {}
        }
    }
    let mut all: BTreeMap<String, Replicas> = BTreeMap::new();
    for (service, events) in sets {
        // Events stand in the order of time.
        let near = |time: Time| {
            let from = events.partition_point(|(other, _)| other.time < time.plus(-ROLLOUT));
            events.get(from..).unwrap_or_default().iter().take_while(move |(other, _)| other.time <= time.plus(ROLLOUT))
        };
        let steps: Vec<&(&Event, Scaled<'_>)> = events.iter().filter(|one| !near(one.0.time).any(|other| is_rollout(one, other))).collect();
        let before = steps.first().and_then(|(_, scaled)| scaled.from);
        let counts = steps.iter().map(|(event, scaled)| Count { time: event.time, replicas: scaled.to, evidence: event.evidence }).collect();
        all.insert(service.to_owned(), Replicas { input: Input::Events, counts: changes(counts), before, told: true });
    }
    for (service, counts) in rescaled {
        let known = all.get(service);
        // What the deployment said of the same change knows what was before.
        let before = known
            .filter(|known| known.counts.first().zip(counts.first()).is_some_and(|(a, b)| a.time.since(b.time).abs() <= MINUTE))
            .and_then(|known| known.before)
            .or_else(|| old.get(service).copied());
        all.insert(service.to_owned(), Replicas { input: Input::Events, counts: changes(counts), before, told: true });
    }
    all.retain(|_, replicas| !replicas.counts.is_empty());
    all
}

/// `Scaled up replica set orders-7d9f5b6c8d to 6 from 3`
struct Scaled<'a> {
    up: bool,
    set: &'a str,
    to: f64,
    from: Option<f64>,
}

impl<'a> Scaled<'a> {
    fn of(message: &'a str) -> Option<Self> {
        let (up, rest) = match (message.strip_prefix("Scaled up replica set "), message.strip_prefix("Scaled down replica set ")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return None,
        };
        let set = rest.split(' ').next()?;
        Some(Self { up, set, to: number_after(rest, " to ")?, from: number_after(rest, " from ") })
    }
}

/// Whether two events that lie close are the two sides of a rollout: one replica set goes up, another one down.
fn is_rollout((_, one): &(&Event, Scaled<'_>), (_, other): &(&Event, Scaled<'_>)) -> bool {
    one.set != other.set && one.up != other.up
}

fn number_after(text: &str, words: &str) -> Option<f64> {
    let (_, rest) = text.split_once(words)?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest.get(..digits)?.parse().ok()
}

fn logged(case: &Case, homes: &Homes<'_>) -> BTreeMap<String, Replicas> {
    let names = &case.tables.names;
    let mut all: BTreeMap<String, Replicas> = BTreeMap::new();
    let Some(signal) = names.find("scale.replicas") else { return all };
    for row in case.tables.signals.iter().filter(|row| row.signal == signal && row.time.is_some() && row.value.is_finite()) {
        let named = names.get(row.name);
        let named = named.rsplit_once('/').map_or(named, |(_, name)| name);
        let about = if named.is_empty() { names.get(row.service) } else { named };
        let service = homes.named(named).unwrap_or(about).to_owned();
        let before = names.get(row.key).parse().ok();
        let replicas = all.entry(service).or_insert_with(|| Replicas { input: Input::Logs, counts: Vec::new(), before, told: true });
        replicas.counts.push(Count { time: row.time, replicas: row.value, evidence: row.evidence });
    }
    all.values_mut().for_each(|replicas| replicas.counts = changes(std::mem::take(&mut replicas.counts)));
    all
}

/// The counts that differ from the one before, by time.
fn changes(mut counts: Vec<Count>) -> Vec<Count> {
    counts.sort_by_key(|count| (count.time, count.evidence));
    counts.dedup_by(|b, a| a.replicas.total_cmp(&b.replicas).is_eq());
    counts
}

/// When the instances of every service gave signs of themselves.
#[must_use]
pub(super) fn lives(case: &Case) -> BTreeMap<Sym, Vec<Life>> {
    let tables = &case.tables;
    let mut all: BTreeMap<(Sym, Sym), Life> = BTreeMap::new();
    let mut see = |service: Sym, instance: Sym, time: Time, evidence: Evidence| {
        if instance.is_none() || time.is_none() {
            return;
        }
        let life = all.entry((service, instance)).or_insert(Life { instance, first: time, last: time, signs: 0, evidence });
        if time < life.first {
            (life.first, life.evidence) = (time, evidence);
        }
        life.last = life.last.max(time);
        life.signs += 1;
    };
    tables.spans.iter().filter(|row| row.is_incoming()).for_each(|row| see(row.service, row.instance, row.end(), row.evidence));
    tables.requests.iter().for_each(|row| see(row.service, row.instance, row.time, row.evidence));
    tables.logs.iter().for_each(|row| see(row.service, row.instance, row.time, row.evidence));
    tables.metrics.iter().for_each(|row| see(row.service, row.instance, row.time, row.evidence));
    let mut by_service: BTreeMap<Sym, Vec<Life>> = BTreeMap::new();
    for ((service, _), life) in all {
        by_service.entry(service).or_default().push(life);
    }
    by_service
}

/// Signs that an instance must have given to count.
const SIGNS: u64 = 5;

/// How many instances were active: those that came later than the others, and those that fell silent before the end.
fn counted(case: &Case, lives: &BTreeMap<Sym, Vec<Life>>) -> BTreeMap<String, Replicas> {
    let mut all = BTreeMap::new();
    for (service, lives) in lives {
        let lives: Vec<&Life> = lives.iter().filter(|life| life.signs >= SIGNS).collect();
        let (Some(start), Some(end)) = (lives.iter().map(|life| life.first).min(), lives.iter().map(|life| life.last).max()) else { continue };
        // What begins about when the recording does was there before.
        let slack = (end.since(start) / 12).clamp(5 * SECOND, MINUTE);
        let at_first = lives.iter().filter(|life| life.first.since(start) <= slack).count() as f64;
        let mut moves: Vec<(Time, f64, Evidence)> = Vec::new();
        for life in &lives {
            if life.first.since(start) > slack {
                moves.push((life.first, 1.0, life.evidence));
            }
            if end.since(life.last) > slack {
                moves.push((life.last, -1.0, life.evidence));
            }
        }
        moves.sort_by_key(|(time, _, evidence)| (*time, *evidence));
        let mut active = at_first;
        let counts: Vec<Count> = moves
            .into_iter()
            .map(|(time, change, evidence)| {
                active += change;
                Count { time, replicas: active, evidence }
            })
            .collect();
        if !counts.is_empty() {
            all.insert(case.tables.names.get(*service).to_owned(), Replicas { input: Input::Logs, counts, before: Some(at_first), told: false });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollout_is_no_change_of_size() {
        let scaled = |text| Scaled::of(text).map(|scaled| (scaled.up, scaled.set.to_owned(), scaled.to, scaled.from));
        assert_eq!(scaled("Scaled up replica set orders-7d9f5b6c8d to 6 from 3"), Some((true, "orders-7d9f5b6c8d".to_owned(), 6.0, Some(3.0))));
        assert_eq!(scaled("Scaled down replica set orders-7d9f5b6c8d to 0"), Some((false, "orders-7d9f5b6c8d".to_owned(), 0.0, None)));
        assert!(scaled("Scaled replica set").is_none());
    }

    #[test]
    fn workloads_and_services_have_different_names() {
        assert_eq!(plain("order-service"), plain("orders-api"));
        assert_eq!((plain("catalogue_api"), plain("api")), ("catalogue".to_owned(), "api".to_owned()));
    }
}
