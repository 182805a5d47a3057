//! The limits that a gateway is set to: how long it waits, how large a body may be.
//!
//! A limit stands in the block of its location, or further out for all. What this file does not do: regular expressions of
//! locations; of several candidates the one nearest to what was measured counts.

use crate::correlate::Case;
use crate::formats::config::amount::amount;
use crate::formats::config::meaning::{Topic, meaning};
use crate::model::names::Sym;
use crate::model::source::Evidence;

/// Endings of keys by which a gateway stops waiting for an answer, without those for the connection.
const WAITS: &[&str] =
    &["proxyreadtimeout", "grpcreadtimeout", "timeout.server", "].readtimeout", "routetimeout", "route.timeout", "responsetimeout", "pertrytimeout"];

/// A limit as it is set.
#[derive(Clone, Copy, Debug)]
pub struct Limit<'a> {
    /// Canonical key.
    pub key: &'a str,
    /// As written.
    pub value: &'a str,
    /// In milliseconds or bytes.
    pub amount: f64,
    /// Where.
    pub evidence: Evidence,
}

/// How long a gateway waits for the answer to an operation, near `measured` milliseconds.
pub fn wait<'a>(case: &'a Case, gateway: Sym, operation: &str, measured: f64) -> Option<Limit<'a>> {
    let waits = |key: &str| WAITS.iter().any(|ending| key.ends_with(ending));
    of(case, gateway, operation, Topic::GatewayTimeout, waits, measured)
}

/// How large a body of an operation may be.
pub fn body<'a>(case: &'a Case, gateway: Sym, operation: &str) -> Option<Limit<'a>> {
    of(case, gateway, operation, Topic::BodyLimit, |_| true, 0.0)
}

fn of<'a>(case: &'a Case, gateway: Sym, operation: &str, topic: Topic, wanted: impl Fn(&str) -> bool, measured: f64) -> Option<Limit<'a>> {
    let names = &case.tables.names;
    let path = operation.split_once(' ').map_or(operation, |(_, path)| path);
    // Settings that lie beside the gateway's own logs; else those of the only service that has any.
    let limits = |own: bool| {
        let mut found: Vec<(usize, Limit<'a>)> = Vec::new();
        for row in case.tables.settings.iter().filter(|row| (row.service == gateway) == own) {
            let (key, value) = (names.get(row.key), names.get(row.value));
            let Some(known) = meaning(key).filter(|known| known.topic == topic && wanted(key)) else { continue };
            let Some((near, amount)) = depth(key, path).zip(amount(value, known.unit)) else { continue };
            found.push((near, Limit { key, value, amount, evidence: row.evidence }));
        }
        found
    };
    let own = limits(true);
    let found = if own.is_empty() { limits(false) } else { own };
    let deepest = found.iter().map(|(near, _)| *near).max()?;
    let distance = |limit: &Limit<'_>| (limit.amount - measured).abs();
    found.into_iter().filter(|(near, _)| *near == deepest).map(|(_, limit)| limit).min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

/// How closely the locations of a key fit a path; none if one does not.
fn depth(key: &str, path: &str) -> Option<usize> {
    let mut near = 0;
    for part in key.split(".location[").skip(1) {
        let location = part.split(']').next().unwrap_or_default();
        let (kind, prefix) = location.rsplit_once(' ').unwrap_or(("", location));
        match kind {
            "~" | "~*" => near += 1,
            "=" if path != prefix => return None,
            _ if !path.starts_with(prefix) => return None,
            _ => near = near.max(1 + prefix.len()),
        }
    }
    Some(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_fit_paths() {
        assert_eq!(depth("nginx.http.proxyreadtimeout", "/api/reports"), Some(0));
        assert_eq!(depth("nginx.http.server[a].location[/api/].proxyreadtimeout", "/api/reports"), Some(6));
        assert_eq!(depth("nginx.http.server[a].location[/upload].proxyreadtimeout", "/api/reports"), None);
        assert_eq!(depth("nginx.http.server[a].location[= /].proxyreadtimeout", "/api/reports"), None);
    }
}
