//! What a request carries that others may lack: attributes, instances, versions, routes, peers; each as a number.
//!
//! Of a failed request only what was there before its failure is taken: an error page that is served because a call failed
//! explains nothing. What this file does not do: compare requests; that is `findings/difference`.

use crate::correlate::Case;
use crate::correlate::attributes::{MOST_VALUES, pairs};
use crate::correlate::ending::{Ending, Request, operation};
use crate::model::names::Sym;
use crate::model::source::Evidence;
use crate::model::tables::Span;
use crate::model::time::Time;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};

/// What kind of thing a trait is. In the order in which one of several equal explanations is preferred.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// The version of a service.
    Version,
    /// Another attribute of a span or resource.
    Attribute,
    /// The instance that was at work.
    Instance,
    /// The operation of a service that was called.
    Route,
    /// Somebody that a service calls.
    Peer,
}

impl Kind {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Attribute => "attribute",
            Self::Instance => "instance",
            Self::Route => "route",
            Self::Peer => "peer",
        }
    }
}

/// Something that requests carry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Trait<'a> {
    /// What kind of thing.
    pub kind: Kind,
    /// The key of an attribute, else the kind's name.
    pub key: &'a str,
    /// Its value.
    pub value: &'a str,
    /// The service whose spans carry it.
    pub service: &'a str,
}

/// Namespaces of attributes that belong to an instance and change with a deployment.
const DEPLOYED: &[&str] = &["cloud", "container", "deployment", "host", "k8s", "os", "process", "service", "vcs"];

impl Trait<'_> {
    /// Whether it may change for all at once, so that before and after is all there is to compare.
    #[must_use]
    pub fn is_deployed(&self) -> bool {
        let namespace = self.key.split_once('.').map_or("", |(first, _)| first);
        self.kind == Kind::Version || self.kind == Kind::Attribute && DEPLOYED.contains(&namespace)
    }
}

/// All traits that were met, by number.
pub struct Traits<'a> {
    case: &'a Case,
    numbers: BTreeMap<Trait<'a>, u32>,
    all: Vec<Trait<'a>>,
    /// The traits of a service with a set of attributes.
    sets: HashMap<(Sym, Sym), Box<[u32]>, FixedState>,
    others: HashMap<(Kind, Sym, Sym), u32, FixedState>,
}

/// Look-ups only: no output depends on the hash.
const HASHER: FixedState = FixedState::with_seed(0x7472_6169_7473);

impl<'a> Traits<'a> {
    /// None yet.
    #[must_use]
    pub const fn new(case: &'a Case) -> Self {
        Self { case, numbers: BTreeMap::new(), all: Vec::new(), sets: HashMap::with_hasher(HASHER), others: HashMap::with_hasher(HASHER) }
    }

    /// A trait by its number.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&Trait<'a>> {
        self.all.get(number as usize)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Those whose key has too many values to tell requests apart by. No piece of the bundle had too many, all together have.
    #[must_use]
    pub fn too_varied(&self) -> BTreeSet<u32> {
        let mut values: BTreeMap<(&str, &str), Vec<u32>> = BTreeMap::new();
        let attributes = (0..).zip(&self.all).filter(|(_, carried)| matches!(carried.kind, Kind::Attribute | Kind::Version));
        attributes.for_each(|(number, carried)| values.entry((carried.service, carried.key)).or_default().push(number));
        values.into_values().filter(|numbers| numbers.len() > MOST_VALUES).flatten().collect()
    }

    /// Instances, and what is deployed, of which a service has no other: to carry one is to pass through the service, no more.
    #[must_use]
    pub fn without_choice(&self) -> BTreeSet<u32> {
        let mut values: BTreeMap<(Kind, &str, &str), Vec<u32>> = BTreeMap::new();
        let deployed = (0..).zip(&self.all).filter(|(_, carried)| carried.kind == Kind::Instance || carried.is_deployed());
        deployed.for_each(|(number, carried)| values.entry((carried.kind, carried.service, carried.key)).or_default().push(number));
        values.into_values().filter(|numbers| numbers.len() == 1).flatten().collect()
    }

    /// What a request carries, in order, each once.
    pub fn of(&mut self, request: &Request, out: &mut Vec<u32>) {
        out.clear();
        let case = self.case;
        for span in before_failure(case, request) {
            self.of_span(span, out);
        }
        out.sort_unstable();
        out.dedup();
    }

    /// The first span of a request that carries a trait.
    pub fn carrier(&mut self, request: &Request, number: u32) -> Option<Evidence> {
        let case = self.case;
        let mut carried = Vec::new();
        before_failure(case, request).find_map(|span| {
            carried.clear();
            self.of_span(span, &mut carried);
            carried.contains(&number).then_some(span.evidence)
        })
    }

    fn of_span(&mut self, span: &Span, out: &mut Vec<u32>) {
        if !span.attributes.is_none() {
            self.of_set(span.service, span.attributes, out);
        }
        let is_call = span.is_outgoing();
        if !is_call && !span.instance.is_none() && span.instance != span.service {
            out.push(self.other(Kind::Instance, span.service, span.instance));
        }
        if is_call && !span.peer.is_none() {
            out.push(self.other(Kind::Peer, span.service, span.peer));
        } else if span.is_incoming() || span.parent.is_none() {
            out.push(self.other(Kind::Route, span.service, operation(span)));
        }
    }

    fn of_set(&mut self, service: Sym, set: Sym, out: &mut Vec<u32>) {
        if let Some(known) = self.sets.get(&(service, set)) {
            out.extend_from_slice(known);
            return;
        }
        let tables = &self.case.tables;
        let is_wide = |key: Sym| tables.wide_attributes.contains(&(service, key));
        let mut numbers = Vec::new();
        if !is_wide(Sym::NONE) {
            for (key, value) in pairs(tables.names.get(set)) {
                if tables.names.find(key).is_some_and(is_wide) {
                    continue;
                }
                let kind = if key.ends_with("version") { Kind::Version } else { Kind::Attribute };
                numbers.push(self.number(Trait { kind, key, value, service: tables.names.get(service) }));
            }
        }
        out.extend_from_slice(&numbers);
        self.sets.insert((service, set), numbers.into());
    }

    fn other(&mut self, kind: Kind, service: Sym, value: Sym) -> u32 {
        if let Some(known) = self.others.get(&(kind, service, value)) {
            return *known;
        }
        let names = &self.case.tables.names;
        let number = self.number(Trait { kind, key: kind.name(), value: names.get(value), service: names.get(service) });
        self.others.insert((kind, service, value), number);
        number
    }

    fn number(&mut self, carried: Trait<'a>) -> u32 {
        let all = &mut self.all;
        *self.numbers.entry(carried).or_insert_with(|| {
            all.push(carried);
            all.len() as u32 - 1
        })
    }
}

/// The spans of a request that began before its first failure had ended. Of failures within each other the innermost is the
/// first.
fn before_failure<'a>(case: &'a Case, request: &Request) -> impl Iterator<Item = &'a Span> {
    let trace = case.trace(request.trace);
    let failed = |at: usize| trace.spans.get(at).is_some_and(Span::failed);
    let by_itself = (0..trace.spans.len()).filter(|&at| failed(at) && !trace.children(at).any(failed));
    let end = if request.ending == Ending::Failed { by_itself.map(|at| trace.end(at)).min() } else { None };
    let end = end.map_or(Time(i64::MAX), Time);
    trace.spans.iter().enumerate().filter(move |(at, _)| trace.start(*at) <= end.0).map(|(_, span)| span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::ending::requests;
    use crate::correlate::fixture::{given, many};
    use crate::correlate::gather::gather;

    fn without_choice(instances: u32) -> Vec<String> {
        let request = |n: u32| format!("  gw GET / 0-100\n    > orders GET /o 1-90\n      orders GET /o 2-80 at=orders-{}\n", n % instances);
        let case = gather(given(&many(0..12, 10, |n| if n % 3 == 0 { "  gw GET /x 0-9\n".to_owned() } else { request(n) })));
        let mut traits = Traits::new(&case);
        requests(&case, None).iter().for_each(|request| traits.of(request, &mut Vec::new()));
        traits.without_choice().iter().filter_map(|&number| Some(traits.get(number)?.value.to_owned())).collect()
    }

    #[test]
    fn the_only_instance_says_no_more_than_its_service() {
        assert_eq!(without_choice(1), ["orders-0"]);
        assert_eq!(without_choice(2), Vec::<String>::new());
    }
}
