//! Places for the nodes of a small directed graph, in layers from left to right.
//!
//! The usual four steps: turn round the edges that close a cycle, give each node the longest path to it as its layer, put
//! way points where an edge crosses a layer, and order each layer so that few lines cross. Meant for the few dozen
//! nodes a person can read; the callers choose them.

/// A node or a way point of an edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    /// Column, from 0.
    pub(super) layer: usize,
    /// Vertical centre, in rows from 0.
    pub(super) row: f64,
}

/// The whole drawing.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// Of each node.
    pub(super) nodes: Vec<Place>,
    /// Of each edge, way points from its source to its target without either.
    pub(super) edges: Vec<Vec<Place>>,
    /// Columns.
    pub(super) layers: usize,
    /// Rows of the longest column.
    pub(super) rows: f64,
}

/// Rows that a way point takes; a node takes one.
const WAY_POINT: f64 = 0.45;

/// Lays out `count` nodes and edges between them. Edges to or from nodes that do not exist must not occur.
pub(super) fn layered(count: usize, edges: &[(usize, usize)]) -> Layout {
    let forward: Vec<(usize, usize)> = turned(count, edges);
    let layer = longest_paths(count, &forward);
    let layers = layer.iter().max().map_or(0, |last| last + 1);

    // Way points are further nodes; chains[e] runs from the earlier to the later layer.
    let mut at_layer: Vec<usize> = layer.clone();
    let mut chains: Vec<Vec<usize>> = Vec::with_capacity(edges.len());
    for &(from, to) in &forward {
        let mut chain = vec![from];
        for between in layer[from] + 1..layer[to].max(layer[from] + 1) {
            chain.push(at_layer.len());
            at_layer.push(between);
        }
        chain.push(to);
        chains.push(chain);
    }
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); at_layer.len()];
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); at_layer.len()];
    for pair in chains.iter().filter(|chain| chain.first() != chain.last()).flat_map(|chain| chain.windows(2)) {
        before[pair[1]].push(pair[0]);
        after[pair[0]].push(pair[1]);
    }
    let mut columns: Vec<Vec<usize>> = vec![Vec::new(); layers];
    for (node, &column) in at_layer.iter().enumerate() {
        columns[column].push(node);
    }
    let height = |node: usize| if node < count { 1.0 } else { WAY_POINT };
    let rows = settle(&mut columns, &before, &after, at_layer.len(), &height);

    let place = |node: usize| Place { layer: at_layer[node], row: rows[node] };
    let deepest = columns.iter().flatten().map(|&node| rows[node] + height(node) / 2.0).fold(0.0, f64::max);
    let mut ways: Vec<Vec<Place>> = chains.iter().map(|chain| chain[1..chain.len() - 1].iter().map(|&node| place(node)).collect()).collect();
    for (way, (edge, turned)) in ways.iter_mut().zip(edges.iter().zip(&forward)) {
        if edge != turned {
            way.reverse();
        }
    }
    Layout { nodes: (0..count).map(place).collect(), edges: ways, layers, rows: deepest }
}

/// The edges, with those that close a cycle turned round. Depth-first, without recursion, from nodes nobody calls.
fn turned(count: usize, edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut out = edges.to_vec();
    let mut leaving: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut called = vec![false; count];
    for (number, &(from, to)) in edges.iter().enumerate() {
        if from != to {
            leaving[from].push(number);
            called[to] = true;
        }
    }
    // 0 not seen, 1 on the path, 2 done.
    let mut state = vec![0_u8; count];
    let roots = (0..count).filter(|&n| !called[n]).chain((0..count).filter(|&n| called[n]));
    for root in roots {
        if state[root] != 0 {
            continue;
        }
        state[root] = 1;
        let mut path = vec![(root, 0)];
        while let Some((node, next)) = path.last_mut() {
            let Some(&edge) = leaving[*node].get(*next) else {
                state[*node] = 2;
                path.pop();
                continue;
            };
            *next += 1;
            let (from, to) = edges[edge];
            match state[to] {
                0 => {
                    state[to] = 1;
                    path.push((to, 0));
                }
                1 => out[edge] = (to, from),
                _ => {}
            }
        }
    }
    out
}

/// Longest path to each node over edges that form no cycle.
fn longest_paths(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut layer = vec![0; count];
    let mut waiting = vec![0_usize; count];
    let mut leaving: Vec<Vec<usize>> = vec![Vec::new(); count];
    for &(from, to) in edges.iter().filter(|(from, to)| from != to) {
        waiting[to] += 1;
        leaving[from].push(to);
    }
    let mut ready: Vec<usize> = (0..count).filter(|&node| waiting[node] == 0).collect();
    while let Some(node) = ready.pop() {
        for &to in &leaving[node] {
            layer[to] = layer[to].max(layer[node] + 1);
            waiting[to] -= 1;
            if waiting[to] == 0 {
                ready.push(to);
            }
        }
    }
    layer
}

/// Orders each column by the mean row of its neighbours, sweeping to and fro, keeps the order with the fewest crossings,
/// mends it by exchanging neighbours, and gives every node its row.
fn settle(columns: &mut [Vec<usize>], before: &[Vec<usize>], after: &[Vec<usize>], count: usize, height: &dyn Fn(usize) -> f64) -> Vec<f64> {
    let mut rows = vec![0.0; count];
    columns.iter().for_each(|column| stack(column, &mut rows, height));
    let mut best = (crossings(columns, after, count), columns.to_vec());
    for sweep in 0..24 {
        pass(columns, before, after, sweep, true, &mut rows, height);
        let crossed = crossings(columns, after, count);
        if crossed < best.0 {
            best = (crossed, columns.to_vec());
        }
    }
    columns.clone_from_slice(&best.1);
    exchange(columns, before, after, count);
    columns.iter().for_each(|column| stack(column, &mut rows, height));
    for sweep in 0..16 {
        pass(columns, before, after, sweep, false, &mut rows, height);
    }
    let top = columns.iter().flatten().map(|&node| rows[node] - height(node) / 2.0).fold(f64::INFINITY, f64::min);
    if top.is_finite() {
        rows.iter_mut().for_each(|row| *row -= top);
    }
    rows
}

/// One sweep over the columns: each node goes where its neighbours of the column before are, as far as there is room.
fn pass(
    columns: &mut [Vec<usize>],
    before: &[Vec<usize>],
    after: &[Vec<usize>],
    sweep: usize,
    reorder: bool,
    rows: &mut [f64],
    height: &dyn Fn(usize) -> f64,
) {
    let to_the_right = sweep.is_multiple_of(2);
    let neighbours = if to_the_right { before } else { after };
    for number in 0..columns.len() {
        let column = &mut columns[if to_the_right { number } else { columns.len() - 1 - number }];
        let wish_of = |node: usize, rows: &[f64]| mean(&neighbours[node], rows).unwrap_or(rows[node]);
        if reorder {
            let rows = &*rows;
            column.sort_by(|&a, &b| wish_of(a, rows).total_cmp(&wish_of(b, rows)).then(a.cmp(&b)));
        }
        let wish: Vec<f64> = column.iter().map(|&node| wish_of(node, rows)).collect();
        spread(column, &wish, rows, height);
    }
}

/// How many pairs of lines cross.
fn crossings(columns: &[Vec<usize>], after: &[Vec<usize>], count: usize) -> usize {
    let mut place = vec![0; count];
    columns.iter().for_each(|column| column.iter().enumerate().for_each(|(at, &node)| place[node] = at));
    columns
        .iter()
        .map(|column| {
            let ends: Vec<(usize, usize)> =
                column.iter().flat_map(|&node| after[node].iter().map(move |&to| (node, to))).map(|(a, b)| (place[a], place[b])).collect();
            let crossed = |n: usize| {
                ends[n + 1..]
                    .iter()
                    .filter(|other| (other.0 > ends[n].0 && other.1 < ends[n].1) || (other.0 < ends[n].0 && other.1 > ends[n].1))
                    .count()
            };
            (0..ends.len()).map(crossed).sum::<usize>()
        })
        .sum()
}

/// Exchanges neighbours of a column as long as that takes crossings away.
fn exchange(columns: &mut [Vec<usize>], before: &[Vec<usize>], after: &[Vec<usize>], count: usize) {
    let mut place = vec![0; count];
    columns.iter().for_each(|column| column.iter().enumerate().for_each(|(at, &node)| place[node] = at));
    // Crossings of the lines of two nodes if the first stands above the second.
    let crossed = |above: usize, below: usize, place: &[usize]| -> usize {
        let between = |a: &[usize], b: &[usize]| a.iter().map(|&x| b.iter().filter(|&&y| place[y] < place[x]).count()).sum::<usize>();
        between(&before[above], &before[below]) + between(&after[above], &after[below])
    };
    for _ in 0..12 {
        let mut better = false;
        for column in columns.iter_mut() {
            for at in 1..column.len() {
                let (a, b) = (column[at - 1], column[at]);
                if crossed(b, a, &place) < crossed(a, b, &place) {
                    column.swap(at - 1, at);
                    (place[a], place[b]) = (at, at - 1);
                    better = true;
                }
            }
        }
        if !better {
            break;
        }
    }
}

fn mean(nodes: &[usize], rows: &[f64]) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    (!nodes.is_empty()).then(|| nodes.iter().map(|&node| rows[node]).sum::<f64>() / nodes.len() as f64)
}

fn stack(column: &[usize], rows: &mut [f64], height: &dyn Fn(usize) -> f64) {
    let mut next = 0.0;
    for &node in column {
        rows[node] = next + height(node) / 2.0;
        next += height(node);
    }
}

/// Puts a column's nodes where they wish to be, as far as the order and their heights allow: first from above, then the
/// whole column is moved so that it misses the wishes equally on both sides.
fn spread(column: &[usize], wish: &[f64], rows: &mut [f64], height: &dyn Fn(usize) -> f64) {
    let mut floor = f64::NEG_INFINITY;
    for (&node, &wanted) in column.iter().zip(wish) {
        let half = height(node) / 2.0;
        rows[node] = wanted.max(floor + half);
        floor = rows[node] + half;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    let miss = column.iter().zip(wish).map(|(&node, wanted)| rows[node] - wanted).sum::<f64>() / column.len().max(1) as f64;
    column.iter().for_each(|&node| rows[node] -= miss);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_goes_from_left_to_right() {
        let layout = layered(3, &[(0, 1), (1, 2)]);
        assert_eq!(layout.nodes.iter().map(|place| place.layer).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(layout.edges.iter().all(Vec::is_empty));
    }

    #[test]
    fn a_long_edge_has_way_points_in_its_own_direction() {
        let layout = layered(4, &[(0, 1), (1, 2), (2, 3), (0, 3), (3, 0)]);
        assert_eq!(layout.edges[3].iter().map(|place| place.layer).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(layout.edges[4].iter().map(|place| place.layer).collect::<Vec<_>>(), [2, 1], "the edge that closes the cycle runs back");
    }

    #[test]
    fn lines_that_need_not_cross_do_not() {
        // Two trees side by side, told in an order that interleaves them, with an edge that spans a column.
        let edges = [(0, 2), (1, 3), (0, 4), (1, 5), (2, 6), (4, 8), (3, 7), (5, 9), (1, 9)];
        let layout = layered(10, &edges);
        let row = |n: usize| layout.nodes[n].row;
        let straight = |a: (usize, usize), b: (usize, usize)| (row(a.0) - row(b.0)) * (row(a.1) - row(b.1)) >= 0.0;
        for a in &edges[..8] {
            for b in edges[..8].iter().filter(|b| layout.nodes[a.0].layer == layout.nodes[b.0].layer) {
                assert!(straight(*a, *b), "{a:?} crosses {b:?}");
            }
        }
    }

    #[test]
    fn nodes_of_a_column_do_not_overlap() {
        let edges: Vec<_> = (0..20).flat_map(|a| [(a, (a * 7 + 3) % 20), (a, (a * 3 + 1) % 20), (a, a)]).collect();
        let layout = layered(20, &edges);
        for (a, one) in layout.nodes.iter().enumerate() {
            for other in &layout.nodes[a + 1..] {
                assert!(one.layer != other.layer || (one.row - other.row).abs() > 0.999, "{one:?} {other:?}");
            }
        }
        assert!(layered(0, &[]).nodes.is_empty());
    }
}
