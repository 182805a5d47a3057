//! Timeouts of callers as calls and settings show them: the material of `timeout-inversion` and `missing-timeout`.
//!
//! ```text
//! web -> orders      120 calls failed after 6.0 s, each                          a timer ended them
//! http.clients.payments.read-timeout: 5s                                         what the configuration says
//! ```
//!
//! What this file does not do: judge.

use crate::correlate::Case;
use crate::correlate::calls::Party;
use crate::correlate::configured::{nanos, same_party};
use crate::correlate::graph::EdgeKey;
use crate::model::names::Sym;
use crate::model::source::Evidence;
use std::collections::BTreeMap;

/// How long a caller waits for a side, and how often it asks again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Patience {
    /// Nanoseconds after which it gives an attempt up, if that is known.
    pub(super) timeout: Option<u64>,
    /// How many calls ended at that time; zero if only the configuration tells it.
    pub(super) seen: u64,
    /// Most attempts for one request.
    pub(super) attempts: u32,
    /// Nanoseconds of pause between two attempts.
    pub(super) pause: u64,
    /// Settings that say so.
    pub(super) settings: Vec<Evidence>,
}

impl Patience {
    /// How long one request may take with all attempts and pauses, in nanoseconds.
    pub(super) fn budget(&self) -> Option<u64> {
        let attempts = u64::from(self.attempts.max(1));
        Some(self.timeout?.saturating_mul(attempts).saturating_add(self.pause.saturating_mul(attempts - 1)))
    }
}

/// How patient every caller is with every side that it calls and waits for.
pub(super) fn patience(case: &Case) -> BTreeMap<(Sym, Party), Patience> {
    let names = &case.tables.names;
    let mut all: BTreeMap<(Sym, Party), Patience> = BTreeMap::new();
    for (from, to, _) in case.context.graph.edges().filter(|(.., edge)| !edge.is_async) {
        all.entry((from.name, to)).or_insert(Patience { attempts: 1, ..Patience::default() });
    }
    for (&EdgeKey { from, to, .. }, attempts) in &case.context.chains.edges {
        let Some(patience) = all.get_mut(&(from, to)) else { continue };
        patience.attempts = patience.attempts.max(attempts.longest);
        if attempts.longest > 1 {
            patience.pause = patience.pause.max(attempts.pauses.p50());
        }
        if let Some((timeout, seen)) = attempts.timeout().filter(|(_, seen)| *seen > patience.seen) {
            (patience.timeout, patience.seen) = (Some(timeout), seen);
        }
    }
    for row in &case.tables.settings {
        let segments: Vec<&str> = names.get(row.key).split('.').collect();
        let (Some(last), value) = (segments.last(), names.get(row.value)) else { continue };
        for ((_, to), patience) in all.iter_mut().filter(|((from, _), _)| *from == row.service) {
            let about = segments.iter().rev().skip(1).any(|segment| same_party(segment, names.get(to.name)));
            if !about {
                continue;
            }
            match *last {
                "readtimeout" | "responsetimeout" | "timeoutduration" | "sockettimeout" | "requesttimeout" | "calltimeout" if patience.seen == 0 => {
                    patience.timeout = nanos(value).or(patience.timeout);
                    patience.settings.push(row.evidence);
                }
                "maxattempts" => {
                    patience.attempts =
                        value.trim().parse().ok().filter(|attempts| *attempts <= 100).unwrap_or(patience.attempts).max(patience.attempts);
                    patience.settings.push(row.evidence);
                }
                "waitduration" if segments.contains(&"retry") => {
                    patience.pause = nanos(value).unwrap_or(patience.pause).max(patience.pause);
                    patience.settings.push(row.evidence);
                }
                _ => {}
            }
        }
    }
    all
}
