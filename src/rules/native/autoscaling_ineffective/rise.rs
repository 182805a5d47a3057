//! Rises of the number of replicas: steps up that follow closely are one.
//!
//! What this file does not do: look at what was served.

use crate::correlate::replicas::Replicas;
use crate::model::rule::Rule;
use crate::model::source::Evidence;
use crate::model::time::{SECOND, Time};

/// A rise.
#[derive(Clone, Debug)]
pub struct Rise {
    /// The first step.
    pub from: Time,
    /// The last step.
    pub last: Time,
    /// Replicas before, if that is known.
    pub before: Option<f64>,
    /// Replicas after.
    pub after: f64,
    /// Steps.
    pub ups: usize,
    /// When the number falls again.
    pub falls: Option<Time>,
    /// The steps.
    pub evidence: Vec<Evidence>,
}

/// Every rise that is large enough.
pub fn rises(rule: &Rule, replicas: &Replicas) -> Vec<Rise> {
    let merge = (rule.limit("merge_s") * SECOND as f64) as i64;
    let mut all: Vec<Rise> = Vec::new();
    let mut now = replicas.before;
    for (at, count) in replicas.counts.iter().enumerate() {
        let rose = match now {
            Some(now) => count.replicas > now,
            // The first that events tell of is a change; the first that a metric tells of is the state it began in.
            None => replicas.input == crate::model::finding::Input::Events || replicas.input == crate::model::finding::Input::Logs,
        };
        let falls = now.is_some_and(|now| count.replicas < now);
        match all.last_mut().filter(|rise| rise.falls.is_none()) {
            Some(rise) if rose && count.time.since(rise.last) <= merge => {
                (rise.last, rise.after, rise.ups) = (count.time, count.replicas, rise.ups + 1);
                rise.evidence.push(count.evidence);
            }
            open => {
                if let Some(open) = open.filter(|_| falls) {
                    open.falls = Some(count.time);
                }
                if rose {
                    let evidence = vec![count.evidence];
                    all.push(Rise { from: count.time, last: count.time, before: now, after: count.replicas, ups: 1, falls: None, evidence });
                }
            }
        }
        now = Some(replicas.counts.get(at).map_or(0.0, |count| count.replicas));
    }
    // Of a first step whose origin nobody tells, the next one knows the size.
    for rise in &mut all {
        if rise.before.is_none() && rise.ups > 1 {
            let first = replicas.counts.first().map_or(0.0, |count| count.replicas);
            rise.before = Some(first);
        }
    }
    all.retain(|rise| is_large(rule, rise));
    all
}

fn is_large(rule: &Rule, rise: &Rise) -> bool {
    let Some(before) = rise.before else { return rise.after >= rule.limit("step_pods") };
    let added = rise.after - before;
    // From none it is a start, not a rise.
    before > 0.0 && (added >= rule.limit("step_pods") && 100.0 * added >= rule.limit("step_percent") * before || rise.after >= 2.0 * before)
}
