//! Who calls whom in a trace.
//!
//! A call is a client or producer span with what it reached: the service of its server span, else what its attributes name.
//! Where client spans are missing, or kinds are, a change of service between parent and child is a call too. A client span
//! around another one of the same service and peer (a library inside a library) is no call of its own.
//!
//! What this file does not do: count; that is `graph.rs` and `chain.rs`.

use crate::correlate::failure::{ErrorWords, Failure};
use crate::correlate::forest::NOBODY;
use crate::correlate::trace::Trace;
use crate::model::names::{Interner, Sym};
use crate::model::record::SpanKind;
use crate::model::tables::Span;
use hashbrown::{HashMap, HashSet};

/// One side of a call: a service, or something without telemetry of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Party {
    /// Service, host, database or destination.
    pub name: Sym,
    /// `postgresql`, `kafka`; empty for services and whatever speaks HTTP or RPC.
    pub system: Sym,
}

impl Party {
    /// A service.
    #[must_use]
    pub const fn service(name: Sym) -> Self {
        Self { name, system: Sym::NONE }
    }

    /// As reports call it: `payments`, `postgresql/orders`, `orders-db (postgresql)`.
    #[must_use]
    pub fn text(self, names: &Interner) -> String {
        match (names.get(self.name), names.get(self.system)) {
            ("", "") => "an unnamed service".to_owned(),
            (name, system) if name.starts_with(system) => name.to_owned(),
            (name, system) => format!("{name} ({system})"),
        }
    }
}

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The span that stands for it: the caller's, else the callee's.
    pub span: usize,
    /// The callee's span, if recorded.
    pub callee: Option<usize>,
    /// Where the caller's service took its work over.
    pub root: usize,
    /// The calling service.
    pub from: Sym,
    /// The called side.
    pub to: Party,
    /// What was called; empty if nobody says.
    pub operation: Sym,
    /// How it ended for the caller.
    pub failure: Failure,
    /// Whether the caller does not wait: a message.
    pub is_async: bool,
}

/// What a span's own time is spent on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// The service's own work.
    Work,
    /// Between the caller's span and the callee's: connect, network, proxy, the callee's queue.
    Between,
    /// At a side without spans: database, broker, third party.
    Remote,
    /// Waiting for a connection of a pool.
    Pool,
}

/// Who holds a span's own time, and where.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Holder {
    /// Who.
    pub party: Party,
    /// Where.
    pub place: Place,
}

/// What is known of names: which are services, what failures mean, what host is which service.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    services: HashSet<Sym>,
    learned: HashMap<(Sym, Sym), Sym>,
    aliases: HashMap<Sym, Sym>,
    rpc: HashSet<Sym>,
    pools: HashSet<Sym>,
    preflights: HashSet<Sym>,
    errors: ErrorWords,
}

impl Peers {
    /// Whether the bundle holds spans of the service.
    #[must_use]
    pub fn has_spans(&self, party: Party) -> bool {
        party.system.is_none() && self.services.contains(&party.name)
    }

    /// How a span ended.
    #[must_use]
    pub fn failure(&self, span: &Span) -> Failure {
        self.errors.judge(span, None)
    }

    /// Whether the operation asks for permission only (`OPTIONS`), which browsers do before every call.
    #[must_use]
    pub(crate) fn is_preflight(&self, operation: Sym) -> bool {
        self.preflights.contains(&operation)
    }

    /// Every call of the trace, ordered by the start of its span.
    #[must_use]
    pub fn calls(&self, trace: &Trace<'_>) -> Vec<Call> {
        let outgoing = trace.spans.iter().filter(|span| span.is_outgoing()).count();
        let roots = trace.local_roots();
        // A single call goes on inside no other.
        let inner = if outgoing > 1 { inner_calls(trace) } else { Vec::new() };
        let mut calls = Vec::with_capacity(outgoing);
        for (at, span) in trace.spans.iter().enumerate() {
            let root = roots.get(at).copied().unwrap_or(at);
            if span.is_outgoing() {
                let callee = trace.children(at).find(|&child| reaches(span, trace.spans.get(child)));
                if callee.is_some() || !self.wraps(trace, span, inner.get(at).copied().unwrap_or(NOBODY)) {
                    calls.push(self.call(trace, at, callee, root));
                }
                continue;
            }
            let Some(parent) = trace.parent(at) else { continue };
            let Some(caller) = trace.spans.get(parent).filter(|caller| reaches(caller, Some(span))) else { continue };
            let is_first = || trace.children(parent).find(|&child| reaches(caller, trace.spans.get(child))) == Some(at);
            let is_known = caller.is_outgoing() && (is_first() || caller.kind == SpanKind::Client);
            if !is_known {
                calls.push(Call {
                    span: at,
                    callee: Some(at),
                    root: roots.get(parent).copied().unwrap_or(parent),
                    from: caller.service,
                    to: Party::service(span.service),
                    operation: span.operation.or(span.name),
                    failure: self.errors.judge(span, None),
                    is_async: span.kind == SpanKind::Consumer,
                });
            }
        }
        calls
    }

    /// Whether a call to the same peer goes on inside an outgoing span.
    fn wraps(&self, trace: &Trace<'_>, span: &Span, inner: u32) -> bool {
        let Some(inner) = trace.spans.get(inner as usize).filter(|_| span.kind == SpanKind::Client && inner != NOBODY) else { return false };
        span.peer.is_none() || self.party(span, None) == self.party(inner, None)
    }

    fn call(&self, trace: &Trace<'_>, at: usize, callee: Option<usize>, root: usize) -> Call {
        let none =
            Call { span: at, callee, root, from: Sym::NONE, to: Party::default(), operation: Sym::NONE, failure: Failure::None, is_async: false };
        let Some(span) = trace.spans.get(at) else { return none };
        let other = callee.and_then(|callee| trace.spans.get(callee));
        Call {
            from: span.service,
            to: self.party(span, other),
            operation: span.operation.or(other.map_or(Sym::NONE, |other| other.operation)).or(span.name),
            failure: self.errors.judge(span, other),
            is_async: span.kind == SpanKind::Producer,
            ..none
        }
    }

    /// Whether a span is a call to a service, over HTTP or a protocol of remote procedures, and not to a database or a broker.
    #[must_use]
    pub fn asks_service(&self, span: &Span) -> bool {
        span.system.is_none() || self.rpc.contains(&span.system)
    }

    /// Whom an outgoing span reaches.
    fn party(&self, span: &Span, callee: Option<&Span>) -> Party {
        if let Some(callee) = callee {
            return Party::service(callee.service);
        }
        let system = if self.rpc.contains(&span.system) { Sym::NONE } else { span.system };
        if !system.is_none() {
            return Party { name: span.peer.or(system), system };
        }
        if span.peer.is_none() {
            return Party { name: span.operation.or(span.name), system };
        }
        let name = self.learned.get(&(span.service, span.peer)).or_else(|| self.aliases.get(&span.peer)).copied().unwrap_or(span.peer);
        Party { name, system }
    }

    /// Who holds the own time of each span.
    #[must_use]
    pub fn holders(&self, trace: &Trace<'_>, calls: &[Call]) -> Vec<Holder> {
        let own = |span: &Span| Holder {
            party: Party::service(span.service),
            place: if span.kind == SpanKind::Internal && self.pools.contains(&span.name) { Place::Pool } else { Place::Work },
        };
        let mut holders: Vec<Holder> = trace.spans.iter().map(own).collect();
        for call in calls.iter().filter(|call| call.callee != Some(call.span)) {
            if let Some(holder) = holders.get_mut(call.span) {
                *holder = Holder { party: call.to, place: if call.callee.is_some() { Place::Between } else { Place::Remote } };
            }
        }
        holders
    }
}

/// Whether a child is the other side of its parent's call.
fn reaches(caller: &Span, child: Option<&Span>) -> bool {
    child.is_some_and(|child| child.is_incoming() || child.service != caller.service && !child.is_outgoing())
}

/// For each span the first call that goes on inside it, in the same service, or `NOBODY`.
fn inner_calls(trace: &Trace<'_>) -> Vec<u32> {
    let mut inside = vec![NOBODY; trace.spans.len()];
    for at in trace.order().rev() {
        let (Some(span), Some(parent)) = (trace.spans.get(at), trace.parent(at)) else { continue };
        let carried = if span.is_outgoing() { at as u32 } else { inside.get(at).copied().unwrap_or(NOBODY) };
        let same = !span.is_incoming() && trace.spans.get(parent).is_some_and(|parent| parent.service == span.service);
        if let (true, Some(slot)) = (same, inside.get_mut(parent)) {
            // `NOBODY` is greater than any index.
            *slot = carried.min(*slot);
        }
    }
    inside
}

/// What traces say about names; merges.
#[derive(Clone, Debug, Default)]
pub(crate) struct PeerPart {
    services: HashSet<Sym>,
    reached: HashMap<(Sym, Sym), HashMap<Sym, u64>>,
    hosts: HashSet<Sym>,
    systems: HashSet<Sym>,
    inner_names: HashSet<Sym>,
    operations: HashSet<Sym>,
    errors: HashSet<Sym>,
}

impl PeerPart {
    pub(crate) fn add(&mut self, trace: &Trace<'_>) {
        for (at, span) in trace.spans.iter().enumerate() {
            self.services.insert(span.service);
            if !span.error.is_none() {
                self.errors.insert(span.error);
            }
            if span.kind == SpanKind::Internal {
                self.inner_names.insert(span.name);
            }
            if !span.is_outgoing() {
                continue;
            }
            self.operations.insert(span.operation);
            self.systems.insert(span.system);
            if span.peer.is_none() {
                continue;
            }
            self.hosts.insert(span.peer);
            let callee = trace.children(at).find_map(|child| trace.spans.get(child).filter(|child| reaches(span, Some(child))));
            if let Some(callee) = callee.filter(|callee| callee.service != span.peer) {
                *self.reached.entry((span.service, span.peer)).or_default().entry(callee.service).or_default() += 1;
            }
        }
    }

    pub(crate) fn merge(mut self, other: Self) -> Self {
        for (pair, services) in other.reached {
            let mine = self.reached.entry(pair).or_default();
            services.into_iter().for_each(|(service, count)| *mine.entry(service).or_default() += count);
        }
        self.services.extend(other.services);
        self.hosts.extend(other.hosts);
        self.systems.extend(other.systems);
        self.inner_names.extend(other.inner_names);
        self.operations.extend(other.operations);
        self.errors.extend(other.errors);
        self
    }

    pub(crate) fn finish(self, names: &Interner) -> Peers {
        // A host that always leads one caller to one service is that service, even where the server's span is lost;
        // a proxy leads to several.
        let one = |services: HashMap<Sym, u64>| services.keys().next().copied().filter(|_| services.len() == 1);
        let alias = |host: Sym| service_of_host(names.get(host), |name| names.find(name).filter(|sym| self.services.contains(sym)));
        let is_pool = |name: &str| {
            let name = name.to_ascii_lowercase();
            name.ends_with("getconnection") || name == "connection" || name == "acquire"
        };
        Peers {
            learned: self.reached.into_iter().filter_map(|(pair, services)| one(services).map(|service| (pair, service))).collect(),
            aliases: self.hosts.iter().filter_map(|&host| alias(host).map(|service| (host, service))).collect(),
            rpc: self.systems.into_iter().filter(|&system| is_rpc(names.get(system))).collect(),
            pools: self.inner_names.into_iter().filter(|&name| is_pool(names.get(name))).collect(),
            preflights: self.operations.into_iter().filter(|&operation| names.get(operation).starts_with("OPTIONS")).collect(),
            errors: ErrorWords::of(self.errors.into_iter(), names),
            services: self.services,
        }
    }
}

/// Systems whose other side is a service like any other.
fn is_rpc(system: &str) -> bool {
    matches!(system, "grpc" | "connect_rpc" | "connectrpc" | "dubbo" | "apache_dubbo" | "dotnet_wcf" | "java_rmi" | "jsonrpc" | "thrift" | "http")
}

/// The service a host name means: its first label, with or without `-service` or `-svc`.
fn service_of_host(host: &str, known: impl Fn(&str) -> Option<Sym>) -> Option<Sym> {
    let host = host.rsplit_once(':').map_or(host, |(host, port)| if port.bytes().all(|b| b.is_ascii_digit()) { host } else { "" });
    if host.split('.').all(|label| label.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let label = host.split('.').next().unwrap_or(host);
    let bare = ["-service", "-svc", "_service", "service"].iter().find_map(|end| label.strip_suffix(end)).filter(|bare| !bare.is_empty());
    known(host)
        .or_else(|| known(label))
        .or_else(|| bare.and_then(&known))
        .or_else(|| ["-service", "-svc", "service"].iter().find_map(|end| known(&format!("{}{end}", bare.unwrap_or(label)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_mean_services() {
        let known = |name: &str| ["payments", "cartservice"].iter().position(|service| *service == name).map(|at| Sym(at as u32 + 1));
        for (host, want) in [
            ("payments", Some(Sym(1))),
            ("payments:8080", Some(Sym(1))),
            ("payments.prod", Some(Sym(1))),
            ("payments-svc", Some(Sym(1))),
            ("cart", Some(Sym(2))),
            ("cart-svc:80", Some(Sym(2))),
            ("10.1.2.3", None),
            ("api.stripe.example", None),
        ] {
            assert_eq!(service_of_host(host, known), want, "{host}");
        }
    }
}
