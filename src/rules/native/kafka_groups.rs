//! Kafka consumer groups: which service reads for a group, and what its members said. The material of several rules.
//!
//! A table of a group names clients and hosts, a log names its service and perhaps the client; they are joined by the group,
//! the client id, or the name. What this file does not do: judge.

use crate::correlate::Case;
use crate::correlate::lag::Backlog;
use crate::model::finding::Subject;
use crate::model::names::Sym;
use crate::model::record::SpanKind;
use crate::model::source::FileId;
use crate::model::tables::Signal;
use crate::model::time::SECOND;
use std::collections::{BTreeMap, BTreeSet};

/// Signals that only a member writes; a broker names groups, too, but does not read for them.
const BY_MEMBERS: &[&str] = &[
    "kafka.subscribed",
    "kafka.assigned",
    "kafka.revoked",
    "kafka.lost",
    "kafka.rejoin",
    "kafka.poll-timeout",
    "kafka.commit-failed",
    "kafka.record-failed",
];
/// Signals whose key is a client.
const OF_CLIENTS: &[&str] = &["kafka.subscribed", "kafka.assigned", "kafka.revoked", "kafka.lost", "kafka.poll-timeout"];
const ENDINGS: &[&str] = &["-consumer-group", "-consumers", "-consumer", "-group", "-cg", ".group", "_group"];
const BEGINNINGS: &[&str] = &["consumer-", "cg-", "group-"];

/// Two records of one member this close tell of one event.
const SAME_EVENT: i64 = SECOND;

/// Who reads for which group.
pub struct Readers<'a> {
    case: &'a Case,
    /// Group of each client id.
    groups: BTreeMap<&'a str, &'a str>,
    /// Services of each group, and how often they speak of it.
    services: BTreeMap<&'a str, BTreeMap<Sym, usize>>,
    /// Services that tell lags of their own, by client id.
    metered: BTreeMap<&'a str, Sym>,
    /// Services that any record names.
    known: BTreeSet<Sym>,
}

impl<'a> Readers<'a> {
    /// Learns from tables, logs and metrics.
    pub fn new(case: &'a Case, backlogs: &[Backlog<'a>]) -> Self {
        let names = &case.tables.names;
        let mut all = Self { case, groups: BTreeMap::new(), services: BTreeMap::new(), metered: BTreeMap::new(), known: BTreeSet::new() };
        all.known.extend(case.tables.log_counts.keys().map(|(service, _)| *service));
        all.known.extend(case.tables.spans.iter().map(|span| span.service));
        for backlog in backlogs {
            for reading in backlog.partitions.values().flatten().filter(|reading| !reading.client.is_empty()) {
                match backlog.group {
                    "" => _ = all.metered.insert(reading.client, backlog.service),
                    group => _ = all.groups.insert(reading.client, group),
                }
            }
        }
        let of_clients: BTreeSet<Sym> = OF_CLIENTS.iter().filter_map(|name| names.find(name)).collect();
        let by_members: BTreeSet<Sym> = BY_MEMBERS.iter().filter_map(|name| names.find(name)).collect();
        let rows = || case.tables.signals.iter().filter(|row| by_members.contains(&row.signal));
        for row in rows().filter(|row| of_clients.contains(&row.signal) && !row.name.is_none() && !row.key.is_none()) {
            all.groups.entry(names.get(row.key)).or_insert_with(|| names.get(row.name));
        }
        for row in rows() {
            let client = if of_clients.contains(&row.signal) { names.get(row.key) } else { "" };
            let group = Some(names.get(row.name)).filter(|group| !group.is_empty()).or_else(|| all.groups.get(client).copied());
            if let Some(group) = group.filter(|_| !row.service.is_none()) {
                *all.services.entry(group).or_default().entry(row.service).or_default() += 1;
            }
        }
        all
    }

    /// The group that a member's record is about; empty if nothing tells.
    pub fn group_of(&self, row: &Signal) -> &'a str {
        let names = &self.case.tables.names;
        let said = names.get(row.name);
        if !said.is_empty() {
            return said;
        }
        if let Some(group) = self.groups.get(names.get(row.key)) {
            return group;
        }
        let mut of_service = self.services.iter().filter(|(_, services)| services.contains_key(&row.service)).map(|(group, _)| *group);
        match (of_service.next(), of_service.next()) {
            (Some(only), None) => only,
            (None, _) => self.groups.values().copied().find(|group| self.named_like(group) == Some(row.service)).unwrap_or(""),
            _ => "",
        }
    }

    /// The service that reads for a group: it says so, its clients are those of the group, it is called like it, or it alone
    /// handles messages of the topic. Otherwise the group's own name.
    pub fn service_of(&self, backlog: &Backlog<'a>) -> String {
        let names = &self.case.tables.names;
        if backlog.group.is_empty() {
            return names.get(backlog.service).to_owned();
        }
        let clients: BTreeSet<&str> = backlog.partitions.values().flatten().map(|reading| reading.client).collect();
        let told = self.spokesman(backlog.group);
        let found = told.or_else(|| clients.iter().find_map(|client| self.metered.get(client).copied())).or_else(|| self.named_like(backlog.group));
        let found = found.or_else(|| clients.iter().find_map(|client| self.named_like(client))).or_else(|| self.only_handler(backlog.topic));
        found.map_or_else(|| backlog.group.to_owned(), |service| names.get(service).to_owned())
    }

    /// What a finding about a group, or about a service whose group is not known, is about.
    pub fn subject(&self, group: &str, service: Sym) -> Subject {
        let names = &self.case.tables.names;
        let service = self.spokesman(group).or_else(|| self.named_like(group)).unwrap_or(service);
        let service = if service.is_none() { group } else { names.get(service) };
        Subject { service: service.to_owned(), key: group.to_owned(), ..Subject::default() }
    }

    fn spokesman(&self, group: &str) -> Option<Sym> {
        self.services.get(group)?.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0))).map(|(service, _)| *service)
    }

    /// A known service with the name of a group or client, without the usual beginnings, endings and numbers.
    fn named_like(&self, name: &str) -> Option<Sym> {
        let counted = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['-', '_', '.']);
        [name, counted].into_iter().flat_map(|name| std::iter::once(name).chain(stems(name))).find_map(|name| {
            let service = self.case.tables.names.find(name)?;
            self.known.contains(&service).then_some(service).filter(|service| !service.is_none())
        })
    }

    fn only_handler(&self, topic: &str) -> Option<Sym> {
        let topic = self.case.tables.names.find(topic).filter(|topic| !topic.is_none())?;
        let handlers: BTreeSet<Sym> =
            self.case.tables.spans.iter().filter(|span| span.kind == SpanKind::Consumer && span.peer == topic).map(|span| span.service).collect();
        if handlers.len() == 1 { handlers.first().copied() } else { None }
    }
}

fn stems(name: &str) -> impl Iterator<Item = &str> {
    let ended = ENDINGS.iter().filter_map(|ending| name.strip_suffix(ending));
    let begun = BEGINNINGS.iter().filter_map(|beginning| name.strip_prefix(beginning));
    ended.chain(begun)
}

/// A service's instance; the file, where that is all that tells instances apart.
pub type Instance = (Sym, Sym, Option<FileId>);

/// The instance that a row is of.
pub fn instance(row: &Signal) -> Instance {
    (row.service, row.instance, Some(row.evidence.file).filter(|_| row.instance.is_none()))
}

/// Records of events of members, each event once: a client library and the code around it often both tell it, and only one of
/// them names the client.
pub fn events<'a>(rows: &[&'a Signal]) -> Vec<&'a Signal> {
    let mut by_instance: BTreeMap<Instance, [Vec<&Signal>; 2]> = BTreeMap::new();
    for row in rows {
        let told = &mut by_instance.entry(instance(row)).or_default()[usize::from(row.key.is_none())];
        let again = told.iter().rev().take(16).any(|known| known.key == row.key && !row.key.is_none() && row.time.since(known.time) < SAME_EVENT);
        if !again {
            told.push(row);
        }
    }
    let mut events: Vec<&Signal> =
        by_instance.into_values().flat_map(|[named, others]| if named.len() >= others.len() { named } else { others }).collect();
    events.sort_by_key(|row| (row.time, row.evidence));
    events
}
