//! `hpa-flapping`: an autoscaler that changes its mind again and again.
//!
//! What this file does not do: instances that are only seen to come and go; what stops them is not known.

use crate::correlate::replicas::{Count, replicas};
use crate::model::finding::{Belief, Finding, Severity, Subject, score};
use crate::model::rule::Rule;
use crate::model::time::{MINUTE, SECOND, Window};
use crate::rules::native::retry_storm::round;
use crate::rules::{Detector, Scope};

pub(crate) const DETECTOR: Detector = Detector { id: "hpa-flapping", thresholds: &["changes", "within_s", "swing"], detect };

fn detect(scope: &Scope<'_>, rule: &Rule, out: &mut Vec<Finding>) {
    let loads = scope.case.loads();
    for (service, replicas) in replicas(scope.case, loads).into_iter().filter(|(_, replicas)| replicas.told) {
        let Some((turns, run)) = turns(rule, &replicas.counts, replicas.before) else { continue };
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let window = Window::of(first.time, last.time);
        let names = &scope.case.tables.names;
        let mut finding = Finding::new(&rule.id, Subject { service: service.clone(), ..Subject::default() }, window);
        let swing = names.find(&service).and_then(|service| loads.get(&service)).map(|load| {
            let rates: Vec<f64> = run.windows(2).map(|pair| load.stretch(Window::of(pair[0].time, pair[1].time)).per_second).collect();
            let (least, most) = rates.iter().fold((f64::INFINITY, 0.0_f64), |(least, most), rate| (least.min(*rate), most.max(*rate)));
            most / least.max(0.001)
        });
        let swings = swing.is_some_and(|swing| swing >= rule.limit("swing"));
        finding.severity = if swings { Severity::Low } else { Severity::Medium };
        finding.score = score(turns as f64, rule.limit("changes"), rule.upper("changes"));
        finding.confidence = Belief::new()
            .with("changes of direction", replicas.input, 0.75)
            .with_if(swing.is_some() && !swings, "traffic that stays the same", replicas.input, 0.3)
            .doubted(if swings { 0.6 } else { 1.0 })
            .value();
        let (least, most) = run.iter().fold((f64::INFINITY, 0.0_f64), |(least, most), count| (least.min(count.replicas), most.max(count.replicas)));
        finding
            .measure_against("changes", turns as f64, "changes", rule.limit("changes"))
            .measure("least", least, "replicas")
            .measure("most", most, "replicas")
            .measure("rescales", run.len() as f64, "rescales")
            .measure("minutes", round(window.nanos() as f64 / MINUTE as f64), "minutes")
            .word(
                "traffic",
                match swing {
                    Some(swing) if swings => format!("Traffic itself went up and down by {swing:.1} times meanwhile."),
                    Some(_) => "Traffic stayed about the same meanwhile.".to_owned(),
                    None => String::new(),
                },
            )
            .look_alike(
                "Traffic that goes up and down",
                match swing {
                    Some(swing) if !swings => format!("excluded: it varied by {swing:.1} times only"),
                    _ => "not excluded".to_owned(),
                },
            )
            .look_alike("A rollout", "excluded: the sum over all replica sets is counted");
        finding.cite(run.iter().map(|count| count.evidence));
        out.push(finding);
    }
}

/// The most changes of direction within the time that is looked at, and the counts from the first to the last of them.
fn turns<'c>(rule: &Rule, counts: &'c [Count], before: Option<f64>) -> Option<(usize, &'c [Count])> {
    let within = (rule.limit("within_s") * SECOND as f64) as i64;
    // Index of each count that goes another way than the one before it.
    let mut turning: Vec<usize> = Vec::new();
    let (mut level, mut way) = (before, 0_i8);
    for (at, count) in counts.iter().enumerate() {
        let now = level.map_or(0, |level| if count.replicas > level { 1 } else { -1 });
        if now != 0 {
            if way != 0 && now != way {
                turning.push(at);
            }
            way = now;
        }
        level = Some(count.replicas);
    }
    let mut best: Option<(usize, usize, usize)> = None;
    let mut from = 0;
    for (to, &last) in turning.iter().enumerate() {
        while counts[last].time.since(counts[turning[from]].time) > within {
            from += 1;
        }
        let many = to + 1 - from;
        if best.is_none_or(|(most, ..)| many > most) {
            best = Some((many, turning[from], last));
        }
    }
    let (many, first, last) = best?;
    let run = counts.get(first.saturating_sub(1)..=last)?;
    (many as f64 >= rule.limit("changes")).then_some((many, run))
}

#[cfg(test)]
mod tests {
    use crate::rules::fixture::{bundle, check, measured, rule};

    fn sizes(sizes: &[(u32, u32)]) -> String {
        sizes
            .iter()
            .map(|(minute, size)| format!("{{\"kind\":\"Event\",\"apiVersion\":\"v1\",\"involvedObject\":{{\"kind\":\"HorizontalPodAutoscaler\",\"name\":\"orders\"}},\"reason\":\"SuccessfulRescale\",\"message\":\"New size: {size}; reason: cpu\",\"type\":\"Normal\",\"lastTimestamp\":\"2026-01-01T10:{minute:02}:00Z\"}}\n"))
            .collect()
    }

    #[test]
    fn up_and_down_once_is_a_peak() {
        for calm in [&[(5, 4), (8, 8), (40, 4)][..], &[(1, 3), (2, 4), (3, 5), (4, 6)], &[(1, 3), (20, 2), (41, 3), (59, 2)]] {
            assert!(check(&rule("hpa-flapping"), &bundle(&[("events.json", &sizes(calm))]), None).is_empty(), "{calm:?}");
        }
    }

    #[test]
    fn up_and_down_again_and_again() {
        let found = check(&rule("hpa-flapping"), &bundle(&[("events.json", &sizes(&[(0, 3), (4, 8), (8, 3), (12, 9), (16, 4), (20, 8)]))]), None);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(["changes", "least", "most"].map(|name| measured(&found[0], name)), [4.0, 3.0, 9.0]);
    }
}
