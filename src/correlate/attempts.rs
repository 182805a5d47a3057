//! What is counted of attempts: requests, extra attempts, pauses, timeouts, and some chains as examples. All of it merges.
//!
//! What this file does not do: find chains; that is `chain.rs`.

use crate::correlate::failure::Failure;
use crate::model::ids::TraceId;
use crate::model::sketch::Sketch;
use crate::model::source::Evidence;
use crate::model::time::{Time, Window};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Pauses up to this are none.
const IMMEDIATE: u64 = 20_000_000;
/// How many chains of each edge are kept as examples, and how many attempts of each are cited.
const EXAMPLES: usize = 16;
const CITED: usize = 4;

/// One call as a link of a chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) at: usize,
    pub(crate) parent: Option<usize>,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) began: Time,
    pub(crate) nanos: u64,
    pub(crate) failure: Failure,
    pub(crate) http_status: u16,
    pub(crate) resend: u8,
    pub(crate) strong: bool,
    pub(crate) trace: TraceId,
    pub(crate) evidence: Evidence,
}

/// How the pauses between attempts grow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Pauses {
    /// None to speak of.
    Immediate,
    /// Always the same.
    Fixed,
    /// Each about twice the one before.
    Exponential,
    /// Irregular.
    Jittered,
}

impl Pauses {
    /// The word in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::Fixed => "fixed",
            Self::Exponential => "exponential",
            Self::Jittered => "jittered",
        }
    }
}

/// One logical request that took several attempts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chain {
    /// How many attempts; reversed, so that the longest comes first.
    pub attempts: Reverse<u32>,
    /// When the first attempt began.
    pub first: Time,
    /// When the last attempt ended.
    pub last: Time,
    /// The trace of the first attempt.
    pub trace: TraceId,
    /// Whether the last attempt failed too.
    pub gave_up: bool,
    /// Whether an attempt was repeated whose outcome nobody knew.
    pub ambiguous: bool,
    /// The spans of the first attempts.
    pub evidence: Vec<Evidence>,
}

/// Requests and attempts in one bucket of time, by the first attempt's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Logical requests.
    pub requests: u64,
    /// Attempts.
    pub attempts: u64,
    /// Requests that took several attempts.
    pub chains: u64,
    /// Of these, requests with three attempts or more.
    pub long: u64,
}

impl Load {
    /// Attempts beyond the first.
    #[must_use]
    pub const fn extra(&self) -> u64 {
        self.attempts.saturating_sub(self.requests)
    }

    /// Attempts per request.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.attempts as f64 / self.requests.max(1) as f64
    }

    /// Attempts beyond the first, per attempt.
    #[must_use]
    pub fn extra_ratio(&self) -> f64 {
        self.extra() as f64 / self.attempts.max(1) as f64
    }

    /// Adds other requests.
    pub const fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.attempts += other.attempts;
        self.chains += other.chains;
        self.long += other.long;
    }
}

/// All attempts of one kind of call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// By bucket.
    pub load: BTreeMap<i64, Load>,
    /// The same for traces that hold any chain: how much one failing request multiplies.
    pub in_retried_traces: Load,
    /// Chains found by a raw path or statement, not only by the operation.
    pub strong: u64,
    /// Chains whose calls count their resends themselves.
    pub numbered: u64,
    /// Chains that ended well.
    pub recovered: u64,
    /// Chains in which an attempt of unknown outcome was repeated.
    pub ambiguous: u64,
    /// Chains whose attempts lie under several parents with several attempts each: two mechanisms in one service.
    pub layered_inside: u64,
    /// The most attempts of one request.
    pub longest: u32,
    /// Nanoseconds spent on failed attempts of chains.
    pub wasted: u64,
    /// Pauses in nanoseconds.
    pub pauses: Sketch,
    /// Chains by how their pauses grow, of chains with at least two pauses.
    pub patterns: BTreeMap<Pauses, u64>,
    /// Lengths in nanoseconds of calls that timed out, in chains or not.
    pub timed_out: Sketch,
    /// Calls whose server worked on after the client had given up.
    pub orphaned: u64,
    /// For how many nanoseconds in all.
    pub orphaned_nanos: u64,
    /// The first of these server spans.
    pub orphans: Vec<(Time, TraceId, Evidence)>,
    /// From the first to the last chain.
    pub window: Window,
    /// The longest chains.
    pub examples: Vec<Chain>,
}

impl Attempts {
    /// All requests of the bundle.
    #[must_use]
    pub fn total(&self) -> Load {
        self.sum(|_| true)
    }

    /// The requests of those buckets.
    #[must_use]
    pub fn sum(&self, wanted: impl Fn(i64) -> bool) -> Load {
        let mut sum = Load::default();
        self.load.iter().filter(|(bucket, _)| wanted(**bucket)).for_each(|(_, load)| sum.add(*load));
        sum
    }

    /// How the pauses grow, by most of the chains; none if there are no pauses.
    #[must_use]
    pub fn pattern(&self) -> Option<Pauses> {
        if self.pauses.count() == 0 {
            return None;
        }
        if self.pauses.p95() <= IMMEDIATE {
            return Some(Pauses::Immediate);
        }
        let most = self.patterns.iter().max_by_key(|&(pattern, count)| (*count, Reverse(*pattern)));
        most.map(|(pattern, _)| *pattern).or_else(|| Some(if is_steady(self.pauses.bins()) { Pauses::Fixed } else { Pauses::Jittered }))
    }

    /// The caller's timeout in nanoseconds and how many calls it cut off: at least three that agree within about two
    /// percent, and half of all that timed out.
    #[must_use]
    pub fn timeout(&self) -> Option<(u64, u64)> {
        let (nanos, count) = self.timed_out.crowd();
        (count >= 3 && 2 * count >= self.timed_out.count()).then_some((nanos, count))
    }

    /// Adds the attempts of another part.
    pub fn merge(&mut self, other: Self) {
        other.load.into_iter().for_each(|(bucket, load)| self.load.entry(bucket).or_default().add(load));
        self.in_retried_traces.add(other.in_retried_traces);
        self.strong += other.strong;
        self.numbered += other.numbered;
        self.recovered += other.recovered;
        self.ambiguous += other.ambiguous;
        self.layered_inside += other.layered_inside;
        self.longest = self.longest.max(other.longest);
        self.wasted = self.wasted.saturating_add(other.wasted);
        self.pauses.merge(&other.pauses);
        other.patterns.into_iter().for_each(|(pattern, count)| *self.patterns.entry(pattern).or_default() += count);
        self.timed_out.merge(&other.timed_out);
        self.orphaned += other.orphaned;
        self.orphaned_nanos = self.orphaned_nanos.saturating_add(other.orphaned_nanos);
        keep_first(&mut self.orphans, other.orphans);
        self.window.join(other.window);
        keep_first(&mut self.examples, other.examples);
    }

    pub(crate) fn add_chain(&mut self, chain: &[Attempt], layered_inside: bool) {
        let (Some(first), Some(last)) = (chain.first(), chain.last()) else { return };
        let pauses: Vec<u64> = chain.iter().zip(chain.iter().skip(1)).map(|(a, b)| b.start.saturating_sub(a.end).max(0).unsigned_abs()).collect();
        let repeated = chain.get(..chain.len() - 1).unwrap_or_default();
        let ambiguous = repeated.iter().any(|attempt| attempt.failure.is_ambiguous());
        let attempts = u32::try_from(chain.len()).unwrap_or(u32::MAX);
        let gave_up = last.failure != Failure::None;
        self.strong += u64::from(first.strong);
        self.numbered += u64::from(chain.iter().any(|attempt| attempt.resend > 0));
        self.recovered += u64::from(!gave_up);
        self.ambiguous += u64::from(ambiguous);
        self.layered_inside += u64::from(layered_inside);
        self.longest = self.longest.max(attempts);
        self.wasted += chain.iter().filter(|attempt| attempt.failure != Failure::None).map(|attempt| attempt.nanos).sum::<u64>();
        pauses.iter().for_each(|&pause| self.pauses.add(pause));
        if let Some(pattern) = pattern(&pauses) {
            *self.patterns.entry(pattern).or_default() += 1;
        }
        let ended = last.began.plus(i64::try_from(last.nanos).unwrap_or(i64::MAX));
        self.window.join(Window::of(first.began, ended));
        let evidence = chain.iter().take(CITED).map(|attempt| attempt.evidence).collect();
        let chain = Chain { attempts: Reverse(attempts), first: first.began, last: ended, trace: first.trace, gave_up, ambiguous, evidence };
        keep_first(&mut self.examples, vec![chain]);
    }
}

/// Calls that look like retries and are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookAlikes {
    /// The call before was redirected.
    pub redirects: u64,
    /// The call before was asked to log in.
    pub logins: u64,
    /// Browsers' questions for permission.
    pub preflights: u64,
    /// Sent at the same time, one of them cancelled.
    pub hedged: u64,
    /// Sent at the same time.
    pub parallel: u64,
    /// Repeated because somebody else had changed the same thing.
    pub conflicts: u64,
    /// Repeated although the call before went well: polling, or the same question again.
    pub polls: u64,
    /// After a failure, but in a loop that also goes on after successes.
    pub loops: u64,
}

impl LookAlikes {
    pub(crate) const fn merge(&mut self, other: Self) {
        self.redirects += other.redirects;
        self.logins += other.logins;
        self.preflights += other.preflights;
        self.hedged += other.hedged;
        self.parallel += other.parallel;
        self.conflicts += other.conflicts;
        self.polls += other.polls;
        self.loops += other.loops;
    }
}

/// How a chain's pauses grow; none if there are fewer than two.
fn pattern(pauses: &[u64]) -> Option<Pauses> {
    if pauses.len() < 2 {
        return None;
    }
    if pauses.iter().all(|&pause| pause <= IMMEDIATE) {
        return Some(Pauses::Immediate);
    }
    if is_steady(pauses.iter().map(|&pause| (pause, 1))) {
        return Some(Pauses::Fixed);
    }
    let mut ratios: Vec<u64> = pauses.iter().zip(pauses.iter().skip(1)).map(|(a, b)| b.saturating_mul(100) / (*a).max(1)).collect();
    ratios.sort_unstable();
    let middle = ratios.get(ratios.len() / 2).copied().unwrap_or(0);
    Some(if (150..=300).contains(&middle) { Pauses::Exponential } else { Pauses::Jittered })
}

/// Whether values (with how often each occurs) deviate from their mean by at most 15 %.
fn is_steady(values: impl Iterator<Item = (u64, u64)> + Clone) -> bool {
    let count: u64 = values.clone().map(|(_, count)| count).sum();
    let mean = values.clone().map(|(value, count)| value as f64 * count as f64).sum::<f64>() / count.max(1) as f64;
    let variance = values.map(|(value, n)| (value as f64 - mean).powi(2) * n as f64).sum::<f64>() / count.max(1) as f64;
    variance.sqrt() <= 0.15 * mean
}

/// Keeps the first few of both lists by their own order, so that the answer does not depend on who came first.
pub(crate) fn keep_first<T: Ord>(mine: &mut Vec<T>, theirs: Vec<T>) {
    if let (true, Some(last), [only]) = (mine.len() >= EXAMPLES, mine.last(), theirs.as_slice())
        && only >= last
    {
        return;
    }
    mine.extend(theirs);
    mine.sort_unstable();
    mine.truncate(EXAMPLES);
}
