//! Settings by what they mean: the value in force for a service, and durations as configuration writes them.
//!
//! ```text
//! 2s    500ms    PT2.5S    1m    2000          a number without a unit is milliseconds
//! ```
//!
//! What this file does not do: know which keys matter; a detector names those it can use.

use crate::correlate::Case;
use crate::formats::config::amount::{Unit, amount};
use crate::model::names::Sym;
use crate::model::platform::Setting;

/// Environments whose values do not hold where an incident is looked into.
const ELSEWHERE: &[&str] = &["test", "dev", "local", "staging", "stage", "qa", "uat"];

/// A duration in nanoseconds.
#[must_use]
pub fn nanos(text: &str) -> Option<u64> {
    amount(text, Unit::Millis).filter(|ms| *ms >= 0.0).map(|ms| (ms * 1e6) as u64)
}

/// A name of configuration, code or network in a form that can be compared: `payment-service`, `paymentService` and
/// `PaymentsClient` are all `payment`.
#[must_use]
pub fn plain(name: &str) -> String {
    let host = name.split_once("://").map_or(name, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or(host);
    let mut plain: String = host.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    while let Some(shorter) = ["circuitbreaker", "breaker", "service", "client", "svc", "api", "cb"]
        .iter()
        .find_map(|end| plain.strip_suffix(end).or_else(|| plain.strip_prefix("circuitbreaker")))
        .filter(|shorter| shorter.len() >= 3)
    {
        plain = shorter.to_owned();
    }
    match plain.strip_suffix('s').filter(|shorter| shorter.len() >= 4) {
        Some(singular) => singular.to_owned(),
        None => plain,
    }
}

/// Whether two names mean the same party.
#[must_use]
pub fn same_party(a: &str, b: &str) -> bool {
    let (a, b) = (plain(a), plain(b));
    let within = |long: &str, short: &str| short.len() >= 4 && long.contains(short);
    !a.is_empty() && (a == b || within(&a, &b) || within(&b, &a))
}

/// The entry of a service whose key the caller ranks lowest; `rank` is given the segments of the key. An entry of the service
/// itself goes before one that names none, and an entry of another environment counts for nothing.
pub fn setting(case: &Case, service: Sym, rank: impl Fn(&[&str]) -> Option<u8>) -> Option<(&Setting, &str)> {
    let names = &case.tables.names;
    let mut best: Option<((bool, u8), &Setting)> = None;
    for row in case.tables.settings.iter().filter(|row| row.service == service || row.service.is_none()) {
        let segments: Vec<&str> = names.get(row.key).split('.').collect();
        let Some(rank) = rank(&segments) else { continue };
        let order = (row.service.is_none(), rank);
        if !ELSEWHERE.contains(&names.get(row.profile)) && best.is_none_or(|(known, _)| order < known) {
            best = Some((order, row));
        }
    }
    best.map(|(_, row)| (row, names.get(row.value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_many_spellings() {
        for (text, want) in [
            ("2s", Some(2_000_000_000)),
            ("500ms", Some(500_000_000)),
            ("PT2.5S", Some(2_500_000_000)),
            ("1m", Some(60_000_000_000)),
            ("2000", Some(2_000_000_000)),
            ("'5s'", Some(5_000_000_000)),
            ("soon", None),
            ("", None),
            ("5 parsecs", None),
        ] {
            assert_eq!(nanos(text), want, "{text}");
        }
    }

    #[test]
    fn names_of_one_party() {
        for (a, b) in [("payments", "payment-service"), ("PaymentClient", "payments:8080"), ("inventory", "inventory-cb"), ("psp", "psp")] {
            assert!(same_party(a, b), "{a} {b}");
        }
        for (a, b) in [("payments", "inventory"), ("", "payments"), ("api", "psp"), ("pay", "payroll")] {
            assert!(!same_party(a, b), "{a} {b}");
        }
    }
}
