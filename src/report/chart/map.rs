//! The service map: who calls whom, how often, how slowly, and what fails.
//!
//! Shows the services that findings name, then the busiest, and the calls between them, retried and failing ones first and
//! on top. Quiet parts of large maps are folded. What is not drawn is counted, and stands in the table beneath.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::report::chart::fold::{self, Folded};
use crate::report::chart::layout::{self, Place};
use crate::report::chart::{Px, Svg, error_class, fitted};
use crate::report::text;
use crate::report::{Edge, Report};

/// Services drawn.
const NODES: usize = 40;
/// Calls drawn.
const EDGES: usize = 96;
/// With more calls than this only those that fail, are repeated or are slowest have a label.
const LABELS: usize = 18;

const NODE_WIDTH: f64 = 144.0;
const NODE_HEIGHT: f64 = 48.0;
const ROW: f64 = 84.0;
/// Room between columns for the labels of lines, and less of it where there are many columns.
const GAP: f64 = 128.0;
const NARROW_GAP: f64 = 74.0;
const MIDDLE_GAP: f64 = 92.0;
const MANY_COLUMNS: usize = 5;
const MARGIN: f64 = 14.0;

/// The drawing and what it leaves out.
pub(in crate::report) struct Map {
    /// The picture.
    pub(in crate::report) svg: Svg,
    /// Services not drawn.
    pub(in crate::report) services_cut: usize,
    /// Calls not drawn.
    pub(in crate::report) edges_cut: usize,
}

/// Draws the map, if there are calls.
pub(in crate::report) fn draw(report: &Report) -> Option<Map> {
    let graph = &report.graph;
    let mut calls: BTreeMap<&str, u64> = graph.services.iter().map(|service| (service.name.as_str(), service.calls)).collect();
    for edge in &graph.edges {
        calls.entry(&edge.caller).or_default();
        let served = calls.entry(&edge.callee).or_default();
        *served = (*served).max(edge.calls);
    }
    if graph.edges.is_empty() {
        return None;
    }
    let loud = told(report).collect();
    let Folded { nodes, edges } = fold::folded(&graph.edges, &loud);
    let served = |members: &[String]| members.iter().filter_map(|name| calls.get(name.as_str())).fold(0_u64, |sum, calls| sum.saturating_add(*calls));
    let weights: BTreeMap<&str, u64> = nodes.iter().map(|(name, members)| (name.as_str(), served(members))).collect();
    let names = chosen(report, &weights);
    let index: BTreeMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (*name, at)).collect();
    let all = edges.len();
    let mut edges: Vec<&Edge> =
        edges.iter().filter(|edge| index.contains_key(edge.caller.as_str()) && index.contains_key(edge.callee.as_str())).collect();
    let edges_cut = all - edges.len().min(EDGES);
    edges.sort_by_key(|edge| (std::cmp::Reverse(trouble(edge)), std::cmp::Reverse(edge.calls), &edge.caller, &edge.callee));
    edges.truncate(EDGES);
    // What is drawn last lies on top.
    edges.reverse();

    let pairs: Vec<(usize, usize)> = edges.iter().map(|edge| (index[edge.caller.as_str()], index[edge.callee.as_str()])).collect();
    let layout = layout::layered(names.len(), &pairs);
    let mut drawing = Drawing::new(report, &names, &layout, edges.len());
    drawing.edges(&edges, &pairs, &layout);
    let parts: Vec<Node> = names.iter().map(|name| node(report, name, nodes.get(*name).map_or(&[], Vec::as_slice), weights[name])).collect();
    drawing.nodes(&parts, &layout);
    let services_cut = nodes.iter().filter(|(name, _)| !index.contains_key(name.as_str())).map(|(_, members)| members.len()).sum();
    Some(Map { svg: drawing.svg, services_cut, edges_cut })
}

/// The services to draw, by name: those of findings, suspects, then the busiest.
fn chosen<'r>(report: &'r Report, calls: &BTreeMap<&'r str, u64>) -> Vec<&'r str> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let mut busiest: Vec<(&str, u64)> = calls.iter().map(|(name, calls)| (*name, *calls)).collect();
    busiest.sort_by_key(|&(name, calls)| (std::cmp::Reverse(calls), name));
    for name in told(report).filter(|name| calls.contains_key(name)).chain(busiest.iter().map(|(name, _)| *name)) {
        if names.len() == NODES {
            break;
        }
        names.insert(calls.get_key_value(name).map_or(name, |(own, _)| own));
    }
    names.into_iter().collect()
}

/// Services that findings name, and suspects.
fn told(report: &Report) -> impl Iterator<Item = &str> {
    let named = report.findings.iter().flat_map(|finding| finding.subject.peer.iter().chain(&finding.services)).map(String::as_str);
    named.chain(report.suspects.iter().map(|suspect| suspect.service.as_str()))
}

fn trouble(edge: &Edge) -> u64 {
    edge.retries.saturating_add(edge.errors)
}

/// What a node of the map says.
struct Node {
    name: String,
    facts: String,
    title: String,
    served: u64,
    errors: u64,
    /// Its place among the suspects.
    rank: Option<usize>,
    folded: bool,
}

struct Drawing {
    svg: Svg,
    /// Rectangles of labels already placed.
    labels: Vec<[f64; 4]>,
}

impl Drawing {
    fn new(report: &Report, names: &[&str], layout: &layout::Layout, edges: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
        let columns = layout.layers as f64;
        let width = columns * NODE_WIDTH + (columns - 1.0).max(0.0) * gap(layout.layers) + 2.0 * MARGIN;
        let height = layout.rows * ROW + 2.0 * MARGIN;
        let class = if width <= 1400.0 { "map fit" } else { "map" };
        let root = report
            .root_cause
            .as_ref()
            .and_then(|root| root.service.as_deref())
            .map_or_else(String::new, |name| format!(" The root cause is put down to {name}."));
        let description = format!(
            "{} from left to right in the direction of calls, with {} between them. Wider lines are more calls, warmer lines more errors.{root}",
            text::counted(names.len() as u64, "service", "services"),
            text::counted(edges as u64, "connection", "connections")
        );
        Self { svg: Svg::new("map", class, width, height, "Service map", &description), labels: Vec::new() }
    }

    fn edges(&mut self, edges: &[&Edge], pairs: &[(usize, usize)], layout: &layout::Layout) {
        let most = edges.iter().map(|edge| edge.calls).max().unwrap_or(1).max(2);
        let ports = ports(pairs, layout);
        let mut ways: Vec<(&Edge, Vec<(f64, f64)>)> = Vec::with_capacity(edges.len());
        for (number, (edge, &(from, to))) in edges.iter().zip(pairs).enumerate() {
            if from == to {
                continue;
            }
            let back = layout.nodes[from].layer > layout.nodes[to].layer;
            let (start, end) = ports[number];
            let mut points = vec![(left(layout.nodes[from], layout) + if back { 0.0 } else { NODE_WIDTH }, start)];
            for way in &layout.edges[number] {
                points.push((left(*way, layout) + if back { NODE_WIDTH } else { 0.0 }, centre(*way)));
                points.push((left(*way, layout) + if back { 0.0 } else { NODE_WIDTH }, centre(*way)));
            }
            let tip = left(layout.nodes[to], layout) + if back { NODE_WIDTH } else { 0.0 };
            let inwards = if back { 8.0 } else { -8.0 };
            points.push((tip + inwards, end));
            #[expect(clippy::cast_precision_loss, reason = "a line's width")]
            let width = 1.2 + 5.8 * ((edge.calls.max(1) as f64).ln() / (most as f64).ln()).clamp(0.0, 1.0);
            let class = error_class(edge.errors, edge.calls);
            let title = format!(
                "{} to {}: {}, {} failed, {}, p50 {}, p99 {}",
                edge.caller,
                edge.callee,
                text::counted(edge.calls, "call", "calls"),
                text::share(edge.errors, edge.calls),
                text::counted(edge.retries, "retry", "retries"),
                text::millis(edge.p50_ms),
                text::millis(edge.p99_ms)
            );
            self.svg.path(&format!("edge {class}"), &curve(&points), Some(width), &title);
            let half = 3.5 + width / 2.0;
            let head =
                format!("M{} {}L{} {}L{} {}Z", Px(tip), Px(end), Px(tip + inwards * 1.2), Px(end - half), Px(tip + inwards * 1.2), Px(end + half));
            self.svg.path(&format!("head {class}"), &head, None, "");
            ways.push((edge, points));
        }
        // Labels lie above all lines, and those that matter find room first.
        let slow = slowest(edges);
        for (edge, points) in ways.into_iter().rev() {
            if trouble(edge) > 0 || edge.p99_ms >= slow {
                self.label(edge, &points);
            }
        }
    }

    /// The label stands on its line where it hides no other label.
    fn label(&mut self, edge: &Edge, points: &[(f64, f64)]) {
        let mut rows = vec![format!("p99 {}", text::millis(edge.p99_ms))];
        if edge.retries > 0 {
            rows.push(text::counted(edge.retries, "retry", "retries"));
        }
        if edge.errors > 0 {
            rows.push(format!("{} fail", text::share(edge.errors, edge.calls)));
        }
        #[expect(clippy::cast_precision_loss, reason = "a short text")]
        let (width, height) = (rows.iter().map(|row| row.chars().count()).max().unwrap_or(0) as f64 * 5.9 + 8.0, rows.len() as f64 * 12.0 + 4.0);
        // The last stretch runs between the last two columns it crosses; the first is tried second.
        let stretches = [points.len().saturating_sub(2), 0];
        let candidates = stretches.iter().flat_map(|&at| [0.5, 0.4, 0.6, 0.3, 0.7].map(|part| (at, part)));
        let mut best: Option<(f64, f64, f64)> = None;
        for (at, part) in candidates {
            let (Some(&(x1, y1)), Some(&(x2, y2))) = (points.get(at), points.get(at + 1)) else { continue };
            // Along the curve of `curve`: y follows 3t^2 - 2t^3, x the cubic with control points in the middle.
            let (t, u) = (part, 1.0 - part);
            let x = u * u * u * x1 + 3.0 * u * t * (x1 + x2) / 2.0 + t * t * t * x2;
            let y = y1 + (y2 - y1) * (3.0 * t * t - 2.0 * t * t * t);
            let mine = [x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0];
            let hidden: f64 = self.labels.iter().map(|other| overlap(&mine, other)).sum();
            if best.is_none_or(|(least, _, _)| hidden < least) {
                best = Some((hidden, x, y));
            }
            if hidden == 0.0 {
                break;
            }
        }
        let Some((_, x, y)) = best else { return };
        self.labels.push([x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0]);
        self.svg.rect("edge-paper", x - width / 2.0, y - height / 2.0, width, height, 4.0);
        for (at, row) in rows.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "three at most")]
            let baseline = y - height / 2.0 + 12.0 * at as f64 + 11.0;
            self.svg.text(if at == 0 { "edge-label mid" } else { "edge-label strong mid" }, x, baseline, row);
        }
    }

    fn nodes(&mut self, nodes: &[Node], layout: &layout::Layout) {
        for (node, &place) in nodes.iter().zip(&layout.nodes) {
            let (x, y) = (left(place, layout), centre(place) - NODE_HEIGHT / 2.0);
            let class = match (node.rank, node.folded) {
                (Some(0), _) => "node suspect",
                (_, true) => "node folded",
                _ => "node",
            };
            self.svg.rect_titled(class, x, y, NODE_WIDTH, NODE_HEIGHT, 8.0, &node.title);
            self.svg.rect(&format!("node-mark {}", error_class(node.errors, node.served)), x + 7.0, y + 9.0, 4.0, NODE_HEIGHT - 18.0, 2.0);
            self.svg.text("node-name", x + 18.0, y + 21.0, &fitted(&node.name, NODE_WIDTH - 30.0, 13.5));
            self.svg.text("node-facts", x + 18.0, y + 37.0, &fitted(&node.facts, NODE_WIDTH - 22.0, 10.6));
            if let Some(rank) = node.rank {
                self.svg.circle("rank", x + NODE_WIDTH - 4.0, y + 3.0, 9.0);
                self.svg.text("rank-number mid", x + NODE_WIDTH - 4.0, y + 7.0, &(rank + 1).to_string());
            }
        }
    }
}

fn node(report: &Report, name: &str, members: &[String], calls: u64) -> Node {
    if members.len() > 1 {
        let names = text::cut(&members.join(", "), 21).into_owned();
        let title = format!("{}, {}", members.join(", "), text::counted(calls, "call", "calls"));
        let name = format!("{} quiet services", members.len());
        return Node { name, facts: names, title, served: calls, errors: 0, rank: None, folded: true };
    }
    let known = report.graph.services.iter().find(|service| service.name == name);
    let (served, errors) = known.map_or((calls, 0), |service| (service.calls, service.errors));
    let facts = if served == 0 {
        "calls only".to_owned()
    } else {
        format!("{}, {} fail", text::counted(served, "call", "calls"), text::share(errors, served))
    };
    let rank = report.suspects.iter().take(3).position(|suspect| suspect.service == name);
    Node { name: name.to_owned(), title: format!("{name}: {facts}"), facts, served, errors, rank, folded: false }
}

/// The p99 from which on a quiet connection has a label.
fn slowest(edges: &[&Edge]) -> f64 {
    let mut all: Vec<f64> = edges.iter().map(|edge| edge.p99_ms).collect();
    all.sort_by(|a, b| b.total_cmp(a));
    if all.len() <= LABELS { 0.0 } else { all.get(LABELS / 3).copied().unwrap_or(0.0) }
}

/// An end of an edge: the row of the other end, the edge's number, and whether the edge leaves here.
type End = (f64, usize, bool);

/// Where each edge leaves and enters, in pixels from the top: spread over the side of the node in the order of the other ends.
fn ports(pairs: &[(usize, usize)], layout: &layout::Layout) -> Vec<(f64, f64)> {
    let mut sides: BTreeMap<(usize, bool), Vec<End>> = BTreeMap::new();
    for (number, &(from, to)) in pairs.iter().enumerate() {
        let forward = layout.nodes[from].layer <= layout.nodes[to].layer;
        let way = &layout.edges[number];
        let towards = way.first().map_or(layout.nodes[to].row, |place| place.row);
        let coming = way.last().map_or(layout.nodes[from].row, |place| place.row);
        sides.entry((from, forward)).or_default().push((towards, number, true));
        sides.entry((to, !forward)).or_default().push((coming, number, false));
    }
    let mut out = vec![(0.0, 0.0); pairs.len()];
    for ((node, _), mut ends) in sides {
        ends.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
        let step = (NODE_HEIGHT - 12.0) / ends.len() as f64;
        let top = centre(layout.nodes[node]) - (NODE_HEIGHT - 12.0) / 2.0;
        for (at, (_, number, leaves)) in ends.into_iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
            let y = top + step * (at as f64 + 0.5);
            if leaves { out[number].0 = y } else { out[number].1 = y }
        }
    }
    out
}

fn gap(columns: usize) -> f64 {
    match columns {
        MANY_COLUMNS => MIDDLE_GAP,
        n if n > MANY_COLUMNS => NARROW_GAP,
        _ => GAP,
    }
}

fn left(place: Place, layout: &layout::Layout) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    let column = place.layer as f64;
    MARGIN + column * (NODE_WIDTH + gap(layout.layers))
}

fn centre(place: Place) -> f64 {
    MARGIN + place.row * ROW
}

/// A smooth line that is level at each point.
fn curve(points: &[(f64, f64)]) -> String {
    let mut out = String::new();
    for (at, &(x, y)) in points.iter().enumerate() {
        if at == 0 {
            let _ = write!(out, "M{} {}", Px(x), Px(y));
        } else {
            let (px, py) = points[at - 1];
            let middle = Px((px + x) / 2.0);
            let _ = write!(out, "C{middle} {} {middle} {} {} {}", Px(py), Px(y), Px(x), Px(y));
        }
    }
    out
}

fn overlap(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    (a[2].min(b[2]) - a[0].max(b[0])).max(0.0) * (a[3].min(b[3]) - a[1].max(b[1])).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::chart::Ink;

    #[test]
    fn forty_services_fit_and_trouble_is_never_folded() {
        let report = crate::report::example::crowd();
        let map = draw(&report).expect("there are calls");
        assert_eq!((map.services_cut, map.edges_cut), (0, 0));
        let svg = Ink::default().draw(map.svg).expect("there is ink");
        assert!(svg.contains("quiet services") && svg.matches("class=\"node-name\"").count() <= 36);
        for name in ["ledger", "payments", "orders", "profile-cache"] {
            assert!(svg.contains(&format!(">{name}</text>")), "{name}");
        }
    }

    #[test]
    fn a_huge_graph_is_drawn_in_part_and_the_rest_counted() {
        let mut report = Report::default();
        for n in 0..100_000_u64 {
            report.graph.edges.push(Edge {
                caller: format!("s{:05}", n / 20),
                callee: format!("s{:05}", n * 7919 % 5000),
                calls: n,
                errors: n % 13,
                ..Edge::default()
            });
        }
        let map = draw(&report).expect("there are calls");
        assert_eq!(map.services_cut, 5000 - NODES);
        assert!(map.edges_cut > 50_000, "{}", map.edges_cut);
        assert!(Ink::default().draw(map.svg).is_some_and(|svg| svg.len() < 200_000));
    }
}
