//! Which finding explains which.
//!
//! A links to B if A's rule says that it leads to B's, A did not begin after B, and both are about the same thing: a
//! service, the two sides of a call, or traces that both were seen in.

use crate::correlate::Case;
use crate::model::finding::Finding;
use crate::model::rule::RuleSet;
use crate::model::time::SECOND;
use std::collections::BTreeSet;

/// Pairs (cause, effect) of indices into `found`, without circles of two.
#[must_use]
pub fn links(found: &[Finding], rules: &RuleSet, case: &Case) -> BTreeSet<(usize, usize)> {
    // An onset is only known to the width of a bucket, and never better than half a minute.
    let slack = (2 * case.context.bucket).max(30 * SECOND);
    let mut links = BTreeSet::new();
    for (a, cause) in found.iter().enumerate() {
        let Some(rule) = rules.rules.get(&cause.rule) else { continue };
        for (b, effect) in found.iter().enumerate() {
            let told = a != b && rule.leads_to.contains(&effect.rule);
            if told && in_time(cause, effect, slack) && about_the_same(cause, effect) {
                links.insert((a, b));
            }
        }
    }
    // Where both lead to each other, as a slow callee and a retry storm do, the one that began first is the cause.
    let order = |n: usize| found.get(n).map(|f| (f.window.start, f.rule.clone()));
    let circles: Vec<(usize, usize)> = links.iter().copied().filter(|&(a, b)| links.contains(&(b, a)) && order(a) > order(b)).collect();
    circles.iter().for_each(|link| {
        links.remove(link);
    });
    links
}

fn in_time(cause: &Finding, effect: &Finding, slack: i64) -> bool {
    cause.window.start.is_none() || effect.window.start.is_none() || cause.window.start <= effect.window.end.plus(slack)
}

fn about_the_same(a: &Finding, b: &Finding) -> bool {
    let parties = |f: &Finding| -> BTreeSet<String> {
        let named = [&f.subject.service, &f.subject.peer].into_iter().chain(&f.services);
        named.filter(|name| !name.is_empty()).cloned().collect()
    };
    let (mine, theirs) = (parties(a), parties(b));
    if mine.is_empty() || theirs.is_empty() || !mine.is_disjoint(&theirs) {
        return true;
    }
    let traces: BTreeSet<_> = a.traces.iter().collect();
    b.traces.iter().any(|trace| traces.contains(trace))
}
