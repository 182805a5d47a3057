//! A cache that has stopped to miss: nearly every read hits and nothing expires any more, where both was different before.
//!
//! It supports what reads themselves show and is no finding of its own. What this file does not do: look for the change
//! that did it.

use crate::correlate::Case;
use crate::model::names::Sym;
use crate::model::time::Time;
use std::collections::BTreeMap;

/// Counters of entries that went.
const GONE: &[&str] = &["cache.evictions", "cache.expirations", "redis.expired.keys", "redis.evicted.keys", "expired.keys"];
/// Reads in each half that tell a ratio.
const FEWEST: f64 = 100.0;
/// A ratio of hits above this is no longer that of a cache whose entries expire.
const NEARLY_ALL: f64 = 0.99;

/// Whether hits of a service rose to nearly all in the second half of the time while entries ceased to go.
pub(super) fn stopped_missing(case: &Case, service: Sym) -> bool {
    let middle = Time(i64::midpoint(case.context.window.start.0, case.context.window.end.0));
    let mut reads: BTreeMap<(bool, bool), f64> = BTreeMap::new();
    for series in case.series("cache.gets").filter(|series| series.service == service) {
        let is_hit = series.label("result") == Some("hit");
        series.gains().for_each(|(time, gain)| *reads.entry((time > middle, is_hit)).or_default() += gain);
    }
    let mut gone = [0.0, 0.0];
    for series in GONE.iter().flat_map(|metric| case.series(metric)).filter(|series| series.service == service) {
        series.gains().for_each(|(time, gain)| gone[usize::from(time > middle)] += gain);
    }
    let ratio = |late: bool| {
        let (hits, misses) = (reads.get(&(late, true)).copied().unwrap_or(0.0), reads.get(&(late, false)).copied().unwrap_or(0.0));
        (hits + misses >= FEWEST).then(|| hits / (hits + misses))
    };
    let rose = ratio(false).zip(ratio(true)).is_some_and(|(before, after)| before < NEARLY_ALL - 0.02 && after >= NEARLY_ALL);
    rose && gone[0] > 0.0 && gone[1] == 0.0
}

#[cfg(test)]
mod tests {
    use super::stopped_missing;
    use crate::rules::fixture::bundle;
    use std::fmt::Write;

    /// Counters of a cache, one point a minute for an hour: what a minute adds to hits, misses and evictions.
    fn stopped(adds: impl Fn(u32) -> [u32; 3]) -> bool {
        let (mut text, mut sums) = (String::new(), [0; 3]);
        for minute in 0..60_u32 {
            for (sum, add) in sums.iter_mut().zip(adds(minute)) {
                *sum += add;
            }
            let at = 1_767_261_600_000_i64 + i64::from(minute) * 60_000;
            let _ = writeln!(text, "cache_gets_total{{cache=\"prices\",result=\"hit\"}} {} {at}", sums[0]);
            let _ = writeln!(text, "cache_gets_total{{cache=\"prices\",result=\"miss\"}} {} {at}", sums[1]);
            let _ = writeln!(text, "cache_evictions_total{{cache=\"prices\"}} {} {at}", sums[2]);
        }
        let case = bundle(&[("pricing/metrics.prom", &text)]);
        let service = case.tables.names.find("pricing").unwrap_or_else(|| panic!("no service"));
        stopped_missing(&case, service)
    }

    #[test]
    fn a_cache_that_no_longer_expires() {
        assert!(stopped(|minute| if minute < 30 { [80, 20, 20] } else { [100, 0, 0] }));
        assert!(!stopped(|_| [80, 20, 20]), "nothing changed");
        assert!(!stopped(|minute| if minute < 30 { [80, 20, 20] } else { [100, 0, 15] }), "entries still go");
        assert!(!stopped(|_| [100, 0, 0]), "it was always so");
    }
}
