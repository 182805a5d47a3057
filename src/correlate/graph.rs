//! The service graph: who calls whom, how often, how long, and when.
//!
//! Every number is kept per operation and bucket of time, so that any two stretches of time can be compared later. Nodes
//! and edges stand in the order of their texts.
//!
//! What this file does not do: judge. A slow edge is a rule's matter.

use crate::correlate::calls::{Call, Party, Peers};
use crate::correlate::failure::Failure;
use crate::correlate::trace::Trace;
use crate::model::names::Sym;
use crate::model::sketch::Sketch;
use crate::model::time::{Time, Window};
use hashbrown::{HashMap, HashSet};
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use std::collections::BTreeMap;

/// Calls of one kind in one stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallStats {
    /// How many.
    pub calls: u64,
    /// How many failed, as the conventions of OpenTelemetry see it.
    pub errors: u64,
    /// How many failed without an answer in time.
    pub timeouts: u64,
    /// How many failed with an unknown outcome; timeouts are among them.
    pub ambiguous: u64,
    /// How many repeated an earlier attempt.
    pub retries: u64,
    /// Lengths in nanoseconds, as the caller saw them; of served calls, as the service saw them.
    pub nanos: Sketch,
    /// Of served calls: nanoseconds in which the service itself was at work rather than waiting for calls of its own.
    pub own: Sketch,
}

impl CallStats {
    /// Adds the calls of another stretch.
    pub fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.errors += other.errors;
        self.timeouts += other.timeouts;
        self.ambiguous += other.ambiguous;
        self.retries += other.retries;
        self.nanos.merge(&other.nanos);
        self.own.merge(&other.own);
    }

    /// Errors per call.
    #[must_use]
    pub fn error_ratio(&self) -> f64 {
        self.errors as f64 / self.calls.max(1) as f64
    }

    fn count(&mut self, nanos: u64, failure: Failure) {
        self.calls += 1;
        self.errors += u64::from(failure != Failure::None);
        self.timeouts += u64::from(failure == Failure::TimedOut);
        self.ambiguous += u64::from(failure.is_ambiguous());
        self.nanos.add(nanos);
    }
}

/// Calls by number of bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline(pub BTreeMap<i64, CallStats>);

impl Timeline {
    /// All calls.
    #[must_use]
    pub fn total(&self) -> CallStats {
        self.sum(|_| true)
    }

    /// The calls of those buckets.
    #[must_use]
    pub fn sum(&self, wanted: impl Fn(i64) -> bool) -> CallStats {
        let mut sum = CallStats::default();
        self.0.iter().filter(|(bucket, _)| wanted(**bucket)).for_each(|(_, calls)| sum.merge(calls));
        sum
    }

    /// The same calls in buckets that are `factor` times as wide.
    #[must_use]
    pub fn widened(&self, factor: i64) -> Self {
        let mut wide = Self::default();
        self.0.iter().for_each(|(bucket, calls)| wide.0.entry(bucket.div_euclid(factor.max(1))).or_default().merge(calls));
        wide
    }

    /// Adds the calls of another line.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(bucket, calls)| self.0.entry(*bucket).or_default().merge(calls));
    }
}

/// A service, or something that is called and has no spans of its own.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// Who.
    pub party: Party,
    /// Whether the bundle has spans of it.
    pub has_spans: bool,
    /// What it served, by operation.
    pub served: BTreeMap<Sym, Timeline>,
    /// Traces that reach it and calls to it, of traces without any retry.
    pub calm: Reach,
    /// Traces that reach it and calls to it, of traces with a retry.
    pub retried: Reach,
}

/// How often a node was called in how many traces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Traces that reach it.
    pub traces: u64,
    /// Calls to it.
    pub calls: u64,
    /// The most calls to it in one trace.
    pub most: u64,
}

impl Reach {
    const fn merge(&mut self, other: Self) {
        self.traces += other.traces;
        self.calls += other.calls;
        if other.most > self.most {
            self.most = other.most;
        }
    }

    /// Calls per trace that reaches it.
    #[must_use]
    pub fn mean(self) -> f64 {
        self.calls as f64 / self.traces.max(1) as f64
    }
}

/// Calls from one node to another.
#[derive(Clone, Debug, Default)]
pub struct Edge {
    /// Calls by operation.
    pub operations: BTreeMap<Sym, Timeline>,
    /// Whether these are messages, for which the caller does not wait.
    pub is_async: bool,
}

impl Edge {
    /// All calls of all operations.
    #[must_use]
    pub fn timeline(&self) -> Timeline {
        let mut all = Timeline::default();
        self.operations.values().for_each(|line| all.merge(line));
        all
    }
}

/// One kind of call: caller, callee and operation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct EdgeKey {
    /// The calling service.
    pub from: Sym,
    /// The called side.
    pub to: Party,
    /// What is called.
    pub operation: Sym,
}

impl EdgeKey {
    /// Of a call.
    #[must_use]
    pub const fn of(call: &Call) -> Self {
        Self { from: call.from, to: call.to, operation: call.operation }
    }
}

/// The service graph.
#[derive(Clone, Debug, Default)]
pub struct ServiceGraph {
    graph: DiGraph<Node, Edge>,
    index: BTreeMap<Party, NodeIndex>,
}

impl ServiceGraph {
    /// Every node, in the order of their texts.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.index.values().filter_map(|&at| self.graph.node_weight(at))
    }

    /// A node.
    #[must_use]
    pub fn node(&self, party: Party) -> Option<&Node> {
        self.graph.node_weight(*self.index.get(&party)?)
    }

    /// Every edge with its ends, in the order of their texts.
    pub fn edges(&self) -> impl Iterator<Item = (Party, Party, &Edge)> {
        self.graph
            .edge_references()
            .filter_map(|edge| Some((self.graph.node_weight(edge.source())?.party, self.graph.node_weight(edge.target())?.party, edge.weight())))
    }

    /// The edge between two nodes.
    #[must_use]
    pub fn edge(&self, from: Party, to: Party) -> Option<&Edge> {
        self.graph.edge_weight(self.graph.find_edge(*self.index.get(&from)?, *self.index.get(&to)?)?)
    }

    /// Who calls the node, in the order of their texts.
    #[must_use]
    pub fn callers(&self, party: Party) -> Vec<Party> {
        self.neighbours(party, Direction::Incoming)
    }

    /// Whom the node calls, in the order of their texts.
    #[must_use]
    pub fn callees(&self, party: Party) -> Vec<Party> {
        self.neighbours(party, Direction::Outgoing)
    }

    /// A shortest way of calls from one node to another, both included; none if there is none.
    #[must_use]
    pub fn path(&self, from: Party, to: Party) -> Option<Vec<Party>> {
        let mut came: BTreeMap<Party, Party> = BTreeMap::from([(from, from)]);
        let mut open = std::collections::VecDeque::from([*self.index.get(&from).map(|_| &from)?]);
        while let Some(at) = open.pop_front() {
            if at == to {
                let mut path = vec![to];
                while let Some(&before) = path.last().and_then(|last| came.get(last)).filter(|&&before| Some(&before) != path.last()) {
                    path.push(before);
                }
                path.reverse();
                return Some(path);
            }
            for next in self.callees(at) {
                came.entry(next).or_insert_with(|| {
                    open.push_back(next);
                    at
                });
            }
        }
        None
    }

    fn neighbours(&self, party: Party, direction: Direction) -> Vec<Party> {
        let Some(&at) = self.index.get(&party) else { return Vec::new() };
        let mut parties: Vec<Party> = self.graph.neighbors_directed(at, direction).filter_map(|at| Some(self.graph.node_weight(at)?.party)).collect();
        parties.sort_unstable();
        parties.dedup();
        parties
    }
}

/// What traces say about the graph; merges.
#[derive(Clone, Debug, Default)]
pub(crate) struct GraphPart {
    edges: HashMap<(EdgeKey, i64), CallStats>,
    served: HashMap<(Sym, Sym, i64), CallStats>,
    entries: HashMap<(Sym, Sym, i64), CallStats>,
    waited: HashSet<(Sym, Party)>,
    reach: HashMap<Party, (Reach, Reach)>,
}

impl GraphPart {
    /// Takes in a trace. `retries` says of each call whether it repeats an earlier attempt, `width` is that of a bucket.
    pub(crate) fn add(&mut self, trace: &Trace<'_>, peers: &Peers, calls: &[Call], retries: &[bool], width: i64) {
        for (call, &retry) in calls.iter().zip(retries) {
            let Some(span) = trace.spans.get(call.span) else { continue };
            let Some(bucket) = bucket(trace, call.span, width) else { continue };
            let stats = self.edges.entry((EdgeKey::of(call), bucket)).or_default();
            stats.count(span.nanos, call.failure);
            stats.retries += u64::from(retry);
            if !call.is_async {
                self.waited.insert((call.from, call.to));
            }
        }
        self.add_reach(calls, retries.contains(&true));
        let own = own_nanos(trace, calls);
        for (at, span) in trace.spans.iter().enumerate() {
            let is_entry = trace.parent(at).is_none_or(|parent| trace.is_handed_over(parent, at));
            let is_served = own.get(at).copied().flatten();
            let Some(bucket) = bucket(trace, at, width).filter(|_| is_entry || is_served.is_some()) else { continue };
            let failure = peers.failure(span);
            let key = (span.service, span.operation.or(span.name), bucket);
            if let Some(own) = is_served {
                let stats = self.served.entry(key).or_default();
                stats.count(span.nanos, failure);
                stats.own.add(own.min(span.nanos));
            }
            if is_entry {
                self.entries.entry(key).or_default().count(span.nanos, failure);
            }
        }
    }

    fn add_reach(&mut self, calls: &[Call], has_retry: bool) {
        let mut parties: Vec<Party> = calls.iter().map(|call| call.to).collect();
        parties.sort_unstable();
        for group in parties.chunk_by(|a, b| a == b) {
            let Some(&party) = group.first() else { continue };
            let (calm, retried) = self.reach.entry(party).or_default();
            let reach = if has_retry { retried } else { calm };
            let calls = group.len() as u64;
            reach.merge(Reach { traces: 1, calls, most: calls });
        }
    }

    /// Takes in another part.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        if self.edges.len() < other.edges.len() {
            return other.merge(self);
        }
        other.edges.into_iter().for_each(|(key, stats)| self.edges.entry(key).or_default().merge(&stats));
        other.served.into_iter().for_each(|(key, stats)| self.served.entry(key).or_default().merge(&stats));
        other.entries.into_iter().for_each(|(key, stats)| self.entries.entry(key).or_default().merge(&stats));
        self.waited.extend(other.waited);
        for (party, (calm, retried)) in other.reach {
            let mine = self.reach.entry(party).or_default();
            mine.0.merge(calm);
            mine.1.merge(retried);
        }
        self
    }

    /// The graph, and the calls with which work entered the system by service and operation.
    pub(crate) fn finish(self, peers: &Peers) -> (ServiceGraph, BTreeMap<(Sym, Sym), Timeline>) {
        let mut entries: BTreeMap<(Sym, Sym), Timeline> = BTreeMap::new();
        self.entries.into_iter().for_each(|((service, operation, bucket), stats)| {
            entries.entry((service, operation)).or_default().0.entry(bucket).or_default().merge(&stats)
        });
        let mut nodes: BTreeMap<Party, Node> = BTreeMap::new();
        for ((service, operation, bucket), stats) in self.served {
            let node = nodes.entry(Party::service(service)).or_default();
            node.served.entry(operation).or_default().0.insert(bucket, stats);
        }
        let mut edges: BTreeMap<(Party, Party), Edge> = BTreeMap::new();
        for ((key, bucket), stats) in self.edges {
            let from = Party::service(key.from);
            nodes.entry(from).or_default();
            nodes.entry(key.to).or_default();
            let edge = edges.entry((from, key.to)).or_default();
            edge.operations.entry(key.operation).or_default().0.insert(bucket, stats);
            edge.is_async = !self.waited.contains(&(key.from, key.to));
        }
        let mut all = ServiceGraph::default();
        for (party, mut node) in nodes {
            (node.party, node.has_spans) = (party, peers.has_spans(party));
            (node.calm, node.retried) = self.reach.get(&party).copied().unwrap_or_default();
            all.index.insert(party, all.graph.add_node(node));
        }
        for ((from, to), edge) in edges {
            if let (Some(&from), Some(&to)) = (all.index.get(&from), all.index.get(&to)) {
                all.graph.add_edge(from, to, edge);
            }
        }
        (all, entries)
    }
}

/// For every span at which a service took work over, how long the service itself was at work for it.
fn own_nanos(trace: &Trace<'_>, calls: &[Call]) -> Vec<Option<u64>> {
    let mut own: Vec<Option<u64>> = vec![None; trace.spans.len()];
    let roots = trace.local_roots();
    let mut is_call = vec![false; trace.spans.len()];
    calls.iter().filter(|call| call.callee != Some(call.span)).for_each(|call| is_call[call.span] = true);
    for (at, &root) in roots.iter().enumerate() {
        if is_call[at] || trace.spans[root].is_outgoing() {
            continue;
        }
        let sum = own[root].get_or_insert(0);
        *sum = sum.saturating_add(trace.self_nanos(at));
    }
    own
}

/// The number of the bucket in which a span began.
pub(crate) fn bucket(trace: &Trace<'_>, at: usize, width: i64) -> Option<i64> {
    Some(trace.began(at)).filter(|began| began.is_some()).map(|began| began.0.div_euclid(width.max(1)))
}

/// The window of the buckets from `first` to `last`, both included.
#[must_use]
pub fn bucket_window(first: i64, last: i64, width: i64) -> Window {
    Window::of(Time(first.saturating_mul(width)), Time(last.saturating_add(1).saturating_mul(width)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::fixture::case;

    #[test]
    fn edges_from_spans_attributes_and_changes_of_service() {
        let case = case(
            "
t1
  gw GET / 0-100
    > orders.prod GET /orders 5-90
      orders GET /orders 6-88
        > orders SELECT orders 10-20 system=postgresql
        >> kafka/orders send 21-22 system=kafka
          << mailer process 30-60
        billing POST /bill 40-50
    > api.bank.example POST /pay 91-95 !504
    > 10.0.0.9:8080 GET /users 96-98
      users GET /users 96-97
t2 +50
  gw GET / 0-100
    > 10.0.0.9:8080 GET /users 96-98 !timeout
",
        );
        let names = &case.tables.names;
        let edge = |(from, to, edge): (Party, Party, &Edge)| {
            let all = edge.timeline().total();
            format!("{}>{} {}/{}/{}", from.text(names), to.text(names), all.calls, all.errors, all.timeouts)
        };
        let edges: Vec<String> = case.context.graph.edges().map(edge).collect();
        assert_eq!(
            edges,
            [
                "gw>api.bank.example 1/1/1",
                "gw>orders 1/0/0",
                "gw>users 2/1/1",
                "orders>billing 1/0/0",
                "orders>mailer 1/0/0",
                "orders>orders (postgresql) 1/0/0"
            ]
        );
        let party = |name: &str| Party::service(names.find(name).unwrap());
        let path = case.context.graph.path(party("gw"), party("mailer")).unwrap();
        assert_eq!(path, [party("gw"), party("orders"), party("mailer")]);
        assert_eq!(case.context.graph.path(party("mailer"), party("gw")), None);
        assert!(case.context.graph.edge(party("orders"), party("mailer")).unwrap().is_async);
        assert_eq!(case.context.entries.len(), 2, "the gateway's and the consumer's");
        let orders = case.context.graph.node(party("orders")).unwrap();
        let served = orders.served.values().next().unwrap().total();
        assert_eq!((served.calls, served.own.sum() / 1_000_000), (1, 61), "82 less the statement, the message and the bill");
    }
}
