//! Attempt chains: calls that repeat one logical request because the attempt before failed.
//!
//! ```text
//! orders  POST /charges  0 ──── 3000 timed out
//!         POST /charges           3150 ──── 6150 timed out      one request, three attempts, two of them extra
//!         POST /charges                       6450 ─ 6600 well
//! ```
//!
//! Calls of one fingerprint that one piece of work makes are linked when one begins after the other ended in failure, or
//! says itself that it is a resend. Polling, redirects, logins, preflights, parallel and hedged calls and loops over items
//! look alike and are counted apart.
//!
//! What this file does not do: judge whether retries are too many, or what they did at the other side.

use crate::correlate::attempts::{Attempt, Attempts, Load, LookAlikes, keep_first};
use crate::correlate::calls::{Call, Party, Peers};
use crate::correlate::failure::Failure;
use crate::correlate::graph::{EdgeKey, bucket};
use crate::correlate::trace::Trace;
use crate::model::names::{Interner, Sym};
use crate::model::record::SpanKind;
use crate::model::time::SECOND;
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// The next attempt may begin this much before the last one ended, in nanoseconds.
const OVERLAP: i64 = 5_000_000;
/// The longest pause between two attempts, in nanoseconds, inside a trace and across traces.
const GAP: i64 = 60 * SECOND;
const GAP_ACROSS: i64 = 30 * SECOND;
/// A server that works on for this long after its client gave up works for nobody.
const ORPHAN: i64 = 10_000_000;
/// How many ends of chains an attempt is held against.
const TAILS: usize = 16;

/// Every attempt of the bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chains {
    /// By kind of call.
    pub edges: BTreeMap<EdgeKey, Attempts>,
    /// Chains of the first kind whose attempts hold chains of the second: retries that multiply.
    pub nested: BTreeMap<(EdgeKey, EdgeKey), Nested>,
    /// What looks alike and is none.
    pub look_alikes: LookAlikes,
}

/// How retries of two layers go together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nested {
    /// Traces with both.
    pub traces: u64,
    /// All requests of the outer kind in these traces.
    pub outer: Load,
    /// All requests of the inner kind in these traces.
    pub inner: Load,
}

impl Nested {
    const fn merge(&mut self, other: Self) {
        self.traces += other.traces;
        self.outer.add(other.outer);
        self.inner.add(other.inner);
    }
}

/// What calls of one logical request have in common: the work that makes them, the kind of call, its fingerprint and whether
/// that is strong; of a weak one also the parent.
type Request = (usize, EdgeKey, u64, bool, Option<usize>);

/// Calls without a parent: each attempt may be a trace of its own.
type Loose = ((Sym, Sym), EdgeKey, u64);

/// What traces say about attempts; merges.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChainPart {
    edges: HashMap<EdgeKey, Attempts>,
    nested: HashMap<(EdgeKey, EdgeKey), Nested>,
    look_alikes: LookAlikes,
    loose: Vec<(Loose, Attempt)>,
}

impl ChainPart {
    /// Takes in a trace; says of each call whether it repeats an earlier attempt.
    pub(crate) fn add(&mut self, trace: &Trace<'_>, peers: &Peers, calls: &[Call], width: i64) -> Vec<bool> {
        let mut retries = vec![false; calls.len()];
        let mut groups: Vec<(Request, usize)> = Vec::with_capacity(calls.len());
        for (number, call) in calls.iter().enumerate() {
            let Some(span) = trace.spans.get(call.span) else { continue };
            self.note_call(trace, call);
            if call.is_async && call.callee == Some(call.span) {
                // A message delivered again is the broker's doing, not an attempt of the caller.
                self.note_requests(call, bucket(trace, call.span, width), 1);
            } else if peers.is_preflight(call.operation) {
                self.look_alikes.preflights += 1;
                self.note_requests(call, bucket(trace, call.span, width), 1);
            } else if trace.parent(call.span).is_none() && span.strong && call.root == call.span && span.kind == SpanKind::Client {
                self.loose.push((((span.service, span.instance), EdgeKey::of(call), span.fingerprint), attempt(trace, call, number)));
            } else {
                let key = EdgeKey { operation: if span.fingerprint == 0 { call.operation } else { Sym::NONE }, ..EdgeKey::of(call) };
                let parent = if span.strong { None } else { trace.parent(call.span) };
                groups.push(((call.root, key, span.fingerprint, span.strong, parent), number));
            }
        }
        groups.sort_unstable();
        let mut chains: Vec<Vec<Attempt>> = Vec::new();
        for group in groups.chunk_by(|a, b| a.0 == b.0) {
            let numbers = group.iter().map(|&(_, number)| number);
            if let [(_, number)] = group {
                // Nearly every call is alone.
                let Some(call) = calls.get(*number) else { continue };
                self.note_requests(call, bucket(trace, call.span, width), 1);
                continue;
            }
            let mut attempts: Vec<Attempt> = numbers.filter_map(|number| calls.get(number).map(|call| attempt(trace, call, number))).collect();
            attempts.sort_by_key(|attempt| (attempt.start, attempt.at));
            for run in link(&attempts, GAP, &mut self.look_alikes) {
                let Some(call) = run.first().and_then(|first| calls.get(first.at)) else { continue };
                self.note_requests(call, bucket(trace, call.span, width), run.len() as u64);
                if run.len() > 1 {
                    run.iter().skip(1).for_each(|attempt| retries[attempt.at] = true);
                    self.edges.entry(EdgeKey::of(call)).or_default().add_chain(&run, is_layered(&run));
                    chains.push(run);
                }
            }
        }
        if !chains.is_empty() {
            let mut loads: BTreeMap<EdgeKey, Load> = BTreeMap::new();
            for (&retry, call) in retries.iter().zip(calls) {
                loads.entry(EdgeKey::of(call)).or_default().add(Load { requests: u64::from(!retry), attempts: 1, ..Load::default() });
            }
            self.note_nesting(trace, calls, &chains, &loads);
            loads.into_iter().for_each(|(key, load)| self.edges.entry(key).or_default().in_retried_traces.add(load));
        }
        retries
    }

    fn note_call(&mut self, trace: &Trace<'_>, call: &Call) {
        let Some(span) = trace.spans.get(call.span) else { return };
        if call.failure == Failure::TimedOut {
            self.edges.entry(EdgeKey::of(call)).or_default().timed_out.add(span.nanos);
        }
        let Some((at, callee)) = call.callee.filter(|&at| at != call.span).and_then(|at| Some((at, trace.spans.get(at)?))) else { return };
        let late = trace.end(at).saturating_sub(trace.end(call.span));
        if call.failure.is_ambiguous() && !call.is_async && late >= ORPHAN {
            let edge = self.edges.entry(EdgeKey::of(call)).or_default();
            edge.orphaned += 1;
            edge.orphaned_nanos = edge.orphaned_nanos.saturating_add(late.unsigned_abs());
            keep_first(&mut edge.orphans, vec![(callee.start, callee.trace, callee.evidence)]);
        }
    }

    /// Counts a logical request that took so many attempts.
    fn note_requests(&mut self, call: &Call, bucket: Option<i64>, attempts: u64) {
        if let Some(bucket) = bucket {
            let load = Load { requests: 1, attempts, chains: u64::from(attempts > 1), long: u64::from(attempts > 2) };
            self.edges.entry(EdgeKey::of(call)).or_default().load.entry(bucket).or_default().add(load);
        }
    }

    /// Which chains go on inside an attempt of another one.
    fn note_nesting(&mut self, trace: &Trace<'_>, calls: &[Call], chains: &[Vec<Attempt>], loads: &BTreeMap<EdgeKey, Load>) {
        let mut holder: Vec<Option<EdgeKey>> = vec![None; trace.spans.len()];
        let span_of = |attempt: &Attempt| calls.get(attempt.at).map(|call| (call.span, EdgeKey::of(call)));
        let own: HashMap<usize, EdgeKey> = chains.iter().flatten().filter_map(span_of).collect();
        for at in trace.order() {
            let above = trace.parent(at).and_then(|parent| own.get(&parent).copied().or(holder.get(parent).copied().flatten()));
            if let Some(slot) = holder.get_mut(at) {
                *slot = above;
            }
        }
        let first_spans = chains.iter().filter_map(|chain| chain.first().and_then(span_of));
        let mut pairs: Vec<(EdgeKey, EdgeKey)> =
            first_spans.filter_map(|(span, inner)| Some((holder.get(span).copied().flatten()?, inner))).collect();
        pairs.sort_unstable();
        pairs.dedup();
        let load = |key| loads.get(&key).copied().unwrap_or_default();
        for (outer, inner) in pairs.into_iter().filter(|(outer, inner)| outer != inner) {
            self.nested.entry((outer, inner)).or_default().merge(Nested { traces: 1, outer: load(outer), inner: load(inner) });
        }
    }

    /// Takes in another part.
    pub(crate) fn merge(mut self, mut other: Self) -> Self {
        if self.edges.len() < other.edges.len() {
            std::mem::swap(&mut self, &mut other);
        }
        other.edges.into_iter().for_each(|(key, attempts)| self.edges.entry(key).or_default().merge(attempts));
        other.nested.into_iter().for_each(|(pair, nested)| self.nested.entry(pair).or_default().merge(nested));
        self.look_alikes.merge(other.look_alikes);
        self.loose.append(&mut other.loose);
        self
    }

    /// Links the attempts that are traces of their own.
    pub(crate) fn finish(mut self, names: &Interner, width: i64) -> Chains {
        let mut loose = std::mem::take(&mut self.loose);
        loose.sort_unstable_by_key(|(key, attempt)| (*key, attempt.start, attempt.trace, attempt.evidence));
        for group in loose.chunk_by(|a, b| a.0 == b.0) {
            let Some(&((_, key, _), _)) = group.first() else { continue };
            let attempts: Vec<Attempt> = group.iter().enumerate().map(|(at, (_, attempt))| Attempt { at, ..*attempt }).collect();
            // Without a parent in common only an id in the path makes two calls the same request.
            let names_entity = names.get(key.operation).contains('{');
            let mut ignored = LookAlikes::default();
            let runs = if names_entity || attempts.iter().any(|attempt| attempt.resend > 0) {
                link(&attempts, GAP_ACROSS, &mut ignored)
            } else {
                attempts.iter().map(|&attempt| vec![attempt]).collect()
            };
            let edge = self.edges.entry(key).or_default();
            for run in runs {
                let Some(first) = run.first() else { continue };
                let load = Load { requests: 1, attempts: run.len() as u64, chains: u64::from(run.len() > 1), long: u64::from(run.len() > 2) };
                if first.began.is_some() {
                    edge.load.entry(first.began.0.div_euclid(width.max(1))).or_default().add(load);
                }
                if run.len() > 1 {
                    edge.in_retried_traces.add(load);
                    edge.add_chain(&run, false);
                }
            }
        }
        Chains { edges: self.edges.into_iter().collect(), nested: self.nested.into_iter().collect(), look_alikes: self.look_alikes }
    }
}

impl Chains {
    /// All attempts between two sides, of the operations that were retried at all; pairs without any retry are left out.
    #[must_use]
    pub fn pairs(&self) -> BTreeMap<(Sym, Party), Retried> {
        let mut pairs: BTreeMap<(Sym, Party), Retried> = BTreeMap::new();
        for (key, attempts) in self.edges.iter().filter(|(_, attempts)| attempts.longest > 1) {
            let pair = pairs.entry((key.from, key.to)).or_default();
            pair.operations.push(key.operation);
            pair.attempts.merge(attempts.clone());
        }
        pairs
    }

    /// The way down to a kind of call along which retries multiply, itself last: each outer one holds chains of the next in
    /// so many traces at least. With each its mean number of attempts in these traces. Empty if nothing multiplies.
    #[must_use]
    pub fn layers(&self, key: EdgeKey, traces: u64) -> Vec<(EdgeKey, f64)> {
        let mut layers: Vec<(EdgeKey, f64)> = Vec::new();
        let mut inner = key;
        loop {
            let above = self.nested.iter().filter(|((outer, held), nested)| {
                *held == inner && nested.traces >= traces && *outer != key && layers.iter().all(|(known, _)| known != outer)
            });
            let Some((&(outer, _), nested)) = above.max_by(|a, b| a.1.traces.cmp(&b.1.traces).then(b.0.cmp(a.0))) else { break };
            if layers.is_empty() {
                layers.push((inner, nested.inner.mean()));
            }
            layers.push((outer, nested.outer.mean()));
            inner = outer;
        }
        layers.reverse();
        layers
    }
}

/// The retried calls between two sides.
#[derive(Clone, Debug, Default)]
pub struct Retried {
    /// Which operations.
    pub operations: Vec<Sym>,
    /// Their attempts.
    pub attempts: Attempts,
}

fn attempt(trace: &Trace<'_>, call: &Call, number: usize) -> Attempt {
    let span = trace.spans[call.span];
    Attempt {
        at: number,
        parent: trace.parent(call.span),
        start: trace.start(call.span),
        end: trace.end(call.span),
        began: trace.began(call.span),
        nanos: span.nanos,
        failure: call.failure,
        http_status: span.http_status,
        resend: span.resend,
        strong: span.strong,
        trace: span.trace,
        evidence: span.evidence,
    }
}

/// How the second of two calls stands to the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Retry,
    Redirect,
    Login,
    Conflict,
    Hedged,
    Parallel,
    Poll,
    Late,
}

fn step(a: &Attempt, b: &Attempt, gap: i64, says_so: bool) -> Step {
    let overlap = a.end.saturating_sub(b.start);
    let length = a.end.saturating_sub(a.start);
    if overlap > OVERLAP && overlap > length / 20 {
        return if a.failure == Failure::Cut || b.failure == Failure::Cut { Step::Hedged } else { Step::Parallel };
    }
    if overlap < -gap {
        return Step::Late;
    }
    match a.http_status {
        300..=399 => Step::Redirect,
        401 | 407 => Step::Login,
        409 | 412 => Step::Conflict,
        _ if says_so || a.failure != Failure::None => Step::Retry,
        _ => Step::Poll,
    }
}

/// Divides calls of one fingerprint, ordered by start, into logical requests.
fn link(attempts: &[Attempt], gap: i64, seen: &mut LookAlikes) -> Vec<Vec<Attempt>> {
    let says_so = |a: &Attempt, b: &Attempt| b.strong && b.resend > a.resend;
    let pairs = || attempts.iter().zip(attempts.iter().skip(1)).filter(|(a, b)| !says_so(a, b));
    let goes_on = |wanted: Step| pairs().filter(|(a, b)| step(a, b, gap, false) == wanted).count();
    // Retries stop at the first success. A loop over items that goes on after successes goes on after failures too.
    let (after_success, after_failure) = (goes_on(Step::Poll), goes_on(Step::Retry));
    let is_loop = after_success >= 3 && after_success >= 2 * after_failure;
    let mut runs: Vec<Vec<Attempt>> = Vec::new();
    let mut tails: Vec<usize> = Vec::new();
    for b in attempts {
        let (mut nearest, mut in_loop) = (None, false);
        let mut best: Option<(bool, i64, usize)> = None;
        for (place, &run) in tails.iter().enumerate().rev().take(TAILS) {
            let Some(a) = runs.get(run).and_then(|run| run.last()) else { continue };
            let numbered = says_so(a, b);
            let step = step(a, b, gap, numbered);
            nearest = nearest.or(Some(step));
            if step == Step::Retry && is_loop && !numbered {
                in_loop = true;
            } else if step == Step::Retry && best.is_none_or(|best| (a.parent == b.parent, a.end) > (best.0, best.1)) {
                best = Some((a.parent == b.parent, a.end, place));
            }
        }
        if let Some((_, _, place)) = best {
            let run = tails.remove(place);
            tails.push(run);
            runs[run].push(*b);
            continue;
        }
        match nearest {
            Some(Step::Retry) if in_loop => seen.loops += 1,
            Some(Step::Redirect) => seen.redirects += 1,
            Some(Step::Login) => seen.logins += 1,
            Some(Step::Conflict) => seen.conflicts += 1,
            Some(Step::Hedged) => seen.hedged += 1,
            Some(Step::Parallel) => seen.parallel += 1,
            Some(Step::Poll) => seen.polls += 1,
            Some(Step::Retry | Step::Late) | None => {}
        }
        tails.push(runs.len());
        runs.push(vec![*b]);
        if tails.len() > 4 * TAILS {
            tails.drain(..tails.len() - TAILS);
        }
    }
    runs
}

/// Several parents with several attempts each: one mechanism repeats what another one repeats.
fn is_layered(chain: &[Attempt]) -> bool {
    let mut parents: Vec<Option<usize>> = chain.iter().map(|attempt| attempt.parent).collect();
    parents.sort_unstable();
    let groups: Vec<usize> = parents.chunk_by(|a, b| a == b).map(<[_]>::len).collect();
    groups.len() > 1 && groups.iter().filter(|&&size| size > 1).count() > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::attempts::Pauses;
    use crate::correlate::fixture::LAYERED;
    use crate::correlate::fixture::case;

    fn chains(text: &str) -> Chains {
        case(text).context.chains
    }

    /// Attempts by `from>to`.
    fn between(text: &str) -> Vec<(String, Attempts)> {
        let case = case(text);
        let names = &case.tables.names;
        let edges = case.context.chains.edges.iter();
        edges.map(|(key, attempts)| (format!("{}>{}", names.get(key.from), key.to.text(names)), attempts.clone())).collect()
    }

    fn extra(text: &str) -> u64 {
        chains(text).edges.values().map(|attempts| attempts.total().extra()).sum()
    }

    #[test]
    fn healthy_twins_have_no_chain() {
        let one_success = "\nt1\n  gw POST /checkout 0-900\n    > payment POST /payments 0-290 200\n    > bank POST /charge 300-400 200\n";
        let fan_out =
            (0..5).map(|n| format!("    > price GET /price/{{sku}} 10-{} {} raw=/price/{n}\n", 50 + n, if n == 2 { "!500" } else { "200" }));
        let fan_out = format!("\nt1\n  gw GET / 0-100\n{}", fan_out.collect::<String>());
        let login = "\nt1\n  gw GET / 0-100\n    > api GET /me 0-10 401\n    > api GET /me 12-40 200 resend=1\n";
        let redirect = "\nt1\n  gw GET / 0-100\n    > api GET /me 0-10 302\n    > api GET /me 12-40 200 resend=1\n";
        let polling = (0..8).map(|n| format!("    > jobs GET /jobs/{{id}} {}-{} 200 raw=/jobs/7\n", n * 1000, n * 1000 + 20));
        let polling = format!("\nt1\n  gw GET / 0-9000\n{}", polling.collect::<String>());
        let conflict = "\nt1\n  gw PUT / 0-100\n    > api PUT /cart 0-10 409\n    > api PUT /cart 12-40 200\n";
        let hedged = "\nt1\n  gw GET / 0-100\n    > api GET /q 0-60 !cancelled\n    > api GET /q 20-40 200\n";
        let preflight = "\nt1\n  gw GET / 0-100\n    > api OPTIONS /q 0-10 !500\n    > api OPTIONS /q 20-40 200\n";
        let items = (0..9).map(|n| format!("    > api POST /items {}-{} {}\n", n * 100, n * 100 + 50, if n % 4 == 3 { "!500" } else { "201" }));
        let items = format!("\nt1\n  gw POST / 0-1000\n{}", items.collect::<String>());
        let weak = "\nt1\n  gw GET / 0-100\n    . a 0-50\n      > api GET 0-40 !500 weak\n    . b 50-100\n      > api GET 60-90 200 weak\n";
        let redelivered =
            "\nt1\n  web POST / 0-9\n    >> kafka orders 1-3 system=kafka\n      << mailer orders 5-50 !\n      << mailer orders 90-150\n";
        for text in [one_success, &fan_out, login, redirect, &polling, conflict, hedged, preflight, &items, weak, redelivered] {
            assert_eq!(extra(text), 0, "{text}");
        }
        assert_eq!(chains(login).look_alikes, LookAlikes { logins: 1, ..LookAlikes::default() });
        assert_eq!(chains(redirect).look_alikes, LookAlikes { redirects: 1, ..LookAlikes::default() });
        assert_eq!(chains(&polling).look_alikes, LookAlikes { polls: 7, ..LookAlikes::default() });
        assert_eq!(chains(conflict).look_alikes, LookAlikes { conflicts: 1, ..LookAlikes::default() });
        assert_eq!(chains(hedged).look_alikes, LookAlikes { hedged: 1, ..LookAlikes::default() });
        assert_eq!(chains(preflight).look_alikes, LookAlikes { preflights: 2, ..LookAlikes::default() });
        assert_eq!(chains(&items).look_alikes.loops, 2);
    }

    #[test]
    fn layers_multiply() {
        let edges = between(LAYERED);
        let figures = |attempts: &Attempts| (attempts.total().requests, attempts.total().attempts, attempts.total().chains, attempts.longest);
        let of = |name: &str| &edges.iter().find(|(edge, _)| edge == name).unwrap().1;
        assert_eq!(figures(of("gw>payment")), (1, 3, 1, 3));
        assert_eq!(figures(of("payment>bank")), (3, 9, 3, 3));
        assert_eq!(of("payment>bank").pattern(), Some(Pauses::Fixed));
        assert_eq!(of("payment>bank").pauses.p50() / 1_000_000, 100);
        assert_eq!(extra(LAYERED), 8);
        let case = case(LAYERED);
        assert_eq!(case.context.chains.nested.len(), 1);
        let bank = case.context.graph.nodes().find(|node| node.party.text(&case.tables.names) == "bank").unwrap();
        assert!((bank.retried.mean() - 9.0).abs() < 1e-9);
    }

    #[test]
    fn a_timeout_is_repeated_while_the_first_call_goes_on() {
        let edges = between(
            "
t1
  shop POST /pay 0-3950
    > payments POST /charges 0-3000 !java.net.SocketTimeoutException
      payments POST /charges 20-3600 201
    > payments POST /charges 3500-3900 201
      payments POST /charges 3520-3880 201
",
        );
        let (_, attempts) = &edges[0];
        assert_eq!((attempts.total().extra(), attempts.ambiguous, attempts.recovered), (1, 1, 1));
        assert_eq!((attempts.orphaned, attempts.orphaned_nanos), (1, 600_000_000));
        assert_eq!(attempts.timeout(), None, "one sample is no timeout");
    }

    #[test]
    fn timeouts_that_agree_are_one_setting() {
        let shape =
            |n: u32| format!("  web GET /a 0-2020\n    > api GET /a 5-{} !ReadTimeout\n      api GET /a 6-{} 200", 2005 + n % 4, 2700 + 50 * n);
        let edges = between(&crate::correlate::fixture::many(0..8, 10_000, shape));
        let (nanos, count) = edges[0].1.timeout().unwrap();
        assert!(nanos.abs_diff(2_001_000_000) < 3_000_000, "{nanos}");
        assert_eq!((count, edges[0].1.orphaned), (8, 8));
        assert!(edges[0].1.orphaned_nanos > 4_800_000_000);
    }

    #[test]
    fn pauses_show_the_backoff() {
        let text = "
t1
  a POST / 0-9000
    > b POST /x 0-100 !503
    > b POST /x 250-350 !503
    > b POST /x 650-750 !503
    > b POST /x 1350-1450 200 resend=3
";
        let edges = between(text);
        let (_, attempts) = &edges[0];
        assert_eq!((attempts.pattern(), attempts.recovered, attempts.numbered, attempts.longest), (Some(Pauses::Exponential), 1, 1, 4));
        assert_eq!(attempts.wasted, 300_000_000);
        let immediate = "\nt1\n  a POST / 0-900\n    > b POST /x 0-100 !reset\n    > b POST /x 101-200 !reset\n    > b POST /x 202-300\n";
        assert_eq!(between(immediate)[0].1.pattern(), Some(Pauses::Immediate));
    }

    #[test]
    fn attempts_without_a_parent_are_traces_of_their_own() {
        let text = "
t1
  worker>api PUT /orders/{id} 0-100 !503 raw=/orders/7
t2 +150
  worker>api PUT /orders/{id} 0-100 !503 raw=/orders/7 
t3 +400
  worker>api PUT /orders/{id} 0-100 200 raw=/orders/7
t4 +450
  worker>api PUT /orders/{id} 0-100 200 raw=/orders/8
";
        let text = text.replace("  worker>", "  > worker>");
        let edges = between(&text);
        assert_eq!((edges[0].1.total().requests, edges[0].1.total().attempts), (2, 4));
        let polls = "\nt1\n  > worker>api GET /health 0-1 !503\nt2 +1000\n  > worker>api GET /health 0-1 !503\n";
        assert_eq!(extra(polls), 0, "no id in the path, no resend: a probe");
    }

    #[test]
    fn a_library_inside_a_library_is_one_call() {
        let text = "
t1
  a POST / 0-900
    > b POST /x 0-900 200
      > b POST /x 0-100 !503
      > b POST /x 150-300 200
";
        let edges = between(text);
        assert_eq!((edges[0].1.total().requests, edges[0].1.total().attempts), (1, 2));
    }

    #[test]
    fn kinds_may_be_missing() {
        let text = "
t1
  a POST / 0-900 plain
    b POST /x 10-100 !503 plain
    b POST /x 150-300 200 plain
";
        let text = text.replace("!503", "!503 weak").replace("200 plain", "200 weak plain");
        let edges = between(&text);
        assert_eq!((edges[0].0.as_str(), edges[0].1.total().extra()), ("a>b", 1));
    }
}
