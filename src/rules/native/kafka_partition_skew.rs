//! `kafka-partition-skew`: the backlog of a topic lies in few of its partitions.
//!
//! Either more is written there, because of its keys, or less is read there, because of its member. What this file does not
//! do: uneven loads with which the readers keep up.

use crate::correlate::lag::{Backlog, Reading, backlogs};
use crate::model::finding::{Belief, Finding, Input, Severity, score};
use crate::model::rule::Rule;
use crate::model::time::{SECOND, Window};
use crate::model::trend::median;
use crate::rules::native::kafka_course::{about, is_abandoned};
use crate::rules::native::kafka_groups::Readers;
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};
use std::collections::BTreeSet;

pub(crate) const DETECTOR: Detector = Detector {
    id: "kafka-partition-skew",
    thresholds: &["lag", "top_percent", "median_percent", "gini", "gini_partitions", "hot_rate", "slow_rate", "behind", "partitions"],
    detect,
};

/// A backlog below this share of its greatest is being worked off.
const SHRUNK: f64 = 0.9;
/// A partition with this share of the worst one's backlog lags, too.
const LAGS: f64 = 0.1;

/// A partition at the end, and how fast records came and were read.
struct Part<'a> {
    name: &'a str,
    last: Reading<'a>,
    lag: f64,
    most: f64,
    produced: Option<f64>,
    read: Option<f64>,
    looks: usize,
}

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let backlogs = backlogs(scope.case);
    let readers = Readers::new(scope.case, &backlogs);
    out.extend(backlogs.iter().filter_map(|backlog| judge(rule, &readers, backlog)));
}

fn part<'a>(name: &'a str, readings: &[Reading<'a>]) -> Option<Part<'a>> {
    let (first, last) = (readings.first()?, *readings.last()?);
    let seconds = Some(last.time.since(first.time) as f64 / SECOND as f64).filter(|seconds| *seconds > 0.0);
    let rate = |a: Option<f64>, b: Option<f64>| Some((b? - a?) / seconds?);
    let most = readings.iter().filter_map(|reading| reading.lag).fold(0.0, f64::max);
    Some(Part {
        name,
        last,
        lag: last.lag?,
        most,
        produced: rate(first.end, last.end),
        read: rate(first.current, last.current),
        looks: readings.len(),
    })
}

/// How unequal values are: zero if all are the same, towards one if one has all.
fn gini(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (n, sum) = (sorted.len() as f64, sorted.iter().sum::<f64>());
    if sum <= 0.0 {
        return 0.0;
    }
    sorted.iter().enumerate().map(|(i, value)| (2.0 * (i as f64 + 1.0) - n - 1.0) * value).sum::<f64>() / (n * sum)
}

fn judge(rule: &Rule, readers: &Readers<'_>, backlog: &Backlog<'_>) -> Option<Finding> {
    let mut parts: Vec<Part<'_>> = backlog.partitions.iter().filter_map(|(name, readings)| part(name, readings)).collect();
    let lags: Vec<f64> = parts.iter().map(|part| part.lag).collect();
    let total: f64 = lags.iter().sum();
    parts.sort_by(|a, b| b.lag.total_cmp(&a.lag).then(a.name.cmp(b.name)));
    let top = parts.first().filter(|_| parts.len() as f64 >= rule.limit("partitions") && total >= rule.limit("lag"))?;
    let share = 100.0 * top.lag / total;
    let middle = median(&mut lags.clone())?;
    let expected = rule.limit("top_percent").max((300.0 / parts.len() as f64).min(rule.upper("top_percent")));
    let single = share >= expected && middle <= top.lag * rule.limit("median_percent") / 100.0;
    let unequal = gini(&lags);
    let several = unequal >= rule.limit("gini") && parts.len() as f64 >= rule.limit("gini_partitions");
    // A partition that is read as fast as it is written keeps up, however large the others are not.
    let keeps_up = top.read.is_some_and(|read| read > 0.0 && top.lag / read < rule.limit("behind")) || top.lag <= SHRUNK * top.most;
    if !(single || several) || keeps_up {
        return None;
    }
    Some(finding(rule, readers, backlog, &parts, share, unequal))
}

fn finding(rule: &Rule, readers: &Readers<'_>, backlog: &Backlog<'_>, parts: &[Part<'_>], share: f64, unequal: f64) -> Finding {
    let mut window = Window::default();
    backlog.partitions.values().flat_map(|readings| readings.first().into_iter().chain(readings.last())).for_each(|reading| window.add(reading.time));
    let mut finding = about(&rule.id, readers, backlog, window);
    let total: f64 = parts.iter().map(|part| part.lag).sum();
    let looks = parts.iter().map(|part| part.looks).max().unwrap_or(0);
    let abandoned = is_abandoned(backlog, &finding.subject.service);
    finding.severity = if looks < 2 || abandoned { Severity::Low } else { Severity::Medium };
    finding.score = score(share, rule.limit("top_percent"), 95.0_f64.max(rule.upper("top_percent")));
    let (kind, told) = cause(rule, parts);
    finding.confidence = Belief::new()
        .with("a backlog that lies in few partitions", Input::Metrics, if looks < 2 { 0.5 } else { 0.7 })
        .with_if(kind != "unknown", "rates of the partitions", Input::Metrics, 0.5)
        .value();
    let rate = |of: fn(&Part<'_>) -> Option<f64>| median(&mut parts.iter().filter_map(of).collect::<Vec<_>>());
    finding
        .measure_against("top_percent", round(share), "percent of the backlog", rule.limit("top_percent"))
        .measure("lag_end", total, "records")
        .measure("gini", round(unequal), "")
        .measure("partitions", parts.len() as f64, "partitions");
    if let Some(top) = parts.first() {
        finding.measure("lag_of_worst_partition", top.lag, "records").measure("worst_partition", top.name.parse().unwrap_or(f64::from(u32::MAX)), "");
        for (name, value, middle) in [("produced", top.produced, rate(|part| part.produced)), ("read", top.read, rate(|part| part.read))] {
            if let (Some(value), Some(middle)) = (value, middle) {
                finding.measure(&format!("{name}_per_s"), round(value), "records/s").measure(
                    &format!("{name}_median_per_s"),
                    round(middle),
                    "records/s",
                );
            }
        }
        finding.word("worst", top.name);
    }
    finding
        .word("cause", told)
        .look_alike("Uneven but keeping up", "excluded: the backlog of the worst partition is not read within moments, and does not shrink")
        .look_alike(
            "A group that nobody uses",
            if abandoned { "not excluded: no member and no service of the bundle reads for it" } else { "excluded" },
        );
    finding.cite(parts.iter().take(4).map(|part| part.last.evidence).collect::<Vec<_>>());
    finding.evidence_total = parts.len() as u64;
    finding
}

/// Why, and the sentence that says it.
fn cause(rule: &Rule, parts: &[Part<'_>]) -> (&'static str, String) {
    let Some(top) = parts.first() else { return ("unknown", String::new()) };
    let middle = |of: fn(&Part<'_>) -> Option<f64>| median(&mut parts.iter().skip(1).filter_map(of).collect::<Vec<_>>());
    let produced = top.produced.zip(middle(|part| part.produced));
    if let Some((most, usual)) = produced.filter(|(most, usual)| *most >= rule.limit("hot_rate") * usual.max(f64::MIN_POSITIVE)) {
        return (
            "hot",
            format!("{} records a second are written to it, {} to a usual partition: many records share a key.", round(most), round(usual)),
        );
    }
    if top.last.member == "-" && parts.iter().any(|part| !matches!(part.last.member, "" | "-")) {
        return ("orphan", "Nobody reads it, while other partitions have a member.".to_owned());
    }
    let lagging: BTreeSet<&str> = parts.iter().filter(|part| part.lag >= LAGS * top.lag).map(|part| part.last.member).collect();
    let owner = lagging
        .first()
        .filter(|member| lagging.len() == 1 && !member.is_empty())
        .map(|_| if top.last.host.is_empty() { top.last.member } else { top.last.host });
    if let Some((least, usual)) = top.read.zip(middle(|part| part.read)).filter(|(least, usual)| *least <= usual / rule.limit("slow_rate")) {
        let who = owner.map_or_else(String::new, |owner| format!(" All that lags belongs to the member at {owner}."));
        return ("slow", format!("{} records a second are read of it, {} of a usual partition.{who}", round(least), round(usual)));
    }
    ("unknown", owner.map_or_else(|| "Rates do not tell why.".to_owned(), |owner| format!("All that lags belongs to the member at {owner}.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::fixture::{bundle, check, measured, rule};

    const HEAD: &str = "GROUP  TOPIC  PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG  CONSUMER-ID  HOST  CLIENT-ID\n";

    /// Looks a minute apart; offsets read and written of each partition.
    fn found(looks: &[&[(i64, i64)]]) -> Vec<Finding> {
        let row = |(partition, (current, end)): (usize, &(i64, i64))| {
            format!("shop  orders  {partition}  {current}  {end}  {}  c-{partition}  /10.0.0.{partition}  c-{partition}\n", end - current)
        };
        let look = |(n, rows): (usize, &&[(i64, i64)])| {
            format!("# 2026-01-01T10:{n:02}:00Z\n{HEAD}{}", rows.iter().enumerate().map(row).collect::<String>())
        };
        check(&rule("kafka-partition-skew"), &bundle(&[("lag.txt", &looks.iter().enumerate().map(look).collect::<String>())]), None)
    }

    #[test]
    fn a_hot_key() {
        let found = found(&[&[(10_000, 70_000), (880, 900), (870, 880), (890, 900)], &[(10_000, 100_000), (1680, 1800), (1750, 1830), (1710, 1810)]]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!((measured(&found[0], "top_percent") - 99.67).abs() < 0.01 && found[0].severity == Severity::Medium, "{found:?}");
        assert!(found[0].words["cause"].contains("share a key"), "{:?}", found[0].words);
    }

    #[test]
    fn a_slow_member() {
        let found = found(&[&[(0, 100), (0, 100), (0, 100)], &[(60, 6100), (6000, 6100), (5990, 6100)]]);
        assert!(found.len() == 1 && found[0].words["cause"].contains("are read of it"), "{found:?}");
    }

    #[test]
    fn look_alikes() {
        assert!(
            found(&[&[(0, 100), (0, 100), (0, 100)], &[(100, 900), (90, 900), (110, 900)], &[(100, 1900), (90, 1900), (110, 1900)]]).is_empty(),
            "even"
        );
        assert!(found(&[&[(0, 0), (0, 0), (0, 0)], &[(58_000, 60_000), (990, 1000), (980, 1000)]]).is_empty(), "uneven but keeping up");
        assert!(found(&[&[(0, 9000), (5, 10), (5, 10)], &[(5000, 9000), (5, 10), (5, 10)]]).is_empty(), "worked off");
        assert!(found(&[&[(0, 100), (0, 5), (0, 5)], &[(0, 200), (0, 5), (0, 5)]]).is_empty(), "too little");
        assert_eq!(found(&[&[(0, 9000), (5, 10), (5, 10)]]).iter().map(|finding| finding.severity).collect::<Vec<_>>(), [Severity::Low], "one look");
    }

    #[test]
    fn inequality() {
        assert_eq!((gini(&[5.0, 5.0, 5.0]), gini(&[0.0, 0.0])), (0.0, 0.0));
        assert!((gini(&[0.0, 0.0, 0.0, 100.0]) - 0.75).abs() < 1e-9);
    }
}
