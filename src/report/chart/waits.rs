//! Threads that wait for locks, from left to right to the thread that holds them; circles stand out.
//!
//! Waiters of one lock that nobody waits for are folded into one node.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::chart::layout;
use crate::report::chart::{Px, Svg};
use crate::report::picture::Dump;
use crate::report::text;

/// Nodes drawn.
const NODES: usize = 40;

const NODE_WIDTH: f64 = 200.0;
const NODE_HEIGHT: f64 = 34.0;
const ROW: f64 = 56.0;
const GAP: f64 = 190.0;
const MARGIN: f64 = 12.0;

/// A waiter, or several alike.
struct Node<'d> {
    label: String,
    names: Vec<&'d str>,
    in_circle: bool,
}

/// Draws who waits for whom, if anybody does. The second value counts the waits that are not drawn.
pub(in crate::report) fn draw(id: &str, dump: &Dump) -> Option<(Svg, usize)> {
    if dump.waits.is_empty() {
        return None;
    }
    let circles: BTreeSet<(&str, &str)> =
        dump.deadlocks.iter().flat_map(|names| names.iter().zip(names.iter().cycle().skip(1))).map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let in_circle: BTreeSet<&str> = circles.iter().flat_map(|(a, b)| [*a, *b]).collect();
    let owners: BTreeSet<&str> = dump.waits.iter().map(|(_, _, owner)| owner.as_str()).collect();

    // Waiters nobody waits for, by what they wait for; all others stand for themselves.
    let mut groups: BTreeMap<(bool, &str, &str, &str), Vec<&str>> = BTreeMap::new();
    for (waiter, lock, owner) in &dump.waits {
        let own = owners.contains(waiter.as_str()) || in_circle.contains(waiter.as_str());
        let key = if own { (false, owner.as_str(), lock.as_str(), waiter.as_str()) } else { (true, owner.as_str(), lock.as_str(), "") };
        groups.entry(key).or_default().push(waiter);
    }
    let mut nodes: Vec<Node<'_>> = Vec::new();
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    let mut edges: Vec<(usize, usize, &str, bool)> = Vec::new();
    let mut cut = 0;
    for ((folded, owner, lock, waiter), names) in &groups {
        if nodes.len() + 2 > NODES {
            cut += names.len();
            continue;
        }
        let to = single(owner, &mut nodes, &mut known, &in_circle);
        if *folded {
            let label =
                if names.len() == 1 { names.first().map_or_else(String::new, |name| (*name).to_owned()) } else { format!("{} threads", names.len()) };
            nodes.push(Node { label, names: names.clone(), in_circle: false });
            edges.push((nodes.len() - 1, to, lock, false));
        } else {
            let from = single(waiter, &mut nodes, &mut known, &in_circle);
            edges.push((from, to, lock, circles.contains(&(*waiter, *owner))));
        }
    }
    Some((picture(id, dump, &nodes, &edges), cut))
}

fn single<'d>(name: &'d str, nodes: &mut Vec<Node<'d>>, known: &mut BTreeMap<&'d str, usize>, in_circle: &BTreeSet<&str>) -> usize {
    *known.entry(name).or_insert_with(|| {
        nodes.push(Node { label: name.to_owned(), names: vec![name], in_circle: in_circle.contains(name) });
        nodes.len() - 1
    })
}

fn picture(id: &str, dump: &Dump, nodes: &[Node<'_>], edges: &[(usize, usize, &str, bool)]) -> Svg {
    let pairs: Vec<(usize, usize)> = edges.iter().map(|&(from, to, _, _)| (from, to)).collect();
    let layout = layout::layered(nodes.len(), &pairs);
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    let columns = layout.layers as f64;
    let width = columns * NODE_WIDTH + (columns - 1.0).max(0.0) * GAP + 2.0 * MARGIN;
    let height = layout.rows * ROW + 2.0 * MARGIN;
    let description = format!(
        "{}; {}. Lines run from the waiting thread to the one that holds the lock.",
        text::counted(dump.waits.len() as u64, "thread waits", "threads wait"),
        match dump.deadlocks.len() {
            0 => "no circle".to_owned(),
            n => text::counted(n as u64, "circle, drawn with a thick line", "circles, drawn with thick lines"),
        }
    );
    let mut svg = Svg::new(
        id,
        if width <= 1300.0 { "waits fit" } else { "waits" },
        width,
        height,
        &format!("Threads waiting for locks, {}", dump.label),
        &description,
    );
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    let left = |node: usize| MARGIN + layout.nodes[node].layer as f64 * (NODE_WIDTH + GAP);
    let middle = |node: usize| MARGIN + layout.nodes[node].row * ROW;
    for &(from, to, lock, circle) in edges {
        let back = layout.nodes[from].layer > layout.nodes[to].layer;
        // The way back runs below the way there.
        let shift = if back {
            9.0
        } else if circle {
            -9.0
        } else {
            0.0
        };
        let (x1, x2) = if back { (left(from), left(to) + NODE_WIDTH) } else { (left(from) + NODE_WIDTH, left(to)) };
        let (y1, y2) = (middle(from) + shift, middle(to) + shift);
        let half = Px((x1 + x2) / 2.0);
        let class = if circle { "wait circle" } else { "wait" };
        svg.path(
            class,
            &format!("M{} {}C{half} {} {half} {} {} {}", Px(x1), Px(y1), Px(y1), Px(y2), Px(x2), Px(y2)),
            None,
            &format!("waits for {lock}"),
        );
        let inwards = if back { 8.0 } else { -8.0 };
        let tip = format!("M{} {}l{} -4.5v9Z", Px(x2), Px(y2), Px(inwards));
        svg.path(if circle { "head circle" } else { "head" }, &tip, None, "");
        let class = lock.rsplit(['.', '/']).next().unwrap_or(lock);
        svg.text("edge-label mid", (x1 + x2) / 2.0, (y1 + y2) / 2.0 + if back { 14.0 } else { -6.0 }, &text::cut(class, 28));
    }
    for (number, node) in nodes.iter().enumerate() {
        let names: Vec<&str> = node.names.iter().take(12).copied().collect();
        let y = middle(number) - NODE_HEIGHT / 2.0;
        svg.rect_titled(if node.in_circle { "node circle" } else { "node" }, left(number), y, NODE_WIDTH, NODE_HEIGHT, 8.0, &names.join(", "));
        svg.text("node-name mid", left(number) + NODE_WIDTH / 2.0, y + 21.0, &text::cut(&node.label, 24));
    }
    svg
}
