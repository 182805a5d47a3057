//! Folds the quiet parts of a large service map: services that stand alike and of which nothing is to be said become one node.
//!
//! ```text
//! orders --> redis, flags, audit (no errors, no retries, in no finding)      orders --> 3 quiet services
//! ```
//!
//! What this file does not do: hide trouble. A service with an error or a retry on any of its connections is never folded.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::Edge;

/// Maps of so many services are drawn as they are.
const FEW: usize = 14;
/// Above this, services with one busiest caller in common are folded too.
const MANY: usize = 24;

/// Nodes by name, each with the services it stands for, and the calls between them.
pub(super) struct Folded {
    /// By name; a service that was not folded stands for itself.
    pub(super) nodes: BTreeMap<String, Vec<String>>,
    /// By caller and callee.
    pub(super) edges: Vec<Edge>,
}

/// Folds a graph; services of `loud` are kept.
pub(super) fn folded(edges: &[Edge], loud: &BTreeSet<&str>) -> Folded {
    let mut names: BTreeSet<&str> = edges.iter().flat_map(|edge| [edge.caller.as_str(), edge.callee.as_str()]).collect();
    let mut home: BTreeMap<String, String> = BTreeMap::new();
    if names.len() > FEW {
        let quiet = quiet(edges, loud);
        let (callers, callees) = neighbours(edges);
        let none = BTreeSet::new();
        let of =
            |map: &BTreeMap<&str, BTreeSet<&str>>, name: &str| map.get(name).unwrap_or(&none).iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let alike = |name: &str| Some((of(&callers, name), of(&callees, name)));
        fold(&quiet, alike, &mut home);
        names.retain(|name| !home.contains_key(*name));
        if names.len() + home.values().collect::<BTreeSet<_>>().len() > MANY {
            let busiest = busiest_callers(edges);
            let leaf = |name: &str| (!callees.contains_key(name)).then(|| busiest.get(name).copied()).flatten();
            let rest = quiet.iter().copied().filter(|name| !home.contains_key(*name)).collect();
            fold(&rest, leaf, &mut home);
        }
    }
    let home_of = |name: &str| home.get(name).map_or_else(|| name.to_owned(), String::clone);
    let mut nodes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut joined: BTreeMap<(String, String), Edge> = BTreeMap::new();
    for edge in edges {
        let (caller, callee) = (home_of(&edge.caller), home_of(&edge.callee));
        for (node, member) in [(&caller, &edge.caller), (&callee, &edge.callee)] {
            let members = nodes.entry(node.clone()).or_default();
            if !members.contains(member) {
                members.push(member.clone());
            }
        }
        let known = joined.entry((caller.clone(), callee.clone())).or_insert_with(|| Edge { caller, callee, ..Edge::default() });
        known.calls = known.calls.saturating_add(edge.calls);
        known.errors = known.errors.saturating_add(edge.errors);
        known.retries = known.retries.saturating_add(edge.retries);
        known.p50_ms = known.p50_ms.max(edge.p50_ms);
        known.p95_ms = known.p95_ms.max(edge.p95_ms);
        known.p99_ms = known.p99_ms.max(edge.p99_ms);
    }
    nodes.values_mut().for_each(|members| members.sort());
    Folded { nodes, edges: joined.into_values().collect() }
}

/// Services without an error or a retry on any side, which nobody speaks of.
fn quiet<'e>(edges: &'e [Edge], loud: &BTreeSet<&str>) -> BTreeSet<&'e str> {
    let mut quiet: BTreeSet<&str> = edges.iter().flat_map(|edge| [edge.caller.as_str(), edge.callee.as_str()]).collect();
    quiet.retain(|name| !loud.contains(name));
    for edge in edges.iter().filter(|edge| edge.errors > 0 || edge.retries > 0) {
        quiet.remove(edge.caller.as_str());
        quiet.remove(edge.callee.as_str());
    }
    quiet
}

type Neighbours<'e> = BTreeMap<&'e str, BTreeSet<&'e str>>;

fn neighbours(edges: &[Edge]) -> (Neighbours<'_>, Neighbours<'_>) {
    let (mut callers, mut callees) = (Neighbours::new(), Neighbours::new());
    for edge in edges.iter().filter(|edge| edge.caller != edge.callee) {
        callers.entry(&edge.callee).or_default().insert(&edge.caller);
        callees.entry(&edge.caller).or_default().insert(&edge.callee);
    }
    (callers, callees)
}

fn busiest_callers(edges: &[Edge]) -> BTreeMap<&str, &str> {
    let mut busiest: BTreeMap<&str, &Edge> = BTreeMap::new();
    for edge in edges {
        let known = busiest.entry(&edge.callee).or_insert(edge);
        if (edge.calls, &known.caller) > (known.calls, &edge.caller) {
            *known = edge;
        }
    }
    busiest.into_iter().map(|(callee, edge)| (callee, edge.caller.as_str())).collect()
}

/// Gives services with the same key one home, if there are two or more of them.
fn fold<K: Ord>(names: &BTreeSet<&str>, key: impl Fn(&str) -> Option<K>, home: &mut BTreeMap<String, String>) {
    let mut groups: BTreeMap<K, Vec<&str>> = BTreeMap::new();
    for name in names {
        if let Some(key) = key(name) {
            groups.entry(key).or_default().push(name);
        }
    }
    for group in groups.into_values().filter(|group| group.len() > 1) {
        // The first member makes the name unique.
        let node = format!("{} quiet: {}", group.len(), group.join(", "));
        home.extend(group.into_iter().map(|name| (name.to_owned(), node.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(caller: &str, callee: &str, errors: u64) -> Edge {
        Edge { caller: caller.to_owned(), callee: callee.to_owned(), calls: 10, errors, p99_ms: 5.0, ..Edge::default() }
    }

    #[test]
    fn quiet_services_that_stand_alike_become_one() {
        let mut edges: Vec<Edge> = (0..20).map(|n| edge("orders", &format!("cache{n:02}"), u64::from(n == 7))).collect();
        edges.push(edge("web", "orders", 0));
        let folded = folded(&edges, &BTreeSet::from(["cache03"]));
        let names: Vec<&str> = folded.nodes.keys().map(String::as_str).collect();
        assert_eq!(names.len(), 5, "{names:?}");
        assert!(
            names[0].starts_with("18 quiet: cache00, cache01, cache02, cache04") && names.contains(&"cache03") && names.contains(&"cache07"),
            "{names:?}"
        );
        let joined = folded.edges.iter().find(|edge| edge.callee.starts_with("18 quiet")).map(|edge| (edge.calls, edge.errors));
        assert_eq!(joined, Some((180, 0)));
    }

    #[test]
    fn small_maps_are_left_alone() {
        let edges: Vec<Edge> = (0..9).map(|n| edge("orders", &format!("cache{n}"), 0)).collect();
        assert_eq!(folded(&edges, &BTreeSet::new()).nodes.len(), 10);
    }
}
